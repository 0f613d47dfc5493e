/*
 * minute.h - the names of files that hold a minute: raw_YYMMDD_MMMM.bin, enc_YYMMDD_MMMM.tsv
 *
 * MMMM is the minute of the day, 0000 to 1439; years 70 to 99 are 19xx. Minutes are since 1970.
 */
#ifndef FYKE_MINUTE_H
#define FYKE_MINUTE_H

#include <stdint.h>

#define MINUTE_NAME 32   /* a buffer for a name */
#define MINUTE_DAY  1440 /* minutes of a day */

/* The name of a minute's file; prefix and suffix are "raw_" and ".bin", say. Returns buf. */
char *minute_name(const char *prefix, int64_t minute, const char *suffix, char buf[MINUTE_NAME]);

/* The minute that a name speaks of; -1 when it is no such name. */
int64_t minute_of(const char *name, const char *prefix, const char *suffix);

#endif
