/* night.c - names of image files */
#include "cam/night.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"

int night_code(int64_t utc, char code[5])
{
	struct tim_parts t = tim_split(utc - 12 * TIM_H);

	if (t.year < 1991 || t.year > 2042) {
		errno = ERANGE;
		return -1;
	}
	snprintf(code, 5, "%c%c%02u", t.year <= 2016 ? 'a' + t.year - 1991 : 'A' + t.year - 2017,
	    'a' + t.month - 1, (unsigned)t.day % 100);
	return 0;
}

/* The number in a name, 0 if it is none of ours. */
static int number_in(const char *name, const char *stem, bool parts)
{
	size_t n = strlen(stem), digits;
	int v = 0;
	bool part = name[0] == '.';

	if (part && !parts)
		return 0;
	name += part;
	if (strncmp(name, stem, n) != 0)
		return 0;
	name += n;
	digits = strspn(name, "0123456789");
	if (digits != 4 || strcmp(name + 4, part ? ".fits.part" : ".fits") != 0)
		return 0;
	for (int i = 0; i < 4; i++)
		v = v * 10 + (name[i] - '0');
	return v;
}

int night_number(const char *dir, const char *stem, bool parts)
{
	DIR *d = opendir(dir);
	int most = 0;

	if (!d)
		return -1;
	errno = 0;
	for (struct dirent *e; (e = readdir(d));) {
		int v = number_in(e->d_name, stem, parts);
		most = v > most ? v : most;
	}
	int error = errno;
	closedir(d);
	errno = error;
	return error ? -1 : most;
}
