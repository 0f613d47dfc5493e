/* mergehour.c - one hour of a night from its minute files */
#include "sky/mergehour.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"

#define DEG         (M_PI / 180)
#define ARCSEC      (DEG / 3600)
#define MJD_1970    40587
#define GAP_MAX     5 /* ticks of the log that are interpolated over */
#define FEW_EDGES   8 /* fewer: evidence is looked for further back */
#define BACK_MAX    (6 * 60)
#define SAMPLES_MAX 60000 /* of a minute, at 1000 Hz */
#define LST_LIMIT   0.02  /* s */
#define AZEL_LIMIT  5.0   /* arcsec */
#define CHECK_LEAST 30    /* samples for a verdict */

/* The two records of the log around a sample; NULL where there are none. */
struct around {
	struct plog_rec a, b;
	float f;
	bool have, gap;
};

/* What is worked on while a minute is written. */
struct minute_work {
	const struct merge_setup *m;
	struct hour *file;
	struct merge_hour *r;
	int64_t minute; /* since 1970 */
	int first;      /* sample of the hour */
	int n;          /* samples of a minute */
	double *t;      /* corrected time of each, s since the day's midnight */
	double *v;      /* values on their way out */
	int *quality;
	struct around *at;
	/* sums for the checks */
	double lst0, lst1; /* expected at the minute's begin and end, radians */
	bool lst_known;
};

struct check_sums {
	double n, d, dd, h, hh, hd; /* LST: difference and hours */
	double k, ss, max;          /* az/el */
};

/* ---- the clock ---- */

static double seconds_of(const struct merge_setup *m, int64_t minute)
{
	return 60.0 * (double)(minute - m->day * 1440);
}

/* The edges of the log that can belong to DAS times from..to under the model: what lies beyond
 * must not count, because it is not there yet when a night is merged live. */
static size_t keep_log(
    struct clock_edge *log, size_t n, const struct clock_model *c, double from, double to)
{
	double lo = HUGE_VAL, hi = -HUGE_VAL;
	size_t k = 0;

	for (int i = 0; i < c->n; i++) {
		lo = fmin(lo, c->seg[i].offset);
		hi = fmax(hi, c->seg[i].offset);
	}
	if (c->n == 0)
		lo = hi = 0;
	for (size_t i = 0; i < n; i++)
		if (log[i].at >= from - ceil(hi) - 2 && log[i].at < to - floor(lo) + 2)
			log[k++] = log[i];
	return k;
}

static int fit_span(
    const struct merge_setup *m, int64_t from, int64_t to, struct clock_model *model)
{
	struct clock_edge *das = NULL, *log = NULL;
	double breaks[256];
	int64_t wide = (int64_t)ceil(m->cal->clock_search / 60);

	int ndas = stream_edges(m->stream, 0, from, to, &das);
	int nlog = ndas < 0 ? -1 : stream_edges(m->stream, 1, from - wide, to + wide, &log);
	int bad = ndas < 0 || nlog < 0;
	struct clock_options o = {.rate = m->cal->clock_rate * 1e-6,
	    .search = m->cal->clock_search,
	    .hint = breaks,
	    .nhints = (size_t)stream_breaks(m->stream, from, to, breaks, 256)};
	for (int turn = 0; turn < 2 && !bad; turn++) {
		size_t n = turn == 0
		    ? (size_t)nlog
		    : keep_log(log, (size_t)nlog, model, seconds_of(m, from), seconds_of(m, to));
		bad = clock_fit(das, (size_t)ndas, log, n, &o, model) < 0;
	}
	free(das);
	free(log);
	return bad ? -1 : 0;
}

static int fit_clock(const struct merge_setup *m, int64_t hour, struct clock_model *model)
{
	int64_t from = hour * 60 - MERGE_BEFORE, to = (hour + 1) * 60 + MERGE_AFTER;
	int64_t least =
	    hour * 60 - BACK_MAX > (m->day - 1) * 1440 ? hour * 60 - BACK_MAX : (m->day - 1) * 1440;

	memset(model, 0, sizeof *model);
	if (!m->sync || !m->have_log)
		return 0;
	for (;;) {
		if (fit_span(m, from, to, model) < 0)
			return -1;
		if (model->matched >= FEW_EDGES || from <= least)
			return 0;
		from = from - 60 > least ? from - 60 : least;
	}
}

/* ---- the log around a sample ---- */

static const struct plog_rec *record_at(const struct merge_setup *m, int64_t tick)
{
	int64_t abs = tick + m->day * 1440 * PLOG_MINUTE, minute = abs / PLOG_MINUTE;
	const struct stream_log *log = stream_log(m->stream, minute);
	int64_t i = abs - minute * PLOG_MINUTE;

	return log && log->have[i] ? &log->rec[i] : NULL;
}

static void look_around(const struct merge_setup *m, double t, struct around *at)
{
	double x = t * PLOG_HZ;
	int64_t lo = (int64_t)floor(x), hi = lo + 1;
	const struct plog_rec *a = NULL, *b = NULL;

	for (int64_t least = lo - GAP_MAX; !a && lo > least;)
		if (!(a = record_at(m, lo)))
			lo--;
	at->have = false;
	if (!a)
		return;
	at->a = *a;
	for (int64_t most = hi + GAP_MAX; !b && hi < most;)
		if (!(b = record_at(m, hi)))
			hi++;
	/* A sample exactly on a tick needs no second record. */
	if (!b && x - (double)lo > 1e-3)
		return;
	at->b = b ? *b : *a;
	at->f = b ? (float)((x - (double)lo) / (double)(hi - lo)) : 0;
	at->gap = b && hi - lo > 1;
	at->have = true;
}

/* Between two values of an angle the short way round; turn 0: no angle. */
static double blend(double a, double b, double f, double turn)
{
	double d = b - a;

	if (turn > 0)
		d = remainder(d, turn);
	return a + f * d;
}

static double turn_of(enum plog_field f)
{
	switch (f) {
	case PLOG_LST:
	case PLOG_RA:
		return PLOG_DAY;
	case PLOG_PA:
	case PLOG_AZ:
		return PLOG_TURN;
	default:
		return 0;
	}
}

static double field_at(const struct around *at, enum plog_field f)
{
	return blend(at->a.v[f], at->b.v[f], at->f, turn_of(f));
}

static bool celestial(const struct around *at)
{
	return at->a.flags[3] & at->b.flags[3] & PLOG_CELESTIAL;
}

/* Apparent RA and Dec in the log's units where the log has none: from azimuth and elevation. */
static void from_horizon(
    const struct merge_setup *m, const struct around *at, double *ra, double *dec)
{
	double r, d;

	coord_horizon(field_at(at, PLOG_LST) / PLOG_DAY * 2 * M_PI, m->site.latitude,
	    field_at(at, PLOG_AZ) / 10 * ARCSEC, field_at(at, PLOG_EL) / 10 * ARCSEC, &r, &d);
	*ra = r / (2 * M_PI) * PLOG_DAY;
	*dec = d / ARCSEC * 10;
}

static double value_of(
    const struct merge_setup *m, const struct cal_field *f, const struct around *at)
{
	double ra, dec, v;

	if (!at->have)
		return (double)NAN;
	if (f->flag)
		return (at->f < 0.5f ? at->a : at->b).flags[f->index] >> f->bit & 1;
	if ((f->index == PLOG_RA || f->index == PLOG_DEC) && !celestial(at)) {
		from_horizon(m, at, &ra, &dec);
		v = f->index == PLOG_RA ? ra : dec;
	} else {
		v = field_at(at, (enum plog_field)f->index);
	}
	if (f->index == PLOG_LST || f->index == PLOG_RA)
		v -= PLOG_DAY * floor(v / PLOG_DAY);
	return calspec_unit(f, v);
}

/* ---- one minute ---- */

static void take_times(struct minute_work *w)
{
	double start = seconds_of(w->m, w->minute), step = 1.0 / w->m->cal->das.rate;
	const struct clock_model *c = &w->r->clock;
	int frames = stream_minute(w->m->stream, w->minute)->frames;

	for (int i = 0; i < w->n; i++) {
		double u = start + i * step;
		int state = w->m->sync ? clock_state(c, u) : 0;
		w->t[i] = u - clock_offset(c, u);
		w->quality[i] = (i >= frames ? HOUR_NO_RAW : 0) |
		    (state & CLOCK_NONE ? HOUR_NO_EDGES : 0) |
		    (state & CLOCK_STEP ? HOUR_CLOCK_STEP : 0) |
		    (state & CLOCK_AWAY ? HOUR_EXTRAPOLATED : 0);
	}
}

static void take_log(struct minute_work *w)
{
	for (int i = 0; i < w->n; i++) {
		w->at[i].have = false;
		if (w->m->have_log)
			look_around(w->m, w->t[i], &w->at[i]);
		if (!w->at[i].have)
			w->quality[i] |= HOUR_NO_POINTING;
		else if (w->at[i].gap)
			w->quality[i] |= HOUR_INTERPOLATED;
	}
}

static int put_times(struct minute_work *w)
{
	const struct clock_model *c = &w->r->clock;
	double start = seconds_of(w->m, w->minute), step = 1.0 / w->m->cal->das.rate;
	int bad;

	for (int i = 0; i < w->n; i++)
		w->v[i] = (w->t[i] - 86400 * floor(w->t[i] / 86400)) / 3600;
	bad = hour_own(w->file, HOUR_UT, w->first, w->n, w->v);
	for (int i = 0; i < w->n; i++)
		w->v[i] = (double)(MJD_1970 + w->m->day) + floor(w->t[i] / 86400);
	bad |= hour_own(w->file, HOUR_JD, w->first, w->n, w->v);
	for (int i = 0; i < w->n; i++)
		w->v[i] = clock_offset(c, start + i * step);
	return bad | hour_own(w->file, HOUR_TIME_OFFSET, w->first, w->n, w->v);
}

static int put_log(struct minute_work *w)
{
	const struct calspec *c = w->m->cal;
	int bad = 0;

	for (int k = 0; k < c->nvars && !bad; k++) {
		const struct cal_var *v = &c->var[k];
		if (v->source != CAL_LOG)
			continue;
		for (int i = 0; i < w->n; i++)
			w->v[i] = calspec_convert(v, value_of(w->m, &v->field, &w->at[i]));
		bad = hour_cal(w->file, k, w->first, w->n, w->v);
	}
	return bad;
}

/* ---- housekeeping ---- */

/* The rows of a minute's 60 nominal seconds, each the one of its corrected second. */
static void take_rows(struct minute_work *w, struct hk_row *row, bool *have)
{
	int rate = w->m->cal->das.rate;

	for (int k = 0; k < 60; k++) {
		int64_t second = (int64_t)floor(w->t[k * rate] + 0.5);
		int64_t time = (w->m->day * 86400 + second) * TIM_S;
		const struct hk_minute *h =
		    w->m->have_enc ? stream_enc(w->m->stream, time / TIM_MIN) : NULL;
		have[k] = false;
		for (int i = 0; h && i < h->n && !have[k]; i++)
			if (h->row[i].time == time && !h->row[i].leap) {
				row[k] = h->row[i];
				have[k] = true;
			}
		for (int i = 0; !have[k] && i < rate; i++)
			w->quality[k * rate + i] |= HOUR_NO_HOUSEKEEPING;
	}
}

/* Sources by the SHARC-2 codes of coordinate_type (bolocam.md, 6); 5 and 6 are fyke's own, with the
 * ecliptic longitude and latitude as source_ra and source_dec. */
static int source_frame(
    const struct hk_row *r, enum coord_frame *frame, double *lon, double *lat, double *equinox)
{
	double type = r->v[hk_find("coordinate_type")], epoch = r->v[hk_find("source_epoch")];
	double ra = r->v[hk_find("source_ra")] * 15 * DEG, dec = r->v[hk_find("source_dec")] * DEG;

	*lon = ra;
	*lat = dec;
	*equinox = isnan(epoch) ? 0 : epoch;
	if (type == 1) {
		*frame = COORD_FK5;
	} else if (type == 4) {
		*frame = COORD_FK4;
	} else if (type == 2) {
		*frame = COORD_GALACTIC;
		*lon = r->v[hk_find("galactic_longitude")] * DEG;
		*lat = r->v[hk_find("galactic_latitude")] * DEG;
	} else if (type == 5) {
		*frame = COORD_ECLIPTIC_2000;
	} else if (type == 6) {
		*frame = COORD_ECLIPTIC;
	} else if (type == 0) {
		*frame = COORD_HORIZON;
	} else {
		return -1;
	}
	return isnan(*lon) || isnan(*lat) ? -1 : 0;
}

/* The source's apparent place: by ERFA from its catalogue position, for planets and apparent
 * coordinates what the telescope says. Once a minute is enough: it moves by 0.2 mas in one. */
static void apparent_source(const struct coord_moment *at, const struct merge_setup *m,
    const struct hk_row *r, double *ra, double *dec)
{
	enum coord_frame frame;
	double lon, lat, equinox, a, d;
	char why[COORD_WHY];

	if (coord_body(r->text[0]) < 0 && source_frame(r, &frame, &lon, &lat, &equinox) == 0 &&
	    frame != COORD_HORIZON &&
	    coord_apparent(at, &m->site, frame, equinox, lon, lat, &a, &d, why) == 0) {
		*ra = a / DEG / 15;
		*dec = d / DEG;
		return;
	}
	*ra = r->v[hk_find("apparent_right_ascension")];
	*dec = r->v[hk_find("apparent_declination")];
}

static bool same_source(const struct hk_row *a, const struct hk_row *b)
{
	static const char *const names[] = {"coordinate_type", "source_ra", "source_dec",
	    "source_epoch", "galactic_longitude", "galactic_latitude", "apparent_right_ascension",
	    "apparent_declination"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		double x = a->v[hk_find(names[i])], y = b->v[hk_find(names[i])];
		if (x != y && !(isnan(x) && isnan(y)))
			return false;
	}
	return !strcmp(a->text[0], b->text[0]);
}

static double dut1_of(const struct merge_hour *r, const struct hk_row *row)
{
	double dut1 = row ? row->v[hk_find("ut1_minus_utc")] : (double)NAN;

	return isfinite(dut1) && fabs(dut1) < 1 ? dut1 : r->dut1;
}

static int put_sources(struct minute_work *w, const struct hk_row *row, const bool *have)
{
	double ra[60], dec[60];
	struct coord_moment at;
	int second = (int)(w->minute % 60) * 60, last = -1;
	int64_t mid = w->minute * TIM_MIN + TIM_MIN / 2;

	for (int k = 0; k < 60; k++) {
		ra[k] = dec[k] = (double)NAN;
		if (!have[k])
			continue;
		if (last >= 0 && same_source(&row[k], &row[last])) {
			ra[k] = ra[last];
			dec[k] = dec[last];
		} else if (coord_moment(&at, mid, dut1_of(w->r, &row[k])) == 0) {
			apparent_source(&at, w->m, &row[k], &ra[k], &dec[k]);
		}
		last = k;
	}
	return hour_own(w->file, HOUR_RA_APPARENT, second, 60, ra) |
	    hour_own(w->file, HOUR_DEC_APPARENT, second, 60, dec);
}

static int put_rows(struct minute_work *w, const struct hk_row *row, const bool *have)
{
	const struct calspec *c = w->m->cal;
	int second = (int)(w->minute % 60) * 60, bad = 0;
	char text[60][HOUR_TEXT];
	double v[60];

	for (int k = 0; k < c->nvars && !bad; k++) {
		const struct cal_var *x = &c->var[k];
		if (x->source != CAL_HK)
			continue;
		if (x->type == CAL_CHAR) {
			memset(text, 0, sizeof text);
			for (int i = 0; i < 60; i++)
				if (have[i]) {
					const char *s = row[i].text[hk_text(x->column)];
					memcpy(text[i], s, strnlen(s, HOUR_TEXT));
				}
			bad = hour_text(w->file, k, second, 60, text);
			continue;
		}
		for (int i = 0; i < 60; i++)
			v[i] = have[i] ? calspec_convert(x, row[i].v[x->column]) : (double)NAN;
		bad = hour_cal(w->file, k, second, 60, v);
	}
	return bad ? bad : put_sources(w, row, have);
}

/* ---- the checks ---- */

static void expect_lst(struct minute_work *w, const struct hk_row *row)
{
	struct coord_moment a, b;
	double dut1 = dut1_of(w->r, row);
	int64_t t0 = w->m->day * TIM_DAY + (int64_t)(w->t[0] * 1e9);

	w->lst_known = coord_moment(&a, t0, dut1) == 0 && coord_moment(&b, t0 + TIM_MIN, dut1) == 0;
	if (w->lst_known) {
		w->lst0 = coord_last(&a, &w->m->site);
		w->lst1 = coord_last(&b, &w->m->site);
	}
}

static void check_sample(const struct minute_work *w, int i, struct check_sums *s)
{
	const struct around *at = &w->at[i];
	double lst = field_at(at, PLOG_LST) / PLOG_DAY * 2 * M_PI, az, el;
	double f = (w->t[i] - w->t[0]) / 60;

	if (w->lst_known) {
		double want = w->lst0 + f * eraAnp(w->lst1 - w->lst0);
		double d = eraAnpm(lst - want) / (2 * M_PI) * 86400, h = w->t[i] / 3600;
		s->n++;
		s->d += d;
		s->dd += d * d;
		s->h += h;
		s->hh += h * h;
		s->hd += h * d;
	}
	if (!celestial(at) || !(at->a.flags[3] & PLOG_TRACKING))
		return;
	coord_to_horizon(lst, w->m->site.latitude, field_at(at, PLOG_RA) / PLOG_DAY * 2 * M_PI,
	    field_at(at, PLOG_DEC) / 10 * ARCSEC, &az, &el);
	double de = el / ARCSEC - field_at(at, PLOG_EL) / 10;
	double da = eraAnpm(az - field_at(at, PLOG_AZ) / 10 * ARCSEC) / ARCSEC * cos(el);
	double d2 = de * de + da * da;
	s->k++;
	s->ss += d2;
	s->max = fmax(s->max, sqrt(d2));
}

static void check_minute(const struct minute_work *w, struct check_sums *s)
{
	for (int i = 0; i < w->n; i += w->m->cal->das.rate)
		if (w->at[i].have && !w->at[i].gap)
			check_sample(w, i, s);
}

/* Static alt-az offsets stand in azimuth and elevation only: within them differences are right. */
static double offsets_of(const struct hk_row *row)
{
	static const char *const names[] = {"azimuth_offset", "elevation_offset",
	    "azimuth_mapping_offset", "elevation_mapping_offset"};
	double sum = 0;

	for (size_t i = 0; row && i < sizeof names / sizeof *names; i++) {
		double v = row->v[hk_find(names[i])];
		sum += isfinite(v) ? fabs(v) : 0;
	}
	return sum;
}

static void judge(struct merge_hour *r, const struct check_sums *s, double offsets)
{
	double var = s->hh - s->h * s->h / s->n;

	r->lst = r->lst_slope = r->lst_rms = r->azel_rms = r->azel_max = (double)NAN;
	r->verdict = HOUR_UNCHECKED;
	if (s->n < CHECK_LEAST)
		return;
	r->lst = s->d / s->n;
	r->lst_slope = var > 1e-6 ? (s->hd - s->h * s->d / s->n) / var : 0;
	r->lst_rms = sqrt(fmax(0, s->dd / s->n - r->lst * r->lst));
	bool known = strcmp(r->dut1_source, "none") != 0;
	r->verdict = fabs(r->lst) > LST_LIMIT + (known ? 0 : 0.9) ? HOUR_SUSPECT : HOUR_GOOD;
	if (s->k < CHECK_LEAST)
		return;
	r->azel_rms = sqrt(s->ss / s->k);
	r->azel_max = s->max;
	if (r->azel_rms > AZEL_LIMIT + offsets)
		r->verdict = HOUR_SUSPECT;
}

/* ---- what is stored of a minute ---- */

static double size_of(const struct stream_file *f)
{
	return f->present ? (double)f->size : 0;
}

static int put_minute(struct minute_work *w)
{
	static const enum hour_own sizes[] = {HOUR_RAW_SIZE, HOUR_LOG_SIZE, HOUR_ENC_SIZE};
	static const enum hour_own crcs[] = {HOUR_RAW_CRC, HOUR_LOG_CRC, HOUR_ENC_CRC};
	const struct stream_minute *s = stream_minute(w->m->stream, w->minute);
	int k = (int)(w->minute % 60), bad = 0;
	double v;

	w->r->quality[k] = s->bits | (w->r->provisional ? STREAM_PROVISIONAL : 0u);
	memcpy(w->r->input[k], s->file, sizeof s->file);
	for (int i = 0; i < STREAM_KINDS && !bad; i++) {
		v = size_of(&s->file[i]);
		bad = hour_own(w->file, sizes[i], k, 1, &v);
		v = s->file[i].present ? (double)s->file[i].crc : 0;
		bad |= hour_own(w->file, crcs[i], k, 1, &v);
	}
	v = (double)w->r->quality[k];
	bad |= hour_own(w->file, HOUR_MINUTE_QUALITY, k, 1, &v);
	for (int i = 0; i < w->n; i++)
		w->v[i] = w->quality[i] | (s->bits & STREAM_RAW_DUPLICATE ? HOUR_DUPLICATE : 0) |
		    (s->bits & STREAM_LOG_STALE ? HOUR_STALE : 0);
	return bad | hour_own(w->file, HOUR_QUALITY, w->first, w->n, w->v);
}

static const struct hk_row *any_row(const struct hk_row *row, const bool *have)
{
	for (int k = 0; k < 60; k++)
		if (have[k])
			return &row[k];
	return NULL;
}

/* Everything of a minute but the das variables, whose raw file has been read. */
static int write_minute(struct minute_work *w, struct check_sums *sums, double *offsets)
{
	struct hk_row *row = calloc(60, sizeof *row);
	bool have[60];
	int bad = !row;

	if (!bad) {
		take_times(w);
		take_log(w);
		take_rows(w, row, have);
		/* Also where the corrected times need another minute's: these are this one's. */
		if (w->m->have_log)
			(void)stream_log(w->m->stream, w->minute);
		if (w->m->have_enc)
			(void)stream_enc(w->m->stream, w->minute);
		const struct hk_row *some = any_row(row, have);
		expect_lst(w, some);
		check_minute(w, sums);
		*offsets = fmax(*offsets, offsets_of(some));
		bad = put_times(w) || put_log(w) || put_rows(w, row, have) || put_minute(w);
	}
	free(row);
	return bad ? -1 : 0;
}

/* A minute without a raw file: fill values. */
static int write_hole(struct minute_work *w)
{
	const struct calspec *c = w->m->cal;
	int k = (int)(w->minute % 60), second = k * 60, bad;
	double none[60], zero = 0;
	char text[60][HOUR_TEXT] = {{0}};
	unsigned bits =
	    STREAM_RAW_MISSING | (stream_minute(w->m->stream, w->minute)->bits & STREAM_RAW_BITS);
	double quality = (double)bits;
	int64_t rails;

	for (int i = 0; i < w->n; i++)
		w->v[i] = (double)NAN;
	for (int i = 0; i < 60; i++)
		none[i] = (double)NAN;
	bad = hour_das(w->file, k, NULL, 0, &rails) ||
	    hour_own(w->file, HOUR_UT, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_JD, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_TIME_OFFSET, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_RA_APPARENT, second, 60, none) ||
	    hour_own(w->file, HOUR_DEC_APPARENT, second, 60, none);
	for (int i = 0; i < c->nvars && !bad; i++)
		if (c->var[i].source == CAL_LOG)
			bad = hour_cal(w->file, i, w->first, w->n, w->v);
		else if (c->var[i].source == CAL_HK && c->var[i].type == CAL_CHAR)
			bad = hour_text(w->file, i, second, 60, text);
		else if (c->var[i].source == CAL_HK)
			bad = hour_cal(w->file, i, second, 60, none);
	for (int i = 0; i < w->n; i++)
		w->v[i] = HOUR_NO_RAW | HOUR_NO_POINTING | HOUR_NO_HOUSEKEEPING;
	bad = bad || hour_own(w->file, HOUR_QUALITY, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_MINUTE_QUALITY, k, 1, &quality);
	for (enum hour_own i = HOUR_RAW_SIZE; i <= HOUR_ENC_CRC && !bad; i++)
		bad = hour_own(w->file, i, k, 1, &zero);
	w->r->quality[k] = bits;
	return bad ? -1 : 0;
}

/* ---- what is stored of the hour ---- */

/* The edges inside the hour: what a picture of the clock shows. */
static int put_edges(struct hour *file, const struct merge_setup *m, const struct merge_hour *r)
{
	static double v[4][HOUR_EDGES];
	double start = seconds_of(m, r->hour * 60);
	int n = 0, bad = 0;

	for (int i = 0; i < r->clock.nmatches; i++) {
		const struct clock_match *e = &r->clock.match[i];
		if (e->at < start || e->at >= start + 3600)
			continue;
		v[0][n] = e->at - start;
		v[1][n] = e->offset;
		v[2][n] = e->offset - clock_offset(&r->clock, e->at);
		v[3][n++] = e->line;
	}
	for (; n < HOUR_EDGES; n++)
		v[0][n] = v[1][n] = v[2][n] = v[3][n] = (double)NAN;
	for (int k = 0; k < 4 && !bad; k++)
		bad = hour_own(file, (enum hour_own)(HOUR_EDGE_TIME + k), 0, HOUR_EDGES, v[k]);
	return bad;
}

static int put_clock(struct hour *file, const struct merge_setup *m, const struct merge_hour *r)
{
	const struct clock_model *c = &r->clock;
	double v[9][HOUR_PIECES], start = seconds_of(m, r->hour * 60);
	int bad = 0;

	for (int i = 0; i < HOUR_PIECES; i++) {
		for (int k = 0; k < 9; k++)
			v[k][i] = (double)NAN;
		if (i >= c->n)
			continue;
		const struct clock_segment *s = &c->seg[i];
		const double of[9] = {fmax(s->from - start, -1e6), fmin(s->to - start, 1e6),
		    s->first - start, s->last - start, s->centre - start, s->offset, s->rate,
		    s->rms, s->edges};
		for (int k = 0; k < 9; k++)
			v[k][i] = of[k];
	}
	for (int k = 0; k < 9 && !bad; k++)
		bad = hour_own(file, (enum hour_own)(HOUR_CLOCK_FROM + k), 0, HOUR_PIECES, v[k]);
	const double whole[5] = {
	    c->n, c->das_edges, c->log_edges, c->matched, c->matched ? c->rms : (double)NAN};
	return bad || put_edges(file, m, r) || hour_own(file, HOUR_CLOCK_PIECES, 0, 1, &whole[0]) ||
	    hour_own(file, HOUR_CLOCK_DAS_EDGES, 0, 1, &whole[1]) ||
	    hour_own(file, HOUR_CLOCK_LOG_EDGES, 0, 1, &whole[2]) ||
	    hour_own(file, HOUR_CLOCK_MATCHED, 0, 1, &whole[3]) ||
	    hour_own(file, HOUR_CLOCK_RESIDUAL, 0, 1, &whole[4]);
}

static int put_verdict(struct hour *file, const struct merge_hour *r)
{
	const double v[6] = {
	    r->lst, r->lst_slope, r->lst_rms, r->azel_rms, r->azel_max, (double)r->verdict};
	int bad = 0;

	for (int k = 0; k < 6 && !bad; k++)
		bad = hour_own(file, (enum hour_own)(HOUR_CHECK_LST + k), 0, 1, &v[k]);
	return bad;
}

static int64_t frames_written(uint64_t minutes, int per_minute)
{
	return minutes ? (64 - __builtin_clzll(minutes)) * (int64_t)per_minute : 0;
}

static int put_states(struct hour *file, const struct merge_setup *m, uint64_t minutes)
{
	double state[60], frames = (double)frames_written(minutes, 60 * m->cal->das.rate);

	for (int k = 0; k < 60; k++)
		state[k] = minutes >> k & 1 ? 1 : 0;
	return hour_own(file, HOUR_MINUTE_STATE, 0, 60, state) ||
	    hour_own(file, HOUR_FRAMES_WRITTEN, 0, 1, &frames);
}

/* ---- building ---- */

static bool work_begin(
    struct minute_work *w, const struct merge_setup *m, struct hour *file, struct merge_hour *r)
{
	*w = (struct minute_work){.m = m, .file = file, .r = r, .n = 60 * m->cal->das.rate};
	w->t = malloc(SAMPLES_MAX * sizeof *w->t);
	w->v = malloc(SAMPLES_MAX * sizeof *w->v);
	w->quality = malloc(SAMPLES_MAX * sizeof *w->quality);
	w->at = malloc((size_t)w->n * sizeof *w->at);
	return w->t && w->v && w->quality && w->at;
}

static void work_end(struct minute_work *w)
{
	free(w->t);
	free(w->v);
	free(w->quality);
	free(w->at);
}

static int put_raw(struct minute_work *w)
{
	const uint8_t *frames = NULL;
	int n = stream_raw(w->m->stream, w->minute, &frames);

	if (n < 0)
		return -1;
	w->r->frames += n;
	return hour_das(w->file, (int)(w->minute % 60), frames, n, &w->r->rails);
}

static int write_all(struct minute_work *w, uint64_t minutes)
{
	struct check_sums sums = {0};
	double offsets = 0;
	int bad = 0;

	for (int k = 0; k < 60 && !bad; k++) {
		w->minute = w->r->hour * 60 + k;
		if (minutes >> k & 1)
			bad = put_raw(w);
		if (stream_minute(w->m->stream, w->minute)->bits & STREAM_RAW_MISSING)
			minutes &= ~(UINT64_C(1) << k); /* gone meanwhile, or absurd */
	}
	w->r->minutes = minutes;
	if (!bad)
		bad = fit_clock(w->m, w->r->hour, &w->r->clock);
	for (int k = 0; k < 60 && !bad; k++) {
		w->minute = w->r->hour * 60 + k;
		w->first = k * w->n;
		bad = minutes >> k & 1 ? write_minute(w, &sums, &offsets) : write_hole(w);
	}
	judge(w->r, &sums, offsets);
	return bad || put_clock(w->file, w->m, w->r) || put_verdict(w->file, w->r) ||
	    put_states(w->file, w->m, minutes);
}

/* Housekeeping of the hour that has UT1-UTC is the best source (bolocam.md, 11.4); it changes by 1 ms
 * a day. */
static void find_dut1(const struct merge_setup *m, int64_t hour, struct merge_hour *r)
{
	int column = hk_find("ut1_minus_utc");

	for (int k = 0; k < 60 && m->have_enc; k++) {
		const struct hk_minute *h = stream_enc(m->stream, hour * 60 + k);
		for (int i = 0; h && i < h->n; i++)
			if (isfinite(h->row[i].v[column]) && fabs(h->row[i].v[column]) < 1) {
				r->dut1 = h->row[i].v[column];
				r->dut1_source = "housekeeping";
				return;
			}
	}
	r->dut1 = m->cal->dut1;
	r->dut1_source = m->cal->have_dut1 ? "calspec" : "none";
}

static int explain(const struct merge_setup *m, struct hour *file, char why[HOUR_WHY])
{
	const char *s = *hour_why(file) ? hour_why(file) : stream_why(m->stream);

	snprintf(why, HOUR_WHY, "%s", *s ? s : "out of memory");
	return -1;
}

int mergehour_build(const struct merge_setup *m, int64_t hour, uint64_t minutes, bool provisional,
    const char *path, struct merge_hour *r, struct hour **file, char why[HOUR_WHY])
{
	struct minute_work w;

	memset(r, 0, sizeof *r);
	r->hour = hour;
	r->minutes = minutes;
	r->provisional = provisional;
	find_dut1(m, hour, r);
	struct hour_spec spec = {.cal = m->cal,
	    .hour = hour,
	    .format = m->format,
	    .sync = m->sync,
	    .fixut = m->fixut,
	    .dut1_source = r->dut1_source};
	struct hour *h = hour_create(&spec, path, why);
	if (!h)
		return -1;
	int bad = !work_begin(&w, m, h, r) || write_all(&w, minutes) || hour_publish(h) < 0;
	int error = errno;
	work_end(&w);
	if (bad)
		explain(m, h, why);
	if (bad || !file)
		hour_close(h);
	else
		*file = h;
	errno = error;
	return bad ? -1 : 0;
}

int mergehour_minute(const struct merge_setup *m, struct hour *file, int minute,
    struct merge_hour *r, char why[HOUR_WHY])
{
	struct minute_work w;
	struct check_sums sums = {0};
	double offsets = 0;
	uint64_t minutes = r->minutes | UINT64_C(1) << minute;

	int bad = !work_begin(&w, m, file, r);
	w.minute = r->hour * 60 + minute;
	w.first = minute * w.n;
	bad = bad || hour_begin(file, minute) || put_raw(&w) || fit_clock(m, r->hour, &r->clock) ||
	    write_minute(&w, &sums, &offsets) || put_clock(file, m, r) ||
	    hour_end(file, minute, frames_written(minutes, 60 * m->cal->das.rate));
	int error = errno;
	work_end(&w);
	if (bad)
		explain(m, file, why);
	else
		r->minutes = minutes;
	errno = error;
	return bad ? -1 : 0;
}
