/*
 * ask.h - asks a time-series database for rows or means, in its own language, and reads the answer
 *
 *	InfluxDB 1	InfluxQL, answered as CSV; one row for each time and series
 *	InfluxDB 2	Flux, answered as annotated CSV; one row for each time, series and field
 *	VictoriaMetrics	the export interface, JSON lines; the same; means are taken here
 *
 * Every series (set of tags) is kept apart: a mean is never one over different channels.
 */
#ifndef FYKE_ASK_H
#define FYKE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/rec.h"

#define ASK_TEXT   3072 /* a query */
#define ASK_FIELDS 16

enum ask_kind { ASK_V1, ASK_V2, ASK_VICTORIA };

struct ask {
	const char *db, *bucket, *org; /* db, or bucket and org */
	const char *name;              /* of the measurement */
	struct rec_tags tags;          /* that its rows must have */
	size_t nfields;                /* 0: all */
	const char *field[ASK_FIELDS];
	int64_t from, to; /* UTC ns: from <= time < to */
	bool mean;
	int64_t every; /* ns of each mean; 0: one over the range */
};

/* The query in the server's language. 0, or -1: too long, or a name that it cannot hold. */
int ask_text(const struct ask *a, enum ask_kind kind, char text[ASK_TEXT]);

/* Reading the answer, in pieces, as rows. */
typedef int ask_row(void *ctx, const struct rec *r);

struct ask_reader;
struct ask_reader *ask_reader_new(const struct ask *a, enum ask_kind kind, ask_row *row, void *ctx);
void ask_reader_free(struct ask_reader *r);

/* 0, or -1: the callback stopped, or the answer is none (ask_why). */
int ask_feed(struct ask_reader *r, const char *data, size_t n);
int ask_end(struct ask_reader *r);
const char *ask_why(const struct ask_reader *r);

#endif
