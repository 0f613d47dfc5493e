/*
 * hv.c - any bytes as a request, a reply, a limits file, and as a session of hvmux
 *
 * A session: lines begin with who acts: a, b a client (b may only read), r the supply, u it is up,
 * l it is lost, t time passes. Whatever happens, nothing beyond the limits reaches the supply.
 */
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "dev/hv.h"
#include "dev/hvlimit.h"
#include "dev/hvmux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct hvlimits *limits;
static bool up;

static int to_supply(void *ctx, int board, const char *text, size_t n)
{
	struct hv_request q;
	char why[HV_WHY];

	(void)ctx, (void)board;
	if (n < 2 || memcmp(text + n - 2, "\r\n", 2) != 0 || memchr(text, '\r', n - 2) ||
	    hv_read_request(text, n - 2, &q) != HV_FINE ||
	    hvlimit_check(limits, &q, why) != HV_FINE)
		abort();
	return up ? 0 : -1;
}

static bool stale(void *ctx, int board)
{
	(void)ctx, (void)board;
	return false;
}

static void drop(void *ctx, int board, const char *why)
{
	(void)ctx, (void)board, (void)why;
	up = false;
}

static void good(void *ctx, int board)
{
	(void)ctx, (void)board;
}

static void answer(void *ctx, void *who, const char *text, size_t n)
{
	(void)ctx, (void)who;
	if (n < 2 || text[0] != '#' || memcmp(text + n - 2, "\r\n", 2) != 0)
		abort();
}

static void room(void *ctx, void *who)
{
	(void)ctx, (void)who;
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	for (; *text; text++)
		if (*text < 0x20 || *text >= 0x7f)
			abort();
}

static void one_line(
    struct hvmux *m, struct hvmux_client *c[2], const char *at, size_t len, int64_t *now)
{
	switch (len ? *at : 0) {
	case 'a':
	case 'b':
		(void)hvmux_line(c[*at - 'a'], at + 1, len - 1, false, *now);
		hvmux_ahead(c[*at - 'a'], at + 1, len - 1, *now);
		break;
	case 'r':
		if (up)
			hvmux_reply(m, 0, at + 1, len - 1, *now);
		break;
	case 'u':
		up = true;
		hvmux_lost(m, 0, "again", *now);
		hvmux_up(m, 0, *now);
		break;
	case 'l':
		up = false;
		hvmux_lost(m, 0, "lost", *now);
		break;
	default:
		*now += TIM_S;
	}
	(void)hvmux_run(m, ++*now);
}

static void session(const char *text, size_t n)
{
	static const struct hvmux_calls calls = {
	    to_supply, stale, drop, good, answer, room, say, say, say};
	struct hvmux_options o = {.boards = 1, .limits = limits, .timeout = 5 * TIM_S};
	struct tally t = {0};
	int64_t now = TIM_S;

	hvmux_tally(&t);
	up = false;
	struct hvmux *m = hvmux_new(&o, &calls, NULL, &t);
	struct hvmux_client *c[2] = {NULL, NULL};
	for (int i = 0; m && i < 2; i++)
		if (!(c[i] = hvmux_join(m, NULL, "peer", i == 1)))
			abort();
	if (!m)
		abort();
	while (n > 0) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		one_line(m, c, text, len, &now);
		text += len + (end != NULL);
		n -= len + (end != NULL);
	}
	hvmux_leave(c[0]);
	(void)hvmux_run(m, ++now);
	hvmux_free(m);
	if (!tally_sums(&t) || t.held != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char file[] =
	    "[*]\nmax-volts=100\nmax-microamps=5\nmax-ramp=50\n[1]\nforbidden=yes\n";
	const char *text = (const char *)data;
	char why[HV_WHY], line[HV_LINE];
	struct hv_request q, q2;
	struct hv_reply r, r2;

	if (!limits && !(limits = hvlimit_parse("limits", file, strlen(file), why)))
		abort();
	if (hv_read_request(text, n, &q) == HV_FINE) {
		size_t len = hv_write_request(&q, line);
		if (hv_read_request(line, len - 2, &q2) != HV_FINE ||
		    memcmp(&q, &q2, sizeof q) != 0)
			abort();
	}
	if (hv_read_reply(text, n, &r) == 0) {
		size_t len = hv_write_reply(&r, line);
		if (len >= HV_LINE || hv_read_reply(line, len - 2, &r2) < 0 || r2.error != r.error)
			abort();
	}
	hvlimit_free(hvlimit_parse("fuzz", text, n, why));
	session(text, n);
	return 0;
}
