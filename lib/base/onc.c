/* onc.c - calls of ONC RPC with deadlines, over TCP and UDP, and the portmapper */
#include "onc.h"

#include <errno.h>
#include <rpc/pmap_prot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "tcp.h"
#include "tim.h"
#include "wire.h"

#define MARK       4 /* bytes of a record mark before each fragment */
#define LAST       UINT32_C(0x80000000)
#define STALE_MOST 16    /* replies to older calls that are passed over */
#define DATAGRAM   65536 /* no datagram is longer */
#define MAPPER_UDP TIM_S

int onc_address(const char *text, unsigned portmapper, struct net_spec *spec, bool *direct)
{
	char full[300], why[NET_WHY];
	const char *rest = strncmp(text, "tcp:", 4) == 0 ? text + 4 : text;
	const char *bracket = strrchr(rest, ']'), *colon = strrchr(rest, ':');

	*direct = colon && (!bracket || colon > bracket);
	/* [V6], or a V6 address without brackets, has more than one colon. */
	if (*direct && !bracket && strchr(rest, ':') != colon)
		*direct = false;
	if (*direct)
		snprintf(full, sizeof full, "tcp:%.280s", rest);
	else if (colon && !bracket)
		snprintf(full, sizeof full, "tcp:[%.280s]:%u", rest, portmapper);
	else
		snprintf(full, sizeof full, "tcp:%.280s:%u", rest, portmapper);
	if (*rest && *rest != ':' && net_parse(full, NET_TCP, spec, why) == 0 && !spec->read_only &&
	    strcmp(spec->port, "0") != 0)
		return 0;
	errno = EINVAL;
	return -1;
}

int onc_ready(struct onc *o)
{
	if (o->xid == 0)
		o->xid = (uint32_t)tim_now() ^ (uint32_t)getpid() << 16;
	if (!o->out)
		o->out = malloc(o->out_most + MARK);
	return o->out ? 0 : onc_fail(o, ENOMEM, "out of memory");
}

void onc_free(struct onc *o)
{
	free(o->in);
	free(o->out);
	o->in = o->out = NULL;
	o->in_size = 0;
}

/* ---- records on a descriptor ---- */

/* 0 when fd is ready, -1 with errno. */
static int wait_for(struct onc *o, int fd, bool to_write, int64_t until)
{
	for (;;) {
		int64_t now = tim_mono(), left = until > now ? until - now : 0;
		int got = to_write ? io_wait_write(fd, left) : io_wait(fd, left);

		if (got > 0)
			return 0;
		if (got == 0)
			return onc_fail(o, ETIMEDOUT, "no answer in time");
		if (errno != EINTR)
			return onc_fail(o, errno, "%s", strerror(errno));
		if (!o->stopping || o->stopping())
			return onc_fail(o, EINTR, "stopped");
	}
}

static int send_all(struct onc *o, int fd, const uint8_t *bytes, size_t n, int64_t until)
{
	while (n > 0) {
		ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EAGAIN && wait_for(o, fd, true, until) < 0)
			return -1;
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return onc_fail(o, errno, "the connection broke: %s", strerror(errno));
		if (k > 0) {
			bytes += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

static int recv_all(struct onc *o, int fd, uint8_t *to, size_t n, int64_t until)
{
	while (n > 0) {
		if (wait_for(o, fd, false, until) < 0)
			return -1;
		ssize_t k = recv(fd, to, n, 0);
		if (k == 0)
			return onc_fail(o, ECONNRESET, "%s closed the connection", o->peer);
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return onc_fail(o, errno, "the connection broke: %s", strerror(errno));
		if (k > 0) {
			o->in_reply = true;
			to += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

static int grow(struct onc *o, size_t need)
{
	if (need <= o->in_size)
		return 0;
	size_t size = o->in_size ? o->in_size : 4096;
	while (size < need)
		size *= 2;
	uint8_t *more = realloc(o->in, size);
	if (!more)
		return onc_fail(o, ENOMEM, "out of memory");
	o->in = more;
	o->in_size = size;
	return 0;
}

/* One record of any number of fragments into o->in. */
static int recv_record(struct onc *o, int fd, int64_t until)
{
	u32be mark;

	o->nin = 0;
	o->in_reply = false;
	do {
		if (recv_all(o, fd, mark.b, sizeof mark, until) < 0)
			return -1;
		size_t n = wire_get(mark) & ~LAST;
		if (n == 0 && !(wire_get(mark) & LAST))
			return onc_fail(o, EPROTO, "not an RPC reply: an empty fragment");
		if (n > o->in_most - o->nin)
			return onc_fail(
			    o, EPROTO, "not an RPC reply: a record of %zu bytes or more", n);
		if (grow(o, o->nin + n + 1) < 0 || recv_all(o, fd, o->in + o->nin, n, until) < 0)
			return -1;
		o->nin += n;
	} while (!(wire_get(mark) & LAST));
	return 0;
}

/* ---- calls ---- */

bool onc_begin(struct onc *o, XDR *x, u_long program, u_long version, u_long procedure)
{
	struct rpc_msg m = {.rm_xid = ++o->xid, .rm_direction = CALL};

	m.rm_call.cb_rpcvers = RPC_MSG_VERSION;
	m.rm_call.cb_prog = (rpcprog_t)program;
	m.rm_call.cb_vers = (rpcvers_t)version;
	m.rm_call.cb_proc = (rpcproc_t)procedure;
	m.rm_call.cb_cred = m.rm_call.cb_verf = _null_auth;
	xdrmem_create(x, (char *)o->out + MARK, (u_int)o->out_most, XDR_ENCODE);
	return xdr_callmsg(x, &m);
}

/* What the reply says of the call, up to its result, which is left on x. 1: it is of another
 * call. */
static int read_head(struct onc *o, XDR *x)
{
	struct rpc_msg m = {.rm_xid = 0};

	m.acpted_rply.ar_verf = _null_auth;
	m.acpted_rply.ar_results.where = NULL;
	m.acpted_rply.ar_results.proc = (xdrproc_t)(void (*)(void))xdr_void;
	xdrmem_create(x, (char *)o->in, (u_int)o->nin, XDR_DECODE);
	bool good = xdr_replymsg(x, &m);
	bool accepted = m.rm_reply.rp_stat == MSG_ACCEPTED;
	if (accepted) /* libtirpc allocates this, also for what it refuses then */
		mem_free(m.acpted_rply.ar_verf.oa_base, m.acpted_rply.ar_verf.oa_length);
	if (!good)
		return onc_fail(o, EPROTO, "what came is no RPC reply");
	if (m.rm_xid != o->xid)
		return 1;
	if (!accepted)
		return onc_fail(o, EPROTO, "the call was denied");
	if (m.acpted_rply.ar_stat == SUCCESS)
		return 0;
	if (m.acpted_rply.ar_stat == PROG_UNAVAIL)
		return onc_fail(o, EPROTO, "the call was not carried out: no %s there", o->service);
	if (m.acpted_rply.ar_stat == PROG_MISMATCH)
		return onc_fail(
		    o, EPROTO, "the call was not carried out: another version of %s", o->service);
	return onc_fail(o, EPROTO, "the call was not carried out: %s",
	    m.acpted_rply.ar_stat == PROC_UNAVAIL ? "no such procedure" : "it was not understood");
}

int onc_reply(struct onc *o, int fd, XDR *x, int64_t until)
{
	for (int k = 0; k < STALE_MOST; k++) {
		if (recv_record(o, fd, until) < 0)
			return -1;
		int got = read_head(o, x);
		if (got <= 0)
			return got;
	}
	return onc_fail(o, EPROTO, "replies to other calls only");
}

int onc_exchange(struct onc *o, int fd, XDR *x, bool encoded, int64_t until)
{
	u32be mark;
	size_t n = x->x_op == XDR_ENCODE ? xdr_getpos(x) : 0;

	if (!encoded)
		return onc_fail(o, EMSGSIZE, "a call that is too long");
	wire_put(&mark, (uint32_t)n | LAST);
	memcpy(o->out, mark.b, MARK);
	o->in_reply = false;
	if (send_all(o, fd, o->out, n + MARK, until) < 0)
		return -1;
	return onc_reply(o, fd, x, until);
}

/* ---- datagrams ---- */

int onc_udp(struct onc *o, const struct net_spec *to)
{
	struct net_spec spec = *to;
	struct net_addr a;

	spec.kind = NET_UDP;
	if (net_resolve(&spec, false, &a, 1, o->why) < 0)
		return -1;
	int fd = socket(a.ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a.ss, a.len) == 0)
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	return onc_fail(o, error, "%s", strerror(error));
}

/* Takes datagrams until one answers the call. 0; -1 with ETIMEDOUT at `until`, or another. */
static int recv_datagram(struct onc *o, int fd, XDR *x, int64_t until)
{
	for (;;) {
		if (wait_for(o, fd, false, until) < 0)
			return -1;
		ssize_t k = recv(fd, o->in, o->in_size, MSG_TRUNC);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (k < 0)
			return onc_fail(o, errno, "%s", strerror(errno));
		if ((size_t)k > o->in_most || (size_t)k > o->in_size)
			return onc_fail(o, EPROTO, "not an RPC reply: %zd bytes", k);
		o->nin = (size_t)k;
		int got = read_head(o, x);
		if (got <= 0)
			return got;
	}
}

int onc_exchange_udp(struct onc *o, int fd, XDR *x, bool encoded, int64_t every, int64_t until)
{
	size_t n = x->x_op == XDR_ENCODE ? xdr_getpos(x) : 0;

	if (!encoded)
		return onc_fail(o, EMSGSIZE, "a call that is too long");
	if (grow(o, DATAGRAM) < 0)
		return -1;
	for (int64_t now = tim_mono(); now < until; now = tim_mono()) {
		int64_t wake = now + every < until ? now + every : until;
		if (send(fd, o->out + MARK, n, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			return onc_fail(o, errno, "%s", strerror(errno));
		if (recv_datagram(o, fd, x, wake) == 0)
			return 0;
		if (errno != ETIMEDOUT)
			return -1;
	}
	return onc_fail(o, ETIMEDOUT, "no answer in time");
}

/* ---- the portmapper ---- */

int onc_port(struct onc *o, const struct net_spec *mapper, const struct onc_program *p, bool udp,
    u_int *port, int64_t until)
{
	struct pmap want = {
	    .pm_prog = p->program, .pm_vers = p->version, .pm_prot = (u_long)p->protocol};
	XDR x;
	int fd = udp ? onc_udp(o, mapper) : tcp_connect(mapper, until, o->stopping, o->why);

	if (fd < 0)
		return -1;
	bool put = onc_begin(o, &x, PMAPPROG, PMAPVERS, PMAPPROC_GETPORT) && xdr_pmap(&x, &want);
	int got = udp ? onc_exchange_udp(o, fd, &x, put, MAPPER_UDP, until)
		      : onc_exchange(o, fd, &x, put, until);
	if (got == 0 && !xdr_u_int(&x, port))
		got = onc_fail(o, EPROTO, "what the portmapper says is no port");
	int error = errno;
	close(fd);
	errno = error;
	if (got < 0 && udp && error != EINTR)
		return onc_fail(o, error,
		    "the portmapper does not answer: %s (HOST:PORT asks none)", strerror(error));
	return got;
}
