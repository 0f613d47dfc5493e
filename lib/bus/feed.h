/*
 * feed.h - sends what waits in a spool to a time-series database, batch by batch, until it is there
 *
 * A batch is FEED_LINES lines, or what came within a second. A batch that the server refuses is
 * split until the refused lines are alone: the good ones are stored, each bad one is counted and
 * told with the server's reason. Sending a line twice is harmless, because every line carries its
 * time. No answer, 429 and 5xx: wait (0.1 s doubling to 30 s, or what the server asks for) and send
 * the same again. 401, 403 and 404 stop the feed until feed_resume().
 *
 * Batches go in the order of the spool. While all is well a second one is under way beside the
 * first, where its times are all later: then it is no matter which of the two the server stores
 * first. The spool hears of each batch in order, when those before it are done with.
 */
#ifndef FYKE_FEED_H
#define FYKE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "influx.h"
#include "spool.h"

#define FEED_LINES 5000
#define FEED_DELAY INT64_C(1000000000) /* ns that a line waits for company */

struct feed;

/* What the feed wants to say. lines is 0 for what is no refusal. */
enum feed_event {
	FEED_REFUSED,  /* this line was refused by the server */
	FEED_DAMAGED,  /* this line, left by an earlier run, is no line protocol (any more) */
	FEED_TROUBLE,  /* the server is not there, or busy: trying again */
	FEED_RECOVERED /* after trouble */
};
typedef void feed_tell(
    void *ctx, enum feed_event event, const char *why, const char *line, size_t n);

/* bytes: what is taken out of the spool at once, and the largest batch. NULL: no memory. The influx
 * and the spool stay the caller's; free the feed before them. */
struct feed *feed_new(struct influx *x, struct spool *s, size_t bytes, feed_tell *tell, void *ctx);
void feed_free(struct feed *f);

/* Moves on: judges an answer, sends the next piece when it is time. flush: do not wait for company.
 * Call when influx_wait() returned. -1 with errno when the spool cannot be read. */
int feed_step(struct feed *f, bool flush);

/* tim_mono() at which feed_step() has something to do, whatever arrives; INT64_MAX: nothing. */
int64_t feed_wake(const struct feed *f, bool flush);

struct feed_state {
	uint64_t stored, refused, damaged; /* lines; a line left waiting is in the spool's state */
	uint64_t handled; /* of these, lines that the spool does not know about yet */
	uint64_t requests, retries;
	bool busy;    /* a request is under way */
	bool trouble; /* the last request had no good answer */
	bool denied;  /* the last answer was 401, 403 or 404: see why */
	bool stopped; /* for that reason, until feed_resume() */
	const char *why;
	int64_t trouble_since; /* tim_mono() */
};
const struct feed_state *feed_state(const struct feed *f);

/* Tries again after a stop, later. */
void feed_resume(struct feed *f);

#endif
