/*
 * hvmon.h - readings of high-voltage boards: seven requests for all channels, and what changed
 */
#ifndef FYKE_HVMON_H
#define FYKE_HVMON_H

#include <stdbool.h>
#include <stdint.h>

#include "hvask.h"
#include "stream/rec.h"

/* A number as the supply printed it. */
struct hvmon_value {
	double v;
	int digits; /* after the point */
};

struct hvmon_channel {
	struct hvmon_value vmon, imon, vset, iset;
	unsigned stat;
	char range[HV_VALUE]; /* IMRANGE: HIGH or LOW; "": the supply does not say */
};

struct hvmon_board {
	bool up; /* what follows is of the last reading */
	int nch;
	struct hvmon_channel ch[HV_CHANNELS];
	bool interlock;
	unsigned alarm;
	int64_t range_due; /* IMRANGE is read once a minute */
};

/* Reads all of a board. Where it fails, b->up is false and hvask_why() says why. */
enum hvask_end hvmon_read(struct hvask *a, int board, struct hvmon_board *b, int64_t now_mono);

/* Readings: "hv" of a channel (tags board, channel, and name when it has one), "hv_board". The
 * strings, in text and outside, must live as long as the reading. */
struct hvmon_text {
	char board[8], channel[8], stat[HV_STAT_TEXT];
};
void hvmon_channel(struct rec *r, struct hvmon_text *text, int64_t time, int board, int channel,
    const struct hvmon_channel *c, const char *name);
void hvmon_board(
    struct rec *r, struct hvmon_text *text, int64_t time, int board, const struct hvmon_board *b);

/* STAT bits that a person should hear of: warnings only when no ramp explains them. */
unsigned hvmon_alarms(unsigned stat);

#endif
