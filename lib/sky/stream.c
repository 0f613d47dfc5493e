/* stream.c - the minute files of one night */
#include "sky/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"

#define DAYS      5 /* that are kept track of, around the night's */
#define MINUTES   (DAYS * MINUTE_DAY)
#define LOGS      8 /* minutes of the log in memory */
#define RAW_MAX   (64 << 20)
#define LOG_MAX   (61 * PLOG_HZ * 52 + 4096)
#define NOISY     60 /* edges of one line in a minute that are too many */
#define NFS_TRIES 5
#define NFS_PAUSE (100 * TIM_MS)

const char *const stream_bit_names[STREAM_NBITS] = {"raw_missing", "raw_short", "raw_long",
    "raw_torn", "raw_duplicate", "pointing_missing", "pointing_short", "pointing_stale",
    "pointing_bad", "housekeeping_missing", "housekeeping_short", "housekeeping_bad", "leap_second",
    "provisional"};

struct stream {
	struct stream_options o;
	char why[STREAM_WHY];
	char day_parent[STREAM_KINDS][STREAM_PATH]; /* where dir is a day's folder itself */
	int64_t first;                              /* minute of minute[0] */
	struct stream_minute minute[MINUTES];
	uint8_t *raw;
	size_t raw_room;
	uint8_t *text; /* of the file last read of the other kinds */
	struct stream_log *log[LOGS];
	uint64_t clock;
	struct hk_minute enc;
	int64_t enc_minute;
};

#define fail(s, ...) why_fail((s)->why, sizeof(s)->why, errno, __VA_ARGS__)

const char *stream_why(const struct stream *s)
{
	return s->why;
}

/* ---- life ---- */

/* Where the last part of dir's real path is a date, its parent. */
static void find_parent(const char *dir, char parent[STREAM_PATH])
{
	char real[PATH_MAX];

	parent[0] = '\0';
	if (!dir || !realpath(dir, real))
		return;
	char *slash = strrchr(real, '/');
	if (!slash || strlen(slash + 1) != 8 || strspn(slash + 1, "0123456789") != 8)
		return;
	*slash = '\0';
	if (strlen(real) < STREAM_PATH - 64)
		strcpy(parent, *real ? real : "/");
}

struct stream *stream_new(const struct stream_options *o)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->o = *o;
	s->first = (o->day - DAYS / 2) * MINUTE_DAY;
	s->enc_minute = -1;
	for (int k = 0; k < STREAM_KINDS; k++)
		find_parent(o->dir[k], s->day_parent[k]);
	s->text = malloc(LOG_MAX > HK_FILE_MAX ? LOG_MAX : HK_FILE_MAX);
	bool bad = !s->text;
	for (int i = 0; i < LOGS; i++) {
		s->log[i] = calloc(1, sizeof *s->log[i]);
		if (s->log[i])
			s->log[i]->minute = -1;
		bad |= !s->log[i];
	}
	if (!bad)
		return s;
	stream_free(s);
	errno = ENOMEM;
	return NULL;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	for (int i = 0; i < MINUTES; i++)
		for (int k = 0; k < 2; k++)
			free(s->minute[i].edge[k]);
	for (int i = 0; i < LOGS; i++)
		free(s->log[i]);
	free(s->raw);
	free(s->text);
	free(s);
}

struct stream_minute *stream_minute(struct stream *s, int64_t minute)
{
	int64_t i = minute - s->first;

	return i >= 0 && i < MINUTES ? &s->minute[i] : NULL;
}

void stream_forget(struct stream *s, enum stream_kind kind, int64_t minute)
{
	static const unsigned bits[] = {STREAM_RAW_BITS, STREAM_LOG_BITS, STREAM_ENC_BITS};
	struct stream_minute *m = stream_minute(s, minute);

	if (!m)
		return;
	m->file[kind] = (struct stream_file){.read = false};
	m->bits &= ~bits[kind];
	if (kind != STREAM_ENC) {
		free(m->edge[kind]);
		m->edge[kind] = NULL;
		m->nedges[kind] = 0;
	}
	for (int i = 0; i < LOGS && kind == STREAM_LOG; i++)
		if (s->log[i]->minute == minute)
			s->log[i]->minute = -1;
	if (kind == STREAM_ENC)
		s->enc_minute = -1;
}

/* ---- finding ---- */

static void file_name(enum stream_kind kind, int64_t minute, char name[64])
{
	if (kind == STREAM_RAW)
		das_name(minute, name);
	else if (kind == STREAM_LOG)
		plog_name(minute, name);
	else
		hk_name(minute, name);
}

static bool try_path(
    char path[STREAM_PATH], const char *dir, int64_t day, const char *name, struct stat *st)
{
	struct tim_parts p = tim_split(day * TIM_DAY);
	int n;

	if (day >= 0)
		n = snprintf(
		    path, STREAM_PATH, "%s/%04d%02d%02d/%s", dir, p.year, p.month, p.day, name);
	else
		n = snprintf(path, STREAM_PATH, "%s/%s", dir, name);
	return n < STREAM_PATH && stat(path, st) == 0 && S_ISREG(st->st_mode);
}

/* A telescope's lock file stands beside the log that it is writing. */
static bool locked(enum stream_kind kind, const char *path)
{
	char lock[STREAM_PATH + 8];

	snprintf(lock, sizeof lock, "%s.lck", path);
	return kind == STREAM_LOG && access(lock, F_OK) == 0;
}

int stream_find(struct stream *s, enum stream_kind kind, int64_t minute, char path[STREAM_PATH],
    int64_t *size, int64_t *mtime)
{
	const char *dir = s->o.dir[kind], *parent = s->day_parent[kind];
	int64_t day = minute / MINUTE_DAY;
	struct stat st;
	char name[64];

	if (!dir)
		return 0;
	file_name(kind, minute, name);
	bool here = try_path(path, dir, day, name, &st);
	if (!here && (kind == STREAM_RAW || kind == STREAM_ENC || day == s->o.day))
		here = try_path(path, dir, -1, name, &st);
	if (!here && *parent)
		here = try_path(path, parent, day, name, &st);
	if (!here || locked(kind, path))
		return 0;
	*size = st.st_size;
	*mtime = st.st_mtim.tv_sec * TIM_S + st.st_mtim.tv_nsec;
	return 1;
}

/* A day's folder may be missing: it has not begun. */
static int list_folder(struct stream *s, const char *dir, const char *day, bool have[MINUTE_DAY])
{
	char path[STREAM_PATH];

	if (snprintf(path, sizeof path, "%s%s%s", dir, *day ? "/" : "", day) >= (int)sizeof path)
		return 0;
	DIR *d = opendir(path);
	if (!d && *day && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!d)
		return fail(s, "%s: %s", path, strerror(errno));
	errno = 0;
	for (struct dirent *e; (e = readdir(d)); errno = 0) {
		int64_t i = das_minute(e->d_name) - s->o.day * MINUTE_DAY;
		if (i >= 0 && i < MINUTE_DAY && e->d_type != DT_DIR)
			have[i] = true;
	}
	int bad = errno ? fail(s, "%s: %s", path, strerror(errno)) : 0, error = errno;
	closedir(d);
	errno = error;
	return bad;
}

static int list_folders(struct stream *s, bool have[MINUTE_DAY])
{
	struct tim_parts p = tim_split(s->o.day * TIM_DAY);
	const char *raw = s->o.dir[STREAM_RAW], *parent = s->day_parent[STREAM_RAW];
	char day[32];

	snprintf(day, sizeof day, "%04d%02d%02d", p.year, p.month, p.day);
	return list_folder(s, raw, "", have) < 0 || list_folder(s, raw, day, have) < 0 ||
		(*parent && list_folder(s, parent, day, have) < 0)
	    ? -1
	    : 0;
}

int stream_list(struct stream *s, bool have[MINUTE_DAY])
{
	bool found[MINUTE_DAY] = {false};
	int bad = list_folders(s, found);

	for (int i = 1; bad && s->o.fixnfs && i < NFS_TRIES; i++) {
		(void)tim_sleep_until(tim_mono() + NFS_PAUSE);
		bad = list_folders(s, found);
	}
	if (!bad)
		memcpy(have, found, sizeof found);
	return bad;
}

/* ---- reading ---- */

static ssize_t read_once(const char *path, uint8_t *to, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -1;
	ssize_t n = io_readall(fd, to, max);
	int e = errno;
	close(fd);
	errno = e;
	return n;
}

/* Reads a file whole. Network disks give ESTALE, EIO or fewer bytes than they promise: with
 * -fixnfs such a file is opened again. */
static ssize_t read_file(struct stream *s, const char *path, uint8_t *to, int64_t size)
{
	ssize_t n = -1;

	for (int i = 0; i < (s->o.fixnfs ? NFS_TRIES : 1); i++) {
		if (i > 0)
			(void)tim_sleep_until(tim_mono() + NFS_PAUSE);
		n = read_once(path, to, (size_t)size);
		if (n == size)
			return n;
	}
	if (n < 0)
		return fail(s, "%s: %s", path, strerror(errno));
	return n;
}

/* Finds and reads a file; its size, 0 where there is none, -1 after an error. */
static ssize_t fetch(
    struct stream *s, enum stream_kind kind, int64_t minute, uint8_t *to, size_t max)
{
	struct stream_minute *m = stream_minute(s, minute);
	struct stream_file *f = &m->file[kind];
	char path[STREAM_PATH];

	*f = (struct stream_file){.read = true};
	f->present = stream_find(s, kind, minute, path, &f->size, &f->mtime);
	if (!f->present)
		return 0;
	if (f->size > (int64_t)max) { /* no such file is as long as this one */
		static const unsigned bad[] = {STREAM_RAW_LONG, STREAM_LOG_BAD, STREAM_ENC_BAD};
		m->bits |= bad[kind];
		f->present = false;
		return 0;
	}
	ssize_t n = read_file(s, path, to, f->size);
	if (n < 0 && s->o.fixnfs) { /* never stop for one bad minute */
		s->why[0] = '\0';
		*f = (struct stream_file){.read = true};
		return 0;
	}
	if (n >= 0) {
		f->size = n;
		f->crc = crc_32(to, (size_t)n);
	}
	return n;
}

/* ---- edges ---- */

static int add_edge(struct stream_minute *m, int which, double at, int line)
{
	int n = m->nedges[which];

	if ((n & (n - 1)) == 0) {
		struct clock_edge *more =
		    realloc(m->edge[which], (size_t)(n ? 2 * n : 1) * sizeof *more);
		if (!more)
			return -1;
		m->edge[which] = more;
	}
	m->edge[which][m->nedges[which]++] = (struct clock_edge){at, line};
	return 0;
}

/* Adds the edges from the old levels to the new ones; line number twice, plus 1 when it rose. */
static int add_edges(
    struct stream_minute *m, int which, double at, unsigned old, unsigned new, int lines)
{
	for (int l = 0; l < lines; l++)
		if ((old ^ new) >> l & 1 &&
		    add_edge(m, which, at, 2 * l + (new >> l & 1 ? 1 : 0)) < 0)
			return -1;
	return 0;
}

/* A line that chatters, a loose plug say, tells nothing about the clock: its edges of this minute
 * are dropped. */
static void drop_noise(struct stream_minute *m, int which)
{
	int count[CAL_LINES] = {0}, n = 0;

	m->noisy[which] = 0;
	for (int i = 0; i < m->nedges[which]; i++)
		if (++count[m->edge[which][i].line / 2] > NOISY)
			m->noisy[which] |= 1u << m->edge[which][i].line / 2;
	for (int i = 0; i < m->nedges[which]; i++)
		if (!(m->noisy[which] >> m->edge[which][i].line / 2 & 1))
			m->edge[which][n++] = m->edge[which][i];
	m->nedges[which] = n;
}

static double seconds(const struct stream *s, int64_t minute)
{
	return 60.0 * (double)(minute - s->o.day * MINUTE_DAY);
}

/* Levels of all lines in each frame, as TTL: below low is 0, above high is 1. */
static int das_edges(struct stream *s, int64_t minute, const uint8_t *frames, int n)
{
	const struct calspec *c = s->o.cal;
	struct stream_minute *m = stream_minute(s, minute);
	int low = (int)(c->ttl_low / c->adc_volts * 32768),
	    high = (int)(c->ttl_high / c->adc_volts * 32768);
	double start = seconds(s, minute), step = 1.0 / c->das.rate;
	size_t frame = 2 * (size_t)c->das.channels;
	unsigned level = 0;
	int hi = c->das.little, bad = 0;

	for (int i = 0; i < n && !bad; i++, frames += frame) {
		unsigned old = level;
		for (int l = 0; l < c->nlines; l++) {
			const uint8_t *b = frames + 2 * c->line[l].channel;
			int v = (int16_t)(b[hi] << 8 | b[!hi]);
			if (v >= high || (i == 0 && v > (low + high) / 2))
				level |= 1u << l;
			else if (v <= low)
				level &= ~(1u << l);
		}
		if (i == 0)
			m->first[0] = level;
		else if (old != level)
			bad = add_edges(m, 0, start + (i - 0.5) * step, old, level, c->nlines);
	}
	drop_noise(m, 0);
	m->last[0] = level;
	m->whole_end[0] = n == 60 * c->das.rate;
	return bad;
}

static unsigned log_levels(const struct calspec *c, const struct plog_rec *r)
{
	unsigned level = 0;

	for (int l = 0; l < c->nlines; l++)
		level |= (unsigned)(r->flags[c->line[l].field.index] >> c->line[l].field.bit & 1)
		    << l;
	return level;
}

static int log_edges(struct stream *s, const struct stream_log *log)
{
	const struct calspec *c = s->o.cal;
	struct stream_minute *m = stream_minute(s, log->minute);
	double start = seconds(s, log->minute);
	unsigned level = 0;
	bool known = false;
	int bad = 0;

	for (int i = 0; i < PLOG_MINUTE && !bad; i++) {
		if (!log->have[i]) {
			known = false;
			continue;
		}
		unsigned now = log_levels(c, &log->rec[i]);
		if (i == 0)
			m->first[1] = now;
		if (known && now != level)
			bad = add_edges(m, 1, start + (i - 0.5) / PLOG_HZ, level, now, c->nlines);
		level = now;
		known = true;
	}
	drop_noise(m, 1);
	m->last[1] = level;
	m->whole_end[1] = log->have[0] && log->have[PLOG_MINUTE - 1];
	return bad;
}

/* ---- raw ---- */

/* The checksum of a minute's raw file of a known size, whether it was read before or not: what a
 * minute is called must not depend on where a run began. */
static bool crc_of(struct stream *s, int64_t minute, int64_t size, uint32_t *crc)
{
	const struct stream_minute *m = stream_minute(s, minute);
	char path[STREAM_PATH];
	int64_t have, mtime;

	if (m && m->file[STREAM_RAW].read) {
		*crc = m->file[STREAM_RAW].crc;
		return m->file[STREAM_RAW].present && m->file[STREAM_RAW].size == size;
	}
	if (!stream_find(s, STREAM_RAW, minute, path, &have, &mtime) || have != size)
		return false;
	uint8_t *bytes = malloc((size_t)size + 1);
	bool read = bytes && read_file(s, path, bytes, size) == size;
	if (read)
		*crc = crc_32(bytes, (size_t)size);
	free(bytes);
	return read;
}

/* The same bytes as the minute before: a file that was copied twice. Its edges mean nothing. */
static bool is_duplicate(struct stream *s, int64_t minute)
{
	const struct stream_file *f = &stream_minute(s, minute)->file[STREAM_RAW];
	uint32_t crc;

	return f->size > 0 && crc_of(s, minute - 1, f->size, &crc) && crc == f->crc;
}

/* The length of the header where a file's own size does not tell it, because it is cut: that of
 * the nearest whole minute; -1 when there is none within an hour. */
static int64_t header_nearby(struct stream *s, int64_t minute)
{
	struct das_format f = s->o.cal->das;
	char path[STREAM_PATH];
	struct das_shape shape;
	int64_t size, mtime;

	for (int64_t k = 1; k <= 60; k++)
		for (int64_t m = minute - k; m <= minute + k; m += 2 * k)
			if (stream_find(s, STREAM_RAW, m, path, &size, &mtime) &&
			    das_shape(&f, (size_t)size, &shape) == 0 && shape.frames == shape.want)
				return (int64_t)shape.header;
	return -1;
}

static int judge_raw(struct stream *s, int64_t minute, ssize_t n, struct das_shape *shape)
{
	struct stream_minute *m = stream_minute(s, minute);
	struct das_format format = s->o.cal->das;

	m->frames = 0;
	if (!m->file[STREAM_RAW].present) {
		m->bits |= STREAM_RAW_MISSING;
		return 0;
	}
	int bad = das_shape(&format, (size_t)n, shape);
	if (format.header < 0 && (bad || shape->frames != shape->want)) {
		format.header = header_nearby(s, minute);
		bad = das_shape(&format, (size_t)n, shape);
	}
	if (bad)
		shape->frames = 0;
	m->bits |= (shape->frames < shape->want ? STREAM_RAW_SHORT : 0u) |
	    (shape->frames > shape->want ? STREAM_RAW_LONG : 0u) |
	    (shape->torn ? STREAM_RAW_TORN : 0u);
	m->frames = (int)(shape->frames < shape->want ? shape->frames : shape->want);
	return (int)shape->frames;
}

int stream_raw(struct stream *s, int64_t minute, const uint8_t **frames)
{
	struct stream_minute *m = stream_minute(s, minute);
	struct das_shape shape;
	char path[STREAM_PATH];
	int64_t size = 0, mtime;

	stream_forget(s, STREAM_RAW, minute);
	if (stream_find(s, STREAM_RAW, minute, path, &size, &mtime) &&
	    size > (int64_t)s->raw_room && size <= RAW_MAX) {
		free(s->raw);
		s->raw_room = (size_t)size + (1 << 16);
		s->raw = malloc(s->raw_room);
		if (!s->raw) {
			s->raw_room = 0;
			return fail(s, "out of memory");
		}
	}
	ssize_t n = fetch(s, STREAM_RAW, minute, s->raw, s->raw_room);
	if (n < 0)
		return -1;
	int have = judge_raw(s, minute, n, &shape);
	*frames = have ? s->raw + shape.header : NULL;
	if (have == 0)
		return 0;
	if (is_duplicate(s, minute))
		m->bits |= STREAM_RAW_DUPLICATE;
	else if (das_edges(s, minute, *frames, have) < 0)
		return fail(s, "out of memory");
	/* The frames of a duplicate lead nowhere. */
	if (m->bits & STREAM_RAW_DUPLICATE)
		m->whole_end[0] = false;
	return m->frames;
}

/* ---- the pointing log ---- */

static void place_records(
    struct stream *s, struct stream_log *log, const uint8_t *bytes, size_t n, size_t length)
{
	struct stream_minute *m = stream_minute(s, log->minute);
	int64_t t0 = log->minute * TIM_MIN;
	struct plog_rec r;
	int count = 0;

	for (size_t i = 0; (i + 1) * length <= n; i++) {
		if (plog_record(bytes + i * length, length, &r) < 0) {
			m->bits |= STREAM_LOG_BAD;
			continue;
		}
		int64_t at = (plog_time(&r) - t0) / (TIM_S / PLOG_HZ);
		if (r.ticks >= PLOG_DAY) {
			m->bits |= STREAM_LEAP;
			continue;
		}
		if (s->o.fixut)
			at = (int64_t)i;
		if (at < 0 || at >= PLOG_MINUTE) {
			m->bits |= STREAM_LOG_BAD;
			continue;
		}
		if (!log->have[at])
			count++;
		log->have[at] = true;
		log->rec[at] = r;
	}
	if (count < PLOG_MINUTE)
		m->bits |= STREAM_LOG_SHORT;
}

static int read_log(struct stream *s, struct stream_log *log, int64_t minute)
{
	struct stream_minute *m = stream_minute(s, minute);

	stream_forget(s, STREAM_LOG, minute);
	log->minute = minute;
	memset(log->have, 0, sizeof log->have);
	ssize_t n = fetch(s, STREAM_LOG, log->minute, s->text, LOG_MAX);
	if (n < 0)
		return -1;
	if (!m->file[STREAM_LOG].present) {
		m->bits |= STREAM_LOG_MISSING;
		return 0;
	}
	size_t length = plog_guess(s->text, (size_t)n, s->o.format);
	enum plog_fresh fresh = plog_check(s->text, (size_t)n, length, log->minute);
	if (length == 0)
		m->bits |= STREAM_LOG_BAD | STREAM_LOG_MISSING;
	else if (fresh != PLOG_GOOD && !s->o.fixut)
		m->bits |= STREAM_LOG_STALE | STREAM_LOG_MISSING;
	else
		place_records(s, log, s->text, (size_t)n, length);
	return 0;
}

const struct stream_log *stream_log(struct stream *s, int64_t minute)
{
	struct stream_minute *m = stream_minute(s, minute);
	struct stream_log *oldest = s->log[0];

	if (!m || !s->o.dir[STREAM_LOG] ||
	    (m->file[STREAM_LOG].read && m->bits & STREAM_LOG_MISSING))
		return NULL;
	for (int i = 0; i < LOGS; i++) {
		if (s->log[i]->minute == minute) {
			s->log[i]->used = ++s->clock;
			return s->log[i];
		}
		if (s->log[i]->used < oldest->used)
			oldest = s->log[i];
	}
	oldest->used = ++s->clock;
	s->why[0] = '\0';
	int bad = read_log(s, oldest, minute);
	if (!bad && !(m->bits & STREAM_LOG_MISSING) && log_edges(s, oldest) < 0)
		bad = fail(s, "out of memory");
	if (bad || m->bits & STREAM_LOG_MISSING) {
		m->bits |= STREAM_LOG_MISSING;
		oldest->minute = -1;
		return NULL;
	}
	return oldest;
}

/* ---- housekeeping ---- */

/* Rows of another minute, or of another day under this name, are bad ones. How many are good. */
static int keep_minute(struct hk_minute *h, int64_t minute)
{
	int n = 0;

	for (int i = 0; i < h->n; i++) {
		if (h->row[i].time / TIM_MIN == minute || h->row[i].leap)
			h->row[n++] = h->row[i];
		else
			h->bad++;
	}
	return h->n = n;
}

const struct hk_minute *stream_enc(struct stream *s, int64_t minute)
{
	struct stream_minute *m = stream_minute(s, minute);
	char why[HK_WHY];

	if (!m || !s->o.dir[STREAM_ENC])
		return NULL;
	if (s->enc_minute == minute)
		return &s->enc;
	stream_forget(s, STREAM_ENC, minute);
	ssize_t n = fetch(s, STREAM_ENC, minute, s->text, HK_FILE_MAX);
	if (n < 0 || !m->file[STREAM_ENC].present) {
		m->bits |= STREAM_ENC_MISSING;
		return NULL;
	}
	if (hk_read((const char *)s->text, (size_t)n, &s->enc, why) < 0) {
		m->bits |= STREAM_ENC_MISSING | STREAM_ENC_BAD;
		return NULL;
	}
	if (keep_minute(&s->enc, minute) == 0) {
		m->bits |= STREAM_ENC_MISSING | STREAM_ENC_BAD;
		return NULL;
	}
	m->bits |= (s->enc.bad ? STREAM_ENC_BAD : 0u) | (s->enc.n < 60 ? STREAM_ENC_SHORT : 0u);
	s->enc_minute = minute;
	return &s->enc;
}

/* ---- edges of a span ---- */

static int ensure_read(struct stream *s, int which, int64_t minute)
{
	const struct stream_minute *m = stream_minute(s, minute);
	const uint8_t *frames;

	if (!m || m->file[which].read)
		return 0;
	if (which == STREAM_RAW)
		return stream_raw(s, minute, &frames) < 0 ? -1 : 0;
	s->why[0] = '\0';
	return !stream_log(s, minute) && s->why[0] ? -1 : 0;
}

static int by_time(const void *a, const void *b)
{
	const struct clock_edge *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->line - y->line;
}

static bool usable(const struct stream_minute *m, int which)
{
	unsigned bad = which == 0 ? STREAM_RAW_MISSING | STREAM_RAW_DUPLICATE : STREAM_LOG_MISSING;

	return m && m->file[which].read && !(m->bits & bad);
}

int stream_edges(struct stream *s, int which, int64_t from, int64_t to, struct clock_edge **edges)
{
	struct stream_minute all = {0};
	double half = which == 0 ? 0.5 / s->o.cal->das.rate : 0.5 / PLOG_HZ;
	int bad = 0;

	*edges = NULL;
	for (int64_t i = from; i < to && !bad; i++) {
		if (ensure_read(s, which, i) < 0)
			bad = -1;
		const struct stream_minute *m = stream_minute(s, i), *b = stream_minute(s, i - 1);
		if (bad || !usable(m, which))
			continue;
		if (i > from && usable(b, which) && b->whole_end[which]) {
			unsigned noisy = b->noisy[which] | m->noisy[which];
			bad = add_edges(&all, which, seconds(s, i) - half, b->last[which] | noisy,
			    m->first[which] | noisy, s->o.cal->nlines);
		}
		for (int k = 0; k < m->nedges[which] && !bad; k++)
			bad = add_edge(&all, which, m->edge[which][k].at, m->edge[which][k].line);
	}
	if (bad) {
		free(all.edge[which]);
		return -1;
	}
	*edges = all.edge[which];
	if (all.nedges[which])
		qsort(*edges, (size_t)all.nedges[which], sizeof **edges, by_time);
	return all.nedges[which];
}

int stream_breaks(struct stream *s, int64_t from, int64_t to, double *at, int max)
{
	int n = 0;

	for (int64_t i = from + 1; i < to && n < max; i++) {
		const struct stream_minute *b = stream_minute(s, i - 1);
		if (b && b->file[STREAM_RAW].read &&
		    b->bits & (STREAM_RAW_MISSING | STREAM_RAW_SHORT | STREAM_RAW_LONG))
			at[n++] = seconds(s, i);
	}
	return n;
}
