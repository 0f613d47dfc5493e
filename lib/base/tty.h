/*
 * tty.h - serial ports: opened by name or by USB identity, raw, locked, as a descriptor to poll
 *
 * The only place that knows libserialport. A name is made real first (/dev/serial/by-id and udev
 * links work); what is no terminal, or lies outside /dev, is refused. A pseudo-terminal, which
 * libserialport does not know, is opened plainly: simulators and socat serve as ports.
 *
 * A port is lost when read() gives 0 or EIO, or poll() POLLHUP: tty_close(), wait (back.h),
 * tty_open() again with the same spec. It looks for the USB identity anew, because the number in
 * the name may have changed. One failed open costs one line of why, never an exit.
 */
#ifndef FYKE_TTY_H
#define FYKE_TTY_H

#include <stdbool.h>
#include <stdint.h>

#define TTY_WHY    512
#define TTY_PATH   256
#define TTY_SERIAL 128

struct tty_spec {
	char path[TTY_PATH]; /* "": by USB identity */
	uint16_t vid, pid;
	char serial[TTY_SERIAL]; /* of the USB device; "": any */
	int baud;                /* 8 bits, no parity, one stop bit */
	bool xonxoff;
};

/* Reads "VID:PID[:SERIAL]" (hexadecimal, as lsusb prints them) into spec. 0, or -1 with why. */
int tty_usb(const char *text, struct tty_spec *spec, char why[TTY_WHY]);

/* Takes a device's name into spec, unless it is too long. 0, or -1 with why. */
int tty_name(const char *text, struct tty_spec *spec, char why[TTY_WHY]);

struct tty {
	int fd;              /* non-blocking; -1: closed */
	char path[TTY_PATH]; /* what was opened, after links: /dev/ttyACM0 */
	char why[TTY_WHY];   /* one sentence after -1 */
	int lock;            /* private: a second descriptor, which holds flock */
	void *port;          /* private: libserialport's handle, NULL for a pseudo-terminal */
};

/* Opens the port with O_NOCTTY, locks it (flock, and TIOCEXCL where the kernel forgets it when we
 * die), sets it raw. 0, or -1 with errno and t->why: ENOENT no such name or identity, EBUSY another
 * program holds it, ENOTUNIQ several ports have the identity, ENOTTY no serial port. The lines of
 * an Arduino reset it at the first opening: give it 2 s before asking. */
int tty_open(struct tty *t, const struct tty_spec *spec);

/* Closes and unlocks; may be called when closed. */
void tty_close(struct tty *t);

/* Throws away what has come in and was not read. */
void tty_flush(struct tty *t);

/* Drops the line that resets an Arduino (DTR) for a moment, where there is one. */
void tty_reset(struct tty *t);

#endif
