/* hvqueue.c - clients of hvmux: what they have asked, in which order, and what they are answered */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "hvmuxin.h"

/* ---- answers ---- */

struct slot *hvqueue_at(struct hvmux_client *c, unsigned i)
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

bool hvqueue_flush(struct hvmux_client *c)
{
	struct hvmux *m = c->m;
	char line[HV_LINE];
	bool any = false;

	for (; c->count > 0 && hvqueue_at(c, 0)->state == ANSWERED; any = true) {
		struct slot *s = hvqueue_at(c, 0);
		if (*s->why)
			snprintf(c->why, sizeof c->why, "%s", s->why);
		if (!s->silent)
			m->calls->answer(m->ctx, c->who, line, answer_line(c, s, line));
		c->head = (c->head + 1) % HVMUX_QUEUE;
		c->count--;
	}
	return any;
}

bool hvqueue_flush_all(struct hvmux *m)
{
	bool any = false;

	for (struct hvmux_client *c = m->first; c; c = c->next)
		any |= hvqueue_flush(c);
	return any;
}

void hvqueue_answer(struct hvmux_client *c, struct slot *s, const struct hv_reply *r, int loss)
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

void hvqueue_error(
    struct hvmux_client *c, struct slot *s, enum hv_error e, int loss, const char *why)
{
	static const char *const kind[] = {[HVMUX_REFUSED] = "refused",
	    [HVMUX_MALFORMED] = "malformed",
	    [HVMUX_CANCELLED] = "refused",
	    [HVMUX_UNANSWERED] = "unanswered",
	    [HVMUX_LEFT] = ""};
	struct hv_reply r = {.error = e};

	snprintf(s->why, sizeof s->why, "%s: %.180s", loss < 0 ? "supply" : kind[loss], why);
	hvqueue_answer(c, s, &r, loss);
}

void hvqueue_refuse(struct hvmux_client *c, struct slot *s, enum hv_error e, const char *why)
{
	char text[128];

	if (s->q.set)
		AUDIT(c->m, "%s: %s: refused: %s", c->peer, hvsay_change(&s->q, "?", text), why);
	else
		AUDIT(c->m, "%s: %s %s: refused: %s", c->peer,
		    hvsay_place(s->q.board, s->q.channel, text), hv_info(s->q.par)->name, why);
	hvqueue_error(c, s, e, HVMUX_REFUSED, why);
}

/* ---- who is next ---- */

/* Whether the head of the client's queue may go to this board now. */
static bool ready(const struct hvmux *m, const struct board *b, struct hvmux_client *c, bool set)
{
	if (c->count == 0)
		return false;
	const struct slot *s = hvqueue_at(c, 0);
	if (s->state != QUEUED || s->q.board != hvmux_number(m, b) || s->q.set != set)
		return false;
	/* A setting waits until an OFF of its channel is obeyed. */
	if (!set || s->q.channel < 0 || s->q.channel >= HV_CHANNELS)
		return true;
	const struct off *o = &b->off[s->q.channel];
	return !o->wanted || o->ramping;
}

struct hvmux_client *hvqueue_next(struct hvmux *m, const struct board *b, bool set)
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

bool hvqueue_object(struct hvmux_client *c, struct slot *s)
{
	char why[HV_WHY];
	enum hv_error e = objection(c, &s->q, why);

	if (e != HV_FINE)
		hvqueue_refuse(c, s, e, why);
	return e != HV_FINE;
}

/* ---- coming and going ---- */

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
		if (m->board[i].owner == c)
			m->board[i].owner = NULL;
		hvjob_left(m, &m->board[i], c);
	}
	for (unsigned i = 0; i < c->count; i++) {
		const struct slot *s = hvqueue_at(c, i);
		if (s->state == ANSWERED)
			continue;
		if (s->state == QUEUED && s->q.set)
			AUDIT(m, "%s: %s: not done: the client has gone", c->peer,
			    hvsay_change(&s->q, "?", text));
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

/* ---- lines ---- */

/* What hvmux answers itself: MUXBDS, BDNCH, the limits, and MUXWHY, which answer_line() fills in. */
static bool own_answer(struct hvmux_client *c, struct slot *s)
{
	struct hv_reply r = {.nvalues = 1};
	struct hvlimit l = hvlimit_of(c->m->o.limits, s->q.board, s->q.channel);
	double most = s->q.par == HV_MUXVMAX ? l.volts
	    : s->q.par == HV_MUXIMAX         ? l.microamps
					     : l.ramp;

	/* How many channels there are is known while the supply is away, and whoever wants OFF of
	 * all must know it then. */
	const struct board *b = &c->m->board[s->q.board];
	bool channels = s->q.par == HV_BDNCH && b->nch > 0 && b->state != STRANGER;
	if (s->q.par < HV_MUXBDS && !channels)
		return false;
	if (s->q.channel < 0)
		snprintf(r.value[0], HV_VALUE, "%d", channels ? b->nch : c->m->o.boards);
	else if (l.forbidden || c->read_only)
		snprintf(r.value[0], HV_VALUE, "forbidden");
	else if (isinf(most))
		snprintf(r.value[0], HV_VALUE, "none");
	else
		snprintf(r.value[0], HV_VALUE, "%.3f", most);
	hvqueue_answer(c, s, &r, -1);
	return true;
}

static void malformed(
    struct hvmux_client *c, struct slot *s, enum hv_error e, const char *line, size_t n, bool cut)
{
	char safe[300];

	cli_safe(safe, sizeof safe, line, n);
	AUDIT(
	    c->m, "%s: '%.240s%s': refused: %s", c->peer, safe, cut ? "..." : "", hv_error_text(e));
	hvqueue_error(c, s, e, HVMUX_MALFORMED, hv_error_text(e));
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
	struct slot *s = hvqueue_at(c, c->count++);
	*s = (struct slot){.state = QUEUED, .q = q, .came = now};
	m->t->held++;
	if (e != HV_FINE) {
		malformed(c, s, e, line, n, cut);
	} else if (q.board >= m->o.boards) {
		s->silent = true; /* as in a chain: nobody there, no answer */
		hvqueue_refuse(c, s, HV_ERR_CMD, "there is no such board");
	} else if (!own_answer(c, s) && !hvqueue_object(c, s) && q.set && q.par == HV_OFF) {
		hvoff_begin(c, s, now);
	}
	hvqueue_flush(c);
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
		uint32_t mask = hvoff_mask(&m->board[q.board], q.channel);
		for (int ch = 0; ch < HV_CHANNELS; ch++)
			if (mask >> ch & 1)
				hvoff_want(m, q.board, ch, c->peer, now);
	}
}

/* ---- giving up ---- */

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
	} else if (s->state == OFF_PENDING) {
		why = "the supply is away: OFF is sent as soon as it is back";
	}
	if (s->q.set)
		AUDIT(c->m, "%s: %s: no answer: %s", c->peer, hvsay_change(&s->q, "?", text), why);
	hvqueue_error(c, s, HV_ERR_CMD, HVMUX_UNANSWERED, why);
}

int64_t hvqueue_expire(struct hvmux *m, int64_t now)
{
	int64_t due = INT64_MAX;

	for (struct hvmux_client *c = m->first; c; c = c->next) {
		for (unsigned i = 0; i < c->count; i++) {
			struct slot *s = hvqueue_at(c, i);
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
