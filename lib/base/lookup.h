/*
 * lookup.h - the addresses of a host name, found beside the caller
 *
 * A name server that does not answer keeps getaddrinfo() for half a minute. A thread waits for it
 * here, so that whoever has others to serve does not:
 *
 *	l = lookup_new(&spec); poll lookup_fd(l) for POLLIN; lookup_end(l, &tcp, why); lookup_free(l)
 */
#ifndef FYKE_LOOKUP_H
#define FYKE_LOOKUP_H

#include "net.h"
#include "tcp.h"

struct lookup;

/* Begins. NULL with errno. */
struct lookup *lookup_new(const struct net_spec *to);

/* Hangs up when it has ended. */
int lookup_fd(const struct lookup *l);

/* 1: found, and in t; 0: not yet; -1 with why. */
int lookup_end(const struct lookup *l, struct tcp *t, char why[NET_WHY]);

/* Does not wait: what is under way ends by itself. NULL: nothing. */
void lookup_free(struct lookup *l);

#endif
