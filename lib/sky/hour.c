/* hour.c - a merged file: one hour, netCDF classic, of fixed size */
#include "sky/hourin.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/wire.h"
#include "base/why.h"
#include "file/cdf.h"
#include "file/cdf_classic.h"
#include "sky/stream.h"

#define GRID 3000 /* nominal times that are written at once */

enum flag { FLAG_AC = 1, FLAG_DC = 2, FLAG_MISSING = 4 };

#define fail(h, ...) why_fail((h)->why, sizeof(h)->why, errno, __VA_ARGS__)

const char *hour_why(const struct hour *h)
{
	return h->why;
}

const char *hour_path(const struct hour *h)
{
	return h->pub.path;
}

int hour_fd(const struct hour *h)
{
	return h->fd;
}

char *hour_name(int64_t hour, char buf[32])
{
	struct tim_parts p = tim_split(hour * TIM_H);

	snprintf(buf, 32, "%04d%02d%02d_%02d.nc", p.year % 10000, p.month % 100, p.day % 100,
	    p.hour % 100);
	return buf;
}

/* ---- writing values ---- */

static uint8_t *room(struct hour *h, size_t bytes)
{
	if (bytes > h->room) {
		free(h->scratch);
		h->scratch = malloc(bytes);
		h->room = h->scratch ? bytes : 0;
	}
	if (!h->scratch)
		fail(h, "out of memory");
	return h->scratch;
}

static int put(struct hour *h, int id, uint64_t at, const void *bytes, size_t n)
{
	if (cdf_write_at(h->cdf, id, at, bytes, n) < 0)
		return fail(h, "%s: %s", h->published ? h->pub.path : h->pub.part, strerror(errno));
	return 0;
}

static double clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* One value as the file has it, big-endian; returns the next place. */
static uint8_t *encode(uint8_t *to, enum cdf_type type, double v)
{
	u16be s;
	u32be w;
	u64be d;
	float f = (float)v;
	uint32_t fu;
	uint64_t du;

	switch (type) {
	case CDF_I8:
		*to = (uint8_t)(int8_t)lrint(clamp(v, -128, 127));
		return to + 1;
	case CDF_I16:
		wire_put(&s, (uint16_t)lrint(clamp(v, -32768, 32767)));
		memcpy(to, s.b, 2);
		return to + 2;
	case CDF_I32:
		wire_put(&w, (uint32_t)lrint(clamp(v, -2147483648.0, 4294967295.0)));
		memcpy(to, w.b, 4);
		return to + 4;
	case CDF_F32:
		memcpy(&fu, &f, 4);
		wire_put(&w, fu);
		memcpy(to, w.b, 4);
		return to + 4;
	default:
		memcpy(&du, &v, 8);
		wire_put(&d, du);
		memcpy(to, d.b, 8);
		return to + 8;
	}
}

static int put_values(struct hour *h, struct slot s, int64_t first, int64_t n, const double *v)
{
	enum cdf_type type = cdf_head(h->cdf)->var[s.id].type;
	size_t size = cdf_size(type);
	uint8_t *buf = room(h, (size_t)n * size), *at = buf;

	if (!buf)
		return -1;
	for (int64_t i = 0; i < n; i++)
		at = encode(at, type, isnan(v[i]) ? s.fill : v[i]);
	return put(h, s.id, (uint64_t)first * size, buf, (size_t)n * size);
}

int hour_own(struct hour *h, enum hour_own var, int64_t first, int64_t n, const double *values)
{
	return put_values(h, h->own[var], first, n, values);
}

int hour_cal(struct hour *h, int var, int64_t first, int64_t n, const double *values)
{
	return put_values(h, h->cal[var], first, n, values);
}

int hour_text(struct hour *h, int var, int64_t first, int64_t n, const char (*text)[HOUR_TEXT])
{
	return put(h, h->cal[var].id, (uint64_t)first * HOUR_TEXT, text, (size_t)n * HOUR_TEXT);
}

/* ---- the DAS ---- */

/* Channels that follow each other are copied together. */
struct run {
	size_t from, bytes;
};

static int make_runs(const struct cal_var *v, struct run *run)
{
	int n = 0;

	for (int i = 0; i < v->nchannels; i++) {
		if (i > 0 && v->channel[i] == v->channel[i - 1] + 1)
			run[n - 1].bytes += 2;
		else
			run[n++] = (struct run){2 * (size_t)v->channel[i], 2};
	}
	return n;
}

/* Whether a row of big-endian shorts has a value at a rail. */
static bool has_rail(const uint8_t *row, size_t n)
{
	unsigned any = 0;

	for (size_t i = 0; i < n; i++) {
		uint16_t v;
		memcpy(&v, row + 2 * i, 2);
		any |= (v == WIRE_BE16(0x8000)) | (v == WIRE_BE16(0x7fff));
	}
	return any;
}

/* -32768 is the fill value: such samples become -32767, and both rails are flagged. */
static int64_t mend_rails(uint8_t *row, size_t n, uint8_t *flags, enum flag flag)
{
	int64_t count = 0;

	for (size_t i = 0; i < n; i++) {
		int v = (int16_t)(row[2 * i] << 8 | row[2 * i + 1]);
		if (v != RAIL_LOW && v != 32767)
			continue;
		if (v == RAIL_LOW)
			row[2 * i + 1] = 1;
		if (flags)
			flags[i] |= (uint8_t)flag;
		count++;
	}
	return count;
}

static int put_packed(struct hour *h, int var, int minute, const uint8_t *frames, int n,
    uint8_t *flags, int64_t *rails)
{
	const struct cal_var *v = &h->spec.cal->var[var];
	struct run run[CAL_CHANNELS];
	int runs = make_runs(v, run);
	size_t row = 2 * (size_t)v->nchannels, frame = 2 * (size_t)h->spec.cal->das.channels;
	uint8_t *buf = room(h, row * (size_t)h->per_minute), *at = buf;
	enum flag flag = strncmp(v->name, "dc", 2) == 0 ? FLAG_DC : FLAG_AC;

	if (!buf)
		return -1;
	for (int i = 0; i < n; i++, frames += frame) {
		uint8_t *begin = at;
		for (int k = 0; k < runs; k++) {
			memcpy(at, frames + run[k].from, run[k].bytes);
			at += run[k].bytes;
		}
		if (h->spec.cal->das.little)
			cdf_swap(begin, (size_t)v->nchannels, 2);
		if (has_rail(begin, (size_t)v->nchannels))
			*rails += mend_rails(begin, (size_t)v->nchannels,
			    flags ? flags + (size_t)i * (size_t)h->bolos : NULL, flag);
	}
	for (uint8_t *end = buf + row * (size_t)h->per_minute; at < end; at += 2) {
		at[0] = 0x80;
		at[1] = 0;
	}
	return put(h, h->cal[var].id, row * (uint64_t)h->per_minute * (uint64_t)minute, buf,
	    row * (size_t)h->per_minute);
}

static int put_converted(struct hour *h, int var, int minute, const uint8_t *frames, int n)
{
	const struct calspec *c = h->spec.cal;
	const struct cal_var *v = &c->var[var];
	size_t count = (size_t)h->per_minute * (size_t)v->nchannels;
	double *x = malloc(count * sizeof *x);
	int16_t *raw = malloc((size_t)h->per_minute * sizeof *raw);
	int bad = -1;

	if (x && raw) {
		for (int k = 0; k < v->nchannels; k++) {
			das_channel(&c->das, frames, (size_t)n, v->channel[k], raw);
			for (int i = 0; i < h->per_minute; i++)
				x[i * v->nchannels + k] = i < n
				    ? calspec_convert(v, raw[i] * (c->adc_volts / ADC_HALF))
				    : (double)NAN;
		}
		bad = put_values(h, h->cal[var], (int64_t)count * minute, (int64_t)count, x);
	} else {
		fail(h, "out of memory");
	}
	free(x);
	free(raw);
	return bad;
}

int hour_das(struct hour *h, int minute, const uint8_t *frames, int n, int64_t *rails)
{
	const struct calspec *c = h->spec.cal;
	size_t nflags = (size_t)h->per_minute * (size_t)h->bolos;
	uint8_t *flags = calloc(nflags ? nflags : 1, 1);
	int bad = flags ? 0 : fail(h, "out of memory");

	for (int i = 0; i < c->nvars && !bad; i++) {
		const struct cal_var *v = &c->var[i];
		if (v->source != CAL_DAS)
			continue;
		if (v->type == CAL_SHORT)
			bad = put_packed(h, i, minute, frames, n,
			    h->bolos && v->nchannels == h->bolos ? flags : NULL, rails);
		else
			bad = put_converted(h, i, minute, frames, n);
	}
	if (!bad && h->flags >= 0) {
		size_t have = (size_t)n * (size_t)h->bolos;
		memset(flags + have, FLAG_MISSING, nflags - have);
		bad = put(h, h->flags, nflags * (uint64_t)minute, flags, nflags);
	}
	free(flags);
	return bad;
}

/* ---- creating ---- */

static int put_names(struct hour *h)
{
	const struct cal_var *ac = calspec_find(h->spec.cal, "ac_bolos");
	const struct cdf_head *d = cdf_head(h->cdf);
	char name[HOUR_TEXT];
	uint8_t value[8];
	int bad = 0;

	for (int i = 0; i < h->bolos && !bad; i++) {
		memset(name, 0, sizeof name);
		snprintf(name, sizeof name, "BOLO_%c%d", 'A' + i / 24 % 26, i % 24 + 1);
		encode(value, CDF_F64, h->spec.cal->channel_delay * ac->channel[i]);
		bad = put(h, cdf_find(d, "bolo"), (uint64_t)i * HOUR_TEXT, name, HOUR_TEXT) ||
		    put(h, cdf_find(d, "sampling_offset"), (uint64_t)i * 8, value, 8);
	}
	return bad;
}

/* The nominal grid: a coordinate variable is complete and rises strictly. */
static int put_grid(struct hour *h)
{
	double t[GRID], step = 1.0 / h->spec.cal->das.rate;
	int64_t n = (int64_t)h->per_minute * MINUTES;
	int bad = 0;

	for (int64_t at = 0; at < n && !bad; at += GRID) {
		int64_t k = n - at < GRID ? n - at : GRID;
		for (int64_t i = 0; i < k; i++)
			t[i] = (double)(at + i) * step;
		bad = hour_own(h, HOUR_TIME, at, k, t);
	}
	const double zero = 0;
	return bad || hour_own(h, HOUR_SAMPLE_INTERVAL, 0, 1, &step) ||
	    hour_own(h, HOUR_OBS_MODE, 0, 1, &zero);
}

static struct hour *give_up(struct hour *h, char why[HOUR_WHY])
{
	memcpy(why, h->why, HOUR_WHY);
	int e = errno;
	hour_close(h);
	errno = e;
	return NULL;
}

struct hour *hour_create(const struct hour_spec *spec, const char *path, char why[HOUR_WHY])
{
	struct hour *h = calloc(1, sizeof *h);
	char reason[CDF_WHY];
	const struct cal_var *ac = calspec_find(spec->cal, "ac_bolos");

	if (!h) {
		snprintf(why, HOUR_WHY, "out of memory");
		return NULL;
	}
	h->spec = *spec;
	h->fd = -1;
	h->per_minute = 60 * spec->cal->das.rate;
	h->bolos = ac ? ac->nchannels : 0;
	if (pub_begin(&h->pub, path, true) < 0 || (h->fd = pub_create(&h->pub)) < 0) {
		fail(h, "%s", h->pub.why);
		return give_up(h, why);
	}
	struct cdf_head *d = hourhead_define(h);
	h->cdf = d ? cdf_create(d, h->pub.part, h->fd, 1 << 20, -1, reason) : NULL;
	if (!h->cdf) {
		fail(h, "%s", d ? reason : "out of memory");
		return give_up(h, why);
	}
	if (put_names(h) || put_grid(h))
		return give_up(h, why);
	return h;
}

void hour_close(struct hour *h)
{
	if (!h)
		return;
	pub_end(&h->pub);
	cdf_free(h->cdf);
	if (h->fd >= 0)
		close(h->fd);
	free(h->scratch);
	free(h);
}

int hour_publish(struct hour *h)
{
	char reason[CDF_WHY];

	if (io_sync(h->fd) < 0)
		return fail(h, "%s: does not reach the disk: %s", h->pub.part, strerror(errno));
	if (cdf_verify(h->pub.part, cdf_head(h->cdf), 0, -1, reason) < 0)
		return fail(h, "%s", reason);
	if (pub_commit(&h->pub, h->fd, true) < 0)
		return fail(h, "%s", h->pub.why);
	h->published = true;
	return 0;
}

/* ---- in place ---- */

static int sync_it(struct hour *h)
{
	return io_sync(h->fd) < 0
	    ? fail(h, "%s: does not reach the disk: %s", h->pub.path, strerror(errno))
	    : 0;
}

int hour_begin(struct hour *h, int minute)
{
	const double state = 0;

	return hour_own(h, HOUR_MINUTE_STATE, minute, 1, &state) || sync_it(h) ? -1 : 0;
}

int hour_end(struct hour *h, int minute, int64_t frames_written)
{
	const double state = 1, frames = (double)frames_written;

	return sync_it(h) || hour_own(h, HOUR_FRAMES_WRITTEN, 0, 1, &frames) ||
		hour_own(h, HOUR_MINUTE_STATE, minute, 1, &state) || sync_it(h)
	    ? -1
	    : 0;
}

/* The values of a minute variable as they are on disk; false: there are none. */
static bool get_minutes(
    int fd, const struct cdf_head *d, const char *name, enum cdf_type type, void *values)
{
	int v = cdf_find(d, name);
	size_t size = MINUTES * cdf_size(type);

	return v >= 0 && d->var[v].type == type && d->var[v].count == MINUTES &&
	    pread(fd, values, size, (off_t)d->var[v].begin) == (ssize_t)size;
}

int hour_minutes(const char *path, uint64_t *minutes, bool *provisional, char why[HOUR_WHY])
{
	char reason[CDF_WHY];
	uint8_t state[MINUTES];
	u32be quality[MINUTES];

	*minutes = 0;
	*provisional = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && cdf_is_nc4(fd)) {
		close(fd);
		fd = cdf_make_classic(path, "time", reason);
		if (fd < 0 && errno != EINVAL)
			return why_fail(why, HOUR_WHY, errno, "%s: %s", path, reason);
	}
	if (fd < 0)
		return 0;
	struct cdf_head *d = cdf_scan(fd, reason);
	if (d && get_minutes(fd, d, "minute_state", CDF_I8, state))
		for (int i = 0; i < MINUTES; i++)
			*minutes |= (uint64_t)(state[i] == 1) << i;
	if (d && get_minutes(fd, d, "minute_quality", CDF_I32, quality))
		for (int i = 0; i < MINUTES; i++)
			*provisional |=
			    *minutes >> i & 1 && wire_get(quality[i]) & STREAM_PROVISIONAL;
	cdf_head_free(d);
	close(fd);
	return 0;
}
