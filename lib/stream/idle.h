/*
 * idle.h - how a receiver waits: in poll when little comes, asleep when much comes
 *
 * At detector rates the wake-up for each datagram is what costs, so a receiver that has emptied
 * its sockets may sleep for a moment and let datagrams gather in the kernel's buffer. It does so
 * only when the rate is high enough to gain, and when what comes meanwhile fits a 16th of the
 * buffer, and three quarters of it should a burst begin with all that a link of 10 Gb/s carries;
 * else it waits in poll. A signal ends either wait.
 */
#ifndef FYKE_IDLE_H
#define FYKE_IDLE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

struct idle {
	struct pollfd poll[NET_SOCKETS + 2]; /* then io_wakefd and the timer */
	int n;
	int64_t granted; /* bytes of buffer of each socket, as the kernel counts */
	int64_t nap;     /* longest sleep in ns; 0: never */
	double rate;     /* datagrams per second, averaged over 5 ms */
	int timer;
	int64_t armed; /* when the timer is due */
	int64_t last;  /* tim_mono() of the last idle_note() */
};

/* 0, or -1 with errno. */
int idle_begin(struct idle *p, const struct net_sockets *s, int64_t nap);
void idle_end(struct idle *p);

/* got datagrams have come since the last call; mono is now. */
void idle_note(struct idle *p, unsigned got, int64_t mono);

/* How many datagrams of size bytes a socket's buffer holds. */
int64_t idle_holds(const struct idle *p, size_t size);

/* The sleep that is due for datagrams of this size, 0: wait in poll. */
int64_t idle_nap(const struct idle *p, size_t size);

/* Whether the next read may do the waiting: of one socket, and the next datagram is due. A poll
 * before each read costs a twentieth of all CPU (t/bench/RESULTS, --nap=0). */
bool idle_in_read(const struct idle *p, size_t size);

/* Sleeps, or waits for a datagram, at most until the moment. */
void idle_wait(struct idle *p, size_t size, int64_t until_mono);

#endif
