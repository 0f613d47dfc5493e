/* card.c - cards: the shipped ones against bytes from the documents, made-up ones, and bad ones */
#include "stream/card.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "../tap.h"

static char why[CARD_WHY], words[256];

#define say(...) (snprintf(words, sizeof words, __VA_ARGS__), words)

static struct card *parse(const char *text)
{
	struct card *c = card_parse("x.card", text, strlen(text), why);
	if (!c)
		printf("# %s\n", why);
	return c;
}

static int field(const struct card *c, const char *name)
{
	for (int i = 0; i < c->nfields; i++)
		if (strcmp(c->field[i].name, name) == 0)
			return i;
	printf("# no field %s\n", name);
	exit(1);
}

static struct pkt from4(uint8_t last, uint16_t dport)
{
	return (struct pkt){.src = {.family = 4, .port = 1, .addr = {192, 168, 1, last}},
	    .dst = {.family = 4, .port = dport}};
}

/* ---- the shipped cards ---- */

/* The format >Q32HQ32H of SSDAQ's readout_assembler.py: big-endian, 144 bytes. */
static const uint8_t targetc[144] = {
    0x00, 0x00, 0x00, 0x1c, 0xbe, 0x99, 0x1a, 0x14,        /* TACK 123456789012 */
    0x80, 0x00,                                            /* pixel 0: 0 mV */
    0x80, 0x01,                                            /* pixel 1: one count */
    0x00, 0x00,                                            /* pixel 2: 0x8000 counts */
    0x7f, 0xff,                                            /* pixel 3: 0xffff counts */
    [70] = 0x80, [71] = 0x1f,                              /* pixel 31 */
    [72] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, /* auxiliary TACK */
    [80] = 0x80, [81] = 0x20,                              /* pixel 32 */
    [142] = 0x90, [143] = 0x3f,                            /* pixel 63 */
};

static void chec(void)
{
	struct card *c = card_load("chec", why);
	struct pkt p = from4(100, 2009);
	uint16_t a[64];

	if (!ok(c != NULL, "chec is found"))
		return;
	is_int(c->record, 144, "TARGET-C: 144 bytes a record");
	is_int(c->whole, 0, "a datagram holds several");
	is_int(c->port, 2009, "port 2009");
	is_int(c->window, 51000000, "window 51 ms");
	ok(c->hold > 1000000000, "hold is more than the second that a module's ten readouts take");
	is_int((long long)card_clock(c, targetc), 123456789012, "TACK is the clock, in ns");
	is_int((long long)card_clock_wrap(c), 0, "which does not wrap");
	is_int(card_value(c, field(c, "tack_aux"), targetc), -2, "64 bits of auxiliary TACK");
	is_int(c->seq_field, -1, "there is no sequence number");

	int f = field(c, "amplitude");
	card_extract(c, f, targetc, a);
	is_int(a[0], 0, "0x8000 is 0 counts");
	is_int(a[1], 1, "0x8001 is 1 count");
	is_int(a[2], 0x8000, "0x0000 is 0x8000 counts");
	is_int(a[3], 0xffff, "0x7fff is 0xffff counts");
	is_int(a[31], 0x1f, "pixel 31 ends the first half");
	is_int(a[32], 0x20, "pixel 32 begins the second, after the auxiliary TACK");
	is_int(a[63], 0x103f, "pixel 63 is the last");
	ok(fabs(c->field[f].scale - 0.03815 * 2.0) < 1e-12, "a count is 0.0763 mV");
	is_str(c->field[f].unit, "mV", "millivolts");
	is_str(c->field[f].axis, "pixel", "over pixels");
	is_str(c->source_name, "module", "of modules");
	is_int(c->field[f].has_fill, 0, "every pixel is in the record: no fill value");

	is_int(card_source(c, &p, targetc), 0, ".100 is module 0");
	p = from4(131, 2009);
	is_int(card_source(c, &p, targetc), 31, ".131 is module 31");
	p = from4(7, 2009);
	is_int(card_source(c, &p, targetc), 7, ".7 is module 7");
	p = from4(132, 2009);
	is_int(card_source(c, &p, targetc), -1, ".132 is nobody");
	p = from4(150, 2009);
	is_int(card_source(c, &p, targetc), -1, ".150 is nobody");
	card_free(c);
}

/* A ROACH2 packet as kidPy and roach2pcp read it: sample w[k] is k here; then the trailer lies over
 * the last ones. */
static void samples(uint8_t *rec)
{
	for (unsigned k = 0; k < 2048; k++) {
		rec[4 * k] = (uint8_t)k;
		rec[4 * k + 1] = (uint8_t)(k >> 8);
		rec[4 * k + 2] = rec[4 * k + 3] = 0;
	}
	memset(rec + 4, 0xff, 4); /* w[1] is -1: samples are signed */
}

static const uint8_t trailer_a[] = {
    0x00, 0x00, 0x00, 0x2a, /* 8176 checksum 42 */
    0x00, 0x00, 0x00, 0x07, /* 8180 PPS */
    0x80, 0x00, 0x00, 0x00, /* 8184 clock count 2^31 */
    0xfe, 0xdc, 0xba, 0x98  /* 8188 packet count */
};
static const uint8_t trailer_b[] = {
    0x5b, 0xfd, 0x00, 0x01, /* 8172 coarse time */
    0x00, 0x00, 0x00, 0x07, /* 8176 PPS */
    0xff, 0xff, 0xff, 0xff, /* 8180 clock count 2^32 - 1 */
    0xfe, 0xdc, 0xba, 0x98, /* 8184 packet count */
    0x00, 0x00, 0x00, 0x03  /* 8188 info */
};
static const uint8_t trailer_c[] = {
    0x12, 0x34, 0x56, 0x78, /* 8171 checksum */
    0x00, 0x00, 0x01, 0x00, /* 8175 PPS 256 */
    0x8c, 0xed, 0xdf, 0xc2, /* 8179 clock count 2364399554 */
    0x00, 0x00, 0xcb, 0xbc, /* 8183 packet count 52156 */
    0x00, 0x00, 0x00, 0x05, /* 8187 info */
    0xa5                    /* 8191 GPIO */
};

static const struct variant {
	const char *name, *first;
	const uint8_t *trailer;
	size_t size;
	long long first_value, pps, count, fine, clock; /* clock = fine * 3.90625 ns */
	int damaged;                                    /* first damaged word */
} variants[] = {
    {"roach2a", "checksum", trailer_a, sizeof trailer_a, 42, 7, 4275878552, 2147483648, 8388608000,
	2044},
    {"roach2b", "ctime", trailer_b, sizeof trailer_b, 1543307265, 7, 4275878552, 4294967295,
	16777215996, 2043},
    {"roach2c", "checksum", trailer_c, sizeof trailer_c, 305419896, 256, 52156, 2364399554,
	9235935757, 2042},
};

/* The word of a channel in the two maps that are in use: even/odd, and halves. */
static int word(bool halves, int c, bool q)
{
	return (q ? 512 : 0) + (halves ? c / 512 * 1024 + c % 512 : (c & 1) * 1024 + c / 2);
}

static int wrong_samples(const int32_t *v, bool halves, bool q, int damaged, int *lost)
{
	int wrong = 0;

	*lost = 0;
	for (int c = 0; c < 1024; c++) {
		int w = word(halves, c, q);
		int32_t want = w >= damaged ? -2147483647 : w == 1 ? -1 : w;
		wrong += v[c] != want;
		*lost += w >= damaged;
	}
	return wrong;
}

static void roach(const struct variant *v, bool halves)
{
	char name[32];
	uint8_t rec[8192];
	int32_t i[1024], q[1024];
	int lost;

	snprintf(name, sizeof name, "%s%s", v->name, halves ? "-halves" : "");
	struct card *c = card_load(name, why);
	if (!ok(c != NULL, say("%s is found", name)))
		return;
	samples(rec);
	memcpy(rec + sizeof rec - v->size, v->trailer, v->size);
	is_int(c->record, 8192, say("%s: 8192 bytes", name));
	is_int(c->whole, 1, say("%s: a datagram is one record", name));
	is_int(
	    card_value(c, field(c, v->first), rec), v->first_value, say("%s: %s", name, v->first));
	is_int(card_value(c, field(c, "pps"), rec), v->pps, say("%s: PPS count", name));
	is_int(card_value(c, c->clock_field, rec), v->fine, say("%s: clock count", name));
	is_int((long long)card_clock(c, rec), v->clock,
	    say("%s: clock in ns, cut to whole ones", name));
	is_int(
	    (long long)card_clock_wrap(c), 16777216000, say("%s: wraps after 16.777216 s", name));
	is_int(card_value(c, c->seq_field, rec), v->count, say("%s: packet count", name));
	is_int(c->seq_width, 32, say("%s: of 32 bits", name));

	card_extract(c, field(c, "i"), rec, i);
	card_extract(c, field(c, "q"), rec, q);
	is_int(wrong_samples(i, halves, false, v->damaged, &lost), 0,
	    say("%s: every I in its place", name));
	is_int(lost, 0, say("%s: all of I", name));
	is_int(wrong_samples(q, halves, true, v->damaged, &lost), 0,
	    say("%s: every Q, or fill", name));
	is_int(lost, 2048 - v->damaged, say("%s: damaged Q are fill", name));
	is_int(c->field[field(c, "q")].covered, 1024 - lost,
	    say("%s: and the card knows how many", name));

	struct pkt p = from4(71, 60000);
	is_int(card_source(c, &p, rec), 0, say("%s: .71 is source 0", name));
	p = from4(83, 60000);
	is_int(card_source(c, &p, rec), 12, say("%s: .83 is source 12", name));
	p = from4(70, 60000);
	is_int(card_source(c, &p, rec), -1, say("%s: .70 is nobody", name));
	card_free(c);
}

static void roach_c_rest(void)
{
	struct card *c = card_load("roach2c", why);
	uint8_t rec[8192] = {0};

	memcpy(rec + 8171, trailer_c, sizeof trailer_c);
	is_int(card_value(c, field(c, "info"), rec), 5, "roach2c: info stands at 8187");
	is_int(card_value(c, field(c, "gpio"), rec), 0xa5, "roach2c: GPIO is the last byte");
	card_free(c);
}

/* 1732017833.123456789 s of TAI: 48 bits of seconds, 30 of ns, 16 of a fraction, after 2 unused
 * bits. 0x673cdaa9 << 14 | 0x075bcd15 >> 16 ... typed as the 96-bit number
 * seconds << 46 | ns << 16 | fraction. */
static const uint8_t stamp[] = {
    0x00, 0x00, 0x19, 0xcf, 0x36, 0xaa, 0x47, 0x5b, 0xcd, 0x15, 0xab, 0xcd};

static void rfsoc(void)
{
	struct card *c = card_load("rfsoc", why);
	static uint8_t rec[8212];
	static int32_t i[1024], q[1024];

	if (!ok(c != NULL, "rfsoc is found"))
		return;
	memcpy(rec, (uint8_t[]){1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 3, 0, 0, 0, 4, 0, 0, 0}, 16);
	memcpy(rec + 8184, (uint8_t[]){5, 6, 7, 8, 9, 10, 11, 12}, 8);
	memcpy(rec + 8192, (uint8_t[]){0x80, 0x01, 0x03, 0xe8, 0x00, 0x01, 0x00, 0x02}, 8);
	memcpy(rec + 8200, stamp, sizeof stamp);
	card_extract(c, field(c, "i"), rec, i);
	card_extract(c, field(c, "q"), rec, q);
	is_int(i[0], 1, "RFSoC: I of channel 0");
	is_int(q[0], -2, "Q beside it");
	is_int(i[1], 3, "I of channel 1");
	is_int(q[1], 4, "Q of channel 1");
	is_int(i[1023], 0x08070605, "I of the last channel");
	is_int(q[1023], 0x0c0b0a09, "Q of the last channel");
	is_int(card_value(c, field(c, "flags"), rec), 0x8001, "flags");
	is_int(card_value(c, field(c, "tones"), rec), 1000, "tones in use");
	is_int(card_value(c, c->seq_field, rec), 65538, "packet count");
	is_int(card_value(c, c->clock_seconds, rec), 1732041385, "seconds begin within a byte");
	is_int((long long)card_clock(c, rec), 1732041385123456789, "PTP time to the nanosecond");
	is_int(c->tie, CARD_TIE_TAI, "which is TAI");
	card_free(c);
}

/* A whole Ethernet frame, as kidPy records it: UDP payload at 42. */
static void real_frame(void)
{
	const char *folder = getenv("FYKE_SAMPLES");
	char path[1024];
	size_t n;

	if (!folder) {
		printf("ok %d # skip FYKE_SAMPLES names no folder with a real frame\n", ++tap_n);
		return;
	}
	snprintf(path, sizeof path, "%s/roach2c-frame.bin", folder);
	char *frame = io_slurp(path, 65536, &n);
	if (!frame || n != 8234) {
		printf("ok %d # skip there is no roach2c-frame.bin of 8234 bytes in FYKE_SAMPLES\n",
		    ++tap_n);
		free(frame);
		return;
	}
	const uint8_t *rec = (const uint8_t *)frame + 42;
	struct card *c = card_load("roach2c", why);
	struct pkt p = {.src = {.family = 4}};
	int32_t v[1024];

	memcpy(p.src.addr, frame + 26, 4);
	is_int(card_source(c, &p, rec), 0, "a real ROACH2 frame: 192.168.40.71 is source 0");
	is_int(card_value(c, field(c, "pps"), rec), 0, "its PPS count");
	is_int(card_value(c, field(c, "fine"), rec), 2364414018, "its clock count");
	is_int((long long)card_clock(c, rec), 9235992257, "its clock, 2364414018 * 3.90625 ns");
	is_int(card_value(c, field(c, "count"), rec), 52156, "its packet count");
	is_int(card_value(c, field(c, "info"), rec), 0, "its info");
	is_int(card_value(c, field(c, "gpio"), rec), 0, "its GPIO");
	card_extract(c, field(c, "q"), rec, v);
	is_int(v[1013], -2147483647, "its damaged Q is fill");
	card_free(c);
	free(frame);
}

/* ---- made-up cards ---- */

#define HEAD                                                                                       \
	"[card]\nname = x\nrecord = 16\nbyteorder = big\nwindow = 1ms\nhold = 2s\n"                \
	"[source]\nby = address\ncount = 2\n"
#define CARD HEAD "[field a]\nat = 0 u32\n" /* 11 lines */

static void values(void)
{
	struct card *c = parse(HEAD "[field last]\nat = -1 u8\n"
				    "[field tail]\nat = -4 i16le\nxor = 0x8000\n"
				    "[field odd]\nat = 3 i32\n"
				    "[field deep]\nat = 0 i64le\n"
				    "[field low]\nat = 5 i8\n"
				    "[field adc]\nat = 0 u16 3\nshift = 4\nbits = 12\n"
				    "[field nibble]\nat = 3 u8\nshift = 2\nbits = 3\n"
				    "[field rest]\nat = 0 u8 2 3 1 2\ncount = 6\nfill = 7\n"
				    "[field real]\nat = 0 f32\nunit = µV\noffset = -1.5\n");
	const uint8_t rec[16] = {
	    0x12, 0x34, 0x56, 0xff, 0xff, 0xff, 0xfd, 0x80, 8, 9, 10, 11, 0x34, 0x12, 14, 15};
	uint16_t adc[3];
	uint8_t rest[6];
	float real;

	if (!ok(c != NULL, "a card with one of everything"))
		return;
	is_int(card_value(c, field(c, "last"), rec), 15, "-1 is the record's last byte");
	is_int(card_value(c, field(c, "tail"), rec), (int16_t)0x9234,
	    "i16le from the end: xor first, then the sign");
	is_int(card_value(c, field(c, "odd"), rec), -3, "i32 that is not aligned");
	is_int(card_value(c, field(c, "deep"), rec), (int64_t)0x80fdffffff563412, "i64le");
	is_int(card_value(c, field(c, "low"), rec), -1, "i8");
	is_int(card_value(c, field(c, "nibble"), rec), 7, "three bits of eight");
	card_extract(c, field(c, "adc"), rec, adc);
	is_int(adc[0], 0x123, "the upper 12 bits of 16");
	is_int(adc[2], 0xfff, "of each element");
	card_extract(c, field(c, "rest"), rec, rest);
	ok(memcmp(rest, (uint8_t[]){7, 0x12, 7, 0xff, 7, 7}, 6) == 0,
	    "stride, first and step; the rest is fill");
	is_int(c->field[field(c, "rest")].covered, 2, "two of six are covered");
	card_extract(c, field(c, "real"), rec, &real);
	ok(real > 5.6905e-28f && real < 5.6906e-28f, "f32, big-endian: 0x123456ff");
	is_str(c->field[field(c, "real")].unit, "µV", "UTF-8 in a unit");
	is_int(c->field[field(c, "real")].scaled, 1, "an offset alone is a calibration");
	ok(c->field[field(c, "real")].scale == 1, "with scale 1");
	is_str(c->field[field(c, "rest")].axis, "rest_element", "an axis has a name in any case");
	is_str(c->source_name, "source", "and so have the sources");
	card_free(c);
}

static uint64_t clock_of(const char *clock, const uint8_t *rec, uint64_t *wrap)
{
	char text[1024];

	snprintf(text, sizeof text,
	    HEAD "[field t]\nat = 0 u64\n[field s]\nat = 8 u32\n[field w]\nat = 0 u32\n[clock]\n%s",
	    clock);
	struct card *c = parse(text);
	if (!c) {
		*wrap = 1;
		return 0;
	}
	uint64_t ns = card_clock(c, rec);
	*wrap = card_clock_wrap(c);
	card_free(c);
	return ns;
}

static void clocks(void)
{
	const uint8_t full[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9};
	const uint8_t late[16] = {
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0xff, 0xff, 0xff, 0xff};
	const uint8_t small[16] = {0x12, 0x34, 0x56, 0x78, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff};
	uint64_t wrap;

	ok(clock_of("field = t\nunit = 1ns\n", full, &wrap) == UINT64_MAX && wrap == 0,
	    "64 bits of ns do not wrap");
	ok(clock_of("field = t\nrate = 1 GHz\n", full, &wrap) == UINT64_MAX, "1 GHz is 1 ns");
	is_int(clock_of("field = w\nunit = 3.90625ns\n", full, &wrap), 16777215996,
	    "3.90625 ns, cut after the product");
	is_int(
	    clock_of("field = w\nrate = 256e6\n", full, &wrap), 16777215996, "the same as 256e6");
	is_int((long long)wrap, 16777216000, "which wraps after 2^32 ticks");
	/* 18446744073709551612 / 3 = 6148914691236517204 */
	is_int(clock_of("field = t\nrate = 3 GHz\n", late, &wrap), 6148914691236517204,
	    "64 bits of 1/3 ns: no drift");
	is_int((long long)wrap, 6148914691236517205, "and the wrap, cut to ns");
	is_int(clock_of("field = t\nunit = 3.90625ns\nwidth = 60\nhold", full, &wrap) == 0 &&
		wrap == 1,
	    1, "a key without a value is refused");
	is_int(clock_of("field = t\nunit = 3.90625ns\nwidth = 60\n", full, &wrap),
	    4503599627370495996, "60 bits at 256 MHz need more than 64 on the way");
	is_int(clock_of("field = w\nunit = 2us\nwidth = 24\n", small, &wrap), 0x345678 * 2000LL,
	    "24 bits of a wider field");
	is_int((long long)wrap, 33554432000, "wrap at 24 bits");
	is_int(clock_of("field = w\nunit = 1ns\nseconds = s\nwidth = 16\n", full, &wrap),
	    9000065535, "seconds and ticks");
	is_int((long long)wrap, 4294967296000000000, "the seconds wrap");
	is_int(clock_of("field = w\nunit = 1ns\nseconds = s\ntie = utc\n", late, &wrap), 3294967295,
	    "a sum past the wrap begins anew");
}

static void sources(void)
{
	const uint8_t rec[16] = {0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff};
	struct pkt v4 = from4(9, 64003);
	struct pkt v6 = {
	    .src = {.family = 6, .addr = {0x20, 0x01, 0x0d, 0xb8, [14] = 3, [15] = 9}}};
	struct card *c;

	c = parse("[card]\nname=x\nrecord=16\nwindow=1\nhold=1\n[source]\nby=port\nfirst="
		  "64000\ncount=5\n[field a]\nat=0 u8\n");
	is_int(card_source(c, &v4, rec), 3, "by port: 64003 is 3");
	v4.dst.port = 64005;
	is_int(card_source(c, &v4, rec), -1, "64005 is nobody");
	v4.dst.port = 63999;
	is_int(card_source(c, &v4, rec), -1, "nor is 63999");
	card_free(c);

	c = parse("[card]\nname=x\nrecord=16\nwindow=1\nhold=1\nbyteorder=big\n[source]\nby=field "
		  "id\nfirst=3\ncount=9\n"
		  "[field id]\nat=0 u32\n[field b]\nat=4 i32\n");
	is_int(card_source(c, &v4, rec), 2, "by field: 5 is 2 after 3");
	is_int(card_source(c, &v4, rec + 4), -1, "4294967295 is nobody");
	card_free(c);
	c = parse("[card]\nname=x\nrecord=16\nwindow=1\nhold=1\nbyteorder=big\n[source]\nby=field "
		  "id\nmodulo=4\ncount=4\n"
		  "[field id]\nat=0 i32\n");
	is_int(card_source(c, &v4, rec), 1, "5 modulo 4 is 1");
	is_int(card_source(c, &v4, rec + 4), -1, "-1 is nobody");
	card_free(c);

	c = parse("[card]\nname=x\nrecord=16\nwindow=1\nhold=1\n[source]\nby=address\ncount=10\n["
		  "field a]\nat=0 u8\n");
	is_int(card_source(c, &v4, rec), 9, "the last byte of an IPv4 address");
	is_int(card_source(c, &v6, rec), 9, "the last byte of an IPv6 address");
	card_free(c);
	c = parse("[card]\nname=x\nrecord=16\nwindow=1\nhold=1\n[source]\nby=address\nbyte="
		  "14\ncount=10\n[field a]\nat=0 u8\n");
	is_int(card_source(c, &v6, rec), 3, "byte 14 of an IPv6 address");
	is_int(card_source(c, &v4, rec), -1, "IPv4 has no byte 14");
	card_free(c);
}

/* card_extract() and its twin against a loop that goes byte by byte, for every type, order and layout. */
static uint64_t slow(const uint8_t *p, size_t size, bool big)
{
	uint64_t v = 0;
	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)p[big ? size - 1 - i : i] << (8 * i);
	return v;
}

static bool agrees(const struct card *c, int f, const uint8_t *rec)
{
	const struct card_field *d = &c->field[f];
	size_t size = card_size(d->type);
	uint8_t *got = malloc(size * d->count + 1);
	uint64_t *want = malloc(sizeof *want * d->count);
	bool same = true;

	for (uint32_t k = 0; k < d->count; k++)
		want[k] = d->fill_bits;
	for (int i = 0; i < d->npieces; i++)
		for (uint32_t k = 0; k < d->piece[i].count; k++)
			want[d->piece[i].first + k * d->piece[i].step] =
			    (slow(rec + d->piece[i].offset + k * d->piece[i].stride, size,
				 d->piece[i].big) ^
				d->xor) >>
				d->shift &
			    d->mask;
	for (int big = 0; big < 2; big++) {
		got[size * d->count] = 0xa5;
		(big ? card_extract_big : card_extract)(c, f, rec, got);
		for (uint32_t k = 0; k < d->count; k++) /* a little-endian host */
			same = same &&
			    slow(got + k * size, size, big) ==
				(size < 8 ? want[k] & ((UINT64_C(1) << 8 * size) - 1) : want[k]);
		same = same && got[size * d->count] == 0xa5;
	}
	free(got);
	free(want);
	return same;
}

static void layouts(void)
{
	static const char *const types[] = {
	    "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"};
	static uint8_t rec[2048];
	char text[4096];

	for (size_t i = 0; i < sizeof rec; i++)
		rec[i] = (uint8_t)(i * 167 + (i >> 3));
	for (int t = CARD_U8; t <= CARD_F64; t++)
		for (int order = 0; order < 2; order++) {
			const char *n = types[t];
			int s = (int)card_size((enum card_type)t);
			const char * xor = t < CARD_F32 ? "xor = 0x5a\n" : "";
			snprintf(text, sizeof text,
			    "[card]\nname = x\nrecord = 2048\nbyteorder = %s\nwindow = 1s\nhold = "
			    "1s\n"
			    "[source]\nby = address\ncount = 1\n"
			    "[field plain]\nat = 1 %s 100\nat = -%d %s 1\n"
			    "[field flipped]\nat = 1 %s 37\n%s"
			    "[field pick]\nat = 3 %s 77 %d\n"
			    "[field zip]\nat = 0 %s 41 %d 0 2\nat = 500 %s 39 %d 1 2\ncount = "
			    "90\n%s"
			    "[field zop]\nat = 0 %s 39 %d 0 2\nat = 500 %s 41 %d 1 2\n"
			    "[field each]\nat = 7 %s 50 %d 3 3\n"
			    "[field apart]\nat = 0 %s 5 %d 4 2\nat = 300 %s 5 %d 1 2\n"
			    "[field mixed]\nat = 0 %sbe 9 %d 0 2\nat = 900 %sle 9 %d 1 2\n%s",
			    order ? "big" : "little", n, s, n, n, xor, n, 2 * s, n, s, n, s, xor, n,
			    s, n, s, n, 3 * s, n, s, n, s, n, s, n, s, xor);
			struct card *c = parse(text);
			if (!ok(c != NULL, say("%s: a card with all layouts", n)))
				continue;
			for (int f = 0; f < c->nfields; f++)
				ok(agrees(c, f, rec),
				    say("%s, %s: %s", n, order ? "big" : "little",
					c->field[f].name));
			card_free(c);
		}
}

/* ---- refusals ---- */

static const struct {
	const char *text, *why;
} refused[] = {
    {"", "x.card: [card] needs name = NAME"},
    {"hello\n", "x.card:1: neither [section] nor key = value"},
    {"name = x\n",
	"x.card:1: unknown section []; there are card, source, clock, sequence, field NAME"},
    {"[cards]\nname = x\n",
	"x.card:2: unknown section [cards]; there are card, source, clock, sequence, field NAME"},
    {"[field]\nat = 0 u8\n",
	"x.card:2: unknown section [field]; there are card, source, clock, sequence, field NAME"},
    {"[card]\nname = x\ncolour = red\n",
	"x.card:3: unknown key colour; [card] has name title byteorder record datagram window hold "
	"port rate"},
    {"[card]\nname = x\nname = y\n", "x.card:3: name stands here for a second time, after line 2"},
    {"[card]\nname = a b\n",
	"x.card:2: 'a b' is no name: a letter or _, then letters, digits and _ . + -, at most 40"},
    {"[card]\nname =\n", "x.card:2: name has no value"},
    {"[card]\nname = x\nrecord = 0\n", "x.card:3: '0' must be a whole number from 1 to 65507"},
    {"[card]\nname = x\nrecord = 65508\n",
	"x.card:3: '65508' must be a whole number from 1 to 65507"},
    {"[card]\nname = x\nrecord = 12x\n", "x.card:3: '12x' must be a whole number from 1 to 65507"},
    {"[card]\nname = x\nbyteorder = middle\n", "x.card:3: 'middle' must be one of: big little"},
    {"[card]\nname = x\nwindow = 0\n", "x.card:3: '0' must be a duration, such as 51ms or 1.5s"},
    {"[card]\nname = x\nwindow = soon\n",
	"x.card:3: 'soon' must be a duration, such as 51ms or 1.5s"},
    {"[card]\nname = x\nport = 65536\n",
	"x.card:3: '65536' must be a whole number from 1 to 65535"},
    {"[card]\nname = x\nrate = -1\n",
	"x.card:3: '-1' must be records per second and source, more than 0"},
    {"[card]\nname = x\nrate = 1e999\n", "x.card:3: '1e999' must be a number, such as 0.0763"},
    {"[card]\nname = x\n",
	"x.card:2: [card] needs record = BYTES or datagram = BYTES, one of them"},
    {"[card]\nname = x\nrecord = 4\ndatagram = 4\n",
	"x.card:4: [card] needs record = BYTES or datagram = BYTES, one of them"},
    {"[card]\nname = x\nrecord = 4\n", "x.card:2: [card] needs window = and hold =, two durations"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n",
	"x.card:2: a card needs a [field NAME]"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[field a]\nat = 0 u8\n",
	"x.card: [source] needs by = address, port or field NAME"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = sea\n",
	"x.card:7: 'sea' must be one of: address, port, field NAME"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = port\n[field a]\nat = 0 "
     "u8\n",
	"x.card:7: [source] needs count = how many sources there are"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = port\nbyte = 1\ncount = "
     "1\n[field a]\nat = 0 u8\n",
	"x.card:8: byte is for by = address"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = address\nfirst = "
     "250\ncount = 7\n"
     "[field a]\nat = 0 u8\n",
	"x.card:9: first + count is 257, but a source is at most 255"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = address\nmodulo = "
     "100\ncount = 101\n"
     "[field a]\nat = 0 u8\n",
	"x.card:9: first + count is 101, but a source is at most 99"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = field b\ncount = "
     "1\n[field a]\nat = 0 u8\n",
	"x.card:7: source: there is no [field b]"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = port\ncount = 1025\n",
	"x.card:8: '1025' must be a whole number from 1 to 1024"},
    {"[card]\nname = x\nrecord = 8192\nwindow = 1\nhold = 1\n[source]\nby = address\ncount = "
     "32\n[field a]\nat = 0 u8\n",
	"x.card:8: an event of 32 sources with 8192 bytes each has 262316 bytes: at most 262144, "
	"which is 31 sources"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = address\ncount = 200\n"
     "[field a]\nat = 0 u8\ncount = 30000\n",
	"x.card:8: the fields of an event come to 6000000 bytes: at most 4194304"},
    {"[card]\nname = x\nrecord = 4\nwindow = 1\nhold = 1\n[source]\nby = address\ncount = "
     "1\n[field a]\nat = 0 u16\n",
	"x.card:10: a: say u16be or u16le, or byteorder in [card]"},
    {CARD "[field b]\nat = 5 u8\n[field a]\nat = 6 u8\n",
	"x.card:15: [field a] stands here for a second time"},
    {CARD "[field b]\nunit = V\n", "x.card:13: [field b] needs at = OFFSET TYPE"},
    {CARD "[field -b]\nat = 0 u8\n", "x.card:13: [field NAME]: '-b' is no name"},
    {CARD "atom = 4\n",
	"x.card:12: unknown key atom; [field] has at count xor shift bits scale offset unit fill "
	"name long_name "
	"standard_name axis"},
    {CARD "at = 4\n", "x.card:12: at = OFFSET TYPE [COUNT [STRIDE [FIRST [STEP]]]]"},
    {CARD "at = 4 u32 1 4 0 1 9\n", "x.card:12: at = OFFSET TYPE [COUNT [STRIDE [FIRST [STEP]]]]"},
    {CARD "at = 4 u24\n",
	"x.card:12: 'u24' must be one of: u8 i8 u16 i16 u32 i32 u64 i64 f32 f64, with be or le "
	"after it where the "
	"order differs"},
    {CARD "at = 4 i32\n", "x.card:12: the pieces of a field have one type: u32 was said above"},
    {CARD "at = 13 u32\n", "x.card:12: a: bytes 13 to 16 are outside of the record (0 to 15)"},
    {CARD "at = -17 u32\n", "x.card:12: a: bytes -1 to 2 are outside of the record (0 to 15)"},
    {CARD "at = -3 u32\n", "x.card:12: a: bytes 13 to 16 are outside of the record (0 to 15)"},
    {CARD "at = 4 u32 4\n", "x.card:12: a: bytes 4 to 19 are outside of the record (0 to 15)"},
    {CARD "at = 0 u32 65507 65507\n",
	"x.card:12: a: bytes 0 to 4291101545 are outside of the record (0 to 15)"},
    {CARD "at = 4 u32 99999999999999999999\n",
	"x.card:12: '99999999999999999999' must be a whole number from 1 to 65507"},
    {CARD "at = 4 u32 2 3\n", "x.card:12: '3' must be a whole number from 4 to 65507"},
    {CARD "at = 4 u32 2 4 0\n", "x.card:12: a: element 0 was already given by a line above"},
    {CARD "at = 4 u32 2 4 65506 1\n", "x.card:12: a: element 65507: a field has at most 65507"},
    {CARD "at = 4 u32 2 4 9 0\n", "x.card:12: '0' must be a whole number from 1 to 65507"},
    {CARD "at = 4 u32 3\ncount = 3\n", "x.card:13: a: count is 3, but the at lines give element 3"},
    {CARD "count = 65508\n", "x.card:12: '65508' must be a whole number from 1 to 65507"},
    {CARD "xor = 0x100000000\n", "x.card:12: a: xor has more than the 32 bits of u32"},
    {CARD "xor = zero\n", "x.card:12: 'zero' must be a number, such as 0x8000"},
    {CARD "scale = 0\n", "x.card:12: '0' must be a number other than 0"},
    {CARD "fill = 4294967296\n",
	"x.card:12: '4294967296' must be a whole number from 0 to 4294967295"},
    {CARD "shift = 32\n", "x.card:12: a: shift + bits is more than the 32 bits of u32"},
    {CARD "shift = 31\nbits = 2\n", "x.card:13: a: shift + bits is more than the 32 bits of u32"},
    {CARD "[field b]\nat = 0 i8\nbits = 2\n",
	"x.card:14: b: shift and bits are for u8, u16, u32 and u64"},
    {CARD "[field b]\nat = 0 f32\nxor = 2\n", "x.card:14: b: xor is for whole numbers"},
    {CARD "[field b]\nat = 0 f32\nfill = 1e39\n", "x.card:14: '1e39' is too large for f32"},
    {CARD "axis = x\n", "x.card:12: a: one value has no axis"},
    {CARD "unit = 12345678901234567890123456789012\n",
	"x.card:12: the text is too long: at most 31 bytes"},
    {CARD "[field b]\nat = 0 u8\nname = a\n", "x.card:14: b: the name a belongs to [field a]"},
    {CARD "[field b]\nat = 0 u8 2\naxis = a\n",
	"x.card:14: b: the axis a has the name of [field a]"},
    {CARD "[field b]\nat = 0 u8 2\naxis = n\n[field c]\nat = 0 u8 3\naxis = n\n",
	"x.card:16: c: axis n has 3 elements here and 2 in [field b]"},
    {CARD "[field b]\nat = 0 u8 2\naxis = n\n[source]\nname = n\n",
	"x.card:16: [source] name = n: [field b] or its axis has this name"},
    {CARD "[source]\nname = a\n",
	"x.card:13: [source] name = a: [field a] or its axis has this name"},
    {CARD "[source]\nname = the one\n",
	"x.card:13: 'the one' is no name: a letter or _, then letters, digits and _ . + -, at most "
	"40"},
    {CARD "[clock]\nunit = 1ns\n", "x.card:13: [clock] needs field = NAME, or no other key"},
    {CARD "[clock]\nfield = a\n",
	"x.card:13: [clock] needs unit = 3.90625ns or rate = 256 MHz, one of them"},
    {CARD "[clock]\nfield = a\nunit = 1ns\nrate = 1e9\n",
	"x.card:13: [clock] needs unit = 3.90625ns or rate = 256 MHz, one of them"},
    {CARD "[clock]\nfield = b\nunit = 1us\n", "x.card:13: clock: there is no [field b]"},
    {CARD "[clock]\nfield = b\nunit = 1us\n[field b]\nat = 4 u32 2\n",
	"x.card:13: clock: b must be one whole number"},
    {CARD "[clock]\nfield = b\nunit = 1us\n[field b]\nat = 4 f64\n",
	"x.card:13: clock: b must be one whole number"},
    {CARD "[clock]\nfield = a\nunit = 1us\nwidth = 33\n",
	"x.card:15: width is 33, but a has 32 bits"},
    {CARD "[clock]\nfield = a\nunit = 1us\nwidth = 20\n",
	"x.card:13: the clock wraps after 1048.576ms: window and hold must be less than half of "
	"it"},
    {CARD "[clock]\nfield = a\nunit = 3\n",
	"x.card:14: '3' must be a time with its unit, such as 3.90625ns"},
    {CARD "[clock]\nfield = a\nunit = 0ns\n",
	"x.card:14: '0ns' must be a time with its unit, such as 3.90625ns"},
    {CARD "[clock]\nfield = a\nunit = 5s\n",
	"x.card:14: '5s': a tick must be a ratio of two 32-bit numbers of ns"},
    {CARD "[clock]\nfield = a\nunit = 1.00000000001ns\n",
	"x.card:14: '1.00000000001ns': a tick must be a ratio of two 32-bit numbers of ns"},
    {CARD "[clock]\nfield = a\nrate = 256 mHz\n",
	"x.card:14: '256 mHz' must be a rate, such as 256 MHz"},
    {CARD "[clock]\nfield = a\nrate = 1e99\n",
	"x.card:14: '1e99': a tick must be a ratio of two 32-bit numbers of ns"},
    {CARD "[clock]\nfield = a\nunit = 1us\ntie = gps\n",
	"x.card:15: 'gps' must be one of: arrival utc tai none"},
    {CARD "[clock]\nfield = a\nunit = 1us\ntie = utc\n",
	"x.card:15: a clock that wraps after 4294967.296ms does not count from 1970: tie = arrival "
	"or none"},
    {CARD "[sequence]\nwidth = 8\n", "x.card:13: [sequence] needs field = NAME"},
    {CARD "[sequence]\nfield = a\nwidth = 40\n", "x.card:14: width is 40, but a has 32 bits"},
    {CARD "title = caf\xe9\n", "x.card:12: byte 0xe9: a card is plain text in UTF-8"},
    {CARD "# \x1b[2J\n", "x.card:12: byte 0x1b: a card is plain text in UTF-8"},
};

static void refusals(void)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct card *c =
		    card_parse("x.card", refused[i].text, strlen(refused[i].text), why);
		is_str(c ? "accepted" : why, refused[i].why, refused[i].why);
		card_free(c);
	}

	char text[20000] = CARD;
	for (int i = 0; i < 16; i++)
		strcat(text, "at = 4 u32 1 4\n");
	ok(!card_parse("x.card", text, strlen(text), why), "too many at lines are refused");
	is_str(why, "x.card:27: a field has at most 16 at lines",
	    "with the line of the first too many");
	strcpy(text, CARD);
	for (int i = 0; i < 32; i++)
		sprintf(text + strlen(text), "[field f%d]\nat = 0 u8\n", i);
	ok(!card_parse("x.card", text, strlen(text), why), "too many fields are refused");
	is_str(
	    why, "x.card:75: a card has at most 32 fields", "with the line of the first too many");
	char *big = malloc(CARD_TEXT_MAX + 2);
	memset(big, '\n', CARD_TEXT_MAX + 1);
	ok(!card_parse("x.card", big, CARD_TEXT_MAX + 1, why), "a long text is refused");
	is_str(why, "x.card: a card has at most 65535 bytes", "with the limit");
	free(big);
	ok(!card_parse("x.card", "[card]\0", 7, why), "a NUL byte is refused");
}

/* Whatever stands in a card that was cut or bent, it is refused or it is safe to use. */
static void bent(void)
{
	size_t n;
	char *text = io_slurp("etc/cards/roach2c.card", CARD_TEXT_MAX, &n);
	static uint8_t rec[CARD_RECORD_MAX];
	static uint8_t to[CARD_RECORD_MAX * 8];
	unsigned seed = 1, accepted = 0;

	if (!ok(text != NULL, "roach2c.card is read"))
		return;
	for (int k = 0; k < 2000; k++) {
		char *t = malloc(n);
		memcpy(t, text, n);
		for (int j = 0; j < 4; j++) {
			seed = seed * 1103515245 + 12345;
			t[seed / 65536 % n] = "0123456789-= \nabc"[seed / 16 % 17];
		}
		struct card *c = card_parse("x.card", t, k % 2 ? n : n - seed / 65536 % n, why);
		free(t);
		if (!c)
			continue;
		accepted++;
		for (int f = 0; f < c->nfields; f++)
			card_extract(c, f, rec, to);
		card_clock(c, rec);
		card_free(c);
	}
	ok(accepted > 0, say("2000 bent cards: %u were still cards, and nothing broke", accepted));
	free(text);
}

/* ---- the card path ---- */

static void put(const char *folder, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		exit(1);
}

static char listed[1024];
static void list(void *ctx, const char *name, const char *title, const char *path)
{
	size_t n = strlen(listed);
	(void)ctx, (void)path;
	snprintf(listed + n, sizeof listed - n, "%s: %s\n", name, title);
}

static void search(void)
{
	char one[] = "/tmp/fyke-card.XXXXXX", two[] = "/tmp/fyke-card.XXXXXX", path[256];

	if (!mkdtemp(one) || !mkdtemp(two))
		exit(1);
	put(one, "b.card", CARD "[card]\ntitle = first b\n");
	put(one, "bad.card", "[card]\nname = bad\nrecord = many\n");
	put(one, "notes.txt", "not a card\n");
	put(two, "b.card", CARD "[card]\ntitle = second b\n");
	put(two, "a.card", CARD);
	snprintf(path, sizeof path, "%s::/nowhere:%s", one, two);
	setenv("FYKE_CARDS", path, 1);
	setenv("XDG_CONFIG_HOME", "/nowhere", 1);

	struct card *c = card_load("b", why);
	is_str(c ? c->title : why, "first b", "the first card of a name wins");
	card_free(c);
	c = card_load("a", why);
	is_str(c ? c->title : why, "x", "a title is the name where none is said");
	card_free(c);
	card_list(list, NULL);
	ok(strncmp(listed, "a: x\nb: first b\nbad: ", 21) == 0,
	    "cards are listed by name, each once");
	ok(strstr(listed, "bad.card:3: 'many' must be a whole number") != NULL,
	    "a bad one with its reason");
	ok(!card_load("aa", why), "an unknown name is refused");
	ok(strncmp(why, "aa: no such card; there are a, b, bad", 37) == 0, "with those there are");
	ok(!card_load("./a.card", why), "a name with a / is a path");
	is_str(why, "./a.card: No such file or directory", "which is not searched");
	ok(!card_load("a.card", why), "so is one that ends in .card");
	snprintf(path, sizeof path, "%s/a.card", two);
	c = card_load(path, why);
	ok(c != NULL, "a path is read");
	is_int(c ? (long long)c->textlen : 0, (long long)strlen(CARD), "and its text is kept");
	card_free(c);
	ok(!card_load("/dev/zero", why), "an endless file is refused");
	is_str(why, "/dev/zero: a card has at most 65535 bytes", "with the limit");

	setenv("FYKE_CARDS", "", 1);
	setenv("XDG_CONFIG_HOME", one, 1);
	snprintf(path, sizeof path, "mkdir -p %s/fyke/cards && mv %s/b.card %s/fyke/cards/", one,
	    one, one);
	ok(system(path) == 0, "a folder of one's own");
	c = card_load("b", why);
	ok(c != NULL, "XDG_CONFIG_HOME/fyke/cards is searched");
	card_free(c);
	snprintf(path, sizeof path, "rm -r %s %s", one, two);
	ok(system(path) == 0, "and gone");
}

int main(void)
{
	setenv("FYKE_CARDS", "etc/cards", 1);
	chec();
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		roach(&variants[i], false);
		roach(&variants[i], true);
	}
	roach_c_rest();
	rfsoc();
	real_frame();
	values();
	clocks();
	sources();
	layouts();
	refusals();
	bent();
	search();
	return done_testing();
}
