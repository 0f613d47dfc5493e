/*
 * evstat.c - a live view of a stream, on a bus, in a file or pipe, or of programs by their --status
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "bus/nats.h"
#include "bus/screen.h"
#include "bus/statfile.h"
#include "bus/view.h"
#include "bus/zmq.h"
#include "stream/cap.h"

#define KEY_WAIT   (100 * TIM_MS) /* between looks at the keyboard */
#define STALE      (5 * TIM_S)    /* a status that is older is not kept up any more */
#define TURN_MOST  4096           /* messages between two looks at the clock */
#define FILES_MOST 64

static const char *form_text = "text", *credentials;
static int64_t every = TIM_S, limit;

static const struct cli_option options[] = {
    {"format", 'O', CLI_STR, &form_text, "FORM", "text, or json (an object a line)", 0, 0},
    {"every", 0, CLI_TIME, &every, "TIME", "show so often (1s)", 100 * TIM_MS, TIM_H},
    {"count", 'n', CLI_INT, &limit, "COUNT", "end after showing so many times", 0, 0},
    {"credentials", 0, CLI_STR, &credentials, "FILE", "names and keys, in a file of mode 0600", 0,
	0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "evstat",
    .args = "URL | FILE...",
    .about = "a live view of a stream, or of running programs",
    .options = options,
    .prints = true,
    .min_args = 1,
    .max_args = FILES_MOST};

static const char *const *names; /* the arguments */
static struct bus_url url;
static struct bus_secrets secrets;
static struct zsub *zmq;
static struct nsub *nats;
static struct cap_reader *in;
static int in_fd = -1;
static struct bus_follow follow;
static struct view view;
static struct screen *screen;
static bool json, over;
static enum cli_exit code = EXIT_DONE;
static const char *state = "waiting";

/* ---- streams ---- */

static void take_header(const struct bus_msg *m)
{
	struct cap_reader *r = cap_reader_mem(m->block, m->size);
	struct cap_record record;

	if (r && cap_read(r, &record, 0) == CAP_NEW)
		view_section(&view, cap_link(r), cap_text(r));
	cap_reader_free(r);
}

static void take_message(const uint8_t *message, size_t n)
{
	const uint8_t *header;
	struct cap_record r;
	struct bus_msg m, h;
	uint64_t missed;
	size_t nheader;

	if (bus_decode(message, n, &m))
		return;
	enum bus_verdict v = bus_follow(&follow, &m, &missed);
	if (v == BUS_LOST && zmq)
		zsub_ask(zmq);
	if (v == BUS_LOST && nats && nsub_header(nats, &header, &nheader) &&
	    !bus_decode(header, nheader, &h)) {
		h.sequence = m.sequence;
		h.records = m.records;
		follow.joined = false;
		(void)bus_follow(&follow, &h, &missed);
		take_header(&h);
		v = bus_follow(&follow, &m, &missed);
	}
	view.missed += missed;
	state = m.kind == BUS_END ? "the run has ended" : "running";
	if (v == BUS_JOIN)
		take_header(&m);
	if (v == BUS_NEXT && m.kind == BUS_BLOCK && cap_unseal(m.block, m.size, &r))
		view_record(&view, &r);
}

static void fail(int error, const char *why)
{
	over = true;
	code = error == EACCES ? EXIT_REFUSED : EXIT_SYSTEM;
	cli_error("%s: %s", names[0], why);
}

/* What is there, for at most wait. */
static void turn_bus(int64_t wait)
{
	const uint8_t *message;
	size_t n;
	int got = 1;

	for (int i = 0; i < TURN_MOST && got > 0; i++) {
		got =
		    zmq ? zsub_next(zmq, &message, &n, wait) : nsub_next(nats, &message, &n, wait);
		wait = 0;
		if (got > 0)
			take_message(message, n);
		else if (got < 0 && errno != EINTR)
			fail(errno, nats ? nsub_why(nats) : "the publisher refuses (keys)");
	}
	if (zmq && !zsub_connected(zmq))
		state = zsub_connects(zmq) ? "the publisher is gone" : "no publisher yet";
	if (nats && *nsub_why(nats))
		state = "no broker";
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
	if (what == CAP_ERROR)
		fail(errno, cap_why(in));
	if (!over)
		return;
	const struct cap_state *s = cap_state(in);
	state = s->damaged || s->cut ? "damaged or cut" : "ended";
	if (code == EXIT_DONE && (s->damaged || s->cut)) {
		cli_error("%s: %s", names[0], cap_why(in));
		code = EXIT_DATA;
	}
	if (what == CAP_ERROR && code == EXIT_SYSTEM && errno == EPROTO)
		code = EXIT_DATA;
}

/* ---- status files ---- */

/* One file's line, or why there is none. Returns the length. */
static size_t status_line(const char *path, int64_t now, char *to, size_t size)
{
	struct statfile s;
	size_t n;
	int k;
	char *text = io_slurp(path, STATFILE_MOST, &n);
	const char *why = text ? statfile_parse(text, n, &s) : strerror(errno);

	if (json) {
		while (text && n > 0 && text[n - 1] == '\n')
			n--;
		k = why ? snprintf(to, size, "{\"why\":\"unreadable\"}\n")
			: snprintf(to, size, "%.*s\n", (int)n, text);
	} else if (why) {
		k = snprintf(to, size, "%.60s: %.100s\n", path, why);
	} else {
		bool stale =
		    strcmp(s.state, "running") == 0 && s.time != TIM_NONE && now - s.time > STALE;
		k = snprintf(to, size,
		    "%-10.10s %-10.10s %-8.8s %12" PRIu64 " %12" PRIu64 " %8" PRIu64 " %9" PRIu64
		    " %3d%%  %.100s%s%.80s\n",
		    s.program, s.name, stale ? "SILENT" : s.state, s.in, s.out, s.held, s.lost,
		    s.queue_size ? (int)((double)s.queue_used * 100 / (double)s.queue_size) : 0,
		    s.reasons, *s.reasons && *s.why ? "; " : "", s.why);
	}
	free(text);
	return k < 0 ? 0 : (size_t)k < size ? (size_t)k : size - 1;
}

static size_t status_page(int64_t now, char *page)
{
	size_t n = 0;

	if (!json)
		n = (size_t)snprintf(page, VIEW_TEXT,
		    "%-10s %-10s %-8s %12s %12s %8s %9s %4s  %s\n", "program", "name", "state",
		    "in", "out", "held", "lost", "queue", "why");
	for (int i = 0; names[i]; i++)
		n += status_line(names[i], now, page + n, VIEW_TEXT - n);
	return n;
}

/* ---- the page ---- */

static void show(void)
{
	static char page[VIEW_TEXT];
	int64_t now = tim_now();
	size_t n;

	view_mark(&view, tim_mono());
	if (!zmq && !nats && !in)
		n = status_page(now, page);
	else if (json)
		n = view_json(&view, names[0], state, now, page);
	else
		n = view_text(
		    &view, names[0], state, now, screen ? screen_width(screen) : 80, page);
	int rc = screen ? screen_draw(screen, page, n) : io_writeall(STDOUT_FILENO, page, n);
	if (rc == 0)
		return;
	over = true;
	code = EXIT_SYSTEM;
	if (errno == EPIPE)
		cli_pipe_gone();
	else
		cli_error("standard output: %s", strerror(errno));
}

static void turn(int64_t until)
{
	int64_t wait = until - tim_mono(), key = screen ? KEY_WAIT : wait;

	wait = wait < 0 ? 0 : wait < key ? wait : key;
	if (zmq || nats)
		turn_bus(wait);
	else if (in)
		turn_file(wait);
	else
		(void)io_wait(screen ? screen_fd(screen) : -1, wait);
	if (screen)
		for (int c; (c = screen_key(screen)) >= 0;)
			over |= c == 'q' || c == 'Q' || c == 4;
	cli_tick();
}

/* ---- before ---- */

static void open_bus(void)
{
	char address[ZMQ_ADDRESS], why[BUS_WHY];
	const struct bus_secrets *keys = credentials ? &secrets : NULL;

	if (names[1])
		cli_die(EXIT_USAGE, "one URL, or files");
	if (bus_url(names[0], BUS_SUBSCRIBER, &url, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (keys && bus_secrets(credentials, &secrets, why) < 0)
		cli_die(errno == EPERM ? EXIT_REFUSED : EXIT_USAGE, "%s", why);
	if (url.engine == BUS_NATS)
		nats = nsub_new(&url, keys);
	else
		zmq = zsub_open(&url, keys, false, address, why);
	if (!nats && !zmq)
		cli_die(EXIT_SYSTEM, "%s", url.engine == BUS_NATS ? "no memory" : why);
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
		in = cap_reader_new(in_fd);
		if (!in)
			cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
		cli_filter(in_fd);
	}
	if (!json && isatty(STDOUT_FILENO))
		screen = screen_open(STDOUT_FILENO);
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
		show();
		due = tim_mono() + every;
		over |= limit && ++shown == limit;
	}
	screen_close(screen);
	zsub_close(zmq);
	nsub_free(nats);
	cap_reader_free(in);
	explicit_bzero(&secrets, sizeof secrets);
	return cli_end(code);
}
