/* scope.c - what an oscilloscope was told against what it says; lists of traces */
#include "dev/scope.h"
#include "tap.h"

static void is_set(const char *want, const char *have, enum scope_set set)
{
	char words[200];

	snprintf(words, sizeof words, "'%s' and '%s'", want, have);
	is_int(scope_compare(want, have), set, words);
}

static void test_compare(void)
{
	is_set("100NS", "100E-9", SCOPE_SET_SAME);
	is_set("100NS", "1E-07 S", SCOPE_SET_SAME);
	is_set("100 ns", "1.00E-7S", SCOPE_SET_SAME);
	is_set("50MV", "50E-3 V", SCOPE_SET_SAME);
	is_set("-0.01", "-10E-3", SCOPE_SET_SAME);
	is_set("0", "0E+0", SCOPE_SET_SAME);
	is_set("3NS", "5E-9", SCOPE_SET_ADAPTED);
	is_set("0.1", "-0.1", SCOPE_SET_ADAPTED);
	is_set("0", "1E-3", SCOPE_SET_ADAPTED);
	is_set("ON,100", "ON,100,1E+6", SCOPE_SET_SAME);
	is_set("ON,100", "ON,50,1E+6", SCOPE_SET_ADAPTED);
	is_set("ON,100", "OFF,100", SCOPE_SET_OTHER);
	is_set("norm", "NORM", SCOPE_SET_SAME);
	is_set("EDGE,SR,C2", "EDGE,SR,C2,HT,OFF", SCOPE_SET_SAME);
	is_set("EDGE,SR,C2,HT,OFF", "EDGE,SR,C2", SCOPE_SET_OTHER);
	is_set("C2,OFF", "C1,ON,C2,OFF,C3,ON", SCOPE_SET_SAME);
	is_set("C2,OFF", "C1,OFF,C2,ON", SCOPE_SET_OTHER);
	is_set("C2,O", "C1,OFF,C2,ON", SCOPE_SET_OTHER);
	is_set("NEG", "POS", SCOPE_SET_OTHER);
	is_set("nan", "inf", SCOPE_SET_OTHER);
	is_set("", "", SCOPE_SET_SAME);
	is_set("1", "", SCOPE_SET_OTHER);
	is_str(scope_without_header("TDIV 1E-7 S", "TDIV"), "1E-7 S", "a header in front");
	is_str(scope_without_header("C2:VDIV 0.1 V", "C2:VDIV"), "0.1 V", "of a channel");
	is_str(scope_without_header("1E-7", "TDIV"), "1E-7", "none");
}

static void test_traces(void)
{
	struct scope_trace t[SCOPE_TRACES];

	is_int(scope_traces("1,2", t), 2, "1,2");
	is_str(t[1].name, "C2", "is C1 and C2");
	is_int(scope_traces("c3,M1,f2,ta", t), 4, "other traces");
	is_str(t[0].name, "C3", "C3");
	is_str(t[3].name, "TA", "TA");
	is_int(scope_traces("1,2,3,4,5,6,7,8", t), 8, "eight");
	is_int(scope_traces("1,2,3,4,5,6,7,8,M1", t), -1, "nine are too many");
	is_int(scope_traces("", t), -1, "nothing");
	is_int(scope_traces("1,", t), -1, "nothing behind the comma");
	is_int(scope_traces("0", t), -1, "no channel 0");
	is_int(scope_traces("9", t), -1, "nor 9");
	is_int(scope_traces("1,C1", t), -1, "one twice");
	is_int(scope_traces("TE", t), -1, "no trace E");
	is_int(scope_traces("C1:WF?;*RST", t), -1, "no commands");
}

int main(void)
{
	test_compare();
	test_traces();
	return done_testing();
}
