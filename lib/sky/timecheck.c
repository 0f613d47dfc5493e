/* timecheck.c - can the clocks be trusted? */
#include "sky/timecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"
#include "sky/calspec.h"
#include "sky/clockspan.h"

#define ASK_TIME (5 * TIM_S)
#define FIELDS   14 /* of a tracking report */

extern char **environ;

/* ---- this machine ---- */

int timecheck_tracking(const char *text, struct timecheck_machine *m)
{
	char line[512], *field[FIELDS], *next = line;
	int n = 0;

	snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\r\n"), text);
	while (next && n < FIELDS)
		field[n++] = strsep(&next, ",");
	if (n != FIELDS || next || conf_real(field[4], &m->offset) < 0)
		return -1;
	m->chrony = true;
	m->chrony_good = strcmp(field[FIELDS - 1], "Normal") == 0 ||
	    strcmp(field[FIELDS - 1], "Insert second") == 0 ||
	    strcmp(field[FIELDS - 1], "Delete second") == 0;
	return 0;
}

/* The first bytes that the program says, within ASK_TIME; its end is waited for. */
static ssize_t ask(char *const argv[], char *text, size_t size)
{
	posix_spawn_file_actions_t acts;
	int end[2];
	pid_t pid;
	size_t n = 0;

	if (pipe2(end, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_adddup2(&acts, end[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&acts, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&acts, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int bad = posix_spawnp(&pid, argv[0], &acts, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&acts);
	close(end[1]);
	int64_t until = tim_mono() + ASK_TIME;
	while (!bad && n + 1 < size) {
		int64_t left = until - tim_mono();
		ssize_t k = left > 0 && io_wait(end[0], left) == 1
		    ? read(end[0], text + n, size - n - 1)
		    : -1;
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	close(end[0]);
	text[n] = 0;
	if (bad) {
		errno = bad;
		return -1;
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return (ssize_t)n;
}

int timecheck_machine(struct timecheck_machine *m)
{
	struct timex t = {0};
	char text[1024];
	char *const argv[] = {"chronyc", "-c", "tracking", NULL};
	int state = adjtimex(&t);

	memset(m, 0, sizeof *m);
	if (state < 0)
		return -1;
	m->synchronised = state != TIME_ERROR && !(t.status & STA_UNSYNC);
	m->offset = (double)t.offset * (t.status & STA_NANO ? 1e-9 : 1e-6);
	m->error = (double)t.maxerror * 1e-6;
	if (ask(argv, text, sizeof text) > 0)
		(void)timecheck_tracking(text, m);
	return 0;
}

/* ---- the DAS ---- */

/* The newest raw file's minute; -1: none; -2: the folder cannot be read. */
static int64_t newest(struct stream *s, int64_t day)
{
	bool have[MINUTE_DAY];

	if (stream_list(s, have) < 0)
		return -2;
	for (int m = MINUTE_DAY - 1; m >= 0; m--)
		if (have[m])
			return day * MINUTE_DAY + m;
	return -1;
}

static int fit(struct timecheck_das *d, const struct calspec *cal, struct stream *s, int64_t day,
    int64_t minute)
{
	struct clock_model model;
	int64_t from = minute + 1 - d->minutes;

	if (from < (day - 1) * MINUTE_DAY)
		from = (day - 1) * MINUTE_DAY;
	if (clockspan_fit(s, cal, day, from, minute + 1, &model) < 0)
		return -1;
	d->edges = model.n ? model.matched : 0;
	d->offset =
	    d->edges ? clock_offset(&model, 60.0 * (double)(minute + 1 - day * MINUTE_DAY)) : 0;
	d->rms = model.rms;
	if (d->edges)
		d->last = day * TIM_DAY + (int64_t)(model.seg[model.n - 1].last * 1e9);
	return 0;
}

static int check_day(
    struct timecheck_das *d, const struct calspec *cal, int64_t day, char why[TIMECHECK_WHY])
{
	struct stream_options o = {
	    .dir = {d->raw, d->header, NULL}, .cal = cal, .format = d->format, .day = day};
	struct stream *s = stream_new(&o);
	if (!s) {
		snprintf(why, TIMECHECK_WHY, "out of memory");
		return -1;
	}
	int64_t minute = newest(s, day);
	int got = minute == -1 ? 0 : minute < 0 || fit(d, cal, s, day, minute) < 0 ? -1 : 1;
	if (got < 0)
		snprintf(why, TIMECHECK_WHY, "%s", stream_why(s));
	stream_free(s);
	return got;
}

int timecheck_das(struct timecheck_das *d, char why[TIMECHECK_WHY])
{
	struct cal_mistake bad[CAL_MISTAKES];
	int n = 0;
	struct calspec *cal = calspec_load(d->calspec, bad, &n);
	if (!cal) {
		calspec_mistake(d->calspec, &bad[0], why, TIMECHECK_WHY);
		errno = EINVAL;
		return -1;
	}
	int64_t day = d->day >= 0 ? d->day : tim_now() / TIM_DAY;
	int got = check_day(d, cal, day, why);
	if (got == 0 && d->day < 0)
		got = check_day(d, cal, day - 1, why);
	calspec_free(cal);
	if (got == 0) {
		snprintf(why, TIMECHECK_WHY, "%s: no raw files of %s", d->raw,
		    d->day < 0 ? "today or yesterday (--utc=YYYYMMDD says another day)"
			       : "that day");
		errno = ENOENT;
	} else if (got < 0 && errno == EINVAL)
		errno = EIO;
	return got == 1 ? 0 : -1;
}
