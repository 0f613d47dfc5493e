/*
 * wave.h - waveforms on disk: .trc files as the oscilloscope writes them, or one netCDF file
 *
 * A .trc file is the block with its header, "#9nnnnnnnnn", nothing before and nothing behind: to
 * the byte what a LeCroy stores. The netCDF file (fyke-netcdf(5)) has a record for each trigger:
 * volts, and seconds. Both appear only when they are whole, and never in the place of another.
 */
#ifndef FYKE_WAVE_H
#define FYKE_WAVE_H

#include "dev/lecroy.h"
#include "file/pub.h"

#define WAVE_WHY    1024
#define WAVE_TRACES 8

/* The traces of one acquisition. */
struct wave_set {
	int n;
	struct wave_trace {
		const char *name; /* "C2" */
		const uint8_t *block;
		size_t size;
		struct lecroy l; /* of block */
	} trace[WAVE_TRACES];
	int64_t number; /* of the acquisition, from 1 */
};

/* ---- .trc ---- */

/* DIR/C2-NAME.trc, or with a number > 0 DIR/C2-NAME-00001.trc, for name DIR/NAME[.trc]. 0, or -1
 * with ENAMETOOLONG. */
int wave_trc_path(const char *name, const char *trace, int64_t number, char path[PUB_PATH]);

/* Whether the files of a trace could be made, of one acquisition or of many (the first 1000 are
 * looked at): 0, or -1 with errno (EEXIST: there is one) and why. */
int wave_trc_free(const char *name, const char *trace, int64_t count, char why[WAVE_WHY]);

/* Writes all traces, and only then gives them their names. number: as for wave_trc_path(). 0, or
 * -1 with errno and why. */
int wave_trc_write(
    const char *name, int64_t number, const struct wave_set *set, char why[WAVE_WHY]);

/* ---- netCDF ---- */

struct wave_nc;

/* Takes the name, which must be free. NULL with errno and why. program: "scopeget 0.1.0"; source:
 * where the data come from. */
struct wave_nc *wave_nc_new(
    const char *path, const char *program, const char *source, char why[WAVE_WHY]);

/* Adds an acquisition and makes it safe. The file appears with the first. Later ones must have the
 * same traces and points. 0, or -1 with errno (EPROTO: they have not) and why. */
int wave_nc_add(struct wave_nc *w, const struct wave_set *set);

/* Checks and closes. 0, or -1 with errno and why. */
int wave_nc_close(struct wave_nc *w);
const char *wave_nc_why(const struct wave_nc *w);
void wave_nc_free(struct wave_nc *w);

#endif
