/*
 * gasread.c - reads a gas sensor (a BME680 behind an Arduino) and writes one reading a line
 *
 * Asks on a fixed beat, checks every answer, asks once more after a bad one. A port that is gone
 * is looked for again, by the same name or USB identity; the readings missed meanwhile are
 * counted, never invented.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/back.h"
#include "base/cli.h"
#include "base/ends.h"
#include "base/io.h"
#include "base/tim.h"
#include "base/tty.h"
#include "dev/bme680.h"
#include "stream/rec.h"

#define SILENT_MAX 3 /* readings without any answer before the board is reset */

static const char *device, *usb, *file, *form = "line", *names, *until;
static int64_t baud = 115200, every = 10 * TIM_S, count, duration;
static int64_t settle = 2 * TIM_S, patience = 2 * TIM_S, burn_in = 5 * TIM_MIN;
static struct cli_list tag_list;

static const struct cli_option options[] = {
    {"port", 'p', CLI_STR, &device, "DEV", "the serial port (links are followed)", 0, 0},
    {"usb", 'u', CLI_STR, &usb, "VID:PID[:SERIAL]", "the port of this USB device", 0, 0},
    {"file", 'f', CLI_STR, &file, "FILE", "read a captured log, not a port", 0, 0},
    {"baud", 0, CLI_INT, &baud, "N", "bits a second (115200)", 50, 4000000},
    {"every", 0, CLI_TIME, &every, "TIME", "period (10s)", 10 * TIM_MS, TIM_DAY},
    {"count", 'n', CLI_INT, &count, "N", "stop after N readings", 1, INT64_MAX},
    {"duration", 't', CLI_TIME, &duration, "TIME", "stop after so long (23h59m)", 1, INT64_MAX},
    {"until", 0, CLI_STR, &until, "HH:MMZ", "stop when UTC shows this", 0, 0},
    {"format", 'O', CLI_STR, &form, "FORM", "line (InfluxDB), tsv or json (line)", 0, 0},
    {"names", 0, CLI_STR, &names, "SET", "names of another logger: picosec", 0, 0},
    {"tag", 0, CLI_LIST, &tag_list, "K=V", "add a tag, location=hut say (again: more)", 0, 0},
    {"settle", 0, CLI_TIME, &settle, "TIME", "ask so long after opening (2s)", 0, TIM_MIN},
    {"patience", 0, CLI_TIME, &patience, "TIME", "wait so long for an answer (2s)", TIM_MS,
	TIM_MIN},
    {"burn-in", 0, CLI_TIME, &burn_in, "TIME", "mark readings as heating (5m)", 0, TIM_DAY},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { LOST_PORT, LOST_SILENT, LOST_BAD, LOST_MISSED };
static struct tally tally = {.unit = "readings",
    .lost = {{"no port", 0}, {"no answer", 0}, {"bad answer", 0}, {"missed", 0}},
    .also = {{"openings", 0}, {"asked again", 0}}};
static const struct cli_program program = {.name = "gasread",
    .about = "read a gas sensor over a serial line",
    .options = options,
    .tally = &tally,
    .can_lose = true};

static struct tty_spec spec;
static struct tty tty = {.fd = -1, .lock = -1};
static struct bme680_lines lines;
static struct back back = BACK_INIT;
static struct ends ends;
static struct rec_out out = {.fd = STDOUT_FILENO};
static struct rec_tags tags;
static int64_t opened_at;          /* tim_mono() of the last opening */
static int silent;                 /* readings in a row without any answer */
static uint64_t since;             /* readings lost since the last good one */
static enum bme680_answer trouble; /* the kind that was reported last */
static bool failed;                /* standard output */

/* ---- options ---- */

static void read_options(void)
{
	char why[TTY_WHY];

	if ((device != NULL) + (usb != NULL) + (file != NULL) != 1)
		cli_die(EXIT_USAGE, "give one of -p DEV, -u VID:PID[:SERIAL] and -f FILE");
	if ((device && tty_name(device, &spec, why) < 0) || (usb && tty_usb(usb, &spec, why) < 0))
		cli_die(EXIT_USAGE, "%s", why);
	spec.baud = (int)baud;
	if (rec_form(form, &out.form) < 0)
		cli_die(EXIT_USAGE, "--format: '%.32s' is not line, tsv or json", form);
	if (names && !(out.names = rec_names(names)))
		cli_die(EXIT_USAGE, "--names: '%.32s' is no set of names (picosec is)", names);
	for (size_t i = 0; i < tag_list.n; i++)
		if (rec_tags_add(&tags, tag_list.item[i]) < 0)
			cli_die(EXIT_USAGE, "--tag: '%.100s' is not KEY=VALUE, or one too many",
			    tag_list.item[i]);
	if (names && tags.n == 0)
		(void)rec_tags_add(&tags, "location=Picosec gas");
	if (ends_set(&ends, duration, until) < 0)
		cli_die(EXIT_USAGE, "--until: '%.32s' is not HH:MMZ or HH:MM:SSZ", until);
}

/* ---- one reading ---- */

static void emit(const struct bme680 *v)
{
	struct rec r;

	rec_begin(&r, "gas", tim_now());
	for (size_t i = 0; i < tags.n; i++)
		rec_tag(&r, tags.tag[i].key, tags.tag[i].value);
	rec_real(&r, "temperature", "K", v->temperature, REC_DIGITS);
	rec_real(&r, "pressure", "Pa", v->pressure, REC_DIGITS);
	rec_real(&r, "humidity", "%", v->humidity, REC_DIGITS);
	rec_real(&r, "voc", "Ohm", v->voc, REC_DIGITS);
	if (!file)
		rec_flag(&r, "heating", tim_mono() - opened_at < burn_in);
	if (rec_write(&out, &r) == 0) {
		tally.out++;
		return;
	}
	tally.lost[LOST_MISSED].n++;
	failed = true;
	if (errno == EPIPE)
		cli_pipe_gone();
	else
		cli_error("standard output: %s", strerror(errno));
}

static void tell(const char *what)
{
	if (file)
		cli_warn("%s: answer %llu: %s", file, (unsigned long long)tally.in, what);
	else
		cli_warn("%s: %s", tty.path, what);
}

/* Trouble is worth a line when it begins or changes, and when it is over. */
static void report(enum bme680_answer a)
{
	if (a == BME680_OK && since > 0)
		cli_note("good answers again; lost: %llu reading%s", (unsigned long long)since,
		    since == 1 ? "" : "s");
	else if (a != BME680_OK && a != trouble && a != BME680_LOST)
		tell(bme680_text(a));
	trouble = a;
}

static void lose(int how)
{
	tally.lost[how].n++;
	since++;
}

static void lose_port(const char *why)
{
	cli_warn("%s: %s; looking for it again", tty.path, why);
	tty_close(&tty);
	(void)back_fail(&back, tim_mono());
}

/* Tries to open the port when it is time to. */
static void look_for_port(void)
{
	static char last[TTY_WHY];

	if (tty.fd >= 0 || tim_mono() < back.due)
		return;
	if (tty_open(&tty, &spec) < 0) {
		if (strcmp(last, tty.why) != 0)
			cli_warn("%s; trying again until it is there", tty.why);
		strcpy(last, tty.why);
		(void)back_fail(&back, tim_mono());
		return;
	}
	last[0] = '\0';
	tally.also[0].n++;
	cli_note("%s is open", tty.path);
	if (silent >= SILENT_MAX)
		tty_reset(&tty);
	silent = 0;
	lines = (struct bme680_lines){.n = 0};
	opened_at = tim_mono();
}

/* Waits until tim_mono() == moment; looks for a lost port meanwhile, and drops what the board
 * says unasked. False when the program should stop. */
static bool wait_until(int64_t moment)
{
	char unasked[BME680_LINE];

	for (;;) {
		cli_tick();
		int64_t now = tim_mono();
		if (cli_stopping() || ends_over(&ends))
			return false;
		if (now >= moment)
			return true;
		look_for_port();
		int64_t wake = ends_wake(&ends, moment);
		if (tty.fd < 0) {
			(void)tim_sleep_until(wake < back.due || back.due <= now ? wake : back.due);
		} else if (io_wait(tty.fd, wake > now ? wake - now : 0) > 0) {
			ssize_t n = read(tty.fd, unasked, sizeof unasked);
			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				lose_port(n < 0 ? strerror(errno) : "unplugged");
		}
	}
}

static void take_reading(void)
{
	struct bme680 v;

	if (tty.fd < 0) {
		tally.in++;
		lose(LOST_PORT);
		return;
	}
	enum bme680_answer a =
	    bme680_read(tty.fd, &lines, patience, cli_stopping, &tally.also[1].n, &v);
	if (a == BME680_STOPPED)
		return;
	tally.in++;
	report(a);
	if (a == BME680_OK) {
		since = 0;
		silent = 0;
		back_ok(&back);
		emit(&v);
		return;
	}
	lose(a == BME680_LOST ? LOST_PORT : a == BME680_SILENT ? LOST_SILENT : LOST_BAD);
	silent = a == BME680_SILENT || a == BME680_NOT_FOUND ? silent + 1 : 0;
	if (a == BME680_LOST)
		lose_port(strerror(errno));
	else if (silent >= SILENT_MAX)
		lose_port("no answer for a while, so the board is reset");
}

/* ---- the two ways to run ---- */

static void run_port(void)
{
	look_for_port();
	int64_t due = tim_mono() + (tty.fd >= 0 ? settle : 0);

	while (wait_until(due)) {
		if (tty.fd >= 0 && !wait_until(opened_at + settle))
			return;
		take_reading();
		if (failed || (count > 0 && tally.out >= (uint64_t)count))
			return;
		/* The beat stays: what a long wait has made late is missed, not bunched. */
		due += every;
		for (int64_t now = tim_mono(); due + every <= now; due += every) {
			tally.in++;
			tally.lost[LOST_MISSED].n++;
		}
	}
}

static enum cli_exit run_file(void)
{
	int fd = cli_open_input(file);
	struct bme680 v;

	cli_filter(fd);
	while (!failed && (count == 0 || tally.out < (uint64_t)count) && !cli_stopping()) {
		enum bme680_answer a = bme680_next(fd, &lines, tim_mono() + TIM_S, &v);
		int error = errno;
		cli_tick();
		if (a == BME680_SILENT || a == BME680_STOPPED)
			continue;
		if (a == BME680_LOST && error != ENODEV) {
			cli_error("%s: %s", file, strerror(error));
			return EXIT_SYSTEM;
		}
		if (a == BME680_LOST)
			break;
		tally.in++;
		report(a);
		if (a == BME680_OK)
			emit(&v);
		else
			lose(LOST_BAD);
	}
	if (lines.n > lines.used)
		cli_warn("%s: ends in the middle of a line", file);
	return tally.lost[LOST_BAD].n > 0 || lines.n > lines.used ? EXIT_DATA : EXIT_DONE;
}

int main(int argc, char **argv)
{
	enum cli_exit code = EXIT_DONE;

	cli_begin(argc, argv, &program);
	read_options();
	if (file)
		code = run_file();
	else
		run_port();
	tty_close(&tty);
	if (failed || (!file && tally.out == 0 && tally_lost(&tally) > 0))
		code = EXIT_SYSTEM;
	return cli_end(code);
}
