/* telinfo.c - the telescope's RPC record, asked for over the network */
#include "sky/telinfo.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/tcp.h"
#include "base/tim.h"
#include "telinfo_rpc.h"

#define UDP_AGAIN  (300 * TIM_MS)
#define PORTMAPPER 111

static_assert(TELINFO_SIZE == RPC_SIZE, "the record");

/* ---- addresses ---- */

/* One word behind a comma. */
static bool read_option(const char *word, struct telinfo_at *at, unsigned *mapper)
{
	long long v;
	const char *value = strchr(word, '=');

	if (!strcmp(word, "udp")) {
		at->udp = true;
		return true;
	}
	if (!value || conf_int(value + 1, 0, UINT32_MAX, &v) < 0)
		return false;
	size_t n = (size_t)(value - word);
	if (n == 10 && !memcmp(word, "portmapper", n) && v >= 1 && v <= 65535)
		*mapper = (unsigned)v;
	else if (n == 7 && !memcmp(word, "program", n))
		at->program = (unsigned long)v;
	else if (n == 7 && !memcmp(word, "version", n))
		at->version = (unsigned long)v;
	else if (n == 9 && !memcmp(word, "procedure", n))
		at->procedure = (unsigned long)v;
	else
		return false;
	return true;
}

int telinfo_address(const char *text, struct telinfo_at *at, char why[NET_WHY])
{
	char copy[NET_TEXT], *rest = copy, *word;
	unsigned mapper = PORTMAPPER;

	*at = (struct telinfo_at){
	    .program = TELINFO, .version = TELINFO_VERSION, .procedure = TELINFO_GET};
	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
		snprintf(why, NET_WHY, "%.64s...: is too long", text);
		return -1;
	}
	char *host = strsep(&rest, ",");
	while ((word = strsep(&rest, ",")))
		if (!read_option(word, at, &mapper)) {
			snprintf(why, NET_WHY,
			    "%.64s: '%.32s' is none of udp, portmapper=PORT, program=N, version=N "
			    "and procedure=N",
			    text, word);
			return -1;
		}
	if (onc_address(host, mapper, &at->spec, &at->direct) == 0)
		return 0;
	snprintf(why, NET_WHY,
	    "%.64s: is no address of an RPC program: write HOST, or HOST:PORT where its portmapper "
	    "is not to be asked",
	    host);
	return -1;
}

/* ---- asking ---- */

static int find_port(struct telinfo *t, struct net_spec *spec, int64_t until)
{
	const struct telinfo_at *at = t->at;
	const struct onc_program p = {
	    at->program, at->version, at->udp ? IPPROTO_UDP : IPPROTO_TCP};
	u_int port = 0;

	*spec = at->spec;
	if (at->direct)
		return 0;
	if (onc_port(&t->onc, &at->spec, &p, at->udp, &port, until) < 0)
		return -1;
	if (port == 0 || port > 65535)
		return onc_fail(&t->onc, ENOENT,
		    "its portmapper knows no program 0x%lx, version %lu, on %s", at->program,
		    at->version, at->udp ? "UDP" : "TCP");
	snprintf(spec->port, sizeof spec->port, "%u", port);
	return 0;
}

static int connect_to(struct telinfo *t, int64_t until)
{
	struct net_spec spec;

	if (t->fd >= 0)
		return 0;
	if (onc_ready(&t->onc) < 0 || find_port(t, &spec, until) < 0)
		return -1;
	t->fd = t->at->udp ? onc_udp(&t->onc, &spec)
			   : tcp_connect(&spec, until, t->onc.stopping, t->onc.why);
	return t->fd < 0 ? -1 : 0;
}

static int ask(struct telinfo *t, uint8_t record[RPC_SIZE], int64_t until)
{
	struct onc *o = &t->onc;
	telinfo_record r;
	XDR x;

	if (connect_to(t, until) < 0)
		return -1;
	bool put = onc_begin(o, &x, t->at->program, t->at->version, t->at->procedure);
	int got = t->at->udp ? onc_exchange_udp(o, t->fd, &x, put, UDP_AGAIN, until)
			     : onc_exchange(o, t->fd, &x, put, until);
	if (got < 0)
		return -1;
	size_t length = o->nin - xdr_getpos(&x);
	if (length != RPC_SIZE || !xdr_telinfo_record(&x, r))
		return onc_fail(
		    o, EPROTO, "a record of %zu bytes; the telescope's has %d", length, RPC_SIZE);
	memcpy(record, r, RPC_SIZE);
	return 0;
}

int telinfo_ask(struct telinfo *t, uint8_t record[RPC_SIZE], int64_t patience)
{
	int got = ask(t, record, tim_mono() + patience);
	int error = errno;

	if (got < 0 && t->fd >= 0) {
		close(t->fd);
		t->fd = -1;
	}
	errno = error;
	return got;
}

void telinfo_close(struct telinfo *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	onc_free(&t->onc);
}
