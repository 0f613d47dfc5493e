/* idle.c - naps: how long a receiver may sleep, and never so long that something is lost */
#include "stream/idle.h"
#include "tap.h"

#define MS 1000000.0

static double nap(int64_t buffer, double per_s, size_t size)
{
	struct idle p = {.n = 1, .granted = buffer, .nap = (int64_t)(5 * MS), .rate = per_s};
	return (double)idle_nap(&p, size);
}

/* Ten gigabits a second, or a million datagrams. */
static double burst(size_t size)
{
	double per_s = 10e9 / 8 / (double)size;
	return per_s < 1e6 ? per_s : 1e6;
}

int main(void)
{
	bool steady = true, sudden = true;

	for (int64_t buffer = 200 << 10; buffer < 1 << 28; buffer *= 2)
		for (size_t size = 64; size < 16384; size += 100)
			for (double per_s = 10; per_s < 1e6; per_s *= 1.5) {
				double t = nap(buffer, per_s, size) / 1e9;
				double room = (double)(buffer / net_charge(size));
				steady &= t * per_s <= room / 16;
				sudden &= t * burst(size) <= room * 0.76;
			}
	ok(steady, "what comes during a nap fills at most a 16th of the buffer");
	ok(sudden, "a burst that begins during a nap fits it too");
	ok(nap(8 << 20, 40000, 2100) > 2 * MS, "40,000/s of 2.1 kB gather for 2 ms in 4 MiB");
	ok(nap(64 << 20, 6300, 8192) == 5 * MS, "and 13 ROACH2 boards for 5 ms in 32 MiB");
	ok(nap(8 << 20, 100, 2100) == 0, "no nap where little comes");
	ok(nap(212992, 40000, 2100) == 0, "nor with a small buffer");
	return done_testing();
}
