/* seq.c - the sequencer's server without its sockets: requests in, replies out */
#include "cam/seq.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "cam/night.h"

#define REPLY      (SHOOT_TEXT + 200)
#define STATE_SIZE 4096 /* of its file */
#define STATE_MOST 16384
#define BEAT_EVERY (5 * TIM_S)  /* a word to those who wait, so that they know we live */
#define READ_EVERY (10 * TIM_S) /* the temperature, while nothing else is done */
#define WAIT_MOST  3600.0       /* s of wait-camera-state unless it says so */

struct seq_conn {
	struct seq_conn *next;
	void *who;
	char peer[96];
	int number;
	bool read_only;
	uint64_t ticket;             /* of a line that was not taken; 0: none */
	bool drop;                   /* that line has been answered */
	bool later;                  /* a line comes again as soon as anything has happened */
	char request[VERB_LINE + 1]; /* that awaits its final line, for the audit */
	bool owner;                  /* of the job */
	bool asks;                   /* a control was asked for */
	char asked[40];
	/* wait-camera-state */
	char state[32];
	int64_t wait_until;
	char wait_request[80];
};

struct seq {
	struct cam *cam;
	struct shoot *shoot;
	struct seq_options o;
	const struct seq_calls *calls;
	void *ctx;
	struct seq_conn *conns;
	int numbers;
	uint64_t tickets;
	int state; /* its file, locked */

	struct settings set, wanted; /* as they are, and as the job will make them */
	char say[VERB_WHY];          /* what the job's success means */
	bool list;                   /* show the settings then */
	enum shoot_kind job;         /* SHOOT_NOTHING: none */
	struct seq_conn *owner;      /* who waits for it, or NULL */
	char owner_request[VERB_LINE + 1];
	bool lost, fast, let_go; /* its client has gone; -f; and got its final line */
	enum shoot_phase phase;
	double elapsed, total, readout;
	bool held, last;
	int64_t phase_at, beat_at;

	double celsius;
	unsigned temp_code, temp_said;
	int64_t temp_at, temp_due;
	bool stopping, ended;
	enum shoot_control control; /* under way */
};

/* ---- replies ---- */

static const char *const phases[] = {
    "off", "starting", "idle", "pending", "integrating", "readout", "saving", "stopping"};

static void clean(char *text)
{
	for (char *p = text; *p; p++)
		*p = *p < 0x20 || *p > 0x7e ? '?' : *p;
}

static void send_line(struct seq *q, struct seq_conn *c, char *line)
{
	clean(line);
	size_t n = strlen(line);
	line[n] = '\n';
	q->calls->send(q->ctx, c->who, line, n + 1);
}

static void progress(struct seq *q, struct seq_conn *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void progress(struct seq *q, struct seq_conn *c, const char *format, ...)
{
	char line[REPLY] = "* ";
	va_list ap;

	if (!c)
		return;
	va_start(ap, format);
	vsnprintf(line + 2, sizeof line - 3, format, ap);
	va_end(ap);
	send_line(q, c, line);
}

/* The final line of a request. */
static void final(struct seq *q, struct seq_conn *c, const char *request, enum code_tag tag,
    unsigned code, const char *call, const char *text)
{
	char line[REPLY], audit[REPLY + VERB_LINE + 200];

	snprintf(line, sizeof line - 1, "%s %05u %s %s %s", code_tag_name(tag), code,
	    code_find(call, code).symbol, call, text);
	clean(line);
	snprintf(audit, sizeof audit, "%d %s: %s: %s", c->number, c->peer, request, line);
	q->calls->audit(q->ctx, audit);
	send_line(q, c, line);
}

static void reply(struct seq *q, struct seq_conn *c, unsigned code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void reply(struct seq *q, struct seq_conn *c, unsigned code, const char *format, ...)
{
	char text[REPLY - 100];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	final(q, c, c->request, code_find("-", code).tag, code, "-", text);
}

static void talk(struct seq *q, enum code_tag tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void talk(struct seq *q, enum code_tag tag, const char *format, ...)
{
	char text[REPLY];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	clean(text);
	q->calls->talk(q->ctx, tag, text);
}

/* ---- the state file ---- */

/* In place, in one write of a constant length: a kill leaves either the old or the new settings, and
 * no command waits for a disk. */
static int save_state(struct seq *q)
{
	char text[STATE_SIZE];
	char lines[SETTINGS_TEXT];

	settings_lines(&q->set, lines);
	memset(text, '\n', sizeof text);
	memcpy(text, lines, strlen(lines));
	ssize_t n = pwrite(q->state, text, sizeof text, 0);
	if (n >= 0 && n < (ssize_t)sizeof text)
		errno = ENOSPC;
	return n == (ssize_t)sizeof text ? 0 : -1;
}

/* After a change. A state that cannot be kept is told, but the camera is as was asked for. */
static void keep(struct seq *q)
{
	if (save_state(q) < 0)
		talk(q, CODE_WARNING, "SEQ_DISK: %s: settings will not outlive a restart: %s",
		    q->o.state, strerror(errno));
}

/* One server for one state: a lock that dies with its process. */
static int open_state(struct seq *q, char why[SEQ_WHY])
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	q->state = open(q->o.state, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (q->state < 0) {
		snprintf(why, SEQ_WHY, "%.200s: %s", q->o.state, strerror(errno));
		return -1;
	}
	if (fcntl(q->state, F_OFD_SETLK, &all) == 0)
		return 0;
	snprintf(why, SEQ_WHY, "%.150s: another seqd uses this: give this one a --state of its own",
	    q->o.state);
	errno = EBUSY;
	return -1;
}

static int load_state(struct seq *q, char why[SEQ_WHY])
{
	char text[STATE_MOST], first[VERB_WHY];

	settings_default(&q->set);
	if (open_state(q, why) < 0)
		return -1;
	ssize_t n = io_readall(q->state, text, sizeof text);
	if (n >= 0) {
		int bad = settings_read(&q->set, text, (size_t)n, first);
		if (bad)
			talk(q, CODE_WARNING, "SEQ_RANGE: %s: %d lines are not understood: %s",
			    q->o.state, bad, first);
		if (ftruncate(q->state, STATE_SIZE) == 0 && save_state(q) == 0)
			return 0;
	}
	snprintf(why, SEQ_WHY, "%.200s: %s", q->o.state, strerror(errno));
	return -1;
}

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
	q->beat_at = tim_mono() + BEAT_EVERY;
	q->state = -1;
	if (load_state(q, why) == 0) {
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
	c->read_only = read_only;
	snprintf(c->peer, sizeof c->peer, "%s", peer);
	c->next = q->conns;
	q->conns = c;
	return c;
}

/* ---- jobs ---- */

static double left(const struct seq *q)
{
	double since = (double)(tim_mono() - q->phase_at) / 1e9 * q->cam->pace;
	double l = q->total - q->elapsed - (q->held ? 0 : since);

	return q->phase == PHASE_INTEGRATING && l > 0 ? l : 0;
}

/* Whoever came first is next. */
static void next_turn(struct seq *q)
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

static void begin(struct seq *q, struct seq_conn *c, struct shoot_job *job)
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
static bool is_short(const struct seq *q)
{
	return q->job != SHOOT_NOTHING && q->job != SHOOT_EXPOSE && q->job != SHOOT_STOP;
}

/* The turn of c's line: 1 yes, 0 later, -1 it was refused. call is what it would have called. */
static int turn(struct seq *q, struct seq_conn *c, const char *call)
{
	char text[200];

	if (q->stopping) {
		reply(q, c, SEQ_OFF, "seqd is ending: %s", phases[q->phase]);
		return -1;
	}
	if (q->job == SHOOT_EXPOSE) {
		bool acquiring = q->phase == PHASE_INTEGRATING || q->phase == PHASE_READOUT;
		if (q->phase == PHASE_INTEGRATING)
			snprintf(text, sizeof text,
			    "refused: exposure running, %.1f s left. Wait, or use abort.", left(q));
		else
			snprintf(text, sizeof text, "refused: %s. Wait: wait-camera-state idle.",
			    q->phase == PHASE_READOUT      ? "the image is being read out"
				: q->phase == PHASE_SAVING ? "the image is being saved"
							   : "an exposure is about to start");
		final(q, c, c->request, CODE_ASTRO, acquiring ? DRV_ACQUIRING : SEQ_BUSY,
		    acquiring ? call : "-", text);
		return -1;
	}
	bool mine = true;
	for (const struct seq_conn *o = q->conns; o; o = o->next)
		mine &= !o->ticket || o == c || (c->ticket && c->ticket < o->ticket);
	if (is_short(q) || !mine) {
		if (!c->ticket)
			c->ticket = ++q->tickets;
		return 0;
	}
	return 1;
}

/* The same, with the camera on. Where it is off it is started, and the line comes again. */
static int turn_on(struct seq *q, struct seq_conn *c, const char *call, bool debug)
{
	int t = turn(q, c, call);

	if (t <= 0 || shoot_is_on(q->shoot))
		return t;
	struct shoot_job job = {.kind = SHOOT_START, .set = q->set, .debug = debug};
	if (!c->ticket)
		c->ticket = ++q->tickets;
	begin(q, c, &job);
	return 0;
}

/* ---- settings ---- */

static void list_settings(struct seq *q, struct seq_conn *c)
{
	char lines[SETTINGS_TEXT], *save = NULL;

	settings_lines(&q->set, lines);
	for (char *l = strtok_r(lines, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		progress(q, c, "set %s", l);
}

static int set_ours(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	char say[VERB_WHY];
	int t = turn(q, c, "-");

	if (t <= 0)
		return t;
	unsigned code = settings_apply(&q->set, r, NULL, say);
	if (code == SEQ_OK)
		keep(q);
	reply(q, c, code, "%s", say);
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
	int t = turn_on(q, c, calls[of], r->d);

	if (t <= 0)
		return t;
	q->wanted = q->set;
	unsigned code = settings_apply(&q->wanted, r, &q->cam->info, q->say);
	if (code == SEQ_NOTSUP && q->cam->back->no != SEQ_NOTSUP)
		code = q->cam->back->no;
	if (code == SEQ_OK && of != SETTINGS_CAMERA) {
		q->list = r->verb->id == VERB_DEFAULTS;
		job.set = q->wanted;
		begin(q, c, &job);
		return 1;
	}
	if (code == SEQ_OK) {
		q->set = q->wanted;
		keep(q);
	}
	reply(q, c, code, "%s", q->say);
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

	if (t <= 0)
		return t;
	job.set = q->set;
	job.dark = id == VERB_DARK || id == VERB_MDARK;
	job.seconds = r->n > 0 ? verb_real(r->arg[0]) : q->set.tint;
	job.count = !several ? 1 : r->n > 1 ? verb_int(r->arg[1]) : q->set.mult;
	if (r->t) {
		struct cam_frame f = settings_frame(&q->set, &q->cam->info);
		progress(q, c, "plan %d x %.3f s, %s", job.count, job.seconds,
		    settings_geometry(&f, &q->cam->info, shape, sizeof shape));
		reply(q, c, SEQ_OK, "simulated: nothing was exposed, and there is no file");
		return 1;
	}
	begin(q, c, &job);
	q->fast = r->f;
	return 1;
}

static int save(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	struct shoot_job job = {.kind = SHOOT_SAVE, .set = q->set, .debug = r->d};
	int t = turn(q, c, "-");

	if (t > 0)
		begin(q, c, &job);
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
	begin(q, c, &job);
	return 1;
}

static int read_temp(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	struct shoot_job job = {.kind = SHOOT_TEMPERATURE, .set = q->set, .debug = r->d};

	if (q->job == SHOOT_EXPOSE && !isnan(q->celsius)) {
		reply(q, c, SEQ_OK, "%.1f C %.0f s ago; it cannot be read during an exposure",
		    q->celsius, (double)(tim_mono() - q->temp_at) / 1e9);
		return 1;
	}
	int t = turn_on(q, c, "GetTemperatureF", r->d);
	if (t > 0)
		begin(q, c, &job);
	return t;
}

/* ---- during an exposure ---- */

static const char *cannot(const struct seq *q, enum verb_id id)
{
	const struct cam_back *b = q->cam->back;
	unsigned can = shoot_is_on(q->shoot) ? q->cam->info.can : ~0U;

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

static int control(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	static const enum shoot_control what[] = {[VERB_ABORT] = CONTROL_ABORT,
	    [VERB_ADDTIME] = CONTROL_ADDTIME,
	    [VERB_READOUT] = CONTROL_READOUT,
	    [VERB_HOLD] = CONTROL_HOLD,
	    [VERB_RESUME] = CONTROL_RESUME};
	enum verb_id id = r->verb->id;
	const char *no = cannot(q, id);
	char text[200];

	if (no) {
		snprintf(text, sizeof text, "this camera cannot %s%s", no,
		    q->job == SHOOT_EXPOSE ? ": the exposure goes on" : "");
		final(q, c, c->request, CODE_ASTRO, q->cam->back->no, "-", text);
		return 1;
	}
	bool runs = q->job == SHOOT_EXPOSE && (id == VERB_ABORT || q->phase == PHASE_INTEGRATING);
	if (!runs) {
		final(q, c, c->request, id == VERB_ABORT ? CODE_NOTE : CODE_ASTRO, DRV_IDLE,
		    id == VERB_ABORT ? "AbortAcquisition" : "-",
		    id == VERB_ABORT ? "nothing was running" : "no integration is running");
		return 1;
	}
	if (q->control != CONTROL_NONE) {
		if (id != VERB_ABORT || q->control == CONTROL_ABORT) {
			c->later = true;
			return 0;
		}
		/* An abort goes before everything else; who asked for the other thing is told so. */
		for (struct seq_conn *o = q->conns; o; o = o->next) {
			if (o->asks)
				final(q, o, o->asked, CODE_WARNING, SEQ_ABORTED, "-",
				    "aborted meanwhile");
			o->asks = false;
		}
	}
	q->control = what[id];
	c->asks = true;
	snprintf(c->asked, sizeof c->asked, "%.39s", c->request);
	shoot_control(q->shoot, what[id], id == VERB_ADDTIME ? verb_real(r->arg[0]) : 0);
	return 1;
}

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
static void tell_waiters(struct seq *q)
{
	char text[120];

	for (struct seq_conn *c = q->conns; c; c = c->next) {
		if (!*c->state)
			continue;
		bool there = reached(q, c->state);
		if (!there && tim_mono() < c->wait_until)
			continue;
		snprintf(text, sizeof text, there ? "%s" : "not %s in time: the camera is %s",
		    c->state, phases[q->phase]);
		*c->state = '\0';
		unsigned code = there ? SEQ_OK : SEQ_TIMEOUT;
		final(q, c, c->wait_request, code_find("-", code).tag, code, "-", text);
	}
}

static void wait_for(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	double s = r->n > 1 ? verb_real(r->arg[1]) : WAIT_MOST;

	if (*c->state) {
		reply(q, c, SEQ_BUSY, "this connection waits already");
		return;
	}
	snprintf(c->state, sizeof c->state, "%s", r->arg[0]);
	snprintf(c->wait_request, sizeof c->wait_request, "%.79s", c->request);
	c->wait_until = tim_mono() + (int64_t)(s * 1e9);
	tell_waiters(q);
}

/* ---- questions ---- */

static void status_frame(struct seq *q, struct seq_conn *c)
{
	const struct cam_frame *f = &q->set.frame;

	progress(q, c, "status xbin=%d", f->xbin);
	progress(q, c, "status ybin=%d", f->ybin);
	progress(q, c, "status xbeg=%d", f->x);
	progress(q, c, "status ybeg=%d", f->y);
	if (!shoot_is_on(q->shoot))
		return;
	struct cam_frame w = settings_frame(&q->set, &q->cam->info);
	progress(q, c, "status xsize=%d", w.w);
	progress(q, c, "status ysize=%d", w.h);
	progress(q, c, "status columns=%d", cam_columns(&w));
	progress(q, c, "status rows=%d", cam_rows(&w));
	progress(q, c, "status detector=%dx%d", q->cam->info.width, q->cam->info.height);
	progress(q, c, "status camera=%s", q->cam->info.model);
	progress(q, c, "status serial=%s", q->cam->info.serial);
}

static void status_disk(struct seq *q, struct seq_conn *c)
{
	char code[5] = "????", stem[8];
	const char *dir = q->o.shoot.dir;

	if (*q->set.filename)
		memcpy(code, q->set.filename, sizeof code);
	else
		(void)night_code(tim_now(), code);
	snprintf(stem, sizeof stem, "%.2s%.4s", q->o.shoot.prefix, code);
	progress(q, c, "status next=%s%04d.fits", stem, night_number(dir, stem, true) + 1);
	progress(q, c, "status dir=%s", dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	progress(q, c, "status free=%.1f MB", fd < 0 ? 0.0 : (double)io_free_bytes(fd) / 1e6);
	if (fd >= 0)
		close(fd);
}

static void status_can(struct seq *q, struct seq_conn *c)
{
	static const struct {
		enum verb_id id;
		const char *name;
	} verbs[] = {{VERB_ABORT, "abort"}, {VERB_ADDTIME, "addtime"}, {VERB_HOLD, "hold"},
	    {VERB_READOUT, "readout"}};
	char can[200] = "";

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (!cannot(q, verbs[i].id))
			snprintf(can + strlen(can), sizeof can - strlen(can), " %s", verbs[i].name);
	if (q->cam->info.can & CAM_CAN_COOL)
		snprintf(can + strlen(can), sizeof can - strlen(can), " cooler");
	progress(q, c, "status backend=%s", q->cam->back->name);
	progress(q, c, "status can=%s", *can ? can + 1 : "");
}

static void status(struct seq *q, struct seq_conn *c)
{
	const struct settings *s = &q->set;

	progress(q, c, "status state=%s",
	    q->job == SHOOT_EXPOSE || q->job == SHOOT_STOP || q->stopping ? phases[q->phase]
		: !shoot_is_on(q->shoot) && q->job != SHOOT_START         ? "off"
									  : phases[q->phase]);
	progress(q, c, "status left=%.1f", left(q));
	progress(q, c, "status exposure=%.3f", q->job == SHOOT_EXPOSE ? q->total : 0);
	progress(q, c, "status held=%s", q->held && q->job == SHOOT_EXPOSE ? "yes" : "no");
	progress(q, c, "status readout=%.3f", q->readout);
	status_frame(q, c);
	progress(q, c, "status ampl=%c", 'A' + s->amp);
	progress(q, c, "status gain=%s", s->fast ? "gainl" : "gainh");
	if (!isnan(q->celsius)) {
		progress(q, c, "status temperature=%.1f", q->celsius);
		progress(
		    q, c, "status temperature_age=%.0f", (double)(tim_mono() - q->temp_at) / 1e9);
		progress(q, c, "status temperature_code=%u %s", q->temp_code,
		    code_find("GetTemperatureF", q->temp_code).symbol);
	}
	progress(q, c, "status set_temperature=%.1f", s->temp);
	progress(q, c, "status cooler=%s", s->cooler ? "on" : "off");
	progress(q, c, "status autosave=%s", s->autosave ? "on" : "off");
	progress(q, c, "status beep=%s", s->beep ? "on" : "off");
	progress(q, c, "status tint=%.3f", s->tint);
	progress(q, c, "status mult=%d", s->mult);
	progress(q, c, "status object=%s", s->object);
	progress(q, c, "status imagetype=%s", s->imagetype);
	progress(q, c, "status comment=%s", s->comment);
	progress(q, c, "status comment1=%s", s->comment1);
	status_disk(q, c);
	status_can(q, c);
	reply(q, c, SEQ_OK, "done");
}

static void help(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	const struct verb *v;
	char usage[128], close[200];

	if (r->n > 0 && !verb_find(r->arg[0])) {
		verb_close(r->arg[0], close, sizeof close);
		reply(q, c, SEQ_UNKNOWN, "%s: %s%s", r->arg[0],
		    *close ? "did you mean " : "no such command", close);
		return;
	}
	for (size_t i = 0; (v = verb_row(i)); i++)
		if (r->n == 0 || strcmp(r->arg[0], v->name) == 0)
			progress(q, c, "help %s - %s", verb_usage(v, usage, sizeof usage), v->help);
	reply(q, c, SEQ_OK, "done");
}

/* ---- a line ---- */

static int act(struct seq *q, struct seq_conn *c, const struct verb_request *r)
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
		status(q, c);
		return 1;
	case VERB_HELP:
		help(q, c, r);
		return 1;
	case VERB_VERSION:
		reply(q, c, SEQ_OK, SEQ_PROTOCOL " fyke " FYKE_VERSION);
		return 1;
	case VERB_QUIT:
		reply(q, c, SEQ_OK, "good bye");
		q->calls->close(q->ctx, c->who);
		return 1;
	default:
		if (r->verb->id == VERB_TEMP && r->n == 0)
			return read_temp(q, c, r);
		return of == SETTINGS_OURS ? set_ours(q, c, r) : set_camera(q, c, r, of);
	}
}

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

	/* Answers keep the order of the lines, but for exposures and waits, which take long. */
	if ((c->owner && is_short(q)) || c->asks) {
		c->later = true;
		return false;
	}
	if (c->drop) {
		c->drop = false;
		c->ticket = 0;
		next_turn(q);
		return true;
	}
	snprintf(c->request, sizeof c->request, "%.*s", (int)(n > VERB_LINE ? VERB_LINE : n), line);
	clean(c->request);
	if (cut) {
		reply(q, c, SEQ_LINE, "the line is longer than %d bytes", VERB_LINE);
		q->calls->close(q->ctx, c->who);
		return true;
	}
	unsigned code = verb_parse(line, n, &r, why);
	if (code == SEQ_OK && c->read_only && !may_ask(r.verb->id)) {
		code = SEQ_DENIED;
		snprintf(why, sizeof why, "%s: this listener is for questions only", r.verb->name);
	}
	if (code != SEQ_OK) {
		reply(q, c, code, "%s", why);
		return true;
	}
	if (act(q, c, &r) == 0)
		return false;
	bool waited = c->ticket != 0;
	c->ticket = 0;
	if (waited)
		next_turn(q);
	return true;
}

bool seq_awaits(const struct seq_conn *c)
{
	return c->owner || c->asks || *c->state || c->ticket || c->later;
}

void seq_gone(struct seq *q, struct seq_conn *c)
{
	if (q->owner == c) {
		q->owner = NULL;
		q->lost = true;
		if (q->job == SHOOT_EXPOSE)
			talk(q, CODE_WARNING,
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
	next_turn(q);
}

/* ---- events ---- */

static void tell_progress(struct seq *q)
{
	double gone = q->total - left(q);

	if (q->phase == PHASE_INTEGRATING)
		progress(q, q->owner, "integrating %.1f %.1f", gone, q->total);
	else if (q->phase == PHASE_READOUT || q->phase == PHASE_SAVING)
		progress(q, q->owner, "%s", phases[q->phase]);
}

/* -f: the client goes when the last image's read-out begins. */
static void let_go(struct seq *q)
{
	struct seq_conn *c = q->owner;

	if (!q->fast || !c || q->phase != PHASE_READOUT || !q->last)
		return;
	final(q, c, q->owner_request, CODE_NOTE, SEQ_OK, "-", "the read-out has begun");
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
	tell_waiters(q);
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
	q->control = CONTROL_NONE;
	hear_again(q);
	for (struct seq_conn *c = q->conns; c; c = c->next) {
		if (!c->asks)
			continue;
		c->asks = false;
		final(q, c, c->asked, e->tag, e->code, e->call, e->text);
		return;
	}
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
		talk(q, CODE_WARNING, "%s: GetTemperatureF %05u: %s. %s", c.symbol, c.code, c.text,
		    c.todo);
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
	keep(q);
	if (q->list)
		list_settings(q, q->owner);
	snprintf(e->text, sizeof e->text, "%s", text);
}

/* The camera may be another than the one for which the settings were kept. */
static void check_settings(struct seq *q)
{
	char say[VERB_WHY];

	if (settings_check(&q->set, &q->cam->info, "kept settings", say) == SEQ_OK)
		return;
	q->set.frame = (struct cam_frame){1, 1, 1, 1, 0, 0};
	q->set.amp = 0;
	keep(q);
}

static void on_done(struct seq *q, struct shoot_event *e)
{
	enum shoot_kind kind = q->job;
	struct seq_conn *c = q->owner;
	bool good = e->tag == CODE_NOTE || e->tag == CODE_WARNING;
	char text[REPLY];

	if (good)
		accept_job(q, e);
	q->list = false;
	q->job = SHOOT_NOTHING;
	q->owner = NULL;
	if (kind != SHOOT_STOP)
		q->phase = shoot_is_on(q->shoot) ? PHASE_IDLE : PHASE_OFF;
	q->temp_due = tim_mono() + READ_EVERY;
	if (c)
		c->owner = false;
	if (kind == SHOOT_START && good) {
		check_settings(q); /* and the line that waited for it comes again */
	} else if (c) {
		c->drop = kind == SHOOT_START;
		final(q, c, q->owner_request, e->tag, e->code, e->call, e->text);
	} else if (kind == SHOOT_EXPOSE && (q->lost || (q->let_go && e->tag != CODE_NOTE))) {
		talk(q, e->tag, "%s",
		    code_shape(e->tag, e->code, e->call, e->text, text, sizeof text));
	}
	if (q->control != CONTROL_NONE) {
		struct shoot_event none = {.tag = CODE_ASTRO,
		    .code = SEQ_BUSY,
		    .call = "-",
		    .text = "too late: the exposure has just ended"};
		on_answer(q, &none);
	}
	if (kind == SHOOT_STOP)
		q->ended = true;
	tell_waiters(q);
	hear_again(q);
	next_turn(q);
}

static void on_event(struct seq *q, struct shoot_event *e)
{
	switch (e->what) {
	case SHOOT_PHASE:
		on_phase(q, e);
		break;
	case SHOOT_LINE:
		progress(q, q->owner, "%s", e->text);
		break;
	case SHOOT_CALL:
		progress(q, q->owner, "call %s %05u %s", e->call, e->code,
		    code_find(e->call, e->code).symbol);
		break;
	case SHOOT_SAVED:
		progress(q, q->owner, "saved %s", e->text);
		break;
	case SHOOT_IMAGED:
		if (*q->set.comment) {
			*q->set.comment = '\0';
			keep(q);
		}
		if (q->set.beep)
			progress(q, q->owner, "beep");
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

/* Clients give up after some time without a word. */
static void beat(struct seq *q, int64_t now)
{
	bool due = now >= q->beat_at, awaited = false;

	for (struct seq_conn *c = q->conns; c; c = c->next) {
		awaited |= seq_awaits(c);
		if (due && seq_awaits(c))
			progress(q, c, "waiting %s", phases[q->phase]);
	}
	if (due || !awaited)
		q->beat_at = now + BEAT_EVERY;
}

int seq_fd(const struct seq *q)
{
	return shoot_fd(q->shoot);
}

/* At the end: exposures that take long are aborted, then the camera goes off. */
static void go_on_stopping(struct seq *q)
{
	struct shoot_job job = {.kind = SHOOT_STOP, .set = q->set};

	if (q->job == SHOOT_NOTHING && !q->ended)
		begin(q, NULL, &job);
}

void seq_step(struct seq *q)
{
	struct shoot_event *e;
	int64_t now = tim_mono();

	while ((e = shoot_take(q->shoot))) {
		on_event(q, e);
		free(e);
	}
	tell_waiters(q);
	beat(q, now);
	if (q->stopping) {
		go_on_stopping(q);
	} else if (q->job == SHOOT_NOTHING && shoot_is_on(q->shoot) && now >= q->temp_due) {
		struct shoot_job job = {.kind = SHOOT_TEMPERATURE, .set = q->set};
		begin(q, NULL, &job);
	}
}

int64_t seq_due(const struct seq *q)
{
	int64_t due = q->job == SHOOT_NOTHING && shoot_is_on(q->shoot) ? q->temp_due : INT64_MAX;

	for (const struct seq_conn *c = q->conns; c; c = c->next) {
		if (*c->state && c->wait_until < due)
			due = c->wait_until;
		if (seq_awaits(c) && q->beat_at < due)
			due = q->beat_at;
	}
	return due;
}

void seq_stop(struct seq *q)
{
	if (q->stopping)
		return;
	q->stopping = true;
	if (q->job == SHOOT_EXPOSE) {
		shoot_last(q->shoot);
		bool soon = left(q) <= (double)q->o.finish / 1e9 * q->cam->pace && !q->held;
		talk(q, soon ? CODE_NOTE : CODE_WARNING,
		    soon ? "SEQ_OK: ending: the exposure under way is finished first"
			 : "SEQ_ABORTED: ending: the exposure under way would take too long, and "
			   "is aborted");
		if (!soon && !cannot(q, VERB_ABORT))
			shoot_control(q->shoot, CONTROL_ABORT, 0);
	}
	go_on_stopping(q);
}

bool seq_ended(const struct seq *q)
{
	return q->ended;
}
