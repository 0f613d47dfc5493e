/*
 * dial.h - a connection to a device or server that is made again whenever it is lost
 *
 * tcp:, unix: and serial: addresses. Dialling never blocks; a failure is followed by a wait of
 * 0.1 s, doubling to 30 s (back.h). Lines that come in are bounded. For a program's poll loop:
 *
 *	dial_poll(d, &p); poll(&p, 1, ... until dial_due(d)); event = dial_step(d, p.revents);
 *
 * or, where there is nothing else to wait for, dial_wait().
 */
#ifndef FYKE_DIAL_H
#define FYKE_DIAL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

struct dial;

enum dial_event {
	DIAL_NONE,
	DIAL_UP,  /* connected just now */
	DIAL_LOST /* lost, or could not be made, just now: dial_why() */
};

/* line is the longest line without its end; timeout_ns is how long connecting may take. Host
 * names are looked up by a thread (lookup.h): before the first attempt, and beside each later one,
 * for the next. NULL with errno. */
struct dial *dial_new(const struct net_spec *to, size_t line, int64_t timeout_ns);
void dial_free(struct dial *d);

/* What to wait for; p->fd is -1 while there is nothing but time. */
void dial_poll(const struct dial *d, struct pollfd *p);

/* When dial_step() wants to be called at the latest (tim_mono; INT64_MAX: no need). */
int64_t dial_due(const struct dial *d);

/* Dials, reads, writes. Call after each poll. */
enum dial_event dial_step(struct dial *d, short revents);

/* Waits until something happens, or until (tim_mono), or a signal (-1 with EINTR); 0. *event is
 * what happened, DIAL_NONE after another error. */
int dial_wait(struct dial *d, int64_t until, enum dial_event *event);

bool dial_is_up(const struct dial *d);

/* The next whole line, without CR LF or LF and with a NUL; NULL: none yet. Valid until the next
 * call with d. */
char *dial_line(struct dial *d, size_t *n);

/* Whether bytes are here that nobody took, looking at the socket once more: before a question is
 * sent there must be none, or answers would be mistaken for one another. */
bool dial_stale(struct dial *d);

/* Sends at once what the socket takes, and the rest later. 0, or -1: lost (dial_step() says so). */
int dial_send(struct dial *d, const void *data, size_t n);

/* Closes, and dials again after the wait. The next dial_step() returns DIAL_LOST. */
void dial_drop(struct dial *d, const char *why);

/* The peer has shown that it works: the next wait begins at 0.1 s again. */
void dial_good(struct dial *d);

/* What is to be sent cannot wait: dials again so long after the last loss at the latest. */
void dial_hurry(struct dial *d, int64_t most_ns);

const char *dial_why(const struct dial *d);  /* one sentence on the last loss */
const char *dial_text(const struct dial *d); /* "tcp:192.0.2.7:1470", "serial:/dev/ttyACM0" */

#endif
