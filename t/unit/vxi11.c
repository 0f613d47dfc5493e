/* vxi11.c - a VXI-11 client against a conversation typed from the specifications, byte for byte */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "dev/vxi11.h"
#include "tap.h"

/* A call that must come, and what is sent back. Words; X is the call's number, taken from it, P
 * anything (the caller's process id). Bytes of strings are written as words too. */
#define X   0xfeedface
#define P   0xfeedf00d
#define END 0xdeadbeef
struct step {
	uint32_t call[24], reply[24];
};

#define CALL(proc) X, 0, 2, 0x0607af, 1, proc, 0, 0, 0, 0
#define GOOD       X, 1, 0, 0, 0, 0
#define INST0      5, 0x696e7374, 0x30000000 /* "inst0" */
/* device_write(7, 3000 ms, 0, END, "*IDN?"): all of it taken */
#define ASKED                                                                                      \
	{                                                                                          \
		{0x80000044, CALL(11), 7, 3000, 0, 8, 5, 0x2a49444e, 0x3f000000, END},             \
		{                                                                                  \
			0x80000020, GOOD, 0, 5, END                                                \
		}                                                                                  \
	}
/* create_link(pid, false, 0, "inst0"): link 7, no abort port, 1024 bytes at most */
#define LINKED                                                                                     \
	{                                                                                          \
		{0x80000040, CALL(10), P, 0, 0, INST0, END},                                       \
		{                                                                                  \
			0x80000028, GOOD, 0, 7, 0, 1024, END                                       \
		}                                                                                  \
	}
#define READ_101 0x80000040, CALL(12), 7, 101, 3000, 0, 0, 0, END
#define BYE                                                                                        \
	{                                                                                          \
		{0x8000002c, CALL(23), 7, END},                                                    \
		{                                                                                  \
			0x8000001c, GOOD, 0, END                                                   \
		}                                                                                  \
	}

static size_t words(const uint32_t *w)
{
	size_t n = 0;

	while (n < 24 && w[n] != END)
		n++;
	return n;
}

/* Plays the instrument in a child: 0 when every call was as typed. */
static void play(int listener, const struct step *s, int n)
{
	int fd = accept(listener, NULL, NULL);
	uint32_t got[24], xid = 0;

	for (int k = 0; k < n; k++) {
		size_t nc = words(s[k].call), nr = words(s[k].reply);
		if (io_readall(fd, got, 4 * nc) != (ssize_t)(4 * nc))
			_exit(100 + k);
		xid = got[1];
		for (size_t i = 0; i < nc; i++)
			if (s[k].call[i] != X && s[k].call[i] != P && ntohl(got[i]) != s[k].call[i])
				_exit(1 + k);
		for (size_t i = 0; i < nr; i++)
			got[i] = s[k].reply[i] == X ? xid : htonl(s[k].reply[i]);
		(void)io_writeall(fd, got, 4 * nr);
	}
	_exit(read(fd, got, 1) == 0 ? 0 : 99); /* until the client goes */
}

static struct vxi11_at at;
static struct vxi11 v;

/* Starts an instrument, and connects to it. Its process. */
static pid_t begin(const struct step *s, int n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	char text[40], why[NET_WHY];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		exit(99);
	pid_t pid = fork();
	if (pid == 0)
		play(fd, s, n);
	close(fd);
	snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(a.sin_port));
	v = (struct vxi11)VXI11_INIT;
	if (vxi11_address(text, 111, &at, why) < 0)
		exit(99);
	return pid;
}

static void finish(pid_t pid, const char *words_)
{
	int status;

	vxi11_close(&v);
	waitpid(pid, &status, 0);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, words_);
}

#define PATIENCE (4 * TIM_S)

static int read_100(struct vxi11_data *d)
{
	return vxi11_read(&v, d, 100, PATIENCE, NULL, NULL);
}

static void test_good(void)
{
	static const struct step steps[] = {LINKED, ASKED,
	    /* "LEC", REQCNT; "ROY\n", END */
	    {{READ_101}, {0x80000028, GOOD, 0, 1, 3, 0x4c454300, END}},
	    {{0x80000040, CALL(12), 7, 98, 3000, 0, 0, 0, END},
		{0x80000028, GOOD, 0, 4, 4, 0x524f590a, END}},
	    /* the status byte: readstb(7, flags 0, lock_timeout 0, io_timeout 3000) */
	    {{0x80000038, CALL(13), 7, 0, 0, 3000, END}, {0x80000020, GOOD, 0, 0x54, END}},
	    {{0x80000038, CALL(15), 7, 0, 0, 3000, END}, {0x8000001c, GOOD, 0, END}}, BYE};
	struct vxi11_data d = {.data = NULL};
	uint8_t status = 0;
	pid_t pid = begin(steps, 7);

	is_int(vxi11_open(&v, &at, PATIENCE), 0, "a link");
	is_int(v.max_recv, 1024, "that takes 1024 bytes in a write");
	is_int(vxi11_write(&v, "*IDN?", 5, PATIENCE), 0, "a question");
	is_int(read_100(&d), 0, "an answer in two pieces");
	is_str((char *)d.data, "LECROY\n", "put together");
	is_int(vxi11_status(&v, &status, PATIENCE), 0, "the status byte");
	is_int(status, 0x54, "is 0x54");
	is_int(vxi11_clear(&v, PATIENCE), 0, "clear");
	free(d.data);
	finish(pid, "every call was as the specification has it");
}

static void test_fragments(void)
{
	struct vxi11_data d = {.data = NULL};
	static const struct step good[] = {LINKED,
	    {{READ_101},
		{0x80000024, 1234, 1, 0, 0, 0, 0, 0, 4, 0, /* of another call */
		    0x00000008, X, 1, 0x80000020, 0, 0, 0, 0, 0, 4, 4, 0x61626364, END}},
	    BYE};
	pid_t pid = begin(good, 3);
	is_int(vxi11_open(&v, &at, PATIENCE), 0, "a link");
	is_int(read_100(&d), 0, "a late reply to another call is passed over");
	is_str((char *)d.data, "abcd", "and a record in two fragments put together");
	free(d.data);
	finish(pid, "nothing else was sent");
}

/* What one reply to a read does: errno, and whether the connection goes on. */
static void one_reply(const uint32_t *reply, int error, int device, bool open, const char *text)
{
	struct step steps[2] = {LINKED, {{READ_101}, {0}}};
	struct vxi11_data d = {.data = NULL};

	memcpy(steps[1].reply, reply, sizeof steps[1].reply);
	pid_t pid = begin(steps, 2);
	int got = vxi11_open(&v, &at, PATIENCE);
	int rc = got == 0 ? read_100(&d) : 0, e = errno;
	ok(rc == -1 && e == error && v.error == device && vxi11_is_open(&v) == open && v.onc.why[0],
	    text);
	if (rc == 0 || e != error || v.error != device)
		printf("# rc %d, %s, device %d: %s\n", rc, strerror(e), v.error, v.onc.why);
	free(d.data);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	vxi11_close(&v);
}

static void test_bad(void)
{
	static const struct {
		uint32_t reply[24];
		int error, device;
		bool open;
		const char *text;
	} bad[] = {
	    {{0x80000024, GOOD, 15, 0, 0, END}, ETIMEDOUT, 15, true,
		"error 15: it had nothing to say"},
	    {{0x80000024, GOOD, 11, 0, 0, END}, EBUSY, 11, true, "error 11: locked by another"},
	    {{0x80000024, GOOD, 17, 0, 0, END}, EPROTO, 17, true, "error 17"},
	    {{0x80000024, GOOD, 0, 4, 4, END}, EPROTO, 0, false, "4 bytes promised, none there"},
	    {{0x80000024, GOOD, 0, 4, 0xffffffff, END}, EPROTO, 0, false, "4 GiB promised"},
	    {{0x80000008, X, 1, END}, EPROTO, 0, false, "a reply of 8 bytes"},
	    {{0xffffffff, END}, EPROTO, 0, false, "a record of 2 GiB"},
	    {{0x00000000, END}, EPROTO, 0, false, "an empty fragment that is not the last"},
	    {{0x80000000, END}, EPROTO, 0, false, "an empty record"},
	    {{0x80000018, X, 1, 0, 0, 0, 1, END}, EPROTO, 0, false, "PROG_UNAVAIL"},
	    {{0x80000020, X, 1, 0, 0, 0, 2, 2, 2, END}, EPROTO, 0, false, "PROG_MISMATCH"},
	    {{0x80000018, X, 1, 0, 0, 0, 5, END}, EPROTO, 0, false, "SYSTEM_ERR"},
	    {{0x80000018, X, 1, 1, 0, 2, 2, END}, EPROTO, 0, false,
		"the call denied: RPC_MISMATCH"},
	    {{0x80000014, X, 1, 1, 1, 5, END}, EPROTO, 0, false, "the call denied: AUTH_TOOWEAK"},
	    {{0x80000024, X, 0, 0, 0, 0, 0, 0, 4, 0, END}, EPROTO, 0, false, "a call, not a reply"},
	    {{0x80000018, X, 1, 0, 0, 0xffffff00, 0, END}, EPROTO, 0, false, "a verifier of 4 GiB"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		one_reply(bad[i].reply, bad[i].error, bad[i].device, bad[i].open, bad[i].text);
}

static void test_address(void)
{
	struct vxi11_at a;
	char why[NET_WHY];

	ok(vxi11_address("scope.lab", 111, &a, why) == 0 && !a.direct, "a host: by its portmapper");
	ok(!strcmp(a.spec.host, "scope.lab") && !strcmp(a.spec.port, "111"), "on port 111");
	ok(vxi11_address("tcp:192.0.2.7", 1111, &a, why) == 0 && !a.direct, "tcp: and an address");
	is_str(a.spec.port, "1111", "another port of the portmapper");
	ok(vxi11_address("192.0.2.7:1024", 111, &a, why) == 0 && a.direct, "a port: directly");
	ok(vxi11_address("[2001:db8::1]:1024", 111, &a, why) == 0 && a.direct, "IPv6 with a port");
	ok(vxi11_address("[2001:db8::1]", 111, &a, why) == 0 && !a.direct, "IPv6 without");
	ok(vxi11_address("2001:db8::1", 111, &a, why) == 0 && !a.direct, "IPv6 without brackets");
	is_str(a.spec.host, "2001:db8::1", "is the host");
	ok(vxi11_address("", 111, &a, why) < 0, "nothing");
	ok(vxi11_address(":1024", 111, &a, why) < 0, "no host");
	ok(vxi11_address("scope:0", 111, &a, why) < 0, "port 0");
	ok(vxi11_address("scope:x", 111, &a, why) < 0, "no port");
	ok(vxi11_address("unix:/x", 111, &a, why) < 0, "a unix socket");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_address();
	test_good();
	test_fragments();
	test_bad();
	return done_testing();
}
