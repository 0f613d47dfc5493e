/* encfile.c - writes the housekeeping's minute files */
#include "sky/encfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"

#define LOCK     ".writelog.lock"
#define ROW_MAX  4096 /* PIPE_BUF */
#define HEAD_MAX 4096

struct encfile {
	char dir[256], why[ENCFILE_WHY], news[ENCFILE_WHY];
	int fd, lock, file; /* -1: closed */
	int64_t minute;     /* of file */
	int64_t last;       /* row_order() of its last row; INT64_MIN: it has none */
	off_t size;
	char path[MINUTE_NAME + 16]; /* YYYYMMDD/enc_..., of file */
	char head[HEAD_MAX];
	size_t nhead;
	struct hk_minute rows;
};

#define fail(f, error, ...) why_fail((f)->why, sizeof(f)->why, error, __VA_ARGS__)

static int fail_file(struct encfile *f, int error)
{
	return fail(f, error, "%s/%s: %s", f->dir, f->path, strerror(error));
}

const char *encfile_why(const struct encfile *f)
{
	return f->why;
}

const char *encfile_news(struct encfile *f)
{
	static char told[ENCFILE_WHY];

	if (!f->news[0])
		return NULL;
	memcpy(told, f->news, sizeof told);
	f->news[0] = '\0';
	return told;
}

int encfile_fd(const struct encfile *f)
{
	return f->fd;
}

/* ---- the folder ---- */

/* The lock dies with the program; its file stays. */
static int take_lock(struct encfile *f)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	f->lock = openat(f->fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (f->lock < 0)
		return fail(f, errno, "%s/%s: %s", f->dir, LOCK, strerror(errno));
	if (fcntl(f->lock, F_OFD_SETLK, &all) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return fail(f, errno, "%s/%s: %s", f->dir, LOCK, strerror(errno));
	return fail(
	    f, EBUSY, "%s: another writelog writes there: stop it, or use another folder", f->dir);
}

static void shut(struct encfile *f)
{
	int fds[] = {f->file, f->lock, f->fd};

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(f);
}

struct encfile *encfile_open(const char *dir, char why[ENCFILE_WHY])
{
	struct encfile *f = calloc(1, sizeof *f);

	if (!f) {
		snprintf(why, ENCFILE_WHY, "out of memory");
		return NULL;
	}
	f->fd = f->lock = f->file = -1;
	f->nhead = hk_header(f->head, sizeof f->head);
	int bad = 0;
	if ((size_t)snprintf(f->dir, sizeof f->dir, "%s", dir) >= sizeof f->dir)
		bad = fail(f, ENAMETOOLONG, "%.64s...: %s", dir, strerror(ENAMETOOLONG));
	else if ((f->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		bad = fail(f, errno, "%s: %s", dir, strerror(errno));
	if (bad < 0 || take_lock(f) < 0) {
		int error = errno;
		memcpy(why, f->why, ENCFILE_WHY);
		shut(f);
		errno = error;
		return NULL;
	}
	return f;
}

/* ---- a minute's file ---- */

static int close_file(struct encfile *f)
{
	int fd = f->file;

	f->file = -1;
	if (fd < 0)
		return 0;
	int bad = io_sync(fd) < 0 && errno != EINVAL && errno != EROFS ? errno : 0;
	if (close(fd) < 0 && !bad)
		bad = errno;
	return bad ? fail_file(f, bad) : 0;
}

int encfile_close(struct encfile *f, char why[ENCFILE_WHY])
{
	int got = close_file(f), error = errno;

	memcpy(why, f->why, ENCFILE_WHY);
	shut(f);
	errno = error;
	return got;
}

static void set_path(struct encfile *f, int64_t minute)
{
	struct tim_parts p = tim_split(minute * TIM_MIN);
	char name[MINUTE_NAME];

	snprintf(f->path, sizeof f->path, "%04d%02d%02d/%s", p.year % 10000, p.month % 100,
	    p.day % 100, hk_name(minute, name));
}

/* Cuts off what does not end in a newline. */
static int cut_half_row(struct encfile *f, const char *text, size_t *n)
{
	size_t whole = *n;

	while (whole > 0 && text[whole - 1] != '\n')
		whole--;
	if (whole == *n)
		return 0;
	if (ftruncate(f->file, (off_t)whole) < 0)
		return fail_file(f, errno);
	snprintf(f->news, sizeof f->news, "%s/%s: cut off half a row of %zu bytes", f->dir, f->path,
	    *n - whole);
	*n = whole;
	return 0;
}

static int64_t newest(const struct hk_minute *m)
{
	int64_t last = INT64_MIN;

	for (int i = 0; i < m->n; i++) {
		int64_t order = row_order((struct row_second){m->row[i].time, m->row[i].leap});
		last = order > last ? order : last;
	}
	return last;
}

/* What the file holds already. */
static int take_stock(struct encfile *f)
{
	char why[HK_WHY], *text;
	struct stat st;
	int bad = 0;

	f->last = INT64_MIN;
	f->size = 0;
	if (fstat(f->file, &st) < 0)
		return fail_file(f, errno);
	if (st.st_size == 0)
		return 0;
	if (!S_ISREG(st.st_mode) || st.st_size > HK_FILE_MAX)
		return fail(f, EEXIST, "%s/%s: is no minute file", f->dir, f->path);
	if (!(text = malloc((size_t)st.st_size)))
		return fail(f, ENOMEM, "out of memory");
	ssize_t got = pread(f->file, text, (size_t)st.st_size, 0);
	size_t n = got > 0 ? (size_t)got : 0;
	if (got < 0)
		bad = fail_file(f, errno);
	else
		bad = cut_half_row(f, text, &n);
	if (!bad && n > 0 &&
	    (n < f->nhead || memcmp(text, f->head, f->nhead) != 0 ||
		hk_read(text, n, &f->rows, why) < 0))
		bad = fail(f, EEXIST,
		    "%s/%s: has other columns than these: move it away, or use another folder",
		    f->dir, f->path);
	if (!bad && n > 0)
		f->last = newest(&f->rows);
	f->size = (off_t)n;
	free(text);
	return bad;
}

/* A new name in dir below the root (".": itself) survives a power cut. */
static int keep_name(struct encfile *f, const char *dir)
{
	int fd = openat(f->fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int bad = fd < 0 || io_sync_dir(fd) < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return bad ? fail(f, bad, "%s/%s: %s", f->dir, dir, strerror(bad)) : 0;
}

/* An existing file, or with O_CREAT in flags a new one. -1 with errno: ENOENT without a word. */
static int open_minute(struct encfile *f, int64_t minute, int flags)
{
	char day[9];

	if (close_file(f) < 0)
		return -1;
	set_path(f, minute);
	snprintf(day, sizeof day, "%.8s", f->path);
	if (flags & O_CREAT) {
		bool made = mkdirat(f->fd, day, 0777) == 0;
		if (!made && errno != EEXIST)
			return fail(f, errno, "%s/%s: %s", f->dir, day, strerror(errno));
		if (made && keep_name(f, ".") < 0)
			return -1;
	}
	f->file = openat(
	    f->fd, f->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | flags, 0666);
	if (f->file < 0)
		return fail_file(f, errno);
	f->minute = minute;
	if (take_stock(f) == 0 && (f->size > 0 || keep_name(f, day) == 0))
		return 0;
	int error = errno;
	close(f->file);
	f->file = -1;
	errno = error;
	return -1;
}

int encfile_last(struct encfile *f, int64_t from, int64_t now, struct row_second *last)
{
	for (int64_t m = now / TIM_MIN; m >= from / TIM_MIN; m--) {
		if (open_minute(f, m, 0) < 0 || f->last == INT64_MIN)
			continue;
		*last = (struct row_second){f->last / 2 * TIM_S, f->last % 2 == 0};
		return 1;
	}
	return 0;
}

/* ---- rows ---- */

/* Whether the file was removed from under us: what is written then is nowhere. */
static bool unlinked(const struct encfile *f)
{
	struct stat st;

	return fstat(f->file, &st) == 0 && st.st_nlink == 0;
}

/* One write, where the disk takes it; of a row that cannot be finished nothing stays. */
static int append(struct encfile *f, const char *text, size_t n)
{
	if (io_writeall(f->file, text, n) == 0) {
		f->size += (off_t)n;
		return 0;
	}
	int error = errno;
	(void)!ftruncate(f->file, f->size);
	return fail_file(f, error);
}

int encfile_put(struct encfile *f, const struct hk_row *row)
{
	char text[HEAD_MAX + ROW_MAX];
	struct row_second s = {row->time, row->leap};
	int64_t minute = (row->time - (row->leap ? TIM_S : 0)) / TIM_MIN;

	if (f->file >= 0 && f->minute == minute && unlinked(f)) {
		snprintf(f->news, sizeof f->news, "%s/%s: was removed; it is begun again", f->dir,
		    f->path);
		close(f->file);
		f->file = -1;
	}
	if ((f->file < 0 || f->minute != minute) && open_minute(f, minute, O_CREAT) < 0)
		return -1;
	if (row_order(s) <= f->last)
		return 0;
	size_t n = 0;
	if (f->size == 0) {
		memcpy(text, f->head, f->nhead);
		n = f->nhead;
	}
	n += hk_line(row, text + n, ROW_MAX);
	if (append(f, text, n) < 0)
		return -1;
	f->last = row_order(s);
	return 1;
}
