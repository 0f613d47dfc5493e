/*
 * night.h - names of image files: STJk200012.fits
 *
 * Two letters of the instrument, then year (a = 1991 ... z = 2016, A = 2017 ... Z = 2042), month
 * (a = January), day, and four digits that count. The night begins at noon UTC.
 */
#ifndef FYKE_NIGHT_H
#define FYKE_NIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define NIGHT_LAST 9999 /* the highest number */

/* The code of the night of a UTC time. 0, or -1 with ERANGE: before 1991 or after 2042. */
int night_code(int64_t utc, char code[5]);

/* The highest number of STEMnnnn.fits in dir (parts: of .STEMnnnn.fits.part too), 0 when there is
 * none, -1 with errno. stem is prefix and code. */
int night_number(const char *dir, const char *stem, bool parts);

#endif
