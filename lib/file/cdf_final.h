/*
 * cdf_final.h - finished layouts: channel-major, and compressed netCDF-4
 */
#ifndef FYKE_CDF_FINAL_H
#define FYKE_CDF_FINAL_H

#include "file/cdf.h"

/* Replaces the finished file at path, open as fd, by one of the same content whose bulk variables
 * have the record dimension last (channel), or by a netCDF-4 file, or both. The old file stays as
 * it is until the new one is checked. 0, or -1 with errno and a sentence. */
int cdf_final(const char *path, int fd, bool channel, bool nc4, char why[CDF_WHY]);

#endif
