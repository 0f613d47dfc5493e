/* hourhead.c - the header of a merged hour: its variables, ours and the specification's */
#include "sky/hourin.h"

#include <stdio.h>
#include <string.h>

#include "base/tim.h"
#include "file/cdf.h"

#define FILL_REAL 9.9692099683868690e+36 /* netCDF's default */
#define FILL_INT  (-2147483647)
#define FILL_BYTE (-127)

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
		double volt = packed ? c->adc_volts / ADC_HALF : 1;
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

struct cdf_head *hourhead_define(struct hour *h)
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
