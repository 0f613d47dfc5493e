/* hvserve.c - hvmux's sockets: clients on one side, supplies on the other, hvmux.h between them */
#include "hvserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dial.h"
#include "base/tim.h"

#define OFF_REDIAL TIM_S /* a supply that is to be told OFF is dialled as often as that */

struct hvserve {
	struct hvmux *mux;
	struct srv *srv;
	const struct hvserve_calls *calls;
	struct dial *dial[HV_BOARDS];
	char told[HV_BOARDS][NET_WHY]; /* why each is away; "": it is not */
	int boards;
	int64_t due; /* of hvmux */
};

/* ---- what hvmux wants said ---- */

static void audit(void *ctx, const char *text)
{
	struct hvserve *h = ctx;
	h->calls->audit(text);
}

static void alarm_text(void *ctx, const char *text)
{
	struct hvserve *h = ctx;
	h->calls->alarm(text);
}

static void note(void *ctx, const char *text)
{
	struct hvserve *h = ctx;
	h->calls->note(text);
}

/* ---- to the supplies ---- */

static int to_supply(void *ctx, int board, const char *text, size_t n)
{
	struct hvserve *h = ctx;
	return dial_send(h->dial[board], text, n);
}

static bool is_stale(void *ctx, int board)
{
	struct hvserve *h = ctx;
	return dial_stale(h->dial[board]);
}

static void drop(void *ctx, int board, const char *why)
{
	struct hvserve *h = ctx;
	dial_drop(h->dial[board], why);
}

static void good(void *ctx, int board)
{
	struct hvserve *h = ctx;
	dial_good(h->dial[board]);
	h->told[board][0] = '\0';
}

/* A loss is told once, until the supply was back or there is another reason. */
static void tell_lost(struct hvserve *h, int board)
{
	char text[HVMUX_TEXT];
	const char *why = dial_why(h->dial[board]);

	if (strcmp(h->told[board], why) == 0)
		return;
	snprintf(text, sizeof text, "board %d: %s: %s; trying again", board,
	    dial_text(h->dial[board]), why);
	h->calls->alarm(text);
	snprintf(h->told[board], NET_WHY, "%s", why);
}

/* One supply's connection after a poll. */
static void step(struct hvserve *h, int board, short revents)
{
	struct dial *d = h->dial[board];
	int64_t now = tim_mono();
	char *line;
	size_t n;

	switch (dial_step(d, revents)) {
	case DIAL_UP:
		hvmux_up(h->mux, board, now);
		break;
	case DIAL_LOST:
		tell_lost(h, board);
		hvmux_lost(h->mux, board, dial_why(d), now);
		break;
	case DIAL_NONE:
		break;
	}
	while (dial_is_up(d) && (line = dial_line(d, &n)))
		hvmux_reply(h->mux, board, line, n, now);
}

/* ---- to and from the clients: hvmux knows them by srv's handles, srv keeps hvmux's ---- */

static void to_client(void *ctx, void *who, const char *text, size_t n)
{
	(void)ctx;
	srv_send(who, text, n);
}

static void room(void *ctx, void *who)
{
	(void)ctx;
	srv_resume(who);
}

static void opened(void *ctx, struct srv_client *c)
{
	struct hvserve *h = ctx;

	srv_set_data(c, hvmux_join(h->mux, c, srv_peer(c), srv_read_only(c)));
	if (!srv_data(c))
		srv_close(c, "no memory");
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *line, size_t n, bool cut)
{
	(void)ctx;
	return hvmux_line(srv_data(c), line, n, cut, tim_mono()) ? SRV_TAKEN : SRV_LATER;
}

static void behind(void *ctx, struct srv_client *c, const char *data, size_t n)
{
	(void)ctx;
	hvmux_ahead(srv_data(c), data, n, tim_mono());
}

static bool awaits(void *ctx, const struct srv_client *c)
{
	const struct hvmux_client *mux = srv_data(c);

	(void)ctx;
	return mux && hvmux_waiting(mux) > 0;
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	(void)ctx, (void)why;
	if (srv_data(c))
		hvmux_leave(srv_data(c));
}

static void refused(void *ctx, const char *peer, const char *why)
{
	char text[256];

	snprintf(text, sizeof text, "%.90s: not let in: %.120s", peer, why);
	audit(ctx, text);
}

/* ---- the turn ---- */

int hvserve_listen(
    struct hvserve *h, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY])
{
	return srv_listen(h->srv, at, ready, why);
}

int hvserve_turn(struct hvserve *h, int64_t until)
{
	struct pollfd p[HV_BOARDS];
	int64_t now = tim_mono(), next = now + TIM_S;

	next = h->due < next ? h->due : next;
	next = until < next ? until : next;
	for (int i = 0; i < h->boards; i++) {
		if (hvmux_off_waits(h->mux, i))
			dial_hurry(h->dial[i], OFF_REDIAL);
		dial_poll(h->dial[i], &p[i]);
		if (dial_due(h->dial[i]) < next)
			next = dial_due(h->dial[i]);
	}
	if (srv_wait(h->srv, p, (size_t)h->boards, next > now ? next - now : 0) < 0)
		return -1;
	for (int i = 0; i < h->boards; i++)
		step(h, i, p[i].revents);
	h->due = hvmux_run(h->mux, tim_mono());
	return 0;
}

/* ---- beginning and end ---- */

struct hvserve *hvserve_new(const struct hvmux_options *mux, const struct net_spec *supply,
    const struct srv_options *clients, const struct hvserve_calls *calls, struct tally *t)
{
	static const struct hvmux_calls to_mux = {.send = to_supply,
	    .stale = is_stale,
	    .drop = drop,
	    .good = good,
	    .answer = to_client,
	    .room = room,
	    .audit = audit,
	    .alarm = alarm_text,
	    .note = note};
	static const struct srv_calls to_srv = {.opened = opened,
	    .line = on_line,
	    .behind = behind,
	    .awaits = awaits,
	    .closed = closed,
	    .refused = refused};
	struct hvserve *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->calls = calls;
	h->mux = hvmux_new(mux, &to_mux, h, t);
	h->srv = srv_new(clients, &to_srv, h);
	bool good_start = h->mux && h->srv;
	for (; good_start && h->boards < mux->boards; h->boards++) {
		h->dial[h->boards] = dial_new(&supply[h->boards], HV_LINE, mux->timeout);
		good_start = h->dial[h->boards] != NULL;
	}
	if (good_start)
		return h;
	hvserve_free(h);
	return NULL;
}

void hvserve_free(struct hvserve *h)
{
	if (!h)
		return;
	hvmux_free(h->mux);
	srv_free(h->srv);
	for (int i = 0; i < h->boards; i++)
		dial_free(h->dial[i]);
	free(h);
}
