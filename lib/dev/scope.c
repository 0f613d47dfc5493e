/* scope.c - a LeCroy oscilloscope by remote commands */
#include "dev/scope.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/back.h"
#include "base/tim.h"

#define TRIES       4            /* of a question, with a new connection between */
#define ANSWER_MOST 65536        /* bytes of an answer in words */
#define WAVE_MOST   (256u << 20) /* bytes of a waveform */
#define LOOK_EVERY  (20 * TIM_MS)
#define STOP_TIME   TIM_S /* for a stopped sequence to become readable */
#define NEW_SIGNAL  1     /* bits of INR */
#define NEW_SEGMENT 16

/* ---- the connection ---- */

static int send_text(struct scope *s, const char *text)
{
	return vxi11_write(&s->link, text, strlen(text), s->o->patience);
}

/* Takes off line ends and what else is not printable at the end. */
static void trim(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && (isspace((unsigned char)text[n - 1]) || text[n - 1] == '\0'))
		text[--n] = '\0';
}

/* One question and its answer, once. */
static int ask_once(struct scope *s, const char *question, char answer[SCOPE_TEXT])
{
	struct vxi11_data d = {.data = NULL};
	int got = send_text(s, question);

	answer[0] = '\0';
	if (got == 0)
		got = vxi11_read(&s->link, &d, ANSWER_MOST, s->o->patience, NULL, NULL);
	if (got == 0) {
		size_t n = d.n < SCOPE_TEXT - 1 ? d.n : SCOPE_TEXT - 1;
		memcpy(answer, d.data, n);
		answer[n] = '\0';
		trim(answer);
	}
	int error = errno;
	free(d.data);
	errno = error;
	return got;
}

/* Short headers would stand before answers; waveforms whole, in known order and width. */
static int set_format(struct scope *s)
{
	if (send_text(s, "CHDR OFF") < 0 ||
	    send_text(s, s->o->words ? "CFMT DEF9,WORD,BIN" : "CFMT DEF9,BYTE,BIN") < 0 ||
	    send_text(s, "CORD LO") < 0 || send_text(s, "WFSU SP,0,NP,0,FP,0,SN,0") < 0)
		return -1;
	return 0;
}

static int identify(struct scope *s)
{
	if (ask_once(s, "*IDN?", s->idn) < 0)
		return -1;
	for (char *p = s->idn; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	if (!strcasestr(s->idn, "LECROY"))
		return scope_fail(s, ENODEV, "%.200s is no LeCroy oscilloscope: it says '%.100s'",
		    s->o->at.spec.host, s->idn);
	return 0;
}

static int connect_once(struct scope *s)
{
	s->why[0] = '\0';
	if (vxi11_open(&s->link, &s->o->at, s->o->patience) < 0) {
		const char *host = s->o->at.spec.host, *why = s->link.onc.why;
		bool named = strncmp(why, host, strlen(host)) == 0;
		return scope_fail(
		    s, errno, "%.100s%s%.500s", named ? "" : host, named ? "" : ": ", why);
	}
	/* What an earlier client left in its buffers; not every instrument has this. */
	(void)vxi11_clear(&s->link, s->o->patience);
	if (vxi11_is_open(&s->link) && set_format(s) == 0 && identify(s) == 0)
		return 0;
	int error = errno;
	if (!s->why[0])
		scope_fail(s, error, "%.100s: %.500s", s->o->at.spec.host, s->link.onc.why);
	errno = error;
	return -1;
}

/* Waits longer each time. false: stopped. */
static bool pause_before(struct scope *s, struct back *b)
{
	(void)back_fail(b, tim_mono());
	(void)tim_sleep_until(b->due);
	if (!s->o->stopping || !s->o->stopping())
		return true;
	errno = EINTR;
	return false;
}

/* After a failure: whether to ask again, on a new connection because the old one broke. */
static bool again(struct scope *s, int *try, struct back *b)
{
	if (errno == EINTR || vxi11_is_open(&s->link))
		return false;
	while (++*try < TRIES) {
		if (s->o->say)
			s->o->say("%.100s: %.300s; connecting again", s->o->at.spec.host,
			    s->link.onc.why);
		if (!pause_before(s, b))
			return false;
		s->reconnections++;
		if (connect_once(s) == 0)
			return true;
		if (errno == EINTR || errno == ENODEV)
			return false;
	}
	return false;
}

int scope_broken(struct scope *s, const char *what)
{
	int error = errno;

	if (error == ENODEV) /* another instrument has the address now: why says so */
		return -1;
	return scope_fail(
	    s, error, "%.100s: %.60s: %.400s", s->o->at.spec.host, what, s->link.onc.why);
}

int scope_open(struct scope *s, const struct scope_options *o)
{
	struct back b = BACK_INIT;

	*s = (struct scope){.o = o, .link = VXI11_INIT};
	s->link.onc.stopping = o->stopping;
	for (int try = 1; connect_once(s) < 0; try++) {
		/* Only a connection that was there and broke is worth another try. */
		if ((errno != ECONNRESET && errno != EPIPE && errno != EPROTO) || s->link.error ||
		    try >= TRIES || !pause_before(s, &b))
			return -1;
	}
	return 0;
}

void scope_close(struct scope *s)
{
	vxi11_close(&s->link);
	free(s->before.data);
	s->before.data = NULL;
}

/* ---- questions and commands ---- */

int scope_ask(struct scope *s, const char *question, char answer[SCOPE_TEXT])
{
	struct back b = BACK_INIT;
	int try = 0;

	while (ask_once(s, question, answer) < 0)
		if (!again(s, &try, &b))
			return scope_broken(s, question);
	return 0;
}

int scope_command(struct scope *s, const char *text)
{
	struct back b = BACK_INIT;
	int try = 0;

	while (send_text(s, text) < 0)
		if (!again(s, &try, &b))
			return scope_broken(s, text);
	return 0;
}

int scope_ask_number(struct scope *s, const char *question, long *v)
{
	char answer[SCOPE_TEXT], *end;

	if (scope_ask(s, question, answer) < 0)
		return -1;
	/* "INR 1" where somebody has switched headers on meanwhile. */
	const char *digits = answer + strcspn(answer, "0123456789");
	*v = strtol(digits, &end, 10);
	if (end == digits)
		return scope_fail(s, EPROTO, "%.100s: %s: '%.60s' is no number", s->o->at.spec.host,
		    question, answer);
	return 0;
}

/* ---- traces ---- */

int scope_traces(const char *list, struct scope_trace t[SCOPE_TRACES])
{
	int n = 0;

	for (const char *p = list;; p++) {
		size_t len = strcspn(p, ",");
		char name[4] = "";
		if (len == 1 && p[0] >= '1' && p[0] <= '8')
			snprintf(name, sizeof name, "C%c", p[0]);
		else if (len == 2 && strchr("CMF", toupper((unsigned char)p[0])) && p[1] >= '1' &&
		    p[1] <= '8')
			snprintf(name, sizeof name, "%c%c", toupper((unsigned char)p[0]), p[1]);
		else if (len == 2 && toupper((unsigned char)p[0]) == 'T' &&
		    strchr("ABCD", toupper((unsigned char)p[1])))
			snprintf(name, sizeof name, "T%c", toupper((unsigned char)p[1]));
		bool twice = false;
		for (int i = 0; i < n; i++)
			twice |= strcmp(t[i].name, name) == 0;
		if (!name[0] || twice || n == SCOPE_TRACES) {
			errno = EINVAL;
			return -1;
		}
		strcpy(t[n++].name, name);
		p += len;
		if (!*p)
			return n;
	}
}

int scope_traces_on(struct scope *s, struct scope_trace t[SCOPE_TRACES])
{
	char question[16], answer[SCOPE_TEXT];
	int n = 0;

	/* Channels; whoever wants memories or functions names them. */
	for (char k = '1'; k <= '4'; k++) {
		snprintf(question, sizeof question, "C%c:TRA?", k);
		if (scope_ask(s, question, answer) < 0)
			return -1;
		size_t len = strlen(answer);
		if (len >= 2 && strcasecmp(answer + len - 2, "ON") == 0)
			snprintf(t[n++].name, sizeof t[0].name, "C%c", k);
	}
	return n;
}

/* ---- acquiring ---- */

int scope_stop(struct scope *s)
{
	return scope_command(s, "STOP");
}

int scope_arm(struct scope *s)
{
	long old;

	/* Reading INR clears it: what it says later is of this acquisition. */
	if (scope_stop(s) < 0 || scope_ask_number(s, "INR?", &old) < 0)
		return -1;
	return scope_command(s, "ARM");
}

/* What has happened since the last look. INR tells it once: when the connection broke meanwhile,
 * the answer may be lost, but then the trigger has gone from SINGLE to STOP. */
static int look(struct scope *s, long *events)
{
	char mode[SCOPE_TEXT];
	uint64_t before = s->reconnections;
	long now;

	if (scope_ask_number(s, "INR?", &now) < 0)
		return -1;
	*events |= now;
	if (s->reconnections == before)
		return 0;
	if (scope_ask(s, "TRMD?", mode) < 0)
		return -1;
	if (strcasecmp(scope_without_header(mode, "TRMD"), "STOP") == 0)
		*events |= NEW_SIGNAL;
	return 0;
}

static int look_until(struct scope *s, int64_t until, long *events)
{
	for (;;) {
		int64_t now = tim_mono();
		if (look(s, events) < 0)
			return -1;
		if ((*events & NEW_SIGNAL) || now >= until)
			return 0;
		if (s->o->progress)
			s->o->progress(NULL, 0, 0);
		(void)tim_sleep_until(now + LOOK_EVERY < until ? now + LOOK_EVERY : until);
		if (s->o->stopping && s->o->stopping())
			return scope_fail(s, EINTR, "stopped");
	}
}

int scope_wait(struct scope *s, int64_t until, bool *cut)
{
	long events = 0;

	*cut = false;
	if (look_until(s, until, &events) < 0)
		return -1;
	if (events & NEW_SIGNAL)
		return 1;
	/* Stopping makes the segments that came readable. */
	if (scope_stop(s) < 0)
		return -1;
	if (!(events & NEW_SEGMENT))
		return 0;
	*cut = true;
	if (look_until(s, tim_mono() + STOP_TIME, &events) < 0)
		return -1;
	return (events & NEW_SIGNAL) != 0;
}

/* ---- transferring ---- */

struct coming {
	struct scope *s;
	const char *trace;
};

/* How long the reply may be, by its own block header. */
static size_t expect(void *ctx, const uint8_t *data, size_t n)
{
	struct coming *c = ctx;
	size_t start, len;
	enum lecroy_bad bad = lecroy_header(data, n, &start, &len);
	bool known = bad == LECROY_OK && len < WAVE_MOST;

	if (c->s->o->progress)
		c->s->o->progress(c->trace, n, known ? start + len : 0);
	if (bad != LECROY_OK)
		return bad == LECROY_SHORT ? WAVE_MOST : 0;
	return known ? start + len + 2 : WAVE_MOST; /* CR LF */
}

static int fetch_once(struct scope *s, const char *trace, struct vxi11_data *to)
{
	char question[16];
	struct coming c = {.s = s, .trace = trace};

	snprintf(question, sizeof question, "%s:WF? ALL", trace);
	to->n = 0;
	if (send_text(s, question) < 0)
		return -1;
	return vxi11_read(&s->link, to, WAVE_MOST, s->o->patience, expect, &c);
}

static int fetch(struct scope *s, struct scope_trace *t)
{
	struct back b = BACK_INIT;
	int try = 0;

	while (fetch_once(s, t->name, &t->reply) < 0)
		if (!again(s, &try, &b))
			return scope_broken(s, t->name);
	enum lecroy_bad bad = lecroy_block(t->reply.data, t->reply.n, &t->start, &t->n);
	if (!bad)
		bad = lecroy_decode(&t->l, t->reply.data + t->start, t->n);
	if (bad)
		return scope_fail(s, EPROTO, "%.100s: the waveform of %s: %s", s->o->at.spec.host,
		    t->name, lecroy_text(bad));
	return 0;
}

/* Takes the first trace's reply as the acquisition before, for a look at the next one. */
static void remember(struct scope *s, struct scope_trace *first)
{
	struct vxi11_data spare = s->before;

	s->before = first->reply;
	s->last = first->l;
	first->reply = spare;
	first->reply.n = 0;
}

int scope_fetch(struct scope *s, struct scope_trace *t, int n)
{
	if (s->fetched) /* t[0] still has what was fetched last */
		remember(s, &t[0]);
	s->fetched = false;
	for (int i = 0; i < n; i++)
		if (fetch(s, &t[i]) < 0)
			return -1;
	for (int i = 1; i < n; i++)
		if (!lecroy_same_trigger(&t[0].l, &t[i].l))
			return scope_fail(s, EPROTO,
			    "%s is of another trigger than %s: does another program, or somebody "
			    "at the front panel, start the oscilloscope?",
			    t[i].name, t[0].name);
	if (s->before.n > 0 && lecroy_same_trigger(&t[0].l, &s->last))
		return scope_fail(
		    s, EPROTO, "%.100s: gave the acquisition before once more", s->o->at.spec.host);
	s->fetched = true;
	return 0;
}
