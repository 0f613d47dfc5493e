/*
 * mergeday.h - a night hour by hour: which minutes are there, which to wait for, which came late;
 * merge's whole behaviour but for its options
 */
#ifndef FYKE_MERGEDAY_H
#define FYKE_MERGEDAY_H

#include <stdbool.h>
#include <stdint.h>

#include "sky/calspec.h"

#define MERGEDAY_WHY 512

enum mergeday_level { MERGEDAY_NOTE, MERGEDAY_WARN };

struct mergeday_options {
	const struct calspec *cal;
	const char *raw, *log, *enc; /* folders; log and enc may be NULL */
	const char *out;
	const char *report; /* or NULL */
	int format;
	int start, end; /* raw-file numbers 0..1439; -1: not given */
	bool fixut, fixnfs, sync, nc4;
	int64_t wait; /* ns: how long a raw file waits for its companions */
	int64_t day;  /* days since 1970; -1: what the raw folder holds */
	void (*say)(void *ctx, enum mergeday_level level, const char *text);
	void *ctx;
};

/* Numbers for people and --status; in = out + held + lost. Held: not merged yet. */
struct mergeday_count {
	uint64_t in, out, held, no_raw, no_log, no_enc;
	uint64_t cut, duplicate, stale, steps, suspect, hours;
};

struct mergeday;

/* Finds the day and takes its lock. NULL with a sentence and errno: EINVAL (the day is not
 * clear), EBUSY (another merge works on it), or why a folder cannot be used. */
struct mergeday *mergeday_new(const struct mergeday_options *o, char why[MERGEDAY_WHY]);
void mergeday_free(struct mergeday *d);

enum mergeday_state { MERGEDAY_ERROR = -1, MERGEDAY_WAIT, MERGEDAY_WORKED, MERGEDAY_DONE };

/* Does the next piece of work, at most an hour. MERGEDAY_WAIT: nothing to do now. */
enum mergeday_state mergeday_step(struct mergeday *d);

/* Settles all hours with what there is. 0 or -1. */
int mergeday_finish(struct mergeday *d);

const char *mergeday_why(const struct mergeday *d); /* after -1, with errno */
void mergeday_count(const struct mergeday *d, struct mergeday_count *c);

#endif
