/*
 * net.h - addresses and UDP sockets: the only place that knows sockets
 *
 * One grammar: unix:PATH | tcp:HOST:PORT | udp:HOST:PORT | serial:DEV; a bare HOST:PORT (or PORT,
 * or [V6]:PORT) is the program's usual kind. Functions return 0 or a descriptor, and -1 with
 * the reason as a sentence in why.
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
};
int net_parse(const char *text, enum net_kind usual, struct net_spec *spec, char why[NET_WHY]);

struct net_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* Addresses for spec, at most max, for binding (passive) or sending. Returns how many. */
int net_resolve(
    const struct net_spec *spec, bool passive, struct net_addr *to, int max, char why[NET_WHY]);

/* "192.0.2.1:2009", "[2001:db8::1]:2009", "unix:PATH". Returns buf. */
char *net_text(const struct net_addr *a, char buf[NET_TEXT]);

/* A network: ADDRESS[/BITS], v4 or v6. */
struct net_cidr {
	int family;
	int bits;
	uint8_t addr[16];
};
int net_cidr(const char *text, struct net_cidr *c, char why[NET_WHY]);
bool net_inside(const struct net_cidr *c, const struct sockaddr *from);

#endif
