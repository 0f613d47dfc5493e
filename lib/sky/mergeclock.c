/* mergeclock.c - an hour's clock: the model from the edges around it, and what is stored of it */
#include "sky/mergehourin.h"

#include <math.h>
#include <string.h>

#include "sky/clockspan.h"

#define FEW_EDGES 8        /* fewer: evidence is looked for further back */
#define BACK_MAX  (6 * 60) /* minutes */

double mergeclock_seconds(const struct merge_setup *m, int64_t minute)
{
	return 60.0 * (double)(minute - m->day * MINUTE_DAY);
}

int mergeclock_fit(const struct merge_setup *m, int64_t hour, struct clock_model *model)
{
	int64_t from = hour * 60 - MERGE_BEFORE, to = (hour + 1) * 60 + MERGE_AFTER;
	int64_t least = hour * 60 - BACK_MAX, night = (m->day - 1) * MINUTE_DAY;

	least = least > night ? least : night;
	memset(model, 0, sizeof *model);
	if (!m->sync || !m->have_log)
		return 0;
	for (;;) {
		if (clockspan_fit(m->stream, m->cal, m->day, from, to, model) < 0)
			return -1;
		if (model->matched >= FEW_EDGES || from <= least)
			return 0;
		from = from - 60 > least ? from - 60 : least;
	}
}

/* The edges inside the hour: what a picture of the clock shows. */
static int put_edges(struct hour *file, const struct merge_setup *m, const struct merge_hour *r)
{
	static double v[4][HOUR_EDGES];
	double start = mergeclock_seconds(m, r->hour * 60);
	int n = 0, bad = 0;

	for (int i = 0; i < r->clock.nmatches; i++) {
		const struct clock_match *e = &r->clock.match[i];
		if (e->at < start || e->at >= start + 3600)
			continue;
		v[0][n] = e->at - start;
		v[1][n] = e->offset;
		v[2][n] = e->offset - clock_offset(&r->clock, e->at);
		v[3][n++] = e->line;
	}
	for (; n < HOUR_EDGES; n++)
		v[0][n] = v[1][n] = v[2][n] = v[3][n] = (double)NAN;
	for (int k = 0; k < 4 && !bad; k++)
		bad = hour_own(file, (enum hour_own)(HOUR_EDGE_TIME + k), 0, HOUR_EDGES, v[k]);
	return bad;
}

int mergeclock_put(struct hour *file, const struct merge_setup *m, const struct merge_hour *r)
{
	const struct clock_model *c = &r->clock;
	double v[9][HOUR_PIECES], start = mergeclock_seconds(m, r->hour * 60);
	int bad = 0;

	for (int i = 0; i < HOUR_PIECES; i++) {
		for (int k = 0; k < 9; k++)
			v[k][i] = (double)NAN;
		if (i >= c->n)
			continue;
		const struct clock_segment *s = &c->seg[i];
		const double of[9] = {fmax(s->from - start, -1e6), fmin(s->to - start, 1e6),
		    s->first - start, s->last - start, s->centre - start, s->offset, s->rate,
		    s->rms, s->edges};
		for (int k = 0; k < 9; k++)
			v[k][i] = of[k];
	}
	for (int k = 0; k < 9 && !bad; k++)
		bad = hour_own(file, (enum hour_own)(HOUR_CLOCK_FROM + k), 0, HOUR_PIECES, v[k]);
	const double whole[5] = {
	    c->n, c->das_edges, c->log_edges, c->matched, c->matched ? c->rms : (double)NAN};
	return bad || put_edges(file, m, r) || hour_own(file, HOUR_CLOCK_PIECES, 0, 1, &whole[0]) ||
	    hour_own(file, HOUR_CLOCK_DAS_EDGES, 0, 1, &whole[1]) ||
	    hour_own(file, HOUR_CLOCK_LOG_EDGES, 0, 1, &whole[2]) ||
	    hour_own(file, HOUR_CLOCK_MATCHED, 0, 1, &whole[3]) ||
	    hour_own(file, HOUR_CLOCK_RESIDUAL, 0, 1, &whole[4]);
}
