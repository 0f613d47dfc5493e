/* resume.c - any bytes as a file that evsub --append is to continue */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/sub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void quiet(const char *text)
{
	(void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct sub_options o = {.fd = fd, .program = "fuzz", .note = quiet, .exact = true};
	char why[BUS_WHY];

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	struct sub *s = sub_new(&o);
	if (!s)
		abort();
	if (sub_resume(s, why) == 0 && (lseek(fd, 0, SEEK_CUR) > (off_t)n || sub_finish(s) < 0))
		abort();
	sub_free(s);
	close(fd);
	return 0;
}
