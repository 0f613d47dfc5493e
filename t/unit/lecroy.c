/* lecroy.c - LeCroy waveforms: the bytes are typed from the table of the template LECROY_2_3 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "dev/lecroy.h"
#include "tap.h"

/* A descriptor, little-endian: two segments of three bytes, trigger times 0 and 0.5 s. gain 0.5
 * (3f000000), offset 0.25 (3e800000), 127 (42fe0000), -128 (c3000000), dx 2^-30 (30800000). */
static const uint8_t little[346 + 4 + 32 + 6] = {[0] = 'W',
    'A',
    'V',
    'E',
    'D',
    'E',
    'S',
    'C',
    [16] = 'L',
    'E',
    'C',
    'R',
    'O',
    'Y',
    '_',
    '2',
    '_',
    '3',
    [32] = 0,
    0, /* COMM_TYPE byte */
    [34] = 1,
    0, /* COMM_ORDER LOFIRST */
    [36] = 0x5a,
    0x01,
    0,
    0, /* WAVE_DESCRIPTOR 346 */
    [40] = 4,
    0,
    0,
    0, /* USER_TEXT 4 */
    [48] = 32,
    0,
    0,
    0, /* TRIGTIME 2 * 16 */
    [60] = 6,
    0,
    0,
    0, /* WAVE_ARRAY_1 6 */
    [76] = 'L',
    'E',
    'C',
    'R',
    'O',
    'Y',
    'W',
    'R',
    '6',
    '1',
    '0',
    'Z',
    'i',
    [92] = 0x39,
    0x30,
    0,
    0, /* INSTRUMENT_NUMBER 12345 */
    [116] = 6,
    0,
    0,
    0, /* WAVE_ARRAY_COUNT */
    [144] = 2,
    0,
    0,
    0, /* SUBARRAY_COUNT */
    [156] = 0,
    0,
    0,
    0x3f, /* VERTICAL_GAIN 0.5 */
    [160] = 0,
    0,
    0x80,
    0x3e, /* VERTICAL_OFFSET 0.25 */
    [164] = 0,
    0,
    0xfe,
    0x42, /* MAX_VALUE 127 */
    [168] = 0,
    0,
    0x00,
    0xc3, /* MIN_VALUE -128 */
    [172] = 8,
    0, /* NOMINAL_BITS */
    [174] = 5,
    0, /* NOM_SUBARRAY_COUNT: 5 were wanted */
    [176] = 0,
    0,
    0x80,
    0x30, /* HORIZ_INTERVAL 2^-30 s */
    [180] = 0,
    0,
    0,
    0,
    0,
    0,
    0xe0,
    0xbf, /* HORIZ_OFFSET -0.5 s */
    [196] = 'V',
    [244] = 'S',
    [296] = 0,
    0,
    0,
    0,
    0,
    0x80,
    0x46,
    0x40, /* TRIGGER_TIME 45.0 s */
    [304] = 59,
    23,
    28,
    2, /* minute, hour, day, month */
    [308] = 0xe8,
    0x07, /* year 2024 */
    [344] = 1,
    0, /* WAVE_SOURCE C2 */
    [346] = 't',
    'e',
    'x',
    't',
    [350] = 0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0xd0,
    0xbf, /* 0 s, -0.25 s */
    [366] = 0,
    0,
    0,
    0,
    0,
    0,
    0xe0,
    0x3f,
    0,
    0,
    0,
    0,
    0,
    0,
    0xc0,
    0xbf, /* 0.5 s, -0.125 s */
    [382] = 0,
    1,
    127,
    0x80,
    0xff,
    2};

/* Big-endian, 16 bits, one sweep without trigger times. */
static const uint8_t big[346 + 4] = {[0] = 'W',
    'A',
    'V',
    'E',
    'D',
    'E',
    'S',
    'C',
    [16] = 'L',
    'E',
    'C',
    'R',
    'O',
    'Y',
    '_',
    '2',
    '_',
    '3',
    [32] = 0,
    1, /* COMM_TYPE word */
    [34] = 0,
    0, /* COMM_ORDER HIFIRST */
    [36] = 0,
    0,
    0x01,
    0x5a,
    [60] = 0,
    0,
    0,
    4,
    [116] = 0,
    0,
    0,
    2,
    [144] = 0,
    0,
    0,
    1,
    [156] = 0x3f,
    0,
    0,
    0,
    [160] = 0x3e,
    0x80,
    0,
    0,
    [164] = 0x46,
    0xfe,
    0,
    0, /* 32512 */
    [168] = 0xc7,
    0,
    0,
    0, /* -32768 */
    [176] = 0x30,
    0x80,
    0,
    0,
    [180] = 0xbf,
    0xe0,
    0,
    0,
    0,
    0,
    0,
    0,
    [296] = 0x40,
    0x46,
    0x80,
    0,
    0,
    0,
    0,
    0,
    [304] = 59,
    23,
    28,
    2,
    [308] = 0x07,
    0xe8,
    [344] = 0,
    9,
    [346] = 0xff,
    0xfe, /* -2 */
    0x01,
    0x00}; /* 256 */

static void test_little(void)
{
	struct lecroy l;
	float v[3];

	is_int(lecroy_decode(&l, little, sizeof little), LECROY_OK, "two segments, low byte first");
	ok(l.little && !l.words, "bytes, LOFIRST");
	is_int(l.segments, 2, "two segments");
	is_int(l.length, 3, "of three points");
	is_int(l.wanted, 5, "of the five that were asked for");
	is_str(l.instrument, "LECROYWR610Zi", "the instrument");
	is_int(l.serial, 12345, "and its number");
	ok(l.gain == 0.5 && l.offset == 0.25 && l.dx == ldexp(1, -30), "gain, offset, interval");
	is_int(l.source, 1, "C2");
	is_str(l.yunit, "V", "volts");
	ok(l.year == 2024 && l.month == 2 && l.day == 28 && l.hour == 23 && l.minute == 59 &&
		l.second == 45.0,
	    "2024-02-28 23:59:45");
	ok(lecroy_trigger(&l, 0) == 0 && lecroy_trigger(&l, 1) == 0.5, "triggers at 0 and 0.5 s");
	ok(lecroy_first(&l, 0) == -0.25 && lecroy_first(&l, 1) == -0.125,
	    "first samples 0.25 and 0.125 s before them");
	is_int(lecroy_volts(&l, 0, v), 1, "127 is at the edge");
	ok(v[0] == -0.25f && v[1] == 0.25f && v[2] == 63.25f, "gain * raw - offset");
	is_int(lecroy_volts(&l, 1, v), 1, "-128 too");
	ok(v[0] == -64.25f && v[1] == -0.75f && v[2] == 0.75f, "raw is signed");
}

static void test_big(void)
{
	struct lecroy l;
	float v[2];

	is_int(lecroy_decode(&l, big, sizeof big), LECROY_OK, "one sweep, high byte first");
	ok(!l.little && l.words, "words, HIFIRST");
	is_int(lecroy_raw(&l, 0), -2, "ff fe is -2");
	is_int(lecroy_raw(&l, 1), 256, "01 00 is 256");
	is_int(lecroy_volts(&l, 0, v), 0, "none at the edge");
	ok(v[0] == -1.25f && v[1] == 127.75f, "in volts");
	ok(lecroy_first(&l, 0) == -0.5, "HORIZ_OFFSET where there are no trigger times");
	ok(lecroy_trigger(&l, 0) == 0, "and its trigger is at 0");
	is_int(l.source, 9, "source unknown");
}

static void test_block(void)
{
	size_t start = 0, n = 0;

	is_int(lecroy_block("#9000000003abc\n", 15, &start, &n), LECROY_OK, "a block");
	ok(start == 11 && n == 3, "of 3 bytes at 11; the line end is not part of it");
	is_int(lecroy_block("C1:WF ALL,#13xyz", 16, &start, &n), LECROY_OK, "after a prefix");
	ok(start == 13 && n == 3, "one digit");
	is_int(lecroy_block("#0abcd", 6, &start, &n), LECROY_OK, "of no length");
	ok(start == 2 && n == 4, "up to the end");
	is_int(lecroy_block("#9000000004abc", 14, &start, &n), LECROY_SHORT, "one byte too few");
	is_int(lecroy_block("#9999999999abc", 14, &start, &n), LECROY_SHORT, "a gigabyte too few");
	is_int(lecroy_block("#900000", 7, &start, &n), LECROY_SHORT, "digits missing");
	is_int(lecroy_block("#", 1, &start, &n), LECROY_SHORT, "nothing after the mark");
	is_int(lecroy_block("#9-00000001a", 12, &start, &n), LECROY_NO_BLOCK, "no digits");
	is_int(lecroy_block("#x", 2, &start, &n), LECROY_NO_BLOCK, "no digit");
	is_int(lecroy_block("", 0, &start, &n), LECROY_NO_BLOCK, "nothing");
	char far[80];
	memset(far, ' ', sizeof far);
	far[70] = '#';
	is_int(
	    lecroy_block(far, sizeof far, &start, &n), LECROY_NO_BLOCK, "too far from the start");
}

/* The little descriptor with n bytes at an offset changed. */
static enum lecroy_bad with(size_t at, const char *bytes, size_t n)
{
	struct lecroy l;
	uint8_t *copy = malloc(sizeof little);

	memcpy(copy, little, sizeof little);
	memcpy(copy + at, bytes, n);
	enum lecroy_bad bad = lecroy_decode(&l, copy, sizeof little);
	free(copy);
	return bad;
}

static void test_lies(void)
{
	is_int(with(0, "X", 1), LECROY_NO_DESC, "no WAVEDESC");
	is_int(with(16, "OTHER", 5), LECROY_TEMPLATE, "another template");
	is_int(with(32, "\2", 1), LECROY_ENUM, "COMM_TYPE 2");
	is_int(with(34, "\2", 1), LECROY_ENUM, "COMM_ORDER 2");
	is_int(with(36, "\0", 1), LECROY_NO_DESC, "a descriptor of 256 bytes");
	is_int(with(40, "\377\377\377\377", 4), LECROY_LENGTH, "a text of -1 bytes");
	is_int(with(40, "\377\377\377\177", 4), LECROY_SHORT, "a text of 2 GiB");
	is_int(with(60, "\7", 1), LECROY_SHORT, "one byte of data more than there is");
	is_int(with(64, "\1", 1), LECROY_SHORT, "a second array that is not there");
	is_int(with(116, "\7", 1), LECROY_POINTS, "more points than data");
	is_int(with(116, "\0", 1), LECROY_POINTS, "no points");
	is_int(with(116, "\377\377\377\377", 4), LECROY_POINTS, "-1 points");
	is_int(with(116, "\5", 1), LECROY_SEGMENTS, "5 points in 2 segments");
	is_int(with(144, "\3", 1), LECROY_SEGMENTS, "3 segments with 2 trigger times");
	is_int(with(144, "\377\377\377\177", 4), LECROY_SEGMENTS, "2^31 segments");
	is_int(with(156, "\0\0\300\177", 4), LECROY_NUMBER, "a gain that is no number");
	is_int(with(176, "\0\0\0\0", 4), LECROY_NUMBER, "an interval of 0");
	is_int(with(372, "\360\177", 2), LECROY_NUMBER, "an infinite trigger time");
	is_int(with(307, "\15", 1), LECROY_DATE, "month 13");
	is_int(with(316, "\2", 1), LECROY_KIND, "a histogram");
}

static void test_cut(void)
{
	int wrong = 0;

	for (size_t n = 0; n < sizeof little; n++) {
		struct lecroy l;
		uint8_t *cut = malloc(n + 1);
		memcpy(cut, little, n);
		enum lecroy_bad bad = lecroy_decode(&l, cut, n);
		wrong += bad != (n < 8 ? LECROY_NO_DESC : LECROY_SHORT);
		free(cut);
	}
	is_int(wrong, 0, "cut anywhere, it is refused as cut");
}

static void test_same(void)
{
	struct lecroy a, b;
	uint8_t other[sizeof little];

	memcpy(other, little, sizeof other);
	other[382] = 77;
	(void)lecroy_decode(&a, little, sizeof little);
	(void)lecroy_decode(&b, other, sizeof other);
	ok(lecroy_same_trigger(&a, &b), "other samples, the same trigger");
	other[366] = 1; /* the second trigger 2^-53 s later */
	(void)lecroy_decode(&b, other, sizeof other);
	ok(!lecroy_same_trigger(&a, &b), "another second trigger");
	other[366] = 0;
	other[296] = 1;
	(void)lecroy_decode(&b, other, sizeof other);
	ok(!lecroy_same_trigger(&a, &b), "one bit of the time apart");
}

int main(void)
{
	test_little();
	test_big();
	test_block();
	test_lies();
	test_cut();
	test_same();
	return done_testing();
}
