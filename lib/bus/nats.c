/*
 * nats.c - NATS JetStream: a publisher that knows what is stored
 *
 * Messages stand in a queue until the broker has them. Those that are sent form a chain: each names
 * the one before it (Nats-Expected-Last-Msg-Id), so an acknowledgement of one is one of all before
 * it, and only some are asked for. The first of a chain has no such name, and is waited for.
 */
#include "nats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/tim.h"
#include "nats_conn.h"

#define QUEUE_ITEMS 131072      /* messages in the queue at most, */
#define QUEUE_BYTES (64 << 20)  /* ... and bytes */
#define ACK_EACH    64          /* messages to one acknowledgement */
#define ACK_WAIT    (5 * TIM_S) /* without any, the connection is tried anew */
#define ID_TEXT     64
#define SUBJECT     256

struct item {
	uint8_t *message;
	size_t n;
	uint64_t stream, sequence;
	uint32_t run;
	bool header, record;
};

/* What the acknowledgements have told: written by a thread of libnats, under conn.lock. */
struct heard {
	unsigned epoch; /* of the chain; others are not heard */
	uint64_t acked; /* the next one that is not */
	bool refused;   /* one was not stored */
	char reason[200];
};

struct npub {
	struct nats_conn conn;
	char inbox[64];
	struct heard heard;
	struct item *ring;          /* QUEUE_ITEMS, by number modulo that */
	uint64_t first, sent, next; /* numbers: not acknowledged, to be sent, to be put */
	uint64_t asked;             /* number up to which acknowledgements were asked for */
	size_t bytes;
	uint64_t records, known;
	bool ready;         /* the stream is there */
	bool chained;       /* the last one sent is the last in the broker's stream */
	bool run_asked;     /* the broker said what it has of this run: */
	uint64_t run, upto; /* ... messages below this number */
	bool run_begun;     /* ... and the header */
	int64_t moved;      /* tim_mono() of the last progress */
};

struct npub *npub_new(const struct bus_url *u, const struct bus_secrets *keys)
{
	struct npub *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->ring = calloc(QUEUE_ITEMS, sizeof *p->ring);
	if (p->ring && conn_init(&p->conn, u, keys) == 0)
		return p;
	free(p->ring);
	free(p);
	return NULL;
}

static struct item *at(const struct npub *p, uint64_t number)
{
	return &p->ring[number % QUEUE_ITEMS];
}

/* ======== the queue ======== */

int npub_put(struct npub *p, const struct bus_head *head, const uint8_t *block, size_t n)
{
	if (p->next - p->first == QUEUE_ITEMS || p->bytes + sizeof *head + n > QUEUE_BYTES) {
		errno = EAGAIN;
		return -1;
	}
	struct item *i = at(p, p->next);
	i->message = malloc(sizeof *head + n);
	if (!i->message)
		return -1;
	memcpy(i->message, head, sizeof *head);
	memcpy(i->message + sizeof *head, block, n);
	i->n = sizeof *head + n;
	i->stream = wire_get(head->stream);
	i->sequence = wire_get(head->sequence);
	i->run = wire_get(head->run);
	i->header = wire_get(head->kind) == BUS_HEADER;
	i->record = wire_get(head->kind) == BUS_BLOCK;
	p->bytes += i->n;
	p->records += i->record;
	p->next++;
	return 0;
}

static void drop_first(struct npub *p)
{
	struct item *i = at(p, p->first++);

	p->bytes -= i->n;
	p->records -= i->record;
	free(i->message);
	i->message = NULL;
}

/* ======== acknowledgements, in a thread of libnats ======== */

/* {"stream":"S","seq":12} or {"error":{"code":400,"description":"..."}}: the description. */
static bool error_in(const char *data, int n, char reason[200])
{
	char text[512];

	snprintf(text, sizeof text, "%.*s", n, data);
	if (n == 0) {
		snprintf(reason, 200, "the stream is not there");
		return true;
	}
	if (!strstr(text, "\"error\""))
		return false;
	const char *d = strstr(text, "\"description\":\"");
	snprintf(reason, 200, "%s", d ? d + 15 : "refused");
	reason[strcspn(reason, "\"")] = '\0';
	return true;
}

/* INBOX.EPOCH.NUMBER */
static void on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct npub *p = arg;
	const char *subject = natsMsg_GetSubject(msg);
	const char *tail = strlen(subject) > strlen(p->inbox) ? subject + strlen(p->inbox) + 1 : "";
	unsigned epoch;
	uint64_t number;
	char reason[200];

	(void)nc;
	(void)sub;
	if (sscanf(tail, "%u.%" SCNu64, &epoch, &number) == 2) {
		bool bad = error_in(natsMsg_GetData(msg), natsMsg_GetDataLength(msg), reason);
		pthread_mutex_lock(&p->conn.lock);
		if (epoch == p->heard.epoch && bad && !p->heard.refused) {
			p->heard.refused = true;
			strcpy(p->heard.reason, reason);
		} else if (epoch == p->heard.epoch && !bad && number >= p->heard.acked) {
			p->heard.acked = number + 1;
		}
		pthread_mutex_unlock(&p->conn.lock);
		conn_wake(&p->conn);
	}
	natsMsg_Destroy(msg);
}

/* ======== the broker ======== */

/* Everything from the first one that is not acknowledged is sent again, after asking. */
static void begin_chain(struct npub *p)
{
	pthread_mutex_lock(&p->conn.lock);
	p->heard.epoch++;
	p->heard.acked = p->first;
	p->heard.refused = false;
	pthread_mutex_unlock(&p->conn.lock);
	p->sent = p->asked = p->first;
	p->chained = p->run_asked = false;
	p->moved = tim_mono();
}

static void lost(struct npub *p, const char *what)
{
	p->ready = false;
	conn_lost(&p->conn, what);
}

static void all_subjects(const struct npub *p, char subject[SUBJECT])
{
	snprintf(subject, SUBJECT, "%s.>", p->conn.u->subject);
}

static void run_subject(const struct npub *p, const struct item *i, char subject[SUBJECT])
{
	snprintf(subject, SUBJECT, "%s.%u.%016" PRIx64, p->conn.u->subject, i->run, i->stream);
}

static void message_id(const struct item *i, char id[ID_TEXT])
{
	snprintf(id, ID_TEXT, "%u.%016" PRIx64 "%s%" PRIu64, i->run, i->stream,
	    i->header ? ".h" : ".", i->sequence);
}

static bool has_subject(const jsStreamInfo *si, const char *subject)
{
	for (int i = 0; i < si->Config->SubjectsLen; i++)
		if (strcmp(si->Config->Subjects[i], subject) == 0 ||
		    strcmp(si->Config->Subjects[i], ">") == 0)
			return true;
	return false;
}

/* One more subject for a stream that is there. */
static natsStatus add_subject(
    struct npub *p, jsStreamInfo *si, const char *subject, jsErrCode *code)
{
	const char *list[65];
	jsStreamConfig c = *si->Config;
	int n = c.SubjectsLen < 64 ? c.SubjectsLen : 64;

	for (int i = 0; i < n; i++)
		list[i] = c.Subjects[i];
	list[n] = subject;
	c.Subjects = list;
	c.SubjectsLen = n + 1;
	return js_UpdateStream(NULL, p->conn.js, &c, NULL, code);
}

static natsStatus make_stream(struct npub *p, const char *subject, jsErrCode *code)
{
	const struct bus_url *u = p->conn.u;
	jsStreamConfig c;

	jsStreamConfig_Init(&c);
	c.Name = u->stream;
	c.Subjects = &subject;
	c.SubjectsLen = 1;
	c.Storage = js_FileStorage;
	c.Replicas = u->replicas;
	c.Duplicates = u->dup;
	c.AllowDirect = true;
	return js_AddStream(NULL, p->conn.js, &c, NULL, code);
}

/* The stream is there, with our subject, and acknowledgements will be heard. */
static int prepare(struct npub *p)
{
	char subject[SUBJECT], wild[80];
	jsStreamInfo *si = NULL;
	natsInbox *inbox = NULL;
	jsErrCode code = 0;

	all_subjects(p, subject);
	natsStatus s = js_GetStreamInfo(&si, p->conn.js, p->conn.u->stream, NULL, &code);
	if (s == NATS_NOT_FOUND)
		s = make_stream(p, subject, &code);
	else if (s == NATS_OK && !has_subject(si, subject))
		s = add_subject(p, si, subject, &code);
	jsStreamInfo_Destroy(si);
	if (s == NATS_OK && (s = natsInbox_Create(&inbox)) == NATS_OK) {
		snprintf(p->inbox, sizeof p->inbox, "%.60s", inbox);
		snprintf(wild, sizeof wild, "%s.>", p->inbox);
		natsInbox_Destroy(inbox);
		s = natsConnection_Subscribe(&p->conn.sub, p->conn.nc, wild, on_ack, p);
	}
	if (s == NATS_OK)
		s = natsSubscription_SetPendingLimits(p->conn.sub, -1, -1);
	if (s != NATS_OK) {
		char what[BUS_WHY];
		snprintf(what, sizeof what, "prepare stream %.100s", p->conn.u->stream);
		conn_say(&p->conn, what, s);
		lost(p, NULL);
		return -1;
	}
	p->ready = true;
	begin_chain(p);
	return 0;
}

/* What the broker has of the run whose message is first. 0, or -1: no answer. */
static int ask_run(struct npub *p)
{
	const struct item *i = at(p, p->first);
	char subject[SUBJECT];
	natsMsg *msg = NULL;
	struct bus_msg m;
	jsErrCode code = 0;

	run_subject(p, i, subject);
	natsStatus s = js_GetLastMsg(&msg, p->conn.js, p->conn.u->stream, subject, NULL, &code);
	p->run = i->stream;
	p->upto = 0;
	p->run_begun = false;
	if (s == NATS_OK &&
	    !bus_decode(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), &m)) {
		p->run_begun = true;
		p->upto = m.kind == BUS_HEADER ? 0 : m.sequence + 1;
	}
	natsMsg_Destroy(msg);
	p->run_asked = s == NATS_OK || s == NATS_NOT_FOUND;
	if (p->run_asked)
		return 0;
	conn_say(&p->conn, "ask what it has of the run", s);
	lost(p, NULL);
	return -1;
}

/* ======== sending ======== */

static natsStatus publish(struct npub *p, const struct item *i, bool ack)
{
	char subject[SUBJECT], id[ID_TEXT], reply[128];
	natsMsg *msg = NULL;

	run_subject(p, i, subject);
	snprintf(reply, sizeof reply, "%s.%u.%" PRIu64, p->inbox, p->heard.epoch, p->sent);
	natsStatus s =
	    natsMsg_Create(&msg, subject, ack ? reply : NULL, (const char *)i->message, (int)i->n);
	if (s != NATS_OK)
		return s;
	message_id(i, id);
	s = natsMsgHeader_Set(msg, "Nats-Msg-Id", id);
	if (s == NATS_OK && p->chained) {
		message_id(at(p, p->sent - 1), id);
		s = natsMsgHeader_Set(msg, "Nats-Expected-Last-Msg-Id", id);
	}
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(p->conn.nc, msg);
	natsMsg_Destroy(msg);
	return s;
}

/* A run's first message, and those that the broker has. false: wait, or the connection is gone. */
static bool open_run(struct npub *p)
{
	const struct item *i = at(p, p->sent);

	if (p->run_asked && p->run == i->stream)
		return true;
	if (p->first < p->sent || ask_run(p) < 0)
		return false; /* the run before is not acknowledged yet */
	while (p->first < p->next && (i = at(p, p->first))->stream == p->run &&
	    (i->header ? p->run_begun : i->sequence < p->upto)) {
		p->known += i->record;
		drop_first(p);
	}
	begin_chain(p);
	p->run_asked = true;
	return p->first < p->next && at(p, p->first)->stream == p->run;
}

/* More of the run that the broker has, which came after we asked. */
static bool known_already(struct npub *p)
{
	const struct item *i = at(p, p->sent);

	if (p->sent != p->first || i->header || i->stream != p->run || i->sequence >= p->upto)
		return false;
	p->known += i->record;
	drop_first(p);
	begin_chain(p);
	p->run_asked = true;
	return true;
}

static int send_some(struct npub *p)
{
	while (
	    p->conn.nc && p->sent < p->next && p->sent - p->first < (uint64_t)p->conn.u->window) {
		if (!open_run(p))
			return 0;
		if (known_already(p))
			continue;
		if (!p->chained && p->sent > p->first)
			return 0; /* the first one of a chain is waited for */
		const struct item *i = at(p, p->sent);
		if (natsConnection_GetMaxPayload(p->conn.nc) < (int64_t)i->n) {
			snprintf(p->conn.why, sizeof p->conn.why,
			    "%.200s: takes no messages of %zu bytes (max_payload)",
			    p->conn.u->address, i->n);
			errno = EMSGSIZE;
			return -1;
		}
		bool ack = p->sent == p->first || p->sent + 1 == p->next ||
		    p->sent - p->asked >= ACK_EACH ||
		    p->sent + 1 - p->first >= (uint64_t)p->conn.u->window;
		natsStatus s = publish(p, i, ack);
		if (s != NATS_OK) {
			conn_say(&p->conn, "publish", s);
			lost(p, NULL);
			return 0;
		}
		if (p->sent == p->first)
			p->moved = tim_mono();
		p->sent++;
		if (ack)
			p->asked = p->sent;
	}
	return 0;
}

/* Whether one that failed will never do. The chain was broken: somebody else's message, or one of
 * ours that was lost; then it is begun anew at once. */
static void refused(struct npub *p, const char *reason)
{
	if (strncmp(reason, "wrong last msg ID", 17) == 0) {
		begin_chain(p);
		return;
	}
	char safe[256], what[BUS_WHY];
	snprintf(what, sizeof what, "does not store: %s",
	    cli_safe(safe, sizeof safe, reason, strlen(reason)));
	lost(p, what);
}

static void hear(struct npub *p)
{
	pthread_mutex_lock(&p->conn.lock);
	struct heard h = p->heard;
	pthread_mutex_unlock(&p->conn.lock);
	if (h.acked > p->first) {
		while (p->first < h.acked && p->first < p->sent)
			drop_first(p);
		p->chained = true;
		p->moved = tim_mono();
		conn_fine(&p->conn);
	}
	if (h.refused)
		refused(p, h.reason);
	else if (p->sent > p->first && tim_mono() - p->moved > ACK_WAIT)
		lost(p, "no acknowledgement in time");
}

int npub_turn(struct npub *p)
{
	int got = conn_turn(&p->conn);

	if (got < 0)
		return -1;
	if (!p->conn.nc) {
		p->ready = false;
		return 0;
	}
	if (!p->ready && prepare(p) < 0)
		return 0;
	hear(p);
	int rc = p->conn.nc ? send_some(p) : 0;
	if (p->ready && p->first == p->next)
		conn_fine(&p->conn); /* no acknowledgement will come to say so */
	return rc;
}

int npub_wait(struct npub *p, int fd, int64_t timeout_ns)
{
	int64_t wait = p->sent > p->first && timeout_ns > TIM_S ? TIM_S : timeout_ns;

	return conn_wait(&p->conn, fd, wait);
}

/* ======== state ======== */

size_t npub_waiting(const struct npub *p)
{
	return (size_t)(p->next - p->first);
}

uint64_t npub_records(const struct npub *p)
{
	return p->records;
}

uint64_t npub_known(const struct npub *p)
{
	return p->known;
}

bool npub_ready(const struct npub *p)
{
	return p->ready;
}

const char *npub_why(const struct npub *p)
{
	return p->conn.why;
}

void npub_free(struct npub *p)
{
	if (!p)
		return;
	conn_free(&p->conn);
	while (p->first < p->next)
		drop_first(p);
	free(p->ring);
	free(p);
}
