/* clockfit.c - the clock model over simulated nights drawn from the published fits */
#include "sky/clockfit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/tim.h"
#include "sky/simnight.h"
#include "tap.h"

#define EDGES 20000

static struct clock_edge das[EDGES], tel[EDGES];
static size_t ndas, ntel;

static int by_time(const void *a, const void *b)
{
	double x = ((const struct clock_edge *)a)->at, y = ((const struct clock_edge *)b)->at;
	return (x > y) - (x < y);
}

static int number(int bit)
{
	return bit == 1 ? 0 : bit == 2 ? 1 : bit == 4 ? 2 : bit == 8 ? 3 : 4;
}

/* Both streams' edges of DAS minutes from..to: sampled at 50 and 100 Hz, half a sample taken off. */
static void make_edges(struct night *n, double from, double to, double lose, uint64_t *seed)
{
	const struct night_line *e;
	const struct night_segment *seg;
	int ne = night_edges(n, &e), ns = night_segments(n, &seg);
	unsigned level = 0;

	ndas = ntel = 0;
	for (int i = 0; i < ne; i++) {
		level ^= (unsigned)e[i].line;
		int line = 2 * number(e[i].line) + ((level & (unsigned)e[i].line) != 0);
		double t = e[i].at, tick = ceil(t * 100) / 100;
		if (t > from - 1000 && t < to + 1000 && random_fraction(seed) >= lose)
			tel[ntel++] = (struct clock_edge){tick - 0.005, line};
		/* The segment whose files were open at t: a step falls between two files. */
		int k = 0;
		while (k + 1 < ns && t >= night_true(n, k + 1, seg[k + 1].from))
			k++;
		double u = night_das(n, k, t), sample = ceil(u * 50) / 50;
		if (u >= from && u < to && random_fraction(seed) >= lose)
			das[ndas++] = (struct clock_edge){sample - 0.010, line};
	}
	qsort(das, ndas, sizeof *das, by_time);
}

struct result {
	double ssq, worst, flagged;
	long n, bad;
};

/* One hour of a night, with the evidence that merge uses: half an hour before, ten minutes after. */
static void judge_hour(
    struct night *n, double hour, double end, double lose, uint64_t *seed, struct result *r)
{
	struct clock_options o = {.rate = -26.3e-6, .search = 900};
	struct clock_model m;
	double from = fmax(0, hour - 1800), to = fmin(end, hour + 4200);

	make_edges(n, from, to, lose, seed);
	clock_fit(das, ndas, tel, ntel, &o, &m);
	for (double u = hour; u < hour + 3600 && u < end; u += 7.3) {
		int k = night_segment_of(n, (int64_t)(u / 60));
		double err = clock_offset(&m, u) - (u - night_true(n, k, u));
		if (clock_state(&m, u)) {
			r->flagged++;
			continue;
		}
		r->ssq += err * err;
		r->n++;
		r->bad += fabs(err) > 0.010;
		r->worst = fmax(r->worst, fabs(err));
	}
}

static void judge_nights(int nights, double lose, const char *words)
{
	struct result all = {0};
	char line[200];

	for (int s = 1; s <= nights; s++) {
		struct night_options o = {.seed = (uint64_t)s,
		    .start = tim_join(2005, 6, 21, 4, 0, 0, 0),
		    .length = 10 * 3600,
		    .steps = s % 5 == 0 ? 1 + s % 4 : -1};
		struct night *n = night_new(&o);
		struct result r = {0};
		uint64_t seed = (uint64_t)s;
		for (double hour = 0; hour < o.length; hour += 3600)
			judge_hour(n, hour, o.length, lose, &seed, &r);
		if (r.bad)
			printf("# night %d: worst %.1f ms, %ld samples\n", s, r.worst * 1e3, r.bad);
		all.ssq += r.ssq;
		all.n += r.n;
		all.bad += r.bad;
		all.flagged += r.flagged;
		all.worst = fmax(all.worst, r.worst);
		night_free(n);
	}
	double rms = sqrt(all.ssq / (double)all.n);
	snprintf(
	    line, sizeof line, "%s, %d nights: %.2f ms rms (at most 2)", words, nights, rms * 1e3);
	ok(rms < 0.002, line);
	snprintf(line, sizeof line, "worst %.1f ms (at most 10), %.2f %% flagged", all.worst * 1e3,
	    100 * all.flagged / (all.flagged + (double)all.n));
	ok(all.bad == 0, line);
	ok(all.flagged < 0.05 * (double)all.n, "few samples are flagged");
}

int main(void)
{
	struct clock_options o = {.rate = 0, .search = 600};
	struct clock_model m;

	is_int(clock_fit(das, 0, tel, 5, &o, &m), 0, "no edges");
	ok(m.n == 0 && clock_offset(&m, 5) == 0 && clock_state(&m, 5) == CLOCK_NONE,
	    "no model, and it says so");

	/* A clock 200 s ahead, edges at irregular times. */
	for (int i = 0; i < 40; i++) {
		double t = 30 * i + 7 * sin(i * i);
		das[i] = (struct clock_edge){t + 200.25, i % 2};
		tel[i] = (struct clock_edge){t, i % 2};
	}
	clock_fit(das, 40, tel, 40, &o, &m);
	ok(m.n == 1 && m.matched == 40, "one piece, all edges matched");
	ok(fabs(clock_offset(&m, 800) - 200.25) < 1e-6, "minutes off is found");
	is_int(clock_state(&m, 800), 0, "inside its edges nothing is flagged");
	is_int(clock_state(&m, 5000), CLOCK_AWAY, "far outside it is extrapolated");

	/* A step of +3 s at t = 600, and every third edge missing from the DAS. */
	size_t n = 0;
	for (int i = 0; i < 40; i++)
		if (i % 3)
			das[n++] =
			    (struct clock_edge){tel[i].at + (tel[i].at < 600 ? 1 : 4), i % 2};
	clock_fit(das, n, tel, 40, &o, &m);
	is_int(m.n, 2, "a step makes two pieces");
	ok(fabs(clock_offset(&m, 100) - 1) < 1e-6 && fabs(clock_offset(&m, 1100) - 4) < 1e-6,
	    "with their offsets");
	int brackets = 0;
	for (double u = 0; u < 1200; u++)
		brackets += (clock_state(&m, u) & CLOCK_STEP) != 0;
	ok(brackets > 5 && brackets < 120, "the interval that brackets it is flagged");
	double hint = 605;
	o.hint = &hint;
	o.nhints = 1;
	clock_fit(das, n, tel, 40, &o, &m);
	ok(m.n == 2 && m.seg[0].to == 605,
	    "a break in the stream inside the bracket is the step's place");

	bool all = getenv("FYKE_NIGHTLY") != NULL;
	judge_nights(all ? 1000 : 20, 0, "the corrected time");
	judge_nights(all ? 200 : 10, 0.2, "with a fifth of the edges lost on both sides");
	return done_testing();
}
