/* cdf_final.c - finished layouts */
#include <errno.h>
#include <stdio.h>
#include "file/cdf_final.h"

int cdf_final(const char *path, int fd, bool channel, bool nc4, char why[CDF_WHY])
{
	(void)fd, (void)channel, (void)nc4;
	snprintf(why, CDF_WHY, "%s: not yet", path);
	errno = ENOSYS;
	return -1;
}
