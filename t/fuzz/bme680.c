/* bme680.c - any bytes as a sensor's answers, whole and from a descriptor */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/tim.h"
#include "dev/bme680.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	struct bme680_lines in = {.n = 0};
	struct bme680 v;

	char *line = malloc(n + 1);
	if (!line)
		abort();
	for (size_t i = 0; i < n; i++)
		line[i] = (char)data[i];
	if (bme680_parse(line, n, &v) == BME680_OK && !(v.humidity >= 0 && v.humidity <= 100))
		abort();
	free(line);
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n ||
	    lseek(fd, 0, SEEK_SET) < 0)
		abort();
	for (size_t i = 0; i <= n + 1; i++)
		if (bme680_next(fd, &in, tim_mono() + TIM_S, &v) == BME680_LOST)
			return 0;
	abort(); /* more answers than bytes */
}
