/* mergereport.c - what came of a night: the report in JSON, and the counts */
#include "sky/mergedayin.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "file/pub.h"

struct text {
	char *s;
	size_t n, room;
	bool bad;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
	va_list ap;

	if (t->room - t->n < 1024) {
		char *more = realloc(t->s, t->room + 65536);
		if (!more) {
			t->bad = true;
			return;
		}
		t->s = more;
		t->room += 65536;
	}
	va_start(ap, format);
	int n = vsnprintf(t->s + t->n, t->room - t->n, format, ap);
	va_end(ap);
	t->bad |= n < 0 || (size_t)n >= t->room - t->n;
	if (!t->bad)
		t->n += (size_t)n;
}

/* JSON has no NAN. */
static void add_number(struct text *t, const char *name, double v)
{
	if (isfinite(v))
		add(t, ",\"%s\":%.9g", name, v);
	else
		add(t, ",\"%s\":null", name);
}

static void add_clock(struct text *t, const struct clock_model *c, double start)
{
	add(t,
	    ",\n \"clock\":{\"das_edges\":%d,\"log_edges\":%d,\"matched\":%d,"
	    "\"rms\":%.6f,\"pieces\":[",
	    c->das_edges, c->log_edges, c->matched, c->rms);
	for (int i = 0; i < c->n; i++)
		add(t,
		    "%s{\"first_edge\":%.2f,\"last_edge\":%.2f,\"offset\":%.5f,\"rate_ppm\":%.3f,"
		    "\"edges\":%d,\"rms\":%.6f}",
		    i ? "," : "", c->seg[i].first - start, c->seg[i].last - start, c->seg[i].offset,
		    c->seg[i].rate * 1e6, c->seg[i].edges, c->seg[i].rms);
	add(t, "]}");
}

static void add_input(struct text *t, const char *kind, const struct stream_file *f)
{
	char when[TIM_TEXT];

	if (f->present)
		add(t, ",\"%s\":{\"size\":%lld,\"mtime\":\"%s\",\"crc32\":\"%08x\"}", kind,
		    (long long)f->size, tim_text(f->mtime, 3, when), f->crc);
}

static void add_minutes(struct text *t, const struct merge_hour *r)
{
	bool any;

	add(t, ",\n \"minutes\":[");
	for (int k = 0; k < 60; k++) {
		add(t, "%s\n  {\"minute\":%d,\"merged\":%s,\"bad\":[", k ? "," : "", k,
		    r->minutes >> k & 1 ? "true" : "false");
		any = false;
		for (int b = 0; b < STREAM_NBITS; b++)
			if (r->quality[k] >> b & 1) {
				add(t, "%s\"%s\"", any ? "," : "", stream_bit_names[b]);
				any = true;
			}
		add(t, "]");
		add_input(t, "raw", &r->input[k][STREAM_RAW]);
		add_input(t, "log", &r->input[k][STREAM_LOG]);
		add_input(t, "enc", &r->input[k][STREAM_ENC]);
		add(t, "}");
	}
	add(t, "]");
}

static void add_hour(struct text *t, const struct mergeday *d, int hour, bool comma)
{
	static const char *const verdict[] = {"unchecked", "good", "suspect"};
	const struct merge_hour *r = &d->h[hour].result;
	char name[32];

	add(t,
	    "%s\n{\"file\":\"%s\",\"final\":%s,\"verdict\":\"%s\",\"frames\":%lld,\"rails\":%lld",
	    comma ? "," : "", hour_name(d->first / 60 + hour, name),
	    r->provisional ? "false" : "true", verdict[r->verdict], (long long)r->frames,
	    (long long)r->rails);
	add_number(t, "check_lst", r->lst);
	add_number(t, "check_lst_slope", r->lst_slope);
	add_number(t, "check_lst_rms", r->lst_rms);
	add_number(t, "check_azel_rms", r->azel_rms);
	add_number(t, "check_azel_max", r->azel_max);
	add(t, ",\"dut1_source\":\"%s\"", r->dut1_source);
	add_clock(t, &r->clock, 3600.0 * hour);
	add_minutes(t, r);
	add(t, "}");
}

static void add_night(struct text *t, const struct mergeday *d)
{
	struct tim_parts p = tim_split(d->first * TIM_MIN);
	bool any = false;

	add(t,
	    "{\"program\":\"merge\",\"version\":\"%s\",\"day\":\"%04d-%02d-%02d\","
	    "\"calspec_crc32\":\"%08x\",\"hours\":[",
	    FYKE_VERSION, p.year, p.month, p.day, d->o.cal->crc);
	for (int i = 0; i < HOURS; i++)
		if (d->h[i].built) {
			add_hour(t, d, i, any);
			any = true;
		}
	add(t, "]}\n");
}

static int publish(struct mergeday *d, const struct text *t)
{
	struct pub pub;

	if (pub_begin(&pub, d->o.report, true) < 0)
		return mergeday_failed(d, pub.why);
	int fd = pub_create(&pub);
	int bad = fd < 0 ? -1 : io_writeall(fd, t->s, t->n);
	if (bad && fd >= 0)
		snprintf(pub.why, sizeof pub.why, "%s: %s", d->o.report, strerror(errno));
	if (!bad)
		bad = pub_commit(&pub, fd, true);
	if (bad)
		mergeday_failed(d, pub.why);
	if (fd >= 0)
		close(fd);
	pub_end(&pub);
	return bad;
}

int mergereport_write(struct mergeday *d)
{
	struct text t = {0};
	int bad;

	add_night(&t, d);
	if (t.bad) {
		errno = ENOMEM;
		bad = mergeday_failed(d, "out of memory");
	} else {
		bad = publish(d, &t);
	}
	free(t.s);
	return bad;
}

/* ---- counts ---- */

void mergeday_count(const struct mergeday *d, struct mergeday_count *c)
{
	int first = -1, last = -1;

	memset(c, 0, sizeof *c);
	for (int m = d->from; m <= d->to; m++)
		if (d->h[m / 60].built && d->h[m / 60].result.minutes >> m % 60 & 1) {
			first = first < 0 ? m : first;
			last = m;
		}
	if (d->o.end >= 0) {
		for (int m = d->from; m <= d->to && first < 0; m++)
			first = mergewait_has_raw(d, m) ? m : -1;
		first = first < 0 || d->o.start >= 0 ? d->from : first;
		last = d->o.end;
	}
	for (int m = first; m >= 0 && m <= last; m++) {
		const struct hour_state *h = &d->h[m / 60];
		unsigned q = h->built ? h->result.quality[m % 60] : STREAM_RAW_MISSING;
		c->in++;
		if (!h->built && mergewait_has_raw(d, m))
			c->held++;
		else if (q & STREAM_RAW_MISSING)
			c->no_raw++;
		else if (d->o.log && q & STREAM_LOG_MISSING)
			c->no_log++;
		else if (d->o.enc && q & STREAM_ENC_MISSING)
			c->no_enc++;
		else
			c->out++;
		c->cut += (q & (STREAM_RAW_SHORT | STREAM_RAW_TORN | STREAM_LOG_SHORT)) != 0;
		c->duplicate += (q & STREAM_RAW_DUPLICATE) != 0;
		c->stale += (q & STREAM_LOG_STALE) != 0;
	}
	for (int i = 0; i < HOURS; i++) {
		const struct hour_state *h = &d->h[i];
		c->hours += h->built;
		c->suspect += h->built && h->result.verdict == HOUR_SUSPECT;
		c->steps += h->built ? (uint64_t)mergeday_steps(&h->result.clock, i) : 0;
	}
}
