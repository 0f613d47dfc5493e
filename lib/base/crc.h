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

static inline uint32_t crc_32(const void *bytes, size_t n)
{
#ifdef FYKE_ISAL
	uint32_t crc = crc32_gzip_refl(0, bytes, n);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroupper" ::
				     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
				 "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
				 "xmm14", "xmm15");
#endif
	return crc;
#else
	return libdeflate_crc32(0, bytes, n);
#endif
}

#endif
