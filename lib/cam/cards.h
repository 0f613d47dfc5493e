/*
 * cards.h - FITS keywords from a text file: of the site, or of the telescope at this moment
 *
 *	TELESCOP= 'NOT     '           / comment
 *	RA      = 83.633               / degrees
 *	GUIDING = T
 *
 * A value is text in single quotes ('' is one), a number, T or F. Empty lines and lines that begin
 * with # are left out. What is not understood is left out and told: it never costs pixels.
 */
#ifndef FYKE_CARDS_H
#define FYKE_CARDS_H

#include <stdint.h>
#include <stddef.h>

#define CARDS_MAX  128
#define CARDS_WHY  256
#define CARDS_FILE 65536

struct cards {
	int n;
	struct card_line {
		char key[9], value[72], comment[48]; /* value as FITS writes it: 'text', 1.5, T */
	} card[CARDS_MAX];
};

/* Reads text. How many lines were left out; why tells of the first. */
int cards_parse(const char *text, size_t n, struct cards *c, char why[CARDS_WHY]);

/* Reads a file that is not older than age ns (0: any age) at the time now. 0 good, 1 read, but it
 * is stale or has lines that were left out, -1 not read: why. */
int cards_read(const char *path, int64_t age, int64_t now, struct cards *c, char why[CARDS_WHY]);

#endif
