/* feed.c - sends what waits in a spool to a time-series database, batch by batch */
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/back.h"
#include "base/tim.h"
#include "stream/rec.h"

#define BATCHES     8              /* taken out of the spool at once */
#define PIECES      (64 + BATCHES) /* halving 2^63 lines leaves fewer than 64 */
#define LANES       2              /* requests under way */
#define RESUME_TIME (30 * TIM_S)
#define ALONE_TIME  (5 * TIM_MIN) /* after the second connection has failed */
#define TOGETHER    512 /* lines of one moment that a cut between two batches does not part */

/* Some of the lines that were taken out of the spool. */
struct piece {
	size_t at, n, lines;         /* bytes of batch, and how many lines they are */
	size_t spool_n, spool_lines; /* what the spool has to know when they are done with */
	int64_t first, last;         /* the earliest and the latest time in them */
	enum { WAITING, FLYING, STORED } state;
	bool alone; /* never sent beside another */
};

struct feed {
	struct spool *s;
	feed_tell *tell;
	void *ctx;
	char *batch;
	size_t size;
	size_t most_bytes, most_lines; /* of a batch; less after a 413 */
	struct piece piece[PIECES];    /* still to be stored, the first on top */
	size_t pieces;
	struct lane {
		struct influx *x; /* the first is the caller's */
		bool busy;
		size_t piece; /* which */
	} lane[LANES];
	bool good;           /* the last answer to the piece on top was good */
	int64_t alone_until; /* tim_mono(): no second connection before */
	struct back back;
	int64_t since; /* tim_mono() when lines began to wait; 0: none does */
	struct feed_state state;
};

struct feed *feed_new(struct influx *x, struct spool *s, size_t bytes, feed_tell *tell, void *ctx)
{
	struct feed *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->s = s;
	f->tell = tell;
	f->ctx = ctx;
	f->size = f->most_bytes = bytes;
	f->most_lines = FEED_LINES;
	f->batch = malloc(bytes);
	f->state.why = "";
	f->lane[0].x = x;
	for (int i = 1; i < LANES; i++)
		f->lane[i].x = influx_beside(x);
	if (!f->batch || !f->lane[LANES - 1].x) {
		feed_free(f);
		return NULL;
	}
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (int i = 1; i < LANES; i++)
		influx_free(f->lane[i].x);
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

/* ---- taking a batch ---- */

/* The time at the end of a line of n bytes; every line in the spool has one. INT64_MIN: it has not,
 * because a crash has damaged it. */
static int64_t time_of(const char *line, size_t n)
{
	uint64_t v = 0, power = 1;
	size_t digits = 0;

	while (n > 0 && line[n - 1] == ' ')
		n--;
	for (; n > 0 && line[n - 1] >= '0' && line[n - 1] <= '9' && digits < 19; n--, digits++) {
		v += power * (uint64_t)(line[n - 1] - '0');
		power *= 10;
	}
	if (digits == 0 || v > INT64_MAX)
		return INT64_MIN;
	return n > 0 && line[n - 1] == '-' ? -(int64_t)v : (int64_t)v;
}

/* Cuts the next piece off n bytes: at most `most` lines. It ends where the time changes, so that
 * the next piece may go beside it. */
static struct piece cut(const char *batch, size_t at, size_t n, size_t most)
{
	struct piece p = {.at = at, .first = INT64_MAX, .last = INT64_MIN}, whole = p;
	const char *s = batch + at, *end = s + n;
	int64_t before = INT64_MIN;

	while (s < end && p.lines < most) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		int64_t t = time_of(s, (size_t)(nl - s));
		if (t != before)
			whole = p;
		before = t;
		p.first = t < p.first ? t : p.first;
		p.last = t > p.last ? t : p.last;
		p.lines++;
		p.n += (size_t)(nl + 1 - s);
		s = nl + 1;
	}
	if (s < end && whole.lines > 0 && p.lines - whole.lines < TOGETHER) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		if (time_of(s, (size_t)(nl - s)) == before)
			p = whole;
	}
	p.spool_n = p.n;
	p.spool_lines = p.lines;
	return p;
}

/* Lines of an earlier run went through a crash: whole ones move up, damaged ones are told. */
static void check_old(struct feed *f, struct piece *p)
{
	char *begin = f->batch + p->at, *from = begin, *to = begin, *end = begin + p->n;
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
	p->n = (size_t)(to - begin);
}

/* Takes batches out of the spool, as pieces with the first on top. */
static int load(struct feed *f, size_t batches)
{
	struct piece p[BATCHES];
	size_t lines, k = 0, at = 0;

	long n = spool_get(f->s, f->batch, f->most_bytes, batches * f->most_lines, &lines);
	if (n <= 0)
		return (int)n;
	for (; k < batches && at < (size_t)n; at += p[k++].spool_n) /* the rest comes again */
		p[k] = cut(f->batch, at, (size_t)n - at, f->most_lines);
	for (f->pieces = 0; f->pieces < k; f->pieces++) {
		struct piece *to = &f->piece[f->pieces];
		*to = p[k - 1 - f->pieces];
		if (spool_state(f->s)->old)
			check_old(f, to);
	}
	return 0;
}

/* The piece on top is done with. When the spool cannot note it, the lines are sent again after a
 * restart, which is harmless. */
static void drop_top(struct feed *f)
{
	const struct piece *p = &f->piece[--f->pieces];

	f->state.handled -= p->spool_lines;
	if (p->spool_n > 0)
		(void)spool_ack(f->s, p->spool_n, p->spool_lines);
	if (f->pieces == 0)
		f->since = 0;
}

/* Whether what waits is worth a request now. */
static bool enough(const struct feed *f, bool flush)
{
	const struct spool_state *s = spool_state(f->s);

	return s->lines > 0 &&
	    (flush || s->lines >= f->most_lines || s->bytes >= f->most_bytes ||
		(f->since > 0 && tim_mono() >= f->since + FEED_DELAY));
}

/* ---- sending ---- */

static int send_piece(struct feed *f, size_t piece)
{
	struct piece *p = &f->piece[piece];
	struct lane *l = f->lane;

	while (l->busy)
		l++;
	if (influx_post(l->x, f->batch + p->at, p->n) < 0)
		return -1;
	l->busy = true;
	l->piece = piece;
	p->state = FLYING;
	f->state.busy = true;
	f->state.requests++;
	(void)influx_step(l->x); /* begins to send; the answer is taken next time */
	return 0;
}

/* Whether the second piece may go while the first is under way: the server is well, and nothing in
 * it belongs to a moment that the first one has, so that it is no matter which is stored first. */
static bool may_follow(const struct feed *f)
{
	const struct piece *first = &f->piece[f->pieces - 1], *next = first - 1;

	return f->pieces >= 2 && f->good && tim_mono() >= f->alone_until &&
	    first->state == FLYING && next->state == WAITING && !first->alone && !next->alone &&
	    next->n > 0 && first->last < next->first;
}

/* ---- answers ---- */

/* The first half of the piece on top is sent next, then the other. */
static void split(struct feed *f)
{
	struct piece *p = &f->piece[f->pieces - 1], first = *p;
	const char *s = f->batch + p->at;

	first.lines = p->lines / 2;
	for (size_t i = 0; i < first.lines; i++)
		s = (const char *)memchr(s, '\n', p->n) + 1;
	first.n = (size_t)(s - f->batch) - p->at;
	first.spool_n = first.spool_lines = 0; /* the other half's answer is for both */
	first.alone = p->alone = true;
	p->at += first.n;
	p->n -= first.n;
	p->lines -= first.lines;
	f->piece[f->pieces++] = first;
}

static void refuse(struct feed *f, const char *why)
{
	const struct piece *p = &f->piece[f->pieces - 1];
	const char *s = f->batch + p->at, *end = s + p->n;

	f->state.refused += p->lines;
	f->state.handled += p->lines;
	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		f->tell(f->ctx, FEED_REFUSED, why, s, (size_t)(nl - s));
		s = nl + 1;
	}
	drop_top(f);
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

/* What is to be done after the answer to the piece on top. */
static void judge(struct feed *f, const struct influx_result *r)
{
	struct piece *p = &f->piece[f->pieces - 1];

	f->state.why = r->why;
	f->good = r->is == INFLUX_STORED;
	p->state = f->good ? STORED : WAITING;
	switch (r->is) {
	case INFLUX_STORED:
		good_answer(f);
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

/* An answer to the piece behind the top only counts when it is good: else the piece is sent again
 * when its turn has come. */
static void judge_ahead(struct piece *p, const struct influx_result *r)
{
	p->state = r->is == INFLUX_STORED ? STORED : WAITING;
	p->alone = r->is != INFLUX_STORED;
}

static void take_answers(struct feed *f)
{
	f->state.busy = false;
	for (int i = 0; i < LANES; i++) {
		struct lane *l = &f->lane[i];
		if (!l->busy)
			continue;
		if (!influx_step(l->x)) {
			f->state.busy = true;
			continue;
		}
		const struct influx_result *r = influx_result(l->x);
		l->busy = false;
		/* There are servers that serve one connection, and let the second wait for ever. */
		if (i > 0 && r->is == INFLUX_LATER)
			f->alone_until = tim_mono() + ALONE_TIME;
		if (l->piece + 1 == f->pieces)
			judge(f, r);
		else
			judge_ahead(&f->piece[l->piece], r);
	}
}

/* What is stored, or was all damaged, leaves the top. */
static void drop_stored(struct feed *f)
{
	while (f->pieces > 0) {
		const struct piece *p = &f->piece[f->pieces - 1];
		if (p->state != STORED && p->n > 0)
			return;
		f->state.stored += p->lines;
		f->state.handled += p->lines;
		drop_top(f);
	}
}

/* ---- the machine ---- */

/* Full batches, or all that there is. */
static size_t batches(const struct feed *f, bool flush)
{
	size_t full = spool_state(f->s)->lines / f->most_lines;

	return flush || full > BATCHES ? BATCHES : full > 0 ? full : 1;
}

int feed_step(struct feed *f, bool flush)
{
	take_answers(f);
	drop_stored(f);
	if (f->since == 0 && spool_state(f->s)->lines > 0)
		f->since = tim_mono();
	if (f->state.stopped || tim_mono() < f->back.due)
		return 0;
	while (f->pieces == 0 && enough(f, flush)) {
		if (load(f, batches(f, flush)) < 0)
			return -1;
		drop_stored(f); /* all damaged */
	}
	if (f->pieces == 0)
		return 0;
	if (f->piece[f->pieces - 1].state == WAITING && send_piece(f, f->pieces - 1) < 0)
		return -1;
	return may_follow(f) ? send_piece(f, f->pieces - 2) : 0;
}

int64_t feed_wake(const struct feed *f, bool flush)
{
	if (f->state.busy || f->state.stopped)
		return INT64_MAX;
	if (f->pieces > 0 || enough(f, flush))
		return f->back.due;
	return f->since > 0 ? f->since + FEED_DELAY : INT64_MAX;
}
