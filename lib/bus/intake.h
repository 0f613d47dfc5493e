/*
 * intake.h - bytes of a descriptor to lines of line protocol: checked, and each with its time
 */
#ifndef FYKE_INTAKE_H
#define FYKE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intake;

/* Called for a line that is no line protocol. */
typedef void intake_bad(void *ctx, const char *why, const char *line, size_t n);

/* unit: ns of one tick of the times that are added. NULL: no memory. */
struct intake *intake_new(int64_t unit, intake_bad *bad, void *ctx);
void intake_free(struct intake *t);

/* Reads once from fd and checks the lines that are whole. Only when nothing is ready (any more).
 * 1, 0 at the end of input, -1 with errno. */
int intake_read(struct intake *t, int fd);

/* The input ends here: what has no end of line is the last line. */
void intake_end(struct intake *t);

/* Good lines, each with a newline: *n bytes, *lines of them (0: none). Stay until intake_taken(). */
const char *intake_ready(const struct intake *t, size_t *n, size_t *lines);
void intake_taken(struct intake *t);

struct intake_state {
	uint64_t lines, bad; /* lines that are no comments; those of them that are refused here */
	bool strings;        /* a field was text */
};
const struct intake_state *intake_state(const struct intake *t);

#endif
