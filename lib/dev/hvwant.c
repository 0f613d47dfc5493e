/* hvwant.c - what is wanted of the channels: from a list, from a file of settings */
#include "hvsetin.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/io.h"

#define FILE_MOST 65536

static int place_number(const char *text, size_t n, long long *v)
{
	char copy[8];

	if (n == 0 || n >= sizeof copy)
		return -1;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (copy[strspn(copy, "0123456789")])
		return -1;
	return conf_int(copy, 0, 99, v);
}

int hvset_channels(const char *list, int board, struct hvset_want *want, int max, char why[HV_WHY])
{
	int n = 0;

	for (const char *at = list;; at++) {
		size_t len = strcspn(at, ",");
		const char *dash = memchr(at, '-', len);
		long long a, b;
		int bad = place_number(at, dash ? (size_t)(dash - at) : len, &a);
		b = a;
		if (!bad && dash)
			bad = place_number(dash + 1, len - (size_t)(dash + 1 - at), &b);
		if (bad || b < a) {
			snprintf(why, HV_WHY,
			    "'%.60s' is no list of channels: 3, 0,2 or 0-3, counted from 0", list);
			return -1;
		}
		for (long long c = a; c <= b; c++) {
			if (n == max) {
				snprintf(why, HV_WHY, "more than %d channels", max);
				return -1;
			}
			want[n++] = (struct hvset_want){.board = board, .channel = (int)c};
		}
		at += len;
		if (!*at)
			return n;
	}
}

/* ---- a file ---- */

struct reading {
	struct hvset_want *want;
	int n, max;
};

static int power_word(const char *value, struct hvset_want *w)
{
	w->power = strcmp(value, "on") == 0 ? HVSET_ON
	    : strcmp(value, "off") == 0     ? HVSET_OFF
					    : HVSET_KEEP;
	return w->power == HVSET_KEEP ? -1 : 0;
}

/* One key of a channel: a parameter in small letters. */
static int one_setting(const char *key, const char *value, struct hvset_want *w, char *why)
{
	for (size_t i = 0; i < HVSET_PARS; i++) {
		const struct hv_info *info = hv_info(hvset_pars[i]);
		char *to = w->value[hvset_pars[i]];
		double v;
		if (strcasecmp(info->name, key) != 0)
			continue;
		snprintf(to, HV_VALUE, "%s", value);
		for (char *p = to; info->type == HV_WORD && *p; p++)
			*p = (char)toupper((unsigned char)*p);
		if (strlen(value) < HV_VALUE &&
		    (info->type == HV_WORD || hv_number(value, &v) == 0))
			return 0;
		snprintf(why, CONF_WHY, "%s: '%.60s' is no value for it", key, value);
		return -1;
	}
	snprintf(
	    why, CONF_WHY, "%s: not one of vset iset maxv rup rdw trip pdwn imrange power", key);
	return -1;
}

static int setting_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	struct reading *r = ctx;
	struct hvset_want *w = NULL;
	int board, channel;

	(void)line;
	if (hv_place(section, &board, &channel) < 0) {
		snprintf(why, CONF_WHY, "[%s]: no channel: write [BOARD.CHANNEL]", section);
		return -1;
	}
	for (int i = 0; i < r->n; i++)
		if (r->want[i].board == board && r->want[i].channel == channel)
			w = &r->want[i];
	if (!w) {
		if (r->n == r->max) {
			snprintf(why, CONF_WHY, "more than %d channels", r->max);
			return -1;
		}
		w = &r->want[r->n++];
		*w = (struct hvset_want){.board = board, .channel = channel};
	}
	if (strcmp(key, "power") != 0)
		return one_setting(key, value, w, why);
	if (power_word(value, w) == 0)
		return 0;
	snprintf(why, CONF_WHY, "power: '%.60s' is neither on nor off", value);
	return -1;
}

int hvset_read(const char *path, struct hvset_want *want, int max, char why[HV_WHY])
{
	struct reading r = {want, 0, max};
	size_t n;
	char *text = io_slurp(path, FILE_MOST, &n);

	if (!text) {
		snprintf(why, HV_WHY, "%.150s: %s", path, strerror(errno));
		return -1;
	}
	int rc = conf_read(path, text, n, setting_key, &r, why);
	free(text);
	return rc < 0 ? -1 : r.n;
}
