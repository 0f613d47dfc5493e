/*
 * obsin.h - the inside of obs, shared by its two files
 *
 * obs.c    hours, and the observations in them
 * obscut.c a slice: an observation with its margin, across the hour boundary
 *
 * Values are copied as they stand in the files, in their packed form; only the time axis is made to
 * go on from one hour to the next.
 */
#ifndef FYKE_OBSIN_H
#define FYKE_OBSIN_H

#include "sky/obs.h"

#include "base/why.h"
#include "file/cdf.h"

#define HOUR  3600 /* seconds, and rows by the second */
#define BLOCK (1 << 20)

struct obs_hour {
	char path[4096];
	int fd;   /* of the file, or of a classic one made of it that lacks the samples */
	int full; /* of one that has them; the same as fd for a classic file; -1: not made yet */
	struct cdf_head *head;
	int64_t start; /* seconds since 1970 */
};

struct obs_hours {
	int n, rate;
	const char *slice; /* what is being written */
	struct obs_hour hour[OBS_HOURS];
	_Alignas(8) uint8_t block[BLOCK];
	char why[OBS_WHY];
};

#define fail(o, error, ...) why_fail((o)->why, sizeof(o)->why, error, __VA_ARGS__)

/* NULL: it has none of this name. */
const struct cdf_var *obs_variable(const struct obs_hour *h, const char *name);

/* The dimension along which a variable goes on from hour to hour (time, onehertz), or NULL. */
const struct cdf_dim *obs_along(const struct cdf_head *d, const struct cdf_var *v);
size_t obs_row_bytes(const struct cdf_head *d, const struct cdf_var *v);

/* Reads n rows from `row` on, as they stand in the file. */
int obs_read_rows(struct obs_hours *o, const struct obs_hour *h, const struct cdf_var *v,
    int64_t row, int64_t n, void *to);

/* Makes the samples of hours first to last readable, and drops those of the others. */
int obs_open_full(struct obs_hours *o, int first, int last);

#endif
