/*
 * evstat.c - a live view of a stream, on a bus, in a file or pipe, or of programs by their --status
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "bus/hear.h"
#include "bus/screen.h"
#include "bus/statfile.h"
#include "bus/view.h"
#include "bus/watch.h"
#include "stream/cap.h"

#define KEY_WAIT   (100 * TIM_MS) /* between looks at the keyboard */
#define TURN_MOST  4096           /* messages between two looks at the clock */
#define FILES_MOST 64

static const char *form_text = "text", *credentials;
static int64_t every = TIM_S, limit;

static const struct cli_option options[] = {
    {"format", 'O', CLI_STR, &form_text, "FORM", "text, or json (an object a line)", 0, 0},
    {"every", 0, CLI_TIME, &every, "TIME", "show so often (1s)", 100 * TIM_MS, TIM_H},
    {"count", 'n', CLI_INT, &limit, "COUNT", "end after showing so many times", 1, INT64_MAX},
    {"credentials", 0, CLI_STR, &credentials, "FILE", "names and keys, in a file of mode 0600", 0,
	0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { MISSED };
static struct tally tally = {.unit = "records", .lost = {{"missed", 0}}};

static struct cli_program program = {.name = "evstat",
    .args = "URL | FILE...",
    .about = "a live view of a stream, or of running programs",
    .options = options,
    .prints = true,
    .min_args = 1,
    .max_args = FILES_MOST};

static const char *const *names; /* the arguments */
static const char *input;        /* the file or pipe, for messages */
static struct bus_url url;
static struct bus_secrets secrets;
static struct hear *hear;
static struct cap_reader *in;
static int in_fd = -1;
static struct watch watch;
static struct view view;
static struct screen *screen;
static bool json, over, quit;
static enum cli_exit code = EXIT_DONE;
static char trouble[1024];   /* told when the screen is given back */
static char page[VIEW_TEXT]; /* the last one */
static size_t page_size;
static const char *state = "waiting";

/* ---- streams ---- */

static void fail(int error, const char *of, const char *why)
{
	over = true;
	code = error == EPROTO ? EXIT_DATA : cli_status_of(error);
	snprintf(trouble, sizeof trouble, "%s%s%s", of, *of ? ": " : "", why);
}

/* What is there, for at most wait. */
static void turn_bus(int64_t wait)
{
	const uint8_t *message, *header;
	size_t n, nheader;
	int got = 1;

	for (int i = 0; i < TURN_MOST && got > 0; i++) {
		got = hear_next(hear, &message, &n, wait);
		wait = 0;
		if (got < 0 && errno != EINTR)
			fail(errno, "", hear_why(hear));
		if (got <= 0)
			continue;
		if (!watch_take(&watch, &view, message, n) && hear_header(hear, &header, &nheader))
			watch_join(&watch, &view, header, nheader, message, n);
		state = watch.bare ? "no header of this run: it cannot be read"
		    : watch.ended  ? "the run has ended"
				   : "running";
	}
	bool nats = url.engine == BUS_NATS;
	if (hear_state(hear) == HEAR_GONE)
		state = nats ? "no broker" : "the publisher is gone";
	else if (hear_state(hear) == HEAR_NOBODY && !nats)
		state = "no publisher yet";
}

static void turn_file(int64_t wait)
{
	struct cap_record r;
	enum cap_next what = CAP_NEW;

	for (int i = 0; i < TURN_MOST && what != CAP_WAIT && !over; i++) {
		what = cap_read(in, &r, wait);
		wait = 0;
		state = "running";
		if (what == CAP_RECORD)
			view_record(&view, &r);
		else if (what == CAP_NEW)
			view_section(&view, cap_link(in), cap_text(in));
		over = what == CAP_END || what == CAP_ERROR;
	}
	if (!over)
		return;
	const struct cap_state *s = cap_state(in);
	bool bad = s->damaged || s->cut;
	state = bad ? "damaged or cut" : "ended";
	if (what == CAP_ERROR)
		fail(errno, input, cap_why(in));
	else if (bad)
		fail(EPROTO, input, cap_why(in));
}

/* ---- status files ---- */

static size_t status_page(int64_t now)
{
	size_t n = 0;

	if (!json)
		n = statfile_heading(page, VIEW_TEXT);
	for (int i = 0; names[i]; i++)
		n += statfile_row(names[i], json, now, page + n, VIEW_TEXT - n);
	return n;
}

/* ---- the page ---- */

static void make_page(void)
{
	int64_t now = tim_now();

	view_mark(&view, tim_mono());
	if (!hear && !in)
		page_size = status_page(now);
	else if (json)
		page_size = view_json(&view, names[0], state, now, page);
	else
		page_size = view_text(
		    &view, names[0], state, now, screen ? screen_width(screen) : 80, page);
}

static void put_page(void)
{
	int rc = screen ? screen_draw(screen, page, page_size)
			: io_writeall(STDOUT_FILENO, page, page_size);
	if (rc == 0)
		return;
	over = true;
	code = EXIT_SYSTEM;
	page_size = 0;
	if (errno == EPIPE)
		cli_pipe_gone();
	else
		cli_error("standard output: %s", strerror(errno));
}

static void count(void)
{
	tally.out = view.records;
	tally.lost[MISSED].n = view.missed;
	tally.in = tally.out + view.missed;
}

static void turn(int64_t until)
{
	int64_t wait = until - tim_mono(), key = screen ? KEY_WAIT : wait;

	wait = wait < 0 ? 0 : wait < key ? wait : key;
	if (hear)
		turn_bus(wait);
	else if (in)
		turn_file(wait);
	else
		(void)io_wait(screen ? screen_fd(screen) : -1, wait);
	if (screen)
		for (int c; (c = screen_key(screen)) >= 0;)
			quit |= c == 'q' || c == 'Q' || c == 4;
	over |= quit;
	count();
	cli_tick();
}

/* ---- before ---- */

static void open_bus(void)
{
	char address[HEAR_ADDRESS], why[BUS_WHY];
	const struct bus_secrets *keys = credentials ? &secrets : NULL;

	if (names[1])
		cli_die(EXIT_USAGE, "one URL, or files");
	if (bus_url(names[0], BUS_SUBSCRIBER, &url, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (keys && bus_secrets(credentials, &secrets, why) < 0)
		cli_die(cli_status_of(errno), "%s", why);
	hear = hear_open(&url, keys, false, address, why);
	if (!hear)
		cli_die(cli_status_of(errno), "%s", why);
}

/* A file of status begins with a brace. */
static bool is_status(const char *path)
{
	char c = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	bool brace = !io_ispipe(fd) && read(fd, &c, 1) == 1 && c == '{';
	close(fd);
	return brace;
}

static void open_source(void)
{
	json = strcmp(form_text, "json") == 0;
	if (!json && strcmp(form_text, "text") != 0)
		cli_die(EXIT_USAGE, "-O %.40s: there are text and json", form_text);
	if (strstr(names[0], "://")) {
		open_bus();
	} else if (strcmp(names[0], "-") == 0 || !is_status(names[0])) {
		if (names[1])
			cli_die(EXIT_USAGE, "one stream, or files of --status");
		in_fd = cli_open_input(names[0]);
		input = in_fd == STDIN_FILENO ? "standard input" : names[0];
		in = cap_reader_new(in_fd);
		if (!in)
			cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
		view.whole = !io_ispipe(in_fd);
		if (!view.whole) /* a file may be looked at for as long as one likes */
			cli_filter(in_fd);
	}
	if (hear || in)
		program.tally = &tally;
	if (!json && isatty(STDOUT_FILENO))
		screen = screen_open(STDOUT_FILENO);
}

/* A page that ended by itself, perhaps before anybody could look, stays behind. */
static void end_screen(void)
{
	if (!screen)
		return;
	program.tally = NULL; /* who has looked at the page needs no last line */
	screen_close(screen);
	screen = NULL;
	if (over && !quit)
		put_page();
}

int main(int argc, char **argv)
{
	int64_t shown = 0;

	names = cli_begin(argc, argv, &program);
	open_source();
	int64_t due = tim_mono() + every;
	view.mark_mono = tim_mono();
	while (!over && !cli_stopping()) {
		turn(due);
		if (tim_mono() < due && !over)
			continue;
		if (code != EXIT_DONE && !view.records) /* there is nothing to see */
			break;
		make_page();
		put_page();
		due = tim_mono() + every;
		over |= limit && ++shown == limit;
	}
	end_screen();
	if (*trouble)
		cli_error("%s", trouble);
	hear_free(hear);
	cap_reader_free(in);
	explicit_bzero(&secrets, sizeof secrets);
	return cli_end(code);
}
