/* simscope.c - a simulated LeCroy oscilloscope: its commands, its settings, its waveforms */
#include "dev/simscope.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/random.h"
#include "base/tim.h"

#define DESC_BYTES   346
#define COMMAND_MOST 65536 /* bytes of commands that may wait */
#define SEGMENTS_MAX 10000
#define POINTS_MAX   1000002
#define GRID         10 /* divisions across the screen */
#define FIRST_MOMENT (INT64_C(86398) * TIM_S)
#define NEW_SIGNAL   1 /* bits of INR */
#define NEW_SEGMENT  16
#define READY        8192
#define ADAPTED      4 /* bits of the status byte */
#define HAS_ANSWER   16

const char *const simscope_fault_name[SIMSCOPE_FAULTS] = {"no-trigger", "partial", "retrigger",
    "cut", "tail", "lie", "no-desc", "trace-off", "foreign", "mute"};

struct channel {
	double vdiv, offset;
	bool on;
	char coupling[8], slope[8], limit[8];
	double level;
};

struct simscope {
	struct simscope_options o;
	char command[COMMAND_MOST];
	size_t ncommand;
	bool complete; /* the last byte of command ends a message */
	uint8_t *out;
	size_t nout, out_size, out_at;

	enum { OFF, SHORT, LONG } header;
	bool words, little, sequence;
	int segments;
	char mode[8];
	double tdiv;
	char source[16];
	struct channel channel[SIMSCOPE_CHANNELS];
	unsigned inr, cmr;
	uint8_t status;

	bool armed;
	int64_t armed_at; /* tim_mono() */
	int got;          /* segments so far */
	bool waiting;     /* WAIT holds up what follows */
	int64_t wait_until;
	uint64_t number; /* of the acquisition that is in memory; 0: none */
	int held;        /* its segments */
	bool held_sequence;
	unsigned stored;
};

/* ---- randomness: from the seed and what it is for ---- */

static double chance(const struct simscope *s, uint64_t a, uint64_t b, uint64_t c)
{
	return random_unit(
	    random_mix((uint64_t)s->o.seed * RANDOM_STEP + a * UINT64_C(0xbf58476d1ce4e5b9) +
		b * UINT64_C(0x94d049bb133111eb) + c * UINT64_C(0xd6e8feb86659fd93)));
}

/* ---- answers ---- */

static void say(struct simscope *s, const void *bytes, size_t n)
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
	say(s, line, (size_t)n);
}

static void reply_number(struct simscope *s, const char *header, double v, const char *unit)
{
	char text[32];

	snprintf(text, sizeof text, "%.6G", v);
	reply(s, header, text, unit);
}

/* ---- waveforms ---- */

static int points(const struct simscope *s)
{
	if (s->o.points)
		return (int)s->o.points;
	double n = GRID * s->tdiv * 1e10 + 2;
	return n < 52 ? 52 : n > POINTS_MAX ? POINTS_MAX : (int)lround(n);
}

static double interval(const struct simscope *s)
{
	int n = points(s);

	return GRID * s->tdiv / (n > 2 ? n - 2 : 1);
}

/* Seconds from the first trigger of the acquisition to that of a segment. */
static double trigger_time(const struct simscope *s, int segment)
{
	return segment == 0
	    ? 0
	    : (segment + 0.5 * (chance(s, s->number, (uint64_t)segment, 1) - 0.5)) / s->o.rate;
}

/* Seconds from a trigger to the first sample: the sampling clock runs free. */
static double trigger_offset(const struct simscope *s, int segment)
{
	return -s->tdiv - interval(s) * chance(s, s->number, (uint64_t)segment, 2);
}

/* A photomultiplier's pulse, negative, on a little noise; 16 bits. */
static int sample(const struct simscope *s, int channel, int segment, int i, double height)
{
	double t = i * interval(s) + trigger_offset(s, segment);
	double rise = s->tdiv / 20, fall = s->tdiv / 2;
	double pulse = t > 0 ? (1 - exp(-t / rise)) * exp(-t / fall) : 0;
	uint64_t at = (uint64_t)segment << 32 | (uint32_t)i;
	double noise = chance(s, s->number, at, 8 + (uint64_t)channel) - 0.5;
	double raw = 3 * 256 * noise - height * 256 * pulse - 10 * 256;

	return raw < -32768 ? -32768 : raw > 32767 ? 32767 : (int)lround(raw);
}

static void put(uint8_t *to, bool little, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[little ? i : n - 1 - i] = (uint8_t)(v >> 8 * i);
}

static void put_float(uint8_t *to, bool little, double v)
{
	float f = (float)v;
	uint32_t u;

	memcpy(&u, &f, 4);
	put(to, little, u, 4);
}

static void put_double(uint8_t *to, bool little, double v)
{
	uint64_t u;

	memcpy(&u, &v, 8);
	put(to, little, u, 8);
}

/* The descriptor by the offsets of the manual's table (template LECROY_2_3). */
static void describe(const struct simscope *s, uint8_t *d, int channel, int npoints, size_t times)
{
	const struct channel *c = &s->channel[channel];
	bool le = s->little;
	size_t width = s->words ? 2 : 1;
	/* A division is 32 steps of the high byte (8 divisions are 256). */
	double step = c->vdiv / 32 / (s->words ? 256 : 1);
	struct tim_parts p = tim_split(
	    tim_join(2024, 2, 28, 0, 0, 0, 0) + FIRST_MOMENT + (int64_t)(s->number - 1) * TIM_S);
	char label[24];

	memset(d, 0, DESC_BYTES);
	memcpy(d, "WAVEDESC", 8);
	memcpy(d + 16, "LECROY_2_3", 10);
	put(d + 32, le, s->words, 2);
	put(d + 34, le, le, 2);
	put(d + 36, le, DESC_BYTES, 4);
	put(d + 48, le, times, 4);
	put(d + 60, le, (size_t)npoints * width, 4);
	memcpy(d + 76, "LECROYWR610Zi", 13);
	put(d + 92, le, 12345, 4);
	snprintf(label, sizeof label, "C%d", channel + 1);
	memcpy(d + 96, label, strlen(label));
	put(d + 116, le, (uint64_t)npoints, 4);
	put(d + 120, le, (uint64_t)points(s), 4);
	put(d + 128, le, (uint64_t)(npoints > 0 ? npoints - 1 : 0), 4);
	put(d + 136, le, 1, 4);
	put(d + 144, le, (uint64_t)s->held, 4);
	put(d + 148, le, 1, 4);
	put_float(d + 156, le, step);
	put_float(d + 160, le, -c->offset);
	put_float(d + 164, le, s->words ? 32512 : 127);
	put_float(d + 168, le, s->words ? -32768 : -128);
	put(d + 172, le, 8, 2);
	put(d + 174, le, (uint64_t)(s->held_sequence ? s->segments : 1), 2);
	put_float(d + 176, le, interval(s));
	put_double(d + 180, le, trigger_offset(s, 0));
	put_double(d + 188, le, -s->tdiv);
	memcpy(d + 196, "V", 1);
	memcpy(d + 244, "S", 1);
	put_double(d + 296, le, p.second + chance(s, s->number, 0, 3));
	d[304] = (uint8_t)p.minute;
	d[305] = (uint8_t)p.hour;
	d[306] = (uint8_t)p.day;
	d[307] = (uint8_t)p.month;
	put(d + 308, le, (uint64_t)p.year, 2);
	put(d + 326, le, 2, 2);
	put_float(d + 328, le, 1);
	put_float(d + 336, le, 1);
	put(d + 344, le, (uint64_t)channel, 2);
}

/* #9nnnnnnnnn and the block of a channel, as a file or a reply holds it. NULL: no memory. */
static uint8_t *block(const struct simscope *s, int channel, size_t *n)
{
	size_t width = s->words ? 2 : 1;
	size_t times = s->held_sequence ? (size_t)s->held * 16 : 0;
	bool off = s->o.fault[SIMSCOPE_TRACE_OFF] && channel == s->o.channels - 1;
	int each = off ? 0 : points(s);
	size_t content = DESC_BYTES + times + (size_t)each * (size_t)s->held * width;
	uint8_t *b = malloc(11 + content + 1);

	if (!b)
		return NULL;
	snprintf((char *)b, 12, "#9%09zu", content);
	describe(s, b + 11, channel, each * s->held, times);
	uint8_t *to = b + 11 + DESC_BYTES;
	for (size_t k = 0; k < times / 16; k++, to += 16) {
		put_double(to, s->little, trigger_time(s, (int)k));
		put_double(to + 8, s->little, trigger_offset(s, (int)k));
	}
	for (int k = 0; k < s->held; k++) {
		double height = 20 + 90 * chance(s, s->number, (uint64_t)k, 4 + (uint64_t)channel);
		for (int i = 0; i < each; i++, to += width) {
			int raw = sample(s, channel, k, i, height);
			put(to, s->little, (uint64_t)(int64_t)(s->words ? raw : raw >> 8), width);
		}
	}
	*n = 11 + content;
	return b;
}

static void transfer(struct simscope *s, int channel)
{
	size_t n;
	char prefix[32];
	uint8_t *b = s->number ? block(s, channel, &n) : NULL;

	if (!b || s->o.fault[SIMSCOPE_MUTE]) {
		free(b);
		return;
	}
	if (s->o.fault[SIMSCOPE_LIE])
		put(b + 11 + 40, s->little, 0x7fffffff, 4);
	if (s->o.fault[SIMSCOPE_NO_DESC])
		memcpy(b + 11, "NOTHING ", 8);
	if (s->header == OFF)
		snprintf(prefix, sizeof prefix, "ALL,");
	else
		snprintf(prefix, sizeof prefix, "C%d:WF ALL,", channel + 1);
	say(s, prefix, strlen(prefix));
	say(s, b, s->o.fault[SIMSCOPE_CUT] ? n / 2 : n);
	if (s->o.fault[SIMSCOPE_TAIL])
		say(s, b, n);
	say(s, "\n", 1);
	free(b);
	if (s->o.fault[SIMSCOPE_RETRIGGER])
		s->number++;
}

/* STO: a file on the instrument's own disk. */
static void store(struct simscope *s, int channel)
{
	size_t n;
	char path[4096];
	uint8_t *b = s->number ? block(s, channel, &n) : NULL;

	snprintf(path, sizeof path, "%.4000s/C%d%05u.trc", s->o.disk ? s->o.disk : "", channel + 1,
	    s->stored);
	int fd = b && s->o.disk
	    ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666)
	    : -1;
	if (fd < 0 || io_writeall(fd, b, n) < 0)
		s->cmr = 1;
	if (fd >= 0)
		close(fd);
	free(b);
}

/* ---- acquiring ---- */

static int wanted(const struct simscope *s)
{
	return s->sequence ? s->segments : 1;
}

static void arm(struct simscope *s, int64_t now)
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
			arm(s, now);
	}
}

static void stop(struct simscope *s)
{
	if (s->armed && s->got > 0)
		finish(s);
	s->armed = false;
	strcpy(s->mode, "STOP");
}

/* ---- commands ---- */

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
		s->cmr = 6;
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
		s->cmr = 6;
}

static void set_mode(struct simscope *s, const char *mode, int64_t now)
{
	if (strcmp(mode, "STOP") == 0) {
		stop(s);
	} else if (strcmp(mode, "SINGLE") == 0 || strcmp(mode, "NORM") == 0 ||
	    strcmp(mode, "AUTO") == 0) {
		strcpy(s->mode, mode);
		arm(s, now);
	} else {
		s->cmr = 6;
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
		s->cmr = 6;
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
		s->cmr = 6;
	else
		set_word(s, s->channel[k].limit, sizeof s->channel[k].limit, text + 3);
}

static void set_format(struct simscope *s, const char *text)
{
	if (strncmp(text, "DEF9,", 5) != 0)
		s->cmr = 6;
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
		s->cmr = 1;
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
		s->cmr = 1;
}

static void ask_channel(struct simscope *s, int k, const char *header, const char *text)
{
	struct channel *c = &s->channel[k];
	char full[16];

	snprintf(full, sizeof full, "C%d:%.8s", k + 1, header);
	if (strcmp(header, "WF") == 0 && strncmp(text, "ALL", 3) == 0)
		transfer(s, k);
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
		s->cmr = 1;
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
		s->cmr = 1;
	}
}

static void do_wait(struct simscope *s, const char *text, int64_t now)
{
	double seconds = 0;

	if (*text && !number(text, &seconds)) {
		s->cmr = 6;
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
			store(s, k);
	s->stored++;
}

/* One command without its separator. */
static void obey(struct simscope *s, char *text, int64_t now)
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
		stop(s);
	else if (strcmp(text, "WAIT") == 0)
		do_wait(s, args, now);
	else if (strcmp(text, "STO") == 0)
		do_store(s, args);
	else if (strcmp(text, "*CLS") == 0)
		s->inr = s->cmr = s->status = 0;
	else if (*text)
		set(s, text, args, now);
}

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
		obey(s, one, now);
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
