/*
 * shim-nfs.c - preloaded by tests: a network mount that is not up to date
 *
 * NFS_HOW    stale (openat2 says ESTALE), size (fstat tells half of the size), short (the file ends
 *            half-way), zeros (what is read are zeros), noise (what is read differs each time), hand
 *            (no copying inside the kernel)
 * NFS_TIMES  so many times for each kind of call, then all is well; "hand" and "noise" always
 * NFS_MARK   a file to be made when that happens
 * NFS_NAME only files whose path has this in it, and by the calls that merge makes: stale (open
 * says
 *            ESTALE), gone (open says EIO), size (stat tells half of the size), short (read ends
 *            half-way)
 *
 * Without NFS_NAME only calls that dirsync makes on the files of its source are changed: opened
 * read-only.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool wants(const char *how)
{
	const char *is = getenv("NFS_HOW");
	return is && strcmp(is, how) == 0;
}

static bool turn(const char *how)
{
	static atomic_int calls;
	const char *times = getenv("NFS_TIMES"), *mark = getenv("NFS_MARK");

	if (!wants(how) || !times || atomic_fetch_add(&calls, 1) >= atoi(times))
		return false;
	if (mark)
		close(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	return true;
}

static bool named(const char *path)
{
	const char *name = getenv("NFS_NAME");

	return name && path && strstr(path, name);
}

static bool named_fd(int fd)
{
	char link[64], path[4096];

	if (!getenv("NFS_NAME"))
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	return named(path);
}

int open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (named(path) && ((wants("stale") && turn("stale")) || (wants("gone") && turn("gone")))) {
		errno = wants("stale") ? ESTALE : EIO;
		return -1;
	}
	return REAL(open)(path, flags, mode);
}

int stat(const char *path, struct stat *st)
{
	int got = REAL(stat)(path, st);

	if (got == 0 && named(path) && wants("size") && turn("size"))
		st->st_size /= 2;
	return got;
}

ssize_t read(int fd, void *buf, size_t n)
{
	struct stat st;

	if (wants("short") && named_fd(fd) && REAL(fstat)(fd, &st) == 0) {
		off_t at = lseek(fd, 0, SEEK_CUR);
		if (at + (off_t)n > st.st_size / 2 && turn("short"))
			n = at < st.st_size / 2 ? (size_t)(st.st_size / 2 - at) : 0;
	}
	return REAL(read)(fd, buf, n);
}

static bool source(int fd, off_t *size)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY || REAL(fstat)(fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size < 2)
		return false;
	*size = st.st_size;
	return true;
}

long syscall(long n, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (n == SYS_openat2 && strcmp((const char *)a[1], ".") != 0 && turn("stale")) {
		errno = ESTALE;
		return -1;
	}
	return REAL(syscall)(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int fstat(int fd, struct stat *st)
{
	off_t size;
	int got = REAL(fstat)(fd, st);

	if (got == 0 && wants("size") && source(fd, &size) && turn("size"))
		st->st_size = size / 2;
	return got;
}

ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
	off_t size = 0;

	if (wants("short") && source(fd, &size) && at + (off_t)n > size / 2 && turn("short"))
		n = at < size / 2 ? (size_t)(size / 2 - at) : 0;
	ssize_t got = REAL(pread)(fd, buf, n, at);
	if (got > 0 && wants("zeros") && source(fd, &size) && turn("zeros"))
		memset(buf, 0, (size_t)got);
	static atomic_int noise;
	if (got > 0 && wants("noise") && source(fd, &size))
		memset(buf, atomic_fetch_add(&noise, 1) & 0xff, (size_t)got);
	return got;
}

ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t n, unsigned flags)
{
	if (getenv("NFS_HOW")) {
		errno = EXDEV;
		return -1;
	}
	return REAL(copy_file_range)(in, a, out, b, n, flags);
}
