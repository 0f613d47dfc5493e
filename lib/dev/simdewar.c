/* simdewar.c - the simulated rotator's mechanics: shaft, belt, dewar, gears, tab, limits */
#include "simrotin.h"

#include <math.h>

#define SWING 40.0 /* degree/s: the dewar falling to where it rests */

/* A thing that is pushed through play: it moves only when one side of the gap touches. */
static double pushed(double thing, double by, double gap)
{
	if (by - thing > gap / 2)
		return by - gap / 2;
	if (thing - by > gap / 2)
		return by + gap / 2;
	return thing;
}

bool simdewar_on_tab(const struct simrot *s)
{
	return s->tab_seen && s->dewar <= 0 && s->dewar >= -s->o.tab;
}

static void follow(struct simrot *s)
{
	s->gear = pushed(s->gear, s->dewar, s->o.play);
	int64_t tooth = (int64_t)floor(s->gear * s->o.gear_counts);
	if (tooth != s->tooth && !(s->gear > s->stick))
		s->counter += (int32_t)((tooth - s->tooth) * s->multiplier / 4);
	s->tooth = tooth;
}

void simdewar_stop(struct simrot *s)
{
	s->motion = STILL;
	s->speed = 0;
	simmotor_put(s, "MV", 0);
	simmotor_put(s, "V", 0);
	simrot_tell(s, "still", "");
}

void simdewar_cut_power(struct simrot *s, const char *why)
{
	if (!s->powered)
		return;
	s->motion = STILL;
	s->speed = 0;
	simmotor_put(s, "MV", 0);
	s->powered = false;
	s->line[SIMROT_MOTOR].n = 0;
	simrot_tell(s, "power cut: ", why);
}

/* The shaft goes to its new angle, and takes the dewar along, or meets something. */
static void turn_shaft(struct simrot *s, double to)
{
	double before = s->dewar, after = pushed(before, to - s->slip, s->o.slack);
	bool meets =
	    !isnan(s->block) && (before - s->block) * (after - s->block) <= 0 && after != before;

	if (meets || (s->stall_next > 0 && after != before)) {
		s->stall_next -= s->stall_next > 0;
		simmotor_stalls(s);
		return;
	}
	if (s->slip_next != 0 && after != before) {
		s->slip += s->slip_next; /* the belt jumps: the shaft turns, the dewar does not */
		s->slip_next = 0;
		after = before;
		simrot_tell(s, "slip", "");
	}
	s->shaft = to;
	s->dewar = after;
	follow(s);
	if (s->dewar > s->o.high || s->dewar < s->o.low)
		simdewar_cut_power(s, "limit");
}

/* One step towards a speed, by acceleration and deceleration. */
static void towards(struct simrot *s, double wanted)
{
	double u = simmotor_units(s),
	       a = simmotor_get(s, fabs(wanted) < fabs(s->speed) ? "D" : "A") / u;
	double first = simmotor_get(s, "VI") / u;

	if (fabs(wanted - s->speed) <= a * STEP ||
	    (fabs(wanted) <= first && fabs(s->speed) <= first))
		s->speed = wanted;
	else if (s->speed == 0)
		s->speed = copysign(first, wanted);
	else
		s->speed += copysign(a * STEP, wanted - s->speed);
}

static void step_move(struct simrot *s)
{
	double u = simmotor_units(s), left = s->target - s->shaft, d = simmotor_get(s, "D") / u;
	double first = simmotor_get(s, "VI") / u;
	double most = s->motion == SETTLE ? first : simmotor_get(s, "VM") / u;
	double may = sqrt(first * first + 2 * d * fabs(left)); /* so as to stop at the target */

	towards(s, copysign(fmin(most, may), left));
	if (fabs(left) > fabs(s->speed) * STEP) {
		turn_shaft(s, s->shaft + s->speed * STEP);
		return;
	}
	turn_shaft(s, s->target);
	if (s->motion == MOVE) {
		s->motion = SETTLE;
		s->target = s->settle;
		s->speed = 0;
	} else if (s->motion == SETTLE) {
		simdewar_stop(s);
	}
}

/* Fast towards the tab; once seen, brake, and creep back until it is not seen: whoever comes too
 * fast for a narrow tab has its home on the wrong side. */
static void step_home(struct simrot *s)
{
	double u = simmotor_units(s);

	if (s->motion == SEEK && simmotor_input(s, 1))
		s->motion = BRAKE;
	if (s->motion == BRAKE && s->speed == 0)
		s->motion = CREEP;
	if (s->motion == CREEP && !simmotor_input(s, 1)) {
		simdewar_stop(s);
		return;
	}
	towards(s,
	    s->motion == BRAKE      ? 0
		: s->motion == SEEK ? s->seek * simmotor_get(s, "VM") / u
				    : -s->seek * simmotor_get(s, "VI") / u);
	turn_shaft(s, s->shaft + s->speed * STEP);
}

void simdewar_step(struct simrot *s)
{
	s->time += STEP;
	switch (s->motion) {
	case MOVE:
	case SETTLE:
		step_move(s);
		break;
	case SLEW:
		towards(s, s->target);
		if (s->speed == 0 && s->target == 0)
			simdewar_stop(s);
		else
			turn_shaft(s, s->shaft + s->speed * STEP);
		break;
	case SEEK:
	case BRAKE:
	case CREEP:
		step_home(s);
		break;
	case STILL:
		if (s->powered || s->dewar == s->o.rest)
			break;
		s->dewar += fmax(-SWING * STEP, fmin(SWING * STEP, s->o.rest - s->dewar));
		s->shaft = s->dewar + s->slip;
		s->version++;
		follow(s);
		break;
	}
	if (s->motion != STILL)
		s->version++;
}

bool simdewar_at_rest(const struct simrot *s)
{
	return s->motion == STILL && (s->powered || s->dewar == s->o.rest);
}
