/*
 * pub.h - publishing: a file appears under its final name only when it is whole, and never in
 * the place of another
 *
 * Written as .NAME.part in the same folder (O_EXCL, O_NOFOLLOW), then fsync, link or
 * renameat2(RENAME_NOREPLACE), and fsync of the folder. Handles keep a folder descriptor, so a
 * folder that is moved or unmounted is noticed. A writer at work holds a lock on its temporary
 * file (an open-file-description lock: HDF5's flock does not meet it), so that a stale one is
 * told from one in use.
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
	bool ours; /* the temporary name is ours to take away */
};

/* Prepares to write path: the folder must exist (EX: "DIR: no such folder"), and unless replace
 * is set, the final name must be free (EEXIST). A stale .part of a dead program is removed; one
 * that is locked by a living program is EBUSY, and so is a file to be replaced that somebody still
 * writes. 0, or -1 with errno. Does not create the file. */
int pub_begin(struct pub *p, const char *path, bool replace);

/* Whether pub_begin() would find the folder, and the name free. Changes nothing. 0, or -1 with errno
 * and a sentence. */
int pub_look(const char *path, bool replace, char why[PUB_WHY]);

/* Creates, locks and opens the temporary file (read, write, append): a descriptor, or -1 with
 * errno. The mode is 0666 less the umask. */
int pub_create(struct pub *p);

/* For a library that creates p->part itself: locks it through fd, a descriptor of the caller's
 * own, open for writing, which must stay open until the end. 0, or -1 with errno. */
int pub_hold(struct pub *p, int fd);

/* Gives the file its final name: fsync of fd, then the name, then the folder. replace: takes the
 * place of an old file by rename. After it, .part is gone. 0, or -1 with errno. */
int pub_commit(struct pub *p, int fd, bool replace);

/* Only the name, for a program that publishes many files at once: it syncs fd before, and p->dirfd
 * after the last one of a folder. 0, or -1 with errno. */
int pub_give(struct pub *p, int fd, bool replace);

/* The same for a file that could not be finished: it is kept as NAME.cut.SUFFIX (or -1, -2 ...
 * after NAME), and p->path says so. */
int pub_keep(struct pub *p, int fd);

/* Gives the file another name in the same folder, now or when it is published; it must be free unless
 * replace is set, as with pub_begin(). 0, or -1 with errno. */
int pub_rename(struct pub *p, const char *path, bool replace);

/* Takes the temporary name away when nothing was published; closes the folder. errno is kept. */
void pub_end(struct pub *p);

/* Keeps what dead programs left: every unlocked .PREFIX_*.SUFFIX.part in dir is renamed as
 * pub_keep() does (empty ones are removed), and kept(ctx, path) is called with the new name.
 * Returns how many were kept, or -1 with why. */
typedef void pub_kept(void *ctx, const char *path);
int pub_rescue(const char *dir, const char *prefix, const char *suffix, pub_kept *kept, void *ctx,
    char why[PUB_WHY]);

/* A name for `at` in dir: PREFIX_20261120T072353Z.SUFFIX, with -1, -2 ... when it is taken. */
int pub_name(char path[PUB_PATH], const char *dir, const char *prefix, int64_t at,
    const char *suffix, char why[PUB_WHY]);

/* Makes dir/link a symbolic link to target (atomically), and dir/link.cur a text file that holds
 * the target's path (kst reads it) when cur is set. dir is that of path. An ordinary file that
 * has the link's name is left alone (EEXIST). */
int pub_current(const char *path, const char *link, bool cur, char why[PUB_WHY]);

#endif
