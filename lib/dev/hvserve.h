/*
 * hvserve.h - hvmux's sockets: clients on one side, supplies on the other, hvmux.h between them
 */
#ifndef FYKE_HVSERVE_H
#define FYKE_HVSERVE_H

#include <stdint.h>

#include "base/srv.h"
#include "hvmux.h"

/* What it has to say, one line each. */
struct hvserve_calls {
	void (*audit)(const char *text); /* who did what, and who was not let in */
	void (*alarm)(const char *text);
	void (*note)(const char *text);
};

struct hvserve;

/* supply[0..mux->boards) are the supplies' addresses. NULL: no memory. */
struct hvserve *hvserve_new(const struct hvmux_options *mux, const struct net_spec *supply,
    const struct srv_options *clients, const struct hvserve_calls *calls, struct tally *t);

/* Closes everything; changes nothing on the supplies. */
void hvserve_free(struct hvserve *h);

/* As srv_listen(). */
int hvserve_listen(
    struct hvserve *h, const struct net_spec *at, char ready[NET_TEXT], char why[NET_WHY]);

/* Waits for something to do, until `until` (tim_mono), a second, or a signal; and does it. 0, or -1
 * with errno of poll. */
int hvserve_turn(struct hvserve *h, int64_t until);

#endif
