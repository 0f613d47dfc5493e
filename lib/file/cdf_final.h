/*
 * cdf_final.h - finished layouts: channel-major, and compressed netCDF-4
 */
#ifndef FYKE_CDF_FINAL_H
#define FYKE_CDF_FINAL_H

#include "file/cdf.h"

/* Finished files in line for their last step, done one after the other in a child process, so that
 * neither a crash of the netCDF-4 library nor its slowness reaches the data that still come.
 * channel: variables of two and more dimensions get the record dimension last instead of first;
 * nc4: a netCDF-4 file, chunked and compressed. The old file stays as it is until the new one is
 * checked, and takes its place in one step. */
struct cdf_jobs;
struct cdf_jobs *cdf_jobs_new(bool channel, bool nc4);  /* NULL with errno */
int cdf_jobs_add(struct cdf_jobs *j, const char *path); /* 0, or -1 with errno */

/* Starts the next one, waits for at most timeout_ns. 1: all are done. 0: not yet. -1: one has
 * failed, with errno and a sentence; it is out of the line, and its file as it was. */
int cdf_jobs_step(struct cdf_jobs *j, int64_t timeout_ns, char why[CDF_WHY]);
void cdf_jobs_stop(struct cdf_jobs *j); /* each that is left fails with EINTR */
void cdf_jobs_free(struct cdf_jobs *j); /* none may be at work */

/* What the child does. 0, or -1 with errno and a sentence. */
int cdf_final(const char *path, bool channel, bool nc4, char why[CDF_WHY]);

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
