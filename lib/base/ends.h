/*
 * ends.h - when a program that runs for a while ends: --duration and --until
 *
 * --duration counts on a clock that nobody sets, --until waits for a time of day in UTC; the
 * first of the two ends the program. Ask ends_over() once a second or more.
 */
#ifndef FYKE_ENDS_H
#define FYKE_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "tim.h"

struct ends {
	int64_t mono, utc; /* INT64_MAX: never */
};

/* duration 0: none; until NULL: none. 0, or -1 (until is not HH:MMZ or HH:MM:SSZ). */
static inline int ends_set(struct ends *e, int64_t duration, const char *until)
{
	int64_t now = tim_mono();

	e->mono = duration > 0 && duration < INT64_MAX - now ? now + duration : INT64_MAX;
	e->utc = INT64_MAX;
	return until ? tim_until(until, tim_now(), &e->utc) : 0;
}

static inline bool ends_over(const struct ends *e)
{
	return tim_mono() >= e->mono || (e->utc != INT64_MAX && tim_now() >= e->utc);
}

/* The moment on tim_mono() to wake at: wake itself, the end, or a second from now. */
static inline int64_t ends_wake(const struct ends *e, int64_t wake)
{
	int64_t second = tim_mono() + TIM_S;

	if (wake > second)
		wake = second;
	if (e->utc != INT64_MAX && e->utc - tim_now() < wake - tim_mono())
		wake = tim_mono() + (e->utc - tim_now());
	return wake < e->mono ? wake : e->mono;
}

#endif
