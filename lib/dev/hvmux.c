/* hvmux.c - sharing high-voltage supplies: who may ask what, in which order, and what became of it */
#include "hvmux.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/tim.h"

#define PEER        96
#define OFF_EVERY   TIM_S       /* looks at a channel that ramps down, or does not obey */
#define OFF_QUICK   3           /* repetitions without a wait */
#define LIMIT_EVERY TIM_MIN     /* tries to write MAXV */
#define STARVED     (2 * TIM_S) /* a reading that has waited so long goes before a setting */
#define TRIES       2           /* of a reading */
/* After an answer the line is left alone for a moment, a small part of what the answer took: a second
 * answer to the same question would be seen, not taken for the next one's. */
#define SETTLE      (60 * TIM_US)
#define SETTLE_PART 50
/* The same answer again, to another question, in a small part of the time that the supply ever
 * needed: it answers twice. */
#define TWICE_PART 4
#define PLACES     (HV_CHANNELS + 1) /* of the cache: channels, and the board */

/* ---- what is kept ---- */

enum slot_state { QUEUED, BUSY, OFF_PENDING, ANSWERED };

/* A request of a client, until its answer has been given. */
struct slot {
	enum slot_state state;
	bool silent; /* nobody answers: there is no such board */
	struct hv_request q;
	int64_t came;
	int tries;
	uint32_t off_left; /* channels whose OFF is not yet taken */
	enum hv_error off_error;
	struct hv_reply reply;
	char why[HV_WHY]; /* of an error */
};

struct hvmux_client {
	struct hvmux *m;
	struct hvmux_client *next;
	void *who;
	char peer[PEER], why[HV_WHY];
	bool read_only, wants_room;
	uint64_t turn; /* when it was served last */
	size_t ahead;  /* bytes already looked at by hvmux_ahead() */
	unsigned head, count;
	struct slot slot[HVMUX_QUEUE];
};

/* A channel that somebody wants off. */
struct off {
	bool wanted, taken, ramping, look, alarmed;
	int64_t due;
	int tries;
	char peer[PEER];
};

/* The protection limit of a channel, to be written when that changes no output. */
struct guard {
	int64_t due; /* INT64_MAX: settled */
	int step;
	double seen[4]; /* MAXV STAT VSET VMON */
	bool alarmed;
};
static const enum hv_par guard_reads[] = {HV_MAXV, HV_STAT, HV_VSET, HV_VMON};
#define GUARD_READS 4

/* A setting on its way: what is read before it, itself, and what is read when it had no answer. */
struct job {
	enum { NO_JOB, BEFORE, SETTING, READ_BACK } phase;
	int step;
	struct hvmux_client *owner; /* NULL: it has gone, or was told that the outcome is unknown */
	struct slot *slot;
	struct hv_request q;
	char peer[PEER], old[HV_VALUE];
};

enum purpose { FOR_NOBODY, FOR_IDENTITY, FOR_OFF, FOR_OFF_LOOK, FOR_JOB, FOR_GUARD, FOR_READING };

struct cached {
	int64_t at;
	uint64_t epoch; /* valid while it is the board's */
	struct hv_reply reply;
};

struct board {
	enum { AWAY, MEETING, READY, STRANGER } state;
	int step; /* of the identity */
	int64_t away_since;
	bool known;
	char id[4][HV_VALUE], seen[4][HV_VALUE]; /* BDNAME BDSNUM BDNCH BDFREL */
	int nch;
	enum purpose purpose; /* of the question outstanding */
	struct hv_request asked, asked_before;
	char last[HV_LINE]; /* the answer before */
	int64_t fastest;    /* on this connection; 0: none yet */
	int64_t sent, quiet_until;
	struct hvmux_client *owner; /* of a reading */
	struct slot *slot;
	struct off off[HV_CHANNELS];
	struct guard guard[HV_CHANNELS];
	struct job job;
	int64_t last_reading;
	uint64_t epoch; /* from 1 */
	struct cached cache[PLACES][HV_PARS];
};
static const enum hv_par identity[] = {HV_BDNAME, HV_BDSNUM, HV_BDNCH, HV_BDFREL};
enum { ID_NAME, ID_SERIAL, ID_CHANNELS, ID_FIRMWARE, IDS };

struct hvmux {
	struct hvmux_options o;
	const struct hvmux_calls *calls;
	void *ctx;
	struct tally *t;
	struct hvmux_client *first;
	uint64_t turn;
	struct board board[];
};

/* ---- saying: nothing comes from a peer but words that hv.c has read, and escaped lines ---- */

/* "board 0 channel 3" */
static const char *place(int board, int channel, char buf[40])
{
	if (channel < 0)
		snprintf(buf, 40, "board %d", board);
	else
		snprintf(buf, 40, "board %d channel %d", board, channel);
	return buf;
}

typedef void say_call(void *ctx, const char *text);

static void say(struct hvmux *m, say_call *call, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct hvmux *m, say_call *call, const char *format, ...)
{
	char text[HVMUX_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (call == m->calls->alarm)
		m->t->also[HVMUX_ALARMS].n++;
	call(m->ctx, text);
}

#define AUDIT(m, ...) say(m, (m)->calls->audit, __VA_ARGS__)
#define ALARM(m, ...) say(m, (m)->calls->alarm, __VA_ARGS__)
#define NOTE(m, ...)  say(m, (m)->calls->note, __VA_ARGS__)

/* "board 0 channel 3 VSET 250.0 -> 1500.0" */
static const char *change_text(const struct hv_request *q, const char *old, char buf[128])
{
	char where[40];

	if (q->value[0])
		snprintf(buf, 128, "%s %s %s -> %s", place(q->board, q->channel, where),
		    hv_info(q->par)->name, *old ? old : "?", q->value);
	else
		snprintf(buf, 128, "%s %s -> %s", place(q->board, q->channel, where),
		    *old ? old : "?", hv_info(q->par)->name);
	return buf;
}

/* ---- slots and answers ---- */

static struct slot *slot_at(struct hvmux_client *c, unsigned i)
{
	return &c->slot[(c->head + i) % HVMUX_QUEUE];
}

/* The answer as a line. MUXWHY's is longer than a value: it is what was said last. */
static size_t answer_line(const struct hvmux_client *c, struct slot *s, char line[HV_LINE])
{
	s->reply.board = s->q.board;
	if (s->reply.error != HV_FINE || s->q.par != HV_MUXWHY)
		return hv_write_reply(&s->reply, line);
	return (size_t)snprintf(
	    line, HV_LINE, "#BD:%02d,CMD:OK,VAL:%.200s\r\n", s->q.board, *c->why ? c->why : "none");
}

/* Gives the answers at the head of the queue, in their order. Whether there was one. */
static bool flush(struct hvmux_client *c)
{
	struct hvmux *m = c->m;
	char line[HV_LINE];
	bool any = false;

	for (; c->count > 0 && slot_at(c, 0)->state == ANSWERED; any = true) {
		struct slot *s = slot_at(c, 0);
		if (*s->why)
			snprintf(c->why, sizeof c->why, "%s", s->why);
		if (!s->silent)
			m->calls->answer(m->ctx, c->who, line, answer_line(c, s, line));
		c->head = (c->head + 1) % HVMUX_QUEUE;
		c->count--;
	}
	return any;
}

static bool flush_all(struct hvmux *m)
{
	bool any = false;

	for (struct hvmux_client *c = m->first; c; c = c->next)
		any |= flush(c);
	return any;
}

/* loss: HVMUX_... or -1 for an answer that came from the supply. */
static void answer(struct hvmux_client *c, struct slot *s, const struct hv_reply *r, int loss)
{
	struct tally *t = c->m->t;

	s->reply = *r;
	s->state = ANSWERED;
	t->held--;
	if (loss >= 0)
		t->lost[loss].n++;
	else
		t->out++;
}

static void answer_error(
    struct hvmux_client *c, struct slot *s, enum hv_error e, int loss, const char *why)
{
	static const char *const kind[] = {[HVMUX_REFUSED] = "refused",
	    [HVMUX_MALFORMED] = "malformed",
	    [HVMUX_CANCELLED] = "refused",
	    [HVMUX_UNANSWERED] = "unanswered",
	    [HVMUX_LEFT] = ""};
	struct hv_reply r = {.error = e};

	snprintf(s->why, sizeof s->why, "%s: %.180s", loss < 0 ? "supply" : kind[loss], why);
	answer(c, s, &r, loss);
}

/* A request that is not carried out. */
static void refuse(struct hvmux_client *c, struct slot *s, enum hv_error e, const char *why)
{
	char text[128];

	if (s->q.set)
		AUDIT(c->m, "%s: %s: refused: %s", c->peer, change_text(&s->q, "?", text), why);
	else
		AUDIT(c->m, "%s: %s %s: refused: %s", c->peer,
		    place(s->q.board, s->q.channel, text), hv_info(s->q.par)->name, why);
	answer_error(c, s, e, HVMUX_REFUSED, why);
}

static void forget_cache(struct board *b)
{
	b->epoch++;
}

/* ---- sending ---- */

static void lost(struct hvmux *m, struct board *b, const char *why, int64_t now);

static void give_up_line(struct hvmux *m, struct board *b, const char *why, int64_t now)
{
	m->calls->drop(m->ctx, (int)(b - m->board), why);
	lost(m, b, why, now);
}

static int number_of(const struct hvmux *m, const struct board *b)
{
	return (int)(b - m->board);
}

/* Sends one question; true when it is under way. */
static bool ask(
    struct hvmux *m, struct board *b, enum purpose purpose, const struct hv_request *q, int64_t now)
{
	char line[HV_LINE];
	int n = number_of(m, b);

	if (m->calls->stale(m->ctx, n)) {
		give_up_line(
		    m, b, "it speaks unasked: another program may be connected to it", now);
		return false;
	}
	b->asked = *q;
	b->asked.board = m->o.address[n];
	size_t len = hv_write_request(&b->asked, line);
	b->purpose = purpose;
	b->sent = now;
	m->t->also[HVMUX_TRANSACTIONS].n++;
	if (m->calls->send(m->ctx, n, line, len) == 0)
		return true;
	lost(m, b, "cannot write to it", now);
	return false;
}

static bool ask_value(struct hvmux *m, struct board *b, enum purpose purpose, int channel,
    enum hv_par par, int64_t now)
{
	struct hv_request q = {.channel = channel, .par = par};
	return ask(m, b, purpose, &q, now);
}

/* ---- OFF ---- */

static bool raises(enum hv_par p)
{
	return p == HV_ON || p == HV_VSET || p == HV_ISET;
}

/* What waits to raise a channel is not carried out any more. */
static void cancel_raising(struct hvmux *m, int board, int channel, const char *peer)
{
	char why[HV_WHY], text[128];
	struct job *j = &m->board[board].job;

	snprintf(why, sizeof why, "cancelled by OFF of %s", peer);
	if (j->phase != NO_JOB && j->phase != SETTING && j->q.channel == channel &&
	    raises(j->q.par)) {
		AUDIT(m, "%s: %s: %s%s", j->peer, change_text(&j->q, j->old, text),
		    j->phase == READ_BACK ? "had no answer, and was " : "", why);
		if (j->owner)
			answer_error(j->owner, j->slot, HV_ERR_CMD, HVMUX_CANCELLED, why);
		*j = (struct job){.phase = NO_JOB};
	}
	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = slot_at(c, i);
			if (s->state != QUEUED || !s->q.set || s->q.board != board ||
			    s->q.channel != channel || !raises(s->q.par))
				continue;
			AUDIT(m, "%s: %s: %s", c->peer, change_text(&s->q, "?", text), why);
			answer_error(c, s, HV_ERR_CMD, HVMUX_CANCELLED, why);
		}
	}
}

static void want_off(struct hvmux *m, int board, int channel, const char *peer, int64_t now)
{
	struct off *o = &m->board[board].off[channel];
	char where[40];

	AUDIT(m, "%s: %s OFF: asked", peer, place(board, channel, where));
	cancel_raising(m, board, channel, peer);
	*o = (struct off){.wanted = true, .due = now};
	snprintf(o->peer, sizeof o->peer, "%s", peer);
}

/* Channels that the request's OFF is for; 0: none on this board. */
static uint32_t off_mask(const struct board *b, int channel)
{
	if (channel == b->nch)
		return ((uint32_t)1 << b->nch) - 1;
	return channel < b->nch ? (uint32_t)1 << channel : 0;
}

/* An OFF of a client: taken whoever asks, when the number of channels is known. */
static void begin_off(struct hvmux_client *c, struct slot *s, int64_t now)
{
	struct hvmux *m = c->m;
	const struct board *b = &m->board[s->q.board];
	uint32_t mask = off_mask(b, s->q.channel);

	if (!mask) {
		refuse(c, s, HV_ERR_CH, "there is no such channel");
		return;
	}
	s->state = OFF_PENDING;
	s->off_left = mask;
	for (int ch = 0; ch < b->nch; ch++)
		if (mask >> ch & 1)
			want_off(m, s->q.board, ch, c->peer, now);
}

/* The supply has answered an OFF: those who asked are told. */
static void answer_off(struct hvmux *m, int board, int channel, enum hv_error e)
{
	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = slot_at(c, i);
			if (s->state != OFF_PENDING || s->q.board != board ||
			    !(s->off_left >> channel & 1))
				continue;
			s->off_left &= ~((uint32_t)1 << channel);
			s->off_error = e != HV_FINE ? e : s->off_error;
			if (s->off_left)
				continue;
			if (s->off_error != HV_FINE)
				answer_error(c, s, s->off_error, -1, hv_error_text(s->off_error));
			else
				answer(c, s, &(struct hv_reply){.error = HV_FINE}, -1);
		}
	}
}

static void got_off(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	int channel = b->asked.channel, n = number_of(m, b);
	struct off *o = &b->off[channel];
	char where[40];

	o->taken = r->error == HV_FINE;
	o->look = true;
	o->due = now;
	o->tries++;
	if (!o->taken && !o->alarmed) {
		ALARM(m, "%s OFF: the supply said %s; it is repeated (use the front panel)",
		    place(n, channel, where), hv_error_text(r->error));
		o->alarmed = true;
	}
	answer_off(m, n, channel, r->error);
}

static void got_off_look(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	int channel = b->asked.channel, n = number_of(m, b);
	struct off *o = &b->off[channel];
	char where[40], names[HV_STAT_TEXT];
	double v = HV_STAT_ON;

	if (!o->wanted)
		return;
	if (r->error == HV_FINE)
		(void)hv_number(r->value[0], &v);
	unsigned stat = (unsigned)v;
	if (!(stat & HV_STAT_ON)) {
		AUDIT(m, "%s: %s OFF: done, STAT %s", o->peer, place(n, channel, where),
		    hv_stat_text(stat, names));
		*o = (struct off){.wanted = false};
		return;
	}
	o->ramping = o->taken && (stat & HV_STAT_RDW);
	o->look = o->ramping; /* it obeys: look again; it does not: say it again */
	o->due = o->ramping || o->tries > OFF_QUICK ? now + OFF_EVERY : now;
	if (!o->ramping && o->tries > OFF_QUICK && !o->alarmed) {
		ALARM(m, "%s does not go OFF: STAT %s after %d commands; use the front panel",
		    place(n, channel, where), hv_stat_text(stat, names), o->tries);
		o->alarmed = true;
	}
}

/* Sends an OFF that is due, or a look at one; those not yet sent first. */
static bool next_off(struct hvmux *m, struct board *b, int64_t now)
{
	for (int look = 0; look < 2; look++) {
		for (int ch = 0; ch < b->nch; ch++) {
			const struct off *o = &b->off[ch];
			if (!o->wanted || o->due > now || o->look != (look == 1))
				continue;
			if (look)
				return ask_value(m, b, FOR_OFF_LOOK, ch, HV_STAT, now);
			struct hv_request q = {.set = true, .channel = ch, .par = HV_OFF};
			forget_cache(b);
			return ask(m, b, FOR_OFF, &q, now);
		}
	}
	return false;
}

/* ---- settings ---- */

/* What is read before a setting: its old value; before ON also what ON would bring out. */
static bool read_before(const struct hvmux *m, const struct job *j, int step, enum hv_par *par)
{
	static const enum hv_par before_on[] = {HV_STAT, HV_VSET, HV_ISET, HV_RUP, HV_RDW};

	if (j->q.par == HV_ON) {
		if (step >= (m->o.limits ? 5 : 1))
			return false;
		*par = before_on[step];
		return true;
	}
	if (step > 0)
		return false;
	*par = j->q.par == HV_BDCLR ? HV_BDALARM : j->q.par;
	return true;
}

static void end_job(struct hvmux *m, struct board *b, enum hv_error e, int loss, const char *why)
{
	struct job *j = &b->job;
	char text[128];

	AUDIT(m, "%s: %s: %s", j->peer, change_text(&j->q, j->old, text), why);
	if (j->owner && e != HV_FINE)
		answer_error(j->owner, j->slot, e, loss, why);
	else if (j->owner)
		answer(j->owner, j->slot, &(struct hv_reply){.error = HV_FINE}, -1);
	*j = (struct job){.phase = NO_JOB};
	forget_cache(b);
}

static bool next_of_job(struct hvmux *m, struct board *b, int64_t now)
{
	struct job *j = &b->job;
	enum hv_par par;

	if (j->phase == NO_JOB)
		return false;
	if (j->phase == BEFORE && read_before(m, j, j->step, &par))
		return ask_value(m, b, FOR_JOB, j->q.channel, par, now);
	if (j->phase == READ_BACK) {
		par = j->q.par == HV_ON ? HV_STAT : j->q.par == HV_BDCLR ? HV_BDALARM : j->q.par;
		return ask_value(m, b, FOR_JOB, j->q.channel, par, now);
	}
	j->phase = SETTING;
	if (j->q.par == HV_ON) /* a new decision, after an OFF that is being obeyed */
		b->off[j->q.channel].wanted = false;
	forget_cache(b);
	return ask(m, b, FOR_JOB, &j->q, now);
}

/* The answer to what is read before. */
static void got_before(struct hvmux *m, struct board *b, const struct hv_reply *r)
{
	struct job *j = &b->job;
	struct hvlimit limit = hvlimit_of(m->o.limits, j->q.board, j->q.channel);
	char why[HV_WHY], full[HV_WHY + 64];
	double v;

	if (r->error != HV_FINE) {
		end_job(m, b, r->error, -1, "not done: its old value cannot be read");
		return;
	}
	if (j->step == 0) {
		snprintf(j->old, sizeof j->old, "%s", r->value[0]);
		if (b->asked.par == HV_STAT && hv_number(r->value[0], &v) == 0)
			snprintf(
			    j->old, sizeof j->old, "%s", (unsigned)v & HV_STAT_ON ? "ON" : "OFF");
	}
	if (j->q.par == HV_ON && hv_number(r->value[0], &v) == 0 &&
	    hvlimit_value(&limit, b->asked.par, v, why) < 0) {
		snprintf(full, sizeof full, "refused: %s", why);
		end_job(m, b, HV_ERR_VAL, HVMUX_REFUSED, full);
		return;
	}
	j->step++;
}

/* How far a value may be from what the supply prints of it. */
static double half_a_digit(const char *printed)
{
	const char *dot = strchr(printed, '.');
	return 0.5 * pow(10, dot ? -(double)strlen(dot + 1) : 0) + 1e-9;
}

/* A setting had no answer: what does the supply show? */
static void got_read_back(struct hvmux *m, struct board *b, const struct hv_reply *r)
{
	const struct job *j = &b->job;
	char why[HV_WHY];
	double got = 0, wanted = 0;
	bool done = false;

	if (r->error == HV_FINE && j->q.par == HV_ON)
		done = hv_number(r->value[0], &got) == 0 && (unsigned)got & HV_STAT_ON;
	else if (r->error == HV_FINE && hv_number(j->q.value, &wanted) == 0)
		done = hv_number(r->value[0], &got) == 0 &&
		    fabs(got - wanted) <= half_a_digit(r->value[0]);
	else if (r->error == HV_FINE && j->q.par == HV_BDCLR)
		done = hv_number(r->value[0], &got) == 0 && got < 0.5;
	else if (r->error == HV_FINE)
		done = strcmp(r->value[0], j->q.value) == 0;
	snprintf(why, sizeof why, "%s: it had no answer, and reads back %s",
	    done ? "done" : "not done",
	    r->error == HV_FINE ? r->value[0] : hv_error_text(r->error));
	end_job(m, b, done ? HV_FINE : HV_ERR_CMD, HVMUX_UNANSWERED, why);
}

static void got_job(struct hvmux *m, struct board *b, const struct hv_reply *r)
{
	char why[HV_WHY];

	switch (b->job.phase) {
	case BEFORE:
		got_before(m, b, r);
		break;
	case SETTING:
		if (r->error == HV_FINE)
			end_job(m, b, HV_FINE, -1, "done");
		else {
			snprintf(why, sizeof why, "the supply said %s", hv_error_text(r->error));
			end_job(m, b, r->error, -1, why);
		}
		break;
	case READ_BACK:
		got_read_back(m, b, r);
		break;
	case NO_JOB:
		break; /* cancelled by an OFF while it was under way */
	}
}

/* ---- MAXV ---- */

static void got_guard(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	int ch = b->asked.channel, n = number_of(m, b);
	struct guard *g = &b->guard[ch];
	double most = floor(hvlimit_of(m->o.limits, n, ch).volts);
	char where[40];

	place(n, ch, where);
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
	if (g->step < GUARD_READS || off || (g->seen[2] <= most && g->seen[3] <= most + 1))
		return;
	if (!g->alarmed)
		ALARM(m,
		    "%s is on at VSET %g V (VMON %g V), above the limit of %g V: nothing is "
		    "changed, "
		    "MAXV stays %g V",
		    where, g->seen[2], g->seen[3], most, g->seen[0]);
	g->alarmed = true;
	g->due = now + LIMIT_EVERY;
	g->step = 0;
}

static bool next_guard(struct hvmux *m, struct board *b, int64_t now)
{
	for (int ch = 0; ch < b->nch; ch++) {
		const struct guard *g = &b->guard[ch];
		if (g->due > now)
			continue;
		if (g->step < GUARD_READS)
			return ask_value(m, b, FOR_GUARD, ch, guard_reads[g->step], now);
		struct hv_request q = {.set = true, .channel = ch, .par = HV_MAXV};
		snprintf(q.value, sizeof q.value, "%.0f",
		    floor(hvlimit_of(m->o.limits, number_of(m, b), ch).volts));
		forget_cache(b);
		return ask(m, b, FOR_GUARD, &q, now);
	}
	return false;
}

/* ---- who is next ---- */

/* Whether the head of the client's queue may go to this board now. */
static bool ready(const struct hvmux *m, const struct board *b, struct hvmux_client *c, bool set)
{
	if (c->count == 0)
		return false;
	const struct slot *s = slot_at(c, 0);
	if (s->state != QUEUED || s->q.board != number_of(m, b) || s->q.set != set)
		return false;
	/* A setting waits until an OFF of its channel is obeyed. */
	if (!set || s->q.channel < 0 || s->q.channel >= HV_CHANNELS)
		return true;
	const struct off *o = &b->off[s->q.channel];
	return !o->wanted || o->ramping;
}

/* The client that was served longest ago. */
static struct hvmux_client *next_client(struct hvmux *m, const struct board *b, bool set)
{
	struct hvmux_client *best = NULL;

	for (struct hvmux_client *c = m->first; c; c = c->next)
		if (ready(m, b, c, set) && (!best || c->turn < best->turn))
			best = c;
	return best;
}

/* What can be said against a request without asking the supply. */
static enum hv_error objection(struct hvmux_client *c, const struct hv_request *q, char why[HV_WHY])
{
	const struct board *b = &c->m->board[q->board];

	*why = '\0';
	if (q->set && c->read_only && q->par != HV_OFF) {
		snprintf(why, HV_WHY, "this client may only read, and switch OFF");
		return HV_ERR_LOC;
	}
	if (b->nch > 0 && q->channel > b->nch) {
		snprintf(
		    why, HV_WHY, "there is no such channel: this board has 0 to %d", b->nch - 1);
		return HV_ERR_CH;
	}
	if (b->nch > 0 && q->set && q->channel == b->nch && q->par != HV_OFF) {
		snprintf(why, HV_WHY, "%d means all channels: they are set one by one", b->nch);
		return HV_ERR_CH;
	}
	if (b->state == STRANGER && q->par != HV_OFF &&
	    (q->set || (q->channel >= 0 && q->par != HV_STAT))) {
		snprintf(why, HV_WHY, "another supply answers than before: only OFF is passed on");
		return HV_ERR_LOC;
	}
	return hvlimit_check(c->m->o.limits, q, why);
}

static bool object(struct hvmux_client *c, struct slot *s)
{
	char why[HV_WHY];
	enum hv_error e = objection(c, &s->q, why);

	if (e != HV_FINE)
		refuse(c, s, e, why);
	return e != HV_FINE;
}

static bool next_setting(struct hvmux *m, struct board *b, int64_t now)
{
	struct hvmux_client *c;

	while ((c = next_client(m, b, true))) {
		struct slot *s = slot_at(c, 0);
		c->turn = ++m->turn;
		if (!object(c, s)) {
			s->state = BUSY;
			b->job = (struct job){.phase = BEFORE, .owner = c, .slot = s, .q = s->q};
			snprintf(b->job.peer, sizeof b->job.peer, "%s", c->peer);
			return next_of_job(m, b, now);
		}
		flush(c);
	}
	return false;
}

static struct cached *cache_of(struct board *b, const struct hv_request *q)
{
	return &b->cache[q->channel < 0 ? HV_CHANNELS : q->channel][q->par];
}

static bool next_reading(struct hvmux *m, struct board *b, int64_t now)
{
	struct hvmux_client *c;

	while ((c = next_client(m, b, false))) {
		struct slot *s = slot_at(c, 0);
		const struct cached *k = s->q.channel < HV_CHANNELS ? cache_of(b, &s->q) : NULL;
		c->turn = ++m->turn;
		if (object(c, s)) {
			flush(c);
			continue;
		}
		if (k && k->epoch == b->epoch && now - k->at < m->o.cache) {
			m->t->also[HVMUX_CACHED].n++;
			answer(c, s, &k->reply, -1);
			flush(c);
			continue;
		}
		s->state = BUSY;
		b->owner = c;
		b->slot = s;
		b->last_reading = now;
		return ask(m, b, FOR_READING, &s->q, now);
	}
	return false;
}

static void got_reading(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	if (r->error == HV_FINE && m->o.cache > 0 && b->asked.channel < HV_CHANNELS)
		*cache_of(b, &b->asked) =
		    (struct cached){.at = now, .epoch = b->epoch, .reply = *r};
	if (!b->owner)
		return; /* it has gone */
	if (r->error != HV_FINE)
		answer_error(b->owner, b->slot, r->error, -1, hv_error_text(r->error));
	else
		answer(b->owner, b->slot, r, -1);
	b->owner = NULL;
}

/* ---- meeting a supply ---- */

/* Whether MAXV is ours to write: a forbidden channel is left alone altogether. */
static bool guarded(const struct hvmux *m, int board, int channel)
{
	struct hvlimit l = hvlimit_of(m->o.limits, board, channel);
	return !isinf(l.volts) && !l.forbidden;
}

static void met(struct hvmux *m, struct board *b, int64_t now)
{
	int n = number_of(m, b);
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
		for (int ch = 0; ch < b->nch; ch++)
			b->guard[ch] = (struct guard){.due = guarded(m, n, ch) ? now : INT64_MAX};
	}
	/* An OFF that came before the number of channels was known. */
	for (struct hvmux_client *c = m->first; c; c = c->next)
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = slot_at(c, i);
			if (s->state == QUEUED && s->q.set && s->q.par == HV_OFF && s->q.board == n)
				begin_off(c, s, now);
		}
}

static void got_identity(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	double nch = 0;

	snprintf(b->seen[b->step], HV_VALUE, "%s", r->error == HV_FINE ? r->value[0] : "?");
	if (++b->step < IDS)
		return;
	if (hv_number(b->seen[ID_CHANNELS], &nch) < 0 || nch < 1 || nch >= HV_CHANNELS) {
		give_up_line(m, b, "it does not say how many channels it has", now);
		return;
	}
	if (!b->known)
		b->nch = (int)nch;
	met(m, b, now);
}

/* ---- losing one ---- */

static void lost(struct hvmux *m, struct board *b, const char *why, int64_t now)
{
	struct job *j = &b->job;

	if (b->state == AWAY)
		return;
	m->t->also[HVMUX_RECONNECTS].n++;
	b->state = AWAY;
	b->away_since = now;
	forget_cache(b);
	if (b->purpose == FOR_READING && b->owner) {
		if (++b->slot->tries < TRIES)
			b->slot->state = QUEUED;
		else
			answer_error(b->owner, b->slot, HV_ERR_CMD, HVMUX_UNANSWERED, why);
		b->owner = NULL;
	} else if (b->purpose == FOR_JOB && j->phase == SETTING) {
		j->phase = READ_BACK;
	}
	if (j->phase == BEFORE) { /* nothing was set yet: it waits again, but not for ever */
		j->slot->state = QUEUED;
		*j = (struct job){.phase = NO_JOB};
	}
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

/* Whether this looks like a second answer to the question before. Notes the answer. */
static bool is_echo(struct board *b, const char *line, size_t n, int64_t now)
{
	int64_t took = now - b->sent;
	bool same = n < sizeof b->last && strlen(b->last) == n && memcmp(b->last, line, n) == 0;
	const struct hv_request *q = &b->asked, *q0 = &b->asked_before;
	bool other = q->par != q0->par || q->channel != q0->channel || q->set != q0->set;
	bool echo = same && other && took < b->fastest / TWICE_PART;

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
		got_off(m, b, &r, now);
		break;
	case FOR_OFF_LOOK:
		got_off_look(m, b, &r, now);
		break;
	case FOR_JOB:
		got_job(m, b, &r);
		break;
	case FOR_GUARD:
		got_guard(m, b, &r, now);
		break;
	case FOR_READING:
		got_reading(m, b, &r, now);
		break;
	case FOR_NOBODY:
		break;
	}
}

/* ---- clients ---- */

struct hvmux_client *hvmux_join(struct hvmux *m, void *who, const char *peer, bool read_only)
{
	struct hvmux_client *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->m = m;
	c->who = who;
	c->read_only = read_only;
	c->turn = ++m->turn;
	snprintf(c->peer, sizeof c->peer, "%s%s", peer, read_only ? " (read-only)" : "");
	c->next = m->first;
	m->first = c;
	return c;
}

void hvmux_leave(struct hvmux_client *c)
{
	struct hvmux *m = c->m;
	char text[128];

	for (int i = 0; i < m->o.boards; i++) {
		struct board *b = &m->board[i];
		if (b->owner == c)
			b->owner = NULL;
		if (b->job.owner != c)
			continue;
		b->job.owner = NULL;
		b->job.slot = NULL;
		if (b->job.phase == BEFORE) { /* nothing was sent: it is not */
			AUDIT(m, "%s: %s: not done: the client has gone", c->peer,
			    change_text(&b->job.q, b->job.old, text));
			b->job = (struct job){.phase = NO_JOB};
		}
	}
	for (unsigned i = 0; i < c->count; i++) {
		const struct slot *s = slot_at(c, i);
		if (s->state == ANSWERED)
			continue;
		if (s->state == QUEUED && s->q.set)
			AUDIT(m, "%s: %s: not done: the client has gone", c->peer,
			    change_text(&s->q, "?", text));
		m->t->held--;
		m->t->lost[HVMUX_LEFT].n++;
	}
	for (struct hvmux_client **at = &m->first; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	free(c);
}

int hvmux_waiting(const struct hvmux_client *c)
{
	return (int)c->count;
}

/* What hvmux answers itself: MUXBDS, the limits, and MUXWHY, which answer_line() fills in. */
static bool own_answer(struct hvmux_client *c, struct slot *s)
{
	struct hv_reply r = {.nvalues = 1};
	struct hvlimit l = hvlimit_of(c->m->o.limits, s->q.board, s->q.channel);
	double most = s->q.par == HV_MUXVMAX ? l.volts
	    : s->q.par == HV_MUXIMAX         ? l.microamps
					     : l.ramp;

	if (s->q.par < HV_MUXBDS)
		return false;
	if (s->q.channel < 0)
		snprintf(r.value[0], HV_VALUE, "%d", c->m->o.boards);
	else if (l.forbidden || c->read_only)
		snprintf(r.value[0], HV_VALUE, "forbidden");
	else if (isinf(most))
		snprintf(r.value[0], HV_VALUE, "none");
	else
		snprintf(r.value[0], HV_VALUE, "%.3f", most);
	answer(c, s, &r, -1);
	return true;
}

static void malformed(
    struct hvmux_client *c, struct slot *s, enum hv_error e, const char *line, size_t n, bool cut)
{
	char safe[300];

	cli_safe(safe, sizeof safe, line, n);
	AUDIT(
	    c->m, "%s: '%.240s%s': refused: %s", c->peer, safe, cut ? "..." : "", hv_error_text(e));
	answer_error(c, s, e, HVMUX_MALFORMED, hv_error_text(e));
}

bool hvmux_line(struct hvmux_client *c, const char *line, size_t n, bool cut, int64_t now)
{
	struct hvmux *m = c->m;
	struct hv_request q;

	if (c->count == HVMUX_QUEUE) {
		c->wants_room = true;
		return false;
	}
	enum hv_error e = hv_read_request(line, n, &q);
	if (cut)
		e = HV_ERR_CMD;
	c->ahead = 0;
	m->t->in++;
	struct slot *s = slot_at(c, c->count++);
	*s = (struct slot){.state = QUEUED, .q = q, .came = now};
	m->t->held++;
	if (e != HV_FINE) {
		malformed(c, s, e, line, n, cut);
	} else if (q.board >= m->o.boards) {
		s->silent = true; /* as in a chain: nobody there, no answer */
		refuse(c, s, HV_ERR_CMD, "there is no such board");
	} else if (!own_answer(c, s) && !object(c, s) && q.set && q.par == HV_OFF &&
	    m->board[q.board].nch > 0) {
		begin_off(c, s, now);
	}
	flush(c);
	return true;
}

void hvmux_ahead(struct hvmux_client *c, const char *text, size_t n, int64_t now)
{
	struct hvmux *m = c->m;
	struct hv_request q;

	while (c->ahead < n) {
		const char *at = text + c->ahead, *end = memchr(at, '\n', n - c->ahead);
		if (!end)
			return;
		size_t len = (size_t)(end - at);
		c->ahead += len + 1;
		len -= len > 0 && at[len - 1] == '\r';
		if (hv_read_request(at, len, &q) != HV_FINE || !q.set || q.par != HV_OFF ||
		    q.board >= m->o.boards)
			continue;
		uint32_t mask = off_mask(&m->board[q.board], q.channel);
		for (int ch = 0; ch < HV_CHANNELS; ch++)
			if (mask >> ch & 1)
				want_off(m, q.board, ch, c->peer, now);
	}
}

/* ---- the turn ---- */

static void next_question(struct hvmux *m, struct board *b, int64_t now)
{
	if (b->state == AWAY || b->purpose != FOR_NOBODY || now < b->quiet_until)
		return;
	if (b->state == MEETING) {
		(void)ask_value(m, b, FOR_IDENTITY, -1, identity[b->step], now);
		return;
	}
	if (next_off(m, b, now) || b->state == AWAY)
		return;
	const struct hvmux_client *reader = next_client(m, b, false);
	bool starved = reader && now - b->last_reading > STARVED &&
	    now - slot_at((struct hvmux_client *)reader, 0)->came > STARVED;
	if (starved && next_reading(m, b, now))
		return;
	if (b->state == READY) {
		if (next_of_job(m, b, now) || b->state == AWAY || next_setting(m, b, now) ||
		    b->state == AWAY || next_guard(m, b, now) || b->state == AWAY)
			return;
	} else if (next_setting(m, b, now)) {
		return; /* not reached: a stranger's settings are refused */
	}
	(void)next_reading(m, b, now);
}

/* When a request that cannot be sent is given up. */
static int64_t patience(const struct hvmux *m, const struct board *b, const struct slot *s)
{
	int64_t a = s->came + m->o.timeout;

	if (s->state == BUSY)
		return b->away_since + m->o.timeout;
	if (b->state != AWAY && b->state != MEETING)
		return a;
	int64_t gone = b->away_since + m->o.timeout;
	return gone > s->came ? (gone < a ? gone : a) : s->came;
}

/* A request that waits for a supply that is away, or for an OFF that is not obeyed. */
static bool stuck(const struct hvmux *m, const struct board *b, const struct slot *s)
{
	if (s->state == OFF_PENDING)
		return b->state == AWAY || b->state == MEETING;
	if (s->state == BUSY)
		return b->job.slot == s && b->job.phase == READ_BACK && b->state != READY;
	if (s->state != QUEUED)
		return false;
	if (b->state == AWAY || b->state == MEETING)
		return true;
	return s->q.set && s->q.channel >= 0 && b->off[s->q.channel % HV_CHANNELS].wanted &&
	    !b->off[s->q.channel % HV_CHANNELS].ramping && m->o.timeout > 0;
}

static void give_up(struct hvmux_client *c, struct slot *s)
{
	struct board *b = &c->m->board[s->q.board];
	const char *why =
	    b->state == READY ? "an OFF of this channel is not obeyed yet" : "the supply is away";
	char text[128];

	if (s->state == BUSY) {
		b->job.slot = NULL;
		b->job.owner = NULL; /* its end goes to the audit only */
		why = "it had no answer, and the supply is away: its outcome is not known";
	} else if (s->state == OFF_PENDING || (s->q.set && s->q.par == HV_OFF)) {
		why = "the supply is away: OFF is sent as soon as it is back";
	}
	if (s->q.set)
		AUDIT(c->m, "%s: %s: no answer: %s", c->peer, change_text(&s->q, "?", text), why);
	answer_error(c, s, HV_ERR_CMD, HVMUX_UNANSWERED, why);
}

/* Gives up what has waited too long; returns when the next one will have. */
static int64_t expire(struct hvmux *m, int64_t now)
{
	int64_t due = INT64_MAX;

	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = slot_at(c, i);
			const struct board *b =
			    &m->board[s->q.board < m->o.boards ? s->q.board : 0];
			if (s->state == ANSWERED || !stuck(m, b, s))
				continue;
			int64_t at = patience(m, b, s);
			if (at <= now)
				give_up(c, s);
			else if (at < due)
				due = at;
		}
	}
	return due;
}

static void check_timeout(struct hvmux *m, struct board *b, int64_t now)
{
	if (b->purpose == FOR_NOBODY || now - b->sent < m->o.timeout)
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
		return b->sent + m->o.timeout;
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
	int64_t at = expire(m, now);
	due = at < due ? at : due;
	flush_all(m);
	do { /* an answer may uncover a question */
		for (int i = 0; i < m->o.boards; i++)
			next_question(m, &m->board[i], now);
	} while (flush_all(m));
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
