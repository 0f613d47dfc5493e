/* lecroy.c - any bytes as an oscilloscope's answer; a good one gives its samples and times */
#include <stdlib.h>
#include <string.h>

#include "dev/lecroy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct lecroy l;
	size_t start, len;

	if (lecroy_block(data, n, &start, &len) != LECROY_OK)
		return 0;
	if (start + len > n)
		abort();
	uint8_t *block = malloc(len + 1); /* so that a sanitizer sees the end */
	if (!block)
		abort();
	memcpy(block, data + start, len);
	if (lecroy_decode(&l, block, len) == LECROY_OK) {
		float *volts = malloc(l.length * sizeof *volts);
		if (!volts)
			abort();
		for (size_t s = 0; s < l.segments; s++) {
			(void)lecroy_volts(&l, s, volts);
			(void)lecroy_first(&l, s);
		}
		if (!lecroy_same_trigger(&l, &l))
			abort();
		free(volts);
	}
	free(block);
	return 0;
}
