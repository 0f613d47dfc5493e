/*
 * cli.h - the face of a program: options, messages, exit codes, signals, status
 *
 * The only part of the library that prints for people, exits or handles signals. A main is
 *
 *	int main(int argc, char **argv)
 *	{
 *		const char *const *args = cli_begin(argc, argv, &program);
 *		...
 *		while (!cli_stopping()) { ...; cli_tick(); }
 *		return cli_end(EXIT_DONE);
 *	}
 */
#ifndef FYKE_CLI_H
#define FYKE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tally.h"

/* Exit statuses, the same in every program (EXIT STATUS in each page). */
enum cli_exit {
	EXIT_DONE = 0,    /* done */
	EXIT_DATA = 1,    /* bad or cut input, or the device reported an error */
	EXIT_USAGE = 2,   /* the command line or the configuration is wrong */
	EXIT_SYSTEM = 3,  /* I/O, no device, time-out: a retry may help */
	EXIT_REFUSED = 4, /* a limit, a policy or the device's state says no */
	EXIT_LOSSY = 5,   /* done and whole, but data were lost on the way; the output says where */
	EXIT_CTRL_C = 130 /* stopped by Ctrl-C, or another signal, before it could finish */
};

enum cli_kind {
	CLI_FLAG, /* bool */
	CLI_STR,  /* const char * */
	CLI_LIST, /* struct cli_list: an option that may be given again */
	CLI_INT,  /* int64_t in base 10, in lo..hi */
	CLI_REAL, /* double, in lo..hi */
	CLI_TIME, /* int64_t ns, in lo..hi: 250ms, 10m, 23h59m, a bare number is seconds */
	CLI_SIZE  /* int64_t bytes, in lo..hi: 65536, 64K, 4M, 1G (powers of 1024) */
};

#define CLI_LIST_MAX 64
struct cli_list {
	size_t n;
	const char *item[CLI_LIST_MAX];
};

/* One option. The long name is also the configuration key and, as FYKE_PROGRAM_NAME in capitals
 * with _ for -, the environment's. What *to holds before cli_begin() is the default.
 * lo == hi == 0 means 0 to the largest. The table ends with a NULL name. */
struct cli_option {
	const char *name;
	char letter; /* or 0 */
	enum cli_kind kind;
	void *to;
	const char *arg;  /* how --help names the value: "FILE" */
	const char *help; /* NULL: not in --help by itself, but in the program's more */
	int64_t lo, hi;
};

struct cli_program {
	const char *name;
	const char *args;  /* how usage names the arguments: "[FILE]" */
	const char *about; /* one line: what it does */
	const struct cli_option *options;
	int min_args, max_args;
	struct tally
	    *tally;       /* shown by --status, SIGUSR1, the status line and at the end; or NULL */
	const char *more; /* lines after the options in --help, or NULL */
	bool prints;      /* writes text to standard output: no status line into it */
	bool can_lose;    /* has --max-loss=N: exit 5 when more than N were lost */
	bool one_dash; /* long options may have one dash (-nstart 480), and there are no letters */
	bool numbers;  /* -20 is an argument or an option's value, and never an option */
	const char
	    *usage; /* printed, with exit 2, for no arguments at all and for -help; or NULL */
};

/* Reads options (command line, then FYKE_ variables, --config file, /etc/fyke.conf), installs
 * the signal handlers, opens the log. Exits with usage on a mistake. Returns the arguments,
 * ended by NULL; they and all option strings live until cli_end(). */
const char *const *cli_begin(int argc, char **argv, const struct cli_program *program);

/* Call before reading: when fd is a pipe or socket, the program is a filter: it lets the first
 * Ctrl-C pass and drains its input; a second one exits 130. SIGTERM and SIGHUP leave it 10 s. Any
 * other input is a file, which a signal leaves unread from there on. */
void cli_filter(int fd);

/* Whether a source should stop, or a filter's time to drain is over. */
bool cli_stopping(void);

/* Whether cli_stopping() has ended a program that reads a file, so that its output is not all that
 * the file gives. One that ends by itself when all is read does not ask once more. */
bool cli_broke_off(void);

/* Whether SIGTERM or SIGHUP came (a filter is draining). */
bool cli_draining(void);

/* What a second Ctrl-C says, which ends a source at once with status 130; stay: it does not. words
 * ends with a newline, and lives until the next call. */
void cli_second_interrupt(const char *words, bool stay);

/* Call once per turn of the main loop, and at least once a second where the program waits:
 * status file, status line on a terminal, SIGUSR1. Cheap. */
void cli_tick(void);

/* Messages: one line on stderr ("program: text"; with UTC time where stderr is no terminal) or to
 * --log. Text from a peer must go through cli_safe(). */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2))); /* not with --quiet */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_debug(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* --verbose, SIGUSR2 */

/* A line for whoever watches a terminal: the next one, or the next message, takes its place. NULL
 * takes it away, as is to be done before text on standard output. */
void cli_passing(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same as an error, then the end of the program with this status. */
_Noreturn void cli_die(enum cli_exit code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The status for an errno of opening something, or of a peer: refused, usage (EINVAL), or system. */
enum cli_exit cli_status_of(int error);

/* "program: ready ADDRESS" on stderr, even with --quiet: a server's or simulator's listener. */
void cli_ready(const char *address);

/* The audit of --audit=FILE: lines "TIME TEXT: WHY" (why may be "") appended there. Where there is
 * no file (NULL), or it cannot be written, TEXT goes to the log as a warning. Opening and closing
 * die. */
#define CLI_AUDIT 2048 /* longest line */
void cli_audit_open(const char *file);
void cli_audit(const char *text, const char *why);
void cli_audit_close(void);

/* Watches the free space of a recorder's disk, at most once in 5 s: one warning when it falls below
 * min, and again only after it has risen a tenth above it. where: what is on that disk. */
struct cli_space {
	int64_t min;  /* bytes; 0: do not watch */
	int64_t next; /* tim_mono() of the next look */
	bool low;     /* it was below min then */
};
#define CLI_SPACE_DEFAULT (INT64_C(1) << 30)
#define CLI_MIN_FREE(space)                                                                        \
	"min-free", 0, CLI_SIZE, &(space).min, "SIZE",                                             \
	    "warn when the disk has less (1G; 0: never)", 0, 0
void cli_watch_space(struct cli_space *s, int fd, const char *where);

/* text with every byte below 0x20, 0x7f and above escaped, cut to fit. Returns buf. */
char *cli_safe(char *buf, size_t size, const char *text, size_t n);

/* Dies when path is no folder; of: its option, "-o". NULL is no path. */
void cli_need_folder(const char *of, const char *path);

/* Opens an input: "-" or NULL is standard input. Dies when it cannot. */
int cli_open_input(const char *path);

/* Opens an output for `what` ("events"): "-" or NULL is standard output, which must be no terminal;
 * a file must not exist yet; a FIFO or a device is opened as it is. Dies when it cannot. */
int cli_open_output(const char *path, const char *what);

/* fsync and close of such an output, unless it is standard output (cli_end() closes that). 0, or
 * -1 with errno. */
int cli_close_output(int fd);

/* Dies when binary data would go to a terminal. */
void cli_no_terminal(int fd, const char *what);

/* --name=INSTANCE, or "" */
const char *cli_name(void);

/* Work in a child process with at most `room` bytes of address space and `seconds` of CPU time, at
 * a lower priority: for libraries that can crash, and for what must not delay data. work returns
 * 0, or -1 after writing a sentence to why; it has no open files but its own. */
typedef int cli_work(void *ctx, char *why, size_t size);
struct cli_job {
	pid_t pid;
	int said;
	size_t n;
	bool stopped;
	char text[512];
};
int cli_job_start(struct cli_job *j, cli_work *work, void *ctx, int64_t room, int64_t seconds,
    char *why, size_t size); /* 0, or -1 with errno and a sentence */

/* 1: done. 0: still at work after timeout_ns. -1 with errno and a sentence: work's own, or how the
 * child ended (ENOTRECOVERABLE: it crashed, or took too long; EIO: somebody killed it). */
int cli_job_wait(struct cli_job *j, int64_t timeout_ns, char *why, size_t size);

/* Kills the child; cli_job_wait() then says "stopped". */
void cli_job_stop(struct cli_job *j);

/* The end: closes standard output and checks it, last status, the accounting line, frees.
 * Turns EXIT_DONE into EXIT_LOSSY when the tally lost more than --max-loss, or into EXIT_CTRL_C
 * after cli_broke_off(). After a write that met EPIPE (cli_pipe_gone())
 * it ends by SIGPIPE. Returns the exit status. */
int cli_end(enum cli_exit code);

/* Standard output's reader has gone: commit, then cli_end() dies of SIGPIPE. */
void cli_pipe_gone(void);

#endif
