/*
 * hvmon.c - reads high-voltage channels periodically, and tells of trips
 *
 *	hvmon --every=5s | influxput -u http://localhost:8086 --db=lab
 *	hvmon -n 1 -O tsv
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/ends.h"
#include "base/hook.h"
#include "base/io.h"
#include "base/tim.h"
#include "dev/hvmon.h"

static const char *server, *form_text = "line", *names_text, *until, *trip_command, *comm_command;
static int64_t port, every = 5 * TIM_S, cycles, timeout = 10 * TIM_S, alarm_every = 10 * TIM_MIN,
		     duration;
static struct cli_list labels;

static struct tally tally = {
    .unit = "readings", .lost = {{"no answer", 0}, {"missed", 0}}, .also = {{"trips", 0}}};

static const struct cli_option options[] = {
    {"port", 'p', CLI_INT, &port, "PORT", "hvmux's TCP port on this machine", 1, 65535},
    {"server", 's', CLI_STR, &server, "SERVER", "hvmux or a supply: unix:PATH, HOST:PORT", 0, 0},
    {"every", 0, CLI_TIME, &every, "TIME", "period (5s)", TIM_MS, TIM_DAY},
    {"count", 'n', CLI_INT, &cycles, "N", "end after N periods", 1, INT64_MAX},
    {"duration", 't', CLI_TIME, &duration, "TIME", "end after so long (23h59m)", 1, INT64_MAX},
    {"until", 0, CLI_STR, &until, "HH:MMZ", "end when UTC shows this", 0, 0},
    {"format", 'O', CLI_STR, &form_text, "FORM", "line, tsv or json (line)", 0, 0},
    {"names", 0, CLI_STR, &names_text, "SET", "names of another logger: picosec", 0, 0},
    {"label", 0, CLI_LIST, &labels, "BOARD.CH=NAME", "a channel's name; again for others", 0, 0},
    {"on-trip", 0, CLI_STR, &trip_command, "CMD", "run CMD BOARD CHANNEL NAME STATE when one trips",
	0, 0},
    {"on-comm", 0, CLI_STR, &comm_command, "CMD", "run CMD BOARD lost|back WHY", 0, 0},
    {"alarm-every", 0, CLI_TIME, &alarm_every, "TIME", "CMD once per channel in TIME (10m)", 0, 0},
    {"timeout", 0, CLI_TIME, &timeout, "TIME", "how long an answer may take (10s)", TIM_MS, TIM_H},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "hvmon",
    .about = "reads high-voltage channels",
    .options = options,
    .tally = &tally,
    .can_lose = true};

static struct hvask *ask;
static struct rec_out out = {.fd = STDOUT_FILENO};
static const char *label[HV_BOARDS][HV_CHANNELS];
static struct hvmon_board board[HV_BOARDS];
static unsigned told[HV_BOARDS][HV_CHANNELS]; /* alarm bits that were said */
static unsigned told_board[HV_BOARDS];
static bool was_up[HV_BOARDS], ever[HV_BOARDS];
/* What could not be run when it was time to: the state of a trip ("": none), and of the connection. */
static char trip_later[HV_BOARDS][HV_CHANNELS][HV_STAT_TEXT];
static bool comm_later[HV_BOARDS];
static int nboards;
static struct hook on_trip, on_comm;
static struct ends ends;

/* ---- what it says ---- */

static void write_out(const struct rec *r)
{
	if (rec_write(&out, r) == 0)
		return;
	if (errno == EPIPE) {
		cli_pipe_gone();
		hvask_free(ask);
		exit(cli_end(EXIT_DONE));
	}
	cli_die(EXIT_SYSTEM, "standard output: %s", strerror(errno));
}

/* Whether that is settled; else so many run already that it is to be tried again. */
static bool run(struct hook *h, const char *key, const char *const *args, bool again)
{
	enum hook_run ran = hook_run(h, key, args, tim_mono());

	if (ran == HOOK_FAILED)
		cli_error("%s: cannot be run: %s", h->argv[0], strerror(errno));
	if (ran == HOOK_FULL && !again)
		cli_warn("%s %s %s: has to wait, %d of them run already", h->argv[0], args[0],
		    args[1], HOOK_RUNNING);
	return ran != HOOK_FULL;
}

static void run_comm(int b, bool up, const char *why)
{
	char number[16], key[32];
	const char *const args[] = {number, up ? "back" : "lost", why, NULL};

	snprintf(number, sizeof number, "%d", b);
	snprintf(key, sizeof key, "%d %s", b, args[1]);
	comm_later[b] = !run(&on_comm, key, args, comm_later[b]);
}

static void run_trip(int b, int ch, const char *state)
{
	char number[16], channel[16], key[32], *later = trip_later[b][ch];
	const char *const args[] = {number, channel, label[b][ch] ? label[b][ch] : "", state, NULL};

	snprintf(number, sizeof number, "%d", b);
	snprintf(channel, sizeof channel, "%d", ch);
	snprintf(key, sizeof key, "%d.%d", b, ch);
	if (run(&on_trip, key, args, *later != '\0'))
		*later = '\0';
	else if (state != later)
		snprintf(later, HV_STAT_TEXT, "%s", state);
}

/* The connection to a board is lost or back; or it was, when too many commands ran. */
static void tell_comm(int b)
{
	bool up = board[b].up, fresh = ever[b] ? up != was_up[b] : !up;
	const char *why = up ? "" : hvask_why(ask);
	char safe[HV_WHY];

	was_up[b] = up;
	ever[b] = true;
	if (!fresh && !comm_later[b])
		return;
	cli_safe(safe, sizeof safe, why, strlen(why));
	if (fresh && up)
		cli_warn("board %d: answers again", b);
	else if (fresh)
		cli_error("board %d: no readings: %s", b, safe);
	run_comm(b, up, safe);
}

/* New alarm bits of a channel: a message; a fault: the command as well. */
static void tell_channel(int b, int ch, const struct hvmon_channel *c)
{
	unsigned bits = hvmon_alarms(c->stat), fresh = bits & ~told[b][ch];
	char text[HV_STAT_TEXT];
	const char *name = label[b][ch] ? label[b][ch] : "";

	told[b][ch] = bits;
	if (!fresh)
		return;
	hv_stat_text(c->stat, text);
	cli_warn("board %d channel %d%s%s: %s, %.1f V, %.3f uA", b, ch, *name ? " " : "", name,
	    text, c->vmon.v, c->imon.v);
	if (!(fresh & HV_STAT_FAULT))
		return;
	tally.also[0].n++;
	run_trip(b, ch, text);
}

static void tell_board(int b)
{
	char text[HV_STAT_TEXT];
	unsigned bits = board[b].alarm | (board[b].interlock ? 1u << 31 : 0);

	if (bits & ~told_board[b])
		cli_warn("board %d: %s%s%s%s", b, board[b].alarm ? "alarm " : "",
		    board[b].alarm ? hv_alarm_text(board[b].alarm, board[b].nch, text) : "",
		    board[b].alarm && board[b].interlock ? ", " : "",
		    board[b].interlock ? "the interlock is active" : "");
	told_board[b] = bits;
}

/* ---- a reading ---- */

static void read_one(int b)
{
	struct hvmon_text text;
	struct rec r;
	enum hvask_end end = hvmon_read(ask, b, &board[b], tim_mono());
	int64_t time = tim_now();

	if (end == HVASK_STOPPED)
		return;
	tally.in++;
	hvmon_board(&r, &text, time, b, &board[b]);
	write_out(&r);
	tell_comm(b);
	for (int ch = 0; ch < HV_CHANNELS; ch++)
		if (*trip_later[b][ch])
			run_trip(b, ch, trip_later[b][ch]);
	if (!board[b].up) {
		tally.lost[0].n++;
		return;
	}
	for (int ch = 0; ch < board[b].nch; ch++) {
		hvmon_channel(&r, &text, time, b, ch, &board[b].ch[ch], label[b][ch]);
		write_out(&r);
		tell_channel(b, ch, &board[b].ch[ch]);
	}
	tell_board(b);
	tally.out++;
}

static void cycle(void)
{
	int n;

	/* hvmux may have got more boards since; without an answer, those known are marked lost. */
	if (nboards == 0 || !was_up[0])
		if (hvask_boards(ask, &n) == HVASK_OK)
			nboards = n ? n : 1;
	for (int b = 0; b < (nboards ? nboards : 1) && !cli_stopping(); b++)
		read_one(b);
}

/* Until the moment, or a signal. */
static void wait_until(int64_t mono)
{
	while (!cli_stopping() && !ends_over(&ends) && tim_mono() < mono) {
		int64_t left = ends_wake(&ends, mono) - tim_mono();
		(void)io_wait(-1, left > 0 ? left : 0);
		hook_tend(&on_trip, tim_mono());
		hook_tend(&on_comm, tim_mono());
		cli_tick();
	}
}

/* ---- beginning ---- */

static void read_labels(void)
{
	int b, ch;

	for (size_t i = 0; i < labels.n; i++) {
		const char *text = labels.item[i];
		size_t n = strcspn(text, "=");
		char place[16];
		snprintf(place, sizeof place, "%.*s", (int)n, text);
		if (text[n] == '\0' || text[n + 1] == '\0' || n >= sizeof place ||
		    hv_place(place, &b, &ch) < 0)
			cli_die(EXIT_USAGE, "--label=%s: write BOARD.CHANNEL=NAME", text);
		label[b][ch] = text + n + 1;
	}
}

static void read_options(void)
{
	struct net_spec to;
	char why[NET_WHY];

	if (port && server)
		cli_die(EXIT_USAGE, "-p and -s both name the server: give one");
	if (rec_form(form_text, &out.form) < 0)
		cli_die(EXIT_USAGE, "-O %s: line, tsv or json", form_text);
	if (names_text && !(out.names = rec_names(names_text)))
		cli_die(EXIT_USAGE, "--names=%s: picosec is the one set known", names_text);
	if (hook_set(&on_trip, trip_command, alarm_every) < 0 ||
	    hook_set(&on_comm, comm_command, alarm_every) < 0)
		cli_die(EXIT_USAGE, "--on-trip, --on-comm: %s", strerror(errno));
	if (hvask_where(server, port, &to, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (!(ask = hvask_new(&to, timeout, cli_stopping)))
		cli_die(EXIT_SYSTEM, "no memory");
	if (ends_set(&ends, duration, until) < 0)
		cli_die(EXIT_USAGE, "--until: '%.32s' is not HH:MMZ or HH:MM:SSZ", until);
	read_labels();
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	read_options();
	int64_t next = tim_mono();
	for (int64_t k = 0; !cli_stopping() && (cycles == 0 || k < cycles); k++) {
		if (k > 0)
			wait_until(next);
		if (cli_stopping() || ends_over(&ends))
			break;
		cycle();
		/* A late reading does not shift those after it; missed ones are not made up for. */
		for (next += every; next <= tim_mono(); next += every) {
			tally.in++;
			tally.lost[1].n++;
		}
		cli_tick();
	}
	bool any = tally.out > 0 || tally.in == 0;
	hvask_free(ask);
	hook_free(&on_trip);
	hook_free(&on_comm);
	return cli_end(any ? EXIT_DONE : EXIT_SYSTEM);
}
