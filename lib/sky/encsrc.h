/*
 * encsrc.h - where housekeeping comes from: sources, each in a thread of its own
 *
 * A source may hang, be looked up by a dead name server, or answer garbage: rows wait for none of
 * them. Each keeps what it read lately with the time of its arrival, and a row takes the newest
 * that belongs to its second.
 */
#ifndef FYKE_ENCSRC_H
#define FYKE_ENCSRC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "sky/hk.h"
#include "sky/rowclock.h"
#include "sky/telinfo.h"

#define ENCSRC_WHY 512

struct encsrc;

/* What a source's thread does: reads until encsrc_ending(), and tells what it read. */
typedef void encsrc_run(struct encsrc *s, const void *ctx);

/* name is for messages; both stay the caller's. NULL with errno. */
struct encsrc *encsrc_start(const char *name, encsrc_run *run, const void *ctx);

/* Ends the threads, waits for them at most wait ns, and frees what is not in use any more. */
void encsrc_end(struct encsrc **s, int n, int64_t wait);

const char *encsrc_name(const struct encsrc *s);

/* ---- for a thread ---- */

/* Also while waiting: whoever waits by io_wait() is woken by EINTR. */
bool encsrc_ending(void);

/* Values that arrived at utc, which is now: NAN and empty texts are none. */
void encsrc_give(struct encsrc *s, const struct hk_row *row, int64_t utc);

/* Why there are none, one sentence. It may hold what a peer said: it is not safe to print as it is. */
void encsrc_fail(struct encsrc *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits until the UTC second is `into` ns old, or the end comes; one that is that old now counts
 * as the next. */
void encsrc_wait_second(int64_t into);

/* Waits so long, or to the end. */
void encsrc_wait(int64_t ns);

/* ---- for the rows ---- */

/* Lays what belongs to the second over row's values. A value belongs to second k when it came
 * between half a second before k (a rotator's: a second) and the end of k. False: there was
 * none. */
bool encsrc_take(struct encsrc *s, struct row_second k, struct hk_row *row);

/* A source that falls silent is told once, and once when it has spoken for some seconds again. */
enum encsrc_news { ENCSRC_NO_NEWS, ENCSRC_SILENT, ENCSRC_BACK };
enum encsrc_news encsrc_report(
    struct encsrc *s, bool spoke, uint64_t *missed, char why[ENCSRC_WHY]);

/* ---- sources ---- */

/* The telescope's RPC record, once a second. Its own time must be within skew of this machine's; 0:
 * any. */
struct encsrc_rpc {
	struct telinfo_at at;
	int64_t skew; /* ns */
};
encsrc_run encsrc_rpc;

/* rotctl's status socket: lines of line protocol (encsrc_rotator_line()). */
struct encsrc_rotator {
	struct net_spec at;
	int64_t skew;
};
encsrc_run encsrc_rotator;

/* A file of lines NAME VALUE, read once a second; names are those of fyke-enc(5). */
encsrc_run encsrc_file; /* ctx: its path */

/* One of them as a user writes it: rpc:ADDRESS (telinfo.h), rotator, rotator:ADDRESS, file:PATH.
 * text and the spec stay the caller's. 1; 0: it is of another kind; -1 with why. */
struct encsrc_spec {
	encsrc_run *run;
	const void *ctx;
	union {
		struct encsrc_rpc rpc;
		struct encsrc_rotator rotator;
	} is;
};
int encsrc_parse(const char *text, int64_t skew, struct encsrc_spec *spec, char why[NET_WHY]);

/* A line of rotctl's, which ends in a NUL: motor_count, gear_count, motor_angle, gear_angle, state,
 * and a time. 0, or -1 with why. */
int encsrc_rotator_line(const char *line, size_t n, struct hk_row *row, char why[ENCSRC_WHY]);

/* The text of such a file. 0, or -1 with why. */
int encsrc_file_text(const char *text, size_t n, struct hk_row *row, char why[ENCSRC_WHY]);

#endif
