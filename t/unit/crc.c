/* crc.c - CRC32 of every length, against the definition; and nothing beyond the bytes is read */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc.h"

#include "tap.h"

#define LONGEST 3000

/* Bit by bit: the polynomial 0xedb88320, all ones at first, inverted at the end. */
static uint32_t by_definition(const uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* n bytes between two pages that nobody may touch. */
static uint8_t *fenced(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(NULL, n + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, n, PROT_READ | PROT_WRITE) < 0)
		return NULL;
	return p + page;
}

int main(void)
{
	size_t size = 4096 * 16, bad_front = 0, bad_back = 0;
	uint8_t *p = fenced(size);

	if (!p)
		return 1;
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(rand() >> 8);
	is_int(crc_32("123456789", 9), 0xcbf43926, "the check value of the catalogue of CRCs");
	is_int(crc_32(p, 0), 0, "of nothing");
	for (size_t n = 1; n <= LONGEST; n++) {
		bad_front += crc_32(p, n) != by_definition(p, n);
		bad_back += crc_32(p + size - n, n) != by_definition(p + size - n, n);
	}
	is_int(bad_front, 0, "every length up to 3000, from the first byte of the memory");
	is_int(bad_back, 0, "and up to its last byte");
	is_int(crc_32(p + 1, size - 1), by_definition(p + 1, size - 1), "a long one");
	return done_testing();
}
