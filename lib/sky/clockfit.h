/*
 * clockfit.h - the DAS clock against the telescope's, from TTL edges that both saw
 *
 * DAS time minus telescope time is a line in DAS time between steps. Edges of the same line and
 * direction are paired by voting, so neither missing edges nor an offset of minutes matters; each
 * piece is fitted robustly. Times are seconds from any one moment, corrected for the mean delay
 * of their sampling by the caller (an edge is seen on average half a sample late).
 */
#ifndef FYKE_CLOCKFIT_H
#define FYKE_CLOCKFIT_H

#include <stdbool.h>
#include <stddef.h>

#define CLOCK_SEGMENTS 16
#define CLOCK_FAR      900.0 /* s from the nearest edge: beyond it a time is extrapolated */

struct clock_edge {
	double at;
	int line; /* number of the line, twice, plus 1 for a rising edge */
};

struct clock_options {
	double rate;   /* of drift (1 ms/s = 1e-3) where edges are few */
	double search; /* the largest offset looked for, s */
	size_t nhints;
	const double *hint; /* DAS times at which the stream broke: a step between is put there */
};

struct clock_segment {
	double from, to;    /* DAS times for which it holds; the first and last reach to infinity */
	double first, last; /* of its edges */
	double centre, offset, rate; /* DAS minus telescope = offset + rate (u - centre) */
	double rms;
	double spread; /* one sigma of the rate, from its own edges */
	double step;   /* the clock was set back by so much at `to` (negative: forward) */
	int edges;
};

/* An edge that both saw. */
#define CLOCK_MATCHES 1024
struct clock_match {
	double at;     /* DAS time */
	double offset; /* DAS minus telescope, as measured */
	int line;      /* as in struct clock_edge */
};

struct clock_model {
	int n; /* 0: no edges, the offset is taken to be 0 */
	struct clock_segment seg[CLOCK_SEGMENTS];
	int das_edges, log_edges, matched;
	int nmatches; /* the first CLOCK_MATCHES of them, in order of time */
	struct clock_match match[CLOCK_MATCHES];
	double rms; /* of all matched edges */
};

/* Fits; both lists in order of time. 0, or -1 with errno (no memory). */
int clock_fit(const struct clock_edge *das, size_t ndas, const struct clock_edge *log, size_t nlog,
    const struct clock_options *o, struct clock_model *m);

/* DAS minus telescope at DAS time u. */
double clock_offset(const struct clock_model *m, double u);

enum clock_state {
	CLOCK_NONE = 1, /* no edges at all */
	CLOCK_STEP = 2, /* between the edges that bracket a step */
	CLOCK_AWAY =
	    4 /* farther than CLOCK_FAR from any edge, or too far for what few edges tell */
};
int clock_state(const struct clock_model *m, double u);

#endif
