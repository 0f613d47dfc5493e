/* rotmove.c - the rotator at work: looked at, homed, moved, stopped */
#include "rotmove.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ad4.h"
#include "base/io.h"
#include "base/tim.h"
#include "mcode.h"
#include "rotkeep.h"

#define EXCHANGE    (1500 * TIM_MS) /* for a question, all its repetitions included */
#define HELLO       (1200 * TIM_MS)
#define POLL        (50 * TIM_MS) /* between two looks at a move */
#define STOP_TIME   (5 * TIM_S)   /* for the motor to come to rest */
#define SLACKNESS   (10 * TIM_S)  /* on top of thrice the time that a move needs */
#define MARGIN      1.0           /* degrees beyond a move's two ends: then it runs away */
#define NEAR        0.6           /* degrees: the last approach begins so far below the target */
#define BEYOND      0.5           /* degrees outside the range that nothing but a limit explains */
#define DEEP        0.3           /* degrees behind the edge of the tab, beyond what is lost */
#define TRIES       12            /* corrections by the gear encoder */
#define MOVING_GEAR 128           /* counts by which two readings of a moving gear may differ */
#define HOLD        2             /* counts that a motor at rest may jitter */
#define ACCEL       2.0           /* degree/s^2 */
#define HOME_OFF    2.0 /* degrees: a known angle below this is left before seeking the tab */
#define MULTIPLIER  4
#define BUSY        "O3"
#define TOKEN       "R1"

struct rot {
	struct rot_options o;
	const struct rot_calls *calls;
	void *ctx;
	int lock;
	struct tty motor, encoder;
	struct mcode m;
	struct rotkeep keep;
	struct rot_status st, before; /* before: what is told while we look */
	bool looking;
	bool stopping;     /* a stop was asked for during this command */
	bool stalled;      /* and nothing else is wrong */
	bool turning;      /* a move of ours was begun */
	int64_t attended;  /* tim_mono(): others were served last */
	double last_motor; /* angle, before the motor fell silent */
	char why[ROT_WHY];
};

/* ---- what it says ---- */

static enum rot_end fail(struct rot *r, enum rot_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum rot_end fail(struct rot *r, enum rot_end end, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->why, sizeof r->why, format, ap);
	va_end(ap);
	return end;
}

static void note(struct rot *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct rot *r, const char *format, ...)
{
	char text[ROT_WHY];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	r->calls->note(r->ctx, text);
}

static void changed(struct rot *r, enum rot_state state, const char *why)
{
	r->st.state = state;
	r->st.time = tim_now();
	snprintf(r->st.why, sizeof r->st.why, "%s", why);
	r->calls->changed(r->ctx);
}

/* false: a stop is asked for. */
static bool rest_for(struct rot *r, int64_t time)
{
	if (!r->calls->wait(r->ctx, tim_mono() + time))
		r->stopping = true;
	return !r->stopping;
}

/* Between questions: whoever listens or asks is served, however many questions there are. */
static void attend(struct rot *r)
{
	if (tim_mono() < r->attended + POLL)
		return;
	(void)rest_for(r, 0);
	r->attended = tim_mono();
}

static int64_t soon(void)
{
	return tim_mono() + EXCHANGE;
}

/* ---- the file ---- */

static enum rot_end write_keep(struct rot *r)
{
	r->keep.time = tim_now();
	if (rotkeep_write(r->o.state, &r->keep, r->why) == 0)
		return ROT_DONE;
	return ROT_LOST;
}

/* The position is not known any more. */
static void forget_home(struct rot *r, const char *why)
{
	r->st.homed = false;
	r->st.motor_angle = r->st.gear_angle = NAN;
	if (!r->keep.homed)
		return;
	r->keep.homed = r->keep.settled = false;
	snprintf(r->keep.why, sizeof r->keep.why, "%s", why);
	if (write_keep(r) != ROT_DONE)
		note(r, "%s", r->why);
}

/* ---- the encoder ---- */

static enum rot_end open_port(struct rot *r, struct tty *t, const struct tty_spec *spec)
{
	if (t->fd >= 0)
		return ROT_DONE;
	if (tty_open(t, spec) == 0)
		return ROT_DONE;
	int error = errno;
	return fail(r, error == EBUSY ? ROT_REFUSED : ROT_LOST, "the %s's port: %.300s",
	    t == &r->motor ? "motor" : "encoder", t->why);
}

/* A serial line that is gone is looked for again, for a while; a stop must wait for the motor's. */
static bool find_again(struct rot *r, struct tty *t, const struct tty_spec *spec, const char *name)
{
	int64_t until = tim_mono() + r->o.patience;

	note(r, "the %s's serial line is gone; looking for it", name);
	tty_close(t);
	do {
		bool go_on = rest_for(r, 100 * TIM_MS);
		if (!go_on && (t == &r->encoder || !r->turning))
			return false; /* the motor can be stopped without the encoder */
		if (open_port(r, t, spec) == ROT_DONE) {
			note(r, "the %s's serial line is back", name);
			return true;
		}
	} while (tim_mono() < until);
	return false;
}

static enum rot_end gear_end(struct rot *r, enum ad4_answer a)
{
	r->st.has_gear = false;
	r->st.gear_angle = NAN;
	if (a == AD4_LOST)
		tty_close(&r->encoder);
	return fail(r, ROT_LOST, "the gear encoder: %s", ad4_text(a));
}

static enum rot_end read_gear(struct rot *r, int32_t tolerance)
{
	enum ad4_answer a;
	int32_t count = 0;

	attend(r);
	do {
		a = r->encoder.fd < 0 ? AD4_LOST
				      : ad4_read(r->encoder.fd, soon(), tolerance, &count);
		if (a == AD4_STOPPED && r->o.interrupted)
			r->o.interrupted();
	} while (a == AD4_STOPPED ||
	    (a == AD4_LOST && find_again(r, &r->encoder, &r->o.encoder, "encoder")));
	if (a != AD4_OK)
		return gear_end(r, a);
	r->st.has_gear = true;
	r->st.gear_count = count;
	if (r->st.homed)
		r->st.gear_angle = rot_gear_angle(&r->o.setup, count, r->keep.gear_zero);
	return ROT_DONE;
}

/* Sets the counter up, to 0 where it takes a preset. */
static enum rot_end set_up_gear(struct rot *r)
{
	enum ad4_answer a;

	do {
		a = ad4_setup(r->encoder.fd, soon(), MULTIPLIER, 0);
		if (a == AD4_STOPPED && r->o.interrupted)
			r->o.interrupted();
	} while (a == AD4_STOPPED);
	return a == AD4_OK ? read_gear(r, AD4_EXACT) : gear_end(r, a);
}

/* ---- the motor: what its answers mean ---- */

/* It says nothing. Where the dewar is now tells a cut of its power from a bad line. */
static enum rot_end silent(struct rot *r)
{
	bool swung = false;
	double at = NAN;

	r->st.has_motor = false;
	r->st.motor_angle = NAN;
	if (read_gear(r, MOVING_GEAR) != ROT_DONE) {
		changed(r, ROT_UNKNOWN, "neither motor nor encoder answers");
		return fail(r, ROT_LOST,
		    "neither the motor nor the gear encoder answers: are they on, and is the fibre "
		    "plugged in?");
	}
	if (r->keep.homed)
		at = rot_gear_angle(&r->o.setup, r->st.gear_count, r->keep.gear_zero);
	if (!isnan(at) && !isnan(r->last_motor))
		swung = rot_slipped(&r->o.setup, r->last_motor, at);
	swung |= at > r->o.setup.high + BEYOND || at < r->o.setup.low - NEAR - MARGIN - BEYOND;
	if (swung || r->turning) {
		(void)fail(r, ROT_DEVICE,
		    "the motor has fallen silent%s: a limit switch has cut its power, it seems. "
		    "Look "
		    "whether the e-box hangs down and nothing is caught, switch the motor off and "
		    "on, "
		    "then: rotctl home",
		    swung ? ", and the dewar has swung" : "");
		changed(r, ROT_NO_POWER, r->why);
		return ROT_DEVICE;
	}
	(void)fail(r, ROT_LOST,
	    "the motor does not answer: is its power on? (a limit switch cuts it: then switch it "
	    "off "
	    "and on, and rotctl home)");
	changed(r, ROT_NO_POWER, r->why);
	return ROT_LOST;
}

static enum rot_end lost_power(struct rot *r)
{
	static const char why[] = "the motor has lost its power, and with it the position";

	r->m.banner = false;
	forget_home(r, why);
	changed(r, ROT_NOT_HOMED, why);
	return fail(r, r->turning ? ROT_DEVICE : ROT_REFUSED, "%s: rotctl home", why);
}

static enum rot_end motor_end(struct rot *r, enum mcode_answer a)
{
	switch (a) {
	case MCODE_OK:
		return r->m.banner ? lost_power(r) : ROT_DONE;
	case MCODE_BANNER:
		return lost_power(r);
	case MCODE_SILENT:
		return silent(r);
	case MCODE_REFUSED:
		return fail(r, ROT_DEVICE, "the motor did not take a command: error %d (%s)",
		    r->m.error, mcode_error_text(r->m.error));
	case MCODE_LOST:
		tty_close(&r->motor);
		r->m.fd = -1;
		r->st.has_motor = false;
		changed(r, ROT_UNKNOWN, mcode_text(a));
		return fail(r, ROT_LOST, "%s%s", mcode_text(a),
		    r->turning
			? "; it finishes the order it has, and ROTATING may stay up: plug the "
			  "line in, then rotctl stop"
			: ": is it plugged in?");
	case MCODE_GARBAGE:
	case MCODE_STOPPED:
		break;
	}
	return fail(r, ROT_LOST, "%s", mcode_text(a));
}

/* Whether a question is to be asked again, because the line was gone and is back. */
static bool once_more(struct rot *r, enum mcode_answer *a)
{
	if (*a != MCODE_LOST || !find_again(r, &r->motor, &r->o.motor, "motor"))
		return false;
	bool banner = r->m.banner;
	r->m = (struct mcode){.fd = r->motor.fd, .banner = banner, .interrupted = r->o.interrupted};
	*a = mcode_hello(&r->m, tim_mono() + HELLO);
	return *a == MCODE_OK || *a == MCODE_LOST;
}

static enum rot_end ask(struct rot *r, const char *name, int64_t tolerance, int64_t *value)
{
	enum mcode_answer a;

	attend(r);
	do
		a = tolerance < 0 ? mcode_ask(&r->m, name, soon(), value)
				  : mcode_read(&r->m, name, soon(), tolerance, value);
	while (once_more(r, &a));
	return motor_end(r, a);
}

static enum rot_end set(struct rot *r, const char *name, int64_t value)
{
	enum mcode_answer a;

	attend(r);
	do
		a = mcode_set(&r->m, name, value, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

/* Settings in a row, until one fails. */
struct setting {
	const char *name;
	int64_t value;
};

static enum rot_end set_all(struct rot *r, const struct setting *s, size_t n)
{
	enum rot_end end = ROT_DONE;

	for (size_t i = 0; i < n && end == ROT_DONE; i++)
		end = set(r, s[i].name, s[i].value);
	return end;
}

static enum rot_end set_io(struct rot *r, int number, enum mcode_io type, bool active_high)
{
	enum mcode_answer a;

	do
		a = mcode_io(&r->m, number, type, active_high, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

static enum rot_end command(struct rot *r, const char *text)
{
	enum mcode_answer a;

	do
		a = mcode_do(&r->m, text, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

static enum rot_end read_motor(struct rot *r, int64_t tolerance)
{
	int64_t p = 0;
	enum rot_end end = ask(r, "P", tolerance, &p);

	if (end != ROT_DONE)
		return end;
	r->st.has_motor = true;
	r->st.motor_count = p;
	if (r->st.homed)
		r->last_motor = r->st.motor_angle = rot_motor_angle(&r->o.setup, p);
	return ROT_DONE;
}

/* ---- ROTATING ---- */

/* Said twice, since nothing reads an output back, and noise may have eaten the first. */
static enum rot_end rotating(struct rot *r, bool up)
{
	enum rot_end end = ROT_DONE;

	for (int i = 0; i < 2 && end == ROT_DONE; i++)
		end = command(r, up ? BUSY "=1" : BUSY "=0");
	return end;
}

/* ---- looking ---- */

static enum rot_end hello(struct rot *r)
{
	enum rot_end end = open_port(r, &r->motor, &r->o.motor);

	if (end != ROT_DONE || r->m.fd == r->motor.fd)
		return end;
	r->m = (struct mcode){.fd = r->motor.fd, .interrupted = r->o.interrupted};
	enum mcode_answer a = mcode_hello(&r->m, tim_mono() + HELLO);
	if (a != MCODE_OK) {
		end = motor_end(r, a);
		r->m.fd = -1; /* begin again the next time */
		return end == ROT_DONE ? ROT_LOST : end;
	}
	/* Whether it lost its power is for the token to say: a banner may be an old one. */
	r->m.banner = false;
	return ROT_DONE;
}

/* Whether the counts are still those of the last homing. */
static enum rot_end check_home(struct rot *r)
{
	int64_t token = 0, drive = 0;
	enum rot_end end = ask(r, TOKEN, 0, &token);

	if (end == ROT_DONE)
		end = ask(r, "DE", 0, &drive);
	if (end != ROT_DONE)
		return end;
	if (r->keep.homed && token != r->keep.token)
		return lost_power(r);
	r->st.homed = r->keep.homed;
	if (!drive && r->keep.homed) {
		forget_home(r, "the motor's drive was disabled: it holds nothing");
		r->st.homed = false;
	}
	return ROT_DONE;
}

static void judge(struct rot *r, int64_t moving, int64_t error, int64_t stall)
{
	r->stalled = stall != 0 || error == MCODE_STALL;
	if (moving)
		changed(r, ROT_MOVING, "");
	else if (!r->st.homed)
		changed(r, ROT_NOT_HOMED,
		    r->keep.why[0] ? r->keep.why : "no home is known: rotctl home");
	else if (rot_slipped(&r->o.setup, r->st.motor_angle, r->st.gear_angle)) {
		r->stalled = false;
		(void)fail(r, ROT_REFUSED,
		    "motor (%.2f degrees) and gear encoder (%.2f) contradict each other: the belt "
		    "has slipped, or the encoder has lost its power: rotctl home",
		    r->st.motor_angle, r->st.gear_angle);
		changed(r, ROT_FAULT, r->why);
	} else if (r->stalled)
		changed(
		    r, ROT_FAULT, "the motor has stalled: see what blocks it, then move it again");
	else
		changed(r, ROT_STILL, "");
}

/* A command that was cut off (killed, or its line gone) has left ROTATING up, perhaps. */
static enum rot_end tidy_up(struct rot *r)
{
	enum rot_end end = rotating(r, false);

	if (end == ROT_DEVICE)
		end = ROT_DONE; /* before the first homing there is no such output */
	if (end != ROT_DONE)
		return end;
	r->keep.moving = false;
	r->keep.motor = r->st.motor_count;
	r->keep.gear = r->st.gear_count;
	return write_keep(r);
}

static enum rot_end look(struct rot *r)
{
	int64_t moving = 0, error = 0, stall = 0;
	enum rot_end end;

	r->stopping = r->turning = false;
	r->st.state = ROT_UNKNOWN;
	end = open_port(r, &r->encoder, &r->o.encoder);
	if (end == ROT_DONE)
		end = hello(r);
	if (end == ROT_DONE && (end = check_home(r)) == ROT_REFUSED)
		end = ROT_DONE; /* lost power: the rest can still be read */
	if (end == ROT_DONE && (end = ask(r, "MV", 0, &moving)) == ROT_DONE &&
	    (end = ask(r, "ER", 0, &error)) == ROT_DONE)
		end = ask(r, "ST", 0, &stall);
	if (end == ROT_DONE)
		end = read_motor(r, moving ? -1 : HOLD);
	if (end == ROT_DONE)
		end = read_gear(r, moving ? MOVING_GEAR : AD4_EXACT);
	if (end == ROT_DONE && !moving && r->keep.moving)
		end = tidy_up(r);
	if (end == ROT_DONE) {
		judge(r, moving, error, stall);
		return ROT_DONE;
	}
	if (r->st.state == ROT_NO_POWER) /* silent() has seen so much */
		return ROT_DONE;
	changed(r, ROT_UNKNOWN, r->why);
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
static enum rot_end may_move(struct rot *r)
{
	char why[ROT_WHY];
	enum rot_end end = rot_look(r);

	if (end != ROT_DONE || r->st.state == ROT_STILL || (r->st.state == ROT_FAULT && r->stalled))
		return end;
	snprintf(why, sizeof why, "%s", r->st.why);
	switch (r->st.state) {
	case ROT_NOT_HOMED:
		return fail(r, ROT_REFUSED, "not homed: %.200s%s", why,
		    strstr(why, "rotctl home") ? "" : ": rotctl home");
	case ROT_MOVING:
		return fail(
		    r, ROT_REFUSED, "it moves, and nobody here has told it to: rotctl stop");
	default:
		return fail(r, ROT_REFUSED, "%.390s", why);
	}
}

/* ---- stopping ---- */

static enum rot_end stop_motor(struct rot *r)
{
	int64_t until = tim_mono() + STOP_TIME, moving = 1;
	enum rot_end end = ROT_DONE;

	while (end == ROT_DONE && tim_mono() < until) {
		end = command(r, "SL 0");
		/* a command that noise has spoilt is said again */
		for (int i = 0; i < 10 && (end == ROT_DONE || end == ROT_DEVICE); i++) {
			if ((end = ask(r, "MV", 0, &moving)) != ROT_DONE || !moving)
				break;
			(void)rest_for(r, POLL);
		}
		if (end == ROT_DONE && !moving)
			return ROT_DONE;
	}
	if (end != ROT_DONE)
		return end;
	(void)io_writeall(r->motor.fd, "\x1b", 1); /* stops motion and program at once */
	if ((end = ask(r, "MV", 0, &moving)) == ROT_DONE && moving)
		end = fail(r, ROT_DEVICE, "the motor does not stop: switch its power off");
	return end;
}

/* ---- one motion ---- */

/* What a motion must keep to, in counts of the motor. */
struct bounds {
	int64_t low, high;
	int64_t deadline;   /* tim_mono() */
	double speed;       /* degree/s */
	int64_t motor_from; /* where it began */
	int32_t gear_from;
};

static void bound(struct rot *r, struct bounds *b, double below, double above, double speed)
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
	return fabs(behind(r, b)) > r->o.setup.lost + 0.1 + b->speed;
}

static enum rot_end does_not_follow(struct rot *r, const struct bounds *b)
{
	(void)fail(r, ROT_DEVICE,
	    "the gear encoder has not followed the motor, by %.1f degrees: the belt slips, or the "
	    "encoder's gear or cable is loose; when it is mended: rotctl home",
	    behind(r, b));
	char why[ROT_WHY];
	snprintf(why, sizeof why, "%s", r->why);
	forget_home(r, "the belt slipped, or the gear encoder did");
	return fail(r, ROT_DEVICE, "%s", why);
}

/* How the motor says that it ended. */
static enum rot_end judge_end(struct rot *r, const struct bounds *b)
{
	int64_t error = 0, stall = 0;
	enum rot_end end = ask(r, "ER", 0, &error);

	if (end == ROT_DONE)
		end = ask(r, "ST", 0, &stall);
	if (end == ROT_DONE)
		end = read_motor(r, HOLD);
	if (end == ROT_DONE)
		end = read_gear(r, AD4_EXACT);
	if (end != ROT_DONE)
		return end;
	if (stall || error == MCODE_STALL)
		return fail(r, ROT_DEVICE,
		    "the motor has stalled at %.2f degrees: see what blocks it before you move it "
		    "again",
		    r->st.gear_angle);
	if (error == MCODE_NO_HOME)
		return fail(r, ROT_DEVICE,
		    "the home tab was not seen between the limits (error 82): look at the IR "
		    "sensor "
		    "and its cable");
	if (mcode_of_motion((int)error))
		return fail(r, ROT_DEVICE, "the motor ended its move with error %lld: %s",
		    (long long)error, mcode_error_text((int)error));
	return fabs(behind(r, b)) > r->o.setup.lost + 0.1 + 0.01 * b->speed ? does_not_follow(r, b)
									    : ROT_DONE;
}

/* Watches the motor until it is at rest. */
static enum rot_end until_rest(struct rot *r, const struct bounds *b, const char *runs_away)
{
	int64_t moving = 1;
	enum rot_end end;

	for (;;) {
		if ((end = ask(r, "MV", -1, &moving)) != ROT_DONE ||
		    (end = read_motor(r, -1)) != ROT_DONE ||
		    (end = read_gear(r, MOVING_GEAR)) != ROT_DONE)
			return end;
		changed(r, ROT_MOVING, "");
		/* a single answer may be spoilt: rest is believed when it is said twice */
		if (!moving && (end = ask(r, "MV", 0, &moving)) != ROT_DONE)
			return end;
		if (!moving)
			return judge_end(r, b);
		if ((r->st.motor_count < b->low || r->st.motor_count > b->high) &&
		    (end = read_motor(r, rot_motor_count(&r->o.setup, b->speed))) != ROT_DONE)
			return end;
		if (r->st.motor_count < b->low || r->st.motor_count > b->high)
			return fail(r, ROT_DEVICE, "%s", runs_away);
		/* once more, since a lost line may lie between the two readings */
		for (int i = 0; i < 2 && strays(r, b); i++)
			if ((end = read_motor(r, -1)) != ROT_DONE ||
			    (end = read_gear(r, MOVING_GEAR)) != ROT_DONE)
				return end;
		if (strays(r, b))
			return does_not_follow(r, b);
		if (tim_mono() > b->deadline)
			return fail(
			    r, ROT_LOST, "the motor still moves, long after it should rest");
		if (!rest_for(r, POLL))
			return fail(r, ROT_STOPPED, "stopped");
	}
}

/* Degrees a second: at the tab's edge, and towards the tab. */
static double creep(const struct rot *r)
{
	return r->o.slow / 2;
}

static double seek(const struct rot *r)
{
	return r->o.fast / 4;
}

static enum rot_end set_speed(struct rot *r, double speed)
{
	return set(r, "VM", rot_motor_count(&r->o.setup, speed));
}

/* Before any turn: its speed is set, where both encoders stand is known, and nobody wants a stop. */
static enum rot_end get_ready(struct rot *r, double speed)
{
	enum rot_end end = set_speed(r, speed);

	if (end == ROT_DONE)
		end = read_motor(r, HOLD);
	if (end == ROT_DONE)
		end = read_gear(r, AD4_EXACT);
	if (end == ROT_DONE && r->stopping)
		end = fail(r, ROT_STOPPED, "stopped");
	return end;
}

/* Turns the motor by so many degrees. */
static enum rot_end turn(struct rot *r, double by, double speed)
{
	struct bounds b;
	enum mcode_answer a;
	enum rot_end end = get_ready(r, speed);

	if (end != ROT_DONE)
		return end;
	bound(r, &b, by < 0 ? -by : 0, by > 0 ? by : 0, speed);
	int64_t to = r->st.motor_count + rot_motor_count(&r->o.setup, by);
	do
		a = mcode_move(&r->m, to, soon());
	while (once_more(r, &a));
	if ((end = motor_end(r, a)) != ROT_DONE)
		return end;
	return until_rest(r, &b,
	    "the motor has gone farther than it was told: noise on its line? It was stopped");
}

/* ---- to an angle ---- */

/* Down to where the last approach begins, and beyond it by what is lost at a reversal. */
static enum rot_end go_below(struct rot *r, double target)
{
	double below = target - NEAR - r->o.setup.lost;

	return turn(r, below - r->st.gear_angle, r->o.fast);
}

static enum rot_end approach(struct rot *r, double target)
{
	enum rot_end end = ROT_DONE;

	if (r->st.gear_angle > target - NEAR)
		end = go_below(r, target);
	if (end == ROT_DONE && r->st.gear_angle < target - NEAR)
		end = turn(r, target - NEAR - r->st.gear_angle, r->o.fast);
	for (int i = 0; i < TRIES && end == ROT_DONE; i++) {
		double left = target - r->st.gear_angle;
		if (fabs(left) <= r->o.tolerance)
			return ROT_DONE;
		end = left < 0 ? go_below(r, target) : turn(r, left, r->o.slow);
	}
	if (end != ROT_DONE)
		return end;
	return fail(r, ROT_DEVICE,
	    "after %d corrections it stands at %.3f, not at %.3f degrees: is the belt loose?",
	    TRIES, r->st.gear_angle, target);
}

/* ---- a command from its beginning to its end ---- */

static enum rot_end begin(struct rot *r, double target)
{
	r->turning = true;
	r->st.target = target;
	r->keep.moving = true;
	r->keep.settled = false;
	return write_keep(r);
}

/* Whatever happened: the motor rests, ROTATING is down, the file says where it stands. why and end
 * stay those of the command. */
static enum rot_end finish(struct rot *r, enum rot_end end)
{
	char why[ROT_WHY];
	enum rot_end stopped = ROT_DONE;
	bool silent_now = r->st.state == ROT_NO_POWER || r->st.state == ROT_UNKNOWN;

	snprintf(why, sizeof why, "%s", end == ROT_DONE ? "" : r->why);
	if (end != ROT_DONE && !silent_now)
		stopped = stop_motor(r);
	if (stopped == ROT_DONE && end == ROT_LOST && r->stopping)
		end = ROT_STOPPED;
	if (stopped != ROT_DONE && end != ROT_DEVICE) {
		end = stopped;
		snprintf(why, sizeof why, "%s", r->why);
	}
	silent_now |= r->st.state == ROT_NO_POWER || r->st.state == ROT_UNKNOWN;
	if (!silent_now && rotating(r, false) != ROT_DONE && end == ROT_DONE) {
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
		changed(r, was, why);
	r->keep.settled = end == ROT_DONE;
	if (write_keep(r) != ROT_DONE && end == ROT_DONE)
		return ROT_LOST;
	snprintf(r->why, sizeof r->why, "%s", why);
	return end;
}

static const char *end_text(enum rot_end end)
{
	static const char *const text[] = {[ROT_DONE] = "done",
	    [ROT_DEVICE] = "failed",
	    [ROT_LOST] = "failed",
	    [ROT_REFUSED] = "refused",
	    [ROT_STOPPED] = "stopped"};
	return text[end];
}

static char *angle_text(double angle, char buf[32])
{
	if (isnan(angle))
		strcpy(buf, "unknown");
	else
		snprintf(buf, 32, "%.2f", angle);
	return buf;
}

/* Who did what, old -> new. */
static void audit(struct rot *r, const char *who, const char *what, double from, double to,
    const char *how, const char *why)
{
	char text[ROT_WHY], a[32], b[32];

	if (isnan(from) && isnan(to))
		snprintf(text, sizeof text, "%.100s: %s: %s", who, what, how);
	else
		snprintf(text, sizeof text, "%.100s: %s: %s -> %s degrees, %s", who, what,
		    angle_text(from, a), angle_text(to, b), how);
	r->calls->audit(r->ctx, text, why);
}

static enum rot_end audited(
    struct rot *r, const char *who, const char *what, double from, enum rot_end end)
{
	bool moved = end != ROT_REFUSED;

	audit(r, who, what, moved ? from : NAN, moved ? r->st.gear_angle : NAN, end_text(end),
	    end == ROT_DONE ? "" : r->why);
	return end;
}

/* Nothing to do; whoever waits for ROTATING to rise and fall sees it do so. */
static enum rot_end stay(struct rot *r)
{
	enum rot_end end = begin(r, r->st.gear_angle);

	return finish(r, end == ROT_DONE ? rotating(r, true) : end);
}

enum rot_end rot_goto(struct rot *r, const char *who, double target)
{
	char what[64];
	enum rot_end end;

	snprintf(what, sizeof what, "goto %.3f", target);
	if (!rot_inside(&r->o.setup, target)) {
		(void)fail(r, ROT_REFUSED,
		    "%.2f is outside %.0f to %.0f degrees; the array looks the same at %.2f",
		    target, r->o.setup.low, r->o.setup.high, rot_reduce(&r->o.setup, target));
		return audited(r, who, what, r->st.gear_angle, ROT_REFUSED);
	}
	if ((end = may_move(r)) != ROT_DONE)
		return audited(r, who, what, r->st.gear_angle, end);
	double from = r->st.gear_angle;
	if (r->keep.settled && !r->stalled && fabs(target - from) <= r->o.tolerance)
		return audited(r, who, what, from, stay(r));
	audit(r, who, what, from, target, "begins", "");
	if ((end = begin(r, target)) == ROT_DONE)
		end = set(r, "ST", 0);
	if (end == ROT_DONE)
		end = rotating(r, true);
	if (end == ROT_DONE)
		end = approach(r, target);
	return audited(r, who, what, from, finish(r, end));
}

/* ---- home ---- */

static enum rot_end set_up(struct rot *r)
{
	const struct rot_setup *s = &r->o.setup;
	const struct setting all[] = {{"EE", 1}, {"SM", 0}, {"DE", 1}, {"ER", 0}, {"ST", 0},
	    {"A", rot_motor_count(s, ACCEL)}, {"D", rot_motor_count(s, ACCEL)},
	    {"VM", rot_motor_count(s, r->o.fast)}, {"VI", rot_motor_count(s, creep(r))}};
	enum rot_end end = set_all(r, all, sizeof all / sizeof *all);

	if (end == ROT_DONE)
		end = set_io(r, 1, MCODE_HOME, false);
	if (end == ROT_DONE)
		end = set_io(r, 2, MCODE_INPUT, true);
	if (end == ROT_DONE)
		end = set_io(r, 3, MCODE_OUTPUT, true);
	return end == ROT_DONE ? set_up_gear(r) : end;
}

/* The tab was not met: back to where it was looked for, or the next search would begin nearer to the
 * limit. why and end stay those of the search. */
static enum rot_end turn_back(struct rot *r, const struct bounds *b, enum rot_end end)
{
	char why[ROT_WHY];

	snprintf(why, sizeof why, "%s", r->why);
	if (stop_motor(r) == ROT_DONE && read_motor(r, HOLD) == ROT_DONE) {
		double by = rot_motor_angle(&r->o.setup, b->motor_from - r->st.motor_count);
		enum rot_end back = turn(r, by, r->o.fast);
		if (back != ROT_DONE)
			return back;
	}
	return fail(r, end, "%s", why);
}

/* Clockwise to the tab, then back to its edge: both by the motor itself. */
static enum rot_end seek_tab(struct rot *r)
{
	char away[ROT_WHY];
	struct bounds b;
	int64_t seen = 0;
	enum rot_end end = get_ready(r, seek(r));

	if (end != ROT_DONE)
		return end;
	snprintf(away, sizeof away,
	    "no home tab within %.0f degrees clockwise, so it was turned back. If the e-box stands "
	    "clockwise of home: rotctl home --first=40; else look at the IR sensor and its cable",
	    r->o.search);
	bound(r, &b, r->o.search, MARGIN, seek(r));
	/* the creep from the far side of the tab takes its own time */
	b.deadline += (int64_t)(3 / creep(r) * (double)TIM_S);
	if ((end = command(r, "HM 1")) != ROT_DONE && r->m.error == 0)
		return end;
	end = until_rest(r, &b, away);
	if (end == ROT_DEVICE && r->st.has_motor && r->st.motor_count < b.low)
		return turn_back(r, &b, end);
	if (end == ROT_DONE)
		end = ask(r, "I1", 0, &seen);
	if (end == ROT_DONE && seen)
		end = fail(r, ROT_DEVICE, "the motor ended its search on the tab: try again");
	return end;
}

/* Here is 0: in the motor, in the encoder, in the file. */
static enum rot_end zero(struct rot *r)
{
	int32_t token = (int32_t)(tim_now() / TIM_MS % INT32_MAX);
	const struct setting all[] = {{"P", 0}, {TOKEN, token ? token : 1}};
	enum rot_end end = set_up_gear(r);

	if (end == ROT_DONE)
		end = set_all(r, all, sizeof all / sizeof *all);
	if (end != ROT_DONE)
		return end;
	r->keep = (struct rotkeep){.homed = true,
	    .token = (int32_t)all[1].value,
	    .gear_zero = r->st.gear_count,
	    .home_time = tim_now()};
	r->st.homed = true;
	r->last_motor = r->st.motor_angle = r->st.gear_angle = 0;
	return write_keep(r);
}

/* The motor turned back at the tab so soon that the gears' play is not taken up: once more from deep
 * behind the edge, so that home is met as every angle is. */
static enum rot_end meet_edge(struct rot *r)
{
	int64_t seen = 0;
	double back = r->o.setup.lost + DEEP;
	enum rot_end end = turn(r, -back, r->o.slow);

	if (end == ROT_DONE)
		end = ask(r, "I1", 0, &seen);
	if (end == ROT_DONE && !seen)
		end = fail(r, ROT_DEVICE,
		    "the home tab is not seen %.1f degrees behind its edge: is it narrower, or is "
		    "the "
		    "IR sensor's cable loose?",
		    back);
	return end == ROT_DONE ? seek_tab(r) : end;
}

static enum rot_end find_home(struct rot *r, double first)
{
	enum rot_end end = set_up(r);

	if (end == ROT_DONE)
		end = rotating(r, true);
	if (end == ROT_DONE && first > 0)
		end = turn(r, first, r->o.fast);
	if (end == ROT_DONE)
		end = seek_tab(r);
	if (end == ROT_DONE)
		end = meet_edge(r);
	return end == ROT_DONE ? zero(r) : end;
}

/* The tab is looked for clockwise, so from below home it would never be met. Where motor and encoder
 * contradict each other, one of them is right. */
static double way_back(const struct rot *r)
{
	double low = fmin(r->st.gear_angle, r->st.motor_angle);
	double high = fmax(r->st.gear_angle, r->st.motor_angle), by = HOME_OFF - low;

	if (!r->st.homed || isnan(low) || by <= 0 || high + by > r->o.setup.high)
		return 0;
	return by;
}

enum rot_end rot_home(struct rot *r, const char *who, double first)
{
	enum rot_end end = rot_look(r);

	if (end == ROT_DONE && r->st.state == ROT_NO_POWER)
		end = fail(r, ROT_REFUSED, "%.390s", rot_status(r)->why);
	if (end == ROT_DONE && r->st.state == ROT_MOVING)
		end = fail(r, ROT_REFUSED, "it moves, and nobody here has told it to: rotctl stop");
	if (end != ROT_DONE)
		return audited(r, who, "home", NAN, end);
	double from = r->st.gear_angle;
	if (first == 0)
		first = way_back(r);
	audit(r, who, "home", from, 0, "begins", "");
	forget_home(r, "a homing was begun, and did not end well");
	if ((end = begin(r, NAN)) == ROT_DONE)
		end = find_home(r, first);
	return audited(r, who, "home", from, finish(r, end));
}

/* ---- the rest ---- */

enum rot_end rot_stop(struct rot *r, const char *who)
{
	(void)open_port(r, &r->encoder, &r->o.encoder); /* good to have, not needed */
	enum rot_end end = hello(r);

	r->stopping = false;
	if (end == ROT_DONE)
		end = stop_motor(r);
	if (end == ROT_DONE)
		(void)rotating(r, false); /* before the first homing there is no such output */
	if (end == ROT_DONE)
		(void)rot_look(r); /* it rests, whatever the encoder says */
	return audited(r, who, "stop", r->st.gear_angle, end);
}

enum rot_end rot_ready(struct rot *r, bool *ready)
{
	int64_t level = 0;
	enum rot_end end = ask(r, "I2", 0, &level);

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
		note(r, "%s; it counts as not homed", r->why);
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
