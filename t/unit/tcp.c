/* tcp.c - connecting: the address that answers, each with its share of the time, and why not */
#include "base/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "tap.h"

static char why[NET_WHY], text[NET_TEXT + 8];

static struct net_spec spec_of(const char *host, unsigned port)
{
	struct net_spec s = {.kind = NET_TCP};

	snprintf(s.host, sizeof s.host, "%s", host);
	snprintf(s.port, sizeof s.port, "%u", port);
	return s;
}

/* A listener on a port of its own. */
static int listener(const char *host, struct net_addr *at)
{
	struct net_spec s = spec_of(host, 0);

	return net_resolve(&s, true, at, 1, why) == 1 ? tcp_listen(at, why) : -1;
}

static void test_waiting(void)
{
	struct net_addr at;
	int l = listener("127.0.0.1", &at);
	struct net_spec to = spec_of("127.0.0.1", net_port(&at));

	ok(l >= 0 && net_port(&at) != 0, "port 0 becomes a port");
	int fd = tcp_connect(&to, tim_mono() + TIM_S, NULL, why);
	ok(fd >= 0, "it connects");
	int got = io_wait(l, TIM_S) > 0 ? tcp_accept(l) : -1;
	ok(got >= 0, "and is let in");
	is_int(write(fd, "x", 1), 1, "it writes");
	is_int(tcp_listen(&at, why), -1, "a port that is taken");
	snprintf(text, sizeof text, "another program listens there (ss -ltnp 'sport = :%u'",
	    net_port(&at));
	ok(strstr(why, text) != NULL, "says who to ask");
	close(fd);
	close(got);
	close(l);
	is_int(tcp_connect(&to, tim_mono() + TIM_S, NULL, why), -1, "nobody listens any more");
	is_int(errno, ECONNREFUSED, "which is errno");
	snprintf(text, sizeof text, "127.0.0.1:%u: Connection refused: nothing listens there",
	    net_port(&at));
	is_str(why, text, "and the reason, with the address");
	to = (struct net_spec){.kind = NET_UNIX, .host = "/nonexistent/sock"};
	is_int(
	    tcp_connect(&to, tim_mono() + TIM_S, NULL, why), -1, "a Unix socket that is not there");
	is_str(why, "unix:/nonexistent/sock: No such file or directory: nothing listens there",
	    "with its path");
	to = spec_of("no.such.host.invalid", 1);
	is_int(tcp_connect(&to, tim_mono() + TIM_S, NULL, why), -1, "a name of nobody");
	ok(strncmp(why, "no.such.host.invalid: ", 22) == 0, "is named");
}

/* Two addresses, as a name may have them: the first one refuses, or says nothing. */
static void test_second_address(void)
{
	struct net_addr dead, good;
	int l = listener("127.0.0.1", &dead);
	struct tcp t = {.n = 2, .fd = -1};

	close(l);
	l = listener("127.0.0.1", &good);
	t.to[0] = dead;
	t.to[1] = good;
	int got = tcp_begin(&t, tim_mono() + TIM_S, why);
	for (; got == 0; got = tcp_go_on(&t, POLLOUT, why))
		(void)io_wait_write(t.fd, TIM_S);
	is_int(got, 1, "the first address refuses: the second one is taken");
	close(tcp_take(&t));
	is_int(t.fd, -1, "the descriptor has changed hands");
	close(l);

	/* A queue of callers that is full answers no more: as if the host were off. */
	l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct net_addr full = {.len = sizeof a};
	ok(bind(l, (struct sockaddr *)&a, sizeof a) == 0 && listen(l, 0) == 0 &&
		getsockname(l, (struct sockaddr *)&full.ss, &full.len) == 0,
	    "a listener that is busy");
	int in_line[4];
	for (int i = 0; i < 4; i++) {
		in_line[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(in_line[i], (struct sockaddr *)&full.ss, full.len);
	}
	int64_t begin = tim_mono();
	t = (struct tcp){.n = 2, .fd = -1, .to = {full, dead}};
	got = tcp_begin(&t, begin + 200 * TIM_MS, why);
	is_int(got, 0, "an address that does not answer");
	is_int(tcp_go_on(&t, 0, why), 0, "is waited for");
	ok(t.due <= begin + 110 * TIM_MS, "for its share of the time");
	while (tim_mono() < t.due)
		(void)tim_sleep_until(t.due);
	for (got = tcp_go_on(&t, 0, why); got == 0; got = tcp_go_on(&t, POLLOUT, why))
		(void)io_wait_write(t.fd, TIM_S);
	is_int(got, -1, "then the other one has its turn, which refuses");
	is_int(errno, ECONNREFUSED, "that is the reason given");
	is_int(t.fd, -1, "and nothing stays open");
	t.n = 1;
	got = tcp_begin(&t, tim_mono() + 50 * TIM_MS, why);
	while (got == 0) {
		(void)tim_sleep_until(t.due);
		got = tcp_go_on(&t, 0, why);
	}
	is_int(errno, ETIMEDOUT, "no address answers in time");
	is_str(why, "does not answer: is it on, and is this its address?", "it says so");
	for (int i = 0; i < 4; i++)
		close(in_line[i]);
	close(l);
}

int main(void)
{
	test_waiting();
	test_second_address();
	return done_testing();
}
