/* das.c - any name and size as a raw minute file's, any bytes as frames */
#include <stdlib.h>
#include <string.h>

#include "sky/das.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct das_format f = {.channels = 1 + (n > 0 ? data[0] % 16 : 0), .rate = 1, .header = -1};
	struct das_shape s;
	char again[MINUTE_NAME];
	int16_t v[4096];

	char *name = malloc(n + 1);
	if (!name)
		abort();
	memcpy(name, data, n);
	name[n] = '\0';
	int64_t minute = das_minute(name);
	if (minute >= 0 && strcmp(das_name(minute, again), name) != 0)
		abort();
	free(name);
	f.little = n & 1;
	if (das_shape(&f, n, &s) < 0)
		return 0;
	if (s.header + s.frames * 2 * (size_t)f.channels + s.torn != n)
		abort();
	for (int c = 0; c < f.channels && s.frames <= 4096; c++)
		das_channel(&f, data + s.header, s.frames, c, v);
	return 0;
}
