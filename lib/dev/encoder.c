/* encoder.c - the rotator's gear encoder read by itself */
#include "dev/encoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "dev/ad4.h"

#define MOVES 0.2 /* degrees between two readings that confirm each other */

int encoder_parse(const char *text, struct encoder *e)
{
	char copy[TTY_PATH + 64], *rest = copy, *word;

	*e = (struct encoder){.port.baud = AD4_BAUD,
	    .counts = 4096 / 45.,
	    .tty = {.fd = -1, .lock = -1},
	    .back = BACK_INIT};
	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
		snprintf(e->why, sizeof e->why, "%.64s...: is too long", text);
		return -1;
	}
	if (tty_name(strsep(&rest, ","), &e->port, e->why) < 0)
		return -1;
	while ((word = strsep(&rest, ","))) {
		bool good = !strncmp(word, "counts=", 7)
		    ? conf_real(word + 7, &e->counts) == 0 && e->counts != 0
		    : !strncmp(word, "zero=", 5) && conf_real(word + 5, &e->zero) == 0;
		if (!good) {
			snprintf(e->why, sizeof e->why,
			    "%.64s: '%.32s' is neither counts=N nor zero=N", text, word);
			return -1;
		}
	}
	return 0;
}

int encoder_read(struct encoder *e, int64_t patience, int32_t *count, int64_t *wait)
{
	if (e->tty.fd < 0 && tty_open(&e->tty, &e->port) < 0) {
		memcpy(e->why, e->tty.why, sizeof e->why);
		*wait = back_fail(&e->back, tim_mono());
		return -1;
	}
	enum ad4_answer a = ad4_read(
	    e->tty.fd, tim_mono() + patience, (int32_t)ceil(fabs(e->counts) * MOVES), count);
	if (a == AD4_OK)
		back_ok(&e->back);
	if (a == AD4_OK || a == AD4_STOPPED)
		return a == AD4_STOPPED;
	snprintf(e->why, sizeof e->why, "%s", ad4_text(a));
	if (a == AD4_LOST)
		tty_close(&e->tty);
	*wait = back_fail(&e->back, tim_mono());
	return -1;
}

double encoder_angle(const struct encoder *e, int32_t count)
{
	return (count - e->zero) / e->counts;
}

void encoder_close(struct encoder *e)
{
	tty_close(&e->tty);
}
