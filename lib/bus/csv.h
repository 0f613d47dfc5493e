/*
 * csv.h - comma-separated values (RFC 4180), as they arrive
 */
#ifndef FYKE_CSV_H
#define FYKE_CSV_H

#include <stddef.h>

#define CSV_CELLS 128
#define CSV_ROW   131072

struct csv {
	size_t n, ncells; /* of the row under way */
	enum { CSV_PLAIN, CSV_QUOTED, CSV_QUOTE } in;
	size_t cell[CSV_CELLS]; /* offsets into row */
	char row[CSV_ROW];
};

/* One row; an empty line is a row of one empty cell. 0, or -1: stop. */
typedef int csv_row(void *ctx, char **cell, size_t n);

/* Zero c before the first piece. 0, or -1: the callback stopped, or a row is too large. */
int csv_feed(struct csv *c, const char *data, size_t n, csv_row *row, void *ctx);

/* The last row may have no end of line. */
int csv_end(struct csv *c, csv_row *row, void *ctx);

#endif
