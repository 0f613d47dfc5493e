/* rowclock.c - which seconds of UTC have passed, each once and in order */
#include "sky/rowclock.h"

#include <string.h>
#include <sys/timex.h>

#include "base/tim.h"

#define BACK_LEAST 2 /* s that the next row is ahead of the clock: one is usual */

static enum rowclock_leap leap_state(void)
{
	struct timex t;

	memset(&t, 0, sizeof t);
	switch (adjtimex(&t)) {
	case TIME_INS:
		return ROWCLOCK_INSERT;
	case TIME_OOP:
		return ROWCLOCK_IN_IT;
	case TIME_WAIT:
		return ROWCLOCK_AFTER;
	default:
		return ROWCLOCK_NO_LEAP;
	}
}

/* The state and the time of one moment: between two equal states. */
struct rowclock_now rowclock_read(void)
{
	struct rowclock_now now;

	do {
		now.leap = leap_state();
		now.utc = tim_now();
	} while (now.leap != leap_state());
	return now;
}

static struct row_second second_of(const struct rowclock_now *now)
{
	int64_t time = now->utc - now->utc % TIM_S;
	bool leap = now->leap == ROWCLOCK_IN_IT;

	return (struct row_second){time + (leap ? TIM_S : 0), leap};
}

static struct row_second after(const struct rowclock *c, struct row_second s)
{
	if (s.leap)
		return (struct row_second){s.time, false};
	s.time += TIM_S;
	s.leap = s.time == c->midnight;
	return s;
}

static void learn_leap(struct rowclock *c, const struct rowclock_now *now)
{
	int64_t midnight = now->utc - now->utc % TIM_DAY + TIM_DAY;

	/* An announcement is for the end of this day; rows that are still due may wait for the last. */
	if (now->leap == ROWCLOCK_IN_IT ||
	    (now->leap == ROWCLOCK_INSERT && c->next.time >= c->midnight))
		c->midnight = midnight;
	else if (now->leap == ROWCLOCK_NO_LEAP)
		c->midnight = 0;
}

void rowclock_start(
    struct rowclock *c, int64_t fill, const struct rowclock_now *now, const struct row_second *last)
{
	struct row_second this = second_of(now);

	*c = (struct rowclock){.fill = fill, .next = this};
	learn_leap(c, now);
	bool goes_on = last && row_order(*last) < row_order(this) && this.time - last->time <= fill;
	c->next = after(c, goes_on ? *last : this);
}

enum rowclock_news rowclock_turn(
    struct rowclock *c, const struct rowclock_now *now, int64_t *seconds, int64_t *from)
{
	struct row_second this = second_of(now);

	learn_leap(c, now);
	*from = c->next.time;
	*seconds = (this.time - c->next.time) / TIM_S;
	if (*seconds > c->fill / TIM_S) {
		c->next = this;
		return ROWCLOCK_HOLE;
	}
	*seconds = -*seconds;
	if (*seconds < BACK_LEAST)
		return ROWCLOCK_NO_NEWS;
	c->next = this;
	return ROWCLOCK_BACK;
}

bool rowclock_due(struct rowclock *c, const struct rowclock_now *now, struct row_second *s)
{
	if (row_order(c->next) >= row_order(second_of(now)))
		return false;
	*s = c->next;
	c->next = after(c, c->next);
	return true;
}
