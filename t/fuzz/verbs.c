/* verbs.c - any line as a request: what is taken can be written again, and means the same */
#include <stdlib.h>
#include <string.h>

#include "cam/ask.h"
#include "cam/verbs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct verb_request r, again;
	char why[VERB_WHY], line[VERB_LINE + 1] = "";
	struct ask_final f;

	char *text = malloc(n + 1);
	if (!text)
		abort();
	memcpy(text, data, n);
	text[n] = '\0';
	(void)ask_parse(text, &f);
	if (verb_parse(text, n, &r, why) == 0) {
		bool fits = verb_add(line, r.verb->name);
		for (int i = 0; i < r.n; i++)
			fits = fits && verb_add(line, r.arg[i]);
		if (fits && (verb_parse(line, strlen(line), &again, why) != 0 || again.n != r.n))
			abort();
		for (int i = 0; fits && i < r.n; i++)
			if (strcmp(r.arg[i], again.arg[i]) != 0)
				abort();
	} else if (!why[0]) {
		abort();
	}
	free(text);
	return 0;
}
