/*
 * cam.h - a camera behind seqd: what every back end (sim, andor, indi) must be able to do
 *
 * Functions return 0, or -1 with cam->said: the call that failed, its code, and what is known
 * besides. They block (a start for seconds, a wait for the slice that it is given), and only one
 * thread calls them. Times are the camera's: cam->pace of its seconds pass in one of ours.
 */
#ifndef FYKE_CAM_H
#define FYKE_CAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAM_TEXT 200

/* The window in unbinned pixels, from 1. */
struct cam_frame {
	int xbin, ybin, x, y, w, h;
};

struct cam_setup {
	struct cam_frame frame;
	int amp;   /* from 0 */
	bool fast; /* low gain, fast read-out */
	bool dark; /* shutter stays closed */
	double seconds;
};

struct cam_timing {
	double exposure; /* s, as the camera will do it */
	double readout;
};

enum cam_phase { CAM_INTEGRATING, CAM_READING, CAM_READY };

struct cam_progress {
	enum cam_phase phase;
	double elapsed, total; /* s of light */
	bool held;
};

/* What a back end can do beyond the ordinary. */
enum {
	CAM_CAN_ABORT = 1,
	CAM_CAN_ADDTIME = 2,
	CAM_CAN_HOLD = 4,
	CAM_CAN_READOUT = 8,
	CAM_CAN_AMPL = 16,
	CAM_CAN_GAIN = 32,
	CAM_CAN_COOL = 64,
};

struct cam_info {
	char model[64], serial[32];
	int width, height, max_xbin, max_ybin, amps;
	double t_min, t_max; /* of the set point, C */
	unsigned can;
};

struct cam_said {
	const char *call;      /* "SetImage"; a constant */
	unsigned code;         /* 20002 ... */
	char detail[CAM_TEXT]; /* "" or a sentence of the camera's own: untrusted */
};

struct cam;

struct cam_back {
	const char *name;
	unsigned no; /* the code with which it refuses what it cannot do */

	/* An option KEY=VALUE of the command line. 0, or -1 with why. */
	int (*option)(struct cam *c, const char *key, const char *value, char why[CAM_TEXT]);
	/* Before everything else; may be NULL: whether the back end can work here at all. */
	int (*load)(struct cam *c);
	int (*start)(struct cam *c); /* fills info in */
	int (*frame)(struct cam *c, const struct cam_frame *f);
	int (*cool)(struct cam *c, bool on, double celsius);
	/* The code of 0 tells the state (DRV_TEMP_...). */
	int (*temperature)(struct cam *c, double *celsius);
	/* Everything of an exposure but its start. */
	int (*prepare)(struct cam *c, const struct cam_setup *s, struct cam_timing *t);
	/* From here on the image may come into pixels, which has room for n of them: the whole
	 * detector. */
	int (*expose)(struct cam *c, uint16_t *pixels, size_t n);
	int (*wait)(struct cam *c, int64_t ns, struct cam_progress *p);
	int (*fetch)(struct cam *c);                   /* after CAM_READY: now it is there, whole */
	int (*cancel)(struct cam *c);                  /* aborts */
	int (*addtime)(struct cam *c, double seconds); /* these three may be NULL */
	int (*hold)(struct cam *c, bool hold);
	int (*readout)(struct cam *c);
	int (*stop)(struct cam *c);
	void (*free)(struct cam *c);
};

struct cam {
	const struct cam_back *back;
	void *own; /* the back end's */
	struct cam_info info;
	struct cam_said said;
	double pace;
	bool gone; /* set by a back end that has lost its camera: it must be started again */
	struct cam_frame
	    came; /* set by fetch: the image is not as was asked for, but so; w 0: it is */
	/* Told of each call to the camera, if not NULL. */
	void (*trace)(void *ctx, const char *call, unsigned code);
	void *trace_ctx;
};

/* Makes a camera of a back end: "sim", "andor", "indi". NULL with errno (EINVAL: no such one). */
struct cam *cam_new(const char *back);
void cam_free(struct cam *c); /* does not stop it */

/* An option "KEY=VALUE" of the back end. 0, or -1 with why. */
int cam_option(struct cam *c, const char *text, char why[CAM_TEXT]);

static inline int cam_columns(const struct cam_frame *f)
{
	return f->w / f->xbin;
}

static inline int cam_rows(const struct cam_frame *f)
{
	return f->h / f->ybin;
}

/* For back ends: notes a call and its code, tells the trace. Returns code. */
unsigned cam_did(struct cam *c, const char *call, unsigned code);

/* For back ends: the same for a failure, with a detail. Returns -1. */
int cam_fail(struct cam *c, const char *call, unsigned code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
