/*
 * raw.c - the raw recording: where the writer thread of a recorder puts whole blocks
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "file/raw.h"

#define AHEAD      (8 << 20) /* bytes between two calls of fallocate and sync_file_range */
#define SYNC_EVERY (10 * TIM_S)

static int fail(struct raw *f, const char *what)
{
	int error = errno;

	snprintf(f->why, sizeof f->why, "%.400s: %s%s", f->path[0] ? f->path : "output", what,
	    strerror(error));
	errno = error;
	return -1;
}

static int fail_pub(struct raw *f)
{
	int error = errno;

	memcpy(f->why, f->pub.why, sizeof f->why);
	errno = error;
	return -1;
}

/* 0, or -1 where somebody removed the file, or its folder, while it was written. */
static int still_named(struct raw *f)
{
	struct stat st;

	if (!f->own || !f->disk || fstat(f->fd, &st) < 0 || st.st_nlink > 0)
		return 0;
	f->gone = true;
	snprintf(f->why, sizeof f->why, "%.400s: was removed while it was written", f->path);
	errno = ENOENT;
	return -1;
}

static void use(struct raw *f, int fd, bool own)
{
	f->fd = fd;
	f->own = own;
	f->disk = io_regular(fd);
	f->size = f->disk ? lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR) : 0;
	f->ahead = f->flushed = f->size;
	f->prepare = f->disk && !io_in_memory(fd);
	f->dirty = 0;
	if (!f->disk)
		io_bigpipe(fd);
}

void raw_on_fd(struct raw *f, int fd)
{
	memset(f, 0, sizeof *f);
	use(f, fd, false);
}

int raw_on_file(struct raw *f, const char *path)
{
	struct stat st;
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW;

	memset(f, 0, sizeof *f);
	f->fd = -1;
	if (snprintf(f->path, sizeof f->path, "%s", path) >= PUB_PATH) {
		errno = ENAMETOOLONG;
		return fail(f, "");
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		flags = O_WRONLY;
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0 && errno == EEXIST) {
		snprintf(f->why, sizeof f->why,
		    "%.400s: exists, and is not overwritten: choose another name", path);
		errno = EEXIST;
		return -1;
	}
	if (fd < 0)
		return fail(f, errno == ENOENT ? "its folder is missing: " : "");
	use(f, fd, true);
	return 0;
}

int raw_in_folder(
    struct raw *f, const char *dir, const char *prefix, const char *suffix, pub_kept *kept)
{
	memset(f, 0, sizeof *f);
	f->fd = -1;
	f->dir = dir;
	f->prefix = prefix;
	f->suffix = suffix;
	snprintf(f->path, sizeof f->path, "%s", dir);
	if (access(dir, W_OK | X_OK) < 0)
		return fail(f, errno == ENOENT ? "make this folder first: " : "");
	return pub_rescue(dir, prefix, suffix, kept, NULL, f->why) < 0 ? -1 : 0;
}

int raw_begin(void *raw, int64_t at)
{
	struct raw *f = raw;

	if (!f->dir)
		return 0;
	f->fd = -1;
	if (pub_name(f->path, f->dir, f->prefix, at, f->suffix, f->why) < 0)
		return -1;
	if (pub_begin(&f->pub, f->path, false) < 0)
		return fail_pub(f);
	int fd = pub_create(&f->pub);
	if (fd < 0) {
		fail_pub(f);
		pub_end(&f->pub);
		return -1;
	}
	use(f, fd, true);
	return 0;
}

/* What the disk must do later is begun now, in pieces, so that it never has much to do at once. */
static void keep_ahead(struct raw *f)
{
	if (f->size + AHEAD / 2 > f->ahead) {
		/* Not every file system can; the write that meets a full disk will say so. */
		(void)fallocate(f->fd, FALLOC_FL_KEEP_SIZE, f->ahead, AHEAD);
		f->ahead += AHEAD;
	}
	if (f->size - f->flushed >= AHEAD) {
		(void)sync_file_range(
		    f->fd, f->flushed, f->size - f->flushed, SYNC_FILE_RANGE_WRITE);
		f->flushed = f->size;
	}
}

int raw_put(void *raw, const uint8_t *p, size_t n, size_t *wrote)
{
	struct raw *f = raw;

	*wrote = 0;
	while (*wrote < n) {
		ssize_t k = write(f->fd, p + *wrote, n - *wrote);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return fail(f, "");
		*wrote += (size_t)k;
	}
	f->size += (int64_t)n;
	if (f->prepare)
		keep_ahead(f);
	if (f->disk && !f->dirty)
		f->dirty = tim_mono() + SYNC_EVERY;
	return 0;
}

void raw_cut(void *raw, size_t n)
{
	struct raw *f = raw;
	struct stat st;

	if (f->disk && fstat(f->fd, &st) == 0)
		(void)!ftruncate(f->fd, st.st_size - (off_t)n);
}

static int end_in_folder(struct raw *f, bool whole)
{
	char name[PUB_PATH];
	int bad = whole ? pub_commit(&f->pub, f->fd, false) : pub_keep(&f->pub, f->fd);

	/* A name that was taken meanwhile must not cost the data. */
	if (bad && whole && !f->pub.published)
		(void)pub_keep(&f->pub, f->fd);
	memcpy(name, f->pub.path, sizeof name);
	memcpy(f->path, name, sizeof name);
	if (bad)
		return fail_pub(f);
	f->files++;
	if (whole && !f->no_link && pub_current(f->path, "current", false, f->why) < 0) {
		cli_warn("%s; the recording goes on without this link", f->why);
		f->no_link = true;
	}
	return 0;
}

int raw_end(void *raw, bool whole)
{
	struct raw *f = raw;
	struct stat st;
	char first[PUB_WHY];
	int error = 0;

	if (f->fd < 0)
		return 0;
	memcpy(first, f->why, sizeof first);
	/* What fallocate asked for beyond the end goes back. */
	if (f->disk && f->ahead > f->size && fstat(f->fd, &st) == 0)
		(void)!ftruncate(f->fd, st.st_size);
	if (still_named(f) < 0)
		error = errno;
	else if (f->dir ? end_in_folder(f, whole) < 0
			: f->disk && io_sync(f->fd) < 0 && fail(f, "fsync: "))
		error = errno;
	if (f->own && close(f->fd) < 0 && !error) {
		fail(f, "close: ");
		error = errno;
	}
	f->fd = -1;
	if (f->dir)
		pub_end(&f->pub);
	if (!whole) /* the reason is the write that failed */
		memcpy(f->why, first, sizeof first);
	errno = error;
	return error ? -1 : 0;
}

int raw_tick(void *raw)
{
	struct raw *f = raw;

	if (!f->dirty || f->fd < 0 || tim_mono() < f->dirty)
		return 0;
	f->dirty = 0;
	if (io_sync_data(f->fd) < 0)
		return fail(f, "fdatasync: ");
	return still_named(f);
}
