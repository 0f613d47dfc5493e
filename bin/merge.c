/*
 * merge.c - joins the raw minute files of a night with the telescope's pointing log and
 * housekeeping: one netCDF file per UT hour, on the telescope's time
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/tim.h"
#include "sky/calspec.h"
#include "sky/mergeday.h"

#define POLL (250 * TIM_MS)

static const char usage[] =
    "usage: merge -ff fileformat -cs calspecfile -r rawdir [-h headerdir] [-e encoderdir]\n"
    "             [-nstart start_das_num] [-nend end_das_num] [-fixut] [-fixnfs]\n"
    "       merge --check -cs calspecfile\n"
    "file formats:  0  December 2001, encoder log without LST\n"
    "               1  December 2001, with LST\n"
    "               2  May 2002\n"
    "               3  January 2003 through February 2004\n"
    "               4  May 2004 and later\n"
    "merge --help lists all options, man merge explains them\n";

static int64_t ff = -1, nstart = -1, nend = -1, wait_for = 120 * TIM_S;
static const char *calspec_path, *raw, *header, *enc, *final, *report, *utc, *out = ".";
static bool fixut, fixnfs, no_sync, check;
static struct tally tally = {.unit = "minutes",
    .lost = {{"no raw file", 0}, {"no pointing", 0}, {"no housekeeping", 0}},
    .also = {{"hours", 0}, {"cut files", 0}, {"duplicates", 0}, {"stale files", 0},
	{"clock steps", 0}, {"suspect hours", 0}}};

static const struct cli_option options[] = {
    {"ff", 0, CLI_INT, &ff, "N", "file format 0 to 4 (see merge -help)", 0, 4},
    {"cs", 0, CLI_STR, &calspec_path, "FILE", "channels, variables, conversions", 0, 0},
    {"r", 0, CLI_STR, &raw, "DIR", "raw minute files", 0, 0},
    {"h", 0, CLI_STR, &header, "DIR", "pointing log minute files", 0, 0},
    {"e", 0, CLI_STR, &enc, "DIR", "encoder and housekeeping minute files", 0, 0},
    {"nstart", 0, CLI_INT, &nstart, "MMMM", "first raw file (the first there is)", 0, 1439},
    {"nend", 0, CLI_INT, &nend, "MMMM", "last raw file (waits for more without it)", 0, 1439},
    {"fixut", 0, CLI_FLAG, &fixut, NULL, "believe the pointing files' names, not their times", 0,
	0},
    {"fixnfs", 0, CLI_FLAG, &fixnfs, NULL, "bear with network disks: try again, wait longer", 0, 0},
    {"final", 0, CLI_STR, &final, "nc4", "compress a finished hour to netCDF-4", 0, 0},
    {"no-sync", 0, CLI_FLAG, &no_sync, NULL, "no clock correction, as the original", 0, 0},
    {"report", 0, CLI_STR, &report, "FILE", "write a report as JSON", 0, 0},
    {"utc", 0, CLI_STR, &utc, "YYYYMMDD", "the day (what the raw folder holds)", 0, 0},
    {"out", 0, CLI_STR, &out, "DIR", "where the hours go (.)", 0, 0},
    {"wait", 0, CLI_TIME, &wait_for, "TIME", "wait for a raw file's companions (120s)", 0, 0},
    {"check", 0, CLI_FLAG, &check, NULL, "explain every mistake in the calspec, and end", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "merge",
    .args = "-ff N -cs FILE -r DIR",
    .about = "merge raw data, pointing and housekeeping into hourly netCDF files",
    .options = options,
    .tally = &tally,
    .can_lose = true,
    .one_dash = true,
    .usage = usage};

static void say(void *ctx, enum mergeday_level level, const char *text)
{
	(void)ctx;
	if (level == MERGEDAY_WARN)
		cli_warn("%s", text);
	else
		cli_note("%s", text);
}

/* Every mistake with its line; without --check the first one ends the program. */
static struct calspec *load_calspec(void)
{
	struct cal_mistake bad[CAL_MISTAKES];
	char text[4096 + CAL_WHY];
	int n;

	if (!calspec_path && calspec_bolocam(text, sizeof text))
		cli_die(EXIT_USAGE, "-cs FILE is missing: which calspec? (Bolocam's is %s)", text);
	if (!calspec_path)
		cli_die(EXIT_USAGE, "-cs FILE is missing: which calspec?");
	struct calspec *c = calspec_load(calspec_path, bad, &n);
	for (int i = 0; i < n && (check || i == 0); i++)
		cli_error("%s", calspec_mistake(calspec_path, &bad[i], text, sizeof text));
	if (n > 1 && !check)
		cli_error(
		    "%d more mistakes: merge --check -cs %s tells them all", n - 1, calspec_path);
	if (check && c)
		cli_note("%s: %d variables, %d TTL lines: good", calspec_path, c->nvars, c->nlines);
	return c;
}

static int64_t day_of(const char *text)
{
	char iso[40];
	int64_t t;

	if (!text)
		return -1;
	if (strlen(text) == 8 && strspn(text, "0123456789") == 8) {
		snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT00:00:00Z", text, text + 4, text + 6);
		if (tim_parse(iso, &t) == 0 && t >= 0)
			return t / TIM_DAY;
	}
	cli_die(EXIT_USAGE, "--utc=%s: not a day (20050621)", text);
}

static void check_options(void)
{
	if (ff < 0)
		cli_die(EXIT_USAGE, "-ff N is missing: which file format, 0 to 4? (merge -help)");
	if (!raw)
		cli_die(EXIT_USAGE, "-r DIR is missing: where are the raw files?");
	if (nend >= 0 && nstart > nend)
		cli_die(EXIT_USAGE, "-nstart %04lld lies behind -nend %04lld", (long long)nstart,
		    (long long)nend);
	if (final && strcmp(final, "nc4") != 0)
		cli_die(EXIT_USAGE, "--final=%s: only nc4", final);
	cli_need_folder("-r", raw);
	cli_need_folder("-h", header);
	cli_need_folder("-e", enc);
	cli_need_folder("--out", out);
}

static void count(const struct mergeday *d)
{
	struct mergeday_count c;

	mergeday_count(d, &c);
	tally.in = c.in;
	tally.out = c.out;
	tally.held = c.held;
	const uint64_t lost[] = {c.no_raw, c.no_log, c.no_enc};
	const uint64_t also[] = {c.hours, c.cut, c.duplicate, c.stale, c.steps, c.suspect};
	for (size_t i = 0; i < 3; i++)
		tally.lost[i].n = lost[i];
	for (size_t i = 0; i < 6; i++)
		tally.also[i].n = also[i];
}

static enum cli_exit explain(const char *why, int error)
{
	cli_error("%s", why);
	return error == EINVAL                  ? EXIT_USAGE
	    : error == EBUSY || error == EEXIST ? EXIT_REFUSED
						: EXIT_SYSTEM;
}

/* Until the range is merged, or a signal comes; then every hour is settled with what there is. */
static enum cli_exit run(struct mergeday *d)
{
	enum mergeday_state s = MERGEDAY_WORKED;

	while (!cli_stopping() && s != MERGEDAY_DONE && s != MERGEDAY_ERROR) {
		s = mergeday_step(d);
		if (s == MERGEDAY_WAIT)
			(void)tim_sleep_until(tim_mono() + POLL);
		else
			count(d);
		cli_tick();
	}
	bool bad = s == MERGEDAY_ERROR || mergeday_finish(d) < 0;
	count(d);
	if (!bad)
		return EXIT_DONE;
	const char *why = mergeday_why(d);
	return explain(why, errno);
}

int main(int argc, char **argv)
{
	enum cli_exit status = EXIT_DATA;
	char why[MERGEDAY_WHY];

	cli_begin(argc, argv, &program);
	struct calspec *cal = load_calspec();
	if (!cal || check) {
		status = cal ? EXIT_DONE : EXIT_USAGE;
		calspec_free(cal);
		return cli_end(status);
	}
	check_options();
	const struct mergeday_options o = {.cal = cal,
	    .raw = raw,
	    .log = header,
	    .enc = enc,
	    .out = out,
	    .report = report,
	    .format = (int)ff,
	    .start = (int)nstart,
	    .end = (int)nend,
	    .fixut = fixut,
	    .fixnfs = fixnfs,
	    .sync = !no_sync,
	    .nc4 = final != NULL,
	    .wait = wait_for,
	    .day = day_of(utc),
	    .say = say};
	struct mergeday *d = mergeday_new(&o, why);
	status = d ? run(d) : explain(why, errno);
	mergeday_free(d);
	calspec_free(cal);
	return cli_end(status);
}
