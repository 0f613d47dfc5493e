/*
 * simrot.h - a simulated rotator: dewar, belt, gears, limits, an MDrive motor and an AD4 encoder
 *
 * Takes the bytes that a host sends on two serial lines, gives those that come back with the times
 * at which they arrive, and knows the truth. Reads both protocols with decoders of its own, so that
 * it shares no mistake with lib/dev/mcode.c and ad4.c. now is tim_mono().
 *
 * Angles are degrees of the dewar, counter-clockwise positive, 0 where the tab's edge leaves the
 * sensor. The motor drives the dewar through a belt with slack; the dewar drives the encoder's gear
 * with play; both are taken up at each reversal. Beyond a limit the motor's power is cut, and the
 * dewar swings to where it rests.
 */
#ifndef FYKE_SIMROT_H
#define FYKE_SIMROT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMROT_WHY  128
#define SIMROT_TEXT 256 /* a line of truth or journal */

enum simrot_port { SIMROT_MOTOR, SIMROT_ENCODER, SIMROT_PORTS };

struct simrot_options {
	double start;        /* degrees: where the dewar stands at first */
	double rest;         /* where it swings to without power */
	double low, high;    /* of the limit switches */
	double slack, play;  /* of the belt, of the gears; degrees in all */
	double tab;          /* width of the home tab */
	double motor_counts; /* of the motor's encoder per degree, nominally */
	double gear_counts;  /* of the gear encoder per degree */
	double ratio_error;  /* by which the belt's ratio is off */
	double speed;        /* times real time */
	double baud;         /* 0: bytes take no time */
	double noise;        /* probability that a byte is spoilt */
	uint64_t seed;
};

struct simrot;

/* journal may be NULL; else it is told each command that arrives, and what changes. NULL: no
 * memory. */
struct simrot *simrot_new(const struct simrot_options *o, int64_t now,
    void (*journal)(void *ctx, const char *text), void *ctx);
void simrot_free(struct simrot *s);

/* Moves the world on to now. */
void simrot_run(struct simrot *s, int64_t now);

/* Bytes from the host. */
void simrot_bytes(struct simrot *s, enum simrot_port port, const char *data, size_t n, int64_t now);

/* Bytes that have arrived at the host by now, at most size. */
size_t simrot_take(struct simrot *s, enum simrot_port port, int64_t now, char *to, size_t size);

/* When there is something to do next: bytes, motion, a line that comes back. INT64_MAX: nothing. */
int64_t simrot_due(const struct simrot *s);

/* False after "unplug" until its time is over. */
bool simrot_plugged(const struct simrot *s, enum simrot_port port, int64_t now);

/* A command: "power off", "ready on", "slip 1.5", ... (simrot(1) lists them). 0, or -1 with why. */
int simrot_command(struct simrot *s, const char *text, int64_t now, char why[SIMROT_WHY]);

/* The truth as the head and the row of a table, each with its newline. */
void simrot_truth(const struct simrot *s, char head[SIMROT_TEXT], char row[SIMROT_TEXT]);

/* Changes whenever the truth does. */
uint64_t simrot_version(const struct simrot *s);

#endif
