/* log.c - where messages go: stderr, syslog, a file or a log server (RFC 5424) */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "io.h"
#include "tcp.h"
#include "tim.h"

#define FACILITY    16 /* local0 */
#define RECORD_MAX  2048
#define QUEUE_MAX   65536
#define BACKOFF_MIN (100 * TIM_MS)
#define BACKOFF_MAX (30 * TIM_S)
#define CLOSE_WAIT  TIM_S
#define CALL_TIME   (10 * TIM_S) /* for a connection to be made */

static struct {
	enum { TO_STDERR, TO_SYSLOG, TO_FILE, TO_SERVER } kind;
	const char *program, *instance;
	int fd; /* file, or the connection (-1: none) */
	const char *dest;
	struct tcp call;           /* of the connection, while it is being made */
	bool away;                 /* and a warning has said so */
	int64_t retry_at, backoff; /* tim_mono() */
	char queue[QUEUE_MAX];     /* whole records */
	size_t queued;
	size_t sent; /* bytes of the first one that the server has taken */
	unsigned long dropped;
	char host[256];
} lg = {.fd = -1, .call = {.fd = -1}};

/* Looked up once, at the start: a name server that is down must not delay data later. */
static int find_server(const char *dest)
{
	struct net_spec spec;
	char why[NET_WHY];

	if (net_parse(dest, NET_TCP, &spec, why) < 0)
		return -1;
	if (tcp_find(&lg.call, &spec, why) == 0)
		return 0;
	errno = errno == ENOENT ? EHOSTUNREACH : errno;
	return -1;
}

/* Messages behind a recording, for want of a better name on the command line, would damage it. */
static bool holds_data(const char *path)
{
	static const char *const magic[] = {
	    "\n\r\r\n", "CDF", "\x89HDF", "SIMPLE  ="}; /* pcapng, netCDF twice, FITS */
	char head[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool data = false;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, head, sizeof head - 1) > 0)
		for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
			data |= strncmp(head, magic[i], strlen(magic[i])) == 0;
	close(fd);
	return data;
}

static int open_file(const char *path)
{
	if (holds_data(path)) {
		errno = EEXIST;
		return -1;
	}
	lg.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
	return lg.fd < 0 ? -1 : 0;
}

int log_open(const char *dest, const char *program, const char *instance)
{
	lg.program = program;
	lg.instance = instance;
	if (strcmp(dest, "stderr") == 0) {
		lg.kind = TO_STDERR;
	} else if (strcmp(dest, "syslog") == 0) {
		lg.kind = TO_SYSLOG;
		openlog(program, LOG_PID, LOG_LOCAL0);
	} else if (strncmp(dest, "file:", 5) == 0) {
		lg.kind = TO_FILE;
		return open_file(dest + 5);
	} else if (strncmp(dest, "tcp:", 4) == 0 || strncmp(dest, "unix:", 5) == 0) {
		lg.kind = TO_SERVER;
		lg.dest = dest;
		lg.backoff = BACKOFF_MIN;
		if (gethostname(lg.host, sizeof lg.host - 1) < 0 || !lg.host[0])
			strcpy(lg.host, "-");
		return find_server(dest);
	} else {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

static int send_line(int fd, bool person, const char *text);

static void lose_connection(void)
{
	char text[320];

	if (!lg.away) {
		lg.away = true;
		snprintf(text, sizeof text,
		    "%s: no log server there; records wait, and are sent when it is back", lg.dest);
		(void)send_line(STDERR_FILENO, isatty(STDERR_FILENO), text);
	}
	if (lg.fd >= 0)
		close(lg.fd);
	lg.fd = -1;
	lg.sent = 0; /* a record that was cut is sent again, whole */
	lg.retry_at = tim_mono() + lg.backoff;
	lg.backoff = lg.backoff * 2 < BACKOFF_MAX ? lg.backoff * 2 : BACKOFF_MAX;
}

/* Begins a call when it is time, or looks what has become of it. As tcp_begin(). */
static int call_server(void)
{
	char why[NET_WHY];

	if (lg.call.fd >= 0)
		return tcp_go_on(&lg.call, io_wait_write(lg.call.fd, 0) == 1 ? POLLOUT : 0, why);
	return tim_mono() < lg.retry_at ? 0 : tcp_begin(&lg.call, tim_mono() + CALL_TIME, why);
}

static void connect_if_due(void)
{
	if (lg.fd < 0) {
		int got = call_server();
		if (got < 0)
			lose_connection();
		if (got <= 0)
			return;
		lg.fd = tcp_take(&lg.call);
		lg.away = false;
		lg.backoff = BACKOFF_MIN;
	}
	/* A server that has gone would take the next record without a word. */
	char c;
	if (recv(lg.fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		lose_connection();
}

/* Length of the record at p: "LENGTH text". */
static size_t record_length(const char *p)
{
	char *text;
	size_t n = strtoul(p, &text, 10);
	return (size_t)(text + 1 - p) + n;
}

/* Sends what is queued, as far as the server takes it without waiting. */
static void send_queue(void)
{
	connect_if_due();
	while (lg.fd >= 0 && lg.sent < lg.queued) {
		ssize_t n = send(
		    lg.fd, lg.queue + lg.sent, lg.queued - lg.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			lose_connection();
		if (n <= 0)
			break;
		lg.sent += (size_t)n;
	}
	size_t gone = 0;
	while (gone < lg.queued && record_length(lg.queue + gone) <= lg.sent - gone)
		gone += record_length(lg.queue + gone);
	memmove(lg.queue, lg.queue + gone, lg.queued - gone);
	lg.queued -= gone;
	lg.sent -= gone;
}

static int queue_record(enum log_level level, const char *text)
{
	char when[TIM_TEXT], body[RECORD_MAX], record[RECORD_MAX + 16];

	int n = snprintf(body, sizeof body, "<%d>1 %s %s %s %d %s - %s", FACILITY * 8 + (int)level,
	    tim_text(tim_now(), 6, when), lg.host, lg.program, (int)getpid(),
	    *lg.instance ? lg.instance : "-", text);
	if (n >= (int)sizeof body)
		n = sizeof body - 1;
	/* Octet counting (RFC 6587, 3.4.1). */
	n = snprintf(record, sizeof record, "%d %s", n, body);
	if (lg.queued + (size_t)n > sizeof lg.queue)
		return -1;
	memcpy(lg.queue + lg.queued, record, (size_t)n);
	lg.queued += (size_t)n;
	return 0;
}

static int send_server(enum log_level level, const char *text)
{
	char note[80];

	send_queue();
	if (lg.dropped) {
		snprintf(note, sizeof note,
		    "%lu log records were lost while the log server was away", lg.dropped);
		if (queue_record(LOG_LEVEL_WARN, note) == 0)
			lg.dropped = 0;
	}
	if (lg.dropped || queue_record(level, text) < 0) {
		lg.dropped++;
		return -1;
	}
	send_queue();
	return 0;
}

/* "program[instance]: text"; with the time in front where no person is watching a terminal. */
static int send_line(int fd, bool person, const char *text)
{
	char line[RECORD_MAX], when[TIM_TEXT];
	bool named = lg.instance && *lg.instance;

	/* On a terminal the line takes the place of a status line, this program's or another's. */
	int n = snprintf(line, sizeof line, "%s%s%s%s%s%s: %s",
	    person ? "\r\033[K" : tim_text(tim_now(), 3, when), person ? "" : " ", lg.program,
	    named ? "[" : "", named ? lg.instance : "", named ? "]" : "", text);
	if (n >= (int)sizeof line)
		n = sizeof line - 1;
	line[n] = '\n';
	return io_writeall(fd, line, (size_t)n + 1);
}

static int deliver(enum log_level level, const char *text)
{
	switch (lg.kind) {
	case TO_SYSLOG:
		syslog((int)level, "%s%s%s", lg.instance, *lg.instance ? ": " : "", text);
		return 0;
	case TO_FILE:
		return send_line(lg.fd, false, text);
	case TO_SERVER:
		return send_server(level, text);
	case TO_STDERR:
		break;
	}
	return send_line(STDERR_FILENO, isatty(STDERR_FILENO), text);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void log_tick(void)
{
	if (lg.kind != TO_SERVER)
		return;
	pthread_mutex_lock(&lock);
	if (lg.queued > 0)
		send_queue();
	pthread_mutex_unlock(&lock);
}

int log_send(enum log_level level, const char *text)
{
	int error = errno;

	pthread_mutex_lock(&lock);
	int rc = deliver(level, text);
	pthread_mutex_unlock(&lock);
	errno = error;
	return rc;
}

/* Nobody will take what waits any more: here somebody may still read it. */
static void leave_queue(void)
{
	unsigned long n = lg.dropped;
	char text[320];

	for (size_t at = 0, next; at < lg.queued; at = next, n++) {
		next = at + record_length(lg.queue + at);
		at = (size_t)(strchr(lg.queue + at, ' ') + 1 - lg.queue);
		(void)io_writeall(STDERR_FILENO, lg.queue + at, next - at);
		(void)io_writeall(STDERR_FILENO, "\n", 1);
	}
	if (n == 0)
		return;
	snprintf(text, sizeof text, "%.200s: %lu log records were not sent", lg.dest, n);
	(void)send_line(STDERR_FILENO, isatty(STDERR_FILENO), text);
}

void log_close(void)
{
	int64_t until = tim_mono() + CLOSE_WAIT;

	while (lg.kind == TO_SERVER && lg.queued > 0 && tim_mono() < until) {
		struct pollfd p = {.fd = lg.fd, .events = POLLOUT};
		send_queue();
		if (lg.queued > 0)
			(void)poll(&p, lg.fd >= 0, 10);
	}
	leave_queue();
	if (lg.kind == TO_SYSLOG)
		closelog();
	tcp_stop(&lg.call);
	if (lg.fd >= 0)
		close(lg.fd);
	lg.fd = -1;
	lg.kind = TO_STDERR;
}
