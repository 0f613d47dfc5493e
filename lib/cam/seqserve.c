/* seqserve.c - seqd's sockets: clients on one side, the camera's sequencer (seq.h) on the other */
#include "cam/seqserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"

#define SPARE     8 /* places to say "no" in */
#define PENDING   262144
#define STALL     (20 * TIM_S)
#define LINE_TIME (10 * TIM_S)   /* to finish a line */
#define RETRY     (100 * TIM_MS) /* of a wait that has failed */
#define KEEP      (10 * TIM_S)   /* a silent client keeps its place when others want one */

struct seqserve {
	struct seq *seq;
	struct srv *srv;
	const struct seqserve_calls *calls;
	struct srv_client *console;
	int64_t keep;
	bool lost; /* the console, before all was done */
};

/* ---- what seq wants done; it knows clients by srv's handles, and srv keeps seq's ---- */

static void to_client(void *ctx, void *who, const char *text, size_t n)
{
	(void)ctx;
	srv_send(who, text, n);
}

static void resume(void *ctx, void *who)
{
	(void)ctx;
	srv_resume(who);
}

static void close_client(void *ctx, void *who)
{
	(void)ctx;
	srv_finish(who);
}

static void talk(void *ctx, enum code_tag tag, const char *text)
{
	struct seqserve *v = ctx;
	v->calls->talk(tag, text);
}

static void audit(void *ctx, const char *text)
{
	struct seqserve *v = ctx;
	v->calls->audit(text);
}

/* ---- what clients do ---- */

static void opened(void *ctx, struct srv_client *c)
{
	static const char full[] =
	    "ERROR 00011 SEQ_DENIED - all 16 places are taken: try again later\n";
	struct seqserve *v = ctx;
	char text[200];

	/* Forgotten connections must not keep anybody from an abort. */
	struct srv_client *idle =
	    srv_count(v->srv) > SEQSERVE_CLIENTS ? seq_idlest(v->seq, tim_mono() - v->keep) : NULL;
	if (idle && idle != v->console)
		srv_close(idle, "silent, and its place is wanted");
	if (srv_count(v->srv) <= SEQSERVE_CLIENTS) {
		srv_set_data(c, seq_open(v->seq, c, srv_peer(c), srv_read_only(c)));
		if (!srv_data(c))
			srv_close(c, "no memory");
		return;
	}
	snprintf(text, sizeof text, "%s: refused: all %d places are taken", srv_peer(c),
	    SEQSERVE_CLIENTS);
	v->calls->warn(text);
	srv_send(c, full, sizeof full - 1);
	srv_finish(c);
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *line, size_t n, bool cut)
{
	struct seqserve *v = ctx;

	return seq_line(v->seq, srv_data(c), line, n, cut) ? SRV_TAKEN : SRV_LATER;
}

static bool awaits(void *ctx, const struct srv_client *c)
{
	(void)ctx;
	return srv_data(c) && seq_awaits(srv_data(c));
}

/* "expose 1" may be what is left of "expose 10". */
static bool said_all(void *ctx, struct srv_client *c)
{
	static const char half[] = "ERROR 00010 SEQ_LINE - the last line has no end: not done\n";
	size_t n;

	(void)ctx;
	(void)srv_waiting(c, &n);
	if (n > 0)
		srv_send(c, half, sizeof half - 1);
	return false;
}

static void late(void *ctx, struct srv_client *c)
{
	static const char text[] = "ERROR 00007 SEQ_TIMEOUT - the line did not come to its end\n";

	(void)ctx;
	srv_send(c, text, sizeof text - 1);
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	struct seqserve *v = ctx;
	char text[200];

	if (srv_data(c))
		seq_gone(v->seq, srv_data(c));
	if (c != v->console)
		return;
	v->console = NULL;
	if (strcmp(why, "done") != 0) {
		snprintf(text, sizeof text, "standard input or output: %.120s: ending", why);
		v->calls->warn(text);
		v->lost = true;
	}
	seq_stop(v->seq);
}

static void refused(void *ctx, const char *peer, const char *why)
{
	struct seqserve *v = ctx;
	char text[256];

	snprintf(text, sizeof text, "%.90s: refused: it %.120s", peer, why);
	v->calls->warn(text);
}

/* ---- life ---- */

struct seqserve *seqserve_new(struct cam *cam, const struct seqserve_options *options,
    const struct seqserve_calls *calls, char why[SEQ_WHY])
{
	static const struct seq_calls to_seq = {.send = to_client,
	    .resume = resume,
	    .close = close_client,
	    .talk = talk,
	    .audit = audit};
	static const struct srv_calls to_srv = {.opened = opened,
	    .line = on_line,
	    .awaits = awaits,
	    .ended = said_all,
	    .late = late,
	    .closed = closed,
	    .refused = refused};
	struct srv_options o = {.clients = SEQSERVE_CLIENTS + SPARE,
	    .line = VERB_LINE,
	    .pending = PENDING,
	    .idle = options->idle,
	    .stall = STALL,
	    .line_time = options->idle > 0 ? LINE_TIME : 0,
	    .allow = options->allow,
	    .nallow = options->nallow};
	struct seqserve *v = calloc(1, sizeof *v);

	snprintf(why, SEQ_WHY, "no memory");
	if (!v)
		return NULL;
	v->calls = calls;
	/* a fraction of the idle time where that is short */
	v->keep = options->idle > 0 && options->idle / 10 < KEEP ? options->idle / 10 : KEEP;
	v->seq = seq_new(cam, &options->seq, &to_seq, v, why);
	v->srv = v->seq ? srv_new(&o, &to_srv, v) : NULL;
	if (v->srv)
		return v;
	int error = errno;
	seqserve_free(v);
	errno = error;
	return NULL;
}

void seqserve_free(struct seqserve *v)
{
	if (!v)
		return;
	seq_free(v->seq);
	srv_free(v->srv);
	free(v);
}

int seqserve_listen(
    struct seqserve *v, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY])
{
	return srv_listen(v->srv, at, ready, why);
}

int seqserve_console(struct seqserve *v, int in, int out)
{
	v->console = srv_adopt(v->srv, in, out, "stdin");
	return v->console ? 0 : -1;
}

int seqserve_turn(struct seqserve *v)
{
	struct pollfd p = {.fd = seq_fd(v->seq), .events = POLLIN};
	int64_t now = tim_mono(), due = seq_due(v->seq);

	due = due > now + TIM_S ? now + TIM_S : due;
	int bad = srv_wait(v->srv, &p, 1, due > now ? due - now : 0), error = errno;
	if (bad < 0)
		(void)tim_sleep_until(now + RETRY);
	seq_step(v->seq);
	errno = error;
	return bad;
}

void seqserve_stop(struct seqserve *v)
{
	seq_stop(v->seq);
}

bool seqserve_ended(const struct seqserve *v)
{
	return seq_ended(v->seq);
}

bool seqserve_failed(const struct seqserve *v)
{
	return seq_failed(v->seq);
}

bool seqserve_lost(const struct seqserve *v)
{
	return v->lost;
}
