/*
 * spool.h - a queue of text lines, in memory or in a folder that outlives the program
 *
 * In a folder: every line is in a file before spool_put() returns, so a program that is killed
 * loses nothing that it had put; what the receiver has acknowledged is remembered in `acked`.
 * After a crash what was given out and not acknowledged is given out again. Files are plain lines,
 * 0000000000000001.lp and so on, oldest first, and can be read or sent by hand. A line that a
 * crash has cut is dropped and counted. One program per folder, by a lock.
 *
 * Nothing is synced to disk by itself: call spool_sync() once in a while.
 */
#ifndef FYKE_SPOOL_H
#define FYKE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_WHY 512

struct spool;

/* dir NULL: in memory. max: bytes it may hold; a folder that is full drops its oldest file
 * (counted), memory takes no more. The folder is made when it is not there. NULL with why,
 * and errno (EBUSY: another program has it). */
struct spool *spool_open(const char *dir, int64_t max, char why[SPOOL_WHY]);

/* Puts n bytes of whole lines (count of them). All or nothing: 0, or -1 with errno (EAGAIN memory
 * is full; ENOSPC and others of the disk). */
int spool_put(struct spool *s, const char *lines, size_t n, size_t count);

/* Copies the oldest lines to buf, as many as fit in size and most, without taking them away.
 * Returns the bytes (0: none waits) and *count; -1 with errno. A longer line than size is dropped
 * as cut. */
long spool_get(struct spool *s, char *buf, size_t size, size_t most, size_t *count);

/* The first n bytes, lines of them, of what was got last are done with; the rest stays got. 0, or
 * -1 with errno: it may come again after a restart. */
int spool_ack(struct spool *s, size_t n, size_t lines);

struct spool_state {
	uint64_t lines, bytes; /* waiting, what was got but not acknowledged included */
	uint64_t found;        /* lines of earlier runs, cut ones included */
	uint64_t full, cut;    /* lines dropped: no room; cut by a crash */
	bool old;              /* the lines got last are from an earlier run */
	bool on_disk;
};
const struct spool_state *spool_state(const struct spool *s);

/* fdatasync of what was put. 0, or -1 with errno. */
int spool_sync(struct spool *s);

/* Takes the files away when nothing waits. */
void spool_close(struct spool *s);

#endif
