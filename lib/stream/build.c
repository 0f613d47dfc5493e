/* build.c - the event builder: records of many sources into one event per time slot */
#include "build.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "evt.h"

#define ARENA_BYTES   (64 << 20)  /* events open at once, unless open_max says */
#define ASIDE_BYTES   (16 << 20)  /* records set aside, all sources together */
#define GONE_BYTES    (128 << 10) /* events kept a little after they left, to know duplicates */
#define GONE_MAX      64
#define OPEN_MAX      65536
#define WAIT_EVENTS   64
#define STRANGERS_MAX 64
#define STEP_BACK     TIM_S          /* arrival stamps may be out of order by this much */
#define STEP_LIMIT    (10 * TIM_MIN) /* the longest pause between two records that is normal */
#define AGREE         (10 * TIM_S)   /* clocks of sources that were restarted together */
#define SEQ_FAR       (1 << 20)      /* sequence numbers further apart say nothing about time */
#define NO_TIME       INT64_MIN

/* An event that is open, or has just left. body is what evt.h describes. */
struct event {
	int64_t opened, last; /* stream time of its first and of its latest record */
	int64_t time;         /* arrival stamp of its first record */
	uint64_t serial;      /* which opening of this memory it is */
	uint32_t flags;
	uint32_t nrec;
	uint32_t holes;        /* sequence gaps just before it that may still be filled */
	bool first;            /* nothing tells what came before it */
	u64le *mask, *written; /* written: slots that may hold something else than zeros */
	i32le *offset;
	uint8_t *slots;
	uint8_t body[] __attribute__((aligned(64)));
};

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
	bool confirmed; /* two datagrams, one after the other in the new line */
	uint8_t *bytes;
	struct aside at[];
};

struct source {
	int64_t newest; /* time of its latest record in this segment, NO_TIME before the first */
	int64_t step;   /* between its last two records in order, 0: not known */
	uint64_t hint;  /* index of the open event after the one that it went into last */
	uint64_t seen;  /* number of the datagram that brought its last record */
	uint64_t seq;   /* of the newest record */
	uint64_t hole_lo, hole_hi, hole_serial; /* its last sequence gap, and the event after it */
	struct event *hole;
	struct shelf *shelf;
	uint64_t records, lost;
	bool said_stray, said_runt, said_empty;
};

/* The record in hand. */
struct record {
	unsigned s; /* its source */
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
	size_t record, size; /* of a slot, of an event's body */
	uint64_t wrap;
	int64_t reach; /* hold + window: how far off a time may be and still be in line */
	int64_t agree;
	bool sequence;
	unsigned seq_shift;
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

/* ---- numbers that cannot overflow ---- */

static int64_t add(int64_t a, int64_t b)
{
	int64_t v;
	return !__builtin_add_overflow(a, b, &v) ? v : b > 0 ? INT64_MAX : INT64_MIN + 1;
}

static int64_t sub(int64_t a, int64_t b)
{
	int64_t v;
	return !__builtin_sub_overflow(a, b, &v) ? v : b < 0 ? INT64_MAX : INT64_MIN + 1;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? sub(a, b) : sub(b, a);
}

/* ---- messages ---- */

static void __attribute__((format(printf, 2, 3))) say(struct build *b, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	b->say(b->ctx, text);
}

/* ---- memory ---- */

static struct event *new_event(struct build *b)
{
	struct event *ev = aligned_alloc(64, (sizeof *ev + b->size + b->words * 8 + 63) / 64 * 64);
	if (!ev)
		return NULL;
	memset(ev->body, 0, b->size + b->words * 8);
	struct evt_head *h = (struct evt_head *)ev->body;
	wire_put(&h->magic, EVT_MAGIC);
	wire_put(&h->version, EVT_VERSION);
	wire_put(&h->header, (uint16_t)evt_header_size(b->nsrc));
	wire_put(&h->nsrc, (uint16_t)b->nsrc);
	ev->mask = (u64le *)(h + 1);
	ev->offset = (i32le *)(ev->mask + b->words);
	ev->slots = ev->body + evt_header_size(b->nsrc);
	ev->written = (u64le *)(ev->body + b->size);
	return ev;
}

/* The one that was used last is the one still in the cache. */
static struct event *take_event(struct build *b)
{
	struct event *ev = b->nspare ? b->spare[--b->nspare] : new_event(b);
	if (!ev)
		return NULL;
	memset(ev->mask, 0, b->words * sizeof *ev->mask);
	for (unsigned s = 0; s < b->nsrc; s++)
		wire_put(&ev->offset[s], EVT_ABSENT);
	ev->serial = ++b->serial;
	ev->flags = ev->nrec = ev->holes = 0;
	ev->first = false;
	return ev;
}

static void free_shelf(struct shelf *f)
{
	if (f)
		free(f->bytes);
	free(f);
}

void build_free(struct build *b)
{
	if (!b)
		return;
	for (uint64_t i = b->head; i < b->tail; i++)
		free(b->ring[i & b->ring_mask].ev);
	for (size_t i = 0; i < b->nspare; i++)
		free(b->spare[i]);
	for (uint64_t i = 0; b->gone && i < b->gone_max && i < b->ngone; i++)
		free(b->gone[i]);
	for (unsigned s = 0; s < b->nsrc; s++) {
		if (b->src)
			free_shelf(b->src[s].shelf);
		if (b->feed)
			free_shelf(b->feed[s]);
	}
	free(b->ring);
	free(b->spare);
	free(b->gone);
	free(b->src);
	free(b->feed);
	free(b);
}

static void forget_sources(struct build *b)
{
	for (unsigned s = 0; s < b->nsrc; s++) {
		struct source *src = &b->src[s];
		src->newest = NO_TIME;
		src->step = 0;
		src->hole = NULL;
	}
}

static int get_memory(struct build *b)
{
	size_t ring = 1;

	while (ring < b->o.open_max + 2)
		ring *= 2;
	b->ring_mask = ring - 1;
	b->spare_max = ring + GONE_MAX;
	b->gone_max = GONE_BYTES / b->size;
	b->gone_max = b->gone_max < 1 ? 1 : b->gone_max > GONE_MAX ? GONE_MAX : b->gone_max;
	b->ring = calloc(ring, sizeof *b->ring);
	b->spare = calloc(b->spare_max, sizeof(struct event *));
	b->gone = calloc(b->gone_max, sizeof(struct event *));
	b->src = calloc(b->nsrc, sizeof *b->src);
	b->feed = calloc(b->nsrc, sizeof(struct shelf *));
	return b->ring && b->spare && b->gone && b->src && b->feed ? 0 : -1;
}

struct build *build_new(const struct card *c, const struct build_options *o, build_emit *emit,
    build_say *say_line, void *ctx)
{
	size_t size = evt_size(c->nsrc, c->record);

	if (size > CAP_DATA_MAX || o->window > INT32_MAX) {
		errno = o->window > INT32_MAX ? EINVAL : EFBIG;
		return NULL;
	}
	struct build *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->card = c;
	b->o = *o;
	b->emit = emit;
	b->say = say_line;
	b->ctx = ctx;
	b->nsrc = c->nsrc;
	b->words = (c->nsrc + 63) / 64;
	b->record = c->record;
	b->size = size;
	for (unsigned s = 0; s < c->nsrc; s++)
		b->nexpected += !o->expected || o->expected[s];
	b->wrap = card_clock_wrap(c);
	if (b->wrap > INT64_MAX / 4)
		b->wrap = 0;
	b->reach = add(o->hold, o->window);
	b->agree = b->wrap ? least(AGREE, (int64_t)(b->wrap / 16)) : AGREE;
	b->sequence = c->seq_field >= 0;
	b->seq_shift = b->sequence ? 64 - c->seq_width : 0;
	/* Two datagrams of a source at least. */
	b->shelf_room = (unsigned)most((int64_t)(ASIDE_BYTES / c->nsrc / c->record),
	    2 * (int64_t)(CARD_RECORD_MAX / c->record));
	if (b->o.open_max == 0)
		b->o.open_max = (uint32_t)least(most((int64_t)(ARENA_BYTES / size), 16), OPEN_MAX);
	if (get_memory(b) < 0) {
		build_free(b);
		errno = ENOMEM;
		return NULL;
	}
	forget_sources(b);
	b->left_last = INT64_MIN;
	return b;
}

void build_run(struct build *b, uint32_t run)
{
	b->o.run = run;
}

/* ---- events leave ---- */

static int64_t clock_of(const struct build *b, uint64_t i)
{
	return b->ring[i & b->ring_mask].clock;
}

static bool present(const struct event *ev, unsigned s)
{
	return wire_get(ev->mask[s / 64]) >> (s % 64) & 1;
}

static uint8_t *slot(const struct build *b, const struct event *ev, unsigned s)
{
	return ev->slots + s * b->record;
}

/* Slots of absent sources that an earlier use of this memory has filled. */
static void zero_absent(struct build *b, struct event *ev)
{
	for (unsigned w = 0; w < b->words; w++) {
		uint64_t old = wire_get(ev->written[w]) & ~wire_get(ev->mask[w]);
		for (; old; old &= old - 1) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(old);
			memset(slot(b, ev, s), 0, b->record);
		}
		ev->written[w] = ev->mask[w];
	}
}

/* Keeps an event that left for a while, to tell duplicates from late records. */
static void keep_gone(struct build *b, struct event *ev, int64_t clock)
{
	uint64_t k = b->ngone++ % b->gone_max;
	if (b->gone[k])
		b->spare[b->nspare++] = b->gone[k];
	b->gone[k] = ev;
	b->gone_clock[k] = clock;
}

/* The first open event leaves; why is one of EVT_HELD, EVT_OVERFLOW, EVT_FLUSHED, 0. */
static int leave(struct build *b, uint32_t why)
{
	struct open first = b->ring[b->head & b->ring_mask];
	struct event *ev = first.ev;
	struct evt_head *h = (struct evt_head *)ev->body;
	uint64_t dropped = b->dropped;

	if (ev->nrec < b->nexpected)
		ev->flags |= EVT_INCOMPLETE | why;
	if (b->mark_segment)
		ev->flags |= EVT_SEGMENT;
	if (dropped)
		ev->flags |= EVT_DROPS;
	if (ev->holes)
		ev->flags |= EVT_GAP;
	wire_put(&h->number, b->number);
	wire_put(&h->run, b->o.run);
	wire_put(&h->flags, ev->flags);
	wire_put(&h->clock, first.clock);
	wire_put(&h->nrec, (uint16_t)ev->nrec);
	zero_absent(b, ev);

	b->head++;
	b->number++;
	b->dropped = 0;
	b->mark_segment = false;
	b->any_left = true;
	b->left_clock = first.clock;
	b->left_last = most(b->left_last, ev->last);
	b->n.events++;
	b->n.complete += ev->nrec == b->nexpected;
	b->n.incomplete += ev->nrec < b->nexpected;
	b->n.overflow += (ev->flags & EVT_OVERFLOW) != 0;
	b->n.held -= ev->nrec;
	b->n.out += ev->nrec;
	keep_gone(b, ev, first.clock);
	return b->emit(b->ctx, ev->body, b->size, ev->time, dropped);
}

/* Whether the event is complete, and nothing older is to be expected. */
static bool ready(const struct build *b, const struct event *ev)
{
	if (ev->nrec < b->nexpected)
		return false;
	return !(ev->holes || ev->first) || b->tail - b->head > WAIT_EVENTS;
}

static int64_t due(const struct build *b, const struct event *ev)
{
	return add(most(ev->opened, b->left_last), b->o.hold);
}

static int release(struct build *b)
{
	while (b->head < b->tail) {
		const struct event *ev = b->ring[b->head & b->ring_mask].ev;
		if (ready(b, ev)) {
			if (leave(b, 0) < 0)
				return -1;
		} else if (b->now >= due(b, ev)) {
			if (leave(b, EVT_HELD) < 0)
				return -1;
		} else {
			break;
		}
	}
	return 0;
}

static int leave_all(struct build *b)
{
	while (b->head < b->tail)
		if (leave(b, EVT_FLUSHED) < 0)
			return -1;
	return 0;
}

/* ---- the stream's clock ---- */

static int64_t tick(struct build *b, int64_t stamp)
{
	stamp = most(least(stamp, INT64_MAX / 4), -INT64_MAX / 4);
	int64_t now = stamp + b->rebase;

	if (!b->ticking || now > b->now) {
		b->now = now;
		b->ticking = true;
	} else if (now < b->now - STEP_BACK) { /* the receiver's clock was set back */
		b->rebase = least(b->rebase + b->now - now, INT64_MAX / 4);
		now = b->now;
	}
	return now;
}

int build_time(struct build *b, int64_t now)
{
	if (add(now, b->rebase) > b->now)
		tick(b, now);
	return release(b);
}

int64_t build_due(const struct build *b)
{
	if (b->head == b->tail)
		return TIM_NONE;
	return sub(due(b, b->ring[b->head & b->ring_mask].ev), b->rebase);
}

/* ---- device clocks ---- */

/* Where the newest record of a stream in line should stand now. */
static int64_t predict(const struct build *b, int64_t now)
{
	return add(b->front, most(sub(now, b->front_now), 0));
}

/* raw plus the whole number of wraps that brings it nearest to t. */
static int64_t nearest(const struct build *b, int64_t raw, int64_t t)
{
	int64_t wrap = (int64_t)b->wrap, off = sub(raw, t) % wrap;
	if (off < -(wrap / 2))
		off += wrap;
	else if (off >= wrap - wrap / 2)
		off -= wrap;
	return add(t, off);
}

/* a - b of two clocks as sent. */
static int64_t clock_diff(const struct build *b, int64_t x, int64_t y)
{
	return b->wrap ? nearest(b, sub(x, y), 0) : sub(x, y);
}

static int64_t seq_diff(const struct build *b, uint64_t x, uint64_t y)
{
	return (int64_t)((x - y) << b->seq_shift) >> b->seq_shift;
}

/* The time that the sequence number promises; false when it cannot. */
static bool time_by_sequence(const struct build *b, const struct record *r, int64_t *t)
{
	const struct source *src = &b->src[r->s];

	if (!b->sequence || src->newest == NO_TIME || src->step <= 0)
		return false;
	int64_t d = seq_diff(b, r->seq, src->seq);
	if (d < -SEQ_FAR || d > SEQ_FAR)
		return false;
	*t = add(src->newest, d * least(src->step, INT64_MAX / SEQ_FAR / 2));
	return true;
}

/* Whether the sequence number explains the record's time. */
static bool explained(const struct build *b, const struct record *r)
{
	int64_t promised;
	return time_by_sequence(b, r, &promised) &&
	    distance(r->time, promised) <= most(b->o.window, b->src[r->s].step / 2);
}

static int64_t unwrap(const struct build *b, const struct record *r)
{
	int64_t promised, t;

	if (!b->wrap || !b->begun)
		return r->raw;
	if (time_by_sequence(b, r, &promised)) {
		t = nearest(b, r->raw, promised);
		if (distance(t, promised) <= (int64_t)(b->wrap / 16))
			return t;
	}
	return nearest(b, r->raw, predict(b, r->now));
}

/* A sequence that fell back, with a clock that arrival does not explain: where clocks wrap, the
 * clock alone would not show that the device was restarted. */
static bool sequence_restarted(const struct build *b, const struct record *r)
{
	const struct source *src = &b->src[r->s];

	if (!b->wrap || !b->sequence || src->newest == NO_TIME || explained(b, r))
		return false;
	int64_t d = seq_diff(b, r->seq, src->seq);
	return (d < 0 || d > SEQ_FAR) &&
	    distance(r->time, predict(b, r->now)) >
	    add(b->o.window, 2 * least(src->step, STEP_LIMIT));
}

/* ---- records that are lost ---- */

static void lose(struct build *b, unsigned s, uint64_t *counter)
{
	++*counter;
	b->src[s].lost++;
}

/* old is what came first; ev the event that it is in, when that is still open. */
static void lose_again(
    struct build *b, const struct record *r, const uint8_t *old, struct event *ev)
{
	bool same = memcmp(old, r->bytes, b->record) == 0;
	lose(b, r->s, same ? &b->n.duplicate : &b->n.conflict);
	if (ev)
		ev->flags |= same ? EVT_DUPLICATE : EVT_CONFLICT;
}

static void lose_late(struct build *b, unsigned s, int64_t t)
{
	char span[TIM_TEXT];

	lose(b, s, &b->n.late);
	if (b->said_late)
		return;
	b->said_late = true;
	say(b,
	    "source %u: a record came %s after its event had left (the first of this kind; "
	    "a longer --hold waits for such)",
	    s, tim_span(most(sub(b->front, t), 0), span));
}

/* Whether the event of this clock holds a record of the same source and time. */
static bool holds(const struct event *ev, int64_t clock, const struct record *r)
{
	return present(ev, r->s) && add(clock, wire_get(ev->offset[r->s])) == r->time;
}

/* A record of an event that has just left comes again. */
static bool again(struct build *b, const struct record *r)
{
	for (uint64_t k = 0; k < b->gone_max && k < b->ngone; k++) {
		const struct event *ev = b->gone[k];
		if (!holds(ev, b->gone_clock[k], r))
			continue;
		lose_again(b, r, slot(b, ev, r->s), NULL);
		return true;
	}
	return false;
}

/* ---- setting aside ---- */

static struct aside *shelf_at(struct build *b, struct shelf *f, unsigned k, uint8_t **bytes)
{
	unsigned i = (f->first + k) % b->shelf_room;
	*bytes = f->bytes + i * b->record;
	return &f->at[i];
}

/* The oldest record that a source has set aside came late, or was a stray. */
static void shelf_lose(struct build *b, unsigned s)
{
	struct source *src = &b->src[s];
	struct shelf *f = src->shelf;
	uint8_t *bytes;
	const struct aside *a = shelf_at(b, f, 0, &bytes);
	bool old = (b->begun && a->time >= sub(b->start, b->reach) && a->time <= b->front) ||
	    (b->n.restarts && a->time >= b->before_lo && a->time <= b->before_hi);

	f->first = (f->first + 1) % b->shelf_room;
	f->n--;
	b->nshelves -= f->n == 0;
	b->n.held--;
	if (old)
		lose_late(b, s, a->time);
	else
		lose(b, s, &b->n.stray);
}

/* The source is back in line: what it had set aside were strays, or came late. */
static void dissolve(struct build *b, unsigned s)
{
	while (b->src[s].shelf->n)
		shelf_lose(b, s);
	b->src[s].shelf->confirmed = false;
}

static struct shelf *get_shelf(struct build *b, struct source *src)
{
	struct shelf *f = src->shelf;

	if (f)
		return f;
	f = calloc(1, sizeof *f + b->shelf_room * sizeof *f->at);
	if (f && !(f->bytes = malloc(b->shelf_room * b->record))) {
		free(f);
		return NULL;
	}
	return src->shelf = f;
}

/* Whether a record of this clock was set aside already. */
static bool shelved(struct build *b, struct shelf *f, const struct record *r)
{
	uint8_t *bytes;

	for (unsigned k = 0; k < f->n; k++) {
		if (shelf_at(b, f, k, &bytes)->raw != r->raw)
			continue;
		lose_again(b, r, bytes, NULL);
		return true;
	}
	return false;
}

static void say_stray(struct build *b, unsigned s, int64_t t)
{
	char a[TIM_TEXT];

	if (b->src[s].said_stray)
		return;
	b->src[s].said_stray = true;
	say(b,
	    "source %u: its clock is %s %s the others: its records are counted as strays until "
	    "they agree",
	    s, tim_span(distance(t, b->front), a), t > b->front ? "ahead of" : "behind");
}

/* Puts a record aside. 1 when it was, 0 when it was a duplicate, -1 without memory. */
static int set_aside(struct build *b, const struct record *r)
{
	struct shelf *f = get_shelf(b, &b->src[r->s]);
	uint8_t *bytes;

	if (!f)
		return -1;
	if (f->n) {
		const struct aside *last = shelf_at(b, f, f->n - 1, &bytes);
		int64_t d = clock_diff(b, r->raw, last->raw);
		if (d <= 0 && shelved(b, f, r))
			return 0;
		if (d < -b->reach || d > add(most(sub(r->now, last->now), 0), STEP_LIMIT))
			dissolve(b, r->s);
		else if (d > 0 && r->datagram != last->datagram)
			f->confirmed = true;
	}
	if (f->n == b->shelf_room) {
		say_stray(b, r->s, r->time);
		shelf_lose(b, r->s);
	}
	struct aside *a = shelf_at(b, f, f->n, &bytes);
	*a = (struct aside){r->raw, r->time, r->now, r->stamp, r->datagram};
	memcpy(bytes, r->bytes, b->record);
	b->nshelves += f->n++ == 0;
	b->n.held++;
	return 1;
}

/* What the sources say about a new line that the last record of source s stands for. */
struct vote {
	struct aside at; /* that record */
	unsigned with, against, known;
	bool confirmed; /* a source has gone on in it */
	uint64_t since; /* the datagram that it began with */
};

static bool agrees(struct build *b, const struct source *src, const struct aside *with)
{
	uint8_t *bytes;

	if (!src->shelf || !src->shelf->n)
		return false;
	const struct aside *a = shelf_at(b, src->shelf, src->shelf->n - 1, &bytes);
	int64_t d = clock_diff(b, a->raw, with->raw);
	return distance(d, 0) <= b->agree || distance(d, sub(a->now, with->now)) <= b->agree;
}

static struct vote count_votes(struct build *b, unsigned s)
{
	uint8_t *bytes;
	struct vote v = {.since = UINT64_MAX};

	v.at = *shelf_at(b, b->src[s].shelf, b->src[s].shelf->n - 1, &bytes);
	for (unsigned i = 0; i < b->nsrc; i++) {
		struct source *src = &b->src[i];
		bool with = agrees(b, src, &v.at);
		v.known += src->newest != NO_TIME || with;
		if (!with)
			continue;
		v.with++;
		v.confirmed |= src->shelf->confirmed;
		uint64_t first = shelf_at(b, src->shelf, 0, &bytes)->datagram;
		v.since = first < v.since ? first : v.since;
	}
	for (unsigned i = 0; i < b->nsrc; i++) {
		const struct source *src = &b->src[i];
		v.against +=
		    src->newest != NO_TIME && src->seen > v.since && !agrees(b, src, &v.at);
	}
	return v;
}

static int put(struct build *b, struct record *r);

/* The records on the shelves b->feed, in the order in which they came. */
static int feed_shelves(struct build *b)
{
	for (;;) {
		unsigned next = b->nsrc;
		uint64_t first = UINT64_MAX;
		uint8_t *bytes;

		for (unsigned s = 0; s < b->nsrc; s++) {
			if (!b->feed[s] || !b->feed[s]->n)
				continue;
			uint64_t d = shelf_at(b, b->feed[s], 0, &bytes)->datagram;
			if (d < first) {
				first = d;
				next = s;
			}
		}
		if (next == b->nsrc)
			return 0;
		struct shelf *f = b->feed[next];
		while (f->n) { /* all of this datagram */
			const struct aside *a = shelf_at(b, f, 0, &bytes);
			if (a->datagram != first)
				break;
			f->first = (f->first + 1) % b->shelf_room;
			f->n--;
			b->n.held--;
			struct record r = {.s = next,
			    .bytes = bytes,
			    .now = a->now,
			    .stamp = a->stamp,
			    .datagram = first};
			if (put(b, &r) < 0)
				return -1;
		}
	}
}

/* Takes the shelves of a new line's sources down and puts their records in again. */
static int feed(struct build *b, const struct aside *line)
{
	for (unsigned s = 0; s < b->nsrc; s++) {
		struct source *src = &b->src[s];
		if (!agrees(b, src, line))
			continue;
		b->feed[s] = src->shelf;
		src->shelf = NULL;
		b->nshelves--;
	}
	b->feeding = true;
	int rc = feed_shelves(b);
	b->feeding = false;
	for (unsigned s = 0; s < b->nsrc; s++) {
		free_shelf(b->feed[s]);
		b->feed[s] = NULL;
	}
	return rc;
}

/* Everything open leaves, and the line of `line` begins a segment. */
static int new_segment(struct build *b, const struct aside *line)
{
	char was[TIM_TEXT], is[TIM_TEXT];

	say(b, "the device clock went from %s to %s: a new segment begins",
	    tim_span(most(b->front, 0), was), tim_span(most(line->raw, 0), is));
	if (leave_all(b) < 0)
		return -1;
	for (unsigned s = 0; s < b->nsrc; s++)
		if (b->src[s].shelf && b->src[s].shelf->n && !agrees(b, &b->src[s], line))
			dissolve(b, s);
	b->before_lo = sub(b->start, b->reach);
	b->before_hi = b->front;
	b->begun = b->any_left = false;
	b->mark_segment = true;
	b->left_last = INT64_MIN;
	b->n.restarts++;
	for (uint64_t k = 0; k < b->gone_max && k < b->ngone; k++)
		b->spare[b->nspare++] = b->gone[k];
	memset(b->gone, 0, b->gone_max * sizeof(struct event *));
	b->ngone = 0;
	forget_sources(b);
	return 0;
}

/* Whether device time and arrival time have gone on at the same pace in this segment: a replay
 * at another speed cannot tell a step of the clock from a pause. */
static bool keeps_pace(const struct build *b)
{
	int64_t clock = sub(b->front, b->start), arrival = sub(b->front_now, b->start_now);
	return distance(clock, arrival) <= add(clock / 4, b->reach);
}

/* The new line has won. One that lies ahead of the old one where time was not kept anyway goes on
 * in the same segment. */
static int change_line(struct build *b, const struct vote *v)
{
	if (v->at.time > b->front && !b->wrap && !keeps_pace(b)) {
		b->front = v->at.time;
		b->front_now = v->at.now;
	} else if (new_segment(b, &v->at) < 0) {
		return -1;
	}
	return feed(b, &v->at);
}

/* Whether the new line says what this segment has said before, and only now. Late records do the
 * same, and when the sources fall silent, nothing else comes any more. */
static bool may_be_late(const struct build *b, const struct vote *v)
{
	return v->at.time >= b->start && v->at.time <= b->front &&
	    sub(v->at.now, b->front_now) <= AGREE;
}

static bool confirmed(const struct build *b, const struct vote *v)
{
	return v->confirmed && (2 * v->with > v->known || !may_be_late(b, v));
}

/* After a record of source s was set aside. */
static int decide(struct build *b, unsigned s)
{
	if (b->feeding || !b->src[s].shelf || !b->src[s].shelf->n)
		return 0;
	struct vote v = count_votes(b, s);
	if (v.with > v.against && (confirmed(b, &v) || (v.with >= 2 && 2 * v.with > v.known)))
		return change_line(b, &v);
	return 0;
}

/* At the end nothing more will tell: half of the sources are enough, and of a single source one
 * datagram, if it cannot be a late one. */
static bool restarted_at_end(const struct build *b, const struct vote *v)
{
	bool late = v->at.time >= b->start && v->at.time <= b->front;
	return v->with > v->against &&
	    (confirmed(b, v) || (2 * v->with >= v->known && (v->with >= 2 || !late)));
}

static int decide_at_end(struct build *b)
{
	for (unsigned s = 0; b->nshelves && s < b->nsrc; s++) {
		if (!b->src[s].shelf || !b->src[s].shelf->n)
			continue;
		struct vote v = count_votes(b, s);
		if (restarted_at_end(b, &v) && change_line(b, &v) < 0)
			return -1;
		if (b->src[s].shelf && b->src[s].shelf->n)
			dissolve(b, s);
	}
	return 0;
}

/* ---- placing a record ---- */

/* Index of the first open event with a clock after t. A source's records mostly go into one
 * event after the other. */
static uint64_t find(const struct build *b, uint64_t hint, int64_t t)
{
	uint64_t lo = b->head, hi = b->tail;

	if (hint >= lo && hint <= hi && (hint == lo || clock_of(b, hint - 1) <= t)) {
		if (hint == hi || clock_of(b, hint) > t)
			return hint;
		if (hint + 1 == hi || clock_of(b, hint + 1) > t)
			return hint + 1;
		lo = hint + 1;
	}
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (clock_of(b, mid) <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Closes a gap from its ends; true when nothing is missing in it any more. */
static bool fill_hole(struct build *b, struct source *src, uint64_t seq)
{
	if (!src->hole || seq_diff(b, seq, src->hole_lo) <= 0 ||
	    seq_diff(b, src->hole_hi, seq) <= 0)
		return false;
	b->n.missing -= b->n.missing > 0;
	if (seq == src->hole_lo + 1)
		src->hole_lo++;
	else if (seq + 1 == src->hole_hi)
		src->hole_hi--;
	return seq_diff(b, src->hole_hi, src->hole_lo) <= 1;
}

/* Books the sequence number of a record that goes into ev. */
static void book_sequence(struct build *b, struct event *ev, const struct record *r)
{
	struct source *src = &b->src[r->s];

	if (r->time > src->newest) {
		int64_t d = src->newest == NO_TIME ? 1 : seq_diff(b, r->seq, src->seq);
		if (d > 1) {
			b->n.gaps++;
			b->n.missing += d <= SEQ_FAR ? (uint64_t)d - 1 : 0;
			ev->holes++;
			src->hole = ev;
			src->hole_serial = ev->serial;
			src->hole_lo = src->seq;
			src->hole_hi = r->seq;
		}
		src->seq = r->seq;
	} else if (fill_hole(b, src, r->seq)) {
		if (src->hole->serial == src->hole_serial)
			src->hole->holes--;
		src->hole = NULL;
		b->n.gaps--;
	}
}

/* From the newest record of the source to this later one, for each of its numbers: a gap between
 * the two must not look like a slower device. */
static int64_t step_to(const struct build *b, const struct record *r)
{
	const struct source *src = &b->src[r->s];
	int64_t step = sub(r->time, src->newest);
	int64_t d = b->sequence ? seq_diff(b, r->seq, src->seq) : 1;

	return d > 1 && d <= SEQ_FAR ? step / d : step;
}

/* The record goes into the free slot of open event i. */
static void store(struct build *b, uint64_t i, const struct record *r)
{
	struct source *src = &b->src[r->s];
	struct event *ev = b->ring[i & b->ring_mask].ev;
	u64le *word = &ev->mask[r->s / 64];

	wire_put(word, wire_get(*word) | UINT64_C(1) << (r->s % 64));
	wire_put(&ev->offset[r->s], (int32_t)(r->time - clock_of(b, i)));
	memcpy(slot(b, ev, r->s), r->bytes, b->record);
	ev->nrec++;
	ev->last = most(ev->last, r->now);
	if (r->time > src->newest && src->newest != NO_TIME)
		src->step = step_to(b, r);
	if (b->sequence)
		book_sequence(b, ev, r);
	if (r->time > src->newest) {
		src->newest = r->time;
	} else {
		b->n.reordered++;
	}
	src->hint = i + 1;
	src->seen = r->datagram;
	src->records++;
	b->n.held++;
	if (src->shelf && src->shelf->n)
		dissolve(b, r->s);
}

/* Opens an event for the record before index i. */
static int open_event(struct build *b, uint64_t i, const struct record *r)
{
	struct event *ev = take_event(b);

	if (!ev)
		return -1;
	ev->opened = ev->last = r->now;
	ev->time = r->stamp;
	for (uint64_t k = b->tail++; k > i; k--)
		b->ring[k & b->ring_mask] = b->ring[(k - 1) & b->ring_mask];
	b->ring[i & b->ring_mask] = (struct open){r->time, ev};
	if (!b->begun) {
		b->start = r->time;
		b->start_now = r->now;
		ev->first = b->nexpected == 1;
	}
	if (!b->begun || r->time > b->front) {
		b->front = r->time;
		b->front_now = r->now;
	}
	b->begun = true;
	return 0;
}

/* The ring has room for one event more than may stay open. */
static int bound_open(struct build *b)
{
	if (b->tail - b->head <= b->o.open_max)
		return 0;
	if (!b->said_overflow)
		say(b,
		    "more than %u events are open: the oldest leave incomplete (an expected "
		    "source is silent, or --hold is long for this rate)",
		    b->o.open_max);
	b->said_overflow = true;
	return leave(b, EVT_OVERFLOW);
}

/* Whether the record belongs to the event that left last, which did not wait for it. */
static bool just_missed(const struct build *b, const struct record *r)
{
	return b->any_left && sub(r->time, b->left_clock) <= b->o.window &&
	    !present(b->gone[(b->ngone - 1) % b->gone_max], r->s);
}

enum place { PLACE_OPEN, PLACE_LATE, PLACE_ASIDE };

/* Where a record belongs that fits no open event. */
static enum place place(const struct build *b, const struct record *r)
{
	if (!b->begun)
		return PLACE_OPEN;
	if (sequence_restarted(b, r))
		return PLACE_ASIDE;
	int64_t low = b->any_left ? b->left_clock : sub(b->start, b->reach);
	if (r->time <= low)
		return r->time >= sub(low, b->reach) || explained(b, r) ? PLACE_LATE : PLACE_ASIDE;
	int64_t step = 4 * least(b->src[r->s].step, STEP_LIMIT);
	int64_t ahead = most(b->reach, least(step, STEP_LIMIT));
	if (r->time > add(predict(b, r->now), ahead) && !explained(b, r))
		return PLACE_ASIDE;
	return just_missed(b, r) ? PLACE_LATE : PLACE_OPEN;
}

/* A record that no open event takes; one that it opens would stand before index i. */
static int put_alone(struct build *b, uint64_t i, const struct record *r)
{
	if (r->time <= b->src[r->s].newest && again(b, r))
		return 0;
	switch (place(b, r)) {
	case PLACE_LATE:
		lose_late(b, r->s, r->time);
		return 0;
	case PLACE_ASIDE: {
		int rc = set_aside(b, r);
		return rc > 0 ? decide(b, r->s) : rc;
	}
	case PLACE_OPEN:
		break;
	}
	if (open_event(b, i, r) < 0)
		return -1;
	store(b, i, r);
	if (bound_open(b) < 0)
		return -1;
	return b->nexpected == 1 ? release(b) : 0;
}

/* The open events within the window of the record's time, the nearest first: how many. *above is
 * the first that is later. */
static int neighbours(
    const struct build *b, const struct record *r, uint64_t *above, uint64_t at[2])
{
	uint64_t i = find(b, b->src[r->s].hint, r->time), window = (uint64_t)b->o.window;
	uint64_t below = UINT64_MAX, beyond;
	int n = 0;

	*above = i;
	if (i > b->head && (below = (uint64_t)r->time - (uint64_t)clock_of(b, i - 1)) <= window)
		at[n++] = i - 1;
	if (i < b->tail && (beyond = (uint64_t)clock_of(b, i) - (uint64_t)r->time) <= window) {
		if (n && beyond < below) {
			at[0] = i;
			at[n++] = i - 1;
		} else {
			at[n++] = i;
		}
	}
	return n;
}

/* A record of a known source; bytes, source and arrival are set. */
static int put(struct build *b, struct record *r)
{
	const struct card *c = b->card;
	struct source *src = &b->src[r->s];
	uint64_t clock = c->clock_field < 0 ? (uint64_t)r->stamp : card_clock(c, r->bytes);
	uint64_t above, at[2];

	r->raw = r->time = clock > INT64_MAX ? INT64_MAX : (int64_t)clock;
	if (b->sequence)
		r->seq = (uint64_t)card_value(c, c->seq_field, r->bytes);
	if (b->wrap)
		r->time = unwrap(b, r);

	int n = neighbours(b, r, &above, at);
	for (int k = 0; k < n && r->time <= src->newest; k++) {
		struct event *ev = b->ring[at[k] & b->ring_mask].ev;
		if (holds(ev, clock_of(b, at[k]), r)) {
			lose_again(b, r, slot(b, ev, r->s), ev);
			return 0;
		}
	}
	for (int k = 0; k < n; k++) {
		const struct event *ev = b->ring[at[k] & b->ring_mask].ev;
		if (present(ev, r->s))
			continue;
		store(b, at[k], r);
		return at[k] == b->head && ev->nrec == b->nexpected ? release(b) : 0;
	}
	return put_alone(b, above, r);
}

/* ---- senders ---- */

static bool same_host(const struct pkt_addr *a, const struct pkt_addr *x)
{
	return a->family == x->family && memcmp(a->addr, x->addr, a->family == 4 ? 4 : 16) == 0;
}

/* Source of a sender by --sources=ADDRESS,...; mostly they send in turn. */
static int listed_source(struct build *b, const struct pkt_addr *from)
{
	for (unsigned k = 0; k < b->o.naddress; k++) {
		unsigned i = (b->guess + k) % b->o.naddress;
		if (!same_host(&b->o.address[i], from))
			continue;
		b->guess = i + 1;
		return (int)i;
	}
	return -1;
}

static int source_of(struct build *b, const struct pkt *p, const uint8_t *rec)
{
	int s = b->o.naddress ? listed_source(b, &p->src) : card_source(b->card, p, rec);
	return s >= 0 && b->o.expected && !b->o.expected[s] ? -1 : s;
}

/* Whether this sender has not been spoken of yet. */
static bool new_stranger(struct build *b, const struct pkt_addr *from)
{
	for (unsigned i = 0; i < b->nstrangers; i++)
		if (same_host(&b->stranger[i], from))
			return false;
	if (b->nstrangers == STRANGERS_MAX)
		return false;
	b->stranger[b->nstrangers++] = *from;
	return true;
}

/* "addresses ending in .0 to .31, .100 to .131": where the card's sources may send from. */
static void text_expected(const struct card *c, char *buf, size_t size)
{
	const char *dot = c->by == CARD_BY_ADDRESS ? "." : "";
	unsigned limit = c->by == CARD_BY_ADDRESS ? 255 : 65535, lo = c->first;
	size_t n = 0;

	*buf = '\0';
	if (c->by == CARD_BY_ADDRESS && c->address_byte != CARD_BYTE_LAST)
		n = (size_t)snprintf(buf, size, " (byte %u of the address", c->address_byte);
	else if (c->by != CARD_BY_FIELD)
		n = (size_t)snprintf(
		    buf, size, " (%s", c->by == CARD_BY_PORT ? "ports" : "addresses that end in");
	for (int k = 0; n > 0 && n < size && lo <= limit && k < 4; k++, lo += c->modulo) {
		unsigned hi = lo + c->nsrc - 1;
		n += (size_t)snprintf(buf + n, size - n, "%s %s%u to %s%u", k ? "," : "", dot, lo,
		    dot, hi > limit ? limit : hi);
		if (!c->modulo)
			break;
	}
	if (n > 0 && n < size)
		snprintf(buf + n, size - n, ")");
}

static void say_stranger(struct build *b, const struct pkt *p)
{
	const struct card *c = b->card;
	char from[PKT_TEXT], range[200];

	if (!new_stranger(b, &p->src))
		return;
	pkt_text(&p->src, from);
	if (b->o.naddress || b->o.expected) {
		say(b, "%s: not one of --sources; its records are counted as unknown", from);
		return;
	}
	text_expected(c, range, sizeof range);
	say(b,
	    "%s: an unknown source: %s has sources 0 to %u%s; its records are counted as unknown",
	    from, c->name, c->nsrc - 1, range);
}

/* A datagram that is no whole number of records. */
static void refuse(struct build *b, const struct pkt *p)
{
	const struct card *c = b->card;
	char from[PKT_TEXT];
	uint64_t *counter = p->len ? &b->n.malformed : &b->n.empty;

	b->n.in++;
	++*counter;
	int s = c->by == CARD_BY_FIELD && !b->o.naddress ? -1 : source_of(b, p, NULL);
	if (s >= 0)
		b->src[s].lost++;
	bool *said = s < 0 ? NULL : p->len ? &b->src[s].said_runt : &b->src[s].said_empty;
	if (said ? *said : !new_stranger(b, &p->src))
		return;
	if (said)
		*said = true;
	pkt_text(&p->src, from);
	if (p->len)
		say(b, "%s: a datagram of %zu bytes, but %s has %s %u: counted as malformed", from,
		    p->len, c->name, c->whole ? "records of" : "whole records of", c->record);
	else
		say(b, "%s: an empty datagram: counted", from);
}

int build_add(struct build *b, const struct pkt *p)
{
	const struct card *c = b->card;
	struct record r = {.stamp = p->time};
	bool each = c->by == CARD_BY_FIELD && !b->o.naddress;
	int s = -1;

	r.now = tick(b, p->time);
	if (release(b) < 0)
		return -1;
	r.datagram = ++b->datagrams;
	b->dropped += p->dropped;
	b->n.dropped += p->dropped;
	if (p->len == 0 || (c->whole ? p->len != b->record : p->len % b->record != 0)) {
		refuse(b, p);
		return 0;
	}
	for (size_t done = 0; done < p->len; done += b->record) {
		r.bytes = p->data + done;
		if (each || done == 0)
			s = source_of(b, p, r.bytes);
		b->n.in++;
		if (s < 0) {
			b->n.unknown++;
			say_stranger(b, p);
			continue;
		}
		r.s = (unsigned)s;
		if (put(b, &r) < 0)
			return -1;
	}
	return 0;
}

/* ---- the end ---- */

int build_flush(struct build *b)
{
	if (decide_at_end(b) < 0)
		return -1;
	return leave_all(b);
}

int64_t build_oldest(const struct build *b)
{
	int64_t oldest = INT64_MAX;

	for (uint64_t i = b->head; i < b->tail; i++)
		oldest = least(oldest, b->ring[i & b->ring_mask].ev->time);
	for (unsigned s = 0; b->nshelves && s < b->nsrc; s++) {
		const struct shelf *f = b->src[s].shelf;
		if (f && f->n)
			oldest = least(oldest, f->at[f->first].stamp);
	}
	return oldest == INT64_MAX ? TIM_NONE : oldest;
}

const struct build_count *build_count(const struct build *b)
{
	return &b->n;
}

uint64_t build_source_records(const struct build *b, unsigned source)
{
	return b->src[source].records;
}

uint64_t build_source_lost(const struct build *b, unsigned source)
{
	return b->src[source].lost;
}
