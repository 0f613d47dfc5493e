/*
 * buildin.h - the inside of the event builder, shared by its three files
 *
 * build.c  open events: where a record goes, when an event leaves
 * line.c   device clocks: unwrapping, and which line of time a source keeps to
 * sender.c who sends: source numbers, strangers, datagrams that are no records
 */
#ifndef FYKE_BUILDIN_H
#define FYKE_BUILDIN_H

#include "build.h"

#include "base/tim.h"
#include "evt.h"

#define ARENA_BYTES   (64 << 20)  /* events open at once, unless open_max says */
#define ASIDE_BYTES   (16 << 20)  /* records set aside, all sources together */
#define GONE_BYTES    (128 << 10) /* events kept a little after they left, to know duplicates */
#define GONE_MAX      64
#define OPEN_MAX      65536
#define WAIT_EVENTS   64
#define STRANGERS_MAX 64
#define RESTARTS_SAID 8
#define EVIDENCE      16    /* datagrams in a row that are no late ones, though their numbers fit */
#define ALONE         4     /* ... with numbers that do not fit, when no other source does it */
#define STEP_BACK     TIM_S /* arrival stamps may be out of order by this much */
#define STEP_LIMIT    (10 * TIM_MIN) /* the longest pause between two records that is normal */
#define AGREE         (10 * TIM_S)   /* clocks of sources that were restarted together */
#define BEYOND        TIM_S          /* what comes late may be newer than all before by this much */
#define HOLES         16             /* gaps of a source that are open at once */
#define SEQ_FAR       (1 << 20)      /* sequence numbers further apart say nothing about time */
#define NO_TIME       INT64_MIN

/* An event that is open, or has just left: a line of the cache, then the body that evt.h
 * describes, then the mask of the slots that may hold something else than zeros. */
struct event {
	int64_t opened, last; /* stream time of its first and of its latest record */
	int64_t time;         /* arrival stamp of its first record */
	uint64_t serial;      /* which opening of this memory it is */
	uint32_t flags;
	uint32_t nrec;
	uint32_t holes; /* sequence gaps just before it that may still be filled */
	bool first;     /* nothing tells what came before it */
	uint8_t body[] __attribute__((aligned(64)));
};
static_assert(sizeof(struct event) == 64, "one line of the cache");

/* Open events in the order of their clocks, in a ring: apart from the events, for searching. */
struct open {
	int64_t clock;
	struct event *ev;
};

/* A record set aside. */
struct aside {
	int64_t raw, time;  /* its device clock, as sent and as unwrapped in the old line */
	int64_t now, stamp; /* arrival: stream time and as stamped */
	uint64_t datagram;
};

struct shelf { /* what a source has set aside: a ring of records */
	unsigned first, n;
	unsigned datagrams; /* that went on in the new line, one after the other */
	bool fits;          /* all of them fit the old line by their sequence numbers */
	bool even;          /* they are no further apart than the source's records were */
	bool noted;         /* it was said that the source was restarted alone */
	bool back;          /* the first one lies before what the source had sent in the old line */
	uint8_t *bytes;
	struct aside at[];
};

/* A gap in a source's sequence numbers that may still be filled. */
struct hole {
	struct event *ev; /* the event after it */
	uint64_t serial;  /* ... was this opening of its memory */
	uint64_t hi;      /* the number after it */
	int64_t missing;  /* numbers before hi, */
	uint64_t left;    /* and how many of them have not come */
};

struct source {
	int64_t newest;   /* time of its latest record in this segment, NO_TIME before the first */
	int64_t step;     /* between its last two records in order, 0: not known */
	uint64_t hint;    /* index of the open event after the one that it went into last */
	uint64_t seen;    /* number of the datagram that brought its last record */
	uint64_t seq;     /* of the record that was sent last, */
	int64_t seq_time; /* and its time */
	struct shelf *shelf;
	uint64_t records, lost;
	bool said_stray, said_runt, said_empty;
	unsigned nholes;
	struct hole hole[HOLES]; /* its last ones */
};

/* The record in hand. */
struct record {
	unsigned s; /* its source, */
	struct source *src;
	const uint8_t *bytes;
	int64_t raw, time; /* device clock, as sent and unwrapped */
	uint64_t seq;
	int64_t now, stamp; /* arrival: stream time and as stamped */
	uint64_t datagram;
};

struct build {
	const struct card *card;
	struct build_options o;
	build_emit *emit;
	build_say *say;
	void *ctx;
	struct build_count n;

	unsigned nsrc, nexpected, words;
	size_t record, header, size; /* of a slot, of an event's header and body */
	uint64_t wrap;
	int64_t reach; /* hold + window: how far off a time may be and still be in line */
	int64_t agree;
	bool sequence;
	unsigned seq_shift;
	bool big64; /* the clock is a big-endian u64 of nanoseconds, at clock_at */
	uint32_t clock_at;
	struct source *src;

	struct open *ring;
	uint64_t ring_mask, head, tail;
	struct event **spare;
	size_t nspare, spare_max;
	struct event **gone; /* ring of those that left last */
	uint64_t gone_max, ngone;
	int64_t gone_clock[GONE_MAX];
	uint64_t serial, number;

	bool begun;                   /* the segment has a record */
	bool mark_segment;            /* the next event to leave is the first of a segment */
	bool any_left;                /* an event of this segment has left: */
	int64_t left_clock;           /* its clock */
	int64_t left_last;            /* latest arrival of a record in those that left */
	int64_t start, start_now;     /* time and arrival of the segment's first record */
	int64_t front, front_now;     /* the newest event's clock, and its arrival */
	int64_t before_lo, before_hi; /* the range of the segment before */

	bool ticking;
	int64_t now, rebase; /* stream time; stamp + rebase = stream time */
	uint64_t datagrams, dropped;
	unsigned nshelves, shelf_room;
	struct shelf **feed;
	bool feeding;

	unsigned guess; /* place of the last sender in o.address */
	unsigned nstrangers;
	struct pkt_addr stranger[STRANGERS_MAX];
	bool said_late, said_overflow;
};

/* Sums and differences that do not overflow. */

static inline int64_t add(int64_t a, int64_t b)
{
	int64_t v;
	return !__builtin_add_overflow(a, b, &v) ? v : b > 0 ? INT64_MAX : INT64_MIN + 1;
}

static inline int64_t sub(int64_t a, int64_t b)
{
	int64_t v;
	return !__builtin_sub_overflow(a, b, &v) ? v : b < 0 ? INT64_MAX : INT64_MIN + 1;
}

static inline int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t distance(int64_t a, int64_t b)
{
	return a > b ? sub(a, b) : sub(b, a);
}

/* For messages. */
static inline double seconds(int64_t t)
{
	return (double)t / (double)TIM_S;
}

static inline int64_t clock_of(const struct build *b, uint64_t i)
{
	return b->ring[i & b->ring_mask].clock;
}

static inline u64le *mask(const struct event *ev)
{
	return (u64le *)(ev->body + sizeof(struct evt_head));
}

static inline i32le *offsets(const struct build *b, const struct event *ev)
{
	return (i32le *)(mask(ev) + b->words);
}

static inline uint8_t *slot(const struct build *b, const struct event *ev, unsigned s)
{
	return (uint8_t *)ev->body + b->header + s * b->record;
}

static inline u64le *written(const struct build *b, const struct event *ev)
{
	return (u64le *)(ev->body + b->size);
}

static inline bool present(const struct event *ev, unsigned s)
{
	return wire_get(mask(ev)[s / 64]) >> (s % 64) & 1;
}

/* build.c */

void build_sayf(struct build *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Everything open leaves, and the builder forgets its sources' clocks: a segment has ended. */
int build_end_segment(struct build *b);
/* A record comes again; old is what came first, ev the event that holds it, while it is open. */
void build_lose_again(
    struct build *b, const struct record *r, const uint8_t *old, struct event *ev);
void build_lose_late(struct build *b, unsigned s, int64_t t);
void build_lose(struct build *b, unsigned s, uint64_t *counter);
/* A record of a known source, with its bytes and its arrival. 0, or -1 with errno. */
int build_put(struct build *b, struct record *r);

/* line.c */

int64_t line_predict(const struct build *b, int64_t now); /* the newest clock to be expected now */
int64_t line_seq_diff(const struct build *b, uint64_t x, uint64_t y);
int64_t line_unwrap(const struct build *b, const struct record *r);
/* Whether the sequence number explains the record's time. */
bool line_explained(const struct build *b, const struct record *r);
bool line_sequence_restarted(const struct build *b, const struct record *r);
/* Whether the segment before spoke of this time at its end, or would have gone on there: a record
 * of then that comes late looks so, also when its number fits the present segment. */
bool line_of_before(const struct build *b, int64_t t);
/* A record that is out of line. 0, or -1 with errno. */
int line_set_aside(struct build *b, const struct record *r);
/* The source is back in line: what it had set aside were strays, or came late. */
void line_dissolve(struct build *b, unsigned s);
/* A record of the source came late: what it has set aside may be late too. */
void line_doubt(struct build *b, unsigned s);
int line_end(struct build *b); /* decides on what is still set aside */
void line_free_shelf(struct shelf *f);

/* sender.c */

enum { SENDER_UNKNOWN = -1, SENDER_LEFT_OUT = -2 };
int sender_source(struct build *b, const struct pkt *p, const uint8_t *rec); /* or one of these */
void sender_unknown(struct build *b, const struct pkt *p);
void sender_report(struct build *b); /* says which of the expected never sent */
void sender_refuse(struct build *b, const struct pkt *p); /* no whole number of records */

#endif
