/*
 * xml.h - the XML that INDI servers speak, as it comes: elements, attributes, text in pieces
 *
 * No document, no line and no text is ever held whole: an image of gigabytes in one element costs
 * nothing. Depth, names and attributes are bounded; what exceeds them is an error (EPROTO).
 */
#ifndef FYKE_XML_H
#define FYKE_XML_H

#include <stddef.h>

#define XML_DEPTH 8
#define XML_NAME  64
#define XML_VALUE 512
#define XML_ATTRS 24

struct xml_attr {
	char name[XML_NAME], value[XML_VALUE];
};

struct xml_calls {
	void (*begin)(void *ctx, const char *name, const struct xml_attr *attr, int n);
	void (*text)(void *ctx, const char *text, size_t n); /* a piece of it */
	void (*end)(void *ctx, const char *name);
};

struct xml {
	const struct xml_calls *calls;
	void *ctx;
	int state, depth, nattrs;
	char open[XML_DEPTH][XML_NAME];
	size_t n, m; /* characters of the name, and of the entity, so far */
	char quote, name[XML_NAME], entity[8];
	struct xml_attr attr[XML_ATTRS];
};

void xml_begin(struct xml *x, const struct xml_calls *calls, void *ctx);

/* 0, or -1 with EPROTO. */
int xml_feed(struct xml *x, const char *data, size_t n);

/* The value of an attribute, or "". */
const char *xml_attr(const struct xml_attr *attr, int n, const char *name);

#endif
