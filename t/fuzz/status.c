/* status.c - any bytes as a program's --status=FILE */
#include <stdlib.h>
#include <string.h>

#include "bus/statfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct statfile s;
	char *text = malloc(n + 1);

	memcpy(text, data, n);
	if (!statfile_parse(text, n, &s) &&
	    (!s.program[0] || strlen(s.reasons) >= sizeof s.reasons))
		abort();
	free(text);
	return 0;
}
