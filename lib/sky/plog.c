/* plog.c - the telescope's pointing log */
#include "sky/plog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"
#include "base/wire.h"
#include "sky/minute.h"

#define MJD_1970 40587
#define MJD_2000 51543 /* 2000 January 0: the packed format counts its days from here */

/* 52 bytes since July 2002 (hiro/ant plog4_2); without x and y the 44 bytes before (plog3_3). */
struct wire_52 {
	u32be mjd, ticks;
	uint8_t flags[4];
	u32be lst, ra, dec, pa, x, y, az, el, eaz, eel;
};
static_assert(sizeof(struct wire_52) == 52, "pointing log since July 2002");

struct wire_44 {
	u32be mjd, ticks;
	uint8_t flags[4];
	u32be lst, ra, dec, pa, az, el, eaz, eel;
};
static_assert(sizeof(struct wire_44) == 44, "pointing log before July 2002");

#define WIRE_30 30

size_t plog_length(int format)
{
	return format <= 1 ? WIRE_30
	    : format == 2  ? sizeof(struct wire_44)
			   : sizeof(struct wire_52);
}

static int32_t get(u32be w)
{
	return (int32_t)wire_get(w);
}

static void take_52(const struct wire_52 *w, struct plog_rec *r)
{
	const u32be v[PLOG_FIELDS] = {
	    w->lst, w->ra, w->dec, w->pa, w->x, w->y, w->az, w->el, w->eaz, w->eel};

	r->mjd = get(w->mjd);
	r->ticks = get(w->ticks);
	memcpy(r->flags, w->flags, sizeof r->flags);
	for (int i = 0; i < PLOG_FIELDS; i++)
		r->v[i] = get(v[i]);
}

static void take_44(const struct wire_44 *w, struct plog_rec *r)
{
	const u32be zero = {{0}};
	struct wire_52 full = {w->mjd, w->ticks, {0}, w->lst, w->ra, w->dec, w->pa, zero, zero,
	    w->az, w->el, w->eaz, w->eel};

	memcpy(full.flags, w->flags, sizeof full.flags);
	take_52(&full, r);
}

/* n bits from bit `at` of a big-endian bit stream. */
static uint32_t bits(const uint8_t *b, unsigned at, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = at; i < at + n; i++)
		v = v << 1 | ((unsigned)b[i / 8] >> (7 - i % 8) & 1u);
	return v;
}

static int32_t sbits(const uint8_t *b, unsigned at, unsigned n)
{
	uint32_t v = bits(b, at, n);

	return (int32_t)(v << (32 - n)) >> (32 - n);
}

static void take_30(const uint8_t *b, struct plog_rec *r)
{
	int32_t in_minute = (int32_t)bits(b, 3, 13);
	int32_t minute = (int32_t)bits(b, 30, 11);
	int32_t lst = sbits(b, 48, 24), ra = sbits(b, 72, 24);
	uint8_t f = (b[5] & 0x7c) >> 2;
	bool pointed = (f & PLOG_TRACKING) && !(f & PLOG_SCANNING);

	memset(r, 0, sizeof *r);
	r->mjd = MJD_2000 + (int32_t)bits(b, 16, 14);
	r->ticks = minute * PLOG_MINUTE + in_minute;
	r->flags[1] = (uint8_t)((f & PLOG_ACQUIRED ? 1 << 4 : 0) | (pointed ? 1 << 5 : 0));
	r->flags[3] = f;
	r->v[PLOG_LST] = lst < 0 ? lst + PLOG_DAY : lst;
	r->v[PLOG_RA] = ra < 0 ? ra + PLOG_DAY : ra;
	r->v[PLOG_DEC] = sbits(b, 96, 23);
	r->v[PLOG_PA] = sbits(b, 119, 24);
	r->v[PLOG_AZ] = sbits(b, 143, 25);
	r->v[PLOG_EL] = sbits(b, 168, 23);
	r->v[PLOG_EAZ] = sbits(b, 191, 25);
	r->v[PLOG_EEL] = sbits(b, 216, 24);
}

int plog_record(const void *bytes, size_t length, struct plog_rec *r)
{
	if (length == sizeof(struct wire_52))
		take_52(bytes, r);
	else if (length == sizeof(struct wire_44))
		take_44(bytes, r);
	else
		take_30(bytes, r);
	/* Days from 1970 to 2149; a day has one leap second at most. */
	return r->mjd >= MJD_1970 && r->mjd < MJD_1970 + 65536 && r->ticks >= 0 &&
		r->ticks < PLOG_DAY + PLOG_HZ
	    ? 0
	    : -1;
}

int64_t plog_time(const struct plog_rec *r)
{
	return (r->mjd - MJD_1970) * TIM_DAY + r->ticks * (TIM_S / PLOG_HZ);
}

char *plog_name(int64_t minute, char buf[PLOG_NAME])
{
	snprintf(buf, PLOG_NAME, "%04d", (int)(minute % MINUTE_DAY));
	return buf;
}

/* Whether two records stand one tick apart, as in any good file. */
static bool ticking(const uint8_t *bytes, size_t n, size_t length)
{
	struct plog_rec a, b;

	return n >= 2 * length && plog_record(bytes, length, &a) == 0 &&
	    plog_record(bytes + length, length, &b) == 0 &&
	    plog_time(&b) - plog_time(&a) == TIM_S / PLOG_HZ;
}

size_t plog_guess(const void *bytes, size_t n, int format)
{
	static const size_t lengths[] = {sizeof(struct wire_52), sizeof(struct wire_44), WIRE_30};
	size_t named = plog_length(format);

	for (size_t i = 0; i < 3; i++)
		if (n == lengths[i] * PLOG_MINUTE)
			return lengths[i];
	if (ticking(bytes, n, named))
		return named;
	for (size_t i = 0; i < 3; i++)
		if (ticking(bytes, n, lengths[i]))
			return lengths[i];
	return 0;
}

enum plog_fresh plog_check(const void *bytes, size_t n, size_t length, int64_t minute)
{
	struct plog_rec r;

	if (length == 0 || n < length || plog_record(bytes, length, &r) < 0)
		return PLOG_SHORT;
	int64_t t = plog_time(&r);
	if (t == minute * TIM_MIN)
		return PLOG_GOOD;
	return t / TIM_MIN % MINUTE_DAY == minute % MINUTE_DAY && t % TIM_MIN == 0
	    ? PLOG_OTHER_DAY
	    : PLOG_OTHER_MINUTE;
}
