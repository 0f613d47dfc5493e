/* seqd.c - the sequencer's server: beside the camera, it takes images as observers ask */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "cam/seqserve.h"
#include "cam/talker.h"

#define ALLOW_MAX 32

static const char *back = "sim", *dir = ".", *prefix = "ST", *state, *telescope, *site;
static struct talker talker = {.ident = "seq.seqd"};
static struct cli_list listens, allows, cameras;
static int64_t telescope_age = 10 * TIM_S, margin = 10 * TIM_S, finish = 5 * TIM_MIN, idle = TIM_H;
static double warm = -20;
static bool no_warm_up, interactive;
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};

static const struct cli_option options[] = {
    {"backend", 'b', CLI_STR, &back, "NAME", "sim, andor or indi (sim)", 0, 0},
    {"camera", 0, CLI_LIST, &cameras, "KEY=VALUE", "an option of the back end", 0, 0},
    {"listen", 'l', CLI_LIST, &listens, "ADDR", "unix:PATH or ADDR:PORT; ,ro: questions only", 0,
	0},
    {"allow", 'a', CLI_LIST, &allows, "NETWORK", "who may call by TCP, besides this machine", 0, 0},
    {"stdio", 'i', CLI_FLAG, &interactive, NULL, "one client, on standard input and output", 0, 0},
    {"dir", 0, CLI_STR, &dir, "DIR", "where images go (.)", 0, 0},
    {"prefix", 0, CLI_STR, &prefix, "XX", "two letters that file names begin with (ST)", 0, 0},
    {CLI_MIN_FREE(space)},
    {"state", 0, CLI_STR, &state, "FILE", "keeps the settings (DIR/.seqd-XX.state)", 0, 0},
    {"telescope", 0, CLI_STR, &telescope, "FILE", "its keywords, at most --telescope-age=10s old",
	0, 0},
    {"telescope-age", 0, CLI_TIME, &telescope_age, "TIME", NULL, 0, 0},
    {"site", 0, CLI_STR, &site, "FILE", "keywords for all images", 0, 0},
    {"margin", 0, CLI_TIME, &margin, "TIME", "what an image may take longer (10s)", TIM_MS, TIM_H},
    {"finish", 0, CLI_TIME, &finish, "TIME", "at the end wait so long for an exposure (5m)", 0, 0},
    {"warm", 0, CLI_REAL, &warm, "CELSIUS", "power stays on below this (-20)", -200, 100},
    {"no-warm-up", 0, CLI_FLAG, &no_warm_up, NULL, "power off at any temperature", 0, 0},
    {"idle", 0, CLI_TIME, &idle, "TIME", "close clients that say nothing for so long (1h)", TIM_S,
	TIM_DAY},
    TALKER_OPTIONS(talker), {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = {.unit = "requests"};

static const struct cli_program program = {.name = "seqd",
    .about = "the sequencer's server: takes images as observers ask",
    .options = options,
    .tally = &tally};

static struct cam *cam;
static struct seqserve *server;
static int dir_fd = -1;
static bool blind; /* no client can be served any more */

/* ---- what the server has to say ---- */

static void talk(enum code_tag tag, const char *text)
{
	char safe[1024];

	cli_safe(safe, sizeof safe, text, strlen(text));
	if (tag == CODE_ERROR)
		cli_error("[%s]: %s", code_tag_name(tag), safe);
	else if (tag == CODE_NOTE)
		cli_note("[%s]: %s", code_tag_name(tag), safe);
	else
		cli_warn("[%s]: %s", code_tag_name(tag), safe);
	if (talker_lost(&talker, tag, text))
		cli_warn("no Talker at %s: %s", talker_where(&talker), strerror(errno));
}

static void audit(const char *text)
{
	char safe[4096];

	tally.in = ++tally.out; /* it was answered */
	cli_note("%s", cli_safe(safe, sizeof safe, text, strlen(text)));
}

static void warn(const char *text)
{
	char safe[1024];

	cli_warn("%s", cli_safe(safe, sizeof safe, text, strlen(text)));
}

/* ---- opening ---- */

static void open_camera(void)
{
	char why[CAM_TEXT];

	cam = cam_new(back);
	if (!cam)
		cli_die(EXIT_USAGE, "-b %s: there are sim, andor and indi", back);
	for (size_t i = 0; i < cameras.n; i++)
		if (cam_option(cam, cameras.item[i], why) < 0)
			cli_die(EXIT_USAGE, "--camera: %s", why);
	if (cam->back->load && cam->back->load(cam) < 0) {
		struct code c = code_find(cam->said.call, cam->said.code);
		cli_die(EXIT_SYSTEM, "-b %s: %s: %s. %s", back, c.text, cam->said.detail, c.todo);
	}
}

/* The networks that may call. */
static size_t read_allowed(struct net_cidr allow[ALLOW_MAX])
{
	char why[NET_WHY];

	if (allows.n > ALLOW_MAX)
		cli_die(EXIT_USAGE, "--allow: more than %d networks", ALLOW_MAX);
	for (size_t i = 0; i < allows.n; i++)
		if (net_cidr(allows.item[i], &allow[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow: %s", why);
	return allows.n;
}

static struct net_spec address(const char *text)
{
	char why[NET_WHY];
	struct net_spec spec;

	if (net_parse(text, NET_TCP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	return spec;
}

static void check_options(void)
{
	static char state_path[PUB_PATH], whole[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < listens.n; i++)
		(void)address(listens.item[i]); /* before there is a server with its state file */

	if (strlen(prefix) != 2 || strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != 2)
		cli_die(EXIT_USAGE, "--prefix=%s: two capital letters are expected", prefix);
	if (talker_place(&talker) < 0)
		cli_die(EXIT_USAGE, "--facility=%s: local0 to local7 are expected", talker.place);
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		cli_die(EXIT_SYSTEM, "%s: no such folder: make it, or name another by --dir", dir);
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Clients are told the names of files, and stand elsewhere. */
	if (dir[0] != '/' && realpath(dir, whole))
		dir = whole;
	if (!state &&
	    snprintf(state_path, sizeof state_path, "%s/.seqd-%s.state", dir, prefix) < PUB_PATH)
		state = state_path;
}

static void open_server(void)
{
	static const struct seqserve_calls calls = {.talk = talk, .audit = audit, .warn = warn};
	struct net_cidr allow[ALLOW_MAX];
	char why[SEQ_WHY];
	struct seqserve_options o = {.allow = allow,
	    .nallow = read_allowed(allow),
	    .idle = interactive ? 0 : idle,
	    .seq = {.state = state,
		.finish = finish,
		.shoot = {.dir = dir,
		    .prefix = prefix,
		    .telescope = telescope,
		    .telescope_age = telescope_age,
		    .site = site,
		    .margin = margin,
		    .warm = warm,
		    .no_warm_up = no_warm_up}}};

	server = seqserve_new(cam, &o, &calls, why);
	if (!server)
		cli_die(errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
}

static void listen_at(const char *text, bool must)
{
	char ready[NET_TEXT], why[NET_WHY];
	struct net_spec spec = address(text);

	if (seqserve_listen(server, &spec, ready, why) == 0)
		cli_ready(ready);
	else if (must)
		cli_die(errno == EPERM ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
	else
		cli_warn("%s: going on without", why);
}

static void open_listeners(void)
{
	char path[NET_TEXT], text[NET_TEXT + 8];

	for (size_t i = 0; i < listens.n; i++)
		listen_at(listens.item[i], true);
	if (interactive) {
		int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		if (in < 0 || out < 0 || seqserve_console(server, in, out) < 0)
			cli_die(EXIT_SYSTEM, "standard input, output: %s", strerror(errno));
	}
	if (listens.n > 0 || interactive)
		return;
	snprintf(text, sizeof text, "unix:%s", srv_default("seqd", true, path));
	listen_at(text, false);
	listen_at("127.0.0.1:" SEQ_PORT, true);
	listen_at("[::1]:" SEQ_PORT, false);
}

/* The camera is warmed up and put off whatever else goes wrong. */
static void turn(void)
{
	if (seqserve_turn(server) < 0) {
		if (!blind)
			cli_error("clients cannot be served: %s: ending", strerror(errno));
		blind = true;
	}
	if (blind || cli_stopping())
		seqserve_stop(server);
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	cli_second_interrupt(
	    "\nseqd: the camera is being shut down; this is not cut short\n", true);
	check_options();
	open_camera();
	open_server();
	open_listeners();
	while (!seqserve_ended(server)) {
		turn();
		cli_watch_space(&space, dir_fd, dir);
		cli_tick();
	}
	bool lost = seqserve_lost(server), failed = seqserve_failed(server);
	if (lost)
		cli_error("ended before all was answered: standard input or output was lost");
	seqserve_free(server);
	cam_free(cam);
	return cli_end(lost || blind ? EXIT_SYSTEM : failed ? EXIT_DATA : EXIT_DONE);
}
