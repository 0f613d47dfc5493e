/* screen.c - a terminal that shows one page, redrawn in place */
#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"

/* ECMA-48 and xterm: the other page, no cursor, no wrapping; and back. */
#define ENTER    "\033[?1049h\033[?25l\033[?7l\033[H\033[J"
#define LEAVE    "\033[?7h\033[?25h\033[?1049l"
#define HOME     "\033[?2026h\033[H" /* where it is known: show all of this at once */
#define DONE     "\033[J\033[?2026l"
#define END_LINE "\033[K\r\n"

struct screen {
	int fd, keys;
	struct termios before;
	char *page;
	size_t size;
};

static int enter(struct screen *s)
{
	struct termios t;

	if (s->keys >= 0 && tcgetattr(s->keys, &s->before) == 0) {
		t = s->before;
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		t.c_cc[VMIN] = 0;
		t.c_cc[VTIME] = 0;
		t.c_cc[VSUSP] = _POSIX_VDISABLE; /* it comes as a key: see stop() */
		(void)tcsetattr(s->keys, TCSANOW, &t);
	}
	return io_writeall(s->fd, ENTER, strlen(ENTER));
}

static void leave(struct screen *s)
{
	(void)io_writeall(s->fd, LEAVE, strlen(LEAVE));
	if (s->keys >= 0)
		(void)tcsetattr(s->keys, TCSANOW, &s->before);
}

/* Ctrl-Z: the terminal is the shell's until we, and who is in a pipe with us, go on. */
static void stop(struct screen *s)
{
	leave(s);
	(void)kill(0, SIGTSTP);
	(void)enter(s);
}

struct screen *screen_open(int fd)
{
	struct screen *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->fd = fd;
	s->keys = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (s->keys < 0 && isatty(STDIN_FILENO))
		s->keys = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (enter(s) == 0)
		return s;
	int error = errno;
	screen_close(s);
	errno = error;
	return NULL;
}

static void size_of(const struct screen *s, int *rows, int *columns)
{
	struct winsize w;

	*rows = 24;
	*columns = 80;
	if (ioctl(s->fd, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0) {
		*rows = w.ws_row;
		*columns = w.ws_col;
	}
}

int screen_width(const struct screen *s)
{
	int rows, columns;

	size_of(s, &rows, &columns);
	return columns;
}

static void put(struct screen *s, size_t *at, const char *text, size_t n)
{
	if (*at + n > s->size) {
		size_t size = (*at + n) * 2;
		char *grown = realloc(s->page, size);
		if (!grown)
			return;
		s->page = grown;
		s->size = size;
	}
	memcpy(s->page + *at, text, n);
	*at += n;
}

int screen_draw(struct screen *s, const char *text, size_t n)
{
	int rows, columns;
	const char *end = text + n;
	size_t at = 0;

	size_of(s, &rows, &columns);
	put(s, &at, HOME, strlen(HOME));
	for (int r = 0; r < rows && text < end; r++) {
		const char *lf = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((lf ? lf : end) - text);
		put(s, &at, text, len < (size_t)columns ? len : (size_t)columns);
		/* The last row must not scroll. */
		put(s, &at, END_LINE, r + 1 < rows ? strlen(END_LINE) : 3);
		text += len + 1;
	}
	put(s, &at, DONE, strlen(DONE));
	return io_writeall(s->fd, s->page, at);
}

int screen_fd(const struct screen *s)
{
	return s->keys;
}

int screen_key(struct screen *s)
{
	unsigned char c;

	if (s->keys < 0 || read(s->keys, &c, 1) != 1)
		return -1;
	if (c != s->before.c_cc[VSUSP] || c == _POSIX_VDISABLE)
		return c;
	stop(s);
	return -1;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	leave(s);
	if (s->keys >= 0)
		close(s->keys);
	free(s->page);
	free(s);
}
