/*
 * seqserve.h - seqd's sockets: clients on one side, the camera's sequencer (seq.h) on the other
 */
#ifndef FYKE_SEQSERVE_H
#define FYKE_SEQSERVE_H

#include "base/srv.h"
#include "cam/seq.h"

#define SEQSERVE_CLIENTS 16 /* who comes later is told so */

struct seqserve_options {
	struct seq_options seq;
	const struct net_cidr *allow; /* who may call by TCP besides this machine */
	size_t nallow;
	int64_t idle; /* ns that a client which awaits nothing may say nothing */
};

/* What it has to say, one line each; no byte of it may be trusted. */
struct seqserve_calls {
	void (*talk)(enum code_tag tag, const char *text); /* for the Talker and the log */
	void (*audit)(const char *text);                   /* a request and its final line */
	void (*warn)(const char *text);                    /* who was not let in, a lost console */
};

struct seqserve;

/* cam, and what options and calls point to, stay the caller's. NULL with errno (EBUSY: another
 * server uses this state) and why. */
struct seqserve *seqserve_new(struct cam *cam, const struct seqserve_options *options,
    const struct seqserve_calls *calls, char why[SEQ_WHY]);
void seqserve_free(struct seqserve *v);

/* As srv_listen(). */
int seqserve_listen(
    struct seqserve *v, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY]);

/* One client on a pair of descriptors, which are closed then: its end, or its loss, is the end of
 * all, as by seqserve_stop(). It may be silent for as long as it likes. 0, or -1 with errno. */
int seqserve_console(struct seqserve *v, int in, int out);

/* Waits, at most a second or until a signal, and does what there is to do. 0, or -1 with errno:
 * clients could not be served, but what the camera does went on. */
int seqserve_turn(struct seqserve *v);

/* Begins the end: no more exposures, warm-up, camera off. Then seqserve_ended() is true. */
void seqserve_stop(struct seqserve *v);
bool seqserve_ended(const struct seqserve *v);

/* Whether the camera was not put off as it should be then, which was told. */
bool seqserve_failed(const struct seqserve *v);

/* Whether the console was lost before all was answered, which was told. */
bool seqserve_lost(const struct seqserve *v);

#endif
