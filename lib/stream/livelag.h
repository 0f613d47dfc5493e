/*
 * livelag.h - how late live data are, for streams that have no heartbeats (tcpdump's)
 *
 * Where nothing comes, and nothing in the stream tells the time, the wall clock must say when an
 * event has waited long enough. It may do so only where the stamps are those of the wall clock:
 * the first stamp after each wait is compared with it. A recording through a pipe has old stamps,
 * and then nothing is left to the clock.
 */
#ifndef FYKE_LIVELAG_H
#define FYKE_LIVELAG_H

#include "base/tim.h"

#define LIVELAG_MOST  (10 * TIM_S) /* stamps that are older when they come are no live stream's */
#define LIVELAG_GRACE TIM_S        /* live data may be on their way for so long */

/* The oldest that a stamp was when it came; TIM_NONE: not live. Begins as TIM_NONE. */
typedef int64_t livelag;

/* Notes a stamp that came after a wait. */
static inline void livelag_note(livelag *lag, int64_t stamp)
{
	int64_t late = tim_now() - stamp;

	if (late < -LIVELAG_GRACE || late > LIVELAG_MOST)
		*lag = TIM_NONE;
	else if (late > *lag)
		*lag = late;
}

/* How long until what was stamped before `due` must have come: 0 or less: it is over. INT64_MAX:
 * that cannot be told. */
static inline int64_t livelag_left(livelag lag, int64_t due)
{
	return lag == TIM_NONE ? INT64_MAX : due + lag + LIVELAG_GRACE - tim_now();
}

#endif
