/* simhv.c - a simulated high-voltage supply (CAEN R1470ET), with the faults that you ask for */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/pty.h"
#include "base/srv.h"
#include "base/tim.h"
#include "dev/simhv.h"

#define CLIENTS   8
#define LINE_MOST 200
#define TEXT_MOST 4096

static const char *listen_at, *model = "R1470ET", *serial = "12345", *journal_path;
static bool pty, lenient;
static int64_t channels = 4, board, seed = 1, duration;
static double vmax = 8000, imax = 3000, load = 1e9, chaos;
static struct cli_list commands;

static struct tally tally = {.unit = "requests"};

static const struct cli_option options[] = {
    {"listen", 'l', CLI_STR, &listen_at, "ADDR:PORT", "be a supply on the network", 0, 0},
    {"pty", 0, CLI_FLAG, &pty, NULL, "be one on a serial line; its name is printed", 0, 0},
    {"model", 0, CLI_STR, &model, "NAME", "BDNAME (R1470ET)", 0, 0},
    {"serial", 0, CLI_STR, &serial, "NUMBER", "BDSNUM (12345)", 0, 0},
    {"channels", 0, CLI_INT, &channels, "N", "1 to 8 (4)", 1, SIMHV_CHANNELS},
    {"board", 0, CLI_INT, &board, "N", "its number in a chain (0)", 0, 31},
    {"vmax", 0, CLI_REAL, &vmax, "V", "highest voltage (8000)", 1, 15000},
    {"imax", 0, CLI_REAL, &imax, "UA", "highest current (3000)", 1, 10000},
    {"load", 0, CLI_REAL, &load, "OHM", "load of each channel (1e9)", 1, INT64_C(1000000000000000)},
    {"lenient", 0, CLI_FLAG, &lenient, NULL, "take the deviations that real ones take", 0, 0},
    {"fault", 0, CLI_LIST, &commands, "COMMAND", "a command, as on standard input", 0, 0},
    {"chaos", 0, CLI_REAL, &chaos, "P", "spoil replies with this probability", 0, 1},
    {"seed", 0, CLI_INT, &seed, "N", "everything random follows from it (1)", 0, 0},
    {"journal", 0, CLI_STR, &journal_path, "FILE", "append every request, with its time", 0, 0},
    {"duration", 0, CLI_TIME, &duration, "TIME", "end after TIME", 1, INT64_MAX},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "simhv",
    .about = "a simulated high-voltage supply",
    .options = options,
    .tally = &tally};

static struct simhv *sim;
static struct srv *srv;
static struct srv_client *holder; /* the one client that is answered */
static struct srv_client *line[CLIENTS];
static bool last_word; /* the holder goes when the queue is empty */
static FILE *journal;
static char typed[TEXT_MOST]; /* commands on standard input */
static size_t ntyped;
static int slave = -1; /* kept open: a pty without a reader hangs up */

/* ---- clients ---- */

/* Whoever has waited longest holds the supply when the holder goes. */
static void opened(void *ctx, struct srv_client *c)
{
	(void)ctx;
	for (int i = 0; i < CLIENTS; i++) {
		if (!line[i]) {
			line[i] = c;
			break;
		}
	}
	if (!simhv_powered(sim, tim_mono()) || (holder && simhv_second(sim) == SIMHV_REFUSE))
		srv_close(c, "refused");
	else if (!holder)
		holder = c;
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	int n = 0;

	(void)ctx, (void)why;
	for (int i = 0; i < CLIENTS; i++)
		if (line[i] && line[i] != c)
			line[n++] = line[i];
	for (; n < CLIENTS; n++)
		line[n] = NULL;
	if (holder == c) {
		holder = line[0];
		last_word = false;
		simhv_forget(sim);
	}
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *text, size_t n, bool cut)
{
	char safe[1024], now[TIM_TEXT];

	(void)ctx;
	tally.in++;
	tally.out++;
	if (journal) {
		fprintf(journal, "%s %s%s\n", tim_text(tim_now(), 6, now),
		    cli_safe(safe, sizeof safe, text, n), cut ? "..." : "");
		fflush(journal);
	}
	if (c == holder)
		simhv_line(sim, text, n, cut, tim_mono());
	return SRV_TAKEN;
}

/* Whoever has said all still gets the replies that are on their way. */
static bool ended(void *ctx, struct srv_client *c)
{
	(void)ctx;
	last_word = c == holder && simhv_due(sim) < INT64_MAX;
	return last_word;
}

static const struct srv_calls calls = {
    .opened = opened, .line = on_line, .ended = ended, .closed = closed};

static void send_what_is_due(void)
{
	char bytes[512];
	size_t n;

	while ((n = simhv_take(sim, tim_mono(), bytes, sizeof bytes)) > 0) {
		struct srv_client *to = holder;
		/* Two programs on one connection: the second one gets the first one's answers. */
		if (simhv_second(sim) == SIMHV_DISTURB && line[1])
			to = line[1];
		if (to)
			srv_send(to, bytes, n);
	}
	if (last_word && holder && simhv_due(sim) == INT64_MAX)
		srv_finish(holder);
}

/* ---- commands ---- */

static void command(const char *text)
{
	char why[SIMHV_WHY];

	if (simhv_command(sim, text, tim_mono(), why) < 0)
		cli_error("%s", why);
	for (int i = 0; !simhv_powered(sim, tim_mono()) && i < CLIENTS && line[i]; i++)
		srv_close(line[i], "power is off");
	puts(text); /* done */
	(void)fflush(stdout);
}

/* ---- opening ---- */

static void open_pty(void)
{
	struct pty p;

	if (pty_open(&p) < 0 || (slave = open(p.name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		cli_die(EXIT_SYSTEM, "no pseudo-terminal: %s", strerror(errno));
	if (!srv_adopt(srv, p.fd, p.fd, p.name))
		cli_die(EXIT_SYSTEM, "no memory");
	cli_ready(p.name);
}

static void open_all(void)
{
	struct simhv_options o = {.model = model,
	    .serial = serial,
	    .channels = (int)channels,
	    .board = (int)board,
	    .vmax = vmax,
	    .imax = imax,
	    .load = load,
	    .lenient = lenient,
	    .seed = (uint64_t)seed,
	    .chaos = chaos};
	struct net_cidr everybody[2] = {{AF_INET, 0, {0}}, {AF_INET6, 0, {0}}};
	struct srv_options so = {.clients = CLIENTS,
	    .line = LINE_MOST,
	    .pending = 65536,
	    .allow = everybody,
	    .nallow = 2};
	char why[NET_WHY], ready[NET_TEXT];
	struct net_spec spec;

	sim = simhv_new(&o, tim_mono());
	srv = srv_new(&so, &calls, NULL);
	if (!sim || !srv)
		cli_die(EXIT_SYSTEM, "no memory");
	if (journal_path && !(journal = fopen(journal_path, "ae")))
		cli_die(EXIT_SYSTEM, "%s: %s", journal_path, strerror(errno));
	for (size_t i = 0; i < commands.n; i++)
		if (simhv_command(sim, commands.item[i], tim_mono(), why) < 0)
			cli_die(EXIT_USAGE, "--fault: %s", why);
	if (pty) {
		open_pty();
		return;
	}
	if (net_parse(listen_at, NET_TCP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (srv_listen(srv, &spec, ready, why) < 0)
		cli_die(EXIT_SYSTEM, "%s", why);
	cli_ready(ready);
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	if (pty == (listen_at != NULL))
		cli_die(EXIT_USAGE, "say where: -l ADDR:PORT or --pty");
	open_all();
	int64_t end = duration > 0 ? tim_mono() + duration : INT64_MAX;
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	while (!cli_stopping() && tim_mono() < end) {
		int64_t now = tim_mono(), due = simhv_due(sim), left = TIM_S;
		if (due < now + left)
			left = due > now ? due - now : 0;
		if (end - now < left)
			left = end - now;
		if (srv_wait(srv, &in, 1, left) < 0)
			cli_die(EXIT_SYSTEM, "poll: %s", strerror(errno));
		if (in.revents &&
		    !io_take_lines(STDIN_FILENO, typed, sizeof typed, &ntyped, command))
			in.fd = -1;
		send_what_is_due();
		cli_tick();
	}
	srv_free(srv);
	simhv_free(sim);
	if (journal && fclose(journal) != 0)
		cli_die(EXIT_SYSTEM, "%s: %s", journal_path, strerror(errno));
	if (slave >= 0)
		close(slave);
	return cli_end(EXIT_DONE);
}
