/* build.c - the event builder against what real detectors and networks do to it
 *
 * The numbered cases are the measured failures of the SSDAQ builder. The cards are written here: a
 * camera of 32 modules (clock u64 in ns, several records a datagram, module = last byte of the
 * address modulo 100) and a readout of four boards (clock u32 at 256 MHz, so it wraps each
 * 16.777216 s; sequence number; board = port - 64000).
 */
#include "stream/build.h"

#include <stdlib.h>

#include "base/tim.h"
#include "stream/evt.h"
#include "tap.h"

#define MS      TIM_MS
#define S       TIM_S
#define T0      (INT64_C(1795000000) * S) /* arrival of the first datagram */
#define CAM_REC 16
#define KID_REC 12
#define ALL     UINT64_C(0xffffffff)

static const char cam_text[] = "[card]\nname = cam\nrecord = 16\nbyteorder = big\nwindow = 51ms\n"
			       "hold = 1s\n[source]\nby = address\nmodulo = 100\ncount = 32\n"
			       "[clock]\nfield = tack\nunit = 1ns\n[field tack]\nat = 0 u64\n"
			       "[field value]\nat = 8 u64\n";
static const char slow_text[] = "[card]\nname = slow\ndatagram = 4\nbyteorder = big\nwindow = 1ms\n"
				"hold = 100ms\n[source]\nby = port\nfirst = 64000\ncount = 4\n"
				"[clock]\nfield = fine\nrate = 256 MHz\n[field fine]\nat = 0 u32\n";
static const char kid_text[] = "[card]\nname = kid\ndatagram = 12\nbyteorder = big\nwindow = 1ms\n"
			       "hold = 100ms\n[source]\nby = port\nfirst = 64000\ncount = 4\n"
			       "[clock]\nfield = fine\nrate = 256 MHz\n[sequence]\nfield = seq\n"
			       "[field fine]\nat = 0 u32\n[field seq]\nat = 4 u32\n"
			       "[field value]\nat = 8 u32\n";

/* ---- what is sent ---- */

struct dgram {
	int64_t at;
	uint8_t last; /* of the address 192.168.9.x */
	uint16_t port;
	uint64_t dropped;
	size_t len, order;
	uint8_t data[10 * CAM_REC];
};

static struct dgram *sent;
static size_t nsent, room;

static struct dgram *dgram(int64_t at, unsigned last, unsigned port)
{
	if (nsent == room)
		sent = realloc(sent, (room = 2 * room + 1000) * sizeof *sent);
	struct dgram *d = &sent[nsent++];
	memset(d, 0, sizeof *d);
	d->at = at;
	d->last = (uint8_t)last;
	d->port = (uint16_t)port;
	return d;
}

static void big(uint8_t *p, uint64_t v, int n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* n records of a module from tack on, 100 ms apart. */
static struct dgram *cam(unsigned module, int64_t at, int64_t tack, int n)
{
	struct dgram *d = dgram(T0 + at, 100 + module, 2009);
	for (int i = 0; i < n; i++, d->len += CAM_REC) {
		big(d->data + d->len, (uint64_t)(tack + i * 100 * MS), 8);
		big(d->data + d->len + 8, module * 1000000 + (uint64_t)(tack / MS), 8);
	}
	return d;
}

/* A good event of 32 modules with 10 records each: k seconds after the start. */
static void cam_event(int k)
{
	for (unsigned m = 0; m < 32; m++)
		cam(m, k * S + (int64_t)m * 1000, (100 + k) * S, 10);
}

static struct dgram *kid(unsigned board, int64_t at, uint64_t ticks, uint32_t seq)
{
	struct dgram *d = dgram(T0 + at, 71, 64000 + board);
	d->len = KID_REC;
	big(d->data, ticks, 4);
	big(d->data + 4, seq, 4);
	big(d->data + 8, board * 1000000 + seq, 4);
	return d;
}

/* ---- what comes out ---- */

struct event {
	int64_t clock, time;
	uint32_t flags;
	unsigned nrec;
	uint64_t mask, dropped, sum;
};
static struct event *got;
static size_t ngot, groom;
static unsigned said;
static char last_said[600];
static bool ordered, numbered, zeroed;
static const struct card *card_now;

static int emit(void *ctx, const uint8_t *body, size_t size, int64_t time, uint64_t dropped)
{
	struct evt e;
	(void)ctx;

	const char *why = evt_decode(body, size, &e);
	if (why) {
		printf("# %s\n", why);
		return -1;
	}
	if (ngot == groom)
		got = realloc(got, (groom = 2 * groom + 1000) * sizeof *got);
	struct event *g = &got[ngot];
	*g = (struct event){e.clock, time, e.flags, e.nrec, wire_get(e.mask[0]), dropped, 0};
	for (size_t i = 0; i < size; i++)
		g->sum = g->sum * 31 + body[i];
	for (unsigned s = 0; s < e.nsrc; s++)
		for (size_t i = 0; i < e.slot && !evt_present(&e, s); i++)
			zeroed &= e.slots[s * e.slot + i] == 0;
	numbered &= e.number == ngot;
	if (ngot && !(e.flags & EVT_SEGMENT))
		ordered &= e.clock >= got[ngot - 1].clock;
	ngot++;
	return 0;
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	said++;
	snprintf(last_said, sizeof last_said, "%s", text);
}

static struct build_count count;

static bool sums(const struct build_count *n)
{
	return n->in ==
	    n->out + n->held + n->late + n->duplicate + n->conflict + n->stray + n->unknown +
	    n->malformed + n->empty;
}

static uint32_t seed;
static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * n >> 32);
}

/* Feeds what was sent; identities are checked after each datagram. beats: heartbeats between. */
static struct build_options opt;
static struct build *build;
static bool run_to(const struct card *c, bool beats)
{
	char why[BUILD_WHY];
	struct build_options o = opt;
	bool good = true;

	if (!o.hold)
		o.hold = c->hold;
	if (!o.window)
		o.window = c->window;
	card_now = c;
	ngot = said = 0;
	ordered = numbered = zeroed = true;
	build_free(build);
	build = build_new(c, &o, emit, say, NULL, why);
	for (size_t i = 0; i < nsent; i++) {
		const struct dgram *d = &sent[i];
		struct pkt p = {.time = d->at,
		    .src = {4, 50000, {192, 168, 9, d->last}},
		    .dst = {4, d->port, {192, 168, 9, 1}},
		    .data = d->data,
		    .len = d->len,
		    .dropped = d->dropped};
		/* A heartbeat says truly that nothing earlier follows. */
		if (beats && i && d->at > sent[i - 1].at)
			good &=
			    build_time(build,
				sent[i - 1].at + dice(1000) * (d->at - sent[i - 1].at) / 1000) == 0;
		good &= build_add(build, &p) == 0 && sums(build_count(build));
	}
	return good;
}

static bool run(const struct card *c)
{
	bool good = run_to(c, false) && build_flush(build) == 0;
	count = *build_count(build);
	return good && sums(&count) && count.held == 0 && ordered && numbered && zeroed;
}

static void fresh(void)
{
	nsent = 0;
	opt = (struct build_options){0};
	seed = 12345;
}

static size_t flagged(uint32_t flags)
{
	size_t n = 0;
	for (size_t i = 0; i < ngot; i++)
		n += (got[i].flags & flags) != 0;
	return n;
}

/* ---- the numbered cases: a camera of 32 modules ---- */

static const struct card *cam_card, *kid_card, *slow_card;

static void case_1_silence_after_good_events(void)
{
	fresh();
	for (int k = 0; k < 6; k++)
		cam_event(k);
	sent[nsent - 1].len -= 9 * CAM_REC; /* the last module fell silent within the last event */
	ok(run_to(cam_card, false), "case 1: six good events, then silence");
	is_int(ngot, 51, "all complete events left at once");
	is_int(build_due(build), T0 + 5 * S + 31000 + S, "the rest is due the hold time later");
	build_time(build, T0 + 6 * S);
	is_int(ngot, 51, "not before");
	build_time(build, build_due(build));
	build_time(build, build_due(build));
	is_int(ngot, 60, "idle: all 60 have left");
	is_int(flagged(EVT_HELD), 9, "and say why");
	is_int(build_due(build), TIM_NONE, "nothing is open");
	ok(run_to(cam_card, false), "the same, and the clock is set back in the silence");
	build_beat(build, T0 - 100 * S);
	is_int(ngot, 51, "a heartbeat tells");
	build_beat(build, T0 - 97 * S);
	is_int(ngot, 60, "three seconds later all 60 have left");
	fresh();
	for (int k = 0; k < 6; k++)
		cam_event(k);
	nsent--;
	ok(run(cam_card), "the same at the end of the input");
	is_int(count.events, 60, "all 60 events");
	is_int(flagged(EVT_FLUSHED), 10, "the incomplete ones are flagged");
}

static void case_2_one_packet_late(void)
{
	fresh();
	for (int k = 0; k < 10; k++) {
		cam_event(k);
		if (k == 3)
			cam(5, k * S + 500 * MS, (100 + k - 2) * S + 20 * MS, 10);
	}
	ok(run(cam_card), "case 2: one packet 2 s late, then good events");
	is_int(count.late, 10, "its records are late");
	is_int(count.complete, 100, "nothing else suffers");
	is_int(count.restarts, 0, "no restart is seen in it");
	is_int(said, 1, "it is said once");
	fresh();
	for (int k = 0; k < 10; k++) {
		cam_event(k);
		if (k != 3)
			continue;
		for (unsigned m = 5; m < 31; m++) /* without module 5 */
			sent[32 * k + (int)m] = sent[32 * k + (int)m + 1];
		nsent--;
		cam(5, k * S + 200 * MS, (100 + k) * S + 3 * MS, 10);
	}
	opt.hold = 150 * MS;
	ok(run(cam_card), "a packet comes after its event left at the hold time");
	is_int(count.late, 10,
	    "its records are late, though they are a little after the event's clock");
	is_int(count.events, 100, "and make no events of their own");
}

static void case_3_reordered(void)
{
	fresh();
	for (int k = 0; k < 10; k++)
		cam_event(k);
	for (int k = 0; k < 9; k++) { /* module 31 changes places with module 0 of the next event */
		struct dgram d = sent[32 * k + 31];
		int64_t at = d.at;
		sent[32 * k + 31] = sent[32 * k + 32];
		d.at = sent[32 * k + 32].at;
		sent[32 * k + 32] = d;
		sent[32 * k + 31].at = at;
	}
	opt.hold =
	    1500 * MS; /* the others wait for it longer than the second between two packets */
	ok(run(cam_card), "case 3: module 31 comes after module 0 of the next event");
	is_int(count.complete, 100, "every event is complete");
	is_int(count.out, 3200, "nothing is lost");
}

static void jitter(int64_t range)
{
	fresh();
	for (int k = 0; k < 6; k++)
		for (unsigned m = 0; m < 32; m++)
			for (int i = 0; i < 10; i++)
				cam(m, k * S + m * 1000,
				    (100 + k) * S + i * 100 * MS - range +
					(int64_t)dice((uint32_t)(2 * range)),
				    1);
}

static void case_4_and_5_jitter(void)
{
	jitter(20 * MS);
	ok(run(cam_card), "case 4: clocks jitter by 20 ms, window 51 ms");
	is_int(count.complete, 60, "all 60 events");
	jitter(60 * MS);
	ok(run(cam_card), "case 5: clocks jitter by 60 ms");
	is_int(count.out, 1920, "some events split, nothing is lost");
	ok(count.events > 60 && count.incomplete > 0, "and they say that they are incomplete");
}

static void nearest_event_wins(void)
{
	fresh();
	opt.window = 60 * MS;
	cam(0, 0, 100 * S, 1);
	cam(0, 1, 100 * S + 100 * MS, 1);
	cam(1, 2, 100 * S + 58 * MS, 1); /* within the window of both */
	cam(2, 3, 100 * S + 42 * MS, 1);
	cam(2, 4, 100 * S + 55 * MS, 1); /* the nearest one is free */
	cam(2, 5, 100 * S + 45 * MS, 1); /* both have module 2 by now */
	ok(run(cam_card), "records between two events");
	is_int(count.events, 3, "three events");
	is_int(got[0].mask, 1 | 4, "the nearer one, before");
	is_int(got[1].mask, 4, "a third one, where its place is taken");
	is_int(got[2].mask, 1 | 2 | 4, "the nearer one, after");
}

static void case_6_restart(void)
{
	fresh();
	for (int k = 0; k < 6; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m * 1000, 3 * S + k * S, 10);
	for (int k = 6; k < 12; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m * 1000, 200 * MS + (k - 6) * S, 10);
	ok(run(cam_card), "case 6: all clocks start from a low value after 6 s");
	is_int(count.restarts, 1, "one restart");
	is_int(count.complete, 120, "every event of both segments is complete");
	is_int(flagged(EVT_SEGMENT), 1, "one event begins a segment");
	is_int(got[60].flags, EVT_SEGMENT, "the first after the restart");
	is_int(got[60].clock, 200 * MS, "with the new clock");
	fresh();
	for (int k = 0; k < 12; k++) /* each module sends everything twice */
		for (unsigned m = 0; m < 64; m++)
			cam(m / 2, k * S + m * 1000, (k < 6 ? 3 + k : k - 6) * S, 10);
	ok(run(cam_card), "the same with duplicates all the time");
	is_int(count.restarts, 1, "one restart");
	is_int(count.complete, 120, "every event is complete");
	is_int(count.duplicate, 120 * 32, "every duplicate is told");
	fresh();
	for (int k = 0; k < 12; k++)
		for (unsigned m = 0; m < (k < 6 ? 32 : 10); m++)
			cam(m, k * S + m * 1000, (k < 6 ? 3 + k : k - 6) * S, 10);
	ok(run(cam_card), "only ten modules come back after a restart");
	is_int(count.restarts, 1, "one restart");
	is_int(count.in, count.out, "nothing is lost");
}

static void short_runs_with_the_same_clocks(void)
{
	fresh();
	for (int k = 0; k < 40; k++) /* what the segment before said is said again, each time */
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m * 1000, (100 + k % 10) * S, 10);
	ok(run(cam_card), "four runs of ten seconds, whose clocks begin at the same place");
	is_int(count.restarts, 3, "three restarts");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.complete, 400, "every event is complete");
}

static void set_aside_for_long(void)
{
	fresh();
	for (int k = 0; k < 70; k++) /* 10 s, then twice 30 s */
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m * 1000, (k < 10 ? k : (k - 10) % 30) * S, 10);
	ok(run(cam_card), "a restart that is believed when the first ones are past their hold");
	is_int(count.restarts, 2, "two restarts");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.complete, 700, "every event is complete");
}

static void case_7_to_9_bad_lengths(void)
{
	fresh();
	cam_event(0);
	cam(3, S, 101 * S, 0);
	cam(4, S, 101 * S, 1)->len = 15;
	cam(4, S, 101 * S, 10)->len = 7 * CAM_REC + 3;
	cam_event(1);
	ok(run(cam_card), "cases 7 and 9: an empty datagram, a runt, a cut one");
	is_int(count.empty, 1, "counted as empty");
	is_int(count.malformed, 2, "counted as malformed");
	is_int(count.complete, 20, "events are complete");
	is_int(said, 2, "once for each source and kind");
	ok(strstr(last_said, "192.168.9.104:50000: a datagram of 15 bytes") != NULL,
	    "the source and the length are named");
	fresh();
	for (int k = 0; k < 3; k++) {
		cam_event(k);
		sent[32 * k + 7].len = 9 * CAM_REC;
	}
	ok(run(cam_card), "case 8: module 7 sends 9 readouts, the others 10");
	is_int(count.complete, 27, "nine of ten events are complete");
	is_int(count.incomplete, 3, "the tenth lacks a record");
	is_int(got[9].mask, ALL & ~(1u << 7), "that of module 7");
}

static void case_10_stranger(void)
{
	fresh();
	for (int k = 0; k < 3; k++) {
		cam_event(k);
		cam(50, k * S, (100 + k) * S, 10);
	}
	ok(run(cam_card), "case 10: packets from address .150");
	is_int(count.unknown, 30, "counted as unknown");
	is_int(count.complete, 30, "events are complete");
	is_int(said, 1, "said once");
	ok(strstr(last_said, "192.168.9.150:50000") && strstr(last_said, "sources 0 to 31") &&
		strstr(last_said, ".0 to .31, .100 to .131, .200 to .231"),
	    "with the address and what is expected");
}

static void case_11_duplicates(void)
{
	fresh();
	for (int k = 0; k < 3; k++) {
		cam_event(k);
		cam(31, k * S + 40000, (100 + k) * S, 10);
		cam(7, k * S + 50000, (100 + k) * S, 10);
	}
	ok(run(cam_card), "case 11: modules 7 and 31 send everything twice");
	is_int(count.duplicate, 60, "counted, though their events have left");
	is_int(count.conflict, 0, "the bytes were the same");
	fresh();
	cam_event(0);
	nsent--; /* keeps the events open */
	cam(7, 50000, 100 * S, 10)->data[CAM_REC - 1] ^= 1;
	cam(31, 60000, 100 * S, 10);
	ok(run(cam_card), "the same with another value");
	is_int(count.duplicate, 9, "nine duplicates");
	is_int(count.conflict, 1, "one conflict");
	is_int(got[0].flags, EVT_CONFLICT, "its event is flagged");
	is_int(got[1].flags, EVT_DUPLICATE, "and those of the duplicates");
	is_int(count.complete, 10, "the first ones are kept");
}

static void case_12_silent_module(void)
{
	fresh();
	for (int k = 0; k < 4; k++)
		for (unsigned m = 0; m < 32; m++)
			if (m != 9)
				cam(m, k * S + m, (100 + k) * S, 10);
	ok(run(cam_card), "case 12: module 9 is silent");
	is_int(count.incomplete, 40, "all events are incomplete");
	is_int(got[0].mask, ALL & ~(1u << 9), "the mask says who is missing");
	is_int(got[0].flags, EVT_INCOMPLETE | EVT_HELD, "and that it was waited for");
	is_int(said, 1, "so does a message");
	ok(strstr(last_said, "nothing came from source 9,") && strstr(last_said, "=0-8,10-31 "),
	    "with the list of those that sent");
	is_int(build_source_records(build, 9), 0, "no record of module 9");
	is_int(build_source_records(build, 8), 40, "all of module 8");
}

static void case_13_more_than_fits(void)
{
	fresh();
	for (int k = 0; k < 3000;
	     k++) /* 200 a second, module 0 silent: all wait for the hold time */
		for (unsigned m = 1; m < 32; m++)
			cam(m, k * 5 * MS, 100 * S + k * 5 * MS, 1);
	opt.open_max = 50;
	opt.window = MS;
	ok(run(cam_card), "case 13: 3000 events faster than memory allows");
	is_int(count.events, 3000, "3000 leave");
	is_int(count.overflow, 2950, "those that did not fit say so");
	is_int(count.out, 3000 * 31, "nothing is lost");
	is_int(said, 2, "and it is said, as is who was silent");
}

static void case_16_kernel_drops(void)
{
	fresh();
	for (int k = 0; k < 3; k++)
		cam_event(k);
	sent[32].dropped = 3;
	sent[40].dropped = 4;
	ok(run(cam_card), "case 16: the receiver dropped 7 datagrams");
	is_int(count.dropped, 7, "they are counted");
	is_int(got[10].dropped, 7, "with the next event that leaves");
	is_int(got[10].flags, EVT_DROPS, "which is flagged");
	is_int(flagged(EVT_DROPS), 1, "and only that");
}

static void case_19_no_local_time(void)
{
	fresh();
	cam_event(0);
	ok(run(cam_card), "case 19: times are integers since the epoch");
	is_int(got[0].time, T0, "an event has its first arrival");
	is_int(got[0].clock, 100 * S, "and its device clock");
}

/* ---- the list after the table ---- */

static void modules_that_change(void)
{
	fresh();
	for (int k = 0; k < 6; k++)
		for (unsigned m = 0; m < 32; m++)
			if (m != 20 || k >= 3)
				cam(m, k * S + m, (100 + k) * S, 10);
	ok(run(cam_card), "module 20 joins in the middle of a run");
	is_int(count.incomplete, 30, "until then events are incomplete");
	is_int(count.complete, 30, "afterwards complete");
	fresh();
	for (int k = 0; k < 6; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(k < 3 ? m : m == 4 ? 5 : m == 5 ? 4 : m, k * S + m, (100 + k) * S, 10);
	ok(run(cam_card), "modules 4 and 5 swap addresses");
	is_int(count.complete, 60, "every event is complete");
	fresh();
	cam_event(0);
	cam(17, S, 101 * S, 1);
	cam_event(2);
	ok(run(cam_card), "only one module sends an event");
	is_int(got[10].mask, 1 << 17, "it comes with that module");
	is_int(count.events, 21, "and the others come too");
}

static void far_times(void)
{
	fresh();
	for (int k = 0; k < 3; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S, (INT64_C(2147483648) + k) * S, 10)->at +=
			    INT64_C(2147483648) * S - T0;
	ok(run(cam_card), "clock and arrival after January 2038");
	is_int(count.complete, 30, "every event is complete");
	is_int(got[0].time, INT64_C(2147483648) * S, "with its time");
}

static void garbled_clocks(void)
{
	fresh();
	for (int k = 0; k < 40; k++) {
		cam_event(k);
		if (k % 4 == 3) /* one byte of a clock is wrong, each byte in its turn */
			sent[nsent - 1 - dice(32)].data[2 * CAM_REC + dice(8)] ^=
			    (uint8_t)(1 + dice(255));
	}
	ok(run(cam_card), "clocks with a wrong byte, from far past to far future");
	ok(count.late + count.stray + count.conflict <= 10, "only those records are lost");
	ok(count.complete >= 390, "every other event is complete");
	is_int(count.restarts, 0, "and none is taken for a restart");
	fresh();
	cam(3, 0, INT64_C(1) << 61, 1);
	for (int k = 0; k < 5; k++)
		cam_event(k);
	ok(run(cam_card), "the very first clock is garbage");
	is_int(count.complete, 50, "all good events are complete");
	is_int(count.in, count.out, "nothing is lost");
}

static void garbage_that_agrees(void)
{
	fresh();
	for (int k = 0; k < 10; k++) {
		cam_event(k);
		if (k == 4)
			for (unsigned m = 3; m < 6;
			     m++) /* clock 0, as from a module that wakes up */
				cam(m, k * S + 500 * MS, 0, 1);
	}
	ok(run(cam_card), "three modules send a clock of 0 once");
	is_int(count.stray, 3, "three strays");
	is_int(count.restarts, 0, "are no restart");
	is_int(count.complete, 100, "every event is complete");
	fresh();
	for (unsigned m = 0; m < 32; m++)
		if (m != 9) /* so that nothing has left yet */
			cam(m, m, 100 * S, 10);
	cam(3, 100, 5, 1);
	for (int k = 1; k < 3; k++)
		cam_event(k);
	ok(run(cam_card), "a clock from far back before any event has left");
	is_int(count.stray, 1, "is a stray too");
	is_int(count.events, 30, "and makes no event");
}

static void one_clock_apart(void)
{
	fresh();
	for (int k = 0; k < 20; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m, m == 9 && k >= 5 ? (k - 5) * S : (100 + k) * S, 10);
	ok(run(cam_card), "module 9 alone restarts, the others go on");
	is_int(count.restarts, 0, "the majority keeps its clock");
	is_int(count.complete, 50, "events before are complete");
	is_int(count.events, 200, "events after leave without module 9");
	is_int(count.stray, 150, "whose records are strays");
}

static void staggered_restart(void)
{
	fresh();
	for (int k = 0; k < 20; k++) /* modules come back one after the other, over 3 s */
		for (unsigned m = 0; m < 32; m++)
			if (k < 6 || k >= 10 + (int)m / 11)
				cam(m, k * S + m, k < 6 ? (50 + k) * S : (k - 8) * S, 10);
	ok(run(cam_card), "a camera is switched off and on; modules come back over 3 s");
	is_int(count.restarts, 1, "one restart");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.complete, 60 + 80, "complete before and after");
}

static void forward_step(void)
{
	fresh();
	for (int k = 0; k < 10; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m, (k < 5 ? k : k + 3600) * S, 10);
	ok(run(cam_card), "all clocks step an hour ahead");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.complete, 100, "all events are complete");
	is_int(count.restarts, 1, "a new segment begins");
	fresh();
	for (int k = 0; k < 10; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, (k < 5 ? k : k + 3600) * S + m, (k < 5 ? k : k + 3600) * S, 10);
	ok(run(cam_card), "the run pauses for an hour");
	is_int(count.complete, 100, "all events are complete");
	is_int(count.restarts, 0, "arrival explains it: no new segment");
}

static void restart_at_the_end(void)
{
	fresh();
	for (int k = 0; k < 6; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * S + m, (k < 5 ? 100 + k : 0) * S, 10);
	nsent -= 14;
	ok(run(cam_card), "a restart just before the end of the input");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.restarts, 1, "one restart");
	fresh();
	for (int k = 0; k < 6; k++)
		cam_event(k);
	cam(3, 6 * S, 102 * S + 7, 10);
	ok(run(cam_card), "a late packet just before the end");
	is_int(count.late, 10, "is late");
	is_int(count.restarts, 0, "and no restart");
	fresh();
	for (int k = 0; k < 9; k++)
		cam_event(k);
	for (int i = 0; i < 9; i++) /* three each of three modules: nobody else speaks any more */
		cam(3 + (unsigned)i % 3, 9 * S + i, (102 + i / 3) * S + 7, 10);
	ok(run(cam_card), "late packets after the last event");
	is_int(count.late, 90, "are late");
	is_int(count.restarts, 0, "and no restart");
}

static void wall_clock_steps(void)
{
	fresh();
	for (int k = 0; k < 20; k++)
		for (unsigned m = 0; m < 32; m++)
			if (m != 9) /* so that all events wait for the hold time */
				cam(m, (k < 10 ? k : k - 3600) * S + m, (100 + k) * S, 10);
	ok(run_to(cam_card, false), "the receiver's clock is set back by an hour");
	ok(ngot >= 180, "events still leave after their hold time");
	build_flush(build);
	is_int(build_count(build)->out, 31 * 200, "nothing is lost");
	fresh();
	for (int k = 0; k < 20; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, (k < 10 ? k : k + 3600) * S + m, (100 + k) * S, 10);
	ok(run(cam_card), "the receiver's clock is set ahead by an hour");
	is_int(count.complete, 200, "all events are complete");
}

static void replay_at_full_speed(void)
{
	fresh();
	for (int k = 0; k < 50; k++) {
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * 32000 + (int64_t)m * 1000, (k < 25 ? 100 + k : 160 + k) * S, 10);
		if (k % 5 == 2) /* and a second is missing now and then */
			nsent -= 32;
	}
	ok(run(cam_card), "a replay without pauses: device time runs ahead of arrival");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.complete, 400, "all events are complete");
	is_int(count.restarts, 0, "gaps of seconds and of a minute are no restarts");
	fresh();
	for (int k = 0; k < 50; k++)
		for (unsigned m = 0; m < 32; m++)
			cam(m, k * 32000 + (int64_t)m * 1000, k * 10 * S, 1);
	ok(run(cam_card), "a slow detector at full speed");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.complete, 50, "every event is complete");
	is_int(count.restarts, 0, "its usual step is in line");
	fresh();
	for (int k = 0; k < 50; k++)
		cam(7, k * 1000, k * 10 * S, 1);
	ok(run(cam_card), "the same of one module");
	is_int(count.in, count.out, "nothing is lost");
	is_int(count.restarts, 0, "its usual step is in line");
}

/* ---- four boards, a clock that wraps and a sequence number ---- */

#define TICKS   (1 << 19) /* of 256 MHz between records: 2.048 ms */
#define STEP_NS INT64_C(2048000)

/* The same board without sequence numbers. */
static void bare(unsigned board, int64_t at, uint64_t ticks)
{
	kid(board, at, ticks, 0)->len = 4;
}

static void kid_events(int from, int to, uint64_t clock0, uint32_t seq0, int64_t spacing)
{
	for (int k = from; k < to; k++)
		for (unsigned s = 0; s < 4; s++)
			kid(s, k * spacing + s * 1000, (clock0 + (uint64_t)k * TICKS) & UINT32_MAX,
			    seq0 + (uint32_t)k);
}

static void clock_wraps(void)
{
	static const struct {
		int64_t spacing;
		const char *words;
	} pace[] = {{STEP_NS, "the clock wraps twice in 40 s of real time"},
	    {5000, "the clock wraps twice in a replay at full speed"},
	    {20 * STEP_NS, "the clock wraps twice in a slow replay"}};

	for (size_t i = 0; i < 3; i++) {
		fresh();
		kid_events(0, 20000, 0xfff00000, 0xfffffff0, pace[i].spacing);
		ok(run(kid_card), pace[i].words);
		is_int(count.complete, 20000, "every event is complete");
		is_int(got[19999].clock - got[0].clock, 19999 * STEP_NS, "time goes on evenly");
		is_int(count.gaps, 0, "the sequence number wraps without a gap");
	}
	fresh();
	kid_events(0, 100, 0, 0, STEP_NS);
	kid_events(100000, 100100, 0, 0, STEP_NS); /* 205 s, 12 wraps later */
	ok(run(kid_card), "a pause of many wraps");
	is_int(got[100].clock - got[0].clock, 100000 * STEP_NS, "arrival says how many");
	is_int(count.restarts, 0, "it is no restart");
	fresh();
	kid_events(0, 100, 0, 0, STEP_NS);
	kid_events(100000, 100100, 0, 0, 5000); /* the same replayed: sequence says how many */
	ok(run(kid_card), "the same in a replay at full speed");
	is_int(got[100].clock - got[0].clock, 100000 * STEP_NS, "sequence numbers say how many");
}

static void clock_wraps_without_sequence(void)
{
	fresh();
	for (int k = 0; k < 40; k++) /* a record each 7 s, then a pause of 1000 s */
		for (unsigned s = 0; s < 4; s++) {
			int64_t t = (k * 7 + (k > 20 ? 1000 : 0)) * S;
			bare(s, t + s, (uint64_t)t * 256 / 1000);
		}
	ok(run(slow_card), "a clock that wraps between records, without sequence numbers");
	is_int(count.complete, 40, "every event is complete");
	is_int(
	    got[39].clock - got[0].clock, (39 * 7 + 1000) * S, "arrival says how often it wrapped");
	is_int(count.restarts, 0, "that is no restart");
	fresh();
	for (int k = 0; k < 20; k++) /* each module on its own, once a minute */
		for (unsigned m = 0; m < 32; m++) {
			int64_t t = (k * 60 + (int64_t)m) * S;
			cam(m, t, k < 10 ? 5000 * S + t : t - 600 * S, 1);
		}
	ok(run(cam_card), "slow modules, far apart, are restarted");
	is_int(count.restarts, 1, "one restart");
	is_int(count.in, count.out, "nothing is lost");
}

static void sequence_and_clock_restart(void)
{
	fresh();
	kid_events(0, 500, 1000000000, 70000, STEP_NS);
	for (int k = 500; k < 1000; k++)
		for (unsigned s = 0; s < 4; s++)
			kid(s, k * STEP_NS + s * 1000, (uint64_t)(k - 500) * TICKS,
			    (uint32_t)k - 500);
	ok(run(kid_card), "pps_start: clock and sequence begin again");
	is_int(count.restarts, 1, "one restart");
	is_int(count.complete, 1000, "every event is complete");
	is_int(count.gaps, 0, "a restart is no gap");
	is_int(got[500].flags, EVT_SEGMENT, "the first event after it is flagged");
	fresh();
	kid_events(0, 500, 0, 70000, STEP_NS);
	kid_events(500, 1000, 0, UINT32_MAX - 499, STEP_NS);
	ok(run(kid_card), "only the sequence begins again");
	is_int(count.restarts, 0, "the clock went on: no new segment");
	is_int(count.complete, 1000, "every event is complete");
	fresh();
	kid_events(0, 500, 0, 70000, STEP_NS);
	for (int k = 500; k < 1000; k++) /* 60 ms ahead of what arrival says */
		for (unsigned s = 0; s < 4; s++)
			kid(s, k * STEP_NS + s * 1000, (uint64_t)k * TICKS + 15360000,
			    (uint32_t)k - 500);
	ok(run(kid_card), "both begin again, and the clock is near the old one by chance");
	is_int(count.restarts, 1, "one restart");
	is_int(count.complete, 1000, "every event is complete");
	fresh();
	for (int k = 0; k < 1500; k++)
		for (unsigned s = 0; s < 4; s++)
			kid(s, k * STEP_NS + s * 1000, (uint64_t)(k % 500) * TICKS,
			    (uint32_t)k % 500);
	ok(run(kid_card), "two restarts, each from 0: every number comes three times");
	is_int(count.restarts, 2, "two restarts");
	is_int(count.complete, 1500, "every event is complete");
	fresh();
	kid_events(0, 100, 0, 0, STEP_NS);
	kid_events(100, 200, 0, UINT32_C(1) << 30, STEP_NS);
	ok(run(kid_card), "sequence numbers jump ahead by 2^30");
	is_int(count.gaps, 4, "a gap in each");
	is_int(count.missing, 0, "but not a thousand million lost datagrams");
	is_int(count.complete, 200, "every event is complete");
}

/* Clock and sequence of event 1000 are 0. */
static void kid_restarted(int from, int to, int64_t spacing)
{
	kid_events(from, to, UINT64_C(0) - UINT64_C(1000) * TICKS, 0u - 1000, spacing);
}

/* Datagram i comes at another time. */
static void send_later(size_t i, int64_t at)
{
	struct dgram d = sent[i];
	size_t to = i;

	d.at = T0 + at;
	for (; to + 1 < nsent && sent[to + 1].at <= d.at; to++)
		sent[to] = sent[to + 1];
	sent[to] = d;
}

static void late_from_before_a_restart(void)
{
	fresh();
	kid_events(0, 1000, 2560000000, 5000, STEP_NS);
	kid_restarted(1000, 2500, STEP_NS);
	for (unsigned s = 0; s < 3; s++)
		send_later(4 * 300, 1500 * STEP_NS + 4000 + s);
	ok(run(kid_card),
	    "most boards' datagrams of 1.4 s before a restart come a second after it");
	is_int(count.restarts, 1, "they are no second restart");
	is_int(count.late, 3, "they are late");
	fresh();
	kid_events(0, 1000, 0, 0, STEP_NS);
	kid_restarted(1000, 2500, STEP_NS);
	send_later(4 * 999, 1244 * STEP_NS);
	ok(run(kid_card),
	    "a late one whose clock and number the boards have not yet come to again");
	is_int(count.late, 1, "it is late");
	is_int(count.conflict, 0, "and does not take the place of the true one");
	is_int(count.reordered, 0, "nor stand before others");
	is_int(count.complete, 2499, "all other events are complete");
	fresh();
	kid_events(0, 1000, 2560000000, 5000, STEP_NS);
	kid_restarted(1000, 1500, STEP_NS);
	send_later(4 * 800, 1000 * STEP_NS - 1);
	ok(run(kid_card), "a late one just before a restart");
	is_int(count.restarts, 1, "does not stand before the new segment");
	is_int(count.late, 1, "it is late");
	fresh();
	kid_events(0, 1000, 0, 0, 5000);
	kid_restarted(1000, 1200, 5000);
	kid_restarted(1500, 2500, 5000);
	ok(run(kid_card), "a gap after a restart, in a replay at full speed");
	is_int(count.restarts, 1, "is no second restart");
	is_int(count.complete, 2200, "every event is complete");
	is_int(count.missing, 4 * 300, "numbers are missing");
	fresh();
	for (int k = 0; k < 1200; k++)
		for (unsigned s = 0; s < 4; s++)
			kid(s, k * STEP_NS + s * 1000, (uint64_t)(k % 300) * TICKS, (uint32_t)k);
	ok(run(kid_card), "three restarts, of the clock alone");
	is_int(count.restarts, 3, "three restarts");
	is_int(count.alone, 0, "and no board by itself");
	is_int(count.complete, 1200, "every event is complete");
}

static void gaps_are_told(void)
{
	fresh();
	kid_events(0, 100, 0, 0, STEP_NS);
	memmove(&sent[4 * 50 + 2], &sent[4 * 50 + 3], (nsent - (4 * 50 + 3)) * sizeof *sent);
	nsent--;
	ok(run(kid_card), "a datagram of board 2 is lost");
	is_int(count.gaps, 1, "one gap");
	is_int(count.missing, 1, "one number");
	is_int(got[50].mask, 0xb, "event 50 lacks board 2");
	is_int(got[51].flags, EVT_GAP, "event 51 comes after the gap");
	is_int(flagged(~0u), 2, "no other event is flagged");
}

static void single_board(void)
{
	static const uint8_t only[4] = {0, 1, 0, 0};

	fresh();
	opt.expected = only;
	for (int k = 0; k < 1000; k++)
		kid(1, k * STEP_NS, (uint64_t)k * TICKS, (uint32_t)k);
	for (int k = 0; k < 999;
	     k += 1 + (int)dice(6)) { /* pairs change places, the first two too */
		struct dgram d = sent[k];
		sent[k] = sent[k + 1];
		sent[k + 1] = d;
		d.at = sent[k].at;
		sent[k].at = sent[k + 1].at;
		sent[k + 1].at = d.at;
	}
	ok(run(kid_card), "one board, and the network changes the order");
	is_int(count.out, 1000, "reordering is never loss");
	is_int(count.missing, 0, "nothing is missing");
	is_int(count.gaps, 0, "gaps that were filled are none");
	ok(count.reordered > 100, "reordering is counted");
	is_int(flagged(~0u), 0, "no event is flagged");
	fresh();
	opt.expected = only;
	for (int k = 0; k < 1000; k++)
		kid(1, k * STEP_NS, (uint64_t)(k % 500) * TICKS, (uint32_t)k % 500);
	ok(run(kid_card),
	    "one board is restarted, clock and sequence from 0 as at the first start");
	is_int(count.restarts, 1, "one restart");
	is_int(count.in, count.out, "nothing is lost");
	fresh();
	opt.expected = only;
	for (int k = 0; k < 1000; k++)
		if (k < 300 || k >= 310)
			kid(1, k * STEP_NS, (uint64_t)k * TICKS, (uint32_t)k);
	for (int k = 300; k < 310; k++) {
		memmove(&sent[601], &sent[600], (nsent - 600) * sizeof *sent);
		kid(1, sent[600].at - T0, (uint64_t)k * TICKS, (uint32_t)k);
		sent[600] = sent[--nsent];
	}
	ok(run(kid_card), "ten datagrams in a row come half a second late");
	is_int(count.late, 10, "are late");
	is_int(count.restarts, 0, "and no restart: their sequence numbers fit");
	fresh();
	opt.expected = only;
	for (int k = 0; k < 500; k++)
		kid(1, k * STEP_NS, (uint64_t)k * TICKS, (uint32_t)k);
	kid(1, 500 * STEP_NS, 100 * TICKS + 5, 100);
	ok(run(kid_card), "one late datagram is the last of all");
	is_int(count.late, 1, "it is late");
	is_int(count.restarts, 0, "and no restart");
	fresh();
	opt.expected = only;
	for (int k = 0; k < 1000; k++)
		kid(1, k * STEP_NS, k == 500 ? 0x70000000 : (uint64_t)(k % 500) * TICKS + 99,
		    (uint32_t)(k % 500 + 7 * (k > 500)));
	ok(run(kid_card), "the first clock after a restart is garbage");
	is_int(count.restarts, 1, "one restart");
	is_int(count.stray, 1, "one stray");
	fresh();
	opt.expected = only;
	kid_events(0, 10, 0, 0, STEP_NS);
	ok(run(kid_card), "boards that are not among --sources");
	is_int(count.left_out, 30, "are left out");
	is_int(count.in, 10, "and are no input");
	is_int(count.complete, 10, "and no event waits for them");
}

static void senders_by_address(void)
{
	static const struct pkt_addr list[] = {
	    {4, 0, {192, 168, 9, 71}}, {4, 0, {192, 168, 9, 200}}};

	fresh();
	opt.address = list;
	opt.naddress = 2;
	static const uint8_t two[4] = {1, 1, 0, 0};
	opt.expected = two;
	for (int k = 0; k < 10; k++) {
		kid(0, k * STEP_NS, (uint64_t)k * TICKS, (uint32_t)k)->port = 9;
		kid(0, k * STEP_NS, (uint64_t)k * TICKS, (uint32_t)k)->last = 200;
		kid(0, k * STEP_NS, (uint64_t)k * TICKS, (uint32_t)k)->last = 72;
	}
	ok(run(kid_card), "sources by a list of addresses, whatever the card says");
	is_int(count.complete, 10, "events of both");
	is_int(count.left_out, 10, "and a third is left out");
	is_int(count.in, 20, "which is no loss");
	is_int(said, 0, "and needs no word");
}

/* ---- any network ---- */

static int by_time(const void *a, const void *b)
{
	const struct dgram *x = a, *y = b;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Loses, doubles and delays p in 10000 datagrams each. */
static void mangle(uint32_t p, size_t *lost, size_t *doubled)
{
	size_t n = nsent, k = 0;

	*lost = *doubled = 0;
	for (size_t i = 0; i < n; i++) {
		struct dgram d = sent[i];
		if (dice(10000) < p) {
			++*lost;
			continue;
		}
		if (dice(10000) < p)
			d.at += dice(60) * MS; /* the order changes within the hold time */
		sent[k++] = d;
	}
	nsent = k;
	for (size_t i = 0; i < k; i++) {
		if (dice(10000) >= p)
			continue;
		++*doubled;
		struct dgram d = sent[i];
		d.at += 1000;
		*dgram(0, 0, 0) = d;
	}
	for (size_t i = 0; i < nsent; i++)
		sent[i].order = i;
	qsort(sent, nsent, sizeof *sent, by_time);
}

static void identities_under_loss(void)
{
	static const uint32_t rate[] = {10, 100, 1000};
	char words[80];

	for (size_t i = 0; i < 3; i++) {
		size_t lost, doubled;
		fresh();
		opt.hold = 200 * MS;
		kid_events(0, 5000, 7, 7, STEP_NS);
		mangle(rate[i], &lost, &doubled);
		snprintf(words, sizeof words, "%g %% lost, doubled and reordered", rate[i] / 100.0);
		ok(run(kid_card), words);
		is_int(count.in, 20000 - lost + doubled, "everything that came is counted");
		is_int(count.duplicate, doubled, "every duplicate is told");
		is_int(count.out, 20000 - lost, "everything else is in an event");
		is_int(count.late + count.stray + count.conflict, 0, "nothing else is lost");
		ok(lost - count.missing <= 8, "missing numbers are those lost, but for the ends");
	}
}

static void same_events_whatever_the_timing(void)
{
	size_t lost, doubled, n;
	uint64_t sum = 0, again = 0;

	fresh();
	kid_events(0, 3000, 7, 7, STEP_NS);
	for (unsigned i = 0; i < 30; i++) /* and some that come too late */
		sent[1 + dice(9000)].at += 150 * MS;
	mangle(300, &lost, &doubled);
	ok(run(kid_card), "a stream with every fault");
	n = ngot;
	for (size_t i = 0; i < ngot; i++)
		sum = sum * 31 + got[i].sum + (uint64_t)got[i].time + got[i].dropped;
	ok(count.late > 0, "records were late");
	ok(run_to(kid_card, true) && build_flush(build) == 0, "the same with heartbeats between");
	for (size_t i = 0; i < ngot; i++)
		again = again * 31 + got[i].sum + (uint64_t)got[i].time + got[i].dropped;
	ok(n == ngot && sum == again, "gives the same events, byte for byte");
}

static void limits(void)
{
	struct card c = *cam_card;
	struct build_options o = {.window = 3 * S, .hold = S};
	char why[BUILD_WHY];

	ok(build_new(cam_card, &o, emit, say, NULL, why) == NULL,
	    "a window that no offset holds is refused");
	o.window = MS;
	c.record = 9000;
	ok(build_new(&c, &o, emit, say, NULL, why) == NULL,
	    "an event over 262144 bytes is refused");
	fresh();
	for (int i = 0; i < 2000; i++) { /* stamps and clocks from anywhere must not overflow */
		struct dgram *d = cam(dice(32), 0, 0, 3);
		for (size_t k = 0; k < 8; k++)
			big(d->data + k, dice(256), 1);
		d->at = (int64_t)((uint64_t)dice(UINT32_MAX) << 32 | dice(UINT32_MAX));
	}
	ok(run_to(cam_card, false) && build_flush(build) == 0, "random clocks and stamps");
	fresh();
	for (int i = 0; i < 2000; i++)
		kid(dice(4), 0, dice(UINT32_MAX), dice(UINT32_MAX))->at =
		    (int64_t)((uint64_t)dice(UINT32_MAX) << 32 | dice(UINT32_MAX));
	ok(run_to(kid_card, false) && build_flush(build) == 0, "random wrapping clocks");
}

int main(void)
{
	char why[CARD_WHY];
	struct card *a = card_parse("cam", cam_text, sizeof cam_text - 1, why);
	struct card *b = card_parse("kid", kid_text, sizeof kid_text - 1, why);
	struct card *c = card_parse("slow", slow_text, sizeof slow_text - 1, why);

	if (!ok(a && b && c, "the cards are read")) {
		printf("# %s\n", why);
		return done_testing();
	}
	cam_card = a;
	kid_card = b;
	slow_card = c;
	case_1_silence_after_good_events();
	case_2_one_packet_late();
	case_3_reordered();
	case_4_and_5_jitter();
	nearest_event_wins();
	case_6_restart();
	short_runs_with_the_same_clocks();
	set_aside_for_long();
	case_7_to_9_bad_lengths();
	case_10_stranger();
	case_11_duplicates();
	case_12_silent_module();
	case_13_more_than_fits();
	case_16_kernel_drops();
	case_19_no_local_time();
	modules_that_change();
	far_times();
	garbled_clocks();
	garbage_that_agrees();
	one_clock_apart();
	staggered_restart();
	forward_step();
	restart_at_the_end();
	wall_clock_steps();
	replay_at_full_speed();
	clock_wraps();
	clock_wraps_without_sequence();
	sequence_and_clock_restart();
	late_from_before_a_restart();
	gaps_are_told();
	single_board();
	senders_by_address();
	identities_under_loss();
	same_events_whatever_the_timing();
	limits();
	build_free(build);
	card_free(a);
	card_free(b);
	card_free(c);
	free(sent);
	free(got);
	return done_testing();
}
