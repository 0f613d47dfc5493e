/* feed.c - sends what waits in a spool to a time-series database, batch by batch */
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/back.h"
#include "base/tim.h"
#include "stream/rec.h"

#define PIECES      64 /* halving 2^63 lines leaves fewer */
#define RESUME_TIME (30 * TIM_S)

struct piece {
	size_t at, n, lines; /* bytes of batch, and how many lines they are */
};

struct feed {
	struct influx *x;
	struct spool *s;
	feed_tell *tell;
	void *ctx;
	char *batch;
	size_t size;
	size_t most_bytes, most_lines; /* of a batch; less after a 413 */
	struct piece piece[PIECES];    /* still to be sent, the first on top */
	size_t pieces;
	struct back back;
	int64_t since; /* tim_mono() when lines began to wait; 0: none does */
	struct feed_state state;
};

struct feed *feed_new(struct influx *x, struct spool *s, size_t bytes, feed_tell *tell, void *ctx)
{
	struct feed *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->x = x;
	f->s = s;
	f->tell = tell;
	f->ctx = ctx;
	f->size = f->most_bytes = bytes;
	f->most_lines = FEED_LINES;
	f->batch = malloc(bytes);
	f->state.why = "";
	if (!f->batch) {
		feed_free(f);
		return NULL;
	}
	return f;
}

void feed_free(struct feed *f)
{
	if (f)
		free(f->batch);
	free(f);
}

const struct feed_state *feed_state(const struct feed *f)
{
	return &f->state;
}

void feed_resume(struct feed *f)
{
	f->state.stopped = false;
	f->back.due = tim_mono() + RESUME_TIME;
}

/* ---- the next piece ---- */

/* Lines of an earlier run went through a crash: whole ones move up, damaged ones are told. */
static void check_old(struct feed *f, struct piece *p)
{
	char *from = f->batch, *to = f->batch, *end = f->batch + p->n;
	struct rec_seen seen;

	while (from < end) {
		char *nl = memchr(from, '\n', (size_t)(end - from));
		size_t n = (size_t)(nl - from);
		enum rec_bad bad = rec_check(from, n, &seen);
		if (bad == REC_OK) {
			memmove(to, from, n + 1);
			to += n + 1;
		} else {
			f->state.damaged++;
			f->state.handled++;
			p->lines--;
			f->tell(f->ctx, FEED_DAMAGED, rec_bad_text(bad), from, n);
		}
		from = nl + 1;
	}
	p->n = (size_t)(to - f->batch);
}

/* When the spool cannot note it, the lines are sent again after a restart, which is harmless. */
static void ack(struct feed *f)
{
	f->state.handled = 0;
	(void)spool_ack(f->s);
}

/* Takes a batch out of the spool as the one piece to send. */
static int load(struct feed *f)
{
	struct piece *p = &f->piece[0];

	for (;;) {
		*p = (struct piece){.at = 0};
		long n = spool_get(f->s, f->batch, f->most_bytes, f->most_lines, &p->lines);
		if (n <= 0)
			return (int)n;
		p->n = (size_t)n;
		if (spool_state(f->s)->old)
			check_old(f, p);
		if (p->n > 0)
			break;
		ack(f);
	}
	f->pieces = 1;
	return 0;
}

/* Whether what waits is worth a request now. */
static bool enough(const struct feed *f, bool flush)
{
	const struct spool_state *s = spool_state(f->s);

	return s->lines > 0 &&
	    (flush || s->lines >= f->most_lines || s->bytes >= f->most_bytes ||
		(f->since > 0 && tim_mono() >= f->since + FEED_DELAY));
}

static int send_next(struct feed *f)
{
	const struct piece *p = &f->piece[f->pieces - 1];

	if (influx_post(f->x, f->batch + p->at, p->n) < 0)
		return -1;
	f->state.busy = true;
	f->state.requests++;
	return 0;
}

/* ---- answers ---- */

/* The first half of the piece on top is sent next, then the other. */
static void split(struct feed *f)
{
	struct piece *p = &f->piece[f->pieces - 1], first = {.at = p->at, .lines = p->lines / 2};
	const char *s = f->batch + p->at;

	for (size_t i = 0; i < first.lines; i++)
		s = (const char *)memchr(s, '\n', p->n) + 1;
	first.n = (size_t)(s - f->batch) - p->at;
	p->at += first.n;
	p->n -= first.n;
	p->lines -= first.lines;
	f->piece[f->pieces++] = first;
}

static void refuse(struct feed *f, const char *why)
{
	const struct piece *p = &f->piece[--f->pieces];
	const char *s = f->batch + p->at, *end = s + p->n;

	f->state.refused += p->lines;
	f->state.handled += p->lines;
	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		f->tell(f->ctx, FEED_REFUSED, why, s, (size_t)(nl - s));
		s = nl + 1;
	}
}

static void wait_and_retry(struct feed *f, const struct influx_result *r)
{
	int64_t now = tim_mono();

	(void)back_fail(&f->back, now);
	if (r->retry_after > 0)
		f->back.due = now + r->retry_after;
	f->state.retries++;
	if (f->state.trouble)
		return;
	f->state.trouble = true;
	f->state.trouble_since = now;
	f->tell(f->ctx, FEED_TROUBLE, r->why, NULL, 0);
}

static void good_answer(struct feed *f)
{
	back_ok(&f->back);
	f->state.denied = false;
	if (f->state.trouble)
		f->tell(f->ctx, FEED_RECOVERED, "", NULL, 0);
	f->state.trouble = false;
}

static void judge(struct feed *f)
{
	const struct influx_result *r = influx_result(f->x);
	const struct piece *p = &f->piece[f->pieces - 1];

	f->state.why = r->why;
	switch (r->is) {
	case INFLUX_STORED:
		good_answer(f);
		f->state.stored += p->lines;
		f->state.handled += p->lines;
		f->pieces--;
		break;
	case INFLUX_BAD:
		good_answer(f);
		if (p->lines == 1 || r->dropped == (int64_t)p->lines)
			refuse(f, r->why);
		else
			split(f);
		break;
	case INFLUX_TOO_LARGE:
		good_answer(f);
		if (p->lines == 1) {
			refuse(f, r->why);
			break;
		}
		if (f->most_lines > p->lines / 2)
			f->most_lines = p->lines / 2;
		split(f);
		break;
	case INFLUX_DENIED:
	case INFLUX_NO_SUCH:
		f->state.denied = f->state.stopped = true;
		break;
	case INFLUX_LATER:
		wait_and_retry(f, r);
		break;
	}
}

/* ---- the machine ---- */

int feed_step(struct feed *f, bool flush)
{
	if (f->state.busy) {
		if (!influx_step(f->x))
			return 0;
		f->state.busy = false;
		judge(f);
		if (f->pieces == 0) {
			f->since = 0;
			ack(f);
		}
	}
	if (f->since == 0 && spool_state(f->s)->lines > 0)
		f->since = tim_mono();
	if (f->state.stopped || tim_mono() < f->back.due)
		return 0;
	if (f->pieces == 0 && enough(f, flush) && load(f) < 0)
		return -1;
	if (f->pieces == 0)
		return 0;
	if (send_next(f) < 0)
		return -1;
	(void)influx_step(f->x); /* begins to send; the answer is taken next time */
	return 0;
}

int64_t feed_wake(const struct feed *f, bool flush)
{
	if (f->state.busy || f->state.stopped)
		return INT64_MAX;
	if (f->pieces > 0 || enough(f, flush))
		return f->back.due;
	return f->since > 0 ? f->since + FEED_DELAY : INT64_MAX;
}
