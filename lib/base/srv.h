/*
 * srv.h - servers of line protocols: listeners, and clients that are bounded in every way
 *
 *	struct srv *s = srv_new(&options, &calls, ctx);
 *	srv_listen(s, &spec, ready, why);
 *	while (!cli_stopping())
 *		srv_wait(s, extra, nextra, timeout);	-> calls.line(ctx, client, "text", 4)
 *
 * One thread, poll(2). A client that sends too long lines or half ones, reads too slowly, is idle
 * for too long or comes when all places are taken costs only itself. Unix sockets are made with
 * mode 0660 and know who calls (SO_PEERCRED); a TCP listener that is not on loopback takes only the
 * networks of an allow-list. Descriptors of other kinds (pseudo-terminals) may be adopted as
 * clients.
 */
#ifndef FYKE_SRV_H
#define FYKE_SRV_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define SRV_LISTENERS 16
#define SRV_PEER      96 /* a buffer for who calls */

struct srv;
struct srv_client;

struct srv_options {
	int clients;       /* places; who comes later is closed at once */
	size_t line;       /* longest line, without its end */
	size_t pending;    /* bytes that may wait for a client that does not read; more closes it */
	int64_t idle;      /* ns without a byte from a client that awaits nothing; 0: for ever */
	int64_t stall;     /* ns without progress in writing to it; 0: for ever */
	int64_t line_time; /* ns from a line's first byte to its end; 0: for ever */
	const struct net_cidr *allow; /* who may call on TCP; loopback always may */
	size_t nallow;
};

enum srv_take {
	SRV_TAKEN,
	SRV_LATER /* keep the line, read no further: until srv_resume() */
};

/* What happens, told from inside srv_wait(). A client may be closed in any of them. Its handle is
 * good until closed(), whatever becomes of the connection before: an owner whose own handles name
 * it (who waits for which answer) forgets it there, and nowhere else. */
struct srv_calls {
	/* May be NULL. */
	void (*opened)(void *ctx, struct srv_client *c);
	/* n bytes and a NUL, without LF and a CR before it. cut: the line was longer; the rest is
	 * skipped up to its LF. */
	enum srv_take (*line)(void *ctx, struct srv_client *c, char *line, size_t n, bool cut);
	/* The client will send nothing more. true keeps it: call srv_finish() some time. NULL or
	 * false: that is done here. What came after the last LF is srv_waiting() now, and then
	 * forgotten. */
	bool (*ended)(void *ctx, struct srv_client *c);
	/* It is gone; the handle is valid for the last time. Told between the others, never from
	 * inside one, nor from srv_send() or srv_close(). May be NULL. */
	void (*closed)(void *ctx, struct srv_client *c, const char *why);
	/* Somebody was not let in. May be NULL. */
	void (*refused)(void *ctx, const char *peer, const char *why);
	/* Instead of line, for protocols with other frames: takes what it can of n bytes and says
	 * how much; 0: it needs more. When n is options.line, it must take something. What is left
	 * at the end is srv_waiting() in ended(). */
	size_t (*bytes)(void *ctx, struct srv_client *c, const char *data, size_t n);
	/* Whether the client still awaits answers: then it is not idle, and is not closed by
	 * srv_finish() before it has them. May be NULL: never. */
	bool (*awaits)(void *ctx, const struct srv_client *c);
	/* All n bytes that wait from a line on that was kept (SRV_LATER): when it is kept, and when
	 * more has come. May be NULL. */
	void (*behind)(void *ctx, struct srv_client *c, const char *data, size_t n);
	/* options.line_time is over; it is closed after this. May be NULL. */
	void (*late)(void *ctx, struct srv_client *c);
};

/* options and allow-list are copied, calls is kept. NULL with errno. */
struct srv *srv_new(const struct srv_options *options, const struct srv_calls *calls, void *ctx);

/* Closes everything and removes the sockets' names. closed() is not called: what the owner keeps
 * for each client it frees itself. */
void srv_free(struct srv *s);

/* Listens at a NET_UNIX or NET_TCP address (tcp with no host is loopback). A socket's name left by
 * a dead program is taken over. ready is the address for cli_ready(). Refuses TCP beyond loopback
 * without an allow-list (EPERM). 0, or -1 with errno and why. */
int srv_listen(struct srv *s, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY]);

/* Takes open descriptors as a client, which srv closes: in and out may be the same one. Where they
 * differ (pipes, files), what is sent is waited for, at the end of the program for a second. NULL
 * with errno. */
struct srv_client *srv_adopt(struct srv *s, int in, int out, const char *peer);

/* Waits for clients, for extra[0..n) (whose revents it fills in), for a signal, or for timeout_ns
 * (< 0: no limit of ours), and serves the clients. 0, or -1 with errno of poll. */
int srv_wait(struct srv *s, struct pollfd *extra, size_t n, int64_t timeout_ns);

/* Sends, or keeps for later. A client that keeps too much waiting is closed. */
void srv_send(struct srv_client *c, const void *data, size_t n);

void srv_resume(struct srv_client *c); /* after SRV_LATER: the line comes again */
/* Takes no more lines, and closes once nothing is awaited and everything is written. */
void srv_finish(struct srv_client *c);
void srv_close(struct srv_client *c, const char *why);

/* Bytes that came and wait behind SRV_LATER. */
const char *srv_waiting(const struct srv_client *c, size_t *n);

const char *srv_peer(
    const struct srv_client *c);                /* "unix pid 812 uid 1000", "tcp 127.0.0.1:4711" */
bool srv_read_only(const struct srv_client *c); /* came in by a listener with ,ro */
void srv_set_data(struct srv_client *c, void *data);
void *srv_data(const struct srv_client *c);
int srv_count(const struct srv *s); /* clients that are connected */

/* The default socket of a server, "$XDG_RUNTIME_DIR/fyke/NAME.sock" or, where that variable is not
 * set, "/run/fyke/NAME.sock". Makes its folder when make is set. Fits NET_TEXT. */
char *srv_default(const char *name, bool make, char path[NET_TEXT]);

#endif
