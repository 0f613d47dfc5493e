/* ask.c - a client of seqd: lines out, progress lines and final lines in */
#include "cam/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/srv.h"
#include "base/tcp.h"
#include "base/tim.h"

#define USUAL_TCP "tcp:127.0.0.1:7011"

static int try(struct ask *a, const char *server, int64_t timeout_ns)
{
	struct net_spec spec;
	char why[NET_WHY];

	snprintf(a->where, sizeof a->where, "%s", server);
	if (net_parse(server, NET_TCP, &spec, why) < 0) {
		snprintf(a->why, sizeof a->why, "%s", why);
		errno = EINVAL;
		return -1;
	}
	a->fd = tcp_connect(&spec, tim_mono() + timeout_ns, NULL, why);
	if (a->fd >= 0)
		return 0;
	snprintf(a->why, sizeof a->why,
	    "seqd does not answer at %s. Is it running? Name it by -s or FYKE_SEQD.", why);
	return -1;
}

int ask_open(struct ask *a, const struct ask_options *o)
{
	const char *server = o->server, *env = getenv("FYKE_SEQD");
	char path[NET_TEXT], text[NET_TEXT + 8];

	a->fd = -1;
	a->n = a->taken = 0;
	if (!server && env && *env)
		server = env;
	if (server)
		return try(a, server, o->timeout);
	snprintf(text, sizeof text, "unix:%s", srv_default("seqd", false, path));
	if (access(path, F_OK) == 0 && try(a, text, o->timeout) == 0)
		return 0;
	return try(a, USUAL_TCP, o->timeout);
}

void ask_close(struct ask *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

static char *lost(struct ask *a, int error, const char *what)
{
	snprintf(a->why, sizeof a->why, "%.200s: %s", a->where, what);
	errno = error;
	return NULL;
}

static int not_sent(struct ask *a, int error, const char *what)
{
	(void)lost(a, error, what);
	return -1;
}

int ask_send(struct ask *a, const char *line)
{
	char text[ASK_LINE];
	int n = snprintf(text, sizeof text, "%s\n", line);

	if (n >= (int)sizeof text)
		return not_sent(a, EMSGSIZE, "the line is too long for it");
	for (int at = 0; at < n;) {
		ssize_t k = send(a->fd, text + at, (size_t)(n - at), MSG_NOSIGNAL);
		if (k > 0)
			at += (int)k;
		else if (errno == EAGAIN)
			(void)io_wait_write(a->fd, TIM_S);
		else if (errno != EINTR)
			return not_sent(a, errno, strerror(errno));
	}
	return 0;
}

char *ask_line(struct ask *a, int64_t until)
{
	a->n -= a->taken;
	memmove(a->in, a->in + a->taken, a->n);
	a->taken = 0;
	for (;;) {
		char *end = memchr(a->in, '\n', a->n);
		if (end) {
			a->taken = (size_t)(end - a->in) + 1;
			*end = '\0';
			return a->in;
		}
		if (a->n == sizeof a->in)
			return lost(a, EPROTO, "sends lines without end: is that seqd?");
		int64_t left = until - tim_mono();
		int got = io_wait(a->fd, left > 0 ? left : 0);
		if (got < 0)
			return NULL;
		if (got == 0)
			return lost(a, ETIMEDOUT, "no word from seqd in time");
		ssize_t k = read(a->fd, a->in + a->n, sizeof a->in - a->n);
		if (k == 0)
			return lost(a, EPIPE, "seqd has closed the connection");
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return lost(a, errno, strerror(errno));
		a->n += k > 0 ? (size_t)k : 0;
	}
}

int ask_parse(const char *line, struct ask_final *f)
{
	char tag[12], symbol[64];
	int at = 0;

	if (strncmp(line, "* ", 2) == 0)
		return 0;
	if (sscanf(line, "%11[A-Z] %5u %63s %63s %n", tag, &f->code, symbol, f->call, &at) != 4 ||
	    code_tag_parse(tag, &f->tag) < 0 || at == 0)
		return -1;
	f->text = line + at;
	return 1;
}

char *ask_countdown(const char *progress, char buf[ASK_COUNTDOWN])
{
	double gone, all;

	if (sscanf(progress, "integrating %lf %lf", &gone, &all) != 2)
		return NULL;
	snprintf(buf, ASK_COUNTDOWN, "integrating, %.1f of %.1f s left",
	    gone < all ? all - gone : 0, all);
	return buf;
}

int ask_do(struct ask *a, const char *line, const struct ask_options *o,
    const struct ask_calls *calls, void *ctx, struct ask_final *f)
{
	int got = 0;

	if (ask_send(a, line) < 0)
		return -1;
	while (got == 0) {
		char *answer = ask_line(a, tim_mono() + o->timeout);
		if (!answer && errno == EINTR && calls->go_on(ctx))
			continue;
		if (!answer)
			return -1;
		got = ask_parse(answer, f);
		if (got == 0)
			calls->progress(ctx, answer + 2);
	}
	if (got > 0)
		return 0;
	(void)lost(a, EPROTO, "an answer that is no answer: is that seqd?");
	return -1;
}

static void no_progress(void *ctx, const char *text)
{
	(void)ctx, (void)text;
}

/* The Ctrl-C that led here is no reason to stop. */
static bool go_on(void *ctx)
{
	(void)ctx;
	return true;
}

int ask_abort(const struct ask_options *o, char said[ASK_WHY])
{
	static const struct ask_calls quiet = {.progress = no_progress, .go_on = go_on};
	static struct ask a;
	struct ask_final f = {.code = 0};

	bool answered = ask_open(&a, o) == 0 && ask_do(&a, "abort", o, &quiet, NULL, &f) == 0;
	if (answered)
		snprintf(said, ASK_WHY, "%.*s", ASK_WHY - 1, f.text);
	else
		snprintf(said, ASK_WHY, "the abort did not reach the camera: %.300s", a.why);
	ask_close(&a);
	return answered && f.tag == CODE_NOTE ? 0 : -1;
}
