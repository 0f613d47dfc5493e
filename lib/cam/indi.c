/* indi.c - cameras behind an INDI server: on and off, cooled, and exposed */
#include "cam/indiin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tcp.h"
#include "base/tim.h"
#include "cam/codes.h"
#include "cam/indi.h"

#define AMBIENT 20.0        /* C: the set point of a cooler that cannot be switched off */
#define LATE    (2 * TIM_S) /* an image after the exposure was idle */

/* ---- life ---- */

static struct indi *own(struct cam *c)
{
	char why[NET_WHY];

	if (!c->own) {
		struct indi *d = c->own = calloc(1, sizeof *d);
		if (!d)
			return NULL;
		d->fd = -1;
		(void)net_parse("127.0.0.1:7624", NET_TCP, &d->server, why);
	}
	return c->own;
}

static int option(struct cam *c, const char *key, const char *value, char why[CAM_TEXT])
{
	struct indi *d = own(c);
	char net_why[NET_WHY];

	if (d && strcmp(key, "server") == 0) {
		if (net_parse(value, NET_TCP, &d->server, net_why) == 0)
			return 0;
		snprintf(why, CAM_TEXT, "%.190s", net_why);
		return -1;
	}
	/* The name goes into XML as it is. */
	if (d && strcmp(key, "device") == 0 && strlen(value) < sizeof d->device &&
	    !strpbrk(value, "<>&'\"")) {
		snprintf(d->device, sizeof d->device, "%s", value);
		return 0;
	}
	snprintf(
	    why, CAM_TEXT, "%.40s=%.40s: indi knows server=HOST:PORT and device=NAME", key, value);
	return -1;
}

static void read_info(struct cam *c)
{
	struct indi *d = c->own;
	struct cam_info *i = &c->info;
	const struct element *h = indiprop_element(&d->p[BINNING], "HOR_BIN"),
			     *v = indiprop_element(&d->p[BINNING], "VER_BIN"),
			     *t = indiprop_element(&d->p[TEMPERATURE], "CCD_TEMPERATURE_VALUE");

	snprintf(i->model, sizeof i->model, "%.63s", d->device);
	snprintf(i->serial, sizeof i->serial, "-");
	i->width = (int)indiprop_value(&d->p[INFO], "CCD_MAX_X");
	i->height = (int)indiprop_value(&d->p[INFO], "CCD_MAX_Y");
	i->max_xbin = h && h->max >= 1 ? (int)h->max : 1;
	i->max_ybin = v && v->max >= 1 ? (int)v->max : 1;
	i->amps = 1;
	i->t_min = t ? t->min : 0;
	i->t_max = t ? t->max : 0;
	i->can = (d->p[ABORT].defined ? CAM_CAN_ABORT : 0) | (t ? CAM_CAN_COOL : 0);
}

static int connect_camera(struct cam *c)
{
	struct indi *d = c->own;
	const int needed[] = {INFO, EXPOSURE, FRAME, BINNING, FRAME_TYPE};

	if (indiprop_say(d, "<getProperties version='1.7'/>\n") < 0)
		return indiprop_lost(c, "getProperties");
	if (indiprop_await(c, CONNECTION) < 0 ||
	    indiprop_set_switch(c, &d->p[CONNECTION], "CONNECT") < 0)
		return -1;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (indiprop_await(c, needed[i]) < 0)
			return -1;
	if (indiprop_say(d, "<enableBLOB device='%s'>Also</enableBLOB>\n", d->device) < 0)
		return indiprop_lost(c, "enableBLOB");
	/* What else it has comes in the same breath. */
	for (int64_t until = tim_mono() + SETTLE; tim_mono() < until;)
		if (indiprop_hear(d, until - tim_mono()) < 0)
			return indiprop_lost(c, "getProperties");
	read_info(c);
	if (c->info.width < 1 || c->info.height < 1 || c->info.width > 65535 ||
	    c->info.height > 65535)
		return cam_fail(c, "CCD_INFO", DRV_GENERAL_ERRORS, "a detector of %d x %d pixels",
		    c->info.width, c->info.height);
	return 0;
}

static int start(struct cam *c)
{
	struct indi *d = own(c);
	char why[NET_WHY];

	if (!d)
		return cam_fail(c, "connect", DRV_NOT_INITIALIZED, "no memory");
	memset(d->p, 0, sizeof d->p);
	for (int i = 0; i < PROPERTIES; i++)
		d->p[i].name = indi_names[i];
	indiprop_disarm(d);
	d->mine = false;
	d->fd = tcp_connect(&d->server, tim_mono() + ANSWER, NULL, why);
	if (d->fd < 0)
		return cam_fail(c, "connect", DRV_NOCAMERA, "INDI server: %.160s", why);
	indiprop_begin(d);
	if (connect_camera(c) == 0)
		return 0;
	close(d->fd);
	d->fd = -1;
	return -1;
}

static int stop(struct cam *c)
{
	struct indi *d = c->own;

	/* The driver stays connected: others may use it. */
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	(void)cam_did(c, "close", DRV_SUCCESS);
	return 0;
}

/* ---- temperature ---- */

static int cool(struct cam *c, bool on, double celsius)
{
	static const char *const element[] = {"CCD_TEMPERATURE_VALUE"};
	struct indi *d = c->own;
	double warm = fmin(c->info.t_max, AMBIENT);

	if (!on && d->p[COOLER].defined && indiprop_element(&d->p[COOLER], "COOLER_OFF"))
		return indiprop_set_switch(c, &d->p[COOLER], "COOLER_OFF");
	return indiprop_set_numbers(c, &d->p[TEMPERATURE], element, on ? &celsius : &warm, 1, true);
}

static int temperature(struct cam *c, double *celsius)
{
	struct indi *d = c->own;
	struct property *p = &d->p[TEMPERATURE];

	if (indiprop_hear(d, 0) < 0)
		return indiprop_lost(c, "CCD_TEMPERATURE");
	if (!p->defined)
		return cam_fail(
		    c, "CCD_TEMPERATURE", DRV_TEMP_NOT_SUPPORTED, "the camera does not tell");
	*celsius = indiprop_value(p, "CCD_TEMPERATURE_VALUE");
	(void)cam_did(c, "CCD_TEMPERATURE",
	    p->state == OK          ? DRV_TEMP_STABILIZED
		: p->state == BUSY  ? DRV_TEMP_NOT_REACHED
		: p->state == ALERT ? DRV_TEMP_OUT_RANGE
				    : DRV_TEMP_OFF);
	return 0;
}

/* ---- one image ---- */

static int set_window(struct cam *c, double x, double y, double w, double h)
{
	static const char *const element[] = {"X", "Y", "WIDTH", "HEIGHT"};
	struct indi *d = c->own;
	const double v[] = {x, y, w, h};

	/* All four, or those that are left out are taken for -1. */
	return indiprop_has(&d->p[FRAME], element, v, 4) && d->p[FRAME].state != ALERT
	    ? 0
	    : indiprop_set_numbers(c, &d->p[FRAME], element, v, 4, false);
}

/* INDI lets every client change an exposure under way, and begin it anew. Not this one: 0 when
 * nobody else is exposing. */
static int let_others(struct cam *c)
{
	struct indi *d = c->own;

	if (indiprop_hear(d, 0) < 0)
		return indiprop_lost(c, "CCD_EXPOSURE");
	/* That an exposure has ended is told after its image. */
	for (int64_t until = tim_mono() + SETTLE, now;
	     d->p[EXPOSURE].state == BUSY && !d->mine && (now = tim_mono()) < until;)
		if (indiprop_hear(d, until - now) < 0)
			return indiprop_lost(c, "CCD_EXPOSURE");
	if (d->p[EXPOSURE].state != BUSY || d->mine)
		return 0;
	return cam_fail(c, "CCD_EXPOSURE", DRV_ACQUIRING, "another INDI client is exposing");
}

/* A binning is refused in some windows: the whole detector first, then the window. */
static int frame(struct cam *c, const struct cam_frame *f)
{
	static const char *const element[] = {"HOR_BIN", "VER_BIN"};
	struct indi *d = c->own;
	const double bin[] = {f->xbin, f->ybin};

	if (let_others(c) < 0)
		return -1;
	if (!indiprop_has(&d->p[BINNING], element, bin, 2) || d->p[BINNING].state == ALERT) {
		if (set_window(c, 0, 0, c->info.width, c->info.height) < 0 ||
		    indiprop_set_numbers(c, &d->p[BINNING], element, bin, 2, false) < 0)
			return -1;
	}
	if (set_window(c, f->x - 1, f->y - 1, f->w, f->h) < 0)
		return -1;
	(void)cam_did(c, "SetImage", DRV_SUCCESS);
	return 0;
}

static int prepare(struct cam *c, const struct cam_setup *s, struct cam_timing *t)
{
	struct indi *d = c->own;
	const struct element *e = indiprop_element(&d->p[EXPOSURE], "CCD_EXPOSURE_VALUE");

	indiprop_disarm(d);
	if (frame(c, &s->frame) < 0)
		return -1;
	if (indiprop_set_switch(c, &d->p[FRAME_TYPE],
		!s->dark             ? "FRAME_LIGHT"
		    : s->seconds > 0 ? "FRAME_DARK"
				     : "FRAME_BIAS") < 0)
		return -1;
	t->exposure = e && s->seconds < e->min ? e->min : s->seconds;
	t->readout = 0;
	d->exposure = t->exposure;
	d->frame = s->frame;
	return 0;
}

static int expose(struct cam *c, uint16_t *pixels, size_t n)
{
	static const char *const element[] = {"CCD_EXPOSURE_VALUE"};
	struct indi *d = c->own;

	if (indiprop_hear(d, 0) < 0)
		return indiprop_lost(c, "CCD_EXPOSURE");
	/* The image before this one came before the driver's word that its exposure has ended. */
	for (int64_t until = tim_mono() + LATE, now;
	     d->p[EXPOSURE].state == BUSY && (now = tim_mono()) < until;)
		if (indiprop_hear(d, until - now) < 0)
			return indiprop_lost(c, "CCD_EXPOSURE");
	/* A second request would restart the exposure of whoever else is taking one. */
	if (d->p[EXPOSURE].state == BUSY)
		return cam_fail(c, "CCD_EXPOSURE", DRV_ACQUIRING,
		    "another INDI client is exposing, or the exposure before has not ended");
	d->image = false;
	d->pixels = pixels;
	d->room = n;
	d->idle_at = 0;
	d->blob.bad = false;
	d->refused = false;
	d->asked = true; /* a short one may come with the answer */
	d->begun = tim_mono();
	if (indiprop_set_numbers(c, &d->p[EXPOSURE], element, &d->exposure, 1, true) == 0)
		return 0;
	indiprop_disarm(d);
	return -1;
}

static int wait_image(struct cam *c, int64_t ns, struct cam_progress *p)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ns, now;

	while (!d->image && (now = tim_mono()) < until)
		if (indiprop_hear(d, until - now) < 0)
			return indiprop_lost(c, "CCD_EXPOSURE");
	p->total = d->exposure;
	p->elapsed = fmin((double)(tim_mono() - d->begun) / 1e9, p->total);
	p->phase = d->image ? CAM_READY : p->elapsed < p->total ? CAM_INTEGRATING : CAM_READING;
	c->said.call = "CCD_EXPOSURE";
	if (d->image)
		return 0;
	enum state state = d->p[EXPOSURE].state;
	if (state == ALERT && !d->refused)
		return indiprop_refused(c, &d->p[EXPOSURE]);
	if (state == BUSY)
		d->refused = false;
	if (state == BUSY || state == ALERT)
		d->idle_at = 0;
	else if (d->idle_at == 0)
		d->idle_at = tim_mono();
	else if (tim_mono() - d->idle_at > LATE)
		return cam_fail(c, "CCD_EXPOSURE", DRV_NO_NEW_DATA,
		    "the exposure has ended without an image: did another client abort it?");
	return 0;
}

/* Another client has changed the image: what it is by the driver's own word, if that fits. */
static struct cam_frame what_came(struct indi *d)
{
	struct property *bin = &d->p[BINNING], *at = &d->p[FRAME];
	struct cam_frame f = {(int)indiprop_value(bin, "HOR_BIN"),
	    (int)indiprop_value(bin, "VER_BIN"), (int)indiprop_value(at, "X") + 1,
	    (int)indiprop_value(at, "Y") + 1, (int)indiprop_value(at, "WIDTH"),
	    (int)indiprop_value(at, "HEIGHT")};

	if (f.xbin > 0 && f.ybin > 0 && cam_columns(&f) == d->blob.width &&
	    cam_rows(&f) == d->blob.height)
		return f;
	return (struct cam_frame){1, 1, 1, 1, d->blob.width, d->blob.height};
}

static int fetch(struct cam *c)
{
	struct indi *d = c->own;
	const struct blob *b = &d->blob;

	indiprop_disarm(d);
	const char *bad = b->bad ? b->why : blob_whole(b) ? NULL : "it is not whole";
	if (bad && b->width > 0 && b->height > 0)
		return cam_fail(c, "CCD1", DRV_GENERAL_ERRORS,
		    "the image has %d x %d pixels, and %d x %d were asked for; it cannot be used: "
		    "%s",
		    b->width, b->height, cam_columns(&d->frame), cam_rows(&d->frame), bad);
	if (bad)
		return cam_fail(c, "CCD1", DRV_GENERAL_ERRORS, "the image cannot be used: %s", bad);
	c->came = (struct cam_frame){0, 0, 0, 0, 0, 0};
	if (b->width != cam_columns(&d->frame) || b->height != cam_rows(&d->frame))
		c->came = what_came(d);
	(void)cam_did(c, "CCD1", DRV_SUCCESS);
	return 0;
}

/* Where an abort is refused or not answered the exposure goes on: its image is wanted still, and may
 * have come meanwhile. */
static int abort_exposure(struct cam *c)
{
	struct indi *d = c->own;
	struct property *e = &d->p[EXPOSURE];

	/* libindi's drivers say Alert of the exposure too, some of them until its end. */
	d->refused = true;
	d->asked = false;
	if (indiprop_set_switch(c, &d->p[ABORT], "ABORT") < 0)
		return -1;
	for (int64_t until = tim_mono() + SETTLE; tim_mono() < until;)
		if (indiprop_hear(d, until - tim_mono()) < 0)
			return indiprop_lost(c, "CCD_ABORT_EXPOSURE");
	if (e->state == BUSY && !d->image)
		return cam_fail(
		    c, "CCD_ABORT_EXPOSURE", DRV_GENERAL_ERRORS, "the camera goes on exposing");
	/* What has come of a late abort's image, and what comes still, is dropped. Only behind an
	 * image that has come is the exposure Busy still. */
	indiprop_disarm(d);
	d->mine = d->mine && e->state == BUSY;
	(void)cam_did(c, "CCD_ABORT_EXPOSURE", DRV_SUCCESS);
	return 0;
}

static void release(struct cam *c)
{
	struct indi *d = c->own;

	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

const struct cam_back cam_indi = {.name = "indi",
    .no = SEQ_NOTSUP,
    .option = option,
    .start = start,
    .frame = frame,
    .cool = cool,
    .temperature = temperature,
    .prepare = prepare,
    .expose = expose,
    .wait = wait_image,
    .fetch = fetch,
    .cancel = abort_exposure,
    .stop = stop,
    .free = release};
