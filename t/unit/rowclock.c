/* rowclock.c - which seconds are due: stops, steps, leap seconds */
#include "sky/rowclock.h"

#include <stdlib.h>

#include "base/tim.h"
#include "tap.h"

static struct rowclock c;
static struct rowclock_now now;

/* All rows that are due, as "34 35" (60: a leap second). */
static const char *due(void)
{
	static char text[256];
	struct row_second s;
	size_t n = 0;

	text[0] = '\0';
	while (rowclock_due(&c, &now, &s) && n < sizeof text - 16)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%02d", n ? " " : "",
		    s.leap ? 60 : tim_split(s.time).second);
	return text;
}

static enum rowclock_news turn(int64_t *seconds)
{
	int64_t from;

	return rowclock_turn(&c, &now, seconds, &from);
}

static void begin(int64_t at, const struct row_second *last)
{
	now = (struct rowclock_now){.utc = at};
	rowclock_start(&c, 10 * TIM_MIN, &now, last);
}

static void test_running(int64_t t)
{
	int64_t seconds;

	begin(t + 300 * TIM_MS, NULL);
	is_str(due(), "", "the second of the start is not whole: no row");
	now.utc = t + 1999 * TIM_MS;
	is_str(due(), "", "the next one is not over yet");
	now.utc = t + 2 * TIM_S;
	is_str(due(), "35", "now it is");
	is_str(due(), "", "once");
	now.utc = t + 7 * TIM_S + 1;
	is_int(turn(&seconds), ROWCLOCK_NO_NEWS, "standing still for five seconds is no step");
	is_str(due(), "36 37 38 39 40", "and these are due");
	now.utc = t + 6500 * TIM_MS;
	is_int(turn(&seconds), ROWCLOCK_NO_NEWS, "half a second back is no word worth");
	is_str(due(), "", "nor a row");
	now.utc = t + 8 * TIM_S;
	is_str(due(), "41", "they go on where they were");
	now.utc = t + 3 * TIM_S;
	is_int(turn(&seconds), ROWCLOCK_BACK, "five seconds back are told");
	is_int(seconds, 5, "with their number");
	now.utc = t + 5 * TIM_S;
	is_str(due(), "37 38", "these seconds come again: the file knows them");
	now.utc = t + 5 * TIM_S + 600 * TIM_S;
	is_int(turn(&seconds), ROWCLOCK_NO_NEWS, "ten minutes ahead are filled");
	now.utc = t + 5 * TIM_S + 601 * TIM_S;
	is_int(turn(&seconds), ROWCLOCK_HOLE, "more are not");
	is_int(seconds, 601, "and told");
	is_str(due(), "", "the row of now is not over");
	now.utc += TIM_S;
	is_str(due(), "40", "and comes then");
}

static void test_restart(int64_t t)
{
	struct row_second last = {t - 5 * TIM_S, false};

	begin(t + 300 * TIM_MS, &last);
	is_str(due(), "30 31 32 33", "a restart writes what was missed since the last row");
	now.utc += TIM_S;
	is_str(due(), "34", "and the second of the restart");
	last.time = t - 3600 * TIM_S;
	begin(t + 300 * TIM_MS, &last);
	is_str(due(), "", "but not after an hour");
	last.time = t + 60 * TIM_S;
	begin(t + 300 * TIM_MS, &last);
	now.utc += 2 * TIM_S;
	is_str(due(), "35", "a last row that lies ahead is for the file to see");
}

/* The kernel's clock around 2016-12-31T23:59:60 (adjtimex(2)): 59 with TIME_INS, 59 with TIME_OOP,
 * 00 with TIME_WAIT. */
static void test_leap(void)
{
	int64_t midnight = tim_join(2017, 1, 1, 0, 0, 0, 0), seconds;
	struct row_second a = {midnight - TIM_S, false}, b = {midnight, true},
			  d = {midnight, false};

	ok(row_order(a) < row_order(b) && row_order(b) < row_order(d), "23:59:60 has its place");
	now = (struct rowclock_now){midnight - 2500 * TIM_MS, ROWCLOCK_INSERT};
	rowclock_start(&c, 10 * TIM_MIN, &now, NULL);
	now.utc = midnight - 500 * TIM_MS;
	(void)turn(&seconds);
	is_str(due(), "58", "before");
	now.leap = ROWCLOCK_IN_IT;
	is_int(turn(&seconds), ROWCLOCK_NO_NEWS, "the clock that shows 59 again was not set back");
	is_str(due(), "59", "59 is over");
	now.utc = midnight + 500 * TIM_MS;
	now.leap = ROWCLOCK_AFTER;
	is_int(turn(&seconds), ROWCLOCK_NO_NEWS, "midnight");
	is_str(due(), "60", "60 is over");
	now.utc += TIM_S;
	(void)turn(&seconds);
	is_str(due(), "00", "after");

	now = (struct rowclock_now){midnight - 3500 * TIM_MS, ROWCLOCK_INSERT};
	rowclock_start(&c, 10 * TIM_MIN, &now, NULL);
	now.utc = midnight + 2500 * TIM_MS;
	now.leap = ROWCLOCK_AFTER;
	(void)turn(&seconds);
	is_str(due(), "57 58 59 60 00 01", "one that passed while the program stood still");
	now.utc = midnight + TIM_DAY + 500 * TIM_MS;
	now.leap = ROWCLOCK_NO_LEAP;
	(void)turn(&seconds);
	now.utc += TIM_DAY;
	rowclock_start(&c, 10 * TIM_MIN, &now, NULL);
	is_str(due(), "", "no other midnight has one");
	is_int(c.midnight, 0, "when the kernel knows of none");
}

int main(void)
{
	int64_t t = tim_join(2026, 11, 20, 8, 12, 34, 0);

	test_running(t);
	test_restart(t);
	test_leap();
	return done_testing();
}
