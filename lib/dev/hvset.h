/*
 * hvset.h - changes of settings: read, checked against the supply's own ranges, made, read back
 *
 * Nothing is sent before every change has been checked. A change that is answered by nothing is
 * read back, never repeated. Only OFF is repeated, until the supply shows it; it is sent, too, where
 * there is no answer that the others could be checked by.
 */
#ifndef FYKE_HVSET_H
#define FYKE_HVSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hvask.h"

#define HVSET_WANTS 256 /* 32 boards of 8 channels */

enum hvset_power { HVSET_KEEP, HVSET_OFF, HVSET_ON };

/* What one channel shall be. value: by parameter; "" leaves it. */
struct hvset_want {
	int board, channel;
	char value[HV_PARS][HV_VALUE];
	enum hvset_power power;
	bool unsure; /* an OFF: its number may mean all channels, the board has not said */
};

enum hvset_end {
	HVSET_DONE,
	HVSET_NOTHING, /* no change was asked */
	HVSET_REFUSED, /* by the supply's range, its number of channels, a limit or its state */
	HVSET_DEVICE,  /* the supply said ERR, or did otherwise than asked */
	HVSET_LOST,    /* no connection or no answer */
	HVSET_STOPPED
};

enum hvset_tone { HVSET_RESULT, HVSET_NOTE, HVSET_WARN, HVSET_FAIL };

struct hvset {
	struct hvask *ask;
	bool dry; /* only say what would be done */
	void (*say)(enum hvset_tone tone, const char *text);
	bool (*stopping)(void);
	void (*progress)(
	    const char *text); /* during hvset_wait(), several times a second; or NULL */
};

/* Reads "0,2", "0-3" into want[0..), on one board. Returns how many, or -1 with why. */
int hvset_channels(const char *list, int board, struct hvset_want *want, int max, char why[HV_WHY]);

/* Reads a file of settings: sections [BOARD.CHANNEL] or [CHANNEL], keys vset, iset, maxv, rup,
 * rdw, trip, pdwn, imrange, power (on, off). Returns how many, or -1 with why. */
int hvset_read(const char *path, struct hvset_want *want, int max, char why[HV_WHY]);

/* Compares what is wanted with what the supply can, and finds those that are unsure. Sends no SET. */
enum hvset_end hvset_check(struct hvset *h, struct hvset_want *want, int n);

/* Switches off those of want that shall be off; never skips one. To be called whatever hvset_check()
 * said, but HVSET_REFUSED. */
enum hvset_end hvset_off(struct hvset *h, struct hvset_want *want, int n);

/* Makes the other changes, ON last. Stops at the first failure. */
enum hvset_end hvset_apply(struct hvset *h, struct hvset_want *want, int n);

/* Switches off every channel of every board (board < 0) or of one. want[0..*n), of HVSET_WANTS, are
 * those that were. */
enum hvset_end hvset_all_off(struct hvset *h, int board, struct hvset_want *want, int *n);

/* Clears alarms and trips of a board. */
enum hvset_end hvset_clear(struct hvset *h, int board);

/* Waits until no channel of want ramps any more, and says where it ended. deadline_ns 0: as long
 * as the ramp needs, half of it and 10 s more. */
enum hvset_end hvset_wait(
    struct hvset *h, const struct hvset_want *want, int n, int64_t deadline_ns);

#endif
