/* evt.c - events: the body of a block of an event stream (man5/fyke-events.5) */
#include "evt.h"

#include <stdbool.h>

#define SOURCES_MAX 1024

size_t evt_header_size(unsigned nsrc)
{
	return sizeof(struct evt_head) + (nsrc + 63) / 64 * sizeof(u64le) + nsrc * sizeof(i32le);
}

size_t evt_size(unsigned nsrc, size_t slot)
{
	return evt_header_size(nsrc) + nsrc * slot;
}

/* Whether mask, offsets and the count of records say the same. */
static bool consistent(const struct evt *e)
{
	unsigned present = 0;

	for (unsigned s = 0; s < e->nsrc; s++) {
		int there = evt_present(e, s);
		if (there == (wire_get(e->offset[s]) == EVT_ABSENT))
			return false;
		present += (unsigned)there;
	}
	for (unsigned s = e->nsrc; s < (e->nsrc + 63) / 64 * 64; s++)
		if (evt_present(e, s))
			return false;
	return present == e->nrec;
}

const char *evt_decode(const void *body, size_t n, struct evt *e)
{
	const struct evt_head *h = body;

	if (n < sizeof *h)
		return "too short for an event";
	if (wire_get(h->magic) != EVT_MAGIC)
		return "no event: it does not begin with 'fyke'";
	if (wire_get(h->version) != EVT_VERSION)
		return "an event of another version of fyke";
	e->nsrc = wire_get(h->nsrc);
	if (e->nsrc == 0 || e->nsrc > SOURCES_MAX)
		return "an event without sources, or with more than 1024";
	size_t header = evt_header_size(e->nsrc);
	if (wire_get(h->header) != header || n <= header || (n - header) % e->nsrc)
		return "an event whose lengths do not fit together";
	e->number = wire_get(h->number);
	e->run = wire_get(h->run);
	e->flags = wire_get(h->flags);
	e->clock = wire_get(h->clock);
	e->nrec = wire_get(h->nrec);
	e->mask = (const u64le *)(h + 1);
	e->offset = (const i32le *)(e->mask + (e->nsrc + 63) / 64);
	e->slots = (const uint8_t *)body + header;
	e->slot = (n - header) / e->nsrc;
	return consistent(e) ? NULL : "an event whose mask, offsets and counts disagree";
}

char *evt_flags_text(uint32_t flags, char buf[160])
{
	static const char *const names[EVT_FLAGS] = {"incomplete", "held", "overflow", "flushed",
	    "segment", "duplicate", "conflict", "gap", "drops"};
	char *p = buf;

	*p = '\0';
	for (unsigned i = 0; i < EVT_FLAGS; i++) {
		if (!(flags >> i & 1))
			continue;
		if (p > buf)
			*p++ = ',';
		p = stpcpy(p, names[i]);
	}
	return buf;
}
