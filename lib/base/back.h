/*
 * back.h - when to try again: a wait that doubles with each failure
 *
 *	struct back b = BACK_INIT;
 *	if (now >= b.due && connect() < 0)
 *		back_fail(&b, now);	-> b.due is 0.1 s later, then 0.2 s, ... 30 s
 *	else
 *		back_ok(&b);
 *
 * now is tim_mono().
 */
#ifndef FYKE_BACK_H
#define FYKE_BACK_H

#include <stdint.h>

#include "tim.h"

#define BACK_FIRST (100 * TIM_MS)
#define BACK_MOST  (30 * TIM_S)
#define BACK_INIT                                                                                  \
	{                                                                                          \
		.wait = 0, .due = 0                                                                \
	}

struct back {
	int64_t wait; /* after the last failure; 0: none since the last success */
	int64_t due;  /* do not try before */
};

static inline void back_ok(struct back *b)
{
	b->wait = b->due = 0;
}

/* Returns the wait. */
static inline int64_t back_fail(struct back *b, int64_t now)
{
	b->wait = b->wait == 0 ? BACK_FIRST : b->wait * 2 > BACK_MOST ? BACK_MOST : b->wait * 2;
	b->due = now + b->wait;
	return b->wait;
}

/* What is to be sent cannot wait so long as that: most ns after the failure. */
static inline void back_hurry(struct back *b, int64_t most)
{
	if (b->wait <= most)
		return;
	b->due -= b->wait - most;
	b->wait = most;
}

#endif
