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

/* The losses in the tally, in this order. */
enum rcv_lost { RCV_KERNEL_DROP, RCV_RING_FULL, RCV_TRUNCATED, RCV_NOT_ALLOWED, RCV_NOT_WRITTEN };

struct rcv_options {
	const char *program;          /* for the section header */
	int64_t rotate;               /* ns of a file, 0: one file */
	uint64_t limit;               /* datagrams to keep, 0: no limit */
	const struct net_cidr *allow; /* nallow networks; 0: everybody */
	size_t nallow;
	struct tally *tally;
	bool (*stopping)(void); /* asked while the ring has no room: end now? */
	int64_t patience;       /* ns to wait for room when it is time to end */
};

struct rcv;

/* Receives from all of s, which stay the caller's. The first file begins now. NULL with errno. */
struct rcv *rcv_new(struct ring *ring, const struct net_sockets *s, const struct rcv_options *o);

/* What a round over the sockets met. */
struct rcv_round {
	unsigned got; /* datagrams */
	bool done;    /* all that came before now was read */
	bool full;    /* the ring is full; rcv_wait_room() */
	bool limit;   /* the limit has been reached */
	int error;    /* errno of a socket or of the writer, EAGAIN: it did not move; 0: none */
};

/* Reads what came before now (UTC), and perhaps a little more: at most 64 batches for each socket.
 * The one that is behind the others has its turn, so that datagrams of several stand in the order
 * of their stamps but for 20 ms, or for one datagram of each. Never waits; or, where there is one
 * socket and wait is set, for the first datagram, a signal, or RCV_WAIT. */
#define RCV_WAIT (10 * TIM_MS)
struct rcv_round rcv_drain(struct rcv *r, int64_t now, bool wait);

/* Waits for room in the ring, at most timeout_ns. False with errno EAGAIN or the writer's. */
bool rcv_wait_room(struct rcv *r, int64_t timeout_ns);

/* Lets the writer have what was received so far. */
void rcv_show(struct rcv *r);
bool rcv_pending(const struct rcv *r); /* something was not shown yet */

/* All that came before now (UTC), mono was read: ends a file whose time is over.
 * 0, or -1 with errno of the writer. */
int rcv_drained(struct rcv *r, int64_t now, int64_t mono);

/* A heartbeat, when nothing later was received: no block with an earlier time follows. */
int rcv_beat(struct rcv *r, int64_t time);

/* The end: what is in the sockets now (when drain is set), last counts of drops, end mark. 0, or -1
 * with EAGAIN (the output did not move) or errno of the writer. */
int rcv_finish(struct rcv *r, bool drain);

size_t rcv_size(const struct rcv *r);     /* bytes to expect of the next datagrams */
size_t rcv_longest(const struct rcv *r);  /* payload of the longest one that came, bytes */
uint64_t rcv_placed(const struct rcv *r); /* datagrams given to the ring */
void rcv_free(struct rcv *r);

#endif
