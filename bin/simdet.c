/* simdet.c - a simulated detector: sends datagrams of any card, with the faults that you ask for */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/net.h"
#include "base/tim.h"
#include "base/wire.h"
#include "stream/cap.h"
#include "stream/card.h"
#include "stream/pace.h"
#include "stream/pkt.h"
#include "stream/sim.h"

#define USUAL_PORT  2009
#define SENDER_PORT 49152                        /* of the packets in a file */
#define FILE_START  INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define SINCE       (10 * TIM_S)                 /* how long the device is on already */

static const char *card_name, *dest, *modules_text, *rate_text, *speed_text, *output, *truth_path,
    *start_text, *restart_text, *fault_text[SIM_FAULTS];
static int64_t events = -1, duration, seed = 1, records, clock0 = INT64_MIN, seq0, jitter;

static struct tally tally = {.unit = "datagrams", .lost = {{"send error", 0}}};
enum { ALSO_RESTART = SIM_FAULTS, ALSO_REFUSED };

#define WHEN "P"
static const struct cli_option options[] = {
    {"card", 'c', CLI_STR, &card_name, "CARD", "the detector: a card's name or file", 0, 0},
    {"dest", 'd', CLI_STR, &dest, "HOST:PORT", "send there", 0, 0},
    {"output", 'o', CLI_STR, &output, "FILE", "write packets (pcapng) instead; - is stdout", 0, 0},
    {"modules", 'm', CLI_STR, &modules_text, "N|LIST", "the first N, or a list: 0-8,10 (all)", 0,
	0},
    {"events", 'n', CLI_INT, &events, "EVENTS", "records per module (without end)", 0, 0},
    {"time", 't', CLI_TIME, &duration, "TIME", "stop after so much time of the device", 0, 0},
    {"rate", 'r', CLI_STR, &rate_text, "HZ|max", "events per second (the card's)", 0, 0},
    {"speed", 0, CLI_STR, &speed_text, "X|max", "send X times as fast as the device's clock runs",
	0, 0},
    {"records", 0, CLI_INT, &records, "N", "records in a datagram (10, or 1)", 1, SIM_RECORDS},
    {"seed", 0, CLI_INT, &seed, "N", "everything random follows from it (1)", 0, 0},
    {"clock0", 0, CLI_INT, &clock0, "TICKS", "device clock at event 0; negative: before its wrap",
	INT64_MIN + 1, INT64_MAX},
    {"seq0", 0, CLI_INT, &seq0, "N", "sequence number at event 0", INT64_MIN, INT64_MAX},
    {"start", 0, CLI_STR, &start_text, "TIME", "UTC of the first packet of a file", 0, 0},
    {"truth", 0, CLI_STR, &truth_path, "FILE", "what was sent, a line a datagram", 0, 0},
    {"drop", 0, CLI_STR, &fault_text[SIM_DROP], WHEN,
	"leave out: P is 0.01, 1% or @EVENT.SOURCE,...", 0, 0},
    {"dup", 0, CLI_STR, &fault_text[SIM_DUP], WHEN, "send twice", 0, 0},
    {"conflict", 0, CLI_STR, &fault_text[SIM_CONFLICT], WHEN, "send twice, with other values", 0,
	0},
    {"swap", 0, CLI_STR, &fault_text[SIM_SWAP], WHEN, "change places with the next datagram", 0, 0},
    {"late", 0, CLI_STR, &fault_text[SIM_LATE], WHEN "[:TIME]",
	"send late by TIME (twice the hold)", 0, 0},
    {"short", 0, CLI_STR, &fault_text[SIM_SHORT], WHEN, "without the last record", 0, 0},
    {"runt", 0, CLI_STR, &fault_text[SIM_RUNT], WHEN, "cut to less than a record", 0, 0},
    {"empty", 0, CLI_STR, &fault_text[SIM_EMPTY], WHEN, "no bytes at all", 0, 0},
    {"garble", 0, CLI_STR, &fault_text[SIM_GARBLE], WHEN, "flip bits of the device clock", 0, 0},
    {"stranger", 0, CLI_STR, &fault_text[SIM_STRANGER], WHEN,
	"a copy from a sender not on the card", 0, 0},
    {"jitter", 0, CLI_TIME, &jitter, "TIME", "device clocks are off by up to TIME", 0, TIM_H},
    {"restart-at", 0, CLI_STR, &restart_text, "EVENT[.SOURCE]",
	"clock and sequence begin at 0 again", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {
    .name = "simdet", .about = "a simulated detector", .options = options, .tally = &tally};

static FILE *truth;
static uint64_t sent;

/* ---- options ---- */

static _Noreturn void wrong(const char *name, const char *why)
{
	cli_die(EXIT_USAGE, "--%s: %s", name, why);
}

static double positive(const char *name, const char *text)
{
	double v;

	if (conf_real(text, &v) < 0 || v < 1e-6 || v > 1e9)
		wrong(name, "not a number from 0.000001 to 1000000000, nor the word max");
	return v;
}

static void read_faults(struct sim_options *o)
{
	char why[SIM_WHY], text[512];

	for (int i = 0; i < SIM_FAULTS; i++) {
		if (!fault_text[i])
			continue;
		snprintf(text, sizeof text, "%s", fault_text[i]);
		char *colon = i == SIM_LATE ? strchr(text, ':') : NULL;
		if (colon) {
			*colon = '\0';
			if (tim_duration(colon + 1, &o->late_by) < 0)
				wrong("late", "what follows the colon is no time (2s, 500ms)");
		}
		if (sim_when_parse(text, &o->when[i], why) < 0)
			wrong(sim_fault_name[i], why);
	}
	if (restart_text) {
		struct sim_when w;
		snprintf(text, sizeof text, "@%s", restart_text);
		if (sim_when_parse(text, &w, why) < 0 || w.places != 1)
			wrong("restart-at", "neither EVENT nor EVENT.SOURCE, as in 500 or 500.3");
		o->restarts = true;
		o->restart = w.place[0];
	}
}

/* Everything but the clock, whose start depends on when the run begins. */
static void read_options(struct sim_options *o, const struct card *c)
{
	char why[SIM_WHY];

	*o = (struct sim_options){.card = c,
	    .seed = (uint64_t)seed,
	    .events = events < 0 ? UINT64_MAX : (uint64_t)events,
	    .records = (unsigned)records,
	    .rate = c->rate,
	    .seq0 = (uint64_t)seq0,
	    .port = c->port ? c->port : USUAL_PORT,
	    .jitter = jitter,
	    .late_by = c->hold > 0 ? 2 * c->hold : 2 * TIM_S};
	if (records == 0)
		o->records = c->whole
		    ? 1
		    : (unsigned)(CARD_RECORD_MAX / c->record < 10 ? CARD_RECORD_MAX / c->record
								  : 10);
	if (rate_text && strcmp(rate_text, "max") != 0)
		o->rate = positive("rate", rate_text);
	if (duration > 0 && (double)duration * 1e-9 * o->rate < (double)o->events)
		o->events = (uint64_t)((double)duration * 1e-9 * o->rate + 0.5);
	memset(o->module, 1, c->nsrc * sizeof *o->module);
	if (modules_text && sim_modules_parse(modules_text, c->nsrc, o->module, why) < 0)
		wrong("modules", why);
	read_faults(o);
}

/* How many times as fast as the device's clock; 0: as fast as it goes. */
static double read_speed(void)
{
	if (rate_text && strcmp(rate_text, "max") == 0)
		return 0;
	if (!speed_text)
		return 1;
	return strcmp(speed_text, "max") == 0 ? 0 : positive("speed", speed_text);
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
	return s;
}

/* ---- accounting ---- */

static void account(const struct sim *s, const struct sim_datagram *d, int64_t at, int error)
{
	char line[SIM_LINE];

	tally.in++;
	if (error) {
		if (tally.lost[0].n++ == 0)
			cli_warn("%s: a datagram of %zu bytes could not be sent; this is counted "
				 "from now on",
			    strerror(error), d->len);
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

static _Noreturn void no_more(void)
{
	cli_die(EXIT_SYSTEM,
	    "no memory for more late datagrams: give --late a shorter time or lower P");
}

/* ---- to the network ---- */

static struct pace *open_pace(struct sim_options *o)
{
	struct net_spec spec;
	struct net_addr to;
	char why[NET_WHY];

	if (net_parse(dest, NET_UDP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "-d %s: %s", dest, why);
	if (spec.kind != NET_UDP || net_resolve(&spec, false, &to, 1, why) < 1)
		cli_die(EXIT_USAGE, "-d %s: %s", dest,
		    spec.kind == NET_UDP ? why : "datagrams go to HOST:PORT");
	struct pace *p = pace_new(&to, why);
	if (!p)
		cli_die(EXIT_SYSTEM, "%s", why);
	if (o->card->by == CARD_BY_ADDRESS && !pace_can_be(p, 0x7f000001))
		cli_die(EXIT_USAGE,
		    "the modules of %s differ in their addresses, and this machine can play only "
		    "127.x.x.x: "
		    "send to 127.0.0.1:%s (elsewhere: simdet -o FILE)",
		    o->card->name, spec.port);
	o->port = (uint16_t)net_port(&to);
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
	double speed = read_speed();
	int64_t t0 = tim_mono();
	int rc = 0;

	while (!cli_stopping() && (rc = sim_next(s, &next)) > 0) {
		int64_t due = speed > 0 ? t0 + (int64_t)((double)next.due / speed) : 0;
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
		cli_warn("%s: nobody listened there: %llu datagrams were refused", dest,
		    (unsigned long long)tally.also[ALSO_REFUSED].n);
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

	if (strcmp(output, "-") != 0)
		fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", output, strerror(errno));
	cli_no_terminal(fd, "packets");
	if (o->events == UINT64_MAX && !io_ispipe(fd))
		cli_die(EXIT_USAGE,
		    "without an end this would fill the disk: say -n EVENTS or -t TIME");
	return fd;
}

static int put_packet(struct cap_writer *w, struct sim *s, const struct sim_datagram *d, int64_t at)
{
	struct pkt_addr src = {.family = 4, .port = SENDER_PORT},
			dst = {.family = 4, .port = d->port};
	u32be address;
	uint8_t *to = cap_room(w, PKT_HEAD4 + d->len);

	if (!to)
		return -1;
	wire_put(&address, d->address);
	memcpy(src.addr, &address, sizeof address);
	wire_put(&address, UINT32_C(0x7f000001));
	memcpy(dst.addr, &address, sizeof address);
	sim_write(s, d, to + PKT_HEAD4);
	pkt_headers(to, &src, &dst, to + PKT_HEAD4, d->len);
	cap_put(w, PKT_HEAD4 + d->len, PKT_HEAD4 + d->len, at, 0);
	account(s, d, at, 0);
	return 0;
}

static enum cli_exit write_all(struct sim_options *o)
{
	struct sim_datagram d;
	int64_t start = FILE_START, at;
	int rc = 0;

	if (start_text && tim_parse(start_text, &start) < 0)
		wrong("start", "not a time such as 2026-01-01T00:00:00Z");
	struct sim *s = begin(o, start);
	int fd = open_output(o);
	struct cap_writer *w = cap_writer_new(fd, CAP_LINK_RAW, "simdet", "", "");
	bool good = w != NULL;
	at = start;
	while (good && !cli_stopping() && (rc = sim_next(s, &d)) > 0) {
		at = start + d.due;
		good = put_packet(w, s, &d, at) == 0;
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
	open_truth();
	enum cli_exit code = dest ? send_all(&o) : write_all(&o);
	close_truth();
	card_free(c);
	return cli_end(code);
}
