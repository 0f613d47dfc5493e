/*
 * cardcheck.c - the parts of a card put together and checked
 *
 * Sums and products of what a card says are done in int64, on factors below 2^31, so that nothing
 * overflows. After it every offset, count and stride stays inside the record.
 */
#include "cardtext.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/tim.h"
#include "cap.h"
#include "evt.h"

/* ---- fields ---- */

static const bool host_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

/* Puts an `at` line into the record; what it covers is marked in seen, a bit an element. */
static int place(struct reading *r, struct card_field *f, int i, const struct at *a, uint8_t *seen)
{
	const struct card *c = r->c;
	struct card_piece *p = &f->piece[i];
	int64_t size = (int64_t)card_size(f->type);
	int64_t offset = a->offset < 0 ? a->offset + c->record : a->offset;
	int64_t end = offset + (a->count - 1) * a->stride + size;
	int64_t first = a->first < 0 ? (int64_t)f->count : a->first;
	int64_t last = first + (a->count - 1) * a->step;

	if (offset < 0 || end > c->record)
		return ct_bad(r, a->line,
		    "%s: bytes %" PRId64 " to %" PRId64 " are outside of the record (0 to %u)",
		    f->name, offset, end - 1, c->record - 1);
	if (last >= CARD_RECORD_MAX)
		return ct_bad(r, a->line, "%s: element %" PRId64 ": a field has at most %d",
		    f->name, last, CARD_RECORD_MAX);
	if (size > 1 && !a->order && !r->lines[CARD_ORDER])
		return ct_bad(r, a->line, "%s: say %sbe or %sle, or byteorder in [card]", f->name,
		    ct_type_names[f->type], ct_type_names[f->type]);
	for (int64_t k = first; k <= last; k += a->step) {
		if (seen[k / 8] >> (k % 8) & 1)
			return ct_bad(r, a->line,
			    "%s: element %" PRId64 " was already given by a line above", f->name,
			    k);
		seen[k / 8] = (uint8_t)(seen[k / 8] | 1 << (k % 8));
	}
	p->offset = (uint32_t)offset;
	p->count = (uint32_t)a->count;
	p->stride = (uint32_t)a->stride;
	p->first = (uint32_t)first;
	p->step = (uint32_t)a->step;
	p->big = a->order ? a->order == 'b' : c->big;
	p->swap = size > 1 && p->big != host_big;
	f->covered += p->count;
	if (last >= f->count)
		f->count = (uint32_t)last + 1;
	return 0;
}

/* The range of elements that no piece covers. */
static void gaps(struct card_field *f, const uint8_t *seen)
{
	for (uint32_t k = 0; k < f->count; k++)
		if (!(seen[k / 8] >> (k % 8) & 1)) {
			if (!f->gap_count)
				f->gap_first = k;
			f->gap_count = k - f->gap_first + 1;
		}
}

/* How card_extract() does each piece fastest. */
static void plan(struct card_field *f)
{
	uint32_t size = (uint32_t)card_size(f->type);
	bool narrow = f->bits < 8 * size;

	for (int i = 0; i < f->npieces; i++) {
		struct card_piece *p = &f->piece[i], *q = p + 1;
		bool run = p->stride == size && !narrow;
		if (p->move == CARD_DONE)
			continue;
		if (run && p->step == 1)
			p->move = CARD_COPY;
		else if (p->stride == 2 * size && p->step == 1 && !narrow && p->count > 1)
			p->move = CARD_PICK;
		else if (run && p->step == 2 && i + 1 < f->npieces && q->stride == size &&
		    q->step == 2 && q->first == p->first + 1 && q->swap == p->swap) {
			p->move = CARD_ZIP;
			q->move = CARD_DONE;
		}
	}
}

/* The default fill values of netCDF (NC_FILL_BYTE ...); for real numbers, NaN. */
static int fill_value(struct reading *r, struct card_field *f, const struct more *m)
{
	static const int64_t usual[] = {
	    255, -127, 65535, -32767, 4294967295, -2147483647, -2, INT64_MIN + 2};
	static const int64_t lo[] = {0, INT8_MIN, 0, INT16_MIN, 0, INT32_MIN, 0, INT64_MIN};
	static const int64_t hi[] = {
	    UINT8_MAX, INT8_MAX, UINT16_MAX, INT16_MAX, UINT32_MAX, INT32_MAX, 0, INT64_MAX};
	double v = NAN;
	float v32;

	r->line = m->lines[FIELD_FILL];
	f->has_fill = r->line || f->covered < f->count;
	if (!ct_is_real(f->type)) {
		f->fill = usual[f->type];
		if (r->line && f->type == CARD_U64) {
			if (ct_bits64(m->fill, (uint64_t *)&f->fill) < 0)
				return ct_bad(
				    r, r->line, "'%s' must be a whole number of 64 bits", m->fill);
		} else if (r->line && ct_whole(r, m->fill, lo[f->type], hi[f->type], &f->fill) < 0)
			return -1;
		f->fill_bits = (uint64_t)f->fill;
		return 0;
	}
	if (r->line && strcasecmp(m->fill, "nan") != 0 && ct_real(r, m->fill, &v) < 0)
		return -1;
	if (f->type == CARD_F32) {
		uint32_t b;
		if (fabs(v) > 3.4e38)
			return ct_bad(r, r->line, "'%s' is too large for f32", m->fill);
		v32 = (float)v;
		memcpy(&b, &v32, sizeof b);
		f->fill_bits = b;
	} else
		memcpy(&f->fill_bits, &v, sizeof v);
	return 0;
}

static int pieces(struct reading *r, struct card_field *f, const struct more *m)
{
	uint8_t seen[CARD_RECORD_MAX / 8 + 1] = {0};

	if (f->npieces == 0)
		return ct_bad(r, m->first_line, "[field %s] needs at = OFFSET TYPE", f->name);
	for (int i = 0; i < f->npieces; i++)
		if (place(r, f, i, &m->at[i], seen) < 0)
			return -1;
	if (m->count && m->count < f->count)
		return ct_bad(r, m->lines[FIELD_COUNT],
		    "%s: count is %" PRId64 ", but the at lines give element %u", f->name, m->count,
		    f->count - 1);
	if (m->count)
		f->count = (uint32_t)m->count;
	gaps(f, seen);
	return 0;
}

/* xor, shift and bits against the type. */
static int bits(struct reading *r, struct card_field *f, const struct more *m)
{
	unsigned size = 8 * (unsigned)card_size(f->type);
	int line = m->lines[FIELD_BITS] ? m->lines[FIELD_BITS] : m->lines[FIELD_SHIFT];

	if (f->xor != 0 && ct_is_real(f->type))
		return ct_bad(r, m->lines[FIELD_XOR], "%s: xor is for whole numbers", f->name);
	if (size < 64 && f->xor >> size)
		return ct_bad(r, m->lines[FIELD_XOR], "%s: xor has more than the %u bits of %s",
		    f->name, size, ct_type_names[f->type]);
	if (line && !ct_is_unsigned(f->type))
		return ct_bad(r, line, "%s: shift and bits are for u8, u16, u32 and u64", f->name);
	if (f->shift >= size || m->bits > size - f->shift)
		return ct_bad(r, line, "%s: shift + bits is more than the %u bits of %s", f->name,
		    size, ct_type_names[f->type]);
	f->bits = m->bits ? (unsigned)m->bits : size - f->shift;
	f->mask = f->bits == 64 ? UINT64_MAX : (UINT64_C(1) << f->bits) - 1;
	return 0;
}

static int field(struct reading *r, struct card_field *f, const struct more *m)
{
	if (pieces(r, f, m) < 0 || bits(r, f, m) < 0 || fill_value(r, f, m) < 0)
		return -1;
	plan(f);
	if (f->count == 1 && f->axis[0])
		return ct_bad(r, m->lines[FIELD_AXIS], "%s: one value has no axis", f->name);
	if (f->count > 1 && !f->axis[0])
		strcat(strcpy(f->axis, f->variable), "_element"); /* WORD_MAX + 8 bytes */
	return 0;
}

/* Names in the netCDF file are there once, and an axis has one length. */
static int names(struct reading *r, int i)
{
	const struct card_field *f = &r->c->field[i];
	const struct more *m = &r->more[i];

	for (int k = 0; k < r->nfields; k++) {
		const struct card_field *g = &r->c->field[k];
		if (k < i && strcmp(f->variable, g->variable) == 0)
			return ct_bad(r,
			    m->lines[FIELD_NAME] ? m->lines[FIELD_NAME] : m->first_line,
			    "%s: the name %s belongs to [field %s]", f->name, f->variable, g->name);
		if (strcmp(f->axis, g->variable) == 0)
			return ct_bad(r, m->lines[FIELD_AXIS],
			    "%s: the axis %s has the name of [field %s]", f->name, f->axis,
			    g->name);
		if (k < i && f->axis[0] && strcmp(f->axis, g->axis) == 0 && f->count != g->count)
			return ct_bad(r, m->first_line,
			    "%s: axis %s has %u elements here and %u in [field %s]", f->name,
			    f->axis, f->count, g->count, g->name);
	}
	return 0;
}

/* ---- source, clock and sequence ---- */

int ct_find_field(const struct reading *r, const char *name)
{
	for (int i = 0; i < r->nfields; i++)
		if (strcmp(r->c->field[i].name, name) == 0)
			return i;
	return -1;
}

/* The number of a one-valued integer field that `what` names. */
static int reference(struct reading *r, const char *name, int line, const char *what, int *index)
{
	int i = ct_find_field(r, name);

	if (i < 0)
		return ct_bad(r, line, "%s: there is no [field %s]", what, name);
	if (r->c->field[i].count != 1 || ct_is_real(r->c->field[i].type))
		return ct_bad(r, line, "%s: %s must be one whole number", what, name);
	*index = i;
	return 0;
}

/* The sources' dimension is no field's variable and no field's axis. */
static int source_name(struct reading *r)
{
	struct card *c = r->c;

	if (!r->lines[SOURCE_NAME])
		strcpy(c->source_name, "source");
	for (int i = 0; r->lines[SOURCE_NAME] && i < r->nfields; i++)
		if (strcmp(c->source_name, c->field[i].variable) == 0 ||
		    strcmp(c->source_name, c->field[i].axis) == 0)
			return ct_bad(r, r->lines[SOURCE_NAME],
			    "[source] name = %s: [field %s] or its axis has this name",
			    c->source_name, c->field[i].name);
	return 0;
}

static int source(struct reading *r)
{
	struct card *c = r->c;
	const int *l = r->lines;

	if (!l[SOURCE_BY])
		return ct_bad(r, 0, "[source] needs by = address, port or field NAME");
	if (!l[SOURCE_COUNT])
		return ct_bad(r, l[SOURCE_BY], "[source] needs count = how many sources there are");
	if (l[SOURCE_BYTE] && c->by != CARD_BY_ADDRESS)
		return ct_bad(r, l[SOURCE_BYTE], "byte is for by = address");
	if (c->by == CARD_BY_FIELD &&
	    reference(r, r->byfield, l[SOURCE_BY], "source", &c->source_field) < 0)
		return -1;

	if (source_name(r) < 0)
		return -1;
	int64_t room = c->by == CARD_BY_ADDRESS ? 256 : c->by == CARD_BY_PORT ? 65536 : INT_MAX32;
	if (c->modulo && c->modulo < room)
		room = c->modulo;
	if ((int64_t)c->first + c->nsrc > room)
		return ct_bad(r, l[SOURCE_COUNT],
		    "first + count is %" PRId64 ", but a source is at most %" PRId64,
		    (int64_t)c->first + c->nsrc, room - 1);
	return 0;
}

/* When the clock in ns wraps; 0 for later than 2^63 ns. */
static uint64_t wrap(const struct card *c)
{
	unsigned __int128 w;

	if (c->clock_seconds < 0)
		w = ((unsigned __int128)1 << c->clock_width) * c->clock_num / c->clock_den;
	else
		w = ((unsigned __int128)1 << c->field[c->clock_seconds].bits) * (uint64_t)TIM_S;
	return w > INT64_MAX ? 0 : (uint64_t)w;
}

static int width(struct reading *r, int field_index, int line, unsigned *w)
{
	unsigned bits = r->c->field[field_index].bits;

	if (*w > bits)
		return ct_bad(r, line, "width is %u, but %s has %u bits", *w,
		    r->c->field[field_index].name, bits);
	if (!*w)
		*w = bits;
	return 0;
}

static int clock(struct reading *r)
{
	struct card *c = r->c;
	const int *l = r->lines;
	int any = l[CLOCK_UNIT] | l[CLOCK_RATE] | l[CLOCK_WIDTH] | l[CLOCK_SECONDS];
	char span[TIM_TEXT];

	if (!l[CLOCK_FIELD]) {
		if (any || c->tie != CARD_TIE_ARRIVAL)
			return ct_bad(r, any ? any : l[CLOCK_TIE],
			    "[clock] needs field = NAME, or no other key");
		return 0;
	}
	if (!l[CLOCK_UNIT] == !l[CLOCK_RATE])
		return ct_bad(r, l[CLOCK_FIELD],
		    "[clock] needs unit = 3.90625ns or rate = 256 MHz, one of them");
	if (reference(r, r->clock, l[CLOCK_FIELD], "clock", &c->clock_field) < 0 ||
	    width(r, c->clock_field, l[CLOCK_WIDTH], &c->clock_width) < 0)
		return -1;
	if (l[CLOCK_SECONDS] &&
	    reference(r, r->seconds, l[CLOCK_SECONDS], "seconds", &c->clock_seconds) < 0)
		return -1;
	c->clock_unit = (double)c->clock_num / c->clock_den;
	c->clock_wrap = wrap(c);
	if (!c->clock_wrap)
		return 0;
	if (c->clock_wrap / 2 <= (uint64_t)c->window || c->clock_wrap / 2 <= (uint64_t)c->hold)
		return ct_bad(r, l[CLOCK_FIELD],
		    "the clock wraps after %s: window and hold must be less than half of it",
		    tim_span((int64_t)c->clock_wrap, span));
	if ((c->tie == CARD_TIE_UTC || c->tie == CARD_TIE_TAI) &&
	    c->clock_wrap < (uint64_t)(100 * 365 * TIM_DAY))
		return ct_bad(r, l[CLOCK_TIE],
		    "a clock that wraps after %s does not count from 1970: tie = arrival or none",
		    tim_span((int64_t)c->clock_wrap, span));
	return 0;
}

static int sequence(struct reading *r)
{
	struct card *c = r->c;

	if (!r->lines[SEQ_FIELD])
		return r->lines[SEQ_WIDTH]
		    ? ct_bad(r, r->lines[SEQ_WIDTH], "[sequence] needs field = NAME")
		    : 0;
	if (reference(r, r->seq, r->lines[SEQ_FIELD], "sequence", &c->seq_field) < 0)
		return -1;
	return width(r, c->seq_field, r->lines[SEQ_WIDTH], &c->seq_width);
}

/* ---- all of it ---- */

/* What evbuild and raw2nc will have to hold for an event. */
static int sizes(struct reading *r)
{
	const struct card *c = r->c;
	uint64_t decoded = 0;
	size_t event = evt_size(c->nsrc, c->record);

	if (event > CAP_DATA_MAX) {
		unsigned fit = c->nsrc - 1;
		while (fit > 1 && evt_size(fit, c->record) > CAP_DATA_MAX)
			fit--;
		return ct_bad(r, r->lines[SOURCE_COUNT],
		    "an event of %u sources with %u bytes each has %zu bytes: at most %d, which is "
		    "%u sources",
		    c->nsrc, c->record, event, CAP_DATA_MAX, fit);
	}
	for (int i = 0; i < c->nfields; i++)
		decoded += (uint64_t)c->field[i].count * card_size(c->field[i].type);
	if (decoded * c->nsrc > CARD_DECODED_MAX)
		return ct_bad(r, r->lines[SOURCE_COUNT],
		    "the fields of an event come to %" PRIu64 " bytes: at most %d",
		    decoded * c->nsrc, CARD_DECODED_MAX);
	return 0;
}

int ct_check(struct reading *r)
{
	struct card *c = r->c;
	const int *l = r->lines;

	c->nfields = r->nfields;
	if (!l[CARD_NAME])
		return ct_bad(r, 0, "[card] needs name = NAME");
	if (!c->title[0])
		snprintf(c->title, sizeof c->title, "%s", c->name);
	if (!l[CARD_RECORD] == !l[CARD_DATAGRAM])
		return ct_bad(r, l[CARD_DATAGRAM] ? l[CARD_DATAGRAM] : l[CARD_NAME],
		    "[card] needs record = BYTES or datagram = BYTES, one of them");
	if (!l[CARD_WINDOW] || !l[CARD_HOLD])
		return ct_bad(r, l[CARD_NAME], "[card] needs window = and hold =, two durations");
	if (c->nfields == 0)
		return ct_bad(r, l[CARD_NAME], "a card needs a [field NAME]");
	for (int i = 0; i < c->nfields; i++)
		if (field(r, &c->field[i], &r->more[i]) < 0)
			return -1;
	for (int i = 0; i < c->nfields; i++)
		if (names(r, i) < 0)
			return -1;
	if (source(r) < 0 || clock(r) < 0 || sequence(r) < 0)
		return -1;
	return sizes(r);
}
