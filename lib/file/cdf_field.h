/*
 * cdf_field.h - a card's field as a netCDF variable: its type, its attributes, its values in a row
 *
 * Raw integers are stored as they are, with scale_factor and add_offset, so that readers get
 * physical units. The classic types have no unsigned and no 64-bit integers: there, unsigned
 * arrays are stored less half their range (add_offset puts it back, exactly), and 64-bit numbers
 * and unscaled counters as doubles (exact up to 2^53).
 */
#ifndef FYKE_CDF_FIELD_H
#define FYKE_CDF_FIELD_H

#include "file/cdf.h"
#include "stream/card.h"

struct cdf_field {
	int var;             /* in the file */
	int field;           /* in the card */
	enum card_type from; /* what the record holds */
	enum cdf_type type;  /* what the file holds */
	size_t count;        /* values of one record */
	size_t bytes;        /* the same in the file */
	size_t spare;        /* of these, how many no piece of the card covers: always fill */
	bool shift;          /* stored less half the range */
	bool has_fill;
	uint64_t fill;         /* the bits of the card's type, in its low bytes, */
	uint64_t fill_in_file; /* and turned to file order */
};

/* Where a variable of an integer kind goes in classic types: I64 and U64 become F64, and so on. */
enum cdf_type cdf_classic(enum cdf_type t, bool classic);

/* A dimension that a card names: it is made when it is not there; where the file itself has one of
 * that name and another length, or a variable, the card's gets card_ before its name. */
int cdf_field_dim(struct cdf_head *h, const char *wanted, uint64_t len);

/* Defines the variable of a field, with card_ before its name where the file has a variable or a
 * dimension of that name: dims are those before the field's axis, which is made when it is not
 * there. absent: records can be missing, so a fill value is needed. 0, or -1 when the head went
 * bad. */
int cdf_field_define(struct cdf_field *f, struct cdf_head *h, const struct card *c, int field,
    int ndims, const int *dims, bool absent, bool classic);

/* The values of one record to `to` (f->bytes), in file order. Returns how many of them equal the
 * fill value although they were measured. */
size_t cdf_field_put(
    const struct cdf_field *f, const struct card *c, const uint8_t *rec, uint8_t *to);

/* n bytes of fill, in file order (n a multiple of the value's size). */
void cdf_field_fill(const struct cdf_field *f, uint8_t *to, size_t n);

/* One integer in file order; as a double when the type is one. */
void cdf_put_int(uint8_t *to, enum cdf_type t, int64_t v);
void cdf_put_real(uint8_t *to, double v);

#endif
