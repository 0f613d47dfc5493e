/*
 * cap.c - capture streams read: pcapng, and classic pcap (draft-ietf-opsawg-pcap)
 */
#include "capin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/tim.h"

#define TIME_MAX   (INT64_MAX - 366 * TIM_DAY)
#define BLOCK_MAX  (2 << 20) /* the longest block that is believed */
#define READ_STEP  (256 << 10)
#define IFACES_MAX 256

struct iface {
	int link;
	uint8_t tsresol;
	int64_t tsoffset; /* s */
	char name[256];
	char *text;
};

struct cap_reader {
	int fd;
	bool eof;
	int tee;        /* what is read goes there first, -1: no */
	bool tee_pipes; /* ... from one pipe into another */
	int tee_error;
	enum { FORM_UNKNOWN, FORM_PCAPNG, FORM_PCAP } form;
	bool swapped; /* the section's or file's byte order is not ours */
	bool ours;    /* a fyke program wrote its header: it holds only blocks that we write */
	uint64_t in_section;  /* records of this section handed out */
	uint64_t good_until;  /* damage met before it */
	bool section, marked; /* inside a section; its end mark was the last block */
	bool lost;            /* after damage: looking for the next good block */
	bool torn;            /* the input ended inside a block */
	bool nano;            /* classic pcap with nanoseconds */
	int pcap_link;
	struct iface *iface;
	unsigned nifaces, last;
	struct cap_state state;
	char why[CAP_WHY];
	const uint8_t *block; /* of the last record or heartbeat, NULL: not ours */
	size_t block_size;
	uint8_t *at, *end; /* what is read and not yet handed out */
	uint8_t *buf;
	size_t size; /* of buf: grows when a block needs it */
};

struct cap_reader *cap_reader_new(int fd)
{
	struct cap_reader *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->fd = fd;
	r->tee = -1;
	r->size = 2 * READ_STEP;
	r->at = r->end = r->buf = malloc(r->size);
	if (!r->buf) {
		free(r);
		return NULL;
	}
	io_bigpipe(fd);
	return r;
}

struct cap_reader *cap_reader_mem(const void *bytes, size_t n)
{
	struct cap_reader *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->fd = r->tee = -1;
	r->eof = true;
	r->size = n;
	r->at = r->buf = malloc(n + 1);
	if (!r->buf) {
		free(r);
		return NULL;
	}
	memcpy(r->buf, bytes, n);
	r->end = r->buf + n;
	return r;
}

void cap_tee(struct cap_reader *r, int fd)
{
	r->tee = fd;
	r->tee_pipes = true;
	io_bigpipe(fd);
}

int cap_tee_error(const struct cap_reader *r)
{
	return r->tee_error;
}

const uint8_t *cap_block(const struct cap_reader *r, size_t *n)
{
	*n = r->block_size;
	return r->block;
}

const struct cap_state *cap_state(const struct cap_reader *r)
{
	return &r->state;
}

int cap_link(const struct cap_reader *r)
{
	if (r->form == FORM_PCAP)
		return r->pcap_link;
	return r->nifaces ? r->iface[r->last].link : -1;
}

const char *cap_name(const struct cap_reader *r)
{
	return r->nifaces ? r->iface[r->last].name : "";
}

const char *cap_text(const struct cap_reader *r)
{
	return r->nifaces && r->iface[r->last].text ? r->iface[r->last].text : "";
}

const char *cap_why(const struct cap_reader *r)
{
	return r->why;
}

static void forget_interfaces(struct cap_reader *r)
{
	for (unsigned i = 0; i < r->nifaces; i++)
		free(r->iface[i].text);
	free(r->iface);
	r->iface = NULL;
	r->nifaces = r->last = 0;
}

void cap_reader_free(struct cap_reader *r)
{
	if (!r)
		return;
	forget_interfaces(r);
	free(r->buf);
	free(r);
}

static uint32_t get32(const struct cap_reader *r, const void *p)
{
	uint32_t v = wire_get(*(const u32le *)p);
	return r->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct cap_reader *r, const void *p)
{
	uint16_t v = wire_get(*(const u16le *)p);
	return r->swapped ? __builtin_bswap16(v) : v;
}

static uint64_t get64(const struct cap_reader *r, const void *p)
{
	uint64_t v = wire_get(*(const u64le *)p);
	return r->swapped ? __builtin_bswap64(v) : v;
}

static size_t have(const struct cap_reader *r)
{
	return (size_t)(r->end - r->at);
}

/* Room for n bytes from r->at and another read: what is left moves to the front, which keeps the
 * working set in the cache; a long block makes the buffer grow, to BLOCK_MAX + READ_STEP at
 * most. */
static int make_room(struct cap_reader *r, size_t n)
{
	size_t left = have(r), want = (n > left ? n : left) + READ_STEP;

	memmove(r->buf, r->at, left);
	if (want > r->size) {
		uint8_t *grown = realloc(r->buf, want);
		if (!grown)
			return -1;
		r->buf = grown;
		r->size = want;
	}
	r->at = r->buf;
	r->end = r->buf + left;
	return 0;
}

/* The output of a tee is gone or full, unless a signal came. */
static ssize_t tee_failed(struct cap_reader *r)
{
	if (errno != EINTR)
		r->tee_error = errno;
	return -1;
}

/* read(2) of at most READ_STEP bytes, which go to r->tee first. */
static ssize_t read_some(struct cap_reader *r)
{
	if (r->tee_pipes) {
		ssize_t k = tee(r->fd, r->tee, READ_STEP, 0);
		if (k > 0)
			return io_readall(r->fd, r->end, (size_t)k);
		if (k == 0)
			return 0;
		if (errno != EINVAL)
			return tee_failed(r);
		r->tee_pipes = false;
	}
	ssize_t k = read(r->fd, r->end, READ_STEP);
	if (k > 0 && r->tee >= 0 && io_writeall(r->tee, r->end, (size_t)k) < 0)
		return tee_failed(r);
	return k;
}

/* Makes n bytes available at r->at. CAP_RECORD when they are, CAP_END when the input ends before,
 * CAP_WAIT, CAP_ERROR. */
static enum cap_next need(struct cap_reader *r, size_t n, int64_t timeout_ns)
{
	while (have(r) < n) {
		if (r->eof)
			return CAP_END;
		int ready = io_wait(r->fd, timeout_ns);
		if (ready == 0 || (ready < 0 && errno == EINTR))
			return CAP_WAIT;
		ssize_t k = ready < 0 || make_room(r, n) < 0 ? -1 : read_some(r);
		if (k < 0 && errno == EINTR)
			return CAP_WAIT;
		if (k < 0) {
			snprintf(r->why, sizeof r->why, "cannot %s: %s",
			    r->tee_error ? "pass it on" : "read", strerror(errno));
			return CAP_ERROR;
		}
		r->eof = k == 0;
		r->end += k;
	}
	return CAP_RECORD;
}

static void skip(struct cap_reader *r, size_t n)
{
	r->at += n;
	r->state.skipped += n;
}

static void __attribute__((format(printf, 2, 3)))
damage(struct cap_reader *r, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(r->why, sizeof r->why, format, ap);
	va_end(ap);
	r->state.damaged++;
}

/* ---- pcapng ---- */

/* Walks over options between p and end; false at the end of them or when they make no sense. */
static bool next_option(const struct cap_reader *r, const uint8_t **p, const uint8_t *end,
    unsigned *code, const uint8_t **value, size_t *n)
{
	if (end - *p < (ptrdiff_t)sizeof(struct opt))
		return false;
	*code = get16(r, *p);
	*n = get16(r, *p + 2);
	*value = *p + sizeof(struct opt);
	if (*code == OPT_END || padded(*n) > (size_t)(end - *value))
		return false;
	*p = *value + padded(*n);
	return true;
}

/* Units of 10^-n or 2^-n seconds since tsoffset, as nanoseconds. What no clock can have shown,
 * before 1970 or in the last year that fits, is brought to the nearest that can be, so that who
 * takes differences of times need not fear. */
static int64_t block_time(const struct iface *f, uint32_t high, uint32_t low)
{
	uint64_t v = (uint64_t)high << 32 | low;
	__int128 ns;

	if (f->tsresol == 9) {
		ns = v;
	} else if (f->tsresol & 0x80) {
		ns = (__int128)v * TIM_S >> (f->tsresol & 0x7f);
	} else {
		ns = (__int128)v * TIM_S;
		for (int i = f->tsresol; i > 0; i--)
			ns /= 10;
	}
	ns += (__int128)f->tsoffset * TIM_S;
	return ns > TIME_MAX ? TIME_MAX : ns < 0 ? 0 : (int64_t)ns;
}

/* Byte order of the block at p, 12 bytes of it there: a section header says it itself. */
static bool block_swapped(const struct cap_reader *r, const uint8_t *p)
{
	if (wire_get(*(const u32le *)p) != BLOCK_SHB) /* the same in both orders */
		return r->swapped;
	return wire_get(*(const u32le *)(p + 8)) != BYTE_ORDER_MAGIC;
}

/* The length that the block at p (12 bytes of it there) states; 0 when it cannot be one. */
static size_t block_length(const struct cap_reader *r, const uint8_t *p)
{
	size_t n = wire_get(*(const u32le *)(p + 4));
	uint32_t magic = wire_get(*(const u32le *)(p + 8));
	bool section = wire_get(*(const u32le *)p) == BLOCK_SHB;

	if (section && magic != BYTE_ORDER_MAGIC && magic != __builtin_bswap32(BYTE_ORDER_MAGIC))
		return 0;
	if (block_swapped(r, p))
		n = __builtin_bswap32((uint32_t)n);
	return n < (section ? 28 : 12) || n > BLOCK_MAX || n % 4 ? 0 : n;
}

/* Whether the length after the block of n bytes at p is the same as the one before. */
static bool lengths_agree(const struct cap_reader *r, const uint8_t *p, size_t n)
{
	uint32_t after = wire_get(*(const u32le *)(p + n - 4));
	return (block_swapped(r, p) ? __builtin_bswap32(after) : after) == n;
}

/* Whether body (n bytes) is an EPB that can be believed; its pieces into record. The place of the
 * iface is checked by the caller. A wrong hash is false, a missing one is not. */
static bool parse_epb(
    const struct cap_reader *r, const uint8_t *body, size_t n, struct cap_record *record)
{
	const struct epb *e = (const struct epb *)body;
	const uint8_t *p, *value, *end = body + n;
	unsigned code;
	size_t len;

	if (n < sizeof *e)
		return false;
	record->caplen = get32(r, &e->caplen);
	record->origlen = get32(r, &e->origlen);
	record->data = body + sizeof *e;
	if (record->caplen > CAP_DATA_MAX || padded(record->caplen) > n - sizeof *e)
		return false;
	record->dropped = 0;
	record->hashed = false;
	p = record->data + padded(record->caplen);
	while (next_option(r, &p, end, &code, &value, &len)) {
		if (code == EPB_DROPCOUNT && len == 8)
			record->dropped = get64(r, value);
		if (code != EPB_HASH || len != 5 || value[0] != HASH_CRC32 ||
		    record->caplen > record->origlen)
			continue;
		record->hashed = true;
		if (get32(r, value + 1) != crc_32(record->data, record->caplen))
			return false;
	}
	return true;
}

/* Whether the whole block of n bytes at p is more than chance. */
static bool believable(const struct cap_reader *r, const uint8_t *p, size_t n)
{
	struct cap_record record;

	if (!lengths_agree(r, p, n))
		return false;
	switch (get32(r, p)) {
	case BLOCK_EPB:
		return parse_epb(r, p + 8, n - 12, &record) &&
		    (record.hashed || !r->state.hashes) && get32(r, p + 8) < r->nifaces;
	case BLOCK_ISB:
		return n >= 24 && get32(r, p + 8) < r->nifaces;
	case BLOCK_IDB:
		return n >= 20;
	}
	return wire_get(*(const u32le *)p) == BLOCK_SHB;
}

static bool believable_type(const struct cap_reader *r, const uint8_t *p)
{
	uint32_t type = get32(r, p);
	return type == BLOCK_EPB || type == BLOCK_ISB || type == BLOCK_IDB ||
	    wire_get(*(const u32le *)p) == BLOCK_SHB;
}

bool cap_unseal(const uint8_t *block, size_t n, struct cap_record *record)
{
	static const struct cap_reader plain; /* our own byte order */

	if (n < CAP_STRIDE(0) || get32(&plain, block) != BLOCK_EPB ||
	    block_length(&plain, block) != n || !lengths_agree(&plain, block, n) ||
	    get32(&plain, block + 8) != 0 || !parse_epb(&plain, block + 8, n - 12, record))
		return false;
	record->time =
	    (int64_t)((uint64_t)get32(&plain, block + 12) << 32 | get32(&plain, block + 16));
	return record->hashed;
}

bool cap_is_isb(const uint8_t *block, size_t n)
{
	static const struct cap_reader plain;

	return n >= 24 && n <= CAP_ISB_MAX && get32(&plain, block) == BLOCK_ISB &&
	    block_length(&plain, block) == n && lengths_agree(&plain, block, n) &&
	    get32(&plain, block + 8) == 0;
}

/* After damage: passes over bytes until a block begins that can be believed. */
static enum cap_next resync(struct cap_reader *r, int64_t timeout_ns)
{
	for (;;) {
		enum cap_next got = need(r, 12, timeout_ns);
		if (got == CAP_END)
			skip(r, have(r));
		if (got != CAP_RECORD)
			return got;
		size_t n = believable_type(r, r->at) ? block_length(r, r->at) : 0;
		if (n > 0) {
			got = need(r, n, timeout_ns);
			if (got == CAP_WAIT || got == CAP_ERROR)
				return got;
			if (got == CAP_RECORD && believable(r, r->at, n))
				return CAP_RECORD;
		}
		skip(r, 1);
	}
}

/* The end of a section that should have had its end mark. */
static void leave_section(struct cap_reader *r)
{
	bool owed = r->state.hashes || (r->ours && r->in_section == 0);

	if (r->torn || (r->section && owed && !r->marked)) {
		r->state.cut++;
		snprintf(r->why, sizeof r->why, "the stream was cut: %s",
		    r->torn ? "it ends inside a block" : "its end mark is missing");
	}
	r->section = r->torn = false;
}

static void begin_section(struct cap_reader *r, const uint8_t *body, size_t n)
{
	const uint8_t *p = body + sizeof(struct shb), *value;
	unsigned code;
	size_t len;

	leave_section(r);
	forget_interfaces(r);
	r->section = true;
	r->marked = r->state.hashes = r->ours = false;
	r->in_section = 0;
	r->good_until = r->state.damaged;
	r->state.sections++;
	while (next_option(r, &p, body + n, &code, &value, &len))
		if (code == SHB_USERAPPL && len > 5 && memcmp(value, "fyke ", 5) == 0)
			r->ours = true;
}

static int add_interface(struct cap_reader *r, const uint8_t *body, size_t n)
{
	const uint8_t *p = body + sizeof(struct idb), *value;
	unsigned code;
	size_t len;

	if (n < sizeof(struct idb) || r->nifaces == IFACES_MAX)
		return -1;
	struct iface *grown = realloc(r->iface, (r->nifaces + 1) * sizeof *grown);
	if (!grown)
		return -1;
	r->iface = grown;
	struct iface *f = &grown[r->nifaces];
	*f = (struct iface){.link = get16(r, body), .tsresol = 6};
	while (next_option(r, &p, body + n, &code, &value, &len)) {
		if (code == IF_TSRESOL && len == 1) {
			f->tsresol = *value;
		} else if (code == IF_TSOFFSET && len == 8) {
			f->tsoffset = (int64_t)get64(r, value);
		} else if (code == IF_NAME && len < sizeof f->name) {
			memcpy(f->name, value, len);
			f->name[len] = '\0';
		} else if (code == IF_DESCRIPTION && !f->text && (f->text = malloc(len + 1))) {
			memcpy(f->text, value, len);
			f->text[len] = '\0';
		}
	}
	r->last = r->nifaces++;
	return 0;
}

/* "late 3" in an end mark: so many of ifdrop, under that name. */
static void named_loss(struct cap_reader *r, const uint8_t *text, size_t n)
{
	char name[CAP_LOSS_NAME + 20];
	uint64_t lost;
	int used = -1;

	if (n == 0 || n >= sizeof name)
		return;
	memcpy(name, text, n);
	name[n] = '\0';
	char *space = strrchr(name, ' ');
	if (!space || space == name || space - name >= CAP_LOSS_NAME ||
	    sscanf(space, " %20" SCNu64 "%n", &lost, &used) != 1 || space[used] != '\0')
		return;
	*space = '\0';
	for (struct cap_loss *l = r->state.lost; l < r->state.lost + TALLY_MAX; l++) {
		if (l->name[0] == '\0')
			strcpy(l->name, name);
		if (strcmp(l->name, name) == 0) {
			l->n += lost;
			return;
		}
	}
}

/* A heartbeat, or the end mark with its counts. */
static enum cap_next statistics(
    struct cap_reader *r, const uint8_t *body, size_t n, struct cap_record *record)
{
	const uint8_t *p = body + sizeof(struct isb), *value;
	uint64_t count[ISB_USRDELIV + 1] = {0};
	bool marked = false;
	unsigned code;
	size_t len;

	if (n < sizeof(struct isb) || get32(r, body) >= r->nifaces)
		return CAP_ERROR;
	while (next_option(r, &p, body + n, &code, &value, &len)) {
		if (code == OPT_COMMENT && r->ours)
			named_loss(r, value, len);
		else if (code <= ISB_USRDELIV && len == 8)
			count[code] = get64(r, value);
		marked |= code == ISB_USRDELIV;
	}
	record->time =
	    block_time(&r->iface[get32(r, body)], get32(r, body + 4), get32(r, body + 8));
	if (!marked) {
		r->state.beats |= r->ours;
		return r->ours ? CAP_BEAT : CAP_NEW;
	}
	r->marked = true;
	if (r->ours && count[ISB_USRDELIV] != r->in_section && r->state.damaged == r->good_until)
		damage(r, "%" PRIu64 " records came, but the end mark counts %" PRIu64,
		    r->in_section, count[ISB_USRDELIV]);
	r->state.ended++;
	r->state.ifrecv += count[ISB_IFRECV];
	r->state.ifdrop += count[ISB_IFDROP];
	r->state.osdrop += count[ISB_OSDROP];
	r->state.usrdeliv += count[ISB_USRDELIV];
	return CAP_BEAT;
}

/* One block that stands whole at r->at. CAP_ERROR: damage. CAP_WAIT: nothing for the caller. */
static enum cap_next one_block(struct cap_reader *r, size_t n, struct cap_record *record)
{
	const uint8_t *body = r->at + 8;
	size_t len = n - 12;
	uint32_t type = get32(r, r->at);

	if (type != BLOCK_SHB && r->marked && r->ours && type != BLOCK_ISB)
		r->marked = false; /* something follows the end mark */
	switch (type) {
	case BLOCK_EPB:
		if (!parse_epb(r, body, len, record) || get32(r, body) >= r->nifaces ||
		    (r->state.hashes && !record->hashed && r->ours))
			return CAP_ERROR;
		r->last = get32(r, body);
		record->time =
		    block_time(&r->iface[r->last], get32(r, body + 4), get32(r, body + 8));
		record->link = r->iface[r->last].link;
		r->state.hashes |= record->hashed;
		r->state.records++;
		r->in_section++;
		return CAP_RECORD;
	case BLOCK_SHB:
		begin_section(r, body, len);
		return CAP_WAIT;
	case BLOCK_IDB:
		return add_interface(r, body, len) < 0 ? CAP_ERROR : CAP_NEW;
	case BLOCK_ISB: {
		enum cap_next got = statistics(r, body, len, record);
		return got == CAP_NEW ? CAP_WAIT : got;
	}
	}
	return r->ours ? CAP_ERROR : CAP_WAIT; /* names, secrets, journal: nothing for us */
}

/* Brings the next block whole to r->at, n bytes. CAP_RECORD, or CAP_END, CAP_WAIT, CAP_ERROR. */
static enum cap_next whole_block(struct cap_reader *r, size_t *n, int64_t timeout_ns)
{
	while (!r->lost) {
		enum cap_next got = need(r, 12, timeout_ns);
		if (got == CAP_RECORD && (*n = block_length(r, r->at)) > 0) {
			got = need(r, *n, timeout_ns);
			if (got == CAP_RECORD && lengths_agree(r, r->at, *n))
				return CAP_RECORD;
		}
		if (got == CAP_WAIT || got == CAP_ERROR || have(r) == 0)
			return got;
		if (got == CAP_END) /* a cut, or a wrong length that hides good blocks behind it */
			r->torn = true;
		else
			damage(r, "a block with wrong lengths");
		r->lost = true;
		skip(r, 1);
	}
	enum cap_next got = resync(r, timeout_ns);
	if (got == CAP_RECORD) {
		if (r->torn)
			damage(r, "a block with a wrong length");
		r->lost = r->torn = false;
		*n = block_length(r, r->at);
	}
	return got;
}

/* Whether the block that gave this could be from cap_seal() or cap_beat(). */
static bool as_written(
    const struct cap_reader *r, enum cap_next got, const struct cap_record *record)
{
	if (got != CAP_RECORD && got != CAP_BEAT)
		return false;
	return !r->swapped && r->nifaces == 1 && r->iface[0].tsresol == 9 &&
	    r->iface[0].tsoffset == 0 && (got == CAP_BEAT ? r->ours : record->hashed);
}

static enum cap_next read_pcapng(
    struct cap_reader *r, struct cap_record *record, int64_t timeout_ns)
{
	for (;;) {
		size_t n = 0;
		enum cap_next got = whole_block(r, &n, timeout_ns);
		if (got == CAP_END)
			leave_section(r);
		if (got != CAP_RECORD)
			return got;
		r->swapped = block_swapped(r, r->at);
		got = one_block(r, n, record);
		if (got == CAP_ERROR) {
			damage(r, "a damaged block");
			skip(r, n);
			continue;
		}
		r->block = as_written(r, got, record) ? r->at : NULL;
		r->block_size = n;
		r->at += n;
		if (got != CAP_WAIT)
			return got;
	}
}

/* ---- classic pcap ---- */

struct pcap_head {
	u32le magic, version, zone, accuracy, snaplen, link;
};
struct pcap_record {
	u32le seconds, fraction, caplen, origlen;
};
static_assert(sizeof(struct pcap_head) == 24, "pcap file header");
static_assert(sizeof(struct pcap_record) == 16, "pcap record header");

static enum cap_next read_pcap(struct cap_reader *r, struct cap_record *record, int64_t timeout_ns)
{
	enum cap_next got = need(r, sizeof(struct pcap_record), timeout_ns);
	const struct pcap_record *h = (const struct pcap_record *)r->at;

	if (got == CAP_RECORD) {
		size_t n = get32(r, &h->caplen);
		if (n > CAP_DATA_MAX) {
			damage(r, "a record of %zu bytes: nothing after it can be trusted", n);
			r->eof = true;
			skip(r, have(r));
			return CAP_END;
		}
		got = need(r, sizeof *h + n, timeout_ns);
	}
	if (got == CAP_END && have(r) > 0) {
		snprintf(r->why, sizeof r->why, "the file was cut inside a record");
		r->state.cut++;
		skip(r, have(r));
	}
	if (got != CAP_RECORD)
		return got;
	h = (const struct pcap_record *)r->at; /* the buffer may have moved */
	*record = (struct cap_record){
	    .time = get32(r, &h->seconds) * TIM_S + get32(r, &h->fraction) * (r->nano ? 1 : TIM_US),
	    .caplen = get32(r, &h->caplen),
	    .origlen = get32(r, &h->origlen),
	    .link = r->pcap_link,
	    .data = r->at + sizeof *h};
	r->at += sizeof *h + record->caplen;
	r->state.records++;
	return CAP_RECORD;
}

/* Which format this is, from its first bytes. CAP_RECORD when it is one that we read. */
static enum cap_next recognise(struct cap_reader *r, int64_t timeout_ns)
{
	static const uint32_t micro = 0xa1b2c3d4, nano = 0xa1b23c4d;

	enum cap_next got = need(r, 4, timeout_ns);
	if (got == CAP_END && have(r) == 0)
		snprintf(r->why, sizeof r->why,
		    "the input is empty: the program before it wrote nothing");
	if (got == CAP_WAIT || got == CAP_ERROR)
		return got;
	uint32_t magic = got == CAP_RECORD ? wire_get(*(const u32le *)r->at) : 0;
	if (magic == BLOCK_SHB) {
		r->form = FORM_PCAPNG;
		return CAP_RECORD;
	}
	r->swapped = magic == __builtin_bswap32(micro) || magic == __builtin_bswap32(nano);
	r->nano = magic == nano || magic == __builtin_bswap32(nano);
	if (r->swapped || r->nano || magic == micro) {
		got = need(r, sizeof(struct pcap_head), timeout_ns);
		if (got == CAP_RECORD) {
			r->form = FORM_PCAP;
			r->pcap_link = get32(r, &((const struct pcap_head *)r->at)->link) & 0xffff;
			r->at += sizeof(struct pcap_head);
			r->state.sections++;
			return CAP_NEW;
		}
		if (got != CAP_END)
			return got;
		snprintf(r->why, sizeof r->why, "the file was cut inside its header");
	} else if (have(r) >= 2 && r->at[0] == 0x1f && r->at[1] == 0x8b) {
		snprintf(r->why, sizeof r->why, "this is gzip: pipe it through zcat first");
	} else if (have(r) > 0) {
		snprintf(r->why, sizeof r->why, "this is no capture: neither pcapng nor pcap");
	}
	errno = EPROTO;
	return CAP_ERROR;
}

enum cap_next cap_read(struct cap_reader *r, struct cap_record *record, int64_t timeout_ns)
{
	if (r->form == FORM_UNKNOWN) {
		enum cap_next got = recognise(r, timeout_ns);
		if (got != CAP_RECORD)
			return got;
	}
	return r->form == FORM_PCAP ? read_pcap(r, record, timeout_ns)
				    : read_pcapng(r, record, timeout_ns);
}
