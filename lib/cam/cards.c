/* cards.c - FITS keywords from a text file */
#include "cam/cards.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"

#define QUOTED 70 /* a text of 68 characters between its quotes: what a card of 80 holds */
#define WORD   30 /* a number: more digits say nothing */

#define fail(why, ...) why_fail(why, CARDS_WHY, errno, __VA_ARGS__)

/* Keywords that seqd writes itself, or that would change what a file means. */
static const char *const ours[] = {"CLKSTEP", "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2",
    "EXTEND", "BSCALE", "BZERO", "BLANK", "END", "COMMENT", "HISTORY", "CONTINUE", "DATE",
    "DATE-OBS", "DATE-AVG", "TIMESYS", "FILENAME", "OBJECT", "IMAGETYP", "EXPTIME", "EXPREQ",
    "DARKTIME", "TM_START", "TM_END", "CCDTEMP", "SET-TEMP", "TEMPSTAT", "XBINNING", "YBINNING",
    "DETXBIN", "DETYBIN", "DETWIN1", "LTV1", "LTV2", "LTM1_1", "LTM2_2", "SHUTTER", "BACKEND",
    "SWCREATE", "SIMULATE", "ABORTED", "TELSTAT", "CHECKSUM", "DATASUM", "LOGCOMME", "XTENSION",
    "PCOUNT", "GCOUNT", "GROUPS", "AMPLIFIE", "GAINMODE", "CAMERA", "CAMSER", "READTIME"};

static bool is_ours(const char *key)
{
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strcmp(ours[i], key) == 0)
			return true;
	return false;
}

static size_t skip_blanks(const char *p, size_t at, size_t n)
{
	while (at < n && (p[at] == ' ' || p[at] == '\t'))
		at++;
	return at;
}

/* 'text' from p[at]; past it in *end. */
static const char *take_text(const char *p, size_t at, size_t n, char value[72], size_t *end)
{
	size_t k = 0;

	value[k++] = '\'';
	for (at++; at < n; at++) {
		if (p[at] == '\'' && (at + 1 == n || p[at + 1] != '\''))
			break;
		if (k + 3 > QUOTED)
			return "text of more than 68 characters";
		if (p[at] == '\'')
			value[k++] = p[at++];
		value[k++] = p[at];
	}
	if (at >= n)
		return "the closing quote is missing";
	value[k++] = '\'';
	value[k] = '\0';
	*end = at + 1;
	return NULL;
}

static const char *take_word(const char *p, size_t at, size_t n, char value[72], size_t *end)
{
	size_t k = 0;
	double v;

	while (at < n && p[at] != ' ' && p[at] != '\t' && p[at] != '/' && k < WORD)
		value[k++] = p[at++];
	value[k] = '\0';
	*end = at;
	if (strcmp(value, "T") == 0 || strcmp(value, "F") == 0)
		return NULL;
	if (value[strspn(value, "+-.0123456789eE")] || conf_real(value, &v) < 0)
		return "the value is no number, T, F or 'text'";
	for (char *e = value; *e; e++)
		*e = *e == 'e' ? 'E' : *e; /* FITS knows the capital only */
	return NULL;
}

/* NULL: taken, or nothing to take (an empty line). */
static const char *take(const char *p, size_t n, struct cards *c)
{
	struct card_line *to = &c->card[c->n];
	size_t at = skip_blanks(p, 0, n), k = 0;
	const char *bad;

	if (at == n || p[at] == '#')
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] > 0x7e || ((unsigned char)p[i] < 0x20 && p[i] != '\t'))
			return "a byte that FITS does not know";
	while (at < n && k < 8 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", p[at]))
		to->key[k++] = p[at++];
	to->key[k] = '\0';
	at = skip_blanks(p, at, n);
	if (k == 0 || at == n || p[at] != '=')
		return "no keyword (1 to 8 of A-Z 0-9 - _, then =)";
	if (is_ours(to->key))
		return "the keyword is seqd's own";
	for (int i = 0; i < c->n; i++)
		if (strcmp(c->card[i].key, to->key) == 0)
			return "the keyword is there twice";
	at = skip_blanks(p, at + 1, n);
	bad = at < n && p[at] == '\'' ? take_text(p, at, n, to->value, &at)
				      : take_word(p, at, n, to->value, &at);
	if (bad)
		return bad;
	at = skip_blanks(p, at, n);
	if (at < n && p[at] != '/')
		return "more behind the value";
	at = at < n ? skip_blanks(p, at + 1, n) : n;
	snprintf(to->comment, sizeof to->comment, "%.*s", (int)(n - at), p + at);
	for (char *t = to->value; *t; t++)
		*t = *t == '\t' ? ' ' : *t;
	for (char *t = to->comment; *t; t++)
		*t = *t == '\t' ? ' ' : *t;
	c->n++;
	return NULL;
}

int cards_parse(const char *text, size_t n, struct cards *c, char why[CARDS_WHY])
{
	int left_out = 0, line = 0;

	c->n = 0;
	for (size_t at = 0, len; at < n; at += len + 1) {
		const char *end = memchr(text + at, '\n', n - at);
		len = end ? (size_t)(end - text) - at : n - at;
		line++;
		size_t m = len > 0 && text[at + len - 1] == '\r' ? len - 1 : len;
		const char *bad = c->n == CARDS_MAX ? "too many keywords" : take(text + at, m, c);
		if (bad && !left_out++)
			snprintf(why, CARDS_WHY, "line %d: %s", line, bad);
	}
	return left_out;
}

int cards_read(const char *path, int64_t age, int64_t now, struct cards *c, char why[CARDS_WHY])
{
	static char text[CARDS_FILE];
	char left[CARDS_WHY], old[TIM_TEXT];
	struct stat st;

	c->n = 0;
	/* A FIFO or a device in its place must not make an exposure wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fail(why, "%.120s: %s", path, strerror(errno));
	ssize_t n = -1;
	int bad = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
	if (!bad)
		n = io_readall(fd, text, sizeof text);
	close(fd);
	if (bad || n < 0)
		return fail(why, "%.120s: %s", path, bad ? "is no ordinary file" : strerror(errno));
	if (n == sizeof text)
		return fail(why, "%.120s: is longer than %d bytes", path, CARDS_FILE);
	int left_out = cards_parse(text, (size_t)n, c, left);
	if (c->n == 0)
		return fail(why, "%.120s: holds no keywords", path);
	int64_t written = st.st_mtim.tv_sec * TIM_S + st.st_mtim.tv_nsec;
	if (age > 0 && now - written > age) {
		(void)fail(
		    why, "%.120s: is %s old", path, tim_span((now - written) / TIM_S * TIM_S, old));
		return 1;
	}
	if (left_out)
		(void)fail(why, "%.120s: %d lines left out, %.80s", path, left_out, left);
	return left_out > 0;
}
