/* script.c - files of sequencer lines: checked whole before anything is done */
#include "cam/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cam/codes.h"
#include "cam/settings.h"

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
