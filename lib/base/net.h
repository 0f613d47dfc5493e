/*
 * net.h - addresses and UDP sockets (stream sockets: tcp.h, srv.h, dial.h)
 *
 * One grammar: unix:PATH | tcp:HOST:PORT | udp:HOST:PORT | serial:DEV; a bare HOST:PORT (or PORT,
 * or [V6]:PORT) is the program's usual kind. HOST may be followed by %INTERFACE, and is * or left
 * out for every address. Functions return 0 or a descriptor, and -1 with errno and the reason as
 * a sentence in why.
 */
#ifndef FYKE_NET_H
#define FYKE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NET_WHY  256
#define NET_TEXT 320 /* a buffer for an address as text */

enum net_kind { NET_UDP, NET_TCP, NET_UNIX, NET_SERIAL };

struct net_spec {
	enum net_kind kind;
	bool read_only; /* unix:PATH,ro and tcp:...,ro */
	char host[256]; /* path or device for NET_UNIX and NET_SERIAL; "" is every address */
	char port[16];
	char iface[16]; /* network interface, "" when none was named */
};
int net_parse(const char *text, enum net_kind usual, struct net_spec *spec, char why[NET_WHY]);

struct net_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* Addresses for spec, at most max, for binding (passive) or sending; IPv4 first where the host is
 * every address (passive) or this one. Returns how many. */
int net_resolve(
    const struct net_spec *spec, bool passive, struct net_addr *to, int max, char why[NET_WHY]);

/* "192.0.2.1:2009", "[2001:db8::1]:2009", "unix:PATH". Returns buf. */
char *net_text(const struct net_addr *a, char buf[NET_TEXT]);

/* The port of an IPv4 or IPv6 address, in host order. */
unsigned net_port(const struct net_addr *a);
void net_set_port(struct net_addr *a, unsigned port);
bool net_is_any(const struct net_addr *a);
bool net_is_multicast(const struct net_addr *a);

/* A network: ADDRESS[/BITS], v4 or v6. */
struct net_cidr {
	int family;
	int bits;
	uint8_t addr[16];
};
int net_cidr(const char *text, struct net_cidr *c, char why[NET_WHY]);
bool net_inside(const struct net_cidr *c, const struct sockaddr *from);

/* A receiving UDP socket: bound to at (a multicast group is joined, on iface when that is not ""),
 * with arrival times in ns (SO_TIMESTAMPNS), the count of drops (SO_RXQ_OVFL) and, where it is
 * bound to every address, the destination (IP_PKTINFO, IPV6_RECVPKTINFO) as ancillary data.
 * at->port 0 becomes the port that was given. IPv6 sockets take no IPv4. */
int net_udp_listen(struct net_addr *at, const char *iface, char why[NET_WHY]);

/* The sockets of a receiver. A listener that names no address has one for IPv4 and one for IPv6
 * (if there is IPv6), both on the same port. */
#define NET_SOCKETS 160
struct net_sockets {
	int n;
	int fd[NET_SOCKETS];
	struct net_addr at[NET_SOCKETS];
	int64_t granted; /* bytes of buffer that each was granted */
};

/* Adds the sockets for text ("2009", "192.0.2.1:2009", "239.1.2.3%eth1:2009"), asking for rcvbuf
 * bytes of buffer for each. -1 with EINVAL when text is wrong. */
int net_udp_add(struct net_sockets *s, const char *text, int64_t rcvbuf, char why[NET_WHY]);

/* Asks for a receive buffer of bytes (in the units of net.core.rmem_max, and beyond it where we
 * may). Returns what was granted as the kernel counts: it doubles the figure, and charges it with
 * its own cost per datagram (net_charge). */
int64_t net_rcvbuf(int fd, int64_t bytes);

/* What the kernel charges a receive buffer for a datagram of len bytes (measured on loopback; a
 * network card may charge more). */
int64_t net_charge(size_t len);

/* Datagrams that the kernel has dropped at this socket since it was made, modulo 2^32; -1 with
 * errno when it does not tell. */
int64_t net_drops(int fd);

#endif
