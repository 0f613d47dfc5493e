/*
 * raw2nc.c - event or packet streams to netCDF files
 *
 * What a stream is, it says itself: events bring their card along; anything else is packets, for
 * which -c names the card. The library does the rest (cdf_events.h, cdf_packets.h); here are the
 * options and the loop that reads, commits in time and ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "file/cdf_events.h"
#include "file/cdf_packets.h"
#include "file/pub.h"
#include "stream/cap.h"
#include "stream/card.h"

static const char *output, *card_name, *layout = "time", *final, *types = "cdf5", *names = "own";
static const char *dir;
static int64_t every = TIM_S, rotate, min_free = INT64_C(1) << 30;
static bool overwrite;
static struct tally tally = {.unit = "records"};

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &output, "FILE", "the netCDF file", 0, 0},
    {"card", 'c', CLI_STR, &card_name, "CARD", "the detector, for a packet stream", 0, 0},
    {"layout", 0, CLI_STR, &layout, "time|channel", "which comes first in the file (time)", 0, 0},
    {"final", 0, CLI_STR, &final, "nc4", "at the end, compress to netCDF-4", 0, 0},
    {"every", 0, CLI_TIME, &every, "TIME", "make safe what came, this often (1s)", TIM_MS, TIM_DAY},
    {"rotate", 0, CLI_TIME, &rotate, "TIME", "a new file at each multiple of this, UT", TIM_S,
	TIM_DAY},
    {"dir", 0, CLI_STR, &dir, "DIR", "files named by UT, here, with a current link", 0, 0},
    {"overwrite", 0, CLI_FLAG, &overwrite, NULL, "replace an old file", 0, 0},
    {"types", 0, CLI_STR, &types, "cdf5|classic", "classic: CDF-2, for GDL and IDL", 0, 0},
    {"names", 0, CLI_STR, &names, "own|toltec|kid", "variable names of ROACH packet files", 0, 0},
    {"min-free", 0, CLI_SIZE, &min_free, "SIZE", "warn when less disk is free (1G)", 0, 0},
    {0},
};

static const struct cli_program program = {
    .name = "raw2nc",
    .args = "[FILE]",
    .about = "writes a stream of events or packets to netCDF",
    .options = options,
    .max_args = 1,
    .tally = &tally,
    .can_lose = true,
};

static struct cdf_options cdf;
static struct card *card;
static struct cdf_events *events;
static struct cdf_packets *packets;
static struct cap_reader *reader;
static struct pub_space space;

/* The index of a word among those an option takes. */
static int choice(const char *option, const char *word, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	cli_die(EXIT_USAGE, "--%s=%s: must be one of those that --help shows", option, word);
}

static void check_options(void)
{
	static const char *const layouts[] = {"time", "channel", NULL},
				 *const finals[] = {"nc4", NULL};
	static const char *const kinds[] = {"cdf5", "classic", NULL};
	static const char *const namings[] = {"own", "toltec", "kid", NULL};

	if (!output == !dir)
		cli_die(EXIT_USAGE, "say -o FILE, or --dir=DIR for files named by time");
	if (rotate && !dir)
		cli_die(EXIT_USAGE, "--rotate needs --dir=DIR: the files are named by time");
	cdf.path = output;
	cdf.dir = dir;
	cdf.rotate = rotate;
	cdf.overwrite = overwrite;
	cdf.channel = choice("layout", layout, layouts) == 1;
	cdf.nc4 = final && choice("final", final, finals) == 0;
	cdf.classic = choice("types", types, kinds) == 1;
	cdf.names = (enum cdf_names)choice("names", names, namings);
	/* What the readers of these files know is CDF-2. */
	if (cdf.names == CDF_NAMES_KID)
		cdf.classic = true;
	cdf.program = "raw2nc " FYKE_VERSION;
	cdf.say = cli_warn;
	space.min = min_free;
}

/* Where the data come from, for the files' attributes: a regular file's last name and size. */
static const char *describe_input(const char *path, int fd)
{
	static char text[512];
	struct stat st;

	if (!path || !strcmp(path, "-") || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "standard input";
	const char *slash = strrchr(path, '/');
	snprintf(text, sizeof text, "%.300s (%lld bytes)", slash ? slash + 1 : path,
	    (long long)st.st_size);
	return text;
}

/* ---- the stream begins, or begins anew ---- */

static void begin_events(void)
{
	char why[CARD_WHY];
	const char *text = cap_text(reader);

	if (events && !strcmp(card->text, text)) {
		cdf_events_again(events);
		return;
	}
	if (events)
		cli_die(EXIT_DATA,
		    "the stream goes on with another card: one file holds one detector's events");
	if (card_name)
		cli_warn("-c %s is not used: the events have brought their card", card_name);
	card = card_parse("the stream's card", text, strlen(text), why);
	if (!card)
		cli_die(EXIT_DATA, "%s", why);
	if (cdf.names != CDF_NAMES_OWN)
		cli_die(EXIT_USAGE, "--names=%s is for packets; these are events", names);
	events = cdf_events_new(&cdf, card, &tally);
	if (!events)
		cli_die(EXIT_SYSTEM, "out of memory");
}

static void begin_packets(void)
{
	char why[CARD_WHY > CDF_WHY ? CARD_WHY : CDF_WHY];

	if (packets)
		return;
	if (!card_name)
		cli_die(EXIT_USAGE,
		    "these are packets: say which detector they are of, with -c CARD "
		    "(evbuild --list names the cards)");
	card = card_load(card_name, why);
	if (!card)
		cli_die(EXIT_USAGE, "%s", why);
	packets = cdf_packets_new(&cdf, card, &tally, why);
	if (!packets)
		cli_die(EXIT_USAGE, "%s", why);
}

static void begin(void)
{
	bool is_events = cap_link(reader) == CAP_LINK_USER0;

	if (is_events && strcmp(cap_name(reader), CAP_EVENTS_NAME) != 0)
		cli_die(
		    EXIT_DATA, "the stream is neither events (%s) nor packets", CAP_EVENTS_NAME);
	if (is_events ? packets != NULL : events != NULL)
		cli_die(EXIT_DATA, "events and packets in one stream: give them to two raw2nc");
	if (is_events)
		begin_events();
	else
		begin_packets();
}

/* ---- the loop ---- */

static int add(const struct cap_record *rec)
{
	if (events)
		return cdf_events_add(events, rec);
	return cdf_packets_add(packets, rec);
}

static int beat(int64_t now)
{
	if (events)
		return cdf_events_time(events, now);
	return packets ? cdf_packets_time(packets, now) : 0;
}

/* What the reader has met so far, for the loss tables. */
static void tell_state(void)
{
	if (events)
		cdf_events_state(events, cap_state(reader));
	else if (packets)
		cdf_packets_state(packets, cap_state(reader));
}

static int commit(void)
{
	tell_state();
	return events ? cdf_events_commit(events) : packets ? cdf_packets_commit(packets) : 0;
}

static int finish(void)
{
	tell_state();
	return events ? cdf_events_close(events) : packets ? cdf_packets_close(packets) : 0;
}

static void watch_disk(void)
{
	int fd = events ? cdf_events_fd(events) : packets ? cdf_packets_fd(packets) : -1;

	if (fd >= 0 && pub_space_low(&space, fd))
		cli_warn("only %lld MiB are left on the disk", (long long)(space.free >> 20));
}

/* Reads to the end of the stream. Returns the last answer of cap_read(), or CAP_WAIT when stopped;
 * *bad when the files could not be written. */
static enum cap_next read_all(bool *bad)
{
	struct cap_record rec;
	int64_t due = tim_mono() + every;

	for (unsigned turn = 0; !*bad; turn++) {
		enum cap_next got = cap_read(reader, &rec, every);
		if (got == CAP_END || got == CAP_ERROR)
			return got;
		if (got == CAP_RECORD)
			*bad = add(&rec) < 0;
		else if (got == CAP_NEW)
			begin();
		else if (got == CAP_BEAT)
			*bad = beat(rec.time) < 0;
		if (cli_stopping())
			return CAP_WAIT;
		if (got == CAP_RECORD && turn % 64)
			continue;
		cli_tick();
		if (!*bad && tim_mono() >= due) {
			watch_disk();
			*bad = commit() < 0;
			due = tim_mono() + every;
		}
	}
	return CAP_WAIT;
}

static enum cli_exit failed(void)
{
	int error = errno;

	cli_error("%s", events ? cdf_events_why(events) : cdf_packets_why(packets));
	return error == EEXIST || error == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM;
}

/* What the stream itself said about its end; error: errno of a CAP_ERROR. */
static enum cli_exit judge(enum cap_next last, int error)
{
	const struct cap_state *s = cap_state(reader);

	if (last == CAP_ERROR) {
		cli_error("%s", cap_why(reader));
		return error == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
	}
	if (s->damaged || s->cut) {
		cli_error("%s: what was whole is kept", cap_why(reader));
		return EXIT_DATA;
	}
	if (tally.out == 0) {
		cli_error("there was nothing to store: no file was made");
		return EXIT_DATA;
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	bool bad = false;

	check_options();
	int in = cli_open_input(args[0]);
	cdf.input = describe_input(args[0], in);
	io_bigpipe(in);
	cli_filter(in);
	reader = cap_reader_new(in);
	if (!reader)
		cli_die(EXIT_SYSTEM, "out of memory");
	enum cap_next last = read_all(&bad);
	int error = errno;
	enum cli_exit code = bad ? failed() : EXIT_DONE;
	if (finish() < 0 && !bad)
		code = failed();
	if (code == EXIT_DONE)
		code = judge(last, error);
	cdf_events_free(events);
	cdf_packets_free(packets);
	card_free(card);
	cap_reader_free(reader);
	return cli_end(code);
}
