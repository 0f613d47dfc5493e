/* clockspan.c - the DAS clock's model from the minute files of a span of time */
#include "sky/clockspan.h"

#include <math.h>
#include <stdlib.h>

#define BREAKS 256 /* steps that the raw files themselves hint at */

/* The edges of the log that can belong to DAS times from..to under the model: what lies beyond
 * must not count, because it is not there yet when a night is merged live. */
static size_t keep_log(
    struct clock_edge *log, size_t n, const struct clock_model *c, double from, double to)
{
	double lo = HUGE_VAL, hi = -HUGE_VAL;
	size_t k = 0;

	for (int i = 0; i < c->n; i++) {
		lo = fmin(lo, c->seg[i].offset);
		hi = fmax(hi, c->seg[i].offset);
	}
	if (c->n == 0)
		lo = hi = 0;
	for (size_t i = 0; i < n; i++)
		if (log[i].at >= from - ceil(hi) - 2 && log[i].at < to - floor(lo) + 2)
			log[k++] = log[i];
	return k;
}

int clockspan_fit(struct stream *s, const struct calspec *cal, int64_t day, int64_t from,
    int64_t to, struct clock_model *model)
{
	struct clock_edge *das = NULL, *log = NULL;
	double breaks[BREAKS], begin = 60.0 * (double)(from - day * MINUTE_DAY);
	double end = 60.0 * (double)(to - day * MINUTE_DAY);
	int64_t wide = (int64_t)ceil(cal->clock_search / 60);

	int ndas = stream_edges(s, 0, from, to, &das);
	int nlog = ndas < 0 ? -1 : stream_edges(s, 1, from - wide, to + wide, &log);
	int bad = ndas < 0 || nlog < 0;
	struct clock_options o = {.rate = cal->clock_rate * 1e-6,
	    .search = cal->clock_search,
	    .hint = breaks,
	    .nhints = (size_t)stream_breaks(s, from, to, breaks, BREAKS)};
	/* Which edges of the log count follows from the model, and it from them. */
	for (int turn = 0; turn < 2 && !bad; turn++) {
		size_t n =
		    turn == 0 ? (size_t)nlog : keep_log(log, (size_t)nlog, model, begin, end);
		bad = clock_fit(das, (size_t)ndas, log, n, &o, model) < 0;
	}
	free(das);
	free(log);
	return bad ? -1 : 0;
}
