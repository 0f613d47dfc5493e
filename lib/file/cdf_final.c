/*
 * cdf_final.c - finished layouts: channel-major files, and the line of files that wait for theirs
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "file/cdf_final.h"
#include "file/pub.h"

#define BLOCK      (16u << 20)
#define CHILD_ROOM (INT64_C(2) << 30) /* address space of the child: it needs a fifth of it */

static int fail(char why[CDF_WHY], const char *path, const char *reason)
{
	int error = errno;

	snprintf(why, CDF_WHY, "%.300s: %.180s", path, reason);
	errno = error;
	return -1;
}

/* ---- rows ---- */

size_t cdf_block_rows(const struct cdf_head *h)
{
	size_t n = BLOCK / h->recsize;

	n = n ? n : 1;
	return n < h->records ? n : (size_t)h->records;
}

int cdf_read_rows(const struct cdf_head *h, int fd, uint64_t first, size_t n, uint8_t *rows)
{
	size_t want = n * h->recsize;
	ssize_t got = io_readat(fd, rows, want, (int64_t)(h->first + first * h->recsize));

	if (got >= 0 && (size_t)got < want)
		errno = EIO;
	return got == (ssize_t)want ? 0 : -1;
}

/* Values of 1, 2, 4 or 8 bytes turned from row order to record-last order, in tiles that stay in
 * the cache. */
#define TURN(name, type)                                                                           \
	static void name(const uint8_t *from, size_t stride, size_t n, size_t count, uint8_t *out) \
	{                                                                                          \
		typedef type loose __attribute__((aligned(1)));                                    \
		loose *to = (loose *)out;                                                          \
		for (size_t c0 = 0; c0 < count; c0 += 16)                                          \
			for (size_t r = 0; r < n; r++) {                                           \
				const loose *v = (const loose *)(from + r * stride);               \
				for (size_t c = c0; c < count && c < c0 + 16; c++)                 \
					to[c * n + r] = v[c];                                      \
			}                                                                          \
	}
TURN(turn1, uint8_t)
TURN(turn2, uint16_t)
TURN(turn4, uint32_t)
TURN(turn8, uint64_t)

void cdf_gather(
    const struct cdf_head *h, int var, const uint8_t *rows, size_t n, bool last, uint8_t *to)
{
	const struct cdf_var *v = &h->var[var];
	const uint8_t *from = rows + (v->begin - h->first);
	size_t size = cdf_size(v->type), bytes = v->count * size;

	if (!last || v->count == 1) {
		for (size_t r = 0; r < n; r++)
			memcpy(to + r * bytes, from + r * h->recsize, bytes);
		return;
	}
	switch (size) {
	case 1:
		turn1(from, h->recsize, n, v->count, to);
		break;
	case 2:
		turn2(from, h->recsize, n, v->count, to);
		break;
	case 4:
		turn4(from, h->recsize, n, v->count, to);
		break;
	default:
		turn8(from, h->recsize, n, v->count, to);
		break;
	}
}

/* ---- channel-major ---- */

/* The head of the new file: the record dimension has a length, and stands last. */
static struct cdf_head *turned(const struct cdf_head *h)
{
	struct cdf_head *t = cdf_head_new(h->kind);
	int dims[CDF_RANK];

	if (!t)
		return NULL;
	for (int d = 0; d < h->ndims; d++)
		cdf_dim(t, h->dim[d].name, h->dim[d].len ? h->dim[d].len : h->records);
	for (int a = 0; a < h->atts.n; a++)
		cdf_list(t, CDF_GLOBAL, h->atts.att[a].name, h->atts.att[a].type, h->atts.att[a].n,
		    h->atts.att[a].data);
	for (int v = 0; v < h->nvars; v++) {
		const struct cdf_var *x = &h->var[v];
		for (int i = 0; i < x->ndims; i++)
			dims[i] = x->dim[x->record ? (i + 1) % x->ndims : i];
		int id = cdf_var(t, x->name, x->type, x->ndims, dims);
		for (int a = 0; a < x->atts.n; a++)
			cdf_list(t, id, x->atts.att[a].name, x->atts.att[a].type, x->atts.att[a].n,
			    x->atts.att[a].data);
	}
	return t;
}

static int copy_fixed(const struct cdf_head *h, int from, struct cdf *f)
{
	for (int v = 0; v < h->nvars; v++) {
		const struct cdf_var *x = &h->var[v];
		size_t n = x->count * cdf_size(x->type);
		if (x->record)
			continue;
		if (n > CDF_FIXED_MAX) {
			errno = EFBIG;
			return -1;
		}
		uint8_t *bytes = malloc(n);
		int bad = !bytes || pread(from, bytes, n, (off_t)x->begin) != (ssize_t)n ||
		    cdf_write_at(f, v, 0, bytes, n) < 0;
		free(bytes);
		if (bad)
			return -1;
	}
	return 0;
}

/* Writes one variable of n records from `first` on: a run for each of its elements. */
static int put_turned(
    const struct cdf_head *h, struct cdf *f, int v, uint64_t first, size_t n, const uint8_t *values)
{
	size_t size = cdf_size(h->var[v].type);

	for (size_t c = 0; c < h->var[v].count; c++)
		if (cdf_write_at(
			f, v, (c * h->records + first) * size, values + c * n * size, n * size) < 0)
			return -1;
	return 0;
}

static int copy_records(const struct cdf_head *h, int from, struct cdf *f)
{
	size_t most = cdf_block_rows(h);
	uint8_t *rows = malloc(most * h->recsize), *values = malloc(most * h->recsize);
	int bad = !rows || !values;

	for (uint64_t r = 0; r < h->records && !bad; r += most) {
		size_t n = h->records - r < most ? (size_t)(h->records - r) : most;
		bad = cdf_read_rows(h, from, r, n, rows) < 0;
		for (int v = 0; v < h->nvars && !bad; v++) {
			if (!h->var[v].record)
				continue;
			cdf_gather(h, v, rows, n, true, values);
			bad = put_turned(h, f, v, r, n, values) < 0;
		}
	}
	int error = errno;
	free(rows);
	free(values);
	errno = error;
	return bad ? -1 : 0;
}

int cdf_write_channel(
    const struct cdf_head *h, int from, const char *path, int to, char why[CDF_WHY])
{
	struct cdf_head *t = turned(h);

	if (!t)
		return fail(why, path, "out of memory");
	struct cdf *f = cdf_create(t, path, to, 0, -1, why);
	if (!f)
		return -1;
	int bad = copy_fixed(h, from, f) < 0 || copy_records(h, from, f) < 0 || io_sync(to) < 0;
	if (bad)
		fail(why, path, strerror(errno));
	else
		bad = cdf_verify(path, cdf_head(f), 0, -1, why);
	int error = errno;
	cdf_free(f);
	errno = error;
	return bad ? -1 : 0;
}

/* ---- replacing the file ---- */

static int replace(
    const struct cdf_head *h, int from, struct pub *p, bool channel, bool nc4, char why[CDF_WHY])
{
	int to = pub_create(p);

	if (to < 0)
		return fail(why, p->path, p->why);
	int bad = nc4 ? cdf_write_nc4(h, from, p->part, channel, why)
		      : cdf_write_channel(h, from, p->part, to, why);
	if (!bad && pub_commit(p, to, true) < 0)
		bad = fail(why, p->path, p->why);
	int error = errno;
	if (close(to) < 0 && !bad)
		return fail(why, p->path, strerror(errno));
	errno = error;
	return bad;
}

static int finish(const char *path, int fd, bool channel, bool nc4, char why[CDF_WHY])
{
	char reason[CDF_WHY];
	struct pub p;
	struct cdf_head *h = cdf_scan(fd, reason);

	if (!h) {
		errno = EIO;
		return fail(why, path, reason);
	}
	/* Without records there is nothing to turn, and no length that a dimension could have. */
	if (h->records == 0 && !nc4) {
		cdf_head_free(h);
		return 0;
	}
	int bad = pub_begin(&p, path, true) < 0 ? fail(why, path, p.why)
						: replace(h, fd, &p, channel, nc4, why);
	int error = errno;
	pub_end(&p);
	cdf_head_free(h);
	errno = error;
	return bad;
}

int cdf_final(const char *path, bool channel, bool nc4, char why[CDF_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return fail(why, path, strerror(errno));
	int bad = finish(path, fd, channel, nc4, why), error = errno;
	close(fd);
	errno = error;
	return bad;
}

/* ---- the line ---- */

struct cdf_jobs {
	bool channel, nc4;
	char **path; /* the first is at work when busy */
	size_t n;
	bool busy, stopped;
	struct cli_job job;
};

struct cdf_jobs *cdf_jobs_new(bool channel, bool nc4)
{
	struct cdf_jobs *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->channel = channel;
	j->nc4 = nc4;
	return j;
}

int cdf_jobs_add(struct cdf_jobs *j, const char *path)
{
	char **more = realloc(j->path, (j->n + 1) * sizeof *more);

	if (!more)
		return -1;
	j->path = more;
	j->path[j->n] = strdup(path);
	return j->path[j->n] ? (j->n++, 0) : -1;
}

static int work(void *ctx, char *why, size_t size)
{
	const struct cdf_jobs *j = ctx;
	char reason[CDF_WHY];
	int bad = cdf_final(j->path[0], j->channel, j->nc4, reason);

	if (bad)
		snprintf(why, size, "%s", reason);
	return bad;
}

/* What a child that was killed has left of its copy. */
static void clear_part(const char *path)
{
	struct pub p;

	if (pub_begin(&p, path, true) == 0)
		pub_end(&p);
}

/* Starts the first one. 0, or -1 with errno and a sentence. */
static int begin_first(struct cdf_jobs *j, char *why, size_t size)
{
	struct stat st;
	/* Deflate does a hundred times as much in a second. */
	int64_t seconds = 120 + (stat(j->path[0], &st) == 0 ? st.st_size / 1000000 : 0);

	if (j->stopped) {
		snprintf(why, size, "stopped");
		errno = EINTR;
		return -1;
	}
	int got = cli_job_start(&j->job, work, j, CHILD_ROOM, seconds, why, size);
	j->busy = got == 0;
	return got;
}

static void drop_first(struct cdf_jobs *j)
{
	free(j->path[0]);
	memmove(j->path, j->path + 1, --j->n * sizeof *j->path);
	j->busy = false;
}

int cdf_jobs_step(struct cdf_jobs *j, int64_t timeout_ns, char why[CDF_WHY])
{
	char reason[CDF_WHY];

	if (j->n == 0)
		return 1;
	int got = j->busy ? 0 : begin_first(j, reason, sizeof reason);
	if (!got)
		got = cli_job_wait(&j->job, timeout_ns, reason, sizeof reason);
	if (got == 0)
		return 0;
	int error = errno;
	if (got < 0)
		clear_part(j->path[0]);
	if (got < 0)
		snprintf(why, CDF_WHY, "%.200s: %.200s; it is whole in its first layout%s",
		    j->path[0], reason,
		    error == EINTR ? ", and the same input with --overwrite gives the last" : "");
	drop_first(j);
	errno = error;
	return got < 0 ? -1 : j->n == 0;
}

void cdf_jobs_stop(struct cdf_jobs *j)
{
	j->stopped = true;
	if (j->busy)
		cli_job_stop(&j->job);
}

void cdf_jobs_free(struct cdf_jobs *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		free(j->path[i]);
	free(j->path);
	free(j);
}
