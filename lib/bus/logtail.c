/* logtail.c - what is added to the files of a logdir, live, over rotations and new days */
#include "logtail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "slog.h"

struct known {
	dev_t dev;
	ino_t ino;
	off_t at;
	bool seen; /* in this scan */
};

struct logtail {
	int dir, notify;
	struct known *known;
	size_t nknown;
	char *buf; /* SLOG_LINE bytes */
};

/* Names of log files, in order: a day after the day before, rotated ones before the present one. */
static int is_log(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".log") == 0;
}

static struct known *find(struct logtail *t, const struct stat *st)
{
	for (size_t i = 0; i < t->nknown; i++)
		if (t->known[i].ino == st->st_ino && t->known[i].dev == st->st_dev)
			return &t->known[i];
	struct known *grown = realloc(t->known, (t->nknown + 1) * sizeof *grown);
	if (!grown)
		return NULL;
	t->known = grown;
	grown[t->nknown] = (struct known){.dev = st->st_dev, .ino = st->st_ino};
	return &grown[t->nknown++];
}

/* Whole lines after k->at. 1: the caller has enough. */
static int read_lines(struct logtail *t, int fd, struct known *k, logtail_line *line, void *ctx)
{
	for (;;) {
		ssize_t n = pread(fd, t->buf, SLOG_LINE, k->at);
		char *p = t->buf, *end;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		while ((end = memchr(p, '\n', (size_t)(t->buf + n - p)))) {
			k->at += end + 1 - p;
			if (!line(ctx, p, (size_t)(end - p)))
				return 1;
			p = end + 1;
		}
		if (p > t->buf)
			continue;
		if (n < SLOG_LINE)
			return 0; /* a line that is being written */
		k->at += n;       /* no line of ours */
	}
}

static int each_file(struct logtail *t, const char *name, logtail_line *line, void *ctx)
{
	struct stat st;

	if (fstatat(t->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	struct known *k = find(t, &st);
	if (!k)
		return -1;
	k->seen = true;
	if (st.st_size < k->at)
		k->at = 0; /* emptied by somebody */
	if (!line) {
		k->at = st.st_size;
		return 0;
	}
	if (st.st_size == k->at)
		return 0;
	int fd = openat(t->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = fd < 0 ? 0 : read_lines(t, fd, k, line, ctx);
	if (fd >= 0)
		close(fd);
	return rc;
}

int logtail_scan(struct logtail *t, logtail_line *line, void *ctx)
{
	struct dirent **list;
	int rc = 0, n = scandirat(t->dir, ".", &list, is_log, alphasort);

	if (n < 0)
		return -1;
	for (size_t i = 0; i < t->nknown; i++)
		t->known[i].seen = false;
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = each_file(t, list[i]->d_name, line, ctx);
		free(list[i]);
	}
	free(list);
	/* The inode of a file that was removed may come back as another one. */
	for (size_t i = 0; rc == 0 && i < t->nknown;)
		if (t->known[i].seen)
			i++;
		else
			t->known[i] = t->known[--t->nknown];
	return rc < 0 ? -1 : 0;
}

struct logtail *logtail_open(const char *path, bool all)
{
	struct logtail *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->notify = -1;
	t->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->buf = malloc(SLOG_LINE);
	if (t->dir >= 0 && t->buf && (t->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) >= 0 &&
	    inotify_add_watch(t->notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0 &&
	    (all || logtail_scan(t, NULL, NULL) == 0))
		return t;
	int error = errno;
	logtail_close(t);
	errno = error;
	return NULL;
}

void logtail_wait(struct logtail *t, int64_t timeout_ns)
{
	char events[4096];

	if (io_wait(t->notify, timeout_ns) > 0)
		while (read(t->notify, events, sizeof events) > 0)
			;
}

void logtail_close(struct logtail *t)
{
	if (!t)
		return;
	if (t->dir >= 0)
		close(t->dir);
	if (t->notify >= 0)
		close(t->notify);
	free(t->known);
	free(t->buf);
	free(t);
}
