/* hvmux.c - holds the only connection to high-voltage supplies, and shares it by its own protocol */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/dial.h"
#include "base/io.h"
#include "base/srv.h"
#include "base/tim.h"
#include "dev/hvask.h"
#include "dev/hvmux.h"

#define OLD_ADDRESS "tcp:127.0.0.1:8000" /* where the original's clients look */
#define ALLOW_MOST  32
#define PENDING     65536
#define STALL	    (30 * TIM_S)
#define TOGETHER    (100 * TIM_MS) /* lost connections to many boards */

static struct cli_list devices, listens, allows;
static const char *limits_path, *audit_path;
static int64_t max_clients = 64, idle = TIM_H, timeout = 5 * TIM_S, cache = 200 * TIM_MS, duration;

static struct tally tally;

static const struct cli_option options[] = {
    {"device", 'd', CLI_LIST, &devices, "SUPPLY", "tcp:HOST[:PORT] or serial:DEV; again: board 1",
	0, 0},
    {"listen", 'l', CLI_LIST, &listens, "ADDR[,ro]", "unix:PATH or tcp:ADDR:PORT; ,ro: may read",
	0, 0},
    {"allow", 0, CLI_LIST, &allows, "NETWORK", "who may call by TCP, besides this machine", 0, 0},
    {"limits", 0, CLI_STR, &limits_path, "FILE", "what no client may exceed", 0, 0},
    {"audit", 0, CLI_STR, &audit_path, "FILE", "append who did what there (else to the log)", 0, 0},
    {"clients", 0, CLI_INT, &max_clients, "N", "at most (64)", 1, 1000},
    {"idle", 0, CLI_TIME, &idle, "TIME", "close clients that say nothing for so long (1h)", 0, 0},
    {"timeout", 0, CLI_TIME, &timeout, "TIME", "how long a supply may take to answer (5s)",
	10 * TIM_MS, TIM_H},
    {"cache", 0, CLI_TIME, &cache, "TIME", "a reading may be so old (200ms; 0: none)", 0, TIM_H},
    {"duration", 0, CLI_TIME, &duration, "TIME", "end after TIME", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "hvmux",
    .about = "shares a high-voltage supply",
    .options = options,
    .tally = &tally};

/* A client: srv's handle until it closes, hvmux's until the end of the turn. */
struct peer {
	struct peer *next;
	struct srv_client *srv;
	struct hvmux_client *mux;
	bool ended, held;
	size_t seen; /* bytes waiting behind a line that was kept */
};

static struct hvmux *mux;
static struct srv *srv;
static struct dial *dial[HV_BOARDS];
static bool away[HV_BOARDS]; /* and said so */
static struct peer *peers;
static int audit_fd = -1;

/* ---- what hvmux wants said ---- */

static void audit(void *ctx, const char *text)
{
	char line[HVMUX_TEXT + TIM_TEXT + 2], now[TIM_TEXT];

	(void)ctx;
	int n = snprintf(line, sizeof line, "%s %s\n", tim_text(tim_now(), 3, now), text);
	if (audit_fd >= 0 && io_writeall(audit_fd, line, (size_t)n) == 0)
		return;
	if (audit_fd >= 0)
		cli_error("%s: %s; this goes here:", audit_path, strerror(errno));
	cli_warn("%s", text);
}

static void alarm_text(void *ctx, const char *text)
{
	(void)ctx;
	cli_error("%s", text);
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	cli_note("%s", text);
}

/* ---- to the supplies ---- */

static int to_supply(void *ctx, int board, const char *text, size_t n)
{
	(void)ctx;
	return dial_send(dial[board], text, n);
}

static bool is_stale(void *ctx, int board)
{
	(void)ctx;
	return dial_stale(dial[board]);
}

static void drop(void *ctx, int board, const char *why)
{
	(void)ctx;
	dial_drop(dial[board], why);
}

static void good(void *ctx, int board)
{
	(void)ctx;
	dial_good(dial[board]);
}

/* One supply's connection after a poll. */
static void step(int board, short revents)
{
	int64_t now = tim_mono();
	char *line;
	size_t n;

	switch (dial_step(dial[board], revents)) {
	case DIAL_UP:
		away[board] = false;
		hvmux_up(mux, board, now);
		break;
	case DIAL_LOST:
		if (!away[board])
			cli_error("board %d: %s: %s; trying again", board, dial_text(dial[board]),
			    dial_why(dial[board]));
		away[board] = true;
		hvmux_lost(mux, board, dial_why(dial[board]), now);
		break;
	case DIAL_NONE:
		break;
	}
	while (dial_is_up(dial[board]) && (line = dial_line(dial[board], &n)))
		hvmux_reply(mux, board, line, n, now);
}

/* ---- to and from the clients ---- */

static void to_client(void *ctx, void *who, const char *text, size_t n)
{
	const struct peer *p = who;

	(void)ctx;
	if (p->srv)
		srv_send(p->srv, text, n);
}

static void room(void *ctx, void *who)
{
	struct peer *p = who;

	(void)ctx;
	p->held = false;
	if (p->srv)
		srv_resume(p->srv);
}

static void opened(void *ctx, struct srv_client *c)
{
	struct peer *p = calloc(1, sizeof *p);

	(void)ctx;
	if (!p || !(p->mux = hvmux_join(mux, p, srv_peer(c), srv_read_only(c)))) {
		free(p);
		srv_close(c, "no memory");
		return;
	}
	p->srv = c;
	p->next = peers;
	peers = p;
	srv_set_data(c, p);
	cli_debug("%s: connected", srv_peer(c));
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *line, size_t n, bool cut)
{
	struct peer *p = srv_data(c);

	(void)ctx;
	if (hvmux_line(p->mux, line, n, cut, tim_mono()))
		return SRV_TAKEN;
	p->held = true;
	p->seen = 0;
	return SRV_LATER;
}

static bool ended(void *ctx, struct srv_client *c)
{
	struct peer *p = srv_data(c);

	(void)ctx;
	p->ended = true;
	return hvmux_waiting(p->mux) > 0;
}

/* hvmux may be in the middle of something: it is told at the end of the turn. */
static void closed(void *ctx, struct srv_client *c, const char *why)
{
	struct peer *p = srv_data(c);

	(void)ctx;
	if (p)
		p->srv = NULL;
	cli_debug("%s: closed: %s", srv_peer(c), why);
}

static void refused(void *ctx, const char *peer, const char *why)
{
	char text[256];

	snprintf(text, sizeof text, "%.90s: not let in: %.120s", peer, why);
	audit(ctx, text);
}

static void sweep(void)
{
	for (struct peer **at = &peers; *at;) {
		struct peer *p = *at;
		size_t n;
		if (p->srv && p->held) {
			const char *text = srv_waiting(p->srv, &n);
			if (n != p->seen)
				hvmux_ahead(p->mux, text, n, tim_mono());
			p->seen = n;
		}
		if (p->srv && p->ended && hvmux_waiting(p->mux) == 0)
			srv_finish(p->srv);
		if (p->srv) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		hvmux_leave(p->mux);
		free(p);
	}
}

/* ---- beginning ---- */

/* Opened for appending; nobody else's name for it is followed. */
static void open_audit(void)
{
	if (!audit_path)
		return;
	audit_fd = open(
	    audit_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
	if (audit_fd < 0)
		cli_die(EXIT_SYSTEM, "%s: cannot write the audit there: %s", audit_path,
		    strerror(errno));
}

/* SUPPLY[,bd=N]: its own board number, where it is not 0. */
static void open_device(int board, const char *text, int *address)
{
	char copy[NET_TEXT], why[NET_WHY];
	struct net_spec to;
	long long bd = 0;

	snprintf(copy, sizeof copy, "%s", text);
	char *number = strstr(copy, ",bd=");
	if (number) {
		*number = '\0';
		if (conf_int(number + 4, 0, HV_BOARDS - 1, &bd) < 0)
			cli_die(EXIT_USAGE, "-d %s: bd= goes from 0 to %d", text, HV_BOARDS - 1);
	}
	*address = (int)bd;
	if (hvask_device(copy, &to, why) < 0)
		cli_die(EXIT_USAGE, "-d %s", why);
	if (!(dial[board] = dial_new(&to, HV_LINE, timeout)))
		cli_die(EXIT_SYSTEM, "no memory");
}

static void open_mux(void)
{
	static const struct hvmux_calls calls = {.send = to_supply,
	    .stale = is_stale,
	    .drop = drop,
	    .good = good,
	    .answer = to_client,
	    .room = room,
	    .audit = audit,
	    .alarm = alarm_text,
	    .note = note};
	struct hvmux_options o = {
	    .boards = (int)devices.n, .timeout = timeout, .cache = cache};
	char why[HV_WHY];

	if (devices.n == 0 || devices.n > HV_BOARDS)
		cli_die(EXIT_USAGE, "which supply? -d tcp:HOST or -d serial:DEV (at most %d)",
		    HV_BOARDS);
	if (limits_path && !(o.limits = hvlimit_read(limits_path, why)))
		cli_die(EXIT_USAGE, "%s", why);
	if (!limits_path)
		cli_warn("no --limits: only the supply's own limits hold");
	for (int i = 0; i < o.boards; i++)
		open_device(i, devices.item[i], &o.address[i]);
	hvmux_tally(&tally);
	if (!(mux = hvmux_new(&o, &calls, NULL, &tally)))
		cli_die(EXIT_SYSTEM, "no memory");
}

static void listen_at(const char *text)
{
	struct net_spec spec;
	char why[NET_WHY], ready[NET_TEXT];

	if (net_parse(text, NET_TCP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "-l %s", why);
	if (srv_listen(srv, &spec, ready, why) < 0)
		cli_die(errno == EPERM ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
	cli_ready(ready);
}

static void open_server(void)
{
	static const struct srv_calls calls = {.opened = opened,
	    .line = on_line,
	    .ended = ended,
	    .closed = closed,
	    .refused = refused};
	static struct net_cidr allow[ALLOW_MOST];
	struct srv_options o = {.clients = (int)max_clients,
	    .line = HV_LINE - 2,
	    .pending = PENDING,
	    .idle = idle,
	    .stall = STALL,
	    .allow = allow,
	    .nallow = allows.n};
	char why[NET_WHY], path[NET_TEXT], text[NET_TEXT + 8];

	for (size_t i = 0; i < allows.n; i++)
		if (i == ALLOW_MOST || net_cidr(allows.item[i], &allow[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow: %s", i == ALLOW_MOST ? "too many" : why);
	if (!(srv = srv_new(&o, &calls, NULL)))
		cli_die(EXIT_SYSTEM, "no memory");
	for (size_t i = 0; i < listens.n; i++)
		listen_at(listens.item[i]);
	if (listens.n > 0)
		return;
	snprintf(text, sizeof text, "unix:%s", srv_default("hv", true, path));
	listen_at(text);
	listen_at(OLD_ADDRESS);
}

/* One turn: waits, hears supplies and clients, lets hvmux decide. */
static void turn(int64_t until)
{
	static int64_t due;
	struct pollfd p[HV_BOARDS];
	int64_t now = tim_mono(), next = now + TIM_S;
	size_t n = devices.n;

	next = due < next ? due : next;
	next = until < next ? until : next;
	for (size_t i = 0; i < n; i++) {
		dial_poll(dial[i], &p[i]);
		if (dial_due(dial[i]) < next)
			next = dial_due(dial[i]);
	}
	if (srv_wait(srv, p, n, next > now ? next - now : 0) < 0)
		cli_die(EXIT_SYSTEM, "poll: %s", strerror(errno));
	for (size_t i = 0; i < n; i++)
		step((int)i, p[i].revents);
	due = hvmux_run(mux, tim_mono());
	sweep();
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	open_audit();
	open_mux();
	open_server();
	int64_t end = duration > 0 ? tim_mono() + duration : INT64_MAX;
	while (!cli_stopping() && tim_mono() < end) {
		turn(end);
		cli_tick();
	}
	/* The supplies keep what they have: nothing is switched here. */
	srv_free(srv);
	hvmux_free(mux);
	while (peers) {
		struct peer *p = peers;
		peers = p->next;
		free(p);
	}
	for (size_t i = 0; i < devices.n; i++)
		dial_free(dial[i]);
	if (audit_fd >= 0 && close(audit_fd) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", audit_path, strerror(errno));
	return cli_end(EXIT_DONE);
}
