/*
 * calspec.h - one text file that names every channel, every variable of a merged file and its
 * conversion (fyke-calspec(5))
 *
 *	set KEY VALUE
 *	line NAME das N log FIELD                a TTL line that both streams saw
 *	NAME das N[-M][,...] TYPE UNIT poly A B ... | table FILE ["long name"]
 *	NAME log FIELD       TYPE UNIT ...
 *	NAME hk COLUMN       TYPE UNIT ...
 *
 * x of a conversion is volts at the ADC for das, the field in its natural unit for log (hours,
 * degrees, arcseconds), the column's value for hk.
 */
#ifndef FYKE_CALSPEC_H
#define FYKE_CALSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sky/das.h"

#define CAL_VARS     192
#define CAL_CHANNELS 1024
#define CAL_LINES    8
#define CAL_POLY     8
#define CAL_MISTAKES 64
#define CAL_WHY      240
#define CAL_TABLE    4096

enum cal_source { CAL_DAS, CAL_LOG, CAL_HK };
enum cal_type { CAL_CHAR, CAL_BYTE, CAL_SHORT, CAL_INT, CAL_FLOAT, CAL_DOUBLE };

/* A field of the pointing log: an integer one, or bit `bit` of flags[byte]. */
struct cal_field {
	bool flag;
	int index; /* enum plog_field, or the byte of flags[] */
	int bit;
};

struct cal_var {
	char name[64], unit[32], about[96];
	enum cal_source source;
	enum cal_type type;
	int nchannels; /* das */
	uint16_t *channel;
	struct cal_field field; /* log */
	int column;             /* hk */
	int npoly;
	double poly[CAL_POLY];
	int ntable;
	double *x, *y;
	int line;
};

struct cal_line {
	char name[32];
	int channel;
	struct cal_field field;
};

struct calspec {
	struct das_format das;
	double adc_volts;         /* full scale, +- */
	double ttl_low, ttl_high; /* volts: below is 0, above is 1, between is as before */
	char site[96];
	double longitude, latitude, height; /* degrees east, north; metres */
	double dut1;                        /* UT1-UTC in s where nothing better is known */
	bool have_dut1;
	double clock_rate;    /* of the DAS clock, ppm, where edges are few */
	double clock_search;  /* largest offset looked for, s */
	double channel_delay; /* between two channels of a frame, s */
	int nvars, nlines;
	struct cal_var var[CAL_VARS];
	struct cal_line line[CAL_LINES];
	uint32_t crc; /* of the text, for provenance */
	char *text;
};

struct cal_mistake {
	int line; /* 0: the file as a whole */
	char why[CAL_WHY];
};

/* Reads text; name is the file's path (tables are found beside it). Returns the specification,
 * or NULL with *n mistakes (at most CAL_MISTAKES, all of them where they do not hide another). */
struct calspec *calspec_read(
    const char *name, const char *text, size_t size, struct cal_mistake *mistakes, int *n);
struct calspec *calspec_load(const char *path, struct cal_mistake *mistakes, int *n);

/* "PATH:LINE: WHY", or "PATH: WHY" for the file as a whole. Returns buf. */
char *calspec_mistake(const char *path, const struct cal_mistake *mistake, char *buf, size_t size);

/* Where Bolocam's calspec is, as it came with the programs. NULL: it is not there. Returns path. */
const char *calspec_bolocam(char *path, size_t size);
void calspec_free(struct calspec *c);

/* The variable's value for x; NAN outside a table. */
double calspec_convert(const struct cal_var *v, double x);

/* A log field in its natural unit. */
double calspec_unit(const struct cal_field *f, double value);

const struct cal_var *calspec_find(const struct calspec *c, const char *name);

#endif
