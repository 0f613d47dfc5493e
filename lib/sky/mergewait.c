/* mergewait.c - which minutes are there, and for which a night waits */
#include "sky/mergedayin.h"

#include "base/tim.h"

#define STILL     (4 * TIM_S) /* a short raw file that has not grown so long is taken as it is */
#define STILL_NFS (10 * TIM_S)

bool mergewait_present(
    struct mergeday *d, enum stream_kind kind, int minute, int64_t *size, int64_t *mtime)
{
	char path[STREAM_PATH];

	return stream_find(d->stream, kind, d->first + minute, path, size, mtime) == 1;
}

/* By the last look into the folders: a network disk would not bear a question for each minute. */
bool mergewait_has_raw(const struct mergeday *d, int minute)
{
	return minute >= 0 && minute < MINUTE_DAY && d->raw[minute];
}

/* The last minute of the night from `minute` on that has a raw file; -1: none. */
int mergewait_last_raw(const struct mergeday *d, int minute)
{
	for (int m = MINUTE_DAY - 1; m >= minute; m--)
		if (mergewait_has_raw(d, m))
			return m;
	return -1;
}

bool mergewait_any(const struct mergeday *d, int hour)
{
	for (int m = hour * 60; m < hour * 60 + 60; m++)
		if (m >= d->from && m <= d->to && mergewait_has_raw(d, m))
			return true;
	return false;
}

/* Whether a raw file has all it will have: a whole minute, or it has stopped growing. */
static bool complete(struct mergeday *d, int minute, int64_t size, int64_t mtime)
{
	int64_t still = d->o.fixnfs ? STILL_NFS : STILL, now = tim_mono();
	struct das_shape s;

	if (das_shape(&d->o.cal->das, (size_t)size, &s) == 0 && s.frames >= s.want && !s.torn)
		return true;
	if (tim_now() - mtime > still || mergewait_has_raw(d, minute + 1))
		return true;
	if (d->growth.minute != minute || d->growth.size != size)
		d->growth = (struct growth){minute, size, now};
	return now - d->growth.since > still;
}

void mergewait_mark(struct mergeday *d)
{
	for (int m = 0; m < MINUTE_DAY; m++)
		if (d->raw[m] && !d->seen[m])
			d->seen[m] = tim_mono();
}

/* Whether a raw file has been there for so long: by its own time, or, where that lies ahead of this
 * machine's (another clock, local time on a disk of UT), since it was seen first. */
static bool older(struct mergeday *d, int minute, int64_t mtime, int64_t limit)
{
	int64_t now = tim_mono();

	if (!d->seen[minute])
		d->seen[minute] = now;
	return mtime > tim_now() ? now - d->seen[minute] > limit : tim_now() - mtime > limit;
}

/* Whether a minute with a raw file can be merged: its companions are there, or have been waited
 * for long enough. */
bool mergewait_ready(struct mergeday *d, int minute)
{
	int64_t size, mtime, s, t;

	if (!mergewait_present(d, STREAM_RAW, minute, &size, &mtime))
		return true;
	if (!complete(d, minute, size, mtime))
		return false;
	bool lacks_log = d->o.log && !mergewait_present(d, STREAM_LOG, minute, &s, &t);
	bool lacks_enc = d->o.enc && !mergewait_present(d, STREAM_ENC, minute, &s, &t);
	if (!lacks_log && !lacks_enc)
		return true;
	const char *what = lacks_log && lacks_enc ? "pointing log and housekeeping"
	    : lacks_log                           ? "pointing log"
						  : "housekeeping";
	if (older(d, minute, mtime, d->o.wait)) {
		if (d->asked == minute && !d->given_up)
			mergeday_say(d, MERGEDAY_WARN,
			    "minute %04d: no %s in time: it is merged without", minute, what);
		d->given_up = true;
		return true;
	}
	if (d->asked < minute) {
		mergeday_say(d, MERGEDAY_NOTE, "minute %04d: waiting for its %s", minute, what);
		d->asked = minute;
		d->given_up = false;
	}
	return false;
}

/* The first minutes of the next day are evidence for the last hour of this one. They are waited
 * for as long as they could be on their way. */
static bool next_day_settled(struct mergeday *d)
{
	int64_t size, mtime, next;

	for (int m = MINUTE_DAY + MERGE_AFTER - 1; m < MINUTE_DAY + 60; m++)
		if (mergewait_present(d, STREAM_RAW, m, &size, &next)) {
			for (int k = MINUTE_DAY; k < MINUTE_DAY + MERGE_AFTER; k++)
				if (!mergewait_ready(d, k))
					return false;
			return true;
		}
	return !mergewait_present(d, STREAM_RAW, MINUTE_DAY - 1, &size, &mtime) ||
	    older(d, MINUTE_DAY - 1, mtime, (MERGE_AFTER + 2) * TIM_MIN);
}

bool mergewait_no_more(const struct mergeday *d)
{
	return d->o.end >= 0 || d->over;
}

/* Whether all of an hour's evidence is there that ever will be: the minutes after it have come. */
bool mergewait_settled(struct mergeday *d, int hour)
{
	int after = hour * 60 + 60 + MERGE_AFTER, last = mergewait_last_raw(d, hour * 60);

	if (!mergewait_no_more(d) && last < after && last < MINUTE_DAY - 1)
		return false;
	for (int m = hour * 60; m < after && m < MINUTE_DAY; m++)
		if (!mergewait_ready(d, m))
			return false;
	return mergewait_no_more(d) || hour < HOURS - 1 || next_day_settled(d);
}
