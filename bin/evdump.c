/* evdump.c - packets and events as text, or a verdict on a stream */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "stream/cap.h"
#include "stream/card.h"
#include "stream/evt.h"
#include "stream/pkt.h"
#include "stream/show.h"

#define LOOK_UP (200 * TIM_MS) /* how long text may wait to be written while the input is slow */

static const char *form_text = "text", *card_name, *fields;
static int64_t count = INT64_MAX;
static bool check, raw;

static const struct cli_option options[] = {
    {"format", 'O', CLI_STR, &form_text, "FORM", "text, json (an object a line) or tsv", 0, 0},
    {"fields", 'f', CLI_STR, &fields, "NAME,...", "the values of these fields", 0, 0},
    {"raw", 0, CLI_FLAG, &raw, NULL, "counts as they came, not in units", 0, 0},
    {"card", 'c', CLI_STR, &card_name, "CARD", "what is in the packets (events say it themselves)",
	0, 0},
    {"count", 'n', CLI_INT, &count, "COUNT", "stop after so many", 1, INT64_MAX},
    {"check", 0, CLI_FLAG, &check, NULL, "no text: verify hashes, order and end mark", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { NO_EVENT };
static struct tally tally = {.unit = "records", .lost = {{"no event", 0}}};

static const struct cli_program program = {.name = "evdump",
    .args = "[FILE]",
    .about = "packets and events as text",
    .prints = true,
    .options = options,
    .max_args = 1,
    .tally = &tally};

static const char *input; /* for messages */
static struct cap_reader *in;
static struct show *show;
static struct card *given, *own; /* by -c; of the present events */
static uint64_t packets, events;
static uint64_t no_events, no_datagrams, holes; /* the last: in the event numbers */
static uint64_t hashed, dropped, next_number;
static bool fresh; /* a section begins: its first event says where numbers start */

static enum show_form form(void)
{
	static const char *const name[] = {"text", "json", "tsv"};

	for (int i = 0; i < 3; i++)
		if (strcmp(form_text, name[i]) == 0)
			return (enum show_form)i;
	cli_die(EXIT_USAGE, "-O %s: there are text, json and tsv", form_text);
}

static void use_card(const struct card *c)
{
	if (show_card(show, c) < 0)
		cli_die(EXIT_USAGE, "-f: %s", show_why(show));
}

static void flush(void)
{
	if (show_flush(show) == 0)
		return;
	if (errno != EPIPE)
		cli_die(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	cli_pipe_gone();
	exit(cli_end(EXIT_SYSTEM));
}

/* A new section: events bring their card along. */
static void begin_section(void)
{
	char why[CARD_WHY], name[64];

	flush(); /* what follows may be the end */
	fresh = true;
	if (cap_link(in) != CAP_LINK_USER0) {
		if (fields && !given)
			cli_die(EXIT_USAGE,
			    "-f: %s holds packets: say with -c CARD what is in them", input);
		use_card(given);
		return;
	}
	if (given && !own)
		cli_warn("-c %s is not used: the events have brought their card", card_name);
	if (strcmp(cap_name(in), CAP_EVENTS_NAME) != 0)
		cli_die(EXIT_DATA,
		    "%s: events of another version ('%s', and this program reads %s)", input,
		    cli_safe(name, sizeof name, cap_name(in), strlen(cap_name(in))),
		    CAP_EVENTS_NAME);
	const char *text = cap_text(in);
	struct card *c = card_parse(input, text, strlen(text), why);
	if (!c)
		cli_die(EXIT_DATA, "%s: the card in the stream: %s", input, why);
	use_card(c);
	card_free(own);
	own = c;
}

static void one_event(const struct cap_record *r)
{
	struct evt e;
	const char *why = evt_decode(r->data, r->caplen, &e);

	events++;
	if (why || (!check && show_event(show, r, &e) < 0)) {
		if (no_events++ == 0)
			cli_warn("%s: %s (this is counted from now on)", input,
			    why ? why : show_why(show));
		tally.lost[NO_EVENT].n++;
		return;
	}
	tally.out++;
	if (!fresh && e.number != next_number)
		holes++;
	fresh = false;
	next_number = e.number + 1;
}

static void one_packet(const struct cap_record *r)
{
	struct pkt p;
	enum pkt_verdict v = pkt_decode(r, &p);

	packets++;
	tally.out++;
	no_datagrams += v != PKT_OK;
	if (!check)
		show_packet(show, r, &p, v);
}

static void read_all(void)
{
	struct cap_record r;
	enum cap_next what = CAP_WAIT;
	int64_t flushed = tim_mono();

	while (what != CAP_END && packets + events < (uint64_t)count && !cli_stopping()) {
		what = cap_read(in, &r, LOOK_UP);
		if (what == CAP_ERROR) {
			enum cli_exit code = errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
			flush();
			cli_die(code, "%s: %s", input, cap_why(in));
		}
		if (what == CAP_NEW)
			begin_section();
		if (what == CAP_RECORD) {
			tally.in++;
			hashed += r.hashed;
			dropped += r.dropped;
			if (r.link == CAP_LINK_USER0)
				one_event(&r);
			else
				one_packet(&r);
		}
		int64_t now = tim_mono();
		if (what == CAP_WAIT || now - flushed > LOOK_UP) {
			flush();
			flushed = now;
			cli_tick();
		}
	}
	flush();
}

/* Whether the stream was whole; one line about it on standard output when print is set. */
static bool verdict(bool print)
{
	const struct cap_state *s = cap_state(in);
	bool damaged = s->damaged > 0, good = !damaged && !s->cut && !holes && !no_events;

	if (!print)
		return good;
	printf("%s: %s:", input, good ? "good" : damaged ? "damaged" : s->cut ? "cut" : "bad");
	if (packets || !events)
		printf(" %" PRIu64 " packets", packets);
	if (events)
		printf(" %" PRIu64 " events", events);
	printf(", %" PRIu64 " hashes verified, %" PRIu64 " of %" PRIu64
	       " sections with an end mark",
	    hashed, s->ended, s->sections);
	dropped = s->osdrop > dropped ? s->osdrop : dropped; /* with those after the last one */
	const struct tally_item also[] = {{"damaged places", s->damaged},
	    {"bytes skipped", s->skipped}, {"holes in the event numbers", holes},
	    {"no events", no_events}, {"no datagrams", no_datagrams}, {"dropped before", dropped}};
	for (size_t i = 0; i < sizeof also / sizeof *also; i++)
		if (also[i].n > 0)
			printf(", %s %" PRIu64, also[i].name, also[i].n);
	if (damaged || s->cut)
		printf(" (%s)", cap_why(in));
	else if (!hashed && packets + events > 0)
		printf(" (without hashes only the lengths could be checked)");
	putchar('\n');
	return good;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	char why[CARD_WHY];

	input = args[0] && strcmp(args[0], "-") != 0 ? args[0] : "standard input";
	show = show_new(STDOUT_FILENO, form(), fields, raw);
	if (card_name && !(given = card_load(card_name, why)))
		cli_die(EXIT_USAGE, "%s", why);
	int fd = cli_open_input(args[0]);
	cli_filter(fd);
	io_bigpipe(STDOUT_FILENO);
	in = cap_reader_new(fd);
	if (!show || !in)
		cli_die(EXIT_SYSTEM, "no memory");
	read_all();
	bool good = verdict(check);
	if (!good && !check)
		cli_error("%s: %s", input,
		    *cap_why(in) ? cap_why(in)
			: holes  ? "event numbers are missing"
				 : "not every record is an event");
	cap_reader_free(in);
	show_free(show);
	card_free(given);
	card_free(own);
	return cli_end(good ? EXIT_DONE : EXIT_DATA);
}
