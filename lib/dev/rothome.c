/* rothome.c - home: the tab looked for, its edge met as every angle is, and 0 put there */
#include "rotin.h"

#include <math.h>
#include <stdio.h>

#include "base/tim.h"

#define DEEP     0.3 /* degrees behind the edge of the tab, beyond what is lost */
#define ACCEL    2.0 /* degree/s^2 */
#define HOME_OFF 2.0 /* degrees: a known angle below this is left before seeking the tab */

/* Degrees a second: towards the tab. */
static double seek(const struct rot *r)
{
	return r->o.fast / 4;
}

static enum rot_end set_up(struct rot *r)
{
	const struct rot_setup *s = &r->o.setup;
	const struct setting all[] = {{"EE", 1}, {"SM", 0}, {"DE", 1}, {"ER", 0}, {"ST", 0},
	    {"A", rot_motor_count(s, ACCEL)}, {"D", rot_motor_count(s, ACCEL)}};
	enum rot_end end = rottalk_set_all(r, all, sizeof all / sizeof *all);

	if (end == ROT_DONE)
		end = rottalk_set_io(r, 1, MCODE_HOME, false);
	if (end == ROT_DONE)
		end = rottalk_set_io(r, 2, MCODE_INPUT, true);
	if (end == ROT_DONE)
		end = rottalk_set_io(r, 3, MCODE_OUTPUT, true);
	return end == ROT_DONE ? rottalk_set_up_gear(r) : end;
}

/* The tab was not met: back to where it was looked for, or the next search would begin nearer to
 * the limit. why and end stay those of the search. */
static enum rot_end turn_back(struct rot *r, const struct bounds *b, enum rot_end end)
{
	char why[ROT_WHY];

	snprintf(why, sizeof why, "%s", r->why);
	if (rotturn_stop(r) == ROT_DONE && rottalk_motor(r, HOLD) == ROT_DONE) {
		double by = rot_motor_angle(&r->o.setup, b->motor_from - r->st.motor_count);
		enum rot_end back = rotturn(r, by, r->o.fast);
		if (back != ROT_DONE)
			return back;
	}
	return rotsay_fail(r, end, "%s", why);
}

/* Clockwise to the tab, then back to its edge: both by the motor itself. */
static enum rot_end seek_tab(struct rot *r)
{
	char away[ROT_WHY];
	struct bounds b;
	int64_t seen = 0;
	enum rot_end end = rotturn_ready(r, seek(r));

	if (end != ROT_DONE)
		return end;
	snprintf(away, sizeof away,
	    "no home tab within %.0f degrees clockwise, so it was turned back. If the e-box stands "
	    "clockwise of home: rotctl home --first=40; else look at the IR sensor and its cable",
	    r->o.search);
	rotturn_bound(r, &b, r->o.search, MARGIN, seek(r));
	/* the creep from the far side of the tab takes its own time */
	b.deadline += (int64_t)(3 / rotturn_first(r, seek(r)) * (double)TIM_S);
	if ((end = rottalk_command(r, "HM 1")) != ROT_DONE && r->m.error == 0)
		return end;
	end = rotturn_watch(r, &b, away);
	if (end == ROT_DEVICE && r->st.has_motor && r->st.motor_count < b.low)
		return turn_back(r, &b, end);
	if (end == ROT_DONE)
		end = rottalk_value(r, "I1", 0, &seen);
	if (end == ROT_DONE && seen)
		end =
		    rotsay_fail(r, ROT_DEVICE, "the motor ended its search on the tab: try again");
	return end;
}

/* Here is 0: in the motor, in the encoder, in the file. */
static enum rot_end zero(struct rot *r)
{
	int32_t token = (int32_t)(tim_now() / TIM_MS % INT32_MAX);
	const struct setting all[] = {{"P", 0}, {TOKEN, token ? token : 1}};
	enum rot_end end = rottalk_set_up_gear(r);

	if (end == ROT_DONE)
		end = rottalk_set_all(r, all, sizeof all / sizeof *all);
	if (end != ROT_DONE)
		return end;
	r->keep = (struct rotkeep){.homed = true,
	    .token = (int32_t)all[1].value,
	    .gear_zero = r->st.gear_count,
	    .home_time = tim_now()};
	r->st.homed = true;
	r->last_motor = r->st.motor_angle = r->st.gear_angle = 0;
	return rottalk_write_keep(r);
}

/* The motor turned back at the tab so soon that the gears' play is not taken up: once more from
 * deep behind the edge, so that home is met as every angle is. */
static enum rot_end meet_edge(struct rot *r)
{
	int64_t seen = 0;
	double back = r->o.setup.lost + DEEP;
	enum rot_end end = rotturn(r, -back, r->o.slow);

	if (end == ROT_DONE)
		end = rottalk_value(r, "I1", 0, &seen);
	if (end == ROT_DONE && !seen)
		end = rotsay_fail(r, ROT_DEVICE,
		    "the home tab is not seen %.1f degrees behind its edge: is it narrower, or is "
		    "the IR sensor's cable loose?",
		    back);
	return end == ROT_DONE ? seek_tab(r) : end;
}

static enum rot_end find_home(struct rot *r, double first)
{
	enum rot_end end = set_up(r);

	if (end == ROT_DONE)
		end = rottalk_rotating(r, true);
	if (end == ROT_DONE && first > 0)
		end = rotturn(r, first, r->o.fast);
	if (end == ROT_DONE)
		end = seek_tab(r);
	if (end == ROT_DONE)
		end = meet_edge(r);
	return end == ROT_DONE ? zero(r) : end;
}

/* The tab is looked for clockwise, so from below home it would never be met. Where motor and
 * encoder contradict each other, one of them is right. */
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
		end = rotsay_fail(r, ROT_REFUSED, "%.390s", rot_status(r)->why);
	if (end == ROT_DONE && r->st.state == ROT_MOVING)
		end = rotsay_fail(
		    r, ROT_REFUSED, "it moves, and nobody here has told it to: rotctl stop");
	if (end != ROT_DONE)
		return rotsay_audited(r, who, "home", NAN, end);
	double from = r->st.gear_angle;
	if (first == 0)
		first = way_back(r);
	rotsay_audit(r, who, "home", from, 0, "begins", "");
	rottalk_forget_home(r, "a homing was begun, and did not end well");
	if ((end = rotmove_begin(r, NAN)) == ROT_DONE)
		end = find_home(r, first);
	return rotsay_audited(r, who, "home", from, rotmove_finish(r, end));
}
