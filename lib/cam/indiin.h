/*
 * indiin.h - the inside of the INDI back end, shared by its two files
 *
 * indiprop.c the server's properties: heard of, asked for, set
 * indi.c     the camera that they make
 *
 * Source: INDI Protocol 1.7 (Elwood C. Downey), and the standard properties of CCDs.
 * What fails has noted the call and its code in the camera (cam_fail), and returns -1.
 */
#ifndef FYKE_INDIIN_H
#define FYKE_INDIIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "base/tim.h"
#include "cam/blob.h"
#include "cam/cam.h"
#include "cam/xml.h"

#define ANSWER   (10 * TIM_S)
#define SETTLE   (500 * TIM_MS) /* after an Alert an Ok may still follow */
#define ELEMENTS 8

enum state { IDLE, OK, BUSY, ALERT };

struct element {
	char name[40];
	double value, min, max;
	bool on;
};

struct property {
	const char *name;
	bool defined;
	enum state state;
	unsigned updates;
	int n;
	struct element e[ELEMENTS];
};

enum {
	CONNECTION,
	EXPOSURE,
	FRAME,
	BINNING,
	FRAME_TYPE,
	ABORT,
	TEMPERATURE,
	INFO,
	COOLER,
	PROPERTIES
};
extern const char *const indi_names[PROPERTIES];

struct indi {
	struct net_spec server;
	char device[64]; /* "": the first one */
	int fd;
	struct xml xml;
	struct property p[PROPERTIES];
	/* of the element that is being read */
	struct property *now;
	struct element *elem;
	bool is_blob, is_def;
	char text[64];
	size_t ntext;
	char message[CAM_TEXT]; /* the last one */
	/* of the exposure */
	struct blob blob;
	uint16_t *pixels;       /* shoot's, while armed */
	size_t room;            /* of these */
	bool asked;             /* an exposure was asked for, and was not Busy yet */
	bool armed;             /* it has begun: its image may come */
	bool image;             /* and has come */
	bool mine;              /* the exposure under way is ours, wanted or not */
	bool refused;           /* an abort: an Alert is of that, until the exposure is Busy */
	struct cam_frame frame; /* that was asked for */
	double exposure;        /* s */
	int64_t begun, idle_at; /* tim_mono(); idle_at 0: it is not */
};

/* Begins to take in what a server says. */
void indiprop_begin(struct indi *d);

/* Takes in what there is within ns. 0, or -1 with errno when the server is lost. */
int indiprop_hear(struct indi *d, int64_t ns);

/* Sends XML. 0, or -1 with errno. */
int indiprop_say(struct indi *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is told when the server is lost during a call, and when a driver says Alert. */
int indiprop_lost(struct cam *c, const char *call);
int indiprop_refused(struct cam *c, const struct property *p);

/* Waits until the driver has told of a property. */
int indiprop_await(struct cam *c, int which);

const struct element *indiprop_element(const struct property *p, const char *name); /* or NULL */
double indiprop_value(const struct property *p, const char *element); /* 0: it has no such one */

/* Whether it has these n values. */
bool indiprop_has(const struct property *p, const char *const *element, const double *v, int n);

/* Sets numbers, and waits until the driver has taken these very values. busy_is_good: it will take
 * its time. */
int indiprop_set_numbers(struct cam *c, struct property *p, const char *const *element,
    const double *v, int n, bool busy_is_good);
int indiprop_set_switch(struct cam *c, struct property *p, const char *element);

/* No image is expected any more; the rest of one that comes now is dropped. */
void indiprop_disarm(struct indi *d);

#endif
