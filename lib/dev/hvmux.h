/*
 * hvmux.h - sharing high-voltage supplies: who may ask what, in which order, and what became of it
 *
 * Works on lines, and knows neither sockets nor clocks: hvmux(1) gives it what clients and supplies
 * say, and carries out its calls. The rules it keeps:
 *
 * - one question outstanding on each supply; answers go to whoever asked, in the order asked
 * - OFF before all others; it cancels what waits to raise that channel, is taken from every
 *   client, and is repeated until STAT shows off
 * - then settings, then readings, clients in turn; readings are answered from a short cache
 * - a setting that breaks a limit never reaches the supply
 * - a setting without an answer is read back, never repeated
 * - after a reconnection the supply must be the same one, or only OFF reaches it, which goes out
 *   before it is asked
 * - of itself it sets nothing but MAXV, and that only where no output can change
 *
 * Times are those of tim_mono(), in ns.
 */
#ifndef FYKE_HVMUX_H
#define FYKE_HVMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tally.h"
#include "hv.h"
#include "hvlimit.h"

#define HVMUX_QUEUE 64   /* requests of one client that wait; then it must wait */
#define HVMUX_TEXT  1024 /* a line of audit or alarm */

struct hvmux;
struct hvmux_client;

struct hvmux_options {
	int boards;
	int address[HV_BOARDS];        /* the number that each supply has itself */
	const struct hvlimits *limits; /* NULL: none */
	int64_t
	    timeout;   /* for an answer of a supply; and how long a request waits for a lost one */
	int64_t cache; /* how old a reading may be that is given again; 0: none */
};

/* What hvmux wants done. None may call back into hvmux, except where said. */
struct hvmux_calls {
	/* To the supply. 0; -1: it is lost (hvmux_lost() may follow, it is known already). */
	int (*send)(void *ctx, int board, const char *text, size_t n);
	/* Whether bytes are here that nobody asked for. */
	bool (*stale)(void *ctx, int board);
	/* Close the connection: its answers could no longer be told apart. */
	void (*drop)(void *ctx, int board, const char *why);
	/* The supply has shown who it is. */
	void (*good)(void *ctx, int board);
	/* To a client. */
	void (*answer)(void *ctx, void *who, const char *text, size_t n);
	/* A client whose line was refused (hvmux_line() false) may say it again. */
	void (*room)(void *ctx, void *who);
	void (*audit)(void *ctx, const char *text); /* who did what, old -> new, with what end */
	void (*alarm)(void *ctx, const char *text); /* a person should look */
	void (*note)(void *ctx, const char *text);
};

/* Indices of tally->lost[] and also[]. */
enum hvmux_loss {
	HVMUX_REFUSED,    /* by limits, rights or number of channels */
	HVMUX_MALFORMED,  /* not the protocol */
	HVMUX_CANCELLED,  /* by an OFF */
	HVMUX_UNANSWERED, /* the supply was away or did not answer */
	HVMUX_LEFT        /* the client went before its answer came */
};
enum hvmux_also { HVMUX_TRANSACTIONS, HVMUX_CACHED, HVMUX_RECONNECTS, HVMUX_ALARMS };

/* Names the parts of the tally, which counts requests. */
void hvmux_tally(struct tally *t);

/* NULL: no memory. */
struct hvmux *hvmux_new(
    const struct hvmux_options *o, const struct hvmux_calls *calls, void *ctx, struct tally *t);
void hvmux_free(struct hvmux *m);

/* ---- clients ---- */

/* NULL: no memory. who is handed back in calls, peer is for the audit. */
struct hvmux_client *hvmux_join(struct hvmux *m, void *who, const char *peer, bool read_only);

/* It has gone: what it has not been answered is dropped, but for its OFFs. */
void hvmux_leave(struct hvmux_client *c);

/* A line of a client, without its end. false: its queue is full, keep the line for room(). */
bool hvmux_line(struct hvmux_client *c, const char *line, size_t n, bool cut, int64_t now);

/* What waits behind a line that was kept, or more of it: an OFF in it is carried out at once. */
void hvmux_ahead(struct hvmux_client *c, const char *text, size_t n, int64_t now);

int hvmux_waiting(const struct hvmux_client *c); /* requests without an answer yet */

/* ---- supplies ---- */

void hvmux_up(struct hvmux *m, int board, int64_t now);
void hvmux_lost(struct hvmux *m, int board, const char *why, int64_t now);
void hvmux_reply(struct hvmux *m, int board, const char *line, size_t n, int64_t now);

/* Whether it is to be told OFF: then the next connection cannot wait long. */
bool hvmux_off_waits(const struct hvmux *m, int board);

/* Sends what may be sent, gives up what has waited too long. Call after each turn; returns when
 * to call again at the latest. */
int64_t hvmux_run(struct hvmux *m, int64_t now);

#endif
