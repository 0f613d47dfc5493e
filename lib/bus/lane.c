/*
 * lane.c - records on their way to a slower thread, without a lock
 *
 * A ring of bytes. put and taken only grow; a place is the number modulo the size. Each record has
 * 8 bytes with its length before it and stands in one piece: what is left before the ring's end is
 * filled with a gap. put is written by one thread, taken by the other.
 */
#include "lane.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct head {
	uint32_t size; /* of the record and its head, a multiple of 8 */
	uint32_t used; /* bytes of the record; GAP: there is none */
};
#define GAP UINT32_MAX

struct lane {
	uint8_t *ring;
	size_t size;
	int bell;
	_Atomic uint64_t put, taken;
	_Atomic bool asleep;
};

struct lane *lane_new(size_t bytes)
{
	struct lane *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->size = bytes;
	l->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->ring == MAP_FAILED)
		l->ring = NULL;
	if (l->ring && l->bell >= 0)
		return l;
	lane_free(l);
	errno = ENOMEM;
	return NULL;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	if (l->ring)
		munmap(l->ring, l->size);
	if (l->bell >= 0)
		close(l->bell);
	free(l);
}

static size_t with_head(size_t n)
{
	return sizeof(struct head) + ((n + 7) & ~(size_t)7);
}

/* ---- putting ---- */

static struct head *at(const struct lane *l, uint64_t place)
{
	return (struct head *)(l->ring + (place & (l->size - 1)));
}

void *lane_room(struct lane *l, size_t n, size_t reserve)
{
	uint64_t put = atomic_load_explicit(&l->put, memory_order_relaxed);
	uint64_t taken = atomic_load_explicit(&l->taken, memory_order_acquire);
	size_t place = put & (l->size - 1), to_end = l->size - place, gap = 0;

	if (to_end < with_head(n))
		gap = to_end;
	if (l->size - (size_t)(put - taken) < gap + with_head(n) + reserve)
		return NULL;
	if (gap) {
		*at(l, put) = (struct head){(uint32_t)gap, GAP};
		put += gap;
		atomic_store_explicit(&l->put, put, memory_order_release);
	}
	return at(l, put) + 1;
}

void lane_put(struct lane *l, size_t n)
{
	uint64_t put = atomic_load_explicit(&l->put, memory_order_relaxed);

	*at(l, put) = (struct head){(uint32_t)with_head(n), (uint32_t)n};
	/* Before asleep is read: see lane_sleep(). */
	atomic_store(&l->put, put + with_head(n));
}

void lane_ring(struct lane *l)
{
	static const uint64_t one = 1;

	if (atomic_load(&l->asleep))
		(void)!write(l->bell, &one, sizeof one);
}

/* ---- taking ---- */

static const struct head *first(struct lane *l, uint64_t *taken)
{
	*taken = atomic_load_explicit(&l->taken, memory_order_relaxed);
	return atomic_load(&l->put) == *taken ? NULL : at(l, *taken);
}

const void *lane_look(struct lane *l, size_t *n)
{
	const struct head *h;
	uint64_t taken;

	while ((h = first(l, &taken)) && h->used == GAP)
		atomic_store_explicit(&l->taken, taken + h->size, memory_order_release);
	if (!h)
		return NULL;
	*n = h->used;
	return h + 1;
}

void lane_done(struct lane *l)
{
	uint64_t taken;
	const struct head *h = first(l, &taken);

	atomic_store_explicit(&l->taken, taken + h->size, memory_order_release);
}

bool lane_sleep(struct lane *l)
{
	uint64_t taken = atomic_load_explicit(&l->taken, memory_order_relaxed);

	/* Either we see what was put, or who puts sees that we sleep. */
	atomic_store(&l->asleep, true);
	return atomic_load(&l->put) == taken;
}

int lane_bell(const struct lane *l)
{
	return l->bell;
}

void lane_awake(struct lane *l)
{
	uint64_t n;

	atomic_store(&l->asleep, false);
	(void)!read(l->bell, &n, sizeof n);
}
