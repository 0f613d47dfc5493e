/*
 * hvask.h - asking a high-voltage supply, or hvmux, one question at a time and with deadlines
 *
 * After a time-out or an answer that cannot belong to the question the connection is closed and
 * made anew, so that a late answer never meets the next question. A MON is then asked once more,
 * a SET never. An OFF is not left because of a signal, nor because others before it had no answer.
 */
#ifndef FYKE_HVASK_H
#define FYKE_HVASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "hv.h"

enum hvask_end {
	HVASK_OK,
	HVASK_ERROR,   /* the supply answered with an error: reply->error */
	HVASK_REFUSED, /* a limit or a right in hvmux, or the supply is in LOCAL */
	HVASK_LOST,    /* no connection, no answer, or a senseless one: hvask_why() */
	HVASK_STOPPED  /* stopping() said so */
};

struct hvask;

/* timeout_ns is for connecting and for each answer. stopping (or NULL) is called after a signal:
 * true ends what can be ended safely. NULL with errno. */
struct hvask *hvask_new(const struct net_spec *to, int64_t timeout_ns, bool (*stopping)(void));
void hvask_free(struct hvask *a);

/* The server that the options name: -s SERVER (an address; tcp: where it does not say), -p PORT on
 * this machine, or neither: hvmux's default socket where there is one, else port 8000. 0, or -1
 * with why. */
int hvask_where(const char *server, int64_t port, struct net_spec *to, char why[NET_WHY]);

/* A supply's address: tcp:HOST without a port means 1470. */
int hvask_device(const char *text, struct net_spec *to, char why[NET_WHY]);

/* How long it waits, and for what. Where an OFF is on its way no signal ends a question, and none is
 * asked again. */
enum hvask_pace {
	HVASK_CALM,
	HVASK_HURRY, /* an OFF follows, and shall not wait for silence: 2 s at most for an answer */
	HVASK_STEADY /* an OFF is sent or looked at: after a signal 2 s at most for anything */
};
void hvask_pace(struct hvask *a, enum hvask_pace pace);

enum hvask_end hvask(struct hvask *a, const struct hv_request *q, struct hv_reply *r);

/* Reads one value; channel -1 is the board. text has HV_VALUE bytes. */
enum hvask_end hvask_text(struct hvask *a, int board, int channel, enum hv_par par, char *text);
enum hvask_end hvask_number(struct hvask *a, int board, int channel, enum hv_par par, double *v);

/* Writes one; value may be "". */
enum hvask_end hvask_set(
    struct hvask *a, int board, int channel, enum hv_par par, const char *value);

/* Channels of a board: asked once, then kept until the connection is lost. */
enum hvask_end hvask_channels(struct hvask *a, int board, int *nch);

/* How many boards hvmux has; 0 where a supply itself answers, which does not know. */
enum hvask_end hvask_boards(struct hvask *a, int *n);

/* One sentence on what went wrong last: the loss, or the error with hvmux's reason. */
const char *hvask_why(const struct hvask *a);
bool hvask_sent(const struct hvask *a); /* whether the last question got as far as the wire */
const char *hvask_peer(const struct hvask *a);
uint64_t hvask_count(const struct hvask *a); /* questions asked so far */

#endif
