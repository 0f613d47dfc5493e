/*
 * build.h - the event builder: records of many sources into one event per time slot
 *
 * The rules (evbuild(1), POLICY):
 * - A record joins the open event whose clock is nearest and within the window, if its source is
 *   not there yet; else it opens an event. An event's clock is that of the record that opened it.
 * - Events leave in the order of their clocks: as soon as the first one is complete, or when it
 *   has been open for the hold time by the arrival stamps, or when too many are open.
 * - A record older than the last event that left is late: counted, not stored.
 * - The same source and time again is a duplicate: the first is kept, contents are compared.
 * - A source whose clock jumps out of line is set aside until its next datagram tells whether it
 *   was a stray (counted) or the clock restarted: then everything open leaves, and a new segment
 *   begins with what was set aside. Nothing of it is lost.
 * - The only clock is the arrival stamps. build_time() with a later stamp never changes which
 *   events come out, only when.
 */
#ifndef FYKE_BUILD_H
#define FYKE_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "card.h"
#include "pkt.h"

struct build_options {
	int64_t window, hold; /* ns */
	uint32_t run;
	uint32_t open_max;       /* events open at once; 0: from 64 MiB */
	const uint8_t *expected; /* nsrc flags: sources that make an event complete; NULL: all that
	                          * the card counts */
};

/* Records, but for the last group. in = out + held + the losses (DESIGN accounting). A datagram
 * that is no whole number of records, or empty, counts as one record. */
struct build_count {
	uint64_t in, out, held;
	uint64_t late, duplicate, conflict, stray, unknown, malformed, empty;
	uint64_t events, complete, incomplete, overflow; /* events that left */
	uint64_t gaps, missing; /* sequence jumps, and numbers missing in them */
	uint64_t reordered;     /* came after a later one of the same source, still in time */
	uint64_t restarts;      /* segments begun after the first */
	uint64_t dropped;       /* sum of the packets' drop counts */
};

struct build;

/* An event that leaves: the body of evt.h at body, size bytes; time is its first arrival, dropped
 * the drop counts since the event before. Returns 0, or -1 (errno) to stop the builder. */
typedef int build_emit(void *ctx, const uint8_t *body, size_t size, int64_t time, uint64_t dropped);

/* Something worth a line, said once per source or cause: text is escaped. */
typedef void build_say(void *ctx, const char *text);

struct build *build_new(const struct card *c, const struct build_options *o, build_emit *emit,
    build_say *say, void *ctx);

/* A datagram. 0, or -1 with errno when emit() failed. */
int build_add(struct build *b, const struct pkt *p);

/* The stream's clock has reached now (a heartbeat, or idle time): what is past its hold leaves. */
int build_time(struct build *b, int64_t now);

/* When the first open event will be past its hold, TIM_NONE when nothing is open. */
int64_t build_due(const struct build *b);

/* Everything leaves (end of input, SIGTERM). */
int build_flush(struct build *b);

const struct build_count *build_count(const struct build *b);
uint64_t build_source_records(const struct build *b, unsigned source); /* stored, per source */
void build_free(struct build *b);

#endif
