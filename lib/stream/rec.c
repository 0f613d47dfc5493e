/* rec.c - slow-control readings as text: line protocol, tables, JSON; foreign lines checked */
#include "rec.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tally.h"
#include "base/tim.h"

#define KEY_MAX  65535 /* InfluxDB 1: name and tags together (models.MaxKeyLength) */
#define TEXT_MAX 65536 /* InfluxDB: a string field */
#define TAGS_MAX 256   /* of a foreign line, for finding doubles */

/* ---- a reading ---- */

void rec_begin(struct rec *r, const char *name, int64_t time)
{
	r->name = name;
	r->time = time;
	r->ntags = r->nfields = 0;
}

void rec_tag(struct rec *r, const char *key, const char *value)
{
	if (r->ntags++ < REC_TAGS)
		r->tag[r->ntags - 1] = (struct rec_tag){key, value};
}

static void add_field(struct rec *r, const struct rec_field *f)
{
	if (r->nfields++ < REC_FIELDS)
		r->field[r->nfields - 1] = *f;
}

void rec_real(struct rec *r, const char *key, const char *unit, double v, int digits)
{
	add_field(r, &(struct rec_field){key, unit, REC_REAL, digits, {.real = v}});
}

void rec_whole(struct rec *r, const char *key, const char *unit, int64_t v)
{
	add_field(r, &(struct rec_field){key, unit, REC_WHOLE, 0, {.whole = v}});
}

void rec_flag(struct rec *r, const char *key, bool v)
{
	add_field(r, &(struct rec_field){key, NULL, REC_FLAG, 0, {.flag = v}});
}

void rec_string(struct rec *r, const char *key, const char *text)
{
	add_field(r, &(struct rec_field){key, NULL, REC_STRING, 0, {.text = text}});
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

int rec_tags_add(struct rec_tags *t, const char *text)
{
	const char *eq = strchr(text, '=');
	size_t n = strlen(text);

	if (!eq || eq == text || !eq[1] || n >= REC_TAG_TEXT || t->n == REC_TAGS ||
	    text[n - 1] == '\\' || eq[-1] == '\\' || has_control(text))
		return -1;
	char *key = t->text[t->n], *value = key + (eq - text) + 1;
	memcpy(key, text, n + 1);
	value[-1] = '\0';
	t->tag[t->n++] = (struct rec_tag){key, value};
	return 0;
}

/* ---- other names ---- */

struct field_name {
	const char *field, *name, *to; /* field becomes field `to` of reading `name` */
};

struct tag_name {
	const char *tag, *to;
};

struct name_set {
	const char *name; /* the readings it is for */
	const struct field_name *field;
	const struct tag_name *tag; /* tags that are not listed are dropped */
};

struct rec_names {
	const char *set;
	const struct name_set *reading;
};

/* Those of Picosec_DAQ (hv_logging.py, gas.py): see the slow-control page. */
static const struct name_set picosec[] = {
    {"gas",
	(const struct field_name[]){{"temperature", "Temperature [K]", "val"},
	    {"pressure", "Pressure [Pa]", "val"}, {"humidity", "Humidity [RH]", "val"},
	    {"voc", "VOC [Ohm]", "val"}, {NULL, NULL, NULL}},
	(const struct tag_name[]){{"location", "location"}, {NULL, NULL}}},
    {"hv",
	(const struct field_name[]){{"imon", "HV", "IMon"}, {"vmon", "HV", "VMon"},
	    {"vset", "HV", "VSet"}, {"iset", "HV", "ISet"}, {NULL, NULL, NULL}},
	(const struct tag_name[]){{"board", "Board"}, {"channel", "Channel"}, {NULL, NULL}}},
    {NULL, NULL, NULL}};

static const struct rec_names sets[] = {{"picosec", picosec}};

const struct rec_names *rec_names(const char *set)
{
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		if (strcmp(sets[i].set, set) == 0)
			return &sets[i];
	return NULL;
}

/* The reading `name` among to[0..*n), begun when it is not there. */
static struct rec *reading(
    struct rec *to, size_t *n, const struct rec *from, const struct name_set *s, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(to[i].name, name) == 0)
			return &to[i];
	if (*n == REC_SPLIT)
		return NULL;
	struct rec *r = &to[(*n)++];
	rec_begin(r, name, from->time);
	for (size_t i = 0; i < from->ntags && i < REC_TAGS; i++)
		for (const struct tag_name *t = s->tag; t->tag; t++)
			if (strcmp(from->tag[i].key, t->tag) == 0)
				rec_tag(r, t->to, from->tag[i].value);
	return r;
}

size_t rec_rename(const struct rec_names *names, const struct rec *from, struct rec to[REC_SPLIT])
{
	const struct name_set *s = names->reading;
	size_t n = 0;

	while (s->name && strcmp(s->name, from->name) != 0)
		s++;
	if (!s->name) {
		to[0] = *from;
		return 1;
	}
	for (size_t i = 0; i < from->nfields && i < REC_FIELDS; i++)
		for (const struct field_name *f = s->field; f->field; f++) {
			struct rec *r = strcmp(from->field[i].key, f->field) == 0
			    ? reading(to, &n, from, s, f->name)
			    : NULL;
			if (!r)
				continue;
			struct rec_field field = from->field[i];
			field.key = f->to;
			add_field(r, &field);
		}
	return n;
}

/* ---- writing ---- */

struct text {
	char *buf;
	size_t size, n;
	int error;
};

static void put(struct text *t, const char *s, size_t n)
{
	if (n >= t->size - t->n) {
		t->error = t->error ? t->error : ENOBUFS;
		return;
	}
	memcpy(t->buf + t->n, s, n);
	t->n += n;
}

static void put_text(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

/* A name, key or tag value: never empty, nothing that no escape can save. A backslash cannot be
 * escaped there: before a special byte it would spoil that byte's own. */
static void put_escaped(struct text *t, const char *s, const char *special)
{
	if (!*s || has_control(s))
		t->error = EINVAL;
	for (const char *b = strchr(s, '\\'); b; b = strchr(b + 1, '\\'))
		if (!b[1] || b[1] == '\\' || strchr(special, b[1]))
			t->error = EINVAL;
	for (; *s; s++) {
		if (strchr(special, *s))
			put(t, "\\", 1);
		put(t, s, 1);
	}
}

static void put_quoted(struct text *t, const char *s)
{
	if (strpbrk(s, "\r\n") || strlen(s) > TEXT_MAX)
		t->error = EINVAL;
	put(t, "\"", 1);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			put(t, "\\", 1);
		put(t, s, 1);
	}
	put(t, "\"", 1);
}

static void put_real(struct text *t, double v, int digits)
{
	char s[400];

	if (digits >= 0) {
		snprintf(s, sizeof s, "%.*f", digits > 17 ? 17 : digits, v);
	} else {
		snprintf(s, sizeof s, "%.15g", v);
		if (strtod(s, NULL) != v) /* NOLINT: exactly this is asked */
			snprintf(s, sizeof s, "%.17g", v);
	}
	put_text(t, s);
	if (!strpbrk(s, ".e"))
		put_text(t, ".0");
}

static void put_whole(struct text *t, int64_t v)
{
	char s[32];

	snprintf(s, sizeof s, "%lld", (long long)v);
	put_text(t, s);
}

/* Whole numbers and flags are declared as such by the suffix. */
static void put_count(struct text *t, const struct rec_field *f)
{
	put_whole(t, f->type == REC_FLAG ? f->is.flag : f->is.whole);
	put(t, "i", 1);
}

static void put_json_string(struct text *t, const char *s)
{
	char escaped[REC_TEXT];

	put(t, "\"", 1);
	put(t, escaped, tally_escape(escaped, sizeof escaped, s));
	put(t, "\"", 1);
}

/* In a table a cell is one cell. */
static void put_cell(struct text *t, const char *s)
{
	put(t, "\t", 1);
	if (!*s)
		put(t, "-", 1);
	for (; *s; s++)
		put(t, (unsigned char)*s < 0x20 || *s == 0x7f ? " " : s, 1);
}

/* The order of the tags by key: InfluxDB sorts them otherwise itself, on each write. */
static void sort_tags(const struct rec *r, const struct rec_tag *to[REC_TAGS])
{
	for (size_t i = 0; i < r->ntags; i++) {
		size_t k = i;
		for (; k > 0 && strcmp(to[k - 1]->key, r->tag[i].key) > 0; k--)
			to[k] = to[k - 1];
		to[k] = &r->tag[i];
	}
}

static void put_line(struct text *t, const struct rec *r)
{
	const struct rec_tag *tag[REC_TAGS];
	size_t shown = 0;

	put_escaped(t, r->name, ", ");
	sort_tags(r, tag);
	for (size_t i = 0; i < r->ntags; i++) {
		if (!tag[i]->value[0])
			continue;
		put(t, ",", 1);
		put_escaped(t, tag[i]->key, ",= ");
		put(t, "=", 1);
		put_escaped(t, tag[i]->value, ",= ");
	}
	for (size_t i = 0; i < r->nfields; i++) {
		const struct rec_field *f = &r->field[i];
		if (f->type == REC_REAL && !isfinite(f->is.real))
			continue;
		put(t, shown++ ? "," : " ", 1);
		put_escaped(t, f->key, ",= ");
		put(t, "=", 1);
		if (f->type == REC_REAL)
			put_real(t, f->is.real, f->digits);
		else if (f->type == REC_STRING)
			put_quoted(t, f->is.text);
		else
			put_count(t, f);
	}
	put(t, " ", 1);
	put_whole(t, r->time);
	if (shown == 0)
		t->n = 0;
	else
		put(t, "\n", 1);
}

static void put_row(struct text *t, const struct rec *r)
{
	char time[TIM_TEXT];

	put_text(t, tim_text(r->time, 3, time));
	put_cell(t, r->name);
	for (size_t i = 0; i < r->ntags; i++)
		put_cell(t, r->tag[i].value);
	for (size_t i = 0; i < r->nfields; i++) {
		const struct rec_field *f = &r->field[i];
		if (f->type == REC_STRING) {
			put_cell(t, f->is.text);
			continue;
		}
		put(t, "\t", 1);
		if (f->type == REC_REAL && !isfinite(f->is.real))
			put_text(t, "nan");
		else if (f->type == REC_REAL)
			put_real(t, f->is.real, f->digits);
		else
			put_whole(t, f->type == REC_FLAG ? f->is.flag : f->is.whole);
	}
	put(t, "\n", 1);
}

static void put_json(struct text *t, const struct rec *r)
{
	char time[TIM_TEXT];

	put_text(t, "{\"time\":\"");
	put_text(t, tim_text(r->time, 9, time));
	put_text(t, "\",\"measurement\":");
	put_json_string(t, r->name);
	put_text(t, ",\"tags\":{");
	for (size_t i = 0; i < r->ntags; i++) {
		put_text(t, i ? "," : "");
		put_json_string(t, r->tag[i].key);
		put(t, ":", 1);
		put_json_string(t, r->tag[i].value);
	}
	put_text(t, "},\"fields\":{");
	for (size_t i = 0; i < r->nfields; i++) {
		const struct rec_field *f = &r->field[i];
		put_text(t, i ? "," : "");
		put_json_string(t, f->key);
		put(t, ":", 1);
		if (f->type == REC_STRING)
			put_json_string(t, f->is.text);
		else if (f->type == REC_FLAG)
			put_text(t, f->is.flag ? "true" : "false");
		else if (f->type == REC_WHOLE)
			put_whole(t, f->is.whole);
		else if (isfinite(f->is.real))
			put_real(t, f->is.real, f->digits);
		else
			put_text(t, "null");
	}
	put_text(t, "}}\n");
}

static long done(struct text *t, const struct rec *r)
{
	if (r->ntags > REC_TAGS || r->nfields > REC_FIELDS)
		t->error = E2BIG;
	if (t->error) {
		errno = t->error;
		return -1;
	}
	return (long)t->n;
}

long rec_format(const struct rec *r, enum rec_form form, char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};

	if (r->ntags > REC_TAGS || r->nfields > REC_FIELDS)
		return done(&t, r);
	if (form == REC_LINE)
		put_line(&t, r);
	else if (form == REC_TSV)
		put_row(&t, r);
	else
		put_json(&t, r);
	return done(&t, r);
}

long rec_head(const struct rec *r, char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};

	if (r->ntags > REC_TAGS || r->nfields > REC_FIELDS)
		return done(&t, r);
	put_text(&t, "# time\tmeasurement");
	for (size_t i = 0; i < r->ntags; i++)
		put_cell(&t, r->tag[i].key);
	for (size_t i = 0; i < r->nfields; i++) {
		put_cell(&t, r->field[i].key);
		if (r->field[i].unit) {
			put_text(&t, " [");
			put_text(&t, r->field[i].unit);
			put_text(&t, "]");
		}
	}
	put(&t, "\n", 1);
	return done(&t, r);
}

int rec_form(const char *text, enum rec_form *form)
{
	static const char *const names[] = {"line", "tsv", "json"};

	for (int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0) {
			*form = (enum rec_form)i;
			return 0;
		}
	return -1;
}

/* Whether the head of this table must still be written; remembers it. */
static bool new_head(struct rec_out *out, const char *name, const char *head, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)head[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < out->nheads && i < REC_HEADS; i++)
		if (out->head[i] == h)
			return false;
	out->head[out->nheads++ % REC_HEADS] = h;
	return true;
}

static int write_one(struct rec_out *out, const struct rec *r)
{
	char buf[2 * REC_TEXT];
	long head = 0, n;

	if (out->form == REC_TSV && (head = rec_head(r, buf, REC_TEXT)) < 0)
		return -1;
	if (head > 0 && !new_head(out, r->name, buf, (size_t)head))
		head = 0;
	if ((n = rec_format(r, out->form, buf + head, REC_TEXT)) < 0)
		return -1;
	return io_writeall(out->fd, buf, (size_t)(head + n));
}

int rec_write(struct rec_out *out, const struct rec *r)
{
	struct rec other[REC_SPLIT];

	if (!out->names)
		return write_one(out, r);
	size_t n = rec_rename(out->names, r, other);
	for (size_t i = 0; i < n; i++)
		if (write_one(out, &other[i]) < 0)
			return -1;
	return 0;
}

/* ---- checking ---- */

const char *rec_bad_text(enum rec_bad bad)
{
	static const char *const text[REC_BAD_COUNT] = {
	    [REC_OK] = "good",
	    [REC_NOTHING] = "empty line or comment",
	    [REC_TOO_LONG] = "line is too long",
	    [REC_CONTROL] = "control character",
	    [REC_NO_NAME] = "no measurement",
	    [REC_BAD_TAG] = "bad tag (want key=value, neither of them empty)",
	    [REC_SAME_TAG] = "a tag stands twice",
	    [REC_LONG_KEY] = "measurement and tags are longer than 65535 bytes",
	    [REC_NO_FIELD] = "no field",
	    [REC_BAD_FIELD] = "bad field (want key=value, neither of them empty)",
	    [REC_BAD_NUMBER] = "bad value (want 1.5, 1i, true or \"text\")",
	    [REC_NOT_FINITE] = "number out of range",
	    [REC_BAD_STRING] = "string without its end, with more behind it, or over 64 KiB",
	    [REC_BAD_TIME] = "bad time (want whole nanoseconds since 1970)",
	    [REC_RESERVED] = "'time' cannot be the name of a tag or field",
	};
	return bad < REC_BAD_COUNT ? text[bad] : "?";
}

struct span {
	const char *at;
	size_t n;
};

/* What ends a name, a key or a value. */
enum { COMMA = 1, SPACE = 2, EQUALS = 4 };
static const uint8_t ends[256] = {[','] = COMMA, [' '] = SPACE, ['='] = EQUALS};

/* Up to the first byte of the kinds in `stop` that has no backslash before it; *p moves there.
 * InfluxDB looks at the one byte before only: in two backslashes and a comma the comma is
 * escaped. */
static struct span take(const char **p, const char *end, unsigned stop)
{
	struct span s = {*p, 0};
	const char *q = *p;

	while (q < end && (!(ends[(uint8_t)*q] & stop) || (q > *p && q[-1] == '\\')))
		q++;
	*p = q;
	s.n = (size_t)(q - s.at);
	return s;
}

static bool is_word(struct span s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.at, word, s.n) == 0;
}

static enum rec_bad check_tags(const char **p, const char *end)
{
	struct span key[TAGS_MAX];
	size_t n = 0;

	while (*p < end && **p == ',') {
		++*p;
		struct span k = take(p, end, EQUALS | COMMA | SPACE);
		if (k.n == 0 || *p == end || **p != '=')
			return REC_BAD_TAG;
		++*p;
		struct span v = take(p, end, EQUALS | COMMA | SPACE);
		/* a backslash at the end would escape what follows in the key that is stored */
		if (v.n == 0 || (*p < end && **p == '='))
			return REC_BAD_TAG;
		if (is_word(k, "time"))
			return REC_RESERVED;
		if (n == TAGS_MAX)
			return REC_LONG_KEY;
		for (size_t i = 0; i < n; i++)
			if (key[i].n == k.n && memcmp(key[i].at, k.at, k.n) == 0)
				return REC_SAME_TAG;
		key[n++] = k;
	}
	return REC_OK;
}

static size_t digits(const char *s, size_t n)
{
	size_t k = 0;

	while (k < n && s[k] >= '0' && s[k] <= '9')
		k++;
	return k;
}

/* A whole number of base 10 within 64 bits; a sign only where one may be. */
static bool whole(struct span s, bool sign, int64_t *v)
{
	bool minus = s.n > 0 && s.at[0] == '-';
	uint64_t u = 0, most = !sign ? UINT64_MAX : minus ? UINT64_C(1) << 63 : INT64_MAX;

	if ((minus && !sign) || s.n == minus)
		return false;
	for (size_t i = minus; i < s.n; i++) {
		unsigned d = (unsigned)(s.at[i] - '0');
		if (d > 9 || u > (most - d) / 10)
			return false;
		u = 10 * u + d;
	}
	*v = (int64_t)(minus ? 0 - u : u);
	return true;
}

/* [-+] digits [. digits] [e [-+] digits], with a digit somewhere before e. */
static enum rec_bad check_real(struct span s)
{
	char text[400];
	size_t i = s.n && (*s.at == '-' || *s.at == '+'), whole, part = 0, power = 0;

	whole = digits(s.at + i, s.n - i);
	i += whole;
	if (i < s.n && s.at[i] == '.') {
		i++;
		part = digits(s.at + i, s.n - i);
		i += part;
	}
	if (whole + part == 0)
		return REC_BAD_NUMBER;
	if (i < s.n && (s.at[i] == 'e' || s.at[i] == 'E')) {
		i++;
		i += i < s.n && (s.at[i] == '-' || s.at[i] == '+');
		power = digits(s.at + i, s.n - i);
		if (power == 0)
			return REC_BAD_NUMBER;
		i += power;
	}
	if (i != s.n)
		return REC_BAD_NUMBER;
	if (power == 0 && whole < 300)
		return REC_OK;
	if (s.n >= sizeof text)
		return REC_NOT_FINITE;
	memcpy(text, s.at, s.n);
	text[s.n] = '\0';
	return isfinite(strtod(text, NULL)) ? REC_OK : REC_NOT_FINITE;
}

static enum rec_bad check_value(struct span v, struct rec_seen *seen)
{
	static const char *const flags[] = {
	    "t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"};

	if (v.n == 0)
		return REC_BAD_FIELD;
	struct span number = {v.at, v.n - 1};
	int64_t ignored;
	if (v.at[v.n - 1] == 'i')
		return whole(number, true, &ignored) ? REC_OK : REC_BAD_NUMBER;
	if (v.at[v.n - 1] == 'u') {
		seen->counts = true;
		return whole(number, false, &ignored) ? REC_OK : REC_BAD_NUMBER;
	}
	if (strchr("tTfF", *v.at)) {
		for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
			if (is_word(v, flags[i]))
				return REC_OK;
		return REC_BAD_NUMBER;
	}
	return check_real(v);
}

/* A string in quotes; \" and \\ are the only escapes. */
static enum rec_bad check_string(const char **p, const char *end)
{
	const char *q = *p + 1;

	while (q < end && *q != '"')
		q += *q == '\\' && q + 1 < end ? 2 : 1;
	if (q >= end || q - *p - 1 > TEXT_MAX)
		return REC_BAD_STRING;
	*p = q + 1;
	return REC_OK;
}

static enum rec_bad check_field(const char **p, const char *end, struct rec_seen *seen)
{
	struct span k = take(p, end, EQUALS | COMMA | SPACE);

	if (k.n == 0 || *p == end || **p != '=')
		return REC_BAD_FIELD;
	if (is_word(k, "time"))
		return REC_RESERVED;
	++*p;
	if (*p < end && **p == '"') {
		seen->strings = true;
		enum rec_bad bad = check_string(p, end);
		return bad == REC_OK && *p < end && **p != ',' && **p != ' ' ? REC_BAD_STRING : bad;
	}
	struct span v = {*p, 0};
	while (*p < end && **p != ',' && **p != ' ')
		++*p;
	v.n = (size_t)(*p - v.at);
	return check_value(v, seen);
}

static const char *skip_spaces(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

static enum rec_bad check_time(const char *p, const char *end, struct rec_seen *seen)
{
	p = skip_spaces(p, end);
	while (end > p && end[-1] == ' ')
		end--;
	if (p == end)
		return REC_OK;
	struct span s = {p, (size_t)(end - p)};
	if (!whole(s, true, &seen->time))
		return REC_BAD_TIME;
	seen->timed = true;
	/* models.MinNanoTime and MaxNanoTime */
	return seen->time < INT64_MIN + 2 || seen->time > INT64_MAX - 1 ? REC_BAD_TIME : REC_OK;
}

/* Whether one of eight bytes is below 0x20 or 0x7f (a tab, or one above 0x7f, may be taken for such). */
static bool suspect(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t del = eight ^ (ones * 0x7f);

	return (((eight - ones * 0x20) & ~eight) | ((del - ones) & ~del)) & tops;
}

static bool any_control(const char *s, size_t n)
{
	size_t i = 0;
	uint64_t eight;

	for (; i + 8 <= n; i += 8) {
		memcpy(&eight, s + i, 8);
		if (suspect(eight))
			break;
	}
	for (; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

enum rec_bad rec_check(const char *line, size_t n, struct rec_seen *seen)
{
	const char *end = line + n, *p = skip_spaces(line, end), *start = p;
	enum rec_bad bad;

	*seen = (struct rec_seen){.time = 0};
	if (p == end || *p == '#')
		return REC_NOTHING;
	if (n > REC_LINE_MAX)
		return REC_TOO_LONG;
	if (any_control(line, n))
		return REC_CONTROL;
	if (take(&p, end, COMMA | SPACE).n == 0)
		return REC_NO_NAME;
	if ((bad = check_tags(&p, end)) != REC_OK)
		return bad;
	if (p - start > KEY_MAX)
		return REC_LONG_KEY;
	if ((p = skip_spaces(p, end)) == end)
		return REC_NO_FIELD;
	for (;;) {
		if ((bad = check_field(&p, end, seen)) != REC_OK)
			return bad;
		if (p == end || *p != ',')
			break;
		p++;
	}
	seen->body = (size_t)(p - line);
	return check_time(p, end, seen);
}

/* A number as check_value() takes it, with its suffix. */
static bool read_number(struct span s, double *v)
{
	char text[64];

	if (s.n > 0 && strchr("iu", s.at[s.n - 1]))
		s.n--;
	if (s.n >= sizeof text)
		return false;
	memcpy(text, s.at, s.n);
	text[s.n] = '\0';
	return conf_real(text, v) == 0;
}

bool rec_number(const char *line, const struct rec_seen *seen, const char *key, double *v)
{
	struct rec_seen ignored;
	const char *end = line + seen->body, *p = skip_spaces(line, end);

	(void)take(&p, end, COMMA | SPACE);
	if (check_tags(&p, end) != REC_OK)
		return false;
	p = skip_spaces(p, end);
	while (p < end) {
		struct span field = {p, 0};
		if (check_field(&p, end, &ignored) != REC_OK)
			return false;
		field.n = (size_t)(p - field.at);
		p += p < end;
		struct span k = take(&field.at, field.at + field.n, EQUALS);
		if (!is_word(k, key))
			continue;
		struct span value = {k.at + k.n + 1, field.n - k.n - 1};
		return read_number(value, v);
	}
	return false;
}
