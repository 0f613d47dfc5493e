/*
 * bus.h - messages beyond one process: addresses, the head of a message, counting what is missing
 *
 * What both engines (zmq.h, nats.h) share. A message is a head of 48 bytes and then the very block
 * that stands in the pipe (man5/fyke-bus.5). A stream here is one section of a capture stream: a
 * run, or what a publisher sent from its start to its end.
 */
#ifndef FYKE_BUS_H
#define FYKE_BUS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

#define BUS_WHY     320
#define BUS_MAGIC   UINT32_C(0x626b7966) /* "fykb" in the message */
#define BUS_VERSION 1
#define BUS_MOST    (512 << 10) /* the longest message that is believed */

/* ---- addresses ---- */

enum bus_engine { BUS_ZMQ, BUS_NATS };
enum bus_side { BUS_PUBLISHER, BUS_SUBSCRIBER };
enum bus_start { BUS_START_ALL, BUS_START_NEW, BUS_START_SEQ, BUS_START_TIME };

struct bus_url {
	enum bus_engine engine;
	char address
	    [512]; /* ZeroMQ's endpoint; or NATS servers, nats://HOST:PORT joined by commas */
	char stream[128], subject[128]; /* NATS */
	/* ?key=value of ZeroMQ; time in ns */
	int64_t hwm;     /* messages that may wait for a subscriber, 0: as fits into memory */
	int64_t linger;  /* how long the end waits for subscribers that are behind */
	int64_t dropold; /* 0: none */
	bool nodrop;     /* wait for slow subscribers */
	bool bind;       /* listen (the publisher's default), or connect */
	/* ... and of NATS */
	char durable[128];
	enum bus_start start;
	uint64_t start_seq;
	int64_t start_time;
	int64_t replicas;
	int64_t window; /* messages that may be without acknowledgement */
	int64_t dup;    /* the broker's window for duplicates */
	int64_t
	    timeout; /* how long a broker, or a publisher amid a stream, may be away; 0: for ever */
};

/* zmq+tcp://HOST:PORT?key=value&..., zmq+ipc://PATH, nats://HOST[:PORT],.../STREAM/SUBJECT. A key
 * that is unknown, that the side or the engine does not have, or that comes twice is refused, and
 * so are user names and passwords. 0, or -1 with why. */
int bus_url(const char *text, enum bus_side side, struct bus_url *u, char why[BUS_WHY]);

/* ---- credentials ---- */

#define BUS_SECRET 128
struct bus_secrets {
	char path[512]; /* the file, for NATS's own form (creds) */
	bool creds;     /* it is one: "-----BEGIN NATS USER JWT-----" */
	char user[BUS_SECRET], password[BUS_SECRET], token[BUS_SECRET]; /* NATS */
	char pub[41], secret[41], server[41];                           /* CURVE keys, Z85 */
	char client[16][41]; /* whom a publisher lets in */
	int nclients;
};

/* Reads a file that only its owner may read (mode 0600). 0, or -1 with errno (EPERM: others may
 * read it) and why. */
int bus_secrets(const char *path, struct bus_secrets *s, char why[BUS_WHY]);

/* ---- the head ---- */

enum bus_what {
	BUS_HEADER = 1, /* section header and interface description: the card */
	BUS_BLOCK = 2,  /* one event or packet */
	BUS_BEAT = 3,   /* a heartbeat: no block with an earlier time follows */
	BUS_END = 4     /* the end mark */
};

/*
 *  off  type  head of a message, little-endian (man5/fyke-bus.5)
 *    0  u32   magic
 *    4  u16   version
 *    6  u16   kind: header 1, block 2, beat 3, end 4
 *    8  u64   stream: which one; another number after each start of the publisher
 *   16  u64   sequence of this message in it, from 0; a header has that of the next message
 *   24  u64   records (events, packets) in the stream before this message
 *   32  u32   run; 0 where there is none
 *   36  u32   0
 *   40  i64   when it was sent, UTC ns
 */
struct bus_head {
	u32le magic;
	u16le version, kind;
	u64le stream, sequence, records;
	u32le run, zero;
	i64le sent;
};
static_assert(sizeof(struct bus_head) == 48, "fyke-bus(5)");

struct bus_msg {
	enum bus_what kind;
	uint64_t stream, sequence, records;
	uint32_t run;
	int64_t sent;
	int64_t time;         /* of a block */
	const uint8_t *block; /* in the message */
	size_t size;
};

void bus_put_head(struct bus_head *h, const struct bus_msg *m);

/* Takes a message apart and checks all of it, blocks by their hash. 0, or what is wrong. */
const char *bus_decode(const void *message, size_t n, struct bus_msg *m);

/* ---- counting ---- */

/* What a subscriber has seen. All zero at the start. */
struct bus_follow {
	bool joined;  /* a stream was followed before: the next one is owed from its start */
	bool open;    /* stream, sequence and records are valid */
	bool resumed; /* sequence is known, records are not: the next message tells them */
	uint64_t stream, sequence, records; /* of the message that should come next */
	uint64_t missed;                    /* records, in this stream */
	uint64_t before;                    /* messages that came before a header, all streams */
};

enum bus_verdict {
	BUS_JOIN,  /* a header: a section begins; *missed were gone before it */
	BUS_NEXT,  /* to be written; *missed records are missing just before it */
	BUS_AGAIN, /* seen before: a header for somebody else, or a message delivered twice */
	BUS_LOST   /* of a stream whose header did not come: ask for it */
};

enum bus_verdict bus_follow(struct bus_follow *f, const struct bus_msg *m, uint64_t *missed);

#endif
