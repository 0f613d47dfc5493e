/*
 * ring.c - chunks of whole pcapng blocks on their way from a receiver to a writer thread
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/tim.h"
#include "base/wire.h"
#include "stream/cap.h"
#include "stream/ring.h"

struct ring {
	struct ring_sink sink;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, room; /* for the writer; for the receiver */
	uint8_t *memory;
	size_t nchunks, nfree;
	struct ring_chunk *chunk;       /* nchunks */
	struct ring_chunk *free;        /* last in, first out */
	struct ring_chunk *head, *tail; /* pushed, first in, first out */
	struct ring_chunk *shown;       /* the receiver's, after all that were pushed */
	bool starved;                   /* the receiver waits for room */
	bool last, done;                /* nothing follows; the thread has ended */
	bool file_open;                 /* the writer's own */
	uint64_t written;
	uint64_t progress; /* bytes written, to see whether the output moves */
	int error;
};

/* ---- the writer thread ---- */

static struct timespec mono_spec(int64_t mono)
{
	return (struct timespec){.tv_sec = mono / TIM_S, .tv_nsec = mono % TIM_S};
}

/* Whole blocks in the first n bytes of p: their bytes, and how many of them are packets. */
static size_t whole_blocks(const uint8_t *p, size_t n, uint64_t *packets)
{
	enum { PACKET = 6 };
	size_t at = 0;

	*packets = 0;
	while (n - at >= 8) {
		u32le type, length;
		memcpy(&type, p + at, sizeof type);
		memcpy(&length, p + at + 4, sizeof length);
		if (wire_get(length) > n - at)
			break;
		*packets += wire_get(type) == PACKET;
		at += wire_get(length);
	}
	return at;
}

/* What of c may be written: called with the lock held. */
struct piece {
	struct ring_chunk *c;
	size_t from, to;
	uint64_t records;
	bool begins, ends, pushed;
};

static bool next_piece(struct ring *r, struct piece *w)
{
	struct ring_chunk *c = r->head ? r->head : r->shown;

	if (!c || (!r->head && c->done == c->ready))
		return false;
	*w = (struct piece){.c = c,
	    .from = c->done,
	    .to = c->ready,
	    .records = c->ready_records - c->done_records,
	    .begins = c->begins && c->done == 0,
	    .ends = r->head && c->ends,
	    .pushed = r->head != NULL};
	if (r->sink.step && w->to - w->from > r->sink.step) {
		w->to = w->from + whole_blocks(c->data + w->from, r->sink.step, &w->records);
		w->ends = w->pushed = false;
	}
	return true;
}

/* Writes a piece, without the lock: 0 or the errno. Sets how many packets went out. */
static int write_piece(struct ring *r, struct piece *w)
{
	const uint8_t *p = w->c->data + w->from;
	size_t wrote = 0;

	if (w->begins) {
		r->file_open = true;
		if (r->sink.begin(r->sink.ctx, w->c->at) < 0) {
			w->records = 0;
			return errno;
		}
	}
	if (w->to > w->from && r->sink.put(r->sink.ctx, p, w->to - w->from, &wrote) < 0) {
		int error = errno;
		size_t whole = whole_blocks(p, wrote, &w->records);
		r->sink.cut(r->sink.ctx, wrote - whole);
		return error;
	}
	if (w->ends) {
		r->file_open = false;
		return r->sink.end(r->sink.ctx, true) < 0 ? errno : 0;
	}
	return r->sink.tick(r->sink.ctx) < 0 ? errno : 0;
}

/* Takes a written piece off the books, with the lock held. A chunk that the receiver pushed
 * while it was written still stands at the head, and may hold more. */
static void account(struct ring *r, const struct piece *w)
{
	struct ring_chunk *c = w->c;

	r->written += w->records;
	r->progress += w->to - w->from;
	c->done = w->to;
	c->done_records += w->records;
	if (!w->pushed)
		return;
	r->head = c->next;
	if (!r->head)
		r->tail = NULL;
	c->next = r->free;
	r->free = c;
	r->nfree++;
	if (r->starved)
		pthread_cond_signal(&r->room);
}

/* Waits for work for at most a second, so that the sink's timers run. */
static void wait_work(struct ring *r)
{
	struct timespec until = mono_spec(tim_mono() + TIM_S);

	pthread_cond_timedwait(&r->work, &r->lock, &until);
}

static void *writer(void *arg)
{
	struct ring *r = arg;
	struct piece w;
	int error = 0;

	pthread_mutex_lock(&r->lock);
	while (!error) {
		bool some = next_piece(r, &w);
		if (!some && r->last)
			break;
		if (!some)
			wait_work(r);
		pthread_mutex_unlock(&r->lock);
		if (some)
			error = write_piece(r, &w);
		else if (r->sink.tick(r->sink.ctx) < 0)
			error = errno;
		pthread_mutex_lock(&r->lock);
		if (some)
			account(r, &w);
	}
	r->error = error;
	pthread_mutex_unlock(&r->lock);
	/* A file that is open here never had its end. */
	if (r->file_open && r->sink.end(r->sink.ctx, false) < 0 && !error)
		error = errno;
	pthread_mutex_lock(&r->lock);
	r->error = error;
	r->done = true;
	pthread_cond_signal(&r->room);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- the receiver's side ---- */

static int start(struct ring *r)
{
	pthread_condattr_t mono;
	sigset_t all, before;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&r->work, &mono);
	pthread_cond_init(&r->room, &mono);
	pthread_condattr_destroy(&mono);
	/* Signals are for the thread that waits for datagrams. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&r->thread, NULL, writer, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error ? -1 : 0;
}

struct ring *ring_new(size_t bytes, const struct ring_sink *sink)
{
	struct ring *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->sink = *sink;
	r->nchunks = bytes / RING_CHUNK < 4 ? 4 : bytes / RING_CHUNK;
	r->chunk = calloc(r->nchunks, sizeof *r->chunk);
	r->memory = mmap(NULL, r->nchunks * RING_CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->memory == MAP_FAILED)
		r->memory = NULL;
	if (!r->chunk || !r->memory)
		goto fail;
	for (size_t i = r->nchunks; i-- > 0;) {
		r->chunk[i].data = r->memory + i * RING_CHUNK;
		r->chunk[i].next = r->free;
		r->free = &r->chunk[i];
	}
	r->nfree = r->nchunks;
	if (start(r) == 0)
		return r;
fail:
	ring_free(r);
	errno = ENOMEM;
	return NULL;
}

/* With the lock held; false when the moment has come. */
static bool wait_room(struct ring *r, int64_t until)
{
	struct timespec ts = mono_spec(until);

	r->starved = true;
	int late = pthread_cond_timedwait(&r->room, &r->lock, &ts);
	r->starved = false;
	return late != ETIMEDOUT;
}

struct ring_chunk *ring_take(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	struct ring_chunk *c = r->error ? NULL : r->free;
	if (c) {
		r->free = c->next;
		r->nfree--;
	}
	int error = r->error ? r->error : EAGAIN;
	pthread_mutex_unlock(&r->lock);
	if (!c) {
		errno = error;
		return NULL;
	}
	*c = (struct ring_chunk){.data = c->data};
	return c;
}

bool ring_wait(struct ring *r, int64_t timeout_ns)
{
	int64_t until = tim_mono() + timeout_ns;

	pthread_mutex_lock(&r->lock);
	while (!r->free && !r->error && wait_room(r, until))
		;
	bool some = r->free && !r->error;
	errno = r->error ? r->error : EAGAIN;
	pthread_mutex_unlock(&r->lock);
	return some;
}

size_t ring_free_chunks(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	size_t n = r->nfree;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void ring_show(struct ring *r, struct ring_chunk *c)
{
	pthread_mutex_lock(&r->lock);
	c->ready = c->used;
	c->ready_records = c->records;
	r->shown = c;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
}

void ring_push(struct ring *r, struct ring_chunk *c)
{
	pthread_mutex_lock(&r->lock);
	c->ready = c->used;
	c->ready_records = c->records;
	c->next = NULL;
	if (r->shown == c)
		r->shown = NULL;
	if (r->tail)
		r->tail->next = c;
	else
		r->head = c;
	r->tail = c;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
}

int ring_finish(struct ring *r, int64_t timeout_ns)
{
	int64_t until = tim_mono() + timeout_ns;

	pthread_mutex_lock(&r->lock);
	r->last = true;
	pthread_cond_signal(&r->work);
	uint64_t seen = r->progress;
	while (!r->done) {
		bool woken = wait_room(r, until);
		if (r->progress != seen) { /* it moves: it may take its time */
			seen = r->progress;
			until = tim_mono() + timeout_ns;
		} else if (!woken) {
			break;
		}
	}
	bool done = r->done;
	int error = r->error;
	pthread_mutex_unlock(&r->lock);
	if (done)
		pthread_join(r->thread, NULL);
	errno = done ? error : EAGAIN;
	return done && !error ? 0 : -1;
}

void ring_look(struct ring *r, struct ring_state *s)
{
	pthread_mutex_lock(&r->lock);
	*s = (struct ring_state){.written = r->written,
	    .moved = r->progress,
	    .used = (r->nchunks - r->nfree) * RING_CHUNK,
	    .size = r->nchunks * RING_CHUNK,
	    .error = r->error};
	pthread_mutex_unlock(&r->lock);
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	if (r->memory)
		munmap(r->memory, r->nchunks * RING_CHUNK);
	free(r->chunk);
	free(r);
}
