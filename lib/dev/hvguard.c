/* hvguard.c - MAXV of a supply: brought down to the limits file where that changes no output */
#include "hvmuxin.h"

#include <math.h>
#include <stdio.h>

#include "base/tim.h"

#define LIMIT_EVERY TIM_MIN /* tries to write MAXV */
#define VMON_OVER   1       /* V by which VMON may read above VSET */

static const enum hv_par guard_reads[] = {HV_MAXV, HV_STAT, HV_VSET, HV_VMON};
#define GUARD_READS 4

/* Whether MAXV is ours to write: a forbidden channel is left alone altogether. */
static bool guarded(const struct hvmux *m, int board, int channel)
{
	struct hvlimit l = hvlimit_of(m->o.limits, board, channel);
	return !isinf(l.volts) && !l.forbidden;
}

void hvguard_begin(struct hvmux *m, struct board *b, int64_t now)
{
	int n = hvmux_number(m, b);

	for (int ch = 0; ch < b->nch; ch++)
		b->guard[ch] = (struct guard){.due = guarded(m, n, ch) ? now : INT64_MAX};
}

void hvguard_got(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	int ch = b->asked.channel, n = hvmux_number(m, b);
	struct guard *g = &b->guard[ch];
	double most = floor(hvlimit_of(m->o.limits, n, ch).volts); /* MAXV has no decimals */
	char where[40];

	hvsay_place(n, ch, where);
	if (g->step == GUARD_READS || r->error != HV_FINE) {
		bool set = g->step == GUARD_READS && r->error == HV_FINE;
		if (set)
			AUDIT(m, "limits file: %s MAXV %g -> %g: done", where, g->seen[0], most);
		else if (!g->alarmed)
			ALARM(m,
			    "%s MAXV cannot be brought to the limit of %g V: the supply said %s",
			    where, most, hv_error_text(r->error));
		g->alarmed = !set;
		g->due = set ? INT64_MAX : now + LIMIT_EVERY;
		g->step = 0;
		return;
	}
	(void)hv_number(r->value[0], &g->seen[g->step]);
	if (++g->step == 1 && g->seen[0] <= most) {
		g->due = INT64_MAX;
		g->alarmed = false;
		g->step = 0;
		return;
	}
	bool off = !((unsigned)g->seen[1] & HV_STAT_ON);
	if (g->step < GUARD_READS || off || (g->seen[2] <= most && g->seen[3] <= most + VMON_OVER))
		return;
	if (!g->alarmed)
		ALARM(m,
		    "%s is on at VSET %g V (VMON %g V), above the limit of %g V: nothing is "
		    "changed, MAXV stays %g V",
		    where, g->seen[2], g->seen[3], most, g->seen[0]);
	g->alarmed = true;
	g->due = now + LIMIT_EVERY;
	g->step = 0;
}

bool hvguard_next(struct hvmux *m, struct board *b, int64_t now)
{
	for (int ch = 0; ch < b->nch; ch++) {
		const struct guard *g = &b->guard[ch];
		if (g->due > now)
			continue;
		if (g->step < GUARD_READS)
			return hvmux_ask_value(m, b, FOR_GUARD, ch, guard_reads[g->step], now);
		struct hv_request q = {.set = true, .channel = ch, .par = HV_MAXV};
		snprintf(q.value, sizeof q.value, "%.0f",
		    floor(hvlimit_of(m->o.limits, hvmux_number(m, b), ch).volts));
		hvread_forget(b);
		return hvmux_ask(m, b, FOR_GUARD, &q, now);
	}
	return false;
}
