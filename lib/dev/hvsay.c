/* hvsay.c - the words of hvmux: audit, alarms, notes */
#include <stdarg.h>
#include <stdio.h>

#include "hvmuxin.h"

const char *hvsay_place(int board, int channel, char buf[40])
{
	if (channel < 0)
		snprintf(buf, 40, "board %d", board);
	else
		snprintf(buf, 40, "board %d channel %d", board, channel);
	return buf;
}

void hvsay(struct hvmux *m, hvsay_call *call, const char *format, ...)
{
	char text[HVMUX_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (call == m->calls->alarm)
		m->t->also[HVMUX_ALARMS].n++;
	call(m->ctx, text);
}

const char *hvsay_change(const struct hv_request *q, const char *old, char buf[128])
{
	char where[40];

	if (q->value[0])
		snprintf(buf, 128, "%s %s %s -> %s", hvsay_place(q->board, q->channel, where),
		    hv_info(q->par)->name, *old ? old : "?", q->value);
	else
		snprintf(buf, 128, "%s %s%s -> %s", hvsay_place(q->board, q->channel, where),
		    q->par == HV_BDCLR ? "BDALARM " : "", *old ? old : "?", hv_info(q->par)->name);
	return buf;
}
