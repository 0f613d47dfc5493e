/*
 * mergedayin.h - the inside of a night, shared by its files
 *
 * mergewait.c   which minutes are there, and for which it waits
 * mergekeep.c   what an hour's file holds is not lost when the hour is written anew
 * mergereport.c what came of it: the report, the counts
 * mergeday.c    its hours: written, grown live, written anew for what came late
 *
 * Minutes are those of the day, from 0; beyond 1439 they are of the next one.
 */
#ifndef FYKE_MERGEDAYIN_H
#define FYKE_MERGEDAYIN_H

#include "sky/mergeday.h"

#include "sky/mergehour.h"

struct cdf_jobs;

#define HOURS 24

enum hour_stage { HOUR_OPEN, HOUR_CLOSED, HOUR_DUE }; /* mergekeep.c */

struct hour_state {
	enum hour_stage stage;
	bool kept;         /* files of it are away, and that was told */
	bool known;        /* the next is: */
	uint64_t minutes;  /* that its file holds */
	struct hour *file; /* open while it grows */
	bool built;        /* by this run: */
	struct merge_hour result;
};

/* What was last seen of a growing raw file. */
struct growth {
	int64_t minute, size, since;
};

struct mergeday {
	struct mergeday_options o;
	struct merge_setup setup;
	struct stream *stream;
	struct cdf_jobs *final; /* or NULL */
	int64_t first;          /* minute of the day's midnight */
	int lock;
	int from, to; /* minutes of the day */
	int next;     /* the next to merge */
	bool begun;   /* a minute has been merged */
	bool live;    /* begun while the day lasted */
	bool over;    /* and it is over: nothing more is waited for */
	struct hour_state h[HOURS];
	struct growth growth;
	bool raw[MINUTE_DAY];                   /* minutes with a raw file, as of the last look */
	int64_t seen[MINUTE_DAY + MERGE_AFTER]; /* tim_mono() when they had one first, 0: never */
	int64_t looked;                         /* tim_mono() */
	int asked;                              /* minute whose companions were missed aloud */
	bool given_up;                          /* and it was told that they did not come */
	bool away;                              /* the raw files' folder cannot be read */
	unsigned gone[MINUTE_DAY]; /* files that were read and have gone: bits by kind */
	bool told;                 /* and that was told */
	char why[MERGEDAY_WHY];
	int error;
};

/* ---- mergewait.c ---- */

/* Whether the file of a minute is there, and how it is now: size in bytes, mtime in UTC ns. */
bool mergewait_present(
    struct mergeday *d, enum stream_kind kind, int minute, int64_t *size, int64_t *mtime);

/* The same of a raw file by the last look into the folders: a network disk would not bear a
 * question for each minute. */
bool mergewait_has_raw(const struct mergeday *d, int minute);

/* The last minute of the night from `minute` on that has a raw file; -1: none. */
int mergewait_last_raw(const struct mergeday *d, int minute);

/* Notes when raw files are seen for the first time. */
void mergewait_mark(struct mergeday *d);

/* Whether an hour has a raw file in the range that is asked for. */
bool mergewait_any(const struct mergeday *d, int hour);

/* Whether a minute can be merged: its raw file is whole, and its companions are there or have been
 * waited for long enough (which is said). */
bool mergewait_ready(struct mergeday *d, int minute);

/* Whether nothing comes after what is there: the range has an end, or the day is over. */
bool mergewait_no_more(const struct mergeday *d);

/* Whether all of an hour's evidence is there that ever will be: the minutes after it have come. */
bool mergewait_settled(struct mergeday *d, int hour);

/* ---- mergekeep.c ---- */

/* The hour's minutes to be merged: those in range and those that its file holds, where they have a
 * raw file. */
uint64_t mergekeep_wanted(const struct mergeday *d, int hour);

/* Whether an hour that is to be written must stay as it is, because files are away that its file was
 * made of: told when that begins. A closed one is due from then on. */
bool mergekeep_kept(struct mergeday *d, int hour);

/* Before an hour is written. 1: it may be; 0: it is kept. -1: its file cannot be read now, or it
 * would lose minutes of an earlier run by a range that was given. */
int mergekeep_may_write(struct mergeday *d, int hour, const char *path);

/* At the end: 0, or -1 where an hour is not final, or lacks minutes, because it was kept. */
int mergekeep_end(struct mergeday *d);

/* ---- mergereport.c ---- */

/* Replaces the report in one step. */
int mergereport_write(struct mergeday *d);

/* ---- mergeday.c ---- */

void mergeday_say(struct mergeday *d, enum mergeday_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps the sentence and errno. Returns -1. */
int mergeday_failed(struct mergeday *d, const char *why);

/* Steps of the clock inside an hour. */
int mergeday_steps(const struct clock_model *c, int hour);

#endif
