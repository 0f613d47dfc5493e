/*
 * dirsync.c - brings complete files across a network mount, each whole and verified
 *
 * What is complete and how it is copied, the library knows (file/sync.h). Here are the options,
 * the clock of the passes, and patience with a source or a target that is away.
 */
#include <errno.h>
#include <string.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "file/pub.h"
#include "file/sync.h"
#include "sky/das.h"
#include "sky/plogfile.h"

#define BACK_MAX (30 * TIM_S)
#define TRIES    5             /* of --once, at a source that is away */
#define GATHER   (20 * TIM_MS) /* so that a burst of events is one pass */

static int64_t every = 5 * TIM_S;
static bool once;
static const char *date = "mtime";
static struct tally tally = SYNC_TALLY;
static struct sync_options o = {
    .lock_suffix = ".lck", .still = 5 * TIM_S, .lookback = 10 * TIM_MIN, .tally = &tally};
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};

static const struct cli_option options[] = {
    {"every", 0, CLI_TIME, &every, "TIME", "look at SRC this often (5s)", TIM_MS, TIM_DAY},
    {"once", 0, CLI_FLAG, &once, NULL, "bring what is complete, and end", 0, 0},
    {"lookback", 0, CLI_TIME, &o.lookback, "TIME", "look again at what is so new (10m)", 0,
	TIM_DAY},
    {"into", 0, CLI_STR, &o.into, "%Y%m%d", "file under DST/DAY, by each file's time (UT)", 0, 0},
    {"date", 0, CLI_STR, &date, "mtime|raw|plog", "where that time stands (mtime)", 0, 0},
    {"lock-suffix", 0, CLI_STR, &o.lock_suffix, "SUFFIX", "FILE.lck: FILE is being written", 0, 0},
    {"still", 0, CLI_TIME, &o.still, "TIME", "complete: unchanged for so long (5s)", 0, TIM_H},
    {"follow", 0, CLI_FLAG, &o.follow, NULL, "show growing files at once, and let them grow", 0, 0},
    {CLI_MIN_FREE(space)},
    {"poll", 0, CLI_FLAG, &o.poll, NULL, "believe no clock and no inotify of SRC", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "dirsync",
    .args = "SRC DST",
    .about = "bring complete files of SRC to DST, whole and verified",
    .options = options,
    .min_args = 2,
    .max_args = 2,
    .tally = &tally,
    .can_lose = true};

/* ---- what the library asks ---- */

static void say(const char *path, const char *what, bool news)
{
	char safe[1024];

	cli_safe(safe, sizeof safe, path, strlen(path));
	if (news)
		cli_debug("%s: %s", safe, what);
	else
		cli_warn("%s: %s", safe, what);
}

static bool stopping(void)
{
	cli_tick();
	return cli_stopping();
}

static int date_raw(const char *name, int fd, int64_t size, int64_t *t, char why[SYNC_WHY])
{
	int64_t minute = das_minute(name);

	(void)fd, (void)size, (void)why;
	*t = minute * TIM_MIN;
	return minute < 0 ? SYNC_FOREIGN : SYNC_DATED;
}

static int date_plog(const char *name, int fd, int64_t size, int64_t *t, char why[SYNC_WHY])
{
	return plog_date(name, fd, size, tim_now(), t, why);
}

static void check_options(void)
{
	if (!strcmp(date, "raw"))
		o.date = date_raw;
	else if (!strcmp(date, "plog")) {
		o.date = date_plog;
		o.period = TIM_DAY;
	} else if (strcmp(date, "mtime") != 0)
		cli_die(EXIT_USAGE, "--date=%s: must be mtime, raw or plog", date);
	if (strchr(o.lock_suffix, '/'))
		cli_die(EXIT_USAGE, "--lock-suffix=%s: must not hold a slash", o.lock_suffix);
	o.say = say;
	o.stopping = stopping;
}

/* ---- the passes ---- */

/* A pass that failed: once to the log, then with more and more patience. */
static int64_t patience(const struct sync *s, bool failed)
{
	static int64_t back;

	if (!failed) {
		if (back)
			cli_note("%s and %s are there again: going on", o.src, o.dst);
		back = 0;
		return 0;
	}
	if (!back)
		cli_warn("%s: waiting until that is over", sync_why(s));
	back = back == 0 ? TIM_S / 10 : back < BACK_MAX / 2 ? 2 * back : BACK_MAX;
	return back;
}

/* Waits for the next pass: for its time, a waiting file's turn, or news of the source. */
static void rest(const struct sync *s, int64_t until, bool events)
{
	for (int64_t now; (now = tim_mono()) < until && !cli_stopping(); cli_tick()) {
		int64_t left = until - now < TIM_S ? until - now : TIM_S;
		if (!events || sync_fd(s) < 0)
			(void)tim_sleep_until(now + left);
		else if (io_wait(sync_fd(s), left) == 1) {
			(void)tim_sleep_until(tim_mono() + GATHER);
			return;
		}
	}
}

static enum cli_exit run_once(struct sync *s)
{
	int failures = 0;
	bool failed;

	do {
		failed = sync_pass(s) < 0;
		if (failed && (++failures == TRIES || errno == ENOSPC || errno == EDQUOT))
			cli_die(EXIT_SYSTEM, "%s", sync_why(s));
		int64_t wait = patience(s, failed);
		cli_watch_space(&space, sync_target(s), o.dst);
		if (failed)
			rest(s, tim_mono() + wait, false);
		else if (sync_waiting(s))
			rest(s, sync_due(s), false);
	} while ((failed || sync_waiting(s)) && !cli_stopping());
	if (cli_stopping()) {
		cli_error("stopped before all was looked at: run it again");
		return EXIT_CTRL_C;
	}
	if (sync_failing(s) > 0) {
		cli_error(
		    "%lld files could not be brought: run it again", (long long)sync_failing(s));
		return EXIT_SYSTEM;
	}
	if (tally.held > 0)
		cli_note("%llu files are not complete yet: the next run will bring them",
		    (unsigned long long)tally.held);
	return EXIT_DONE;
}

static enum cli_exit run_on(struct sync *s)
{
	while (!cli_stopping()) {
		bool failed = sync_pass(s) < 0;
		int64_t now = tim_mono(), wait = patience(s, failed), due = sync_due(s);
		cli_watch_space(&space, sync_target(s), o.dst);
		if (failed)
			rest(s, now + wait, false);
		else
			rest(s, due < now + every ? due : now + every, true);
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	char why[SYNC_WHY];

	check_options();
	o.src = args[0];
	o.dst = args[1];
	struct sync *s = sync_new(&o, why);
	if (!s)
		cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "%s", why);
	enum cli_exit code = once ? run_once(s) : run_on(s);
	sync_free(s);
	return cli_end(code);
}
