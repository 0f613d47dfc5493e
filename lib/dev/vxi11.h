/*
 * vxi11.h - an instrument on the network by VXI-11 (ONC RPC over TCP): a client with deadlines
 *
 * The messages are rpcgen's and libtirpc's (vxi11.x); the waiting is ours: each call ends by its
 * deadline or by a signal, no reply is longer than it may be, and a read that has to end early is
 * aborted, so that the instrument is not left with half an answer.
 *
 * Source: VXI-11 specification 1.0, RFC 5531 (RPC, record marking), RFC 1833 (portmapper).
 */
#ifndef FYKE_VXI11_H
#define FYKE_VXI11_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "base/onc.h"

enum vxi11_error {
	VXI11_OK = 0,
	VXI11_SYNTAX = 1,
	VXI11_NOT_ACCESSIBLE = 3,
	VXI11_BAD_LINK = 4,
	VXI11_PARAMETER = 5,
	VXI11_NO_CHANNEL = 6,
	VXI11_NOT_SUPPORTED = 8,
	VXI11_NO_RESOURCES = 9,
	VXI11_LOCKED = 11,
	VXI11_NOT_LOCKED = 12,
	VXI11_TIMEOUT = 15,
	VXI11_IO = 17,
	VXI11_ADDRESS = 21,
	VXI11_ABORTED = 23,
	VXI11_HAVE_CHANNEL = 29
};
const char *vxi11_text(int error);

struct vxi11_at {
	struct net_spec spec;
	bool direct;        /* spec's port is the instrument's own; else the portmapper's */
	const char *device; /* "inst0" */
};

/* HOST (its portmapper is asked, on port `portmapper`) or HOST:PORT (the instrument itself);
 * "tcp:" may stand before. 0, or -1 with why. */
int vxi11_address(const char *text, unsigned portmapper, struct vxi11_at *at, char why[NET_WHY]);

struct vxi11 {
	int fd, abort_fd; /* -1: closed */
	int32_t link;
	unsigned abort_port;
	size_t max_recv; /* bytes that the instrument takes in one write */
	int error;       /* what the instrument said when the last call failed; 0: nothing */
	const struct vxi11_at *at;
	struct onc onc; /* its stopping() and why[] are the user's */
};

#define VXI11_WRITE_MOST 65536                    /* bytes of one write */
#define VXI11_REPLY_MOST (4 * 1024 * 1024 + 1024) /* bytes of one reply */
#define VXI11_INIT                                                                                 \
	{                                                                                          \
		.fd = -1, .abort_fd = -1,                                                          \
		.onc = {.peer = "the instrument",                                                  \
			.service = "VXI-11",                                                       \
			.out_most = VXI11_WRITE_MOST + 1024,                                       \
			.in_most = VXI11_REPLY_MOST }                                              \
	}

/* Every patience is how long one call may take, in ns. They return 0, or -1 with errno and onc.why:
 * EINTR stopped; ETIMEDOUT no answer in time; EPROTO what came is no VXI-11, or the instrument
 * reported v->error; others from the network. After a failure of the connection it is closed
 * (vxi11_is_open() is false); after an error of the instrument it goes on. */

/* at must stay. */
int vxi11_open(struct vxi11 *v, const struct vxi11_at *at, int64_t patience);
bool vxi11_is_open(const struct vxi11 *v);
void vxi11_close(struct vxi11 *v); /* destroys the link in at most half a second; frees */

int vxi11_write(struct vxi11 *v, const void *data, size_t n, int64_t patience);

/* An answer, growing as it comes; the caller frees data. */
struct vxi11_data {
	uint8_t *data; /* has a NUL after it */
	size_t n, size;
};

/* Appends an answer up to its END, of at most max bytes (more: EPROTO). patience is for each
 * piece. came is told after each piece what is there, and returns how long the answer may become
 * by what it says of itself; NULL: max holds. */
typedef size_t vxi11_came(void *ctx, const uint8_t *data, size_t n);
int vxi11_read(struct vxi11 *v, struct vxi11_data *to, size_t max, int64_t patience,
    vxi11_came *came, void *ctx);

/* The status byte. */
int vxi11_status(struct vxi11 *v, uint8_t *status, int64_t patience);

/* Empties the instrument's buffers. */
int vxi11_clear(struct vxi11 *v, int64_t patience);

/* Ends a call that is under way, by the instrument's other channel. */
int vxi11_abort(struct vxi11 *v, int64_t patience);

#endif
