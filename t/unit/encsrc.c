/* encsrc.c - sources: a rotator's line, a file's text, which value belongs to which second */
#include "sky/encsrc.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tim.h"
#include "tap.h"

static char why[ENCSRC_WHY];

static double of(const struct hk_row *r, const char *name)
{
	return r->v[hk_find(name)];
}

static int line(const char *text, struct hk_row *r)
{
	return encsrc_rotator_line(text, strlen(text), r, why);
}

static void test_rotator(void)
{
	struct hk_row r;

	is_int(line("rotator,name=rot1 motor_count=123i,gear_count=-456i,motor_angle=10.7,"
		    "gear_angle=10.68,state=2i,state_name=\"still\" 1762000000125000000",
		   &r),
	    0, "a line of rotctl's");
	is_int(r.time, 1762000000125000000, "its time");
	ok(of(&r, "rot_time") == 1762000000.125, "as seconds");
	ok(of(&r, "rot_motor_count") == 123 && of(&r, "rot_gear_count") == -456, "both counts");
	ok(of(&r, "rot_motor_angle") == 10.7 && of(&r, "rot_gear_angle") == 10.68, "both angles");
	ok(of(&r, "rotangle") == 10.68, "the gear's is the rotator's");
	ok(of(&r, "rot_state") == 2, "the state word");
	is_int(line("rotator state=0i,state_name=\"a,b = c \\\" d\",gear_count=7i 1", &r), 0,
	    "without tags, with an ugly text");
	ok(isnan(of(&r, "rotangle")) && of(&r, "rot_gear_count") == 7 && of(&r, "rot_state") == 0,
	    "what is missing has no value");
	is_int(line("rotator,name=gear_angle motor_angle=1,gear_angle=\"2\" 1", &r), 0, "a text");
	ok(isnan(of(&r, "rotangle")), "is no number");
	is_int(line("gas,location=hut temperature=295.42 1", &r), -1, "another instrument");
	is_int(line("rotators state=1i", &r), -1, "another name");
	is_int(line("rotator", &r), -1, "no field");
	is_int(line("rotator state=1i 12x", &r), -1, "no time");
	is_int(line("", &r), -1, "nothing");
}

static int text(const char *t, struct hk_row *r)
{
	return encsrc_file_text(t, strlen(t), r, why);
}

static void test_file(void)
{
	struct hk_row r;

	is_int(
	    text("# the observer's\n\nobsnumber 12\n  source_name\tMy Source \r\n  tau 0.07", &r),
	    0, "a file of values");
	ok(of(&r, "obsnumber") == 12 && of(&r, "tau") == 0.07, "numbers");
	is_str(r.text[0], "My Source", "a text with a blank inside");
	ok(isnan(of(&r, "temperature")), "no others");
	is_int(text("obsnumber\n", &r), 0, "a name alone");
	ok(isnan(of(&r, "obsnumber")), "has no value");
	is_int(text("", &r), 0, "an empty file");
	is_int(text("obsnumber twelve\n", &r), -1, "no number");
	is_str(why, "obsnumber: 'twelve' is no number", "is told");
	is_int(text("obsnumbr 12\n", &r), -1, "no column");
	is_int(text("source_name 123456789012345678901234567890123\n", &r), -1, "33 bytes");
	is_int(encsrc_file_text("tau\0 1", 6, &r, why), -1, "no text at all");
}

/* A source that says nothing by itself. */
static void mute(struct encsrc *s, const void *ctx)
{
	(void)s, (void)ctx;
}

/* One that hears nothing, as a name server that is not there makes it. */
static void hang(struct encsrc *s, const void *ctx)
{
	(void)s, (void)ctx;
	for (;;)
		pause();
}

static bool takes(struct encsrc *s, int64_t second, bool leap)
{
	struct hk_row r;

	hk_blank(&r);
	return encsrc_take(s, (struct row_second){second, leap}, &r) && of(&r, "tau") == 3;
}

static void test_seconds(void)
{
	struct encsrc *s = encsrc_start("mute", mute, NULL);
	struct hk_row r, to;
	uint64_t missed = 0;
	int64_t k = tim_join(2026, 11, 20, 8, 12, 34, 0);

	hk_blank(&r);
	r.v[hk_find("tau")] = 3;
	encsrc_give(s, &r, k + 200 * TIM_MS);
	ok(takes(s, k, false), "a value belongs to its second");
	ok(takes(s, k + TIM_S, true), "or to the leap second that the clock showed so");
	ok(!takes(s, k + TIM_S, false), "not to the next one");
	ok(!takes(s, k - TIM_S, false), "nor to the one before");
	encsrc_give(s, &r, k + 2600 * TIM_MS);
	ok(takes(s, k + 3 * TIM_S, false), "one that came half a second early counts for both");
	ok(!takes(s, k + TIM_S, false), "a row that is written late takes nothing newer");
	hk_blank(&to);
	to.v[hk_find("tau")] = 1;
	to.v[hk_find("lst")] = 5;
	strcpy(to.text[0], "Mars");
	ok(encsrc_take(s, (struct row_second){k, false}, &to) && of(&to, "tau") == 3 &&
		of(&to, "lst") == 5 && !strcmp(to.text[0], "Mars"),
	    "it replaces what it knows, and nothing else");

	is_int(encsrc_report(s, false, &missed, why), ENCSRC_NO_NEWS, "a start may take a second");
	is_int(encsrc_report(s, false, &missed, why), ENCSRC_NO_NEWS, "or two");
	is_int(encsrc_report(s, false, &missed, why), ENCSRC_SILENT, "then silence is told");
	is_str(why, "says nothing", "with what is known");
	is_int(encsrc_report(s, false, &missed, why), ENCSRC_NO_NEWS, "once");
	is_int(encsrc_report(s, true, &missed, why), ENCSRC_NO_NEWS, "a word");
	is_int(encsrc_report(s, false, &missed, why), ENCSRC_NO_NEWS, "silence again: no flood");
	for (int i = 0; i < 2; i++)
		is_int(encsrc_report(s, true, &missed, why), ENCSRC_NO_NEWS, "speaking");
	is_int(encsrc_report(s, true, &missed, why), ENCSRC_BACK, "for three rows: it is back");
	is_int(missed, 5, "with the number of rows without it");
	encsrc_fail(s, "burnt %d", 7);
	is_int(encsrc_report(s, false, &missed, why), ENCSRC_SILENT, "silent anew");
	is_str(why, "burnt 7", "with the reason");
	struct encsrc *both[] = {encsrc_start("hang", hang, NULL), s};
	int64_t before = tim_mono();
	encsrc_end(both, 2, TIM_S / 5);
	ok(encsrc_ending() && tim_mono() - before < 2 * TIM_S, "a source that hangs delays no end");
}

static void test_addresses(void)
{
	struct encsrc_spec s;
	char w[NET_WHY];

	ok(encsrc_parse("rpc:tel,udp", 1, &s, w) == 1 && s.run == encsrc_rpc && s.is.rpc.at.udp,
	    "the telescope");
	ok(encsrc_parse("rotator", 1, &s, w) == 1 && s.run == encsrc_rotator &&
		strstr(s.is.rotator.at.host, "rotctl.sock"),
	    "rotctl where it usually is");
	ok(encsrc_parse("rotator:unix:/tmp/x", 1, &s, w) == 1 &&
		!strcmp(s.is.rotator.at.host, "/tmp/x"),
	    "and elsewhere");
	ok(encsrc_parse("file:a", 1, &s, w) == 1 && !strcmp(s.ctx, "a"), "a file");
	is_int(encsrc_parse("file:", 1, &s, w), 0, "no file");
	is_int(encsrc_parse("rotator:udp:a:1", 1, &s, w), -1, "a rotator speaks no UDP");
	is_int(encsrc_parse("rpc:", 1, &s, w), -1, "no telescope");
	is_int(encsrc_parse("encoder:serial:/dev/ttyS0", 1, &s, w), 0, "what others know");
}

int main(void)
{
	test_addresses();
	test_rotator();
	test_file();
	test_seconds();
	return done_testing();
}
