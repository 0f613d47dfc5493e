/*
 * scope.h - a LeCroy oscilloscope by remote commands: setting up, arming, waiting, transferring
 *
 * The trigger is SINGLE: after it the instrument stops, so that all channels that are read are
 * those of one trigger, and can be read again when the connection breaks meanwhile. A question is
 * repeated after a break; a command of the user's is not.
 *
 * Source: LeCroy remote control manual WM-RCM-E.
 */
#ifndef FYKE_SCOPE_H
#define FYKE_SCOPE_H

#include "dev/lecroy.h"
#include "dev/vxi11.h"
#include "base/why.h"

#define SCOPE_WHY    640
#define SCOPE_TRACES 8
#define SCOPE_TEXT   512 /* an answer in words */

struct scope_options {
	struct vxi11_at at;
	int64_t patience; /* ns for each answer */
	bool words;       /* 16 bits a sample */
	bool (*stopping)(void);
	void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
	/* Called several times a second: a trace's bytes so far and in all; trace NULL: waiting. */
	void (*progress)(const char *trace, size_t got, size_t all);
};

/* A trace, and what was transferred of it. */
struct scope_trace {
	char name[4];            /* "C2" */
	struct vxi11_data reply; /* the caller frees reply.data in the end */
	size_t start, n;         /* where its block is */
	struct lecroy l;         /* of the block */
};

struct scope {
	const struct scope_options *o;
	struct vxi11 link;
	char idn[SCOPE_TEXT];     /* "LECROY,WR610ZI,LCRY12345,7.9.0" */
	uint64_t reconnections;   /* since the beginning */
	struct vxi11_data before; /* private: the acquisition before */
	struct lecroy last;
	bool fetched;
	char why[SCOPE_WHY]; /* one sentence after -1 */
};

/* All return 0, or -1 with why and errno as in vxi11.h; besides, ENODEV: it is no LeCroy. */

/* Connects, and makes sure what is there. o must stay. */
int scope_open(struct scope *s, const struct scope_options *o);
void scope_close(struct scope *s);

int scope_ask(struct scope *s, const char *question, char answer[SCOPE_TEXT]);
int scope_ask_number(struct scope *s, const char *question, long *v);

/* A command that may be sent twice. */
int scope_command(struct scope *s, const char *text);

/* Write why; -1 with errno: that of the connection, or error. */
int scope_broken(struct scope *s, const char *what);
#define scope_fail(s, error, ...) why_fail((s)->why, sizeof(s)->why, error, __VA_ARGS__)

/* One command of the user's, read back where it can be. */
enum scope_set {
	SCOPE_SET_FAILED = -1,
	SCOPE_SET_DONE,    /* there is nothing to read back */
	SCOPE_SET_SAME,    /* back is what it has now */
	SCOPE_SET_OTHER,   /* back is in other words: for a person to judge */
	SCOPE_SET_ADAPTED, /* it took another number */
	SCOPE_SET_ANSWER   /* it was a question */
};
enum scope_set scope_set(struct scope *s, const char *command, char back[SCOPE_TEXT]);

/* All commands of a text (which is changed): one a line or with ; between, # before a comment. show
 * is told of each, with its answer or why it failed. Goes on after what the instrument does not
 * know. How many, or -1: the connection failed, or was stopped. */
typedef void scope_show(const char *command, enum scope_set got, const char *back);
int scope_setup(struct scope *s, char *text, scope_show *show);

/* Compares field by field what was asked, "ON,100", with what is there, "ON,100,1E+6". */
enum scope_set scope_compare(const char *want, const char *have);

/* What stands behind a header that was sent back: "TDIV 1E-7 S". */
const char *scope_without_header(const char *answer, const char *header);

/* "1,2", "C1,M2" into names "C1" "M2". How many, or -1 (EINVAL). */
int scope_traces(const char *list, struct scope_trace t[SCOPE_TRACES]);

/* The channels that are switched on, as asked from the instrument. How many, or -1. */
int scope_traces_on(struct scope *s, struct scope_trace t[SCOPE_TRACES]);

/* Segments of a sequence; 1: no sequence. */
int scope_segments(struct scope *s, int64_t n);

/* Arms for one acquisition. */
int scope_arm(struct scope *s);

/* Waits for its end until tim_mono() == until. 1: it is there; 0: no trigger came, and the
 * instrument was stopped; -1. *cut: a sequence ended before all its segments had come. */
int scope_wait(struct scope *s, int64_t until, bool *cut);

/* Stops acquiring. */
int scope_stop(struct scope *s);

/* Transfers n traces, which must be of one trigger, and of another than those of the call before
 * (for which t must be the same). EPROTO when they are not, or are no waveforms. */
int scope_fetch(struct scope *s, struct scope_trace *t, int n);

#endif
