/* ssdaq.c - the readout messages of SSDAQ, the CHEC-S camera's own readout program */
#include "ssdaq.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"
#include "base/wire.h"

#define MODULES 32
#define PIXELS  64

struct frame_new {
	u64le number, tack, seconds, ns, value[MODULES][PIXELS];
};
struct frame_old {
	u64le number, run, tack, value[MODULES][PIXELS], tacks[MODULES][2];
};
static_assert(sizeof(struct frame_new) == SSDAQ_NEW, "SSReadout.pack, 2019");
static_assert(sizeof(struct frame_old) == SSDAQ_OLD, "v0.1.0");

static void put_real(u64le *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	wire_put(w, bits);
}

static double get_real(u64le w)
{
	uint64_t bits = wire_get(w);
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

size_t ssdaq_form(const char *text)
{
	if (strcmp(text, "ssdaq") == 0 || strcmp(text, "ssdaq:16416") == 0)
		return SSDAQ_NEW;
	return strcmp(text, "ssdaq:16920") == 0 ? SSDAQ_OLD : 0;
}

int ssdaq_use(struct ssdaq *s, const struct card *c, char why[SSDAQ_WHY])
{
	*s = (struct ssdaq){.card = c, .values = -1, .tack = c->clock_field, .aux = -1};
	for (int i = 0; i < c->nfields; i++) {
		const struct card_field *f = &c->field[i];
		if (f->count == PIXELS && f->covered == PIXELS && f->type == CARD_U16 &&
		    f->scaled && f->mask == UINT16_MAX && f->shift == 0 && s->values < 0)
			s->values = i;
		else if (f->count == 1 && f->type == CARD_U64 && i != s->tack && s->aux < 0)
			s->aux = i;
	}
	if (c->nsrc == MODULES && s->values >= 0 && s->tack >= 0 &&
	    c->field[s->tack].type == CARD_U64)
		return 0;
	snprintf(why, SSDAQ_WHY,
	    "%.64s: SSDAQ's messages hold 32 modules of 64 16-bit values with a scale and a 64-bit "
	    "clock, as card chec has them",
	    c->name);
	return -1;
}

/* ---- to a message ---- */

static void put_values(const struct ssdaq *s, const uint8_t *slot, u64le value[PIXELS])
{
	const struct card_field *f = &s->card->field[s->values];
	uint16_t raw[PIXELS];

	if (slot)
		card_extract(s->card, s->values, slot, raw);
	for (int i = 0; i < PIXELS; i++)
		put_real(&value[i], slot ? raw[i] * f->scale + f->offset : (double)NAN);
}

/* The mean of at most 32 times, which lie close together. */
static uint64_t mean(const uint64_t *t, unsigned n)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += (int64_t)(t[i] - t[0]);
	return n ? t[0] + (uint64_t)(sum / (int64_t)n) : 0;
}

int ssdaq_encode(
    const struct ssdaq *s, const struct evt *e, int64_t time, size_t size, uint8_t *message)
{
	struct frame_new *a = (struct frame_new *)message;
	struct frame_old *b = (struct frame_old *)message;
	u64le(*value)[PIXELS] = size == SSDAQ_NEW ? a->value : b->value;
	uint64_t tack[MODULES];
	unsigned n = 0;

	if (e->nsrc != MODULES || e->slot != s->card->record)
		return -1;
	memset(message, 0, size);
	for (unsigned m = 0; m < MODULES; m++) {
		const uint8_t *slot = evt_present(e, m) ? e->slots + m * e->slot : NULL;
		put_values(s, slot, value[m]);
		if (!slot)
			continue;
		tack[n] = (uint64_t)card_value(s->card, s->tack, slot);
		if (size == SSDAQ_OLD) {
			wire_put(&b->tacks[m][0], tack[n]);
			if (s->aux >= 0)
				wire_put(
				    &b->tacks[m][1], (uint64_t)card_value(s->card, s->aux, slot));
		}
		n++;
	}
	if (size == SSDAQ_NEW) {
		wire_put(&a->number, e->number + 1);
		wire_put(&a->tack, (uint64_t)e->clock);
		wire_put(&a->seconds, (uint64_t)(time / TIM_S));
		wire_put(&a->ns, (uint64_t)(time % TIM_S));
	} else {
		wire_put(&b->number, e->number + 1);
		wire_put(&b->run, e->run);
		wire_put(&b->tack, mean(tack, n));
	}
	return 0;
}

/* ---- and back ---- */

static void put_bytes(uint8_t *to, uint64_t v, size_t size, bool big)
{
	for (size_t i = 0; i < size; i++)
		to[big ? size - 1 - i : i] = (uint8_t)(v >> (8 * i));
}

/* Elements of a field into a record: the inverse of card_extract(). */
static void put_field(const struct card *c, int field, const uint64_t *v, uint8_t *record)
{
	const struct card_field *f = &c->field[field];

	for (int p = 0; p < f->npieces; p++) {
		const struct card_piece *q = &f->piece[p];
		for (uint32_t k = 0; k < q->count; k++)
			put_bytes(record + q->offset + k * q->stride,
			    v[q->first + k * q->step] ^ f->xor, card_size(f->type), q->big);
	}
}

/* Values to counts. 0 absent, 1 present, -1 some are there and some are not, or none of 16 bits. */
static int counts(const struct ssdaq *s, const u64le value[PIXELS], uint64_t raw[PIXELS])
{
	const struct card_field *f = &s->card->field[s->values];
	int there = 0;

	for (int i = 0; i < PIXELS; i++) {
		double v = (get_real(value[i]) - f->offset) / f->scale;
		if (isnan(v))
			continue;
		if (!(v > -0.5 && v < UINT16_MAX + 0.5))
			return -1;
		raw[i] = (uint64_t)llround(v);
		there++;
	}
	return there == 0 ? 0 : there == PIXELS ? 1 : -1;
}

struct out {
	struct evt_head *head;
	u64le *mask;
	i32le *offset;
	uint8_t *slots;
	uint64_t present;
	unsigned nrec;
};

static int put_module(const struct ssdaq *s, unsigned m, const u64le value[PIXELS], uint64_t tack,
    uint64_t aux, uint64_t clock, struct out *o)
{
	uint8_t *slot = o->slots + m * s->card->record;
	uint64_t raw[PIXELS];
	int there = counts(s, value, raw);
	int64_t offset = (int64_t)(tack - clock);

	wire_put(&o->offset[m], EVT_ABSENT);
	if (there <= 0)
		return there;
	if (offset <= INT32_MIN || offset > INT32_MAX)
		return -1;
	wire_put(&o->offset[m], (int32_t)offset);
	put_field(s->card, s->values, raw, slot);
	put_field(s->card, s->tack, &tack, slot);
	if (s->aux >= 0)
		put_field(s->card, s->aux, &aux, slot);
	o->present |= UINT64_C(1) << m;
	o->nrec++;
	return 0;
}

static void take_head(const void *message, size_t n, struct ssdaq_head *h)
{
	const struct frame_new *a = message;
	const struct frame_old *b = message;

	if (n == SSDAQ_NEW)
		*h = (struct ssdaq_head){.number = wire_get(a->number),
		    .tack = wire_get(a->tack),
		    .time = (int64_t)(wire_get(a->seconds) % (1U << 31)) * TIM_S +
			(int64_t)(wire_get(a->ns) % TIM_S)};
	else
		*h = (struct ssdaq_head){.number = wire_get(b->number),
		    .run = wire_get(b->run),
		    .tack = wire_get(b->tack),
		    .time = TIM_NONE};
}

const char *ssdaq_decode(const struct ssdaq *s, const void *message, size_t n, uint64_t number,
    struct ssdaq_head *head, uint8_t *body)
{
	const struct frame_new *a = message;
	const struct frame_old *b = message;
	bool new = n == SSDAQ_NEW;
	size_t before = evt_header_size(MODULES), whole = evt_size(MODULES, s->card->record);

	if (!new &&n != SSDAQ_OLD)
		return "no message of SSDAQ: those have 16416 or 16920 bytes";
	take_head(message, n, head);
	if (head->tack > INT64_MAX)
		return "a message whose TACK makes no sense";
	memset(body, 0, whole);
	struct out o = {.head = (struct evt_head *)body,
	    .mask = (u64le *)(body + sizeof(struct evt_head)),
	    .offset = (i32le *)(body + sizeof(struct evt_head) + sizeof(u64le)),
	    .slots = body + before};
	for (unsigned m = 0; m < MODULES; m++)
		if (put_module(s, m, new ? a->value[m] : b->value[m],
			new ? head->tack : wire_get(b->tacks[m][0]),
			new ? 0 : wire_get(b->tacks[m][1]), head->tack, &o) < 0)
			return "a message whose values are not this card's";
	wire_put(&o.head->magic, EVT_MAGIC);
	wire_put(&o.head->version, EVT_VERSION);
	wire_put(&o.head->header, (uint16_t)before);
	wire_put(&o.head->number, number);
	wire_put(&o.head->run, (uint32_t)head->run);
	wire_put(&o.head->flags, o.nrec < MODULES ? EVT_INCOMPLETE : 0U);
	wire_put(&o.head->clock, (int64_t)head->tack);
	wire_put(&o.head->nsrc, MODULES);
	wire_put(&o.head->nrec, (uint16_t)o.nrec);
	wire_put(o.mask, o.present);
	return NULL;
}
