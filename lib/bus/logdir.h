/*
 * logdir.h - a folder of log files: one a day or one a program, rotated by size
 *
 *	20261120.log			a day (UTC, of arrival)
 *	evpub.log			a program
 *	evpub.20261120T083000Z-000.log	... rotated
 *
 * A record that was put is written, or waits in memory until the disk takes it again.
 */
#ifndef FYKE_LOGDIR_H
#define FYKE_LOGDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGDIR_WHY   512
#define LOGDIR_FILES 64 /* open at a time; programs beyond these share one more, other.log */

struct logdir;

/* Makes the folder where it is missing and locks it. by_program: else by day. rotate: bytes, 0:
 * never. note is told once of a file that cannot be rotated, or synced. NULL with errno (EBUSY:
 * another logd writes there) and why. */
struct logdir *logdir_open(const char *path, bool by_program, int64_t rotate,
    void (*note)(const char *text), char why[LOGDIR_WHY]);

/* Keeps a line (with its newline) for the file of this program (n bytes of name) and time. -1 with
 * ENOMEM. */
int logdir_put(
    struct logdir *d, const char *program, size_t n, int64_t now, const char *line, size_t size);

/* Writes all that is kept. 0, or -1 with errno: what could not be written stays; logdir_why(). */
int logdir_write(struct logdir *d, int64_t now);

/* fdatasync of what was written since. What could not be rotated is tried again after this. */
void logdir_sync(struct logdir *d);

/* Whether every sync so far was good. */
bool logdir_safe(const struct logdir *d);

int logdir_fd(const struct logdir *d);           /* of the folder */
uint64_t logdir_held(const struct logdir *d);    /* lines that wait */
uint64_t logdir_written(const struct logdir *d); /* lines */
const char *logdir_why(const struct logdir *d);
void logdir_close(struct logdir *d);

#endif
