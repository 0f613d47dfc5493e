/*
 * rowclock.h - which seconds of UTC have passed, each once and in order: the rows that are due
 *
 * A second is due when it is over. A program that was stopped gets the seconds that it missed; a
 * leap second is one of its own, also where it passed meanwhile. A clock that is set back makes
 * seconds due again, which is for the writer to see (encfile.h); one that is set forward by more
 * than `fill` makes a hole.
 */
#ifndef FYKE_ROWCLOCK_H
#define FYKE_ROWCLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A second as in hk_row: 23:59:60 has the time of the midnight after it. */
struct row_second {
	int64_t time; /* UTC ns */
	bool leap;
};

/* A number that grows with the seconds. */
static inline int64_t row_order(struct row_second s)
{
	return s.time / INT64_C(500000000) + !s.leap;
}

enum rowclock_leap {
	ROWCLOCK_NO_LEAP,
	ROWCLOCK_INSERT, /* one will be inserted at the end of the day */
	ROWCLOCK_IN_IT,  /* it is now; the clock shows 23:59:59 once more */
	ROWCLOCK_AFTER
};

struct rowclock_now {
	int64_t utc;
	enum rowclock_leap leap;
};

/* The system's clock, and what its kernel knows of leap seconds (adjtimex(2)). */
struct rowclock_now rowclock_read(void);

struct rowclock {
	int64_t fill;           /* ns */
	struct row_second next; /* the row after those that were due */
	int64_t midnight;       /* a second is inserted before it; 0: none is known */
};

/* last is the last row that there is already; NULL: none. What was missed since then is due,
 * unless it is more than fill. */
void rowclock_start(struct rowclock *c, int64_t fill, const struct rowclock_now *now,
    const struct row_second *last);

/* Looks at the clock. ROWCLOCK_BACK: it was set back by *seconds; they are due again.
 * ROWCLOCK_HOLE: there are *seconds from *from on that will not be due. Steps back of less than 2 s
 * need no word: no second is due until the clock has come to it again. */
enum rowclock_news { ROWCLOCK_NO_NEWS, ROWCLOCK_BACK, ROWCLOCK_HOLE };
enum rowclock_news rowclock_turn(
    struct rowclock *c, const struct rowclock_now *now, int64_t *seconds, int64_t *from);

/* The next second that is over. False: none is. */
bool rowclock_due(struct rowclock *c, const struct rowclock_now *now, struct row_second *s);

#endif
