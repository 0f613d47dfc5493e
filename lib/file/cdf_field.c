/*
 * cdf_field.c - a card's field as a netCDF variable
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/wire.h"
#include "file/cdf_field.h"

#define DOUBLES_MAX (CARD_RECORD_MAX / 8 + 1) /* 64-bit values of one field that become doubles */

static const enum cdf_type natural[] = {
    [CARD_U8] = CDF_U8,
    [CARD_I8] = CDF_I8,
    [CARD_U16] = CDF_U16,
    [CARD_I16] = CDF_I16,
    [CARD_U32] = CDF_U32,
    [CARD_I32] = CDF_I32,
    [CARD_U64] = CDF_U64,
    [CARD_I64] = CDF_I64,
    [CARD_F32] = CDF_F32,
    [CARD_F64] = CDF_F64,
};

enum cdf_type cdf_classic(enum cdf_type t, bool classic)
{
	if (!classic)
		return t;
	switch (t) {
	case CDF_U8:
		return CDF_I8;
	case CDF_U16:
		return CDF_I16;
	case CDF_U32:
	case CDF_I64:
	case CDF_U64:
		return CDF_F64;
	default:
		return t;
	}
}

static bool is_real(enum card_type t)
{
	return t == CARD_F32 || t == CARD_F64;
}

/* How much is taken off when unsigned numbers go into signed ones of the same size. */
static double half_range(enum card_type t)
{
	return t == CARD_U8 ? 128. : t == CARD_U16 ? 32768. : 2147483648.;
}

static void choose(struct cdf_field *f, const struct card_field *cf, bool absent, bool classic)
{
	bool array = cf->count > 1 || cf->scaled;

	f->from = cf->type;
	f->count = cf->count;
	f->spare = cf->count - cf->covered;
	f->shift = classic &&
	    (cf->type == CARD_U8 || cf->type == CARD_U16 || (cf->type == CARD_U32 && array));
	f->type = cdf_classic(natural[cf->type], classic);
	if (f->shift && cf->type == CARD_U32)
		f->type = CDF_I32;
	f->bytes = f->count * cdf_size(f->type);
	f->has_fill = absent || cf->has_fill || f->spare > 0;
	f->fill = cf->fill_bits;
	f->fill_in_file = cf->fill_bits;
	cdf_swap(&f->fill_in_file, 1, card_size(cf->type));
}

/* The fill value, as it stands in the file, as an attribute. */
static void put_fill(const struct cdf_field *f, struct cdf_head *h)
{
	uint8_t value[8];
	size_t size = cdf_size(f->type);

	cdf_field_fill(f, value, size);
	cdf_swap(value, 1, size);
	cdf_list(h, f->var, "_FillValue", f->type, 1, value);
}

static void put_attributes(
    const struct cdf_field *f, struct cdf_head *h, const struct card_field *cf)
{
	double scale = cf->scaled ? cf->scale : 1, offset = cf->scaled ? cf->offset : 0;

	cdf_text(h, f->var, "long_name", "%s", cf->long_name[0] ? cf->long_name : cf->name);
	if (cf->standard_name[0])
		cdf_text(h, f->var, "standard_name", "%s", cf->standard_name);
	if (cf->unit[0])
		cdf_text(h, f->var, "units", "%s", cf->unit);
	if (f->has_fill)
		put_fill(f, h);
	if (f->shift)
		offset += half_range(f->from) * scale;
	if (cf->scaled || f->shift) {
		cdf_number(h, f->var, "scale_factor", CDF_F64, scale);
		cdf_number(h, f->var, "add_offset", CDF_F64, offset);
	}
	if (f->spare)
		cdf_text(h, f->var, "comment",
		    "%zu of %zu elements are overwritten by the record's trailer and always "
		    "missing",
		    f->spare, f->count);
}

static int dim_named(const struct cdf_head *h, const char *name)
{
	for (int d = 0; d < h->ndims; d++)
		if (!strcmp(h->dim[d].name, name))
			return d;
	return -1;
}

/* The card's author does not know what else stands in the file. */
static void rename_once(char name[CDF_NAME])
{
	char old[CDF_NAME];

	memcpy(old, name, sizeof old);
	snprintf(name, CDF_NAME, "card_%.*s", CDF_NAME - 6, old);
}

int cdf_field_dim(struct cdf_head *h, const char *wanted, uint64_t len)
{
	char name[CDF_NAME];

	for (snprintf(name, sizeof name, "%s", wanted);; rename_once(name)) {
		int d = dim_named(h, name);
		if (d >= 0 && h->dim[d].len == len)
			return d;
		if (d < 0 && cdf_find(h, name) < 0)
			return cdf_dim(h, name, len);
	}
}

int cdf_field_define(struct cdf_field *f, struct cdf_head *h, const struct card *c, int field,
    int ndims, const int *dims, bool absent, bool classic)
{
	const struct card_field *cf = &c->field[field];
	char name[CDF_NAME];
	int all[CDF_RANK];

	memset(f, 0, sizeof *f);
	f->field = field;
	choose(f, cf, absent, classic);
	if (f->type == CDF_F64 && f->count > DOUBLES_MAX)
		h->bad = true;
	memcpy(all, dims, (size_t)ndims * sizeof *all);
	if (cf->count > 1)
		all[ndims++] = cdf_field_dim(h, cf->axis, cf->count);
	snprintf(name, sizeof name, "%s", cf->variable);
	while (cdf_find(h, name) >= 0 || dim_named(h, name) >= 0)
		rename_once(name);
	f->var = cdf_var(h, name, f->type, ndims, all);
	if (f->var < 0)
		return -1;
	put_attributes(f, h, cf);
	return h->bad ? -1 : 0;
}

void cdf_put_real(uint8_t *to, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	wire_put((u64be *)to, bits);
}

void cdf_put_int(uint8_t *to, enum cdf_type t, int64_t v)
{
	switch (cdf_size(t)) {
	case 1:
		*to = (uint8_t)v;
		break;
	case 2:
		wire_put((u16be *)to, (uint16_t)v);
		break;
	case 4:
		wire_put((u32be *)to, (uint32_t)v);
		break;
	default:
		if (t == CDF_F64)
			cdf_put_real(to, (double)v);
		else
			wire_put((u64be *)to, (uint64_t)v);
	}
}

void cdf_field_fill(const struct cdf_field *f, uint8_t *to, size_t n)
{
	size_t size = cdf_size(f->type);

	if (f->type == CDF_F64 && !is_real(f->from))
		cdf_put_real(to, NAN);
	else if (size == 8)
		wire_put((u64be *)to, f->fill);
	else
		cdf_put_int(to, f->type, (int64_t)f->fill);
	if (f->shift)
		to[0] ^= 0x80;
	for (size_t done = size; done < n; done += done < n - done ? done : n - done)
		memcpy(to + done, to, done < n - done ? done : n - done);
}

/* ---- values ---- */

/* How many of n values equal one, as they stand in memory; in steps that a vector's counters do not
 * overflow. */
#define COUNT(name, type)                                                                          \
	WIRE_VECTOR static size_t name(const void *values, size_t n, type x)                       \
	{                                                                                          \
		typedef type loose __attribute__((aligned(1)));                                    \
		const loose *v = values;                                                           \
		size_t all = 0;                                                                    \
		while (n) {                                                                        \
			size_t k = n < 128 ? n : 128;                                              \
			type some = 0;                                                             \
			for (size_t i = 0; i < k; i++)                                             \
				some = (type)(some + (v[i] == x));                                 \
			all += some;                                                               \
			v += k;                                                                    \
			n -= k;                                                                    \
		}                                                                                  \
		return all;                                                                        \
	}
COUNT(count1, uint8_t)
COUNT(count2, uint16_t)
COUNT(count4, uint32_t)
COUNT(count8, uint64_t)

/* values: in file order, before the shift. */
static size_t count_fill(const struct cdf_field *f, const void *values)
{
	if (!f->has_fill || is_real(f->from))
		return 0;
	size_t n = 0;
	switch (card_size(f->from)) {
	case 1:
		n = count1(values, f->count, (uint8_t)f->fill_in_file);
		break;
	case 2:
		n = count2(values, f->count, (uint16_t)f->fill_in_file);
		break;
	case 4:
		n = count4(values, f->count, (uint32_t)f->fill_in_file);
		break;
	default:
		n = count8(values, f->count, f->fill_in_file);
		break;
	}
	return n - f->spare;
}

/* Takes half the range off unsigned values: in file order that is the top bit of each. */
static void shift_down(uint8_t *to, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		to[i * size] ^= 0x80;
}

/* 64-bit integers and counters as doubles, whose fill value is NaN: the number that stands for it
 * among integers is one as any other here, but where the card has elements without a value. */
static size_t put_doubles(
    const struct cdf_field *f, const struct card *c, const uint8_t *rec, uint8_t *to)
{
	uint64_t values[DOUBLES_MAX];

	if (f->from == CARD_U32)
		values[0] = (uint64_t)card_value(c, f->field, rec);
	else
		card_extract(c, f->field, rec, values);
	size_t same = 0;
	for (size_t i = 0; i < f->count; i++) {
		bool fill = f->spare && values[i] == f->fill;
		double v = f->from == CARD_I64 ? (double)(int64_t)values[i] : (double)values[i];
		cdf_put_real(to + 8 * i, fill ? NAN : v);
		same += fill;
	}
	return same - f->spare;
}

size_t cdf_field_put(
    const struct cdf_field *f, const struct card *c, const uint8_t *rec, uint8_t *to)
{
	if (cdf_size(f->type) != card_size(f->from) || (f->type == CDF_F64 && !is_real(f->from)))
		return put_doubles(f, c, rec, to);
	card_extract_big(c, f->field, rec, to);
	size_t same = count_fill(f, to);
	if (f->shift)
		shift_down(to, f->count, card_size(f->from));
	return same;
}
