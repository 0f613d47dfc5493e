/* indi.c - cameras behind an INDI server: properties asked for, and images as they stream in */
#include "cam/indi.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tcp.h"
#include "base/tim.h"
#include "cam/blob.h"
#include "cam/codes.h"
#include "cam/xml.h"

#define ANSWER   (10 * TIM_S)
#define SETTLE   (500 * TIM_MS) /* after an Alert an Ok may still follow */
#define LATE     (2 * TIM_S)    /* an image after the exposure was idle */
#define CHUNK    65536
#define ELEMENTS 8
#define MATCH    0.01 /* values that are the same */

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
static const char *const names[PROPERTIES] = {"CONNECTION", "CCD_EXPOSURE", "CCD_FRAME",
    "CCD_BINNING", "CCD_FRAME_TYPE", "CCD_ABORT_EXPOSURE", "CCD_TEMPERATURE", "CCD_INFO",
    "CCD_COOLER"};

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
	uint16_t *pixels; /* shoot's, while armed */
	size_t room;
	bool asked, armed,
	    image; /* an exposure was asked for; has begun: its image may come; it has */
	bool mine; /* the exposure under way is ours, wanted or not */
	struct cam_frame frame; /* that was asked for */
	double exposure;
	int64_t begun, idle_at;
};

/* ---- what comes ---- */

static enum state state_of(const char *text)
{
	return strcmp(text, "Ok") == 0   ? OK
	    : strcmp(text, "Busy") == 0  ? BUSY
	    : strcmp(text, "Alert") == 0 ? ALERT
					 : IDLE;
}

static struct property *find(struct indi *d, const char *name)
{
	for (int i = 0; i < PROPERTIES; i++)
		if (strcmp(names[i], name) == 0)
			return &d->p[i];
	return NULL;
}

static struct element *find_element(struct property *p, const char *name, bool make)
{
	for (int i = 0; i < p->n; i++)
		if (strcmp(p->e[i].name, name) == 0)
			return &p->e[i];
	if (!make || p->n == ELEMENTS)
		return NULL;
	snprintf(p->e[p->n].name, sizeof p->e[0].name, "%.39s", name);
	return &p->e[p->n++];
}

static double to_number(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	return end == text || !isfinite(v) ? 0 : v;
}

static void keep_message(struct indi *d, const char *text)
{
	if (*text)
		snprintf(d->message, sizeof d->message, "%.*s", CAM_TEXT - 1, text);
}

static void on_vector(struct indi *d, const char *name, const struct xml_attr *a, int n)
{
	const char *device = xml_attr(a, n, "device"), *property = xml_attr(a, n, "name");

	if (!*d->device && strcmp(property, names[CONNECTION]) == 0)
		snprintf(d->device, sizeof d->device, "%.63s", device);
	d->now = NULL;
	d->is_blob = strcmp(name, "setBLOBVector") == 0;
	if (strcmp(d->device, device) != 0) {
		d->is_blob = false;
		return;
	}
	d->is_def = strncmp(name, "def", 3) == 0;
	d->now = find(d, property);
	if (!d->now)
		return;
	if (d->is_def)
		d->now->n = 0;
	d->now->defined = true;
	if (*xml_attr(a, n, "state"))
		d->now->state = state_of(xml_attr(a, n, "state"));
	keep_message(d, xml_attr(a, n, "message"));
}

static void begin(void *ctx, const char *name, const struct xml_attr *a, int n)
{
	struct indi *d = ctx;
	size_t len = strlen(name);

	d->elem = NULL;
	if (len > 6 && strcmp(name + len - 6, "Vector") == 0) {
		on_vector(d, name, a, n);
	} else if (strcmp(name, "message") == 0) {
		keep_message(d, xml_attr(a, n, "message"));
	} else if (strcmp(name, "oneBLOB") == 0) {
		d->is_blob = d->is_blob && d->armed && !d->image;
		if (d->is_blob)
			blob_begin(&d->blob, d->pixels, d->room);
	} else if (d->now && (strncmp(name, "def", 3) == 0 || strncmp(name, "one", 3) == 0)) {
		d->elem = find_element(d->now, xml_attr(a, n, "name"), d->is_def);
		d->ntext = 0;
		if (d->elem && d->is_def) {
			d->elem->min = to_number(xml_attr(a, n, "min"));
			d->elem->max = to_number(xml_attr(a, n, "max"));
		}
	}
}

static void text(void *ctx, const char *piece, size_t n)
{
	struct indi *d = ctx;

	if (d->is_blob && d->armed && !d->image && !d->elem) {
		blob_feed(&d->blob, piece, n);
		return;
	}
	if (!d->elem)
		return;
	for (size_t i = 0; i < n && d->ntext + 1 < sizeof d->text; i++)
		d->text[d->ntext++] = piece[i];
}

static void end(void *ctx, const char *name)
{
	struct indi *d = ctx;
	size_t len = strlen(name);

	if (d->elem) {
		d->text[d->ntext] = '\0';
		d->elem->value = to_number(d->text);
		d->elem->on = strstr(d->text, "On") != NULL;
		d->elem = NULL;
	} else if (strcmp(name, "oneBLOB") == 0 && d->is_blob) {
		d->image = true;
		d->is_blob = false;
	} else if (len > 6 && strcmp(name + len - 6, "Vector") == 0 && d->now) {
		d->now->updates++;
		/* An image that comes before this is of an exposure before. */
		if (d->asked && d->now == &d->p[EXPOSURE] &&
		    (d->now->state == BUSY || d->now->state == OK))
			d->armed = true;
		if (d->now == &d->p[EXPOSURE])
			d->mine = d->now->state == BUSY && (d->mine || d->asked);
		d->now = NULL;
	}
}

static const struct xml_calls calls = {.begin = begin, .text = text, .end = end};

/* Reads what there is within ns. 0, or -1 with errno when the server is lost. */
static int hear(struct indi *d, int64_t ns)
{
	static char chunk[CHUNK];
	int got = io_wait(d->fd, ns);

	if (got == 0 || (got < 0 && errno == EINTR))
		return 0;
	ssize_t n = got < 0 ? -1 : read(d->fd, chunk, sizeof chunk);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		errno = EPIPE;
	return n <= 0 ? -1 : xml_feed(&d->xml, chunk, (size_t)n);
}

static int say(struct indi *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int say(struct indi *d, const char *format, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	for (int at = 0; at < n;) {
		ssize_t k = send(d->fd, line + at, (size_t)(n - at), MSG_NOSIGNAL);
		if (k > 0)
			at += (int)k;
		else if (errno == EAGAIN && io_wait_write(d->fd, ANSWER) == 1)
			continue;
		else if (errno != EINTR)
			return -1;
	}
	return 0;
}

static int lost(struct cam *c, const char *call)
{
	c->gone = true;
	return cam_fail(c, call, DRV_ERROR_ACK, "the INDI server is gone: %s", strerror(errno));
}

static int silent(struct cam *c, const char *call)
{
	return cam_fail(c, call, DRV_ERROR_ACK, "no answer from the INDI server");
}

/* ---- asking ---- */

static int send_numbers(
    struct indi *d, const char *property, const char *const *element, const double *v, int n)
{
	char all[800];
	size_t k = 0;

	for (int i = 0; i < n; i++)
		k += (size_t)snprintf(all + k, sizeof all - k,
		    "<oneNumber name='%s'>%.10g</oneNumber>", element[i], v[i]);
	return say(d, "<newNumberVector device='%s' name='%s'>%s</newNumberVector>\n", d->device,
	    property, all);
}

static bool have_values(
    const struct property *p, const char *const *element, const double *v, int n)
{
	for (int i = 0; i < n; i++) {
		const struct element *e =
		    find_element((struct property *)(uintptr_t)p, element[i], false);
		if (!e || fabs(e->value - v[i]) > MATCH)
			return false;
	}
	return true;
}

static int refused(struct cam *c, const struct property *p)
{
	struct indi *d = c->own;

	return cam_fail(c, p->name, DRV_GENERAL_ERRORS, "%s",
	    *d->message ? d->message : "the driver says Alert, and not why");
}

/* Sets numbers, and waits until the driver has taken these very values. An answer may be stale: the
 * first Alert counts only when no Ok follows it. busy_is_good: it will take its time. */
static int set_numbers(struct cam *c, struct property *p, const char *const *element,
    const double *v, int n, bool busy_is_good)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ANSWER;
	unsigned before = p->updates;

	for (int i = 0; i < n; i++) {
		const struct element *e = find_element(p, element[i], false);
		if (e && e->max > e->min && (v[i] < e->min || v[i] > e->max))
			return cam_fail(c, p->name, DRV_P1INVALID + (unsigned)(i < 4 ? i : 0),
			    "%s %g is not in %g to %g", element[i], v[i], e->min, e->max);
	}
	d->message[0] = '\0';
	if (send_numbers(d, p->name, element, v, n) < 0)
		return lost(c, p->name);
	for (int64_t now; (now = tim_mono()) < until;) {
		if (hear(d, until - now) < 0)
			return lost(c, p->name);
		if (p->updates == before)
			continue;
		if (p->state == BUSY && busy_is_good)
			break;
		if (p->state == OK && have_values(p, element, v, n))
			break;
		if (p->state == ALERT && until > now + SETTLE)
			until = now + SETTLE;
	}
	bool good = p->updates != before &&
	    ((p->state == OK && have_values(p, element, v, n)) ||
		(p->state == BUSY && busy_is_good));
	if (!good)
		return p->updates == before ? silent(c, p->name) : refused(c, p);
	(void)cam_did(c, p->name, DRV_SUCCESS);
	return 0;
}

static int set_switch(struct cam *c, struct property *p, const char *element)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ANSWER;
	unsigned before = p->updates;

	d->message[0] = '\0';
	if (say(d,
		"<newSwitchVector device='%s' name='%s'><oneSwitch "
		"name='%s'>On</oneSwitch></newSwitchVector>\n",
		d->device, p->name, element) < 0)
		return lost(c, p->name);
	for (int64_t now;
	     (now = tim_mono()) < until && (p->updates == before || p->state == ALERT);) {
		if (hear(d, until - now) < 0)
			return lost(c, p->name);
		if (p->updates != before && p->state == ALERT && until > now + SETTLE)
			until = now + SETTLE;
	}
	if (p->updates == before)
		return silent(c, p->name);
	if (p->state == ALERT)
		return refused(c, p);
	(void)cam_did(c, p->name, DRV_SUCCESS);
	return 0;
}

/* No image is expected any more; the rest of one that comes now is dropped. */
static void disarm(struct indi *d)
{
	d->asked = d->armed = d->is_blob = false;
}

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

static int await(struct cam *c, int which)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ANSWER, now;

	while (!d->p[which].defined && (now = tim_mono()) < until)
		if (hear(d, until - now) < 0)
			return lost(c, names[which]);
	if (d->p[which].defined)
		return 0;
	return cam_fail(c, names[which], DRV_NOCAMERA, "the INDI server has no camera%s%s with it",
	    *d->device ? " " : "", d->device);
}

static double value_of(struct property *p, const char *element)
{
	const struct element *e = find_element(p, element, false);

	return e ? e->value : 0;
}

static void read_info(struct cam *c)
{
	struct indi *d = c->own;
	struct cam_info *i = &c->info;
	const struct element *h = find_element(&d->p[BINNING], "HOR_BIN", false),
			     *v = find_element(&d->p[BINNING], "VER_BIN", false),
			     *t = find_element(&d->p[TEMPERATURE], "CCD_TEMPERATURE_VALUE", false);

	snprintf(i->model, sizeof i->model, "%.63s", d->device);
	snprintf(i->serial, sizeof i->serial, "-");
	i->width = (int)value_of(&d->p[INFO], "CCD_MAX_X");
	i->height = (int)value_of(&d->p[INFO], "CCD_MAX_Y");
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

	if (say(d, "<getProperties version='1.7'/>\n") < 0)
		return lost(c, "getProperties");
	if (await(c, CONNECTION) < 0 || set_switch(c, &d->p[CONNECTION], "CONNECT") < 0)
		return -1;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (await(c, needed[i]) < 0)
			return -1;
	if (say(d, "<enableBLOB device='%s'>Also</enableBLOB>\n", d->device) < 0)
		return lost(c, "enableBLOB");
	/* What else it has comes in the same breath. */
	for (int64_t until = tim_mono() + SETTLE; tim_mono() < until;)
		if (hear(d, until - tim_mono()) < 0)
			return lost(c, "getProperties");
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
		d->p[i].name = names[i];
	disarm(d);
	d->mine = false;
	d->elem = NULL;
	d->now = NULL;
	d->fd = tcp_connect(&d->server, tim_mono() + ANSWER, NULL, why);
	if (d->fd < 0)
		return cam_fail(c, "connect", DRV_NOCAMERA, "INDI server: %.160s", why);
	xml_begin(&d->xml, &calls, d);
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
	double warm = c->info.t_max < 20 ? c->info.t_max : 20;

	if (!on && d->p[COOLER].defined && find_element(&d->p[COOLER], "COOLER_OFF", false))
		return set_switch(c, &d->p[COOLER], "COOLER_OFF");
	return set_numbers(c, &d->p[TEMPERATURE], element, on ? &celsius : &warm, 1, true);
}

static int temperature(struct cam *c, double *celsius)
{
	struct indi *d = c->own;
	struct property *p = &d->p[TEMPERATURE];

	if (hear(d, 0) < 0)
		return lost(c, "CCD_TEMPERATURE");
	if (!p->defined)
		return cam_fail(
		    c, "CCD_TEMPERATURE", DRV_TEMP_NOT_SUPPORTED, "the camera does not tell");
	*celsius = value_of(p, "CCD_TEMPERATURE_VALUE");
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
	return have_values(&d->p[FRAME], element, v, 4) && d->p[FRAME].state != ALERT
	    ? 0
	    : set_numbers(c, &d->p[FRAME], element, v, 4, false);
}

/* INDI lets every client change an exposure under way, and begin it anew. Not this one: 0 when
 * nobody else is exposing. */
static int let_others(struct cam *c)
{
	struct indi *d = c->own;

	if (hear(d, 0) < 0)
		return lost(c, "CCD_EXPOSURE");
	/* That an exposure has ended is told after its image. */
	for (int64_t until = tim_mono() + SETTLE, now;
	     d->p[EXPOSURE].state == BUSY && !d->mine && (now = tim_mono()) < until;)
		if (hear(d, until - now) < 0)
			return lost(c, "CCD_EXPOSURE");
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
	if (!have_values(&d->p[BINNING], element, bin, 2) || d->p[BINNING].state == ALERT) {
		if (set_window(c, 0, 0, c->info.width, c->info.height) < 0 ||
		    set_numbers(c, &d->p[BINNING], element, bin, 2, false) < 0)
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
	const struct element *e = find_element(&d->p[EXPOSURE], "CCD_EXPOSURE_VALUE", false);

	disarm(d);
	if (frame(c, &s->frame) < 0)
		return -1;
	if (set_switch(c, &d->p[FRAME_TYPE],
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

	if (hear(d, 0) < 0)
		return lost(c, "CCD_EXPOSURE");
	/* The image before this one came before the driver's word that its exposure has ended. */
	for (int64_t until = tim_mono() + LATE, now;
	     d->p[EXPOSURE].state == BUSY && (now = tim_mono()) < until;)
		if (hear(d, until - now) < 0)
			return lost(c, "CCD_EXPOSURE");
	/* A second request would restart the exposure of whoever else is taking one. */
	if (d->p[EXPOSURE].state == BUSY)
		return cam_fail(c, "CCD_EXPOSURE", DRV_ACQUIRING,
		    "another INDI client is exposing, or the exposure before has not ended");
	d->image = false;
	d->pixels = pixels;
	d->room = n;
	d->idle_at = 0;
	d->blob.bad = false;
	d->asked = true; /* a short one may come with the answer */
	d->begun = tim_mono();
	if (set_numbers(c, &d->p[EXPOSURE], element, &d->exposure, 1, true) == 0)
		return 0;
	disarm(d);
	return -1;
}

static int wait_image(struct cam *c, int64_t ns, struct cam_progress *p)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ns, now;

	while (!d->image && (now = tim_mono()) < until)
		if (hear(d, until - now) < 0)
			return lost(c, "CCD_EXPOSURE");
	p->total = d->exposure;
	p->elapsed = fmin((double)(tim_mono() - d->begun) / 1e9, p->total);
	p->phase = d->image ? CAM_READY : p->elapsed < p->total ? CAM_INTEGRATING : CAM_READING;
	c->said.call = "CCD_EXPOSURE";
	if (d->image)
		return 0;
	if (d->p[EXPOSURE].state == ALERT)
		return refused(c, &d->p[EXPOSURE]);
	if (d->p[EXPOSURE].state == BUSY)
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
	struct cam_frame f = {(int)value_of(bin, "HOR_BIN"), (int)value_of(bin, "VER_BIN"),
	    (int)value_of(at, "X") + 1, (int)value_of(at, "Y") + 1, (int)value_of(at, "WIDTH"),
	    (int)value_of(at, "HEIGHT")};

	if (f.xbin > 0 && f.ybin > 0 && cam_columns(&f) == d->blob.width &&
	    cam_rows(&f) == d->blob.height)
		return f;
	return (struct cam_frame){1, 1, 1, 1, d->blob.width, d->blob.height};
}

static int fetch(struct cam *c)
{
	struct indi *d = c->own;
	const struct blob *b = &d->blob;

	disarm(d);
	if (b->bad || !blob_whole(b))
		return cam_fail(c, "CCD1", DRV_GENERAL_ERRORS, "the image cannot be used: %s",
		    b->bad ? b->why : "it is not whole");
	c->came = (struct cam_frame){0, 0, 0, 0, 0, 0};
	if (b->width != cam_columns(&d->frame) || b->height != cam_rows(&d->frame))
		c->came = what_came(d);
	(void)cam_did(c, "CCD1", DRV_SUCCESS);
	return 0;
}

static int abort_exposure(struct cam *c)
{
	struct indi *d = c->own;
	struct property *e = &d->p[EXPOSURE];

	disarm(d);
	if (set_switch(c, &d->p[ABORT], "ABORT") < 0)
		return -1;
	/* The image of a late abort still comes, and is dropped. */
	for (int64_t until = tim_mono() + SETTLE; tim_mono() < until;)
		if (hear(d, until - tim_mono()) < 0)
			return lost(c, "CCD_ABORT_EXPOSURE");
	if (e->state == BUSY)
		return cam_fail(
		    c, "CCD_ABORT_EXPOSURE", DRV_GENERAL_ERRORS, "the camera goes on exposing");
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
