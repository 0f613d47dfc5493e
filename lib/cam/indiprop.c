/* indiprop.c - an INDI server's properties: what it tells of them, and how they are set */
#include "cam/indiin.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "cam/codes.h"

#define CHUNK 65536
#define MATCH 0.01 /* values that are the same */

const char *const indi_names[PROPERTIES] = {"CONNECTION", "CCD_EXPOSURE", "CCD_FRAME",
    "CCD_BINNING", "CCD_FRAME_TYPE", "CCD_ABORT_EXPOSURE", "CCD_TEMPERATURE", "CCD_INFO",
    "CCD_COOLER"};

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
		if (strcmp(indi_names[i], name) == 0)
			return &d->p[i];
	return NULL;
}

/* -1: it has none of this name. */
static int index_of(const struct property *p, const char *name)
{
	for (int i = 0; i < p->n; i++)
		if (strcmp(p->e[i].name, name) == 0)
			return i;
	return -1;
}

const struct element *indiprop_element(const struct property *p, const char *name)
{
	int i = index_of(p, name);

	return i < 0 ? NULL : &p->e[i];
}

double indiprop_value(const struct property *p, const char *element)
{
	const struct element *e = indiprop_element(p, element);

	return e ? e->value : 0;
}

/* The element that is told of; one that is defined is made. */
static struct element *told_of(struct property *p, const char *name, bool define)
{
	int i = index_of(p, name);

	if (i < 0 && (!define || p->n == ELEMENTS))
		return NULL;
	if (i < 0) {
		i = p->n++;
		snprintf(p->e[i].name, sizeof p->e[i].name, "%.39s", name);
	}
	return &p->e[i];
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

	if (!*d->device && strcmp(property, indi_names[CONNECTION]) == 0)
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
		d->elem = told_of(d->now, xml_attr(a, n, "name"), d->is_def);
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

/* An exposure that we asked for is ours from its first Busy until it ends, and what begins after it
 * is somebody else's. An Alert may be of an abort that was refused. */
static void on_exposure(struct indi *d, enum state state)
{
	/* An image that comes before this is of an exposure before. */
	if (d->asked && (state == BUSY || state == OK))
		d->armed = true;
	d->mine = state == BUSY ? d->mine || d->asked : d->mine && state == ALERT && d->refused;
	if (d->mine)
		d->asked = false;
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
		if (d->now == &d->p[EXPOSURE])
			on_exposure(d, d->now->state);
		d->now = NULL;
	}
}

static const struct xml_calls calls = {.begin = begin, .text = text, .end = end};

void indiprop_begin(struct indi *d)
{
	d->elem = NULL;
	d->now = NULL;
	xml_begin(&d->xml, &calls, d);
}

int indiprop_hear(struct indi *d, int64_t ns)
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

/* ---- asking ---- */

int indiprop_say(struct indi *d, const char *format, ...)
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

int indiprop_lost(struct cam *c, const char *call)
{
	c->gone = true;
	return cam_fail(c, call, DRV_ERROR_ACK, "the INDI server is gone: %s", strerror(errno));
}

static int silent(struct cam *c, const char *call)
{
	return cam_fail(c, call, DRV_ERROR_ACK, "no answer from the INDI server");
}

int indiprop_await(struct cam *c, int which)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ANSWER, now;

	while (!d->p[which].defined && (now = tim_mono()) < until)
		if (indiprop_hear(d, until - now) < 0)
			return indiprop_lost(c, indi_names[which]);
	if (d->p[which].defined)
		return 0;
	return cam_fail(c, indi_names[which], DRV_NOCAMERA,
	    "the INDI server has no camera%s%s with it", *d->device ? " " : "", d->device);
}

static int send_numbers(
    struct indi *d, const char *property, const char *const *element, const double *v, int n)
{
	char all[800];
	size_t k = 0;

	for (int i = 0; i < n; i++)
		k += (size_t)snprintf(all + k, sizeof all - k,
		    "<oneNumber name='%s'>%.10g</oneNumber>", element[i], v[i]);
	return indiprop_say(d, "<newNumberVector device='%s' name='%s'>%s</newNumberVector>\n",
	    d->device, property, all);
}

bool indiprop_has(const struct property *p, const char *const *element, const double *v, int n)
{
	for (int i = 0; i < n; i++) {
		const struct element *e = indiprop_element(p, element[i]);
		if (!e || fabs(e->value - v[i]) > MATCH)
			return false;
	}
	return true;
}

int indiprop_refused(struct cam *c, const struct property *p)
{
	struct indi *d = c->own;

	return cam_fail(c, p->name, DRV_GENERAL_ERRORS, "%s",
	    *d->message ? d->message : "the driver says Alert, and not why");
}

/* An answer may be stale: the first Alert counts only when no Ok follows it. */
int indiprop_set_numbers(struct cam *c, struct property *p, const char *const *element,
    const double *v, int n, bool busy_is_good)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ANSWER;
	unsigned before = p->updates;

	for (int i = 0; i < n; i++) {
		const struct element *e = indiprop_element(p, element[i]);
		if (e && e->max > e->min && (v[i] < e->min || v[i] > e->max))
			return cam_fail(c, p->name, DRV_P1INVALID + (unsigned)(i < 4 ? i : 0),
			    "%s %g is not in %g to %g", element[i], v[i], e->min, e->max);
	}
	d->message[0] = '\0';
	if (send_numbers(d, p->name, element, v, n) < 0)
		return indiprop_lost(c, p->name);
	for (int64_t now; (now = tim_mono()) < until;) {
		if (indiprop_hear(d, until - now) < 0)
			return indiprop_lost(c, p->name);
		if (p->updates == before)
			continue;
		if (p->state == BUSY && busy_is_good)
			break;
		if (p->state == OK && indiprop_has(p, element, v, n))
			break;
		if (p->state == ALERT && until > now + SETTLE)
			until = now + SETTLE;
	}
	bool good = p->updates != before &&
	    ((p->state == OK && indiprop_has(p, element, v, n)) ||
		(p->state == BUSY && busy_is_good));
	if (!good)
		return p->updates == before ? silent(c, p->name) : indiprop_refused(c, p);
	(void)cam_did(c, p->name, DRV_SUCCESS);
	return 0;
}

int indiprop_set_switch(struct cam *c, struct property *p, const char *element)
{
	struct indi *d = c->own;
	int64_t until = tim_mono() + ANSWER;
	unsigned before = p->updates;

	d->message[0] = '\0';
	if (indiprop_say(d,
		"<newSwitchVector device='%s' name='%s'><oneSwitch "
		"name='%s'>On</oneSwitch></newSwitchVector>\n",
		d->device, p->name, element) < 0)
		return indiprop_lost(c, p->name);
	for (int64_t now;
	     (now = tim_mono()) < until && (p->updates == before || p->state == ALERT);) {
		if (indiprop_hear(d, until - now) < 0)
			return indiprop_lost(c, p->name);
		if (p->updates != before && p->state == ALERT && until > now + SETTLE)
			until = now + SETTLE;
	}
	if (p->updates == before)
		return silent(c, p->name);
	if (p->state == ALERT)
		return indiprop_refused(c, p);
	(void)cam_did(c, p->name, DRV_SUCCESS);
	return 0;
}

void indiprop_disarm(struct indi *d)
{
	d->asked = d->armed = d->is_blob = false;
}
