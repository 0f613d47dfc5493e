/* seqsay.c - what the sequencer's server says to its clients, and the file that keeps its settings */
#include "cam/seqin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

#define STATE_SIZE 4096 /* of its file */
#define STATE_MOST 16384

const char *const seq_phases[] = {
    "off", "starting", "idle", "pending", "integrating", "readout", "saving", "stopping"};

void seq_clean(char *text)
{
	for (char *p = text; *p; p++)
		*p = *p < 0x20 || *p > 0x7e ? '?' : *p;
}

static void send_line(struct seq *q, struct seq_conn *c, char *line)
{
	seq_clean(line);
	size_t n = strlen(line);
	line[n] = '\n';
	q->calls->send(q->ctx, c->who, line, n + 1);
}

void seq_progress(struct seq *q, struct seq_conn *c, const char *format, ...)
{
	char line[SEQ_REPLY] = "* ";
	va_list ap;

	if (!c)
		return;
	va_start(ap, format);
	vsnprintf(line + 2, sizeof line - 3, format, ap);
	va_end(ap);
	send_line(q, c, line);
}

/* The final line of a request. */
void seq_final(struct seq *q, struct seq_conn *c, const char *request, enum code_tag tag,
    unsigned code, const char *call, const char *text)
{
	char line[SEQ_REPLY], audit[SEQ_REPLY + VERB_LINE + 200];

	snprintf(line, sizeof line - 1, "%s %05u %s %s %s", code_tag_name(tag), code,
	    code_find(call, code).symbol, call, text);
	seq_clean(line);
	snprintf(audit, sizeof audit, "%d %s: %s: %s", c->number, c->peer, request, line);
	q->calls->audit(q->ctx, audit);
	send_line(q, c, line);
}

void seq_reply(struct seq *q, struct seq_conn *c, unsigned code, const char *format, ...)
{
	char text[SEQ_REPLY - 100];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	seq_final(q, c, c->request, code_find("-", code).tag, code, "-", text);
}

void seq_talk(struct seq *q, enum code_tag tag, const char *format, ...)
{
	char text[SEQ_REPLY];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	seq_clean(text);
	q->calls->talk(q->ctx, tag, text);
}

/* ---- the state file ---- */

/* In place, in one write of a constant length: a kill leaves either the old or the new settings,
 * and no command waits for a disk. */
static int save_state(struct seq *q)
{
	char text[STATE_SIZE];
	char lines[SETTINGS_TEXT];

	settings_lines(&q->set, lines);
	memset(text, '\n', sizeof text);
	memcpy(text, lines, strlen(lines));
	ssize_t n = pwrite(q->state, text, sizeof text, 0);
	if (n >= 0 && n < (ssize_t)sizeof text)
		errno = ENOSPC;
	return n == (ssize_t)sizeof text ? 0 : -1;
}

/* After a change. A state that cannot be kept is told, but the camera is as was asked for. */
void seq_keep(struct seq *q)
{
	if (save_state(q) < 0)
		seq_talk(q, CODE_WARNING, "SEQ_DISK: %s: settings will not outlive a restart: %s",
		    q->o.state, strerror(errno));
}

/* One server for one state: a lock that dies with its process. */
static int open_state(struct seq *q, char why[SEQ_WHY])
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	q->state = open(q->o.state, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (q->state < 0) {
		snprintf(why, SEQ_WHY, "%.200s: %s", q->o.state, strerror(errno));
		return -1;
	}
	if (fcntl(q->state, F_OFD_SETLK, &all) == 0)
		return 0;
	snprintf(why, SEQ_WHY, "%.150s: another seqd uses this: give this one a --state of its own",
	    q->o.state);
	errno = EBUSY;
	return -1;
}

int seq_load_state(struct seq *q, char why[SEQ_WHY])
{
	char text[STATE_MOST], first[VERB_WHY];

	settings_default(&q->set);
	if (open_state(q, why) < 0)
		return -1;
	ssize_t n = io_readall(q->state, text, sizeof text);
	if (n >= 0) {
		int bad = settings_read(&q->set, text, (size_t)n, first);
		if (bad)
			seq_talk(q, CODE_WARNING, "SEQ_RANGE: %s: %d lines are not understood: %s",
			    q->o.state, bad, first);
		if (ftruncate(q->state, STATE_SIZE) == 0 && save_state(q) == 0)
			return 0;
	}
	snprintf(why, SEQ_WHY, "%.200s: %s", q->o.state, strerror(errno));
	return -1;
}
