/*
 * mergehourin.h - the inside of one merged hour, shared by its files
 *
 * mergeclock.c the clock's model: fitted to the edges around the hour, stored with it
 * mergelog.c   the pointing log at the corrected time of each sample
 * mergehk.c    housekeeping by the second, the source's apparent place, UT1-UTC
 * mergecheck.c the self-checks and their verdict
 * mergehour.c  minutes and holes, and the hour as a whole
 *
 * Times are seconds since the midnight that begins the day. What is put goes into the file, and
 * returns 0 or -1, as the functions of hour.h do.
 */
#ifndef FYKE_MERGEHOURIN_H
#define FYKE_MERGEHOURIN_H

#include "sky/mergehour.h"

#define DEG    (M_PI / 180)
#define ARCSEC (DEG / 3600)

/* The two records of the log around a sample, and how far between them it lies, 0 to 1. */
struct around {
	struct plog_rec a, b;
	float f;
	bool have, gap; /* gap: records are missing between them */
};

/* What is worked on while a minute is written. */
struct minute_work {
	const struct merge_setup *m;
	struct hour *file;
	struct merge_hour *r;
	int64_t minute; /* since 1970 */
	int first;      /* sample of the hour */
	int n;          /* samples of a minute */
	double *t;      /* corrected time of each */
	double *v;      /* values on their way out */
	int *quality;
	struct around *at;
};

/* Sums for the checks, over an hour. */
struct check_sums {
	double n, d, dd, h, hh, hd; /* LST: its difference in s, and hours */
	double k, ss, max;          /* az/el: arcsec */
	double offsets;             /* arcsec: the largest static ones */
};

/* ---- mergeclock.c ---- */

double mergeclock_seconds(const struct merge_setup *m, int64_t minute);

/* The model of an hour from the edges around it; -1: no memory. */
int mergeclock_fit(const struct merge_setup *m, int64_t hour, struct clock_model *model);
int mergeclock_put(struct hour *file, const struct merge_setup *m, const struct merge_hour *r);

/* ---- mergelog.c ---- */

/* Finds the records around each sample, and marks in quality what has none. */
void mergelog_take(struct minute_work *w);
int mergelog_put(struct minute_work *w);

/* A field at a sample that has records, in the log's units. */
double mergelog_field(const struct around *at, enum plog_field f);

/* Whether both records have RA and Dec. */
bool mergelog_celestial(const struct around *at);

/* ---- mergehk.c ---- */

/* The rows of a minute's 60 nominal seconds, each the one of its corrected second; marks in quality
 * what has none. */
void mergehk_take(struct minute_work *w, struct hk_row row[60], bool have[60]);
int mergehk_put(struct minute_work *w, const struct hk_row row[60], const bool have[60]);

/* The first row that is there, or NULL. */
const struct hk_row *mergehk_any(const struct hk_row row[60], const bool have[60]);

/* UT1-UTC, s: of the hour, where it is from; of a row (or NULL), else the hour's. */
void mergehk_find_dut1(const struct merge_setup *m, int64_t hour, struct merge_hour *r);
double mergehk_dut1(const struct merge_hour *r, const struct hk_row *row);

/* ---- mergecheck.c ---- */

/* Adds a minute to the sums; row: one of its housekeeping, or NULL. */
void mergecheck_minute(const struct minute_work *w, const struct hk_row *row, struct check_sums *s);
void mergecheck_judge(struct merge_hour *r, const struct check_sums *s);
int mergecheck_put(struct hour *file, const struct merge_hour *r);

#endif
