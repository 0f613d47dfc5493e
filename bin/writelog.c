/*
 * writelog.c - writes the housekeeping log: a row for each second of UTC, whatever the sources do
 *
 * Sources are read in threads of their own (sky/encsrc.h). Here a clock says which rows are due,
 * each takes what the sources said in its second, and one write brings it to its minute's file.
 */
#include <errno.h>
#include <string.h>

#include "base/cli.h"
#include "base/ends.h"
#include "base/tim.h"
#include "dev/encoder.h"
#include "file/pub.h"
#include "sky/encfile.h"
#include "sky/encsrc.h"
#include "sky/rowclock.h"

#define SOURCES  16
#define LATE     3           /* rows in one turn that are worth a word */
#define END_WAIT (2 * TIM_S) /* for a source that hangs */

#define ENCODER_INTO (200 * TIM_MS) /* of each second it is asked */
#define ENCODER_WAIT (700 * TIM_MS)

static const char *out, *until;
static struct cli_list source_list;
static int64_t count, duration, fill = 10 * TIM_MIN, skew = 10 * TIM_S;
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &out, "DIR", "rows go to DIR/YYYYMMDD/enc_YYMMDD_MMMM.tsv", 0, 0},
    {"source", 0, CLI_LIST, &source_list, "SOURCE", "rpc:HOST, rotator ... (again: more)", 0, 0},
    {"skew", 0, CLI_TIME, &skew, "TIME", "refuse what is so far from our time (10s; 0: never)", 0,
	TIM_DAY},
    {"fill", 0, CLI_TIME, &fill, "TIME", "missed seconds get rows up to here (10m)", 0, TIM_DAY},
    {"count", 'n', CLI_INT, &count, "N", "stop after N rows", 1, INT64_MAX},
    {"duration", 't', CLI_TIME, &duration, "TIME", "stop after so long (23h59m)", 1, INT64_MAX},
    {CLI_MIN_FREE(space)},
    {"until", 0, CLI_STR, &until, "HH:MMZ", "stop when UTC shows this", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { LOST_HOLE };
enum { ALSO_THERE, ALSO_EMPTY, ALSO_LATE };
static struct tally tally = {.unit = "rows",
    .lost = {{"not filled", 0}},
    .also = {{"there already", 0}, {"without any value", 0}, {"late", 0}}};
static const struct cli_program program = {.name = "writelog",
    .args = "-o DIR",
    .about = "write the housekeeping log, a row for each second",
    .options = options,
    .tally = &tally};

/* ---- sources ---- */

static struct encsrc_spec source[SOURCES];
static struct encsrc *running[SOURCES];
static int nsources;

/* The rotator's gear encoder, where no rotctl holds its line. */
static struct encoder encoder;

static void run_encoder(struct encsrc *s, const void *ctx)
{
	struct hk_row row;
	int64_t wait = 0;
	int32_t n = 0;

	(void)ctx;
	while (!encsrc_ending()) {
		int got = encoder_read(&encoder, ENCODER_WAIT, &n, &wait);
		if (got < 0)
			encsrc_fail(s, "%s", encoder.why);
		if (got != 0) {
			encsrc_wait(got < 0 ? wait : TIM_MS);
			continue;
		}
		hk_blank(&row);
		row.v[hk_find("rot_time")] = (double)tim_now() / 1e9;
		row.v[hk_find("rot_gear_count")] = n;
		row.v[hk_find("rot_gear_angle")] = encoder_angle(&encoder, n);
		row.v[hk_find("rotangle")] = encoder_angle(&encoder, n);
		encsrc_give(s, &row, tim_now());
		encsrc_wait_second(ENCODER_INTO);
	}
	encoder_close(&encoder);
}

static void read_source(const char *text)
{
	char why[NET_WHY];
	struct encsrc_spec *s = &source[nsources++];
	int got = encsrc_parse(text, skew, s, why);

	if (got < 0)
		cli_die(EXIT_USAGE, "--source: %s", why);
	if (got > 0)
		return;
	if (strncmp(text, "encoder:serial:", 15) != 0)
		cli_die(EXIT_USAGE,
		    "--source=%.64s: must be rpc:HOST[:PORT], rotator[:unix:PATH], "
		    "encoder:serial:DEV or file:PATH",
		    text);
	if (encoder.counts != 0)
		cli_die(EXIT_USAGE, "--source=%.64s: there is one encoder only", text);
	if (encoder_parse(text + 15, &encoder) < 0)
		cli_die(EXIT_USAGE, "--source: %s", encoder.why);
	s->run = run_encoder;
	s->ctx = NULL;
}

static void start_sources(void)
{
	if (nsources == 0)
		cli_warn("there is no --source: the rows hold nothing but their time");
	for (int i = 0; i < nsources; i++) {
		running[i] = encsrc_start(source_list.item[i], source[i].run, source[i].ctx);
		if (!running[i])
			cli_die(EXIT_SYSTEM, "%s: %s", source_list.item[i], strerror(errno));
	}
}

/* Silence is told when it begins, and when it is over. */
static void report(struct encsrc *s, bool spoke)
{
	char why[ENCSRC_WHY], safe[2 * ENCSRC_WHY];
	uint64_t missed;

	switch (encsrc_report(s, spoke, &missed, why)) {
	case ENCSRC_SILENT:
		cli_warn("%s: %s; rows go on without it", encsrc_name(s),
		    cli_safe(safe, sizeof safe, why, strlen(why)));
		break;
	case ENCSRC_BACK:
		cli_note("%s: speaks again; %llu rows are without it", encsrc_name(s),
		    (unsigned long long)missed);
		break;
	default:
		break;
	}
}

/* ---- rows ---- */

static struct encfile *file;
static struct rowclock clock_;
static enum cli_exit end = EXIT_DONE;

/* A file that cannot be written ends the program. */
static void fail(int error)
{
	cli_error("%s", encfile_why(file));
	end = error == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM;
}

/* lately: the second is over just now, so that a source's silence means something. */
static void write_row(struct row_second second, bool lately)
{
	struct hk_row row;
	bool any = false;

	hk_blank(&row);
	row.time = second.time;
	row.leap = second.leap;
	for (int i = 0; i < nsources; i++) {
		bool spoke = encsrc_take(running[i], second, &row);
		any = any || spoke;
		if (lately)
			report(running[i], spoke);
	}
	int got = encfile_put(file, &row), error = errno;
	const char *news = encfile_news(file);
	if (news)
		cli_warn("%s", news);
	if (got == 0)
		tally.also[ALSO_THERE].n++;
	if (got < 0)
		fail(error);
	if (got <= 0)
		return;
	tally.in++;
	tally.out++;
	tally.also[ALSO_EMPTY].n += !any;
	tally.also[ALSO_LATE].n += !lately;
}

static void look_at_clock(const struct rowclock_now *now)
{
	char when[TIM_TEXT];
	int64_t seconds, from;

	switch (rowclock_turn(&clock_, now, &seconds, &from)) {
	case ROWCLOCK_BACK:
		cli_warn("the clock was set back by %lld s: seconds that have a row already are "
			 "passed over",
		    (long long)seconds);
		break;
	case ROWCLOCK_HOLE:
		cli_warn(
		    "%lld seconds from %s on get no rows: they are more than --fill; the clock "
		    "was set forward, or this program stood still",
		    (long long)seconds, tim_text(from, 0, when));
		tally.in += (uint64_t)seconds;
		tally.lost[LOST_HOLE].n += (uint64_t)seconds;
		break;
	default:
		break;
	}
}

static bool enough(void)
{
	return end != EXIT_DONE || cli_stopping() || (count > 0 && tally.out >= (uint64_t)count);
}

/* All rows that are due. */
static void turn(void)
{
	struct rowclock_now now = rowclock_read();
	struct row_second second, next;
	uint64_t before = tally.out;
	int n = 0;

	look_at_clock(&now);
	for (bool more = rowclock_due(&clock_, &now, &second); more && !enough(); second = next) {
		more = rowclock_due(&clock_, &now, &next);
		write_row(second, n++ == 0 && !more);
	}
	if (tally.out - before >= LATE)
		cli_warn(
		    "%llu rows came late: the machine was busy, this program stood still, or the "
		    "clock was set forward; they hold what was said in their time",
		    (unsigned long long)(tally.out - before));
	cli_watch_space(&space, encfile_fd(file), out);
}

/* Goes on where an earlier run ended, not too long ago. */
static void begin(void)
{
	char why[ENCFILE_WHY];
	struct row_second last;

	file = encfile_open(out, why);
	if (!file)
		cli_die(errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
	start_sources();
	struct rowclock_now now = rowclock_read();
	bool some = encfile_last(file, now.utc - fill, now.utc, &last) > 0;
	rowclock_start(&clock_, fill, &now, some ? &last : NULL);
}

int main(int argc, char **argv)
{
	char why[ENCFILE_WHY];
	struct ends ends;

	cli_begin(argc, argv, &program);
	if (!out)
		cli_die(EXIT_USAGE, "-o DIR is missing: where do the minute files go?");
	if (source_list.n > SOURCES)
		cli_die(EXIT_USAGE, "more than %d sources", SOURCES);
	if (ends_set(&ends, duration, until) < 0)
		cli_die(EXIT_USAGE, "--until: '%.32s' is not HH:MMZ or HH:MM:SSZ", until);
	for (size_t i = 0; i < source_list.n; i++)
		read_source(source_list.item[i]);
	begin();
	while (!enough() && !ends_over(&ends)) {
		int64_t left = TIM_S - tim_now() % TIM_S;
		(void)tim_sleep_until(ends_wake(&ends, tim_mono() + left));
		cli_tick();
		turn();
	}
	encsrc_end(running, nsources, END_WAIT);
	if (encfile_close(file, why) < 0 && end == EXIT_DONE) {
		cli_error("%s", why);
		end = EXIT_SYSTEM;
	}
	return cli_end(end);
}
