/* seqd.c - the sequencer's server: beside the camera, it takes images as observers ask */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/srv.h"
#include "base/tim.h"
#include "cam/seq.h"
#include "cam/talker.h"

#define CLIENTS   16
#define SPARE     8 /* places to say "no" in */
#define ALLOW_MAX 32
#define PENDING   262144
#define STALL     (20 * TIM_S)
#define LINE_TIME (10 * TIM_S) /* to finish a line */

static const char *back = "sim", *dir = ".", *prefix = "ST", *state, *telescope, *site,
		  *talker_path, *facility = "local0";
static struct cli_list listens, allows, cameras;
static int64_t telescope_age = 10 * TIM_S, margin = 10 * TIM_S, finish = 5 * TIM_MIN, idle = TIM_H;
static double warm = -20;
static bool no_warm_up, interactive;

static const struct cli_option options[] = {
    {"backend", 'b', CLI_STR, &back, "NAME", "sim, andor or indi (sim)", 0, 0},
    {"camera", 0, CLI_LIST, &cameras, "KEY=VALUE", "an option of the back end", 0, 0},
    {"listen", 'l', CLI_LIST, &listens, "ADDR", "unix:PATH or ADDR:PORT; ,ro: questions only", 0,
	0},
    {"allow", 'a', CLI_LIST, &allows, "NETWORK", "who may call by TCP, besides this machine", 0, 0},
    {"stdio", 'i', CLI_FLAG, &interactive, NULL, "one client, on standard input and output", 0, 0},
    {"dir", 0, CLI_STR, &dir, "DIR", "where images go (.)", 0, 0},
    {"prefix", 0, CLI_STR, &prefix, "XX", "two letters that file names begin with (ST)", 0, 0},
    {"state", 0, CLI_STR, &state, "FILE", "keeps the settings (DIR/.seqd-XX.state)", 0, 0},
    {"telescope", 0, CLI_STR, &telescope, "FILE", "keywords of the telescope, now", 0, 0},
    {"telescope-age", 0, CLI_TIME, &telescope_age, "TIME", "older ones are stale (10s)", 0, 0},
    {"site", 0, CLI_STR, &site, "FILE", "keywords for all images", 0, 0},
    {"margin", 0, CLI_TIME, &margin, "TIME", "what an image may take longer (10s)", TIM_MS, TIM_H},
    {"finish", 0, CLI_TIME, &finish, "TIME", "at the end wait so long for an exposure (5m)", 0, 0},
    {"warm", 0, CLI_REAL, &warm, "CELSIUS", "power stays on below this (-20)", -200, 100},
    {"no-warm-up", 0, CLI_FLAG, &no_warm_up, NULL, "power off at any temperature", 0, 0},
    {"idle", 0, CLI_TIME, &idle, "TIME", "close clients that say nothing for so long (1h)", TIM_S,
	TIM_DAY},
    {"talker", 0, CLI_STR, &talker_path, "PATH", "the Talker's socket (/dev/log)", 0, 0},
    {"facility", 0, CLI_STR, &facility, "NAME", "of the Talker: local0 to local7 (local0)", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "seqd",
    .about = "the sequencer's server: takes images as observers ask",
    .options = options};

/* A client: srv's handle until it closes, seq's until the end of the turn. */
struct peer {
	struct peer *next;
	struct srv_client *srv; /* NULL: gone, or standard output */
	struct seq_conn *seq;
	bool stdio, closing, held;
	int64_t heard, partial; /* the last whole line; since when a part of one waits, 0: none */
};

static struct cam *cam;
static struct seq *seq;
static struct srv *srv;
static struct peer *peers, *console;
static struct talker talker = {.ident = "seq.seqd"};

/* ---- what seq wants done ---- */

static void to_client(void *ctx, void *who, const char *text, size_t n)
{
	const struct peer *p = who;

	(void)ctx;
	if (p->stdio && io_writeall(STDOUT_FILENO, text, n) < 0)
		cli_die(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	if (p->srv)
		srv_send(p->srv, text, n);
}

static void resume(void *ctx, void *who)
{
	struct peer *p = who;

	(void)ctx;
	p->held = false;
	if (p->srv)
		srv_resume(p->srv);
}

static void close_client(void *ctx, void *who)
{
	(void)ctx;
	((struct peer *)who)->closing = true;
}

static void talk(void *ctx, enum code_tag tag, const char *text)
{
	static bool told;
	char safe[1024];

	(void)ctx;
	cli_safe(safe, sizeof safe, text, strlen(text));
	if (tag == CODE_ERROR)
		cli_error("[%s]: %s", code_tag_name(tag), safe);
	else if (tag == CODE_NOTE)
		cli_note("[%s]: %s", code_tag_name(tag), safe);
	else
		cli_warn("[%s]: %s", code_tag_name(tag), safe);
	if (talker_send(&talker, tag, text) < 0 && !told) {
		told = true;
		cli_warn("no Talker at %s: %s", talker_where(&talker), strerror(errno));
	}
}

static void audit(void *ctx, const char *text)
{
	char safe[4096];

	(void)ctx;
	cli_note("%s", cli_safe(safe, sizeof safe, text, strlen(text)));
}

static const struct seq_calls seq_calls = {
    .send = to_client, .resume = resume, .close = close_client, .talk = talk, .audit = audit};

/* ---- clients ---- */

static struct peer *add_peer(struct srv_client *c, const char *name, bool read_only)
{
	struct peer *p = calloc(1, sizeof *p);

	if (!p || !(p->seq = seq_open(seq, p, name, read_only)))
		cli_die(EXIT_SYSTEM, "no memory");
	p->srv = c;
	p->heard = tim_mono();
	p->next = peers;
	return peers = p;
}

static void opened(void *ctx, struct srv_client *c)
{
	static const char full[] =
	    "ERROR 00011 SEQ_DENIED - all 16 places are taken: try again later\n";

	(void)ctx;
	if (srv_count(srv) <= CLIENTS) {
		srv_set_data(c, add_peer(c, srv_peer(c), srv_read_only(c)));
		return;
	}
	cli_warn("%s: refused: all %d places are taken", srv_peer(c), CLIENTS);
	srv_send(c, full, sizeof full - 1);
	srv_finish(c);
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *line, size_t n, bool cut)
{
	struct peer *p = srv_data(c);

	(void)ctx;
	if (!p || p->closing)
		return SRV_TAKEN;
	p->heard = tim_mono();
	p->partial = 0;
	return seq_line(seq, p->seq, line, n, cut) ? SRV_TAKEN : SRV_LATER;
}

static bool said_all(void *ctx, struct srv_client *c)
{
	struct peer *p = srv_data(c);

	(void)ctx;
	if (!p || !seq_awaits(p->seq))
		return false;
	p->closing = true;
	return true;
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	struct peer *p = srv_data(c);

	(void)ctx, (void)why;
	if (p)
		p->srv = NULL;
}

static void refused(void *ctx, const char *peer, const char *why)
{
	(void)ctx;
	cli_warn("%s: refused: it %s", peer, why);
}

static const struct srv_calls srv_calls = {
    .opened = opened, .line = on_line, .ended = said_all, .closed = closed, .refused = refused};

/* A line must come to its end, and a client must say something now and then. */
static void check_times(struct peer *p, int64_t now)
{
	static const char late[] = "ERROR 00007 SEQ_TIMEOUT - the line did not come to its end\n";
	size_t waiting = 0;

	if (!p->srv || p->closing || seq_awaits(p->seq))
		return;
	(void)srv_waiting(p->srv, &waiting);
	if (waiting == 0)
		p->partial = 0;
	else if (p->partial == 0)
		p->partial = now;
	if (p->partial && now - p->partial > LINE_TIME) {
		srv_send(p->srv, late, sizeof late - 1);
		p->closing = true;
	} else if (now - p->heard > idle) {
		p->closing = true;
	}
}

/* At the end of a turn: clients that are done or have gone. */
static void sweep(void)
{
	int64_t now = tim_mono();

	for (struct peer **at = &peers; *at;) {
		struct peer *p = *at;
		check_times(p, now);
		if (p->closing && p->srv && !seq_awaits(p->seq))
			srv_finish(p->srv);
		if (p->srv || p->stdio) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		seq_gone(seq, p->seq);
		free(p);
	}
}

/* ---- standard input as a client ---- */

/* Takes lines while they are taken. */
static void read_console(bool readable)
{
	static char in[2 * VERB_LINE];
	static size_t n;
	char *end;

	if (readable && n < sizeof in) {
		ssize_t k = read(STDIN_FILENO, in + n, sizeof in - n);
		if (k == 0)
			console->closing = true;
		n += k > 0 ? (size_t)k : 0;
	}
	while (n > 0 && !console->held &&
	    ((end = memchr(in, '\n', n)) || n > VERB_LINE || console->closing)) {
		size_t len = end ? (size_t)(end - in) : n, whole = end ? len + 1 : n;
		if (end && len > 0 && in[len - 1] == '\r')
			len--;
		if (!seq_line(seq, console->seq, in, len > VERB_LINE ? VERB_LINE : len,
			len > VERB_LINE)) {
			console->held = true;
			return;
		}
		n -= whole;
		memmove(in, in + whole, n);
	}
	if (console->closing && n == 0 && !seq_awaits(console->seq))
		seq_stop(seq);
}

/* ---- opening ---- */

static void open_camera(void)
{
	char key[64], why[CAM_TEXT];

	cam = cam_new(back);
	if (!cam)
		cli_die(EXIT_USAGE, "-b %s: there are sim, andor and indi", back);
	for (size_t i = 0; i < cameras.n; i++) {
		const char *eq = strchr(cameras.item[i], '=');
		if (!eq || (size_t)(eq - cameras.item[i]) >= sizeof key)
			cli_die(EXIT_USAGE, "--camera=%s: KEY=VALUE is expected", cameras.item[i]);
		snprintf(key, sizeof key, "%.*s", (int)(eq - cameras.item[i]), cameras.item[i]);
		if (cam->back->option(cam, key, eq + 1, why) < 0)
			cli_die(EXIT_USAGE, "--camera: %s", why);
	}
	if (cam->back->load && cam->back->load(cam) < 0) {
		struct code c = code_find(cam->said.call, cam->said.code);
		cli_die(EXIT_SYSTEM, "-b %s: %s: %s. %s", back, c.text, cam->said.detail, c.todo);
	}
}

static void open_seq(void)
{
	static char state_path[PUB_PATH];
	char why[SEQ_WHY];
	struct stat st;

	if (strlen(prefix) != 2 || strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != 2)
		cli_die(EXIT_USAGE, "--prefix=%s: two capital letters are expected", prefix);
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		cli_die(EXIT_SYSTEM, "%s: no such folder: make it, or name another by --dir", dir);
	if (!state &&
	    snprintf(state_path, sizeof state_path, "%s/.seqd-%s.state", dir, prefix) < PUB_PATH)
		state = state_path;
	talker.path = talker_path;
	talker.facility = talker_facility(facility);
	if (talker.facility < 0)
		cli_die(EXIT_USAGE, "--facility=%s: local0 to local7 are expected", facility);
	struct seq_options o = {.state = state,
	    .finish = finish,
	    .shoot = {.dir = dir,
		.prefix = prefix,
		.telescope = telescope,
		.telescope_age = telescope_age,
		.site = site,
		.margin = margin,
		.warm = warm,
		.no_warm_up = no_warm_up}};
	seq = seq_new(cam, &o, &seq_calls, NULL, why);
	if (!seq)
		cli_die(errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
}

static void listen_at(const char *text, bool must)
{
	char ready[NET_TEXT], why[NET_WHY];
	struct net_spec spec;

	if (net_parse(text, NET_TCP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (srv_listen(srv, &spec, ready, why) == 0)
		cli_ready(ready);
	else if (must)
		cli_die(errno == EPERM ? EXIT_USAGE : EXIT_SYSTEM, "%s", why);
	else
		cli_warn("%s", why);
}

static void open_server(void)
{
	struct net_cidr allow[ALLOW_MAX];
	char why[NET_WHY], path[NET_TEXT], text[NET_TEXT + 8];
	struct srv_options o = {.clients = CLIENTS + SPARE,
	    .line = VERB_LINE,
	    .pending = PENDING,
	    .stall = STALL,
	    .allow = allow,
	    .nallow = allows.n};

	if (allows.n > ALLOW_MAX)
		cli_die(EXIT_USAGE, "--allow: more than %d networks", ALLOW_MAX);
	for (size_t i = 0; i < allows.n; i++)
		if (net_cidr(allows.item[i], &allow[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow: %s", why);
	srv = srv_new(&o, &srv_calls, NULL);
	if (!srv)
		cli_die(EXIT_SYSTEM, "no memory");
	for (size_t i = 0; i < listens.n; i++)
		listen_at(listens.item[i], true);
	if (listens.n > 0 || interactive)
		return;
	snprintf(text, sizeof text, "unix:%s", srv_default("seqd", true, path));
	listen_at(text, false);
	listen_at("127.0.0.1:" SEQ_PORT, true);
	listen_at("[::1]:" SEQ_PORT, false);
}

/* One turn: waits, hears clients, lets seq go on. */
static void turn(void)
{
	struct pollfd p[2] = {{.fd = seq_fd(seq), .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	int64_t now = tim_mono(), due = seq_due(seq);

	if (console && !console->held && !console->closing)
		p[1].fd = STDIN_FILENO;
	due = due > now + TIM_S ? now + TIM_S : due;
	if (srv_wait(srv, p, 2, due > now ? due - now : 0) < 0)
		cli_die(EXIT_SYSTEM, "poll: %s", strerror(errno));
	if (console)
		read_console(p[1].revents != 0);
	seq_step(seq);
	if (console)
		read_console(false);
	sweep();
	if (cli_stopping())
		seq_stop(seq);
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	cli_second_interrupt(
	    "\nseqd: the camera is being shut down; this is not cut short\n", true);
	umask(027);
	open_camera();
	open_seq();
	open_server();
	if (interactive) {
		console = add_peer(NULL, "stdin", false);
		console->stdio = true;
	}
	while (!seq_ended(seq)) {
		turn();
		cli_tick();
	}
	srv_free(srv);
	seq_free(seq);
	while (peers) {
		struct peer *p = peers;
		peers = p->next;
		free(p);
	}
	cam_free(cam);
	return cli_end(EXIT_DONE);
}
