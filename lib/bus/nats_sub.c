/*
 * nats_sub.c - NATS JetStream: a subscriber that takes up again
 *
 * The broker keeps the position of a durable subscriber, but would deliver what was not
 * acknowledged late and out of order. So each connection makes a new consumer that begins after the
 * last acknowledged message, in order; NAME-a and NAME-b take turns, and the old one goes only when
 * the new one is there: whenever we die, one of them knows the position.
 *
 * Messages are asked for as the protocol has it, and read from a subscription of our own: libnats's
 * natsSubscription_Fetch() writes beyond its list (3.4.1: where more than half of what it is asked
 * for is there already, it takes as much as comes).
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
#define WAIT_MS   250
#define EXPIRES   TIM_S          /* of a request for messages, */
#define ANSWER    TIM_S          /* ... after which the broker says so, in this time */
#define LOOK_EACH (2 * TIM_S)    /* while nothing comes: is there something? */
#define ASK_TIMES 8              /* of three nodes, one may be behind */
#define ASK_MOST  (6 * TIM_S)    /* ... and a broker that does not answer is not asked for longer */
#define ASK_PAUSE (100 * TIM_MS) /* a cluster may just be choosing who answers */
#define NAME_TEXT 160

struct nsub {
	struct nats_conn conn;
	char inbox[NAME_TEXT];
	int64_t asked;        /* messages that our last request may still bring */
	int64_t asked_until;  /* tim_mono() when it has expired */
	natsMsg *last;        /* handed out last, not acknowledged */
	natsMsg *header;      /* nsub_header()'s */
	uint64_t sequence;    /* of the last one handed out, 0: none */
	uint64_t again;       /* one that was handed out and is to come again, 0: none */
	uint64_t next;        /* the first one that we can be owed, 0: not known */
	uint64_t owed;        /* one that the broker had when we looked last, 0: none */
	int64_t looked;       /* tim_mono() then, or when something came */
	bool directly;        /* the consumer is given up: messages are asked for one by one */
	bool mute;            /* the stream gives no single messages */
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
	natsMsg_Destroy(s->last);
	natsMsg_Destroy(s->header);
	s->last = s->header = NULL;
	s->directly = false;
	s->asked = 0;
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
	uint64_t from = s->again ? s->again : s->sequence ? s->sequence + 1 : 0;
	if (from > c->OptStartSeq)
		c->OptStartSeq = from;
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
	natsInbox *inbox = NULL;

	snprintf(subject, sizeof subject, "%s.>", u->subject);
	c->Durable = s->name;
	c->FilterSubject = subject;
	c->AckPolicy = js_AckAll;
	c->AckWait = ACK_WAIT;
	c->MaxAckPending = u->window * 4;
	natsStatus st = js_AddConsumer(NULL, s->conn.js, u->stream, c, NULL, NULL);
	if (st != NATS_OK)
		return st;
	if (*old)
		(void)js_DeleteConsumer(s->conn.js, u->stream, old, NULL, NULL);
	st = natsInbox_Create(&inbox);
	if (st != NATS_OK)
		return st;
	snprintf(s->inbox, sizeof s->inbox, "%s", inbox);
	natsInbox_Destroy(inbox);
	st = natsConnection_SubscribeSync(&s->conn.sub, s->conn.nc, s->inbox);
	/* No more comes than was asked for. */
	return st == NATS_OK ? natsSubscription_SetPendingLimits(s->conn.sub, -1, -1) : st;
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
	s->mute = false;
	s->next = c.OptStartSeq;
	s->owed = 0;
	s->looked = tim_mono();
	conn_fine(&s->conn);
	return 0;
}

/* ======== messages ======== */

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

/* Whether the broker keeps back what it has. A consumer of Debian's 2.9 that comes to lead on a
 * node which has just begun to catch up delivers what that node had then, and nothing more. */
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

/* More is asked for when the last request is answered, or has expired without a word. */
static natsStatus ask(struct nsub *s)
{
	char subject[2 * NAME_TEXT + 40], text[80];
	int64_t now = tim_mono();

	if (s->asked > 0 && now < s->asked_until)
		return NATS_OK;
	s->asked = s->conn.u->window;
	s->asked_until = now + EXPIRES + ANSWER;
	snprintf(
	    subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", s->conn.u->stream, s->name);
	snprintf(text, sizeof text, "{\"batch\":%" PRId64 ",\"expires\":%" PRId64 "}", s->asked,
	    EXPIRES);
	return natsConnection_PublishRequestString(s->conn.nc, subject, s->inbox, text);
}

/* What the broker says of a request: a number of three digits, NULL for a message. */
static const char *status_of(natsMsg *m)
{
	const char *status = NULL;

	return natsMsg_GetDataLength(m) == 0 && natsMsgHeader_Get(m, "Status", &status) == NATS_OK
	    ? status
	    : NULL;
}

/* Whether that is the end of the consumer; the broker still tells its position for a moment. */
static bool is_deleted(natsMsg *m)
{
	const char *text = NULL;

	return natsMsgHeader_Get(m, "Description", &text) == NATS_OK &&
	    strcmp(text, "Consumer Deleted") == 0;
}

/* The next message that the consumer delivers. NULL and NATS_OK: there is none yet. */
static natsMsg *deliver(struct nsub *s, int64_t timeout_ms, natsStatus *st)
{
	natsMsg *m = NULL;

	*st = ask(s);
	if (*st == NATS_OK)
		*st = natsSubscription_NextMsg(&m, s->conn.sub, timeout_ms);
	if (*st != NATS_OK) {
		*st = *st == NATS_TIMEOUT ? NATS_OK : *st;
		return NULL;
	}
	const char *status = status_of(m);
	if (!status) {
		s->asked--;
		return m;
	}
	s->asked = 0;
	if (strcmp(status, "408") != 0) /* it has expired */
		*st = is_deleted(m) ? NATS_NOT_FOUND : NATS_NO_RESPONDERS;
	natsMsg_Destroy(m);
	return NULL;
}

/* Its number in the broker's stream, from where it is acknowledged:
 * $JS.ACK.STREAM.CONSUMER.DELIVERED.NUMBER..., or with two names more before STREAM. 0: none. */
static uint64_t number_of(natsMsg *m)
{
	const char *reply = natsMsg_GetReply(m), *word[16];
	int n = 0;

	if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0)
		return natsMsg_GetSequence(m); /* one that was asked for by itself */
	for (const char *p = reply; p && n < 16; p = strchr(p, '.')) {
		p += n > 0;
		word[n++] = p;
	}
	return n >= 9 ? strtoull(word[n == 9 ? 5 : 7], NULL, 10) : 0;
}

/* Somebody else uses the durable name: our consumer is not there any more. */
static bool ousted(struct nsub *s, natsStatus st)
{
	uint64_t next;

	if (!s->lasting || natsConnection_Status(s->conn.nc) != NATS_CONN_STATUS_CONNECTED)
		return false;
	if (st != NATS_NOT_FOUND && position(s, s->name, &next) != 0)
		return false;
	snprintf(s->conn.why, sizeof s->conn.why,
	    "%.200s: another program reads with durable=%.60s now", s->conn.u->address,
	    s->conn.u->durable);
	return true;
}

/* 1, 0 or -1 as nsub_next(), on a connection that stands. */
static int fetch(struct nsub *s, int64_t timeout_ns, natsMsg **m)
{
	bool wait = timeout_ns < 0 || timeout_ns > WAIT_MS * TIM_MS;
	natsStatus st = NATS_OK;

	*m = s->directly ? next_message(s) : deliver(s, wait ? WAIT_MS : timeout_ns / TIM_MS, &st);
	if (*m) {
		s->looked = tim_mono();
		return 1;
	}
	if (s->directly) {
		lost(s, "the broker did not deliver what it has; it was asked for one by one");
		return 0;
	}
	if (st == NATS_OK) {
		s->directly = kept_back(s);
		return 0;
	}
	if (ousted(s, st)) {
		errno = EACCES;
		return -1;
	}
	conn_say(&s->conn, "read", st);
	lost(s, NULL);
	return 0;
}

int nsub_next(struct nsub *s, const uint8_t **message, size_t *n, int64_t timeout_ns)
{
	natsMsg *m;

	if (conn_turn(&s->conn) < 0)
		return -1;
	if (!s->conn.nc) {
		forget(s);
		return conn_wait(&s->conn, -1, timeout_ns) < 0 ? -1 : 0;
	}
	if (!s->conn.sub && begin(s) < 0)
		return 0;
	int got = fetch(s, timeout_ns, &m);
	if (got <= 0)
		return got;
	natsMsg_Destroy(s->last);
	s->last = m;
	uint64_t number = number_of(m);
	s->sequence = number ? number : s->sequence;
	s->next = s->sequence + 1;
	s->again = 0;
	*message = (const uint8_t *)natsMsg_GetData(m);
	*n = (size_t)natsMsg_GetDataLength(m);
	return 1;
}

/* Whether the stream, which somebody else may have made, gives single messages at all. */
static bool gives(struct nsub *s)
{
	jsStreamInfo *si = NULL;

	if (js_GetStreamInfo(&si, s->conn.js, s->conn.u->stream, NULL, NULL) != NATS_OK)
		return true;
	bool direct = si->Config->AllowDirect;
	jsStreamInfo_Destroy(si);
	return direct;
}

/* NATS_NOT_FOUND: the broker does not have it, or does not give it. */
static natsStatus ask_header(struct nsub *s)
{
	int64_t until = tim_mono() + ASK_MOST;
	natsStatus st = NATS_NOT_FOUND;
	jsDirectGetMsgOptions o;

	jsDirectGetMsgOptions_Init(&o);
	o.Sequence = 1;
	o.NextBySubject = natsMsg_GetSubject(s->last);
	for (int i = 0; i < ASK_TIMES && tim_mono() < until && !s->mute; i++) {
		st = js_DirectGetMsg(&s->header, s->conn.js, s->conn.u->stream, NULL, &o);
		if (st == NATS_OK)
			return st;
		if (st == NATS_NOT_FOUND)
			continue;
		if (conn_wait(&s->conn, -1, ASK_PAUSE) < 0)
			break; /* a signal */
		s->mute = !gives(s);
	}
	return s->mute ? NATS_NOT_FOUND : st;
}

int nsub_header(struct nsub *s, const uint8_t **message, size_t *n)
{
	*message = NULL;
	*n = 0;
	natsMsg_Destroy(s->header);
	s->header = NULL;
	if (!s->last || !s->conn.nc)
		return 0;
	natsStatus st = ask_header(s);
	if (st == NATS_NOT_FOUND)
		return 1;
	if (st != NATS_OK) {
		s->again = number_of(s->last);
		conn_say(&s->conn, "ask for the header of a run", st);
		lost(s, NULL);
		return 0;
	}
	*message = (const uint8_t *)natsMsg_GetData(s->header);
	*n = (size_t)natsMsg_GetDataLength(s->header);
	return 1;
}

int nsub_ack(struct nsub *s)
{
	const char *at = s->last && s->conn.nc ? natsMsg_GetReply(s->last) : NULL;

	if (at)
		(void)natsConnection_PublishString(
		    s->conn.nc, at, "+ACK"); /* lost: we see it again */
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
