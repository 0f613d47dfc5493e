/* das.c - raw minute files of the DAS computer */
#include "sky/das.h"

#include <stdio.h>
#include <string.h>

#include "base/tim.h"
#include "base/wire.h"

static bool digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

static int two(const char *s)
{
	return (s[0] - '0') * 10 + (s[1] - '0');
}

int64_t das_minute(const char *name)
{
	if (strlen(name) != strlen("raw_YYMMDD_MMMM.bin") || strncmp(name, "raw_", 4) != 0 ||
	    !digits(name + 4, 6) || name[10] != '_' || !digits(name + 11, 4) ||
	    strcmp(name + 15, ".bin") != 0)
		return -1;
	int year = two(name + 4), month = two(name + 6), day = two(name + 8);
	int minute = two(name + 11) * 100 + two(name + 13);
	year += year < 70 ? 2000 : 1900;
	int64_t t = tim_join(year, month, day, 0, 0, 0, 0);
	struct tim_parts p = tim_split(t);
	if (p.month != month || p.day != day || minute >= 1440)
		return -1;
	return t / TIM_MIN + minute;
}

char *das_name(int64_t minute, char buf[DAS_NAME])
{
	struct tim_parts p = tim_split(minute * TIM_MIN);

	snprintf(buf, DAS_NAME, "raw_%02d%02d%02d_%04d.bin", p.year % 100, p.month % 100,
	    p.day % 100, (int)(minute % 1440));
	return buf;
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
