/*
 * encoder.h - the rotator's gear encoder read by itself: an AD4 on a serial port that is opened
 * again whenever it is lost
 */
#ifndef FYKE_ENCODER_H
#define FYKE_ENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/back.h"
#include "base/tty.h"

struct encoder {
	struct tty_spec port;
	double counts; /* a degree of the rotator */
	double zero;   /* count at home */
	char why[TTY_WHY];
	struct tty tty; /* private from here on */
	struct back back;
};

/* DEV[,counts=N][,zero=N]; counts is 4096 in 45 degrees when not given. 0, or -1 with e->why. */
int encoder_parse(const char *text, struct encoder *e);

/* Opens the port where it is not open, and reads the count within patience ns. 0; -1 with e->why,
 * and *wait ns not to ask before; 1: a signal came. */
int encoder_read(struct encoder *e, int64_t patience, int32_t *count, int64_t *wait);

double encoder_angle(const struct encoder *e, int32_t count); /* degrees from home */
void encoder_close(struct encoder *e);

#endif
