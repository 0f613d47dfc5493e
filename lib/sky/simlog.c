/*
 * simlog.c - what the simulated telescope writes, byte by byte from the documents that plog.h and
 * hk.h name: it shares nothing with the readers that it tests
 */
#include "sky/simlog.h"

#include <erfa.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"

#define HZ 100

/* ---- the pointing log ---- */

static uint8_t *put32(uint8_t *p, int64_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(v >> shift);
	return p;
}

/* Appends the low n bits of v to a stream of bits. */
static void put_bits(uint8_t *stream, unsigned *at, int64_t v, unsigned n)
{
	while (n--) {
		if (v >> n & 1)
			stream[*at / 8] |= (uint8_t)(0x80 >> *at % 8);
		++*at;
	}
}

static int64_t tenths(double degrees)
{
	return llrint(degrees * 36000);
}

static unsigned pointing_flags(const struct night_state *s)
{
	return (s->tracking ? 0x10u : 0) | (s->acquired ? 8u : 0) | (s->scanning ? 4u : 0) |
	    (s->transited ? 2u : 0) | (s->celestial ? 1u : 0);
}

/* Outputs 5 to 8 are Acquired, Tracking, Rotate, New Observation; input 1 is Rotator Busy. */
static unsigned outputs(const struct night_state *s)
{
	return (s->celestial ? 0x04u : 0) | (s->lines & NIGHT_ACQUIRED ? 0x10u : 0) |
	    (s->lines & NIGHT_TRACKING ? 0x20u : 0) | (s->lines & NIGHT_ROTATE ? 0x40u : 0) |
	    (s->lines & NIGHT_NEWOBS ? 0x80u : 0);
}

static uint8_t *long_record(
    uint8_t *p, const struct night_state *s, int64_t mjd, int64_t ticks, int ff)
{
	p = put32(p, mjd);
	p = put32(p, ticks);
	*p++ = s->lines & NIGHT_BUSY ? 1 : 0;
	*p++ = (uint8_t)outputs(s);
	*p++ = 2; /* on beam, not chopping */
	*p++ = (uint8_t)(pointing_flags(s) | (ff >= 3 ? 0x20u : 0) | (s->scanning ? 0x40u : 0));
	p = put32(p, llrint(s->lst * 360000) % 8640000);
	p = put32(p, llrint(s->ra * 360000) % 8640000);
	p = put32(p, tenths(s->dec));
	p = put32(p, tenths(s->pa));
	if (ff >= 3) {
		p = put32(p, llrint(s->x * 10));
		p = put32(p, llrint(s->y * 10));
	}
	p = put32(p, tenths(s->az));
	p = put32(p, tenths(s->el));
	p = put32(p, llrint(s->eaz * 10));
	return put32(p, llrint(s->eel * 10));
}

static uint8_t *packed_record(uint8_t *p, const struct night_state *s, int64_t mjd, int64_t ticks)
{
	unsigned at = 3;

	memset(p, 0, 30);
	put_bits(p, &at, ticks % 6000, 13);
	put_bits(p, &at, mjd - 51543, 14);
	put_bits(p, &at, ticks / 6000, 11);
	put_bits(p, &at, pointing_flags(s), 5);
	at += 2;
	put_bits(p, &at, llrint(s->lst * 360000) % 8640000, 24);
	put_bits(p, &at, llrint(s->ra * 360000) % 8640000, 24);
	put_bits(p, &at, tenths(s->dec), 23);
	put_bits(p, &at, tenths(s->pa), 24);
	put_bits(p, &at, tenths(s->az), 25);
	put_bits(p, &at, tenths(s->el), 23);
	put_bits(p, &at, llrint(s->eaz * 10), 25);
	put_bits(p, &at, llrint(s->eel * 10), 24);
	return p + 30;
}

/* Whether a leap second ends this minute. */
static bool leaps(int64_t minute)
{
	struct tim_parts a = tim_split(minute * TIM_MIN), b = tim_split((minute + 1) * TIM_MIN);
	double before, after;

	return minute % 1440 == 1439 && eraDat(a.year, a.month, a.day, 0, &before) >= 0 &&
	    eraDat(b.year, b.month, b.day, 0, &after) >= 0 && after > before;
}

size_t simlog_minute(
    struct night *night, int64_t start, int64_t m, int ff, bool yesterday, uint8_t *bytes)
{
	int64_t minute = start / TIM_MIN + m - (yesterday ? 1440 : 0);
	int n = leaps(minute) ? 61 * HZ : 60 * HZ;
	struct night_state s;
	uint8_t *p = bytes;

	for (int i = 0; i < n; i++) {
		double t = 60.0 * (double)m + (i < 60 * HZ ? i : 60 * HZ - 1) / (double)HZ;
		int64_t mjd = 40587 + minute / 1440, ticks = minute % 1440 * 6000 + i;
		night_at(night, t, &s);
		p = ff <= 1 ? packed_record(p, &s, mjd, ticks) : long_record(p, &s, mjd, ticks, ff);
	}
	return (size_t)(p - bytes);
}

/* ---- housekeeping: the names of fyke-enc(5) ---- */

size_t simlog_enc(struct night *night, int64_t start, int64_t m, int ff, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size,
	    "#time[UTC]\tobsnumber[1]\trotangle[degree]\tsource_ra[hour]\tsource_dec[degree]\t"
	    "source_epoch[year]\ttau[1]\ttemperature[degC]\thumidity[percent]\tpressure[hPa]\t"
	    "wind_speed[m s-1]\tsource_name[1]\tpointing_file_name[1]\tut1_minus_utc[s]\t"
	    "tai_minus_utc[s]\tlst[hour]\tcoordinate_type[1]\tgalactic_longitude[degree]\t"
	    "galactic_latitude[degree]\tapparent_right_ascension[hour]\tapparent_declination["
	    "degree]\n");

	for (int i = 0; i < 60; i++) {
		double t = 60.0 * (double)m + i;
		struct night_state s;
		struct night_weather w;
		char when[TIM_TEXT], lst[32] = "";
		night_at(night, t, &s);
		night_weather(night, t, &w);
		const struct night_source *src = night_source(night, s.source);
		bool galactic = src->type == 2;
		if (ff > 0)
			snprintf(lst, sizeof lst, "%.7f", s.lst);
		n += (size_t)snprintf(text + n, size - n,
		    "%s\t%d\t%.3f\t%.9f\t%.8f\t%.3f\t%.4f\t%.2f\t%.1f\t%.2f\t%.2f\t%s\tbolo_2005\t"
		    "%.5f\t%d\t%s\t%d\t%.6f\t%.6f\t%.9f\t%.8f\n",
		    tim_text(start + (60 * m + i) * TIM_S, 0, when), s.obs, s.rotangle,
		    galactic ? 0 : src->lon / 15, galactic ? 0 : src->lat, src->epoch, w.tau,
		    w.temperature, w.humidity, w.pressure, w.wind, src->name, night_dut1(night),
		    night_leap(night), lst, src->type, galactic ? src->lon : 0,
		    galactic ? src->lat : 0, src->ra_app, src->dec_app);
	}
	return n;
}

static void put_i32(uint8_t *record, int at, int v)
{
	for (int i = 0; i < 4; i++)
		record[at + i] = (uint8_t)((unsigned)v >> 8 * i);
}

static void put_f64(uint8_t *record, int at, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof u);
	for (int i = 0; i < 8; i++)
		record[at + i] = (uint8_t)(u >> 8 * i);
}

void simlog_rpc(struct night *night, int64_t start, int64_t second, uint8_t r[768])
{
	struct tim_parts p = tim_split(start + second * TIM_S);
	struct night_state s;
	struct night_weather w;

	night_at(night, (double)second, &s);
	night_weather(night, (double)second, &w);
	const struct night_source *src = night_source(night, s.source);
	memset(r, 0, 768);
	put_i32(r, 0, p.second);
	put_i32(r, 4, p.minute);
	put_i32(r, 8, p.hour);
	put_i32(r, 12, p.day);
	put_i32(r, 16, p.month - 1);
	put_i32(r, 20, p.year - 1900);
	put_i32(r, 44, (int)(40587 + (start + second * TIM_S) / TIM_DAY));
	put_f64(r, 52, p.hour + p.minute / 60.0 + p.second / 3600.0);
	put_f64(r, 60, s.lst);
	put_f64(r, 68, night_dut1(night));
	put_f64(r, 76, night_leap(night));
	memcpy(r + 84, src->name, strlen(src->name));
	put_i32(r, 116, src->type);
	put_f64(r, 120, src->type == 2 ? 0 : src->lon / 15);
	put_f64(r, 128, src->type == 2 ? 0 : src->lat);
	put_f64(r, 136, src->epoch);
	put_f64(r, 144, src->type == 2 ? src->lon : 0);
	put_f64(r, 152, src->type == 2 ? src->lat : 0);
	put_f64(r, 160, s.az);
	put_f64(r, 168, s.el);
	put_f64(r, 176, src->ra_app);
	put_f64(r, 184, src->dec_app);
	memcpy(r + 304, "bolo_2005", 9);
	put_f64(r, 648, s.rotangle);
	put_f64(r, 664, w.temperature);
	put_f64(r, 672, w.humidity);
	put_f64(r, 680, w.pressure);
	put_f64(r, 696, w.wind);
	put_f64(r, 720, w.tau);
}
