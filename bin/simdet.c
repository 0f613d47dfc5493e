/* simdet.c - a simulated detector: sends datagrams of any card, with the faults that you ask for */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"
#include "stream/cap.h"
#include "stream/card.h"
#include "stream/pace.h"
#include "stream/sim.h"

#define FILE_START INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define ANY        INT64_MIN + 1, INT64_MAX
#define LOOPBACK   UINT32_C(0x7f000001)
#define BEHIND     (250 * TIM_MS)
#define SINCE      (10 * TIM_S) /* how long the device is on already */

static const char *card_name, *dest, *modules, *rate, *speed_text, *output, *truth_path,
    *start_text, *restart, *fault_text[SIM_FAULTS];
static int64_t events, duration, seed = 1, records, clock0 = INT64_MIN, seq0, jitter;

static struct tally tally = {.unit = "datagrams", .lost = {{"send error", 0}}};
enum { ALSO_RESTART = SIM_FAULTS, ALSO_REFUSED };

/* In --help they stand together, below. */
/* clang-format off */
#define HIDDEN(name, to)  {name, 0, CLI_STR, to, NULL, NULL, 0, 0}
#define FAULT(name, what) HIDDEN(name, &fault_text[what])
static const struct cli_option options[] = {
    {"card", 'c', CLI_STR, &card_name, "CARD", "the detector: a card's name or file", 0, 0},
    {"dest", 'd', CLI_STR, &dest, "HOST:PORT", "send there", 0, 0},
    {"output", 'o', CLI_STR, &output, "FILE", "write packets to FILE, a new one; -: stdout", 0, 0},
    {"modules", 'm', CLI_STR, &modules, "N|LIST", "the first N, or a list: 0-8,10 (all)", 0, 0},
    {"events", 'n', CLI_INT, &events, "EVENTS", "records per module (no end)", 1, INT64_MAX},
    {"duration", 't', CLI_TIME, &duration, "TIME", "stop after so much time of the device", 1, INT64_MAX},
    {"rate", 'r', CLI_STR, &rate, "HZ|max", "events per second (the card's)", 0, 0},
    {"speed", 0, CLI_STR, &speed_text, "X|max", "send X times as fast as it runs", 0, 0},
    {"records", 0, CLI_INT, &records, "N", "records in a datagram (10, or 1)", 1, SIM_RECORDS},
    {"seed", 0, CLI_INT, &seed, "N", "everything random follows from it (1)", 0, 0},
    {"clock0", 0, CLI_INT, &clock0, NULL, NULL, ANY},
    {"seq0", 0, CLI_INT, &seq0, NULL, NULL, ANY},
    HIDDEN("start", &start_text),
    {"truth", 0, CLI_STR, &truth_path, "FILE", "write what was sent to FILE, a new one", 0, 0},
    FAULT("drop", SIM_DROP), FAULT("dup", SIM_DUP),
    FAULT("conflict", SIM_CONFLICT), FAULT("swap", SIM_SWAP),
    FAULT("late", SIM_LATE), FAULT("short", SIM_SHORT),
    FAULT("runt", SIM_RUNT), FAULT("empty", SIM_EMPTY),
    FAULT("garble", SIM_GARBLE), FAULT("stranger", SIM_STRANGER),
    {"jitter", 0, CLI_TIME, &jitter, NULL, NULL, 0, TIM_H},
    HIDDEN("restart-at", &restart),
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};
static const char more[] =
    "  --clock0=TICKS --seq0=N --start=TIME    at event 0 (negative: before the wrap)\n"
    "Faults; P is a part of the datagrams (0.01, 1%), or @EVENT, or @EVENT.SOURCE:\n"
    "  --drop=P --dup=P --swap=P --late=P[:TIME] --conflict=P (again, other values)\n"
    "  --short=P (a record less) --runt=P (cut) --empty=P --garble=P (the clock)\n"
    "  --stranger=P (one more sender) --jitter=TIME --restart-at=EVENT[.SOURCE]\n";

static const struct cli_program program = {
    .name = "simdet", .about = "a simulated detector", .options = options, .more = more, .tally = &tally};
/* clang-format on */

static double speed = 1; /* of sending, times the device's own; 0: as fast as it goes */
/* Static, so that what is in use when the program dies counts as in use. */
static struct card *card;
static struct sim_options want;
static struct sim *sim;
static struct pace *pace;
static struct cap_writer *writer;
static FILE *truth;
static int out_fd = STDOUT_FILENO;
static struct sim_datagram waiting[PACE_BATCH];
static uint64_t sent;

/* ---- options ---- */

/* Everything but the clock, whose start depends on when the run begins. */
static void read_options(void)
{
	char why[SIM_WHY];

	sim_defaults(&want, card);
	want.seed = (uint64_t)seed;
	want.seq0 = (uint64_t)seq0;
	want.jitter = jitter;
	if (events > 0)
		want.events = (uint64_t)events;
	if (records > 0)
		want.records = (unsigned)records;
	if (rate && strcmp(rate, "max") == 0)
		speed = 0;
	else if (rate && (conf_real(rate, &want.rate) < 0 || want.rate < 1e-6 || want.rate > 1e9))
		cli_die(EXIT_USAGE, "--rate: '%s' is neither max nor a number above 0 (Hz)", rate);
	if (speed_text && pace_speed(speed_text, &speed, why) < 0)
		cli_die(EXIT_USAGE, "--speed: %s", why);
	if (duration > 0 && (double)duration * 1e-9 * want.rate < (double)want.events)
		want.events = (uint64_t)((double)duration * 1e-9 * want.rate + 0.5);
	if (modules && sim_modules_parse(&want, modules, why) < 0)
		cli_die(EXIT_USAGE, "--modules: %s", why);
	if (restart && sim_restart_parse(&want, restart, why) < 0)
		cli_die(EXIT_USAGE, "--restart-at: %s", why);
	for (enum sim_fault f = 0; f < SIM_FAULTS; f++)
		if (fault_text[f] && sim_fault_parse(&want, f, fault_text[f], why) < 0)
			cli_die(EXIT_USAGE, "--%s: %s", sim_fault_name[f], why);
}

static void begin(int64_t start)
{
	char why[SIM_WHY];

	want.clock0 = clock0 == INT64_MIN ? sim_clock0(&want, start, SINCE) : (uint64_t)clock0;
	sim = sim_new(&want, why);
	if (!sim)
		cli_die(EXIT_USAGE, "%s: cannot simulate this card so: %s", card->name, why);
	for (int i = 0; i < SIM_FAULTS; i++)
		tally.also[i].name = sim_fault_name[i];
	tally.also[ALSO_RESTART].name = "restart";
	tally.also[ALSO_REFUSED].name = "refused";
}

/* When all else is ready. An output without its truth would be in the way of the next try. */
static void open_truth(void)
{
	if (!truth_path)
		return;
	int fd = strcmp(truth_path, "-") == 0 ? STDOUT_FILENO : io_create(truth_path);
	truth = fd < 0 ? NULL : fd == STDOUT_FILENO ? stdout : fdopen(fd, "w");
	if (!truth) {
		int error = errno;
		if (out_fd != STDOUT_FILENO && io_regular(out_fd))
			unlink(output);
		cli_die(error == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM, "%s: %s", truth_path,
		    error == EEXIST ? "exists, and is not overwritten" : strerror(error));
	}
	fputs(sim_truth_head, truth);
}

/* ---- accounting ---- */

static void account(const struct sim_datagram *d, int64_t at, int error)
{
	char line[SIM_LINE];

	tally.in++;
	if (error && tally.lost[0].n++ == 0)
		cli_warn("a datagram could not be sent: %s (counted from now on)", strerror(error));
	if (error)
		return;
	tally.out++;
	for (int i = 0; i < SIM_FAULTS; i++)
		tally.also[i].n += d->faults >> i & 1;
	size_t n = truth ? sim_truth(sim, d, sent, at, line) : 0;
	if (n > 0)
		fwrite(line, 1, n, truth);
	sent++;
}

static void note_counts(void)
{
	tally.also[SIM_DROP].n = sim_count(sim)->dropped;
	tally.also[ALSO_RESTART].n = sim_count(sim)->restarts;
	cli_tick();
}

/* The next datagram; false when there is none, or it is time to stop. */
static bool next(struct sim_datagram *d)
{
	int rc = cli_stopping() ? 0 : sim_next(sim, d);

	if (rc < 0)
		cli_die(EXIT_SYSTEM, "too many late datagrams at once: a shorter --late, or fewer");
	return rc > 0;
}

/* ---- to the network ---- */

/* What became of those that were sent; waiting[] describes them. */
static void settle(struct pace *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		account(&waiting[i], pace_sent_at(p), pace_result(p, i));
	note_counts();
}

static void open_pace(void)
{
	char why[PACE_WHY];

	pace = pace_new(dest, settle, why);
	if (!pace)
		cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "-d %s: %s", dest, why);
	want.port = (uint16_t)pace_port(pace);
	if (card->by == CARD_BY_ADDRESS && !pace_can_be(pace, LOOPBACK))
		cli_die(EXIT_USAGE,
		    "the modules of %s differ in their addresses, and this machine can play only "
		    "127.x.x.x: send to 127.0.0.1:%u, or use -o FILE",
		    card->name, want.port);
	if (card->by == CARD_BY_PORT && fault_text[SIM_STRANGER])
		cli_die(EXIT_USAGE,
		    "strangers of %s go to a port that is not ours: only with -o FILE", card->name);
}

static enum cli_exit send_all(void)
{
	struct sim_datagram now;
	char span[TIM_TEXT];

	open_pace();
	begin(tim_now());
	open_truth();
	int64_t t0 = tim_mono();
	while (next(&now)) {
		int64_t due = pace_due(t0, now.due, speed);
		if (!pace_reach(pace, due))
			break;
		sim_write(sim, &now, pace_room(pace));
		waiting[pace_waiting(pace)] = now;
		pace_put(
		    pace, now.len, due, card->by == CARD_BY_ADDRESS ? now.address : 0, now.port);
	}
	tally.also[ALSO_REFUSED].n = pace_finish(pace);
	if (pace_behind(pace) > BEHIND)
		cli_warn("the rate was too high for this machine: sending was up to %s late",
		    tim_span(pace_behind(pace) / TIM_MS * TIM_MS, span));
	pace_free(pace);
	return tally.lost[0].n > 0 ? EXIT_LOSSY : EXIT_DONE;
}

/* ---- to a file ---- */

static int write_packets(int64_t start)
{
	struct sim_datagram d;
	int64_t at = start;

	writer = cap_writer_new(out_fd, CAP_LINK_RAW, "simdet", "", "");
	if (!writer)
		return -1;
	while (next(&d)) {
		uint8_t *room = cap_room(writer, SIM_HEAD + d.len);
		if (!room)
			return -1;
		size_t len = sim_write_packet(sim, &d, room);
		at = start + d.due;
		cap_put(writer, len, len, at, 0);
		account(&d, at, 0);
		if (sent % PACE_BATCH == 0)
			note_counts();
	}
	note_counts();
	return cap_finish(writer, at, sent, 0, 0, sent, NULL);
}

static enum cli_exit write_all(void)
{
	int64_t start = FILE_START;

	if (start_text && tim_parse(start_text, &start) < 0)
		cli_die(EXIT_USAGE, "--start: '%s' is no time such as 2026-01-01T00:00:00Z",
		    start_text);
	if (strcmp(output, "-") != 0 && want.events == UINT64_MAX)
		cli_die(EXIT_USAGE, "a file must have an end: say -n EVENTS or -t TIME");
	begin(start);
	out_fd = cli_open_output(output, "packets");
	open_truth();
	if (write_packets(start) < 0 || cli_close_output(out_fd) < 0) {
		if (errno != EPIPE)
			cli_die(EXIT_SYSTEM, "%s: %s",
			    out_fd == STDOUT_FILENO ? "standard output" : output, strerror(errno));
		cli_pipe_gone();
	}
	cap_writer_free(writer);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	char why[CARD_WHY];

	cli_begin(argc, argv, &program);
	if (!card_name)
		cli_die(EXIT_USAGE, "say which detector: -c CARD (evbuild --list shows the cards)");
	if (!dest == !output)
		cli_die(EXIT_USAGE, "say where to: either -d HOST:PORT or -o FILE");
	card = card_load(card_name, why);
	if (!card)
		cli_die(EXIT_USAGE, "%s", why);
	read_options();
	enum cli_exit code = dest ? send_all() : write_all();
	if (truth && truth != stdout && (ferror(truth) | fclose(truth)))
		cli_die(EXIT_SYSTEM, "%s: %s", truth_path, strerror(errno));
	sim_free(sim);
	card_free(card);
	return cli_end(code);
}
