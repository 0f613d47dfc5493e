/*
 * seq.h - the sequencer's server without its sockets: requests in, replies out
 *
 *	reply = *( "* " stage SP text LF ) final LF
 *	final = TAG SP code SP symbol SP api SP text
 *
 * One thread calls this; the camera has a thread of its own (shoot.h). fyke-seq(5) is the document.
 */
#ifndef FYKE_SEQ_H
#define FYKE_SEQ_H

#include "cam/shoot.h"

#define SEQ_PROTOCOL "fyke-seq/1"
#define SEQ_PORT     "7011"
#define SEQ_WHY      512

struct seq;
struct seq_conn;

struct seq_options {
	struct shoot_options shoot;
	const char *state; /* file that keeps the settings */
	int64_t finish;    /* an exposure that ends so soon is waited for at the end; ns */
};

struct seq_calls {
	void (*send)(void *ctx, void *who, const char *text, size_t n);
	void (*resume)(void *ctx, void *who); /* after SEQ_LATER: hand the line again */
	void (*close)(void *ctx, void *who);  /* once everything is sent */
	/* What no client is there to be told: for the Talker and the log. */
	void (*talk)(void *ctx, enum code_tag tag, const char *text);
	void (*audit)(void *ctx, const char *text); /* a request and its final line */
};

/* Reads the state. Everything passed stays the caller's. NULL with why. */
struct seq *seq_new(struct cam *cam, const struct seq_options *options,
    const struct seq_calls *calls, void *ctx, char why[SEQ_WHY]);
void seq_free(struct seq *q);

/* A client; read_only: it may ask, but set nothing. NULL with errno. */
struct seq_conn *seq_open(struct seq *q, void *who, const char *peer, bool read_only);

/* A line of it. false: not now, hand it again after resume(). */
bool seq_line(struct seq *q, struct seq_conn *c, const char *line, size_t n, bool cut);

/* It sends nothing more: whether it awaits a final line. */
bool seq_awaits(const struct seq_conn *c);

/* Who of the clients that await nothing has been silent for the longest time, since before a moment
 * (tim_mono); NULL: none. */
void *seq_idlest(const struct seq *q, int64_t before);

/* It has gone. An exposure that it asked for goes on. */
void seq_gone(struct seq *q, struct seq_conn *c);

/* The descriptor to poll, and what to do after each poll; and when to wake up at the latest. */
int seq_fd(const struct seq *q);
void seq_step(struct seq *q);
int64_t seq_due(const struct seq *q);

/* Begins the end: no more exposures, warm-up, camera off. Then seq_ended() is true. */
void seq_stop(struct seq *q);
bool seq_ended(const struct seq *q);

/* Whether the camera was not put off as it should be then, which was told. */
bool seq_failed(const struct seq *q);

#endif
