/*
 * tim.h - time: int64 nanoseconds of UTC since 1970 (POSIX seconds), and nothing else
 *
 * The only place that knows calendars, minutes of the day, MJD or leap seconds. No local time.
 * Valid from 1678 to 2262.
 */
#ifndef FYKE_TIM_H
#define FYKE_TIM_H

#include <stddef.h>
#include <stdint.h>

#define TIM_US  INT64_C(1000)
#define TIM_MS  INT64_C(1000000)
#define TIM_S   INT64_C(1000000000)
#define TIM_MIN (60 * TIM_S)
#define TIM_H   (3600 * TIM_S)
#define TIM_DAY (86400 * TIM_S)

#define TIM_NONE INT64_MIN /* no time known */
#define TIM_TEXT 40        /* a buffer for every text below */

int64_t tim_now(void);    /* UTC now */
int64_t tim_mono(void);   /* a clock that nobody sets, for waits and rates */
int64_t tim_coarse(void); /* the same to some milliseconds: a fifth of the time, for hot loops */

/* Sleeps until tim_mono() reaches the moment; returns early (-1, EINTR) after a signal. */
int tim_sleep_until(int64_t mono);

struct tim_parts {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
	int32_t ns;
};
struct tim_parts tim_split(int64_t t);
int64_t tim_join(int year, int month, int day, int hour, int minute, int second, int32_t ns);

/* RFC 3339 in UTC with `digits` (0 to 9) decimals: 2026-11-20T07:23:53.125Z. Returns buf. */
char *tim_text(int64_t t, int digits, char buf[TIM_TEXT]);

/* 20261120T072353Z, for file names: sorts as text, no colon. */
char *tim_name(int64_t t, char buf[TIM_TEXT]);

/* Reads 2026-11-20T07:23:53[.fraction]Z (or a space for T); 0, or -1 with EINVAL. */
int tim_parse(const char *s, int64_t *t);

/* A length of time: 250ms, 1.5s, 10m, 23h59m, 100us, 20ns, 2d; a bare number is seconds.
 * Never negative. 0, or -1 with EINVAL (not a duration) or ERANGE (over 292 years). */
int tim_duration(const char *s, int64_t *ns);

/* 51ms, 1.5s, 2h: the shortest text that tim_duration() reads back. Returns buf. */
char *tim_span(int64_t ns, char buf[TIM_TEXT]);

/* UTC of a TAI reading (ns since 1970-01-01 00:00:00 TAI), by the leap seconds of 1999 to 2017:
 * 37 s since then. During a leap second the last second of the day comes twice. */
int64_t tim_from_tai(int64_t tai);

/* The next instant (after now) at which a UTC clock shows HH:MMZ or HH:MM:SSZ. */
int tim_until(const char *s, int64_t now, int64_t *t);

#endif
