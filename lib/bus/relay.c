/* relay.c - a capture stream to a bus, for a program in whose hands the stream passes by */
#include "relay.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "lane.h"

#define LANE_BYTES (32 << 20)                   /* may wait for the thread */
#define RESERVE    (CAP_HEADER_MAX + (1 << 20)) /* of it, kept for what is no record */
#define RING_EACH  (256 << 10) /* bytes after which the thread is woken while more is there */
#define LOOK_UP    (100 * TIM_MS)
#define BETWEEN    (200 * TIM_MS) /* for those who are behind at the end of a run, before the next */
#define PATIENCE   (10 * TIM_S)   /* for a broker that is away, beside a data path */

struct relay {
	struct cast *cast;
	struct relay_options o;
	struct relay_count count;
	int error;
	char why[BUS_WHY];
	int64_t stalled; /* tim_mono() when the present call began to wait, 0: it did not */
	bool gave_up;    /* ... and waited for too long */
	bool finishing;  /* nothing is downstream any more */
	/* beside the data path */
	struct lane *lane; /* NULL: each call sends */
	pthread_t thread;
	bool running;
	uint64_t put;  /* records on the lane so far */
	uint64_t gap;  /* records that were dropped since the last one put */
	bool headless; /* the section's header did not fit: nor does anything of it */
	size_t unrung; /* bytes put since the thread was woken */
	int ended;     /* readable when the thread has ended */
	_Atomic bool cancel;
	_Atomic int failed; /* errno of the bus in the thread */
	_Atomic uint64_t done, unfit, unsent;
	_Atomic unsigned subscribers;
};

/* What goes over the lane; bytes follow. */
struct item {
	enum { SECTION, RECORD, BEAT, END, LAST } what;
	int link;
	bool sealed; /* the bytes are a whole block, not only its data */
	uint32_t caplen, origlen;
	uint64_t gap, dropped;
	int64_t time;
	size_t n;
	uint8_t bytes[];
};

/* ======== the thread ======== */

static void fail_there(struct relay *r)
{
	int none = 0, error = errno;

	if (error != EINTR || !atomic_load(&r->cancel))
		atomic_compare_exchange_strong(&r->failed, &none, error);
}

static int send_record(struct relay *r, const struct item *i)
{
	struct cap_record record = {.time = i->time,
	    .caplen = i->caplen,
	    .origlen = i->origlen,
	    .dropped = i->dropped,
	    .link = i->link,
	    .data = i->bytes + (i->sealed ? CAP_HEAD : 0)};

	switch (cast_record(r->cast, &record, i->sealed ? i->bytes : NULL, i->n)) {
	case CAST_SENT:
	case CAST_OLD:
		return 0;
	case CAST_NO:
		atomic_fetch_add(&r->unfit, 1);
		return 0;
	case CAST_ERROR:
		break;
	}
	atomic_fetch_add(&r->unsent, 1);
	return -1;
}

static int send_item(struct relay *r, const struct item *i)
{
	const char *name = (const char *)i->bytes;

	cast_skip(r->cast, i->gap);
	switch (i->what) {
	case SECTION:
		return cast_section(r->cast, i->link, name, name + strlen(name) + 1);
	case RECORD:
		return send_record(r, i);
	case BEAT:
		return cast_beat(r->cast, i->time);
	case END:
		return cast_end(r->cast, i->n ? i->bytes : NULL, i->n);
	case LAST:
		break;
	}
	return cast_finish(r->cast);
}

/* Nothing works any more, or there is no time left: subscribers hear of the end at most. */
static void pass_over(struct relay *r, const struct item *i)
{
	if (i->what == RECORD) {
		atomic_fetch_add(&r->unsent, 1);
		cast_skip(r->cast, i->gap + 1);
	} else if (!atomic_load(&r->failed) && send_item(r, i) < 0) {
		fail_there(r);
	}
}

static void take_item(struct relay *r, const struct item *i)
{
	if (atomic_load(&r->failed) || atomic_load(&r->cancel))
		pass_over(r, i);
	else if (send_item(r, i) < 0)
		fail_there(r);
	if (i->what == RECORD)
		atomic_fetch_add(&r->done, 1);
}

/* The lane is empty: waits until it is not, and looks after subscribers. */
static void rest(struct relay *r)
{
	if (lane_sleep(r->lane) && !atomic_load(&r->failed) &&
	    cast_wait(r->cast, lane_bell(r->lane), TIM_S) < 0)
		fail_there(r);
	lane_awake(r->lane);
	atomic_store(&r->subscribers, cast_subscribers(r->cast));
}

static void *work(void *arg)
{
	static const uint64_t one = 1;
	const struct sched_param none = {.sched_priority = 0};
	struct relay *r = arg;
	bool last = false;
	size_t n;

	(void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
	while (!last) {
		const struct item *i = lane_look(r->lane, &n);
		if (!i) {
			rest(r);
			continue;
		}
		last = i->what == LAST;
		take_item(r, i);
		lane_done(r->lane);
	}
	(void)!write(r->ended, &one, sizeof one);
	return NULL;
}

/* ======== beside the data path ======== */

static int start_thread(struct relay *r)
{
	sigset_t all, before;

	r->lane = lane_new(LANE_BYTES);
	r->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!r->lane || r->ended < 0)
		return -1;
	/* Signals are for the thread that reads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&r->thread, NULL, work, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->running = error == 0;
	errno = error;
	return error ? -1 : 0;
}

static struct item *room(struct relay *r, size_t n, size_t reserve)
{
	struct item *i = lane_room(r->lane, sizeof *i + n, reserve);

	if (i)
		*i = (struct item){.n = n, .gap = r->gap};
	return i;
}

static void put(struct relay *r, const struct item *i, bool ring)
{
	r->gap = 0;
	r->unrung += sizeof *i + i->n;
	lane_put(r->lane, sizeof *i + i->n);
	if (!ring && r->unrung < RING_EACH)
		return;
	r->unrung = 0;
	lane_ring(r->lane);
}

static void put_section(struct relay *r, int link, const char *name, const char *text)
{
	size_t nname = strlen(name) + 1, ntext = strlen(text) + 1;
	struct item *i = room(r, nname + ntext, 0);

	r->gap = 0;
	r->headless = !i;
	if (!i)
		return;
	i->what = SECTION;
	i->gap = 0;
	i->link = link;
	memcpy(i->bytes, name, nname);
	memcpy(i->bytes + nname, text, ntext);
	put(r, i, true);
}

static void put_record(struct relay *r, const struct cap_record *c, const uint8_t *block, size_t n)
{
	size_t size = block ? n : c->caplen;
	struct item *i = r->headless ? NULL : room(r, size, RESERVE);

	if (!i) {
		r->gap++;
		r->count.unpublished += atomic_load(&r->subscribers) > 0;
		return;
	}
	i->what = RECORD;
	i->link = c->link;
	i->sealed = block != NULL;
	i->caplen = c->caplen;
	i->origlen = c->origlen;
	i->dropped = c->dropped;
	i->time = c->time;
	memcpy(i->bytes, block ? block : c->data, size);
	r->put++;
	put(r, i, false);
}

/* A heartbeat (time), or the end mark. */
static void put_mark(struct relay *r, int what, int64_t time, const uint8_t *block, size_t n)
{
	struct item *i = r->headless ? NULL : room(r, n, what == BEAT ? RESERVE : 0);

	if (!i)
		return;
	i->what = what == BEAT ? BEAT : END;
	i->time = time;
	if (n)
		memcpy(i->bytes, block, n);
	put(r, i, true);
}

/* Waits for the thread, but no longer than subscribers are waited for. */
static void finish_thread(struct relay *r)
{
	int64_t until = tim_mono() + r->o.cast.url->linger;
	struct item *i;

	while (!(i = room(r, 0, 0)) && io_wait(-1, LOOK_UP) <= 0)
		if (tim_mono() > until || !r->o.cast.go_on(r->o.cast.ctx))
			atomic_store(&r->cancel, true);
	i->what = LAST;
	put(r, i, true);
	while (io_wait(r->ended, LOOK_UP) <= 0) {
		bool on = r->o.cast.go_on(r->o.cast.ctx);
		if (!on && !r->error)
			r->error = EINTR;
		if (!on || tim_mono() > until)
			atomic_store(&r->cancel, true);
	}
	pthread_join(r->thread, NULL);
	r->running = false;
}

/* ======== for the caller ======== */

static bool go_on(void *ctx)
{
	struct relay *r = ctx;

	if (r->running)
		return !atomic_load(&r->cancel);
	if (r->stalled == 0)
		r->stalled = tim_mono();
	int64_t patience = r->o.cast.url->timeout ? r->o.cast.url->timeout : PATIENCE;
	r->gave_up = r->o.beside && !r->finishing && tim_mono() - r->stalled > patience;
	return !r->gave_up && r->o.cast.go_on(r->o.cast.ctx);
}

struct relay *relay_open(
    const struct relay_options *o, char address[CAST_ADDRESS], char why[BUS_WHY])
{
	struct relay *r = calloc(1, sizeof *r);

	snprintf(why, BUS_WHY, "no memory");
	if (!r)
		return NULL;
	r->o = *o;
	r->ended = -1;
	struct cast_options c = o->cast;
	c.between = o->beside ? BETWEEN : o->cast.url->linger;
	c.go_on = go_on;
	c.ctx = r;
	r->cast = cast_open(&c, address, why);
	if (r->cast)
		return r;
	int error = errno;
	free(r);
	errno = error;
	return NULL;
}

/* Publishers that wait for nobody have a thread of their own; the others are asked to wait. */
static bool wants_thread(const struct relay *r)
{
	const struct bus_url *u = r->o.cast.url;

	return r->o.beside && u->engine == BUS_ZMQ && !u->nodrop;
}

/* Whether the bus still works, before something is sent. */
static bool works(struct relay *r)
{
	if (r->running && !r->error)
		r->error = atomic_load(&r->failed);
	r->stalled = 0;
	return !r->error;
}

static void check(struct relay *r, int rc)
{
	if (rc >= 0 || r->error)
		return;
	r->error = r->gave_up ? ETIMEDOUT : errno;
	if (r->gave_up)
		snprintf(r->why, sizeof r->why, "%.200s: took nothing for %" PRId64 " s",
		    r->o.cast.url->address, (tim_mono() - r->stalled) / TIM_S);
}

void relay_section(struct relay *r, int link, const char *name, const char *text)
{
	if (!works(r))
		return;
	if (wants_thread(r) && !r->running && start_thread(r) < 0)
		check(r, -1);
	else if (r->running)
		put_section(r, link, name, text);
	else
		check(r, cast_section(r->cast, link, name, text));
}

void relay_record(struct relay *r, const struct cap_record *record, const uint8_t *block, size_t n)
{
	if (!works(r)) {
		r->count.unpublished++;
		return;
	}
	if (r->running) {
		put_record(r, record, block, n);
		return;
	}
	switch (cast_record(r->cast, record, block, n)) {
	case CAST_SENT:
		break;
	case CAST_OLD:
		r->count.old++;
		break;
	case CAST_NO:
		r->count.unfit++;
		break;
	case CAST_ERROR:
		r->count.unpublished++;
		check(r, -1);
	}
}

void relay_beat(struct relay *r, int64_t time)
{
	if (!works(r))
		return;
	if (r->running)
		put_mark(r, BEAT, time, NULL, 0);
	else
		check(r, cast_beat(r->cast, time));
}

void relay_end(struct relay *r, const uint8_t *block, size_t n)
{
	if (!works(r))
		return;
	if (r->running)
		put_mark(r, END, 0, block, n);
	else
		check(r, cast_end(r->cast, block, n));
}

void relay_wait(struct relay *r, int fd, int64_t timeout_ns)
{
	if (!works(r) || r->running) {
		if (r->running)
			lane_ring(r->lane);
		(void)io_wait(fd, timeout_ns);
	} else {
		check(r, cast_wait(r->cast, fd, timeout_ns));
	}
}

void relay_finish(struct relay *r)
{
	r->finishing = true;
	if (r->running)
		finish_thread(r);
	else if (works(r))
		check(r, cast_finish(r->cast));
	if (!r->error)
		r->error = atomic_load(&r->failed);
}

int relay_error(const struct relay *r)
{
	return r->error;
}

const char *relay_why(const struct relay *r)
{
	if (r->why[0])
		return r->why;
	/* What the thread says is ours to read once it has failed for good. */
	return r->running && !r->error ? "" : cast_why(r->cast);
}

void relay_count(const struct relay *r, struct relay_count *c)
{
	*c = r->count;
	c->waiting = cast_waiting(r->cast);
	c->known = cast_known(r->cast);
	c->subscribers = r->lane ? atomic_load(&r->subscribers) : cast_subscribers(r->cast);
	if (!r->lane)
		return;
	c->waiting = r->put - atomic_load(&r->done);
	c->unfit = atomic_load(&r->unfit);
	c->unpublished += atomic_load(&r->unsent);
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	cast_free(r->cast);
	lane_free(r->lane);
	if (r->ended >= 0)
		close(r->ended);
	free(r);
}
