/* hvmux.c - holds the only connection to high-voltage supplies, and shares it by its own protocol */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/srv.h"
#include "base/tim.h"
#include "dev/hvask.h"
#include "dev/hvserve.h"

#define OLD_ADDRESS "tcp:127.0.0.1:8000" /* where the original's clients look */
#define ALLOW_MOST  32
#define PENDING     65536
#define STALL       (30 * TIM_S)

static struct cli_list devices, listens, allows;
static const char *limits_path, *audit_path;
static int64_t max_clients = 64, idle = TIM_H, timeout = 5 * TIM_S, cache = 200 * TIM_MS, duration;

static struct tally tally;

static const struct cli_option options[] = {
    {"device", 'd', CLI_LIST, &devices, "SUPPLY", "tcp:HOST[:PORT] or serial:DEV; again: board 1",
	0, 0},
    {"listen", 'l', CLI_LIST, &listens, "ADDR[,ro]", "unix:PATH or tcp:ADDR:PORT; ,ro: may read", 0,
	0},
    {"allow", 0, CLI_LIST, &allows, "NETWORK", "who may call by TCP, besides this machine", 0, 0},
    {"limits", 0, CLI_STR, &limits_path, "FILE", "what no client may exceed", 0, 0},
    {"audit", 0, CLI_STR, &audit_path, "FILE", "append who did what there (else to the log)", 0, 0},
    {"clients", 0, CLI_INT, &max_clients, "N", "at most (64)", 1, 1000},
    {"idle", 0, CLI_TIME, &idle, "TIME", "close clients that say nothing for so long (1h)", 0, 0},
    {"timeout", 0, CLI_TIME, &timeout, "TIME", "how long a supply may take to answer (5s)",
	10 * TIM_MS, TIM_H},
    {"cache", 0, CLI_TIME, &cache, "TIME", "a reading may be so old (200ms; 0: none)", 0, TIM_H},
    {"duration", 0, CLI_TIME, &duration, "TIME", "end after TIME", 1, INT64_MAX},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {
    .name = "hvmux", .about = "shares a high-voltage supply", .options = options, .tally = &tally};

static struct hvserve *server;
static struct hvlimits *limits;

/* ---- what it says ---- */

static void audit(const char *text)
{
	cli_audit(text, "");
}

static void alarm_text(const char *text)
{
	cli_error("%s", text);
}

static void note(const char *text)
{
	cli_note("%s", text);
}

/* ---- beginning ---- */

/* SUPPLY[,bd=N]: its own board number, where it is not 0. */
static void read_device(const char *text, struct net_spec *to, int *address)
{
	char copy[NET_TEXT], why[NET_WHY];
	long long bd = 0;

	snprintf(copy, sizeof copy, "%s", text);
	char *number = strstr(copy, ",bd=");
	if (number) {
		*number = '\0';
		if (conf_int(number + 4, 0, HV_BOARDS - 1, &bd) < 0)
			cli_die(EXIT_USAGE, "-d %s: bd= goes from 0 to %d", text, HV_BOARDS - 1);
	}
	*address = (int)bd;
	if (hvask_device(copy, to, why) < 0)
		cli_die(EXIT_USAGE, "-d %s", why);
}

static void open_server(void)
{
	static const struct hvserve_calls calls = {
	    .audit = audit, .alarm = alarm_text, .note = note};
	static struct net_cidr allow[ALLOW_MOST];
	struct hvmux_options mux = {.boards = (int)devices.n, .timeout = timeout, .cache = cache};
	struct srv_options clients = {.clients = (int)max_clients,
	    .line = HV_LINE - 2,
	    .pending = PENDING,
	    .idle = idle,
	    .stall = STALL,
	    .allow = allow,
	    .nallow = allows.n};
	struct net_spec supply[HV_BOARDS];
	char why[HV_WHY];

	if (devices.n == 0 || devices.n > HV_BOARDS)
		cli_die(EXIT_USAGE, "which supply? -d tcp:HOST or -d serial:DEV (at most %d)",
		    HV_BOARDS);
	for (int i = 0; i < mux.boards; i++)
		read_device(devices.item[i], &supply[i], &mux.address[i]);
	for (size_t i = 0; i < allows.n; i++)
		if (i == ALLOW_MOST || net_cidr(allows.item[i], &allow[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow: %s", i == ALLOW_MOST ? "too many" : why);
	if (limits_path && !(limits = hvlimit_read(limits_path, why)))
		cli_die(EXIT_USAGE, "%s", why);
	if (!limits)
		cli_warn("no --limits: only the supply's own limits hold");
	mux.limits = limits;
	hvmux_tally(&tally);
	if (!(server = hvserve_new(&mux, supply, &clients, &calls, &tally)))
		cli_die(EXIT_SYSTEM, "no memory");
}

static void listen_at(const char *text)
{
	struct net_spec spec;
	char why[NET_WHY], ready[NET_TEXT];

	if (net_parse(text, NET_TCP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "-l %s", why);
	if (hvserve_listen(server, &spec, ready, why) < 0)
		cli_die(errno == EPERM ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
	cli_ready(ready);
}

static void open_listeners(void)
{
	char path[NET_TEXT], text[NET_TEXT + 8];

	for (size_t i = 0; i < listens.n; i++)
		listen_at(listens.item[i]);
	if (listens.n > 0)
		return;
	snprintf(text, sizeof text, "unix:%s", srv_default("hv", true, path));
	listen_at(text);
	listen_at(OLD_ADDRESS);
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	cli_audit_open(audit_path);
	open_server();
	open_listeners();
	int64_t end = duration > 0 ? tim_mono() + duration : INT64_MAX;
	while (!cli_stopping() && tim_mono() < end) {
		if (hvserve_turn(server, end) < 0)
			cli_die(EXIT_SYSTEM, "poll: %s", strerror(errno));
		cli_tick();
	}
	/* The supplies keep what they have: nothing is switched here. */
	hvserve_free(server);
	hvlimit_free(limits);
	cli_audit_close();
	return cli_end(EXIT_DONE);
}
