/* pace.c - datagrams sent at their moments, many in one call, from chosen loopback addresses */
#include "pace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"

#define TOGETHER  (100 * TIM_US)
#define NAP_MAX   (200 * TIM_MS)
#define SPEED_MIN 1e-6
#define SPEED_MAX 1e9
#define SLACK     1000 /* ns by which the kernel may round a sleep: 50 us otherwise */
#define LOOPBACK8 127  /* 127.0.0.0/8 */
#define SNDBUF    (4 << 20)
#define BACKOFFS  20 /* ms to wait for a full queue, then the datagram counts as lost */

union control {
	char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct cmsghdr head;
};

struct pace {
	int fd;
	const char *text; /* where to, as it was given */
	pace_done *tell;
	struct net_addr to;
	unsigned iface; /* index of the network interface for an IPv4 group, or 0 */
	uint8_t *room;  /* PACE_BATCH datagrams of PACE_ROOM bytes; pages come when they are used */
	unsigned n, done;
	int64_t first, now, sent_at, behind;
	uint64_t sent, refused;
	struct mmsghdr msg[PACE_BATCH];
	struct iovec iov[PACE_BATCH];
	struct net_addr name[PACE_BATCH];
	union control control[PACE_BATCH];
	int result[PACE_BATCH];
};

int pace_speed(const char *text, double *speed, char why[PACE_WHY])
{
	*speed = 0;
	if (strcmp(text, "max") == 0 ||
	    (conf_real(text, speed) == 0 && *speed >= SPEED_MIN && *speed <= SPEED_MAX))
		return 0;
	snprintf(why, PACE_WHY, "'%.64s' is neither max nor a number above 0", text);
	return -1;
}

static void prepare(struct pace *p)
{
	for (unsigned i = 0; i < PACE_BATCH; i++) {
		p->iov[i].iov_base = p->room + (size_t)i * PACE_ROOM;
		p->name[i] = p->to;
		p->msg[i].msg_hdr = (struct msghdr){.msg_name = &p->name[i].ss,
		    .msg_namelen = p->to.len,
		    .msg_iov = &p->iov[i],
		    .msg_iovlen = 1};
		struct cmsghdr *c = &p->control[i].head;
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
	}
}

static int open_socket(struct pace *p, char why[PACE_WHY])
{
	struct ip_mreqn group = {.imr_ifindex = (int)p->iface};
	int one = 1, size = SNDBUF;
	bool v6 = p->to.ss.ss_family == AF_INET6;

	p->fd = socket(p->to.ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0) {
		snprintf(why, PACE_WHY, "no socket: %s", strerror(errno));
		return -1;
	}
	if (p->iface && setsockopt(p->fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) < 0) {
		snprintf(why, PACE_WHY, "cannot send there by this interface: %s", strerror(errno));
		close(p->fd);
		return -1;
	}
	/* Without these the kernel drops silently; to broadcast and to send much at once are extras. */
	(void)setsockopt(p->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
	    &one, sizeof one);
	(void)setsockopt(p->fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
	(void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return 0;
}

/* An interface is part of an IPv6 address; of IPv4 only a group is sent by the one that is named. */
static int use_interface(struct pace *p, const char *iface, char why[PACE_WHY])
{
	if (!*iface || p->to.ss.ss_family != AF_INET)
		return 0;
	if (!net_is_multicast(&p->to)) {
		snprintf(why, PACE_WHY,
		    "%%%s: of IPv4 addresses only a group (224.0.0.0 to 239.255.255.255) is sent "
		    "by "
		    "the interface that is named: leave it out",
		    iface);
		errno = EINVAL;
		return -1;
	}
	p->iface = if_nametoindex(iface);
	return 0;
}

static int find(struct pace *p, char why[PACE_WHY])
{
	struct net_spec spec;

	errno = EINVAL;
	if (net_parse(p->text, NET_UDP, &spec, why) < 0)
		return -1;
	if (spec.kind != NET_UDP) {
		snprintf(why, PACE_WHY, "datagrams go to HOST:PORT");
		return -1;
	}
	if (net_resolve(&spec, false, &p->to, 1, why) >= 1)
		return use_interface(p, spec.iface, why);
	errno = EHOSTUNREACH;
	return -1;
}

struct pace *pace_new(const char *to, pace_done *done, char why[PACE_WHY])
{
	struct pace *p = calloc(1, sizeof *p);

	if (!p || !(p->room = malloc((size_t)PACE_BATCH * PACE_ROOM))) {
		snprintf(why, PACE_WHY, "no memory");
		free(p);
		return NULL;
	}
	p->text = to;
	p->tell = done;
	if (find(p, why) < 0 || open_socket(p, why) < 0) {
		free(p->room);
		free(p);
		return NULL;
	}
	prepare(p);
	(void)prctl(PR_SET_TIMERSLACK, SLACK, 0, 0, 0);
	return p;
}

unsigned pace_port(const struct pace *p)
{
	return net_port(&p->to);
}

/* Whether a message due then may join those that wait; if not, they are to be sent first. */
static bool fits(const struct pace *p, int64_t due)
{
	if (p->done > 0 || p->n == 0)
		return true;
	return p->n < PACE_BATCH && (due <= p->first + TOGETHER || due <= p->now);
}

/* A batch that was dealt with stays readable until the next message comes. */
static void fresh(struct pace *p)
{
	if (p->done == 0)
		return;
	p->n = p->done = 0;
}

uint8_t *pace_room(struct pace *p)
{
	fresh(p);
	return p->iov[p->n].iov_base;
}

void pace_put(struct pace *p, size_t len, int64_t due, uint32_t source, uint16_t port)
{
	fresh(p);
	unsigned i = p->n++;
	struct msghdr *h = &p->msg[i].msg_hdr;

	if (i == 0)
		p->first = due;
	p->iov[i].iov_len = len;
	h->msg_control = source ? &p->control[i] : NULL;
	h->msg_controllen = source ? CMSG_LEN(sizeof(struct in_pktinfo)) : 0;
	if (source) {
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(source)};
		memcpy(CMSG_DATA(&p->control[i].head), &info, sizeof info);
	}
	if (port)
		net_set_port(&p->name[i], port);
}

unsigned pace_waiting(const struct pace *p)
{
	return p->done > 0 ? 0 : p->n;
}

/* The errors that came back from the other side: one entry for each datagram that met no one. */
static void read_errors(struct pace *p)
{
	char room[512];

	for (;;) {
		struct msghdr h = {.msg_control = room, .msg_controllen = sizeof room};
		if (recvmsg(p->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
			struct sock_extended_err e;
			if (c->cmsg_level != IPPROTO_IP && c->cmsg_level != IPPROTO_IPV6)
				continue;
			if (c->cmsg_type != IP_RECVERR && c->cmsg_type != IPV6_RECVERR)
				continue;
			memcpy(&e, CMSG_DATA(c), sizeof e);
			if (e.ee_origin != SO_EE_ORIGIN_LOCAL && e.ee_errno == ECONNREFUSED)
				p->refused++;
		}
	}
}

/* Sends messages i and on; how many are dealt with. An error that belongs to a datagram before
 * (a closed port) is taken down, and the message tried again. */
static unsigned send_from(struct pace *p, unsigned i)
{
	for (int tries = 0;; tries++) {
		int k = sendmmsg(p->fd, p->msg + i, p->n - i, 0);
		if (k > 0) {
			memset(p->result + i, 0, (unsigned)k * sizeof *p->result);
			if ((unsigned)k < p->n - i)
				read_errors(p);
			return (unsigned)k;
		}
		if (errno == EINTR)
			continue;
		if (errno == ECONNREFUSED) {
			read_errors(p);
			if (tries < BACKOFFS)
				continue;
		}
		/* The card's queue is full: it drains in a moment, but it must not stop us for good. */
		if ((errno == ENOBUFS || errno == EAGAIN) && tries < BACKOFFS) {
			(void)tim_sleep_until(tim_mono() + TIM_MS);
			continue;
		}
		p->result[i] = errno;
		return 1;
	}
}

/* How many of the messages that wait are dealt with. */
static unsigned send_due(struct pace *p)
{
	if (pace_waiting(p) == 0)
		return 0;
	p->now = tim_mono();
	if (p->first > p->now) {
		int64_t left = p->first - p->now;
		if (io_wait(-1, left < NAP_MAX ? left : NAP_MAX) < 0 || left > NAP_MAX)
			return 0;
		p->now = tim_mono();
	}
	if (p->first > 0 && p->now - p->first > p->behind)
		p->behind = p->now - p->first;
	p->sent_at = tim_now();
	for (unsigned i = 0; i < p->n;)
		i += send_from(p, i);
	p->done = p->n;
	return p->n;
}

void pace_send(struct pace *p)
{
	unsigned n = send_due(p);

	for (unsigned i = 0; i < n; i++)
		p->sent += p->result[i] == 0;
	p->tell(p, n);
}

bool pace_reach(struct pace *p, int64_t due)
{
	while (!fits(p, due) && !cli_stopping())
		pace_send(p);
	return !cli_stopping();
}

uint64_t pace_finish(struct pace *p)
{
	while (pace_waiting(p) > 0 && !cli_stopping())
		pace_send(p);
	read_errors(p);
	if (p->refused)
		cli_warn("%s: nobody listened there: %" PRIu64 " of %" PRIu64
			 " datagrams were refused",
		    p->text, p->refused, p->sent);
	return p->refused;
}

int pace_result(const struct pace *p, unsigned i)
{
	return p->result[i];
}

int64_t pace_sent_at(const struct pace *p)
{
	return p->sent_at;
}

int64_t pace_behind(const struct pace *p)
{
	return p->behind;
}

bool pace_can_be(const struct pace *p, uint32_t source)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&p->to.ss;

	return to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 == LOOPBACK8 &&
	    source >> 24 == LOOPBACK8;
}

void pace_free(struct pace *p)
{
	if (!p)
		return;
	close(p->fd);
	free(p->room);
	free(p);
}
