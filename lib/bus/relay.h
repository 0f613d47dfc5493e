/*
 * relay.h - a capture stream to a bus, for a program in whose hands the stream passes by
 *
 * The caller reads the stream and calls in its order. Where the bus may make the stream wait (it
 * was asked for, or there is nothing downstream), each call sends before it returns. Beside a data
 * path that must not wait, records are copied to a thread that publishes with what CPU is left;
 * what it cannot keep up with is not published, and subscribers see a gap in the numbers.
 *
 * An error of the bus is kept, and what comes after it is not published: the caller decides whether
 * the stream goes on.
 */
#ifndef FYKE_RELAY_H
#define FYKE_RELAY_H

#include "cast.h"

struct relay;

struct relay_options {
	struct cast_options cast;
	bool beside; /* the stream goes on downstream, and is not to wait for the bus */
};

struct relay *relay_open(
    const struct relay_options *o, char address[CAST_ADDRESS], char why[BUS_WHY]);

void relay_section(struct relay *r, int link, const char *name, const char *text);

/* block is the record as it stands in the stream, or NULL. */
void relay_record(struct relay *r, const struct cap_record *record, const uint8_t *block, size_t n);
void relay_beat(struct relay *r, int64_t time);

/* The end mark that closes the section; NULL: it is missing. */
void relay_end(struct relay *r, const uint8_t *block, size_t n);

/* Waits until fd is readable (-1: none), for a signal, for timeout_ns, or for the bus to have
 * something to do. */
void relay_wait(struct relay *r, int fd, int64_t timeout_ns);

/* Waits until everything is out, as far as go_on() allows; then closes. */
void relay_finish(struct relay *r);

/* 0, or the errno of the bus, which does not work any more; EINTR: go_on() said no. */
int relay_error(const struct relay *r);

/* What is wrong, "" for nothing. It may get well by itself while there is no error. */
const char *relay_why(const struct relay *r);

struct relay_count {
	uint64_t waiting;     /* records not yet sent, or not acknowledged */
	uint64_t unfit;       /* that the form of the messages cannot say */
	uint64_t old;         /* some subscriber lost it after dropold= */
	uint64_t unpublished; /* no time for it, or the bus did not work any more */
	uint64_t known;       /* the broker had it before */
	unsigned subscribers;
};
void relay_count(const struct relay *r, struct relay_count *c);
void relay_free(struct relay *r);

#endif
