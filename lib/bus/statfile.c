/* statfile.c - what a program's --status=FILE says (fyke-config(5), Status) */
#include "statfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/tim.h"

#define DEPTH_MOST 8
#define TEXT_MOST  256
#define STALE      (5 * TIM_S) /* a status that is older is not kept up any more */

struct in {
	const char *p, *end;
	bool bad;
};

static void blank(struct in *j)
{
	while (j->p < j->end && strchr(" \t\r\n", *j->p) && *j->p)
		j->p++;
}

/* Whether the next thing is c, which is then taken. */
static bool take(struct in *j, char c)
{
	blank(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

static void must(struct in *j, char c)
{
	if (!take(j, c))
		j->bad = true;
}

/* A string, cut to fit; escapes of control bytes become ?. */
static void string(struct in *j, char *to, size_t size)
{
	size_t n = 0;

	must(j, '"');
	while (!j->bad && j->p < j->end && *j->p != '"') {
		char c = *j->p++;
		if (c == '\\') {
			if (j->p == j->end)
				break;
			c = *j->p++;
			if (c == 'u') {
				j->p = j->end - j->p < 4 ? j->end : j->p + 4;
				c = '?';
			} else if (c != '"' && c != '\\' && c != '/') {
				c = ' ';
			}
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			c = '?';
		if (n + 1 < size)
			to[n++] = c;
	}
	if (size)
		to[n] = '\0';
	must(j, '"');
}

static uint64_t number(struct in *j)
{
	uint64_t v = 0;
	const char *from;

	blank(j);
	from = j->p;
	while (j->p < j->end && *j->p >= '0' && *j->p <= '9')
		v = v * 10 + (uint64_t)(*j->p++ - '0');
	while (j->p < j->end && strchr("-+.eE0123456789", *j->p) && *j->p)
		j->p++; /* other numbers are not ours */
	j->bad |= j->p == from;
	return v;
}

static void pass_over(struct in *j, int depth)
{
	char spare[2];
	char close = '}';

	blank(j);
	if (depth > DEPTH_MOST || j->p == j->end) {
		j->bad = true;
	} else if (*j->p == '"') {
		string(j, spare, sizeof spare);
	} else if (*j->p == '{' || *j->p == '[') {
		bool object = *j->p++ == '{';
		close = object ? '}' : ']';
		if (take(j, close))
			return;
		do {
			if (object) {
				string(j, spare, sizeof spare);
				must(j, ':');
			}
			pass_over(j, depth + 1);
		} while (!j->bad && take(j, ','));
		must(j, close);
	} else if (strchr("tfn", *j->p) && *j->p) {
		while (j->p < j->end && *j->p >= 'a' && *j->p <= 'z')
			j->p++;
	} else {
		(void)number(j);
	}
}

/* {"late":3,"duplicate":0}: the sum, and those that are not 0 in words. */
static void losses(struct in *j, struct statfile *s)
{
	size_t n = 0;

	must(j, '{');
	if (take(j, '}'))
		return;
	do {
		char name[64];
		string(j, name, sizeof name);
		must(j, ':');
		uint64_t v = number(j);
		s->lost += v;
		if (v && n < sizeof s->reasons) {
			int k = snprintf(s->reasons + n, sizeof s->reasons - n, "%s%s %" PRIu64,
			    n ? ", " : "", name, v);
			n += k > 0 ? (size_t)k : 0;
		}
	} while (!j->bad && take(j, ','));
	must(j, '}');
}

static void queue(struct in *j, struct statfile *s)
{
	must(j, '{');
	if (take(j, '}'))
		return;
	do {
		char name[16];
		string(j, name, sizeof name);
		must(j, ':');
		uint64_t v = number(j);
		if (strcmp(name, "used") == 0)
			s->queue_used = v;
		else if (strcmp(name, "size") == 0)
			s->queue_size = v;
	} while (!j->bad && take(j, ','));
	must(j, '}');
}

static void member(struct in *j, const char *name, struct statfile *s)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} text[] = {{"program", s->program, sizeof s->program}, {"name", s->name, sizeof s->name},
	    {"state", s->state, sizeof s->state}, {"unit", s->unit, sizeof s->unit},
	    {"why", s->why, sizeof s->why}};
	const struct {
		const char *name;
		uint64_t *to;
	} count[] = {{"pid", &s->pid}, {"in", &s->in}, {"out", &s->out}, {"held", &s->held}};
	char when[TEXT_MOST];

	for (size_t i = 0; i < sizeof text / sizeof *text; i++)
		if (strcmp(name, text[i].name) == 0) {
			string(j, text[i].to, text[i].size);
			return;
		}
	for (size_t i = 0; i < sizeof count / sizeof *count; i++)
		if (strcmp(name, count[i].name) == 0) {
			*count[i].to = number(j);
			return;
		}
	if (strcmp(name, "time") == 0) {
		string(j, when, sizeof when);
		if (tim_parse(when, &s->time) < 0)
			s->time = TIM_NONE;
	} else if (strcmp(name, "lost") == 0) {
		losses(j, s);
	} else if (strcmp(name, "queue") == 0) {
		queue(j, s);
	} else {
		pass_over(j, 0);
	}
}

const char *statfile_parse(const char *text, size_t n, struct statfile *s)
{
	struct in j = {text, text + n, false};
	char name[64];

	memset(s, 0, sizeof *s);
	s->time = TIM_NONE;
	must(&j, '{');
	do {
		string(&j, name, sizeof name);
		must(&j, ':');
		if (!j.bad)
			member(&j, name, s);
	} while (!j.bad && take(&j, ','));
	must(&j, '}');
	if (j.bad)
		return "no JSON as --status writes it";
	return s->program[0] && s->state[0] ? NULL : "no status of a program";
}

/* ---- a row of a table ---- */

static size_t fitted(int n, size_t size)
{
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t statfile_heading(char *to, size_t size)
{
	int n = snprintf(to, size, "%-10s %-10s %-8s %12s %12s %8s %9s %4s  %s\n", "program",
	    "name", "state", "in", "out", "held", "lost", "queue", "why");

	return fitted(n, size);
}

static int row(const struct statfile *s, int64_t now, char *to, size_t size)
{
	bool stale =
	    strcmp(s->state, "running") == 0 && s->time != TIM_NONE && now - s->time > STALE;
	double full = s->queue_size ? (double)s->queue_used * 100 / (double)s->queue_size : 0;

	return snprintf(to, size,
	    "%-10.10s %-10.10s %-8.8s %12" PRIu64 " %12" PRIu64 " %8" PRIu64 " %9" PRIu64
	    " %3d%%  %.100s%s%.80s\n",
	    s->program, s->name, stale ? "SILENT" : s->state, s->in, s->out, s->held, s->lost,
	    (int)full, s->reasons, *s->reasons && *s->why ? "; " : "", s->why);
}

size_t statfile_row(const char *path, bool json, int64_t now, char *to, size_t size)
{
	struct statfile s;
	size_t n;
	int k;
	char *text = io_slurp(path, STATFILE_MOST, &n);
	const char *why = text ? statfile_parse(text, n, &s) : strerror(errno);

	while (text && n > 0 && text[n - 1] == '\n')
		n--;
	if (why && json)
		k = snprintf(to, size, "{\"why\":\"unreadable\"}\n");
	else if (why)
		k = snprintf(to, size, "%.60s: %.100s\n", path, why);
	else if (json)
		k = snprintf(to, size, "%.*s\n", (int)n, text);
	else
		k = row(&s, now, to, size);
	free(text);
	return fitted(k, size);
}
