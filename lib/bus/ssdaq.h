/*
 * ssdaq.h - the readout messages of SSDAQ, the CHEC-S camera's own readout program
 *
 * Two layouts, told apart by their length only (sstcam/SSDAQ, slowsignal_format.py):
 *
 *	16416 bytes (2019)                     16920 bytes (v0.1.0, 2018)
 *	    0  u64  readout number, from 1         0  u64  event number
 *	    8  u64  TACK, ns                       8  u64  run number
 *	   16  u64  time, s                       16  u64  mean of the modules' TACKs
 *	   24  u64  time, ns of the second        24  f64[32][64]  mV, NaN: absent
 *	   32  f64[32][64]  mV, NaN: absent    16408  u64[32][2]  TACKs, primary and auxiliary
 *
 * Little-endian. Values are the card's, which must have 32 sources and a field of 64 values with a
 * unit's scale; the way back gives the counts that were there, exactly.
 */
#ifndef FYKE_SSDAQ_H
#define FYKE_SSDAQ_H

#include <stddef.h>
#include <stdint.h>

#include "stream/card.h"
#include "stream/evt.h"

#define SSDAQ_NEW 16416
#define SSDAQ_OLD 16920
#define SSDAQ_WHY 256

/* Reads "ssdaq", "ssdaq:16416" or "ssdaq:16920": the message's size, or 0. */
size_t ssdaq_form(const char *text);

/* Which fields of a card go into a message. 0, or -1 with why: the card is of another kind. */
struct ssdaq {
	const struct card *card;
	int values, tack, aux; /* fields; aux -1: none */
};
int ssdaq_use(struct ssdaq *s, const struct card *c, char why[SSDAQ_WHY]);

/* One event as a message of size bytes (SSDAQ_NEW or SSDAQ_OLD). time: UTC ns of its arrival. 0, or
 * -1: the event does not fit the card. */
int ssdaq_encode(
    const struct ssdaq *s, const struct evt *e, int64_t time, size_t size, uint8_t *message);

/* What a message says about itself. */
struct ssdaq_head {
	uint64_t number, run, tack;
	int64_t time; /* TIM_NONE in the older one */
};

/* A message of n bytes as the body of an event into body (evt_size(32, record) bytes). number is
 * the event's, in its stream. 0, or what is wrong with the message. */
const char *ssdaq_decode(const struct ssdaq *s, const void *message, size_t n, uint64_t number,
    struct ssdaq_head *head, uint8_t *body);

#endif
