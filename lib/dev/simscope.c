/* simscope.c - a simulated LeCroy oscilloscope: acquiring, and what comes in and goes out */
#include "dev/simscopein.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"

/* Bits of INR, and of the status byte. */
#define NEW_SIGNAL  1
#define NEW_SEGMENT 16
#define READY       8192
#define HAS_ANSWER  16

const char *const simscope_fault_name[SIMSCOPE_FAULTS] = {"no-trigger", "partial", "retrigger",
    "cut", "tail", "lie", "no-desc", "trace-off", "foreign", "mute"};

/* ---- acquiring ---- */

static int wanted(const struct simscope *s)
{
	return s->sequence ? s->segments : 1;
}

void simscope_arm(struct simscope *s, int64_t now)
{
	s->armed = true;
	s->armed_at = now;
	s->got = 0;
	s->inr |= READY;
}

static void finish(struct simscope *s)
{
	s->armed = false;
	s->number++;
	s->held = s->got;
	s->held_sequence = s->sequence;
	s->inr |= NEW_SIGNAL;
}

static int64_t trigger_due(const struct simscope *s)
{
	if (!s->armed || s->o.fault[SIMSCOPE_NO_TRIGGER] ||
	    (s->o.fault[SIMSCOPE_PARTIAL] && s->got >= (wanted(s) + 1) / 2))
		return INT64_MAX;
	return s->armed_at + (int64_t)((s->got + 1) / s->o.rate * 1e9);
}

static void acquire(struct simscope *s, int64_t now)
{
	while (s->armed && trigger_due(s) <= now) {
		s->got++;
		s->inr |= s->sequence ? NEW_SEGMENT : 0;
		if (s->got < wanted(s))
			continue;
		finish(s);
		if (strcmp(s->mode, "SINGLE") == 0)
			strcpy(s->mode, "STOP");
		else
			simscope_arm(s, now);
	}
}

void simscope_stop(struct simscope *s)
{
	if (s->armed && s->got > 0)
		finish(s);
	s->armed = false;
	strcpy(s->mode, "STOP");
}

/* ---- answers ---- */

void simscope_say(struct simscope *s, const void *bytes, size_t n)
{
	if (s->nout + n > s->out_size) {
		size_t size = s->out_size ? s->out_size : 4096;
		while (size < s->nout + n)
			size *= 2;
		uint8_t *more = realloc(s->out, size);
		if (!more)
			return;
		s->out = more;
		s->out_size = size;
	}
	memcpy(s->out + s->nout, bytes, n);
	s->nout += n;
}

/* ---- commands ---- */

/* Carries out what was heard, up to a WAIT. */
static void work(struct simscope *s, int64_t now)
{
	while (s->ncommand > 0 && !s->waiting) {
		size_t n = 0;
		char one[512];

		while (n < s->ncommand && s->command[n] != ';' && s->command[n] != '\n')
			n++;
		if (n == s->ncommand && !s->complete)
			return;
		size_t k = 0, skip = 0;
		while (skip < n && isspace((unsigned char)s->command[skip]))
			skip++;
		for (size_t i = skip; i < n && k + 1 < sizeof one; i++)
			one[k++] = (char)toupper((unsigned char)s->command[i]);
		while (k > 0 && isspace((unsigned char)one[k - 1]))
			k--;
		one[k] = '\0';
		size_t used = n < s->ncommand ? n + 1 : n;
		s->ncommand -= used;
		memmove(s->command, s->command + used, s->ncommand);
		simlecroy_obey(s, one, now);
	}
}

/* ---- the outside ---- */

struct simscope *simscope_new(const struct simscope_options *o)
{
	struct simscope *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->o = *o;
	s->header = SHORT;
	s->segments = 100;
	s->tdiv = 1e-7;
	strcpy(s->mode, "STOP");
	strcpy(s->source, "EDGE,SR,C2");
	for (int k = 0; k < SIMSCOPE_CHANNELS; k++) {
		s->channel[k] =
		    (struct channel){.vdiv = 0.1, .level = -0.05, .on = k < o->channels};
		strcpy(s->channel[k].coupling, "DC");
		strcpy(s->channel[k].limit, "ON");
		strcpy(s->channel[k].slope, "NEG");
	}
	return s;
}

void simscope_free(struct simscope *s)
{
	if (s)
		free(s->out);
	free(s);
}

void simscope_hear(struct simscope *s, const void *bytes, size_t n, bool last, int64_t now)
{
	/* A new message while an answer waits: the answer is dropped (IEEE 488.2). */
	if (s->complete || s->ncommand == 0)
		s->nout = s->out_at = 0;
	if (n > sizeof s->command - s->ncommand)
		n = sizeof s->command - s->ncommand;
	memcpy(s->command + s->ncommand, bytes, n);
	s->ncommand += n;
	s->complete = last;
	acquire(s, now);
	work(s, now);
}

int64_t simscope_turn(struct simscope *s, int64_t now)
{
	acquire(s, now);
	if (s->waiting && (!s->armed || now >= s->wait_until))
		s->waiting = false;
	work(s, now);
	int64_t due = trigger_due(s);
	return s->waiting && s->wait_until < due ? s->wait_until : due;
}

const uint8_t *simscope_answer(const struct simscope *s, size_t *n)
{
	*n = s->nout - s->out_at;
	return s->out + s->out_at;
}

void simscope_taken(struct simscope *s, size_t n)
{
	s->out_at += n;
	if (s->out_at == s->nout)
		s->nout = s->out_at = 0;
}

uint8_t simscope_status(struct simscope *s)
{
	uint8_t status = s->status | (s->nout > s->out_at ? HAS_ANSWER : 0);

	s->status = 0;
	return status;
}

void simscope_clear(struct simscope *s)
{
	s->ncommand = s->nout = s->out_at = 0;
	s->waiting = false;
}

void simscope_abort(struct simscope *s)
{
	s->waiting = false;
}

uint64_t simscope_acquired(const struct simscope *s)
{
	return s->number;
}
