/* sub.c - messages of a bus back into a capture stream, with everything counted */
#include "sub.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"
#include "stream/evt.h"

#define MARK        "fyke-bus stream " /* the comment of a section: "... HEX from SEQUENCE" */
#define MARK_ROOM   80
#define OPT_COMMENT 1
#define SHB_FIXED   24              /* bytes of a section header before its options */
#define NEVER       (INT64_MIN / 2) /* long before any tim_mono() */
#define EARLIER     64              /* streams that are remembered after the next one began */
#define BLOCK_MOST  (BUS_MOST + 4096)
#define HEADER_MOST (BLOCK_MOST + 4 + MARK_ROOM)

static_assert(HEADER_MOST <= CAP_PASS_MAX, "what is believed can be written");

struct sub {
	struct sub_options o;
	struct cap_writer *out;
	struct bus_follow follow;
	struct sub_count count;
	struct ssdaq ssdaq;
	uint64_t readout; /* number of the last one of SSDAQ's */
	bool open;        /* in a section */
	bool whole;       /* everything of it was written, from its first message on */
	bool packets;
	uint64_t written, missed; /* in the section; old ones count as missed */
	uint64_t place;           /* the message that comes next by what the file tells */
	int64_t last;             /* latest time in it */
	int64_t asked;            /* tim_mono() */
	uint8_t *header, *scratch;
	size_t nheader;
	uint8_t *plain; /* the header as it came, for a section that is begun again */
	size_t nplain;
	struct {
		uint64_t stream, sequence;
	} earlier[EARLIER]; /* what was written of the streams before this one */
	unsigned nearlier;
	struct {
		bool told, for_good;
		uint64_t stream, records; /* counted as missed below this number */
	} bare;                           /* the last run without a header */
};

struct sub *sub_new(const struct sub_options *o)
{
	struct sub *s = calloc(1, sizeof *s);
	char why[SSDAQ_WHY];

	if (!s)
		return NULL;
	s->o = *o;
	s->asked = NEVER;
	s->out = cap_writer_bare(o->fd);
	s->header = malloc(HEADER_MOST);
	s->plain = malloc(BLOCK_MOST);
	s->scratch = malloc(CAP_HEAD + CAP_DATA_MAX + CAP_TAIL);
	bool bad = !s->out || !s->header || !s->plain || !s->scratch;
	if (!bad && o->ssdaq && ssdaq_use(&s->ssdaq, o->ssdaq, why) < 0) {
		o->note(why);
		errno = EINVAL;
		bad = true;
	}
	if (bad) {
		int error = errno;
		sub_free(s);
		errno = error;
		return NULL;
	}
	return s;
}

void sub_free(struct sub *s)
{
	if (!s)
		return;
	cap_writer_free(s->out);
	free(s->header);
	free(s->plain);
	free(s->scratch);
	free(s);
}

const struct sub_count *sub_count(const struct sub *s)
{
	return &s->count;
}

int sub_flush(struct sub *s, bool sync)
{
	if (cap_flush(s->out) < 0)
		return -1;
	return sync && io_sync_data(s->o.fd) < 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
}

/* ======== sections ======== */

/* The plain header with a comment, as first option of its section header, that says which stream
 * this is and with which message it begins. */
static void mark_header(struct sub *s, const struct bus_msg *m)
{
	const uint8_t *plain = s->plain;
	char text[MARK_ROOM];
	uint8_t *to = s->header;
	u32le length;
	u16le code, size;

	int n = snprintf(
	    text, sizeof text, MARK "%016" PRIx64 " from %" PRIu64, m->stream, m->sequence);
	size_t room = 4 + (((size_t)n + 3) & ~(size_t)3), shb;
	memcpy(&length, plain + 4, sizeof length);
	shb = wire_get(length);
	memcpy(to, plain, SHB_FIXED);
	wire_put(&code, OPT_COMMENT);
	wire_put(&size, (uint16_t)n);
	memset(to + SHB_FIXED, 0, room);
	memcpy(to + SHB_FIXED, &code, 2);
	memcpy(to + SHB_FIXED + 2, &size, 2);
	memcpy(to + SHB_FIXED + 4, text, (size_t)n);
	memcpy(to + SHB_FIXED + room, plain + SHB_FIXED, s->nplain - SHB_FIXED);
	wire_put(&length, (uint32_t)(shb + room));
	memcpy(to + 4, &length, 4);
	memcpy(to + shb + room - 4, &length, 4);
	s->nheader = s->nplain + room;
}

/* Whether the section header is little-endian and has options after it, as cap_header() makes it. */
static bool can_mark(const struct bus_msg *m)
{
	static const uint8_t order[4] = {0x4d, 0x3c, 0x2b, 0x1a};
	u32le length;

	memcpy(&length, m->block + 4, sizeof length);
	return memcmp(m->block + 8, order, 4) == 0 && wire_get(length) > SHB_FIXED + 4 &&
	    wire_get(length) < m->size;
}

/* The counts that the publisher's own end mark adds: what was lost before it. */
static void upstream(
    const struct sub *s, const struct bus_msg *end, uint64_t *ifdrop, uint64_t *osdrop)
{
	struct cap_record r;
	uint8_t *all = malloc(s->nheader + end->size);

	*ifdrop = *osdrop = 0;
	if (!all)
		return;
	memcpy(all, s->header, s->nheader);
	memcpy(all + s->nheader, end->block, end->size);
	struct cap_reader *in = cap_reader_mem(all, s->nheader + end->size);
	if (in)
		while (cap_read(in, &r, 0) > CAP_END)
			;
	if (in && cap_state(in)->ended == 1) {
		*ifdrop = cap_state(in)->ifdrop;
		*osdrop = cap_state(in)->osdrop;
	}
	cap_reader_free(in);
	free(all);
}

/* An end mark of ours; end is the publisher's, where it came. */
static int close_section(struct sub *s, const struct bus_msg *end)
{
	uint8_t isb[CAP_ISB_MAX];
	uint64_t ifdrop = 0, osdrop = 0;

	if (!s->open)
		return 0;
	s->open = false;
	s->count.ended += end != NULL;
	if (end && s->whole)
		return cap_pass(s->out, end->block, end->size);
	if (end)
		upstream(s, end, &ifdrop, &osdrop);
	ifdrop += s->missed;
	size_t n =
	    cap_endmark(isb, s->last, s->written + ifdrop + osdrop, ifdrop, osdrop, s->written);
	return cap_pass(s->out, isb, n);
}

/* The plain header begins a section whose first message is m, or what follows m when that is the
 * header. */
static int begin_section(struct sub *s, const struct bus_msg *m, uint64_t missed)
{
	struct cap_record r;

	mark_header(s, m);
	struct cap_reader *in = cap_reader_mem(s->header, s->nheader);
	s->packets = in && cap_read(in, &r, 0) == CAP_NEW && cap_link(in) != CAP_LINK_USER0;
	cap_reader_free(in);
	s->open = true;
	s->whole = m->sequence == 0;
	s->written = 0;
	s->missed = missed;
	s->place = m->sequence;
	s->last = 0;
	return cap_pass(s->out, s->header, s->nheader);
}

static int open_section(struct sub *s, const struct bus_msg *m, uint64_t missed)
{
	if (s->open) {
		s->count.cut++;
		s->o.note("the publisher went without an end mark; another one is there");
	}
	if (close_section(s, NULL) < 0)
		return -1;
	if (!can_mark(m)) {
		s->count.foreign++;
		s->follow.open = false;
		return 0;
	}
	memcpy(s->plain, m->block, m->size);
	s->nplain = m->size;
	s->count.streams++;
	return begin_section(s, m, missed);
}

/* ---- streams before this one: a broker may deliver their last messages again ---- */

static bool known_before(const struct sub *s, const struct bus_msg *m)
{
	for (unsigned i = 0; i < s->nearlier && i < EARLIER; i++)
		if (s->earlier[i].stream == m->stream)
			return m->kind == BUS_HEADER || m->sequence < s->earlier[i].sequence;
	return false;
}

static void remember(struct sub *s, uint64_t stream, uint64_t sequence)
{
	s->earlier[s->nearlier % EARLIER].stream = stream;
	s->earlier[s->nearlier++ % EARLIER].sequence = sequence;
}

/* ======== messages ======== */

static enum sub_took written(struct sub *s, int64_t time)
{
	s->written++;
	s->count.records++;
	if (time > s->last)
		s->last = time;
	return s->o.limit && s->count.records >= s->o.limit ? SUB_FULL : SUB_TOOK;
}

static enum sub_took put_block(struct sub *s, const struct bus_msg *m, uint64_t missed)
{
	struct cap_record r;
	int rc;

	int64_t late = tim_now() - m->sent;
	if (s->o.dropold && late > s->o.dropold) {
		s->count.old++;
		s->missed++;
		s->whole = false;
		return SUB_TOOK;
	}
	s->count.late_ns = late > 0 ? (uint64_t)late : 0;
	if (missed && s->packets && cap_unseal(m->block, m->size, &r)) {
		memcpy(s->scratch + CAP_HEAD, r.data, r.caplen);
		size_t n = cap_seal(s->scratch, r.caplen, r.origlen, r.time, r.dropped + missed);
		rc = cap_pass(s->out, s->scratch, n);
	} else {
		rc = cap_pass(s->out, m->block, m->size);
	}
	s->place++;
	return rc < 0 ? SUB_ERROR : written(s, m->time);
}

static int put_beat(struct sub *s, const struct bus_msg *m)
{
	s->place++;
	return cap_pass(s->out, m->block, m->size);
}

static enum sub_took next_message(struct sub *s, const struct bus_msg *m, uint64_t missed)
{
	/* In a file that may be continued the place of each message can be counted. */
	bool gap = s->o.exact && s->open && m->kind != BUS_END && m->sequence != s->place;

	s->missed += missed;
	s->whole &= missed == 0;
	if (gap && m->kind == BUS_BEAT)
		return SUB_TOOK;
	if (gap && close_section(s, NULL) < 0)
		return SUB_ERROR;
	if (!s->open && m->kind == BUS_BLOCK && begin_section(s, m, gap ? 0 : missed) < 0)
		return SUB_ERROR;
	if (!s->open)
		return m->kind == BUS_END ? SUB_ENDED : SUB_TOOK;
	if (m->kind == BUS_BLOCK)
		return put_block(s, m, missed);
	if (m->kind == BUS_BEAT)
		return put_beat(s, m) < 0 ? SUB_ERROR : SUB_TOOK;
	return close_section(s, m) < 0 ? SUB_ERROR : SUB_ENDED;
}

/* Headers are for newcomers, and end marks come again for those who were behind. */
static bool counts_again(const struct bus_msg *m)
{
	return m->kind != BUS_HEADER && m->kind != BUS_END;
}

/* A message of a run whose header cannot be had: its records are as good as missed. */
static enum sub_took unreadable(struct sub *s, const struct bus_msg *m)
{
	uint64_t upto = m->records + (m->kind == BUS_BLOCK);
	char text[BUS_WHY];

	if (!s->bare.told || s->bare.stream != m->stream) {
		s->bare.told = true;
		s->bare.for_good = false;
		s->bare.stream = m->stream;
		s->bare.records = s->follow.joined ? 0 : m->records;
		snprintf(text, sizeof text,
		    "run %" PRIu32
		    ": the broker does not have its header, or does not give it: its "
		    "records cannot be read, and count as missed (does its stream have limits?)",
		    m->run);
		s->o.note(text);
	}
	if (upto > s->bare.records) {
		s->count.missed += upto - s->bare.records;
		s->bare.records = upto;
	}
	return m->kind == BUS_END ? SUB_ENDED : SUB_TOOK;
}

static enum sub_took follow(struct sub *s, const struct bus_msg *m)
{
	struct bus_follow before = s->follow;
	uint64_t missed;

	if (known_before(s, m)) {
		s->count.again += counts_again(m);
		return SUB_TOOK;
	}
	enum bus_verdict v = bus_follow(&s->follow, m, &missed);
	s->count.missed += missed;
	s->count.headless = s->follow.before;
	switch (v) {
	case BUS_JOIN:
		if (before.open)
			remember(s, before.stream, before.sequence);
		s->asked = NEVER;
		return open_section(s, m, missed) < 0 ? SUB_ERROR : SUB_TOOK;
	case BUS_AGAIN:
		s->count.again += counts_again(m);
		return SUB_TOOK;
	case BUS_LOST:
		if (s->bare.for_good && s->bare.stream == m->stream)
			return unreadable(s, m);
		if (tim_mono() - s->asked < s->o.ask_each)
			return SUB_TOOK;
		s->asked = tim_mono();
		return SUB_ASK;
	case BUS_NEXT:
		break;
	}
	return next_message(s, m, missed);
}

static enum sub_took take_own(struct sub *s, const void *message, size_t n)
{
	struct bus_msg m;

	if (!bus_decode(message, n, &m))
		return follow(s, &m);
	s->count.foreign++;
	return SUB_TOOK;
}

enum sub_took sub_join(
    struct sub *s, const void *header, size_t nheader, const void *message, size_t n)
{
	struct bus_msg h, m;

	if (bus_decode(message, n, &m))
		return SUB_TOOK;
	bool same = !bus_decode(header, nheader, &h) && h.stream == m.stream;
	if (!same || h.kind != BUS_HEADER) {
		enum sub_took took = unreadable(s, &m);
		s->bare.for_good = same; /* what comes first is stored first */
		return took;
	}
	h.sequence = m.sequence;
	h.records = m.records;
	s->follow.joined = false; /* what came before is not owed to us */
	enum sub_took took = follow(s, &h);
	return took == SUB_TOOK ? follow(s, &m) : took;
}

/* ======== SSDAQ ======== */

/* Readouts are numbered: a number that falls back is a publisher that was started again. */
static enum sub_took take_ssdaq(struct sub *s, const void *message, size_t n)
{
	size_t size = evt_size(s->ssdaq.card->nsrc, s->ssdaq.card->record);
	struct ssdaq_head h;

	if (ssdaq_decode(&s->ssdaq, message, n, s->readout, &h, s->scratch + CAP_HEAD)) {
		s->count.foreign++;
		return SUB_TOOK;
	}
	if (s->open && h.number <= s->readout) {
		s->count.cut++;
		if (close_section(s, NULL) < 0)
			return SUB_ERROR;
	}
	if (!s->open) {
		s->nheader = cap_header(
		    s->header, CAP_LINK_USER0, s->o.program, CAP_EVENTS_NAME, s->ssdaq.card->text);
		if (cap_pass(s->out, s->header, s->nheader) < 0)
			return SUB_ERROR;
		s->open = true;
		s->written = s->missed = 0;
		s->count.streams++;
		s->readout = h.number - 1;
	}
	uint64_t missed = h.number - s->readout - 1;
	s->missed += missed;
	s->count.missed += missed;
	s->readout = h.number;
	/* Events are numbered from 0, with holes where readouts are missing. */
	wire_put(&((struct evt_head *)(s->scratch + CAP_HEAD))->number, h.number - 1);
	int64_t time = h.time == TIM_NONE ? tim_now() : h.time;
	n = cap_seal(s->scratch, size, size, time, 0);
	return cap_pass(s->out, s->scratch, n) < 0 ? SUB_ERROR : written(s, time);
}

enum sub_took sub_take(struct sub *s, const void *message, size_t n)
{
	return s->o.ssdaq ? take_ssdaq(s, message, n) : take_own(s, message, n);
}

bool sub_open(const struct sub *s)
{
	return s->open;
}

int sub_cut(struct sub *s, const char *from)
{
	char text[BUS_WHY];

	/* SSDAQ's streams have no end mark. */
	if (s->open && !s->o.ssdaq) {
		s->count.cut++;
		snprintf(text, sizeof text,
		    "%.200s: the publisher went away without an end mark; what came is whole",
		    from);
		s->o.note(text);
	}
	return close_section(s, NULL);
}

int sub_finish(struct sub *s)
{
	return close_section(s, NULL) < 0 ? -1 : cap_flush(s->out);
}

/* ======== a file that is continued ======== */

int sub_file(const char *path, char why[BUS_WHY])
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

	if (fd < 0)
		return why_fail(why, BUS_WHY, errno, "%s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int error = errno == EWOULDBLOCK ? EBUSY : errno;
	close(fd);
	return why_fail(why, BUS_WHY, error, "%s",
	    error == EBUSY ? "another evsub --append writes this file; take one file for each"
			   : strerror(error));
}

enum { SHB = 0x0a0d0d0a, IDB = 1, ISB = 5, EPB = 6 };

/* What a walk over a file has found of its last section. */
struct walk {
	off_t at; /* the end of what is whole */
	bool open, marked;
	uint64_t stream, from, blocks, beats;
	int64_t last;
};

/* The comment of a section header: 1, or 0. */
static int read_mark(const uint8_t *block, size_t n, struct walk *w)
{
	char text[MARK_ROOM];
	u16le code, size;

	if (n < SHB_FIXED + 4)
		return 0;
	memcpy(&code, block + SHB_FIXED, 2);
	memcpy(&size, block + SHB_FIXED + 2, 2);
	bool comment = wire_get(code) == OPT_COMMENT;
	size_t len = wire_get(size);
	if (!comment || len >= sizeof text || SHB_FIXED + 4 + len > n)
		return 0;
	/* cppcheck-suppress constStatement ; it takes the commas for operators */
	snprintf(text, sizeof text, "%.*s", (int)len, (const char *)block + SHB_FIXED + 4);
	unsigned long long stream, from;
	int found = sscanf(text, MARK "%llx from %llu", &stream, &from);
	w->stream = found == 2 ? stream : 0;
	w->from = found == 2 ? from : 0;
	return found == 2;
}

/* The header without its comment: what mark_header() made of it, undone. */
static void unmark(struct sub *s)
{
	u16le size;
	u32le length;

	memcpy(&size, s->plain + SHB_FIXED + 2, 2);
	memcpy(&length, s->plain + 4, 4);
	size_t room = 4 + ((wire_get(size) + 3U) & ~3U), shb = wire_get(length) - room;
	memmove(s->plain + SHB_FIXED, s->plain + SHB_FIXED + room, s->nplain - SHB_FIXED - room);
	s->nplain -= room;
	wire_put(&length, (uint32_t)shb);
	memcpy(s->plain + 4, &length, 4);
	memcpy(s->plain + shb - 4, &length, 4);
}

static int walk_header(struct sub *s, const uint8_t *block, size_t n, struct walk *w)
{
	const struct walk before = *w;

	*w = (struct walk){.at = before.at, .open = true};
	memcpy(s->plain, block, n);
	s->nplain = n;
	if (!read_mark(block, n, w))
		return 0;
	if (before.stream && before.stream != w->stream)
		remember(s, before.stream, before.from + before.blocks + before.beats);
	return 1;
}

/* One whole block. 0 when the file is not of our making. */
static int walk_block(struct sub *s, const uint8_t *block, size_t n, uint32_t type, struct walk *w)
{
	struct cap_record r;

	switch (type) {
	case SHB:
		return walk_header(s, block, n, w);
	case IDB:
		if (s->nplain + n > BLOCK_MOST)
			return 0;
		memcpy(s->plain + s->nplain, block, n);
		s->nplain += n;
		return 1;
	case EPB:
		if (!cap_unseal(block, n, &r))
			return 0;
		w->blocks++;
		if (r.time > w->last)
			w->last = r.time;
		return 1;
	case ISB: /* an end mark has options */
		w->beats += n == 24;
		w->marked = n > 24;
		w->open = n == 24;
		return 1;
	}
	return 0;
}

/* The block at w->at into buf. Its length; 0: none that is whole; -1 errno. */
static ssize_t block_at(int fd, const struct walk *w, uint8_t *buf, uint32_t *type)
{
	u32le head[2], tail;

	ssize_t k = pread(fd, head, sizeof head, w->at);
	if (k < 0)
		return -1;
	size_t n = wire_get(head[1]);
	*type = wire_get(head[0]);
	if (k < (ssize_t)sizeof head || n < 12 || n > BLOCK_MOST || n % 4)
		return 0;
	k = pread(fd, buf, n, w->at);
	if (k < (ssize_t)n)
		return k < 0 ? -1 : 0;
	memcpy(&tail, buf + n - 4, 4);
	return wire_get(tail) == n ? (ssize_t)n : 0;
}

static int no_file(char why[BUS_WHY], const char *text, int error)
{
	return why_fail(why, BUS_WHY, error, "cannot go on with this file: %s", text);
}

static void take_up(struct sub *s, const struct walk *w)
{
	unmark(s);
	mark_header(s, &(struct bus_msg){.stream = w->stream, .sequence = w->from});
	s->follow = (struct bus_follow){.joined = true,
	    .open = true,
	    .resumed = true,
	    .stream = w->stream,
	    .sequence = w->from + w->blocks + w->beats};
	s->place = s->follow.sequence;
	s->open = w->open;
	s->whole = w->from == 0;
	s->written = w->blocks;
	s->last = w->last;
}

/* Cuts the rest off a file of this size. */
static int cut_rest(struct sub *s, off_t at, off_t size, char why[BUS_WHY])
{
	char text[BUS_WHY];

	/* A write that was cut leaves a part of a block: where more follows there is damage. */
	if (size - at > BLOCK_MOST)
		return why_fail(why, BUS_WHY, EPROTO,
		    "cannot go on with this file: it is damaged at byte %jd, and the %jd bytes from"
		    " there on are not thrown away; move it away, and a new one is begun",
		    (intmax_t)at, (intmax_t)(size - at));
	if (ftruncate(s->o.fd, at) < 0 || lseek(s->o.fd, at, SEEK_SET) < 0)
		return no_file(why, strerror(errno), errno);
	if (size > at) {
		snprintf(text, sizeof text,
		    "the last %jd bytes of the file were no whole block, and are cut off",
		    (intmax_t)(size - at));
		s->o.note(text);
	}
	return 0;
}

int sub_resume(struct sub *s, char why[BUS_WHY])
{
	uint8_t *buf = malloc(BLOCK_MOST);
	struct walk w = {.at = 0};
	uint32_t type;
	ssize_t n;

	if (!buf)
		return no_file(why, "no memory", ENOMEM);
	while ((n = block_at(s->o.fd, &w, buf, &type)) > 0) {
		if (!walk_block(s, buf, (size_t)n, type, &w)) {
			free(buf);
			return no_file(why, "evsub --append did not write it", EPROTO);
		}
		w.at += n;
	}
	free(buf);
	struct stat st;
	if (n < 0 || fstat(s->o.fd, &st) < 0)
		return no_file(why, strerror(errno), errno);
	if (st.st_size > 0 && w.at == 0)
		return no_file(why, "evsub --append did not write it", EPROTO);
	if (cut_rest(s, w.at, st.st_size, why) < 0)
		return -1;
	if (w.stream)
		take_up(s, &w);
	return 0;
}
