/* view.c - what is worth seeing of a stream: rates, drops, a map of the modules, the last event */
#include "view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/tally.h"
#include "base/tim.h"

/* ---- taking ---- */

void view_section(struct view *v, int link, const char *text)
{
	char why[CARD_WHY];
	struct card *c = *text ? card_parse("card", text, strlen(text), why) : NULL;

	v->events = link == CAP_LINK_USER0;
	v->sections++;
	v->any = false;
	v->card[0] = v->title[0] = '\0';
	if (c) {
		snprintf(v->card, sizeof v->card, "%s", c->name);
		snprintf(v->title, sizeof v->title, "%s", c->title);
	}
	card_free(c);
}

void view_record(struct view *v, const struct cap_record *r)
{
	struct evt e;

	if (v->records == 0)
		v->first_time = r->time;
	v->records++;
	v->bytes += r->caplen;
	v->dropped += r->dropped;
	v->time = r->time;
	if (!v->events)
		return;
	if (evt_decode(r->data, r->caplen, &e)) {
		v->bad++;
		return;
	}
	if (v->any && e.run != v->run)
		v->runs++;
	else if (v->any && e.number > v->number + 1)
		v->holes += e.number - v->number - 1;
	v->any = true;
	v->number = e.number;
	v->run = e.run;
	v->flags = e.flags;
	v->clock = e.clock;
	v->nsrc = e.nsrc;
	v->nrec = e.nrec;
	v->complete += !(e.flags & EVT_INCOMPLETE);
	v->incomplete += (e.flags & EVT_INCOMPLETE) != 0;
	for (unsigned s = 0; s < e.nsrc; s++) {
		v->present[s] = evt_present(&e, s) != 0;
		v->seen[s] += v->present[s];
	}
}

static void mark_whole(struct view *v)
{
	double seconds = (double)(v->time - v->first_time) / (double)TIM_S;

	v->interval = v->records;
	v->rate = seconds > 0 ? (double)(v->records - 1) / seconds : 0;
	v->byte_rate = v->records ? v->rate * (double)v->bytes / (double)v->records : 0;
	memcpy(v->interval_seen, v->seen, sizeof v->seen);
}

void view_mark(struct view *v, int64_t mono)
{
	if (v->whole) {
		mark_whole(v);
		return;
	}
	double seconds = (double)(mono - v->mark_mono) / (double)TIM_S;

	v->interval = v->records - v->mark_records;
	v->rate = seconds > 0 ? (double)v->interval / seconds : 0;
	v->byte_rate = seconds > 0 ? (double)(v->bytes - v->mark_bytes) / seconds : 0;
	memcpy(v->interval_seen, v->seen, sizeof v->seen);
	memset(v->seen, 0, sizeof v->seen);
	v->mark_records = v->records;
	v->mark_bytes = v->bytes;
	v->mark_mono = mono;
}

/* ---- showing ---- */

struct text {
	char *buf;
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	va_list ap;
	size_t left = VIEW_TEXT - t->n;

	va_start(ap, format);
	int k = vsnprintf(t->buf + t->n, left, format, ap);
	va_end(ap);
	t->n += k < 0 ? 0 : (size_t)k < left ? (size_t)k : left - 1;
}

/* How many tenths of the interval's events had this source. */
static char step(const struct view *v, unsigned s)
{
	static const char level[] = ".123456789#";
	uint64_t share = v->interval ? v->interval_seen[s] * 10 / v->interval : 0;

	if (v->interval == 0)
		return v->present[s] ? '#' : '.';
	if (share == 0 && v->interval_seen[s])
		share = 1; /* seldom is not never */
	return level[share > 10 ? 10 : share];
}

static void add_map(struct text *t, const struct view *v, int width)
{
	unsigned across = width >= 8 + 2 * 32 ? 32 : 16;

	add(t, "modules  # in all events of the %s, 1-9 in tenths, . in none\n",
	    v->whole ? "file" : "last interval");
	for (unsigned s = 0; s < v->nsrc; s++) {
		if (s % across == 0)
			add(t, "%5u  ", s);
		add(t, " %c", step(v, s));
		if (s % across == across - 1 || s + 1 == v->nsrc)
			add(t, "\n");
	}
}

size_t view_text(const struct view *v, const char *source, const char *state, int64_t now,
    int width, char buf[VIEW_TEXT])
{
	struct text t = {buf, 0};
	char when[TIM_TEXT], flags[160];

	add(&t, "%s  %s  %s\n", source, state, tim_text(now, 0, when));
	if (v->card[0])
		add(&t, "card     %s: %s\n", v->card, v->title);
	add(&t, "rate     %.1f %s/s, %.3f MB/s\n", v->rate, v->events ? "events" : "packets",
	    v->byte_rate / 1e6);
	add(&t, "total    %" PRIu64 " %s, %.3f MB", v->records, v->events ? "events" : "packets",
	    (double)v->bytes / 1e6);
	if (v->events)
		add(&t, "; complete %" PRIu64 ", incomplete %" PRIu64, v->complete, v->incomplete);
	add(&t, "\n");
	add(&t,
	    "drops    missed here %" PRIu64 ", at the receiver %" PRIu64
	    ", numbers missing %" PRIu64 ", bad %" PRIu64 "\n",
	    v->missed, v->dropped, v->holes, v->bad);
	if (v->any) {
		evt_flags_text(v->flags, flags);
		add(&t,
		    "last     run %" PRIu32 ", event %" PRIu64 ", %s, clock %" PRId64 ".%09" PRId64
		    " s, %u of %u modules%s%s\n",
		    v->run, v->number, tim_text(v->time, 3, when), v->clock / TIM_S,
		    v->clock % TIM_S < 0 ? -(v->clock % TIM_S) : v->clock % TIM_S, v->nrec, v->nsrc,
		    *flags ? ", " : "", flags);
		add_map(&t, v, width);
	} else if (v->records) {
		add(&t, "last     %s\n", tim_text(v->time, 3, when));
	}
	return t.n;
}

size_t view_json(
    const struct view *v, const char *source, const char *state, int64_t now, char buf[VIEW_TEXT])
{
	struct text t = {buf, 0};
	char when[TIM_TEXT], safe[512];

	tally_escape(safe, sizeof safe, source);
	add(&t, "{\"time\":\"%s\",\"source\":\"%s\",\"state\":\"%s\"", tim_text(now, 3, when), safe,
	    state);
	tally_escape(safe, sizeof safe, v->card);
	add(&t,
	    ",\"kind\":\"%s\",\"card\":\"%s\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
	    ",\"rate\":%.3f,\"byte_rate\":%.1f,\"complete\":%" PRIu64 ",\"incomplete\":%" PRIu64
	    ",\"lost\":{\"missed\":%" PRIu64 ",\"dropped before\":%" PRIu64 ",\"holes\":%" PRIu64
	    ",\"bad\":%" PRIu64 "}",
	    v->events ? "events" : "packets", safe, v->records, v->bytes, v->rate, v->byte_rate,
	    v->complete, v->incomplete, v->missed, v->dropped, v->holes, v->bad);
	if (v->any) {
		add(&t,
		    ",\"last\":{\"run\":%" PRIu32 ",\"number\":%" PRIu64
		    ",\"time\":\"%s\",\"clock\":%" PRId64 ",\"flags\":\"%s\",\"records\":%u}",
		    v->run, v->number, tim_text(v->time, 9, when), v->clock,
		    evt_flags_text(v->flags, safe), v->nrec);
		add(&t, ",\"occupancy\":[");
		for (unsigned s = 0; s < v->nsrc; s++)
			add(&t, "%s%.3f", s ? "," : "",
			    v->interval ? (double)v->interval_seen[s] / (double)v->interval : 0);
		add(&t, "]");
	}
	add(&t, "}\n");
	return t.n;
}
