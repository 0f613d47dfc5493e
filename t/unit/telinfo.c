/* telinfo.c - the telescope's record by RPC, against a conversation typed from RFC 5531 */
#include "sky/telinfo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "tap.h"

#define X 0xfeedface /* the call's number */

/* xid, CALL, RPC 2, the program, version 1, procedure 1, no credentials, no verifier */
static const uint32_t call[] = {X, 0, 2, 0x20435330, 1, 1, 0, 0, 0, 0};
/* xid, REPLY, accepted, no verifier, success */
static const uint32_t good[] = {X, 1, 0, 0, 0, 0};

static struct telinfo_at at;
static struct telinfo t = TELINFO_INIT;
static uint8_t record[RPC_SIZE], sent[RPC_SIZE + 64];

static int listener(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	char text[64], why[NET_WHY];
	int fd = socket(AF_INET, type, 0);

	if (bind(fd, (struct sockaddr *)&a, len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1) < 0) ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		exit(99);
	snprintf(text, sizeof text, "127.0.0.1:%u%s", ntohs(a.sin_port),
	    type == SOCK_DGRAM ? ",udp" : "");
	if (telinfo_address(text, &at, why) < 0)
		exit(99);
	t.at = &at;
	return fd;
}

/* The call's words, from `in` on: 0 as typed, else which is not. */
static int compare(const uint32_t *in, uint32_t *xid)
{
	*xid = in[0];
	for (int i = 1; i < 10; i++)
		if (ntohl(in[i]) != call[i])
			return i;
	return 0;
}

/* Puts a reply's words and n bytes of a record into b. Its length. */
static size_t reply(uint32_t *b, const uint32_t *head, uint32_t xid, size_t n)
{
	for (int i = 0; i < 6; i++)
		b[i] = head[i] == X ? xid : htonl(head[i]);
	memcpy(b + 6, sent, n);
	return 24 + n;
}

/* Plays the telescope on TCP in a child: `n` bytes of a record in fragments of 400, and then, when
 * again is set, an answer to the second call after one to another. */
static pid_t play_tcp(const uint32_t *head, size_t n, bool again)
{
	int fd = listener(SOCK_STREAM);
	uint32_t in[16], out[400], mark, xid;

	pid_t pid = fork();
	if (pid > 0)
		close(fd);
	if (pid != 0)
		return pid;
	int c = accept(fd, NULL, NULL);
	if (io_readall(c, in, 44) != 44 || ntohl(in[0]) != 0x80000028 || compare(in + 1, &xid))
		_exit(1);
	size_t length = reply(out, head, xid, n);
	for (size_t k = 0; k < length; k += 400) {
		size_t piece = length - k < 400 ? length - k : 400;
		mark = htonl((uint32_t)piece | (k + piece == length ? 0x80000000u : 0));
		(void)io_writeall(c, &mark, 4);
		(void)io_writeall(c, (char *)out + k, piece);
	}
	if (again) {
		if (io_readall(c, in, 44) != 44 || compare(in + 1, &xid))
			_exit(2);
		for (int k = 0; k < 2; k++) {
			length = reply(out, good, k ? xid : xid ^ 1, RPC_SIZE);
			mark = htonl((uint32_t)length | 0x80000000u);
			(void)io_writeall(c, &mark, 4);
			(void)io_writeall(c, out, length);
		}
	}
	_exit(read(c, in, 1) == 0 ? 0 : 3);
}

static void ended(pid_t pid, const char *words)
{
	int status;

	telinfo_close(&t);
	waitpid(pid, &status, 0);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, words);
}

static void test_tcp(void)
{
	static const uint32_t denied[] = {X, 1, 1, 0, 2, 2}, gone[] = {X, 1, 0, 0, 0, 1};
	pid_t pid = play_tcp(good, RPC_SIZE, true);

	is_int(telinfo_ask(&t, record, 4 * TIM_S), 0, "a record, in three fragments");
	ok(memcmp(record, sent, RPC_SIZE) == 0, "byte for byte");
	memset(record, 0, sizeof record);
	is_int(telinfo_ask(&t, record, 4 * TIM_S), 0, "another one, after a reply to another call");
	ok(memcmp(record, sent, RPC_SIZE) == 0, "on the same connection");
	ended(pid, "the calls were as RFC 5531 has them");

	for (size_t n = RPC_SIZE - 4; n <= RPC_SIZE + 4; n += 8) {
		pid = play_tcp(good, n, false);
		ok(telinfo_ask(&t, record, 4 * TIM_S) < 0 && errno == EPROTO && t.fd < 0,
		    "a record of 764 or 772 bytes is refused");
		ended(pid, "and the connection closed");
	}
	pid = play_tcp(denied, 0, false);
	ok(telinfo_ask(&t, record, 4 * TIM_S) < 0 && errno == EPROTO, "a call that is denied");
	ended(pid, "ends");
	pid = play_tcp(gone, 0, false);
	ok(telinfo_ask(&t, record, 4 * TIM_S) < 0 && strstr(t.onc.why, "no program of this number"),
	    "a program that is not there is named");
	ended(pid, "ends");
	close(listener(SOCK_STREAM));
	ok(telinfo_ask(&t, record, 4 * TIM_S) < 0 && errno == ECONNREFUSED, "nobody listens");
	int fd = listener(SOCK_STREAM);
	int64_t before = tim_mono();
	ok(telinfo_ask(&t, record, 200 * TIM_MS) < 0 && errno == ETIMEDOUT, "nobody answers");
	ok(tim_mono() - before < 2 * TIM_S, "and that is known in time");
	close(fd);
}

static void test_udp(void)
{
	int fd = listener(SOCK_DGRAM), status;
	uint32_t in[256], out[400], xid;
	struct sockaddr_in from;
	socklen_t len = sizeof from;

	pid_t pid = fork();
	if (pid == 0) {
		/* The first datagram is lost; the second one is answered, noise first. */
		if (recv(fd, in, sizeof in, 0) != 40 ||
		    recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&from, &len) != 40)
			_exit(1);
		int bad = compare(in, &xid);
		size_t n = reply(out, good, xid ^ 1, RPC_SIZE);
		(void)sendto(fd, out, n, 0, (struct sockaddr *)&from, len);
		n = reply(out, good, xid, RPC_SIZE);
		(void)sendto(fd, out, n, 0, (struct sockaddr *)&from, len);
		_exit(bad);
	}
	close(fd);
	memset(record, 0, sizeof record);
	is_int(telinfo_ask(&t, record, 4 * TIM_S), 0, "by UDP, though a datagram is lost");
	ok(memcmp(record, sent, RPC_SIZE) == 0, "byte for byte");
	waitpid(pid, &status, 0);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, "the call was as it should be");
	telinfo_close(&t);
}

static void test_addresses(void)
{
	static const char *const bad[] = {"", ":1", "host:0", "host:x", "host,tdp",
	    "host,program=", "host,program=x", "host,portmapper=0", "host,portmapper=65536",
	    "host,program=4294967296", "host,,", "host,versions=1"};
	struct telinfo_at a;
	char why[NET_WHY];

	ok(telinfo_address("tel.cso", &a, why) == 0 && !a.direct && !a.udp &&
		!strcmp(a.spec.port, "111") && a.program == 0x20435330 && a.version == 1 &&
		a.procedure == 1,
	    "a host alone");
	ok(telinfo_address(
	       "192.0.2.7:4000,udp,program=0x20000001,version=2,procedure=3", &a, why) == 0 &&
		a.direct && a.udp && a.program == 0x20000001 && a.version == 2 && a.procedure == 3,
	    "with everything");
	ok(telinfo_address("[2001:db8::1],portmapper=1111", &a, why) == 0 && !a.direct &&
		!strcmp(a.spec.port, "1111") && !strcmp(a.spec.host, "2001:db8::1"),
	    "IPv6, another portmapper");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(telinfo_address(bad[i], &a, why) < 0 && why[0], bad[i]);
}

int main(void)
{
	for (size_t i = 0; i < sizeof sent; i++)
		sent[i] = (uint8_t)(i * 7);
	test_addresses();
	test_tcp();
	test_udp();
	return done_testing();
}
