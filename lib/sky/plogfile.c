/*
 * plogfile.c - a pointing-log file on its own: which minute of which day it holds
 */
#include "sky/plogfile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/tim.h"
#include "sky/minute.h"
#include "sky/plog.h"

#define HEAD 128 /* bytes: two records of the longest kind */
#define FORMAT                                                                                     \
	4 /* merge -ff: where the file is of no known length, the latest kind is tried first */

/* 0 to 1439, or -1. */
static int minute_in(const char *name)
{
	int v = 0;

	if (strlen(name) != 4 || strspn(name, "0123456789") != 4)
		return -1;
	for (; *name; name++)
		v = 10 * v + (*name - '0');
	return v < MINUTE_DAY ? v : -1;
}

int plog_date(const char *name, int fd, int64_t size, int64_t now, int64_t *t, char why[SYNC_WHY])
{
	uint8_t head[HEAD];
	struct plog_rec r;
	int minute = minute_in(name);
	if (minute < 0)
		return SYNC_FOREIGN;
	ssize_t n = pread(fd, head, sizeof head, 0);
	if (n < 0)
		return -1;
	size_t length = plog_guess(head, size > n ? (size_t)size : (size_t)n, FORMAT);
	if (length == 0 || (size_t)n < length || plog_record(head, length, &r) < 0) {
		snprintf(why, SYNC_WHY, "does not begin with records of a pointing log");
		return SYNC_UNFINISHED;
	}
	*t = plog_time(&r);
	if (*t % TIM_MIN != 0 || *t / TIM_MIN % MINUTE_DAY != minute) {
		snprintf(why, SYNC_WHY, "its first record is not of minute %04d", minute);
		return SYNC_UNFINISHED;
	}
	return now - *t > PLOG_FRESH_MAX ? SYNC_STALE : SYNC_DATED;
}
