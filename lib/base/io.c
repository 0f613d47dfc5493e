/* io.c - descriptors: whole writes, waits that a signal can end, pipes, free space */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "tim.h"

#define PIPE_BYTES (1 << 20)

int io_wakefd = -1;

static int wait_for(int fd, short events, int64_t timeout_ns)
{
	struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = io_wakefd, .events = POLLIN}};
	struct timespec ts = {.tv_sec = timeout_ns / TIM_S, .tv_nsec = timeout_ns % TIM_S};

	int n = ppoll(p, 2, timeout_ns < 0 ? NULL : &ts, NULL);
	if (n <= 0)
		return n;
	if (p[0].revents)
		return 1;
	errno = EINTR;
	return -1;
}

int io_wait(int fd, int64_t timeout_ns)
{
	return wait_for(fd, POLLIN, timeout_ns);
}

int io_wait_write(int fd, int64_t timeout_ns)
{
	return wait_for(fd, POLLOUT, timeout_ns);
}

/* at < 0: where the descriptor stands. */
static int write_from(int fd, const char *buf, size_t n, int64_t at, size_t *done)
{
	while (*done < n) {
		ssize_t k = at < 0 ? write(fd, buf + *done, n - *done)
				   : pwrite(fd, buf + *done, n - *done, at + (int64_t)*done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		*done += (size_t)k;
	}
	return 0;
}

int io_writefrom(int fd, const void *buf, size_t n, size_t *done)
{
	return write_from(fd, buf, n, -1, done);
}

int io_writeall(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	return write_from(fd, buf, n, -1, &done);
}

int io_writeat(int fd, const void *buf, size_t n, int64_t at, size_t *done)
{
	size_t written = 0;
	int bad = write_from(fd, buf, n, at, &written);

	if (done)
		*done = written;
	return bad;
}

int io_writevall(int fd, struct iovec *iov, size_t n)
{
	while (n > 0) {
		ssize_t k = writev(fd, iov, n < IOV_MAX ? (int)n : IOV_MAX);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		size_t left = (size_t)k;
		while (n > 0 && left >= iov->iov_len) {
			left -= iov->iov_len;
			iov++;
			n--;
		}
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + left;
			iov->iov_len -= left;
		}
	}
	return 0;
}

/* at < 0: from where the descriptor stands. */
static ssize_t read_from(int fd, char *buf, size_t n, int64_t at)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = at < 0 ? read(fd, buf + got, n - got)
				   : pread(fd, buf + got, n - got, at + (int64_t)got);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

ssize_t io_readall(int fd, void *buf, size_t n)
{
	return read_from(fd, buf, n, -1);
}

ssize_t io_readat(int fd, void *buf, size_t n, int64_t at)
{
	return read_from(fd, buf, n, at);
}

bool io_take_lines(int fd, char *text, size_t room, size_t *have, void (*take)(const char *line))
{
	ssize_t n = read(fd, text + *have, room - 1 - *have);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	*have += (size_t)n;
	text[*have] = '\0';
	char *at = text, *end;
	while ((end = strchr(at, '\n'))) {
		*end = '\0';
		if (*at)
			take(at);
		at = end + 1;
	}
	*have -= (size_t)(at - text);
	memmove(text, at, *have);
	if (*have == room - 1)
		*have = 0;
	return true;
}

char *io_slurp(const char *path, size_t max, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return NULL;
	char *buf = malloc(max + 2);
	ssize_t got = -1;
	if (buf)
		got = io_readall(fd, buf, max + 1);
	int e = errno;
	close(fd);
	if (got < 0 || (size_t)got > max) {
		free(buf);
		errno = got < 0 ? e : EFBIG;
		return NULL;
	}
	buf[got] = '\0';
	*n = (size_t)got;
	return buf;
}

void io_bigpipe(int fd)
{
	int e = errno;
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
	errno = e;
}

bool io_ispipe(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

bool io_in_memory(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

int64_t io_free_bytes(int fd)
{
	struct stat st;
	struct statvfs v;

	if (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) ||
	    fstatvfs(fd, &v) < 0)
		return -1;
	return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

void io_many_files(size_t n)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= n)
		return;
	files.rlim_cur = files.rlim_max < n ? files.rlim_max : n;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int io_rename_free(int dirfd, const char *from, const char *to)
{
	if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* NFS and others know no RENAME_NOREPLACE. */
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(dirfd, from, dirfd, to, 0) < 0)
		return -1;
	return unlinkat(dirfd, from, 0);
}

int io_sync(int fd)
{
	int bad;

	do
		bad = fsync(fd);
	while (bad < 0 && errno == EINTR);
	return bad;
}

int io_sync_data(int fd)
{
	int bad;

	do
		bad = fdatasync(fd);
	while (bad < 0 && errno == EINTR);
	return bad;
}

int io_sync_dir(int dirfd)
{
	/* Some network file systems cannot sync a folder: then there is nothing more to do. */
	if (io_sync(dirfd) < 0 && errno != EINVAL && errno != EROFS)
		return -1;
	return 0;
}

int io_create(const char *path)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd >= 0 || errno != EEXIST)
		return fd;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	errno = EEXIST;
	return -1;
}

bool io_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int io_beside(const char *rel, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	if (n <= 0)
		return -1;
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	if (!slash || (size_t)(slash - path) + strlen(rel) + 2 > size)
		return -1;
	strcpy(slash + 1, rel);
	return 0;
}
