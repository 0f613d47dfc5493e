/* scopeset.c - settings of an oscilloscope: sent, read back, compared */
#include "dev/scope.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By how much a setting that was taken may differ: it is rounded to what the front panel shows. */
#define SAME    1e-3  /* of the value */
#define LEAST   1e-15 /* V or s */
#define ADAPTED 4     /* bit of the status byte: a value was out of range */

/* A number with a unit as LeCroy writes them; without one it is in V, S and so on. */
static bool to_number(const char *text, size_t n, double *v)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = {{"", 1}, {"V", 1}, {"S", 1}, {"HZ", 1}, {"PS", 1e-12}, {"NS", 1e-9},
	    {"US", 1e-6}, {"MS", 1e-3}, {"KS", 1e3}, {"NV", 1e-9}, {"UV", 1e-6}, {"MV", 1e-3},
	    {"KV", 1e3}, {"OHM", 1}};
	char copy[64], *end;

	if (n == 0 || n >= sizeof copy)
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (!isdigit((unsigned char)copy[strspn(copy, "+-.")])) /* not "inf", not "nan" */
		return false;
	*v = strtod(copy, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcasecmp(end, units[i].name) == 0) {
			*v *= units[i].factor;
			return true;
		}
	}
	return false;
}

static const char *skip_space(const char *p, size_t *n)
{
	while (*n > 0 && isspace((unsigned char)*p))
		p++, (*n)--;
	while (*n > 0 && isspace((unsigned char)p[*n - 1]))
		(*n)--;
	return p;
}

/* Whether want stands in have between commas: "C2,OFF" in "C1,OFF,C2,OFF,C3,OFF". */
static bool among(const char *want, const char *have)
{
	size_t n = strlen(want);

	for (const char *p = have; (p = strcasestr(p, want)); p++)
		if ((p == have || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

enum scope_set scope_compare(const char *want, const char *have)
{
	const char *whole = want, *all = have;
	enum scope_set result = SCOPE_SET_SAME;

	for (bool more = true; more;) {
		size_t nw = strcspn(want, ","), nh = strcspn(have, ","), kw = nw, kh = nh;
		const char *w = skip_space(want, &kw), *h = skip_space(have, &kh);
		double a, b;
		if (to_number(w, kw, &a) && to_number(h, kh, &b)) {
			if (fabs(a - b) > SAME * fabs(a) + LEAST)
				return SCOPE_SET_ADAPTED;
		} else if (kw != kh || strncasecmp(w, h, kw) != 0) {
			result = SCOPE_SET_OTHER;
		}
		more = want[nw];
		if (more && !have[nh])
			result = SCOPE_SET_OTHER;
		want += nw + more;
		have += nh + (have[nh] == ',');
	}
	return result == SCOPE_SET_OTHER && among(whole, all) ? SCOPE_SET_SAME : result;
}

/* What has no question, or one that takes other arguments. */
static bool is_action(const char *header)
{
	static const char *const names[] = {"WAIT", "STO", "DEL", "DIR", "FLNM", "VBS", "WFTX",
	    "CLSW", "MSG", "RCL", "RCPN", "STPN"};
	const char *colon = strchr(header, ':');
	const char *name = colon ? colon + 1 : header;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return header[0] == '*';
}

/* After a header that is sent back, "TDIV 1E-7 S", what stands behind it. */
const char *scope_without_header(const char *answer, const char *header)
{
	size_t n = strlen(header);

	return strncasecmp(answer, header, n) == 0 && answer[n] == ' ' ? answer + n + 1 : answer;
}

/* Asks for what `text`, a command of which `header` is the first word, has set. */
static enum scope_set read_back(
    struct scope *s, const char *text, const char *header, char back[SCOPE_TEXT])
{
	char question[72];

	snprintf(question, sizeof question, "%s?", header);
	if (scope_ask(s, question, back) < 0) {
		if (errno == ETIMEDOUT && vxi11_is_open(&s->link))
			scope_fail(s, EPROTO,
			    "%.60s: the oscilloscope does not know it: %s has no answer", text,
			    question);
		return SCOPE_SET_FAILED;
	}
	const char *value = scope_without_header(back, header);
	memmove(back, value, strlen(value) + 1);
	return scope_compare(text + strlen(header) + 1, back);
}

enum scope_set scope_set(struct scope *s, const char *text, char back[SCOPE_TEXT])
{
	char header[64];
	size_t n = strcspn(text, " ");
	long status;

	back[0] = '\0';
	if (strchr(text, '?'))
		return scope_ask(s, text, back) < 0 ? SCOPE_SET_FAILED : SCOPE_SET_ANSWER;
	if (n >= sizeof header)
		return (enum scope_set)scope_fail(s, EPROTO, "'%.60s...' is no command", text);
	memcpy(header, text, n);
	header[n] = '\0';
	/* Not sent twice: it could be STO. */
	if (vxi11_write(&s->link, text, strlen(text), s->o->patience) < 0)
		return (enum scope_set)scope_broken(s, text);
	if (!text[n] || is_action(header))
		return SCOPE_SET_DONE;
	if (scope_ask_number(s, "*STB?", &status) < 0)
		return SCOPE_SET_FAILED;
	enum scope_set result = read_back(s, text, header, back);
	return result == SCOPE_SET_OTHER && (status & ADAPTED) ? SCOPE_SET_ADAPTED : result;
}

int scope_segments(struct scope *s, int64_t n)
{
	char text[48], back[SCOPE_TEXT];

	if (n > 1)
		snprintf(text, sizeof text, "SEQ ON,%lld", (long long)n);
	else
		snprintf(text, sizeof text, "SEQ OFF");
	if (scope_command(s, text) < 0)
		return -1;
	enum scope_set got = read_back(s, text, "SEQ", back);
	if (got == SCOPE_SET_SAME || got == SCOPE_SET_FAILED)
		return got == SCOPE_SET_SAME ? 0 : -1;
	return scope_fail(s, EPROTO, "%s: the oscilloscope has 'SEQ %.60s' instead", text, back);
}

/* ---- a file of them ---- */

/* The next command of a line, up to ; outside quotes; NULL: none. Spaces around it are taken off. */
static char *next_command(char **line)
{
	char *from = *line, *p, quote = '\0';

	if (!from)
		return NULL;
	for (p = from; *p && (quote || *p != ';'); p++) {
		if (quote)
			quote = *p == quote ? '\0' : quote;
		else if (*p == '\'' || *p == '"')
			quote = *p;
	}
	*line = *p ? p + 1 : NULL;
	*p = '\0';
	from += strspn(from, " \t");
	for (size_t n = strlen(from); n > 0 && isspace((unsigned char)from[n - 1]);)
		from[--n] = '\0';
	return from;
}

int scope_setup(struct scope *s, char *text, scope_show *show)
{
	char back[SCOPE_TEXT], *line, *command;
	int lines = 0;

	while ((line = strsep(&text, "\r\n"))) {
		if (line[strspn(line, " \t")] == '#')
			continue;
		while ((command = next_command(&line))) {
			if (!*command)
				continue;
			enum scope_set got = scope_set(s, command, back);
			if (got == SCOPE_SET_FAILED && errno != EPROTO)
				return -1;
			show(command, got, got == SCOPE_SET_FAILED ? s->why : back);
			lines++;
		}
	}
	return lines;
}
