/* rotturn.c - one motion of the motor, watched until it rests, and how it is stopped */
#include "rotin.h"

#include <math.h>
#include <stdio.h>

#include "ad4.h"
#include "base/io.h"
#include "base/tim.h"

#define STOP_TIME (5 * TIM_S) /* for the motor to come to rest */
#define APART     0.1         /* degrees by which motor and dewar may differ besides what is lost */
#define SKEW      0.01        /* s between the readings of the two, at rest */
#define SLACKNESS (10 * TIM_S) /* on top of thrice the time that a move needs */

/* ---- stopping ---- */

enum rot_end rotturn_stop(struct rot *r)
{
	int64_t until = tim_mono() + STOP_TIME, moving = 1;
	enum rot_end end = ROT_DONE;

	(void)rottalk_halt(r); /* what follows asks before it speaks */
	while (end == ROT_DONE && tim_mono() < until) {
		end = rottalk_command(r, "SL 0");
		/* a command that noise has spoilt is said again */
		for (int i = 0; i < 10 && (end == ROT_DONE || end == ROT_DEVICE); i++) {
			if ((end = rottalk_value(r, "MV", 0, &moving)) != ROT_DONE || !moving)
				break;
			(void)rottalk_rest(r, POLL);
		}
		if (end == ROT_DONE && !moving)
			return ROT_DONE;
	}
	if (end != ROT_DONE) {
		(void)rottalk_halt(r); /* the line may be better by now */
		return end;
	}
	(void)io_writeall(r->motor.fd, "\x1b", 1); /* stops motion and program at once */
	if ((end = rottalk_value(r, "MV", 0, &moving)) == ROT_DONE && moving)
		end = rotsay_fail(r, ROT_DEVICE, "the motor does not stop: switch its power off");
	return end;
}

/* ---- one motion ---- */

void rotturn_bound(struct rot *r, struct bounds *b, double below, double above, double speed)
{
	double time = 3 * (below + above) / speed * (double)TIM_S;

	*b =
	    (struct bounds){.low = r->st.motor_count - rot_motor_count(&r->o.setup, below + MARGIN),
		.high = r->st.motor_count + rot_motor_count(&r->o.setup, above + MARGIN),
		.deadline = tim_mono() + (int64_t)time + SLACKNESS,
		.speed = speed,
		.motor_from = r->st.motor_count,
		.gear_from = r->st.gear_count};
}

/* By how much the dewar has not followed the motor, degrees. */
static double behind(const struct rot *r, const struct bounds *b)
{
	return rot_motor_angle(&r->o.setup, r->st.motor_count - b->motor_from) -
	    rot_gear_angle(&r->o.setup, r->st.gear_count, b->gear_from);
}

/* Motor and encoder are read one after the other: a second's motion is nothing yet. */
static bool strays(const struct rot *r, const struct bounds *b)
{
	return fabs(behind(r, b)) > r->o.setup.lost + APART + b->speed;
}

enum rot_end rotturn_does_not_follow(struct rot *r, double by)
{
	(void)rotsay_fail(r, ROT_DEVICE,
	    "the gear encoder has not followed the motor, by %.1f degrees: the belt slips, or the "
	    "encoder's gear or cable is loose; when it is mended: rotctl home",
	    by);
	char why[ROT_WHY];
	snprintf(why, sizeof why, "%s", r->why);
	rottalk_forget_home(r, "the belt slipped, or the gear encoder did");
	return rotsay_fail(r, ROT_DEVICE, "%s", why);
}

/* How the motor says that it ended. */
static enum rot_end judge_end(struct rot *r, const struct bounds *b)
{
	int64_t error = 0, stall = 0;
	enum rot_end end = rottalk_value(r, "ER", 0, &error);

	if (end == ROT_DONE)
		end = rottalk_value(r, "ST", 0, &stall);
	if (end == ROT_DONE)
		end = rottalk_motor(r, HOLD);
	if (end == ROT_DONE)
		end = rottalk_gear(r, AD4_EXACT);
	if (end != ROT_DONE)
		return end;
	if (stall || error == MCODE_STALL)
		return rotsay_fail(r, ROT_DEVICE,
		    "the motor has stalled at %.2f degrees: see what blocks it before you move it "
		    "again",
		    r->st.gear_angle);
	if (error == MCODE_NO_HOME)
		return rotsay_fail(r, ROT_DEVICE,
		    "the home tab was not seen between the limits (error 82): look at the IR "
		    "sensor and its cable");
	if (mcode_of_motion((int)error))
		return rotsay_fail(r, ROT_DEVICE, "the motor ended its move with error %lld: %s",
		    (long long)error, mcode_error_text((int)error));
	return fabs(behind(r, b)) > r->o.setup.lost + APART + SKEW * b->speed
	    ? rotturn_does_not_follow(r, behind(r, b))
	    : ROT_DONE;
}

/* Watches the motor until it is at rest. */
enum rot_end rotturn_watch(struct rot *r, const struct bounds *b, const char *runs_away)
{
	int64_t moving = 1;
	enum rot_end end;

	for (;;) {
		if ((end = rottalk_value(r, "MV", -1, &moving)) != ROT_DONE ||
		    (end = rottalk_motor(r, -1)) != ROT_DONE ||
		    (end = rottalk_gear(r, MOVING_GEAR)) != ROT_DONE)
			return end;
		rotsay_state(r, ROT_MOVING, "");
		/* a single answer may be spoilt: rest is believed when it is said twice */
		if (!moving && (end = rottalk_value(r, "MV", 0, &moving)) != ROT_DONE)
			return end;
		if (!moving)
			return judge_end(r, b);
		if ((r->st.motor_count < b->low || r->st.motor_count > b->high) &&
		    (end = rottalk_motor(r, rot_motor_count(&r->o.setup, b->speed))) != ROT_DONE)
			return end;
		if (r->st.motor_count < b->low || r->st.motor_count > b->high)
			return rotsay_fail(r, ROT_DEVICE, "%s", runs_away);
		/* once more, since a lost line may lie between the two readings */
		for (int i = 0; i < 2 && strays(r, b); i++)
			if ((end = rottalk_motor(r, -1)) != ROT_DONE ||
			    (end = rottalk_gear(r, MOVING_GEAR)) != ROT_DONE)
				return end;
		if (strays(r, b))
			return rotturn_does_not_follow(r, behind(r, b));
		if (tim_mono() > b->deadline)
			return rotsay_fail(
			    r, ROT_LOST, "the motor still moves, long after it should rest");
		if (!rottalk_rest(r, POLL))
			return rotsay_fail(r, ROT_STOPPED, "stopped");
	}
}

double rotturn_first(const struct rot *r, double speed)
{
	return fmin(r->o.slow, speed) / 2;
}

/* The motor takes no VM that is not above VI, nor the other way round, whatever an earlier command
 * has left there. */
static enum rot_end set_speed(struct rot *r, double speed)
{
	const struct rot_setup *s = &r->o.setup;
	const struct setting all[] = {{"VI", 1}, {"VM", rot_motor_count(s, speed)},
	    {"VI", rot_motor_count(s, rotturn_first(r, speed))}};

	return rottalk_set_all(r, all, sizeof all / sizeof *all);
}

/* Before any turn: its speed is set, where both encoders stand is known, and nobody wants a stop. */
enum rot_end rotturn_ready(struct rot *r, double speed)
{
	enum rot_end end = set_speed(r, speed);

	if (end == ROT_DONE)
		end = rottalk_motor(r, HOLD);
	if (end == ROT_DONE)
		end = rottalk_gear(r, AD4_EXACT);
	if (end == ROT_DONE && r->stopping)
		end = rotsay_fail(r, ROT_STOPPED, "stopped");
	return end;
}

/* Turns the motor by so many degrees. */
enum rot_end rotturn(struct rot *r, double by, double speed)
{
	struct bounds b;
	enum rot_end end = rotturn_ready(r, speed);

	if (end != ROT_DONE)
		return end;
	rotturn_bound(r, &b, by < 0 ? -by : 0, by > 0 ? by : 0, speed);
	end = rottalk_move(r, r->st.motor_count + rot_motor_count(&r->o.setup, by));
	if (end != ROT_DONE)
		return end;
	return rotturn_watch(r, &b,
	    "the motor has gone farther than it was told: noise on its line? It was stopped");
}
