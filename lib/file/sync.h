/*
 * sync.h - bringing files across: whole ones only, each verified, under their final names
 *
 * A source folder, which may be a network mount, is scanned; what its twin below the target folder
 * does not hold yet (told by size and modification time, as the copies keep those) is copied once
 * it is complete: no lock file beside it, and still, that is unchanged for a while. On a disk of
 * this machine the kernel's change time proves that; elsewhere clocks and caches may lie, and a
 * file is looked at, freshly opened, until that long nothing has changed.
 *
 * A copy is written under a temporary name (pub.h), compared byte for byte with the source, opened
 * anew, and published only if the source is unchanged then. Nothing in the target is ever removed,
 * and a longer file is not replaced by a shorter one. All source names are opened by openat2()
 * beneath the source folder, without symbolic links anywhere.
 *
 * After one whole scan only new names, waiting files and those of the look-back are looked at:
 * inotify tells on local disks, a listing elsewhere. At start, after an outage and once an hour
 * everything is.
 */
#ifndef FYKE_SYNC_H
#define FYKE_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tally.h"

#define SYNC_WHY 512

/* What the contents of a file say about its time (struct sync_options.date). */
enum sync_date {
	SYNC_DATED,      /* *t is its time */
	SYNC_STALE,      /* *t is its time, but too long ago: not to be copied */
	SYNC_UNFINISHED, /* why says what is missing: look again */
	SYNC_FOREIGN     /* not one of those files at all */
};

struct sync_options {
	const char *src, *dst;
	const char *into;        /* folder below dst by the file's time: %Y %m %d %H; or NULL */
	const char *lock_suffix; /* a file with a twin of this suffix is being written; "" none */
	int64_t still;           /* ns without a change before a file counts as complete */
	int64_t lookback;        /* ns for which a copied file is looked at again */
	int64_t period;          /* ns after which a dated name comes round again; 0: never */
	bool follow;             /* growing files appear at once, and grow */
	bool poll;               /* treat src as a network mount */

	/* The file's time from its first bytes; NULL: its modification time. -1 with errno after a
	 * read error. */
	int (*date)(const char *name, int fd, int64_t size, int64_t *t, char why[SYNC_WHY]);
	/* A line about a file (a name from outside: to be escaped). news: it was published. */
	void (*say)(const char *path, const char *what, bool news);
	/* Called between files and blocks; true ends the pass soon, without harm. */
	bool (*stopping)(void);
	struct tally *tally; /* in and held: files wanted; out: published; lost[] as SYNC_LOST_ */
};

enum { SYNC_LOST_VANISHED, SYNC_LOST_SHORTER };
enum { SYNC_ALSO_THERE, SYNC_ALSO_FOREIGN, SYNC_ALSO_STALE, SYNC_ALSO_AGAIN, SYNC_ALSO_BYTES };
/* A tally for these. */
#define SYNC_TALLY                                                                                 \
	{                                                                                          \
		.unit = "files", .lost = {{"vanished", 0}, {"shorter than its copy", 0}},          \
		.also = {{"already there", 0}, {"left out", 0}, {"stale", 0}, {"tried again", 0},  \
		    {"bytes", 0}},                                                                 \
	}

struct sync;

/* NULL with a sentence. The folders must be there (ENOENT); dst must not be inside src (EINVAL).
 * The strings stay the caller's. */
struct sync *sync_new(const struct sync_options *o, char why[SYNC_WHY]);
void sync_free(struct sync *s);

/* One look at what is due, and the copying that it calls for. 0, or -1 with errno and
 * sync_why(): the source is away, or the target is full. To be called again later. */
int sync_pass(struct sync *s);
const char *sync_why(const struct sync *s);

/* Files that may yet be published without a change of the source; growing, locked and failing ones
 * no longer count after a few looks. */
bool sync_waiting(const struct sync *s);

/* How many failed when last looked at. */
int64_t sync_failing(const struct sync *s);

int64_t sync_due(const struct sync *s); /* tim_mono() of the next waiting file's turn */
int sync_fd(const struct sync *s);      /* readable when the source changed; -1: polling only */
int sync_target(const struct sync *s);  /* a descriptor of dst */

#endif
