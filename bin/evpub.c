/*
 * evpub.c - publishes a stream of events or packets, one message each
 *
 * What subscribers do is not the stream's concern: ZeroMQ's queues overflow for those who are slow,
 * NATS has a queue in memory. With --tee the stream goes on first and to the bus second.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "bus/cast.h"
#include "bus/ssdaq.h"
#include "stream/cap.h"

#define TICK_EACH 256 /* records between looks at the clock */

static const char *credentials, *as;
static int64_t await;
static bool tee;

static const struct cli_option options[] = {
    {"tee", 0, CLI_FLAG, &tee, NULL, "pass the stream on to standard output", 0, 0},
    {"as", 0, CLI_STR, &as, "FORM", "ssdaq or ssdaq:16920: messages that SSDAQ's listeners read", 0,
	0},
    {"wait", 0, CLI_INT, &await, "N", "read nothing before N subscribers are there (0)", 0, 10000},
    {"credentials", 0, CLI_STR, &credentials, "FILE", "names and keys, in a file of mode 0600", 0,
	0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { UNFIT, OLD };
static struct tally tally = {.unit = "records", .lost = {{"unfit", 0}, {"old", 0}}};
enum { SUBSCRIBERS, KNOWN };

static const struct cli_program program = {.name = "evpub",
    .args = "URL [FILE]",
    .about = "publish a stream over ZeroMQ or NATS",
    .options = options,
    .min_args = 1,
    .max_args = 2,
    .tally = &tally,
    .can_lose = true};

static const char *input = "standard input";
static int in_fd;
static struct bus_url url;
static struct bus_secrets secrets;
static struct cap_reader *in;
static struct cap_writer *out; /* --tee */
static struct cast *pub;
static int out_error; /* errno of --tee's output */
static int bus_error; /* errno of the bus */

/* ---- before ---- */

static void note(const char *text)
{
	cli_warn("%s", text);
}

static enum cli_exit status_of(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EMSGSIZE:
	case EADDRINUSE:
		return EXIT_REFUSED;
	case EINVAL:
		return EXIT_USAGE;
	}
	return EXIT_SYSTEM;
}

static void flush_tee(void)
{
	if (out && !out_error && cap_flush(out) < 0)
		out_error = errno;
}

static void count(void)
{
	uint64_t waiting = cast_waiting(pub);

	tally.held = waiting;
	tally.out = tally.in - waiting - tally_lost(&tally);
	tally.also[SUBSCRIBERS] = (struct tally_item){"subscribers", cast_subscribers(pub)};
	tally.also[KNOWN] = (struct tally_item){"stored before", cast_known(pub)};
}

/* Called while the bus keeps us waiting: downstream must not. */
static bool go_on(void)
{
	flush_tee();
	count();
	cli_tick();
	return !cli_stopping() && !out_error;
}

static void open_bus(const char *address)
{
	struct cast_options o = {
	    .url = &url, .program = program.name, .go_on = go_on, .note = note};
	char why[BUS_WHY], text[CAST_ADDRESS];

	if (bus_url(address, BUS_PUBLISHER, &url, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (as && !(o.ssdaq = ssdaq_form(as)))
		cli_die(EXIT_USAGE, "--as=%.40s: there are ssdaq, ssdaq:16416 and ssdaq:16920", as);
	if (as && url.engine != BUS_ZMQ)
		cli_die(EXIT_USAGE, "--as=%s: SSDAQ knows ZeroMQ only", as);
	if (await && url.engine != BUS_ZMQ)
		cli_die(EXIT_USAGE, "--wait: only ZeroMQ tells of subscribers");
	if (credentials) {
		if (bus_secrets(credentials, &secrets, why) < 0)
			cli_die(status_of(errno), "%s", why);
		o.keys = &secrets;
	}
	pub = cast_open(&o, text, why);
	if (!pub)
		cli_die(status_of(errno), "%s", why);
	cli_ready(text);
}

/* Whether the bus still works; says once what is wrong. */
static bool bus_ok(int rc)
{
	static char told[BUS_WHY];
	const char *why = cast_why(pub);

	if (rc < 0 && !bus_error)
		bus_error = errno;
	if (url.engine == BUS_NATS && strcmp(why, told) != 0) {
		if (*why && !bus_error)
			cli_warn("%s; what comes waits in memory", why);
		else if (!*why)
			cli_note("%s: connected again", url.address);
		strcpy(told, why);
	}
	return !bus_error;
}

static void await_subscribers(void)
{
	while (cast_subscribers(pub) < (unsigned)await && !cli_stopping()) {
		if (!bus_ok(cast_wait(pub, -1, TIM_S)))
			return;
		cli_tick();
	}
}

/* ---- the stream ---- */

static void tee_section(void)
{
	uint8_t *header;

	if (!tee || out_error)
		return;
	header = malloc(CAP_HEADER_MAX + CAP_DESC_MAX);
	if (!out)
		out = cap_writer_bare(STDOUT_FILENO);
	if (!out || !header)
		cli_die(EXIT_SYSTEM, "no memory");
	size_t n = cap_header(
	    header, cap_link(in), program.name, cap_name(in), *cap_text(in) ? cap_text(in) : NULL);
	if (cap_pass(out, header, n) < 0)
		out_error = errno;
	free(header);
}

static void tee_record(const struct cap_record *r, const uint8_t *block, size_t n)
{
	uint8_t *room;

	if (!out || out_error)
		return;
	if (block) {
		if (cap_pass(out, block, n) < 0)
			out_error = errno;
	} else if ((room = cap_room(out, r->caplen))) {
		memcpy(room, r->data, r->caplen);
		cap_put(out, r->caplen, r->origlen, r->time, r->dropped);
	} else {
		out_error = errno;
	}
}

static void take_record(const struct cap_record *r)
{
	size_t n;
	const uint8_t *block = cap_block(in, &n);

	tally.in++;
	tee_record(r, block, n);
	switch (cast_record(pub, r, block, n)) {
	case CAST_SENT:
		break;
	case CAST_OLD:
		tally.lost[OLD].n++;
		break;
	case CAST_NO:
		tally.lost[UNFIT].n++;
		break;
	case CAST_ERROR:
		tally.in--; /* it was not taken */
		(void)bus_ok(-1);
	}
}

/* A heartbeat, or the end mark of the section. */
static void take_beat(const struct cap_record *r)
{
	static uint64_t ended;
	size_t n;
	const uint8_t *block = cap_block(in, &n);

	tee_record(r, block, n);
	if (cap_state(in)->ended > ended) {
		flush_tee();
		(void)bus_ok(cast_end(pub, block, n));
	} else {
		(void)bus_ok(cast_beat(pub, r->time));
	}
	ended = cap_state(in)->ended;
}

static enum cap_next run(void)
{
	enum cap_next what = CAP_NEW;
	struct cap_record r;
	unsigned n = 0;

	while (
	    what != CAP_END && what != CAP_ERROR && !out_error && !bus_error && !cli_stopping()) {
		what = cap_read(in, &r, 0);
		if (what == CAP_RECORD) {
			take_record(&r);
		} else if (what == CAP_BEAT) {
			take_beat(&r);
		} else if (what == CAP_NEW) {
			tee_section();
			(void)bus_ok(cast_section(pub, cap_link(in), cap_name(in), cap_text(in)));
		} else if (what == CAP_WAIT) {
			flush_tee();
			(void)bus_ok(cast_wait(pub, in_fd, TIM_S));
		}
		if (what == CAP_WAIT || ++n % TICK_EACH == 0) {
			count();
			cli_tick();
		}
	}
	return what;
}

/* ---- after ---- */

static enum cli_exit finish(enum cap_next what)
{
	enum cli_exit code = EXIT_DONE;
	const struct cap_state *state = cap_state(in);

	if (what == CAP_ERROR) {
		code = errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
		cli_error("%s: %s", input, cap_why(in));
	}
	/* The stream's end first: nothing downstream waits for subscribers. */
	flush_tee();
	if (out && !out_error && close(STDOUT_FILENO) < 0)
		out_error = errno;
	if (!bus_error && what != CAP_ERROR)
		(void)bus_ok(cast_end(pub, NULL, 0));
	if (!bus_error)
		(void)bus_ok(cast_finish(pub));
	if (out_error == EPIPE) {
		cli_pipe_gone();
		return EXIT_SYSTEM;
	}
	if (out_error) {
		cli_error("standard output: cannot write: %s", strerror(out_error));
		return EXIT_SYSTEM;
	}
	if (bus_error) {
		const char *why = cast_why(pub);
		cli_error("%s",
		    bus_error == EINTR ? "stopped before everything was acknowledged"
			: *why         ? why
				       : strerror(bus_error));
		return status_of(bus_error);
	}
	if (code == EXIT_DONE && (state->damaged || state->cut || state->skipped)) {
		cli_error("%s: %s; what is whole was published (%" PRIu64 " bytes skipped)", input,
		    cap_why(in), state->skipped);
		code = EXIT_DATA;
	}
	return code;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);

	if (tee)
		cli_no_terminal(STDOUT_FILENO, "a stream");
	in_fd = cli_open_input(args[1]);
	if (in_fd != STDIN_FILENO)
		input = args[1];
	in = cap_reader_new(in_fd);
	if (!in)
		cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
	open_bus(args[0]);
	cli_filter(in_fd);
	await_subscribers();

	enum cli_exit code = finish(run());
	count();
	cast_free(pub);
	cap_reader_free(in);
	cap_writer_free(out);
	explicit_bzero(&secrets, sizeof secrets);
	return cli_end(code);
}
