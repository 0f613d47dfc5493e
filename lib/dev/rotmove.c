/* rotmove.c - the rotator's commands from beginning to end: to an angle, stop; its life */
#include "rotin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tim.h"

#define TRIES 12 /* corrections by the gear encoder */

/* ---- a command from its beginning to its end ---- */

enum rot_end rotmove_begin(struct rot *r, double target)
{
	r->turning = true;
	r->st.target = target;
	r->keep.moving = true;
	r->keep.settled = false;
	return rottalk_write_keep(r);
}

/* A stop had no answer: whether it rests is for people to see. */
static void unheard(char why[ROT_WHY])
{
	size_t n = strlen(why);

	snprintf(
	    why + n, ROT_WHY - n, "; it was told to stop, unheard: if it turns, switch it off");
}

/* Whatever happened: the motor rests, ROTATING is down, the file says where it stands. why and end
 * stay those of the command. */
enum rot_end rotmove_finish(struct rot *r, enum rot_end end)
{
	char why[ROT_WHY];
	enum rot_end stopped = ROT_DONE;
	bool silent_now = r->st.state == ROT_NO_POWER || r->st.state == ROT_UNKNOWN;

	snprintf(why, sizeof why, "%s", end == ROT_DONE ? "" : r->why);
	if (end != ROT_DONE && silent_now) {
		(void)rottalk_halt(r);
		stopped = ROT_LOST;
	} else if (end != ROT_DONE) {
		stopped = rotturn_stop(r);
	}
	if (stopped == ROT_DONE && end == ROT_LOST && r->stopping)
		end = ROT_STOPPED;
	if (stopped != ROT_DONE && end != ROT_DEVICE) {
		end = stopped;
		snprintf(why, sizeof why, "%s", r->why);
	}
	silent_now |= r->st.state == ROT_NO_POWER || r->st.state == ROT_UNKNOWN;
	if (end != ROT_DONE && (silent_now || stopped == ROT_LOST) && r->motor.fd >= 0)
		unheard(why);
	if (!silent_now && rottalk_rotating(r, false) != ROT_DONE && end == ROT_DONE) {
		end = ROT_DEVICE;
		snprintf(why, sizeof why, "%s", r->why);
	}
	r->turning = false;
	r->st.target = NAN;
	enum rot_state was = r->st.state;
	if (!silent_now) {
		bool asked = r->stopping;
		r->keep.moving = false;
		if (rot_look(r) == ROT_DONE && r->st.has_motor && r->st.has_gear) {
			r->keep.motor = r->st.motor_count;
			r->keep.gear = r->st.gear_count;
		}
		r->stopping = asked;
	} else
		rotsay_state(r, was, why);
	r->keep.settled = end == ROT_DONE;
	if (rottalk_write_keep(r) != ROT_DONE && end == ROT_DONE)
		return ROT_LOST;
	snprintf(r->why, sizeof r->why, "%s", why);
	return end;
}

/* ---- to an angle ---- */

/* Down to where the last approach begins, and beyond it by what is lost at a reversal. */
static enum rot_end go_below(struct rot *r, double target)
{
	double below = target - NEAR - r->o.setup.lost;

	return rotturn(r, below - r->st.gear_angle, r->o.fast);
}

/* Up by what is left. A gear encoder that has stopped counting may pass for play that is taken up,
 * correction by correction, but not over all of them. */
static enum rot_end correct(struct rot *r, double left)
{
	enum rot_end end = rotturn(r, left, r->o.slow);

	if (end == ROT_DONE && rot_slipped(&r->o.setup, r->st.motor_angle, r->st.gear_angle))
		end = rotturn_does_not_follow(r, r->st.motor_angle - r->st.gear_angle);
	return end;
}

static enum rot_end approach(struct rot *r, double target)
{
	enum rot_end end = ROT_DONE;

	if (r->st.gear_angle > target - NEAR)
		end = go_below(r, target);
	if (end == ROT_DONE && r->st.gear_angle < target - NEAR)
		end = rotturn(r, target - NEAR - r->st.gear_angle, r->o.fast);
	for (int i = 0; i < TRIES && end == ROT_DONE; i++) {
		double left = target - r->st.gear_angle;
		if (fabs(left) <= r->o.tolerance)
			return ROT_DONE;
		end = left < 0 ? go_below(r, target) : correct(r, left);
	}
	if (end != ROT_DONE)
		return end;
	return rotsay_fail(r, ROT_DEVICE,
	    "after %d corrections it stands at %.3f, not at %.3f degrees: is the belt loose?",
	    TRIES, r->st.gear_angle, target);
}

/* Nothing to do; whoever waits for ROTATING to rise and fall sees it do so. */
static enum rot_end stay(struct rot *r)
{
	enum rot_end end = rotmove_begin(r, r->st.gear_angle);

	return rotmove_finish(r, end == ROT_DONE ? rottalk_rotating(r, true) : end);
}

enum rot_end rot_goto(struct rot *r, const char *who, double target)
{
	char what[64];
	enum rot_end end;

	snprintf(what, sizeof what, "goto %.3f", target);
	if (!rot_inside(&r->o.setup, target)) {
		(void)rotsay_fail(r, ROT_REFUSED,
		    "%.2f is outside %.0f to %.0f degrees; the array looks the same at %.2f",
		    target, r->o.setup.low, r->o.setup.high, rot_reduce(&r->o.setup, target));
		return rotsay_audited(r, who, what, r->st.gear_angle, ROT_REFUSED);
	}
	if ((end = rotlook_may_move(r)) != ROT_DONE)
		return rotsay_audited(r, who, what, r->st.gear_angle, end);
	double from = r->st.gear_angle;
	if (r->keep.settled && !r->stalled && fabs(target - from) <= r->o.tolerance)
		return rotsay_audited(r, who, what, from, stay(r));
	rotsay_audit(r, who, what, from, target, "begins", "");
	if ((end = rotmove_begin(r, target)) == ROT_DONE)
		end = rottalk_set(r, "ST", 0);
	if (end == ROT_DONE)
		end = rottalk_rotating(r, true);
	if (end == ROT_DONE)
		end = approach(r, target);
	return rotsay_audited(r, who, what, from, rotmove_finish(r, end));
}

/* ---- the rest ---- */

enum rot_end rot_stop(struct rot *r, const char *who)
{
	/* before any answer is waited for */
	bool told = rottalk_open(r, &r->motor, &r->o.motor) == ROT_DONE && rottalk_halt(r);
	(void)rottalk_open(r, &r->encoder, &r->o.encoder); /* good to have, not needed */
	enum rot_end end = rottalk_hello(r);

	r->stopping = false;
	if (end == ROT_DONE)
		end = rotturn_stop(r);
	if (told && (end == ROT_LOST || (end == ROT_DEVICE && r->st.state == ROT_NO_POWER)))
		unheard(r->why);
	if (end == ROT_DONE)
		(void)rottalk_rotating(
		    r, false); /* before the first homing there is no such output */
	if (end == ROT_DONE)
		(void)rot_look(r); /* it rests, whatever the encoder says */
	return rotsay_audited(r, who, "stop", r->st.gear_angle, end);
}

enum rot_end rot_ready(struct rot *r, bool *ready)
{
	int64_t level = 0;
	enum rot_end end = rottalk_value(r, "I2", 0, &level);

	*ready = end == ROT_DONE && level != 0;
	return end;
}

const struct rot_status *rot_status(const struct rot *r)
{
	return r->looking ? &r->before : &r->st;
}

const char *rot_why(const struct rot *r)
{
	return r->why;
}

enum rot_end rot_take(struct rot *r)
{
	if (rotkeep_lock(r->o.state, &r->lock, r->why) < 0)
		return errno == EBUSY ? ROT_REFUSED : ROT_LOST;
	if (rotkeep_read(r->o.state, &r->keep, r->why) < 0)
		rotsay_note(r, "%s; it counts as not homed", r->why);
	if (r->keep.homed && !r->keep.moving)
		r->last_motor = rot_motor_angle(&r->o.setup, r->keep.motor);
	return ROT_DONE;
}

struct rot *rot_new(const struct rot_options *o, const struct rot_calls *calls, void *ctx)
{
	struct rot *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->o = *o;
	r->calls = calls;
	r->ctx = ctx;
	r->lock = r->m.fd = -1;
	r->motor = r->encoder = (struct tty){.fd = -1, .lock = -1};
	r->st = (struct rot_status){
	    .time = TIM_NONE, .motor_angle = NAN, .gear_angle = NAN, .target = NAN};
	r->last_motor = NAN;
	return r;
}

void rot_free(struct rot *r)
{
	if (!r)
		return;
	tty_close(&r->motor);
	tty_close(&r->encoder);
	if (r->lock >= 0)
		close(r->lock);
	free(r);
}
