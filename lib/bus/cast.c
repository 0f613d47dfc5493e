/* cast.c - a capture stream out to a bus: sections, records and heartbeats as messages */
#include "cast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/tim.h"
#include "nats.h"
#include "ssdaq.h"
#include "stream/card.h"
#include "stream/evt.h"
#include "zmq.h"

#define LOOK_EACH 64            /* messages between two looks at who came */
#define STALL_MS  100           /* a wait for slow subscribers looks up so often */
#define AGAIN     (50 * TIM_MS) /* between two end marks for those who were behind */

struct cast {
	struct cast_options o;
	struct zpub *z;
	struct npub *n;
	unsigned subscribers, turns;
	struct bus_msg next; /* stream, sequence, records and run of the next message */
	bool open;           /* in a section */
	bool begun;          /* ... whose header is out */
	bool behind;         /* dropold: somebody is, so nobody is waited for */
	int64_t leave_at;    /* tim_mono() when linger is over, 0: no section has ended */
	bool owed;           /* the end mark of the last section, to those who were behind */
	int64_t again_at;    /* tim_mono() when it was sent last */
	struct bus_msg end;
	uint8_t end_block[CAP_ISB_MAX];
	uint8_t *header, *scratch;
	size_t nheader;
	struct card *card;
	struct ssdaq ssdaq;
	char why[BUS_WHY];
};

struct cast *cast_open(const struct cast_options *o, char address[CAST_ADDRESS], char why[BUS_WHY])
{
	static_assert(CAST_ADDRESS >= ZMQ_ADDRESS, "an address fits");
	struct cast *p = calloc(1, sizeof *p);

	snprintf(why, BUS_WHY, "no memory");
	if (!p)
		return NULL;
	p->o = *o;
	p->header = malloc(CAP_HEADER_MAX + CAP_DESC_MAX);
	p->scratch = malloc(CAP_HEAD + CAP_DATA_MAX + CAP_TAIL);
	if (o->url->engine == BUS_ZMQ) {
		p->z = zpub_open(o->url, o->keys, o->ssdaq, address, why);
	} else {
		p->n = npub_new(o->url, o->keys);
		snprintf(address, CAST_ADDRESS, "%.200s/%s/%s", o->url->address, o->url->stream,
		    o->url->subject);
	}
	if (p->header && p->scratch && (p->z || p->n))
		return p;
	int error = errno;
	cast_free(p);
	errno = error;
	return NULL;
}

const char *cast_why(const struct cast *p)
{
	return p->n && npub_why(p->n)[0] ? npub_why(p->n) : p->why;
}

/* ---- sending ---- */

/* Whether to wait for slow subscribers now, and for how long in ms until the next look. */
static enum cast_sent send_zmq(
    struct cast *p, const void *head, size_t nhead, const void *block, size_t n, int64_t wait_ns)
{
	int64_t until = wait_ns < 0 ? INT64_MAX : tim_mono() + wait_ns;
	bool wait = wait_ns != 0;

	for (;;) {
		if (zpub_send(p->z, head, nhead, block, n, wait, p->behind ? 0 : STALL_MS) == 0) {
			p->behind = p->behind && !wait;
			return CAST_SENT;
		}
		if (errno != EAGAIN && errno != EINTR)
			return CAST_ERROR;
		if (!p->o.go_on(p->o.ctx)) {
			errno = EINTR;
			return CAST_ERROR;
		}
		if (!wait || (!p->behind && tim_mono() < until))
			continue;
		/* Those who are behind lose it; the others get it. */
		p->behind = true;
		return zpub_send(p->z, head, nhead, block, n, false, 0) == 0 ? CAST_OLD
									     : CAST_ERROR;
	}
}

/* -1: the message is not in the queue. */
static int send_nats(struct cast *p, const struct bus_head *h, const uint8_t *block, size_t n)
{
	if (++p->turns % LOOK_EACH == 0 && npub_turn(p->n) < 0)
		return -1;
	while (npub_put(p->n, h, block, n) < 0) {
		if (errno != EAGAIN || cast_wait(p, -1, STALL_MS * TIM_MS) < 0)
			return -1;
		if (!p->o.go_on(p->o.ctx)) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

/* wait_ns: for subscribers that are behind, < 0: for ever. */
static enum cast_sent send_message(
    struct cast *p, enum bus_what kind, const uint8_t *block, size_t n, int64_t wait_ns)
{
	struct bus_head h;

	p->next.kind = kind;
	p->next.sent = tim_now();
	bus_put_head(&h, &p->next);
	if (kind != BUS_HEADER)
		p->next.sequence++;
	p->next.records += kind == BUS_BLOCK;
	if (p->z)
		return send_zmq(p, &h, sizeof h, block, n, wait_ns);
	return send_nats(p, &h, block, n) < 0 ? CAST_ERROR : CAST_SENT;
}

/* What records of live data wait for those who are behind. */
static int64_t patience(const struct cast *p)
{
	const struct bus_url *u = p->o.url;

	return !u->nodrop ? 0 : u->dropold ? u->dropold : -1;
}

static int send_header(struct cast *p)
{
	p->begun = true;
	if (p->o.ssdaq)
		return 0;
	return send_message(p, BUS_HEADER, p->header, p->nheader, patience(p)) == CAST_ERROR ? -1
											     : 0;
}

/* Who was behind got no end mark when it was sent, and will take one when it has caught up: it is
 * sent again until everybody has it, or linger is over. Those who have it already pass it over. */
static int send_again(struct cast *p)
{
	int64_t now = tim_mono();
	struct bus_head h;

	p->owed = zpub_owes(p->z) && now < p->leave_at;
	if (!p->owed || now < p->again_at + AGAIN)
		return 0;
	p->again_at = now;
	bus_put_head(&h, &p->end);
	return send_zmq(p, &h, sizeof h, p->end_block, p->end.size, 0) == CAST_ERROR ? -1 : 0;
}

int cast_turn(struct cast *p)
{
	if (p->n)
		return npub_turn(p->n);
	if (zpub_joined(p->z, &p->subscribers) > 0 && p->begun && p->open)
		return send_header(p);
	return p->owed ? send_again(p) : 0;
}

int cast_wait(struct cast *p, int fd, int64_t timeout_ns)
{
	int rc;

	if (cast_turn(p) < 0)
		return -1;
	if (p->owed && (timeout_ns < 0 || timeout_ns > AGAIN))
		timeout_ns = AGAIN;
	rc = p->n ? npub_wait(p->n, fd, timeout_ns) : zpub_wait(p->z, fd, timeout_ns);
	if (rc < 0 && errno != EINTR)
		return -1;
	return cast_turn(p);
}

/* Waits until those who were behind have the end mark. */
static int pay(struct cast *p, int64_t most_ns)
{
	int64_t until = tim_mono() + most_ns;

	while (p->owed && tim_mono() < until) {
		if (cast_wait(p, -1, AGAIN) < 0)
			return -1;
		if (!p->o.go_on(p->o.ctx)) {
			errno = EINTR;
			return -1;
		}
	}
	p->owed = false;
	return 0;
}

/* ---- sections ---- */

int cast_section(struct cast *p, int link, const char *name, const char *text)
{
	uint64_t id;

	if ((p->open && cast_end(p, NULL, 0) < 0) || pay(p, p->o.between) < 0)
		return -1;
	if (p->o.ssdaq) {
		card_free(p->card);
		p->card = link == CAP_LINK_USER0
		    ? card_parse("the stream's card", text, strlen(text), p->why)
		    : NULL;
		if (link != CAP_LINK_USER0)
			snprintf(p->why, sizeof p->why,
			    "SSDAQ's messages are events, these are packets");
		if (!p->card || ssdaq_use(&p->ssdaq, p->card, p->why) < 0) {
			errno = EINVAL;
			return -1;
		}
	}
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		return -1;
	p->next = (struct bus_msg){.stream = id};
	p->nheader = cap_header(p->header, link, p->o.program, name, *text ? text : NULL);
	p->open = true;
	p->begun = false;
	/* A run that is stored gets its number from its first record. */
	return p->z ? send_header(p) : 0;
}

/* FNV-1a over a block: the name of a run by what stands in it. */
static uint64_t name_of(const uint8_t *block, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ block[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint32_t run_of(const struct cap_record *r)
{
	const struct evt_head *e = (const struct evt_head *)r->data;
	bool event =
	    r->link == CAP_LINK_USER0 && r->caplen >= sizeof *e && wire_get(e->magic) == EVT_MAGIC;

	return event ? wire_get(e->run) : 0;
}

static enum cast_sent as_ssdaq(struct cast *p, const struct cap_record *r)
{
	uint8_t message[SSDAQ_OLD];
	struct evt e;

	if (evt_decode(r->data, r->caplen, &e) ||
	    ssdaq_encode(&p->ssdaq, &e, r->time, p->o.ssdaq, message) < 0)
		return CAST_NO;
	return send_zmq(p, "", 0, message, p->o.ssdaq, patience(p));
}

enum cast_sent cast_record(
    struct cast *p, const struct cap_record *r, const uint8_t *block, size_t n)
{
	if (p->z && ++p->turns % LOOK_EACH == 0 && cast_turn(p) < 0)
		return CAST_ERROR;
	if (p->o.ssdaq)
		return as_ssdaq(p, r);
	if (!block) {
		memcpy(p->scratch + CAP_HEAD, r->data, r->caplen);
		n = cap_seal(p->scratch, r->caplen, r->origlen, r->time, r->dropped);
		block = p->scratch;
	}
	p->next.run = run_of(r);
	if (!p->begun) {
		p->next.stream = name_of(block, n);
		if (send_header(p) < 0)
			return CAST_ERROR;
	}
	return send_message(p, BUS_BLOCK, block, n, patience(p));
}

void cast_skip(struct cast *p, uint64_t records)
{
	p->next.sequence += records;
	p->next.records += records;
}

int cast_beat(struct cast *p, int64_t time)
{
	uint8_t isb[CAP_ISB_MAX];

	if (p->o.ssdaq || !p->begun)
		return 0; /* before the first record of a run that is stored it tells nothing */
	return send_message(p, BUS_BEAT, isb, cap_beat(isb, time), patience(p)) == CAST_ERROR ? -1
											      : 0;
}

int cast_end(struct cast *p, const uint8_t *block, size_t n)
{
	uint8_t isb[CAP_ISB_MAX];

	if (!p->open)
		return 0;
	p->open = false;
	/* A run that is stored stays open where its end is missing: it may be published again, whole. */
	if (p->o.ssdaq || (p->n && !block))
		return 0;
	if (!block || n > sizeof isb) {
		n = cap_endmark(isb, tim_now(), p->next.records, 0, 0, p->next.records);
		block = isb;
	}
	if (!p->begun) {
		p->next.stream = name_of(p->header, p->nheader);
		if (send_header(p) < 0)
			return -1;
	}
	/* Everybody should know how much there was: wait for those who are behind. */
	int64_t wait = p->o.url->linger > 0 ? p->o.url->linger : TIM_MS;
	p->behind = false;
	p->leave_at = tim_mono() + wait;
	p->end = p->next;
	p->end.kind = BUS_END;
	p->end.size = n;
	memcpy(p->end_block, block, n);
	if (p->z)
		zpub_ended(p->z, p->end.stream);
	if (send_message(p, BUS_END, block, n, wait) == CAST_ERROR)
		return -1;
	p->again_at = tim_mono();
	p->end.sent = p->next.sent;
	p->owed = p->z && zpub_owes(p->z);
	return 0;
}

/* ---- the end ---- */

unsigned cast_subscribers(const struct cast *p)
{
	return p->subscribers;
}

uint64_t cast_waiting(const struct cast *p)
{
	return p->n ? npub_records(p->n) : 0;
}

uint64_t cast_known(const struct cast *p)
{
	return p->n ? npub_known(p->n) : 0;
}

int cast_finish(struct cast *p)
{
	if (p->z) {
		if (pay(p, p->o.url->linger) < 0 && errno != EINTR)
			return -1;
		int64_t left = p->leave_at - tim_mono();
		zpub_close(p->z, !p->leave_at ? p->o.url->linger : left > 0 ? left : 0);
		p->z = NULL;
	}
	while (p->n && npub_waiting(p->n) > 0) {
		if (cast_wait(p, -1, STALL_MS * TIM_MS) < 0)
			return -1;
		if (!p->o.go_on(p->o.ctx)) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

void cast_free(struct cast *p)
{
	if (!p)
		return;
	zpub_close(p->z, 0);
	npub_free(p->n);
	card_free(p->card);
	free(p->header);
	free(p->scratch);
	free(p);
}
