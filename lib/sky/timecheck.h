/*
 * timecheck.h - can the clocks be trusted? this machine's by its kernel and chrony, the DAS's by
 * the TTL edges that it and the telescope saw
 */
#ifndef FYKE_TIMECHECK_H
#define FYKE_TIMECHECK_H

#include <stdbool.h>
#include <stdint.h>

#define TIMECHECK_WHY 512

struct timecheck_machine {
	bool synchronised; /* the kernel says so (adjtimex(2)): a program disciplines the clock */
	double offset;     /* s still to be corrected, by the kernel; by chrony where it answers */
	double error;      /* s, the kernel's bound on its error */
	bool chrony;       /* chronyc answered */
	bool chrony_good;  /* and calls its state normal */
};

/* Asks the kernel, then `chronyc -c tracking` where there is one, for at most 5 s. 0, or -1 with
 * errno. */
int timecheck_machine(struct timecheck_machine *m);

/* What `chronyc -c tracking` said: fields by commas, the fifth is the offset, the last the state.
 * 0, or -1 when it is none of this. */
int timecheck_tracking(const char *text, struct timecheck_machine *m);

struct timecheck_das {
	const char *raw, *header, *calspec;
	int format;      /* merge -ff */
	int64_t day;     /* since 1970; -1: today or, before its first file, yesterday */
	int64_t minutes; /* how far back from the newest raw file */

	double offset; /* s, DAS minus telescope, at the end of the newest raw file */
	double rms;    /* s, of the edges */
	int edges;     /* that both saw; 0: nothing can be said */
	int64_t last;  /* UTC ns of the last one, by the DAS */
};

/* 0, or -1 with errno (EINVAL: the calspec is wrong, ENOENT: no raw files) and a sentence. */
int timecheck_das(struct timecheck_das *d, char why[TIMECHECK_WHY]);

#endif
