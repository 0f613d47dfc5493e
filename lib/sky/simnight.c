/* simnight.c - a made-up night for simdas and simtel */
#include "sky/simnight.h"

#include <erfa.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/tim.h"

#define DEG      (M_PI / 180)
#define SITE_LON (-155.475497222 * DEG)
#define SITE_LAT (19.822438889 * DEG)
#define RATE     50.0
#define SOURCES  10
#define MIDNIGHT 18000.0 /* s: a night's middle, whatever part of it is asked for */

struct night {
	struct night_options o;
	struct night_source source[SOURCES];
	struct night_segment segment[NIGHT_SEGMENTS];
	int nsegments;
	struct night_event *event;
	int nevents, room;
	struct night_line *edge;
	int nedges, edge_room;
	int event_at, edge_at; /* cursors */
	unsigned lines_at;     /* state before edge_at */
	double dut1;
	int leap;
	int64_t lst_minute;
	double lst0, lst1; /* radians at that minute and one later */
	bool failed;
};

static double between(uint64_t *seed, double a, double b)
{
	return a + (b - a) * random_fraction(seed);
}

/* A value by its published quantiles: 0, 5, 25, 50, 75, 95, 100 %. */
static double from_quantiles(uint64_t *seed, const double q[7])
{
	static const double p[7] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};
	double r = random_fraction(seed);
	int i = 0;

	while (i < 5 && r > p[i + 1])
		i++;
	return q[i] + (q[i + 1] - q[i]) * (r - p[i]) / (p[i + 1] - p[i]);
}

/* ---- the clock ---- */

static double draw_rate(uint64_t *seed)
{
	static const double q[7] = {-5.32, -5.09, -4.89, -4.73, -4.70, -4.52, -4.34};
	bool odd = random_fraction(seed) < 0.05; /* five of 102 fits: few points */

	return (odd ? between(seed, -8.7, 17) : from_quantiles(seed, q)) / RATE / 3600;
}

static void draw_clock(struct night *n, uint64_t *seed)
{
	static const double q[7] = {-370, -103, -35, -20, 0, 35, 51};
	double at10 = from_quantiles(seed, q) / RATE, rate = draw_rate(seed);
	int steps = random_fraction(seed) < 6.0 / 90 ? 1 + (int)(4 * random_fraction(seed)) : 0;

	if (n->o.steps >= 0)
		steps = n->o.steps < NIGHT_SEGMENTS ? n->o.steps : NIGHT_SEGMENTS - 1;
	if (n->o.no_drift)
		at10 = rate = 0;
	n->segment[0] =
	    (struct night_segment){-1e9, at10 - rate * MIDNIGHT + n->o.extra_offset, rate};
	for (int k = 1; k <= steps; k++) {
		double at = 60 *
		    floor(
			n->o.length * (k - 0.2 - 0.6 * random_fraction(seed)) / (steps + 0.2) / 60);
		double size = 20 * exp(log(391.0 / 20) * random_fraction(seed)) / RATE;
		double sign = random_fraction(seed) < 0.5 ? -1 : 1;
		double r = n->o.no_drift ? 0 : draw_rate(seed);
		double before = n->segment[k - 1].offset + n->segment[k - 1].rate * at;
		n->segment[k] = (struct night_segment){at, before + sign * size - r * at, r};
	}
	n->nsegments = steps + 1;
}

int night_segments(const struct night *n, const struct night_segment **s)
{
	*s = n->segment;
	return n->nsegments;
}

int night_segment_of(const struct night *n, int64_t m)
{
	int k = 0;

	while (k + 1 < n->nsegments && n->segment[k + 1].from <= 60.0 * (double)m)
		k++;
	return k;
}

double night_true(const struct night *n, int k, double u)
{
	return u - (n->segment[k].offset + n->segment[k].rate * u);
}

double night_das(const struct night *n, int k, double t)
{
	return (t + n->segment[k].offset) / (1 - n->segment[k].rate);
}

int night_frames(const struct night *n, int64_t m, int rate)
{
	int k = night_segment_of(n, m), next = night_segment_of(n, m + 1);

	if (k == next)
		return 60 * rate;
	/* The next file opens when the stepped clock shows its minute. */
	double open = night_true(n, next, 60.0 * (double)(m + 1));
	double u = night_das(n, k, open) - 60.0 * (double)m;
	return u < 0 ? 0 : (int)ceil(u * rate - 1e-6);
}

/* ---- the plan ---- */

static void add_event(struct night *n, const struct night_event *e)
{
	if (n->nevents == n->room) {
		n->room = n->room ? 2 * n->room : 256;
		struct night_event *more = realloc(n->event, (size_t)n->room * sizeof *more);
		if (!more) {
			n->failed = true;
			return;
		}
		n->event = more;
	}
	n->event[n->nevents++] = *e;
}

static void add_edge(struct night *n, double at, int line)
{
	if (n->nedges == n->edge_room) {
		n->edge_room = n->edge_room ? 2 * n->edge_room : 1024;
		struct night_line *more = realloc(n->edge, (size_t)n->edge_room * sizeof *more);
		if (!more) {
			n->failed = true;
			return;
		}
		n->edge = more;
	}
	n->edge[n->nedges++] = (struct night_line){at, line};
}

static void lst_of(struct night *n, double t, double *lst)
{
	double tai1, tai2, tt1, tt2, ut1, ut2;
	double jd1 = 2440587.5 + (double)(n->o.start / TIM_DAY);
	double jd2 = ((double)(n->o.start % TIM_DAY) / 1e9 + t) / 86400;

	eraUtctai(jd1, jd2, &tai1, &tai2);
	eraTaitt(tai1, tai2, &tt1, &tt2);
	eraUtcut1(jd1, jd2, n->dut1, &ut1, &ut2);
	*lst = eraAnp(eraGst06a(ut1, ut2, tt1, tt2) + SITE_LON);
}

static double lst_at(struct night *n, double t)
{
	int64_t m = (int64_t)floor(t / 60);

	if (m != n->lst_minute) {
		lst_of(n, 60.0 * (double)m, &n->lst0);
		lst_of(n, 60.0 * (double)(m + 1), &n->lst1);
		n->lst_minute = m;
	}
	return eraAnp(n->lst0 + eraAnp(n->lst1 - n->lst0) * (t / 60 - (double)m));
}

static double elevation_of(struct night *n, int i, double t)
{
	double az, el, ha = lst_at(n, t) - n->source[i].ra_app * 15 * DEG;

	eraHd2ae(ha, n->source[i].dec_app * DEG, SITE_LAT, &az, &el);
	return el / DEG;
}

/* A source that is up, or the highest. */
static int pick_source(struct night *n, uint64_t *seed, double t)
{
	int best = 0;

	for (int tries = 0; tries < 20; tries++) {
		int i = (int)(random_fraction(seed) * SOURCES);
		if (elevation_of(n, i, t) > 25 && elevation_of(n, i, t) < 85)
			return i;
	}
	for (int i = 1; i < SOURCES; i++)
		if (elevation_of(n, i, t) > elevation_of(n, best, t))
			best = i;
	return best;
}

static double plan_rotation(struct night *n, uint64_t *seed, double t)
{
	double busy = t + between(seed, 0.05, 0.4), done = busy + between(seed, 3, 20);
	double low = done + between(seed, 0.02, 0.3);

	add_edge(n, t, NIGHT_ROTATE);
	add_edge(n, busy, NIGHT_BUSY);
	add_edge(n, done, NIGHT_BUSY);
	add_edge(n, low, NIGHT_ROTATE);
	return low + between(seed, 0.1, 2);
}

/* A raster: the Tracking line falls at the start of each scan and rises at its end. */
static double plan_raster(struct night *n, uint64_t *seed, double t, struct night_event e)
{
	double length = between(seed, 8, 30), speed = between(seed, 30, 240);
	double half = length * speed / 2, step = between(seed, 10, 60);
	int scans = 6 + (int)between(seed, 0, 24);

	for (int i = 0; i < scans; i++) {
		double sign = i % 2 ? -1 : 1;
		e.at = t;
		e.phase = NIGHT_SCAN;
		e.x0 = -sign * half;
		e.x1 = sign * half;
		e.y0 = e.y1 = step * (i - scans / 2.0);
		add_event(n, &e);
		add_edge(n, t, NIGHT_TRACKING);
		t += length + between(seed, 0, 0.2);
		e.at = t;
		e.phase = NIGHT_TURN;
		e.x0 = e.x1;
		e.y1 = step * (i + 1 - scans / 2.0);
		add_event(n, &e);
		add_edge(n, t, NIGHT_TRACKING);
		t += between(seed, 2.5, 5);
	}
	return t;
}

static double plan_observation(struct night *n, uint64_t *seed, double t, int obs)
{
	struct night_event e = {.at = t, .phase = NIGHT_SLEW, .obs = obs};
	double kind;

	e.source = pick_source(n, seed, t);
	add_event(n, &e);
	add_edge(n, t, NIGHT_NEWOBS);
	t += between(seed, 15, 80);
	e.at = t;
	e.phase = NIGHT_TRACK;
	add_event(n, &e);
	add_edge(n, t, NIGHT_ACQUIRED);
	add_edge(n, t, NIGHT_TRACKING);
	t += between(seed, 3, 15);
	kind = random_fraction(seed);
	if (kind < 0.85) {
		t = plan_rotation(n, seed, t);
		t = plan_raster(n, seed, t, e);
		e.at = t;
		add_event(n, &e);
	} else {
		t += between(seed, 60, 400); /* pointed: no edges */
	}
	t += between(seed, 2, 10);
	add_edge(n, t, NIGHT_TRACKING);
	add_edge(n, t, NIGHT_ACQUIRED);
	e.at = t;
	e.phase = NIGHT_IDLE;
	add_event(n, &e);
	return t + (random_fraction(seed) < 0.1 ? between(seed, 60, 600) : between(seed, 1, 20));
}

static int by_time(const void *a, const void *b)
{
	double x = ((const struct night_line *)a)->at, y = ((const struct night_line *)b)->at;

	return (x > y) - (x < y);
}

static void plan(struct night *n, uint64_t *seed)
{
	double t = -1200 - 600 * random_fraction(seed);

	for (int obs = 1; t < n->o.length + 1200 && !n->failed; obs++)
		t = plan_observation(n, seed, t, obs);
	qsort(n->edge, (size_t)n->nedges, sizeof *n->edge, by_time);
}

/* ---- sources ---- */

static void apparent(struct night *n, struct night_source *s)
{
	double tai1, tai2, tt1, tt2, r = s->lon * DEG, d = s->lat * DEG, ri, di, eo, a, b;
	double jd1 = 2440587.5 + (double)(n->o.start / TIM_DAY);
	double jd2 = ((double)(n->o.start % TIM_DAY) / 1e9 + MIDNIGHT) / 86400;

	eraUtctai(jd1, jd2, &tai1, &tai2);
	eraTaitt(tai1, tai2, &tt1, &tt2);
	if (s->type == 2) {
		eraG2icrs(r, d, &a, &b);
	} else if (s->type == 4) {
		double r5, d5;
		eraFk45z(r, d, eraEpb(tt1, tt2), &r5, &d5);
		eraFk5hz(r5, d5, tt1, tt2, &a, &b);
	} else if (s->type == 1) {
		eraFk5hz(r, d, tt1, tt2, &a, &b);
	}
	if (s->type == 3) {
		ri = r;
		di = d;
	} else {
		eraAtci13(a, b, 0, 0, 0, 0, tt1, tt2, &ri, &di, &eo);
		ri = eraAnp(ri - eo);
	}
	s->ra_app = ri / DEG / 15;
	s->dec_app = di / DEG;
}

static void place_sources(struct night *n)
{
	static const struct night_source list[SOURCES] = {
	    {"3C273", 1, 187.27791, 2.05239, 2000, 0, 0},
	    {"3C279", 4, 193.40167, -5.52139, 1950, 0, 0}, {"G32.0+0.5", 2, 32.0, 0.5, 2000, 0, 0},
	    {"Jupiter", 3, 189.0903, -2.4518, 2005.47, 0, 0},
	    {"COSMOS", 1, 150.11917, 2.20583, 2000, 0, 0},
	    {"SgrB2", 4, 266.04292, -28.37194, 1950, 0, 0},
	    {"G111.5+0.8", 2, 111.5, 0.8, 2000, 0, 0},
	    {"Uranus", 3, 342.5285, -8.2630, 2005.47, 0, 0}, {"Lynx", 1, 132.1, 44.9, 2000, 0, 0},
	    {"W3OH", 1, 36.76667, 61.87389, 2000, 0, 0}};

	memcpy(n->source, list, sizeof list);
	for (int i = 0; i < SOURCES; i++)
		apparent(n, &n->source[i]);
}

const struct night_source *night_source(const struct night *n, int i)
{
	return &n->source[i];
}

/* ---- lists of minutes ---- */

/* The next span of a list: 1, 0 at its end, -1 when it is no list. */
static int next_span(const char **s, long *from, long *to)
{
	char *end;

	if (!**s)
		return 0;
	if (**s < '0' || **s > '9')
		return -1;
	*from = *to = strtol(*s, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		*to = strtol(end + 1, &end, 10);
	if (*to < *from || *to > 1439 || (*end && *end != ',') || (*end == ',' && !end[1]))
		return -1;
	*s = *end ? end + 1 : end;
	return 1;
}

int night_start(const char *text, int64_t *start, int64_t *begun, double *speed)
{
	*begun = tim_mono();
	if (strcmp(text, "now") != 0)
		return tim_parse(text, start) < 0 || *start % TIM_MIN != 0 || *start < 0 ? -1 : 0;
	int64_t now = tim_now();
	*start = now - now % TIM_MIN;
	*begun -= now - *start;
	*speed = *speed > 0 ? *speed : 1;
	return 0;
}

bool night_list_good(const char *list)
{
	long from, to;
	int rc = 0;

	while (list && (rc = next_span(&list, &from, &to)) > 0)
		;
	return rc == 0;
}

bool night_listed(const char *list, int64_t minute)
{
	long from, to, m = (long)(minute % 1440);

	while (list && next_span(&list, &from, &to) > 0)
		if (m >= from && m <= to)
			return true;
	return false;
}

/* ---- life ---- */

struct night *night_new(const struct night_options *o)
{
	struct night *n = calloc(1, sizeof *n);
	uint64_t seed = o->seed * UINT64_C(0x2545f4914f6cdd1d) + 1, clock_seed = o->seed ^ 0x5c1f;
	double dat;

	if (!n)
		return NULL;
	n->o = *o;
	n->dut1 = -0.6158;
	n->lst_minute = INT64_MIN;
	struct tim_parts p = tim_split(o->start);
	eraDat(p.year, p.month, p.day, 0, &dat);
	n->leap = (int)dat;
	place_sources(n);
	draw_clock(n, &clock_seed);
	plan(n, &seed);
	if (n->failed) {
		night_free(n);
		return NULL;
	}
	return n;
}

void night_free(struct night *n)
{
	if (!n)
		return;
	free(n->event);
	free(n->edge);
	free(n);
}

int night_edges(const struct night *n, const struct night_line **e)
{
	*e = n->edge;
	return n->nedges;
}

double night_dut1(const struct night *n)
{
	return n->dut1;
}

int night_leap(const struct night *n)
{
	return n->leap;
}

void night_weather(const struct night *n, double t, struct night_weather *w)
{
	double a = (double)(n->o.seed % 17), h = t / 3600;

	w->tau = 0.06 + 0.02 * sin(h / 3 + a);
	w->temperature = 1.5 + 2 * sin(h / 5 + a);
	w->humidity = 20 + 10 * sin(h / 2 + 2 * a);
	w->pressure = 622 + sin(h / 6);
	w->wind = 5 + 3 * sin(h + a);
}

/* ---- the state ---- */

static const struct night_event *event_at(struct night *n, double t)
{
	if (n->event_at >= n->nevents || t < n->event[n->event_at].at)
		n->event_at = 0;
	while (n->event_at + 1 < n->nevents && n->event[n->event_at + 1].at <= t)
		n->event_at++;
	return &n->event[n->event_at];
}

static unsigned lines_at(struct night *n, double t)
{
	if (n->edge_at > 0 && t < n->edge[n->edge_at - 1].at) {
		n->edge_at = 0;
		n->lines_at = 0;
	}
	while (n->edge_at < n->nedges && n->edge[n->edge_at].at <= t)
		n->lines_at ^= (unsigned)n->edge[n->edge_at++].line;
	return n->lines_at;
}

void night_at(struct night *n, double t, struct night_state *s)
{
	const struct night_event *e = event_at(n, t);
	const struct night_source *src = &n->source[e->source];
	double end = e < n->event + n->nevents - 1 ? e[1].at : e->at + 1;
	double f = (t - e->at) / (end - e->at), lst = lst_at(n, t), az, el;

	memset(s, 0, sizeof *s);
	s->lines = lines_at(n, t);
	s->source = e->source;
	s->obs = e->obs;
	s->celestial = true;
	s->tracking = e->phase == NIGHT_TRACK || e->phase == NIGHT_SCAN || e->phase == NIGHT_TURN;
	s->acquired = s->lines & NIGHT_ACQUIRED;
	s->scanning = e->phase == NIGHT_SCAN;
	s->x = e->x0 + (e->x1 - e->x0) * f;
	s->y = e->y0 + (e->y1 - e->y0) * f;
	s->dec = src->dec_app + s->y / 3600;
	s->ra = src->ra_app + s->x / 3600 / 15 / cos(s->dec * DEG);
	s->ra -= 24 * floor(s->ra / 24);
	double ha = lst - s->ra * 15 * DEG;
	eraHd2ae(ha, s->dec * DEG, SITE_LAT, &az, &el);
	s->lst = lst / DEG / 15;
	s->az = az / DEG;
	s->el = el / DEG;
	s->pa = eraHd2pa(ha, s->dec * DEG, SITE_LAT) / DEG;
	s->transited = eraAnpm(ha) > 0;
	s->eaz = 1.2 * sin(t * 0.7) + (e->phase == NIGHT_SLEW ? 3e4 * exp(-(t - e->at) / 5) : 0);
	s->eel = 0.8 * sin(t * 0.9 + 1);
	s->rotangle = fmod(e->obs * 7.3, 60) - 36;
}
