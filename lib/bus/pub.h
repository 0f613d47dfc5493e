/*
 * pub.h - a capture stream out to a bus: sections, records and heartbeats as messages
 *
 * The caller reads the stream and calls in its order; the engine behind is chosen by the address.
 * What blocks (a subscriber that nodrop=1 waits for, a broker that is away) calls back, so that the
 * program can look at signals and give up.
 */
#ifndef FYKE_PUB_H
#define FYKE_PUB_H

#include "bus.h"
#include "stream/cap.h"

#define PUB_ADDRESS 640

struct pub;

struct pub_options {
	const struct bus_url *url;
	const struct bus_secrets *keys; /* NULL: none */
	size_t ssdaq;                   /* size of SSDAQ's messages, 0: our own */
	const char *program;            /* for section headers */
	bool (*go_on)(void);            /* called while it waits; false ends the wait with EINTR */
	void (*note)(const char *text); /* something a person should know */
};

/* What happened to a record. */
enum pub_sent {
	PUB_SENT,
	PUB_OLD,  /* not sent to anybody whose queue was full: it had waited for dropold */
	PUB_NO,   /* not an event, or not one that fits the form */
	PUB_ERROR /* errno; EINTR: go_on() said no */
};

/* address: where subscribers find it. NULL with errno and why. */
struct pub *pub_open(const struct pub_options *o, char address[PUB_ADDRESS], char why[BUS_WHY]);

/* A section begins. 0, or -1 with errno and pub_why(): EINVAL what it holds cannot be sent so. */
int pub_section(struct pub *p, int link, const char *name, const char *text);

/* A record; block is it as it stands in the stream, or NULL. */
enum pub_sent pub_record(struct pub *p, const struct cap_record *r, const uint8_t *block, size_t n);

/* A heartbeat, and the end mark that closes the section (NULL: it is missing). 0, or -1. */
int pub_beat(struct pub *p, int64_t time);
int pub_end(struct pub *p, const uint8_t *block, size_t n);

/* Waits until fd is readable, or the engine has something to do, or for timeout_ns; does it. 0, or
 * -1 with errno. */
int pub_wait(struct pub *p, int fd, int64_t timeout_ns);

/* Looks after newcomers and acknowledgements; cheap, to be called often. */
int pub_turn(struct pub *p);

/* How many subscribers there are (ZeroMQ). */
unsigned pub_subscribers(const struct pub *p);

/* Records whose arrival at the bus is sure: all of them for ZeroMQ, acknowledged for NATS. */
uint64_t pub_waiting(const struct pub *p); /* records not yet acknowledged */
uint64_t pub_known(const struct pub *p);   /* records that the broker had already */
const char *pub_why(const struct pub *p);

/* Waits until all is out (linger, acknowledgements), and closes. 0, or -1 with errno. */
int pub_finish(struct pub *p);
void pub_free(struct pub *p);

#endif
