/* plog.c - pointing log records of the three epochs, from bytes typed by hand */
#include "sky/plog.h"

#include "base/tim.h"
#include "tap.h"

/* 21 June 2005 = MJD 53542 (0xd126). 08:12:34.56 = 2955456 ticks (0x2d18c0). */
static const uint8_t rec52[52] = {
    0x00, 0x00, 0xd1, 0x26, /* MJD */
    0x00, 0x2d, 0x18, 0xc0, /* ticks */
    0x01, 0xf0, 0x02,
    0x1b, /* rotator busy; outputs 8..5; on beam; tracking acquired transited celestial */
    0x00, 0x56, 0xf9, 0xa5, /* LST 5700005 = 15:50:00.05 */
    0x00, 0x44, 0x9d, 0x40, /* RA 4496704 */
    0xff, 0xff, 0xff, 0x9c, /* Dec -10.0" */
    0xff, 0xe8, 0xf5, 0x80, /* PA -1510016 */
    0x00, 0x00, 0x04, 0xd2, /* X 123.4" */
    0xff, 0xff, 0xfb, 0x2e, /* Y -123.4" */
    0x00, 0x4a, 0x28, 0x60, /* az 4860000 = 135 deg */
    0x00, 0x1e, 0x36, 0xe0, /* el 1980128 */
    0xff, 0xff, 0xff, 0xff, /* az error -0.1" */
    0x00, 0x00, 0x00, 0x03, /* el error 0.3" */
};

/* The same as packed: ticks in the minute 3456 (0xd80), day 1999 (0x7cf), minute 492 (0x1ec), flags
 * 11011, LST 5700005 (0x56f9a5), RA -4143296 (0xc0c740: plus 24 h = 4496704), Dec -100, PA -1510016
 * (0xe8f580 in 24 bits), az 4860000, el 1980128, errors -1 and 3. */
static const uint8_t rec30[30] = {0x0d, 0x80, 0x1f, 0x3c, 0xf6, 0x6c, 0x56, 0xf9, 0xa5, 0xc0, 0xc7,
    0x40, 0xff, 0xff, 0x39, 0xd1, 0xeb, 0x00, 0x4a, 0x28, 0x60, 0x3c, 0x6d, 0xc1, 0xff, 0xff, 0xff,
    0x00, 0x00, 0x03};

int main(void)
{
	struct plog_rec r;
	static uint8_t file[PLOG_MINUTE * 52];
	char name[PLOG_NAME];

	is_int(plog_record(rec52, 52, &r), 0, "a record of 52 bytes");
	is_int(r.mjd, 53542, "MJD");
	is_int(r.ticks, 2955456, "ticks");
	is_int(plog_time(&r), tim_join(2005, 6, 21, 8, 12, 34, 560000000), "its UTC");
	is_int(r.flags[3] & PLOG_SCANNING, 0, "not scanning");
	is_int(r.flags[3] & PLOG_TRACKING, PLOG_TRACKING, "tracking");
	is_int(r.v[PLOG_LST], 5700005, "LST");
	is_int(r.v[PLOG_RA], 4496704, "RA");
	is_int(r.v[PLOG_DEC], -100, "Dec");
	is_int(r.v[PLOG_PA], -1510016, "parallactic angle");
	is_int(r.v[PLOG_X], 1234, "X");
	is_int(r.v[PLOG_Y], -1234, "Y");
	is_int(r.v[PLOG_AZ], 4860000, "azimuth");
	is_int(r.v[PLOG_EL], 1980128, "elevation");
	is_int(r.v[PLOG_EAZ], -1, "azimuth error");
	is_int(r.v[PLOG_EEL], 3, "elevation error");

	uint8_t rec44[44];
	memcpy(rec44, rec52, 28);
	memcpy(rec44 + 28, rec52 + 36, 16);
	is_int(plog_record(rec44, 44, &r), 0, "a record of 44 bytes");
	ok(r.v[PLOG_X] == 0 && r.v[PLOG_AZ] == 4860000 && r.v[PLOG_EEL] == 3, "without X and Y");

	is_int(plog_record(rec30, 30, &r), 0, "a packed record of 30 bytes");
	is_int(r.mjd, 53542, "packed MJD");
	is_int(r.ticks, 2955456, "ticks from minute of day and tick of minute");
	is_int(r.flags[3], 0x1b, "packed flags");
	is_int(r.flags[1], 0x30, "outputs 5 and 6 derived from them");
	is_int(r.v[PLOG_LST], 5700005, "packed LST");
	is_int(r.v[PLOG_RA], 4496704, "a negative RA plus 24 hours");
	is_int(r.v[PLOG_DEC], -100, "packed Dec");
	is_int(r.v[PLOG_PA], -1510016, "packed parallactic angle");
	is_int(r.v[PLOG_AZ], 4860000, "packed azimuth");
	is_int(r.v[PLOG_EL], 1980128, "packed elevation");
	is_int(r.v[PLOG_EAZ], -1, "packed azimuth error");
	is_int(r.v[PLOG_EEL], 3, "packed elevation error");

	uint8_t bad[52];
	memcpy(bad, rec52, 52);
	bad[4] = 1;
	is_int(plog_record(bad, 52, &r), -1, "ticks beyond a day are refused");

	memset(file, 0, sizeof file);
	is_int(
	    plog_guess(file, 312000, 0), 52, "312,000 bytes are records of 52, whatever -ff says");
	is_int(plog_guess(file, 264000, 4), 44, "264,000 are of 44");
	is_int(plog_guess(file, 180000, 4), 30, "180,000 are of 30");
	memcpy(file, rec52, 52);
	memcpy(file + 52, rec52, 52);
	file[52 + 7]++;
	is_int(plog_guess(file, 104, 1), 52, "a short file is known by its ticks");
	is_int(plog_guess(file, 60, 4), 0, "one record alone is not");

	int64_t m = tim_join(2005, 6, 21, 8, 12, 0, 0) / TIM_MIN;
	is_str(plog_name(m, name), "0492", "the name is the minute of the day");
	is_int(plog_check(file, 104, 52, m), PLOG_OTHER_MINUTE, "a first record inside the minute");
	file[5] = 0x2d, file[6] = 0x0b, file[7] = 0x40; /* 2952000 */
	is_int(plog_check(file, 104, 52, m), PLOG_GOOD, "the minute's own first record");
	is_int(
	    plog_check(file, 104, 52, m + 1440), PLOG_OTHER_DAY, "yesterday's file of that name");
	is_int(plog_check(file, 51, 52, m), PLOG_SHORT, "not even one record");
	return done_testing();
}
