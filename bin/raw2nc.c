/*
 * raw2nc.c - event or packet streams to netCDF files
 *
 * What a stream is, it says itself: events bring their card along; anything else is packets, for
 * which -c names the card. The library does the rest (cdf_sink.h); here are the
 * options and the loop that reads, commits in time and ends.
 */
#include <errno.h>
#include <string.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "file/cdf_final.h"
#include "file/cdf_sink.h"
#include "stream/cap.h"

static const char *card_name, *layout = "time", *final = "none", *types = "cdf5", *names = "own";
static int64_t every = TIM_S;
static struct cdf_options cdf = {.program = "raw2nc " FYKE_VERSION, .say = cli_warn};
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};
static struct tally tally = {.unit = "records"};

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &cdf.path, "FILE", "the netCDF file", 0, 0},
    {"card", 'c', CLI_STR, &card_name, "CARD", "the detector, for a packet stream", 0, 0},
    {"layout", 0, CLI_STR, &layout, "time|channel", "which comes first in the file (time)", 0, 0},
    {"final", 0, CLI_STR, &final, "nc4", "at the end, compress to netCDF-4", 0, 0},
    {"every", 0, CLI_TIME, &every, "TIME", "make safe what came, this often (1s)", TIM_MS, TIM_DAY},
    {"rotate", 0, CLI_TIME, &cdf.rotate, "TIME", "a new file this often, by UT", TIM_S, TIM_DAY},
    {"dir", 0, CLI_STR, &cdf.dir, "DIR", "files named by UT, here, with a current link", 0, 0},
    {"overwrite", 0, CLI_FLAG, &cdf.overwrite, NULL, "replace an old file", 0, 0},
    {"types", 0, CLI_STR, &types, "cdf5|classic", "classic: CDF-2, for GDL and IDL", 0, 0},
    {"names", 0, CLI_STR, &names, "own|toltec|kid", "variable names of ROACH packet files", 0, 0},
    {CLI_MIN_FREE(space)},
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

static struct card *card;
static struct cdf_sink sink;
static struct cap_reader *reader;
static bool refused;
static enum cli_exit last_layout = EXIT_DONE; /* what became of the last layouts */

/* The index of a word among those an option takes. */
static int choice(const char *option, const char *word, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	cli_die(EXIT_USAGE, "--%s=%s: is %s%s%s%s%s", option, word, words[0], " or ", words[1],
	    words[2] ? " or " : "", words[2] ? words[2] : "");
}

/* What stands in the way is told now, and not when the first datum comes, at night. */
static void check_output(void)
{
	char why[PUB_WHY];

	if (!cdf.path == !cdf.dir)
		cli_die(EXIT_USAGE, "say -o FILE, or --dir=DIR for files named by time");
	if (cdf.dir && cdf.overwrite)
		cli_die(EXIT_USAGE, "--overwrite is for -o: files in a folder get free names");
	cli_need_folder("--dir", cdf.dir);
	if (cdf.path && (!*cdf.path || !strcmp(cdf.path, "-")))
		cli_die(
		    EXIT_USAGE, "-o %s: name a file: netCDF cannot go through a pipe", cdf.path);
	if (cdf.path && pub_look(cdf.path, cdf.overwrite, why) < 0)
		cli_die(errno == EEXIST || errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "%s%s", why,
		    errno == EEXIST ? ": choose another name, or --overwrite" : "");
}

static void check_options(void)
{
	static const char *const layouts[] = {"time", "channel", NULL};
	static const char *const finals[] = {"none", "nc4", NULL};
	static const char *const kinds[] = {"cdf5", "classic", NULL};
	static const char *const namings[] = {"own", "toltec", "kid", NULL};
	bool channel = choice("layout", layout, layouts) == 1,
	     nc4 = choice("final", final, finals) == 1;

	check_output();
	if (cdf.rotate && !cdf.dir)
		cli_die(EXIT_USAGE, "--rotate needs --dir=DIR: the files are named by time");
	if (channel || nc4)
		cdf.jobs = cdf_jobs_new(channel, nc4);
	cdf.names = (enum cdf_names)choice("names", names, namings);
	/* The readers of these names know CDF-2 only. */
	cdf.classic = choice("types", types, kinds) == 1 || cdf.names == CDF_NAMES_KID;
}

/* ---- the stream begins, or begins anew ---- */

/* What came before is kept: the loop ends, and the files are finished. */
static void refuse(const char *why)
{
	cli_error("%s", why);
	refused = true;
}

static void begin_events(void)
{
	char why[CARD_WHY];
	const char *text = cap_text(reader);

	if (sink.events) {
		if (!strcmp(card->text, text))
			cdf_events_again(sink.events);
		else
			refuse("the stream goes on with another card: one file holds one "
			       "detector's events");
		return;
	}
	if (card_name)
		cli_warn("-c %s is not used: the events have brought their card", card_name);
	card = card_parse("the stream's card", text, strlen(text), why);
	if (!card)
		cli_die(EXIT_DATA, "%s", why);
	if (cdf.names != CDF_NAMES_OWN)
		cli_die(EXIT_USAGE, "--names=%s is for packets; these are events", names);
	sink.events = cdf_events_new(&cdf, card, &tally);
	if (!sink.events)
		cli_die(EXIT_SYSTEM, "out of memory");
}

static void begin_packets(void)
{
	char why[CARD_WHY > CDF_WHY ? CARD_WHY : CDF_WHY];

	if (sink.packets)
		return;
	if (!card_name)
		cli_die(EXIT_USAGE,
		    "these are packets: say which detector they are of, with -c CARD "
		    "(evbuild --list names the cards)");
	card = card_load(card_name, why);
	if (!card)
		cli_die(EXIT_USAGE, "%s", why);
	sink.packets = cdf_packets_new(&cdf, card, &tally, why);
	if (!sink.packets)
		cli_die(EXIT_USAGE, "%s", why);
}

static void begin(void)
{
	bool is_events = cap_link(reader) == CAP_LINK_USER0;

	if (is_events && strcmp(cap_name(reader), CAP_EVENTS_NAME) != 0)
		refuse("the stream is neither events (" CAP_EVENTS_NAME ") nor packets");
	else if (is_events ? sink.packets != NULL : sink.events != NULL)
		refuse("events and packets in one stream: give them to two raw2nc");
	else
		(is_events ? begin_events : begin_packets)();
}

/* ---- the loop ---- */

/* What the reader has met so far, for the loss tables. */
static void tell_state(void)
{
	struct cap_state s = *cap_state(reader);

	s.cut += cli_broke_off(); /* by us */
	cdf_sink_state(&sink, &s);
}

/* Stores what came. What the reader met before it stands in the file that is open then. */
static int take(enum cap_next got, const struct cap_record *rec)
{
	const struct cap_state *s = cap_state(reader);
	uint64_t met = s->damaged + s->skipped + s->cut + s->ended;
	static uint64_t told;

	if (met != told)
		tell_state();
	told = met;
	if (got == CAP_NEW)
		begin();
	if (got == CAP_RECORD)
		return cdf_sink_add(&sink, rec);
	return got == CAP_BEAT ? cdf_sink_time(&sink, rec->time) : 0;
}

/* Brings files that are finished into their last layout: beside the data that come, and at the end
 * all of them. */
static void step_jobs(bool all)
{
	char why[CDF_WHY];
	int got = 0;

	while (cdf.jobs && (got = cdf_jobs_step(cdf.jobs, all ? TIM_S / 2 : 0, why)) != 1) {
		if (got < 0) {
			last_layout = errno == EINTR ? EXIT_CTRL_C : EXIT_SYSTEM;
			cli_error("%s", why);
		}
		if (!all)
			break;
		cli_tick();
		if (cli_stopping())
			cdf_jobs_stop(cdf.jobs);
	}
}

/* Reads to the end of the stream. Returns the last answer of cap_read(), or CAP_WAIT when stopped;
 * *bad when the files could not be written. */
static enum cap_next read_all(bool *bad)
{
	struct cap_record rec;
	int64_t due = tim_mono() + every, look = 0;

	for (unsigned turn = 0;; turn++) {
		enum cap_next got = cap_read(reader, &rec, every < TIM_S ? every : TIM_S);
		if (got == CAP_END || got == CAP_ERROR)
			return got;
		*bad = take(got, &rec) < 0;
		if (*bad || refused || cli_stopping())
			return CAP_WAIT;
		/* Fast records are not looked up from, slow ones each time. */
		if (got == CAP_RECORD && turn % 64 && tim_coarse() < look)
			continue;
		look = tim_coarse() + TIM_S / 10;
		cli_tick();
		step_jobs(false);
		if (tim_mono() < due)
			continue;
		cli_watch_space(&space, cdf_sink_fd(&sink), cdf.dir ? cdf.dir : cdf.path);
		due = tim_mono() + every;
		if ((*bad = cdf_sink_commit(&sink) < 0))
			return CAP_WAIT;
	}
}

static enum cli_exit failed(void)
{
	int error = errno;

	cli_error("%s", cdf_sink_why(&sink));
	return error == EEXIST || error == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM;
}

/* What the stream itself said about its end; error: errno of a CAP_ERROR. */
static enum cli_exit judge(const char *name, enum cap_next last, int error)
{
	const struct cap_state *s = cap_state(reader);

	if (last == CAP_ERROR) {
		cli_error("%s: %s", name, cap_why(reader));
		return error == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
	}
	if (s->damaged || s->cut) {
		cli_error("%s: %s: what was whole is kept", name, cap_why(reader));
		return EXIT_DATA;
	}
	if (tally.out == 0 && !cli_broke_off()) {
		cli_error("%s: there was nothing to store: no file was made", name);
		return EXIT_DATA;
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	char input[CDF_WHY];
	bool bad = false;
	const char *name = args[0] && strcmp(args[0], "-") != 0 ? args[0] : "standard input";

	check_options();
	int in = cli_open_input(args[0]);
	cdf.input = cdf_run_input(args[0], in, input);
	io_bigpipe(in);
	cli_filter(in);
	if (!(reader = cap_reader_new(in)))
		cli_die(EXIT_SYSTEM, "out of memory");
	enum cap_next last = read_all(&bad);
	int error = errno;
	enum cli_exit code = bad ? failed() : EXIT_DONE;
	tell_state();
	if (cdf_sink_close(&sink) < 0 && !bad)
		code = failed();
	cli_second_interrupt(NULL, true); /* like the first one it stops a child, in order */
	step_jobs(true);
	if (code == EXIT_DONE)
		code = last_layout ? last_layout : refused ? EXIT_DATA : judge(name, last, error);
	cdf_sink_free(&sink);
	cdf_jobs_free(cdf.jobs);
	card_free(card);
	cap_reader_free(reader);
	return cli_end(code);
}
