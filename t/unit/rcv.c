/*
 * rcv.c - datagrams of several sockets in the order of their arrival, and the end, whatever the
 * output does
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "base/tim.h"
#include "stream/cap.h"
#include "stream/pkt.h"
#include "stream/rcv.h"

#define SOCKS 3
#define LARGE 60000 /* bytes: 17 to a chunk */
#define MANY  100000

/* What the writer thread wrote, and how fast it may. */
static struct {
	uint8_t *data;
	size_t n, room;
	atomic_int may;   /* put() so many times more */
	atomic_int nap;   /* us for each put() */
	atomic_int pause; /* us before the next one */
} out;

static int on_begin(void *ctx, int64_t at)
{
	(void)ctx;
	(void)at;
	return 0;
}

static int on_put(void *ctx, const uint8_t *p, size_t n, size_t *wrote)
{
	(void)ctx;
	while (out.may <= 0)
		usleep(1000);
	out.may--;
	usleep((useconds_t)(out.nap + atomic_exchange(&out.pause, 0)));
	if (out.n + n > out.room) {
		out.room = 2 * (out.n + n);
		out.data = realloc(out.data, out.room);
	}
	memcpy(out.data + out.n, p, n);
	out.n += n;
	*wrote = n;
	return 0;
}

static void on_cut(void *ctx, size_t n)
{
	(void)ctx;
	out.n -= n;
}

static int on_end(void *ctx, bool whole)
{
	(void)ctx;
	(void)whole;
	return 0;
}

static int on_tick(void *ctx)
{
	(void)ctx;
	return 0;
}

/* A receiver with SOCKS sockets at most, and somebody who sends to it. */
static struct {
	struct net_sockets s;
	struct ring *ring;
	struct rcv *rcv;
	struct tally tally;
	int from;
	atomic_bool stop;
} it;

static int64_t patience = 50 * TIM_MS;

static bool stopping(void)
{
	return it.stop;
}

static void open_it(int n, int64_t rotate, const struct net_cidr *allow)
{
	struct ring_sink sink = {NULL, 0, on_begin, on_put, on_cut, on_end, on_tick};
	struct rcv_options o = {.program = "test",
	    .rotate = rotate,
	    .allow = allow,
	    .nallow = allow != NULL,
	    .tally = &it.tally,
	    .stopping = stopping,
	    .patience = patience};
	char why[NET_WHY];

	memset(&it, 0, sizeof it);
	out.n = 0;
	out.may = MANY;
	out.nap = 0;
	for (int i = 0; i < n; i++)
		if (net_udp_add(&it.s, "127.0.0.1:0", 200 << 10, why) < 0)
			printf("Bail out! %s\n", why);
	it.from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	it.ring = ring_new(4 * RING_CHUNK, &sink);
	it.rcv = rcv_new(it.ring, &it.s, &o);
}

static void close_it(void)
{
	rcv_free(it.rcv);
	ring_finish(it.ring, 10 * TIM_S);
	ring_free(it.ring);
	for (int i = 0; i < it.s.n; i++)
		close(it.s.fd[i]);
	close(it.from);
}

static void tell(int i, size_t n)
{
	static const uint8_t zero[LARGE];

	(void)!sendto(it.from, zero, n, 0, (struct sockaddr *)&it.s.at[i].ss, it.s.at[i].len);
}

/* Reads what is there. */
static struct rcv_round drain(void)
{
	struct rcv_round t;

	do
		t = rcv_drain(it.rcv, tim_now(), false);
	while (!t.done && !t.full && !t.error);
	return t;
}

/* What the stream holds. */
struct seen {
	unsigned n[SOCKS], beats;
	int64_t back, last; /* how far a stamp goes back; the last one */
	struct cap_state state;
};

static struct seen look(void)
{
	struct cap_reader *in = cap_reader_mem(out.data, out.n);
	struct seen w = {.last = 0};
	struct cap_record rec;
	struct pkt p;
	enum cap_next what;
	int64_t latest = 0;

	while ((what = cap_read(in, &rec, -1)) != CAP_END) {
		w.beats += what == CAP_BEAT;
		if (what != CAP_RECORD || pkt_decode(&rec, &p) != PKT_OK)
			continue;
		for (int i = 0; i < it.s.n; i++)
			w.n[i] += net_port(&it.s.at[i]) == p.dst.port;
		latest = p.time > latest ? p.time : latest;
		w.back = latest - p.time > w.back ? latest - p.time : w.back;
		w.last = p.time;
	}
	w.state = *cap_state(in);
	cap_reader_free(in);
	return w;
}

static struct seen finish_and_look(void)
{
	is_int(rcv_finish(it.rcv, true), 0, "(its end)");
	is_int(ring_finish(it.ring, 10 * TIM_S), 0, "(all is written)");
	for (int i = 0; i < it.s.n; i++)
		ok(recv(it.s.fd[i], NULL, 0, MSG_DONTWAIT) < 0, "(nothing is left)");
	return look();
}

/* ---- order ---- */

static void test_pause(void)
{
	open_it(3, 0, NULL);
	for (int i = 0; i < 400; i++) { /* 400 ms or more, in which nobody reads */
		tell(0, 100);
		if (i % 4 == 0)
			tell(1, 100);
		if (i % 20 == 0)
			tell(2, 100);
		usleep(1000);
	}
	struct rcv_round t = drain();
	ok(t.done && !t.full, "after a pause all is read");
	struct seen w = finish_and_look();
	is_int(w.n[0] * 1000000 + w.n[1] * 1000 + w.n[2], 400100020, "of three sockets");
	ok(w.back < 100 * TIM_MS,
	    "in the order of arrival, but for a batch: not one after another");
	close_it();
}

static void test_slow_output(void)
{
	open_it(2, 0, NULL);
	out.may = 0;
	while (!drain().full) {
		tell(0, LARGE);
		tell(1, LARGE);
	}
	for (int k = 0; k < 8; k++) {
		for (int i = 0; i < 12; i++)
			tell(i % 2, LARGE);
		out.may++;
		ok(rcv_wait_room(it.rcv, 10 * TIM_S), "(room for a chunk)");
		drain();
	}
	out.may = MANY;
	struct seen w = finish_and_look();
	ok(w.n[0] > 50 && w.n[1] > w.n[0] - 20 && w.n[1] < w.n[0] + 20,
	    "where the output is slow, both sockets are read");
	close_it();
}

/* ---- heartbeats ---- */

static void test_set_back(void)
{
	int64_t now = tim_now();

	open_it(1, 0, NULL);
	is_int(rcv_beat(it.rcv, now + 100 * TIM_S), 0, "the clock is 100 s ahead");
	tell(0, 100);
	drain();
	is_int(rcv_beat(it.rcv, now + TIM_S), 0, "and is set back");
	is_int(rcv_beat(it.rcv, now + TIM_S - 1), 0, "(one that goes back by a little is none)");
	is_int(rcv_beat(it.rcv, now - 100 * TIM_S), 0, "before anything else comes, too");
	struct seen w = finish_and_look();
	is_int(w.beats, 3 + w.state.ended, "there are heartbeats, of the new time");
	close_it();
}

/* What waits in the sockets when the clock is set back has stamps of the future. */
static void test_future(void)
{
	struct rcv_round t;
	unsigned got = 0;

	open_it(2, 0, NULL);
	for (int i = 0; i < 200; i++)
		tell(i % 2, 100);
	for (int k = 0; k < 3; k++) {
		t = rcv_drain(it.rcv, tim_now() - 3600 * TIM_S, false);
		got += t.got;
	}
	is_int(got, 200, "what came before the clock was set back is read at once");
	for (int k = 0; k < 20; k++) {
		tell(0, 100);
		got += rcv_drain(it.rcv, tim_now() - TIM_S / 2, false).got;
	}
	is_int(got, 220, "also where it was set back by little");
	finish_and_look();
	close_it();
}

/* ---- end marks ---- */

static void test_refused(void)
{
	struct net_cidr nobody;
	char why[NET_WHY];

	net_cidr("192.0.2.1", &nobody, why);
	open_it(1, TIM_S, &nobody);
	tell(0, 100);
	drain();
	is_int(rcv_drained(it.rcv, tim_now() + 5 * TIM_S, tim_mono()), 0, "the file is over");
	tell(0, 100);
	tell(0, 100);
	drain();
	struct seen w = finish_and_look();
	is_int(w.state.ended, 2, "two files");
	is_int(w.state.ifdrop, 3, "what was refused between them is in an end mark too");
	close_it();
}

/* ---- the end ---- */

static void *send_on(void *arg)
{
	(void)arg;
	while (!it.stop)
		tell(0, 8192);
	return NULL;
}

static void test_last_drain(int pause)
{
	pthread_t sender;

	open_it(1, 0, NULL);
	out.may = 0;
	out.nap = 20000;
	out.pause = pause;
	pthread_create(&sender, NULL, send_on, NULL);
	while (!drain().full)
		;
	out.may = MANY;
	uint64_t before = rcv_placed(it.rcv);
	is_int(rcv_finish(it.rcv, true), 0, "more comes than the output takes, and it ends");
	it.stop = true;
	pthread_join(sender, NULL);
	is_int(ring_finish(it.ring, 10 * TIM_S), 0, "(all is written)");
	ok(rcv_placed(it.rcv) - before < 150, "and hardly anything that came after");
	close_it();
}

/* 50 datagrams in three of the four chunks: there is room for one more. Then, of one batch, one
 * goes there, one into the last chunk, and one wants a new file. */
static void test_stuck(void)
{
	while (tim_now() % TIM_S > 100 * TIM_MS)
		usleep(1000);
	int64_t next = (tim_now() / TIM_S + 1) * TIM_S;
	open_it(1, TIM_S, NULL);
	out.may = 0;
	for (int i = 0; i < 50; i++) {
		tell(0, LARGE);
		drain();
	}
	is_int(ring_free_chunks(it.ring), 1, "(one chunk is left)");
	tell(0, LARGE);
	tell(0, LARGE);
	while (tim_now() < next)
		usleep(1000);
	tell(0, LARGE);
	it.stop = true;
	is_int(drain().error, EAGAIN,
	    "an output that hangs at a change of files ends a stop's patience");
	is_int(it.tally.lost[RCV_NOT_WRITTEN].n, 1, "the datagram without a file is counted");
	is_int(rcv_finish(it.rcv, false), -1, "nor does the end wait");
	is_int(errno, EAGAIN, "but says so");
	is_int(ring_finish(it.ring, 50 * TIM_MS), -1, "(it does hang)");
	out.may = MANY;
	close_it();
}

/* The kernel begins to stamp datagrams a moment after somebody first asks for it, and stamps those
 * before when they are read: this keeps a socket that asks. */
static void want_stamps(void)
{
	union {
		struct cmsghdr align;
		char b[256];
	} control;
	char why[NET_WHY];
	int64_t stamp, now;

	if (net_udp_add(&it.s, "127.0.0.1:0", 4096, why) < 0)
		printf("Bail out! %s\n", why);
	it.from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	do {
		struct msghdr m = {.msg_control = &control, .msg_controllen = sizeof control};
		tell(0, 0);
		usleep(2000);
		now = stamp = tim_now();
		recvmsg(it.s.fd[0], &m, 0);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			struct timespec ts;
			memcpy(&ts, CMSG_DATA(c), sizeof ts);
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
				stamp = ts.tv_sec * TIM_S + ts.tv_nsec;
		}
	} while (stamp >= now);
	close(it.from);
}

int main(void)
{
	want_stamps();
	test_pause();
	test_slow_output();
	test_set_back();
	test_future();
	test_refused();
	test_last_drain(0);
	patience = 10 * TIM_S;
	test_last_drain(1200000); /* the stamps have a gap of more than a second */
	patience = 50 * TIM_MS;
	test_stuck();
	free(out.data);
	return done_testing();
}
