/*
 * cardtext.h - the inside of the reader of cards, shared by its three files
 *
 * cardtext.c   sections and keys: each goes into the struct card, or is kept beside it where it
 *              needs others (a field named before it is described, an offset before the record's
 *              length is known)
 * cardvalue.c  what may stand behind a key: names, numbers, durations, exact ratios
 * cardcheck.c  the parts put together and checked
 *
 * A new key is a line in the enum here and in keys[] of cardtext.c, a case in plain_key() or
 * field_key() there, and its check in cardcheck.c.
 */
#ifndef FYKE_CARDTEXT_H
#define FYKE_CARDTEXT_H

#include "card.h"

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
	SOURCE_NAME,
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

/* ---- cardvalue.c ---- */

/* Says what is wrong in `line` (0: nowhere in particular). Returns -1, as all below do when a value
 * is not what it must be. */
int ct_bad(struct reading *r, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Letters, digits and _ . + -, the first a letter or _: what a netCDF name may be made of. */
bool ct_is_word(const char *s);
int ct_word(struct reading *r, const char *value, char *to); /* WORD_MAX + 1 bytes */
int ct_text(struct reading *r, const char *value, char *to, size_t size);
int ct_whole(struct reading *r, const char *value, int64_t lo, int64_t hi, int64_t *to);
int ct_whole32(struct reading *r, const char *value, int64_t lo, int64_t hi, uint32_t *to);
int ct_real(struct reading *r, const char *value, double *to);
int ct_duration(struct reading *r, const char *value, int64_t *to);
int ct_bits64(const char *value, uint64_t *to); /* says nothing itself */

/* One of the words in a list "big little", by number from 0. */
int ct_choice(struct reading *r, const char *value, const char *list);

/* The length of a clock's tick, from "3.90625ns" or from "256 MHz". */
int ct_tick(struct reading *r, const char *value);
int ct_tick_rate(struct reading *r, const char *value);

/* The names of enum card_type, and two of its kinds. */
extern const char *const ct_type_names[];
bool ct_is_unsigned(enum card_type t);
bool ct_is_real(enum card_type t);

/* ---- cardcheck.c ---- */

int ct_find_field(const struct reading *r, const char *name); /* or -1 */

/* All keys have been read: whether they make a card. */
int ct_check(struct reading *r);

#endif
