/* build.c - the event builder: open events, where a record goes, when an event leaves */
#include "buildin.h"
#include "base/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ---- */

void build_sayf(struct build *b, const char *format, ...)
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
	wire_put(&h->header, (uint16_t)b->header);
	wire_put(&h->nsrc, (uint16_t)b->nsrc);
	return ev;
}

/* The one that was used last is the one still in the cache. */
static struct event *take_event(struct build *b)
{
	struct event *ev = b->nspare ? b->spare[--b->nspare] : new_event(b);
	if (!ev)
		return NULL;
	memset(mask(ev), 0, b->words * sizeof(u64le));
	for (unsigned s = 0; s < b->nsrc; s++)
		wire_put(&offsets(b, ev)[s], EVT_ABSENT);
	ev->serial = ++b->serial;
	ev->flags = ev->nrec = ev->holes = 0;
	ev->first = false;
	return ev;
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
			line_free_shelf(b->src[s].shelf);
		if (b->feed)
			line_free_shelf(b->feed[s]);
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
		src->newest = NO_TIME; /* the step between its records stays */
		memset(src->hole, 0, sizeof src->hole);
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

#define refuse(error, why, ...)                                                                    \
	((void)why_fail(why, BUILD_WHY, error, __VA_ARGS__), (struct build *)NULL)

struct build *build_new(const struct card *c, const struct build_options *o, build_emit *emit,
    build_say *say_line, void *ctx, char why[BUILD_WHY])
{
	size_t size = evt_size(c->nsrc, c->record);

	if (size > CAP_DATA_MAX)
		return refuse(EINVAL, why,
		    "%s: an event of %u sources would have %zu bytes, and at most %d are possible",
		    c->name, c->nsrc, size, CAP_DATA_MAX);
	if (o->window > INT32_MAX)
		return refuse(
		    EINVAL, why, "%s: a window of more than 2 s is not possible", c->name);
	uint64_t wrap = card_clock_wrap(c);
	if (wrap && most(o->window, o->hold) >= (int64_t)(wrap / 2))
		return refuse(EINVAL, why,
		    "%s: its clock wraps after %.1f s: window and hold must be less than half",
		    c->name, (double)wrap / 1e9);
	struct build *b = calloc(1, sizeof *b);
	if (!b)
		return refuse(ENOMEM, why, "no memory for events");
	b->card = c;
	b->o = *o;
	b->emit = emit;
	b->say = say_line;
	b->ctx = ctx;
	b->nsrc = c->nsrc;
	b->words = (c->nsrc + 63) / 64;
	b->record = c->record;
	b->header = evt_header_size(c->nsrc);
	b->size = size;
	for (unsigned s = 0; s < c->nsrc; s++)
		b->nexpected += !o->expected || o->expected[s];
	b->wrap = wrap > INT64_MAX / 4 ? 0 : wrap;
	b->reach = add(o->hold, o->window);
	b->agree = b->wrap ? least(AGREE, (int64_t)(b->wrap / 16)) : AGREE;
	if (c->clock_field >= 0 && c->clock_seconds < 0 && !b->wrap) {
		const struct card_field *f = &c->field[c->clock_field];
		b->big64 = f->type == CARD_U64 && f->piece[0].big && f->xor == 0 && f->bits == 64 &&
		    c->clock_width == 64 && c->clock_num == c->clock_den;
		b->clock_at = f->piece[0].offset;
	}
	b->sequence = c->seq_field >= 0;
	b->seq_shift = b->sequence ? 64 - c->seq_width : 0;
	/* Of each source two datagrams at least, and what a restart needs as evidence. */
	b->shelf_room = (unsigned)most(most((int64_t)(ASIDE_BYTES / c->nsrc / c->record),
					   2 * (int64_t)(CARD_RECORD_MAX / c->record)),
	    EVIDENCE + 1);
	if (o->aside_max)
		b->shelf_room = (unsigned)most(o->aside_max, EVIDENCE + 1);
	if (b->o.open_max == 0)
		b->o.open_max = (uint32_t)least(most((int64_t)(ARENA_BYTES / size), 16), OPEN_MAX);
	if (get_memory(b) < 0) {
		build_free(b);
		return refuse(ENOMEM, why, "no memory for events");
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

/* Slots of absent sources that an earlier use of this memory has filled. */
static void zero_absent(struct build *b, struct event *ev)
{
	for (unsigned w = 0; w < b->words; w++) {
		uint64_t old = wire_get(written(b, ev)[w]) & ~wire_get(mask(ev)[w]);
		for (; old; old &= old - 1) {
			unsigned s = w * 64 + (unsigned)__builtin_ctzll(old);
			memset(slot(b, ev, s), 0, b->record);
		}
		written(b, ev)[w] = mask(ev)[w];
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

/* An event that the output did not take. */
static void unwritten(struct build *b, const uint8_t *body)
{
	const struct evt_head *h = (const struct evt_head *)body;
	struct build_count *n = &b->n;

	bool incomplete = wire_get(h->flags) & EVT_INCOMPLETE;
	n->unwritten += wire_get(h->nrec);
	n->out -= wire_get(h->nrec);
	n->events--;
	n->complete -= !incomplete;
	n->incomplete -= incomplete;
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
	if (b->emit(b->ctx, ev->body, b->size, ev->time, dropped) == 0)
		return 0;
	int error = errno;
	unwritten(b, ev->body);
	errno = error;
	return -1;
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

/* The complete events at the front leave. */
static int release_complete(struct build *b)
{
	while (b->head < b->tail && ready(b, b->ring[b->head & b->ring_mask].ev))
		if (leave(b, 0) < 0)
			return -1;
	return 0;
}

/* Time has passed: those past their hold leave too. Never while records are put in: what comes out
 * of a shelf is older than now, and the rest of it is still to come. */
static int release(struct build *b)
{
	while (release_complete(b) == 0) {
		if (b->head == b->tail || b->now < due(b, b->ring[b->head & b->ring_mask].ev))
			return 0;
		if (leave(b, EVT_HELD) < 0)
			break;
	}
	return -1;
}

static int leave_all(struct build *b)
{
	while (b->head < b->tail)
		if (leave(b, EVT_FLUSHED) < 0)
			return -1;
	return 0;
}

int build_end_segment(struct build *b)
{
	if (leave_all(b) < 0)
		return -1;
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

/* ---- the stream's clock ---- */

static int64_t tick(struct build *b, int64_t stamp)
{
	int64_t now = add(stamp, b->rebase);

	if (!b->ticking || now > b->now) {
		b->now = now;
		b->ticking = true;
	} else if (now < b->now - STEP_BACK) { /* the receiver's clock was set back */
		b->rebase = add(b->rebase, sub(b->now, now));
		now = b->now;
	}
	return now;
}

int build_beat(struct build *b, int64_t now)
{
	tick(b, now);
	return release(b);
}

int build_time(struct build *b, int64_t now)
{
	return add(now, b->rebase) > b->now ? build_beat(b, now) : release(b);
}

int64_t build_due(const struct build *b)
{
	if (b->head == b->tail)
		return TIM_NONE;
	return sub(due(b, b->ring[b->head & b->ring_mask].ev), b->rebase);
}

/* ---- records that are lost ---- */

void build_lose(struct build *b, unsigned s, uint64_t *counter)
{
	++*counter;
	b->src[s].lost++;
}

/* old is what came first; ev the event that it is in, when that is still open. */
void build_lose_again(struct build *b, const struct record *r, const uint8_t *old, struct event *ev)
{
	bool same = memcmp(old, r->bytes, b->record) == 0;
	build_lose(b, r->s, same ? &b->n.duplicate : &b->n.conflict);
	if (ev)
		ev->flags |= same ? EVT_DUPLICATE : EVT_CONFLICT;
}

void build_lose_late(struct build *b, unsigned s, int64_t t)
{
	build_lose(b, s, &b->n.late);
	if (b->said_late)
		return;
	b->said_late = true;
	build_sayf(b,
	    "source %u: a record came too late, %.3f s behind the newest event: counted, as all "
	    "that follow (a longer --hold waits for such)",
	    s, seconds(most(sub(b->front, t), 0)));
}

/* Whether the event of this clock holds a record of the same source and time. */
static bool holds(
    const struct build *b, const struct event *ev, int64_t clock, const struct record *r)
{
	return present(ev, r->s) && add(clock, wire_get(offsets(b, ev)[r->s])) == r->time;
}

/* A record of an event that has just left comes again. */
static bool again(struct build *b, const struct record *r)
{
	for (uint64_t k = 0; k < b->gone_max && k < b->ngone; k++) {
		const struct event *ev = b->gone[k];
		if (!holds(b, ev, b->gone_clock[k], r))
			continue;
		build_lose_again(b, r, slot(b, ev, r->s), NULL);
		return true;
	}
	return false;
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

/* Numbers are missing before r, which goes into ev: they may still come. */
static void book_gap(struct build *b, struct event *ev, const struct record *r, uint64_t missing)
{
	struct source *src = &b->src[r->s];

	b->n.gaps++;
	if (missing >= SEQ_FAR) /* the device counts anew */
		return;
	b->n.missing += missing;
	ev->holes++;
	src->hole[src->nholes++ % HOLES] = (struct hole){.ev = ev,
	    .serial = ev->serial,
	    .hi = r->seq,
	    .missing = (int64_t)missing,
	    .left = missing};
}

/* A number that was missing has come. */
static void fill_gap(struct build *b, struct source *src, uint64_t seq)
{
	for (unsigned i = 0; i < HOLES; i++) {
		struct hole *h = &src->hole[i];
		int64_t before = line_seq_diff(b, h->hi, seq);
		if (!h->left || before <= 0 || before > h->missing)
			continue;
		b->n.missing--;
		if (--h->left > 0)
			return;
		b->n.gaps--;
		if (h->ev->serial == h->serial)
			h->ev->holes--;
		return;
	}
}

/* Books the sequence number of a record that goes into ev. False: it was sent before one that
 * came earlier. */
static bool book_sequence(struct build *b, struct event *ev, const struct record *r)
{
	struct source *src = &b->src[r->s];

	if (src->newest != NO_TIME) {
		int64_t d = line_seq_diff(b, r->seq, src->seq);
		if (d <= 0 && r->time < src->seq_time) {
			fill_gap(b, src, r->seq);
			return false;
		}
		if (d > 1)
			book_gap(b, ev, r, (uint64_t)d - 1);
		if (d > 0 && d <= SEQ_FAR && r->time > src->seq_time)
			src->step = sub(r->time, src->seq_time) / d;
	}
	src->seq = r->seq;
	src->seq_time = r->time;
	return true;
}

/* The record goes into the free slot of open event i. */
static inline void store(struct build *b, uint64_t i, const struct record *r)
{
	struct source *src = r->src;
	struct open at = b->ring[i & b->ring_mask];
	struct event *ev = at.ev;
	u64le *word = &mask(ev)[r->s / 64];

	wire_put(word, wire_get(*word) | UINT64_C(1) << (r->s % 64));
	wire_put(&offsets(b, ev)[r->s], (int32_t)(r->time - at.clock));
	memcpy(slot(b, ev, r->s), r->bytes, b->record);
	ev->nrec++;
	ev->last = most(ev->last, r->now);
	if (b->sequence) {
		b->n.reordered += !book_sequence(b, ev, r);
	} else {
		b->n.reordered += r->time < src->newest;
		if (src->newest != NO_TIME && r->time > src->newest)
			src->step = sub(r->time, src->newest);
	}
	src->newest = most(src->newest, r->time);
	src->hint = i + 1;
	src->seen = r->datagram;
	src->records++;
	b->n.held++;
	if (src->shelf && src->shelf->n)
		line_dissolve(b, r->s);
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
		build_sayf(b,
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
	if (line_sequence_restarted(b, r))
		return PLACE_ASIDE;
	int64_t low = b->any_left ? b->left_clock : sub(b->start, b->reach);
	if (r->time <= low)
		return r->time >= sub(low, b->reach) ? PLACE_LATE : PLACE_ASIDE;
	int64_t step = 4 * least(b->src[r->s].step, STEP_LIMIT);
	int64_t ahead = most(b->reach, least(step, STEP_LIMIT));
	if (r->time > add(line_predict(b, r->now), ahead) &&
	    (!line_explained(b, r) || line_of_before(b, r->time)))
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
		line_doubt(b, r->s);
		build_lose_late(b, r->s, r->time);
		return 0;
	case PLACE_ASIDE:
		return line_set_aside(b, r);
	case PLACE_OPEN:
		break;
	}
	if (open_event(b, i, r) < 0)
		return -1;
	store(b, i, r);
	if (bound_open(b) < 0)
		return -1;
	return b->nexpected == 1 ? release_complete(b) : 0;
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

/* The device clock as it was sent. */
static inline int64_t read_clock(const struct build *b, const struct record *r)
{
	uint64_t t;

	if (b->big64)
		t = wire_get(*(const u64be *)(r->bytes + b->clock_at));
	else
		t = b->card->clock_field < 0 ? (uint64_t)r->stamp : card_clock(b->card, r->bytes);
	return t > INT64_MAX ? INT64_MAX : (int64_t)t;
}

/* Into event i, whose place for it is free. */
static int put_into(struct build *b, uint64_t i, const struct record *r)
{
	store(b, i, r);
	if (i != b->head || b->ring[i & b->ring_mask].ev->nrec < b->nexpected)
		return 0;
	return release_complete(b);
}

/* Not simply into the next event: into the nearest one with room, or wherever it belongs. Apart, so
 * that the usual way saves no registers for this one. */
static __attribute__((noinline)) int put_somewhere(struct build *b, const struct record *r)
{
	uint64_t above, at[2];
	int n = neighbours(b, r, &above, at);

	for (int k = 0; k < n && r->time <= b->src[r->s].newest; k++) {
		struct event *ev = b->ring[at[k] & b->ring_mask].ev;
		if (holds(b, ev, clock_of(b, at[k]), r)) {
			build_lose_again(b, r, slot(b, ev, r->s), ev);
			return 0;
		}
	}
	for (int k = 0; k < n; k++)
		if (!present(b->ring[at[k] & b->ring_mask].ev, r->s))
			return put_into(b, at[k], r);
	return put_alone(b, above, r);
}

/* A record of a known source; bytes, source and arrival are set. */
int build_put(struct build *b, struct record *r)
{
	const struct source *src = r->src;
	uint64_t i = src->hint;
	int64_t t = read_clock(b, r);

	r->raw = t;
	if (b->sequence)
		r->seq = (uint64_t)card_value(b->card, b->card->seq_field, r->bytes);
	if (b->wrap)
		t = line_unwrap(b, r);
	r->time = t;
	/* Mostly it is the next event's, to the nanosecond. */
	if (i >= b->head && i < b->tail && clock_of(b, i) == t && t > src->newest &&
	    !present(b->ring[i & b->ring_mask].ev, r->s))
		return put_into(b, i, r);
	return put_somewhere(b, r);
}

static void add_dropped(struct build *b, uint64_t dropped)
{
	b->dropped += dropped;
	b->n.dropped += dropped;
}

int build_skip(struct build *b, enum pkt_verdict why, int64_t time, uint64_t dropped)
{
	if (build_time(b, time) < 0)
		return -1;
	add_dropped(b, dropped);
	if (why == PKT_TRUNCATED || why == PKT_FRAGMENT) {
		b->n.in++;
		++*(why == PKT_TRUNCATED ? &b->n.truncated : &b->n.fragments);
	} else {
		b->n.foreign++;
	}
	return 0;
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
	add_dropped(b, p->dropped);
	if (p->len == 0 || (c->whole ? p->len != b->record : p->len % b->record != 0)) {
		sender_refuse(b, p);
		return 0;
	}
	for (size_t done = 0; done < p->len; done += b->record) {
		r.bytes = p->data + done;
		if (each || done == 0)
			s = sender_source(b, p, r.bytes);
		if (s == SENDER_LEFT_OUT) {
			b->n.left_out++;
			continue;
		}
		b->n.in++;
		if (s < 0) {
			b->n.unknown++;
			sender_unknown(b, p);
			continue;
		}
		r.s = (unsigned)s;
		r.src = &b->src[s];
		if (build_put(b, &r) < 0)
			return -1;
	}
	return 0;
}

/* ---- the end ---- */

void build_dropped(struct build *b, uint64_t all)
{
	b->n.dropped = all > b->n.dropped ? all : b->n.dropped;
}

int build_flush(struct build *b)
{
	sender_report(b);
	if (line_end(b) < 0)
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

void build_unwritten(struct build *b, const struct cap_writer *out)
{
	const uint8_t *body;
	size_t at = 0;

	while (out && (body = cap_unwritten(out, &at)))
		unwritten(b, body);
	b->n.unwritten += b->n.held;
	b->n.held = 0;
}

const struct build_count *build_count(const struct build *b)
{
	return &b->n;
}

void build_losses(const struct build_count *n, struct tally_item lost[TALLY_MAX])
{
	const struct tally_item all[TALLY_MAX] = {{"late", n->late}, {"duplicate", n->duplicate},
	    {"conflict", n->conflict}, {"stray", n->stray}, {"unknown source", n->unknown},
	    {"malformed", n->malformed}, {"empty", n->empty}, {"truncated", n->truncated},
	    {"fragment", n->fragments}};

	memcpy(lost, all, sizeof all);
}

void build_tally(const struct build *b, struct tally *t)
{
	const struct build_count *n = &b->n;
	int i;
	const struct tally_item also[] = {{"events", n->events}, {"complete", n->complete},
	    {"incomplete", n->incomplete}, {"overflow", n->overflow}, {"gaps", n->gaps},
	    {"missing", n->missing}, {"reordered", n->reordered}, {"restarts", n->restarts},
	    {"sources restarted alone", n->alone}, {"dropped before", n->dropped},
	    {"left out by --sources", n->left_out}, {"other traffic", n->foreign}};

	t->in = n->in;
	t->out = n->out;
	t->held = n->held;
	t->queue_used = b->tail - b->head;
	t->queue_size = b->o.open_max;
	build_losses(n, t->lost);
	for (i = 0; t->lost[i].name; i++)
		;
	t->lost[i] = (struct tally_item){"not written", n->unwritten};
	memcpy(t->also, also, sizeof also);
}

uint64_t build_source_records(const struct build *b, unsigned source)
{
	return b->src[source].records;
}

uint64_t build_source_lost(const struct build *b, unsigned source)
{
	return b->src[source].lost;
}
