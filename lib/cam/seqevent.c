/* seqevent.c - what the camera's thread tells, and who is to know it */
#include "cam/seqin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"

#define BEAT_EVERY (5 * TIM_S)  /* a word to those who wait, so that they know we live */
#define READ_EVERY (10 * TIM_S) /* the temperature, while nothing else is done */

/* ---- waiting ---- */

static bool reached(const struct seq *q, const char *state)
{
	switch (state[0] == 'i' ? state[1] : state[0]) {
	case 'd': /* idle */
		return q->job != SHOOT_EXPOSE && q->job != SHOOT_STOP;
	case 'n': /* integrating, or not-integrating */
		return (q->phase == PHASE_INTEGRATING) == (state[0] == 'i');
	case 'r':
		return q->phase == PHASE_READOUT;
	default: /* pending */
		return q->phase == PHASE_PENDING || q->phase == PHASE_STARTING;
	}
}

/* Tells those whose state has come, or who have waited long enough. */
void seq_tell_waiters(struct seq *q)
{
	char text[120];

	for (struct seq_conn *c = q->conns; c; c = c->next) {
		if (!*c->state)
			continue;
		bool there = reached(q, c->state);
		if (!there && tim_mono() < c->wait_until)
			continue;
		snprintf(text, sizeof text, there ? "%s" : "not %s in time: the camera is %s",
		    c->state, seq_phases[q->phase]);
		*c->state = '\0';
		unsigned code = there ? SEQ_OK : SEQ_TIMEOUT;
		seq_final(q, c, c->wait_request, code_find("-", code).tag, code, "-", text);
	}
}

/* Clients give up after some time without a word. */
void seq_beat(struct seq *q, int64_t now)
{
	bool due = now >= q->beat_at, awaited = false;

	for (struct seq_conn *c = q->conns; c; c = c->next) {
		awaited |= seq_awaits(c);
		if (due && seq_awaits(c))
			seq_progress(q, c, "waiting %s", seq_phases[q->phase]);
	}
	if (due || !awaited)
		q->beat_at = now + BEAT_EVERY;
}

/* ---- events ---- */

static void tell_progress(struct seq *q)
{
	double gone = q->total - seq_left(q);

	if (q->phase == PHASE_INTEGRATING)
		seq_progress(q, q->owner, "integrating %.1f %.1f", gone, q->total);
	else if (q->phase == PHASE_READOUT || q->phase == PHASE_SAVING)
		seq_progress(q, q->owner, "%s", seq_phases[q->phase]);
}

/* -f: the client goes when the last image's read-out begins. */
static void let_go(struct seq *q)
{
	struct seq_conn *c = q->owner;

	if (!q->fast || !c || q->phase != PHASE_READOUT || !q->last)
		return;
	seq_final(q, c, q->owner_request, CODE_NOTE, SEQ_OK, "-", "the read-out has begun");
	c->owner = false;
	q->owner = NULL;
	q->let_go = true;
}

static void on_phase(struct seq *q, const struct shoot_event *e)
{
	enum shoot_phase before = q->phase;

	q->phase = e->phase;
	q->elapsed = e->elapsed;
	q->total = e->phase == PHASE_INTEGRATING || e->phase == PHASE_READOUT ? e->total : 0;
	q->held = e->held;
	q->last = e->last;
	q->phase_at = tim_mono();
	if (q->phase == PHASE_INTEGRATING)
		q->readout = e->readout;
	if (before != q->phase || q->phase == PHASE_INTEGRATING)
		tell_progress(q);
	if (q->stopping && q->phase == PHASE_INTEGRATING)
		seq_cut_short(q);
	seq_tell_waiters(q);
	let_go(q);
}

static void hear_again(struct seq *q)
{
	for (struct seq_conn *c = q->conns; c; c = c->next) {
		if (c->later)
			q->calls->resume(q->ctx, c->who);
		c->later = false;
	}
}

static void on_answer(struct seq *q, const struct shoot_event *e)
{
	char text[SEQ_REPLY];

	q->control = CONTROL_NONE;
	hear_again(q);
	for (struct seq_conn *c = q->conns; c; c = c->next) {
		if (!c->asks)
			continue;
		c->asks = false;
		seq_final(q, c, c->asked, e->tag, e->code, e->call, e->text);
		return;
	}
	/* It was our own abort at the end, or whoever asked has gone. */
	if (e->tag == CODE_ERROR)
		seq_talk(q, e->tag, "%s",
		    code_shape(e->tag, e->code, e->call, e->text, text, sizeof text));
}

static void on_kelvin(struct seq *q, const struct shoot_event *e)
{
	bool bad = isnan(e->celsius);

	if (!bad) {
		q->celsius = e->celsius;
		q->temp_code = e->code;
		q->temp_at = tim_mono();
	} else if (q->temp_said != e->code) {
		struct code c = code_find("GetTemperatureF", e->code);
		seq_talk(q, CODE_WARNING, "%s: GetTemperatureF %05u: %s. %s", c.symbol, c.code,
		    c.text, c.todo);
	}
	q->temp_said = bad ? e->code : 0;
}

/* The job has ended well: what it was for is so now. */
static void accept_job(struct seq *q, struct shoot_event *e)
{
	char text[VERB_WHY * 2];

	switch (q->job) {
	case SHOOT_FRAME:
		snprintf(text, sizeof text, "%s. %s", code_find(e->call, e->code).text, q->say);
		break;
	case SHOOT_COOLER:
		snprintf(text, sizeof text, "%s", q->say);
		break;
	default:
		return;
	}
	q->set = q->wanted;
	seq_keep(q);
	if (q->list)
		seq_list_settings(q, q->owner);
	snprintf(e->text, sizeof e->text, "%s", text);
}

/* The camera may be another than the one for which the settings were kept. */
static void check_settings(struct seq *q)
{
	char say[VERB_WHY];

	if (settings_check(&q->set, &q->info, "kept settings", say) == SEQ_OK)
		return;
	q->set.frame = (struct cam_frame){1, 1, 1, 1, 0, 0};
	q->set.amp = 0;
	seq_keep(q);
}

static void on_done(struct seq *q, struct shoot_event *e)
{
	enum shoot_kind kind = q->job;
	struct seq_conn *c = q->owner;
	bool good = e->tag == CODE_NOTE || e->tag == CODE_WARNING;
	char text[SEQ_REPLY];

	if (good)
		accept_job(q, e);
	q->list = false;
	q->job = SHOOT_NOTHING;
	q->owner = NULL;
	q->on = shoot_is_on(q->shoot);
	if (q->on)
		q->info = q->cam->info;
	if (kind != SHOOT_STOP)
		q->phase = q->on ? PHASE_IDLE : PHASE_OFF;
	q->temp_due = tim_mono() + READ_EVERY;
	if (c)
		c->owner = false;
	if (kind == SHOOT_START && good) {
		check_settings(q); /* and the line that waited for it comes again */
	} else if (c) {
		c->drop = kind == SHOOT_START;
		seq_final(q, c, q->owner_request, e->tag, e->code, e->call, e->text);
	} else if (kind == SHOOT_EXPOSE && (q->lost || (q->let_go && e->tag != CODE_NOTE))) {
		seq_talk(q, e->tag, "%s",
		    code_shape(e->tag, e->code, e->call, e->text, text, sizeof text));
	}
	if (q->control != CONTROL_NONE) {
		struct shoot_event none = {.tag = CODE_ASTRO,
		    .code = SEQ_BUSY,
		    .call = "-",
		    .text = "too late: the exposure has just ended"};
		on_answer(q, &none);
	}
	if (kind == SHOOT_STOP) {
		q->ended = true;
		q->failed = !good;
	}
	seq_tell_waiters(q);
	hear_again(q);
	seq_next_turn(q);
}

void seq_event(struct seq *q, struct shoot_event *e)
{
	switch (e->what) {
	case SHOOT_PHASE:
		on_phase(q, e);
		break;
	case SHOOT_LINE:
		seq_progress(q, q->owner, "%s", e->text);
		break;
	case SHOOT_CALL:
		seq_progress(q, q->owner, "call %s %05u %s", e->call, e->code,
		    code_find(e->call, e->code).symbol);
		break;
	case SHOOT_SAVED:
		seq_progress(q, q->owner, "saved %s", e->text);
		break;
	case SHOOT_IMAGED:
		if (*q->set.comment) {
			*q->set.comment = '\0';
			seq_keep(q);
		}
		if (q->set.beep)
			seq_progress(q, q->owner, "beep");
		break;
	case SHOOT_TALK:
		q->calls->talk(q->ctx, e->tag, e->text);
		break;
	case SHOOT_KELVIN:
		on_kelvin(q, e);
		break;
	case SHOOT_ANSWER:
		on_answer(q, e);
		break;
	case SHOOT_DONE:
		on_done(q, e);
		break;
	}
}
