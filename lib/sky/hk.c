/* hk.c - housekeeping: minute files as text, and the telescope's RPC record */
#include "sky/hk.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/tim.h"
#include "base/wire.h"

const struct hk_column hk_columns[HK_COLUMNS] = {
    {"obsnumber", "1", false},
    {"rotangle", "degree", false},
    {"source_ra", "hour", false},
    {"source_dec", "degree", false},
    {"source_epoch", "year", false},
    {"tau", "1", false},
    {"tau350", "1", false},
    {"temperature", "degC", false},
    {"humidity", "percent", false},
    {"pressure", "hPa", false},
    {"wind_speed", "m s-1", false},
    {"chop_throw", "arcsecond", false},
    {"chop_theta", "degree", false},
    {"chop_freq", "Hz", false},
    {"secondary_mirror_mode", "1", false},
    {"secondary_mirror_x_position", "mm", false},
    {"secondary_mirror_y_position", "mm", false},
    {"secondary_mirror_y_offset", "mm", false},
    {"secondary_mirror_focus_position", "mm", false},
    {"secondary_mirror_focus_offset", "mm", false},
    {"source_name", "1", true},
    {"pointing_file_name", "1", true},
    {"ut1_minus_utc", "s", false},
    {"tai_minus_utc", "s", false},
    {"lst", "hour", false},
    {"right_ascension_offset", "arcsecond", false},
    {"declination_offset", "arcsecond", false},
    {"galactic_longitude_offset", "arcsecond", false},
    {"galactic_latitude_offset", "arcsecond", false},
    {"azimuth_offset", "arcsecond", false},
    {"elevation_offset", "arcsecond", false},
    {"right_ascension_mapping_offset", "arcsecond", false},
    {"declination_mapping_offset", "arcsecond", false},
    {"right_ascension_field_offset", "arcsecond", false},
    {"declination_field_offset", "arcsecond", false},
    {"galactic_longitude_mapping_offset", "arcsecond", false},
    {"galactic_latitude_mapping_offset", "arcsecond", false},
    {"azimuth_mapping_offset", "arcsecond", false},
    {"elevation_mapping_offset", "arcsecond", false},
    {"azimuth_fixed_offset", "arcsecond", false},
    {"elevation_fixed_offset", "arcsecond", false},
    {"rot_time", "s", false},
    {"rot_motor_count", "1", false},
    {"rot_gear_count", "1", false},
    {"rot_motor_angle", "degree", false},
    {"rot_gear_angle", "degree", false},
    {"rot_state", "1", false},
    {"coordinate_type", "1", false},
    {"galactic_longitude", "degree", false},
    {"galactic_latitude", "degree", false},
    {"apparent_right_ascension", "hour", false},
    {"apparent_declination", "degree", false},
};

int hk_find(const char *name)
{
	for (int i = 0; i < HK_COLUMNS; i++)
		if (!strcmp(hk_columns[i].name, name))
			return i;
	return -1;
}

int hk_text(int column)
{
	return !strcmp(hk_columns[column].name, "pointing_file_name");
}

void hk_blank(struct hk_row *row)
{
	memset(row, 0, sizeof *row);
	for (int i = 0; i < HK_COLUMNS; i++)
		row->v[i] = NAN;
}

/* ---- reading ---- */

struct line {
	const char *at, *end;
};

static bool next_line(struct line *rest, struct line *l)
{
	if (rest->at >= rest->end)
		return false;
	const char *nl = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
	*l = (struct line){rest->at, nl ? nl : rest->end};
	rest->at = nl ? nl + 1 : rest->end;
	return true;
}

/* The next field of a line, without its tab; false at the end. */
static bool next_field(struct line *l, struct line *field)
{
	if (!l->at)
		return false;
	const char *tab = memchr(l->at, '\t', (size_t)(l->end - l->at));
	*field = (struct line){l->at, tab ? tab : l->end};
	l->at = tab ? tab + 1 : NULL;
	return true;
}

#define FIELDS_MAX 256

/* Which column each field of a row is: -1 for those that are not known. */
struct layout {
	int n;
	int column[FIELDS_MAX];
};

static int column_of(struct line f)
{
	char name[64];
	const char *unit = memchr(f.at, '[', (size_t)(f.end - f.at));
	size_t n = (size_t)((unit ? unit : f.end) - f.at);

	if (n >= sizeof name)
		return -1;
	memcpy(name, f.at, n);
	name[n] = '\0';
	return hk_find(name);
}

static int read_layout(struct line l, struct layout *to, char why[HK_WHY])
{
	struct line f;

	if (!next_field(&l, &f) || (size_t)(f.end - f.at) < 5 || memcmp(f.at, "#time", 5) != 0) {
		snprintf(why, HK_WHY, "the first line does not begin with #time");
		return -1;
	}
	to->n = 0;
	while (next_field(&l, &f)) {
		if (to->n == FIELDS_MAX) {
			snprintf(why, HK_WHY, "more than %d columns", FIELDS_MAX);
			return -1;
		}
		to->column[to->n++] = column_of(f);
	}
	return 0;
}

static bool read_value(struct hk_row *r, int column, const char *text, size_t n)
{
	if (column < 0 || n == 0)
		return true;
	if (hk_columns[column].text) {
		char *to = r->text[hk_text(column)];
		n = n < HK_TEXT ? n : HK_TEXT - 1;
		memcpy(to, text, n);
		to[n] = '\0';
		return true;
	}
	return conf_real(text, &r->v[column]) == 0;
}

static bool read_row(struct line l, const struct layout *as, struct hk_row *r)
{
	char text[128];
	struct line f;

	hk_blank(r);
	for (int i = -1; next_field(&l, &f); i++) {
		size_t n = (size_t)(f.end - f.at);
		if (n >= sizeof text || i >= as->n)
			return false;
		memcpy(text, f.at, n);
		text[n] = '\0';
		if (i < 0) {
			if (tim_parse(text, &r->time) < 0)
				return false;
			r->leap = strlen(text) > 19 && !strncmp(text + 17, "60", 2);
		} else if (!read_value(r, as->column[i], text, n)) {
			return false;
		}
	}
	return true;
}

int hk_read(const char *text, size_t n, struct hk_minute *m, char why[HK_WHY])
{
	struct line rest = {text, text + n}, l;
	struct layout as;

	m->n = m->bad = 0;
	if (!next_line(&rest, &l)) {
		snprintf(why, HK_WHY, "the file is empty");
		return -1;
	}
	if (read_layout(l, &as, why) < 0)
		return -1;
	while (next_line(&rest, &l)) {
		if (l.end == text + n && l.end[-1] != '\n')
			m->bad++; /* cut in the middle of a row */
		else if (m->n < HK_ROWS && read_row(l, &as, &m->row[m->n]))
			m->n++;
		else if (l.at < l.end)
			m->bad++;
	}
	return 0;
}

/* ---- writing ---- */

static size_t add(char *to, size_t size, size_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static size_t add(char *to, size_t size, size_t at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(to + at, size - at, format, ap);
	va_end(ap);
	at += (size_t)n;
	return at < size ? at : size - 1;
}

size_t hk_header(char *to, size_t size)
{
	size_t n = add(to, size, 0, "#time[UTC]");

	for (int i = 0; i < HK_COLUMNS; i++)
		n = add(to, size, n, "\t%s[%s]", hk_columns[i].name, hk_columns[i].unit);
	return add(to, size, n, "\n");
}

/* Seconds since 1970, for which ten digits are too few. */
static bool is_date(int column)
{
	return !strcmp(hk_columns[column].name, "rot_time");
}

size_t hk_line(const struct hk_row *r, char *to, size_t size)
{
	char when[TIM_TEXT];
	size_t n;

	tim_text(r->leap ? r->time - TIM_S : r->time, 0, when);
	if (r->leap)
		memcpy(when + 17, "60", 2);
	n = add(to, size, 0, "%s", when);
	for (int i = 0; i < HK_COLUMNS; i++) {
		n = add(to, size, n, "\t");
		if (hk_columns[i].text) {
			for (const char *c = r->text[hk_text(i)]; *c; c++)
				n = add(to, size, n, "%c", (unsigned char)*c < 0x20 ? ' ' : *c);
		} else if (!isnan(r->v[i])) {
			n = add(to, size, n, is_date(i) ? "%.3f" : "%.10g", r->v[i]);
		}
	}
	return add(to, size, n, "\n");
}

/* ---- names ---- */

char *hk_name(int64_t minute, char buf[MINUTE_NAME])
{
	return minute_name("enc_", minute, ".tsv", buf);
}

int64_t hk_minute(const char *name)
{
	return minute_of(name, "enc_", ".tsv");
}

/* ---- the RPC record (bgpspipeline rpc_def.txt: struct tm, then sharc2_header) ---- */

const struct rpc_field rpc_fields[] = {
    {"tm_sec", 0, 'i', 1},
    {"tm_min", 4, 'i', 1},
    {"tm_hour", 8, 'i', 1},
    {"tm_mday", 12, 'i', 1},
    {"tm_mon", 16, 'i', 1},
    {"tm_year", 20, 'i', 1},
    {"tm_wday", 24, 'i', 1},
    {"tm_yday", 28, 'i', 1},
    {"tm_isdst", 32, 'i', 1},
    {"tm_gmtoff", 36, 'i', 1},
    {"modified_julian_day", 44, 'i', 1},
    {"day_of_year", 48, 'i', 1},
    {"coordinated_universal_time", 52, 'd', 1},
    {"local_sidereal_time", 60, 'd', 1},
    {"ut1_minus_utc", 68, 'd', 1},
    {"tai_minus_utc", 76, 'd', 1},
    {"source_name", 84, 's', 32},
    {"coordinate_type", 116, 'i', 1},
    {"right_ascension", 120, 'd', 1},
    {"declination", 128, 'd', 1},
    {"epoch", 136, 'd', 1},
    {"galactic_longitude", 144, 'd', 1},
    {"galactic_latitude", 152, 'd', 1},
    {"azimuth", 160, 'd', 1},
    {"elevation", 168, 'd', 1},
    {"apparent_right_ascension", 176, 'd', 1},
    {"apparent_declination", 184, 'd', 1},
    {"right_ascension_offset", 192, 'd', 1},
    {"declination_offset", 200, 'd', 1},
    {"galactic_longitude_offset", 208, 'd', 1},
    {"galactic_latitude_offset", 216, 'd', 1},
    {"azimuth_offset", 224, 'd', 1},
    {"elevation_offset", 232, 'd', 1},
    {"right_ascension_mapping_offset", 240, 'd', 1},
    {"declination_mapping_offset", 248, 'd', 1},
    {"right_ascension_field_offset", 256, 'd', 1},
    {"declination_field_offset", 264, 'd', 1},
    {"galactic_longitude_mapping_offset", 272, 'd', 1},
    {"galactic_latitude_mapping_offset", 280, 'd', 1},
    {"azimuth_mapping_offset", 288, 'd', 1},
    {"elevation_mapping_offset", 296, 'd', 1},
    {"pointing_file_name", 304, 's', 32},
    {"pointing_constant", 336, 'd', 11},
    {"t_term_constant", 424, 'd', 6},
    {"alidade_x_tilt", 472, 'd', 1},
    {"alidade_y_tilt", 480, 'd', 1},
    {"azimuth_t_term_offset", 488, 'd', 1},
    {"elevation_t_term_offset", 496, 'd', 1},
    {"azimuth_fixed_offset", 504, 'd', 1},
    {"elevation_fixed_offset", 512, 'd', 1},
    {"tropospheric_refraction", 520, 'd', 1},
    {"on_source_acquisition_tolerance", 528, 'd', 1},
    {"off_source_acquisition_tolerance", 536, 'd', 1},
    {"secondary_mirror_mode", 544, 'i', 1},
    {"secondary_mirror_x_position", 548, 'd', 1},
    {"secondary_mirror_y_position", 556, 'd', 1},
    {"secondary_mirror_y_offset", 564, 'd', 1},
    {"secondary_mirror_focus_position", 572, 'd', 1},
    {"secondary_mirror_focus_offset", 580, 'd', 1},
    {"secondary_mirror_theta_position", 588, 'd', 1},
    {"beam_switch_amplitude", 596, 'd', 1},
    {"beam_switch_frequency", 604, 'd', 1},
    {"beam_switch_high_window_tolerance", 612, 'd', 1},
    {"beam_switch_low_window_tolerance", 620, 'd', 1},
    {"beam_switch_azimuth_offset", 628, 'd', 1},
    {"instrument_rotator_mode", 636, 'i', 1},
    {"instrument_rotator_command_position", 640, 'd', 1},
    {"instrument_rotator_encoder_position", 648, 'd', 1},
    {"instrument_rotator_offset", 656, 'd', 1},
    {"ambient_temperature", 664, 'd', 1},
    {"relative_humidity", 672, 'd', 1},
    {"barometric_pressure", 680, 'd', 1},
    {"wind_speed_peak", 688, 'd', 1},
    {"wind_speed_average", 696, 'd', 1},
    {"wind_direction", 704, 'd', 1},
    {"wind_time", 712, 'd', 1},
    {"tau_225", 720, 'd', 1},
    {"tau_225_uncertainty", 728, 'd', 1},
    {"tau_225_time", 736, 'd', 1},
    {"tau_350", 744, 'd', 1},
    {"tau_350_uncertainty", 752, 'd', 1},
    {"tau_350_time", 760, 'd', 1},
};
const size_t rpc_nfields = sizeof rpc_fields / sizeof *rpc_fields;

static const struct rpc_field *rpc_find(const char *name)
{
	for (size_t i = 0; i < rpc_nfields; i++)
		if (!strcmp(rpc_fields[i].name, name))
			return &rpc_fields[i];
	return NULL;
}

/* The f64 fields stand at any address: from bytes, never through a pointer to double. */
static double rpc_get(const void *record, const struct rpc_field *f)
{
	const uint8_t *at = (const uint8_t *)record + f->offset;
	double d;

	if (f->type == 'i')
		return (double)wire_get(*(const i32le *)at);
	uint64_t u = wire_get(*(const u64le *)at);
	memcpy(&d, &u, sizeof d);
	return d;
}

double rpc_number(const void *record, const char *name)
{
	const struct rpc_field *f = rpc_find(name);

	return f && f->type != 's' ? rpc_get(record, f) : (double)NAN;
}

/* Columns whose names differ from the record's. */
static const char *const renamed[][2] = {
    {"source_ra", "right_ascension"},
    {"source_dec", "declination"},
    {"source_epoch", "epoch"},
    {"tau", "tau_225"},
    {"tau350", "tau_350"},
    {"temperature", "ambient_temperature"},
    {"humidity", "relative_humidity"},
    {"pressure", "barometric_pressure"},
    {"wind_speed", "wind_speed_average"},
    {"chop_throw", "beam_switch_amplitude"},
    {"chop_theta", "secondary_mirror_theta_position"},
    {"chop_freq", "beam_switch_frequency"},
    {"lst", "local_sidereal_time"},
};

static const char *rpc_name(const char *column)
{
	for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
		if (!strcmp(renamed[i][0], column))
			return renamed[i][1];
	return column;
}

int hk_from_rpc(const void *record, struct hk_row *row)
{
	double year = rpc_number(record, "tm_year") + 1900, mon = rpc_number(record, "tm_mon") + 1,
	       day = rpc_number(record, "tm_mday"), hour = rpc_number(record, "tm_hour"),
	       min = rpc_number(record, "tm_min"), sec = rpc_number(record, "tm_sec"),
	       east = rpc_number(record, "tm_gmtoff");

	memset(row, 0, sizeof *row);
	if (year < 1970 || year > 2200 || mon < 1 || mon > 12 || day < 1 || day > 31 || hour < 0 ||
	    hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 60 || east < -86400 ||
	    east > 86400)
		return -1;
	row->leap = sec == 60;
	row->time = tim_join((int)year, (int)mon, (int)day, (int)hour, (int)min, (int)sec, 0) -
	    (int64_t)east * TIM_S;
	for (int i = 0; i < HK_COLUMNS; i++) {
		const struct rpc_field *f = rpc_find(rpc_name(hk_columns[i].name));
		row->v[i] = f && f->type != 's' ? rpc_get(record, f) : (double)NAN;
		if (!isfinite(row->v[i]))
			row->v[i] = NAN;
		if (f && f->type == 's')
			memcpy(row->text[hk_text(i)], (const char *)record + f->offset,
			    (size_t)f->count);
	}
	return 0;
}
