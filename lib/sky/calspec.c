/* calspec.c - one text file for channels, variables and conversions */
#include "sky/calspec.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/conf.h"
#include "base/io.h"
#include "sky/hk.h"
#include "sky/plog.h"

#define FILE_MAX   (1 << 20)
#define LINE_MAX_  1024
#define WORDS_MAX  64
#define TABLE_FILE (1 << 18)

struct reader {
	struct calspec *c;
	const char *name;
	int line;
	struct cal_mistake *mistakes;
	int n;
	int nwords;
	char *word[WORDS_MAX];
};

static int mistake(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int mistake(struct reader *r, const char *format, ...)
{
	va_list ap;

	if (r->n == CAL_MISTAKES)
		return -1;
	struct cal_mistake *m = &r->mistakes[r->n++];
	m->line = r->line;
	va_start(ap, format);
	vsnprintf(m->why, CAL_WHY, format, ap);
	va_end(ap);
	return -1;
}

/* ---- words ---- */

/* Splits a line into words; "..." is one word, # begins a comment. */
static int split(struct reader *r, char *s)
{
	r->nwords = 0;
	for (;;) {
		while (*s == ' ' || *s == '\t' || *s == '\r')
			s++;
		if (!*s || *s == '#')
			return 0;
		if (r->nwords == WORDS_MAX)
			return mistake(r, "more than %d words", WORDS_MAX);
		bool quoted = *s == '"';
		char *word = quoted ? ++s : s;
		r->word[r->nwords++] = word;
		s += quoted ? strcspn(s, "\"") : strcspn(s, " \t\r");
		if (quoted && !*s)
			return mistake(r, "the text that begins with a quote has no end");
		if (!*s)
			return 0;
		*s++ = '\0';
	}
}

static bool number(const char *s, double *v)
{
	return conf_real(s, v) == 0;
}

/* ---- set ---- */

static const struct {
	const char *key;
	size_t at;
	double lo, hi;
} reals[] = {
    {"adc_volts", offsetof(struct calspec, adc_volts), 1e-6, 1e6},
    {"ttl_low", offsetof(struct calspec, ttl_low), -100, 100},
    {"ttl_high", offsetof(struct calspec, ttl_high), -100, 100},
    {"longitude", offsetof(struct calspec, longitude), -360, 360},
    {"latitude", offsetof(struct calspec, latitude), -90, 90},
    {"height", offsetof(struct calspec, height), -500, 9000},
    {"dut1", offsetof(struct calspec, dut1), -1, 1},
    {"clock_rate", offsetof(struct calspec, clock_rate), -1000, 1000},
    {"clock_search", offsetof(struct calspec, clock_search), 1, 1800},
    {"channel_delay", offsetof(struct calspec, channel_delay), 0, 1e-3},
};

static int set_whole(struct reader *r, const char *key, const char *value, int lo, int hi, int *to)
{
	long long v;

	if (conf_int(value, lo, hi, &v) < 0)
		return mistake(
		    r, "%s: '%s' is not a whole number from %d to %d", key, value, lo, hi);
	*to = (int)v;
	return 0;
}

static int set_key(struct reader *r)
{
	struct calspec *c = r->c;

	if (r->nwords != 3)
		return mistake(r, "a line of this kind is: set KEY VALUE");
	const char *key = r->word[1], *value = r->word[2];
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
		double v;
		if (strcmp(reals[i].key, key) != 0)
			continue;
		if (!number(value, &v) || v < reals[i].lo || v > reals[i].hi)
			return mistake(r, "%s: '%s' is not a number from %g to %g", key, value,
			    reals[i].lo, reals[i].hi);
		memcpy((char *)c + reals[i].at, &v, sizeof v);
		c->have_dut1 |= !strcmp(key, "dut1");
		return 0;
	}
	if (!strcmp(key, "site")) {
		snprintf(c->site, sizeof c->site, "%s", value);
		return 0;
	}
	if (!strcmp(key, "channels"))
		return set_whole(r, key, value, 1, CAL_CHANNELS, &c->das.channels);
	if (!strcmp(key, "rate"))
		return set_whole(r, key, value, 1, 1000, &c->das.rate);
	if (!strcmp(key, "byte_order")) {
		c->das.little = !strcmp(value, "little");
		return c->das.little || !strcmp(value, "big")
		    ? 0
		    : mistake(r, "byte_order: '%s' is neither big nor little", value);
	}
	if (!strcmp(key, "header")) {
		int bytes = -1;
		if (strcmp(value, "auto") != 0 && set_whole(r, key, value, 0, 1 << 20, &bytes) < 0)
			return -1;
		c->das.header = bytes;
		return 0;
	}
	return mistake(r, "%s: there is no such key", key);
}

/* ---- sources ---- */

static int log_field(struct reader *r, const char *s, struct cal_field *f)
{
	static const char *const names[PLOG_FIELDS] = {
	    "lst", "ra", "dec", "pa", "x_offset", "y_offset", "az", "el", "eaz", "eel"};
	static const struct {
		const char *prefix;
		int byte, first; /* in.1 and out.1 are bit 0 */
	} flags[] = {{"in.", 0, 1}, {"out.", 1, 1}, {"b10.", 2, 0}, {"b11.", 3, 0}};

	for (int i = 0; i < PLOG_FIELDS; i++)
		if (!strcmp(names[i], s)) {
			*f = (struct cal_field){.index = i};
			return 0;
		}
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		size_t n = strlen(flags[i].prefix);
		if (strncmp(s, flags[i].prefix, n) != 0 || strlen(s) != n + 1)
			continue;
		int bit = s[n] - '0' - flags[i].first;
		if (bit < 0 || bit > 7)
			return mistake(r, "%s: the bits are %s%d to %s%d", s, flags[i].prefix,
			    flags[i].first, flags[i].prefix, flags[i].first + 7);
		*f = (struct cal_field){.flag = true, .index = flags[i].byte, .bit = bit};
		return 0;
	}
	return mistake(r, "%.60s: the pointing log has no such field", s);
}

static int one_channel(struct reader *r, const char *s, int *channel)
{
	long long v;

	if (conf_int(s, 0, r->c->das.channels - 1, &v) < 0)
		return mistake(
		    r, "'%.40s' is not a channel: they are 0 to %d", s, r->c->das.channels - 1);
	*channel = (int)v;
	return 0;
}

static int das_channels(struct reader *r, char *s, struct cal_var *v)
{
	bool seen[CAL_CHANNELS] = {false};
	char *save, *part;

	v->channel = calloc(CAL_CHANNELS, sizeof *v->channel);
	if (!v->channel)
		return mistake(r, "out of memory");
	for (part = strtok_r(s, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		char *dash = strchr(part, '-');
		int from, to;
		if (dash)
			*dash++ = '\0';
		if (one_channel(r, part, &from) < 0 || one_channel(r, dash ? dash : part, &to) < 0)
			return -1;
		if (to < from)
			return mistake(r, "channels %d-%d run backwards", from, to);
		for (int k = from; k <= to; k++) {
			if (seen[k])
				return mistake(r, "channel %d stands here twice", k);
			seen[k] = true;
			v->channel[v->nchannels++] = (uint16_t)k;
		}
	}
	return v->nchannels ? 0 : mistake(r, "no channels");
}

static int read_source(struct reader *r, struct cal_var *v)
{
	const char *kind = r->word[1];

	if (!strcmp(kind, "das")) {
		v->source = CAL_DAS;
		return das_channels(r, r->word[2], v);
	}
	if (!strcmp(kind, "log")) {
		v->source = CAL_LOG;
		return log_field(r, r->word[2], &v->field);
	}
	if (!strcmp(kind, "hk")) {
		v->source = CAL_HK;
		v->column = hk_find(r->word[2]);
		return v->column >= 0
		    ? 0
		    : mistake(r, "%s: the housekeeping log has no such column", r->word[2]);
	}
	return mistake(r, "%s: a source is das, log or hk", kind);
}

/* ---- conversions ---- */

/* A table's path is relative to the specification's folder. */
static void beside(const char *name, const char *file, char *to, size_t size)
{
	const char *slash = strrchr(name, '/');

	if (*file == '/' || !slash)
		snprintf(to, size, "%s", file);
	else
		snprintf(to, size, "%.*s/%s", (int)(slash - name), name, file);
}

static int table_line(struct reader *r, const char *path, int at, char *s, struct cal_var *v)
{
	char *save, *a, *b;

	s[strcspn(s, "#\r")] = '\0';
	a = strtok_r(s, " \t", &save);
	if (!a)
		return 0;
	b = strtok_r(NULL, " \t", &save);
	if (v->ntable == CAL_TABLE)
		return mistake(r, "%s: more than %d lines", path, CAL_TABLE);
	if (!b || strtok_r(NULL, " \t", &save) || !number(a, &v->x[v->ntable]) ||
	    !number(b, &v->y[v->ntable]))
		return mistake(r, "%s:%d: not two numbers", path, at);
	if (v->ntable && v->x[v->ntable] <= v->x[v->ntable - 1])
		return mistake(r, "%s:%d: the first column must rise", path, at);
	v->ntable++;
	return 0;
}

static int read_table(struct reader *r, const char *file, struct cal_var *v)
{
	char path[4096];
	size_t n;
	int at = 0, bad = 0;

	beside(r->name, file, path, sizeof path);
	char *text = io_slurp(path, TABLE_FILE, &n);
	if (!text)
		return mistake(r, "%s: cannot read the table: %s", path, strerror(errno));
	v->x = calloc(CAL_TABLE, sizeof *v->x);
	v->y = calloc(CAL_TABLE, sizeof *v->y);
	if (!v->x || !v->y)
		bad = mistake(r, "out of memory");
	char *save;
	for (char *s = strtok_r(text, "\n", &save); s && !bad; s = strtok_r(NULL, "\n", &save))
		bad = table_line(r, path, ++at, s, v);
	free(text);
	if (!bad && v->ntable < 2)
		bad = mistake(r, "%s: a table has at least two lines", path);
	return bad;
}

static int read_conversion(struct reader *r, int at, struct cal_var *v)
{
	if (at < r->nwords && !strcmp(r->word[at], "poly")) {
		while (++at < r->nwords && v->npoly < CAL_POLY &&
		    number(r->word[at], &v->poly[v->npoly]))
			v->npoly++;
		if (v->npoly == 0)
			return mistake(r, "poly needs at least one number");
	} else if (at + 1 < r->nwords && !strcmp(r->word[at], "table")) {
		if (read_table(r, r->word[at + 1], v) < 0)
			return -1;
		at += 2;
	} else if (v->type == CAL_CHAR) {
		v->npoly = 2;
		v->poly[1] = 1;
	} else {
		return mistake(r, "behind the unit stands: poly A B ..., or table FILE");
	}
	if (at < r->nwords)
		snprintf(v->about, sizeof v->about, "%s", r->word[at++]);
	if (at < r->nwords)
		return mistake(r,
		    "'%.40s': nothing may stand behind the conversion but a quoted "
		    "long name",
		    r->word[at]);
	if (v->source == CAL_DAS && v->type == CAL_SHORT && (v->ntable || v->npoly > 2))
		return mistake(r, "a packed short is converted by its reader: poly A B only");
	return 0;
}

/* ---- variables ---- */

/* Names that merge gives itself. */
static const char *const own[] = {"time", "ut", "jd", "time_offset", "quality", "flags", "bolo",
    "onehertz", "minute", "minute_state", "minute_quality", "frames_written", "sample_interval",
    "sampling_offset", "obs_mode", "source_ra_apparent", "source_dec_apparent"};

static bool good_name(const char *s)
{
	if (!isalpha((unsigned char)*s) || strlen(s) >= sizeof((struct cal_var *)0)->name)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

static int check_name(struct reader *r, const char *name)
{
	if (!good_name(name))
		return mistake(r,
		    "'%.70s' is no name: a letter, then letters, digits and _ "
		    "(at most 63)",
		    name);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (!strcasecmp(own[i], name) || !strncasecmp(name, "clock_", 6) ||
		    !strncasecmp(name, "check_", 6) || !strncasecmp(name, "edge_", 5) ||
		    !strncasecmp(name, "input_", 6))
			return mistake(r, "%s: merge makes this variable itself", name);
	for (int i = 0; i < r->c->nvars; i++)
		if (!strcasecmp(r->c->var[i].name, name))
			return mistake(r, "%s: stands in line %d already", name, r->c->var[i].line);
	return 0;
}

static int read_type(struct reader *r, const char *s, struct cal_var *v)
{
	static const char *const names[] = {"char", "byte", "short", "int", "float", "double"};

	for (int i = 0; i < 6; i++)
		if (!strcmp(names[i], s)) {
			v->type = (enum cal_type)i;
			bool text = v->source == CAL_HK && hk_columns[v->column].text;
			return text == (v->type == CAL_CHAR)
			    ? 0
			    : mistake(r,
				  text ? "a text column has the type char"
				       : "only text columns have the type char");
		}
	return mistake(r, "%s: a type is byte, short, int, float, double or char", s);
}

static int read_var(struct reader *r)
{
	struct calspec *c = r->c;

	if (r->nwords < 5)
		return mistake(r, "a variable is: NAME SOURCE WHAT TYPE UNIT poly A B ...");
	if (c->nvars == CAL_VARS)
		return mistake(r, "more than %d variables", CAL_VARS);
	if (check_name(r, r->word[0]) < 0)
		return -1;
	struct cal_var *v = &c->var[c->nvars++]; /* also when bad: its name is taken */
	snprintf(v->name, sizeof v->name, "%s", r->word[0]);
	v->line = r->line;
	if (read_source(r, v) < 0 || read_type(r, r->word[3], v) < 0)
		return -1;
	if (snprintf(v->unit, sizeof v->unit, "%s", r->word[4]) >= (int)sizeof v->unit)
		return mistake(r, "the unit is too long");
	return read_conversion(r, 5, v);
}

static int read_ttl(struct reader *r)
{
	struct calspec *c = r->c;
	struct cal_line l = {.name = ""};

	if (r->nwords != 6 || strcmp(r->word[2], "das") != 0 || strcmp(r->word[4], "log") != 0)
		return mistake(r, "a line of this kind is: line NAME das CHANNEL log FIELD");
	if (c->nlines == CAL_LINES)
		return mistake(r, "more than %d TTL lines", CAL_LINES);
	if (!good_name(r->word[1]) || strlen(r->word[1]) >= sizeof l.name)
		return mistake(r, "'%.40s' is no name", r->word[1]);
	memcpy(l.name, r->word[1], strlen(r->word[1]) + 1);
	if (one_channel(r, r->word[3], &l.channel) < 0 || log_field(r, r->word[5], &l.field) < 0)
		return -1;
	if (!l.field.flag)
		return mistake(
		    r, "%s: a TTL line is a bit of the log (in.1, out.6 ...)", r->word[5]);
	c->line[c->nlines++] = l;
	return 0;
}

static void read_line(struct reader *r, char *s)
{
	if (split(r, s) < 0 || r->nwords == 0)
		return;
	if (!strcmp(r->word[0], "set"))
		set_key(r);
	else if (!strcmp(r->word[0], "line"))
		read_ttl(r);
	else
		read_var(r);
}

struct calspec *calspec_read(
    const char *name, const char *text, size_t size, struct cal_mistake *mistakes, int *n)
{
	struct calspec *c = calloc(1, sizeof *c);
	struct reader r = {.c = c, .name = name, .mistakes = mistakes};
	char buf[LINE_MAX_];

	*n = 0;
	if (!c) {
		mistake(&r, "out of memory");
		*n = r.n;
		return NULL;
	}
	c->das = (struct das_format){.channels = 384, .rate = 50, .header = -1};
	c->adc_volts = 10;
	c->ttl_low = 1.5;
	c->ttl_high = 3.5;
	c->clock_rate = -26.3;
	c->clock_search = 900;
	c->crc = crc_32(text, size);
	c->text = strndup(text, size);
	if (!c->text)
		mistake(&r, "out of memory");
	for (const char *at = text, *end = text + size; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((nl ? nl : end) - at);
		r.line++;
		if (len >= sizeof buf || memchr(at, '\0', len)) {
			mistake(&r, len >= sizeof buf ? "the line is too long" : "a NUL byte");
		} else {
			memcpy(buf, at, len);
			buf[len] = '\0';
			read_line(&r, buf);
		}
		at += len + 1;
	}
	r.line = 0;
	if (c->nvars == 0 && r.n == 0)
		mistake(&r, "no variable is named");
	if (c->ttl_low >= c->ttl_high)
		mistake(&r, "ttl_low is not below ttl_high");
	*n = r.n;
	if (r.n == 0)
		return c;
	calspec_free(c);
	return NULL;
}

struct calspec *calspec_load(const char *path, struct cal_mistake *mistakes, int *n)
{
	size_t size;
	char *text = io_slurp(path, FILE_MAX, &size);

	if (!text) {
		mistakes[0].line = 0;
		snprintf(mistakes[0].why, CAL_WHY, "cannot be read: %s", strerror(errno));
		*n = 1;
		return NULL;
	}
	struct calspec *c = calspec_read(path, text, size, mistakes, n);
	free(text);
	return c;
}

char *calspec_mistake(const char *path, const struct cal_mistake *mistake, char *buf, size_t size)
{
	if (mistake->line > 0)
		snprintf(buf, size, "%s:%d: %s", path, mistake->line, mistake->why);
	else
		snprintf(buf, size, "%s: %s", path, mistake->why);
	return buf;
}

const char *calspec_bolocam(char *path, size_t size)
{
	static const char *const places[] = {"../share/fyke/bolocam.cal", "../../etc/bolocam.cal"};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (io_beside(places[i], path, size) == 0 && access(path, R_OK) == 0)
			return path;
	return NULL;
}

void calspec_free(struct calspec *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->nvars; i++) {
		free(c->var[i].channel);
		free(c->var[i].x);
		free(c->var[i].y);
	}
	free(c->text);
	free(c);
}

double calspec_convert(const struct cal_var *v, double x)
{
	double y = 0;

	if (v->ntable) {
		if (!(x >= v->x[0] && x <= v->x[v->ntable - 1]))
			return (double)NAN;
		int lo = 0, hi = v->ntable - 1;
		while (hi - lo > 1) {
			int mid = (lo + hi) / 2;
			if (v->x[mid] <= x)
				lo = mid;
			else
				hi = mid;
		}
		return v->y[lo] + (x - v->x[lo]) / (v->x[hi] - v->x[lo]) * (v->y[hi] - v->y[lo]);
	}
	for (int i = v->npoly - 1; i >= 0; i--)
		y = y * x + v->poly[i];
	return y;
}

double calspec_unit(const struct cal_field *f, double value)
{
	if (f->flag)
		return value;
	switch ((enum plog_field)f->index) {
	case PLOG_LST:
	case PLOG_RA:
		return value / 360000; /* 0.01 s to hours */
	case PLOG_DEC:
	case PLOG_PA:
	case PLOG_AZ:
	case PLOG_EL:
		return value / 36000; /* 0.1" to degrees */
	default:
		return value / 10; /* to arcseconds */
	}
}

const struct cal_var *calspec_find(const struct calspec *c, const char *name)
{
	for (int i = 0; i < c->nvars; i++)
		if (!strcmp(c->var[i].name, name))
			return &c->var[i];
	return NULL;
}
