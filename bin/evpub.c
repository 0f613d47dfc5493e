/*
 * evpub.c - publishes a stream of events or packets, one message each
 *
 * What subscribers do is not the stream's concern: ZeroMQ's queues overflow for those who are slow,
 * NATS has a queue in memory. With --tee the stream goes on first, byte for byte, and to the bus
 * second; what becomes of the bus is told, and does not end it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "bus/relay.h"
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
enum { SUBSCRIBERS, KNOWN, UNPUBLISHED };

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
static struct relay *pub;
static uint64_t taken;   /* records read */
static unsigned at_most; /* subscribers at a time */

/* ---- before ---- */

static void count(void)
{
	struct relay_count c;

	relay_count(pub, &c);
	/* With --tee what was not published has gone on all the same. */
	if (tee && relay_error(pub)) {
		c.unpublished += c.waiting;
		c.waiting = 0;
	}
	tally.in = tee ? taken : taken - c.unpublished;
	tally.held = c.waiting;
	tally.lost[UNFIT].n = c.unfit;
	tally.lost[OLD].n = c.old;
	tally.out = tally.in - c.waiting - tally_lost(&tally);
	at_most = c.subscribers > at_most ? c.subscribers : at_most;
	tally.also[SUBSCRIBERS] = (struct tally_item){"subscribers", c.subscribers};
	tally.also[KNOWN] = (struct tally_item){"stored before", c.known};
	tally.also[UNPUBLISHED] = (struct tally_item){"not published", tee ? c.unpublished : 0};
}

/* Says once per change what is wrong with the bus. */
static void tell(void)
{
	static char told[BUS_WHY];
	static bool failed;
	const char *why = relay_why(pub);

	if (failed)
		return;
	failed = relay_error(pub) != 0;
	if (failed && tee && relay_error(pub) != EINTR)
		cli_error("%s; the stream goes on without it", why);
	else if (!failed && *why && strcmp(why, told) != 0)
		cli_warn("%s; what comes waits in memory", why);
	else if (!failed && !*why && *told)
		cli_note("%s: connected again", url.address);
	strcpy(told, why);
}

static void look_up(void)
{
	uint64_t before = tally.also[SUBSCRIBERS].n;

	count();
	if (tally.also[SUBSCRIBERS].n != before)
		cli_debug("subscribers %" PRIu64, tally.also[SUBSCRIBERS].n);
	tell();
	cli_tick();
}

/* Called while the bus keeps us waiting. */
static bool go_on(void *ctx)
{
	(void)ctx;
	look_up();
	return !cli_stopping();
}

static void open_bus(const char *address)
{
	struct relay_options o = {
	    .cast = {.url = &url, .program = program.name, .go_on = go_on}, .beside = tee};
	char why[BUS_WHY], text[CAST_ADDRESS];

	if (bus_url(address, BUS_PUBLISHER, &url, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (as && !(o.cast.ssdaq = ssdaq_form(as)))
		cli_die(EXIT_USAGE, "--as=%.40s: there are ssdaq, ssdaq:16416 and ssdaq:16920", as);
	if (as && url.engine != BUS_ZMQ)
		cli_die(EXIT_USAGE, "--as=%s: SSDAQ knows ZeroMQ only", as);
	if (await && url.engine != BUS_ZMQ)
		cli_die(EXIT_USAGE, "--wait: only ZeroMQ tells of subscribers");
	if (credentials) {
		if (bus_secrets(credentials, &secrets, why) < 0)
			cli_die(cli_status_of(errno), "%s", why);
		o.cast.keys = &secrets;
	}
	pub = relay_open(&o, text, why);
	if (!pub)
		cli_die(cli_status_of(errno), "%s", why);
	cli_ready(text);
}

static void await_subscribers(void)
{
	do {
		relay_wait(pub, -1, TIM_S);
		look_up();
	} while (
	    tally.also[SUBSCRIBERS].n < (uint64_t)await && !relay_error(pub) && !cli_stopping());
}

/* ---- the stream ---- */

static void take_record(const struct cap_record *r)
{
	size_t n;
	const uint8_t *block = cap_block(in, &n);

	taken++;
	relay_record(pub, r, block, n);
}

/* A heartbeat, or the end mark of the section. */
static void take_beat(const struct cap_record *r)
{
	static uint64_t ended;
	size_t n;
	const uint8_t *block = cap_block(in, &n);

	if (cap_state(in)->ended > ended)
		relay_end(pub, block, n);
	else
		relay_beat(pub, r->time);
	ended = cap_state(in)->ended;
}

/* Without anything downstream a bus that does not work is the end. */
static bool done(enum cap_next what)
{
	return what == CAP_END || what == CAP_ERROR || (relay_error(pub) && !tee) || cli_stopping();
}

static enum cap_next run(void)
{
	enum cap_next what = CAP_NEW;
	struct cap_record r;
	unsigned n = 0;

	while (!done(what)) {
		what = cap_read(in, &r, 0);
		if (what == CAP_RECORD)
			take_record(&r);
		else if (what == CAP_BEAT)
			take_beat(&r);
		else if (what == CAP_NEW)
			relay_section(pub, cap_link(in), cap_name(in), cap_text(in));
		else if (what == CAP_WAIT)
			relay_wait(pub, in_fd, TIM_S);
		if (what == CAP_WAIT || ++n % TICK_EACH == 0)
			look_up();
	}
	return what;
}

/* ---- after ---- */

/* What the bus came to. */
static enum cli_exit finish_bus(enum cap_next what)
{
	if (!relay_error(pub) && what != CAP_ERROR && !cli_broke_off())
		relay_end(pub, NULL, 0);
	relay_finish(pub);
	int error = relay_error(pub);
	if (!error)
		return EXIT_DONE;
	const char *why = relay_why(pub);
	cli_error("%s",
	    error == EINTR ? "stopped before everything was acknowledged"
		: *why     ? why
			   : strerror(error));
	return cli_status_of(error);
}

static enum cli_exit finish(enum cap_next what)
{
	const struct cap_state *state = cap_state(in);
	enum cli_exit input_code = EXIT_DONE;
	int out_error = cap_tee_error(in);

	if (what == CAP_ERROR && !out_error) {
		input_code = errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
		cli_error("%s: %s", input, cap_why(in));
	}
	/* The stream's end first: nothing downstream waits for subscribers. */
	if (tee && !out_error && close(STDOUT_FILENO) < 0)
		out_error = errno;
	enum cli_exit bus_code = finish_bus(what);
	if (out_error == EPIPE) {
		cli_pipe_gone();
		return EXIT_SYSTEM;
	}
	if (out_error) {
		cli_error("standard output: cannot write: %s", strerror(out_error));
		return EXIT_SYSTEM;
	}
	if (bus_code != EXIT_DONE)
		return bus_code;
	if (input_code == EXIT_DONE && (state->damaged || state->cut || state->skipped)) {
		cli_error("%s: %s; what is whole was published (%" PRIu64 " bytes skipped)", input,
		    cap_why(in), state->skipped);
		return EXIT_DATA;
	}
	return input_code;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);

	if (tee && isatty(STDOUT_FILENO))
		cli_die(EXIT_USAGE,
		    "--tee: not writing a stream to a terminal: pipe it into a "
		    "program, or into a file by >FILE");
	in_fd = cli_open_input(args[1]);
	if (in_fd != STDIN_FILENO)
		input = args[1];
	in = cap_reader_new(in_fd);
	if (!in)
		cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
	if (tee)
		cap_tee(in, STDOUT_FILENO);
	open_bus(args[0]);
	cli_filter(in_fd);
	if (await)
		await_subscribers();

	enum cli_exit code = finish(run());
	count();
	tally.also[SUBSCRIBERS].n = at_most; /* by now they may have gone */
	if (code == EXIT_DONE && url.engine == BUS_ZMQ && !tee && at_most == 0 && tally.out > 0)
		cli_warn(
		    "%s: nobody was there to receive it (--wait=1 waits for one)", url.address);
	relay_free(pub);
	cap_reader_free(in);
	explicit_bzero(&secrets, sizeof secrets);
	return cli_end(code);
}
