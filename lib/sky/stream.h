/*
 * stream.h - the minute files of one night: raw, pointing log and housekeeping, found, read,
 * checked, and searched for the edges that the clock model needs
 *
 * A file of minute M of day D stands in DIR/YYYYMMDD/NAME, or in DIR/NAME; where DIR itself is a
 * day's folder, the neighbouring days are looked for beside it. Minutes are counted since 1970.
 */
#ifndef FYKE_STREAM_H
#define FYKE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "sky/calspec.h"
#include "sky/clockfit.h"
#include "sky/hk.h"
#include "sky/plog.h"

#define STREAM_WHY  512
#define STREAM_PATH 4096

enum stream_kind { STREAM_RAW, STREAM_LOG, STREAM_ENC, STREAM_KINDS };

/* What is wrong with a minute: bits of minute_quality in merged files. */
enum stream_bits {
	STREAM_RAW_MISSING = 1 << 0,
	STREAM_RAW_SHORT = 1 << 1,
	STREAM_RAW_LONG = 1 << 2,      /* more frames than a minute's: the clock was set back */
	STREAM_RAW_TORN = 1 << 3,      /* the last frame is cut */
	STREAM_RAW_DUPLICATE = 1 << 4, /* the same bytes as the minute before */
	STREAM_LOG_MISSING = 1 << 5,
	STREAM_LOG_SHORT = 1 << 6,
	STREAM_LOG_STALE = 1 << 7, /* another day's or minute's file under this name: not used */
	STREAM_LOG_BAD = 1 << 8,   /* no record length fits, or records make no sense */
	STREAM_ENC_MISSING = 1 << 9,
	STREAM_ENC_SHORT = 1 << 10,
	STREAM_ENC_BAD = 1 << 11, /* lines that make no sense */
	STREAM_LEAP = 1 << 12,    /* the minute has a leap second, which is not on the time axis */
	STREAM_PROVISIONAL = 1 << 13 /* live: merged with a clock model that will yet change */
};
#define STREAM_NBITS 14
extern const char *const stream_bit_names[STREAM_NBITS];
#define STREAM_RAW_BITS 0x001fu
#define STREAM_LOG_BITS 0x11e0u
#define STREAM_ENC_BITS 0x0e00u

/* One that is there but too long to be used is not present, and has its size and time. */
struct stream_file {
	bool read, present;
	int64_t size, mtime;
	uint32_t crc;
};

/* All that is kept of a minute once its files were read. */
struct stream_minute {
	struct stream_file file[STREAM_KINDS];
	unsigned bits;
	int frames;                 /* usable ones of the raw file */
	unsigned first[2], last[2]; /* levels of the lines at begin and end: DAS, log */
	unsigned noisy[2];          /* lines that chatter */
	bool whole_end[2];          /* the end is followed at once by the next minute */
	struct clock_edge *edge[2]; /* DAS, log: seconds since the night's first midnight */
	int nedges[2];
};

struct stream_log { /* one minute of the pointing log by its ticks */
	int64_t minute;
	uint64_t used;
	bool have[PLOG_MINUTE];
	struct plog_rec rec[PLOG_MINUTE];
};

struct stream;

struct stream_options {
	const char *dir[STREAM_KINDS]; /* or NULL */
	const struct calspec *cal;
	int format;  /* merge -ff */
	int64_t day; /* days since 1970 */
	bool fixut;  /* a pointing file's name is right and its times are not */
	bool fixnfs; /* network disks: try again after errors */
};
struct stream *stream_new(const struct stream_options *o); /* NULL with errno */
void stream_free(struct stream *s);

/* The sentence after -1. */
const char *stream_why(const struct stream *s);

/* Finds a minute's file. 1 with its path, size and time; 0: there is none. */
int stream_find(struct stream *s, enum stream_kind kind, int64_t minute, char path[STREAM_PATH],
    int64_t *size, int64_t *mtime);

/* Which minutes of the night's day have a raw file, by one look into the folders: have[0..1439].
 * 0, or -1 with errno and have as it was: a folder cannot be read now. */
int stream_list(struct stream *s, bool have[MINUTE_DAY]);

/* Reads a raw file: frames (valid until the next call) and how many, 0 where there is none.
 * -1 after an error that is not the file's absence. */
int stream_raw(struct stream *s, int64_t minute, const uint8_t **frames);

/* The log's records of a minute, NULL where there are none (why in the minute's bits). Valid until
 * six more minutes were asked for. */
const struct stream_log *stream_log(struct stream *s, int64_t minute);

/* The housekeeping rows of a minute, NULL where there are none. */
const struct hk_minute *stream_enc(struct stream *s, int64_t minute);

/* What is known of a minute; NULL for one that is more than two days away. */
struct stream_minute *stream_minute(struct stream *s, int64_t minute);

/* Forgets what was read of a minute, one kind: the file has changed. */
void stream_forget(struct stream *s, enum stream_kind kind, int64_t minute);

/* All edges of minutes from..to-1 of one stream (0 DAS, 1 log; read if need be), those between
 * two minutes included. Returns how many, -1 with a reason; *edges is the caller's to free. */
int stream_edges(struct stream *s, int which, int64_t from, int64_t to, struct clock_edge **edges);

/* DAS times at which the raw stream broke, in minutes from..to-1: a hole, a short or long file.
 * At most max; how many. */
int stream_breaks(struct stream *s, int64_t from, int64_t to, double *at, int max);

#endif
