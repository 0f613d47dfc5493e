/*
 * hear.h - a subscriber, whichever engine the address names
 *
 * Messages come in order, for as long as is asked, over broken connections; what they hold is for
 * sub.h (a stream again) or bus.h (bus_decode(), bus_follow()).
 */
#ifndef FYKE_HEAR_H
#define FYKE_HEAR_H

#include "bus.h"

#define HEAR_ADDRESS 640 /* a buffer for an address as text */

struct hear;

/* keys may be NULL; both must outlive it. plain: messages of another kind, whose publisher knows
 * nothing of fyke. address: where it listens ("" when it connects). NULL with errno and why. */
struct hear *hear_open(const struct bus_url *u, const struct bus_secrets *keys, bool plain,
    char address[HEAR_ADDRESS], char why[BUS_WHY]);

/* The next message, until the next call. 1, 0 (time is up), or -1 with errno and hear_why(): EINTR
 * a signal, EACCES we are refused, ETIMEDOUT the broker was away for longer than timeout=. */
int hear_next(struct hear *h, const uint8_t **message, size_t *n, int64_t timeout_ns);

/* The header of the stream that the last message belongs to. 1: here it is, until the next call
 * (NATS has it stored; *n is 0 where the broker does not have it). 0: not now. It comes as a
 * message, if the publisher is still there (ZeroMQ), or that last message comes again (NATS, whose
 * broker does not answer). */
int hear_header(struct hear *h, const uint8_t **header, size_t *n);

/* Everything handed out so far is safe downstream. 0, or -1 with errno. */
int hear_ack(struct hear *h);

enum hear_state {
	HEAR_NOBODY, /* nobody has answered yet */
	HEAR_THERE,
	HEAR_GONE /* the publisher or the broker is away; we come back by ourselves */
};
enum hear_state hear_state(const struct hear *h);

/* How long nobody has been there, ns; 0: somebody is, or never was (ZeroMQ; NATS keeps streams
 * whoever is there). What came before has been handed out once hear_next() gives 0. */
int64_t hear_gone(const struct hear *h);

/* What is wrong, "" for nothing. */
const char *hear_why(const struct hear *h);
void hear_free(struct hear *h);

#endif
