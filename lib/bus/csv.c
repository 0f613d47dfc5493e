/* csv.c - comma-separated values (RFC 4180), as they arrive */
#include "csv.h"

#include <stdbool.h>

static bool end_cell(struct csv *c)
{
	if (c->n >= CSV_ROW || c->ncells >= CSV_CELLS)
		return false;
	c->row[c->n++] = '\0';
	c->ncells++;
	if (c->ncells < CSV_CELLS)
		c->cell[c->ncells] = c->n;
	return true;
}

static int end_row(struct csv *c, csv_row *row, void *ctx)
{
	char *cell[CSV_CELLS];

	if (!end_cell(c))
		return -1;
	for (size_t i = 0; i < c->ncells; i++)
		cell[i] = c->row + (i ? c->cell[i] : 0);
	int rc = row(ctx, cell, c->ncells);
	c->n = c->ncells = 0;
	return rc;
}

static bool add(struct csv *c, char byte)
{
	if (c->n >= CSV_ROW)
		return false;
	c->row[c->n++] = byte;
	return true;
}

int csv_feed(struct csv *c, const char *data, size_t n, csv_row *row, void *ctx)
{
	for (const char *p = data, *end = data + n; p < end; p++) {
		bool good = true;
		if (c->in == CSV_QUOTED) {
			if (*p == '"')
				c->in = CSV_QUOTE;
			else
				good = add(c, *p);
		} else if (*p == '"') {
			/* a quote after a quote is one; any other begins a quoted part */
			good = c->in == CSV_QUOTE ? add(c, '"') : true;
			c->in = CSV_QUOTED;
		} else {
			c->in = CSV_PLAIN;
			if (*p == ',')
				good = end_cell(c);
			else if (*p == '\n')
				good = end_row(c, row, ctx) == 0;
			else if (*p != '\r')
				good = add(c, *p);
		}
		if (!good)
			return -1;
	}
	return 0;
}

int csv_end(struct csv *c, csv_row *row, void *ctx)
{
	return c->n > 0 || c->ncells > 0 ? end_row(c, row, ctx) : 0;
}
