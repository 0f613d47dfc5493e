/*
 * zmq.h - ZeroMQ: a publisher that never waits unless it is told to, a subscriber that comes back
 *
 * zpub_ is an XPUB socket: it hears who subscribes, so that newcomers get the card. zsub_ is a SUB
 * socket that connects again for ever. With keys (CURVE) both sides are sure of each other.
 */
#ifndef FYKE_BUS_ZMQ_H
#define FYKE_BUS_ZMQ_H

#include "bus.h"

#define ZMQ_ADDRESS 640 /* a buffer for an address as text */

/* ---- publisher ---- */

struct zpub;

/* keys may be NULL. plain: messages of another kind, whose receivers know nothing of fyke. address
 * is what subscribers connect to. NULL with errno and why. */
struct zpub *zpub_open(const struct bus_url *u, const struct bus_secrets *keys, bool plain,
    char address[ZMQ_ADDRESS], char why[BUS_WHY]);

/* Sends head and block as one message. With wait false it is lost for subscribers whose queue is
 * full; else it waits for them: -1 with EAGAIN after timeout_ms, EINTR after a signal; then it was
 * sent to nobody. Nobody waits for those whose queue was full before: ZeroMQ leaves them aside
 * until they have read half of it, and does not say when that is (zpub_owes()). */
int zpub_send(struct zpub *z, const void *head, size_t nhead, const void *block, size_t n,
    bool wait, int timeout_ms);

/* New subscriptions since the last call; *here: how many there are. Cheap. */
unsigned zpub_joined(struct zpub *z, unsigned *here);

/* The end mark of this stream was sent: who subscribes to it has it. */
void zpub_ended(struct zpub *z, uint64_t stream);

/* Whether somebody was left aside, and not everybody has the end mark yet. */
bool zpub_owes(const struct zpub *z);

/* Waits for input at fd (-1: none) or for subscribers to come or go; at most timeout_ns. */
int zpub_wait(struct zpub *z, int fd, int64_t timeout_ns);

/* Waits for at most linger_ns until all is sent, and closes. */
void zpub_close(struct zpub *z, int64_t linger_ns);

/* ---- subscriber ---- */

struct zsub;

struct zsub *zsub_open(const struct bus_url *u, const struct bus_secrets *keys, bool plain,
    char address[ZMQ_ADDRESS], char why[BUS_WHY]);

/* The next message, in *message until the next call. 1, 0 (time is up), or -1 with errno: EINTR a
 * signal, EACCES the publisher refuses us, or is not the one whose key we have. A message in
 * several parts, which is nobody's of ours, comes with length 0. */
int zsub_next(struct zsub *z, const uint8_t **message, size_t *n, int64_t timeout_ns);

/* Asks for the header once more. */
void zsub_ask(struct zsub *z);

unsigned zsub_connects(const struct zsub *z); /* times that a publisher was found */
bool zsub_connected(const struct zsub *z);

/* Since when nobody is there any more, tim_mono(); 0: somebody is, or never was. */
int64_t zsub_gone_at(const struct zsub *z);
void zsub_close(struct zsub *z);

#endif
