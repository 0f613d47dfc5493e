/* ssdaq.c - SSDAQ's messages: the bytes of SSReadout.pack, typed by hand, and the way back */
#include "bus/ssdaq.h"

#include <stdlib.h>

#include "base/tim.h"
#include "tap.h"

static uint8_t body[8192], back[8192], message[SSDAQ_OLD];

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Event 4 of run 3, clock 1000000001 ns, with module 0 (all counts 0x8001, pixel 33 0x7fff) and
 * module 31 (all 0); TACKs clock and clock + 2. */
static size_t make(void)
{
	uint8_t *slots = body + 36 + 8 + 128;

	memset(body, 0, sizeof body);
	memcpy(body, "fyke\1\0\xac\0\4", 9);
	body[16] = 3;
	put32(body + 20, 1); /* incomplete */
	put32(body + 24, 1000000001);
	body[32] = 32;
	body[34] = 2;
	body[36] = 1;
	body[39] = 0x80;
	for (int m = 0; m < 32; m++)
		put32(body + 44 + 4 * m, m == 0 ? 0 : m == 31 ? 2 : 0x80000000);
	memcpy(slots, "\0\0\0\0\x3b\x9a\xca\x01", 8);
	for (int i = 0; i < 32; i++) {
		memcpy(slots + 8 + 2 * i, "\x80\x01", 2);
		memcpy(slots + 80 + 2 * i, i == 1 ? "\x7f\xff" : "\x80\x01", 2);
	}
	memcpy(slots + 72, "\0\0\0\0\0\0\0\7", 8);
	memcpy(slots + 31 * 144, "\0\0\0\0\x3b\x9a\xca\x03", 8);
	return 36 + 8 + 128 + 32 * 144;
}

static double real(size_t at)
{
	double v;

	memcpy(&v, message + at, sizeof v);
	return v;
}

static unsigned long long whole(size_t at)
{
	uint64_t v;

	memcpy(&v, message + at, sizeof v);
	return v;
}

int main(void)
{
	char why[CARD_WHY];
	struct card *c = card_load("chec", why);
	size_t n = make();
	struct ssdaq_head h;
	struct ssdaq s;
	struct evt e;

	if (!ok(c && ssdaq_use(&s, c, why) == 0, "card chec fits"))
		return done_testing();
	const char *bad = evt_decode(body, n, &e);
	is_str(bad ? bad : "good", "good", "the event");

	is_int(ssdaq_encode(&s, &e, 5 * TIM_S + 17, SSDAQ_NEW, message), 0, "the newer message");
	is_int(whole(0), 5, "readout number, from 1");
	is_int(whole(8), 1000000001, "TACK");
	is_int(whole(16), 5, "seconds");
	is_int(whole(24), 17, "nanoseconds");
	ok(real(32) == 1 * 0.03815 * 2.0, "0x8001 is 1 count");
	ok(real(32 + 33 * 8) == 65535 * 0.03815 * 2.0, "0x7fff is 65535 counts");
	ok(real(32 + 64 * 8) != real(32 + 64 * 8), "an absent module is NaN");
	ok(real(32 + 31 * 64 * 8) == 32768 * 0.03815 * 2.0, "0 is 32768 counts");
	bad = ssdaq_decode(&s, message, SSDAQ_NEW, 4, &h, back);
	is_str(bad ? bad : "good", "good", "and back");
	is_int(h.number, 5, "its number");
	is_int(h.time, 5 * TIM_S + 17, "its time");
	ok(memcmp(back + 172 + 8, body + 172 + 8, 64) == 0 &&
		memcmp(back + 172 + 80, body + 172 + 80, 64) == 0,
	    "the counts are those that were");
	ok(memcmp(back + 36, body + 36, 8) == 0, "the same modules");

	is_int(ssdaq_encode(&s, &e, 0, SSDAQ_OLD, message), 0, "the older message");
	is_int(whole(8), 3, "run");
	is_int(whole(16), 1000000002, "the mean of the TACKs");
	is_int(whole(16408), 1000000001, "module 0: primary TACK");
	is_int(whole(16416), 7, "auxiliary TACK");
	is_int(whole(16424), 0, "an absent module has none");
	is_int(whole(16408 + 31 * 16), 1000000003, "module 31");
	bad = ssdaq_decode(&s, message, SSDAQ_OLD, 4, &h, back);
	is_str(bad ? bad : "good", "good", "and back");
	ok(memcmp(back + 172, body + 172, 32 * 144) == 0, "all records, byte for byte");
	is_int(h.run, 3, "run");

	ok(ssdaq_decode(&s, message, SSDAQ_OLD - 1, 0, &h, back), "another length is refused");
	memset(message + 24 + 8, 0xff, 8); /* one pixel NaN */
	ok(ssdaq_decode(&s, message, SSDAQ_OLD, 0, &h, back), "half a module is refused");
	is_int(ssdaq_form("ssdaq"), 16416, "ssdaq");
	is_int(ssdaq_form("ssdaq:16920"), 16920, "ssdaq:16920");
	is_int(ssdaq_form("ssdaq:1"), 0, "ssdaq:1");
	card_free(c);
	return done_testing();
}
