/* simrpc.c - the simulated telescope's RPC service */
#include "sky/simrpc.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/oncwire.h"
#include "base/srv.h"
#include "base/tim.h"

/* Of telinfo.x, typed anew. */
#define PROGRAM   0x20435330
#define VERSION   1
#define PROCEDURE 1

#define CLIENTS    16
#define CALL_MOST  1024 /* bytes of a call */
#define REPLY_MOST 2048
#define PENDING    64 /* replies that wait for their time */
#define BOTH_TRIES 20 /* for a port that is free on TCP and UDP */
#define SLOW       (2 * TIM_S)

const char *const simrpc_fault_name[SIMRPC_FAULTS] = {"silent", "half", "hangup", "garbage", "mark",
    "stale", "deny", "short", "long", "noise", "frozen", "slow"};

struct peer { /* who called: on TCP client is set, on UDP fd and from */
	struct srv_client *client;
	int fd;
	struct net_addr from;
};

struct pending {
	bool used, hangup;
	int64_t due;
	struct peer to;
	uint8_t bytes[REPLY_MOST];
	size_t n;
};

struct simrpc {
	struct simrpc_options o;
	struct srv *srv;
	int udp[2]; /* the program's, the portmapper's; -1: none */
	unsigned port;
	int64_t calls;
	uint64_t noise;
	bool have_first;
	uint8_t first[SIMRPC_SIZE];
	struct pending pending[PENDING];
};

int simrpc_fault(const char *text, struct simrpc_options *o, char why[NET_WHY])
{
	char word[64];
	long long from = 1, to = INT64_MAX;
	char *at = NULL, *dash = NULL;
	bool good = strlen(text) < sizeof word;

	snprintf(word, sizeof word, "%s", text);
	if ((at = strchr(word, '@'))) {
		*at++ = '\0';
		if ((dash = strchr(at, '-')))
			*dash++ = '\0';
		good = good && conf_int(at, 1, INT64_MAX, &from) == 0;
		to = from;
		good = good && (!dash || conf_int(dash, from, INT64_MAX, &to) == 0);
	}
	for (int f = 0; f < SIMRPC_FAULTS && good; f++)
		if (!strcmp(simrpc_fault_name[f], word)) {
			o->fault[f].from = from;
			o->fault[f].to = to;
			return 0;
		}
	snprintf(
	    why, NET_WHY, "%.40s: is no fault of this service: KIND, KIND@N or KIND@N-M", text);
	return -1;
}

/* ---- saying ---- */

static bool strikes(const struct simrpc *s, enum simrpc_fault f)
{
	return s->o.fault[f].from > 0 && s->calls >= s->o.fault[f].from &&
	    s->calls <= s->o.fault[f].to;
}

static void noise(struct simrpc *s, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->noise = s->noise * 6364136223846793005u + 1442695040888963407u;
		b[i] = (uint8_t)(s->noise >> 56);
	}
}

static void say(const struct pending *p)
{
	if (p->hangup && p->to.client)
		srv_close(p->to.client, "hung up, as it was told to");
	else if (p->to.client)
		srv_send(p->to.client, p->bytes, p->n);
	else if (p->n > ONCWIRE_MARK)
		(void)sendto(p->to.fd, p->bytes + ONCWIRE_MARK, p->n - ONCWIRE_MARK, 0,
		    (const struct sockaddr *)&p->to.from.ss, p->to.from.len);
}

/* Puts a reply into the queue; what does not fit is not said, as on a busy machine. */
static void later(
    struct simrpc *s, const struct peer *to, const uint8_t *bytes, size_t n, bool hangup)
{
	for (int i = 0; i < PENDING && n <= REPLY_MOST; i++) {
		struct pending *p = &s->pending[i];
		if (p->used)
			continue;
		*p = (struct pending){.used = true, .hangup = hangup, .to = *to, .n = n};
		p->due = tim_mono() + s->o.delay + (strikes(s, SIMRPC_SLOW) ? SLOW : 0);
		if (n)
			memcpy(p->bytes, bytes, n);
		return;
	}
}

/* The oldest replies first; when the next is due. */
static int64_t say_due(struct simrpc *s)
{
	for (;;) {
		struct pending *next = NULL;
		for (int i = 0; i < PENDING; i++)
			if (s->pending[i].used && (!next || s->pending[i].due < next->due))
				next = &s->pending[i];
		if (!next)
			return INT64_MAX;
		if (next->due > tim_mono())
			return next->due;
		next->used = false;
		say(next);
	}
}

static void send_record(struct simrpc *s, const struct peer *to, uint32_t xid)
{
	uint8_t record[1000] = {0};
	size_t n = strikes(s, SIMRPC_SHORT) ? 400
	    : strikes(s, SIMRPC_LONG)       ? 1000
					    : SIMRPC_SIZE,
	       size;

	s->o.record(s->o.ctx, record);
	if (!s->have_first)
		memcpy(s->first, record, SIMRPC_SIZE);
	s->have_first = true;
	if (strikes(s, SIMRPC_FROZEN))
		memcpy(record, s->first, SIMRPC_SIZE);
	if (strikes(s, SIMRPC_NOISE))
		noise(s, record, SIMRPC_SIZE);
	uint8_t *b = oncwire_reply(xid, ONCWIRE_SUCCESS, NULL, 0, record, n, &size);
	if (!b)
		return;
	if (strikes(s, SIMRPC_STALE)) {
		b[ONCWIRE_MARK] ^= 0x55;
		later(s, to, b, size, false);
		b[ONCWIRE_MARK] ^= 0x55;
	}
	if (strikes(s, SIMRPC_GARBAGE))
		noise(s, b + ONCWIRE_MARK, size - ONCWIRE_MARK);
	if (strikes(s, SIMRPC_MARK))
		oncwire_put(b, 0xffffffffu);
	if (!strikes(s, SIMRPC_SILENT))
		later(
		    s, to, b, strikes(s, SIMRPC_HALF) ? size / 2 : size, strikes(s, SIMRPC_HANGUP));
	free(b);
}

/* ---- hearing ---- */

static void on_call(struct simrpc *s, const struct peer *from, const uint8_t *bytes, size_t n)
{
	struct oncwire w = {.p = bytes, .left = n};
	struct oncwire_call c;
	const struct oncwire_port ports[] = {
	    {PROGRAM, VERSION, IPPROTO_TCP, s->port}, {PROGRAM, VERSION, IPPROTO_UDP, s->port}};
	uint8_t *b = NULL;
	size_t size = 0;

	if (oncwire_call(&w, &c) < 0)
		return;
	uint32_t range[] = {VERSION, VERSION};
	if (c.program == ONCWIRE_PORTMAPPER) {
		b = oncwire_mapper(&c, &w, ports, 2, &size);
	} else if (c.program != PROGRAM) {
		b = oncwire_reply(c.xid, ONCWIRE_NO_PROGRAM, NULL, 0, NULL, 0, &size);
	} else if (c.version != VERSION) {
		b = oncwire_reply(c.xid, ONCWIRE_MISMATCH, range, 2, NULL, 0, &size);
	} else if (c.procedure == 0) {
		b = oncwire_reply(c.xid, ONCWIRE_SUCCESS, NULL, 0, NULL, 0, &size);
	} else if (c.procedure != PROCEDURE) {
		b = oncwire_reply(c.xid, ONCWIRE_NO_PROCEDURE, NULL, 0, NULL, 0, &size);
	} else {
		s->calls++;
		if (strikes(s, SIMRPC_DENY))
			b = oncwire_reply(c.xid, ONCWIRE_NO_PROGRAM, NULL, 0, NULL, 0, &size);
		else
			send_record(s, from, c.xid);
	}
	if (b)
		later(s, from, b, size, false);
	free(b);
}

/* Whole records of one fragment, as every client of so short calls sends them. */
static size_t on_bytes(void *ctx, struct srv_client *c, const char *data, size_t n)
{
	const struct peer from = {.client = c};
	struct oncwire w = {.p = (const uint8_t *)data, .left = n};

	if (n < ONCWIRE_MARK)
		return 0;
	uint32_t mark = oncwire_word(&w);
	size_t length = mark & 0x7fffffff;
	if (!(mark & 0x80000000u) || length > CALL_MOST - ONCWIRE_MARK) {
		srv_close(c, "no RPC call");
		return n;
	}
	if (w.left < length)
		return 0;
	on_call(ctx, &from, w.p, length);
	return ONCWIRE_MARK + length;
}

static void on_closed(void *ctx, struct srv_client *c, const char *why)
{
	struct simrpc *s = ctx;

	(void)why;
	for (int i = 0; i < PENDING; i++)
		if (s->pending[i].used && s->pending[i].to.client == c)
			s->pending[i].used = false;
}

static void on_datagram(struct simrpc *s, int fd)
{
	struct peer from = {.fd = fd, .from = {.len = sizeof from.from.ss}};
	uint8_t in[CALL_MOST];
	ssize_t n =
	    recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&from.from.ss, &from.from.len);

	if (n > 0)
		on_call(s, &from, in, (size_t)n);
}

/* ---- the service ---- */

static const struct srv_calls calls = {.bytes = on_bytes, .closed = on_closed};

struct simrpc *simrpc_new(const struct simrpc_options *o)
{
	const struct srv_options so = {
	    .clients = CLIENTS, .line = CALL_MOST, .pending = 1 << 16, .stall = 30 * TIM_S};
	struct simrpc *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->o = *o;
	s->noise = (uint64_t)o->seed;
	s->udp[0] = s->udp[1] = -1;
	s->srv = srv_new(&so, &calls, s);
	if (s->srv)
		return s;
	free(s);
	return NULL;
}

void simrpc_free(struct simrpc *s)
{
	if (!s)
		return;
	srv_free(s->srv);
	for (int i = 0; i < 2; i++)
		if (s->udp[i] >= 0)
			close(s->udp[i]);
	free(s);
}

/* UDP first: where it lands, TCP is tried. */
static int listen_both(struct simrpc *s, int which, const struct net_spec *spec, unsigned *port,
    char ready[NET_TEXT], char why[NET_WHY])
{
	struct net_spec at = *spec;
	struct net_addr a;

	at.kind = NET_UDP;
	if (!at.host[0])
		strcpy(at.host, "127.0.0.1");
	for (int i = 0; i < BOTH_TRIES; i++) {
		if (net_resolve(&at, true, &a, 1, why) < 0)
			return -1;
		int fd = net_udp_listen(&a, at.iface, why);
		if (fd < 0)
			return -1;
		struct net_spec tcp = at;
		tcp.kind = NET_TCP;
		snprintf(tcp.port, sizeof tcp.port, "%u", net_port(&a));
		if (srv_listen(s->srv, &tcp, ready, why) == 0) {
			s->udp[which] = fd;
			*port = net_port(&a);
			return 0;
		}
		int error = errno;
		close(fd);
		errno = error;
		if (error != EADDRINUSE || strcmp(spec->port, "0") != 0)
			return -1;
	}
	return -1;
}

int simrpc_listen(
    struct simrpc *s, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY])
{
	return listen_both(s, 0, at, &s->port, ready, why);
}

int simrpc_portmapper(
    struct simrpc *s, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY])
{
	unsigned port;

	return listen_both(s, 1, at, &port, ready, why);
}

void simrpc_serve(struct simrpc *s, int64_t timeout_ns)
{
	struct pollfd extra[2];
	int64_t due = say_due(s), now = tim_mono();

	for (int i = 0; i < 2; i++)
		extra[i] = (struct pollfd){.fd = s->udp[i], .events = POLLIN};
	int64_t left = due == INT64_MAX ? timeout_ns : due > now ? due - now : 0;
	if (srv_wait(s->srv, extra, 2, left < timeout_ns ? left : timeout_ns) < 0)
		return;
	for (int i = 0; i < 2; i++)
		if (extra[i].revents)
			on_datagram(s, extra[i].fd);
	(void)say_due(s);
}
