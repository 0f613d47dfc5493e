/* verbs.c - request lines, night codes, settings as lines, keyword files, scripts */
#include <errno.h>
#include <stdlib.h>

#include "base/tim.h"
#include "cam/cards.h"
#include "cam/codes.h"
#include "cam/night.h"
#include "cam/script.h"
#include "cam/settings.h"
#include "tap.h"

static struct verb_request r;
static char why[VERB_WHY];

static unsigned parse(const char *line)
{
	return verb_parse(line, strlen(line), &r, why);
}

static void lines(void)
{
	char line[VERB_LINE + 1] = "", longer[VERB_LINE + 10];

	is_int(parse("expose 10"), SEQ_OK, "expose 10");
	is_int(r.verb->id, VERB_EXPOSE, "is expose");
	is_str(r.arg[0], "10", "for 10 s");
	is_int(parse("expose -t -f -d 10"), SEQ_OK, "options");
	ok(r.t && r.f && r.d && r.n == 1, "are no arguments");
	is_int(parse("  exp   1.5  "), SEQ_OK, "blanks, a second name");
	is_int(parse("object \"a \\\"b\\\" \\\\ c\""), SEQ_OK, "quotes");
	is_str(r.arg[0], "a \"b\" \\ c", "are taken off");
	is_int(parse("object \"-t\""), SEQ_OK, "a quoted option");
	is_str(r.arg[0], "-t", "is a text");
	is_int(parse("object \"\""), SEQ_OK, "an empty text");
	is_int(parse("addtime -30"), SEQ_OK, "a negative number");
	is_int(parse("object \"a"), SEQ_LINE, "an open quote");
	is_int(parse("object a\"b"), SEQ_LINE, "a quote in a word");
	is_int(parse("object \"a\"b"), SEQ_LINE, "text after a quote");
	is_int(parse("object \"a\\nb\""), SEQ_LINE, "no other escapes");
	is_int(parse(""), SEQ_LINE, "an empty line");
	is_int(parse("xbin\t2"), SEQ_LINE, "a tab");
	is_int(verb_parse("xbin\0", 5, &r, why), SEQ_LINE, "a NUL");
	is_int(parse("xbin 2\x7f"), SEQ_LINE, "a control byte");
	is_int(parse("object caf\xc3\xa9"), SEQ_LINE, "UTF-8");
	is_int(parse("rm -rf"), SEQ_UNKNOWN, "what is no command");
	is_int(parse("xbin"), SEQ_NARGS, "too few");
	is_int(parse("xbin 1 2"), SEQ_NARGS, "too many");
	is_int(parse("xbin 0"), SEQ_RANGE, "no binning of 0");
	is_int(parse("xbin 2.5"), SEQ_RANGE, "nor of 2.5");
	is_int(parse("xbin 0x2"), SEQ_RANGE, "nor hexadecimal");
	is_int(parse("expose -1"), SEQ_RANGE, "no negative time");
	is_int(parse("expose nan"), SEQ_RANGE, "nor none");
	is_int(parse("expose 1e3"), SEQ_OK, "1e3 is a number");
	is_int(parse("expose inf"), SEQ_RANGE, "inf is not");
	is_int(parse("xbin -f 2"), SEQ_NARGS, "an option that a verb has not");
	is_int(parse("filename ab.d"), SEQ_RANGE, "a dot in a file name");
	is_int(parse("log-comment x ../../etc/passwd"), SEQ_RANGE, "a path");
	is_int(parse("wait-camera-state busy"), SEQ_RANGE, "a state that is none");
	is_int(parse("cooler maybe"), SEQ_RANGE, "on or off");
	is_int(parse("object 123456789 123456789"), SEQ_NARGS, "two words want quotes");
	memset(longer, 'x', sizeof longer);
	is_int(verb_parse(longer, sizeof longer, &r, why), SEQ_LINE, "too long");
	ok(verb_add(line, "object") && verb_add(line, "a \"b\" \\") && verb_add(line, "-t") &&
		verb_add(line, ""),
	    "words are put together");
	is_str(line, "object \"a \\\"b\\\" \\\\\" \"-t\" \"\"", "with the quotes that they need");
	longer[VERB_LINE] = '\0';
	ok(!verb_add(line, longer), "what does not fit is told");
}

static void nights(void)
{
	/* Published: ph16 (2006), ib11 (1999), ub11 (2011), Di29 (2020, of a real file's name). */
	static const struct {
		int year, month, day, hour, minute, second;
		const char *code;
	} known[] = {{2006, 8, 16, 22, 0, 0, "ph16"}, {1999, 2, 11, 23, 0, 0, "ib11"},
	    {2011, 2, 11, 20, 0, 0, "ub11"}, {2020, 9, 29, 23, 59, 59, "Di29"},
	    {1991, 1, 1, 12, 0, 0, "aa01"}, {2016, 12, 31, 23, 59, 59, "zl31"},
	    {2017, 1, 1, 0, 0, 0, "zl31"}, {2017, 1, 1, 11, 59, 59, "zl31"},
	    {2017, 1, 1, 12, 0, 0, "Aa01"}, {2026, 11, 21, 3, 0, 0, "Jk20"},
	    {2042, 12, 31, 12, 0, 0, "Zl31"}};
	char code[5];

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		int64_t t = tim_join(known[i].year, known[i].month, known[i].day, known[i].hour,
		    known[i].minute, known[i].second, 0);
		is_int(night_code(t, code), 0, "a night");
		is_str(code, known[i].code, known[i].code);
	}
	is_int(night_code(tim_join(2043, 1, 1, 12, 0, 0, 0), code), -1,
	    "after 2042 there are no letters");
	is_int(night_code(tim_join(1991, 1, 1, 11, 0, 0, 0), code), -1, "nor before 1991");
}

static void settings(void)
{
	struct cam_info info = {.width = 1024,
	    .height = 512,
	    .max_xbin = 16,
	    .max_ybin = 8,
	    .amps = 1,
	    .t_min = -100,
	    .t_max = 20,
	    .can = ~0U};
	struct settings s, again;
	char text[SETTINGS_TEXT], say[VERB_WHY];

	settings_default(&s);
	(void)parse("xbin 3");
	is_int(settings_apply(&s, &r, &info, say), SEQ_RANGE, "1024 is not a multiple of 3");
	is_str(say,
	    "xbin 3: 1024 is not a multiple of 3; 1023 columns would be used. Use xsize 1023 "
	    "first.",
	    "the sentence says what to do");
	is_int(s.frame.xbin, 1, "nothing has changed");
	(void)parse("xsize 1023");
	is_int(settings_apply(&s, &r, &info, say), SEQ_OK, "done");
	(void)parse("xbin 3");
	is_int(settings_apply(&s, &r, &info, say), SEQ_OK, "and then it works");
	(void)parse("ybin 9");
	is_int(settings_apply(&s, &r, &info, say), SEQ_RANGE, "each axis has its limit");
	(void)parse("xbeg 2000");
	is_int(settings_apply(&s, &r, &info, say), SEQ_RANGE, "beyond the detector");
	(void)parse("object \"a ; b = \\\"c\\\" # d\"");
	is_int(settings_apply(&s, &r, &info, say), SEQ_OK, "any text");
	(void)parse("temp -72.5");
	is_int(settings_apply(&s, &r, &info, say), SEQ_OK, "a temperature");
	settings_lines(&s, text);
	is_int(settings_read(&again, text, strlen(text), say), 0, "as lines, and back");
	ok(memcmp(&s.frame, &again.frame, sizeof s.frame) == 0 &&
		strcmp(s.object, again.object) == 0 && again.temp == -72.5 && again.cooler,
	    "they are the same");
	is_int(settings_read(&again, "xbin 2\nexpose 5\nrm\n\n", 20, say), 2,
	    "what is no setting is left out");
	is_int(again.frame.xbin, 2, "the others are taken");
}

static void cards(void)
{
	static const char text[] =
	    "RA      =        83.6331 / deg\n# no\n\nTELESCOP= 'NOT''s   ' / name\n"
	    "GUIDING=T\nBITPIX = 8\nlower = 1\nX = 1 2\nY = 'open\nRA = 1\nZ = 1e-3\n";
	struct cards c;
	char bad[CARDS_WHY];

	is_int(cards_parse(text, sizeof text - 1, &c, bad), 5, "five lines are left out");
	is_str(bad, "line 6: the keyword is seqd's own", "the first of them");
	is_int(c.n, 4, "four are taken");
	is_str(c.card[0].value, "83.6331", "a number");
	is_str(c.card[0].comment, "deg", "its comment");
	is_str(c.card[1].value, "'NOT''s   '", "text, a quote doubled");
	is_str(c.card[2].value, "T", "a flag");
	is_str(c.card[3].value, "1E-3", "an exponent");
}

static int told;
static void bad_line(void *ctx, int number, unsigned code, const char *text)
{
	(void)ctx, (void)text;
	told = number * 100 + (int)code;
}

static void scripts(void)
{
	static const char text[] =
	    "# x\nexpose 2\r\n\ntint 3\nmult 4\nmdark\nexpose\nexpose -t 99\n";
	struct script_plan p = {.tint = 1, .mult = 1};
	struct script s;

	is_int(script_parse(&s, text, sizeof text - 1, 1, bad_line, NULL), 0, "a script");
	is_int(s.n, 6, "of six lines");
	script_plan(&s, &p);
	is_int(p.images, 6, "six images");
	is_int((int)p.exposed, 2 + 4 * 3 + 3, "their time");
	script_free(&s);
	is_int(script_parse(&s, text, sizeof text - 1, 7, bad_line, NULL), 0, "from line 7");
	is_int(s.line[0].number, 7, "begins there");
	script_free(&s);
	is_int(script_parse(&s, "expose\nfoo\n", 11, 1, bad_line, NULL), 1, "a wrong line");
	is_int(told, 200 + SEQ_UNKNOWN, "is told by its number");
	script_free(&s);
}

int main(void)
{
	lines();
	nights();
	settings();
	cards();
	scripts();
	return done_testing();
}
