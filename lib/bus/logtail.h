/*
 * logtail.h - what is added to the files of a logdir, live, over rotations and new days
 *
 * A file is known by its inode, so that one which is renamed goes on where it was.
 */
#ifndef FYKE_LOGTAIL_H
#define FYKE_LOGTAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logtail;

/* all: begin with what is there already. NULL with errno. */
struct logtail *logtail_open(const char *path, bool all);

/* Calls line(ctx, text, n) for each new line (without its newline); false ends it. 0, or -1. */
typedef bool logtail_line(void *ctx, const char *text, size_t n);
int logtail_scan(struct logtail *t, logtail_line *line, void *ctx);

/* Waits until something changes, at most timeout_ns. */
void logtail_wait(struct logtail *t, int64_t timeout_ns);
void logtail_close(struct logtail *t);

#endif
