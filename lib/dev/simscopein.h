/*
 * simscopein.h - the inside of the simulated oscilloscope, shared by its files
 *
 * simwave.c   waveforms: what was measured, and the bytes that tell it
 * simlecroy.c commands and questions
 * simscope.c  acquiring; messages in and out
 */
#ifndef FYKE_SIMSCOPEIN_H
#define FYKE_SIMSCOPEIN_H

#include "dev/simscope.h"

#define COMMAND_MOST 65536 /* bytes of commands that may wait */

/* Values of CMR: what was wrong with the last command. */
enum { CMR_HEADER = 1, CMR_STRING = 6 };

struct channel {
	double vdiv, offset;
	bool on;
	char coupling[8], slope[8], limit[8];
	double level;
};

struct simscope {
	struct simscope_options o;
	char command[COMMAND_MOST];
	size_t ncommand;
	bool complete; /* the last byte of command ends a message */
	uint8_t *out;
	size_t nout, out_size, out_at;

	enum { OFF, SHORT, LONG } header;
	bool words, little, sequence;
	int segments;
	char mode[8];
	double tdiv;
	char source[16];
	struct channel channel[SIMSCOPE_CHANNELS];
	unsigned inr, cmr;
	uint8_t status;

	bool armed;
	int64_t armed_at; /* tim_mono() */
	int got;          /* segments so far */
	bool waiting;     /* WAIT holds up what follows */
	int64_t wait_until;
	uint64_t number; /* of the acquisition that is in memory; 0: none */
	int held;        /* its segments */
	bool held_sequence;
	unsigned stored;
};

/* ---- simwave.c ---- */

void simwave_transfer(struct simscope *s, int channel); /* the waveform is the answer */
void simwave_store(struct simscope *s, int channel);    /* a file on the instrument's own disk */

/* ---- simlecroy.c ---- */

/* One command without its separator, in capitals; changes text. */
void simlecroy_obey(struct simscope *s, char *text, int64_t now);

/* ---- simscope.c ---- */

void simscope_say(struct simscope *s, const void *bytes, size_t n);
void simscope_arm(struct simscope *s, int64_t now);
void simscope_stop(struct simscope *s);

#endif
