/*
 * cardtext.c - the text of a card, read and checked
 *
 * First every key is read into the struct card, or kept beside it where it needs others (a field
 * named before it is described, an offset before the record's length is known). Then the parts are
 * put together and checked. Sums and products of what a card says are done in int64, on factors
 * below 2^31, so that nothing overflows.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/conf.h"
#include "base/tim.h"
#include "card.h"
#include "evt.h"

#define WORD_MAX  40 /* bytes of a name */
#define INT_MAX32 INT64_C(0x7fffffff)

/* An `at` line as it was written. */
struct at {
	int line;
	int64_t offset, count, stride, first, step; /* first: -1 when not said */
	char order;                                 /* 'b', 'l' or 0: the card's */
};

enum {
	CARD_NAME,
	CARD_TITLE,
	CARD_ORDER,
	CARD_RECORD,
	CARD_DATAGRAM,
	CARD_WINDOW,
	CARD_HOLD,
	CARD_PORT,
	CARD_RATE,
	SOURCE_BY,
	SOURCE_BYTE,
	SOURCE_MODULO,
	SOURCE_FIRST,
	SOURCE_COUNT,
	CLOCK_FIELD,
	CLOCK_UNIT,
	CLOCK_RATE,
	CLOCK_WIDTH,
	CLOCK_SECONDS,
	CLOCK_TIE,
	SEQ_FIELD,
	SEQ_WIDTH,
	FIELD_AT,
	FIELD_COUNT,
	FIELD_XOR,
	FIELD_SHIFT,
	FIELD_BITS,
	FIELD_SCALE,
	FIELD_OFFSET,
	FIELD_UNIT,
	FIELD_FILL,
	FIELD_NAME,
	FIELD_LONG,
	FIELD_STANDARD,
	FIELD_AXIS,
	KEYS
};

struct reading {
	struct card *c;
	const char *name;
	char *why;
	bool inside;     /* in conf_read(), which puts NAME:LINE before the reason */
	int line;        /* the present key's */
	int lines[KEYS]; /* where each key stood, 0: nowhere */
	char byfield[WORD_MAX + 1], clock[WORD_MAX + 1], seconds[WORD_MAX + 1], seq[WORD_MAX + 1];
	int nfields; /* of these the last is the present one */
	struct more {
		int lines[KEYS], first_line;
		struct at at[CARD_PIECES];
		int64_t count; /* 0: not said */
		char fill[WORD_MAX + 1];
		int64_t bits; /* 0: not said */
	} more[CARD_FIELDS];
	bool in_field; /* the present section is a field */
};

/* Says what is wrong in `line` (0: nowhere in particular). Returns -1. */
__attribute__((format(printf, 3, 4))) static int bad(
    struct reading *r, int line, const char *format, ...)
{
	va_list ap;
	size_t n = 0;

	if (!r->inside && line > 0)
		n = (size_t)snprintf(r->why, CARD_WHY, "%.100s:%d: ", r->name, line);
	else if (!r->inside)
		n = (size_t)snprintf(r->why, CARD_WHY, "%.100s: ", r->name);
	va_start(ap, format);
	vsnprintf(r->why + n, CARD_WHY - n, format, ap);
	va_end(ap);
	return -1;
}

/* ---- values ---- */

/* Letters, digits and _ . + -, the first a letter or _: what a netCDF name may be made of. */
static bool is_word(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-");
	return n > 0 && n <= WORD_MAX && s[n] == '\0' && (isalpha((unsigned char)*s) || *s == '_');
}

static int word(struct reading *r, const char *value, char *to)
{
	if (!is_word(value))
		return bad(r, r->line,
		    "'%.50s' is no name: a letter or _, then letters, digits and _ . + -, "
		    "at most %d",
		    value, WORD_MAX);
	strcpy(to, value);
	return 0;
}

static int text(struct reading *r, const char *value, char *to, size_t size)
{
	if (strlen(value) >= size)
		return bad(r, r->line, "the text is too long: at most %zu bytes", size - 1);
	strcpy(to, value);
	return 0;
}

static int whole(struct reading *r, const char *value, int64_t lo, int64_t hi, int64_t *to)
{
	long long v;
	if (conf_int(value, lo, hi, &v) < 0)
		return bad(r, r->line,
		    "'%.40s' must be a whole number from %" PRId64 " to %" PRId64, value, lo, hi);
	*to = v;
	return 0;
}

static int whole32(struct reading *r, const char *value, int64_t lo, int64_t hi, uint32_t *to)
{
	int64_t v = 0;
	if (whole(r, value, lo, hi, &v) < 0)
		return -1;
	*to = (uint32_t)v;
	return 0;
}

static int real(struct reading *r, const char *value, double *to)
{
	if (conf_real(value, to) < 0)
		return bad(r, r->line, "'%.40s' must be a number, such as 0.0763", value);
	return 0;
}

static int duration(struct reading *r, const char *value, int64_t *to)
{
	if (tim_duration(value, to) < 0 || *to <= 0)
		return bad(r, r->line, "'%.40s' must be a duration, such as 51ms or 1.5s", value);
	return 0;
}

/* All 64 bits, in decimal or 0x. */
static int bits64(const char *value, uint64_t *to)
{
	int used = -1;
	size_t n = strlen(value);
	bool hex = n > 2 && value[0] == '0' && tolower((unsigned char)value[1]) == 'x';

	if (hex ? n > 18 || strspn(value + 2, "0123456789abcdefABCDEF") != n - 2
		: n == 0 || n > 19 || strspn(value, "0123456789") != n)
		return -1;
	return sscanf(value, hex ? "%" SCNx64 "%n" : "%" SCNu64 "%n", to, &used) == 1 &&
		used == (int)n
	    ? 0
	    : -1;
}

/* One of the words in a list "big little", by number from 0. */
static int choice(struct reading *r, const char *value, const char *list)
{
	size_t n = strlen(value);
	int k = 0;

	for (const char *s = list; *s; k++) {
		size_t m = strcspn(s, " ");
		if (m == n && memcmp(s, value, n) == 0)
			return k;
		s += m + (s[m] == ' ');
	}
	return bad(r, r->line, "'%.40s' must be one of: %s", value, list);
}

/* ---- an exact ratio from a decimal number with a unit ---- */

struct suffix {
	const char *name;
	int exponent; /* of ten */
};
static const struct suffix time_units[] = {
    {"ps", -3}, {"ns", 0}, {"us", 3}, {"ms", 6}, {"s", 9}, {NULL, 0}};
static const struct suffix rate_units[] = {
    {"", 0}, {"Hz", 0}, {"kHz", 3}, {"MHz", 6}, {"GHz", 9}, {NULL, 0}};

/* mantissa * 10^exponent; returns where the number ends, or NULL. */
static const char *decimal(const char *s, uint64_t *mantissa, int *exponent)
{
	int digits = 0;
	bool point = false;

	*mantissa = 0;
	*exponent = 0;
	for (; isdigit((unsigned char)*s) || (*s == '.' && !point); s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		if (++digits > 18)
			return NULL;
		*mantissa = *mantissa * 10 + (uint64_t)(*s - '0');
		*exponent -= point;
	}
	if (*s == 'e' || *s == 'E') {
		int e, n;
		if (sscanf(s + 1, "%3d%n", &e, &n) != 1)
			return NULL;
		*exponent += e;
		s += 1 + n;
	}
	while (*mantissa && *mantissa % 10 == 0) {
		*mantissa /= 10;
		++*exponent;
	}
	return digits && *mantissa ? s : NULL;
}

/* mantissa * 10^exponent as num / den in lowest terms, where both fit 32 bits. */
static int ratio(uint64_t mantissa, int exponent, uint32_t *num, uint32_t *den)
{
	uint64_t p = mantissa, q = 1;

	if (exponent > 18 || exponent < -18)
		return -1;
	for (; exponent > 0; exponent--)
		if (__builtin_mul_overflow(p, 10, &p))
			return -1;
	for (; exponent < 0; exponent++)
		q *= 10;
	uint64_t a = p, b = q;
	while (b) {
		uint64_t t = a % b;
		a = b;
		b = t;
	}
	if (p / a > UINT32_MAX || q / a > UINT32_MAX)
		return -1;
	*num = (uint32_t)(p / a);
	*den = (uint32_t)(q / a);
	return 0;
}

static int quantity(
    const char *value, const struct suffix *units, uint64_t *mantissa, int *exponent)
{
	const char *s = decimal(value, mantissa, exponent);

	if (!s)
		return -1;
	while (*s == ' ')
		s++;
	for (; units->name; units++)
		if (strcmp(units->name, s) == 0) {
			*exponent += units->exponent;
			return 0;
		}
	return -1;
}

static int clock_unit(struct reading *r, const char *value)
{
	struct card *c = r->c;
	uint64_t m;
	int e;

	if (quantity(value, time_units, &m, &e) < 0)
		return bad(
		    r, r->line, "'%.40s' must be a time with its unit, such as 3.90625ns", value);
	if (ratio(m, e, &c->clock_num, &c->clock_den) < 0)
		return bad(r, r->line,
		    "'%.40s': a tick must be a ratio of two 32-bit numbers of ns", value);
	return 0;
}

static int clock_rate(struct reading *r, const char *value)
{
	struct card *c = r->c;
	uint64_t m;
	int e;

	if (quantity(value, rate_units, &m, &e) < 0)
		return bad(r, r->line, "'%.40s' must be a rate, such as 256 MHz", value);
	if (ratio(m, e - 9, &c->clock_den, &c->clock_num) < 0)
		return bad(r, r->line,
		    "'%.40s': a tick must be a ratio of two 32-bit numbers of ns", value);
	return 0;
}

/* ---- keys ---- */

static const char *const type_names[] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"};
#define TYPES "u8 i8 u16 i16 u32 i32 u64 i64 f32 f64"

static bool is_unsigned(enum card_type t)
{
	return t == CARD_U8 || t == CARD_U16 || t == CARD_U32 || t == CARD_U64;
}

static bool is_real(enum card_type t)
{
	return t == CARD_F32 || t == CARD_F64;
}

/* u16, u16be, u16le */
static int type(struct reading *r, const char *value, enum card_type *t, char *order)
{
	char base[8] = "";
	size_t n = strlen(value);

	*order = 0;
	if (n > 3 && (strcmp(value + n - 2, "be") == 0 || strcmp(value + n - 2, "le") == 0)) {
		*order = value[n - 2];
		n -= 2;
	}
	if (n < sizeof base)
		memcpy(base, value, n);
	for (int k = CARD_U8; k <= CARD_F64; k++)
		if (strcmp(type_names[k], base) == 0) {
			*t = (enum card_type)k;
			return 0;
		}
	return bad(r, r->line,
	    "'%.20s' must be one of: %s, with be or le after it where the order differs", value,
	    TYPES);
}

/* at = OFFSET TYPE [COUNT [STRIDE [FIRST [STEP]]]] */
static int at(struct reading *r, struct card_field *f, struct more *m, const char *value)
{
	char buf[128], *save, *part[7];
	int n = 0;
	struct at *a = &m->at[f->npieces];
	enum card_type t = CARD_U8;

	if (f->npieces == CARD_PIECES)
		return bad(r, r->line, "a field has at most %d at lines", CARD_PIECES);
	if (strlen(value) >= sizeof buf)
		return bad(r, r->line, "the line is too long");
	strcpy(buf, value);
	for (char *s = strtok_r(buf, " \t", &save); s && n < 7; s = strtok_r(NULL, " \t", &save))
		part[n++] = s;
	if (n < 2 || n > 6)
		return bad(r, r->line, "at = OFFSET TYPE [COUNT [STRIDE [FIRST [STEP]]]]");
	*a = (struct at){.line = r->line, .count = 1, .first = -1, .step = 1};
	if (whole(r, part[0], -CARD_RECORD_MAX, CARD_RECORD_MAX, &a->offset) < 0 ||
	    type(r, part[1], &t, &a->order) < 0)
		return -1;
	a->stride = (int64_t)card_size(t);
	if (f->npieces > 0 && t != f->type)
		return bad(r, r->line, "the pieces of a field have one type: %s was said above",
		    type_names[f->type]);
	f->type = t;
	if ((n > 2 && whole(r, part[2], 1, CARD_RECORD_MAX, &a->count) < 0) ||
	    (n > 3 && whole(r, part[3], a->stride, CARD_RECORD_MAX, &a->stride) < 0) ||
	    (n > 4 && whole(r, part[4], 0, CARD_RECORD_MAX, &a->first) < 0) ||
	    (n > 5 && whole(r, part[5], 1, CARD_RECORD_MAX, &a->step) < 0))
		return -1;
	f->npieces++;
	return 0;
}

static int field_key(struct reading *r, int key, const char *value)
{
	struct card_field *f = &r->c->field[r->nfields - 1];
	struct more *m = &r->more[r->nfields - 1];

	switch (key) {
	case FIELD_AT:
		return at(r, f, m, value);
	case FIELD_COUNT:
		return whole(r, value, 1, CARD_RECORD_MAX, &m->count);
	case FIELD_XOR:
		return bits64(value, &f->xor) < 0
		    ? bad(r, r->line, "'%.40s' must be a number, such as 0x8000", value)
		    : 0;
	case FIELD_SHIFT:
		return whole32(r, value, 0, 63, &f->shift);
	case FIELD_BITS:
		return whole(r, value, 1, 64, &m->bits);
	case FIELD_SCALE:
		f->scaled = true;
		if (real(r, value, &f->scale) < 0)
			return -1;
		return f->scale == 0
		    ? bad(r, r->line, "'%.40s' must be a number other than 0", value)
		    : 0;
	case FIELD_OFFSET:
		f->scaled = true;
		return real(r, value, &f->offset);
	case FIELD_UNIT:
		return text(r, value, f->unit, sizeof f->unit);
	case FIELD_FILL:
		return text(r, value, m->fill, sizeof m->fill);
	case FIELD_NAME:
		return word(r, value, f->variable);
	case FIELD_LONG:
		return text(r, value, f->long_name, sizeof f->long_name);
	case FIELD_STANDARD:
		return word(r, value, f->standard_name);
	default:
		return word(r, value, f->axis);
	}
}

static int source_by(struct reading *r, const char *value)
{
	struct card *c = r->c;

	if (strcmp(value, "address") == 0)
		c->by = CARD_BY_ADDRESS;
	else if (strcmp(value, "port") == 0)
		c->by = CARD_BY_PORT;
	else if (strncmp(value, "field ", 6) == 0) {
		c->by = CARD_BY_FIELD;
		return word(r, value + 6 + strspn(value + 6, " \t"), r->byfield);
	} else
		return bad(r, r->line, "'%.40s' must be one of: address, port, field NAME", value);
	return 0;
}

static int plain_key(struct reading *r, int key, const char *value)
{
	struct card *c = r->c;
	uint32_t u;
	int k;

	switch (key) {
	case CARD_NAME:
		return word(r, value, c->name);
	case CARD_TITLE:
		return text(r, value, c->title, sizeof c->title);
	case CARD_ORDER:
		k = choice(r, value, "big little");
		c->big = k == 0;
		return k < 0 ? -1 : 0;
	case CARD_DATAGRAM:
		c->whole = true;
		/* fall through */
	case CARD_RECORD:
		return whole32(r, value, 1, CARD_RECORD_MAX, &c->record);
	case CARD_WINDOW:
		return duration(r, value, &c->window);
	case CARD_HOLD:
		return duration(r, value, &c->hold);
	case CARD_PORT:
		if (whole32(r, value, 1, 65535, &u) < 0)
			return -1;
		c->port = (uint16_t)u;
		return 0;
	case CARD_RATE:
		if (real(r, value, &c->rate) < 0)
			return -1;
		return c->rate > 0
		    ? 0
		    : bad(r, r->line, "'%.40s' must be records per second and source, more than 0",
			  value);
	case SOURCE_BY:
		return source_by(r, value);
	case SOURCE_BYTE:
		return strcmp(value, "last") == 0 ? 0 : whole32(r, value, 0, 15, &c->address_byte);
	case SOURCE_MODULO:
		return whole32(r, value, 1, INT_MAX32, &c->modulo);
	case SOURCE_FIRST:
		return whole32(r, value, 0, INT_MAX32, &c->first);
	case SOURCE_COUNT:
		return whole32(r, value, 1, CARD_SOURCES, &c->nsrc);
	case CLOCK_FIELD:
		return word(r, value, r->clock);
	case CLOCK_UNIT:
		return clock_unit(r, value);
	case CLOCK_RATE:
		return clock_rate(r, value);
	case CLOCK_WIDTH:
		return whole32(r, value, 1, 64, &c->clock_width);
	case CLOCK_SECONDS:
		return word(r, value, r->seconds);
	case CLOCK_TIE:
		k = choice(r, value, "arrival utc tai none");
		c->tie = (enum card_tie)k;
		return k < 0 ? -1 : 0;
	case SEQ_FIELD:
		return word(r, value, r->seq);
	default:
		return whole32(r, value, 1, 64, &c->seq_width);
	}
}

static const struct {
	const char *section, *key;
} keys[KEYS] = {
    [CARD_NAME] = {"card", "name"},
    [CARD_TITLE] = {"card", "title"},
    [CARD_ORDER] = {"card", "byteorder"},
    [CARD_RECORD] = {"card", "record"},
    [CARD_DATAGRAM] = {"card", "datagram"},
    [CARD_WINDOW] = {"card", "window"},
    [CARD_HOLD] = {"card", "hold"},
    [CARD_PORT] = {"card", "port"},
    [CARD_RATE] = {"card", "rate"},
    [SOURCE_BY] = {"source", "by"},
    [SOURCE_BYTE] = {"source", "byte"},
    [SOURCE_MODULO] = {"source", "modulo"},
    [SOURCE_FIRST] = {"source", "first"},
    [SOURCE_COUNT] = {"source", "count"},
    [CLOCK_FIELD] = {"clock", "field"},
    [CLOCK_UNIT] = {"clock", "unit"},
    [CLOCK_RATE] = {"clock", "rate"},
    [CLOCK_WIDTH] = {"clock", "width"},
    [CLOCK_SECONDS] = {"clock", "seconds"},
    [CLOCK_TIE] = {"clock", "tie"},
    [SEQ_FIELD] = {"sequence", "field"},
    [SEQ_WIDTH] = {"sequence", "width"},
    [FIELD_AT] = {"field", "at"},
    [FIELD_COUNT] = {"field", "count"},
    [FIELD_XOR] = {"field", "xor"},
    [FIELD_SHIFT] = {"field", "shift"},
    [FIELD_BITS] = {"field", "bits"},
    [FIELD_SCALE] = {"field", "scale"},
    [FIELD_OFFSET] = {"field", "offset"},
    [FIELD_UNIT] = {"field", "unit"},
    [FIELD_FILL] = {"field", "fill"},
    [FIELD_NAME] = {"field", "name"},
    [FIELD_LONG] = {"field", "long_name"},
    [FIELD_STANDARD] = {"field", "standard_name"},
    [FIELD_AXIS] = {"field", "axis"},
};

static int find_field(const struct reading *r, const char *name)
{
	for (int i = 0; i < r->nfields; i++)
		if (strcmp(r->c->field[i].name, name) == 0)
			return i;
	return -1;
}

/* A key of [field NAME]: the section begins with its first key. */
static int begin_field(struct reading *r, const char *name)
{
	int i;

	name += strspn(name, " \t");
	if (!is_word(name))
		return bad(r, r->line, "[field NAME]: '%.50s' is no name", name);
	i = find_field(r, name);
	if (i >= 0 && i == r->nfields - 1 && r->in_field)
		return 0;
	if (i >= 0)
		return bad(r, r->line, "[field %s] stands here for a second time", name);
	if (r->nfields == CARD_FIELDS)
		return bad(r, r->line, "a card has at most %d fields", CARD_FIELDS);
	r->in_field = true;
	struct card_field *f = &r->c->field[r->nfields];
	strcpy(f->name, name);
	strcpy(f->variable, name);
	f->scale = 1;
	r->more[r->nfields++].first_line = r->line;
	return 0;
}

/* "at count xor ..." of a section, for a message. */
static const char *allowed(const char *section, char *buf, size_t size)
{
	size_t n = 0;
	for (int k = 0; k < KEYS && n < size; k++)
		if (strcmp(keys[k].section, section) == 0)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? " " : "", keys[k].key);
	return buf;
}

static int key(
    void *ctx, const char *section, const char *name, const char *value, int line, char *why)
{
	struct reading *r = ctx;
	bool in_field = strncmp(section, "field ", 6) == 0;
	const char *kind = in_field ? "field" : strcmp(section, "field") == 0 ? "" : section;
	bool known = false;
	char buf[128];

	r->line = line;
	r->why = why;
	if (in_field && begin_field(r, section + 6) < 0)
		return -1;
	r->in_field = in_field;
	for (int k = 0; k < KEYS; k++) {
		if (strcmp(keys[k].section, kind) != 0)
			continue;
		known = true;
		if (strcmp(keys[k].key, name) != 0)
			continue;
		int *lines = in_field ? r->more[r->nfields - 1].lines : r->lines;
		if (lines[k] && k != FIELD_AT)
			return bad(r, line, "%s stands here for a second time, after line %d", name,
			    lines[k]);
		lines[k] = line;
		if (!*value)
			return bad(r, line, "%s has no value", name);
		return in_field ? field_key(r, k, value) : plain_key(r, k, value);
	}
	if (!known)
		return bad(r, line,
		    "unknown section [%.40s]; there are card, source, clock, sequence, field NAME",
		    section);
	return bad(
	    r, line, "unknown key %.30s; [%s] has %s", name, kind, allowed(kind, buf, sizeof buf));
}

/* ---- putting it together ---- */

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
		return bad(r, a->line,
		    "%s: bytes %" PRId64 " to %" PRId64 " are outside of the record (0 to %u)",
		    f->name, offset, end - 1, c->record - 1);
	if (last >= CARD_RECORD_MAX)
		return bad(r, a->line, "%s: element %" PRId64 ": a field has at most %d", f->name,
		    last, CARD_RECORD_MAX);
	if (size > 1 && !a->order && !r->lines[CARD_ORDER])
		return bad(r, a->line, "%s: say %sbe or %sle, or byteorder in [card]", f->name,
		    type_names[f->type], type_names[f->type]);
	for (int64_t k = first; k <= last; k += a->step) {
		if (seen[k / 8] >> (k % 8) & 1)
			return bad(r, a->line,
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
	if (!is_real(f->type)) {
		f->fill = usual[f->type];
		if (r->line && f->type == CARD_U64) {
			if (bits64(m->fill, (uint64_t *)&f->fill) < 0)
				return bad(
				    r, r->line, "'%s' must be a whole number of 64 bits", m->fill);
		} else if (r->line && whole(r, m->fill, lo[f->type], hi[f->type], &f->fill) < 0)
			return -1;
		f->fill_bits = (uint64_t)f->fill;
		return 0;
	}
	if (r->line && strcasecmp(m->fill, "nan") != 0 && real(r, m->fill, &v) < 0)
		return -1;
	if (f->type == CARD_F32) {
		uint32_t b;
		if (fabs(v) > 3.4e38)
			return bad(r, r->line, "'%s' is too large for f32", m->fill);
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
		return bad(r, m->first_line, "[field %s] needs at = OFFSET TYPE", f->name);
	for (int i = 0; i < f->npieces; i++)
		if (place(r, f, i, &m->at[i], seen) < 0)
			return -1;
	if (m->count && m->count < f->count)
		return bad(r, m->lines[FIELD_COUNT],
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

	if (f->xor != 0 && is_real(f->type))
		return bad(r, m->lines[FIELD_XOR], "%s: xor is for whole numbers", f->name);
	if (size < 64 && f->xor >> size)
		return bad(r, m->lines[FIELD_XOR], "%s: xor has more than the %u bits of %s",
		    f->name, size, type_names[f->type]);
	if (line && !is_unsigned(f->type))
		return bad(r, line, "%s: shift and bits are for u8, u16, u32 and u64", f->name);
	if (f->shift >= size || m->bits > size - f->shift)
		return bad(r, line, "%s: shift + bits is more than the %u bits of %s", f->name,
		    size, type_names[f->type]);
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
		return bad(r, m->lines[FIELD_AXIS], "%s: one value has no axis", f->name);
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
			return bad(r, m->lines[FIELD_NAME] ? m->lines[FIELD_NAME] : m->first_line,
			    "%s: the name %s belongs to [field %s]", f->name, f->variable, g->name);
		if (strcmp(f->axis, g->variable) == 0)
			return bad(r, m->lines[FIELD_AXIS],
			    "%s: the axis %s has the name of [field %s]", f->name, f->axis,
			    g->name);
		if (k < i && f->axis[0] && strcmp(f->axis, g->axis) == 0 && f->count != g->count)
			return bad(r, m->first_line,
			    "%s: axis %s has %u elements here and %u in [field %s]", f->name,
			    f->axis, f->count, g->count, g->name);
	}
	return 0;
}

/* The number of a one-valued integer field that `what` names. */
static int reference(struct reading *r, const char *name, int line, const char *what, int *index)
{
	int i = find_field(r, name);

	if (i < 0)
		return bad(r, line, "%s: there is no [field %s]", what, name);
	if (r->c->field[i].count != 1 || is_real(r->c->field[i].type))
		return bad(r, line, "%s: %s must be one whole number", what, name);
	*index = i;
	return 0;
}

static int source(struct reading *r)
{
	struct card *c = r->c;
	const int *l = r->lines;

	if (!l[SOURCE_BY])
		return bad(r, 0, "[source] needs by = address, port or field NAME");
	if (!l[SOURCE_COUNT])
		return bad(r, l[SOURCE_BY], "[source] needs count = how many sources there are");
	if (l[SOURCE_BYTE] && c->by != CARD_BY_ADDRESS)
		return bad(r, l[SOURCE_BYTE], "byte is for by = address");
	if (c->by == CARD_BY_FIELD &&
	    reference(r, r->byfield, l[SOURCE_BY], "source", &c->source_field) < 0)
		return -1;

	int64_t room = c->by == CARD_BY_ADDRESS ? 256 : c->by == CARD_BY_PORT ? 65536 : INT_MAX32;
	if (c->modulo && c->modulo < room)
		room = c->modulo;
	if ((int64_t)c->first + c->nsrc > room)
		return bad(r, l[SOURCE_COUNT],
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
		return bad(r, line, "width is %u, but %s has %u bits", *w,
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
			return bad(r, any ? any : l[CLOCK_TIE],
			    "[clock] needs field = NAME, or no other key");
		return 0;
	}
	if (!l[CLOCK_UNIT] == !l[CLOCK_RATE])
		return bad(r, l[CLOCK_FIELD],
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
		return bad(r, l[CLOCK_FIELD],
		    "the clock wraps after %s: window and hold must be less than half of it",
		    tim_span((int64_t)c->clock_wrap, span));
	if ((c->tie == CARD_TIE_UTC || c->tie == CARD_TIE_TAI) &&
	    c->clock_wrap < (uint64_t)(100 * 365 * TIM_DAY))
		return bad(r, l[CLOCK_TIE],
		    "a clock that wraps after %s does not count from 1970: tie = arrival or none",
		    tim_span((int64_t)c->clock_wrap, span));
	return 0;
}

static int sequence(struct reading *r)
{
	struct card *c = r->c;

	if (!r->lines[SEQ_FIELD])
		return r->lines[SEQ_WIDTH]
		    ? bad(r, r->lines[SEQ_WIDTH], "[sequence] needs field = NAME")
		    : 0;
	if (reference(r, r->seq, r->lines[SEQ_FIELD], "sequence", &c->seq_field) < 0)
		return -1;
	return width(r, c->seq_field, r->lines[SEQ_WIDTH], &c->seq_width);
}

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
		return bad(r, r->lines[SOURCE_COUNT],
		    "an event of %u sources with %u bytes each has %zu bytes: at most %d, which is "
		    "%u sources",
		    c->nsrc, c->record, event, CAP_DATA_MAX, fit);
	}
	for (int i = 0; i < c->nfields; i++)
		decoded += (uint64_t)c->field[i].count * card_size(c->field[i].type);
	if (decoded * c->nsrc > CARD_DECODED_MAX)
		return bad(r, r->lines[SOURCE_COUNT],
		    "the fields of an event come to %" PRIu64 " bytes: at most %d",
		    decoded * c->nsrc, CARD_DECODED_MAX);
	return 0;
}

static int assemble(struct reading *r)
{
	struct card *c = r->c;
	const int *l = r->lines;

	c->nfields = r->nfields;
	if (!l[CARD_NAME])
		return bad(r, 0, "[card] needs name = NAME");
	if (!c->title[0])
		snprintf(c->title, sizeof c->title, "%s", c->name);
	if (!l[CARD_RECORD] == !l[CARD_DATAGRAM])
		return bad(r, l[CARD_DATAGRAM] ? l[CARD_DATAGRAM] : l[CARD_NAME],
		    "[card] needs record = BYTES or datagram = BYTES, one of them");
	if (!l[CARD_WINDOW] || !l[CARD_HOLD])
		return bad(r, l[CARD_NAME], "[card] needs window = and hold =, two durations");
	if (c->nfields == 0)
		return bad(r, l[CARD_NAME], "a card needs a [field NAME]");
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

/* Plain UTF-8 without control characters: the text goes into headers of streams and files. */
static int printable(struct reading *r, const char *s, size_t n)
{
	int line = 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)s[i];
		int more = b < 0x80         ? 0
		    : b >= 0xc2 && b < 0xe0 ? 1
		    : (b & 0xf0) == 0xe0    ? 2
		    : b >= 0xf0 && b < 0xf5 ? 3
					    : -1;
		line += b == '\n';
		if ((b < 0x20 && !strchr("\t\r\n", b)) || b == 0 || b == 0x7f || more < 0 ||
		    n - i <= (size_t)more)
			return bad(r, line, "byte 0x%02x: a card is plain text in UTF-8", b);
		for (; more > 0; more--)
			if (((unsigned char)s[++i] & 0xc0) != 0x80)
				return bad(
				    r, line, "byte 0x%02x: a card is plain text in UTF-8", b);
	}
	return 0;
}

struct card *card_parse(const char *name, const char *s, size_t n, char why[CARD_WHY])
{
	struct card *c = calloc(1, sizeof *c);
	struct reading *r = calloc(1, sizeof *r);

	why[0] = '\0';
	if (!c || !r || !(c->text = malloc(n + 1))) {
		snprintf(why, CARD_WHY, "%.100s: no memory", name);
		goto failed;
	}
	memcpy(c->text, s, n);
	c->text[n] = '\0';
	c->textlen = n;
	c->address_byte = CARD_BYTE_LAST;
	c->source_field = c->clock_field = c->clock_seconds = c->seq_field = -1;
	*r = (struct reading){.c = c, .name = name, .why = why};
	if (n > CARD_TEXT_MAX) {
		bad(r, 0, "a card has at most %d bytes", CARD_TEXT_MAX);
		goto failed;
	}
	if (printable(r, s, n) < 0)
		goto failed;
	r->inside = true;
	if (conf_read(name, s, n, key, r, why) < 0)
		goto failed;
	r->inside = false;
	r->why = why;
	if (assemble(r) < 0)
		goto failed;
	free(r);
	return c;
failed:
	free(r);
	card_free(c);
	return NULL;
}
