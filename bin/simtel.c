/*
 * simtel.c - the telescope's antenna computer: writes the pointing log and housekeeping of a
 * made-up night as minute files, in the record formats of three epochs
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "sky/simlog.h"
#include "sky/simnight.h"
#include "sky/simserve.h"

#define HZ 100

static const char *out, *enc, *rpc, *start_text = "2005-06-21T08:00:00Z";
static const char *missing, *shortened, *stale, *late, *enc_missing;
static int64_t minutes = 60, seed = 1, ff = 4;
static double speed;
static bool flat;
static struct tally tally = {.unit = "files", .lost = {{"missing", 0}}};

static struct simserve_options serve;
static struct cli_list faults;

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &out, "DIR", "pointing log: DIR/YYYYMMDD/MMMM", 0, 0},
    {"enc", 0, CLI_STR, &enc, "DIR", "housekeeping, as writelog writes it", 0, 0},
    {"rpc", 0, CLI_STR, &rpc, "DIR", "RPC records, a file for each minute", 0, 0},
    {"flat", 0, CLI_FLAG, &flat, NULL, "pointing log as DIR/MMMM", 0, 0},
    {"ff", 0, CLI_INT, &ff, "N", "file format 0 to 4 (4)", 0, 4},
    {"utc", 0, CLI_STR, &start_text, "TIME", "first minute (2005-06-21T08:00:00Z), or now", 0, 0},
    {"minutes", 'n', CLI_INT, &minutes, "N", "how many minutes (60)", 1, 100000},
    {"seed", 0, CLI_INT, &seed, "N", "which night, as in simdas", 0, 0},
    {"speed", 0, CLI_REAL, &speed, "X", "times real time (0: as fast as it goes)", 0, 100000},
    {"tcp100", 0, CLI_STR, &serve.stream[0], "PORT", "serve all records, each second", 0, 0},
    {"tcp10", 0, CLI_STR, &serve.stream[1], "PORT", NULL, 0, 0},
    {"tcp1", 0, CLI_STR, &serve.stream[2], "PORT", NULL, 0, 0},
    {"serve-rpc", 0, CLI_STR, &serve.rpc, "PORT", "serve the RPC record, on TCP and UDP", 0, 0},
    {"portmapper", 0, CLI_STR, &serve.portmapper, "PORT", NULL, 0, 0},
    {"rpc-fault", 0, CLI_LIST, &faults, "KIND[@N[-M]]", NULL, 0, 0},
    {"rpc-delay", 0, CLI_TIME, &serve.rpc_options.delay, "TIME", NULL, 0, TIM_MIN},
    {"missing", 0, CLI_STR, &missing, "LIST", "minutes without a pointing file: 480,483-485", 0, 0},
    {"short", 0, CLI_STR, &shortened, "LIST", "pointing files that end after 20 s", 0, 0},
    {"stale", 0, CLI_STR, &stale, "LIST", "pointing files of the day before", 0, 0},
    {"late", 0, CLI_STR, &late, "LIST", "minutes whose files come after all others", 0, 0},
    {"enc-missing", 0, CLI_STR, &enc_missing, "LIST", "minutes without housekeeping", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "simtel",
    .args = "-o DIR",
    .about = "write the pointing log and housekeeping of a simulated telescope",
    .options = options,
    .more = "      --tcp10=PORT --tcp1=PORT  serve 10 records a second, or 1\n"
	    "      --portmapper=PORT --rpc-fault=KIND[@N[-M]] --rpc-delay=TIME: for RPC\n",
    .tally = &tally};

static struct night *night;
static int64_t start, begun; /* begun: tim_mono() of start */
static uint8_t bytes[SIMLOG_MAX];

/* ---- files ---- */

static void write_file(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);

	if (fd < 0 || io_writeall(fd, data, n) < 0 || close(fd) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
}

/* dir/YYYYMMDD of minute m, made if need be; its length. */
static int day_folder(char *path, size_t size, int64_t m, const char *dir, bool no_day)
{
	struct tim_parts p = tim_split(start + m * TIM_MIN);
	int n = snprintf(path, size, "%s", dir);

	if (!no_day)
		n = snprintf(path, size, "%s/%04d%02d%02d", dir, p.year, p.month, p.day);
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	return n;
}

/* The path of minute m's pointing log, and of its lock. */
static void log_path(int64_t m, char path[4096], char lock[4110])
{
	int n = day_folder(path, 4096, m, out, flat);

	snprintf(path + n, 4096 - (size_t)n, "/%04d", (int)((start / TIM_MIN + m) % 1440));
	snprintf(lock, 4110, "%s.lck", path);
}

/* The telescope holds MMMM.lck while it writes MMMM. */
static void write_log(int64_t m)
{
	int64_t minute = start / TIM_MIN + m;
	char path[4096], lock[4110];
	size_t size = simlog_minute(night, start, m, (int)ff, night_listed(stale, minute), bytes);

	tally.in++;
	if (night_listed(missing, minute)) {
		tally.lost[0].n++;
		return;
	}
	if (night_listed(shortened, minute))
		size = size / 60 / HZ * 20 * HZ;
	log_path(m, path, lock);
	write_file(lock, "", 0);
	write_file(path, bytes, size);
	unlink(lock);
	tally.out++;
}

/* At a speed the log grows second by second, under its lock; write_log() ends that. */
static void grow_log(int64_t m, const uint8_t *data, size_t n, bool first)
{
	int64_t minute = start / TIM_MIN + m;
	char path[4096], lock[4110];

	if (night_listed(missing, minute) || night_listed(late, minute) ||
	    night_listed(stale, minute) || night_listed(shortened, minute))
		return;
	log_path(m, path, lock);
	if (first)
		write_file(lock, "", 0);
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (first ? O_TRUNC : O_APPEND), 0666);
	if (fd < 0 || io_writeall(fd, data, n) < 0 || close(fd) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
}

static void write_enc(int64_t m)
{
	static char text[65536];
	char path[4096];
	int n = day_folder(path, sizeof path, m, enc, false);
	int64_t minute = start / TIM_MIN + m;
	struct tim_parts p = tim_split(minute * TIM_MIN);

	if (night_listed(enc_missing, minute))
		return;
	snprintf(path + n, sizeof path - (size_t)n, "/enc_%02d%02d%02d_%04d.tsv", p.year % 100,
	    p.month, p.day, (int)(minute % 1440));
	write_file(path, text, simlog_enc(night, start, m, (int)ff, text, sizeof text));
}

static void write_rpc(int64_t m)
{
	static uint8_t records[60 * 768];
	char path[4096];
	int n = day_folder(path, sizeof path, m, rpc, false);
	int64_t minute = start / TIM_MIN + m;
	struct tim_parts p = tim_split(minute * TIM_MIN);

	for (int i = 0; i < 60; i++)
		simlog_rpc(night, start, 60 * m + i, records + i * 768);
	snprintf(path + n, sizeof path - (size_t)n, "/%04d%02d%02d_%04d_rpc.bin", p.year, p.month,
	    p.day, (int)(minute % 1440));
	write_file(path, records, sizeof records);
}

static void check_options(void)
{
	const char *lists[] = {missing, shortened, stale, late, enc_missing};

	if (!out)
		cli_die(EXIT_USAGE, "-o DIR is missing: where does the pointing log stand?");
	if (night_start(start_text, &start, &begun, &speed) < 0)
		cli_die(EXIT_USAGE, "--utc=%s: not a whole minute (2005-06-21T08:00:00Z), nor now",
		    start_text);
	if (speed <= 0 && (serve.stream[0] || serve.stream[1] || serve.stream[2] || serve.rpc))
		cli_die(EXIT_USAGE, "a service needs time to pass: --speed=1, or --utc=now");
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (!night_list_good(lists[i]))
			cli_die(EXIT_USAGE, "'%s' is no list of minutes (480,483-485)", lists[i]);
}

/* ---- services ---- */

/* The record of this moment. */
static void record_now(void *ctx, uint8_t record[SIMRPC_SIZE])
{
	(void)ctx;
	double passed = (double)(tim_mono() - begun) / 1e9 * speed;

	simlog_rpc(night, start, (int64_t)passed, record);
}

static struct simserve *open_services(void)
{
	char why[NET_WHY];

	serve.ready = cli_ready;
	serve.rpc_options.record = record_now;
	serve.rpc_options.seed = seed;
	for (size_t i = 0; i < faults.n; i++)
		if (simrpc_fault(faults.item[i], &serve.rpc_options, why) < 0)
			cli_die(EXIT_USAGE, "--rpc-fault: %s", why);
	struct simserve *s = simserve_new(&serve, why);
	if (!s)
		cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "%s", why);
	return s;
}

/* Waits until mono, serving. False when it is time to stop. */
static bool serve_until(struct simserve *s, int64_t mono)
{
	for (;;) {
		int64_t left = mono - tim_mono();
		if (simserve_any(s))
			simserve_wait(s, left);
		else if (left > 0)
			(void)tim_sleep_until(mono);
		cli_tick();
		if (cli_stopping())
			return false;
		if (left <= 0)
			return true;
	}
}

/* At a speed, a minute passes second by second. False when it is time to stop. */
static bool pass_minute(struct simserve *s, int64_t m)
{
	size_t length = simlog_minute(night, start, m, (int)ff, false, bytes) / 60 / HZ;

	for (int second = 0; second < 60; second++) {
		double passed = (double)(60 * m + second + 1) / speed;
		if (!serve_until(s, begun + (int64_t)(1e9 * passed)))
			return false;
		simserve_send(s, bytes + (size_t)(second * HZ) * length, length);
		grow_log(m, bytes + (size_t)(second * HZ) * length, HZ * length, second == 0);
	}
	return true;
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	check_options();
	const struct night_options o = {
	    .seed = (uint64_t)seed, .start = start, .length = 60.0 * (double)minutes, .steps = -1};
	night = night_new(&o);
	if (!night)
		cli_die(EXIT_SYSTEM, "out of memory");
	struct simserve *services = open_services();
	for (int pass = 0; pass < 2; pass++)
		for (int64_t m = 0; m < minutes && !cli_stopping(); m++) {
			if (speed > 0 && pass == 0 && !pass_minute(services, m))
				break;
			if (night_listed(late, start / TIM_MIN + m) != (pass == 1))
				continue;
			write_log(m);
			if (enc)
				write_enc(m);
			if (rpc)
				write_rpc(m);
			cli_tick();
		}
	simserve_free(services);
	night_free(night);
	return cli_end(EXIT_DONE);
}
