/*
 * cdf_order.c - the records of one source put in order
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/tim.h"
#include "file/cdf_order.h"

#define SLOTS    65             /* records that can wait, and the one set aside */
#define PASSED   64             /* keys that are remembered to tell duplicates from late ones */
#define PRINT    256            /* bytes at either end of a record that tell it from another */
#define NEAR     64             /* sequence numbers back that may still be a late packet */
#define FAR      1024           /* sequence numbers forward that need no second witness */
#define PATIENCE (100 * TIM_MS) /* how long a gap is waited for */
#define JITTER   TIM_MS         /* a clock this far from the arrivals needs a witness */

enum mode { BY_SEQUENCE, BY_CLOCK, BY_ARRIVAL };

struct slot {
	int64_t key, arrival;
	uint64_t dropped;
	bool reordered;
	bool again; /* the key came before, with another record */
	uint8_t *rec;
};

struct passed {
	int64_t key;
	uint64_t print;
};

struct cdf_order {
	const struct card *card;
	enum mode mode;
	cdf_order_emit *emit;
	void *ctx;
	struct cdf_order_count count;

	struct slot slot[SLOTS]; /* by key; the last of the array is the one set aside */
	int held, room;
	bool aside;

	bool began;               /* a record was taken */
	int64_t top, top_arrival; /* the largest key taken, and its arrival */
	bool passed_any;
	int64_t last;                 /* key handed on last */
	struct passed passed[PASSED]; /* a ring of those handed on */
	unsigned npassed;
	int64_t number;               /* records handed on */
	bool segment;                 /* the next one handed on begins a segment */
	int64_t clock, clock_arrival; /* of the last one handed on that was not odd */
	int64_t step;     /* a clock that moves by more against the arrivals has stepped */
	uint64_t dropped; /* told with records that were not handed on: the next one has it */
	bool doubting;
	struct cdf_item doubt; /* its clock waits for the next one's: its record is ours */
	uint8_t *doubt_rec;
};

struct cdf_order *cdf_order_new(const struct card *c, cdf_order_emit *emit, void *ctx)
{
	struct cdf_order *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	int64_t wrap = (int64_t)card_clock_wrap(c);
	o->card = c;
	o->mode = c->seq_field >= 0 ? BY_SEQUENCE : c->clock_field >= 0 ? BY_CLOCK : BY_ARRIVAL;
	o->emit = emit;
	o->ctx = ctx;
	o->step = wrap > 0 && wrap / 4 < 10 * TIM_S ? wrap / 4 : 10 * TIM_S;
	o->room = o->mode == BY_SEQUENCE ? SLOTS - 1 : 16;
	return o;
}

void cdf_order_free(struct cdf_order *o)
{
	if (!o)
		return;
	for (int i = 0; i < SLOTS; i++)
		free(o->slot[i].rec);
	free(o->doubt_rec);
	free(o);
}

const struct cdf_order_count *cdf_order_count(const struct cdf_order *o)
{
	return &o->count;
}

/* ---- counters that wrap ---- */

/* Sums that may wrap, as a garbled stream can make them do. */
static int64_t plus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t minus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* The difference of two counters of `width` bits, as a signed number of at most half the range. */
static int64_t difference(uint64_t a, uint64_t b, unsigned width)
{
	unsigned up = 64 - width;

	return (int64_t)((a - b) << up) >> up;
}

/* How far the clock has moved from `from`, being `raw` now and `elapsed` later by the arrivals. */
static int64_t advance(const struct cdf_order *o, int64_t from, int64_t raw, int64_t elapsed)
{
	int64_t wrap = (int64_t)card_clock_wrap(o->card);
	int64_t d = minus(raw, from);

	if (wrap <= 0)
		return d;
	int64_t off = minus(d, elapsed) % wrap;
	if (off > wrap / 2)
		off -= wrap;
	else if (off < -(wrap / 2))
		off += wrap;
	return plus(elapsed, off);
}

static bool stepped(const struct cdf_order *o, int64_t moved, int64_t elapsed)
{
	int64_t off;

	return __builtin_sub_overflow(moved, elapsed, &off) || off > o->step || off < -o->step;
}

static uint64_t sequence_of(const struct cdf_order *o, const uint8_t *rec)
{
	return (uint64_t)card_value(o->card, o->card->seq_field, rec);
}

/* The key of a record, seen from one that had the key `from`. */
static int64_t key_of(const struct cdf_order *o, const uint8_t *rec, int64_t from, int64_t elapsed)
{
	if (o->mode == BY_SEQUENCE)
		return plus(
		    from, difference(sequence_of(o, rec), (uint64_t)from, o->card->seq_width));
	if (o->mode == BY_CLOCK)
		return plus(from, advance(o, from, (int64_t)card_clock(o->card, rec), elapsed));
	return from + 1;
}

static int64_t first_key(const struct cdf_order *o, const uint8_t *rec)
{
	if (o->mode == BY_SEQUENCE)
		return (int64_t)sequence_of(o, rec);
	return o->mode == BY_CLOCK ? (int64_t)card_clock(o->card, rec) : 0;
}

/* Whether a key is too far from one that came `elapsed` before it to follow without a witness. */
static bool out_of_line(const struct cdf_order *o, int64_t key, int64_t from, int64_t elapsed)
{
	int64_t moved = minus(key, from);

	if (o->mode == BY_SEQUENCE)
		return moved < -NEAR || moved > FAR;
	return o->mode == BY_CLOCK && stepped(o, moved, elapsed);
}

/* ---- handing on ---- */

static const struct passed *find_passed(const struct cdf_order *o, int64_t key)
{
	for (unsigned i = 0; i < PASSED && i < o->npassed; i++)
		if (o->passed[i].key == key)
			return &o->passed[i];
	return NULL;
}

/* What tells a record from another of the same key, without a look at all of a large one. */
static uint64_t print_of(const struct cdf_order *o, const uint8_t *rec)
{
	size_t size = o->card->record, n = size < PRINT ? size : PRINT;

	return (uint64_t)crc_32(rec, n) << 32 | crc_32(rec + size - n, n);
}

/* Whether the key of a record came before, with another record: the device counts anew. */
static bool comes_again(const struct cdf_order *o, const struct slot *s)
{
	if (s->key > o->top)
		return false;
	for (int i = 0; i < o->held; i++)
		if (o->slot[i].key == s->key)
			return memcmp(o->slot[i].rec, s->rec, o->card->record) != 0;
	const struct passed *p = find_passed(o, s->key);
	return p && p->print != print_of(o, s->rec);
}

/* A device clock as it was sent, and how far it has moved in the time by the arrivals. Without a
 * clock the arrival is it. */
struct reading {
	int64_t raw, moved, elapsed;
};

static struct reading reading_since(
    const struct cdf_order *o, const struct cdf_item *item, int64_t clock, int64_t arrival)
{
	struct reading r = {.raw = item->arrival, .elapsed = minus(item->arrival, arrival)};

	r.moved = r.elapsed;
	if (o->card->clock_field < 0)
		return r;
	r.raw = (int64_t)card_clock(o->card, item->rec);
	r.moved = advance(o, clock, r.raw, r.elapsed);
	return r;
}

static struct reading reading_of(const struct cdf_order *o, const struct cdf_item *item)
{
	return reading_since(o, item, o->clock, o->clock_arrival);
}

static bool is_jump(const struct cdf_order *o, const struct reading *r)
{
	return stepped(o, r->moved, r->elapsed);
}

static bool goes_on(const struct cdf_order *o, const struct reading *r)
{
	return r->moved >= 0 && !is_jump(o, r);
}

/* Hands on a record whose clock is judged. The time of an odd one is guessed by the arrivals, and
 * is at most `limit` behind that of the one before. */
static int pass(struct cdf_order *o, struct cdf_item *item, const struct reading *r, int64_t limit)
{
	bool jump = item->segment || is_jump(o, r);
	int64_t since = r->elapsed < limit ? r->elapsed : limit;

	item->clock = jump ? r->raw : plus(o->clock, r->moved);
	item->steady = item->odd ? plus(o->clock, since > 0 ? since : 0) : item->clock;
	if (!item->odd) {
		item->segment = jump;
		o->clock = item->clock;
		o->clock_arrival = item->arrival;
	}
	/* Counted after it: it may begin a file, and what came before belongs to the one before. */
	int bad = o->emit(o->ctx, item);
	o->count.missing += item->missing;
	o->count.segments += item->segment;
	o->count.reordered += item->reordered;
	return bad;
}

/* Judges the doubted clock by the record after it; without one (NULL) it is odd when a segment
 * would begin with it. */
static int settle(struct cdf_order *o, const struct cdf_item *next)
{
	struct cdf_item *item = &o->doubt;
	struct reading here = reading_of(o, item), there, step;
	int64_t limit = INT64_MAX;

	item->odd = is_jump(o, &here);
	if (next) {
		there = reading_of(o, next);
		step = reading_since(o, next, here.raw, item->arrival);
		if (goes_on(o, &there)) {
			limit = there.moved;
			item->odd |= here.moved < 0 || here.moved > there.moved;
		} else if (goes_on(o, &step)) {
			item->odd = false;
		}
	}
	o->doubting = false;
	o->count.held--;
	return pass(o, item, &here, limit);
}

static bool is_doubtful(const struct cdf_order *o, const struct reading *r)
{
	int64_t off = minus(r->moved, r->elapsed);

	return o->mode == BY_SEQUENCE && o->card->clock_field >= 0 &&
	    (off > JITTER || off < -JITTER || r->moved < 0);
}

/* A record that cannot be taken stays with us: nothing more comes. */
static int stop(struct cdf_order *o)
{
	o->count.held++;
	return -1;
}

static int doubt(struct cdf_order *o, const struct cdf_item *item)
{
	if (!o->doubt_rec && !(o->doubt_rec = malloc(o->card->record)))
		return stop(o);
	memcpy(o->doubt_rec, item->rec, o->card->record);
	o->doubt = *item;
	o->doubt.rec = o->doubt_rec;
	o->doubting = true;
	o->count.held++;
	return 0;
}

static int hand_on(struct cdf_order *o, const struct slot *s)
{
	struct cdf_item item = {.rec = s->rec,
	    .arrival = s->arrival,
	    .dropped = s->dropped + o->dropped,
	    .reordered = s->reordered,
	    .segment = !o->passed_any || o->segment};

	if (!item.segment && o->mode == BY_SEQUENCE)
		item.missing = (uint64_t)minus(s->key, o->last) - 1;
	item.sequence = o->mode == BY_SEQUENCE ? (int64_t)sequence_of(o, s->rec) : o->number;
	o->number++;
	o->dropped = 0;
	o->segment = false;
	o->passed_any = true;
	o->last = s->key;
	o->passed[o->npassed++ % PASSED] = (struct passed){s->key, print_of(o, s->rec)};
	if (o->doubting && settle(o, item.segment ? NULL : &item) < 0)
		return stop(o);
	struct reading r = reading_of(o, &item);
	if (!item.segment && is_doubtful(o, &r))
		return doubt(o, &item);
	return pass(o, &item, &r, 0);
}

static int release(struct cdf_order *o)
{
	struct slot first = o->slot[0];

	/* Its memory goes to the end of those that wait, for the next one. */
	memmove(o->slot, o->slot + 1, (size_t)(o->held - 1) * sizeof *o->slot);
	o->slot[--o->held] = first;
	o->count.held--;
	return hand_on(o, &first);
}

/* Whether a key is known to be the next one. At the beginning nothing is: an earlier one may be on
 * its way. */
static bool is_next(const struct cdf_order *o, int64_t key)
{
	return o->mode == BY_SEQUENCE && o->passed_any && !o->segment && key == plus(o->last, 1);
}

/* Whether the doubted clock may be believed without a witness: when that should have come twice. One
 * that has jumped waits for it. */
static bool may_believe(const struct cdf_order *o)
{
	if (!o->doubting)
		return false;
	struct reading r = reading_of(o, &o->doubt);
	return !is_jump(o, &r);
}

static int settle_old(struct cdf_order *o, int64_t now)
{
	int64_t since = minus(o->doubt.arrival, o->clock_arrival);
	int64_t patience = since > PATIENCE / 2 && since < TIM_DAY ? 2 * since : PATIENCE;

	return may_believe(o) && minus(now, o->doubt.arrival) > patience ? settle(o, NULL) : 0;
}

/* Hands on what need not wait any longer. */
static int drain(struct cdf_order *o, int64_t now)
{
	while (o->held) {
		bool old = minus(now, o->slot[0].arrival) > PATIENCE;
		if (!is_next(o, o->slot[0].key) && !old && o->held < o->room)
			break;
		if (release(o) < 0)
			return -1;
	}
	return settle_old(o, now);
}

static int drain_all(struct cdf_order *o)
{
	while (o->held)
		if (release(o) < 0)
			return -1;
	return o->doubting ? settle(o, NULL) : 0;
}

/* ---- taking in ---- */

static int keep(struct cdf_order *o, struct slot *s, const uint8_t *rec)
{
	if (!s->rec)
		s->rec = malloc(o->card->record);
	if (!s->rec)
		return -1;
	memcpy(s->rec, rec, o->card->record);
	return 0;
}

/* A record that is not handed on, and its place in the counts. */
static void leave_out(struct cdf_order *o, const struct slot *s, uint64_t *count)
{
	*count += 1;
	o->dropped += s->dropped;
}

static int hold(struct cdf_order *o, const struct slot *new)
{
	int at = o->held;

	while (at > 0 && o->slot[at - 1].key > new->key)
		at--;
	if (at > 0 && o->slot[at - 1].key == new->key) {
		o->slot[at - 1].dropped += new->dropped;
		o->count.duplicate++;
		return 0;
	}
	struct slot spare = o->slot[o->held];
	if (keep(o, &spare, new->rec) < 0)
		return stop(o);
	memmove(o->slot + at + 1, o->slot + at, (size_t)(o->held - at) * sizeof *o->slot);
	o->slot[at] = *new;
	o->slot[at].rec = spare.rec;
	o->held++;
	o->count.held++;
	return 0;
}

/* A record whose key is in line. */
static int take(struct cdf_order *o, struct slot *s)
{
	s->reordered = o->began && s->key < o->top;
	if (!o->began || s->key > o->top) {
		o->top = s->key;
		o->top_arrival = s->arrival;
	}
	o->began = true;
	if (o->mode == BY_ARRIVAL)
		return hand_on(o, s);
	if (o->passed_any && !o->segment && s->key <= o->last) {
		leave_out(o, s, find_passed(o, s->key) ? &o->count.duplicate : &o->count.late);
		return 0;
	}
	if ((is_next(o, s->key) ? hand_on(o, s) : hold(o, s)) < 0)
		return -1;
	return drain(o, s->arrival);
}

/* The one set aside is believed: the source has started anew, or come back after a long gap. */
static int believe(struct cdf_order *o)
{
	struct slot s = o->slot[SLOTS - 1];

	o->aside = false;
	o->count.held--;
	if (drain_all(o) < 0)
		return stop(o);
	bool back = o->mode == BY_CLOCK || s.key < o->top || s.again;
	if (back) {
		s.key = first_key(o, s.rec);
		o->npassed = 0;
		o->segment = true;
	}
	o->began = false;
	return take(o, &s);
}

/* The one set aside has no witness: counted, and gone. */
static void disbelieve(struct cdf_order *o)
{
	if (!o->aside)
		return;
	const struct slot *a = &o->slot[SLOTS - 1];
	int64_t behind = minus(o->top, a->key);
	bool late = o->mode == BY_SEQUENCE && behind > 0 && behind < FAR;
	leave_out(o, a, a->again ? &o->count.duplicate : late ? &o->count.late : &o->count.stray);
	o->aside = false;
	o->count.held--;
}

static int set_aside(struct cdf_order *o, const struct slot *s)
{
	struct slot *a = &o->slot[SLOTS - 1];

	disbelieve(o);
	uint8_t *mem = a->rec;
	*a = *s;
	a->rec = mem;
	if (keep(o, a, s->rec) < 0)
		return stop(o);
	o->aside = true;
	o->count.held++;
	return 0;
}

/* Whether a record goes on where the one set aside stands. */
static bool witnesses(const struct cdf_order *o, const struct slot *s)
{
	const struct slot *a = &o->slot[SLOTS - 1];
	int64_t elapsed = minus(s->arrival, a->arrival);

	if (!o->aside)
		return false;
	int64_t from = first_key(o, a->rec), key = key_of(o, s->rec, from, elapsed);
	return key > from && !out_of_line(o, key, from, elapsed);
}

int cdf_order_add(struct cdf_order *o, const uint8_t *rec, int64_t arrival, uint64_t dropped)
{
	struct slot s = {.arrival = arrival, .dropped = dropped, .rec = (uint8_t *)rec};
	int64_t elapsed = minus(arrival, o->top_arrival);

	if (!o->began) {
		s.key = first_key(o, rec);
		return take(o, &s);
	}
	s.key = key_of(o, rec, o->top, elapsed);
	s.again = comes_again(o, &s);
	if (!s.again && !out_of_line(o, s.key, o->top, elapsed)) {
		disbelieve(o);
		return take(o, &s);
	}
	if (!witnesses(o, &s))
		return set_aside(o, &s);
	if (believe(o) < 0)
		return stop(o);
	s.again = false;
	s.key = key_of(o, rec, o->top, minus(arrival, o->top_arrival));
	return take(o, &s);
}

int cdf_order_time(struct cdf_order *o, int64_t now)
{
	return drain(o, now);
}

bool cdf_order_waiting(const struct cdf_order *o)
{
	return o->held > 0 || may_believe(o);
}

int cdf_order_flush(struct cdf_order *o)
{
	if (drain_all(o) < 0)
		return -1;
	/* Without a witness only one that goes on behind a gap is believed. */
	if (o->aside && o->mode == BY_SEQUENCE && o->slot[SLOTS - 1].key > o->top) {
		if (believe(o) < 0)
			return -1;
	}
	disbelieve(o);
	return drain_all(o);
}
