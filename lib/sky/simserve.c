/* simserve.c - what the simulated telescope serves while time passes */
#include "sky/simserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/srv.h"
#include "base/tim.h"

#define HZ      100
#define CLIENTS 16
#define TURN    (20 * TIM_MS) /* that one service may keep the others waiting */

static const int step[SIMSERVE_STREAMS] = {1, 10, 100};

struct stream {
	struct srv *srv; /* NULL: not served */
	struct srv_client *client[CLIENTS];
};

struct simserve {
	struct stream stream[SIMSERVE_STREAMS];
	struct simrpc *rpc;
};

static void opened(void *ctx, struct srv_client *c)
{
	struct stream *v = ctx;

	for (int i = 0; i < CLIENTS; i++)
		if (!v->client[i]) {
			v->client[i] = c;
			return;
		}
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	struct stream *v = ctx;

	(void)why;
	for (int i = 0; i < CLIENTS; i++)
		if (v->client[i] == c)
			v->client[i] = NULL;
}

/* The telescope only talks. */
static enum srv_take on_line(void *ctx, struct srv_client *c, char *line, size_t n, bool cut)
{
	(void)ctx, (void)c, (void)line, (void)n, (void)cut;
	return SRV_TAKEN;
}

static const struct srv_calls calls = {.opened = opened, .closed = closed, .line = on_line};

static int address(const char *text, struct net_spec *spec, char why[NET_WHY])
{
	if (net_parse(text, NET_TCP, spec, why) == 0 && spec->kind == NET_TCP)
		return 0;
	snprintf(why, NET_WHY, "%.64s: not a TCP port", text);
	errno = EINVAL;
	return -1;
}

static int open_stream(struct stream *v, const char *at, char ready[NET_TEXT], char why[NET_WHY])
{
	const struct srv_options o = {
	    .clients = CLIENTS, .line = 256, .pending = 1 << 20, .stall = 30 * TIM_S};
	struct net_spec spec;

	if (address(at, &spec, why) < 0)
		return -1;
	v->srv = srv_new(&o, &calls, v);
	if (v->srv)
		return srv_listen(v->srv, &spec, ready, why);
	snprintf(why, NET_WHY, "out of memory");
	return -1;
}

static int open_rpc(
    struct simserve *s, const struct simserve_options *o, char ready[NET_TEXT], char why[NET_WHY])
{
	struct net_spec spec;
	char line[NET_TEXT + 16];

	if (address(o->rpc, &spec, why) < 0)
		return -1;
	if (!(s->rpc = simrpc_new(&o->rpc_options))) {
		snprintf(why, NET_WHY, "out of memory");
		return -1;
	}
	if (simrpc_listen(s->rpc, &spec, ready, why) < 0)
		return -1;
	snprintf(line, sizeof line, "rpc:%s", strchr(ready, ':') + 1);
	o->ready(line);
	if (!o->portmapper)
		return 0;
	if (address(o->portmapper, &spec, why) < 0 ||
	    simrpc_portmapper(s->rpc, &spec, ready, why) < 0)
		return -1;
	snprintf(line, sizeof line, "portmapper:%s", strchr(ready, ':') + 1);
	o->ready(line);
	return 0;
}

struct simserve *simserve_new(const struct simserve_options *o, char why[NET_WHY])
{
	struct simserve *s = calloc(1, sizeof *s);
	char ready[NET_TEXT];
	int bad = s ? 0 : -1;

	if (!s)
		snprintf(why, NET_WHY, "out of memory");
	for (int i = 0; i < SIMSERVE_STREAMS && !bad; i++) {
		if (!o->stream[i])
			continue;
		bad = open_stream(&s->stream[i], o->stream[i], ready, why);
		if (!bad)
			o->ready(ready);
	}
	if (!bad && o->rpc)
		bad = open_rpc(s, o, ready, why);
	if (!bad)
		return s;
	int error = errno;
	simserve_free(s);
	errno = error;
	return NULL;
}

void simserve_free(struct simserve *s)
{
	if (!s)
		return;
	for (int i = 0; i < SIMSERVE_STREAMS; i++)
		srv_free(s->stream[i].srv);
	simrpc_free(s->rpc);
	free(s);
}

bool simserve_any(const struct simserve *s)
{
	bool any = s->rpc != NULL;

	for (int i = 0; i < SIMSERVE_STREAMS; i++)
		any = any || s->stream[i].srv;
	return any;
}

/* The first listener waits, the others are looked at. */
void simserve_wait(struct simserve *s, int64_t timeout_ns)
{
	int64_t turn = timeout_ns < 0 ? 0 : timeout_ns < TURN ? timeout_ns : TURN;

	if (s->rpc) {
		simrpc_serve(s->rpc, turn);
		turn = 0;
	}
	for (int i = 0; i < SIMSERVE_STREAMS; i++)
		if (s->stream[i].srv) {
			(void)srv_wait(s->stream[i].srv, NULL, 0, turn);
			turn = 0;
		}
}

void simserve_send(struct simserve *s, const uint8_t *records, size_t length)
{
	for (int i = 0; i < SIMSERVE_STREAMS; i++)
		for (int c = 0; c < CLIENTS; c++)
			for (int k = 0; s->stream[i].client[c] && k < HZ; k += step[i])
				srv_send(
				    s->stream[i].client[c], records + (size_t)k * length, length);
}
