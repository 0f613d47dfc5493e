/* conf.c - INI files, by inih */
#include "conf.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	const char *name, *at, *end;
	int line;
	conf_key *key;
	void *ctx;
	char *why;
	bool failed;
};

/* inih asks for lines as fgets gives them; counting here gives the line of each key. */
static char *next_line(char *buf, int size, void *ctx)
{
	struct reading *r = ctx;
	if (r->at == r->end || r->failed || size <= 1)
		return NULL;
	const char *nl = memchr(r->at, '\n', (size_t)(r->end - r->at));
	size_t n = (size_t)((nl ? nl + 1 : r->end) - r->at);

	r->line++;
	if (n >= (size_t)size || memchr(r->at, '\0', n)) {
		snprintf(r->why, CONF_WHY, "%s:%d: %s", r->name, r->line,
		    n >= (size_t)size ? "the line is too long"
				      : "a NUL byte: this is no text file");
		r->failed = true;
		return NULL;
	}
	memcpy(buf, r->at, n);
	buf[n] = '\0';
	r->at += n;
	return buf;
}

static int one_key(void *ctx, const char *section, const char *key, const char *value)
{
	struct reading *r = ctx;
	char why[CONF_WHY] = "";

	if (r->failed)
		return 0;
	if (r->key(r->ctx, section, key, value, r->line, why) == 0)
		return 1;
	snprintf(r->why, CONF_WHY, "%.100s:%d: %.140s", r->name, r->line, why);
	r->failed = true;
	return 0;
}

int conf_read(
    const char *name, const char *text, size_t n, conf_key *key, void *ctx, char why[CONF_WHY])
{
	struct reading r = {name, text, text + n, 0, key, ctx, why, false};

	int line = ini_parse_stream(next_line, &r, one_key, &r);
	if (r.failed)
		return -1;
	if (line != 0) {
		snprintf(why, CONF_WHY, "%.100s:%d: neither [section] nor key = value", name, line);
		return -1;
	}
	return 0;
}

int conf_int(const char *text, long long lo, long long hi, long long *v)
{
	const char *digits = text + (*text == '-' || *text == '+');
	int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
	char *end;

	if (!(*digits >= '0' && *digits <= '9'))
		return -1;
	errno = 0;
	*v = strtoll(text, &end, base);
	return errno || *end || *v < lo || *v > hi ? -1 : 0;
}

int conf_real(const char *text, double *v)
{
	char *end;

	if (!*text || strspn(text, "+-.0123456789eE") != strlen(text))
		return -1;
	errno = 0;
	*v = strtod(text, &end);
	return *end || !isfinite(*v) ? -1 : 0;
}
