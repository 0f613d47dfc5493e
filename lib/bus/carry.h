/*
 * carry.h - lines from a descriptor to a time-series database: intake, spool and feed together
 */
#ifndef FYKE_CARRY_H
#define FYKE_CARRY_H

#include <stdbool.h>
#include <stdint.h>

#include "feed.h"
#include "intake.h"
#include "spool.h"

/* Fill in the first four, zero the rest; they stay the caller's. */
struct carry {
	int in;
	struct intake *intake;
	struct spool *spool;
	struct feed *feed;
	bool ended;       /* nothing follows on the input */
	bool broken;      /* because it cannot be read */
	bool stuck;       /* the spool's disk takes nothing: the input waits */
	int64_t ended_at; /* tim_mono() */
};

/* Reads what there is, if there is room for it, and puts it into the spool. draining: what is not
 * here already is not waited for. 0, or -1 with errno when `broken` or `stuck` has become true. */
int carry_read(struct carry *c, bool draining);

/* Whether there is room for more of the input. */
bool carry_wants_more(const struct carry *c);

/* Lines that were read, and are not in the spool. */
uint64_t carry_unput(const struct carry *c);

/* Whether all of the input is stored, or refused. */
bool carry_done(const struct carry *c);

/* Whether it is worth going on: the server answers and lets us in, or may do so yet. give_up: ns to
 * wait for that after the end of the input. */
bool carry_hopeful(const struct carry *c, int64_t give_up);

#endif
