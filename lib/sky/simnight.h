/*
 * simnight.h - a made-up night for simdas and simtel: sources, scans, weather, and a DAS clock
 * that drifts and is stepped as on the 90 nights whose fits bgpspipeline publishes
 * (precise_scans_offset_*.txt)
 *
 * Everything follows from a seed and a start: two programs with the same two see the same sky.
 * It uses ERFA directly and none of the modules that the simulators test.
 */
#ifndef FYKE_SIMNIGHT_H
#define FYKE_SIMNIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define NIGHT_SEGMENTS 6

/* The DAS clock: in segment k, DAS time minus UTC = offset + rate (t - start), all in seconds. */
struct night_segment {
	double from;   /* DAS seconds since the start: whole minutes but for the first */
	double offset; /* at DAS second 0 */
	double rate;
};

enum night_phase { NIGHT_SLEW, NIGHT_TRACK, NIGHT_SCAN, NIGHT_TURN, NIGHT_IDLE };

struct night_event { /* what the telescope does from `at` on */
	double at;   /* seconds since the start */
	enum night_phase phase;
	int source, obs;
	double x0, x1, y0, y1; /* offsets at its begin and end, arcsec */
};

struct night_line { /* a TTL line's edge */
	double at;
	int line; /* bit of `lines` below */
};

/* Bits of night_state.lines. */
enum {
	NIGHT_ACQUIRED = 1,
	NIGHT_TRACKING = 2,
	NIGHT_ROTATE = 4,
	NIGHT_NEWOBS = 8,
	NIGHT_BUSY = 16
};

struct night;

struct night_options {
	uint64_t seed;
	int64_t start;       /* UTC ns, a whole minute */
	double length;       /* s */
	double extra_offset; /* s, added to the DAS clock's offset */
	int steps;           /* of the DAS clock: -1: as the nights had them */
	bool no_drift;
};
struct night *night_new(const struct night_options *o); /* NULL: out of memory */
void night_free(struct night *n);

struct night_state {
	double lst, ra;         /* hours, apparent */
	double dec, pa, az, el; /* degrees */
	double x, y, eaz, eel;  /* arcsec */
	bool celestial, tracking, acquired, scanning, transited;
	unsigned lines;
	int source, obs;
	double rotangle; /* degree */
};

/* At t seconds since the start (may lie before it). */
void night_at(struct night *n, double t, struct night_state *s);

struct night_source {
	const char *name;
	int type;        /* 0 alt-az, 1 J2000, 2 galactic, 3 apparent, 4 B1950 */
	double lon, lat; /* in its own frame, degrees */
	double epoch;
	double ra_app, dec_app; /* apparent of that night, hours and degrees */
};
const struct night_source *night_source(const struct night *n, int i);

struct night_weather {
	double tau, temperature, humidity, pressure, wind;
};
void night_weather(const struct night *n, double t, struct night_weather *w);

double night_dut1(const struct night *n);
int night_leap(const struct night *n); /* TAI-UTC, s */

/* ---- the DAS clock ---- */

int night_segments(const struct night *n, const struct night_segment **s);

/* The segment that the file of DAS minute m (since the start) begins in. */
int night_segment_of(const struct night *n, int64_t m);

/* True time (s since the start) of DAS time u in segment k, and back. */
double night_true(const struct night *n, int k, double u);
double night_das(const struct night *n, int k, double t);

/* Frames in the file of DAS minute m: fewer or more than 3000 when the clock was stepped in it. */
int night_frames(const struct night *n, int64_t m, int rate);

/* Edges of the TTL lines, in order of time. */
int night_edges(const struct night *n, const struct night_line **e);

/* The night's first minute as --utc says it: a whole minute, or "now", the minute that is now; with
 * that the night's time is the real one, and *speed is 1 where it was 0. *begun is when that minute
 * began (tim_mono). 0, or -1: it is neither. */
int night_start(const char *text, int64_t *start, int64_t *begun, double *speed);

/* Whether a list of minutes of the day, "480,483-485", is well made, and holds one. */
bool night_list_good(const char *list);
bool night_listed(const char *list, int64_t minute);

#endif
