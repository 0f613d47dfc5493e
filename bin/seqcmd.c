/*
 * seqcmd.c - the sequencer's commands: one program, called by many names
 *
 *	stancam.xbin 2		a link of that name, or
 *	seqcmd xbin 2
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "cam/ask.h"
#include "cam/settings.h"
#include "cam/talker.h"
#include "cam/verbs.h"

static char ident[48];
static struct talker talker = {.ident = ident};
static struct ask_options to = {.timeout = ASK_TIMEOUT};
static bool debug, simulate, fast, usage;

static const struct cli_option options[] = {ASK_OPTIONS(to),
    {"debug", 'd', CLI_FLAG, &debug, NULL, "each step to the Talker", 0, 0},
    {"simulate", 't', CLI_FLAG, &simulate, NULL, "an exposure is only checked and planned", 0, 0},
    {"fast", 'f', CLI_FLAG, &fast, NULL, "back when the read-out begins", 0, 0},
    {"verb", 'h', CLI_FLAG, &usage, NULL, "how the command is used", 0, 0}, TALKER_OPTIONS(talker),
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct cli_program program = {.name = "seqcmd",
    .args = "COMMAND [ARG...]",
    .about = "the sequencer's commands: expose, xbin, status ...",
    .options = options,
    .max_args = CLI_LIST_MAX,
    .numbers = true,
    .prints = true};

static bool aborting;

/* ---- what it says ---- */

/* To the Talker; its absence is told once, and changes nothing. */
static void talk(enum code_tag tag, const char *text)
{
	if (talker_lost(&talker, tag, text))
		cli_warn("no Talker at %s: %s", talker_where(&talker), strerror(errno));
}

/* The end of a command, for the observer and for the Talker. */
static void conclude(enum code_tag tag, unsigned code, const char *call, const char *text)
{
	char shape[ASK_LINE], safe[ASK_LINE];

	code_shape(tag, code, call, text, shape, sizeof shape);
	cli_safe(safe, sizeof safe, shape, strlen(shape));
	cli_passing(NULL);
	dprintf(STDERR_FILENO, "[%s]: %s\n", code_tag_name(tag), safe);
	talk(tag, shape);
}

/* A failure that seqd could not tell itself. */
static int give_up(const char *why)
{
	conclude(CODE_ERROR, SEQ_TIMEOUT, "-", why);
	return EXIT_SYSTEM;
}

static void progress(void *ctx, const char *text)
{
	const struct verb *v = ctx;
	char safe[ASK_LINE], count[ASK_COUNTDOWN];
	bool asked = v->id == VERB_STATUS || v->id == VERB_HELP;

	cli_safe(safe, sizeof safe, text, strlen(text));
	if (debug)
		talk(CODE_DEBUG, text);
	if (ask_countdown(text, count)) {
		cli_passing("%s", count);
		if (!aborting)
			cli_second_interrupt(
			    "\nseqcmd: left: the camera goes on integrating\n", false);
		return;
	}
	cli_passing(NULL);
	if (strncmp(text, "saved ", 6) == 0) {
		/* Names are what standard output is for; they go out as they are. */
		puts(text + 6);
		(void)fflush(stdout);
	} else if (asked && strchr(text, ' ')) {
		puts(strchr(safe, ' ') + 1);
	} else if (strcmp(text, "beep") == 0) {
		if (isatty(STDERR_FILENO))
			(void)!write(STDERR_FILENO, "\a", 1);
	} else if (strncmp(text, "waiting ", 8) != 0 && (strncmp(text, "call ", 5) != 0 || debug)) {
		cli_note("%s", safe);
	}
}

/* ---- Ctrl-C ---- */

/* Asks seqd for an abort, and says what came of it. */
static void abort_exposure(void)
{
	char said[ASK_WHY], safe[ASK_LINE];

	aborting = true;
	cli_passing(NULL);
	dprintf(STDERR_FILENO, "seqcmd: aborting, shutter closing\n");
	cli_second_interrupt(
	    "\nseqcmd: left without seqd's word: the camera may still be exposing\n", false);
	if (ask_abort(&to, said) < 0)
		dprintf(STDERR_FILENO, "seqcmd: %s. Ctrl-C again leaves\n",
		    cli_safe(safe, sizeof safe, said, strlen(said)));
}

/* After a signal. What is no exposure is not waited for; and a terminal that goes, or a time-out of
 * the caller's, is no reason to throw one away. */
static bool go_on(void *ctx)
{
	const struct verb *v = ctx;

	if (cli_draining())
		return false;
	if (!cli_stopping() || aborting)
		return true;
	if (!(v->options & VERB_F))
		return false;
	abort_exposure();
	return true;
}

/* ---- the request ---- */

/* The verb that a link's name ends with: stancam.xbin, xbin. */
static const struct verb *called_as(const char *path)
{
	const char *name = strrchr(path, '/'), *dot;

	name = name ? name + 1 : path;
	dot = strrchr(name, '.');
	return verb_find(dot ? dot + 1 : name);
}

/* What needs no server to be refused. */
static int refuse(unsigned code, const char *why)
{
	conclude(code_find("-", code).tag, code, "-", why);
	return code_exit(code_find("-", code).tag, code, 0);
}

static int refuse_name(const char *name)
{
	char close[200], why[VERB_WHY];

	verb_close(name, close, sizeof close);
	snprintf(why, sizeof why, "%.40s: %s%s; seqcmd help lists the commands", name,
	    *close ? "did you mean " : "no such command", close);
	return refuse(SEQ_UNKNOWN, why);
}

static void build_line(const struct verb_request *r, char line[VERB_LINE + 1])
{
	bool fits = verb_add(line, r->verb->name);

	if (r->t && r->verb->options & VERB_T)
		strcat(line, " -t");
	if (r->f && r->verb->options & VERB_F)
		strcat(line, " -f");
	if (debug)
		strcat(line, " -d");
	for (int i = 0; i < r->n; i++)
		fits &= verb_add(line, r->arg[i]);
	if (!fits)
		cli_die(EXIT_USAGE, "the arguments are longer than %d bytes", VERB_LINE);
}

/* ---- -t ---- */

/* Whether it may be sent though nothing is to be done: what makes the plan right, and what only asks. */
static bool is_harmless(const struct verb_request *r)
{
	enum settings_of of = settings_of(r->verb->id);

	return (r->verb->options & VERB_T) || r->verb->id == VERB_STATUS ||
	    r->verb->id == VERB_HELP || (r->verb->id == VERB_TEMP && r->n == 0) ||
	    (of != SETTINGS_NONE && of != SETTINGS_COOLER);
}

/* ---- the dialogue ---- */

/* A signal has ended the wait for the answer. */
static int leave(const struct verb *v)
{
	if (!cli_draining())
		return EXIT_CTRL_C;
	cli_passing(NULL);
	cli_warn("left without the answer%s",
	    v->options & VERB_F ? ": the exposure goes on, and abort would end it" : "");
	return EXIT_SYSTEM;
}

static int converse(const struct verb_request *r, const char *line)
{
	static const struct ask_calls calls = {.progress = progress, .go_on = go_on};
	static struct ask a;
	struct ask_final f;

	if (ask_open(&a, &to) < 0)
		return errno == EINVAL ? refuse(SEQ_NARGS, a.why) : give_up(a.why);
	if (ask_do(&a, line, &to, &calls, (void *)(uintptr_t)r->verb, &f) < 0)
		return errno == EINTR ? leave(r->verb) : give_up(a.why);
	conclude(f.tag, f.code, f.call, f.text);
	ask_close(&a);
	return code_exit(f.tag, f.code, aborting);
}

int main(int argc, char **argv)
{
	struct verb_request r = {.verb = called_as(argv[0])};
	char line[VERB_LINE + 1] = "", text[200], why[VERB_WHY];
	if (r.verb) {
		program.args = r.verb->args;
		program.about = r.verb->help;
	}
	const char *const *args = cli_begin(argc, argv, &program);

	snprintf(ident, sizeof ident, "seq.%s", r.verb ? r.verb->name : *args ? *args : "seqcmd");
	ident[strcspn(ident, " :[]")] = '\0';
	if (talker_place(&talker) < 0)
		cli_die(EXIT_USAGE, "--facility=%s: local0 to local7 are expected", talker.place);
	if (!r.verb && !*args)
		return cli_end((enum cli_exit)refuse(
		    SEQ_NARGS, "seqcmd COMMAND [ARG...]; seqcmd help lists the commands"));
	if (!r.verb && !(r.verb = verb_find(*args++)))
		return cli_end((enum cli_exit)refuse_name(args[-1]));
	if (usage) {
		printf("usage: %s\n%s\n", verb_usage(r.verb, text, sizeof text), r.verb->help);
		return cli_end(EXIT_DONE);
	}
	r.t = simulate && (r.verb->options & VERB_T);
	r.f = fast;
	for (; *args && r.n < VERB_ARGS; args++)
		r.arg[r.n++] = *args;
	unsigned code = verb_check(&r, why);
	if (code != SEQ_OK)
		return cli_end((enum cli_exit)refuse(code, why));
	if (simulate && !is_harmless(&r))
		return cli_end((enum cli_exit)refuse(SEQ_OK, "simulated: not done"));
	build_line(&r, line);
	enum cli_exit end = (enum cli_exit)converse(&r, line);
	return cli_end(end);
}
