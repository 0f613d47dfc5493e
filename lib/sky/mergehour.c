/* mergehour.c - one hour of a night from its minute files */
#include "sky/mergehourin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"

#define MJD_1970 40587

/* ---- one minute ---- */

static void take_times(struct minute_work *w)
{
	double start = mergeclock_seconds(w->m, w->minute), step = 1.0 / w->m->cal->das.rate;
	const struct clock_model *c = &w->r->clock;
	int frames = stream_minute(w->m->stream, w->minute)->frames;

	for (int i = 0; i < w->n; i++) {
		double u = start + i * step;
		int state = w->m->sync ? clock_state(c, u) : 0;
		w->t[i] = u - clock_offset(c, u);
		w->quality[i] = (i >= frames ? HOUR_NO_RAW : 0) |
		    (state & CLOCK_NONE ? HOUR_NO_EDGES : 0) |
		    (state & CLOCK_STEP ? HOUR_CLOCK_STEP : 0) |
		    (state & CLOCK_AWAY ? HOUR_EXTRAPOLATED : 0);
	}
}

static int put_times(struct minute_work *w)
{
	const struct clock_model *c = &w->r->clock;
	double start = mergeclock_seconds(w->m, w->minute), step = 1.0 / w->m->cal->das.rate;
	int bad;

	for (int i = 0; i < w->n; i++)
		w->v[i] = (w->t[i] - 86400 * floor(w->t[i] / 86400)) / 3600;
	bad = hour_own(w->file, HOUR_UT, w->first, w->n, w->v);
	for (int i = 0; i < w->n; i++)
		w->v[i] = (double)(MJD_1970 + w->m->day) + floor(w->t[i] / 86400);
	bad |= hour_own(w->file, HOUR_JD, w->first, w->n, w->v);
	for (int i = 0; i < w->n; i++)
		w->v[i] = clock_offset(c, start + i * step);
	return bad | hour_own(w->file, HOUR_TIME_OFFSET, w->first, w->n, w->v);
}

static double size_of(const struct stream_file *f)
{
	return f->present ? (double)f->size : 0;
}

static int put_minute(struct minute_work *w)
{
	static const enum hour_own sizes[] = {HOUR_RAW_SIZE, HOUR_LOG_SIZE, HOUR_ENC_SIZE};
	static const enum hour_own crcs[] = {HOUR_RAW_CRC, HOUR_LOG_CRC, HOUR_ENC_CRC};
	const struct stream_minute *s = stream_minute(w->m->stream, w->minute);
	int k = (int)(w->minute % 60), bad = 0;
	double v;

	w->r->quality[k] = s->bits | (w->r->provisional ? STREAM_PROVISIONAL : 0u);
	memcpy(w->r->input[k], s->file, sizeof s->file);
	for (int i = 0; i < STREAM_KINDS && !bad; i++) {
		v = size_of(&s->file[i]);
		bad = hour_own(w->file, sizes[i], k, 1, &v);
		v = s->file[i].present ? (double)s->file[i].crc : 0;
		bad |= hour_own(w->file, crcs[i], k, 1, &v);
	}
	v = (double)w->r->quality[k];
	bad |= hour_own(w->file, HOUR_MINUTE_QUALITY, k, 1, &v);
	for (int i = 0; i < w->n; i++)
		w->v[i] = w->quality[i] | (s->bits & STREAM_RAW_DUPLICATE ? HOUR_DUPLICATE : 0) |
		    (s->bits & STREAM_LOG_STALE ? HOUR_STALE : 0);
	return bad | hour_own(w->file, HOUR_QUALITY, w->first, w->n, w->v);
}

/* Everything of a minute but the das variables, whose raw file has been read. */
static int write_minute(struct minute_work *w, struct check_sums *sums)
{
	struct hk_row *row = calloc(60, sizeof *row);
	bool have[60];
	int bad = !row;

	if (!bad) {
		take_times(w);
		mergelog_take(w);
		mergehk_take(w, row, have);
		/* Also where the corrected times need another minute's: these are this one's. */
		if (w->m->have_log)
			(void)stream_log(w->m->stream, w->minute);
		if (w->m->have_enc)
			(void)stream_enc(w->m->stream, w->minute);
		mergecheck_minute(w, mergehk_any(row, have), sums);
		bad = put_times(w) || mergelog_put(w) || mergehk_put(w, row, have) || put_minute(w);
	}
	free(row);
	return bad ? -1 : 0;
}

/* A minute without a raw file: fill values. */
static int write_hole(struct minute_work *w)
{
	const struct calspec *c = w->m->cal;
	int k = (int)(w->minute % 60), second = k * 60, bad;
	double none[60], zero = 0;
	char text[60][HOUR_TEXT] = {{0}};
	unsigned bits =
	    STREAM_RAW_MISSING | (stream_minute(w->m->stream, w->minute)->bits & STREAM_RAW_BITS);
	double quality = (double)bits;
	int64_t rails;

	for (int i = 0; i < w->n; i++)
		w->v[i] = (double)NAN;
	for (int i = 0; i < 60; i++)
		none[i] = (double)NAN;
	bad = hour_das(w->file, k, NULL, 0, &rails) ||
	    hour_own(w->file, HOUR_UT, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_JD, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_TIME_OFFSET, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_RA_APPARENT, second, 60, none) ||
	    hour_own(w->file, HOUR_DEC_APPARENT, second, 60, none);
	for (int i = 0; i < c->nvars && !bad; i++)
		if (c->var[i].source == CAL_LOG)
			bad = hour_cal(w->file, i, w->first, w->n, w->v);
		else if (c->var[i].source == CAL_HK && c->var[i].type == CAL_CHAR)
			bad = hour_text(w->file, i, second, 60, text);
		else if (c->var[i].source == CAL_HK)
			bad = hour_cal(w->file, i, second, 60, none);
	for (int i = 0; i < w->n; i++)
		w->v[i] = HOUR_NO_RAW | HOUR_NO_POINTING | HOUR_NO_HOUSEKEEPING;
	bad = bad || hour_own(w->file, HOUR_QUALITY, w->first, w->n, w->v) ||
	    hour_own(w->file, HOUR_MINUTE_QUALITY, k, 1, &quality);
	for (enum hour_own i = HOUR_RAW_SIZE; i <= HOUR_ENC_CRC && !bad; i++)
		bad = hour_own(w->file, i, k, 1, &zero);
	w->r->quality[k] = bits;
	return bad ? -1 : 0;
}

/* ---- building ---- */

/* Frames up to the end of the last minute that there is. */
static int64_t frames_written(uint64_t minutes, int per_minute)
{
	return minutes ? (64 - __builtin_clzll(minutes)) * (int64_t)per_minute : 0;
}

static int put_states(struct hour *file, const struct merge_setup *m, uint64_t minutes)
{
	double state[60], frames = (double)frames_written(minutes, 60 * m->cal->das.rate);

	for (int k = 0; k < 60; k++)
		state[k] = minutes >> k & 1 ? 1 : 0;
	return hour_own(file, HOUR_MINUTE_STATE, 0, 60, state) ||
	    hour_own(file, HOUR_FRAMES_WRITTEN, 0, 1, &frames);
}

static bool work_begin(
    struct minute_work *w, const struct merge_setup *m, struct hour *file, struct merge_hour *r)
{
	*w = (struct minute_work){.m = m, .file = file, .r = r, .n = 60 * m->cal->das.rate};
	w->t = malloc((size_t)w->n * sizeof *w->t);
	w->v = malloc((size_t)w->n * sizeof *w->v);
	w->quality = malloc((size_t)w->n * sizeof *w->quality);
	w->at = malloc((size_t)w->n * sizeof *w->at);
	return w->t && w->v && w->quality && w->at;
}

static void work_end(struct minute_work *w)
{
	free(w->t);
	free(w->v);
	free(w->quality);
	free(w->at);
}

static int put_frames(struct minute_work *w, const uint8_t *frames, int n)
{
	w->r->frames += n;
	return hour_das(w->file, (int)(w->minute % 60), frames, n, &w->r->rails);
}

static int put_raw(struct minute_work *w)
{
	const uint8_t *frames = NULL;
	int n = stream_raw(w->m->stream, w->minute, &frames);

	return n < 0 ? -1 : put_frames(w, frames, n);
}

static bool has_no_raw(const struct minute_work *w)
{
	return stream_minute(w->m->stream, w->minute)->bits & STREAM_RAW_MISSING;
}

static int write_all(struct minute_work *w, uint64_t minutes)
{
	struct check_sums sums = {0};
	int bad = 0;

	for (int k = 0; k < 60 && !bad; k++) {
		w->minute = w->r->hour * 60 + k;
		if (minutes >> k & 1)
			bad = put_raw(w);
		if (has_no_raw(w))
			minutes &= ~(UINT64_C(1) << k); /* gone meanwhile, or absurd */
	}
	w->r->minutes = minutes;
	if (!bad)
		bad = mergeclock_fit(w->m, w->r->hour, &w->r->clock);
	for (int k = 0; k < 60 && !bad; k++) {
		w->minute = w->r->hour * 60 + k;
		w->first = k * w->n;
		bad = minutes >> k & 1 ? write_minute(w, &sums) : write_hole(w);
	}
	mergecheck_judge(w->r, &sums);
	return bad || mergeclock_put(w->file, w->m, w->r) || mergecheck_put(w->file, w->r) ||
	    put_states(w->file, w->m, minutes);
}

static int explain(const struct merge_setup *m, struct hour *file, char why[HOUR_WHY])
{
	const char *s = *hour_why(file) ? hour_why(file) : stream_why(m->stream);

	snprintf(why, HOUR_WHY, "%s", *s ? s : "out of memory");
	return -1;
}

int mergehour_build(const struct merge_setup *m, int64_t hour, uint64_t minutes, bool provisional,
    const char *path, struct merge_hour *r, struct hour **file, char why[HOUR_WHY])
{
	struct minute_work w;

	memset(r, 0, sizeof *r);
	r->hour = hour;
	r->minutes = minutes;
	r->provisional = provisional;
	mergehk_find_dut1(m, hour, r);
	struct hour_spec spec = {.cal = m->cal,
	    .hour = hour,
	    .format = m->format,
	    .sync = m->sync,
	    .fixut = m->fixut,
	    .dut1_source = r->dut1_source};
	struct hour *h = hour_create(&spec, path, why);
	if (!h)
		return -1;
	int bad = !work_begin(&w, m, h, r) || write_all(&w, minutes) || hour_publish(h) < 0;
	int error = errno;
	work_end(&w);
	if (bad)
		explain(m, h, why);
	if (bad || !file)
		hour_close(h);
	else
		*file = h;
	errno = error;
	return bad ? -1 : 0;
}

int mergehour_minute(const struct merge_setup *m, struct hour *file, int minute,
    struct merge_hour *r, char why[HOUR_WHY])
{
	struct minute_work w;
	struct check_sums sums = {0};
	uint64_t minutes = r->minutes | UINT64_C(1) << minute;
	const uint8_t *frames = NULL;

	bool ready = work_begin(&w, m, file, r);
	w.minute = r->hour * 60 + minute;
	w.first = minute * w.n;
	int n = ready ? stream_raw(m->stream, w.minute, &frames) : -1;
	bool gone = n >= 0 && has_no_raw(&w);
	bool bad = n < 0 ||
	    (!gone &&
		(hour_begin(file, minute) || put_frames(&w, frames, n) ||
		    mergeclock_fit(m, r->hour, &r->clock) || write_minute(&w, &sums) ||
		    mergeclock_put(file, m, r) ||
		    hour_end(file, minute, frames_written(minutes, 60 * m->cal->das.rate))));
	int error = errno;
	work_end(&w);
	if (bad)
		explain(m, file, why);
	else if (!gone)
		r->minutes = minutes;
	errno = error;
	return bad ? -1 : 0;
}
