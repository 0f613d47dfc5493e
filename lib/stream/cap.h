/*
 * cap.h - capture streams: pcapng read and written, classic pcap read
 *
 * Format: draft-ietf-opsawg-pcapng, and man5/fyke-streams.5 for what fyke asks of it: one
 * interface a section, nanoseconds, epb_dropcount, epb_hash type 2 (CRC32 over the captured
 * bytes), and an Interface Statistics Block with isb_usrdeliv as the end mark, in which comments
 * may name the losses. An ISB without counts is a heartbeat: "no block with an earlier time
 * follows".
 *
 * A block that fails its hash or its lengths is damage: the reader looks at each byte for the
 * next good one, counts what it skipped, and goes on. No length from the stream is trusted, and
 * memory is bounded: a block has at most 2 MiB.
 */
#ifndef FYKE_CAP_H
#define FYKE_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tally.h"

#define CAP_LINK_ETHERNET 1
#define CAP_LINK_RAW      101 /* IPv4 or IPv6, told apart by the first nibble: fyke's packets */
#define CAP_LINK_SLL      113
#define CAP_LINK_USER0    147 /* fyke's events */
#define CAP_LINK_IPV4     228
#define CAP_LINK_IPV6     229
#define CAP_LINK_SLL2     276

#define CAP_EVENTS_NAME "fyke-events/1" /* if_name of an event stream */
#define CAP_DATA_MAX    262144          /* captured bytes of one record: tshark's limit */
#define CAP_DESC_MAX    65535           /* bytes of if_description */
#define CAP_WHY         256
#define CAP_LOSS_NAME   32 /* a named loss in the end mark, with its NUL */

/* ---- reading ---- */

struct cap_record {
	int64_t time;        /* UTC ns */
	uint32_t caplen;     /* bytes at data */
	uint32_t origlen;    /* bytes that were there */
	uint64_t dropped;    /* lost just before this one, as the writer said */
	int link;            /* CAP_LINK_... */
	bool hashed;         /* had an epb_hash, and it was right */
	const uint8_t *data; /* in the reader's buffer, until the next call */
};

/* What a reader has met so far. The stream was good when damaged, skipped and cut are all 0. */
struct cap_state {
	uint64_t records;  /* handed out */
	uint64_t damaged;  /* places where blocks were bad */
	uint64_t skipped;  /* bytes passed over there */
	uint64_t cut;      /* sections with hashes that ended without their end mark */
	uint64_t sections; /* begun */
	uint64_t ended;    /* sections closed by an end mark */
	uint64_t ifrecv, ifdrop, osdrop, usrdeliv; /* summed over the end marks */
	struct cap_loss {
		char name[CAP_LOSS_NAME]; /* "" ends the list */
		uint64_t n;
	} lost[TALLY_MAX]; /* what ifdrop was, as far as end marks name it */
	bool hashes;       /* the present section has hashes */
	bool beats; /* heartbeats were seen: they tell the stream's time, the wall clock need not */
};

enum cap_next {
	CAP_END = 0,    /* end of the input: look at cap_state() */
	CAP_RECORD = 1, /* a record */
	CAP_BEAT = 2,   /* a heartbeat: only record->time is set */
	CAP_WAIT = 3,   /* no whole block within the time, or a signal came: call again */
	CAP_NEW =
	    4, /* a new section or interface begins: cap_link(), cap_name(), cap_text() are new */
	CAP_ERROR = -1 /* read error (errno), or not a capture at all (EPROTO): cap_why() */
};

struct cap_reader;

/* Reads from fd (kept open by the caller). NULL with errno. */
struct cap_reader *cap_reader_new(int fd);

/* Every byte that is read goes to fd first, as it is; between two pipes nothing is copied (tee(2)).
 * To be called before the first cap_read(). A write that fails is a CAP_ERROR of cap_read(), and
 * cap_tee_error() is its errno, else 0. */
void cap_tee(struct cap_reader *r, int fd);
int cap_tee_error(const struct cap_reader *r);

/* The next thing in the stream. timeout_ns < 0 waits for ever. */
enum cap_next cap_read(struct cap_reader *r, struct cap_record *record, int64_t timeout_ns);

const struct cap_state *cap_state(const struct cap_reader *r);
int cap_link(const struct cap_reader *r); /* of the present interface, -1 before the first */
const char *cap_name(const struct cap_reader *r); /* if_name, "" when it has none */
const char *cap_text(const struct cap_reader *r); /* if_description: the card of an event stream */
const char *cap_why(const struct cap_reader *r); /* one sentence on the last damage, cut or error */
void cap_reader_free(struct cap_reader *r);

/* The whole block of the last CAP_RECORD or CAP_BEAT as it stood in the stream, until the next
 * call. NULL when it is not as cap_seal() and cap_beat() write it (another byte order, no hash, an
 * interface other than the first, classic pcap). */
const uint8_t *cap_block(const struct cap_reader *r, size_t *n);

/* One block by itself, as cap_seal() made it, which begins at block: false when the n bytes are
 * anything else. record->link is not set. */
bool cap_unseal(const uint8_t *block, size_t n, struct cap_record *record);

/* The same for cap_beat() and cap_endmark(). */
bool cap_is_isb(const uint8_t *block, size_t n);

/* Reads from n bytes in memory, which are copied. NULL with errno. */
struct cap_reader *cap_reader_mem(const void *bytes, size_t n);

/* ---- writing ---- */

/* Room that a block needs around its data: before it, and after it at most. */
#define CAP_HEAD 28
#define CAP_TAIL 40
/* The block's length for len captured bytes without a dropcount: a fixed stride for receivers. */
#define CAP_STRIDE(len) (CAP_HEAD + (((size_t)(len) + 3) & ~(size_t)3) + 12 + 4 + 4)

/* Makes a whole Enhanced Packet Block around len bytes that stand at block + CAP_HEAD: header,
 * hash, drop count when it is not 0, trailer. Returns the block's length. */
size_t cap_seal(uint8_t *block, size_t len, size_t origlen, int64_t time, uint64_t dropped);

/* Section Header and Interface Description into to (at most CAP_HEADER_MAX + strlen(text)
 * bytes). program goes into shb_userappl. Returns the length. */
#define CAP_HEADER_MAX 1024
size_t cap_header(uint8_t *to, int link, const char *program, const char *name, const char *text);

/* Heartbeat, and end mark (ifrecv = usrdeliv + ifdrop + osdrop). At most CAP_ISB_MAX bytes, with
 * the names of all losses. */
#define CAP_ISB_MAX 1024
size_t cap_beat(uint8_t *to, int64_t time);
size_t cap_endmark(uint8_t *to, int64_t time, uint64_t ifrecv, uint64_t ifdrop, uint64_t osdrop,
    uint64_t usrdeliv);

/* A writer gathers whole blocks in a buffer of 256 KiB and more, and writes them to fd. */
struct cap_writer;

/* Writes the header at once. NULL with errno. */
struct cap_writer *cap_writer_new(
    int fd, int link, const char *program, const char *name, const char *text);

/* A writer that writes no header of its own: it passes on what others made. */
struct cap_writer *cap_writer_bare(int fd);

/* Whole blocks as they are. 0, or -1 with errno: EMSGSIZE, more than CAP_PASS_MAX bytes. */
#define CAP_PASS_MAX (CAP_DATA_MAX * 2 + 8192)
int cap_pass(struct cap_writer *w, const void *blocks, size_t n);

/* Room for len captured bytes, to be filled by the caller and then sealed. NULL with errno when
 * writing out the full buffer failed. */
uint8_t *cap_room(struct cap_writer *w, size_t len);
void cap_put(struct cap_writer *w, size_t len, size_t origlen, int64_t time, uint64_t dropped);

/* A heartbeat into the stream. */
int cap_put_beat(struct cap_writer *w, int64_t time);

/* Writes out what is gathered. 0, or -1 with errno. */
int cap_flush(struct cap_writer *w);
size_t cap_pending(const struct cap_writer *w); /* bytes not yet written */

/* After a write that failed: the data of the next packet or event that is not whole in the output,
 * NULL after the last one. *at begins with 0. */
const uint8_t *cap_unwritten(const struct cap_writer *w, size_t *at);

/* The end mark, and the last write. lost: what ifdrop was, ended by a NULL name; NULL: not said. */
int cap_finish(struct cap_writer *w, int64_t time, uint64_t ifrecv, uint64_t ifdrop,
    uint64_t osdrop, uint64_t usrdeliv, const struct tally_item *lost);
void cap_writer_free(struct cap_writer *w);

#endif
