/*
 * crc.h - CRC32, as gzip and epb_hash count it
 *
 * By ISA-L where it was there to build with: with the vector instructions of recent processors it
 * is three times as fast from 2 kB on (45 against 14 GB/s), a tenth of evbuild's and raw2nc's time.
 *
 * It returns with the upper halves of the vector registers in use. Intel's processors then let the
 * next SSE instruction wait for hundreds of cycles, so they are cleared, as its callers' ABI asks:
 * evbuild 0.75 of its time.
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

#if defined(FYKE_ISAL) && defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx"))) static inline void crc_clear_upper(void)
{
	_mm256_zeroupper();
}
#endif

static inline uint32_t crc_32(const void *bytes, size_t n)
{
#ifdef FYKE_ISAL
	uint32_t crc = crc32_gzip_refl(0, bytes, n);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		crc_clear_upper();
#endif
	return crc;
#else
	return libdeflate_crc32(0, bytes, n);
#endif
}

#endif
