/* xml.c - the XML that INDI servers speak, as it comes */
#include "cam/xml.h"

#include <errno.h>
#include <string.h>

enum { TEXT, TAG, NAME, BETWEEN, ATTR, EQUALS, VALUE, CLOSING, EMPTY, SKIP };

void xml_begin(struct xml *x, const struct xml_calls *calls, void *ctx)
{
	memset(x, 0, sizeof *x);
	x->calls = calls;
	x->ctx = ctx;
}

const char *xml_attr(const struct xml_attr *attr, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(attr[i].name, name) == 0)
			return attr[i].value;
	return "";
}

static int bad(void)
{
	errno = EPROTO;
	return -1;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int append(char *to, size_t *n, size_t size, char c)
{
	if (*n + 1 >= size)
		return bad();
	to[(*n)++] = c;
	to[*n] = '\0';
	return 0;
}

/* The character that an entity stands for, '?' for those that INDI does not use. */
static char meaning(const char *entity)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, entity) == 0)
			return known[i].c;
	return '?';
}

/* A character of text or of a value, entities resolved. 1 with *out, 0 not yet, -1. */
static int resolve(struct xml *x, char c, char *out)
{
	if (x->entity[0] == '&') {
		if (c != ';')
			return append(x->entity, &x->m, sizeof x->entity, c);
		*out = meaning(x->entity + 1);
		x->entity[0] = '\0';
		return 1;
	}
	if (c == '&') {
		x->m = 0;
		return append(x->entity, &x->m, sizeof x->entity, c);
	}
	*out = c;
	return 1;
}

static int opened(struct xml *x)
{
	if (x->depth == XML_DEPTH)
		return bad();
	memcpy(x->open[x->depth++], x->name, sizeof x->name);
	x->calls->begin(x->ctx, x->name, x->attr, x->nattrs);
	x->state = TEXT;
	return 0;
}

static int closed(struct xml *x, const char *name)
{
	if (x->depth == 0 || strcmp(x->open[x->depth - 1], name) != 0)
		return bad();
	x->calls->end(x->ctx, name);
	x->depth--;
	x->state = TEXT;
	return 0;
}

/* After a name, or between attributes. */
static int between(struct xml *x, char c)
{
	if (is_blank(c)) {
		x->state = BETWEEN;
		return 0;
	}
	if (c == '>')
		return opened(x);
	if (c == '/') {
		x->state = EMPTY;
		return 0;
	}
	if (x->nattrs == XML_ATTRS)
		return bad();
	struct xml_attr *a = &x->attr[x->nattrs];
	a->name[0] = a->value[0] = '\0';
	x->n = 0;
	x->state = ATTR;
	return append(a->name, &x->n, sizeof a->name, c);
}

static int value(struct xml *x, char c)
{
	struct xml_attr *a = &x->attr[x->nattrs];
	char out;
	int got;

	if (c == x->quote) {
		x->nattrs++;
		x->entity[0] = '\0';
		x->state = BETWEEN;
		return 0;
	}
	got = resolve(x, c, &out);
	return got > 0 ? append(a->value, &x->n, sizeof a->value, out) : got;
}

/* One character that is not text. */
static int take(struct xml *x, char c)
{
	switch (x->state) {
	case TAG:
		x->n = 0;
		x->nattrs = 0;
		x->name[0] = '\0';
		x->state = c == '/' ? CLOSING : c == '!' || c == '?' ? SKIP : NAME;
		return x->state == NAME ? append(x->name, &x->n, sizeof x->name, c) : 0;
	case NAME:
		if (is_blank(c) || c == '>' || c == '/')
			return between(x, c);
		return append(x->name, &x->n, sizeof x->name, c);
	case BETWEEN:
		return between(x, c);
	case ATTR:
		if (c != '=')
			return is_blank(c) ? 0
					   : append(x->attr[x->nattrs].name, &x->n, XML_NAME, c);
		x->state = EQUALS;
		return 0;
	case EQUALS:
		if (is_blank(c))
			return 0;
		x->quote = c;
		x->n = 0;
		x->state = VALUE;
		return c == '"' || c == '\'' ? 0 : bad();
	case VALUE:
		return value(x, c);
	case CLOSING:
		if (c != '>')
			return is_blank(c) ? 0 : append(x->name, &x->n, sizeof x->name, c);
		return closed(x, x->name);
	case EMPTY:
		if (c != '>' || opened(x) < 0)
			return bad();
		return closed(x, x->name);
	default: /* SKIP: <?xml ...?>, <!-- --> */
		if (c == '>')
			x->state = TEXT;
		return 0;
	}
}

int xml_feed(struct xml *x, const char *data, size_t n)
{
	for (size_t i = 0; i < n;) {
		if (x->state != TEXT) {
			if (take(x, data[i++]) < 0)
				return -1;
			continue;
		}
		/* Text goes on as a whole, up to the next tag or entity. */
		size_t k = i;
		while (k < n && data[k] != '<' && data[k] != '&' && x->entity[0] != '&')
			k++;
		if (k > i && x->depth > 0)
			x->calls->text(x->ctx, data + i, k - i);
		i = k;
		if (i == n)
			break;
		char out, c = data[i++];
		if (c == '<' && x->entity[0] != '&') {
			x->state = TAG;
			continue;
		}
		int got = resolve(x, c, &out);
		if (got < 0)
			return -1;
		if (got > 0 && x->depth > 0)
			x->calls->text(x->ctx, &out, 1);
	}
	return 0;
}
