/* rot.c - the rotator's geometry (reference 12.1), its states as text, its state file, its requests */
#include "dev/rot.h"

#include <math.h>

#include "base/tim.h"
#include "dev/rotkeep.h"
#include "dev/rotserve.h"
#include "tap.h"

static const struct rot_setup s = ROT_SETUP_INIT;

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void angles(void)
{
	ok(rot_inside(&s, -36) && rot_inside(&s, 24) && rot_inside(&s, 0),
	    "-36 to 24 is the range");
	ok(!rot_inside(&s, -36.01) && !rot_inside(&s, 24.01) && !rot_inside(&s, NAN),
	    "and no more");
	static const double turn[][2] = {{0, 0}, {23.9, 23.9}, {24, -36}, {30, -30}, {-36, -36},
	    {-36.1, 23.9}, {60, 0}, {-60, 0}, {360, 0}, {123.4, 3.4}, {-100, 20}};
	for (size_t i = 0; i < sizeof turn / sizeof *turn; i++)
		ok(near(rot_reduce(&s, turn[i][0]), turn[i][1]), "modulo 60");
	/* 4096 counts are one turn of the small wheel: 45 degrees; 60 degrees are 5461 counts */
	ok(near(rot_gear_angle(&s, 4096, 0), 45), "a turn of the encoder is an eighth of a turn");
	ok(fabs(rot_gear_angle(&s, 5461, 0) - 60) < 0.011, "5461 counts are 60 degrees");
	ok(near(rot_gear_angle(&s, -8388600, 8388600), 16 * 45 / 4096.),
	    "across the counter's end");
	ok(near(rot_gear_angle(&s, 8388600, -8388600), -16 * 45 / 4096.), "and back");
	ok(near(rot_motor_angle(&s, 204800), 360), "a turn of the dewar is 100 of the motor");
	is_int(rot_motor_count(&s, -36), -20480, "and back");
	ok(!rot_slipped(&s, 10, 10.4) && !rot_slipped(&s, -3, -3.49), "slack and play are no slip");
	ok(rot_slipped(&s, 10, 10.51) && rot_slipped(&s, 10, 9.4), "0.1 degree more is");
}

/* The angle of rows to scans in pa, modulo 60: 10.7 or 49.3. */
static double rows(double rot, double pa, double parallactic)
{
	double d = fmod(s.fiducial + parallactic - rot - (pa - 90), 60);
	return d < 0 ? d + 60 : d;
}

static void scans(void)
{
	ok(near(rot_scan(&s, 123.4, 0, NAN), -12), "123.4: 48 degrees, which are -12");
	ok(near(rot_scan(&s, 123.4, 0, -36), -33.4),
	    "or 26.6, which are -33.4, if it stands there");
	ok(near(rot_scan(&s, 183.4, 0, 0), -12), "60 degrees on it is the same");
	ok(near(rot_scan(&s, 103.4, -20, 0), -12), "a parallactic angle turns the sky");
	bool good = true;
	for (double pa = -180; pa <= 180; pa += 7.3) {
		double rot = rot_scan(&s, pa, 33, 5), d = rows(rot, pa, 33);
		good &= rot_inside(&s, rot) && (near(d, 10.7) || near(d, 49.3));
	}
	ok(good, "all directions: within the range, rows at 10.7 degrees to one side or the other");
}

static void texts(void)
{
	struct rot_status st = {.time = 1762000000 * TIM_S,
	    .state = ROT_STILL,
	    .has_motor = true,
	    .has_gear = true,
	    .homed = true,
	    .motor_count = 123,
	    .gear_count = 456,
	    .motor_angle = 10.7,
	    .gear_angle = 10.68,
	    .target = NAN};
	char text[REC_TEXT], sentence[ROT_WHY];
	struct rec r;

	rot_record(&r, "cso", &st);
	text[rec_format(&r, REC_LINE, text, sizeof text)] = '\0';
	is_str(text,
	    "rotator,name=cso motor_count=123i,gear_count=456i,motor_angle=10.7,gear_angle=10.68,"
	    "state=2i,state_name=\"still\" 1762000000000000000\n",
	    "a reading");
	is_str(rot_sentence(&st, sentence), "still at 10.68 degrees", "for a person");
	st.has_motor = false;
	st.motor_angle = st.gear_angle = NAN;
	st.state = ROT_NO_POWER;
	snprintf(st.why, sizeof st.why, "dark");
	rot_record(&r, "cso", &st);
	text[rec_format(&r, REC_LINE, text, sizeof text)] = '\0';
	is_str(text,
	    "rotator,name=cso gear_count=456i,state=4i,state_name=\"limit or no power\" "
	    "1762000000000000000\n",
	    "what is not known is left out");
	is_str(rot_sentence(&st, sentence), "limit or no power: dark", "with the reason");
	is_str(rot_state_name(ROT_NOT_HOMED), "not homed", "state 1");
	is_str(rot_state_name(ROT_MOVING), "moving", "state 3");
	is_str(rot_state_name(ROT_FAULT), "fault", "state 5");
}

static void files(void)
{
	static const char good[] =
	    "fyke rotctl state 1\nhomed 1\nsettled 0\nmoving 1\ntoken 77\n"
	    "gear_zero -5\nmotor -20480\ngear -3277\ntime 1762000000000000000\n"
	    "home_time 1761999999000000000\nwhy the belt slipped\n";
	char text[sizeof good], sentence[ROT_WHY];
	struct rotkeep k;

	is_int(rotkeep_parse(good, &k), 0, "a state file");
	ok(k.homed && !k.settled && k.moving && k.token == 77 && k.gear_zero == -5 &&
		k.motor == -20480 && k.gear == -3277 && k.time == 1762000000 * TIM_S,
	    "holds what it holds");
	is_str(k.why, "the belt slipped", "and why");
	is_str(rotkeep_sentence(&k, &s, sentence),
	    "unknown: at 2025-11-01T12:26:40Z it stood at -35.95 degrees, about to move",
	    "in words");
	bool refused = true;
	for (size_t n = 0; n < sizeof good - 1; n++) {
		memcpy(text, good, n);
		text[n] = '\0';
		refused &= rotkeep_parse(text, &k) < 0 && !k.homed;
	}
	ok(refused, "cut anywhere it is none");
}

static void requests(void)
{
	static const char *const bad[] = {"", "go", "goto", "goto x", "goto nan", "goto 1e999",
	    "goto 721", "goto 1 2", "GOTO 1", "scan 1", "scan 1 2 3", "home", "home -1", "home 61",
	    "stop now", "status", "status xml", "status line line", "goto 0x10", "goto 1,5",
	    "MA 100", "goto 12345678901234567890123456789"};
	struct rot_request q;
	char why[ROT_WHY], line[ROT_LINE];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(rot_request_parse(bad[i], &q, why), i == 15 ? 0 : -1,
		    bad[i]); /* a plain status */
	is_int(rot_request_parse("goto -12.5", &q, why), 0, "goto");
	ok(q.verb == ROT_GOTO && q.angle == -12.5, "an angle");
	rot_request_text(&q, line);
	is_str(line, "goto -12.500000", "and as text again");
	is_int(rot_request_parse("scan 123.4 -20", &q, why), 0, "scan");
	ok(q.verb == ROT_SCAN && q.angle == 123.4 && q.parallactic == -20, "two angles");
	is_int(rot_request_parse("status tsv", &q, why), 0, "status");
	rot_request_text(&q, line);
	is_str(line, "status tsv", "with its form");
}

int main(void)
{
	angles();
	scans();
	texts();
	files();
	requests();
	return done_testing();
}
