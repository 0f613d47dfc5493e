/*
 * cast.h - a capture stream out to a bus: sections, records and heartbeats as messages
 *
 * The caller reads the stream and calls in its order; the engine behind is chosen by the address.
 * What blocks (a subscriber that nodrop=1 waits for, a broker that is away) calls back, so that the
 * program can look at signals and give up.
 */
#ifndef FYKE_CAST_H
#define FYKE_CAST_H

#include "bus.h"
#include "stream/cap.h"

#define CAST_ADDRESS 640

struct cast;

struct cast_options {
	const struct bus_url *url;
	const struct bus_secrets *keys; /* NULL: none */
	int64_t
	    between;  /* ns that the end of a section waits for those who are behind, when another
	                  * section follows; at the end of all it is linger= of the address */
	size_t ssdaq; /* size of SSDAQ's messages, 0: our own */
	const char *program;      /* for section headers */
	bool (*go_on)(void *ctx); /* called while it waits; false ends the wait with EINTR */
	void *ctx;
};

/* What happened to a record. */
enum cast_sent {
	CAST_SENT,
	CAST_OLD,  /* not sent to anybody whose queue was full: it had waited for dropold */
	CAST_NO,   /* not an event, or not one that fits the form */
	CAST_ERROR /* errno; EINTR: go_on() said no */
};

/* address: where subscribers find it. NULL with errno and why. */
struct cast *cast_open(const struct cast_options *o, char address[CAST_ADDRESS], char why[BUS_WHY]);

/* A section begins. 0, or -1 with errno and cast_why(): EINVAL what it holds cannot be sent so. */
int cast_section(struct cast *p, int link, const char *name, const char *text);

/* A record; block is it as it stands in the stream, or NULL. */
enum cast_sent cast_record(
    struct cast *p, const struct cap_record *r, const uint8_t *block, size_t n);

/* So many records of the section are not sent: subscribers see that they are missing. */
void cast_skip(struct cast *p, uint64_t records);

/* A heartbeat, and the end mark that closes the section (NULL: it is missing). 0, or -1. */
int cast_beat(struct cast *p, int64_t time);
int cast_end(struct cast *p, const uint8_t *block, size_t n);

/* Waits until fd is readable, or the engine has something to do, or for timeout_ns; does it. 0, or
 * -1 with errno. */
int cast_wait(struct cast *p, int fd, int64_t timeout_ns);

/* Looks after newcomers and acknowledgements; cheap, to be called often. */
int cast_turn(struct cast *p);

/* How many subscribers there are (ZeroMQ). */
unsigned cast_subscribers(const struct cast *p);

/* Records whose arrival at the bus is sure: all of them for ZeroMQ, acknowledged for NATS. */
uint64_t cast_waiting(const struct cast *p); /* records not yet acknowledged */
uint64_t cast_known(const struct cast *p);   /* records that the broker had already */
const char *cast_why(const struct cast *p);

/* Waits until all is out (linger, acknowledgements), and closes. 0, or -1 with errno. */
int cast_finish(struct cast *p);
void cast_free(struct cast *p);

#endif
