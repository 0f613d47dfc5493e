/* cardvalue.c - what may stand behind a card's key: names, numbers, durations, exact ratios */
#include "cardtext.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/tim.h"

int ct_bad(struct reading *r, int line, const char *format, ...)
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

/* ---- words and numbers ---- */

bool ct_is_word(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-");
	return n > 0 && n <= WORD_MAX && s[n] == '\0' && (isalpha((unsigned char)*s) || *s == '_');
}

int ct_word(struct reading *r, const char *value, char *to)
{
	if (!ct_is_word(value))
		return ct_bad(r, r->line,
		    "'%.50s' is no name: a letter or _, then letters, digits and _ . + -, "
		    "at most %d",
		    value, WORD_MAX);
	strcpy(to, value);
	return 0;
}

int ct_text(struct reading *r, const char *value, char *to, size_t size)
{
	if (strlen(value) >= size)
		return ct_bad(r, r->line, "the text is too long: at most %zu bytes", size - 1);
	strcpy(to, value);
	return 0;
}

int ct_whole(struct reading *r, const char *value, int64_t lo, int64_t hi, int64_t *to)
{
	long long v;
	if (conf_int(value, lo, hi, &v) < 0)
		return ct_bad(r, r->line,
		    "'%.40s' must be a whole number from %" PRId64 " to %" PRId64, value, lo, hi);
	*to = v;
	return 0;
}

int ct_whole32(struct reading *r, const char *value, int64_t lo, int64_t hi, uint32_t *to)
{
	int64_t v = 0;
	if (ct_whole(r, value, lo, hi, &v) < 0)
		return -1;
	*to = (uint32_t)v;
	return 0;
}

int ct_real(struct reading *r, const char *value, double *to)
{
	if (conf_real(value, to) < 0)
		return ct_bad(r, r->line, "'%.40s' must be a number, such as 0.0763", value);
	return 0;
}

int ct_duration(struct reading *r, const char *value, int64_t *to)
{
	if (tim_duration(value, to) < 0 || *to <= 0)
		return ct_bad(
		    r, r->line, "'%.40s' must be a duration, such as 51ms or 1.5s", value);
	return 0;
}

/* All 64 bits, in decimal or 0x. */
int ct_bits64(const char *value, uint64_t *to)
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

int ct_choice(struct reading *r, const char *value, const char *list)
{
	size_t n = strlen(value);
	int k = 0;

	for (const char *s = list; *s; k++) {
		size_t m = strcspn(s, " ");
		if (m == n && memcmp(s, value, n) == 0)
			return k;
		s += m + (s[m] == ' ');
	}
	return ct_bad(r, r->line, "'%.40s' must be one of: %s", value, list);
}

const char *const ct_type_names[] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"};

bool ct_is_unsigned(enum card_type t)
{
	return t == CARD_U8 || t == CARD_U16 || t == CARD_U32 || t == CARD_U64;
}

bool ct_is_real(enum card_type t)
{
	return t == CARD_F32 || t == CARD_F64;
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

int ct_tick(struct reading *r, const char *value)
{
	struct card *c = r->c;
	uint64_t m;
	int e;

	if (quantity(value, time_units, &m, &e) < 0)
		return ct_bad(
		    r, r->line, "'%.40s' must be a time with its unit, such as 3.90625ns", value);
	if (ratio(m, e, &c->clock_num, &c->clock_den) < 0)
		return ct_bad(r, r->line,
		    "'%.40s': a tick must be a ratio of two 32-bit numbers of ns", value);
	return 0;
}

int ct_tick_rate(struct reading *r, const char *value)
{
	struct card *c = r->c;
	uint64_t m;
	int e;

	if (quantity(value, rate_units, &m, &e) < 0)
		return ct_bad(r, r->line, "'%.40s' must be a rate, such as 256 MHz", value);
	if (ratio(m, e - 9, &c->clock_den, &c->clock_num) < 0)
		return ct_bad(r, r->line,
		    "'%.40s': a tick must be a ratio of two 32-bit numbers of ns", value);
	return 0;
}
