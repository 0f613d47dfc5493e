/* evt.c - the body of an event, bytes typed from fyke-events(5); lists of sources */
#include "stream/evt.h"

#include "stream/srclist.h"
#include "tap.h"

/* Three sources, slots of 2 bytes; sources 0 and 2 are there. */
static const uint8_t sample[] = {'f', 'y', 'k', 'e', 1, 0, 56, 0, /* magic, version, header */
    0x2a, 0, 0, 0, 1, 0, 0, 0,                                    /* number 2^32 + 42 */
    7, 0, 0, 0, 0x81, 0, 0, 0,                                    /* run, flags: incomplete, gap */
    0x00, 0xca, 0x9a, 0x3b, 0, 0, 0, 0,                           /* clock 10^9 */
    3, 0, 2, 0,                                                   /* sources, records */
    5, 0, 0, 0, 0, 0, 0, 0,                                       /* mask */
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80, 1, 0, 0, 0,            /* offsets -1, absent, 1 */
    0x11, 0x22, 0, 0, 0x55, 0x66};                                /* slots */

static const char *with(size_t at, uint8_t v, size_t n)
{
	static uint8_t copy[sizeof sample];
	struct evt e;

	memcpy(copy, sample, sizeof sample);
	copy[at] = v;
	return evt_decode(copy, n, &e);
}

static void bodies(void)
{
	struct evt e;

	is_int(evt_header_size(3), 56, "a header for three sources");
	is_int(evt_header_size(32), 172, "for 32");
	is_int(evt_header_size(65), 36 + 16 + 260, "for 65: two words of mask");
	is_int(evt_size(3, 2), sizeof sample, "a body");
	ok(evt_decode(sample, sizeof sample, &e) == NULL, "a good one is read");
	is_int(e.number, (INT64_C(1) << 32) + 42, "number");
	is_int(e.run, 7, "run");
	is_int(e.flags, EVT_INCOMPLETE | EVT_GAP, "flags");
	is_int(e.clock, 1000000000, "clock");
	is_int(e.nsrc, 3, "sources");
	is_int(e.nrec, 2, "records");
	ok(evt_present(&e, 0) && !evt_present(&e, 1) && evt_present(&e, 2), "who is there");
	is_int(wire_get(e.offset[0]), -1, "offset of source 0");
	is_int(wire_get(e.offset[1]), EVT_ABSENT, "absent");
	is_int(e.slot, 2, "slot length");
	is_int(e.slots[4], 0x55, "third slot");
}

static void bad_bodies(void)
{
	struct evt e;
	unsigned refused = 0;

	for (size_t n = 0; n < sizeof sample; n++)
		refused += evt_decode(sample, n, &e) != NULL || e.slots + 3 * e.slot > sample + n;
	is_int(refused + 1, sizeof sample, "cut at any byte: refused, but for a shorter slot");
	ok(with(0, 'x', sizeof sample), "another magic");
	ok(with(4, 2, sizeof sample), "a version to come");
	ok(with(6, 60, sizeof sample), "a header of another length");
	ok(with(32, 0, sizeof sample), "no sources");
	ok(with(33, 0xff, sizeof sample), "more sources than there can be");
	ok(with(34, 3, sizeof sample), "a count that the mask denies");
	ok(with(36, 7, sizeof sample), "a mask that the offsets deny");
	ok(with(36, 13, sizeof sample), "a mask with a bit beyond the sources");
	ok(with(51, 0, sizeof sample), "an offset that the mask denies");
}

static void flags(void)
{
	char text[160];

	is_str(evt_flags_text(0, text), "", "no flags");
	is_str(evt_flags_text(EVT_INCOMPLETE | EVT_HELD, text), "incomplete,held", "two");
	is_str(evt_flags_text(UINT32_MAX, text),
	    "incomplete,held,overflow,flushed,segment,duplicate,conflict,gap,drops", "all");
}

static void lists(void)
{
	struct srclist l;
	char why[SRCLIST_WHY], text[64];

	is_int(srclist_parse("0-3,7,5", 8, &l, why), 0, "numbers and ranges");
	is_str(srclist_text(l.expected, 8, text, sizeof text), "0-3,5,7", "are those");
	is_int(l.naddress, 0, "no addresses");
	is_int(srclist_parse("10.0.0.7,fe80::1", 8, &l, why), 0, "addresses of both kinds");
	is_int(l.naddress, 2, "two");
	is_str(srclist_text(l.expected, 8, text, sizeof text), "0-1", "are sources 0 and 1");
	is_int(l.address[0].addr[3], 7, "the first is the first");
	is_int(srclist_parse("0-8", 8, &l, why), -1, "one too many");
	is_str(why, "'0-8' is outside the card's sources, 0 to 7", "says which there are");
	is_int(srclist_parse("99999999999999999999", 8, &l, why), -1, "far too many");
	is_int(srclist_parse("3-1", 8, &l, why), -1, "a range that goes down");
	is_int(srclist_parse("1,,2", 8, &l, why), -1, "nothing between commas");
	is_int(srclist_parse("1,10.0.0.1", 8, &l, why), -1, "a mixture");
	is_int(srclist_parse("10.0.0.1,10.0.0.2", 1, &l, why), -1, "more addresses than sources");
	is_int(srclist_parse("::1,10.0.0.1,::1", 8, &l, why), -1, "an address twice");
	is_str(why, "'::1' is given twice", "is told");
	is_int(srclist_parse("\033[2J", 8, &l, why), -1, "no number");
	is_str(why, "'?[2J' is neither a number, nor a range like 0-7, nor an address",
	    "is shown without its escapes");
}

int main(void)
{
	bodies();
	bad_bodies();
	flags();
	lists();
	return done_testing();
}
