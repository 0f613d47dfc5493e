/*
 * cdf_events.c - an event stream into netCDF files
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "file/cdf_events.h"
#include "file/cdf_field.h"
#include "stream/build.h"
#include "stream/evt.h"

#define BUILDER "evbuild: " /* the rows of the loss table that an end mark names */

enum loss {
	EVENTS_INCOMPLETE,
	SOURCES_ABSENT,
	EVENTS_MISSING,
	EVENTS_MALFORMED,
	EVENTS_CONFLICT,
	EVENTS_GAP,
	DATAGRAMS_DROPPED,
	KERNEL_DROPS,
	INTERFACE_DROPS,
	FILL_VALUES,
	DAMAGED,
	SKIPPED,
	CUT,
	LOSSES
};

struct cdf_events {
	struct cdf_run run;
	const struct card *card;
	struct tally *tally;
	struct cdf_loss loss[LOSSES + TALLY_MAX + 1]; /* the builder's losses stand behind ours */
	char builder[TALLY_MAX][CAP_LOSS_NAME + 16];  /* their names */
	bool began;                                   /* there was an event */
	bool again;       /* the next event begins a segment: another stream */
	uint64_t next;    /* number of the next event */
	uint32_t number;  /* of the run of the last one */
	uint64_t dropped; /* datagrams dropped since the last event */

	/* The variables of the open file, and where they stand in a row. */
	struct {
		size_t time, arrival, clock, number, run, segment, flags, nrec, dropped, present,
		    offset;
	} at;
	enum cdf_type i64, u32;
	int nfields;
	struct cdf_field field[CARD_FIELDS];
	size_t field_at[CARD_FIELDS];
};

static const char *const loss_names[LOSSES] = {
    [EVENTS_INCOMPLETE] = "incomplete events",
    [SOURCES_ABSENT] = "sources absent from incomplete events",
    [EVENTS_MISSING] = "events missing in the stream",
    [EVENTS_MALFORMED] = "malformed events, not stored",
    [EVENTS_CONFLICT] = "events with conflicting duplicates",
    [EVENTS_GAP] = "events after a sequence gap",
    [DATAGRAMS_DROPPED] = "datagrams dropped before an event",
    [KERNEL_DROPS] = "kernel drops, as of the stream's end mark",
    [INTERFACE_DROPS] = "lost or doubled upstream, as of the end mark",
    [FILL_VALUES] = "measured values equal to the fill value",
    [DAMAGED] = "damaged places in the stream",
    [SKIPPED] = "bytes skipped at damaged places",
    [CUT] = "streams cut before their end mark",
};

struct cdf_events *cdf_events_new(
    const struct cdf_options *o, const struct card *c, struct tally *t)
{
	struct cdf_events *e = calloc(1, sizeof *e);
	struct tally_item lost[TALLY_MAX];

	if (!e)
		return NULL;
	for (int i = 0; i < LOSSES; i++)
		e->loss[i].name = loss_names[i];
	build_losses(&(struct build_count){0}, lost);
	for (int i = 0; i < TALLY_MAX && lost[i].name; i++) {
		snprintf(e->builder[i], sizeof e->builder[i], BUILDER "%s", lost[i].name);
		e->loss[LOSSES + i].name = e->builder[i];
	}
	e->card = c;
	e->tally = t;
	t->unit = "events";
	t->lost[0].name = "malformed";
	t->lost[1].name = "not written";
	t->also[0].name = "incomplete";
	t->also[1].name = "missing in the stream";
	t->also[2].name = "segments";
	cdf_run_init(&e->run, o, c, "event", e->loss, 1);
	return e;
}

/* ---- the file ---- */

static void put_flag_meanings(struct cdf_head *h, int v)
{
	static const int32_t masks[] = {EVT_INCOMPLETE, EVT_HELD, EVT_OVERFLOW, EVT_FLUSHED,
	    EVT_SEGMENT, EVT_DUPLICATE, EVT_CONFLICT, EVT_GAP, EVT_DROPS, CDF_FLAG_FILL};

	cdf_list(h, v, "flag_masks", CDF_I32, sizeof masks / sizeof *masks, masks);
	cdf_text(h, v, "flag_meanings",
	    "incomplete held overflow flushed segment_start duplicate conflicting_duplicate "
	    "sequence_gap datagrams_dropped fill_value_in_data");
}

struct places {
	int time, arrival, clock, number, run, segment, flags, nrec, dropped, present, offset;
};

static void define(struct cdf_events *e, struct cdf_head *h, const int dims[2], struct places *p)
{
	p->time = cdf_run_time_var(&e->run, h, "time", dims[0], "time of the event (UTC)");
	cdf_text(h, p->time, "standard_name", "time");
	p->arrival = cdf_run_time_var(&e->run, h, "arrival", dims[0],
	    "arrival of the event's first datagram (UTC, kernel time stamp)");
	p->clock = cdf_named(h, "clock", e->i64, 1, dims, "device clock of the event");
	cdf_text(h, p->clock, "units", "ns");
	p->number =
	    cdf_named(h, "number", e->i64, 1, dims, "event number, without holes in a stream");
	p->run = cdf_named(h, "run", e->u32, 1, dims, "run number");
	p->segment = cdf_named(h, "segment", CDF_I32, 1, dims,
	    "segment of the device clock: a new one begins where it was restarted");
	p->flags = cdf_named(h, "flags", CDF_I32, 1, dims, "quality of the event");
	put_flag_meanings(h, p->flags);
	p->nrec = cdf_named(h, "nrec", CDF_I16, 1, dims, "sources that are in the event");
	p->dropped = cdf_named(h, "dropped", e->i64, 1, dims,
	    "datagrams that the receiver dropped since the event before");
	p->present = cdf_named(h, "present", CDF_I8, 2, dims, "1 where the source is in the event");
	p->offset = cdf_named(
	    h, "offset", CDF_I32, 2, dims, "device time of the source's record less clock");
	cdf_text(h, p->offset, "units", "ns");
	cdf_number(h, p->offset, "_FillValue", CDF_I32, EVT_ABSENT);
}

/* A field's coordinates: its own axes have none, but time goes with every event. */
static void define_fields(struct cdf_events *e, struct cdf_head *h, const int dims[2])
{
	e->nfields = 0;
	for (int i = 0; i < e->card->nfields; i++) {
		struct cdf_field *f = &e->field[e->nfields++];
		if (cdf_field_define(f, h, e->card, i, 2, dims, true, e->run.o->classic) == 0)
			cdf_text(h, f->var, "coordinates", "time");
	}
}

static void find_places(struct cdf_events *e, const struct places *p)
{
	const struct cdf *f = e->run.f;

	e->at.time = cdf_offset(f, p->time);
	e->at.arrival = cdf_offset(f, p->arrival);
	e->at.clock = cdf_offset(f, p->clock);
	e->at.number = cdf_offset(f, p->number);
	e->at.run = cdf_offset(f, p->run);
	e->at.segment = cdf_offset(f, p->segment);
	e->at.flags = cdf_offset(f, p->flags);
	e->at.nrec = cdf_offset(f, p->nrec);
	e->at.dropped = cdf_offset(f, p->dropped);
	e->at.present = cdf_offset(f, p->present);
	e->at.offset = cdf_offset(f, p->offset);
	for (int i = 0; i < e->nfields; i++)
		e->field_at[i] = cdf_offset(f, e->field[i].var);
}

static int open_file(struct cdf_events *e, int64_t first, uint32_t run)
{
	struct places p;
	struct cdf_head *h = cdf_run_head(&e->run, first, run);

	if (!h)
		return -1;
	int dims[2] = {0, cdf_field_dim(h, e->card->source_name, e->card->nsrc)};
	e->i64 = cdf_classic(CDF_I64, e->run.o->classic);
	e->u32 = cdf_classic(CDF_U32, e->run.o->classic);
	define(e, h, dims, &p);
	define_fields(e, h, dims);
	if (cdf_run_open(&e->run, h, first) < 0)
		return -1;
	find_places(e, &p);
	return 0;
}

/* ---- events ---- */

/* The records of the sources, and fill where there is none. Returns the measured values that
 * equal it. */
static size_t put_fields(struct cdf_events *e, const struct evt *v, uint8_t *row)
{
	size_t same = 0;

	for (int i = 0; i < e->nfields; i++) {
		const struct cdf_field *f = &e->field[i];
		uint8_t *to = row + e->field_at[i];
		for (unsigned s = 0; s < v->nsrc; s++, to += f->bytes) {
			if (evt_present(v, s))
				same += cdf_field_put(f, e->card, v->slots + s * v->slot, to);
			else
				cdf_field_fill(f, to, f->bytes);
		}
	}
	return same;
}

static void put_sources(struct cdf_events *e, const struct evt *v, uint8_t *row)
{
	for (unsigned s = 0; s < v->nsrc; s++) {
		row[e->at.present + s] = (uint8_t)evt_present(v, s);
		cdf_put_int(row + e->at.offset + 4 * s, CDF_I32, wire_get(v->offset[s]));
	}
}

static void put_numbers(struct cdf_events *e, const struct evt *v, const struct cap_record *rec,
    uint32_t flags, uint8_t *row)
{
	int64_t utc = cdf_run_utc(&e->run, v->clock, rec->time);

	cdf_put_real(row + e->at.time, cdf_run_seconds(&e->run, utc));
	cdf_put_real(row + e->at.arrival, cdf_run_seconds(&e->run, rec->time));
	cdf_put_int(row + e->at.clock, e->i64, v->clock);
	cdf_put_int(row + e->at.number, e->i64, (int64_t)v->number);
	cdf_put_int(row + e->at.run, e->u32, v->run);
	cdf_put_int(row + e->at.segment, CDF_I32, e->run.segment);
	cdf_put_int(row + e->at.flags, CDF_I32, flags);
	cdf_put_int(row + e->at.nrec, CDF_I16, v->nrec);
	cdf_put_int(row + e->at.dropped, e->i64, (int64_t)e->dropped);
}

static void count(struct cdf_events *e, const struct evt *v)
{
	struct cdf_loss *l = e->loss;

	if (v->flags & EVT_INCOMPLETE) {
		l[EVENTS_INCOMPLETE].n++;
		l[SOURCES_ABSENT].n += v->nsrc - v->nrec;
	}
	l[EVENTS_CONFLICT].n += (v->flags & EVT_CONFLICT) != 0;
	l[EVENTS_GAP].n += (v->flags & EVT_GAP) != 0;
	l[DATAGRAMS_DROPPED].n += e->dropped;
	if (e->began && !e->again && v->number > e->next)
		l[EVENTS_MISSING].n += v->number - e->next;
	e->next = v->number + 1;
	e->number = v->run;
	e->tally->also[0].n = l[EVENTS_INCOMPLETE].n;
	e->tally->also[1].n = l[EVENTS_MISSING].n;
}

static bool is_event(const struct cdf_events *e, const struct cap_record *rec, struct evt *v)
{
	return evt_decode(rec->data, rec->caplen, v) == NULL && v->nsrc == e->card->nsrc &&
	    v->slot == e->card->record;
}

int cdf_events_add(struct cdf_events *e, const struct cap_record *rec)
{
	struct evt v;

	e->tally->in++;
	e->dropped += rec->dropped;
	if (!is_event(e, rec, &v)) {
		e->loss[EVENTS_MALFORMED].n++;
		e->tally->lost[0].n++;
		return 0;
	}
	bool segment = !e->began || e->again || (v.flags & EVT_SEGMENT);
	/* What cannot be stored because the file cannot be written is held until the end. */
	e->tally->held++;
	if (cdf_run_due(&e->run, rec->time) && cdf_run_close(&e->run) < 0)
		return -1;
	if (segment) {
		cdf_run_segment(&e->run, v.clock, rec->time);
		e->tally->also[2].n++;
	}
	if (!e->run.open && open_file(e, rec->time, v.run) < 0)
		return -1;
	uint8_t *row = cdf_run_row(&e->run);
	if (!row)
		return -1;
	count(e, &v);
	size_t same = put_fields(e, &v, row);
	e->loss[FILL_VALUES].n += same;
	put_sources(e, &v, row);
	put_numbers(e, &v, rec, v.flags | (same ? CDF_FLAG_FILL : 0), row);
	cdf_run_row_done(&e->run, rec->time);
	e->dropped = 0;
	e->began = true;
	e->again = false;
	e->tally->held--;
	e->tally->out++;
	return 0;
}

int cdf_events_time(struct cdf_events *e, int64_t now)
{
	e->run.beat = now;
	return cdf_run_due(&e->run, now) ? cdf_run_close(&e->run) : 0;
}

void cdf_events_again(struct cdf_events *e)
{
	e->again = e->began;
}

void cdf_events_state(struct cdf_events *e, const struct cap_state *s)
{
	e->loss[KERNEL_DROPS].n = s->osdrop;
	e->loss[INTERFACE_DROPS].n = s->ifdrop;
	e->loss[DAMAGED].n = s->damaged;
	e->loss[SKIPPED].n = s->skipped;
	e->loss[CUT].n = s->cut;
	for (struct cdf_loss *l = e->loss + LOSSES; l->name; l++)
		for (int i = 0; i < TALLY_MAX; i++)
			if (strcmp(l->name + strlen(BUILDER), s->lost[i].name) == 0)
				l->n = s->lost[i].n;
}

int cdf_events_commit(struct cdf_events *e)
{
	return cdf_run_commit(&e->run);
}

int cdf_events_close(struct cdf_events *e)
{
	int bad = 0;

	e->loss[DATAGRAMS_DROPPED].n += e->dropped;
	e->dropped = 0;
	/* What was lost after the last file was finished gets one without events. */
	if (cdf_run_untold(&e->run, INT_MAX)) {
		e->run.no_link = true; /* there is nothing in it to look at */
		bad = open_file(e, e->run.beat, e->number);
	}
	if (!bad)
		bad = cdf_run_close(&e->run);
	cdf_run_settle(&e->run, e->tally, &e->tally->lost[1]);
	return bad;
}

const char *cdf_events_why(const struct cdf_events *e)
{
	return e->run.why;
}

int cdf_events_fd(const struct cdf_events *e)
{
	return e->run.open ? e->run.fd : -1;
}

void cdf_events_free(struct cdf_events *e)
{
	if (!e)
		return;
	cdf_run_drop(&e->run);
	free(e);
}
