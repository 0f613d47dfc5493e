/*
 * lecroy.h - LeCroy waveforms, template LECROY_2_3: what Cn:WF? ALL answers, and what a .trc holds
 *
 *	#9nnnnnnnnn  WAVEDESC  USER_TEXT  RES_DESC1  TRIGTIME  RIS_TIME  RES_ARRAY1  DATA1  DATA2
 *
 * A block header with the number of bytes, a descriptor of 346 bytes, and arrays whose lengths
 * stand in the descriptor. Nothing that it says is believed before it has been compared with what
 * is there.
 *
 * Source: LeCroy remote control manual WM-RCM-E, appendix II; TMPL? of an instrument.
 */
#ifndef FYKE_LECROY_H
#define FYKE_LECROY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LECROY_DESC   346 /* bytes of the descriptor */
#define LECROY_HEADER 11  /* bytes of "#9nnnnnnnnn" */

enum lecroy_bad {
	LECROY_OK,
	LECROY_NO_BLOCK, /* no "#" where a block should begin */
	LECROY_SHORT,    /* fewer bytes than the block header or the descriptor says */
	LECROY_NO_DESC,  /* no WAVEDESC */
	LECROY_TEMPLATE, /* another template than LECROY_2_x */
	LECROY_ENUM,     /* COMM_TYPE or COMM_ORDER is neither 0 nor 1 */
	LECROY_LENGTH,   /* a length is negative */
	LECROY_POINTS,   /* the number of points does not fit the length of the data */
	LECROY_SEGMENTS, /* segments of unequal length, or trigger times are missing */
	LECROY_NUMBER,   /* gain, offset or a time is no finite number */
	LECROY_DATE,     /* the trigger time is no date */
	LECROY_KIND      /* not samples over time (histogram, complex, interleaved) */
};
const char *lecroy_text(enum lecroy_bad bad);

/* Finds the block in a reply: after a prefix of at most 64 bytes ("C1:WF ALL,") the "#" and its
 * digits. *start is where its content begins and *n how long it is; of the form "#0" it is what
 * is there. The content may be followed by a line end, which is not part of it. */
enum lecroy_bad lecroy_block(const void *reply, size_t size, size_t *start, size_t *n);

/* The same from the first bytes of a reply: *n may be more than is there; SIZE_MAX for "#0".
 * LECROY_SHORT: more bytes are needed to tell. */
enum lecroy_bad lecroy_header(const void *reply, size_t size, size_t *start, size_t *n);

struct lecroy {
	bool words;  /* 16 bits a sample; else 8 */
	bool little; /* byte order */
	char instrument[17], label[17];
	int32_t serial;
	size_t points;       /* in all segments */
	size_t segments;     /* at least 1 */
	size_t length;       /* points of one segment */
	size_t wanted;       /* segments that were asked for; 0: not told */
	double gain, offset; /* volts = gain * raw - offset */
	double low, high;    /* raw values at the edges of the range */
	double dx;           /* s between samples */
	double x0;           /* s from the trigger to the first sample, without segments */
	char yunit[49], xunit[49];
	int year, month, day, hour, minute; /* of the trigger, by the instrument's own clock */
	double second;
	int source;                  /* 0 to 3: C1 to C4; others: something else */
	const uint8_t *data, *times; /* in the caller's block; times: NULL without segments */
	const uint8_t *desc;
};

/* Reads the content of a block of n bytes, which must stay as long as l is used. */
enum lecroy_bad lecroy_decode(struct lecroy *l, const void *block, size_t n);

/* Seconds from the first segment's trigger to this one's; from this one's trigger to its first
 * sample. */
double lecroy_trigger(const struct lecroy *l, size_t segment);
double lecroy_first(const struct lecroy *l, size_t segment);

/* A raw sample. */
int lecroy_raw(const struct lecroy *l, size_t point);

/* The samples of a segment in volts (or what yunit says), l->length of them. Returns how many
 * are at or beyond the edges of the range. */
size_t lecroy_volts(const struct lecroy *l, size_t segment, float *to);

/* Whether both are of one trigger: the same time to the last bit, as many segments, the same times
 * of each. */
bool lecroy_same_trigger(const struct lecroy *a, const struct lecroy *b);

#endif
