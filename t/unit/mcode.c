/* mcode.c - an MDrive motor: lines typed from the reference (12.3), whole, echoed, cut and spoilt */
#include "dev/mcode.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tim.h"
#include "tap.h"

static void lines(void)
{
	static const struct {
		const char *line, *sent;
		enum mcode_line want;
		int64_t value;
	} table[] = {
	    {"5689\r\n", "PR P", MCODE_NUMBER, 5689},
	    {"-20497\r\n", "PR P", MCODE_NUMBER, -20497},
	    {"0\r\n", "PR MV", MCODE_NUMBER, 0},
	    {">0\r\n", "PR MV", MCODE_NUMBER, 0},
	    {"? 86\r\n", "PR ER", MCODE_NUMBER, 86},
	    {"PR P\r\n", "PR P", MCODE_NOTHING, 0},
	    {">PR P\r\n", "PR P", MCODE_NOTHING, 0},
	    {"PR P\r\n", "PR MV", MCODE_WORDS, 0},
	    {"\r\n", "", MCODE_NOTHING, 0},
	    {">", "", MCODE_NOTHING, 0},
	    {"?\r\n", "", MCODE_NOTHING, 0},
	    {"1.024 E\r\n", "PR VR", MCODE_WORDS, 0},
	    {"7,0\r\n", "PR S1", MCODE_WORDS, 0},
	    {"\"!\"\r\n", "PR DN", MCODE_WORDS, 0},
	    {"Copyright 2001-2010 by Intelligent Motion Systems, Inc.\r\n", "PR P", MCODE_START, 0},
	    {">\rCopyright 2001", "PR P", MCODE_START, 0},
	    {"ght by Intelligent Motion Systems", "PR P", MCODE_START, 0},
	    {"56\x81"
	     "89\r\n",
		"PR P", MCODE_NOISE, 0},
	    {"56\x03"
	     "89\r\n",
		"PR P", MCODE_NOISE, 0},
	    {"5689x\r\n", "PR P", MCODE_WORDS, 0},
	    {"--5\r\n", "PR P", MCODE_WORDS, 0},
	    {"-\r\n", "PR P", MCODE_WORDS, 0},
	    {"0x10\r\n", "PR P", MCODE_WORDS, 0},
	    {"1.5\r\n", "PR P", MCODE_WORDS, 0},
	    {"99999999999\r\n", "PR P", MCODE_WORDS, 0},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		int64_t v = 0;
		is_int(mcode_line(table[i].line, strlen(table[i].line), table[i].sent, &v),
		    table[i].want, "a line of the motor");
		if (table[i].want == MCODE_NUMBER)
			is_int(v, table[i].value, "and its value");
	}
	is_str(mcode_error_text(86), "stall", "error 86");
	is_str(mcode_error_text(82), "both limits reached, no home seen", "error 82");
	ok(mcode_of_motion(83) && !mcode_of_motion(20), "errors of motion, errors of words");
}

/* The other end of the line: answers each command by the table, from its row `at` on. */
struct row {
	const char *asked, *reply;
};

static struct {
	int fd;
	const struct row *row;
	size_t n, at;
	bool wrong;
} peer;
static int pair[2];
static pthread_t thread;

static void *serve(void *arg)
{
	char text[64];
	size_t n = 0;

	(void)arg;
	while (n < sizeof text && read(peer.fd, text + n, 1) == 1) {
		if (text[n++] != '\r')
			continue;
		text[n - 1] = '\0';
		n = 0;
		if (peer.at == peer.n)
			continue;
		const struct row *r = &peer.row[peer.at++];
		if (strcmp(r->asked, text) != 0) {
			printf("# asked '%s', expected '%s'\n", text, r->asked);
			peer.wrong = true;
		}
		(void)!write(peer.fd, r->reply, strlen(r->reply));
	}
	return NULL;
}

static struct mcode begin(const struct row *row, size_t n)
{
	struct mcode m = {.fd = -1};

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return m;
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	peer.fd = pair[1];
	peer.row = row;
	peer.n = n;
	peer.at = 0;
	peer.wrong = false;
	pthread_create(&thread, NULL, serve, NULL);
	m.fd = pair[0];
	return m;
}

static void end(const char *words)
{
	shutdown(pair[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	close(pair[0]);
	close(pair[1]);
	ok(!peer.wrong && peer.at == peer.n, words);
}

static int64_t soon(void)
{
	return tim_mono() + 3 * TIM_S;
}

#define ROWS(t) t, sizeof t / sizeof *t

static void questions(void)
{
	static const struct row t[] = {{"", ">"}, {"EM=2", "EM=2\r\n"}, {"PR EM", "2\r\n"},
	    {"PR P", "-5689\r\n"},
	    {"PR P",
		"56\x03"
		"9\r\n"},
	    {"PR P", "569\r\n"}, {"PR MV", "1\r\n"}, {"PR MV", "0\r\n"}, {"PR MV", "0\r\n"},
	    {"VM=1138", ""}, {"PR VM", "1138\r\n"}, {"VM=1138", ""}, {"PR VM", "500\r\n"},
	    {"PR ER", "0\r\n"}, {"VM=1138", ""}, {"PR VM", "1138\r\n"}, {"S3=16,1", ""},
	    {"PR S3", "16,1,0\r\n"}};
	struct mcode m = begin(ROWS(t));
	int64_t v = 0;

	is_int(mcode_hello(&m, soon()), MCODE_OK, "it is quieted");
	is_int(mcode_ask(&m, "P", soon(), &v), MCODE_OK, "a question");
	is_int(v, -5689, "its answer");
	is_int(mcode_ask(&m, "P", soon(), &v), MCODE_OK, "a spoilt answer is asked for again");
	is_int(v, 569, "and is good then");
	is_int(mcode_read(&m, "MV", soon(), 0, &v), MCODE_OK, "a reading to rely on");
	is_int(v, 0, "is one that came twice");
	is_int(mcode_set(&m, "VM", 1138, soon()), MCODE_OK, "a setting is read back");
	is_int(
	    mcode_set(&m, "VM", 1138, soon()), MCODE_OK, "and said again when it did not arrive");
	is_int(mcode_io(&m, 3, MCODE_OUTPUT, true, soon()), MCODE_OK, "an output");
	end("all that was asked, and no more");
}

static void commands(void)
{
	static const struct row t[] = {{"R2=5689", ""}, {"PR R2", "5689\r\n"}, {"ER=0", ""},
	    {"PR ER", "0\r\n"}, {"MA R2", ""}, {"PR ER", "0\r\n"}, {"PR ER", "0\r\n"},
	    /* spoilt on its way: said again; it had arrived: no harm */
	    {"ER=0", ""}, {"PR ER", "0\r\n"}, {"MA R2", ""}, {"PR ER", "20\r\n"},
	    {"PR ER", "20\r\n"}, {"ER=0", ""}, {"PR ER", "0\r\n"}, {"MA R2", ""},
	    {"PR ER", "85\r\n"}, {"PR ER", "85\r\n"}, {"ER=0", ""}, {"PR ER", "0\r\n"},
	    {"HM 1", ""}, {"PR ER", "82\r\n"}, {"PR ER", "82\r\n"}};
	struct mcode m = begin(ROWS(t));

	is_int(mcode_move(&m, 5689, soon()), MCODE_OK, "a move goes through a register");
	is_int(mcode_do(&m, "MA R2", soon()), MCODE_OK, "a spoilt command is said again");
	is_int(mcode_do(&m, "HM 1", soon()), MCODE_REFUSED, "an error of motion is not");
	is_int(m.error, 82, "but told");
	end("all that was asked, and no more");
}

static void refusals(void)
{
	static const struct row t[] = {{"VM=1138", ""}, {"PR VM", "500\r\n"}, {"PR ER", "23\r\n"},
	    {"S3=16,1", ""}, {"PR S3", "0,0\r\n"}};
	struct mcode m = begin(ROWS(t));

	is_int(mcode_set(&m, "VM", 1138, tim_mono() + 100 * TIM_MS), MCODE_REFUSED,
	    "a refusal is no silence, though the time is over");
	is_int(m.error, 23, "and told");
	is_int(mcode_io(&m, 3, MCODE_OUTPUT, true, tim_mono() + 100 * TIM_MS), MCODE_REFUSED,
	    "nor is one of an output");
	end("all that was asked, and no more");
}

static void troubles(void)
{
	static const struct row t[] = {
	    {"PR P", "Copyright 2001-2010 by Intelligent Motion Systems\r\n"}, {"PR P", ""},
	    {"PR P", "12"}};
	struct mcode m = begin(ROWS(t));
	int64_t v = 7;

	is_int(mcode_ask(&m, "P", soon(), &v), MCODE_BANNER, "the banner instead of an answer");
	ok(m.banner, "is remembered");
	is_int(mcode_ask(&m, "P", tim_mono() + 100 * TIM_MS, &v), MCODE_SILENT, "no answer");
	is_int(mcode_ask(&m, "P", tim_mono() + 100 * TIM_MS, &v), MCODE_SILENT, "half of one");
	is_int(v, 7, "change nothing");
	end("asked, not more");
	is_int(mcode_ask(&m, "P", soon(), &v), MCODE_LOST, "a port that is gone");
}

int main(void)
{
	lines();
	questions();
	commands();
	refusals();
	troubles();
	return done_testing();
}
