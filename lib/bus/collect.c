/* collect.c - log records from TCP, UDP and unix sockets into a folder of files */
#include "collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/srv.h"
#include "base/tim.h"
#include "slog.h"

#define CLIENTS     256
#define UDP_MAX     8
#define UDP_TURN    64        /* datagrams of a socket before the others have their turn */
#define UDP_BUFFER  (4 << 20) /* bytes asked of the kernel */
#define FRAME_EXTRA 16        /* a count before a record, and its end */

struct collect {
	struct collect_options o;
	struct collect_count count;
	struct srv *srv;
	struct pollfd udp[UDP_MAX];
	uint64_t dropped[UDP_MAX];
	size_t nudp;
	int error; /* errno of keeping a record */
	char line[SLOG_LINE], data[SLOG_MOST];
};

/* ---- records ---- */

static void take(struct collect *c, const char *record, size_t n, const char *host, bool cut)
{
	int64_t now = tim_now();
	struct slog s;
	bool foreign;

	if (n == 0)
		return;
	size_t size = slog_line(record, n, host, now, c->line, &foreign);
	c->count.in++;
	c->count.foreign += foreign;
	c->count.cut += cut;
	if (slog_parse(c->line, size - 1, &s))
		s.program.n = 0;
	if (logdir_put(c->o.dir, s.program.p, s.program.n, now, c->line, size) < 0)
		c->error = errno;
}

/* "192.0.2.7:4711" to 192.0.2.7: the host of records that name none. */
static const char *host_of(const char *address, char buf[NET_TEXT])
{
	snprintf(buf, NET_TEXT, "%.300s", address);
	char *colon = strrchr(buf, ':');
	if (colon)
		*colon = '\0';
	return buf;
}

/* ---- streams ---- */

static size_t take_bytes(
    struct collect *c, struct srv_client *client, const char *data, size_t n, bool last)
{
	struct slog_stream *s = srv_data(client);
	const char *peer = srv_peer(client);
	char host[NET_TEXT];
	struct slog_frame f;

	if (!s)
		return n;
	size_t took = slog_frame(s, data, n, last, &f);
	if (f.text)
		take(c, f.text, f.n, strncmp(peer, "tcp ", 4) == 0 ? host_of(peer + 4, host) : "-",
		    f.cut);
	return took;
}

static void on_open(void *ctx, struct srv_client *client)
{
	struct collect *c = ctx;

	srv_set_data(client, calloc(1, sizeof(struct slog_stream)));
	c->o.debug(srv_peer(client), "connected");
}

static size_t on_bytes(void *ctx, struct srv_client *client, const char *data, size_t n)
{
	return take_bytes(ctx, client, data, n, false);
}

/* A last line without its end is a record; a counted record that is not whole will come again. */
static bool on_end(void *ctx, struct srv_client *client)
{
	struct collect *c = ctx;
	size_t n, k;
	const char *p = srv_waiting(client, &n);

	while (n > 0 && (k = take_bytes(c, client, p, n, true)) > 0) {
		p += k;
		n -= k;
	}
	c->count.cut += n > 0;
	return false;
}

static void on_close(void *ctx, struct srv_client *client, const char *why)
{
	struct collect *c = ctx;

	c->o.debug(srv_peer(client), why);
	free(srv_data(client));
	srv_set_data(client, NULL);
}

static void on_refused(void *ctx, const char *peer, const char *why)
{
	struct collect *c = ctx;
	char text[NET_WHY + 16];

	snprintf(text, sizeof text, "not let in: %.240s", why);
	c->o.debug(peer, text);
}

static const struct srv_calls calls = {.opened = on_open,
    .bytes = on_bytes,
    .ended = on_end,
    .closed = on_close,
    .refused = on_refused};

/* ---- datagrams ---- */

static bool inside(const struct net_addr *a, const struct net_cidr *network, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (net_inside(&network[i], (const struct sockaddr *)&a->ss))
			return true;
	return false;
}

static bool is_local(const struct net_addr *a)
{
	struct net_cidr own[2];
	char why[NET_WHY];

	return net_cidr("127.0.0.0/8", &own[0], why) == 0 &&
	    net_cidr("::1/128", &own[1], why) == 0 && inside(a, own, 2);
}

/* Only loopback is there without an allow-list. */
static bool allowed(const struct collect *c, const struct net_addr *from)
{
	return is_local(from) || inside(from, c->o.allow, c->o.nallow);
}

static void take_datagrams(struct collect *c, size_t i)
{
	char address[NET_TEXT], host[NET_TEXT];

	for (int k = 0; k < UDP_TURN; k++) {
		struct net_addr from = {.len = sizeof from.ss};
		ssize_t n = recvfrom(c->udp[i].fd, c->data, sizeof c->data, MSG_DONTWAIT,
		    (struct sockaddr *)&from.ss, &from.len);
		if (n < 0)
			break;
		while (n > 0 && (c->data[n - 1] == '\n' || c->data[n - 1] == '\0'))
			n--;
		if (allowed(c, &from)) {
			take(c, c->data, (size_t)n, host_of(net_text(&from, address), host), false);
		} else {
			c->count.in++;
			c->count.not_allowed++;
		}
	}
	int64_t drops = net_drops(c->udp[i].fd);
	if (drops < 0)
		return;
	uint32_t more = (uint32_t)drops - (uint32_t)c->dropped[i];
	c->dropped[i] += more;
	c->count.in += more;
	c->count.kernel_drop += more;
}

static int refuse(char why[NET_WHY], int error, const char *text)
{
	snprintf(why, NET_WHY, "%s", text);
	errno = error;
	return -1;
}

static int listen_udp(
    struct collect *c, struct net_spec *spec, char ready[COLLECT_ADDRESS], char why[NET_WHY])
{
	char address[NET_TEXT];
	struct net_addr a;

	if (!spec->host[0])
		strcpy(spec->host, "127.0.0.1");
	if (c->nudp == UDP_MAX)
		return refuse(why, EINVAL, "more than 8 udp: addresses");
	if (net_resolve(spec, true, &a, 1, why) < 0) {
		errno = EINVAL;
		return -1;
	}
	if (c->o.nallow == 0 && !is_local(&a))
		return refuse(why, EPERM,
		    "udp: other machines would reach this: say which may (--allow=NETWORK)");
	int fd = net_udp_listen(&a, spec->iface, why);
	if (fd < 0)
		return -1;
	(void)net_rcvbuf(fd, UDP_BUFFER);
	c->udp[c->nudp++] = (struct pollfd){.fd = fd, .events = POLLIN};
	snprintf(ready, COLLECT_ADDRESS, "udp:%s", net_text(&a, address));
	return 0;
}

/* ---- all of them ---- */

struct collect *collect_new(const struct collect_options *o)
{
	struct srv_options so = {.clients = CLIENTS,
	    .line = SLOG_MOST + FRAME_EXTRA,
	    .allow = o->allow,
	    .nallow = o->nallow};
	struct collect *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->o = *o;
	c->srv = srv_new(&so, &calls, c);
	if (c->srv)
		return c;
	free(c);
	return NULL;
}

int collect_listen(
    struct collect *c, const char *text, char ready[COLLECT_ADDRESS], char why[NET_WHY])
{
	struct net_spec spec;

	if (net_parse(text, NET_TCP, &spec, why) < 0) {
		errno = EINVAL;
		return -1;
	}
	return spec.kind == NET_UDP ? listen_udp(c, &spec, ready, why)
				    : srv_listen(c->srv, &spec, ready, why);
}

int collect_wait(struct collect *c, int64_t timeout_ns)
{
	if (srv_wait(c->srv, c->udp, c->nudp, timeout_ns) < 0)
		return -1;
	for (size_t i = 0; i < c->nudp; i++)
		if (c->udp[i].revents)
			take_datagrams(c, i);
	errno = c->error;
	return c->error ? -1 : 0;
}

const struct collect_count *collect_count(const struct collect *c)
{
	return &c->count;
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	srv_free(c->srv);
	for (size_t i = 0; i < c->nudp; i++)
		close(c->udp[i].fd);
	free(c);
}
