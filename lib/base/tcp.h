/*
 * tcp.h - stream sockets, TCP and Unix: connecting, listening, calling in
 *
 * The one place that connects. A name may stand for several addresses: they are tried one after
 * another, each with its share of the time that is left. Descriptors do not block, and TCP sends
 * at once (TCP_NODELAY). Whoever has nothing else to wait for calls tcp_connect(); a poll loop:
 *
 *	struct tcp t;
 *	tcp_find(&t, &spec, why);			once
 *	got = tcp_begin(&t, until, why);		each time
 *	while (got == 0)				wait for POLLOUT on t.fd, until t.due
 *		got = tcp_go_on(&t, revents, why);
 *	got > 0: t.fd is connected, and tcp_take(&t) makes it the caller's
 *
 * A connection that is made again whenever it is lost: dial.h.
 */
#ifndef FYKE_TCP_H
#define FYKE_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

#define TCP_ADDRESSES 8

/* An attempt to connect. */
struct tcp {
	int n, at; /* addresses, and which is tried */
	struct net_addr to[TCP_ADDRESSES];
	int fd;        /* -1: none */
	int64_t due;   /* tim_mono(): go on then, whatever the descriptor says */
	int64_t until; /* the end of all */
	int error;     /* of the address before */
};

/* The addresses of a NET_TCP or NET_UNIX spec. Looking up a name may take a while. 0, or -1 with
 * errno and why. */
int tcp_find(struct tcp *t, const struct net_spec *to, char why[NET_WHY]);

/* Begins, with the first address, to be connected until tim_mono() == until. 1: connected; 0: under
 * way; -1 with errno and why: none of the addresses answers. */
int tcp_begin(struct tcp *t, int64_t until, char why[NET_WHY]);

/* After a poll for POLLOUT. Returns as tcp_begin(). */
int tcp_go_on(struct tcp *t, short revents, char why[NET_WHY]);

/* The connected descriptor, which is the caller's from now on. */
int tcp_take(struct tcp *t);

/* Gives the attempt up. */
void tcp_stop(struct tcp *t);

/* All of it, waiting until tim_mono() == until. stopping is asked after a signal; NULL: every
 * signal ends the wait (EINTR). A descriptor, or -1 with errno and why, which names the address. */
int tcp_connect(
    const struct net_spec *to, int64_t until, bool (*stopping)(void), char why[NET_WHY]);

/* Listens at a TCP address; port 0 becomes the one that was given. -1 with errno and why. */
int tcp_listen(struct net_addr *at, char why[NET_WHY]);

/* The next caller; -1 with errno. */
int tcp_accept(int fd);

#endif
