/* spool.c - a queue of text lines, in memory or in a folder that outlives the program */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define SEGMENT     (INT64_C(8) << 20) /* a file's size, or an eighth of the spool's */
#define NAME_DIGITS 16
#define NAME_SIZE   24
#define BLOCK       65536
#define FILES_MAX   100000

struct spool {
	struct spool_state state;
	int64_t max, segment;

	char *mem; /* in memory: lines at mem[head..head + bytes) */
	size_t head, size;

	int dir, lock;        /* descriptors */
	uint64_t first, last; /* files there are: first..last; last < first: none */
	uint64_t ours;        /* the first file that this run has made */
	int64_t done;         /* bytes of `first` that are acknowledged */
	int64_t tail_size;    /* of `last` */
	int in, out;          /* descriptors of first and last; -1: closed */
	bool dirty;

	size_t got; /* bytes and lines given out last */
	size_t got_lines;
};

/* ---- files ---- */

static const char *name_of(uint64_t number, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%0*" PRIu64 ".lp", NAME_DIGITS, number);
	return name;
}

/* The number of a file's name, or 0. */
static uint64_t number_of(const char *name)
{
	if (strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, ".lp") != 0)
		return 0;
	return strtoull(name, NULL, 10);
}

static bool empty(const struct spool *s)
{
	return s->last < s->first;
}

/* Lines in a file from an offset on, and its size; a cut one at the end is none. */
static int64_t count_lines(struct spool *s, uint64_t number, int64_t from, int64_t *size)
{
	char name[NAME_SIZE], block[BLOCK];
	int64_t lines = 0;
	ssize_t n;

	int fd = openat(s->dir, name_of(number, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	*size = from;
	while ((n = pread(fd, block, sizeof block, *size)) > 0) {
		for (const char *p = block; (p = memchr(p, '\n', (size_t)(block + n - p))); p++)
			lines++;
		*size += n;
	}
	close(fd);
	return n < 0 ? -1 : lines;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Remembers how far the receiver has got. Not synced: at worst it is given out again. */
static int write_acked(struct spool *s)
{
	char text[64];

	int n = snprintf(text, sizeof text, "%" PRIu64 " %" PRId64 "\n", s->first, s->done);
	int fd = openat(
	    s->dir, "acked.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	int rc = io_writeall(fd, text, (size_t)n);
	if (close(fd) < 0)
		rc = -1;
	return rc < 0 ? -1 : renameat(s->dir, "acked.new", s->dir, "acked");
}

static void read_acked(struct spool *s)
{
	char text[64] = "";
	uint64_t number;
	int64_t done;

	int fd = openat(s->dir, "acked", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (io_readall(fd, text, sizeof text - 1) > 0 &&
	    sscanf(text, "%" SCNu64 " %" SCNd64, &number, &done) == 2 && number == s->first &&
	    done > 0)
		s->done = done;
	close(fd);
}

/* Takes the oldest file away; the next one becomes first. */
static void drop_first(struct spool *s)
{
	char name[NAME_SIZE];

	close_fd(&s->in);
	if (s->first == s->last)
		close_fd(&s->out);
	(void)unlinkat(s->dir, name_of(s->first, name), 0);
	s->first++;
	s->done = 0;
	s->got = 0;
}

/* ---- opening ---- */

static void *fail(struct spool *s, char why[SPOOL_WHY], const char *dir, const char *what)
{
	int error = errno;

	snprintf(why, SPOOL_WHY, "%s: %s", dir, what);
	spool_close(s);
	errno = error;
	return NULL;
}

/* What an earlier run has left. */
static int take_stock(struct spool *s)
{
	struct dirent *e;
	int64_t size;

	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -1;
	while ((e = readdir(d))) {
		uint64_t number = number_of(e->d_name);
		if (number == 0)
			continue;
		s->first = s->first == 0 || number < s->first ? number : s->first;
		s->last = number > s->last ? number : s->last;
	}
	closedir(d);
	if (s->first == 0) {
		s->first = 1;
		(void)unlinkat(s->dir, "acked", 0); /* it would speak of a file yet to come */
	}
	if (s->last > s->first + FILES_MAX) {
		errno = EFBIG;
		return -1;
	}
	read_acked(s);
	for (uint64_t i = s->first; i <= s->last; i++) {
		int64_t from = i == s->first ? s->done : 0;
		int64_t lines = count_lines(s, i, from, &size);
		if (lines < 0 && errno != ENOENT)
			return -1;
		s->state.found += lines < 0 ? 0 : (uint64_t)lines;
		s->state.bytes += lines < 0 ? 0 : (uint64_t)(size - from);
	}
	s->state.lines = s->state.found;
	s->ours = s->last + 1;
	return 0;
}

struct spool *spool_open(const char *dir, int64_t max, char why[SPOOL_WHY])
{
	struct spool *s = calloc(1, sizeof *s);

	if (!s) {
		snprintf(why, SPOOL_WHY, "no memory");
		return NULL;
	}
	s->max = max;
	s->segment = max / 8 < SEGMENT ? max / 8 : SEGMENT;
	s->dir = s->lock = s->in = s->out = -1;
	s->state.on_disk = dir != NULL;
	if (!dir) {
		s->size = 2 * (size_t)max; /* so that lines move only once in a while */
		s->mem = malloc(s->size);
		return s->mem ? s : fail(s, why, "spool", strerror(ENOMEM));
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return fail(s, why, dir, strerror(errno));
	s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return fail(s, why, dir, strerror(errno));
	/* The lock of an earlier run may be there, though no file can be made any more. */
	if (faccessat(s->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return fail(s, why, dir, strerror(errno));
	s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return fail(s, why, dir, strerror(errno));
	if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
		errno = EBUSY;
		return fail(s, why, dir, "another program uses this spool: give each its own");
	}
	if (take_stock(s) < 0)
		return fail(s, why, dir, strerror(errno));
	return s;
}

/* ---- putting ---- */

static int put_memory(struct spool *s, const char *lines, size_t n)
{
	if ((int64_t)(s->state.bytes + n) > s->max) {
		errno = EAGAIN;
		return -1;
	}
	if (s->size - s->head - s->state.bytes < n) {
		memmove(s->mem, s->mem + s->head, s->state.bytes);
		s->head = 0;
	}
	memcpy(s->mem + s->head + s->state.bytes, lines, n);
	return 0;
}

/* The oldest files make room; not the one that lines are given out of, nor the newest. */
static void make_room(struct spool *s, size_t n)
{
	char name[NAME_SIZE];

	for (uint64_t i = s->first + (s->got > 0); i < s->last; i++) {
		if ((int64_t)(s->state.bytes + n) <= s->max)
			return;
		int64_t from = i == s->first ? s->done : 0, size = from;
		int64_t lines = count_lines(s, i, from, &size);
		if (lines < 0)
			continue; /* dropped before */
		s->state.full += (uint64_t)lines;
		s->state.lines -= (uint64_t)lines;
		s->state.bytes -= (uint64_t)(size - from);
		if (i == s->first)
			drop_first(s);
		else
			(void)unlinkat(s->dir, name_of(i, name), 0);
	}
}

/* The file to append to; one that an earlier run has left is never touched. */
static int open_tail(struct spool *s)
{
	char name[NAME_SIZE];

	if (s->out >= 0 && s->tail_size < s->segment)
		return 0;
	if (s->out >= 0 && spool_sync(s) < 0)
		return -1;
	close_fd(&s->out);
	int fd = openat(s->dir, name_of(s->last + 1, name),
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	s->out = fd;
	s->last++;
	s->tail_size = 0;
	return 0;
}

static int append(struct spool *s, const char *lines, size_t n)
{
	if (open_tail(s) < 0)
		return -1;
	if (io_writeall(s->out, lines, n) < 0) {
		int e = errno;
		(void)!ftruncate(s->out, s->tail_size);
		errno = e;
		return -1;
	}
	s->tail_size += (int64_t)n;
	s->dirty = true;
	return 0;
}

static int put_file(struct spool *s, const char *lines, size_t n)
{
	make_room(s, n);
	if (append(s, lines, n) == 0)
		return 0;
	if (s->state.lines > 0 || empty(s))
		return -1;
	/* The disk is full, and all of ours is done with. */
	while (!empty(s))
		drop_first(s);
	return append(s, lines, n);
}

int spool_put(struct spool *s, const char *lines, size_t n, size_t count)
{
	if ((s->mem ? put_memory(s, lines, n) : put_file(s, lines, n)) < 0)
		return -1;
	s->state.lines += count;
	s->state.bytes += n;
	return 0;
}

/* ---- getting ---- */

/* The length of at most `most` whole lines in buf. */
static size_t whole_lines(const char *buf, size_t n, size_t most, size_t *count)
{
	const char *p = buf, *end = buf + n;

	for (*count = 0; *count < most; ++*count) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break;
		p = nl + 1;
	}
	return (size_t)(p - buf);
}

static long get_memory(struct spool *s, char *buf, size_t size, size_t most, size_t *count)
{
	size_t n = s->state.bytes < size ? (size_t)s->state.bytes : size;

	n = whole_lines(s->mem + s->head, n, most, count);
	memcpy(buf, s->mem + s->head, n);
	return (long)n;
}

static int open_head(struct spool *s)
{
	char name[NAME_SIZE];

	if (s->in < 0)
		s->in = openat(s->dir, name_of(s->first, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return s->in < 0 && errno != ENOENT ? -1 : 0;
}

/* Bytes after the last end of line: a crash has cut the line, or it is longer than the buffer. */
static void skip_cut(struct spool *s, size_t n)
{
	s->state.cut++;
	s->state.found++;
	s->state.bytes -= n;
	s->done += (int64_t)n;
}

static long get_file(struct spool *s, char *buf, size_t size, size_t most, size_t *count)
{
	*count = 0;
	while (!empty(s)) {
		if (open_head(s) < 0)
			return -1;
		ssize_t n = s->in < 0 ? 0 : pread(s->in, buf, size, s->done);
		if (n < 0)
			return -1;
		size_t whole = whole_lines(buf, (size_t)n, most, count);
		s->state.old = s->first < s->ours;
		if (whole > 0)
			return (long)whole;
		if (n > 0 && ((size_t)n == size || s->first != s->last || s->out < 0)) {
			skip_cut(s, (size_t)n);
			continue;
		}
		if (s->first == s->last && s->out >= 0)
			break; /* all that there is */
		drop_first(s);
	}
	/* What was counted and is not there was taken away by somebody. */
	s->state.cut += s->state.lines;
	s->state.lines = s->state.bytes = 0;
	return 0;
}

long spool_get(struct spool *s, char *buf, size_t size, size_t most, size_t *count)
{
	long n =
	    s->mem ? get_memory(s, buf, size, most, count) : get_file(s, buf, size, most, count);

	s->got = n > 0 ? (size_t)n : 0;
	s->got_lines = n > 0 ? *count : 0;
	return n;
}

int spool_ack(struct spool *s, size_t n, size_t lines)
{
	n = n < s->got ? n : s->got; /* its file may have been dropped meanwhile */
	lines = lines < s->got_lines ? lines : s->got_lines;
	s->got -= n;
	s->got_lines -= lines;
	s->state.lines -= lines;
	s->state.bytes -= n;
	if (s->mem)
		s->head = s->state.bytes == 0 ? 0 : s->head + n;
	s->done += (int64_t)n;
	return !s->mem && n > 0 ? write_acked(s) : 0;
}

const struct spool_state *spool_state(const struct spool *s)
{
	return &s->state;
}

int spool_sync(struct spool *s)
{
	if (!s->dirty || s->out < 0)
		return 0;
	if (io_sync_data(s->out) < 0 || io_sync_dir(s->dir) < 0)
		return -1;
	s->dirty = false;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	if (s->dir >= 0 && s->lock >= 0) {
		(void)spool_sync(s);
		while (s->state.lines == 0 && !empty(s))
			drop_first(s);
		if (empty(s))
			(void)unlinkat(s->dir, "acked", 0);
	}
	close_fd(&s->in);
	close_fd(&s->out);
	close_fd(&s->lock);
	close_fd(&s->dir);
	free(s->mem);
	free(s);
}
