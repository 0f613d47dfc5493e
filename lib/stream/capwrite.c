/* capwrite.c - capture streams written: pcapng, always little-endian */
#include "capin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/io.h"

#define WRITE_STEP (256 << 10)
#define BUF_SIZE   (WRITE_STEP + CAP_HEAD + CAP_DATA_MAX + CAP_TAIL + CAP_DESC_MAX + CAP_HEADER_MAX)

static uint8_t *put_option(uint8_t *to, enum option code, const void *value, size_t n)
{
	struct opt *o = (struct opt *)to;
	wire_put(&o->code, (uint16_t)code);
	wire_put(&o->length, (uint16_t)n);
	memset(to + sizeof *o + (n & ~(size_t)3), 0, padded(n) - (n & ~(size_t)3));
	memcpy(to + sizeof *o, value, n);
	return to + sizeof *o + padded(n);
}

static uint8_t *put_option_u64(uint8_t *to, enum option code, uint64_t v)
{
	u64le w;
	wire_put(&w, v);
	return put_option(to, code, &w, sizeof w);
}

static uint8_t *put_option_end(uint8_t *to)
{
	memset(to, 0, sizeof(struct opt));
	return to + sizeof(struct opt);
}

/* Type and both lengths of the block that begins at block and whose body ends at end. */
static size_t close_block(uint8_t *block, uint8_t *end, enum block type)
{
	struct block_head *h = (struct block_head *)block;
	size_t n = (size_t)(end - block) + 4;
	wire_put(&h->type, (uint32_t)type);
	wire_put(&h->length, (uint32_t)n);
	wire_put((u32le *)end, (uint32_t)n);
	return n;
}

static void put_time(u32le *high, u32le *low, int64_t time)
{
	wire_put(high, (uint32_t)((uint64_t)time >> 32));
	wire_put(low, (uint32_t)time);
}

size_t cap_seal(uint8_t *block, size_t len, size_t origlen, int64_t time, uint64_t dropped)
{
	struct epb *e = (struct epb *)(block + sizeof(struct block_head));
	uint8_t *data = block + CAP_HEAD, *p = data + len;

	wire_put(&e->iface, 0);
	put_time(&e->time_high, &e->time_low, time);
	wire_put(&e->caplen, (uint32_t)len);
	wire_put(&e->origlen, (uint32_t)origlen);
	while ((p - data) & 3)
		*p++ = 0;
	struct epb_tail *t = (struct epb_tail *)p;
	wire_put(&t->hash.code, EPB_HASH);
	wire_put(&t->hash.length, 5);
	t->algorithm = HASH_CRC32;
	wire_put(&t->crc, crc_32(data, len));
	memset(t->pad, 0, sizeof t->pad);
	p += sizeof *t;
	if (dropped)
		p = put_option_u64(p, EPB_DROPCOUNT, dropped);
	return close_block(block, put_option_end(p), BLOCK_EPB);
}

size_t cap_header(uint8_t *to, int link, const char *program, const char *name, const char *text)
{
	struct shb *s = (struct shb *)(to + sizeof(struct block_head));
	uint8_t *p = (uint8_t *)(s + 1);
	char app[256];

	wire_put(&s->magic, BYTE_ORDER_MAGIC);
	wire_put(&s->major, 1);
	wire_put(&s->minor, 0);
	wire_put(&s->section, -1);
	int n = snprintf(app, sizeof app, "fyke %s %s", program, FYKE_VERSION);
	p = put_option(p, SHB_USERAPPL, app, n < (int)sizeof app ? (size_t)n : sizeof app - 1);
	size_t done = close_block(to, put_option_end(p), BLOCK_SHB);

	struct idb *i = (struct idb *)(to + done + sizeof(struct block_head));
	p = (uint8_t *)(i + 1);
	wire_put(&i->link, (uint16_t)link);
	wire_put(&i->reserved, 0);
	wire_put(&i->snaplen, CAP_DATA_MAX);
	p = put_option(p, IF_NAME, name, strnlen(name, 255));
	if (text)
		p = put_option(p, IF_DESCRIPTION, text, strnlen(text, CAP_DESC_MAX));
	p = put_option(p, IF_TSRESOL, "\x09", 1);
	return done + close_block(to + done, put_option_end(p), BLOCK_IDB);
}

static uint8_t *put_isb(uint8_t *to, int64_t time)
{
	struct isb *s = (struct isb *)(to + sizeof(struct block_head));
	wire_put(&s->iface, 0);
	put_time(&s->time_high, &s->time_low, time);
	return (uint8_t *)(s + 1);
}

size_t cap_beat(uint8_t *to, int64_t time)
{
	return close_block(to, put_isb(to, time), BLOCK_ISB);
}

static size_t put_endmark(uint8_t *to, int64_t time, uint64_t ifrecv, uint64_t ifdrop,
    uint64_t osdrop, uint64_t usrdeliv, const struct tally_item *lost)
{
	uint8_t *p = put_isb(to, time);
	p = put_option_u64(p, ISB_IFRECV, ifrecv);
	p = put_option_u64(p, ISB_IFDROP, ifdrop);
	p = put_option_u64(p, ISB_OSDROP, osdrop);
	p = put_option_u64(p, ISB_USRDELIV, usrdeliv);
	for (int i = 0; lost && i < TALLY_MAX && lost[i].name; i++) {
		char text[CAP_LOSS_NAME + 20];
		int n = snprintf(
		    text, sizeof text, "%.*s %" PRIu64, CAP_LOSS_NAME - 1, lost[i].name, lost[i].n);
		if (lost[i].n)
			p = put_option(p, OPT_COMMENT, text, (size_t)n);
	}
	return close_block(to, put_option_end(p), BLOCK_ISB);
}

size_t cap_endmark(
    uint8_t *to, int64_t time, uint64_t ifrecv, uint64_t ifdrop, uint64_t osdrop, uint64_t usrdeliv)
{
	return put_endmark(to, time, ifrecv, ifdrop, osdrop, usrdeliv, NULL);
}

static_assert(CAP_PASS_MAX <= BUF_SIZE, "what cap_pass() takes fits");

struct cap_writer {
	int fd;
	size_t used, done; /* gathered whole blocks; of these written, when a write failed */
	uint8_t buf[BUF_SIZE];
};

struct cap_writer *cap_writer_bare(int fd)
{
	struct cap_writer *w = malloc(sizeof *w);
	if (!w)
		return NULL;
	w->fd = fd;
	w->used = w->done = 0;
	io_bigpipe(fd);
	return w;
}

struct cap_writer *cap_writer_new(
    int fd, int link, const char *program, const char *name, const char *text)
{
	struct cap_writer *w = cap_writer_bare(fd);
	if (!w)
		return NULL;
	w->used = cap_header(w->buf, link, program, name, text);
	if (cap_flush(w) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

uint8_t *cap_room(struct cap_writer *w, size_t len)
{
	assert(len <= CAP_DATA_MAX);
	if (w->used >= WRITE_STEP && cap_flush(w) < 0)
		return NULL;
	return w->buf + w->used + CAP_HEAD;
}

void cap_put(struct cap_writer *w, size_t len, size_t origlen, int64_t time, uint64_t dropped)
{
	w->used += cap_seal(w->buf + w->used, len, origlen, time, dropped);
}

int cap_put_beat(struct cap_writer *w, int64_t time)
{
	if (!cap_room(w, 0))
		return -1;
	w->used += cap_beat(w->buf + w->used, time);
	return 0;
}

int cap_pass(struct cap_writer *w, const void *blocks, size_t n)
{
	if (n > CAP_PASS_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	/* Blocks of others may be longer than what cap_room() is for. */
	if ((w->used >= WRITE_STEP || n > sizeof w->buf - w->used) && cap_flush(w) < 0)
		return -1;
	memcpy(w->buf + w->used, blocks, n);
	w->used += n;
	return 0;
}

int cap_flush(struct cap_writer *w)
{
	if (io_writefrom(w->fd, w->buf, w->used, &w->done) < 0)
		return -1;
	w->used = w->done = 0;
	return 0;
}

const uint8_t *cap_unwritten(const struct cap_writer *w, size_t *at)
{
	while (*at < w->used) {
		const uint8_t *block = w->buf + *at;
		const struct block_head *h = (const struct block_head *)block;
		*at += wire_get(h->length);
		if (*at > w->done && wire_get(h->type) == BLOCK_EPB)
			return block + CAP_HEAD;
	}
	return NULL;
}

size_t cap_pending(const struct cap_writer *w)
{
	return w->used;
}

int cap_finish(struct cap_writer *w, int64_t time, uint64_t ifrecv, uint64_t ifdrop,
    uint64_t osdrop, uint64_t usrdeliv, const struct tally_item *lost)
{
	if (!cap_room(w, 0))
		return -1;
	w->used += put_endmark(w->buf + w->used, time, ifrecv, ifdrop, osdrop, usrdeliv, lost);
	return cap_flush(w);
}

void cap_writer_free(struct cap_writer *w)
{
	free(w);
}
