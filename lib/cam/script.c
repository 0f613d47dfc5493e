/* script.c - files of sequencer lines: checked whole before anything is done */
#include "cam/script.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cam/codes.h"

static bool is_empty(const char *text, size_t n)
{
	size_t k = 0;

	while (k < n && text[k] == ' ')
		k++;
	return k == n || text[k] == '#';
}

int script_parse(struct script *s, const char *text, size_t n, int from, script_bad *bad, void *ctx)
{
	struct verb_request r;
	char why[VERB_WHY];
	int number = 0, wrong = 0;

	s->n = 0;
	s->line = calloc(SCRIPT_LINES, sizeof *s->line);
	if (!s->line)
		return -1;
	for (size_t at = 0, len; at < n; at += len + 1) {
		const char *end = memchr(text + at, '\n', n - at);
		len = end ? (size_t)(end - text) - at : n - at;
		size_t m = len > 0 && text[at + len - 1] == '\r' ? len - 1 : len;
		number++;
		if (is_empty(text + at, m))
			continue;
		unsigned code = verb_parse(text + at, m, &r, why);
		if (code != SEQ_OK) {
			wrong++;
			bad(ctx, number, code, why);
		}
		if (number < from)
			continue;
		if (s->n == SCRIPT_LINES) {
			errno = E2BIG;
			return -1;
		}
		s->line[s->n++] = (struct script_line){number, text + at, m};
	}
	return wrong;
}

void script_free(struct script *s)
{
	free(s->line);
	s->line = NULL;
}

void script_camera_unknown(struct script_camera *c)
{
	memset(c, 0, sizeof *c);
	settings_default(&c->set);
	c->info = (struct cam_info){.max_xbin = INT_MAX,
	    .max_ybin = INT_MAX,
	    .amps = INT_MAX,
	    .t_min = -HUGE_VAL,
	    .t_max = HUGE_VAL,
	    .can = ~0U};
}

void script_camera_hear(struct script_camera *c, const char *status)
{
	struct cam_frame *f = &c->set.frame;
	struct cam_info *i = &c->info;

	(void)sscanf(status, "xbin=%d", &f->xbin);
	(void)sscanf(status, "ybin=%d", &f->ybin);
	(void)sscanf(status, "xbeg=%d", &f->x);
	(void)sscanf(status, "ybeg=%d", &f->y);
	(void)sscanf(status, "xsize=%d", &f->w);
	(void)sscanf(status, "ysize=%d", &f->h);
	(void)sscanf(status, "detector=%dx%d", &i->width, &i->height);
	(void)sscanf(status, "max_bin=%dx%d", &i->max_xbin, &i->max_ybin);
	(void)sscanf(status, "amplifiers=%d", &i->amps);
	(void)sscanf(status, "set_temperature=%lf", &c->set.temp);
	(void)sscanf(status, "temperature_range=%lf to %lf", &i->t_min, &i->t_max);
}

int script_check(const struct script *s, const struct script_camera *c, script_bad *bad, void *ctx)
{
	struct settings set = c->set;
	struct cam_frame *f = &set.frame;
	struct verb_request r;
	char why[VERB_WHY];
	int wrong = 0;

	if (c->info.width == 0)
		return 0;
	/* A window that ends at the edge may be one that follows it. */
	if (f->x + f->w == c->info.width + 1)
		f->w = 0;
	if (f->y + f->h == c->info.height + 1)
		f->h = 0;
	for (int i = 0; i < s->n; i++) {
		const struct script_line *l = &s->line[i];
		if (verb_parse(l->text, l->n, &r, why) != SEQ_OK)
			continue;
		unsigned code = settings_apply(&set, &r, &c->info, why);
		if (code == SEQ_OK)
			continue;
		wrong++;
		bad(ctx, l->number, code, why);
	}
	return wrong;
}

void script_plan(const struct script *s, struct script_plan *p)
{
	struct verb_request r;
	char why[VERB_WHY];
	int count;

	p->images = 0;
	p->exposed = 0;
	for (int i = 0; i < s->n; i++) {
		if (verb_parse(s->line[i].text, s->line[i].n, &r, why) != SEQ_OK)
			continue;
		switch (r.verb->id) {
		case VERB_DEFAULTS:
			p->tint = SETTINGS_TINT;
			p->mult = SETTINGS_MULT;
			break;
		case VERB_TINT:
			p->tint = r.n > 0 ? verb_real(r.arg[0]) : p->tint;
			break;
		case VERB_MULT:
			p->mult = r.n > 0 ? verb_int(r.arg[0]) : p->mult;
			break;
		case VERB_EXPOSE:
		case VERB_DARK:
		case VERB_MEXPOSE:
		case VERB_MDARK:
			count = r.verb->id == VERB_EXPOSE || r.verb->id == VERB_DARK ? 1
			    : r.n > 1 ? verb_int(r.arg[1])
				      : p->mult;
			if (r.t)
				break;
			p->images += count;
			p->exposed += count * (r.n > 0 ? verb_real(r.arg[0]) : p->tint);
			break;
		default:
			break;
		}
	}
}
