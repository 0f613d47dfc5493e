/* order.c - records of any numbers, clocks and arrivals: each is handed on, counted or held */
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "file/cdf_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CARD                                                                                       \
	"[card]\nname = t\nbyteorder = big\nrecord = 8\nwindow = 1ms\nhold = 1s\n"                 \
	"[source]\nby = address\ncount = 1\n[field seq]\nat = 0 u16\n[field clk]\nat = 2 u32\n"
#define CLOCK    "[clock]\nfield = clk\nunit = 1us\nwidth = 32\ntie = arrival\n"
#define SEQUENCE "[sequence]\nfield = seq\nwidth = 16\n"

static const char *const text[] = {CARD CLOCK SEQUENCE, CARD SEQUENCE, CARD CLOCK, CARD};

struct seen {
	uint64_t items, fail; /* which one cannot be stored; 0: none */
};

static int emit(void *ctx, const struct cdf_item *item)
{
	struct seen *s = ctx;

	/* The first one begins a segment; an odd clock never does. */
	if ((s->items == 0 && !item->segment) || (item->odd && item->segment))
		abort();
	return ++s->items == s->fail ? -1 : 0;
}

static void check(const struct cdf_order *o, const struct seen *s, uint64_t in)
{
	const struct cdf_order_count *c = cdf_order_count(o);

	if (in != s->items + c->duplicate + c->late + c->stray + c->held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct card *card[4];
	struct seen seen = {0};
	int64_t now = 1763623433 * TIM_S;
	uint64_t in = 0;
	char why[CARD_WHY];

	if (n == 0)
		return 0;
	struct card **c = &card[data[0] % 4];
	if (!*c && !(*c = card_parse("t", text[data[0] % 4], strlen(text[data[0] % 4]), why)))
		abort();
	struct cdf_order *o = cdf_order_new(*c, emit, &seen);
	/* Eight bytes a record: number, clock, one that tells it from others, ms since the last. */
	seen.fail = data[0] >> 2;
	for (size_t at = 1; at + 8 <= n; at += 8) {
		int step = (int8_t)data[at + 7];
		now += (step == -128 ? -86400 * 1000 : (int64_t)step * step * step / 64) * TIM_MS;
		if (step == 127 && cdf_order_time(o, now) < 0)
			break;
		int bad = cdf_order_add(o, data + at, now, 0);
		check(o, &seen, ++in);
		if (bad)
			break;
	}
	cdf_order_flush(o);
	check(o, &seen, in);
	if (cdf_order_count(o)->held && (!seen.fail || seen.items < seen.fail))
		abort();
	cdf_order_free(o);
	return 0;
}
