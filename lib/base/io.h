/*
 * io.h - descriptors: whole writes, waits that a signal can end, pipes of 1 MiB, free space
 *
 * Functions return 0 or a count, and -1 with errno. Nothing here prints.
 */
#ifndef FYKE_IO_H
#define FYKE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* A descriptor that turns readable when a signal asks the program to look up (set by cli_begin,
 * -1 before). io_wait() watches it, so that no signal slips in between a check and a sleep. */
extern int io_wakefd;

/* Waits until fd is readable (or hung up), timeout_ns have passed (< 0: for ever), or a signal
 * came. 1 readable, 0 time is up, -1 with EINTR after a signal. */
int io_wait(int fd, int64_t timeout_ns);

/* The same for writing. */
int io_wait_write(int fd, int64_t timeout_ns);

/* Writes all n bytes, going on after short writes and EINTR. */
int io_writeall(int fd, const void *buf, size_t n);

/* The same from *done on, which also a write that fails leaves at what is written. */
int io_writefrom(int fd, const void *buf, size_t n, size_t *done);

/* Writes all n bytes at a place in the file, which is not where it stands then. *done (or NULL):
 * how many, also where it fails. */
int io_writeat(int fd, const void *buf, size_t n, int64_t at, size_t *done);

/* Writes all of iov[0..n); changes iov. n may exceed IOV_MAX. */
int io_writevall(int fd, struct iovec *iov, size_t n);

/* Reads until n bytes or end of file; the count read. */
ssize_t io_readall(int fd, void *buf, size_t n);

/* The same from a place in the file, which is not where it stands then. */
ssize_t io_readat(int fd, void *buf, size_t n, int64_t at);

/* Reads a whole regular file of at most max bytes into memory, with a NUL after it; the caller
 * frees. NULL with errno; EFBIG when it is longer. */
char *io_slurp(const char *path, size_t max, size_t *n);

/* Lines that come by and by, in text (room bytes, *have of them used: 0 at first): one read, and
 * each whole line goes to take() without its end; empty ones are passed over, one that has no room
 * is dropped. False at end of file. */
bool io_take_lines(int fd, char *text, size_t room, size_t *have, void (*take)(const char *line));

/* Asks for a pipe of 1 MiB where fd is one; says nothing when the system refuses. */
void io_bigpipe(int fd);

/* Whether fd is a pipe, a FIFO or a socket: a stream that another program feeds. */
bool io_ispipe(int fd);

/* Whether fd is a file in a file system of memory: there disk that is asked for ahead of the data
 * costs more than it saves. */
bool io_in_memory(int fd);

/* Bytes that an ordinary user may still write where fd lives; -1 when that is not a disk. */
int64_t io_free_bytes(int fd);

/* Opens a new file for writing; a FIFO or a device is opened as it is. A descriptor, or -1: EEXIST
 * where a file (or a link) has this name. */
int io_create(const char *path);

/* Whether this is an ordinary file. */
bool io_regular(int fd);

/* The place at `rel` from the folder that holds the running program, so that an installation may be
 * moved, and the tree is tried as it was built. 0, or -1 where that cannot be told. */
int io_beside(const char *rel, char *path, size_t size);

/* Asks for room for n open files where the limit is lower and may be raised; says nothing when it may
 * not: then an open fails. */
void io_many_files(size_t n);

/* Another name in the same folder, which must be free (EEXIST). */
int io_rename_free(int dirfd, const char *from, const char *to);

/* fsync and fdatasync, once more when a signal interrupts them. */
int io_sync(int fd);
int io_sync_data(int fd);

/* fsync of a folder, so that a name made or changed in it survives a power cut. */
int io_sync_dir(int dirfd);

#endif
