/* oncwire.c - ONC RPC written out by hand, for simulators */
#include "oncwire.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 24 /* bytes of an accepted reply before its result */

uint32_t oncwire_word(struct oncwire *w)
{
	if (w->left < 4) {
		w->bad = true;
		return 0;
	}
	uint32_t v =
	    (uint32_t)w->p[0] << 24 | (uint32_t)w->p[1] << 16 | (uint32_t)w->p[2] << 8 | w->p[3];
	w->p += 4;
	w->left -= 4;
	return v;
}

const uint8_t *oncwire_counted(struct oncwire *w, uint32_t *n)
{
	*n = oncwire_word(w);
	if (w->bad || *n > w->left || ((size_t)*n + 3) / 4 * 4 > w->left) {
		w->bad = true;
		*n = 0;
		return NULL;
	}
	const uint8_t *p = w->p;
	size_t padded = ((size_t)*n + 3) / 4 * 4;
	w->p += padded;
	w->left -= padded;
	return p;
}

int oncwire_call(struct oncwire *w, struct oncwire_call *c)
{
	uint32_t skip;

	c->xid = oncwire_word(w);
	uint32_t direction = oncwire_word(w), rpc = oncwire_word(w);
	c->program = oncwire_word(w);
	c->version = oncwire_word(w);
	c->procedure = oncwire_word(w);
	oncwire_word(w);
	oncwire_counted(w, &skip); /* credentials */
	oncwire_word(w);
	oncwire_counted(w, &skip); /* verifier */
	return w->bad || direction != 0 || rpc != 2 ? -1 : 0;
}

void oncwire_put(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 24);
	to[1] = (uint8_t)(v >> 16);
	to[2] = (uint8_t)(v >> 8);
	to[3] = (uint8_t)v;
}

uint8_t *oncwire_reply(uint32_t xid, uint32_t status, const uint32_t *result, size_t n,
    const void *bytes, size_t nbytes, size_t *size)
{
	size_t padded = (nbytes + 3) / 4 * 4;
	uint8_t *b = calloc(1, ONCWIRE_MARK + HEAD + 4 * n + padded);

	if (!b)
		return NULL;
	oncwire_put(b + 4, xid);
	oncwire_put(b + 8, 1);
	oncwire_put(b + 24, status);
	for (size_t i = 0; i < n; i++)
		oncwire_put(b + 28 + 4 * i, result[i]);
	if (nbytes)
		memcpy(b + 28 + 4 * n, bytes, nbytes);
	*size = ONCWIRE_MARK + HEAD + 4 * n + padded;
	oncwire_put(b, 0x80000000u | (uint32_t)(*size - ONCWIRE_MARK));
	return b;
}

uint8_t *oncwire_mapper(const struct oncwire_call *c, struct oncwire *args,
    const struct oncwire_port *ports, size_t nports, size_t *size)
{
	uint32_t range[] = {2, 2}, port = 0;

	if (c->version != 2)
		return oncwire_reply(c->xid, ONCWIRE_MISMATCH, range, 2, NULL, 0, size);
	if (c->procedure > 3)
		return oncwire_reply(c->xid, ONCWIRE_NO_PROCEDURE, NULL, 0, NULL, 0, size);
	if (c->procedure == 3) {
		uint32_t program = oncwire_word(args), version = oncwire_word(args),
			 protocol = oncwire_word(args);
		for (size_t i = 0; i < nports && !args->bad; i++)
			if (ports[i].program == program && ports[i].version == version &&
			    ports[i].protocol == protocol)
				port = ports[i].port;
	}
	return oncwire_reply(c->xid, ONCWIRE_SUCCESS, &port, c->procedure == 3, NULL, 0, size);
}
