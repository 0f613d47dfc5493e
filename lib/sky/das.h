/*
 * das.h - raw minute files of the DAS computer: raw_YYMMDD_MMMM.bin
 *
 * A header that no software uses, then frames of one 16-bit value per channel at the sample rate:
 * 384 channels, 50 Hz, 3000 frames a minute, by the DAS's own clock. Source: Bolocam's own pages on
 * its data; they state neither the header's length nor the byte order, so both are parameters.
 *
 * Minutes are counted since 1970 (minute of the day = minute % 1440).
 */
#ifndef FYKE_DAS_H
#define FYKE_DAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sky/minute.h"

#define DAS_HEADER_MAX 4096 /* longest header that is found by itself */

struct das_format {
	int channels;
	int rate;       /* frames per second */
	bool little;    /* byte order */
	int64_t header; /* bytes before the first frame; -1: found from the size */
};

/* What a file of some size holds. */
struct das_shape {
	size_t header; /* bytes */
	size_t frames; /* whole ones */
	size_t torn;   /* bytes of a frame that was cut */
	size_t want;   /* frames of a whole minute */
};

/* The minute that a file name speaks of, or -1; the name of a minute's file (minute.h). */
int64_t das_minute(const char *name);
char *das_name(int64_t minute, char buf[MINUTE_NAME]);

/* With header -1: what a whole minute leaves over, where that is at most DAS_HEADER_MAX; else the
 * remainder after whole frames, which cannot tell a cut frame from a header. 0, or -1 when the
 * file is shorter than its header. */
int das_shape(const struct das_format *f, size_t size, struct das_shape *s);

/* Takes n values of one channel (0..channels-1) out of `frames` frames, in host order. */
void das_channel(
    const struct das_format *f, const void *frames, size_t n, int channel, int16_t *values);

#endif
