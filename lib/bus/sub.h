/*
 * sub.h - messages of a bus back into a capture stream, with everything counted
 *
 * Each stream of the bus becomes a section of its own, with the publisher's header and an end mark
 * whose counts sum: what is missing is in ifdrop, and for packets also in the drop count of the
 * next block. The section header says which stream it is and from where, so that a file can be
 * taken up again (sub_resume()).
 */
#ifndef FYKE_SUB_H
#define FYKE_SUB_H

#include "bus.h"
#include "ssdaq.h"
#include "stream/cap.h"

struct sub;

struct sub_options {
	int fd;
	const char *program;
	int64_t dropold;  /* 0: none */
	uint64_t limit;   /* records, 0: none */
	bool exact;       /* a gap begins a new section: the file tells which message comes next */
	int64_t ask_each; /* between two times that one header is asked for */
	const struct card *ssdaq; /* the messages are SSDAQ's, for this card; NULL: our own */
	void (*note)(const char *text);
};

struct sub_count {
	uint64_t records;             /* written */
	uint64_t missed;              /* records that never came */
	uint64_t old;                 /* came later than dropold */
	uint64_t foreign;             /* messages that are none of ours, or damaged */
	uint64_t again;               /* messages that had come before */
	uint64_t streams, ended, cut; /* begun, ended by their end mark, broken off */
	uint64_t headless;            /* messages before the header of their stream */
	uint64_t late_ns;             /* between sending and writing, of the last one */
};

struct sub *sub_new(const struct sub_options *o);

enum sub_took {
	SUB_TOOK,
	SUB_ASK,   /* the header of the stream that runs is missing: ask the publisher */
	SUB_ENDED, /* a stream has ended */
	SUB_FULL,  /* the limit is reached */
	SUB_ERROR  /* errno of writing, or ENOMEM */
};
enum sub_took sub_take(struct sub *s, const void *message, size_t n);

/* After SUB_ASK: the header of this message's stream, as if we joined with this message. What is
 * no header (nheader may be 0) says that the stream cannot be read: that is noted once, its records
 * count as missed, and where it is another message of the stream it is not asked for again. */
enum sub_took sub_join(
    struct sub *s, const void *header, size_t nheader, const void *message, size_t n);

/* Opens a file for a sub that continues it, or begins it, and locks it. A descriptor, or -1 with
 * errno (EBUSY: another one writes it) and why. */
int sub_file(const char *path, char why[BUS_WHY]);

/* The file at fd, written by a sub before, is continued: finds the place, and cuts off its end what
 * is not whole, which is noted. 0, or -1 with errno (EPROTO: not such a file, or more of it is
 * damaged than a write that was cut leaves) and why. */
int sub_resume(struct sub *s, char why[BUS_WHY]);

/* Writes out what is gathered; fsync too. 0, or -1 with errno. */
int sub_flush(struct sub *s, bool sync);

/* Whether a section is open, whose end mark the publisher owes. */
bool sub_open(const struct sub *s);

/* The publisher, from this address, went away for good: the section that is open counts as broken
 * off, and that is noted. 0, or -1 with errno. */
int sub_cut(struct sub *s, const char *from);

/* The end: an end mark for the section that is open. */
int sub_finish(struct sub *s);

const struct sub_count *sub_count(const struct sub *s);
void sub_free(struct sub *s);

#endif
