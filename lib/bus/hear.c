/* hear.c - a subscriber, whichever engine the address names */
#include "hear.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "nats.h"
#include "zmq.h"

#define SOON (2 * TIM_S) /* a publisher that is there has answered by then */

struct hear {
	const struct bus_url *u;
	bool keys;
	struct zsub *z;
	struct nsub *n;
	int64_t opened; /* tim_mono() */
	char why[BUS_WHY];
};

struct hear *hear_open(const struct bus_url *u, const struct bus_secrets *keys, bool plain,
    char address[HEAR_ADDRESS], char why[BUS_WHY])
{
	static_assert(HEAR_ADDRESS >= ZMQ_ADDRESS, "an address fits");
	struct hear *h = calloc(1, sizeof *h);

	snprintf(why, BUS_WHY, "no memory");
	if (!h)
		return NULL;
	h->u = u;
	h->keys = keys != NULL;
	h->opened = tim_mono();
	if (u->engine == BUS_NATS)
		h->n = nsub_new(u, keys);
	else
		h->z = zsub_open(u, keys, plain, address, why);
	if (!u->bind)
		*address = '\0';
	if (h->n || h->z)
		return h;
	int error = errno;
	free(h);
	errno = error;
	return NULL;
}

static void say(struct hear *h, const char *text)
{
	snprintf(h->why, sizeof h->why, "%.200s: %s", h->u->address, text);
}

/* What became of the publisher. */
static void look(struct hear *h)
{
	if (hear_state(h) == HEAR_GONE)
		say(h, "the publisher is gone; waiting for it");
	else if (hear_state(h) == HEAR_NOBODY && tim_mono() - h->opened > SOON)
		say(h, "no publisher there; waiting for it");
	else
		h->why[0] = '\0';
}

int hear_next(struct hear *h, const uint8_t **message, size_t *n, int64_t timeout_ns)
{
	int got;

	if (h->n)
		return nsub_next(h->n, message, n, timeout_ns);
	got = zsub_next(h->z, message, n, timeout_ns);
	if (got < 0 && errno == EACCES)
		say(h,
		    h->keys ? "the publisher refuses: keys are wrong, on one side"
			    : "the publisher refuses: keys are needed (--credentials=FILE)");
	else if (got <= 0)
		look(h);
	return got;
}

int hear_header(struct hear *h, const uint8_t **header, size_t *n)
{
	if (h->n)
		return nsub_header(h->n, header, n);
	zsub_ask(h->z);
	return 0;
}

int hear_ack(struct hear *h)
{
	return h->n ? nsub_ack(h->n) : 0;
}

enum hear_state hear_state(const struct hear *h)
{
	if (h->n)
		return *hear_why(h) ? HEAR_GONE : nsub_ready(h->n) ? HEAR_THERE : HEAR_NOBODY;
	if (zsub_connected(h->z))
		return HEAR_THERE;
	return zsub_connects(h->z) > 0 ? HEAR_GONE : HEAR_NOBODY;
}

int64_t hear_gone(const struct hear *h)
{
	int64_t at = h->z ? zsub_gone_at(h->z) : 0;

	return at ? tim_mono() - at + 1 : 0;
}

const char *hear_why(const struct hear *h)
{
	return h->n ? nsub_why(h->n) : h->why;
}

void hear_free(struct hear *h)
{
	if (!h)
		return;
	zsub_close(h->z);
	nsub_free(h->n);
	free(h);
}
