/*
 * sync.c - bringing files across: what is in the source, what is wanted, what is complete
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "file/pub.h"
#include "file/sync.h"
#include "file/synccopy.h"

#define FULL_EVERY  TIM_H
#define BATCH       96 /* files that are made safe together: two descriptors each */
#define BATCH_BYTES (INT64_C(64) << 20)
#define GREW        2  /* changes between looks after which a file counts as growing */
#define BATCH_FEW   8  /* so many are synced one by one */
#define SAY_MAX     20 /* troubles told one by one in a pass */
#define PATIENCE    4  /* failures after which sync_waiting() does not wait */
#define AGAIN_FIRST (TIM_S / 10)
#define AGAIN_MAX   (30 * TIM_S)
#define NEVER       INT64_MAX
#define EVENTS      (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR)

struct look { /* what a file looked like */
	int64_t size, mtime, ctime;
};

enum kind {
	KIND_NEW,
	KIND_FILE,
	KIND_DIR,
	KIND_OTHER,  /* links, devices and the like */
	KIND_FOREIGN /* ordinary, but none of those that are wanted */
};

struct entry {
	enum kind kind;
	uint64_t pass;                /* in which it was last listed */
	struct look seen;             /* last time, */
	int64_t since;                /* and unchanged since (tim_mono) */
	struct look copied;           /* of what the target has; size -1: nothing known */
	int64_t due, until;           /* next look, and how long they go on */
	int64_t round;                /* when its name comes round again, 0: never */
	int64_t followed;             /* bytes of the target that were compared */
	int tries, grew;              /* failures, and changes, on end */
	bool wanted, busy, late_said; /* busy: grows or is locked */
	bool known;                   /* matched the target or was copied once */
	int wd;                       /* of a folder: its inotify watch, -1: polled */
	bool dirty;
	size_t dir; /* length of the folder's part of rel, without the slash */
	char rel[];
};

struct batch {
	struct pub pub;
	int fd;
	struct entry *e;
	struct look look;
	bool replace;
};

struct sync {
	struct sync_options o;
	int root, target, notify;
	dev_t dev; /* of root */
	bool local;
	struct entry **table; /* by hash of rel */
	size_t room, used;
	struct entry **dirs;
	size_t ndirs, dirs_room;
	uint64_t pass;
	bool outage;
	int64_t now, utc; /* of this pass */
	int64_t last, next_full, due;
	int64_t waiting, failing;
	int said;
	struct batch batch[BATCH];
	int nbatch;
	int64_t batch_bytes;
	char made[PATH_MAX]; /* folder of the target that is known to be there */
	char open_dir[PATH_MAX];
	int open_fd;
	char why[SYNC_WHY];
};

static int fail(struct sync *s, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct sync *s, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->why, sizeof s->why, format, ap);
	va_end(ap);
	errno = error;
	return -1;
}

static bool stopping(const struct sync *s)
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

static int grow(struct sync *s, size_t room)
{
	struct entry **old = s->table;
	size_t n = s->room;

	s->table = calloc(room, sizeof *s->table);
	if (!s->table) {
		s->table = old;
		return fail(s, ENOMEM, "out of memory");
	}
	s->room = room;
	for (size_t i = 0; i < n; i++)
		if (old[i])
			*slot(s, old[i]->rel) = old[i];
	free(old);
	return 0;
}

/* The entry of dir/name, made if need be; NULL with errno. */
static struct entry *entry(struct sync *s, const char *dir, const char *name)
{
	char rel[PATH_MAX];
	int n = snprintf(rel, sizeof rel, "%s%s%s", dir, *dir ? "/" : "", name);

	if (n >= (int)sizeof rel) {
		fail(s, ENAMETOOLONG, "%.64s...: the path is too long", rel);
		return NULL;
	}
	struct entry *e = *slot(s, rel);
	if (e)
		return e;
	if (4 * s->used >= 3 * s->room && grow(s, 2 * s->room) < 0)
		return NULL;
	e = calloc(1, sizeof *e + (size_t)n + 1);
	if (!e) {
		fail(s, ENOMEM, "out of memory");
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

static const char *name_of(const struct entry *e)
{
	return e->rel + (e->dir ? e->dir + 1 : 0);
}

/* ---- accounting and words ---- */

static void want(struct sync *s, struct entry *e)
{
	s->o.tally->in += !e->wanted;
	s->o.tally->held += !e->wanted;
	e->wanted = true;
}

/* It will not come, or not as this version: why not, or -1 when nothing was lost. */
static void drop(struct sync *s, struct entry *e, int reason)
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

/* The file will be looked at again, later and later. */
static void trouble(struct sync *s, struct entry *e, const char *what)
{
	char text[SYNC_WHY + 64];
	int64_t wait = AGAIN_FIRST << (e->tries < 16 ? e->tries : 16);

	want(s, e);
	e->due = s->now + (wait < AGAIN_MAX ? wait : AGAIN_MAX);
	e->seen.size = -1;
	s->o.tally->also[SYNC_ALSO_AGAIN].n++;
	if (e->tries++ > 0 || s->said++ >= SAY_MAX)
		return;
	snprintf(text, sizeof text, "%s: is tried again", what);
	s->o.say(e->rel, text, false);
}

static bool is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EROFS;
}

static struct look look_of(const struct stat *st)
{
	return (struct look){.size = st->st_size,
	    .mtime = st->st_mtim.tv_sec * TIM_S + st->st_mtim.tv_nsec,
	    .ctime = st->st_ctim.tv_sec * TIM_S + st->st_ctim.tv_nsec};
}

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

/* Nothing is to be done for now: when is it looked at next? */
static void settle(struct sync *s, struct entry *e)
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

/* ---- the target ---- */

/* Where the file belongs, below dst. */
static int target_path(struct sync *s, const struct entry *e, int64_t t, char path[PATH_MAX])
{
	char into[256];
	size_t n = 0;
	struct tim_parts p = tim_split(t);

	for (const char *f = s->o.into ? s->o.into : ""; *f && n + 8 < sizeof into; f++) {
		if (*f == '%' && f[1])
			f++;
		else {
			into[n++] = *f;
			continue;
		}
		int v = *f == 'm' ? p.month : *f == 'd' ? p.day : *f == 'H' ? p.hour : p.year;
		n += (size_t)snprintf(into + n, sizeof into - n, *f == 'Y' ? "%04d" : "%02d", v);
	}
	into[n] = 0;
	if (snprintf(path, PATH_MAX, "%s%s%s", into, n ? "/" : "", e->rel) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static int whole_path(const struct sync *s, const char *path, char whole[PUB_PATH])
{
	if (snprintf(whole, PUB_PATH, "%s/%s", s->o.dst, path) < PUB_PATH)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* 1 and its look, 0: nothing is there; -1 with errno. */
static int at_target(const struct sync *s, const char *path, struct look *look)
{
	struct stat st;

	if (fstatat(s->target, path, &st, 0) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	*look = look_of(&st);
	return 1;
}

static int make_folder(struct sync *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n == strlen(s->made) && memcmp(s->made, path, n) == 0)
		return 0;
	if (sync_mkdirs(s->target, path) < 0)
		return -1;
	memcpy(s->made, path, n);
	s->made[n] = 0;
	return 0;
}

/* A dated name is looked at for the look-back after its own time, others after `now`. */
static void look_back(struct sync *s, struct entry *e)
{
	e->until = s->now + s->o.lookback;
	if (e->round)
		e->until = e->round - s->o.period + s->o.lookback;
}

static void published(struct sync *s, struct entry *e, const struct look *look)
{
	e->copied = *look;
	e->known = true;
	look_back(s, e);
	settle(s, e);
	s->o.tally->held--;
	s->o.tally->out++;
	e->wanted = false;
	s->o.say(e->rel, "is there, whole", true);
}

/* All data of the first n files of the batch to the disk: one by one, or, where they are many and
 * small, the whole disk at once, which costs one commit of its journal instead of n. */
static int sync_data(struct sync *s, int n)
{
	int full = 0;

	if (n > BATCH_FEW && syncfs(s->target) == 0)
		return 0;
	for (int i = 0; i < n; i++) {
		struct batch *f = &s->batch[i];
		if (fsync(f->fd) == 0)
			continue;
		full = is_full(errno) ? errno : full;
		trouble(s, f->e, strerror(errno));
		pub_end(&f->pub);
	}
	return full;
}

static bool same_folder(const struct batch *a, const struct batch *b)
{
	size_t n = (size_t)(strrchr(a->pub.path, '/') - a->pub.path);

	return strncmp(a->pub.path, b->pub.path, n + 1) == 0 && !strchr(b->pub.path + n + 1, '/');
}

/* Makes the first n that were copied safe and visible: all data, then all names, then the folders. */
static int flush(struct sync *s, int n)
{
	int full = sync_data(s, n), last = -1, bad = 0;

	for (int i = 0; i < n; i++) {
		struct batch *f = &s->batch[i];
		if (f->pub.dirfd >= 0 && pub_give(&f->pub, f->fd, f->replace) < 0) {
			trouble(s, f->e, f->pub.why);
			pub_end(&f->pub);
		}
	}
	/* From the end, so that the last one of a folder speaks for those before it. */
	for (int i = n - 1; i >= 0; i--) {
		struct batch *f = &s->batch[i];
		if (f->pub.dirfd < 0)
			continue;
		if (last < 0 || !same_folder(f, &s->batch[last]))
			bad = io_sync_dir(f->pub.dirfd) < 0 ? errno : 0;
		last = i;
		if (bad)
			trouble(s, f->e, strerror(bad));
		else
			published(s, f->e, &f->look);
	}
	for (int i = 0; i < n; i++) {
		s->batch_bytes -= s->batch[i].look.size;
		close(s->batch[i].fd);
		pub_end(&s->batch[i].pub);
	}
	s->nbatch -= n;
	memmove(s->batch, s->batch + n, (size_t)s->nbatch * sizeof *s->batch);
	if (full)
		return fail(s, full, "%s: %s", s->o.dst, strerror(full));
	return 0;
}

/* ---- one file ---- */

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

static void leave_folder(struct sync *s)
{
	if (s->open_fd >= 0)
		close(s->open_fd);
	s->open_fd = -1;
}

static bool is_lock(const struct sync *s, const char *name)
{
	size_t n = strlen(name), m = strlen(s->o.lock_suffix);

	return m > 0 && n > m && strcmp(name + n - m, s->o.lock_suffix) == 0;
}

static bool locked(const struct sync *s, int dir, const struct entry *e)
{
	char lock[NAME_MAX + 64];
	struct stat st;

	if (!*s->o.lock_suffix)
		return false;
	snprintf(lock, sizeof lock, "%s%s", name_of(e), s->o.lock_suffix);
	return fstatat(dir, lock, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* It grows or is locked: looked at again after `still`. */
static void wait_for(struct sync *s, struct entry *e, const char *what)
{
	char text[SYNC_WHY + 64];

	want(s, e);
	e->due = s->now + s->o.still;
	if (s->o.lookback && s->now - e->since > s->o.lookback && !e->late_said) {
		e->late_said = true;
		snprintf(text, sizeof text, "%s: has been waiting for a long time", what);
		s->o.say(e->rel, text, false);
	}
}

static bool is_still(struct sync *s, struct entry *e, const struct stat *st)
{
	struct look now = look_of(st);
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
	int fd = sync_open(dir, name_of(e), 0);
	if (fd < 0)
		return -1;
	int same = fstat(fd, &again);
	if (same == 0) {
		struct look a = look_of(st), b = look_of(&again);
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
	if (is_full(error)) {
		want(s, e);
		e->due = s->now;
		return fail(s, error, "%s: %s", s->o.dst, strerror(error));
	}
	trouble(s, e, error == EPROTO ? "ends before its size" : what ? what : strerror(error));
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

	if (whole_path(s, path, whole) < 0 || make_folder(s, path) < 0)
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
		*f = (struct batch){f->pub, f->fd, e, look_of(st), replace};
		e->due = NEVER;
		s->nbatch++;
		s->batch_bytes += st->st_size;
		s->o.tally->also[SYNC_ALSO_BYTES].n += (uint64_t)st->st_size;
		/* The disk writes one half while the other is copied. */
		return s->nbatch == BATCH || s->batch_bytes >= BATCH_BYTES
		    ? flush(s, (s->nbatch + 1) / 2)
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
		good = still && set_time(out, st) < 0 ? -1 : fdatasync(out);
	int error = errno;
	close(out);
	errno = error;
	if (same == 0)
		return 1;
	if (good < 0)
		return went_wrong(s, e, NULL);
	if (still) {
		struct look look = look_of(st);
		s->o.tally->also[SYNC_ALSO_BYTES].n += (uint64_t)(st->st_size - have.st_size);
		published(s, e, &look);
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

	if (whole_path(s, path, whole) < 0 || make_folder(s, path) < 0)
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

static int refuse_shorter(struct sync *s, struct entry *e, const struct look *now)
{
	want(s, e);
	drop(s, e, SYNC_LOST_SHORTER);
	e->copied = *now;
	e->until = s->now - 1;
	settle(s, e);
	if (s->said++ < SAY_MAX)
		s->o.say(e->rel,
		    "is shorter than its copy, which is kept: remove the copy if it should go",
		    false);
	return 0;
}

/* The file is the target's already. */
static void is_there(struct sync *s, struct entry *e, const struct look *now)
{
	s->o.tally->also[SYNC_ALSO_THERE].n += !e->known;
	drop(s, e, -1);
	if (!e->known && (e->round || llabs(s->utc - now->mtime) <= s->o.lookback))
		look_back(s, e);
	e->known = true;
	e->copied = *now;
	settle(s, e);
}

static void foreign(struct sync *s, struct entry *e, enum kind kind)
{
	if (e->kind != kind)
		s->o.tally->also[SYNC_ALSO_FOREIGN].n++;
	drop(s, e, -1);
	e->kind = kind;
	e->due = NEVER;
}

/* Asks the contents for their time. 1: go on. */
static int ask_date(struct sync *s, struct entry *e, int fd, const struct stat *st, int64_t *t)
{
	char why[SYNC_WHY] = "";

	switch (s->o.date(name_of(e), fd, st->st_size, t, why)) {
	case SYNC_DATED:
		return 1;
	case SYNC_STALE:
		s->o.tally->also[SYNC_ALSO_STALE].n += !e->known;
		drop(s, e, -1);
		e->known = true;
		e->copied = look_of(st);
		if (s->now > e->until)
			set_round(s, e, *t);
		settle(s, e);
		return 0;
	case SYNC_UNFINISHED:
		(void)is_still(s, e, st);
		e->busy = true;
		wait_for(s, e, why);
		return 0;
	case SYNC_FOREIGN:
		foreign(s, e, KIND_FOREIGN);
		return 0;
	}
	return went_wrong(s, e, NULL);
}

/* A file that the target does not hold in this version, open as fd. */
static int bring(struct sync *s, struct entry *e, int dir, int fd, const struct stat *st)
{
	char path[PATH_MAX];
	struct look now = look_of(st), have;
	int64_t t = now.mtime;

	if (s->o.date) {
		int got = ask_date(s, e, fd, st, &t);
		if (got != 1)
			return got;
		set_round(s, e, t);
	}
	if (target_path(s, e, t, path) < 0)
		return went_wrong(s, e, NULL);
	int there = at_target(s, path, &have);
	if (there < 0)
		return went_wrong(s, e, NULL);
	if (there && same_version(&now, &have)) {
		is_there(s, e, &now);
		return 0;
	}
	bool still = is_still(s, e, st);
	if (there && have.size > now.size && (still || !s->o.follow))
		return still ? refuse_shorter(s, e, &now) : (wait_for(s, e, "changes"), 0);
	want(s, e);
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
	drop(s, e, SYNC_LOST_VANISHED);
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

	if (fstatat(dir, name_of(e), &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return went_wrong(s, e, NULL);
		vanished(s, e);
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		foreign(s, e, KIND_OTHER);
		return 0;
	}
	struct look now = look_of(&st), have;
	if (e->known && !e->wanted && unchanged(&now, &e->copied)) {
		settle(s, e);
		return 0;
	}
	if (!s->o.date && !e->wanted && target_path(s, e, now.mtime, path) == 0 &&
	    at_target(s, path, &have) == 1 && same_version(&now, &have)) {
		is_there(s, e, &now);
		return 0;
	}
	return 1;
}

static int look(struct sync *s, struct entry *e)
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
	int fd = sync_open(dir, name_of(e), 0);
	if (fd < 0)
		return went_wrong(s, e, NULL);
	if (fstat(fd, &st) < 0)
		got = went_wrong(s, e, NULL);
	else if (S_ISREG(st.st_mode))
		got = bring(s, e, dir, fd, &st);
	else
		foreign(s, e, KIND_OTHER);
	close(fd);
	return got > 0 ? 0 : got;
}

/* ---- the source ---- */

static int watch(struct sync *s, int fd)
{
	char path[64];

	if (s->notify < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return inotify_add_watch(s->notify, path, EVENTS);
}

static int add_dir(struct sync *s, struct entry *e)
{
	if (s->ndirs == s->dirs_room) {
		size_t room = s->dirs_room ? 2 * s->dirs_room : 64;
		struct entry **dirs = realloc(s->dirs, room * sizeof(struct entry *));
		if (!dirs)
			return fail(s, ENOMEM, "out of memory");
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
	struct entry *e = entry(s, dir, d->d_name);
	if (!e && errno == ENAMETOOLONG)
		return 0;
	if (!e)
		return -1;
	e->pass = s->pass;
	if (type == DT_DIR && e->kind != KIND_DIR) {
		e->kind = KIND_DIR;
		return add_dir(s, e);
	}
	if (type != DT_REG) {
		if (type != DT_DIR)
			foreign(s, e, KIND_OTHER);
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

/* 0, or -1: what was not listed will be, in a full scan. */
static int list(struct sync *s, struct entry *d, bool full)
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
		return fail(s, error, "%s/%s: %s", s->o.src, d->rel, strerror(error));
	}
	if (d->wd < 0 && s->local && fstat(fd, &st) == 0 && st.st_dev == s->dev)
		d->wd = watch(s, fd);
	d->dirty = false;
	d->pass = s->pass;
	int bad = 0;
	errno = 0;
	for (struct dirent *e; !bad && !stopping(s) && (e = readdir(dir)); errno = 0)
		bad = listed(s, d->rel, fd, e, full);
	if (!bad && errno)
		bad = fail(s, errno, "%s/%s: %s", s->o.src, d->rel, strerror(errno));
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
		struct entry *e = entry(s, d->rel, name);
		if (e && (e->kind == KIND_FOREIGN || e->kind == KIND_OTHER))
			e->kind = KIND_NEW;
		if (e && e->kind == KIND_FILE && !e->tries)
			e->due = s->now;
		return;
	}
}

static void read_events(struct sync *s)
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

/* The folder that has the name now: a mount may have come or gone. */
static int open_root(struct sync *s)
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
		return fail(s, errno, "%s: %s", s->o.src, strerror(errno));
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
		return fail(s, ENOMEM, "out of memory");

	s->now = tim_mono();
	for (size_t i = 0; i < s->room; i++)
		if (s->table[i] && s->table[i]->kind == KIND_FILE && s->table[i]->due <= s->now)
			due[n++] = s->table[i];
	qsort(due, n, sizeof *due, by_path);
	for (size_t i = 0; !bad && i < n && !stopping(s); i++)
		bad = look(s, due[i]);
	leave_folder(s);
	free(due);
	int error = errno;
	/* What was copied is published even so; the first reason counts. */
	char why[SYNC_WHY];
	memcpy(why, s->why, sizeof why);
	if (flush(s, s->nbatch) < 0 && !bad)
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
			drop(s, e, SYNC_LOST_VANISHED);
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
		(void)grow(s, s->room); /* chains of the table must not have holes */
}

int sync_pass(struct sync *s)
{
	s->now = tim_mono();
	s->utc = tim_now();
	if (open_root(s) < 0) {
		s->outage = true;
		return -1;
	}
	s->pass++;
	s->said = 0;
	s->made[0] = 0;
	read_events(s);
	bool full = s->outage || s->now >= s->next_full ||
	    (s->o.lookback && s->now - s->last > s->o.lookback);
	int bad = 0, error = 0;
	for (size_t i = 0; i < s->ndirs && !stopping(s); i++) {
		struct entry *d = s->dirs[i];
		if ((full || d->dirty || d->wd < 0) && list(s, d, full) < 0) {
			bad = -1;
			error = errno;
		}
	}
	char why[SYNC_WHY];
	memcpy(why, s->why, sizeof why);
	int looked = look_all(s);
	bool whole = !bad && !stopping(s);
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
		return fail(s, errno, "%s: %s", s->o.src, strerror(errno));
	if (!realpath(s->o.dst, dst))
		return fail(s, errno, "%s: %s", s->o.dst,
		    errno == ENOENT ? "no such folder: make it first" : strerror(errno));
	size_t n = strlen(src);
	if (strncmp(src, dst, n) == 0 && (dst[n] == '/' || !dst[n] || n == 1))
		return fail(s, EINVAL, "%s: is inside the source", s->o.dst);
	for (const char *f = s->o.into ? s->o.into : ""; *f; f++)
		if ((*f == '%' && !strchr("YmdH", *++f)) || !*f)
			return fail(s, EINVAL, "--into=%s: knows %%Y %%m %%d %%H", s->o.into);
	if (s->o.into && (strlen(s->o.into) > 200 || strstr(s->o.into, "..")))
		return fail(s, EINVAL, "--into=%s: must stay below the target", s->o.into);
	s->target = open(s->o.dst, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->target < 0)
		return fail(s, errno, "%s: %s", s->o.dst, strerror(errno));
	return open_root(s);
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
	if (grow(s, 1024) == 0 && check_options(s) == 0 && (top = entry(s, "", "")))
		top->kind = KIND_DIR;
	if (top && add_dir(s, top) == 0)
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
	leave_folder(s);
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
