/*
 * hvmuxin.h - the inside of hvmux, shared by its files
 *
 * hvqueue.c clients: what they have asked and in which order, answers, rights, giving up
 * hvread.c  readings, and their cache
 * hvjob.c   settings: read before, set, read back when there was no answer
 * hvoff.c   OFF: before all others, until STAT shows it
 * hvguard.c MAXV: brought to the limit where that changes no output
 * hvsay.c   the words of audit, alarms and notes
 * hvmux.c   supplies: meeting, asking, losing them; whose turn it is
 */
#ifndef FYKE_HVMUXIN_H
#define FYKE_HVMUXIN_H

#include "hvmux.h"

#define PEER   96
#define PLACES (HV_CHANNELS + 1) /* of the cache: channels, and the board */

/* ---- what is kept ---- */

enum slot_state { QUEUED, BUSY, OFF_PENDING, ANSWERED };

/* A request of a client, until its answer has been given. */
struct slot {
	enum slot_state state;
	bool silent; /* nobody answers: there is no such board */
	struct hv_request q;
	int64_t came;
	int tries;
	uint32_t off_left; /* channels whose OFF is not yet taken */
	enum hv_error off_error;
	struct hv_reply reply;
	char why[HV_WHY]; /* of an error */
};

struct hvmux_client {
	struct hvmux *m;
	struct hvmux_client *next;
	void *who;
	char peer[PEER], why[HV_WHY];
	bool read_only, wants_room;
	uint64_t turn; /* when it was served last */
	size_t ahead;  /* bytes already looked at by hvmux_ahead() */
	unsigned head, count;
	struct slot slot[HVMUX_QUEUE];
};

/* A channel that somebody wants off. */
struct off {
	bool wanted, taken, ramping, look, alarmed;
	bool unheard; /* that an OFF had no answer was told */
	int64_t due;
	int64_t sent; /* last; 0: not yet */
	int tries;
	char peer[PEER];
};

/* The protection limit of a channel, to be written when that changes no output. */
struct guard {
	int64_t due; /* INT64_MAX: settled */
	int step;
	double seen[4]; /* MAXV STAT VSET VMON */
	bool alarmed;
};

/* A setting on its way: what is read before it, itself, and what is read when it had no answer. */
struct job {
	enum { NO_JOB, BEFORE, SETTING, READ_BACK } phase;
	int step;
	struct hvmux_client *owner; /* NULL: it has gone, or was told that the outcome is unknown */
	struct slot *slot;
	struct hv_request q;
	char peer[PEER], old[HV_VALUE];
};

enum purpose { FOR_NOBODY, FOR_IDENTITY, FOR_OFF, FOR_OFF_LOOK, FOR_JOB, FOR_GUARD, FOR_READING };

struct cached {
	int64_t at;
	uint64_t epoch; /* valid while it is the board's */
	struct hv_reply reply;
};

#define HVMUX_IDS 4 /* BDNAME BDSNUM BDNCH BDFREL */

struct board {
	enum { AWAY, MEETING, READY, STRANGER } state;
	int step; /* of the identity */
	int64_t away_since;
	bool known;
	char id[HVMUX_IDS][HV_VALUE], seen[HVMUX_IDS][HV_VALUE];
	int nch;
	enum purpose purpose; /* of the question outstanding */
	struct hv_request asked, asked_before;
	char last[HV_LINE]; /* the answer before */
	int64_t fastest;    /* on this connection; 0: none yet */
	int64_t sent, quiet_until;
	struct hvmux_client *owner; /* of a reading */
	struct slot *slot;
	struct off off[HV_CHANNELS];
	struct guard guard[HV_CHANNELS];
	struct job job;
	int64_t last_reading;
	uint64_t epoch; /* from 1 */
	struct cached cache[PLACES][HV_PARS];
};

struct hvmux {
	struct hvmux_options o;
	const struct hvmux_calls *calls;
	void *ctx;
	struct tally *t;
	struct hvmux_client *first;
	uint64_t turn;
	struct board board[];
};

/* ---- hvsay.c: nothing comes from a peer but words that hv.c has read, and escaped lines ---- */

/* "board 0 channel 3" */
const char *hvsay_place(int board, int channel, char buf[40]);

/* "board 0 channel 3 VSET 250.0 -> 1500.0" */
const char *hvsay_change(const struct hv_request *q, const char *old, char buf[128]);

typedef void hvsay_call(void *ctx, const char *text);
void hvsay(struct hvmux *m, hvsay_call *call, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define AUDIT(m, ...) hvsay(m, (m)->calls->audit, __VA_ARGS__)
#define ALARM(m, ...) hvsay(m, (m)->calls->alarm, __VA_ARGS__)
#define NOTE(m, ...)  hvsay(m, (m)->calls->note, __VA_ARGS__)

/* ---- hvqueue.c ---- */

/* The i-th request of the client that has not been answered yet. */
struct slot *hvqueue_at(struct hvmux_client *c, unsigned i);

/* Gives the answers at the head of the queue, in their order. Whether there was one. */
bool hvqueue_flush(struct hvmux_client *c);
bool hvqueue_flush_all(struct hvmux *m);

/* loss: HVMUX_... or -1 for an answer that came from the supply. */
void hvqueue_answer(struct hvmux_client *c, struct slot *s, const struct hv_reply *r, int loss);
void hvqueue_error(
    struct hvmux_client *c, struct slot *s, enum hv_error e, int loss, const char *why);

/* A request that is not carried out. */
void hvqueue_refuse(struct hvmux_client *c, struct slot *s, enum hv_error e, const char *why);

/* Refuses what can be refused without asking the supply. Whether it did. */
bool hvqueue_object(struct hvmux_client *c, struct slot *s);

/* The client that was served longest ago among those whose next request is for this board, and a
 * setting (or a reading); NULL: none. */
struct hvmux_client *hvqueue_next(struct hvmux *m, const struct board *b, bool set);

/* Gives up what has waited too long; returns when the next one will have. */
int64_t hvqueue_expire(struct hvmux *m, int64_t now);

/* ---- hvread.c ---- */

/* Something is set: what was read before may not be true any more. */
void hvread_forget(struct board *b);

/* Answers readings from the cache, and asks for the next one that is not there. */
bool hvread_next(struct hvmux *m, struct board *b, int64_t now);
void hvread_got(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now);

/* The supply was lost while it was asked for a reading. */
void hvread_lost(struct board *b, const char *why);

/* ---- hvjob.c ---- */

/* Takes the next setting, when none is on its way. Whether a question was sent, as in hvjob_next(). */
bool hvjob_begin(struct hvmux *m, struct board *b, int64_t now);
bool hvjob_next(struct hvmux *m, struct board *b, int64_t now);
void hvjob_got(struct hvmux *m, struct board *b, const struct hv_reply *r);

/* An OFF of the channel has come: what would raise it and is not yet sent, or may be, ends. */
void hvjob_cancel(struct hvmux *m, struct board *b, int channel, const char *why);
void hvjob_lost(struct board *b);

/* The owner has gone. */
void hvjob_left(struct hvmux *m, struct board *b, const struct hvmux_client *c);

/* ---- hvoff.c ---- */

/* ON, VSET and ISET: what an OFF cancels. */
bool hvoff_raises(enum hv_par p);

/* Channels that the request's OFF is for; 0: none on this board. Where the number of channels is not
 * known yet it is the one named: hvoff_met() sees whether that means all. */
uint32_t hvoff_mask(const struct board *b, int channel);

void hvoff_want(struct hvmux *m, int board, int channel, const char *peer, int64_t now);

/* The number of channels is known for the first time: which of them the OFFs until now are for. */
void hvoff_met(struct hvmux *m, struct board *b, int64_t now);

/* An OFF of a client: taken whoever asks. */
void hvoff_begin(struct hvmux_client *c, struct slot *s, int64_t now);

/* Sends an OFF that is due, or a look at one; what was told longest ago first. */
bool hvoff_next(struct hvmux *m, struct board *b, int64_t now);
void hvoff_got(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now);
void hvoff_got_look(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now);

/* Whether a channel that is to be off has not been told once. */
bool hvoff_untold(const struct board *b);

/* The supply was lost when it was told OFF. */
void hvoff_lost(struct hvmux *m, struct board *b);

/* ---- hvguard.c ---- */

/* A supply has been met: its MAXVs are to be looked at. */
void hvguard_begin(struct hvmux *m, struct board *b, int64_t now);
bool hvguard_next(struct hvmux *m, struct board *b, int64_t now);
void hvguard_got(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now);

/* ---- hvmux.c ---- */

int hvmux_number(const struct hvmux *m, const struct board *b);

/* Sends one question; true when it is under way. */
bool hvmux_ask(struct hvmux *m, struct board *b, enum purpose purpose, const struct hv_request *q,
    int64_t now);
bool hvmux_ask_value(struct hvmux *m, struct board *b, enum purpose purpose, int channel,
    enum hv_par par, int64_t now);

#endif
