/*
 * shootin.h - what the parts of the camera's own thread share, and nobody else
 *
 * shoot.c is the thread and its jobs, shootsay.c the events, shootpower.c the camera on and off and
 * its temperature, shootimage.c one image after the other, shootfile.c what becomes of them on
 * disk. A job ends with one SHOOT_DONE.
 */
#ifndef FYKE_SHOOTIN_H
#define FYKE_SHOOTIN_H

#include <pthread.h>

#include "cam/fits.h"
#include "cam/shoot.h"

struct shoot {
	struct cam *cam;
	const struct shoot_options *o;
	pthread_t thread;
	int wake, told; /* eventfds: to the thread, and from it */

	pthread_mutex_t lock; /* guards all that follows */
	struct shoot_job job;
	bool busy, quit, last;
	enum shoot_control control;
	double control_seconds;
	struct shoot_event *first, **end;

	/* the thread's own */
	bool on, debug;
	bool warm_only; /* only its cooler kept the camera from starting */
	bool cooled;    /* its cooler was asked to come on */
	bool cold;      /* it is not on for us, but its cooler may be */
	uint16_t *pixels;
	size_t size; /* of pixels */
	bool have;   /* an image is in memory */
	struct image image;
	struct settings image_set;
	struct cards site, telescope;
	enum shoot_phase phase;
	char warning[CARDS_WHY]; /* of the image under way */
};

/* ---- shootsay.c ---- */

void shoot_poke(int fd);
void shoot_put(struct shoot *s, const struct shoot_event *from);

/* An event with text. tag -1: that of the code; call NULL: none. */
void shoot_tell(struct shoot *s, enum shoot_what what, int tag, const char *call, unsigned code,
    const char *format, ...) __attribute__((format(printf, 6, 7)));
void shoot_phase(struct shoot *s, enum shoot_phase p, const struct cam_progress *at, bool last);
void shoot_traced(void *ctx, const char *call, unsigned code);

/* The sentence on a failed call: what it means, what the camera says, what to do. */
const char *shoot_sentence(const struct cam_said *said, char *buf, size_t size);

/* The tag of a failed call: never that of a success, whatever the code means elsewhere. */
enum code_tag shoot_bad_tag(const struct cam_said *said);

/* The ends of a job: by the camera's last call, which failed, or by success. */
void shoot_fail(struct shoot *s, const char *more);
void shoot_done(struct shoot *s, const char *text);

/* ---- shootpower.c ---- */

int shoot_start(struct shoot *s); /* tells nothing of a failure */
void shoot_stop(struct shoot *s);
void shoot_cooler(struct shoot *s);
void shoot_temperature(struct shoot *s);

/* ---- shootimage.c ---- */

void shoot_frame(struct shoot *s);
void shoot_expose(struct shoot *s);

/* ---- shootfile.c: these tell why, and are the end of the job, when they return -1 ---- */

/* Whether count images of this shape would fit. */
int shoot_check_disk(struct shoot *s, const struct cam_frame *f, int count);

/* Prefix and date code of an image that begins at t, and the next free number, which count images
 * can have. */
int shoot_stem(
    struct shoot *s, const struct settings *set, int64_t t, int count, char stem[8], int *number);

/* The keywords of site and telescope, now. What is wrong with them goes to s->warning. */
void shoot_read_cards(struct shoot *s);

/* The image in memory onto the disk. */
int shoot_save(struct shoot *s, char path[PUB_PATH]);

/* The jobs of the same names. */
void shoot_save_again(struct shoot *s);
void shoot_comment(struct shoot *s);

#endif
