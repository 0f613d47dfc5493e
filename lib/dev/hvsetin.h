/*
 * hvsetin.h - the inside of hvset, shared by its files
 *
 * hvwant.c   what is wanted: a list of channels, a file of settings
 * hvcheck.c  whether the supply and hvmux will take it
 * hvswitch.c OFF and ON
 * hvset.c    settings made and read back, waiting for the ramps
 */
#ifndef FYKE_HVSETIN_H
#define FYKE_HVSETIN_H

#include "hvset.h"

/* What may be set, in the order in which it is: limits and speeds before what they hold for. */
#define HVSET_PARS 8
extern const enum hv_par hvset_pars[HVSET_PARS];

/* Tells; w (or NULL) is the channel that it is about. */
void hvset_say(struct hvset *h, enum hvset_tone tone, const struct hvset_want *w,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What a failed question (what) means for the whole, and tells it. */
enum hvset_end hvset_because(
    struct hvset *h, const struct hvset_want *w, const char *what, enum hvask_end end);

enum hvset_end hvset_stat(struct hvset *h, const struct hvset_want *w, unsigned *stat);

/* Channels of the smallest board, to which this number may mean all. */
#define HVSET_FEWEST_ALL 4

/* Whether there is such a channel. An OFF is let through, or made unsure, where the board says
 * nothing. silent: the boards that had no answer. They are not asked again: every OFF would wait for
 * it. */
enum hvset_end hvset_place(struct hvset *h, struct hvset_want *w, bool silent[HV_BOARDS]);

enum hvset_end hvswitch_on(struct hvset *h, const struct hvset_want *w);

#endif
