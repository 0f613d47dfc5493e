/* slog.c - any bytes as a stream of log records */
#include <stdlib.h>
#include <string.h>

#include "bus/slog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char line[SLOG_LINE], shown[SLOG_LINE];
	struct slog_stream st = {0};
	struct slog_frame f;
	const char *p = (const char *)data;
	struct slog s;
	bool foreign;
	size_t k, left = n;

	while (left > 0 && (k = slog_frame(&st, p, left, true, &f)) > 0) {
		if (k > left || (f.text && (f.text < p || f.n > k)))
			abort();
		if (f.text) {
			size_t size = slog_line(f.text, f.n, "host", 0, line, &foreign);
			if (size == 0 || line[size - 1] != '\n' ||
			    memchr(line, '\n', size) != line + size - 1)
				abort();
			if (!slog_parse(line, size - 1, &s) && slog_show(&s, shown) > sizeof shown)
				abort();
		}
		p += k;
		left -= k;
	}
	return 0;
}
