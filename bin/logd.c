/*
 * logd.c - collects the log records of all programs in files, and shows them live
 *
 * What was read is written before more is read. When the disk is full nothing is read: records wait
 * at their senders (TCP, unix) or in the kernel (UDP), and what waits here is written later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/net.h"
#include "base/srv.h"
#include "base/tim.h"
#include "bus/logdir.h"
#include "bus/logtail.h"
#include "bus/slog.h"

#define CLIENTS     256
#define UDP_MAX     8
#define UDP_TURN    64        /* datagrams of a socket before the others have their turn */
#define UDP_BUFFER  (4 << 20) /* bytes asked of the kernel */
#define DRAIN       (2 * TIM_S)
#define ALLOW_MAX   CLI_LIST_MAX
#define FRAME_EXTRA 16 /* a count before a record, and its end */

static struct cli_list listen_at, allow;
static const char *folder, *by = "day", *priority = "debug", *only;
static int64_t rotate_at = 64 << 20, limit;
static bool follow, from_start;

static const struct cli_option options[] = {
    {"listen", 'l', CLI_LIST, &listen_at, "ADDR", "tcp:, udp: or unix: address; may come again", 0,
	0},
    {"output", 'o', CLI_STR, &folder, "DIR", "the folder of the files", 0, 0},
    {"by", 0, CLI_STR, &by, "WHAT", "a file a day, or a program (day)", 0, 0},
    {"rotate", 0, CLI_SIZE, &rotate_at, "SIZE", "begin a new file after so much; 0: never (64M)", 0,
	INT64_C(1) << 40},
    {"allow", 0, CLI_LIST, &allow, "NETWORK", "who may send from other machines", 0, 0},
    {"follow", 0, CLI_FLAG, &follow, NULL, "show what comes into DIR, live", 0, 0},
    {"priority", 'p', CLI_STR, &priority, "LEVEL", "show err, warning, notice ... and above", 0, 0},
    {"program", 0, CLI_STR, &only, "NAME", "show this program's records", 0, 0},
    {"all", 0, CLI_FLAG, &from_start, NULL, "show what is there already, too", 0, 0},
    {"count", 'n', CLI_INT, &limit, "COUNT", "end after showing so many", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

enum { KERNEL_DROP, NOT_ALLOWED };
static struct tally tally = {.unit = "records", .lost = {{"kernel drop", 0}, {"not allowed", 0}}};
enum { FOREIGN, CUT };
static struct tally_item *const also = tally.also;

static struct cli_program program = {.name = "logd",
    .args = "",
    .about = "collect log records in files, and show them live",
    .options = options,
    .prints = true};

static struct logdir *dir;
static struct srv *srv;
static struct pollfd udp[UDP_MAX];
static size_t nudp;
static uint64_t dropped[UDP_MAX];
static struct net_cidr network[ALLOW_MAX];
static char *line; /* SLOG_LINE bytes */

/* ---- records ---- */

static void take(const char *record, size_t n, const char *host, bool cut)
{
	int64_t now = tim_now();
	struct slog s;
	bool foreign;

	if (n == 0)
		return;
	size_t size = slog_line(record, n, host, now, line, &foreign);
	tally.in++;
	also[FOREIGN].n += foreign;
	also[CUT].n += cut;
	if (slog_parse(line, size - 1, &s))
		s.program.n = 0;
	if (logdir_put(dir, s.program.p, s.program.n, now, line, size) < 0)
		cli_die(EXIT_SYSTEM, "no memory for records: %s", strerror(errno));
}

/* "tcp 192.0.2.7:4711" to 192.0.2.7: the host of records that name none. */
static const char *peer_host(const char *peer, char buf[NET_TEXT])
{
	if (strncmp(peer, "tcp ", 4) != 0)
		return "-";
	snprintf(buf, NET_TEXT, "%.300s", peer + 4);
	char *colon = strrchr(buf, ':');
	if (colon)
		*colon = '\0';
	return buf;
}

static size_t take_bytes(struct srv_client *c, const char *data, size_t n, bool last)
{
	struct slog_stream *s = srv_data(c);
	char host[NET_TEXT];
	struct slog_frame f;

	if (!s)
		return n;
	size_t took = slog_frame(s, data, n, last, &f);
	if (f.text)
		take(f.text, f.n, peer_host(srv_peer(c), host), f.cut);
	return took;
}

static void on_open(void *ctx, struct srv_client *c)
{
	(void)ctx;
	srv_set_data(c, calloc(1, sizeof(struct slog_stream)));
	cli_debug("%s: connected", srv_peer(c));
}

static size_t on_bytes(void *ctx, struct srv_client *c, const char *data, size_t n)
{
	(void)ctx;
	return take_bytes(c, data, n, false);
}

/* A last line without its end is a record; a counted record that is not whole will come again. */
static bool on_end(void *ctx, struct srv_client *c)
{
	size_t n, k;
	const char *p = srv_waiting(c, &n);

	(void)ctx;
	while (n > 0 && (k = take_bytes(c, p, n, true)) > 0) {
		p += k;
		n -= k;
	}
	also[CUT].n += n > 0;
	return false;
}

static void on_close(void *ctx, struct srv_client *c, const char *why)
{
	(void)ctx;
	cli_debug("%s: %s", srv_peer(c), why);
	free(srv_data(c));
	srv_set_data(c, NULL);
}

static void on_refused(void *ctx, const char *peer, const char *why)
{
	(void)ctx;
	cli_debug("%s: not let in: %s", peer, why);
}

static const struct srv_calls calls = {.opened = on_open,
    .bytes = on_bytes,
    .ended = on_end,
    .closed = on_close,
    .refused = on_refused};

/* ---- datagrams ---- */

static bool allowed(const struct net_addr *from)
{
	for (size_t i = 0; i < allow.n; i++)
		if (net_inside(&network[i], (const struct sockaddr *)&from->ss))
			return true;
	return allow.n == 0;
}

static void take_datagrams(size_t i)
{
	static char data[SLOG_MOST];
	char host[NET_TEXT], peer[NET_TEXT + 8];

	for (int k = 0; k < UDP_TURN; k++) {
		struct net_addr from = {.len = sizeof from.ss};
		ssize_t n = recvfrom(udp[i].fd, data, sizeof data, MSG_DONTWAIT,
		    (struct sockaddr *)&from.ss, &from.len);
		if (n < 0)
			break;
		while (n > 0 && (data[n - 1] == '\n' || data[n - 1] == '\0'))
			n--;
		if (!allowed(&from)) {
			tally.in++;
			tally.lost[NOT_ALLOWED].n++;
			continue;
		}
		snprintf(peer, sizeof peer, "tcp %s", net_text(&from, host));
		take(data, (size_t)n, peer_host(peer, host), false);
	}
	int64_t drops = net_drops(udp[i].fd);
	if (drops < 0)
		return;
	uint32_t more = (uint32_t)drops - (uint32_t)dropped[i];
	dropped[i] += more;
	tally.in += more;
	tally.lost[KERNEL_DROP].n += more;
}

static bool is_local(const struct net_addr *a)
{
	struct net_cidr v4, v6;
	char why[NET_WHY];

	return net_cidr("127.0.0.0/8", &v4, why) == 0 && net_cidr("::1/128", &v6, why) == 0 &&
	    (net_inside(&v4, (const struct sockaddr *)&a->ss) ||
		net_inside(&v6, (const struct sockaddr *)&a->ss));
}

static void listen_udp(struct net_spec *spec, const char *text)
{
	char why[NET_WHY], ready[NET_TEXT], address[NET_TEXT + 8];
	struct net_addr a;

	if (!spec->host[0])
		strcpy(spec->host, "127.0.0.1");
	if (nudp == UDP_MAX)
		cli_die(EXIT_USAGE, "-l: at most %d udp: addresses", UDP_MAX);
	if (net_resolve(spec, true, &a, 1, why) < 0)
		cli_die(EXIT_USAGE, "-l %s: %s", text, why);
	if (allow.n == 0 && !is_local(&a))
		cli_die(EXIT_REFUSED,
		    "-l %s: other machines would reach this: say which may (--allow=NETWORK)",
		    text);
	int fd = net_udp_listen(&a, spec->iface, why);
	if (fd < 0)
		cli_die(
		    errno == EACCES || errno == EADDRINUSE ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
	(void)net_rcvbuf(fd, UDP_BUFFER);
	udp[nudp++] = (struct pollfd){.fd = fd, .events = POLLIN};
	snprintf(address, sizeof address, "udp:%s", net_text(&a, ready));
	cli_ready(address);
}

/* ---- collecting ---- */

static void open_listeners(void)
{
	struct srv_options o = {.clients = CLIENTS,
	    .line = SLOG_MOST + FRAME_EXTRA,
	    .allow = network,
	    .nallow = allow.n};
	char why[NET_WHY], ready[NET_TEXT];
	struct net_spec spec;

	for (size_t i = 0; i < allow.n; i++)
		if (net_cidr(allow.item[i], &network[i], why) < 0)
			cli_die(EXIT_USAGE, "--allow=%s: %s", allow.item[i], why);
	srv = srv_new(&o, &calls, NULL);
	if (!srv)
		cli_die(EXIT_SYSTEM, "no memory: %s", strerror(errno));
	for (size_t i = 0; i < listen_at.n; i++) {
		if (net_parse(listen_at.item[i], NET_TCP, &spec, why) < 0)
			cli_die(EXIT_USAGE, "-l %s: %s", listen_at.item[i], why);
		if (spec.kind == NET_UDP) {
			listen_udp(&spec, listen_at.item[i]);
			continue;
		}
		if (srv_listen(srv, &spec, ready, why) < 0)
			cli_die(errno == EINVAL                         ? EXIT_USAGE
				: errno == EPERM || errno == EADDRINUSE ? EXIT_REFUSED
									: EXIT_SYSTEM,
			    "%s", why);
		cli_ready(ready);
	}
}

static void count(void)
{
	tally.held = logdir_held(dir);
	tally.out = logdir_written(dir);
}

/* Writes what was read; while that fails nothing more is read. */
static bool write_out(void)
{
	bool told = false;

	while (logdir_write(dir, tim_now()) < 0) {
		if (!told)
			cli_warn("%s; nothing more is read until it works", logdir_why(dir));
		told = true;
		count();
		cli_tick();
		if (cli_stopping())
			return false;
		(void)io_wait(-1, TIM_S);
	}
	if (told)
		cli_warn("the disk takes records again");
	return true;
}

static bool turn(int64_t wait)
{
	if (srv_wait(srv, udp, nudp, wait) < 0)
		cli_die(EXIT_SYSTEM, "cannot wait: %s", strerror(errno));
	for (size_t i = 0; i < nudp; i++)
		if (udp[i].revents)
			take_datagrams(i);
	return write_out();
}

static enum cli_exit collect(void)
{
	int64_t synced = tim_mono(), until;
	bool good = true;

	open_listeners();
	while (!cli_stopping() && good) {
		good = turn(TIM_S);
		if (tim_mono() - synced >= TIM_S) {
			(void)logdir_sync(dir);
			synced = tim_mono();
		}
		count();
		cli_tick();
	}
	/* What has arrived is taken along. */
	until = tim_mono() + DRAIN;
	for (uint64_t before = UINT64_MAX; good && before != tally.in && tim_mono() < until;) {
		before = tally.in;
		good = turn(0);
	}
	if (logdir_sync(dir) < 0)
		cli_error("%s: cannot sync: %s", folder, strerror(errno));
	count();
	if (good)
		return EXIT_DONE;
	cli_error("%s: %llu records could not be written", folder, (unsigned long long)tally.held);
	return EXIT_SYSTEM;
}

/* ---- showing ---- */

static bool enough;
static int64_t shown_records;

static bool show(void *ctx, const char *text, size_t n)
{
	static char shown[SLOG_LINE];
	unsigned most = *(unsigned *)ctx;
	struct slog s;

	if (slog_parse(text, n, &s) || (s.priority & 7) > most ||
	    (only && (s.program.n != strlen(only) || memcmp(s.program.p, only, s.program.n) != 0)))
		return true;
	if (io_writeall(STDOUT_FILENO, shown, slog_show(&s, shown)) < 0) {
		if (errno != EPIPE)
			cli_die(EXIT_SYSTEM, "standard output: %s", strerror(errno));
		cli_pipe_gone();
		enough = true;
	}
	enough |= limit && ++shown_records == limit;
	return !enough;
}

static enum cli_exit show_live(void)
{
	int level = slog_severity(priority);
	unsigned most = (unsigned)level;

	if (level < 0)
		cli_die(EXIT_USAGE,
		    "-p %.40s: there are emerg, alert, crit, err, warning, notice, info and debug",
		    priority);
	struct logtail *t = logtail_open(folder, from_start);
	if (!t)
		cli_die(EXIT_SYSTEM, "%s: %s", folder, strerror(errno));
	while (!cli_stopping() && !enough) {
		if (logtail_scan(t, show, &most) < 0)
			cli_die(EXIT_SYSTEM, "%s: %s", folder, strerror(errno));
		if (!enough)
			logtail_wait(t, TIM_S);
		cli_tick();
	}
	logtail_close(t);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	char why[LOGDIR_WHY];

	cli_begin(argc, argv, &program);
	if (!folder)
		cli_die(EXIT_USAGE, "which folder? -o DIR");
	if (follow)
		return cli_end(show_live());
	if (listen_at.n == 0)
		cli_die(EXIT_USAGE,
		    "listen where? -l tcp:PORT, -l udp:PORT, -l unix:PATH; or --follow");
	if (strcmp(by, "day") != 0 && strcmp(by, "program") != 0)
		cli_die(EXIT_USAGE, "--by=%.40s: day or program", by);
	program.tally = &tally;
	also[FOREIGN].name = "not RFC 5424";
	also[CUT].name = "cut";
	line = malloc(SLOG_LINE);
	dir = logdir_open(folder, *by == 'p', rotate_at, why);
	if (!dir || !line)
		cli_die(errno == EBUSY ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);

	enum cli_exit code = collect();
	srv_free(srv);
	for (size_t i = 0; i < nudp; i++)
		close(udp[i].fd);
	logdir_close(dir);
	free(line);
	return cli_end(code);
}
