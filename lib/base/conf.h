/*
 * conf.h - INI files: sections of key = value, by inih
 *
 * Limits (those of Debian's inih): 199 bytes a line, 49 a key or section name. Used for
 * configuration files and for cards.
 */
#ifndef FYKE_CONF_H
#define FYKE_CONF_H

#include <stddef.h>

#define CONF_WHY 256

/* Called for each key, in order; a key may come again. Returns 0, or -1 after writing the reason
 * to why (CONF_WHY bytes): reading stops there. */
typedef int conf_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why);

/* Reads text (name is for messages). 0, or -1 with "NAME:LINE: reason" in why. */
int conf_read(
    const char *name, const char *text, size_t n, conf_key *key, void *ctx, char why[CONF_WHY]);

/* Base-10 or 0x integer with nothing after it, in lo..hi. 0, or -1. */
int conf_int(const char *text, long long lo, long long hi, long long *v);

/* A finite number (decimal point, whatever the locale says) with nothing after it. 0, or -1. */
int conf_real(const char *text, double *v);

#endif
