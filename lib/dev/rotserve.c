/* rotserve.c - rotctl's sockets: status for whoever listens, commands from other rotctls */
#include "rotserve.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/srv.h"
#include "base/tim.h"
#include "base/why.h"

#define CLIENTS 32
#define PENDING 65536
#define IDLE    (100 * TIM_MS) /* how long a turn takes, and READY_TO_ROTATE may wait */
#define ANGLE   720.0          /* any angle that somebody may mean */

struct rotserve {
	struct rot *rot;
	struct rot_options o;
	const struct rotserve_calls *calls;
	struct srv *srv;
	const char *name;
	char why[ROT_WHY];
	/* Somebody has asked for a stop. It ends the waits of what goes on: of the command under way,
	 * or, between commands, of a look that searches for a lost line. The second kind is also
	 * pending, and is over when that begins: the flag is cleared at both ends of a command. */
	bool stop;
	/* the command under way, and who waits for it (NULL: nobody on a socket) */
	bool busy;
	struct srv_client *waits;
	/* one that waits to be begun */
	bool pending;
	struct rot_request next;
	struct srv_client *asked;
	char who[SRV_PEER];
	/* who asked for a stop while it turned */
	struct srv_client *stoppers[CLIENTS];
	int nstoppers;
	struct srv_client *listeners[CLIENTS];
	int nlisteners;
	struct rot_status sent; /* last */
	int64_t due;            /* of the next reading, tim_mono() */
	int64_t look;           /* of the next look */
	bool watching, automatic, was_ready, seen_ready;
	double pa, parallactic; /* of the last scan; NaN: none */
};

const char *const rot_end_name[ROT_ENDS] = {[ROT_DONE] = "done",
    [ROT_DEVICE] = "device",
    [ROT_LOST] = "lost",
    [ROT_REFUSED] = "refused",
    [ROT_STOPPED] = "stopped"};

/* ---- requests ---- */

static const struct {
	const char *name;
	int numbers;
	const char *usage;
} verb[] = {[ROT_STATUS] = {"status", 0, "status takes no argument"},
    [ROT_STOP] = {"stop", 0, "stop takes no argument"},
    [ROT_HOME] = {"home", 1, "home takes no argument (but --first=DEG)"},
    [ROT_GOTO] = {"goto", 1, "goto where? rotctl goto DEG"},
    [ROT_SCAN] = {"scan", 2, "which scan direction? rotctl scan PA"}};

static int number(const char *text, double *v, char why[ROT_WHY])
{
	if (conf_real(text, v) == 0 && *v >= -ANGLE && *v <= ANGLE)
		return 0;
	snprintf(why, ROT_WHY, "'%.40s' is no angle in degrees (%g to %g)", text, -ANGLE, ANGLE);
	return -1;
}

int rot_address(const char *text, const char *usual, struct net_spec *to, char why[NET_WHY])
{
	char path[NET_TEXT], address[NET_TEXT + 8];

	if (!text) {
		snprintf(address, sizeof address, "unix:%s", srv_default(usual, true, path));
		text = address;
	}
	if (net_parse(text, NET_TCP, to, why) < 0)
		return -1;
	if (to->kind == NET_UNIX || to->kind == NET_TCP)
		return 0;
	return why_fail(why, NET_WHY, EINVAL, "%.200s: unix:PATH or tcp:HOST:PORT", text);
}

int rot_request_parse(const char *line, struct rot_request *q, char why[ROT_WHY])
{
	char word[4][24] = {"", "", "", ""}, more[2];
	int n = sscanf(line, "%23s %23s %23s %1s", word[0], word[1], word[2], more) - 1;
	size_t v = 0;

	while (v < sizeof verb / sizeof *verb && strcmp(verb[v].name, word[0]) != 0)
		v++;
	if (v == sizeof verb / sizeof *verb) {
		snprintf(why, ROT_WHY, "'%.20s' is none of home, goto, scan, status, stop, watch",
		    word[0]);
		return -1;
	}
	*q = (struct rot_request){.verb = (enum rot_verb)v, .form = "plain"};
	if (v == ROT_STATUS && n == 1) {
		enum rec_form form;
		if (strcmp(word[1], "plain") == 0 || rec_form(word[1], &form) == 0) {
			snprintf(q->form, sizeof q->form, "%.7s", word[1]);
			return 0;
		}
		snprintf(why, ROT_WHY, "'%.20s' is not line, tsv, json or plain", word[1]);
		return -1;
	}
	if (n != verb[v].numbers) {
		snprintf(why, ROT_WHY, "%s", verb[v].usage);
		return -1;
	}
	if ((n > 0 && number(word[1], &q->angle, why) < 0) ||
	    (n > 1 && number(word[2], &q->parallactic, why) < 0))
		return -1;
	if (v == ROT_HOME && (q->angle < 0 || q->angle > ROT_SYMMETRY)) {
		snprintf(why, ROT_WHY, "home first turns back by 0 to %g degrees, not %g",
		    (double)ROT_SYMMETRY, q->angle);
		return -1;
	}
	return 0;
}

void rot_request_text(const struct rot_request *q, char line[ROT_LINE])
{
	int n = snprintf(line, ROT_LINE, "%s", verb[q->verb].name);

	if (q->verb == ROT_STATUS)
		snprintf(line + n, ROT_LINE - (size_t)n, " %s", q->form);
	if (verb[q->verb].numbers > 0)
		n += snprintf(line + n, ROT_LINE - (size_t)n, " %.6f", q->angle);
	if (verb[q->verb].numbers > 1)
		snprintf(line + n, ROT_LINE - (size_t)n, " %.6f", q->parallactic);
}

/* ---- what clients are told ---- */

static void send_line(struct srv_client *c, const char *mark, const char *text)
{
	char line[REC_TEXT + 8];

	if (!c)
		return;
	int n = snprintf(line, sizeof line, "%s %s\n", mark, text);
	srv_send(c, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* The end of a request. */
static void answer(struct rotserve *h, struct srv_client *c, enum rot_end end, const char *text)
{
	char line[ROT_LINE];

	if (!c)
		return;
	snprintf(line, sizeof line, "%s %d %.450s", rot_end_name[end],
	    (int)rot_status(h->rot)->state, text);
	send_line(c, "=", line);
	srv_finish(c);
}

static long reading(struct rotserve *h, char text[REC_TEXT])
{
	struct rec r;

	rot_record(&r, h->name, rot_status(h->rot));
	return rec_format(&r, REC_LINE, text, REC_TEXT);
}

static bool same(const struct rot_status *a, const struct rot_status *b)
{
	return a->state == b->state && a->has_motor == b->has_motor && a->has_gear == b->has_gear &&
	    a->motor_count == b->motor_count && a->gear_count == b->gear_count &&
	    a->homed == b->homed;
}

static void to_listeners(struct rotserve *h)
{
	char text[REC_TEXT], progress[ROT_WHY];
	long n;

	h->sent = *rot_status(h->rot);
	h->due = tim_mono() + 3 * TIM_S / 2; /* while a command keeps from looking */
	(void)rot_sentence(&h->sent, progress);
	send_line(h->waits, "*", progress);
	if (h->busy && !h->watching)
		h->calls->progress(progress);
	if (h->sent.time == TIM_NONE || h->nlisteners == 0 || (n = reading(h, text)) <= 0)
		return;
	for (int i = h->nlisteners - 1; i >= 0; i--)
		srv_send(h->listeners[i], text, (size_t)n);
}

static void changed(void *ctx)
{
	struct rotserve *h = ctx;
	const struct rot_status *now = rot_status(h->rot);
	char text[ROT_WHY];
	bool worth = now->state != h->sent.state && now->state != ROT_MOVING &&
	    h->sent.state != ROT_MOVING && !h->busy && h->watching;

	if (same(now, &h->sent))
		return;
	if (worth)
		h->calls->note(rot_sentence(now, text));
	to_listeners(h);
}

/* What a status shows, line by line. */
static void show(struct rotserve *h, const char *form_text, struct srv_client *c)
{
	char text[REC_TEXT];
	enum rec_form form;
	struct rec r;
	const struct rot_status *s = rot_status(h->rot);

	if (rec_form(form_text, &form) < 0) {
		rot_sentence(s, text);
	} else {
		rot_record(&r, h->name, s);
		if (form == REC_TSV && rec_head(&r, text, sizeof text) > 0) {
			text[strcspn(text, "\n")] = '\0';
			c ? send_line(c, ">", text) : h->calls->out(text);
		}
		if (rec_format(&r, form, text, sizeof text) <= 0)
			return;
		text[strcspn(text, "\n")] = '\0';
	}
	c ? send_line(c, ">", text) : h->calls->out(text);
}

/* ---- clients ---- */

static void opened(void *ctx, struct srv_client *c)
{
	struct rotserve *h = ctx;
	char text[REC_TEXT];
	long n;

	if (!srv_read_only(c))
		return;
	if (h->nlisteners == CLIENTS) { /* some of those have gone, and were not told yet */
		srv_close(c, "too many");
		return;
	}
	h->listeners[h->nlisteners++] = c;
	if (rot_status(h->rot)->time != TIM_NONE && (n = reading(h, text)) > 0)
		srv_send(c, text, (size_t)n);
}

static void forget(struct srv_client **list, int *n, const struct srv_client *c)
{
	for (int i = 0; i < *n; i++)
		if (list[i] == c)
			list[i--] = list[--*n];
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	struct rotserve *h = ctx;

	(void)why;
	forget(h->listeners, &h->nlisteners, c);
	forget(h->stoppers, &h->nstoppers, c);
	if (h->waits == c)
		h->waits = NULL;
	if (h->asked != c)
		return;
	h->asked = NULL;
	h->pending &= h->next.verb == ROT_STOP; /* nothing begins to turn for nobody */
}

static void begin_soon(struct rotserve *h, const struct rot_request *q, struct srv_client *c)
{
	h->pending = true;
	h->next = *q;
	h->asked = c;
	snprintf(h->who, sizeof h->who, "%s", srv_peer(c));
}

/* One stop is for all who ask for it, and comes before what has not begun. */
static void take_stop(struct rotserve *h, const struct rot_request *q, struct srv_client *c)
{
	bool own = h->asked == c;

	h->stop = true;
	if (h->busy || (h->pending && h->next.verb == ROT_STOP)) {
		if (h->nstoppers < CLIENTS)
			h->stoppers[h->nstoppers++] = c;
		else
			srv_close(c, "too many");
		return;
	}
	if (h->pending)
		answer(h, h->asked, ROT_STOPPED, "stopped before it began");
	begin_soon(h, q, c);
	if (own) /* and has its answer */
		h->asked = NULL;
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *line, size_t n, bool cut)
{
	struct rotserve *h = ctx;
	struct rot_request q;
	char why[ROT_WHY] = "a line without end";

	if (srv_read_only(c))
		return SRV_TAKEN; /* nobody listens to listeners */
	if (cut || strlen(line) != n || rot_request_parse(line, &q, why) < 0) {
		answer(h, c, ROT_REFUSED, why);
	} else if (q.verb == ROT_STATUS) {
		show(h, q.form, c);
		answer(h, c, ROT_DONE, "");
	} else if (q.verb == ROT_STOP) {
		take_stop(h, &q, c);
	} else if (h->busy || h->pending) {
		answer(h, c, ROT_REFUSED, "it is at work for somebody else: wait, or rotctl stop");
	} else {
		begin_soon(h, &q, c);
	}
	return SRV_TAKEN;
}

/* Who has sent all may still wait for an answer. */
static bool ended(void *ctx, struct srv_client *c)
{
	struct rotserve *h = ctx;

	for (int i = 0; i < h->nstoppers; i++)
		if (h->stoppers[i] == c)
			return true;
	return c == h->waits || c == h->asked || srv_read_only(c);
}

static void refused(void *ctx, const char *peer, const char *why)
{
	struct rotserve *h = ctx;
	char text[256];

	snprintf(text, sizeof text, "%.90s: not let in: %.120s", peer, why);
	h->calls->audit(text, "");
}

/* ---- waiting ---- */

static void serve(struct rotserve *h, int64_t until)
{
	int64_t now = tim_mono(), wake = until < h->due ? until : h->due;

	(void)srv_wait(h->srv, NULL, 0, wake > now ? wake - now : 0);
	if (tim_mono() >= h->due)
		to_listeners(h);
	h->calls->tick();
}

static bool wait_for(void *ctx, int64_t until)
{
	struct rotserve *h = ctx;
	bool was = h->stop || h->calls->stopping();

	do {
		serve(h, until);
		if (!was && (h->stop || h->calls->stopping()))
			return false;
	} while (tim_mono() < until);
	return !was;
}

static void audit(void *ctx, const char *text, const char *why)
{
	struct rotserve *h = ctx;
	h->calls->audit(text, why);
}

static void note(void *ctx, const char *text)
{
	struct rotserve *h = ctx;

	send_line(h->waits, "#", text);
	h->calls->note(text);
}

/* ---- commands ---- */

static enum rot_end scan(struct rotserve *h, const struct rot_request *q, const char *who)
{
	/* the nearer of two angles: near to what? */
	(void)rot_look(h->rot);
	double to = rot_scan(&h->o.setup, q->angle, q->parallactic, rot_status(h->rot)->gear_angle);
	char text[ROT_WHY];

	h->pa = q->angle;
	h->parallactic = q->parallactic;
	snprintf(
	    text, sizeof text, "scans along %.2f: the rotator goes to %.2f degrees", q->angle, to);
	note(h, text);
	return rot_goto(h->rot, who, to);
}

static enum rot_end carry_out(struct rotserve *h, const struct rot_request *q, const char *who)
{
	switch (q->verb) {
	case ROT_STATUS:
		(void)rot_look(h->rot);
		show(h, q->form, NULL);
		return rot_status(h->rot)->state == ROT_UNKNOWN ? ROT_LOST : ROT_DONE;
	case ROT_STOP:
		return rot_stop(h->rot, who);
	case ROT_HOME:
		return rot_home(h->rot, who, q->angle);
	case ROT_GOTO:
		return rot_goto(h->rot, who, q->angle);
	case ROT_SCAN:
		break;
	}
	return scan(h, q, who);
}

static void count(struct tally *t, enum rot_end end)
{
	if (!t)
		return;
	t->in++;
	t->out++;
	t->also[ROT_ALSO_REFUSED].n += end == ROT_REFUSED;
	t->also[ROT_ALSO_STOPPED].n += end == ROT_STOPPED;
	t->also[ROT_ALSO_FAILED].n += end == ROT_DEVICE || end == ROT_LOST;
}

enum rot_end rotserve_do(
    struct rotserve *h, const struct rot_request *q, const char *who, enum rot_state *state)
{
	char text[ROT_WHY];

	h->busy = true;
	h->stop = false;
	enum rot_end end = carry_out(h, q, who);
	*state = rot_status(h->rot)->state;
	snprintf(h->why, sizeof h->why, "%s",
	    end == ROT_DONE ? rot_sentence(rot_status(h->rot), text) : rot_why(h->rot));
	if (end == ROT_STOPPED)
		snprintf(
		    h->why, sizeof h->why, "stopped: %s", rot_sentence(rot_status(h->rot), text));
	if (end != ROT_DONE && h->watching)
		h->calls->note(h->why);
	answer(h, h->waits, end, h->why);
	count(h->calls->tally, end);
	while (h->nstoppers > 0) {
		struct srv_client *c = h->stoppers[--h->nstoppers];
		answer(h, c, end == ROT_STOPPED ? ROT_DONE : end, h->why);
	}
	h->waits = NULL;
	h->busy = h->stop = false;
	h->look = tim_mono() + TIM_S;
	return end;
}

const char *rotserve_why(const struct rotserve *h)
{
	return h->why;
}

/* ---- the long-running one ---- */

void rotserve_auto(struct rotserve *h, double pa, double parallactic)
{
	h->automatic = true;
	h->pa = pa;
	h->parallactic = parallactic;
}

/* An edge of READY_TO_ROTATE, after it was seen low, turns the rotator. */
static void handshake(struct rotserve *h)
{
	struct rot_request q = {.verb = ROT_SCAN, .angle = h->pa, .parallactic = h->parallactic};
	enum rot_state state = rot_status(h->rot)->state;
	bool ready;

	if (state == ROT_UNKNOWN || state == ROT_NO_POWER || rot_ready(h->rot, &ready) != ROT_DONE)
		return;
	/* What somebody has asked for meanwhile comes first; a stop holds for this edge, too. */
	if (h->pending && h->next.verb != ROT_STOP)
		return;
	bool edge = ready && h->seen_ready && !h->was_ready && !h->pending;
	h->was_ready = ready;
	h->seen_ready = true;
	if (!edge)
		return;
	if (isnan(h->pa)) {
		h->calls->note(
		    "READY_TO_ROTATE, but no scan direction was given yet: rotctl scan PA");
		return;
	}
	(void)rotserve_do(h, &q, "READY_TO_ROTATE", &state);
}

void rotserve_turn(struct rotserve *h)
{
	enum rot_state state;

	h->watching = true;
	if (h->pending) {
		h->pending = false;
		h->waits = h->asked;
		h->asked = NULL;
		(void)rotserve_do(h, &h->next, h->who, &state);
		return;
	}
	if (tim_mono() >= h->look) {
		h->look = tim_mono() + TIM_S;
		(void)rot_look(h->rot);
		to_listeners(h);
	}
	if (h->automatic)
		handshake(h);
	int64_t until = tim_mono() + IDLE;
	serve(h, until < h->look ? until : h->look);
}

/* ---- beginning and end ---- */

struct rotserve *rotserve_new(
    const struct rot_options *o, const char *name, const struct rotserve_calls *calls)
{
	static const struct rot_calls to_rot = {
	    .wait = wait_for, .changed = changed, .audit = audit, .note = note};
	static const struct srv_calls to_srv = {.opened = opened,
	    .line = on_line,
	    .ended = ended,
	    .closed = closed,
	    .refused = refused};
	struct srv_options so = {
	    .clients = CLIENTS, .line = ROT_LINE - 1, .pending = PENDING, .stall = 30 * TIM_S};
	struct rotserve *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->o = *o;
	h->name = name;
	h->calls = calls;
	h->pa = NAN;
	h->rot = rot_new(o, &to_rot, h);
	h->srv = srv_new(&so, &to_srv, h);
	if (h->rot && h->srv)
		return h;
	rotserve_free(h);
	return NULL;
}

void rotserve_free(struct rotserve *h)
{
	if (!h)
		return;
	srv_free(h->srv);
	rot_free(h->rot);
	free(h);
}

enum rot_end rotserve_take(struct rotserve *h)
{
	enum rot_end end = rot_take(h->rot);

	snprintf(h->why, sizeof h->why, "%s", rot_why(h->rot));
	return end;
}

int rotserve_listen(struct rotserve *h, const struct net_spec *at, bool control,
    char ready[NET_TEXT], char why[NET_WHY])
{
	struct net_spec spec = *at;

	spec.read_only = !control;
	return srv_listen(h->srv, &spec, ready, why);
}
