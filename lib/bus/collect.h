/*
 * collect.h - log records from TCP, UDP and unix sockets into a folder of files
 *
 * TCP and unix sockets carry the frames of RFC 6587, a datagram is one record. What was read is in
 * the logdir when collect_wait() returns; the caller writes it out before it calls again, and so
 * reads nothing that it could not keep.
 */
#ifndef FYKE_COLLECT_H
#define FYKE_COLLECT_H

#include <stdint.h>

#include "base/net.h"
#include "logdir.h"

#define COLLECT_ADDRESS (NET_TEXT + 8)

struct collect;

struct collect_options {
	struct logdir *dir;
	const struct net_cidr *allow; /* who may send from other machines; loopback always may */
	size_t nallow;
	void (*debug)(const char *peer, const char *what); /* who comes and goes */
};

/* NULL with errno. The allow-list is kept, not copied. */
struct collect *collect_new(const struct collect_options *o);

/* Listens at tcp:HOST:PORT, udp:HOST:PORT or unix:PATH; without a host on loopback. ready is the
 * address for cli_ready(). 0, or -1 with errno (EINVAL the address; EPERM other machines would
 * reach it and nobody is allowed; EADDRINUSE) and why. */
int collect_listen(
    struct collect *c, const char *text, char ready[COLLECT_ADDRESS], char why[NET_WHY]);

/* Waits for senders, a signal, or timeout_ns, and takes what they sent. 0, or -1 with errno. */
int collect_wait(struct collect *c, int64_t timeout_ns);

struct collect_count {
	uint64_t in;          /* records, those that were lost included */
	uint64_t kernel_drop; /* datagrams for which there was no room */
	uint64_t not_allowed; /* datagrams from elsewhere */
	uint64_t foreign;     /* no RFC 5424: wrapped */
	uint64_t cut;         /* too long, or its sender went in the middle of it */
};
const struct collect_count *collect_count(const struct collect *c);
void collect_free(struct collect *c);

#endif
