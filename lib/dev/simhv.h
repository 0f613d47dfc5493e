/*
 * simhv.h - a simulated CAEN R1470ET: channels that ramp, load, trip, and all that can go wrong
 *
 * Takes request lines, gives reply bytes with the times at which they leave. Reads the protocol
 * with a decoder of its own, so that it shares no mistake with lib/dev/hv.c. now is tim_mono().
 */
#ifndef FYKE_SIMHV_H
#define FYKE_SIMHV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMHV_CHANNELS 8
#define SIMHV_TEXT     32
#define SIMHV_WHY      128

struct simhv_options {
	const char *model;  /* R1470ET */
	const char *serial; /* 12345 */
	int channels;       /* 1, 2, 4 or 8 */
	int board;          /* its number in a chain */
	double vmax, imax;  /* V, uA */
	double load;        /* ohm, on every channel */
	bool lenient;       /* takes what real ones were seen to take */
	uint64_t seed;
	double chaos; /* probability that a reply is spoilt */
};

enum simhv_second { SIMHV_SILENT, SIMHV_REFUSE, SIMHV_DISTURB };

struct simhv;
struct simhv *simhv_new(const struct simhv_options *o, int64_t now);
void simhv_free(struct simhv *s);

/* One request without its end: the reply, if there is one, is queued. */
void simhv_line(struct simhv *s, const char *line, size_t n, bool cut, int64_t now);

/* Bytes that are due, at most size; 0: none now. */
size_t simhv_take(struct simhv *s, int64_t now, char *to, size_t size);

/* When the next bytes are due; INT64_MAX: none wait. */
int64_t simhv_due(const struct simhv *s);

/* Forgets queued replies: the client has gone. */
void simhv_forget(struct simhv *s);

/* A command: "local on", "interlock on", "current 2 5.5", "silence on", "cycle 2s" (simhv(1) lists
 * them). 0, or -1 with why. */
int simhv_command(struct simhv *s, const char *text, int64_t now, char why[SIMHV_WHY]);

bool simhv_powered(struct simhv *s, int64_t now); /* false after "cycle": no connection lives */
enum simhv_second simhv_second(const struct simhv *s); /* what becomes of a second client */

#endif
