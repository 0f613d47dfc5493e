/*
 * fits.h - an image as a FITS file: written, read back, and published without overwriting
 *
 * A simple primary image of unsigned 16-bit pixels by cfitsio, with CHECKSUM and DATASUM. The file
 * is .NAME.part until it is whole and on disk; where NAME is taken, the next number is.
 */
#ifndef FYKE_FITS_H
#define FYKE_FITS_H

#include <stdint.h>

#include "cam/cards.h"
#include "cam/settings.h"
#include "file/pub.h"

struct image {
	const struct settings *set;
	const struct cam_info *info;
	const char *back; /* name of the back end */
	struct cam_frame frame;
	const uint16_t *pixels;
	bool dark;
	bool ended;        /* by readout or addtime, before its time */
	double asked;      /* s */
	double exposure;   /* s of light */
	double dark_time;  /* s from the start to the read-out */
	double readout;    /* s */
	int64_t begun;     /* UTC: the shutter opened */
	double clock_step; /* s by which the clock was set during the exposure */
	double celsius;    /* NAN: not known */
	unsigned temp_code;
	const struct cards *site, *telescope; /* may be NULL */
	const char *tel_state;                /* OK, STALE, MISSING or NONE */
};

/* Writes the image as dir/STEMnnnn.fits, nnnn being the first free number from *number on, which
 * is left there. stem is the prefix and the date code. 0 with path; 1: it is there, but its name
 * may not have reached the disk (why); -1 with errno and why (ERANGE: 9999 was reached; EILSEQ:
 * what was read back differs). */
int fits_out(const struct image *im, const char *dir, const char *stem, int *number,
    char path[PUB_PATH], char why[PUB_WHY]);

/* Adds text as LOGCOMME to a FITS file, which is replaced as a whole. 0, or -1 with why. */
int fits_log_comment(const char *path, const char *text, char why[PUB_WHY]);

#endif
