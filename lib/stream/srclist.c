/* srclist.c - lists of sources as people write them */
#include "srclist.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(char *why, const char *item, size_t n, const char *reason)
{
	char text[64];

	snprintf(text, sizeof text, "%.*s", (int)(n < 60 ? n : 60), item);
	for (char *p = text; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	snprintf(why, SRCLIST_WHY, "'%s' %s", text, reason);
	return -1;
}

/* N or N-M in the n characters at item. 0, or -1. */
static int read_range(const char *item, size_t n, unsigned long *lo, unsigned long *hi)
{
	char *end;

	if (!isdigit((unsigned char)*item))
		return -1;
	*lo = *hi = strtoul(item, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		*hi = strtoul(end + 1, &end, 10);
	return end == item + n ? 0 : -1;
}

static int add_address(
    struct srclist *l, unsigned nsrc, const char *item, size_t n, char why[SRCLIST_WHY])
{
	char text[PKT_TEXT];
	struct pkt_addr a;

	if (n >= sizeof text || l->naddress == nsrc)
		return refuse(why, item, n, n < sizeof text ? "is one too many" : "is no address");
	snprintf(text, sizeof text, "%.*s", (int)n, item);
	if (pkt_parse_addr(text, &a) < 0)
		return refuse(why, item, n, "is no address");
	for (unsigned i = 0; i < l->naddress; i++)
		if (pkt_same_host(&l->address[i], &a))
			return refuse(why, item, n, "is given twice");
	l->address[l->naddress] = a;
	l->expected[l->naddress++] = 1;
	return 0;
}

static int add_numbers(
    struct srclist *l, unsigned nsrc, const char *item, size_t n, char why[SRCLIST_WHY])
{
	unsigned long lo, hi;
	char reason[96];

	if (read_range(item, n, &lo, &hi) < 0)
		return refuse(
		    why, item, n, "is neither a number, nor a range like 0-7, nor an address");
	snprintf(reason, sizeof reason, "is outside the card's sources, 0 to %u", nsrc - 1);
	if (lo > hi || hi >= nsrc)
		return refuse(why, item, n, lo > hi ? "is a range that goes down" : reason);
	memset(l->expected + lo, 1, hi - lo + 1);
	return 0;
}

int srclist_parse(const char *text, unsigned nsrc, struct srclist *l, char why[SRCLIST_WHY])
{
	bool addresses = strpbrk(text, ".:") != NULL;

	memset(l, 0, sizeof *l);
	for (const char *item = text;; item++) {
		size_t n = strcspn(item, ",");
		if ((addresses ? add_address : add_numbers)(l, nsrc, item, n, why) < 0)
			return -1;
		item += n;
		if (!*item)
			return 0;
	}
}

char *srclist_text(const uint8_t *flags, unsigned n, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (unsigned lo = 0, hi; lo < n && used < size; lo = hi + 1) {
		hi = lo;
		if (!flags[lo])
			continue;
		while (hi + 1 < n && flags[hi + 1])
			hi++;
		const char *comma = used ? "," : "";
		int k = lo == hi ? snprintf(buf + used, size - used, "%s%u", comma, lo)
				 : snprintf(buf + used, size - used, "%s%u-%u", comma, lo, hi);
		used += (size_t)k;
	}
	return buf;
}
