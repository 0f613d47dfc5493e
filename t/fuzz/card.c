/* card.c - any text as a card; a good one takes a record apart */
#include <stdlib.h>
#include <string.h>

#include "stream/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[CARD_WHY];

	struct card *c = card_parse("fuzz.card", (const char *)data, n, why);
	if (!c)
		return why[0] ? 0 : (abort(), 0);
	uint8_t *rec = malloc(c->record);
	struct pkt p = {.src.family = 4, .data = rec, .len = c->record};
	if (!rec)
		abort();
	memset(rec, 0xa5, c->record);
	(void)card_source(c, &p, rec);
	if (c->clock_field >= 0)
		(void)card_clock(c, rec);
	for (int f = 0; f < c->nfields; f++) {
		void *values = malloc((size_t)c->field[f].count * card_size(c->field[f].type));
		if (!values)
			abort();
		card_extract(c, f, rec, values);
		free(values);
	}
	free(rec);
	card_free(c);
	return 0;
}
