/*
 * why.h - the sentence that a failing function leaves behind
 *
 *	#define fail(why, error, ...) why_fail(why, NET_WHY, error, __VA_ARGS__)
 *	...
 *	return fail(why, ENOENT, "%s: no such folder: make it first", dir);
 */
#ifndef FYKE_WHY_H
#define FYKE_WHY_H

#include <stddef.h>

/* Writes the sentence (cut to size), sets errno to error, and returns -1. Arguments may use errno. */
int why_fail(char *why, size_t size, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
