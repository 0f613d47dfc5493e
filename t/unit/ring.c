/*
 * ring.c - chunks reach the writer whole and in their order, whatever the output does
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "base/tim.h"
#include "stream/ring.h"

/* What the writer thread did, for the test to look at when it has ended. */
static struct {
	uint8_t *data;
	size_t n, fail_at; /* put() fails when so many bytes are there */
	int begun, ended, cut_off, whole;
	int64_t at;
	pthread_mutex_t gate; /* held by the test: the output stalls */
} out = {.gate = PTHREAD_MUTEX_INITIALIZER};

static int on_begin(void *ctx, int64_t at)
{
	(void)ctx;
	out.begun++;
	out.at = at;
	return 0;
}

static int on_put(void *ctx, const uint8_t *p, size_t n, size_t *wrote)
{
	(void)ctx;
	pthread_mutex_lock(&out.gate);
	pthread_mutex_unlock(&out.gate);
	*wrote = out.fail_at && out.n + n > out.fail_at ? out.fail_at - out.n : n;
	out.data = realloc(out.data, out.n + n);
	memcpy(out.data + out.n, p, *wrote);
	out.n += *wrote;
	errno = ENOSPC;
	return *wrote == n ? 0 : -1;
}

static void on_cut(void *ctx, size_t n)
{
	(void)ctx;
	out.cut_off++;
	out.n -= n;
}

static int on_end(void *ctx, bool whole)
{
	(void)ctx;
	out.ended++;
	out.whole += whole;
	return 0;
}

static int on_tick(void *ctx)
{
	(void)ctx;
	return 0;
}

static struct ring *begin(size_t fail_at, size_t step)
{
	struct ring_sink sink = {NULL, step, on_begin, on_put, on_cut, on_end, on_tick};

	free(out.data);
	out.data = NULL;
	out.n = 0;
	out.fail_at = fail_at;
	out.begun = out.ended = out.cut_off = out.whole = 0;
	return ring_new(4 * RING_CHUNK, &sink);
}

/* A block of 1000 bytes with this number: type 6 (a packet), both lengths, the number. */
static void put_block(struct ring_chunk *c, unsigned number)
{
	static const uint8_t head[8] = {6, 0, 0, 0, 0xe8, 3, 0, 0};
	uint8_t *p = c->data + c->used;

	memset(p, 0, 1000);
	memcpy(p, head, 8);
	memcpy(p + 8, &number, sizeof number);
	memcpy(p + 996, head + 4, 4);
	c->used += 1000;
	c->records++;
}

/* Whether out holds the blocks 0..n-1 and nothing else. */
static bool holds(unsigned n)
{
	unsigned number;

	if (out.n != n * (size_t)1000)
		return false;
	for (unsigned i = 0; i < n; i++) {
		memcpy(&number, out.data + i * (size_t)1000 + 8, sizeof number);
		if (number != i)
			return false;
	}
	return true;
}

static uint64_t written(struct ring *r)
{
	struct ring_state s;

	ring_look(r, &s);
	return s.written;
}

static struct ring_chunk *take(struct ring *r)
{
	struct ring_chunk *c;

	while (!(c = ring_take(r)) && errno == EAGAIN)
		ring_wait(r, TIM_S);
	return c;
}

/* Fills and pushes chunks of 1000 blocks, showing parts of them now and then. */
static unsigned pour(struct ring *r, unsigned n)
{
	struct ring_chunk *c = NULL;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (!c && !(c = take(r)))
			break;
		if (i == 0)
			c->begins = true;
		put_block(c, i);
		if (i % 97 == 0)
			ring_show(r, c);
		if (c->records == 1000 || i + 1 == n) {
			c->ends = i + 1 == n;
			ring_push(r, c);
			c = NULL;
		}
	}
	return i;
}

static void test_order(size_t step)
{
	struct ring *r = begin(0, step);

	is_int(pour(r, 20500), 20500, "more chunks than the ring has");
	is_int(ring_finish(r, 10 * TIM_S), 0, "all is written");
	ok(holds(20500), "in its order, each once");
	is_int(written(r), 20500, "and counted");
	is_int(
	    out.begun * 100 + out.ended * 10 + out.whole, 111, "one file, begun and ended whole");
	ring_free(r);
}

static void test_show(void)
{
	struct ring *r = begin(0, 0);
	struct ring_chunk *c = ring_take(r);

	put_block(c, 0);
	ring_show(r, c);
	for (int64_t until = tim_mono() + 10 * TIM_S; written(r) < 1 && tim_mono() < until;)
		usleep(1000);
	is_int(written(r), 1, "what is shown is written while the chunk is being filled");
	put_block(c, 1);
	ring_push(r, c);
	is_int(ring_finish(r, 10 * TIM_S), 0, "then the rest");
	ok(holds(2), "and nothing twice");
	ring_free(r);
}

static void test_unended(void)
{
	struct ring *r = begin(0, 0);
	struct ring_chunk *c = ring_take(r);

	c->begins = true;
	put_block(c, 0);
	ring_push(r, c);
	is_int(ring_finish(r, 10 * TIM_S), 0, "a file whose end never came");
	is_int(out.ended * 10 + out.whole, 10, "is closed, but not whole");
	ring_free(r);
}

static void test_stall(void)
{
	struct ring *r = begin(0, 0);
	struct ring_chunk *c;
	struct ring_state s;
	unsigned n = 0;

	pthread_mutex_lock(&out.gate);
	while ((c = ring_take(r))) {
		put_block(c, n++);
		ring_push(r, c);
	}
	is_int(errno, EAGAIN, "a stalled output fills the ring");
	is_int(n, 4, "of four chunks");
	ok(!ring_wait(r, 10 * TIM_MS) && errno == EAGAIN, "there is no room to wait for");
	ring_look(r, &s);
	is_int(s.used, 4 * RING_CHUNK, "it says that it is full");
	pthread_mutex_unlock(&out.gate);
	ok(ring_wait(r, 10 * TIM_S), "there is room when it moves again");
	is_int(ring_finish(r, 10 * TIM_S), 0, "all is written");
	ok(holds(4), "in its order");
	ring_free(r);

	r = begin(0, 0);
	pthread_mutex_lock(&out.gate);
	c = ring_take(r);
	put_block(c, 0);
	ring_push(r, c);
	is_int(ring_finish(r, 50 * TIM_MS), -1, "an output that never moves is given up");
	is_int(errno, EAGAIN, "as EAGAIN");
	pthread_mutex_unlock(&out.gate);
	is_int(ring_finish(r, 10 * TIM_S), 0, "(it moves after all)");
	ring_free(r);
}

static void test_failure(void)
{
	struct ring *r = begin(2500500, 0);
	struct ring_state s;

	ok(pour(r, 20000) < 20000, "a full disk stops the receiver");
	is_int(ring_finish(r, 10 * TIM_S), -1, "and is an error");
	is_int(errno, ENOSPC, "with its reason");
	ring_look(r, &s);
	is_int(s.error, ENOSPC, "that stays");
	ok(holds(2500), "the piece of a block is taken away");
	is_int(s.written, 2500, "what is there is counted");
	is_int(out.cut_off * 100 + out.ended * 10 + out.whole, 110, "the file ends, but not whole");
	ok(!ring_take(r) && errno == ENOSPC, "there are no more chunks");
	ring_free(r);
}

int main(void)
{
	test_order(0);
	test_order(128 << 10);
	test_show();
	test_unended();
	test_stall();
	test_failure();
	free(out.data);
	return done_testing();
}
