/* cdf.c - any bytes as the header of a netCDF classic file */
#include <stdlib.h>

#include "file/cdf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[CDF_WHY];
	bool more;
	struct cdf_head *h = cdf_parse(data, n, n, &more, why);

	/* Without records, the place of the first one may lie behind the end. */
	if (h && h->recsize && h->records && h->first + h->records * h->recsize > n)
		abort();
	for (int v = 0; h && v < h->nvars; v++)
		for (int i = 0; i < h->var[v].ndims; i++)
			if (h->var[v].dim[i] < 0 || h->var[v].dim[i] >= h->ndims)
				abort();
	cdf_head_free(h);
	return 0;
}
