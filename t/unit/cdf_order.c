/* cdf_order.c - the records of one source put in order: what is handed on, and what is counted */
#include <stdlib.h>

#include "base/tim.h"
#include "file/cdf_order.h"
#include "tap.h"

/* A record of 12 bytes: sequence u32be, clock u32be (1 ns, wraps at 2^32 = 4.29 s), value u32be. */
static const char by_sequence[] =
    "[card]\nname = t\nbyteorder = big\nrecord = 12\nwindow = 1ms\nhold = 1s\n"
    "[source]\nby = address\ncount = 1\n[clock]\nfield = clk\nunit = 1ns\nwidth = 32\n"
    "tie = arrival\n[sequence]\nfield = seq\nwidth = 32\n"
    "[field seq]\nat = 0 u32\n[field clk]\nat = 4 u32\n[field v]\nat = 8 u32\n";
static const char by_clock[] =
    "[card]\nname = t\nbyteorder = big\nrecord = 12\nwindow = 1ms\nhold = 1s\n"
    "[source]\nby = address\ncount = 1\n[clock]\nfield = clk\nunit = 1ns\n"
    "tie = arrival\n[field clk]\nat = 0 u64\n[field v]\nat = 8 u32\n";

static char got[4096]; /* what was handed on: "5 6(+2) 9!" */

static int emit(void *ctx, const struct cdf_item *item)
{
	size_t n = strlen(got);

	(void)ctx;
	n += (size_t)snprintf(got + n, sizeof got - n, "%s%u", n ? " " : "", item->rec[11]);
	if (item->missing)
		n += (size_t)snprintf(
		    got + n, sizeof got - n, "(+%llu)", (unsigned long long)item->missing);
	snprintf(got + n, sizeof got - n, "%s%s%s", item->segment ? "!" : "",
	    item->reordered ? "~" : "", item->odd ? "?" : "");
	return 0;
}

static struct card *card;
static struct cdf_order *order;
static int64_t last_clock, steady[256]; /* what the times are made of, by value */

static int emit_clock(void *ctx, const struct cdf_item *item)
{
	last_clock = item->clock;
	steady[item->rec[11]] = item->steady;
	return emit(ctx, item);
}

static void begin(const char *text)
{
	char why[CARD_WHY];

	card = card_parse("t", text, strlen(text), why);
	if (!card) {
		printf("# %s\n", why);
		exit(1);
	}
	order = cdf_order_new(card, emit_clock, NULL);
	got[0] = 0;
}

static const struct cdf_order_count *end(void)
{
	static struct cdf_order_count count;

	cdf_order_flush(order);
	count = *cdf_order_count(order);
	cdf_order_free(order);
	card_free(card);
	return &count;
}

static void put32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Sequence number s, sent at a time of its clock, arriving at `ms`; v tells it from others. */
static void seq_at(uint32_t s, int64_t clock, int64_t ms, uint32_t v)
{
	uint8_t rec[12];

	put32(rec, s);
	put32(rec + 4, (uint32_t)clock);
	put32(rec + 8, v);
	cdf_order_add(order, rec, 1000 * TIM_S + ms * TIM_MS, 0);
}

static void seq(uint32_t s, int64_t ms, uint32_t v)
{
	seq_at(s, s * TIM_MS, ms, v);
}

static void clk(int64_t ns, int64_t ms, uint32_t v)
{
	uint8_t rec[12];

	put32(rec, (uint32_t)(ns >> 32));
	put32(rec + 4, (uint32_t)ns);
	put32(rec + 8, v);
	cdf_order_add(order, rec, 1000 * TIM_S + ms * TIM_MS, 0);
}

static void run(const uint32_t *list, int n)
{
	for (int i = 0; i < n; i++)
		seq(list[i], i, list[i] & 0xff);
}
#define RUN(...) run((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void test_sequence(void)
{
	begin(by_sequence);
	RUN(5, 6, 7, 8);
	is_int(end()->missing, 0, "in order: nothing missing");
	is_str(got, "5! 6 7 8", "in order: as they came");

	begin(by_sequence);
	RUN(5, 7, 6, 8);
	is_int(end()->reordered, 1, "one swapped");
	is_str(got, "5! 6~ 7 8", "is put in order, and nothing is missing");

	begin(by_sequence);
	RUN(6, 5, 7);
	end();
	is_str(got, "5!~ 6 7", "also at the very beginning");

	begin(by_sequence);
	RUN(5, 6, 9, 10);
	is_int(end()->missing, 2, "7 and 8 never come");
	is_str(got, "5! 6 9(+2) 10", "the gap stands at the record behind it");

	begin(by_sequence);
	RUN(5, 6, 6, 7, 5);
	is_int(end()->duplicate, 2, "two came twice");
	is_str(got, "5! 6 7", "and are handed on once");

	begin(by_sequence);
	RUN(5, 7);
	seq(7, 2, 7);
	is_int(end()->duplicate, 1, "a duplicate of one that waits");

	begin(by_sequence);
	for (uint32_t s = 1; s < 10; s++)
		seq(s, s, s);
	seq(11, 11, 11);
	for (uint32_t s = 12; s < 30; s++)
		seq(s, 200, s);
	seq(10, 201, 10);
	is_int(end()->late, 1, "one that comes 200 ms later is late: its place was passed");

	begin(by_sequence);
	for (uint32_t s = 1; s < 200; s++)
		seq(s, s, s);
	seq(10, 200, 10);
	is_int(end()->late, 1, "one that comes 190 numbers later is late");

	begin(by_sequence);
	for (uint32_t s = 5000; s < 5200; s++)
		seq(s, s - 5000, s);
	seq(10, 200, 10);
	is_int(end()->stray, 1, "one far behind, and nothing after it, is a stray");

	begin(by_sequence);
	RUN(0xfffffffeu, 0xffffffffu, 0, 1);
	is_int(end()->missing, 0, "the number wraps");
	is_str(got, "254! 255 0 1", "and nothing happens");
}

static void test_patience(void)
{
	begin(by_sequence);
	seq(1, 1, 1);
	seq_at(2, 120 * TIM_MS, 120, 2);
	seq_at(4, 121 * TIM_MS, 121, 4);
	is_str(got, "1! 2", "4 waits for 3");
	is_int(cdf_order_count(order)->held, 1, "one is held");
	cdf_order_time(order, 1000 * TIM_S + 200 * TIM_MS);
	is_str(got, "1! 2", "80 ms later it still waits");
	cdf_order_time(order, 1000 * TIM_S + 222 * TIM_MS);
	is_str(got, "1! 2 4(+1)", "after 100 ms it does not");
	seq(3, 230, 3);
	is_int(end()->late, 1, "and 3 is late");
}

static void test_restart(void)
{
	begin(by_sequence);
	for (uint32_t s = 5000; s < 5003; s++)
		seq(s, s - 5000, s & 0xff);
	seq(0, 3, 100);
	is_str(got, "", "far back: set aside");
	seq(1, 4, 101);
	seq(2, 5, 102);
	const struct cdf_order_count *n = end();
	is_str(got, "136! 137 138 100! 101 102",
	    "a restart is believed at its second record, all kept");
	is_int(n->stray, 0, "no stray");
	is_int(n->segments, 2, "two segments");

	begin(by_sequence);
	for (uint32_t s = 0; s < 40; s++)
		seq(s % 20, s * 50, s);
	n = end();
	is_int(n->duplicate, 0, "a restart before number 64: numbers come again, with other data");
	is_int(n->segments, 2, "two segments");
	ok(strstr(got, " 17 18 19 20! 21 22 ") && n->late + n->stray + n->held == 0,
	    "and nothing is lost");

	begin(by_sequence);
	for (uint32_t s = 0; s < 10; s++)
		seq(s % 5, s, s);
	n = end();
	is_str(got, "0! 1 2 3 4 5! 6 7 8 9", "the same while the first ones still wait");

	begin(by_sequence);
	for (uint32_t s = 0; s < 4; s++)
		seq(0, 200 * s, s);
	n = end();
	is_str(got, "0!", "a number that never goes on");
	is_int(n->duplicate, 3, "is a duplicate, whatever its data");

	begin(by_sequence);
	RUN(5, 6);
	seq(6, 2, 99);
	seq(7, 3, 7);
	n = end();
	is_str(got, "5! 6 7", "one that comes again with other data, and does not go on");
	is_int(n->duplicate, 1, "is a duplicate");

	begin(by_sequence);
	RUN(5000, 5001);
	seq(77777, 2, 1);
	seq(5002, 3, 138);
	n = end();
	is_str(got, "136! 137 138", "a stray is not handed on");
	is_int(n->stray, 1, "but counted");
	is_int(n->held, 0, "nothing is held at the end");

	begin(by_sequence);
	seq(1, 1, 1);
	seq(2, 2, 2);
	seq(5002, 5002, 3);
	seq(5003, 5003, 4);
	n = end();
	is_str(got, "1! 2 3(+4999) 4", "a long gap is no restart");
	is_int(n->missing, 4999, "and all of it is missing");
}

/* The clock of 2^32 ns wraps each 4.29 s. */
static void test_unwrap(void)
{
	begin(by_sequence);
	for (uint32_t s = 1; s <= 30; s++)
		seq(s * 500, (int64_t)s * 500, 1);
	end();
	is_int(last_clock - 500 * TIM_MS, (int64_t)29 * 500 * TIM_MS,
	    "the clock runs on over its wraps");
}

/* Records 1 to 9, one each 10 ms; the clock of number 5 is `off` ms off. */
static const struct cdf_order_count *with_odd_clock(int64_t off)
{
	begin(by_sequence);
	for (uint32_t s = 1; s < 10; s++)
		seq_at(s, s * 10 * TIM_MS + (s == 5 ? off * TIM_MS : 0), s * 10, s);
	return end();
}

static void test_odd_clock(void)
{
	static const int64_t off[] = {-2000, -30, 30, 900, 2000};

	for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
		char what[80];
		const struct cdf_order_count *n = with_odd_clock(off[i]);
		snprintf(what, sizeof what, "one clock that is %lld ms off is odd, and no segment",
		    (long long)off[i]);
		is_str(got, "1! 2 3 4 5? 6 7 8 9", what);
		is_int(n->segments, 1, "one segment");
		is_int(n->held, 0, "nothing is held at the end");
		is_int(steady[5], 50 * TIM_MS, "its time is taken from the arrivals");
		is_int(steady[6], 60 * TIM_MS, "the next one's is its clock's");
	}

	begin(by_sequence);
	for (uint32_t s = 1; s < 10; s++)
		seq_at(s, s * 10 * TIM_MS + (s == 4 || s == 5 ? 2000 * TIM_MS : 0), s * 10, s);
	end();
	is_str(got, "1! 2 3 4! 5 6! 7 8 9", "two that agree are a step there, and one back");

	begin(by_sequence);
	for (uint32_t s = 1; s < 10; s++)
		seq_at(s,
		    s * 10 * TIM_MS +
			(s == 4          ? 1500
				: s == 5 ? -1500
					 : 0) *
			    TIM_MS,
		    s * 10, s);
	end();
	is_str(got, "1! 2 3 4? 5? 6 7 8 9", "two that do not are two odd ones");

	begin(by_sequence);
	for (uint32_t s = 1; s < 10; s++)
		seq_at(s, s * 10 * TIM_MS, s < 5 ? s * 10 : 500 + s, s);
	end();
	is_str(got, "1! 2 3 4 5 6 7 8 9", "arrivals that stood still make no clock odd");

	begin(by_sequence);
	for (uint32_t s = 1; s < 5; s++)
		seq_at(s, s * 900 * TIM_MS, s * 90, s);
	end();
	is_str(got, "1! 2 3 4", "nor does a recording that is played at ten times its speed");

	begin(by_sequence);
	for (uint32_t s = 1; s < 9; s++) {
		cdf_order_time(order, 1000 * TIM_S + (s * 1000 - 500) * TIM_MS);
		seq_at(s, s * TIM_S + (s == 4 ? -1100 * TIM_MS : 0), s * 1000, s);
	}
	end();
	is_str(got, "1! 2 3 4? 5 6 7 8", "a slow source's is told too, heartbeats or not");

	begin(by_sequence);
	for (uint32_t s = 1; s < 5; s++)
		seq_at(s, s * 10 * TIM_MS + (s == 4 ? 2000 * TIM_MS : 0), s * 10, s);
	end();
	is_str(got, "1! 2 3 4?", "the last one has no witness: no segment begins with it");
}

static void test_clock(void)
{
	const struct cdf_order_count *n;

	begin(by_clock);
	clk(1000, 0, 1);
	clk(3000, 0, 3);
	clk(2000, 0, 2);
	clk(3000, 1, 3);
	n = end();
	is_str(got, "1! 2~ 3", "without sequence numbers the clock gives the order");
	is_int(n->duplicate, 1, "the same time twice is a duplicate");

	begin(by_clock);
	clk(900 * TIM_S, 0, 1);
	clk(900 * TIM_S + TIM_S, 1000, 2);
	clk(5, 2000, 3);
	clk(5 + TIM_S, 3000, 4);
	n = end();
	is_str(got, "1! 2 3! 4", "a clock that starts anew begins a segment");
	is_int(n->stray, 0, "and nothing is lost");

	begin(by_clock);
	clk(INT64_MAX, 0, 1);
	clk(INT64_MIN, 1, 2);
	clk(INT64_MAX, 2, 3);
	clk(0, 3, 4);
	n = end();
	is_int(n->held, 0, "garbled clocks overflow nothing");
}

int main(void)
{
	test_sequence();
	test_patience();
	test_restart();
	test_unwrap();
	test_odd_clock();
	test_clock();
	return done_testing();
}
