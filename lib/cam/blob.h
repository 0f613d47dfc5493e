/*
 * blob.h - an image that comes as a FITS file in base64, piece by piece, into pixels
 */
#ifndef FYKE_BLOB_H
#define FYKE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOB_CARDS 3600 /* of a header, at most */

struct blob {
	uint16_t *pixels; /* room for `room` of them, the owner's */
	size_t room, n;   /* room: for the whole detector; n: pixels so far */
	int width, height, bitpix, naxis;
	double bzero;
	bool bad;        /* not an image of 8 or 16 bits, in colours, or larger than its room */
	const char *why; /* why bad */
	/* private */
	uint32_t bits;
	int nbits, ncards;
	bool in_data, ended;
	size_t at; /* bytes of the file so far */
	char card[80];
	uint8_t half;
};

/* Begins a new one. */
void blob_begin(struct blob *b, uint16_t *pixels, size_t room);

/* A piece of base64; blanks and newlines are skipped. */
void blob_feed(struct blob *b, const char *text, size_t n);

/* Whether it is a whole image now. */
bool blob_whole(const struct blob *b);

#endif
