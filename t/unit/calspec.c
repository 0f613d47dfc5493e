/* calspec.c - the specification of channels, variables and conversions */
#include "sky/calspec.h"

#include <math.h>
#include <stdlib.h>

#include "sky/plog.h"
#include "tap.h"

static struct cal_mistake bad[CAL_MISTAKES];
static int nbad;

static struct calspec *read_text(const char *text)
{
	return calspec_read("test.cal", text, strlen(text), bad, &nbad);
}

static void wrong(const char *text, int line, const char *why)
{
	struct calspec *c = read_text(text);
	ok(!c && nbad == 1, why);
	if (nbad < 1)
		return;
	is_int(bad[0].line, line, "with its line");
	ok(strstr(bad[0].why, why) != NULL, bad[0].why);
	calspec_free(c);
}

int main(void)
{
	const char *top = getenv("FYKE_BUILD");
	char path[4096];
	struct calspec *c =
	    read_text("# a comment\n"
		      "set adc_volts 5   # volts\n"
		      "set byte_order little\nset header 128\nset site \"Mauna Kea, Hawaii\"\n"
		      "line tracking das 25 log out.6\n"
		      "v das 3,10-12 short V poly 0.5 2 \"a pair\"\n"
		      "r log ra double hour poly 0 1\n"
		      "f log b11.4 byte 1 poly 0 1\n"
		      "s hk source_name char 1\n");
	ok(c != NULL, "a good specification");
	if (c) {
		const struct cal_var *v = calspec_find(c, "v"), *f = calspec_find(c, "f");
		ok(c->adc_volts == 5 && c->das.little && c->das.header == 128, "its settings");
		is_str(c->site, "Mauna Kea, Hawaii", "a quoted value");
		ok(v->nchannels == 4 && v->channel[0] == 3 && v->channel[3] == 12,
		    "channels in their order");
		is_str(v->about, "a pair", "a long name");
		ok(calspec_convert(v, 3) == 6.5, "physical = A + B x");
		ok(f->field.flag && f->field.index == 3 && f->field.bit == 4, "bit 4 of byte +11");
		ok(c->line[0].channel == 25 && c->line[0].field.index == 1 &&
			c->line[0].field.bit == 5,
		    "output 6 is bit 5 of byte +9");
		ok(calspec_unit(&calspec_find(c, "r")->field, 360000) == 1, "log RA in hours");
	}
	calspec_free(c);

	struct cal_var t = {.ntable = 3, .x = (double[]){0, 1, 3}, .y = (double[]){10, 20, 0}};
	ok(calspec_convert(&t, 2) == 10, "a table is interpolated");
	ok(isnan(calspec_convert(&t, 3.1)), "and has an end");

	wrong("a das 384 short V poly 0 1\n", 1, "'384' is not a channel: they are 0 to 383");
	wrong("\na das 5-3 short V poly 0 1\n", 2, "run backwards");
	wrong("a das 1-3,2 short V poly 0 1\n", 1, "channel 2 stands here twice");
	wrong(
	    "a das 1 short V poly 0 1\nA das 2 short V poly 0 1\n", 2, "stands in line 1 already");
	wrong("a das 1 short V poly 0 1 2\n", 1, "poly A B only");
	wrong("a das 1 long V poly 0 1\n", 1, "a type is byte");
	wrong("a das 1 short V\n", 1, "behind the unit stands");
	wrong("a das 1 short V table nowhere.txt\n", 1, "cannot read the table");
	wrong("a sky 1 short V poly 0 1\n", 1, "a source is das, log or hk");
	wrong("a log b11.8 byte 1 poly 0 1\n", 1, "the bits are b11.0 to b11.7");
	wrong("a hk mood float 1 poly 0 1\n", 1, "no such column");
	wrong("a hk source_name float 1 poly 0 1\n", 1, "a text column has the type char");
	wrong("time das 1 short V poly 0 1\n", 1, "merge makes this variable itself");
	wrong("2a das 1 short V poly 0 1\n", 1, "is no name");
	wrong("a das 1 short V poly 0 1\nset rate fast\n", 2, "is not a whole number");
	wrong("", 0, "no variable is named");
	c = read_text("set rate 0\na das 999 short V poly 0 1\nline x das 1 log ra\n");
	ok(!c && nbad == 3 && bad[0].line == 1 && bad[1].line == 2 && bad[2].line == 3,
	    "every mistake is told, not the first alone");

	snprintf(path, sizeof path, "%s/../etc/bolocam.cal", top ? top : "build");
	c = calspec_load(path, bad, &nbad);
	ok(c != NULL, "etc/bolocam.cal is good");
	if (c) {
		is_int(calspec_find(c, "ac_bolos")->nchannels, 144, "144 AC channels");
		is_int(calspec_find(c, "dc_bolos")->channel[143], 375, "the last DC channel");
		is_int(c->nlines, 5, "five shared lines");
	} else {
		printf("# line %d: %s\n", bad[0].line, bad[0].why);
	}
	calspec_free(c);
	return done_testing();
}
