/* rotask.c - a rotctl that asks the one that has the rotator */
#include "rotserve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dial.h"
#include "base/tcp.h"
#include "base/tim.h"

#define SYSTEM_CONTROL "unix:/run/fyke/rotctl-control.sock"
#define CONNECT        (2 * TIM_S)
#define SILENCE        (30 * TIM_S) /* of the other rotctl, which says each second how far it is */
#define LOOK           (500 * TIM_MS) /* between two looks for a Ctrl-C here */

static bool is_there(const struct net_spec *at)
{
	char why[NET_WHY];
	int fd = tcp_connect(at, tim_mono() + CONNECT, NULL, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool rotask_find(struct net_spec *control, bool given)
{
	struct net_spec system;
	char why[NET_WHY];

	if (is_there(control))
		return true;
	if (given || net_parse(SYSTEM_CONTROL, NET_UNIX, &system, why) < 0 || !is_there(&system))
		return false;
	*control = system;
	return true;
}

/* A line of the answer. true: the last. */
static bool take_line(const char *line, const struct rotserve_calls *calls, enum rot_end *end,
    enum rot_state *state, char *text)
{
	char word[12];
	int number_of = 0, n = 0;

	if (strncmp(line, "> ", 2) == 0)
		calls->out(line + 2);
	else if (strncmp(line, "# ", 2) == 0)
		calls->note(line + 2);
	else if (strncmp(line, "* ", 2) == 0)
		calls->progress(line + 2);
	if (sscanf(line, "= %11s %d %n", word, &number_of, &n) < 2 || n == 0)
		return false;
	*end = ROT_LOST;
	for (int i = 0; i < ROT_ENDS; i++)
		if (strcmp(rot_end_name[i], word) == 0)
			*end = (enum rot_end)i;
	*state = number_of >= 0 && number_of < ROT_STATES ? (enum rot_state)number_of : ROT_UNKNOWN;
	snprintf(text, ROT_LINE, "%s", line + n);
	return true;
}

enum rot_end rotask(const struct net_spec *at, const struct rot_request *q,
    const struct rotserve_calls *calls, enum rot_state *state, char *text)
{
	struct dial *d = dial_new(at, REC_TEXT, CONNECT);
	int64_t heard = tim_mono();
	bool sent = false, stopped = false;
	enum rot_end end = ROT_LOST;
	enum dial_event event;
	char line[ROT_LINE], *got;
	size_t n;

	snprintf(text, ROT_LINE, "no memory");
	while (d) {
		(void)dial_wait(d, tim_mono() + LOOK, &event);
		calls->tick();
		if (event == DIAL_LOST || tim_mono() - heard > SILENCE) {
			snprintf(text, ROT_LINE, "the rotctl that has the rotator: %.300s",
			    event == DIAL_LOST ? dial_why(d) : "no answer");
			break;
		}
		if (!dial_is_up(d))
			continue;
		rot_request_text(q, line);
		strcat(line, "\n");
		if (!sent)
			(void)dial_send(d, line, strlen(line));
		sent = true;
		if (!stopped && q->verb != ROT_STATUS && calls->stopping()) {
			stopped = true;
			(void)dial_send(d, "stop\n", 5);
		}
		while ((got = dial_line(d, &n))) {
			heard = tim_mono();
			if (take_line(got, calls, &end, state, text)) {
				dial_free(d);
				return end;
			}
		}
	}
	dial_free(d);
	return ROT_LOST;
}
