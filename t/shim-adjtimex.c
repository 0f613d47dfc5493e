/*
 * shim-adjtimex.c - preloaded by tests: a kernel clock whose state is ADJ_STATE (adjtimex(2)'s
 * answer), ADJ_STATUS (its status bits) and ADJ_OFFSET (in its own unit)
 */
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

static long number(const char *name)
{
	const char *text = getenv(name);
	return text ? strtol(text, NULL, 0) : 0;
}

int adjtimex(struct timex *t)
{
	memset(t, 0, sizeof *t);
	t->status = (int)number("ADJ_STATUS");
	t->offset = number("ADJ_OFFSET");
	t->maxerror = 2000;
	return (int)number("ADJ_STATE");
}
