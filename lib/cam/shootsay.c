/* shootsay.c - events of the camera's thread: what happens, and how a failure is told */
#include "cam/shootin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tim.h"

void shoot_poke(int fd)
{
	static const uint64_t one = 1;

	(void)!write(fd, &one, sizeof one);
}

void shoot_put(struct shoot *s, const struct shoot_event *from)
{
	struct shoot_event *e;

	/* Somebody waits for it: there will be memory again. */
	while (!(e = malloc(sizeof *e)))
		(void)tim_sleep_until(tim_mono() + 100 * TIM_MS);
	*e = *from;
	e->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->end = e;
	s->end = &e->next;
	if (e->what == SHOOT_DONE)
		s->busy = false;
	pthread_mutex_unlock(&s->lock);
	shoot_poke(s->told);
}

/* An event with text. call NULL: none. */
void shoot_tell(struct shoot *s, enum shoot_what what, int tag, const char *call, unsigned code,
    const char *format, ...)
{
	struct shoot_event e = {.what = what, .call = call ? call : "-", .code = code};
	va_list ap;

	e.tag = tag >= 0 ? (enum code_tag)tag : code_find(call, code).tag;
	va_start(ap, format);
	vsnprintf(e.text, sizeof e.text, format, ap);
	va_end(ap);
	shoot_put(s, &e);
}

void shoot_phase(struct shoot *s, enum shoot_phase p, const struct cam_progress *at, bool last)
{
	struct shoot_event e = {.what = SHOOT_PHASE, .phase = p, .last = last};

	s->phase = p;
	if (at) {
		e.elapsed = at->elapsed;
		e.total = at->total;
		e.held = at->held;
		e.readout = s->image.readout;
	}
	shoot_put(s, &e);
}

void shoot_traced(void *ctx, const char *call, unsigned code)
{
	struct shoot *s = ctx;

	if (s->debug)
		shoot_tell(s, SHOOT_CALL, CODE_DEBUG, call, code, "%s", "");
}

/* The sentence on a failed call: what it means, what the camera says, what to do. */
const char *shoot_sentence(const struct cam_said *said, char *buf, size_t size)
{
	struct code c = code_find(said->call, said->code);

	if (!*c.todo) /* a code that is good from other calls */
		c.todo = "Try again; if it comes back, restart the camera, then seqd.";
	/* What the camera says may be a sentence already. */
	size_t n = strlen(said->detail);
	bool ends = n > 0 && strchr(".?!", said->detail[n - 1]);
	snprintf(buf, size, "%s%s%s%s%s%s", c.text, n > 0 ? ": " : "", said->detail,
	    ends ? "" : ".", *c.todo ? " " : "", c.todo);
	return buf;
}

enum code_tag shoot_bad_tag(const struct cam_said *said)
{
	enum code_tag tag = code_find(said->call, said->code).tag;

	return tag == CODE_NOTE || tag == CODE_WARNING ? CODE_ERROR : tag;
}

void shoot_fail(struct shoot *s, const char *more)
{
	char text[CAM_TEXT + 300];
	struct cam_said said = s->cam->said;

	if (s->on && s->cam->gone) {
		(void)s->cam->back->stop(s->cam);
		s->on = false;
		s->cold = s->cooled;
	}
	shoot_tell(s, SHOOT_DONE, (int)shoot_bad_tag(&said), said.call, said.code, "%s%s%s",
	    shoot_sentence(&said, text, sizeof text), *more ? " " : "", more);
}

void shoot_done(struct shoot *s, const char *text)
{
	shoot_tell(s, SHOOT_DONE, CODE_NOTE, s->cam->said.call, DRV_SUCCESS, "%s", text);
}
