/* minute.c - the names of files that hold a minute */
#include "sky/minute.h"

#include <stdio.h>
#include <string.h>

#include "base/tim.h"

char *minute_name(const char *prefix, int64_t minute, const char *suffix, char buf[MINUTE_NAME])
{
	struct tim_parts p = tim_split(minute * TIM_MIN);

	snprintf(buf, MINUTE_NAME, "%s%02d%02d%02d_%04d%s", prefix, p.year % 100, p.month, p.day,
	    (int)(minute % MINUTE_DAY), suffix);
	return buf;
}

int64_t minute_of(const char *name, const char *prefix, const char *suffix)
{
	size_t n = strlen(prefix);
	int year, month, day, minute;
	char again[MINUTE_NAME];

	if (strncmp(name, prefix, n) != 0 ||
	    sscanf(name + n, "%2d%2d%2d_%4d", &year, &month, &day, &minute) != 4)
		return -1;
	year += year < 70 ? 2000 : 1900;
	int64_t m = tim_join(year, month, day, 0, 0, 0, 0) / TIM_MIN + minute;
	/* What is not written so (a blank, a sign, the 31st of June) is none of ours. */
	return strcmp(minute_name(prefix, m, suffix, again), name) == 0 ? m : -1;
}
