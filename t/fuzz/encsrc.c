/* encsrc.c - any bytes as a rotator's line, as a file of values, as a source's address */
#include <stdlib.h>
#include <string.h>

#include "sky/encsrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct hk_row row;
	struct encsrc_spec spec;
	char why[ENCSRC_WHY], line[8192];

	char *text = malloc(n + 1);
	if (!text)
		abort();
	memcpy(text, data, n);
	text[n] = '\0';
	if (encsrc_rotator_line(text, n, &row, why) == 0 &&
	    hk_line(&row, line, sizeof line) >= sizeof line)
		abort();
	if (encsrc_file_text(text, n, &row, why) == 0 &&
	    hk_line(&row, line, sizeof line) >= sizeof line)
		abort();
	(void)encsrc_parse(text, 1, &spec, why);
	free(text);
	return 0;
}
