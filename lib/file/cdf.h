/*
 * cdf.h - netCDF classic files (CDF-2 and CDF-5): tables of dimensions, variables and attributes,
 * records written in blocks, and a marker that says how many of them are safe
 *
 * libnetcdf writes the header and checks the finished file; the records between go out in one
 * pwrite() per block, because the library needs three times as long for them (t/bench/RESULTS).
 * So its calls stand at the two ends only, and every write in between is checked here.
 *
 * The layout used (netCDF Classic and CDF-5 File Format Specification): the header; variables
 * without the record dimension; then the records, each holding its piece of every record
 * variable in the order of definition, big-endian, padded to 4 bytes unless there is only one.
 * The number of records stands at offset 4.
 *
 * A file's life:  cdf_head_new .. cdf_dim, cdf_var, cdf_text ..  cdf_create  (pub_commit)
 *                 { cdf_row .. cdf_row_done } .. cdf_commit ..  cdf_finish
 *
 * cdf_commit(): records and small variables, fsync; the number of records, fsync; the marker
 * variable, fsync. So whatever happens to the machine, the marker counts no more than the header,
 * and no reader, with or without knowledge of the marker, is shown a record that is not whole.
 */
#ifndef FYKE_CDF_H
#define FYKE_CDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CDF_WHY      512
#define CDF_RANK     8    /* dimensions of a variable */
#define CDF_NAME     256  /* bytes of a name, with its NUL */
#define CDF_DIMS_MAX 1024 /* in one file, here and below: what is more is refused */
#define CDF_VARS_MAX 4096
#define CDF_ATTS_MAX 1024        /* of one variable */
#define CDF_HEAD_MAX (16u << 20) /* bytes of a header */
#define CDF_FIXED_MAX                                                                              \
	(8u << 20) /* bytes of all variables without the record dimension that a
                                   * file with records may have */

enum cdf_kind { CDF_2 = 2, CDF_5 = 5 };

/* The numbers are those of the format. CDF-2 has the first six. */
enum cdf_type {
	CDF_I8 = 1,
	CDF_CHAR = 2,
	CDF_I16 = 3,
	CDF_I32 = 4,
	CDF_F32 = 5,
	CDF_F64 = 6,
	CDF_U8 = 7,
	CDF_U16 = 8,
	CDF_U32 = 9,
	CDF_I64 = 10,
	CDF_U64 = 11
};
size_t cdf_size(enum cdf_type t); /* bytes of a value; 0: no such type */

struct cdf_att {
	char name[CDF_NAME];
	enum cdf_type type;
	size_t n;       /* values */
	void *data;     /* in host order; text has a NUL after it */
	uint64_t begin; /* offset of the values in the file, once the header is written or read */
};

struct cdf_atts {
	int n;
	struct cdf_att *att;
};

struct cdf_dim {
	char name[CDF_NAME];
	uint64_t len; /* 0: the record dimension */
};

struct cdf_var {
	char name[CDF_NAME];
	enum cdf_type type;
	int ndims, dim[CDF_RANK];
	struct cdf_atts atts;
	bool record;    /* its first dimension is the record dimension */
	uint64_t count; /* values of one record, or of the whole variable */
	uint64_t begin; /* offset in the file (of record 0), once the header is written or read */
};

/* What stands in a header. */
struct cdf_head {
	enum cdf_kind kind;
	int ndims, nvars;
	struct cdf_dim *dim;
	struct cdf_var *var;
	struct cdf_atts atts;
	uint64_t records;
	uint64_t length;  /* bytes of the header */
	uint64_t first;   /* where record 0 begins */
	uint64_t recsize; /* bytes of a record with its padding */
	bool bad; /* out of memory, or a definition beyond the limits: cdf_create() says so */
};

/* ---- defining ---- */

#define CDF_GLOBAL (-1)

struct cdf_head *cdf_head_new(enum cdf_kind kind); /* NULL with errno */
void cdf_head_free(struct cdf_head *h);

/* Each returns the new index, or -1 and sets h->bad. */
int cdf_dim(struct cdf_head *h, const char *name, uint64_t len);
int cdf_var(struct cdf_head *h, const char *name, enum cdf_type type, int ndims, const int *dims);

/* A variable with its attribute long_name. */
int cdf_named(struct cdf_head *h, const char *name, enum cdf_type type, int ndims, const int *dims,
    const char *long_name);

/* Attributes of a variable or of CDF_GLOBAL; they set h->bad. cdf_number() converts to type. */
void cdf_text(struct cdf_head *h, int var, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void cdf_number(struct cdf_head *h, int var, const char *name, enum cdf_type type, double value);
void cdf_list(struct cdf_head *h, int var, const char *name, enum cdf_type type, size_t n,
    const void *values);

/* ---- reading a header ---- */

/* From the first bytes of a file of `size` bytes in all. Trusts nothing: every length is compared
 * with what is there. *more is set when the header goes on behind n. NULL with a sentence. */
struct cdf_head *cdf_parse(
    const void *bytes, size_t n, uint64_t size, bool *more, char why[CDF_WHY]);

/* The header of an open file. NULL with a sentence. */
struct cdf_head *cdf_scan(int fd, char why[CDF_WHY]);

int cdf_find(const struct cdf_head *h, const char *name); /* a variable's index, or -1 */
const struct cdf_att *cdf_att(const struct cdf_head *h, int var, const char *name); /* or NULL */

/* ---- writing ---- */

struct cdf;

/* Has libnetcdf make the header of h, writes it into the empty file that fd (read, write) has open,
 * and syncs it; path is for messages. h is the file's from now on, also after a failure; fd stays
 * the caller's, and must stay open. block: bytes gathered for one write (at most 16 MiB; at least
 * one record). marker: index of an I64 or I32 variable without dimensions, or -1. NULL with a
 * sentence. */
struct cdf *cdf_create(
    struct cdf_head *h, const char *path, int fd, size_t block, int marker, char why[CDF_WHY]);

/* Room for the next record, recsize bytes; padding is 0 and must be left so. NULL with errno when
 * the gathered ones could not be written. cdf_row_done() counts it in. */
uint8_t *cdf_row(struct cdf *f);
void cdf_row_done(struct cdf *f);

/* Where a record variable stands in a row. */
size_t cdf_offset(const struct cdf *f, int var);

/* The memory of a variable without the record dimension (0 at first): it reaches the file at the
 * next commit. NULL when it is not kept in memory (files without records). */
void *cdf_fixed(struct cdf *f, int var);

/* Changes a global text attribute to another text of the same length, which goes into the file with
 * the next commit (one such attribute a file). Nothing happens when there is none of that
 * length. */
void cdf_retext(struct cdf *f, const char *name, const char *text);

/* Writes n bytes at `at` in a variable without the record dimension. 0, or -1 with errno. */
int cdf_write_at(struct cdf *f, int var, uint64_t at, const void *bytes, size_t n);

/* Makes all rows safe, as said above. 0, or -1 with errno: what could be made safe is, and
 * cdf_committed() says how much. */
int cdf_commit(struct cdf *f);

uint64_t cdf_records(const struct cdf *f);   /* rows counted in */
uint64_t cdf_committed(const struct cdf *f); /* rows that are safe */
const struct cdf_head *cdf_head(const struct cdf *f);

/* At the end: gives back the disk that was reserved ahead of the data. 0, or -1 with errno. */
int cdf_trim(struct cdf *f);

/* Frees without writing anything more. */
void cdf_free(struct cdf *f);

/* Opens the file at path by libnetcdf and by ourselves and counts: records, dimensions,
 * variables, bytes, and the marker. 0, or -1 with a sentence. */
int cdf_verify(
    const char *path, const struct cdf_head *want, uint64_t records, int marker, char why[CDF_WHY]);

/* Gives attributes to a variable (or NC_GLOBAL) of a file that libnetcdf makes. Its status. */
int cdf_put_atts(int nc, int var, const struct cdf_atts *a);

/* ---- byte order ---- */

/* Turns n values of size bytes (1, 2, 4, 8) from host to file order or back, in place. */
void cdf_swap(void *values, size_t n, size_t size);

#endif
