/* blob.c - an image that comes as a FITS file in base64, piece by piece, into pixels */
#include "cam/blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CARD  80
#define BLOCK 2880

void blob_begin(struct blob *b, uint16_t *pixels, size_t room)
{
	memset(b, 0, sizeof *b);
	b->pixels = pixels;
	b->room = room;
}

static void fail(struct blob *b, const char *why)
{
	b->bad = true;
	b->why = why;
}

/* The number of a card. */
static double number(const char card[CARD])
{
	char text[CARD - 9];

	memcpy(text, card + 10, sizeof text - 1);
	text[sizeof text - 1] = '\0';
	return strtod(text, NULL);
}

static bool is_key(const char card[CARD], const char *key)
{
	char padded[9];

	snprintf(padded, sizeof padded, "%-8s", key);
	return memcmp(card, padded, 8) == 0;
}

static int axis(double v)
{
	return v >= 1 && v <= 65535 ? (int)v : 0;
}

static void take_card(struct blob *b)
{
	const char *c = b->card;

	if (b->ncards == 0 && !is_key(c, "SIMPLE"))
		fail(b, "it is no FITS file");
	if (++b->ncards > BLOB_CARDS)
		fail(b, "its header has no end");
	if (is_key(c, "BITPIX"))
		b->bitpix = (int)number(c);
	else if (is_key(c, "NAXIS"))
		b->naxis = (int)number(c);
	else if (is_key(c, "NAXIS1"))
		b->width = axis(number(c));
	else if (is_key(c, "NAXIS2"))
		b->height = axis(number(c));
	else if (is_key(c, "BZERO"))
		b->bzero = number(c);
	else if (is_key(c, "END"))
		b->ended = true;
}

static void check_header(struct blob *b)
{
	b->in_data = true;
	if ((b->bitpix != 16 && b->bitpix != 8) || b->bzero < 0 || b->bzero > 65535)
		fail(b, "its pixels have neither 8 nor 16 bits");
	else if (b->naxis > 2)
		fail(b, "it is in colours: set the driver to monochrome");
	else if (b->width < 1 || b->height < 1)
		fail(b, "it has no axes");
	else if ((size_t)b->width * (size_t)b->height > b->room)
		fail(b, "it is larger than the detector");
}

static void byte(struct blob *b, uint8_t c)
{
	size_t at = b->at++;

	if (b->in_data) {
		if (b->n == (size_t)b->width * (size_t)b->height)
			return; /* the padding of the last block */
		if (b->bitpix == 16 && at % 2 == 0) {
			b->half = c;
			return;
		}
		int v = (b->bitpix == 16 ? (int16_t)((b->half << 8) | c) : c) + (int)b->bzero;
		b->pixels[b->n++] = (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
		return;
	}
	b->card[at % CARD] = (char)c;
	if (at % CARD == CARD - 1 && !b->ended)
		take_card(b);
	if (b->ended && (at + 1) % BLOCK == 0 && !b->bad)
		check_header(b);
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void blob_feed(struct blob *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n && !b->bad; i++) {
		int d = digit(text[i]);
		if (d < 0)
			continue;
		b->bits = (b->bits << 6) | (uint32_t)d;
		b->nbits += 6;
		if (b->nbits >= 8) {
			b->nbits -= 8;
			byte(b, (uint8_t)(b->bits >> b->nbits));
		}
	}
}

bool blob_whole(const struct blob *b)
{
	return !b->bad && b->in_data && b->n == (size_t)b->width * (size_t)b->height;
}
