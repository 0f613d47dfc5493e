/* spool.c - a queue of lines in memory and in a folder: order, crashes, limits */
#include "bus/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/intake.h"
#include "tap.h"

static char dir[] = "/tmp/fyke-spool.XXXXXX", why[SPOOL_WHY], buf[65536];

static struct spool *open_spool(const char *path, int64_t max)
{
	struct spool *s = spool_open(path, max, why);
	if (!s)
		printf("# %s\n", why);
	return s;
}

static void put(struct spool *s, int from, int to)
{
	char line[32];

	for (int i = from; i < to; i++) {
		int n = snprintf(line, sizeof line, "m v=%06d 1\n", i);
		if (spool_put(s, line, (size_t)n, 1) < 0)
			ok(false, strerror(errno));
	}
}

/* The number in the first line that comes next, and how many come; -1: none. */
static int get(struct spool *s, size_t most, size_t *count)
{
	long n = spool_get(s, buf, sizeof buf, most, count);
	return n > 0 ? atoi(buf + 4) : -1;
}

static void in_order(const char *path, const char *words)
{
	struct spool *s = open_spool(path, 1 << 20);
	size_t n;

	put(s, 0, 100);
	is_int(get(s, 30, &n), 0, words);
	is_int(n, 30, "as many as asked for");
	is_int(get(s, 30, &n), 0, "the same again while nothing is acknowledged");
	is_int(spool_ack(s, SIZE_MAX, SIZE_MAX), 0, "acknowledged");
	is_int(get(s, 1000, &n), 30, "then the next");
	is_int(n, 70, "all of them");
	put(s, 100, 110);
	is_int(spool_state(s)->lines, 80, "what was given out still waits");
	spool_ack(s, SIZE_MAX, SIZE_MAX);
	is_int(get(s, 1000, &n), 100, "what came meanwhile");
	is_int(spool_ack(s, 4 * 13, 4), 0, "four of them are acknowledged");
	is_int(spool_state(s)->lines, 6, "six wait");
	is_int(spool_ack(s, 13, 1), 0, "and one more");
	is_int(get(s, 1000, &n), 105, "the others come again");
	is_int(n, 5, "only these");
	spool_ack(s, SIZE_MAX, SIZE_MAX);
	is_int(get(s, 1000, &n), -1, "nothing more");
	is_int(spool_state(s)->lines + spool_state(s)->bytes, 0, "empty");
	spool_close(s);
}

static void crash(void)
{
	struct spool *s = open_spool(dir, 1 << 20);
	size_t n;

	put(s, 0, 50);
	get(s, 20, &n);
	spool_ack(s, SIZE_MAX, SIZE_MAX);
	get(s, 20, &n);
	/* kill -9: nothing is closed; the lock goes with the process, so a copy of the folder serves */
	char copy[64], command[200];
	snprintf(copy, sizeof copy, "%s.copy", dir);
	snprintf(command, sizeof command, "cp -r %s %s && printf 'm v=9' >>%s/0000000000000001.lp",
	    dir, copy, copy);
	if (system(command) != 0)
		ok(false, "cp");
	struct spool *t = open_spool(copy, 1 << 20);
	is_int(spool_state(t)->found, 30, "after a crash: what was not acknowledged is there");
	put(t, 50, 60);
	is_int(get(t, 1000, &n), 20, "the batch that was under way comes again");
	ok(spool_state(t)->old, "marked as from an earlier run");
	is_int(n, 30, "only the whole lines");
	spool_ack(t, SIZE_MAX, SIZE_MAX);
	is_int(get(t, 1000, &n), 50, "then the new ones");
	ok(!spool_state(t)->old, "which are not");
	is_int(spool_state(t)->cut, 1, "the line that was cut is counted");
	spool_ack(t, SIZE_MAX, SIZE_MAX);
	spool_close(t);
	t = open_spool(copy, 1 << 20);
	is_int(spool_state(t)->found, 0, "nothing is left, and no old mark hides what is new");
	put(t, 0, 5);
	is_int(get(t, 10, &n), 0, "from the first line on");
	is_int(n, 5, "all");
	spool_close(t);
	ok(spool_open(dir, 1 << 20, why) == NULL, "a second program is kept out");
	ok(strstr(why, "another program") != NULL, why);
	while (spool_ack(s, SIZE_MAX, SIZE_MAX) == 0 && get(s, 1000, &n) >= 0)
		;
	spool_close(s);
	snprintf(command, sizeof command, "rm -rf %s", copy);
	(void)!system(command);
}

static void limits(void)
{
	struct spool *s = open_spool(NULL, 100);
	size_t n;

	put(s, 0, 7); /* of 13 bytes */
	is_int(spool_put(s, "m v=000007 1\n", 13, 1), -1, "memory that is full takes no more");
	is_int(errno, EAGAIN, "for now");
	get(s, 2, &n);
	spool_ack(s, SIZE_MAX, SIZE_MAX);
	is_int(spool_put(s, "m v=000007 1\n", 13, 1), 0, "but does when there is room");
	is_int(get(s, 100, &n), 2, "in order");
	is_int(n, 6, "none lost");
	spool_close(s);

	s = open_spool(dir, 8000); /* files of 1000 bytes */
	put(s, 0, 100);
	get(s, 10, &n);
	put(s, 100, 2000);
	const struct spool_state *st = spool_state(s);
	ok(st->bytes <= 8000, "a folder keeps to its size");
	is_int(st->lines + st->full, 2000, "and counts what it drops");
	spool_ack(s, SIZE_MAX, SIZE_MAX);
	is_int(st->lines + st->full, 1990, "what was given out before is not among it");
	int first = get(s, 10000, &n);
	is_int(first, 10, "the file that lines were given out of stays");
	uint64_t lines = st->lines, got = 0;
	int last = first - 1, bad = 0;
	for (; (first = get(s, 10000, &n)) >= 0; spool_ack(s, SIZE_MAX, SIZE_MAX)) {
		bad += first != last + 1;
		last = first + (int)n - 1;
		got += n;
	}
	is_int(bad, 1, "after it the oldest have gone; what is left is in order");
	is_int(last, 1999, "up to the newest");
	is_int(got, lines, "as many as were counted");
	spool_close(s);
	is_int(access(dir, W_OK), 0, "the folder stays");
	chmod(dir, 0500);
	if (geteuid() != 0)
		ok(spool_open(dir, 8000, why) == NULL,
		    "a folder that cannot be written is refused");
	chmod(dir, 0700);
}

/* ---- what comes in ---- */

static int refused;

static void bad_line(void *ctx, const char *reason, const char *line, size_t n)
{
	(void)ctx, (void)reason, (void)line, (void)n;
	refused++;
}

static void intake(void)
{
	static const char text[] = "m v=1 5\r\nm v=2\nm v=2\nnonsense\n# comment\n\nlast v=3";
	struct intake *t = intake_new(1, bad_line, NULL);
	size_t n, lines;
	int p[2];

	if (pipe(p) < 0)
		return;
	for (size_t i = 0; i < sizeof text - 1; i += 7)
		(void)!write(p[1], text + i, sizeof text - 1 - i < 7 ? sizeof text - 1 - i : 7);
	close(p[1]);
	while (intake_read(t, p[0]) > 0)
		;
	intake_end(t);
	const char *ready = intake_ready(t, &n, &lines);
	is_int(lines, 4, "four good lines");
	is_int(refused, 1, "one bad one");
	is_int(intake_state(t)->lines, 5, "comments and empty lines are none");
	ok(strncmp(ready, "m v=1 5\n", 8) == 0, "a time stays, a carriage return goes");
	long long first, second, third;
	is_int(
	    sscanf(ready + 8, "m v=2 %lld\nm v=2 %lld\nlast v=3 %lld\n", &first, &second, &third),
	    3, "lines without a time get one, the last without its end too");
	ok(first > 1700000000000000000 && second > first, "never the same twice");
	intake_taken(t);
	(void)intake_ready(t, &n, &lines);
	is_int(n + lines, 0, "taken");
	intake_free(t);
	close(p[0]);

	FILE *f = tmpfile();
	for (int i = 0; f && i < 400000; i++)
		fputc('x', f);
	if (f)
		fputs("\nm v=1 1\n", f);
	rewind(f);
	t = intake_new(1, bad_line, NULL);
	refused = 0;
	while (intake_read(t, fileno(f)) > 0)
		;
	is_int(refused, 1, "a line without end is one bad line");
	(void)intake_ready(t, &n, &lines);
	is_int(lines, 1, "and what follows it is taken");
	intake_free(t);
	fclose(f);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 99;
	in_order(NULL, "memory gives lines in order");
	in_order(dir, "a folder gives lines in order");
	crash();
	limits();
	intake();
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return done_testing() | (system(command) != 0);
}
