/*
 * simserve.h - what the simulated telescope serves while time passes: its pointing records on TCP,
 * 100, 10 or 1 of each second, and its RPC record (simrpc.h)
 */
#ifndef FYKE_SIMSERVE_H
#define FYKE_SIMSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "sky/simrpc.h"

#define SIMSERVE_STREAMS 3 /* of every record, every 10th and every 100th */

struct simserve_options {
	const char *stream[SIMSERVE_STREAMS]; /* [HOST:]PORT each, or NULL */
	const char *rpc, *portmapper;         /* the same */
	struct simrpc_options rpc_options;
	void (*ready)(const char *address); /* told of each listener */
};

struct simserve;

/* NULL with errno and why; EINVAL: an address is wrong. */
struct simserve *simserve_new(const struct simserve_options *o, char why[NET_WHY]);
void simserve_free(struct simserve *s);

bool simserve_any(const struct simserve *s); /* whether there is a listener */

/* Serves for at most timeout_ns, or until a signal. */
void simserve_wait(struct simserve *s, int64_t timeout_ns);

/* Sends a second's 100 records of `length` bytes each, to each stream its share. */
void simserve_send(struct simserve *s, const uint8_t *records, size_t length);

#endif
