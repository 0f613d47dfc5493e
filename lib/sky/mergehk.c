/* mergehk.c - housekeeping by the second: its rows, the apparent place of the source, UT1-UTC */
#include "sky/mergehourin.h"

#include <math.h>
#include <string.h>

#include "base/tim.h"

/* The rows of a minute's 60 nominal seconds, each the one of its corrected second. */
void mergehk_take(struct minute_work *w, struct hk_row row[60], bool have[60])
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

const struct hk_row *mergehk_any(const struct hk_row row[60], const bool have[60])
{
	for (int k = 0; k < 60; k++)
		if (have[k])
			return &row[k];
	return NULL;
}

/* The telescope's own UT1-UTC, in the hour's housekeeping, is better than the calspec's constant;
 * it changes by 1 ms a day, so that the first one will do. */
void mergehk_find_dut1(const struct merge_setup *m, int64_t hour, struct merge_hour *r)
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

double mergehk_dut1(const struct merge_hour *r, const struct hk_row *row)
{
	double dut1 = row ? row->v[hk_find("ut1_minus_utc")] : (double)NAN;

	return isfinite(dut1) && fabs(dut1) < 1 ? dut1 : r->dut1;
}

/* ---- the source ---- */

/* The SHARC-2 codes of coordinate_type (fyke-enc(5)); the last two are fyke's own, with the
 * ecliptic longitude and latitude as source_ra and source_dec. */
enum {
	TYPE_HORIZON,
	TYPE_FK5,
	TYPE_GALACTIC,
	TYPE_APPARENT,
	TYPE_B1950,
	TYPE_ECLIPTIC_2000,
	TYPE_ECLIPTIC
};

/* -1: its place is not told by a frame. */
static int source_frame(
    const struct hk_row *r, enum coord_frame *frame, double *lon, double *lat, double *equinox)
{
	double type = r->v[hk_find("coordinate_type")], epoch = r->v[hk_find("source_epoch")];
	double ra = r->v[hk_find("source_ra")] * 15 * DEG, dec = r->v[hk_find("source_dec")] * DEG;

	*lon = ra;
	*lat = dec;
	*equinox = isnan(epoch) ? 0 : epoch;
	if (type == TYPE_FK5) {
		*frame = COORD_FK5;
	} else if (type == TYPE_B1950) {
		*frame = COORD_FK4;
	} else if (type == TYPE_GALACTIC) {
		*frame = COORD_GALACTIC;
		*lon = r->v[hk_find("galactic_longitude")] * DEG;
		*lat = r->v[hk_find("galactic_latitude")] * DEG;
	} else if (type == TYPE_ECLIPTIC_2000) {
		*frame = COORD_ECLIPTIC_2000;
	} else if (type == TYPE_ECLIPTIC) {
		*frame = COORD_ECLIPTIC;
	} else if (type == TYPE_HORIZON) {
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

static int put_sources(struct minute_work *w, const struct hk_row row[60], const bool have[60])
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
		} else if (coord_moment(&at, mid, mergehk_dut1(w->r, &row[k])) == 0) {
			apparent_source(&at, w->m, &row[k], &ra[k], &dec[k]);
		}
		last = k;
	}
	return hour_own(w->file, HOUR_RA_APPARENT, second, 60, ra) |
	    hour_own(w->file, HOUR_DEC_APPARENT, second, 60, dec);
}

/* ---- what is stored ---- */

int mergehk_put(struct minute_work *w, const struct hk_row row[60], const bool have[60])
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
