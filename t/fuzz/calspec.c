/* calspec.c - any text as a specification of channels and variables */
#include <stdlib.h>

#include "sky/calspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cal_mistake bad[CAL_MISTAKES];
	int nbad;

	struct calspec *c = calspec_read("fuzz.cal", (const char *)data, n, bad, &nbad);
	if (!c && (nbad < 1 || nbad > CAL_MISTAKES))
		abort();
	for (int i = 0; c && i < c->nvars; i++)
		(void)calspec_convert(&c->var[i], -1.5);
	calspec_free(c);
	return 0;
}
