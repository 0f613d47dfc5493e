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
	int bad = up ? 0 : -1;
	s->warm_only = false;
	if (!bad && set.cooler && (c->info.can & CAM_CAN_COOL)) {
		bad = c->back->cool(c, true, set.temp);
		s->warm_only = bad;
	}
	if (!bad)
		bad = first_frame(s, &set);
	if (bad) {
		struct cam_said said = c->said;
		if (up)
			(void)c->back->stop(c);
		c->said = said;
		shoot_phase(s, PHASE_OFF, NULL, false);
		return -1;
	}
	s->on = true;
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
}

void shoot_stop(struct shoot *s)
{
	shoot_phase(s, PHASE_STOPPING, NULL, false);
	if (s->on) {
		warm_up(s);
		if (s->cam->back->stop(s->cam) < 0)
			talk_said(s, "shutdown");
		else
			shoot_tell(s, SHOOT_TALK, CODE_NOTE, s->cam->said.call, DRV_SUCCESS,
			    "DRV_SUCCESS: camera is off");
	}
	s->on = false;
	shoot_phase(s, PHASE_OFF, NULL, false);
	shoot_done(s, "the camera is off");
}

void shoot_cooler(struct shoot *s)
{
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
