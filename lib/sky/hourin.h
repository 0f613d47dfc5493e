/*
 * hourin.h - the inside of a merged file, shared by its two files
 *
 * hourhead.c which variables it has, and what is said of them
 * hour.c     their values, and when they are safe
 */
#ifndef FYKE_HOURIN_H
#define FYKE_HOURIN_H

#include "sky/hour.h"

#include "file/pub.h"

#define MINUTES  60
#define RAIL_LOW (-32768) /* the fill value of packed shorts: such samples become -32767 */
#define ADC_HALF 32768.0  /* counts of the ADC from 0 to full scale */

struct slot {
	int id; /* in the header; -1 */
	double fill;
};

struct hour {
	struct hour_spec spec;
	struct pub pub;
	int fd;
	struct cdf *cdf;
	char why[HOUR_WHY];
	struct slot own[HOUR_OWN], cal[CAL_VARS];
	int flags, per_minute, bolos; /* flags: id, or -1 */
	uint8_t *scratch;
	size_t room;
	bool published;
};

/* Makes the header, and keeps the variables' numbers. NULL: no memory. */
struct cdf_head *hourhead_define(struct hour *h);

#endif
