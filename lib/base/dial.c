/* dial.c - a connection to a device or server that is made again whenever it is lost */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "back.h"
#include "io.h"
#include "lookup.h"
#include "tcp.h"
#include "tim.h"
#include "tty.h"

#define OUT_MOST   65536
#define BAUD       9600        /* what devices that speak lines have; USB ones ignore it */
#define LOOK_MIN   (5 * TIM_S) /* a name server is slower than a device */
#define KEEP_IDLE  10          /* s of silence before TCP asks whether the peer still lives */
#define KEEP_EVERY 5           /* s */
#define KEEP_TRIES 3

enum state { DOWN, LOOKING, DIALLING, UP };

struct dial {
	struct net_spec to;
	/* Of LOOKING, or beside an attempt at the addresses of before: one that takes too long stays
	 * for the next attempt. */
	struct lookup *lookup;
	int64_t look_until;
	struct tcp tcp; /* of DIALLING; its addresses stay until others are found */
	char text[NET_TEXT], why[NET_WHY];
	enum state state;
	bool lost; /* to be told by the next step */
	int fd;
	struct tty tty;
	struct back back;
	int64_t timeout;
	size_t line; /* longest */
	char *in;
	size_t nin, taken; /* taken: bytes of the line that the caller looked at */
	char *out;
	size_t nout;
};

struct dial *dial_new(const struct net_spec *to, size_t line, int64_t timeout_ns)
{
	static const char *const kinds[] = {"udp:", "tcp:", "unix:", "serial:"};
	struct dial *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->fd = d->tty.fd = d->tcp.fd = -1;
	if (!(d->in = malloc(line + 3)) || !(d->out = malloc(OUT_MOST))) {
		dial_free(d);
		errno = ENOMEM;
		return NULL;
	}
	d->to = *to;
	d->line = line;
	d->timeout = timeout_ns;
	bool v6 = to->kind == NET_TCP && strchr(to->host, ':');
	if (to->kind == NET_TCP)
		snprintf(d->text, sizeof d->text, "tcp:%s%s%s:%s", v6 ? "[" : "", to->host,
		    v6 ? "]" : "", to->port);
	else
		snprintf(d->text, sizeof d->text, "%s%s", kinds[to->kind], to->host);
	return d;
}

static void shut(struct dial *d)
{
	if (d->to.kind == NET_SERIAL)
		tty_close(&d->tty);
	else if (d->fd >= 0)
		close(d->fd);
	tcp_stop(&d->tcp);
	d->fd = -1;
	d->nin = d->nout = d->taken = 0;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	shut(d);
	lookup_free(d->lookup);
	free(d->in);
	free(d->out);
	free(d);
}

const char *dial_why(const struct dial *d)
{
	return d->why;
}

const char *dial_text(const struct dial *d)
{
	return d->text;
}

bool dial_is_up(const struct dial *d)
{
	return d->state == UP;
}

void dial_good(struct dial *d)
{
	back_ok(&d->back);
}

void dial_hurry(struct dial *d, int64_t most_ns)
{
	back_hurry(&d->back, most_ns);
}

void dial_drop(struct dial *d, const char *why)
{
	if (d->lost)
		return; /* the first reason is the good one */
	shut(d);
	snprintf(d->why, sizeof d->why, "%s", why);
	d->state = DOWN;
	d->lost = true;
	back_fail(&d->back, tim_mono());
}

/* ---- dialling ---- */

static void up(struct dial *d)
{
	int on = 1, idle = KEEP_IDLE, every = KEEP_EVERY, tries = KEEP_TRIES;

	d->state = UP;
	if (d->to.kind != NET_TCP)
		return;
	setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(d->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(d->fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
	setsockopt(d->fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

static void dial_serial(struct dial *d)
{
	struct tty_spec spec = {.baud = BAUD, .xonxoff = true};
	char why[TTY_WHY];

	if (tty_name(d->to.host, &spec, why) < 0) {
		dial_drop(d, why);
		return;
	}
	if (tty_open(&d->tty, &spec) < 0) {
		snprintf(why, sizeof why, "%s", d->tty.why);
		dial_drop(d, why);
		return;
	}
	tty_flush(&d->tty);
	d->fd = d->tty.fd;
	up(d);
}

/* What has become of an attempt. */
static void dialled(struct dial *d, int got, const char *why)
{
	if (got > 0) {
		d->fd = tcp_take(&d->tcp);
		up(d);
	} else if (got < 0) {
		dial_drop(d, why);
	}
}

static void dial_found(struct dial *d)
{
	char why[NET_WHY] = "";

	d->state = DIALLING;
	dialled(d, tcp_begin(&d->tcp, tim_mono() + d->timeout, why), why);
}

/* A name, not an address: to find it may take a while. */
static bool is_name(const struct net_spec *to)
{
	struct in6_addr any;

	return to->kind == NET_TCP && *to->host && inet_pton(AF_INET, to->host, &any) != 1 &&
	    inet_pton(AF_INET6, to->host, &any) != 1;
}

/* As lookup_end(), and no more of it when it has ended. */
static int looked(struct dial *d, char why[NET_WHY])
{
	int got = lookup_end(d->lookup, &d->tcp, why);

	if (got == 0)
		return 0;
	lookup_free(d->lookup);
	d->lookup = NULL;
	return got;
}

/* By the next attempt the name may stand for another address. This one does not wait for it. */
static void look_again(struct dial *d)
{
	char why[NET_WHY];

	if (d->lookup)
		(void)looked(d, why); /* not found any more: the addresses stay */
	if (!d->lookup)
		d->lookup = lookup_new(&d->to);
	dial_found(d);
}

static void dial_socket(struct dial *d)
{
	char why[NET_WHY] = "";

	if (d->tcp.n > 0 && is_name(&d->to)) {
		look_again(d);
	} else if (is_name(&d->to)) {
		if (!d->lookup && !(d->lookup = lookup_new(&d->to)))
			dial_drop(d, strerror(errno));
		else
			d->state = LOOKING;
		d->look_until = tim_mono() + (d->timeout > LOOK_MIN ? d->timeout : LOOK_MIN);
	} else if (d->tcp.n == 0 && tcp_find(&d->tcp, &d->to, why) < 0) {
		dial_drop(d, why);
	} else {
		dial_found(d);
	}
}

static void look(struct dial *d)
{
	char why[NET_WHY] = "";
	int got = looked(d, why);

	if (got > 0)
		dial_found(d);
	else if (got < 0)
		dial_drop(d, why);
	else if (tim_mono() >= d->look_until)
		dial_drop(d, "its name is not found yet: does the name server answer?");
}

/* ---- reading and writing ---- */

static void forget_taken(struct dial *d)
{
	d->nin -= d->taken;
	memmove(d->in, d->in + d->taken, d->nin);
	d->taken = 0;
}

/* One more byte than a line with its CR LF has room: more cannot be a line. */
static void read_more(struct dial *d)
{
	forget_taken(d);
	size_t room = d->line + 2 - d->nin;
	if (room == 0) {
		if (!memchr(d->in, '\n', d->nin))
			dial_drop(d, "sends lines without end");
		return;
	}
	ssize_t k = read(d->fd, d->in + d->nin, room);
	if (k > 0)
		d->nin += (size_t)k;
	else if (k == 0)
		dial_drop(d, "closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		dial_drop(d, strerror(errno));
}

static void write_more(struct dial *d)
{
	while (d->nout > 0) {
		ssize_t k = d->to.kind == NET_SERIAL ? write(d->fd, d->out, d->nout)
						     : send(d->fd, d->out, d->nout, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			if (errno != EAGAIN)
				dial_drop(d, strerror(errno));
			return;
		}
		d->nout -= (size_t)k;
		memmove(d->out, d->out + k, d->nout);
	}
}

int dial_send(struct dial *d, const void *data, size_t n)
{
	if (d->state != UP)
		return -1;
	if (n > OUT_MOST - d->nout) {
		dial_drop(d, "does not take what is sent");
		return -1;
	}
	memcpy(d->out + d->nout, data, n);
	d->nout += n;
	write_more(d);
	return d->state == UP ? 0 : -1;
}

char *dial_line(struct dial *d, size_t *n)
{
	forget_taken(d);
	char *end = memchr(d->in, '\n', d->nin);
	if (!end)
		return NULL;
	*n = (size_t)(end - d->in);
	d->taken = *n + 1;
	if (*n > 0 && d->in[*n - 1] == '\r')
		--*n;
	d->in[*n] = '\0';
	return d->in;
}

bool dial_stale(struct dial *d)
{
	if (d->state == UP)
		read_more(d);
	return d->nin > 0;
}

/* ---- the turn ---- */

void dial_poll(const struct dial *d, struct pollfd *p)
{
	if (d->state == UP)
		*p = (struct pollfd){
		    .fd = d->fd, .events = (short)(POLLIN | (d->nout > 0 ? POLLOUT : 0))};
	else if (d->state == LOOKING)
		*p = (struct pollfd){.fd = lookup_fd(d->lookup), .events = POLLIN};
	else
		*p = (struct pollfd){.fd = d->tcp.fd, .events = POLLOUT}; /* -1 while DOWN */
}

int64_t dial_due(const struct dial *d)
{
	if (d->lost)
		return 0;
	return d->state == DOWN    ? d->back.due
	    : d->state == LOOKING  ? d->look_until
	    : d->state == DIALLING ? d->tcp.due
				   : INT64_MAX;
}

enum dial_event dial_step(struct dial *d, short revents)
{
	enum state before = d->state;
	char why[NET_WHY] = "";

	if (!d->lost) {
		if (d->state == LOOKING)
			look(d);
		else if (d->state == DIALLING)
			dialled(d, tcp_go_on(&d->tcp, revents, why), why);
		else if (d->state == UP && (revents & POLLOUT))
			write_more(d);
		else if (d->state == DOWN && tim_mono() >= d->back.due)
			d->to.kind == NET_SERIAL ? dial_serial(d) : dial_socket(d);
		if (before == UP && d->state == UP && (revents & (POLLIN | POLLHUP | POLLERR)))
			read_more(d);
	}
	if (d->lost) {
		d->lost = false;
		return DIAL_LOST;
	}
	return before != UP && d->state == UP ? DIAL_UP : DIAL_NONE;
}

int dial_wait(struct dial *d, int64_t until, enum dial_event *event)
{
	struct pollfd p[2];
	int64_t now = tim_mono(), due = dial_due(d);

	*event = DIAL_NONE;
	dial_poll(d, &p[0]);
	p[1] = (struct pollfd){.fd = io_wakefd, .events = POLLIN};
	due = due < until ? due : until;
	int64_t left = due > now ? due - now : 0;
	struct timespec ts = {.tv_sec = left / TIM_S, .tv_nsec = left % TIM_S};
	int n = ppoll(p, 2, &ts, NULL);
	if (n < 0 && errno != EINTR)
		return -1;
	*event = dial_step(d, n > 0 ? p[0].revents : 0);
	if (n < 0 || p[1].revents) {
		errno = EINTR;
		return -1;
	}
	return 0;
}
