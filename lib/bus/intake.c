/* intake.c - bytes of a descriptor to lines of line protocol: checked, and each with its time */
#include "intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tim.h"
#include "stream/rec.h"

#define BLOCK        (2 * REC_LINE_MAX) /* more than the longest line */
#define READ         65536              /* at once: the caller has a request to look after */
#define GROWTH       5                  /* "a b=1" with a time is so many times as long */
#define SAME_INSTANT TIM_MS             /* a clock that goes back by more has been set */

struct intake {
	int64_t unit, last; /* last: the time that was added last */
	intake_bad *bad;
	void *ctx;
	bool skipping; /* the rest of a line that is too long */
	size_t input_n, ready_n, ready_lines;
	struct intake_state state;
	char input[BLOCK], ready[BLOCK * GROWTH];
};

struct intake *intake_new(int64_t unit, intake_bad *bad, void *ctx)
{
	struct intake *t = malloc(sizeof *t);

	if (!t)
		return NULL;
	memset(t, 0, offsetof(struct intake, input));
	t->unit = unit;
	t->bad = bad;
	t->ctx = ctx;
	return t;
}

void intake_free(struct intake *t)
{
	free(t);
}

/* The time of a line that came without one: never twice the same, or the second line would take
 * the place of the first. */
static int64_t stamp(struct intake *t)
{
	int64_t now = tim_now();

	if (now <= t->last && t->last - now < SAME_INSTANT)
		now = t->last + 1;
	t->last = now;
	return now / t->unit;
}

static void refuse(struct intake *t, enum rec_bad why, const char *line, size_t n)
{
	t->state.bad++;
	t->bad(t->ctx, rec_bad_text(why), line, n);
}

static void take_line(struct intake *t, const char *line, size_t n)
{
	struct rec_seen seen;

	n -= n > 0 && line[n - 1] == '\r'; /* from another system's file */
	enum rec_bad why = rec_check(line, n, &seen);
	if (why == REC_NOTHING)
		return;
	t->state.lines++;
	if (why != REC_OK) {
		refuse(t, why, line, n);
		return;
	}
	t->state.strings |= seen.strings;
	if (!seen.timed)
		n = seen.body;
	memcpy(t->ready + t->ready_n, line, n);
	t->ready_n += n;
	if (!seen.timed)
		t->ready_n += (size_t)sprintf(t->ready + t->ready_n, " %lld", (long long)stamp(t));
	t->ready[t->ready_n++] = '\n';
	t->ready_lines++;
}

static void take_lines(struct intake *t)
{
	char *p = t->input, *end = p + t->input_n, *nl;

	while ((nl = memchr(p, '\n', (size_t)(end - p)))) {
		if (!t->skipping)
			take_line(t, p, (size_t)(nl - p));
		t->skipping = false;
		p = nl + 1;
	}
	if (p == t->input && t->input_n == sizeof t->input) {
		if (!t->skipping) {
			t->state.lines++;
			refuse(t, REC_TOO_LONG, p, t->input_n);
		}
		t->skipping = true;
		p = end;
	}
	t->input_n = (size_t)(end - p);
	memmove(t->input, p, t->input_n);
}

int intake_read(struct intake *t, int fd)
{
	size_t room = sizeof t->input - t->input_n;
	ssize_t n = read(fd, t->input + t->input_n, room < READ ? room : READ);

	if (n < 0)
		return -1;
	t->input_n += (size_t)n;
	take_lines(t);
	return n > 0;
}

void intake_end(struct intake *t)
{
	if (t->input_n > 0 && !t->skipping)
		take_line(t, t->input, t->input_n);
	t->input_n = 0;
}

const char *intake_ready(const struct intake *t, size_t *n, size_t *lines)
{
	*n = t->ready_n;
	*lines = t->ready_lines;
	return t->ready;
}

void intake_taken(struct intake *t)
{
	t->ready_n = t->ready_lines = 0;
}

const struct intake_state *intake_state(const struct intake *t)
{
	return &t->state;
}
