/*
 * simrot.c - a simulated rotator: an MDrive motor and an AD4 encoder on two pseudo-terminals
 *
 * The world is lib/dev/simrot.h; here are its two serial lines, the commands on standard input that
 * break things, and the truth.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/pty.h"
#include "base/tim.h"
#include "dev/simrot.h"

#define LOOK_EVERY (20 * TIM_MS)
#define TEXT_MOST  4096

static const char *link_path[SIMROT_PORTS], *truth_path, *journal_path;
static int64_t seed = 1, duration;
static double start = 12, rest = 12, low = -72, high = 26, slack = 0.3, play = 0.1, tab = 1;
static double motor_counts = 204800 / 360., gear_counts = 4096 / 45., ratio_error = 0.002;
static double speed = 1, baud = 9600;
static struct cli_list faults;

static const struct cli_option options[] = {
    {"motor", 0, CLI_STR, &link_path[SIMROT_MOTOR], "PATH", "link to the motor's port", 0, 0},
    {"encoder", 0, CLI_STR, &link_path[SIMROT_ENCODER], "PATH", "link to the encoder's port", 0, 0},
    {"truth", 0, CLI_STR, &truth_path, "FILE", "where everything really is, as a table", 0, 0},
    {"journal", 0, CLI_STR, &journal_path, "FILE", "append every command, and what changes", 0, 0},
    {"fault", 0, CLI_LIST, &faults, "COMMAND", "a command, as on standard input", 0, 0},
    {"seed", 0, CLI_INT, &seed, "N", "everything random follows from it (1)", 0, 0},
    {"speed", 0, CLI_REAL, &speed, "X", "physics so much faster than real time (1)", 0, 1000},
    {"baud", 0, CLI_REAL, &baud, "N", "of the lines; 0: bytes take no time (9600)", 0, 4000000},
    {"start", 0, CLI_REAL, &start, "DEG", "where the dewar stands at first (12)", -360, 360},
    {"rest", 0, CLI_REAL, &rest, "DEG", "where it swings to without power (12)", -360, 360},
    {"low", 0, CLI_REAL, &low, "DEG", "the clockwise limit switch (-72)", -360, 360},
    {"high", 0, CLI_REAL, &high, "DEG", "the counter-clockwise one (26)", -360, 360},
    {"slack", 0, CLI_REAL, &slack, "DEG", "of the belt (0.3)", 0, 10},
    {"play", 0, CLI_REAL, &play, "DEG", "of the encoder's gears (0.1)", 0, 10},
    {"tab", 0, CLI_REAL, &tab, "DEG", "width of the home tab (1)", 0, 90},
    {"motor-counts", 0, CLI_REAL, &motor_counts, "N", "a degree (568.889)", 1, 1000000},
    {"gear-counts", 0, CLI_REAL, &gear_counts, "N", "a degree (91.022)", 1, 1000000},
    {"ratio-error", 0, CLI_REAL, &ratio_error, "X", "of the belt drive (0.002)", -1, 1},
    {"duration", 0, CLI_TIME, &duration, "TIME", "end after TIME", 1, INT64_MAX},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = {.unit = "bytes", .also = {{"answered", 0}}};
static const struct cli_program program = {.name = "simrot",
    .about = "a simulated rotator with its encoder",
    .options = options,
    .tally = &tally};

static struct simrot *sim;
static struct pty pty[SIMROT_PORTS] = {{.fd = -1}, {.fd = -1}};
static FILE *journal;
static char typed[TEXT_MOST]; /* commands on standard input */
static size_t ntyped;

/* ---- what it writes ---- */

static void write_journal(void *ctx, const char *text)
{
	char safe[2 * SIMROT_TEXT];

	(void)ctx;
	fprintf(journal, "%s\n", cli_safe(safe, sizeof safe, text, strlen(text)));
	fflush(journal);
}

/* Replaced as a whole, and always before the host can know of a change. */
static void write_truth(void)
{
	static uint64_t written = UINT64_MAX;
	char head[SIMROT_TEXT], row[SIMROT_TEXT], part[1024];

	if (!truth_path || simrot_version(sim) == written)
		return;
	written = simrot_version(sim);
	simrot_truth(sim, head, row);
	snprintf(part, sizeof part, "%.1000s.part", truth_path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || io_writeall(fd, head, strlen(head)) < 0 ||
	    io_writeall(fd, row, strlen(row)) < 0 || close(fd) < 0 || rename(part, truth_path) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", truth_path, strerror(errno));
}

/* ---- the two lines ---- */

static void plug_in(int port)
{
	if (pty_open(&pty[port]) < 0)
		cli_die(EXIT_SYSTEM, "no pseudo-terminal: %s", strerror(errno));
	if (link_path[port] && pty_link(&pty[port], link_path[port]) < 0)
		cli_die(
		    EXIT_SYSTEM, "%s: cannot make the link: %s", link_path[port], strerror(errno));
	cli_ready(pty[port].name);
}

static void unplug(int port)
{
	pty_close(&pty[port]);
	if (link_path[port])
		unlink(link_path[port]);
}

static void serve(int port)
{
	char data[256];
	int64_t now = tim_mono();
	size_t n;

	if (simrot_plugged(sim, port, now) != (pty[port].fd >= 0)) {
		if (pty[port].fd >= 0)
			unplug(port);
		else
			plug_in(port);
	}
	if (pty[port].fd < 0)
		return;
	ssize_t got = read(pty[port].fd, data, sizeof data);
	if (got > 0) {
		simrot_bytes(sim, port, data, (size_t)got, now);
		tally.in += (uint64_t)got;
		tally.out += (uint64_t)got;
	}
	while ((n = simrot_take(sim, port, tim_mono(), data, sizeof data)) > 0) {
		write_truth();
		tally.also[0].n += n;
		(void)!write(pty[port].fd, data, n); /* who does not read loses it, as on a wire */
	}
}

/* ---- commands ---- */

static void command(const char *text)
{
	char why[SIMROT_WHY];

	if (simrot_command(sim, text, tim_mono(), why) < 0)
		cli_error("%s", why);
	for (int p = 0; p < SIMROT_PORTS; p++)
		serve(p);
	write_truth();
	puts(text); /* done */
	(void)fflush(stdout);
}

/* ---- beginning, and the loop ---- */

static void open_all(void)
{
	struct simrot_options o = {.start = start,
	    .rest = rest,
	    .low = low,
	    .high = high,
	    .slack = slack,
	    .play = play,
	    .tab = tab,
	    .motor_counts = motor_counts,
	    .gear_counts = gear_counts,
	    .ratio_error = ratio_error,
	    .speed = speed,
	    .baud = baud,
	    .seed = (uint64_t)seed};
	char why[SIMROT_WHY];

	if (start <= low || start >= high || rest <= low || rest >= high)
		cli_die(EXIT_USAGE, "--start and --rest must lie between --low and --high");
	if (journal_path && !(journal = fopen(journal_path, "ae")))
		cli_die(EXIT_SYSTEM, "%s: %s", journal_path, strerror(errno));
	if (!(sim = simrot_new(&o, tim_mono(), journal ? write_journal : NULL, NULL)))
		cli_die(EXIT_SYSTEM, "no memory");
	for (size_t i = 0; i < faults.n; i++)
		if (simrot_command(sim, faults.item[i], tim_mono(), why) < 0)
			cli_die(EXIT_USAGE, "--fault: %s", why);
	for (int p = 0; p < SIMROT_PORTS; p++)
		plug_in(p);
	write_truth();
}

/* A terminal that nobody has open tells so at once, for ever: it is looked at now and then. */
static int64_t wait_for(struct pollfd *p, struct pollfd *in)
{
	int64_t now = tim_mono(), due = simrot_due(sim), left = TIM_S;

	for (int i = 0; i < SIMROT_PORTS; i++) {
		bool used = pty[i].fd >= 0 && pty_in_use(&pty[i]);
		p[i] = (struct pollfd){.fd = used ? pty[i].fd : -1, .events = POLLIN};
		if (!used && left > LOOK_EVERY)
			left = LOOK_EVERY;
	}
	p[SIMROT_PORTS] = *in;
	if (due < now + left)
		left = due > now ? due - now : 0;
	return left;
}

int main(int argc, char **argv)
{
	struct pollfd p[SIMROT_PORTS + 2], in = {.fd = STDIN_FILENO, .events = POLLIN};

	cli_begin(argc, argv, &program);
	open_all();
	int64_t end = duration > 0 ? tim_mono() + duration : INT64_MAX;
	while (!cli_stopping() && tim_mono() < end) {
		int64_t left = wait_for(p, &in);
		struct timespec ts = {.tv_sec = left / TIM_S, .tv_nsec = left % TIM_S};
		p[SIMROT_PORTS + 1] = (struct pollfd){.fd = io_wakefd, .events = POLLIN};
		(void)ppoll(p, SIMROT_PORTS + 2, &ts, NULL);
		if (p[SIMROT_PORTS].revents &&
		    !io_take_lines(STDIN_FILENO, typed, sizeof typed, &ntyped, command))
			in.fd = -1;
		simrot_run(sim, tim_mono());
		for (int i = 0; i < SIMROT_PORTS; i++)
			serve(i);
		write_truth();
		cli_tick();
	}
	for (int i = 0; i < SIMROT_PORTS; i++)
		unplug(i);
	simrot_free(sim);
	if (journal && fclose(journal) != 0)
		cli_die(EXIT_SYSTEM, "%s: %s", journal_path, strerror(errno));
	return cli_end(EXIT_DONE);
}
