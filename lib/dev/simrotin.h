/*
 * simrotin.h - the inside of the simulated rotator, shared by its files
 *
 * simdewar.c mechanics: shaft, belt, dewar, gears, tab, limits, one step of time after the other
 * simmotor.c the MDrive: its variables, its inputs and outputs, its commands
 * simrot.c   time, serial lines, the AD4, what a test does to it, the truth
 *
 * Angles are degrees of the dewar, speeds degrees a second.
 */
#ifndef FYKE_SIMROTIN_H
#define FYKE_SIMROTIN_H

#include "simrot.h"

#define STEP    0.001 /* s of the simulated world */
#define COMMAND 64
#define OUT     4096
#define VARS    48

/* What the shaft does; SETTLE: back from beyond a move's target, BRAKE and CREEP: home. */
enum motion { STILL, MOVE, SETTLE, SLEW, SEEK, BRAKE, CREEP };

/* A variable of the motor. */
struct var {
	char name[4];
	int32_t value, at_start;
	bool read_only;
};

/* One direction of a serial line: bytes with the times at which they arrive. */
struct line {
	char byte[OUT];
	int64_t due[OUT];
	size_t n;
	int64_t busy, heard; /* until the last byte has passed, out and in */
	int64_t away;        /* unplugged until then */
	int silent, garbage; /* replies to swallow; replies to spoil */
};

struct simrot {
	struct simrot_options o;
	void (*journal)(void *ctx, const char *text);
	void *ctx;
	int64_t began, now;
	double time; /* s of the simulated world */
	uint64_t random, version;
	/* degrees of the dewar */
	double dewar, shaft, gear; /* true; the motor's shaft; the encoder's gear */
	double zero;               /* the shaft's angle where P is 0 */
	double block;              /* something in the way there; NAN: nothing */
	double stick;              /* above it the encoder's counter stands still; NAN: nowhere */
	bool powered, tab_seen, no_home, ready, partial, was_busy;
	/* the motor */
	enum motion motion;
	double speed, target, settle; /* degree/s, degrees */
	int seek, stall_next;         /* direction; moves that stall */
	double slip, slip_next;       /* of the belt so far, and to come */
	struct var var[VARS];
	int nvars;
	char io[4][16]; /* S1 to S4 as they were set */
	char command[COMMAND + 1];
	size_t ncommand;
	/* the encoder */
	int multiplier;
	int32_t counter;
	int64_t tooth; /* quarters of lines that the gear has passed */
	uint8_t asked[8];
	size_t nasked;
	bool keeps; /* the counter does not take a preset */
	struct line line[SIMROT_PORTS];
};

/* ---- simdewar.c ---- */

bool simdewar_on_tab(const struct simrot *s); /* the home sensor sees it */
void simdewar_step(struct simrot *s);
bool simdewar_at_rest(const struct simrot *s); /* no step would change anything */
void simdewar_stop(struct simrot *s);
void simdewar_cut_power(struct simrot *s, const char *why);

/* ---- simmotor.c ---- */

/* As it leaves the factory, with its power on. */
void simmotor_new(struct simrot *s);
void simmotor_power(struct simrot *s, bool on);
void simmotor_byte(struct simrot *s, char c); /* from the host */

int32_t simmotor_get(const struct simrot *s, const char *name);
void simmotor_put(struct simrot *s, const char *name, int32_t value);

/* Counts of P per degree: of the motor's encoder, or microsteps where EE is 0. */
double simmotor_units(const struct simrot *s);
int64_t simmotor_position(const struct simrot *s);

void simmotor_stalls(struct simrot *s);
bool simmotor_input(const struct simrot *s, int number); /* 1: home, 2: READY_TO_ROTATE */
bool simmotor_busy(const struct simrot *s);              /* ROTATING is up */

/* ---- simrot.c ---- */

double simrot_chance(struct simrot *s);                                 /* 0 to 1, from the seed */
void simrot_tell(struct simrot *s, const char *what, const char *text); /* to the journal */
void simrot_reply(struct simrot *s, enum simrot_port port, const char *bytes, size_t n);

#endif
