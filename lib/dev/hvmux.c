/* hvmux.c - supplies behind hvmux: meeting, asking, losing them; whose turn it is */
#include "hvmux.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "hvmuxin.h"

#define STARVED  (2 * TIM_S) /* a reading that has waited so long goes before a setting */
#define OFF_WAIT TIM_S       /* for an answer, while a channel was not told OFF yet */
/* After an answer the line is left alone for a moment, a small part of what the answer took: a
 * second answer to the same question would be seen, not taken for the next one's. */
#define SETTLE      (60 * TIM_US)
#define SETTLE_PART 50
/* The same answer again, to another question, in a small part of the time that the supply ever
 * needed: it answers twice. */
#define TWICE_PART 4

static const enum hv_par identity[HVMUX_IDS] = {HV_BDNAME, HV_BDSNUM, HV_BDNCH, HV_BDFREL};
enum { ID_NAME, ID_SERIAL, ID_CHANNELS, ID_FIRMWARE };

/* ---- losing one ---- */

static void lost(struct hvmux *m, struct board *b, const char *why, int64_t now)
{
	if (b->state == AWAY)
		return;
	m->t->also[HVMUX_RECONNECTS].n++;
	b->state = AWAY;
	b->away_since = now;
	hvread_forget(b);
	if (b->purpose == FOR_READING && b->owner)
		hvread_lost(b, why);
	hvjob_lost(b);
	if (b->purpose == FOR_OFF)
		hvoff_lost(m, b);
	b->purpose = FOR_NOBODY;
	for (int ch = 0; ch < HV_CHANNELS; ch++) {
		b->off[ch].look = b->off[ch].taken && b->off[ch].look;
		b->off[ch].due = now;
		b->guard[ch].step = 0;
	}
}

void hvmux_lost(struct hvmux *m, int board, const char *why, int64_t now)
{
	lost(m, &m->board[board], why, now);
}

static void give_up_line(struct hvmux *m, struct board *b, const char *why, int64_t now)
{
	m->calls->drop(m->ctx, (int)(b - m->board), why);
	lost(m, b, why, now);
}

bool hvmux_off_waits(const struct hvmux *m, int board)
{
	for (int ch = 0; ch < HV_CHANNELS; ch++)
		if (m->board[board].off[ch].wanted)
			return true;
	return false;
}

/* ---- asking ---- */

int hvmux_number(const struct hvmux *m, const struct board *b)
{
	return (int)(b - m->board);
}

bool hvmux_ask(
    struct hvmux *m, struct board *b, enum purpose purpose, const struct hv_request *q, int64_t now)
{
	char line[HV_LINE];
	int n = hvmux_number(m, b);

	b->purpose = purpose; /* lost() puts back what waits for the answer, sent or not */
	b->asked = *q;
	b->asked.board = m->o.address[n];
	if (m->calls->stale(m->ctx, n)) {
		give_up_line(
		    m, b, "it speaks unasked: another program may be connected to it", now);
		return false;
	}
	size_t len = hv_write_request(&b->asked, line);
	b->sent = now;
	m->t->also[HVMUX_TRANSACTIONS].n++;
	if (m->calls->send(m->ctx, n, line, len) == 0)
		return true;
	lost(m, b, "cannot write to it", now);
	return false;
}

bool hvmux_ask_value(struct hvmux *m, struct board *b, enum purpose purpose, int channel,
    enum hv_par par, int64_t now)
{
	struct hv_request q = {.channel = channel, .par = par};
	return hvmux_ask(m, b, purpose, &q, now);
}

/* ---- meeting one ---- */

static void met(struct hvmux *m, struct board *b, int64_t now)
{
	int n = hvmux_number(m, b);
	bool same = !b->known ||
	    (strcmp(b->id[ID_NAME], b->seen[ID_NAME]) == 0 &&
		strcmp(b->id[ID_SERIAL], b->seen[ID_SERIAL]) == 0 &&
		strcmp(b->id[ID_CHANNELS], b->seen[ID_CHANNELS]) == 0);

	m->calls->good(m->ctx, n);
	if (!same) {
		b->state = STRANGER;
		ALARM(m,
		    "board %d: another supply answers: %s serial %s with %s channels, not %s "
		    "serial %s "
		    "with %s: only OFF is passed on; start hvmux again if this is right",
		    n, b->seen[ID_NAME], b->seen[ID_SERIAL], b->seen[ID_CHANNELS], b->id[ID_NAME],
		    b->id[ID_SERIAL], b->id[ID_CHANNELS]);
	} else {
		b->state = READY;
		memcpy(b->id, b->seen, sizeof b->id);
		b->known = true;
		NOTE(m, "board %d: %s serial %s, %s channels, firmware %s", n, b->id[ID_NAME],
		    b->id[ID_SERIAL], b->id[ID_CHANNELS], b->id[ID_FIRMWARE]);
		hvguard_begin(m, b, now);
	}
}

static void got_identity(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	double nch = 0;

	snprintf(b->seen[b->step], HV_VALUE, "%s", r->error == HV_FINE ? r->value[0] : "?");
	if (++b->step < HVMUX_IDS)
		return;
	if (hv_number(b->seen[ID_CHANNELS], &nch) < 0 || nch < 1 || nch >= HV_CHANNELS) {
		give_up_line(m, b, "it does not say how many channels it has", now);
		return;
	}
	if (!b->known) {
		b->nch = (int)nch;
		hvoff_met(m, b, now);
	}
	met(m, b, now);
}

void hvmux_up(struct hvmux *m, int board, int64_t now)
{
	struct board *b = &m->board[board];

	(void)now;
	b->state = MEETING;
	b->step = 0;
	b->last[0] = '\0';
	b->fastest = 0;
	b->purpose = FOR_NOBODY;
}

/* ---- its answers ---- */

/* Whether this looks like a second answer to the question before. Notes the answer. */
static bool is_echo(struct board *b, const char *line, size_t n, int64_t now)
{
	int64_t took = now - b->sent;
	bool same = n < sizeof b->last && strlen(b->last) == n && memcmp(b->last, line, n) == 0;
	const struct hv_request *q = &b->asked, *q0 = &b->asked_before;
	bool other = q->par != q0->par || q->channel != q0->channel || q->set != q0->set;
	/* OFFs are answered alike, the first on a new connection perhaps late; an answer too many
	 * would not fit the look that follows. */
	bool offs = q->par == HV_OFF && q0->par == HV_OFF;
	bool echo = same && other && !offs && took < b->fastest / TWICE_PART;

	snprintf(b->last, sizeof b->last, "%.*s", (int)(n < HV_LINE ? n : HV_LINE - 1), line);
	b->asked_before = b->asked;
	if (b->fastest == 0 || took < b->fastest)
		b->fastest = took;
	return echo;
}

void hvmux_reply(struct hvmux *m, int board, const char *line, size_t n, int64_t now)
{
	struct board *b = &m->board[board];
	enum purpose purpose = b->purpose;
	struct hv_reply r;
	/* The group form is the one of the board that was met; a stranger's may differ. */
	int nch = b->asked.channel >= 0 && b->state == READY ? b->nch : 0;

	if (purpose == FOR_NOBODY || hv_read_reply(line, n, &r) < 0 ||
	    !hv_fits(&b->asked, &r, nch)) {
		const char *why = purpose == FOR_NOBODY ? "it speaks unasked"
		    : n > 5 && memcmp(line, "#CMD:", 5) == 0
		    ? "it speaks the dialect of DT54xx and DT55xx supplies, which is another one"
		    : "what it says is no answer to what was asked";
		give_up_line(m, b, why, now);
		return;
	}
	if (is_echo(b, line, n, now)) {
		give_up_line(m, b, "it answers twice", now);
		return;
	}
	int64_t settle = (now - b->sent) / SETTLE_PART;
	b->quiet_until = now + (settle < SETTLE ? settle : SETTLE);
	b->purpose = FOR_NOBODY;
	switch (purpose) {
	case FOR_IDENTITY:
		got_identity(m, b, &r, now);
		break;
	case FOR_OFF:
		hvoff_got(m, b, &r, now);
		break;
	case FOR_OFF_LOOK:
		hvoff_got_look(m, b, &r, now);
		break;
	case FOR_JOB:
		hvjob_got(m, b, &r);
		break;
	case FOR_GUARD:
		hvguard_got(m, b, &r, now);
		break;
	case FOR_READING:
		hvread_got(m, b, &r, now);
		break;
	case FOR_NOBODY:
		break;
	}
}

/* ---- the turn ---- */

static void next_question(struct hvmux *m, struct board *b, int64_t now)
{
	if (b->state == AWAY || b->purpose != FOR_NOBODY || now < b->quiet_until)
		return;
	/* Before it is asked who it is: one that says nothing may obey. */
	if (hvoff_next(m, b, now) || b->state == AWAY)
		return;
	if (b->state == MEETING) {
		(void)hvmux_ask_value(m, b, FOR_IDENTITY, -1, identity[b->step], now);
		return;
	}
	struct hvmux_client *reader = hvqueue_next(m, b, false);
	bool starved = reader && now - b->last_reading > STARVED &&
	    now - hvqueue_at(reader, 0)->came > STARVED;
	if (starved && (hvread_next(m, b, now) || b->state == AWAY))
		return;
	if (b->state == READY) {
		if (hvjob_next(m, b, now) || b->state == AWAY || hvjob_begin(m, b, now) ||
		    b->state == AWAY || hvguard_next(m, b, now) || b->state == AWAY)
			return;
	} else if (hvjob_begin(m, b, now)) {
		return; /* of a stranger: refuses all settings, so that none is under way */
	}
	(void)hvread_next(m, b, now);
}

/* When the answer that is waited for has not come in time. */
static int64_t answer_due(const struct hvmux *m, const struct board *b)
{
	bool setting = b->purpose == FOR_JOB && b->job.phase == SETTING;
	bool short_wait = hvoff_untold(b) && !setting && m->o.timeout > OFF_WAIT;

	return b->sent + (short_wait ? OFF_WAIT : m->o.timeout);
}

static void check_timeout(struct hvmux *m, struct board *b, int64_t now)
{
	if (b->purpose == FOR_NOBODY || now < answer_due(m, b))
		return;
	give_up_line(
	    m, b, "no answer; is another program connected to it, CAEN's own perhaps?", now);
}

static int64_t board_due(const struct hvmux *m, const struct board *b, int64_t now)
{
	int64_t due = INT64_MAX;

	if (b->state == AWAY)
		return due;
	if (b->purpose != FOR_NOBODY)
		return answer_due(m, b);
	if (b->quiet_until > now)
		return b->quiet_until;
	for (int ch = 0; ch < b->nch; ch++) {
		if (b->off[ch].wanted && b->off[ch].due < due)
			due = b->off[ch].due;
		if (b->state == READY && b->guard[ch].due < due)
			due = b->guard[ch].due;
	}
	return due;
}

int64_t hvmux_run(struct hvmux *m, int64_t now)
{
	int64_t due = INT64_MAX;

	for (int i = 0; i < m->o.boards; i++) {
		if (m->board[i].away_since == 0)
			m->board[i].away_since = now;
		check_timeout(m, &m->board[i], now);
	}
	int64_t at = hvqueue_expire(m, now);
	due = at < due ? at : due;
	hvqueue_flush_all(m);
	do { /* an answer may uncover a question */
		for (int i = 0; i < m->o.boards; i++)
			next_question(m, &m->board[i], now);
	} while (hvqueue_flush_all(m));
	for (struct hvmux_client *c = m->first; c; c = c->next) {
		if (c->wants_room && c->count < HVMUX_QUEUE) {
			c->wants_room = false;
			m->calls->room(m->ctx, c->who);
		}
	}
	for (int i = 0; i < m->o.boards; i++) {
		at = board_due(m, &m->board[i], now);
		due = at < due ? at : due;
	}
	return due;
}

/* ---- beginning and end ---- */

void hvmux_tally(struct tally *t)
{
	static const char *const losses[] = {"refused", "malformed", "cancelled", "unanswered",
	    "client left"},
				 *const also[] = {"transactions", "cached", "reconnects", "alarms"};

	t->unit = "requests";
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
		t->lost[i].name = losses[i];
	for (size_t i = 0; i < sizeof also / sizeof *also; i++)
		t->also[i].name = also[i];
}

struct hvmux *hvmux_new(
    const struct hvmux_options *o, const struct hvmux_calls *calls, void *ctx, struct tally *t)
{
	struct hvmux *m = calloc(1, sizeof *m + (size_t)o->boards * sizeof m->board[0]);

	if (!m)
		return NULL;
	m->o = *o;
	m->calls = calls;
	m->ctx = ctx;
	m->t = t;
	for (int i = 0; i < o->boards; i++) {
		m->board[i].epoch = 1;
		for (int ch = 0; ch < HV_CHANNELS; ch++)
			m->board[i].guard[ch].due = INT64_MAX;
	}
	return m;
}

void hvmux_free(struct hvmux *m)
{
	if (!m)
		return;
	while (m->first)
		hvmux_leave(m->first);
	free(m);
}
