/* seqrun.c - runs a file of sequencer lines: checks it, plans it, stops at the first failure */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "cam/ask.h"
#include "cam/script.h"
#include "cam/talker.h"

static struct talker talker = {.ident = "seq.seqrun"};
static struct ask_options to = {.timeout = ASK_TIMEOUT};
static bool dry;
static int64_t from = 1;

static const struct cli_option options[] = {ASK_OPTIONS(to),
    {"dry-run", 't', CLI_FLAG, &dry, NULL, "check and plan; nothing is done", 0, 0},
    {"from", 0, CLI_INT, &from, "LINE", "begin at this line of the file (1)", 1, 1000000},
    TALKER_OPTIONS(talker), {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "seqrun",
    .args = "[SCRIPT]",
    .about = "runs a file of sequencer lines",
    .options = options,
    .max_args = 1,
    .prints = true};

static struct ask a;
static bool aborting;
static int images;
static char first[4200], last[4200];

static void talk(enum code_tag tag, const char *text)
{
	if (talker_lost(&talker, tag, text))
		cli_warn("no Talker at %s: %s", talker_where(&talker), strerror(errno));
}

static void bad_line(void *ctx, int number, unsigned code, const char *why)
{
	char safe[VERB_WHY * 2];

	cli_error("%s:%d: [%s]: %s: %s", (const char *)ctx, number,
	    code_tag_name(code_find("-", code).tag), code_find("-", code).symbol,
	    cli_safe(safe, sizeof safe, why, strlen(why)));
}

static void stop_if(int bad, const char *path)
{
	if (bad > 0)
		cli_die(EXIT_USAGE, "%s: %d line%s wrong: nothing was done", path, bad,
		    bad > 1 ? "s are" : " is");
}

/* The script as text; the caller frees. */
static char *read_all(const char *path, size_t *n)
{
	int fd = cli_open_input(path);
	char *text = malloc(SCRIPT_SIZE);
	ssize_t k = text ? io_readall(fd, text, SCRIPT_SIZE) : -1;

	if (k < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	if (k == SCRIPT_SIZE)
		cli_die(EXIT_USAGE, "%s: longer than %d bytes", path, SCRIPT_SIZE);
	if (fd != STDIN_FILENO)
		close(fd);
	*n = (size_t)k;
	return text;
}

/* What the script's lines bring. */
static void progress(void *ctx, const char *text)
{
	char safe[ASK_LINE], count[ASK_COUNTDOWN];

	(void)ctx;
	if (ask_countdown(text, count)) {
		cli_passing("%s", count);
		return;
	}
	cli_passing(NULL);
	if (strncmp(text, "saved ", 6) == 0) {
		puts(text + 6);
		(void)fflush(stdout);
		snprintf(images++ ? last : first, sizeof last, "%s", text + 6);
		if (images == 1)
			strcpy(last, first);
	} else if (strncmp(text, "waiting", 7) != 0 && strcmp(text, "beep") != 0) {
		cli_note("%s", cli_safe(safe, sizeof safe, text, strlen(text)));
	}
}

/* Ctrl-C ends the exposure under way; a terminal that goes does not. */
static bool go_on(void *ctx)
{
	char said[ASK_WHY];

	(void)ctx;
	if (cli_draining())
		return false;
	if (!cli_stopping() || aborting)
		return true;
	aborting = true;
	cli_passing(NULL);
	dprintf(STDERR_FILENO, "seqrun: aborting, shutter closing\n");
	if (ask_abort(&to, said) != 0)
		dprintf(STDERR_FILENO, "seqrun: %s. Ctrl-C again leaves\n", said);
	return true;
}

/* One line to the server, and its final line. False: lost, a.why. */
static bool do_line(const char *line, struct ask_final *f, void (*show)(void *, const char *))
{
	const struct ask_calls calls = {.progress = show, .go_on = go_on};

	return ask_do(&a, line, &to, &calls, NULL, f) == 0;
}

static struct script_plan plan = {.tint = 1, .mult = 1};

static struct script_camera camera;

/* What the checks and the plan need of it. */
static void note_status(void *ctx, const char *text)
{
	(void)ctx;
	if (strncmp(text, "status ", 7) == 0)
		script_camera_hear(&camera, text + 7);
	(void)sscanf(text, "status tint=%lf", &plan.tint);
	(void)sscanf(text, "status mult=%d", &plan.mult);
	(void)sscanf(text, "status readout=%lf", &plan.readout);
}

static void ignore(void *ctx, const char *text)
{
	(void)ctx, (void)text;
}

static void tell_plan(const struct script *s)
{
	char span[TIM_TEXT];

	script_plan(s, &plan);
	double all = plan.exposed + plan.images * plan.readout;
	if (all < 60)
		snprintf(span, sizeof span, "%.1fs", all);
	else
		tim_span((int64_t)(all + 0.5) * TIM_S, span);
	if (plan.images > 0 && plan.readout <= 0)
		cli_note("plan: %d lines, %d images: %.1f s of exposure = %s, and %d read-outs, "
			 "whose time is known after the first image",
		    s->n, plan.images, plan.exposed, span, plan.images);
	else
		cli_note(
		    "plan: %d lines, %d images: %.1f s of exposure + %d x %.1f s read-out = %s",
		    s->n, plan.images, plan.exposed, plan.images, plan.readout, span);
}

/* Runs the lines. The exit status. */
static enum cli_exit run(const struct script *s, const char *path, int *done)
{
	char line[VERB_LINE + 1], why[VERB_WHY], shape[ASK_LINE], safe[ASK_LINE];
	struct verb_request r;
	struct ask_final f;
	bool fast = false;

	for (*done = 0; *done < s->n; ++*done) {
		const struct script_line *l = &s->line[*done];
		snprintf(line, sizeof line, "%.*s", (int)l->n, l->text);
		(void)verb_parse(l->text, l->n, &r, why);
		/* The read-out that -f left behind is waited for. */
		bool sent = !fast || do_line("wait-camera-state idle", &f, ignore);
		sent = sent && do_line(line, &f, progress);
		int code = sent ? code_exit(f.tag, f.code, aborting) : EXIT_SYSTEM;
		fast = r.f;
		if (sent)
			code_shape(f.tag, f.code, f.call, f.text, shape, sizeof shape);
		else
			snprintf(shape, sizeof shape, "SEQ_TIMEOUT: %s",
			    cli_draining() ? "left without the answer: what is under way goes on"
					   : a.why);
		enum code_tag tag = sent ? f.tag : CODE_ERROR;
		cli_safe(safe, sizeof safe, shape, strlen(shape));
		if (tag == CODE_NOTE && code == 0)
			cli_note("%s:%d: %s: [NOTE]: %s", path, l->number, line, safe);
		else
			cli_warn(
			    "%s:%d: %s: [%s]: %s", path, l->number, line, code_tag_name(tag), safe);
		talk(tag, shape);
		if (code == 0 && cli_stopping())
			code = EXIT_CTRL_C;
		if (code == 0)
			continue;
		cli_error("%s:%d: stopped; go on with --from=%d", path, l->number, l->number);
		return (enum cli_exit)code;
	}
	return EXIT_DONE;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void summary(const struct script *s, int done, int64_t begun, enum cli_exit code)
{
	char span[TIM_TEXT], text[500];
	int64_t took = tim_mono() - begun, step = took < TIM_S ? TIM_MS : 100 * TIM_MS;

	snprintf(text, sizeof text, "%s: %d of %d lines, %d of %d images in %s%s%.60s%s%.60s",
	    code == EXIT_DONE ? "done" : "stopped", done, s->n, images, plan.images,
	    tim_span((took + step - 1) / step * step, span), images ? ": " : "",
	    images ? base_name(first) : "", images > 1 ? ".." : "",
	    images > 1 ? base_name(last) : "");
	cli_note("%s", text);
	talk(code == EXIT_DONE ? CODE_NOTE : CODE_WARNING, text);
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	const char *path = *args ? *args : "-";
	enum cli_exit code = EXIT_DONE;
	struct ask_final f;
	struct script s;
	size_t n;
	int done;

	if (talker_place(&talker) < 0)
		cli_die(EXIT_USAGE, "--facility=%s: local0 to local7 are expected", talker.place);
	char *text = read_all(path, &n);
	int bad = script_parse(&s, text, n, (int)from, bad_line, (void *)(uintptr_t)path);
	if (bad < 0)
		cli_die(EXIT_USAGE, "%s: more than %d lines", path, SCRIPT_LINES);
	stop_if(bad, path);
	if (s.n == 0 && from > 1)
		cli_die(EXIT_USAGE, "%s: --from=%d: there is no command from there on", path,
		    (int)from);
	/* A dry run's plan is better with a server, and needs none. */
	if (dry && to.timeout > TIM_S)
		to.timeout = TIM_S;
	script_camera_unknown(&camera);
	bool there = ask_open(&a, &to) == 0;
	if (!there && !dry)
		cli_die(EXIT_SYSTEM, "%s Nothing was done.", a.why);
	if (there && !do_line("status", &f, note_status) && !dry)
		cli_die(EXIT_SYSTEM, "%s. Nothing was done.", a.why);
	stop_if(script_check(&s, &camera, bad_line, (void *)(uintptr_t)path), path);
	tell_plan(&s);
	if (!dry) {
		int64_t begun = tim_mono();
		code = run(&s, path, &done);
		summary(&s, done, begun, code);
	}
	ask_close(&a);
	script_free(&s);
	free(text);
	return cli_end(code);
}
