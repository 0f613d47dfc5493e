/*
 * tty.c - serial ports without hardware: libserialport on a pseudo-terminal, by a linked shim
 *
 * libserialport 0.1.1 looks a name up in /sys/class/tty, and asks for modem lines; a
 * pseudo-terminal has neither (slow-control reference 5.1, 5.2). The functions below answer for it.
 * They also list USB ports that are not there. shim_real makes the pseudo-terminal look like a real
 * port to tty.
 */
#include "base/tty.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "base/pty.h"
#include "tap.h"

static bool shim_real;
static struct termios seen; /* of the port, when it was asked for its modem lines last */
static int pulses;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define SYS        "/sys/class/tty/pts/"

int __lxstat(int version, const char *path, struct stat *st);

int __lxstat(int version, const char *path, struct stat *st)
{
	(void)version;
	if (strncmp(path, SYS, strlen(SYS)) != 0)
		return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
	memset(st, 0, sizeof *st);
	st->st_mode = S_IFLNK | 0777;
	return 0;
}

int lstat(const char *path, struct stat *st)
{
	return __lxstat(1, path, st);
}

ssize_t readlink(const char *path, char *buf, size_t size)
{
	static const char text[] = "../../devices/virtual/tty/pts";

	if (strncmp(path, SYS, strlen(SYS)) != 0)
		return readlinkat(AT_FDCWD, path, buf, size);
	size_t n = sizeof text - 1 < size ? sizeof text - 1 : size;
	memcpy(buf, text, n);
	return (ssize_t)n;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	va_start(ap, request);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	int rc = REAL(ioctl)(fd, request, arg);
	if (rc == 0 || (errno != ENOTTY && errno != EINVAL))
		return rc;
	if (request == TIOCMGET) {
		*(int *)arg = TIOCM_DTR | TIOCM_RTS | TIOCM_CTS | TIOCM_DSR | TIOCM_CAR;
		return 0;
	}
	if (request == TIOCMBIC)
		pulses++;
	return request == TIOCMSET || request == TIOCMBIS || request == TIOCMBIC ? 0 : rc;
}

int fstat(int fd, struct stat *st)
{
	int rc = fstatat(fd, "", st, AT_EMPTY_PATH);

	if (rc == 0 && shim_real && S_ISCHR(st->st_mode))
		st->st_rdev = makedev(166, 0); /* ttyACM0 */
	return rc;
}

/* Two boards of one kind; only one has a serial number. */
static struct fake {
	int vid, pid;
	const char *serial;
	char *name;
} fakes[] = {
    {0x2341, 0x0043, "7573", NULL}, {0x1a86, 0x7523, NULL, NULL}, {0x2341, 0x0043, NULL, NULL}};

enum sp_return sp_list_ports(struct sp_port ***list)
{
	*list = calloc(4, sizeof **list);
	for (size_t i = 0; i < 3 && *list; i++)
		(*list)[i] = (struct sp_port *)(void *)&fakes[i];
	return SP_OK;
}

void sp_free_port_list(struct sp_port **list)
{
	free(list);
}

static const struct fake *fake(const struct sp_port *p)
{
	const void *q = p;
	return q;
}

static bool is_fake(const struct sp_port *p)
{
	return (const void *)p >= (const void *)fakes &&
	    (const void *)p < (const void *)(fakes + 3);
}

enum sp_return sp_get_port_usb_vid_pid(const struct sp_port *p, int *vid, int *pid)
{
	*vid = fake(p)->vid;
	*pid = fake(p)->pid;
	return SP_OK;
}

char *sp_get_port_usb_serial(const struct sp_port *p)
{
	union {
		const char *in;
		char *out;
	} s = {.in = fake(p)->serial};
	return s.out;
}

char *sp_get_port_name(const struct sp_port *p)
{
	return is_fake(p) ? fake(p)->name : NULL;
}

static void names(void)
{
	struct tty_spec s = {.baud = 115200};
	char why[TTY_WHY];
	static const char *const bad[] = {
	    "2341", "2341:", "2341:0043:", ":0043", "12345:1", "g:1", "2341:43x", "0x2341:43", ""};

	is_int(tty_usb("2341:0043:7573", &s, why), 0, "VID:PID:SERIAL");
	ok(s.vid == 0x2341 && s.pid == 0x43 && strcmp(s.serial, "7573") == 0, "all three");
	is_int(tty_usb("1a86:7523", &s, why), 0, "VID:PID");
	ok(s.vid == 0x1a86 && s.pid == 0x7523 && !s.serial[0], "no serial number");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(tty_usb(bad[i], &s, why), -1, bad[i]);
	is_int(tty_name("", &s, why), -1, "no name");
}

static void refuses(const char *path, int error, const char *words)
{
	struct tty_spec s = {.baud = 9600};
	char why[TTY_WHY];
	struct tty t;

	tty_name(path, &s, why);
	is_int(tty_open(&t, &s), -1, words);
	is_int(errno, error, t.why);
	ok(t.fd == -1 && t.lock == -1, "nothing stays open");
}

static void exchange(struct pty *p, struct tty *t, const char *words)
{
	char got[16] = "";

	(void)!write(p->fd, "295\r\n", 5);
	is_int(read(t->fd, got, sizeof got), 5, words);
	is_str(got, "295\r\n", "bytes come through unchanged");
	(void)!write(t->fd, "R\n", 2);
	is_int(read(p->fd, got, sizeof got), 2, "and go out without echo");
	is_int(read(t->fd, got, sizeof got), -1, "nothing more, and no waiting");
}

static void open_as(struct pty *p, bool real, const char *link)
{
	struct tty_spec s = {.baud = 9600, .xonxoff = real};
	struct tty t, second;
	char why[TTY_WHY];

	shim_real = real;
	tty_name(link, &s, why);
	is_int(tty_open(&t, &s), 0, real ? "through libserialport" : "a pseudo-terminal, plainly");
	is_str(t.path, p->name, "the link was followed");
	ok((t.port != NULL) == real, "by the right way");
	ok(fcntl(t.fd, F_GETFD) & FD_CLOEXEC, "closed on exec");
	ok(fcntl(t.fd, F_GETFL) & O_NONBLOCK, "non-blocking");
	if (real) {
		tcgetattr(t.fd, &seen);
		is_int(cfgetispeed(&seen), B9600, "at its baud rate");
		ok((seen.c_iflag & IXON) && (seen.c_iflag & IXOFF), "XON/XOFF");
		ok(!(seen.c_cflag & HUPCL) && (seen.c_cflag & CSIZE) == CS8, "8 bits, DTR stays");
		pulses = 0;
		tty_reset(&t);
		is_int(pulses, 1, "a reset drops DTR once");
	}
	exchange(p, &t, "an answer");
	is_int(tty_open(&second, &s), -1, "a second program");
	ok(strstr(second.why, "another program holds it"), second.why);
	(void)!write(p->fd, "old", 3);
	tty_flush(&t);
	char c;
	is_int(read(t.fd, &c, 1), -1, "flushed");
	tty_close(&t);
	tty_close(&t);
	is_int(tty_open(&second, &s), 0, "free again after closing");
	tty_close(&second);
	shim_real = false;
}

static void by_usb(struct pty *p)
{
	struct tty_spec s = {.baud = 115200};
	char why[TTY_WHY];
	struct tty t;

	fakes[0].name = p->name;
	fakes[1].name = p->name;
	fakes[2].name = p->name;
	tty_usb("2341:0043", &s, why);
	is_int(tty_open(&t, &s), -1, "two boards with one identity");
	ok(errno == ENOTUNIQ, t.why);
	tty_usb("2341:0043:7573", &s, why);
	is_int(tty_open(&t, &s), 0, "its serial number tells them apart");
	is_str(t.path, p->name, "the right one");
	tty_close(&t);
	tty_usb("1a86:7523", &s, why);
	is_int(tty_open(&t, &s), 0, "a board without a serial number");
	tty_close(&t);
	tty_usb("dead:beef", &s, why);
	is_int(tty_open(&t, &s), -1, "a board that is not plugged in");
	ok(errno == ENOENT, t.why);
}

int main(void)
{
	char dir[] = "/tmp/fyke-tty.XXXXXX", link[64], file[64];
	struct pty p;

	names();
	if (!mkdtemp(dir) || pty_open(&p) < 0)
		return 99;
	snprintf(link, sizeof link, "%s/gas0", dir);
	snprintf(file, sizeof file, "%s/file", dir);
	is_int(pty_link(&p, link), 0, "a link to the port");
	is_int(pty_link(&p, link), 0, "takes the place of an older one");
	close(open(file, O_WRONLY | O_CREAT, 0600));
	is_int(pty_link(&p, file), -1, "but not of a file");
	ok(!pty_in_use(&p), "nobody has it open");

	refuses("/dev/nonesuch", ENOENT, "a name that is not there");
	refuses(file, ENOTTY, "a file");
	refuses("/dev/null", ENOTTY, "a device that is no terminal");
	refuses("/dev/../etc/passwd", ENOTTY, "a file outside /dev");

	open_as(&p, false, link);
	open_as(&p, true, link);
	by_usb(&p);

	struct tty_spec s = {.baud = 9600};
	struct tty t;
	char why[TTY_WHY], c;
	tty_name(link, &s, why);
	is_int(tty_open(&t, &s), 0, "open");
	ok(pty_in_use(&p), "in use");
	pty_close(&p);
	ssize_t n = read(t.fd, &c, 1);
	ok(n == 0 || (n < 0 && errno == EIO), "unplugged: end of file or EIO");
	tty_close(&t);
	refuses(link, ENOENT, "its name has gone with it");
	unlink(link);
	unlink(file);
	rmdir(dir);
	return done_testing();
}
