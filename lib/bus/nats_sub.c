/*
 * nats_sub.c - NATS JetStream: a subscriber that takes up again
 *
 * The broker keeps the position of a durable subscriber, but would deliver what was not acknowledged
 * late and out of order. So each connection makes a new consumer that begins after the last
 * acknowledged message, in order; NAME-a and NAME-b take turns, and the old one goes only when the
 * new one is there: whenever we die, one of them knows the position.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/tim.h"
#include "nats.h"
#include "nats_conn.h"

#define ACK_WAIT  (24 * TIM_H)  /* what was delivered is not delivered again on this connection */
#define IDLE      (5 * TIM_MIN) /* a consumer without a name goes after this */
#define FETCH_MS  250
#define LOOK_EACH (2 * TIM_S) /* while nothing comes: is there something? */
#define ASK_TIMES 8           /* of three nodes, one may be behind */
#define NAME_TEXT 160

struct nsub {
	struct nats_conn conn;
	natsMsgList list;
	int at;               /* next one of the list */
	natsMsg *last;        /* handed out last, not acknowledged */
	natsMsg *header;      /* nsub_header()'s */
	uint64_t sequence;    /* of the last one handed out, 0: none */
	uint64_t next;        /* the first one that we can be owed, 0: not known */
	uint64_t owed;        /* one that the broker had when we looked last, 0: none */
	int64_t looked;       /* tim_mono() then, or when something came */
	bool directly;        /* the consumer is given up: messages are asked for one by one */
	char name[NAME_TEXT]; /* of the consumer */
	bool lasting;         /* it is durable= */
};

struct nsub *nsub_new(const struct bus_url *u, const struct bus_secrets *keys)
{
	struct nsub *s = calloc(1, sizeof *s);

	if (s && conn_init(&s->conn, u, keys) == 0)
		return s;
	free(s);
	return NULL;
}

static void forget(struct nsub *s)
{
	for (int i = s->at; i < s->list.Count; i++)
		natsMsg_Destroy(s->list.Msgs[i]);
	s->at = s->list.Count = 0;
	free(s->list.Msgs);
	s->list.Msgs = NULL;
	natsMsg_Destroy(s->last);
	natsMsg_Destroy(s->header);
	s->last = s->header = NULL;
	s->directly = false;
}

static void lost(struct nsub *s, const char *what)
{
	forget(s);
	conn_lost(&s->conn, what);
}

/* ======== position ======== */

/* Where a consumer stands: the first message that it did not acknowledge. 0 it is not there, 1, or
 * -1. */
static int position(struct nsub *s, const char *name, uint64_t *next)
{
	jsConsumerInfo *ci = NULL;
	jsErrCode code;
	natsStatus st = js_GetConsumerInfo(&ci, s->conn.js, s->conn.u->stream, name, NULL, &code);

	if (st == NATS_NOT_FOUND)
		return 0;
	if (st != NATS_OK) {
		conn_say(&s->conn, "ask for the position", st);
		return -1;
	}
	*next = ci->AckFloor.Stream + 1;
	jsConsumerInfo_Destroy(ci);
	return 1;
}

static int start(struct nsub *s, jsConsumerConfig *c)
{
	const struct bus_url *u = s->conn.u;
	jsStreamInfo *si = NULL;
	jsErrCode code;

	switch (u->start) {
	case BUS_START_ALL:
		c->DeliverPolicy = js_DeliverByStartSequence;
		c->OptStartSeq = 1;
		return 0;
	case BUS_START_SEQ:
		c->DeliverPolicy = js_DeliverByStartSequence;
		c->OptStartSeq = u->start_seq;
		return 0;
	case BUS_START_TIME:
		c->DeliverPolicy = js_DeliverByStartTime;
		c->OptStartTime = u->start_time;
		return 0;
	case BUS_START_NEW:
		break;
	}
	natsStatus st = js_GetStreamInfo(&si, s->conn.js, u->stream, NULL, &code);
	if (st != NATS_OK) {
		conn_say(&s->conn, "ask for the stream's end", st);
		return -1;
	}
	c->DeliverPolicy = js_DeliverByStartSequence;
	c->OptStartSeq = si->State.LastSeq + 1;
	jsStreamInfo_Destroy(si);
	return 0;
}

/* Which of NAME-a and NAME-b is to be made, and where it begins; old: the other one, if any. */
static int choose(struct nsub *s, jsConsumerConfig *c, char old[NAME_TEXT])
{
	char name[2][NAME_TEXT];
	uint64_t next[2] = {0, 0}, random;
	int there[2];

	old[0] = '\0';
	s->lasting = s->conn.u->durable[0];
	if (!s->lasting) {
		if (getrandom(&random, sizeof random, 0) != sizeof random)
			return -1;
		snprintf(s->name, NAME_TEXT, "fyke-%016" PRIx64, random);
		c->InactiveThreshold = IDLE;
	}
	for (int i = 0; s->lasting && i < 2; i++) {
		snprintf(name[i], NAME_TEXT, "%s-%c", s->conn.u->durable, 'a' + i);
		there[i] = position(s, name[i], &next[i]);
		if (there[i] < 0)
			return -1;
	}
	if (s->lasting) {
		int now = next[1] > next[0]; /* the one that knows more */
		strcpy(old, there[now] ? name[now] : "");
		strcpy(s->name, there[now] ? name[!now] : name[0]);
		if (there[now] && there[!now])
			(void)js_DeleteConsumer(s->conn.js, s->conn.u->stream, s->name, NULL, NULL);
		c->OptStartSeq = next[now];
	}
	/* What was handed out on this run of the program is written; it need not come again. */
	if (s->sequence && s->sequence + 1 > c->OptStartSeq)
		c->OptStartSeq = s->sequence + 1;
	if (c->OptStartSeq) {
		c->DeliverPolicy = js_DeliverByStartSequence;
		return 0;
	}
	return start(s, c);
}

static natsStatus consume(struct nsub *s, jsConsumerConfig *c, const char *old)
{
	const struct bus_url *u = s->conn.u;
	char subject[sizeof u->subject + 4];
	jsSubOptions so;
	jsErrCode code = 0;

	snprintf(subject, sizeof subject, "%s.>", u->subject);
	c->Durable = s->name;
	c->FilterSubject = subject;
	c->AckPolicy = js_AckAll;
	c->AckWait = ACK_WAIT;
	c->MaxAckPending = u->window * 4;
	natsStatus st = js_AddConsumer(NULL, s->conn.js, u->stream, c, NULL, &code);
	if (st != NATS_OK)
		return st;
	if (*old)
		(void)js_DeleteConsumer(s->conn.js, u->stream, old, NULL, NULL);
	jsSubOptions_Init(&so);
	so.Stream = u->stream;
	so.Consumer = s->name;
	return js_PullSubscribe(&s->conn.sub, s->conn.js, subject, NULL, NULL, &so, &code);
}

/* A consumer of our own at the right place. */
static int begin(struct nsub *s)
{
	jsConsumerConfig c;
	char old[NAME_TEXT];

	jsConsumerConfig_Init(&c);
	if (choose(s, &c, old) < 0) {
		lost(s, NULL);
		return -1;
	}
	natsStatus st = consume(s, &c, old);
	if (st != NATS_OK) {
		conn_say(&s->conn,
		    st == NATS_NOT_FOUND ? "find the stream (nobody has published to it yet)"
					 : "subscribe",
		    st);
		lost(s, NULL);
		return -1;
	}
	s->next = c.OptStartSeq;
	s->owed = 0;
	s->looked = tim_mono();
	conn_fine(&s->conn);
	return 0;
}

/* ======== messages ======== */

static int hand_out(struct nsub *s, const uint8_t **message, size_t *n)
{
	jsMsgMetaData *meta = NULL;

	natsMsg_Destroy(s->last);
	s->last = s->list.Msgs[s->at++];
	if (natsMsg_GetMetaData(&meta, s->last) == NATS_OK)
		s->sequence = meta->Sequence.Stream;
	else if (s->directly)
		s->sequence = natsMsg_GetSequence(s->last);
	jsMsgMetaData_Destroy(meta);
	s->next = s->sequence + 1;
	*message = (const uint8_t *)natsMsg_GetData(s->last);
	*n = (size_t)natsMsg_GetDataLength(s->last);
	return 1;
}

/* The next message, past the consumer; NULL: there is none. Any node may answer, also one that does
 * not have it yet. */
static natsMsg *next_message(struct nsub *s)
{
	char subject[sizeof s->conn.u->subject + 4];
	jsDirectGetMsgOptions o;
	natsMsg *m = NULL;

	snprintf(subject, sizeof subject, "%s.>", s->conn.u->subject);
	jsDirectGetMsgOptions_Init(&o);
	o.Sequence = s->next;
	o.NextBySubject = subject;
	for (int i = 0; i < ASK_TIMES; i++)
		if (js_DirectGetMsg(&m, s->conn.js, s->conn.u->stream, NULL, &o) == NATS_OK)
			return m;
	return NULL;
}

/* Whether the broker keeps back what it has. A consumer of Debian's 2.9 that comes to lead on a node
 * which has just begun to catch up delivers what that node had then, and nothing more. */
static bool kept_back(struct nsub *s)
{
	int64_t now = tim_mono();

	if (s->next == 0 || now - s->looked < LOOK_EACH)
		return false;
	s->looked = now;
	/* It was there at the last look, and there was time to deliver it. */
	if (s->owed >= s->next)
		return true;
	natsMsg *m = next_message(s);
	s->owed = m ? natsMsg_GetSequence(m) : 0;
	natsMsg_Destroy(m);
	return false;
}

/* What a consumer keeps back, until there is no more; then another consumer. */
static int fetch_directly(struct nsub *s)
{
	natsMsg *m = next_message(s);

	s->list.Msgs = m ? malloc(sizeof m) : NULL;
	if (s->list.Msgs) {
		s->list.Msgs[0] = m;
		s->list.Count = 1;
		return 0;
	}
	natsMsg_Destroy(m);
	lost(s, "the broker did not deliver what it has; it was asked for one by one");
	return 0;
}

static int fetch(struct nsub *s, int64_t timeout_ns)
{
	int64_t ms =
	    timeout_ns < 0 || timeout_ns > FETCH_MS * TIM_MS ? FETCH_MS : timeout_ns / TIM_MS;
	jsErrCode code = 0;

	free(s->list.Msgs);
	s->list = (natsMsgList){NULL, 0};
	s->at = 0;
	if (s->directly)
		return fetch_directly(s);
	natsStatus st = natsSubscription_Fetch(
	    &s->list, s->conn.sub, (int)s->conn.u->window, ms > 0 ? ms : 1, &code);
	if (s->list.Count > 0)
		s->looked = tim_mono();
	if (st == NATS_OK || st == NATS_TIMEOUT) {
		s->directly = s->list.Count == 0 && kept_back(s);
		return 0;
	}
	if (natsConnection_Status(s->conn.nc) == NATS_CONN_STATUS_CONNECTED && code == 0 &&
	    st == NATS_ERR && s->lasting) {
		uint64_t next;
		if (position(s, s->name, &next) == 0) {
			snprintf(s->conn.why, sizeof s->conn.why,
			    "%.200s: another program reads with durable=%.60s now",
			    s->conn.u->address, s->conn.u->durable);
			errno = EACCES;
			return -1;
		}
	}
	conn_say(&s->conn, "read", st);
	lost(s, NULL);
	return 0;
}

int nsub_next(struct nsub *s, const uint8_t **message, size_t *n, int64_t timeout_ns)
{
	if (s->at < s->list.Count)
		return hand_out(s, message, n);
	if (conn_turn(&s->conn) < 0)
		return -1;
	if (!s->conn.nc) {
		forget(s);
		return conn_wait(&s->conn, -1, timeout_ns) < 0 ? -1 : 0;
	}
	if (!s->conn.sub && begin(s) < 0)
		return 0;
	if (fetch(s, timeout_ns) < 0)
		return -1;
	return s->at < s->list.Count ? hand_out(s, message, n) : 0;
}

bool nsub_more(const struct nsub *s)
{
	return s->at < s->list.Count;
}

uint64_t nsub_sequence(const struct nsub *s)
{
	return s->sequence;
}

int nsub_header(struct nsub *s, const uint8_t **message, size_t *n)
{
	jsDirectGetMsgOptions o;

	natsMsg_Destroy(s->header);
	s->header = NULL;
	if (!s->last || !s->conn.nc)
		return 0;
	jsDirectGetMsgOptions_Init(&o);
	o.Sequence = 1;
	o.NextBySubject = natsMsg_GetSubject(s->last);
	if (js_DirectGetMsg(&s->header, s->conn.js, s->conn.u->stream, NULL, &o) != NATS_OK)
		return 0;
	*message = (const uint8_t *)natsMsg_GetData(s->header);
	*n = (size_t)natsMsg_GetDataLength(s->header);
	return 1;
}

int nsub_ack(struct nsub *s)
{
	if (s->last && s->conn.nc)
		(void)natsMsg_Ack(s->last, NULL); /* if it gets lost, we shall see it again */
	return 0;
}

bool nsub_ready(const struct nsub *s)
{
	return s->conn.sub != NULL;
}

const char *nsub_why(const struct nsub *s)
{
	return s->conn.why;
}

void nsub_free(struct nsub *s)
{
	if (!s)
		return;
	if (s->conn.nc) {
		(void)natsConnection_FlushTimeout(s->conn.nc, 2000);
		if (!s->lasting && s->name[0])
			(void)js_DeleteConsumer(s->conn.js, s->conn.u->stream, s->name, NULL, NULL);
	}
	forget(s);
	conn_free(&s->conn);
	free(s);
}
