/*
 * cdf_packets.c - a packet stream into netCDF files, one for each source
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/tim.h"
#include "file/cdf_field.h"
#include "file/cdf_names.h"
#include "file/cdf_order.h"
#include "file/cdf_packets.h"
#include "stream/evt.h"
#include "stream/pkt.h"

/* Flags of a packet: those of events where they say the same, and three more. */
#define FLAG_REORDERED (1 << 17)
#define FLAG_TIME      (1 << 18) /* time is not what the clock says */
#define TIME_SLACK     1000      /* ns that time may be off to increase, without a flag */

#define FILES_EACH 2  /* open at once for each source: its file, and the folder */
#define FILES_MORE 64 /* and for all else */

enum loss {
	MISSING,
	DUPLICATE,
	LATE,
	STRAY,
	REORDERED,
	FILL_VALUES,
	TIMES,
	MALFORMED,
	UNKNOWN,
	TRUNCATED,
	FRAGMENTS,
	FOREIGN,
	DROPPED,
	KERNEL_DROPS,
	INTERFACE_DROPS,
	DAMAGED,
	SKIPPED,
	CUT,
	LOSSES
};
#define FIRST_STREAM MALFORMED /* the rows before it are the source's own */

static const char *const loss_names[LOSSES] = {
    [MISSING] = "records missing by sequence number",
    [DUPLICATE] = "duplicates, not stored",
    [LATE] = "records too late, not stored",
    [STRAY] = "records out of line, not stored",
    [REORDERED] = "records put in order",
    [FILL_VALUES] = "measured values equal to the fill value",
    [TIMES] = "times that are not the clock's",
    [MALFORMED] = "stream: datagrams of a wrong length",
    [UNKNOWN] = "stream: records of unknown sources",
    [TRUNCATED] = "stream: truncated datagrams",
    [FRAGMENTS] = "stream: fragments of datagrams",
    [FOREIGN] = "stream: other traffic",
    [DROPPED] = "stream: datagrams dropped by the receiver",
    [KERNEL_DROPS] = "stream: kernel drops, as of its end mark",
    [INTERFACE_DROPS] = "stream: other losses, as of its end mark",
    [DAMAGED] = "stream: damaged places",
    [SKIPPED] = "stream: bytes skipped at damaged places",
    [CUT] = "stream: cut before its end mark",
};

/* the tally's losses */
enum { T_MALFORMED, T_UNKNOWN, T_TRUNCATED, T_FRAGMENT, T_DUPLICATE, T_LATE, T_STRAY, T_UNWRITTEN };

/* One board, and its file. */
struct source {
	struct cdf_packets *of;
	unsigned number;
	struct cdf_run run;
	struct cdf_order *order;
	struct cdf_loss loss[LOSSES + 1];
	struct cdf_naming naming;
	struct {
		size_t time, arrival, clock, sequence, missing, dropped, segment, flags;
	} at;
	struct cdf_field field[CARD_FIELDS];
	size_t field_at[CARD_FIELDS];
};

struct cdf_packets {
	const struct cdf_options *o;
	struct card
	    card; /* a copy: --names gives its fields other names. The text is the caller's */
	struct cdf_naming naming;
	struct tally *tally;
	struct source *source[CARD_SOURCES];
	int nsources, only;             /* how many have sent, and the first one */
	struct cdf_loss stream[LOSSES]; /* base: as some file has it */
	uint64_t dropped; /* told with datagrams that were not stored: for the next record */
	enum cdf_type i64, u32;
	bool said_unknown, said_length;
	const char *why;
};

struct cdf_packets *cdf_packets_new(
    const struct cdf_options *o, const struct card *c, struct tally *t, char why[CDF_WHY])
{
	struct cdf_packets *p = calloc(1, sizeof *p);

	if (!p) {
		snprintf(why, CDF_WHY, "out of memory");
		return NULL;
	}
	p->o = o;
	p->card = *c;
	p->tally = t;
	p->why = "";
	if (cdf_naming_begin(&p->naming, o->names, &p->card, why) < 0) {
		free(p);
		return NULL;
	}
	io_many_files(FILES_EACH * c->nsrc + FILES_MORE);
	p->i64 = cdf_classic(CDF_I64, o->classic);
	p->u32 = cdf_classic(CDF_U32, o->classic);
	t->unit = "records";
	t->lost[T_MALFORMED].name = "wrong length";
	t->lost[T_UNKNOWN].name = "unknown source";
	t->lost[T_TRUNCATED].name = "truncated";
	t->lost[T_FRAGMENT].name = "fragment";
	t->lost[T_DUPLICATE].name = "duplicate";
	t->lost[T_LATE].name = "late";
	t->lost[T_STRAY].name = "out of line";
	t->lost[T_UNWRITTEN].name = "not written";
	t->also[0].name = "missing";
	t->also[1].name = "reordered";
	t->also[2].name = "segments";
	t->also[3].name = "sources";
	t->also[4].name = "times not the clock's";
	t->also[5].name = "other traffic";
	return p;
}

/* ---- a source's file ---- */

struct places {
	int time, arrival, clock, sequence, missing, dropped, segment, flags;
};

static int per_row(struct cdf_head *h, const char *name, enum cdf_type t, const char *long_name)
{
	int time = 0;

	return cdf_named(h, name, t, 1, &time, long_name);
}

static void define(struct source *s, struct cdf_head *h, struct places *p)
{
	static const int32_t masks[] = {
	    EVT_SEGMENT, EVT_GAP, EVT_DROPS, CDF_FLAG_FILL, FLAG_REORDERED, FLAG_TIME};
	enum cdf_type i64 = s->of->i64, u32 = s->of->u32;

	p->time = cdf_run_time_var(&s->run, h, "time", 0, "time of the record (UTC)");
	cdf_text(h, p->time, "standard_name", "time");
	p->arrival = cdf_run_time_var(
	    &s->run, h, "arrival", 0, "arrival of the datagram (UTC, kernel time stamp)");
	p->clock = per_row(h, "clock", i64, "device clock, unwrapped within its segment");
	cdf_text(h, p->clock, "units", "ns");
	p->sequence = per_row(h, "sequence", i64, "sequence number as it was sent");
	p->missing = per_row(h, "missing", i64, "sequence numbers missing just before this record");
	p->dropped = per_row(h, "dropped", u32,
	    "datagrams of all sources that the receiver dropped just before this one");
	p->segment = per_row(h, "segment", CDF_I32,
	    "segment of the device clock: a new one begins where it was restarted");
	p->flags = per_row(h, "flags", CDF_I32, "quality of the record");
	cdf_list(h, p->flags, "flag_masks", CDF_I32, sizeof masks / sizeof *masks, masks);
	cdf_text(h, p->flags, "flag_meanings",
	    "segment_start sequence_gap datagrams_dropped fill_value_in_data reordered "
	    "time_replaced");
	cdf_number(h, CDF_GLOBAL, "source_number", CDF_I32, s->number);
}

static void find_places(struct source *s, const struct places *p)
{
	const struct cdf *f = s->run.f;

	s->at.time = cdf_offset(f, p->time);
	s->at.arrival = cdf_offset(f, p->arrival);
	s->at.clock = cdf_offset(f, p->clock);
	s->at.sequence = cdf_offset(f, p->sequence);
	s->at.missing = cdf_offset(f, p->missing);
	s->at.dropped = cdf_offset(f, p->dropped);
	s->at.segment = cdf_offset(f, p->segment);
	s->at.flags = cdf_offset(f, p->flags);
	for (int i = 0; i < s->of->card.nfields; i++)
		s->field_at[i] = cdf_offset(f, s->field[i].var);
}

static int open_file(struct source *s, int64_t first)
{
	const struct card *c = &s->of->card;
	struct cdf_head *h = cdf_run_head(&s->run, first, 0);
	struct places p;
	int time = 0;

	if (!h)
		return -1;
	define(s, h, &p);
	for (int i = 0; i < c->nfields; i++)
		cdf_field_define(&s->field[i], h, c, i, 1, &time, false, s->of->o->classic);
	cdf_naming_define(&s->naming, h);
	if (cdf_run_open(&s->run, h, first) < 0)
		return -1;
	find_places(s, &p);
	cdf_naming_open(&s->naming, &s->run, c, (int)s->number);
	return 0;
}

static size_t put_fields(struct source *s, const uint8_t *rec, uint8_t *row)
{
	size_t same = 0;

	for (int i = 0; i < s->of->card.nfields; i++)
		same += cdf_field_put(&s->field[i], &s->of->card, rec, row + s->field_at[i]);
	return same;
}

static void put_row(
    struct source *s, const struct cdf_item *item, int64_t utc, bool replaced, uint8_t *row)
{
	size_t same = put_fields(s, item->rec, row);
	int64_t flags = (item->segment ? EVT_SEGMENT : 0) | (item->missing ? EVT_GAP : 0) |
	    (item->dropped ? EVT_DROPS : 0) | (same ? CDF_FLAG_FILL : 0) |
	    (item->reordered ? FLAG_REORDERED : 0) | (replaced ? FLAG_TIME : 0);

	s->loss[FILL_VALUES].n += same;
	cdf_put_real(row + s->at.time, cdf_run_seconds(&s->run, utc));
	cdf_put_real(row + s->at.arrival, cdf_run_seconds(&s->run, item->arrival));
	cdf_put_int(row + s->at.clock, s->of->i64, item->clock);
	cdf_put_int(row + s->at.sequence, s->of->i64, item->sequence);
	cdf_put_int(row + s->at.missing, s->of->i64, (int64_t)item->missing);
	cdf_put_int(row + s->at.dropped, s->of->u32, (int64_t)item->dropped);
	cdf_put_int(row + s->at.segment, CDF_I32, s->run.segment);
	cdf_put_int(row + s->at.flags, CDF_I32, flags);
	cdf_naming_put(&s->naming, &s->of->card, item, utc, row);
}

/* What the order and the stream have counted, into the source's loss table. */
static void take_counts(struct source *s)
{
	const struct cdf_order_count *n = cdf_order_count(s->order);

	s->loss[MISSING].n = n->missing;
	s->loss[DUPLICATE].n = n->duplicate;
	s->loss[LATE].n = n->late;
	s->loss[STRAY].n = n->stray;
	s->loss[REORDERED].n = n->reordered;
	for (int i = FIRST_STREAM; i < LOSSES; i++)
		s->loss[i].n = s->of->stream[i].n;
}

/* The time of a row: strictly increasing, whatever the device and the arrivals do. Says whether it
 * is another than the clock's by more than a tick. */
static int64_t time_of(struct source *s, const struct cdf_item *item, bool *replaced)
{
	const struct card *c = &s->of->card;
	int64_t utc = cdf_run_utc(&s->run, item->steady, item->arrival);
	int64_t last = s->run.last, next = last < INT64_MAX ? last + 1 : last;
	uint64_t slack = c->clock_unit > TIME_SLACK ? (uint64_t)c->clock_unit : TIME_SLACK;
	uint64_t late = utc < next ? (uint64_t)next - (uint64_t)utc : 0;

	if (utc < next)
		utc = next;
	*replaced = late > slack || (item->odd && c->tie != CARD_TIE_NONE);
	s->loss[TIMES].n += *replaced;
	s->of->tally->also[4].n += *replaced;
	s->run.last = utc;
	return utc;
}

/* Finishes the open file, if there is one; what it tells of the stream's losses is told. */
static int close_file(struct source *s)
{
	if (!s->run.open)
		return 0;
	take_counts(s);
	if (cdf_run_close(&s->run) < 0)
		return -1;
	for (int i = FIRST_STREAM; i < LOSSES; i++)
		s->of->stream[i].base = s->of->stream[i].n;
	return 0;
}

/* One that was in doubt until after its file had ended belongs into the file of the present. */
static int64_t first_of(const struct source *s, const struct cdf_item *item)
{
	bool ended = s->run.until != INT64_MAX && item->arrival < s->run.until;

	return ended && s->run.beat > item->arrival ? s->run.beat : item->arrival;
}

static int emit(void *ctx, const struct cdf_item *item)
{
	struct source *s = ctx;
	bool replaced;

	s->of->tally->held++; /* until it is stored: to the end, when the file cannot be written */
	if (cdf_run_due(&s->run, item->arrival) && close_file(s) < 0)
		return -1;
	if (item->segment)
		cdf_run_segment(&s->run, item->clock, item->arrival);
	if (!s->run.open && open_file(s, first_of(s, item)) < 0)
		return -1;
	uint8_t *row = cdf_run_row(&s->run);
	if (!row)
		return -1;
	int64_t utc = time_of(s, item, &replaced);
	put_row(s, item, utc, replaced, row);
	cdf_run_row_done(&s->run, item->arrival);
	s->of->tally->held--;
	s->of->tally->out++;
	return 0;
}

/* ---- sources ---- */

static int fail(struct cdf_packets *p, const char *why)
{
	p->why = why;
	return -1;
}

static struct source *source_new(struct cdf_packets *p, unsigned number)
{
	struct source *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->of = p;
	s->number = number;
	s->naming = p->naming;
	for (int i = 0; i < LOSSES; i++) {
		s->loss[i].name = loss_names[i];
		s->loss[i].base = p->nsources ? p->stream[i].n : 0;
	}
	cdf_run_init(&s->run, p->o, &p->card, "time", s->loss, p->card.nsrc);
	s->order = cdf_order_new(&p->card, emit, s);
	if (s->order)
		return s;
	free(s);
	return NULL;
}

/* With one source its file has the plain name; with more each has its number. */
static int tag_sources(struct cdf_packets *p, struct source *s)
{
	char tag[16];
	struct source *first = p->source[p->only];

	if (p->nsources == 1 && !(p->o->dir && p->card.nsrc > 1))
		return 0;
	snprintf(tag, sizeof tag, "_s%02u", s->number);
	if (cdf_run_retag(&s->run, tag) < 0)
		return fail(p, s->run.why);
	if (p->nsources != 2 || first->run.tag[0])
		return 0;
	snprintf(tag, sizeof tag, "_s%02u", first->number);
	bool was_open = first->run.open;
	if (cdf_run_retag(&first->run, tag) < 0)
		return fail(p, first->run.why);
	if (was_open)
		p->o->say("source %u sends too: the file of source %u is now %s", s->number,
		    first->number, first->run.pub.path);
	return 0;
}

static struct source *source_of(struct cdf_packets *p, unsigned number)
{
	if (p->source[number])
		return p->source[number];
	struct source *s = source_new(p, number);
	if (!s) {
		fail(p, "out of memory");
		return NULL;
	}
	p->source[number] = s;
	if (p->nsources++ == 0)
		p->only = (int)number;
	p->tally->also[3].n++;
	return tag_sources(p, s) < 0 ? NULL : s;
}

/* ---- packets ---- */

static void lose(struct cdf_packets *p, int row, int in_tally)
{
	p->stream[row].n++;
	p->tally->in++;
	p->tally->lost[in_tally].n++;
}

/* A captured packet that is no datagram: a piece of one is lost, other traffic is not for us. */
static void skip(struct cdf_packets *p, enum pkt_verdict why)
{
	if (why == PKT_TRUNCATED) {
		lose(p, TRUNCATED, T_TRUNCATED);
	} else if (why == PKT_FRAGMENT) {
		lose(p, FRAGMENTS, T_FRAGMENT);
	} else {
		p->stream[FOREIGN].n++;
		p->tally->also[5].n++;
	}
}

static void say_unknown(struct cdf_packets *p, const struct pkt *k)
{
	char text[PKT_TEXT], range[CARD_WHY];

	if (!p->said_unknown)
		p->o->say("%s: an unknown source: %s has %s: not stored, and counted",
		    pkt_text(&k->src, text), p->card.name, card_sources(&p->card, range));
	p->said_unknown = true;
}

static void say_length(struct cdf_packets *p, const struct pkt *k)
{
	char text[PKT_TEXT];

	if (!p->said_length)
		p->o->say(
		    "a datagram of %zu bytes from %s: card %s has %u%s: not stored, and counted",
		    k->len, pkt_text(&k->src, text), p->card.name, p->card.record,
		    p->card.whole ? "" : " bytes a record");
	p->said_length = true;
}

/* The tally's counts that the orders keep: differences of one source's since before. */
static void move_counts(
    struct tally *t, const struct cdf_order_count *a, const struct cdf_order_count *b)
{
	t->lost[T_DUPLICATE].n += b->duplicate - a->duplicate;
	t->lost[T_LATE].n += b->late - a->late;
	t->lost[T_STRAY].n += b->stray - a->stray;
	t->also[0].n += b->missing - a->missing;
	t->also[1].n += b->reordered - a->reordered;
	t->also[2].n += b->segments - a->segments;
	t->held += b->held - a->held;
}

static int add_record(struct cdf_packets *p, const struct pkt *k, const uint8_t *rec)
{
	int number = card_source(&p->card, k, rec);

	if (number < 0) {
		say_unknown(p, k);
		lose(p, UNKNOWN, T_UNKNOWN);
		return 0;
	}
	struct source *s = source_of(p, (unsigned)number);
	if (!s)
		return -1;
	struct cdf_order_count before = *cdf_order_count(s->order);
	p->tally->in++;
	int bad = cdf_order_add(s->order, rec, k->time, p->dropped);
	/* Counted after it: it may begin a file, where the record that says so stands. */
	p->stream[DROPPED].n += p->dropped;
	p->dropped = 0;
	move_counts(p->tally, &before, cdf_order_count(s->order));
	return bad ? fail(p, s->run.why[0] ? s->run.why : "out of memory") : 0;
}

int cdf_packets_add(struct cdf_packets *p, const struct cap_record *r)
{
	struct pkt k;

	p->dropped += r->dropped;
	enum pkt_verdict got = pkt_decode(r, &k);
	if (got != PKT_OK) {
		skip(p, got);
		return 0;
	}
	bool fits =
	    p->card.whole ? k.len == p->card.record : k.len > 0 && k.len % p->card.record == 0;
	if (!fits) {
		say_length(p, &k);
		lose(p, MALFORMED, T_MALFORMED);
		return 0;
	}
	for (size_t at = 0; at < k.len; at += p->card.record)
		if (add_record(p, &k, k.data + at) < 0)
			return -1;
	return 0;
}

/* Calls a function of the order for every source. */
static int each_order(struct cdf_packets *p, int (*call)(struct cdf_order *, int64_t), int64_t now)
{
	for (unsigned n = 0; n < p->card.nsrc; n++) {
		struct source *s = p->source[n];
		if (!s)
			continue;
		struct cdf_order_count before = *cdf_order_count(s->order);
		int bad = call(s->order, now);
		move_counts(p->tally, &before, cdf_order_count(s->order));
		if (bad)
			return fail(p, s->run.why[0] ? s->run.why : "out of memory");
	}
	return 0;
}

int cdf_packets_time(struct cdf_packets *p, int64_t now)
{
	if (each_order(p, cdf_order_time, now) < 0)
		return -1;
	for (unsigned n = 0; n < p->card.nsrc; n++) {
		struct source *s = p->source[n];
		if (s)
			s->run.beat = now;
		if (!s || !cdf_run_due(&s->run, now) || cdf_order_waiting(s->order))
			continue;
		if (close_file(s) < 0)
			return fail(p, s->run.why);
	}
	return 0;
}

static int flush(struct cdf_order *o, int64_t now)
{
	(void)now;
	return cdf_order_flush(o);
}

void cdf_packets_state(struct cdf_packets *p, const struct cap_state *s)
{
	p->stream[KERNEL_DROPS].n = s->osdrop;
	p->stream[INTERFACE_DROPS].n = s->ifdrop;
	p->stream[DAMAGED].n = s->damaged;
	p->stream[SKIPPED].n = s->skipped;
	p->stream[CUT].n = s->cut;
}

/* What was lost after the last file was finished gets one without records: a source's own losses
 * in its own, the stream's in that of the first source. */
static int tell_rest(struct source *s)
{
	bool untold = cdf_run_untold(&s->run, FIRST_STREAM);

	for (int i = FIRST_STREAM; i < LOSSES && s->run.beat && !s->run.why[0]; i++)
		untold |= i != FOREIGN && s->of->stream[i].n != s->of->stream[i].base;
	if (!untold)
		return 0;
	s->run.no_link = true; /* there is nothing in it to look at */
	return open_file(s, s->run.beat) < 0 ? -1 : close_file(s);
}

static int commit(struct source *s)
{
	take_counts(s);
	return cdf_run_commit(&s->run);
}

static int each_file(struct cdf_packets *p, int (*call)(struct source *))
{
	int bad = 0, error = 0;

	for (unsigned n = 0; n < p->card.nsrc; n++) {
		struct source *s = p->source[n];
		if (!s || call(s) == 0)
			continue;
		error = bad ? error : errno;
		bad = fail(p, s->run.why);
	}
	errno = error;
	return bad;
}

int cdf_packets_commit(struct cdf_packets *p)
{
	return each_file(p, commit);
}

int cdf_packets_close(struct cdf_packets *p)
{
	int bad = each_order(p, flush, 0), error = errno;
	const char *why = p->why;

	/* What is whole is kept, also when the last of it could not be written. */
	p->stream[DROPPED].n += p->dropped;
	bool failed = each_file(p, close_file) < 0 || (!bad && each_file(p, tell_rest) < 0);
	for (unsigned n = 0; n < p->card.nsrc; n++)
		if (p->source[n])
			cdf_run_settle(&p->source[n]->run, p->tally, &p->tally->lost[T_UNWRITTEN]);
	if (failed && !bad)
		return -1;
	if (bad)
		p->why = why;
	errno = error;
	return bad;
}

const char *cdf_packets_why(const struct cdf_packets *p)
{
	return p->why;
}

int cdf_packets_fd(const struct cdf_packets *p)
{
	for (unsigned n = 0; n < p->card.nsrc; n++)
		if (p->source[n] && p->source[n]->run.open)
			return p->source[n]->run.fd;
	return -1;
}

void cdf_packets_free(struct cdf_packets *p)
{
	if (!p)
		return;
	for (unsigned n = 0; n < p->card.nsrc; n++) {
		if (!p->source[n])
			continue;
		cdf_run_drop(&p->source[n]->run);
		cdf_order_free(p->source[n]->order);
		free(p->source[n]);
	}
	free(p);
}
