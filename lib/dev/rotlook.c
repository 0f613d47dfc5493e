/* rotlook.c - the rotator looked at: whether it is homed, what it does, whether it may move */
#include "rotin.h"

#include <stdio.h>
#include <string.h>

#include "ad4.h"

/* Whether the counts are still those of the last homing. */
static enum rot_end check_home(struct rot *r)
{
	int64_t token = 0, drive = 0;
	enum rot_end end = rottalk_value(r, TOKEN, 0, &token);

	if (end == ROT_DONE)
		end = rottalk_value(r, "DE", 0, &drive);
	if (end != ROT_DONE)
		return end;
	if (r->keep.homed && token != r->keep.token)
		return rottalk_lost_power(r);
	r->st.homed = r->keep.homed;
	if (!drive && r->keep.homed) {
		rottalk_forget_home(r, "the motor's drive was disabled: it holds nothing");
		r->st.homed = false;
	}
	return ROT_DONE;
}

static void judge(struct rot *r, int64_t moving, int64_t error, int64_t stall)
{
	r->stalled = stall != 0 || error == MCODE_STALL;
	if (moving)
		rotsay_state(r, ROT_MOVING, "");
	else if (!r->st.homed)
		rotsay_state(r, ROT_NOT_HOMED,
		    r->keep.why[0] ? r->keep.why : "no home is known: rotctl home");
	else if (rot_slipped(&r->o.setup, r->st.motor_angle, r->st.gear_angle)) {
		r->stalled = false;
		(void)rotsay_fail(r, ROT_REFUSED,
		    "motor (%.2f degrees) and gear encoder (%.2f) contradict each other: the belt "
		    "has slipped, or the encoder has lost its power: rotctl home",
		    r->st.motor_angle, r->st.gear_angle);
		rotsay_state(r, ROT_FAULT, r->why);
	} else if (r->stalled)
		rotsay_state(
		    r, ROT_FAULT, "the motor has stalled: see what blocks it, then move it again");
	else
		rotsay_state(r, ROT_STILL, "");
}

/* A command that was cut off (killed, or its line gone) has left ROTATING up, perhaps. */
static enum rot_end tidy_up(struct rot *r)
{
	enum rot_end end = rottalk_rotating(r, false);

	if (end == ROT_DEVICE)
		end = ROT_DONE; /* before the first homing there is no such output */
	if (end != ROT_DONE)
		return end;
	r->keep.moving = false;
	r->keep.motor = r->st.motor_count;
	r->keep.gear = r->st.gear_count;
	return rottalk_write_keep(r);
}

static enum rot_end look(struct rot *r)
{
	int64_t moving = 0, error = 0, stall = 0;
	enum rot_end end;

	r->stopping = r->turning = false;
	r->st.state = ROT_UNKNOWN;
	end = rottalk_open(r, &r->encoder, &r->o.encoder);
	if (end == ROT_DONE)
		end = rottalk_hello(r);
	if (end == ROT_DONE && (end = check_home(r)) == ROT_REFUSED)
		end = ROT_DONE; /* lost power: the rest can still be read */
	if (end == ROT_DONE && (end = rottalk_value(r, "MV", 0, &moving)) == ROT_DONE &&
	    (end = rottalk_value(r, "ER", 0, &error)) == ROT_DONE)
		end = rottalk_value(r, "ST", 0, &stall);
	if (end == ROT_DONE)
		end = rottalk_motor(r, moving ? -1 : HOLD);
	if (end == ROT_DONE)
		end = rottalk_gear(r, moving ? MOVING_GEAR : AD4_EXACT);
	if (end == ROT_DONE && !moving && r->keep.moving)
		end = tidy_up(r);
	if (end == ROT_DONE) {
		judge(r, moving, error, stall);
		return ROT_DONE;
	}
	if (r->st.state == ROT_NO_POWER) /* silent() has seen so much */
		return ROT_DONE;
	rotsay_state(r, ROT_UNKNOWN, r->why);
	return end;
}

enum rot_end rot_look(struct rot *r)
{
	r->before = r->st;
	r->looking = true;
	enum rot_end end = look(r);
	r->looking = false;
	r->calls->changed(r->ctx);
	return end;
}

/* Looks, and says whether it may go to an angle now. */
enum rot_end rotlook_may_move(struct rot *r)
{
	char why[ROT_WHY];
	enum rot_end end = rot_look(r);

	if (end != ROT_DONE || r->st.state == ROT_STILL || (r->st.state == ROT_FAULT && r->stalled))
		return end;
	snprintf(why, sizeof why, "%s", r->st.why);
	switch (r->st.state) {
	case ROT_NOT_HOMED:
		return rotsay_fail(r, ROT_REFUSED, "not homed: %.200s%s", why,
		    strstr(why, "rotctl home") ? "" : ": rotctl home");
	case ROT_MOVING:
		return rotsay_fail(
		    r, ROT_REFUSED, "it moves, and nobody here has told it to: rotctl stop");
	default:
		return rotsay_fail(r, ROT_REFUSED, "%.390s", why);
	}
}
