/* seqact.c - what the sequencer's server does at a request: settings, exposures, their control */
#include "cam/seqin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"

#define WAIT_MOST 3600.0 /* s of wait-camera-state unless it says so */

/* ---- jobs ---- */

double seq_left(const struct seq *q)
{
	double since = (double)(tim_mono() - q->phase_at) / 1e9 * q->cam->pace;
	double l = q->total - q->elapsed - (q->held ? 0 : since);

	return q->phase == PHASE_INTEGRATING && l > 0 ? l : 0;
}

/* Whoever came first is next. */
void seq_next_turn(struct seq *q)
{
	struct seq_conn *first = NULL;

	if (q->job != SHOOT_NOTHING)
		return;
	for (struct seq_conn *c = q->conns; c; c = c->next)
		if (c->ticket && (!first || c->ticket < first->ticket))
			first = c;
	if (first)
		q->calls->resume(q->ctx, first->who);
}

void seq_begin(struct seq *q, struct seq_conn *c, struct shoot_job *job)
{
	q->job = job->kind;
	q->owner = c;
	q->lost = q->fast = q->let_go = q->last = false;
	q->control = CONTROL_NONE;
	if (c) {
		c->owner = true;
		snprintf(q->owner_request, sizeof q->owner_request, "%s", c->request);
	}
	if (job->kind == SHOOT_EXPOSE)
		q->phase = PHASE_PENDING;
	shoot_begin(q->shoot, job);
}

/* Whether the job that is under way ends by itself soon. */
bool seq_is_short(const struct seq *q)
{
	return q->job != SHOOT_NOTHING && q->job != SHOOT_EXPOSE && q->job != SHOOT_STOP;
}

/* The turn of c's line: 1 yes, 0 later, -1 it was refused. call is what it would have called. */
static int turn(struct seq *q, struct seq_conn *c, const char *call)
{
	char text[200];

	if (q->stopping) {
		seq_reply(q, c, SEQ_OFF, "seqd is ending: %s", seq_phases[q->phase]);
		return -1;
	}
	if (q->job == SHOOT_EXPOSE) {
		bool acquiring = q->phase == PHASE_INTEGRATING || q->phase == PHASE_READOUT;
		if (q->phase == PHASE_INTEGRATING)
			snprintf(text, sizeof text,
			    "refused: exposure running, %.1f s left. Wait, or use abort.",
			    seq_left(q));
		else
			snprintf(text, sizeof text, "refused: %s. Wait: wait-camera-state idle.",
			    q->phase == PHASE_READOUT      ? "the image is being read out"
				: q->phase == PHASE_SAVING ? "the image is being saved"
							   : "an exposure is about to start");
		seq_final(q, c, c->request, CODE_ASTRO, acquiring ? DRV_ACQUIRING : SEQ_BUSY,
		    acquiring ? call : "-", text);
		return -1;
	}
	bool mine = true;
	for (const struct seq_conn *o = q->conns; o; o = o->next)
		mine &= !o->ticket || o == c || (c->ticket && c->ticket < o->ticket);
	if (seq_is_short(q) || !mine) {
		if (!c->ticket)
			c->ticket = ++q->tickets;
		return 0;
	}
	return 1;
}

/* The same, with the camera on. Where it is off it is started with these settings, and the line
 * comes again. */
static int turn_on_with(
    struct seq *q, struct seq_conn *c, const struct settings *set, const char *call, bool debug)
{
	int t = turn(q, c, call);

	if (t <= 0 || q->on)
		return t;
	struct shoot_job job = {.kind = SHOOT_START, .set = *set, .debug = debug};
	if (!c->ticket)
		c->ticket = ++q->tickets;
	seq_begin(q, c, &job);
	return 0;
}

static int turn_on(struct seq *q, struct seq_conn *c, const char *call, bool debug)
{
	return turn_on_with(q, c, &q->set, call, debug);
}

/* ---- settings ---- */

static int set_ours(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	char say[VERB_WHY];
	int t = turn(q, c, "-");

	if (t <= 0)
		return t;
	unsigned code = settings_apply(&q->set, r, NULL, say);
	if (code == SEQ_OK)
		seq_keep(q);
	seq_reply(q, c, code, "%s", say);
	return 1;
}

/* What the camera must be asked about. */
static int set_camera(
    struct seq *q, struct seq_conn *c, const struct verb_request *r, enum settings_of of)
{
	static const char *const calls[] = {[SETTINGS_FRAME] = "SetImage",
	    [SETTINGS_CAMERA] = "-",
	    [SETTINGS_COOLER] = "SetTemperature"};
	struct shoot_job job = {
	    .kind = of == SETTINGS_FRAME ? SHOOT_FRAME : SHOOT_COOLER, .debug = r->d};
	struct settings first = q->set;
	char say[VERB_WHY];

	/* A kept set point or cooler that keeps the camera from starting can be changed so. */
	if (of == SETTINGS_COOLER)
		(void)settings_apply(&first, r, NULL, say);
	int t = turn_on_with(q, c, &first, calls[of], r->d);

	if (t <= 0)
		return t;
	q->wanted = q->set;
	unsigned code = settings_apply(&q->wanted, r, &q->info, q->say);
	if (code == SEQ_NOTSUP && q->cam->back->no != SEQ_NOTSUP)
		code = q->cam->back->no;
	if (code == SEQ_OK && of != SETTINGS_CAMERA) {
		q->list = r->verb->id == VERB_DEFAULTS;
		job.set = q->wanted;
		seq_begin(q, c, &job);
		return 1;
	}
	if (code == SEQ_OK) {
		q->set = q->wanted;
		seq_keep(q);
	}
	seq_reply(q, c, code, "%s", q->say);
	return 1;
}

/* ---- exposures ---- */

static int expose(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	enum verb_id id = r->verb->id;
	bool several = id == VERB_MEXPOSE || id == VERB_MDARK;
	struct shoot_job job = {.kind = SHOOT_EXPOSE, .debug = r->d};
	int t = turn_on(q, c, "StartAcquisition", r->d);
	char shape[100];

	c->exposes = t == 0;
	if (t <= 0)
		return t;
	job.set = q->set;
	job.dark = id == VERB_DARK || id == VERB_MDARK;
	job.seconds = r->n > 0 ? verb_real(r->arg[0]) : q->set.tint;
	job.count = !several ? 1 : r->n > 1 ? verb_int(r->arg[1]) : q->set.mult;
	if (r->t) {
		struct cam_frame f = settings_frame(&q->set, &q->info);
		seq_progress(q, c, "plan %d x %.3f s, %s", job.count, job.seconds,
		    settings_geometry(&f, &q->info, shape, sizeof shape));
		seq_reply(q, c, SEQ_OK, "simulated: nothing was exposed, and there is no file");
		return 1;
	}
	seq_begin(q, c, &job);
	q->fast = r->f;
	return 1;
}

static int save(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	struct shoot_job job = {.kind = SHOOT_SAVE, .set = q->set, .debug = r->d};
	int t = turn(q, c, "-");

	if (t > 0)
		seq_begin(q, c, &job);
	return t;
}

static int log_comment(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	struct shoot_job job = {.kind = SHOOT_COMMENT, .set = q->set, .nfiles = r->n - 1};
	int t = turn(q, c, "-");

	if (t <= 0)
		return t;
	snprintf(job.text, sizeof job.text, "%s", r->arg[0]);
	for (int i = 0; i + 1 < r->n; i++)
		snprintf(job.file[i], sizeof job.file[i], "%s", r->arg[i + 1]);
	seq_begin(q, c, &job);
	return 1;
}

static int read_temp(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	struct shoot_job job = {.kind = SHOOT_TEMPERATURE, .set = q->set, .debug = r->d};

	if (q->job == SHOOT_EXPOSE && !isnan(q->celsius)) {
		seq_reply(q, c, SEQ_OK, "%.1f C %.0f s ago; it cannot be read during an exposure",
		    q->celsius, (double)(tim_mono() - q->temp_at) / 1e9);
		return 1;
	}
	int t = turn_on(q, c, "GetTemperatureF", r->d);
	if (t > 0)
		seq_begin(q, c, &job);
	return t;
}

/* ---- during an exposure ---- */

const char *seq_cannot(const struct seq *q, enum verb_id id)
{
	const struct cam_back *b = q->cam->back;
	unsigned can = q->on ? q->info.can : ~0U;

	switch (id) {
	case VERB_ABORT:
		return can & CAM_CAN_ABORT ? NULL : "abort";
	case VERB_ADDTIME:
		return b->addtime && (can & CAM_CAN_ADDTIME) ? NULL
							     : "change the time of an exposure";
	case VERB_HOLD:
	case VERB_RESUME:
		return b->hold && (can & CAM_CAN_HOLD) ? NULL : "hold an exposure";
	default:
		return b->readout && (can & CAM_CAN_READOUT) ? NULL : "read out early";
	}
}

/* Exposures that wait for the camera's start, or for their turn, do not begin. How many there were. */
static int forget_waiting(struct seq *q)
{
	int n = 0;

	for (struct seq_conn *o = q->conns; o; o = o->next) {
		if (!o->ticket || !o->exposes || o->drop)
			continue;
		if (q->owner == o)
			q->owner = NULL;
		o->owner = false;
		o->drop = true;
		seq_final(q, o, o->request, CODE_WARNING, SEQ_ABORTED, "-",
		    "aborted before it began: nothing was exposed");
		q->calls->resume(q->ctx, o->who);
		n++;
	}
	return n;
}

void seq_control(struct seq *q, enum shoot_control what, double seconds)
{
	for (struct seq_conn *o = q->conns; o; o = o->next) {
		if (o->asks)
			seq_final(
			    q, o, o->asked, CODE_WARNING, SEQ_ABORTED, "-", "aborted meanwhile");
		o->asks = false;
	}
	q->control = what;
	shoot_control(q->shoot, what, seconds);
}

static int control(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	static const enum shoot_control what[] = {[VERB_ABORT] = CONTROL_ABORT,
	    [VERB_ADDTIME] = CONTROL_ADDTIME,
	    [VERB_READOUT] = CONTROL_READOUT,
	    [VERB_HOLD] = CONTROL_HOLD,
	    [VERB_RESUME] = CONTROL_RESUME};
	enum verb_id id = r->verb->id;
	const char *no = seq_cannot(q, id);
	char text[200];

	if (no) {
		snprintf(text, sizeof text, "this camera cannot %s%s", no,
		    q->job == SHOOT_EXPOSE ? ": the exposure goes on" : "");
		seq_final(q, c, c->request, CODE_ASTRO, q->cam->back->no, "-", text);
		return 1;
	}
	bool runs = q->job == SHOOT_EXPOSE && (id == VERB_ABORT || q->phase == PHASE_INTEGRATING);
	if (!runs && id == VERB_ABORT && forget_waiting(q) > 0) {
		seq_reply(q, c, SEQ_OK, "the exposure will not begin");
		return 1;
	}
	if (!runs) {
		seq_final(q, c, c->request, id == VERB_ABORT ? CODE_NOTE : CODE_ASTRO, DRV_IDLE,
		    id == VERB_ABORT ? "AbortAcquisition" : "-",
		    id == VERB_ABORT ? "nothing was running" : "no integration is running");
		return 1;
	}
	if (q->stopping && (id == VERB_HOLD || id == VERB_ADDTIME)) {
		seq_reply(
		    q, c, SEQ_OFF, "seqd is ending: the exposure under way is made no longer");
		return 1;
	}
	/* An abort goes before everything else. */
	if (q->control != CONTROL_NONE && (id != VERB_ABORT || q->control == CONTROL_ABORT)) {
		c->later = true;
		return 0;
	}
	seq_control(q, what[id], id == VERB_ADDTIME ? verb_real(r->arg[0]) : 0);
	c->asks = true;
	snprintf(c->asked, sizeof c->asked, "%.39s", c->request);
	return 1;
}

static void wait_for(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	double s = r->n > 1 ? verb_real(r->arg[1]) : WAIT_MOST;

	if (*c->state) {
		seq_reply(q, c, SEQ_BUSY, "this connection waits already");
		return;
	}
	snprintf(c->state, sizeof c->state, "%s", r->arg[0]);
	snprintf(c->wait_request, sizeof c->wait_request, "%.79s", c->request);
	c->wait_until = tim_mono() + (int64_t)(s * 1e9);
	seq_tell_waiters(q);
}

/* ---- all of them ---- */

int seq_act(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	enum settings_of of = settings_of(r->verb->id);

	switch (r->verb->id) {
	case VERB_EXPOSE:
	case VERB_DARK:
	case VERB_MEXPOSE:
	case VERB_MDARK:
		return expose(q, c, r);
	case VERB_ABORT:
	case VERB_ADDTIME:
	case VERB_READOUT:
	case VERB_HOLD:
	case VERB_RESUME:
		return control(q, c, r);
	case VERB_SAVE:
		return save(q, c, r);
	case VERB_LOG_COMMENT:
		return log_comment(q, c, r);
	case VERB_WAIT:
		wait_for(q, c, r);
		return 1;
	case VERB_STATUS:
		seq_status(q, c);
		return 1;
	case VERB_HELP:
		seq_help(q, c, r);
		return 1;
	case VERB_VERSION:
		seq_reply(q, c, SEQ_OK, SEQ_PROTOCOL " fyke " FYKE_VERSION);
		return 1;
	case VERB_QUIT:
		seq_reply(q, c, SEQ_OK, "good bye");
		q->calls->close(q->ctx, c->who);
		return 1;
	default:
		if (r->verb->id == VERB_TEMP && r->n == 0)
			return read_temp(q, c, r);
		return of == SETTINGS_OURS ? set_ours(q, c, r) : set_camera(q, c, r, of);
	}
}
