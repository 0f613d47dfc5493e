/*
 * pace.h - datagrams sent at their moments, many in one call, from chosen loopback addresses
 *
 * Deadlines are absolute (tim_mono), so that a late wake-up does not slow a stream down. What is
 * due within 100 us goes out in one sendmmsg(2); nothing spins. One socket serves every source:
 * the address is given with each message (IP_PKTINFO, ip(7)), so that the source port is the
 * same for all. IP_RECVERR makes a full queue and a closed port visible, which plain UDP hides.
 *
 *	while (more && pace_reach(p, due)) {
 *		memcpy(pace_room(p), payload, len);
 *		pace_put(p, len, due, source, port);
 *	}
 *	pace_finish(p);
 */
#ifndef FYKE_PACE_H
#define FYKE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define PACE_BATCH 128
#define PACE_ROOM  65535 /* the longest datagram; over IPv4 it has 65,507 bytes */
#define PACE_WHY   NET_WHY

struct pace;

/* Reads how many times as fast as it was (or would be) to send: "2", "0.5"; "max" is 0, which
 * stands for no deadlines at all. 0, or -1 with the reason in why. */
int pace_speed(const char *text, double *speed, char why[PACE_WHY]);

/* When a moment `after` ns from the beginning is due. */
static inline int64_t pace_due(int64_t began, int64_t after, double speed)
{
	return speed > 0 ? began + (int64_t)((double)after / speed) : 0;
}

/* What became of the n messages that were put first; pace_result() tells of each. */
typedef void pace_done(struct pace *p, unsigned n);

/* A socket for datagrams to HOST:PORT; to must live as long as it. done() hears of all messages, and
 * of n = 0 where it was too early for them. NULL with the reason in why, and errno: EINVAL when
 * that is no address of datagrams. */
struct pace *pace_new(const char *to, pace_done *done, char why[PACE_WHY]);
unsigned pace_port(const struct pace *p); /* where they go: 0 when each message says it */

/* Sends what waits until a message due then may join it. False when the program is to stop. */
bool pace_reach(struct pace *p, int64_t due);

/* PACE_ROOM bytes for the next message. */
uint8_t *pace_room(struct pace *p);

/* due is a moment of tim_mono(), 0 for at once. source is a loopback address in host order, or 0
 * for the kernel's choice; port replaces the destination's, 0 keeps that. */
void pace_put(struct pace *p, size_t len, int64_t due, uint32_t source, uint16_t port);

unsigned pace_waiting(const struct pace *p);

/* Sends what waits when it is due, after sleeping for at most 200 ms. */
void pace_send(struct pace *p);

/* Sends all that waits, unless the program is to stop; says how many met a closed port, which is
 * the return value. */
uint64_t pace_finish(struct pace *p);

/* 0, or the errno with which message i of the last pace_send() was not sent. */
int pace_result(const struct pace *p, unsigned i);

/* UTC at which the last pace_send() began to send. */
int64_t pace_sent_at(const struct pace *p);

/* The furthest that sending was behind its deadlines, ns. */
int64_t pace_behind(const struct pace *p);

/* Whether an IPv4 address of a packet can be sent from: it is in 127.0.0.0/8, and so is to. */
bool pace_can_be(const struct pace *p, uint32_t source);

void pace_free(struct pace *p);

#endif
