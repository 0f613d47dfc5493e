/* plog.c - any bytes as a pointing log of each format, as housekeeping, as an RPC record */
#include <stdlib.h>

#include "base/tim.h"
#include "sky/hk.h"
#include "sky/plog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct hk_minute m;
	struct plog_rec r;
	struct hk_row row;
	char why[HK_WHY], line[8192];

	for (int format = 0; format <= 4; format++) {
		size_t length = plog_guess(data, n, format);
		(void)plog_check(data, n, length, 18563532);
		for (size_t i = 0; length && (i + 1) * length <= n; i++)
			if (plog_record(data + i * length, length, &r) == 0 && plog_time(&r) < 0)
				abort();
	}
	if (hk_read((const char *)data, n, &m, why) == 0)
		for (int i = 0; i < m.n; i++)
			if (hk_line(&m.row[i], line, sizeof line) >= sizeof line)
				abort();
	if (n >= RPC_SIZE && hk_from_rpc(data, &row) == 0)
		(void)hk_line(&row, line, sizeof line);
	return 0;
}
