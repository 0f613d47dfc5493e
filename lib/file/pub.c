/*
 * pub.c - publishing: temporary names, locks, final names, links to the newest file
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"
#include "file/pub.h"

#define NAMES_MAX 10000 /* -1, -2 ... that are tried before a folder is called crowded */

#define fail(why, error, ...) why_fail(why, PUB_WHY, error, __VA_ARGS__)

/* The last part of a path, and the folder before it into dir. */
static const char *split(const char *path, char dir[PUB_PATH])
{
	const char *slash = strrchr(path, '/');

	if (!slash) {
		strcpy(dir, ".");
		return path;
	}
	size_t n = slash == path ? 1 : (size_t)(slash - path);
	if (n >= PUB_PATH)
		n = PUB_PATH - 1;
	memcpy(dir, path, n);
	dir[n] = 0;
	return slash + 1;
}

static int open_dir(const char *dir, char why[PUB_WHY])
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return fail(why, ENOENT, "%s: no such folder: make it first", dir);
	if (errno == ENOTDIR)
		return fail(why, ENOTDIR, "%s: is not a folder", dir);
	return fail(why, errno, "%s: %s", dir, strerror(errno));
}

/* A whole-file lock that belongs to the open file: it lives until the last copy of fd closes. */
static int lock(int fd)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &all);
}

static bool same_file(const struct pub *p, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	    fstatat(p->dirfd, p->part_name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino;
}

/* Opens the temporary file of a program that is dead: a locked descriptor; -1 with ENOENT (there
 * is none), EBUSY (a living program writes it) or why it is not ours to judge. */
static int open_stale(int dirfd, const char *name)
{
	struct stat st;
	int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	int error = 0;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = EEXIST;
	else if (lock(fd) < 0)
		error = errno == EACCES || errno == EAGAIN ? EBUSY : errno;
	if (!error)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

static int clear_stale(struct pub *p)
{
	int fd = open_stale(p->dirfd, p->part_name);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == EBUSY)
		return fail(p->why, EBUSY, "%s: another program is writing this file", p->path);
	if (fd < 0)
		return fail(p->why, errno, "%s: is in the way: %s", p->part, strerror(errno));
	int bad = unlinkat(p->dirfd, p->part_name, 0);
	close(fd);
	return bad ? fail(p->why, errno, "%s: %s", p->part, strerror(errno)) : 0;
}

static int set_names(struct pub *p, const char *path, const char *dir, const char *name)
{
	int n = snprintf(p->path, sizeof p->path, "%s", path);
	int m = snprintf(p->part, sizeof p->part, "%s/.%s.part", dir, name);

	if (!*path)
		return fail(p->why, EINVAL, "the name of the file is empty");
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return fail(p->why, EISDIR, "%s: is a folder, not a file", path);
	if (n >= PUB_PATH || m >= PUB_PATH || strlen(name) + strlen("..part") > NAME_MAX)
		return fail(p->why, ENAMETOOLONG, "%.64s...: the name is too long", name);
	memcpy(p->name, name, strlen(name) + 1);
	memcpy(p->part_name, strrchr(p->part, '/') + 1, strlen(name) + strlen("..part") + 1);
	return 0;
}

/* Whether a living program writes the file that would be replaced: it has its lock from when it
 * was created under its temporary name. */
static bool in_use(int dirfd, const char *name)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool held = fcntl(fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
	close(fd);
	return held;
}

/* Whether path, whose last part is name, may be taken. */
static int check_name(struct pub *p, const char *path, const char *name, bool replace)
{
	struct stat st;

	if (fstatat(p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(p->why, errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fail(p->why, EISDIR, "%s: is a folder, not a file", path);
	if (!replace)
		return fail(p->why, EEXIST, "%s: exists, and is not overwritten", path);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return fail(p->why, EEXIST, "%s: is not an ordinary file", path);
	if (in_use(p->dirfd, name))
		return fail(p->why, EBUSY, "%s: another program is writing this file", path);
	return 0;
}

/* Opens the folder, and looks at the name in it. */
static int look(struct pub *p, const char *path, bool replace)
{
	char dir[PUB_PATH];
	const char *name = split(path, dir);

	memset(p, 0, sizeof *p);
	p->dirfd = -1;
	if (set_names(p, path, dir, name) < 0)
		return -1;
	p->dirfd = open_dir(dir, p->why);
	return p->dirfd < 0 ? -1 : check_name(p, p->path, p->name, replace);
}

int pub_begin(struct pub *p, const char *path, bool replace)
{
	if (look(p, path, replace) < 0 || clear_stale(p) < 0) {
		pub_end(p);
		return -1;
	}
	p->ours = true;
	return 0;
}

int pub_look(const char *path, bool replace, char why[PUB_WHY])
{
	struct pub p;
	int bad = look(&p, path, replace);

	memcpy(why, p.why, sizeof p.why);
	pub_end(&p);
	return bad;
}

int pub_hold(struct pub *p, int fd)
{
	/* Between our create and our lock another starter may have taken the file for a stale one. */
	int error = lock(fd) < 0 ? errno : 0;

	if (error && error != EACCES && error != EAGAIN)
		return fail(p->why, error, "%s: cannot be locked: %s", p->path, strerror(error));
	if (!error && same_file(p, fd))
		return 0;
	p->ours = false;
	return fail(p->why, EBUSY, "%s: another program has begun to write this file", p->path);
}

int pub_create(struct pub *p)
{
	int flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(p->dirfd, p->part_name, flags, 0666);

	if (fd < 0) {
		p->ours = false;
		return fail(p->why, errno, "%s: cannot be made: %s", p->path,
		    errno == EEXIST ? "another program has begun to write it" : strerror(errno));
	}
	if (pub_hold(p, fd) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int rename_to(int dirfd, const char *old, const char *name, bool replace)
{
	return replace ? renameat(dirfd, old, dirfd, name) : io_rename_free(dirfd, old, name);
}

static int still_ours(struct pub *p, int fd)
{
	if (same_file(p, fd))
		return 0;
	p->ours = false;
	return fail(p->why, ESTALE, "%s: the temporary file was taken away", p->part);
}

static int commit_ready(struct pub *p, int fd)
{
	if (still_ours(p, fd) < 0)
		return -1;
	if (io_sync(fd) < 0)
		return fail(
		    p->why, errno, "%s: does not reach the disk: %s", p->path, strerror(errno));
	return 0;
}

static int committed(struct pub *p)
{
	p->published = true;
	if (io_sync_dir(p->dirfd) < 0)
		return fail(p->why, errno, "%s: the name does not reach the disk: %s", p->path,
		    strerror(errno));
	return 0;
}

int pub_give(struct pub *p, int fd, bool replace)
{
	if (still_ours(p, fd) < 0)
		return -1;
	int bad = rename_to(p->dirfd, p->part_name, p->name, replace);
	if (bad && errno == EEXIST)
		return fail(
		    p->why, EEXIST, "%s: has appeared meanwhile, and is not overwritten", p->path);
	if (bad)
		return fail(p->why, errno, "%s: %s", p->path, strerror(errno));
	p->published = true;
	return 0;
}

int pub_commit(struct pub *p, int fd, bool replace)
{
	if (commit_ready(p, fd) < 0 || pub_give(p, fd, replace) < 0)
		return -1;
	return committed(p);
}

/* Renames part to NAME.cut.SUFFIX, NAME-1.cut.SUFFIX ... whichever is free; the new name to kept. */
static int rename_cut(int dirfd, const char *part, const char *name, char kept[256])
{
	const char *dot = strrchr(name, '.');
	int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);

	for (int k = 0; k < NAMES_MAX; k++) {
		char number[16] = "";
		if (k)
			snprintf(number, sizeof number, "-%d", k);
		if (snprintf(kept, 256, "%.*s%s.cut%s", stem, name, number, name + stem) >
		    NAME_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (io_rename_free(dirfd, part, kept) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int pub_keep(struct pub *p, int fd)
{
	char kept[256], dir[PUB_PATH];

	/* The disk may be failing: the name is given even when the bytes cannot be forced out. */
	int unsure = commit_ready(p, fd);
	if (!p->ours)
		return -1;
	if (rename_cut(p->dirfd, p->part_name, p->name, kept) < 0)
		return fail(p->why, errno, "%s: %s", p->part, strerror(errno));
	split(p->path, dir);
	memcpy(p->name, kept, sizeof p->name);
	if (snprintf(p->path, sizeof p->path, "%s/%s", dir, kept) >= PUB_PATH)
		return fail(p->why, ENAMETOOLONG, "%s: the name is too long", kept);
	p->published = true;
	return unsure ? -1 : committed(p);
}

int pub_rename(struct pub *p, const char *path, bool replace)
{
	char dir[PUB_PATH];
	const char *name = split(path, dir);

	if (strlen(name) > NAME_MAX - strlen("..part") || strlen(path) >= PUB_PATH)
		return fail(p->why, ENAMETOOLONG, "%.64s...: the name is too long", name);
	if (check_name(p, path, name, replace) < 0)
		return -1;
	if (p->published && rename_to(p->dirfd, p->name, name, replace) < 0)
		return fail(p->why, errno, "%s: cannot be renamed to %s: %s", p->path, name,
		    strerror(errno));
	strcpy(p->path, path);
	strcpy(p->name, name);
	return p->published ? committed(p) : 0;
}

void pub_end(struct pub *p)
{
	int error = errno;

	if (p->dirfd < 0)
		return;
	if (p->ours && !p->published)
		unlinkat(p->dirfd, p->part_name, 0);
	close(p->dirfd);
	p->dirfd = -1;
	errno = error;
}

/* Whether name is .PREFIX_*.SUFFIX.part; then the middle, NAME, goes to name. */
static bool is_part_of(const char *entry, const char *prefix, const char *suffix, char name[256])
{
	size_t n = strlen(entry), np = strlen(prefix), ns = strlen(suffix), ne = strlen(".part");

	if (n > NAME_MAX || n < 1 + np + 1 + 1 + ns + ne || entry[0] != '.' ||
	    strncmp(entry + 1, prefix, np) != 0 || entry[1 + np] != '_' ||
	    strcmp(entry + n - ne, ".part") != 0)
		return false;
	memcpy(name, entry + 1, n - 1 - ne);
	name[n - 1 - ne] = 0;
	const char *dot = strrchr(name, '.');
	return dot && !strcmp(dot + 1, suffix);
}

/* 1 kept as kept, 0 nothing to keep, -1 with errno. */
static int rescue(int dirfd, const char *part, const char *name, char kept[256])
{
	struct stat st;
	int fd = open_stale(dirfd, part);

	if (fd < 0) /* in use, gone meanwhile, or not ours */
		return 0;
	int got = fstat(fd, &st);
	if (got == 0 && st.st_size == 0)
		got = unlinkat(dirfd, part, 0);
	else if (got == 0)
		got = io_sync(fd) < 0 || rename_cut(dirfd, part, name, kept) < 0 ? -1 : 1;
	int error = errno;
	close(fd);
	errno = error;
	return got;
}

int pub_rescue(const char *dir, const char *prefix, const char *suffix, pub_kept *kept, void *ctx,
    char why[PUB_WHY])
{
	char name[256], newname[256], path[PUB_PATH];
	int fd = open_dir(dir, why), count = 0, got = 0;
	if (fd < 0)
		return -1;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return fail(why, errno, "%s: %s", dir, strerror(errno));
	}
	for (struct dirent *e; got >= 0 && (e = readdir(d));) {
		if (!is_part_of(e->d_name, prefix, suffix, name))
			continue;
		got = rescue(fd, e->d_name, name, newname);
		if (got < 0)
			fail(why, errno, "%s/%s: cannot be kept: %s", dir, e->d_name,
			    strerror(errno));
		if (got != 1)
			continue;
		count++;
		snprintf(path, sizeof path, "%s/%s", dir, newname);
		kept(ctx, path);
	}
	if (count)
		io_sync_dir(fd);
	int error = errno;
	closedir(d);
	errno = error;
	return got < 0 ? -1 : count;
}

static bool taken(int dirfd, const char *name)
{
	struct stat st;
	char part[NAME_MAX + 16];

	snprintf(part, sizeof part, ".%s.part", name);
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    fstatat(dirfd, part, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int pub_name(char path[PUB_PATH], const char *dir, const char *prefix, int64_t at,
    const char *suffix, char why[PUB_WHY])
{
	char name[NAME_MAX + 1], when[TIM_TEXT], number[16] = "";
	int fd = open_dir(dir, why);
	if (fd < 0)
		return -1;
	tim_name(at, when);
	for (int k = 0; k < NAMES_MAX; k++) {
		if (k)
			snprintf(number, sizeof number, "-%d", k);
		int n = snprintf(name, sizeof name, "%s_%s%s.%s", prefix, when, number, suffix);
		int m = snprintf(path, PUB_PATH, "%s/%s", dir, name);
		if (n > NAME_MAX - 6 || m >= PUB_PATH) {
			close(fd);
			return fail(why, ENAMETOOLONG, "%s: the name is too long", prefix);
		}
		if (!taken(fd, name)) {
			close(fd);
			return 0;
		}
	}
	close(fd);
	return fail(why, EEXIST, "%s: %d files of %s_%s already", dir, NAMES_MAX, prefix, when);
}

/* Writes the text file dir/name, in one step for its readers. */
static int put_text(int dirfd, const char *name, const char *text)
{
	char temp[NAME_MAX + 32];

	snprintf(temp, sizeof temp, ".%s.%ld", name, (long)getpid());
	unlinkat(dirfd, temp, 0);
	int fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	int bad = io_writeall(fd, text, strlen(text));
	if (close(fd) < 0 || bad || renameat(dirfd, temp, dirfd, name) < 0) {
		int error = errno;
		unlinkat(dirfd, temp, 0);
		errno = error;
		return -1;
	}
	return 0;
}

static int put_link(int dirfd, const char *link, const char *target)
{
	char temp[NAME_MAX + 32];
	struct stat st;

	if (fstatat(dirfd, link, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	snprintf(temp, sizeof temp, ".%s.%ld", link, (long)getpid());
	unlinkat(dirfd, temp, 0);
	if (symlinkat(target, dirfd, temp) < 0)
		return -1;
	if (renameat(dirfd, temp, dirfd, link) == 0)
		return 0;
	int error = errno;
	unlinkat(dirfd, temp, 0);
	errno = error;
	return -1;
}

int pub_current(const char *path, const char *link, bool cur, char why[PUB_WHY])
{
	char dir[PUB_PATH], whole[PATH_MAX], text[PUB_PATH + NAME_MAX + 8], curname[NAME_MAX + 1];
	const char *name = split(path, dir);
	int fd = open_dir(dir, why);
	if (fd < 0)
		return -1;
	int bad = put_link(fd, link, name);
	if (!bad && cur) {
		/* kst opens what stands there from its own folder: the whole path. */
		snprintf(text, sizeof text, "%s/%s\n", realpath(dir, whole) ? whole : dir, name);
		snprintf(curname, sizeof curname, "%.200s.cur", link);
		bad = put_text(fd, curname, text);
	}
	if (bad)
		fail(why, errno, "%s/%s: cannot be made to point to %s: %s", dir, link, name,
		    errno == EEXIST ? "an ordinary file has this name" : strerror(errno));
	int error = errno;
	close(fd);
	errno = error;
	return bad;
}
