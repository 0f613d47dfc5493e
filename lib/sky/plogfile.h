/*
 * plogfile.h - a pointing-log file on its own: which minute of which day it holds
 *
 * The telescope writes 1440 files MMMM and begins again after a day, so the name says the minute
 * and only the records say the day.
 */
#ifndef FYKE_PLOGFILE_H
#define FYKE_PLOGFILE_H

#include <stdint.h>

#include "file/sync.h"

/* After so long the telescope is about to write the name anew. */
#define PLOG_FRESH_MAX (INT64_C(85800) * 1000000000) /* 23 h 50 min */

/* Reads the first and the last record of a file MMMM that is open as fd. SYNC_DATED and *t: its
 * minute, at most PLOG_FRESH_MAX before now. SYNC_STALE and *t: an older one. SYNC_UNFINISHED: its
 * records are not (all) of one minute with this name. SYNC_FOREIGN: the name is no minute.
 * -1 with errno. */
int plog_date(const char *name, int fd, int64_t size, int64_t now, int64_t *t, char why[SYNC_WHY]);

#endif
