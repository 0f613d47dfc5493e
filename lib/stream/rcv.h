/*
 * rcv.h - datagrams from UDP sockets into pcapng blocks, in place
 *
 * recvmmsg puts each payload where it stays: in a chunk of the ring, CAP_HEAD and the IP and UDP
 * headers after the start of its block. A fixed stride is chosen by the sizes seen last; blocks
 * are moved together only where a datagram was shorter. A longer one runs over into a second
 * buffer, so that none is ever truncated; then, and where the stream goes on in another file, the
 * rest of the batch goes through a copy.
 *
 * Accounting, in the tally of the caller: in = received + dropped by the kernel.
 */
#ifndef FYKE_RCV_H
#define FYKE_RCV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "base/tally.h"
#include "base/tim.h"
#include "stream/ring.h"

#define RCV_SOCKETS 160
#define RCV_WHY     256

/* The losses in the tally, in this order. */
enum rcv_lost { RCV_KERNEL_DROP, RCV_RING_FULL, RCV_TRUNCATED, RCV_NOT_ALLOWED, RCV_NOT_WRITTEN };

struct rcv_options {
	const char *program;          /* for the section header */
	int64_t rotate;               /* ns of a file, 0: one file */
	uint64_t limit;               /* datagrams to keep, 0: no limit */
	const struct net_cidr *allow; /* nallow networks; 0: everybody */
	size_t nallow;
	struct tally *tally;
};

struct rcv;

/* Receives from all of s, which stay the caller's. The first file begins now. NULL with errno. */
struct rcv *rcv_new(struct ring *ring, const struct net_sockets *s, const struct rcv_options *o);

/* What a round over the sockets met. */
struct rcv_round {
	unsigned got; /* datagrams */
	bool empty;   /* every socket was found empty */
	bool full;    /* the ring is full: nothing was read; rcv_wait_room() */
	bool limit;   /* the limit has been reached */
	int error;    /* errno of a socket or of the writer, 0: none */
};

/* Reads every socket until it is empty, or for 64 batches. Never waits; or, where there is one
 * socket and wait is set, for the first datagram, a signal, or RCV_WAIT. */
#define RCV_WAIT (10 * TIM_MS)
struct rcv_round rcv_drain(struct rcv *r, bool wait);

/* Waits for room in the ring, at most timeout_ns. False with errno EAGAIN or the writer's. */
bool rcv_wait_room(struct rcv *r, int64_t timeout_ns);

/* Lets the writer have what was received so far. */
void rcv_show(struct rcv *r);
bool rcv_pending(const struct rcv *r); /* something was not shown yet */

/* Every socket was found empty after the moment now (UTC), mono: ends a file whose time is over.
 * 0, or -1 with errno of the writer. */
int rcv_drained(struct rcv *r, int64_t now, int64_t mono);

/* A heartbeat, when nothing later was received: no block with an earlier time follows. */
int rcv_beat(struct rcv *r, int64_t time);

/* The end: last counts of drops, end mark; waits for room for at most timeout_ns. 0, or -1 with
 * EAGAIN or errno of the writer. */
int rcv_finish(struct rcv *r, int64_t timeout_ns);

size_t rcv_size(const struct rcv *r);     /* bytes to expect of the next datagrams */
size_t rcv_longest(const struct rcv *r);  /* payload of the longest one that came, bytes */
uint64_t rcv_placed(const struct rcv *r); /* datagrams given to the ring */
void rcv_free(struct rcv *r);

#endif
