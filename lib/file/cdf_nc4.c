/*
 * cdf_nc4.c - a finished classic file as netCDF-4: explicit chunks, shuffle and deflate, compared
 * with its source before anybody sees it
 *
 * A chunk is one block of records by 16 elements: one channel of a long run comes out fast, and
 * each block is written in whole chunks. Large variables without the record dimension, as merged
 * hours have them, go in slabs of their first dimension, in chunks of 3000 (a minute of samples).
 */
#include <errno.h>
#include <netcdf.h>
#include <netcdf_filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/cdf_final.h"

#define CHUNK_LAST  16    /* elements of the last dimension in a chunk */
#define CHUNK_RANGE 4096  /* records in a chunk, at most */
#define CHUNK_ALONE 65536 /* records in a chunk of a variable that has one value a record */
#define CHUNK_SLAB  3000  /* of the first dimension of a large variable without records */
#define SLAB_LEAST  65536 /* bytes from which such a variable is large */
#define DEFLATE     1

struct job {
	const struct cdf_head *h;
	int from, nc;
	bool channel;
	size_t block; /* records of a block, and of a chunk */
	uint8_t *rows, *values, *again;
	const char *path;
	char *why;
};

static int fail(struct job *j, const char *what, int status)
{
	snprintf(j->why, CDF_WHY, "%.300s: %.60s: %.100s", j->path, what,
	    status ? nc_strerror(status) : strerror(errno));
	return -1;
}

/* Whether variable v has the record dimension last in the new file. */
static bool last(const struct job *j, const struct cdf_var *v)
{
	return j->channel && v->record && v->ndims > 1;
}

/* Whether a variable without the record dimension is written slab by slab. */
static bool in_slabs(const struct cdf_var *x)
{
	return !x->record && x->ndims > 0 && x->count * cdf_size(x->type) >= SLAB_LEAST;
}

static void slab_chunks(const struct job *j, const struct cdf_var *x, size_t chunk[CDF_RANK])
{
	for (int i = 0; i < x->ndims; i++)
		chunk[i] = (size_t)j->h->dim[x->dim[i]].len;
	chunk[0] = chunk[0] < CHUNK_SLAB ? chunk[0] : CHUNK_SLAB;
}

static void record_chunks(const struct job *j, const struct cdf_var *x, size_t chunk[CDF_RANK])
{
	for (int i = 0; i < x->ndims; i++) {
		size_t len = (size_t)j->h->dim[x->dim[i]].len;
		size_t most = i > 0 ? CHUNK_LAST : x->count > 1 ? j->block : CHUNK_ALONE;
		size_t c = i > 0 && i < x->ndims - 1 ? 1 : len && len < most ? len : most;
		if (i == 0 && c > j->h->records)
			c = (size_t)j->h->records;
		chunk[last(j, x) ? (i + x->ndims - 1) % x->ndims : i] = c;
	}
}

/* Chunks and filters of a large variable, and whether libnetcdf has really set them: it can
 * answer "done" and do nothing. */
static int set_storage(struct job *j, int v)
{
	const struct cdf_var *x = &j->h->var[v];
	size_t chunk[CDF_RANK] = {0};
	int shuffle = 0, deflate = 0, level = 0, storage = 0;

	if (x->record)
		record_chunks(j, x, chunk);
	else
		slab_chunks(j, x, chunk);
	int bad = nc_def_var_chunking(j->nc, v, NC_CHUNKED, chunk);
	if (!bad)
		bad = nc_def_var_deflate(j->nc, v, 1, 1, DEFLATE);
	if (!bad)
		bad = nc_inq_var_deflate(j->nc, v, &shuffle, &deflate, &level);
	if (!bad)
		bad = nc_inq_var_chunking(j->nc, v, &storage, NULL);
	if (!bad && (!shuffle || !deflate || level != DEFLATE || storage != NC_CHUNKED))
		bad = NC_ENOFILTER;
	return bad ? fail(j, x->name, bad) : 0;
}

static int define(struct job *j)
{
	const struct cdf_head *h = j->h;
	int id, dims[CDF_RANK], bad = 0;

	for (int d = 0; d < h->ndims && !bad; d++)
		bad = nc_def_dim(j->nc, h->dim[d].name,
		    (size_t)(h->dim[d].len ? h->dim[d].len : h->records), &id);
	if (!bad)
		bad = cdf_put_atts(j->nc, NC_GLOBAL, &h->atts);
	for (int v = 0; v < h->nvars && !bad; v++) {
		const struct cdf_var *x = &h->var[v];
		for (int i = 0; i < x->ndims; i++)
			dims[i] = x->dim[last(j, x) ? (i + 1) % x->ndims : i];
		bad = nc_def_var(j->nc, x->name, (nc_type)x->type, x->ndims, dims, &id);
		if (!bad)
			bad = cdf_put_atts(j->nc, v, &x->atts);
		if (!bad && ((x->record && h->records) || in_slabs(x)) && set_storage(j, v) < 0)
			return -1;
	}
	if (!bad)
		bad = nc_enddef(j->nc);
	return bad ? fail(j, "header", bad) : 0;
}

/* ---- data ---- */

/* What is done with the values of a variable: written, or compared with the new file's. */
typedef int each(struct job *j, int v, const size_t *start, const size_t *count, size_t bytes);

static int write_values(
    struct job *j, int v, const size_t *start, const size_t *count, size_t bytes)
{
	(void)bytes;
	int bad = nc_put_vara(j->nc, v, start, count, j->values);
	return bad ? fail(j, j->h->var[v].name, bad) : 0;
}

static int compare_values(
    struct job *j, int v, const size_t *start, const size_t *count, size_t bytes)
{
	int bad = nc_get_vara(j->nc, v, start, count, j->again);

	if (bad)
		return fail(j, j->h->var[v].name, bad);
	errno = EIO;
	return memcmp(j->values, j->again, bytes) ? fail(j, "reads back otherwise", 0) : 0;
}

static int small(struct job *j, int v, each *what)
{
	const struct cdf_var *x = &j->h->var[v];
	size_t start[CDF_RANK] = {0}, count[CDF_RANK] = {0}, bytes = x->count * cdf_size(x->type);

	for (int i = 0; i < x->ndims; i++)
		count[i] = (size_t)j->h->dim[x->dim[i]].len;
	if (pread(j->from, j->values, bytes, (off_t)x->begin) != (ssize_t)bytes)
		return fail(j, x->name, 0);
	cdf_swap(j->values, x->count, cdf_size(x->type));
	return what(j, v, start, count, bytes);
}

static int slabs(struct job *j, int v, each *what)
{
	const struct cdf_var *x = &j->h->var[v];
	size_t start[CDF_RANK] = {0}, count[CDF_RANK] = {0};
	uint64_t len = j->h->dim[x->dim[0]].len, one = x->count / len * cdf_size(x->type);
	uint64_t most = CDF_FIXED_MAX / one;

	errno = EFBIG;
	if (most == 0)
		return fail(j, x->name, 0);
	most = most > CHUNK_SLAB ? most / CHUNK_SLAB * CHUNK_SLAB : most;
	for (int i = 1; i < x->ndims; i++)
		count[i] = (size_t)j->h->dim[x->dim[i]].len;
	for (uint64_t at = 0; at < len; at += most) {
		size_t n = (size_t)(len - at < most ? len - at : most), bytes = n * (size_t)one;
		start[0] = (size_t)at;
		count[0] = n;
		if (pread(j->from, j->values, bytes, (off_t)(x->begin + at * one)) !=
		    (ssize_t)bytes)
			return fail(j, x->name, 0);
		cdf_swap(j->values, bytes / cdf_size(x->type), cdf_size(x->type));
		if (what(j, v, start, count, bytes) < 0)
			return -1;
	}
	return 0;
}

static int large(struct job *j, int v, uint64_t first, size_t n, each *what)
{
	const struct cdf_var *x = &j->h->var[v];
	size_t start[CDF_RANK] = {0}, count[CDF_RANK] = {0};
	int at = last(j, x) ? x->ndims - 1 : 0;

	for (int i = 1; i < x->ndims; i++)
		count[at ? i - 1 : i] = (size_t)j->h->dim[x->dim[i]].len;
	start[at] = (size_t)first;
	count[at] = n;
	cdf_gather(j->h, v, j->rows, n, at > 0, j->values);
	cdf_swap(j->values, n * x->count, cdf_size(x->type));
	return what(j, v, start, count, n * x->count * cdf_size(x->type));
}

static int all(struct job *j, each *what)
{
	const struct cdf_head *h = j->h;

	for (int v = 0; v < h->nvars; v++)
		if (!h->var[v].record && (in_slabs(&h->var[v]) ? slabs : small)(j, v, what) < 0)
			return -1;
	for (uint64_t r = 0; r < h->records; r += j->block) {
		size_t n = h->records - r < j->block ? (size_t)(h->records - r) : j->block;
		if (cdf_read_rows(h, j->from, r, n, j->rows) < 0)
			return fail(j, "the finished file", 0);
		for (int v = 0; v < h->nvars; v++)
			if (h->var[v].record && large(j, v, r, n, what) < 0)
				return -1;
	}
	return 0;
}

static int make(struct job *j)
{
	int old, bad = nc_create(j->path, NC_NETCDF4 | NC_CLOBBER, &j->nc);

	if (bad)
		return fail(j, "netCDF-4", bad);
	bad = nc_set_fill(j->nc, NC_NOFILL, &old);
	if (bad)
		return fail(j, "netCDF-4", bad);
	if (define(j) < 0 || all(j, write_values) < 0)
		return -1; /* the process ends: nothing of the library is called again */
	bad = nc_sync(j->nc);
	if (!bad)
		bad = nc_close(j->nc);
	return bad ? fail(j, "netCDF-4", bad) : 0;
}

static int check(struct job *j)
{
	int bad = nc_open(j->path, NC_NOWRITE, &j->nc);

	if (bad)
		return fail(j, "does not open again", bad);
	if (all(j, compare_values) < 0)
		return -1;
	bad = nc_close(j->nc);
	return bad ? fail(j, "netCDF-4", bad) : 0;
}

int cdf_write_nc4(
    const struct cdf_head *h, int from, const char *path, bool channel, char why[CDF_WHY])
{
	struct job j = {.h = h, .from = from, .channel = channel, .path = path, .why = why};
	size_t room = CDF_FIXED_MAX;

	if (h->records) {
		j.block = cdf_block_rows(h);
		j.block = j.block < CHUNK_RANGE ? j.block : CHUNK_RANGE;
		room = j.block * h->recsize > room ? j.block * h->recsize : room;
	}
	j.rows = malloc(room);
	j.values = malloc(room);
	j.again = malloc(room);
	int bad = !j.rows || !j.values || !j.again ? fail(&j, "netCDF-4", NC_ENOMEM) : make(&j);
	if (!bad)
		bad = check(&j);
	free(j.rows);
	free(j.values);
	free(j.again);
	return bad;
}
