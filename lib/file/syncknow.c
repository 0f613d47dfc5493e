/*
 * syncknow.c - what is known of each path of the source, and the accounting
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/syncin.h"

#define AGAIN_FIRST (TIM_S / 10)
#define AGAIN_MAX   (30 * TIM_S)

bool sync_stopping(const struct sync *s)
{
	return s->o.stopping && s->o.stopping();
}

/* ---- what is known: a table of paths ---- */

static size_t hash(const char *rel)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *rel; rel++)
		h = (h ^ (unsigned char)*rel) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

static struct entry **slot(const struct sync *s, const char *rel)
{
	size_t i = hash(rel) & (s->room - 1);

	while (s->table[i] && strcmp(s->table[i]->rel, rel) != 0)
		i = (i + 1) & (s->room - 1);
	return &s->table[i];
}

int sync_grow(struct sync *s, size_t room)
{
	struct entry **old = s->table;
	size_t n = s->room;

	s->table = calloc(room, sizeof *s->table);
	if (!s->table) {
		s->table = old;
		return sync_fail(s, ENOMEM, "out of memory");
	}
	s->room = room;
	for (size_t i = 0; i < n; i++)
		if (old[i])
			*slot(s, old[i]->rel) = old[i];
	free(old);
	return 0;
}

struct entry *sync_entry(struct sync *s, const char *dir, const char *name)
{
	char rel[PATH_MAX];
	int n = snprintf(rel, sizeof rel, "%s%s%s", dir, *dir ? "/" : "", name);

	if (n >= (int)sizeof rel) {
		sync_fail(s, ENAMETOOLONG, "%.64s...: the path is too long", rel);
		return NULL;
	}
	struct entry *e = *slot(s, rel);
	if (e)
		return e;
	if (4 * s->used >= 3 * s->room && sync_grow(s, 2 * s->room) < 0)
		return NULL;
	e = calloc(1, sizeof *e + (size_t)n + 1);
	if (!e) {
		sync_fail(s, ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(e->rel, rel, (size_t)n + 1);
	e->dir = strlen(dir);
	e->copied.size = e->seen.size = -1;
	e->wd = -1;
	*slot(s, rel) = e;
	s->used++;
	return e;
}

const char *sync_name(const struct entry *e)
{
	return e->rel + (e->dir ? e->dir + 1 : 0);
}

/* ---- accounting and words ---- */

void sync_want(struct sync *s, struct entry *e)
{
	s->o.tally->in += !e->wanted;
	s->o.tally->held += !e->wanted;
	e->wanted = true;
}

void sync_drop(struct sync *s, struct entry *e, int reason)
{
	if (!e->wanted)
		return;
	s->o.tally->held--;
	if (reason >= 0)
		s->o.tally->lost[reason].n++;
	else
		s->o.tally->in--;
	e->wanted = false;
}

void sync_trouble(struct sync *s, struct entry *e, const char *what)
{
	char text[SYNC_WHY + 64];
	int64_t wait = AGAIN_FIRST << (e->tries < 16 ? e->tries : 16);

	sync_want(s, e);
	e->due = s->now + (wait < AGAIN_MAX ? wait : AGAIN_MAX);
	e->seen.size = -1;
	s->o.tally->also[SYNC_ALSO_AGAIN].n++;
	if (e->tries++ > 0 || s->said++ >= SAY_MAX)
		return;
	snprintf(text, sizeof text, "%s: is tried again", what);
	s->o.say(e->rel, text, false);
}

bool sync_is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EROFS;
}

struct look sync_look_of(const struct stat *st)
{
	return (struct look){.size = st->st_size,
	    .mtime = st->st_mtim.tv_sec * TIM_S + st->st_mtim.tv_nsec,
	    .ctime = st->st_ctim.tv_sec * TIM_S + st->st_ctim.tv_nsec};
}

void sync_settle(struct sync *s, struct entry *e)
{
	e->busy = e->late_said = false;
	e->tries = e->grew = 0;
	if (s->now <= e->until) {
		e->due = s->now;
		return;
	}
	e->due = NEVER;
	if (e->round) {
		e->due = e->round;
		e->until = e->due + s->o.lookback;
		e->round += s->o.period;
	}
}

void sync_look_back(struct sync *s, struct entry *e)
{
	e->until = s->now + s->o.lookback;
	if (e->round)
		e->until = e->round - s->o.period + s->o.lookback;
}
