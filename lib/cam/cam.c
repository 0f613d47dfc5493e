/* cam.c - cameras: the list of back ends, and what they share */
#include "cam/cam.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cam/andor.h"
#include "cam/indi.h"
#include "cam/sim.h"

struct cam *cam_new(const char *back)
{
	const struct cam_back *const backs[] = {&cam_sim, &cam_andor, &cam_indi};

	for (size_t i = 0; i < sizeof backs / sizeof *backs; i++) {
		if (strcmp(backs[i]->name, back) != 0)
			continue;
		struct cam *c = calloc(1, sizeof *c);
		if (!c)
			return NULL;
		c->back = backs[i];
		c->pace = 1;
		c->said.call = "-";
		return c;
	}
	errno = EINVAL;
	return NULL;
}

void cam_free(struct cam *c)
{
	if (!c)
		return;
	c->back->free(c);
	free(c);
}

int cam_option(struct cam *c, const char *text, char why[CAM_TEXT])
{
	size_t n = strcspn(text, "=");
	char key[64];

	if (!text[n] || n >= sizeof key) {
		snprintf(why, CAM_TEXT, "%.100s: KEY=VALUE is expected", text);
		return -1;
	}
	snprintf(key, sizeof key, "%.*s", (int)n, text);
	return c->back->option(c, key, text + n + 1, why);
}

unsigned cam_did(struct cam *c, const char *call, unsigned code)
{
	c->said.call = call;
	c->said.code = code;
	c->said.detail[0] = '\0';
	if (c->trace)
		c->trace(c->trace_ctx, call, code);
	return code;
}

int cam_fail(struct cam *c, const char *call, unsigned code, const char *format, ...)
{
	va_list ap;

	(void)cam_did(c, call, code);
	va_start(ap, format);
	vsnprintf(c->said.detail, sizeof c->said.detail, format, ap);
	va_end(ap);
	return -1;
}
