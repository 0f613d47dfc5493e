/*
 * line.c - the event builder's device clocks: unwrapping, and which line of time a source keeps to
 *
 * A line is a run of device times that go on as arrival or sequence numbers say. What is out of
 * the present line waits on a shelf of its source until it is clear whether it came late, was
 * garbled, or begins a new line because the device was restarted.
 */
#include "buildin.h"

#include <stdlib.h>
#include <string.h>

/* ---- device clocks ---- */

int64_t line_predict(const struct build *b, int64_t now)
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

int64_t line_seq_diff(const struct build *b, uint64_t x, uint64_t y)
{
	return (int64_t)((x - y) << b->seq_shift) >> b->seq_shift;
}

/* The time that the sequence number promises; false when it cannot. */
static bool time_by_sequence(const struct build *b, const struct record *r, int64_t *t)
{
	const struct source *src = &b->src[r->s];

	if (!b->sequence || src->newest == NO_TIME || src->step <= 0)
		return false;
	int64_t d = line_seq_diff(b, r->seq, src->seq);
	if (d < -SEQ_FAR || d > SEQ_FAR)
		return false;
	*t = add(src->seq_time, d * least(src->step, INT64_MAX / SEQ_FAR / 2));
	return true;
}

bool line_explained(const struct build *b, const struct record *r)
{
	int64_t promised;
	return time_by_sequence(b, r, &promised) &&
	    distance(r->time, promised) <= most(b->o.window, b->src[r->s].step / 2);
}

int64_t line_unwrap(const struct build *b, const struct record *r)
{
	int64_t promised, t;

	if (!b->wrap || !b->begun)
		return r->raw;
	if (time_by_sequence(b, r, &promised)) {
		t = nearest(b, r->raw, promised);
		if (distance(t, promised) <= (int64_t)(b->wrap / 16))
			return t;
	}
	return nearest(b, r->raw, line_predict(b, r->now));
}

/* A sequence that fell back, with a clock that arrival does not explain: where clocks wrap, the
 * clock alone would not show that the device was restarted. */
bool line_sequence_restarted(const struct build *b, const struct record *r)
{
	const struct source *src = &b->src[r->s];

	if (!b->wrap || !b->sequence || src->newest == NO_TIME || line_explained(b, r))
		return false;
	int64_t d = line_seq_diff(b, r->seq, src->seq);
	/* The second record of a source, before its first, is in no hurry to be a restart. */
	int64_t slack = src->step ? add(b->o.window, 2 * least(src->step, STEP_LIMIT)) : b->reach;
	return (d < 0 || d > SEQ_FAR) && distance(r->time, line_predict(b, r->now)) > slack;
}

/* ---- setting aside ---- */

void line_free_shelf(struct shelf *f)
{
	if (f)
		free(f->bytes);
	free(f);
}

static struct aside *shelf_at(struct build *b, struct shelf *f, unsigned k, uint8_t **bytes)
{
	unsigned i = (f->first + k) % b->shelf_room;
	*bytes = f->bytes + i * b->record;
	return &f->at[i];
}

/* Whether a clock was between lo and hi, give or take whole wraps. */
static bool within(const struct build *b, int64_t t, int64_t lo, int64_t hi)
{
	if (b->wrap)
		t = nearest(b, t, hi);
	return t >= lo && t <= hi;
}

/* Whether a record that the segment before had from lo on, or next, could show this clock. */
static bool of_before(const struct build *b, int64_t t, int64_t lo)
{
	return b->n.restarts && within(b, t, lo, add(b->before_hi, least(b->agree, BEYOND)));
}

bool line_of_before(const struct build *b, int64_t t)
{
	return of_before(b, t, most(b->before_lo, sub(b->before_hi, AGREE)));
}

/* Whether a source was restarted while the others went on: it has gone back behind what it had sent
 * itself, and goes on there. Late ones would not come alone, one after the other. */
static bool restarted_alone(const struct shelf *f)
{
	return f->back && f->datagrams >= (f->fits ? EVIDENCE : ALONE);
}

/* The oldest record that a source has set aside came late, or was a stray. */
static void shelf_lose(struct build *b, unsigned s)
{
	struct source *src = &b->src[s];
	struct shelf *f = src->shelf;
	uint8_t *bytes;
	const struct aside *a = shelf_at(b, f, 0, &bytes);
	bool old = !restarted_alone(f) &&
	    ((b->begun && within(b, a->time, sub(b->start, b->reach), b->front)) ||
		of_before(b, a->time, b->before_lo));

	f->first = (f->first + 1) % b->shelf_room;
	f->n--;
	b->nshelves -= f->n == 0;
	b->n.held--;
	if (old)
		build_lose_late(b, s, a->time);
	else
		build_lose(b, s, &b->n.stray);
}

void line_dissolve(struct build *b, unsigned s)
{
	while (b->src[s].shelf->n)
		shelf_lose(b, s);
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

static void say_stray(struct build *b, unsigned s, int64_t t)
{
	if (b->src[s].said_stray)
		return;
	b->src[s].said_stray = true;
	build_sayf(b,
	    "source %u: its clock is %.3f s %s the others: its records are counted as strays until "
	    "they agree",
	    s, seconds(distance(t, b->front)), t > b->front ? "ahead of" : "behind");
}

void line_doubt(struct build *b, unsigned s)
{
	if (b->src[s].shelf)
		b->src[s].shelf->back = false;
}

/* Says and counts, when it becomes clear, that a source was restarted alone. */
static void note_restart(struct build *b, unsigned s, int64_t raw)
{
	struct source *src = &b->src[s];

	if (!restarted_alone(src->shelf) || src->shelf->noted)
		return;
	src->shelf->noted = true;
	b->n.alone++;
	if (!src->said_stray)
		build_sayf(b,
		    "source %u was restarted alone: its clock is at %.3f s, that of the others at "
		    "%.3f s: its records are counted as strays until they agree",
		    s, seconds(raw), seconds(b->front));
	src->said_stray = true;
}

/* How far a source's clock may go beyond what arrival explains from one record to the next. One
 * that wraps looks as if it went on from a late record to the first after a restart. */
static int64_t step_limit(const struct build *b, const struct source *src)
{
	if (!b->wrap || src->step <= 0)
		return STEP_LIMIT;
	return most(b->agree, 4 * least(src->step, STEP_LIMIT));
}

/* Puts a record aside. 0, or -1 without memory. */
static int set_aside(struct build *b, const struct record *r)
{
	struct shelf *f = get_shelf(b, &b->src[r->s]);
	uint8_t *bytes;

	if (!f)
		return -1;
	if (f->n) {
		const struct aside *last = shelf_at(b, f, f->n - 1, &bytes);
		int64_t d = clock_diff(b, r->raw, last->raw);
		if (d < -b->reach ||
		    d > add(most(sub(r->now, last->now), 0), step_limit(b, r->src)))
			line_dissolve(b, r->s);
		else if (d > 0 && r->datagram != last->datagram)
			f->datagrams++;
		f->even &= d < 2 * least(r->src->step, STEP_LIMIT);
	}
	if (f->n == 0) {
		f->datagrams = 1;
		f->fits = f->even = true;
		f->noted = false;
		f->back = b->src[r->s].newest != NO_TIME &&
		    (r->time <= b->src[r->s].newest || line_sequence_restarted(b, r));
	}
	f->fits &= line_explained(b, r);
	if (f->n == b->shelf_room) {
		say_stray(b, r->s, r->time);
		shelf_lose(b, r->s);
	}
	struct aside *a = shelf_at(b, f, f->n, &bytes);
	*a = (struct aside){r->raw, r->time, r->now, r->stamp, r->datagram};
	memcpy(bytes, r->bytes, b->record);
	b->nshelves += f->n++ == 0;
	b->n.held++;
	return 0;
}

/* What the sources say about a new line that the last record of source s stands for. */
struct vote {
	struct aside at; /* that record */
	unsigned with, against, known;
	unsigned even;  /* sources that have gone on in it as evenly as before */
	bool confirmed; /* a source has gone on in it */
	bool sure;      /* for so long that it is no late one */
	bool fits;      /* all of it may be late: sequence numbers go on as in the old line */
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
	struct vote v = {.since = UINT64_MAX, .fits = true};

	v.at = *shelf_at(b, b->src[s].shelf, b->src[s].shelf->n - 1, &bytes);
	for (unsigned i = 0; i < b->nsrc; i++) {
		struct source *src = &b->src[i];
		bool with = agrees(b, src, &v.at);
		v.known += src->newest != NO_TIME || with;
		if (!with)
			continue;
		v.with++;
		v.confirmed |= src->shelf->datagrams >= (src->shelf->fits ? EVIDENCE : 2);
		v.sure |= src->shelf->datagrams >= EVIDENCE;
		v.fits &= src->shelf->fits;
		v.even += src->shelf->even && !src->shelf->fits && src->shelf->datagrams >= 2;
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
			    .src = &b->src[next],
			    .bytes = bytes,
			    .now = a->now,
			    .stamp = a->stamp,
			    .datagram = first};
			if (build_put(b, &r) < 0)
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
		line_free_shelf(b->feed[s]);
		b->feed[s] = NULL;
	}
	return rc;
}

/* Everything open leaves, and the line of `line` begins a segment. */
static int new_segment(struct build *b, const struct aside *line)
{
	if (b->n.restarts < RESTARTS_SAID)
		build_sayf(b, "the device clock went from %.6f s to %.6f s: a new segment begins",
		    seconds(b->front), seconds(line->raw));
	for (unsigned s = 0; s < b->nsrc; s++)
		if (b->src[s].shelf && b->src[s].shelf->n && !agrees(b, &b->src[s], line))
			line_dissolve(b, s);
	return build_end_segment(b);
}

/* Whether device time and arrival time are known to have gone on at the same pace in this segment:
 * a replay at another speed cannot tell a step of the clock from a pause. */
static bool keeps_pace(const struct build *b)
{
	int64_t clock = sub(b->front, b->start), arrival = sub(b->front_now, b->start_now);
	return clock > b->reach && distance(clock, arrival) <= add(clock / 4, b->reach);
}

/* The new line has won. One that lies ahead of the old one goes on in the same segment where the
 * sequence numbers tell of a gap, or where time was not kept anyway. */
static int change_line(struct build *b, const struct vote *v)
{
	if (v->at.time > b->front && (v->fits || (!b->wrap && !keeps_pace(b)))) {
		b->front = v->at.time;
		b->front_now = v->at.now;
	} else if (new_segment(b, &v->at) < 0) {
		return -1;
	}
	return feed(b, &v->at);
}

/* Whether the sources spoke a moment ago: late records may still come. When they fall silent,
 * nothing else comes any more. */
static bool late_possible(const struct build *b, const struct vote *v)
{
	return sub(v->at.now, b->front_now) <= AGREE;
}

/* Whether the new line says what this segment said last. Late records do the same. */
static bool says_again(const struct build *b, const struct vote *v)
{
	return within(b, v->at.time, most(b->start, sub(b->front, b->agree)), b->front);
}

/* Whether the records may be late ones from the segment before. Late ones have gaps between them:
 * hardly from every source, and from three in four without one, while nothing else comes. */
static bool may_be_of_before(const struct build *b, const struct vote *v)
{
	bool everyone = v->known > 1 && v->with == v->known && 4 * v->even >= 3 * v->known;

	return !everyone && late_possible(b, v) && line_of_before(b, v->at.time);
}

/* Whether the new line has won: the first of these that applies decides. */
static bool wins(const struct build *b, const struct vote *v, bool at_end)
{
	bool late = v->at.time >= b->start && v->at.time <= b->front;
	/* one alone, or with numbers that fit the old line, may just be late */
	bool together = v->with >= 2 && !v->fits;

	/* the old line has as many sources: a few were restarted alone */
	if (v->with <= v->against)
		return false;
	/* so long a row of late ones there is not */
	if (v->sure)
		return true;
	/* however many agree, unless it is all of them */
	if (may_be_of_before(b, v))
		return false;
	/* most sources: one of them has gone on there, or several came at once */
	if (2 * v->with > v->known && (v->confirmed || together))
		return true;
	/* at the end nothing more will tell: half of the sources are enough, and of a single one a
	 * datagram, if it cannot be late */
	if (at_end && 2 * v->with >= v->known && (together || !late))
		return true;
	/* few sources: one has gone on there, and does not say again what may come late */
	return v->confirmed && !(late_possible(b, v) && says_again(b, v));
}

int line_set_aside(struct build *b, const struct record *r)
{
	if (set_aside(b, r) < 0)
		return -1;
	if (b->feeding)
		return 0;
	struct vote v = count_votes(b, r->s);
	if (wins(b, &v, false))
		return change_line(b, &v);
	if (v.with <= v.against)
		note_restart(b, r->s, r->raw);
	return 0;
}

int line_end(struct build *b)
{
	for (unsigned s = 0; b->nshelves && s < b->nsrc; s++) {
		if (!b->src[s].shelf || !b->src[s].shelf->n)
			continue;
		struct vote v = count_votes(b, s);
		if (wins(b, &v, true) && change_line(b, &v) < 0)
			return -1;
		if (b->src[s].shelf && b->src[s].shelf->n)
			line_dissolve(b, s);
	}
	return 0;
}
