/* simlecroy.c - the simulated oscilloscope's commands: settings, and questions about them */
#include "dev/simscopein.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 10000
#define ADAPTED      4 /* bit of the status byte */

/* ---- answers ---- */

/* The reply to HEADER?, with the header where CHDR wants it. */
static void reply(struct simscope *s, const char *header, const char *value, const char *unit)
{
	char line[512];
	int n;

	if (s->o.fault[SIMSCOPE_MUTE])
		return;
	if (s->header == OFF)
		n = snprintf(line, sizeof line, "%s\n", value);
	else
		n = snprintf(
		    line, sizeof line, "%s %s%s%s\n", header, value, *unit ? " " : "", unit);
	simscope_say(s, line, (size_t)n);
}

static void reply_number(struct simscope *s, const char *header, double v, const char *unit)
{
	char text[32];

	snprintf(text, sizeof text, "%.6G", v);
	reply(s, header, text, unit);
}

/* ---- settings ---- */

/* A number with the units that the manual knows: 100NS, 0.5 V, 2.5E-3. */
static bool number(const char *text, double *v)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = {{"", 1}, {"V", 1}, {"S", 1}, {"NS", 1e-9}, {"US", 1e-6}, {"MS", 1e-3},
	    {"KS", 1e3}, {"MV", 1e-3}, {"UV", 1e-6}};
	char *end;

	*v = strtod(text, &end);
	if (end == text || !isfinite(*v))
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(end, units[i].name) == 0) {
			*v *= units[i].factor;
			return true;
		}
	}
	return false;
}

/* Sets a number between lo and hi; what lies outside is adapted, and the status byte says so. */
static void set_number(struct simscope *s, double *v, const char *text, double lo, double hi)
{
	double want;

	if (!number(text, &want)) {
		s->cmr = CMR_STRING;
		return;
	}
	*v = want < lo ? lo : want > hi ? hi : want;
	if (want < lo || want > hi)
		s->status |= ADAPTED;
}

/* The next of the steps 1, 2, 5 of a decade. */
static void set_tdiv(struct simscope *s, const char *text)
{
	double want = s->tdiv, step = 1e-10;

	set_number(s, &want, text, 1e-10, 1000);
	for (int k = 0; step < want * 0.999; k++)
		step *= k % 3 == 1 ? 2.5 : 2;
	if (fabs(step - want) > want * 1e-6)
		s->status |= ADAPTED;
	s->tdiv = step;
}

static void set_word(struct simscope *s, char *to, size_t size, const char *text)
{
	if (strlen(text) < size)
		strcpy(to, text);
	else
		s->cmr = CMR_STRING;
}

static void set_mode(struct simscope *s, const char *mode, int64_t now)
{
	if (strcmp(mode, "STOP") == 0) {
		simscope_stop(s);
	} else if (strcmp(mode, "SINGLE") == 0 || strcmp(mode, "NORM") == 0 ||
	    strcmp(mode, "AUTO") == 0) {
		strcpy(s->mode, mode);
		simscope_arm(s, now);
	} else {
		s->cmr = CMR_STRING;
	}
}

static void set_sequence(struct simscope *s, const char *text)
{
	long n = s->segments;
	const char *comma = strchr(text, ',');

	if (comma)
		n = strtol(comma + 1, NULL, 10);
	if ((strncmp(text, "ON", 2) != 0 && strncmp(text, "OFF", 3) != 0) || n < 2 ||
	    n > SEGMENTS_MAX) {
		s->cmr = CMR_STRING;
		return;
	}
	s->sequence = text[1] == 'N';
	s->segments = (int)n;
}

/* Cn,OFF or Cn,ON or Cn,200MHZ */
static void set_limit(struct simscope *s, const char *text)
{
	int k = text[0] == 'C' && text[1] && text[2] == ',' ? text[1] - '1' : -1;

	if (k < 0 || k >= SIMSCOPE_CHANNELS)
		s->cmr = CMR_STRING;
	else
		set_word(s, s->channel[k].limit, sizeof s->channel[k].limit, text + 3);
}

static void set_format(struct simscope *s, const char *text)
{
	if (strncmp(text, "DEF9,", 5) != 0)
		s->cmr = CMR_STRING;
	s->words = strstr(text, ",WORD") != NULL;
}

static void set(struct simscope *s, const char *header, const char *text, int64_t now)
{
	if (strcmp(header, "CHDR") == 0)
		s->header = strcmp(text, "OFF") == 0 ? OFF
		    : strcmp(text, "SHORT") == 0     ? SHORT
						     : LONG;
	else if (strcmp(header, "CFMT") == 0)
		set_format(s, text);
	else if (strcmp(header, "CORD") == 0)
		s->little = strcmp(text, "LO") == 0;
	else if (strcmp(header, "TDIV") == 0)
		set_tdiv(s, text);
	else if (strcmp(header, "TRMD") == 0)
		set_mode(s, text, now);
	else if (strcmp(header, "TRSE") == 0)
		set_word(s, s->source, sizeof s->source, text);
	else if (strcmp(header, "SEQ") == 0)
		set_sequence(s, text);
	else if (strcmp(header, "BWL") == 0)
		set_limit(s, text);
	else if (strcmp(header, "WFSU") != 0)
		s->cmr = CMR_HEADER;
}

static void set_channel(struct simscope *s, int k, const char *header, const char *text)
{
	struct channel *c = &s->channel[k];

	if (strcmp(header, "VDIV") == 0)
		set_number(s, &c->vdiv, text, 2e-3, 10);
	else if (strcmp(header, "OFST") == 0)
		set_number(s, &c->offset, text, -8 * c->vdiv, 8 * c->vdiv);
	else if (strcmp(header, "TRLV") == 0)
		set_number(s, &c->level, text, -8 * c->vdiv, 8 * c->vdiv);
	else if (strcmp(header, "TRA") == 0)
		c->on = strcmp(text, "ON") == 0;
	else if (strcmp(header, "TRSL") == 0)
		set_word(s, c->slope, sizeof c->slope, text);
	else if (strcmp(header, "TRCP") == 0)
		set_word(s, c->coupling, sizeof c->coupling, text);
	else
		s->cmr = CMR_HEADER;
}

/* ---- questions ---- */

static void ask_channel(struct simscope *s, int k, const char *header, const char *text)
{
	struct channel *c = &s->channel[k];
	char full[16];

	snprintf(full, sizeof full, "C%d:%.8s", k + 1, header);
	if (strcmp(header, "WF") == 0 && strncmp(text, "ALL", 3) == 0)
		simwave_transfer(s, k);
	else if (strcmp(header, "VDIV") == 0)
		reply_number(s, full, c->vdiv, "V");
	else if (strcmp(header, "OFST") == 0)
		reply_number(s, full, c->offset, "V");
	else if (strcmp(header, "TRLV") == 0)
		reply_number(s, full, c->level, "V");
	else if (strcmp(header, "TRA") == 0)
		reply(s, full, c->on ? "ON" : "OFF", "");
	else if (strcmp(header, "TRSL") == 0)
		reply(s, full, c->slope, "");
	else if (strcmp(header, "TRCP") == 0)
		reply(s, full, c->coupling, "");
	else
		s->cmr = CMR_HEADER;
}

static void ask(struct simscope *s, const char *header)
{
	char text[64];
	static const char *const headers[] = {"OFF", "SHORT", "LONG"};

	if (strcmp(header, "*IDN") == 0) {
		reply(s, "*IDN",
		    s->o.fault[SIMSCOPE_FOREIGN] ? "ACME,DMM34,1,1.0"
						 : "LECROY,WR610ZI,LCRY12345,7.9.0",
		    "");
	} else if (strcmp(header, "*OPC") == 0) {
		reply(s, "*OPC", "1", "");
	} else if (strcmp(header, "*STB") == 0) {
		snprintf(text, sizeof text, "%u", simscope_status(s));
		reply(s, "*STB", text, "");
	} else if (strcmp(header, "INR") == 0) {
		snprintf(text, sizeof text, "%u", s->inr);
		s->inr = 0;
		reply(s, "INR", text, "");
	} else if (strcmp(header, "CMR") == 0) {
		snprintf(text, sizeof text, "%u", s->cmr);
		s->cmr = 0;
		reply(s, "CMR", text, "");
	} else if (strcmp(header, "CHDR") == 0) {
		reply(s, header, headers[s->header], "");
	} else if (strcmp(header, "CFMT") == 0) {
		reply(s, header, s->words ? "DEF9,WORD,BIN" : "DEF9,BYTE,BIN", "");
	} else if (strcmp(header, "CORD") == 0) {
		reply(s, header, s->little ? "LO" : "HI", "");
	} else if (strcmp(header, "TDIV") == 0) {
		reply_number(s, header, s->tdiv, "S");
	} else if (strcmp(header, "TRMD") == 0) {
		reply(s, header, s->mode, "");
	} else if (strcmp(header, "TRSE") == 0) {
		reply(s, header, s->source, "");
	} else if (strcmp(header, "BWL") == 0) {
		snprintf(text, sizeof text, "C1,%s,C2,%s,C3,%s,C4,%s", s->channel[0].limit,
		    s->channel[1].limit, s->channel[2].limit, s->channel[3].limit);
		reply(s, header, text, "");
	} else if (strcmp(header, "SEQ") == 0) {
		snprintf(text, sizeof text, "%s,%d,1E+6", s->sequence ? "ON" : "OFF", s->segments);
		reply(s, header, text, "");
	} else {
		s->cmr = CMR_HEADER;
	}
}

/* ---- the rest ---- */

static void do_wait(struct simscope *s, const char *text, int64_t now)
{
	double seconds = 0;

	if (*text && !number(text, &seconds)) {
		s->cmr = CMR_STRING;
		return;
	}
	s->waiting = s->armed;
	s->wait_until = seconds > 0 ? now + (int64_t)(seconds * 1e9) : INT64_MAX;
}

static void do_store(struct simscope *s, const char *text)
{
	for (int k = 0; k < SIMSCOPE_CHANNELS; k++)
		if (s->channel[k].on &&
		    (strncmp(text, "ALL", 3) == 0 || (text[0] == 'C' && text[1] == '1' + k)))
			simwave_store(s, k);
	s->stored++;
}

/* One command without its separator. */
void simlecroy_obey(struct simscope *s, char *text, int64_t now)
{
	int channel = -1;
	char *args = text + strcspn(text, " ");

	if (*args)
		*args++ = '\0';
	while (*args == ' ')
		args++;
	if (text[0] == 'C' && text[1] >= '1' && text[1] < '1' + SIMSCOPE_CHANNELS &&
	    text[2] == ':') {
		channel = text[1] - '1';
		text += 3;
	}
	size_t n = strlen(text);
	bool question = n > 0 && text[n - 1] == '?';
	if (question)
		text[n - 1] = '\0';
	if (question && channel >= 0)
		ask_channel(s, channel, text, args);
	else if (question)
		ask(s, text);
	else if (channel >= 0)
		set_channel(s, channel, text, args);
	else if (strcmp(text, "ARM") == 0)
		set_mode(s, "SINGLE", now);
	else if (strcmp(text, "STOP") == 0)
		simscope_stop(s);
	else if (strcmp(text, "WAIT") == 0)
		do_wait(s, args, now);
	else if (strcmp(text, "STO") == 0)
		do_store(s, args);
	else if (strcmp(text, "*CLS") == 0)
		s->inr = s->cmr = s->status = 0;
	else if (*text)
		set(s, text, args, now);
}
