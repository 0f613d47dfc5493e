/*
 * sim.h - a simulated detector: datagrams of any card, with faults, all from one seed
 *
 * Shares the card's parsed description with the rest of fyke, and no decoder: values, clocks and
 * counters are written by code of its own, so that a test compares two opinions.
 *
 * Everything is a function of (seed, fault, event, source): the same options give the same
 * datagrams on every run, and asking for one more fault does not move the others.
 */
#ifndef FYKE_SIM_H
#define FYKE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "card.h"
#include "pkt.h"

#define SIM_WHY     256
#define SIM_RECORDS 256                     /* records of a datagram, at most */
#define SIM_PLACES  16                      /* @EVENT.SOURCE of one option */
#define SIM_LINE    (96 + 32 * SIM_RECORDS) /* a buffer for a line of the truth */

enum sim_fault {
	SIM_DROP,     /* not sent */
	SIM_DUP,      /* sent again, the same bytes */
	SIM_CONFLICT, /* sent again with other values */
	SIM_SWAP,     /* changes place with the datagram after it */
	SIM_LATE,     /* sent late by late_by */
	SIM_SHORT,    /* without its last record */
	SIM_RUNT,     /* cut to less than a record */
	SIM_EMPTY,    /* no bytes at all */
	SIM_GARBLE,   /* bits of the device clock flipped */
	SIM_STRANGER, /* a copy from a sender that is not on the card */
	SIM_FAULTS
};
extern const char *const sim_fault_name[SIM_FAULTS];

/* How often, or where, something happens. */
struct sim_when {
	double p;
	unsigned places;
	struct sim_place {
		uint64_t event;
		int source; /* -1: every one */
	} place[SIM_PLACES];
};

struct sim_options {
	const struct card *card; /* stays the caller's, and must live as long */
	uint64_t seed;
	bool module[CARD_SOURCES];
	uint64_t events;  /* records per source; UINT64_MAX: without end */
	unsigned records; /* in a datagram */
	double rate;      /* records per source and second of the device's time */
	uint64_t clock0;  /* ticks at event 0 */
	uint64_t seq0;
	uint16_t
	    port; /* where datagrams go (for a card that counts by port: of its first source) */
	int64_t jitter;  /* ns: each record's clock is off by up to this */
	int64_t late_by; /* ns */
	struct sim_when when[SIM_FAULTS];
	bool restarts; /* device clock and sequence begin again at 0 */
	struct sim_place restart;
};

/* A whole detector without faults: its rate, its port, ten records in a datagram (or one), late
 * ones after twice the hold. Clock and sequence begin at 0. */
void sim_defaults(struct sim_options *o, const struct card *c);

/* Options as text; 0, or -1 with the reason in why.
 * A fault: "0.01", "1%", or places "@EVENT", "@EVENT.SOURCE" with commas between; late ones may
 * have ":TIME" after it. A restart: "EVENT" or "EVENT.SOURCE". Modules: "5" (the first five), or a
 * list "0-8,10,12-31". */
int sim_fault_parse(struct sim_options *o, enum sim_fault f, const char *text, char why[SIM_WHY]);
int sim_restart_parse(struct sim_options *o, const char *text, char why[SIM_WHY]);
int sim_modules_parse(struct sim_options *o, const char *text, char why[SIM_WHY]);

/* Ticks at event 0 for a detector that is switched on `since` ns before, or whose clock shows
 * the time of day, when the first datagram arrives at UTC start. */
uint64_t sim_clock0(const struct sim_options *o, int64_t start, int64_t since);

/* A datagram on its way. */
struct sim_datagram {
	uint64_t event;   /* its first record */
	unsigned records; /* whole ones in it; 0 for runts and empty ones */
	int source;       /* number on the card; -1: a stranger's copy */
	int twin;         /* the source whose record this is, also for a stranger */
	int64_t due;      /* ns after the first datagram of the run */
	unsigned faults;  /* bits 1 << enum sim_fault */
	size_t len;       /* bytes of payload */
	uint32_t address; /* where it comes from, IPv4 in host order, on 127.0.0.0/8 */
	uint16_t port;    /* where it goes */
};

struct sim_count {
	uint64_t dropped;  /* datagrams that sim_next() left out */
	uint64_t restarts; /* sources whose clock began again */
};

struct sim;

/* NULL with the reason in why: something that this card cannot show. */
struct sim *sim_new(const struct sim_options *o, char why[SIM_WHY]);

/* The next datagram in the order of sending. 1, 0 when the run is over, -1 with errno. */
int sim_next(struct sim *s, struct sim_datagram *d);

/* Its payload into to: d->len bytes. */
void sim_write(struct sim *s, const struct sim_datagram *d, uint8_t *to);

/* The same with IPv4 and UDP headers before it, as to a receiver on 127.0.0.1: how many bytes,
 * SIM_HEAD + d->len. */
#define SIM_HEAD PKT_HEAD4
size_t sim_write_packet(struct sim *s, const struct sim_datagram *d, uint8_t *to);

const struct sim_count *sim_count(const struct sim *s);

/* The line of the truth for a datagram, and the header over all lines; both end in a newline.
 * Columns: index source event records clock sequence time bytes fault; clock holds the ticks of
 * each record with commas between (SECONDS:TICKS where the card has a seconds field). Length. */
extern const char sim_truth_head[];
size_t sim_truth(const struct sim *s, const struct sim_datagram *d, uint64_t index, int64_t time,
    char line[SIM_LINE]);

void sim_free(struct sim *s);

#endif
