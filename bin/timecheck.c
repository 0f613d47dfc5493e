/*
 * timecheck.c - exits 0 when the clocks can be trusted: this machine's, or, with --raw and
 * --header, the DAS's against the telescope's
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cli.h"
#include "base/tim.h"
#include "sky/calspec.h"
#include "sky/timecheck.h"

static int64_t max = 50 * TIM_MS;
static const char *utc;
static int64_t format = 4;
static struct timecheck_das das = {.minutes = 60, .day = -1};

static const struct cli_option options[] = {
    {"max", 0, CLI_TIME, &max, "TIME", "the largest offset that passes (50ms)", 0, TIM_DAY},
    {"raw", 0, CLI_STR, &das.raw, "DIR", "check the DAS clock: its raw files", 0, 0},
    {"header", 0, CLI_STR, &das.header, "DIR", "and the telescope's pointing log", 0, 0},
    {"cs", 0, CLI_STR, &das.calspec, "FILE", "the calspec that names the TTL lines (Bolocam's)", 0,
	0},
    {"ff", 0, CLI_INT, &format, "N", "file format 0 to 4 (4)", 0, 4},
    {"utc", 0, CLI_STR, &utc, "YYYYMMDD", "the day (today, or yesterday)", 0, 0},
    {"minutes", 0, CLI_INT, &das.minutes, "N", "back from the newest raw file (60)", 1, 1440},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "timecheck",
    .args = "[--raw DIR --header DIR]",
    .about = "can the clocks be trusted? exit 0 if so",
    .options = options,
    .prints = true};

static enum cli_exit check_machine(void)
{
	struct timecheck_machine m;
	char limit[TIM_TEXT];

	if (timecheck_machine(&m) < 0)
		cli_die(
		    EXIT_SYSTEM, "the kernel does not tell its clock's state: %s", strerror(errno));
	const char *who = m.chrony ? "chrony" : "the kernel";
	if (!m.synchronised) {
		printf("this machine: not synchronised, offset not known, by %s\n", who);
		cli_error("this machine's clock is not synchronised: start chrony (or another NTP "
			  "client) and wait for it");
		return EXIT_DATA;
	}
	printf("this machine: synchronised, offset %+.6f s, by %s\n", m.offset, who);
	if (m.chrony && !m.chrony_good) {
		cli_error("chrony does not call its state normal: see chronyc tracking");
		return EXIT_DATA;
	}
	if (fabs(m.offset) * 1e9 <= (double)max)
		return EXIT_DONE;
	cli_error("this machine's clock is off by %+.6f s, more than --max=%s", m.offset,
	    tim_span(max, limit));
	return EXIT_DATA;
}

static enum cli_exit check_das(void)
{
	char why[TIMECHECK_WHY], last[TIM_TEXT], limit[TIM_TEXT];

	if (timecheck_das(&das, why) < 0)
		cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "%s", why);
	if (das.edges == 0)
		cli_die(EXIT_SYSTEM,
		    "no TTL edge that both DAS and telescope saw: nothing can be said before the "
		    "telescope has acquired or scanned");
	printf("DAS minus telescope: %+.4f s, from %d edges, rms %.4f s, the last at %s\n",
	    das.offset, das.edges, das.rms, tim_text(das.last, 1, last));
	if (fabs(das.offset) * 1e9 <= (double)max)
		return EXIT_DONE;
	cli_error("the DAS clock is off by %+.4f s, more than --max=%s", das.offset,
	    tim_span(max, limit));
	return EXIT_DATA;
}

static void set_calspec(void)
{
	static char path[4096];

	if (!das.calspec)
		das.calspec = calspec_bolocam(path, sizeof path);
	if (!das.calspec)
		cli_die(EXIT_USAGE, "--cs=FILE is missing: which calspec? (etc/bolocam.cal)");
}

static void set_day(void)
{
	char text[TIM_TEXT];
	int64_t t;

	if (!utc)
		return;
	snprintf(text, sizeof text, "%.4s-%.2s-%.2sT00:00:00Z", utc,
	    strlen(utc) == 8 ? utc + 4 : "", strlen(utc) == 8 ? utc + 6 : "");
	if (tim_parse(text, &t) < 0 || t < 0)
		cli_die(EXIT_USAGE, "--utc=%s: not a day, as 20050621 is", utc);
	das.day = t / TIM_DAY;
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	if (!das.raw != !das.header)
		cli_die(EXIT_USAGE, "--raw and --header go together: both clocks are in them");
	if (das.raw)
		set_calspec();
	set_day();
	das.format = (int)format;
	cli_need_folder("--raw", das.raw);
	cli_need_folder("--header", das.header);
	return cli_end(das.raw ? check_das() : check_machine());
}
