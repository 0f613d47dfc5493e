/*
 * hvlimit.h - the limits file of hvmux: what no client may exceed, channel by channel
 *
 *	[*]			every channel
 *	max-ramp = 100
 *	[0.3]			board 0, channel 3; [0.*] is every channel of board 0
 *	max-volts = 1500
 *	max-microamps = 10
 *	forbidden = no
 *
 * The more special section wins, key by key.
 */
#ifndef FYKE_HVLIMIT_H
#define FYKE_HVLIMIT_H

#include <stdbool.h>

#include "hv.h"

struct hvlimit {
	double volts, microamps, ramp; /* INFINITY: none */
	bool forbidden;
};

struct hvlimits;

/* Reads the file, which must belong to root or to us, and which nobody else may write. NULL with
 * why. */
struct hvlimits *hvlimit_read(const char *path, char why[HV_WHY]);
struct hvlimits *hvlimit_parse(const char *name, const char *text, size_t n, char why[HV_WHY]);
void hvlimit_free(struct hvlimits *l);

/* What holds for a channel; no limit where l is NULL. */
struct hvlimit hvlimit_of(const struct hvlimits *l, int board, int channel);

/* Whether the value of a parameter keeps to the limit: 0, or -1 with why. */
int hvlimit_value(const struct hvlimit *l, enum hv_par par, double v, char why[HV_WHY]);

/* Whether a SET of one channel is allowed: HV_FINE, or the error to answer, with why. */
enum hv_error hvlimit_check(const struct hvlimits *l, const struct hv_request *q, char why[HV_WHY]);

#endif
