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

static void send_off(struct hvset *h, const struct hvset_want *w, struct off *o, char why[HV_WHY])
{
	enum hvask_end end = hvask_set(h->ask, w->board, w->channel, HV_OFF, "");

	o->seen = false;
	if (end == HVASK_LOST)
		snprintf(why, HV_WHY, "%s", hvask_why(h->ask));
	if (end == HVASK_OK || end == HVASK_LOST)
		return;
	o->end = hvset_because(h, w, "OFF", end);
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
	hvset_say(h, HVSET_RESULT, w, "OFF%s", o->stat & HV_STAT_RDW ? ", ramping down" : "");
	w->power = HVSET_OFF;
	o->end = HVSET_DONE;
	return true;
}

/* A signal does not shorten it: the supply has the same time to show what it does. */
static void before_next_round(struct hvset *h)
{
	int64_t until = tim_mono() + OFF_PAUSE;

	while (tim_sleep_until(until) < 0)
		(void)h->stopping(); /* else the signal wakes it again and again */
}

/* Goes on after a signal: leaving now would leave them on. */
enum hvset_end hvswitch_off(struct hvset *h, struct hvset_want *const *w, int n)
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
		hvask_hurry(h->ask, rounds == 0 && n > 1); /* the others are to be told, too */
		for (int i = 0; i < n; i++)
			if (!o[i].over)
				send_off(h, w[i], &o[i], why);
		hvask_hurry(h->ask, false);
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

/* How many channels of the board are to be told OFF, when all are; 0, with *end, where that is of no
 * use. To a board that says nothing it goes all the same: supplies obey without an answer. */
static int channels_off(struct hvset *h, int board, enum hvset_end *end)
{
	int nch = 0;
	enum hvask_end got = hvask_channels(h->ask, board, &nch);

	if (got == HVASK_OK)
		return nch;
	if (got == HVASK_LOST && hvask_sent(h->ask)) {
		hvset_say(h, HVSET_WARN, NULL,
		    "board %d: %.160s: its channels are not known: OFF goes to 0 to %d", board,
		    hvask_why(h->ask), MOST_CHANNELS - 1);
		return MOST_CHANNELS;
	}
	*end = got == HVASK_LOST ? HVSET_LOST : got == HVASK_STOPPED ? HVSET_STOPPED : HVSET_DEVICE;
	hvset_say(h, HVSET_FAIL, NULL,
	    "board %d: %.160s; its channels are not known, so no OFF was sent: "
	    "use the front panel",
	    board, hvask_why(h->ask));
	return 0;
}

/* The last of the boards; one that says nothing is board 0. -1, with *end: they cannot be asked. */
static int last_board(struct hvset *h, enum hvset_end *end)
{
	int boards = 0;
	enum hvask_end got = hvask_boards(h->ask, &boards);

	if (got == HVASK_OK || (got == HVASK_LOST && hvask_sent(h->ask)))
		return boards ? boards - 1 : 0;
	*end = hvset_because(h, NULL, "how many boards", got);
	return -1;
}

enum hvset_end hvset_all_off(struct hvset *h, int board, struct hvset_want *want, int *n)
{
	struct hvset_want *off[HVSET_WANTS] = {NULL};
	enum hvset_end worst = HVSET_DONE;
	int all = 0;

	hvask_hurry(h->ask, true);
	int last = board < 0 ? last_board(h, &worst) : board;
	for (int b = board < 0 ? 0 : board; b <= last; b++) {
		int nch = channels_off(h, b, &worst);
		for (int c = 0; c < nch && all < HVSET_WANTS; c++) {
			want[all] =
			    (struct hvset_want){.board = b, .channel = c, .power = HVSET_KEEP};
			off[all] = &want[all];
			all++;
		}
	}
	hvask_hurry(h->ask, false);
	enum hvset_end done = hvswitch_off(h, off, all);
	*n = 0;
	for (int i = 0; i < all; i++) /* those that are off: only these may be waited for */
		if (want[i].power == HVSET_OFF)
			want[(*n)++] = want[i];
	return worst == HVSET_DONE ? done : worst;
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
