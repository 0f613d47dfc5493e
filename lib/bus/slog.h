/*
 * slog.h - syslog records: frames in a stream, the parts of a record, and lines for people
 *
 * RFC 5424 records in the frames of RFC 6587 (a count of octets before each, or a newline or NUL
 * after each, told apart record by record). Records of older devices (RFC 3164, or anything) are
 * wrapped, never thrown away. A record is kept as one line: bytes below 0x20 and 0x7f are escaped.
 */
#ifndef FYKE_SLOG_H
#define FYKE_SLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOG_MOST 65536                 /* bytes of a record; more is cut off */
#define SLOG_LINE (4 * SLOG_MOST + 512) /* a buffer for one as a line */

/* ---- frames ---- */

struct slog_frame {
	const char *text;
	size_t n;
	bool cut; /* there was more of it */
};

/* State of one stream: how much of a record that is too long is still to be passed over. */
struct slog_stream {
	uint64_t skip; /* octets */
	bool skip_line;
};

/* Takes the next record off n bytes. Returns the bytes that are done with (0: it needs more;
 * f->text NULL: there was no record in them). last: nothing follows, so that a line without its end
 * is a record too. */
size_t slog_frame(struct slog_stream *s, const char *p, size_t n, bool last, struct slog_frame *f);

/* ---- records ---- */

struct slog_part {
	const char *p;
	size_t n;
};

struct slog {
	unsigned priority; /* facility * 8 + severity */
	struct slog_part time, host, program, process, message_id, data, text;
};

/* 0, or why it is no RFC 5424 record. Parts that are "-" are empty. */
const char *slog_parse(const char *record, size_t n, struct slog *s);

/* The record as one line with its newline; what is no RFC 5424 becomes one, from that host, at now
 * (UTC ns). Returns the length; *foreign: it was wrapped. */
size_t slog_line(const char *record, size_t n, const char *host, int64_t now, char line[SLOG_LINE],
    bool *foreign);

/* "2026-11-20T08:43:12.975Z daq1 evpub[roach01] warning: text" and structured data, with its newline. */
size_t slog_show(const struct slog *s, char line[SLOG_LINE]);

/* emerg, alert, crit, err, warning, notice, info, debug, or 0 to 7; also error, warn. -1: none. */
int slog_severity(const char *text);

#endif
