/* talker.c - the Talker: the observer's log */
#include "cam/talker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"

int talker_place(struct talker *t)
{
	const char *p = t->place ? t->place : "local0";

	if (strncmp(p, "local", 5) != 0 || p[5] < '0' || p[5] > '7' || p[6])
		return -1;
	t->facility = 16 + p[5] - '0';
	return 0;
}

const char *talker_where(const struct talker *t)
{
	const char *env = getenv("FYKE_TALKER");

	return t->path ? t->path : env && *env ? env : TALKER_PATH;
}

int talker_send(const struct talker *t, enum code_tag tag, const char *text)
{
	static const int severity[] = {5, 4, 4, 3, 7}; /* by tag */
	static const char *const months[] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct tim_parts now = tim_split(tim_now());
	char safe[TALKER_MAX], line[TALKER_MAX];

	cli_safe(safe, sizeof safe, text, strlen(text));
	int n = snprintf(line, sizeof line, "<%d>%s %2d %02d:%02d:%02d %.32s[%d]: [%s]: %s",
	    t->facility * 8 + severity[tag], months[now.month - 1], now.day, now.hour, now.minute,
	    now.second, t->ident, (int)getpid(), code_tag_name(tag), safe);
	if (n >= (int)sizeof line)
		n = sizeof line - 1;
	const char *path = talker_where(t);
	if (strlen(path) >= sizeof to.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(to.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	ssize_t sent = sendto(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
	    (const struct sockaddr *)&to, sizeof to);
	int error = errno;
	close(fd);
	errno = error;
	return sent == n ? 0 : -1;
}

bool talker_lost(struct talker *t, enum code_tag tag, const char *text)
{
	if (talker_send(t, tag, text) == 0 || t->told)
		return false;
	t->told = true;
	return true;
}
