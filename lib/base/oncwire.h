/*
 * oncwire.h - ONC RPC written out by hand, for simulators: what a server hears and says
 *
 * Nothing is shared with libtirpc or onc.h, which are tested against it. Source: RFC 5531 (RPC,
 * record marking), RFC 1833 (portmapper, version 2).
 */
#ifndef FYKE_ONCWIRE_H
#define FYKE_ONCWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ONCWIRE_MARK 4 /* bytes of the record mark on TCP */

/* ---- hearing ---- */

struct oncwire { /* words still to be read */
	const uint8_t *p;
	size_t left;
	bool bad; /* there were fewer */
};
uint32_t oncwire_word(struct oncwire *w);

/* Bytes with their length before and padding to 4 behind; NULL with w->bad. */
const uint8_t *oncwire_counted(struct oncwire *w, uint32_t *n);

struct oncwire_call {
	uint32_t xid, program, version, procedure;
};

/* The head of a call without its record mark; its arguments stay in w. -1: it is none. */
int oncwire_call(struct oncwire *w, struct oncwire_call *c);

/* ---- saying ---- */

void oncwire_put(uint8_t *to, uint32_t v);

/* A reply with its record mark: accepted, with a status (0 success, 1 no such program, 2 another
 * version, 3 no such procedure), then words, then bytes. *size is its length with the mark; the
 * caller frees it. NULL: out of memory. */
enum { ONCWIRE_SUCCESS, ONCWIRE_NO_PROGRAM, ONCWIRE_MISMATCH, ONCWIRE_NO_PROCEDURE };
uint8_t *oncwire_reply(uint32_t xid, uint32_t status, const uint32_t *result, size_t n,
    const void *bytes, size_t nbytes, size_t *size);

/* ---- a portmapper ---- */

#define ONCWIRE_PORTMAPPER 100000

struct oncwire_port {
	uint32_t program, version, protocol, port;
};

/* Answers a call of the portmapper (program ONCWIRE_PORTMAPPER). As oncwire_reply(). */
uint8_t *oncwire_mapper(const struct oncwire_call *c, struct oncwire *args,
    const struct oncwire_port *ports, size_t nports, size_t *size);

#endif
