/*
 * pkt.h - datagrams: IP and UDP headers taken off a captured record, or put on a payload
 *
 * Sources: RFC 768 (UDP), RFC 791 (IPv4), RFC 8200 (IPv6); link types as in cap.h, 802.1Q tags
 * are stepped over. A record is never read beyond its caplen.
 */
#ifndef FYKE_PKT_H
#define FYKE_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cap.h"

struct pkt_addr {
	uint8_t family; /* 4 or 6 */
	uint16_t port;
	uint8_t addr[16]; /* network order, the first 4 bytes for IPv4 */
};

struct pkt {
	int64_t time; /* arrival, UTC ns */
	struct pkt_addr src, dst;
	const uint8_t *data; /* the payload, inside the record */
	size_t len;          /* its bytes, all there */
	uint64_t dropped;    /* lost just before it */
};

/* Why a record is no usable datagram. */
enum pkt_verdict {
	PKT_OK = 0,
	PKT_NOT_IP, /* another protocol on the wire, or a link type we do not know */
	PKT_NOT_UDP,
	PKT_FRAGMENT,  /* a piece of a datagram: only reassembly would help */
	PKT_TRUNCATED, /* captured short: caplen < origlen, or the headers say more than is there */
	PKT_VERDICTS
};
enum pkt_verdict pkt_decode(const struct cap_record *r, struct pkt *p);
const char *pkt_verdict_text(enum pkt_verdict v); /* "not UDP" */

/* IP and UDP headers for len bytes of payload into head (28 bytes for v4, 48 for v6: the return
 * value). payload is read for the v6 checksum only; v4 has none. */
#define PKT_HEAD_MAX 48
#define PKT_HEAD4    28
size_t pkt_headers(uint8_t *head, const struct pkt_addr *src, const struct pkt_addr *dst,
    const uint8_t *payload, size_t len);

#define PKT_TEXT 64
char *pkt_text(const struct pkt_addr *a, char buf[PKT_TEXT]);      /* 192.0.2.1:2009, [::1]:2009 */
char *pkt_text_addr(const struct pkt_addr *a, char buf[PKT_TEXT]); /* without the port */
bool pkt_same_host(const struct pkt_addr *a, const struct pkt_addr *b);
/* Reads an address without port; 0, or -1. */
int pkt_parse_addr(const char *text, struct pkt_addr *a);

#endif
