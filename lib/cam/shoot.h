/*
 * shoot.h - the camera's own thread: one job at a time, told of by events
 *
 * Calls to a camera block, and so do disks; clients must not wait for either. shoot_begin() gives
 * the thread a job; what happens comes back as events, the last of which is SHOOT_DONE. During an
 * exposure shoot_control() may be used, answered by SHOOT_ANSWER.
 */
#ifndef FYKE_SHOOT_H
#define FYKE_SHOOT_H

#include "cam/cam.h"
#include "cam/codes.h"
#include "cam/settings.h"
#include "file/pub.h"

#define SHOOT_FILES 63
#define SHOOT_TEXT  (PUB_PATH + 500)

struct shoot_options {
	const char *dir;       /* where files go */
	const char *prefix;    /* two letters of the instrument */
	const char *telescope; /* file of keywords, or NULL */
	const char *site;      /* the same, read at each image, of any age */
	int64_t telescope_age; /* older is stale; ns */
	int64_t margin;        /* what an exposure may take longer than planned */
	double warm;           /* the cooler's power stays on below this; C */
	bool no_warm_up;
};

enum shoot_kind {
	SHOOT_NOTHING,
	SHOOT_START,
	SHOOT_FRAME,  /* the geometry of set */
	SHOOT_COOLER, /* that of set */
	SHOOT_TEMPERATURE,
	SHOOT_EXPOSE,
	SHOOT_SAVE,
	SHOOT_COMMENT, /* text into files */
	SHOOT_STOP
};

struct shoot_job {
	enum shoot_kind kind;
	bool debug; /* tell of each call */
	struct settings set;
	double seconds;
	int count;
	bool dark;
	char text[VERB_TEXT + 1];
	int nfiles;
	char file[SHOOT_FILES][65];
};

enum shoot_phase {
	PHASE_OFF,
	PHASE_STARTING,
	PHASE_IDLE,
	PHASE_PENDING,
	PHASE_INTEGRATING,
	PHASE_READOUT,
	PHASE_SAVING,
	PHASE_STOPPING
};

enum shoot_what {
	SHOOT_PHASE,  /* phase, elapsed, total, readout, held, last */
	SHOOT_LINE,   /* a progress line for who waits: text */
	SHOOT_CALL,   /* call, code */
	SHOOT_SAVED,  /* text is a path on disk now */
	SHOOT_IMAGED, /* an image is in memory; the comment for one image is used up */
	SHOOT_TALK,   /* tag, text: for the Talker */
	SHOOT_KELVIN, /* celsius, code: a reading of the temperature */
	SHOOT_ANSWER, /* tag, call, code, text: to shoot_control() */
	SHOOT_DONE    /* tag, call, code, text */
};

struct shoot_event {
	struct shoot_event *next;
	enum shoot_what what;
	enum shoot_phase phase;
	double elapsed, total, readout, celsius;
	bool held, last;
	enum code_tag tag;
	const char *call;
	unsigned code;
	char text[SHOOT_TEXT];
};

enum shoot_control {
	CONTROL_NONE,
	CONTROL_ABORT,
	CONTROL_ADDTIME,
	CONTROL_HOLD,
	CONTROL_RESUME,
	CONTROL_READOUT
};

struct shoot;

/* cam and options stay the caller's. NULL with errno. */
struct shoot *shoot_new(struct cam *cam, const struct shoot_options *options);

/* Waits for the thread to end its job. */
void shoot_free(struct shoot *s);

/* Readable when there are events. */
int shoot_fd(const struct shoot *s);

/* The next event, to be freed by the caller, or NULL. */
struct shoot_event *shoot_take(struct shoot *s);

/* There must be no job under way. */
void shoot_begin(struct shoot *s, const struct shoot_job *job);

/* Asks for something during an exposure. */
void shoot_control(struct shoot *s, enum shoot_control what, double seconds);

/* A series ends with the image under way. */
void shoot_last(struct shoot *s);

/* Whether the camera is on; then cam->info holds. Both only between jobs. */
bool shoot_is_on(const struct shoot *s);

#endif
