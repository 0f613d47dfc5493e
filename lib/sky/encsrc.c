/* encsrc.c - where housekeeping comes from: sources, each in a thread of its own */
#include "sky/encsrc.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/back.h"
#include "base/conf.h"
#include "base/dial.h"
#include "base/io.h"
#include "base/srv.h"
#include "base/tim.h"
#include "stream/rec.h"

#define KEPT       64          /* values: some seconds, also of a rotator that tells each change */
#define EARLY      (TIM_S / 2) /* before its second: then a value still belongs to it */
#define EARLY_ROT  TIM_S       /* rotctl has no beat, and tells its own time */
#define BACK_AFTER 3           /* rows with values after which a silent source counts as back */
#define GRACE      2           /* rows that a source may miss at the start */

/* The question goes out when the second is well begun, on both clocks, and the answer is here
 * before it is over. */
#define ASK_INTO (200 * TIM_MS)
#define PATIENCE (700 * TIM_MS)

#define LONGEST    4096
#define CONNECTING (5 * TIM_S)
#define FILE_MOST  65536

struct encsrc {
	const char *name;
	encsrc_run *run;
	const void *ctx;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows up to the next comment */
	struct {
		int64_t utc; /* of arrival */
		struct hk_row row;
	} kept[KEPT];
	uint64_t n;
	int64_t early;
	char why[ENCSRC_WHY];
	/* of the rows' thread */
	bool silent, heard;
	int good, rows;
	uint64_t missed;
};

static atomic_bool ending;

const char *encsrc_name(const struct encsrc *s)
{
	return s->name;
}

/* ---- threads ---- */

static void *run(void *ctx)
{
	struct encsrc *s = ctx;

	s->run(s, s->ctx);
	return NULL;
}

struct encsrc *encsrc_start(const char *name, encsrc_run *what, const void *ctx)
{
	struct encsrc *s = calloc(1, sizeof *s);
	sigset_t all, old;

	if (!s)
		return NULL;
	s->name = name;
	s->run = what;
	s->ctx = ctx;
	s->early = what == encsrc_rotator ? EARLY_ROT : EARLY;
	pthread_mutex_init(&s->lock, NULL);
	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int bad = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!bad)
		return s;
	free(s);
	errno = bad;
	return NULL;
}

void encsrc_end(struct encsrc **s, int n, int64_t wait)
{
	static const uint64_t one = 1;
	int64_t until = tim_mono() + wait;
	struct timespec ts = {.tv_sec = until / TIM_S, .tv_nsec = until % TIM_S};

	atomic_store(&ending, true);
	(void)!write(io_wakefd, &one, sizeof one);
	for (int i = 0; i < n; i++)
		if (pthread_clockjoin_np(s[i]->thread, NULL, CLOCK_MONOTONIC, &ts) == 0) {
			pthread_mutex_destroy(&s[i]->lock);
			free(s[i]);
		}
}

bool encsrc_ending(void)
{
	return atomic_load(&ending);
}

/* After a signal, which is for another thread: it takes a moment to see to it. */
static bool stopping(void)
{
	const struct timespec moment = {.tv_nsec = 5 * TIM_MS};

	if (!encsrc_ending())
		(void)nanosleep(&moment, NULL);
	return encsrc_ending();
}

void encsrc_wait(int64_t ns)
{
	int64_t until = tim_mono() + ns;

	while (!encsrc_ending() && tim_sleep_until(until) < 0)
		(void)stopping();
}

void encsrc_wait_second(int64_t into)
{
	int64_t since = tim_now() % TIM_S;

	encsrc_wait(since < into ? into - since : into - since + TIM_S);
}

void encsrc_give(struct encsrc *s, const struct hk_row *row, int64_t utc)
{
	pthread_mutex_lock(&s->lock);
	s->kept[s->n % KEPT].utc = utc;
	s->kept[s->n % KEPT].row = *row;
	s->n++;
	s->why[0] = '\0';
	pthread_mutex_unlock(&s->lock);
}

void encsrc_fail(struct encsrc *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	pthread_mutex_lock(&s->lock);
	vsnprintf(s->why, sizeof s->why, format, ap);
	pthread_mutex_unlock(&s->lock);
	va_end(ap);
}

/* ---- rows ---- */

static void lay_over(const struct hk_row *from, struct hk_row *to)
{
	for (int i = 0; i < HK_COLUMNS; i++)
		if (!hk_columns[i].text && !isnan(from->v[i]))
			to->v[i] = from->v[i];
	for (int i = 0; i < 2; i++)
		if (from->text[i][0])
			memcpy(to->text[i], from->text[i], HK_TEXT);
}

bool encsrc_take(struct encsrc *s, struct row_second k, struct hk_row *row)
{
	int64_t begin = k.time - (k.leap ? TIM_S : 0), end = begin + TIM_S;
	bool found = false;

	pthread_mutex_lock(&s->lock);
	uint64_t oldest = s->n > KEPT ? s->n - KEPT : 0;
	for (uint64_t i = s->n; i > oldest && !found; i--) {
		int64_t utc = s->kept[(i - 1) % KEPT].utc;
		found = utc > begin - s->early && utc <= end;
		if (found)
			lay_over(&s->kept[(i - 1) % KEPT].row, row);
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

enum encsrc_news encsrc_report(struct encsrc *s, bool spoke, uint64_t *missed, char why[ENCSRC_WHY])
{
	s->rows++;
	s->heard = s->heard || spoke;
	s->good = spoke ? s->good + 1 : 0;
	if (!spoke)
		s->missed++;
	if (s->silent && s->good == BACK_AFTER) {
		*missed = s->missed;
		s->silent = false;
		s->missed = 0;
		return ENCSRC_BACK;
	}
	if (s->silent || spoke || (!s->heard && s->rows <= GRACE))
		return ENCSRC_NO_NEWS;
	s->silent = true;
	pthread_mutex_lock(&s->lock);
	snprintf(why, ENCSRC_WHY, "%s", s->why[0] ? s->why : "says nothing");
	pthread_mutex_unlock(&s->lock);
	return ENCSRC_SILENT;
}

/* Whether a source's own time is right; if not, it is told. */
static bool in_time(struct encsrc *s, int64_t time, int64_t skew)
{
	char text[TIM_TEXT], most[TIM_TEXT];

	if (skew == 0 || llabs(time - tim_now()) <= skew)
		return true;
	encsrc_fail(s,
	    "what it says is of %s: more than %s (--skew) from this machine's time; it stands "
	    "still, or a clock is wrong",
	    tim_text(time, 0, text), tim_span(skew, most));
	return false;
}

/* ---- the telescope ---- */

void encsrc_rpc(struct encsrc *s, const void *ctx)
{
	const struct encsrc_rpc *r = ctx;
	struct telinfo t = TELINFO_INIT;
	struct back back = BACK_INIT;
	uint8_t record[RPC_SIZE];
	struct hk_row row;

	t.at = &r->at;
	t.onc.stopping = stopping;
	while (!encsrc_ending()) {
		if (telinfo_ask(&t, record, PATIENCE) < 0) {
			encsrc_fail(s, "%s", t.onc.why);
			encsrc_wait(back_fail(&back, tim_mono()));
			continue;
		}
		back_ok(&back);
		if (hk_from_rpc(record, &row) < 0)
			encsrc_fail(s, "a record whose date makes no sense");
		else if (in_time(s, row.time, r->skew))
			encsrc_give(s, &row, tim_now());
		encsrc_wait_second(ASK_INTO);
	}
	telinfo_close(&t);
}

/* ---- the rotator ---- */

int encsrc_rotator_line(const char *line, size_t n, struct hk_row *row, char why[ENCSRC_WHY])
{
	static const char *const fields[][2] = {{"motor_count", "rot_motor_count"},
	    {"gear_count", "rot_gear_count"}, {"motor_angle", "rot_motor_angle"},
	    {"gear_angle", "rot_gear_angle"}, {"gear_angle", "rotangle"}, {"state", "rot_state"}};
	struct rec_seen seen;
	enum rec_bad bad = rec_check(line, n, &seen);

	if (bad != REC_OK) {
		snprintf(
		    why, ENCSRC_WHY, "what it says is no line protocol: %s", rec_bad_text(bad));
		return -1;
	}
	if (n < 8 || memcmp(line, "rotator", 7) != 0 || !strchr(", ", line[7])) {
		snprintf(why, ENCSRC_WHY, "what it says is of no rotator: %.60s", line);
		return -1;
	}
	hk_blank(row);
	row->time = seen.timed ? seen.time : tim_now();
	row->v[hk_find("rot_time")] = (double)row->time / 1e9;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		(void)rec_number(line, &seen, fields[i][0], &row->v[hk_find(fields[i][1])]);
	return 0;
}

static void hear_rotator(struct encsrc *s, struct dial *d, int64_t skew)
{
	char why[ENCSRC_WHY], *line;
	struct hk_row row;
	size_t n;

	while ((line = dial_line(d, &n))) {
		if (encsrc_rotator_line(line, n, &row, why) < 0) {
			encsrc_fail(s, "%s", why);
		} else if (in_time(s, row.time, skew)) {
			dial_good(d);
			encsrc_give(s, &row, tim_now());
		}
	}
}

void encsrc_rotator(struct encsrc *s, const void *ctx)
{
	const struct encsrc_rotator *r = ctx;
	struct dial *d = dial_new(&r->at, LONGEST, CONNECTING);
	enum dial_event event;

	if (!d)
		encsrc_fail(s, "%s", strerror(errno));
	while (d && !encsrc_ending()) {
		if (dial_wait(d, tim_mono() + TIM_S, &event) < 0)
			(void)stopping();
		if (event == DIAL_LOST)
			encsrc_fail(s, "%s: %s", dial_text(d), dial_why(d));
		else if (event == DIAL_UP)
			encsrc_fail(s, "is connected, but says nothing");
		hear_rotator(s, d, r->skew);
	}
	dial_free(d);
}

/* ---- a file ---- */

/* A name, blanks, a value, in `line` without its end. */
static int read_pair(char *line, struct hk_row *row, char why[ENCSRC_WHY])
{
	char *name = line + strspn(line, " \t\r");
	size_t n = strcspn(name, " \t\r");

	if (n == 0 || *name == '#')
		return 0;
	char *value = name + n + strspn(name + n, " \t\r");
	name[n] = '\0';
	for (size_t end = strlen(value); end > 0 && strchr(" \t\r", value[end - 1]);)
		value[--end] = '\0';
	int column = hk_find(name);
	if (column < 0)
		snprintf(why, ENCSRC_WHY, "'%.40s' is no column of fyke-enc(5)", name);
	else if (hk_columns[column].text && strlen(value) >= HK_TEXT)
		snprintf(why, ENCSRC_WHY, "%s: more than %d bytes", name, HK_TEXT - 1);
	else if (hk_columns[column].text)
		strcpy(row->text[hk_text(column)], value);
	else if (*value && conf_real(value, &row->v[column]) < 0)
		snprintf(why, ENCSRC_WHY, "%s: '%.40s' is no number", name, value);
	return why[0] ? -1 : 0;
}

int encsrc_file_text(const char *text, size_t n, struct hk_row *row, char why[ENCSRC_WHY])
{
	char line[256];

	hk_blank(row);
	why[0] = '\0';
	for (const char *at = text, *end = text + n; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((nl ? nl : end) - at);
		if (length >= sizeof line || memchr(at, '\0', length)) {
			snprintf(why, ENCSRC_WHY, "a line that is too long, or no text");
			return -1;
		}
		memcpy(line, at, length);
		line[length] = '\0';
		if (read_pair(line, row, why) < 0)
			return -1;
		at = nl ? nl + 1 : end;
	}
	return 0;
}

void encsrc_file(struct encsrc *s, const void *ctx)
{
	char why[ENCSRC_WHY];
	struct hk_row row;
	size_t n;

	while (!encsrc_ending()) {
		char *text = io_slurp(ctx, FILE_MOST, &n);
		if (!text)
			encsrc_fail(s, "%s", strerror(errno));
		else if (encsrc_file_text(text, n, &row, why) < 0)
			encsrc_fail(s, "%s", why);
		else
			encsrc_give(s, &row, tim_now());
		free(text);
		encsrc_wait_second(ASK_INTO);
	}
}

/* ---- as a user writes it ---- */

static bool is_kind(const char *text, const char *kind, const char **rest)
{
	size_t n = strlen(kind);

	*rest = text + n;
	return strncmp(text, kind, n) == 0;
}

static int parse_rotator(const char *rest, struct encsrc_spec *spec, char why[NET_WHY])
{
	char path[NET_TEXT], usual[NET_TEXT + 8];

	snprintf(usual, sizeof usual, "unix:%s", srv_default("rotctl", false, path));
	if (net_parse(*rest ? rest : usual, NET_UNIX, &spec->is.rotator.at, why) < 0)
		return -1;
	if (spec->is.rotator.at.kind == NET_UNIX || spec->is.rotator.at.kind == NET_TCP)
		return 1;
	snprintf(why, NET_WHY, "%.64s: rotctl's status is at unix:PATH or tcp:HOST:PORT", rest);
	return -1;
}

int encsrc_parse(const char *text, int64_t skew, struct encsrc_spec *spec, char why[NET_WHY])
{
	const char *rest;

	*spec = (struct encsrc_spec){.ctx = &spec->is};
	if (is_kind(text, "rpc:", &rest)) {
		spec->run = encsrc_rpc;
		spec->is.rpc.skew = skew;
		return telinfo_address(rest, &spec->is.rpc.at, why) < 0 ? -1 : 1;
	}
	bool usual = !strcmp(text, "rotator");
	if (usual || is_kind(text, "rotator:", &rest)) {
		spec->run = encsrc_rotator;
		spec->is.rotator.skew = skew;
		return parse_rotator(usual ? "" : rest, spec, why);
	}
	if (is_kind(text, "file:", &rest) && *rest) {
		spec->run = encsrc_file;
		spec->ctx = rest;
		return 1;
	}
	return 0;
}
