/*
 * cdf_run.h - the netCDF files of one stream: named, created, anchored in time, committed, finished
 *
 * What event files and packet files have in common: global attributes, the marker frames_written,
 * the loss table, the table of anchors that ties the detector's clock to UTC, rotation, and the
 * finished layouts. No wall clock goes into a file.
 */
#ifndef FYKE_CDF_RUN_H
#define FYKE_CDF_RUN_H

#include <stdarg.h>

#include "base/tally.h"
#include "file/cdf.h"
#include "file/pub.h"
#include "stream/card.h"

#define CDF_ANCHORS   256       /* segments that one file has room for */
#define CDF_FLAG_FILL (1 << 16) /* beside EVT_*: a measured value equals the fill value */

enum cdf_names { CDF_NAMES_OWN, CDF_NAMES_TOLTEC, CDF_NAMES_KID };

struct cdf_options {
	const char *path; /* -o, or NULL with dir */
	const char *dir;  /* files named by UT, with a current link */
	int64_t rotate;   /* ns; 0: one file */
	bool overwrite, classic;
	struct cdf_jobs *jobs; /* where finished files wait for another layout, or NULL */
	enum cdf_names names;
	const char *program; /* "raw2nc 0.1.0" */
	const char *input;   /* where the data came from, for the attribute inputs */
	void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

/* A row of the loss table. base: the count when the present file began. */
struct cdf_loss {
	const char *name;
	uint64_t n, base;
};

struct cdf_run {
	const struct cdf_options *o;
	const struct card *card;
	struct cdf_loss *loss; /* the caller's, ended by a NULL name */
	const char *dimension; /* "event" or "time" */
	char tag[16];          /* between the name and .nc: "" or "_s07" */
	size_t block;          /* bytes of rows for one write */
	char why[CDF_WHY];     /* one sentence after -1 */

	bool open;         /* a file is open: what follows is its own */
	bool anchors_full; /* that was said */
	struct pub pub;
	int fd, marker, loss_count, anchor_clock, anchor_time, anchor_first;
	struct cdf *f;
	int64_t day;   /* midnight before the first datum: what time counts from */
	int64_t until; /* when the next file begins; INT64_MAX: never */
	int64_t end;   /* the latest arrival in the file */
	int64_t beat;  /* the latest time that the stream has told without a datum */

	bool no_link;         /* the link to the newest file cannot be made, which was said */
	int64_t segment;      /* of the stream, from 0; -1 before the first */
	int64_t clock0, utc0; /* its anchor */
	int64_t last;         /* UTC of the file's last row: time never goes back in it */
	uint64_t unsafe;      /* rows of closed files that no commit made safe */
};

/* nsources: how many runs there may be at once; they share 8 MiB. */
void cdf_run_init(struct cdf_run *r, const struct cdf_options *o, const struct card *card,
    const char *dimension, struct cdf_loss *loss, unsigned nsources);

/* The head of a new file whose first datum came at `first`: global attributes and the variables
 * above. The caller adds its own and gives it to cdf_run_open(). NULL: out of memory. */
struct cdf_head *cdf_run_head(struct cdf_run *r, int64_t first, uint32_t run);

/* Defines a variable that counts seconds since the file's day. */
int cdf_run_time_var(
    struct cdf_run *r, struct cdf_head *h, const char *name, int dim, const char *long_name);

/* Creates the file and publishes it, so that it can be read while it grows. 0, or -1 with errno. */
int cdf_run_open(struct cdf_run *r, struct cdf_head *h, int64_t first);

/* Whether a datum of this arrival belongs into a new file. */
bool cdf_run_due(const struct cdf_run *r, int64_t arrival);

/* Whether one of the first rows of the loss table tells of something that no file has: the last one
 * was finished before. */
bool cdf_run_untold(const struct cdf_run *r, int rows);

/* The clock starts anew: this reading of it came at this arrival. Before the file is opened that
 * begins with it: a file that begins within a segment takes over the segment's anchor. */
void cdf_run_segment(struct cdf_run *r, int64_t clock, int64_t arrival);

/* UTC of a reading of the device clock, by the card's tie. */
int64_t cdf_run_utc(const struct cdf_run *r, int64_t clock, int64_t arrival);

/* Seconds since the file's day, as the variable time counts. */
double cdf_run_seconds(const struct cdf_run *r, int64_t utc);

/* Room for the next row, or NULL with errno; cdf_run_row_done() counts it in. */
uint8_t *cdf_run_row(struct cdf_run *r);
void cdf_run_row_done(struct cdf_run *r, int64_t arrival);

/* Makes safe what was added. 0, or -1 with errno and why. */
int cdf_run_commit(struct cdf_run *r);

/* Commits, checks, closes, and puts into the line for another layout. Does nothing when no file is
 * open. */
int cdf_run_close(struct cdf_run *r);

/* After the last close, in the accounts: what is held still, or is in a file and not safe, was not
 * written. */
void cdf_run_settle(struct cdf_run *r, struct tally *t, struct tally_item *unwritten);

/* The file now has another tag (a second source has turned up). */
int cdf_run_retag(struct cdf_run *r, const char *tag);

/* Where data come from, for the attribute inputs: a regular file's last name and size. */
char *cdf_run_input(const char *path, int fd, char text[CDF_WHY]);

/* After a failure: closes without another write. */
void cdf_run_drop(struct cdf_run *r);

#endif
