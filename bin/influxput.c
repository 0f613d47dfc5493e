/*
 * influxput.c - standard input (line protocol) to InfluxDB 1, InfluxDB 2 or VictoriaMetrics
 *
 * Every line is checked here, gets its time if it has none, and waits in memory or in a spool
 * folder until the server has said that it is stored. See feed.c for how it is sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "bus/carry.h"
#include "bus/influx.h"
#include "stream/rec.h"

#define MIB        (INT64_C(1) << 20)
#define BATCH      (4 * MIB)   /* bytes in one request at most */
#define MEMORY     (2 * BATCH) /* that wait without a spool */
#define TELL_MAX   10          /* refused lines that are shown */
#define SHOWN      160         /* bytes of each */
#define SYNC_EVERY TIM_S

static const char *db, *rp, *bucket, *org, *token_file, *spool_dir, *url, *refused_path;
static const char *precision = "ns", *gzip = "auto";
static int64_t spool_max = 1024 * MIB, patience = 30 * TIM_S, give_up = -1;

static const struct cli_option options[] = {
    {"url", 'u', CLI_STR, &url, "URL", "the server: http://localhost:8086", 0, 0},
    {"db", 0, CLI_STR, &db, "NAME", "database (InfluxDB 1, VictoriaMetrics)", 0, 0},
    {"rp", 0, CLI_STR, &rp, "NAME", "retention policy in it (the default one)", 0, 0},
    {"bucket", 0, CLI_STR, &bucket, "NAME", "bucket (InfluxDB 2)", 0, 0},
    {"org", 0, CLI_STR, &org, "NAME", "organisation that owns it", 0, 0},
    {"token-file", 0, CLI_STR, &token_file, "FILE", "token, or user:password; mode 0600", 0, 0},
    {"spool", 0, CLI_STR, &spool_dir, "DIR", "keep lines here until they are stored", 0, 0},
    {"spool-max", 0, CLI_SIZE, &spool_max, "SIZE", "then drop the oldest (1G)", MIB, MIB << 20},
    {"precision", 0, CLI_STR, &precision, "UNIT", "of times in lines: ns, us, ms, s (ns)", 0, 0},
    {"gzip", 0, CLI_STR, &gzip, "WHEN", "yes, no, auto: not to this machine (auto)", 0, 0},
    {"patience", 0, CLI_TIME, &patience, "TIME", "for one request (30s)", TIM_MS, TIM_H},
    {"give-up", 0, CLI_TIME, &give_up, "TIME", "after the end (3m; 5s with --spool)", 0, TIM_DAY},
    {"refused", 0, CLI_STR, &refused_path, "FILE", "append lines that were not taken", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { LOST_BAD, LOST_REFUSED, LOST_FULL, LOST_CUT, LOST_UNSENT };
static struct tally tally = {.unit = "lines",
    .lost = {{"bad line", 0}, {"refused", 0}, {"spool full", 0}, {"cut in spool", 0},
	{"not sent", 0}},
    .also = {{"requests", 0}, {"retries", 0}}};
static const struct cli_program program = {.name = "influxput",
    .args = "[FILE]",
    .about = "write line protocol to InfluxDB 1 and 2 or VictoriaMetrics",
    .options = options,
    .max_args = 1,
    .tally = &tally,
    .can_lose = true};

static struct influx_target target;
static char token[INFLUX_TOKEN];
static struct influx *influx;
static struct carry carry;
static int refused_fd = -1;
static bool broken; /* the spool, or the input */
static uint64_t told;
static int64_t stamp_unit;

/* ---- options ---- */

static void read_options(void)
{
	bool auto_gzip = strcmp(gzip, "auto") == 0;
	char why[INFLUX_WHY];

	if (give_up < 0)
		give_up = spool_dir ? 5 * TIM_S : 3 * TIM_MIN;
	if (db && bucket)
		cli_die(EXIT_USAGE,
		    "--db is of InfluxDB 1 and VictoriaMetrics, --bucket of InfluxDB 2: give one");
	if (!url || (!db && !bucket))
		cli_die(EXIT_USAGE,
		    "give -u URL, and --db NAME (InfluxDB 1, VictoriaMetrics) or --bucket NAME");
	if ((bucket && rp) || (db && org))
		cli_die(EXIT_USAGE, "--rp goes with --db, --org with --bucket");
	if ((stamp_unit = influx_unit(precision)) == 0)
		cli_die(EXIT_USAGE, "--precision: '%.16s' is not ns, us, ms or s", precision);
	if (!auto_gzip && strcmp(gzip, "yes") != 0 && strcmp(gzip, "no") != 0)
		cli_die(EXIT_USAGE, "--gzip: '%.16s' is not yes, no or auto", gzip);
	if (token_file && influx_token(token_file, token, why) < 0)
		cli_die(EXIT_USAGE, "--token-file: %s", why);
	target = (struct influx_target){.url = url,
	    .db = db,
	    .rp = rp,
	    .bucket = bucket,
	    .org = org,
	    .precision = precision,
	    .token = token_file ? token : NULL,
	    .gzip = auto_gzip ? !influx_is_local(url) : *gzip == 'y',
	    .patience = patience};
}

/* ---- what was not taken ---- */

static void keep_refused(const char *why, const char *line, size_t n)
{
	char text[REC_LINE_MAX + INFLUX_WHY];

	if (refused_fd < 0 || n > REC_LINE_MAX)
		return;
	int k = snprintf(text, sizeof text, "# %s\n%.*s\n", why, (int)n, line);
	if (io_writeall(refused_fd, text, (size_t)k) < 0) {
		cli_error("%s: %s", refused_path, strerror(errno));
		close(refused_fd);
		refused_fd = -1;
	}
}

static void tell_refused(const char *who, const char *why, const char *line, size_t n)
{
	char shown[4 * SHOWN + 1], safe[4 * INFLUX_WHY];

	keep_refused(why, line, n);
	if (told++ < TELL_MAX)
		cli_warn("%s: %s: %s%s", who, cli_safe(safe, sizeof safe, why, strlen(why)),
		    cli_safe(shown, sizeof shown, line, n < SHOWN ? n : SHOWN),
		    n > SHOWN ? "..." : "");
	else if (told == TELL_MAX + 1)
		cli_warn("more such lines: they are counted, and kept with --refused=FILE");
}

static void tell(void *ctx, enum feed_event event, const char *why, const char *line, size_t n)
{
	char safe[4 * INFLUX_WHY];

	(void)ctx;
	cli_safe(safe, sizeof safe, why, strlen(why));
	if (event == FEED_REFUSED)
		tell_refused("refused by the server", why, line, n);
	else if (event == FEED_DAMAGED)
		tell_refused("damaged in the spool", why, line, n);
	else if (event == FEED_TROUBLE)
		cli_warn("%s: %s; lines wait in %s, trying again", url, safe,
		    spool_dir ? spool_dir : "memory");
	else
		cli_note("%s: answers again", url);
}

static void tell_bad(void *ctx, const char *why, const char *line, size_t n)
{
	(void)ctx;
	tell_refused("refused here", why, line, n);
}

/* ---- lines in ---- */

static void read_input(void)
{
	if (carry_read(&carry, cli_draining()) == 0)
		return;
	if (carry.broken)
		cli_error("input: %s", strerror(errno));
	else
		cli_error(
		    "%s: %s: the input waits until there is room", spool_dir, strerror(errno));
	broken |= carry.broken;
}

/* ---- the run ---- */

static void count(void)
{
	const struct spool_state *s = spool_state(carry.spool);
	const struct feed_state *f = feed_state(carry.feed);

	tally.in = intake_state(carry.intake)->lines + s->found;
	tally.out = f->stored;
	tally.lost[LOST_BAD].n = intake_state(carry.intake)->bad;
	tally.lost[LOST_REFUSED].n = f->refused;
	tally.lost[LOST_FULL].n = s->full;
	tally.lost[LOST_CUT].n = s->cut + f->damaged;
	tally.also[0].n = f->requests;
	tally.also[1].n = f->retries;
	tally.queue_used = s->bytes;
	tally.held = s->lines - f->handled + carry_unput(&carry);
}

/* Whether to go on although the server wants none of it, or does not answer. */
static bool worthwhile(void)
{
	const struct feed_state *f = feed_state(carry.feed);
	bool hopeful = carry_hopeful(&carry, give_up);

	if (hopeful && f->stopped) {
		cli_warn("%s: %s; lines wait in %s", url, f->why, spool_dir);
		feed_resume(carry.feed);
	}
	return hopeful && !(carry.stuck && cli_draining());
}

static void run(void)
{
	const struct feed_state *f = feed_state(carry.feed);
	int64_t synced = tim_mono();

	while (!cli_stopping() && !broken) {
		read_input();
		if (feed_step(carry.feed, carry.ended) < 0) {
			cli_error("%s: %s", spool_dir ? spool_dir : "memory", strerror(errno));
			broken = true;
		}
		count();
		cli_tick();
		if (carry_done(&carry) || (!f->busy && !worthwhile()))
			return;
		int64_t now = tim_mono(), wake = feed_wake(carry.feed, carry.ended);
		if (spool_dir && now >= synced + SYNC_EVERY) {
			(void)spool_sync(carry.spool); /* it is tried again in a second */
			synced = now;
		}
		struct pollfd p = {.fd = carry.in, .events = POLLIN};
		influx_wait(
		    influx, &p, carry_wants_more(&carry), wake < now + TIM_S ? wake : now + TIM_S);
	}
}

/* What the exit status says, and the sentence for it. */
static enum cli_exit verdict(void)
{
	const struct feed_state *f = feed_state(carry.feed);

	count();
	if (influx_is_victoria(influx) && intake_state(carry.intake)->strings)
		cli_warn("VictoriaMetrics stores text as 0: send numbers");
	uint64_t left = tally.held, unsent = spool_dir ? carry_unput(&carry) : left;
	tally.lost[LOST_UNSENT].n = unsent;
	tally.held = left - unsent;
	if (f->denied)
		cli_error("%s: %s%s", url, f->why,
		    strstr(f->why, "404 page not found") ? " (InfluxDB 1 wants --db, 2 --bucket)"
							 : "");
	else if (left > 0)
		cli_error("%s: %s", url, *f->why ? f->why : "stopped before all was stored");
	if (tally.held > 0)
		cli_warn("%llu lines wait in %s for the next start", (unsigned long long)tally.held,
		    spool_dir);
	if (f->denied)
		return EXIT_REFUSED;
	if (left > 0 || broken)
		return EXIT_SYSTEM;
	bool refused =
	    tally.lost[LOST_BAD].n + tally.lost[LOST_REFUSED].n + tally.lost[LOST_CUT].n > 0;
	return refused ? EXIT_DATA : EXIT_DONE;
}

static void open_all(const char *input)
{
	char why[INFLUX_WHY];

	if (!(influx = influx_new(&target, why)))
		cli_die(EXIT_USAGE, "--url: %s", why);
	if (!(carry.spool = spool_open(spool_dir, spool_dir ? spool_max : MEMORY, why)))
		cli_die(errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "--spool: %s", why);
	if (refused_path) {
		refused_fd = open(
		    refused_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (refused_fd < 0)
			cli_die(EXIT_SYSTEM, "%s: %s", refused_path, strerror(errno));
	}
	carry.in = cli_open_input(input);
	cli_filter(carry.in);
	carry.intake = intake_new(stamp_unit, tell_bad, NULL);
	carry.feed = feed_new(influx, carry.spool, BATCH, tell, NULL);
	if (!carry.intake || !carry.feed)
		cli_die(EXIT_SYSTEM, "no memory");
	tally.queue_size = (uint64_t)(spool_dir ? spool_max : MEMORY);
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);

	read_options();
	open_all(args[0]);
	run();
	enum cli_exit code = verdict();
	feed_free(carry.feed);
	influx_free(influx);
	spool_close(carry.spool);
	intake_free(carry.intake);
	if (refused_fd >= 0 && close(refused_fd) < 0)
		cli_error("%s: %s", refused_path, strerror(errno));
	return cli_end(code);
}
