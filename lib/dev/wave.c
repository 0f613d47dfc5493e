/* wave.c - waveforms on disk: .trc files and netCDF */
#include "dev/wave.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"
#include "file/cdf.h"

#define ROW_MOST    ((16u << 20) - 65536) /* bytes of a record that cdf takes, with room to spare */
#define COORD_MOST  (256u << 10)          /* samples that get a coordinate variable */
#define LOOK_AHEAD  1000                  /* names that are looked at before anything is measured */
#define BLOCK_BYTES (1u << 20)

#define fail(why, error, ...) why_fail(why, WAVE_WHY, error, __VA_ARGS__)

/* ---- .trc ---- */

int wave_trc_path(const char *name, const char *trace, int64_t number, char path[PUB_PATH])
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	size_t dir = (size_t)(base - name), n = strlen(base);
	char digits[24] = "";

	if (n > 4 && strcmp(base + n - 4, ".trc") == 0)
		n -= 4;
	if (number > 0)
		snprintf(digits, sizeof digits, "-%05lld", (long long)number);
	if (dir + n < PUB_PATH &&
	    snprintf(path, PUB_PATH, "%.*s%s-%.*s%s.trc", (int)dir, name, trace, (int)n, base,
		digits) < PUB_PATH)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int wave_trc_free(const char *name, const char *trace, int64_t count, char why[WAVE_WHY])
{
	char path[PUB_PATH];
	struct pub p;

	for (int64_t k = 1; k <= count && k <= LOOK_AHEAD; k++) {
		if (wave_trc_path(name, trace, count > 1 ? k : 0, path) < 0)
			return fail(why, errno, "%.64s...: the name is too long", name);
		if (pub_begin(&p, path, false) < 0)
			return fail(why, errno, "%s", p.why);
		pub_end(&p);
	}
	return 0;
}

/* Writes one file under its temporary name. The descriptor, or -1. */
static int write_trc(
    struct pub *p, const char *path, const struct wave_trace *t, char why[WAVE_WHY])
{
	char head[LECROY_HEADER + 1];

	if (pub_begin(p, path, false) < 0)
		return fail(why, errno, "%s", p->why);
	int fd = pub_create(p);
	if (fd < 0) {
		fail(why, errno, "%s", p->why);
		pub_end(p);
		return -1;
	}
	snprintf(head, sizeof head, "#9%09zu", t->size);
	if (io_writeall(fd, head, LECROY_HEADER) == 0 && io_writeall(fd, t->block, t->size) == 0)
		return fd;
	fail(why, errno, "%s: %s", path, strerror(errno));
	int error = errno;
	close(fd);
	pub_end(p);
	errno = error;
	return -1;
}

int wave_trc_write(const char *name, int64_t number, const struct wave_set *set, char why[WAVE_WHY])
{
	struct pub p[WAVE_TRACES];
	int fd[WAVE_TRACES], n = 0, bad = 0, error = 0;
	char path[PUB_PATH];

	for (; n < set->n && !bad; n++) {
		if (wave_trc_path(name, set->trace[n].name, number, path) < 0)
			bad = fail(why, errno, "%.64s...: the name is too long", name);
		else
			fd[n] = write_trc(&p[n], path, &set->trace[n], why);
		if (bad || fd[n] < 0) {
			bad = -1;
			error = errno;
			break;
		}
	}
	for (int i = 0; i < n; i++) {
		if (!bad && pub_commit(&p[i], fd[i], false) < 0) {
			bad = fail(why, errno, "%s", p[i].why);
			error = errno;
		}
		if (close(fd[i]) < 0 && !bad) {
			bad = fail(why, errno, "%s: %s", p[i].path, strerror(errno));
			error = errno;
		}
		pub_end(&p[i]);
	}
	errno = error;
	return bad;
}

/* ---- netCDF ---- */

struct nc_trace {
	char name[4];
	size_t length;
	int volts, first, edge; /* variables */
};

struct wave_nc {
	struct pub pub;
	int fd, marker;
	struct cdf *f;
	char why[WAVE_WHY];
	const char *program, *source;
	int n, time, acquisition, segment, since_first;
	struct nc_trace trace[WAVE_TRACES];
	int64_t day; /* midnight before the first trigger, by the instrument's clock */
	float *volts;
};

struct wave_nc *wave_nc_new(
    const char *path, const char *program, const char *source, char why[WAVE_WHY])
{
	struct wave_nc *w = calloc(1, sizeof *w);

	if (!w) {
		fail(why, ENOMEM, "out of memory");
		return NULL;
	}
	w->fd = -1;
	w->program = program;
	w->source = source;
	if (pub_begin(&w->pub, path, false) == 0)
		return w;
	fail(why, errno, "%s", w->pub.why);
	free(w);
	return NULL;
}

/* The minute of the trigger, as if the instrument's clock showed UTC. */
static int64_t minute_of(const struct lecroy *l)
{
	return tim_join(l->year, l->month, l->day, l->hour, l->minute, 0, 0);
}

/* The variables of a trace. Traces with as many points share their dimension. */
static void define_trace(struct wave_nc *w, struct cdf_head *h, int i, const struct wave_trace *t)
{
	struct nc_trace *x = &w->trace[i];
	char name[32];
	int dims[2] = {0, -1};

	snprintf(x->name, sizeof x->name, "%s", t->name);
	x->length = t->l.length;
	for (int k = 0; k < i && dims[1] < 0; k++)
		if (w->trace[k].length == x->length)
			dims[1] = h->var[w->trace[k].volts].dim[1];
	if (dims[1] < 0) {
		snprintf(name, sizeof name, i == 0 ? "sample" : "sample_%s", t->name);
		dims[1] = cdf_dim(h, name, x->length);
	}
	x->volts = cdf_var(h, t->name, CDF_F32, 2, dims);
	cdf_text(h, x->volts, "units", "%s", t->l.yunit[0] ? t->l.yunit : "V");
	cdf_text(h, x->volts, "long_name", "trace %s", t->name);
	cdf_text(h, x->volts, "coordinates", "time");
	cdf_number(h, x->volts, "sample_interval", CDF_F64, t->l.dx);
	cdf_number(h, x->volts, "vertical_gain", CDF_F64, t->l.gain);
	cdf_number(h, x->volts, "vertical_offset", CDF_F64, t->l.offset);
	cdf_number(h, x->volts, "bits", CDF_I32, t->l.words ? 16 : 8);
	snprintf(name, sizeof name, "%s_first", t->name);
	x->first = cdf_var(h, name, CDF_F64, 1, dims);
	cdf_text(h, x->first, "units", "s");
	cdf_text(h, x->first, "long_name",
	    "from the trigger to the first sample of %s; sample i is at this + i * sample_interval",
	    t->name);
	snprintf(name, sizeof name, "%s_edge", t->name);
	x->edge = cdf_var(h, name, CDF_I32, 1, dims);
	cdf_text(h, x->edge, "units", "1");
	cdf_text(
	    h, x->edge, "long_name", "samples of %s at or beyond the edges of the range", t->name);
}

static int record_var(
    struct cdf_head *h, const char *name, enum cdf_type type, const char *units, const char *text)
{
	static const int event = 0;
	int v = cdf_var(h, name, type, 1, &event);

	if (units)
		cdf_text(h, v, "units", "%s", units);
	cdf_text(h, v, "long_name", "%s", text);
	return v;
}

static void put_globals(struct wave_nc *w, struct cdf_head *h, const struct lecroy *l)
{
	char when[TIM_TEXT];

	/* No zone is known: the text goes without its Z. */
	tim_text(minute_of(l) + (int64_t)(l->second * 1e9), 9, when);
	when[strlen(when) - 1] = '\0';
	cdf_text(h, CDF_GLOBAL, "Conventions", "CF-1.8, ACDD-1.3");
	cdf_text(h, CDF_GLOBAL, "title", "oscilloscope traces");
	cdf_text(h, CDF_GLOBAL, "instrument", "%s %d", l->instrument, (int)l->serial);
	cdf_text(h, CDF_GLOBAL, "source", "%s", w->source);
	cdf_text(h, CDF_GLOBAL, "history", "%s %s: read from the oscilloscope", when, w->program);
	cdf_text(h, CDF_GLOBAL, "program_version", "%s", w->program);
	cdf_text(h, CDF_GLOBAL, "date_created", "%s", when);
	cdf_text(h, CDF_GLOBAL, "time_coverage_start", "%s", when);
	cdf_text(h, CDF_GLOBAL, "comment",
	    "dates and times are those of the oscilloscope's own clock, whose zone is not known; "
	    "only the first frames_written records are whole and safe");
}

static struct cdf_head *make_head(struct wave_nc *w, const struct wave_set *set)
{
	struct cdf_head *h = cdf_head_new(CDF_5);
	const struct lecroy *l = &set->trace[0].l;

	if (!h)
		return NULL;
	int64_t minute = minute_of(l);
	w->day = minute - minute % TIM_DAY;
	cdf_dim(h, "event", 0);
	put_globals(w, h, l);
	w->marker = cdf_var(h, "frames_written", CDF_I64, 0, NULL);
	cdf_text(h, w->marker, "long_name",
	    "records that are whole and safe on the disk; later ones are not to be used");
	w->time = record_var(h, "time", CDF_F64, NULL, "trigger, by the oscilloscope's own clock");
	struct tim_parts p = tim_split(w->day);
	cdf_text(
	    h, w->time, "units", "seconds since %04d-%02d-%02d 00:00:00", p.year, p.month, p.day);
	cdf_text(h, w->time, "calendar", "proleptic_gregorian");
	w->acquisition =
	    record_var(h, "acquisition", CDF_I32, "1", "number of the acquisition, from 1");
	w->segment =
	    record_var(h, "segment", CDF_I32, "1", "number of the segment in its sequence, from 0");
	w->since_first = record_var(
	    h, "since_first", CDF_F64, "s", "trigger, since the first one of the same acquisition");
	w->n = set->n;
	for (int i = 0; i < set->n; i++)
		define_trace(w, h, i, &set->trace[i]);
	if (l->length <= COORD_MOST) {
		int dim = h->var[w->trace[0].volts].dim[1]; /* a copy: the table may move */
		int v = cdf_var(h, "sample", CDF_F64, 1, &dim);
		cdf_text(h, v, "units", "s");
		cdf_text(h, v, "long_name", "time since the first sample of the record");
	}
	return h;
}

static void put_f64(uint8_t *to, double v)
{
	memcpy(to, &v, sizeof v);
	cdf_swap(to, 1, sizeof v);
}

static void put_i32(uint8_t *to, int32_t v)
{
	memcpy(to, &v, sizeof v);
	cdf_swap(to, 1, sizeof v);
}

static int create(struct wave_nc *w, const struct wave_set *set)
{
	size_t bytes = 0, longest = 0;

	for (int i = 0; i < set->n; i++) {
		size_t n = set->trace[i].l.length;
		bytes += n * sizeof(float);
		longest = n > longest ? n : longest;
	}
	if (bytes > ROW_MOST)
		return fail(w->why, EOVERFLOW, /* EFBIG is the disk's */
		    "%s: %zu samples for each trigger are more than a record of netCDF takes here "
		    "(%u): use .trc, or fewer points",
		    w->pub.path, bytes / sizeof(float), (unsigned)(ROW_MOST / sizeof(float)));
	w->volts = malloc(longest * sizeof *w->volts);
	struct cdf_head *h = w->volts ? make_head(w, set) : NULL;
	if (!h)
		return fail(w->why, ENOMEM, "out of memory");
	w->fd = pub_create(&w->pub);
	if (w->fd < 0) {
		cdf_head_free(h);
		return fail(w->why, errno, "%s", w->pub.why);
	}
	char why[CDF_WHY];
	w->f = cdf_create(h, w->pub.part, w->fd, BLOCK_BYTES, w->marker, why);
	if (!w->f)
		return fail(w->why, errno, "%s", why);
	int sample = cdf_find(cdf_head(w->f), "sample");
	uint8_t *to = sample >= 0 ? cdf_fixed(w->f, sample) : NULL;
	for (size_t i = 0; to && i < w->trace[0].length; i++)
		put_f64(to + 8 * i, (double)i * set->trace[0].l.dx);
	return 0;
}

static bool same_shape(const struct wave_nc *w, const struct wave_set *set)
{
	if (set->n != w->n)
		return false;
	for (int i = 0; i < set->n; i++)
		if (set->trace[i].l.length != w->trace[i].length ||
		    strcmp(set->trace[i].name, w->trace[i].name) != 0)
			return false;
	return true;
}

static int add_row(struct wave_nc *w, const struct wave_set *set, size_t segment)
{
	uint8_t *row = cdf_row(w->f);
	const struct lecroy *l = &set->trace[0].l;

	if (!row)
		return -1;
	double since = lecroy_trigger(l, segment);
	double begin = (double)((minute_of(l) - w->day) / TIM_S); /* s, of the minute */
	put_f64(row + cdf_offset(w->f, w->time), begin + l->second + since);
	put_f64(row + cdf_offset(w->f, w->since_first), since);
	put_i32(row + cdf_offset(w->f, w->acquisition), (int32_t)set->number);
	put_i32(row + cdf_offset(w->f, w->segment), (int32_t)segment);
	for (int i = 0; i < w->n; i++) {
		const struct lecroy *t = &set->trace[i].l;
		const struct nc_trace *x = &w->trace[i];
		size_t edge = lecroy_volts(t, segment, w->volts);
		cdf_swap(w->volts, x->length, sizeof *w->volts);
		memcpy(row + cdf_offset(w->f, x->volts), w->volts, x->length * sizeof *w->volts);
		put_f64(row + cdf_offset(w->f, x->first), lecroy_first(t, segment));
		put_i32(row + cdf_offset(w->f, x->edge), (int32_t)edge);
	}
	cdf_row_done(w->f);
	return 0;
}

int wave_nc_add(struct wave_nc *w, const struct wave_set *set)
{
	bool first = !w->f;

	if (first && create(w, set) < 0)
		return -1;
	if (!same_shape(w, set))
		return fail(w->why, EPROTO,
		    "%s: the traces have other numbers of points than before: has somebody turned "
		    "a knob?",
		    w->pub.path);
	for (size_t s = 0; s < set->trace[0].l.segments; s++)
		if (add_row(w, set, s) < 0)
			return fail(w->why, errno, "%s: %s", w->pub.path, strerror(errno));
	if (cdf_commit(w->f) < 0)
		return fail(w->why, errno, "%s: %s", w->pub.path, strerror(errno));
	if (first && pub_commit(&w->pub, w->fd, false) < 0)
		return fail(w->why, errno, "%s", w->pub.why);
	return 0;
}

int wave_nc_close(struct wave_nc *w)
{
	char why[CDF_WHY];

	if (!w->pub.published)
		return 0;
	if (cdf_trim(w->f) < 0 || io_sync(w->fd) < 0)
		return fail(w->why, errno, "%s: %s", w->pub.path, strerror(errno));
	int fd = w->fd;
	w->fd = -1;
	if (close(fd) < 0)
		return fail(w->why, errno, "%s: %s", w->pub.path, strerror(errno));
	if (cdf_verify(w->pub.path, cdf_head(w->f), cdf_committed(w->f), w->marker, why) < 0)
		return fail(w->why, EIO, "%s", why);
	return 0;
}

const char *wave_nc_why(const struct wave_nc *w)
{
	return w->why;
}

void wave_nc_free(struct wave_nc *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	pub_end(&w->pub);
	cdf_free(w->f);
	free(w->volts);
	free(w);
}
