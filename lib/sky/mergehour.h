/*
 * mergehour.h - one hour of a night from its minute files: clock model, pointing at the corrected
 * times, housekeeping, quality, self-checks
 *
 * What an hour's file holds follows from the calspec and the input files of the hour and its
 * surroundings alone: half an hour before (more where edges are few), ten minutes after.
 */
#ifndef FYKE_MERGEHOUR_H
#define FYKE_MERGEHOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "sky/calspec.h"
#include "sky/clockfit.h"
#include "sky/coord.h"
#include "sky/hour.h"
#include "sky/stream.h"

#define MERGE_BEFORE 30 /* minutes of evidence for the clock before an hour */
#define MERGE_AFTER  10 /* and after it */

struct merge_setup {
	const struct calspec *cal;
	struct stream *stream;
	int64_t day; /* days since 1970 */
	int format;
	bool sync, fixut;
	bool have_log, have_enc; /* -h and -e were given */
	struct coord_site site;
};

/* What came of an hour. */
struct merge_hour {
	int64_t hour;     /* since 1970 */
	uint64_t minutes; /* those that were merged */
	bool provisional;
	struct clock_model clock;
	int64_t rails, frames, dropped; /* samples at a rail; frames used; beyond their minute */
	double lst, lst_slope, lst_rms, azel_rms, azel_max;
	enum hour_verdict verdict;
	const char *dut1_source;
	double dut1;          /* s, where a minute's housekeeping has none */
	unsigned quality[60]; /* as minute_quality */
	struct stream_file input[60][STREAM_KINDS];
};

/* Writes the hour whole with the given minutes (bits) and publishes it. The file stays open in
 * *file for hour_begin() when file is not NULL. 0, or -1 with a sentence and errno. */
int mergehour_build(const struct merge_setup *m, int64_t hour, uint64_t minutes, bool provisional,
    const char *path, struct merge_hour *result, struct hour **file, char why[HOUR_WHY]);

/* Writes one minute in place in a published hour. One whose raw file has gone stays as it is. */
int mergehour_minute(const struct merge_setup *m, struct hour *file, int minute,
    struct merge_hour *result, char why[HOUR_WHY]);

#endif
