/* tty.c - serial ports: names made real, USB identities, locks, raw mode */
#include "tty.h"

#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "tim.h"

#define RESET_PULSE     (100 * TIM_MS)
#define PTY_MAJOR_FIRST 136 /* Documentation/admin-guide/devices.txt: UNIX98 slaves */
#define PTY_MAJOR_LAST  143

/* ---- names ---- */

/* One number of a USB identity: 1 to 4 hexadecimal digits up to `end`. */
static const char *usb_number(const char *s, char end, uint16_t *v)
{
	char *stop;
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	if (n < 1 || n > 4)
		return NULL;
	*v = (uint16_t)strtoul(s, &stop, 16);
	return stop == s + n && *stop == end ? stop : NULL;
}

int tty_usb(const char *text, struct tty_spec *spec, char why[TTY_WHY])
{
	const char *s = usb_number(text, ':', &spec->vid);
	const char *serial = "";

	if (s) {
		const char *last = usb_number(s + 1, '\0', &spec->pid);
		if (!last && (s = usb_number(s + 1, ':', &spec->pid)))
			serial = s + 1;
	}
	if (!s || strlen(serial) >= TTY_SERIAL ||
	    (*serial == '\0' && text[strlen(text) - 1] == ':')) {
		snprintf(why, TTY_WHY,
		    "'%.100s' is no USB identity: VID:PID or VID:PID:SERIAL, as lsusb prints them",
		    text);
		return -1;
	}
	strcpy(spec->serial, serial);
	spec->path[0] = '\0';
	return 0;
}

int tty_name(const char *text, struct tty_spec *spec, char why[TTY_WHY])
{
	if (*text == '\0' || strlen(text) >= TTY_PATH) {
		snprintf(why, TTY_WHY, "'%.100s' is no name of a device", text);
		return -1;
	}
	strcpy(spec->path, text);
	return 0;
}

/* ---- finding ---- */

static int fail(struct tty *t, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct tty *t, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(t->why, sizeof t->why, format, ap);
	va_end(ap);
	tty_close(t);
	errno = error;
	return -1;
}

static bool has_identity(const struct sp_port *p, const struct tty_spec *spec)
{
	int vid, pid;

	if (sp_get_port_usb_vid_pid(p, &vid, &pid) != SP_OK || vid != spec->vid || pid != spec->pid)
		return false;
	const char *serial = sp_get_port_usb_serial(p);
	return !spec->serial[0] || (serial && strcmp(serial, spec->serial) == 0);
}

/* The name of the one port with the identity goes to t->path. */
static int find_usb(struct tty *t, const struct tty_spec *spec)
{
	struct sp_port **list;
	char id[TTY_SERIAL + 16];
	int found = 0;

	snprintf(id, sizeof id, "%04x:%04x%s%s", spec->vid, spec->pid, spec->serial[0] ? ":" : "",
	    spec->serial);
	if (sp_list_ports(&list) != SP_OK)
		return fail(t, EIO, "cannot list the serial ports of this machine");
	for (int i = 0; list[i]; i++) {
		const char *name = sp_get_port_name(list[i]);
		if (name && has_identity(list[i], spec) && found++ == 0)
			snprintf(t->path, sizeof t->path, "%s", name);
	}
	sp_free_port_list(list);
	if (found == 0)
		return fail(t, ENOENT, "no serial port with USB identity %s", id);
	if (found > 1)
		return fail(t, ENOTUNIQ,
		    "%d serial ports have USB identity %s: give the serial number too, or the "
		    "port's "
		    "name in /dev/serial/by-path",
		    found, id);
	return 0;
}

/* libserialport 0.1.1 refuses links, so they are followed here. */
static int find_name(struct tty *t, const char *name)
{
	char *real = realpath(name, NULL);
	int e = errno;

	if (!real)
		return fail(t, e, "%s: %s", name, strerror(e));
	bool good = strncmp(real, "/dev/", 5) == 0 && strlen(real) < TTY_PATH;
	if (good)
		strcpy(t->path, real);
	free(real);
	return good ? 0 : fail(t, ENOTTY, "%s: is no serial port (it is not below /dev)", name);
}

/* ---- opening ---- */

/* A descriptor of our own for the lock: taken before anything about the port is changed. */
static int take_lock(struct tty *t, struct stat *st)
{
	t->lock = open(t->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (t->lock < 0)
		return fail(t, errno, "%s: %s%s", t->path, strerror(errno),
		    errno == EACCES      ? "; you need its group (usually dialout)"
			: errno == EBUSY ? "; another program holds it"
					 : "");
	if (fstat(t->lock, st) < 0 || !S_ISCHR(st->st_mode) || !isatty(t->lock))
		return fail(t, ENOTTY, "%s: is no serial port", t->path);
	if (flock(t->lock, LOCK_EX | LOCK_NB) < 0)
		return fail(
		    t, EBUSY, "%s: another program holds it (fuser %s names it)", t->path, t->path);
	return 0;
}

static int open_pty(struct tty *t)
{
	struct termios raw;

	t->fd = t->lock;
	if (tcgetattr(t->fd, &raw) < 0)
		return fail(t, errno, "%s: %s", t->path, strerror(errno));
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(t->fd, TCSANOW, &raw) < 0)
		return fail(t, errno, "%s: cannot set it raw: %s", t->path, strerror(errno));
	return 0;
}

/* The sentence for what libserialport could not do. */
static int port_fail(struct tty *t, const char *what, enum sp_return rc)
{
	int e = rc == SP_ERR_FAIL ? sp_last_error_code() : rc == SP_ERR_SUPP ? ENOTSUP : EINVAL;

	return fail(t, e ? e : EIO, "%s: cannot %s: %s", t->path, what, strerror(e ? e : EIO));
}

static int set_up(struct tty *t, struct sp_port *p, const struct tty_spec *spec)
{
	struct termios now;
	enum sp_return rc;

	if ((rc = sp_set_baudrate(p, spec->baud)) != SP_OK)
		return port_fail(t, "set that baud rate", rc);
	if ((rc = sp_set_bits(p, 8)) != SP_OK || (rc = sp_set_parity(p, SP_PARITY_NONE)) != SP_OK ||
	    (rc = sp_set_stopbits(p, 1)) != SP_OK ||
	    (rc = sp_set_flowcontrol(
		 p, spec->xonxoff ? SP_FLOWCONTROL_XONXOFF : SP_FLOWCONTROL_NONE)) != SP_OK)
		return port_fail(t, "set 8N1", rc);
	/* Without HUPCL closing leaves DTR up, so that a restart does not reset an Arduino again.
	 * With VMIN 0, as libserialport leaves it, "nothing yet" would read like "unplugged". */
	if (tcgetattr(t->fd, &now) == 0) {
		now.c_cflag &= ~(tcflag_t)HUPCL;
		now.c_cc[VMIN] = 1;
		(void)tcsetattr(t->fd, TCSANOW, &now);
	}
	(void)ioctl(t->fd, TIOCEXCL);
	return 0;
}

static int open_port(struct tty *t, const struct tty_spec *spec)
{
	struct sp_port *p;
	enum sp_return rc;

	if ((rc = sp_get_port_by_name(t->path, &p)) != SP_OK)
		return fail(t, ENOTTY, "%s: is no serial port that libserialport knows", t->path);
	if ((rc = sp_open(p, SP_MODE_READ_WRITE)) != SP_OK) {
		int e = rc == SP_ERR_FAIL ? sp_last_error_code() : EINVAL;
		sp_free_port(p);
		return fail(t, e, "%s: cannot open it as a serial port: %s", t->path, strerror(e));
	}
	t->port = p;
	if ((rc = sp_get_port_handle(p, &t->fd)) != SP_OK)
		return port_fail(t, "get its descriptor", rc);
	(void)fcntl(t->fd, F_SETFD, FD_CLOEXEC);
	return set_up(t, p, spec);
}

int tty_open(struct tty *t, const struct tty_spec *spec)
{
	struct stat st;

	*t = (struct tty){.fd = -1, .lock = -1};
	if ((spec->path[0] ? find_name(t, spec->path) : find_usb(t, spec)) < 0 ||
	    take_lock(t, &st) < 0)
		return -1;
	unsigned kind = major(st.st_rdev);
	bool pty = kind >= PTY_MAJOR_FIRST && kind <= PTY_MAJOR_LAST;
	return pty ? open_pty(t) : open_port(t, spec);
}

void tty_close(struct tty *t)
{
	if (t->port) {
		if (t->fd >= 0)
			(void)ioctl(t->fd, TIOCNXCL);
		sp_close(t->port);
		sp_free_port(t->port);
		t->port = NULL;
	}
	if (t->lock >= 0)
		close(t->lock);
	t->fd = t->lock = -1;
}

void tty_flush(struct tty *t)
{
	(void)tcflush(t->fd, TCIFLUSH);
}

void tty_reset(struct tty *t)
{
	int dtr = TIOCM_DTR;

	if (!t->port || ioctl(t->fd, TIOCMBIC, &dtr) < 0)
		return;
	(void)tim_sleep_until(tim_mono() + RESET_PULSE);
	(void)ioctl(t->fd, TIOCMBIS, &dtr);
}
