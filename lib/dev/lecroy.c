/* lecroy.c - LeCroy waveforms: block, descriptor, samples, trigger times */
#include "dev/lecroy.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Integers and floats in the order that COMM_ORDER says: bytes until then. */
typedef struct {
	uint8_t b[2];
} w2;
typedef struct {
	uint8_t b[4];
} w4;
typedef struct {
	uint8_t b[8];
} w8;

/* WAVEDESC of template LECROY_2_3 (WM-RCM-E, appendix II). enum and word: w2; long and float: w4;
 * double: w8. */
struct wavedesc {
	char descriptor_name[16]; /* 0 */
	char template_name[16];   /* 16 */
	w2 comm_type;             /* 32: 0 byte, 1 word */
	w2 comm_order;            /* 34: 0 high byte first, 1 low byte first */
	w4 len_wavedesc;          /* 36 */
	w4 len_user_text;         /* 40 */
	w4 len_res_desc1;         /* 44 */
	w4 len_trigtime;          /* 48 */
	w4 len_ris_time;          /* 52 */
	w4 len_res_array1;        /* 56 */
	w4 len_wave_array_1;      /* 60 */
	w4 len_wave_array_2;      /* 64 */
	w4 len_res_array2;        /* 68 */
	w4 len_res_array3;        /* 72 */
	char instrument_name[16]; /* 76 */
	w4 instrument_number;     /* 92 */
	char trace_label[16];     /* 96 */
	w2 reserved1, reserved2;  /* 112 */
	w4 wave_array_count;      /* 116 */
	w4 pnts_per_screen;       /* 120 */
	w4 first_valid_pnt;       /* 124 */
	w4 last_valid_pnt;        /* 128 */
	w4 first_point;           /* 132 */
	w4 sparsing_factor;       /* 136 */
	w4 segment_index;         /* 140 */
	w4 subarray_count;        /* 144 */
	w4 sweeps_per_acq;        /* 148 */
	w2 points_per_pair;       /* 152 */
	w2 pair_offset;           /* 154 */
	w4 vertical_gain;         /* 156 */
	w4 vertical_offset;       /* 160 */
	w4 max_value;             /* 164 */
	w4 min_value;             /* 168 */
	w2 nominal_bits;          /* 172 */
	w2 nom_subarray_count;    /* 174 */
	w4 horiz_interval;        /* 176 */
	w8 horiz_offset;          /* 180 */
	w8 pixel_offset;          /* 188 */
	char vertunit[48];        /* 196 */
	char horunit[48];         /* 244 */
	w4 horiz_uncertainty;     /* 292 */
	struct {
		w8 seconds;                           /* 296 */
		uint8_t minutes, hours, days, months; /* 304 */
		w2 year, unused;                      /* 308 */
	} trigger_time;
	w4 acq_duration;                 /* 312 */
	w2 record_type, processing_done; /* 316 */
	w2 reserved5, ris_sweeps;        /* 320 */
	w2 timebase, vert_coupling;      /* 324 */
	w4 probe_att;                    /* 328 */
	w2 fixed_vert_gain;              /* 332 */
	w2 bandwidth_limit;              /* 334 */
	w4 vertical_vernier;             /* 336 */
	w4 acq_vert_offset;              /* 340 */
	w2 wave_source;                  /* 344 */
};
static_assert(sizeof(struct wavedesc) == LECROY_DESC, "template LECROY_2_3");
static_assert(offsetof(struct wavedesc, horiz_offset) == 180, "no padding");
static_assert(offsetof(struct wavedesc, acq_duration) == 312, "no padding");

#define PREFIX_MOST 64
#define YEAR_MOST   9999

/* RECORD_TYPEs that are samples over time: of a single sweep, as sequences once had it, and of peak
 * detection. Histograms, spectra, extrema and the like are none. */
enum { SINGLE = 0, SEQUENCE_OBSOLETE = 7, PEAK_DETECT = 9 };

const char *lecroy_text(enum lecroy_bad bad)
{
	switch (bad) {
	case LECROY_OK:
		return "good";
	case LECROY_NO_BLOCK:
		return "no data block in it";
	case LECROY_SHORT:
		return "cut short: fewer bytes than it says";
	case LECROY_NO_DESC:
		return "no WAVEDESC in it";
	case LECROY_TEMPLATE:
		return "another template than LECROY_2_x";
	case LECROY_ENUM:
		return "COMM_TYPE or COMM_ORDER is neither 0 nor 1";
	case LECROY_LENGTH:
		return "a length in it is negative";
	case LECROY_POINTS:
		return "its number of points does not fit its data (is the trace on?)";
	case LECROY_SEGMENTS:
		return "segments of unequal length, or without trigger times";
	case LECROY_NUMBER:
		return "its gain, offset or a time is no number";
	case LECROY_DATE:
		return "its trigger time is no date";
	case LECROY_KIND:
		return "not samples over time";
	}
	return "bad";
}

/* ---- the block ---- */

enum lecroy_bad lecroy_header(const void *reply, size_t size, size_t *start, size_t *n)
{
	const uint8_t *p = reply;
	const uint8_t *mark = memchr(p, '#', size < PREFIX_MOST ? size : PREFIX_MOST);

	if (!mark)
		return size < PREFIX_MOST ? LECROY_SHORT : LECROY_NO_BLOCK;
	size_t at = (size_t)(mark - p) + 1, len = 0;
	if (at == size)
		return LECROY_SHORT;
	if (p[at] < '0' || p[at] > '9')
		return LECROY_NO_BLOCK;
	size_t digits = (size_t)(p[at++] - '0');
	for (size_t i = 0; i < digits; i++, at++) {
		if (at == size)
			return LECROY_SHORT;
		if (p[at] < '0' || p[at] > '9')
			return LECROY_NO_BLOCK;
		len = 10 * len + (size_t)(p[at] - '0');
	}
	*start = at;
	*n = digits ? len : SIZE_MAX;
	return LECROY_OK;
}

enum lecroy_bad lecroy_block(const void *reply, size_t size, size_t *start, size_t *n)
{
	enum lecroy_bad bad = lecroy_header(reply, size, start, n);

	if (bad)
		return bad == LECROY_SHORT && !memchr(reply, '#', size) ? LECROY_NO_BLOCK : bad;
	if (*n == SIZE_MAX)
		*n = size - *start;
	return *n > size - *start ? LECROY_SHORT : LECROY_OK;
}

/* ---- numbers ---- */

static uint64_t get(const uint8_t *b, size_t n, bool little)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | b[little ? n - 1 - i : i];
	return v;
}

static uint16_t get2(w2 w, bool little)
{
	return (uint16_t)get(w.b, 2, little);
}

static int32_t get4(w4 w, bool little)
{
	return (int32_t)(uint32_t)get(w.b, 4, little);
}

static double get_float(w4 w, bool little)
{
	uint32_t u = (uint32_t)get(w.b, 4, little);
	float f;

	memcpy(&f, &u, sizeof f);
	return (double)f;
}

static double get_double(const uint8_t b[8], bool little)
{
	uint64_t u = get(b, 8, little);
	double d;

	memcpy(&d, &u, sizeof d);
	return d;
}

/* Printable characters up to the first that is not, spaces at the end taken off. */
static void copy_text(char *to, const char *from, size_t n)
{
	size_t k = 0;

	while (k < n && from[k] >= ' ' && from[k] <= '~') {
		to[k] = from[k];
		k++;
	}
	while (k > 0 && to[k - 1] == ' ')
		k--;
	to[k] = '\0';
}

/* ---- the descriptor ---- */

/* Where the arrays are. Each length is checked before it is added. */
static enum lecroy_bad lay_out(struct lecroy *l, const struct wavedesc *w, const uint8_t *block,
    size_t n, size_t *data_len, size_t *times_len)
{
	const w4 lens[] = {w->len_wavedesc, w->len_user_text, w->len_res_desc1, w->len_trigtime,
	    w->len_ris_time, w->len_res_array1, w->len_wave_array_1, w->len_wave_array_2,
	    w->len_res_array2, w->len_res_array3};
	size_t at = 0;

	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		int32_t len = get4(lens[i], l->little);
		if (len < 0)
			return LECROY_LENGTH;
		if (i == 0 && len < LECROY_DESC)
			return LECROY_NO_DESC;
		if ((size_t)len > n - at)
			return LECROY_SHORT;
		if (i == 3) {
			l->times = block + at;
			*times_len = (size_t)len;
		}
		if (i == 6) {
			l->data = block + at;
			*data_len = (size_t)len;
		}
		at += (size_t)len;
	}
	return LECROY_OK;
}

static enum lecroy_bad count_points(
    struct lecroy *l, const struct wavedesc *w, size_t data_len, size_t times_len)
{
	int32_t points = get4(w->wave_array_count, l->little);
	int32_t segments = get4(w->subarray_count, l->little);

	if (points <= 0 || (size_t)points > data_len / (l->words ? 2 : 1))
		return LECROY_POINTS;
	l->points = (size_t)points;
	l->segments = segments < 1 ? 1 : (size_t)segments;
	l->wanted = get2(w->nom_subarray_count, l->little);
	if (l->points % l->segments)
		return LECROY_SEGMENTS;
	l->length = l->points / l->segments;
	if (times_len / 16 < l->segments) {
		if (l->segments > 1)
			return LECROY_SEGMENTS;
		l->times = NULL;
	}
	for (size_t s = 0; s < l->segments; s++)
		if (!isfinite(lecroy_trigger(l, s)) || !isfinite(lecroy_first(l, s)))
			return LECROY_NUMBER;
	return LECROY_OK;
}

static enum lecroy_bad read_scale(struct lecroy *l, const struct wavedesc *w)
{
	l->gain = get_float(w->vertical_gain, l->little);
	l->offset = get_float(w->vertical_offset, l->little);
	l->high = get_float(w->max_value, l->little);
	l->low = get_float(w->min_value, l->little);
	l->dx = get_float(w->horiz_interval, l->little);
	l->x0 = get_double(w->horiz_offset.b, l->little);
	if (!isfinite(l->gain) || !isfinite(l->offset) || !isfinite(l->x0) || !isfinite(l->dx) ||
	    !isfinite(l->high) || !isfinite(l->low) || l->dx <= 0)
		return LECROY_NUMBER;
	return LECROY_OK;
}

static enum lecroy_bad read_date(struct lecroy *l, const struct wavedesc *w)
{
	l->second = get_double(w->trigger_time.seconds.b, l->little);
	l->minute = w->trigger_time.minutes;
	l->hour = w->trigger_time.hours;
	l->day = w->trigger_time.days;
	l->month = w->trigger_time.months;
	l->year = get2(w->trigger_time.year, l->little);
	bool good = l->second >= 0 && l->second < 61 && l->minute < 60 && l->hour < 24 &&
	    l->day >= 1 && l->day <= 31 && l->month >= 1 && l->month <= 12 && l->year >= 1970 &&
	    l->year <= YEAR_MOST;
	return good ? LECROY_OK : LECROY_DATE;
}

enum lecroy_bad lecroy_decode(struct lecroy *l, const void *block, size_t n)
{
	const struct wavedesc *w = block;
	size_t data_len = 0, times_len = 0;
	enum lecroy_bad bad;

	memset(l, 0, sizeof *l);
	if (n < LECROY_DESC)
		return n >= 8 && memcmp(w->descriptor_name, "WAVEDESC", 8) == 0 ? LECROY_SHORT
										: LECROY_NO_DESC;
	if (memcmp(w->descriptor_name, "WAVEDESC", 8) != 0)
		return LECROY_NO_DESC;
	if (memcmp(w->template_name, "LECROY_2_", 9) != 0)
		return LECROY_TEMPLATE;
	/* COMM_ORDER stands in the order that it announces. */
	if (w->comm_order.b[0] > 1 || w->comm_order.b[1] != 0)
		return LECROY_ENUM;
	l->little = w->comm_order.b[0] == 1;
	if (get2(w->comm_type, l->little) > 1)
		return LECROY_ENUM;
	l->words = get2(w->comm_type, l->little) == 1;
	l->desc = block;
	bad = lay_out(l, w, block, n, &data_len, &times_len);
	if (!bad)
		bad = count_points(l, w, data_len, times_len);
	if (!bad)
		bad = read_scale(l, w);
	if (!bad)
		bad = read_date(l, w);
	uint16_t kind = get2(w->record_type, l->little);
	if (!bad && kind != SINGLE && kind != SEQUENCE_OBSOLETE && kind != PEAK_DETECT)
		bad = LECROY_KIND;
	copy_text(l->instrument, w->instrument_name, sizeof w->instrument_name);
	copy_text(l->label, w->trace_label, sizeof w->trace_label);
	copy_text(l->yunit, w->vertunit, sizeof w->vertunit);
	copy_text(l->xunit, w->horunit, sizeof w->horunit);
	l->serial = get4(w->instrument_number, l->little);
	l->source = get2(w->wave_source, l->little);
	return bad;
}

/* ---- samples and times ---- */

double lecroy_trigger(const struct lecroy *l, size_t segment)
{
	return l->times ? get_double(l->times + 16 * segment, l->little) : 0;
}

double lecroy_first(const struct lecroy *l, size_t segment)
{
	return l->times ? get_double(l->times + 16 * segment + 8, l->little) : l->x0;
}

int lecroy_raw(const struct lecroy *l, size_t point)
{
	if (!l->words)
		return (int8_t)l->data[point];
	return (int16_t)(uint16_t)get(l->data + 2 * point, 2, l->little);
}

size_t lecroy_volts(const struct lecroy *l, size_t segment, float *to)
{
	size_t first = segment * l->length, edge = 0;

	for (size_t i = 0; i < l->length; i++) {
		int raw = lecroy_raw(l, first + i);
		edge += raw >= l->high || raw <= l->low;
		to[i] = (float)(l->gain * raw - l->offset);
	}
	return edge;
}

bool lecroy_same_trigger(const struct lecroy *a, const struct lecroy *b)
{
	if (a->year != b->year || a->month != b->month || a->day != b->day || a->hour != b->hour ||
	    a->minute != b->minute || memcmp(&a->second, &b->second, sizeof a->second) != 0 ||
	    a->segments != b->segments)
		return false;
	for (size_t s = 0; s < a->segments; s++) {
		double ta = lecroy_trigger(a, s), tb = lecroy_trigger(b, s);
		if (memcmp(&ta, &tb, sizeof ta) != 0)
			return false;
	}
	return true;
}
