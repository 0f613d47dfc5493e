/*
 * tally.h - accounting: what came in went out, is held, or was lost for a named reason
 *
 *	in = out + held + sum of lost[]
 *
 * holds at every moment that a tally is shown. Things that are worth a number but are not ways
 * of being lost (sequence gaps, complete events, naps) stand in also[] and are never added.
 * One thread updates a tally.
 */
#ifndef FYKE_TALLY_H
#define FYKE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_MAX  16
#define TALLY_TEXT 4096 /* a buffer for every text below */

struct tally_item {
	const char *name; /* NULL ends the list; words with a space: "kernel drop" */
	uint64_t n;
};

struct tally {
	const char *unit; /* what is counted: "datagrams", "records", "events" */
	uint64_t in, out, held;
	struct tally_item lost[TALLY_MAX];
	struct tally_item also[TALLY_MAX];
	uint64_t queue_used,
	    queue_size; /* bytes or items waiting, and the room for them; 0: none */
};

uint64_t tally_lost(const struct tally *t); /* sum of all losses */
bool tally_sums(const struct tally *t);     /* the identity above */

/* One line for people: "20000 datagrams in, 19990 out, 10 lost (kernel drop 10); gaps 3".
 * Losses and notes that are 0 are left out. Returns buf. */
char *tally_line(const struct tally *t, char buf[TALLY_TEXT]);

/* What --status=FILE holds (fyke-config(5), Status). state is "running", "done" or
 * "failed"; why may be NULL. Returns buf. */
char *tally_json(const struct tally *t, const char *program, const char *name, const char *state,
    const char *why, int64_t now, char buf[TALLY_TEXT]);

/* Writes text as the inside of a JSON string: quotes, backslashes and control bytes escaped,
 * bytes that are not UTF-8 as \u00XX. Always ends with NUL; returns the length. */
size_t tally_escape(char *to, size_t size, const char *text);

#endif
