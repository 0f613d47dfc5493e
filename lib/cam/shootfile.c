/* shootfile.c - what becomes of images on disk: names, saving, comments afterwards */
#include "cam/shootin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "cam/night.h"

#define HEADER_SIZE 14400     /* bytes: five blocks of FITS */
#define KEEP_FREE   (1 << 20) /* bytes that others may need meanwhile */

int shoot_check_disk(struct shoot *s, const struct cam_frame *f, int count)
{
	int64_t need =
	    ((int64_t)cam_columns(f) * cam_rows(f) * 2 + HEADER_SIZE) * count + KEEP_FREE;
	int fd = open(s->o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK, "%s: %s. Nothing was exposed.",
		    s->o->dir, strerror(errno));
		return -1;
	}
	int64_t free = io_free_bytes(fd);
	close(fd);
	if (free < 0 || free >= need)
		return 0;
	shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
	    "%s: %d image%s need %.1f MB, and %.1f MB are free. Nothing was exposed: make room "
	    "first.",
	    s->o->dir, count, count > 1 ? "s" : "", (double)need / 1e6, (double)free / 1e6);
	return -1;
}

int shoot_stem(
    struct shoot *s, const struct settings *set, int64_t t, int count, char stem[8], int *number)
{
	char code[5];

	if (*set->filename)
		memcpy(code, set->filename, sizeof code);
	else if (night_code(t, code) < 0) {
		shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
		    "file names have letters for 1991 to 2042 only: set the clock, or choose four "
		    "characters by filename.");
		return -1;
	}
	snprintf(stem, 8, "%.2s%.4s", s->o->prefix, code);
	*number = night_number(s->o->dir, stem, true);
	if (*number < 0) {
		shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK, "%s: %s", s->o->dir, strerror(errno));
		return -1;
	}
	if (*number + count <= NIGHT_LAST) {
		++*number;
		return 0;
	}
	shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
	    "%s%04d is there, and 9999 is the last number: choose four other characters by "
	    "filename.",
	    stem, *number);
	return -1;
}

void shoot_read_cards(struct shoot *s)
{
	struct image *im = &s->image;
	char why[CARDS_WHY];

	im->site = im->telescope = NULL;
	im->tel_state = "NONE";
	if (s->o->site) {
		if (cards_read(s->o->site, 0, 0, &s->site, why) != 0)
			snprintf(
			    s->warning, sizeof s->warning, "keywords of the site: %.200s", why);
		im->site = &s->site;
	}
	if (!s->o->telescope)
		return;
	int rc = cards_read(s->o->telescope, s->o->telescope_age, tim_now(), &s->telescope, why);
	im->tel_state = rc == 0 ? "OK" : rc > 0 ? "STALE" : "MISSING";
	im->telescope = rc < 0 ? NULL : &s->telescope;
	if (rc != 0)
		snprintf(s->warning, sizeof s->warning, "keywords of the telescope: %.200s", why);
}

/* The image in memory onto the disk. */
int shoot_save(struct shoot *s, char path[PUB_PATH])
{
	char stem[8], why[PUB_WHY];
	int number;

	shoot_phase(s, PHASE_SAVING, NULL, true);
	if (shoot_stem(s, &s->image_set, s->image.begun, 1, stem, &number) < 0)
		return -1;
	int rc = fits_out(&s->image, s->o->dir, stem, &number, path, why);
	if (rc < 0) {
		shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
		    "%s. The image is still in memory: make room, then use save.", why);
		return -1;
	}
	if (rc > 0)
		snprintf(s->warning, sizeof s->warning, "%.240s", why);
	shoot_tell(s, SHOOT_SAVED, CODE_NOTE, NULL, SEQ_OK, "%s", path);
	return 0;
}

void shoot_save_again(struct shoot *s)
{
	char path[PUB_PATH];

	*s->warning = '\0';
	if (!s->have) {
		shoot_tell(
		    s, SHOOT_DONE, CODE_ASTRO, NULL, SEQ_DISK, "there is no image in memory");
		return;
	}
	/* Another name may be what it takes. */
	memcpy(s->image_set.filename, s->job.set.filename, sizeof s->image_set.filename);
	if (shoot_save(s, path) == 0)
		shoot_tell(s, SHOOT_DONE, *s->warning ? CODE_WARNING : CODE_NOTE, NULL, SEQ_OK,
		    "saved %s exptime=%.4f%s%s", path, s->image.exposure, *s->warning ? "; " : "",
		    s->warning);
}

/* Fills in the files of a log-comment; all must exist before one is changed. */
static int find_files(struct shoot *s)
{
	struct shoot_job *j = &s->job;
	char stem[8], path[PUB_PATH];
	int number;

	if (j->nfiles == 0) {
		if (shoot_stem(s, &j->set, tim_now(), 0, stem, &number) < 0)
			return -1;
		number = night_number(s->o->dir, stem, false);
		if (number < 1) {
			shoot_tell(s, SHOOT_DONE, CODE_ASTRO, NULL, SEQ_RANGE,
			    "there is no file %sNNNN.fits", stem);
			return -1;
		}
		snprintf(j->file[j->nfiles++], sizeof j->file[0], "%s%04d.fits", stem, number);
	}
	for (int i = 0; i < j->nfiles; i++) {
		size_t n = strlen(j->file[i]);
		if ((n < 5 || strcmp(j->file[i] + n - 5, ".fits") != 0) &&
		    n + 6 <= sizeof j->file[i])
			strcpy(j->file[i] + n, ".fits");
		snprintf(path, sizeof path, "%s/%s", s->o->dir, j->file[i]);
		if (access(path, W_OK) == 0)
			continue;
		shoot_tell(s, SHOOT_DONE, CODE_ASTRO, NULL, SEQ_RANGE,
		    "%s: %s. No file was changed.", path, strerror(errno));
		return -1;
	}
	return 0;
}

void shoot_comment(struct shoot *s)
{
	struct shoot_job *j = &s->job;
	char path[PUB_PATH], why[PUB_WHY];

	if (find_files(s) < 0)
		return;
	for (int i = 0; i < j->nfiles; i++) {
		snprintf(path, sizeof path, "%s/%s", s->o->dir, j->file[i]);
		if (fits_log_comment(path, j->text, why) < 0) {
			shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_DISK,
			    "%s. %d of %d files were changed.", why, i, j->nfiles);
			return;
		}
	}
	shoot_tell(s, SHOOT_DONE, -1, NULL, SEQ_OK, "LOGCOMME added to %s%s", j->file[0],
	    j->nfiles > 1 ? " and others" : "");
}
