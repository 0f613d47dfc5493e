/*
 * logd.c - collects the log records of all programs in files, and shows them live
 *
 * What was read is written before more is read. When the disk is full nothing is read: records wait
 * at their senders (TCP, unix) or in the kernel (UDP), and what waits here is written later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "bus/collect.h"
#include "bus/logdir.h"
#include "bus/logtail.h"
#include "bus/slog.h"

#define DRAIN     (2 * TIM_S) /* for what has arrived when it is stopped */
#define ALLOW_MAX CLI_LIST_MAX

static struct cli_list listen_at, allow;
static const char *folder, *by = "day", *priority = "debug", *only;
static int64_t rotate_at = 64 << 20, limit;
static bool follow, from_start;
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};

static const struct cli_option options[] = {
    {"listen", 'l', CLI_LIST, &listen_at, "ADDR", "tcp:, udp: or unix: address; may come again", 0,
	0},
    {"output", 'o', CLI_STR, &folder, "DIR", "the folder of the files", 0, 0},
    {"by", 0, CLI_STR, &by, "WHAT", "a file a day, or a program (day)", 0, 0},
    {"rotate", 0, CLI_SIZE, &rotate_at, "SIZE", "begin a new file after so much; 0: never (64M)", 0,
	INT64_C(1) << 40},
    {CLI_MIN_FREE(space)},
    {"allow", 0, CLI_LIST, &allow, "NETWORK", "who may send from other machines", 0, 0},
    {"follow", 0, CLI_FLAG, &follow, NULL, "show what comes into DIR, live", 0, 0},
    {"priority", 'p', CLI_STR, &priority, "LEVEL", "show err, warning, notice ... and above", 0, 0},
    {"program", 0, CLI_STR, &only, "NAME", "show this program's records", 0, 0},
    {"all", 0, CLI_FLAG, &from_start, NULL, "show what is there already, too", 0, 0},
    {"count", 'n', CLI_INT, &limit, "COUNT", "end after showing so many", 1, INT64_MAX},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { KERNEL_DROP, NOT_ALLOWED };
static struct tally tally = {.unit = "records", .lost = {{"kernel drop", 0}, {"not allowed", 0}}};
enum { FOREIGN, CUT };

static struct cli_program program = {.name = "logd",
    .args = "",
    .about = "collect log records in files, and show them live",
    .options = options,
    .prints = true};

static struct logdir *dir;
static struct collect *collector;

/* ---- collecting ---- */

static void debug(const char *peer, const char *what)
{
	cli_debug("%s: %s", peer, what);
}

static void note(const char *text)
{
	cli_warn("%s", text);
}

static void open_listeners(void)
{
	static struct net_cidr network[ALLOW_MAX];
	struct collect_options o = {
	    .dir = dir, .allow = network, .nallow = allow.n, .debug = debug};
	char why[NET_WHY], ready[COLLECT_ADDRESS];

	for (size_t i = 0; i < allow.n; i++)
		if (net_cidr(allow.item[i], &network[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow=%s: %s", allow.item[i], why);
	collector = collect_new(&o);
	if (!collector)
		cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
	for (size_t i = 0; i < listen_at.n; i++) {
		if (collect_listen(collector, listen_at.item[i], ready, why) < 0)
			cli_die(cli_status_of(errno), "-l %s", why);
		cli_ready(ready);
	}
}

static void count(void)
{
	const struct collect_count *c = collect_count(collector);

	tally.in = c->in;
	tally.lost[KERNEL_DROP].n = c->kernel_drop;
	tally.lost[NOT_ALLOWED].n = c->not_allowed;
	tally.also[FOREIGN] = (struct tally_item){"not RFC 5424", c->foreign};
	tally.also[CUT] = (struct tally_item){"cut", c->cut};
	tally.held = logdir_held(dir);
	tally.out = logdir_written(dir);
}

/* Writes what was read; while that fails nothing more is read. */
static bool write_out(void)
{
	bool told = false;

	while (logdir_write(dir, tim_now()) < 0) {
		if (!told)
			cli_warn("%s; nothing more is read until it works", logdir_why(dir));
		told = true;
		count();
		cli_tick();
		if (cli_stopping())
			return false;
		(void)io_wait(-1, TIM_S);
	}
	if (told)
		cli_warn("the disk takes records again");
	return true;
}

static bool turn(int64_t wait)
{
	if (collect_wait(collector, wait) < 0)
		cli_die(EXIT_SYSTEM, "cannot take records: %s", strerror(errno));
	return write_out();
}

static enum cli_exit collect(void)
{
	int64_t synced = tim_mono(), until;
	bool good = true;

	open_listeners();
	while (!cli_stopping() && good) {
		good = turn(TIM_S);
		if (tim_mono() - synced >= TIM_S) {
			logdir_sync(dir);
			synced = tim_mono();
		}
		cli_watch_space(&space, logdir_fd(dir), folder);
		count();
		cli_tick();
	}
	/* What has arrived is taken along. */
	until = tim_mono() + DRAIN;
	for (uint64_t before = UINT64_MAX; good && before != tally.in && tim_mono() < until;) {
		before = tally.in;
		good = turn(0);
		count();
	}
	logdir_sync(dir);
	count();
	if (!good)
		cli_error("%s: %llu records could not be written", folder,
		    (unsigned long long)tally.held);
	if (!logdir_safe(dir))
		cli_error("%s: records that were written may be lost", folder);
	return good && logdir_safe(dir) ? EXIT_DONE : EXIT_SYSTEM;
}

/* ---- showing ---- */

static bool enough;
static int64_t shown_records;

static bool show(void *ctx, const char *text, size_t n)
{
	static char shown[SLOG_LINE];
	unsigned most = *(unsigned *)ctx;
	struct slog s;

	if (slog_parse(text, n, &s) || (s.priority & 7) > most ||
	    (only && (s.program.n != strlen(only) || memcmp(s.program.p, only, s.program.n) != 0)))
		return true;
	if (io_writeall(STDOUT_FILENO, shown, slog_show(&s, shown)) < 0) {
		if (errno != EPIPE)
			cli_die(EXIT_SYSTEM, "standard output: %s", strerror(errno));
		cli_pipe_gone();
		enough = true;
	}
	enough |= limit && ++shown_records == limit;
	return !enough;
}

static enum cli_exit show_live(void)
{
	int level = slog_severity(priority);
	unsigned most = (unsigned)level;

	if (level < 0)
		cli_die(EXIT_USAGE,
		    "-p %.40s: there are emerg, alert, crit, err, warning, notice, info and debug",
		    priority);
	struct logtail *t = logtail_open(folder, from_start);
	if (!t)
		cli_die(EXIT_SYSTEM, "%s: %s", folder, strerror(errno));
	while (!cli_stopping() && !enough) {
		if (logtail_scan(t, show, &most) < 0)
			cli_die(EXIT_SYSTEM, "%s: %s", folder, strerror(errno));
		if (!enough)
			logtail_wait(t, TIM_S);
		cli_tick();
	}
	logtail_close(t);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	char why[LOGDIR_WHY];

	cli_begin(argc, argv, &program);
	if (!folder)
		cli_die(EXIT_USAGE, "which folder? -o DIR");
	if (follow)
		return cli_end(show_live());
	if (listen_at.n == 0)
		cli_die(EXIT_USAGE,
		    "listen where? -l tcp:PORT, -l udp:PORT, -l unix:PATH; or --follow");
	if (strcmp(by, "day") != 0 && strcmp(by, "program") != 0)
		cli_die(EXIT_USAGE, "--by=%.40s: day or program", by);
	program.tally = &tally;
	dir = logdir_open(folder, *by == 'p', rotate_at, note, why);
	if (!dir)
		cli_die(cli_status_of(errno), "%s", why);

	enum cli_exit code = collect();
	collect_free(collector);
	logdir_close(dir);
	return cli_end(code);
}
