/* rotsay.c - what the rotator's programs are told: its state, why it failed, who did what */
#include "rotin.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"

enum rot_end rotsay_fail(struct rot *r, enum rot_end end, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->why, sizeof r->why, format, ap);
	va_end(ap);
	return end;
}

void rotsay_note(struct rot *r, const char *format, ...)
{
	char text[ROT_WHY];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	r->calls->note(r->ctx, text);
}

void rotsay_state(struct rot *r, enum rot_state state, const char *why)
{
	r->st.state = state;
	r->st.time = tim_now();
	snprintf(r->st.why, sizeof r->st.why, "%s", why);
	r->calls->changed(r->ctx);
}

/* ---- audit ---- */

static const char *end_text(enum rot_end end)
{
	static const char *const text[] = {[ROT_DONE] = "done",
	    [ROT_DEVICE] = "failed",
	    [ROT_LOST] = "failed",
	    [ROT_REFUSED] = "refused",
	    [ROT_STOPPED] = "stopped"};
	return text[end];
}

static char *angle_text(double angle, char buf[32])
{
	if (isnan(angle))
		strcpy(buf, "unknown");
	else
		snprintf(buf, 32, "%.2f", angle);
	return buf;
}

/* Who did what, old -> new. */
void rotsay_audit(struct rot *r, const char *who, const char *what, double from, double to,
    const char *how, const char *why)
{
	char text[ROT_WHY], a[32], b[32];

	if (isnan(from) && isnan(to))
		snprintf(text, sizeof text, "%.100s: %s: %s", who, what, how);
	else
		snprintf(text, sizeof text, "%.100s: %s: %s -> %s degrees, %s", who, what,
		    angle_text(from, a), angle_text(to, b), how);
	r->calls->audit(r->ctx, text, why);
}

enum rot_end rotsay_audited(
    struct rot *r, const char *who, const char *what, double from, enum rot_end end)
{
	bool moved = end != ROT_REFUSED;

	rotsay_audit(r, who, what, moved ? from : NAN, moved ? r->st.gear_angle : NAN,
	    end_text(end), end == ROT_DONE ? "" : r->why);
	return end;
}
