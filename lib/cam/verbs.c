/* verbs.c - the sequencer's commands: one table for server, client, help and scripts */
#include "cam/verbs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "cam/codes.h"

#define SECONDS_MOST 100000.0
#define COUNT_MOST   9999

/* Kinds: s seconds from 0, a seconds of either sign, n count 1 to 9999, p pixels from 1, c degrees C,
 * o on or off, l amplifier's letters, d date code, x text for a card, m file name, w state,
 * v any word. */
/* clang-format off */
static const struct verb table[] = {
    {VERB_EXPOSE, "expose", NULL, "[SECONDS]", 0, 1, "s", VERB_T | VERB_F, true,
	"take an image; SECONDS as set by tint when left out"},
    {VERB_EXPOSE, "exp", "expose", "[SECONDS]", 0, 1, "s", VERB_T | VERB_F, true, "the same as expose"},
    {VERB_DARK, "dark", NULL, "[SECONDS]", 0, 1, "s", VERB_T | VERB_F, true,
	"the same with the shutter closed; 0 is a bias"},
    {VERB_MEXPOSE, "mexpose", NULL, "[SECONDS [COUNT]]", 0, 2, "sn", VERB_T | VERB_F, true,
	"take COUNT images (as set by mult), the time first"},
    {VERB_MEXPOSE, "mexp", "mexpose", "[SECONDS [COUNT]]", 0, 2, "sn", VERB_T | VERB_F, true,
	"the same as mexpose"},
    {VERB_MDARK, "mdark", NULL, "[SECONDS [COUNT]]", 0, 2, "sn", VERB_T | VERB_F, true,
	"mexpose with the shutter closed"},
    {VERB_ABORT, "abort", NULL, "", 0, 0, "", 0, true, "end the exposure and throw it away"},
    {VERB_ADDTIME, "addtime", NULL, "SECONDS", 1, 1, "a", 0, true,
	"make the running exposure longer (or shorter: -30)"},
    {VERB_READOUT, "readout", NULL, "", 0, 0, "", 0, true, "end the exposure now and keep it"},
    {VERB_HOLD, "hold", NULL, "", 0, 0, "", 0, true, "close the shutter during the exposure"},
    {VERB_RESUME, "resume", NULL, "", 0, 0, "", 0, true, "open it again"},
    {VERB_SAVE, "save", NULL, "", 0, 0, "", 0, true, "write the image in memory to the next file"},
    {VERB_BIN, "bin", NULL, "N [M]", 1, 2, "pp", 0, true, "binning of both axes, or of columns and rows"},
    {VERB_XBIN, "xbin", NULL, "N", 1, 1, "p", 0, true, "binning along the rows"},
    {VERB_YBIN, "ybin", NULL, "N", 1, 1, "p", 0, true, "binning along the columns"},
    {VERB_XBEG, "xbeg", NULL, "N", 1, 1, "p", 0, true, "first column of the window, from 1"},
    {VERB_YBEG, "ybeg", NULL, "N", 1, 1, "p", 0, true, "first row of the window, from 1"},
    {VERB_XSIZE, "xsize", NULL, "N", 1, 1, "p", 0, true, "columns of the window, unbinned"},
    {VERB_YSIZE, "ysize", NULL, "N", 1, 1, "p", 0, true, "rows of the window, unbinned"},
    {VERB_RESETXY, "resetxy", NULL, "", 0, 0, "", 0, true, "whole detector, binning 1x1"},
    {VERB_DEFAULTS, "defaults", NULL, "", 0, 0, "", 0, true,
	"all settings but temperature and cooler back to the defaults"},
    {VERB_AMPL, "ampl", NULL, "X", 1, 1, "l", 0, true, "amplifier: A, B ..."},
    {VERB_GAINH, "gainh", NULL, "", 0, 0, "", 0, true, "high gain, slow read-out"},
    {VERB_GAINL, "gainl", NULL, "", 0, 0, "", 0, true, "low gain, fast read-out"},
    {VERB_TEMP, "temp", NULL, "[CELSIUS]", 0, 1, "c", 0, true,
	"read the temperature, or set it and switch the cooler on"},
    {VERB_COOLER, "cooler", NULL, "on|off", 1, 1, "o", 0, true, "switch the cooler"},
    {VERB_AUTOSAVE_ON, "autosave_on", NULL, "", 0, 0, "", 0, true, "write each image to a file"},
    {VERB_AUTOSAVE_OFF, "autosave_off", NULL, "", 0, 0, "", 0, true, "keep it in memory until save"},
    {VERB_BEEP_ON, "beep_on", NULL, "", 0, 0, "", 0, true, "the client beeps after read-out"},
    {VERB_BEEP_OFF, "beep_off", NULL, "", 0, 0, "", 0, true, "it does not"},
    {VERB_COMMENT, "comment", NULL, "TEXT", 1, 1, "x", 0, true, "FITS COMMENT of the next image only"},
    {VERB_COMMENT1, "comment1", NULL, "TEXT", 1, 1, "x", 0, true, "FITS COMMENT until it is changed"},
    {VERB_OBJECT, "object", NULL, "TEXT", 1, 1, "x", 0, true, "FITS OBJECT"},
    {VERB_IMAGETYPE, "imagetype", NULL, "TEXT", 1, 1, "x", 0, true,
	"FITS IMAGETYP: OBJECT, FLAT ...; \"\" for what fits"},
    {VERB_FILENAME, "filename", NULL, "NNNN", 1, 1, "d", 0, true, "4 characters for the date in file names"},
    {VERB_FILENAMESTD, "filenamestd", NULL, "", 0, 0, "", 0, true, "the date of the night again"},
    {VERB_TINT, "tint", NULL, "[SECONDS]", 0, 1, "s", 0, true, "seconds of an exposure without argument"},
    {VERB_MULT, "mult", NULL, "[COUNT]", 0, 1, "n", 0, true, "count of a mexpose without argument"},
    {VERB_LOG_COMMENT, "log-comment", NULL, "TEXT [FILE...]", 1, VERB_ARGS, "xm", 0, true,
	"add LOGCOMME to files, or to the last one of the night"},
    {VERB_WAIT, "wait-camera-state", NULL, "STATE [SECONDS]", 1, 2, "ws", 0, true,
	"wait for idle, integrating, readout, pending or not-integrating (3600)"},
    {VERB_STATUS, "status", NULL, "", 0, 0, "", 0, true, "everything seqd knows"},
    {VERB_HELP, "help", NULL, "[VERB]", 0, 1, "v", 0, true, "all commands, or one"},
    {VERB_VERSION, "version", NULL, "", 0, 0, "", 0, false, "of the protocol and the program"},
    {VERB_QUIT, "quit", NULL, "", 0, 0, "", 0, false, "close the connection"},
};
/* clang-format on */

const struct verb *verb_row(size_t i)
{
	return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* Whether b comes from a by one letter wrong, missing, too many, or two exchanged. */
static bool one_off(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	if (!*a && !*b)
		return true;
	return (*a && *b && strcmp(a + 1, b + 1) == 0) || (*a && strcmp(a + 1, b) == 0) ||
	    (*b && strcmp(a, b + 1) == 0) ||
	    (a[0] && a[1] && a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0);
}

char *verb_close(const char *name, char *buf, size_t size)
{
	size_t k = 0, len = strlen(name);

	*buf = '\0';
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const char *v = table[i].name;
		bool near = one_off(name, v) || (len >= 2 && strncmp(name, v, len) == 0) ||
		    (len >= 3 && strstr(v, name));
		int n =
		    near && k < size ? snprintf(buf + k, size - k, "%s%s", k ? ", " : "", v) : 0;
		if (k + (size_t)n >= size)
			buf[k] = '\0';
		else
			k += (size_t)n;
	}
	return buf;
}

char *verb_usage(const struct verb *v, char *buf, size_t size)
{
	snprintf(buf, size, "%s [-d]%s%s%s%s", v->name, v->options & VERB_T ? " [-t]" : "",
	    v->options & VERB_F ? " [-f]" : "", *v->args ? " " : "", v->args);
	return buf;
}

/* ---- arguments ---- */

double verb_real(const char *text)
{
	double v = 0;

	(void)conf_real(text, &v);
	return v;
}

int verb_int(const char *text)
{
	long long v = 0;

	(void)conf_int(text, INT_MIN, INT_MAX, &v);
	return (int)v;
}

/* A plain decimal number: conf_real() would take more (hexadecimal, inf). */
static bool real_in(const char *text, double lo, double hi)
{
	double v;

	return text[strspn(text, "+-.0123456789eE")] == '\0' && conf_real(text, &v) == 0 &&
	    v >= lo && v <= hi;
}

static bool int_in(const char *text, int lo, int hi)
{
	long long v;

	return text[strspn(text, "0123456789")] == '\0' && conf_int(text, lo, hi, &v) == 0;
}

static bool is_state(const char *text)
{
	static const char *const states[] = {
	    "idle", "integrating", "readout", "pending", "not-integrating"};

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(states[i], text) == 0)
			return true;
	return false;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char file_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/* NULL: good; else what was expected. */
static const char *wrong(char kind, const char *text)
{
	size_t n = strlen(text);

	switch (kind) {
	case 's':
		return real_in(text, 0, SECONDS_MOST) ? NULL : "seconds from 0 to 100000";
	case 'a':
		return real_in(text, -SECONDS_MOST, SECONDS_MOST) ? NULL : "seconds, also negative";
	case 'n':
		return int_in(text, 1, COUNT_MOST) ? NULL : "a count from 1 to 9999";
	case 'p':
		return int_in(text, 1, INT_MAX) ? NULL : "a whole number from 1";
	case 'c':
		return real_in(text, -200, 100) ? NULL : "a temperature in Celsius";
	case 'o':
		return !strcmp(text, "on") || !strcmp(text, "off") ? NULL : "on or off";
	case 'l':
		return n >= 1 && n <= 2 && strspn(text, letters) == n ? NULL : "a letter: A, B ...";
	case 'd':
		return n == 4 && strspn(text, file_letters) == n
		    ? NULL
		    : "4 letters, digits, _ or - (the date code, as Jk20)";
	case 'x':
		return n <= VERB_TEXT ? NULL : "a text of at most 68 characters";
	case 'm':
		return n >= 1 && n <= 64 && text[0] != '.' && text[0] != '-' &&
			strspn(text,
			    "._-+ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789") == n
		    ? NULL
		    : "the name of a file in seqd's folder";
	case 'w':
		return is_state(text)
		    ? NULL
		    : "one of idle, integrating, readout, pending, not-integrating";
	default:
		return NULL;
	}
}

unsigned verb_check(const struct verb_request *r, char why[VERB_WHY])
{
	const struct verb *v = r->verb;
	const char *kind = v->kinds;
	char usage[128];

	if (r->n < v->min || r->n > v->max) {
		snprintf(why, VERB_WHY, "%s: %s; usage: %s", v->name,
		    r->n > v->max ? "too many arguments" : "an argument is missing",
		    verb_usage(v, usage, sizeof usage));
		return SEQ_NARGS;
	}
	if ((r->t && !(v->options & VERB_T)) || (r->f && !(v->options & VERB_F))) {
		snprintf(why, VERB_WHY, "%s: has no option -%c; usage: %s", v->name,
		    r->f && !(v->options & VERB_F) ? 'f' : 't', verb_usage(v, usage, sizeof usage));
		return SEQ_NARGS;
	}
	for (int i = 0; i < r->n; i++) {
		const char *expected = wrong(*kind, r->arg[i]);
		if (expected) {
			snprintf(
			    why, VERB_WHY, "%s: '%.80s' is not %s", v->name, r->arg[i], expected);
			return SEQ_RANGE;
		}
		if (kind[1])
			kind++;
	}
	return SEQ_OK;
}

/* ---- the line ---- */

/* Takes one word off *line into *to. 1 a word, 0 the end, -1 with why. */
static int word(const char **line, const char *end, char **to, bool *quoted, char why[VERB_WHY])
{
	const char *p = *line;

	while (p < end && *p == ' ')
		p++;
	if (p == end)
		return 0;
	*quoted = *p == '"';
	if (*quoted)
		p++;
	while (p < end && (*quoted ? *p != '"' : *p != ' ')) {
		if (!*quoted && *p == '"') {
			snprintf(why, VERB_WHY, "a quote in the middle of a word");
			return -1;
		}
		if (*quoted && *p == '\\' && (++p == end || (*p != '"' && *p != '\\'))) {
			snprintf(why, VERB_WHY, "in quotes only \\\" and \\\\ follow a backslash");
			return -1;
		}
		*(*to)++ = *p++;
	}
	if (*quoted && (p == end || (p + 1 < end && p[1] != ' '))) {
		snprintf(why, VERB_WHY,
		    p == end ? "the closing quote is missing" : "text sticks to a closing quote");
		return -1;
	}
	*(*to)++ = '\0';
	*line = *quoted ? p + 1 : p;
	return 1;
}

static bool is_option(const char *text, struct verb_request *r)
{
	if (text[0] != '-' || !text[1] || text[2] || !strchr("tfd", text[1]))
		return false;
	*(text[1] == 't' ? &r->t : text[1] == 'f' ? &r->f : &r->d) = true;
	return true;
}

unsigned verb_parse(const char *line, size_t n, struct verb_request *r, char why[VERB_WHY])
{
	const char *end = line + n, *name = NULL;
	char *to = r->words, close[200];
	bool quoted;
	int got;

	r->verb = NULL;
	r->t = r->f = r->d = false;
	r->n = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line[i];
		if (c < 0x20 || c > 0x7e) {
			snprintf(
			    why, VERB_WHY, "byte 0x%02x in a request: only ASCII text is taken", c);
			return SEQ_LINE;
		}
	}
	if (n > VERB_LINE) {
		snprintf(why, VERB_WHY, "the line is longer than %d bytes", VERB_LINE);
		return SEQ_LINE;
	}
	for (const char *start = to; (got = word(&line, end, &to, &quoted, why)) > 0; start = to) {
		if (!name) {
			name = start;
		} else if (!quoted && is_option(start, r)) {
			continue;
		} else if (r->n == VERB_ARGS) {
			snprintf(why, VERB_WHY, "more than %d arguments", VERB_ARGS);
			return SEQ_NARGS;
		} else {
			r->arg[r->n++] = start;
		}
	}
	if (got < 0)
		return SEQ_LINE;
	if (!name) {
		snprintf(why, VERB_WHY, "an empty line");
		return SEQ_LINE;
	}
	r->verb = verb_find(name);
	if (!r->verb) {
		verb_close(name, close, sizeof close);
		snprintf(why, VERB_WHY, "%.40s: %s%s", name,
		    *close ? "did you mean " : "no such command", close);
		return SEQ_UNKNOWN;
	}
	return verb_check(r, why);
}

bool verb_add(char line[VERB_LINE + 1], const char *text)
{
	size_t k = strlen(line);
	bool quote = !*text || strpbrk(text, " \"\\") || (text[0] == '-' && strchr("tfd", text[1]));

	if (k + 2 * strlen(text) + 4 > VERB_LINE)
		return false;
	if (k)
		line[k++] = ' ';
	if (quote)
		line[k++] = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			line[k++] = '\\';
		line[k++] = *text;
	}
	if (quote)
		line[k++] = '"';
	line[k] = '\0';
	return true;
}
