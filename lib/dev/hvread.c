/* hvread.c - readings of a supply, and the short cache of them */
#include "hvmuxin.h"

#define TRIES 2 /* of a reading */

static struct cached *cache_of(struct board *b, const struct hv_request *q)
{
	return &b->cache[q->channel < 0 ? HV_CHANNELS : q->channel][q->par];
}

void hvread_forget(struct board *b)
{
	b->epoch++;
}

bool hvread_next(struct hvmux *m, struct board *b, int64_t now)
{
	struct hvmux_client *c;

	while ((c = hvqueue_next(m, b, false))) {
		struct slot *s = hvqueue_at(c, 0);
		const struct cached *k = s->q.channel < HV_CHANNELS ? cache_of(b, &s->q) : NULL;
		c->turn = ++m->turn;
		if (hvqueue_object(c, s)) {
			hvqueue_flush(c);
			continue;
		}
		if (k && k->epoch == b->epoch && now - k->at < m->o.cache) {
			m->t->also[HVMUX_CACHED].n++;
			hvqueue_answer(c, s, &k->reply, -1);
			hvqueue_flush(c);
			continue;
		}
		s->state = BUSY;
		b->owner = c;
		b->slot = s;
		b->last_reading = now;
		return hvmux_ask(m, b, FOR_READING, &s->q, now);
	}
	return false;
}

void hvread_got(struct hvmux *m, struct board *b, const struct hv_reply *r, int64_t now)
{
	if (r->error == HV_FINE && m->o.cache > 0 && b->asked.channel < HV_CHANNELS)
		*cache_of(b, &b->asked) =
		    (struct cached){.at = now, .epoch = b->epoch, .reply = *r};
	if (!b->owner)
		return; /* it has gone */
	if (r->error != HV_FINE)
		hvqueue_error(b->owner, b->slot, r->error, -1, hv_error_text(r->error));
	else
		hvqueue_answer(b->owner, b->slot, r, -1);
	b->owner = NULL;
}

void hvread_lost(struct board *b, const char *why)
{
	if (++b->slot->tries < TRIES)
		b->slot->state = QUEUED;
	else
		hvqueue_error(b->owner, b->slot, HV_ERR_CMD, HVMUX_UNANSWERED, why);
	b->owner = NULL;
}
