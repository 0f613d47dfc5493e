/* logdir.c - a folder of log files: one a day or one a program, rotated by size */
#include "logdir.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"

#define NAME_MAX_BYTES 64
#define OTHER          "other" /* the file of programs beyond the places, and of nameless ones */

struct file {
	char name[NAME_MAX_BYTES]; /* without .log */
	int fd;                    /* -1: to be opened */
	off_t size;
	char *wait; /* lines that are not written */
	size_t nwait, room;
	uint64_t lines; /* in wait */
	bool dirty;     /* written since the last sync that was good */
	bool stays;     /* it could not be rotated since the last sync */
	bool torn;      /* the last write ended inside a line, which goes on */
	int64_t used;
};

struct logdir {
	int dir, lock;
	bool by_program;
	int64_t rotate;
	struct file file[1 + LOGDIR_FILES]; /* the first one is OTHER */
	int nfiles;
	uint64_t written;
	bool unsafe;  /* what was written may be lost, which was told */
	bool growing; /* files cannot be rotated, which was told */
	void (*note)(const char *text);
	char path[256], why[LOGDIR_WHY];
};

#define fail(why, error, ...) why_fail(why, LOGDIR_WHY, error, __VA_ARGS__)

struct logdir *logdir_open(const char *path, bool by_program, int64_t rotate,
    void (*note)(const char *text), char why[LOGDIR_WHY])
{
	struct logdir *d = calloc(1, sizeof *d);

	if (!d) {
		fail(why, ENOMEM, "no memory");
		return NULL;
	}
	d->by_program = by_program;
	d->rotate = rotate;
	d->note = note;
	d->lock = -1;
	d->nfiles = 1;
	d->file[0] = (struct file){.name = OTHER, .fd = -1};
	snprintf(d->path, sizeof d->path, "%s", path);
	if (mkdir(path, 0750) < 0 && errno != EEXIST) {
		fail(why, errno, "%.200s: cannot make this folder: %s", path, strerror(errno));
	} else if ((d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fail(why, errno, "%.200s: %s", path, strerror(errno));
	} else if ((d->lock = openat(
			d->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640)) < 0) {
		fail(why, errno, "%.200s: cannot write there: %s", path, strerror(errno));
		close(d->dir);
	} else if (flock(d->lock, LOCK_EX | LOCK_NB) < 0) {
		fail(why, EBUSY, "%.200s: another logd writes there", path);
		close(d->lock);
		close(d->dir);
	} else {
		return d;
	}
	int error = errno;
	free(d);
	errno = error;
	return NULL;
}

/* ---- files ---- */

/* A program's name as that of a file: no slashes, no dot in front, nothing odd. */
static void file_name(char to[NAME_MAX_BYTES], const char *program, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n && k + 1 < NAME_MAX_BYTES; i++) {
		unsigned char c = (unsigned char)program[i];
		bool plain = isalnum(c) || c == '-' || c == '_' || (c == '.' && k > 0);
		to[k++] = plain ? (char)c : '_';
	}
	to[k] = '\0';
	if (k == 0)
		strcpy(to, OTHER);
}

/* Ends a line that a crash left open. */
static void mend(struct file *f)
{
	char last;

	if (f->size > 0 && pread(f->fd, &last, 1, f->size - 1) == 1 && last != '\n' &&
	    io_writeall(f->fd, "\n", 1) == 0)
		f->size++;
}

static int open_file(struct logdir *d, struct file *f)
{
	char name[NAME_MAX_BYTES + 8];
	struct stat st;

	snprintf(name, sizeof name, "%s.log", f->name);
	f->fd = openat(
	    d->dir, name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return -1;
	f->size = st.st_size;
	if (!f->torn)
		mend(f);
	return 0;
}

/* Told once of each kind. errno says why. */
static void tell(struct logdir *d, bool *told, const struct file *f, const char *what)
{
	char text[LOGDIR_WHY];

	if (*told)
		return;
	*told = true;
	snprintf(
	    text, sizeof text, "%.200s/%s.log: %s (%s)", d->path, f->name, what, strerror(errno));
	d->note(text);
}

static void tell_unsafe(struct logdir *d, const struct file *f)
{
	tell(d, &d->unsafe, f, "cannot be synced: what was written last may be lost");
}

/* What a sync that failed has lost stays lost, though the next one may be good. */
static void sync_file(struct logdir *d, struct file *f)
{
	if (f->fd < 0 || !f->dirty)
		return;
	/* Some file systems cannot do that: then there is nothing more to do. */
	if (io_sync_data(f->fd) == 0 || errno == EINVAL)
		f->dirty = false;
	else
		tell_unsafe(d, f);
}

static void close_file(struct logdir *d, struct file *f)
{
	sync_file(d, f);
	if (f->fd >= 0 && close(f->fd) < 0)
		tell_unsafe(d, f);
	f->fd = -1;
	f->dirty = false;
}

/* Somebody else's logrotate may have moved the file away. */
static bool moved(const struct logdir *d, const struct file *f)
{
	char name[NAME_MAX_BYTES + 8];
	struct stat a, b;

	snprintf(name, sizeof name, "%s.log", f->name);
	return fstat(f->fd, &a) == 0 &&
	    (fstatat(d->dir, name, &b, AT_SYMLINK_NOFOLLOW) < 0 || a.st_ino != b.st_ino ||
		a.st_dev != b.st_dev);
}

/* Where its name cannot be changed a file goes on growing: that is better than to write nothing. */
static void rotate(struct logdir *d, struct file *f, int64_t now)
{
	char from[NAME_MAX_BYTES + 8], to[NAME_MAX_BYTES + 64], when[TIM_TEXT];
	int rc = -1;

	snprintf(from, sizeof from, "%s.log", f->name);
	tim_name(now, when);
	for (int i = 0; i < 1000 && rc < 0; i++) {
		snprintf(to, sizeof to, "%s.%s-%03d.log", f->name, when, i);
		rc = io_rename_free(d->dir, from, to);
		if (rc < 0 && errno != EEXIST)
			break;
	}
	f->stays = rc < 0;
	if (f->stays) {
		tell(d, &d->growing, f, "cannot be rotated, and goes on growing");
		return;
	}
	d->growing = false;
	close_file(d, f);
	if (io_sync_dir(d->dir) < 0)
		tell_unsafe(d, f);
}

static struct file *find(struct logdir *d, const char *name)
{
	for (int i = 0; i < d->nfiles; i++)
		if (strcmp(d->file[i].name, name) == 0)
			return &d->file[i];
	return NULL;
}

/* The file of this name; where all places are taken, that of the one that is longest idle, and
 * where lines wait for all of them, the one that is shared. */
static struct file *place(struct logdir *d, const char *name)
{
	struct file *f = find(d, name), *idle = NULL;

	if (f)
		return f;
	if (d->nfiles <= LOGDIR_FILES) {
		f = &d->file[d->nfiles++];
	} else {
		for (int i = 1; i < d->nfiles; i++)
			if (d->file[i].nwait == 0 && (!idle || d->file[i].used < idle->used))
				idle = &d->file[i];
		if (!idle)
			return &d->file[0];
		f = idle;
		close_file(d, f);
		free(f->wait);
	}
	*f = (struct file){.fd = -1};
	snprintf(f->name, sizeof f->name, "%s", name);
	return f;
}

int logdir_put(
    struct logdir *d, const char *program, size_t n, int64_t now, const char *line, size_t size)
{
	char name[NAME_MAX_BYTES];
	struct tim_parts t = tim_split(now);

	if (d->by_program)
		file_name(name, program, n);
	else
		snprintf(name, sizeof name, "%04d%02d%02d", t.year, t.month, t.day);
	struct file *f = place(d, name);
	if (f->nwait + size > f->room) {
		size_t room = (f->nwait + size) * 2;
		char *grown = realloc(f->wait, room);
		if (!grown)
			return -1;
		f->wait = grown;
		f->room = room;
	}
	memcpy(f->wait + f->nwait, line, size);
	f->nwait += size;
	f->lines++;
	f->used = now;
	return 0;
}

/* ---- writing ---- */

static void took(struct logdir *d, struct file *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (f->wait[i] == '\n') {
			f->lines--;
			d->written++;
		}
	f->torn = f->wait[n - 1] != '\n';
	f->nwait -= n;
	f->size += (off_t)n;
	f->dirty = true;
	memmove(f->wait, f->wait + n, f->nwait);
}

static int write_file(struct logdir *d, struct file *f, int64_t now)
{
	if (!f->torn && f->fd >= 0 && moved(d, f))
		close_file(d, f);
	if (!f->torn && f->fd >= 0 && d->rotate && f->size >= d->rotate && !f->stays)
		rotate(d, f, now);
	if (f->fd < 0 && open_file(d, f) < 0)
		return -1;
	while (f->nwait > 0) {
		ssize_t k = write(f->fd, f->wait, f->nwait);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		took(d, f, (size_t)k);
	}
	return 0;
}

int logdir_write(struct logdir *d, int64_t now)
{
	int rc = 0;

	for (int i = 0; i < d->nfiles; i++) {
		struct file *f = &d->file[i];
		if (f->nwait > 0 && write_file(d, f, now) < 0) {
			int error = errno;
			snprintf(d->why, sizeof d->why, "%s/%s.log: cannot write: %s", d->path,
			    f->name, strerror(error));
			errno = error;
			rc = -1;
		}
	}
	return rc;
}

void logdir_sync(struct logdir *d)
{
	for (int i = 0; i < d->nfiles; i++) {
		sync_file(d, &d->file[i]);
		d->file[i].stays = false;
	}
}

bool logdir_safe(const struct logdir *d)
{
	return !d->unsafe;
}

int logdir_fd(const struct logdir *d)
{
	return d->dir;
}

uint64_t logdir_held(const struct logdir *d)
{
	uint64_t n = 0;

	for (int i = 0; i < d->nfiles; i++)
		n += d->file[i].lines;
	return n;
}

uint64_t logdir_written(const struct logdir *d)
{
	return d->written;
}

const char *logdir_why(const struct logdir *d)
{
	return d->why;
}

void logdir_close(struct logdir *d)
{
	if (!d)
		return;
	for (int i = 0; i < d->nfiles; i++) {
		close_file(d, &d->file[i]);
		free(d->file[i].wait);
	}
	close(d->lock);
	close(d->dir);
	free(d);
}
