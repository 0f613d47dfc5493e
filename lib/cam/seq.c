/* seq.c - the sequencer's server without its sockets: requests in, replies out */
#include "cam/seqin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tim.h"

/* ---- life ---- */

struct seq *seq_new(struct cam *cam, const struct seq_options *options,
    const struct seq_calls *calls, void *ctx, char why[SEQ_WHY])
{
	struct seq *q = calloc(1, sizeof *q);

	if (!q) {
		snprintf(why, SEQ_WHY, "no memory");
		return NULL;
	}
	q->cam = cam;
	q->o = *options;
	q->calls = calls;
	q->ctx = ctx;
	q->celsius = NAN;
	seq_beat(q, tim_mono());
	q->state = -1;
	if (seq_load_state(q, why) == 0) {
		q->shoot = shoot_new(cam, &q->o.shoot);
		if (q->shoot)
			return q;
		snprintf(why, SEQ_WHY, "no thread: %s", strerror(errno));
	}
	int error = errno;
	if (q->state >= 0)
		close(q->state);
	free(q);
	errno = error;
	return NULL;
}

void seq_free(struct seq *q)
{
	if (!q)
		return;
	shoot_free(q->shoot);
	while (q->conns) {
		struct seq_conn *c = q->conns;
		q->conns = c->next;
		free(c);
	}
	close(q->state);
	free(q);
}

struct seq_conn *seq_open(struct seq *q, void *who, const char *peer, bool read_only)
{
	struct seq_conn *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->who = who;
	c->number = ++q->numbers;
	c->heard = tim_mono();
	c->read_only = read_only;
	snprintf(c->peer, sizeof c->peer, "%s", peer);
	c->next = q->conns;
	q->conns = c;
	return c;
}

/* ---- a line ---- */

/* What a client of a read-only listener may ask. */
static bool may_ask(enum verb_id id)
{
	return id == VERB_STATUS || id == VERB_HELP || id == VERB_VERSION || id == VERB_QUIT ||
	    id == VERB_WAIT;
}

bool seq_line(struct seq *q, struct seq_conn *c, const char *line, size_t n, bool cut)
{
	struct verb_request r;
	char why[VERB_WHY];

	c->heard = tim_mono();
	/* Answers keep the order of the lines, but for exposures and waits, which take long. */
	if ((c->owner && seq_is_short(q)) || c->asks) {
		c->later = true;
		return false;
	}
	if (c->drop) {
		c->drop = c->exposes = false;
		c->ticket = 0;
		seq_next_turn(q);
		return true;
	}
	snprintf(c->request, sizeof c->request, "%.*s", (int)(n > VERB_LINE ? VERB_LINE : n), line);
	seq_clean(c->request);
	if (cut) {
		seq_reply(q, c, SEQ_LINE, "the line is longer than %d bytes", VERB_LINE);
		q->calls->close(q->ctx, c->who);
		return true;
	}
	unsigned code = verb_parse(line, n, &r, why);
	if (code == SEQ_OK && c->read_only && !may_ask(r.verb->id)) {
		code = SEQ_DENIED;
		snprintf(why, sizeof why, "%s: this listener is for questions only", r.verb->name);
	}
	if (code != SEQ_OK) {
		seq_reply(q, c, code, "%s", why);
		return true;
	}
	if (seq_act(q, c, &r) == 0)
		return false;
	bool waited = c->ticket != 0;
	c->ticket = 0;
	if (waited)
		seq_next_turn(q);
	return true;
}

bool seq_awaits(const struct seq_conn *c)
{
	return c->owner || c->asks || *c->state || (c->ticket && !c->drop) || c->later;
}

void *seq_idlest(const struct seq *q, int64_t before)
{
	void *who = NULL;

	for (const struct seq_conn *c = q->conns; c; c = c->next) {
		if (seq_awaits(c) || c->heard > before)
			continue;
		before = c->heard;
		who = c->who;
	}
	return who;
}

void seq_gone(struct seq *q, struct seq_conn *c)
{
	if (q->owner == c) {
		q->owner = NULL;
		q->lost = true;
		if (q->job == SHOOT_EXPOSE)
			seq_talk(q, CODE_WARNING,
			    "SEQ_OK: the client of '%s' has gone; the exposure goes on and "
			    "will be %s",
			    q->owner_request, q->set.autosave ? "saved" : "kept in memory");
	}
	for (struct seq_conn **at = &q->conns; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	free(c);
	seq_next_turn(q);
}

/* ---- the turn ---- */

int seq_fd(const struct seq *q)
{
	return shoot_fd(q->shoot);
}

/* At the end: exposures that take long are aborted, then the camera goes off. */
static void go_on_stopping(struct seq *q)
{
	struct shoot_job job = {.kind = SHOOT_STOP, .set = q->set};

	if (q->job == SHOOT_NOTHING && !q->ended)
		seq_begin(q, NULL, &job);
}

void seq_step(struct seq *q)
{
	struct shoot_event *e;
	int64_t now = tim_mono();

	while ((e = shoot_take(q->shoot))) {
		seq_event(q, e);
		free(e);
	}
	seq_tell_waiters(q);
	seq_beat(q, now);
	if (q->stopping) {
		go_on_stopping(q);
	} else if (q->job == SHOOT_NOTHING && q->on && now >= q->temp_due) {
		struct shoot_job job = {.kind = SHOOT_TEMPERATURE, .set = q->set};
		seq_begin(q, NULL, &job);
	}
}

int64_t seq_due(const struct seq *q)
{
	int64_t due = q->job == SHOOT_NOTHING && q->on ? q->temp_due : INT64_MAX;

	for (const struct seq_conn *c = q->conns; c; c = c->next) {
		if (*c->state && c->wait_until < due)
			due = c->wait_until;
		if (seq_awaits(c) && q->beat_at < due)
			due = q->beat_at;
	}
	return due;
}

void seq_cut_short(struct seq *q)
{
	bool soon = seq_left(q) <= (double)q->o.finish / 1e9 * q->cam->pace && !q->held;
	bool stays = !soon && seq_cannot(q, VERB_ABORT);

	/* How long one that is about to begin takes is known when it has begun; and a hold that was on
	 * its way already may keep one that was to be waited for. */
	if (q->phase == PHASE_PENDING || q->end >= (soon ? END_WAIT : END_ABORT))
		return;
	q->end = soon ? END_WAIT : END_ABORT;
	if (soon)
		seq_talk(q, CODE_NOTE, "SEQ_OK: ending: the exposure under way is finished first");
	else if (stays)
		seq_talk(q, CODE_WARNING,
		    "SEQ_NOTSUP: ending: the exposure under way takes long, but this camera cannot "
		    "abort it: it is finished first");
	else
		seq_talk(q, CODE_WARNING,
		    "SEQ_ABORTED: ending: the exposure under way would take too long, and is "
		    "aborted");
	if (!soon && !stays && q->control != CONTROL_ABORT)
		seq_control(q, CONTROL_ABORT, 0);
}

void seq_stop(struct seq *q)
{
	if (q->stopping)
		return;
	q->stopping = true;
	if (q->job == SHOOT_EXPOSE) {
		shoot_last(q->shoot);
		seq_cut_short(q);
	}
	go_on_stopping(q);
}

bool seq_ended(const struct seq *q)
{
	return q->ended;
}

bool seq_failed(const struct seq *q)
{
	return q->failed;
}
