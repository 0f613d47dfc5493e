/* shoot.c - the camera's own thread: one job at a time, told of by events */
#include "cam/shoot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "cam/fits.h"
#include "cam/night.h"

#define SLICE       (50 * TIM_MS) /* of a wait: how long an abort may take to be noticed */
#define TELL_EVERY  TIM_S
#define HEADER_SIZE 14400
#define KEEP_FREE   (1 << 20)
#define WARM_EVERY  TIM_S
#define WARM_TELL   TIM_MIN
#define WARM_MOST   (40 * TIM_MIN)
#define WARM_TRIES  5

struct shoot {
	struct cam *cam;
	const struct shoot_options *o;
	pthread_t thread;
	int wake, told; /* eventfds: to the thread, and from it */

	pthread_mutex_t lock; /* guards all that follows */
	struct shoot_job job;
	bool busy, quit, last;
	enum shoot_control control;
	double control_seconds;
	struct shoot_event *first, **end;

	/* the thread's own */
	bool on, debug;
	uint16_t *pixels;
	size_t size; /* of pixels */
	bool have;   /* an image is in memory */
	struct image image;
	struct settings image_set;
	struct cards site, telescope;
	enum shoot_phase phase;
	char warning[CARDS_WHY]; /* of the image under way */
};

/* What an image under way has come to. */
enum outcome { OUT_GOOD, OUT_FAILED, OUT_ABORTED };

/* ---- events ---- */

static void poke(int fd)
{
	static const uint64_t one = 1;

	(void)!write(fd, &one, sizeof one);
}

static void put(struct shoot *s, const struct shoot_event *from)
{
	struct shoot_event *e = malloc(sizeof *e);

	if (!e)
		return;
	*e = *from;
	e->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->end = e;
	s->end = &e->next;
	if (e->what == SHOOT_DONE)
		s->busy = false;
	pthread_mutex_unlock(&s->lock);
	poke(s->told);
}

/* An event with text. call NULL: none. */
static void tell(struct shoot *s, enum shoot_what what, int tag, const char *call, unsigned code,
    const char *format, ...) __attribute__((format(printf, 6, 7)));
static void tell(struct shoot *s, enum shoot_what what, int tag, const char *call, unsigned code,
    const char *format, ...)
{
	struct shoot_event e = {.what = what, .call = call ? call : "-", .code = code};
	va_list ap;

	e.tag = tag >= 0 ? (enum code_tag)tag : code_find(call, code).tag;
	va_start(ap, format);
	vsnprintf(e.text, sizeof e.text, format, ap);
	va_end(ap);
	put(s, &e);
}

static void phase(struct shoot *s, enum shoot_phase p, const struct cam_progress *at, bool last)
{
	struct shoot_event e = {.what = SHOOT_PHASE, .phase = p, .last = last};

	s->phase = p;
	if (at) {
		e.elapsed = at->elapsed;
		e.total = at->total;
		e.held = at->held;
		e.readout = s->image.readout;
	}
	put(s, &e);
}

static void traced(void *ctx, const char *call, unsigned code)
{
	struct shoot *s = ctx;

	if (s->debug)
		tell(s, SHOOT_CALL, CODE_DEBUG, call, code, "%s", "");
}

/* The sentence on a failed call: what it means, what the camera says, what to do. */
static const char *sentence(const struct cam_said *said, char *buf, size_t size)
{
	struct code c = code_find(said->call, said->code);

	if (!*c.todo) /* a code that is good from other calls */
		c.todo = "Try again; if it comes back, restart the camera, then seqd.";
	snprintf(buf, size, "%s%s%s.%s%s", c.text, *said->detail ? ": " : "", said->detail,
	    *c.todo ? " " : "", c.todo);
	return buf;
}

static void fail(struct shoot *s, const char *more)
{
	char text[CAM_TEXT + 300];
	struct cam_said said = s->cam->said;
	int tag = (int)code_find(said.call, said.code).tag;

	/* A failure is never a note: it did not do what was asked. */
	if (tag == CODE_NOTE || tag == CODE_WARNING)
		tag = CODE_ERROR;
	tell(s, SHOOT_DONE, tag, said.call, said.code, "%s%s%s", sentence(&said, text, sizeof text),
	    *more ? " " : "", more);
}

static void done(struct shoot *s, const char *text)
{
	tell(s, SHOOT_DONE, CODE_NOTE, s->cam->said.call, DRV_SUCCESS, "%s", text);
}

/* ---- life ---- */

static void read_temperature(struct shoot *s)
{
	struct shoot_event e = {.what = SHOOT_KELVIN};

	if (s->cam->back->temperature(s->cam, &e.celsius) < 0)
		e.celsius = NAN;
	e.code = s->cam->said.code;
	put(s, &e);
}

/* The settings that were kept may be another camera's. */
static int first_frame(struct shoot *s, struct settings *set)
{
	char say[VERB_WHY];

	if (settings_check(set, &s->cam->info, "kept settings", say) != SEQ_OK) {
		set->frame = (struct cam_frame){1, 1, 1, 1, 0, 0};
		set->amp = 0;
		tell(s, SHOOT_TALK, CODE_WARNING, NULL, SEQ_RANGE, "SEQ_RANGE: %s They are reset.",
		    say);
	}
	struct cam_frame f = settings_frame(set, &s->cam->info);
	return s->cam->back->frame(s->cam, &f);
}

static int start(struct shoot *s)
{
	struct settings set = s->job.set;
	struct cam *c = s->cam;

	if (s->on)
		return 0;
	phase(s, PHASE_STARTING, NULL, false);
	tell(s, SHOOT_LINE, CODE_NOTE, NULL, SEQ_OK, "starting the camera (%s)", c->back->name);
	bool up = c->back->start(c) == 0;
	int bad = up ? 0 : -1;
	if (!bad && set.cooler && (c->info.can & CAM_CAN_COOL))
		bad = c->back->cool(c, true, set.temp);
	if (!bad)
		bad = first_frame(s, &set);
	if (bad) {
		struct cam_said said = c->said;
		if (up)
			(void)c->back->stop(c);
		c->said = said;
		phase(s, PHASE_OFF, NULL, false);
		return -1;
	}
	s->on = true;
	read_temperature(s);
	tell(s, SHOOT_TALK, CODE_NOTE, "Initialize", DRV_SUCCESS,
	    "DRV_SUCCESS: camera is on: %s %s %s, %dx%d", c->back->name, c->info.model,
	    c->info.serial, c->info.width, c->info.height);
	phase(s, PHASE_IDLE, NULL, false);
	return 0;
}

static double temperature_now(struct shoot *s)
{
	double t;

	return s->cam->back->temperature(s->cam, &t) < 0 ? NAN : t;
}

static void talk_said(struct shoot *s, const char *what)
{
	char text[CAM_TEXT + 300];
	const struct cam_said *said = &s->cam->said;

	tell(s, SHOOT_TALK, CODE_ERROR, said->call, said->code, "%s: %s %05u: %s: %s",
	    code_find(said->call, said->code).symbol, said->call, said->code, what,
	    sentence(said, text, sizeof text));
}

/* Cooler off, and the detector slowly up to where power may go. Nothing shortens this but the
 * camera's own failure. */
static void warm_up(struct shoot *s)
{
	int64_t begun = tim_mono(), say = begun;
	double t = temperature_now(s);
	int unread = 0;

	if (!(s->cam->info.can & CAM_CAN_COOL))
		return;
	if (s->cam->back->cool(s->cam, false, 0) < 0) {
		talk_said(s, "the cooler cannot be switched off");
		return;
	}
	while (!s->o->no_warm_up && (isnan(t) || t <= s->o->warm)) {
		int64_t now = tim_mono();
		if (now - begun > WARM_MOST || (isnan(t) && ++unread > WARM_TRIES)) {
			talk_said(s, "the detector does not warm up as it should");
			return;
		}
		if (now >= say && !isnan(t)) {
			tell(s, SHOOT_TALK, CODE_NOTE, NULL, DRV_SUCCESS,
			    "DRV_SUCCESS: warming up: %.1f C, power goes off above %.1f C", t,
			    s->o->warm);
			say = now + WARM_TELL;
		}
		(void)tim_sleep_until(now + (int64_t)((double)WARM_EVERY / fmax(1, s->cam->pace)));
		t = temperature_now(s);
		if (!isnan(t))
			unread = 0;
	}
}

static void stop(struct shoot *s)
{
	phase(s, PHASE_STOPPING, NULL, false);
	if (s->on) {
		warm_up(s);
		if (s->cam->back->stop(s->cam) < 0)
			talk_said(s, "shutdown");
		else
			tell(s, SHOOT_TALK, CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
			    "DRV_SUCCESS: camera is off");
	}
	s->on = false;
	phase(s, PHASE_OFF, NULL, false);
	done(s, "the camera is off");
}

/* ---- what an exposure may be told ---- */

static enum shoot_control take_control(struct shoot *s, double *seconds)
{
	pthread_mutex_lock(&s->lock);
	enum shoot_control what = s->control;
	*seconds = s->control_seconds;
	s->control = CONTROL_NONE;
	pthread_mutex_unlock(&s->lock);
	return what;
}

static void answer(struct shoot *s, int bad, const char *good)
{
	char text[CAM_TEXT + 300];
	const struct cam_said *said = &s->cam->said;

	if (!bad)
		tell(s, SHOOT_ANSWER, CODE_NOTE, NULL, SEQ_OK, "%s", good);
	else if (said->code == DRV_IDLE)
		tell(s, SHOOT_ANSWER, CODE_ASTRO, NULL, DRV_IDLE, "%s", said->detail);
	else
		tell(s, SHOOT_ANSWER, -1, said->call, said->code, "%s",
		    sentence(said, text, sizeof text));
}

static int abort_now(struct shoot *s)
{
	if (s->cam->back->abort(s->cam) < 0) {
		answer(s, -1, "");
		return -1;
	}
	tell(s, SHOOT_ANSWER, CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
	    "aborted: the shutter is closed, the exposure is thrown away");
	return 0;
}

/* Does what clients asked for. True: aborted. changed: the end has moved. */
static bool controlled(struct shoot *s, bool *changed)
{
	const struct cam_back *b = s->cam->back;
	double seconds;
	char text[80];

	switch (take_control(s, &seconds)) {
	case CONTROL_NONE:
		return false;
	case CONTROL_ABORT:
		return abort_now(s) == 0;
	case CONTROL_ADDTIME:
		snprintf(text, sizeof text, "%+.3f s", seconds);
		answer(s, b->addtime(s->cam, seconds), text);
		break;
	case CONTROL_HOLD:
		answer(s, b->hold(s->cam, true), "held: the shutter is closed until resume");
		break;
	case CONTROL_RESUME:
		answer(s, b->hold(s->cam, false), "the shutter is open again");
		break;
	case CONTROL_READOUT:
		answer(s, b->readout(s->cam), "reading out now, the image is kept");
		s->image.ended = true;
		break;
	}
	*changed = true;
	return false;
}

/* ---- one image ---- */

static int check_disk(struct shoot *s, const struct cam_frame *f, int count)
{
	int64_t need =
	    ((int64_t)cam_columns(f) * cam_rows(f) * 2 + HEADER_SIZE) * count + KEEP_FREE;
	int fd = open(s->o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK, "%s: %s. Nothing was exposed.", s->o->dir,
		    strerror(errno));
		return -1;
	}
	int64_t free = io_free_bytes(fd);
	close(fd);
	if (free < 0 || free >= need)
		return 0;
	tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
	    "%s: %d image%s need %.1f MB, and %.1f MB are free. Nothing was exposed: make room "
	    "first.",
	    s->o->dir, count, count > 1 ? "s" : "", (double)need / 1e6, (double)free / 1e6);
	return -1;
}

/* Prefix and date code for an image that begins at t. */
static int stem_for(
    struct shoot *s, const struct settings *set, int64_t t, char stem[8], int *number)
{
	char code[5];

	if (*set->filename)
		memcpy(code, set->filename, sizeof code);
	else if (night_code(t, code) < 0) {
		tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
		    "file names have letters for 1991 to 2042 only: is the clock right?");
		return -1;
	}
	snprintf(stem, 8, "%.2s%.4s", s->o->prefix, code);
	*number = night_number(s->o->dir, stem, true);
	if (*number < 0) {
		tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK, "%s: %s", s->o->dir, strerror(errno));
		return -1;
	}
	if (++*number <= NIGHT_LAST)
		return 0;
	tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
	    "%s: 9999 files have this date. Set another one by filename.", stem);
	return -1;
}

static void plan(struct shoot *s, const struct cam_timing *t, const struct cam_frame *f, int count)
{
	const struct settings *set = &s->job.set;
	char where[80] = "kept in memory", shape[80], stem[8], last[16] = "", sum[40] = "";
	int number;

	if (set->autosave) {
		if (stem_for(s, set, tim_now(), stem, &number) < 0)
			return;
		if (count > 1)
			snprintf(last, sizeof last, "..%04d", number + count - 1);
		snprintf(where, sizeof where, "%s%04d%s%s", stem, number, last,
		    count > 1 ? "" : ".fits");
	}
	if (count > 1)
		snprintf(sum, sizeof sum, " = %.1f s", t->exposure * count);
	settings_geometry(f, &s->cam->info, shape, sizeof shape);
	tell(s, SHOOT_LINE, CODE_NOTE, NULL, SEQ_OK,
	    "plan %d x %.3f s%s + %d x %.1f s read-out, %s, autosave %s -> %s", count, t->exposure,
	    sum, count, t->readout, shape, set->autosave ? "on" : "off", where);
}

static int room_for(struct shoot *s, const struct cam_frame *f)
{
	size_t need = (size_t)cam_columns(f) * (size_t)cam_rows(f);

	if (need > s->size) {
		free(s->pixels);
		s->pixels = malloc(need * sizeof *s->pixels);
		s->size = s->pixels ? need : 0;
	}
	s->have = false;
	if (s->pixels)
		return 0;
	tell(s, SHOOT_DONE, CODE_ERROR, NULL, SEQ_DISK,
	    "no memory for %zu pixels. Nothing was exposed.", need);
	return -1;
}

static void read_cards(struct shoot *s)
{
	struct image *im = &s->image;
	char why[CARDS_WHY];

	im->site = im->telescope = NULL;
	im->tel_state = "NONE";
	if (s->o->site) {
		if (cards_read(s->o->site, 0, 0, &s->site, why) != 0)
			snprintf(
			    s->warning, sizeof s->warning, "keywords of the site: %.200s", why);
		im->site = &s->site;
	}
	if (!s->o->telescope)
		return;
	int rc = cards_read(s->o->telescope, s->o->telescope_age, tim_now(), &s->telescope, why);
	im->tel_state = rc == 0 ? "OK" : rc > 0 ? "STALE" : "MISSING";
	im->telescope = rc < 0 ? NULL : &s->telescope;
	if (rc != 0)
		snprintf(s->warning, sizeof s->warning, "keywords of the telescope: %.200s", why);
}

static void describe(struct shoot *s, const struct cam_frame *f, const struct cam_timing *t)
{
	struct image *im = &s->image;
	double celsius;

	s->image_set = s->job.set;
	*im = (struct image){.set = &s->image_set,
	    .info = &s->cam->info,
	    .back = s->cam->back->name,
	    .frame = *f,
	    .pixels = s->pixels,
	    .dark = s->job.dark,
	    .asked = s->job.seconds,
	    .exposure = t->exposure,
	    .dark_time = t->exposure,
	    .readout = t->readout,
	    .celsius = NAN};
	*s->warning = '\0';
	read_cards(s);
	if (s->cam->back->temperature(s->cam, &celsius) == 0) {
		im->celsius = celsius;
		im->temp_code = s->cam->said.code;
	} else {
		snprintf(s->warning, sizeof s->warning, "the temperature is not known: %s %05u %s",
		    s->cam->said.call, s->cam->said.code,
		    code_find(s->cam->said.call, s->cam->said.code).symbol);
	}
}

static int64_t end_of(const struct shoot *s, const struct cam_progress *p, double readout)
{
	if (p->held)
		return INT64_MAX;
	return tim_mono() + s->o->margin +
	    (int64_t)((p->total - p->elapsed + readout) / s->cam->pace * 1e9);
}

static void too_late(struct shoot *s, const struct cam_timing *t)
{
	const char *call = s->cam->said.call;
	bool closed = (s->cam->info.can & CAM_CAN_ABORT) && s->cam->back->abort(s->cam) == 0;

	tell(s, SHOOT_DONE, CODE_ERROR, call, SEQ_TIMEOUT,
	    "the camera gave no image: %.3f s + %.1f s read-out + %.0f s are over. %s, and there "
	    "is no "
	    "file. Try again; if it comes back, restart the camera, then seqd.",
	    t->exposure, t->readout, (double)s->o->margin / 1e9,
	    closed ? "The exposure was aborted" : "It could not be aborted");
}

/* From the open shutter to the pixels being ready. */
static enum outcome integrate(struct shoot *s, const struct cam_timing *t, bool last)
{
	struct cam_progress p = {.total = t->exposure};
	int64_t limit = end_of(s, &p, t->readout), say = 0, begun = tim_mono();
	bool reading = false, was_held = false, changed = false;

	phase(s, PHASE_INTEGRATING, &p, last);
	for (;;) {
		if (s->cam->back->wait(s->cam, SLICE, &p) < 0)
			return OUT_FAILED;
		was_held |= p.held;
		if (changed)
			limit = end_of(s, &p, t->readout);
		if (p.phase == CAM_READY)
			break;
		if (tim_mono() > limit) {
			too_late(s, t);
			return OUT_ABORTED;
		}
		if (p.phase == CAM_READING && !reading) {
			reading = true;
			if (was_held)
				s->image.dark_time =
				    (double)(tim_mono() - begun) / 1e9 * s->cam->pace;
			phase(s, PHASE_READOUT, &p, last);
		} else if (!reading && (changed || tim_mono() >= say)) {
			say = tim_mono() + TELL_EVERY;
			phase(s, PHASE_INTEGRATING, &p, last);
		}
		changed = false;
		if (controlled(s, &changed)) {
			tell(s, SHOOT_DONE, -1, NULL, SEQ_ABORTED, "aborted after %.1f s: no file",
			    p.elapsed);
			return OUT_ABORTED;
		}
	}
	if (!reading)
		phase(s, PHASE_READOUT, &p, last);
	s->image.exposure = p.total;
	if (!was_held)
		s->image.dark_time = p.total;
	return OUT_GOOD;
}

/* One image into memory. */
static enum outcome take(
    struct shoot *s, const struct cam_frame *f, const struct cam_timing *t, bool last)
{
	struct cam *c = s->cam;

	describe(s, f, t);
	s->image.begun = tim_now();
	if (c->back->expose(c) < 0)
		return OUT_FAILED;
	enum outcome out = integrate(s, t, last);
	if (out == OUT_GOOD &&
	    c->back->fetch(c, s->pixels, (size_t)cam_columns(f) * (size_t)cam_rows(f)) < 0)
		out = OUT_FAILED;
	if (out == OUT_FAILED) {
		/* So that the next one does not find it acquiring. */
		struct cam_said said = c->said;
		if (c->info.can & CAM_CAN_ABORT)
			(void)c->back->abort(c);
		c->said = said;
	}
	s->have = out == OUT_GOOD;
	return out;
}

/* The image in memory onto the disk. */
static int save(struct shoot *s, char path[PUB_PATH])
{
	char stem[8], why[PUB_WHY];
	int number;

	phase(s, PHASE_SAVING, NULL, true);
	if (stem_for(s, &s->image_set, s->image.begun, stem, &number) < 0)
		return -1;
	int rc = fits_out(&s->image, s->o->dir, stem, &number, path, why);
	if (rc < 0) {
		tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
		    "%s. The image is still in memory: make room, then use save.", why);
		return -1;
	}
	if (rc > 0)
		snprintf(s->warning, sizeof s->warning, "%.240s", why);
	tell(s, SHOOT_SAVED, CODE_NOTE, NULL, SEQ_OK, "%s", path);
	return 0;
}

static bool is_last(struct shoot *s)
{
	pthread_mutex_lock(&s->lock);
	bool last = s->last;
	pthread_mutex_unlock(&s->lock);
	return last;
}

/* An abort that came between images, or too late. True: the series ends. */
static bool stopped_between(struct shoot *s, int made)
{
	double seconds;
	int count = s->job.count;

	if (take_control(s, &seconds) == CONTROL_ABORT) {
		if (made < count)
			tell(s, SHOOT_ANSWER, CODE_NOTE, NULL, SEQ_OK,
			    "the series ends after %d of %d images", made, count);
		else
			tell(s, SHOOT_ANSWER, CODE_ASTRO, NULL, SEQ_BUSY,
			    "too late: the image is kept");
	} else if (made == count || !is_last(s)) {
		return false;
	}
	if (made == count)
		return false;
	tell(s, SHOOT_DONE, -1, NULL, SEQ_ABORTED, "aborted after %d of %d images", made, count);
	return true;
}

static void finish_series(struct shoot *s, const char *path)
{
	const char *unsaved = s->job.set.autosave ? "" : "NOT SAVED (autosave is off): use save. ";
	bool warn = *s->warning || *unsaved;
	char what[SHOOT_TEXT - 300];

	if (!s->job.set.autosave)
		snprintf(
		    what, sizeof what, "the %simage is in memory", s->job.count > 1 ? "last " : "");
	else if (s->job.count > 1)
		snprintf(what, sizeof what, "saved %d images, the last is %s", s->job.count, path);
	else
		snprintf(what, sizeof what, "saved %s", path);
	tell(s, SHOOT_DONE, warn ? CODE_WARNING : CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
	    "%s%s exptime=%.4f%s%s", unsaved, what, s->image.exposure, *s->warning ? "; " : "",
	    s->warning);
}

static void expose(struct shoot *s)
{
	struct cam *c = s->cam;
	struct cam_frame f = settings_frame(&s->job.set, &c->info);
	struct cam_timing t = {0, 0};
	char path[PUB_PATH] = "";

	phase(s, PHASE_PENDING, NULL, false);
	if ((s->job.set.autosave && check_disk(s, &f, s->job.count) < 0) || room_for(s, &f) < 0)
		return;
	for (int k = 0; k < s->job.count; k++) {
		struct cam_setup setup = {.frame = f,
		    .amp = s->job.set.amp,
		    .fast = s->job.set.fast,
		    .dark = s->job.dark,
		    .seconds = s->job.seconds};
		phase(s, PHASE_PENDING, NULL, false);
		if (c->back->prepare(c, &setup, &t) < 0) {
			fail(s, k ? "" : "Nothing was exposed.");
			return;
		}
		if (k == 0)
			plan(s, &t, &f, s->job.count);
		if (stopped_between(s, k))
			return;
		enum outcome out = take(s, &f, &t, k + 1 == s->job.count);
		if (out == OUT_FAILED)
			fail(s, "No file was written.");
		if (out != OUT_GOOD)
			return;
		tell(s, SHOOT_IMAGED, CODE_NOTE, NULL, SEQ_OK, "%s", "");
		*s->job.set.comment = '\0';
		if (s->job.set.autosave && save(s, path) < 0)
			return;
		if (stopped_between(s, k + 1))
			return;
	}
	finish_series(s, path);
}

/* ---- other jobs ---- */

static void frame(struct shoot *s)
{
	struct cam_frame f = settings_frame(&s->job.set, &s->cam->info);

	if (s->cam->back->frame(s->cam, &f) < 0)
		fail(s, "");
	else
		done(s, "");
}

static void cooler(struct shoot *s)
{
	if (s->cam->back->cool(s->cam, s->job.set.cooler, s->job.set.temp) < 0) {
		fail(s, "");
		return;
	}
	/* The last word is that of the call which was asked for, not of the reading after it. */
	struct cam_said said = s->cam->said;
	read_temperature(s);
	s->cam->said = said;
	done(s, "");
}

static void temperature(struct shoot *s)
{
	double t;
	int bad = s->cam->back->temperature(s->cam, &t);
	struct shoot_event e = {
	    .what = SHOOT_KELVIN, .celsius = bad ? NAN : t, .code = s->cam->said.code};

	put(s, &e);
	if (bad)
		fail(s, "");
	else
		tell(s, SHOOT_DONE, -1, s->cam->said.call, e.code, "%.1f C, set point %.1f C, %s",
		    t, s->job.set.temp, code_find(s->cam->said.call, e.code).text);
}

static void save_again(struct shoot *s)
{
	char path[PUB_PATH];

	*s->warning = '\0';
	if (!s->have) {
		tell(s, SHOOT_DONE, CODE_ASTRO, NULL, SEQ_DISK, "there is no image in memory");
		return;
	}
	if (save(s, path) == 0)
		tell(s, SHOOT_DONE, *s->warning ? CODE_WARNING : CODE_NOTE, NULL, SEQ_OK,
		    "saved %s exptime=%.4f%s%s", path, s->image.exposure, *s->warning ? "; " : "",
		    s->warning);
}

/* Fills in the files of a log-comment; all must exist before one is changed. */
static int find_files(struct shoot *s)
{
	struct shoot_job *j = &s->job;
	char stem[8], path[PUB_PATH];
	int number;

	if (j->nfiles == 0) {
		if (stem_for(s, &j->set, tim_now(), stem, &number) < 0)
			return -1;
		number = night_number(s->o->dir, stem, false);
		if (number < 1) {
			tell(s, SHOOT_DONE, CODE_ASTRO, NULL, SEQ_RANGE,
			    "there is no file %s....fits", stem);
			return -1;
		}
		snprintf(j->file[j->nfiles++], sizeof j->file[0], "%s%04d.fits", stem, number);
	}
	for (int i = 0; i < j->nfiles; i++) {
		size_t n = strlen(j->file[i]);
		if ((n < 5 || strcmp(j->file[i] + n - 5, ".fits") != 0) &&
		    n + 6 <= sizeof j->file[i])
			strcpy(j->file[i] + n, ".fits");
		snprintf(path, sizeof path, "%s/%s", s->o->dir, j->file[i]);
		if (access(path, W_OK) == 0)
			continue;
		tell(s, SHOOT_DONE, CODE_ASTRO, NULL, SEQ_RANGE, "%s: %s. No file was changed.",
		    path, strerror(errno));
		return -1;
	}
	return 0;
}

static void comment(struct shoot *s)
{
	struct shoot_job *j = &s->job;
	char path[PUB_PATH], why[PUB_WHY];

	if (find_files(s) < 0)
		return;
	for (int i = 0; i < j->nfiles; i++) {
		snprintf(path, sizeof path, "%s/%s", s->o->dir, j->file[i]);
		if (fits_log_comment(path, j->text, why) < 0) {
			tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK, "%s. %d of %d files were changed.",
			    why, i, j->nfiles);
			return;
		}
	}
	tell(s, SHOOT_DONE, -1, NULL, SEQ_OK, "LOGCOMME added to %s%s", j->file[0],
	    j->nfiles > 1 ? " and others" : "");
}

/* ---- the thread ---- */

static void work(struct shoot *s)
{
	s->debug = s->job.debug;
	switch (s->job.kind) {
	case SHOOT_NOTHING:
	case SHOOT_START:
		if (start(s) < 0)
			fail(s, "The camera is off.");
		else
			done(s, "the camera is on");
		break;
	case SHOOT_FRAME:
		frame(s);
		break;
	case SHOOT_COOLER:
		cooler(s);
		break;
	case SHOOT_TEMPERATURE:
		temperature(s);
		break;
	case SHOOT_EXPOSE:
		expose(s);
		break;
	case SHOOT_SAVE:
		save_again(s);
		break;
	case SHOOT_COMMENT:
		comment(s);
		break;
	case SHOOT_STOP:
		stop(s);
		break;
	}
}

static void *run(void *ctx)
{
	struct shoot *s = ctx;
	uint64_t n;

	for (;;) {
		(void)!read(s->wake, &n, sizeof n);
		pthread_mutex_lock(&s->lock);
		bool quit = s->quit, busy = s->busy;
		pthread_mutex_unlock(&s->lock);
		if (busy)
			work(s);
		if (quit)
			return NULL;
	}
}

struct shoot *shoot_new(struct cam *cam, const struct shoot_options *options)
{
	struct shoot *s = calloc(1, sizeof *s);
	sigset_t all, old;

	if (!s)
		return NULL;
	s->cam = cam;
	s->o = options;
	s->end = &s->first;
	s->wake = eventfd(0, EFD_CLOEXEC);
	s->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	cam->trace = traced;
	cam->trace_ctx = s;
	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int bad = s->wake < 0 || s->told < 0 ? errno : pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!bad)
		return s;
	if (s->wake >= 0)
		close(s->wake);
	if (s->told >= 0)
		close(s->told);
	free(s);
	errno = bad;
	return NULL;
}

void shoot_free(struct shoot *s)
{
	struct shoot_event *e;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_mutex_unlock(&s->lock);
	poke(s->wake);
	pthread_join(s->thread, NULL);
	while ((e = shoot_take(s)))
		free(e);
	close(s->wake);
	close(s->told);
	free(s->pixels);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int shoot_fd(const struct shoot *s)
{
	return s->told;
}

struct shoot_event *shoot_take(struct shoot *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	struct shoot_event *e = s->first;
	if (e)
		s->first = e->next;
	if (!s->first) {
		s->end = &s->first;
		(void)!read(s->told, &n, sizeof n);
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

void shoot_begin(struct shoot *s, const struct shoot_job *job)
{
	pthread_mutex_lock(&s->lock);
	s->job = *job;
	s->busy = true;
	s->last = false;
	s->control = CONTROL_NONE;
	pthread_mutex_unlock(&s->lock);
	poke(s->wake);
}

void shoot_control(struct shoot *s, enum shoot_control what, double seconds)
{
	pthread_mutex_lock(&s->lock);
	s->control = what;
	s->control_seconds = seconds;
	pthread_mutex_unlock(&s->lock);
}

void shoot_last(struct shoot *s)
{
	pthread_mutex_lock(&s->lock);
	s->last = true;
	pthread_mutex_unlock(&s->lock);
}

bool shoot_is_on(const struct shoot *s)
{
	return s->on;
}
