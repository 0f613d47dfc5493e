/*
 * rot.c - any bytes as what a motor and an encoder's interface say, and as rotctl's own texts
 *
 * What comes through must be whole: a number that the line holds, a request with angles in range.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tim.h"
#include "dev/ad4.h"
#include "dev/mcode.h"
#include "dev/rotkeep.h"
#include "dev/rotserve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A device that has said all this already, and nothing after it. */
static int device(const uint8_t *data, size_t n, int *other)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	if (n > 0 && write(pair[1], data, n) < 0)
		abort();
	*other = pair[1];
	return pair[0];
}

static void as_device(const uint8_t *data, size_t n)
{
	struct mcode m = {.fd = -1};
	int other;
	int64_t v = 0, now = tim_mono();
	int32_t count = 0;
	int fd = device(data, n, &other);

	m.fd = fd;
	(void)mcode_ask(&m, "P", now, &v);
	close(fd);
	close(other);
	fd = device(data, n, &other);
	(void)ad4_position(fd, now, &count);
	close(fd);
	close(other);
	if (n >= AD4_POSITION && (ad4_decode(data) < -8388608 || ad4_decode(data) > 8388607))
		abort();
}

static void as_text(const char *text)
{
	struct rot_request q;
	struct rotkeep k;
	char why[ROT_WHY], line[ROT_LINE];

	if (rot_request_parse(text, &q, why) == 0) {
		if (!(fabs(q.angle) <= 720 && fabs(q.parallactic) <= 720))
			abort();
		rot_request_text(&q, line);
		if (rot_request_parse(line, &q, why) < 0)
			abort();
	}
	if (rotkeep_parse(text, &k) < 0 && k.homed)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);
	int64_t v = 0;

	if (!text)
		abort();
	if (n > 0)
		memcpy(text, data, n);
	text[n] = '\0';
	if (mcode_line(text, n, "PR P", &v) == MCODE_NUMBER && (v > INT32_MAX || v < INT32_MIN))
		abort();
	as_text(text);
	free(text);
	as_device(data, n);
	return 0;
}
