/* hv.c - the line protocol of CAEN N14xx, NDT14xx, DT14xxET and R14xxET high-voltage supplies */
#include "hv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

/* ---- the parameters ---- */

#define READ_ONLY  true, false
#define READ_WRITE true, true
#define WRITE_ONLY false, true
#define NUMBER(name, access, unit)                                                                 \
	{                                                                                          \
		name, true, access, HV_NUMBER, unit, NULL                                          \
	}

static const struct hv_info info[HV_PARS] = {
    [HV_VSET] = NUMBER("VSET", READ_WRITE, "V"),
    [HV_VMIN] = NUMBER("VMIN", READ_ONLY, "V"),
    [HV_VMAX] = NUMBER("VMAX", READ_ONLY, "V"),
    [HV_VDEC] = NUMBER("VDEC", READ_ONLY, ""),
    [HV_VMON] = NUMBER("VMON", READ_ONLY, "V"),
    [HV_ISET] = NUMBER("ISET", READ_WRITE, "uA"),
    [HV_IMIN] = NUMBER("IMIN", READ_ONLY, "uA"),
    [HV_IMAX] = NUMBER("IMAX", READ_ONLY, "uA"),
    [HV_ISDEC] = NUMBER("ISDEC", READ_ONLY, ""),
    [HV_IMON] = NUMBER("IMON", READ_ONLY, "uA"),
    [HV_IMRANGE] = {"IMRANGE", true, READ_WRITE, HV_WORD, "", "HIGH LOW"},
    [HV_IMDEC] = NUMBER("IMDEC", READ_ONLY, ""),
    [HV_MAXV] = NUMBER("MAXV", READ_WRITE, "V"),
    [HV_MVMIN] = NUMBER("MVMIN", READ_ONLY, "V"),
    [HV_MVMAX] = NUMBER("MVMAX", READ_ONLY, "V"),
    [HV_MVDEC] = NUMBER("MVDEC", READ_ONLY, ""),
    [HV_RUP] = NUMBER("RUP", READ_WRITE, "V/s"),
    [HV_RUPMIN] = NUMBER("RUPMIN", READ_ONLY, "V/s"),
    [HV_RUPMAX] = NUMBER("RUPMAX", READ_ONLY, "V/s"),
    [HV_RUPDEC] = NUMBER("RUPDEC", READ_ONLY, ""),
    [HV_RDW] = NUMBER("RDW", READ_WRITE, "V/s"),
    [HV_RDWMIN] = NUMBER("RDWMIN", READ_ONLY, "V/s"),
    [HV_RDWMAX] = NUMBER("RDWMAX", READ_ONLY, "V/s"),
    [HV_RDWDEC] = NUMBER("RDWDEC", READ_ONLY, ""),
    [HV_TRIP] = NUMBER("TRIP", READ_WRITE, "s"),
    [HV_TRIPMIN] = NUMBER("TRIPMIN", READ_ONLY, "s"),
    [HV_TRIPMAX] = NUMBER("TRIPMAX", READ_ONLY, "s"),
    [HV_TRIPDEC] = NUMBER("TRIPDEC", READ_ONLY, ""),
    [HV_PDWN] = {"PDWN", true, READ_WRITE, HV_WORD, "", "RAMP KILL"},
    [HV_POL] = {"POL", true, READ_ONLY, HV_TEXT, "", NULL},
    [HV_STAT] = NUMBER("STAT", READ_ONLY, ""),
    [HV_ON] = {"ON", true, WRITE_ONLY, HV_NOTHING, "", NULL},
    [HV_OFF] = {"OFF", true, WRITE_ONLY, HV_NOTHING, "", NULL},
    /* In some tables only, and whether it may be set is not known: it is read, never set. */
    [HV_ZCADJ] = {"ZCADJ", true, READ_ONLY, HV_TEXT, "", NULL},
    [HV_BDNAME] = {"BDNAME", false, READ_ONLY, HV_TEXT, "", NULL},
    [HV_BDNCH] = {"BDNCH", false, READ_ONLY, HV_NUMBER, "", NULL},
    [HV_BDFREL] = {"BDFREL", false, READ_ONLY, HV_TEXT, "", NULL},
    [HV_BDSNUM] = {"BDSNUM", false, READ_ONLY, HV_TEXT, "", NULL},
    [HV_BDILK] = {"BDILK", false, READ_ONLY, HV_WORD, "", "YES NO"},
    [HV_BDILKM] = {"BDILKM", false, READ_WRITE, HV_WORD, "", "OPEN CLOSED"},
    [HV_BDCTR] = {"BDCTR", false, READ_ONLY, HV_WORD, "", "LOCAL REMOTE"},
    [HV_BDTERM] = {"BDTERM", false, READ_ONLY, HV_WORD, "", "ON OFF"},
    [HV_BDALARM] = {"BDALARM", false, READ_ONLY, HV_NUMBER, "", NULL},
    [HV_BDCLR] = {"BDCLR", false, WRITE_ONLY, HV_NOTHING, "", NULL},
    [HV_MUXBDS] = {"MUXBDS", false, READ_ONLY, HV_NUMBER, "", NULL},
    [HV_MUXWHY] = {"MUXWHY", false, READ_ONLY, HV_TEXT, "", NULL},
    [HV_MUXVMAX] = {"MUXVMAX", true, READ_ONLY, HV_TEXT, "V", NULL},
    [HV_MUXIMAX] = {"MUXIMAX", true, READ_ONLY, HV_TEXT, "uA", NULL},
    [HV_MUXRMAX] = {"MUXRMAX", true, READ_ONLY, HV_TEXT, "V/s", NULL},
};

const struct hv_info *hv_info(enum hv_par p)
{
	return &info[p];
}

/* Whether the list "RAMP KILL" has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; n > 0 && (at = strstr(at, word)); at++)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return strchr(word, ' ') == NULL;
	return false;
}

/* ---- values ---- */

int hv_number(const char *text, double *v)
{
	size_t whole = strspn(text, "0123456789"), part = 0;

	if (text[whole] == '.')
		part = strspn(text + whole + 1, "0123456789");
	size_t n = text[whole] == '.' ? whole + 1 + part : whole;
	if (text[n] || whole + part == 0)
		return -1;
	return conf_real(text, v);
}

static bool good_value(enum hv_par p, const char *value)
{
	double v;

	switch (info[p].type) {
	case HV_NUMBER:
		return hv_number(value, &v) == 0;
	case HV_WORD:
		return has_word(info[p].words, value);
	case HV_TEXT:
		return *value != '\0';
	case HV_NOTHING:
		break;
	}
	return *value == '\0';
}

/* ---- fields of a line ---- */

/* What is left of a line. */
struct text {
	const char *at, *end;
};

static bool skip(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
		return false;
	t->at += n;
	return true;
}

/* One or two digits, at most 99. */
static bool small_number(struct text *t, int *v)
{
	int n = 0;

	for (*v = 0; n < 2 && t->at < t->end && isdigit((unsigned char)*t->at); n++)
		*v = *v * 10 + *t->at++ - '0';
	return n > 0;
}

/* Printable bytes up to a stop or the end. */
static bool word(struct text *t, const char *stops, char *to, size_t size)
{
	size_t n = 0;

	while (t->at < t->end && !strchr(stops, *t->at)) {
		if (*t->at <= ' ' || *t->at >= 0x7f || n + 1 >= size)
			return false;
		to[n++] = *t->at++;
	}
	to[n] = '\0';
	return n > 0;
}

static bool find_par(const char *name, enum hv_par *par)
{
	for (int p = 0; p < HV_PARS; p++) {
		if (strcmp(info[p].name, name) == 0) {
			*par = (enum hv_par)p;
			return true;
		}
	}
	return false;
}

/* ",CH:0" or ",CH0", when it stands there. */
static enum hv_error read_channel(struct text *t, struct hv_request *r)
{
	r->channel = -1;
	if (!skip(t, "CH"))
		return HV_FINE;
	(void)skip(t, ":");
	if (!small_number(t, &r->channel) || r->channel > HV_CHANNELS || !skip(t, ","))
		return HV_ERR_CH;
	return HV_FINE;
}

static enum hv_error check(const struct hv_request *r)
{
	const struct hv_info *p = &info[r->par];

	if (r->set ? !p->write : !p->read)
		return HV_ERR_PAR;
	if (p->channel != (r->channel >= 0))
		return HV_ERR_CH;
	if (!r->set)
		return *r->value ? HV_ERR_CMD : HV_FINE;
	return good_value(r->par, r->value) ? HV_FINE : HV_ERR_VAL;
}

enum hv_error hv_read_request(const char *line, size_t n, struct hv_request *r)
{
	struct text t = {line, line + n};
	char name[12];

	*r = (struct hv_request){.channel = -1};
	if (!skip(&t, "$BD:") || !small_number(&t, &r->board) || r->board >= HV_BOARDS) {
		r->board = 0;
		return HV_ERR_CMD;
	}
	if (!skip(&t, ",CMD:") && !skip(&t, ":CMD:"))
		return HV_ERR_CMD;
	r->set = skip(&t, "SET,");
	if (!r->set && !skip(&t, "MON,"))
		return HV_ERR_CMD;
	enum hv_error e = read_channel(&t, r);
	if (e != HV_FINE)
		return e;
	if (!skip(&t, "PAR:") || !word(&t, ",", name, sizeof name) || !find_par(name, &r->par))
		return HV_ERR_PAR;
	if (skip(&t, ",VAL:") && !word(&t, ",;", r->value, sizeof r->value))
		return HV_ERR_VAL;
	if (t.at != t.end)
		return HV_ERR_CMD;
	if ((r->par == HV_ON || r->par == HV_OFF) && strcmp(r->value, "0") == 0)
		r->value[0] = '\0';
	return check(r);
}

size_t hv_write_request(const struct hv_request *r, char line[HV_LINE])
{
	char channel[16] = "", value[HV_VALUE + 8] = "";

	if (r->channel >= 0)
		snprintf(channel, sizeof channel, "CH:%d,", r->channel);
	if (r->value[0])
		snprintf(value, sizeof value, ",VAL:%s", r->value);
	return (size_t)snprintf(line, HV_LINE, "$BD:%02d,CMD:%s,%sPAR:%s%s\r\n", r->board,
	    r->set ? "SET" : "MON", channel, info[r->par].name, value);
}

/* ---- replies ---- */

static const char *const error_word[] = {"", "CMD", "CH", "PAR", "VAL", "LOC"};

const char *hv_error_text(enum hv_error e)
{
	static const char *const text[] = {"OK", "CMD:ERR: the command was not understood",
	    "CH:ERR: no such channel", "PAR:ERR: no such parameter, or not to be set",
	    "VAL:ERR: the value is out of range", "LOC:ERR: the supply is in LOCAL"};
	return text[e];
}

static bool read_error(struct text *t, struct hv_reply *r)
{
	for (int e = HV_ERR_CMD; e <= HV_ERR_LOC; e++) {
		struct text at = *t;
		if (skip(&at, error_word[e]) && skip(&at, ":ERR") && at.at == at.end) {
			r->error = (enum hv_error)e;
			return true;
		}
	}
	return false;
}

int hv_read_reply(const char *line, size_t n, struct hv_reply *r)
{
	struct text t = {line, line + n};

	memset(r, 0, sizeof *r);
	if (!skip(&t, "#BD:") || !small_number(&t, &r->board) || r->board >= HV_BOARDS ||
	    !skip(&t, ","))
		return -1;
	if (read_error(&t, r))
		return 0;
	if (!skip(&t, "CMD:OK"))
		return -1;
	if (t.at == t.end)
		return 0;
	if (!skip(&t, ",VAL:"))
		return -1;
	do {
		if (r->nvalues == HV_CHANNELS || !word(&t, ";", r->value[r->nvalues++], HV_VALUE))
			return -1;
	} while (skip(&t, ";"));
	return t.at == t.end ? 0 : -1;
}

size_t hv_write_reply(const struct hv_reply *r, char line[HV_LINE])
{
	if (r->error != HV_FINE)
		return (size_t)snprintf(
		    line, HV_LINE, "#BD:%02d,%s:ERR\r\n", r->board, error_word[r->error]);
	size_t n = (size_t)snprintf(line, HV_LINE, "#BD:%02d,CMD:OK", r->board);
	for (int i = 0; i < r->nvalues && n < HV_LINE - HV_VALUE - 8; i++)
		n +=
		    (size_t)snprintf(line + n, HV_LINE - n, "%s%s", i ? ";" : ",VAL:", r->value[i]);
	return n + (size_t)snprintf(line + n, HV_LINE - n, "\r\n");
}

bool hv_fits(const struct hv_request *q, const struct hv_reply *r, int nch)
{
	double v;

	if (r->board != q->board)
		return false;
	if (r->error != HV_FINE)
		return true;
	if (q->set)
		return r->nvalues == 0;
	bool group = q->channel >= 0 && nch > 0 && q->channel == nch;
	if (nch > 0 ? r->nvalues != (group ? nch : 1) : r->nvalues == 0)
		return false;
	for (int i = 0; i < r->nvalues; i++) {
		const char *value = r->value[i];
		switch (info[q->par].type) {
		case HV_NUMBER: /* a monitored value may be a little below zero */
			if (hv_number(value + (*value == '-'), &v) < 0)
				return false;
			break;
		case HV_WORD: /* other models have other words, but no numbers */
			if (hv_number(value, &v) == 0)
				return false;
			break;
		default:
			break;
		}
	}
	return true;
}

/* ---- bit masks as names ---- */

static const char *const stat_name[HV_STAT_BITS] = {"on", "rup", "rdw", "ovc", "ovv", "unv", "maxv",
    "trip", "ovp", "ovt", "dis", "kill", "ilk", "nocal"};

const char *hv_stat_name(int bit)
{
	return stat_name[bit];
}

static void add_name(char buf[HV_STAT_TEXT], const char *name)
{
	size_t n = strlen(buf);
	snprintf(buf + n, HV_STAT_TEXT - n, "%s%s", n ? "," : "", name);
	for (char *p = buf + n; *p; p++)
		*p = (char)toupper((unsigned char)*p);
}

char *hv_stat_text(unsigned stat, char buf[HV_STAT_TEXT])
{
	buf[0] = '\0';
	for (int b = 0; b < HV_STAT_BITS; b++)
		if (stat >> b & 1)
			add_name(buf, stat_name[b]);
	if (stat >> HV_STAT_BITS)
		add_name(buf, "?");
	if (!(stat & HV_STAT_ON)) {
		char rest[HV_STAT_TEXT];
		memcpy(rest, buf, sizeof rest);
		snprintf(buf, HV_STAT_TEXT, "OFF%s%.80s", *rest ? "," : "", rest);
	}
	return buf;
}

char *hv_alarm_text(unsigned alarm, int nch, char buf[HV_STAT_TEXT])
{
	static const char *const names[] = {
	    "ch0", "ch1", "ch2", "ch3", "pwfail", "ovp", "hvckfail"};

	buf[0] = '\0';
	if (nch > 4) {
		snprintf(buf, HV_STAT_TEXT, "0x%x", alarm);
		return buf;
	}
	for (int b = 0; b < 7; b++)
		if (alarm >> b & 1)
			add_name(buf, names[b]);
	if (alarm >> 7)
		add_name(buf, "?");
	return buf;
}

int hv_place(const char *text, int *board, int *channel)
{
	const char *dot = strchr(text, '.');
	char first[8] = "0";
	long long b, c;

	if (dot) {
		if (dot == text || (size_t)(dot - text) >= sizeof first)
			return -1;
		memcpy(first, text, (size_t)(dot - text));
		first[dot - text] = '\0';
	}
	const char *second = dot ? dot + 1 : text;
	if (first[strspn(first, "0123456789")] || second[strspn(second, "0123456789")] ||
	    conf_int(first, 0, HV_BOARDS - 1, &b) < 0 ||
	    conf_int(second, 0, HV_CHANNELS - 1, &c) < 0)
		return -1;
	*board = (int)b;
	*channel = (int)c;
	return 0;
}
