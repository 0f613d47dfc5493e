/*
 * raw.h - the raw recording: where the writer thread of a recorder puts whole blocks
 *
 * One of
 * - a descriptor (standard output, a FIFO, a device): written as it is;
 * - one file: made under its final name (O_EXCL), so that it can be looked at while it grows; the
 *   end mark inside tells whether it is whole;
 * - a folder of files named by UT: each written as .NAME.part and published when it is whole, with
 *   the link `current` to the newest one; where that cannot be made, it is said once.
 * On disk, space is asked for 8 MiB ahead (and given back at the end), the write-back is begun
 * every 8 MiB, and fdatasync runs on a timer, so that no sync has much to do. Functions return 0,
 * or -1 with errno and a sentence in why.
 */
#ifndef FYKE_RAW_H
#define FYKE_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file/pub.h"

struct raw {
	int fd;          /* being written, -1: none */
	bool disk;       /* fd is a regular file */
	bool prepare;    /* it gains by asking for space, and by writing back, ahead */
	bool own;        /* we opened it */
	bool gone;       /* somebody removed it meanwhile, and what it held */
	bool no_link;    /* `current` could not be made, which was said */
	const char *dir; /* folder of files, or NULL */
	const char *prefix, *suffix;
	char
	    path[PUB_PATH]; /* of the file being written, or of the last one; "" for a descriptor */
	struct pub pub;
	int64_t size, ahead, flushed; /* bytes: written, asked for, given to the disk */
	int64_t dirty;                /* tim_mono() of the next fdatasync, 0: nothing to sync */
	uint64_t files;               /* published */
	char why[PUB_WHY];
};

/* Starts on a descriptor, which stays the caller's. */
void raw_on_fd(struct raw *f, int fd);

/* Makes path, which must not exist (EEXIST); or opens what is there if it is no ordinary file (a
 * FIFO, a device). */
int raw_on_file(struct raw *f, const char *path);

/* Starts a folder of files PREFIX_20261120T072353Z.SUFFIX. The strings stay the caller's. What a
 * recorder that was killed left there is kept under a name, and kept() is told. */
int raw_in_folder(
    struct raw *f, const char *dir, const char *prefix, const char *suffix, pub_kept *kept);

/* The next five take the struct raw as void *, so that they can be a ring's sink as they are. */

/* A file begins (only a folder's do more than note it). */
int raw_begin(void *raw, int64_t at);

/* Writes all n bytes; on -1 *wrote says how many of them went out. */
int raw_put(void *raw, const uint8_t *p, size_t n, size_t *wrote);

/* Takes the last n bytes away again, where that is possible. */
void raw_cut(void *raw, size_t n);

/* The file is done: to the disk, and under its name; as NAME.cut.SUFFIX when it is not whole. */
int raw_end(void *raw, bool whole);

/* fdatasync when it is time, and a look whether the file still has a name (ENOENT). */
int raw_tick(void *raw);

#endif
