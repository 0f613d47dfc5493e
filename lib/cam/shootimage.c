/* shootimage.c - one image after the other, into memory */
#include "cam/shootin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tim.h"

#define SLICE      (50 * TIM_MS) /* of a wait: how long an abort may take to be noticed */
#define TELL_EVERY TIM_S
#define CLOCK_STEP (100 * TIM_MS) /* less than that is no step of the clock */

/* What an image under way has come to. */
enum outcome { OUT_GOOD, OUT_FAILED, OUT_ABORTED };

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
		shoot_tell(s, SHOOT_ANSWER, CODE_NOTE, NULL, SEQ_OK, "%s", good);
	else if (said->code == DRV_IDLE)
		shoot_tell(s, SHOOT_ANSWER, CODE_ASTRO, NULL, DRV_IDLE, "%s", said->detail);
	else
		shoot_tell(s, SHOOT_ANSWER, (int)shoot_bad_tag(said), said->call, said->code, "%s",
		    shoot_sentence(said, text, sizeof text));
}

static int abort_now(struct shoot *s)
{
	if (s->cam->back->cancel(s->cam) < 0) {
		answer(s, -1, "");
		return -1;
	}
	shoot_tell(s, SHOOT_ANSWER, CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
	    "aborted: the shutter is closed, the exposure is thrown away");
	return 0;
}

/* Does what clients asked for. True: aborted. changed: the end has moved. */
static bool controlled(struct shoot *s, const struct cam_progress *at, bool *changed)
{
	const struct cam_back *b = s->cam->back;
	double seconds;
	bool ends;
	int bad;
	char text[80];

	switch (take_control(s, &seconds)) {
	case CONTROL_NONE:
		return false;
	case CONTROL_ABORT:
		return abort_now(s) == 0;
	case CONTROL_ADDTIME:
		ends = at->elapsed + fmax(0, -seconds) >= at->total;
		snprintf(text, sizeof text, "%+.3f s%s", seconds,
		    ends ? ": the exposure ends now, and the image is kept" : "");
		bad = b->addtime(s->cam, seconds);
		answer(s, bad, text);
		s->image.ended |= !bad && ends;
		break;
	case CONTROL_HOLD:
		answer(s, b->hold(s->cam, true), "held: the shutter is closed until resume");
		break;
	case CONTROL_RESUME:
		answer(s, b->hold(s->cam, false), "the shutter is open again");
		break;
	case CONTROL_READOUT:
		bad = b->readout(s->cam);
		answer(s, bad, "reading out now, the image is kept");
		s->image.ended |= !bad;
		break;
	}
	*changed = true;
	return false;
}

/* ---- one image ---- */

/* What will be done. -1: it cannot be, which was told. */
static int plan(struct shoot *s, const struct cam_timing *t, const struct cam_frame *f, int count)
{
	const struct settings *set = &s->job.set;
	char where[80] = "kept in memory", shape[80], stem[8], last[16] = "", sum[40] = "";
	int number;

	if (set->autosave) {
		if (shoot_stem(s, set, tim_now(), count, stem, &number) < 0)
			return -1;
		if (count > 1)
			snprintf(last, sizeof last, "..%04d", number + count - 1);
		snprintf(where, sizeof where, "%s%04d%s%s", stem, number, last,
		    count > 1 ? "" : ".fits");
	}
	if (count > 1)
		snprintf(sum, sizeof sum, " = %.1f s", t->exposure * count);
	settings_geometry(f, &s->cam->info, shape, sizeof shape);
	shoot_tell(s, SHOOT_LINE, CODE_NOTE, NULL, SEQ_OK,
	    "plan %d x %.3f s%s + %d x %.1f s read-out, %s, autosave %s -> %s", count, t->exposure,
	    sum, count, t->readout, shape, set->autosave ? "on" : "off", where);
	return 0;
}

/* Room for the whole detector, whatever was asked for: another client may enlarge the image under
 * way. Memory that no image fills costs nothing. */
static int make_room(struct shoot *s)
{
	size_t need = (size_t)s->cam->info.width * (size_t)s->cam->info.height;

	if (need > s->size) {
		free(s->pixels);
		s->pixels = malloc(need * sizeof *s->pixels);
		s->size = s->pixels ? need : 0;
	}
	s->have = false;
	if (s->pixels)
		return 0;
	shoot_tell(s, SHOOT_DONE, CODE_ERROR, NULL, SEQ_DISK,
	    "no memory for %zu pixels. Nothing was exposed.", need);
	return -1;
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
	shoot_read_cards(s);
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
	bool closed = (s->cam->info.can & CAM_CAN_ABORT) && s->cam->back->cancel(s->cam) == 0;

	shoot_tell(s, SHOOT_DONE, CODE_ERROR, call, SEQ_TIMEOUT,
	    "the camera gave no image: %.3f s + %.1f s read-out + %.0f s are over. %s, and there "
	    "is no file. Try again; if it comes back, restart the camera, then seqd.",
	    t->exposure, t->readout, (double)s->o->margin / 1e9,
	    closed ? "The exposure was aborted" : "It could not be aborted");
}

/* From the open shutter to the pixels being ready. */
static enum outcome integrate(struct shoot *s, const struct cam_timing *t, int made)
{
	struct cam_progress p = {.total = t->exposure};
	int64_t limit = end_of(s, &p, t->readout), say = 0, begun = tim_mono();
	bool last = made + 1 == s->job.count, reading = false, was_held = false, changed = false;

	shoot_phase(s, PHASE_INTEGRATING, &p, last);
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
			shoot_phase(s, PHASE_READOUT, &p, last);
		} else if (!reading && (changed || tim_mono() >= say)) {
			say = tim_mono() + TELL_EVERY;
			shoot_phase(s, PHASE_INTEGRATING, &p, last);
		}
		changed = false;
		if (controlled(s, &p, &changed)) {
			if (s->job.count > 1)
				shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_ABORTED,
				    "aborted after %d of %d images and %.1f s, which are thrown "
				    "away",
				    made, s->job.count, p.elapsed);
			else
				shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_ABORTED,
				    "aborted after %.1f s: no file", p.elapsed);
			return OUT_ABORTED;
		}
	}
	if (!reading)
		shoot_phase(s, PHASE_READOUT, &p, last);
	s->image.exposure = p.total;
	if (!was_held)
		s->image.dark_time = p.total;
	return OUT_GOOD;
}

/* The wall clock less the one that nobody sets. */
static int64_t clock_offset(void)
{
	int64_t before, now, after;
	int tries = 0;

	do {
		before = tim_mono();
		now = tim_now();
		after = tim_mono();
	} while (after - before > TIM_MS && ++tries < 10);
	return now - before;
}

/* The clock may be set during an exposure: its length is not measured by it, and its start stays
 * what the clock said then. Which of the two was right only a person can know. */
static void note_clock(struct shoot *s, int64_t step)
{
	s->image.clock_step = 0;
	if (step > -CLOCK_STEP && step < CLOCK_STEP)
		return;
	s->image.clock_step = (double)step / 1e9;
	snprintf(s->warning, sizeof s->warning,
	    "the clock was set by %+.1f s during the exposure: DATE-OBS is by the clock before, "
	    "see CLKSTEP",
	    s->image.clock_step);
}

/* Somebody else has changed the geometry meanwhile: the light is kept, as what it is. */
static void note_shape(struct shoot *s)
{
	const struct cam_frame *f = &s->cam->came;
	char shape[100];

	if (f->w == 0)
		return;
	s->image.frame = *f;
	snprintf(s->warning, sizeof s->warning,
	    "the image came otherwise than was asked for: %s. Did another client of the camera "
	    "change it?",
	    settings_geometry(f, &s->cam->info, shape, sizeof shape));
}

/* One image into memory. */
static enum outcome take(
    struct shoot *s, const struct cam_frame *f, const struct cam_timing *t, int made)
{
	struct cam *c = s->cam;

	describe(s, f, t);
	int64_t offset = clock_offset();
	s->image.begun = tim_now();
	if (c->back->expose(c, s->pixels, s->size) < 0)
		return OUT_FAILED;
	enum outcome out = integrate(s, t, made);
	if (out == OUT_GOOD && c->back->fetch(c) < 0)
		out = OUT_FAILED;
	if (out == OUT_GOOD) {
		note_clock(s, clock_offset() - offset);
		note_shape(s);
	}
	if (out == OUT_FAILED) {
		/* So that the next one does not find it acquiring. */
		struct cam_said said = c->said;
		if (c->info.can & CAM_CAN_ABORT)
			(void)c->back->cancel(c);
		c->said = said;
	}
	s->have = out == OUT_GOOD;
	return out;
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
			shoot_tell(s, SHOOT_ANSWER, CODE_NOTE, NULL, SEQ_OK,
			    "the series ends after %d of %d images", made, count);
		else
			shoot_tell(s, SHOOT_ANSWER, CODE_ASTRO, NULL, SEQ_BUSY,
			    "too late: the image is kept");
	} else if (made == count || !is_last(s)) {
		return false;
	}
	if (made == count)
		return false;
	shoot_tell(
	    s, SHOOT_DONE, -1, NULL, SEQ_ABORTED, "aborted after %d of %d images", made, count);
	return true;
}

/* What is wrong with some images of a series is told at its end, not only what is with the last. */
struct warned {
	int images;
	char first[CARDS_WHY];
};

static void note_warning(const struct shoot *s, struct warned *w)
{
	if (*s->warning && !w->images++)
		snprintf(w->first, sizeof w->first, "%s", s->warning);
}

static void finish_series(struct shoot *s, const char *path, const struct warned *w)
{
	const char *unsaved = s->job.set.autosave ? "" : "NOT SAVED (autosave is off): use save; ";
	bool warn = w->images > 0 || *unsaved;
	char what[SHOOT_TEXT - 400], some[40] = "";

	if (!s->job.set.autosave)
		snprintf(
		    what, sizeof what, "the %simage is in memory", s->job.count > 1 ? "last " : "");
	else if (s->job.count > 1)
		snprintf(what, sizeof what, "saved %d images, the last is %s", s->job.count, path);
	else
		snprintf(what, sizeof what, "saved %s", path);
	if (w->images > 0 && s->job.count > 1)
		snprintf(some, sizeof some, "%d of %d images: ", w->images, s->job.count);
	shoot_tell(s, SHOOT_DONE, warn ? CODE_WARNING : CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
	    "%s%s exptime=%.4f%s%s%s", unsaved, what, s->image.exposure, w->images > 0 ? "; " : "",
	    some, w->first);
}

void shoot_expose(struct shoot *s)
{
	struct cam *c = s->cam;
	struct cam_frame f = settings_frame(&s->job.set, &c->info);
	struct cam_timing t = {0, 0};
	struct warned warned = {0, ""};
	char path[PUB_PATH] = "", made[60] = "Nothing was exposed.";

	shoot_phase(s, PHASE_PENDING, NULL, false);
	if ((s->job.set.autosave && shoot_check_disk(s, &f, s->job.count) < 0) || make_room(s) < 0)
		return;
	for (int k = 0; k < s->job.count; k++) {
		struct cam_setup setup = {.frame = f,
		    .amp = s->job.set.amp,
		    .fast = s->job.set.fast,
		    .dark = s->job.dark,
		    .seconds = s->job.seconds};
		shoot_phase(s, PHASE_PENDING, NULL, false);
		if (c->back->prepare(c, &setup, &t) < 0) {
			shoot_fail(s, made);
			return;
		}
		if ((k == 0 && plan(s, &t, &f, s->job.count) < 0) || stopped_between(s, k))
			return;
		enum outcome out = take(s, &f, &t, k);
		if (out == OUT_FAILED)
			shoot_fail(s, k ? made : "No file was written.");
		if (out != OUT_GOOD)
			return;
		shoot_tell(s, SHOOT_IMAGED, CODE_NOTE, NULL, SEQ_OK, "%s", "");
		*s->job.set.comment = '\0';
		if (s->job.set.autosave && shoot_save(s, path) < 0)
			return;
		note_warning(s, &warned);
		snprintf(
		    made, sizeof made, "%d of %d images were taken before.", k + 1, s->job.count);
		if (stopped_between(s, k + 1))
			return;
	}
	finish_series(s, path, &warned);
}

void shoot_frame(struct shoot *s)
{
	struct cam_frame f = settings_frame(&s->job.set, &s->cam->info);

	if (s->cam->back->frame(s->cam, &f) < 0)
		shoot_fail(s, "");
	else
		shoot_done(s, "");
}
