/* pkt.c - datagrams: headers typed from RFC 791, 8200 and 768 */
#include "stream/pkt.h"

#include "tap.h"

/* 127.0.0.5:1000 -> 127.0.0.1:2009, "hi!" */
static const uint8_t v4[] = "\x45\0\0\x1f\0\0\x40\0\x40\x11\x3c\xc8\x7f\0\0\x05\x7f\0\0\x01"
			    "\x03\xe8\x07\xd9\0\x0b\0\0hi!";
/* [::1]:1 -> [::2]:2, "hi!" */
static const uint8_t v6[] = "\x60\0\0\0\0\x0b\x11\x40"
			    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02"
			    "\0\x01\0\x02\0\x0b\x76\x69"
			    "hi!";

static enum pkt_verdict decode(int link, const void *bytes, size_t n, struct pkt *p)
{
	struct cap_record r = {
	    .link = link, .caplen = (uint32_t)n, .origlen = (uint32_t)n, .data = bytes};
	return pkt_decode(&r, p);
}

int main(void)
{
	struct pkt p;
	uint8_t frame[128], head[PKT_HEAD_MAX];
	char text[PKT_TEXT];
	int bad = 0;

	is_int(decode(CAP_LINK_RAW, v4, sizeof v4 - 1, &p), PKT_OK, "a v4 datagram");
	is_str(pkt_text(&p.src, text), "127.0.0.5:1000", "its source");
	is_str(pkt_text(&p.dst, text), "127.0.0.1:2009", "its destination");
	ok(p.len == 3 && memcmp(p.data, "hi!", 3) == 0, "its payload");
	is_int(pkt_headers(head, &p.src, &p.dst, p.data, p.len), PKT_HEAD4, "v4 headers are made");
	ok(memcmp(head, v4, PKT_HEAD4) == 0, "and are the same, checksum included");

	is_int(decode(CAP_LINK_RAW, v6, sizeof v6 - 1, &p), PKT_OK, "a v6 datagram");
	is_str(pkt_text(&p.dst, text), "[::2]:2", "its destination");
	is_int(
	    pkt_headers(head, &p.src, &p.dst, p.data, p.len), PKT_HEAD_MAX, "v6 headers are made");
	ok(memcmp(head, v6, PKT_HEAD_MAX) == 0, "and are the same, checksum included");

	memset(frame, 0, sizeof frame);
	memcpy(frame + 12, "\x81\0\0\x07\x08\0", 6);
	memcpy(frame + 18, v4, sizeof v4 - 1);
	is_int(decode(CAP_LINK_ETHERNET, frame, 60, &p), PKT_OK,
	    "Ethernet with a VLAN tag and padding");
	is_int(p.len, 3, "the padding is no payload");
	memcpy(frame + 14, "\x08\0", 2);
	memcpy(frame + 16, v4, sizeof v4 - 1);
	is_int(decode(CAP_LINK_SLL, frame, 47, &p), PKT_OK, "Linux cooked capture");
	is_int(decode(CAP_LINK_SLL, frame, 40, &p), PKT_TRUNCATED, "captured short");
	memcpy(frame, v4, sizeof v4 - 1);
	frame[9] = 6;
	is_int(decode(CAP_LINK_RAW, frame, 31, &p), PKT_NOT_UDP, "TCP is not UDP");
	frame[9] = 17;
	frame[6] = 0x20;
	is_int(decode(CAP_LINK_RAW, frame, 31, &p), PKT_FRAGMENT, "a fragment is told");
	is_int(decode(999, frame, 31, &p), PKT_NOT_IP, "an unknown link type");

	for (size_t n = 0; n < sizeof v4 - 1; n++)
		bad += decode(CAP_LINK_RAW, v4, n, &p) == PKT_OK;
	for (size_t n = 0; n < sizeof v6 - 1; n++)
		bad += decode(CAP_LINK_RAW, v6, n, &p) == PKT_OK;
	is_int(bad, 0, "cut at every byte: never a datagram");
	return done_testing();
}
