/* hvask.c - asking a high-voltage supply, or hvmux, one question at a time and with deadlines */
#include "hvask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/back.h"
#include "base/dial.h"
#include "base/srv.h"
#include "base/tim.h"

#define OLD_PORT "8000" /* where the original's clients look */
#define PATIENCE TIM_S
#define HURRY    (2 * TIM_S) /* at most, when an OFF is on its way */

struct hvask {
	struct dial *dial;
	int64_t timeout;
	bool (*stopping)(void);
	int nch[HV_BOARDS]; /* 0: not asked */
	uint64_t count;
	bool sent; /* the last question got as far as the wire */
	enum hvask_pace pace;
	char why[HV_WHY];
};

/* ---- where ---- */

static int local_port(const char *port, struct net_spec *to, char why[NET_WHY])
{
	char text[64];
	snprintf(text, sizeof text, "127.0.0.1:%.8s", port);
	return net_parse(text, NET_TCP, to, why);
}

static bool is_socket(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

int hvask_where(const char *server, int64_t port, struct net_spec *to, char why[NET_WHY])
{
	char path[NET_TEXT], text[NET_TEXT + 8];

	if (server)
		return net_parse(server, NET_TCP, to, why);
	if (port > 0) {
		snprintf(text, sizeof text, "%d", (int)port);
		return local_port(text, to, why);
	}
	srv_default("hv", false, path);
	if (!is_socket(path))
		strcpy(path, "/run/fyke/hv.sock");
	if (!is_socket(path))
		return local_port(OLD_PORT, to, why);
	snprintf(text, sizeof text, "unix:%s", path);
	return net_parse(text, NET_TCP, to, why);
}

int hvask_device(const char *text, struct net_spec *to, char why[NET_WHY])
{
	char full[NET_TEXT];
	const char *host = strncmp(text, "tcp:", 4) == 0 ? text + 4 : text;
	bool other = strncmp(text, "unix:", 5) == 0 || strncmp(text, "serial:", 7) == 0;
	const char *last = strrchr(host, ']') ? strrchr(host, ']') : host;

	snprintf(full, sizeof full, "%s%.250s%s", other ? "" : "tcp:", other ? text : host,
	    other || strchr(last, ':') ? "" : ":" HV_PORT);
	return net_parse(full, NET_TCP, to, why);
}

/* ---- the handle ---- */

struct hvask *hvask_new(const struct net_spec *to, int64_t timeout_ns, bool (*stopping)(void))
{
	struct hvask *a = calloc(1, sizeof *a);

	if (!a || !(a->dial = dial_new(to, HV_LINE, timeout_ns))) {
		free(a);
		return NULL;
	}
	a->timeout = timeout_ns;
	a->stopping = stopping;
	return a;
}

void hvask_free(struct hvask *a)
{
	if (!a)
		return;
	dial_free(a->dial);
	free(a);
}

const char *hvask_why(const struct hvask *a)
{
	return a->why;
}

bool hvask_sent(const struct hvask *a)
{
	return a->sent;
}

void hvask_pace(struct hvask *a, enum hvask_pace pace)
{
	a->pace = pace;
}

const char *hvask_peer(const struct hvask *a)
{
	return dial_text(a->dial);
}

uint64_t hvask_count(const struct hvask *a)
{
	return a->count;
}

/* ---- a question ---- */

static enum hvask_end lost(struct hvask *a, const char *why)
{
	snprintf(a->why, sizeof a->why, "%.100s: %.140s", dial_text(a->dial), why);
	memset(a->nch, 0, sizeof a->nch);
	return HVASK_LOST;
}

/* Nobody is there: on this machine that would be hvmux. */
static enum hvask_end not_there(struct hvask *a)
{
	const char *peer = dial_text(a->dial), *why = dial_why(a->dial);
	bool here = strncmp(peer, "tcp:127.", 8) == 0 || strncmp(peer, "unix:", 5) == 0;
	char text[NET_WHY + 32];

	if (!here ||
	    (strncmp(why, "Connection refused", 18) != 0 && strncmp(why, "No such file", 12) != 0))
		return lost(a, why);
	snprintf(text, sizeof text, "%.100s; is hvmux running?", why);
	return lost(a, text);
}

static bool stopping(const struct hvask *a)
{
	return a->stopping && a->stopping();
}

/* One wait. false: a signal asks to stop. */
static bool pause_until(struct hvask *a, int64_t until, enum dial_event *event)
{
	return dial_wait(a->dial, until, event) == 0 || !stopping(a);
}

static int64_t time_out(const struct hvask *a, bool hurry)
{
	return tim_mono() + (hurry && a->timeout > HURRY ? HURRY : a->timeout);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What comes before the first OFF has its time: without a connection nothing could be sent. */
static int64_t connect_due(const struct hvask *a, bool off)
{
	return time_out(a, (off || a->pace == HVASK_STEADY) && stopping(a));
}

/* A wait between two attempts is sat out only when it is short. For an OFF it is made short, and no
 * signal ends it: a supply that says nothing may obey, and each channel's OFF must reach it. */
static enum hvask_end connect_now(struct hvask *a, bool off)
{
	int64_t until = connect_due(a, off);
	bool on_the_way = off || a->pace != HVASK_CALM;
	/* What is told here may be the loss of an older connection. */
	enum dial_event event = dial_step(a->dial, 0);

	a->sent = false;
	if (on_the_way)
		dial_hurry(a->dial, BACK_FIRST);
	while (!dial_is_up(a->dial)) {
		int64_t now = tim_mono();
		struct pollfd p;
		dial_poll(a->dial, &p); /* no descriptor: it waits before it dials again */
		if (now >= until || (p.fd < 0 && dial_due(a->dial) > now + PATIENCE))
			return not_there(a);
		if (!pause_until(a, until, &event)) {
			if (!on_the_way)
				return HVASK_STOPPED;
			until = sooner(until, connect_due(a, off));
		}
		if (event == DIAL_LOST)
			return not_there(a);
	}
	return HVASK_OK;
}

static int64_t answer_due(const struct hvask *a)
{
	return time_out(a, a->pace == HVASK_HURRY || (a->pace == HVASK_STEADY && stopping(a)));
}

/* A line that answers q, or what went wrong. Neither a SET under way nor what an OFF waits for is left
 * because of a signal. */
static enum hvask_end await(struct hvask *a, const struct hv_request *q, struct hv_reply *r)
{
	int64_t until = answer_due(a);
	int nch = q->channel >= 0 ? a->nch[q->board] : 0;
	enum dial_event event;
	char *line;
	size_t n;

	while (!(line = dial_line(a->dial, &n))) {
		if (tim_mono() >= until) {
			dial_drop(a->dial, "no answer");
			return lost(a, "no answer (is another program connected to it?)");
		}
		if (!pause_until(a, until, &event)) {
			if (!q->set && a->pace == HVASK_CALM) {
				dial_drop(a->dial, "stopped");
				return HVASK_STOPPED;
			}
			until = sooner(until, answer_due(a));
		}
		if (event == DIAL_LOST)
			return lost(a, dial_why(a->dial));
	}
	if (hv_read_reply(line, n, r) < 0 || !hv_fits(q, r, nch)) {
		dial_drop(a->dial, "senseless");
		return lost(a, "what it sent is no answer to what was asked");
	}
	dial_good(a->dial);
	return r->error == HV_FINE ? HVASK_OK : HVASK_ERROR;
}

static enum hvask_end ask_once(struct hvask *a, const struct hv_request *q, struct hv_reply *r)
{
	char text[HV_LINE];
	size_t n = hv_write_request(q, text);
	bool off = q->set && q->par == HV_OFF;
	enum hvask_end end = connect_now(a, off);

	if (end == HVASK_OK && dial_stale(a->dial)) {
		dial_drop(a->dial, "it speaks unasked");
		end = connect_now(a, off);
	}
	if (end != HVASK_OK)
		return end;
	a->count++;
	a->sent = true;
	if (dial_send(a->dial, text, n) < 0)
		return lost(a, dial_why(a->dial));
	return await(a, q, r);
}

/* hvmux's reason for an error, where a hvmux answers: "refused: ...". false: it has none. */
static bool ask_why(struct hvask *a, int board, char why[HV_WHY])
{
	struct hv_request q = {.board = board, .channel = -1, .par = HV_MUXWHY};
	char line[HV_LINE], *answer;
	int64_t until = answer_due(a);
	enum dial_event event;
	size_t n = hv_write_request(&q, line);

	if (dial_send(a->dial, line, n) < 0)
		return false;
	while (!(answer = dial_line(a->dial, &n))) {
		bool go_on = pause_until(a, until, &event) || a->pace != HVASK_CALM;
		if (tim_mono() >= until || !go_on || event == DIAL_LOST) {
			dial_drop(a->dial, "no answer");
			return false;
		}
	}
	const char *text = strstr(answer, "CMD:OK,VAL:");
	if (text)
		snprintf(why, HV_WHY, "%.200s", text + strlen("CMD:OK,VAL:"));
	return text != NULL;
}

/* What an error reply means. */
static enum hvask_end explain(struct hvask *a, int board, enum hv_error error)
{
	char why[HV_WHY];

	snprintf(a->why, sizeof a->why, "%s", hv_error_text(error));
	if (!ask_why(a, board, why))
		return error == HV_ERR_LOC ? HVASK_REFUSED : HVASK_ERROR;
	const char *text = strstr(why, ": ");
	snprintf(a->why, sizeof a->why, "%.200s", text ? text + 2 : why);
	if (strncmp(why, "refused: ", 9) == 0)
		return HVASK_REFUSED;
	if (strncmp(why, "unanswered: ", 12) == 0)
		return HVASK_LOST;
	return error == HV_ERR_LOC ? HVASK_REFUSED : HVASK_ERROR;
}

enum hvask_end hvask(struct hvask *a, const struct hv_request *q, struct hv_reply *r)
{
	enum hvask_end end = ask_once(a, q, r);

	if (end == HVASK_LOST && !q->set && a->sent && a->pace == HVASK_CALM)
		end = ask_once(a, q, r);
	if (end == HVASK_ERROR)
		end = explain(a, q->board, r->error);
	return end;
}

/* ---- single values ---- */

enum hvask_end hvask_text(struct hvask *a, int board, int channel, enum hv_par par, char *text)
{
	struct hv_request q = {.board = board, .channel = channel, .par = par};
	struct hv_reply r;
	enum hvask_end end = hvask(a, &q, &r);

	if (end == HVASK_OK)
		snprintf(text, HV_VALUE, "%s", r.value[0]);
	return end;
}

enum hvask_end hvask_number(struct hvask *a, int board, int channel, enum hv_par par, double *v)
{
	char text[HV_VALUE];
	enum hvask_end end = hvask_text(a, board, channel, par, text);

	if (end == HVASK_OK && hv_number(text + (*text == '-'), v) == 0 && *text == '-')
		*v = -*v;
	return end;
}

enum hvask_end hvask_set(
    struct hvask *a, int board, int channel, enum hv_par par, const char *value)
{
	struct hv_request q = {.board = board, .set = true, .channel = channel, .par = par};
	struct hv_reply r;

	snprintf(q.value, sizeof q.value, "%s", value);
	return hvask(a, &q, &r);
}

enum hvask_end hvask_channels(struct hvask *a, int board, int *nch)
{
	double v = 0;

	if (a->nch[board] == 0) {
		enum hvask_end end = hvask_number(a, board, -1, HV_BDNCH, &v);
		if (end != HVASK_OK)
			return end;
		if (v < 1 || v > HV_CHANNELS)
			return lost(a, "its number of channels makes no sense");
		a->nch[board] = (int)v;
	}
	*nch = a->nch[board];
	return HVASK_OK;
}

enum hvask_end hvask_boards(struct hvask *a, int *n)
{
	struct hv_request q = {.channel = -1, .par = HV_MUXBDS};
	struct hv_reply r;
	double v;
	enum hvask_end end = ask_once(a, &q, &r);

	if (end == HVASK_LOST && a->sent && a->pace == HVASK_CALM)
		end = ask_once(a, &q, &r);
	*n = 0;
	if (end == HVASK_OK && hv_number(r.value[0], &v) == 0 && v >= 1 && v <= HV_BOARDS)
		*n = (int)v;
	return end == HVASK_ERROR ? HVASK_OK : end;
}
