/*
 * seqin.h - what the parts of the sequencer's server share, and nobody else
 *
 * seq.c has clients and their lines, seqact.c what a request does, seqevent.c what comes from the
 * camera's thread, seqstatus.c the questions, seqsay.c replies and the state file.
 */
#ifndef FYKE_SEQIN_H
#define FYKE_SEQIN_H

#include "cam/seq.h"

#define SEQ_REPLY (SHOOT_TEXT + 200) /* a line to a client */

struct seq_conn {
	struct seq_conn *next;
	void *who;
	char peer[96];
	int number;
	bool read_only;
	int64_t heard;               /* its last line, tim_mono */
	uint64_t ticket;             /* of a line that was not taken; 0: none */
	bool exposes;                /* that line is an exposure */
	bool drop;                   /* that line has been answered */
	bool later;                  /* a line comes again as soon as anything has happened */
	char request[VERB_LINE + 1]; /* that awaits its final line, for the audit */
	bool owner;                  /* of the job */
	bool asks;                   /* a control was asked for */
	char asked[40];
	/* wait-camera-state */
	char state[32];
	int64_t wait_until;
	char wait_request[80];
};

struct seq {
	struct cam *cam;
	struct shoot *shoot;
	struct seq_options o;
	const struct seq_calls *calls;
	void *ctx;
	struct seq_conn *conns;
	int numbers;
	uint64_t tickets;
	int state; /* its file, locked */

	/* The camera, as it was after the last job: cam's own are its thread's. */
	bool on;
	struct cam_info info;

	struct settings set, wanted; /* as they are, and as the job will make them */
	char say[VERB_WHY];          /* what the job's success means */
	bool list;                   /* show the settings then */
	enum shoot_kind job;         /* SHOOT_NOTHING: none */
	struct seq_conn *owner;      /* who waits for it, or NULL */
	char owner_request[VERB_LINE + 1];
	bool lost, fast, let_go; /* its client has gone; -f; and got its final line */
	enum shoot_phase phase;
	double elapsed, total, readout;
	bool held, last;
	int64_t phase_at, beat_at;

	double celsius;
	unsigned temp_code, temp_said;
	int64_t temp_at, temp_due;
	bool stopping, ended, failed;
	enum { END_OPEN, END_WAIT, END_ABORT } end; /* of the exposure under way, while stopping */
	enum shoot_control control;                 /* under way */
};

extern const char *const seq_phases[];

/* ---- seq.c ---- */

/* While stopping: the exposure under way is waited for, or aborted if it takes too long. */
void seq_cut_short(struct seq *q);

/* ---- seqsay.c ---- */

/* Makes what is no printable ASCII a question mark. */
void seq_clean(char *text);

/* A progress line, to nobody when c is NULL. */
void seq_progress(struct seq *q, struct seq_conn *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The final line of a request, which goes into the log too. */
void seq_final(struct seq *q, struct seq_conn *c, const char *request, enum code_tag tag,
    unsigned code, const char *call, const char *text);

/* The same for c's present request and one of our own codes. */
void seq_reply(struct seq *q, struct seq_conn *c, unsigned code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void seq_talk(struct seq *q, enum code_tag tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Opens, locks and reads the state file. 0, or -1 with errno and why. */
int seq_load_state(struct seq *q, char why[SEQ_WHY]);

/* After a change of a setting. */
void seq_keep(struct seq *q);

/* ---- seqact.c ---- */

/* Does what is asked. 0: not now, the line comes again. */
int seq_act(struct seq *q, struct seq_conn *c, const struct verb_request *r);

/* Asks for something during an exposure. What was asked for before, and has no answer yet, is none
 * of it any more, which is told. */
void seq_control(struct seq *q, enum shoot_control what, double seconds);

/* Gives the camera's thread a job, for c or nobody. */
void seq_begin(struct seq *q, struct seq_conn *c, struct shoot_job *job);

/* Whether the job that is under way ends by itself soon. */
bool seq_is_short(const struct seq *q);

/* Whoever came first is next. */
void seq_next_turn(struct seq *q);

/* s of light that the exposure under way still needs. */
double seq_left(const struct seq *q);

/* What the camera cannot do, in words; NULL: it can. */
const char *seq_cannot(const struct seq *q, enum verb_id id);

/* ---- seqevent.c ---- */

void seq_event(struct seq *q, struct shoot_event *e);

/* Tells those whose state has come, or who have waited long enough. */
void seq_tell_waiters(struct seq *q);

/* A word to those who wait for long, so that they know that we live. */
void seq_beat(struct seq *q, int64_t now);

/* ---- seqstatus.c ---- */

void seq_status(struct seq *q, struct seq_conn *c);
void seq_help(struct seq *q, struct seq_conn *c, const struct verb_request *r);
void seq_list_settings(struct seq *q, struct seq_conn *c);

#endif
