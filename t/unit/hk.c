/* hk.c - housekeeping minute files, and the telescope's RPC record */
#include "sky/hk.h"

#include <math.h>

#include "base/tim.h"
#include "tap.h"

static const char text[] = "#time[UTC]\trotangle[degree]\tsource_name[1]\tut1_minus_utc[s]\tnew_"
			   "thing[K]\ttai_minus_utc[s]\n"
			   "2005-06-21T08:12:34Z\t10.70\t3C273\t-0.6158\t4.2\t32\n"
			   "2005-06-21T08:12:35Z\t\tJupiter\t-0.6158\t\t32\n"
			   "2005-06-21T08:12:36Z\tmany\tJupiter\t-0.6158\t\t32\n"
			   "2005-06-21T08:12:37Z\t10.7";

int main(void)
{
	static struct hk_minute m;
	static uint8_t rpc[RPC_SIZE];
	char why[HK_WHY] = "", name[MINUTE_NAME], head[4096], line[4096], both[8192];
	struct hk_row r;
	int64_t t = tim_join(2005, 6, 21, 8, 12, 34, 0);

	is_int(hk_read(text, sizeof text - 1, &m, why), 0, "a minute file is read");
	is_int(m.n, 2, "two good rows");
	is_int(m.bad, 2, "two bad ones: a word for a number, a row that was cut");
	is_int(m.row[0].time, t, "its second");
	ok(m.row[0].v[hk_find("rotangle")] == 10.7, "a number");
	is_str(m.row[0].text[0], "3C273", "a text");
	ok(m.row[0].v[hk_find("tai_minus_utc")] == 32, "columns are found by name, others ignored");
	ok(isnan(m.row[1].v[hk_find("rotangle")]), "an empty field is no value");
	ok(isnan(m.row[0].v[hk_find("tau")]), "nor is a column that is not there");
	is_int(hk_read("time\n", 5, &m, why), -1, "no header, no housekeeping");
	is_str(why, "the first line does not begin with #time", "and it says so");
	is_int(hk_read("", 0, &m, why), -1, "an empty file");

	memset(&r, 0, sizeof r);
	for (int i = 0; i < HK_COLUMNS; i++)
		r.v[i] = NAN;
	r.time = tim_join(2017, 1, 1, 0, 0, 0, 0);
	r.leap = true;
	r.v[hk_find("rotangle")] = -35.5;
	strcpy(r.text[1], "p\tq");
	size_t a = hk_header(head, sizeof head), b = hk_line(&r, line, sizeof line);
	memcpy(both, head, a);
	memcpy(both + a, line, b);
	ok(!strncmp(line, "2016-12-31T23:59:60Z\t\t-35.5\t", 28),
	    "a leap second is written as such");
	is_int(hk_read(both, a + b, &m, why), 0, "and read back");
	ok(m.n == 1 && m.row[0].leap && m.row[0].time == r.time, "as what it was");
	is_str(m.row[0].text[1], "p q", "no tab inside a text");

	is_int(hk_minute("enc_050621_0492.tsv"), t / TIM_MIN, "a name gives its minute");
	is_int(hk_minute("enc_050631_0492.tsv"), -1, "no 31 June");
	is_str(hk_name(t / TIM_MIN, name), "enc_050621_0492.tsv", "and back");

	is_int(rpc_nfields, 82, "all fields of the record that have a meaning");
	int end = 0;
	for (size_t i = 0; i < rpc_nfields; i++) {
		const struct rpc_field *f = &rpc_fields[i];
		int gap = f->offset - end;
		if (gap != 0 && !(gap == 4 && f->offset == 44)) /* tm_zone, a pointer */
			ok(false, f->name);
		end = f->offset + f->count * (f->type == 'd' ? 8 : f->type == 'i' ? 4 : 1);
	}
	is_int(end, RPC_SIZE, "without a gap, to the 768th byte");

	/* 34 s, 12 min, 8 h, 21 June (5) 105, gmtoff 0; dut1 -0.5 = bfe0...; apparent ra 12.5 =
	 * 4029... */
	static const uint8_t tm[] = {
	    34, 0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 21, 0, 0, 0, 5, 0, 0, 0, 105};
	static const uint8_t dut1[] = {0, 0, 0, 0, 0, 0, 0xe0, 0xbf},
			     ra[] = {0, 0, 0, 0, 0, 0, 0x29, 0x40};
	memcpy(rpc, tm, sizeof tm);
	memcpy(rpc + 68, dut1, 8);
	memcpy(rpc + 176, ra, 8);
	memcpy(rpc + 84, "Jupiter", 7);
	memset(rpc + 116, 0xff, 4);
	is_int(hk_from_rpc(rpc, &r), 0, "an RPC record");
	is_int(r.time, t, "its time");
	ok(r.v[hk_find("ut1_minus_utc")] == -0.5, "UT1-UTC from byte 68");
	ok(r.v[hk_find("apparent_right_ascension")] == 12.5, "apparent RA from byte 176");
	ok(r.v[hk_find("coordinate_type")] == -1, "a negative integer");
	is_str(r.text[0], "Jupiter", "the source");
	rpc[16] = 12;
	is_int(hk_from_rpc(rpc, &r), -1, "a thirteenth month is refused");
	return done_testing();
}
