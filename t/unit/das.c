/* das.c - raw minute files: names, sizes, channels */
#include "sky/das.h"

#include "base/tim.h"
#include "tap.h"

int main(void)
{
	struct das_format f = {.channels = 384, .rate = 50, .header = -1};
	struct das_shape s;
	char name[MINUTE_NAME];
	int64_t m = tim_join(2005, 6, 21, 8, 12, 0, 0) / TIM_MIN;

	is_int(das_minute("raw_050621_0492.bin"), m, "a file name gives its UT minute");
	is_str(das_name(m, name), "raw_050621_0492.bin", "and back");
	is_int(das_minute("raw_991231_1439.bin"), tim_join(1999, 12, 31, 23, 59, 0, 0) / TIM_MIN,
	    "the last minute of 1999");
	is_int(das_minute("raw_050230_0000.bin"), -1, "no 30 February");
	is_int(das_minute("raw_050621_1440.bin"), -1, "a day has 1440 minutes");
	is_int(das_minute("raw_050621_0492.bin~"), -1, "nothing behind the name");
	is_int(das_minute("enc_050621_0492.tsv"), -1, "another program's file");

	is_int(das_shape(&f, 2304000 + 64, &s), 0, "a whole minute with a header of 64 bytes");
	is_int(s.header, 64, "the header is what is left over");
	is_int(s.frames, 3000, "3000 frames");
	das_shape(&f, 2304000 + 1536, &s);
	ok(s.header == 1536 && s.frames == 3000,
	    "a header of two frames' length, in a whole minute");
	das_shape(&f, 64 + 768 * 1000, &s);
	ok(s.header == 64 && s.frames == 1000 && s.torn == 0, "a short minute");
	f.header = 64;
	das_shape(&f, 64 + 768 * 1000 + 5, &s);
	ok(s.frames == 1000 && s.torn == 5, "a frame cut in its middle, where the header is known");
	is_int(das_shape(&f, 63, &s), -1, "shorter than its header");
	f.header = -1;
	das_shape(&f, 64 + 768 * 3056, &s);
	ok(s.header == 64 && s.frames == 3056, "a long minute: the DAS clock was set back");
	is_int(das_shape(&f, 0, &s), 0, "an empty file");
	is_int(s.frames, 0, "holds nothing");

	/* Two frames of three channels: 1, -2, 32767; -32768, 256, 0. */
	static const uint8_t big[] = {0, 1, 0xff, 0xfe, 0x7f, 0xff, 0x80, 0, 1, 0, 0, 0};
	struct das_format small = {.channels = 3, .rate = 50};
	int16_t v[2];
	das_channel(&small, big, 2, 0, v);
	ok(v[0] == 1 && v[1] == -32768, "channel 0, big-endian");
	das_channel(&small, big, 2, 1, v);
	ok(v[0] == -2 && v[1] == 256, "channel 1");
	small.little = true;
	das_channel(&small, big, 2, 2, v);
	ok(v[0] == -129 && v[1] == 0, "channel 2, little-endian");
	return done_testing();
}
