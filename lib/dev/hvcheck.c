/* hvcheck.c - what is wanted, compared with what the supply can and what hvmux lets through */
#include "hvsetin.h"

#include <stdio.h>
#include <string.h>

/* Minimum, maximum and decimals of what is a number. */
static bool range_of(enum hv_par p, enum hv_par r[3])
{
	static const enum hv_par range[][4] = {{HV_VSET, HV_VMIN, HV_VMAX, HV_VDEC},
	    {HV_ISET, HV_IMIN, HV_IMAX, HV_ISDEC}, {HV_MAXV, HV_MVMIN, HV_MVMAX, HV_MVDEC},
	    {HV_RUP, HV_RUPMIN, HV_RUPMAX, HV_RUPDEC}, {HV_RDW, HV_RDWMIN, HV_RDWMAX, HV_RDWDEC},
	    {HV_TRIP, HV_TRIPMIN, HV_TRIPMAX, HV_TRIPDEC}};

	for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
		if (range[i][0] == p) {
			memcpy(r, &range[i][1], 3 * sizeof *r);
			return true;
		}
	}
	return false;
}

/* Digits after the point that say something. */
static int decimals(const char *value)
{
	const char *dot = strchr(value, '.');
	int n = 0;

	for (int i = 1; dot && dot[i]; i++)
		if (dot[i] != '0')
			n = i;
	return n;
}

static enum hvset_end check_value(struct hvset *h, const struct hvset_want *w, enum hv_par p)
{
	const struct hv_info *info = hv_info(p);
	enum hv_par range[3];
	double v, lo = 0, hi = 0, digits = 0;
	enum hvask_end end;

	if (!range_of(p, range))
		return HVSET_DONE;
	(void)hv_number(w->value[p], &v);
	if ((end = hvask_number(h->ask, w->board, w->channel, range[0], &lo)) != HVASK_OK)
		return hvset_because(h, w, hv_info(range[0])->name, end);
	if ((end = hvask_number(h->ask, w->board, w->channel, range[1], &hi)) != HVASK_OK)
		return hvset_because(h, w, hv_info(range[1])->name, end);
	if ((end = hvask_number(h->ask, w->board, w->channel, range[2], &digits)) != HVASK_OK)
		return hvset_because(h, w, hv_info(range[2])->name, end);
	if (v < lo || v > hi) {
		hvset_say(h, HVSET_FAIL, w, "%s %s: this supply takes %g to %g %s", info->name,
		    w->value[p], lo, hi, info->unit);
		return HVSET_REFUSED;
	}
	if (decimals(w->value[p]) > (int)digits) {
		hvset_say(h, HVSET_FAIL, w, "%s %s: this supply takes %d decimal%s", info->name,
		    w->value[p], (int)digits, (int)digits == 1 ? "" : "s");
		return HVSET_REFUSED;
	}
	return HVSET_DONE;
}

/* VSET may not be above MAXV, be it the present or the wanted one. */
static enum hvset_end check_maxv(struct hvset *h, const struct hvset_want *w)
{
	double maxv, v;
	enum hvask_end end;

	if (!*w->value[HV_VSET])
		return HVSET_DONE;
	if (*w->value[HV_MAXV])
		(void)hv_number(w->value[HV_MAXV], &maxv);
	else if ((end = hvask_number(h->ask, w->board, w->channel, HV_MAXV, &maxv)) != HVASK_OK)
		return hvset_because(h, w, "MAXV", end);
	(void)hv_number(w->value[HV_VSET], &v);
	if (v <= maxv)
		return HVSET_DONE;
	hvset_say(h, HVSET_FAIL, w, "VSET %s: above the protection limit MAXV, %g V",
	    w->value[HV_VSET], maxv);
	return HVSET_REFUSED;
}

/* What hvmux, when there is one, will let through. */
static enum hvset_end check_limit(struct hvset *h, const struct hvset_want *w, enum hv_par limit,
    enum hv_par first, enum hv_par second)
{
	const enum hv_par pars[] = {first, second};
	char text[HV_VALUE];
	double most, v;
	enum hvask_end end = hvask_text(h->ask, w->board, w->channel, limit, text);

	if (end != HVASK_OK)
		return hvset_because(h, w, hv_info(limit)->name, end);
	if (strcmp(text, "forbidden") == 0) {
		hvset_say(h, HVSET_FAIL, w,
		    "hvmux takes only OFF: forbidden by its limits, or a read-only listener");
		return HVSET_REFUSED;
	}
	if (hv_number(text, &most) < 0)
		return HVSET_DONE;
	for (int i = 0; i < 2; i++) {
		if (hv_number(w->value[pars[i]], &v) < 0 || v <= most)
			continue;
		hvset_say(h, HVSET_FAIL, w, "%s %s: above hvmux's limit of %g %s",
		    hv_info(pars[i])->name, w->value[pars[i]], most, hv_info(limit)->unit);
		return HVSET_REFUSED;
	}
	return HVSET_DONE;
}

/* Whether anything but OFF is wanted of it. */
static bool changes(const struct hvset_want *w)
{
	for (size_t k = 0; k < HVSET_PARS; k++)
		if (*w->value[hvset_pars[k]])
			return true;
	return w->power == HVSET_ON;
}

static enum hvset_end check_limits(struct hvset *h, const struct hvset_want *w)
{
	enum hvset_end end = HVSET_DONE;

	if (!changes(w))
		return HVSET_DONE;
	end = check_limit(h, w, HV_MUXVMAX, HV_VSET, HV_MAXV);
	if (end == HVSET_DONE)
		end = check_limit(h, w, HV_MUXIMAX, HV_ISET, HV_ISET);
	if (end == HVSET_DONE)
		end = check_limit(h, w, HV_MUXRMAX, HV_RUP, HV_RDW);
	return end;
}

enum hvset_end hvset_place(struct hvset *h, struct hvset_want *w, bool silent[HV_BOARDS])
{
	int nch = 0, boards = 0;
	enum hvask_end end = HVASK_OK;

	/* A board that is not there would only be silent. */
	if (w->board > 0 && !silent[w->board])
		end = hvask_boards(h->ask, &boards);
	if (boards > 0 && w->board >= boards) {
		if (boards == 1)
			hvset_say(h, HVSET_FAIL, w, "there is only board 0");
		else
			hvset_say(h, HVSET_FAIL, w, "there are boards 0 to %d", boards - 1);
		return HVSET_REFUSED;
	}
	if (end == HVASK_OK)
		end = silent[w->board] ? HVASK_LOST : hvask_channels(h->ask, w->board, &nch);
	silent[w->board] |= end == HVASK_LOST;

	/* An OFF goes out even where the board says nothing of itself: supplies obey without an
	 * answer. Not to a number that is likely to mean all channels. What else is wanted of that
	 * channel cannot be checked. */
	w->unsure = w->power == HVSET_OFF && end == HVASK_LOST && w->channel >= HVSET_FEWEST_ALL;
	if (w->power == HVSET_OFF &&
	    (end == HVASK_ERROR || end == HVASK_REFUSED || (end == HVASK_LOST && !changes(w))))
		return HVSET_DONE;
	if (end != HVASK_OK)
		return hvset_because(h, w, "BDNCH", end);
	if (w->channel < nch)
		return HVSET_DONE;
	hvset_say(h, HVSET_FAIL, w, "this board has channels 0 to %d%s", nch - 1,
	    w->channel == nch ? " (to the supply this number means all of them)" : "");
	return HVSET_REFUSED;
}

/* Those that shall be off come first, and are not kept back by one another's silence. */
static enum hvset_end check_places(struct hvset *h, struct hvset_want *want, int n)
{
	enum hvset_end end = HVSET_DONE;
	bool silent[HV_BOARDS] = {false};

	hvask_pace(h->ask, HVASK_HURRY);
	for (int i = 0; i < n && end != HVSET_REFUSED; i++) {
		if (want[i].power != HVSET_OFF)
			continue;
		enum hvset_end one = hvset_place(h, &want[i], silent);
		end = end == HVSET_DONE || one == HVSET_REFUSED ? one : end;
	}
	hvask_pace(h->ask, HVASK_CALM);
	for (int i = 0; i < n && end == HVSET_DONE; i++)
		if (want[i].power != HVSET_OFF)
			end = hvset_place(h, &want[i], silent);
	return end;
}

enum hvset_end hvset_check(struct hvset *h, struct hvset_want *want, int n)
{
	enum hvset_end end = check_places(h, want, n);
	int boards = 0;
	bool all_off = true;

	for (int i = 0; i < n; i++)
		all_off &= !changes(&want[i]);
	enum hvask_end asked =
	    end != HVSET_DONE || all_off ? HVASK_OK : hvask_boards(h->ask, &boards);
	if (asked != HVASK_OK)
		return hvset_because(h, NULL, "how many boards", asked);
	for (int i = 0; i < n && end == HVSET_DONE && boards > 0; i++)
		end = check_limits(h, &want[i]);
	for (int i = 0; i < n && end == HVSET_DONE; i++) {
		for (size_t k = 0; k < HVSET_PARS && end == HVSET_DONE; k++)
			if (*want[i].value[hvset_pars[k]])
				end = check_value(h, &want[i], hvset_pars[k]);
		if (end == HVSET_DONE)
			end = check_maxv(h, &want[i]);
	}
	return end;
}
