/* sender.c - the event builder's senders: source numbers, strangers, datagrams that are no records */
#include "buildin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "srclist.h"

/* ---- senders ---- */

/* Source of a sender by --sources=ADDRESS,...; mostly they send in turn. */
static int listed_source(struct build *b, const struct pkt_addr *from)
{
	for (unsigned k = 0; k < b->o.naddress; k++) {
		unsigned i = (b->guess + k) % b->o.naddress;
		if (!pkt_same_host(&b->o.address[i], from))
			continue;
		b->guess = i + 1;
		return (int)i;
	}
	return SENDER_LEFT_OUT;
}

int sender_source(struct build *b, const struct pkt *p, const uint8_t *rec)
{
	int s = b->o.naddress ? listed_source(b, &p->src) : card_source(b->card, p, rec);
	return s >= 0 && b->o.expected && !b->o.expected[s] ? SENDER_LEFT_OUT : s;
}

/* Whether this sender has not been spoken of yet. */
static bool new_stranger(struct build *b, const struct pkt_addr *from)
{
	for (unsigned i = 0; i < b->nstrangers; i++)
		if (pkt_same_host(&b->stranger[i], from))
			return false;
	if (b->nstrangers == STRANGERS_MAX)
		return false;
	b->stranger[b->nstrangers++] = *from;
	return true;
}

void sender_unknown(struct build *b, const struct pkt *p)
{
	const struct card *c = b->card;
	char from[PKT_TEXT], range[CARD_WHY];

	if (!new_stranger(b, &p->src))
		return;
	build_sayf(b, "%s: an unknown source: %s has %s; its records are counted as unknown",
	    pkt_text(&p->src, from), c->name, card_sources(c, range));
}

/* A datagram that is no whole number of records. */
void sender_refuse(struct build *b, const struct pkt *p)
{
	const struct card *c = b->card;
	char from[PKT_TEXT];
	uint64_t *counter = p->len ? &b->n.malformed : &b->n.empty;

	int s =
	    c->by == CARD_BY_FIELD && !b->o.naddress ? SENDER_UNKNOWN : sender_source(b, p, NULL);
	if (s == SENDER_LEFT_OUT) {
		b->n.left_out++;
		return;
	}
	b->n.in++;
	++*counter;
	if (s >= 0)
		b->src[s].lost++;
	if (b->n.malformed > 1 && b->n.malformed == b->n.in) /* the card is wrong: once is enough */
		return;
	bool *said = s < 0 ? NULL : p->len ? &b->src[s].said_runt : &b->src[s].said_empty;
	if (said ? *said : !new_stranger(b, &p->src))
		return;
	if (said)
		*said = true;
	pkt_text(&p->src, from);
	if (p->len)
		build_sayf(b, "%s: a datagram of %zu bytes, but %s has %s %u: counted as malformed",
		    from, p->len, c->name, c->whole ? "records of" : "whole records of", c->record);
	else
		build_sayf(b, "%s: an empty datagram: counted", from);
}

bool build_useless(const struct build *b, char why[BUILD_WHY])
{
	const struct build_count *n = &b->n;

	if (n->in == 0 && n->left_out > 0)
		snprintf(why, BUILD_WHY,
		    "all of its %" PRIu64 " records are of senders that --sources does not name",
		    n->left_out);
	else if (n->in == 0 && n->foreign > 0)
		snprintf(
		    why, BUILD_WHY, "none of its %" PRIu64 " records is UDP over IP", n->foreign);
	else if (n->in > 0 && n->malformed == n->in)
		snprintf(why, BUILD_WHY,
		    "none of its %" PRIu64
		    " datagrams fits card %s: is it the right one? (evbuild --list)",
		    n->in, b->card->name);
	else
		return false;
	return true;
}

void sender_report(struct build *b)
{
	uint8_t silent[CARD_SOURCES], heard[CARD_SOURCES];
	char who[128], list[128];
	unsigned nsilent = 0, nheard = 0;

	for (unsigned s = 0; s < b->nsrc; s++) {
		bool any = b->src[s].records + b->src[s].lost > 0;
		bool expected = !b->o.expected || b->o.expected[s];
		nheard += heard[s] = any;
		nsilent += silent[s] = !any && expected;
	}
	if (nsilent && nheard)
		build_sayf(b,
		    "nothing came from source %s, so no event is complete: --sources=%s would "
		    "not wait for it",
		    srclist_text(silent, b->nsrc, who, sizeof who),
		    srclist_text(heard, b->nsrc, list, sizeof list));
}
