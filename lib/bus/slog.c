/* slog.c - syslog records: frames in a stream, the parts of a record, and lines for people */
#include "slog.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"

#define COUNT_DIGITS 9
#define PRIORITY_MAX 191
#define WRAPPED      13 /* user.notice: what RFC 3164 says of records without a priority */

static const char *const severity[8] = {
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

/* ======== frames ======== */

/* The end of a line: LF, or NUL as glibc's syslog(3) sends it. */
static const char *line_end(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	const char *nul = memchr(p, '\0', lf ? (size_t)(lf - p) : n);

	return nul ? nul : lf;
}

static size_t pass_over(struct slog_stream *s, const char *p, size_t n)
{
	if (s->skip_line) {
		const char *end = line_end(p, n);
		s->skip_line = !end;
		return end ? (size_t)(end - p) + 1 : n;
	}
	size_t k = s->skip < n ? (size_t)s->skip : n;
	s->skip -= k;
	return k;
}

static size_t counted(struct slog_stream *s, const char *p, size_t n, size_t digits, uint64_t len,
    struct slog_frame *f)
{
	size_t head = digits + 1, have = n - head;
	size_t want = len < SLOG_MOST ? (size_t)len : SLOG_MOST;

	if (have < want)
		return 0;
	*f = (struct slog_frame){.text = p + head, .n = want, .cut = want < len};
	s->skip = len - want;
	return head + want;
}

size_t slog_frame(struct slog_stream *s, const char *p, size_t n, bool last, struct slog_frame *f)
{
	size_t digits = 0;

	*f = (struct slog_frame){.text = NULL};
	if (n == 0)
		return 0;
	if (s->skip || s->skip_line)
		return pass_over(s, p, n);
	if (*p == '\n' || *p == '\0' || *p == '\r')
		return 1;
	while (digits < n && digits <= COUNT_DIGITS && isdigit((unsigned char)p[digits]))
		digits++;
	if (digits == n && digits <= COUNT_DIGITS && !last)
		return 0;
	/* A count, unless what follows cannot be a record. */
	if (digits > 0 && digits <= COUNT_DIGITS && *p != '0' && digits < n && p[digits] == ' ') {
		if (digits + 1 == n)
			return 0;
		if (p[digits + 1] == '<')
			return counted(s, p, n, digits, strtoull(p, NULL, 10), f);
	}
	const char *end = line_end(p, n < SLOG_MOST ? n : SLOG_MOST);
	size_t len = end ? (size_t)(end - p) : n < SLOG_MOST ? n : SLOG_MOST;
	if (!end && n < SLOG_MOST && !last)
		return 0;
	f->cut = s->skip_line = !end && n >= SLOG_MOST;
	f->text = p;
	f->n = len > 0 && p[len - 1] == '\r' ? len - 1 : len;
	return end ? len + 1 : len;
}

/* ======== records ======== */

/* The next word; at most max printable bytes. */
static bool word(const char **p, const char *end, size_t max, struct slog_part *w)
{
	const char *q = *p;

	while (q < end && *q != ' ' && *q > 0x20 && *q < 0x7f)
		q++;
	size_t n = (size_t)(q - *p);
	if (n == 0 || n > max || q == end || *q != ' ')
		return false;
	*w = (struct slog_part){*p, n == 1 && **p == '-' ? 0 : n};
	*p = q + 1;
	return true;
}

/* [id name="value" ...][...], or -. Quotes inside values are escaped. */
static bool structured(const char **p, const char *end, struct slog_part *data)
{
	const char *q = *p;

	if (q < end && *q == '-') {
		*data = (struct slog_part){q, 0};
		*p = q + 1;
		return true;
	}
	while (q < end && *q == '[') {
		bool quoted = false;
		for (q++; q < end && (quoted || *q != ']'); q++) {
			if (quoted && *q == '\\' && q + 1 < end)
				q++;
			else if (*q == '"')
				quoted = !quoted;
		}
		if (q == end)
			return false;
		q++;
	}
	*data = (struct slog_part){*p, (size_t)(q - *p)};
	*p = q;
	return data->n > 0;
}

static bool priority(const char **p, const char *end, unsigned *v)
{
	const char *q = *p;

	*v = 0;
	if (q == end || *q++ != '<')
		return false;
	for (; q < end && isdigit((unsigned char)*q) && *v <= PRIORITY_MAX; q++)
		*v = *v * 10 + (unsigned)(*q - '0');
	if (q == end || *q != '>' || q == *p + 1 || *v > PRIORITY_MAX)
		return false;
	*p = q + 1;
	return true;
}

const char *slog_parse(const char *record, size_t n, struct slog *s)
{
	const char *p = record, *end = record + n;

	memset(s, 0, sizeof *s);
	if (!priority(&p, end, &s->priority))
		return "no priority";
	if (end - p < 2 || p[0] != '1' || p[1] != ' ')
		return "not version 1";
	p += 2;
	if (!word(&p, end, 64, &s->time) || !word(&p, end, 255, &s->host) ||
	    !word(&p, end, 48, &s->program) || !word(&p, end, 128, &s->process) ||
	    !word(&p, end, 32, &s->message_id))
		return "a head that is no RFC 5424";
	if (!structured(&p, end, &s->data))
		return "structured data that do not end";
	if (p < end && *p != ' ')
		return "structured data that run on";
	p += p < end;
	if (end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3; /* "this is UTF-8" */
	s->text = (struct slog_part){p, (size_t)(end - p)};
	return NULL;
}

/* Escapes what would break a line or a terminal; UTF-8 stays. */
static size_t escape(char *to, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char *q = to;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c >= 0x20 && c != 0x7f) {
			*q++ = (char)c;
			continue;
		}
		*q++ = '\\';
		*q++ = 'x';
		*q++ = hex[c >> 4];
		*q++ = hex[c & 15];
	}
	return (size_t)(q - to);
}

size_t slog_line(const char *record, size_t n, const char *host, int64_t now, char line[SLOG_LINE],
    bool *foreign)
{
	char when[TIM_TEXT];
	const char *p = record;
	struct slog s;
	unsigned v;
	size_t k = 0;

	if (n > SLOG_MOST)
		n = SLOG_MOST;
	*foreign = slog_parse(record, n, &s) != NULL;
	if (*foreign) {
		if (!priority(&p, record + n, &v))
			v = WRAPPED;
		k = (size_t)snprintf(line, 512, "<%u>1 %s %.255s - - - - ", v,
		    tim_text(now, 6, when), *host ? host : "-");
	}
	k += escape(line + k, p, n - (size_t)(p - record));
	line[k++] = '\n';
	return k;
}

static size_t put(char *to, struct slog_part w, const char *before, const char *after)
{
	if (w.n == 0)
		return 0;
	char *q = stpcpy(to, before);
	q += escape(q, w.p, w.n);
	return (size_t)(stpcpy(q, after) - to);
}

size_t slog_show(const struct slog *s, char line[SLOG_LINE])
{
	struct slog_part text = s->text;
	size_t k = put(line, s->time, "", " ");

	/* rsyslog leaves the blank after the colon of its tags. */
	while (text.n > 0 && *text.p == ' ')
		text = (struct slog_part){text.p + 1, text.n - 1};
	k += put(line + k, s->host, "", " ");
	k += put(line + k, s->program, "", s->message_id.n ? "" : " ");
	k += put(line + k, s->message_id, "[", "] ");
	k += (size_t)sprintf(line + k, "%s:", severity[s->priority & 7]);
	k += put(line + k, text, " ", "");
	k += put(line + k, s->data, " ", "");
	line[k++] = '\n';
	return k;
}

int slog_severity(const char *text)
{
	for (int i = 0; i < 8; i++)
		if (strcmp(text, severity[i]) == 0 || (text[0] == '0' + i && !text[1]))
			return i;
	return strcmp(text, "error") == 0 ? 3 : strcmp(text, "warn") == 0 ? 4 : -1;
}
