/*
 * plog.h - the telescope's pointing log: minute files MMMM of 6000 records at 100 Hz
 *
 * Three record lengths, all big-endian: 52 bytes since July 2002, 44 before, and a packed 30 in
 * December 2001. Values stay in the log's units: times in 0.01 s, angles in 0.1". Source: the CSO's
 * pages plog, plog2, plog3_3 and plog4_2 (www.cso.caltech.edu/docs/hiro/ant), and plog2_read.c
 * there.
 */
#ifndef FYKE_PLOG_H
#define FYKE_PLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLOG_HZ     100
#define PLOG_MINUTE 6000 /* records */
#define PLOG_NAME   8
#define PLOG_DAY    8640000  /* ticks */
#define PLOG_TURN   12960000 /* 0.1" */

/* The integer fields of a record; x and y are 0 where the format has none. */
enum plog_field {
	PLOG_LST, /* local apparent sidereal time */
	PLOG_RA,  /* requested apparent place: 0.01 s, valid with PLOG_CELESTIAL only */
	PLOG_DEC,
	PLOG_PA,
	PLOG_X,
	PLOG_Y,
	PLOG_AZ, /* requested */
	PLOG_EL,
	PLOG_EAZ, /* encoder minus request */
	PLOG_EEL,
	PLOG_FIELDS
};

/* Bits of flags[3] (byte +11 of the record); the packed format has the same five. */
enum plog_flag {
	PLOG_CELESTIAL = 1 << 0,
	PLOG_TRANSITED = 1 << 1,
	PLOG_SCANNING = 1 << 2,
	PLOG_ACQUIRED = 1 << 3,
	PLOG_TRACKING = 1 << 4
};

struct plog_rec {
	int32_t mjd;
	int32_t ticks;    /* since midnight */
	uint8_t flags[4]; /* TTL inputs 8..1, TTL outputs 8..1, beam, pointing */
	int32_t v[PLOG_FIELDS];
};

/* Record length of merge -ff's file format 0 to 4. */
size_t plog_length(int format);

/* The record length of a file: by its size where that is a whole minute's, else the format's if
 * the first records bear it out, else another that they do bear out. 0: none fits. */
size_t plog_guess(const void *bytes, size_t n, int format);

/* Takes a record of length 52, 44 or 30 apart. 0, or -1 when it makes no sense (ticks beyond a
 * day with its leap second). In the packed format the TTL lines are not recorded: outputs 5 and
 * 6 are derived from the flags. */
int plog_record(const void *bytes, size_t length, struct plog_rec *r);

/* UTC of a record in nanoseconds; a leap second falls on the next midnight. */
int64_t plog_time(const struct plog_rec *r);

/* The name of a minute's file (minutes since 1970). Returns buf. */
char *plog_name(int64_t minute, char buf[PLOG_NAME]);

/* Whether the first record of a file is that of its minute: the same name comes round every day. */
enum plog_fresh { PLOG_GOOD, PLOG_SHORT, PLOG_OTHER_DAY, PLOG_OTHER_MINUTE };
enum plog_fresh plog_check(const void *bytes, size_t n, size_t length, int64_t minute);

#endif
