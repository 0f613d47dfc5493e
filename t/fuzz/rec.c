/* rec.c - any bytes as a line of line protocol, as a tag, as lines of a reading written and checked */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stream/rec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What we write of any text, we take ourselves. */
static void write_and_check(const char *text, double v)
{
	char buf[REC_TEXT];
	struct rec_seen seen;
	struct rec r;

	rec_begin(&r, text, (int64_t)strlen(text));
	rec_tag(&r, "k", text);
	rec_real(&r, "v", "V", v, REC_DIGITS);
	rec_string(&r, text, text);
	long len = rec_format(&r, REC_LINE, buf, sizeof buf);
	if (len > 0 && strcmp(text, "time") != 0 && text[0] != '#' &&
	    rec_check(buf, (size_t)len - 1, &seen) != REC_OK)
		abort();
	(void)rec_format(&r, REC_JSON, buf, sizeof buf);
	(void)rec_format(&r, REC_TSV, buf, sizeof buf);
	(void)rec_head(&r, buf, sizeof buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rec_tags tags = {.n = 0};
	struct rec_seen seen;
	double v = 0;

	char *line = malloc(n + 1);
	if (!line)
		abort();
	memcpy(line, data, n);
	line[n] = '\0';
	enum rec_bad bad = rec_check(line, n, &seen);
	if (bad >= REC_BAD_COUNT || (bad == REC_OK && (seen.body == 0 || seen.body > n)))
		abort();
	if (n >= sizeof v)
		memcpy(&v, data, sizeof v);
	write_and_check(line, v);
	(void)rec_tags_add(&tags, line);
	free(line);
	return 0;
}
