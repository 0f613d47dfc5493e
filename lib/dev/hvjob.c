/* hvjob.c - settings: what is read before, the setting, and what is read when it had no answer */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hvmuxin.h"

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

	AUDIT(m, "%s: %s: %s", j->peer, hvsay_change(&j->q, j->old, text), why);
	if (j->owner && e != HV_FINE)
		hvqueue_error(j->owner, j->slot, e, loss, why);
	else if (j->owner)
		hvqueue_answer(j->owner, j->slot, &(struct hv_reply){.error = HV_FINE}, -1);
	*j = (struct job){.phase = NO_JOB};
	hvread_forget(b);
}

bool hvjob_next(struct hvmux *m, struct board *b, int64_t now)
{
	struct job *j = &b->job;
	enum hv_par par;

	if (j->phase == NO_JOB)
		return false;
	if (j->phase == BEFORE && read_before(m, j, j->step, &par))
		return hvmux_ask_value(m, b, FOR_JOB, j->q.channel, par, now);
	if (j->phase == READ_BACK) {
		par = j->q.par == HV_ON ? HV_STAT : j->q.par == HV_BDCLR ? HV_BDALARM : j->q.par;
		return hvmux_ask_value(m, b, FOR_JOB, j->q.channel, par, now);
	}
	j->phase = SETTING;
	hvread_forget(b);
	if (!hvmux_ask(m, b, FOR_JOB, &j->q, now))
		return false;
	if (j->q.par == HV_ON) /* a new decision, after an OFF that is being obeyed */
		b->off[j->q.channel].wanted = false;
	return true;
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

void hvjob_got(struct hvmux *m, struct board *b, const struct hv_reply *r)
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

bool hvjob_begin(struct hvmux *m, struct board *b, int64_t now)
{
	struct hvmux_client *c;

	while ((c = hvqueue_next(m, b, true))) {
		struct slot *s = hvqueue_at(c, 0);
		c->turn = ++m->turn;
		if (!hvqueue_object(c, s)) {
			s->state = BUSY;
			b->job = (struct job){.phase = BEFORE, .owner = c, .slot = s, .q = s->q};
			snprintf(b->job.peer, sizeof b->job.peer, "%s", c->peer);
			return hvjob_next(m, b, now);
		}
		hvqueue_flush(c);
	}
	return false;
}

void hvjob_cancel(struct hvmux *m, struct board *b, int channel, const char *why)
{
	struct job *j = &b->job;
	char text[128];

	if (j->phase == NO_JOB || j->phase == SETTING || j->q.channel != channel ||
	    !hvoff_raises(j->q.par))
		return;
	AUDIT(m, "%s: %s: %s%s", j->peer, hvsay_change(&j->q, j->old, text),
	    j->phase == READ_BACK ? "had no answer, and was " : "", why);
	if (j->owner)
		hvqueue_error(j->owner, j->slot, HV_ERR_CMD, HVMUX_CANCELLED, why);
	*j = (struct job){.phase = NO_JOB};
}

void hvjob_lost(struct board *b)
{
	struct job *j = &b->job;

	if (b->purpose == FOR_JOB && j->phase == SETTING)
		j->phase = READ_BACK;
	if (j->phase == BEFORE) { /* nothing was set yet: it waits again, but not for ever */
		j->slot->state = QUEUED;
		*j = (struct job){.phase = NO_JOB};
	}
}

void hvjob_left(struct hvmux *m, struct board *b, const struct hvmux_client *c)
{
	struct job *j = &b->job;
	char text[128];

	if (j->owner != c)
		return;
	j->owner = NULL;
	j->slot = NULL;
	if (j->phase != BEFORE)
		return;
	AUDIT(m, "%s: %s: not done: the client has gone", c->peer,
	    hvsay_change(&j->q, j->old, text)); /* nothing was sent: it is not */
	*j = (struct job){.phase = NO_JOB};
}
