/* pkt.c - datagrams: IP and UDP headers taken off a captured record, or put on a payload */
#include "pkt.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/wire.h"

enum { ETHER_IPV4 = 0x0800, ETHER_IPV6 = 0x86dd, ETHER_VLAN = 0x8100, ETHER_QINQ = 0x88a8 };
enum { PROTO_UDP = 17, PROTO_FRAGMENT = 44, DONT_FRAGMENT = 0x4000, FRAGMENT_BITS = 0x3fff };
enum { TTL = 64 };

/* RFC 791, 3.1 */
struct ip4 {
	uint8_t version_ihl, tos;
	u16be length, id, fragment;
	uint8_t ttl, protocol;
	u16be checksum;
	uint8_t src[4], dst[4];
};
static_assert(sizeof(struct ip4) == 20, "RFC 791");

/* RFC 8200, 3 */
struct ip6 {
	u32be version_class_flow;
	u16be length;
	uint8_t next, hops;
	uint8_t src[16], dst[16];
};
static_assert(sizeof(struct ip6) == 40, "RFC 8200");

/* RFC 768 */
struct udp {
	u16be sport, dport, length, checksum;
};
static_assert(sizeof(struct udp) == 8, "RFC 768");
static_assert(PKT_HEAD4 == sizeof(struct ip4) + sizeof(struct udp), "room for v4 headers");
static_assert(PKT_HEAD_MAX == sizeof(struct ip6) + sizeof(struct udp), "room for v6 headers");

static const char *const verdict_text[PKT_VERDICTS] = {
    [PKT_OK] = "good",
    [PKT_NOT_IP] = "not IP",
    [PKT_NOT_UDP] = "not UDP",
    [PKT_FRAGMENT] = "IP fragment",
    [PKT_TRUNCATED] = "truncated",
};

const char *pkt_verdict_text(enum pkt_verdict v)
{
	return verdict_text[v];
}

/* ---- off ---- */

static enum pkt_verdict decode_udp(const uint8_t *d, size_t n, struct pkt *p)
{
	const struct udp *u = (const struct udp *)d;

	if (n < sizeof *u)
		return PKT_TRUNCATED;
	size_t len = wire_get(u->length);
	if (len < sizeof *u || len > n)
		return PKT_TRUNCATED;
	p->src.port = wire_get(u->sport);
	p->dst.port = wire_get(u->dport);
	p->data = d + sizeof *u;
	p->len = len - sizeof *u;
	return PKT_OK;
}

static enum pkt_verdict decode_ip4(const uint8_t *d, size_t n, struct pkt *p)
{
	const struct ip4 *ip = (const struct ip4 *)d;

	if (n < sizeof *ip)
		return PKT_TRUNCATED;
	size_t head = (ip->version_ihl & 15u) * 4, len = wire_get(ip->length);
	if (head < sizeof *ip)
		return PKT_NOT_IP;
	if (ip->protocol != PROTO_UDP)
		return PKT_NOT_UDP;
	if (wire_get(ip->fragment) & FRAGMENT_BITS)
		return PKT_FRAGMENT;
	if (len < head || len > n)
		return PKT_TRUNCATED;
	p->src.family = p->dst.family = 4;
	memcpy(p->src.addr, ip->src, 4);
	memcpy(p->dst.addr, ip->dst, 4);
	return decode_udp(d + head, len - head, p);
}

static enum pkt_verdict decode_ip6(const uint8_t *d, size_t n, struct pkt *p)
{
	const struct ip6 *ip = (const struct ip6 *)d;

	if (n < sizeof *ip)
		return PKT_TRUNCATED;
	if (ip->next == PROTO_FRAGMENT)
		return PKT_FRAGMENT;
	if (ip->next != PROTO_UDP) /* a detector sends no extension headers */
		return PKT_NOT_UDP;
	size_t len = wire_get(ip->length);
	if (len > n - sizeof *ip)
		return PKT_TRUNCATED;
	p->src.family = p->dst.family = 6;
	memcpy(p->src.addr, ip->src, 16);
	memcpy(p->dst.addr, ip->dst, 16);
	return decode_udp(d + sizeof *ip, len, p);
}

static enum pkt_verdict decode_ip(const uint8_t *d, size_t n, struct pkt *p)
{
	if (n == 0)
		return PKT_TRUNCATED;
	switch (d[0] >> 4) {
	case 4:
		return decode_ip4(d, n, p);
	case 6:
		return decode_ip6(d, n, p);
	}
	return PKT_NOT_IP;
}

/* After a link header of `head` bytes whose ethertype stands at `type`. */
static enum pkt_verdict decode_ether(
    const uint8_t *d, size_t n, size_t type, size_t head, struct pkt *p)
{
	for (;;) {
		if (n < head || n < type + 2)
			return PKT_TRUNCATED;
		switch (wire_get(*(const u16be *)(d + type))) {
		case ETHER_IPV4:
		case ETHER_IPV6:
			return decode_ip(d + head, n - head, p);
		case ETHER_VLAN:
		case ETHER_QINQ:
			type = head + 2;
			head += 4;
			continue;
		}
		return PKT_NOT_IP;
	}
}

enum pkt_verdict pkt_decode(const struct cap_record *r, struct pkt *p)
{
	p->time = r->time;
	p->dropped = r->dropped;
	switch (r->link) {
	case CAP_LINK_RAW:
	case CAP_LINK_IPV4:
	case CAP_LINK_IPV6:
		return decode_ip(r->data, r->caplen, p);
	case CAP_LINK_ETHERNET:
		return decode_ether(r->data, r->caplen, 12, 14, p);
	case CAP_LINK_SLL:
		return decode_ether(r->data, r->caplen, 14, 16, p);
	case CAP_LINK_SLL2:
		return decode_ether(r->data, r->caplen, 0, 20, p);
	}
	return PKT_NOT_IP;
}

/* ---- on ---- */

/* The ones' complement sum of RFC 1071, not yet folded or inverted. */
static uint64_t sum16(const uint8_t *p, size_t n, uint64_t sum)
{
	for (; n >= 2; p += 2, n -= 2)
		sum += wire_get(*(const u16be *)p);
	return n ? sum + ((uint64_t)*p << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static struct udp *put_udp(
    uint8_t *at, const struct pkt_addr *src, const struct pkt_addr *dst, size_t len)
{
	struct udp *u = (struct udp *)at;
	wire_put(&u->sport, src->port);
	wire_put(&u->dport, dst->port);
	wire_put(&u->length, (uint16_t)(sizeof *u + len));
	wire_put(&u->checksum, 0);
	return u;
}

static void headers6(uint8_t *head, const struct pkt_addr *src, const struct pkt_addr *dst,
    const uint8_t *payload, size_t len)
{
	struct ip6 *ip = (struct ip6 *)head;

	wire_put(&ip->version_class_flow, UINT32_C(6) << 28);
	wire_put(&ip->length, (uint16_t)(sizeof(struct udp) + len));
	ip->next = PROTO_UDP;
	ip->hops = TTL;
	memcpy(ip->src, src->addr, 16);
	memcpy(ip->dst, dst->addr, 16);
	struct udp *u = put_udp(head + sizeof *ip, src, dst, len);
	/* Over v6 the checksum is not optional. */
	uint64_t sum = sum16(ip->src, 32, sizeof *u + len + PROTO_UDP);
	uint16_t c = fold(sum16(payload, len, sum16((const uint8_t *)u, sizeof *u, sum)));
	wire_put(&u->checksum, c ? c : 0xffff);
}

size_t pkt_headers(uint8_t *head, const struct pkt_addr *src, const struct pkt_addr *dst,
    const uint8_t *payload, size_t len)
{
	if (src->family == 6) {
		headers6(head, src, dst, payload, len);
		return sizeof(struct ip6) + sizeof(struct udp);
	}
	struct ip4 *ip = (struct ip4 *)head;
	*ip = (struct ip4){.version_ihl = 0x45, .ttl = TTL, .protocol = PROTO_UDP};
	wire_put(&ip->length, (uint16_t)(sizeof *ip + sizeof(struct udp) + len));
	wire_put(&ip->fragment, DONT_FRAGMENT);
	memcpy(ip->src, src->addr, 4);
	memcpy(ip->dst, dst->addr, 4);
	wire_put(&ip->checksum, fold(sum16(head, sizeof *ip, 0)));
	put_udp(head + sizeof *ip, src, dst, len);
	return PKT_HEAD4;
}

/* ---- text ---- */

char *pkt_text_addr(const struct pkt_addr *a, char buf[PKT_TEXT])
{
	if (!inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->addr, buf, PKT_TEXT))
		buf[0] = '\0';
	return buf;
}

char *pkt_text(const struct pkt_addr *a, char buf[PKT_TEXT])
{
	char addr[PKT_TEXT];
	bool six = a->family == 6;

	pkt_text_addr(a, addr);
	snprintf(buf, PKT_TEXT, "%s%.50s%s:%u", six ? "[" : "", addr, six ? "]" : "", a->port);
	return buf;
}

bool pkt_same_host(const struct pkt_addr *a, const struct pkt_addr *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

int pkt_parse_addr(const char *text, struct pkt_addr *a)
{
	*a = (struct pkt_addr){.family = strchr(text, ':') ? 6 : 4};
	return inet_pton(a->family == 6 ? AF_INET6 : AF_INET, text, a->addr) == 1 ? 0 : -1;
}
