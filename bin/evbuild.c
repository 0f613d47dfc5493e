/*
 * evbuild.c - builds one event per time slot from the packets of all sources
 *
 * The rules of matching are build.c's; here packets come in, events go out, and time passes: by
 * the packets' stamps and the heartbeats in the stream, and only where a live stream has no
 * heartbeats (tcpdump's) by the wall clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/tim.h"
#include "stream/build.h"
#include "stream/cap.h"
#include "stream/card.h"
#include "stream/evt.h"
#include "stream/srclist.h"

#define LIVE_LAG   (10 * TIM_S) /* stamps that are older when they come are no live stream's */
#define IDLE_GRACE TIM_S        /* live data may be on their way for so long */
#define TICK_EACH  256          /* records between looks at the clock */

static const char *card_name, *output, *sources, *run_text = "0";
static int64_t window = -1, hold = -1;
static bool list;

static const struct cli_option options[] = {
    {"card", 'c', CLI_STR, &card_name, "CARD", "the instrument: a name of --list, or a file", 0, 0},
    {"window", 'w', CLI_TIME, &window, "TIME", "how far apart records of an event may be (card)", 0,
	2 * TIM_S},
    {"hold", 0, CLI_TIME, &hold, "TIME", "how long to wait for what is missing (card)", 0, TIM_H},
    {"sources", 0, CLI_STR, &sources, "LIST", "who takes part: 0-7,9 or ADDRESS,ADDRESS (all)", 0,
	0},
    {"run", 0, CLI_STR, &run_text, "N", "run number, or auto: the first arrival (0)", 0, 0},
    {"output", 'o', CLI_STR, &output, "FILE", "write to FILE, which must not exist", 0, 0},
    {"list", 0, CLI_FLAG, &list, NULL, "list the cards", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = {.unit = "records"};
static struct cli_program program = {.name = "evbuild",
    .args = "[FILE]",
    .about = "build events from the packets of all sources",
    .options = options,
    .max_args = 1,
    .can_lose = true};

static const char *input = "standard input";
static struct card *card;
static struct srclist list_of;
static struct build *build;
static struct cap_reader *in;
static struct cap_writer *out;
static int out_fd = STDOUT_FILENO;
static uint64_t refused[PKT_VERDICTS];
static int64_t last_stamp; /* the latest that the input showed */
static bool run_auto, lost_output;
static int64_t lag = TIM_NONE; /* the oldest stamp that a read of live data brought was so old */

/* ---- before ---- */

static void print_card(void *ctx, const char *name, const char *title, const char *path)
{
	(void)ctx;
	(void)path;
	printf("%-16s %s\n", name, title);
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	cli_warn("%s", text);
}

static int put_event(void *ctx, const uint8_t *body, size_t size, int64_t time, uint64_t dropped)
{
	(void)ctx;
	uint8_t *room = cap_room(out, size);
	if (!room)
		return -1;
	memcpy(room, body, size);
	cap_put(out, size, size, time, dropped);
	return 0;
}

static void open_builder(void)
{
	struct build_options o = {.window = window, .hold = hold};
	char why[CARD_WHY];
	long long run = 0;

	if (!card_name)
		cli_die(EXIT_USAGE, "which instrument? -c CARD; --list shows the cards");
	run_auto = strcmp(run_text, "auto") == 0;
	if (!run_auto && conf_int(run_text, 0, UINT32_MAX, &run) < 0)
		cli_die(EXIT_USAGE, "--run: '%.32s' is neither a number from 0 nor auto", run_text);
	card = card_load(card_name, why);
	if (!card)
		cli_die(EXIT_USAGE, "%s", why);
	o.window = window < 0 ? card->window : window;
	o.hold = hold < 0 ? card->hold : hold;
	o.run = (uint32_t)run;
	if (sources) {
		if (srclist_parse(sources, card->nsrc, &list_of, why) < 0)
			cli_die(EXIT_USAGE, "--sources: %s", why);
		o.expected = list_of.expected;
		o.address = list_of.address;
		o.naddress = list_of.naddress;
	}
	build = build_new(card, &o, put_event, say, NULL);
	if (!build && errno == EFBIG)
		cli_die(EXIT_USAGE,
		    "%s: an event of %u sources has %zu bytes, and at most %d are possible",
		    card->name, card->nsrc, evt_size(card->nsrc, card->record), CAP_DATA_MAX);
	if (!build && errno == EINVAL)
		cli_die(EXIT_USAGE, "%s: its window is longer than 2s", card->name);
	if (!build)
		cli_die(EXIT_SYSTEM, "no memory for events: %s", strerror(errno));
}

static void open_output(void)
{
	if (output && strcmp(output, "-") != 0) {
		out_fd = open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (out_fd < 0)
			cli_die(errno == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM, "%s: %s", output,
			    errno == EEXIST ? "exists, and is not overwritten" : strerror(errno));
	}
	cli_no_terminal(out_fd, "events");
	out = cap_writer_new(out_fd, CAP_LINK_USER0, program.name, CAP_EVENTS_NAME, card->text);
}

/* ---- accounting ---- */

static void account(void)
{
	const struct build_count *n = build_count(build);
	uint64_t bad = refused[PKT_TRUNCATED] + refused[PKT_FRAGMENT];
	const struct tally_item lost[] = {{"late", n->late}, {"duplicate", n->duplicate},
	    {"conflict", n->conflict}, {"stray", n->stray}, {"unknown source", n->unknown},
	    {"malformed", n->malformed}, {"empty", n->empty}, {"truncated", refused[PKT_TRUNCATED]},
	    {"fragment", refused[PKT_FRAGMENT]}};
	const struct tally_item also[] = {{"events", n->events}, {"complete", n->complete},
	    {"incomplete", n->incomplete}, {"overflow", n->overflow}, {"gaps", n->gaps},
	    {"missing", n->missing}, {"reordered", n->reordered}, {"restarts", n->restarts},
	    {"dropped before", n->dropped},
	    {"other traffic", refused[PKT_NOT_IP] + refused[PKT_NOT_UDP]}};

	tally.in = n->in + bad;
	tally.out = n->out;
	tally.held = n->held;
	memcpy(tally.lost, lost, sizeof lost);
	memcpy(tally.also, also, sizeof also);
}

/* Sources that never sent anything: those that nobody switched on. */
static void report_sources(void)
{
	uint8_t silent[CARD_SOURCES], heard[CARD_SOURCES];
	char a[128], b[128];
	unsigned nsilent = 0, nheard = 0;

	for (unsigned s = 0; s < card->nsrc; s++) {
		uint64_t n = build_source_records(build, s), lost = build_source_lost(build, s);
		bool expected = !sources || list_of.expected[s];
		nheard += heard[s] = n + lost > 0;
		nsilent += silent[s] = n + lost == 0 && expected;
		if (expected)
			cli_debug("source %u: %" PRIu64 " records, %" PRIu64 " lost", s, n, lost);
	}
	if (nsilent && nheard)
		cli_note("nothing came from source %s: --sources=%s would make the events complete",
		    srclist_text(silent, card->nsrc, a, sizeof a),
		    srclist_text(heard, card->nsrc, b, sizeof b));
}

/* ---- the stream ---- */

static void begin_section(void)
{
	if (cap_link(in) == CAP_LINK_USER0)
		cli_die(EXIT_DATA,
		    "%s: these are events already: give them to raw2nc or evdump; evbuild takes "
		    "packets",
		    input);
}

/* The first stamp after a wait tells how late live data are. */
static void note_lag(int64_t stamp)
{
	int64_t late = tim_now() - stamp;

	if (late < -IDLE_GRACE || late > LIVE_LAG)
		lag = TIM_NONE;
	else if (late > lag)
		lag = late;
}

/* How long to wait for input. Where the stream has no heartbeats, but its stamps are those of the
 * wall clock, that clock says when an event has waited long enough. */
static int64_t idle(void)
{
	int64_t due = build_due(build), left;

	if (due == TIM_NONE || lag == TIM_NONE || cap_state(in)->beats)
		return TIM_S;
	left = due + lag + IDLE_GRACE - tim_now();
	if (left > 0)
		return left < TIM_S ? left : TIM_S;
	lost_output |= build_time(build, due) < 0;
	return 0;
}

static int take_packet(const struct cap_record *r)
{
	struct pkt p;
	enum pkt_verdict v = pkt_decode(r, &p);

	if (run_auto)
		build_run(build, (uint32_t)(r->time / TIM_S));
	run_auto = false;
	if (r->time > last_stamp)
		last_stamp = r->time;
	if (v == PKT_OK)
		return build_add(build, &p);
	refused[v]++;
	return 0;
}

/* A heartbeat goes on, but never promises more than what is held allows. */
static int take_beat(int64_t time)
{
	if (time > last_stamp)
		last_stamp = time;
	if (build_time(build, time) < 0)
		return -1;
	int64_t oldest = build_oldest(build);
	return cap_put_beat(out, oldest != TIM_NONE && oldest < time ? oldest : time);
}

/* Until the end of the input; its status. */
static enum cap_next run(void)
{
	enum cap_next what = CAP_NEW;
	int64_t wait = 0;
	unsigned n = 0;
	struct cap_record r;

	while (what != CAP_END && what != CAP_ERROR && !lost_output && !cli_stopping()) {
		bool waited = what == CAP_WAIT;
		what = cap_read(in, &r, wait);
		wait = 0;
		if (what == CAP_RECORD) {
			if (waited)
				note_lag(r.time);
			lost_output |= take_packet(&r) < 0;
		} else if (what == CAP_BEAT) {
			lost_output |= take_beat(r.time) < 0;
		} else if (what == CAP_NEW) {
			begin_section();
		} else if (what == CAP_WAIT) {
			wait = idle();
			lost_output |= cap_flush(out) < 0;
		}
		if (what == CAP_WAIT || ++n % TICK_EACH == 0) {
			account();
			cli_tick();
		}
	}
	return what;
}

/* ---- after ---- */

static enum cli_exit finish(enum cap_next what)
{
	const struct cap_state *state = cap_state(in);
	uint64_t events;
	int bad = lost_output;

	if (what == CAP_ERROR)
		cli_error("%s: %s", input, cap_why(in));
	enum cli_exit error = errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
	bad = bad || build_flush(build) < 0;
	events = build_count(build)->events;
	/* Without the end mark, what reads the events knows that this run broke off. */
	bad = bad ||
	    (what == CAP_ERROR ? cap_flush(out)
			       : cap_finish(out, last_stamp, events, 0, 0, events)) < 0;
	bad = bad || (out_fd != STDOUT_FILENO && close(out_fd) < 0);
	if (bad && errno == EPIPE)
		cli_pipe_gone();
	else if (bad)
		cli_error(
		    "%s: cannot write: %s", output ? output : "standard output", strerror(errno));
	if (bad)
		return EXIT_SYSTEM;
	if (what == CAP_ERROR)
		return error;
	if (!state->damaged && !state->cut && !state->skipped)
		return EXIT_DONE;
	cli_error("%s: %s; what is whole was kept (%" PRIu64 " damaged places, %" PRIu64
		  " bytes skipped)",
	    input, cap_why(in), state->damaged, state->skipped);
	return EXIT_DATA;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);

	if (list) {
		card_list(print_card, NULL);
		return cli_end(EXIT_DONE);
	}
	open_builder();
	int fd = cli_open_input(args[0]);
	if (fd != STDIN_FILENO)
		input = args[0];
	cli_filter(fd);
	program.tally = &tally;
	open_output();
	in = cap_reader_new(fd);
	if (!in || !out)
		cli_die(EXIT_SYSTEM, "cannot begin: %s", strerror(errno));

	enum cli_exit code = finish(run());
	account();
	report_sources();
	build_free(build);
	cap_reader_free(in);
	cap_writer_free(out);
	card_free(card);
	return cli_end(code);
}
