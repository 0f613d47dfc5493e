/*
 * rot.h - the rotator's geometry, its states, and how they are written down: pure functions
 *
 * Angles are degrees of the dewar, counter-clockwise (seen from above) positive, 0 at home, where
 * the e-box points about 24 degrees clockwise of due right. Source: Bolocam's own pages; the signs
 * are inferred. The counts per degree are an example's: a motor encoder of 2048 counts a turn and
 * 100 turns of the motor to one of the dewar; a disk of 1024 lines, read four times, on the small
 * wheel of a 512:64 gear.
 */
#ifndef FYKE_ROT_H
#define FYKE_ROT_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/rec.h"

#define ROT_WHY      400
#define ROT_SYMMETRY 60.0 /* the array looks the same after so many degrees */
#define ROT_ROWS     10.7 /* rows at this angle to the scan direction sample best */

struct rot_setup {
	double motor_counts, gear_counts; /* per degree */
	double low, high;                 /* where it may go */
	double fiducial;                  /* of the rows on the sky, at 0 and parallactic angle 0 */
	double lost;                      /* motion lost at a reversal: belt slack and gear play */
};
#define ROT_SETUP_INIT                                                                             \
	{                                                                                          \
		.motor_counts = 204800 / 360., .gear_counts = 4096 / 45., .low = -36, .high = 24,  \
		.fiducial = 70.7, .lost = 0.4                                                      \
	}

/* ---- angles ---- */

bool rot_inside(const struct rot_setup *s, double angle);

/* The equivalent angle in low .. low + 60. */
double rot_reduce(const struct rot_setup *s, double angle);

/* Where the rows stand at 10.7 degrees to scans in position angle pa (degrees from north through
 * east, or from the zenith where parallactic is 0): of the two mirror images the one nearer to now,
 * or to home where now is NaN. By angle on the sky = angle in the array + fiducial + parallactic -
 * rotator, counted from east through south. */
double rot_scan(const struct rot_setup *s, double pa, double parallactic, double now);

/* Degrees from counts since home; the gear's counter has 24 bits and may have wrapped between. */
double rot_motor_angle(const struct rot_setup *s, int64_t count);
double rot_gear_angle(const struct rot_setup *s, int32_t count, int32_t zero);
int64_t rot_motor_count(const struct rot_setup *s, double angle);

/* Whether motor and gear encoder contradict each other: the belt has slipped, or one has lost its
 * count. */
bool rot_slipped(const struct rot_setup *s, double motor_angle, double gear_angle);

/* ---- states ---- */

enum rot_state {
	ROT_UNKNOWN,   /* nothing was heard */
	ROT_NOT_HOMED, /* never, or the position was lost */
	ROT_STILL,     /* homed, at rest */
	ROT_MOVING,
	ROT_NO_POWER, /* a limit was hit, or the power is off */
	ROT_FAULT,    /* stalled, slipped, ... */
	ROT_STATES
};
const char *rot_state_name(enum rot_state s); /* "still" */

struct rot_status {
	int64_t time; /* UTC ns; TIM_NONE: never */
	enum rot_state state;
	bool has_motor, has_gear; /* counts are known */
	bool homed;               /* and what degrees they are */
	int64_t motor_count;      /* raw */
	int32_t gear_count;
	double motor_angle, gear_angle; /* NaN: not known */
	double target;                  /* of the move; NaN: none */
	char why[ROT_WHY];              /* a sentence where the state is no good one */
};

/* A reading (rotator,name=NAME motor_count=...i,...). What is not known is left out of a line. The
 * strings are name's and s's. */
void rot_record(struct rec *r, const char *name, const struct rot_status *s);

/* The same for a person: "still at 10.70 degrees". Returns buf. */
char *rot_sentence(const struct rot_status *s, char buf[ROT_WHY]);

#endif
