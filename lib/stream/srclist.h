/*
 * srclist.h - lists of sources as people write them: 0-7,9 or 192.168.40.71,192.168.40.72
 */
#ifndef FYKE_SRCLIST_H
#define FYKE_SRCLIST_H

#include <stddef.h>
#include <stdint.h>

#include "card.h"

#define SRCLIST_WHY 256

struct srclist {
	uint8_t expected[CARD_SOURCES];        /* flags */
	struct pkt_addr address[CARD_SOURCES]; /* when addresses were listed: of sources 0, 1 ... */
	unsigned naddress;
};

/* Reads numbers and ranges below nsrc, or at most nsrc different addresses, joined by commas. 0, or -1 with
 * the reason in why. */
int srclist_parse(const char *text, unsigned nsrc, struct srclist *l, char why[SRCLIST_WHY]);

/* The set flags among n as "0-7,9", cut to fit. Returns buf. */
char *srclist_text(const uint8_t *flags, unsigned n, char *buf, size_t size);

#endif
