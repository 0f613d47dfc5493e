/*
 * sync.c - bringing files across: one pass over the source, and the life of a struct sync
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/syncin.h"

#define FULL_EVERY TIM_H
#define PATIENCE   4 /* failures after which sync_waiting() does not wait */

static int by_path(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->rel, (*y)->rel);
}

/* Looks at all files that are due, in the order of their paths. */
static int look_all(struct sync *s)
{
	size_t n = 0;
	int bad = 0;
	struct entry **due = malloc((s->used + 1) * sizeof(struct entry *));
	if (!due)
		return sync_fail(s, ENOMEM, "out of memory");

	s->now = tim_mono();
	for (size_t i = 0; i < s->room; i++)
		if (s->table[i] && s->table[i]->kind == KIND_FILE && s->table[i]->due <= s->now)
			due[n++] = s->table[i];
	qsort(due, n, sizeof *due, by_path);
	for (size_t i = 0; !bad && i < n && !sync_stopping(s); i++)
		bad = sync_look(s, due[i]);
	sync_leave_folder(s);
	free(due);
	int error = errno;
	/* What was copied is published even so; the first reason counts. */
	char why[SYNC_WHY];
	memcpy(why, s->why, sizeof why);
	if (sync_flush(s, s->nbatch) < 0 && !bad)
		return -1;
	memcpy(s->why, why, sizeof why);
	errno = error;
	return bad;
}

/* After a whole scan: forgets what the source no longer has, and counts what waits. */
static void sweep(struct sync *s, bool full)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ndirs; i++) {
		if (!full || s->dirs[i]->pass == s->pass)
			s->dirs[n++] = s->dirs[i];
	}
	s->ndirs = n;
	s->waiting = s->failing = 0;
	s->due = NEVER;
	bool gone = false;
	for (size_t i = 0; i < s->room; i++) {
		struct entry *e = s->table[i];
		if (!e)
			continue;
		if (full && e->pass != s->pass) {
			sync_drop(s, e, SYNC_LOST_VANISHED);
			free(e);
			s->table[i] = NULL;
			s->used--;
			gone = true;
			continue;
		}
		if (e->kind != KIND_FILE || !e->wanted)
			continue;
		s->failing += e->tries > 0;
		s->waiting += !e->busy && e->tries < PATIENCE;
		s->due = e->due < s->due ? e->due : s->due;
	}
	if (gone)
		(void)sync_grow(s, s->room); /* chains of the table must not have holes */
}

int sync_pass(struct sync *s)
{
	s->now = tim_mono();
	s->utc = tim_now();
	if (sync_open_root(s) < 0) {
		s->outage = true;
		return -1;
	}
	s->pass++;
	s->said = 0;
	s->made[0] = 0;
	sync_read_events(s);
	bool full = s->outage || s->now >= s->next_full ||
	    (s->o.lookback && s->now - s->last > s->o.lookback);
	int bad = 0, error = 0;
	for (size_t i = 0; i < s->ndirs && !sync_stopping(s); i++) {
		struct entry *d = s->dirs[i];
		if ((full || d->dirty || d->wd < 0) && sync_list(s, d, full) < 0) {
			bad = -1;
			error = errno;
		}
	}
	char why[SYNC_WHY];
	memcpy(why, s->why, sizeof why);
	int looked = look_all(s);
	bool whole = !bad && !sync_stopping(s);
	sweep(s, full && whole);
	s->outage = !whole || (s->outage && !full);
	s->last = tim_mono();
	if (full && whole)
		s->next_full = s->last + FULL_EVERY;
	if (looked < 0)
		return -1;
	if (bad) {
		memcpy(s->why, why, sizeof why);
		errno = error;
	}
	return bad;
}

/* ---- life ---- */

static int check_options(struct sync *s)
{
	char src[PATH_MAX], dst[PATH_MAX];

	if (!realpath(s->o.src, src))
		return sync_fail(s, errno, "%s: %s", s->o.src, strerror(errno));
	if (!realpath(s->o.dst, dst))
		return sync_fail(s, errno, "%s: %s", s->o.dst,
		    errno == ENOENT ? "no such folder: make it first" : strerror(errno));
	size_t n = strlen(src);
	if (strncmp(src, dst, n) == 0 && (dst[n] == '/' || !dst[n] || n == 1))
		return sync_fail(s, EINVAL, "%s: is inside the source", s->o.dst);
	for (const char *f = s->o.into ? s->o.into : ""; *f; f++)
		if ((*f == '%' && !strchr("YmdH", *++f)) || !*f)
			return sync_fail(s, EINVAL, "--into=%s: knows %%Y %%m %%d %%H", s->o.into);
	if (s->o.into && (strlen(s->o.into) > 200 || strstr(s->o.into, "..")))
		return sync_fail(s, EINVAL, "--into=%s: must stay below the target", s->o.into);
	s->target = open(s->o.dst, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->target < 0)
		return sync_fail(s, errno, "%s: %s", s->o.dst, strerror(errno));
	return sync_open_root(s);
}

struct sync *sync_new(const struct sync_options *o, char why[SYNC_WHY])
{
	struct sync *s = calloc(1, sizeof *s);

	if (!s) {
		snprintf(why, SYNC_WHY, "out of memory");
		return NULL;
	}
	s->o = *o;
	s->root = s->target = s->notify = s->open_fd = -1;
	s->due = NEVER;
	s->outage = true;
	struct entry *top = NULL;
	if (sync_grow(s, 1024) == 0 && check_options(s) == 0 && (top = sync_entry(s, "", "")))
		top->kind = KIND_DIR;
	if (top && sync_add_dir(s, top) == 0)
		return s;
	int error = errno;
	memcpy(why, s->why, SYNC_WHY);
	sync_free(s);
	errno = error;
	return NULL;
}

void sync_free(struct sync *s)
{
	if (!s)
		return;
	sync_leave_folder(s);
	int fds[] = {s->root, s->target, s->notify};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < s->room; i++)
		free(s->table[i]);
	free(s->table);
	free(s->dirs);
	free(s);
}

const char *sync_why(const struct sync *s)
{
	return s->why;
}

bool sync_waiting(const struct sync *s)
{
	return s->waiting > 0;
}

int64_t sync_failing(const struct sync *s)
{
	return s->failing;
}

int64_t sync_due(const struct sync *s)
{
	return s->due;
}

int sync_fd(const struct sync *s)
{
	return s->notify;
}

int sync_target(const struct sync *s)
{
	return s->target;
}
