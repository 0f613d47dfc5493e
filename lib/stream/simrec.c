/* simrec.c - records of a simulated detector, byte by byte from a card's description */
#include "simrec.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define BANK_MAX   (32u << 20) /* bytes of records kept */
#define PERIOD_MAX 1024        /* records */
#define SINES      4096

enum role {
	ROLE_DATA,
	ROLE_CLOCK,
	ROLE_TICKS,
	ROLE_SECONDS,
	ROLE_SEQUENCE,
	ROLE_SOURCE,
	ROLE_STILL
};

struct simrec {
	const struct card *card;
	uint64_t seed;
	unsigned period;
	unsigned slot_of[CARD_SOURCES]; /* a source's place in the bank */
	uint8_t *bank;                  /* [source][period][record] */
	bool *made;
	enum role role[CARD_FIELDS];
	int moving[CARD_FIELDS], nmoving; /* fields written anew in each record */
	size_t data_at;                   /* a byte of some value that does not move */
	int16_t sine[SINES];
};

uint64_t simrec_roll(uint64_t seed, unsigned what, uint64_t event, unsigned source)
{
	return random_mix(
	    random_mix(random_mix(seed + RANDOM_STEP) + event) + ((uint64_t)what << 32 | source));
}

/* ---- bytes ---- */

static const uint8_t size_of[] = {[CARD_U8] = 1,
    [CARD_I8] = 1,
    [CARD_U16] = 2,
    [CARD_I16] = 2,
    [CARD_U32] = 4,
    [CARD_I32] = 4,
    [CARD_U64] = 8,
    [CARD_I64] = 8,
    [CARD_F32] = 4,
    [CARD_F64] = 8};

static uint64_t get_bytes(const uint8_t *at, unsigned size, bool big)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)at[big ? size - 1 - i : i] << 8 * i;
	return v;
}

static void put_bytes(uint8_t *at, unsigned size, bool big, uint64_t v)
{
	for (unsigned i = 0; i < size; i++)
		at[big ? size - 1 - i : i] = (uint8_t)(v >> 8 * i);
}

/* An integer into a field that may be some bits of a word: the others stay. */
static void put_int(const struct card_field *f, const struct card_piece *p, uint8_t *at, uint64_t v)
{
	unsigned size = size_of[f->type];

	if (f->bits && f->bits < 8 * size) {
		uint64_t mask = ((UINT64_C(1) << f->bits) - 1) << f->shift;
		uint64_t old = get_bytes(at, size, p->big) ^ f->xor ;
		v = (old & ~mask) | (v << f->shift & mask);
	}
	put_bytes(at, size, p->big, v ^ f->xor);
}

static void put_value(
    const struct card_field *f, const struct card_piece *p, uint8_t *at, int64_t v)
{
	if (f->type == CARD_F32) {
		float x = (float)v;
		uint32_t u;
		memcpy(&u, &x, sizeof u);
		put_bytes(at, 4, p->big, u ^ f->xor);
	} else if (f->type == CARD_F64) {
		double x = (double)v;
		uint64_t u;
		memcpy(&u, &x, sizeof u);
		put_bytes(at, 8, p->big, u ^ f->xor);
	} else {
		put_int(f, p, at, (uint64_t)v);
	}
}

/* ---- values ---- */

/* The largest value to be shown in a field. */
static int64_t full_scale(const struct card_field *f)
{
	static const int64_t full[] = {[CARD_U8] = 255,
	    [CARD_I8] = 127,
	    [CARD_U16] = 65535,
	    [CARD_I16] = 32767,
	    [CARD_U32] = 1 << 24,
	    [CARD_I32] = 1 << 24,
	    [CARD_U64] = 1 << 24,
	    [CARD_I64] = 1 << 24,
	    [CARD_F32] = 1 << 16,
	    [CARD_F64] = 1 << 16};

	if (f->bits && f->bits < 24)
		return (INT64_C(1) << f->bits) - 1;
	return full[f->type];
}

static bool has_sign(const struct card_field *f)
{
	return f->type == CARD_I8 || f->type == CARD_I16 || f->type >= CARD_F32 ||
	    f->type == CARD_I32 || f->type == CARD_I64;
}

static int64_t sine(const struct simrec *r, uint64_t turn)
{
	return r->sine[turn % SINES];
}

/* Resonators: each tone has its own length and phase, and the phase swings by an eighth turn, one
 * to four times a period. Q is a quarter turn behind I. */
static int64_t tone(
    const struct simrec *r, bool q, uint64_t phase, unsigned source, unsigned k, int64_t full)
{
	uint64_t h = random_mix(r->seed + ((uint64_t)source << 32 | k));
	uint64_t swing = (1 + (h >> 24) % 4) * phase * (SINES / r->period) + (h >> 40);
	uint64_t turn = h % SINES + (uint64_t)(SINES + sine(r, swing) * (SINES / 8) / 32768);
	int64_t length = full / 8 + (int64_t)((h >> 12) % 4096) * full / 32768;
	int64_t noise = (int64_t)(random_mix(h + phase) % 255) - 127;

	return length * sine(r, q ? turn : turn + SINES / 4) / 32768 + noise * full / 65536;
}

/* A camera of square modules of square pixels, in the order of the wire: one bright spot goes
 * round in it on a floor that differs from pixel to pixel and drifts. */
struct camera {
	unsigned across, pixels; /* modules in a row; pixels in a row of a module */
	double x, y, width;      /* the spot, in pixels */
	int64_t drift;
};

static struct camera camera_at(const struct simrec *r, const struct card_field *f, uint64_t phase)
{
	struct camera c;
	double turn = 2 * M_PI * (double)phase / r->period;

	c.across = (unsigned)ceil(sqrt(r->card->nsrc));
	c.pixels = (unsigned)ceil(sqrt(f->count));
	double side = c.across * c.pixels;
	c.x = side * (0.5 + 0.33 * cos(turn));
	c.y = side * (0.5 + 0.33 * sin(2 * turn));
	c.width = side / 10 + 0.5;
	c.drift = (int64_t)((double)full_scale(f) / 128 * sin(turn));
	return c;
}

static int64_t pixel(const struct simrec *r, const struct camera *c, const struct card_field *f,
    uint64_t phase, unsigned source, unsigned k)
{
	int64_t full = full_scale(f);
	double dx = (source % c->across * c->pixels + k % c->pixels - c->x) / c->width;
	double dy = (source / c->across * c->pixels + k / c->pixels - c->y) / c->width;
	double d2 = dx * dx + dy * dy;
	uint64_t h = random_mix(r->seed + ((uint64_t)source << 32 | k));
	int64_t noise = (int64_t)(random_mix(h + phase) % 255) - 127;
	/* (1 - d2/9)^8: close to a Gaussian, and the same on every machine */
	double spot = d2 < 9 ? 1 - d2 / 9 : 0;
	spot *= spot;
	spot *= spot;
	spot *= spot;

	int64_t v = full / 16 + (int64_t)(h % 64) * full / 4096 + c->drift + noise * full / 65536;
	return v + (int64_t)(spot * (double)(full / 2));
}

static void make_field(const struct simrec *r, const struct card_field *f, uint64_t phase,
    unsigned source, uint8_t *record)
{
	int c = tolower((unsigned char)f->name[0]);
	bool kid = (c == 'i' || c == 'q') && f->name[1] == '\0';
	struct camera cam = camera_at(r, f, phase);
	int64_t full = full_scale(f);

	for (int j = 0; j < f->npieces; j++) {
		const struct card_piece *p = &f->piece[j];
		for (unsigned k = 0; k < p->count; k++) {
			unsigned element = p->first + p->step * k;
			int64_t v = kid ? tone(r, c == 'q', phase, source, element, full)
					: pixel(r, &cam, f, phase, source, element);
			if (kid && !has_sign(f))
				v += full / 2;
			put_value(f, p, record + p->offset + (size_t)k * p->stride, v);
		}
	}
}

static void make_record(const struct simrec *r, uint64_t phase, unsigned source, uint8_t *record)
{
	const struct card *c = r->card;

	for (int i = 0; i < c->nfields; i++)
		if (r->role[i] == ROLE_DATA)
			make_field(r, &c->field[i], phase, source, record);
	/* Words that overlap the end of the samples come after them. */
	for (int i = 0; i < c->nfields; i++) {
		const struct card_field *f = &c->field[i];
		uint64_t v = strcmp(f->name, "checksum") == 0 ? 42
		    : strcmp(f->name, "tones") == 0           ? 1024
							      : 0;
		if (r->role[i] == ROLE_STILL)
			put_int(f, &f->piece[0], record + f->piece[0].offset, v);
	}
}

/* ---- records ---- */

void simrec_write(
    struct simrec *r, uint64_t event, unsigned source, const struct simrec_now *now, uint8_t *to)
{
	const struct card *c = r->card;
	uint64_t phase = event % r->period;
	size_t slot = (size_t)r->slot_of[source] * r->period + phase;
	uint8_t *ready = r->bank + slot * c->record;

	if (!r->made[slot]) {
		make_record(r, phase, source, ready);
		r->made[slot] = true;
	}
	memcpy(to, ready, c->record);
	for (int i = 0; i < r->nmoving; i++) {
		const struct card_field *f = &c->field[r->moving[i]];
		enum role role = r->role[r->moving[i]];
		uint64_t v = role == ROLE_SECONDS ? now->seconds
		    : role == ROLE_SEQUENCE       ? now->sequence
		    : role == ROLE_SOURCE         ? now->source
						  : now->ticks;
		put_int(f, &f->piece[0], to + f->piece[0].offset, v);
	}
}

void simrec_spoil(const struct simrec *r, uint8_t *record)
{
	record[r->data_at] ^= 1;
}

/* ---- beginning and end ---- */

/* Fields that say what time it is, though the card does not count by them, are known by their
 * names; of the others, those with the name of a status word stand still. */
static enum role role_of(const struct card *c, int i)
{
	static const char *const still[] = {"checksum", "tones", "info", "status", "gpio", "flags"};
	const struct card_field *f = &c->field[i];

	if (i == c->clock_field)
		return ROLE_CLOCK;
	if (i == c->clock_seconds)
		return ROLE_SECONDS;
	if (i == c->seq_field)
		return ROLE_SEQUENCE;
	if (i == c->source_field)
		return ROLE_SOURCE;
	if (f->count > 1 || f->type >= CARD_F32)
		return ROLE_DATA;
	if (strstr(f->name, "pps") || strstr(f->name, "second"))
		return ROLE_SECONDS;
	if (strstr(f->name, "tack") || strstr(f->name, "clock") || strstr(f->name, "time"))
		return ROLE_TICKS;
	for (size_t k = 0; k < sizeof still / sizeof *still; k++)
		if (strstr(f->name, still[k]))
			return ROLE_STILL;
	return ROLE_DATA;
}

static void assign_roles(struct simrec *r)
{
	const struct card *c = r->card;
	bool found = false;

	for (int i = 0; i < c->nfields; i++) {
		r->role[i] = role_of(c, i);
		if (r->role[i] == ROLE_DATA && !found) {
			r->data_at = c->field[i].piece[0].offset;
			found = true;
		} else if (r->role[i] != ROLE_DATA && r->role[i] != ROLE_STILL) {
			r->moving[r->nmoving++] = i;
		}
	}
}

struct simrec *simrec_new(const struct card *c, uint64_t seed, const uint16_t *source, unsigned n)
{
	struct simrec *r = calloc(1, sizeof *r);
	size_t one = (size_t)n * c->record;

	if (!r)
		return NULL;
	r->card = c;
	r->seed = seed;
	for (r->period = PERIOD_MAX; r->period > 1 && one * r->period > BANK_MAX;)
		r->period /= 2;
	for (unsigned i = 0; i < n; i++)
		r->slot_of[source[i]] = i;
	for (unsigned i = 0; i < SINES; i++)
		r->sine[i] = (int16_t)lround(32767 * sin(2 * M_PI * i / SINES));
	assign_roles(r);
	r->bank = calloc((size_t)n * r->period, c->record);
	r->made = calloc((size_t)n * r->period, sizeof *r->made);
	if (r->bank && r->made)
		return r;
	simrec_free(r);
	errno = ENOMEM;
	return NULL;
}

void simrec_free(struct simrec *r)
{
	if (!r)
		return;
	free(r->bank);
	free(r->made);
	free(r);
}
