/*
 * rec.h - slow-control readings as text: one reading a line, written and checked
 *
 * Three forms (fyke-records(5)):
 *	line	gas,location=hut humidity=42.10,temperature=295.42 1795159433125000000
 *	tsv	# time <TAB> name <TAB> location <TAB> temperature [K] ...	and RFC 3339 UTC first
 *	json	{"time":"...","name":"gas","tags":{"location":"hut"},"fields":{"temperature":295.42}}
 *
 * Line protocol as InfluxDB documents it: reals always with a decimal point, whole numbers only
 * where declared (suffix i), tags sorted, nanoseconds. What a number cannot say (NaN, infinity)
 * is left out of a line, "nan" in a table, null in JSON. Nothing here depends on the locale.
 */
#ifndef FYKE_REC_H
#define FYKE_REC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REC_TAGS     8
#define REC_FIELDS   48
#define REC_TEXT     8192   /* a buffer for one reading in any form */
#define REC_LINE_MAX 131072 /* the longest foreign line: InfluxDB's strings hold 64 KiB */
#define REC_DIGITS   -1     /* as many digits as it takes to read the number back */

enum rec_type { REC_REAL, REC_WHOLE, REC_FLAG, REC_STRING };

/* Strings belong to the caller. */
struct rec_tag {
	const char *key, *value; /* an empty value: the tag is left out of lines */
};

struct rec_field {
	const char *key;
	const char *unit; /* for the head of a table: "K", "Pa"; NULL: none */
	enum rec_type type;
	int digits; /* of a real after the point (0 prints ".0"), or REC_DIGITS */
	union {
		double real;
		int64_t whole;
		bool flag;
		const char *text;
	} is;
};

struct rec {
	int64_t time; /* UTC ns */
	const char *name;
	size_t ntags, nfields;
	struct rec_tag tag[REC_TAGS];
	struct rec_field field[REC_FIELDS];
};

/* Builders, so that a reading reads as a list. More than REC_TAGS or REC_FIELDS are refused when
 * the reading is written (E2BIG). */
void rec_begin(struct rec *r, const char *name, int64_t time);
void rec_tag(struct rec *r, const char *key, const char *value);
void rec_real(struct rec *r, const char *key, const char *unit, double v, int digits);
void rec_whole(struct rec *r, const char *key, const char *unit, int64_t v);
void rec_flag(struct rec *r, const char *key, bool v);
void rec_string(struct rec *r, const char *key, const char *text);

/* Tags that a user gives as KEY=VALUE, kept as text. */
#define REC_TAG_TEXT 128
struct rec_tags {
	size_t n;
	struct rec_tag tag[REC_TAGS];
	char text[REC_TAGS][REC_TAG_TEXT];
};

/* 0, or -1: not KEY=VALUE, too long, one too many, or nothing that line protocol can hold. */
int rec_tags_add(struct rec_tags *t, const char *text);

/* ---- writing ---- */

enum rec_form { REC_LINE, REC_TSV, REC_JSON };

/* "line", "tsv" or "json". 0, or -1. */
int rec_form(const char *text, enum rec_form *form);

/* Other names for a reading's parts, so that dashboards of another logger go on. */
struct rec_names;

/* The set with this name ("picosec"), or NULL. */
const struct rec_names *rec_names(const char *set);

/* One reading under other names: may become several, may lose fields that have no name there.
 * to has room for REC_SPLIT. Returns how many; a reading that the set does not know stays as it
 * is. The strings stay those of from and of the set. */
#define REC_SPLIT 8
size_t rec_rename(const struct rec_names *names, const struct rec *from, struct rec to[REC_SPLIT]);

/* One reading with its newline to buf. Returns the length (0: a line without any field is no
 * line), or -1 with errno: EINVAL a name or text that the form cannot hold (a newline, an empty
 * key, a backslash at its end), E2BIG too many parts, ENOBUFS buf is too small. */
long rec_format(const struct rec *r, enum rec_form form, char *buf, size_t size);

/* The head of r's table ("# time\tname\t...\n"). As rec_format(). */
long rec_head(const struct rec *r, char *buf, size_t size);

/* Where readings go. Fill in fd, form and names, zero the rest. */
#define REC_HEADS 16
struct rec_out {
	int fd;
	enum rec_form form;
	const struct rec_names *names; /* NULL: our own */
	uint64_t head[REC_HEADS];      /* of the tables whose head was written */
	size_t nheads;
};

/* Renames, formats and writes one reading, in one write(2); before the first of each table, its
 * head. 0, or -1 with errno. */
int rec_write(struct rec_out *out, const struct rec *r);

/* ---- checking ---- */

/* Why a line is no line protocol. */
enum rec_bad {
	REC_OK,
	REC_NOTHING, /* an empty line or a comment: nothing to store, nothing wrong */
	REC_TOO_LONG,
	REC_CONTROL,
	REC_NO_NAME,
	REC_BAD_TAG,
	REC_SAME_TAG,
	REC_LONG_KEY,
	REC_NO_FIELD,
	REC_BAD_FIELD,
	REC_BAD_NUMBER,
	REC_NOT_FINITE,
	REC_BAD_STRING,
	REC_BAD_TIME,
	REC_RESERVED,
	REC_BAD_COUNT
};
const char *rec_bad_text(enum rec_bad bad);

struct rec_seen {
	size_t body;  /* bytes of name, tags and fields: the time follows, or nothing */
	bool timed;   /* a time stands in the line */
	int64_t time; /* it, in whatever unit the line's writer meant */
	bool counts;  /* a field has suffix u: InfluxDB 1 refuses it */
	bool strings; /* a field is text: VictoriaMetrics stores 0 for it */
};

/* One line without its newline. Accepts what InfluxDB 1.6 stores, and suffix u; but not what it
 * mangles: of v="a"b it stores a". */
enum rec_bad rec_check(const char *line, size_t n, struct rec_seen *seen);

/* The number in field key (a plain name) of a line that rec_check() took; false leaves v alone:
 * there is no such field, or it is no number. */
bool rec_number(const char *line, const struct rec_seen *seen, const char *key, double *v);

#endif
