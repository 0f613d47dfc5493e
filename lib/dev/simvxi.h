/*
 * simvxi.h - the network side of a simulated instrument: VXI-11 and a portmapper, with faults
 *
 * Its own reading and writing of RPC, by the specifications: nothing is shared with the client
 * that it tests.
 */
#ifndef FYKE_SIMVXI_H
#define FYKE_SIMVXI_H

#include <stdint.h>

#include "base/net.h"
#include "base/tally.h"
#include "dev/simscope.h"

enum simvxi_fault {
	SIMVXI_SILENT,  /* no reply */
	SIMVXI_HALF,    /* half of the reply, then nothing */
	SIMVXI_HANGUP,  /* the connection is closed instead */
	SIMVXI_GARBAGE, /* random bytes instead */
	SIMVXI_LONG,    /* a record mark of 2 GiB */
	SIMVXI_STALE,   /* a reply to another call first */
	SIMVXI_DENY,    /* the RPC layer refuses the call */
	SIMVXI_ERROR,   /* the instrument reports error 17 */
	SIMVXI_NO_END,  /* answers never end */
	SIMVXI_MORE,    /* more bytes than were asked for */
	SIMVXI_FULL,    /* no more links */
	SIMVXI_FAULTS
};
extern const char *const simvxi_fault_name[SIMVXI_FAULTS];

struct simvxi_options {
	int64_t seed;
	int64_t delay; /* ns before each reply */
	int64_t chunk; /* most bytes in one piece of an answer */
	/* On which calls of the core channel, from 1: 0 never, -1 all. */
	int64_t fault[SIMVXI_FAULTS];
	struct tally *tally;
};

enum { SIMVXI_LOST_SILENT, SIMVXI_LOST_SPOILED, SIMVXI_LOST_HANGUP }; /* in tally->lost */

struct simvxi;

/* scope and o stay the caller's. NULL with errno. */
struct simvxi *simvxi_new(struct simscope *scope, const struct simvxi_options *o);
void simvxi_free(struct simvxi *v);

/* Listens for the instrument's calls; the abort channel gets a port of its own at the same address.
 * at becomes what was bound. 0, or -1 with errno and why. */
int simvxi_listen(struct simvxi *v, struct net_addr *at, char why[NET_WHY]);

/* Answers GETPORT, on TCP and UDP. */
int simvxi_portmapper(struct simvxi *v, struct net_addr *at, char why[NET_WHY]);

/* Waits for calls, for the instrument, or for at most timeout_ns, and serves. */
void simvxi_serve(struct simvxi *v, int64_t timeout_ns);

#endif
