/*
 * view.h - what is worth seeing of a stream: rates, drops, a map of the modules, the last event
 */
#ifndef FYKE_VIEW_H
#define FYKE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/cap.h"
#include "stream/card.h"
#include "stream/evt.h"

#define VIEW_TEXT 32768 /* a buffer for every text below */

struct view {
	char card[64], title[128];
	bool events; /* of an event stream; else packets */
	uint64_t records, bytes, complete, incomplete, bad;
	uint64_t missed;  /* on the way here, by the bus's numbers */
	uint64_t dropped; /* by the receiver, as epb_dropcount says */
	uint64_t holes;   /* in the events' numbers */
	uint64_t sections, runs;
	/* the last event */
	uint64_t number, first_number;
	uint32_t run, flags;
	int64_t clock, time;
	unsigned nsrc, nrec;
	uint8_t present[CARD_SOURCES];
	uint64_t seen[CARD_SOURCES]; /* events with this source, since the last view_mark() */
	bool any;
	bool whole; /* all that was read is one interval, as long as its times say: of a file */
	int64_t first_time;
	/* the interval before */
	uint64_t mark_records, mark_bytes;
	int64_t mark_mono;
	double rate, byte_rate;
	uint64_t interval; /* events in it */
	uint64_t interval_seen[CARD_SOURCES];
};

void view_section(struct view *v, int link, const char *text);
void view_record(struct view *v, const struct cap_record *r);

/* An interval ends: rates and occupancy are of it until the next one. mono: now. */
void view_mark(struct view *v, int64_t mono);

/* Lines for a person, at most width columns (a map needs 64), for a source with this name. Returns
 * the length. */
size_t view_text(const struct view *v, const char *source, const char *state, int64_t now,
    int width, char buf[VIEW_TEXT]);

/* The same as one JSON object and a newline. */
size_t view_json(
    const struct view *v, const char *source, const char *state, int64_t now, char buf[VIEW_TEXT]);

#endif
