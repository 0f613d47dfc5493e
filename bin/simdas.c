/*
 * simdas.c - the DAS computer: writes raw minute files of a made-up night, with its clock's
 * drift and steps, and beside them the truth
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/random.h"
#include "base/tim.h"
#include "sky/simnight.h"

#define CHANNELS 384
#define RATE     50
#define FRAME    (2 * CHANNELS)
#define TRUTH    10 /* doubles of a sample's truth */
#define MIN_FREE (INT64_C(1) << 30)
#define DEG      (M_PI / 180)

static const char *out, *truth, *start_text = "2005-06-21T08:00:00Z", *order = "big";
static const char *missing, *shortened, *torn, *duplicate, *late;
static int64_t minutes = 60, seed = 1, header = 64, steps = -1;
static double speed, offset;
static bool no_drift;
static struct tally tally = {.unit = "files", .lost = {{"missing", 0}}, .also = {{"frames", 0}}};

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &out, "DIR", "the folder of the days' folders (must exist)", 0, 0},
    {"utc", 0, CLI_STR, &start_text, "TIME", "first minute (2005-06-21T08:00:00Z), or now", 0, 0},
    {"minutes", 'n', CLI_INT, &minutes, "N", "how many minutes (60)", 1, 100000},
    {"seed", 0, CLI_INT, &seed, "N", "which night; simtel with the same one sees the same sky", 0,
	0},
    {"speed", 0, CLI_REAL, &speed, "X", "times real time (0: as fast as it goes)", 0, 100000},
    {"truth", 0, CLI_STR, &truth, "DIR", "write each sample's true time and pointing there", 0, 0},
    {"header", 0, CLI_INT, &header, "BYTES", "length of a file's header (64)", 0, 65536},
    {"order", 0, CLI_STR, &order, "big|little", "byte order (big)", 0, 0},
    {"offset", 0, CLI_REAL, &offset, "S", "DAS clock ahead by S seconds more", -86400, 86400},
    {"steps", 0, CLI_INT, &steps, "N", "steps of the clock (as the real nights had)", 0, 5},
    {"no-drift", 0, CLI_FLAG, &no_drift, NULL, "a perfect clock", 0, 0},
    {"missing", 0, CLI_STR, &missing, "LIST", "minutes without a file: 480,483-485", 0, 0},
    {"short", 0, CLI_STR, &shortened, "LIST", "files that end after 20 s", 0, 0},
    {"torn", 0, CLI_STR, &torn, "LIST", "files that end inside a frame", 0, 0},
    {"duplicate", 0, CLI_STR, &duplicate, "LIST", "files that repeat the minute before", 0, 0},
    {"late", 0, CLI_STR, &late, "LIST", "files that come after all others", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "simdas",
    .args = "-o DIR",
    .about = "write raw minute files as Bolocam's data acquisition does",
    .options = options,
    .tally = &tally};

static struct night *night;
static int64_t start, begun; /* begun: by tim_mono */
static uint64_t noise_seed;
static uint8_t *file;       /* header and frames of one minute */
static double *true_values; /* TRUTH for each frame */

/* ---- samples ---- */

static void put(uint8_t *frame, int channel, double counts)
{
	int v = (int)lrint(counts);
	v = v < -32768 ? -32768 : v > 32767 ? 32767 : v;
	uint8_t hi = (uint8_t)((unsigned)v >> 8), lo = (uint8_t)v;
	frame[2 * channel] = *order == 'b' ? hi : lo;
	frame[2 * channel + 1] = *order == 'b' ? lo : hi;
}

/* 5 V of +-10 V when the line is high. */
static void put_line(uint8_t *frame, int channel, bool high)
{
	put(frame, channel, (high ? 16384 : 0) + 20 * (random_fraction(&noise_seed) - 0.5));
}

/* Noise on all channels, each around a level of its own. */
static void put_noise(uint8_t *frame)
{
	uint64_t z = 0;

	for (int c = 0; c < CHANNELS; c++) {
		if (c % 8 == 0) {
			z = noise_seed =
			    noise_seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			z ^= z >> 29;
		}
		unsigned v = (unsigned)(c * 64 - 12288) + (unsigned)(z & 63);
		z >>= 7;
		frame[2 * c + (*order != 'b')] = (uint8_t)(v >> 8);
		frame[2 * c + (*order == 'b')] = (uint8_t)v;
	}
}

/* The source as each AC bolometer sees it: a 31" beam on a square grid of 38.5". */
static void put_source(uint8_t *frame, const struct night_state *s)
{
	for (int b = 0; b < 144; b++) {
		double dx = s->x + 38.5 * (b % 12 - 5.5), dy = s->y + 38.5 * (b / 12.0 - 5.5);
		double r2 = dx * dx + dy * dy;
		int channel = 64 * (b / 24) + b % 24;
		if (r2 < 4000)
			put(frame, channel,
			    channel * 64 - 12288 + 3000 * exp(-r2 / (2 * 13.2 * 13.2)));
	}
}

static void put_frame(uint8_t *frame, const struct night_state *s, int64_t k)
{
	put_noise(frame);
	if (s->scanning)
		put_source(frame, s);
	put_line(frame, 24, s->lines & NIGHT_ACQUIRED);
	put_line(frame, 25, s->lines & NIGHT_TRACKING);
	put_line(frame, 26, s->lines & NIGHT_NEWOBS);
	put_line(frame, 27, s->lines & NIGHT_ROTATE);
	put_line(frame, 30, s->lines & NIGHT_BUSY);
	put_line(frame, 31, false);
	if (k == 1234)
		put(frame, 40, -32768); /* one sample at the rail in each minute */
}

/* All frames of DAS minute m into file; how many. */
static int make_minute(int64_t m)
{
	int k = night_segment_of(night, m), n = night_frames(night, m, RATE);
	struct night_state s;

	if (n > 120 * RATE)
		n = 120 * RATE;
	noise_seed = (uint64_t)seed * 1000003 + (uint64_t)m;
	memset(file, 0, (size_t)header);
	if (header > 0)
		snprintf((char *)file, (size_t)header, "simdas minute %lld", (long long)m);
	for (int i = 0; i < n; i++) {
		double u = 60.0 * (double)m + i / (double)RATE, t = night_true(night, k, u);
		night_at(night, t, &s);
		put_frame(file + header + (size_t)i * FRAME, &s, i);
		const double v[TRUTH] = {(double)(start / TIM_S) + t, u - t, s.lst, s.ra, s.dec,
		    s.pa, s.az, s.el, s.x, s.y};
		memcpy(true_values + i * TRUTH, v, sizeof v);
	}
	return n;
}

/* ---- files ---- */

static void minute_path(
    char *path, size_t size, int64_t m, const char *dir, const char *prefix, const char *suffix)
{
	int64_t at = start + m * TIM_MIN;
	struct tim_parts p = tim_split(at);
	int n = snprintf(path, size, "%s/%04d%02d%02d", dir, p.year, p.month, p.day);

	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		cli_die(EXIT_SYSTEM, "%s: %s: the DAS stops", path, strerror(errno));
	snprintf(path + n, size - (size_t)n, "/%s_%02d%02d%02d_%04d.%s", prefix, p.year % 100,
	    p.month, p.day, (int)(at / TIM_MIN % 1440), suffix);
}

static void write_some(int fd, const char *path, const void *bytes, size_t n)
{
	if (io_writeall(fd, bytes, n) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s: the DAS stops", path, strerror(errno));
}

/* At a speed, the file grows second by second as the real one's does. */
static void write_minute(int64_t m, size_t n)
{
	char path[4096];

	minute_path(path, sizeof path, m, out, "raw", "bin");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		cli_die(EXIT_SYSTEM, "%s: %s: the DAS stops", path, strerror(errno));
	static bool warned;
	if (!warned && (warned = io_free_bytes(fd) >= 0 && io_free_bytes(fd) < MIN_FREE))
		cli_warn("%s: less than 1 GB is free on this disk", out);
	size_t piece = speed > 0 ? (size_t)header + RATE * FRAME : n;
	for (size_t at = 0; at < n; piece = RATE * FRAME) {
		size_t k = n - at < piece ? n - at : piece;
		double due = 60.0 * (double)m + (double)(at / (RATE * FRAME)) + 1;
		if (speed > 0 && tim_sleep_until(begun + (int64_t)(due / speed * 1e9)) < 0 &&
		    cli_stopping())
			break;
		write_some(fd, path, file + at, k);
		at += k;
		cli_tick();
	}
	if (close(fd) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s: the DAS stops", path, strerror(errno));
	tally.out++;
}

static void write_truth(int64_t m, int n)
{
	char path[4096];

	if (!truth)
		return;
	minute_path(path, sizeof path, m, truth, "truth", "f64");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	write_some(fd, path, true_values, (size_t)n * TRUTH * sizeof *true_values);
	if (close(fd) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
}

static void do_minute(int64_t m)
{
	int64_t day_minute = start / TIM_MIN + m;
	int n = make_minute(m);

	write_truth(m, n);
	if (night_listed(duplicate, day_minute) && m > 0)
		n = make_minute(m - 1);
	size_t size = (size_t)header + (size_t)n * FRAME;
	if (night_listed(shortened, day_minute))
		size = (size_t)header + 20 * RATE * FRAME;
	if (night_listed(torn, day_minute))
		size -= 100 * FRAME - 300;
	tally.in++;
	tally.also[0].n += (uint64_t)n;
	if (night_listed(missing, day_minute))
		tally.lost[0].n++;
	else
		write_minute(m, size);
}

static void check_options(void)
{
	const char *lists[] = {missing, shortened, torn, duplicate, late};

	if (!out)
		cli_die(EXIT_USAGE, "-o DIR is missing: where do the days' folders stand?");
	if (night_start(start_text, &start, &begun, &speed) < 0)
		cli_die(EXIT_USAGE, "--utc=%s: not a whole minute (2005-06-21T08:00:00Z), nor now",
		    start_text);
	if (strcmp(order, "big") != 0 && strcmp(order, "little") != 0)
		cli_die(EXIT_USAGE, "--order=%s: big or little", order);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (!night_list_good(lists[i]))
			cli_die(EXIT_USAGE, "'%s' is no list of minutes (480,483-485)", lists[i]);
	if (access(out, F_OK) < 0)
		cli_die(EXIT_SYSTEM, "%s: no such folder: the DAS stops", out);
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	check_options();
	const struct night_options o = {.seed = (uint64_t)seed,
	    .start = start,
	    .length = 60.0 * (double)minutes,
	    .extra_offset = offset,
	    .steps = (int)steps,
	    .no_drift = no_drift};
	night = night_new(&o);
	file = malloc((size_t)header + 120 * RATE * FRAME);
	true_values = malloc(sizeof(double) * 120 * RATE * TRUTH);
	if (!night || !file || !true_values)
		cli_die(EXIT_SYSTEM, "out of memory");

	for (int pass = 0; pass < 2; pass++)
		for (int64_t m = 0; m < minutes && !cli_stopping(); m++)
			if (night_listed(late, start / TIM_MIN + m) == (pass == 1)) {
				do_minute(m);
				cli_tick();
			}
	night_free(night);
	free(file);
	free(true_values);
	return cli_end(EXIT_DONE);
}
