/* fits.c - an image as a FITS file: written, read back, and published without overwriting */
#include "cam/fits.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fitsio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"
#include "base/wire.h"
#include "cam/codes.h"
#include "cam/night.h"

#define LOG_COMMENTS "LOGCOMME"
#define COPY_STEP    (8 << 20)
#define CARD         80
#define BLOCK        2880
#define STEP         (BLOCK * 182) /* bytes at a time: half a MiB stays in a cache */

#define fail(why, error, ...) why_fail(why, PUB_WHY, error, __VA_ARGS__)

/* What cfitsio says, and errno, which tells more when a disk is full. */
static int fits_fail(char why[PUB_WHY], const char *path, int status, int error)
{
	char text[FLEN_STATUS];

	fits_get_errstatus(status, text);
	fits_clear_errmsg();
	return fail(why, error ? error : EIO, "%.200s: %s (cfitsio %d%s%s)", path, text, status,
	    error ? ": " : "", error ? strerror(error) : "");
}

/* ---- the header ---- */

/* cfitsio's calls take char * where they only read. */
static void text(fitsfile *f, const char *key, const char *value, const char *comment, int *status)
{
	char buf[VERB_TEXT + 1];

	snprintf(buf, sizeof buf, "%.68s", value);
	for (char *c = buf; *c; c++)
		*c = *c < 0x20 || *c > 0x7e ? '?' : *c;
	fits_write_key(f, TSTRING, key, buf, comment, status);
}

static void whole(fitsfile *f, const char *key, int value, const char *comment, int *status)
{
	fits_write_key(f, TINT, key, &value, comment, status);
}

static void real(
    fitsfile *f, const char *key, double value, int decimals, const char *comment, int *status)
{
	fits_write_key_fixdbl(f, key, value, decimals, comment, status);
}

static void flag(fitsfile *f, const char *key, int value, const char *comment, int *status)
{
	fits_write_key(f, TLOGICAL, key, &value, comment, status);
}

/* FITS times carry no Z: TIMESYS says what they are. */
static void moment(fitsfile *f, const char *key, int64_t t, const char *comment, int *status)
{
	char buf[TIM_TEXT];

	tim_text(t, 3, buf);
	buf[strcspn(buf, "Z")] = '\0';
	text(f, key, buf, comment, status);
}

/* Seconds after 0 UT, with the time as comment: what the observatory's older files have. */
static void day_seconds(fitsfile *f, const char *key, int64_t t, const char *what, int *status)
{
	struct tim_parts p = tim_split(t);
	char comment[64];

	snprintf(
	    comment, sizeof comment, "[s] %s, UT %02d:%02d:%02d", what, p.hour, p.minute, p.second);
	real(f, key, p.hour * 3600 + p.minute * 60 + p.second + p.ns / 1e9, 3, comment, status);
}

static void foreign(fitsfile *f, const struct cards *c, int *status)
{
	for (int i = 0; c && i < c->n; i++) {
		struct card_line l = c->card[i];
		char card[FLEN_CARD];
		ffmkky(l.key, l.value, l.comment, card, status);
		fits_write_record(f, card, status);
	}
}

static void times(fitsfile *f, const struct image *im, int *status)
{
	int64_t half = (int64_t)(im->exposure / 2 * 1e9),
		end = im->begun + (int64_t)(im->dark_time * 1e9);

	moment(f, "DATE-OBS", im->begun, "start of the exposure", status);
	moment(f, "DATE-AVG", im->begun + half, "middle of the exposure", status);
	text(f, "TIMESYS", "UTC", "of all times here", status);
	if (im->clock_step != 0)
		real(
		    f, "CLKSTEP", im->clock_step, 3, "[s] the clock was set by, meanwhile", status);
	real(f, "EXPREQ", im->asked, 6, "[s] exposure that was asked for", status);
	real(f, "EXPTIME", im->exposure, 6, "[s] exposure", status);
	real(f, "DARKTIME", im->dark_time, 6, "[s] from the start to the read-out", status);
	real(f, "READTIME", im->readout, 3, "[s] read-out", status);
	day_seconds(f, "TM_START", im->begun, "start", status);
	day_seconds(f, "TM_END", end, "end", status);
}

static void what(fitsfile *f, const struct image *im, const char *name, int *status)
{
	const char *type = *im->set->imagetype ? im->set->imagetype
	    : !im->dark                        ? "OBJECT"
	    : im->asked > 0                    ? "DARK"
					       : "BIAS";

	moment(f, "DATE", tim_now(), "when this file was written", status);
	text(f, "FILENAME", name, "name given by seqd", status);
	text(f, "OBJECT", im->set->object, "", status);
	text(f, "IMAGETYP", type, "", status);
}

static void camera(fitsfile *f, const struct image *im, int *status)
{
	const char amp[2] = {(char)('A' + im->set->amp), '\0'};

	text(f, "BACKEND", im->back, "how seqd reached the camera", status);
	text(f, "CAMERA", im->info->model, "its model", status);
	text(f, "CAMSER", im->info->serial, "and serial number", status);
	text(f, "AMPLIFIE", amp, "amplifier", status);
	text(f, "GAINMODE", im->set->fast ? "gainl" : "gainh", "gainh: high gain, slow", status);
	text(f, "SHUTTER", im->dark ? "closed" : "open", "during the exposure", status);
	if (!isnan(im->celsius))
		real(f, "CCDTEMP", im->celsius, 2, "[C] at the start", status);
	real(f, "SET-TEMP", im->set->temp, 1, "[C] set point", status);
	text(f, "TEMPSTAT",
	    isnan(im->celsius) ? "unknown" : code_find("GetTemperatureF", im->temp_code).symbol, "",
	    status);
}

static void geometry(fitsfile *f, const struct cam_frame *g, int *status)
{
	char window[64];

	whole(f, "XBINNING", g->xbin, "", status);
	whole(f, "YBINNING", g->ybin, "", status);
	whole(f, "DETXBIN", g->xbin, "the same", status);
	whole(f, "DETYBIN", g->ybin, "the same", status);
	snprintf(
	    window, sizeof window, "[%d:%d,%d:%d]", g->x, g->x + g->w - 1, g->y, g->y + g->h - 1);
	text(f, "DETWIN1", window, "window in unbinned pixels, from 1", status);
	/* Physical (detector) to image coordinates: i = LTM p + LTV. */
	real(f, "LTV1", (0.5 - g->x) / g->xbin + 0.5, 6, "", status);
	real(f, "LTV2", (0.5 - g->y) / g->ybin + 0.5, 6, "", status);
	real(f, "LTM1_1", 1.0 / g->xbin, 9, "", status);
	real(f, "LTM2_2", 1.0 / g->ybin, 9, "", status);
}

static void header(fitsfile *f, const struct image *im, const char *name, int *status)
{
	foreign(f, im->site, status);
	what(f, im, name, status);
	times(f, im, status);
	text(f, "TELSTAT", im->tel_state, "OK, STALE, MISSING or NONE", status);
	foreign(f, im->telescope, status);
	camera(f, im, status);
	geometry(f, &im->frame, status);
	text(f, "SWCREATE", "fyke seqd " FYKE_VERSION, "", status);
	flag(f, "SIMULATE", strcmp(im->back, "sim") == 0, "pixels of a simulator", status);
	flag(f, "ABORTED", im->ended, "T: ended before its time, and kept", status);
	if (*im->set->comment1)
		fits_write_comment(f, im->set->comment1, status);
	if (*im->set->comment)
		fits_write_comment(f, im->set->comment, status);
}

/* ---- the file ---- */

/* Puts a value into the card that begins so, from this column on. */
static void set_value(char *cards, size_t n, const char *begin, size_t column, const char *value)
{
	for (size_t at = 0; at + CARD <= n; at += CARD)
		if (memcmp(cards + at, begin, strlen(begin)) == 0)
			memcpy(cards + at + column, value, strlen(value));
}

/* The header as text, with room for the sums: by cfitsio, in memory. The caller frees it. */
static char *header_text(const struct image *im, const char *name, size_t *n, char why[PUB_WHY])
{
	/* One pixel: cfitsio would fill memory for all of them. */
	long axes[2] = {1, 1};
	fitsfile *f = NULL;
	char number[24];
	char *cards = NULL, *all = NULL;
	int status = 0, ncards = 0, ending = 0;

	fits_create_file(&f, "mem://", &status);
	fits_create_img(f, USHORT_IMG, 2, axes, &status);
	header(f, im, name, &status);
	text(f, "CHECKSUM", "0000000000000000", "of the whole file", &status);
	text(f, "DATASUM", "0000000000", "of the pixels", &status);
	fits_hdr2str(f, 0, NULL, 0, &cards, &ncards, &status);
	if (f)
		fits_delete_file(f, &ending);
	size_t len = (size_t)ncards * CARD;
	*n = (len + BLOCK - 1) / BLOCK * BLOCK;
	if (status == 0 && (all = malloc(*n))) {
		memset(all, ' ', *n);
		memcpy(all, cards, len);
		snprintf(number, sizeof number, "%20d", cam_columns(&im->frame));
		set_value(all, *n, "NAXIS1  =", 10, number);
		snprintf(number, sizeof number, "%20d", cam_rows(&im->frame));
		set_value(all, *n, "NAXIS2  =", 10, number);
	} else if (status == 0) {
		status = MEMORY_ALLOCATION;
	}
	if (cards)
		fits_free_memory(cards, &ending);
	if (status)
		(void)fits_fail(why, name, status, 0);
	return all;
}

static uint32_t fold(uint64_t s)
{
	while (s >> 32)
		s = (s & 0xffffffff) + (s >> 32);
	return (uint32_t)s;
}

/* Ones' complement sum of big-endian 32-bit words: what FITS calls a checksum. n is a multiple of
 * 4, and less than 2^33. */
WIRE_VECTOR static uint32_t add_sum(uint32_t sum, const void *data, size_t n)
{
	const uint32_t *w = data;
	uint64_t s = 0;

	for (size_t i = 0; i < n / 4; i++)
		s += be32toh(w[i]);
	return fold(s + sum);
}

/* Unsigned pixels as FITS has them: big-endian, less 32768. */
WIRE_VECTOR static void to_fits(uint16_t *restrict to, const uint16_t *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = htobe16(from[i] ^ 0x8000);
}

/* The pixels from at on, summed. */
static int write_pixels(int fd, const struct image *im, off_t at, uint32_t *sum)
{
	size_t n = (size_t)cam_columns(&im->frame) * (size_t)cam_rows(&im->frame);
	size_t bytes = (n * 2 + BLOCK - 1) / BLOCK * BLOCK, done = 0;
	uint16_t *buf = malloc(STEP);
	int bad = buf ? 0 : -1;

	if (bad)
		errno = ENOMEM;
	for (size_t k = 0; !bad && done < bytes; done += k) {
		k = bytes - done < STEP ? bytes - done : STEP;
		size_t have = n - done / 2 < k / 2 ? n - done / 2 : k / 2;
		to_fits(buf, im->pixels + done / 2, have);
		memset(buf + have, 0, k - have * 2);
		*sum = add_sum(*sum, buf, k);
		bad = io_writeat(fd, buf, k, at + (off_t)done, NULL);
		/* The disk may begin: less is left for fsync. */
		if (!bad)
			(void)sync_file_range(
			    fd, at + (off_t)done, (off_t)k, SYNC_FILE_RANGE_WRITE);
	}
	free(buf);
	return bad;
}

/* Reads the file back: a whole file sums to minus zero, and its pixels to DATASUM. */
static int read_back(int fd, const char *path, size_t head, uint32_t pixels, char why[PUB_WHY])
{
	char *buf = malloc(STEP);
	uint32_t all = 0, data = 0;
	size_t at = 0;
	ssize_t n = -1;

	errno = ENOMEM;
	while (buf && (n = pread(fd, buf, at < head ? head : STEP, (off_t)at)) > 0) {
		if (n % 4)
			break;
		all = add_sum(all, buf, (size_t)n);
		if (at >= head)
			data = add_sum(data, buf, (size_t)n);
		at += (size_t)n;
	}
	free(buf);
	if (n < 0)
		return fail(why, errno, "%.200s: cannot be read back: %s", path, strerror(errno));
	if (n == 0 && data == pixels && all == 0xffffffff)
		return 0;
	return fail(why, EILSEQ,
	    "%.200s: what was read back differs from what was written: suspect the disk or the "
	    "memory",
	    path);
}

/* Fills the temporary file. */
static int write_part(const struct pub *p, int fd, const struct image *im, char why[PUB_WHY])
{
	char number[16], code[20];
	uint32_t sum = 0;
	size_t n;

	/* The sums at its head are known at the end: not by appending. */
	if (fcntl(fd, F_SETFL, 0) < 0)
		return fail(why, errno, "%.200s: %s", p->part, strerror(errno));
	char *cards = header_text(im, p->name, &n, why);
	if (!cards)
		return -1;
	if (write_pixels(fd, im, (off_t)n, &sum) < 0) {
		free(cards);
		return fail(why, errno, "%.200s: %s", p->part, strerror(errno));
	}
	snprintf(number, sizeof number, "%-10u", sum);
	set_value(cards, n, "DATASUM =", 11, number);
	fits_encode_chksum(add_sum(sum, cards, n), 1, code);
	set_value(cards, n, "CHECKSUM=", 11, code);
	int bad = io_writeat(fd, cards, n, 0, NULL);
	int error = errno;
	free(cards);
	if (bad)
		return fail(why, error, "%.200s: %s", p->part, strerror(error));
	/* While the disk is at work already. */
	return read_back(fd, p->part, n, sum, why);
}

/* One try under one name. 1: the name is taken. */
static int write_named(const struct image *im, char path[PUB_PATH], char why[PUB_WHY])
{
	struct pub p;
	int fd = -1, rc = 0;

	if (pub_begin(&p, path, false) < 0) {
		rc = errno == EEXIST || errno == EBUSY ? 1 : -1;
		snprintf(why, PUB_WHY, "%s", p.why);
		return rc;
	}
	fd = pub_create(&p);
	if (fd < 0) {
		rc = errno == EEXIST || errno == EBUSY ? 1 : -1;
		snprintf(why, PUB_WHY, "%s", p.why);
	} else if (write_part(&p, fd, im, why) < 0) {
		rc = -1;
	}
	if (rc == 0 && io_sync(fd) < 0)
		rc = fail(
		    why, errno, "%.200s: does not reach the disk: %s", p.part, strerror(errno));
	if (rc == 0 && pub_commit(&p, fd, false) < 0) {
		rc = p.published ? 2 : errno == EEXIST ? 1 : -1;
		snprintf(why, PUB_WHY, "%s", p.why);
	}
	int error = errno;
	if (rc < 0) {
		size_t k = strlen(why);
		struct stat st;
		/* What was written may still be worth something. */
		p.ours = p.ours && stat(p.part, &st) == 0 && st.st_size == 0;
		if (!p.ours)
			snprintf(why + k, PUB_WHY - k, "; %.200s is kept", p.part_name);
	}
	if (fd >= 0)
		close(fd);
	pub_end(&p);
	errno = error;
	return rc;
}

int fits_out(const struct image *im, const char *dir, const char *stem, int *number,
    char path[PUB_PATH], char why[PUB_WHY])
{
	for (; *number <= NIGHT_LAST; ++*number) {
		if (snprintf(path, PUB_PATH, "%s/%s%04d.fits", dir, stem, *number) >= PUB_PATH)
			return fail(why, ENAMETOOLONG, "%.100s: the name is too long", dir);
		int rc = write_named(im, path, why);
		if (rc != 1)
			return rc == 2 ? 1 : rc;
	}
	return fail(
	    why, ERANGE, "%s: 9999 files have this date: set another one by filename", stem);
}

/* ---- comments afterwards ---- */

static int copy_all(int from, int to)
{
	ssize_t n;

	while ((n = sendfile(to, from, NULL, COPY_STEP)) > 0)
		;
	return n < 0 ? -1 : 0;
}

/* By cfitsio's own check. */
static int verify(const char *path, char why[PUB_WHY])
{
	fitsfile *f = NULL;
	int status = 0, data = 0, all = 0, closing = 0;

	fits_open_diskfile(&f, path, READONLY, &status);
	fits_verify_chksum(f, &data, &all, &status);
	if (f)
		fits_close_file(f, &closing);
	if (status || closing)
		return fits_fail(why, path, status ? status : closing, 0);
	if (data != 1 || all != 1)
		return fail(why, EILSEQ, "%.200s: its checksums are wrong", path);
	return 0;
}

static int add_comment(const char *part, const char *comment, char why[PUB_WHY])
{
	fitsfile *f = NULL;
	int status = 0, closing = 0;

	errno = 0;
	fits_open_diskfile(&f, part, READWRITE, &status);
	if (status == 0) {
		text(f, LOG_COMMENTS, comment, "", &status);
		fits_write_chksum(f, &status);
	}
	if (f)
		fits_close_file(f, &closing);
	if (status || closing)
		return fits_fail(why, part, status ? status : closing, errno);
	return verify(part, why);
}

int fits_log_comment(const char *path, const char *comment, char why[PUB_WHY])
{
	struct pub p;
	int rc = 0;

	int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return fail(why, errno, "%.200s: %s", path, strerror(errno));
	if (pub_begin(&p, path, true) < 0) {
		close(from);
		return fail(why, errno, "%s", p.why);
	}
	int fd =
	    openat(p.dirfd, p.part_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0 || pub_hold(&p, fd) < 0 || copy_all(from, fd) < 0)
		rc = fail(why, errno, "%.200s: %s", p.part, strerror(errno));
	if (rc == 0)
		rc = add_comment(p.part, comment, why);
	if (rc == 0 && pub_commit(&p, fd, true) < 0)
		rc = fail(why, errno, "%s", p.why);
	close(from);
	if (fd >= 0)
		close(fd);
	pub_end(&p);
	return rc;
}
