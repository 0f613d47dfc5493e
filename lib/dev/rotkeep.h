/*
 * rotkeep.h - what rotctl knows across its runs: a small text file, and the lock beside it
 *
 * The motor and the encoder lose their counts with their power, and do not tell: at home a number
 * (token) goes into a register of the motor and into this file; as long as both agree, the counts
 * are those of that home.
 */
#ifndef FYKE_ROTKEEP_H
#define FYKE_ROTKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "rot.h"

struct rotkeep {
	bool homed;
	bool settled;      /* at rest where a move from the right side left it */
	bool moving;       /* a move was begun: what follows is older */
	int32_t token;     /* in the motor's register R1 */
	int32_t gear_zero; /* the gear's count at home */
	int64_t motor;     /* counts at the last rest */
	int32_t gear;
	int64_t time;      /* UTC ns of the writing; 0: never written */
	int64_t home_time; /* of the last homing */
	char why[ROT_WHY]; /* why it is not homed any more; "": never was */
};

#define ROTKEEP_PATH 512

/* The file: given by option (or NULL), else $XDG_STATE_HOME/fyke/NAME.state, else
 * /var/lib/fyke/NAME.state. Makes the folder fyke. 0, or -1 with why. */
int rotkeep_path(const char *option, const char *name, char path[ROTKEEP_PATH], char why[ROT_WHY]);

/* Takes the lock PATH.lock; *fd holds it until it is closed. 0, or -1 with errno and why; EBUSY:
 * another program has it. */
int rotkeep_lock(const char *path, int *fd, char why[ROT_WHY]);

/* Reads the file. 0 (k->time 0: there is none), or -1 with why: k is then not homed. */
int rotkeep_read(const char *path, struct rotkeep *k, char why[ROT_WHY]);

/* From its text; -1 with EPROTO. */
int rotkeep_parse(const char *text, struct rotkeep *k);

/* For a person, where nobody answers: "unknown: at 2026-11-20T11:05:28Z it stood at 3.00 degrees". */
char *rotkeep_sentence(const struct rotkeep *k, const struct rot_setup *s, char buf[ROT_WHY]);

/* Writes it, whole or not at all. 0, or -1 with errno and why. */
int rotkeep_write(const char *path, const struct rotkeep *k, char why[ROT_WHY]);

#endif
