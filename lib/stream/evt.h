/*
 * evt.h - events: the body of a block of an event stream (man5/fyke-events.5)
 */
#ifndef FYKE_EVT_H
#define FYKE_EVT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

#define EVT_MAGIC   UINT32_C(0x656b7966) /* "fyke" in the file */
#define EVT_VERSION 1
#define EVT_ABSENT  INT32_MIN /* offset of a source that is not in the event */

/*
 *  off  type            body of an event, all little-endian but the slots
 *    0  u32             magic
 *    4  u16             version
 *    6  u16             header length: where the slots begin
 *    8  u64             number, from 0, without holes in a stream
 *   16  u32             run
 *   20  u32             flags
 *   24  i64             clock: device time of the event, ns
 *   32  u16             nsrc, slots
 *   34  u16             nrec, slots that hold a record
 *   36  u64[(nsrc+63)/64] mask: bit s of word s/64 is source s
 *    .  i32[nsrc]       offset: record's device time - clock, ns; EVT_ABSENT
 *    .  slot[nsrc]      raw records in the card's byte order, zero when absent
 */
struct evt_head {
	u32le magic;
	u16le version, header;
	u64le number;
	u32le run, flags;
	i64le clock;
	u16le nsrc, nrec;
};
static_assert(sizeof(struct evt_head) == 36, "fyke-events(5)");

/* The first four say why an incomplete event left; a complete one never has them. */
enum evt_flag {
	EVT_INCOMPLETE = 1 << 0, /* sources that were expected are missing */
	EVT_HELD = 1 << 1,       /* left at the hold time */
	EVT_OVERFLOW = 1 << 2,   /* left early: too many events were open */
	EVT_FLUSHED = 1 << 3,    /* left at the end of the input, of the program or of a segment */
	EVT_SEGMENT = 1 << 4,    /* first event after the device clock was restarted or stepped */
	EVT_DUPLICATE = 1 << 5,  /* a second record of a source came, with the same bytes */
	EVT_CONFLICT =
	    1 << 6, /* a second record of a source came, with other bytes: the first is kept */
	EVT_GAP = 1 << 7,  /* a source's sequence number jumped just before this event */
	EVT_DROPS = 1 << 8 /* datagrams were dropped by the receiver just before (epb_dropcount) */
};
#define EVT_FLAGS 9

/* A decoded body: pointers into the block. */
struct evt {
	uint64_t number;
	uint32_t run, flags;
	int64_t clock;
	unsigned nsrc, nrec;
	const u64le *mask;
	const i32le *offset;
	const uint8_t *slots; /* nsrc * slot bytes */
	size_t slot;
};

/* 0, or a reason as text. Never reads beyond n. */
const char *evt_decode(const void *body, size_t n, struct evt *e);

size_t evt_header_size(unsigned nsrc);       /* bytes before the slots */
size_t evt_size(unsigned nsrc, size_t slot); /* whole body */

static inline int evt_present(const struct evt *e, unsigned source)
{
	return (int)(wire_get(e->mask[source / 64]) >> (source % 64) & 1);
}

/* Names of the set flags, joined by ',' ("incomplete,held"), "" for none; fits 160 bytes. */
char *evt_flags_text(uint32_t flags, char buf[160]);

#endif
