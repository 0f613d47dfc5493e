/*
 * tap.h - TAP for unit tests in C: one file, one main, no library
 *
 *	int main(void)
 *	{
 *		is_int(tim_parse("1970-01-01T00:00:01Z", &t), 0, "a date is read");
 *		return done_testing();
 *	}
 */
#ifndef FYKE_TAP_H
#define FYKE_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_n, tap_bad;

static inline bool tap_ok(bool good, const char *words, const char *file, int line)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_n, words);
	if (!good) {
		tap_bad++;
		printf("# at %s:%d\n", file, line);
	}
	return good;
}

static inline bool tap_int(
    long long got, long long want, const char *words, const char *file, int line)
{
	if (tap_ok(got == want, words, file, line))
		return true;
	printf("#      got: %lld (0x%llx)\n# expected: %lld (0x%llx)\n", got,
	    (unsigned long long)got, want, (unsigned long long)want);
	return false;
}

static inline bool tap_str(
    const char *got, const char *want, const char *words, const char *file, int line)
{
	if (tap_ok(got && want && strcmp(got, want) == 0, words, file, line))
		return true;
	printf("#      got: %s\n# expected: %s\n", got ? got : "(null)", want ? want : "(null)");
	return false;
}

#define ok(good, words) tap_ok(good, words, __FILE__, __LINE__)
#define is_int(got, want, words)                                                                   \
	tap_int((long long)(got), (long long)(want), words, __FILE__, __LINE__)
#define is_str(got, want, words) tap_str(got, want, words, __FILE__, __LINE__)

static inline int done_testing(void)
{
	printf("1..%d\n", tap_n);
	return tap_bad != 0;
}

#endif
