/*
 * ring.h - chunks of whole pcapng blocks on their way from a receiver to a writer thread
 *
 * A disk that stalls must not stall the receiver: it fills chunks of 1 MiB, the writer thread
 * writes them, and what the disk does not take yet waits in memory up to the ring's size. Chunks
 * are handed out last in, first out, so that memory is touched only as far as it is needed. The
 * lock is taken once per chunk and once per ring_show(), never per datagram.
 *
 * One thread fills; ring_ functions are called by that thread only.
 */
#ifndef FYKE_RING_H
#define FYKE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_CHUNK ((size_t)1 << 20)

/* Where the writer thread puts things: all called from that thread. 0, or -1 with errno, after
 * which nothing more is called but cut() and end(). */
struct ring_sink {
	void *ctx;
	size_t
	    step; /* put() at most about so many bytes at a time (at least 128 KiB); 0: a chunk */
	/* A file begins. at: the start of its time. */
	int (*begin)(void *ctx, int64_t at);
	/* Writes n bytes, whole blocks. On -1 *wrote says how many went out. */
	int (*put)(void *ctx, const uint8_t *p, size_t n, size_t *wrote);
	/* Called after a failed put(): takes the last n bytes away again: a piece of a block. */
	void (*cut)(void *ctx, size_t n);
	/* The file is done; whole is false after a failure, and where its end did not come. */
	int (*end)(void *ctx, bool whole);
	/* Called between writes, at least once a second. */
	int (*tick)(void *ctx);
};

/* A chunk in the hands of the receiver: it writes whole blocks at data + used. */
struct ring_chunk {
	uint8_t *data;    /* RING_CHUNK bytes */
	size_t used;      /* bytes of whole blocks */
	uint64_t records; /* packets in them */
	bool begins;      /* a file begins with this chunk, */
	int64_t at;       /* ... at this time */
	bool ends;        /* the file ends with this chunk */
	/* below: the ring's own */
	size_t ready, done;
	uint64_t ready_records, done_records;
	struct ring_chunk *next;
};

struct ring_state {
	uint64_t written; /* packets that went out */
	uint64_t moved;   /* bytes that did */
	size_t used,
	    size;  /* bytes of the chunks that wait or are being filled, of the whole ring */
	int error; /* errno of the first failure, 0: none */
};

struct ring;

/* A ring of at least 4 chunks, and its thread. NULL with errno. */
struct ring *ring_new(size_t bytes, const struct ring_sink *sink);

/* An empty chunk. NULL: there is none now (EAGAIN), or the writer failed (its errno). */
struct ring_chunk *ring_take(struct ring *r);

/* Waits for a chunk to become free, at most timeout_ns: false with errno as above. */
bool ring_wait(struct ring *r, int64_t timeout_ns);

/* How many chunks ring_take() would hand out at once. */
size_t ring_free_chunks(struct ring *r);

/* Lets the writer write what c holds so far; c stays with the caller, who only adds to it. */
void ring_show(struct ring *r, struct ring_chunk *c);

/* Gives a chunk to the writer for good. */
void ring_push(struct ring *r, struct ring_chunk *c);

/* Tells the writer that nothing follows, and waits until all is written and the file closed. 0,
 * or -1 with errno: EAGAIN when the output took nothing for timeout_ns; then the thread is left
 * behind, and only ring_look() and the program's end may follow. */
int ring_finish(struct ring *r, int64_t timeout_ns);

void ring_look(struct ring *r, struct ring_state *s);
void ring_free(struct ring *r);

#endif
