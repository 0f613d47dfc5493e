/* cap.c - any bytes as a capture stream, and its records as datagrams */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "stream/pkt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	struct cap_record r;
	struct pkt p;
	enum cap_next got;
	uint64_t bytes = 0, records = 0;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n ||
	    lseek(fd, 0, SEEK_SET) < 0)
		abort();
	struct cap_reader *c = cap_reader_new(fd);
	if (!c)
		abort();
	while ((got = cap_read(c, &r, 0)) != CAP_END && got != CAP_ERROR) {
		if (got != CAP_RECORD)
			continue;
		records++;
		bytes += r.caplen;
		if (pkt_decode(&r, &p) == PKT_OK &&
		    (p.data < r.data || p.data + p.len > r.data + r.caplen))
			abort();
	}
	if (bytes > n || records != cap_state(c)->records || cap_state(c)->skipped > n)
		abort();
	cap_reader_free(c);
	return 0;
}
