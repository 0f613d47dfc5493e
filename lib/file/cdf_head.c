/*
 * cdf_head.c - the header of a netCDF classic file: its tables, and a reader that trusts nothing
 *
 * Source: "NetCDF Classic and 64-bit Offset File Formats" and "CDF-5 File Format Specification":
 *
 *	header   = "CDF" kind numrecs dim_list gatt_list var_list
 *	list     = 0 0 | tag count elements         tag u32; 10 dims, 11 vars, 12 atts
 *	dim      = name length                      length 0: the record dimension
 *	att      = name type count values pad
 *	var      = name count dimid[count] att_list type vsize begin
 *	name     = count bytes pad                  padded to 4 with NULs
 *
 * Counts, lengths, dimids and vsize are u32 in CDF-2 and u64 in CDF-5, types and tags always u32,
 * begin always u64; everything is big-endian. numrecs of all ones means "not known".
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wire.h"
#include "file/cdf.h"

enum tag { TAG_NONE = 0, TAG_DIMS = 10, TAG_VARS = 11, TAG_ATTS = 12 };

size_t cdf_size(enum cdf_type t)
{
	switch (t) {
	case CDF_I8:
	case CDF_CHAR:
	case CDF_U8:
		return 1;
	case CDF_I16:
	case CDF_U16:
		return 2;
	case CDF_I32:
	case CDF_F32:
	case CDF_U32:
		return 4;
	case CDF_F64:
	case CDF_I64:
	case CDF_U64:
		return 8;
	}
	return 0;
}

/* ---- tables ---- */

struct cdf_head *cdf_head_new(enum cdf_kind kind)
{
	struct cdf_head *h = calloc(1, sizeof *h);

	if (h)
		h->kind = kind;
	return h;
}

static void free_atts(struct cdf_atts *a)
{
	for (int i = 0; i < a->n; i++)
		free(a->att[i].data);
	free(a->att);
}

void cdf_head_free(struct cdf_head *h)
{
	if (!h)
		return;
	for (int v = 0; v < h->nvars; v++)
		free_atts(&h->var[v].atts);
	free_atts(&h->atts);
	free(h->dim);
	free(h->var);
	free(h);
}

/* A new zeroed element at the end of a table that has room for powers of two; NULL: no memory. */
static void *grow(void **table, int *n, size_t size, int max)
{
	if (*n >= max)
		return NULL;
	if ((*n & (*n - 1)) == 0) {
		void *more = realloc(*table, (size_t)(*n ? 2 * *n : 1) * size);
		if (!more)
			return NULL;
		*table = more;
	}
	void *new = (char *)*table + (size_t)*n *size;
	memset(new, 0, size);
	(*n)++;
	return new;
}

static bool set_name(char to[CDF_NAME], const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= CDF_NAME)
		return false;
	memcpy(to, name, n + 1);
	return true;
}

int cdf_dim(struct cdf_head *h, const char *name, uint64_t len)
{
	struct cdf_dim *d = grow((void **)&h->dim, &h->ndims, sizeof *d, CDF_DIMS_MAX);

	if (!d || !set_name(d->name, name)) {
		h->bad = true;
		return -1;
	}
	d->len = len;
	return h->ndims - 1;
}

/* Sets record and count from the dimensions; false when they make no variable. */
static bool measure(const struct cdf_head *h, struct cdf_var *v)
{
	v->count = 1;
	for (int i = 0; i < v->ndims; i++) {
		if (v->dim[i] < 0 || v->dim[i] >= h->ndims)
			return false;
		uint64_t len = h->dim[v->dim[i]].len;
		if (len == 0 && i > 0)
			return false;
		if (len == 0)
			v->record = true;
		else if (__builtin_mul_overflow(v->count, len, &v->count) ||
		    v->count > INT64_MAX / 16)
			return false;
	}
	return true;
}

int cdf_var(struct cdf_head *h, const char *name, enum cdf_type type, int ndims, const int *dims)
{
	struct cdf_var *v = grow((void **)&h->var, &h->nvars, sizeof *v, CDF_VARS_MAX);

	if (!v || !set_name(v->name, name) || ndims > CDF_RANK || cdf_size(type) == 0) {
		h->bad = true;
		return -1;
	}
	v->type = type;
	v->ndims = ndims;
	for (int i = 0; i < ndims; i++)
		v->dim[i] = dims[i];
	if (!measure(h, v))
		h->bad = true;
	return h->nvars - 1;
}

int cdf_named(struct cdf_head *h, const char *name, enum cdf_type type, int ndims, const int *dims,
    const char *long_name)
{
	int v = cdf_var(h, name, type, ndims, dims);

	cdf_text(h, v, "long_name", "%s", long_name);
	return v;
}

static struct cdf_atts *atts_of(const struct cdf_head *h, int var)
{
	if (var == CDF_GLOBAL)
		return (struct cdf_atts *)&h->atts;
	return var >= 0 && var < h->nvars ? &h->var[var].atts : NULL;
}

void cdf_list(
    struct cdf_head *h, int var, const char *name, enum cdf_type type, size_t n, const void *values)
{
	struct cdf_atts *a = atts_of(h, var);
	struct cdf_att *t = a ? grow((void **)&a->att, &a->n, sizeof *t, CDF_ATTS_MAX) : NULL;

	if (!t || !set_name(t->name, name) || cdf_size(type) == 0 || n > CDF_HEAD_MAX / 8) {
		h->bad = true;
		return;
	}
	t->type = type;
	t->data = calloc(n + 1, cdf_size(type));
	if (!t->data) {
		h->bad = true;
		return;
	}
	t->n = n;
	memcpy(t->data, values, n * cdf_size(type));
}

void cdf_text(struct cdf_head *h, int var, const char *name, const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	int n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		h->bad = true;
		return;
	}
	cdf_list(h, var, name, CDF_CHAR, (size_t)n, text);
	free(text);
}

void cdf_number(struct cdf_head *h, int var, const char *name, enum cdf_type type, double value)
{
	union {
		int8_t i8;
		int16_t i16;
		int32_t i32;
		float f32;
		double f64;
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		int64_t i64;
		uint64_t u64;
	} x = {0};

	switch (type) {
	case CDF_I8:
	case CDF_CHAR:
		x.i8 = (int8_t)value;
		break;
	case CDF_I16:
		x.i16 = (int16_t)value;
		break;
	case CDF_I32:
		x.i32 = (int32_t)value;
		break;
	case CDF_F32:
		x.f32 = (float)value;
		break;
	case CDF_F64:
		x.f64 = value;
		break;
	case CDF_U8:
		x.u8 = (uint8_t)value;
		break;
	case CDF_U16:
		x.u16 = (uint16_t)value;
		break;
	case CDF_U32:
		x.u32 = (uint32_t)value;
		break;
	case CDF_I64:
		x.i64 = (int64_t)value;
		break;
	case CDF_U64:
		x.u64 = (uint64_t)value;
		break;
	}
	cdf_list(h, var, name, type, 1, &x);
}

int cdf_find(const struct cdf_head *h, const char *name)
{
	for (int v = 0; v < h->nvars; v++)
		if (!strcmp(h->var[v].name, name))
			return v;
	return -1;
}

const struct cdf_att *cdf_att(const struct cdf_head *h, int var, const char *name)
{
	const struct cdf_atts *a = atts_of(h, var);

	for (int i = 0; a && i < a->n; i++)
		if (!strcmp(a->att[i].name, name))
			return &a->att[i];
	return NULL;
}

/* ---- reading ---- */

struct reader {
	const uint8_t *start, *at, *end;
	bool wide;  /* CDF-5: counts of 8 bytes */
	bool *more; /* set when something stands behind the end */
	struct cdf_head *h;
	const char *why;
};

static bool refuse(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return false;
}

static const uint8_t *take(struct reader *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->at)) {
		*r->more = true;
		refuse(r, "the header is cut");
		return NULL;
	}
	const uint8_t *at = r->at;
	r->at += n;
	return at;
}

static bool take_u32(struct reader *r, uint32_t *v)
{
	const uint8_t *at = take(r, 4);

	if (!at)
		return false;
	*v = wire_get(*(const u32be *)at);
	return true;
}

static bool take_u64(struct reader *r, uint64_t *v)
{
	const uint8_t *at = take(r, 8);

	if (!at)
		return false;
	*v = wire_get(*(const u64be *)at);
	return true;
}

/* A count, length or dimension number. */
static bool take_count(struct reader *r, uint64_t *v)
{
	uint32_t narrow;

	if (r->wide)
		return take_u64(r, v);
	if (!take_u32(r, &narrow))
		return false;
	*v = narrow;
	return true;
}

static bool take_name(struct reader *r, char to[CDF_NAME])
{
	uint64_t n;

	if (!take_count(r, &n))
		return false;
	if (n == 0 || n >= CDF_NAME)
		return refuse(r, "a name has no or too many letters");
	const uint8_t *at = take(r, (n + 3) & ~UINT64_C(3));
	if (!at)
		return false;
	if (memchr(at, 0, (size_t)n))
		return refuse(r, "a name holds a NUL");
	memcpy(to, at, (size_t)n);
	to[n] = 0;
	return true;
}

/* Tag and length of a list. */
static bool take_list(struct reader *r, enum tag want, int max, int *n)
{
	uint32_t tag;
	uint64_t count;

	if (!take_u32(r, &tag) || !take_count(r, &count))
		return false;
	if (tag != (uint32_t)want && (tag != TAG_NONE || count != 0))
		return refuse(r, "a list has the wrong tag");
	if (count > (uint64_t)max)
		return refuse(r, "a list is longer than fyke reads");
	*n = (int)count;
	return true;
}

static bool take_att(struct reader *r, int var)
{
	char name[CDF_NAME];
	uint32_t type;
	uint64_t n;

	if (!take_name(r, name) || !take_u32(r, &type) || !take_count(r, &n))
		return false;
	size_t size = cdf_size((enum cdf_type)type);
	if (size == 0)
		return refuse(r, "an attribute has an unknown type");
	if (n > CDF_HEAD_MAX / 8)
		return refuse(r, "an attribute is longer than fyke reads");
	const uint8_t *at = take(r, (n * size + 3) & ~UINT64_C(3));
	if (!at)
		return false;
	cdf_list(r->h, var, name, (enum cdf_type)type, (size_t)n, at);
	if (r->h->bad)
		return refuse(r, "out of memory");
	struct cdf_atts *a = atts_of(r->h, var);
	cdf_swap(a->att[a->n - 1].data, (size_t)n, size);
	a->att[a->n - 1].begin = (uint64_t)(at - r->start);
	return true;
}

static bool take_atts(struct reader *r, int var)
{
	int n;

	if (!take_list(r, TAG_ATTS, CDF_ATTS_MAX, &n))
		return false;
	for (int i = 0; i < n; i++)
		if (!take_att(r, var))
			return false;
	return true;
}

static bool take_dims(struct reader *r)
{
	char name[CDF_NAME];
	uint64_t len;
	int n, records = 0;

	if (!take_list(r, TAG_DIMS, CDF_DIMS_MAX, &n))
		return false;
	for (int i = 0; i < n; i++) {
		if (!take_name(r, name) || !take_count(r, &len))
			return false;
		if (len == 0 && records++)
			return refuse(r, "two record dimensions");
		if (cdf_dim(r->h, name, len) < 0)
			return refuse(r, "out of memory");
	}
	return true;
}

static bool take_var(struct reader *r)
{
	char name[CDF_NAME];
	uint64_t rank, id, vsize;
	int dims[CDF_RANK];
	uint32_t type;

	if (!take_name(r, name) || !take_count(r, &rank))
		return false;
	if (rank > CDF_RANK)
		return refuse(r, "a variable has more dimensions than fyke reads");
	for (uint64_t i = 0; i < rank; i++) {
		if (!take_count(r, &id))
			return false;
		if (id >= (uint64_t)r->h->ndims)
			return refuse(r, "a variable has a dimension that is not there");
		dims[i] = (int)id;
	}
	int v = cdf_var(r->h, name, CDF_I8, (int)rank, dims);
	if (v < 0 || r->h->bad)
		return refuse(r, "a variable's dimensions make no sense");
	if (!take_atts(r, v) || !take_u32(r, &type) || !take_count(r, &vsize) ||
	    !take_u64(r, &r->h->var[v].begin))
		return false;
	if (cdf_size((enum cdf_type)type) == 0 || (!r->wide && type > CDF_F64))
		return refuse(r, "a variable has an unknown type");
	r->h->var[v].type = (enum cdf_type)type;
	return true;
}

static uint64_t padded(const struct cdf_var *v)
{
	return (v->count * cdf_size(v->type) + 3) & ~UINT64_C(3);
}

/* Sets first and recsize, and checks that the variables stand behind each other in their order
 * as libnetcdf and every known writer has them. */
static bool lay_out(struct reader *r, uint64_t size)
{
	struct cdf_head *h = r->h;
	uint64_t after = h->length, rec = 0;
	int nrec = 0;

	for (int v = 0; v < h->nvars; v++) {
		struct cdf_var *x = &h->var[v];
		if (x->record) {
			if (nrec++ == 0)
				h->first = x->begin;
			if (x->begin != h->first + rec)
				return refuse(r, "the records do not hang together");
			if (__builtin_add_overflow(rec, padded(x), &rec) || rec > INT64_MAX / 2)
				return refuse(r, "a record is larger than any file");
		} else if (x->begin < after ||
		    __builtin_add_overflow(x->begin, padded(x), &after)) {
			return refuse(r, "two variables overlap");
		}
	}
	if (nrec && h->first < after)
		return refuse(r, "the records overlap other variables");
	if (nrec == 1)
		for (int v = 0; v < h->nvars; v++)
			if (h->var[v].record)
				rec = h->var[v].count * cdf_size(h->var[v].type);
	h->recsize = rec;
	uint64_t whole = rec && size > h->first ? (size - h->first) / rec : 0;
	if (h->records == (r->wide ? UINT64_MAX : UINT32_MAX))
		h->records = whole;
	if (nrec && h->records > whole)
		return refuse(r, "the file is shorter than its records");
	return true;
}

struct cdf_head *cdf_parse(
    const void *bytes, size_t n, uint64_t size, bool *more, char why[CDF_WHY])
{
	const uint8_t *magic = bytes;
	struct reader r = {
	    .start = bytes, .at = bytes, .end = (const uint8_t *)bytes + n, .more = more};
	int nvars;

	*more = false;
	if (n < 8 || memcmp(magic, "CDF", 3) != 0 || (magic[3] != CDF_2 && magic[3] != CDF_5)) {
		snprintf(why, CDF_WHY, "this is no CDF-2 or CDF-5 file");
		return NULL;
	}
	r.h = cdf_head_new((enum cdf_kind)magic[3]);
	if (!r.h) {
		snprintf(why, CDF_WHY, "out of memory");
		return NULL;
	}
	r.at += 4;
	r.wide = magic[3] == CDF_5;
	bool good = take_count(&r, &r.h->records) && take_dims(&r) && take_atts(&r, CDF_GLOBAL) &&
	    take_list(&r, TAG_VARS, CDF_VARS_MAX, &nvars);
	for (int v = 0; good && v < nvars; v++)
		good = take_var(&r);
	r.h->length = (uint64_t)(r.at - magic);
	if (good && lay_out(&r, size))
		return r.h;
	snprintf(why, CDF_WHY, "%s", r.why);
	cdf_head_free(r.h);
	return NULL;
}

struct cdf_head *cdf_scan(int fd, char why[CDF_WHY])
{
	struct stat st;
	struct cdf_head *h = NULL;

	if (fstat(fd, &st) < 0) {
		snprintf(why, CDF_WHY, "%s", strerror(errno));
		return NULL;
	}
	bool more = true;
	for (size_t room = 64 << 10; !h && more && room <= CDF_HEAD_MAX; room *= 4) {
		uint8_t *bytes = malloc(room);
		ssize_t n = bytes ? pread(fd, bytes, room, 0) : -1;
		if (n < 0) {
			snprintf(why, CDF_WHY, "%s", strerror(errno));
			free(bytes);
			return NULL;
		}
		h = cdf_parse(bytes, (size_t)n, (uint64_t)st.st_size, &more, why);
		free(bytes);
		if ((size_t)n < room)
			break;
	}
	return h;
}
