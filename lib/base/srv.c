/* srv.c - servers of line protocols: listeners, and clients that are bounded in every way */
#include "srv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "tcp.h"
#include "tim.h"
#include "why.h"

#define BACKLOG      64
#define INPUT_MIN    4096
#define ACCEPT_TURN  16    /* new clients a turn */
#define NO_FD_WAIT   TIM_S /* when the process has no descriptors left */
#define USER_TIMEOUT 20000 /* ms that sent bytes may stay unacknowledged */
#define STUCK        TIM_S /* the reader of a pipe has so long at the end of the program */
#define TURN_LINES   64    /* lines of one client before the others have their turn */

#define REST (1 << 20) /* bytes that are read behind the hang-up of a held client */

static const char deaf[] = "does not read its answers";

struct srv_client {
	struct srv *srv;
	struct srv_client *next;
	int fd, out_fd; /* the same, but for a pair of pipes */
	bool read_only, socket;
	bool held;      /* SRV_LATER */
	bool ended;     /* no more input */
	bool told;      /* and the owner knows */
	bool finishing; /* close when written */
	bool dead;      /* the owner is to be told, and it is to be freed */
	bool skipping;  /* the rest of a line that was too long */
	char peer[SRV_PEER];
	char gone[80]; /* why it is dead */
	void *data;
	char *in, *out;
	size_t nin, nout, out_size;
	int64_t heard, moved; /* tim_mono() of the last byte in, and of progress in writing */
	int64_t partial;      /* when a line was begun that has no end yet; 0: none */
	size_t slot;          /* in the poll set, 0: not there yet */
};

struct listener {
	int fd;
	bool read_only, unix_socket;
	char path[NET_TEXT]; /* to be removed; "" for TCP */
	int64_t closed_until;
};

struct srv {
	struct srv_options o;
	struct net_cidr *allow;
	const struct srv_calls *calls;
	void *ctx;
	size_t in_size;
	struct listener listener[SRV_LISTENERS];
	size_t nlisteners;
	struct srv_client *first;
	int count;
	struct pollfd *set;
	size_t set_size;
};

#define fail(why, error, ...) why_fail(why, NET_WHY, error, __VA_ARGS__)

/* ---- the server ---- */

struct srv *srv_new(const struct srv_options *options, const struct srv_calls *calls, void *ctx)
{
	struct srv *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->o = *options;
	s->calls = calls;
	s->ctx = ctx;
	s->in_size = options->line + 2 > INPUT_MIN ? options->line + 2 : INPUT_MIN;
	s->allow = calloc(options->nallow + 1, sizeof *s->allow);
	if (!s->allow) {
		free(s);
		return NULL;
	}
	for (size_t i = 0; i < options->nallow; i++)
		s->allow[i] = options->allow[i];
	return s;
}

static void close_fds(struct srv_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->out_fd >= 0 && c->out_fd != c->fd)
		close(c->out_fd);
	c->fd = c->out_fd = -1;
}

static void free_client(struct srv_client *c)
{
	close_fds(c);
	free(c->in);
	free(c->out);
	free(c);
}

void srv_free(struct srv *s)
{
	if (!s)
		return;
	while (s->first) {
		struct srv_client *c = s->first;
		s->first = c->next;
		free_client(c);
	}
	for (size_t i = 0; i < s->nlisteners; i++) {
		close(s->listener[i].fd);
		if (s->listener[i].path[0])
			unlink(s->listener[i].path);
	}
	free(s->set);
	free(s->allow);
	free(s);
}

int srv_count(const struct srv *s)
{
	return s->count;
}

/* ---- listening ---- */

static bool is_loopback(const struct net_addr *a)
{
	static const struct net_cidr v4 = {AF_INET, 8, {127}}, v6 = {AF_INET6, 128, {[15] = 1}},
				     mapped = {
					 AF_INET6, 104, {[10] = 0xff, [11] = 0xff, [12] = 127}};
	const struct sockaddr *sa = (const struct sockaddr *)&a->ss;

	return net_inside(&v4, sa) || net_inside(&v6, sa) || net_inside(&mapped, sa);
}

/* Whether the name belongs to a socket that nobody listens at any more. */
static bool abandoned(const struct net_spec *at)
{
	struct stat st;
	char why[NET_WHY];

	if (lstat(at->host, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	int fd = tcp_connect(at, tim_mono(), NULL, why);
	bool gone = fd < 0 && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return gone;
}

static int bind_unix(int fd, const struct net_spec *at, const struct net_addr *a, char why[NET_WHY])
{
	/* The mode must be right from the first moment: a chmod later would leave a gap. */
	mode_t old = umask(0117);
	int rc = bind(fd, (const struct sockaddr *)&a->ss, a->len);
	if (rc < 0 && errno == EADDRINUSE && abandoned(at) && unlink(at->host) == 0)
		rc = bind(fd, (const struct sockaddr *)&a->ss, a->len);
	if (rc == 0)
		rc = listen(fd, BACKLOG);
	int error = errno;
	umask(old);
	if (rc == 0)
		return 0;
	if (error == EADDRINUSE)
		return fail(why, error,
		    "unix:%.100s: another program listens there, or the file is no socket",
		    at->host);
	if (error == ENOENT)
		return fail(why, error,
		    "unix:%.100s: its folder is not there: make it, or name another place",
		    at->host);
	return fail(why, error, "unix:%.100s: cannot listen there: %s", at->host, strerror(error));
}

static int listen_unix(const struct net_spec *at, const struct net_addr *a, char why[NET_WHY])
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail(why, errno, "no socket: %s", strerror(errno));
	if (bind_unix(fd, at, a, why) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int srv_listen(struct srv *s, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY])
{
	struct net_spec spec = *at;
	struct net_addr a;
	char text[NET_TEXT];

	if (s->nlisteners == SRV_LISTENERS)
		return fail(why, E2BIG, "more than %d addresses to listen at", SRV_LISTENERS);
	if (spec.kind != NET_UNIX && spec.kind != NET_TCP)
		return fail(
		    why, EINVAL, "%.64s: listens at unix: or tcp: addresses only", spec.host);
	if (spec.kind == NET_TCP && !spec.host[0])
		strcpy(spec.host, "127.0.0.1");
	if (net_resolve(&spec, true, &a, 1, why) < 0)
		return -1;
	if (spec.kind == NET_TCP && !is_loopback(&a) && s->o.nallow == 0)
		return fail(why, EPERM,
		    "%.80s: other machines would reach this: say which may (--allow=NETWORK), "
		    "or use ssh -L",
		    net_text(&a, text));
	int fd = spec.kind == NET_UNIX ? listen_unix(&spec, &a, why) : tcp_listen(&a, why);
	if (fd < 0)
		return -1;
	struct listener *l = &s->listener[s->nlisteners++];
	*l = (struct listener){
	    .fd = fd, .read_only = spec.read_only, .unix_socket = spec.kind == NET_UNIX};
	if (l->unix_socket)
		snprintf(l->path, sizeof l->path, "%s", spec.host);
	snprintf(ready, NET_TEXT, "%s%.250s%s", l->unix_socket ? "" : "tcp:", net_text(&a, text),
	    l->read_only ? ",ro" : "");
	return 0;
}

char *srv_default(const char *name, bool make, char path[NET_TEXT])
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	snprintf(path, NET_TEXT, "%.200s/fyke", run && *run == '/' ? run : "/run");
	if (make)
		(void)mkdir(path, 0750);
	size_t n = strlen(path);
	snprintf(path + n, NET_TEXT - n, "/%.60s.sock", name);
	return path;
}

/* ---- clients ---- */

const char *srv_peer(const struct srv_client *c)
{
	return c->peer;
}

bool srv_read_only(const struct srv_client *c)
{
	return c->read_only;
}

void srv_set_data(struct srv_client *c, void *data)
{
	c->data = data;
}

void *srv_data(const struct srv_client *c)
{
	return c->data;
}

const char *srv_waiting(const struct srv_client *c, size_t *n)
{
	*n = c->nin;
	return c->in;
}

static struct srv_client *add(
    struct srv *s, int in_fd, int out_fd, const char *peer, bool is_socket, bool read_only)
{
	struct srv_client *c = calloc(1, sizeof *c);
	char *in = malloc(s->in_size + 1);

	if (!c || !in) {
		free(c);
		free(in);
		errno = ENOMEM;
		return NULL;
	}
	c->srv = s;
	c->fd = in_fd;
	c->out_fd = out_fd;
	c->socket = is_socket;
	c->read_only = read_only;
	c->in = in;
	c->heard = c->moved = tim_mono();
	snprintf(c->peer, sizeof c->peer, "%s", peer);
	/* At the end of the list, so that whoever came first is served first. */
	struct srv_client **at = &s->first;
	while (*at)
		at = &(*at)->next;
	*at = c;
	s->count++;
	if (s->calls->opened)
		s->calls->opened(s->ctx, c);
	return c;
}

struct srv_client *srv_adopt(struct srv *s, int in, int out, const char *peer)
{
	return add(s, in, out, peer, false, false);
}

void srv_close(struct srv_client *c, const char *why)
{
	if (c->dead)
		return;
	c->dead = true;
	c->srv->count--;
	snprintf(c->gone, sizeof c->gone, "%s", why);
	close_fds(c);
}

static bool awaits(const struct srv_client *c)
{
	return c->srv->calls->awaits && c->srv->calls->awaits(c->srv->ctx, c);
}

static void close_if_done(struct srv_client *c)
{
	if (c->finishing && c->nout == 0 && !c->dead && !awaits(c))
		srv_close(c, "done");
}

void srv_finish(struct srv_client *c)
{
	c->finishing = true;
	close_if_done(c);
}

void srv_resume(struct srv_client *c)
{
	c->held = false;
}

/* The reader of a pipe is waited for, but not for ever when the program is to end: then ETIME. What
 * a pipe says it takes it takes without a wait. */
static ssize_t write_pipe(int fd, const char *data, size_t n)
{
	for (size_t done = 0; done < n;) {
		int takes = io_wait_write(fd, cli_stopping() ? STUCK : -1);
		if (takes == 0)
			errno = ETIME;
		if (takes == 0 || (takes < 0 && errno != EINTR))
			return -1;
		if (takes < 0)
			continue;
		ssize_t k = write(fd, data + done, n - done < PIPE_BUF ? n - done : PIPE_BUF);
		if (k < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		done += k > 0 ? (size_t)k : 0;
	}
	return (ssize_t)n;
}

static ssize_t write_some(const struct srv_client *c, const char *data, size_t n)
{
	if (c->out_fd != c->fd)
		return write_pipe(c->out_fd, data, n);
	return c->socket ? send(c->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT)
			 : write(c->fd, data, n);
}

static void flush(struct srv_client *c)
{
	while (c->nout > 0) {
		ssize_t k = write_some(c, c->out, c->nout);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return;
		if (k < 0) {
			srv_close(c, strerror(errno));
			return;
		}
		c->moved = tim_mono();
		c->nout -= (size_t)k;
		memmove(c->out, c->out + k, c->nout);
	}
	close_if_done(c);
}

/* Room for n more bytes of output. */
static bool make_room(struct srv_client *c, size_t n)
{
	if (c->nout + n <= c->out_size)
		return true;
	size_t size = c->out_size ? c->out_size : 512;
	while (size < c->nout + n)
		size *= 2;
	char *out = realloc(c->out, size);
	if (!out)
		return false;
	c->out = out;
	c->out_size = size;
	return true;
}

void srv_send(struct srv_client *c, const void *data, size_t n)
{
	if (c->dead)
		return;
	if (c->nout == 0) {
		ssize_t k = write_some(c, data, n);
		if (k < 0 && errno != EAGAIN && errno != EINTR) {
			srv_close(c, errno == ETIME ? deaf : strerror(errno));
			return;
		}
		if (k > 0) {
			data = (const char *)data + k;
			n -= (size_t)k;
		}
		c->moved = tim_mono();
	}
	if (n == 0)
		return;
	if (c->nout + n > c->srv->o.pending || !make_room(c, n)) {
		srv_close(c, deaf);
		return;
	}
	memcpy(c->out + c->nout, data, n);
	c->nout += n;
}

/* ---- input ---- */

static void take_off(struct srv_client *c, size_t n)
{
	c->partial = 0;
	c->nin -= n;
	memmove(c->in, c->in + n, c->nin);
}

static bool takes(const struct srv_client *c)
{
	return !c->dead && !c->held && !c->finishing;
}

static void tell_behind(struct srv_client *c)
{
	if (c->held && !c->dead && c->srv->calls->behind)
		c->srv->calls->behind(c->srv->ctx, c, c->in, c->nin);
}

/* Hands on one line of length n at the head of the input. false: it was refused for now. */
static bool hand_on(struct srv_client *c, size_t n, bool cut)
{
	if (!cut && n > 0 && c->in[n - 1] == '\r')
		n--;
	char after = c->in[n];
	c->in[n] = '\0';
	bool taken = c->srv->calls->line(c->srv->ctx, c, c->in, n, cut) == SRV_TAKEN;
	c->in[n] = after;
	return taken;
}

static void hand_lines(struct srv_client *c)
{
	for (int k = 0; k < TURN_LINES && takes(c) && c->nin > 0; k++) {
		char *end = memchr(c->in, '\n', c->nin);
		size_t n = end ? (size_t)(end - c->in) : c->nin;
		size_t most = c->srv->o.line;

		if (c->skipping) {
			take_off(c, end ? n + 1 : n);
			c->skipping = !end;
			continue;
		}
		/* The CR that may stand before the LF does not count. */
		bool cut = n > most && !(n == most + 1 && c->in[most] == '\r');
		if (!end && !cut)
			return;
		if (!hand_on(c, cut ? most : n, cut)) {
			c->held = true;
			tell_behind(c);
			return;
		}
		if (c->dead)
			return;
		take_off(c, end ? n + 1 : n);
		c->skipping = cut && !end;
	}
}

/* The other way: what the frames are is the owner's matter. */
static void hand_bytes(struct srv_client *c)
{
	size_t took = 0, k;

	while (!c->dead && took < c->nin &&
	    (k = c->srv->calls->bytes(c->srv->ctx, c, c->in + took, c->nin - took)) > 0)
		took += k;
	if (!c->dead)
		take_off(c, took);
}

/* Whole lines are waiting, and may be handed on. */
static bool has_lines(const struct srv_client *c)
{
	return !c->srv->calls->bytes && takes(c) && c->nin > 0 &&
	    (memchr(c->in, '\n', c->nin) || c->nin > c->srv->o.line + 1);
}

/* As much waits as may: it is not read before some of that is taken. */
static bool is_full(const struct srv_client *c)
{
	return c->nin >= c->srv->in_size;
}

/* The last line was handed on, and nothing more will come. */
static void at_end(struct srv_client *c)
{
	c->told = true;
	if (c->srv->calls->ended && c->srv->calls->ended(c->srv->ctx, c))
		return;
	srv_finish(c);
}

static void read_input(struct srv_client *c)
{
	if (!is_full(c)) {
		ssize_t k = read(c->fd, c->in + c->nin, c->srv->in_size - c->nin);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (k < 0) {
			srv_close(c, strerror(errno));
			return;
		}
		if (k == 0) {
			c->ended = true;
			return;
		}
		c->nin += (size_t)k;
		c->heard = tim_mono();
		tell_behind(c);
	}
}

/* What a held client that has hung up sent beyond a full buffer: its owner looks at that too. */
static void read_rest(struct srv_client *c)
{
	ssize_t k = 1;

	if (!c->held || !is_full(c) || !c->srv->calls->behind)
		return;
	while (k > 0 && c->nin < REST) {
		char *in = realloc(c->in, c->nin + INPUT_MIN + 1);
		if (!in)
			break;
		c->in = in;
		k = read(c->fd, c->in + c->nin, INPUT_MIN);
		c->nin += k > 0 ? (size_t)k : 0;
	}
	tell_behind(c);
}

/* A client that is too slow in one of the ways. */
static void check_times(struct srv_client *c, int64_t now)
{
	const struct srv_options *o = &c->srv->o;
	bool part = takes(c) && c->nin > 0 && !c->srv->calls->bytes && !has_lines(c);

	if (!part)
		c->partial = 0;
	else if (c->partial == 0)
		c->partial = now;
	if (o->line_time > 0 && c->partial > 0 && now - c->partial >= o->line_time) {
		if (c->srv->calls->late)
			c->srv->calls->late(c->srv->ctx, c);
		srv_finish(c);
	}
	if (o->idle > 0 && now - c->heard >= o->idle) {
		if (awaits(c))
			c->heard = now;
		else
			srv_close(c, "said nothing for too long");
	}
	if (o->stall > 0 && c->nout > 0 && now - c->moved >= o->stall)
		srv_close(c, deaf);
}

/* ---- accepting ---- */

static bool allowed(const struct srv *s, const struct net_addr *a)
{
	if (is_loopback(a))
		return true;
	for (size_t i = 0; i < s->o.nallow; i++)
		if (net_inside(&s->allow[i], (const struct sockaddr *)&a->ss))
			return true;
	return false;
}

static void name_peer(int fd, const struct net_addr *a, char peer[SRV_PEER])
{
	struct ucred who;
	socklen_t n = sizeof who;
	char text[NET_TEXT];

	if (a->ss.ss_family == AF_UNIX || a->len <= sizeof(sa_family_t)) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
			snprintf(peer, SRV_PEER, "unix");
		else
			snprintf(peer, SRV_PEER, "unix pid %d uid %u", (int)who.pid, who.uid);
		return;
	}
	snprintf(peer, SRV_PEER, "tcp %.80s", net_text(a, text));
}

static void refuse(struct srv *s, int fd, const char *peer, const char *why)
{
	close(fd);
	if (s->calls->refused)
		s->calls->refused(s->ctx, peer, why);
}

static void accept_one(struct srv *s, const struct listener *l, int fd, const struct net_addr *a)
{
	char peer[SRV_PEER];
	int on = 1, patience = USER_TIMEOUT;

	name_peer(fd, a, peer);
	if (!l->unix_socket && !allowed(s, a)) {
		refuse(s, fd, peer, "is on no network that --allow names");
		return;
	}
	if (s->count >= s->o.clients) {
		refuse(s, fd, peer, "all places are taken");
		return;
	}
	if (!l->unix_socket) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
	}
	if (!add(s, fd, fd, peer, true, l->read_only))
		refuse(s, fd, peer, strerror(errno));
}

static void accept_some(struct srv *s, struct listener *l)
{
	for (int k = 0; k < ACCEPT_TURN; k++) {
		struct net_addr a = {.len = sizeof a.ss};
		int fd =
		    accept4(l->fd, (struct sockaddr *)&a.ss, &a.len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			accept_one(s, l, fd, &a);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			l->closed_until = tim_mono() + NO_FD_WAIT;
		return;
	}
}

/* ---- the turn ---- */

static short wanted(const struct srv_client *c)
{
	short events = 0;

	/* A held client may say more, up to the buffer's size: its owner looks at what waits. */
	if (!c->ended && !is_full(c))
		events |= POLLIN;
	if (c->nout > 0)
		events |= POLLOUT;
	return events;
}

/* When check_times() has something to do. */
static int64_t due_at(const struct srv_client *c, int64_t now)
{
	const struct srv_options *o = &c->srv->o;
	int64_t due = has_lines(c) ? now : INT64_MAX;

	if (o->idle > 0 && c->heard + o->idle < due)
		due = c->heard + o->idle;
	if (o->line_time > 0 && c->partial > 0 && c->partial + o->line_time < due)
		due = c->partial + o->line_time;
	if (o->stall > 0 && c->nout > 0 && c->moved + o->stall < due)
		due = c->moved + o->stall;
	return due;
}

/* Fills the poll set: the signal, the program's own, listeners, clients. Returns how many. */
static size_t fill_set(
    struct srv *s, const struct pollfd *extra, size_t n, int64_t now, int64_t *due)
{
	size_t want = 1 + n + s->nlisteners + (size_t)s->count, k = 0;

	if (want > s->set_size) {
		struct pollfd *set = realloc(s->set, want * sizeof *set);
		if (!set)
			return 0;
		s->set = set;
		s->set_size = want;
	}
	s->set[k++] = (struct pollfd){.fd = io_wakefd, .events = POLLIN};
	for (size_t i = 0; i < n; i++)
		s->set[k++] = (struct pollfd){.fd = extra[i].fd, .events = extra[i].events};
	for (size_t i = 0; i < s->nlisteners; i++) {
		struct listener *l = &s->listener[i];
		bool open = now >= l->closed_until;
		s->set[k++] = (struct pollfd){.fd = open ? l->fd : -1, .events = POLLIN};
		if (!open && l->closed_until < *due)
			*due = l->closed_until;
	}
	for (struct srv_client *c = s->first; c; c = c->next) {
		if (c->dead)
			continue;
		/* A pipe whose writer has gone says so for ever. */
		bool over = (c->ended || is_full(c)) && c->out_fd != c->fd;
		c->slot = k;
		s->set[k++] = (struct pollfd){.fd = over ? -1 : c->fd, .events = wanted(c)};
		int64_t at = due_at(c, now);
		*due = at < *due ? at : *due;
	}
	return k;
}

static void serve(struct srv_client *c, short revents, int64_t now)
{
	/* The end behind what cannot be read now would never be come to. */
	bool ended = c->ended || is_full(c);
	bool gone = ended && !has_lines(c) && (revents & (POLLHUP | POLLERR));

	if (gone) {
		read_rest(c);
		srv_close(c, "has gone");
	}
	if (!c->dead && (revents & POLLOUT))
		flush(c);
	if (!c->dead && !c->ended && (revents & (POLLIN | POLLHUP | POLLERR)))
		read_input(c);
	if (c->finishing)
		c->nin = 0;
	if (c->srv->calls->bytes && !c->dead)
		hand_bytes(c);
	if (has_lines(c))
		hand_lines(c);
	if (!c->dead && c->ended && !c->told && !c->held && !has_lines(c))
		at_end(c);
	if (!c->dead)
		check_times(c, now);
}

/* Tells of those who have gone. */
static void sweep(struct srv *s)
{
	for (struct srv_client **at = &s->first; *at;) {
		struct srv_client *c = *at;
		close_if_done(c);
		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		if (s->calls->closed)
			s->calls->closed(s->ctx, c, c->gone);
		free_client(c);
	}
}

int srv_wait(struct srv *s, struct pollfd *extra, size_t n, int64_t timeout_ns)
{
	int64_t now = tim_mono(), due = timeout_ns < 0 ? INT64_MAX : now + timeout_ns;

	/* What the owner has done since the last turn. */
	sweep(s);
	for (struct srv_client *c = s->first; c; c = c->next)
		c->slot = 0;
	size_t k = fill_set(s, extra, n, now, &due);
	if (k == 0)
		return -1;
	int64_t left = due > now ? due - now : 0;
	struct timespec ts = {.tv_sec = left / TIM_S, .tv_nsec = left % TIM_S};
	int got = ppoll(s->set, k, due == INT64_MAX ? NULL : &ts, NULL);
	for (size_t i = 0; i < n; i++)
		extra[i].revents = got > 0 ? s->set[1 + i].revents : 0;
	if (got < 0 && errno != EINTR)
		return -1;
	now = tim_mono();
	for (struct srv_client *c = s->first; c; c = c->next)
		if (!c->dead && c->slot > 0)
			serve(c, got > 0 ? s->set[c->slot].revents : 0, now);
	/* Before the next ones come in: a place may have become free. */
	sweep(s);
	for (size_t i = 0; got > 0 && i < s->nlisteners; i++)
		if (s->set[1 + n + i].revents)
			accept_some(s, &s->listener[i]);
	return 0;
}
