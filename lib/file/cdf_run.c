/*
 * cdf_run.c - the netCDF files of one stream: named, created, anchored, committed, finished
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tim.h"
#include "base/why.h"
#include "file/cdf_field.h"
#include "file/cdf_final.h"
#include "file/cdf_run.h"

#define BLOCK_MAX  (1u << 20) /* bytes of rows for one write: they stay in the cache */
#define BLOCKS_MAX (8u << 20) /* and in all files together */
#define LOSS_NAME  48         /* letters of a name in the loss table */

#define fail(r, ...) why_fail((r)->why, sizeof(r)->why, errno, __VA_ARGS__)

void cdf_run_init(struct cdf_run *r, const struct cdf_options *o, const struct card *card,
    const char *dimension, struct cdf_loss *loss, unsigned nsources)
{
	memset(r, 0, sizeof *r);
	r->o = o;
	r->card = card;
	r->dimension = dimension;
	r->loss = loss;
	r->block = BLOCKS_MAX / nsources < BLOCK_MAX ? BLOCKS_MAX / nsources : BLOCK_MAX;
	r->fd = -1;
	r->segment = -1;
	r->until = INT64_MAX;
}

/* ---- the head ---- */

static const char *tie_text(enum card_tie t)
{
	switch (t) {
	case CARD_TIE_ARRIVAL:
		return "device clock, plus arrival time less device clock of the first datum of "
		       "the "
		       "segment (anchor_time, anchor_clock)";
	case CARD_TIE_UTC:
		return "the device clock counts UTC";
	case CARD_TIE_TAI:
		return "the device clock counts TAI: UTC is it less the leap seconds";
	default:
		return "arrival time: the device clock is not tied to UTC";
	}
}

static void put_globals(struct cdf_run *r, struct cdf_head *h, int64_t first, uint32_t run)
{
	const struct card *c = r->card;
	char when[TIM_TEXT];

	tim_text(first, 9, when);
	cdf_text(h, CDF_GLOBAL, "Conventions", "CF-1.8, ACDD-1.3");
	cdf_text(h, CDF_GLOBAL, "title", "%s", c->title);
	cdf_text(h, CDF_GLOBAL, "instrument", "%s", c->name);
	cdf_text(h, CDF_GLOBAL, "source", "UDP datagrams%s",
	    strcmp(r->dimension, "event") == 0 ? ", built into events" : "");
	cdf_text(h, CDF_GLOBAL, "history", "%s %s: made from %s; times are those of the data", when,
	    r->o->program, r->o->input);
	cdf_text(h, CDF_GLOBAL, "program_version", "%s", r->o->program);
	cdf_text(h, CDF_GLOBAL, "inputs", "%s, first datum %s", r->o->input, when);
	cdf_text(h, CDF_GLOBAL, "date_created", "%s", when);
	cdf_text(h, CDF_GLOBAL, "time_coverage_start", "%s", when);
	cdf_text(h, CDF_GLOBAL, "time_coverage_end", "%s", when); /* until the first commit */
	cdf_text(
	    h, CDF_GLOBAL, "comment", "only the first frames_written records are whole and safe");
	cdf_number(h, CDF_GLOBAL, "run", run <= INT32_MAX ? CDF_I32 : CDF_F64, run);
	cdf_text(h, CDF_GLOBAL, "clock_tie", "%s", tie_text(c->tie));
	cdf_list(h, CDF_GLOBAL, "card", CDF_CHAR, c->textlen, c->text);
}

static int fixed_var(
    struct cdf_head *h, const char *name, enum cdf_type t, int dim, const char *long_name)
{
	return cdf_named(h, name, t, dim >= 0, &dim, long_name);
}

static int loss_rows(const struct cdf_run *r)
{
	int n = 0;

	while (r->loss[n].name)
		n++;
	return n;
}

static void put_tables(struct cdf_run *r, struct cdf_head *h)
{
	enum cdf_type i64 = cdf_classic(CDF_I64, r->o->classic);
	int anchor = cdf_dim(h, "anchor", CDF_ANCHORS);
	int loss[] = {
	    cdf_dim(h, "loss", (uint64_t)loss_rows(r)), cdf_dim(h, "loss_letters", LOSS_NAME)};

	r->marker = fixed_var(h, "frames_written", r->o->classic ? CDF_I32 : CDF_I64, -1,
	    "records that are whole and safe on the disk; later ones are not to be used");
	cdf_named(h, "loss_name", CDF_CHAR, 2, loss, "what was lost or found, see loss_count");
	r->loss_count = fixed_var(h, "loss_count", i64, loss[0], "how many, since this file began");
	cdf_text(h, r->loss_count, "units", "1");
	r->anchor_clock = fixed_var(
	    h, "anchor_clock", i64, anchor, "device clock at the first datum of each segment");
	cdf_text(h, r->anchor_clock, "units", "ns");
	r->anchor_time = fixed_var(h, "anchor_time", CDF_F64, anchor, "UTC of anchor_clock");
	r->anchor_first = fixed_var(h, "anchor_first", i64, anchor,
	    "index of the segment's first record in this file; -1: no such segment");
}

static void put_time_units(struct cdf_run *r, struct cdf_head *h, int var)
{
	struct tim_parts p = tim_split(r->day);

	cdf_text(
	    h, var, "units", "seconds since %04d-%02d-%02d 00:00:00 UTC", p.year, p.month, p.day);
	cdf_text(h, var, "calendar", "proleptic_gregorian");
}

int cdf_run_time_var(
    struct cdf_run *r, struct cdf_head *h, const char *name, int dim, const char *long_name)
{
	int v = cdf_named(h, name, CDF_F64, 1, &dim, long_name);

	put_time_units(r, h, v);
	return v;
}

struct cdf_head *cdf_run_head(struct cdf_run *r, int64_t first, uint32_t run)
{
	struct cdf_head *h = cdf_head_new(r->o->classic ? CDF_2 : CDF_5);

	if (!h) {
		fail(r, "out of memory");
		return NULL;
	}
	r->day = first - ((first % TIM_DAY) + TIM_DAY) % TIM_DAY;
	cdf_dim(h, r->dimension, 0);
	put_globals(r, h, first, run);
	put_tables(r, h);
	put_time_units(r, h, r->anchor_time);
	return h;
}

/* ---- time ---- */

static void put_anchor(struct cdf_run *r, uint64_t at)
{
	enum cdf_type i64 = cdf_classic(CDF_I64, r->o->classic);
	size_t size = cdf_size(i64);

	for (size_t k = 0; k < CDF_ANCHORS; k++) {
		uint8_t *first = (uint8_t *)cdf_fixed(r->f, r->anchor_first) + k * size;
		uint8_t unused[8];
		cdf_put_int(unused, i64, -1);
		if (memcmp(first, unused, size) != 0)
			continue;
		cdf_put_int(first, i64, (int64_t)at);
		cdf_put_int((uint8_t *)cdf_fixed(r->f, r->anchor_clock) + k * size, i64, r->clock0);
		cdf_put_real((uint8_t *)cdf_fixed(r->f, r->anchor_time) + k * 8,
		    cdf_run_seconds(r, r->utc0));
		return;
	}
	if (!r->anchors_full)
		r->o->say("%s: more than %d clock segments: the table of anchors is full",
		    r->pub.path, CDF_ANCHORS);
	r->anchors_full = true;
}

void cdf_run_segment(struct cdf_run *r, int64_t clock, int64_t arrival)
{
	r->segment++;
	r->clock0 = clock;
	r->utc0 = arrival;
	if (r->card->tie == CARD_TIE_UTC)
		r->utc0 = clock;
	else if (r->card->tie == CARD_TIE_TAI)
		r->utc0 = tim_from_tai(clock);
	if (r->open)
		put_anchor(r, cdf_records(r->f));
}

int64_t cdf_run_utc(const struct cdf_run *r, int64_t clock, int64_t arrival)
{
	int64_t utc;

	if (r->card->tie == CARD_TIE_NONE)
		return arrival;
	if (r->card->tie == CARD_TIE_TAI)
		return tim_from_tai(clock);
	/* A garbled clock must not become a date beyond all calendars. */
	if (__builtin_sub_overflow(clock, r->clock0, &utc) ||
	    __builtin_add_overflow(utc, r->utc0, &utc))
		return arrival;
	return utc;
}

double cdf_run_seconds(const struct cdf_run *r, int64_t utc)
{
	int64_t ns = utc - r->day;

	/* Whole seconds apart: the nanoseconds survive for 50 days. */
	return (double)(ns / TIM_S) + (double)(ns % TIM_S) / 1e9;
}

/* ---- files ---- */

/* FILE.nc, or with a tag FILE_s07.nc; under --dir a name by UT. */
static int make_path(struct cdf_run *r, int64_t first, char path[PUB_PATH])
{
	char prefix[CDF_NAME];

	if (r->o->dir) {
		snprintf(prefix, sizeof prefix, "%s%s", r->card->name, r->tag);
		return pub_name(path, r->o->dir, prefix, first, "nc", r->why);
	}
	const char *slash = strrchr(r->o->path, '/'), *dot = strrchr(r->o->path, '.');
	if (!dot || dot == r->o->path || (slash && dot <= slash + 1))
		dot = r->o->path + strlen(r->o->path);
	if (snprintf(path, PUB_PATH, "%.*s%s%s", (int)(dot - r->o->path), r->o->path, r->tag,
		dot) >= PUB_PATH) {
		errno = ENAMETOOLONG;
		return fail(r, "the name is too long");
	}
	return 0;
}

static void fill_tables(struct cdf_run *r)
{
	enum cdf_type i64 = cdf_classic(CDF_I64, r->o->classic);
	char *name = cdf_fixed(r->f, cdf_find(cdf_head(r->f), "loss_name"));
	uint8_t *first = cdf_fixed(r->f, r->anchor_first);

	for (int i = 0; i < loss_rows(r); i++)
		strncpy(name + (size_t)i * LOSS_NAME, r->loss[i].name, LOSS_NAME);
	for (size_t k = 0; k < CDF_ANCHORS; k++)
		cdf_put_int(first + k * cdf_size(i64), i64, -1);
}

static void put_losses(struct cdf_run *r)
{
	enum cdf_type i64 = cdf_classic(CDF_I64, r->o->classic);
	uint8_t *count = cdf_fixed(r->f, r->loss_count);

	for (int i = 0; r->loss[i].name; i++)
		cdf_put_int(count + (size_t)i * cdf_size(i64), i64,
		    (int64_t)(r->loss[i].n - r->loss[i].base));
}

/* The link is a convenience: without it the recording goes on. */
static void point_to(struct cdf_run *r)
{
	char link[64], why[PUB_WHY];

	if (!r->o->dir || r->no_link)
		return;
	snprintf(link, sizeof link, "current%s", r->tag);
	r->no_link = pub_current(r->pub.path, link, true, why) < 0;
	if (r->no_link)
		r->o->say("%s; the recording goes on without this link", why);
}

/* Gives the file its name. One that takes the place of an old one waits for its first records. */
static int publish(struct cdf_run *r)
{
	if (r->pub.published)
		return 0;
	if (pub_commit(&r->pub, r->fd, r->o->overwrite) < 0)
		return fail(r, "%s", r->pub.why);
	point_to(r);
	return 0;
}

static int create(struct cdf_run *r, struct cdf_head *h, int64_t first)
{
	char path[PUB_PATH];

	if (make_path(r, first, path) < 0) {
		cdf_head_free(h);
		return -1;
	}
	if (pub_begin(&r->pub, path, r->o->overwrite) < 0) {
		cdf_head_free(h);
		return fail(r, "%s", r->pub.why);
	}
	r->fd = pub_create(&r->pub);
	if (r->fd < 0) {
		cdf_head_free(h);
		return fail(r, "%s", r->pub.why);
	}
	r->f = cdf_create(h, r->pub.part, r->fd, r->block, r->marker, r->why);
	return r->f ? 0 : -1;
}

int cdf_run_open(struct cdf_run *r, struct cdf_head *h, int64_t first)
{
	if (create(r, h, first) < 0) {
		cdf_run_drop(r);
		return -1;
	}
	fill_tables(r);
	r->open = true;
	r->anchors_full = false;
	r->end = first;
	r->last = INT64_MIN;
	/* The segment begins with this file, or goes on in it. */
	if (r->segment >= 0)
		put_anchor(r, 0);
	r->until = INT64_MAX;
	if (r->o->rotate)
		r->until =
		    first - ((first % r->o->rotate) + r->o->rotate) % r->o->rotate + r->o->rotate;
	int bad = cdf_commit(r->f);
	if (bad)
		fail(r, "%s: %s", r->pub.path, strerror(errno));
	else if (!r->o->overwrite)
		bad = publish(r);
	if (bad)
		cdf_run_drop(r);
	return bad;
}

bool cdf_run_due(const struct cdf_run *r, int64_t arrival)
{
	return r->open && arrival >= r->until;
}

bool cdf_run_untold(const struct cdf_run *r, int rows)
{
	if (r->open || r->segment < 0 || r->why[0] || r->beat == 0)
		return false;
	for (int i = 0; i < rows && r->loss[i].name; i++)
		if (r->loss[i].n != r->loss[i].base)
			return true;
	return false;
}

static int cannot_write(struct cdf_run *r)
{
	return fail(r, "%s: %s: the first %llu records are safe", r->pub.path, strerror(errno),
	    (unsigned long long)cdf_committed(r->f));
}

uint8_t *cdf_run_row(struct cdf_run *r)
{
	uint8_t *row = cdf_row(r->f);

	if (!row) {
		int error = errno;
		put_losses(r);
		(void)cdf_commit(r->f); /* keeps what can be kept */
		errno = error;
		cannot_write(r);
	}
	return row;
}

void cdf_run_row_done(struct cdf_run *r, int64_t arrival)
{
	cdf_row_done(r->f);
	r->end = arrival > r->end ? arrival : r->end;
}

/* 0, or -1 where somebody removed the file while it was written. */
static int still_named(struct cdf_run *r)
{
	struct stat st;

	if (fstat(r->fd, &st) < 0 || st.st_nlink > 0)
		return 0;
	errno = ENOENT;
	return fail(r, "%s: was removed while it was written: its %llu records are lost",
	    r->pub.path, (unsigned long long)cdf_records(r->f));
}

int cdf_run_commit(struct cdf_run *r)
{
	char when[TIM_TEXT];

	if (!r->open)
		return 0;
	put_losses(r);
	tim_text(r->end, 9, when);
	cdf_retext(r->f, "time_coverage_end", when);
	int bad = cdf_commit(r->f) == 0 ? 0 : cannot_write(r), error = errno;
	if (cdf_committed(r->f) > 0 && publish(r) < 0 && !bad)
		return -1;
	errno = error;
	return bad ? bad : still_named(r);
}

/* A file that was given another name while it grew is a file still. Says whether it was. */
static bool was_moved(struct cdf_run *r)
{
	char link[32], path[PUB_PATH];
	struct stat st, named;

	if (!r->pub.published || fstat(r->fd, &st) < 0 ||
	    (stat(r->pub.path, &named) == 0 && named.st_dev == st.st_dev &&
		named.st_ino == st.st_ino))
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", r->fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return false;
	path[n] = 0;
	r->o->say("%s: was moved while it was written, to %s", r->pub.path, path);
	memcpy(r->pub.path, path, (size_t)n + 1);
	return true;
}

static int check(struct cdf_run *r)
{
	char why[CDF_WHY];

	(void)was_moved(r);
	if (cdf_verify(r->pub.path, cdf_head(r->f), cdf_records(r->f), r->marker, why) == 0)
		return 0;
	errno = EIO;
	return fail(r, "%s", why);
}

int cdf_run_close(struct cdf_run *r)
{
	if (!r->open)
		return 0;
	int bad = cdf_run_commit(r);
	if (!bad)
		bad = publish(r); /* one without records: what it tells is losses */
	r->unsafe += cdf_records(r->f) - cdf_committed(r->f);
	(void)cdf_trim(r->f); /* the records are safe with or without it */
	if (!bad)
		bad = check(r);
	for (int i = 0; r->loss[i].name && !bad; i++)
		r->loss[i].base = r->loss[i].n;
	int error = errno;
	if (close(r->fd) < 0 && !bad) {
		error = errno;
		bad = fail(r, "%s: %s", r->pub.path, strerror(errno));
	}
	r->fd = -1;
	if (!bad && r->o->jobs && cdf_jobs_add(r->o->jobs, r->pub.path) < 0) {
		error = errno;
		bad = fail(r, "%s: out of memory", r->pub.path);
	}
	cdf_run_drop(r);
	errno = error;
	return bad;
}

void cdf_run_settle(struct cdf_run *r, struct tally *t, struct tally_item *unwritten)
{
	t->out -= r->unsafe;
	unwritten->n += r->unsafe + t->held;
	t->held = 0;
	r->unsafe = 0;
}

char *cdf_run_input(const char *path, int fd, char text[CDF_WHY])
{
	struct stat st;
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path || !strcmp(path, "-") || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		snprintf(text, CDF_WHY, "standard input");
	else
		snprintf(text, CDF_WHY, "%.300s (%lld bytes)", slash ? slash + 1 : path,
		    (long long)st.st_size);
	return text;
}

int cdf_run_retag(struct cdf_run *r, const char *tag)
{
	char path[PUB_PATH];

	snprintf(r->tag, sizeof r->tag, "%s", tag);
	if (!r->open || r->o->dir || was_moved(r))
		return 0;
	if (make_path(r, 0, path) < 0)
		return -1;
	if (pub_rename(&r->pub, path, r->o->overwrite) < 0)
		return fail(r, "%s", r->pub.why);
	return 0;
}

void cdf_run_drop(struct cdf_run *r)
{
	int error = errno;

	cdf_free(r->f);
	r->f = NULL;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	if (r->pub.path[0])
		pub_end(&r->pub);
	r->pub.path[0] = 0;
	r->open = false;
	errno = error;
}
