/*
 * simrpc.h - the simulated telescope's RPC service (telinfo.x), with a portmapper and with faults
 *
 * Its own reading and writing of RPC (base/oncwire.h): nothing is shared with the client that it
 * tests. It answers TCP and UDP on one port.
 */
#ifndef FYKE_SIMRPC_H
#define FYKE_SIMRPC_H

#include <stdint.h>

#include "base/net.h"

#define SIMRPC_SIZE 768

enum simrpc_fault {
	SIMRPC_SILENT,  /* no reply */
	SIMRPC_HALF,    /* half of the reply, then nothing */
	SIMRPC_HANGUP,  /* the connection is closed instead */
	SIMRPC_GARBAGE, /* random bytes instead */
	SIMRPC_MARK,    /* a record mark of 2 GiB */
	SIMRPC_STALE,   /* a reply to another call first */
	SIMRPC_DENY,    /* no such program */
	SIMRPC_SHORT,   /* a record of 400 bytes */
	SIMRPC_LONG,    /* a record of 1000 bytes */
	SIMRPC_NOISE,   /* a record of random bytes */
	SIMRPC_FROZEN,  /* the record of the first call again */
	SIMRPC_SLOW,    /* a reply after two seconds */
	SIMRPC_FAULTS
};
extern const char *const simrpc_fault_name[SIMRPC_FAULTS];

struct simrpc_options {
	void (*record)(void *ctx, uint8_t record[SIMRPC_SIZE]); /* of this moment */
	void *ctx;
	int64_t seed;
	int64_t delay; /* ns before each reply */
	struct {
		int64_t from, to;
	} fault[SIMRPC_FAULTS]; /* calls, from 1; 0: never */
};

/* KIND, KIND@N or KIND@N-M into o->fault. 0, or -1 with why. */
int simrpc_fault(const char *text, struct simrpc_options *o, char why[NET_WHY]);

struct simrpc;

/* NULL with errno. */
struct simrpc *simrpc_new(const struct simrpc_options *o);
void simrpc_free(struct simrpc *s);

/* Listens on TCP and UDP; at->port 0: one that is free on both. Without a host: on this machine
 * only. ready is the address for cli_ready(). 0, or -1 with errno and why. */
int simrpc_listen(
    struct simrpc *s, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY]);

/* Is a portmapper too, there. */
int simrpc_portmapper(
    struct simrpc *s, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY]);

/* Waits for calls for at most timeout_ns, and serves. */
void simrpc_serve(struct simrpc *s, int64_t timeout_ns);

#endif
