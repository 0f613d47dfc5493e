/* simhv.c - a simulated CAEN R1470ET: channels that ramp, load, trip, and everything that goes wrong */
#include "simhv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/random.h"
#include "base/tim.h"

#define LINE_MOST   200
#define REPLY_MOST  256
#define PIECES      64
#define STEP        (10 * TIM_MS) /* of the physics */
#define UNDER       250.0         /* V: OVV and UNV (N1470 manual) */
#define POWER_MOST  8.2           /* W */
#define NEVER_TRIPS 1000.0        /* s */
#define RAMP_MOST   500           /* V/s */
#define BEYOND      1.0125        /* MAXV may be so many times VMAX */
#define REACHED     0.05          /* V: half of what VMON shows */
#define RAMPS_END   (600 * TIM_S) /* of time that nobody looked at: longer than any ramp */
#define GAP         (2 * TIM_MS)  /* between the pieces of a split reply */

struct channel {
	double vset, iset, maxv, rup, rdw, trip;
	bool on, kill_down, low_range;
	double v;        /* at the output */
	double load;     /* ohm */
	double leak;     /* uA besides the load's */
	double overtime; /* s at the current limit */
	unsigned latched;
	int ignore_off;
};

/* Bytes on their way out. */
struct piece {
	int64_t due;
	size_t n;
	char bytes[REPLY_MOST];
};

struct simhv {
	struct simhv_options o;
	char model[SIMHV_TEXT], serial[SIMHV_TEXT];
	struct channel ch[SIMHV_CHANNELS];
	bool local, interlock, interlock_closed, silent, split;
	enum simhv_second second;
	int64_t delay, then, dark_until;
	int drop, half, twice, garbage, mute_set, lose_set;
	char error[8];
	int errors;
	uint64_t random;
	struct piece out[PIECES];
	size_t nout;
};

/* Bits of STAT, by the manual. */
enum {
	ST_ON = 1,
	ST_RUP = 2,
	ST_RDW = 4,
	ST_OVC = 8,
	ST_OVV = 16,
	ST_UNV = 32,
	ST_MAXV = 64,
	ST_TRIP = 128,
	ST_OVP = 256,
	ST_KILL = 2048,
	ST_ILK = 4096
};

/* ---- physics ---- */

static double current(const struct channel *c)
{
	return c->v / c->load * 1e6 + (c->v > 0 ? c->leak : 0);
}

static void switch_off(struct channel *c, unsigned because, bool ramp)
{
	c->on = false;
	c->latched |= because;
	c->overtime = 0;
	if (!ramp)
		c->v = 0;
}

static void step(struct simhv *s, struct channel *c, double dt)
{
	double target = c->on ? fmin(c->vset, c->maxv) : 0;

	if (s->interlock && (c->on || c->v > 0))
		switch_off(c, 0, false);
	if (c->v < target)
		c->v = fmin(target, c->v + c->rup * dt);
	else if (c->v > target)
		c->v = fmax(target, c->v - c->rdw * dt);
	if (!c->on)
		return;
	if (current(c) < c->iset) {
		c->overtime = 0;
	} else {
		/* It holds the current, lowering the voltage as the load demands. */
		double most = (c->iset - c->leak) * 1e-6 * c->load;
		c->v = fmax(0, fmin(c->v, most));
		c->overtime += dt;
		if (c->trip < NEVER_TRIPS && c->overtime > c->trip)
			switch_off(c, ST_TRIP, !c->kill_down);
	}
	if (c->v * current(c) * 1e-6 > POWER_MOST)
		switch_off(c, ST_OVP, false);
}

static void advance(struct simhv *s, int64_t now)
{
	while (s->then < now) {
		int64_t dt = now - s->then < STEP ? now - s->then : STEP;
		for (int i = 0; i < s->o.channels; i++)
			step(s, &s->ch[i], (double)dt / (double)TIM_S);
		s->then += dt;
		if (now - s->then > RAMPS_END)
			s->then = now - RAMPS_END;
	}
}

static unsigned status(const struct simhv *s, const struct channel *c)
{
	double target = c->on ? fmin(c->vset, c->maxv) : 0;
	bool up = target - c->v > REACHED, down = c->v - target > REACHED;
	bool limited = c->on && c->leak + c->v / c->load * 1e6 >= c->iset * 0.999;
	unsigned st = c->latched;

	if (c->on || down)
		st |= ST_ON;
	if (up && !limited)
		st |= ST_RUP;
	if (down)
		st |= ST_RDW;
	if (limited)
		st |= ST_OVC;
	if (c->on && c->v > c->vset + UNDER)
		st |= ST_OVV;
	if (c->on && c->v < c->vset - UNDER)
		st |= ST_UNV;
	if (c->on && c->vset > c->maxv)
		st |= ST_MAXV;
	if (s->interlock)
		st |= ST_ILK;
	return st;
}

/* ---- the instrument ---- */

static void factory(struct simhv *s)
{
	for (int i = 0; i < SIMHV_CHANNELS; i++)
		s->ch[i] = (struct channel){.vset = 0,
		    .iset = 10,
		    .maxv = floor(s->o.vmax * BEYOND),
		    .rup = 50,
		    .rdw = 100,
		    .trip = 10,
		    .load = s->o.load};
}

struct simhv *simhv_new(const struct simhv_options *o, int64_t now)
{
	struct simhv *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->o = *o;
	snprintf(s->model, sizeof s->model, "%s", o->model);
	snprintf(s->serial, sizeof s->serial, "%s", o->serial);
	s->random = o->seed;
	s->then = now;
	factory(s);
	return s;
}

void simhv_free(struct simhv *s)
{
	free(s);
}

bool simhv_powered(struct simhv *s, int64_t now)
{
	return now >= s->dark_until;
}

enum simhv_second simhv_second(const struct simhv *s)
{
	return s->second;
}

/* ---- reading values ---- */

static void put(char *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(char *to, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(to, SIMHV_TEXT, format, ap);
	va_end(ap);
}

/* A channel's value as it is printed; false: no such parameter. */
static bool channel_value(const struct simhv *s, const struct channel *c, const char *par, char *to)
{
	const struct {
		const char *name;
		int width, digits;
		double v;
	} number[] = {{"VSET", 6, 1, c->vset}, {"VMIN", 6, 1, 0}, {"VMAX", 6, 1, s->o.vmax},
	    {"VDEC", 1, 0, 1}, {"VMON", 6, 1, c->v}, {"ISET", 7, 2, c->iset}, {"IMIN", 7, 2, 0},
	    {"IMAX", 7, 2, s->o.imax}, {"ISDEC", 1, 0, 2},
	    {"IMON", 7, c->low_range ? 3 : 2, current(c)}, {"IMDEC", 1, 0, c->low_range ? 3 : 2},
	    {"MAXV", 4, 0, c->maxv}, {"MVMIN", 4, 0, 0}, {"MVMAX", 4, 0, floor(s->o.vmax * BEYOND)},
	    {"MVDEC", 1, 0, 0}, {"RUP", 3, 0, c->rup}, {"RUPMIN", 3, 0, 1},
	    {"RUPMAX", 3, 0, RAMP_MOST}, {"RUPDEC", 1, 0, 0}, {"RDW", 3, 0, c->rdw},
	    {"RDWMIN", 3, 0, 1}, {"RDWMAX", 3, 0, RAMP_MOST}, {"RDWDEC", 1, 0, 0},
	    {"TRIP", 6, 1, c->trip}, {"TRIPMIN", 6, 1, 0}, {"TRIPMAX", 6, 1, NEVER_TRIPS},
	    {"TRIPDEC", 1, 0, 1}};

	for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
		if (strcmp(number[i].name, par) == 0) {
			put(to, "%0*.*f", number[i].width, number[i].digits, number[i].v);
			return true;
		}
	}
	if (strcmp(par, "STAT") == 0)
		put(to, "%05u", status(s, c));
	else if (strcmp(par, "IMRANGE") == 0)
		put(to, "%s", c->low_range ? "LOW" : "HIGH");
	else if (strcmp(par, "PDWN") == 0)
		put(to, "%s", c->kill_down ? "KILL" : "RAMP");
	else if (strcmp(par, "POL") == 0)
		put(to, "%s", (c - s->ch) % 2 ? "-" : "+");
	else
		return false;
	return true;
}

static unsigned alarm_mask(const struct simhv *s)
{
	unsigned mask = 0;
	for (int i = 0; i < s->o.channels; i++)
		if (s->ch[i].latched)
			mask |= 1u << i;
	return mask;
}

static bool board_value(const struct simhv *s, const char *par, char *to)
{
	const struct {
		const char *name, *v;
	} text[] = {{"BDNAME", s->model}, {"BDFREL", "01.0"}, {"BDSNUM", s->serial},
	    {"BDILK", s->interlock ? "YES" : "NO"},
	    {"BDILKM", s->interlock_closed ? "CLOSED" : "OPEN"},
	    {"BDCTR", s->local ? "LOCAL" : "REMOTE"}, {"BDTERM", "OFF"}};

	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		if (strcmp(text[i].name, par) == 0) {
			put(to, "%s", text[i].v);
			return true;
		}
	}
	if (strcmp(par, "BDNCH") == 0)
		put(to, "%d", s->o.channels);
	else if (strcmp(par, "BDALARM") == 0)
		put(to, "%05u", alarm_mask(s));
	else
		return false;
	return true;
}

/* ---- setting ---- */

/* Base 10, digits and a point only. */
static bool plain_number(const char *text, double *v)
{
	size_t n = strspn(text, "0123456789.");
	const char *dot = strchr(text, '.');

	if (n == 0 || text[n] || (dot && strchr(dot + 1, '.')) || strcmp(text, ".") == 0)
		return false;
	*v = strtod(text, NULL);
	return true;
}

static bool one_of(const char *v, const char *yes, const char *no, bool *to)
{
	if (strcmp(v, yes) != 0 && strcmp(v, no) != 0)
		return false;
	*to = strcmp(v, yes) == 0;
	return true;
}

static double rounded(double v, int digits)
{
	double tens = pow(10, digits);
	return round(v * tens) / tens;
}

/* NULL: done; or what is wrong: "PAR", "VAL". */
static const char *set_number(struct simhv *s, struct channel *c, const char *par, const char *v)
{
	struct {
		const char *name;
		double *to, lo, hi;
		int digits;
	} set[] = {{"VSET", &c->vset, 0, fmin(s->o.vmax, c->maxv), 1},
	    {"ISET", &c->iset, 0, s->o.imax, 2},
	    {"MAXV", &c->maxv, 0, floor(s->o.vmax * BEYOND), 0}, {"RUP", &c->rup, 1, RAMP_MOST, 0},
	    {"RDW", &c->rdw, 1, RAMP_MOST, 0}, {"TRIP", &c->trip, 0, NEVER_TRIPS, 1}};
	double x;

	for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
		if (strcmp(set[i].name, par) != 0)
			continue;
		if (!plain_number(v, &x) || x < set[i].lo || x > set[i].hi)
			return "VAL";
		*set[i].to = rounded(x, set[i].digits);
		return NULL;
	}
	return "PAR";
}

static const char *set_channel(struct simhv *s, struct channel *c, const char *par, const char *v)
{
	char unused[SIMHV_TEXT];

	if (strcmp(par, "ON") == 0) {
		if (*v && !s->o.lenient)
			return "CMD";
		if (!s->interlock && !c->latched)
			c->on = true;
		return NULL;
	}
	if (strcmp(par, "OFF") == 0) {
		if (*v && !s->o.lenient)
			return "CMD";
		if (c->ignore_off > 0)
			c->ignore_off--;
		else
			switch_off(c, 0, !c->kill_down);
		return NULL;
	}
	if (strcmp(par, "PDWN") == 0)
		return one_of(v, "KILL", "RAMP", &c->kill_down) ? NULL : "VAL";
	if (strcmp(par, "IMRANGE") == 0)
		return one_of(v, "LOW", "HIGH", &c->low_range) ? NULL : "VAL";
	const char *wrong = set_number(s, c, par, v);
	/* To set what may only be read is an error of the value. */
	return wrong && strcmp(wrong, "PAR") == 0 && channel_value(s, c, par, unused) ? "VAL"
										      : wrong;
}

static const char *set_board(struct simhv *s, const char *par, const char *v)
{
	char unused[SIMHV_TEXT];

	if (strcmp(par, "BDILKM") == 0)
		return one_of(v, "CLOSED", "OPEN", &s->interlock_closed) ? NULL : "VAL";
	if (strcmp(par, "BDCLR") == 0) {
		for (int i = 0; i < s->o.channels; i++)
			s->ch[i].latched = 0;
		return NULL;
	}
	return board_value(s, par, unused) ? "VAL" : "PAR";
}

/* ---- the protocol ---- */

struct asked {
	int board, channel; /* -1: not said */
	char cmd[8], par[12], val[16];
};

/* "KEY:text" up to a comma into to; the rest of the line, or NULL when it stands not there. */
static const char *field(const char *at, const char *key, char *to, size_t size)
{
	size_t k = strlen(key);

	if (strncmp(at, key, k) != 0)
		return NULL;
	at += k;
	size_t n = strcspn(at, ",");
	if (n == 0 || n >= size)
		return NULL;
	memcpy(to, at, n);
	to[n] = '\0';
	return at + n + (at[n] == ',');
}

static bool digits(const char *text, int *v)
{
	if (!*text || strlen(text) > 2 || text[strspn(text, "0123456789")])
		return false;
	*v = atoi(text);
	return true;
}

/* What is wrong with the line, or NULL. a->board is set as soon as it is known. */
static const char *take_apart(const struct simhv *s, char *line, struct asked *a)
{
	char number[8];
	const char *at = line;

	*a = (struct asked){.board = s->o.board, .channel = -1};
	if (s->o.lenient && strncmp(line, "$BD:", 4) == 0) {
		char *colon = strstr(line + 4, ":CMD:");
		if (colon)
			*colon = ',';
	}
	if (!(at = field(at, "$BD:", number, sizeof number)) || !digits(number, &a->board) ||
	    !(at = field(at, "CMD:", a->cmd, sizeof a->cmd)) ||
	    (strcmp(a->cmd, "MON") != 0 && strcmp(a->cmd, "SET") != 0))
		return "CMD";
	if (strncmp(at, "CH", 2) == 0) {
		bool colon = at[2] == ':';
		at = field(at, colon || !s->o.lenient ? "CH:" : "CH", number, sizeof number);
		if (!at || !digits(number, &a->channel))
			return "CH";
	}
	if (!(at = field(at, "PAR:", a->par, sizeof a->par)))
		return "PAR";
	if (*at && !(at = field(at, "VAL:", a->val, sizeof a->val)))
		return "VAL";
	return *at ? "CMD" : NULL;
}

/* MON: the value or values into text. */
static const char *monitor(const struct simhv *s, const struct asked *a, char *text, size_t size)
{
	char one[SIMHV_TEXT];

	if (a->channel < 0) {
		if (!board_value(s, a->par, one))
			return channel_value(s, &s->ch[0], a->par, one) ? "CH" : "PAR";
		snprintf(text, size, "%s", one);
		return NULL;
	}
	if (a->channel > s->o.channels)
		return "CH";
	bool all = a->channel == s->o.channels;
	size_t n = 0;
	for (int i = all ? 0 : a->channel; i < (all ? s->o.channels : a->channel + 1); i++) {
		if (!channel_value(s, &s->ch[i], a->par, one))
			return "PAR";
		n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ";" : "", one);
	}
	return NULL;
}

static const char *set(struct simhv *s, const struct asked *a)
{
	const char *wrong = NULL;

	if (s->local)
		return "LOC";
	if (a->channel < 0)
		return set_board(s, a->par, a->val);
	if (a->channel > s->o.channels)
		return "CH";
	bool all = a->channel == s->o.channels;
	for (int i = all ? 0 : a->channel; i < (all ? s->o.channels : a->channel + 1) && !wrong;
	     i++)
		wrong = set_channel(s, &s->ch[i], a->par, a->val);
	return wrong;
}

/* ---- replies and how they are spoilt ---- */

static void queue(struct simhv *s, int64_t due, const char *bytes, size_t n)
{
	if (n == 0 || s->nout == PIECES)
		return;
	struct piece *p = &s->out[s->nout++];
	p->due = due;
	p->n = n;
	memcpy(p->bytes, bytes, n);
}

static void send(struct simhv *s, const char *reply, size_t n, int64_t due)
{
	if (!s->split) {
		queue(s, due, reply, n);
		return;
	}
	for (size_t done = 0; done < n; due += GAP) {
		size_t k = 1 + (size_t)(random_next(&s->random) % (n - done));
		queue(s, due, reply + done, k);
		done += k;
	}
}

static bool take_one(int *n)
{
	return *n > 0 && (*n)--;
}

static void reply(struct simhv *s, const char *text, size_t n, int64_t now)
{
	int64_t due = now + s->delay;
	char noise[] = "\x7f#@\xff,;\r\n";
	/* chaos picks one of four ways */
	int how = s->o.chaos > 0 && random_fraction(&s->random) < s->o.chaos
	    ? (int)(random_next(&s->random) % 4)
	    : -1;

	if (s->silent || take_one(&s->drop) || how == 0)
		return;
	if (take_one(&s->half) || how == 1) {
		send(s, text, n / 2, due);
	} else if (take_one(&s->twice) || how == 2) {
		char two[REPLY_MOST];
		size_t len = (size_t)snprintf(two, sizeof two, "%s%s", text, text);
		send(s, two, len < sizeof two ? len : n, due);
	} else if (take_one(&s->garbage) || how == 3) {
		send(s, noise, sizeof noise - 1, due);
	} else {
		send(s, text, n, due);
	}
}

void simhv_line(struct simhv *s, const char *line, size_t n, bool cut, int64_t now)
{
	char copy[LINE_MOST + 1], text[REPLY_MOST - 32] = "", out[REPLY_MOST];
	struct asked a = {.board = s->o.board};
	const char *wrong = "CMD";

	advance(s, now);
	if (!cut && n <= LINE_MOST && !memchr(line, '\0', n)) {
		memcpy(copy, line, n);
		copy[n] = '\0';
		wrong = take_apart(s, copy, &a);
	}
	bool is_set = !wrong && strcmp(a.cmd, "SET") == 0;
	if (a.board != s->o.board || (is_set && take_one(&s->lose_set)))
		return; /* another one's in the chain, or nobody's */
	if (!wrong && s->errors > 0 && s->errors--)
		wrong = s->error;
	else if (!wrong)
		wrong = is_set ? set(s, &a) : monitor(s, &a, text, sizeof text);
	if (is_set && !wrong && take_one(&s->mute_set))
		return;
	int len = wrong ? snprintf(out, sizeof out, "#BD:%02d,%s:ERR\r\n", s->o.board, wrong)
			: snprintf(out, sizeof out, "#BD:%02d,CMD:OK%s%s\r\n", s->o.board,
			      *text ? ",VAL:" : "", text);
	reply(s, out, (size_t)len, now);
}

size_t simhv_take(struct simhv *s, int64_t now, char *to, size_t size)
{
	if (s->nout == 0 || s->out[0].due > now || s->out[0].n > size)
		return 0;
	size_t n = s->out[0].n;
	memcpy(to, s->out[0].bytes, n);
	memmove(s->out, s->out + 1, --s->nout * sizeof *s->out);
	return n;
}

int64_t simhv_due(const struct simhv *s)
{
	return s->nout > 0 ? s->out[0].due : INT64_MAX;
}

void simhv_forget(struct simhv *s)
{
	s->nout = 0;
}

/* ---- commands ---- */

static int bad(char why[SIMHV_WHY], const char *text)
{
	snprintf(why, SIMHV_WHY, "'%.60s' is no command (man simhv lists them)", text);
	return -1;
}

/* local, interlock, silence, split: on or off */
static bool switches(struct simhv *s, const char *verb, const char *arg)
{
	const struct {
		const char *name;
		bool *to;
	} flag[] = {{"local", &s->local}, {"interlock", &s->interlock}, {"silence", &s->silent},
	    {"split", &s->split}};

	for (size_t i = 0; i < sizeof flag / sizeof *flag; i++)
		if (strcmp(flag[i].name, verb) == 0)
			return one_of(arg, "on", "off", flag[i].to);
	return false;
}

/* lose-set, drop, half, double, garbage, mute-set: so many times */
static bool counts(struct simhv *s, const char *verb, const char *arg)
{
	const struct {
		const char *name;
		int *to;
	} count[] = {{"drop", &s->drop}, {"half", &s->half}, {"double", &s->twice},
	    {"garbage", &s->garbage}, {"mute-set", &s->mute_set}, {"lose-set", &s->lose_set}};
	long long v;

	for (size_t i = 0; i < sizeof count / sizeof *count; i++) {
		if (strcmp(count[i].name, verb) == 0 && conf_int(arg, 0, 1000000, &v) == 0) {
			*count[i].to = (int)v;
			return true;
		}
	}
	return false;
}

/* load, current, ignore-off, kill: of a channel */
static bool of_channel(struct simhv *s, const char *verb, const char *number, const char *arg)
{
	long long ch, count;
	double v;

	if (conf_int(number, 0, s->o.channels - 1, &ch) < 0)
		return false;
	struct channel *c = &s->ch[ch];
	if (strcmp(verb, "kill") == 0)
		switch_off(c, ST_KILL, false);
	else if (strcmp(verb, "load") == 0 && conf_real(arg, &v) == 0 && v > 0)
		c->load = v;
	else if (strcmp(verb, "current") == 0 && conf_real(arg, &v) == 0 && v >= 0)
		c->leak = v;
	else if (strcmp(verb, "ignore-off") == 0 && conf_int(arg, 0, 1000000, &count) == 0)
		c->ignore_off = (int)count;
	else
		return false;
	return true;
}

static void power_cycle(struct simhv *s, int64_t until)
{
	for (int i = 0; i < SIMHV_CHANNELS; i++)
		switch_off(&s->ch[i], 0, false);
	simhv_forget(s);
	s->dark_until = until;
}

int simhv_command(struct simhv *s, const char *text, int64_t now, char why[SIMHV_WHY])
{
	char verb[16] = "", arg[32] = "", more[32] = "";
	long long v;

	advance(s, now);
	sscanf(text, "%15s %31s %31s", verb, arg, more);
	if (switches(s, verb, arg) || counts(s, verb, arg) || of_channel(s, verb, arg, more))
		return 0;
	if (strcmp(verb, "delay") == 0)
		return tim_duration(arg, &s->delay) < 0 ? bad(why, text) : 0;
	if (strcmp(verb, "chaos") == 0) {
		double p;
		if (conf_real(arg, &p) < 0 || p < 0 || p > 1)
			return bad(why, text);
		s->o.chaos = p;
	} else if (strcmp(verb, "cycle") == 0) {
		int64_t time;
		if (tim_duration(arg, &time) < 0)
			return bad(why, text);
		power_cycle(s, now + time);
	} else if (strcmp(verb, "serial") == 0 && *arg) {
		snprintf(s->serial, sizeof s->serial, "%s", arg);
	} else if (strcmp(verb, "model") == 0 && *arg) {
		snprintf(s->model, sizeof s->model, "%s", arg);
	} else if (strcmp(verb, "second") == 0 && strcmp(arg, "silent") == 0) {
		s->second = SIMHV_SILENT;
	} else if (strcmp(verb, "second") == 0 && strcmp(arg, "refuse") == 0) {
		s->second = SIMHV_REFUSE;
	} else if (strcmp(verb, "second") == 0 && strcmp(arg, "disturb") == 0) {
		s->second = SIMHV_DISTURB;
	} else if (strcmp(verb, "error") == 0 && strlen(arg) < sizeof s->error &&
	    conf_int(more, 0, 1000000, &v) == 0) {
		snprintf(s->error, sizeof s->error, "%.7s", arg);
		s->errors = (int)v;
	} else {
		return bad(why, text);
	}
	return 0;
}
