/*
 * talker.h - the Talker: the observer's log, [TAG]: SYMBOL: text in a syslog datagram
 *
 * <PRI>Mmm dd hh:mm:ss IDENT[PID]: text to a unix datagram socket, because glibc's syslog() knows
 * /dev/log only. Never waits: a full socket is a failure, and so is an absent one.
 */
#ifndef FYKE_TALKER_H
#define FYKE_TALKER_H

#include "cam/codes.h"

#define TALKER_MAX  1024       /* bytes of a datagram */
#define TALKER_PATH "/dev/log" /* unless FYKE_TALKER names another */

struct talker {
	const char *path;  /* NULL: $FYKE_TALKER, or /dev/log */
	const char *ident; /* "seq.expose" */
	int facility;      /* 16 to 23: local0 to local7 */
};

/* "local0" to "local7" as 16 to 23; -1 when it is neither. */
int talker_facility(const char *name);

/* The socket's path. */
const char *talker_where(const struct talker *t);

/* Sends "[TAG]: text", control bytes escaped. 0, or -1 with errno. */
int talker_send(const struct talker *t, enum code_tag tag, const char *text);

#endif
