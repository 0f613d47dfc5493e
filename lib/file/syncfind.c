/*
 * syncfind.c - what the source holds: listings, and inotify where the file system gives it
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "file/synccopy.h"
#include "file/syncin.h"

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR)

static bool is_lock(const struct sync *s, const char *name)
{
	size_t n = strlen(name), m = strlen(s->o.lock_suffix);

	return m > 0 && n > m && strcmp(name + n - m, s->o.lock_suffix) == 0;
}

static int watch(struct sync *s, int fd)
{
	char path[64];

	if (s->notify < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return inotify_add_watch(s->notify, path, EVENTS);
}

int sync_add_dir(struct sync *s, struct entry *e)
{
	if (s->ndirs == s->dirs_room) {
		size_t room = s->dirs_room ? 2 * s->dirs_room : 64;
		struct entry **dirs = realloc(s->dirs, room * sizeof(struct entry *));
		if (!dirs)
			return sync_fail(s, ENOMEM, "out of memory");
		s->dirs = dirs;
		s->dirs_room = room;
	}
	e->dirty = true;
	s->dirs[s->ndirs++] = e;
	return 0;
}

static bool is_temporary(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '.' && n > 6 && strcmp(name + n - 5, ".part") == 0;
}

/* A name that a folder was found to hold. */
static int listed(struct sync *s, const char *dir, int fd, const struct dirent *d, bool full)
{
	struct stat st;
	unsigned char type = d->d_type;

	if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") || is_lock(s, d->d_name) ||
	    is_temporary(d->d_name))
		return 0;
	if (type == DT_UNKNOWN && fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_LNK;
	struct entry *e = sync_entry(s, dir, d->d_name);
	if (!e && errno == ENAMETOOLONG)
		return 0;
	if (!e)
		return -1;
	e->pass = s->pass;
	if (type == DT_DIR && e->kind != KIND_DIR) {
		e->kind = KIND_DIR;
		return sync_add_dir(s, e);
	}
	if (type != DT_REG) {
		if (type != DT_DIR)
			sync_foreign(s, e, KIND_OTHER);
		return 0;
	}
	/* What was there and is settled is looked at again in full scans only. */
	bool settled =
	    e->kind == KIND_FOREIGN || (e->kind == KIND_FILE && (e->known || e->due != NEVER));
	if (settled && !full)
		return 0;
	if (e->kind != KIND_FOREIGN)
		e->kind = KIND_FILE;
	if (!e->tries)
		e->due = e->kind == KIND_FILE ? s->now : NEVER;
	return 0;
}

int sync_list(struct sync *s, struct entry *d, bool full)
{
	int fd = sync_open(s->root, *d->rel ? d->rel : ".", O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct stat st;

	if (!dir) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		if (*d->rel && (error == ENOENT || error == ENOTDIR))
			return 0;
		return sync_fail(s, error, "%s/%s: %s", s->o.src, d->rel, strerror(error));
	}
	if (d->wd < 0 && s->local && fstat(fd, &st) == 0 && st.st_dev == s->dev)
		d->wd = watch(s, fd);
	d->dirty = false;
	d->pass = s->pass;
	int bad = 0;
	errno = 0;
	for (struct dirent *e; !bad && !sync_stopping(s) && (e = readdir(dir)); errno = 0)
		bad = listed(s, d->rel, fd, e, full);
	if (!bad && errno)
		bad = sync_fail(s, errno, "%s/%s: %s", s->o.src, d->rel, strerror(errno));
	int error = errno;
	closedir(dir);
	errno = error;
	return bad;
}

/* Something happened to NAME in the folder watched as wd. */
static void event(struct sync *s, const struct inotify_event *ev)
{
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < s->ndirs; i++) {
		struct entry *d = s->dirs[i];
		if (d->wd != ev->wd)
			continue;
		d->dirty = true;
		if (ev->mask & IN_IGNORED)
			d->wd = -1;
		if (!ev->len)
			return;
		snprintf(name, sizeof name, "%s", ev->name);
		if (is_lock(s, name))
			name[strlen(name) - strlen(s->o.lock_suffix)] = 0;
		struct entry *e = sync_entry(s, d->rel, name);
		if (e && (e->kind == KIND_FOREIGN || e->kind == KIND_OTHER))
			e->kind = KIND_NEW;
		if (e && e->kind == KIND_FILE && !e->tries)
			e->due = s->now;
		return;
	}
}

void sync_read_events(struct sync *s)
{
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	while (s->notify >= 0 && (n = read(s->notify, buf, sizeof buf)) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (void *)p;
			if (ev->mask & IN_Q_OVERFLOW)
				s->outage = true;
			else
				event(s, ev);
			p += sizeof *ev + ev->len;
		}
}

static void forget_watches(struct sync *s)
{
	if (s->notify >= 0)
		close(s->notify);
	s->notify = -1;
	for (size_t i = 0; i < s->ndirs; i++)
		s->dirs[i]->wd = -1;
	s->local = !s->o.poll && sync_local(s->root);
	if (s->local)
		s->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

int sync_open_root(struct sync *s)
{
	struct stat st, old = {0};
	int fd = open(s->o.src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		fd = -1;
	}
	if (fd < 0)
		return sync_fail(s, errno, "%s: %s", s->o.src, strerror(errno));
	bool same = s->root >= 0 && fstat(s->root, &old) == 0 && old.st_dev == st.st_dev &&
	    old.st_ino == st.st_ino;
	if (s->root >= 0)
		close(s->root);
	s->root = fd;
	if (same)
		return 0;
	s->dev = st.st_dev;
	s->outage = true;
	forget_watches(s);
	return 0;
}
