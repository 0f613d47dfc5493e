/* shootpower.c - the camera on and off, and its temperature */
#include "cam/shootin.h"

#include <math.h>
#include <stdio.h>

#include "base/tim.h"

#define WARM_EVERY TIM_S
#define WARM_TELL  TIM_MIN
#define WARM_MOST  (40 * TIM_MIN)
#define WARM_TRIES 5

static void read_temperature(struct shoot *s)
{
	struct shoot_event e = {.what = SHOOT_KELVIN};

	if (s->cam->back->temperature(s->cam, &e.celsius) < 0)
		e.celsius = NAN;
	e.code = s->cam->said.code;
	shoot_put(s, &e);
}

/* The settings that were kept may be another camera's. */
static int first_frame(struct shoot *s, struct settings *set)
{
	char say[VERB_WHY];

	if (settings_check(set, &s->cam->info, "kept settings", say) != SEQ_OK) {
		set->frame = (struct cam_frame){1, 1, 1, 1, 0, 0};
		set->amp = 0;
		shoot_tell(s, SHOOT_TALK, CODE_WARNING, NULL, SEQ_RANGE,
		    "SEQ_RANGE: %s They are reset.", say);
	}
	struct cam_frame f = settings_frame(set, &s->cam->info);
	return s->cam->back->frame(s->cam, &f);
}

/* The cooler as the settings have it. One that was not plainly refused may have come on. */
static int first_cooler(struct shoot *s, const struct settings *set)
{
	struct cam *c = s->cam;

	if (!set->cooler || !(c->info.can & CAM_CAN_COOL))
		return 0;
	s->cooled = true;
	if (c->back->cool(c, true, set->temp) == 0)
		return 0;
	s->warm_only = true;
	struct cam_said said = c->said;
	if (shoot_bad_tag(&said) != CODE_ASTRO && c->back->cool(c, false, 0) < 0)
		s->cold = true;
	c->said = said;
	return -1;
}

int shoot_start(struct shoot *s)
{
	struct settings set = s->job.set;
	struct cam *c = s->cam;

	if (s->on)
		return 0;
	shoot_phase(s, PHASE_STARTING, NULL, false);
	shoot_tell(
	    s, SHOOT_LINE, CODE_NOTE, NULL, SEQ_OK, "starting the camera (%s)", c->back->name);
	c->gone = false;
	bool up = c->back->start(c) == 0;
	s->warm_only = false;
	/* The cooler last: nothing that fails leaves it on. */
	if (!up || first_frame(s, &set) < 0 || first_cooler(s, &set) < 0) {
		struct cam_said said = c->said;
		if (up)
			(void)c->back->stop(c);
		c->said = said;
		shoot_phase(s, PHASE_OFF, NULL, false);
		return -1;
	}
	s->on = true;
	s->cold = false; /* as long as it is on, it is warmed up at the end */
	read_temperature(s);
	shoot_tell(s, SHOOT_TALK, CODE_NOTE, "Initialize", DRV_SUCCESS,
	    "DRV_SUCCESS: camera is on: %s %s %s, %dx%d", c->back->name, c->info.model,
	    c->info.serial, c->info.width, c->info.height);
	shoot_phase(s, PHASE_IDLE, NULL, false);
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

	shoot_tell(s, SHOOT_TALK, CODE_ERROR, said->call, said->code, "%s: %s %05u: %s: %s",
	    code_find(said->call, said->code).symbol, said->call, said->code, what,
	    shoot_sentence(said, text, sizeof text));
}

/* A camera that was lost, earlier or only now, is sought once more: its cooler goes on. */
static int cooler_off(struct shoot *s)
{
	struct cam *c = s->cam;

	if (s->on && c->back->cool(c, false, 0) == 0)
		return 0;
	if (s->on && !c->gone)
		return -1;
	if (s->on)
		(void)c->back->stop(c);
	c->gone = false;
	s->on = c->back->start(c) == 0;
	return s->on ? c->back->cool(c, false, 0) : -1;
}

/* Cooler off, and the detector slowly up to where power may go. Nothing shortens this but the
 * camera's own failure: then it is -1, which was told. */
static int warm_up(struct shoot *s)
{
	int64_t begun = tim_mono(), say = begun;
	double t = s->on ? temperature_now(s) : NAN;
	int unread = 0;

	if (!(s->cam->info.can & CAM_CAN_COOL))
		return 0;
	if (cooler_off(s) < 0) {
		talk_said(s, "the cooler cannot be switched off, and may still be on");
		return -1;
	}
	while (!s->o->no_warm_up && (isnan(t) || t <= s->o->warm)) {
		int64_t now = tim_mono();
		if (now - begun > WARM_MOST || (isnan(t) && ++unread > WARM_TRIES)) {
			talk_said(s, "the detector does not warm up as it should");
			return -1;
		}
		if (now >= say && !isnan(t)) {
			shoot_tell(s, SHOOT_TALK, CODE_NOTE, NULL, DRV_SUCCESS,
			    "DRV_SUCCESS: warming up: %.1f C, power goes off above %.1f C", t,
			    s->o->warm);
			say = now + WARM_TELL;
		}
		(void)tim_sleep_until(now + (int64_t)((double)WARM_EVERY / fmax(1, s->cam->pace)));
		t = temperature_now(s);
		if (!isnan(t))
			unread = 0;
	}
	return 0;
}

void shoot_stop(struct shoot *s)
{
	bool bad = false;

	shoot_phase(s, PHASE_STOPPING, NULL, false);
	if (s->on || s->cold)
		bad = warm_up(s) < 0;
	if (s->on && s->cam->back->stop(s->cam) < 0) {
		talk_said(s, "shutdown");
		bad = true;
	} else if (s->on) {
		shoot_tell(s, SHOOT_TALK, CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
		    "DRV_SUCCESS: camera is off");
	}
	s->on = false;
	shoot_phase(s, PHASE_OFF, NULL, false);
	if (bad)
		shoot_tell(s, SHOOT_DONE, CODE_ERROR, NULL, DRV_GENERAL_ERRORS, "%s", "");
	else
		shoot_done(s, "the camera is off");
}

void shoot_cooler(struct shoot *s)
{
	s->cooled |= s->job.set.cooler;
	if (s->cam->back->cool(s->cam, s->job.set.cooler, s->job.set.temp) < 0) {
		shoot_fail(s, "");
		return;
	}
	/* The last word is that of the call which was asked for, not of the reading after it. */
	struct cam_said said = s->cam->said;
	read_temperature(s);
	s->cam->said = said;
	shoot_done(s, "");
}

void shoot_temperature(struct shoot *s)
{
	double t;
	int bad = s->cam->back->temperature(s->cam, &t);
	struct shoot_event e = {
	    .what = SHOOT_KELVIN, .celsius = bad ? NAN : t, .code = s->cam->said.code};

	shoot_put(s, &e);
	if (bad)
		shoot_fail(s, "");
	else
		shoot_tell(s, SHOOT_DONE, -1, s->cam->said.call, e.code,
		    "%.1f C, set point %.1f C, %s", t, s->job.set.temp,
		    code_find(s->cam->said.call, e.code).text);
}
