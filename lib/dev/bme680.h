/*
 * bme680.h - a BME680 gas sensor behind an Arduino: one byte asks, one line answers
 *
 * The host sends 'R' without a newline; the sketch (etc/arduino/bme680) answers
 * "295.42;96731;42.10;51234\r\n": kelvin, pascal, per cent, ohm; or one line of words when the
 * sensor failed. Opening the port resets the board: it hears nothing for about 2 s, and the
 * first line may be cut. Works on a descriptor, whatever is behind it.
 */
#ifndef FYKE_BME680_H
#define FYKE_BME680_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BME680_LINE 128 /* no good answer is longer */

struct bme680 {
	double temperature; /* K */
	double pressure;    /* Pa */
	double humidity;    /* % */
	double voc;         /* ohm: the sensor's resistance, lower where there is more gas */
};

/* What an answer was. */
enum bme680_answer {
	BME680_OK,
	BME680_EMPTY,
	BME680_FIELDS,    /* not four fields */
	BME680_NUMBER,    /* a field is no number */
	BME680_RANGE,     /* a value that this sensor cannot measure */
	BME680_LONG,      /* no end of line: not this device, or a wrong baud rate */
	BME680_FAILED,    /* "Failed to ... reading": this time */
	BME680_NOT_FOUND, /* "Could not find ...": wiring; the sketch has stopped for good */
	BME680_SILENT,    /* no whole line in time */
	BME680_LOST,      /* the port is gone (errno; ENODEV: end of file) */
	BME680_STOPPED,   /* a signal came */
	BME680_ANSWERS
};
const char *bme680_text(enum bme680_answer a);

/* One line, with or without its end of line. */
enum bme680_answer bme680_parse(const char *line, size_t n, struct bme680 *to);

/* Lines from a descriptor, which may come in pieces. Zero it after each opening. */
struct bme680_lines {
	char buf[BME680_LINE];
	size_t n;
	size_t used; /* bytes of buf that belong to the line given last */
};

/* The next line, parsed, at the latest at tim_mono() == deadline. */
enum bme680_answer bme680_next(
    int fd, struct bme680_lines *in, int64_t deadline, struct bme680 *to);

/* Asks, and waits for the answer. What was in `in` belongs to an older question and is dropped. */
enum bme680_answer bme680_ask(int fd, struct bme680_lines *in, int64_t deadline, struct bme680 *to);

/* A reading: asks, and after an answer that is none once more (which *again counts), waiting
 * patience (ns) for each. stopping is asked after a signal. */
enum bme680_answer bme680_read(int fd, struct bme680_lines *in, int64_t patience,
    bool (*stopping)(void), uint64_t *again, struct bme680 *to);

#endif
