/* hvmon.c - readings of high-voltage boards: seven requests for all channels, and what changed */
#include "hvmon.h"

#include <stdio.h>
#include <string.h>

#include "base/tim.h"

#define RANGE_EVERY TIM_MIN

/* ---- asking ---- */

static struct hvmon_value value_of(const char *text)
{
	struct hvmon_value v = {0, 0};
	const char *dot = strchr(text, '.');

	(void)hv_number(text + (*text == '-'), &v.v);
	if (*text == '-')
		v.v = -v.v;
	v.digits = dot ? (int)strlen(dot + 1) : 0;
	return v;
}

/* All channels of one parameter. */
static enum hvask_end ask_all(
    struct hvask *a, int board, int nch, enum hv_par par, struct hv_reply *r)
{
	struct hv_request q = {.board = board, .channel = nch, .par = par};
	return hvask(a, &q, r);
}

static void store(struct hvmon_board *b, enum hv_par par, const struct hv_reply *r)
{
	for (int i = 0; i < b->nch; i++) {
		struct hvmon_channel *c = &b->ch[i];
		struct hvmon_value v = value_of(r->value[i]);
		if (par == HV_VMON)
			c->vmon = v;
		else if (par == HV_IMON)
			c->imon = v;
		else if (par == HV_VSET)
			c->vset = v;
		else if (par == HV_ISET)
			c->iset = v;
		else
			c->stat = (unsigned)v.v;
	}
}

static enum hvask_end read_ranges(struct hvask *a, int board, struct hvmon_board *b, int64_t now)
{
	struct hv_reply r;

	if (now < b->range_due)
		return HVASK_OK;
	enum hvask_end end = ask_all(a, board, b->nch, HV_IMRANGE, &r);
	if (end == HVASK_LOST || end == HVASK_STOPPED)
		return end;
	for (int i = 0; i < b->nch; i++)
		snprintf(b->ch[i].range, HV_VALUE, "%s", end == HVASK_OK ? r.value[i] : "");
	b->range_due = now + RANGE_EVERY;
	return HVASK_OK;
}

static enum hvask_end read_board(struct hvask *a, int board, struct hvmon_board *b, int64_t now)
{
	static const enum hv_par pars[] = {HV_VMON, HV_IMON, HV_VSET, HV_ISET, HV_STAT};
	char text[HV_VALUE];
	struct hv_reply r;
	double alarm = 0;
	enum hvask_end end = hvask_channels(a, board, &b->nch);

	if (end != HVASK_OK || (end = read_ranges(a, board, b, now)) != HVASK_OK)
		return end;
	for (size_t i = 0; i < sizeof pars / sizeof *pars; i++) {
		if ((end = ask_all(a, board, b->nch, pars[i], &r)) != HVASK_OK)
			return end;
		store(b, pars[i], &r);
	}
	if ((end = hvask_text(a, board, -1, HV_BDILK, text)) != HVASK_OK)
		return end;
	b->interlock = strcmp(text, "YES") == 0;
	if ((end = hvask_number(a, board, -1, HV_BDALARM, &alarm)) != HVASK_OK)
		return end;
	b->alarm = (unsigned)alarm;
	return HVASK_OK;
}

enum hvask_end hvmon_read(struct hvask *a, int board, struct hvmon_board *b, int64_t now_mono)
{
	enum hvask_end end = read_board(a, board, b, now_mono);

	b->up = end == HVASK_OK;
	if (!b->up)
		b->range_due = 0; /* it may come back otherwise */
	return end;
}

/* ---- readings ---- */

void hvmon_channel(struct rec *r, struct hvmon_text *text, int64_t time, int board, int channel,
    const struct hvmon_channel *c, const char *name)
{
	snprintf(text->board, sizeof text->board, "%d", board);
	snprintf(text->channel, sizeof text->channel, "%d", channel);
	rec_begin(r, "hv", time);
	rec_tag(r, "board", text->board);
	rec_tag(r, "channel", text->channel);
	rec_tag(r, "name", name ? name : "");
	rec_real(r, "vmon", "V", c->vmon.v, c->vmon.digits);
	rec_real(r, "imon", "uA", c->imon.v, c->imon.digits);
	rec_string(r, "imrange", c->range);
	rec_real(r, "vset", "V", c->vset.v, c->vset.digits);
	rec_real(r, "iset", "uA", c->iset.v, c->iset.digits);
	rec_whole(r, "stat", NULL, c->stat);
	rec_string(r, "state", hv_stat_text(c->stat, text->stat));
	for (int bit = 0; bit < HV_STAT_BITS; bit++)
		rec_whole(r, hv_stat_name(bit), NULL, c->stat >> bit & 1);
}

void hvmon_board(
    struct rec *r, struct hvmon_text *text, int64_t time, int board, const struct hvmon_board *b)
{
	snprintf(text->board, sizeof text->board, "%d", board);
	rec_begin(r, "hv_board", time);
	rec_tag(r, "board", text->board);
	rec_whole(r, "up", NULL, b->up);
	if (!b->up)
		return;
	rec_whole(r, "interlock", NULL, b->interlock);
	rec_whole(r, "alarm", NULL, b->alarm);
	rec_string(r, "alarms", hv_alarm_text(b->alarm, b->nch, text->stat));
}

unsigned hvmon_alarms(unsigned stat)
{
	unsigned mask = HV_STAT_FAULT | HV_STAT_OVC | HV_STAT_MAXV;

	if (!(stat & (HV_STAT_RUP | HV_STAT_RDW)))
		mask |= HV_STAT_OVV | HV_STAT_UNV;
	return stat & mask;
}
