/* mergelog.c - the pointing log at the corrected time of each sample */
#include "sky/mergehourin.h"

#include <math.h>

#define GAP_MAX 5 /* ticks of the log that are interpolated over */

static const struct plog_rec *record_at(const struct merge_setup *m, int64_t tick)
{
	int64_t abs = tick + m->day * MINUTE_DAY * PLOG_MINUTE, minute = abs / PLOG_MINUTE;
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

double mergelog_field(const struct around *at, enum plog_field f)
{
	return blend(at->a.v[f], at->b.v[f], at->f, turn_of(f));
}

bool mergelog_celestial(const struct around *at)
{
	return at->a.flags[3] & at->b.flags[3] & PLOG_CELESTIAL;
}

/* Apparent RA and Dec in the log's units where the log has none: from azimuth and elevation. */
static void from_horizon(
    const struct merge_setup *m, const struct around *at, double *ra, double *dec)
{
	double r, d;

	coord_horizon(mergelog_field(at, PLOG_LST) / PLOG_DAY * 2 * M_PI, m->site.latitude,
	    mergelog_field(at, PLOG_AZ) / 10 * ARCSEC, mergelog_field(at, PLOG_EL) / 10 * ARCSEC,
	    &r, &d);
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
	if ((f->index == PLOG_RA || f->index == PLOG_DEC) && !mergelog_celestial(at)) {
		from_horizon(m, at, &ra, &dec);
		v = f->index == PLOG_RA ? ra : dec;
	} else {
		v = mergelog_field(at, (enum plog_field)f->index);
	}
	if (f->index == PLOG_LST || f->index == PLOG_RA)
		v -= PLOG_DAY * floor(v / PLOG_DAY);
	return calspec_unit(f, v);
}

void mergelog_take(struct minute_work *w)
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

int mergelog_put(struct minute_work *w)
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
