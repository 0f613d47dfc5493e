/*
 * rotmove.h - the rotator at work: looked at, homed, moved, stopped
 *
 * A coarse move on the motor's own encoder, then corrections by the gear encoder until it agrees,
 * always from the clockwise side, so that belt slack and gear play are taken up as they were at
 * home. The motor controller's lines: input 1 the home sensor (active low), input 2
 * READY_TO_ROTATE, output 3 ROTATING, both active high. ROTATING drops whatever happens, as long as
 * the motor can be spoken to.
 *
 * Every function may take seconds; while it waits, it calls wait(). Nothing here homes unasked.
 */
#ifndef FYKE_ROTMOVE_H
#define FYKE_ROTMOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tty.h"
#include "rot.h"

struct rot_options {
	struct rot_setup setup;
	struct tty_spec motor, encoder;
	const char *state;         /* the file (rotkeep.h) */
	double fast, slow;         /* degree/s: a coarse move, the last approach */
	double search;             /* degrees: so far clockwise home looks for the tab */
	double tolerance;          /* degrees: of the gear encoder to the target */
	int64_t patience;          /* ns: for a serial line that is gone */
	void (*interrupted)(void); /* called after a signal in the middle of a question */
};

/* How something ended. */
enum rot_end {
	ROT_DONE,
	ROT_DEVICE,  /* the device reported an error: stall, slip, limit, no tab */
	ROT_LOST,    /* no answer, no port, a file that cannot be written */
	ROT_REFUSED, /* by the range, by its state, by another program */
	ROT_STOPPED, /* because wait() said so */
	ROT_ENDS
};

struct rot_calls {
	/* Serves others until tim_mono() == until. false: a stop is asked (from then on it waits
	 * its time out, and says so again). */
	bool (*wait)(void *ctx, int64_t until);
	void (*changed)(void *ctx); /* rot_status() has */
	/* Who did what, old -> new; why it failed, or "". */
	void (*audit)(void *ctx, const char *text, const char *why);
	void (*note)(void *ctx, const char *text);
};

struct rot;

/* NULL: no memory. Options are copied, their strings and calls kept. */
struct rot *rot_new(const struct rot_options *o, const struct rot_calls *calls, void *ctx);

/* Lets everything go; moves nothing. */
void rot_free(struct rot *r);

/* Takes the lock and reads the state file; ROT_REFUSED: another program has it. */
enum rot_end rot_take(struct rot *r);

/* Opens the two ports, where they are not open, and looks. ROT_DONE also when what it saw is no
 * good state. ROTATING is lowered where nothing turns. */
enum rot_end rot_look(struct rot *r);

enum rot_end rot_goto(struct rot *r, const char *who, double target);

/* first: so many degrees counter-clockwise before looking for the tab. */
enum rot_end rot_home(struct rot *r, const char *who, double first);
enum rot_end rot_stop(struct rot *r, const char *who);

/* Whether READY_TO_ROTATE is up. */
enum rot_end rot_ready(struct rot *r, bool *ready);

const struct rot_status *rot_status(const struct rot *r);
const char *rot_why(const struct rot *r); /* one sentence after anything but ROT_DONE */

#endif
