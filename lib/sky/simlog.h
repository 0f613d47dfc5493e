/*
 * simlog.h - what the simulated telescope writes of a night: pointing log, housekeeping, RPC
 * records
 *
 * start is the night's begin (UTC ns, a whole minute), m a minute since then, ff merge's file
 * format.
 */
#ifndef FYKE_SIMLOG_H
#define FYKE_SIMLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sky/simnight.h"

#define SIMLOG_MAX (6100 * 52) /* bytes of a minute with a leap second */

/* A minute of the pointing log, or the one that stood in the same file a day before. Returns its
 * length. */
size_t simlog_minute(
    struct night *night, int64_t start, int64_t m, int ff, bool yesterday, uint8_t *bytes);

/* A minute of housekeeping as text. Returns its length. */
size_t simlog_enc(struct night *night, int64_t start, int64_t m, int ff, char *text, size_t size);

/* The RPC record of a second. */
void simlog_rpc(struct night *night, int64_t start, int64_t second, uint8_t r[768]);

#endif
