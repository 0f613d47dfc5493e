/* pty.c - a pseudo-terminal for a simulator */
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PATH_SIZE 4096

/* Raw from the start, or the line discipline would echo what the simulator says. Opening and
 * closing the other side once makes poll() tell from now on whether somebody has it open. */
static int make_raw(const char *name)
{
	struct termios raw;
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	int rc = tcgetattr(fd, &raw);
	cfmakeraw(&raw);
	if (rc == 0)
		rc = tcsetattr(fd, TCSANOW, &raw);
	int e = errno;
	close(fd);
	errno = e;
	return rc;
}

int pty_open(struct pty *p)
{
	p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->fd < 0)
		return -1;
	if (grantpt(p->fd) == 0 && unlockpt(p->fd) == 0 &&
	    ptsname_r(p->fd, p->name, sizeof p->name) == 0 && make_raw(p->name) == 0)
		return 0;
	int e = errno;
	pty_close(p);
	errno = e;
	return -1;
}

void pty_close(struct pty *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

bool pty_in_use(const struct pty *p)
{
	struct pollfd f = {.fd = p->fd, .events = 0};
	return poll(&f, 1, 0) == 0 || !(f.revents & POLLHUP);
}

int pty_link(const struct pty *p, const char *link)
{
	char tmp[PATH_SIZE];
	struct stat st;

	if (lstat(link, &st) == 0 && !S_ISLNK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (snprintf(tmp, sizeof tmp, "%s.%d", link, (int)getpid()) >= (int)sizeof tmp) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (symlink(p->name, tmp) < 0)
		return -1;
	if (rename(tmp, link) == 0)
		return 0;
	int e = errno;
	unlink(tmp);
	errno = e;
	return -1;
}
