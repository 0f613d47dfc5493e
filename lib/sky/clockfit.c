/*
 * clockfit.c - the DAS clock against the telescope's
 *
 * 1. Candidate lines: all pairs of like edges vote for an offset; the best line takes its edges
 *    out, and the rest vote again. 2. The cheapest way through time over these lines, where a
 *    change of line costs as much as some unmatched edges, says where the steps are. 3. Each piece
 *    is fitted again, with the rate of the best known piece as a weak prior.
 */
#include "sky/clockfit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX   24
#define COARSE      0.25  /* s, bins of the first vote */
#define FINE        0.010 /* s, bins of the second */
#define FINE_BINS   400
#define TOLERANCE   0.025 /* s: an edge belongs to a line (one DAS sample and one of the log) */
#define RATES       33
#define RATE_STEP   10e-6
#define MIN_EDGES   4      /* for a line */
#define STEP_COST   3.5    /* in unmatched edges */
#define SIGMA       6.5e-3 /* s: 20 ms and 10 ms of sampling */
#define PRIOR_RATE  40e-6  /* spread of rates before anything is known */
#define PRIOR_NIGHT 3e-6   /* and once the night's is */
#define LEAST_SPAN  1200.0 /* s: a piece this long knows its rate, */
#define LEAST_EDGES 20     /* if it has so many */
#define PIECE_LEAST 3      /* edges of a piece */
#define OUTLIER     0.020  /* s: an edge farther from a fitted piece is none of it (3 SIGMA) */
#define SLACK       0.05   /* s around a step: the DAS samples each 20 ms */
#define CERTAIN     3.5    /* sigmas */
#define WORST       0.010  /* s: where the error may be larger, the time is flagged */

struct pair {
	int i;    /* DAS edge */
	int j;    /* log edge */
	double d; /* offset, less the expected drift */
};

struct line {
	double offset, rate; /* at the centre */
};

struct work {
	const struct clock_edge *das, *log;
	int ndas, nlog;
	const struct clock_options *o;
	double centre;
	struct pair *pair;
	int npairs, room;
	bool *das_used, *log_used;
	int *last; /* per bin: the DAS edge that voted last */
	int *votes;
	int nbins;
	struct line line[LINES_MAX];
	int nlines;
	int *state;          /* line of each DAS edge */
	unsigned char *from; /* back pointers, ndas x nlines */
};

/* ---- pairs and votes ---- */

static int add_pair(struct work *w, struct pair p)
{
	if (w->npairs == w->room) {
		w->room = w->room ? 2 * w->room : 4096;
		struct pair *more = realloc(w->pair, (size_t)w->room * sizeof *more);
		if (!more)
			return -1;
		w->pair = more;
	}
	w->pair[w->npairs++] = p;
	return 0;
}

static int make_pairs(struct work *w)
{
	int lo = 0;

	for (int i = 0; i < w->ndas; i++) {
		const struct clock_edge *a = &w->das[i];
		while (lo < w->nlog && w->log[lo].at < a->at - w->o->search)
			lo++;
		for (int j = lo; j < w->nlog && w->log[j].at <= a->at + w->o->search; j++) {
			double d = a->at - w->log[j].at - w->o->rate * (a->at - w->centre);
			if (w->log[j].line == a->line && add_pair(w, (struct pair){i, j, d}) < 0)
				return -1;
		}
	}
	return 0;
}

static bool is_free(const struct work *w, const struct pair *p)
{
	return !w->das_used[p->i] && !w->log_used[p->j];
}

static int bin_of(const struct work *w, double d)
{
	int b = (int)floor((d + w->o->search + 2) / COARSE);

	return b < 0 ? 0 : b >= w->nbins ? w->nbins - 1 : b;
}

/* One vote per DAS edge and bin; each pair also votes for the bin before, so that a bin stands
 * for two. Of equal ones the bin nearest to offset 0 wins. */
static bool coarse_peak(struct work *w, double *d)
{
	int best = -1;

	memset(w->votes, 0, (size_t)w->nbins * sizeof *w->votes);
	for (int b = 0; b < w->nbins; b++)
		w->last[b] = -1;
	for (int k = 0; k < w->npairs; k++) {
		const struct pair *p = &w->pair[k];
		if (!is_free(w, p))
			continue;
		int b = bin_of(w, p->d);
		for (int c = b > 0 ? b - 1 : 0; c <= b; c++)
			if (w->last[c] != p->i) {
				w->last[c] = p->i;
				w->votes[c]++;
			}
	}
	int zero = bin_of(w, 0);
	for (int b = 0; b < w->nbins; b++)
		if (w->votes[b] >= MIN_EDGES &&
		    (best < 0 || w->votes[b] > w->votes[best] ||
			(w->votes[b] == w->votes[best] && abs(b - zero) < abs(best - zero))))
			best = b;
	if (best < 0)
		return false;
	w->votes[best] = 0; /* not again, should it lead to nothing */
	*d = (best + 1) * COARSE - w->o->search - 2;
	return true;
}

/* Among lines within a second of the coarse peak, the one on which most pairs lie. */
static int fine_peak(const struct work *w, double d0, struct line *l)
{
	int best = 0;

	for (int r = 0; r < RATES; r++) {
		/* 0, +1, -1, +2 ...: the expected rate first */
		double rate = RATE_STEP * (r % 2 ? (r + 1) / 2 : -r / 2);
		int votes[FINE_BINS] = {0}, last[FINE_BINS];
		memset(last, 0xff, sizeof last);
		for (int k = 0; k < w->npairs; k++) {
			const struct pair *p = &w->pair[k];
			double e = p->d - d0 - rate * (w->das[p->i].at - w->centre);
			int b = (int)floor(e / FINE) + FINE_BINS / 2;
			if (b < 1 || b >= FINE_BINS || !is_free(w, p))
				continue;
			for (int c = b - 1; c <= b; c++)
				if (last[c] != p->i) {
					last[c] = p->i;
					votes[c]++;
				}
		}
		for (int b = 0; b < FINE_BINS; b++)
			if (votes[b] > best) {
				best = votes[b];
				l->offset = d0 + (b + 1 - FINE_BINS / 2) * FINE;
				l->rate = w->o->rate + rate;
			}
	}
	return best;
}

static double at_line(const struct work *w, const struct line *l, double u)
{
	return l->offset + l->rate * (u - w->centre);
}

/* ---- least squares ---- */

/* A line through points with a prior on its rate. */
struct sums {
	double n, x, y, xx, xy;
};

static void add_point(struct sums *s, double x, double y)
{
	s->n++;
	s->x += x;
	s->y += y;
	s->xx += x * x;
	s->xy += x * y;
}

static double weight(double spread)
{
	return SIGMA * SIGMA / (spread * spread);
}

static void solve(const struct sums *s, double rate, double spread, double *mean, double *slope)
{
	double k = weight(spread);
	double sxx = s->xx - s->x * s->x / s->n, sxy = s->xy - s->x * s->y / s->n;

	*slope = (sxy + k * rate) / (sxx + k);
	*mean = (s->y - *slope * s->x) / s->n; /* at x = 0 */
}

/* One sigma of the rate by the points alone, and a fit whose prior gives way where they are sure
 * that it is wrong. */
static double solve_piece(
    const struct sums *s, double rate, double spread, double *mean, double *slope)
{
	double sxx = s->xx - s->x * s->x / s->n;
	double own = SIGMA / sqrt(sxx + weight(PRIOR_RATE));

	solve(s, rate, PRIOR_RATE, mean, slope);
	if (fabs(*slope - rate) < CERTAIN * hypot(own, spread))
		solve(s, rate, spread, mean, slope);
	return own;
}

/* The pair of DAS edge i that lies nearest to the line and is not taken; pairs of one edge stand
 * together. NULL when none is within the tolerance. */
static const struct pair *nearest(
    const struct work *w, int first, int i, const struct line *l, double tolerance, bool free_only)
{
	const struct pair *best = NULL;
	double least = tolerance;

	for (int k = first; k < w->npairs && w->pair[k].i == i; k++) {
		const struct pair *p = &w->pair[k];
		double u = w->das[i].at;
		double e = fabs(p->d + w->o->rate * (u - w->centre) - at_line(w, l, u));
		if (e <= least && (!free_only || is_free(w, p))) {
			least = e;
			best = p;
		}
	}
	return best;
}

static int refine(const struct work *w, struct line *l, double tolerance)
{
	struct sums s = {0};

	for (int k = 0; k < w->npairs;) {
		int i = w->pair[k].i;
		const struct pair *p = nearest(w, k, i, l, tolerance, true);
		double x = w->das[i].at - w->centre;
		if (p)
			add_point(&s, x, w->das[i].at - w->log[p->j].at);
		while (k < w->npairs && w->pair[k].i == i)
			k++;
	}
	if (s.n > 0)
		solve(&s, l->rate, PRIOR_RATE, &l->offset, &l->rate);
	return (int)s.n;
}

static void use_up(struct work *w, const struct line *l)
{
	for (int k = 0; k < w->npairs;) {
		int i = w->pair[k].i;
		const struct pair *p = nearest(w, k, i, l, TOLERANCE, true);
		if (p)
			w->das_used[i] = w->log_used[p->j] = true;
		while (k < w->npairs && w->pair[k].i == i)
			k++;
	}
}

static void find_lines(struct work *w)
{
	double d0;

	while (w->nlines < LINES_MAX && coarse_peak(w, &d0)) {
		struct line l;
		if (fine_peak(w, d0, &l) < MIN_EDGES)
			return;
		for (int turn = 0; turn < 4; turn++)
			refine(w, &l, turn < 2 ? 1.5 * TOLERANCE : TOLERANCE);
		if (refine(w, &l, TOLERANCE) < MIN_EDGES)
			return;
		w->line[w->nlines++] = l;
		use_up(w, &l);
	}
}

/* ---- the way through time ---- */

static double cost(const struct work *w, int first, int i, int line)
{
	return nearest(w, first, i, &w->line[line], TOLERANCE, false) ? 0 : 1;
}

static void choose_states(struct work *w)
{
	double best[LINES_MAX] = {0}, next[LINES_MAX];
	int k = 0;

	for (int i = 0; i < w->ndas; i++) {
		int first = k, cheapest = 0;
		while (k < w->npairs && w->pair[k].i == i)
			k++;
		for (int l = 1; l < w->nlines; l++)
			if (best[l] < best[cheapest])
				cheapest = l;
		for (int l = 0; l < w->nlines; l++) {
			bool stay = best[l] <= best[cheapest] + STEP_COST;
			w->from[i * w->nlines + l] = (unsigned char)(stay ? l : cheapest);
			next[l] = (stay ? best[l] : best[cheapest] + STEP_COST) +
			    (k > first ? cost(w, first, i, l) : 0);
		}
		memcpy(best, next, sizeof best);
	}
	int l = 0;
	for (int j = 1; j < w->nlines; j++)
		if (best[j] < best[l])
			l = j;
	for (int i = w->ndas - 1; i >= 0; i--) {
		w->state[i] = l;
		l = w->from[i * w->nlines + l];
	}
}

/* ---- pieces ---- */

/* Fits the edges a..b-1 that are matched on their line; false when there are too few. */
static bool fit_piece(
    struct work *w, int a, int b, double rate, double spread, struct clock_segment *s)
{
	struct line l = w->line[w->state[a]];
	double mid = 0;
	int n = 0, k0 = 0;

	while (k0 < w->npairs && w->pair[k0].i < a)
		k0++;
	for (int i = a, k = k0; i < b; i++) {
		while (k < w->npairs && w->pair[k].i < i)
			k++;
		if (nearest(w, k, i, &l, TOLERANCE, false)) {
			mid += w->das[i].at;
			if (n++ == 0)
				s->first = w->das[i].at;
			s->last = w->das[i].at;
		}
	}
	if (n < PIECE_LEAST)
		return false;
	mid /= n;
	double ssq = 0;
	for (int turn = 0; turn < 3; turn++) {
		struct sums sum = {0};
		double limit = turn == 0 ? TOLERANCE : OUTLIER;
		ssq = 0;
		for (int i = a, k = k0; i < b; i++) {
			while (k < w->npairs && w->pair[k].i < i)
				k++;
			const struct pair *p = nearest(w, k, i, &l, limit, false);
			if (!p)
				continue;
			double d = w->das[i].at - w->log[p->j].at,
			       e = d - at_line(w, &l, w->das[i].at);
			add_point(&sum, w->das[i].at - mid, d);
			ssq += e * e;
		}
		if (sum.n < PIECE_LEAST)
			return false;
		double at_mid;
		s->spread = solve_piece(&sum, rate, spread, &at_mid, &l.rate);
		l.offset = at_mid + l.rate * (w->centre - mid);
		n = (int)sum.n;
		s->offset = at_mid;
	}
	s->centre = mid;
	s->rate = l.rate;
	s->rms = sqrt(ssq / n);
	s->edges = n;
	return true;
}

static double offset_of(const struct clock_segment *s, double u)
{
	return s->offset + s->rate * (u - s->centre);
}

/* Between which DAS times the step behind a piece lies. After a clock was set back it shows the
 * same times again: the last edges before the step may bear later times than the first after it. */
static double bracket_from(const struct clock_segment *s)
{
	double a = s->last - (s->step > 0 ? s->step : 0);

	return a < s[1].first ? a : s[1].first;
}

static double bracket_to(const struct clock_segment *s)
{
	return s->last > s[1].first ? s->last : s[1].first;
}

static double in_bracket(const struct clock_options *o, double a, double b)
{
	double at = (a + b) / 2;
	int inside = 0;

	for (size_t i = 0; i < o->nhints; i++)
		if (o->hint[i] > a - SLACK && o->hint[i] < b + SLACK) {
			at = o->hint[i];
			inside++;
		}
	return inside == 1 ? at : (a + b) / 2;
}

static void fit_pieces(struct work *w, struct clock_model *m, double rate, double spread)
{
	m->n = 0;
	for (int a = 0, b; a < w->ndas && m->n < CLOCK_SEGMENTS; a = b) {
		for (b = a + 1; b < w->ndas && w->state[b] == w->state[a]; b++)
			;
		if (fit_piece(w, a, b, rate, spread, &m->seg[m->n]))
			m->n++;
	}
	for (int k = 0; k < m->n; k++) {
		struct clock_segment *s = &m->seg[k];
		s->from = k ? s[-1].to : -HUGE_VAL;
		s->to = HUGE_VAL;
		if (k + 1 == m->n)
			continue;
		double between = (s->last + s[1].first) / 2;
		s->step = offset_of(s, between) - offset_of(&s[1], between);
		s->to = in_bracket(w->o, bracket_from(s), bracket_to(s));
	}
}

/* The pairs on which the model rests. */
static void list_matches(const struct work *w, struct clock_model *m)
{
	for (int k = 0; k < w->npairs && m->nmatches < CLOCK_MATCHES;) {
		int i = w->pair[k].i;
		double u = w->das[i].at;
		struct line l = {.offset = clock_offset(m, u), .rate = 0};
		const struct pair *p = nearest(w, k, i, &l, TOLERANCE, false);
		if (p && m->n)
			m->match[m->nmatches++] =
			    (struct clock_match){u, u - w->log[p->j].at, w->das[i].line};
		while (k < w->npairs && w->pair[k].i == i)
			k++;
	}
}

static void fit_all(struct work *w, struct clock_model *m)
{
	fit_pieces(w, m, w->o->rate, PRIOR_RATE);
	int best = -1;
	for (int k = 0; k < m->n; k++) {
		const struct clock_segment *s = &m->seg[k];
		if (s->last - s->first > LEAST_SPAN && s->edges >= LEAST_EDGES &&
		    (best < 0 || s->last - s->first > m->seg[best].last - m->seg[best].first))
			best = k;
	}
	if (best >= 0 && m->n > 1)
		fit_pieces(w, m, m->seg[best].rate, PRIOR_NIGHT);
	double ssq = 0;
	for (int k = 0; k < m->n; k++) {
		m->matched += m->seg[k].edges;
		ssq += m->seg[k].edges * m->seg[k].rms * m->seg[k].rms;
	}
	m->rms = m->matched ? sqrt(ssq / m->matched) : 0;
	list_matches(w, m);
}

static bool make_room(struct work *w)
{
	w->nbins = (int)ceil((2 * w->o->search + 4) / COARSE) + 1;
	w->das_used = calloc((size_t)w->ndas, sizeof *w->das_used);
	w->log_used = calloc((size_t)w->nlog, sizeof *w->log_used);
	w->state = calloc((size_t)w->ndas, sizeof *w->state);
	w->last = calloc((size_t)w->nbins, sizeof *w->last);
	w->votes = calloc((size_t)w->nbins, sizeof *w->votes);
	return w->das_used && w->log_used && w->state && w->last && w->votes;
}

int clock_fit(const struct clock_edge *das, size_t ndas, const struct clock_edge *log, size_t nlog,
    const struct clock_options *o, struct clock_model *m)
{
	struct work w = {.das = das, .log = log, .ndas = (int)ndas, .nlog = (int)nlog, .o = o};
	int bad = 0;

	memset(m, 0, sizeof *m);
	m->das_edges = (int)ndas;
	m->log_edges = (int)nlog;
	if (ndas == 0 || nlog == 0)
		return 0;
	w.centre = (das[0].at + das[ndas - 1].at) / 2;
	if (!make_room(&w) || make_pairs(&w) < 0) {
		bad = -1;
	} else {
		find_lines(&w);
		w.from = w.nlines ? malloc(ndas * (size_t)w.nlines) : NULL;
		bad = w.nlines && !w.from ? -1 : 0;
		if (w.from) {
			choose_states(&w);
			fit_all(&w, m);
		}
	}
	free(w.pair);
	free(w.das_used);
	free(w.log_used);
	free(w.last);
	free(w.votes);
	free(w.state);
	free(w.from);
	return bad;
}

/* ---- using the model ---- */

static const struct clock_segment *segment_at(const struct clock_model *m, double u)
{
	int k = 0;

	while (k + 1 < m->n && u >= m->seg[k].to)
		k++;
	return &m->seg[k];
}

double clock_offset(const struct clock_model *m, double u)
{
	if (m->n == 0)
		return 0;
	return offset_of(segment_at(m, u), u);
}

/* Whether the piece's edges say too little about u. */
static bool unsure(const struct clock_segment *s, double u)
{
	double away = u < s->first ? s->first - u : u > s->last ? u - s->last : 0;
	double at_rate = s->spread * (u - s->centre);

	return away > CLOCK_FAR ||
	    (away > 0 && CERTAIN * sqrt(SIGMA * SIGMA / s->edges + at_rate * at_rate) > WORST);
}

int clock_state(const struct clock_model *m, double u)
{
	int state = 0;

	if (m->n == 0)
		return CLOCK_NONE;
	for (int k = 0; k + 1 < m->n; k++)
		if (u >= bracket_from(&m->seg[k]) - SLACK && u <= bracket_to(&m->seg[k]) + SLACK)
			state |= CLOCK_STEP;
	return state | (unsure(segment_at(m, u), u) ? CLOCK_AWAY : 0);
}
