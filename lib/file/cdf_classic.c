/*
 * cdf_classic.c - a netCDF-4 file as netCDF classic: read by libnetcdf in a child process, because
 * it can crash on a damaged file, and written in slabs
 */
#include <errno.h>
#include <fcntl.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "file/cdf_classic.h"

#define SLAB       (4u << 20)
#define CHILD_ROOM (INT64_C(1) << 30) /* address space of the child: it needs a tenth of it */

struct job {
	const char *path, *to, *without;
	char *why;
	size_t size;
	int nc;
	struct cdf_head *head;
};

bool cdf_is_nc4(int fd)
{
	char magic[4];

	return pread(fd, magic, 4, 0) == 4 && memcmp(magic, "\x89HDF", 4) == 0;
}

static int fail(struct job *j, int status, const char *what)
{
	snprintf(j->why, j->size, "%.80s: %.100s", what,
	    status == NC_NOERR ? strerror(errno) : nc_strerror(status));
	if (status != NC_NOERR)
		errno = EINVAL;
	return -1;
}

/* What a classic file cannot have. */
static int refuse(struct job *j, const char *name, const char *what)
{
	snprintf(j->why, j->size, "%.80s: %s", name, what);
	errno = EINVAL;
	return -1;
}

/* ---- the header ---- */

static int copy_att(struct job *j, int var, int i)
{
	char name[NC_MAX_NAME + 1];
	nc_type type;
	size_t n;

	int bad = nc_inq_attname(j->nc, var, i, name);
	if (!bad)
		bad = nc_inq_att(j->nc, var, name, &type, &n);
	if (bad)
		return fail(j, bad, "an attribute");
	if (type > CDF_F64 || strlen(name) >= CDF_NAME)
		return refuse(j, name, "an attribute that classic netCDF does not have");
	if (n > CDF_HEAD_MAX)
		return refuse(j, name, "the attribute is too long");
	void *value = calloc(n + 1, cdf_size((enum cdf_type)type));
	if (!value)
		return fail(j, NC_NOERR, name);
	bad = nc_get_att(j->nc, var, name, value);
	if (!bad)
		cdf_list(j->head, var, name, (enum cdf_type)type, n, value);
	free(value);
	return bad ? fail(j, bad, name) : 0;
}

static int copy_dims(struct job *j)
{
	char name[NC_MAX_NAME + 1];
	size_t len;
	int n, bad = nc_inq_ndims(j->nc, &n);

	for (int i = 0; i < n && !bad; i++) {
		bad = nc_inq_dim(j->nc, i, name, &len);
		if (!bad && len == 0)
			return refuse(j, name, "the dimension has no length");
		if (!bad)
			cdf_dim(j->head, name, len);
	}
	return bad ? fail(j, bad, "a dimension") : 0;
}

static int copy_var(struct job *j, int v)
{
	char name[NC_MAX_NAME + 1];
	int ndims, natts, dims[NC_MAX_VAR_DIMS], bad = nc_inq_varndims(j->nc, v, &ndims);
	nc_type type;

	if (!bad)
		bad = nc_inq_var(j->nc, v, name, &type, &ndims, dims, &natts);
	if (bad)
		return fail(j, bad, "a variable");
	if (type > CDF_F64 || ndims > CDF_RANK)
		return refuse(j, name, "a type that classic netCDF does not have");
	cdf_var(j->head, name, (enum cdf_type)type, ndims, dims);
	for (int i = 0; i < natts; i++)
		if (copy_att(j, v, i) < 0)
			return -1;
	return 0;
}

static int copy_head(struct job *j)
{
	int natts, nvars, bad = nc_inq_natts(j->nc, &natts);

	if (!bad)
		bad = nc_inq_nvars(j->nc, &nvars);
	if (bad)
		return fail(j, bad, "the header");
	if (copy_dims(j) < 0)
		return -1;
	for (int v = 0; v < nvars; v++)
		if (copy_var(j, v) < 0)
			return -1;
	for (int i = 0; i < natts; i++)
		if (copy_att(j, NC_GLOBAL, i) < 0)
			return -1;
	return 0;
}

/* ---- the values ---- */

static int copy_values(struct job *j, struct cdf *f, int v, uint8_t *block)
{
	const struct cdf_head *d = cdf_head(f);
	const struct cdf_var *x = &d->var[v];
	size_t start[CDF_RANK] = {0}, count[CDF_RANK] = {0}, size = cdf_size(x->type);
	uint64_t len = x->ndims ? d->dim[x->dim[0]].len : 1, one = x->count / len * size;
	uint64_t step = SLAB / one;

	if (step == 0)
		return refuse(j, x->name, "its rows are too long");
	for (int i = 1; i < x->ndims; i++)
		count[i] = (size_t)d->dim[x->dim[i]].len;
	for (uint64_t at = 0; at < len; at += step) {
		uint64_t n = len - at < step ? len - at : step;
		start[0] = (size_t)at;
		count[0] = (size_t)n;
		int bad = nc_get_vara(j->nc, v, start, count, block);
		if (bad)
			return fail(j, bad, x->name);
		cdf_swap(block, (size_t)(n * one) / size, size);
		if (cdf_write_at(f, v, at * one, block, (size_t)(n * one)) < 0)
			return fail(j, NC_NOERR, "the temporary file");
	}
	return 0;
}

static bool left_out(const struct job *j, const struct cdf_head *d, const struct cdf_var *x)
{
	return j->without && x->ndims && strcmp(d->dim[x->dim[0]].name, j->without) == 0;
}

/* The whole length, also where nothing is written. */
static int set_length(struct job *j, const struct cdf_head *d, int fd)
{
	uint64_t end = d->length;

	for (int v = 0; v < d->nvars; v++) {
		uint64_t e =
		    d->var[v].begin + (d->var[v].count * cdf_size(d->var[v].type) + 3) / 4 * 4;
		end = e > end ? e : end;
	}
	return ftruncate(fd, (off_t)end) < 0 ? fail(j, NC_NOERR, "the temporary file") : 0;
}

static int write_all(struct job *j, int fd)
{
	char reason[CDF_WHY];
	struct cdf *f = cdf_create(j->head, j->to, fd, 1 << 16, -1, reason);
	uint8_t *block = malloc(SLAB);

	j->head = NULL;
	if (!f || !block) {
		snprintf(j->why, j->size, "%.400s", f ? "out of memory" : reason);
		return -1;
	}
	const struct cdf_head *d = cdf_head(f);
	int bad = set_length(j, d, fd);
	for (int v = 0; v < d->nvars && !bad; v++)
		if (!left_out(j, d, &d->var[v]))
			bad = copy_values(j, f, v, block);
	return bad; /* the process ends: nothing is freed */
}

static int work(void *ctx, char *why, size_t size)
{
	struct job *j = ctx;

	j->why = why;
	j->size = size;
	int fd = open(j->to, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(j, NC_NOERR, j->to);
	int bad = nc_open(j->path, NC_NOWRITE, &j->nc);
	if (bad)
		return fail(j, bad, "netCDF-4");
	j->head = cdf_head_new(CDF_2);
	if (!j->head)
		return fail(j, NC_NOERR, "netCDF-4");
	return copy_head(j) < 0 ? -1 : write_all(j, fd);
}

/* ---- the parent ---- */

static int convert(struct job *j, char why[CDF_WHY])
{
	char reason[CDF_WHY];
	struct cli_job child;
	struct stat st;
	/* Inflate does a hundred times as much in a second. */
	int64_t seconds = 60 + (stat(j->path, &st) == 0 ? st.st_size / 1000000 : 0);
	int got = cli_job_start(&child, work, j, CHILD_ROOM, seconds, reason, sizeof reason);

	while (got == 0 && (got = cli_job_wait(&child, TIM_S, reason, sizeof reason)) == 0)
		cli_tick();
	if (got > 0)
		return 0;
	int error = errno;
	snprintf(why, CDF_WHY, "cannot be read as netCDF-4: %.300s", reason);
	errno = error == ENOSPC || error == EDQUOT || error == EIO ? error : EINVAL;
	return -1;
}

int cdf_make_classic(const char *path, const char *without, char why[CDF_WHY])
{
	const char *dir = getenv("TMPDIR");
	char to[4096];

	if (snprintf(to, sizeof to, "%s/fyke-nc4.XXXXXX", dir && *dir ? dir : "/var/tmp") >=
	    (int)sizeof to) {
		snprintf(why, CDF_WHY, "TMPDIR is too long");
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = mkostemp(to, O_CLOEXEC);
	if (fd < 0) {
		snprintf(why, CDF_WHY, "%.200s: %s", to, strerror(errno));
		return -1;
	}
	struct job j = {.path = path, .to = to, .without = without};
	int bad = convert(&j, why), error = errno;
	(void)unlink(to);
	if (bad) {
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
