/*
 * udp2raw.c - captures UDP datagrams into a pcapng stream, a file, or a folder of files
 *
 * Two threads: this one receives (rcv.c), the other writes (ring.c, raw.c). Between drains of the
 * sockets it sleeps: in poll when little comes, for --nap when much comes, because at detector
 * rates the wake-up for each datagram is what costs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/net.h"
#include "base/tim.h"
#include "file/raw.h"
#include "stream/rcv.h"
#include "stream/ring.h"

#define MIB          (INT64_C(1) << 20)
#define SHOW_AFTER   (10 * TIM_MS)  /* a datagram waits so long at most before it is written */
#define NAP_MIN      (200 * TIM_US) /* shorter naps cost more than they save */
#define BEAT_EVERY   TIM_S
#define BEAT_MARGIN  (10 * TIM_MS)  /* between a datagram's stamp and its place in the queue */
#define DRAIN_TIME   (200 * TIM_MS) /* for what is in the sockets at the end */
#define FINISH_TIME  (10 * TIM_S)   /* without any progress of the output at the end */
#define FULL_WAIT    (100 * TIM_MS) /* between looks at the signals while the ring is full */
#define RATE_TIME    (5 * TIM_MS)   /* over which the rate is averaged */
#define ASSUMED_SIZE 1440

static struct cli_list listeners, networks;
static int64_t count, duration, rotate, cpu = -1;
static int64_t min_free = 1024 * MIB, rcvbuf = 64 * MIB, ring_size = 64 * MIB, nap = TIM_MS;
static const char *output, *dir, *until_text;

static const struct cli_option options[] = {
    {"listen", 'l', CLI_LIST, &listeners, "ADDR:PORT",
	"receive here (again for more; a PORT alone: everywhere)", 0, 0},
    {"allow", 'a', CLI_LIST, &networks, "NETWORK",
	"keep only what comes from here (again for more)", 0, 0},
    {"count", 'n', CLI_INT, &count, "N", "stop after N datagrams", 0, 0},
    {"duration", 't', CLI_TIME, &duration, "TIME", "stop after so long (a number: seconds)", 0, 0},
    {"until", 0, CLI_STR, &until_text, "HH:MMZ", "stop when UTC shows this", 0, 0},
    {"output", 'o', CLI_STR, &output, "FILE",
	"write to FILE, which must not exist (standard output)", 0, 0},
    {"rotate", 0, CLI_TIME, &rotate, "TIME", "begin a file at each multiple of TIME, in --dir",
	TIM_S, TIM_DAY},
    {"dir", 0, CLI_STR, &dir, "DIR", "folder for the files of --rotate", 0, 0},
    {"min-free", 0, CLI_SIZE, &min_free, "SIZE", "warn when the disk has less (1G; 0: never)", 0,
	0},
    {"rcvbuf", 0, CLI_SIZE, &rcvbuf, "SIZE", "socket buffer to ask for (64M)", 4096, 1024 * MIB},
    {"ring", 0, CLI_SIZE, &ring_size, "SIZE", "memory for what the disk does not take yet (64M)",
	4 * MIB, 65536 * MIB},
    {"nap", 0, CLI_TIME, &nap, "TIME", "sleep at most so long between drains (1ms; 0: never)", 0,
	TIM_S},
    {"cpu", 0, CLI_INT, &cpu, "N", "receive on processor N", 0, CPU_SETSIZE - 1},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = {.unit = "datagrams"};
static const struct cli_program program = {.name = "udp2raw",
    .about = "capture UDP datagrams into a pcapng stream",
    .options = options,
    .tally = &tally,
    .can_lose = true};

static struct raw raw;
static struct ring *ring;
static struct rcv *rcv;
static struct net_cidr allow[CLI_LIST_MAX];
static struct pollfd sockets[RCV_SOCKETS + 1]; /* and the wake-up descriptor */
static struct net_addr addresses[RCV_SOCKETS];
static int nsockets;
static int64_t granted; /* bytes of each socket's buffer, as the kernel counts */
static int64_t ends_mono = INT64_MAX, ends_utc = INT64_MAX;
static double rate; /* datagrams per second, all sockets */
static struct pub_space space;
static int space_fd = -1; /* on the disk that is written */

/* ---- before ---- */

/* A listener; one that names no address gets a socket for IPv4 and one for IPv6, on one port. */
static void open_listener(const char *text)
{
	struct net_spec spec;
	struct net_addr at[8];
	char why[NET_WHY];

	if (net_parse(text, NET_UDP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "--listen: %s", why);
	if (spec.kind != NET_UDP)
		cli_die(EXIT_USAGE, "--listen: %.64s: is no UDP address", text);
	int n = net_resolve(&spec, true, at, 8, why);
	if (n < 0)
		cli_die(EXIT_SYSTEM, "--listen: %s", why);
	for (int i = 0; i < n; i++) {
		if (i > 0)
			net_set_port(&at[i], net_port(&at[0]));
		int fd = net_udp_listen(&at[i], spec.iface, why);
		if (fd < 0 && i > 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			break; /* a machine without IPv6 */
		if (fd < 0)
			cli_die(EXIT_SYSTEM, "%s", why);
		if (nsockets == RCV_SOCKETS)
			cli_die(EXIT_USAGE, "--listen: more than %d sockets", RCV_SOCKETS);
		granted = net_rcvbuf(fd, rcvbuf);
		sockets[nsockets] = (struct pollfd){.fd = fd, .events = POLLIN};
		addresses[nsockets++] = at[i];
	}
}

static void read_options(void)
{
	char why[NET_WHY];

	if (listeners.n == 0)
		cli_die(EXIT_USAGE, "where to listen? -l PORT, or -l ADDRESS:PORT");
	if (!rotate != !dir)
		cli_die(EXIT_USAGE, "--rotate=TIME and --dir=DIR go together");
	if (dir && output)
		cli_die(EXIT_USAGE, "either -o FILE, or --rotate=TIME --dir=DIR");
	for (size_t i = 0; i < networks.n; i++)
		if (net_cidr(networks.item[i], &allow[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow: %s", why);
	if (until_text && tim_until(until_text, tim_now(), &ends_utc) < 0)
		cli_die(EXIT_USAGE, "--until: '%.32s' is not HH:MMZ or HH:MM:SSZ", until_text);
}

static void say_kept(void *ctx, const char *path)
{
	(void)ctx;
	cli_warn("%s: kept from a capture that was killed: it has no end mark", path);
}

static void open_output(void)
{
	char why[PUB_WHY];
	int bad = 0;

	if (dir) {
		const char *prefix = cli_name()[0] ? cli_name() : "udp2raw";
		bad = raw_in_folder(&raw, dir, prefix, "pcapng");
		if (!bad && pub_rescue(dir, prefix, "pcapng", say_kept, NULL, why) < 0)
			cli_die(EXIT_SYSTEM, "%s", why);
		space_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	} else if (output && strcmp(output, "-") != 0) {
		bad = raw_on_file(&raw, output);
		space_fd = dup(raw.fd);
	} else {
		cli_no_terminal(STDOUT_FILENO, "a capture");
		raw_on_fd(&raw, STDOUT_FILENO);
		space_fd = STDOUT_FILENO;
	}
	if (bad)
		cli_die(errno == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM, "%s", raw.why);
	space.min = min_free;
}

static void start(void)
{
	struct ring_sink sink = {.ctx = &raw,
	    .step = raw.disk || dir ? 0 : 256 << 10,
	    .begin = raw_begin,
	    .put = raw_put,
	    .cut = raw_cut,
	    .end = raw_end,
	    .tick = raw_tick};
	struct rcv_options o = {.program = program.name,
	    .rotate = rotate,
	    .limit = (uint64_t)count,
	    .allow = allow,
	    .nallow = networks.n,
	    .tally = &tally};
	char text[NET_TEXT];
	cpu_set_t set;

	ring = ring_new((size_t)ring_size, &sink);
	rcv = ring ? rcv_new(ring, &o) : NULL;
	if (!rcv)
		cli_die(
		    EXIT_SYSTEM, "no memory for a ring of %lld MiB", (long long)(ring_size / MIB));
	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof set, &set) < 0)
		cli_die(EXIT_SYSTEM, "--cpu=%lld: %s", (long long)cpu, strerror(errno));
	for (int i = 0; i < nsockets; i++)
		if (rcv_add(rcv, sockets[i].fd, &addresses[i]) < 0)
			cli_die(EXIT_SYSTEM, "socket %d: %s", i + 1, strerror(errno));
	sockets[nsockets] = (struct pollfd){.fd = io_wakefd, .events = POLLIN};
	rcv_show(rcv); /* the header: who reads a pipe knows at once what comes */
	for (int i = 0; i < nsockets; i++)
		cli_ready(net_text(&addresses[i], text));
}

/* ---- what people want to know ---- */

static const char *sysctl_hint(char *buf, size_t size)
{
	buf[0] = 0;
	if (granted < 2 * rcvbuf)
		snprintf(buf, size, "; for more, as root: sysctl -w net.core.rmem_max=%lld",
		    (long long)rcvbuf);
	return buf;
}

static void report_buffer(void)
{
	char hint[96];

	cli_note("socket buffer %.1f MiB = %lld datagrams of %d bytes%s",
	    (double)granted / (double)MIB, (long long)(granted / net_charge(ASSUMED_SIZE)),
	    ASSUMED_SIZE, sysctl_hint(hint, sizeof hint));
}

/* Once, when it is known what comes. */
static void report_rate(int64_t mono, uint64_t in)
{
	static int64_t since;
	static uint64_t before;
	static bool said;
	char hint[96];

	if (said || in == 0)
		return;
	if (!since) {
		since = mono;
		before = in;
	}
	if (mono - since < 2 * TIM_S || in - before < 10)
		return;
	said = true;
	double per_s = (double)(in - before) * 1e9 / (double)(mono - since) / nsockets;
	double fit = (double)(granted / net_charge(rcv_size(rcv)));
	double ms = fit / per_s * 1000;
	cli_note("%.0f datagrams/s of %zu bytes%s: the socket buffer holds %.0f of them, %.0f ms%s",
	    per_s, rcv_size(rcv), nsockets > 1 ? " on each socket" : "", fit, ms,
	    ms < 1000 ? sysctl_hint(hint, sizeof hint) : "");
}

static void watch_space(void)
{
	if (!pub_space_low(&space, space_fd))
		return;
	cli_warn("%s: only %lld MiB are free (--min-free): the capture stops when the disk is full",
	    dir          ? dir
		: output ? output
			 : "standard output",
	    (long long)(space.free / MIB));
}

/* The counters as they stand; false when the writer failed. */
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

struct turn {
	unsigned got;
	bool empty, full, limit;
	int error; /* errno of a socket or of the writer, 0: none */
};

/* Reads every socket that may hold something until it is empty. */
static struct turn drain(void)
{
	struct turn t = {.empty = true};
	unsigned got;

	for (int i = 0; i < nsockets; i++) {
		enum rcv_next next = RCV_MORE;
		for (int k = 0; k < 64 && next == RCV_MORE; k++) {
			next = rcv_batch(rcv, i, &got);
			t.got += got;
		}
		t.empty &= next == RCV_EMPTY;
		t.full |= next == RCV_FULL;
		t.limit |= next == RCV_LIMIT;
		if (next == RCV_ERROR)
			t.error = errno;
	}
	return t;
}

/* How long to sleep without watching the sockets: 0, not at all. What comes meanwhile must fit
 * an eighth of a socket's buffer. */
static int64_t nap_time(void)
{
	double fit = (double)(granted / net_charge(rcv_size(rcv))) / 8;
	double most = rate > 0 ? fit / rate * 1e9 : 0;
	int64_t t = most < (double)nap ? (int64_t)most : nap;

	return t < NAP_MIN || rate * (double)t / 1e9 < 3 ? 0 : t;
}

static void wait_datagrams(int64_t mono, int64_t until)
{
	int64_t t = nap_time(), left = until - mono;
	struct timespec ts = {.tv_sec = left / TIM_S, .tv_nsec = left % TIM_S};

	if (t > 0 && t < left)
		(void)tim_sleep_until(mono + t);
	else if (left > 0)
		(void)ppoll(sockets, (nfds_t)nsockets + 1, &ts, NULL);
}

/* Until it is time to stop, or the output fails: then its errno. */
static int run(void)
{
	int64_t last = tim_mono(), pending = INT64_MAX, beat = last + BEAT_EVERY;

	for (;;) {
		int64_t utc = tim_now(), mono = tim_mono();
		bool stop = cli_stopping() || mono >= ends_mono || utc >= ends_utc;
		struct turn t = drain();
		double dt = (double)(mono - last);
		rate += ((double)t.got * 1e9 / (dt + 1) - rate) * dt / (dt + (double)RATE_TIME);
		last = mono;
		if (t.empty && rcv_drained(rcv, utc, mono) < 0)
			t.error = errno;
		if (stop || t.limit || t.error || !take_stock())
			return t.error;
		if (t.empty && mono >= beat) {
			beat = mono + BEAT_EVERY;
			(void)rcv_beat(rcv, utc - BEAT_MARGIN);
			watch_space();
			report_rate(mono, tally.in);
		}
		cli_tick();
		if (!rcv_pending(rcv)) {
			pending = INT64_MAX;
		} else if (pending == INT64_MAX) {
			pending = mono + SHOW_AFTER;
		}
		if (rcv_pending(rcv) && (mono >= pending || rate * (double)SHOW_AFTER < 1e9)) {
			rcv_show(rcv);
			pending = INT64_MAX;
		}
		int64_t until = pending < beat ? pending : beat;
		until = until < ends_mono ? until : ends_mono;
		if (t.full)
			(void)rcv_wait_room(rcv, FULL_WAIT);
		else if (t.empty)
			wait_datagrams(
			    mono, until - mono < ends_utc - utc ? until : mono + ends_utc - utc);
	}
}

/* What is in the sockets now still belongs to the capture. */
static void last_drain(void)
{
	int64_t until = tim_mono() + DRAIN_TIME;
	struct turn t;

	do {
		t = drain();
		if (t.full && !rcv_wait_room(rcv, FINISH_TIME))
			return;
	} while (!t.empty && !t.limit && !t.error && (t.full || tim_mono() < until));
}

static enum cli_exit finish(int error)
{
	if (!error)
		last_drain();
	(void)rcv_finish(rcv, FINISH_TIME);
	int failed = ring_finish(ring, FINISH_TIME) < 0 ? errno : 0;
	(void)take_stock();
	tally.lost[RCV_NOT_WRITTEN].n += tally.held;
	tally.held = 0;
	if (failed == EPIPE)
		cli_pipe_gone();
	else if (failed == EAGAIN)
		cli_error("the output took nothing for %lld s: what waited for it is lost",
		    (long long)(FINISH_TIME / TIM_S));
	else if (failed)
		cli_error("%s: the %llu datagrams written before are kept", raw.why,
		    (unsigned long long)tally.out);
	else if (error)
		cli_error("receiving: %s", strerror(error));
	if (failed == EAGAIN)
		return EXIT_SYSTEM; /* the thread still has the ring */
	rcv_free(rcv);
	ring_free(ring);
	return failed || error ? EXIT_SYSTEM : EXIT_DONE;
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	read_options();
	for (size_t i = 0; i < listeners.n; i++)
		open_listener(listeners.item[i]);
	open_output();
	report_buffer();
	start();
	if (duration)
		ends_mono = tim_mono() + duration;
	return cli_end(finish(run()));
}
