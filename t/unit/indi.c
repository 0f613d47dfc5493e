/* indi.c - XML and images of INDI servers, as bytes typed from the protocol's description */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cam/blob.h"
#include "cam/xml.h"
#include "tap.h"

static char log_text[4096];

static void add(const char *a, const char *b, size_t n)
{
	size_t k = strlen(log_text);
	snprintf(log_text + k, sizeof log_text - k, "%s%.*s", a, (int)n, b);
}

static void begin(void *ctx, const char *name, const struct xml_attr *attr, int n)
{
	(void)ctx;
	add("<", name, strlen(name));
	for (int i = 0; i < n; i++) {
		add(" ", attr[i].name, strlen(attr[i].name));
		add("=", attr[i].value, strlen(attr[i].value));
	}
	add(">", "", 0);
}

static void text(void *ctx, const char *t, size_t n)
{
	(void)ctx;
	add("", t, n);
}

static void end(void *ctx, const char *name)
{
	(void)ctx;
	add("</", name, strlen(name));
}

static const struct xml_calls calls = {begin, text, end};

/* The whole text in pieces of every size. */
static void is_read(const char *xml, const char *want, const char *words)
{
	struct xml x;
	size_t n = strlen(xml);
	bool same = true;

	for (size_t step = 1; step <= n; step++) {
		log_text[0] = '\0';
		xml_begin(&x, &calls, NULL);
		for (size_t at = 0; at < n; at += step)
			if (xml_feed(&x, xml + at, n - at < step ? n - at : step) < 0)
				add("!", "", 0);
		same = same && strcmp(log_text, want) == 0;
		if (!same)
			break;
	}
	ok(same, words);
	if (!same)
		printf("# %s\n", log_text);
}

static int feed(const char *xml)
{
	struct xml x;

	xml_begin(&x, &calls, NULL);
	log_text[0] = '\0';
	return xml_feed(&x, xml, strlen(xml));
}

/* 36 cards in base64, 3,840 characters of it. */
static size_t header64(const char *const *cards, size_t n, char *code)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char head[2881];
	size_t k = 0;

	memset(head, ' ', sizeof head);
	for (size_t i = 0; i < n; i++)
		memcpy(head + i * 80, cards[i], strlen(cards[i]));
	for (size_t i = 0; i < 2880; i += 3) {
		unsigned v = (unsigned)(unsigned char)head[i] << 16 |
		    (unsigned)(unsigned char)head[i + 1] << 8 | (unsigned char)head[i + 2];
		code[k++] = digits[v >> 18];
		code[k++] = digits[v >> 12 & 63];
		code[k++] = digits[v >> 6 & 63];
		code[k++] = digits[v & 63];
	}
	return k;
}

static void images(void)
{
	/* 2 x 2 pixels -32768, -32767, 0, 32767, all typed; base64 by hand of 80 00 80 01 00 00 7f
	 * ff, and of 00 01 80 ff. */
	static const char pixels64[] = "gACAAQAAf/8=", bytes64[] = "AAGA/w==";
	static const char *cards[] = {"SIMPLE  =                    T",
	    "BITPIX  =                   16", "NAXIS   =                    2",
	    "NAXIS1  =                    2", "NAXIS2  =                    2",
	    "BZERO   =                32768", "BSCALE  =                    1", "END"};
	const size_t ncards = sizeof cards / sizeof *cards;
	char code[4000];
	uint16_t px[4];
	struct blob b;
	size_t k = header64(cards, ncards, code);

	blob_begin(&b, px, 4);
	for (size_t i = 0; i < k; i += 7)
		blob_feed(&b, code + i, k - i < 7 ? k - i : 7);
	ok(!blob_whole(&b), "a header is no image");
	blob_feed(&b, "\n", 1);
	blob_feed(&b, pixels64, strlen(pixels64));
	ok(blob_whole(&b), "an image");
	ok(px[0] == 0 && px[1] == 1 && px[2] == 32768 && px[3] == 65535, "its pixels");
	blob_begin(&b, px, 3);
	blob_feed(&b, code, k);
	ok(b.bad, "one that is larger than the room is refused");
	blob_begin(&b, px, 4);
	blob_feed(&b, pixels64, strlen(pixels64));
	for (int i = 0; i < 10; i++)
		blob_feed(&b, "AAAAAAAAAAAA", 12);
	ok(b.bad, "what is no FITS is refused");

	cards[1] = "BITPIX  =                    8";
	cards[5] = "BZERO   =                    0";
	k = header64(cards, ncards, code);
	blob_begin(&b, px, 4);
	blob_feed(&b, code, k);
	blob_feed(&b, bytes64, strlen(bytes64));
	ok(blob_whole(&b) && px[0] == 0 && px[1] == 1 && px[2] == 128 && px[3] == 255,
	    "one of 8 bits, as webcams have");
	cards[2] = "NAXIS   =                    3";
	k = header64(cards, ncards, code);
	blob_begin(&b, px, 4);
	blob_feed(&b, code, k);
	ok(b.bad, "one in colours is refused: its first colour is not the image");
}

int main(void)
{
	is_read(
	    "<?xml version='1.0'?>\n<setNumberVector device=\"CCD Simulator\" name='CCD_EXPOSURE' "
	    "state=\"Busy\">\n"
	    "    <oneNumber name=\"CCD_EXPOSURE_VALUE\">\n1.5\n    </oneNumber></setNumberVector>",
	    "<setNumberVector device=CCD Simulator name=CCD_EXPOSURE state=Busy>\n    "
	    "<oneNumber name=CCD_EXPOSURE_VALUE>\n1.5\n    </oneNumber</setNumberVector",
	    "a vector, in pieces of every size");
	is_read("<a x='1 &lt; 2 &amp;&quot;'/><b>&gt;&apos;</b>", "<a x=1 < 2 &\"></a<b>>'</b",
	    "entities, an empty element");
	is_read("<!-- no --><a>t</a>", "<a>t</a", "a comment");
	is_int(feed("<a></b>"), -1, "what does not match is refused");
	is_int(feed("</a>"), -1, "an end without a beginning");
	is_int(feed("<a><a><a><a><a><a><a><a><a>"), -1, "too deep");
	is_int(feed("<a x=1>"), -1, "a value without quotes");
	is_int(feed("<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>"),
	    -1, "a name too long");
	images();
	return done_testing();
}
