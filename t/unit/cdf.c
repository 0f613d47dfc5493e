/* cdf.c - netCDF classic files: the bytes are typed from the format's specification */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/cdf.h"
#include "file/cdf_field.h"
#include "file/cdf_final.h"
#include "tap.h"

/* A CDF-5 file: time unlimited, x = 3; global attribute n = 7 (int); short v(time, x), double
 * t(time); two records. */
static const uint8_t file5[] = {
    'C', 'D', 'F', 5, 0, 0, 0, 0, 0, 0, 0, 2,                /* 0: magic, numrecs */
    0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 2,                     /* 12: dims */
    0, 0, 0, 0, 0, 0, 0, 4, 't', 'i', 'm', 'e',              /* 24 */
    0, 0, 0, 0, 0, 0, 0, 0,                                  /* 36: the record dimension */
    0, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 0,                    /* 44 */
    0, 0, 0, 0, 0, 0, 0, 3,                                  /* 56 */
    0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1,                     /* 64: attributes */
    0, 0, 0, 0, 0, 0, 0, 1, 'n', 0, 0, 0,                    /* 76 */
    0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7,          /* 88 */
    0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 2,                     /* 104: variables */
    0, 0, 0, 0, 0, 0, 0, 1, 'v', 0, 0, 0,                    /* 116 */
    0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0,          /* 128: time */
    0, 0, 0, 0, 0, 0, 0, 1,                                  /* 144: x */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                      /* 152: no attributes */
    0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 8,                      /* 164: short, 6 bytes padded to 8 */
    0, 0, 0, 0, 0, 0, 0, 248,                                /* 176: begin */
    0, 0, 0, 0, 0, 0, 0, 1, 't', 0, 0, 0,                    /* 184 */
    0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,          /* 196 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                      /* 212 */
    0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 8,                      /* 224 */
    0, 0, 0, 0, 0, 0, 1, 0,                                  /* 236: begin 256 */
    0, 0, 0, 0,                                              /* 244: nothing */
    0, 1, 0, 2, 0, 3, 0, 0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0,    /* 248: 1 2 3 . 1.0 */
    0, 4, 0, 5, 0xff, 0xfa, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, /* 264: 4 5 -6 . 2.0 */
};

static char why[CDF_WHY];

static struct cdf_head *parse(const uint8_t *bytes, size_t n, size_t size)
{
	bool more;

	return cdf_parse(bytes, n, size, &more, why);
}

static void test_reading(void)
{
	bool more;
	struct cdf_head *h = parse(file5, sizeof file5, sizeof file5);

	if (!ok(h != NULL, "a CDF-5 header is read")) {
		printf("# %s\n", why);
		return;
	}
	is_int(h->records, 2, "two records");
	is_int(h->ndims, 2, "two dimensions");
	is_str(h->dim[0].name, "time", "the first is time");
	is_int(h->dim[0].len, 0, "the record dimension");
	is_int(h->dim[1].len, 3, "x has 3");
	is_int(h->first, 248, "records begin at 248");
	is_int(h->recsize, 16, "8 bytes of v with padding and 8 of t");
	is_int(h->var[0].type, CDF_I16, "v is short");
	is_int(h->var[0].count, 3, "3 values a record");
	is_int(h->var[1].begin, 256, "t stands behind v");
	is_int(h->length, 244, "the header ends at 244");
	is_int(*(int32_t *)cdf_att(h, CDF_GLOBAL, "n")->data, 7, "an attribute in host order");
	is_int(cdf_find(h, "t"), 1, "t is variable 1");
	is_int(cdf_find(h, "u"), -1, "u is none");
	cdf_head_free(h);

	ok(parse(file5, sizeof file5, sizeof file5 - 1) == NULL,
	    "shorter than its records: refused");
	is_str(why, "the file is shorter than its records", "with the reason");
	ok(cdf_parse(file5, 100, sizeof file5, &more, why) == NULL && more,
	    "a header that goes on wants more bytes");
}

/* No prefix and no flipped byte may crash the reader, or make it believe what is not there. */
static void test_damage(void)
{
	uint8_t bytes[sizeof file5];
	int wrong = 0;

	for (size_t n = 0; n < 244; n++) {
		uint8_t *cut = malloc(n + 1); /* so that a sanitizer sees the end */
		memcpy(cut, file5, n);
		struct cdf_head *h = parse(cut, n, sizeof file5);
		wrong += h != NULL;
		cdf_head_free(h);
		free(cut);
	}
	is_int(wrong, 0, "every cut header is refused");
	for (size_t i = 0; i < 244; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(bytes, file5, sizeof bytes);
			bytes[i] ^= (uint8_t)(1 << bit);
			struct cdf_head *h = parse(bytes, sizeof bytes, sizeof bytes);
			if (h && h->records && h->first + h->records * h->recsize > sizeof bytes)
				wrong++;
			cdf_head_free(h);
		}
	is_int(wrong, 0, "no flipped bit makes records that are not there");
	memset(bytes, 0xff, sizeof bytes);
	memcpy(bytes, "CDF\5", 4);
	ok(parse(bytes, sizeof bytes, sizeof bytes) == NULL, "counts of all ones are refused");
	ok(parse((const uint8_t *)"CDF\1....", 8, 8) == NULL, "CDF-1 is refused");
	ok(parse((const uint8_t *)"\211HDF\r\n\032\n", 8, 8) == NULL, "HDF5 is refused");
}

static char path[] = "/tmp/fyke-cdf.XXXXXX";

static struct cdf *create(int fd, int *marker, int *v, int *t, enum cdf_kind kind)
{
	struct cdf_head *h = cdf_head_new(kind);
	int dims[2] = {cdf_dim(h, "time", 0), cdf_dim(h, "x", 3)};

	*marker = cdf_var(h, "frames_written", kind == CDF_5 ? CDF_I64 : CDF_I32, 0, NULL);
	*v = cdf_var(h, "v", CDF_I16, 2, dims);
	*t = cdf_var(h, "t", CDF_F64, 1, dims);
	cdf_text(h, *v, "units", "mV");
	cdf_number(h, *v, "_FillValue", CDF_I16, -1);
	return cdf_create(h, path, fd, 64, *marker, why);
}

static void put(struct cdf *f, int v, int t, int k)
{
	uint8_t *row = cdf_row(f);

	for (int i = 0; i < 3; i++)
		cdf_put_int(row + cdf_offset(f, v) + 2 * i, CDF_I16, 10 * k + i);
	cdf_put_real(row + cdf_offset(f, t), k);
	cdf_row_done(f);
}

static uint64_t records_on_disk(int fd)
{
	uint8_t b[8];
	uint64_t n = 0;

	if (pread(fd, b, 8, 4) != 8)
		return UINT64_MAX;
	for (int i = 0; i < 8; i++)
		n = n << 8 | b[i];
	return n;
}

static void test_writing(void)
{
	int fd = mkstemp(path), marker, v, t;
	struct cdf *f = create(fd, &marker, &v, &t, CDF_5);
	uint8_t row[16];

	if (!ok(f != NULL, "a file is made")) {
		printf("# %s\n", why);
		return;
	}
	is_int(cdf_head(f)->first % 4096, 0, "records begin at a page");
	is_int(cdf_head(f)->recsize, 16, "a record has 16 bytes");
	for (int k = 0; k < 9; k++)
		put(f, v, t, k);
	is_int(cdf_records(f), 9, "nine rows");
	is_int(cdf_committed(f), 0, "none is safe yet");
	is_int(records_on_disk(fd), 0, "and no reader sees one");
	is_int(cdf_commit(f), 0, "commit");
	is_int(cdf_committed(f), 9, "nine are safe");
	is_int(records_on_disk(fd), 9, "and readers see nine");
	is_int(pread(fd, row, 16, (off_t)(cdf_head(f)->first + 8 * 16)), 16, "row 8 is there");
	ok(memcmp(row, "\0\120\0\121\0\122\0\0\100\040\0\0\0\0\0\0", 16) == 0, "80 81 82 . 8.0");
	is_int(cdf_verify(path, cdf_head(f), 9, marker, why), 0, "libnetcdf and we agree");
	is_int(cdf_verify(path, cdf_head(f), 10, marker, why), -1, "ten records are not there");
	cdf_free(f);

	/* What a power cut could leave: the marker before the records. */
	is_int(ftruncate(fd, 4096), 0, "cut by hand");
	struct cdf_head *h = cdf_scan(fd, why);
	ok(h == NULL, "a file without its records is refused");
	cdf_head_free(h);
	close(fd);
	unlink(path);
}

static void test_classic(void)
{
	strcpy(path, "/tmp/fyke-cdf.XXXXXX");
	int fd = mkstemp(path), marker, v, t;
	struct cdf *f = create(fd, &marker, &v, &t, CDF_2);

	if (!ok(f != NULL, "a CDF-2 file is made"))
		return;
	put(f, v, t, 1);
	is_int(cdf_commit(f), 0, "commit");
	is_int(cdf_verify(path, cdf_head(f), 1, marker, why), 0, "libnetcdf and we agree");
	cdf_free(f);
	close(fd);
	unlink(path);
}

/* A disk that fills up: /dev/full takes the rows' place after the file was made. */
static void test_full(void)
{
	strcpy(path, "/tmp/fyke-cdf.XXXXXX");
	int fd = mkstemp(path), marker, v, t;
	struct cdf *f = create(fd, &marker, &v, &t, CDF_5);

	put(f, v, t, 0);
	is_int(cdf_commit(f), 0, "the first record is safe");
	int full = open("/dev/full", O_RDWR);
	dup2(full, fd);
	for (int k = 0; k < 4; k++)
		put(f, v, t, k);
	errno = 0;
	ok(cdf_row(f) == NULL, "no room for more rows");
	is_int(errno, ENOSPC, "and the reason is the disk");
	is_int(cdf_commit(f), -1, "a commit fails");
	is_int(cdf_committed(f), 1, "one is still safe");
	cdf_free(f);
	close(full);
	close(fd);
	unlink(path);
}

static void test_limits(void)
{
	struct cdf_head *h = cdf_head_new(CDF_5);
	char name[CDF_NAME + 1];
	int dims[2] = {0, 0};

	memset(name, 'n', CDF_NAME);
	name[CDF_NAME] = 0;
	is_int(cdf_dim(h, name, 1), -1, "a name of 256 letters");
	ok(h->bad, "is remembered");
	h->bad = false;
	is_int(cdf_dim(h, "a", 0), 1, "a dimension");
	dims[1] = 1;
	cdf_var(h, "v", CDF_I16, 2, dims);
	ok(h->bad, "the record dimension cannot come second");
	ok(cdf_create(h, "/nowhere", -1, 0, -1, why) == NULL, "no file is made of it");

	h = cdf_head_new(CDF_2);
	dims[0] = cdf_dim(h, "t", 0);
	cdf_var(h, "v", CDF_U16, 1, dims);
	strcpy(path, "/tmp/fyke-cdf.XXXXXX");
	int fd = mkstemp(path);
	ok(cdf_create(h, path, fd, 0, -1, why) == NULL, "CDF-2 has no unsigned short");
	printf("# %s\n", why);
	close(fd);
	unlink(path);
}

static void test_swap(void)
{
	uint8_t b[3 + 16];

	for (int i = 0; i < 19; i++)
		b[i] = (uint8_t)i;
	cdf_swap(b + 3, 4, 4);
	ok(memcmp(b + 3, "\6\5\4\3\12\11\10\7\16\15\14\13\22\21\20\17", 16) == 0,
	    "four values of four bytes, not aligned");
	cdf_swap(b + 3, 4, 4);
	cdf_swap(b + 3, 2, 8);
	ok(memcmp(b + 3, "\12\11\10\7\6\5\4\3\22\21\20\17\16\15\14\13", 16) == 0,
	    "two of eight bytes");
}

/* Files in line for their last layout when everything is to end. */
static void test_stopped_line(void)
{
	struct cdf_jobs *j = cdf_jobs_new(false, true);

	ok(cdf_jobs_add(j, "one.nc") == 0 && cdf_jobs_add(j, "two.nc") == 0, "two files in line");
	cdf_jobs_stop(j);
	is_int(cdf_jobs_step(j, 0, why), -1, "none is begun after a stop");
	ok(errno == EINTR && strncmp(why, "one.nc: stopped", 15) == 0,
	    "which is told of the first");
	is_int(cdf_jobs_step(j, 0, why), -1, "one after the other");
	ok(errno == EINTR && strncmp(why, "two.nc: stopped", 15) == 0, "and of the second");
	is_int(cdf_jobs_step(j, 0, why), 1, "then all are done");
	cdf_jobs_free(j);
}

/* The same number is masked by readers where _FillValue is it, and not where that is NaN. */
static void test_fill(void)
{
	static const char text[] = "[card]\nname = t\nbyteorder = big\nrecord = 8\nwindow = 1ms\n"
				   "hold = 1ms\n[source]\nby = port\ncount = 1\n[clock]\n"
				   "field = t\nunit = 1ns\n[field t]\nat = 0 u64\n";
	static const uint8_t rec[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
	struct card *c = card_parse("t.card", text, sizeof text - 1, why);
	struct cdf_head *h = cdf_head_new(CDF_5);
	struct cdf_field f;
	uint8_t to[8];
	int time = cdf_dim(h, "time", 0);

	if (!ok(c != NULL, "a card"))
		printf("# %s\n", why);
	cdf_field_define(&f, h, c, 0, 1, &time, true, false);
	is_int(f.type, CDF_U64, "a u64 is one");
	is_int(cdf_field_put(&f, c, rec, to), 1, "a measured fill value is counted");
	ok(memcmp(to, rec, 8) == 0, "and stored");
	cdf_field_define(&f, h, c, 0, 1, &time, true, true);
	is_int(f.type, CDF_F64, "or a double, in classic types");
	is_int(cdf_field_put(&f, c, rec, to), 0, "where it is none");
	ok(memcmp(to, "\x43\xf0\0\0\0\0\0\0", 8) == 0, "but 2^64, as near as a double comes");
	cdf_head_free(h);
	card_free(c);
}

int main(void)
{
	test_fill();
	test_reading();
	test_damage();
	test_writing();
	test_classic();
	test_full();
	test_limits();
	test_swap();
	test_stopped_line();
	return done_testing();
}
