/* mcode.c - an IMS MDrive motor: MCode over a serial line */
#include "mcode.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"

#define ONE     (250 * TIM_MS) /* for an answer: 20 bytes at 9600 baud are 20 ms */
#define QUIET   (40 * TIM_MS)  /* a line without a byte for so long has said all */
#define COMMAND 48
#define DIGITS  12
#define TRIES   4 /* of a command */

const char *mcode_text(enum mcode_answer a)
{
	switch (a) {
	case MCODE_OK:
		return "good";
	case MCODE_SILENT:
		return "the motor does not answer";
	case MCODE_GARBAGE:
		return "what the motor sends makes no sense (noise on the line, or not 9600 baud)";
	case MCODE_BANNER:
		return "the motor has just been started: it has lost its position";
	case MCODE_REFUSED:
		return "the motor did not take a command";
	case MCODE_LOST:
		return "the motor's serial port is gone";
	case MCODE_STOPPED:
		return "interrupted";
	}
	return "?";
}

/* The error table of the manual, as far as motion and set-up go. */
const char *mcode_error_text(int error)
{
	static const struct {
		int error;
		const char *text;
	} table[] = {{0, "none"}, {6, "input or output is of this type already"},
	    {8, "wrong type of input or output"}, {9, "write to an input"},
	    {10, "no such input or output"}, {20, "unknown variable"}, {21, "bad value"},
	    {22, "VI is not below VM"}, {23, "VM is not above VI"}, {24, "illegal data"},
	    {25, "read-only"}, {37, "not available"}, {48, "stopped by an input"},
	    {63, "character overrun"}, {71, "temperature warning"}, {72, "too hot, drive disabled"},
	    {80, "no input is set up as home"}, {81, "no such way of homing"},
	    {82, "both limits reached, no home seen"}, {83, "plus limit"}, {84, "minus limit"},
	    {85, "a move while moving"}, {86, "stall"}, {88, "following error"},
	    {90, "motion variables too low"}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].error == error)
			return table[i].text;
	return "?";
}

bool mcode_of_motion(int error)
{
	return error == 12 || error == 48 || (error >= 71 && error <= 90);
}

/* ---- bytes ---- */

static bool is_number(const char *text, size_t n, int64_t *value)
{
	char copy[DIGITS + 1];
	long long v;
	size_t sign = n > 0 && (*text == '-' || *text == '+');

	if (n <= sign || n > DIGITS)
		return false;
	for (size_t i = sign; i < n; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (conf_int(copy + (*text == '+'), INT32_MIN, INT32_MAX, &v) < 0)
		return false;
	*value = v;
	return true;
}

enum mcode_line mcode_line(const char *line, size_t n, const char *sent, int64_t *value)
{
	static const char banner[] = "Copyright";

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
		n--;
	while (n > 0 && (*line == '>' || *line == '?' || *line == ' ' || *line == '\r'))
		line++, n--;
	if (n == 0 || (n == strlen(sent) && memcmp(line, sent, n) == 0))
		return MCODE_NOTHING;
	/* The start of the banner may be lost or behind a prompt: its middle will do. */
	for (size_t i = 0; i + sizeof banner - 1 <= n; i++)
		if (memcmp(line + i, banner, sizeof banner - 1) == 0 ||
		    memcmp(line + i, "Intellig", 8) == 0)
			return MCODE_START;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] >= 0x7f)
			return MCODE_NOISE;
	return is_number(line, n, value) ? MCODE_NUMBER : MCODE_WORDS;
}

/* ---- the line ---- */

/* The next line; *at is valid until the next call. A line that is too long comes in pieces. */
static enum mcode_answer next_line(
    struct mcode *m, int64_t quiet, int64_t deadline, const char **at, size_t *n)
{
	for (int64_t left = 0; left >= 0;) {
		m->n -= m->used;
		memmove(m->buf, m->buf + m->used, m->n);
		const char *end = memchr(m->buf, '\n', m->n);
		m->used = end ? (size_t)(end - m->buf) + 1 : m->n == sizeof m->buf ? m->n : 0;
		*at = m->buf;
		*n = m->used;
		if (m->used > 0)
			return MCODE_OK;
		left = deadline - tim_mono();
		int rc = io_wait(m->fd, left < 0 ? 0 : left < quiet ? left : quiet);
		if (rc == 0)
			return MCODE_SILENT;
		if (rc < 0 && errno != EINTR)
			return MCODE_LOST;
		if (rc < 0 && !m->interrupted)
			return MCODE_STOPPED;
		if (rc < 0) {
			m->interrupted();
			continue;
		}
		ssize_t got = read(m->fd, m->buf + m->n, sizeof m->buf - m->n);
		if (got > 0)
			m->n += (size_t)got;
		else if (got == 0)
			errno = ENODEV;
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return MCODE_LOST; /* unplugged: end of file, or EIO */
	}
	return MCODE_SILENT;
}

/* Takes in what was not asked for, until the line is quiet; a banner in it is remembered. */
static enum mcode_answer empty(struct mcode *m, int64_t quiet, int64_t deadline)
{
	enum mcode_answer a;
	const char *at;
	int64_t value;
	size_t n;

	do {
		a = next_line(m, quiet, deadline, &at, &n);
		if (a == MCODE_OK && mcode_line(at, n, "", &value) == MCODE_START)
			m->banner = true;
		if (a == MCODE_OK && tim_mono() > deadline)
			a = MCODE_GARBAGE; /* it does not end */
	} while (a == MCODE_OK);
	m->n = m->used = 0;
	return a == MCODE_SILENT ? MCODE_OK : a;
}

static enum mcode_answer send_command(struct mcode *m, const char *command)
{
	char text[COMMAND];
	int n = snprintf(text, sizeof text, "%.46s\r", command);

	if (io_writeall(m->fd, text, (size_t)n) == 0)
		return MCODE_OK;
	return errno == EAGAIN ? MCODE_SILENT : MCODE_LOST;
}

/* An answer to a question, as a number or, where value is NULL, as words. */
static enum mcode_answer ask_once(
    struct mcode *m, const char *name, int64_t deadline, int64_t *value)
{
	char command[COMMAND];
	enum mcode_answer a = empty(m, 0, deadline);
	const char *at;
	int64_t v = 0;
	size_t n;

	snprintf(command, sizeof command, "PR %s", name);
	if (a == MCODE_OK)
		a = send_command(m, command);
	while (a == MCODE_OK && (a = next_line(m, deadline, deadline, &at, &n)) == MCODE_OK) {
		switch (mcode_line(at, n, command, &v)) {
		case MCODE_NOTHING:
			continue;
		case MCODE_NUMBER:
			if (!value)
				return MCODE_GARBAGE;
			*value = v;
			return MCODE_OK;
		case MCODE_WORDS:
			snprintf(m->words, sizeof m->words, "%.*s", (int)n, at);
			m->words[strcspn(m->words, "\r\n")] = '\0';
			return value ? MCODE_GARBAGE : MCODE_OK;
		case MCODE_START:
			m->banner = true;
			return MCODE_BANNER;
		case MCODE_NOISE:
			return MCODE_GARBAGE;
		}
	}
	return a;
}

static bool is_final(enum mcode_answer a)
{
	return a == MCODE_LOST || a == MCODE_STOPPED || a == MCODE_BANNER;
}

/* Asks again after bad answers, each time on a quiet line, until the deadline. */
static enum mcode_answer ask_well(
    struct mcode *m, const char *name, int64_t deadline, int64_t *value)
{
	for (;;) {
		int64_t one = tim_mono() + ONE;
		enum mcode_answer a = ask_once(m, name, one < deadline ? one : deadline, value);
		if (a == MCODE_OK || is_final(a) || tim_mono() >= deadline)
			return a;
		enum mcode_answer quiet = empty(m, QUIET, deadline);
		if (is_final(quiet))
			return quiet;
	}
}

enum mcode_answer mcode_ask(struct mcode *m, const char *name, int64_t deadline, int64_t *value)
{
	return ask_well(m, name, deadline, value);
}

enum mcode_answer mcode_read(
    struct mcode *m, const char *name, int64_t deadline, int64_t tolerance, int64_t *value)
{
	int64_t last, now = 0;
	enum mcode_answer a = ask_well(m, name, deadline, &last);

	while (a == MCODE_OK && (a = ask_well(m, name, deadline, &now)) == MCODE_OK) {
		if (now - last <= tolerance && last - now <= tolerance) {
			*value = now;
			return MCODE_OK;
		}
		last = now;
		if (tim_mono() >= deadline)
			return MCODE_GARBAGE;
	}
	return a;
}

enum mcode_answer mcode_hello(struct mcode *m, int64_t deadline)
{
	enum mcode_answer a = empty(m, 0, deadline);
	int64_t mode = -1;

	/* What the line made of noise before is no part of the command. */
	if (a == MCODE_OK)
		a = send_command(m, "");
	while (a == MCODE_OK) {
		a = send_command(m, "EM=2");
		if (a == MCODE_OK)
			a = empty(m, QUIET, deadline);
		if (a == MCODE_OK)
			a = ask_well(m, "EM", deadline, &mode);
		if (a == MCODE_OK && mode == 2)
			return MCODE_OK;
		if (a == MCODE_OK && tim_mono() >= deadline)
			a = MCODE_GARBAGE;
	}
	return a;
}

/* ---- settings and commands ---- */

/* What is cut short by the deadline would look like silence, and that like a cut of the power. */
static bool time_for_more(int64_t deadline)
{
	return tim_mono() + ONE < deadline;
}

enum mcode_answer mcode_set(struct mcode *m, const char *name, int64_t value, int64_t deadline)
{
	char command[COMMAND];
	int64_t got = 0;
	enum mcode_answer a;

	snprintf(command, sizeof command, "%.7s=%lld", name, (long long)value);
	do {
		if ((a = send_command(m, command)) == MCODE_OK)
			a = mcode_ask(m, name, deadline, &got);
		if (a != MCODE_OK || got == value)
			return a;
		m->error = 0;
		int64_t error = 0;
		a = mcode_ask(m, "ER", deadline, &error);
		m->error = (int)error;
	} while (a == MCODE_OK && time_for_more(deadline));
	return a == MCODE_OK ? MCODE_REFUSED : a;
}

enum mcode_answer mcode_io(
    struct mcode *m, int number, enum mcode_io type, bool active_high, int64_t deadline)
{
	char command[COMMAND], name[4], want[16];
	enum mcode_answer a;

	snprintf(name, sizeof name, "S%d", number);
	int n = snprintf(want, sizeof want, "%d,%d", (int)type, active_high);
	snprintf(command, sizeof command, "%s=%s", name, want);
	do {
		if ((a = send_command(m, command)) == MCODE_OK)
			a = ask_well(m, name, deadline, NULL);
		/* a third number, sink or source, may follow */
		if (a == MCODE_OK && strncmp(m->words, want, (size_t)n) == 0 &&
		    (m->words[n] == '\0' || m->words[n] == ','))
			return MCODE_OK;
	} while (a == MCODE_OK && time_for_more(deadline));
	return a == MCODE_OK ? MCODE_REFUSED : a;
}

enum mcode_answer mcode_do(struct mcode *m, const char *command, int64_t deadline)
{
	int64_t error = 0;

	for (int i = 0; i < TRIES; i++) {
		enum mcode_answer a = mcode_set(m, "ER", 0, deadline);
		if (a == MCODE_OK)
			a = send_command(m, command);
		if (a == MCODE_OK)
			a = mcode_read(m, "ER", deadline, 0, &error);
		if (a != MCODE_OK)
			return a;
		m->error = (int)error;
		/* It moves already: what seemed to be spoilt was not. */
		if (error == MCODE_NO_ERROR || (i > 0 && error == MCODE_MOVES))
			return MCODE_OK;
		if (mcode_of_motion(m->error))
			break;
	}
	return MCODE_REFUSED;
}

enum mcode_answer mcode_move(struct mcode *m, int64_t to, int64_t deadline)
{
	enum mcode_answer a = mcode_set(m, "R2", to, deadline);

	return a == MCODE_OK ? mcode_do(m, "MA R2", deadline) : a;
}
