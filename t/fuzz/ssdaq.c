/* ssdaq.c - any bytes as SSDAQ's messages, of either length: repeated until they fill one */
#include <stdlib.h>
#include <string.h>

#include "bus/ssdaq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t sizes[] = {SSDAQ_NEW, SSDAQ_OLD};
	static struct card *card;
	char why[CARD_WHY];
	struct ssdaq_head h;
	struct ssdaq s;
	struct evt e;

	if (!card && !(card = card_load("chec", why)))
		abort();
	if (n == 0 || ssdaq_use(&s, card, why) < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		uint8_t *m = malloc(sizes[i]), *body = malloc(evt_size(32, card->record));
		for (size_t k = 0; k < sizes[i]; k++)
			m[k] = data[k % n];
		if (!ssdaq_decode(&s, m, sizes[i], 0, &h, body) &&
		    evt_decode(body, evt_size(32, card->record), &e))
			abort();
		free(body);
		free(m);
	}
	return 0;
}
