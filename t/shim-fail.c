/*
 * shim-fail.c - preloaded by tests: the n-th write, sync or name call fails
 *
 * FAIL_CALL  write (all that write data), sync (fsync and its kin), name (link, rename, unlink),
 *            noreplace (renameat2 with flags), close or any
 * FAIL_AT    which call, from 1
 * FAIL_HOW   ENOSPC, EIO, EDQUOT, EINTR, EINVAL, SHORT (half of it is written), KILL, or STOP: the
 *            process stands still there until SIGCONT
 * FAIL_STICKY=1: and every one after it, like a disk that stays full
 * FAIL_MARK  a file to be made when that happens: a test sees that there were so many calls
 *
 * Only regular files and pipes count, not terminals, sockets, eventfds or standard error. Not
 * seen: what stdio writes inside libc; the tests use /dev/full and strace for that.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int calls;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool counts(int fd)
{
	struct stat st;
	return fd != STDERR_FILENO && fstat(fd, &st) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode));
}

/* 0: go on; 1: write half; -1 with errno: fail. */
static int fate(const char *kind)
{
	const char *call = getenv("FAIL_CALL"), *at = getenv("FAIL_AT"), *how = getenv("FAIL_HOW");

	if (!call || !at || !how || (strcmp(call, "any") != 0 && strcmp(call, kind) != 0))
		return 0;
	int n = atomic_fetch_add(&calls, 1) + 1, wanted = atoi(at);
	if (n != wanted && !(n > wanted && getenv("FAIL_STICKY")))
		return 0;
	const char *mark = getenv("FAIL_MARK");
	if (mark)
		(void)REAL(close)(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	if (strcmp(how, "KILL") == 0)
		raise(SIGKILL);
	if (strcmp(how, "STOP") == 0)
		return raise(SIGSTOP);
	if (strcmp(how, "SHORT") == 0)
		return 1;
	errno = strcmp(how, "EIO") == 0  ? EIO
	    : strcmp(how, "EINTR") == 0  ? EINTR
	    : strcmp(how, "EDQUOT") == 0 ? EDQUOT
	    : strcmp(how, "EINVAL") == 0 ? EINVAL
					 : ENOSPC;
	return -1;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	int f = counts(fd) ? fate("write") : 0;
	return f < 0 ? -1 : REAL(write)(fd, buf, f > 0 && n > 1 ? n / 2 : n);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	int f = counts(fd) ? fate("write") : 0;
	return f < 0 ? -1 : REAL(pwrite64)(fd, buf, f > 0 && n > 1 ? n / 2 : n, at);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
	return pwrite64(fd, buf, n, at);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	int f = counts(fd) ? fate("write") : 0;
	return f < 0 ? -1 : REAL(writev)(fd, iov, f > 0 && n > 1 ? n / 2 : n);
}

int fsync(int fd)
{
	return fate("sync") < 0 ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	return fate("sync") < 0 ? -1 : REAL(fdatasync)(fd);
}

int close(int fd)
{
	int f = counts(fd) ? fate("close") : 0;
	int rc = REAL(close)(fd);
	if (f >= 0)
		return rc;
	errno = EIO;
	return -1;
}

int linkat(int d, const char *from, int e, const char *to, int flags)
{
	return fate("name") < 0 ? -1 : REAL(linkat)(d, from, e, to, flags);
}

int renameat2(int d, const char *from, int e, const char *to, unsigned flags)
{
	const char *call = getenv("FAIL_CALL");
	const char *kind = call && strcmp(call, "noreplace") == 0 && flags ? call : "name";
	return fate(kind) < 0 ? -1 : REAL(renameat2)(d, from, e, to, flags);
}

int rename(const char *from, const char *to)
{
	return fate("name") < 0 ? -1 : REAL(rename)(from, to);
}

int renameat(int d, const char *from, int e, const char *to)
{
	return fate("name") < 0 ? -1 : REAL(renameat)(d, from, e, to);
}
