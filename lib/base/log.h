/*
 * log.h - where messages go: stderr, syslog, a file or a log server (RFC 5424, TCP or unix)
 *
 * An absent or slow log server never delays data: records wait in 64 KiB of memory; what does
 * not fit is counted, and the count is sent when the server is back. One line on stderr says that
 * it is away.
 */
#ifndef FYKE_LOG_H
#define FYKE_LOG_H

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_NOTE = 6, LOG_LEVEL_DEBUG = 7 };

/* dest: "stderr", "syslog", "file:PATH", "tcp:HOST:PORT" or "unix:PATH". 0, or -1 with errno
 * (EINVAL: not a destination). program and instance are kept, not copied. */
int log_open(const char *dest, const char *program, const char *instance);

/* Sends one line (no newline in it). Never blocks on a server. Returns 0, or -1 when the record
 * could not be delivered or kept; errno stays what it was. */
int log_send(enum log_level level, const char *text);

/* Sends what waits, when the server is back. Call once a second. */
void log_tick(void);

/* Tries for at most 1 s to send what waits, leaves the rest on stderr, and closes. */
void log_close(void);

#endif
