/* cardtext.c - the text of a card: sections and keys, read into a struct card */
#include "cardtext.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

/* ---- keys ---- */

#define TYPES "u8 i8 u16 i16 u32 i32 u64 i64 f32 f64"

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
		if (strcmp(ct_type_names[k], base) == 0) {
			*t = (enum card_type)k;
			return 0;
		}
	return ct_bad(r, r->line,
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
		return ct_bad(r, r->line, "a field has at most %d at lines", CARD_PIECES);
	if (strlen(value) >= sizeof buf)
		return ct_bad(r, r->line, "the line is too long");
	strcpy(buf, value);
	for (char *s = strtok_r(buf, " \t", &save); s && n < 7; s = strtok_r(NULL, " \t", &save))
		part[n++] = s;
	if (n < 2 || n > 6)
		return ct_bad(r, r->line, "at = OFFSET TYPE [COUNT [STRIDE [FIRST [STEP]]]]");
	*a = (struct at){.line = r->line, .count = 1, .first = -1, .step = 1};
	if (ct_whole(r, part[0], -CARD_RECORD_MAX, CARD_RECORD_MAX, &a->offset) < 0 ||
	    type(r, part[1], &t, &a->order) < 0)
		return -1;
	a->stride = (int64_t)card_size(t);
	if (f->npieces > 0 && t != f->type)
		return ct_bad(r, r->line, "the pieces of a field have one type: %s was said above",
		    ct_type_names[f->type]);
	f->type = t;
	if ((n > 2 && ct_whole(r, part[2], 1, CARD_RECORD_MAX, &a->count) < 0) ||
	    (n > 3 && ct_whole(r, part[3], a->stride, CARD_RECORD_MAX, &a->stride) < 0) ||
	    (n > 4 && ct_whole(r, part[4], 0, CARD_RECORD_MAX, &a->first) < 0) ||
	    (n > 5 && ct_whole(r, part[5], 1, CARD_RECORD_MAX, &a->step) < 0))
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
		return ct_whole(r, value, 1, CARD_RECORD_MAX, &m->count);
	case FIELD_XOR:
		return ct_bits64(value, &f->xor) < 0
		    ? ct_bad(r, r->line, "'%.40s' must be a number, such as 0x8000", value)
		    : 0;
	case FIELD_SHIFT:
		return ct_whole32(r, value, 0, 63, &f->shift);
	case FIELD_BITS:
		return ct_whole(r, value, 1, 64, &m->bits);
	case FIELD_SCALE:
		f->scaled = true;
		if (ct_real(r, value, &f->scale) < 0)
			return -1;
		return f->scale == 0
		    ? ct_bad(r, r->line, "'%.40s' must be a number other than 0", value)
		    : 0;
	case FIELD_OFFSET:
		f->scaled = true;
		return ct_real(r, value, &f->offset);
	case FIELD_UNIT:
		return ct_text(r, value, f->unit, sizeof f->unit);
	case FIELD_FILL:
		return ct_text(r, value, m->fill, sizeof m->fill);
	case FIELD_NAME:
		return ct_word(r, value, f->variable);
	case FIELD_LONG:
		return ct_text(r, value, f->long_name, sizeof f->long_name);
	case FIELD_STANDARD:
		return ct_word(r, value, f->standard_name);
	default:
		return ct_word(r, value, f->axis);
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
		return ct_word(r, value + 6 + strspn(value + 6, " \t"), r->byfield);
	} else
		return ct_bad(
		    r, r->line, "'%.40s' must be one of: address, port, field NAME", value);
	return 0;
}

static int plain_key(struct reading *r, int key, const char *value)
{
	struct card *c = r->c;
	uint32_t u;
	int k;

	switch (key) {
	case CARD_NAME:
		return ct_word(r, value, c->name);
	case CARD_TITLE:
		return ct_text(r, value, c->title, sizeof c->title);
	case CARD_ORDER:
		k = ct_choice(r, value, "big little");
		c->big = k == 0;
		return k < 0 ? -1 : 0;
	case CARD_DATAGRAM:
		c->whole = true;
		/* fall through */
	case CARD_RECORD:
		return ct_whole32(r, value, 1, CARD_RECORD_MAX, &c->record);
	case CARD_WINDOW:
		return ct_duration(r, value, &c->window);
	case CARD_HOLD:
		return ct_duration(r, value, &c->hold);
	case CARD_PORT:
		if (ct_whole32(r, value, 1, 65535, &u) < 0)
			return -1;
		c->port = (uint16_t)u;
		return 0;
	case CARD_RATE:
		if (ct_real(r, value, &c->rate) < 0)
			return -1;
		return c->rate > 0
		    ? 0
		    : ct_bad(r, r->line,
			  "'%.40s' must be records per second and source, more than 0", value);
	case SOURCE_NAME:
		return ct_word(r, value, c->source_name);
	case SOURCE_BY:
		return source_by(r, value);
	case SOURCE_BYTE:
		return strcmp(value, "last") == 0 ? 0
						  : ct_whole32(r, value, 0, 15, &c->address_byte);
	case SOURCE_MODULO:
		return ct_whole32(r, value, 1, INT_MAX32, &c->modulo);
	case SOURCE_FIRST:
		return ct_whole32(r, value, 0, INT_MAX32, &c->first);
	case SOURCE_COUNT:
		return ct_whole32(r, value, 1, CARD_SOURCES, &c->nsrc);
	case CLOCK_FIELD:
		return ct_word(r, value, r->clock);
	case CLOCK_UNIT:
		return ct_tick(r, value);
	case CLOCK_RATE:
		return ct_tick_rate(r, value);
	case CLOCK_WIDTH:
		return ct_whole32(r, value, 1, 64, &c->clock_width);
	case CLOCK_SECONDS:
		return ct_word(r, value, r->seconds);
	case CLOCK_TIE:
		k = ct_choice(r, value, "arrival utc tai none");
		c->tie = (enum card_tie)k;
		return k < 0 ? -1 : 0;
	case SEQ_FIELD:
		return ct_word(r, value, r->seq);
	default:
		return ct_whole32(r, value, 1, 64, &c->seq_width);
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
    [SOURCE_NAME] = {"source", "name"},
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

/* A key of [field NAME]: the section begins with its first key. */
static int begin_field(struct reading *r, const char *name)
{
	int i;

	name += strspn(name, " \t");
	if (!ct_is_word(name))
		return ct_bad(r, r->line, "[field NAME]: '%.50s' is no name", name);
	i = ct_find_field(r, name);
	if (i >= 0 && i == r->nfields - 1 && r->in_field)
		return 0;
	if (i >= 0)
		return ct_bad(r, r->line, "[field %s] stands here for a second time", name);
	if (r->nfields == CARD_FIELDS)
		return ct_bad(r, r->line, "a card has at most %d fields", CARD_FIELDS);
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
			return ct_bad(r, line, "%s stands here for a second time, after line %d",
			    name, lines[k]);
		lines[k] = line;
		if (!*value)
			return ct_bad(r, line, "%s has no value", name);
		return in_field ? field_key(r, k, value) : plain_key(r, k, value);
	}
	if (!known)
		return ct_bad(r, line,
		    "unknown section [%.40s]; there are card, source, clock, sequence, field NAME",
		    section);
	return ct_bad(
	    r, line, "unknown key %.30s; [%s] has %s", name, kind, allowed(kind, buf, sizeof buf));
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
			return ct_bad(r, line, "byte 0x%02x: a card is plain text in UTF-8", b);
		for (; more > 0; more--)
			if (((unsigned char)s[++i] & 0xc0) != 0x80)
				return ct_bad(
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
		ct_bad(r, 0, "a card has at most %d bytes", CARD_TEXT_MAX);
		goto failed;
	}
	if (printable(r, s, n) < 0)
		goto failed;
	r->inside = true;
	if (conf_read(name, s, n, key, r, why) < 0)
		goto failed;
	r->inside = false;
	r->why = why;
	if (ct_check(r) < 0)
		goto failed;
	free(r);
	return c;
failed:
	free(r);
	card_free(c);
	return NULL;
}
