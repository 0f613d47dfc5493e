/*
 * onc.h - calls of ONC RPC with deadlines, over TCP and UDP, and the portmapper
 *
 * The messages are libtirpc's and rpcgen's; the waiting is ours: each call ends by its deadline or
 * by a signal, and no reply is longer than it may be. A call is
 *
 *	XDR x;
 *	bool put = onc_begin(&o, &x, PROGRAM, VERSION, PROCEDURE) && xdr_question(&x, &q);
 *	if (onc_exchange(&o, fd, &x, put, until) == 0 && xdr_answer(&x, &a)) ...
 *
 * with fd from tcp_connect(). Functions return 0, or -1 with errno and why: EINTR stopped;
 * ETIMEDOUT no answer in time; EPROTO what came is no answer to this call; others from the network.
 *
 * Source: RFC 5531 (RPC, record marking), RFC 1833 (portmapper).
 */
#ifndef FYKE_ONC_H
#define FYKE_ONC_H

#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"
#include "why.h"

#define ONC_WHY 512

struct onc {
	const char *peer, *service; /* for messages: "the instrument", "VXI-11" */
	size_t out_most, in_most;   /* longest call and reply, in bytes */
	bool (*stopping)(void);     /* asked after a signal: end now? NULL: always */
	char why[ONC_WHY];          /* one sentence after -1 */
	uint32_t xid;               /* of the last call */
	bool in_reply;              /* a reply has begun to come */
	uint8_t *out, *in;          /* private */
	size_t nin, in_size;
};

/* HOST (its portmapper is asked, on port `portmapper`) or HOST:PORT (direct); "tcp:" may stand
 * before. 0, or -1 with EINVAL. */
int onc_address(const char *text, unsigned portmapper, struct net_spec *spec, bool *direct);

/* Before calls. 0, or -1 with ENOMEM. */
int onc_ready(struct onc *o);
void onc_free(struct onc *o);

/* errno and why, for those who work with it. Returns -1. */
#define onc_fail(o, error, ...) why_fail((o)->why, sizeof(o)->why, error, __VA_ARGS__)

/* The head of a call; its arguments are to follow on x. */
bool onc_begin(struct onc *o, XDR *x, u_long program, u_long version, u_long procedure);

/* Sends what was put on x since onc_begin() (encoded: all of it fitted), and reads the reply's
 * head: its result is left on x. */
int onc_exchange(struct onc *o, int fd, XDR *x, bool encoded, int64_t until);

/* Only the reply, to the call whose number is xid. */
int onc_reply(struct onc *o, int fd, XDR *x, int64_t until);

/* The same by datagrams, on a connected socket: the call is sent every so many ns, because a
 * datagram may be lost. */
int onc_exchange_udp(struct onc *o, int fd, XDR *x, bool encoded, int64_t every, int64_t until);

/* A UDP socket that is connected to the first address of `to`. */
int onc_udp(struct onc *o, const struct net_spec *to);

/* Asks the portmapper at `mapper` where a program is. udp: by UDP and not by TCP. */
struct onc_program {
	u_long program, version;
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};
int onc_port(struct onc *o, const struct net_spec *mapper, const struct onc_program *p, bool udp,
    u_int *port, int64_t until);

#endif
