/* tcp.c - stream sockets, TCP and Unix */
#include "tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "tim.h"

#define BACKLOG 64

static void no_delay(int fd, int family)
{
	int on = 1;

	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- connecting ---- */

int tcp_find(struct tcp *t, const struct net_spec *to, char why[NET_WHY])
{
	*t = (struct tcp){.fd = -1};
	int n = net_resolve(to, false, t->to, TCP_ADDRESSES, why);
	t->n = n > 0 ? n : 0;
	return n > 0 ? 0 : -1;
}

void tcp_stop(struct tcp *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

int tcp_take(struct tcp *t)
{
	int fd = t->fd;

	t->fd = -1;
	return fd;
}

static const char *reason(int error)
{
	return error == ETIMEDOUT   ? "does not answer: is it on, and is this its address?"
	    : error == ECONNREFUSED ? "Connection refused: nothing listens there"
	    : error == ENOENT       ? "No such file or directory: nothing listens there"
				    : strerror(error);
}

/* The address that is tried next has failed. */
static void failed(struct tcp *t, int error)
{
	tcp_stop(t);
	t->error = error;
	t->at++;
}

/* Connects to the address whose turn it is, or to one after it. */
static int try_on(struct tcp *t, char why[NET_WHY])
{
	for (; t->at < t->n; failed(t, errno)) {
		const struct net_addr *a = &t->to[t->at];
		int family = a->ss.ss_family;
		t->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (t->fd < 0)
			continue;
		no_delay(t->fd, family);
		if (connect(t->fd, (const struct sockaddr *)&a->ss, a->len) == 0)
			return 1;
		if (errno == EINPROGRESS) {
			int64_t now = tim_mono();
			t->due = now + (t->until - now) / (t->n - t->at);
			return 0;
		}
	}
	snprintf(why, NET_WHY, "%s", reason(t->error));
	errno = t->error;
	return -1;
}

int tcp_begin(struct tcp *t, int64_t until, char why[NET_WHY])
{
	tcp_stop(t);
	t->at = 0;
	t->until = until;
	t->error = ETIMEDOUT;
	return try_on(t, why);
}

int tcp_go_on(struct tcp *t, short revents, char why[NET_WHY])
{
	int error = 0;
	socklen_t n = sizeof error;

	if (!revents && tim_mono() < t->due)
		return 0;
	if (!revents)
		error = ETIMEDOUT;
	else if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (!error)
		return 1;
	failed(t, error);
	return try_on(t, why);
}

/* Waits for an attempt to end. 1, or -1. */
static int wait_for(struct tcp *t, int64_t until, bool (*stopping)(void), char why[NET_WHY])
{
	int got = tcp_begin(t, until, why);

	while (got == 0) {
		int64_t now = tim_mono();
		int ready = io_wait_write(t->fd, t->due > now ? t->due - now : 0);
		if (ready >= 0) {
			got = tcp_go_on(t, ready ? POLLOUT : 0, why);
		} else if (errno != EINTR || !stopping || stopping()) {
			int error = errno;
			snprintf(why, NET_WHY, "%s", error == EINTR ? "stopped" : strerror(error));
			tcp_stop(t);
			errno = error;
			return -1;
		}
	}
	return got;
}

int tcp_connect(const struct net_spec *to, int64_t until, bool (*stopping)(void), char why[NET_WHY])
{
	struct tcp t;
	char text[NET_TEXT], what[NET_WHY];

	if (tcp_find(&t, to, why) < 0)
		return -1;
	if (wait_for(&t, until, stopping, what) > 0)
		return tcp_take(&t);
	int error = errno;
	const struct net_addr *last = &t.to[t.at < t.n ? t.at : t.n - 1];
	snprintf(why, NET_WHY, "%.120s: %.120s", net_text(last, text), what);
	errno = error;
	return -1;
}

/* ---- listening ---- */

int tcp_listen(struct net_addr *at, char why[NET_WHY])
{
	char text[NET_TEXT];
	int on = 1;
	int fd = socket(at->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&at->ss, at->len) == 0 &&
	    listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&at->ss, &at->len) == 0)
		return fd;
	int error = errno;
	net_text(at, text);
	if (error == EADDRINUSE)
		snprintf(why, NET_WHY,
		    "%.80s: another program listens there (ss -ltnp 'sport = :%u' names it)", text,
		    net_port(at));
	else
		snprintf(why, NET_WHY, "%.80s: cannot listen there: %s", text, strerror(error));
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

int tcp_accept(int fd)
{
	int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (got >= 0)
		no_delay(got, AF_INET);
	return got;
}
