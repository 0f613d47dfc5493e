/* evt.c - any bytes as the body of an event: what decodes lies inside them */
#include <stdlib.h>

#include "stream/evt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct evt e;
	char text[160];
	uint64_t sum = 0;

	if (evt_decode(data, n, &e))
		return 0;
	if (e.slots + e.nsrc * e.slot > data + n)
		abort();
	for (unsigned s = 0; s < e.nsrc; s++) {
		sum += (uint64_t)evt_present(&e, s) + (uint64_t)wire_get(e.offset[s]);
		for (size_t i = 0; i < e.slot; i++)
			sum += e.slots[s * e.slot + i];
	}
	(void)evt_flags_text(e.flags + (uint32_t)(sum & 1), text);
	return 0;
}
