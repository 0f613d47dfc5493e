/* carry.c - lines from a descriptor to a time-series database: intake, spool and feed together */
#include "carry.h"

#include <errno.h>

#include "base/io.h"
#include "base/tim.h"

/* What was read goes to the spool, or waits: then nothing more is read. 1, 0, or -1: stuck now. */
static int put_ready(struct carry *c)
{
	size_t n, lines;
	const char *ready = intake_ready(c->intake, &n, &lines);

	if (n > 0 && spool_put(c->spool, ready, n, lines) < 0) {
		bool was = c->stuck;
		c->stuck = errno != EAGAIN;
		return c->stuck && !was ? -1 : 0;
	}
	intake_taken(c->intake);
	c->stuck = false;
	return 1;
}

int carry_read(struct carry *c, bool draining)
{
	int put = put_ready(c);

	if (put <= 0 || c->ended)
		return put < 0 ? -1 : 0;
	int rc = io_wait(c->in, 0) > 0 ? intake_read(c->intake, c->in) : draining ? 0 : 1;
	int error = errno;
	if (rc < 0 && error != EINTR && error != EAGAIN) {
		c->broken = true;
		rc = 0;
	}
	if (rc == 0) {
		intake_end(c->intake);
		c->ended = true;
		c->ended_at = tim_mono();
	}
	put = put_ready(c);
	if (c->broken)
		errno = error;
	return put < 0 || c->broken ? -1 : 0;
}

uint64_t carry_unput(const struct carry *c)
{
	size_t n, lines;

	(void)intake_ready(c->intake, &n, &lines);
	return lines;
}

bool carry_wants_more(const struct carry *c)
{
	return !c->ended && carry_unput(c) == 0;
}

bool carry_done(const struct carry *c)
{
	return c->ended && carry_unput(c) == 0 && spool_state(c->spool)->lines == 0 &&
	    !feed_state(c->feed)->busy;
}

bool carry_hopeful(const struct carry *c, int64_t give_up)
{
	const struct feed_state *f = feed_state(c->feed);
	bool on_disk = spool_state(c->spool)->on_disk;

	/* A token may be renewed: a program that had stored something waits for that, on disk. */
	if (f->denied && (!on_disk || c->ended || f->stored == 0))
		return false;
	int64_t since = f->trouble_since > c->ended_at ? f->trouble_since : c->ended_at;
	return !c->ended || !f->trouble || tim_mono() - since < give_up;
}
