/*
 * cdf_order.h - the records of one source put in order: by sequence number, else by device clock
 *
 * - In order and without a gap a record passes straight through.
 * - After a gap, later records wait for what is missing: for at most 64 of them, or 100 ms by the
 *   arrival stamps. Without sequence numbers nobody can know of a gap: each waits so, 16 of them.
 * - What comes twice is a duplicate, what comes after its place was passed is late: both counted,
 *   not handed on.
 * - A number (or clock) far out of line, or one that came before with another record, is set aside
 *   until the next record of the source tells whether it was a stray or a duplicate (counted), or
 *   the source has started anew or come back after a long gap.
 * - A device clock that steps against the arrival stamps begins a new segment.
 * - With sequence numbers, a record whose clock is ahead of the arrivals or behind them waits for the
 *   next one: where that goes on from the record before, and the clock is before that one or after
 *   this one, it is odd (garbled), and moves neither the clock nor the times of those after it. The
 *   first record of a segment has nothing before it, and is believed.
 *
 * Only what stands in the stream decides: the same input always gives the same output.
 */
#ifndef FYKE_CDF_ORDER_H
#define FYKE_CDF_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/card.h"

struct cdf_item {
	const uint8_t *rec;
	int64_t arrival;  /* UTC ns */
	uint64_t dropped; /* datagrams the receiver lost since the item before */
	int64_t clock;    /* device clock, ns, unwrapped within the segment */
	int64_t steady;   /* the same, and by the arrivals where the clock is odd */
	int64_t sequence; /* as it was sent; the running number without such a field */
	uint64_t missing; /* numbers missing just before this one */
	bool segment;     /* the first of a new clock segment */
	bool reordered;   /* came after a later one */
	bool odd;         /* the clock goes neither with the record before nor with the next */
};

struct cdf_order_count {
	uint64_t duplicate, late, stray;       /* not handed on */
	uint64_t reordered, missing, segments; /* found in what was */
	uint64_t held; /* waiting now, and where -1 was returned: for ever */
};

/* Takes a record; item and its rec live until it returns. 0, or -1 (errno) to stop. */
typedef int cdf_order_emit(void *ctx, const struct cdf_item *item);

struct cdf_order;
struct cdf_order *cdf_order_new(const struct card *c, cdf_order_emit *emit, void *ctx);
int cdf_order_add(struct cdf_order *o, const uint8_t *rec, int64_t arrival, uint64_t dropped);
int cdf_order_time(struct cdf_order *o, int64_t now); /* the stream has come to this time */
bool cdf_order_waiting(const struct cdf_order *o);    /* some will go on when their time has come */
int cdf_order_flush(struct cdf_order *o);             /* nothing more comes */
const struct cdf_order_count *cdf_order_count(const struct cdf_order *o);
void cdf_order_free(struct cdf_order *o);

#endif
