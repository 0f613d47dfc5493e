/*
 * encfile.h - writes the housekeeping's minute files (fyke-enc(5)):
 * DIR/YYYYMMDD/enc_YYMMDD_MMMM.tsv
 *
 * A row is one write to a file opened with O_APPEND. What a file has already is neither written
 * again nor overtaken: a row that is not after its last one is passed over. A row that an earlier
 * writer left half is cut off. Files are synchronised when their minute is over, and at the end.
 */
#ifndef FYKE_ENCFILE_H
#define FYKE_ENCFILE_H

#include <stdint.h>

#include "sky/hk.h"
#include "sky/rowclock.h"

#define ENCFILE_WHY 512

struct encfile;

/* dir must exist; it is locked against another writer. NULL with errno (EBUSY: there is one) and
 * why. */
struct encfile *encfile_open(const char *dir, char why[ENCFILE_WHY]);

/* 0, or -1 with errno and why: the last file could not be synchronised. Frees. */
int encfile_close(struct encfile *f, char why[ENCFILE_WHY]);

/* The last row of the newest file of the minutes from `from` to `now`. 1, or 0: there is none. */
int encfile_last(struct encfile *f, int64_t from, int64_t now, struct row_second *last);

/* 1 written; 0 the file has this row, or later ones; -1 with errno and encfile_why(): EEXIST: the
 * file has other columns. */
int encfile_put(struct encfile *f, const struct hk_row *row);
const char *encfile_why(const struct encfile *f);

/* What was repaired since the last call, as a sentence; NULL: nothing. */
const char *encfile_news(struct encfile *f);

int encfile_fd(const struct encfile *f); /* of the folder */

#endif
