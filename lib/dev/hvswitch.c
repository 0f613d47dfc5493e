/* hvswitch.c - channels switched: OFF until the supply shows it, ON only from a good state */
#include "hvsetin.h"

#include <stdio.h>

#include "base/tim.h"

#define OFF_TRIES     10
#define OFF_PAUSE     (500 * TIM_MS)
#define OFF_SILENT    3 /* rounds without any answer */
#define MOST_CHANNELS 8 /* of a board */
#define LATCH         (HV_STAT_TRIP | HV_STAT_OVP | HV_STAT_OVT | HV_STAT_KILL)

/* ---- OFF ---- */

/* How far the OFF of one channel has come. */
struct off {
	bool over; /* it is off, or refused */
	bool seen; /* stat is of after an OFF */
	unsigned stat;
	enum hvset_end end;
};

/* Whether the board says, by now, that there is no such channel. */
static bool is_none(struct hvset *h, const struct hvset_want *w)
{
	int nch = 0;

	return w->unsure && hvask_channels(h->ask, w->board, &nch) == HVASK_OK && w->channel >= nch;
}

static void send_off(struct hvset *h, const struct hvset_want *w, struct off *o, char why[HV_WHY])
{
	enum hvask_end end = hvask_set(h->ask, w->board, w->channel, HV_OFF, "");

	o->seen = false;
	if (end == HVASK_LOST)
		snprintf(why, HV_WHY, "%s", hvask_why(h->ask));
	if (end == HVASK_OK || end == HVASK_LOST)
		return;
	o->over = true;
	o->end = is_none(h, w) ? HVSET_DONE : hvset_because(h, w, "OFF", end);
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
	o->end = HVSET_DONE;
	if (is_none(h, w)) /* its number means all of the board, and each of them is looked at */
		return true;
	hvset_say(h, HVSET_RESULT, w, "OFF%s", o->stat & HV_STAT_RDW ? ", ramping down" : "");
	w->power = HVSET_OFF;
	return true;
}

/* A signal does not shorten it: the supply has the same time to show what it does. */
static void before_next_round(struct hvset *h)
{
	int64_t until = tim_mono() + OFF_PAUSE;

	while (tim_sleep_until(until) < 0)
		(void)h->stopping(); /* else the signal wakes it again and again */
}

/* Sends OFF to each of these channels before it looks at any, so that none waits for another; then
 * again until STAT shows it. Those that are off have power HVSET_OFF. Goes on after a signal: leaving
 * now would leave them on. */
static enum hvset_end switch_off(struct hvset *h, struct hvset_want *const *w, int n)
{
	struct off o[HVSET_WANTS] = {0};
	enum hvset_end end = HVSET_DONE;
	char why[HV_WHY] = "", text[HV_STAT_TEXT];
	int left = h->dry ? 0 : n, rounds = 0, silent = 0;

	for (int i = 0; i < n && h->dry; i++)
		hvset_say(h, HVSET_RESULT, w[i], "would switch OFF");
	for (; left > 0 && rounds < OFF_TRIES && silent < OFF_SILENT; rounds++) {
		bool answered = false;
		if (rounds > 0)
			before_next_round(h);
		/* the others are to be told, too */
		hvask_pace(h->ask, rounds == 0 && n > 1 ? HVASK_HURRY : HVASK_STEADY);
		for (int i = 0; i < n; i++)
			if (!o[i].over)
				send_off(h, w[i], &o[i], why);
		hvask_pace(h->ask, HVASK_STEADY);
		left = 0;
		for (int i = 0; i < n; i++) {
			if (!o[i].over)
				answered |= look_off(h, w[i], &o[i], why);
			left += !o[i].over;
		}
		silent = answered ? 0 : silent + 1;
	}
	hvask_pace(h->ask, HVASK_CALM);
	for (int i = 0; i < n; i++) {
		end = end == HVSET_DONE ? o[i].end : end;
		if (h->dry || o[i].over)
			continue;
		if (o[i].seen)
			hvset_say(h, HVSET_FAIL, w[i],
			    "still not off after %d commands (STAT %s): use the front panel",
			    rounds, hv_stat_text(o[i].stat, text));
		else
			hvset_say(h, HVSET_FAIL, w[i],
			    "asked for OFF %d times, and nobody knows whether it is off: %.160s",
			    rounds, why);
	}
	return end;
}

/* Those that are unsure. By now the others have been told: there is time to ask again what channels
 * their boards have. */
static enum hvset_end unsure_off(struct hvset *h, struct hvset_want *want, int n)
{
	struct hvset_want *off[HVSET_WANTS] = {NULL};
	enum hvset_end worst = HVSET_DONE;
	bool silent[HV_BOARDS] = {false};
	int noff = 0;

	hvask_pace(h->ask, HVASK_STEADY);
	for (int i = 0; i < n; i++) {
		if (!want[i].unsure)
			continue;
		enum hvset_end end = hvset_place(h, &want[i], silent);
		if (want[i].unsure) {
			hvset_say(h, HVSET_FAIL, &want[i],
			    "%.160s; whether there is such a channel is not known, so no OFF was "
			    "sent: use the front panel",
			    hvask_why(h->ask));
			end = HVSET_LOST;
		}
		if (end == HVSET_DONE)
			off[noff++] = &want[i];
		worst = worst == HVSET_DONE ? end : worst;
	}
	hvask_pace(h->ask, HVASK_CALM);
	enum hvset_end done = switch_off(h, off, noff);
	return worst == HVSET_DONE ? done : worst;
}

enum hvset_end hvset_off(struct hvset *h, struct hvset_want *want, int n)
{
	struct hvset_want *off[HVSET_WANTS] = {NULL};
	int noff = 0;

	for (int i = 0; i < n && noff < HVSET_WANTS; i++)
		if (want[i].power == HVSET_OFF && !want[i].unsure)
			off[noff++] = &want[i];
	enum hvset_end sure = switch_off(h, off, noff);
	enum hvset_end unsure = unsure_off(h, want, n);
	return sure == HVSET_DONE ? unsure : sure;
}

/* ---- OFF of all ---- */

/* How many channels of the board are to be told OFF, when all are; 0, with *end, where that is of no
 * use. To a board that says nothing it goes all the same: supplies obey without an answer. */
static int channels_off(struct hvset *h, int board, bool *unsure, enum hvset_end *end)
{
	int nch = 0;
	enum hvask_end got = hvask_channels(h->ask, board, &nch);

	*unsure = got == HVASK_LOST && hvask_sent(h->ask);
	if (got == HVASK_OK)
		return nch;
	if (*unsure) {
		hvset_say(h, HVSET_WARN, NULL,
		    "board %d: %.160s: its channels are not known: OFF goes to 0 to %d", board,
		    hvask_why(h->ask), MOST_CHANNELS - 1);
		return MOST_CHANNELS;
	}
	*end = got == HVASK_LOST ? HVSET_LOST : HVSET_DEVICE;
	hvset_say(h, HVSET_FAIL, NULL,
	    "board %d: %.160s; its channels are not known, so no OFF was sent: "
	    "use the front panel",
	    board, hvask_why(h->ask));
	return 0;
}

/* All channels of these boards. want[*n) grows by those that are off: only these may be waited for. */
static enum hvset_end boards_off(
    struct hvset *h, int first, int last, struct hvset_want *want, int *n)
{
	struct hvset_want *off[HVSET_WANTS] = {NULL};
	enum hvset_end worst = HVSET_DONE;
	int begin = *n, all = begin;

	hvask_pace(h->ask, HVASK_HURRY);
	for (int b = first; b <= last; b++) {
		bool unsure;
		int nch = channels_off(h, b, &unsure, &worst);
		for (int c = 0; c < nch && all < HVSET_WANTS; c++) {
			want[all] = (struct hvset_want){.board = b,
			    .channel = c,
			    .power = HVSET_KEEP,
			    .unsure = unsure && c >= HVSET_FEWEST_ALL};
			off[all - begin] = &want[all];
			all++;
		}
	}
	enum hvset_end done = switch_off(h, off, all - begin);
	for (int i = begin; i < all; i++)
		if (want[i].power == HVSET_OFF)
			want[(*n)++] = want[i];
	return worst == HVSET_DONE ? done : worst;
}

/* The boards after 0, when that one was told without knowing how many there are: asked again. */
static enum hvset_end other_boards_off(struct hvset *h, struct hvset_want *want, int *n)
{
	int boards = 0;

	hvask_pace(h->ask, HVASK_STEADY);
	enum hvask_end asked = hvask_boards(h->ask, &boards);
	hvask_pace(h->ask, HVASK_CALM);
	if (asked == HVASK_OK)
		return boards_off(h, 1, boards - 1, want, n);
	hvset_say(h, HVSET_FAIL, NULL,
	    "%.160s; how many boards there are is not known, so only board 0 was told OFF: use the "
	    "front panel of others",
	    hvask_why(h->ask));
	return HVSET_LOST;
}

enum hvset_end hvset_all_off(struct hvset *h, int board, struct hvset_want *want, int *n)
{
	int boards = 0;

	*n = 0;
	if (board >= 0)
		return boards_off(h, board, board, want, n);
	hvask_pace(h->ask, HVASK_HURRY);
	enum hvask_end asked = hvask_boards(h->ask, &boards);
	if (asked != HVASK_OK && !hvask_sent(h->ask))
		return hvset_because(h, NULL, "how many boards", asked);
	enum hvset_end end = boards_off(h, 0, boards > 1 ? boards - 1 : 0, want, n);
	enum hvset_end others = asked == HVASK_OK ? HVSET_DONE : other_boards_off(h, want, n);
	return end == HVSET_DONE ? others : end;
}

/* ---- ON ---- */

enum hvset_end hvswitch_on(struct hvset *h, const struct hvset_want *w)
{
	char text[HV_STAT_TEXT];
	unsigned stat;
	enum hvset_end end = hvset_stat(h, w, &stat); /* never ON before STAT was seen */

	if (end != HVSET_DONE)
		return end;
	if ((stat & HV_STAT_ON) && !(stat & HV_STAT_RDW)) {
		hvset_say(h, HVSET_WARN, w, "is ON already: unchanged");
		return HVSET_DONE;
	}
	if (stat & (LATCH | HV_STAT_ILK | HV_STAT_DIS)) {
		hvset_say(h, HVSET_FAIL, w, "STAT %s: %s first", hv_stat_text(stat, text),
		    stat & LATCH             ? "find out why, and --clear"
			: stat & HV_STAT_ILK ? "close the interlock"
					     : "enable it at the front panel");
		return HVSET_REFUSED;
	}
	if (h->dry) {
		hvset_say(h, HVSET_RESULT, w, "would switch ON");
		return HVSET_DONE;
	}
	enum hvask_end on = hvask_set(h->ask, w->board, w->channel, HV_ON, "");
	if (on != HVASK_OK && on != HVASK_LOST)
		return hvset_because(h, w, "ON", on);
	if ((end = hvset_stat(h, w, &stat)) != HVSET_DONE)
		return end;
	if (!(stat & HV_STAT_ON)) {
		hvset_say(h, HVSET_FAIL, w, "asked for ON, the supply shows STAT %s",
		    hv_stat_text(stat, text));
		return on == HVASK_OK ? HVSET_DEVICE : HVSET_LOST;
	}
	hvset_say(h, HVSET_RESULT, w, "ON");
	return HVSET_DONE;
}
