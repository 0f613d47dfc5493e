/* ad4.c - a US Digital AD4: counts of a quadrature encoder over a serial line */
#include "ad4.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"

enum { ASK_POSITION = 0x01, ASK_SETUP = 0x22, ASK_PING = 0x41, ASK_STATUS = 0x55 };
/* For a reply: 4 ms at 9600 baud, a USB port adds 16, a busy machine more. */
#define ONE   (150 * TIM_MS)
#define QUIET (20 * TIM_MS) /* a line without a byte for so long has said all */
#define PONG  0x34
#define SIGN  0x800000 /* of the 24 bits that it counts with */

const char *ad4_text(enum ad4_answer a)
{
	switch (a) {
	case AD4_OK:
		return "good";
	case AD4_SILENT:
		return "the encoder interface does not answer: is it on, and is its line plugged "
		       "in?";
	case AD4_WRONG:
		return "what the encoder interface sends makes no sense (is the baud rate 9600?)";
	case AD4_LOST:
		return "the encoder's serial port is gone";
	case AD4_STOPPED:
		return "interrupted";
	}
	return "?";
}

/* ---- bytes ---- */

int32_t ad4_decode(const uint8_t reply[AD4_POSITION])
{
	int32_t v = reply[0] | reply[1] << 8 | reply[2] << 16;

	return v & SIGN ? v - 2 * SIGN : v;
}

void ad4_encode_setup(uint8_t to[AD4_SETUP], int multiplier, int32_t preset)
{
	uint32_t v = (uint32_t)preset;

	to[0] = ASK_SETUP;
	to[1] = (uint8_t)multiplier;
	for (int i = 0; i < 4; i++)
		to[2 + i] = (uint8_t)(v >> 8 * i);
}

/* ---- one question ---- */

static enum ad4_answer lost(ssize_t got)
{
	if (got == 0)
		errno = ENODEV; /* unplugged: end of file, or EIO */
	return AD4_LOST;
}

/* Reads until the line has said nothing for so long; AD4_WRONG: it does not end until the deadline. */
static enum ad4_answer empty(int fd, int64_t quiet, int64_t deadline)
{
	uint8_t junk[64];

	for (ssize_t seen = 0;;) {
		int64_t left = deadline - tim_mono();
		if (left < 0)
			return seen > 0 ? AD4_WRONG : AD4_SILENT;
		int rc = io_wait(fd, left < quiet ? left : quiet);
		if (rc == 0)
			return AD4_OK;
		if (rc < 0)
			return errno == EINTR ? AD4_STOPPED : AD4_LOST;
		ssize_t got = read(fd, junk, sizeof junk);
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return lost(got);
		seen += got > 0 ? got : 0;
	}
}

/* Sends, and reads a reply of want bytes. What was here before is no answer to this. */
static enum ad4_answer ask(
    int fd, int64_t deadline, const uint8_t *text, size_t n, uint8_t *reply, size_t want)
{
	enum ad4_answer a = empty(fd, 0, deadline);

	if (a != AD4_OK)
		return a;
	if (io_writeall(fd, text, n) < 0)
		return errno == EAGAIN ? AD4_SILENT : AD4_LOST;
	for (size_t have = 0; have < want;) {
		int64_t left = deadline - tim_mono();
		int rc = io_wait(fd, left > 0 ? left : 0);
		if (rc == 0)
			return AD4_SILENT;
		if (rc < 0)
			return errno == EINTR ? AD4_STOPPED : AD4_LOST;
		ssize_t got = read(fd, reply + have, want - have);
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return lost(got);
		have += got > 0 ? (size_t)got : 0;
	}
	return AD4_OK;
}

enum ad4_answer ad4_ping(int fd, int64_t deadline)
{
	static const uint8_t text[] = {ASK_PING};
	uint8_t reply = 0;
	enum ad4_answer a = ask(fd, deadline, text, sizeof text, &reply, 1);

	return a == AD4_OK && reply != PONG ? AD4_WRONG : a;
}

enum ad4_answer ad4_position(int fd, int64_t deadline, int32_t *count)
{
	static const uint8_t text[] = {ASK_POSITION};
	uint8_t reply[AD4_POSITION];
	enum ad4_answer a = ask(fd, deadline, text, sizeof text, reply, sizeof reply);

	if (a == AD4_OK)
		*count = ad4_decode(reply);
	return a;
}

enum ad4_answer ad4_status(int fd, int64_t deadline, unsigned *bits)
{
	static const uint8_t text[] = {ASK_STATUS};
	uint8_t reply = 0;
	enum ad4_answer a = ask(fd, deadline, text, sizeof text, &reply, 1);

	if (a == AD4_OK)
		*bits = reply & (AD4_BORROW | AD4_CARRY | AD4_SIGN | AD4_UP);
	return a;
}

enum ad4_answer ad4_setup(int fd, int64_t deadline, int multiplier, int32_t preset)
{
	uint8_t text[AD4_SETUP], checksum;

	ad4_encode_setup(text, multiplier, preset);
	return ask(
	    fd, deadline, text, sizeof text, &checksum, 1); /* its algorithm is unpublished */
}

/* ---- a reading to rely on ---- */

enum ad4_answer ad4_read(int fd, int64_t deadline, int32_t tolerance, int32_t *count)
{
	enum ad4_answer a = AD4_SILENT;
	int32_t now, last = 0;
	int good = 0; /* readings in a row */

	for (;;) {
		int64_t left = deadline - tim_mono();
		if (left <= 0)
			return a == AD4_OK ? AD4_WRONG : a;
		enum ad4_answer got =
		    ad4_position(fd, tim_mono() + (left < ONE ? left : ONE), &now);
		if (got == AD4_LOST || got == AD4_STOPPED)
			return got;
		a = got;
		if (got == AD4_OK && good++ > 0 && now - last <= tolerance &&
		    last - now <= tolerance) {
			*count = now;
			return AD4_OK;
		}
		last = now;
		if (got == AD4_OK && good < 3)
			continue; /* the first, or two that differ: once more */
		good = 0;
		got = empty(fd, QUIET, deadline);
		if (got == AD4_OK)
			got = ad4_ping(fd, tim_mono() + ONE);
		if (got == AD4_LOST || got == AD4_STOPPED)
			return got;
		a = got == AD4_OK ? AD4_WRONG : got;
	}
}
