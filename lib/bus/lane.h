/*
 * lane.h - records on their way to a slower thread, without a lock
 *
 * One thread puts, another one takes. Neither ever waits for the other inside these functions, so
 * the taker may run at the lowest priority: where a lock was held by a thread that gets no CPU, the
 * one that puts would stand still. What does not fit is the putting thread's to drop.
 */
#ifndef FYKE_LANE_H
#define FYKE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane;

/* bytes: a power of 2. NULL with errno. */
struct lane *lane_new(size_t bytes);
void lane_free(struct lane *l);

/* ---- by the thread that puts ---- */

/* Room for a record of n bytes, 8-byte aligned, such that reserve bytes stay free after it. NULL:
 * it does not fit. */
void *lane_room(struct lane *l, size_t n, size_t reserve);
void lane_put(struct lane *l, size_t n); /* n as given to lane_room() */

/* Wakes the taker where it sleeps. Costs a system call then, so not for each record. */
void lane_ring(struct lane *l);

/* ---- by the thread that takes ---- */

/* The oldest record, until lane_done(). NULL: there is none. */
const void *lane_look(struct lane *l, size_t *n);
void lane_done(struct lane *l);

/* Goes to sleep: true, and lane_bell() will be readable when something was put and rung for; false,
 * something is there already. lane_awake() after it. */
bool lane_sleep(struct lane *l);
int lane_bell(const struct lane *l);
void lane_awake(struct lane *l);

#endif
