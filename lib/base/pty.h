/*
 * pty.h - a pseudo-terminal for a simulator: raw, with a name that others open
 */
#ifndef FYKE_PTY_H
#define FYKE_PTY_H

#include <stdbool.h>
#include <stddef.h>

#define PTY_NAME 64

struct pty {
	int fd;              /* the simulator's side, non-blocking; -1: closed */
	char name[PTY_NAME]; /* what others open: /dev/pts/4 */
};

/* 0, or -1 with errno. */
int pty_open(struct pty *p);

/* What unplugging looks like: who has it open reads an end of file or EIO. */
void pty_close(struct pty *p);

/* Whether somebody has it open now. */
bool pty_in_use(const struct pty *p);

/* Makes link a symbolic link to it, in the place of another symbolic link at once; anything else
 * there is left alone (EEXIST). 0, or -1 with errno. */
int pty_link(const struct pty *p, const char *link);

#endif
