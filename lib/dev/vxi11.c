/* vxi11.c - a VXI-11 client: calls with deadlines, the portmapper, aborting */
#include "dev/vxi11.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tcp.h"
#include "base/tim.h"
#include "vxi11_rpc.h"

#define READ_MOST  (1u << 20) /* bytes asked for in one read */
#define EMPTY_MOST 100        /* pieces without a byte in one answer */
#define ABORT_TIME TIM_S
#define CLOSE_TIME (TIM_S / 2)
#define FLAG_END   8
#define REASON_END 4

static_assert(VXI11_REPLY_MOST > VXI11_DATA_MAX, "a reply has room for its data");

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
	return onc_fail(&v->onc,
	    error == VXI11_TIMEOUT      ? ETIMEDOUT
		: error == VXI11_LOCKED ? EBUSY
					: EPROTO,
	    "%s: %s (VXI-11 error %d)", what, vxi11_text(error), error);
}

/* ---- addresses ---- */

int vxi11_address(const char *text, unsigned portmapper, struct vxi11_at *at, char why[NET_WHY])
{
	at->device = "inst0";
	if (onc_address(text, portmapper, &at->spec, &at->direct) == 0)
		return 0;
	snprintf(why, NET_WHY,
	    "%.64s: is no address of an instrument: write HOST, or HOST:PORT where its "
	    "portmapper is not to be asked",
	    text);
	return -1;
}

/* ---- the connection ---- */

static int ready(struct vxi11 *v)
{
	v->error = VXI11_OK;
	return onc_ready(&v->onc);
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
	onc_fail(&v->onc, EPROTO, "the reply is cut short, or longer than asked for");
	return lose(v);
}

/* Where the instrument's own port is. TCP first: a firewall that lets VXI-11 pass knows TCP. */
static int find_port(struct vxi11 *v, struct net_spec *spec, int64_t until)
{
	static const struct onc_program core = {VXI11_CORE, VXI11_CORE_VERSION, IPPROTO_TCP};
	u_int port = 0;
	int64_t half = tim_mono() + (until - tim_mono()) / 2;

	*spec = v->at->spec;
	if (v->at->direct)
		return 0;
	if (onc_port(&v->onc, spec, &core, false, &port, half) < 0 &&
	    (errno == EINTR || onc_port(&v->onc, spec, &core, true, &port, until) < 0))
		return -1;
	if (port == 0 || port > 65535)
		return onc_fail(&v->onc, ENOENT,
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
	bool put = onc_begin(&v->onc, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_CREATE_LINK) &&
	    xdr_vxi11_create_args(&x, &a);

	if (onc_exchange(&v->onc, v->fd, &x, put, until) < 0)
		return lose(v);
	if (!xdr_vxi11_create_reply(&x, &r))
		return not_understood(v);
	if (r.error) {
		drop(v);
		return device_error(v, "no link to the instrument", r.error);
	}
	v->link = r.link;
	v->abort_port = r.abort_port;
	v->max_recv = r.max_recv < 1024     ? 1024
	    : r.max_recv > VXI11_WRITE_MOST ? VXI11_WRITE_MOST
					    : r.max_recv;
	return 0;
}

int vxi11_open(struct vxi11 *v, const struct vxi11_at *at, int64_t patience)
{
	struct net_spec spec;
	int64_t until = tim_mono() + patience;

	drop(v);
	v->at = at;
	if (ready(v) < 0 || find_port(v, &spec, until) < 0)
		return -1;
	v->fd = tcp_connect(&spec, until, v->onc.stopping, v->onc.why);
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
		bool put =
		    onc_begin(&v->onc, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_DESTROY_LINK) &&
		    xdr_int(&x, &link);
		(void)onc_exchange(&v->onc, v->fd, &x, put, tim_mono() + CLOSE_TIME);
	}
	drop(v);
	onc_free(&v->onc);
}

int vxi11_abort(struct vxi11 *v, int64_t patience)
{
	struct net_spec spec = v->at->spec;
	int64_t until = tim_mono() + patience;
	int link = v->link, error = 0;
	XDR x;

	if (v->abort_port == 0 || ready(v) < 0)
		return onc_fail(&v->onc, ENOTSUP, "the instrument has no abort channel");
	snprintf(spec.port, sizeof spec.port, "%u", v->abort_port);
	if (v->abort_fd < 0)
		v->abort_fd = tcp_connect(&spec, until, v->onc.stopping, v->onc.why);
	if (v->abort_fd < 0)
		return -1;
	bool put = onc_begin(&v->onc, &x, VXI11_ASYNC, VXI11_ASYNC_VERSION, VXI11_ABORT) &&
	    xdr_int(&x, &link);
	if (onc_exchange(&v->onc, v->abort_fd, &x, put, until) < 0 || !xdr_int(&x, &error)) {
		close(v->abort_fd);
		v->abort_fd = -1;
		return onc_fail(&v->onc, EPROTO, "the abort channel does not answer");
	}
	return error ? device_error(v, "abort", error) : 0;
}

/* A call on the core channel was given up before its reply began: the instrument is told so, and
 * its reply, an error, is taken off the line. Otherwise the connection is of no more use. */
static int give_up(struct vxi11 *v, int64_t patience)
{
	char why[ONC_WHY];
	int error = errno;
	uint32_t call = v->onc.xid;
	int64_t most = patience < ABORT_TIME ? patience : ABORT_TIME;
	XDR x;

	memcpy(why, v->onc.why, sizeof why);
	bool quiet = (error == ETIMEDOUT || error == EINTR) && !v->onc.in_reply;
	if (quiet && vxi11_abort(v, most) == 0) {
		v->onc.xid = call;
		quiet = onc_reply(&v->onc, v->fd, &x, tim_mono() + most) == 0;
		v->onc.xid = call + 1;
	} else {
		quiet = false;
	}
	if (!quiet)
		drop(v);
	v->error = VXI11_OK;
	memcpy(v->onc.why, why, sizeof why);
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
	return onc_fail(&v->onc, ENOTCONN, "there is no connection");
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
		bool put = onc_begin(&v->onc, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_WRITE) &&
		    xdr_vxi11_write_args(&x, &a);
		if (onc_exchange(&v->onc, v->fd, &x, put, tim_mono() + patience) < 0)
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
			return onc_fail(&v->onc, ENOMEM, "out of memory");
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
	bool put = onc_begin(&v->onc, &x, VXI11_CORE, VXI11_CORE_VERSION, VXI11_READ) &&
	    xdr_vxi11_read_args(&x, &a);

	if (onc_exchange(&v->onc, v->fd, &x, put, tim_mono() + patience) < 0)
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
			onc_fail(&v->onc, EPROTO,
			    "the answer is longer than %zu bytes, or has no end", max);
			return lose(v);
		}
		empty = to->n == before ? empty + 1 : 0;
		if (empty > EMPTY_MOST) {
			onc_fail(&v->onc, EPROTO, "the answer goes on without a byte");
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
	bool put = ready(v) == 0 &&
	    onc_begin(&v->onc, &x, VXI11_CORE, VXI11_CORE_VERSION, procedure) &&
	    xdr_vxi11_plain_args(&x, &a);
	if (!put)
		return -1;
	if (onc_exchange(&v->onc, v->fd, &x, put, tim_mono() + patience) < 0)
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
