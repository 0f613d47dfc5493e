/* mergecheck.c - an hour's self-checks: sidereal time against UT, az/el against RA/Dec */
#include "sky/mergehourin.h"

#include <math.h>
#include <string.h>

#include "base/tim.h"

#define LST_LIMIT   0.02 /* s */
#define DUT1_MOST   0.9  /* s: by agreement, UT1-UTC is no larger */
#define AZEL_LIMIT  5.0  /* arcsec */
#define CHECK_LEAST 30   /* samples for a verdict */

/* The local apparent sidereal time, radians, that a minute should have. */
struct expected {
	bool known;
	double begin, end;
};

static struct expected expect_lst(const struct minute_work *w, const struct hk_row *row)
{
	struct coord_moment a, b;
	struct expected e = {0};
	double dut1 = mergehk_dut1(w->r, row);
	int64_t t0 = w->m->day * TIM_DAY + (int64_t)(w->t[0] * 1e9);

	e.known = coord_moment(&a, t0, dut1) == 0 && coord_moment(&b, t0 + TIM_MIN, dut1) == 0;
	if (e.known) {
		e.begin = coord_last(&a, &w->m->site);
		e.end = coord_last(&b, &w->m->site);
	}
	return e;
}

static void check_sample(
    const struct minute_work *w, int i, const struct expected *e, struct check_sums *s)
{
	const struct around *at = &w->at[i];
	double lst = mergelog_field(at, PLOG_LST) / PLOG_DAY * 2 * M_PI, az, el;
	double f = (w->t[i] - w->t[0]) / 60;

	if (e->known) {
		double want = e->begin + f * eraAnp(e->end - e->begin);
		double d = eraAnpm(lst - want) / (2 * M_PI) * 86400, h = w->t[i] / 3600;
		s->n++;
		s->d += d;
		s->dd += d * d;
		s->h += h;
		s->hh += h * h;
		s->hd += h * d;
	}
	if (!mergelog_celestial(at) || !(at->a.flags[3] & PLOG_TRACKING))
		return;
	coord_to_horizon(lst, w->m->site.latitude,
	    mergelog_field(at, PLOG_RA) / PLOG_DAY * 2 * M_PI,
	    mergelog_field(at, PLOG_DEC) / 10 * ARCSEC, &az, &el);
	double de = el / ARCSEC - mergelog_field(at, PLOG_EL) / 10;
	double da = eraAnpm(az - mergelog_field(at, PLOG_AZ) / 10 * ARCSEC) / ARCSEC * cos(el);
	double d2 = de * de + da * da;
	s->k++;
	s->ss += d2;
	s->max = fmax(s->max, sqrt(d2));
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

void mergecheck_minute(const struct minute_work *w, const struct hk_row *row, struct check_sums *s)
{
	struct expected e = expect_lst(w, row);

	/* Once a second is enough. */
	for (int i = 0; i < w->n; i += w->m->cal->das.rate)
		if (w->at[i].have && !w->at[i].gap)
			check_sample(w, i, &e, s);
	s->offsets = fmax(s->offsets, offsets_of(row));
}

void mergecheck_judge(struct merge_hour *r, const struct check_sums *s)
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
	r->verdict = fabs(r->lst) > LST_LIMIT + (known ? 0 : DUT1_MOST) ? HOUR_SUSPECT : HOUR_GOOD;
	if (s->k < CHECK_LEAST)
		return;
	r->azel_rms = sqrt(s->ss / s->k);
	r->azel_max = s->max;
	if (r->azel_rms > AZEL_LIMIT + s->offsets)
		r->verdict = HOUR_SUSPECT;
}

int mergecheck_put(struct hour *file, const struct merge_hour *r)
{
	const double v[6] = {
	    r->lst, r->lst_slope, r->lst_rms, r->azel_rms, r->azel_max, (double)r->verdict};
	int bad = 0;

	for (int k = 0; k < 6 && !bad; k++)
		bad = hour_own(file, (enum hour_own)(HOUR_CHECK_LST + k), 0, 1, &v[k]);
	return bad;
}
