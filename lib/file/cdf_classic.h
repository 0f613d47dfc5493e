/*
 * cdf_classic.h - a netCDF-4 file as netCDF classic, for programs that read those by themselves
 */
#ifndef FYKE_CDF_CLASSIC_H
#define FYKE_CDF_CLASSIC_H

#include <stdbool.h>

#include "file/cdf.h"

/* Whether the open file begins as HDF5 does. */
bool cdf_is_nc4(int fd);

/* The netCDF-4 file at path as CDF-2 in a file of no name, in $TMPDIR or /var/tmp; the library
 * works in a child process. Unlimited dimensions get the length that they have. without: the name
 * of a dimension whose variables stay empty (the file is sparse there), or NULL. Returns a
 * descriptor to read from, or -1 with errno (EINVAL where the file is at fault) and a sentence. */
int cdf_make_classic(const char *path, const char *without, char why[CDF_WHY]);

#endif
