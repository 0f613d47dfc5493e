/*
 * evsub.c - a published stream back into a pipe or a file
 *
 * Runs until it is stopped, over as many runs, restarts and broken connections as there are; --once
 * ends with the first stream. A message counts as received when it is written (--ack-after).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/ends.h"
#include "base/io.h"
#include "base/tim.h"
#include "bus/hear.h"
#include "bus/sub.h"

#define LOOK_UP   (500 * TIM_MS) /* between looks at --duration while nothing comes */
#define TICK_EACH 256
#define GONE      (5 * TIM_S) /* --once: without a publisher, in the midst of a stream */

static const char *credentials, *as, *card_name = "chec", *output, *ack_after = "write", *until;
static int64_t limit, duration;
static bool once, append, sync_first;
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &output, "FILE", "write to FILE, which must not exist", 0, 0},
    {"append", 0, CLI_FLAG, &append, NULL, "go on with FILE where it ends", 0, 0},
    {CLI_MIN_FREE(space)},
    {"once", 0, CLI_FLAG, &once, NULL, "end with the stream, not wait for the next", 0, 0},
    {"count", 'n', CLI_INT, &limit, "COUNT", "end after so many records", 1, INT64_MAX},
    {"duration", 0, CLI_TIME, &duration, "TIME", "end after this time", 1, INT64_MAX},
    {"until", 0, CLI_STR, &until, "HH:MMZ", "end at this time of day, UTC", 0, 0},
    {"ack-after", 0, CLI_STR, &ack_after, "WHAT",
	"NATS: acknowledge after write (default) or fsync", 0, 0},
    {"as", 0, CLI_STR, &as, "FORM", "ssdaq: the publisher is SSDAQ", 0, 0},
    {"card", 'c', CLI_STR, &card_name, "CARD", "what is in SSDAQ's messages (chec)", 0, 0},
    {"credentials", 0, CLI_STR, &credentials, "FILE", "names and keys, in a file of mode 0600", 0,
	0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { MISSED, OLD };
static struct tally tally = {.unit = "records", .lost = {{"missed", 0}, {"old", 0}}};

static const struct cli_program program = {.name = "evsub",
    .args = "URL",
    .about = "subscribe to a stream over ZeroMQ or NATS",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .tally = &tally,
    .can_lose = true};

static struct bus_url url;
static struct bus_secrets secrets;
static struct hear *hear;
static struct sub *sub;
static struct card *card;
static struct ends ends;
static int out_fd = STDOUT_FILENO, out_error, bus_error;
static bool pending;       /* something came, and may not be written yet */
static char told[BUS_WHY]; /* what was wrong with the bus, when it was told last */

/* ---- before ---- */

static void note(const char *text)
{
	cli_warn("%s", text);
}

static void read_options(const char *address)
{
	char why[CARD_WHY > BUS_WHY ? CARD_WHY : BUS_WHY];

	if (bus_url(address, BUS_SUBSCRIBER, &url, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	sync_first = strcmp(ack_after, "fsync") == 0;
	if (!sync_first && strcmp(ack_after, "write") != 0)
		cli_die(EXIT_USAGE, "--ack-after=%.40s: write or fsync", ack_after);
	if (ends_set(&ends, duration, until) < 0)
		cli_die(EXIT_USAGE, "--until=%.40s: a time of day in UTC, 23:59Z", until);
	if (append && (!output || strcmp(output, "-") == 0))
		cli_die(EXIT_USAGE, "--append: to which file? -o FILE");
	if (append && (as || (url.engine == BUS_NATS && !url.durable[0])))
		cli_die(EXIT_USAGE,
		    "--append: with NATS it takes durable=NAME, with SSDAQ it cannot be");
	if (as && !ssdaq_form(as))
		cli_die(EXIT_USAGE, "--as=%.40s: there is ssdaq", as);
	if (as && url.engine != BUS_ZMQ)
		cli_die(EXIT_USAGE, "--as=%s: SSDAQ knows ZeroMQ only", as);
	if (as && !(card = card_load(card_name, why)))
		cli_die(EXIT_USAGE, "%s", why);
	if (credentials && bus_secrets(credentials, &secrets, why) < 0)
		cli_die(cli_status_of(errno), "%s", why);
}

static void open_output(void)
{
	struct sub_options o = {.program = program.name,
	    .ssdaq = card,
	    .dropold = url.dropold,
	    .limit = (uint64_t)limit,
	    .exact = append,
	    .ask_each = url.engine == BUS_ZMQ ? TIM_S : 0, /* NATS answers at once */
	    .note = note};
	char why[BUS_WHY];

	o.fd = out_fd = append ? sub_file(output, why) : cli_open_output(output, "a stream");
	if (out_fd < 0)
		cli_die(errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "%s: %s", output, why);
	if (!(sub = sub_new(&o)))
		cli_die(cli_status_of(errno), "cannot begin: %s", strerror(errno));
	if (append && sub_resume(sub, why) < 0)
		cli_die(errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM, "%s: %s", output, why);
}

static void open_bus(void)
{
	char address[HEAR_ADDRESS], why[BUS_WHY];

	if (!(hear = hear_open(&url, credentials ? &secrets : NULL, as != NULL, address, why)))
		cli_die(cli_status_of(errno), "%s", why);
	if (*address)
		cli_ready(address);
}

/* ---- the stream ---- */

static void count(void)
{
	const struct sub_count *c = sub_count(sub);

	if (c->streams != tally.also[0].n || c->missed != tally.lost[MISSED].n)
		cli_debug("stream %" PRIu64 ", %" PRIu64 " missed so far", c->streams, c->missed);
	tally.out = c->records;
	tally.lost[MISSED].n = c->missed;
	tally.lost[OLD].n = c->old;
	tally.in = tally.out + tally_lost(&tally);
	tally.also[0] = (struct tally_item){"streams", c->streams};
	tally.also[1] = (struct tally_item){"broken off", c->cut};
	tally.also[2] = (struct tally_item){"foreign", c->foreign};
	tally.also[3] = (struct tally_item){"repeated", c->again};
	tally.also[4] = (struct tally_item){"before the header", c->headless};
}

/* Everything that came is written; then it may be acknowledged. */
static void settle(void)
{
	if (out_error)
		return;
	if (sub_flush(sub, sync_first) < 0)
		out_error = errno;
	else if (hear_ack(hear) < 0 && !bus_error)
		bus_error = errno;
}

/* Says once per change whether there is a publisher or broker. */
static void tell(void)
{
	static bool was_there;
	const char *why = hear_why(hear);

	if (bus_error)
		return;
	if (strcmp(why, told) != 0 && *why)
		cli_warn("%s", why);
	if (hear_state(hear) == HEAR_THERE && (!was_there || *told)) {
		cli_note("%s: connected%s", url.address, was_there ? " again" : "");
		was_there = true;
	}
	snprintf(told, sizeof told, "%s", why);
}

/* The header of a stream that runs: where it does not come by itself, we join with this message. */
static enum sub_took ask(const uint8_t *message, size_t n)
{
	const uint8_t *header;
	size_t nheader;

	return hear_header(hear, &header, &nheader) ? sub_join(sub, header, nheader, message, n)
						    : SUB_TOOK;
}

/* The rest of this stream is not waited for any more; all that came is read. */
static bool forsaken(void)
{
	int64_t most = url.timeout ? url.timeout : once ? GONE : INT64_MAX;

	return sub_open(sub) && hear_gone(hear) > most;
}

/* One message or a wait; false when it is over. */
static bool turn(void)
{
	const uint8_t *message;
	size_t n;
	int got = hear_next(hear, &message, &n, pending ? 0 : LOOK_UP);

	if (got < 0 && errno != EINTR && !bus_error)
		bus_error = errno;
	if (got <= 0) {
		if (pending)
			settle();
		pending = false;
		return !forsaken();
	}
	pending = true;
	enum sub_took took = sub_take(sub, message, n);
	if (took == SUB_ASK)
		took = ask(message, n);
	switch (took) {
	case SUB_TOOK:
	case SUB_ASK:
		break;
	case SUB_ENDED:
		settle();
		return !once;
	case SUB_FULL:
		return false;
	case SUB_ERROR:
		out_error = errno;
		return false;
	}
	return true;
}

static void run(void)
{
	unsigned turns = 0;

	while (!cli_stopping() && !out_error && !bus_error && turn()) {
		if (pending && ++turns % TICK_EACH)
			continue;
		count();
		tell();
		cli_tick();
		if (out_fd != STDOUT_FILENO)
			cli_watch_space(&space, out_fd, output);
		if (ends_over(&ends))
			break;
	}
	tell();
}

/* ---- after ---- */

static enum cli_exit finish(void)
{
	const struct sub_count *c = sub_count(sub);
	bool full = limit && c->records >= (uint64_t)limit;

	if (sub_open(sub) && hear_gone(hear) > 0 && !full && sub_cut(sub, url.address) < 0)
		out_error = errno;
	if (!out_error && sub_finish(sub) < 0)
		out_error = errno;
	settle();
	if (!append && c->streams == 0 && out_fd != STDOUT_FILENO && io_regular(out_fd))
		unlink(output); /* it is empty, and would be in the way of the next try */
	if (cli_close_output(out_fd) < 0 && !out_error)
		out_error = errno;
	if (out_error == EPIPE) {
		cli_pipe_gone();
		return EXIT_SYSTEM;
	}
	if (out_error) {
		cli_error("%s: cannot write: %s", output ? output : "standard output",
		    strerror(out_error));
		return EXIT_SYSTEM;
	}
	if (bus_error) {
		const char *why = *hear_why(hear) ? hear_why(hear) : strerror(bus_error);
		cli_error("%s%s", why, strcmp(why, told) == 0 ? "; given up" : "");
		return cli_status_of(bus_error);
	}
	if (c->foreign)
		cli_warn("%s: %" PRIu64 " messages were none of ours, or damaged", url.address,
		    c->foreign);
	return c->cut ? EXIT_DATA : EXIT_DONE;
}

int main(int argc, char **argv)
{
	read_options(cli_begin(argc, argv, &program)[0]);
	if (append) /* what it holds already is read before anything comes */
		open_output();
	open_bus();
	if (!append) /* no file is made where there is no bus */
		open_output();
	run();
	enum cli_exit code = finish();
	count();
	hear_free(hear);
	sub_free(sub);
	card_free(card);
	explicit_bzero(&secrets, sizeof secrets);
	return cli_end(code);
}
