/* bme680.c - a BME680 gas sensor behind an Arduino */
#include "bme680.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"

#define FIELDS     4
#define FIELD_TEXT 32

/* What the sensor can give: K (-40 to 85 C), Pa, %, ohm. */
static const struct {
	double lo, hi;
} range[FIELDS] = {{233, 358}, {30000, 110000}, {0, 100}, {0, 1e8}};

const char *bme680_text(enum bme680_answer a)
{
	static const char *const text[BME680_ANSWERS] = {
	    [BME680_OK] = "good",
	    [BME680_EMPTY] = "an empty line",
	    [BME680_FIELDS] = "not four fields",
	    [BME680_NUMBER] = "a field that is no number",
	    [BME680_RANGE] = "a value outside the sensor's range",
	    [BME680_LONG] = "bytes without an end of line (is the baud rate right?)",
	    [BME680_FAILED] = "the sensor failed to read",
	    [BME680_NOT_FOUND] =
		"the board does not find its sensor: check the wiring, then reset it",
	    [BME680_SILENT] = "no answer in time",
	    [BME680_LOST] = "the port is gone",
	    [BME680_STOPPED] = "interrupted",
	};
	return a < BME680_ANSWERS ? text[a] : "?";
}

static bool begins(const char *line, size_t n, const char *words)
{
	return n >= strlen(words) && memcmp(line, words, strlen(words)) == 0;
}

static enum bme680_answer take_field(const char *s, size_t n, int i, double *v)
{
	char text[FIELD_TEXT];

	if (n == 0 || n >= sizeof text || memchr(s, '\0', n))
		return BME680_NUMBER;
	memcpy(text, s, n);
	text[n] = '\0';
	if (conf_real(text, v) < 0)
		return BME680_NUMBER;
	return *v < range[i].lo || *v > range[i].hi ? BME680_RANGE : BME680_OK;
}

enum bme680_answer bme680_parse(const char *line, size_t n, struct bme680 *to)
{
	double v[FIELDS];
	int i = 0;

	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	if (n == 0)
		return BME680_EMPTY;
	if (begins(line, n, "Failed to "))
		return BME680_FAILED;
	if (begins(line, n, "Could not find "))
		return BME680_NOT_FOUND;
	for (const char *p = line, *end = line + n; p; i++) {
		const char *semi = memchr(p, ';', (size_t)(end - p));
		size_t len = semi ? (size_t)(semi - p) : (size_t)(end - p);
		if (i == FIELDS)
			return BME680_FIELDS;
		enum bme680_answer a = take_field(p, len, i, &v[i]);
		if (a != BME680_OK)
			return a;
		p = semi ? semi + 1 : NULL;
	}
	if (i != FIELDS)
		return BME680_FIELDS;
	*to = (struct bme680){v[0], v[1], v[2], v[3]};
	return BME680_OK;
}

/* The next whole line in the buffer: its length, or 0. */
static size_t whole_line(struct bme680_lines *in)
{
	memmove(in->buf, in->buf + in->used, in->n - in->used);
	in->n -= in->used;
	const char *end = memchr(in->buf, '\n', in->n);
	in->used = end ? (size_t)(end - in->buf) + 1 : 0;
	return in->used;
}

enum bme680_answer bme680_next(int fd, struct bme680_lines *in, int64_t deadline, struct bme680 *to)
{
	for (;;) {
		size_t n = whole_line(in);
		if (n > 0)
			return bme680_parse(in->buf, n, to);
		if (in->n == sizeof in->buf) {
			in->n = 0;
			return BME680_LONG;
		}
		int64_t left = deadline - tim_mono();
		int rc = io_wait(fd, left > 0 ? left : 0);
		if (rc == 0)
			return BME680_SILENT;
		if (rc < 0)
			return errno == EINTR ? BME680_STOPPED : BME680_LOST;
		ssize_t got = read(fd, in->buf + in->n, sizeof in->buf - in->n);
		if (got > 0)
			in->n += (size_t)got;
		else if (got == 0)
			errno = ENODEV;
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return BME680_LOST; /* unplugged: end of file, or EIO */
	}
}

enum bme680_answer bme680_ask(int fd, struct bme680_lines *in, int64_t deadline, struct bme680 *to)
{
	in->n = in->used = 0;
	if (io_writeall(fd, "R", 1) < 0)
		return BME680_LOST;
	return bme680_next(fd, in, deadline, to);
}

/* Asks once; a signal that is no stop does not spoil the answer. */
static enum bme680_answer ask_through(
    int fd, struct bme680_lines *in, int64_t patience, bool (*stopping)(void), struct bme680 *to)
{
	int64_t deadline = tim_mono() + patience;
	enum bme680_answer a = bme680_ask(fd, in, deadline, to);

	while (a == BME680_STOPPED && !stopping())
		a = bme680_next(fd, in, deadline, to);
	return a;
}

/* What else has come belongs to no question, or to an older one. */
static void drop_all(int fd)
{
	char junk[BME680_LINE];

	while (io_wait(fd, 0) > 0 && read(fd, junk, sizeof junk) > 0)
		;
}

enum bme680_answer bme680_read(int fd, struct bme680_lines *in, int64_t patience,
    bool (*stopping)(void), uint64_t *again, struct bme680 *to)
{
	enum bme680_answer a = ask_through(fd, in, patience, stopping, to);

	if (a == BME680_OK || a == BME680_LOST || a == BME680_STOPPED)
		return a;
	drop_all(fd);
	++*again;
	return ask_through(fd, in, patience, stopping, to);
}
