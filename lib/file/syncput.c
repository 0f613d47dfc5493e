/*
 * syncput.c - the target: where a file belongs, and making copies safe and visible together
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "file/synccopy.h"
#include "file/syncin.h"

#define BATCH_FEW 8 /* so many are synced one by one */

int sync_target_path(struct sync *s, const struct entry *e, int64_t t, char path[PATH_MAX])
{
	char into[256];
	size_t n = 0;
	struct tim_parts p = tim_split(t);

	for (const char *f = s->o.into ? s->o.into : ""; *f && n + 8 < sizeof into; f++) {
		if (*f == '%' && f[1])
			f++;
		else {
			into[n++] = *f;
			continue;
		}
		int v = *f == 'm' ? p.month : *f == 'd' ? p.day : *f == 'H' ? p.hour : p.year;
		n += (size_t)snprintf(into + n, sizeof into - n, *f == 'Y' ? "%04d" : "%02d", v);
	}
	into[n] = 0;
	if (snprintf(path, PATH_MAX, "%s%s%s", into, n ? "/" : "", e->rel) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int sync_whole_path(const struct sync *s, const char *path, char whole[PUB_PATH])
{
	if (snprintf(whole, PUB_PATH, "%s/%s", s->o.dst, path) < PUB_PATH)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int sync_at_target(const struct sync *s, const char *path, struct look *look)
{
	struct stat st;

	if (fstatat(s->target, path, &st, 0) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	*look = sync_look_of(&st);
	return 1;
}

int sync_make_folder(struct sync *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n == strlen(s->made) && memcmp(s->made, path, n) == 0)
		return 0;
	if (sync_mkdirs(s->target, path) < 0)
		return -1;
	memcpy(s->made, path, n);
	s->made[n] = 0;
	return 0;
}

void sync_published(struct sync *s, struct entry *e, const struct look *look)
{
	e->copied = *look;
	e->known = true;
	sync_look_back(s, e);
	sync_settle(s, e);
	s->o.tally->held--;
	s->o.tally->out++;
	e->wanted = false;
	s->o.say(e->rel, "is there, whole", true);
}

/* All data of the first n files of the batch to the disk: one by one, or, where they are many and
 * small, the whole disk at once, which costs one commit of its journal instead of n. */
static int sync_data(struct sync *s, int n)
{
	int full = 0;

	if (n > BATCH_FEW && syncfs(s->target) == 0)
		return 0;
	for (int i = 0; i < n; i++) {
		struct batch *f = &s->batch[i];
		if (io_sync(f->fd) == 0)
			continue;
		full = sync_is_full(errno) ? errno : full;
		sync_trouble(s, f->e, strerror(errno));
		pub_end(&f->pub);
	}
	return full;
}

static bool same_folder(const struct batch *a, const struct batch *b)
{
	size_t n = (size_t)(strrchr(a->pub.path, '/') - a->pub.path);

	return strncmp(a->pub.path, b->pub.path, n + 1) == 0 && !strchr(b->pub.path + n + 1, '/');
}

int sync_flush(struct sync *s, int n)
{
	int full = sync_data(s, n), last = -1, bad = 0;

	for (int i = 0; i < n; i++) {
		struct batch *f = &s->batch[i];
		if (f->pub.dirfd >= 0 && pub_give(&f->pub, f->fd, f->replace) < 0) {
			sync_trouble(s, f->e, f->pub.why);
			pub_end(&f->pub);
		}
	}
	/* From the end, so that the last one of a folder speaks for those before it. */
	for (int i = n - 1; i >= 0; i--) {
		struct batch *f = &s->batch[i];
		if (f->pub.dirfd < 0)
			continue;
		if (last < 0 || !same_folder(f, &s->batch[last]))
			bad = io_sync_dir(f->pub.dirfd) < 0 ? errno : 0;
		last = i;
		if (bad)
			sync_trouble(s, f->e, strerror(bad));
		else
			sync_published(s, f->e, &f->look);
	}
	for (int i = 0; i < n; i++) {
		s->batch_bytes -= s->batch[i].look.size;
		close(s->batch[i].fd);
		pub_end(&s->batch[i].pub);
	}
	s->nbatch -= n;
	memmove(s->batch, s->batch + n, (size_t)s->nbatch * sizeof *s->batch);
	if (full)
		return sync_fail(s, full, "%s: %s", s->o.dst, strerror(full));
	return 0;
}
