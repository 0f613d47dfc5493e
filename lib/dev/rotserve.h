/*
 * rotserve.h - rotctl's sockets: status for whoever listens, commands from other rotctls
 *
 * On a status socket every client is sent a reading (rot_record(), line protocol) each second and
 * after each change. On the control socket a client sends one line:
 *
 *	status line|tsv|json|plain	stop	home FIRST	goto DEG	scan PA PARALLACTIC
 *
 * and reads lines until the final one: "> TEXT" is output, "# TEXT" a note, "* TEXT" how far it is
 * (each second), "= HOW STATE TEXT" the end, where HOW is done, device, lost, refused or stopped,
 * and STATE the number of the rotator's state. While one command turns the rotator, status and stop
 * are served, others are refused.
 *
 * rotserve.c is the side that has the rotator, rotask.c the one that asks it.
 */
#ifndef FYKE_ROTSERVE_H
#define FYKE_ROTSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "base/tally.h"
#include "rotmove.h"

#define ROT_LINE 512 /* longest line of the control socket */

enum rot_verb { ROT_STATUS, ROT_STOP, ROT_HOME, ROT_GOTO, ROT_SCAN };

/* What is wanted. form is one of line, tsv, json, plain. */
struct rot_request {
	enum rot_verb verb;
	char form[8];
	double angle, parallactic; /* DEG, PA or FIRST */
};

extern const char *const rot_end_name[ROT_ENDS]; /* HOW */

/* Reads a line of the control socket. 0, or -1 with why. */
int rot_request_parse(const char *line, struct rot_request *q, char why[ROT_WHY]);
void rot_request_text(const struct rot_request *q, char line[ROT_LINE]);

/* The address of a socket: text, or where that is NULL the usual one of this name (srv_default()).
 * 0, or -1 with why. */
int rot_address(const char *text, const char *usual, struct net_spec *to, char why[NET_WHY]);

/* ---- the side that has the rotator ---- */

struct rotserve_calls {
	void (*audit)(const char *text, const char *why); /* why: "" where all went well */
	void (*note)(const char *text);
	void (*out)(const char *text);      /* of a status that was asked for here */
	void (*progress)(const char *text); /* how far it is, each second; may be empty */
	void (*tick)(void);                 /* at least once a second */
	bool (*stopping)(void);             /* Ctrl-C, SIGTERM, the end of the time */
	struct tally *tally;                /* counts the commands carried out (ROT_TALLY) */
};

/* How commands ended that did not do what was asked. */
enum { ROT_ALSO_REFUSED, ROT_ALSO_STOPPED, ROT_ALSO_FAILED };
#define ROT_TALLY                                                                                  \
	{                                                                                          \
		.unit = "commands", .also = { {"refused", 0}, {"stopped", 0}, {"failed", 0} }      \
	}

struct rotserve;

/* name is that of the readings. NULL: no memory. */
struct rotserve *rotserve_new(
    const struct rot_options *o, const char *name, const struct rotserve_calls *calls);
void rotserve_free(struct rotserve *h);

/* Takes the lock (rot_take()); on failure the sentence is rotserve_why(). */
enum rot_end rotserve_take(struct rotserve *h);

/* As srv_listen(): who calls at a status socket only listens. */
int rotserve_listen(struct rotserve *h, const struct net_spec *at, bool control,
    char ready[NET_TEXT], char why[NET_WHY]);

/* Carries a request out, serving others meanwhile. *state as in the final line. */
enum rot_end rotserve_do(
    struct rotserve *h, const struct rot_request *q, const char *who, enum rot_state *state);
const char *rotserve_why(const struct rotserve *h);

/* From now on READY_TO_ROTATE is answered by turning to the scan direction given here (pa NaN:
 * none yet) or by the last scan. */
void rotserve_auto(struct rotserve *h, double pa, double parallactic);

/* Serves, looks at the rotator each second, answers READY_TO_ROTATE, for about a tenth of a second. */
void rotserve_turn(struct rotserve *h);

/* ---- the side that asks ---- */

/* Whether a rotctl that has the rotator can be asked: at *control or, where that was not given, the
 * system's watch; *control is its address then. */
bool rotask_find(struct net_spec *control, bool given);

/* Asks, and waits for the end; out and note get what comes before. When stopping() says so, a stop
 * is sent, and its end awaited. text has ROT_LINE bytes. */
enum rot_end rotask(const struct net_spec *at, const struct rot_request *q,
    const struct rotserve_calls *calls, enum rot_state *state, char *text);

#endif
