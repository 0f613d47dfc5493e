/* ask.h - a client of seqd: lines out, progress lines and final lines in */
#ifndef FYKE_ASK_H
#define FYKE_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "cam/codes.h"

#define ASK_LINE 8192 /* longest line that is taken */
#define ASK_WHY  512

/* What a client's options say; the rows of its cli_option table for them. */
struct ask_options {
	const char *server; /* NULL: the usual one */
	int64_t timeout;    /* how long seqd may say nothing; ns */
};
#define ASK_TIMEOUT (30 * TIM_S)
#define ASK_OPTIONS(o)                                                                             \
	{"server", 's', CLI_STR, &(o).server, "ADDR", "seqd: unix:PATH or HOST:PORT", 0, 0},       \
	{                                                                                          \
		"timeout", 0, CLI_TIME, &(o).timeout, "TIME",                                      \
		    "how long seqd may say nothing (30s)", TIM_MS, TIM_H                           \
	}

struct ask {
	int fd;
	char where[NET_TEXT]; /* who is asked */
	char why[ASK_WHY];    /* one sentence after -1 */
	char in[ASK_LINE];
	size_t n, taken;
};

/* Connects: to o->server, else to $FYKE_SEQD, else to the usual socket, else to 127.0.0.1:7011. 0,
 * or -1 with errno (EINVAL: no address). */
int ask_open(struct ask *a, const struct ask_options *o);
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

/* What an observer wants of the progress line "integrating 3.2 10.0": "integrating, 6.8 of 10.0 s
 * left". Returns buf, or NULL: it is another line. */
#define ASK_COUNTDOWN 80
char *ask_countdown(const char *progress, char buf[ASK_COUNTDOWN]);

struct ask_calls {
	void (*progress)(void *ctx, const char *text); /* a progress line, without its star */
	bool (*go_on)(void *ctx);                      /* after a signal; false: no more of it */
};

/* A line and all that comes back. 0 with the final line; -1 with errno (EINTR: go_on() said no) and
 * a->why. */
int ask_do(struct ask *a, const char *line, const struct ask_options *o,
    const struct ask_calls *calls, void *ctx, struct ask_final *f);

/* Asks for an abort, on a connection of its own. 0: it was done; else said is a sentence. */
int ask_abort(const struct ask_options *o, char said[ASK_WHY]);

#endif
