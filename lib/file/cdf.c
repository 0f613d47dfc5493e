/*
 * cdf.c - netCDF classic files: a header by libnetcdf, records in whole blocks, commits
 */
#include <errno.h>
#include <fcntl.h>
#include <netcdf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/wire.h"
#include "file/cdf.h"

#define BLOCK_MAX  (16u << 20)
#define TRIES      5          /* at a header, where signals interrupt them */
#define WRITE_BACK (8u << 20) /* bytes after which the kernel is asked to begin writing out */
#define AHEAD_MIN  (1u << 20) /* disk that is asked for ahead of the data: a quarter of the file */
#define AHEAD_MAX  (64u << 20)

struct cdf {
	int fd, marker;
	struct cdf_head *head;
	uint8_t *rows; /* gathered records */
	size_t room, gathered;
	uint8_t *fixed; /* the variables without the record dimension, as they stand in the file */
	uint64_t fixed_at, fixed_size;
	uint8_t *fixed_old;          /* the same, as they were last written */
	uint64_t written, committed; /* records in the file, and safe */
	int unsafe;                  /* errno of an fsync that failed, 0: none did */
	uint64_t pushed;             /* offset up to which write-back was begun */
	uint64_t reserved; /* offset up to which disk was asked for; UINT64_MAX: not asked for */
	const struct cdf_att *retext; /* a text that has changed since the last commit, or NULL */
};

/* ---- byte order ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
WIRE_VECTOR static void swap2(void *values, size_t n)
{
	typedef uint16_t loose __attribute__((aligned(1))); /* a row may begin anywhere */
	loose *v = values;

	for (size_t i = 0; i < n; i++)
		v[i] = __builtin_bswap16(v[i]);
}

WIRE_VECTOR static void swap4(void *values, size_t n)
{
	typedef uint32_t loose __attribute__((aligned(1))); /* a row may begin anywhere */
	loose *v = values;

	for (size_t i = 0; i < n; i++)
		v[i] = __builtin_bswap32(v[i]);
}

WIRE_VECTOR static void swap8(void *values, size_t n)
{
	typedef uint64_t loose __attribute__((aligned(1))); /* a row may begin anywhere */
	loose *v = values;

	for (size_t i = 0; i < n; i++)
		v[i] = __builtin_bswap64(v[i]);
}

void cdf_swap(void *values, size_t n, size_t size)
{
	if (size == 2)
		swap2(values, n);
	else if (size == 4)
		swap4(values, n);
	else if (size == 8)
		swap8(values, n);
}
#else
void cdf_swap(void *values, size_t n, size_t size)
{
	(void)values, (void)n, (void)size;
}
#endif

/* ---- the header ---- */

int cdf_put_atts(int nc, int var, const struct cdf_atts *a)
{
	int bad = 0;

	for (int i = 0; i < a->n && !bad; i++) {
		const struct cdf_att *t = &a->att[i];
		bad = nc_put_att(nc, var, t->name, (nc_type)t->type, t->n, t->data);
	}
	return bad;
}

static int put_tables(int nc, const struct cdf_head *h)
{
	int bad = 0, id;

	for (int d = 0; d < h->ndims && !bad; d++)
		bad = nc_def_dim(
		    nc, h->dim[d].name, h->dim[d].len ? (size_t)h->dim[d].len : NC_UNLIMITED, &id);
	for (int v = 0; v < h->nvars && !bad; v++) {
		const struct cdf_var *x = &h->var[v];
		bad = nc_def_var(nc, x->name, (nc_type)x->type, x->ndims, x->dim, &id);
		if (!bad)
			bad = cdf_put_atts(nc, v, &x->atts);
	}
	return bad ? bad : cdf_put_atts(nc, NC_GLOBAL, &h->atts);
}

/* Has libnetcdf make a file with the header. Records begin at a page, so that the marker and the
 * records never share one. Returns the library's status. */
static int make_header(const struct cdf_head *h, const char *path)
{
	int nc, mode = NC_CLOBBER | (h->kind == CDF_2 ? NC_64BIT_OFFSET : NC_64BIT_DATA);
	int bad = nc_create(path, mode, &nc);

	if (bad)
		return bad;
	bad = put_tables(nc, h);
	if (!bad)
		bad = nc_set_fill(nc, NC_NOFILL, &mode);
	if (!bad)
		bad = nc__enddef(nc, 0, 8, 0, 4096);
	if (bad) {
		nc_abort(nc);
		return bad;
	}
	return nc_close(nc);
}

/* The same in memory: on a disk the library would give up when a signal interrupts a write, and
 * take the file away. Returns a descriptor, or -1 with a sentence. */
static int header_in_memory(const struct cdf_head *h, char why[CDF_WHY])
{
	char path[32];
	int fd = memfd_create("header", MFD_CLOEXEC), bad = EINTR;

	if (fd < 0) {
		snprintf(why, CDF_WHY, "no memory for a header: %s", strerror(errno));
		return -1;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	for (int tries = 0; bad == EINTR && tries < TRIES; tries++)
		bad = make_header(h, path);
	if (!bad)
		return fd;
	snprintf(why, CDF_WHY, "making the header: %s", nc_strerror(bad));
	close(fd);
	errno = bad > 0 ? bad : EINVAL; /* above 0 it is a system's error */
	return -1;
}

/* Whether the header in the file says what h says; takes the places of the variables from it. */
static bool take_places(struct cdf_head *h, const struct cdf_head *got)
{
	if (h->ndims != got->ndims || h->nvars != got->nvars || h->kind != got->kind)
		return false;
	for (int d = 0; d < h->ndims; d++)
		if (h->dim[d].len != got->dim[d].len)
			return false;
	for (int v = 0; v < h->nvars; v++) {
		if (strcmp(h->var[v].name, got->var[v].name) != 0 ||
		    h->var[v].type != got->var[v].type || h->var[v].count != got->var[v].count ||
		    h->var[v].record != got->var[v].record)
			return false;
		h->var[v].begin = got->var[v].begin;
	}
	for (int a = 0; a < h->atts.n && a < got->atts.n; a++)
		h->atts.att[a].begin = got->atts.att[a].begin;
	h->length = got->length;
	h->first = got->first;
	h->recsize = got->recsize;
	return true;
}

/* The header as the library made it, and a file as long as that one: variables without the record
 * dimension are zeros. */
static int copy_header(int from, size_t length, int fd)
{
	struct stat st;
	uint8_t *bytes = malloc(length);
	int bad = !bytes || fstat(from, &st) < 0 ||
	    pread(from, bytes, length, 0) != (ssize_t)length ||
	    io_writeat(fd, bytes, length, 0, NULL) < 0 || ftruncate(fd, st.st_size) < 0;

	free(bytes);
	return bad ? -1 : 0;
}

/* Writes the header, and takes the places of its variables from it. 0, or -1 with a sentence or
 * errno. */
static int write_header(struct cdf_head *h, int fd, char why[CDF_WHY])
{
	int from = header_in_memory(h, why);
	struct cdf_head *got = from < 0 ? NULL : cdf_scan(from, why);
	bool same = got && take_places(h, got);
	int bad = same ? copy_header(from, (size_t)h->length, fd) : -1, error = errno;

	if (got && !same)
		snprintf(why, CDF_WHY, "libnetcdf made another header than it was told");
	cdf_head_free(got);
	if (from >= 0)
		close(from);
	errno = error;
	return bad;
}

/* ---- creating ---- */

/* Memory for the variables without the record dimension, when the file has records at all. */
static int keep_fixed(struct cdf *f)
{
	const struct cdf_head *h = f->head;
	uint64_t from = UINT64_MAX, to = 0;

	for (int v = 0; v < h->nvars; v++) {
		const struct cdf_var *x = &h->var[v];
		uint64_t end = x->begin + x->count * cdf_size(x->type);
		if (x->record)
			continue;
		from = x->begin < from ? x->begin : from;
		to = end > to ? end : to;
	}
	if (h->recsize == 0 || to == 0)
		return 0;
	if (to - from > CDF_FIXED_MAX) {
		errno = EFBIG;
		return -1;
	}
	f->fixed_at = from;
	f->fixed_size = to - from;
	f->fixed = calloc(1, f->fixed_size);
	f->fixed_old = calloc(1, f->fixed_size);
	return f->fixed && f->fixed_old ? 0 : -1;
}

static int make_room(struct cdf *f, size_t block)
{
	size_t rec = f->head->recsize;

	if (rec == 0)
		return 0;
	if (rec > BLOCK_MAX) {
		errno = EFBIG;
		return -1;
	}
	block = block > BLOCK_MAX ? BLOCK_MAX : block;
	f->room = block > rec ? block / rec * rec : rec;
	f->rows = calloc(1, f->room);
	return f->rows ? 0 : -1;
}

static struct cdf *give_up(struct cdf *f, const char *path, char why[CDF_WHY])
{
	char reason[CDF_WHY];

	snprintf(reason, sizeof reason, "%s", why[0] ? why : strerror(errno));
	snprintf(why, CDF_WHY, "%.300s: %.200s", path, reason);
	cdf_free(f);
	return NULL;
}

struct cdf *cdf_create(
    struct cdf_head *h, const char *path, int fd, size_t block, int marker, char why[CDF_WHY])
{
	struct cdf *f = calloc(1, sizeof *f);

	why[0] = 0;
	if (!f) {
		cdf_head_free(h);
		snprintf(why, CDF_WHY, "out of memory");
		return NULL;
	}
	f->head = h;
	f->fd = fd;
	f->marker = marker;
	if (h->bad) {
		snprintf(why, CDF_WHY, "too much for one file's header, or out of memory");
		return give_up(f, path, why);
	}
	/* The writes below say where they go: no O_APPEND. */
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_APPEND) < 0 ||
	    write_header(h, fd, why) < 0 || keep_fixed(f) < 0 || make_room(f, block) < 0 ||
	    io_sync(fd) < 0)
		return give_up(f, path, why);
	f->pushed = h->first;
	f->reserved = io_in_memory(fd) ? UINT64_MAX : 0;
	return f;
}

void cdf_free(struct cdf *f)
{
	if (!f)
		return;
	cdf_head_free(f->head);
	free(f->rows);
	free(f->fixed);
	free(f->fixed_old);
	free(f);
}

/* ---- writing ---- */

/* Write-back begun early keeps the fsync of a commit short; it promises nothing. */
static void push(struct cdf *f, uint64_t end)
{
	if (end - f->pushed < WRITE_BACK)
		return;
	(void)sync_file_range(
	    f->fd, (off_t)f->pushed, (off_t)(end - f->pushed), SYNC_FILE_RANGE_WRITE);
	f->pushed = end;
}

/* Asks for disk ahead of the data, beyond the end of the file: an eighth less
 * work in all. */
static void reserve(struct cdf *f, uint64_t end)
{
	if (end <= f->reserved)
		return;
	uint64_t ahead = end / 4 < AHEAD_MIN ? AHEAD_MIN
	    : end / 4 > AHEAD_MAX            ? AHEAD_MAX
					     : end / 4;
	if (fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)end, (off_t)ahead) == 0)
		f->reserved = end + ahead;
	else
		f->reserved =
		    UINT64_MAX; /* the write itself will say what is wrong, if it matters */
}

/* Writes the gathered rows. After a failure those that went out whole count as written, and the
 * others stay gathered. */
static int flush_rows(struct cdf *f)
{
	size_t rec = f->head->recsize;

	if (f->gathered == 0)
		return 0;
	uint64_t at = f->head->first + f->written * rec;
	reserve(f, at + f->gathered);
	size_t whole;
	bool all = io_writeat(f->fd, f->rows, f->gathered, (int64_t)at, &whole) == 0;
	int error = errno;
	whole = whole / rec * rec;
	f->written += whole / rec;
	if (!all)
		memmove(f->rows, f->rows + whole, f->gathered - whole);
	f->gathered -= whole;
	errno = error;
	if (!all)
		return -1;
	push(f, at + whole);
	return 0;
}

uint8_t *cdf_row(struct cdf *f)
{
	if (f->head->kind == CDF_2 && cdf_records(f) >= INT32_MAX) {
		errno = EFBIG;
		return NULL;
	}
	if (f->gathered == f->room && flush_rows(f) < 0)
		return NULL;
	return f->rows + f->gathered;
}

void cdf_row_done(struct cdf *f)
{
	f->gathered += f->head->recsize;
}

size_t cdf_offset(const struct cdf *f, int var)
{
	return (size_t)(f->head->var[var].begin - f->head->first);
}

void *cdf_fixed(struct cdf *f, int var)
{
	return f->fixed ? f->fixed + (f->head->var[var].begin - f->fixed_at) : NULL;
}

int cdf_write_at(struct cdf *f, int var, uint64_t at, const void *bytes, size_t n)
{
	return io_writeat(f->fd, bytes, n, (int64_t)(f->head->var[var].begin + at), NULL);
}

/* Writes the small variables where they changed since the last time. */
static int flush_fixed(struct cdf *f)
{
	size_t from = 0, to = f->fixed_size;

	while (from < to && f->fixed[from] == f->fixed_old[from])
		from++;
	while (to > from && f->fixed[to - 1] == f->fixed_old[to - 1])
		to--;
	if (io_writeat(f->fd, f->fixed + from, to - from, (int64_t)(f->fixed_at + from), NULL) < 0)
		return -1;
	if (to > from)
		memcpy(f->fixed_old + from, f->fixed + from, to - from);
	return 0;
}

/* The number of records, as every reader of netCDF finds it. */
static int write_count(struct cdf *f)
{
	u64be wide;
	u32be narrow;

	wire_put(&wide, f->written);
	wire_put(&narrow, (uint32_t)f->written);
	if (f->head->kind == CDF_2)
		return io_writeat(f->fd, narrow.b, sizeof narrow, 4, NULL);
	return io_writeat(f->fd, wide.b, sizeof wide, 4, NULL);
}

static int write_marker(struct cdf *f)
{
	if (f->marker < 0)
		return 0;
	if (f->head->var[f->marker].type == CDF_I64)
		wire_put((u64be *)cdf_fixed(f, f->marker), f->written);
	else
		wire_put((u32be *)cdf_fixed(f, f->marker), (uint32_t)f->written);
	return flush_fixed(f);
}

void cdf_retext(struct cdf *f, const char *name, const char *text)
{
	const struct cdf_att *a = cdf_att(f->head, CDF_GLOBAL, name);

	if (!a || a->type != CDF_CHAR || a->n != strlen(text) || memcmp(a->data, text, a->n) == 0)
		return;
	memcpy(a->data, text, a->n);
	f->retext = a;
}

static int flush_text(struct cdf *f)
{
	const struct cdf_att *a = f->retext;

	if (a && io_writeat(f->fd, a->data, a->n, (int64_t)a->begin, NULL) < 0)
		return -1;
	f->retext = NULL;
	return 0;
}

/* Whether there is nothing that a commit could make safe. */
static bool nothing_new(const struct cdf *f)
{
	return f->gathered == 0 && !f->retext && f->written == f->committed &&
	    (f->fixed_size == 0 || memcmp(f->fixed, f->fixed_old, f->fixed_size) == 0);
}

/* A failed write-back is told once, and then forgotten with what it lost: nothing after it is safe. */
static int sync_file(struct cdf *f)
{
	if (!f->unsafe && io_sync(f->fd) < 0)
		f->unsafe = errno;
	if (f->unsafe)
		errno = f->unsafe;
	return f->unsafe ? -1 : 0;
}

int cdf_commit(struct cdf *f)
{
	if (f->committed && nothing_new(f))
		return 0;
	int bad = flush_rows(f), error = errno;

	if (flush_text(f) < 0 || (f->fixed && flush_fixed(f) < 0) || sync_file(f) < 0)
		return -1;
	if (write_count(f) < 0 || sync_file(f) < 0)
		return -1;
	if (write_marker(f) < 0 || sync_file(f) < 0)
		return -1;
	f->committed = f->written;
	errno = error;
	return bad;
}

int cdf_trim(struct cdf *f)
{
	struct stat st;

	if (f->reserved == 0)
		return 0;
	return fstat(f->fd, &st) < 0 || ftruncate(f->fd, st.st_size) < 0 ? -1 : 0;
}

uint64_t cdf_records(const struct cdf *f)
{
	return f->written + (f->head->recsize ? f->gathered / f->head->recsize : 0);
}

uint64_t cdf_committed(const struct cdf *f)
{
	return f->committed;
}

const struct cdf_head *cdf_head(const struct cdf *f)
{
	return f->head;
}

/* ---- checking ---- */

static bool say(char why[CDF_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(char why[CDF_WHY], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, CDF_WHY, format, ap);
	va_end(ap);
	return false;
}

static bool counts_match(int fd, const struct cdf_head *got, const struct cdf_head *want,
    uint64_t records, int marker, char why[CDF_WHY])
{
	struct stat st;
	u64be mark;
	u32be narrow;

	if (got->ndims != want->ndims || got->nvars != want->nvars || got->first != want->first ||
	    got->recsize != want->recsize)
		return say(why, "its header has changed");
	if (got->records != records)
		return say(why, "holds %llu records instead of %llu",
		    (unsigned long long)got->records, (unsigned long long)records);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < got->first + records * got->recsize)
		return say(why, "is shorter than its records");
	if (marker < 0)
		return true;
	off_t at = (off_t)got->var[marker].begin;
	if (pread(fd, mark.b, sizeof mark, at) != sizeof mark)
		return say(why, "cannot be read again");
	memcpy(narrow.b, mark.b, sizeof narrow);
	bool wide = got->var[marker].type == CDF_I64;
	if ((wide ? wire_get(mark) : wire_get(narrow)) != records)
		return say(why, "its marker is not %llu", (unsigned long long)records);
	return true;
}

/* Only after our own reader has found the header sound: libnetcdf can crash on a damaged one. */
static bool library_agrees(
    const char *path, const struct cdf_head *want, uint64_t records, char why[CDF_WHY])
{
	int nc, ndims, nvars, unlim;
	size_t n = 0;
	int bad = nc_open(path, NC_NOWRITE, &nc);

	if (bad)
		return say(why, "does not open again: %s", nc_strerror(bad));
	bad = nc_inq(nc, &ndims, &nvars, NULL, &unlim);
	if (!bad && unlim >= 0)
		bad = nc_inq_dimlen(nc, unlim, &n);
	int bad2 = nc_close(nc);
	if (bad || bad2)
		return say(why, "does not read again: %s", nc_strerror(bad ? bad : bad2));
	if (ndims != want->ndims || nvars != want->nvars || n != records)
		return say(why, "reads again with %zu records instead of %llu", n,
		    (unsigned long long)records);
	return true;
}

int cdf_verify(
    const char *path, const struct cdf_head *want, uint64_t records, int marker, char why[CDF_WHY])
{
	char reason[CDF_WHY];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		say(why, "%s: does not open again: %s", path, strerror(errno));
		return -1;
	}
	struct cdf_head *got = cdf_scan(fd, reason);
	bool good = got && counts_match(fd, got, want, records, marker, reason) &&
	    library_agrees(path, want, records, reason);
	cdf_head_free(got);
	close(fd);
	if (!good)
		say(why, "%.200s: %.200s", path, reason);
	return good ? 0 : -1;
}
