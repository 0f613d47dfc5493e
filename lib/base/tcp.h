/*
 * tcp.h - stream sockets with deadlines: one connection made now, one listener
 *
 * For a connection that is kept up by itself see dial.h.
 */
#ifndef FYKE_TCP_H
#define FYKE_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

/* Connects to the first address of `to` that answers, until tim_mono() == until. Non-blocking,
 * TCP_NODELAY. stopping is asked after a signal; NULL: every signal ends the wait (EINTR).
 * A descriptor, or -1 with errno and why. */
int tcp_connect(
    const struct net_spec *to, int64_t until, bool (*stopping)(void), char why[NET_WHY]);

/* Listens at an address; port 0 becomes the one that was given. Non-blocking. -1 with errno, why. */
int tcp_listen(struct net_addr *at, char why[NET_WHY]);

/* The next caller, non-blocking, TCP_NODELAY; -1 with errno. */
int tcp_accept(int fd);

#endif
