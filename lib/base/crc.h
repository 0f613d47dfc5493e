/*
 * crc.h - CRC32, as gzip and epb_hash count it
 *
 * By ISA-L where it was there to build with: with the vector instructions of recent processors it
 * is three times as fast from 2 kB on (45 against 14 GB/s), a tenth of evbuild's and raw2nc's time.
 */
#ifndef FYKE_CRC_H
#define FYKE_CRC_H

#include <stddef.h>
#include <stdint.h>

#ifdef FYKE_ISAL
#include <isa-l/crc.h>
#else
#include <libdeflate.h>
#endif

static inline uint32_t crc_32(const void *bytes, size_t n)
{
#ifdef FYKE_ISAL
	return crc32_gzip_refl(0, bytes, n);
#else
	return libdeflate_crc32(0, bytes, n);
#endif
}

#endif
