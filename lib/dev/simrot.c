/* simrot.c - a simulated rotator: its world in time, its serial lines, the AD4, what tests do to it */
#include "simrotin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/random.h"
#include "base/tim.h"

#define STEPS_MOST 2000000 /* in one go: more was a machine asleep */
#define TICK       (2 * TIM_MS)

double simrot_chance(struct simrot *s)
{
	return random_fraction(&s->random);
}

void simrot_tell(struct simrot *s, const char *what, const char *text)
{
	char line[SIMROT_TEXT];

	snprintf(line, sizeof line, "%.3f %s%.100s", s->time, what, text);
	if (s->journal)
		s->journal(s->ctx, line);
	s->version++;
}

void simrot_run(struct simrot *s, int64_t now)
{
	double until = (double)(now - s->began) / (double)TIM_S * s->o.speed;

	s->now = now;
	for (int i = 0; i < STEPS_MOST && s->time + STEP <= until && !simdewar_at_rest(s); i++)
		simdewar_step(s);
	if (s->time < until)
		s->time = until;
	if (simmotor_busy(s) != s->was_busy) {
		s->was_busy = simmotor_busy(s);
		simrot_tell(s, "busy ", s->was_busy ? "1" : "0");
	}
}

/* ---- the lines ---- */

static int64_t byte_time(const struct simrot *s)
{
	return s->o.baud > 0 ? (int64_t)(10 * (double)TIM_S / s->o.baud) : 0;
}

static char spoil(struct simrot *s, char c)
{
	return s->o.noise > 0 && simrot_chance(s) < s->o.noise ? (char)(simrot_chance(s) * 256) : c;
}

void simrot_reply(struct simrot *s, enum simrot_port port, const char *bytes, size_t n)
{
	struct line *l = &s->line[port];
	int64_t due = l->busy > l->heard ? l->busy : l->heard;

	if (l->silent > 0) {
		l->silent--;
		return;
	}
	size_t junk = l->garbage > 0 ? 1 + (size_t)(simrot_chance(s) * 5) : 0;
	l->garbage -= l->garbage > 0;
	for (size_t i = 0; i < n + junk && l->n < OUT; i++) {
		due += byte_time(s);
		if (s->partial && simrot_chance(s) < 0.3)
			due += (int64_t)(simrot_chance(s) * 15 * (double)TIM_MS);
		l->byte[l->n] =
		    i < junk ? (char)(0x21 + simrot_chance(s) * 0xd0) : spoil(s, bytes[i - junk]);
		l->due[l->n++] = due;
	}
	l->busy = due;
}

size_t simrot_take(struct simrot *s, enum simrot_port port, int64_t now, char *to, size_t size)
{
	struct line *l = &s->line[port];
	size_t n = 0;

	while (n < size && n < l->n && l->due[n] <= now) {
		to[n] = l->byte[n];
		n++;
	}
	l->n -= n;
	memmove(l->byte, l->byte + n, l->n);
	memmove(l->due, l->due + n, l->n * sizeof *l->due);
	return n;
}

bool simrot_plugged(const struct simrot *s, enum simrot_port port, int64_t now)
{
	return now >= s->line[port].away;
}

int64_t simrot_due(const struct simrot *s)
{
	int64_t due = simdewar_at_rest(s) ? INT64_MAX : s->now + TICK;

	for (int p = 0; p < SIMROT_PORTS; p++) {
		const struct line *l = &s->line[p];
		if (l->n > 0 && l->due[0] < due)
			due = l->due[0];
		if (l->away > s->now && l->away < due)
			due = l->away;
	}
	return due;
}

/* ---- the encoder's commands ---- */

static void encoder_byte(struct simrot *s, char c)
{
	s->asked[s->nasked++] = (uint8_t)c;
	const uint8_t *b = s->asked;
	char out[4] = {0};
	size_t n = 1;

	switch (b[0]) {
	case 0x41:
		out[0] = 0x34;
		break;
	case 0x01:
		for (int i = 0; i < 3; i++)
			out[i] = (char)((uint32_t)s->counter >> 8 * i);
		out[3] = (char)(simrot_chance(s) * 256); /* nobody may rely on it */
		n = 4;
		break;
	case 0x22:
		if (s->nasked < 6)
			return;
		s->multiplier = b[1] == 1 || b[1] == 2 || b[1] == 4 ? b[1] : 0;
		if (!s->keeps)
			s->counter =
			    (int32_t)((uint32_t)b[2] | (uint32_t)b[3] << 8 | (uint32_t)b[4] << 16);
		out[0] = (char)(b[1] + b[2]);
		simrot_tell(s, "encoder set up", "");
		break;
	case 0x55:
		out[0] = (char)((s->counter < 0 ? 8 : 0) | 16);
		break;
	default:
		n = 0;
	}
	s->nasked = 0;
	simrot_reply(s, SIMROT_ENCODER, out, n);
}

void simrot_bytes(struct simrot *s, enum simrot_port port, const char *data, size_t n, int64_t now)
{
	struct line *l = &s->line[port];

	simrot_run(s, now);
	l->heard = (l->heard > now ? l->heard : now) + (int64_t)n * byte_time(s);
	for (size_t i = 0; i < n; i++) {
		char c = spoil(s, data[i]);
		if (port == SIMROT_ENCODER)
			encoder_byte(s, c);
		else if (s->powered)
			simmotor_byte(s, c);
	}
	simrot_run(s, now);
}

/* ---- what a test does to it ---- */

static int bad(char why[SIMROT_WHY], const char *text)
{
	snprintf(why, SIMROT_WHY, "'%.60s' is no command (man simrot lists them)", text);
	return -1;
}

static bool on_off(const char *arg, bool *to)
{
	if (strcmp(arg, "on") != 0 && strcmp(arg, "off") != 0)
		return false;
	*to = arg[1] == 'n';
	return true;
}

/* silent, garbage, unplug: "motor" or "encoder", and how much */
static bool of_line(struct simrot *s, const char *verb, const char *which, const char *arg)
{
	int port = strcmp(which, "encoder") == 0 ? SIMROT_ENCODER : SIMROT_MOTOR;
	long long n;
	int64_t time;

	if (port == SIMROT_MOTOR && strcmp(which, "motor") != 0)
		return false;
	struct line *l = &s->line[port];
	if (strcmp(verb, "unplug") == 0 && tim_duration(arg, &time) == 0) {
		l->away = s->now + time;
		l->n = 0;
		simrot_tell(s, "unplugged ", which);
		return true;
	}
	if (conf_int(arg, 0, 1000000, &n) < 0)
		return false;
	if (strcmp(verb, "silent") == 0)
		l->silent = (int)n;
	else if (strcmp(verb, "garbage") == 0)
		l->garbage = (int)n;
	else
		return false;
	return true;
}

static bool with_number(struct simrot *s, const char *verb, double v)
{
	if (strcmp(verb, "slip") == 0)
		s->slip_next = v;
	else if (strcmp(verb, "block") == 0)
		s->block = v;
	else if (strcmp(verb, "stick") == 0)
		s->stick = v;
	else if (strcmp(verb, "stall") == 0 && v >= 0 && v < 1e6)
		s->stall_next = (int)v;
	else if (strcmp(verb, "noise") == 0 && v >= 0 && v <= 1)
		s->o.noise = v;
	else
		return false;
	return true;
}

int simrot_command(struct simrot *s, const char *text, int64_t now, char why[SIMROT_WHY])
{
	char verb[16] = "", arg[32] = "", more[32] = "";
	bool on = false;
	double v;

	simrot_run(s, now);
	sscanf(text, "%15s %31s %31s", verb, arg, more);
	bool flag = on_off(arg, &on);
	if (strcmp(verb, "power") == 0 && flag) {
		simmotor_power(s, on);
	} else if (strcmp(verb, "encoder-power") == 0 && strcmp(arg, "cycle") == 0) {
		s->counter = s->multiplier = 0;
		simrot_tell(s, "encoder power cycled", "");
	} else if (strcmp(verb, "ready") == 0 && flag) {
		s->ready = on;
		simrot_tell(s, "ready ", on ? "1" : "0");
	} else if (strcmp(verb, "tab") == 0 && flag) {
		s->tab_seen = on;
	} else if (strcmp(verb, "no-home") == 0 && flag) {
		s->no_home = on;
	} else if (strcmp(verb, "partial") == 0 && flag) {
		s->partial = on;
	} else if (strcmp(verb, "keep-count") == 0 && flag) {
		s->keeps = on;
	} else if (strcmp(verb, "drive") == 0 && flag) {
		simmotor_put(s, "DE", on);
	} else if (strcmp(verb, "unblock") == 0) {
		s->block = NAN;
	} else if (strcmp(verb, "unstick") == 0) {
		s->stick = NAN;
	} else if (!of_line(s, verb, arg, more) &&
	    (conf_real(arg, &v) < 0 || !with_number(s, verb, v))) {
		return bad(why, text);
	}
	s->version++;
	simrot_run(s, now);
	return 0;
}

/* ---- the truth ---- */

void simrot_truth(const struct simrot *s, char head[SIMROT_TEXT], char row[SIMROT_TEXT])
{
	snprintf(head, SIMROT_TEXT,
	    "# time [s]\tangle [degree]\tshaft [degree]\tgear [degree]\tmotor_count\tgear_count"
	    "\tpowered\tmoving\tbusy\tready\ttab\n");
	snprintf(row, SIMROT_TEXT, "%.3f\t%.4f\t%.4f\t%.4f\t%lld\t%d\t%d\t%d\t%d\t%d\t%d\n",
	    s->time, s->dewar, s->shaft, s->gear, (long long)simmotor_position(s), s->counter,
	    s->powered, s->motion != STILL, simmotor_busy(s), s->ready, simdewar_on_tab(s));
}

uint64_t simrot_version(const struct simrot *s)
{
	return s->version;
}

/* ---- beginning and end ---- */

struct simrot *simrot_new(const struct simrot_options *o, int64_t now,
    void (*journal)(void *ctx, const char *text), void *ctx)
{
	struct simrot *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->o = *o;
	s->journal = journal;
	s->ctx = ctx;
	s->began = s->now = now;
	s->random = o->seed;
	s->dewar = s->gear = o->start;
	s->block = s->stick = NAN;
	s->tab_seen = true;
	s->tooth = (int64_t)floor(s->gear * o->gear_counts);
	simmotor_new(s);
	return s;
}

void simrot_free(struct simrot *s)
{
	free(s);
}
