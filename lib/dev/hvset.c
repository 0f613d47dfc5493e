/* hvset.c - changes of settings, made and read back; waiting for the ramps */
#include "hvsetin.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/tim.h"

#define POLL_EVERY (250 * TIM_MS)
#define MARGIN     (10 * TIM_S) /* on top of half as long again as a ramp needs */

const enum hv_par hvset_pars[HVSET_PARS] = {
    HV_RUP, HV_RDW, HV_TRIP, HV_PDWN, HV_IMRANGE, HV_ISET, HV_MAXV, HV_VSET};

void hvset_say(
    struct hvset *h, enum hvset_tone tone, const struct hvset_want *w, const char *format, ...)
{
	char text[512];
	va_list ap;
	int n = 0;

	if (w && w->board > 0)
		n = snprintf(text, sizeof text, "board %d ", w->board);
	if (w)
		n += snprintf(text + n, sizeof text - (size_t)n, "channel %d: ", w->channel);
	va_start(ap, format);
	vsnprintf(text + n, sizeof text - (size_t)n, format, ap);
	va_end(ap);
	h->say(tone, text);
}

/* What a failed question means for the whole. */
enum hvset_end hvset_because(
    struct hvset *h, const struct hvset_want *w, const char *what, enum hvask_end end)
{
	if (end == HVASK_STOPPED)
		return HVSET_STOPPED;
	if (end == HVASK_LOST) /* whatever was asked */
		hvset_say(h, HVSET_FAIL, w, "%s", hvask_why(h->ask));
	else
		hvset_say(h, HVSET_FAIL, w, "%s: %s", what, hvask_why(h->ask));
	return end == HVASK_LOST ? HVSET_LOST : end == HVASK_REFUSED ? HVSET_REFUSED : HVSET_DEVICE;
}

enum hvset_end hvset_stat(struct hvset *h, const struct hvset_want *w, unsigned *stat)
{
	double v = 0;
	enum hvask_end end = hvask_number(h->ask, w->board, w->channel, HV_STAT, &v);

	*stat = (unsigned)v;
	return end == HVASK_OK ? HVSET_DONE : hvset_because(h, w, "STAT", end);
}

static void pause_for(struct hvset *h, int64_t ns)
{
	int64_t until = tim_mono() + ns;

	while (tim_mono() < until && !h->stopping())
		(void)io_wait(-1, until - tim_mono());
}

/* ---- changing ---- */

static bool same_value(const char *a, const char *b)
{
	double x, y;

	if (hv_number(a, &x) == 0 && hv_number(b, &y) == 0)
		return fabs(x - y) < 1e-6;
	return strcmp(a, b) == 0;
}

/* 0250.0 as 250.0. */
static const char *short_number(const char *value)
{
	while (value[0] == '0' && isdigit((unsigned char)value[1]))
		value++;
	return value;
}

static enum hvset_end change(struct hvset *h, const struct hvset_want *w, enum hv_par p)
{
	const struct hv_info *info = hv_info(p);
	const char *unit = *info->unit ? " " : "", *wanted = w->value[p];
	char old[HV_VALUE], now[HV_VALUE];
	enum hvask_end end = hvask_text(h->ask, w->board, w->channel, p, old), set;

	if (end != HVASK_OK)
		return hvset_because(h, w, info->name, end);
	if (same_value(old, wanted)) {
		hvset_say(h, HVSET_WARN, w, "%s is %s%s%s already: unchanged", info->name,
		    short_number(old), unit, info->unit);
		return HVSET_DONE;
	}
	if (h->dry) {
		hvset_say(h, HVSET_RESULT, w, "would change %s %s -> %s%s%s", info->name,
		    short_number(old), wanted, unit, info->unit);
		return HVSET_DONE;
	}
	set = hvask_set(h->ask, w->board, w->channel, p, wanted);
	if (set != HVASK_OK && set != HVASK_LOST)
		return hvset_because(h, w, info->name, set);
	end = hvask_text(h->ask, w->board, w->channel, p, now);
	if (end != HVASK_OK)
		return hvset_because(
		    h, w, set == HVASK_OK ? info->name : "no answer to a SET, and now", end);
	if (!same_value(now, wanted)) {
		hvset_say(h, HVSET_FAIL, w, "%s: asked for %s, the supply shows %s%s%s", info->name,
		    wanted, short_number(now), unit, info->unit);
		return set == HVASK_OK ? HVSET_DEVICE : HVSET_LOST;
	}
	hvset_say(h, HVSET_RESULT, w, "%s %s -> %s%s%s", info->name, short_number(old),
	    short_number(now), unit, info->unit);
	return HVSET_DONE;
}

/* Nothing was asked of this channel: what it is now. */
static enum hvset_end show(struct hvset *h, const struct hvset_want *w)
{
	char vset[HV_VALUE], iset[HV_VALUE], text[HV_STAT_TEXT];
	unsigned stat;
	enum hvask_end end = hvask_text(h->ask, w->board, w->channel, HV_VSET, vset);

	if (end == HVASK_OK)
		end = hvask_text(h->ask, w->board, w->channel, HV_ISET, iset);
	if (end != HVASK_OK)
		return hvset_because(h, w, "VSET, ISET", end);
	enum hvset_end rc = hvset_stat(h, w, &stat);
	if (rc != HVSET_DONE)
		return rc;
	hvset_say(h, HVSET_WARN, w,
	    "no change asked (-v, -i, --on, --off); VSET %s V, ISET %s uA, %s", short_number(vset),
	    short_number(iset), hv_stat_text(stat, text));
	return HVSET_NOTHING;
}

/* Whether MAXV must wait until VSET has been lowered. */
static enum hvset_end maxv_last(struct hvset *h, const struct hvset_want *w, bool *last)
{
	double maxv, old = 0;

	*last = false;
	if (!*w->value[HV_MAXV] || !*w->value[HV_VSET])
		return HVSET_DONE;
	(void)hv_number(w->value[HV_MAXV], &maxv);
	enum hvask_end end = hvask_number(h->ask, w->board, w->channel, HV_VSET, &old);
	*last = old > maxv;
	return end == HVASK_OK ? HVSET_DONE : hvset_because(h, w, "VSET", end);
}

static enum hvset_end apply_one(struct hvset *h, struct hvset_want *w)
{
	enum hvset_end end;
	bool late, any = false;
	unsigned stat;

	if ((end = maxv_last(h, w, &late)) != HVSET_DONE)
		return end;
	for (size_t k = 0; k < HVSET_PARS && end == HVSET_DONE; k++) {
		enum hv_par p = hvset_pars[k];
		any |= *w->value[p] != '\0';
		if (*w->value[p] && !(late && p == HV_MAXV) && !h->stopping())
			end = change(h, w, p);
	}
	if (end == HVSET_DONE && late)
		end = change(h, w, HV_MAXV);
	if (end != HVSET_DONE)
		return end;
	if (h->stopping())
		return HVSET_STOPPED;
	if (w->power == HVSET_ON)
		return hvswitch_on(h, w);
	if (!any && w->power == HVSET_KEEP)
		return show(h, w);
	if (*w->value[HV_VSET] && w->power == HVSET_KEEP) {
		if ((end = hvset_stat(h, w, &stat)) != HVSET_DONE)
			return end;
		if (!(stat & HV_STAT_ON))
			hvset_say(h, HVSET_WARN, w, "is off: the voltage comes with --on");
	}
	return HVSET_DONE;
}

enum hvset_end hvset_apply(struct hvset *h, struct hvset_want *want, int n)
{
	enum hvset_end end = HVSET_DONE;

	for (int i = 0; i < n && end == HVSET_DONE; i++)
		end = apply_one(h, &want[i]);
	return end;
}

enum hvset_end hvset_clear(struct hvset *h, int board)
{
	struct hvset_want w = {.board = board};

	if (h->dry) {
		h->say(HVSET_RESULT, "would clear the alarm and the trips");
		return HVSET_DONE;
	}
	enum hvask_end end = hvask_set(h->ask, w.board, -1, HV_BDCLR, "");
	if (end != HVASK_OK)
		return hvset_because(h, NULL, "BDCLR", end);
	h->say(HVSET_RESULT, "alarm and trips cleared");
	return HVSET_DONE;
}

/* ---- waiting ---- */

/* How long the ramps need at most. */
static enum hvset_end ramp_time(
    struct hvset *h, const struct hvset_want *want, int n, int64_t *longest)
{
	*longest = 0;
	for (int i = 0; i < n; i++) {
		const enum hv_par par[] = {HV_VMON, HV_VSET, HV_RUP, HV_RDW};
		double v[4];
		unsigned stat;
		for (int k = 0; k < 4; k++) {
			enum hvask_end end =
			    hvask_number(h->ask, want[i].board, want[i].channel, par[k], &v[k]);
			if (end != HVASK_OK)
				return hvset_because(h, &want[i], hv_info(par[k])->name, end);
		}
		enum hvset_end end = hvset_stat(h, &want[i], &stat);
		if (end != HVSET_DONE)
			return end;
		double to = want[i].power == HVSET_OFF || !(stat & HV_STAT_ON) ? 0 : v[1];
		double rate = to > v[0] ? v[2] : v[3];
		double s = fabs(to - v[0]) / (rate > 0 ? rate : 1) * 1.5;
		if ((int64_t)(s * (double)TIM_S) > *longest)
			*longest = (int64_t)(s * (double)TIM_S);
	}
	*longest += MARGIN;
	return HVSET_DONE;
}

/* One look at one channel. *busy: it still ramps. */
static enum hvset_end look(struct hvset *h, const struct hvset_want *w, bool *busy)
{
	double v = 0;
	unsigned stat;
	char text[160], names[HV_STAT_TEXT];
	enum hvset_end end = hvset_stat(h, w, &stat);

	if (end != HVSET_DONE)
		return end;
	enum hvask_end got = hvask_number(h->ask, w->board, w->channel, HV_VMON, &v);
	if (got != HVASK_OK)
		return hvset_because(h, w, "VMON", got);
	hv_stat_text(stat, names);
	snprintf(text, sizeof text, "channel %d: %.1f V %s", w->channel, v, names);
	if (h->progress)
		h->progress(text);
	if (w->power != HVSET_OFF && (stat & HV_STAT_FAULT)) {
		hvset_say(h, HVSET_FAIL, w, "%.1f V, STAT %s", v, names);
		return HVSET_DEVICE;
	}
	/* At the current limit it may still trip, and is not where it was to go. */
	*busy = (stat & (HV_STAT_RUP | HV_STAT_RDW | HV_STAT_OVC)) != 0;
	if (!*busy)
		hvset_say(h, HVSET_RESULT, w, "%.1f V, %s", v, names);
	return HVSET_DONE;
}

enum hvset_end hvset_wait(
    struct hvset *h, const struct hvset_want *want, int n, int64_t deadline_ns)
{
	bool done[HVSET_WANTS] = {false};
	int left = n;
	enum hvset_end end;

	if (h->dry)
		return HVSET_DONE;
	if (deadline_ns == 0 && (end = ramp_time(h, want, n, &deadline_ns)) != HVSET_DONE)
		return end;
	int64_t until = tim_mono() + deadline_ns;
	while (left > 0) {
		for (int i = 0; i < n; i++) {
			bool busy = false;
			if (done[i])
				continue;
			if (h->stopping())
				return HVSET_STOPPED;
			if ((end = look(h, &want[i], &busy)) != HVSET_DONE)
				return end;
			done[i] = !busy;
			left -= !busy;
		}
		if (left > 0 && tim_mono() >= until) {
			hvset_say(h, HVSET_FAIL, NULL,
			    "%d channel%s still ramping: no longer waiting", left,
			    left > 1 ? "s are" : " is");
			return HVSET_LOST;
		}
		if (left > 0)
			pause_for(h, POLL_EVERY);
	}
	return HVSET_DONE;
}
