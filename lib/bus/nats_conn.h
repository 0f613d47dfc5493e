/*
 * nats_conn.h - a connection to NATS, made again by ourselves, and the JetStream context on it
 *
 * libnats would reconnect by itself and send again what it had; then messages that the dead server
 * had taken, and did not store, would be holes. So a connection that broke is closed, and the owner
 * begins anew from what the broker says it has.
 */
#ifndef FYKE_NATS_CONN_H
#define FYKE_NATS_CONN_H

#include <nats/nats.h>
#include <pthread.h>

#include "base/back.h"
#include "bus.h"

struct nats_conn {
	const struct bus_url *u;
	const struct bus_secrets *keys;
	natsConnection *nc;
	jsCtx *js;
	natsSubscription *sub; /* the owner's, made by it and freed here, after the connection */
	int event;             /* readable when a callback has something to tell */
	pthread_mutex_t lock;
	pthread_cond_t quiet;
	bool down;      /* by callbacks, under lock: the connection is gone */
	bool closed;    /* ... and was its last callback */
	bool forbidden; /* ... the broker does not permit something */
	struct back back;
	int64_t away; /* tim_mono() since when nothing works, 0: it does */
	char why[BUS_WHY];
};

int conn_init(struct nats_conn *c, const struct bus_url *u, const struct bus_secrets *keys);

/* Connects when it is due. 1 connected anew, 0 as before, or -1 with errno for good: EACCES, or
 * ETIMEDOUT after u->timeout. Looks at c->nc for whether there is a connection. */
int conn_turn(struct nats_conn *c);

/* Closes, for another attempt later; what: in words, NULL: keep c->why. */
void conn_lost(struct nats_conn *c, const char *what);

/* It works again. */
void conn_fine(struct nats_conn *c);

/* For callbacks: wakes the owner. */
void conn_wake(struct nats_conn *c);

/* Waits for fd (-1: none), a signal, or conn_wake(). 1, 0, or -1 with EINTR. */
int conn_wait(struct nats_conn *c, int fd, int64_t timeout_ns);

/* c->why from a status, in the words of "cannot WHAT: ...". */
void conn_say(struct nats_conn *c, const char *what, natsStatus s);

/* Waits for the threads of libnats, which is then unloaded: the owner has destroyed its messages. */
void conn_free(struct nats_conn *c);

#endif
