/* bme680.c - what an Arduino with a BME680 says, in whole lines and in pieces */
#include "dev/bme680.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tim.h"
#include "tap.h"

static void answers(void)
{
	/* slow-control reference 4.1, 4.2, 4.4 */
	static const struct {
		const char *line;
		enum bme680_answer want;
	} table[] = {
	    {"295.42;96731;42.10;51234\r\n", BME680_OK},
	    {"295.42;96731.5;42.10;51234.0", BME680_OK},
	    {"233;30000;0;0", BME680_OK},
	    {"358;110000;100;100000000", BME680_OK},
	    {"232.99;96731;42.10;51234", BME680_RANGE},
	    {"22.27;96731;42.10;51234", BME680_RANGE},
	    {"295.42;967.31;42.10;51234", BME680_RANGE},
	    {"295.42;96731;100.01;51234", BME680_RANGE},
	    {"295.42;96731;42.10;-1", BME680_RANGE},
	    {"295.42;96731", BME680_FIELDS},
	    {"295.42;96731;42.10", BME680_FIELDS},
	    {"295.42;96731;42.10;51234;7", BME680_FIELDS},
	    {"295.42;96731;42.10;51234;", BME680_FIELDS},
	    {"295.42;96731;;51234", BME680_NUMBER},
	    {"295.42;96731;42.10;nan", BME680_NUMBER},
	    {"295.42;96731;42.10;0x10", BME680_NUMBER},
	    {"295,42;96731;42.10;51234", BME680_NUMBER},
	    {"295.42 ;96731;42.10;51234", BME680_NUMBER},
	    {"Temperature = 22.1 *C", BME680_NUMBER},
	    {"", BME680_EMPTY},
	    {"\r\n", BME680_EMPTY},
	    {"Could not find a valid BME680 sensor, check wiring!\r\n", BME680_NOT_FOUND},
	    {"Failed to begin reading :(\r\n", BME680_FAILED},
	    {"Failed to complete reading :(", BME680_FAILED},
	};
	struct bme680 v;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		is_int(bme680_parse(table[i].line, strlen(table[i].line), &v), table[i].want,
		    table[i].line);
	is_int(bme680_parse("295.42;96731;42.10;51234\r\n", 26, &v), BME680_OK, "the values:");
	ok(v.temperature == 295.42 && v.pressure == 96731 && v.humidity == 42.10 && v.voc == 51234,
	    "K, Pa, %, ohm");
	for (size_t n = 0; n < 20; n++)
		if (bme680_parse("295.42;96731;42.10;51234", n, &v) == BME680_OK)
			ok(false, "a line cut short is not taken");
}

static void pieces(void)
{
	static const char text[] = "295.42;96731;42.10;51234\r\n";
	struct bme680_lines in = {.n = 0};
	struct bme680 v;
	char asked[8], junk[200];
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
		return;
	(void)!write(p[1], ";42.10;51234\r\n", 14);
	is_int(bme680_next(p[0], &in, tim_mono() + TIM_S, &v), BME680_NUMBER,
	    "the rest of an old line");
	(void)!write(p[1], text, 10);
	is_int(bme680_next(p[0], &in, tim_mono() + 20 * TIM_MS, &v), BME680_SILENT,
	    "half a line is no answer yet");
	(void)!write(p[1], text + 10, sizeof text - 11);
	is_int(bme680_next(p[0], &in, tim_mono() + TIM_S, &v), BME680_OK,
	    "the other half makes it one");
	(void)!write(p[1], text, sizeof text - 1);
	(void)!write(p[1], text, sizeof text - 1);
	is_int(bme680_next(p[0], &in, tim_mono() + TIM_S, &v), BME680_OK,
	    "two lines at once: the first");
	is_int(bme680_next(p[0], &in, tim_mono(), &v), BME680_OK, "and the second");
	memset(junk, 'x', sizeof junk);
	(void)!write(p[1], junk, sizeof junk);
	is_int(bme680_next(p[0], &in, tim_mono() + TIM_S, &v), BME680_LONG, "bytes without an end");
	(void)!write(p[1], "\n", 1);
	(void)bme680_next(p[0], &in, tim_mono() + TIM_S, &v);
	(void)!write(p[1], text, sizeof text - 1);
	is_int(bme680_ask(p[0], &in, tim_mono() + TIM_S, &v), BME680_OK, "a question");
	is_int(read(p[1], asked, sizeof asked), 1, "is one byte");
	is_int(asked[0], 'R', "R");
	close(p[1]);
	is_int(bme680_next(p[0], &in, tim_mono() + TIM_S, &v), BME680_LOST,
	    "an end of file is a lost port");
	close(p[0]);
}

int main(void)
{
	answers();
	pieces();
	return done_testing();
}
