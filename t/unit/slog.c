/* slog.c - syslog frames and records, with the examples of RFC 5424 and RFC 6587 */
#include "bus/slog.h"

#include <stdlib.h>

#include "base/tim.h"
#include "tap.h"

static char text[SLOG_LINE];

static const char *part(struct slog_part p)
{
	snprintf(text, sizeof text, "%.*s", (int)p.n, p.n ? p.p : "");
	return text;
}

static void records(void)
{
	/* RFC 5424, 6.5, examples 1, 3 and 4 */
	static const char one[] =
	    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
	    "\xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8";
	static const char three[] =
	    "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
	    "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] "
	    "\xef\xbb\xbf"
	    "An application event log entry...";
	static const char four[] =
	    "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
	    "[exampleSDID@32473 iut=\"3\" eventSource=\"Appli\\\"]ca\\\\tion\"]"
	    "[examplePriority@32473 class=\"high\"]";
	static const char *const bad[] = {"", "<", "<>1 - - - - - -", "<192>1 - - - - - -",
	    "<34>2 - - - - - -", "34>1 - - - - - -", "<34>1 - - - - -", "<34>1 - - - - - [x",
	    "<34>1 - - - - - [x a=\"]", "<34>1 - - - - - -x", "<34>1  - - - - -",
	    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed"};
	struct slog s;

	ok(!slog_parse(one, sizeof one - 1, &s), "example 1");
	is_int(s.priority, 34, "priority");
	is_str(part(s.time), "2003-10-11T22:14:15.003Z", "time");
	is_str(part(s.host), "mymachine.example.com", "host");
	is_str(part(s.program), "su", "program");
	is_str(part(s.process), "", "no process");
	is_str(part(s.message_id), "ID47", "message id");
	is_str(part(s.text), "'su root' failed for lonvick on /dev/pts/8", "text without its BOM");
	ok(!slog_parse(three, sizeof three - 1, &s), "example 3");
	is_str(part(s.data),
	    "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"]",
	    "structured data");
	ok(!slog_parse(four, sizeof four - 1, &s), "example 4, with escaped quotes, and no text");
	is_str(part(s.text), "", "no text");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(slog_parse(bad[i], strlen(bad[i]), &s), bad[i]);
}

static void frames(void)
{
	static const char in[] = "5 <1>ab<2>cd\n<3>ef\r\n\n6 <4>gh\n17 x";
	static const char *const want[] = {"<1>ab", "<2>cd", "<3>ef", "<4>gh\n", "17 x"};
	struct slog_stream st = {0};
	struct slog_frame f;
	const char *p = in;
	size_t n = sizeof in - 1, i = 0, k;

	while (n > 0 && (k = slog_frame(&st, p, n, true, &f)) > 0) {
		if (f.text) {
			is_str(
			    part((struct slog_part){f.text, f.n}), i < 5 ? want[i] : "", "a frame");
			i++;
		}
		p += k;
		n -= k;
	}
	is_int(i, 5, "five frames");
	is_int(slog_frame(&st, "12", 2, false, &f), 0, "a count that goes on");
	is_int(slog_frame(&st, "12 <1>", 6, false, &f), 0, "a record that goes on");
	is_int(slog_frame(&st, "<1>ab", 5, false, &f), 0, "a line that goes on");
	is_int(slog_frame(&st, "99999999999 <1>ab\n", 18, false, &f), 18,
	    "a count beyond reason is text");
	is_int(slog_frame(&st, "0 <1>ab\n", 8, false, &f), 8, "so is 0");
}

static void lines(void)
{
	bool foreign;
	size_t n = slog_line("<11>old\tthing\n", 14, "192.0.2.7", TIM_S, text, &foreign);

	text[n] = '\0';
	ok(foreign, "a foreign one");
	is_str(text, "<11>1 1970-01-01T00:00:01.000000Z 192.0.2.7 - - - - old\\x09thing\\x0a\n",
	    "is wrapped and escaped");
	n = slog_line("<11>1 - - - - - - \xc3\xa4", 20, "", TIM_S, text, &foreign);
	text[n] = '\0';
	ok(!foreign, "a good one");
	is_str(text, "<11>1 - - - - - - \xc3\xa4\n", "stays, UTF-8 too");
	is_int(slog_severity("warning"), 4, "warning");
	is_int(slog_severity("error"), 3, "error");
	is_int(slog_severity("7"), 7, "7");
	is_int(slog_severity("loud"), -1, "loud");
}

int main(void)
{
	records();
	frames();
	lines();
	return done_testing();
}
