/* sub.c - messages of a bus back into a capture stream, with everything counted */
#include "sub.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "stream/evt.h"

#define MARK        "fyke-bus stream " /* the comment of a section: "... HEX from SEQUENCE" */
#define MARK_ROOM   80
#define ASK_EACH    TIM_S
#define OPT_COMMENT 1
#define SHB_FIXED   24 /* bytes of a section header before its options */

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
	int64_t last;             /* latest time in it */
	int64_t asked;            /* tim_mono() */
	uint8_t *header, *scratch;
	size_t nheader;
};

struct sub *sub_new(const struct sub_options *o)
{
	struct sub *s = calloc(1, sizeof *s);
	char why[SSDAQ_WHY];

	if (!s)
		return NULL;
	s->o = *o;
	s->asked = INT64_MIN / 2;
	s->out = cap_writer_bare(o->fd);
	s->header = malloc(BUS_MOST + MARK_ROOM + CAP_ISB_MAX);
	s->scratch = malloc(CAP_HEAD + CAP_DATA_MAX + CAP_TAIL);
	bool bad = !s->out || !s->header || !s->scratch;
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
	return sync && fdatasync(s->o.fd) < 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
}

/* ======== sections ======== */

/* The header of a message, with a comment that says which stream this is and where it begins, as
 * first option of its section header. */
static void mark_header(struct sub *s, const struct bus_msg *m)
{
	char text[MARK_ROOM];
	uint8_t *to = s->header;
	u32le length;
	u16le code, size;

	int n = snprintf(
	    text, sizeof text, MARK "%016" PRIx64 " from %" PRIu64, m->stream, m->sequence);
	size_t room = 4 + (((size_t)n + 3) & ~(size_t)3), shb;
	memcpy(&length, m->block + 4, sizeof length);
	shb = wire_get(length);
	memcpy(to, m->block, SHB_FIXED);
	wire_put(&code, OPT_COMMENT);
	wire_put(&size, (uint16_t)n);
	memset(to + SHB_FIXED, 0, room);
	memcpy(to + SHB_FIXED, &code, 2);
	memcpy(to + SHB_FIXED + 2, &size, 2);
	memcpy(to + SHB_FIXED + 4, text, (size_t)n);
	memcpy(to + SHB_FIXED + room, m->block + SHB_FIXED, m->size - SHB_FIXED);
	wire_put(&length, (uint32_t)(shb + room));
	memcpy(to + 4, &length, 4);
	memcpy(to + shb + room - 4, &length, 4);
	s->nheader = m->size + room;
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
	mark_header(s, m);
	struct cap_reader *in = cap_reader_mem(s->header, s->nheader);
	struct cap_record r;
	s->packets = in && cap_read(in, &r, 0) == CAP_NEW && cap_link(in) != CAP_LINK_USER0;
	cap_reader_free(in);
	s->open = true;
	s->whole = m->sequence == 0;
	s->written = 0;
	s->missed = missed;
	s->last = 0;
	s->count.streams++;
	return cap_pass(s->out, s->header, s->nheader);
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

	(void)cap_unseal(m->block, m->size, &r); /* bus_decode() did before */
	int64_t late = tim_now() - m->sent;
	if (s->o.dropold && late > s->o.dropold) {
		s->count.old++;
		s->missed++;
		s->whole = false;
		return SUB_TOOK;
	}
	s->count.late_ns = late > 0 ? (uint64_t)late : 0;
	if (missed && s->packets) {
		memcpy(s->scratch + CAP_HEAD, r.data, r.caplen);
		size_t n = cap_seal(s->scratch, r.caplen, r.origlen, r.time, r.dropped + missed);
		rc = cap_pass(s->out, s->scratch, n);
	} else {
		rc = cap_pass(s->out, m->block, m->size);
	}
	return rc < 0 ? SUB_ERROR : written(s, r.time);
}

static enum sub_took next_message(struct sub *s, const struct bus_msg *m, uint64_t missed)
{
	s->missed += missed;
	s->whole &= missed == 0;
	if (m->kind == BUS_BLOCK)
		return put_block(s, m, missed);
	if (m->kind == BUS_BEAT)
		return cap_pass(s->out, m->block, m->size) < 0 ? SUB_ERROR : SUB_TOOK;
	return close_section(s, m) < 0 ? SUB_ERROR : SUB_ENDED;
}

static enum sub_took take_own(struct sub *s, const void *message, size_t n)
{
	struct bus_msg m;
	uint64_t missed;

	if (bus_decode(message, n, &m)) {
		s->count.foreign++;
		return SUB_TOOK;
	}
	enum bus_verdict v = bus_follow(&s->follow, &m, &missed);
	s->count.missed += missed;
	s->count.headless = s->follow.before;
	switch (v) {
	case BUS_JOIN:
		return open_section(s, &m, missed) < 0 ? SUB_ERROR : SUB_TOOK;
	case BUS_AGAIN:
		s->count.again += m.kind != BUS_HEADER;
		return SUB_TOOK;
	case BUS_LOST:
		if (tim_mono() - s->asked < ASK_EACH)
			return SUB_TOOK;
		s->asked = tim_mono();
		return SUB_ASK;
	case BUS_NEXT:
		break;
	}
	return s->open ? next_message(s, &m, missed) : SUB_TOOK;
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

int sub_finish(struct sub *s)
{
	return close_section(s, NULL) < 0 ? -1 : cap_flush(s->out);
}

/* ======== a file that is continued ======== */

int sub_resume(struct sub *s, char why[BUS_WHY])
{
	(void)s;
	(void)why;
	return 0;
}
