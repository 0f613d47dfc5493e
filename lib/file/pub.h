/*
 * pub.h - publishing: a file appears under its final name only when it is whole, and never in
 * the place of another
 *
 * Written as .NAME.part in the same folder (O_EXCL, O_NOFOLLOW), then fsync, link or
 * renameat2(RENAME_NOREPLACE), and fsync of the folder. Handles keep a folder descriptor, so a
 * folder that is moved or unmounted is noticed.
 */
#ifndef FYKE_PUB_H
#define FYKE_PUB_H

#include <stdbool.h>
#include <stdint.h>

#define PUB_WHY  512
#define PUB_PATH 4096

struct pub {
	int dirfd;
	char part[PUB_PATH]; /* path of the temporary name, for libraries that open by path */
	char path[PUB_PATH]; /* path of the final name */
	char part_name[256], name[256]; /* the last parts of the same */
	char why[PUB_WHY];              /* one sentence after -1 */
	bool published;
};

/* Prepares to write path: the folder must exist (EX: "DIR: no such folder"), and unless replace
 * is set, the final name must be free (EEXIST). A stale .part of a dead program is removed; one
 * that is locked by a living program is EBUSY. 0, or -1 with errno. Does not create the file. */
int pub_begin(struct pub *p, const char *path, bool replace);

/* Creates and opens the temporary file (write, append): a descriptor, or -1 with errno. */
int pub_create(struct pub *p);

/* Gives the file its final name: fsync of fd, then the name, then the folder. replace: takes the
 * place of an old file by rename. After it, .part is gone. 0, or -1 with errno. */
int pub_commit(struct pub *p, int fd, bool replace);

/* Takes the temporary name away when nothing was published; closes the folder. */
void pub_end(struct pub *p);

/* A name for `at` in dir: PREFIX_20261120T072353Z.SUFFIX, with -1, -2 ... when it is taken. */
int pub_name(char path[PUB_PATH], const char *dir, const char *prefix, int64_t at,
    const char *suffix, char why[PUB_WHY]);

/* Makes dir/link a symbolic link to target (atomically), and dir/link.cur a text file that holds
 * the target's path (kst reads it) when cur is set. */
int pub_current(const char *path, const char *link, bool cur, char why[PUB_WHY]);

#endif
