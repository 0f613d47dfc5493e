/*
 * talker.h - the Talker: the observer's log, [TAG]: SYMBOL: text in a syslog datagram
 *
 * <PRI>Mmm dd hh:mm:ss IDENT[PID]: text to a unix datagram socket, because glibc's syslog() knows
 * /dev/log only. Never waits: a full socket is a failure, and so is an absent one.
 */
#ifndef FYKE_TALKER_H
#define FYKE_TALKER_H

#include <stdbool.h>

#include "cam/codes.h"

#define TALKER_MAX  1024       /* bytes of a datagram */
#define TALKER_PATH "/dev/log" /* unless FYKE_TALKER names another */

struct talker {
	const char *path;  /* NULL: $FYKE_TALKER, or /dev/log */
	const char *ident; /* "seq.expose" */
	const char *place; /* "local0" to "local7", as the option has it */
	int facility;      /* talker_place(): 16 to 23 */
	bool told;         /* talker_lost() */
};

/* The rows of a cli_option table that name the Talker; t is a struct talker. */
#define TALKER_OPTIONS(t)                                                                          \
	{"talker", 0, CLI_STR, &(t).path, "PATH", "the Talker's socket (/dev/log)", 0, 0},         \
	{                                                                                          \
		"facility", 0, CLI_STR, &(t).place, "NAME",                                        \
		    "of the Talker: local0 to local7 (local0)", 0, 0                               \
	}

/* Sets t->facility by t->place. 0; -1: there is no such facility. */
int talker_place(struct talker *t);

/* The socket's path. */
const char *talker_where(const struct talker *t);

/* Sends "[TAG]: text", control bytes escaped. 0, or -1 with errno. */
int talker_send(const struct talker *t, enum code_tag tag, const char *text);

/* The same for a program to which the Talker's absence changes nothing: true, with errno, for the
 * first message that was not delivered, to be told once. */
bool talker_lost(struct talker *t, enum code_tag tag, const char *text);

#endif
