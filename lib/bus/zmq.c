/* zmq.c - ZeroMQ: a publisher that never waits unless it is told to, a subscriber that comes back */
#include "zmq.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/io.h"
#include "base/tim.h"

#define PREFIX      "fykb\1" /* magic and version: what a subscriber of ours asks for */
#define PREFIX_SIZE 6
#define RETRY_MS    100            /* between two attempts to connect, doubling ... */
#define RETRY_MOST  10000          /* ... up to this */
#define ALIVE_MS    5000           /* a peer that is silent is asked so often, */
#define ALIVE_MOST  20000          /* ... and given up after this */
#define GIVEN_UP    (500 * TIM_MS) /* without another attempt of ZeroMQ's own, we make one */
#define REFUSALS    3              /* failed handshakes in a row that mean no */
#define ZAP_AT      "inproc://zeromq.zap.01"
#define HWM         10000       /* without hwm=: so many messages may wait for each subscriber, */
#define HWM_BYTES   (256 << 20) /* but not more than this of the longest kind so far, */
#define HWM_LEAST   16          /* ... and never fewer */

/* Kind and stream follow the prefix in a head: who subscribes to this much of the end mark has it. */
#define TOPIC_END (PREFIX_SIZE + 2 + 8)

static_assert(sizeof PREFIX == PREFIX_SIZE, "the NUL is the version's high byte");

static void *fail(char why[BUS_WHY], const char *address, int error)
{
	const char *text = zmq_strerror(error);

	if (error == EADDRINUSE)
		text = "another program listens there";
	else if (error == ENODEV || error == EADDRNOTAVAIL) /* by name, or by number */
		text = "this machine has no such address, and a publisher listens at its own "
		       "(ip addr lists them)";
	snprintf(why, BUS_WHY, "%.200s: %s", address, text);
	errno = error;
	return NULL;
}

static int set_int(void *socket, int option, int v)
{
	return zmq_setsockopt(socket, option, &v, sizeof v);
}

/* ======== keys ======== */

struct zap {
	pthread_t thread;
	void *socket;
	bool running;
	int nclients;
	char client[16][41];
};

/* The rest of a message in parts into part[0..n); how many there were. */
static int take_parts(void *socket, char part[][256], size_t size[], int n)
{
	int more = 1, k = 0;
	size_t len = sizeof more;

	while (more) {
		char spare[256];
		int got = zmq_recv(socket, k < n ? part[k] : spare, 255, 0);
		if (got < 0)
			return -1;
		if (k < n) {
			size[k] = got < 255 ? (size_t)got : 255;
			part[k][size[k]] = '\0';
		}
		k++;
		zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &len);
	}
	return k;
}

/* Answers who may come in (ZeroMQ RFC 27): version, request, domain, address, identity, mechanism,
 * key. */
static void *answer(void *arg)
{
	struct zap *a = arg;
	char part[7][256], text[41];
	size_t size[7];
	int n;

	while ((n = take_parts(a->socket, part, size, 7)) >= 0 || zmq_errno() == EINTR) {
		bool known = false;
		if (n < 0)
			continue;
		if (n == 7 && size[6] == 32 && zmq_z85_encode(text, (uint8_t *)part[6], 32))
			for (int i = 0; i < a->nclients; i++)
				known |= strcmp(text, a->client[i]) == 0;
		zmq_send(a->socket, "1.0", 3, ZMQ_SNDMORE);
		zmq_send(a->socket, part[1], n > 1 ? size[1] : 0, ZMQ_SNDMORE);
		zmq_send(a->socket, known ? "200" : "400", 3, ZMQ_SNDMORE);
		zmq_send(a->socket, known ? "OK" : "No", 2, ZMQ_SNDMORE);
		zmq_send(a->socket, "", 0, ZMQ_SNDMORE);
		zmq_send(a->socket, "", 0, 0);
	}
	zmq_close(a->socket);
	return NULL;
}

static int start_zap(struct zap *a, void *context, const struct bus_secrets *keys)
{
	a->nclients = keys->nclients;
	memcpy(a->client, keys->client, sizeof a->client);
	a->socket = zmq_socket(context, ZMQ_REP);
	if (!a->socket || zmq_bind(a->socket, ZAP_AT) < 0)
		return -1;
	int error = pthread_create(&a->thread, NULL, answer, a);
	a->running = error == 0;
	errno = error;
	return error ? -1 : 0;
}

static int use_keys(void *socket, const struct bus_secrets *k, bool server)
{
	if (!k->secret[0] || (!server && (!k->server[0] || !k->pub[0]))) {
		errno = EINVAL;
		return -1;
	}
	if (zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, k->secret, 41) < 0)
		return -1;
	if (server)
		return set_int(socket, ZMQ_CURVE_SERVER, 1) < 0 ||
			zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "fyke", 4) < 0
		    ? -1
		    : 0;
	return zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, k->pub, 41) < 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, k->server, 41) < 0
	    ? -1
	    : 0;
}

/* ======== sockets ======== */

/* Whether somebody listens at the Unix socket: ZeroMQ would push them out. */
static bool taken(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool there = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
	if (fd >= 0)
		close(fd);
	return there;
}

/* ZeroMQ also removes what stands under the name, whatever it is. */
static int ipc_free(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && (!S_ISSOCK(st.st_mode) || taken(path))) {
		errno = EADDRINUSE;
		return -1;
	}
	return 0;
}

static int attach(void *socket, const struct bus_url *u, char address[ZMQ_ADDRESS])
{
	bool ipc = strncmp(u->address, "ipc://", 6) == 0;
	char end[512];
	size_t n = sizeof end;

	if (!u->bind) {
		snprintf(address, ZMQ_ADDRESS, "zmq+%s", u->address);
		return zmq_connect(socket, u->address);
	}
	if (ipc && ipc_free(u->address + 6) < 0)
		return -1;
	mode_t old = umask(0117);
	int rc = zmq_bind(socket, u->address);
	int error = errno;
	umask(old);
	errno = error;
	if (rc < 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, end, &n) < 0)
		return -1;
	snprintf(address, ZMQ_ADDRESS, "zmq+%s", end);
	return 0;
}

static int common(void *socket, const struct bus_url *u, bool plain)
{
	bool v6 = strchr(u->address, '[') != NULL;

	/* Peers that know nothing of fyke may be too old for heartbeats. */
	if (!plain &&
	    (set_int(socket, ZMQ_HEARTBEAT_IVL, ALIVE_MS) < 0 ||
		set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, ALIVE_MOST) < 0))
		return -1;
	return set_int(socket, ZMQ_RECONNECT_IVL, RETRY_MS) < 0 ||
		set_int(socket, ZMQ_RECONNECT_IVL_MAX, RETRY_MOST) < 0 ||
		set_int(socket, ZMQ_TCP_KEEPALIVE, 1) < 0 ||
		set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30) < 0 || set_int(socket, ZMQ_IPV6, v6) < 0
	    ? -1
	    : 0;
}

/* Waits for socket, fd and signals. */
static int wait_for(void *socket, void *monitor, int fd, int64_t timeout_ns)
{
	zmq_pollitem_t item[4] = {
	    {.socket = socket, .events = ZMQ_POLLIN}, {.fd = io_wakefd, .events = ZMQ_POLLIN}};
	int n = io_wakefd < 0 ? 1 : 2;

	if (fd >= 0)
		item[n++] = (zmq_pollitem_t){.fd = fd, .events = ZMQ_POLLIN};
	if (monitor)
		item[n++] = (zmq_pollitem_t){.socket = monitor, .events = ZMQ_POLLIN};
	long ms = timeout_ns < 0 ? -1 : (long)((timeout_ns + TIM_MS - 1) / TIM_MS);
	int got = zmq_poll(item, n, ms);
	if (got > 0 && io_wakefd >= 0 && item[1].revents) {
		errno = EINTR;
		return -1;
	}
	return got;
}

/* The queues' length, where the address does not say it, by the longest message so far. */
struct hwm {
	bool given;
	size_t longest;
	int option; /* ZMQ_SNDHWM, ZMQ_RCVHWM */
};

static int hwm_first(struct hwm *h, void *socket, const struct bus_url *u, int option)
{
	*h = (struct hwm){.given = u->hwm > 0, .longest = HWM_BYTES / HWM, .option = option};
	return set_int(socket, option, h->given ? (int)u->hwm : HWM);
}

/* A message of n bytes passes. */
static void hwm_fit(struct hwm *h, void *socket, size_t n)
{
	if (h->given || n <= h->longest)
		return;
	h->longest = n;
	int fit = HWM_BYTES / (int)n;
	(void)set_int(socket, h->option, fit > HWM_LEAST ? fit : HWM_LEAST);
}

/* What a subscriber subscribes to when it has the end mark. */
static void topic_end(uint8_t topic[TOPIC_END], uint64_t stream)
{
	struct bus_head h;

	bus_put_head(&h, &(struct bus_msg){.kind = BUS_END, .stream = stream});
	memcpy(topic, &h, TOPIC_END);
}

/* ======== publisher ======== */

struct zpub {
	void *context, *socket;
	struct zap zap;
	struct hwm hwm;
	unsigned joined, here;
	bool nodrop;
	int timeout;
	bool aside;             /* somebody's queue was full, and may be still */
	uint8_t end[TOPIC_END]; /* of the stream that ended */
	unsigned heard;         /* subscribers that have its end mark */
};

static void *close_pub(struct zpub *z)
{
	int error = errno;

	if (z->socket)
		zmq_close(z->socket);
	if (z->zap.socket && !z->zap.running)
		zmq_close(z->zap.socket);
	while (z->context && zmq_ctx_term(z->context) < 0 && zmq_errno() == EINTR)
		;
	if (z->zap.running)
		pthread_join(z->zap.thread, NULL);
	free(z);
	errno = error;
	return NULL;
}

struct zpub *zpub_open(const struct bus_url *u, const struct bus_secrets *keys, bool plain,
    char address[ZMQ_ADDRESS], char why[BUS_WHY])
{
	struct zpub *z = calloc(1, sizeof *z);
	int64_t most = 1024; /* of a subscription */

	if (!z)
		return fail(why, u->address, errno);
	z->context = zmq_ctx_new();
	/* Where the machine is busy the data path goes first; live displays get what is left. */
	if (z->context && !u->nodrop)
		(void)zmq_ctx_set(z->context, ZMQ_THREAD_SCHED_POLICY, SCHED_IDLE);
	z->socket = z->context ? zmq_socket(z->context, ZMQ_XPUB) : NULL;
	if (z->socket && keys &&
	    (start_zap(&z->zap, z->context, keys) < 0 || use_keys(z->socket, keys, true) < 0)) {
		snprintf(why, BUS_WHY,
		    "%.200s: a publisher needs its secret key and its clients' keys", keys->path);
		errno = EPERM;
		return close_pub(z);
	}
	if (!z->socket || common(z->socket, u, plain) < 0 ||
	    set_int(z->socket, ZMQ_XPUB_VERBOSER, 1) < 0 ||
	    hwm_first(&z->hwm, z->socket, u, ZMQ_SNDHWM) < 0 ||
	    set_int(z->socket, ZMQ_LINGER, 0) < 0 ||
	    zmq_setsockopt(z->socket, ZMQ_MAXMSGSIZE, &most, sizeof most) < 0 ||
	    attach(z->socket, u, address) < 0) {
		fail(why, u->address, errno);
		return close_pub(z);
	}
	return z;
}

static int send_mode(struct zpub *z, bool wait, int timeout_ms)
{
	if (wait != z->nodrop && set_int(z->socket, ZMQ_XPUB_NODROP, wait) < 0)
		return -1;
	z->nodrop = wait;
	if (wait && timeout_ms != z->timeout && set_int(z->socket, ZMQ_SNDTIMEO, timeout_ms) < 0)
		return -1;
	if (wait)
		z->timeout = timeout_ms;
	return 0;
}

/* Without those whose queue is full. */
static int send_without(struct zpub *z, zmq_msg_t *m)
{
	z->aside = true;
	return send_mode(z, false, 0) < 0 ? -1 : zmq_msg_send(m, z->socket, ZMQ_DONTWAIT);
}

int zpub_send(struct zpub *z, const void *head, size_t nhead, const void *block, size_t n,
    bool wait, int timeout_ms)
{
	zmq_msg_t m;

	hwm_fit(&z->hwm, z->socket, nhead + n);
	if (send_mode(z, true, wait ? timeout_ms : z->timeout) < 0 ||
	    zmq_msg_init_size(&m, nhead + n) < 0)
		return -1;
	memcpy(zmq_msg_data(&m), head, nhead);
	memcpy((uint8_t *)zmq_msg_data(&m) + nhead, block, n);
	int rc = zmq_msg_send(&m, z->socket, wait ? 0 : ZMQ_DONTWAIT);
	if (rc < 0 && !wait && zmq_errno() == EAGAIN)
		rc = send_without(z, &m);
	if (rc >= 0)
		return 0;
	int error = zmq_errno();
	zmq_msg_close(&m);
	errno = error;
	return -1;
}

/* Whether a subscription with this topic is to what we send. */
static bool for_us(const uint8_t *topic, int n)
{
	return n <= PREFIX_SIZE && memcmp(topic, PREFIX, (size_t)n) == 0;
}

static void change(unsigned *n, bool more)
{
	*n += more ? 1U : *n > 0 ? -1U : 0;
}

unsigned zpub_joined(struct zpub *z, unsigned *here)
{
	uint8_t m[64];
	int n;

	while ((n = zmq_recv(z->socket, m, sizeof m, ZMQ_DONTWAIT)) >= 0) {
		if (n < 1 || n > (int)sizeof m || m[0] > 1)
			continue;
		if (n - 1 == TOPIC_END && memcmp(m + 1, z->end, TOPIC_END) == 0)
			change(&z->heard, m[0]);
		if (!for_us(m + 1, n - 1))
			continue;
		z->joined += m[0];
		change(&z->here, m[0]);
	}
	z->aside = z->aside && z->here > 0;
	unsigned joined = z->joined;
	z->joined = 0;
	*here = z->here;
	return joined;
}

void zpub_ended(struct zpub *z, uint64_t stream)
{
	topic_end(z->end, stream);
	z->heard = 0;
}

bool zpub_owes(const struct zpub *z)
{
	return z->aside && z->heard < z->here;
}

int zpub_wait(struct zpub *z, int fd, int64_t timeout_ns)
{
	return wait_for(z->socket, NULL, fd, timeout_ns);
}

void zpub_close(struct zpub *z, int64_t linger_ns)
{
	if (!z)
		return;
	(void)set_int(z->socket, ZMQ_LINGER, (int)(linger_ns / TIM_MS));
	close_pub(z);
}

/* ======== subscriber ======== */

struct zsub {
	void *context, *socket, *monitor;
	const char *topic;
	size_t ntopic;
	zmq_msg_t message;
	unsigned connects, refusals;
	bool connected;
	char address[512]; /* to connect to; "": we listen */
	int64_t lost_at;   /* tim_mono() when a connection ended and none is being made; 0: no */
	int64_t gone_at;   /* tim_mono() when the last one ended; 0: one is there */
	struct hwm hwm;
	bool plain, ended; /* end is that of a stream, and subscribed to */
	uint8_t end[TOPIC_END];
};

static void *close_sub(struct zsub *z)
{
	int error = errno;

	if (z->monitor)
		zmq_close(z->monitor);
	if (z->socket)
		zmq_close(z->socket);
	while (z->context && zmq_ctx_term(z->context) < 0 && zmq_errno() == EINTR)
		;
	zmq_msg_close(&z->message);
	free(z);
	errno = error;
	return NULL;
}

struct zsub *zsub_open(const struct bus_url *u, const struct bus_secrets *keys, bool plain,
    char address[ZMQ_ADDRESS], char why[BUS_WHY])
{
	struct zsub *z = calloc(1, sizeof *z);

	if (!z)
		return fail(why, u->address, errno);
	zmq_msg_init(&z->message);
	z->plain = plain;
	z->topic = plain ? "" : PREFIX;
	z->ntopic = plain ? 0 : PREFIX_SIZE;
	if (!u->bind)
		snprintf(z->address, sizeof z->address, "%s", u->address);
	z->context = zmq_ctx_new();
	z->socket = z->context ? zmq_socket(z->context, ZMQ_SUB) : NULL;
	if (z->socket && keys && use_keys(z->socket, keys, false) < 0) {
		snprintf(why, BUS_WHY, "%.200s: a subscriber needs public, secret and server keys",
		    keys->path);
		errno = EPERM;
		return close_sub(z);
	}
	int64_t most = BUS_MOST;
	if (!z->socket || common(z->socket, u, plain) < 0 ||
	    hwm_first(&z->hwm, z->socket, u, ZMQ_RCVHWM) < 0 ||
	    set_int(z->socket, ZMQ_LINGER, 0) < 0 ||
	    zmq_setsockopt(z->socket, ZMQ_MAXMSGSIZE, &most, sizeof most) < 0 ||
	    zmq_setsockopt(z->socket, ZMQ_SUBSCRIBE, z->topic, z->ntopic) < 0 ||
	    zmq_socket_monitor(z->socket, "inproc://monitor", ZMQ_EVENT_ALL) < 0 ||
	    !(z->monitor = zmq_socket(z->context, ZMQ_PAIR)) ||
	    zmq_connect(z->monitor, "inproc://monitor") < 0 || attach(z->socket, u, address) < 0) {
		fail(why, u->address, errno);
		return close_sub(z);
	}
	return z;
}

/* What became of the connection. -1 with EACCES. */
static int look_at_monitor(struct zsub *z)
{
	struct {
		uint16_t event;
		uint32_t value;
	} __attribute__((packed)) e;
	char from[512];

	while (zmq_recv(z->monitor, &e, sizeof e, ZMQ_DONTWAIT) >= 0) {
		zmq_recv(z->monitor, from, sizeof from, ZMQ_DONTWAIT);
		switch (e.event) {
		case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
			z->connected = true;
			z->gone_at = 0;
			z->connects++;
			z->refusals = 0;
			break;
		case ZMQ_EVENT_CONNECTED:
		case ZMQ_EVENT_CONNECT_DELAYED:
		case ZMQ_EVENT_CONNECT_RETRIED:
			z->lost_at = 0;
			break;
		case ZMQ_EVENT_DISCONNECTED:
			z->connected = false;
			z->lost_at = z->gone_at = tim_mono();
			break;
		case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
			errno = EACCES;
			return -1;
		case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
			if (e.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ||
			    e.value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) {
				errno = EACCES;
				return -1;
			}
			/* fall through */
		case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
			z->lost_at = tim_mono();
			/* One may be a publisher that died just then. */
			if (++z->refusals < REFUSALS)
				break;
			errno = EACCES;
			return -1;
		}
	}
	return 0;
}

/* After a message that breaks the rules, such as one that is too long, ZeroMQ does not connect
 * again: we do. */
static void connect_again(struct zsub *z)
{
	if (z->lost_at == 0 || !z->address[0] || tim_mono() - z->lost_at < GIVEN_UP)
		return;
	z->lost_at = tim_mono();
	(void)zmq_disconnect(z->socket, z->address);
	(void)zmq_connect(z->socket, z->address);
}

/* Tells the publisher that we have the end mark, where m is one. */
static void thank(struct zsub *z, const void *m, size_t n)
{
	uint8_t topic[TOPIC_END];

	if (z->plain || n < sizeof(struct bus_head))
		return;
	topic_end(topic, wire_get(((const struct bus_head *)m)->stream));
	if (memcmp(m, topic, TOPIC_END) != 0 || (z->ended && memcmp(z->end, topic, TOPIC_END) == 0))
		return;
	if (z->ended)
		(void)zmq_setsockopt(z->socket, ZMQ_UNSUBSCRIBE, z->end, TOPIC_END);
	z->ended = true;
	memcpy(z->end, topic, TOPIC_END);
	(void)zmq_setsockopt(z->socket, ZMQ_SUBSCRIBE, z->end, TOPIC_END);
}

static int receive(struct zsub *z, const uint8_t **message, size_t *n)
{
	zmq_msg_t more;

	if (zmq_msg_recv(&z->message, z->socket, ZMQ_DONTWAIT) < 0)
		return zmq_errno() == EAGAIN ? 0 : -1;
	*message = zmq_msg_data(&z->message);
	*n = zmq_msg_size(&z->message);
	hwm_fit(&z->hwm, z->socket, *n);
	if (!zmq_msg_more(&z->message)) {
		thank(z, *message, *n);
		return 1;
	}
	*n = 0;
	zmq_msg_init(&more);
	do
		(void)zmq_msg_recv(&more, z->socket, ZMQ_DONTWAIT);
	while (zmq_msg_more(&more));
	zmq_msg_close(&more);
	return 1;
}

int zsub_next(struct zsub *z, const uint8_t **message, size_t *n, int64_t timeout_ns)
{
	int got = receive(z, message, n);

	if (got != 0)
		return got;
	if (z->lost_at && (timeout_ns < 0 || timeout_ns > GIVEN_UP))
		timeout_ns = GIVEN_UP;
	if (look_at_monitor(z) < 0 || wait_for(z->socket, z->monitor, -1, timeout_ns) < 0)
		return -1;
	connect_again(z);
	return look_at_monitor(z) < 0 ? -1 : receive(z, message, n);
}

void zsub_ask(struct zsub *z)
{
	zmq_setsockopt(z->socket, ZMQ_UNSUBSCRIBE, z->topic, z->ntopic);
	zmq_setsockopt(z->socket, ZMQ_SUBSCRIBE, z->topic, z->ntopic);
}

unsigned zsub_connects(const struct zsub *z)
{
	return z->connects;
}

bool zsub_connected(const struct zsub *z)
{
	return z->connected;
}

int64_t zsub_gone_at(const struct zsub *z)
{
	return z->gone_at;
}

void zsub_close(struct zsub *z)
{
	if (z)
		close_sub(z);
}
