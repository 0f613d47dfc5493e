/*
 * screen.h - a terminal that shows one page, redrawn in place
 *
 * The page goes out in one write, each line over the one before: nothing is cleared first, so
 * nothing flickers. Keys come from the terminal even where standard input is a stream.
 */
#ifndef FYKE_SCREEN_H
#define FYKE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen;

/* Takes over the terminal at fd; NULL with errno. */
struct screen *screen_open(int fd);

int screen_width(const struct screen *s);

/* Shows lines of text; what does not fit is left out. 0, or -1 with errno. */
int screen_draw(struct screen *s, const char *text, size_t n);

int screen_fd(const struct screen *s); /* to wait for keys at */
int screen_key(struct screen *s);      /* a key, or -1: none; Ctrl-Z stops the program in here */

/* Gives the terminal back as it was. */
void screen_close(struct screen *s);

#endif
