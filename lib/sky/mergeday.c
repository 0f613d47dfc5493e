/* mergeday.c - a night hour by hour: written, grown live, written anew for what came late */
#include "sky/mergedayin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tim.h"
#include "file/cdf_final.h"
#include "file/pub.h"

#define LOOK      (2 * TIM_S)    /* between two looks for late files */
#define EXTRA     16             /* minutes of the log around an hour that count as its evidence */
#define AFTER_DAY (30 * TIM_MIN) /* behind midnight a night is over, whatever came of it */

void mergeday_say(struct mergeday *d, enum mergeday_level level, const char *format, ...)
{
	char text[MERGEDAY_WHY];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	d->o.say(d->o.ctx, level, text);
}

const char *mergeday_why(const struct mergeday *d)
{
	errno = d->error;
	return d->why;
}

int mergeday_failed(struct mergeday *d, const char *why)
{
	d->error = errno;
	snprintf(d->why, sizeof d->why, "%s", why);
	return -1;
}

/* ---- the day ---- */

static bool is_date(const char *s)
{
	return strlen(s) == 8 && strspn(s, "0123456789") == 8;
}

static int64_t day_of_date(const char *s)
{
	int v = atoi(s);

	return tim_join(v / 10000, v / 100 % 100, v % 100, 0, 0, 0, 0) / TIM_DAY;
}

/* The one day that a raw folder speaks of: by its files, its own name or its only day's folder. */
static int64_t find_day(const char *raw, char why[MERGEDAY_WHY])
{
	DIR *dir = opendir(raw);
	int64_t files = -1, folders = -1;
	bool many = false;

	if (!dir) {
		int e = errno;
		snprintf(why, MERGEDAY_WHY, "%s: %s", raw, strerror(e));
		errno = e;
		return -1;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		int64_t minute = das_minute(e->d_name);
		int64_t *seen = minute >= 0 ? &files : &folders;
		int64_t day = minute >= 0 ? minute / MINUTE_DAY
		    : is_date(e->d_name)  ? day_of_date(e->d_name)
					  : -1;
		if (day < 0)
			continue;
		many |= *seen >= 0 && *seen != day;
		*seen = day;
	}
	closedir(dir);
	char real[PATH_MAX];
	const char *base = realpath(raw, real) ? strrchr(real, '/') + 1 : raw;
	if (files < 0 && folders < 0 && is_date(base))
		return day_of_date(base);
	if (!many && (files >= 0 || folders >= 0))
		return files >= 0 ? files : folders;
	snprintf(why, MERGEDAY_WHY, "%s: %s: say which with --utc=YYYYMMDD", raw,
	    many ? "holds more than one day" : "holds no raw file yet, so the day is not known");
	errno = EINVAL;
	return -1;
}

/* One merge per day and folder. The lock dies with the program. */
static int take_lock(struct mergeday *d, char why[MERGEDAY_WHY])
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct tim_parts p = tim_split(d->first * TIM_MIN);
	char path[PUB_PATH];
	int n = snprintf(
	    path, sizeof path, "%s/.merge_%04d%02d%02d.lock", d->o.out, p.year, p.month, p.day);

	if (n >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		d->lock = -1;
	} else {
		d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	}
	if (d->lock < 0) {
		int e = errno;
		snprintf(why, MERGEDAY_WHY, "%s: %s", d->o.out, strerror(e));
		errno = e;
		return -1;
	}
	if (fcntl(d->lock, F_OFD_SETLK, &all) == 0)
		return 0;
	snprintf(why, MERGEDAY_WHY,
	    "another merge works on %04d%02d%02d in %s: wait for it, or stop it", p.year, p.month,
	    p.day, d->o.out);
	errno = EBUSY;
	return -1;
}

static void set_up(struct mergeday *d)
{
	const struct calspec *c = d->o.cal;

	d->setup = (struct merge_setup){.cal = c,
	    .stream = d->stream,
	    .day = d->first / MINUTE_DAY,
	    .format = d->o.format,
	    .sync = d->o.sync,
	    .fixut = d->o.fixut,
	    .have_log = d->o.log,
	    .have_enc = d->o.enc};
	d->setup.site = (struct coord_site){.longitude = c->longitude * M_PI / 180,
	    .latitude = c->latitude * M_PI / 180,
	    .height = c->height};
	d->from = d->o.start >= 0 ? d->o.start : 0;
	d->to = d->o.end >= 0 ? d->o.end : MINUTE_DAY - 1;
	d->next = d->from;
	d->live = tim_now() < (d->first + MINUTE_DAY) * TIM_MIN;
	d->growth.minute = d->asked = -1;
}

/* A report that cannot be written is better told before the night than after it. */
static int check_report(const struct mergeday_options *o, char why[MERGEDAY_WHY])
{
	struct pub p;

	if (!o->report)
		return 0;
	if (pub_begin(&p, o->report, true) < 0) {
		snprintf(why, MERGEDAY_WHY, "%s", p.why);
		return -1;
	}
	pub_end(&p);
	return 0;
}

struct mergeday *mergeday_new(const struct mergeday_options *o, char why[MERGEDAY_WHY])
{
	struct mergeday *d = calloc(1, sizeof *d);
	int64_t day = o->day >= 0 ? o->day : find_day(o->raw, why);

	if (!d || day < 0) {
		int e = d ? errno : ENOMEM;
		if (!d)
			snprintf(why, MERGEDAY_WHY, "out of memory");
		free(d);
		errno = e;
		return NULL;
	}
	d->o = *o;
	d->first = day * MINUTE_DAY;
	struct stream_options so = {.dir = {o->raw, o->log, o->enc},
	    .cal = o->cal,
	    .format = o->format,
	    .day = day,
	    .fixut = o->fixut,
	    .fixnfs = o->fixnfs};
	bool good = take_lock(d, why) == 0 && check_report(o, why) == 0 &&
	    (d->stream = stream_new(&so)) && (!o->nc4 || (d->final = cdf_jobs_new(false, true)));
	if (!good) {
		int e = errno;
		if (e == ENOMEM)
			snprintf(why, MERGEDAY_WHY, "out of memory");
		mergeday_free(d);
		errno = e;
		return NULL;
	}
	set_up(d);
	if (!d->live && o->end < 0)
		mergeday_say(d, MERGEDAY_NOTE,
		    "a day of the past without -nend: more is waited for until Ctrl-C, or the file "
		    "of minute 1439");
	return d;
}

void mergeday_free(struct mergeday *d)
{
	if (!d)
		return;
	for (int i = 0; i < HOURS; i++)
		hour_close(d->h[i].file);
	if (d->final) {
		char why[CDF_WHY];
		cdf_jobs_stop(d->final);
		while (cdf_jobs_step(d->final, TIM_S, why) == 0)
			;
		cdf_jobs_free(d->final);
	}
	stream_free(d->stream);
	if (d->lock >= 0)
		close(d->lock);
	free(d);
}

/* ---- an hour ---- */

/* The closed hours for whose clock a minute is evidence are to be written anew. */
static void bears_on(struct mergeday *d, int minute)
{
	for (int i = 0; i < HOURS; i++) {
		struct hour_state *h = &d->h[i];
		double away = 0;
		for (int k = 0; k < h->result.clock.n; k++)
			away = fmax(away, fabs(h->result.clock.seg[k].offset));
		int extra = 1 + (int)ceil((away + 2) / 60);
		if (h->stage == HOUR_CLOSED && minute >= i * 60 - MERGE_BEFORE - extra &&
		    minute < i * 60 + 60 + MERGE_AFTER + extra)
			h->stage = HOUR_DUE;
	}
}

/* Notes whether a file that was read has gone: also when what was read of it is forgotten, it is
 * looked for until it is there again. */
static void note_gone(struct mergeday *d, int minute, int kind, bool gone)
{
	if (minute < 0 || minute >= MINUTE_DAY)
		return;
	d->gone[minute] &= ~(1u << kind);
	d->gone[minute] |= (unsigned)gone << kind;
}

/* Whether a file is another one than that which was read, or has come or gone since; one that was
 * too absurd to be used counts as read. here: whether it is there now. */
static bool differs(struct mergeday *d, int minute, int kind, bool *here)
{
	const struct stream_file *f = &stream_minute(d->stream, d->first + minute)->file[kind];
	int64_t size, mtime;

	*here = mergewait_present(d, (enum stream_kind)kind, minute, &size, &mtime);
	return *here ? size != f->size || mtime != f->mtime : f->present;
}

/* Files that changed since they were read are read again. */
static void refresh(struct mergeday *d, int from, int to)
{
	for (int m = from; m < to; m++) {
		const struct stream_minute *s = stream_minute(d->stream, d->first + m);
		for (int k = 0; s && k < STREAM_KINDS; k++) {
			bool here;
			if (!s->file[k].read || !differs(d, m, k, &here))
				continue;
			note_gone(d, m, k, !here);
			if (here)
				bears_on(d, m);
			stream_forget(d->stream, (enum stream_kind)k, d->first + m);
		}
	}
}

/* Steps of the clock inside an hour: its model also covers what is around. */
int mergeday_steps(const struct clock_model *c, int hour)
{
	int n = 0;

	for (int k = 0; k + 1 < c->n; k++)
		n += c->seg[k].to >= 3600.0 * hour && c->seg[k].to < 3600.0 * (hour + 1);
	return n;
}

static void tell_hour(struct mergeday *d, int hour)
{
	const struct merge_hour *r = &d->h[hour].result;
	static const char *const verdict[] = {"", ", checks good", ", CHECKS SUSPECT"};
	char name[32], clock[128];

	hour_name(d->first / 60 + hour, name);
	if (r->clock.n)
		snprintf(clock, sizeof clock, "clock %.3f s by %d edges, rms %.1f ms%s",
		    clock_offset(&r->clock, 3600.0 * hour + 1800), r->clock.matched,
		    r->clock.rms * 1e3, mergeday_steps(&r->clock, hour) ? ", stepped" : "");
	else
		snprintf(clock, sizeof clock, "%s",
		    d->o.sync ? "clock not known: no edges" : "clock not corrected");
	mergeday_say(d, r->verdict == HOUR_SUSPECT ? MERGEDAY_WARN : MERGEDAY_NOTE,
	    "%s: %d minutes, %s%s", name, __builtin_popcountll(r->minutes), clock,
	    verdict[r->verdict]);
}

/* Goes on with the compression of finished hours; wait: until all are done. A failure leaves the
 * hour in its first layout. */
static int compress(struct mergeday *d, bool wait)
{
	char why[CDF_WHY];
	int got = 0;

	while (d->final && got == 0) {
		got = cdf_jobs_step(d->final, wait ? TIM_S : 0, why);
		if (got == 0 && !wait)
			return 0;
	}
	return got < 0 ? mergeday_failed(d, why) : 0;
}

static int write_hour(
    struct mergeday *d, int hour, uint64_t minutes, bool provisional, const char *path)
{
	struct hour_state *h = &d->h[hour];
	char why[HOUR_WHY];

	refresh(d, hour * 60 - MERGE_BEFORE - EXTRA, hour * 60 + 60 + MERGE_AFTER + EXTRA);
	if (mergehour_build(&d->setup, d->first / 60 + hour, minutes, provisional, path, &h->result,
		provisional ? &h->file : NULL, why) < 0)
		return mergeday_failed(d, why);
	h->built = true;
	h->minutes = h->result.minutes;
	if (!provisional && d->final && cdf_jobs_add(d->final, path) < 0)
		return mergeday_failed(d, "out of memory");
	if (provisional)
		(void)pub_current(path, "merge_current.nc", true, why);
	else
		tell_hour(d, hour);
	return 0;
}

/* Writes an hour whole, unless it must be kept. */
static int build(struct mergeday *d, int hour, bool provisional)
{
	struct hour_state *h = &d->h[hour];
	char path[PUB_PATH], name[32];

	if (compress(d, true) < 0) /* it may be this hour that is in work */
		return -1;
	snprintf(path, sizeof path, "%s/%s", d->o.out, hour_name(d->first / 60 + hour, name));
	hour_close(h->file);
	h->file = NULL;
	int may = mergekeep_may_write(d, hour, path);
	uint64_t minutes = mergekeep_wanted(d, hour);
	if (may < 0 || (may && minutes && write_hour(d, hour, minutes, provisional, path) < 0))
		return -1;
	h->stage = provisional ? HOUR_OPEN : may ? HOUR_CLOSED : HOUR_DUE;
	return 0;
}

static int put_minute(struct mergeday *d, int minute)
{
	struct hour_state *h = &d->h[minute / 60];
	char why[HOUR_WHY];

	refresh(d, minute - MERGE_BEFORE, minute + MERGE_AFTER);
	if (mergehour_minute(&d->setup, h->file, minute % 60, &h->result, why) < 0)
		return mergeday_failed(d, why);
	h->minutes = h->result.minutes;
	return 0;
}

/* ---- what came late ---- */

/* Pointing files after the last merged minute that were looked for in vain, and have come. */
static int look_ahead(struct mergeday *d)
{
	int64_t size, mtime;
	int n = 0;

	for (int m = d->next; m < d->next + EXTRA && d->o.log; m++) {
		const struct stream_minute *s = stream_minute(d->stream, d->first + m);
		if (!s->file[STREAM_LOG].read || s->file[STREAM_LOG].present ||
		    !mergewait_present(d, STREAM_LOG, m, &size, &mtime))
			continue;
		stream_forget(d->stream, STREAM_LOG, d->first + m);
		bears_on(d, m);
		n++;
	}
	return n;
}

enum late { LATE_NOTHING, LATE_CHANGED, LATE_GONE };

/* What has become of a merged minute's files. */
static enum late look_at(struct mergeday *d, int m)
{
	const struct stream_minute *s = stream_minute(d->stream, d->first + m);
	enum late late = LATE_NOTHING;

	for (int k = 0; k < STREAM_KINDS; k++) {
		const struct stream_file *f = &s->file[k];
		bool gone = d->gone[m] >> k & 1, here;
		if (k != STREAM_RAW && !f->read && !gone)
			continue;
		if (f->present && !gone && !(s->bits & ~(unsigned)STREAM_LEAP) && m < d->next - 60)
			continue; /* old and good: only others are looked at again */
		if (differs(d, m, k, &here))
			late = LATE_CHANGED;
		note_gone(d, m, k, !here && (f->present || gone));
	}
	return d->gone[m] ? LATE_GONE : late;
}

/* Files go with their mount, or into an archive: what was merged of them stays. */
static void tell_gone(struct mergeday *d, int n, int first)
{
	if (n > 0 && !d->told)
		mergeday_say(d, MERGEDAY_WARN,
		    "files of %d merged minutes have gone, %04d the first: what was merged of "
		    "them stays",
		    n, first);
	if (n == 0 && d->told)
		mergeday_say(d, MERGEDAY_NOTE, "files that had gone are there again");
	d->told = n > 0;
}

/* Files that turned up after their minute was merged, or changed: the minute is merged again in
 * its place, and the hours whose clock it bears on are written anew. */
static int look_for_late(struct mergeday *d)
{
	int back = 0, gone = 0, first = 0;

	for (int m = d->from; m < d->next; m++) {
		struct hour_state *h = &d->h[m / 60];
		enum late late = look_at(d, m);
		if (late == LATE_GONE && gone++ == 0)
			first = m;
		/* An hour that this run has not written is read whole when it does. */
		if (late != LATE_CHANGED || !h->built || (!h->file && mergekeep_kept(d, m / 60)) ||
		    !mergewait_ready(d, m))
			continue;
		mergeday_say(d, MERGEDAY_NOTE,
		    "minute %04d: a file came late or changed: merging it again", m);
		refresh(d, m, m + 1);
		if (h->file && put_minute(d, m) < 0)
			return -1;
		bears_on(d, m);
		back++;
	}
	tell_gone(d, gone, first);
	back += look_ahead(d);
	for (int i = 0; i < HOURS; i++)
		if (d->h[i].stage == HOUR_DUE && !mergekeep_kept(d, i) && build(d, i, false) < 0)
			return -1;
	return back;
}

/* ---- live ---- */

/* Where the DAS clock is slow, the last samples of a minute need the pointing log of the next one:
 * it has come now. */
static int complete_before(struct mergeday *d, int minute)
{
	const struct hour_state *h = &d->h[minute / 60];

	if (minute % 60 == 0 || !(h->minutes >> (minute % 60 - 1) & 1) ||
	    clock_offset(&h->result.clock, 60.0 * minute) >= 0 ||
	    look_at(d, minute - 1) == LATE_GONE)
		return 0;
	return put_minute(d, minute - 1);
}

/* Live: the hour that is being recorded grows minute by minute. */
static enum mergeday_state grow(struct mergeday *d)
{
	int hour = d->next / 60;

	if (!mergewait_has_raw(d, d->next)) {
		int hole = d->next, last = mergewait_last_raw(d, d->next);
		if (last < 0)
			return MERGEDAY_WAIT;
		while (d->next < last && !mergewait_has_raw(d, d->next))
			d->next++;
		if (d->begun)
			mergeday_say(d, MERGEDAY_WARN,
			    "minutes %04d to %04d: no raw files: going on behind the hole", hole,
			    d->next - 1);
		return MERGEDAY_WORKED;
	}
	if (!mergewait_ready(d, d->next))
		return MERGEDAY_WAIT;
	if (!d->h[hour].file) {
		/* The hour so far, up to the minute that is ready. */
		int to = d->to;
		d->to = d->next;
		int bad = build(d, hour, true);
		d->to = to;
		if (bad < 0)
			return MERGEDAY_ERROR;
	} else if (put_minute(d, d->next) < 0 || complete_before(d, d->next) < 0) {
		return MERGEDAY_ERROR;
	}
	d->next++;
	d->begun = true;
	return MERGEDAY_WORKED;
}

/* Closes the first open hour whose evidence is complete. */
static enum mergeday_state close_one(struct mergeday *d)
{
	for (int i = d->from / 60; i <= d->to / 60; i++) {
		struct hour_state *h = &d->h[i];
		if (h->stage != HOUR_OPEN || (!h->file && !mergewait_any(d, i)))
			continue;
		if (!mergewait_settled(d, i))
			return MERGEDAY_WAIT;
		if (build(d, i, false) < 0)
			return MERGEDAY_ERROR;
		if (d->next < (i + 1) * 60)
			d->next = (i + 1) * 60;
		d->begun = true;
		return MERGEDAY_WORKED;
	}
	return MERGEDAY_WAIT;
}

static bool all_closed(struct mergeday *d)
{
	for (int i = d->from / 60; i <= d->to / 60; i++)
		if (d->h[i].stage == HOUR_OPEN && mergewait_any(d, i))
			return false;
	return true;
}

/* A night that is followed live ends with its day, though the DAS was stopped before. */
static void end_with_day(struct mergeday *d)
{
	int64_t late = d->o.wait > AFTER_DAY ? d->o.wait : AFTER_DAY;

	if (!d->live || mergewait_no_more(d) || mergewait_has_raw(d, MINUTE_DAY - 1) ||
	    tim_now() < (d->first + MINUTE_DAY) * TIM_MIN + late)
		return;
	mergeday_say(d, MERGEDAY_NOTE, "the day is over: nothing more is waited for");
	d->over = true;
}

/* The raw files' folder cannot be read: with its mount it comes back, and a night waits for that. */
static enum mergeday_state stay_away(struct mergeday *d)
{
	const char *why = stream_why(d->stream);

	if (mergewait_no_more(d)) {
		mergeday_failed(d, why);
		return MERGEDAY_ERROR;
	}
	if (!d->away)
		mergeday_say(d, MERGEDAY_WARN, "%s: waiting until that is over", why);
	d->away = true;
	return MERGEDAY_WAIT;
}

enum mergeday_state mergeday_step(struct mergeday *d)
{
	int listed = stream_list(d->stream, d->raw), error = errno;

	end_with_day(d);
	errno = error;
	if (listed < 0)
		return stay_away(d);
	if (d->away)
		mergeday_say(d, MERGEDAY_NOTE, "%s is there again: going on", d->o.raw);
	d->away = false;
	mergewait_mark(d);
	if (compress(d, false) < 0)
		return MERGEDAY_ERROR;
	enum mergeday_state s = close_one(d);

	if (s != MERGEDAY_WAIT)
		return s;
	if (tim_mono() - d->looked > LOOK) {
		int late = look_for_late(d);
		d->looked = tim_mono();
		if (late)
			return late < 0 ? MERGEDAY_ERROR : MERGEDAY_WORKED;
	}
	if ((mergewait_no_more(d) || mergewait_has_raw(d, MINUTE_DAY - 1)) && all_closed(d))
		return MERGEDAY_DONE;
	if (d->next <= d->to)
		s = grow(d);
	return s;
}

int mergeday_finish(struct mergeday *d)
{
	if (stream_list(d->stream, d->raw) < 0)
		return mergeday_failed(d, stream_why(d->stream));
	for (int i = d->from / 60; i <= d->to / 60; i++)
		if (d->h[i].stage != HOUR_CLOSED && (d->h[i].file || mergewait_any(d, i)) &&
		    build(d, i, false) < 0)
			return -1;
	if (compress(d, true) < 0)
		return -1;
	bool any = d->o.end < 0;
	for (int m = d->from; m <= d->to; m++)
		any |= mergewait_has_raw(d, m);
	if (!any)
		mergeday_say(d, MERGEDAY_WARN,
		    "minutes %04d to %04d: no raw files in %s: nothing is merged", d->from,
		    d->o.end, d->o.raw);
	return d->o.report && mergereport_write(d) < 0 ? -1 : mergekeep_end(d);
}
