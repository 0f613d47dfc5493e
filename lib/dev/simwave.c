/* simwave.c - the simulated oscilloscope's waveforms: triggers, samples, the descriptor, the block */
#include "dev/simscopein.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/random.h"
#include "base/tim.h"

#define DESC_BYTES   346
#define POINTS_MAX   1000002
#define GRID         10 /* divisions across the screen */
#define FIRST_MOMENT (INT64_C(86398) * TIM_S)

/* From the seed and what it is for. */
static double chance(const struct simscope *s, uint64_t a, uint64_t b, uint64_t c)
{
	return random_unit(
	    random_mix((uint64_t)s->o.seed * RANDOM_STEP + a * UINT64_C(0xbf58476d1ce4e5b9) +
		b * UINT64_C(0x94d049bb133111eb) + c * UINT64_C(0xd6e8feb86659fd93)));
}

static int points(const struct simscope *s)
{
	if (s->o.points)
		return (int)s->o.points;
	double n = GRID * s->tdiv * 1e10 + 2;
	return n < 52 ? 52 : n > POINTS_MAX ? POINTS_MAX : (int)lround(n);
}

static double interval(const struct simscope *s)
{
	int n = points(s);

	return GRID * s->tdiv / (n > 2 ? n - 2 : 1);
}

/* Seconds from the first trigger of the acquisition to that of a segment. */
static double trigger_time(const struct simscope *s, int segment)
{
	return segment == 0
	    ? 0
	    : (segment + 0.5 * (chance(s, s->number, (uint64_t)segment, 1) - 0.5)) / s->o.rate;
}

/* Seconds from a trigger to the first sample: the sampling clock runs free. */
static double trigger_offset(const struct simscope *s, int segment)
{
	return -s->tdiv - interval(s) * chance(s, s->number, (uint64_t)segment, 2);
}

/* A photomultiplier's pulse, negative, on a little noise; 16 bits. */
static int sample(const struct simscope *s, int channel, int segment, int i, double height)
{
	double t = i * interval(s) + trigger_offset(s, segment);
	double rise = s->tdiv / 20, fall = s->tdiv / 2;
	double pulse = t > 0 ? (1 - exp(-t / rise)) * exp(-t / fall) : 0;
	uint64_t at = (uint64_t)segment << 32 | (uint32_t)i;
	double noise = chance(s, s->number, at, 8 + (uint64_t)channel) - 0.5;
	double raw = 3 * 256 * noise - height * 256 * pulse - 10 * 256;

	return raw < -32768 ? -32768 : raw > 32767 ? 32767 : (int)lround(raw);
}

/* ---- bytes ---- */

static void put(uint8_t *to, bool little, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[little ? i : n - 1 - i] = (uint8_t)(v >> 8 * i);
}

static void put_float(uint8_t *to, bool little, double v)
{
	float f = (float)v;
	uint32_t u;

	memcpy(&u, &f, 4);
	put(to, little, u, 4);
}

static void put_double(uint8_t *to, bool little, double v)
{
	uint64_t u;

	memcpy(&u, &v, 8);
	put(to, little, u, 8);
}

/* The descriptor by the offsets of the manual's table (template LECROY_2_3). */
static void describe(const struct simscope *s, uint8_t *d, int channel, int npoints, size_t times)
{
	const struct channel *c = &s->channel[channel];
	bool le = s->little;
	int segments = s->held_sequence ? s->segments : 1;
	size_t width = s->words ? 2 : 1;
	/* A division is 32 steps of the high byte (8 divisions are 256). */
	double step = c->vdiv / 32 / (s->words ? 256 : 1);
	struct tim_parts p = tim_split(
	    tim_join(2024, 2, 28, 0, 0, 0, 0) + FIRST_MOMENT + (int64_t)(s->number - 1) * TIM_S);
	char label[24];

	memset(d, 0, DESC_BYTES);
	memcpy(d, "WAVEDESC", 8);
	memcpy(d + 16, "LECROY_2_3", 10);
	put(d + 32, le, s->words, 2);                /* COMM_TYPE */
	put(d + 34, le, le, 2);                      /* COMM_ORDER */
	put(d + 36, le, DESC_BYTES, 4);              /* WAVE_DESCRIPTOR */
	put(d + 48, le, times, 4);                   /* TRIGTIME_ARRAY */
	put(d + 60, le, (size_t)npoints * width, 4); /* WAVE_ARRAY_1 */
	memcpy(d + 76, "LECROYWR610Zi", 13);         /* INSTRUMENT_NAME */
	put(d + 92, le, 12345, 4);                   /* INSTRUMENT_NUMBER */
	snprintf(label, sizeof label, "C%d", channel + 1);
	memcpy(d + 96, label, strlen(label));                           /* TRACE_LABEL */
	put(d + 116, le, (uint64_t)npoints, 4);                         /* WAVE_ARRAY_COUNT */
	put(d + 120, le, (uint64_t)points(s), 4);                       /* PNTS_PER_SCREEN */
	put(d + 128, le, (uint64_t)(npoints > 0 ? npoints - 1 : 0), 4); /* LAST_VALID_PNT */
	put(d + 136, le, 1, 4);                                         /* SPARSING_FACTOR */
	put(d + 144, le, (uint64_t)s->held, 4);                         /* SUBARRAY_COUNT */
	put(d + 148, le, 1, 4);                                         /* SWEEPS_PER_ACQ */
	put_float(d + 156, le, step);                                   /* VERTICAL_GAIN */
	put_float(d + 160, le, -c->offset);                             /* VERTICAL_OFFSET */
	put_float(d + 164, le, s->words ? 32512 : 127);                 /* MAX_VALUE */
	put_float(d + 168, le, s->words ? -32768 : -128);               /* MIN_VALUE */
	put(d + 172, le, 8, 2);                                         /* NOMINAL_BITS */
	put(d + 174, le, (uint64_t)segments, 2);                        /* NOM_SUBARRAY_COUNT */
	put_float(d + 176, le, interval(s));                            /* HORIZ_INTERVAL */
	put_double(d + 180, le, trigger_offset(s, 0));                  /* HORIZ_OFFSET */
	put_double(d + 188, le, -s->tdiv);                              /* PIXEL_OFFSET */
	memcpy(d + 196, "V", 1);                                        /* VERTUNIT */
	memcpy(d + 244, "S", 1);                                        /* HORUNIT */
	put_double(d + 296, le, p.second + chance(s, s->number, 0, 3)); /* TRIGGER_TIME */
	d[304] = (uint8_t)p.minute;
	d[305] = (uint8_t)p.hour;
	d[306] = (uint8_t)p.day;
	d[307] = (uint8_t)p.month;
	put(d + 308, le, (uint64_t)p.year, 2);
	put(d + 326, le, 2, 2);                 /* VERT_COUPLING */
	put_float(d + 328, le, 1);              /* PROBE_ATT */
	put_float(d + 336, le, 1);              /* VERTICAL_VERNIER */
	put(d + 344, le, (uint64_t)channel, 2); /* WAVE_SOURCE */
}

/* #9nnnnnnnnn and the block of a channel, as a file or a reply holds it. NULL: no memory. */
static uint8_t *block(const struct simscope *s, int channel, size_t *n)
{
	size_t width = s->words ? 2 : 1;
	size_t times = s->held_sequence ? (size_t)s->held * 16 : 0;
	bool off = s->o.fault[SIMSCOPE_TRACE_OFF] && channel == s->o.channels - 1;
	int each = off ? 0 : points(s);
	size_t content = DESC_BYTES + times + (size_t)each * (size_t)s->held * width;
	uint8_t *b = malloc(11 + content + 1);

	if (!b)
		return NULL;
	snprintf((char *)b, 12, "#9%09zu", content);
	describe(s, b + 11, channel, each * s->held, times);
	uint8_t *to = b + 11 + DESC_BYTES;
	for (size_t k = 0; k < times / 16; k++, to += 16) {
		put_double(to, s->little, trigger_time(s, (int)k));
		put_double(to + 8, s->little, trigger_offset(s, (int)k));
	}
	for (int k = 0; k < s->held; k++) {
		double height = 20 + 90 * chance(s, s->number, (uint64_t)k, 4 + (uint64_t)channel);
		for (int i = 0; i < each; i++, to += width) {
			int raw = sample(s, channel, k, i, height);
			put(to, s->little, (uint64_t)(int64_t)(s->words ? raw : raw >> 8), width);
		}
	}
	*n = 11 + content;
	return b;
}

void simwave_transfer(struct simscope *s, int channel)
{
	size_t n;
	char prefix[32];
	uint8_t *b = s->number ? block(s, channel, &n) : NULL;

	if (!b || s->o.fault[SIMSCOPE_MUTE]) {
		free(b);
		return;
	}
	if (s->o.fault[SIMSCOPE_LIE])
		put(b + 11 + 40, s->little, 0x7fffffff, 4); /* USER_TEXT */
	if (s->o.fault[SIMSCOPE_NO_DESC])
		memcpy(b + 11, "NOTHING ", 8);
	if (s->header == OFF)
		snprintf(prefix, sizeof prefix, "ALL,");
	else
		snprintf(prefix, sizeof prefix, "C%d:WF ALL,", channel + 1);
	simscope_say(s, prefix, strlen(prefix));
	simscope_say(s, b, s->o.fault[SIMSCOPE_CUT] ? n / 2 : n);
	if (s->o.fault[SIMSCOPE_TAIL])
		simscope_say(s, b, n);
	simscope_say(s, "\n", 1);
	free(b);
	if (s->o.fault[SIMSCOPE_RETRIGGER])
		s->number++;
}

/* STO: a file on the instrument's own disk. */
void simwave_store(struct simscope *s, int channel)
{
	size_t n;
	char path[4096];
	uint8_t *b = s->number ? block(s, channel, &n) : NULL;

	snprintf(path, sizeof path, "%.4000s/C%d%05u.trc", s->o.disk ? s->o.disk : "", channel + 1,
	    s->stored);
	int fd = b && s->o.disk
	    ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666)
	    : -1;
	if (fd < 0 || io_writeall(fd, b, n) < 0)
		s->cmr = CMR_HEADER;
	if (fd >= 0)
		close(fd);
	free(b);
}
