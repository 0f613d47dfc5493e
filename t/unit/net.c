/*
 * net.c - addresses and networks as people write them, and what a socket tells
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tap.h"
#include "base/net.h"

static char why[NET_WHY];

/* host|port|iface of an address, or "refused". */
static const char *parsed(const char *text)
{
	static char buf[600];
	struct net_spec s;

	if (net_parse(text, NET_UDP, &s, why) < 0)
		return "refused";
	snprintf(buf, sizeof buf, "%d %s|%s|%s%s", s.kind, s.host, s.port, s.iface,
	    s.read_only ? ",ro" : "");
	return buf;
}

static void test_grammar(void)
{
	is_str(parsed("2009"), "0 |2009|", "a port alone");
	is_str(parsed("*:2009"), "0 |2009|", "a star is every address");
	is_str(parsed(":2009"), "0 |2009|", "so is nothing");
	is_str(parsed("192.0.2.1:2009"), "0 192.0.2.1|2009|", "an IPv4 address");
	is_str(parsed("udp:192.0.2.1:2009"), "0 192.0.2.1|2009|", "with its kind");
	is_str(parsed("[2001:db8::1]:2009"), "0 2001:db8::1|2009|", "an IPv6 address in brackets");
	is_str(parsed("[fe80::1%eth0]:2009"), "0 fe80::1|2009|eth0", "with its interface");
	is_str(parsed("239.1.2.3%eth1:2009"), "0 239.1.2.3|2009|eth1", "a group and an interface");
	is_str(parsed("tcp:host.lan:80,ro"), "1 host.lan|80|,ro", "read only");
	is_str(parsed("unix:/run/x.sock,ro"), "2 /run/x.sock||,ro", "a unix socket");
	is_str(parsed("serial:/dev/ttyUSB0"), "3 /dev/ttyUSB0||", "a serial line");
	static const char *const bad[] = {"", ":", "65536", "-1", "0x10", "20 09", "host",
	    "host:", "2001:db8::1:2009", "[::1]", "[]:2009", "[::1:2009", "host%:2009",
	    "unix:", "a%interface-name-too-long:1"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		is_str(parsed(bad[i]), "refused", bad[i]);
}

static const char *resolved(const char *text, bool passive)
{
	static char buf[8 * NET_TEXT];
	struct net_spec s;
	struct net_addr a[8];
	char one[NET_TEXT];

	buf[0] = 0;
	if (net_parse(text, NET_UDP, &s, why) < 0)
		return "refused";
	int n = net_resolve(&s, passive, a, 8, why);
	for (int i = 0; i < n; i++) {
		strcat(buf, i ? " " : "");
		strcat(buf, net_text(&a[i], one));
	}
	return n < 0 ? "none" : buf;
}

static void test_addresses(void)
{
	struct net_addr a[2];
	struct net_spec s;

	is_str(resolved("127.0.0.1:2009", true), "127.0.0.1:2009", "an address is itself");
	is_str(resolved("[::1]:2009", true), "[::1]:2009", "of IPv6 too");
	is_str(resolved("2009", true), "0.0.0.0:2009 [::]:2009", "every address is both kinds");
	is_str(resolved("[ff02::1%lo]:7", true), "[ff02::1%lo]:7", "a group with its interface");
	is_str(resolved("[ff02::1%nonsense]:7", true), "none", "no such interface");
	is_str(why, "nonsense: no such network interface", "is said");
	is_str(resolved("unix:/tmp/x", true), "unix:/tmp/x", "a unix socket");

	net_parse("224.0.0.1:1", NET_UDP, &s, why);
	net_resolve(&s, true, a, 2, why);
	ok(net_is_multicast(&a[0]) && !net_is_any(&a[0]), "224.0.0.1 is a group");
	net_parse("223.255.255.255:1", NET_UDP, &s, why);
	net_resolve(&s, true, a, 2, why);
	ok(!net_is_multicast(&a[0]), "223.255.255.255 is none");
	net_set_port(&a[0], 4711);
	is_int(net_port(&a[0]), 4711, "a port is set");
}

static bool inside(const char *network, const char *address)
{
	struct net_cidr c;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (net_cidr(network, &c, why) < 0)
		return false;
	if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
		return net_inside(&c, (const struct sockaddr *)&in);
	inet_pton(AF_INET6, address, &in6.sin6_addr);
	return net_inside(&c, (const struct sockaddr *)&in6);
}

static void test_networks(void)
{
	struct net_cidr c;

	ok(inside("192.168.10.0/24", "192.168.10.255"), "inside /24");
	ok(!inside("192.168.10.0/24", "192.168.11.0"), "outside /24");
	ok(inside("10.0.0.0/15", "10.1.255.255") && !inside("10.0.0.0/15", "10.2.0.0"), "/15");
	ok(inside("10.0.0.7/24", "10.0.0.1"), "the host's bits do not matter");
	ok(inside("127.0.0.1", "127.0.0.1") && !inside("127.0.0.1", "127.0.0.2"), "one address");
	ok(inside("0.0.0.0/0", "203.0.113.9"), "/0 is all of IPv4");
	ok(!inside("0.0.0.0/0", "::1"), "and nothing of IPv6");
	ok(inside("2001:db8::/33", "2001:db8:7fff::1"), "inside /33");
	ok(!inside("2001:db8::/33", "2001:db8:8000::1"), "outside /33");
	ok(!inside("::/0", "127.0.0.1"), "nor the other way round");
	static const char *const bad[] = {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
	    "10.0.0.0/ 8", "10.0.0.0/8x", "::/129", "host/8", "256.0.0.1"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		is_int(net_cidr(bad[i], &c, why), -1, bad[i]);
}

/* Charges measured on loopback by filling a socket and counting. */
static void test_charge(void)
{
	is_int(net_charge(0), 832, "the smallest");
	is_int(net_charge(144), 832, "144 bytes");
	is_int(net_charge(200), 1280, "200 bytes");
	is_int(net_charge(512), 1280, "512 bytes");
	is_int(net_charge(1000), 2304, "1000 bytes");
	is_int(net_charge(1472), 2304, "1472 bytes");
	is_int(net_charge(2100), 4352, "2100 bytes");
	is_int(net_charge(4096), 8448, "4096 bytes");
	is_int(net_charge(9000), 16640, "9000 bytes");
	is_int(net_charge(16416), 17416, "16416 bytes, of pages");
}

static void test_sockets(void)
{
	static struct net_sockets s, other;
	struct net_addr to;
	char data[1000] = "", text[64];

	is_int(net_udp_add(&s, "127.0.0.1:0", 8192, why), 0, "a socket");
	is_int(s.n, 1, "one for one address");
	ok(net_port(&s.at[0]) != 0, "has a port");
	is_int(s.granted, 16384, "the kernel doubles the buffer");
	snprintf(text, sizeof text, "127.0.0.1:%u", net_port(&s.at[0]));
	is_int(net_udp_add(&other, text, 8192, why), -1, "a port in use is refused");
	is_int(errno, EADDRINUSE, "as EADDRINUSE");
	ok(strstr(why, "another program receives on this port already") != NULL, "in words");
	is_int(net_udp_add(&other, "tcp:127.0.0.1:0", 8192, why), -1, "TCP is not UDP");
	is_int(errno, EINVAL, "but a mistake");

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	to = s.at[0];
	for (int i = 0; i < 50; i++)
		sendto(fd, data, sizeof data, 0, (struct sockaddr *)&to.ss, to.len);
	int received = 0;
	while (recv(s.fd[0], data, sizeof data, MSG_DONTWAIT) > 0)
		received++;
	ok(received > 0 && received < 50, "a small buffer overflows");
	is_int(received + net_drops(s.fd[0]), 50, "received and dropped are what was sent");
	close(fd);
	close(s.fd[0]);
}

int main(void)
{
	test_grammar();
	test_addresses();
	test_networks();
	test_charge();
	test_sockets();
	return done_testing();
}
