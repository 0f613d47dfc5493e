/* why.c - the sentence that a failing function leaves behind */
#include "why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int why_fail(char *why, size_t size, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	errno = error;
	return -1;
}
