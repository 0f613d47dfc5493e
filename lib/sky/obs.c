/* obs.c - merged hours opened, and observations found in them by their number */
#include "sky/obsin.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "file/cdf_classic.h"

#define NOTHING    (-1) /* no observation number */
#define RATE_MAX   10000
#define TEXT_MAX   256
#define OBS_PIECES 64

/* The clock's model: offset + rate (t - centre) up to `to`. */
struct clock {
	int n;
	double to[OBS_PIECES], centre[OBS_PIECES], offset[OBS_PIECES], rate[OBS_PIECES];
};

const char *obs_why(const struct obs_hours *o)
{
	return o->why;
}

struct obs_hours *obs_new(void)
{
	return calloc(1, sizeof(struct obs_hours));
}

/* A netCDF-4 hour's samples take 200 MB of temporary disk: not longer than they are needed. */
static void drop_full(struct obs_hour *h)
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

const struct cdf_var *obs_variable(const struct obs_hour *h, const char *name)
{
	int v = cdf_find(h->head, name);

	return v < 0 ? NULL : &h->head->var[v];
}

/* The dimension along which a variable goes on from hour to hour, or NULL. */
const struct cdf_dim *obs_along(const struct cdf_head *d, const struct cdf_var *v)
{
	const struct cdf_dim *dim = v->ndims > 0 && !v->record ? &d->dim[v->dim[0]] : NULL;

	return dim && (!strcmp(dim->name, "time") || !strcmp(dim->name, "onehertz")) ? dim : NULL;
}

size_t obs_row_bytes(const struct cdf_head *d, const struct cdf_var *v)
{
	return (size_t)(v->count / d->dim[v->dim[0]].len) * cdf_size(v->type);
}

/* Reads n rows from `row` on. */
int obs_read_rows(struct obs_hours *o, const struct obs_hour *h, const struct cdf_var *v,
    int64_t row, int64_t n, void *to)
{
	size_t bytes = obs_row_bytes(h->head, v), want = (size_t)n * bytes;
	int fd = h->full >= 0 ? h->full : h->fd;
	ssize_t got = io_readat(fd, to, want, (int64_t)(v->begin + (uint64_t)row * bytes));

	if (got == (ssize_t)want)
		return 0;
	return fail(o, got < 0 ? errno : EINVAL, "%s: %s", h->path,
	    got < 0 ? strerror(errno) : "is shorter than its header says");
}

/* "seconds since 2005-06-21 08:00:00" of the time axis, in seconds since 1970. */
static int start_of(const struct obs_hour *h, int64_t *start)
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
static const char *judge(struct obs_hours *o, struct obs_hour *h)
{
	const struct cdf_var *t = obs_variable(h, "time"), *n = obs_variable(h, "obsnumber"),
			     *s = obs_variable(h, "source_name");

	if (!t || t->type != CDF_F64 || t->ndims != 1 || !obs_along(h->head, t) ||
	    start_of(h, &h->start) < 0)
		return "is not an hour that merge wrote: it has no time axis of whole hours";
	if (!n || n->type != CDF_I32 || n->ndims != 1 || !obs_along(h->head, n) || n->count != HOUR)
		return "has no obsnumber(onehertz): the calspec must name it, as int";
	if (s &&
	    (s->type != CDF_CHAR || s->ndims != 2 || s->count / HOUR > TEXT_MAX ||
		!obs_along(h->head, s) || s->count % HOUR))
		return "source_name is not text(onehertz)";
	if (t->count % HOUR || t->count == 0 || t->count / HOUR > RATE_MAX)
		return "has no whole number of samples a second";
	int rate = (int)(t->count / HOUR);
	if (o->n && rate != o->rate)
		return "has another sample rate than the first file";
	o->rate = rate;
	for (int i = 0; i < h->head->nvars; i++) {
		const struct cdf_var *v = &h->head->var[i];
		if (obs_along(h->head, v) && obs_row_bytes(h->head, v) > BLOCK)
			return "a variable is too large";
	}
	for (int i = 0; i < o->n; i++)
		if (o->hour[i].start == h->start)
			return "is the same hour as another file";
	return NULL;
}

/* Opens an hour; a netCDF-4 one becomes classic, without its samples yet. */
static int open_hour(struct obs_hours *o, struct obs_hour *h)
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
	struct obs_hour h = {.fd = -1, .full = -1};

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
int obs_open_full(struct obs_hours *o, int first, int last)
{
	char reason[CDF_WHY];

	for (int i = 0; i < o->n; i++) {
		struct obs_hour *h = &o->hour[i];
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

static int read_seconds(struct obs_hours *o, const struct obs_hour *h, struct second s[HOUR])
{
	const struct cdf_var *n = obs_variable(h, "obsnumber"),
			     *name = obs_variable(h, "source_name");
	static int32_t number[HOUR];
	static char text[HOUR * TEXT_MAX];
	size_t width = name ? (size_t)name->count / HOUR : 0;

	if (obs_read_rows(o, h, n, 0, HOUR, number) < 0 ||
	    (name && obs_read_rows(o, h, name, 0, HOUR, text) < 0))
		return -1;
	cdf_swap(number, HOUR, sizeof *number);
	for (int k = 0; k < HOUR; k++) {
		s[k].number = number[k] < 0 ? NOTHING : number[k];
		set_field(s[k].field, text + (size_t)k * width, width);
	}
	return 0;
}

static int read_table(
    struct obs_hours *o, const struct obs_hour *h, const char *name, int n, double to[OBS_PIECES])
{
	const struct cdf_var *v = obs_variable(h, name);

	if (!v || v->type != CDF_F64 || v->count < (uint64_t)n ||
	    io_readat(h->fd, to, (size_t)n * 8, (int64_t)v->begin) != n * 8)
		return fail(o, EINVAL, "%s: %s is missing", h->path, name);
	cdf_swap(to, (size_t)n, sizeof *to);
	return 0;
}

/* How far the DAS clock, by which an hour's axis counts, is ahead, from its model in the hour: 0
 * without one. */
static int read_clock(struct obs_hours *o, const struct obs_hour *h, struct clock *c)
{
	const struct cdf_var *v = obs_variable(h, "clock_pieces");
	int32_t n;

	c->n = 0;
	if (!v || v->type != CDF_I32 ||
	    io_readat(h->fd, &n, sizeof n, (int64_t)v->begin) != sizeof n)
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
static int64_t utc_of(const struct obs_hour *h, const struct clock *c, int k)
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
		const struct obs_hour *h = &o->hour[i];
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
