/*
 * obs.h - observations in merged hours (fyke-merged(5)): found by their number, cut out across the
 * hour boundary
 *
 * Hours are netCDF classic files, as merge writes them; their headers are read by cdf_scan(), which
 * trusts nothing. Seconds are those of the files' time axis, since 1970; second k has the samples
 * rate * k to rate * k + rate - 1.
 */
#ifndef FYKE_OBS_H
#define FYKE_OBS_H

#include <stdbool.h>
#include <stdint.h>

#define OBS_WHY   512
#define OBS_FIELD 40
#define OBS_HOURS 64

struct obs {
	int number;
	int64_t from, to;      /* seconds: the first, and the one after the last */
	int64_t utc, utc_end;  /* the same by the telescope's clock, as near as a second tells */
	char field[OBS_FIELD]; /* the source's name as a folder's: letters, digits, + - _ . */
	int again;             /* 1, 2 ...: the day has this number of this field before */
	bool open;             /* it reaches to the end of what the hours hold */
};

struct obs_hours;

struct obs_hours *obs_new(void); /* NULL with errno */
void obs_free(struct obs_hours *o);

/* Adds an hour, in any order. 0, or -1 with errno and obs_why(): EINVAL where it is none. */
int obs_add(struct obs_hours *o, const char *path);

/* Finds the observations: runs of one number, whatever holes the housekeeping has between; they end
 * where an hour is missing. *list is the caller's to free. How many, or -1. */
int obs_find(struct obs_hours *o, struct obs **list);

/* FIELD/YYMMDD_oNN_raw.nc below dir. -1 with errno when it is too long. */
int obs_path(const struct obs *x, const char *dir, char *path, int size);

/* Writes x with up to `margin` seconds more on each side, as far as the hours reach, to path; its
 * folder is made. 0, or -1 with errno (EEXIST) and obs_why(). */
int obs_slice(
    struct obs_hours *o, const struct obs *x, int64_t margin, const char *path, bool overwrite);

const char *obs_why(const struct obs_hours *o);

#endif
