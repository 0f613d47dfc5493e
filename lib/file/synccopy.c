/*
 * synccopy.c - one file across: opened beneath a folder, copied in the kernel, compared
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "file/synccopy.h"

#define BLOCK (256 << 10)
#define PIECE (8 << 20) /* of a copy in the kernel, between looks at stopping() */

#ifndef ZFS_SUPER_MAGIC
#define ZFS_SUPER_MAGIC 0x2fc12fc1
#endif

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Part by part, for kernels before 5.6 and sandboxes without openat2. */
static int open_parts(int dirfd, const char *name, int flags)
{
	char part[256];
	int at = dirfd;

	for (;;) {
		size_t n = strcspn(name, "/");
		bool last = !name[n];
		int fd = -1;
		errno = n >= sizeof part ? ENAMETOOLONG : EXDEV;
		if (n > 0 && n < sizeof part) {
			memcpy(part, name, n);
			part[n] = 0;
			if (strcmp(part, "..") != 0)
				fd = openat(at, part, OPEN_FLAGS | (last ? flags : O_DIRECTORY));
		}
		int error = errno;
		if (at != dirfd)
			close(at);
		errno = error;
		if (fd < 0 || last)
			return fd;
		at = fd;
		name += n + 1;
	}
}

int sync_open(int dirfd, const char *name, int flags)
{
	struct open_how how = {.flags = (unsigned)(OPEN_FLAGS | flags),
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

	for (int tries = 0;; tries++) {
		int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof how);
		if (fd >= 0)
			return fd;
		if (errno == ENOSYS || errno == EPERM)
			return open_parts(dirfd, name, flags);
		/* EAGAIN: something was renamed meanwhile, and nothing can be said for sure. */
		if (errno != EAGAIN || tries == 10)
			return -1;
	}
}

static size_t least(int64_t left, size_t most)
{
	return left < (int64_t)most ? (size_t)left : most;
}

static int stopped(bool (*stopping)(void))
{
	if (!stopping || !stopping())
		return 0;
	errno = EINTR;
	return -1;
}

static int copy_by_hand(int in, int out, int64_t from, int64_t to, bool (*stopping)(void))
{
	static _Thread_local char buf[BLOCK];

	while (from < to) {
		if (stopped(stopping))
			return -1;
		ssize_t n = io_readat(in, buf, least(to - from, sizeof buf), from);
		if (n == 0)
			errno = EPROTO;
		if (n <= 0 || io_writeat(out, buf, (size_t)n, from, NULL) < 0)
			return -1;
		from += n;
	}
	return 0;
}

int sync_copy(int in, int out, int64_t from, int64_t to, bool (*stopping)(void))
{
	while (from < to) {
		loff_t a = from, b = from;
		if (stopped(stopping))
			return -1;
		ssize_t n = copy_file_range(in, &a, out, &b, least(to - from, PIECE), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == ESTALE))
			return -1;
		/* Not between these two file systems, or a network's own way of failing: what read
		 * and write say is what counts. */
		if (n <= 0)
			return copy_by_hand(in, out, from, to, stopping);
		from += n;
	}
	return 0;
}

int sync_same(int a, int b, int64_t from, int64_t to, bool (*stopping)(void))
{
	static _Thread_local char left[BLOCK], right[BLOCK];

	while (from < to) {
		if (stopped(stopping))
			return -1;
		size_t want = least(to - from, sizeof left);
		ssize_t n = io_readat(a, left, want, from);
		ssize_t m = n < 0 ? n : io_readat(b, right, want, from);
		if (n < 0 || m < 0)
			return -1;
		if (n != m || (size_t)n != want || memcmp(left, right, want) != 0)
			return 0;
		from += n;
	}
	return 1;
}

bool sync_local(int dirfd)
{
	static const unsigned long disks[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
	    F2FS_SUPER_MAGIC, TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC, ZFS_SUPER_MAGIC};
	struct statfs fs;

	if (fstatfs(dirfd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof disks / sizeof *disks; i++)
		if ((unsigned long)fs.f_type == disks[i])
			return true;
	return false;
}

/* A folder with an unsynced name would take the files in it along in a power cut. */
static int sync_parent(int dirfd, char *path, char *slash)
{
	*slash = 0;
	char *up = strrchr(path, '/');
	if (up)
		*up = 0;
	int fd = openat(dirfd, up ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up)
		*up = '/';
	*slash = '/';
	if (fd < 0)
		return -1;
	int bad = io_sync_dir(fd), error = errno;
	close(fd);
	errno = error;
	return bad;
}

int sync_mkdirs(int dirfd, const char *path)
{
	char part[4096];
	size_t n = strlen(path);

	if (n >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, n + 1);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		int made = mkdirat(dirfd, part, 0777);
		*slash = '/';
		if (made < 0 && errno != EEXIST)
			return -1;
		if (made == 0 && sync_parent(dirfd, part, slash) < 0)
			return -1;
	}
	return 0;
}
