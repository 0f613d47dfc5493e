/* bus.c - any bytes as addresses and as messages: each 2 bytes of length, then a message */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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
	char text[512], why[BUS_WHY];
	struct bus_url u;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct sub_options o = {.fd = fd, .program = "fuzz", .note = quiet, .exact = n % 2};

	size_t k = n < sizeof text - 1 ? n : sizeof text - 1;
	memcpy(text, data, k);
	text[k] = '\0';
	(void)bus_url(text, BUS_PUBLISHER, &u, why);
	(void)bus_url(text, BUS_SUBSCRIBER, &u, why);

	struct sub *s = sub_new(&o);
	if (!s)
		abort();
	for (size_t at = 0; at + 2 < n;) {
		size_t len = data[at] | (size_t)data[at + 1] << 8;
		if (len > n - at - 2)
			len = n - at - 2;
		uint8_t *message = malloc(len + 1); /* so that a sanitizer sees its end */
		memcpy(message, data + at + 2, len);
		(void)sub_take(s, message, len);
		free(message);
		at += 2 + len;
	}
	if (sub_finish(s) < 0)
		abort();
	sub_free(s);
	close(fd);
	return 0;
}
