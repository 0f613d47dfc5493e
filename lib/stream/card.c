/* card.c - cards: finding one, and taking records apart by it */
#include "card.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/wire.h"

#define CARD_LIST_MAX 1000
#define CARD_PATH     4096

static const uint8_t type_size[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

size_t card_size(enum card_type t)
{
	return type_size[t];
}

/* ---- one value: evbuild's way ---- */

typedef uint16_t __attribute__((aligned(1), may_alias)) loose16;
typedef uint32_t __attribute__((aligned(1), may_alias)) loose32;
typedef uint64_t __attribute__((aligned(1), may_alias)) loose64;

static inline uint64_t load(const uint8_t *p, size_t size, bool swap)
{
	switch (size) {
	case 1:
		return *p;
	case 2: {
		uint16_t v = *(const loose16 *)p;
		return swap ? __builtin_bswap16(v) : v;
	}
	case 4: {
		uint32_t v = *(const loose32 *)p;
		return swap ? __builtin_bswap32(v) : v;
	}
	default: {
		uint64_t v = *(const loose64 *)p;
		return swap ? __builtin_bswap64(v) : v;
	}
	}
}

int64_t card_value(const struct card *c, int field, const uint8_t *rec)
{
	const struct card_field *f = &c->field[field];
	size_t size = type_size[f->type];
	uint64_t v = f->xor ^load(rec + f->piece[0].offset, size, f->piece[0].swap);

	switch (f->type) {
	case CARD_I8:
		return (int8_t)v;
	case CARD_I16:
		return (int16_t)v;
	case CARD_I32:
		return (int32_t)v;
	case CARD_I64:
		return (int64_t)v;
	default:
		return (int64_t)(v >> f->shift & f->mask);
	}
}

int card_source(const struct card *c, const struct pkt *p, const uint8_t *rec)
{
	uint64_t n;

	if (c->by == CARD_BY_ADDRESS) {
		unsigned last = p->src.family == 6 ? 15 : 3;
		unsigned byte = c->address_byte == CARD_BYTE_LAST ? last : c->address_byte;
		if (byte > last)
			return -1;
		n = p->src.addr[byte];
	} else if (c->by == CARD_BY_PORT) {
		n = p->dst.port;
	} else {
		int64_t v = card_value(c, c->source_field, rec);
		if (v < 0 && c->field[c->source_field].type != CARD_U64)
			return -1;
		n = (uint64_t)v;
	}
	if (c->modulo)
		n %= c->modulo;
	n -= c->first; /* below first: huge, so refused by the next line */
	return n < c->nsrc ? (int)n : -1;
}

char *card_sources(const struct card *c, char buf[CARD_WHY])
{
	const char *dot = c->by == CARD_BY_ADDRESS ? "." : "";
	unsigned limit = c->by == CARD_BY_ADDRESS ? 255 : 65535, lo = c->first;
	size_t n = (size_t)snprintf(buf, CARD_WHY, "sources 0 to %u", c->nsrc - 1);

	if (c->by == CARD_BY_FIELD)
		return buf;
	if (c->by == CARD_BY_ADDRESS && c->address_byte != CARD_BYTE_LAST)
		n += (size_t)snprintf(
		    buf + n, CARD_WHY - n, " (byte %u of the address", c->address_byte);
	else
		n += (size_t)snprintf(buf + n, CARD_WHY - n, " (%s",
		    c->by == CARD_BY_PORT ? "ports" : "addresses that end in");
	for (int k = 0; n < CARD_WHY && lo <= limit && k < 4; k++, lo += c->modulo) {
		unsigned hi = lo + c->nsrc - 1;
		n += (size_t)snprintf(buf + n, CARD_WHY - n, "%s %s%u to %s%u", k ? "," : "", dot,
		    lo, dot, hi > limit ? limit : hi);
		if (!c->modulo)
			break;
	}
	if (n < CARD_WHY)
		snprintf(buf + n, CARD_WHY - n, ")");
	return buf;
}

uint64_t card_clock(const struct card *c, const uint8_t *rec)
{
	if (c->clock_field < 0)
		return 0;

	uint64_t ticks = (uint64_t)card_value(c, c->clock_field, rec), ns;
	if (c->clock_width < 64)
		ticks &= (UINT64_C(1) << c->clock_width) - 1;
	if (c->clock_num == c->clock_den)
		ns = ticks;
	else if (!__builtin_mul_overflow(ticks, c->clock_num, &ns))
		ns /= c->clock_den;
	else
		ns = (uint64_t)((unsigned __int128)ticks * c->clock_num / c->clock_den);
	if (c->clock_seconds >= 0)
		ns += (uint64_t)card_value(c, c->clock_seconds, rec) * UINT64_C(1000000000);
	return c->clock_wrap && ns >= c->clock_wrap ? ns % c->clock_wrap : ns;
}

uint64_t card_clock_wrap(const struct card *c)
{
	return c->clock_wrap;
}

/* ---- all values of a field: raw2nc's way ---- */

typedef uint8_t loose8;
#define SWAP8(v) (v)
#define SWAP16   __builtin_bswap16
#define SWAP32   __builtin_bswap32
#define SWAP64   __builtin_bswap64

/* The loops of one element size: n values from `from`, or from `even` and `odd`, to `to`. The
 * compiler makes two loops of each, with and without the swap. */
#define LOOPS(bits)                                                                                \
	static inline uint##bits##_t turn##bits(uint##bits##_t v, bool swap)                       \
	{                                                                                          \
		return swap ? SWAP##bits(v) : v;                                                   \
	}                                                                                          \
	WIRE_VECTOR static void copy##bits(loose##bits *restrict to,                               \
	    const loose##bits *restrict from, size_t n, bool swap, uint##bits##_t x)               \
	{                                                                                          \
		for (size_t i = 0; i < n; i++)                                                     \
			to[i] = turn##bits(from[i], swap) ^ x;                                     \
	}                                                                                          \
	WIRE_VECTOR static void pick##bits(loose##bits *restrict to,                               \
	    const loose##bits *restrict from, size_t n, bool swap, uint##bits##_t x)               \
	{                                                                                          \
		for (size_t i = 0; i < n; i++)                                                     \
			to[i] = turn##bits(from[2 * i], swap) ^ x;                                 \
	}                                                                                          \
	WIRE_VECTOR static void zip##bits(loose##bits *restrict to,                                \
	    const loose##bits *restrict even, const loose##bits *restrict odd, size_t n,           \
	    bool swap, uint##bits##_t x)                                                           \
	{                                                                                          \
		for (size_t i = 0; i < n; i++) {                                                   \
			to[2 * i] = turn##bits(even[i], swap) ^ x;                                 \
			to[2 * i + 1] = turn##bits(odd[i], swap) ^ x;                              \
		}                                                                                  \
	}

LOOPS(8)
LOOPS(16)
LOOPS(32)
LOOPS(64)

/* Calls the loop for an element size. */
#define BY_SIZE(size, loop, ...)                                                                   \
	do {                                                                                       \
		switch (size) {                                                                    \
		case 1:                                                                            \
			loop(8, __VA_ARGS__);                                                      \
			break;                                                                     \
		case 2:                                                                            \
			loop(16, __VA_ARGS__);                                                     \
			break;                                                                     \
		case 4:                                                                            \
			loop(32, __VA_ARGS__);                                                     \
			break;                                                                     \
		default:                                                                           \
			loop(64, __VA_ARGS__);                                                     \
		}                                                                                  \
	} while (0)

/* A field on its way out of a record: turn, when not in the host's byte order. */
struct extract {
	const struct card_field *f;
	const uint8_t *rec;
	uint8_t *to;
	size_t size;   /* of an element */
	uint64_t xor ; /* the field's, in the order that goes out */
	bool turn;
};

static inline void store(const struct extract *x, uint32_t k, uint64_t v)
{
#define STORE(bits, p) *(loose##bits *)(p) = turn##bits((uint##bits##_t)v, x->turn)
	BY_SIZE(x->size, STORE, x->to + k * x->size);
}

static void each(const struct extract *x, const struct card_piece *p, uint32_t from)
{
	const struct card_field *f = x->f;

	for (uint32_t k = from; k < p->count; k++) {
		uint64_t v = load(x->rec + p->offset + (size_t)p->stride * k, x->size, p->swap);
		store(x, p->first + p->step * k, (v ^ f->xor) >> f->shift & f->mask);
	}
}

/* The piece and the next one hold the even and the odd elements; one may be longer. */
static void zip(const struct extract *x, const struct card_piece *p)
{
	uint32_t n = p[0].count < p[1].count ? p[0].count : p[1].count;

#define ZIP(bits, t, a, b)                                                                         \
	zip##bits((loose##bits *)(t), (const loose##bits *)(a), (const loose##bits *)(b), n,       \
	    p->swap != x->turn, (uint##bits##_t)x->xor)
	BY_SIZE(
	    x->size, ZIP, x->to + p->first * x->size, x->rec + p[0].offset, x->rec + p[1].offset);
	each(x, p, n);
	each(x, p + 1, n);
}

static void move(const struct extract *x, const struct card_piece *p)
{
	const uint8_t *from = x->rec + p->offset;
	uint8_t *to = x->to + p->first * x->size;
	bool swap = p->swap != x->turn;

	switch (p->move) {
	case CARD_COPY:
		if (x->xor == 0 && (!swap || x->size == 1)) {
			memcpy(to, from, x->size * p->count);
			break;
		}
#define COPY(bits, t, s)                                                                           \
	copy##bits(                                                                                \
	    (loose##bits *)(t), (const loose##bits *)(s), p->count, swap, (uint##bits##_t)x->xor)
		BY_SIZE(x->size, COPY, to, from);
		break;
	case CARD_PICK:
#define PICK(bits, t, s)                                                                           \
	pick##bits(                                                                                \
	    (loose##bits *)(t), (const loose##bits *)(s), p->count, swap, (uint##bits##_t)x->xor)
		BY_SIZE(x->size, PICK, to, from);
		break;
	case CARD_ZIP:
		zip(x, p);
		break;
	case CARD_EACH:
		each(x, p, 0);
		break;
	case CARD_DONE:
		break;
	}
}

static void extract(const struct card_field *f, const uint8_t *rec, uint8_t *to, bool turn)
{
	size_t size = type_size[f->type];
	struct extract x = {
	    .f = f, .rec = rec, .to = to, .size = size, .xor = f->xor, .turn = turn};

	if (turn)
		x.xor = __builtin_bswap64(f->xor) >> (64 - 8 * size);
	/* the gaps, and what lies between them: the pieces write that again */
	for (uint32_t k = f->gap_first; k < f->gap_first + f->gap_count; k++)
		store(&x, k, f->fill_bits);
	for (int i = 0; i < f->npieces; i++)
		move(&x, &f->piece[i]);
}

void card_extract(const struct card *c, int field, const uint8_t *rec, void *to)
{
	extract(&c->field[field], rec, to, false);
}

void card_extract_big(const struct card *c, int field, const uint8_t *rec, void *to)
{
	extract(&c->field[field], rec, to, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
}

/* ---- finding cards ---- */

/* The folders of the card path, in order; calls each one until it returns other than 0. */
static int folders(int (*try)(void *ctx, const char *folder), void *ctx)
{
	const char *env = getenv("FYKE_CARDS"), *xdg = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	char path[CARD_PATH];
	int stop = 0;

	while (env && *env && !stop) {
		size_t n = strcspn(env, ":");
		if (n > 0 && n < sizeof path) {
			memcpy(path, env, n);
			path[n] = '\0';
			stop = try(ctx, path);
		}
		env += n + (env[n] == ':');
	}
	if (!stop && ((xdg && *xdg) || home)) {
		bool own = xdg && *xdg;
		int n = snprintf(path, sizeof path, "%s%s", own ? xdg : home,
		    own ? "/fyke/cards" : "/.config/fyke/cards");
		if (n < CARD_PATH)
			stop = try(ctx, path);
	}
	if (!stop && io_beside("../share/fyke/cards", path, sizeof path) == 0)
		stop = try(ctx, path);
	if (!stop && io_beside("../../etc/cards", path, sizeof path) == 0)
		stop = try(ctx, path);
	return stop;
}

struct wanted {
	const char *name;
	char path[CARD_PATH];
};

static int holds(void *ctx, const char *folder)
{
	struct wanted *w = ctx;
	int n = snprintf(w->path, sizeof w->path, "%s/%s.card", folder, w->name);
	return n < CARD_PATH && access(w->path, F_OK) == 0;
}

static struct card *load_path(const char *path, char why[CARD_WHY])
{
	size_t n;
	char *text = io_slurp(path, CARD_TEXT_MAX, &n);

	if (!text) {
		if (errno == EFBIG)
			snprintf(why, CARD_WHY, "%.150s: a card has at most %d bytes", path,
			    CARD_TEXT_MAX);
		else
			snprintf(why, CARD_WHY, "%.150s: %s", path, strerror(errno));
		return NULL;
	}
	size_t len = strlen(path);
	struct card *c = card_parse(len > 90 ? path + len - 90 : path, text, n, why);
	free(text);
	return c;
}

static void say_name(void *ctx, const char *name, const char *title, const char *path)
{
	char *why = ctx;
	size_t n = strlen(why);

	(void)title, (void)path;
	snprintf(why + n, CARD_WHY - n, "%s%s", why[n - 1] == ' ' ? "" : ", ", name);
}

static void unknown(const char *name, char why[CARD_WHY])
{
	int n = snprintf(why, CARD_WHY, "%.60s: no such card; there are ", name);
	if (card_list(say_name, why) == 0)
		snprintf(why + n, CARD_WHY - (size_t)n,
		    "none in $FYKE_CARDS, ~/.config/fyke/cards and PREFIX/share/fyke/cards");
}

struct card *card_load(const char *name, char why[CARD_WHY])
{
	struct wanted w = {.name = name};
	size_t n = strlen(name);

	if (strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".card") == 0))
		return load_path(name, why);
	if (n > 0 && folders(holds, &w) > 0)
		return load_path(w.path, why);
	unknown(name, why);
	return NULL;
}

struct found {
	char *name, *path;
};
struct list {
	struct found found[CARD_LIST_MAX];
	int n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static void found(struct list *l, const char *folder, const char *file)
{
	size_t n = strlen(file);
	char *name, *path;

	if (l->n == CARD_LIST_MAX || n <= 5 || strcmp(file + n - 5, ".card") != 0 || file[0] == '.')
		return;
	name = strndup(file, n - 5);
	for (int i = 0; name && i < l->n; i++)
		if (strcmp(l->found[i].name, name) == 0) {
			free(name);
			return;
		}
	if (!name || asprintf(&path, "%s/%s", folder, file) < 0) {
		free(name);
		return;
	}
	l->found[l->n++] = (struct found){name, path};
}

static int look(void *ctx, const char *folder)
{
	DIR *d = opendir(folder);

	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));)
		found(ctx, folder, e->d_name);
	closedir(d);
	return 0;
}

int card_list(card_each *say, void *ctx)
{
	struct list *l = calloc(1, sizeof *l);
	char why[CARD_WHY];

	if (!l)
		return 0;
	folders(look, l);
	qsort(l->found, (size_t)l->n, sizeof *l->found, by_name);
	for (int i = 0; i < l->n; i++) {
		struct card *c = load_path(l->found[i].path, why);
		say(ctx, l->found[i].name, c ? c->title : why, l->found[i].path);
		card_free(c);
		free(l->found[i].name);
		free(l->found[i].path);
	}
	int n = l->n;
	free(l);
	return n;
}

void card_free(struct card *c)
{
	if (!c)
		return;
	free(c->text);
	free(c);
}
