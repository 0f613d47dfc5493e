/* hvset.c - changes of settings: read, checked against the supply's own ranges, made, read back */
#include "hvset.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"

#define FILE_MOST  65536
#define OFF_TRIES  10
#define OFF_PAUSE  (500 * TIM_MS)
#define OFF_SILENT 3 /* rounds without any answer */
#define FEWEST_ALL 4
#define POLL_EVERY (250 * TIM_MS)
#define MARGIN     (10 * TIM_S)
#define LATCH      (HV_STAT_TRIP | HV_STAT_OVP | HV_STAT_OVT | HV_STAT_KILL)

/* What may be set, in this order; limits and speeds before what they hold for. */
static const enum hv_par settable[] = {
    HV_RUP, HV_RDW, HV_TRIP, HV_PDWN, HV_IMRANGE, HV_ISET, HV_MAXV, HV_VSET};
#define SETTABLE (sizeof settable / sizeof *settable)

static void say(struct hvset *h, enum hvset_tone tone, const struct hvset_want *w,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(
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
static enum hvset_end because(
    struct hvset *h, const struct hvset_want *w, const char *what, enum hvask_end end)
{
	if (end == HVASK_STOPPED)
		return HVSET_STOPPED;
	if (end == HVASK_LOST) /* whatever was asked */
		say(h, HVSET_FAIL, w, "%s", hvask_why(h->ask));
	else
		say(h, HVSET_FAIL, w, "%s: %s", what, hvask_why(h->ask));
	return end == HVASK_LOST ? HVSET_LOST : end == HVASK_REFUSED ? HVSET_REFUSED : HVSET_DEVICE;
}

/* ---- what is wanted ---- */

static int place_number(const char *text, size_t n, long long *v)
{
	char copy[8];

	if (n == 0 || n >= sizeof copy)
		return -1;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (copy[strspn(copy, "0123456789")])
		return -1;
	return conf_int(copy, 0, 99, v);
}

int hvset_channels(const char *list, int board, struct hvset_want *want, int max, char why[HV_WHY])
{
	int n = 0;

	for (const char *at = list;; at++) {
		size_t len = strcspn(at, ",");
		const char *dash = memchr(at, '-', len);
		long long a, b;
		int bad = place_number(at, dash ? (size_t)(dash - at) : len, &a);
		b = a;
		if (!bad && dash)
			bad = place_number(dash + 1, len - (size_t)(dash + 1 - at), &b);
		if (bad || b < a) {
			snprintf(why, HV_WHY,
			    "'%.60s' is no list of channels: 3, 0,2 or 0-3, counted from 0", list);
			return -1;
		}
		for (long long c = a; c <= b; c++) {
			if (n == max) {
				snprintf(why, HV_WHY, "more than %d channels", max);
				return -1;
			}
			want[n++] = (struct hvset_want){.board = board, .channel = (int)c};
		}
		at += len;
		if (!*at)
			return n;
	}
}

struct reading {
	struct hvset_want *want;
	int n, max;
};

static int power_word(const char *value, struct hvset_want *w)
{
	w->power = strcmp(value, "on") == 0 ? HVSET_ON
	    : strcmp(value, "off") == 0     ? HVSET_OFF
					    : HVSET_KEEP;
	return w->power == HVSET_KEEP ? -1 : 0;
}

/* One key of a channel: a parameter in small letters. */
static int one_setting(const char *key, const char *value, struct hvset_want *w, char *why)
{
	for (size_t i = 0; i < SETTABLE; i++) {
		const struct hv_info *info = hv_info(settable[i]);
		char *to = w->value[settable[i]];
		double v;
		if (strcasecmp(info->name, key) != 0)
			continue;
		snprintf(to, HV_VALUE, "%s", value);
		for (char *p = to; info->type == HV_WORD && *p; p++)
			*p = (char)toupper((unsigned char)*p);
		if (strlen(value) < HV_VALUE &&
		    (info->type == HV_WORD || hv_number(value, &v) == 0))
			return 0;
		snprintf(why, CONF_WHY, "%s: '%.60s' is no value for it", key, value);
		return -1;
	}
	snprintf(
	    why, CONF_WHY, "%s: not one of vset iset maxv rup rdw trip pdwn imrange power", key);
	return -1;
}

static int setting_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	struct reading *r = ctx;
	struct hvset_want *w = NULL;
	int board, channel;

	(void)line;
	if (hv_place(section, &board, &channel) < 0) {
		snprintf(why, CONF_WHY, "[%s]: no channel: write [BOARD.CHANNEL]", section);
		return -1;
	}
	for (int i = 0; i < r->n; i++)
		if (r->want[i].board == board && r->want[i].channel == channel)
			w = &r->want[i];
	if (!w) {
		if (r->n == r->max) {
			snprintf(why, CONF_WHY, "more than %d channels", r->max);
			return -1;
		}
		w = &r->want[r->n++];
		*w = (struct hvset_want){.board = board, .channel = channel};
	}
	if (strcmp(key, "power") != 0)
		return one_setting(key, value, w, why);
	if (power_word(value, w) == 0)
		return 0;
	snprintf(why, CONF_WHY, "power: '%.60s' is neither on nor off", value);
	return -1;
}

int hvset_read(const char *path, struct hvset_want *want, int max, char why[HV_WHY])
{
	struct reading r = {want, 0, max};
	size_t n;
	char *text = io_slurp(path, FILE_MOST, &n);

	if (!text) {
		snprintf(why, HV_WHY, "%.150s: %s", path, strerror(errno));
		return -1;
	}
	int rc = conf_read(path, text, n, setting_key, &r, why);
	free(text);
	return rc < 0 ? -1 : r.n;
}

/* ---- checking ---- */

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
		return because(h, w, hv_info(range[0])->name, end);
	if ((end = hvask_number(h->ask, w->board, w->channel, range[1], &hi)) != HVASK_OK)
		return because(h, w, hv_info(range[1])->name, end);
	if ((end = hvask_number(h->ask, w->board, w->channel, range[2], &digits)) != HVASK_OK)
		return because(h, w, hv_info(range[2])->name, end);
	if (v < lo || v > hi) {
		say(h, HVSET_FAIL, w, "%s %s: this supply takes %g to %g %s", info->name,
		    w->value[p], lo, hi, info->unit);
		return HVSET_REFUSED;
	}
	if (decimals(w->value[p]) > (int)digits) {
		say(h, HVSET_FAIL, w, "%s %s: this supply takes %d decimal%s", info->name,
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
		return because(h, w, "MAXV", end);
	(void)hv_number(w->value[HV_VSET], &v);
	if (v <= maxv)
		return HVSET_DONE;
	say(h, HVSET_FAIL, w, "VSET %s: above the protection limit MAXV, %g V", w->value[HV_VSET],
	    maxv);
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
		return because(h, w, hv_info(limit)->name, end);
	if (strcmp(text, "forbidden") == 0) {
		say(h, HVSET_FAIL, w,
		    "hvmux takes only OFF: forbidden by its limits, or a read-only listener");
		return HVSET_REFUSED;
	}
	if (hv_number(text, &most) < 0)
		return HVSET_DONE;
	for (int i = 0; i < 2; i++) {
		if (hv_number(w->value[pars[i]], &v) < 0 || v <= most)
			continue;
		say(h, HVSET_FAIL, w, "%s %s: above hvmux's limit of %g %s", hv_info(pars[i])->name,
		    w->value[pars[i]], most, hv_info(limit)->unit);
		return HVSET_REFUSED;
	}
	return HVSET_DONE;
}

static bool changes(const struct hvset_want *w)
{
	for (size_t k = 0; k < SETTABLE; k++)
		if (*w->value[settable[k]])
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

static enum hvset_end check_place(struct hvset *h, const struct hvset_want *w)
{
	int nch, boards = 0;
	enum hvask_end end = HVASK_OK;

	/* A board that is not there would only be silent. */
	if (w->board > 0 && (end = hvask_boards(h->ask, &boards)) != HVASK_OK)
		return because(h, w, "how many boards", end);
	if (boards > 0 && w->board >= boards) {
		if (boards == 1)
			say(h, HVSET_FAIL, w, "there is only board 0");
		else
			say(h, HVSET_FAIL, w, "there are boards 0 to %d", boards - 1);
		return HVSET_REFUSED;
	}
	end = hvask_channels(h->ask, w->board, &nch);

	/* An OFF goes out even where the board says nothing of itself: supplies obey without an
	 * answer. Not to a number that is likely to mean all channels. */
	if (w->power == HVSET_OFF &&
	    (end == HVASK_ERROR || end == HVASK_REFUSED ||
		(end == HVASK_LOST && w->channel < FEWEST_ALL)))
		return HVSET_DONE;
	if (end != HVASK_OK)
		return because(h, w, "BDNCH", end);
	if (w->channel < nch)
		return HVSET_DONE;
	say(h, HVSET_FAIL, w, "this board has channels 0 to %d%s", nch - 1,
	    w->channel == nch ? " (to the supply this number means all of them)" : "");
	return HVSET_REFUSED;
}

enum hvset_end hvset_check(struct hvset *h, const struct hvset_want *want, int n)
{
	enum hvset_end end = HVSET_DONE;
	int boards = 0;

	for (int i = 0; i < n && end == HVSET_DONE; i++)
		end = check_place(h, &want[i]);
	bool all_off = true;
	for (int i = 0; i < n; i++)
		all_off &= !changes(&want[i]);
	enum hvask_end asked =
	    end != HVSET_DONE || all_off ? HVASK_OK : hvask_boards(h->ask, &boards);
	if (asked != HVASK_OK)
		return because(h, NULL, "how many boards", asked);
	for (int i = 0; i < n && end == HVSET_DONE && boards > 0; i++)
		end = check_limits(h, &want[i]);
	for (int i = 0; i < n && end == HVSET_DONE; i++) {
		for (size_t k = 0; k < SETTABLE && end == HVSET_DONE; k++)
			if (*want[i].value[settable[k]])
				end = check_value(h, &want[i], settable[k]);
		if (end == HVSET_DONE)
			end = check_maxv(h, &want[i]);
	}
	return end;
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
		return because(h, w, info->name, end);
	if (same_value(old, wanted)) {
		say(h, HVSET_WARN, w, "%s is %s%s%s already: unchanged", info->name,
		    short_number(old), unit, info->unit);
		return HVSET_DONE;
	}
	if (h->dry) {
		say(h, HVSET_RESULT, w, "would change %s %s -> %s%s%s", info->name,
		    short_number(old), wanted, unit, info->unit);
		return HVSET_DONE;
	}
	set = hvask_set(h->ask, w->board, w->channel, p, wanted);
	if (set != HVASK_OK && set != HVASK_LOST)
		return because(h, w, info->name, set);
	end = hvask_text(h->ask, w->board, w->channel, p, now);
	if (end != HVASK_OK)
		return because(
		    h, w, set == HVASK_OK ? info->name : "no answer to a SET, and now", end);
	if (!same_value(now, wanted)) {
		say(h, HVSET_FAIL, w, "%s: asked for %s, the supply shows %s%s%s", info->name,
		    wanted, short_number(now), unit, info->unit);
		return set == HVASK_OK ? HVSET_DEVICE : HVSET_LOST;
	}
	say(h, HVSET_RESULT, w, "%s %s -> %s%s%s", info->name, short_number(old), short_number(now),
	    unit, info->unit);
	return HVSET_DONE;
}

static enum hvset_end read_stat(struct hvset *h, const struct hvset_want *w, unsigned *stat)
{
	double v = 0;
	enum hvask_end end = hvask_number(h->ask, w->board, w->channel, HV_STAT, &v);

	*stat = (unsigned)v;
	return end == HVASK_OK ? HVSET_DONE : because(h, w, "STAT", end);
}

static void pause_for(struct hvset *h, int64_t ns)
{
	int64_t until = tim_mono() + ns;

	while (tim_mono() < until && !h->stopping())
		(void)io_wait(-1, until - tim_mono());
}

/* ---- OFF ---- */

/* How far the OFF of one channel has come. */
struct off {
	bool over; /* it is off, or refused */
	bool seen; /* stat is of after an OFF */
	unsigned stat;
	enum hvset_end end;
};

static void send_off(struct hvset *h, const struct hvset_want *w, struct off *o, char why[HV_WHY])
{
	enum hvask_end end = hvask_set(h->ask, w->board, w->channel, HV_OFF, "");

	o->seen = false;
	if (end == HVASK_LOST)
		snprintf(why, HV_WHY, "%s", hvask_why(h->ask));
	if (end == HVASK_OK || end == HVASK_LOST)
		return;
	o->end = because(h, w, "OFF", end);
	o->over = true;
}

/* Whether there was an answer. */
static bool look_off(struct hvset *h, struct hvset_want *w, struct off *o, char why[HV_WHY])
{
	double v = 0;
	enum hvask_end end = hvask_number(h->ask, w->board, w->channel, HV_STAT, &v);

	o->seen = end == HVASK_OK;
	o->stat = (unsigned)v;
	o->end = end == HVASK_LOST ? HVSET_LOST : HVSET_DEVICE;
	if (!o->seen && !*why) /* of an OFF is the better one: it says what becomes of it */
		snprintf(why, HV_WHY, "%s", hvask_why(h->ask));
	if (!o->seen)
		return end != HVASK_LOST;
	o->over = !(o->stat & HV_STAT_ON) || (o->stat & HV_STAT_RDW);
	if (!o->over)
		return true;
	say(h, HVSET_RESULT, w, "OFF%s", o->stat & HV_STAT_RDW ? ", ramping down" : "");
	w->power = HVSET_OFF;
	w->target = 0;
	o->end = HVSET_DONE;
	return true;
}

/* Sends OFF to each of these channels before it looks at any, so that none waits for another; then
 * again until STAT shows it. Goes on after a signal: leaving now would leave them on. */
static enum hvset_end switch_off(struct hvset *h, struct hvset_want *const *w, int n)
{
	struct off o[HVSET_WANTS] = {0};
	enum hvset_end end = HVSET_DONE;
	char why[HV_WHY] = "", text[HV_STAT_TEXT];
	int left = h->dry ? 0 : n, rounds = 0, silent = 0;

	for (int i = 0; i < n && h->dry; i++)
		say(h, HVSET_RESULT, w[i], "would switch OFF");
	for (; left > 0 && rounds < OFF_TRIES && silent < OFF_SILENT; rounds++) {
		bool answered = false;
		if (rounds > 0)
			pause_for(h, OFF_PAUSE);
		for (int i = 0; i < n; i++)
			if (!o[i].over)
				send_off(h, w[i], &o[i], why);
		left = 0;
		for (int i = 0; i < n; i++) {
			if (!o[i].over)
				answered |= look_off(h, w[i], &o[i], why);
			left += !o[i].over;
		}
		silent = answered ? 0 : silent + 1;
	}
	for (int i = 0; i < n; i++) {
		end = end == HVSET_DONE ? o[i].end : end;
		if (h->dry || o[i].over)
			continue;
		if (o[i].seen)
			say(h, HVSET_FAIL, w[i],
			    "still not off after %d commands (STAT %s): use the front panel",
			    rounds, hv_stat_text(o[i].stat, text));
		else
			say(h, HVSET_FAIL, w[i],
			    "asked for OFF %d times, and nobody knows whether it is off: %.160s",
			    rounds, why);
	}
	return end;
}

static enum hvset_end switch_on(struct hvset *h, struct hvset_want *w)
{
	char text[HV_STAT_TEXT];
	unsigned stat;
	enum hvset_end end = read_stat(h, w, &stat); /* never ON before STAT was seen */

	if (end != HVSET_DONE)
		return end;
	if ((stat & HV_STAT_ON) && !(stat & HV_STAT_RDW)) {
		say(h, HVSET_WARN, w, "is ON already: unchanged");
		return HVSET_DONE;
	}
	if (stat & (LATCH | HV_STAT_ILK | HV_STAT_DIS)) {
		say(h, HVSET_FAIL, w, "STAT %s: %s first", hv_stat_text(stat, text),
		    stat & LATCH             ? "find out why, and --clear"
			: stat & HV_STAT_ILK ? "close the interlock"
					     : "enable it at the front panel");
		return HVSET_REFUSED;
	}
	if (h->dry) {
		say(h, HVSET_RESULT, w, "would switch ON");
		return HVSET_DONE;
	}
	enum hvask_end on = hvask_set(h->ask, w->board, w->channel, HV_ON, "");
	if (on != HVASK_OK && on != HVASK_LOST)
		return because(h, w, "ON", on);
	if ((end = read_stat(h, w, &stat)) != HVSET_DONE)
		return end;
	if (!(stat & HV_STAT_ON)) {
		say(h, HVSET_FAIL, w, "asked for ON, the supply shows STAT %s",
		    hv_stat_text(stat, text));
		return on == HVASK_OK ? HVSET_DEVICE : HVSET_LOST;
	}
	say(h, HVSET_RESULT, w, "ON");
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
		return because(h, w, "VSET, ISET", end);
	enum hvset_end rc = read_stat(h, w, &stat);
	if (rc != HVSET_DONE)
		return rc;
	say(h, HVSET_WARN, w, "no change asked (-v, -i, --on, --off); VSET %s V, ISET %s uA, %s",
	    short_number(vset), short_number(iset), hv_stat_text(stat, text));
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
	return end == HVASK_OK ? HVSET_DONE : because(h, w, "VSET", end);
}

static enum hvset_end apply_one(struct hvset *h, struct hvset_want *w)
{
	enum hvset_end end;
	bool late, any = false;
	unsigned stat;

	if ((end = maxv_last(h, w, &late)) != HVSET_DONE)
		return end;
	for (size_t k = 0; k < SETTABLE && end == HVSET_DONE; k++) {
		enum hv_par p = settable[k];
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
		return switch_on(h, w);
	if (!any && w->power == HVSET_KEEP)
		return show(h, w);
	if (*w->value[HV_VSET] && w->power == HVSET_KEEP) {
		if ((end = read_stat(h, w, &stat)) != HVSET_DONE)
			return end;
		if (!(stat & HV_STAT_ON))
			say(h, HVSET_WARN, w, "is off: the voltage comes with --on");
	}
	return HVSET_DONE;
}

enum hvset_end hvset_apply(struct hvset *h, struct hvset_want *want, int n)
{
	struct hvset_want *off[HVSET_WANTS] = {NULL};
	int noff = 0;

	for (int i = 0; i < n && noff < HVSET_WANTS; i++)
		if (want[i].power == HVSET_OFF)
			off[noff++] = &want[i];
	enum hvset_end end = switch_off(h, off, noff);
	for (int i = 0; i < n && end == HVSET_DONE; i++)
		end = apply_one(h, &want[i]);
	return end;
}

enum hvset_end hvset_all_off(struct hvset *h, int board, struct hvset_want *want, int *n)
{
	int first = board < 0 ? 0 : board, last = first, nch, all = 0;
	struct hvset_want *off[HVSET_WANTS] = {NULL};
	enum hvset_end worst = HVSET_DONE;
	enum hvask_end end;

	*n = 0;
	if (board < 0) {
		int boards;
		if ((end = hvask_boards(h->ask, &boards)) != HVASK_OK)
			return because(h, NULL, "how many boards", end);
		last = boards ? boards - 1 : 0;
	}
	for (int b = first; b <= last; b++) {
		if ((end = hvask_channels(h->ask, b, &nch)) != HVASK_OK) {
			worst = end == HVASK_LOST  ? HVSET_LOST
			    : end == HVASK_STOPPED ? HVSET_STOPPED
						   : HVSET_DEVICE;
			say(h, HVSET_FAIL, NULL,
			    "board %d: %.160s; its channels are not known, so no OFF was sent: "
			    "use the front panel",
			    b, hvask_why(h->ask));
			continue;
		}
		for (int c = 0; c < nch && all < HVSET_WANTS; c++) {
			want[all] =
			    (struct hvset_want){.board = b, .channel = c, .power = HVSET_KEEP};
			off[all] = &want[all];
			all++;
		}
	}
	enum hvset_end done = switch_off(h, off, all);
	for (int i = 0; i < all; i++) /* those that are off: only these may be waited for */
		if (want[i].power == HVSET_OFF)
			want[(*n)++] = want[i];
	return worst == HVSET_DONE ? done : worst;
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
		return because(h, NULL, "BDCLR", end);
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
				return because(h, &want[i], hv_info(par[k])->name, end);
		}
		enum hvset_end end = read_stat(h, &want[i], &stat);
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
	enum hvset_end end = read_stat(h, w, &stat);

	if (end != HVSET_DONE)
		return end;
	enum hvask_end got = hvask_number(h->ask, w->board, w->channel, HV_VMON, &v);
	if (got != HVASK_OK)
		return because(h, w, "VMON", got);
	hv_stat_text(stat, names);
	snprintf(text, sizeof text, "channel %d: %.1f V %s", w->channel, v, names);
	if (h->progress)
		h->progress(text);
	if (w->power != HVSET_OFF && (stat & HV_STAT_FAULT)) {
		say(h, HVSET_FAIL, w, "%.1f V, STAT %s", v, names);
		return HVSET_DEVICE;
	}
	/* At the current limit it may still trip, and is not where it was to go. */
	*busy = (stat & (HV_STAT_RUP | HV_STAT_RDW | HV_STAT_OVC)) != 0;
	if (!*busy)
		say(h, HVSET_RESULT, w, "%.1f V, %s", v, names);
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
			say(h, HVSET_FAIL, NULL, "%d channel%s still ramping: no longer waiting",
			    left, left > 1 ? "s are" : " is");
			return HVSET_LOST;
		}
		if (left > 0)
			pause_for(h, POLL_EVERY);
	}
	return HVSET_DONE;
}
