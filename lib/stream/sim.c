/* sim.c - a simulated detector: what is sent when, and what goes wrong with it */
#include "sim.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/random.h"
#include "base/tim.h"
#include "base/wire.h"
#include "simrec.h"

#define LOOPBACK      UINT32_C(0x7f000001) /* 127.0.0.1 */
#define SPREAD        (2 * TIM_US)         /* between the modules of an event */
#define WAITING_MAX   (1 << 20)            /* late datagrams at once */
#define USUAL_PORT    2009
#define USUAL_RECORDS 10
#define SENDER_PORT   49152 /* of packets in a file */
#define TEXT_MAX      512
#define NO_VALUE      UINT32_MAX

const char *const sim_fault_name[SIM_FAULTS] = {
    "drop", "dup", "conflict", "swap", "late", "short", "runt", "empty", "garble", "stranger"};

/* What a number is rolled for: faults first, then the rest. */
enum roll { ROLL_JITTER = SIM_FAULTS, ROLL_CUT, ROLL_BITS };

/* A datagram that is decided on and waits for its turn. */
struct plan {
	int64_t due;
	uint64_t order; /* among those due at the same moment */
	uint64_t group; /* which datagram of its source */
	uint32_t module;
	uint32_t faults;
};

struct sim {
	struct sim_options o;
	struct simrec *rec;
	unsigned modules; /* that send */
	uint16_t source[CARD_SOURCES];
	uint32_t value_step; /* of the address byte, port or field: value = first + source + this */
	uint32_t stranger_value; /* NO_VALUE: every value is a source's */
	long double ticks_per_ns, ticks_per_record, ns_per_record;
	uint64_t groups;
	int64_t spread;
	uint64_t group, index; /* the next regular datagram: its group, and which module */
	uint32_t module;
	struct plan *heap;
	size_t waiting, heap_size;
	struct sim_count count;
};

/* ---- options as text ---- */

static int parse_place(const char *text, struct sim_place *p)
{
	char event[24];
	long long v;
	size_t n = strcspn(text, ".");

	if (n >= sizeof event)
		return -1;
	memcpy(event, text, n);
	event[n] = '\0';
	if (conf_int(event, 0, INT64_MAX, &v) < 0)
		return -1;
	p->event = (uint64_t)v;
	p->source = -1;
	if (text[n] == '\0')
		return 0;
	if (conf_int(text + n + 1, 0, CARD_SOURCES - 1, &v) < 0)
		return -1;
	p->source = (int)v;
	return 0;
}

static int parse_when(const char *text, struct sim_when *w, char why[SIM_WHY])
{
	char buf[TEXT_MAX], *save = NULL;
	size_t n = strlen(text);

	*w = (struct sim_when){0};
	if (n == 0 || n >= sizeof buf)
		goto bad;
	memcpy(buf, text, n + 1);
	if (*buf != '@') {
		double unit = 1;
		if (buf[n - 1] == '%') {
			buf[n - 1] = '\0';
			unit = 100;
		}
		if (conf_real(buf, &w->p) < 0 || w->p < 0 || w->p > unit)
			goto bad;
		w->p /= unit;
		return 0;
	}
	for (char *t = strtok_r(buf, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		if (w->places == SIM_PLACES) {
			snprintf(why, SIM_WHY, "more than %d places", SIM_PLACES);
			return -1;
		}
		if (*t != '@' || parse_place(t + 1, &w->place[w->places++]) < 0)
			goto bad;
	}
	return 0;
bad:
	snprintf(why, SIM_WHY,
	    "'%.40s' is neither a probability (0.01, 1%%) nor places (@EVENT, @EVENT.SOURCE, ...)",
	    text);
	return -1;
}

int sim_fault_parse(struct sim_options *o, enum sim_fault f, const char *text, char why[SIM_WHY])
{
	char when[TEXT_MAX];

	snprintf(when, sizeof when, "%s", text);
	char *colon = f == SIM_LATE ? strchr(when, ':') : NULL;
	if (colon) {
		*colon = '\0';
		if (tim_duration(colon + 1, &o->late_by) < 0) {
			snprintf(why, SIM_WHY, "'%.40s' is no time (2s, 500ms)", colon + 1);
			return -1;
		}
	}
	return parse_when(when, &o->when[f], why);
}

int sim_restart_parse(struct sim_options *o, const char *text, char why[SIM_WHY])
{
	o->restarts = true;
	if (parse_place(text, &o->restart) == 0)
		return 0;
	snprintf(
	    why, SIM_WHY, "'%.40s' is neither EVENT nor EVENT.SOURCE, as in 500 or 500.3", text);
	return -1;
}

int sim_modules_parse(struct sim_options *o, const char *text, char why[SIM_WHY])
{
	unsigned nsrc = o->card->nsrc;
	char buf[TEXT_MAX], *save = NULL;
	long long a, b;

	memset(o->module, 0, sizeof o->module);
	if (snprintf(buf, sizeof buf, "%s", text) >= TEXT_MAX || !*buf)
		goto bad;
	if (!strpbrk(buf, ",-")) {
		if (conf_int(buf, 1, nsrc, &a) < 0)
			goto bad;
		memset(o->module, 1, (size_t)a * sizeof *o->module);
		return 0;
	}
	for (char *t = strtok_r(buf, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		char *dash = strchr(t, '-');
		if (dash)
			*dash++ = '\0';
		if (conf_int(t, 0, nsrc - 1, &a) < 0 ||
		    conf_int(dash ? dash : t, a, nsrc - 1, &b) < 0)
			goto bad;
		memset(o->module + a, 1, (size_t)(b - a + 1) * sizeof *o->module);
	}
	return 0;
bad:
	snprintf(why, SIM_WHY,
	    "'%.40s' is neither a count up to %u nor a list such as 0-3,7 within 0 to %u", text,
	    nsrc, nsrc - 1);
	return -1;
}

void sim_defaults(struct sim_options *o, const struct card *c)
{
	unsigned fit = CARD_RECORD_MAX / c->record;

	*o = (struct sim_options){.card = c,
	    .events = UINT64_MAX,
	    .records = c->whole       ? 1
		: fit < USUAL_RECORDS ? fit
				      : USUAL_RECORDS,
	    .rate = c->rate,
	    .port = c->port ? c->port : USUAL_PORT,
	    .late_by = c->hold > 0 ? 2 * c->hold : 2 * TIM_S};
	if (c->by == CARD_BY_PORT && !c->modulo)
		o->port = (uint16_t)c->first;
	memset(o->module, 1, c->nsrc * sizeof *o->module);
}

/* ---- chance ---- */

static bool happens(const struct sim *s, enum sim_fault fault, const struct plan *p)
{
	const struct sim_when *w = &s->o.when[fault];
	unsigned source = s->source[p->module];

	for (unsigned i = 0; i < w->places; i++)
		if (w->place[i].event / s->o.records == p->group &&
		    (w->place[i].source < 0 || w->place[i].source == (int)source))
			return true;
	if (w->p <= 0)
		return false;
	return random_unit(simrec_roll(s->o.seed, fault, p->group, source)) < w->p;
}

/* ---- the device's clock ---- */

uint64_t sim_clock0(const struct sim_options *o, int64_t start, int64_t since)
{
	const struct card *c = o->card;
	int64_t ns = since;

	/* The first datagram leaves with its last record; TAI was 37 s ahead of UTC from 2017 on. */
	if (c->tie == CARD_TIE_UTC || c->tie == CARD_TIE_TAI)
		ns = start - (int64_t)((o->records - 1) * 1e9L / o->rate) +
		    (c->tie == CARD_TIE_TAI ? 37 * TIM_S : 0);
	if (ns < 0)
		ns = 0;
	return (uint64_t)((long double)ns * c->clock_den / c->clock_num);
}

static uint64_t mask(unsigned width)
{
	return width < 64 ? (UINT64_C(1) << width) - 1 : UINT64_MAX;
}

/* Whether a source's record comes after its restart. */
static bool restarted(const struct sim *s, uint64_t event, int source)
{
	const struct sim_options *o = &s->o;

	return o->restarts && event >= o->restart.event &&
	    (o->restart.source < 0 || o->restart.source == source);
}

/* Ticks since the device was switched on, before any wrap. */
static uint64_t ticks_at(const struct sim *s, uint64_t event, int source)
{
	bool again = restarted(s, event, source);
	uint64_t n = again ? event - s->o.restart.event : event;
	uint64_t ticks = (uint64_t)((long double)n * s->ticks_per_record);

	if (!again)
		ticks += s->o.clock0;
	if (s->o.jitter > 0) {
		uint64_t r = simrec_roll(s->o.seed, ROLL_JITTER, event, (unsigned)source);
		double ns = ((double)(r >> 11) * 0x1p-52 - 1) * (double)s->o.jitter;
		int64_t off = (int64_t)(ns * (double)s->ticks_per_ns);
		if (again && off < 0 && (uint64_t)-off > ticks)
			off = -(int64_t)ticks;
		ticks += (uint64_t)off;
	}
	return ticks;
}

/* The bits of the clock that a garbled datagram has wrong: one of the upper half at least. */
static uint64_t garbled_bits(const struct sim *s, const struct sim_datagram *d)
{
	unsigned width = s->o.card->clock_width;
	uint64_t r = simrec_roll(s->o.seed, ROLL_BITS, d->event, (unsigned)d->twin);
	unsigned upper = width / 2 + (unsigned)(r % (width - width / 2));
	unsigned other = (unsigned)(r >> 32) % width;

	return UINT64_C(1) << upper | UINT64_C(1) << other;
}

/* The moving fields of record k of a datagram. */
static struct simrec_now now_of(const struct sim *s, const struct sim_datagram *d, unsigned k)
{
	const struct card *c = s->o.card;
	uint64_t event = d->event + k;
	uint64_t ticks = ticks_at(s, event, d->twin);
	unsigned __int128 ns = (unsigned __int128)ticks * c->clock_num / c->clock_den;
	struct simrec_now now = {.ticks = ticks, .seconds = (uint64_t)(ns / TIM_S)};

	now.sequence =
	    restarted(s, event, d->twin) ? event - s->o.restart.event : s->o.seq0 + event;
	if (c->seq_field >= 0)
		now.sequence &= mask(c->seq_width);
	if (c->clock_seconds >= 0)
		now.ticks = (uint64_t)((ns % TIM_S) * c->clock_den / c->clock_num);
	if (d->faults & 1u << SIM_GARBLE)
		now.ticks ^= garbled_bits(s, d);
	now.ticks &= mask(c->clock_width);
	if (c->by == CARD_BY_FIELD)
		now.source = d->source < 0 ? s->stranger_value : c->first + (uint32_t)d->twin;
	return now;
}

/* ---- the order of sending: a heap of what is decided ---- */

static bool before(const struct plan *a, const struct plan *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static int push(struct sim *s, struct plan p)
{
	if (s->waiting == s->heap_size) {
		size_t size = s->heap_size ? 2 * s->heap_size : 64;
		struct plan *heap =
		    size > WAITING_MAX ? NULL : realloc(s->heap, size * sizeof *heap);
		if (!heap) {
			errno = ENOMEM;
			return -1;
		}
		s->heap = heap;
		s->heap_size = size;
	}
	size_t i = s->waiting++;
	for (; i > 0 && before(&p, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = p;
	return 0;
}

static struct plan pop(struct sim *s)
{
	struct plan top = s->heap[0], last = s->heap[--s->waiting];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->waiting) {
		if (child + 1 < s->waiting && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

static int64_t due_of(const struct sim *s, uint64_t group, uint32_t module)
{
	return (int64_t)((long double)group * s->o.records * s->ns_per_record) + module * s->spread;
}

static bool more(const struct sim *s)
{
	return s->group < s->groups;
}

/* The next regular datagram. Eight orders each: itself, its copies, and those of the one before
 * that changed places with it. */
static struct plan regular(const struct sim *s)
{
	return (struct plan){.due = due_of(s, s->group, s->module),
	    .order = 8 * s->index,
	    .group = s->group,
	    .module = s->module};
}

static void step(struct sim *s)
{
	s->index++;
	if (++s->module == s->modules) {
		s->module = 0;
		s->group++;
	}
}

/* The faults of one datagram's contents: at most one. */
static unsigned spoil(const struct sim *s, const struct plan *p)
{
	static const enum sim_fault kinds[] = {SIM_EMPTY, SIM_RUNT, SIM_SHORT, SIM_GARBLE};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (happens(s, kinds[i], p))
			return 1u << kinds[i];
	return 0;
}

static int add(struct sim *s, struct plan p, uint64_t order, unsigned faults)
{
	p.order = order;
	p.faults |= faults;
	return push(s, p);
}

/* Decides what becomes of the next regular datagram. */
static int decide(struct sim *s)
{
	struct plan p = regular(s);
	struct sim_place *at = &s->o.restart;

	step(s);
	if (s->o.restarts && p.group == at->event / s->o.records &&
	    (at->source < 0 || at->source == s->source[p.module]))
		s->count.restarts++;
	if (happens(s, SIM_STRANGER, &p) && add(s, p, p.order + 3, 1u << SIM_STRANGER) < 0)
		return -1;
	if (happens(s, SIM_DROP, &p)) {
		s->count.dropped++;
		return 0;
	}
	p.faults = spoil(s, &p);
	bool dup = happens(s, SIM_DUP, &p), conflict = happens(s, SIM_CONFLICT, &p);
	if (happens(s, SIM_LATE, &p)) {
		p.faults |= 1u << SIM_LATE;
		p.due += s->o.late_by;
	} else if (more(s) && happens(s, SIM_SWAP, &p)) {
		p.faults |= 1u << SIM_SWAP;
		p.due = due_of(s, s->group, s->module);
		p.order = 8 * s->index + 4;
	}
	if (add(s, p, p.order, 0) < 0 || (dup && add(s, p, p.order + 1, 1u << SIM_DUP) < 0) ||
	    (conflict && add(s, p, p.order + 2, 1u << SIM_CONFLICT) < 0))
		return -1;
	return 0;
}

/* ---- datagrams ---- */

static uint32_t address_of(const struct sim *s, uint32_t value)
{
	static const unsigned shift[] = {24, 16, 8, 0};
	const struct card *c = s->o.card;
	unsigned byte = c->address_byte < 3 ? c->address_byte : 3;

	if (c->by != CARD_BY_ADDRESS)
		return LOOPBACK;
	return (byte == 3 ? LOOPBACK & ~UINT32_C(255) : LOOPBACK) | value << shift[byte];
}

static void describe(const struct sim *s, const struct plan *p, struct sim_datagram *d)
{
	const struct card *c = s->o.card;
	uint64_t left = s->o.events - p->group * s->o.records;
	bool stranger = p->faults & 1u << SIM_STRANGER;

	*d = (struct sim_datagram){.event = p->group * s->o.records,
	    .records = left < s->o.records ? (unsigned)left : s->o.records,
	    .twin = s->source[p->module],
	    .due = p->due,
	    .faults = p->faults,
	    .port = s->o.port};
	d->source = stranger ? -1 : d->twin;
	uint32_t value =
	    stranger ? s->stranger_value : c->first + (uint32_t)d->twin + s->value_step;
	d->address = address_of(s, value);
	if (c->by == CARD_BY_PORT)
		d->port = (uint16_t)value;
	if (p->faults & 1u << SIM_SHORT)
		d->records--;
	d->len = (size_t)d->records * c->record;
	if (p->faults & 1u << SIM_RUNT)
		d->len = 1 +
		    simrec_roll(s->o.seed, ROLL_CUT, p->group, (unsigned)d->twin) % (c->record - 1);
	if (p->faults & 1u << SIM_EMPTY)
		d->len = 0;
	if (p->faults & (1u << SIM_RUNT | 1u << SIM_EMPTY))
		d->records = 0;
}

int sim_next(struct sim *s, struct sim_datagram *d)
{
	for (;;) {
		struct plan next = regular(s);
		if (s->waiting > 0 && (!more(s) || before(&s->heap[0], &next))) {
			struct plan p = pop(s);
			describe(s, &p, d);
			return 1;
		}
		if (!more(s))
			return 0;
		if (decide(s) < 0)
			return -1;
	}
}

void sim_write(struct sim *s, const struct sim_datagram *d, uint8_t *to)
{
	size_t record = s->o.card->record;
	struct simrec_now now;

	for (unsigned k = 0; k < d->records; k++) {
		now = now_of(s, d, k);
		simrec_write(s->rec, d->event + k, (unsigned)d->twin, &now, to + k * record);
	}
	if (d->faults & 1u << SIM_CONFLICT && d->records > 0)
		simrec_spoil(s->rec, to);
	if (d->faults & 1u << SIM_RUNT) {
		uint8_t whole[CARD_RECORD_MAX];
		now = now_of(s, d, 0);
		simrec_write(s->rec, d->event, (unsigned)d->twin, &now, whole);
		memcpy(to, whole, d->len);
	}
}

size_t sim_write_packet(struct sim *s, const struct sim_datagram *d, uint8_t *to)
{
	struct pkt_addr src = {.family = 4, .port = SENDER_PORT},
			dst = {.family = 4, .port = d->port};
	u32be address;

	wire_put(&address, d->address);
	memcpy(src.addr, &address, sizeof address);
	wire_put(&address, LOOPBACK);
	memcpy(dst.addr, &address, sizeof address);
	sim_write(s, d, to + SIM_HEAD);
	return pkt_headers(to, &src, &dst, to + SIM_HEAD, d->len) + d->len;
}

const struct sim_count *sim_count(const struct sim *s)
{
	return &s->count;
}

/* ---- the truth ---- */

const char sim_truth_head[] =
    "# index\tsource\tevent\trecords\tclock\tsequence\ttime\tbytes\tfault\n";

size_t sim_truth(const struct sim *s, const struct sim_datagram *d, uint64_t index, int64_t time,
    char line[SIM_LINE])
{
	const struct card *c = s->o.card;
	int n = snprintf(line, SIM_LINE, "%" PRIu64 "\t%d\t%" PRIu64 "\t%u\t", index, d->source,
	    d->event, d->records);

	if (c->clock_field < 0 || d->records == 0)
		n += snprintf(line + n, SIM_LINE - (size_t)n, "-");
	for (unsigned k = 0; k < d->records && c->clock_field >= 0; k++) {
		struct simrec_now now = now_of(s, d, k);
		n += snprintf(line + n, SIM_LINE - (size_t)n, "%s", k ? "," : "");
		if (c->clock_seconds >= 0)
			n += snprintf(line + n, SIM_LINE - (size_t)n, "%" PRIu64 ":", now.seconds);
		n += snprintf(line + n, SIM_LINE - (size_t)n, "%" PRIu64, now.ticks);
	}
	if (c->seq_field < 0 || d->records == 0)
		n += snprintf(line + n, SIM_LINE - (size_t)n, "\t-");
	else
		n += snprintf(
		    line + n, SIM_LINE - (size_t)n, "\t%" PRIu64, now_of(s, d, 0).sequence);
	n += snprintf(line + n, SIM_LINE - (size_t)n, "\t%" PRId64 "\t%zu\t", time, d->len);
	if (!d->faults)
		line[n++] = '-';
	for (unsigned i = 0, any = 0; i < SIM_FAULTS; i++)
		if (d->faults >> i & 1)
			n += snprintf(line + n, SIM_LINE - (size_t)n, "%s%s", any++ ? "," : "",
			    sim_fault_name[i]);
	line[n++] = '\n';
	return (size_t)n;
}

/* ---- beginning and end ---- */

/* Finds address bytes, ports or field values that stand for the sources, and one that does not. */
static int find_values(struct sim *s, char why[SIM_WHY])
{
	const struct card *c = s->o.card;
	uint32_t lo = 0, hi = UINT32_MAX - 1, first = c->first, last = first + c->nsrc - 1;
	const char *what = "values of its source field";

	if (c->by == CARD_BY_ADDRESS) {
		lo = 1, hi = 254, what = "address bytes 1 to 254";
		if (c->address_byte == 0) {
			snprintf(why, SIM_WHY,
			    "its sources differ in the first byte of their address: loopback has "
			    "one");
			return -1;
		}
	} else if (c->by == CARD_BY_PORT) {
		lo = 1, hi = 65535, what = "ports";
		if (s->o.port > first)
			lo = s->o.port;
		if (!c->modulo && s->o.port != first) {
			snprintf(why, SIM_WHY, "its sources are ports %u to %u: send to port %u",
			    first, last, first);
			return -1;
		}
	}
	while (first + s->value_step < lo && c->modulo)
		s->value_step += c->modulo;
	if (first + s->value_step < lo || last + s->value_step > hi) {
		snprintf(
		    why, SIM_WHY, "its sources %u to %u do not all have %s", 0u, c->nsrc - 1, what);
		return -1;
	}
	s->stranger_value = NO_VALUE;
	for (uint32_t v = last + s->value_step + 1; v <= hi && v != lo + 70000; v++) {
		uint32_t n = (c->modulo ? v % c->modulo : v) - first;
		if (n >= c->nsrc) {
			s->stranger_value = v;
			break;
		}
	}
	for (uint32_t v = lo; s->stranger_value == NO_VALUE && v < first + s->value_step; v++)
		if ((c->modulo ? v % c->modulo : v) - first >= c->nsrc)
			s->stranger_value = v;
	return 0;
}

static bool wanted(const struct sim_options *o, enum sim_fault f)
{
	return o->when[f].p > 0 || o->when[f].places > 0;
}

static int check(const struct sim *s, char why[SIM_WHY])
{
	const struct sim_options *o = &s->o;
	const struct card *c = o->card;
	const char *no = NULL;

	if (o->rate <= 0)
		no = "it gives no rate: say -r RATE";
	else if (c->whole && o->records > 1)
		no = "its datagram is one record: --records does not fit";
	else if (o->records > SIM_RECORDS || (size_t)o->records * c->record > CARD_RECORD_MAX)
		no = "so many records do not fit into a datagram";
	else if (wanted(o, SIM_STRANGER) && s->stranger_value == NO_VALUE)
		no = "every sender is one of its sources: there are no strangers";
	else if (wanted(o, SIM_GARBLE) && c->clock_field < 0)
		no = "it has no clock to garble";
	else if (wanted(o, SIM_SHORT) && o->records < 2)
		no = "a datagram has one record: it cannot be one short";
	else if (wanted(o, SIM_RUNT) && c->record < 2)
		no = "a record is one byte: nothing is shorter";
	if (no)
		snprintf(why, SIM_WHY, "%s", no);
	return no ? -1 : 0;
}

struct sim *sim_new(const struct sim_options *o, char why[SIM_WHY])
{
	struct sim *s = calloc(1, sizeof *s);
	const struct card *c = o->card;

	if (!s) {
		snprintf(why, SIM_WHY, "no memory");
		return NULL;
	}
	s->o = *o;
	for (unsigned i = 0; i < c->nsrc; i++)
		if (o->module[i])
			s->source[s->modules++] = (uint16_t)i;
	if (find_values(s, why) < 0 || check(s, why) < 0)
		goto bad;
	s->ns_per_record = 1e9L / o->rate;
	if (c->clock_field >= 0) {
		s->ticks_per_ns = (long double)c->clock_den / c->clock_num;
		/* one division, so that 256 MHz / 2^19 gives 2^19 ticks and not a hair less */
		s->ticks_per_record = 1e9L * c->clock_den / ((long double)o->rate * c->clock_num);
		if (c->clock_seconds < 0)
			s->o.clock0 &= mask(c->clock_width);
	}
	s->groups = o->events / o->records + (o->events % o->records != 0);
	long double room = s->ns_per_record * o->records / (4 * s->modules);
	s->spread = room < SPREAD ? (int64_t)room : SPREAD;
	s->rec = simrec_new(c, o->seed, s->source, s->modules);
	if (s->rec)
		return s;
	snprintf(why, SIM_WHY, "no memory");
bad:
	sim_free(s);
	return NULL;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	simrec_free(s->rec);
	free(s->heap);
	free(s);
}
