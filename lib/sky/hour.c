/* hour.c - a merged file: one hour, netCDF classic, of fixed size */
#include "sky/hour.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tim.h"
#include "base/wire.h"
#include "base/why.h"
#include "file/cdf.h"
#include "file/pub.h"

#define MINUTES   60
#define FILL_REAL 9.9692099683868690e+36 /* netCDF's default */
#define FILL_INT  (-2147483647)
#define FILL_BYTE (-127)
#define RAIL_LOW  (-32768) /* the fill value of packed shorts: such samples become -32767 */

enum flag { FLAG_AC = 1, FLAG_DC = 2, FLAG_MISSING = 4 };

struct slot {
	int id; /* in the header; -1 */
	double fill;
};

struct hour {
	struct hour_spec spec;
	struct pub pub;
	int fd;
	struct cdf *cdf;
	char why[HOUR_WHY];
	struct slot own[HOUR_OWN], cal[CAL_VARS];
	int flags, per_minute, bolos; /* flags: id, or -1 */
	uint8_t *scratch;
	size_t room;
	bool published;
};

#define fail(h, ...) why_fail((h)->why, sizeof(h)->why, errno, __VA_ARGS__)

const char *hour_why(const struct hour *h)
{
	return h->why;
}

const char *hour_path(const struct hour *h)
{
	return h->pub.path;
}

int hour_fd(const struct hour *h)
{
	return h->fd;
}

char *hour_name(int64_t hour, char buf[32])
{
	struct tim_parts p = tim_split(hour * TIM_H);

	snprintf(buf, 32, "%04d%02d%02d_%02d.nc", p.year % 10000, p.month % 100, p.day % 100,
	    p.hour % 100);
	return buf;
}

/* ---- the header ---- */

enum dim { DIM_NONE, DIM_TIME, DIM_ONEHERTZ, DIM_MINUTE, DIM_PIECE, DIM_EDGE };

/* Type, dimension, unit and words of the variables that are ours. */
static const struct {
	const char *name;
	enum cdf_type type;
	enum dim dim;
	const char *unit, *about;
} owns[HOUR_OWN] = {
    {"sample_interval", CDF_F64, DIM_NONE, "s", "time from sample to sample"},
    {"frames_written", CDF_I32, DIM_NONE, "1", "frames up to the last minute that was merged"},
    {"obs_mode", CDF_I16, DIM_NONE, "1", "0: raster"},
    {"time", CDF_F64, DIM_TIME, NULL, "nominal time of the DAS clock"},
    {"ut", CDF_F64, DIM_TIME, "hour", "UTC of the sample, by the telescope's clock"},
    {"jd", CDF_I32, DIM_TIME, "day", "MJD of the UT day: JD = 2400000.5 + jd + ut / 24"},
    {"time_offset", CDF_F64, DIM_TIME, "s", "DAS clock minus telescope clock"},
    {"quality", CDF_I16, DIM_TIME, "1", "what is wrong with a sample; 0: nothing"},
    {"source_ra_apparent", CDF_F64, DIM_ONEHERTZ, "hour",
	"the source's apparent right ascension, current epoch"},
    {"source_dec_apparent", CDF_F64, DIM_ONEHERTZ, "degree",
	"the source's apparent declination, current epoch"},
    {"minute_state", CDF_I8, DIM_MINUTE, "1",
	"1: the minute is whole, 0: not there, or being written"},
    {"minute_quality", CDF_I32, DIM_MINUTE, "1", "what is wrong with a minute's input; 0: nothing"},
    {"input_raw_size", CDF_I32, DIM_MINUTE, "1", "bytes of the raw file"},
    {"input_raw_crc32", CDF_I32, DIM_MINUTE, "1", "its CRC-32"},
    {"input_log_size", CDF_I32, DIM_MINUTE, "1", "bytes of the pointing log file"},
    {"input_log_crc32", CDF_I32, DIM_MINUTE, "1", "its CRC-32"},
    {"input_enc_size", CDF_I32, DIM_MINUTE, "1", "bytes of the housekeeping file"},
    {"input_enc_crc32", CDF_I32, DIM_MINUTE, "1", "its CRC-32"},
    {"clock_pieces", CDF_I32, DIM_NONE, "1",
	"pieces of the clock model; 0: no edges, no correction"},
    {"clock_from", CDF_F64, DIM_PIECE, "s", "nominal time from which a piece holds"},
    {"clock_to", CDF_F64, DIM_PIECE, "s", "and up to which"},
    {"clock_first_edge", CDF_F64, DIM_PIECE, "s", "its first edge"},
    {"clock_last_edge", CDF_F64, DIM_PIECE, "s", "and its last"},
    {"clock_centre", CDF_F64, DIM_PIECE, "s", "nominal time of clock_offset"},
    {"clock_offset", CDF_F64, DIM_PIECE, "s", "DAS minus telescope at clock_centre"},
    {"clock_rate", CDF_F64, DIM_PIECE, "1", "drift: seconds per second"},
    {"clock_rms", CDF_F64, DIM_PIECE, "s", "rms of a piece's residuals"},
    {"clock_edges", CDF_I32, DIM_PIECE, "1", "edges of a piece"},
    {"edge_time", CDF_F64, DIM_EDGE, "s", "nominal time of an edge that DAS and telescope saw"},
    {"edge_offset", CDF_F64, DIM_EDGE, "s", "DAS minus telescope, as measured at the edge"},
    {"edge_residual", CDF_F64, DIM_EDGE, "s", "what is left of it after the clock model"},
    {"edge_line", CDF_I32, DIM_EDGE, "1",
	"number of its TTL line in the calspec, twice, plus 1 where it rose"},
    {"clock_das_edges", CDF_I32, DIM_NONE, "1", "edges seen by the DAS"},
    {"clock_log_edges", CDF_I32, DIM_NONE, "1", "edges in the pointing log"},
    {"clock_matched", CDF_I32, DIM_NONE, "1", "edges seen by both"},
    {"clock_residual", CDF_F64, DIM_NONE, "s", "rms of all residuals"},
    {"check_lst", CDF_F64, DIM_NONE, "s",
	"sidereal time of the log minus that of UT1 and longitude"},
    {"check_lst_slope", CDF_F64, DIM_NONE, "1", "its change, seconds per hour"},
    {"check_lst_rms", CDF_F64, DIM_NONE, "s", "its scatter"},
    {"check_azel_rms", CDF_F64, DIM_NONE, "arcsecond",
	"requested azimuth and elevation against RA and Dec"},
    {"check_azel_max", CDF_F64, DIM_NONE, "arcsecond", "the largest difference"},
    {"check_verdict", CDF_I8, DIM_NONE, "1", "of the checks on this hour"},
};

static double fill_of(enum cdf_type type)
{
	switch (type) {
	case CDF_I8:
		return FILL_BYTE;
	case CDF_I16:
		return RAIL_LOW;
	case CDF_I32:
		return FILL_INT;
	case CDF_CHAR:
		return 0;
	default:
		return FILL_REAL;
	}
}

/* What readers must find on every number: IDL's takes a missing one for an error. */
static void describe(struct cdf_head *d, int v, enum cdf_type type, const char *unit,
    const char *about, double scale, double offset)
{
	enum cdf_type as = type == CDF_F32 ? CDF_F32 : CDF_F64;

	if (*about)
		cdf_text(d, v, "long_name", "%s", about);
	cdf_text(d, v, "units", "%s", unit);
	if (type == CDF_CHAR)
		return;
	cdf_number(d, v, "scale_factor", as, scale);
	cdf_number(d, v, "add_offset", as, offset);
}

static void flag_words(struct cdf_head *d, int v, enum cdf_type type, int n, const char *words)
{
	int8_t b[16];
	int16_t s[16];
	int32_t i[16];

	for (int k = 0; k < n; k++) {
		b[k] = (int8_t)(1 << k);
		s[k] = (int16_t)(1 << k);
		i[k] = 1 << k;
	}
	cdf_list(d, v, "flag_masks", type, (size_t)n,
	    type == CDF_I8        ? (void *)b
		: type == CDF_I16 ? (void *)s
				  : (void *)i);
	cdf_text(d, v, "flag_meanings", "%s", words);
}

struct dims {
	int time, onehertz, minute, piece, edge, bolo, hex, text;
};

static void define_own(struct hour *h, struct cdf_head *d, const struct dims *at)
{
	char since[TIM_TEXT];

	for (int i = 0; i < HOUR_OWN; i++) {
		const int dim[] = {0, at->time, at->onehertz, at->minute, at->piece, at->edge};
		int v = cdf_var(
		    d, owns[i].name, owns[i].type, owns[i].dim != DIM_NONE, &dim[owns[i].dim]);
		h->own[i] = (struct slot){v, i == HOUR_UT ? -1 : fill_of(owns[i].type)};
		if (i == HOUR_TIME) {
			tim_text(h->spec.hour * TIM_H, 0, since);
			since[10] = ' ';
			since[19] = '\0';
			cdf_text(d, v, "standard_name", "time");
			cdf_text(d, v, "axis", "T");
			cdf_text(d, v, "calendar", "standard");
			cdf_text(d, v, "units", "seconds since %s", since);
			cdf_text(d, v, "long_name", "%s", owns[i].about);
			cdf_number(d, v, "scale_factor", CDF_F64, 1);
			cdf_number(d, v, "add_offset", CDF_F64, 0);
			continue;
		}
		describe(d, v, owns[i].type, owns[i].unit, owns[i].about, 1, 0);
		if (owns[i].dim == DIM_TIME || owns[i].dim == DIM_ONEHERTZ ||
		    owns[i].dim >= DIM_PIECE)
			cdf_number(d, v, "_FillValue", owns[i].type, h->own[i].fill);
	}
	flag_words(d, h->own[HOUR_QUALITY].id, CDF_I16, 9,
	    "raw_missing pointing_missing pointing_interpolated housekeeping_missing "
	    "clock_without_edges clock_step clock_extrapolated raw_duplicate pointing_stale");
	flag_words(d, h->own[HOUR_MINUTE_QUALITY].id, CDF_I32, 14,
	    "raw_missing raw_short raw_long raw_torn raw_duplicate pointing_missing pointing_short "
	    "pointing_stale pointing_bad housekeeping_missing housekeeping_short housekeeping_bad "
	    "leap_second provisional");
	static const int8_t verdicts[] = {0, 1, 2};
	cdf_list(d, h->own[HOUR_CHECK_VERDICT].id, "flag_values", CDF_I8, 3, verdicts);
	cdf_text(d, h->own[HOUR_CHECK_VERDICT].id, "flag_meanings", "unchecked good suspect");
}

static enum cdf_type type_of(const struct cal_var *v)
{
	static const enum cdf_type types[] = {CDF_CHAR, CDF_I8, CDF_I16, CDF_I32, CDF_F32, CDF_F64};

	return types[v->type];
}

/* The second dimension of a das variable. */
static int channel_dim(
    struct hour *h, struct cdf_head *d, const struct dims *at, const struct cal_var *v)
{
	char name[80];

	if (v->nchannels == h->bolos)
		return at->bolo;
	if (v->nchannels == 6)
		return at->hex;
	snprintf(name, sizeof name, "%s_channel", v->name);
	return cdf_dim(d, name, (uint64_t)v->nchannels);
}

static void define_cal(struct hour *h, struct cdf_head *d, const struct dims *at)
{
	const struct calspec *c = h->spec.cal;

	for (int i = 0; i < c->nvars; i++) {
		const struct cal_var *v = &c->var[i];
		enum cdf_type type = type_of(v);
		int dim[2] = {v->source == CAL_HK ? at->onehertz : at->time, 0}, n = 1;
		if (v->source == CAL_DAS && v->nchannels > 1)
			dim[n++] = channel_dim(h, d, at, v);
		if (type == CDF_CHAR)
			dim[n++] = at->text;
		int id = cdf_var(d, v->name, type, n, dim);
		bool packed = v->source == CAL_DAS && v->type == CAL_SHORT;
		double volt = packed ? c->adc_volts / 32768 : 1;
		/* "Clearly invalid" as users know it: a negative sidereal time. */
		h->cal[i] = (struct slot){id, strcmp(v->name, "lst") == 0 ? -1 : fill_of(type)};
		describe(d, id, type, v->unit, v->about, packed ? v->poly[1] * volt : 1,
		    packed ? v->poly[0] : 0);
		if (type != CDF_CHAR)
			cdf_number(d, id, "_FillValue", type, h->cal[i].fill);
		if (v->source != CAL_HK)
			cdf_text(d, id, "ancillary_variables", "%s",
			    packed && h->bolos && v->nchannels == h->bolos ? "flags quality"
									   : "quality");
	}
}

static void define_bolos(struct hour *h, struct cdf_head *d, const struct dims *at)
{
	int both[2] = {at->time, at->bolo}, named[2] = {at->bolo, at->text};

	h->flags = -1;
	if (!h->bolos)
		return;
	h->flags = cdf_var(d, "flags", CDF_I8, 2, both);
	describe(
	    d, h->flags, CDF_I8, "1", "what is wrong with a bolometer's sample; 0: good", 1, 0);
	flag_words(d, h->flags, CDF_I8, 3, "ac_at_adc_rail dc_at_adc_rail missing");
	int v = cdf_var(d, "bolo", CDF_CHAR, 2, named);
	cdf_text(d, v, "long_name", "bolometer");
	v = cdf_var(d, "sampling_offset", CDF_F64, 1, &at->bolo);
	describe(d, v, CDF_F64, "s", "how much later than its frame a bolometer is sampled", 1, 0);
}

static void define_globals(const struct hour *h, struct cdf_head *d)
{
	const struct calspec *c = h->spec.cal;
	char from[TIM_TEXT], to[TIM_TEXT];

	tim_text(h->spec.hour * TIM_H, 0, from);
	tim_text((h->spec.hour + 1) * TIM_H, 0, to);
	cdf_text(d, CDF_GLOBAL, "Conventions", "CF-1.8 ACDD-1.3");
	cdf_text(d, CDF_GLOBAL, "title", "Bolocam raw data, merged with the telescope's pointing");
	cdf_text(d, CDF_GLOBAL, "summary",
	    "One hour of bolometer samples at the nominal times of the DAS clock, with pointing "
	    "resampled to the corrected times, and housekeeping");
	cdf_text(d, CDF_GLOBAL, "keywords", "bolometer, millimetre astronomy, time streams");
	cdf_text(d, CDF_GLOBAL, "history", "fyke merge %s", FYKE_VERSION);
	cdf_number(d, CDF_GLOBAL, "num_cleaned", CDF_I32, 0);
	cdf_text(d, CDF_GLOBAL, "processing_level", "raw");
	cdf_text(d, CDF_GLOBAL, "time_coverage_start", "%s", from);
	cdf_text(d, CDF_GLOBAL, "time_coverage_end", "%s", to);
	cdf_text(d, CDF_GLOBAL, "time_coverage_resolution", "PT%gS", 1.0 / c->das.rate);
	cdf_number(d, CDF_GLOBAL, "file_format", CDF_I32, h->spec.format);
	cdf_text(d, CDF_GLOBAL, "clock_correction", h->spec.sync ? "TTL edges" : "none");
	cdf_text(d, CDF_GLOBAL, "fixut", h->spec.fixut ? "yes" : "no");
	cdf_text(d, CDF_GLOBAL, "site", "%s", c->site);
	cdf_number(d, CDF_GLOBAL, "site_longitude", CDF_F64, c->longitude);
	cdf_number(d, CDF_GLOBAL, "site_latitude", CDF_F64, c->latitude);
	cdf_number(d, CDF_GLOBAL, "site_height", CDF_F64, c->height);
	cdf_text(d, CDF_GLOBAL, "dut1_source", "%s", h->spec.dut1_source);
	cdf_text(d, CDF_GLOBAL, "calspec_crc32", "%08x", c->crc);
	cdf_text(d, CDF_GLOBAL, "calspec", "%s", c->text);
}

static struct cdf_head *define(struct hour *h)
{
	struct cdf_head *d = cdf_head_new(CDF_2);
	struct dims at;

	if (!d)
		return NULL;
	at.time = cdf_dim(d, "time", (uint64_t)h->per_minute * MINUTES);
	at.onehertz = cdf_dim(d, "onehertz", 3600);
	at.bolo = h->bolos ? cdf_dim(d, "bolodim", (uint64_t)h->bolos) : -1;
	at.hex = cdf_dim(d, "hex", 6);
	at.text = cdf_dim(d, "char_len", HOUR_TEXT);
	at.minute = cdf_dim(d, "minute", MINUTES);
	at.piece = cdf_dim(d, "clock_piece", HOUR_PIECES);
	at.edge = cdf_dim(d, "edge", HOUR_EDGES);
	define_own(h, d, &at);
	define_cal(h, d, &at);
	define_bolos(h, d, &at);
	define_globals(h, d);
	return d;
}

/* ---- writing values ---- */

static uint8_t *room(struct hour *h, size_t bytes)
{
	if (bytes > h->room) {
		free(h->scratch);
		h->scratch = malloc(bytes);
		h->room = h->scratch ? bytes : 0;
	}
	if (!h->scratch)
		fail(h, "out of memory");
	return h->scratch;
}

static int put(struct hour *h, int id, uint64_t at, const void *bytes, size_t n)
{
	if (cdf_write_at(h->cdf, id, at, bytes, n) < 0)
		return fail(h, "%s: %s", h->published ? h->pub.path : h->pub.part, strerror(errno));
	return 0;
}

static double clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* One value as the file has it, big-endian; returns the next place. */
static uint8_t *encode(uint8_t *to, enum cdf_type type, double v)
{
	u16be s;
	u32be w;
	u64be d;
	float f = (float)v;
	uint32_t fu;
	uint64_t du;

	switch (type) {
	case CDF_I8:
		*to = (uint8_t)(int8_t)lrint(clamp(v, -128, 127));
		return to + 1;
	case CDF_I16:
		wire_put(&s, (uint16_t)lrint(clamp(v, -32768, 32767)));
		memcpy(to, s.b, 2);
		return to + 2;
	case CDF_I32:
		wire_put(&w, (uint32_t)lrint(clamp(v, -2147483648.0, 4294967295.0)));
		memcpy(to, w.b, 4);
		return to + 4;
	case CDF_F32:
		memcpy(&fu, &f, 4);
		wire_put(&w, fu);
		memcpy(to, w.b, 4);
		return to + 4;
	default:
		memcpy(&du, &v, 8);
		wire_put(&d, du);
		memcpy(to, d.b, 8);
		return to + 8;
	}
}

static int put_values(struct hour *h, struct slot s, int64_t first, int64_t n, const double *v)
{
	enum cdf_type type = cdf_head(h->cdf)->var[s.id].type;
	size_t size = cdf_size(type);
	uint8_t *buf = room(h, (size_t)n * size), *at = buf;

	if (!buf)
		return -1;
	for (int64_t i = 0; i < n; i++)
		at = encode(at, type, isnan(v[i]) ? s.fill : v[i]);
	return put(h, s.id, (uint64_t)first * size, buf, (size_t)n * size);
}

int hour_own(struct hour *h, enum hour_own var, int64_t first, int64_t n, const double *values)
{
	return put_values(h, h->own[var], first, n, values);
}

int hour_cal(struct hour *h, int var, int64_t first, int64_t n, const double *values)
{
	return put_values(h, h->cal[var], first, n, values);
}

int hour_text(struct hour *h, int var, int64_t first, int64_t n, const char (*text)[HOUR_TEXT])
{
	return put(h, h->cal[var].id, (uint64_t)first * HOUR_TEXT, text, (size_t)n * HOUR_TEXT);
}

/* ---- the DAS ---- */

/* Channels that follow each other are copied together. */
struct run {
	size_t from, bytes;
};

static int make_runs(const struct cal_var *v, struct run *run)
{
	int n = 0;

	for (int i = 0; i < v->nchannels; i++) {
		if (i > 0 && v->channel[i] == v->channel[i - 1] + 1)
			run[n - 1].bytes += 2;
		else
			run[n++] = (struct run){2 * (size_t)v->channel[i], 2};
	}
	return n;
}

/* Whether a row of big-endian shorts has a value at a rail. */
static bool has_rail(const uint8_t *row, size_t n)
{
	unsigned any = 0;

	for (size_t i = 0; i < n; i++) {
		uint16_t v;
		memcpy(&v, row + 2 * i, 2);
		any |= (v == WIRE_BE16(0x8000)) | (v == WIRE_BE16(0x7fff));
	}
	return any;
}

/* -32768 is the fill value: such samples become -32767, and both rails are flagged. */
static int64_t mend_rails(uint8_t *row, size_t n, uint8_t *flags, enum flag flag)
{
	int64_t count = 0;

	for (size_t i = 0; i < n; i++) {
		int v = (int16_t)(row[2 * i] << 8 | row[2 * i + 1]);
		if (v != RAIL_LOW && v != 32767)
			continue;
		if (v == RAIL_LOW)
			row[2 * i + 1] = 1;
		if (flags)
			flags[i] |= (uint8_t)flag;
		count++;
	}
	return count;
}

static int put_packed(struct hour *h, int var, int minute, const uint8_t *frames, int n,
    uint8_t *flags, int64_t *rails)
{
	const struct cal_var *v = &h->spec.cal->var[var];
	struct run run[CAL_CHANNELS];
	int runs = make_runs(v, run);
	size_t row = 2 * (size_t)v->nchannels, frame = 2 * (size_t)h->spec.cal->das.channels;
	uint8_t *buf = room(h, row * (size_t)h->per_minute), *at = buf;
	enum flag flag = strncmp(v->name, "dc", 2) == 0 ? FLAG_DC : FLAG_AC;

	if (!buf)
		return -1;
	for (int i = 0; i < n; i++, frames += frame) {
		uint8_t *begin = at;
		for (int k = 0; k < runs; k++) {
			memcpy(at, frames + run[k].from, run[k].bytes);
			at += run[k].bytes;
		}
		if (h->spec.cal->das.little)
			cdf_swap(begin, (size_t)v->nchannels, 2);
		if (has_rail(begin, (size_t)v->nchannels))
			*rails += mend_rails(begin, (size_t)v->nchannels,
			    flags ? flags + (size_t)i * (size_t)h->bolos : NULL, flag);
	}
	for (uint8_t *end = buf + row * (size_t)h->per_minute; at < end; at += 2) {
		at[0] = 0x80;
		at[1] = 0;
	}
	return put(h, h->cal[var].id, row * (uint64_t)h->per_minute * (uint64_t)minute, buf,
	    row * (size_t)h->per_minute);
}

static int put_converted(struct hour *h, int var, int minute, const uint8_t *frames, int n)
{
	const struct calspec *c = h->spec.cal;
	const struct cal_var *v = &c->var[var];
	size_t count = (size_t)h->per_minute * (size_t)v->nchannels;
	double *x = malloc(count * sizeof *x);
	int16_t *raw = malloc((size_t)h->per_minute * sizeof *raw);
	int bad = -1;

	if (x && raw) {
		for (int k = 0; k < v->nchannels; k++) {
			das_channel(&c->das, frames, (size_t)n, v->channel[k], raw);
			for (int i = 0; i < h->per_minute; i++)
				x[i * v->nchannels + k] = i < n
				    ? calspec_convert(v, raw[i] * (c->adc_volts / 32768))
				    : (double)NAN;
		}
		bad = put_values(h, h->cal[var], (int64_t)count * minute, (int64_t)count, x);
	} else {
		fail(h, "out of memory");
	}
	free(x);
	free(raw);
	return bad;
}

int hour_das(struct hour *h, int minute, const uint8_t *frames, int n, int64_t *rails)
{
	const struct calspec *c = h->spec.cal;
	size_t nflags = (size_t)h->per_minute * (size_t)h->bolos;
	uint8_t *flags = calloc(nflags ? nflags : 1, 1);
	int bad = flags ? 0 : fail(h, "out of memory");

	for (int i = 0; i < c->nvars && !bad; i++) {
		const struct cal_var *v = &c->var[i];
		if (v->source != CAL_DAS)
			continue;
		if (v->type == CAL_SHORT)
			bad = put_packed(h, i, minute, frames, n,
			    h->bolos && v->nchannels == h->bolos ? flags : NULL, rails);
		else
			bad = put_converted(h, i, minute, frames, n);
	}
	if (!bad && h->flags >= 0) {
		size_t have = (size_t)n * (size_t)h->bolos;
		memset(flags + have, FLAG_MISSING, nflags - have);
		bad = put(h, h->flags, nflags * (uint64_t)minute, flags, nflags);
	}
	free(flags);
	return bad;
}

/* ---- creating ---- */

static int put_names(struct hour *h)
{
	const struct cal_var *ac = calspec_find(h->spec.cal, "ac_bolos");
	const struct cdf_head *d = cdf_head(h->cdf);
	char name[HOUR_TEXT];
	uint8_t value[8];
	int bad = 0;

	for (int i = 0; i < h->bolos && !bad; i++) {
		memset(name, 0, sizeof name);
		snprintf(name, sizeof name, "BOLO_%c%d", 'A' + i / 24 % 26, i % 24 + 1);
		encode(value, CDF_F64, h->spec.cal->channel_delay * ac->channel[i]);
		bad = put(h, cdf_find(d, "bolo"), (uint64_t)i * HOUR_TEXT, name, HOUR_TEXT) ||
		    put(h, cdf_find(d, "sampling_offset"), (uint64_t)i * 8, value, 8);
	}
	return bad;
}

/* The nominal grid: a coordinate variable is complete and rises strictly. */
static int put_grid(struct hour *h)
{
	double t[3000], step = 1.0 / h->spec.cal->das.rate;
	int64_t n = (int64_t)h->per_minute * MINUTES;
	int bad = 0;

	for (int64_t at = 0; at < n && !bad; at += 3000) {
		int64_t k = n - at < 3000 ? n - at : 3000;
		for (int64_t i = 0; i < k; i++)
			t[i] = (double)(at + i) * step;
		bad = hour_own(h, HOUR_TIME, at, k, t);
	}
	const double zero = 0;
	return bad || hour_own(h, HOUR_SAMPLE_INTERVAL, 0, 1, &step) ||
	    hour_own(h, HOUR_OBS_MODE, 0, 1, &zero);
}

static struct hour *give_up(struct hour *h, char why[HOUR_WHY])
{
	memcpy(why, h->why, HOUR_WHY);
	int e = errno;
	hour_close(h);
	errno = e;
	return NULL;
}

struct hour *hour_create(const struct hour_spec *spec, const char *path, char why[HOUR_WHY])
{
	struct hour *h = calloc(1, sizeof *h);
	char reason[CDF_WHY];
	const struct cal_var *ac = calspec_find(spec->cal, "ac_bolos");

	if (!h) {
		snprintf(why, HOUR_WHY, "out of memory");
		return NULL;
	}
	h->spec = *spec;
	h->fd = -1;
	h->per_minute = 60 * spec->cal->das.rate;
	h->bolos = ac ? ac->nchannels : 0;
	if (pub_begin(&h->pub, path, true) < 0 || (h->fd = pub_create(&h->pub)) < 0) {
		fail(h, "%s", h->pub.why);
		return give_up(h, why);
	}
	struct cdf_head *d = define(h);
	h->cdf = d ? cdf_create(d, h->pub.part, h->fd, 1 << 20, -1, reason) : NULL;
	if (!h->cdf) {
		fail(h, "%s", d ? reason : "out of memory");
		return give_up(h, why);
	}
	if (put_names(h) || put_grid(h))
		return give_up(h, why);
	return h;
}

void hour_close(struct hour *h)
{
	if (!h)
		return;
	pub_end(&h->pub);
	cdf_free(h->cdf);
	if (h->fd >= 0)
		close(h->fd);
	free(h->scratch);
	free(h);
}

int hour_publish(struct hour *h)
{
	char reason[CDF_WHY];

	if (fsync(h->fd) < 0)
		return fail(h, "%s: does not reach the disk: %s", h->pub.part, strerror(errno));
	if (cdf_verify(h->pub.part, cdf_head(h->cdf), 0, -1, reason) < 0)
		return fail(h, "%s", reason);
	if (pub_commit(&h->pub, h->fd, true) < 0)
		return fail(h, "%s", h->pub.why);
	h->published = true;
	return 0;
}

/* ---- in place ---- */

static int sync_it(struct hour *h)
{
	return fsync(h->fd) < 0
	    ? fail(h, "%s: does not reach the disk: %s", h->pub.path, strerror(errno))
	    : 0;
}

int hour_begin(struct hour *h, int minute)
{
	const double state = 0;

	return hour_own(h, HOUR_MINUTE_STATE, minute, 1, &state) || sync_it(h) ? -1 : 0;
}

int hour_end(struct hour *h, int minute, int64_t frames_written)
{
	const double state = 1, frames = (double)frames_written;

	return sync_it(h) || hour_own(h, HOUR_FRAMES_WRITTEN, 0, 1, &frames) ||
		hour_own(h, HOUR_MINUTE_STATE, minute, 1, &state) || sync_it(h)
	    ? -1
	    : 0;
}

uint64_t hour_minutes(const char *path)
{
	char reason[CDF_WHY];
	uint8_t state[MINUTES];
	uint64_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return 0;
	/* One that was finished as netCDF-4: all its minutes that still have a raw file. */
	if (pread(fd, state, 4, 0) == 4 && memcmp(state, "\x89HDF", 4) == 0) {
		close(fd);
		return UINT64_MAX;
	}
	struct cdf_head *d = cdf_scan(fd, reason);
	int v = d ? cdf_find(d, "minute_state") : -1;
	if (v >= 0 && d->var[v].type == CDF_I8 && d->var[v].count == MINUTES &&
	    pread(fd, state, MINUTES, (off_t)d->var[v].begin) == MINUTES)
		for (int i = 0; i < MINUTES; i++)
			have |= (uint64_t)(state[i] == 1) << i;
	cdf_head_free(d);
	close(fd);
	return have;
}
