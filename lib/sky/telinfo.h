/*
 * telinfo.h - the telescope's RPC record, asked for over the network (telinfo.x): a client with
 * deadlines
 *
 * What the record holds, hk_from_rpc() knows.
 */
#ifndef FYKE_TELINFO_H
#define FYKE_TELINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "base/onc.h"
#include "sky/hk.h"

struct telinfo_at {
	struct net_spec spec;
	bool direct; /* spec's port is the program's own; else the portmapper's */
	bool udp;
	unsigned long program, version, procedure;
};

/* HOST (its portmapper is asked) or HOST:PORT, then any of ,udp ,portmapper=PORT ,program=N
 * ,version=N ,procedure=N. 0, or -1 with why. */
int telinfo_address(const char *text, struct telinfo_at *at, char why[NET_WHY]);

struct telinfo {
	int fd; /* -1: not connected */
	const struct telinfo_at *at;
	struct onc onc; /* its stopping() and why[] are the user's */
};
#define TELINFO_INIT                                                                               \
	{                                                                                          \
		.fd = -1,                                                                          \
		.onc = {.peer = "the telescope",                                                   \
			.service = "program of this number",                                       \
			.out_most = 512,                                                           \
			.in_most = 4096 }                                                          \
	}

/* Connects where it is not, asks, and takes the record, all within patience ns. 0, or -1 with errno
 * and onc.why as in onc.h; it is then not connected. */
int telinfo_ask(struct telinfo *t, uint8_t record[RPC_SIZE], int64_t patience);

void telinfo_close(struct telinfo *t);

#endif
