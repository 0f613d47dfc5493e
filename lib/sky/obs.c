/*
 * obs.c - observations in merged hours: found by their number, cut out across the hour boundary
 *
 * Values are copied as they stand in the files, in their packed form; only the time axis is made
 * to go on from one hour to the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tim.h"
#include "base/why.h"
#include "file/cdf.h"
#include "file/cdf_classic.h"
#include "file/pub.h"
#include "sky/obs.h"

#define HOUR       3600
#define NOTHING    (-1) /* no observation number */
#define BLOCK      (1 << 20)
#define RATE_MAX   10000
#define TEXT_MAX   256
#define EDGE_MAX   4096 /* of the clock, in an hour */
#define OBS_PIECES 64

struct hour {
	char path[4096];
	int fd;   /* of the file, or of a classic one made of it that lacks the samples */
	int full; /* of one that has them; the same as fd for a classic file; -1: not made yet */
	struct cdf_head *head;
	int64_t start; /* seconds since 1970 */
};

/* The clock's model: offset + rate (t - centre) up to `to`. */
struct clock {
	int n;
	double to[OBS_PIECES], centre[OBS_PIECES], offset[OBS_PIECES], rate[OBS_PIECES];
};

struct obs_hours {
	int n, rate;
	const char *slice; /* what is being written */
	struct hour hour[OBS_HOURS];
	_Alignas(8) uint8_t block[BLOCK];
	char why[OBS_WHY];
};

#define fail(o, error, ...) why_fail((o)->why, sizeof(o)->why, error, __VA_ARGS__)

const char *obs_why(const struct obs_hours *o)
{
	return o->why;
}

struct obs_hours *obs_new(void)
{
	return calloc(1, sizeof(struct obs_hours));
}

/* A netCDF-4 hour's samples take 200 MB of temporary disk: not longer than they are needed. */
static void drop_full(struct hour *h)
{
	if (h->full >= 0 && h->full != h->fd) {
		close(h->full);
		h->full = -1;
	}
}

void obs_free(struct obs_hours *o)
{
	for (int i = 0; o && i < o->n; i++) {
		cdf_head_free(o->hour[i].head);
		drop_full(&o->hour[i]);
		close(o->hour[i].fd);
	}
	free(o);
}

/* ---- hours ---- */

static const struct cdf_var *variable(const struct hour *h, const char *name)
{
	int v = cdf_find(h->head, name);

	return v < 0 ? NULL : &h->head->var[v];
}

/* The dimension along which a variable goes on from hour to hour, or NULL. */
static const struct cdf_dim *along(const struct cdf_head *d, const struct cdf_var *v)
{
	const struct cdf_dim *dim = v->ndims > 0 && !v->record ? &d->dim[v->dim[0]] : NULL;

	return dim && (!strcmp(dim->name, "time") || !strcmp(dim->name, "onehertz")) ? dim : NULL;
}

static size_t row_bytes(const struct cdf_head *d, const struct cdf_var *v)
{
	return (size_t)(v->count / d->dim[v->dim[0]].len) * cdf_size(v->type);
}

/* Reads n rows from `row` on. */
static int read_rows(struct obs_hours *o, const struct hour *h, const struct cdf_var *v,
    int64_t row, int64_t n, void *to)
{
	size_t bytes = row_bytes(h->head, v), want = (size_t)n * bytes;
	int fd = h->full >= 0 ? h->full : h->fd;
	ssize_t got = pread(fd, to, want, (off_t)(v->begin + (uint64_t)row * bytes));

	if (got == (ssize_t)want)
		return 0;
	return fail(o, got < 0 ? errno : EINVAL, "%s: %s", h->path,
	    got < 0 ? strerror(errno) : "is shorter than its header says");
}

/* "seconds since 2005-06-21 08:00:00" of the time axis, in seconds since 1970. */
static int start_of(const struct hour *h, int64_t *start)
{
	const struct cdf_att *a = cdf_att(h->head, cdf_find(h->head, "time"), "units");
	static const char since[] = "seconds since ";
	char text[TIM_TEXT];
	int64_t t;

	if (!a || a->type != CDF_CHAR || a->n >= sizeof text + strlen(since) ||
	    strncmp(a->data, since, strlen(since)) != 0)
		return -1;
	snprintf(text, sizeof text, "%.30sZ", (const char *)a->data + strlen(since));
	if (tim_parse(text, &t) < 0 || t % TIM_H != 0)
		return -1;
	*start = t / TIM_S;
	return 0;
}

/* Whether the header is that of an hour, and of the same make as the first one. */
static const char *judge(struct obs_hours *o, struct hour *h)
{
	const struct cdf_var *t = variable(h, "time"), *n = variable(h, "obsnumber"),
			     *s = variable(h, "source_name");

	if (!t || t->type != CDF_F64 || t->ndims != 1 || !along(h->head, t) ||
	    start_of(h, &h->start) < 0)
		return "is not an hour that merge wrote: it has no time axis of whole hours";
	if (!n || n->type != CDF_I32 || n->ndims != 1 || !along(h->head, n) || n->count != HOUR)
		return "has no obsnumber(onehertz): the calspec must name it, as int";
	if (s &&
	    (s->type != CDF_CHAR || s->ndims != 2 || s->count / HOUR > TEXT_MAX ||
		!along(h->head, s) || s->count % HOUR))
		return "source_name is not text(onehertz)";
	if (t->count % HOUR || t->count == 0 || t->count / HOUR > RATE_MAX)
		return "has no whole number of samples a second";
	int rate = (int)(t->count / HOUR);
	if (o->n && rate != o->rate)
		return "has another sample rate than the first file";
	o->rate = rate;
	for (int i = 0; i < h->head->nvars; i++) {
		const struct cdf_var *v = &h->head->var[i];
		if (along(h->head, v) && row_bytes(h->head, v) > BLOCK)
			return "a variable is too large";
	}
	for (int i = 0; i < o->n; i++)
		if (o->hour[i].start == h->start)
			return "is the same hour as another file";
	return NULL;
}

/* Opens an hour; a netCDF-4 one becomes classic, without its samples yet. */
static int open_hour(struct obs_hours *o, struct hour *h)
{
	char reason[CDF_WHY];
	struct stat st;

	h->fd = open(h->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (h->fd < 0 || fstat(h->fd, &st) < 0)
		return fail(o, errno, "%s: %s", h->path, strerror(errno));
	h->full = h->fd;
	if (S_ISREG(st.st_mode) && cdf_is_nc4(h->fd)) {
		close(h->fd);
		h->full = -1;
		h->fd = cdf_make_classic(h->path, "time", reason);
		if (h->fd < 0)
			return fail(o, errno, "%s: %s", h->path, reason);
	}
	const char *bad = NULL;
	if (!(h->head = cdf_scan(h->fd, reason)))
		bad = reason;
	else
		bad = judge(o, h);
	return bad ? fail(o, EINVAL, "%s: %s", h->path, bad) : 0;
}

int obs_add(struct obs_hours *o, const char *path)
{
	struct hour h = {.fd = -1, .full = -1};

	if (o->n == OBS_HOURS)
		return fail(o, EINVAL, "%d hours at a time are enough", OBS_HOURS);
	if (strlen(path) >= sizeof h.path)
		return fail(o, ENAMETOOLONG, "%.64s...: the path is too long", path);
	strcpy(h.path, path);
	if (open_hour(o, &h) < 0) {
		int error = errno;
		cdf_head_free(h.head);
		if (h.fd >= 0)
			close(h.fd);
		errno = error;
		return -1;
	}
	int at = o->n++;
	for (; at > 0 && o->hour[at - 1].start > h.start; at--)
		o->hour[at] = o->hour[at - 1];
	o->hour[at] = h;
	return 0;
}

/* The samples of the hours of a cut. */
static int open_full(struct obs_hours *o, int first, int last)
{
	char reason[CDF_WHY];

	for (int i = 0; i < o->n; i++) {
		struct hour *h = &o->hour[i];
		if (i < first || i > last) {
			drop_full(h);
			continue;
		}
		if (h->full >= 0)
			continue;
		h->full = cdf_make_classic(h->path, NULL, reason);
		if (h->full < 0)
			return fail(o, errno, "%s: %s", h->path, reason);
		struct stat a, b;
		if (fstat(h->fd, &a) < 0 || fstat(h->full, &b) < 0 || a.st_size != b.st_size)
			return fail(o, EINVAL, "%s: has changed meanwhile", h->path);
	}
	return 0;
}

/* ---- observations ---- */

struct second {
	int number;
	char field[OBS_FIELD];
};

/* A folder's name of a source's: what a shell or a path could take amiss becomes _. */
static void set_field(char field[OBS_FIELD], const char *text, size_t n)
{
	size_t k = 0;

	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == 0))
		n--;
	for (size_t i = 0; i < n && text[i] && k + 1 < OBS_FIELD; i++) {
		char c = text[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (k > 0 && strchr("+-_.", c));
		field[k++] = good ? c : '_';
	}
	field[k] = 0;
	if (k == 0)
		strcpy(field, "unknown");
}

static int read_seconds(struct obs_hours *o, const struct hour *h, struct second s[HOUR])
{
	const struct cdf_var *n = variable(h, "obsnumber"), *name = variable(h, "source_name");
	static int32_t number[HOUR];
	static char text[HOUR * TEXT_MAX];
	size_t width = name ? (size_t)name->count / HOUR : 0;

	if (read_rows(o, h, n, 0, HOUR, number) < 0 ||
	    (name && read_rows(o, h, name, 0, HOUR, text) < 0))
		return -1;
	cdf_swap(number, HOUR, sizeof *number);
	for (int k = 0; k < HOUR; k++) {
		s[k].number = number[k] < 0 ? NOTHING : number[k];
		set_field(s[k].field, text + (size_t)k * width, width);
	}
	return 0;
}

static int read_table(
    struct obs_hours *o, const struct hour *h, const char *name, int n, double to[OBS_PIECES])
{
	const struct cdf_var *v = variable(h, name);

	if (!v || v->type != CDF_F64 || v->count < (uint64_t)n ||
	    pread(h->fd, to, (size_t)n * 8, (off_t)v->begin) != n * 8)
		return fail(o, EINVAL, "%s: %s is missing", h->path, name);
	cdf_swap(to, (size_t)n, sizeof *to);
	return 0;
}

/* How far the DAS clock, by which an hour's axis counts, is ahead, from its model in the hour: 0
 * without one. */
static int read_clock(struct obs_hours *o, const struct hour *h, struct clock *c)
{
	const struct cdf_var *v = variable(h, "clock_pieces");
	int32_t n;

	c->n = 0;
	if (!v || v->type != CDF_I32 || pread(h->fd, &n, sizeof n, (off_t)v->begin) != sizeof n)
		return 0;
	cdf_swap(&n, 1, sizeof n);
	if (n < 1 || n > OBS_PIECES)
		return 0;
	if (read_table(o, h, "clock_to", n, c->to) < 0 ||
	    read_table(o, h, "clock_centre", n, c->centre) < 0 ||
	    read_table(o, h, "clock_offset", n, c->offset) < 0 ||
	    read_table(o, h, "clock_rate", n, c->rate) < 0)
		return -1;
	c->n = n;
	return 0;
}

/* The UTC second of second k of an hour. */
static int64_t utc_of(const struct hour *h, const struct clock *c, int k)
{
	int i = 0;

	while (i + 1 < c->n && k >= c->to[i])
		i++;
	double ahead = c->n ? c->offset[i] + c->rate[i] * (k - c->centre[i]) : 0;
	return h->start + k - (fabs(ahead) < 86400 ? (int64_t)lround(ahead) : 0);
}

static struct obs *add_obs(struct obs **list, int *n, const struct obs *x)
{
	if ((*n & (*n - 1)) == 0) { /* room for 1, 2, 4 ... */
		struct obs *more = realloc(*list, (size_t)(*n ? 2 * *n : 1) * sizeof *more);
		if (!more)
			return NULL;
		*list = more;
	}
	(*list)[*n] = *x;
	return &(*list)[(*n)++];
}

static bool same_name(const struct obs *a, const struct obs *b)
{
	return a->number == b->number && !strcmp(a->field, b->field) &&
	    a->utc / 86400 == b->utc / 86400;
}

int obs_find(struct obs_hours *o, struct obs **list)
{
	static struct second second[HOUR];
	struct clock clock;
	struct obs *now = NULL;
	int n = 0;
	int64_t next = 0,
		known = 0; /* where the next hour should begin; the end of what is known */

	*list = NULL;
	for (int i = 0; i < o->n; i++) {
		const struct hour *h = &o->hour[i];
		if (read_seconds(o, h, second) < 0 || read_clock(o, h, &clock) < 0)
			return -1;
		if (h->start != next)
			now = NULL;
		next = h->start + HOUR;
		for (int k = 0; k < HOUR; k++) {
			if (second[k].number == NOTHING)
				continue;
			if (!now || now->number != second[k].number ||
			    strcmp(now->field, second[k].field) != 0) {
				struct obs x = {.number = second[k].number,
				    .from = h->start + k,
				    .utc = utc_of(h, &clock, k)};
				memcpy(x.field, second[k].field, sizeof x.field);
				for (int j = 0; j < n; j++)
					x.again += same_name(&(*list)[j], &x);
				now = add_obs(list, &n, &x);
				if (!now)
					return fail(o, ENOMEM, "out of memory");
			}
			known = now->to = h->start + k + 1;
			now->utc_end = utc_of(h, &clock, k) + 1;
		}
	}
	for (int j = 0; j < n; j++)
		(*list)[j].open = (*list)[j].to == known;
	return n;
}

int obs_path(const struct obs *x, const char *dir, char *path, int size)
{
	struct tim_parts p = tim_split(x->utc * TIM_S);
	char again[16] = "";

	if (x->again)
		snprintf(again, sizeof again, "-%d", x->again);
	if (snprintf(path, (size_t)size, "%s/%s/%02d%02d%02d_o%02d%s_raw.nc", dir, x->field,
		p.year % 100, p.month, p.day, x->number, again) < size)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* ---- slices ---- */

struct cut {
	int64_t from, to; /* seconds */
	int first, last;  /* hours */
	int edges;        /* of the clock */
};

/* The hours without a hole around x, and its margin as far as they reach. */
static void make_cut(const struct obs_hours *o, const struct obs *x, int64_t margin, struct cut *c)
{
	c->first = 0;
	while (c->first + 1 < o->n && o->hour[c->first].start + HOUR <= x->from)
		c->first++;
	c->last = c->first;
	while (c->last + 1 < o->n && o->hour[c->last].start + HOUR < x->to)
		c->last++;
	int64_t from = x->from - margin, to = x->to + margin;
	while (c->first > 0 && o->hour[c->first].start > from &&
	    o->hour[c->first - 1].start + HOUR == o->hour[c->first].start)
		c->first--;
	while (c->last + 1 < o->n && o->hour[c->last].start + HOUR < to &&
	    o->hour[c->last + 1].start == o->hour[c->last].start + HOUR)
		c->last++;
	int64_t begin = o->hour[c->first].start, end = o->hour[c->last].start + HOUR;
	c->from = from > begin ? from : begin;
	c->to = to < end ? to : end;
}

/* ---- the clock's edges ---- */

static bool by_edge(const struct cdf_head *d, const struct cdf_var *v)
{
	return v->ndims == 1 && !v->record && !strcmp(d->dim[v->dim[0]].name, "edge");
}

/* Which of an hour's edges lie in the cut, in order; -1 with a sentence. */
static int pick_edges(
    struct obs_hours *o, const struct hour *h, const struct cut *c, int pick[EDGE_MAX])
{
	static double at[EDGE_MAX];
	const struct cdf_var *t = variable(h, "edge_time");
	int n = 0;

	if (!t || t->type != CDF_F64 || !by_edge(h->head, t) || t->count > EDGE_MAX)
		return 0;
	if (read_rows(o, h, t, 0, (int64_t)t->count, at) < 0)
		return -1;
	cdf_swap(at, (size_t)t->count, sizeof *at);
	for (int i = 0; i < (int)t->count; i++)
		if (at[i] >= 0 && at[i] < HOUR && (double)h->start + at[i] >= (double)c->from &&
		    (double)h->start + at[i] < (double)c->to)
			pick[n++] = i;
	return n;
}

static int count_edges(struct obs_hours *o, struct cut *c)
{
	int pick[EDGE_MAX];

	c->edges = 0;
	for (int k = c->first; k <= c->last; k++) {
		int n = pick_edges(o, &o->hour[k], c, pick);
		if (n < 0)
			return -1;
		c->edges += n;
	}
	return 0;
}

/* ---- the header ---- */

static void copy_atts(struct cdf_head *d, int var, const struct cdf_atts *atts)
{
	for (int i = 0; i < atts->n; i++) {
		const struct cdf_att *a = &atts->att[i];
		if (var == CDF_GLOBAL &&
		    (!strcmp(a->name, "history") || !strncmp(a->name, "time_coverage_", 14)))
			continue;
		if (a->type == CDF_CHAR)
			cdf_text(d, var, a->name, "%s", (const char *)a->data);
		else
			cdf_list(d, var, a->name, a->type, a->n, a->data);
	}
}

/* Scalars that hold for the hour as a whole would be wrong in a slice, as would tables of its
 * minutes and clock pieces. Everything by the sample, second, bolometer or edge stays. */
static bool kept(const struct cdf_head *d, const struct cdf_var *v, const struct cut *c)
{
	static const char *const scalars[] = {"sample_interval", "frames_written", "obs_mode"};
	static const char *const tables[] = {"minute", "clock_piece"};

	for (size_t i = 0; v->ndims == 0 && i < sizeof scalars / sizeof *scalars; i++)
		if (!strcmp(v->name, scalars[i]))
			return true;
	for (size_t i = 0; v->ndims > 0 && i < sizeof tables / sizeof *tables; i++)
		if (!strcmp(d->dim[v->dim[0]].name, tables[i]))
			return false;
	return v->ndims > 0 && !v->record && (c->edges > 0 || !by_edge(d, v));
}

static int define_dim(struct cdf_head *d, const struct cdf_dim *dim, const struct cut *c, int rate)
{
	for (int i = 0; i < d->ndims; i++)
		if (!strcmp(d->dim[i].name, dim->name))
			return i;
	bool time = !strcmp(dim->name, "time"), second = !strcmp(dim->name, "onehertz");
	bool edge = !strcmp(dim->name, "edge");
	uint64_t n = (uint64_t)(c->to - c->from);
	return cdf_dim(d, dim->name,
	    time         ? n * (uint64_t)rate
		: second ? n
		: edge   ? (uint64_t)c->edges
			 : dim->len);
}

static void describe(
    const struct obs_hours *o, const struct obs *x, const struct cut *c, struct cdf_head *d)
{
	const struct cdf_head *a = o->hour[c->first].head;
	const struct cdf_att *history = cdf_att(a, CDF_GLOBAL, "history");
	char from[TIM_TEXT], to[TIM_TEXT], inputs[OBS_HOURS * 64] = "";

	copy_atts(d, CDF_GLOBAL, &a->atts);
	tim_text((c->from + x->utc - x->from) * TIM_S, 0, from);
	tim_text((c->to + x->utc_end - x->to) * TIM_S, 0, to);
	for (int i = c->first; i <= c->last; i++) {
		const char *name = strrchr(o->hour[i].path, '/');
		size_t n = strlen(inputs);
		snprintf(inputs + n, sizeof inputs - n, "%s%.40s", n ? " " : "",
		    name ? name + 1 : o->hour[i].path);
	}
	cdf_text(d, CDF_GLOBAL, "history", "%.4000s%sfyke slice %s: observation %d",
	    history && history->type == CDF_CHAR ? (const char *)history->data : "",
	    history ? "\n" : "", FYKE_VERSION, x->number);
	cdf_text(d, CDF_GLOBAL, "time_coverage_start", "%s", from);
	cdf_text(d, CDF_GLOBAL, "time_coverage_end", "%s", to);
	cdf_number(d, CDF_GLOBAL, "observation", CDF_I32, x->number);
	cdf_number(d, CDF_GLOBAL, "observation_start", CDF_I32, (double)(x->from - c->from));
	cdf_number(d, CDF_GLOBAL, "observation_end", CDF_I32, (double)(x->to - c->from));
	cdf_text(d, CDF_GLOBAL, "input_files", "%s", inputs);
}

static struct cdf_head *define(const struct obs_hours *o, const struct obs *x, const struct cut *c)
{
	const struct cdf_head *a = o->hour[c->first].head;
	struct cdf_head *d = cdf_head_new(CDF_2);

	for (int i = 0; d && i < a->nvars; i++) {
		const struct cdf_var *v = &a->var[i];
		int dim[CDF_RANK];
		if (!kept(a, v, c))
			continue;
		for (int k = 0; k < v->ndims; k++)
			dim[k] = define_dim(d, &a->dim[v->dim[k]], c, o->rate);
		int id = cdf_var(d, v->name, v->type, v->ndims, dim);
		if (id >= 0)
			copy_atts(d, id, &v->atts);
	}
	if (d)
		describe(o, x, c, d);
	return d;
}

static bool same_att(
    const struct cdf_head *a, int va, const struct cdf_head *b, int vb, const char *name)
{
	const struct cdf_att *x = cdf_att(a, va, name), *y = cdf_att(b, vb, name);

	if (!x || !y)
		return x == y;
	return x->type == y->type && x->n == y->n &&
	    memcmp(x->data, y->data, x->n * cdf_size(x->type)) == 0;
}

/* The variable of another hour that goes on where `v` of head d ends; NULL when it is of another
 * make, and its values would mean something else. */
static const struct cdf_var *twin(const struct cdf_head *d, int v, const struct hour *h)
{
	int w = cdf_find(h->head, d->var[v].name);
	const struct cdf_var *a = &d->var[v], *b = w < 0 ? NULL : &h->head->var[w];
	static const char *const atts[] = {"scale_factor", "add_offset", "_FillValue"};

	if (!b || a->type != b->type || a->ndims != b->ndims || !along(h->head, b) ||
	    row_bytes(d, a) != row_bytes(h->head, b))
		return NULL;
	for (size_t i = 0; i < sizeof atts / sizeof *atts; i++)
		if (!same_att(d, v, h->head, w, atts[i]))
			return NULL;
	return b;
}

/* Makes the next hour's time axis go on. */
static void shift(void *block, size_t n, double later)
{
	double *t = block;

	cdf_swap(t, n, sizeof *t);
	for (size_t i = 0; i < n; i++)
		t[i] += later;
	cdf_swap(t, n, sizeof *t);
}

/* Copies the rows of one hour that lie in the cut. */
static int copy_hour(struct obs_hours *o, struct cdf *f, int v, const struct cut *c, int k)
{
	const struct cdf_head *d = cdf_head(f);
	const struct hour *h = &o->hour[k];
	const struct cdf_var *b = twin(d, v, h);
	if (!b)
		return fail(o, EINVAL, "%s: %s differs from that of %s: slice them one by one",
		    h->path, d->var[v].name, o->hour[c->first].path);
	bool is_time = !strcmp(b->name, "time");
	int64_t per = strcmp(along(h->head, b)->name, "time") == 0 ? o->rate : 1;
	int64_t from = (c->from > h->start ? c->from : h->start) - h->start;
	int64_t to = (c->to < h->start + HOUR ? c->to : h->start + HOUR) - h->start;
	size_t bytes = row_bytes(h->head, b);
	int64_t step = (int64_t)(BLOCK / bytes), row = from * per, end = to * per;
	double later = (double)(h->start - o->hour[c->first].start);

	while (row < end) {
		int64_t n = end - row < step ? end - row : step;
		if (read_rows(o, h, b, row, n, o->block) < 0)
			return -1;
		if (is_time)
			shift(o->block, (size_t)n, later);
		uint64_t at = (uint64_t)(row + (h->start - c->from) * per) * bytes;
		if (cdf_write_at(f, v, at, o->block, (size_t)n * bytes) < 0)
			return fail(o, errno, "%s: %s", o->slice, strerror(errno));
		row += n;
	}
	return 0;
}

/* The edges of all hours, in order; edge_time counts from where the slice's time does. */
static int copy_edges(struct obs_hours *o, struct cdf *f, int v, const struct cut *c)
{
	const struct cdf_var *to = &cdf_head(f)->var[v];
	size_t size = cdf_size(to->type);
	uint64_t at = 0;
	int pick[EDGE_MAX];

	for (int k = c->first; k <= c->last; k++) {
		const struct hour *h = &o->hour[k];
		const struct cdf_var *b = variable(h, to->name);
		int n = pick_edges(o, h, c, pick);
		if (n < 0)
			return -1;
		if (n > 0 && (!b || b->type != to->type || !by_edge(h->head, b)))
			return fail(o, EINVAL,
			    "%s: %s differs from that of %s: slice them one by one", h->path,
			    to->name, o->hour[c->first].path);
		double later = (double)(h->start - o->hour[c->first].start);
		for (int i = 0; i < n; i++, at += size) {
			if (read_rows(o, h, b, pick[i], 1, o->block) < 0)
				return -1;
			if (!strcmp(to->name, "edge_time"))
				shift(o->block, 1, later);
			if (cdf_write_at(f, v, at, o->block, size) < 0)
				return fail(o, errno, "%s: %s", o->slice, strerror(errno));
		}
	}
	return 0;
}

/* What the slice has once: scalars, and tables by the bolometer. */
static int copy_once(struct obs_hours *o, struct cdf *f, int v, const struct cut *c)
{
	const struct hour *h = &o->hour[c->first];
	const struct cdf_var *to = &cdf_head(f)->var[v], *from = variable(h, to->name);
	size_t n = (size_t)to->count * cdf_size(to->type);

	if (n > BLOCK)
		return fail(o, EINVAL, "%s: %s is too large", h->path, to->name);
	if (pread(h->fd, o->block, n, (off_t)from->begin) != (ssize_t)n)
		return fail(o, EINVAL, "%s: is shorter than its header says", h->path);
	if (!strcmp(to->name, "frames_written") && to->type == CDF_I32) {
		int32_t frames = (int32_t)((c->to - c->from) * o->rate);
		cdf_swap(&frames, 1, sizeof frames);
		memcpy(o->block, &frames, sizeof frames);
	}
	if (cdf_write_at(f, v, 0, o->block, n) < 0)
		return fail(o, errno, "%s: %s", o->slice, strerror(errno));
	return 0;
}

static int fill(struct obs_hours *o, struct cdf *f, const struct cut *c)
{
	const struct cdf_head *d = cdf_head(f);
	int bad = 0;

	for (int v = 0; v < d->nvars && !bad; v++) {
		if (by_edge(d, &d->var[v]))
			bad = copy_edges(o, f, v, c);
		else if (!along(d, &d->var[v]))
			bad = copy_once(o, f, v, c);
		else
			for (int k = c->first; k <= c->last && !bad; k++)
				bad = copy_hour(o, f, v, c, k);
	}
	return bad;
}

static int make_folder(struct obs_hours *o, const char *path)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');

	snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return fail(o, errno, "%s: %s", dir, strerror(errno));
	return 0;
}

static int write_slice(struct obs_hours *o, const struct obs *x, const struct cut *c,
    struct pub *pub, int fd, bool overwrite)
{
	char reason[CDF_WHY];
	struct cdf_head *d = define(o, x, c);
	struct cdf *f = d ? cdf_create(d, pub->part, fd, 1 << 16, -1, reason) : NULL;

	if (!f)
		return fail(o, d ? errno : ENOMEM, "%s", d ? reason : "out of memory");
	int bad = fill(o, f, c);
	if (!bad && fsync(fd) < 0)
		bad = fail(o, errno, "%s: %s", pub->part, strerror(errno));
	if (!bad && cdf_verify(pub->part, cdf_head(f), 0, -1, reason) < 0)
		bad = fail(o, EIO, "%s", reason);
	if (!bad && pub_commit(pub, fd, overwrite) < 0)
		bad = fail(o, errno, "%s", pub->why);
	int error = errno;
	cdf_free(f);
	errno = error;
	return bad;
}

int obs_slice(
    struct obs_hours *o, const struct obs *x, int64_t margin, const char *path, bool overwrite)
{
	struct pub pub;
	struct cut c;

	o->slice = path;
	make_cut(o, x, margin, &c);
	if (open_full(o, c.first, c.last) < 0 || count_edges(o, &c) < 0 || make_folder(o, path) < 0)
		return -1;
	if (pub_begin(&pub, path, overwrite) < 0)
		return fail(o, errno, "%s", pub.why);
	int fd = pub_create(&pub);
	int bad =
	    fd < 0 ? fail(o, errno, "%s", pub.why) : write_slice(o, x, &c, &pub, fd, overwrite);
	int error = errno;
	if (fd >= 0)
		close(fd);
	pub_end(&pub);
	errno = error;
	return bad;
}
