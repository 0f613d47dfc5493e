/* simvxi.c - the network side of a simulated instrument: RPC records, calls, faults */
#include "dev/simvxi.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/oncwire.h"
#include "base/tcp.h"
#include "base/tim.h"

/* Numbers of RFC 5531, RFC 1833 and the VXI-11 specification 1.0. */
#define CORE        0x0607AF
#define ASYNC       0x0607B0
#define CLIENTS     16
#define RECORD_MOST (1 << 20)
#define MAX_RECV    4096 /* bytes that it takes in one device_write */
#define END         4
#define REQCNT      1

enum kind { TO_CORE, TO_ASYNC, TO_PORTMAPPER };

const char *const simvxi_fault_name[SIMVXI_FAULTS] = {"silent", "half", "hangup", "garbage", "long",
    "stale", "deny", "error", "no-end", "more", "full"};

struct client {
	int fd;
	enum kind kind;
	uint8_t *in, *out;
	size_t nin, nout, in_size;
	int64_t ready; /* the reply goes out then */
	uint32_t link;
	bool reading; /* a device_read waits for something to say */
	uint32_t read_xid, request;
	int64_t read_until;
	bool aborted, gone;
	int64_t call; /* number of the call that is being answered */
};

struct simvxi {
	struct simscope *scope;
	struct simvxi_options o;
	int core, async, mapper, mapper_udp;
	unsigned core_port, async_port;
	struct client client[CLIENTS];
	uint32_t links;
	int64_t calls;
};

/* ---- replying ---- */

static void drop(struct simvxi *v, struct client *c)
{
	v->o.tally->held -= c->reading;
	v->o.tally->lost[SIMVXI_LOST_HANGUP].n += c->reading;
	close(c->fd);
	free(c->in);
	free(c->out);
	memset(c, 0, sizeof *c);
	c->fd = -1;
}

static bool strikes(const struct simvxi *v, const struct client *c, enum simvxi_fault f)
{
	return c->kind == TO_CORE &&
	    (v->o.fault[f] == -1 || (c->call > 0 && v->o.fault[f] == c->call));
}

static void spoil(struct simvxi *v, uint8_t *b, size_t n)
{
	uint64_t x = (uint64_t)v->o.seed * 0x9e3779b97f4a7c15u + (uint64_t)v->calls;

	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		b[i] = (uint8_t)(x >> 56);
	}
}

/* Appends to what the client is to get. */
static void queue(struct client *c, const uint8_t *b, size_t n)
{
	uint8_t *more = realloc(c->out, c->nout + n);

	if (!more) {
		c->gone = true;
		return;
	}
	memcpy(more + c->nout, b, n);
	c->out = more;
	c->nout += n;
}

/* Sends a reply, or what a fault makes of it. Takes b. */
static void send_reply(struct simvxi *v, struct client *c, uint8_t *b, size_t n)
{
	struct tally *t = v->o.tally;

	c->ready = tim_mono() + v->o.delay;
	if (!b || strikes(v, c, SIMVXI_SILENT)) {
		t->lost[SIMVXI_LOST_SILENT].n++;
	} else if (strikes(v, c, SIMVXI_HANGUP)) {
		t->lost[SIMVXI_LOST_HANGUP].n++;
		c->gone = true;
	} else if (strikes(v, c, SIMVXI_HALF)) {
		t->lost[SIMVXI_LOST_SPOILED].n++;
		queue(c, b, n / 2);
	} else if (strikes(v, c, SIMVXI_GARBAGE) || strikes(v, c, SIMVXI_LONG)) {
		t->lost[SIMVXI_LOST_SPOILED].n++;
		if (strikes(v, c, SIMVXI_GARBAGE))
			spoil(v, b + 4, n - 4);
		else
			oncwire_put(b, 0xffffffffu);
		queue(c, b, n);
	} else {
		if (strikes(v, c, SIMVXI_STALE)) {
			b[4] ^= 0x55;
			queue(c, b, n);
			b[4] ^= 0x55;
		}
		t->out++;
		queue(c, b, n);
	}
	free(b);
}

static void send_words(
    struct simvxi *v, struct client *c, uint32_t xid, const uint32_t *result, size_t n)
{
	size_t size;
	uint8_t *b = oncwire_reply(xid, 0, result, n, NULL, 0, &size);

	send_reply(v, c, b, size);
}

/* ---- the instrument's calls ---- */

static void send_data(struct simvxi *v, struct client *c)
{
	size_t n, size;
	const uint8_t *bytes = simscope_answer(v->scope, &n);
	size_t most = c->request < (uint32_t)v->o.chunk ? c->request : (size_t)v->o.chunk;
	size_t now = n < most ? n : most;
	uint32_t reason = (now == n ? END : 0) | (now == c->request ? REQCNT : 0);

	if (strikes(v, c, SIMVXI_NO_END))
		reason = 0;
	if (strikes(v, c, SIMVXI_MORE) && n > c->request)
		now = n;
	uint32_t result[] = {0, reason, (uint32_t)now};
	uint8_t *b = oncwire_reply(c->read_xid, 0, result, 3, bytes, now, &size);
	if (!strikes(v, c, SIMVXI_NO_END) || now < n)
		simscope_taken(v->scope, now);
	send_reply(v, c, b, size);
}

/* A device_read that waits: something to say, aborted, or too late. */
static void try_read(struct simvxi *v, struct client *c, int64_t now)
{
	size_t n;

	if (!c->reading)
		return;
	simscope_answer(v->scope, &n);
	if (n == 0 && !c->aborted && now < c->read_until)
		return;
	c->reading = false;
	v->o.tally->held--;
	if (n > 0 && !c->aborted) {
		send_data(v, c);
		return;
	}
	uint32_t result[] = {c->aborted ? 23 : 15, 0, 0};
	c->aborted = false;
	send_words(v, c, c->read_xid, result, 3);
}

static void do_read(struct simvxi *v, struct client *c, uint32_t xid, struct oncwire *w)
{
	oncwire_word(w); /* link */
	c->request = oncwire_word(w);
	int64_t wait = oncwire_word(w);
	c->read_xid = xid;
	c->read_until = tim_mono() + wait * TIM_MS;
	c->reading = true;
	v->o.tally->held++;
	try_read(v, c, tim_mono());
}

static void do_write(struct simvxi *v, struct client *c, uint32_t xid, struct oncwire *w)
{
	uint32_t n;

	oncwire_word(w); /* link */
	oncwire_word(w); /* io_timeout */
	oncwire_word(w); /* lock_timeout */
	uint32_t flags = oncwire_word(w);
	const uint8_t *bytes = oncwire_counted(w, &n);
	uint32_t result[] = {w->bad || n > MAX_RECV ? 5 : 0, n};
	if (bytes && result[0] == 0)
		simscope_hear(v->scope, bytes, n, flags & 8, tim_mono());
	send_words(v, c, xid, result, 2);
}

static void do_create(struct simvxi *v, struct client *c, uint32_t xid, struct oncwire *w)
{
	uint32_t n;

	oncwire_word(w); /* client */
	oncwire_word(w); /* lock */
	oncwire_word(w); /* lock_timeout */
	const uint8_t *name = oncwire_counted(w, &n);
	bool known = name && n == 5 && memcmp(name, "inst0", 5) == 0;
	uint32_t result[] = {0, 0, v->async_port, MAX_RECV};
	if (!known || strikes(v, c, SIMVXI_FULL))
		result[0] = known ? 9 : 3;
	else
		result[1] = c->link = ++v->links;
	send_words(v, c, xid, result, 4);
}

static void core_call(
    struct simvxi *v, struct client *c, uint32_t xid, uint32_t procedure, struct oncwire *w)
{
	uint32_t result[] = {0, 0};
	struct oncwire look = *w;

	if (strikes(v, c, SIMVXI_ERROR)) {
		uint32_t error[] = {17, 0, 0, 0};
		send_words(v, c, xid, error, procedure == 10 ? 4 : procedure == 12 ? 3 : 2);
		return;
	}
	if (procedure != 10 && (c->link == 0 || oncwire_word(&look) != c->link)) {
		uint32_t bad[] = {4, 0, 0};
		send_words(v, c, xid, bad, procedure == 12 ? 3 : 2);
		return;
	}
	switch (procedure) {
	case 10:
		do_create(v, c, xid, w);
		return;
	case 11:
		do_write(v, c, xid, w);
		return;
	case 12:
		do_read(v, c, xid, w);
		return;
	case 13:
		result[1] = simscope_status(v->scope);
		send_words(v, c, xid, result, 2);
		return;
	case 15:
		simscope_clear(v->scope);
		break;
	case 23:
		c->link = 0;
		break;
	default:
		result[0] = 8;
	}
	send_words(v, c, xid, result, 1);
}

static void abort_call(struct simvxi *v, struct client *c, uint32_t xid, struct oncwire *w)
{
	uint32_t link = oncwire_word(w), result = 4;

	for (int i = 0; i < CLIENTS; i++) {
		struct client *k = &v->client[i];
		if (k->fd < 0 || k->kind != TO_CORE || k->link != link || link == 0)
			continue;
		result = 0;
		k->aborted = k->reading;
		simscope_abort(v->scope);
	}
	send_words(v, c, xid, &result, 1);
}

/* One call: the head of RFC 5531, and then by program and procedure. NULL client: by UDP, and the
 * reply is returned. */
static uint8_t *call(
    struct simvxi *v, struct client *c, const uint8_t *bytes, size_t n, size_t *size)
{
	struct oncwire w = {.p = bytes, .left = n};
	struct oncwire_call k;

	if (oncwire_call(&w, &k) < 0)
		return NULL;
	v->o.tally->in++;
	enum kind kind = c ? c->kind : TO_PORTMAPPER;
	if (kind == TO_PORTMAPPER && k.program == ONCWIRE_PORTMAPPER) {
		const struct oncwire_port ports[] = {
		    {CORE, 1, IPPROTO_TCP, v->core_port}, {ASYNC, 1, IPPROTO_TCP, v->async_port}};
		return oncwire_mapper(&k, &w, ports, 2, size);
	}
	if (c && kind == TO_CORE && k.program == CORE && k.version == 1) {
		c->call = ++v->calls;
		if (strikes(v, c, SIMVXI_DENY))
			return oncwire_reply(k.xid, 1, NULL, 0, NULL, 0, size);
		core_call(v, c, k.xid, k.procedure, &w);
		return NULL;
	}
	if (c && kind == TO_ASYNC && k.program == ASYNC && k.version == 1 && k.procedure == 1) {
		abort_call(v, c, k.xid, &w);
		return NULL;
	}
	return oncwire_reply(k.xid, k.program == ONCWIRE_PORTMAPPER || k.program == CORE ? 3 : 1,
	    NULL, 0, NULL, 0, size);
}

/* ---- descriptors ---- */

static void take_records(struct simvxi *v, struct client *c)
{
	while (c->nin >= 4 && !c->gone && !c->reading) {
		struct oncwire w = {.p = c->in, .left = 4};
		uint32_t mark = oncwire_word(&w);
		size_t n = mark & 0x7fffffff, size;
		if (!(mark & 0x80000000u) || n > RECORD_MOST) {
			c->gone = true; /* no client of ours sends fragments */
			return;
		}
		if (c->nin < 4 + n)
			return;
		uint8_t *b = call(v, c, c->in + 4, n, &size);
		if (b)
			send_reply(v, c, b, size);
		c->nin -= 4 + n;
		memmove(c->in, c->in + 4 + n, c->nin);
	}
}

static void hear(struct simvxi *v, struct client *c)
{
	if (c->nin == c->in_size) {
		size_t size = c->in_size ? 2 * c->in_size : 8192;
		uint8_t *more = realloc(c->in, size);
		if (!more || size > 2 * (RECORD_MOST + 4)) {
			c->gone = true;
			return;
		}
		c->in = more;
		c->in_size = size;
	}
	ssize_t n = recv(c->fd, c->in + c->nin, c->in_size - c->nin, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		c->gone = true;
	if (n <= 0)
		return;
	c->nin += (size_t)n;
	take_records(v, c);
}

static void flush(struct client *c)
{
	ssize_t n = send(c->fd, c->out, c->nout, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		c->gone = true;
	if (n <= 0)
		return;
	c->nout -= (size_t)n;
	memmove(c->out, c->out + n, c->nout);
}

static void admit(struct simvxi *v, int listener, enum kind kind)
{
	int fd = tcp_accept(listener);

	if (fd < 0)
		return;
	for (int i = 0; i < CLIENTS; i++) {
		if (v->client[i].fd >= 0)
			continue;
		v->client[i] = (struct client){.fd = fd, .kind = kind};
		return;
	}
	close(fd);
}

static void answer_udp(struct simvxi *v)
{
	struct net_addr from = {.len = sizeof from.ss};
	uint8_t in[512];
	size_t size;
	ssize_t n =
	    recvfrom(v->mapper_udp, in, sizeof in, 0, (struct sockaddr *)&from.ss, &from.len);

	if (n <= 0)
		return;
	uint8_t *b = call(v, NULL, in, (size_t)n, &size);
	if (b) {
		v->o.tally->out++;
		sendto(v->mapper_udp, b + 4, size - 4, 0, (struct sockaddr *)&from.ss, from.len);
	}
	free(b);
}

struct simvxi *simvxi_new(struct simscope *scope, const struct simvxi_options *o)
{
	struct simvxi *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->scope = scope;
	v->o = *o;
	v->core = v->async = v->mapper = v->mapper_udp = -1;
	for (int i = 0; i < CLIENTS; i++)
		v->client[i].fd = -1;
	return v;
}

void simvxi_free(struct simvxi *v)
{
	int fds[] = {v->core, v->async, v->mapper, v->mapper_udp};

	for (int i = 0; i < CLIENTS; i++)
		if (v->client[i].fd >= 0)
			drop(v, &v->client[i]);
	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(v);
}

int simvxi_listen(struct simvxi *v, struct net_addr *at, char why[NET_WHY])
{
	struct net_addr other = *at;

	v->core = tcp_listen(at, why);
	if (v->core < 0)
		return -1;
	net_set_port(&other, 0);
	v->async = tcp_listen(&other, why);
	v->core_port = net_port(at);
	v->async_port = net_port(&other);
	return v->async < 0 ? -1 : 0;
}

int simvxi_portmapper(struct simvxi *v, struct net_addr *at, char why[NET_WHY])
{
	v->mapper = tcp_listen(at, why);
	if (v->mapper < 0)
		return -1;
	v->mapper_udp = net_udp_listen(at, "", why);
	return v->mapper_udp < 0 ? -1 : 0;
}

static void serve_client(struct simvxi *v, struct client *c, short got, int64_t now)
{
	if (got & (POLLIN | POLLHUP | POLLERR))
		hear(v, c);
	try_read(v, c, now);
	if (c->nout > 0 && now >= c->ready)
		flush(c);
	if (!c->reading && c->nout == 0 && !c->gone)
		take_records(v, c);
	if (c->gone)
		drop(v, c);
}

/* When a client wants to be looked at without a word from it. */
static int64_t client_due(const struct client *c, int64_t due)
{
	if (c->reading && c->read_until < due)
		due = c->read_until;
	return c->nout > 0 && c->ready < due ? c->ready : due;
}

void simvxi_serve(struct simvxi *v, int64_t timeout_ns)
{
	struct pollfd set[5 + CLIENTS];
	int64_t now = tim_mono(), due = simscope_turn(v->scope, now);
	const int listener[] = {io_wakefd, v->core, v->async, v->mapper, v->mapper_udp};

	for (int i = 0; i < 5; i++)
		set[i] = (struct pollfd){.fd = listener[i], .events = POLLIN};
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &v->client[i];
		try_read(v, c, now);
		bool ready = c->nout > 0 && now >= c->ready;
		set[5 + i] =
		    (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (ready ? POLLOUT : 0))};
		if (c->fd >= 0 && !ready)
			due = client_due(c, due);
	}
	due = due < now + timeout_ns ? due : now + timeout_ns;
	struct timespec wait = {.tv_sec = 0, .tv_nsec = 0};
	if (due > now)
		wait = (struct timespec){(due - now) / TIM_S, (due - now) % TIM_S};
	if (ppoll(set, 5 + CLIENTS, &wait, NULL) < 0)
		return;
	now = tim_mono();
	simscope_turn(v->scope, now);
	for (int i = 0; i < CLIENTS; i++)
		if (v->client[i].fd >= 0)
			serve_client(v, &v->client[i], set[5 + i].revents, now);
	if (set[1].revents)
		admit(v, v->core, TO_CORE);
	if (set[2].revents)
		admit(v, v->async, TO_ASYNC);
	if (set[3].revents)
		admit(v, v->mapper, TO_PORTMAPPER);
	if (set[4].revents)
		answer_udp(v);
}
