/* hvoff.c - OFF: before all others, from whoever asks, until STAT shows it */
#include <stdio.h>

#include "base/tim.h"
#include "hvmuxin.h"

#define OFF_EVERY TIM_S /* looks at a channel that ramps down, or does not obey */
#define OFF_QUICK 3     /* repetitions without a wait */

#define NO_CHANNEL "there is no such channel"

bool hvoff_raises(enum hv_par p)
{
	return p == HV_ON || p == HV_VSET || p == HV_ISET;
}

/* What waits to raise a channel is not carried out any more. */
static void cancel_raising(struct hvmux *m, int board, int channel, const char *peer)
{
	char why[HV_WHY], text[128];

	snprintf(why, sizeof why, "cancelled by OFF of %s", peer);
	hvjob_cancel(m, &m->board[board], channel, why);
	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = hvqueue_at(c, i);
			if (s->state != QUEUED || !s->q.set || s->q.board != board ||
			    s->q.channel != channel || !hvoff_raises(s->q.par))
				continue;
			AUDIT(m, "%s: %s: %s", c->peer, hvsay_change(&s->q, "?", text), why);
			hvqueue_error(c, s, HV_ERR_CMD, HVMUX_CANCELLED, why);
		}
	}
}

void hvoff_want(struct hvmux *m, int board, int channel, const char *peer, int64_t now)
{
	struct off *o = &m->board[board].off[channel];
	char where[40];

	AUDIT(m, "%s: %s OFF: asked", peer, hvsay_place(board, channel, where));
	cancel_raising(m, board, channel, peer);
	/* Who asks again does not push a channel before those that were told longer ago. */
	*o = (struct off){.wanted = true,
	    .due = now,
	    .sent = o->wanted ? o->sent : 0,
	    .unheard = o->wanted && o->unheard};
	snprintf(o->peer, sizeof o->peer, "%s", peer);
}

uint32_t hvoff_mask(const struct board *b, int channel)
{
	if (b->nch == 0)
		return channel < HV_CHANNELS ? (uint32_t)1 << channel : 0;
	if (channel == b->nch)
		return ((uint32_t)1 << b->nch) - 1;
	return channel < b->nch ? (uint32_t)1 << channel : 0;
}

void hvoff_begin(struct hvmux_client *c, struct slot *s, int64_t now)
{
	struct hvmux *m = c->m;
	uint32_t mask = hvoff_mask(&m->board[s->q.board], s->q.channel);

	if (!mask) {
		hvqueue_refuse(c, s, HV_ERR_CH, NO_CHANNEL);
		return;
	}
	s->state = OFF_PENDING;
	s->off_left = mask;
	for (int ch = 0; ch < HV_CHANNELS; ch++)
		if (mask >> ch & 1)
			hvoff_want(m, s->q.board, ch, c->peer, now);
}

void hvoff_met(struct hvmux *m, struct board *b, int64_t now)
{
	int n = hvmux_number(m, b);
	char where[40];

	for (int beyond = b->nch; beyond < HV_CHANNELS; beyond++) {
		struct off o = b->off[beyond];
		b->off[beyond].wanted = false;
		for (int ch = 0; o.wanted && beyond == b->nch && ch < b->nch; ch++)
			hvoff_want(m, n, ch, o.peer, now);
		if (o.wanted && beyond > b->nch)
			AUDIT(m, "%s: %s OFF: refused: %s", o.peer, hvsay_place(n, beyond, where),
			    NO_CHANNEL);
	}
	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = hvqueue_at(c, i);
			if (s->state != OFF_PENDING || s->q.board != n)
				continue;
			s->off_left = hvoff_mask(b, s->q.channel);
			if (!s->off_left)
				hvqueue_error(c, s, HV_ERR_CH, HVMUX_REFUSED, NO_CHANNEL);
		}
	}
}

/* The supply has answered an OFF: those who asked are told. */
static void answer_off(struct hvmux *m, int board, int channel, enum hv_error e)
{
	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = hvqueue_at(c, i);
			if (s->state != OFF_PENDING || s->q.board != board ||
			    !(s->off_left >> channel & 1))
				continue;
			s->off_left &= ~((uint32_t)1 << channel);
			s->off_error = e != HV_FINE ? e : s->off_error;
			if (s->off_left)
				continue;
			if (s->off_error != HV_FINE)
				hvqueue_error(c, s, s->off_error, -1, hv_error_text(s->off_error));
			else
				hvqueue_answer(c, s, &(struct hv_reply){.error = HV_FINE}, -1);
		}
	}
}

void hvoff_got(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	int channel = b->asked.channel, n = hvmux_number(m, b);
	struct off *o = &b->off[channel];
	char where[40];

	o->taken = r->error == HV_FINE;
	o->look = true;
	o->due = now;
	o->tries++;
	if (!o->taken && !o->alarmed && b->nch > 0) { /* else there may be no such channel */
		ALARM(m, "%s OFF: the supply said %s; it is repeated (use the front panel)",
		    hvsay_place(n, channel, where), hv_error_text(r->error));
		o->alarmed = true;
	}
	answer_off(m, n, channel, r->error);
}

void hvoff_got_look(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	int channel = b->asked.channel, n = hvmux_number(m, b);
	struct off *o = &b->off[channel];
	char where[40], names[HV_STAT_TEXT];
	double v = HV_STAT_ON;

	if (!o->wanted)
		return;
	if (r->error == HV_FINE)
		(void)hv_number(r->value[0], &v);
	unsigned stat = (unsigned)v;
	if (!(stat & HV_STAT_ON)) {
		AUDIT(m, "%s: %s OFF: done, STAT %s", o->peer, hvsay_place(n, channel, where),
		    hv_stat_text(stat, names));
		*o = (struct off){.wanted = false};
		return;
	}
	o->ramping = o->taken && (stat & HV_STAT_RDW);
	o->look = o->ramping; /* it obeys: look again; it does not: say it again */
	o->due = o->ramping || o->tries > OFF_QUICK ? now + OFF_EVERY : now;
	if (!o->ramping && o->tries > OFF_QUICK && !o->alarmed) {
		ALARM(m, "%s does not go OFF: STAT %s after %d commands; use the front panel",
		    hvsay_place(n, channel, where), hv_stat_text(stat, names), o->tries);
		o->alarmed = true;
	}
}

void hvoff_lost(struct hvmux *m, struct board *b)
{
	int channel = b->asked.channel;
	struct off *o = &b->off[channel];
	char where[40];

	if (!o->wanted || o->unheard || o->sent != b->sent)
		return;
	ALARM(m,
	    "%s OFF: no answer: nobody knows whether it is off; it is sent again until the supply "
	    "answers (use the front panel)",
	    hvsay_place(hvmux_number(m, b), channel, where));
	o->unheard = true;
}

bool hvoff_untold(const struct board *b)
{
	for (int ch = 0; ch < HV_CHANNELS; ch++)
		if (b->off[ch].wanted && b->off[ch].sent == 0)
			return true;
	return false;
}

/* The channel that was told longest ago: one whose OFF has no answer keeps no other one waiting. -1:
 * none is due. */
static int next_off(const struct board *b, int64_t now)
{
	int next = -1;

	for (int ch = 0; ch < HV_CHANNELS; ch++) {
		const struct off *o = &b->off[ch];
		if (o->wanted && o->due <= now && !o->look &&
		    (next < 0 || o->sent < b->off[next].sent))
			next = ch;
	}
	return next;
}

bool hvoff_next(struct hvmux *m, struct board *b, int64_t now)
{
	int ch = next_off(b, now);

	if (ch >= 0) {
		struct hv_request q = {.set = true, .channel = ch, .par = HV_OFF};
		hvread_forget(b);
		if (!hvmux_ask(m, b, FOR_OFF, &q, now))
			return false;
		b->off[ch].sent = now;
		return true;
	}
	if (b->state ==
	    MEETING) /* it is told OFF whoever it is, and looked at when that is known */
		return false;
	for (ch = 0; ch < b->nch; ch++) {
		const struct off *o = &b->off[ch];
		if (o->wanted && o->due <= now && o->look)
			return hvmux_ask_value(m, b, FOR_OFF_LOOK, ch, HV_STAT, now);
	}
	return false;
}
