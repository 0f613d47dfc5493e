/* tally.c - accounting: in = out + held + losses, as a line and as JSON */
#include "tally.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tim.h"

uint64_t tally_lost(const struct tally *t)
{
	uint64_t sum = 0;
	for (int i = 0; i < TALLY_MAX && t->lost[i].name; i++)
		sum += t->lost[i].n;
	return sum;
}

bool tally_sums(const struct tally *t)
{
	return t->in == t->out + t->held + tally_lost(t);
}

struct text {
	char *buf;
	size_t n, size;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *s, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int k = vsnprintf(s->buf + s->n, s->size - s->n, format, ap);
	va_end(ap);
	if (k > 0)
		s->n = s->n + (size_t)k < s->size ? s->n + (size_t)k : s->size - 1;
}

char *tally_line(const struct tally *t, char buf[TALLY_TEXT])
{
	struct text s = {buf, 0, TALLY_TEXT};
	const char *sep = " (";

	add(&s, "%" PRIu64 " %s in, %" PRIu64 " out", t->in, t->unit, t->out);
	if (t->held)
		add(&s, ", %" PRIu64 " held", t->held);
	add(&s, ", %" PRIu64 " lost", tally_lost(t));
	for (int i = 0; i < TALLY_MAX && t->lost[i].name; i++) {
		if (!t->lost[i].n)
			continue;
		add(&s, "%s%s %" PRIu64, sep, t->lost[i].name, t->lost[i].n);
		sep = ", ";
	}
	if (*sep == ',')
		add(&s, ")");
	sep = "; ";
	for (int i = 0; i < TALLY_MAX && t->also[i].name; i++) {
		if (!t->also[i].n)
			continue;
		add(&s, "%s%s %" PRIu64, sep, t->also[i].name, t->also[i].n);
		sep = ", ";
	}
	return buf;
}

/* Length of the UTF-8 character at s, 0 when it is none. */
static size_t utf8(const unsigned char *s)
{
	size_t n = *s >= 0xf0 && *s < 0xf5 ? 4
	    : *s >= 0xe0 && *s < 0xf0      ? 3
	    : *s >= 0xc2 && *s < 0xe0      ? 2
					   : 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t tally_escape(char *to, size_t size, const char *text)
{
	struct text s = {to, 0, size};
	const unsigned char *p = (const unsigned char *)text;

	to[0] = '\0';
	while (*p && s.n + 7 < size) {
		size_t k = utf8(p);
		if (*p == '"' || *p == '\\')
			add(&s, "\\%c", *p);
		else if (k > 0)
			add(&s, "%.*s", (int)k, (const char *)p);
		else if (*p < 0x20 || *p >= 0x7f)
			add(&s, "\\u%04x", *p);
		else
			add(&s, "%c", *p);
		p += k ? k : 1;
	}
	return s.n;
}

static void add_items(struct text *s, const struct tally_item *item)
{
	char name[128];

	for (int i = 0; i < TALLY_MAX && item[i].name; i++) {
		tally_escape(name, sizeof name, item[i].name);
		add(s, "%s\"%s\":%" PRIu64, i ? "," : "", name, item[i].n);
	}
}

char *tally_json(const struct tally *t, const char *program, const char *name, const char *state,
    const char *why, int64_t now, char buf[TALLY_TEXT])
{
	static const struct tally none = {.unit = ""};
	struct text s = {buf, 0, TALLY_TEXT};
	char safe[512], when[TIM_TEXT];

	if (!t)
		t = &none;
	tally_escape(safe, sizeof safe, name);
	add(&s, "{\"program\":\"%s\",\"name\":\"%s\",\"pid\":%d,\"time\":\"%s\",\"state\":\"%s\",",
	    program, safe, (int)getpid(), tim_text(now, 3, when), state);
	add(&s,
	    "\"unit\":\"%s\",\"in\":%" PRIu64 ",\"out\":%" PRIu64 ",\"held\":%" PRIu64
	    ",\"lost\":{",
	    t->unit, t->in, t->out, t->held);
	add_items(&s, t->lost);
	add(&s, "},\"also\":{");
	add_items(&s, t->also);
	add(&s, "},\"queue\":{\"used\":%" PRIu64 ",\"size\":%" PRIu64 "},", t->queue_used,
	    t->queue_size);
	tally_escape(safe, sizeof safe, why ? why : "");
	add(&s, "\"why\":\"%s\"}\n", safe);
	return buf;
}
