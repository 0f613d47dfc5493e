/* fits.c - an image as a FITS file: written, read back, and published without overwriting */
#include "cam/fits.h"

#include <errno.h>
#include <fcntl.h>
#include <fitsio.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tim.h"
#include "cam/codes.h"
#include "cam/night.h"

#define LOG_COMMENTS "LOGCOMME"
#define COPY_STEP    (8 << 20)

static int fail(char why[PUB_WHY], int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(char why[PUB_WHY], int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, PUB_WHY, format, ap);
	va_end(ap);
	errno = error;
	return -1;
}

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

/* Reads the file back and sums it. */
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
		return fail(why, EILSEQ,
		    "%.200s: what was read back differs from what was written: "
		    "suspect the disk or the memory",
		    path);
	return 0;
}

/* Writes p->part. *fd is a descriptor of our own, from before the first byte, so that fsync on
 * it tells of every error. */
static int write_part(struct pub *p, const struct image *im, int *fd, char why[PUB_WHY])
{
	long axes[2] = {cam_columns(&im->frame), cam_rows(&im->frame)};
	fitsfile *f = NULL;
	int status = 0, closing = 0;

	*fd = -1;
	errno = 0;
	fits_create_diskfile(&f, p->part, &status);
	if (status)
		return fits_fail(why, p->part, status, errno);
	*fd = open(p->part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0 || pub_hold(p, *fd) < 0) {
		int error = errno;
		fits_close_file(f, &closing);
		return fail(why, error, "%s", *fd < 0 ? strerror(error) : p->why);
	}
	fits_create_img(f, USHORT_IMG, 2, axes, &status);
	header(f, im, p->name, &status);
	errno = 0;
	fits_write_img(
	    f, TUSHORT, 1, (LONGLONG)axes[0] * axes[1], (void *)(uintptr_t)im->pixels, &status);
	fits_write_chksum(f, &status);
	int error = errno;
	fits_close_file(f, &closing);
	if (status || closing)
		return fits_fail(why, p->part, status ? status : closing, error ? error : errno);
	return 0;
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
	if (write_part(&p, im, &fd, why) < 0)
		rc = errno == EBUSY ? 1 : -1;
	if (rc == 0 && fsync(fd) < 0)
		rc = fail(
		    why, errno, "%.200s: does not reach the disk: %s", p.part, strerror(errno));
	if (rc == 0)
		rc = verify(p.part, why);
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

static int add_comment(const char *part, const char *comment, char why[PUB_WHY])
{
	fitsfile *f = NULL;
	int status = 0, closing = 0;

	fits_open_diskfile(&f, part, READWRITE, &status);
	if (status == 0) {
		text(f, LOG_COMMENTS, comment, "", &status);
		fits_write_chksum(f, &status);
	}
	if (f)
		fits_close_file(f, &closing);
	if (status || closing)
		return fits_fail(why, part, status ? status : closing, 0);
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
