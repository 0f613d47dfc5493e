/*
 * hour.h - a merged file: one hour of UT at the DAS's nominal times, netCDF classic (CDF-2), of
 * fixed size (fyke-merged(5))
 *
 * Created under a temporary name, all 60 minutes written (data, or fill values), then published.
 * A published one stays open for minutes that come later: hour_begin() takes minute_state away,
 * hour_end() sets it again, each after all that went before is on the disk.
 */
#ifndef FYKE_HOUR_H
#define FYKE_HOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "sky/calspec.h"

#define HOUR_WHY    512
#define HOUR_TEXT   32 /* char_len */
#define HOUR_PIECES 16
#define HOUR_EDGES  1024

/* Variables that every merged file has, whatever the specification. */
enum hour_own {
	HOUR_SAMPLE_INTERVAL,
	HOUR_FRAMES_WRITTEN,
	HOUR_OBS_MODE,
	HOUR_TIME,
	HOUR_UT,
	HOUR_JD,
	HOUR_TIME_OFFSET,
	HOUR_QUALITY,
	HOUR_RA_APPARENT,
	HOUR_DEC_APPARENT,
	HOUR_MINUTE_STATE,
	HOUR_MINUTE_QUALITY,
	HOUR_RAW_SIZE,
	HOUR_RAW_CRC,
	HOUR_LOG_SIZE,
	HOUR_LOG_CRC,
	HOUR_ENC_SIZE,
	HOUR_ENC_CRC,
	HOUR_CLOCK_PIECES,
	HOUR_CLOCK_FROM,
	HOUR_CLOCK_TO,
	HOUR_CLOCK_FIRST,
	HOUR_CLOCK_LAST,
	HOUR_CLOCK_CENTRE,
	HOUR_CLOCK_OFFSET,
	HOUR_CLOCK_RATE,
	HOUR_CLOCK_RMS,
	HOUR_CLOCK_EDGES,
	HOUR_EDGE_TIME,
	HOUR_EDGE_OFFSET,
	HOUR_EDGE_RESIDUAL,
	HOUR_EDGE_LINE,
	HOUR_CLOCK_DAS_EDGES,
	HOUR_CLOCK_LOG_EDGES,
	HOUR_CLOCK_MATCHED,
	HOUR_CLOCK_RESIDUAL,
	HOUR_CHECK_LST,
	HOUR_CHECK_LST_SLOPE,
	HOUR_CHECK_LST_RMS,
	HOUR_CHECK_AZEL_RMS,
	HOUR_CHECK_AZEL_MAX,
	HOUR_CHECK_VERDICT,
	HOUR_OWN
};

/* Bits of quality(time). */
enum hour_quality {
	HOUR_NO_RAW = 1,
	HOUR_NO_POINTING = 2,
	HOUR_INTERPOLATED = 4, /* over missing records of the log */
	HOUR_NO_HOUSEKEEPING = 8,
	HOUR_NO_EDGES = 16,
	HOUR_CLOCK_STEP = 32,
	HOUR_EXTRAPOLATED = 64,
	HOUR_DUPLICATE = 128,
	HOUR_STALE = 256
};

enum hour_verdict { HOUR_UNCHECKED, HOUR_GOOD, HOUR_SUSPECT };

struct hour_spec {
	const struct calspec *cal;
	int64_t hour; /* since 1970 */
	int format;   /* merge -ff */
	bool sync, fixut;
	const char *dut1_source;
};

struct hour;

/* path is the final name; nothing appears there before hour_publish(). NULL with a sentence. */
struct hour *hour_create(const struct hour_spec *spec, const char *path, char why[HOUR_WHY]);

/* Frees; an unpublished file is taken away. */
void hour_close(struct hour *h);

const char *hour_why(const struct hour *h); /* the sentence after -1 */
const char *hour_path(const struct hour *h);
int hour_fd(const struct hour *h);

/* n values from index `first` on: NAN is the fill value. own: one of enum hour_own; cal: number
 * of a variable of the specification (log and hk ones). 0 or -1. */
int hour_own(struct hour *h, enum hour_own var, int64_t first, int64_t n, const double *values);
int hour_cal(struct hour *h, int var, int64_t first, int64_t n, const double *values);
int hour_text(struct hour *h, int var, int64_t first, int64_t n, const char (*text)[HOUR_TEXT]);

/* All das variables of minute 0..59, and flags: n frames, then fill. Returns 0 or -1; *rails
 * counts values at a rail of the ADC. */
int hour_das(struct hour *h, int minute, const uint8_t *frames, int n, int64_t *rails);

/* Syncs, checks the whole file again, and gives it its name in place of an older one. */
int hour_publish(struct hour *h);

/* Around a minute that is written in place: both come back when the disk has it. */
int hour_begin(struct hour *h, int minute);
int hour_end(struct hour *h, int minute, int64_t frames_written);

/* Which minutes an earlier file of this name holds, none where it is not there or damaged, and
 * whether any of them is provisional. 0, or -1 with a sentence and errno: this machine cannot read
 * it now (netCDF-4 needs a temporary file). */
int hour_minutes(const char *path, uint64_t *minutes, bool *provisional, char why[HOUR_WHY]);

/* YYYYMMDD_HH.nc. Returns buf. */
char *hour_name(int64_t hour, char buf[32]);

#endif
