/* indi.c - any bytes as an INDI server's XML, with an image where text is; and as a keyword file */
#include <stdlib.h>
#include <string.h>

#include "cam/blob.h"
#include "cam/cards.h"
#include "cam/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct blob blob;

static void begin(void *ctx, const char *name, const struct xml_attr *attr, int n)
{
	(void)ctx;
	if (strlen(name) >= XML_NAME || strlen(xml_attr(attr, n, "name")) >= XML_VALUE)
		abort();
}

static void text(void *ctx, const char *piece, size_t n)
{
	(void)ctx;
	blob_feed(&blob, piece, n);
}

static void end(void *ctx, const char *name)
{
	(void)ctx, (void)name;
}

static const struct xml_calls calls = {begin, text, end};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct cards c;
	uint16_t *px = malloc(64 * sizeof *px);
	char why[CARDS_WHY];
	struct xml x;

	if (!px)
		abort();
	blob_begin(&blob, px, 64);
	xml_begin(&x, &calls, NULL);
	(void)xml_feed(&x, (const char *)data, n);
	blob_begin(&blob, px, 64);
	blob_feed(&blob, (const char *)data, n);
	if (blob_whole(&blob) && blob.n > 64)
		abort();
	(void)cards_parse((const char *)data, n, &c, why);
	free(px);
	return 0;
}
