/*
 * cdf_names.h - the variable names that today's readers of ROACH data look for
 *
 * toltec: the production files of TolTEC as citlali and tolteca read them: Data.Toltec.Is, Qs
 * (time, iqlen), Ts (time, tlen = 6), LoFreq, RecvTime, and Header.Toltec.*
 * kid: the files of roach2pcp's test writer: timestamps (time), iqdata (time, ntones), CDF-2.
 * What fyke writes besides keeps its own names.
 */
#ifndef FYKE_CDF_NAMES_H
#define FYKE_CDF_NAMES_H

#include "file/cdf_order.h"
#include "file/cdf_run.h"

struct cdf_naming {
	enum cdf_names names;
	int i, q, pps; /* fields of the card; pps may be -1 */
	uint32_t ntones;
	double ticks; /* of the clock counter in a second */
	int v_time, v_ts, v_lo, v_recv, v_iq;
	size_t time, ts, lo, recv, iq; /* where they stand in a row */
	bool started;                  /* start is known */
	int64_t start;                 /* UTC second that stands for a PPS count of 0 */
};

/* Finds the fields; renames variables and axes in *c, which is the caller's copy. 0, or -1 with a
 * sentence: the card has not what the names need. */
int cdf_naming_begin(struct cdf_naming *n, enum cdf_names names, struct card *c, char why[CDF_WHY]);

/* Defines what the names ask for beyond the card's fields. */
void cdf_naming_define(struct cdf_naming *n, struct cdf_head *h);

/* Once the file is open: places, and the headers' values. */
void cdf_naming_open(struct cdf_naming *n, struct cdf_run *r, const struct card *c, int source);

/* One row. utc: the time that is stored for it. */
void cdf_naming_put(struct cdf_naming *n, const struct card *c, const struct cdf_item *item,
    int64_t utc, uint8_t *row);

#endif
