/*
 * udp2raw.c - captures UDP datagrams into a pcapng stream, a file, or a folder of files
 *
 * Two threads: this one receives (rcv.c, idle.c), the other writes (ring.c, raw.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/ends.h"
#include "base/net.h"
#include "base/tim.h"
#include "file/raw.h"
#include "stream/idle.h"
#include "stream/rcv.h"
#include "stream/ring.h"

#define MIB          (INT64_C(1) << 20)
#define SHOW_AFTER   (25 * TIM_MS) /* a datagram waits so long at most before it is written */
#define BEAT_EVERY   TIM_S
#define BEAT_MARGIN  (10 * TIM_MS)  /* between a datagram's stamp and its place in the queue */
#define FULL_WAIT    (100 * TIM_MS) /* between looks at the signals while the ring is full */
#define FINISH_TIME  (10 * TIM_S)   /* without any progress of the output at the end */
#define ASSUMED_SIZE 1440

static struct cli_list listeners, networks;
static int64_t count, duration, rotate, cpu = -1;
static int64_t rcvbuf = 64 * MIB, ring_size = 64 * MIB, nap = 5 * TIM_MS;
static const char *output, *dir, *until_text;
static struct cli_space space = {.min = CLI_SPACE_DEFAULT};

static const struct cli_option options[] = {
    {"listen", 'l', CLI_LIST, &listeners, "ADDR:PORT",
	"receive here (repeatable; PORT: everywhere)", 0, 0},
    {"allow", 'a', CLI_LIST, &networks, "NETWORK", "keep only what comes from here (repeatable)", 0,
	0},
    {"count", 'n', CLI_INT, &count, "N", "stop after N datagrams", 1, INT64_MAX},
    {"duration", 't', CLI_TIME, &duration, "TIME", "stop after so long (seconds)", 1, INT64_MAX},
    {"until", 0, CLI_STR, &until_text, "HH:MMZ", "stop when UTC shows this", 0, 0},
    {"output", 'o', CLI_STR, &output, "FILE", "write to FILE, a new one (standard output)", 0, 0},
    {"rotate", 0, CLI_TIME, &rotate, "TIME", "a file for each TIME, in --dir", TIM_S, TIM_DAY},
    {"dir", 0, CLI_STR, &dir, "DIR", "folder for the files of --rotate", 0, 0},
    {CLI_MIN_FREE(space)},
    {"rcvbuf", 0, CLI_SIZE, &rcvbuf, "SIZE", "socket buffer to ask for (64M)", 4096, 1024 * MIB},
    {"ring", 0, CLI_SIZE, &ring_size, "SIZE", "memory for a disk that stalls (64M)", 4 * MIB,
	65536 * MIB},
    {"nap", 0, CLI_TIME, &nap, "TIME", "sleep at most so long between reads (5ms)", 0, TIM_S},
    {"cpu", 0, CLI_INT, &cpu, "N", "receive on processor N", 0, CPU_SETSIZE - 1},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = {.unit = "datagrams"};
static const struct cli_program program = {.name = "udp2raw",
    .about = "capture UDP datagrams into a pcapng stream",
    .options = options,
    .tally = &tally,
    .can_lose = true};

static struct net_sockets sockets;
static struct net_cidr allow[CLI_LIST_MAX];
static struct raw raw;
static struct ring *ring;
static struct rcv *rcv;
static struct idle idle;
static int space_fd = -1; /* on the disk that is written */
static struct ends ends;

/* ---- before ---- */

static void read_options(void)
{
	char why[NET_WHY];
	cpu_set_t may;

	if (cpu >= 0 && sched_getaffinity(0, sizeof may, &may) == 0 &&
	    !CPU_ISSET((size_t)cpu, &may))
		cli_die(EXIT_USAGE,
		    "--cpu=%lld: not one that it may run on (taskset -cp $$ lists them)",
		    (long long)cpu);
	if (listeners.n == 0)
		cli_die(EXIT_USAGE, "where to listen? -l PORT, or -l ADDRESS:PORT");
	if (output && !*output)
		cli_die(EXIT_USAGE, "-o: an empty name: give a file, or - for standard output");
	if (!rotate != !dir)
		cli_die(EXIT_USAGE, "--rotate=TIME and --dir=DIR go together");
	if (dir && output)
		cli_die(EXIT_USAGE, "either -o FILE, or --rotate=TIME --dir=DIR");
	for (size_t i = 0; i < networks.n; i++)
		if (net_cidr(networks.item[i], &allow[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow: %s", why);
	if (ends_set(&ends, duration, until_text) < 0)
		cli_die(EXIT_USAGE, "--until: '%.32s' is not HH:MMZ or HH:MM:SSZ", until_text);
	for (size_t i = 0; i < listeners.n; i++)
		if (net_udp_add(&sockets, listeners.item[i], rcvbuf, why) < 0)
			cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "--listen: %s", why);
}

static void say_kept(void *ctx, const char *path)
{
	(void)ctx;
	cli_warn("%s: kept from a capture that was killed: it has no end mark", path);
}

static void open_output(void)
{
	int bad = 0;

	if (dir) {
		const char *prefix = cli_name()[0] ? cli_name() : program.name;
		bad = raw_in_folder(&raw, dir, prefix, "pcapng", say_kept);
		space_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	} else if (output && strcmp(output, "-") != 0) {
		bad = raw_on_file(&raw, output);
		space_fd = bad ? -1 : dup(raw.fd);
	} else {
		cli_no_terminal(STDOUT_FILENO, "a capture");
		raw_on_fd(&raw, STDOUT_FILENO);
		space_fd = STDOUT_FILENO;
	}
	if (bad)
		cli_die(errno == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM, "%s", raw.why);
}

static void start(void)
{
	struct ring_sink sink = {&raw,
	    raw.disk || dir ? 0 : 256 << 10, /* a pipe: both ends at work */
	    raw_begin, raw_put, raw_cut, raw_end, raw_tick};
	struct rcv_options o = {.program = program.name,
	    .rotate = rotate,
	    .limit = (uint64_t)count,
	    .allow = allow,
	    .nallow = networks.n,
	    .tally = &tally,
	    .stopping = cli_stopping,
	    .patience = FINISH_TIME};
	char text[NET_TEXT];
	cpu_set_t set;

	ring = ring_new((size_t)ring_size, &sink);
	rcv = ring ? rcv_new(ring, &sockets, &o) : NULL;
	if (!rcv)
		cli_die(EXIT_SYSTEM, "no memory for a ring of %" PRId64 " MiB", ring_size / MIB);
	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof set, &set) < 0)
		cli_die(EXIT_SYSTEM, "--cpu=%lld: %s", (long long)cpu, strerror(errno));
	rcv_show(rcv); /* the header: who reads a pipe knows at once what comes */
	for (int i = 0; i < sockets.n; i++)
		cli_ready(net_text(&sockets.at[i], text));
	if (idle_begin(&idle, &sockets, nap) < 0)
		cli_die(EXIT_SYSTEM, "no timer: %s", strerror(errno));
}

/* ---- what people want to know ---- */

static void report_buffer(void)
{
	char hint[96] = "";

	if (sockets.granted < 2 * rcvbuf)
		snprintf(hint, sizeof hint,
		    "; for more, as root: sysctl -w net.core.rmem_max=%" PRId64, rcvbuf);
	cli_note("socket buffer %.1f MiB = %lld datagrams of %d bytes%s",
	    (double)sockets.granted / (double)MIB,
	    (long long)(sockets.granted / net_charge(ASSUMED_SIZE)), ASSUMED_SIZE, hint);
}

/* Once, when it is known what comes: `after` so long. */
static void report_rate(int64_t mono, int64_t after)
{
	static struct {
		bool counting, told;
		int64_t since, before;
	} rate;
	int64_t came = (int64_t)tally.in;

	if (!rate.counting) {
		rate.counting = came > 0;
		rate.since = mono;
		rate.before = came;
	}
	if (rate.told || mono - rate.since < after || came - rate.before < 10)
		return;
	double per_s = (double)(came - rate.before) * 1e9 / (double)(mono - rate.since);
	double fit = (double)idle_holds(&idle, rcv_longest(rcv)), s = fit * sockets.n / per_s;
	cli_note("%.0f datagrams/s of up to %zu bytes: a socket buffer holds %.0f, %.0f %s of them",
	    per_s, rcv_longest(rcv), fit, s < 10 ? s * 1000 : s, s < 10 ? "ms" : "s");
	rate.told = true;
}

static void watch_space(void)
{
	cli_watch_space(&space, space_fd, dir ? dir : output ? output : "standard output");
}

/* The counters as they stand; false when the writer has failed. */
static bool take_stock(void)
{
	struct ring_state s;

	ring_look(ring, &s);
	tally.out = s.written;
	tally.held = rcv_placed(rcv) - s.written;
	tally.queue_used = s.used;
	tally.queue_size = s.size;
	return s.error == 0;
}

/* ---- the loop ---- */

/* Lets the writer have a chunk that is not full: at once when little comes. Returns when the
 * next one is due. */
static int64_t show(int64_t mono)
{
	static bool pending;
	static int64_t due;

	if (!pending)
		due = mono + SHOW_AFTER;
	if (mono >= due || idle.rate * (double)SHOW_AFTER < 1e9)
		rcv_show(rcv);
	pending = rcv_pending(rcv);
	return pending ? due : INT64_MAX;
}

/* Until it is time to stop, or receiving fails: then its errno. */
static int run(void)
{
	int64_t beat = tim_mono() + BEAT_EVERY;

	for (bool wait = false;;) {
		int64_t utc = tim_now(), mono = tim_mono();
		bool stop = cli_stopping() || mono >= ends.mono || utc >= ends.utc;
		struct rcv_round t = rcv_drain(rcv, utc, wait);
		idle_note(&idle, t.got, mono);
		if (t.done && rcv_drained(rcv, utc, mono) < 0)
			t.error = errno;
		if (!take_stock() || stop || t.limit || t.error)
			return t.error;
		if (t.done && mono >= beat) {
			(void)rcv_beat(rcv, utc - BEAT_MARGIN);
			watch_space();
			beat = mono + BEAT_EVERY;
		}
		report_rate(mono, 2 * TIM_S);
		cli_tick();
		int64_t until = MIN(show(mono), MIN(beat, ends.mono));
		wait = t.done && idle_in_read(&idle, rcv_size(rcv));
		if (t.full)
			(void)rcv_wait_room(rcv, FULL_WAIT);
		else if (t.done && !wait)
			idle_wait(&idle, rcv_size(rcv), MIN(until, mono + (ends.utc - utc)));
	}
}

/* ---- after ---- */

static enum cli_exit finish(int error)
{
	int cut = rcv_finish(rcv, !error) < 0 ? errno : 0;
	int failed = ring_finish(ring, FINISH_TIME) < 0 ? errno : cut;
	(void)take_stock();
	report_rate(tim_mono(), 100 * TIM_MS); /* a short run has not told yet */
	tally.lost[RCV_NOT_WRITTEN].n += tally.held;
	tally.held = 0;
	if (failed == EPIPE)
		cli_pipe_gone();
	else if (failed == EAGAIN)
		cli_error("the output took nothing for 10 s: what waited or the end mark is lost");
	else if (failed)
		cli_error(raw.gone ? "%s; %" PRIu64 " datagrams went out, those in it are lost"
				   : "%s: the %" PRIu64 " datagrams written before are kept",
		    raw.why, tally.out);
	else if (error)
		cli_error("receiving: %s", strerror(error));
	if (failed != EAGAIN) { /* else the thread still has it */
		rcv_free(rcv);
		ring_free(ring);
	}
	return failed || error ? EXIT_SYSTEM : EXIT_DONE;
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	read_options();
	open_output();
	report_buffer();
	watch_space();
	start();
	return cli_end(finish(run()));
}
