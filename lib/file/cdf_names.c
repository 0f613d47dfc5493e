/*
 * cdf_names.c - the variable names that today's readers of ROACH data look for
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/tim.h"
#include "file/cdf_field.h"
#include "file/cdf_names.h"

/* Seconds from the PPS to the first row, as the file has them. The PPS comes at any phase of UTC's
 * second, which may take one off later, and the clock may drift: the time since it stays above 0. */
#define PPS_BEHIND 2

/* Elements of Data.Toltec.Ts. */
enum { TS_CLOCK_S, TS_PPS, TS_CLOCK, TS_PACKET, TS_PPS_TICKS, TS_CLOCK_NS, TS };

static int field_named(const struct card *c, const char *name)
{
	for (int f = 0; f < c->nfields; f++)
		if (!strcasecmp(c->field[f].name, name) || !strcasecmp(c->field[f].variable, name))
			return f;
	return -1;
}

static void rename_field(struct card *c, int field, const char *variable, const char *axis)
{
	struct card_field *f = &c->field[field];

	if (variable)
		snprintf(f->variable, sizeof f->variable, "%s", variable);
	snprintf(f->axis, sizeof f->axis, "%s", axis);
}

int cdf_naming_begin(struct cdf_naming *n, enum cdf_names names, struct card *c, char why[CDF_WHY])
{
	memset(n, 0, sizeof *n);
	n->names = names;
	if (names == CDF_NAMES_OWN)
		return 0;
	n->i = field_named(c, "I");
	n->q = field_named(c, "Q");
	n->pps = field_named(c, "pps");
	if (n->pps >= 0 && (c->field[n->pps].count > 1 || c->field[n->pps].type >= CARD_F32))
		n->pps = -1;
	if (n->i < 0 || n->q < 0 || c->field[n->i].type != CARD_I32 ||
	    c->field[n->q].type != CARD_I32 || c->field[n->i].count != c->field[n->q].count ||
	    c->field[n->i].count < 2) {
		snprintf(why, CDF_WHY,
		    "card %s has no i32 fields I and Q of one length: these names are for ROACH "
		    "data",
		    c->name);
		return -1;
	}
	n->ntones = c->field[n->i].count;
	n->ticks = c->clock_field >= 0 ? 1e9 / c->clock_unit : 1e9;
	if (names == CDF_NAMES_TOLTEC) {
		rename_field(c, n->i, "Data.Toltec.Is", "iqlen");
		rename_field(c, n->q, "Data.Toltec.Qs", "iqlen");
	} else {
		rename_field(c, n->i, NULL, "ntones");
		rename_field(c, n->q, NULL, "ntones");
	}
	return 0;
}

/* ---- TolTEC ---- */

static const char *const headers_int[] = {
    "ObsNum", "SubObsNum", "ScanNum", "RoachIndex", "AccumLen", "ObsType", "MaxNumTones"};
static const char *const headers_real[] = {"FpgaFreq", "SampleFreq", "LoCenterFreq"};
#define N(a) (sizeof(a) / sizeof *(a))

static void define_toltec(struct cdf_naming *n, struct cdf_head *h)
{
	char name[CDF_NAME];
	int time = 0, ts[] = {0, cdf_dim(h, "tlen", TS)};
	int tone[] = {cdf_dim(h, "numSweeps", 1), cdf_dim(h, "toneFreqLen", n->ntones)};

	cdf_dim(h, "loclen", n->ntones);
	for (size_t k = 0; k < N(headers_int); k++) {
		snprintf(name, sizeof name, "Header.Toltec.%s", headers_int[k]);
		cdf_var(h, name, CDF_I32, 0, NULL);
	}
	for (size_t k = 0; k < N(headers_real); k++) {
		snprintf(name, sizeof name, "Header.Toltec.%s", headers_real[k]);
		cdf_var(h, name, CDF_F64, 0, NULL);
	}
	int v = cdf_var(h, "Header.Toltec.ToneFreq", CDF_F64, 2, tone);
	cdf_text(h, v, "comment", "not in the datagrams: not known");
	n->v_ts = cdf_var(h, "Data.Toltec.Ts", CDF_I32, 2, ts);
	cdf_text(h, n->v_ts, "comment",
	    "ClockTime (s), PpsCount, ClockCount, PacketCount, PpsTime (ticks), ClockTimeNs. "
	    "ClockTime "
	    "and PpsTime are such that int(ClockTime - 0.5) + PpsCount + (ClockCount - PpsTime) / "
	    "FpgaFreq is the variable time. Counters are the bits of unsigned ones");
	n->v_lo = cdf_var(h, "Data.Toltec.LoFreq", CDF_I32, 1, &time);
	cdf_text(h, n->v_lo, "comment", "not in the datagrams: 0");
	n->v_recv = cdf_named(h, "Data.Toltec.RecvTime", CDF_F64, 1, &time,
	    "arrival, seconds since 1970-01-01 (UTC)");
}

static void set_header(struct cdf_run *r, const char *name, double v)
{
	char full[CDF_NAME];

	snprintf(full, sizeof full, "Header.Toltec.%s", name);
	int var = cdf_find(cdf_head(r->f), full);
	if (cdf_head(r->f)->var[var].type == CDF_F64)
		cdf_put_real(cdf_fixed(r->f, var), v);
	else
		cdf_put_int(cdf_fixed(r->f, var), CDF_I32, (int64_t)v);
}

static void open_toltec(struct cdf_naming *n, struct cdf_run *r, const struct card *c, int source)
{
	uint8_t *tones = cdf_fixed(r->f, cdf_find(cdf_head(r->f), "Header.Toltec.ToneFreq"));

	set_header(r, "FpgaFreq", n->ticks);
	set_header(r, "SampleFreq", c->rate);
	set_header(r, "AccumLen", c->rate > 0 ? rint(n->ticks / c->rate) : 0);
	set_header(r, "RoachIndex", source);
	set_header(r, "ObsType", 1); /* a time stream */
	set_header(r, "MaxNumTones", n->ntones);
	for (uint32_t k = 0; k < n->ntones; k++)
		cdf_put_real(tones + 8 * k, NAN);
	n->ts = cdf_offset(r->f, n->v_ts);
	n->lo = cdf_offset(r->f, n->v_lo);
	n->recv = cdf_offset(r->f, n->v_recv);
}

/* Ticks from the second that start and the PPS count name, to the row. */
static double ticks_since(const struct cdf_naming *n, int64_t pps, int64_t utc)
{
	double seconds = (double)(utc / TIM_S - n->start - pps);

	return (seconds + (double)(utc % TIM_S) / 1e9) * n->ticks;
}

/* The readers' counter has 32 bits, and to them nothing is before the PPS. */
static bool fits(double ticks)
{
	return ticks >= 0 && ticks < 4294967296.;
}

/* The PPS count, the clock count and the packet count are the datagram's; the two times are made
 * so that the formula of the readers gives our time of the row. They take start from the first row
 * alone: another one only stands in the file where the PPS count began anew. */
static void put_toltec(struct cdf_naming *n, const struct card *c, const struct cdf_item *item,
    int64_t utc, uint8_t *row)
{
	int64_t clock =
	    c->clock_field >= 0 ? (uint32_t)card_value(c, c->clock_field, item->rec) : 0;
	int64_t pps = n->pps >= 0 ? (uint32_t)card_value(c, n->pps, item->rec) : 0;

	if (!n->started || (n->pps >= 0 && item->segment && !fits(ticks_since(n, pps, utc))))
		n->start = utc / TIM_S - pps - PPS_BEHIND;
	n->started = true;
	if (n->pps < 0)
		pps = utc / TIM_S - n->start;
	double behind = ticks_since(n, pps, utc);
	/* A PPS count that does not go with the time (a garbled one) gives no such pair. */
	if (!fits(behind))
		behind = 0;
	int64_t ts[TS] = {
	    n->start, pps, clock, item->sequence, clock - (int64_t)rint(behind), TIM_S / 2};
	for (int k = 0; k < TS; k++)
		cdf_put_int(row + n->ts + 4 * (size_t)k, CDF_I32, ts[k]);
	cdf_put_int(row + n->lo, CDF_I32, 0);
	cdf_put_real(row + n->recv, (double)item->arrival / 1e9);
}

/* ---- KID ---- */

static void define_kid(struct cdf_naming *n, struct cdf_head *h)
{
	int dims[] = {0, 0};

	cdf_text(h, CDF_GLOBAL, "description",
	    "timestamps and iqdata as roach2pcp's test writer has them, and all else beside");
	n->v_time =
	    cdf_named(h, "timestamps", CDF_F64, 1, dims, "time, seconds since 1970-01-01 (UTC)");
	while (dims[1] < h->ndims && strcmp(h->dim[dims[1]].name, "ntones") != 0)
		dims[1]++;
	n->v_iq =
	    cdf_named(h, "iqdata", CDF_F64, 2, dims, "amplitude of each tone, sqrt(I*I + Q*Q)");
	cdf_number(h, n->v_iq, "_FillValue", CDF_F64, NAN);
}

static void put_kid(struct cdf_naming *n, const struct card *c, const struct cdf_item *item,
    int64_t utc, uint8_t *row)
{
	static const size_t most = CARD_RECORD_MAX / 4;
	int32_t i[CARD_RECORD_MAX / 4 + 1], q[CARD_RECORD_MAX / 4 + 1];
	const struct card_field *fi = &c->field[n->i], *fq = &c->field[n->q];

	cdf_put_real(row + n->time, (double)utc / 1e9);
	if (n->ntones > most)
		return;
	card_extract(c, n->i, item->rec, i);
	card_extract(c, n->q, item->rec, q);
	for (uint32_t k = 0; k < n->ntones; k++) {
		bool fill = (fi->has_fill && i[k] == (int32_t)fi->fill) ||
		    (fq->has_fill && q[k] == (int32_t)fq->fill);
		double a = (double)i[k], b = (double)q[k];
		cdf_put_real(row + n->iq + 8 * k, fill ? NAN : sqrt(a * a + b * b));
	}
}

/* ---- both ---- */

void cdf_naming_define(struct cdf_naming *n, struct cdf_head *h)
{
	if (n->names == CDF_NAMES_TOLTEC)
		define_toltec(n, h);
	else if (n->names == CDF_NAMES_KID)
		define_kid(n, h);
}

void cdf_naming_open(struct cdf_naming *n, struct cdf_run *r, const struct card *c, int source)
{
	n->started = false;
	if (n->names == CDF_NAMES_TOLTEC) {
		open_toltec(n, r, c, source);
	} else if (n->names == CDF_NAMES_KID) {
		n->time = cdf_offset(r->f, n->v_time);
		n->iq = cdf_offset(r->f, n->v_iq);
	}
}

void cdf_naming_put(struct cdf_naming *n, const struct card *c, const struct cdf_item *item,
    int64_t utc, uint8_t *row)
{
	if (n->names == CDF_NAMES_TOLTEC)
		put_toltec(n, c, item, utc, row);
	else if (n->names == CDF_NAMES_KID)
		put_kid(n, c, item, utc, row);
}
