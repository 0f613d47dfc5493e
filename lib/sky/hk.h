/*
 * hk.h - housekeeping: fyke's minute files enc_YYMMDD_MMMM.tsv, and the telescope's RPC record
 *
 * A minute file (fyke-enc(5)) is tab-separated text, a line of names with units, then one row per
 * UTC second. Columns are found by name; an empty field is no value. The RPC record has 768 bytes,
 * little-endian and unpadded. Source: bgpspipeline, support/rpc/rpc_def.txt and read_rpc.pro.
 */
#ifndef FYKE_HK_H
#define FYKE_HK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sky/minute.h"

#define HK_WHY      256
#define HK_TEXT     33 /* bytes of a text value, with its NUL */
#define HK_FILE_MAX (1 << 20)
#define HK_ROWS     61 /* a minute with a leap second */

/* The columns, in the order in which writelog writes them. */
struct hk_column {
	const char *name, *unit;
	bool text;
};
#define HK_COLUMNS 52
extern const struct hk_column hk_columns[HK_COLUMNS];
int hk_find(const char *name); /* or -1 */

struct hk_row {
	int64_t time;          /* UTC, whole seconds */
	bool leap;             /* it was second 60 */
	double v[HK_COLUMNS];  /* NAN: no value */
	char text[2][HK_TEXT]; /* source_name, pointing_file_name */
};

void hk_blank(struct hk_row *row); /* no time, no values */

struct hk_minute {
	int n;
	struct hk_row row[HK_ROWS];
	int bad; /* lines that made no sense */
};

/* Index in text[] of a text column. */
int hk_text(int column);

/* Reads a minute file's text: rows in their order, lines that make no sense counted in m->bad.
 * 0, or -1 with the reason when the first line is no header. */
int hk_read(const char *text, size_t n, struct hk_minute *m, char why[HK_WHY]);

/* The header line, or a row as a line, with its newline. Returns the length. */
size_t hk_header(char *to, size_t size);
size_t hk_line(const struct hk_row *r, char *to, size_t size);

int64_t hk_minute(const char *name); /* of a file's name, or -1 (minute.h) */
char *hk_name(int64_t minute, char buf[MINUTE_NAME]);

/* ---- the RPC record ---- */

#define RPC_SIZE 768

/* Fields by name; texts have their length, numbers are i32 or f64, arrays have a count. */
struct rpc_field {
	const char *name;
	int offset;
	char type; /* 'i' i32, 'd' f64, 's' text */
	int count; /* of an array; bytes of a text */
};
extern const struct rpc_field rpc_fields[];
extern const size_t rpc_nfields;

/* A number of the record, the first of an array; NAN when there is no such field. */
double rpc_number(const void *record, const char *name);

/* Fills the columns that the record knows, and the time. 0, or -1 when its date makes no sense. */
int hk_from_rpc(const void *record, struct hk_row *row);

#endif
