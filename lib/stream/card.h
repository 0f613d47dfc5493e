/*
 * card.h - cards: a detector's datagram described in a text file (man5/fyke-card.5)
 *
 * A card says how long a record is, who sent it (source number), when (device clock), which one
 * in a row (sequence), and which values it holds. Nothing else in fyke knows an instrument.
 *
 * cardtext.c, cardvalue.c and cardcheck.c read and check the text: whatever a struct card says
 * about offsets, counts and strides stays inside the record. card.c finds cards and takes records
 * apart.
 */
#ifndef FYKE_CARD_H
#define FYKE_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkt.h"

#define CARD_WHY         256
#define CARD_FIELDS      32
#define CARD_PIECES      16 /* at= lines of one field */
#define CARD_SOURCES     1024
#define CARD_RECORD_MAX  65507     /* a UDP payload */
#define CARD_TEXT_MAX    65535     /* the file: it must fit an if_description */
#define CARD_DECODED_MAX (4 << 20) /* all elements of all fields of all sources of an event */
#define CARD_BYTE_LAST   255       /* address_byte: the last one, of IPv4 and of IPv6 */

enum card_type {
	CARD_U8,
	CARD_I8,
	CARD_U16,
	CARD_I16,
	CARD_U32,
	CARD_I32,
	CARD_U64,
	CARD_I64,
	CARD_F32,
	CARD_F64
};

/* How card_extract() moves the values of a piece. */
enum card_move {
	CARD_EACH, /* one by one */
	CARD_COPY, /* a contiguous run to a contiguous run */
	CARD_PICK, /* every second value of a contiguous run (I of I, Q, I, Q ...) */
	CARD_ZIP,  /* this piece and the next: even and odd elements of one run */
	CARD_DONE  /* the second piece of a zip */
};

/* at = OFFSET TYPE [COUNT [STRIDE [FIRST [STEP]]]]: value k stands stride*k bytes after offset in
 * the record and is element first + step*k of the field. */
struct card_piece {
	uint32_t offset; /* bytes from the record's start (negative ones already resolved) */
	uint32_t count;
	uint32_t stride; /* bytes */
	uint32_t first, step;
	bool big;  /* byte order of this piece */
	bool swap; /* that is not the host's */
	enum card_move move;
};

struct card_field {
	char name[64];     /* section name */
	char variable[64]; /* netCDF name */
	char long_name[128], unit[32], standard_name[64];
	char axis[64]; /* name of the netCDF dimension of its elements, "" when count is 1 */
	enum card_type type;
	uint32_t count;   /* elements; those that no piece covers are fill */
	uint32_t covered; /* elements that some piece covers */
	int npieces;
	struct card_piece piece[CARD_PIECES];
	uint64_t xor, mask;   /* raw bits ^ xor, then (raw >> shift) & mask: bits `shift` to */
	unsigned shift, bits; /* `shift + bits - 1`; unsigned types only, for others all bits */
	double scale, offset; /* value = raw * scale + offset */
	bool scaled;          /* scale or offset was given */
	bool has_fill;        /* given, or chosen because covered < count */
	int64_t fill;         /* integer types: its value (u64: its bits) */
	uint64_t fill_bits;   /* the element itself, any type, in the low card_size(type) bytes */
	uint32_t gap_first, gap_count; /* the range that holds every uncovered element */
};

enum card_by { CARD_BY_ADDRESS, CARD_BY_PORT, CARD_BY_FIELD };
enum card_tie { CARD_TIE_ARRIVAL, CARD_TIE_UTC, CARD_TIE_TAI, CARD_TIE_NONE };

struct card {
	char name[64], title[128];
	char *text; /* the file as it was read, textlen bytes and a NUL */
	size_t textlen;
	bool big;             /* default byte order */
	uint32_t record;      /* bytes of a record */
	bool whole;           /* a datagram is exactly one record (else one or more) */
	int64_t window, hold; /* ns: how far apart records of one event may be, how long to wait */
	uint16_t port;        /* where it usually arrives; 0: not said */
	double rate;          /* records per second and source, nominal; 0: not said */

	enum card_by
	    by; /* source number = (address byte | destination port | field) [mod modulo] - first */
	uint32_t modulo;       /* 0: none */
	uint32_t address_byte; /* which byte of the address, from 0, or CARD_BYTE_LAST */
	uint32_t first, nsrc;
	char source_name
	    [64];         /* what a source is called: the netCDF dimension, "source" if not said */
	int source_field; /* index, for CARD_BY_FIELD, else -1 */

	int clock_field;               /* -1: none, the arrival time is the clock */
	int clock_seconds;             /* a field of whole seconds added to it, or -1 */
	double clock_unit;             /* ns a tick */
	uint32_t clock_num, clock_den; /* the same as a ratio: ns = ticks * num / den, exact */
	unsigned clock_width;          /* bits: the counter wraps at 2^width */
	uint64_t clock_wrap;           /* the clock in ns wraps here; 0: never */
	enum card_tie tie;

	int seq_field; /* -1: none */
	unsigned seq_width;

	int nfields;
	struct card_field field[CARD_FIELDS];
};

/* Reads a card: name is "chec" (searched in $FYKE_CARDS, then ~/.config/fyke/cards, then the
 * installed cards), or a path when it holds a '/' or ends in .card. The caller frees. NULL with
 * "chec.card:12: reason" in why. */
struct card *card_load(const char *name, char why[CARD_WHY]);

/* The same from text (an event stream's if_description). */
struct card *card_parse(const char *name, const char *text, size_t n, char why[CARD_WHY]);
void card_free(struct card *c);

/* Calls each(ctx, name, title, path) for every card in the path, sorted, first one of a name
 * wins; title is the reason where a card is refused. Returns how many. */
typedef void card_each(void *ctx, const char *name, const char *title, const char *path);
int card_list(card_each *each, void *ctx);

/* The source number of a datagram (of its record at rec, for CARD_BY_FIELD), or -1: unknown. */
int card_source(const struct card *c, const struct pkt *p, const uint8_t *rec);

/* "sources 0 to 31 (addresses that end in .0 to .31, .100 to .131)". Returns buf. */
char *card_sources(const struct card *c, char buf[CARD_WHY]);

/* Element of a one-element field: raw bits with xor, shift and mask applied, sign-extended for
 * signed types (f32, f64: the bits). */
int64_t card_value(const struct card *c, int field, const uint8_t *rec);

/* The device clock in ns, below card_clock_wrap() (0: it does not wrap); 0 for a card without a
 * clock. Fractions of a ns are cut off after the exact product, so they never add up; where
 * 2^width ticks are no whole number of ns, the wrap is cut to one. */
uint64_t card_clock(const struct card *c, const uint8_t *rec);
uint64_t card_clock_wrap(const struct card *c);

/* Copies a field out of a record, xor, shift and mask applied, elements in their order, uncovered
 * ones set to fill: count elements of card_size(type) bytes at to, in the host's byte order or
 * big-endian. Vectorised. */
void card_extract(const struct card *c, int field, const uint8_t *rec, void *to);
void card_extract_big(const struct card *c, int field, const uint8_t *rec, void *to);
size_t card_size(enum card_type t);

#endif
