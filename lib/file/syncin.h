/*
 * syncin.h - inside of sync: what its parts share
 *
 * sync.c      one pass over the source, and the life of a struct sync
 * syncfind.c  what the source holds: listings and inotify
 * synclook.c  one file: is it wanted, is it complete, and its copying
 * syncput.c   the target: where a file belongs, and making copies safe and visible together
 * syncknow.c  what is known of each path, and the accounting
 */
#ifndef FYKE_SYNCIN_H
#define FYKE_SYNCIN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/tim.h"
#include "file/pub.h"
#include "file/sync.h"
#include "base/why.h"

#define SYNC_BATCH 96 /* files that are made safe together: two descriptors each */
#define SAY_MAX    20 /* troubles told one by one in a pass */
#define NEVER      INT64_MAX

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
	struct batch batch[SYNC_BATCH];
	int nbatch;
	int64_t batch_bytes;
	char made[PATH_MAX]; /* folder of the target that is known to be there */
	char open_dir[PATH_MAX];
	int open_fd;
	char why[SYNC_WHY];
};

/* Functions that return int: 0, or -1 with errno and s->why, where nothing else is said. */

/* ---- syncknow.c ---- */

/* Keeps the sentence; -1 with errno as given. */
#define sync_fail(s, error, ...) why_fail((s)->why, sizeof(s)->why, error, __VA_ARGS__)
bool sync_stopping(const struct sync *s);
bool sync_is_full(int error); /* of a disk */

/* The entry of dir/name, made if need be; NULL with errno. */
struct entry *sync_entry(struct sync *s, const char *dir, const char *name);
const char *sync_name(const struct entry *e); /* the last part of its path */
int sync_grow(struct sync *s, size_t room);   /* the table to so many places; mends its chains */
struct look sync_look_of(const struct stat *st);

void sync_want(struct sync *s, struct entry *e);

/* It will not come, or not as this version: why not (SYNC_LOST_), or -1 when nothing was lost. */
void sync_drop(struct sync *s, struct entry *e, int reason);

/* The file will be looked at again, later and later. */
void sync_trouble(struct sync *s, struct entry *e, const char *what);

/* Nothing is to be done for now: settles when it is looked at next. */
void sync_settle(struct sync *s, struct entry *e);

/* A dated name is looked at for the look-back after its own time, others after `now`. */
void sync_look_back(struct sync *s, struct entry *e);

/* ---- syncput.c ---- */

/* Where the file of time t belongs, below dst; the same with dst before it. -1 with ENAMETOOLONG. */
int sync_target_path(struct sync *s, const struct entry *e, int64_t t, char path[PATH_MAX]);
int sync_whole_path(const struct sync *s, const char *path, char whole[PUB_PATH]);

/* 1 and its look, 0: nothing is there; -1 with errno. */
int sync_at_target(const struct sync *s, const char *path, struct look *look);
int sync_make_folder(struct sync *s, const char *path); /* errno only */

void sync_published(struct sync *s, struct entry *e, const struct look *look);

/* Makes the first n that were copied safe and visible: all data, then all names, then the folders. */
int sync_flush(struct sync *s, int n);

/* ---- synclook.c ---- */

/* Looks at one file, and copies what is to be copied. */
int sync_look(struct sync *s, struct entry *e);
void sync_leave_folder(struct sync *s); /* that was kept open from one look to the next */
void sync_foreign(struct sync *s, struct entry *e, enum kind kind);

/* ---- syncfind.c ---- */

int sync_open_root(struct sync *s); /* the folder that has the name now: mounts come and go */
int sync_add_dir(struct sync *s, struct entry *e);
void sync_read_events(struct sync *s);

/* Lists a folder; what was not listed will be, in a full scan. */
int sync_list(struct sync *s, struct entry *d, bool full);

#endif
