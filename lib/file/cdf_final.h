/*
 * cdf_final.h - finished layouts: channel-major, and compressed netCDF-4
 */
#ifndef FYKE_CDF_FINAL_H
#define FYKE_CDF_FINAL_H

#include "file/cdf.h"

/* Replaces the finished file at path, open as fd, by one of the same content: channel: variables
 * of two and more dimensions have the record dimension last instead of first; nc4: a netCDF-4
 * file, chunked and compressed. The old file stays as it is until the new one is checked. 0, or
 * -1 with errno and a sentence. */
int cdf_final(const char *path, int fd, bool channel, bool nc4, char why[CDF_WHY]);

/* The two steps: write the content of the file open as `from`, whose header is h, to `path`.
 * cdf_write_channel() also takes the empty file there, open as `to`. cdf_write_nc4() calls
 * libnetcdf's HDF5 side, which can crash on a full disk: only cdf_final() calls it, in a child. */
int cdf_write_channel(
    const struct cdf_head *h, int from, const char *path, int to, char why[CDF_WHY]);
int cdf_write_nc4(
    const struct cdf_head *h, int from, const char *path, bool channel, char why[CDF_WHY]);

/* Values of one variable for a run of records, n of them, from rows of recsize bytes: gathered
 * one behind the other, or with the record index last. */
void cdf_gather(
    const struct cdf_head *h, int var, const uint8_t *rows, size_t n, bool last, uint8_t *to);

/* Reads n records from `first` on. 0, or -1 with errno. */
int cdf_read_rows(const struct cdf_head *h, int fd, uint64_t first, size_t n, uint8_t *rows);

/* How many records a block of the final steps holds: at most 16 MiB. */
size_t cdf_block_rows(const struct cdf_head *h);

#endif
