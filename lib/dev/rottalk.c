/* rottalk.c - talking to motor and gear encoder: asked again where a line was gone and is back */
#include "rotin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "ad4.h"
#include "base/io.h"
#include "base/tim.h"

#define EXCHANGE   (1500 * TIM_MS) /* for a question, all its repetitions included */
#define HELLO      (1200 * TIM_MS)
#define BEYOND     0.5 /* degrees outside the range that nothing but a limit explains */
#define MULTIPLIER 4
#define BUSY       "O3"

/* false: a stop is asked for. */
bool rottalk_rest(struct rot *r, int64_t time)
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
	(void)rottalk_rest(r, 0);
	r->attended = tim_mono();
}

static int64_t soon(void)
{
	return tim_mono() + EXCHANGE;
}

/* ---- the file ---- */

enum rot_end rottalk_write_keep(struct rot *r)
{
	r->keep.time = tim_now();
	if (rotkeep_write(r->o.state, &r->keep, r->why) == 0)
		return ROT_DONE;
	return ROT_LOST;
}

/* The position is not known any more. */
void rottalk_forget_home(struct rot *r, const char *why)
{
	r->st.homed = false;
	r->st.motor_angle = r->st.gear_angle = NAN;
	if (!r->keep.homed)
		return;
	r->keep.homed = r->keep.settled = false;
	snprintf(r->keep.why, sizeof r->keep.why, "%s", why);
	if (rottalk_write_keep(r) != ROT_DONE)
		rotsay_note(r, "%s", r->why);
}

/* ---- the encoder ---- */

enum rot_end rottalk_open(struct rot *r, struct tty *t, const struct tty_spec *spec)
{
	if (t->fd >= 0)
		return ROT_DONE;
	if (tty_open(t, spec) == 0)
		return ROT_DONE;
	int error = errno;
	return rotsay_fail(r, error == EBUSY ? ROT_REFUSED : ROT_LOST, "the %s's port: %.300s",
	    t == &r->motor ? "motor" : "encoder", t->why);
}

/* A serial line that is gone is looked for again, for a while; a stop must wait for the motor's. */
static bool find_again(struct rot *r, struct tty *t, const struct tty_spec *spec, const char *name)
{
	int64_t until = tim_mono() + r->o.patience;

	rotsay_note(r, "the %s's serial line is gone; looking for it", name);
	tty_close(t);
	do {
		bool go_on = rottalk_rest(r, 100 * TIM_MS);
		if (!go_on && (t == &r->encoder || !r->turning))
			return false; /* the motor can be stopped without the encoder */
		if (rottalk_open(r, t, spec) == ROT_DONE) {
			rotsay_note(r, "the %s's serial line is back", name);
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
	return rotsay_fail(r, ROT_LOST, "the gear encoder: %s", ad4_text(a));
}

enum rot_end rottalk_gear(struct rot *r, int32_t tolerance)
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
enum rot_end rottalk_set_up_gear(struct rot *r)
{
	enum ad4_answer a;

	do {
		a = ad4_setup(r->encoder.fd, soon(), MULTIPLIER, 0);
		if (a == AD4_STOPPED && r->o.interrupted)
			r->o.interrupted();
	} while (a == AD4_STOPPED);
	return a == AD4_OK ? rottalk_gear(r, AD4_EXACT) : gear_end(r, a);
}

/* ---- the motor: what its answers mean ---- */

/* Said twice, since noise may have eaten the first. */
bool rottalk_halt(struct rot *r)
{
	static const char stop[] = "SL 0\rSL 0\r";

	return r->motor.fd >= 0 && io_writeall(r->motor.fd, stop, sizeof stop - 1) == 0;
}

/* It says nothing. Where the dewar is now tells a cut of its power from a bad line, but for a motor
 * that turns on unheard: that one is told to stop before anything else. */
static enum rot_end silent(struct rot *r)
{
	bool swung = false; /* or turned */
	double at = NAN;

	if (r->turning)
		(void)rottalk_halt(r);
	r->st.has_motor = false;
	r->st.motor_angle = NAN;
	if (rottalk_gear(r, MOVING_GEAR) != ROT_DONE) {
		rotsay_state(r, ROT_UNKNOWN, "neither motor nor encoder answers");
		return rotsay_fail(r, ROT_LOST,
		    "neither the motor nor the gear encoder answers: are they on, is the fibre "
		    "plugged "
		    "in, and are the two ports not swapped?");
	}
	if (r->keep.homed)
		at = rot_gear_angle(&r->o.setup, r->st.gear_count, r->keep.gear_zero);
	if (!isnan(at) && !isnan(r->last_motor))
		swung = rot_slipped(&r->o.setup, r->last_motor, at);
	swung |= at > r->o.setup.high + BEYOND || at < r->o.setup.low - NEAR - MARGIN - BEYOND;
	if (swung || r->turning) {
		(void)rotsay_fail(r, ROT_DEVICE,
		    "the motor has fallen silent%s: a limit switch has cut its power, or its line "
		    "is broken. Look whether the e-box hangs down and nothing is caught, switch "
		    "the motor off and on, then: rotctl home",
		    swung ? ", and the dewar has moved" : "");
		rotsay_state(r, ROT_NO_POWER, r->why);
		return ROT_DEVICE;
	}
	(void)rotsay_fail(r, ROT_LOST,
	    "the motor does not answer: is its power on? (a limit switch cuts it: then switch it "
	    "off and on, and rotctl home)");
	rotsay_state(r, ROT_NO_POWER, r->why);
	return ROT_LOST;
}

enum rot_end rottalk_lost_power(struct rot *r)
{
	static const char why[] = "the motor has lost its power, and with it the position";

	r->m.banner = false;
	rottalk_forget_home(r, why);
	rotsay_state(r, ROT_NOT_HOMED, why);
	return rotsay_fail(r, r->turning ? ROT_DEVICE : ROT_REFUSED, "%s: rotctl home", why);
}

static enum rot_end motor_end(struct rot *r, enum mcode_answer a)
{
	switch (a) {
	case MCODE_OK:
		return r->m.banner ? rottalk_lost_power(r) : ROT_DONE;
	case MCODE_BANNER:
		return rottalk_lost_power(r);
	case MCODE_SILENT:
		return silent(r);
	case MCODE_REFUSED:
		return rotsay_fail(r, ROT_DEVICE, "the motor did not take a command: error %d (%s)",
		    r->m.error, mcode_error_text(r->m.error));
	case MCODE_LOST:
		tty_close(&r->motor);
		r->m.fd = -1;
		r->st.has_motor = false;
		rotsay_state(r, ROT_UNKNOWN, mcode_text(a));
		return rotsay_fail(r, ROT_LOST, "%s%s", mcode_text(a),
		    r->turning
			? "; it finishes the order it has, and ROTATING may stay up: plug the "
			  "line in, then rotctl stop"
			: ": is it plugged in?");
	case MCODE_GARBAGE:
	case MCODE_STOPPED:
		break;
	}
	return rotsay_fail(r, ROT_LOST, "%s", mcode_text(a));
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

enum rot_end rottalk_value(struct rot *r, const char *name, int64_t tolerance, int64_t *value)
{
	enum mcode_answer a;

	attend(r);
	do
		a = tolerance < 0 ? mcode_ask(&r->m, name, soon(), value)
				  : mcode_read(&r->m, name, soon(), tolerance, value);
	while (once_more(r, &a));
	return motor_end(r, a);
}

enum rot_end rottalk_set(struct rot *r, const char *name, int64_t value)
{
	enum mcode_answer a;

	attend(r);
	do
		a = mcode_set(&r->m, name, value, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

enum rot_end rottalk_set_all(struct rot *r, const struct setting *s, size_t n)
{
	enum rot_end end = ROT_DONE;

	for (size_t i = 0; i < n && end == ROT_DONE; i++)
		end = rottalk_set(r, s[i].name, s[i].value);
	return end;
}

enum rot_end rottalk_set_io(struct rot *r, int number, enum mcode_io type, bool active_high)
{
	enum mcode_answer a;

	do
		a = mcode_io(&r->m, number, type, active_high, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

enum rot_end rottalk_command(struct rot *r, const char *text)
{
	enum mcode_answer a;

	do
		a = mcode_do(&r->m, text, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

enum rot_end rottalk_move(struct rot *r, int64_t to)
{
	enum mcode_answer a;

	do
		a = mcode_move(&r->m, to, soon());
	while (once_more(r, &a));
	return motor_end(r, a);
}

enum rot_end rottalk_motor(struct rot *r, int64_t tolerance)
{
	int64_t p = 0;
	enum rot_end end = rottalk_value(r, "P", tolerance, &p);

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
enum rot_end rottalk_rotating(struct rot *r, bool up)
{
	enum rot_end end = ROT_DONE;

	for (int i = 0; i < 2 && end == ROT_DONE; i++)
		end = rottalk_command(r, up ? BUSY "=1" : BUSY "=0");
	return end;
}

enum rot_end rottalk_hello(struct rot *r)
{
	enum rot_end end = rottalk_open(r, &r->motor, &r->o.motor);

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
