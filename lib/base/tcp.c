/* tcp.c - stream sockets with deadlines */
#include "tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "tim.h"

#define ADDRESSES 8
#define BACKLOG   16

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Waits for the end of connect(). 0, or -1 with errno. */
static int wait_connected(int fd, int64_t until, bool (*stopping)(void))
{
	for (;;) {
		int error = 0;
		socklen_t n = sizeof error;
		int64_t now = tim_mono();
		int got = io_wait_write(fd, until > now ? until - now : 0);

		if (got < 0 && errno == EINTR && stopping && !stopping())
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			error = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
			error = errno;
		errno = error;
		return error ? -1 : 0;
	}
}

static int connect_to(const struct net_addr *a, int64_t until, bool (*stopping)(void))
{
	int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&a->ss, a->len) == 0 ||
	    (errno == EINPROGRESS && wait_connected(fd, until, stopping) == 0)) {
		no_delay(fd);
		return fd;
	}
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int tcp_connect(const struct net_spec *to, int64_t until, bool (*stopping)(void), char why[NET_WHY])
{
	struct net_addr a[ADDRESSES];
	int n = net_resolve(to, false, a, ADDRESSES, why);

	if (n <= 0)
		return -1;
	for (int i = 0; i < n; i++) {
		int fd = connect_to(&a[i], until, stopping);
		if (fd >= 0 || errno == EINTR) /* a signal: no more attempts */
			return fd;
	}
	int error = errno;
	char text[NET_TEXT];
	snprintf(why, NET_WHY, "%.120s: %s", net_text(&a[n - 1], text),
	    error == ETIMEDOUT          ? "does not answer: is it on, and is this its address?"
		: error == ECONNREFUSED ? "nothing listens on this port"
					: strerror(error));
	errno = error;
	return -1;
}

int tcp_listen(struct net_addr *at, char why[NET_WHY])
{
	char text[NET_TEXT];
	int on = 1;
	int fd = socket(at->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at->ss, at->len) == 0 &&
	    listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&at->ss, &at->len) == 0)
		return fd;
	int error = errno;
	snprintf(why, NET_WHY, "%.120s: cannot listen: %s", net_text(at, text), strerror(error));
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

int tcp_accept(int fd)
{
	int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (got >= 0)
		no_delay(got);
	return got;
}
