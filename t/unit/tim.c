/* tim.c - time: dates, durations, names, and the next HH:MM */
#include "base/tim.h"

#include "tap.h"

static void is_span(const char *text, int64_t want)
{
	int64_t ns = -1;
	char back[TIM_TEXT];

	is_int(tim_duration(text, &ns), 0, text);
	is_int(ns, want, "the same in nanoseconds");
	int64_t again = -1;
	ok(tim_duration(tim_span(ns, back), &again) == 0 && again == ns, "and back");
}

int main(void)
{
	char buf[TIM_TEXT];
	int64_t t;
	int bad = 0;

	is_str(tim_text(0, 0, buf), "1970-01-01T00:00:00Z", "the epoch");
	is_str(tim_text(INT64_C(951782400) * TIM_S - 1, 9, buf), "2000-02-28T23:59:59.999999999Z",
	    "the nanosecond before a leap day");
	is_str(tim_text(-1, 3, buf), "1969-12-31T23:59:59.999Z", "before the epoch");
	is_str(tim_name(INT64_C(4102444799) * TIM_S, buf), "20991231T235959Z",
	    "a file name after 2038");
	for (int64_t day = -106000; day < 106000; day++) {
		struct tim_parts p = tim_split(day * TIM_DAY + 5);
		bad += tim_join(p.year, p.month, p.day, 0, 0, 0, 5) != day * TIM_DAY + 5;
	}
	is_int(bad, 0, "every day from 1679 to 2260 splits and joins");
	is_int(tim_parse("2026-11-20T07:23:53.125Z", &t), 0, "RFC 3339");
	is_str(tim_text(t, 3, buf), "2026-11-20T07:23:53.125Z", "and back");
	is_int(tim_parse("2023-02-29T00:00:00Z", &t), -1, "no 29 February in 2023");
	is_int(tim_parse("2026-11-20T07:23:53", &t), -1, "no time without its Z");
	is_int(tim_parse("2016-12-31T23:59:60Z", &t), 0, "a leap second is read");
	is_str(tim_text(t, 0, buf), "2017-01-01T00:00:00Z", "as POSIX has it");

	is_span("250ms", 250 * TIM_MS);
	is_span("1.5s", 1500 * TIM_MS);
	is_span("23h59m", 24 * TIM_H - TIM_MIN);
	is_span("100us", 100 * TIM_US);
	is_span("20ns", 20);
	is_span("3.90625us", 3906);
	is_span("10", 10 * TIM_S);
	is_span("0", 0);
	is_int(tim_duration("5 s", &t), -1, "no space in a duration");
	is_int(tim_duration("-1s", &t), -1, "never negative");
	is_int(tim_duration("59m23h", &t), -1, "large units first");
	is_int(tim_duration("99999999d", &t), -1, "not over 292 years");

	int64_t now = tim_join(2026, 12, 31, 23, 30, 0, 0);
	is_int(tim_until("23:45Z", now, &t), 0, "later today");
	is_int(t - now, 15 * TIM_MIN, "is in a quarter of an hour");
	is_int(tim_until("23:30Z", now, &t), 0, "this very instant");
	is_int(t - now, TIM_DAY, "is tomorrow, next year");
	is_int(tim_until("24:00Z", now, &t), -1, "no 24:00");
	is_int(tim_until("12:00", now, &t), -1, "UTC or nothing");
	return done_testing();
}
