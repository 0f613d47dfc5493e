/*
 * synccopy.h - one file across: opened beneath a folder, copied in the kernel, compared
 *
 * Functions return 0 or more, and -1 with errno. `stopping` ends them with EINTR.
 */
#ifndef FYKE_SYNCCOPY_H
#define FYKE_SYNCCOPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens name for reading, beneath dirfd and through no symbolic link (ELOOP, EXDEV). Never waits
 * for a FIFO or a device. flags: O_DIRECTORY or 0. */
int sync_open(int dirfd, const char *name, int flags);

/* Copies bytes from..to-1 to the same place of out (which must not be O_APPEND): copy_file_range,
 * or read and write where that is impossible. EPROTO: the file ends before `to`. */
int sync_copy(int in, int out, int64_t from, int64_t to, bool (*stopping)(void));

/* 1 when bytes from..to-1 of both are the same, 0 when not. */
int sync_same(int a, int b, int64_t from, int64_t to, bool (*stopping)(void));

/* Whether dirfd is on a disk of this machine, whose change times can be believed. */
bool sync_local(int dirfd);

/* Makes the folders of path beneath dirfd, but not its last part; each reaches the disk. */
int sync_mkdirs(int dirfd, const char *path);

#endif
