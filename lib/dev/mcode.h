/*
 * mcode.h - an IMS MDrive motor (MDrivePlus, Novanta): MCode, ASCII commands over a serial line
 *
 *	PR P		-> 5689 CR LF		reads a variable
 *	VM=1138					writes one
 *	MA R2		MR 100	SL 0	HM 1	moves
 *
 * A command ends with CR; 9600 8N1, no handshake. A motor that has just got its power says
 * "Copyright ... by Intelligent Motion Systems", echoes every character and prompts with > (or ?,
 * after a command that it did not take); EM=2 makes it silent but for answers. Both are understood.
 *
 * Source: IMS's MCode manuals; EPICS module motor, motorIms. Works on a descriptor that does not
 * block, whatever is behind it.
 *
 * Noise on the line must not move the motor: settings are read back, answers that decide over a
 * move are asked twice, and a target goes through a register that is read back before the move
 * names it.
 */
#ifndef FYKE_MCODE_H
#define FYKE_MCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCODE_BAUD 9600
#define MCODE_LINE 128 /* no answer is longer; the banner may be */
#define MCODE_NAME 8   /* of a variable, with its NUL */

/* What became of a command. */
enum mcode_answer {
	MCODE_OK,
	MCODE_SILENT,  /* no answer in time */
	MCODE_GARBAGE, /* answers that make no sense, or contradict each other */
	MCODE_BANNER,  /* it has just started: everything it knew is lost */
	MCODE_REFUSED, /* it did not take the command: error in m->error */
	MCODE_LOST,    /* the port is gone (errno) */
	MCODE_STOPPED  /* a signal came */
};
const char *mcode_text(enum mcode_answer a);

/* The errors of PR ER that matter here. */
enum mcode_error {
	MCODE_NO_ERROR = 0,
	MCODE_NO_HOME = 82,
	MCODE_PLUS_LIMIT = 83,
	MCODE_MINUS_LIMIT = 84,
	MCODE_MOVES = 85, /* already, when it was told to */
	MCODE_STALL = 86
};
const char *mcode_error_text(int error); /* "stall"; "?" where there are no words */

/* Whether an error is one of motion; the others are of commands, which noise spoils now and then. */
bool mcode_of_motion(int error);

/* Types of the inputs and outputs, S1 to S4. */
enum mcode_io { MCODE_INPUT = 0, MCODE_HOME = 1, MCODE_OUTPUT = 16 };

/* ---- bytes ---- */

/* What one line of the motor is, without its CR LF; sent is the command it may be the echo of. */
enum mcode_line {
	MCODE_NOTHING, /* an empty line, a prompt, an echo */
	MCODE_NUMBER,  /* *value */
	MCODE_WORDS,   /* anything else that is printable: a version, "7,0" */
	MCODE_START,   /* the banner */
	MCODE_NOISE    /* bytes that no motor sends */
};
enum mcode_line mcode_line(const char *line, size_t n, const char *sent, int64_t *value);

/* ---- one motor ---- */

/* Zero it after each opening, then set fd. */
struct mcode {
	int fd;
	int error;   /* PR ER after MCODE_REFUSED */
	bool banner; /* it has started anew since this was cleared */
	/* Called after a signal, then the wait goes on: nothing ends in the middle of a question.
	 * NULL: MCODE_STOPPED. */
	void (*interrupted)(void);
	char words[MCODE_LINE]; /* the last answer that was no number */
	char buf[MCODE_LINE];   /* private */
	size_t n, used;
};

/* Quiets the motor (EM=2) and finds out whether it is there. Changes nothing else. */
enum mcode_answer mcode_hello(struct mcode *m, int64_t deadline);

/* Asks for a variable once. */
enum mcode_answer mcode_ask(struct mcode *m, const char *name, int64_t deadline, int64_t *value);

/* The same until two answers in a row differ by at most tolerance. */
enum mcode_answer mcode_read(
    struct mcode *m, const char *name, int64_t deadline, int64_t tolerance, int64_t *value);

/* Writes a variable and reads it back. */
enum mcode_answer mcode_set(struct mcode *m, const char *name, int64_t value, int64_t deadline);

/* Sets up input or output number 1 to 4, and reads it back. */
enum mcode_answer mcode_io(
    struct mcode *m, int number, enum mcode_io type, bool active_high, int64_t deadline);

/* Sends a command, and asks whether it was taken; one that noise has spoilt is sent again, so it
 * must be one that may be said twice. Clears ER before. */
enum mcode_answer mcode_do(struct mcode *m, const char *command, int64_t deadline);

/* An absolute move in counts, by way of register R2. */
enum mcode_answer mcode_move(struct mcode *m, int64_t to, int64_t deadline);

#endif
