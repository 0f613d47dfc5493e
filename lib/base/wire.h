/*
 * wire.h - byte-array integers: how a format in a file or a datagram is declared
 *
 * A struct of these types mirrors the bytes: no padding, no alignment, and no way to read a
 * member by accident in the host's order. Declare the format once, under a comment with its
 * source, and static_assert its size:
 *
 *	struct udp_head { u16be sport, dport, length, checksum; };
 *	static_assert(sizeof(struct udp_head) == 8, "RFC 768");
 *	n = wire_get(h->length);
 *	wire_put(&h->length, n);
 */
#ifndef FYKE_WIRE_H
#define FYKE_WIRE_H

#include <stdint.h>
#include <string.h>

/* Before a loop over many values: vector code where the compiler can choose it at run time, so that
 * a distribution's build has it too. clang knows no optimize attribute, and the sanitizers are not
 * ready when the choice is made. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIRE_VECTOR __attribute__((optimize("O3"), target_clones("avx2", "default")))
#else
#define WIRE_VECTOR
#endif

#define WIRE_TYPE(name, ctype, utype, swap)                                                        \
	typedef struct {                                                                           \
		uint8_t b[sizeof(ctype)];                                                          \
	} name;                                                                                    \
	static inline ctype name##_get(name w)                                                     \
	{                                                                                          \
		utype u;                                                                           \
		memcpy(&u, w.b, sizeof u);                                                         \
		return (ctype)swap(u);                                                             \
	}                                                                                          \
	static inline void name##_put(name *w, ctype v)                                            \
	{                                                                                          \
		utype u = swap((utype)v);                                                          \
		memcpy(w->b, &u, sizeof u);                                                        \
	}

#define WIRE_SAME(x) (x)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WIRE_BE16 __builtin_bswap16
#define WIRE_BE32 __builtin_bswap32
#define WIRE_BE64 __builtin_bswap64
#define WIRE_LE16 WIRE_SAME
#define WIRE_LE32 WIRE_SAME
#define WIRE_LE64 WIRE_SAME
#else
#define WIRE_BE16 WIRE_SAME
#define WIRE_BE32 WIRE_SAME
#define WIRE_BE64 WIRE_SAME
#define WIRE_LE16 __builtin_bswap16
#define WIRE_LE32 __builtin_bswap32
#define WIRE_LE64 __builtin_bswap64
#endif

WIRE_TYPE(u16be, uint16_t, uint16_t, WIRE_BE16)
WIRE_TYPE(u32be, uint32_t, uint32_t, WIRE_BE32)
WIRE_TYPE(u64be, uint64_t, uint64_t, WIRE_BE64)
WIRE_TYPE(u16le, uint16_t, uint16_t, WIRE_LE16)
WIRE_TYPE(u32le, uint32_t, uint32_t, WIRE_LE32)
WIRE_TYPE(u64le, uint64_t, uint64_t, WIRE_LE64)
WIRE_TYPE(i32le, int32_t, uint32_t, WIRE_LE32)
WIRE_TYPE(i64le, int64_t, uint64_t, WIRE_LE64)

#define wire_get(w)                                                                                \
	_Generic((w), u16be                                                                        \
		 : u16be_get, u32be                                                                \
		 : u32be_get, u64be                                                                \
		 : u64be_get, u16le                                                                \
		 : u16le_get, u32le                                                                \
		 : u32le_get, u64le                                                                \
		 : u64le_get, i32le                                                                \
		 : i32le_get, i64le                                                                \
		 : i64le_get)(w)

#define wire_put(p, v)                                                                             \
	_Generic(*(p), u16be                                                                       \
		 : u16be_put, u32be                                                                \
		 : u32be_put, u64be                                                                \
		 : u64be_put, u16le                                                                \
		 : u16le_put, u32le                                                                \
		 : u32le_put, u64le                                                                \
		 : u64le_put, i32le                                                                \
		 : i32le_put, i64le                                                                \
		 : i64le_put)(p, v)

#endif
