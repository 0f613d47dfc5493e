/* hvlimit.c - the limits file of hvmux: what no client may exceed, channel by channel */
#include "hvlimit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"

#define FILE_MOST 65536

/* What one section says; NAN or -1: nothing. */
struct rule {
	double volts, microamps, ramp;
	int forbidden;
};

struct hvlimits {
	struct rule all, board[HV_BOARDS], channel[HV_BOARDS][HV_CHANNELS];
};

static struct rule *section_rule(struct hvlimits *l, const char *section)
{
	size_t n = strlen(section);
	char place[16];
	int board, channel;

	if (strcmp(section, "*") == 0)
		return &l->all;
	if (n >= 3 && n < sizeof place && strcmp(section + n - 2, ".*") == 0) {
		memcpy(place, section, n + 1);
		place[n - 1] = '0'; /* a board has channel 0 at least */
		return hv_place(place, &board, &channel) < 0 ? NULL : &l->board[board];
	}
	return hv_place(section, &board, &channel) < 0 ? NULL : &l->channel[board][channel];
}

static int limit_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	struct rule *r = section_rule(ctx, section);
	double v;

	(void)line;
	if (!r) {
		snprintf(
		    why, CONF_WHY, "[%s]: neither [BOARD.CHANNEL], [BOARD.*] nor [*]", section);
		return -1;
	}
	double *to = strcmp(key, "max-volts") == 0 ? &r->volts
	    : strcmp(key, "max-microamps") == 0    ? &r->microamps
	    : strcmp(key, "max-ramp") == 0         ? &r->ramp
						   : NULL;
	if (to) {
		if (hv_number(value, &v) == 0) {
			*to = v;
			return 0;
		}
		snprintf(why, CONF_WHY, "%s: '%.60s' is no positive decimal number", key, value);
		return -1;
	}
	if (strcmp(key, "forbidden") != 0) {
		snprintf(why, CONF_WHY,
		    "%s: not one of max-volts, max-microamps, max-ramp, forbidden", key);
		return -1;
	}
	r->forbidden = strcmp(value, "yes") == 0 ? 1 : strcmp(value, "no") == 0 ? 0 : -1;
	if (r->forbidden >= 0)
		return 0;
	snprintf(why, CONF_WHY, "forbidden: '%.60s' is neither yes nor no", value);
	return -1;
}

struct hvlimits *hvlimit_parse(const char *name, const char *text, size_t n, char why[HV_WHY])
{
	static const struct rule nothing = {NAN, NAN, NAN, -1};
	struct hvlimits *l = malloc(sizeof *l);

	if (!l) {
		snprintf(why, HV_WHY, "no memory");
		return NULL;
	}
	l->all = nothing;
	for (int b = 0; b < HV_BOARDS; b++) {
		l->board[b] = nothing;
		for (int c = 0; c < HV_CHANNELS; c++)
			l->channel[b][c] = nothing;
	}
	if (conf_read(name, text, n, limit_key, l, why) == 0)
		return l;
	free(l);
	return NULL;
}

struct hvlimits *hvlimit_read(const char *path, char why[HV_WHY])
{
	struct stat st;
	size_t n;

	if (stat(path, &st) < 0) {
		snprintf(why, HV_WHY, "%.150s: cannot read the limits: %s", path, strerror(errno));
		return NULL;
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH))) {
		snprintf(why, HV_WHY,
		    "%.100s: must belong to root or you, and nobody else may write it (chmod go-w)",
		    path);
		return NULL;
	}
	char *text = io_slurp(path, FILE_MOST, &n);
	if (!text) {
		snprintf(why, HV_WHY, "%.150s: cannot read the limits: %s", path, strerror(errno));
		return NULL;
	}
	struct hvlimits *l = hvlimit_parse(path, text, n, why);
	free(text);
	return l;
}

void hvlimit_free(struct hvlimits *l)
{
	free(l);
}

/* ---- asking ---- */

static double first(double special, double board, double all)
{
	double v = !isnan(special) ? special : !isnan(board) ? board : all;
	return isnan(v) ? INFINITY : v;
}

struct hvlimit hvlimit_of(const struct hvlimits *l, int board, int channel)
{
	struct hvlimit none = {INFINITY, INFINITY, INFINITY, false};

	if (!l || board < 0 || board >= HV_BOARDS || channel < 0 || channel >= HV_CHANNELS)
		return none;
	const struct rule *c = &l->channel[board][channel], *b = &l->board[board], *a = &l->all;
	int forbidden = c->forbidden >= 0 ? c->forbidden
	    : b->forbidden >= 0           ? b->forbidden
					  : a->forbidden;
	return (struct hvlimit){.volts = first(c->volts, b->volts, a->volts),
	    .microamps = first(c->microamps, b->microamps, a->microamps),
	    .ramp = first(c->ramp, b->ramp, a->ramp),
	    .forbidden = forbidden == 1};
}

int hvlimit_value(const struct hvlimit *l, enum hv_par par, double v, char why[HV_WHY])
{
	double most = INFINITY;

	if (par == HV_VSET || par == HV_MAXV)
		most = l->volts;
	else if (par == HV_ISET)
		most = l->microamps;
	else if (par == HV_RUP || par == HV_RDW)
		most = l->ramp;
	if (v <= most)
		return 0;
	snprintf(why, HV_WHY, "%s %g is above the limit of %g %s", hv_info(par)->name, v, most,
	    hv_info(par)->unit);
	return -1;
}

enum hv_error hvlimit_check(const struct hvlimits *l, const struct hv_request *q, char why[HV_WHY])
{
	struct hvlimit limit = hvlimit_of(l, q->board, q->channel);
	double v = 0;

	if (!q->set || q->par == HV_OFF || q->channel < 0)
		return HV_FINE;
	if (limit.forbidden) {
		snprintf(why, HV_WHY, "this channel is forbidden by the limits file");
		return HV_ERR_LOC;
	}
	if (hv_info(q->par)->type != HV_NUMBER)
		return HV_FINE;
	if (hv_number(q->value, &v) < 0) {
		snprintf(why, HV_WHY, "no number");
		return HV_ERR_VAL;
	}
	return hvlimit_value(&limit, q->par, v, why) < 0 ? HV_ERR_VAL : HV_FINE;
}
