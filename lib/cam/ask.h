/* ask.h - a client of seqd: lines out, progress lines and final lines in */
#ifndef FYKE_ASK_H
#define FYKE_ASK_H

#include <stdint.h>

#include "base/net.h"
#include "cam/codes.h"

#define ASK_LINE 8192 /* longest line that is taken */
#define ASK_WHY  512

struct ask {
	int fd;
	char where[NET_TEXT]; /* who is asked */
	char why[ASK_WHY];    /* one sentence after -1 */
	char in[ASK_LINE];
	size_t n, taken;
};

/* Connects: to server, else to $FYKE_SEQD, else to the usual socket, else to 127.0.0.1:7011. 0, or
 * -1 with errno (EINVAL: no address). */
int ask_open(struct ask *a, const char *server, int64_t timeout_ns);
void ask_close(struct ask *a);

/* Sends a line (without its end). 0, or -1. */
int ask_send(struct ask *a, const char *line);

/* The next line, without its end, until the moment `until` (tim_mono). NULL with errno: ETIMEDOUT,
 * EINTR after a signal, or lost. Valid until the next call. */
char *ask_line(struct ask *a, int64_t until);

struct ask_final {
	enum code_tag tag;
	unsigned code;
	char call[64];
	const char *text; /* points into the line */
};

/* 1: it is a final line; 0: a progress line; -1: neither. */
int ask_parse(const char *line, struct ask_final *f);

/* Asks for an abort, on a connection of its own. 0: it was done; else said is a sentence. */
int ask_abort(const char *server, int64_t timeout_ns, char said[ASK_WHY]);

#endif
