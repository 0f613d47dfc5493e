/* simdet.c - a simulated detector: sends datagrams of any card, with the faults that you ask for */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
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
static int64_t events = -1, duration, seed = 1, records, clock0 = INT64_MIN, seq0, jitter;

static struct tally tally = {.unit = "datagrams", .lost = {{"send error", 0}}};
enum { ALSO_RESTART = SIM_FAULTS, ALSO_REFUSED };

#define FAULT(name, what, arg, help)                                                               \
	{                                                                                          \
		name, 0, CLI_STR, &fault_text[what], arg, help, 0, 0                               \
	}
static const struct cli_option options[] = {
    {"card", 'c', CLI_STR, &card_name, "CARD", "the detector: a card's name or file", 0, 0},
    {"dest", 'd', CLI_STR, &dest, "HOST:PORT", "send there", 0, 0},
    {"output", 'o', CLI_STR, &output, "FILE", "write packets there, where no file is; - is stdout",
	0, 0},
    {"modules", 'm', CLI_STR, &modules, "N|LIST", "the first N, or a list: 0-8,10 (all)", 0, 0},
    {"events", 'n', CLI_INT, &events, "EVENTS", "records per module (no end)", 0, 0},
    {"duration", 't', CLI_TIME, &duration, "TIME", "stop after so much time of the device", 0, 0},
    {"rate", 'r', CLI_STR, &rate, "HZ|max", "events per second (the card's)", 0, 0},
    {"speed", 0, CLI_STR, &speed_text, "X|max", "send X times as fast as it runs", 0, 0},
    {"records", 0, CLI_INT, &records, "N", "records in a datagram (10, or 1)", 1, SIM_RECORDS},
    {"seed", 0, CLI_INT, &seed, "N", "everything random follows from it (1)", 0, 0},
    {"clock0", 0, CLI_INT, &clock0, "TICKS", "clock at event 0; negative: before it wraps", ANY},
    {"seq0", 0, CLI_INT, &seq0, "N", "sequence number at event 0", ANY},
    {"start", 0, CLI_STR, &start_text, "TIME", "UTC of the first packet of a file", 0, 0},
    {"truth", 0, CLI_STR, &truth_path, "FILE", "what was sent, a line a datagram", 0, 0},
    FAULT("drop", SIM_DROP, "P", "leave out; P is 0.01, 1% or @EVENT.SOURCE"),
    FAULT("dup", SIM_DUP, "P", "send twice"),
    FAULT("conflict", SIM_CONFLICT, "P", "send twice, with other values"),
    FAULT("swap", SIM_SWAP, "P", "change places with the next datagram"),
    FAULT("late", SIM_LATE, "P[:TIME]", "send late (by twice the hold)"),
    FAULT("short", SIM_SHORT, "P", "without the last record"),
    FAULT("runt", SIM_RUNT, "P", "cut to less than a record"),
    FAULT("empty", SIM_EMPTY, "P", "no bytes at all"),
    FAULT("garble", SIM_GARBLE, "P", "flip bits of the device clock"),
    FAULT("stranger", SIM_STRANGER, "P", "add a copy from a sender not on the card"),
    {"jitter", 0, CLI_TIME, &jitter, "TIME", "device clocks are off by up to TIME", 0, TIM_H},
    {"restart-at", 0, CLI_STR, &restart, "EVENT", "clock and sequence begin again at 0", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {
    .name = "simdet", .about = "a simulated detector", .options = options, .tally = &tally};

static double speed = 1; /* of sending, times the device's own; 0: as fast as it goes */
static FILE *truth;
static uint64_t sent;

/* ---- options ---- */

/* Everything but the clock, whose start depends on when the run begins. */
static void read_options(struct sim_options *o, const struct card *c)
{
	char why[SIM_WHY];

	sim_defaults(o, c);
	o->seed = (uint64_t)seed;
	o->seq0 = (uint64_t)seq0;
	o->jitter = jitter;
	if (events >= 0)
		o->events = (uint64_t)events;
	if (records > 0)
		o->records = (unsigned)records;
	if (rate && strcmp(rate, "max") == 0)
		speed = 0;
	else if (rate && (conf_real(rate, &o->rate) < 0 || o->rate < 1e-6 || o->rate > 1e9))
		cli_die(EXIT_USAGE, "--rate: '%s' is neither max nor a number above 0 (Hz)", rate);
	if (speed_text && pace_speed(speed_text, &speed) < 0)
		cli_die(
		    EXIT_USAGE, "--speed: '%s' is neither max nor a number above 0", speed_text);
	if (duration > 0 && (double)duration * 1e-9 * o->rate < (double)o->events)
		o->events = (uint64_t)((double)duration * 1e-9 * o->rate + 0.5);
	if (modules && sim_modules_parse(o, modules, why) < 0)
		cli_die(EXIT_USAGE, "--modules: %s", why);
	if (restart && sim_restart_parse(o, restart, why) < 0)
		cli_die(EXIT_USAGE, "--restart-at: %s", why);
	for (enum sim_fault f = 0; f < SIM_FAULTS; f++)
		if (fault_text[f] && sim_fault_parse(o, f, fault_text[f], why) < 0)
			cli_die(EXIT_USAGE, "--%s: %s", sim_fault_name[f], why);
}

static void open_truth(void)
{
	if (!truth_path)
		return;
	truth = strcmp(truth_path, "-") == 0 ? stdout : fopen(truth_path, "we");
	if (!truth)
		cli_die(EXIT_SYSTEM, "%s: %s", truth_path, strerror(errno));
	fputs(sim_truth_head, truth);
}

static void close_truth(void)
{
	if (truth && truth != stdout && (ferror(truth) | fclose(truth)))
		cli_die(EXIT_SYSTEM, "%s: %s", truth_path, strerror(errno));
}

static struct sim *begin(struct sim_options *o, int64_t start)
{
	char why[SIM_WHY];

	o->clock0 = clock0 == INT64_MIN ? sim_clock0(o, start, SINCE) : (uint64_t)clock0;
	struct sim *s = sim_new(o, why);
	if (!s)
		cli_die(EXIT_USAGE, "%s: cannot simulate this card so: %s", o->card->name, why);
	for (int i = 0; i < SIM_FAULTS; i++)
		tally.also[i].name = sim_fault_name[i];
	tally.also[ALSO_RESTART].name = "restart";
	tally.also[ALSO_REFUSED].name = "refused";
	open_truth();
	return s;
}

/* ---- accounting ---- */

static void account(const struct sim *s, const struct sim_datagram *d, int64_t at, int error)
{
	char line[SIM_LINE];

	tally.in++;
	if (error) {
		if (tally.lost[0].n++ == 0)
			cli_warn("a datagram could not be sent: %s (counted from now on)",
			    strerror(error));
		return;
	}
	tally.out++;
	for (int i = 0; i < SIM_FAULTS; i++)
		tally.also[i].n += d->faults >> i & 1;
	if (truth)
		fwrite(line, 1, sim_truth(s, d, sent, at, line), truth);
	sent++;
}

static void note_counts(const struct sim *s)
{
	tally.also[SIM_DROP].n = sim_count(s)->dropped;
	tally.also[ALSO_RESTART].n = sim_count(s)->restarts;
	cli_tick();
}

static _Noreturn void no_more(void)
{
	cli_die(EXIT_SYSTEM,
	    "no memory for more late datagrams: give --late a shorter time or lower P");
}

/* ---- to the network ---- */

static struct pace *open_pace(struct sim_options *o)
{
	char why[PACE_WHY];
	struct pace *p = pace_new(dest, why);

	if (!p)
		cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "-d %s: %s", dest, why);
	if (o->card->by == CARD_BY_ADDRESS && !pace_can_be(p, LOOPBACK))
		cli_die(EXIT_USAGE,
		    "the modules of %s differ in their addresses, and this machine can play "
		    "only 127.x.x.x: send to 127.0.0.1:%u, or use -o FILE",
		    o->card->name, pace_port(p));
	if (o->card->by == CARD_BY_PORT && fault_text[SIM_STRANGER])
		cli_die(EXIT_USAGE,
		    "strangers of %s go to a port that is not ours: only with -o FILE",
		    o->card->name);
	o->port = (uint16_t)pace_port(p);
	return p;
}

static void settle(const struct sim *s, struct pace *p, const struct sim_datagram *d, int n)
{
	for (int i = 0; i < n; i++)
		account(s, &d[i], pace_sent_at(p), pace_result(p, (unsigned)i));
	note_counts(s);
}

static enum cli_exit send_all(struct sim_options *o)
{
	struct sim_datagram d[PACE_BATCH], next;
	struct pace *p = open_pace(o);
	struct sim *s = begin(o, tim_now());
	char span[TIM_TEXT];
	int64_t t0 = tim_mono();
	int rc = 0;

	while (!cli_stopping() && (rc = sim_next(s, &next)) > 0) {
		int64_t due = pace_due(t0, next.due, speed);
		while (!pace_fits(p, due) && !cli_stopping())
			settle(s, p, d, pace_send(p));
		if (cli_stopping())
			break;
		sim_write(s, &next, pace_room(p));
		d[pace_waiting(p)] = next;
		pace_put(
		    p, next.len, due, o->card->by == CARD_BY_ADDRESS ? next.address : 0, next.port);
	}
	if (rc < 0)
		no_more();
	while (pace_waiting(p) > 0 && !cli_stopping())
		settle(s, p, d, pace_send(p));
	tally.also[ALSO_REFUSED].n = pace_refused(p);
	if (tally.also[ALSO_REFUSED].n > 0)
		cli_warn("%s: nobody listened there for some of the datagrams", dest);
	if (pace_behind(p) > BEHIND)
		cli_warn("the rate was too high for this machine: sending was up to %s late",
		    tim_span(pace_behind(p) / TIM_MS * TIM_MS, span));
	pace_free(p);
	sim_free(s);
	return tally.lost[0].n > 0 ? EXIT_LOSSY : EXIT_DONE;
}

/* ---- to a file ---- */

static void cannot_write(void)
{
	if (errno != EPIPE)
		cli_die(EXIT_SYSTEM, "%s: %s", output, strerror(errno));
	cli_pipe_gone();
}

static int open_output(const struct sim_options *o)
{
	int fd = STDOUT_FILENO;

	if (strcmp(output, "-") != 0) {
		if (o->events == UINT64_MAX)
			cli_die(EXIT_USAGE, "a file must have an end: say -n EVENTS or -t TIME");
		fd = open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0644);
		struct stat st;
		if (fd < 0 && errno == EEXIST && stat(output, &st) == 0 && !S_ISREG(st.st_mode))
			fd = open(output, O_WRONLY | O_CLOEXEC | O_NOCTTY); /* a FIFO, a device */
	}
	if (fd < 0)
		cli_die(errno == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM, "%s: %s", output,
		    strerror(errno));
	cli_no_terminal(fd, "packets");
	return fd;
}

static enum cli_exit write_all(struct sim_options *o)
{
	struct sim_datagram d;
	int64_t start = FILE_START, at;
	int rc = 0;

	if (start_text && tim_parse(start_text, &start) < 0)
		cli_die(EXIT_USAGE, "--start: '%s' is no time such as 2026-01-01T00:00:00Z",
		    start_text);
	struct sim *s = begin(o, start);
	int fd = open_output(o);
	struct cap_writer *w = cap_writer_new(fd, CAP_LINK_RAW, "simdet", "", "");
	bool good = w != NULL;
	at = start;
	while (good && !cli_stopping() && (rc = sim_next(s, &d)) > 0) {
		at = start + d.due;
		uint8_t *room = cap_room(w, SIM_HEAD + d.len);
		good = room != NULL;
		if (!good)
			break;
		size_t len = sim_write_packet(s, &d, room);
		cap_put(w, len, len, at, 0);
		account(s, &d, at, 0);
		if ((sent & 63) == 0)
			note_counts(s);
	}
	if (rc < 0)
		no_more();
	note_counts(s);
	if (!good || cap_finish(w, at, sent, 0, 0, sent) < 0 ||
	    (fd != STDOUT_FILENO && close(fd) < 0))
		cannot_write();
	cap_writer_free(w);
	sim_free(s);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct sim_options o;
	char why[CARD_WHY];

	cli_begin(argc, argv, &program);
	if (!card_name)
		cli_die(EXIT_USAGE, "say which detector: -c CARD (evbuild --list shows the cards)");
	if (!dest == !output)
		cli_die(EXIT_USAGE, "say where to: either -d HOST:PORT or -o FILE");
	struct card *c = card_load(card_name, why);
	if (!c)
		cli_die(EXIT_USAGE, "%s", why);
	read_options(&o, c);
	enum cli_exit code = dest ? send_all(&o) : write_all(&o);
	close_truth();
	card_free(c);
	return cli_end(code);
}
