/* rot.c - the rotator's geometry, its states, and how they are written down */
#include "rot.h"

#include <math.h>
#include <stdio.h>

#define SLIP     0.1 /* degrees beyond what is lost at a reversal */
#define ROUNDING 1e-9
#define GEAR_MOD 0x1000000 /* the counter has 24 bits */

/* ---- angles ---- */

bool rot_inside(const struct rot_setup *s, double angle)
{
	return angle >= s->low - ROUNDING && angle <= s->high + ROUNDING;
}

double rot_reduce(const struct rot_setup *s, double angle)
{
	return angle - ROT_SYMMETRY * floor((angle - s->low) / ROT_SYMMETRY);
}

double rot_scan(const struct rot_setup *s, double pa, double parallactic, double now)
{
	double along = s->fiducial + parallactic - (pa - 90);
	double one = rot_reduce(s, along - ROT_ROWS), other = rot_reduce(s, along + ROT_ROWS);

	if (isnan(now))
		now = 0;
	return fabs(one - now) <= fabs(other - now) ? one : other;
}

double rot_motor_angle(const struct rot_setup *s, int64_t count)
{
	return (double)count / s->motor_counts;
}

double rot_gear_angle(const struct rot_setup *s, int32_t count, int32_t zero)
{
	int32_t since = (int32_t)(((uint32_t)count - (uint32_t)zero) % GEAR_MOD);

	return (since >= GEAR_MOD / 2 ? since - GEAR_MOD : since) / s->gear_counts;
}

int64_t rot_motor_count(const struct rot_setup *s, double angle)
{
	return llround(angle * s->motor_counts);
}

bool rot_slipped(const struct rot_setup *s, double motor_angle, double gear_angle)
{
	return fabs(motor_angle - gear_angle) > SLIP + s->lost;
}

/* ---- states ---- */

const char *rot_state_name(enum rot_state s)
{
	static const char *const name[ROT_STATES] = {[ROT_UNKNOWN] = "unknown",
	    [ROT_NOT_HOMED] = "not homed",
	    [ROT_STILL] = "still",
	    [ROT_MOVING] = "moving",
	    [ROT_NO_POWER] = "limit or no power",
	    [ROT_FAULT] = "fault"};

	return s < ROT_STATES ? name[s] : "?";
}

static double rounded(double v)
{
	return round(v * 1e4) / 1e4;
}

void rot_record(struct rec *r, const char *name, const struct rot_status *s)
{
	rec_begin(r, "rotator", s->time);
	rec_tag(r, "name", name);
	if (s->has_motor)
		rec_whole(r, "motor_count", NULL, s->motor_count);
	else
		rec_real(r, "motor_count", NULL, NAN, 0);
	if (s->has_gear)
		rec_whole(r, "gear_count", NULL, s->gear_count);
	else
		rec_real(r, "gear_count", NULL, NAN, 0);
	rec_real(r, "motor_angle", "degree", rounded(s->motor_angle), REC_DIGITS);
	rec_real(r, "gear_angle", "degree", rounded(s->gear_angle), REC_DIGITS);
	rec_whole(r, "state", NULL, s->state);
	rec_string(r, "state_name", rot_state_name(s->state));
}

char *rot_sentence(const struct rot_status *s, char buf[ROT_WHY])
{
	char at[64] = "";

	if (!isnan(s->gear_angle))
		snprintf(at, sizeof at, "at %.2f degrees", s->gear_angle);
	if (s->state == ROT_MOVING && !isnan(s->target))
		snprintf(buf, ROT_WHY, "moving, %s on the way to %.2f", at, s->target);
	else
		snprintf(buf, ROT_WHY, "%s%s%s%s%.300s", rot_state_name(s->state), *at ? " " : "",
		    at, s->why[0] ? ": " : "", s->why);
	return buf;
}
