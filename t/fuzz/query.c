/* query.c - any bytes as the answer of a time-series database; the first byte says which */
#include <stdlib.h>

#include "bus/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int any_row(void *ctx, const struct rec *r)
{
	char buf[REC_TEXT];

	(void)ctx;
	(void)rec_format(r, REC_JSON, buf, sizeof buf);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct query a = {.db = "d", .bucket = "b", .name = "gas", .mean = n > 1 && data[1] % 2};

	if (n == 0)
		return 0;
	a.every = n > 2 && data[2] % 2 ? 60 : 0;
	struct query_reader *r =
	    query_reader_new(&a, (enum query_kind)(data[0] % 3), any_row, NULL);
	char *copy = malloc(n);
	if (!r || !copy)
		abort();
	for (size_t i = 0; i < n; i++)
		copy[i] = (char)data[i];
	size_t half = n / 2;
	if (half < 1 || query_feed(r, copy + 1, half - (half > 0)) == 0)
		if (query_feed(r, copy + (half > 0 ? half : 1), n - (half > 0 ? half : 1)) == 0)
			(void)query_end(r);
	free(copy);
	query_reader_free(r);
	return 0;
}
