/*
 * evbuild.c - builds one event per time slot from the packets of all sources
 *
 * The rules are build.c's. Time passes by the packets' stamps and by heartbeats, and only where a
 * live stream has no heartbeats (tcpdump's) by the wall clock.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"
#include "stream/build.h"
#include "stream/cap.h"
#include "stream/card.h"
#include "stream/livelag.h"
#include "stream/srclist.h"

#define TICK_EACH 256 /* records between looks at the clock */

static const char *card_name, *output, *sources, *run_text = "0";
static int64_t window = -1, hold = -1;
static bool list, run_auto;

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
static int64_t last_stamp; /* the latest that the input showed */
static int out_error;      /* errno of the output, 0: all is well */
static livelag lag = TIM_NONE;

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
	if (sources && srclist_parse(sources, card->nsrc, &list_of, why) < 0)
		cli_die(EXIT_USAGE, "--sources: %s", why);
	o.expected = sources ? list_of.expected : NULL;
	o.address = list_of.address;
	o.naddress = list_of.naddress;
	build = build_new(card, &o, put_event, say, NULL, why);
	if (!build)
		cli_die(errno == ENOMEM ? EXIT_SYSTEM : EXIT_USAGE, "%s", why);
}

/* Notes what went wrong where an event should have left. */
static void check(int rc)
{
	if (rc < 0 && !out_error)
		out_error = errno;
}

static void open_output(void)
{
	out_fd = cli_open_output(output, "events");
	out = cap_writer_new(out_fd, CAP_LINK_USER0, program.name, CAP_EVENTS_NAME, card->text);
	check(out ? 0 : -1);
}

/* ---- the stream ---- */

/* Whether there are packets in it. */
static bool begin_section(void)
{
	if (cap_link(in) == CAP_LINK_USER0)
		cli_error("%s: these are events already, for raw2nc or evdump", input);
	return cap_link(in) != CAP_LINK_USER0;
}

/* How long to wait for input; without heartbeats the wall clock says when an event has waited long
 * enough. */
static int64_t idle(void)
{
	int64_t due = build_due(build);

	if (due == TIM_NONE || cap_state(in)->beats)
		return TIM_S;
	int64_t left = livelag_left(lag, due);
	if (left > 0)
		return left < TIM_S ? left : TIM_S;
	check(build_time(build, due));
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
	return v == PKT_OK ? build_add(build, &p) : build_skip(build, v, r->time, r->dropped);
}

/* A heartbeat goes on, but never promises more than what is held allows. */
static int take_beat(int64_t time)
{
	if (time > last_stamp)
		last_stamp = time;
	if (build_beat(build, time) < 0)
		return -1;
	int64_t oldest = build_oldest(build);
	return cap_put_beat(out, oldest != TIM_NONE && oldest < time ? oldest : time);
}

/* Until the end of the input; its status. CAP_NEW: what follows is no input. */
static enum cap_next run(void)
{
	enum cap_next what = CAP_WAIT;
	bool waited = true;
	int64_t wait = 0;
	unsigned n = 0;
	struct cap_record r;

	while (what != CAP_END && what != CAP_ERROR && !out_error && !cli_stopping()) {
		what = cap_read(in, &r, wait);
		wait = 0;
		if (what == CAP_RECORD) {
			if (waited)
				livelag_note(&lag, r.time);
			waited = false;
			check(take_packet(&r));
		} else if (what == CAP_BEAT) {
			check(take_beat(r.time));
		} else if (what == CAP_NEW && !begin_section()) {
			return what;
		} else if (what == CAP_WAIT) {
			waited = true;
			wait = idle();
			check(cap_flush(out));
		}
		if (what == CAP_WAIT || ++n % TICK_EACH == 0) {
			build_tally(build, &tally);
			cli_tick();
		}
	}
	return what == CAP_NEW ? CAP_WAIT : what; /* stopped there */
}

/* ---- after ---- */

/* What the output did not take is lost. */
static enum cli_exit output_failed(void)
{
	build_unwritten(build, out);
	if (out_error == EPIPE)
		cli_pipe_gone();
	else
		cli_error("%s: cannot write: %s: the %" PRIu64 " events written before are kept",
		    output ? output : "standard output", strerror(out_error),
		    build_count(build)->events);
	return EXIT_SYSTEM;
}

static enum cli_exit finish(enum cap_next what)
{
	enum cli_exit code = what == CAP_NEW ? EXIT_DATA : EXIT_DONE;
	const struct build_count *n = build_count(build);
	const struct cap_state *state = cap_state(in);
	char why[BUILD_WHY];

	if (what == CAP_ERROR) {
		code = errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
		cli_error("%s: %s", input, cap_why(in));
	}
	if (!out_error)
		check(build_flush(build));
	if (code == EXIT_DONE && build_useless(build, why)) {
		code = EXIT_DATA;
		cli_error("%s: %s", input, why);
	}
	/* Without the end mark, what reads the events knows that this run broke off. */
	bool broken = code != EXIT_DONE || state->cut || cli_broke_off();
	build_dropped(build, state->osdrop); /* those after its last packet too */
	build_tally(build, &tally);
	uint64_t ifdrop = state->ifdrop + tally_lost(&tally); /* lost before it, and by it */
	if (!out_error)
		check(broken ? cap_flush(out)
			     : cap_finish(out, last_stamp, n->events + ifdrop + n->dropped, ifdrop,
				   n->dropped, n->events, tally.lost));
	if (code == EXIT_DATA && n->events == 0 && out_fd != STDOUT_FILENO && io_regular(out_fd))
		unlink(output); /* nothing is in it but a header, and it would be in the way */
	check(cli_close_output(out_fd));
	if (out_error)
		return output_failed();
	if (code == EXIT_DONE && (state->damaged || state->cut || state->skipped)) {
		code = EXIT_DATA;
		cli_error("%s: %s; what is whole was kept (%" PRIu64 " bytes skipped)", input,
		    cap_why(in), state->skipped);
	}
	return code;
}

static void report_sources(void)
{
	for (unsigned s = 0; s < card->nsrc; s++)
		cli_debug("source %u: %" PRIu64 " records, %" PRIu64 " lost", s,
		    build_source_records(build, s), build_source_lost(build, s));
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
	in = cap_reader_new(fd);
	if (!in)
		cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
	open_output();

	enum cli_exit code = finish(run());
	build_tally(build, &tally);
	report_sources();
	build_free(build);
	cap_reader_free(in);
	cap_writer_free(out);
	card_free(card);
	return cli_end(code);
}
