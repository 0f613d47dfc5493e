/*
 * simrec.h - records of a simulated detector, byte by byte from a card's description
 *
 * Values repeat after a power of two of records (a bright spot that goes round a camera; tones
 * whose phases swing), so that they are made once and then only copied: a stream of 52 MB/s
 * costs little more than its copies. What moves in each record (clock, sequence, seconds, a source
 * field) is written over the copy.
 */
#ifndef FYKE_SIMREC_H
#define FYKE_SIMREC_H

#include <stddef.h>
#include <stdint.h>

#include "card.h"

/* What differs from record to record. */
struct simrec_now {
	uint64_t ticks;   /* the clock field */
	uint64_t seconds; /* since the device was switched on: the seconds field, PPS counts */
	uint64_t sequence;
	uint32_t source; /* for a card that names the source in a field */
};

struct simrec;

/* For these sources of a card. NULL with errno. */
struct simrec *simrec_new(const struct card *c, uint64_t seed, const uint16_t *source, unsigned n);

/* Record `event` of a source into to: c->record bytes. */
void simrec_write(
    struct simrec *r, uint64_t event, unsigned source, const struct simrec_now *now, uint8_t *to);

/* Makes a record differ in one bit of a value. */
void simrec_spoil(const struct simrec *r, uint8_t *record);

void simrec_free(struct simrec *r);

/* A number from 0 to 2^64 - 1 that depends on all four, and on nothing else. */
uint64_t simrec_roll(uint64_t seed, unsigned what, uint64_t event, unsigned source);

#endif
