/*
 * ad4.h - a US Digital AD4 (AD4-B): counts of a quadrature encoder over a serial line, binary
 *
 *	send				reply
 *	41				34		ping
 *	01				4 bytes		position, least significant first
 *	22 mode preset[4]		1 byte		sets up the counter; mode 0, 1, 2 or 4
 *	55				1 byte		status of the LS7166 counter
 *
 * 9600 8N1, no terminator, no checksum that is published. The counter has 24 bits: the fourth byte
 * of a position is ignored, bit 23 is the sign. There is no absolute position: what it counted is
 * lost with its power.
 *
 * Source: US Digital's page on the AD4-B; EPICS module ip, Encoder_AD4.proto. Works on a descriptor
 * that does not block, whatever is behind it.
 */
#ifndef FYKE_AD4_H
#define FYKE_AD4_H

#include <stddef.h>
#include <stdint.h>

#define AD4_BAUD     9600
#define AD4_POSITION 4 /* bytes of a position */
#define AD4_SETUP    6 /* bytes of the command that sets up the counter */
#define AD4_EXACT    1 /* tolerance of ad4_read() for a shaft at rest, counts */

/* What became of a question. */
enum ad4_answer {
	AD4_OK,
	AD4_SILENT, /* no reply, or not all of it, in time */
	AD4_WRONG,  /* a reply that is none, or readings that contradict each other */
	AD4_LOST,   /* the port is gone (errno) */
	AD4_STOPPED /* a signal came: ask again, or stop */
};
const char *ad4_text(enum ad4_answer a);

/* Bits of the status byte. */
enum ad4_status { AD4_BORROW = 1, AD4_CARRY = 2, AD4_SIGN = 8, AD4_UP = 16 };

/* ---- bytes ---- */

/* Counts, -8388608 to 8388607, from the four bytes of a position. */
int32_t ad4_decode(const uint8_t reply[AD4_POSITION]);

/* The command that sets the quadrature multiplier (0, 1, 2, 4) and the counter to preset. */
void ad4_encode_setup(uint8_t to[AD4_SETUP], int multiplier, int32_t preset);

/* ---- one question; deadline is on tim_mono() ---- */

enum ad4_answer ad4_ping(int fd, int64_t deadline);
enum ad4_answer ad4_position(int fd, int64_t deadline, int32_t *count);
enum ad4_answer ad4_status(int fd, int64_t deadline, unsigned *bits); /* enum ad4_status */

/* Does not say whether the counter took the preset: read it back. */
enum ad4_answer ad4_setup(int fd, int64_t deadline, int multiplier, int32_t preset);

/* ---- a reading to rely on ---- */

/* Two readings in a row that differ by at most tolerance counts (the last one goes to *count),
 * since a byte that the line has changed cannot be told from a good one. Between bad replies it
 * waits until the line is quiet and pings. AD4_OK, or what was wrong last at the deadline. */
enum ad4_answer ad4_read(int fd, int64_t deadline, int32_t tolerance, int32_t *count);

#endif
