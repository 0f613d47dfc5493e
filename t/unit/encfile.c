/* encfile.c - minute files: no row twice, none out of order, no half row */
#include "sky/encfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "sky/encsrc.h"
#include "tap.h"

#define NAME "20050621/enc_050621_0492.tsv"

static char dir[] = "/tmp/fyke-encfile.XXXXXX", path[200], why[ENCFILE_WHY];
static struct encfile *f;

static int put(int64_t time, bool leap, double angle)
{
	struct hk_row r;

	hk_blank(&r);
	r.time = time;
	r.leap = leap;
	r.v[hk_find("rotangle")] = angle;
	return encfile_put(f, &r);
}

/* The times of a file's rows, "34 35". */
static const char *seconds(const char *name)
{
	static char text[1024];
	static struct hk_minute m;
	char full[300], w[HK_WHY];
	size_t n, at = 0;

	snprintf(full, sizeof full, "%s/%s", dir, name);
	char *bytes = io_slurp(full, HK_FILE_MAX, &n);
	if (!bytes || hk_read(bytes, n, &m, w) < 0)
		m.n = 0;
	free(bytes);
	text[0] = '\0';
	for (int i = 0; i < m.n; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%02d", i ? " " : "",
		    m.row[i].leap ? 60 : tim_split(m.row[i].time).second);
	if (m.bad)
		snprintf(text + at, sizeof text - at, " and %d bad", m.bad);
	return text;
}

static void damage(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(99);
	close(fd);
}

static void reopen(void)
{
	if (f)
		is_int(encfile_close(f, why), 0, "closed");
	f = encfile_open(dir, why);
	ok(f != NULL, "opened");
}

int main(void)
{
	int64_t t = tim_join(2005, 6, 21, 8, 12, 34, 0),
		midnight = tim_join(2017, 1, 1, 0, 0, 0, 0);
	struct row_second last;
	char command[100];

	if (!mkdtemp(dir))
		exit(99);
	snprintf(path, sizeof path, "%s/%s", dir, NAME);
	ok(!encfile_open("/nowhere/at/all", why) && errno == ENOENT, "a missing folder");
	reopen();
	ok(!encfile_open(dir, why) && errno == EBUSY, "a second writer is refused");
	is_int(encfile_last(f, t - TIM_H, t, &last), 0, "nothing is there yet");
	is_int(put(t, false, 10.5), 1, "a row");
	is_int(put(t + TIM_S, false, 10.5), 1, "the next one");
	is_int(put(t, false, 10.5), 0, "the first one again is passed over");
	is_int(put(t + TIM_S, false, 10.5), 0, "and the second");
	is_str(seconds(NAME), "34 35", "each is there once");
	reopen();
	is_int(
	    encfile_last(f, t - TIM_H, t + 9 * TIM_MIN, &last), 1, "a restart finds the last row");
	ok(last.time == t + TIM_S && !last.leap, "which it is");
	is_int(put(t + TIM_S, false, 1), 0, "what is there");
	is_int(put(t + 3 * TIM_S, false, 1), 1, "what is after it");
	is_int(put(t + 2 * TIM_S, false, 1), 0, "nothing is put before another");
	is_str(seconds(NAME), "34 35 37", "in order");

	damage("2005-06-21T08:12:38Z\t\t10.");
	reopen();
	is_int(put(t + 4 * TIM_S, false, 2), 1, "after half a row");
	const char *news = encfile_news(f);
	ok(news && strstr(news, "half a row of 25 bytes"), "which is told");
	ok(!encfile_news(f), "once");
	is_str(seconds(NAME), "34 35 37 38", "and gone");

	unlink(path);
	is_int(put(t + 5 * TIM_S, false, 2), 1, "a file that was removed");
	news = encfile_news(f);
	ok(news && strstr(news, "begun again"), "is begun again");
	is_str(seconds(NAME), "39", "with a head");

	reopen();
	if (truncate(path, 0) < 0)
		exit(99);
	damage("#time[UTC]\trotangle[degree]\n2005-06-21T08:12:34Z\t10.7\n");
	ok(put(t, false, 2) == -1 && errno == EEXIST, "a file with other columns is left alone");
	ok(strstr(encfile_why(f), "other columns"), "and named");

	is_int(put(midnight - TIM_S, false, 1), 1, "before a leap second");
	is_int(put(midnight, true, 1), 1, "23:59:60");
	is_int(put(midnight, true, 1), 0, "once");
	is_int(put(midnight, false, 1), 1, "and midnight");
	is_str(seconds("20161231/enc_161231_1439.tsv"), "59 60", "it belongs to the day before");
	is_str(seconds("20170101/enc_170101_0000.tsv"), "00", "midnight to the next");
	is_int(encfile_last(f, midnight - TIM_MIN, midnight - TIM_S, &last), 1, "it is found");
	ok(last.leap && last.time == midnight, "as what it is");
	is_int(encfile_close(f, why), 0, "the end");
	snprintf(command, sizeof command, "rm -r %s", dir);
	is_int(system(command), 0, "tidied");
	return done_testing();
}
