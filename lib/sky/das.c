/* das.c - raw minute files of the DAS computer */
#include "sky/das.h"

#include "base/wire.h"

int64_t das_minute(const char *name)
{
	return minute_of(name, "raw_", ".bin");
}

char *das_name(int64_t minute, char buf[MINUTE_NAME])
{
	return minute_name("raw_", minute, ".bin", buf);
}

int das_shape(const struct das_format *f, size_t size, struct das_shape *s)
{
	size_t frame = 2 * (size_t)f->channels;

	s->want = 60 * (size_t)f->rate;
	size_t full = s->want * frame;
	if (f->header >= 0)
		s->header = (size_t)f->header;
	else if (size >= full && size - full <= DAS_HEADER_MAX)
		s->header = size - full;
	else
		s->header = size % frame;
	if (size < s->header) {
		s->frames = s->torn = 0;
		return -1;
	}
	s->frames = (size - s->header) / frame;
	s->torn = (size - s->header) % frame;
	return 0;
}

void das_channel(
    const struct das_format *f, const void *frames, size_t n, int channel, int16_t *values)
{
	const uint8_t *at = (const uint8_t *)frames + 2 * (size_t)channel;
	size_t step = 2 * (size_t)f->channels;

	for (size_t i = 0; i < n; i++, at += step) {
		unsigned v =
		    f->little ? at[0] | (unsigned)at[1] << 8 : at[1] | (unsigned)at[0] << 8;
		values[i] = (int16_t)v;
	}
}
