/*
 * simgas.c - a simulated gas sensor: an Arduino with a BME680 on a pseudo-terminal, with faults
 *
 * Behaves as the sketch does on a board of the Uno kind: opening the port resets it, and it hears
 * nothing until it has started; each 'R' is answered by one line after the time of a measurement.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/pty.h"
#include "base/random.h"
#include "base/tim.h"

#define LOOK_EVERY (20 * TIM_MS)  /* whether somebody has opened the port */
#define BETWEEN    (100 * TIM_MS) /* the sketch's pause after each byte */
#define ASKED_MAX  64             /* the receive buffer of the board */
#define ANSWER_MAX 160
#define DAY        8640 /* answers: a day at one in 10 s */

enum fault { CUT, GARBLE, FAIL, SILENT, HALF, UNPLUG, FAULTS };
static const char *const fault_name[FAULTS] = {"cut", "garble", "fail", "silent", "half", "unplug"};
static const char *fault_text[FAULTS];
static const char *link_path;
static int64_t count, seed = 1, reset = 1800 * TIM_MS, delay = 250 * TIM_MS, gone = TIM_S;
static bool no_sensor, stale;

static const struct cli_option options[] = {
    {"link", 'l', CLI_STR, &link_path, "PATH", "make PATH a symbolic link to the port", 0, 0},
    {"count", 'n', CLI_INT, &count, "N", "end after N answers", 1, INT64_MAX},
    {"reset", 0, CLI_TIME, &reset, "TIME", "deaf for so long after each opening (1.8s)", 0,
	TIM_MIN},
    {"delay", 0, CLI_TIME, &delay, "TIME", "a measurement takes so long (250ms)", 0, TIM_MIN},
    {"seed", 0, CLI_INT, &seed, "N", "everything random follows from it (1)", 0, 0},
    {"stale", 0, CLI_FLAG, &stale, NULL, "the end of an old line comes first after opening", 0, 0},
    {"no-sensor", 0, CLI_FLAG, &no_sensor, NULL, "the board says so once, then nothing", 0, 0},
    {"cut", 0, CLI_STR, &fault_text[CUT], "P", "one or two fields; P is 0.01, 1% or @ANSWER", 0, 0},
    {"garble", 0, CLI_STR, &fault_text[GARBLE], "P", "random bytes in the line", 0, 0},
    {"fail", 0, CLI_STR, &fault_text[FAIL], "P", "'Failed to complete reading :('", 0, 0},
    {"silent", 0, CLI_STR, &fault_text[SILENT], "P", "no answer", 0, 0},
    {"half", 0, CLI_STR, &fault_text[HALF], "P", "half of a line, and no end of line", 0, 0},
    {"unplug", 0, CLI_STR, &fault_text[UNPLUG], "P", "the port goes in mid-line", 0, 0},
    {"gone", 0, CLI_TIME, &gone, "TIME", "an unplugged port is back after this (1s)", 0, TIM_H},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { LOST_DEAF, LOST_SILENT, LOST_UNPLUGGED };
static struct tally tally = {.unit = "questions",
    .lost = {{"deaf", 0}, {"silent", 0}, {"unplugged", 0}},
    .also = {{"openings", 0}}};
static const struct cli_program program = {
    .name = "simgas", .about = "a simulated gas sensor", .options = options, .tally = &tally};

static struct {
	double p;
	uint64_t at;
} fault[FAULTS];

static struct pty pty = {.fd = -1};
static bool open_now, greeted; /* somebody has the port open; the board has started */
static int64_t deaf_until, answer_due, back_at;
static unsigned asked;  /* questions waiting in the board */
static uint64_t number; /* of the answer, from 1 */

/* ---- options ---- */

static void read_faults(void)
{
	for (int f = 0; f < FAULTS; f++) {
		char text[32];
		long long at;
		if (!fault_text[f])
			continue;
		snprintf(text, sizeof text, "%s", fault_text[f]);
		size_t n = strlen(text);
		bool percent = n > 0 && text[n - 1] == '%';
		if (percent)
			text[n - 1] = '\0';
		if (text[0] == '@' && conf_int(text + 1, 1, INT64_MAX, &at) == 0)
			fault[f].at = (uint64_t)at;
		else if (conf_real(text, &fault[f].p) < 0 || fault[f].p < 0 ||
		    fault[f].p > (percent ? 100 : 1))
			cli_die(EXIT_USAGE, "--%s: '%.31s' is not 0.01, 1%% or @ANSWER",
			    fault_name[f], fault_text[f]);
		else if (percent)
			fault[f].p /= 100;
	}
}

/* ---- randomness: from the seed, what it is for, and the number of the answer ---- */

static uint64_t roll(uint64_t what)
{
	return random_mix(
	    (uint64_t)seed * RANDOM_STEP + number * UINT64_C(0xbf58476d1ce4e5b9) + what);
}

static double chance(uint64_t what)
{
	return random_unit(roll(what));
}

static bool happens(enum fault f)
{
	return fault[f].at ? fault[f].at == number : fault[f].p > 0 && chance(f) < fault[f].p;
}

/* ---- the board ---- */

static void plug_in(void)
{
	if (pty_open(&pty) < 0)
		cli_die(EXIT_SYSTEM, "no pseudo-terminal: %s", strerror(errno));
	if (link_path && pty_link(&pty, link_path) < 0)
		cli_die(EXIT_SYSTEM, "%s: cannot make the link: %s", link_path, strerror(errno));
	cli_ready(pty.name);
}

static void unplug(void)
{
	tally.lost[LOST_UNPLUGGED].n += asked;
	tally.held = asked = 0;
	pty_close(&pty);
	if (link_path)
		unlink(link_path);
	open_now = false;
	back_at = tim_mono() + gone;
}

static void say(const char *text, size_t n)
{
	(void)!write(pty.fd, text, n); /* a host that does not read loses it, as on the wire */
}

/* A day of a laboratory: warm in the afternoon, the heater's resistance rising to its level. */
static size_t measure(char *line)
{
	double day = 2 * M_PI * (double)number / DAY, noise = chance(FAULTS) - 0.5;

	return (size_t)snprintf(line, ANSWER_MAX, "%.2f;%.0f;%.2f;%.0f\r\n",
	    295.4 + 1.5 * sin(day) + 0.05 * noise, 96730 + 150 * sin(day / 3) + 5 * noise,
	    42 - 4 * sin(day) + 0.2 * noise,
	    52000 * (1 - 0.6 * exp(-(double)number / 20)) + 300 * noise);
}

static void answer(void)
{
	char line[ANSWER_MAX];

	asked--;
	number++;
	size_t n = measure(line);
	if (happens(FAIL))
		n = (size_t)snprintf(line, sizeof line, "Failed to complete reading :(\r\n");
	if (happens(CUT)) {
		char *semi = strchr(line, ';');
		if (semi && roll(CUT + 100) % 2)
			semi = strchr(semi + 1, ';');
		n = semi ? (size_t)(semi - line) : n / 2;
		n += (size_t)snprintf(line + n, sizeof line - n, "\r\n");
	}
	if (happens(GARBLE))
		for (unsigned i = 0; i < 4; i++)
			line[roll(200 + i) % n] = (char)roll(300 + i);
	if (happens(SILENT)) {
		tally.lost[LOST_SILENT].n++;
		return;
	}
	if (happens(HALF))
		n /= 2;
	if (happens(UNPLUG)) {
		say(line, n / 2);
		tally.lost[LOST_UNPLUGGED].n++;
		unplug();
		return;
	}
	say(line, n);
	tally.out++;
}

static void start_up(void)
{
	static const char missing[] = "Could not find a valid BME680 sensor, check wiring!\r\n";

	greeted = true;
	if (stale)
		say(";42.10;51234\r\n", 14);
	if (no_sensor)
		say(missing, sizeof missing - 1);
}

/* Takes in what the host has sent. */
static void hear(int64_t now)
{
	char in[ASKED_MAX];
	ssize_t n = read(pty.fd, in, sizeof in);

	for (ssize_t i = 0; i < n; i++) {
		if (in[i] != 'R')
			continue;
		tally.in++;
		if (now < deaf_until || no_sensor || asked == ASKED_MAX) {
			tally.lost[LOST_DEAF].n++;
			continue;
		}
		if (asked++ == 0)
			answer_due = now + delay;
	}
}

/* Who opens the port resets the board. */
static void watch_port(int64_t now)
{
	bool was = open_now;

	open_now = pty_in_use(&pty);
	if (open_now && !was) {
		tally.also[0].n++;
		deaf_until = now + reset;
		greeted = false;
		tally.lost[LOST_DEAF].n += asked;
		asked = 0;
	}
}

static int64_t next_wake(int64_t now)
{
	if (pty.fd < 0)
		return back_at;
	int64_t wake = now + (open_now ? TIM_S : LOOK_EVERY);
	if (open_now && !greeted && deaf_until < wake)
		wake = deaf_until;
	return asked > 0 && answer_due < wake ? answer_due : wake;
}

static void turn(void)
{
	int64_t now = tim_mono();

	if (pty.fd < 0 && now >= back_at)
		plug_in();
	if (pty.fd >= 0) {
		watch_port(now);
		hear(now);
		if (open_now && !greeted && now >= deaf_until)
			start_up();
		if (asked > 0 && now >= answer_due) {
			answer_due = now + delay + BETWEEN;
			answer();
		}
	}
	tally.held = asked;
	cli_tick();
	now = tim_mono();
	int64_t left = next_wake(now) - now;
	if (open_now)
		(void)io_wait(pty.fd, left > 0 ? left : 0);
	else
		(void)tim_sleep_until(now + (left < TIM_S ? left : TIM_S));
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	read_faults();
	plug_in();
	while (!cli_stopping() && (count == 0 || tally.out < (uint64_t)count))
		turn();
	/* The last answer is lost for a host that has not read it when the port goes. */
	for (int64_t end = tim_mono() + TIM_S; pty_in_use(&pty) && tim_mono() < end;)
		if (tim_sleep_until(tim_mono() + LOOK_EVERY) < 0)
			break;
	unplug();
	return cli_end(EXIT_DONE);
}
