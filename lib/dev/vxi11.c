/* vxi11.c - a VXI-11 client: calls with deadlines, the portmapper, aborting */
#include "dev/vxi11.h"

#include <errno.h>
#include <rpc/rpc.h>
#include <rpc/pmap_prot.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tcp.h"
#include "base/tim.h"
#include "base/wire.h"
#include "vxi11_rpc.h"

#define MARK       4 /* bytes of a record mark before each fragment */
#define LAST       UINT32_C(0x80000000)
#define WRITE_MOST 65536      /* bytes of one write */
#define READ_MOST  (1u << 20) /* bytes asked for in one read */
#define OUT_SIZE   (WRITE_MOST + 1024)
#define IN_MOST    (VXI11_DATA_MAX + 1024)
#define STALE_MOST 16  /* replies to older calls that are passed over */
#define EMPTY_MOST 100 /* pieces without a byte in one answer */
#define UDP_AGAIN  TIM_S
#define ABORT_TIME TIM_S
#define CLOSE_TIME (TIM_S / 2)
#define FLAG_END   8
#define REASON_END 4

static int fail(struct vxi11 *v, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct vxi11 *v, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(v->why, sizeof v->why, format, ap);
	va_end(ap);
	errno = error;
	return -1;
}

const char *vxi11_text(int error)
{
	switch (error) {
	case VXI11_SYNTAX:
		return "syntax error";
	case VXI11_NOT_ACCESSIBLE:
		return "the device is not accessible";
	case VXI11_BAD_LINK:
		return "the link is not valid";
	case VXI11_PARAMETER:
		return "bad parameter";
	case VXI11_NO_CHANNEL:
		return "no such channel";
	case VXI11_NOT_SUPPORTED:
		return "not supported";
	case VXI11_NO_RESOURCES:
		return "out of resources: too many programs are connected to it";
	case VXI11_LOCKED:
		return "another program has locked it";
	case VXI11_NOT_LOCKED:
		return "no lock is held";
	case VXI11_TIMEOUT:
		return "it had no answer in time";
	case VXI11_IO:
		return "input/output error";
	case VXI11_ADDRESS:
		return "bad address";
	case VXI11_ABORTED:
		return "aborted";
	case VXI11_HAVE_CHANNEL:
		return "the channel exists already";
	default:
		return "an error that VXI-11 does not know";
	}
}

/* The instrument answered with an error. */
static int device_error(struct vxi11 *v, const char *what, int error)
{
	v->error = error;
	return fail(v,
	    error == VXI11_TIMEOUT      ? ETIMEDOUT
		: error == VXI11_LOCKED ? EBUSY
					: EPROTO,
	    "%s: %s (VXI-11 error %d)", what, vxi11_text(error), error);
}

/* ---- addresses ---- */

int vxi11_address(const char *text, unsigned portmapper, struct vxi11_at *at, char why[NET_WHY])
{
	char full[300];
	const char *rest = strncmp(text, "tcp:", 4) == 0 ? text + 4 : text;
	const char *bracket = strrchr(rest, ']'), *colon = strrchr(rest, ':');

	at->direct = colon && (!bracket || colon > bracket);
	at->device = "inst0";
	/* [V6], or a V6 address without brackets, has more than one colon. */
	if (at->direct && !bracket && strchr(rest, ':') != colon)
		at->direct = false;
	if (at->direct)
		snprintf(full, sizeof full, "tcp:%.280s", rest);
	else if (colon && !bracket)
		snprintf(full, sizeof full, "tcp:[%.280s]:%u", rest, portmapper);
	else
		snprintf(full, sizeof full, "tcp:%.280s:%u", rest, portmapper);
	if (!*rest || *rest == ':' || net_parse(full, NET_TCP, &at->spec, why) < 0 ||
	    at->spec.read_only || strcmp(at->spec.port, "0") == 0) {
		snprintf(why, NET_WHY,
		    "%.64s: is no address of an instrument: write HOST, or HOST:PORT where its "
		    "portmapper is not to be asked",
		    text);
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* ---- records on a descriptor ---- */

/* 0 when fd is ready, -1 with errno. */
static int wait_for(struct vxi11 *v, int fd, bool to_write, int64_t until)
{
	for (;;) {
		int64_t now = tim_mono(), left = until > now ? until - now : 0;
		int got = to_write ? io_wait_write(fd, left) : io_wait(fd, left);

		if (got > 0)
			return 0;
		if (got == 0)
			return fail(v, ETIMEDOUT, "no answer in time");
		if (errno != EINTR)
			return fail(v, errno, "%s", strerror(errno));
		if (!v->stopping || v->stopping())
			return fail(v, EINTR, "stopped");
	}
}

static int send_all(struct vxi11 *v, int fd, const uint8_t *bytes, size_t n, int64_t until)
{
	while (n > 0) {
		ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EAGAIN && wait_for(v, fd, true, until) < 0)
			return -1;
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return fail(v, errno, "the connection broke: %s", strerror(errno));
		if (k > 0) {
			bytes += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

static int recv_all(struct vxi11 *v, int fd, uint8_t *to, size_t n, int64_t until)
{
	while (n > 0) {
		if (wait_for(v, fd, false, until) < 0)
			return -1;
		ssize_t k = recv(fd, to, n, 0);
		if (k == 0)
			return fail(v, ECONNRESET, "the instrument closed the connection");
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return fail(v, errno, "the connection broke: %s", strerror(errno));
		if (k > 0) {
			v->in_reply = true;
			to += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

static int grow(struct vxi11 *v, size_t need)
{
	if (need <= v->in_size)
		return 0;
	size_t size = v->in_size ? v->in_size : 4096;
	while (size < need)
		size *= 2;
	uint8_t *more = realloc(v->in, size);
	if (!more)
		return fail(v, ENOMEM, "out of memory");
	v->in = more;
	v->in_size = size;
	return 0;
}

/* One record of any number of fragments into v->in. */
static int recv_record(struct vxi11 *v, int fd, int64_t until)
{
	u32be mark;

	v->nin = 0;
	v->in_reply = false;
	do {
		if (recv_all(v, fd, mark.b, sizeof mark, until) < 0)
			return -1;
		size_t n = wire_get(mark) & ~LAST;
		if (n == 0 && !(wire_get(mark) & LAST))
			return fail(v, EPROTO, "not an RPC reply: an empty fragment");
		if (n > IN_MOST - v->nin)
			return fail(
			    v, EPROTO, "not an RPC reply: a record of %zu bytes or more", n);
		if (grow(v, v->nin + n) < 0 || recv_all(v, fd, v->in + v->nin, n, until) < 0)
			return -1;
		v->nin += n;
	} while (!(wire_get(mark) & LAST));
	return 0;
}

/* ---- calls ---- */

static int ready(struct vxi11 *v)
{
	if (!v->out)
		v->out = malloc(OUT_SIZE);
	v->error = VXI11_OK;
	return v->out ? 0 : fail(v, ENOMEM, "out of memory");
}

/* The head of a call; its arguments are to follow on x. */
static bool begin(struct vxi11 *v, XDR *x, u_long program, u_long version, u_long procedure)
{
	struct rpc_msg m = {.rm_xid = ++v->xid, .rm_direction = CALL};

	m.rm_call.cb_rpcvers = RPC_MSG_VERSION;
	m.rm_call.cb_prog = (rpcprog_t)program;
	m.rm_call.cb_vers = (rpcvers_t)version;
	m.rm_call.cb_proc = (rpcproc_t)procedure;
	m.rm_call.cb_cred = m.rm_call.cb_verf = _null_auth;
	xdrmem_create(x, (char *)v->out + MARK, OUT_SIZE - MARK, XDR_ENCODE);
	return xdr_callmsg(x, &m);
}

/* What the reply says of the call, up to its result, which is left on x. 1: it is of another
 * call. */
static int read_head(struct vxi11 *v, XDR *x)
{
	struct rpc_msg m = {.rm_xid = 0};

	m.acpted_rply.ar_verf = _null_auth;
	m.acpted_rply.ar_results.where = NULL;
	m.acpted_rply.ar_results.proc = (xdrproc_t)(void (*)(void))xdr_void;
	xdrmem_create(x, (char *)v->in, (u_int)v->nin, XDR_DECODE);
	bool good = xdr_replymsg(x, &m);
	bool accepted = m.rm_reply.rp_stat == MSG_ACCEPTED;
	if (accepted) /* libtirpc allocates this, also for what it refuses then */
		mem_free(m.acpted_rply.ar_verf.oa_base, m.acpted_rply.ar_verf.oa_length);
	if (!good)
		return fail(v, EPROTO, "what came is no RPC reply");
	if (m.rm_xid != v->xid)
		return 1;
	if (!accepted)
		return fail(v, EPROTO, "the call was denied");
	if (m.acpted_rply.ar_stat != SUCCESS)
		return fail(v, EPROTO, "the call was not carried out: %s",
		    m.acpted_rply.ar_stat == PROG_UNAVAIL        ? "no VXI-11 there"
			: m.acpted_rply.ar_stat == PROG_MISMATCH ? "another version of VXI-11"
			: m.acpted_rply.ar_stat == PROC_UNAVAIL  ? "no such procedure"
								 : "it was not understood");
	return 0;
}

static int recv_reply(struct vxi11 *v, int fd, XDR *x, int64_t until)
{
	for (int k = 0; k < STALE_MOST; k++) {
		if (recv_record(v, fd, until) < 0)
			return -1;
		int got = read_head(v, x);
		if (got <= 0)
			return got;
	}
	return fail(v, EPROTO, "replies to other calls only");
}

/* Sends what was put on x since begin() and reads the reply's head into x. */
static int exchange(struct vxi11 *v, int fd, XDR *x, bool encoded, int64_t until)
{
	u32be mark;
	size_t n = x->x_op == XDR_ENCODE ? xdr_getpos(x) : 0;

	if (!encoded)
		return fail(v, EMSGSIZE, "a call that is too long");
	wire_put(&mark, (uint32_t)n | LAST);
	memcpy(v->out, mark.b, MARK);
	v->in_reply = false;
	if (send_all(v, fd, v->out, n + MARK, until) < 0)
		return -1;
	return recv_reply(v, fd, x, until);
}

static void drop(struct vxi11 *v)
{
	int error = errno;

	if (v->fd >= 0)
		close(v->fd);
	if (v->abort_fd >= 0)
		close(v->abort_fd);
	v->fd = v->abort_fd = -1;
	errno = error;
}

/* The connection failed, or what came on it is no VXI-11. */
static int lose(struct vxi11 *v)
{
	drop(v);
	return -1;
}

static int not_understood(struct vxi11 *v)
{
	fail(v, EPROTO, "the reply is cut short, or longer than asked for");
	return lose(v);
}

/* ---- the portmapper ---- */

static bool put_getport(struct vxi11 *v, XDR *x)
{
	struct pmap want = {
	    .pm_prog = VXI11_CORE, .pm_vers = VXI11_CORE_VERSION, .pm_prot = IPPROTO_TCP};

	return begin(v, x, PMAPPROG, PMAPVERS, PMAPPROC_GETPORT) && xdr_pmap(x, &want);
}

static int getport_tcp(struct vxi11 *v, u_int *port, int64_t until)
{
	XDR x;
	int fd = tcp_connect(&v->at->spec, until, v->stopping, v->why);

	if (fd < 0)
		return -1;
	int got = exchange(v, fd, &x, put_getport(v, &x), until);
	if (got == 0 && !xdr_u_int(&x, port))
		got = fail(v, EPROTO, "what the portmapper says is no port");
	int error = errno;
	close(fd);
	errno = error;
	return got;
}

/* Asks once a second, because a datagram may be lost. */
static int getport_udp(struct vxi11 *v, u_int *port, int64_t until)
{
	struct net_spec spec = v->at->spec;
	struct net_addr to;
	uint8_t in[512];
	XDR x;

	spec.kind = NET_UDP;
	if (net_resolve(&spec, false, &to, 1, v->why) < 0)
		return -1;
	int fd = socket(to.ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to.ss, to.len) < 0 || !put_getport(v, &x) ||
	    grow(v, sizeof in) < 0)
		goto broken;
	size_t n = xdr_getpos(&x);
	for (int64_t now = tim_mono(); now < until; now = tim_mono()) {
		int64_t wake = now + UDP_AGAIN < until ? now + UDP_AGAIN : until;
		if (send(fd, v->out + MARK, n, MSG_NOSIGNAL) < 0)
			goto broken;
		if (wait_for(v, fd, false, wake) < 0) {
			if (errno == ETIMEDOUT)
				continue;
			goto broken;
		}
		ssize_t k = recv(fd, v->in, sizeof in, 0);
		if (k < 0)
			goto broken;
		v->nin = (size_t)k;
		if (read_head(v, &x) == 0 && xdr_u_int(&x, port)) {
			close(fd);
			return 0;
		}
	}
	errno = ETIMEDOUT;
broken:;
	int error = errno;
	if (fd >= 0)
		close(fd);
	return fail(v, error, "the portmapper does not answer: %s", strerror(error));
}

/* Where the instrument's own port is. TCP first: a firewall that lets VXI-11 pass knows TCP. */
static int find_port(struct vxi11 *v, struct net_spec *spec, int64_t until)
{
	u_int port = 0;
	int64_t half = tim_mono() + (until - tim_mono()) / 2;

	*spec = v->at->spec;
	if (v->at->direct)
		return 0;
	if (getport_tcp(v, &port, half) < 0 && (errno == EINTR || getport_udp(v, &port, until) < 0))
		return -1;
	if (port == 0 || port > 65535)
		return fail(v, ENOENT,
		    "%s: has a portmapper, but no VXI-11 (on a LeCroy: Utilities > Remote > LXI)",
		    spec->host);
	snprintf(spec->port, sizeof spec->port, "%u", port);
	return 0;
}

/* ---- the link ---- */

static int create_link(struct vxi11 *v, int64_t until)
{
	vxi11_create_args a = {.client = (int)getpid(), .device = (char *)(uintptr_t)v->at->device};
	vxi11_create_reply r = {.error = 0};
	XDR x;
	bool put = begin(v, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_CREATE_LINK) &&
	    xdr_vxi11_create_args(&x, &a);

	if (exchange(v, v->fd, &x, put, until) < 0)
		return lose(v);
	if (!xdr_vxi11_create_reply(&x, &r))
		return not_understood(v);
	if (r.error) {
		drop(v);
		return device_error(v, "no link to the instrument", r.error);
	}
	v->link = r.link;
	v->abort_port = r.abort_port;
	v->max_recv = r.max_recv < 1024 ? 1024 : r.max_recv > WRITE_MOST ? WRITE_MOST : r.max_recv;
	return 0;
}

int vxi11_open(struct vxi11 *v, const struct vxi11_at *at, int64_t patience)
{
	struct net_spec spec;
	int64_t until = tim_mono() + patience;

	drop(v);
	v->at = at;
	if (v->xid == 0)
		v->xid = (uint32_t)tim_now() ^ (uint32_t)getpid() << 16;
	if (ready(v) < 0 || find_port(v, &spec, until) < 0)
		return -1;
	v->fd = tcp_connect(&spec, until, v->stopping, v->why);
	if (v->fd < 0)
		return -1;
	return create_link(v, until);
}

bool vxi11_is_open(const struct vxi11 *v)
{
	return v->fd >= 0;
}

void vxi11_close(struct vxi11 *v)
{
	XDR x;

	if (v->fd >= 0 && ready(v) == 0) {
		int link = v->link;
		bool put = begin(v, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_DESTROY_LINK) &&
		    xdr_int(&x, &link);
		(void)exchange(v, v->fd, &x, put, tim_mono() + CLOSE_TIME);
	}
	drop(v);
	free(v->in);
	free(v->out);
	v->in = v->out = NULL;
	v->in_size = 0;
}

int vxi11_abort(struct vxi11 *v, int64_t patience)
{
	struct net_spec spec = v->at->spec;
	int64_t until = tim_mono() + patience;
	int link = v->link, error = 0;
	XDR x;

	if (v->abort_port == 0 || ready(v) < 0)
		return fail(v, ENOTSUP, "the instrument has no abort channel");
	snprintf(spec.port, sizeof spec.port, "%u", v->abort_port);
	if (v->abort_fd < 0)
		v->abort_fd = tcp_connect(&spec, until, v->stopping, v->why);
	if (v->abort_fd < 0)
		return -1;
	bool put =
	    begin(v, &x, VXI11_ASYNC, VXI11_ASYNC_VERSION, VXI11_ABORT) && xdr_int(&x, &link);
	if (exchange(v, v->abort_fd, &x, put, until) < 0 || !xdr_int(&x, &error)) {
		close(v->abort_fd);
		v->abort_fd = -1;
		return fail(v, EPROTO, "the abort channel does not answer");
	}
	return error ? device_error(v, "abort", error) : 0;
}

/* A call on the core channel was given up before its reply began: the instrument is told so, and
 * its reply, an error, is taken off the line. Otherwise the connection is of no more use. */
static int give_up(struct vxi11 *v, int64_t patience)
{
	char why[VXI11_WHY];
	int error = errno;
	uint32_t call = v->xid;
	int64_t most = patience < ABORT_TIME ? patience : ABORT_TIME;
	XDR x;

	memcpy(why, v->why, sizeof why);
	bool quiet = (error == ETIMEDOUT || error == EINTR) && !v->in_reply;
	if (quiet && vxi11_abort(v, most) == 0) {
		v->xid = call;
		quiet = recv_reply(v, v->fd, &x, tim_mono() + most) == 0;
		v->xid = call + 1;
	} else {
		quiet = false;
	}
	if (!quiet)
		drop(v);
	v->error = VXI11_OK;
	memcpy(v->why, why, sizeof why);
	errno = error;
	return -1;
}

/* The instrument is given less time than we wait, so that it answers before we go. */
static u_int device_time(int64_t patience)
{
	int64_t ms = patience / TIM_MS;

	return (u_int)(ms > INT32_MAX ? INT32_MAX : ms - ms / 4);
}

static int closed(struct vxi11 *v)
{
	return fail(v, ENOTCONN, "there is no connection");
}

int vxi11_write(struct vxi11 *v, const void *data, size_t n, int64_t patience)
{
	const char *from = data;

	if (v->fd < 0)
		return closed(v);
	if (ready(v) < 0)
		return -1;
	do {
		size_t k = n < v->max_recv ? n : v->max_recv;
		vxi11_write_args a = {.link = v->link,
		    .io_timeout = device_time(patience),
		    .flags = k == n ? FLAG_END : 0,
		    .data = {.data_len = (u_int)k, .data_val = (char *)(uintptr_t)from}};
		vxi11_write_reply r = {.error = 0};
		XDR x;
		bool put = begin(v, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_WRITE) &&
		    xdr_vxi11_write_args(&x, &a);
		if (exchange(v, v->fd, &x, put, tim_mono() + patience) < 0)
			return give_up(v, patience);
		if (!xdr_vxi11_write_reply(&x, &r) || r.size > k)
			return not_understood(v);
		if (r.error)
			return device_error(v, "writing to the instrument", r.error);
		if (r.size == 0 && k > 0)
			return device_error(v, "writing to the instrument", VXI11_IO);
		from += r.size;
		n -= r.size;
	} while (n > 0);
	return 0;
}

static int append(struct vxi11 *v, struct vxi11_data *to, const char *bytes, size_t n)
{
	if (to->n + n + 1 > to->size) {
		size_t size = to->size ? to->size : 512;
		while (size < to->n + n + 1)
			size *= 2;
		uint8_t *more = realloc(to->data, size);
		if (!more)
			return fail(v, ENOMEM, "out of memory");
		to->data = more;
		to->size = size;
	}
	if (n > 0)
		memcpy(to->data + to->n, bytes, n);
	to->n += n;
	to->data[to->n] = '\0';
	return 0;
}

/* One piece of an answer. 1: the last; 0: more to come; -1. */
static int read_piece(struct vxi11 *v, struct vxi11_data *to, size_t most, int64_t patience)
{
	vxi11_read_args a = {
	    .link = v->link, .request = (u_int)most, .io_timeout = device_time(patience)};
	vxi11_read_reply r = {.error = 0};
	XDR x;
	bool put =
	    begin(v, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_READ) && xdr_vxi11_read_args(&x, &a);

	if (exchange(v, v->fd, &x, put, tim_mono() + patience) < 0)
		return give_up(v, patience);
	bool good = xdr_vxi11_read_reply(&x, &r) && r.data.data_len <= most;
	int got = 0;
	if (good && !r.error)
		got = append(v, to, r.data.data_val, r.data.data_len);
	free(r.data.data_val);
	if (!good)
		return not_understood(v);
	if (r.error)
		return device_error(v, "reading from the instrument", r.error);
	return got < 0 ? -1 : (r.reason & REASON_END) != 0;
}

int vxi11_read(struct vxi11 *v, struct vxi11_data *to, size_t max, int64_t patience,
    vxi11_came *came, void *ctx)
{
	size_t start = to->n;
	int empty = 0, got;

	if (v->fd < 0)
		return closed(v);
	if (ready(v) < 0)
		return -1;
	do {
		size_t before = to->n, left = max - (to->n - start);
		/* One byte more than may come, so that too much is seen. */
		got = read_piece(v, to, left + 1 < READ_MOST ? left + 1 : READ_MOST, patience);
		if (got < 0)
			return -1;
		if (came) {
			size_t most = came(ctx, to->data + start, to->n - start);
			max = most < max ? most : max;
		}
		if (to->n - start > max) {
			fail(v, EPROTO, "the answer is longer than %zu bytes, or has no end", max);
			return lose(v);
		}
		empty = to->n == before ? empty + 1 : 0;
		if (empty > EMPTY_MOST) {
			fail(v, EPROTO, "the answer goes on without a byte");
			return lose(v);
		}
	} while (got == 0);
	return 0;
}

static int plain(struct vxi11 *v, u_long procedure, vxi11_status_reply *r, int64_t patience)
{
	vxi11_plain_args a = {.link = v->link, .io_timeout = device_time(patience)};
	XDR x;

	if (v->fd < 0)
		return closed(v);
	bool put = ready(v) == 0 && begin(v, &x, VXI11_CORE, VXI11_CORE_VERSION, procedure) &&
	    xdr_vxi11_plain_args(&x, &a);
	if (!put)
		return -1;
	if (exchange(v, v->fd, &x, put, tim_mono() + patience) < 0)
		return give_up(v, patience);
	bool good =
	    procedure == VXI11_STATUS ? xdr_vxi11_status_reply(&x, r) : xdr_int(&x, &r->error);
	if (!good)
		return not_understood(v);
	return r->error
	    ? device_error(v, procedure == VXI11_STATUS ? "status byte" : "clear", r->error)
	    : 0;
}

int vxi11_status(struct vxi11 *v, uint8_t *status, int64_t patience)
{
	vxi11_status_reply r = {.error = 0};

	if (plain(v, VXI11_STATUS, &r, patience) < 0)
		return -1;
	*status = r.status;
	return 0;
}

int vxi11_clear(struct vxi11 *v, int64_t patience)
{
	vxi11_status_reply r = {.error = 0};

	return plain(v, VXI11_CLEAR, &r, patience);
}
