/*
 * simscope.h - a simulated LeCroy oscilloscope: commands in, answers and waveforms out
 *
 * Knows nothing of the network (simvxi.h does) and shares no code with what reads it. Time goes
 * on for it only in simscope_turn(). What it measures follows from the seed and the number of the
 * acquisition alone; its clock begins two seconds before midnight of 2024-02-28.
 */
#ifndef FYKE_SIMSCOPE_H
#define FYKE_SIMSCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMSCOPE_CHANNELS 4
#define SIMSCOPE_WHY      256

enum simscope_fault {
	SIMSCOPE_NO_TRIGGER, /* it never triggers */
	SIMSCOPE_PARTIAL,    /* a sequence stops half-way: no more triggers */
	SIMSCOPE_RETRIGGER,  /* it acquires anew after each transfer */
	SIMSCOPE_CUT,        /* a waveform ends half-way */
	SIMSCOPE_TAIL,       /* a waveform is followed by more bytes */
	SIMSCOPE_LIE,        /* a length in the descriptor is 2 GiB */
	SIMSCOPE_NO_DESC,    /* a block of other contents */
	SIMSCOPE_TRACE_OFF,  /* the last channel has no points */
	SIMSCOPE_FOREIGN,    /* it is no LeCroy */
	SIMSCOPE_MUTE,       /* commands are taken, questions are not answered */
	SIMSCOPE_FAULTS
};
extern const char *const simscope_fault_name[SIMSCOPE_FAULTS];

struct simscope_options {
	int64_t seed;
	double rate;      /* triggers a second */
	int64_t points;   /* of a segment; 0: by TDIV */
	int channels;     /* that are switched on */
	const char *disk; /* folder where STO stores, or NULL */
	bool fault[SIMSCOPE_FAULTS];
};

struct simscope;

struct simscope *simscope_new(const struct simscope_options *o); /* NULL with errno */
void simscope_free(struct simscope *s);

/* Commands came; last: the message is complete, and is carried out. */
void simscope_hear(struct simscope *s, const void *bytes, size_t n, bool last, int64_t now);

/* Lets time pass. Returns when it wants to be called again (tim_mono; INT64_MAX: no need). */
int64_t simscope_turn(struct simscope *s, int64_t now);

/* What it has to say. */
const uint8_t *simscope_answer(const struct simscope *s, size_t *n);
void simscope_taken(struct simscope *s, size_t n);

uint8_t simscope_status(struct simscope *s);
void simscope_clear(struct simscope *s); /* forgets commands and answers that wait */
void simscope_abort(struct simscope *s); /* ends a WAIT */

uint64_t simscope_acquired(const struct simscope *s); /* acquisitions so far */

#endif
