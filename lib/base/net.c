/*
 * net.c - addresses, networks and UDP sockets
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/net.h"
#include "why.h"

#define fail(why, error, ...) why_fail(why, NET_WHY, error, __VA_ARGS__)

/* ---- the grammar ---- */

static bool copy(char *to, size_t size, const char *from, size_t n)
{
	if (n >= size)
		return false;
	memcpy(to, from, n);
	to[n] = 0;
	return true;
}

/* [HOST][%IFACE], n bytes, without brackets. */
static int parse_host(const char *text, size_t n, struct net_spec *s)
{
	const char *at = memchr(text, '%', n);
	size_t host = at ? (size_t)(at - text) : n;

	if (at && (host + 1 == n || !copy(s->iface, sizeof s->iface, at + 1, n - host - 1)))
		return -1;
	if (host == 1 && *text == '*')
		host = 0;
	return copy(s->host, sizeof s->host, text, host) ? 0 : -1;
}

/* PORT, HOST:PORT or [V6]:PORT; a trailing ,ro has been taken off. */
static int parse_inet(const char *text, size_t n, struct net_spec *s)
{
	const char *colon = memrchr(text, ':', n);
	const char *port = colon ? colon + 1 : text;
	size_t hostlen = colon ? (size_t)(colon - text) : 0;
	long long v;

	if (!copy(s->port, sizeof s->port, port, n - (size_t)(port - text)) ||
	    s->port[strspn(s->port, "0123456789")] || conf_int(s->port, 0, 65535, &v) < 0)
		return -1;
	if (hostlen && text[0] == '[') {
		if (hostlen < 3 || text[hostlen - 1] != ']')
			return -1;
		return parse_host(text + 1, hostlen - 2, s);
	}
	if (memchr(text, ':', hostlen))
		return -1; /* a bare V6 address cannot be told from its port */
	return parse_host(text, hostlen, s);
}

int net_parse(const char *text, enum net_kind usual, struct net_spec *spec, char why[NET_WHY])
{
	static const struct {
		const char *word;
		enum net_kind kind;
	} kinds[] = {
	    {"udp:", NET_UDP}, {"tcp:", NET_TCP}, {"unix:", NET_UNIX}, {"serial:", NET_SERIAL}};
	const char *rest = text;

	memset(spec, 0, sizeof *spec);
	spec->kind = usual;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncmp(text, kinds[i].word, strlen(kinds[i].word)) == 0) {
			spec->kind = kinds[i].kind;
			rest = text + strlen(kinds[i].word);
			break;
		}
	}
	size_t n = strlen(rest);
	if ((spec->kind == NET_UNIX || spec->kind == NET_TCP) && n > 3 &&
	    strcmp(rest + n - 3, ",ro") == 0) {
		spec->read_only = true;
		n -= 3;
	}
	if (spec->kind == NET_UNIX || spec->kind == NET_SERIAL) {
		if (n == 0 || !copy(spec->host, sizeof spec->host, rest, n))
			return fail(why, EINVAL, "%.64s: no path, or one that is too long", text);
		return 0;
	}
	if (*text == '/')
		return fail(why, EINVAL,
		    "%.64s: is a path: write unix:PATH for a socket, or serial:DEV for a port",
		    text);
	if (parse_inet(rest, n, spec) < 0)
		return fail(why, EINVAL,
		    "%.64s: is no address: write HOST:PORT, PORT, or [IPV6]:PORT, with a port from "
		    "0 to 65535",
		    text);
	return 0;
}

/* ---- addresses ---- */

static int resolve_unix(const struct net_spec *s, struct net_addr *to, char why[NET_WHY])
{
	struct sockaddr_un *un = (struct sockaddr_un *)&to->ss;

	memset(to, 0, sizeof *to);
	un->sun_family = AF_UNIX;
	if (!copy(un->sun_path, sizeof un->sun_path, s->host, strlen(s->host)))
		return fail(why, ENAMETOOLONG, "%.64s...: a socket's path has at most %zu bytes",
		    s->host, sizeof un->sun_path - 1);
	to->len = sizeof *un;
	return 1;
}

/* A named interface is the scope of an IPv6 address. */
static int set_scope(const struct net_spec *s, struct net_addr *a, char why[NET_WHY])
{
	unsigned index = if_nametoindex(s->iface);

	if (!index)
		return fail(why, ENODEV, "%s: no such network interface", s->iface);
	if (a->ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->ss)->sin6_scope_id = index;
	return 0;
}

int net_resolve(
    const struct net_spec *s, bool passive, struct net_addr *to, int max, char why[NET_WHY])
{
	static const int families[] = {AF_INET, AF_INET6};
	struct addrinfo hint = {.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
	struct addrinfo *list;
	int n = 0, error = 0;

	if (s->kind == NET_UNIX)
		return resolve_unix(s, to, why);
	if (s->kind == NET_SERIAL)
		return fail(why, EINVAL, "%s: is a serial line, not a network address", s->host);
	hint.ai_socktype = s->kind == NET_TCP ? SOCK_STREAM : SOCK_DGRAM;
	for (int f = 0; f < 2; f++) {
		hint.ai_family = families[f];
		int got = getaddrinfo(s->host[0] ? s->host : NULL, s->port, &hint, &list);
		if (got) {
			error = got;
			continue;
		}
		for (struct addrinfo *a = list; a && n < max; a = a->ai_next, n++) {
			memset(&to[n], 0, sizeof to[n]);
			memcpy(&to[n].ss, a->ai_addr, a->ai_addrlen);
			to[n].len = a->ai_addrlen;
			if (s->iface[0] && set_scope(s, &to[n], why) < 0) {
				freeaddrinfo(list);
				return -1;
			}
		}
		freeaddrinfo(list);
	}
	if (n == 0)
		return fail(why, ENOENT, "%s: %s", s->host, gai_strerror(error));
	return n;
}

static const void *raw_addr(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	if (sa->sa_family == AF_INET6)
		return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	return NULL;
}

char *net_text(const struct net_addr *a, char buf[NET_TEXT])
{
	const struct sockaddr *sa = (const struct sockaddr *)&a->ss;
	char host[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE + 1] = "";

	if (sa->sa_family == AF_UNIX) {
		snprintf(buf, NET_TEXT, "unix:%s", ((const struct sockaddr_un *)&a->ss)->sun_path);
		return buf;
	}
	const void *raw = raw_addr(sa);
	if (!raw) {
		snprintf(buf, NET_TEXT, "address of family %d", sa->sa_family);
		return buf;
	}
	inet_ntop(sa->sa_family, raw, host, sizeof host);
	if (sa->sa_family == AF_INET) {
		snprintf(buf, NET_TEXT, "%s:%u", host, net_port(a));
		return buf;
	}
	unsigned index = ((const struct sockaddr_in6 *)&a->ss)->sin6_scope_id;
	scope[0] = '%';
	if (!index || !if_indextoname(index, scope + 1))
		scope[0] = 0;
	snprintf(buf, NET_TEXT, "[%s%s]:%u", host, scope, net_port(a));
	return buf;
}

unsigned net_port(const struct net_addr *a)
{
	if (a->ss.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->ss)->sin_port);
	if (a->ss.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->ss)->sin6_port);
	return 0;
}

void net_set_port(struct net_addr *a, unsigned port)
{
	if (a->ss.ss_family == AF_INET)
		((struct sockaddr_in *)&a->ss)->sin_port = htons((uint16_t)port);
	else if (a->ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->ss)->sin6_port = htons((uint16_t)port);
}

bool net_is_any(const struct net_addr *a)
{
	static const uint8_t zero[16];
	const void *raw = raw_addr((const struct sockaddr *)&a->ss);

	return raw && memcmp(raw, zero, a->ss.ss_family == AF_INET ? 4 : 16) == 0;
}

bool net_is_multicast(const struct net_addr *a)
{
	const uint8_t *raw = raw_addr((const struct sockaddr *)&a->ss);

	if (!raw)
		return false;
	return a->ss.ss_family == AF_INET ? (raw[0] & 0xf0) == 0xe0 : raw[0] == 0xff;
}

/* ---- networks ---- */

int net_cidr(const char *text, struct net_cidr *c, char why[NET_WHY])
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	long long bits;

	memset(c, 0, sizeof *c);
	if (!copy(host, sizeof host, text, n))
		return fail(why, EINVAL, "%.64s: is no address", text);
	if (inet_pton(AF_INET, host, c->addr) == 1)
		c->family = AF_INET;
	else if (inet_pton(AF_INET6, host, c->addr) == 1)
		c->family = AF_INET6;
	else
		return fail(
		    why, EINVAL, "%.64s: is no network: write 192.0.2.0/24 or 2001:db8::/32", text);
	int most = c->family == AF_INET ? 32 : 128;
	c->bits = most;
	if (!slash)
		return 0;
	if (slash[1] < '0' || slash[1] > '9' || conf_int(slash + 1, 0, most, &bits) < 0)
		return fail(why, EINVAL, "%.64s: the bits go from 0 to %d", text, most);
	c->bits = (int)bits;
	return 0;
}

bool net_inside(const struct net_cidr *c, const struct sockaddr *from)
{
	const uint8_t *raw = raw_addr(from);
	int whole = c->bits / 8, rest = c->bits % 8;

	if (!raw || from->sa_family != c->family || memcmp(raw, c->addr, (size_t)whole) != 0)
		return false;
	return rest == 0 || (raw[whole] ^ c->addr[whole]) >> (8 - rest) == 0;
}

/* ---- UDP sockets ---- */

static void set_on(int fd, int level, int option)
{
	int on = 1;

	setsockopt(fd, level, option, &on, sizeof on);
}

static int join(int fd, const struct net_addr *at, const char *iface)
{
	struct group_req g = {.gr_interface = *iface ? if_nametoindex(iface) : 0};
	bool v4 = at->ss.ss_family == AF_INET;
	int none = 0;

	g.gr_group = at->ss;
	if (setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof g) < 0)
		return -1;
	/* Only what was joined here, not what other programs joined. */
	if (v4)
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &none, sizeof none);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &none, sizeof none);
	return 0;
}

static int bind_failed(const struct net_addr *at, char why[NET_WHY])
{
	char text[NET_TEXT];
	int error = errno;

	net_text(at, text);
	if (error == EADDRINUSE)
		return fail(why, error,
		    "%.80s: another program receives on this port already (ss -lunp 'sport = :%u' "
		    "names it): stop it, or feed both from one by tee",
		    text, net_port(at));
	if (error == EADDRNOTAVAIL)
		return fail(why, error,
		    "%.80s: this machine has no such address (ip addr lists them)", text);
	if (error == EACCES)
		return fail(why, error, "%.80s: ports below 1024 need root", text);
	return fail(why, error, "%.80s: %s", text, strerror(error));
}

static int join_failed(const struct net_addr *at, const char *iface, char why[NET_WHY])
{
	char text[NET_TEXT];
	int error = errno;

	net_text(at, text);
	if (error == ENODEV || error == EADDRNOTAVAIL)
		return fail(why, error,
		    "%.80s: no interface for this group%s%s: name it as GROUP%%eth0:PORT", text,
		    *iface ? " on " : "", iface);
	return fail(why, error, "%.80s: cannot join this group: %s", text, strerror(error));
}

static int listen_on(int fd, struct net_addr *at, const char *iface, char why[NET_WHY])
{
	bool group = net_is_multicast(at);

	if (at->ss.ss_family == AF_INET6)
		set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (group) /* every member gets its copy */
		set_on(fd, SOL_SOCKET, SO_REUSEADDR);
	else if (*iface &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface, (socklen_t)strlen(iface)) < 0)
		return fail(
		    why, errno, "%s: cannot receive on this interface: %s", iface, strerror(errno));
	set_on(fd, SOL_SOCKET, SO_TIMESTAMPNS);
	set_on(fd, SOL_SOCKET, SO_RXQ_OVFL);
	if (net_is_any(at)) {
		set_on(fd, IPPROTO_IP, IP_PKTINFO);
		if (at->ss.ss_family == AF_INET6)
			set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
	}
	if (bind(fd, (struct sockaddr *)&at->ss, at->len) < 0)
		return bind_failed(at, why);
	getsockname(fd, (struct sockaddr *)&at->ss, &at->len);
	if (group && join(fd, at, iface) < 0)
		return join_failed(at, iface, why);
	return 0;
}

int net_udp_listen(struct net_addr *at, const char *iface, char why[NET_WHY])
{
	char text[NET_TEXT];
	int fd = socket(at->ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail(why, errno, "%.80s: %s", net_text(at, text), strerror(errno));
	if (listen_on(fd, at, iface, why) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int net_udp_add(struct net_sockets *s, const char *text, int64_t rcvbuf, char why[NET_WHY])
{
	struct net_spec spec;
	struct net_addr at[8];

	if (net_parse(text, NET_UDP, &spec, why) < 0)
		return -1;
	if (spec.kind != NET_UDP)
		return fail(why, EINVAL, "%.64s: is no UDP address", text);
	int n = net_resolve(&spec, true, at, 8, why);
	for (int i = 0; i < n; i++) {
		if (s->n == NET_SOCKETS)
			return fail(why, EINVAL, "%.64s: more than %d sockets", text, NET_SOCKETS);
		if (i > 0)
			net_set_port(&at[i], net_port(&at[0]));
		int fd = net_udp_listen(&at[i], spec.iface, why);
		if (fd < 0 && i > 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			break;
		if (fd < 0)
			return -1;
		s->granted = net_rcvbuf(fd, rcvbuf);
		s->at[s->n] = at[i];
		s->fd[s->n++] = fd;
	}
	return n < 0 ? -1 : 0;
}

int64_t net_rcvbuf(int fd, int64_t bytes)
{
	int ask = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes, got = 0;
	socklen_t n = sizeof got;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &ask, sizeof ask) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &ask, sizeof ask);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n) < 0)
		return 0;
	return got;
}

int64_t net_charge(size_t len)
{
	/* The buffer that holds the datagram, its headers and the kernel's own, is a power of two
	 * (or a small one of 576 bytes), and 256 bytes describe it; beyond 16 KiB it is of
	 * pages. */
	size_t need = len + 400, buffer = 1024;

	if (need <= 576)
		return 832;
	if (need > 16384)
		return (int64_t)len + 1000;
	while (buffer < need)
		buffer *= 2;
	return (int64_t)buffer + 256;
}

int64_t net_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof info;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
		return -1;
	if (n <= SK_MEMINFO_DROPS * sizeof info[0]) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return info[SK_MEMINFO_DROPS];
}
