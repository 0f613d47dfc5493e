/*
 * nats.h - NATS JetStream: a publisher that knows what is stored, a subscriber that takes up again
 *
 * A run is stored under a subject of its own, SUBJECT.RUN.ID, where ID comes from the run's first
 * record: the same run has the same ID whenever it is published, and the broker can be asked for
 * the last message of it. Each message names the one before it as expected, so the broker stores a
 * run in order and without holes, or refuses; then everything from the first missing one is sent
 * again. That also lets one acknowledgement speak for all messages before it.
 *
 * libnats runs threads of its own; they only take notes under a lock.
 */
#ifndef FYKE_BUS_NATS_H
#define FYKE_BUS_NATS_H

#include "bus.h"

/* ---- publisher ---- */

struct npub;

/* Nothing is connected yet. NULL with errno. */
struct npub *npub_new(const struct bus_url *u, const struct bus_secrets *keys);

/* Does what is due: connects, asks, sends, takes acknowledgements. 0, or -1 with errno: EACCES the
 * broker does not let us in, EMSGSIZE a message is longer than it takes, ETIMEDOUT it was away for
 * longer than timeout=, EINVAL it refuses for another lasting reason; npub_why(). Never waits
 * longer than a connection takes (2 s). */
int npub_turn(struct npub *p);

/* A message into the queue; the run's subject is made of run and stream. -1 with EAGAIN when the
 * queue is full: npub_turn() and wait. */
int npub_put(struct npub *p, const struct bus_head *head, const uint8_t *block, size_t n);

/* Waits for fd (-1: none), a signal, or something for npub_turn(), at most timeout_ns. */
int npub_wait(struct npub *p, int fd, int64_t timeout_ns);

size_t npub_waiting(const struct npub *p);   /* messages that are not acknowledged */
uint64_t npub_records(const struct npub *p); /* records among them */
uint64_t npub_known(const struct npub *p);   /* records that the broker had before we sent them */
bool npub_ready(const struct npub *p);       /* connected, and the stream is there */
const char *npub_why(const struct npub *p);  /* the last trouble, "" for none */
void npub_free(struct npub *p);

/* ---- subscriber ---- */

struct nsub;

struct nsub *nsub_new(const struct bus_url *u, const struct bus_secrets *keys);

/* The next message, until the next call. 1, 0 (time is up, or not connected), or -1 with errno as
 * npub_turn(), or EINTR. */
int nsub_next(struct nsub *s, const uint8_t **message, size_t *n, int64_t timeout_ns);

/* The first message of the run that the last one belongs to, until the next call: its header. 1 (*n
 * is 0 where the broker does not have it), or 0: the broker does not answer, and the last message
 * comes again. */
int nsub_header(struct nsub *s, const uint8_t **message, size_t *n);

/* Everything handed out so far is safe downstream. */
int nsub_ack(struct nsub *s);

bool nsub_ready(const struct nsub *s);
const char *nsub_why(const struct nsub *s);
void nsub_free(struct nsub *s);

#endif
