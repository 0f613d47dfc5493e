/* cli.c - the face of a program: options, messages, exit codes, signals, status */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <popt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "io.h"
#include "log.h"
#include "tim.h"

#define OPTIONS_MAX  64
#define CONFIG_MAX   65536
#define SYSTEM_FILE  "/etc/fyke.conf"
#define DRAIN_TIME   10 /* s that SIGTERM leaves a filter */
#define DRAIN_GRACE  5  /* s more, for a write that hangs */
#define MESSAGE_MAX  1500
#define STRINGS_STEP 16
#define NUMBER       '\1' /* stands before words that popt would take for options */

/* ---- state: one program, one instance ---- */

static const struct cli_program *prog;

static struct {
	bool help, usage, version, verbose, quiet;
	const char *status, *log, *config, *name;
	int64_t max_loss;
} common = {.log = "stderr", .name = "", .max_loss = 0};

static const struct cli_option common_options[] = {
    {"help", 0, CLI_FLAG, &common.help, NULL, "show this, and end", 0, 0},
    {"usage", 0, CLI_FLAG, &common.usage, NULL, "show a short form of this", 0, 0},
    {"version", 0, CLI_FLAG, &common.version, NULL, "show the version", 0, 0},
    {"verbose", 0, CLI_FLAG, &common.verbose, NULL, "say more", 0, 0},
    {"quiet", 0, CLI_FLAG, &common.quiet, NULL, "say nothing but errors and warnings", 0, 0},
    {"status", 0, CLI_STR, &common.status, "FILE", "counters as JSON, each second", 0, 0},
    {"log", 0, CLI_STR, &common.log, "DEST", "stderr, syslog, file:, tcp:, unix: address", 0, 0},
    {"config", 0, CLI_STR, &common.config, "FILE", "read options from FILE too", 0, 0},
    {"name", 0, CLI_STR, &common.name, "NAME", "name of this instance in logs and status", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_option loss_option = {
    "max-loss", 0, CLI_INT, &common.max_loss, "N", "exit 0 when at most N were lost (0)", 0, 0};

static const struct cli_option *option[OPTIONS_MAX]; /* the program's, then the common ones */
static size_t noptions;
static bool settled[OPTIONS_MAX]; /* by a source of higher rank */
static char **strings;            /* everything that was copied, to be freed */
static size_t nstrings;

static enum { ROLE_SOURCE, ROLE_FILTER, ROLE_FINITE } role = ROLE_SOURCE;
static volatile sig_atomic_t woken, stop, interrupts, terminated, dump_wanted, switched;
static int64_t last_tick;
static bool pipe_gone, status_broken, debug;
static bool told; /* cli_stopping() has said so */
static char last_error[MESSAGE_MAX];

/* ---- messages ---- */

static void say(enum log_level level, const char *format, va_list ap)
{
	char text[MESSAGE_MAX];

	vsnprintf(text, sizeof text, format, ap);
	if (level == LOG_LEVEL_ERROR)
		memcpy(last_error, text, sizeof last_error);
	(void)log_send(level, text);
}

#define SAY(level)                                                                                 \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, format);                                                              \
		say(level, format, ap);                                                            \
		va_end(ap);                                                                        \
	} while (0)

void cli_note(const char *format, ...)
{
	if (!common.quiet)
		SAY(LOG_LEVEL_NOTE);
}

void cli_warn(const char *format, ...)
{
	SAY(LOG_LEVEL_WARN);
}

void cli_error(const char *format, ...)
{
	SAY(LOG_LEVEL_ERROR);
}

void cli_debug(const char *format, ...)
{
	if (common.verbose || debug)
		SAY(LOG_LEVEL_DEBUG);
}

void cli_passing(const char *format, ...)
{
	static bool shown;
	va_list ap;

	if (!isatty(STDERR_FILENO) || (!format && !shown))
		return;
	dprintf(STDERR_FILENO, "\r\033[K");
	shown = format != NULL;
	if (!format)
		return;
	va_start(ap, format);
	vdprintf(STDERR_FILENO, format, ap);
	va_end(ap);
}

char *cli_safe(char *buf, size_t size, const char *text, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n && k + 5 < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20 || c >= 0x7f || c == '\\')
			k += (size_t)snprintf(buf + k, size - k, "\\x%02x", c);
		else
			buf[k++] = (char)c;
	}
	buf[k] = '\0';
	return buf;
}

void cli_ready(const char *address)
{
	dprintf(STDERR_FILENO, "%s%s: ready %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
	    prog->name, address);
}

const char *cli_name(void)
{
	return common.name;
}

/* ---- the end ---- */

static void write_status(const char *state, const char *why)
{
	char json[TALLY_TEXT], tmp[4096];

	if (!common.status)
		return;
	tally_json(prog->tally, prog->name, common.name, state, why, tim_now(), json);
	snprintf(tmp, sizeof tmp, "%s.%d", common.status, (int)getpid());
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int error = fd < 0 || io_writeall(fd, json, strlen(json)) < 0 ? errno : 0;
	if (fd >= 0 && close(fd) < 0 && !error)
		error = errno;
	if (!error && rename(tmp, common.status) < 0)
		error = errno;
	if (error && !status_broken)
		cli_warn("%s: cannot write the status file: %s", common.status, strerror(error));
	if (error && fd >= 0)
		unlink(tmp);
	status_broken = error != 0;
}

/* The status file is replaced each second: that must be no recording whose name somebody typed. */
static void check_status(void)
{
	static const char begins[] = "{\"program\"";
	char head[sizeof begins - 1];
	const char *path = common.status;
	struct stat st;

	if (!path || lstat(path, &st) < 0 || S_ISLNK(st.st_mode))
		return;
	int fd = S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);
	if (fd >= 0)
		close(fd);
	if (n == 0 || (n == (ssize_t)sizeof head && memcmp(head, begins, sizeof head) == 0))
		return;
	common.status = NULL;
	cli_die(EXIT_REFUSED,
	    "--status=%s: this is no status file, and is not replaced: give another name", path);
}

static void free_all(void)
{
	log_close();
	for (size_t i = 0; i < nstrings; i++)
		free(strings[i]);
	free(strings);
	strings = NULL;
	nstrings = 0;
	if (io_wakefd >= 0)
		close(io_wakefd);
	io_wakefd = -1;
}

enum cli_exit cli_status_of(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EMSGSIZE:
	case EADDRINUSE:
	case EBUSY:
	case EEXIST:
		return EXIT_REFUSED;
	case EINVAL:
		return EXIT_USAGE;
	}
	return EXIT_SYSTEM;
}

_Noreturn void cli_die(enum cli_exit code, const char *format, ...)
{
	SAY(LOG_LEVEL_ERROR);
	write_status("failed", last_error);
	free_all();
	exit((int)code);
}

void cli_pipe_gone(void)
{
	pipe_gone = true;
}

/* What was lost on the way turns "done" into "done, but". */
static enum cli_exit judge(enum cli_exit code)
{
	if (code == EXIT_DONE && cli_broke_off())
		return EXIT_CTRL_C;
	if (code == EXIT_DONE && prog->can_lose && prog->tally &&
	    tally_lost(prog->tally) > (uint64_t)common.max_loss)
		return EXIT_LOSSY;
	return code;
}

int cli_end(enum cli_exit code)
{
	char line[TALLY_TEXT];

	if (!pipe_gone && (fflush(stdout) != 0 || ferror(stdout))) {
		if (errno == EPIPE) {
			pipe_gone = true;
		} else {
			cli_error("standard output: %s", strerror(errno));
			code = EXIT_SYSTEM;
		}
	}
	/* A full network disk may say so at close only; a descriptor closed already is the
	 * program's own doing, and it checked. */
	if (close(STDOUT_FILENO) < 0 && errno != EBADF && !pipe_gone) {
		cli_error("standard output: %s", strerror(errno));
		code = EXIT_SYSTEM;
	}
	if (prog->tally && !tally_sums(prog->tally)) {
		cli_error("the counters do not sum (%s): please report this",
		    tally_line(prog->tally, line));
		code = code ? code : EXIT_DATA;
	}
	code = judge(code);
	if (cli_broke_off())
		cli_error("stopped before the end: run it again for the whole (%s)",
		    prog->tally ? tally_line(prog->tally, line) : "by a signal");
	else if (prog->tally)
		cli_note("%s", tally_line(prog->tally, line));
	bool whole = code == EXIT_DONE || code == EXIT_LOSSY;
	write_status(whole ? "done" : "failed", whole ? NULL : last_error);
	free_all();
	if (pipe_gone) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	return (int)code;
}

/* ---- signals ---- */

static void wake(void)
{
	static const uint64_t one = 1;
	woken = 1;
	(void)!write(io_wakefd, &one, sizeof one);
}

static const char *volatile second_words;
static volatile sig_atomic_t second_stays;

void cli_second_interrupt(const char *words, bool stay)
{
	second_words = words;
	second_stays = stay;
}

/* Only what a signal handler may call. */
static void second_interrupt(void)
{
	const char *words = second_words;

	if (words)
		(void)!write(STDERR_FILENO, words, strlen(words));
	if (!second_stays)
		_exit(EXIT_CTRL_C);
}

static void on_signal(int sig)
{
	int e = errno;

	switch (sig) {
	case SIGINT:
		if (++interrupts > 1)
			second_interrupt();
		if (role == ROLE_FILTER && interrupts == 1)
			break;
		stop = 1;
		wake();
		break;
	case SIGTERM:
	case SIGHUP:
		if (role != ROLE_FILTER)
			stop = 1;
		else if (!terminated) /* asked again, it takes no longer */
			alarm(DRAIN_TIME);
		terminated = 1;
		wake();
		break;
	case SIGALRM: /* the time to drain is over; the next one ends a write that hangs */
		if (stop)
			_exit(EXIT_SYSTEM);
		stop = 1;
		alarm(DRAIN_GRACE);
		wake();
		break;
	case SIGUSR1:
		dump_wanted = 1;
		wake();
		break;
	case SIGUSR2:
		debug = !debug;
		switched = 1;
		wake();
		break;
	}
	errno = e;
}

static void catch_signals(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2};
	struct sigaction act = {.sa_handler = on_signal}, old; /* no SA_RESTART: waits must end */

	io_wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (io_wakefd < 0)
		cli_die(EXIT_SYSTEM, "no eventfd: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2) */
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
		sigaction(caught[i], NULL, &old);
		if (old.sa_handler == SIG_IGN && (caught[i] == SIGINT || caught[i] == SIGHUP))
			continue; /* nohup, or a script's background job */
		sigaction(caught[i], &act, NULL);
	}
}

void cli_filter(int fd)
{
	role = io_ispipe(fd) ? ROLE_FILTER : ROLE_FINITE;
}

static void look_up(void)
{
	uint64_t n;
	if (!woken)
		return;
	woken = 0;
	(void)!read(io_wakefd, &n, sizeof n);
}

bool cli_stopping(void)
{
	look_up();
	told |= stop;
	return stop;
}

bool cli_broke_off(void)
{
	return told && role == ROLE_FINITE;
}

bool cli_draining(void)
{
	return terminated;
}

/* ---- status ---- */

/* In a pipeline only the last program shows a status line: one line is all there is. The cursor
 * stays at its start, so that the next message, whoever writes it, takes its place. */
static void show_line(void)
{
	char line[TALLY_TEXT];
	bool shown = prog->prints ? !isatty(STDOUT_FILENO) : true;

	if (common.quiet || !prog->tally || !shown || io_ispipe(STDOUT_FILENO) ||
	    !isatty(STDERR_FILENO) || strcmp(common.log, "stderr") != 0)
		return;
	dprintf(STDERR_FILENO, "\r\033[K%s: %.150s\r", prog->name, tally_line(prog->tally, line));
}

void cli_tick(void)
{
	char line[TALLY_TEXT];

	look_up();
	if (dump_wanted) {
		dump_wanted = 0;
		if (prog->tally)
			cli_warn("%s", tally_line(prog->tally, line));
	}
	if (switched) {
		switched = 0;
		cli_warn("debug messages %s", debug ? "on" : "off");
	}
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	int64_t now = ts.tv_sec * TIM_S + ts.tv_nsec;
	if (now - last_tick < TIM_S)
		return;
	last_tick = now;
	write_status("running", NULL);
	show_line();
	log_tick();
}

/* ---- options ---- */

static const char *keep(char *s)
{
	if (nstrings % STRINGS_STEP == 0) {
		char **grown = realloc(strings, (nstrings + STRINGS_STEP) * sizeof *strings);
		if (!grown)
			cli_die(EXIT_SYSTEM, "no memory");
		strings = grown;
	}
	if (!s)
		cli_die(EXIT_SYSTEM, "no memory");
	return strings[nstrings++] = s;
}

static int to_size(const char *text, int64_t *v)
{
	static const char units[] = "KMGT";
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*v = strtoll(text, &end, 10);
	const char *u = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (u)
		end++;
	int shift = u ? 10 * (int)(u - units + 1) : 0;
	if (errno || *end || *v > (INT64_MAX >> shift))
		return -1;
	*v <<= shift;
	return 0;
}

static int64_t highest(const struct cli_option *o)
{
	return o->lo == 0 && o->hi == 0 ? INT64_MAX : o->hi;
}

static const char *bound_text(const struct cli_option *o, int64_t v, char buf[TIM_TEXT])
{
	if (o->kind == CLI_TIME)
		return tim_span(v, buf);
	snprintf(buf, TIM_TEXT, "%lld", (long long)v);
	return buf;
}

/* The range of an option as a person reads it. */
static const char *range_text(const struct cli_option *o, char *buf, size_t size)
{
	char a[TIM_TEXT], b[TIM_TEXT];

	if (highest(o) == INT64_MAX)
		snprintf(buf, size, "of %s or more", bound_text(o, o->lo, a));
	else
		snprintf(
		    buf, size, "from %s to %s", bound_text(o, o->lo, a), bound_text(o, o->hi, b));
	return buf;
}

/* Gives an option its value. from names where the text stands, for messages. */
static void set_option(size_t i, const char *text, const char *from)
{
	const struct cli_option *o = option[i];
	char range[128];
	int64_t lo = o->lo, hi = highest(o), v = 0;
	double real = 0;
	long long ll;
	int bad = 0;

	switch (o->kind) {
	case CLI_FLAG:
		if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
			cli_die(EXIT_USAGE, "%s: '%s' is neither yes nor no", from, text);
		*(bool *)o->to = *text == 'y';
		return;
	case CLI_STR:
		*(const char **)o->to = keep(strdup(text));
		return;
	case CLI_LIST: {
		struct cli_list *l = o->to;
		if (l->n == CLI_LIST_MAX)
			cli_die(EXIT_USAGE, "%s: given more than %d times", from, CLI_LIST_MAX);
		l->item[l->n++] = keep(strdup(text));
		return;
	}
	case CLI_INT:
		bad = conf_int(text, INT64_MIN, INT64_MAX, &ll);
		v = ll;
		/* conf_int() takes hexadecimal, a command line does not: -nstart 0480 is 480 */
		bad |= strpbrk(text, "xX") != NULL;
		break;
	case CLI_TIME:
		bad = tim_duration(text, &v);
		break;
	case CLI_SIZE:
		bad = to_size(text, &v);
		break;
	case CLI_REAL:
		bad = conf_real(text, &real);
		if (bad || real < (double)lo || real > (double)hi)
			cli_die(EXIT_USAGE, "%s: '%s' is not a number %s", from, text,
			    range_text(o, range, sizeof range));
		*(double *)o->to = real;
		return;
	}
	if (bad || v < lo || v > hi)
		cli_die(EXIT_USAGE, "%s: '%s' is not %s %s", from, text,
		    o->kind == CLI_TIME       ? "a time (250ms, 10m, 1h30m)"
			: o->kind == CLI_SIZE ? "a size (65536, 64K, 4M)"
					      : "a whole number",
		    range_text(o, range, sizeof range));
	*(int64_t *)o->to = v;
}

static void from_environment(void)
{
	for (size_t i = 0; i < noptions; i++) {
		char var[128], from[160];
		int n = snprintf(var, sizeof var, "FYKE_%s_%s", prog->name, option[i]->name);
		for (int k = 0; k < n; k++)
			var[k] = var[k] == '-' ? '_' : (char)toupper((unsigned char)var[k]);
		const char *text = getenv(var);
		if (!text || settled[i])
			continue;
		snprintf(from, sizeof from, "%s in the environment", var);
		set_option(i, text, from);
		settled[i] = true;
	}
}

struct config {
	const char *path;
	bool seen[OPTIONS_MAX];
	char odd[64]; /* the last section that was told to be no program's */
};

/* A section of another program is passed over; one that nobody has is a slip of the pen. */
static void check_section(struct config *c, const char *section, int line)
{
	static const char known[] = " " FYKE_PROGRAMS " paths ";
	char name[64];

	snprintf(name, sizeof name, " %.60s ", section);
	if (strstr(known, name) || strcmp(c->odd, name) == 0)
		return;
	memcpy(c->odd, name, sizeof name);
	cli_warn("%s:%d: [%s]: no program has this name, and nothing in this section is read",
	    c->path, line, section);
}

static int config_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	struct config *c = ctx;
	char from[512];

	if (!*section) {
		snprintf(why, CONF_WHY, "%s: a key without a [section] before it", key);
		return -1;
	}
	check_section(c, section, line);
	if (strcmp(section, prog->name) != 0)
		return 0;
	for (size_t i = 0; i < noptions; i++) {
		if (strcmp(option[i]->name, key) != 0)
			continue;
		snprintf(from, sizeof from, "%s:%d: %s", c->path, line, key);
		if (!settled[i])
			set_option(i, value, from);
		c->seen[i] = true;
		return 0;
	}
	snprintf(why, CONF_WHY, "%s: no such option of %s", key, prog->name);
	return -1;
}

/* A file that others can write would hand them the program. */
static void check_owner(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		cli_die(EXIT_USAGE, "%s: cannot read the configuration: %s", path, strerror(errno));
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		cli_die(EXIT_USAGE,
		    "%s: must belong to root or you, and nobody else may write it (chmod go-w)",
		    path);
}

static void from_file(const char *path, bool must)
{
	struct config c = {.path = path};
	char why[CONF_WHY];
	size_t n;

	if (!must && access(path, F_OK) < 0)
		return;
	check_owner(path);
	char *text = io_slurp(path, CONFIG_MAX, &n);
	if (!text)
		cli_die(EXIT_USAGE, "%s: cannot read the configuration: %s", path, strerror(errno));
	int rc = conf_read(path, text, n, config_key, &c, why);
	free(text);
	if (rc < 0)
		cli_die(EXIT_USAGE, "%s", why);
	for (size_t i = 0; i < noptions; i++)
		settled[i] |= c.seen[i];
}

/* Words that begin like a negative number get a byte before them, so that popt does not take them
 * for options. */
static char **hide_numbers(int argc, char **argv)
{
	char **words = calloc((size_t)argc + 1, sizeof *words);

	(void)keep((char *)words);
	for (int i = 0; i < argc; i++) {
		const char *w = argv[i];
		words[i] = argv[i];
		if (i == 0 || w[0] != '-' || !isdigit((unsigned char)w[w[1] == '.' ? 2 : 1]))
			continue;
		size_t n = strlen(w) + 2;
		words[i] = malloc(n);
		(void)keep(words[i]);
		snprintf(words[i], n, "%c%s", NUMBER, w);
	}
	return words;
}

static const char *shown(const char *word)
{
	return *word == NUMBER ? word + 1 : word;
}

static void add_options(const struct cli_option *o)
{
	for (; o && o->name; o++)
		option[noptions++] = o;
}

/* Everything is a string to popt: the numbers are ours, in base 10 and with their ranges. */
static void to_popt(struct poptOption *t, const struct cli_option *o, int val, bool shown)
{
	*t = (struct poptOption){.longName = o->name,
	    .shortName = o->letter,
	    .argInfo = (o->kind == CLI_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING) |
		(prog->one_dash ? POPT_ARGFLAG_ONEDASH : 0u) |
		(shown && o->help ? 0u : POPT_ARGFLAG_DOC_HIDDEN),
	    .val = val,
	    .descrip = o->help,
	    .argDescrip = o->arg};
}

/* So that it fits a screen, what all programs share stands in two lines. */
static void show_help(poptContext pc)
{
	const char *shared =
	    "Common: --help --usage --version --verbose --quiet --status=FILE --log=DEST\n"
	    "        --config=FILE --name=NAME, as fyke-config(5) says\n";

	if (common.version) {
		printf("%s (fyke) %s\n", prog->name, FYKE_VERSION);
	} else if (common.usage) {
		poptPrintUsage(pc, stdout, 0);
		fputs(shared, stdout);
	} else {
		printf("%s - %s\n", prog->name, prog->about);
		poptPrintHelp(pc, stdout, 0);
		printf("%s%s", prog->more ? prog->more : "", shared);
	}
	poptFreeContext(pc);
	common.quiet = true; /* no accounting of nothing */
	exit(cli_end(EXIT_DONE));
}

/* A standard descriptor that is closed would be the next file to be opened. What takes its place
 * cannot be read, or written, either. */
static void fill_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static bool has_option(const char *name)
{
	size_t i = 0;

	while (i < noptions && strcmp(option[i]->name, name) != 0)
		i++;
	return i < noptions;
}

/* An argument that is one too many may have been meant for the option that was left out. */
static const char *meant(const char *word)
{
	if (has_option("listen") && isdigit((unsigned char)*word))
		return "-l";
	return has_option("output") && access(word, F_OK) < 0 ? "-o" : NULL;
}

static _Noreturn void too_many(const char *word, const char *usage)
{
	char text[200], hint[220] = "";
	const char *letter = meant(word);

	cli_safe(text, sizeof text, word, strlen(word));
	if (letter)
		snprintf(hint, sizeof hint, " (%s %s?)", letter, text);
	cli_die(
	    EXIT_USAGE, "%s: one argument too many%s; usage: %s %s", text, hint, prog->name, usage);
}

const char *const *cli_begin(int argc, char **argv, const struct cli_program *program)
{
	struct poptOption own[OPTIONS_MAX] = {{0}}, shared[16] = {{0}}, table[3] = {{0}};
	char other[160], from[128];
	size_t nown;
	int rc, n = 0;

	prog = program;
	fill_descriptors();
	(void)log_open("stderr", prog->name, "");
	catch_signals();
	if (prog->usage && (argc < 2 || strcmp(argv[1], "-help") == 0)) {
		fputs(prog->usage, argc < 2 ? stderr : stdout);
		free_all();
		exit(EXIT_USAGE);
	}

	add_options(prog->options);
	if (prog->can_lose)
		option[noptions++] = &loss_option;
	nown = noptions;
	add_options(common_options);
	for (size_t i = 0; i < noptions; i++)
		to_popt(i < nown ? &own[i] : &shared[i - nown], option[i], (int)i + 1, i < nown);
	table[0] = (struct poptOption){
	    .argInfo = POPT_ARG_INCLUDE_TABLE, .arg = own, .descrip = "Options:"};
	table[1] = (struct poptOption){.argInfo = POPT_ARG_INCLUDE_TABLE, .arg = shared};

	if (prog->numbers)
		argv = hide_numbers(argc, argv);
	poptContext pc = poptGetContext(prog->name, argc, (const char **)argv, table, 0);
	snprintf(other, sizeof other, "[OPTION...]%s%s", prog->args ? " " : "",
	    prog->args ? prog->args : "");
	poptSetOtherOptionHelp(pc, other);
	while ((rc = poptGetNextOpt(pc)) > 0) {
		size_t i = (size_t)rc - 1;
		char *text = option[i]->kind == CLI_FLAG ? NULL : poptGetOptArg(pc);
		snprintf(from, sizeof from, "--%s", option[i]->name);
		if (text)
			(void)keep(text);
		set_option(i, text ? shown(text) : "yes", from);
		settled[i] = true;
	}
	if (rc < -1) {
		char bad[200];
		const char *what = poptBadOption(pc, POPT_BADOPTION_NOALIAS);
		cli_safe(bad, sizeof bad, what, strlen(what));
		poptFreeContext(pc);
		cli_die(EXIT_USAGE, "%s: %s; %s --help lists the options", bad, poptStrerror(rc),
		    prog->name);
	}
	if (common.help || common.usage || common.version)
		show_help(pc);

	const char **args = poptGetArgs(pc);
	while (args && args[n])
		(void)keep(strdup(shown(args[n++])));
	poptFreeContext(pc);
	const char *const *kept = n ? (const char *const *)(strings + nstrings - (size_t)n) : NULL;
	if (n < prog->min_args)
		cli_die(EXIT_USAGE, "an argument is missing; usage: %s %s", prog->name, other);
	if (n > prog->max_args)
		too_many(kept[prog->max_args], other);
	/* The strings' table may still grow and move: the arguments get one of their own. */
	static const char *list[CLI_LIST_MAX + 1];
	for (int i = 0; i < n && i < CLI_LIST_MAX; i++)
		list[i] = kept[i];

	from_environment();
	if (common.config)
		from_file(common.config, true);
	from_file(SYSTEM_FILE, false);
	if (log_open(common.log, prog->name, common.name) < 0) {
		int e = errno;
		(void)log_open("stderr", prog->name, common.name);
		cli_die(e == EINVAL   ? EXIT_USAGE
			: e == EEXIST ? EXIT_REFUSED
				      : EXIT_SYSTEM,
		    "--log=%s: %s", common.log,
		    e == EINVAL ? "not one of stderr, syslog, file:PATH, tcp:HOST:PORT, unix:PATH"
			: e == EEXIST ? "the file holds data, not messages: give another name"
				      : strerror(e));
	}
	check_status();
	write_status("running", NULL);
	if (status_broken)
		cli_die(
		    EXIT_SYSTEM, "--status=%s: the file cannot be written there", common.status);
	return list;
}

/* ---- input and output ---- */

void cli_need_folder(const char *of, const char *path)
{
	struct stat st;

	if (path && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
		cli_die(EXIT_SYSTEM, "%s %s: no such folder", of, path);
}

int cli_open_input(const char *path)
{
	if (!path || strcmp(path, "-") == 0) {
		if (isatty(STDIN_FILENO))
			cli_die(EXIT_USAGE,
			    "standard input is a terminal: give a FILE, or pipe a stream in");
		io_bigpipe(STDIN_FILENO);
		return STDIN_FILENO;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	return fd;
}

int cli_open_output(const char *path, const char *what)
{
	int fd = STDOUT_FILENO;

	if (path && strcmp(path, "-") != 0) {
		fd = io_create(path);
		if (fd < 0)
			cli_die(errno == EEXIST ? EXIT_REFUSED : EXIT_SYSTEM, "%s: %s", path,
			    errno == EEXIST ? "exists, and is not overwritten" : strerror(errno));
	}
	cli_no_terminal(fd, what);
	return fd;
}

int cli_close_output(int fd)
{
	if (fd == STDOUT_FILENO)
		return 0;
	int bad = io_sync(fd) < 0 && errno != EINVAL && errno != EROFS ? errno : 0; /* a FIFO */
	if (close(fd) < 0 && !bad)
		bad = errno;
	errno = bad;
	return bad ? -1 : 0;
}

void cli_no_terminal(int fd, const char *what)
{
	if (isatty(fd))
		cli_die(EXIT_USAGE,
		    "not writing %s to a terminal: use -o FILE, or pipe it into a program", what);
}
