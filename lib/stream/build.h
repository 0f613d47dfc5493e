/*
 * build.h - the event builder: records of many sources into one event per time slot
 *
 * The rules (POLICY in evbuild(1)):
 * 1 A record joins the open event whose clock is nearest to its own time, within the window, if
 *   that source is not in it yet; else the neighbour on the other side; else it opens an event,
 *   whose clock is its time.
 * 2 The same source and time again is a duplicate, or a conflict when the bytes differ. The first
 *   one is kept, also when its event has just left.
 * 3 Events leave in the order of their clocks: the first one as soon as it is complete, or the
 *   hold time after its first record (or after the last record of an event before it), or when
 *   too many are open, or at the end. Where sequence numbers show that something is missing just
 *   before a complete event, it waits too, but never for more than 64 younger ones.
 * 4 A record that is not after the last event that left is late: counted, not stored.
 * 5 A clock that wraps is unwrapped by the sequence number where that explains it, else by the
 *   arrival stamps.
 * 6 A record whose time is out of line (far behind what has left, or ahead by more than hold +
 *   window and not explained by its arrival) is set aside until the same source's next ones tell:
 *   back in line, and it was late or a stray; going on in the new line while the others keep to the
 *   old one, and it was restarted alone: strays; and when more sources go on in the new line than
 *   still keep to the old one, the clock was restarted: everything open leaves, a new segment
 *   begins, and what was set aside comes first in it. Nothing of it is lost. Where sequence numbers
 *   fit the old line, or the new one is where the segment before ended, the records may be late:
 *   then it takes sixteen datagrams in a row, or, at the end of the segment before, all sources, of
 *   which three in four go on there without a gap.
 * 7 The only clock is the arrival stamps. A stamp that steps back by more than a second moves the
 *   stream's clock on, not back.
 */
#ifndef FYKE_BUILD_H
#define FYKE_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tally.h"
#include "card.h"
#include "pkt.h"

struct build_options {
	int64_t window, hold; /* ns; the window fits an event's offsets: at most 2 s */
	uint32_t run;
	uint32_t open_max;  /* events open at once; 0: from 64 MiB */
	uint32_t aside_max; /* records of a source set aside at once; 0: from 16 MiB for all */
	/* nsrc flags: sources that make an event complete, others are left out; NULL: all of them. */
	const uint8_t *expected;
	/* Senders that are sources 0, 1, ... whatever the card says; naddress 0: the card's rule. */
	const struct pkt_addr *address;
	unsigned naddress;
};

/* Records, but for the last group. in = out + held + the losses (DESIGN accounting). A datagram
 * that is no whole number of records, or empty, counts as one record. */
struct build_count {
	uint64_t in, out, held;
	uint64_t late, duplicate, conflict, stray, unknown, malformed, empty;
	uint64_t truncated, fragments;                   /* datagrams that are not all there */
	uint64_t unwritten;                              /* what build_unwritten() was told */
	uint64_t events, complete, incomplete, overflow; /* events that left */
	uint64_t gaps, missing; /* sequence jumps, and numbers still missing in them */
	uint64_t reordered;     /* came after a later one of the same source, still in time */
	uint64_t restarts;      /* segments begun after the first */
	uint64_t alone;         /* sources that were restarted while the others went on */
	uint64_t dropped;       /* sum of the packets' drop counts, or what build_dropped() said */
	/* Not counted as in: other traffic, which is no UDP, and records of sources that are not
	 * among the expected, or of addresses that are not. */
	uint64_t foreign, left_out;
};

struct build;

/* An event that leaves: the body of evt.h at body, size bytes; time is its first arrival, dropped
 * the drop counts since the event before. Returns 0, or -1 (errno) to stop the builder. */
typedef int build_emit(void *ctx, const uint8_t *body, size_t size, int64_t time, uint64_t dropped);

/* Something worth a line, said once per source or cause: printable ASCII. */
typedef void build_say(void *ctx, const char *text);

#define BUILD_WHY 256

/* c, o->expected and o->address must live as long as the builder. NULL with the reason in why:
 * EINVAL for a card or options that cannot be, or ENOMEM. */
struct build *build_new(const struct card *c, const struct build_options *o, build_emit *emit,
    build_say *say, void *ctx, char why[BUILD_WHY]);

/* Run number of the events that leave from now on. */
void build_run(struct build *b, uint32_t run);

/* A datagram. 0, or -1 with errno when emit() failed or there is no memory. */
int build_add(struct build *b, const struct pkt *p);

/* A captured record that pkt_decode() refused: it is counted, and its stamp is time that passes. */
int build_skip(struct build *b, enum pkt_verdict why, int64_t time, uint64_t dropped);

/* The stream's clock has reached now (idle time), and nothing earlier follows:
 * what is past its hold leaves. It never changes which events come out, only when. */
int build_time(struct build *b, int64_t now);

/* The same of a heartbeat, which is in order: where it goes back by more than a second, the
 * receiver's clock was set back. */
int build_beat(struct build *b, int64_t now);

/* The stamp at which the first open event will be past its hold, TIM_NONE when nothing is open. */
int64_t build_due(const struct build *b);

/* First arrival of the oldest thing that is still held, TIM_NONE when nothing is: no event that
 * comes later has an earlier time. */
int64_t build_oldest(const struct build *b);

/* The receiver has lost so many datagrams in all, those after the last packet too. */
void build_dropped(struct build *b, uint64_t all);

/* Everything leaves (end of input, SIGTERM). */
int build_flush(struct build *b);

/* Whether something came in, and nothing of it can be used: why, as a sentence. */
bool build_useless(const struct build *b, char why[BUILD_WHY]);

/* The output failed (NULL: it was never open): counts the events that had left and are not whole in
 * it, and what is still held, as not written. */
struct cap_writer;
void build_unwritten(struct build *b, const struct cap_writer *out);

const struct build_count *build_count(const struct build *b);

/* The losses of n by their names, as they stand in the end mark of an event stream. */
void build_losses(const struct build_count *n, struct tally_item lost[TALLY_MAX]);

void build_tally(const struct build *b, struct tally *t);              /* the same for people */
uint64_t build_source_records(const struct build *b, unsigned source); /* stored, per source */
uint64_t build_source_lost(const struct build *b, unsigned source); /* late, stray, duplicate ... */
void build_free(struct build *b);

#endif
