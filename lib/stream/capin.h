/*
 * capin.h - the inside of capture streams: blocks and options, shared by the two files
 *
 * cap.c      reading
 * capwrite.c writing
 *
 * Block layouts: draft-ietf-opsawg-pcapng sections 4.1 (SHB), 4.2 (IDB), 4.3 (EPB), 4.6 (ISB).
 */
#ifndef FYKE_CAPIN_H
#define FYKE_CAPIN_H

#include "cap.h"

#include <assert.h>

#include "base/wire.h"

enum block { BLOCK_SHB = 0x0a0d0d0a, BLOCK_IDB = 1, BLOCK_ISB = 5, BLOCK_EPB = 6 };
enum { BYTE_ORDER_MAGIC = 0x1a2b3c4d };
enum option {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_TSOFFSET = 14,
	EPB_HASH = 3,
	EPB_DROPCOUNT = 4,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8
};
enum { HASH_CRC32 = 2 };

struct block_head {
	u32le type, length;
};
struct shb {
	u32le magic;
	u16le major, minor;
	i64le section;
};
struct idb {
	u16le link, reserved;
	u32le snaplen;
};
struct epb {
	u32le iface, time_high, time_low, caplen, origlen;
};
struct isb {
	u32le iface, time_high, time_low;
};
struct opt {
	u16le code, length;
};
struct epb_tail {
	struct opt hash;
	uint8_t algorithm;
	u32le crc;
	uint8_t pad[3];
};

static_assert(sizeof(struct block_head) == 8, "block type and length");
static_assert(sizeof(struct shb) == 16, "section header body");
static_assert(sizeof(struct idb) == 8, "interface description body");
static_assert(sizeof(struct epb) == 20, "enhanced packet body");
static_assert(sizeof(struct block_head) + sizeof(struct epb) == CAP_HEAD, "room before the data");
static_assert(sizeof(struct isb) == 12, "interface statistics body");
static_assert(sizeof(struct epb_tail) == 12, "epb_hash with a CRC32");

static inline size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

#endif
