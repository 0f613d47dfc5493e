/* show.c - packets and events as text: for people, as JSON, or as tab-separated columns */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/tally.h"
#include "base/tim.h"

#define BUFFER (64 << 10)
#define ROOM   8192 /* the longest single piece of text */

struct show {
	int fd, error;
	enum show_form form;
	const char *names; /* of the fields whose values are shown, or NULL */
	bool raw, headed;
	const struct card *card;
	int field[CARD_FIELDS], nfields;
	uint8_t *values; /* one field of one record, or of all sources for its statistics */
	char why[256];
	size_t used;
	char buf[BUFFER + ROOM];
};

/* ---- text ---- */

static void flush_full(struct show *s)
{
	if (s->used < BUFFER)
		return;
	if (!s->error && io_writeall(s->fd, s->buf, s->used) < 0)
		s->error = errno;
	s->used = 0;
}

static void __attribute__((format(printf, 2, 3))) put(struct show *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(s->buf + s->used, ROOM, format, ap);
	va_end(ap);
	s->used += n < ROOM ? (size_t)n : ROOM - 1;
	flush_full(s);
}

int show_flush(struct show *s)
{
	if (!s->error && io_writeall(s->fd, s->buf, s->used) < 0)
		s->error = errno;
	s->used = 0;
	errno = s->error;
	return s->error ? -1 : 0;
}

static void put_time(struct show *s, int64_t t)
{
	char text[TIM_TEXT];
	put(s, "%s", tim_text(t, 9, text));
}

/* A device's time in seconds: nanoseconds in front of which nobody wants to count zeros. */
static void put_clock(struct show *s, int64_t ns)
{
	uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	put(s, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", u / TIM_S, u % TIM_S);
}

static void put_quoted(struct show *s, const char *text)
{
	char safe[512];
	tally_escape(safe, sizeof safe, text);
	put(s, "\"%s\"", safe);
}

/* Sources that are (or are not) in an event, as 0-8,10. */
static void put_ranges(struct show *s, const struct evt *e, int present)
{
	const char *comma = "";

	for (unsigned a = 0; a < e->nsrc; a++) {
		if (evt_present(e, a) != present)
			continue;
		unsigned b = a;
		while (b + 1 < e->nsrc && evt_present(e, b + 1) == present)
			b++;
		put(s, b > a ? "%s%u-%u" : "%s%u", comma, a, b);
		comma = ",";
		a = b;
	}
}

/* ---- values ---- */

static uint64_t bits_at(const struct card_field *f, const uint8_t *values, size_t i)
{
	uint64_t v = 0;
	size_t size = card_size(f->type);

	memcpy((uint8_t *)&v + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof v - size : 0),
	    values + i * size, size);
	return v;
}

static bool is_fill(const struct card_field *f, size_t i, uint64_t bits)
{
	unsigned unused = 64 - 8 * (unsigned)card_size(f->type);

	return f->has_fill && bits == f->fill_bits << unused >> unused && i >= f->gap_first &&
	    i - f->gap_first < f->gap_count;
}

static int64_t sign_extended(const struct card_field *f, uint64_t bits)
{
	switch (f->type) {
	case CARD_I8:
		return (int8_t)bits;
	case CARD_I16:
		return (int16_t)bits;
	case CARD_I32:
		return (int32_t)bits;
	default:
		return (int64_t)bits;
	}
}

static double number(const struct card_field *f, uint64_t bits, bool raw)
{
	double v;

	if (f->type == CARD_F32) {
		float x;
		uint32_t u = (uint32_t)bits;
		memcpy(&x, &u, sizeof x);
		v = (double)x;
	} else if (f->type == CARD_F64) {
		memcpy(&v, &bits, sizeof v);
	} else {
		v = f->type == CARD_U64 ? (double)bits : (double)sign_extended(f, bits);
	}
	return f->scaled && !raw ? v * f->scale + f->offset : v;
}

/* A small integer without the cost of printf: dumps of samples are made of them. */
static void put_int(struct show *s, int64_t v)
{
	char text[24], *p = text + sizeof text;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	size_t n = (size_t)(text + sizeof text - p);
	memcpy(s->buf + s->used, p, n);
	s->used += n;
	flush_full(s);
}

static void put_value(struct show *s, const struct card_field *f, size_t i)
{
	uint64_t bits = bits_at(f, s->values, i);
	bool real = f->type >= CARD_F32 || (f->scaled && !s->raw);

	if (is_fill(f, i, bits)) {
		put(s, s->form == SHOW_JSON ? "null" : "nan");
	} else if (real) {
		double v = number(f, bits, s->raw);
		if (s->form == SHOW_JSON && !isfinite(v))
			put(s, "null");
		else
			put(s, "%.*g", f->type == CARD_F64 ? 17 : 9, v);
	} else if (f->type == CARD_U64) {
		put(s, "%" PRIu64, bits);
	} else {
		put_int(s, sign_extended(f, bits));
	}
}

static void put_values(struct show *s, int field, const uint8_t *rec, const char *between)
{
	const struct card_field *f = &s->card->field[field];

	card_extract(s->card, field, rec, s->values);
	for (size_t i = 0; i < f->count; i++) {
		if (i)
			put(s, "%s", between);
		put_value(s, f, i);
	}
}

static const char *unit(const struct show *s, const struct card_field *f)
{
	bool counts = s->raw && f->scaled;
	return counts || strcmp(f->unit, "1") == 0 ? "" : f->unit;
}

struct range {
	double min, sum, max;
	uint64_t n;
};

static void widen(struct show *s, int field, const uint8_t *rec, struct range *r)
{
	const struct card_field *f = &s->card->field[field];

	card_extract(s->card, field, rec, s->values);
	for (size_t i = 0; i < f->count; i++) {
		uint64_t bits = bits_at(f, s->values, i);
		if (is_fill(f, i, bits))
			continue;
		double v = number(f, bits, s->raw);
		if (r->n == 0 || v < r->min)
			r->min = v;
		if (r->n == 0 || v > r->max)
			r->max = v;
		r->sum += v;
		r->n++;
	}
}

static struct range range_of_event(struct show *s, int field, const struct evt *e)
{
	struct range r = {0};

	for (unsigned k = 0; k < e->nsrc; k++)
		if (evt_present(e, k))
			widen(s, field, e->slots + k * e->slot, &r);
	return r;
}

static void put_range(struct show *s, const struct range *r, const char *format)
{
	double mean = r->n ? r->sum / (double)r->n : NAN;

	if (r->n == 0 && s->form == SHOW_JSON)
		put(s, "\"min\":null,\"mean\":null,\"max\":null");
	else
		put(s, format, r->n ? r->min : NAN, mean, r->n ? r->max : NAN);
}

/* ---- headers of columns ---- */

static void head_values(struct show *s)
{
	for (int k = 0; k < s->nfields; k++) {
		const struct card_field *f = &s->card->field[s->field[k]];
		for (size_t i = 0; i < f->count; i++) {
			put(s, f->count > 1 ? "\t%s[%zu]" : "\t%s", f->name, i);
			if (*unit(s, f))
				put(s, "(%s)", unit(s, f));
		}
	}
}

static void head_ranges(struct show *s)
{
	for (int k = 0; k < s->nfields; k++) {
		const struct card_field *f = &s->card->field[s->field[k]];
		for (int i = 0; i < 3; i++)
			put(s, *unit(s, f) ? "\t%s_%s(%s)" : "\t%s_%s", f->name,
			    (const char *const[]){"min", "mean", "max"}[i], unit(s, f));
	}
}

static void head(struct show *s, bool events)
{
	if (s->form != SHOW_TSV || s->headed)
		return;
	s->headed = true;
	put(s, "# time\t");
	if (!events && !s->card)
		put(s, "from\tto\tbytes\tdropped\tverdict");
	else if (!events)
		put(s, "source\tclock(ns)\tsequence");
	else if (s->names)
		put(s, "event\tsource\tclock(ns)");
	else
		put(s, "event\tclock(ns)\trun\tsources\tmissing\tflags");
	if (s->names)
		head_values(s);
	else if (s->card)
		head_ranges(s);
	put(s, "\n");
}

/* ---- packets ---- */

static uint64_t sequence_of(const struct card *c, const uint8_t *rec)
{
	return (uint64_t)card_value(c, c->seq_field, rec);
}

/* The ways in which a datagram does not fit the card, or NULL. */
static const char *misfit(const struct card *c, const struct pkt *p)
{
	if (p->len == 0)
		return "empty";
	if (c->whole ? p->len != c->record : p->len % c->record != 0)
		return c->whole ? "not the card's length" : "no whole number of records";
	return card_source(c, p, p->data) < 0 ? "unknown source" : NULL;
}

static void record_columns(struct show *s, const struct pkt *p, const uint8_t *rec)
{
	const struct card *c = s->card;

	put_time(s, p->time);
	put(s, "\t%d\t%" PRIu64 "\t", card_source(c, p, rec), card_clock(c, rec));
	if (c->seq_field >= 0)
		put(s, "%" PRIu64, sequence_of(c, rec));
	else
		put(s, "-");
	for (int k = 0; k < s->nfields; k++) {
		put(s, "\t");
		if (s->names) {
			put_values(s, s->field[k], rec, "\t");
		} else {
			struct range r = {0};
			widen(s, s->field[k], rec, &r);
			put_range(s, &r, "%.9g\t%.9g\t%.9g");
		}
	}
	put(s, "\n");
}

static void record_json(struct show *s, const struct pkt *p, const uint8_t *rec)
{
	const struct card *c = s->card;

	put(s, "{\"source\":%d,\"clock\":%" PRIu64, card_source(c, p, rec), card_clock(c, rec));
	if (c->seq_field >= 0)
		put(s, ",\"sequence\":%" PRIu64, sequence_of(c, rec));
	for (int k = 0; k < s->nfields; k++) {
		put(s, ",");
		put_quoted(s, c->field[s->field[k]].name);
		if (s->names) {
			put(s, ":[");
			put_values(s, s->field[k], rec, ",");
			put(s, "]");
		} else {
			struct range r = {0};
			widen(s, s->field[k], rec, &r);
			put(s, ":{");
			put_range(s, &r, "\"min\":%.9g,\"mean\":%.9g,\"max\":%.9g");
			put(s, "}");
		}
	}
	put(s, "}");
}

static void record_text(struct show *s, const struct pkt *p, const uint8_t *rec)
{
	const struct card *c = s->card;

	put(s, "  source %d  clock ", card_source(c, p, rec));
	put_clock(s, (int64_t)card_clock(c, rec));
	if (c->seq_field >= 0)
		put(s, "  sequence %" PRIu64, sequence_of(c, rec));
	for (int k = 0; k < s->nfields; k++) {
		const struct card_field *f = &c->field[s->field[k]];
		put(s, "  %s ", f->name);
		if (s->names) {
			put_values(s, s->field[k], rec, " ");
		} else {
			struct range r = {0};
			widen(s, s->field[k], rec, &r);
			put_range(s, &r, "min %.6g mean %.6g max %.6g");
		}
		if (*unit(s, f))
			put(s, " %s", unit(s, f));
	}
	put(s, "\n");
}

static void packet_json(struct show *s, const struct cap_record *r, const struct pkt *p,
    enum pkt_verdict v, const char *bad)
{
	char from[PKT_TEXT], to[PKT_TEXT];

	put(s, "{\"time\":\"");
	put_time(s, r->time);
	put(s, "\"");
	if (v == PKT_OK)
		put(s, ",\"from\":\"%s\",\"to\":\"%s\",\"bytes\":%zu", pkt_text(&p->src, from),
		    pkt_text(&p->dst, to), p->len);
	else
		bad = pkt_verdict_text(v);
	put(s, ",\"dropped\":%" PRIu64, r->dropped);
	if (bad)
		put(s, ",\"bad\":\"%s\"", bad);
	if (s->card && !bad) {
		put(s, ",\"records\":[");
		for (size_t at = 0; at < p->len; at += s->card->record) {
			put(s, at ? "," : "");
			record_json(s, p, p->data + at);
		}
		put(s, "]");
	}
	put(s, "}\n");
}

static void packet_text(struct show *s, const struct cap_record *r, const struct pkt *p,
    enum pkt_verdict v, const char *bad)
{
	char from[PKT_TEXT], to[PKT_TEXT];

	put_time(s, r->time);
	if (v == PKT_OK)
		put(s, "  %s > %s  %zu bytes", pkt_text(&p->src, from), pkt_text(&p->dst, to),
		    p->len);
	else
		put(s, "  %u bytes  %s", r->caplen, pkt_verdict_text(v));
	if (r->dropped)
		put(s, "  %" PRIu64 " dropped before it", r->dropped);
	if (bad)
		put(s, "  %s", bad);
	put(s, "\n");
	if (s->card && v == PKT_OK && !bad)
		for (size_t at = 0; at < p->len; at += s->card->record)
			record_text(s, p, p->data + at);
}

static void packet_columns(struct show *s, const struct cap_record *r, const struct pkt *p,
    enum pkt_verdict v, const char *bad)
{
	char from[PKT_TEXT], to[PKT_TEXT];

	if (s->card) {
		if (v != PKT_OK || bad) {
			put(s, "# ");
			put_time(s, r->time);
			put(s, "\t%s\n", v == PKT_OK ? bad : pkt_verdict_text(v));
			return;
		}
		for (size_t at = 0; at < p->len; at += s->card->record)
			record_columns(s, p, p->data + at);
		return;
	}
	put_time(s, r->time);
	if (v == PKT_OK)
		put(s, "\t%s\t%s\t%zu", pkt_text(&p->src, from), pkt_text(&p->dst, to), p->len);
	else
		put(s, "\t-\t-\t%u", r->caplen);
	put(s, "\t%" PRIu64 "\t%s\n", r->dropped, pkt_verdict_text(v));
}

void show_packet(
    struct show *s, const struct cap_record *r, const struct pkt *p, enum pkt_verdict v)
{
	const char *bad = v == PKT_OK && s->card ? misfit(s->card, p) : NULL;

	head(s, false);
	if (s->form == SHOW_JSON)
		packet_json(s, r, p, v, bad);
	else if (s->form == SHOW_TSV)
		packet_columns(s, r, p, v, bad);
	else
		packet_text(s, r, p, v, bad);
}

/* ---- events ---- */

static void event_columns(struct show *s, const struct cap_record *r, const struct evt *e)
{
	char flags[160];

	if (!s->names) {
		put_time(s, r->time);
		put(s, "\t%" PRIu64 "\t%" PRId64 "\t%u\t%u\t%u\t%s", e->number, e->clock, e->run,
		    e->nrec, e->nsrc - e->nrec, e->flags ? evt_flags_text(e->flags, flags) : "-");
		for (int k = 0; k < s->nfields; k++) {
			struct range range = range_of_event(s, s->field[k], e);
			put_range(s, &range, "\t%.9g\t%.9g\t%.9g");
		}
		put(s, "\n");
		return;
	}
	for (unsigned i = 0; i < e->nsrc; i++) {
		if (!evt_present(e, i))
			continue;
		put_time(s, r->time);
		int64_t clock = e->clock + i32le_get(e->offset[i]);
		put(s, "\t%" PRIu64 "\t%u\t%" PRId64, e->number, i, clock);
		for (int k = 0; k < s->nfields; k++) {
			put(s, "\t");
			put_values(s, s->field[k], e->slots + i * e->slot, "\t");
		}
		put(s, "\n");
	}
}

static void json_list(struct show *s, const char *name, const struct evt *e, int present)
{
	const char *comma = "";

	put(s, ",\"%s\":[", name);
	for (unsigned i = 0; i < e->nsrc; i++) {
		if (evt_present(e, i) != present)
			continue;
		put(s, "%s%u", comma, i);
		comma = ",";
	}
	put(s, "]");
}

static void json_field(struct show *s, int field, const struct evt *e)
{
	const struct card_field *f = &s->card->field[field];
	const char *comma = "";

	put_quoted(s, f->name);
	put(s, ":{\"unit\":");
	put_quoted(s, unit(s, f));
	put(s, ",");
	if (!s->names) {
		struct range r = range_of_event(s, field, e);
		put_range(s, &r, "\"min\":%.9g,\"mean\":%.9g,\"max\":%.9g");
		put(s, "}");
		return;
	}
	put(s, "\"values\":[");
	for (unsigned i = 0; i < e->nsrc; i++) {
		if (!evt_present(e, i))
			continue;
		put(s, "%s[", comma);
		put_values(s, field, e->slots + i * e->slot, ",");
		put(s, "]");
		comma = ",";
	}
	put(s, "]}");
}

static void event_json(struct show *s, const struct cap_record *r, const struct evt *e)
{
	char flags[160], *save = NULL;
	const char *comma = "";

	put(s, "{\"event\":%" PRIu64 ",\"run\":%u,\"time\":\"", e->number, e->run);
	put_time(s, r->time);
	put(s, "\",\"clock\":%" PRId64 ",\"flags\":[", e->clock);
	evt_flags_text(e->flags, flags);
	for (char *t = strtok_r(flags, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		put(s, "%s\"%s\"", comma, t);
		comma = ",";
	}
	put(s, "]");
	json_list(s, "sources", e, 1);
	json_list(s, "missing", e, 0);
	put(s, ",\"offset\":[");
	comma = "";
	for (unsigned i = 0; i < e->nsrc; i++) {
		if (!evt_present(e, i))
			continue;
		int32_t offset = i32le_get(e->offset[i]);
		put(s, "%s%d", comma, offset);
		comma = ",";
	}
	put(s, "],\"fields\":{");
	for (int k = 0; k < s->nfields; k++) {
		put(s, k ? "," : "");
		json_field(s, s->field[k], e);
	}
	put(s, "}}\n");
}

static void event_text(struct show *s, const struct cap_record *r, const struct evt *e)
{
	char flags[160];

	put(s, "event %" PRIu64 "  ", e->number);
	put_time(s, r->time);
	put(s, "  clock ");
	put_clock(s, e->clock);
	put(s, "  run %u  %u of %u sources", e->run, e->nrec, e->nsrc);
	if (e->nrec > 0) {
		put(s, ": ");
		put_ranges(s, e, 1);
	}
	if (e->nrec < e->nsrc) {
		put(s, "  missing ");
		put_ranges(s, e, 0);
	}
	put(s, e->flags ? "  %s\n" : "%s\n", evt_flags_text(e->flags, flags));
	for (int k = 0; k < s->nfields; k++) {
		const struct card_field *f = &s->card->field[s->field[k]];
		for (unsigned i = 0; s->names && i < e->nsrc; i++) {
			if (!evt_present(e, i))
				continue;
			put(s, "  %u  %s ", i, f->name);
			put_values(s, s->field[k], e->slots + i * e->slot, " ");
			put(s, *unit(s, f) ? " %s\n" : "%s\n", unit(s, f));
		}
		if (s->names)
			continue;
		struct range range = range_of_event(s, s->field[k], e);
		put(s, "  %s  ", f->name);
		put_range(s, &range, "min %.6g  mean %.6g  max %.6g");
		put(s, *unit(s, f) ? " %s\n" : "%s\n", unit(s, f));
	}
}

int show_event(struct show *s, const struct cap_record *r, const struct evt *e)
{
	if (s->card && (e->slot != s->card->record || e->nsrc != s->card->nsrc)) {
		snprintf(s->why, sizeof s->why,
		    "event %" PRIu64 " does not fit the card that came with it", e->number);
		return -1;
	}
	head(s, true);
	if (s->form == SHOW_JSON)
		event_json(s, r, e);
	else if (s->form == SHOW_TSV)
		event_columns(s, r, e);
	else
		event_text(s, r, e);
	return 0;
}

/* ---- the card ---- */

static int find_field(const struct card *c, const char *name, size_t n)
{
	for (int i = 0; i < c->nfields; i++) {
		const struct card_field *f = &c->field[i];
		if ((strlen(f->name) == n && strncmp(f->name, name, n) == 0) ||
		    (strlen(f->variable) == n && strncmp(f->variable, name, n) == 0))
			return i;
	}
	return -1;
}

/* Fields by name, or all that have several elements. */
static int choose_fields(struct show *s)
{
	const struct card *c = s->card;

	s->nfields = 0;
	for (int i = 0; !s->names && i < c->nfields; i++)
		if (c->field[i].count > 1)
			s->field[s->nfields++] = i;
	for (const char *p = s->names; p && *p;) {
		size_t n = strcspn(p, ",");
		int i = find_field(c, p, n);
		if (i < 0 || s->nfields == CARD_FIELDS) {
			size_t used = (size_t)snprintf(s->why, sizeof s->why,
			    "%s has no field '%.*s'; it has", c->name, (int)(n < 40 ? n : 40), p);
			for (int k = 0; k < c->nfields && used < sizeof s->why - 1; k++)
				used += (size_t)snprintf(
				    s->why + used, sizeof s->why - used, " %s", c->field[k].name);
			return -1;
		}
		s->field[s->nfields++] = i;
		p += n + (p[n] == ',');
	}
	return 0;
}

int show_card(struct show *s, const struct card *c)
{
	size_t most = 0;

	s->card = c;
	s->headed = false;
	s->nfields = 0;
	free(s->values);
	s->values = NULL;
	if (!c)
		return 0;
	if (choose_fields(s) < 0)
		return -1;
	for (int i = 0; i < c->nfields; i++) {
		size_t size = c->field[i].count * card_size(c->field[i].type);
		most = size > most ? size : most;
	}
	s->values = malloc(most ? most : 1);
	if (s->values)
		return 0;
	snprintf(s->why, sizeof s->why, "no memory");
	return -1;
}

struct show *show_new(int fd, enum show_form form, const char *fields, bool raw)
{
	struct show *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->fd = fd;
	s->form = form;
	s->names = fields;
	s->raw = raw;
	return s;
}

const char *show_why(const struct show *s)
{
	return s->why;
}

void show_free(struct show *s)
{
	if (!s)
		return;
	free(s->values);
	free(s);
}
