/* nats_conn.c - a connection to NATS, made again by ourselves, and the JetStream context on it */
#include "nats_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"

#define CONNECT_MS 2000
#define ASK_MS     3000 /* what JetStream is asked should be answered by then */
#define PING_MS    5000 /* a silent connection is asked so often, */
#define PINGS      2    /* ... and given up after so many without an answer */
#define CLOSE_S    5    /* the threads of a connection should have ended by then */

int conn_init(struct nats_conn *c, const struct bus_url *u, const struct bus_secrets *keys)
{
	pthread_condattr_t mono;

	*c = (struct nats_conn){.u = u, .keys = keys, .back = BACK_INIT};
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&c->quiet, &mono);
	pthread_condattr_destroy(&mono);
	c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->event < 0 ? -1 : 0;
}

void conn_wake(struct nats_conn *c)
{
	static const uint64_t one = 1;

	(void)!write(c->event, &one, sizeof one);
}

/* ---- callbacks, in threads of libnats ---- */

static void on_down(natsConnection *nc, void *arg)
{
	struct nats_conn *c = arg;

	(void)nc;
	pthread_mutex_lock(&c->lock);
	c->down = true;
	pthread_mutex_unlock(&c->lock);
	conn_wake(c);
}

static void on_closed(natsConnection *nc, void *arg)
{
	struct nats_conn *c = arg;

	(void)nc;
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_cond_signal(&c->quiet);
	pthread_mutex_unlock(&c->lock);
}

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus err, void *arg)
{
	struct nats_conn *c = arg;

	(void)nc;
	(void)sub;
	if (err != NATS_NOT_PERMITTED)
		return;
	pthread_mutex_lock(&c->lock);
	c->forbidden = true;
	pthread_mutex_unlock(&c->lock);
	conn_wake(c);
}

/* ---- connecting ---- */

static natsStatus credentials(natsOptions *o, const struct bus_secrets *k)
{
	if (!k)
		return NATS_OK;
	if (k->creds)
		return natsOptions_SetUserCredentialsFromFiles(o, k->path, NULL);
	if (k->token[0])
		return natsOptions_SetToken(o, k->token);
	return natsOptions_SetUserInfo(o, k->user, k->password);
}

static natsStatus servers(natsOptions *o, const char *address)
{
	const char *list[32];
	char copy[sizeof((struct bus_url *)NULL)->address], *save = NULL;
	int n = 0;

	snprintf(copy, sizeof copy, "%s", address);
	for (char *s = strtok_r(copy, ",", &save); s && n < 32; s = strtok_r(NULL, ",", &save))
		list[n++] = s;
	return natsOptions_SetServers(o, list, n);
}

static natsStatus dial(struct nats_conn *c)
{
	natsOptions *o = NULL;
	natsStatus s = natsOptions_Create(&o);

	if (s == NATS_OK && (s = servers(o, c->u->address)) == NATS_OK &&
	    (s = credentials(o, c->keys)) == NATS_OK &&
	    (s = natsOptions_SetTimeout(o, CONNECT_MS)) == NATS_OK &&
	    (s = natsOptions_SetAllowReconnect(o, false)) == NATS_OK &&
	    (s = natsOptions_SetPingInterval(o, PING_MS)) == NATS_OK &&
	    (s = natsOptions_SetMaxPingsOut(o, PINGS)) == NATS_OK &&
	    (s = natsOptions_SetWriteDeadline(o, PING_MS)) == NATS_OK &&
	    (s = natsOptions_SetName(o, "fyke")) == NATS_OK &&
	    (s = natsOptions_SetDisconnectedCB(o, on_down, c)) == NATS_OK &&
	    (s = natsOptions_SetClosedCB(o, on_closed, c)) == NATS_OK &&
	    (s = natsOptions_SetErrorHandler(o, on_error, c)) == NATS_OK)
		s = natsConnection_Connect(&c->nc, o);
	natsOptions_Destroy(o);
	if (s == NATS_OK) {
		jsOptions js;
		jsOptions_Init(&js);
		js.Wait = ASK_MS;
		s = natsConnection_JetStream(&c->js, c->nc, &js);
	}
	return s;
}

/* What the broker answered, without the place in libnats that heard it: "(jsm.c:1033): ...". */
static const char *answer(char safe[200])
{
	const char *text = nats_GetLastError(NULL);
	const char *place = text ? strstr(text, "): ") : NULL;

	text = place ? place + 3 : text && *text ? text : "it does not say why";
	return cli_safe(safe, 200, text, strlen(text));
}

void conn_say(struct nats_conn *c, const char *what, natsStatus s)
{
	char safe[200];

	snprintf(c->why, sizeof c->why, "%.200s: cannot %s: %s", c->u->address, what,
	    s == NATS_NO_SERVER           ? "nobody answers there"
		: s == NATS_TIMEOUT       ? "no answer in time"
		: s == NATS_NO_RESPONDERS ? "JetStream is not enabled there, or not ready"
		: s == NATS_ERR           ? answer(safe)
					  : natsStatus_GetText(s));
}

/* Until its last callback: one that comes late would speak of the next connection, or to nobody. */
static void await_quiet(struct nats_conn *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_S;
	pthread_mutex_lock(&c->lock);
	while (!c->closed && pthread_cond_timedwait(&c->quiet, &c->lock, &until) == 0)
		;
	c->down = c->closed = false;
	pthread_mutex_unlock(&c->lock);
}

static void shut(struct nats_conn *c)
{
	if (!c->nc)
		return;
	natsConnection_Close(c->nc);
	await_quiet(c);
	/* While a connection lives, libnats 3.4 may be handing a message to the subscription that
	 * we free (its issue 637). The library is not unloaded while there is one. */
	natsSubscription_Destroy(c->sub);
	jsCtx_Destroy(c->js);
	natsConnection_Destroy(c->nc);
	c->sub = NULL;
	c->js = NULL;
	c->nc = NULL;
}

void conn_lost(struct nats_conn *c, const char *what)
{
	if (what)
		snprintf(c->why, sizeof c->why, "%.200s: %s", c->u->address, what);
	shut(c);
	if (!c->away)
		c->away = tim_mono();
	back_fail(&c->back, tim_mono());
}

void conn_fine(struct nats_conn *c)
{
	back_ok(&c->back);
	c->away = 0;
	c->why[0] = '\0';
}

static int refused(struct nats_conn *c, const char *what)
{
	snprintf(c->why, sizeof c->why, "%.200s: the broker refuses: %s", c->u->address, what);
	errno = EACCES;
	return -1;
}

int conn_turn(struct nats_conn *c)
{
	pthread_mutex_lock(&c->lock);
	bool down = c->down, forbidden = c->forbidden;
	pthread_mutex_unlock(&c->lock);
	if (forbidden)
		return refused(c, "this user may not use the stream");
	if (c->nc && down)
		conn_lost(c, "the connection was lost");
	if (c->nc)
		return 0;
	if (c->u->timeout && c->away && tim_mono() - c->away > c->u->timeout) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (tim_mono() < c->back.due)
		return 0;
	natsStatus s = dial(c);
	if (s == NATS_OK)
		return 1;
	if (s == NATS_CONNECTION_AUTH_FAILED || s == NATS_NOT_PERMITTED)
		return refused(c,
		    c->keys ? "name and password or key are wrong"
			    : "it asks for a name or key (--credentials=FILE)");
	conn_say(c, "connect", s);
	conn_lost(c, NULL);
	return 0;
}

int conn_wait(struct nats_conn *c, int fd, int64_t timeout_ns)
{
	struct pollfd p[3] = {{.fd = c->event, .events = POLLIN},
	    {.fd = io_wakefd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	uint64_t n;

	if (!c->nc) {
		int64_t left = c->back.due - tim_mono();
		if (left < timeout_ns || timeout_ns < 0)
			timeout_ns = left > 0 ? left : 0;
	}
	struct timespec ts = {.tv_sec = timeout_ns / TIM_S, .tv_nsec = timeout_ns % TIM_S};
	int got = ppoll(p, 3, timeout_ns < 0 ? NULL : &ts, NULL);
	(void)!read(c->event, &n, sizeof n);
	if (got > 0 && (p[1].revents & POLLIN)) {
		errno = EINTR;
		return -1;
	}
	return got > 0;
}

void conn_free(struct nats_conn *c)
{
	shut(c);
	(void)nats_CloseAndWait(CLOSE_S * 1000);
	if (c->event >= 0)
		close(c->event);
	pthread_cond_destroy(&c->quiet);
	pthread_mutex_destroy(&c->lock);
}
