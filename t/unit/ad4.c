/* ad4.c - an AD4 encoder interface: bytes typed from the reference (12.4), whole, cut and spoilt */
#include "dev/ad4.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tim.h"
#include "tap.h"

static void bytes(void)
{
	static const struct {
		uint8_t reply[4];
		int32_t want;
		const char *words;
	} table[] = {
	    {{0x00, 0x00, 0x00, 0x00}, 0, "zero"},
	    {{0x01, 0x00, 0x00, 0x00}, 1, "least significant first"},
	    {{0x34, 0x12, 0x00, 0x00}, 0x1234, "two bytes"},
	    {{0x56, 0x34, 0x12, 0x00}, 0x123456, "three"},
	    {{0x56, 0x34, 0x12, 0xff}, 0x123456, "the fourth is ignored"},
	    {{0xff, 0xff, 0xff, 0x00}, -1, "bit 23 is the sign"},
	    {{0x00, 0x00, 0x80, 0x00}, -8388608, "the lowest"},
	    {{0xff, 0xff, 0x7f, 0x00}, 8388607, "the highest"},
	    {{0x55, 0x15, 0x00, 0xa7}, 5461, "60 degrees of the example disk"},
	};
	uint8_t text[AD4_SETUP];

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		is_int(ad4_decode(table[i].reply), table[i].want, table[i].words);
	ad4_encode_setup(text, 4, 0);
	ok(memcmp(text, "\x22\x04\x00\x00\x00\x00", 6) == 0, "set up: times 4, zero");
	ad4_encode_setup(text, 1, 0x123456);
	ok(memcmp(text, "\x22\x01\x56\x34\x12\x00", 6) == 0, "the preset too begins at the bottom");
	ad4_encode_setup(text, 2, -2);
	ok(memcmp(text, "\x22\x02\xfe\xff\xff\xff", 6) == 0, "a negative preset");
}

/* The other end of the line: for each question seen, the next reply. */
struct peer {
	int fd;
	const char *const *reply; /* NULL ends; "" is silence */
	const size_t *n;
	int asked;
	uint8_t last[16];
};

static void *serve(void *arg)
{
	struct peer *p = arg;

	while (p->reply[p->asked]) {
		if (read(p->fd, p->last, sizeof p->last) <= 0)
			break;
		int i = p->asked++;
		if (p->n[i] > 0)
			(void)!write(p->fd, p->reply[i], p->n[i]);
	}
	return NULL;
}

static int pair[2];
static struct peer peer;
static pthread_t thread;

static void begin(const char *const *reply, const size_t *n)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	peer = (struct peer){.fd = pair[1], .reply = reply, .n = n};
	pthread_create(&thread, NULL, serve, &peer);
}

static void end(void)
{
	shutdown(pair[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	close(pair[0]);
	close(pair[1]);
}

static int64_t soon(void)
{
	return tim_mono() + 2 * TIM_S;
}

static void questions(void)
{
	static const char *const reply[] = {
	    "\x34", "\x35", "\x0a\x00\x00\x00", "\x19", "\x7e", NULL};
	static const size_t n[] = {1, 1, 4, 1, 1};
	int32_t count = 0;
	unsigned bits = 0;

	begin(reply, n);
	is_int(ad4_ping(pair[0], soon()), AD4_OK, "a ping");
	is_int(peer.last[0], 0x41, "is A");
	is_int(ad4_ping(pair[0], soon()), AD4_WRONG, "and must be answered by 4");
	is_int(ad4_position(pair[0], soon(), &count), AD4_OK, "a position");
	is_int(count, 10, "has four bytes");
	is_int(peer.last[0], 0x01, "is asked by 1");
	is_int(ad4_status(pair[0], soon(), &bits), AD4_OK, "a status");
	is_int(bits, AD4_BORROW | AD4_SIGN | AD4_UP, "has its bits");
	is_int(ad4_setup(pair[0], soon(), 4, 0), AD4_OK, "set up: any checksum will do");
	end();
	is_int(ad4_ping(-1, soon()), AD4_LOST, "no port");
}

static void troubles(void)
{
	static const char *const reply[] = {"\x0a", "\x0a\x00", "\x34", "\x0a\x00\x00\x00",
	    "\xff\x0a\x00\x00\x00", "\x0a\x00\x00\x00", "\x34", "\x0a\x00\x00\x00",
	    "\x0a\x00\x00\x00", "\x0a\x00\x00\x00", "\x0c\x00\x00\x00", NULL};
	static const size_t n[] = {1, 2, 1, 4, 5, 4, 1, 4, 4, 4, 4};
	int32_t count = 0;

	begin(reply, n);
	is_int(ad4_position(pair[0], tim_mono() + 50 * TIM_MS, &count), AD4_SILENT,
	    "a quarter of a reply is none");
	is_int(ad4_read(pair[0], soon(), AD4_EXACT, &count), AD4_OK,
	    "half a reply, then one with a byte too many: it comes to terms");
	is_int(count, 10, "and gives what two replies agree on");
	is_int(peer.asked, 9, "having pinged between");
	is_int(ad4_read(pair[0], soon(), 2, &count), AD4_OK, "a shaft that turns");
	is_int(count, 12, "the last one counts");
	end();
	is_int(ad4_read(pair[0], soon(), 2, &count), AD4_LOST, "a port that is gone");
}

static void silence(void)
{
	static const char *const reply[] = {"", "", "", "", "", "", "", "", NULL};
	static const size_t n[8] = {0};
	int32_t count = 0;

	begin(reply, n);
	is_int(ad4_read(pair[0], tim_mono() + 100 * TIM_MS, 2, &count), AD4_SILENT,
	    "silence is told, not waited for");
	end();
}

int main(void)
{
	bytes();
	questions();
	troubles();
	silence();
	return done_testing();
}
