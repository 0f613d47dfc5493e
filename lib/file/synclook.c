/*
 * synclook.c - one file of the source: is it wanted, is it complete, and its copying
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "file/synccopy.h"
#include "file/syncin.h"

#define BATCH_BYTES (INT64_C(64) << 20)
#define GREW        2 /* changes between looks after which a file counts as growing */

static bool unchanged(const struct look *a, const struct look *b)
{
	return a->size == b->size && a->mtime == b->mtime;
}

/* Whether the target holds this version: some file systems keep whole seconds, some every other one. */
static bool same_version(const struct look *src, const struct look *dst)
{
	int64_t d = src->mtime - dst->mtime;

	return src->size == dst->size &&
	    (d == 0 || (dst->mtime % TIM_S == 0 && llabs(d) < 2 * TIM_S));
}

/* The name comes round a period after t, and then again. */
static void set_round(struct sync *s, struct entry *e, int64_t t)
{
	if (!s->o.period)
		return;
	int64_t next = t + s->o.period;
	if (next < s->utc)
		next += (s->utc - next) / s->o.period * s->o.period;
	e->round = s->now + (next - s->utc);
}

/* The folder an entry is in, kept open from one to the next. */
static int folder_of(struct sync *s, const struct entry *e)
{
	if (s->open_fd >= 0 && strlen(s->open_dir) == e->dir &&
	    memcmp(s->open_dir, e->rel, e->dir) == 0)
		return s->open_fd;
	if (s->open_fd >= 0)
		close(s->open_fd);
	memcpy(s->open_dir, e->rel, e->dir);
	s->open_dir[e->dir] = 0;
	s->open_fd = sync_open(s->root, e->dir ? s->open_dir : ".", O_DIRECTORY);
	return s->open_fd;
}

void sync_leave_folder(struct sync *s)
{
	if (s->open_fd >= 0)
		close(s->open_fd);
	s->open_fd = -1;
}

static bool locked(const struct sync *s, int dir, const struct entry *e)
{
	char lock[NAME_MAX + 64];
	struct stat st;

	if (!*s->o.lock_suffix)
		return false;
	snprintf(lock, sizeof lock, "%s%s", sync_name(e), s->o.lock_suffix);
	return fstatat(dir, lock, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* It grows or is locked: looked at again after `still`. */
static void wait_for(struct sync *s, struct entry *e, const char *what)
{
	char text[SYNC_WHY + 64];

	sync_want(s, e);
	e->due = s->now + s->o.still;
	if (s->o.lookback && s->now - e->since > s->o.lookback && !e->late_said) {
		e->late_said = true;
		snprintf(text, sizeof text, "%s: has been waiting for a long time", what);
		s->o.say(e->rel, text, false);
	}
}

static bool is_still(struct sync *s, struct entry *e, const struct stat *st)
{
	struct look now = sync_look_of(st);
	int64_t age = tim_now() - now.ctime;
	bool first = e->seen.size < 0;

	if (first || memcmp(&now, &e->seen, sizeof now) != 0) {
		e->grew += !first;
		e->busy |= e->grew >= GREW;
		e->seen = now;
		e->since = s->now;
	}
	if (s->local && st->st_dev == s->dev && age >= s->o.still)
		return true;
	return s->now - e->since >= s->o.still;
}

/* Compares the copy with the source, opened anew. 1 the same, 0 not, or changed since `st`. */
static int verify(
    struct sync *s, struct entry *e, int dir, int out, const struct stat *st, int64_t from)
{
	struct stat again;
	int fd = sync_open(dir, sync_name(e), 0);
	if (fd < 0)
		return -1;
	int same = fstat(fd, &again);
	if (same == 0) {
		struct look a = sync_look_of(st), b = sync_look_of(&again);
		same =
		    memcmp(&a, &b, sizeof a) == 0 && !locked(s, dir, e) && S_ISREG(again.st_mode);
	}
	if (same == 1)
		same = sync_same(fd, out, from, st->st_size, s->o.stopping);
	int error = errno;
	close(fd);
	errno = error;
	return same;
}

/* Decides by errno: the target's trouble ends the pass, the file's does not. */
static int went_wrong(struct sync *s, struct entry *e, const char *what)
{
	int error = errno;

	if (error == EINTR)
		return 0;
	if (sync_is_full(error)) {
		sync_want(s, e);
		e->due = s->now;
		return sync_fail(s, error, "%s: %s", s->o.dst, strerror(error));
	}
	sync_trouble(s, e,
	    error == EPROTO ? "ends before its size"
		: what      ? what
			    : strerror(error));
	return 0;
}

static int set_time(int fd, const struct stat *st)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};

	return futimens(fd, times);
}

/* Copies the whole file into the batch. */
static int copy(struct sync *s, struct entry *e, int dir, int fd, const struct stat *st,
    const char *path, bool replace)
{
	struct batch *f = &s->batch[s->nbatch];
	char whole[PUB_PATH];

	if (sync_whole_path(s, path, whole) < 0 || sync_make_folder(s, path) < 0)
		return went_wrong(s, e, NULL);
	if (pub_begin(&f->pub, whole, replace) < 0)
		return went_wrong(s, e, f->pub.why);
	f->fd = pub_create(&f->pub);
	int good = f->fd < 0 ? -1 : fcntl(f->fd, F_SETFL, 0);
	if (good == 0)
		good = sync_copy(fd, f->fd, 0, st->st_size, s->o.stopping);
	if (good == 0) {
		good = verify(s, e, dir, f->fd, st, 0);
		if (good == 0)
			errno = EAGAIN;
	}
	if (good == 1 && set_time(f->fd, st) == 0) {
		(void)sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		*f = (struct batch){f->pub, f->fd, e, sync_look_of(st), replace};
		e->due = NEVER;
		s->nbatch++;
		s->batch_bytes += st->st_size;
		s->o.tally->also[SYNC_ALSO_BYTES].n += (uint64_t)st->st_size;
		/* The disk writes one half while the other is copied. */
		return s->nbatch == SYNC_BATCH || s->batch_bytes >= BATCH_BYTES
		    ? sync_flush(s, (s->nbatch + 1) / 2)
		    : 0;
	}
	int error = errno;
	if (f->fd >= 0)
		close(f->fd);
	pub_end(&f->pub);
	errno = error;
	return went_wrong(s, e, error == EAGAIN ? "changed while it was copied" : NULL);
}

/* --follow: brings the target's copy up to what the source holds now; its time is set, which makes
 * it count as done, when `still`. 1 when the copy is none of this source. */
static int extend(struct sync *s, struct entry *e, int dir, int fd, const struct stat *st,
    const char *path, bool still)
{
	struct stat have;
	int out = openat(s->target, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (out < 0)
		return went_wrong(s, e, NULL);
	int good = fstat(out, &have);
	if (good == 0 && have.st_size > st->st_size) {
		close(out);
		return 1;
	}
	int same = 1;
	if (good == 0 && e->followed != have.st_size)
		same = good = sync_same(fd, out, 0, have.st_size, s->o.stopping);
	if (same == 1)
		good = sync_copy(fd, out, have.st_size, st->st_size, s->o.stopping);
	if (same == 1 && good == 0) {
		e->followed = st->st_size;
		good = still ? verify(s, e, dir, out, st, 0) : 1;
		same = good;
	}
	if (same == 1 && good == 1)
		good = still && set_time(out, st) < 0 ? -1 : io_sync_data(out);
	int error = errno;
	close(out);
	errno = error;
	if (same == 0)
		return 1;
	if (good < 0)
		return went_wrong(s, e, NULL);
	if (still) {
		struct look look = sync_look_of(st);
		s->o.tally->also[SYNC_ALSO_BYTES].n += (uint64_t)(st->st_size - have.st_size);
		sync_published(s, e, &look);
	} else
		wait_for(s, e, "grows");
	return 0;
}

/* Publishes what there is of a growing file, so that it can be extended. */
static int begin_follow(
    struct sync *s, struct entry *e, int fd, const struct stat *st, const char *path, bool replace)
{
	struct pub pub;
	char whole[PUB_PATH];

	if (sync_whole_path(s, path, whole) < 0 || sync_make_folder(s, path) < 0)
		return went_wrong(s, e, NULL);
	if (pub_begin(&pub, whole, replace) < 0)
		return went_wrong(s, e, pub.why);
	int out = pub_create(&pub);
	int good = out < 0 || fcntl(out, F_SETFL, 0) < 0 ? -1 : 0;
	if (good == 0)
		good = sync_copy(fd, out, 0, st->st_size, s->o.stopping);
	if (good == 0)
		good = pub_commit(&pub, out, replace);
	int error = errno;
	if (out >= 0)
		close(out);
	pub_end(&pub);
	errno = error;
	if (good < 0)
		return went_wrong(s, e, NULL);
	e->followed = st->st_size;
	wait_for(s, e, "grows");
	return 0;
}

/* Told and counted once a version. It is not known: with its copy removed, or grown, it is to come. */
static int refuse_shorter(struct sync *s, struct entry *e, const struct look *now)
{
	bool again = !e->wanted && unchanged(now, &e->copied);

	if (!again)
		sync_want(s, e);
	sync_drop(s, e, SYNC_LOST_SHORTER);
	e->known = false;
	e->copied = *now;
	e->until = s->now - 1;
	sync_settle(s, e);
	if (!again && s->said++ < SAY_MAX)
		s->o.say(e->rel,
		    "is shorter than its copy, which is kept: remove the copy if it should go",
		    false);
	return 0;
}

/* The file is the target's already. */
static void is_there(struct sync *s, struct entry *e, const struct look *now)
{
	s->o.tally->also[SYNC_ALSO_THERE].n += !e->known;
	sync_drop(s, e, -1);
	if (!e->known && (e->round || llabs(s->utc - now->mtime) <= s->o.lookback))
		sync_look_back(s, e);
	e->known = true;
	e->copied = *now;
	sync_settle(s, e);
}

void sync_foreign(struct sync *s, struct entry *e, enum kind kind)
{
	if (e->kind != kind)
		s->o.tally->also[SYNC_ALSO_FOREIGN].n++;
	sync_drop(s, e, -1);
	e->kind = kind;
	e->due = NEVER;
}

/* Asks the contents for their time. 1: go on. */
static int ask_date(struct sync *s, struct entry *e, int fd, const struct stat *st, int64_t *t)
{
	char why[SYNC_WHY] = "";

	switch (s->o.date(sync_name(e), fd, st->st_size, t, why)) {
	case SYNC_DATED:
		return 1;
	case SYNC_STALE:
		s->o.tally->also[SYNC_ALSO_STALE].n += !e->known;
		sync_drop(s, e, -1);
		e->known = true;
		e->copied = sync_look_of(st);
		if (s->now > e->until)
			set_round(s, e, *t);
		sync_settle(s, e);
		return 0;
	case SYNC_UNFINISHED:
		(void)is_still(s, e, st);
		e->busy = true;
		wait_for(s, e, why);
		return 0;
	case SYNC_FOREIGN:
		sync_foreign(s, e, KIND_FOREIGN);
		return 0;
	}
	return went_wrong(s, e, NULL);
}

/* A file that the target does not hold in this version, open as fd. */
static int bring(struct sync *s, struct entry *e, int dir, int fd, const struct stat *st)
{
	char path[PATH_MAX];
	struct look now = sync_look_of(st), have;
	int64_t t = now.mtime;

	if (s->o.date) {
		int got = ask_date(s, e, fd, st, &t);
		if (got != 1)
			return got;
		set_round(s, e, t);
	}
	if (sync_target_path(s, e, t, path) < 0)
		return went_wrong(s, e, NULL);
	int there = sync_at_target(s, path, &have);
	if (there < 0)
		return went_wrong(s, e, NULL);
	if (there && same_version(&now, &have)) {
		is_there(s, e, &now);
		return 0;
	}
	bool still = is_still(s, e, st);
	if (there && have.size > now.size && (still || !s->o.follow))
		return still ? refuse_shorter(s, e, &now) : (wait_for(s, e, "changes"), 0);
	sync_want(s, e);
	if (s->o.follow && there) {
		int got = extend(s, e, dir, fd, st, path, still);
		if (got != 1)
			return got;
	}
	if (still)
		return copy(s, e, dir, fd, st, path, there);
	if (s->o.follow)
		return begin_follow(s, e, fd, st, path, there);
	wait_for(s, e, "grows");
	return 0;
}

static void vanished(struct sync *s, struct entry *e)
{
	sync_drop(s, e, SYNC_LOST_VANISHED);
	e->copied.size = e->seen.size = -1;
	e->due = NEVER;
	e->known = e->busy = false;
	e->tries = 0;
}

/* What can be told without opening: 1 when it must be opened. */
static int glance(struct sync *s, struct entry *e, int dir)
{
	char path[PATH_MAX];
	struct stat st;

	if (fstatat(dir, sync_name(e), &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return went_wrong(s, e, NULL);
		vanished(s, e);
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		sync_foreign(s, e, KIND_OTHER);
		return 0;
	}
	struct look now = sync_look_of(&st), have;
	if (e->known && !e->wanted && unchanged(&now, &e->copied)) {
		sync_settle(s, e);
		return 0;
	}
	if (!s->o.date && !e->wanted && sync_target_path(s, e, now.mtime, path) == 0 &&
	    sync_at_target(s, path, &have) == 1 && same_version(&now, &have)) {
		is_there(s, e, &now);
		return 0;
	}
	return 1;
}

int sync_look(struct sync *s, struct entry *e)
{
	struct stat st;
	int dir = folder_of(s, e);

	if (dir < 0 && errno != ENOENT)
		return went_wrong(s, e, NULL);
	if (dir < 0) {
		vanished(s, e);
		return 0;
	}
	s->now = tim_mono();
	int got = glance(s, e, dir);
	if (got != 1)
		return got;
	if (locked(s, dir, e)) {
		if (!e->busy)
			e->since = s->now;
		e->busy = true;
		wait_for(s, e, "is locked");
		return 0;
	}
	int fd = sync_open(dir, sync_name(e), 0);
	if (fd < 0)
		return went_wrong(s, e, NULL);
	if (fstat(fd, &st) < 0)
		got = went_wrong(s, e, NULL);
	else if (S_ISREG(st.st_mode))
		got = bring(s, e, dir, fd, &st);
	else
		sync_foreign(s, e, KIND_OTHER);
	close(fd);
	return got > 0 ? 0 : got;
}
