/*
 * mergekeep.c - what an hour's file holds is not lost when the hour is written anew
 *
 * An hour is
 *
 *   open    its evidence is not complete; it may have a file, which grows
 *   closed  written with all the evidence there was: final as far as is known
 *   due     an input came or changed after that, or it was kept: to be written
 *
 * and it is kept whenever it is to be written while files are away that its file was made of: the
 * file stays as it is, and the hour is due from then on. Hours that are due are tried again at each
 * look into the folders, and at the end of the run.
 */
#include "sky/mergedayin.h"

#include <errno.h>
#include <stdio.h>

/* Whether a minute lies in the range that was given by its ends; without -nstart that begins at the
 * first raw file there is. What such a range has no raw file for is a hole. */
static bool asked_for(const struct mergeday *d, int minute)
{
	if (d->o.end < 0 || minute < d->from || minute > d->o.end)
		return false;
	bool any = d->o.start >= 0;
	for (int m = 0; m <= minute && !any; m++)
		any = mergewait_has_raw(d, m);
	return any;
}

/* Whether a file is away that a minute of the hour's file was made of. What an earlier run has
 * merged is known by its raw files only. */
static bool is_away(struct mergeday *d, int minute)
{
	const struct hour_state *h = &d->h[minute / 60];
	const struct stream_file *input = h->result.input[minute % 60];
	int64_t size, mtime;

	if (!mergewait_has_raw(d, minute))
		return h->built || !asked_for(d, minute);
	for (int k = STREAM_LOG; h->built && k < STREAM_KINDS; k++)
		if (input[k].present &&
		    !mergewait_present(d, (enum stream_kind)k, minute, &size, &mtime))
			return true;
	return false;
}

/* The minutes that the hour's file holds, and would hold no more if it were written now. */
static uint64_t would_lose(struct mergeday *d, int hour)
{
	uint64_t lost = d->h[hour].minutes;

	for (int k = 0; k < 60; k++)
		if (lost >> k & 1 && !is_away(d, hour * 60 + k))
			lost &= ~(UINT64_C(1) << k);
	return lost;
}

bool mergekeep_kept(struct mergeday *d, int hour)
{
	struct hour_state *h = &d->h[hour];
	uint64_t lost = would_lose(d, hour);
	char name[32];

	if (lost && !h->kept)
		mergeday_say(d, MERGEDAY_WARN,
		    "%s: holds %d minutes whose files have gone, %04d the first: it stays as it is "
		    "until they are back",
		    hour_name(d->first / 60 + hour, name), __builtin_popcountll(lost),
		    hour * 60 + __builtin_ctzll(lost));
	h->kept = lost != 0;
	if (h->kept && h->stage == HOUR_CLOSED)
		h->stage = HOUR_DUE;
	return h->kept;
}

uint64_t mergekeep_wanted(const struct mergeday *d, int hour)
{
	uint64_t have = 0;

	for (int k = 0; k < 60; k++) {
		int m = hour * 60 + k;
		if (((m >= d->from && m <= d->to) || d->h[hour].minutes >> k & 1) &&
		    mergewait_has_raw(d, m))
			have |= UINT64_C(1) << k;
	}
	return have;
}

int mergekeep_may_write(struct mergeday *d, int hour, const char *path)
{
	struct hour_state *h = &d->h[hour];
	char why[MERGEDAY_WHY];

	if (!h->known && hour_minutes(path, &h->minutes, &h->result.provisional, why) < 0)
		return mergeday_failed(d, why);
	h->known = true;
	if (h->built || d->o.end < 0)
		return !mergekeep_kept(d, hour);
	uint64_t lost = would_lose(d, hour);
	if (!lost)
		return 1;
	snprintf(why, sizeof why,
	    "%.150s: holds %d minutes whose raw files are not in %.150s, %04d the first: they "
	    "would "
	    "be lost: give the folder that has them, or move this hour away",
	    path, __builtin_popcountll(lost), d->o.raw, hour * 60 + __builtin_ctzll(lost));
	errno = EEXIST;
	return mergeday_failed(d, why);
}

int mergekeep_end(struct mergeday *d)
{
	char why[MERGEDAY_WHY], name[32];

	for (int i = 0; i < HOURS; i++) {
		const struct hour_state *h = &d->h[i];
		uint64_t lost = h->kept ? would_lose(d, i) : 0;
		bool final = !h->result.provisional && !(mergekeep_wanted(d, i) & ~h->minutes);
		if (!lost || final)
			continue;
		snprintf(why, sizeof why,
		    "%s: is not final: %d of its minutes have files that are away, %04d the first: "
		    "run merge again when they are back",
		    hour_name(d->first / 60 + i, name), __builtin_popcountll(lost),
		    i * 60 + __builtin_ctzll(lost));
		errno = EEXIST;
		return mergeday_failed(d, why);
	}
	return 0;
}
