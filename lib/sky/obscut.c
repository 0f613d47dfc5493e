/* obscut.c - an observation cut out of merged hours: which rows, the header, the values */
#include "sky/obsin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "file/pub.h"

#define EDGE_MAX 4096 /* of the clock, in an hour */

/* ---- which rows ---- */

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

static bool by_edge(const struct cdf_head *d, const struct cdf_var *v)
{
	return v->ndims == 1 && !v->record && !strcmp(d->dim[v->dim[0]].name, "edge");
}

/* Which of an hour's edges lie in the cut, in order; -1 with a sentence. */
static int pick_edges(
    struct obs_hours *o, const struct obs_hour *h, const struct cut *c, int pick[EDGE_MAX])
{
	static double at[EDGE_MAX];
	const struct cdf_var *t = obs_variable(h, "edge_time");
	int n = 0;

	if (!t || t->type != CDF_F64 || !by_edge(h->head, t) || t->count > EDGE_MAX)
		return 0;
	if (obs_read_rows(o, h, t, 0, (int64_t)t->count, at) < 0)
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

/* ---- the values ---- */

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
static const struct cdf_var *twin(const struct cdf_head *d, int v, const struct obs_hour *h)
{
	int w = cdf_find(h->head, d->var[v].name);
	const struct cdf_var *a = &d->var[v], *b = w < 0 ? NULL : &h->head->var[w];
	static const char *const atts[] = {"scale_factor", "add_offset", "_FillValue"};

	if (!b || a->type != b->type || a->ndims != b->ndims || !obs_along(h->head, b) ||
	    obs_row_bytes(d, a) != obs_row_bytes(h->head, b))
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
	const struct obs_hour *h = &o->hour[k];
	const struct cdf_var *b = twin(d, v, h);
	if (!b)
		return fail(o, EINVAL, "%s: %s differs from that of %s: slice them one by one",
		    h->path, d->var[v].name, o->hour[c->first].path);
	bool is_time = !strcmp(b->name, "time");
	int64_t per = strcmp(obs_along(h->head, b)->name, "time") == 0 ? o->rate : 1;
	int64_t from = (c->from > h->start ? c->from : h->start) - h->start;
	int64_t to = (c->to < h->start + HOUR ? c->to : h->start + HOUR) - h->start;
	size_t bytes = obs_row_bytes(h->head, b);
	int64_t step = (int64_t)(BLOCK / bytes), row = from * per, end = to * per;
	double later = (double)(h->start - o->hour[c->first].start);

	while (row < end) {
		int64_t n = end - row < step ? end - row : step;
		if (obs_read_rows(o, h, b, row, n, o->block) < 0)
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
		const struct obs_hour *h = &o->hour[k];
		const struct cdf_var *b = obs_variable(h, to->name);
		int n = pick_edges(o, h, c, pick);
		if (n < 0)
			return -1;
		if (n > 0 && (!b || b->type != to->type || !by_edge(h->head, b)))
			return fail(o, EINVAL,
			    "%s: %s differs from that of %s: slice them one by one", h->path,
			    to->name, o->hour[c->first].path);
		double later = (double)(h->start - o->hour[c->first].start);
		for (int i = 0; i < n; i++, at += size) {
			if (obs_read_rows(o, h, b, pick[i], 1, o->block) < 0)
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
	const struct obs_hour *h = &o->hour[c->first];
	const struct cdf_var *to = &cdf_head(f)->var[v], *from = obs_variable(h, to->name);
	size_t n = (size_t)to->count * cdf_size(to->type);

	if (n > BLOCK)
		return fail(o, EINVAL, "%s: %s is too large", h->path, to->name);
	if (io_readat(h->fd, o->block, n, (int64_t)from->begin) != (ssize_t)n)
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
		else if (!obs_along(d, &d->var[v]))
			bad = copy_once(o, f, v, c);
		else
			for (int k = c->first; k <= c->last && !bad; k++)
				bad = copy_hour(o, f, v, c, k);
	}
	return bad;
}

/* ---- the file ---- */

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
	if (!bad && io_sync(fd) < 0)
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
	if (obs_open_full(o, c.first, c.last) < 0 || count_edges(o, &c) < 0 ||
	    make_folder(o, path) < 0)
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
