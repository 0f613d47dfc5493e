/*
 * query.h - asks a time-series database for rows or means in its own language, reads the answer
 *
 *	InfluxDB 1	InfluxQL, answered as CSV; one row for each time and series
 *	InfluxDB 2	Flux, answered as annotated CSV; one row for each time, series and field
 *	VictoriaMetrics	the export interface, JSON lines; the same; means are taken here
 *
 * Every series (set of tags) is kept apart: a mean is never one over different channels.
 */
#ifndef FYKE_QUERY_H
#define FYKE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/rec.h"

#define QUERY_TEXT   3072 /* a query */
#define QUERY_FIELDS 16

enum query_kind { QUERY_V1, QUERY_V2, QUERY_VICTORIA };

struct query {
	const char *db, *bucket, *org; /* db, or bucket and org */
	const char *name;              /* of the measurement */
	struct rec_tags tags;          /* that its rows must have */
	size_t nfields;                /* 0: all */
	const char *field[QUERY_FIELDS];
	int64_t from, to; /* UTC ns: from <= time < to */
	bool mean;
	int64_t every; /* ns of each mean; 0: one over the range */
};

/* The query in the server's language. 0, or -1: too long, or a name that it cannot hold. */
int query_text(const struct query *a, enum query_kind kind, char text[QUERY_TEXT]);

/* Reading the answer, in pieces, as rows. */
typedef int query_row(void *ctx, const struct rec *r);

struct query_reader;
struct query_reader *query_reader_new(
    const struct query *a, enum query_kind kind, query_row *row, void *ctx);
void query_reader_free(struct query_reader *r);

/* 0, or -1: the callback stopped, or the answer is none (query_why). */
int query_feed(struct query_reader *r, const char *data, size_t n);
int query_end(struct query_reader *r);
const char *query_why(const struct query_reader *r);

#endif
