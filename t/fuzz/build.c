/*
 * build.c - any sequence of datagrams through the event builder: the accounting holds after each
 *
 * 8 bytes of input are one datagram: source, what it is, steps of device clock, sequence number and
 * arrival. Events that come out must decode, in the order of their clocks within a segment.
 */
#include <stdlib.h>
#include <string.h>

#include "base/tally.h"
#include "base/tim.h"
#include "stream/build.h"
#include "stream/evt.h"

#define RECORD 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char text[] =
    "[card]\nname=f\nbyteorder=little\nrecord=20\nwindow=3ms\nhold=50ms\n"
    "[source]\nby=address\nfirst=1\ncount=4\n[clock]\nfield=t\nunit=1us\nwidth=24\n"
    "[sequence]\nfield=n\nwidth=8\n[field t]\nat=0 u32\n[field n]\nat=4 u8\n[field v]\nat=8 u32 "
    "2\n";

static int64_t last_clock;
static uint64_t records_out;

static int check_event(void *ctx, const uint8_t *body, size_t size, int64_t time, uint64_t dropped)
{
	struct evt e;

	(void)ctx, (void)time, (void)dropped;
	if (evt_decode(body, size, &e) || e.nrec == 0)
		abort();
	if (!(e.flags & EVT_SEGMENT) && e.number > 0 && e.clock < last_clock)
		abort();
	last_clock = e.clock;
	records_out += e.nrec;
	return 0;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	if (strlen(line) > 1000)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct build_options o = {
	    .window = 3 * TIM_MS, .hold = 50 * TIM_MS, .open_max = 20, .aside_max = 24};
	struct tally t = {.unit = "records"};
	char why[CARD_WHY];
	int64_t arrival = 0;
	uint32_t clock[4] = {0};
	uint8_t seq[4] = {0}, payload[4 * RECORD];

	static struct card *c;

	if (!c)
		c = card_parse("fuzz.card", text, sizeof text - 1, why);
	struct build *b = c ? build_new(c, &o, check_event, say, NULL, why) : NULL;
	if (!b)
		abort();
	records_out = 0;
	for (; n >= 8; data += 8, n -= 8) {
		unsigned s = data[0] & 3, kind = data[0] >> 2 & 7;
		clock[s] += (uint32_t)(int8_t)data[1] << (data[2] & 15);
		seq[s] = (uint8_t)(seq[s] + data[3]);
		arrival += (int8_t)data[4] * (INT64_C(1) << (data[5] & 31));
		memset(payload, data[7], sizeof payload);
		for (unsigned k = 0; k < 4; k++) {
			uint32_t at = clock[s] + k * 1000;
			memcpy(payload + RECORD * k, &at, 4);
			payload[RECORD * k + 4] = (uint8_t)(seq[s] + k);
		}
		struct pkt p = {.time = arrival,
		    .src = {.family = 4, .addr = {127, 0, 0, (uint8_t)(kind == 7 ? 99 : s + 1)}},
		    .data = payload,
		    .len =
			kind == 6 ? data[6] % (sizeof payload + 1) : 1u * RECORD * (1 + (kind & 3)),
		    .dropped = kind == 5};
		if (build_add(b, &p) < 0 || (kind == 4 && build_time(b, arrival + 1) < 0))
			abort();
		build_tally(b, &t);
		if (!tally_sums(&t))
			abort();
	}
	if (build_flush(b) < 0)
		abort();
	build_tally(b, &t);
	if (!tally_sums(&t) || t.held != 0 || t.out != records_out)
		abort();
	build_free(b);
	return 0;
}
