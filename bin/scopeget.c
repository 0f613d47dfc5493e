/*
 * scopeget.c - takes waveforms from a LeCroy oscilloscope to .trc files or netCDF
 *
 * Sets it up, arms it, waits for its trigger, stops it there, transfers all traces of that trigger,
 * stores them; again for each acquisition.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/io.h"
#include "base/tim.h"
#include "dev/scope.h"
#include "dev/wave.h"

#define SETUP_MOST   65536
#define SHOW_EVERY   (TIM_S / 5)
#define SEGMENTS_MAX 65536

static const char *device, *trace_list, *output, *setup;
static int64_t events = 1, segments, timeout = 10 * TIM_S, portmapper = 111;
static struct scope_options options = {.patience = 5 * TIM_S};

static const struct cli_option table[] = {
    {"device", 'd', CLI_STR, &device, "HOST[:PORT]", "the oscilloscope", 0, 0},
    {"channels", 'c', CLI_STR, &trace_list, "LIST", "1,2 or C1,M1 (all that are on)", 0, 0},
    {"count", 'n', CLI_INT, &events, "N", "acquisitions (1)", 1, 1000000000},
    {"segments", 0, CLI_INT, &segments, "N", "of a sequence; 1: none (as it is set)", 1,
	SEGMENTS_MAX},
    {"timeout", 0, CLI_TIME, &timeout, "TIME", "longest wait for a trigger (10s)", TIM_MS,
	30 * TIM_DAY},
    {"output", 'o', CLI_STR, &output, "NAME", "NAME.nc, or NAME.trc for C1-NAME.trc ...", 0, 0},
    {"setup", 0, CLI_STR, &setup, "FILE", "send these commands first, and read back", 0, 0},
    {"word", 0, CLI_FLAG, &options.words, NULL, "16 bits a sample", 0, 0},
    {"patience", 0, CLI_TIME, &options.patience, "TIME", "for each answer (5s)", TIM_MS, TIM_H},
    {"portmapper", 0, CLI_INT, &portmapper, "PORT", "of HOST (111)", 1, 65535},
    {0},
};

static struct tally tally = {.unit = "acquisitions",
    .lost = {{"not stored", 0}},
    .also = {{"triggers", 0}, {"bytes", 0}, {"without trigger", 0}, {"reconnections", 0}}};
enum { ALSO_TRIGGERS, ALSO_BYTES, ALSO_NONE, ALSO_RECONNECTED };

static const struct cli_program program = {.name = "scopeget",
    .about = "takes waveforms from an oscilloscope (LeCroy, VXI-11)",
    .options = table,
    .tally = &tally,
    .prints = true};

static struct scope scope;
static struct scope_trace trace[SCOPE_TRACES];
static int ntraces;
static struct wave_nc *nc;
static bool to_nc;
static int64_t waiting_since, shown_at;
static enum cli_exit setup_end;

/* ---- progress ---- */

static void progress(const char *name, size_t got, size_t all)
{
	int64_t now = tim_mono();

	cli_tick();
	if (now - shown_at < SHOW_EVERY)
		return;
	shown_at = now;
	if (!name)
		cli_passing("%lld of %lld: waiting for a trigger, %.0f of %.0f s",
		    (long long)tally.out + 1, (long long)events,
		    (double)(now - waiting_since) / 1e9, (double)timeout / 1e9);
	else
		cli_passing("%lld of %lld: %s, %.1f of %.1f MB", (long long)tally.out + 1,
		    (long long)events, name, (double)got / 1e6, (double)all / 1e6);
}

/* ---- ends ---- */

static enum cli_exit status_of(int error)
{
	if (error == EINTR)
		return EXIT_CTRL_C;
	if (error == EEXIST || error == EBUSY || error == EOVERFLOW)
		return EXIT_REFUSED;
	return error == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
}

static enum cli_exit failed(const char *why)
{
	int error = errno;

	cli_passing(NULL);
	if (error == EINTR)
		cli_warn("stopped after %llu of %lld acquisitions", (unsigned long long)tally.out,
		    (long long)events);
	else
		cli_error("%s", why);
	return status_of(error);
}

/* ---- before ---- */

static void check_options(void)
{
	char why[NET_WHY];

	if (!device)
		cli_die(EXIT_USAGE, "say -d HOST, the oscilloscope");
	if (vxi11_address(device, (unsigned)portmapper, &options.at, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (!output && !setup)
		cli_die(EXIT_USAGE, "say -o NAME.nc or -o NAME.trc, or --setup=FILE alone");
	if (trace_list && (ntraces = scope_traces(trace_list, trace)) < 0)
		cli_die(EXIT_USAGE,
		    "-c %.40s: is not a list of different traces: 1,2 or C1,M1 (C1 to C8, M1 to "
		    "M8, "
		    "F1 to F8, TA to TD)",
		    trace_list);
	size_t n = output ? strlen(output) : 0;
	to_nc = n > 3 && strcmp(output + n - 3, ".nc") == 0;
	options.stopping = cli_stopping;
	options.say = cli_warn;
	options.progress = progress;
}

/* Nothing is measured that could not be stored: the names must be free. */
static enum cli_exit take_names(void)
{
	char why[WAVE_WHY];
	static char source[SCOPE_TEXT + 16];

	snprintf(source, sizeof source, "%.200s at %.200s", scope.idn, options.at.spec.host);
	if (to_nc) {
		nc = wave_nc_new(output, "scopeget " FYKE_VERSION, source, why);
		return nc ? EXIT_DONE : failed(why);
	}
	for (int i = 0; i < ntraces; i++)
		if (wave_trc_free(output, trace[i].name, events, why) < 0)
			return failed(why);
	return EXIT_DONE;
}

/* What became of a command of the setup file. */
static void show(const char *command, enum scope_set got, const char *back)
{
	char safe[4 * SCOPE_TEXT];

	cli_safe(safe, sizeof safe, back, strlen(back));
	if (got == SCOPE_SET_FAILED)
		cli_error("%s", back);
	else if ((printf("%s\t%s\n", command, got == SCOPE_SET_DONE ? "sent" : safe) < 0 ||
		     fflush(stdout) != 0) &&
	    errno == EPIPE)
		cli_pipe_gone();
	if (got == SCOPE_SET_OTHER)
		cli_warn("%s: it says '%s': is that the same?", command, safe);
	if (got == SCOPE_SET_ADAPTED)
		cli_error("%s: the oscilloscope took %s instead: correct the setup", command, safe);
	if (got == SCOPE_SET_FAILED)
		setup_end = EXIT_DATA;
	else if (got == SCOPE_SET_ADAPTED && setup_end == EXIT_DONE)
		setup_end = EXIT_REFUSED;
}

static enum cli_exit send_setup(void)
{
	size_t n;
	char *text = io_slurp(setup, SETUP_MOST, &n);

	if (!text)
		cli_die(EXIT_SYSTEM, "%s: %s", setup, strerror(errno));
	int got = scope_setup(&scope, text, show);
	if (got < 0)
		setup_end = failed(scope.why);
	free(text);
	return setup_end;
}

static enum cli_exit begin(void)
{
	enum cli_exit code = EXIT_DONE;

	if (scope_open(&scope, &options) < 0)
		return failed(scope.why);
	cli_note("%s", scope.idn);
	if (setup && (code = send_setup()) != EXIT_DONE)
		return code;
	if (!output)
		return EXIT_DONE;
	if (segments && scope_segments(&scope, segments) < 0)
		return failed(scope.why);
	if (ntraces == 0 && (ntraces = scope_traces_on(&scope, trace)) < 0)
		return failed(scope.why);
	if (ntraces == 0) {
		cli_error("no channel of the oscilloscope is switched on: say which with -c");
		return EXIT_REFUSED;
	}
	return take_names();
}

/* ---- one acquisition ---- */

/* Transfers the traces of the trigger that came, and stores them. */
static enum cli_exit keep(struct wave_set *set)
{
	char why[WAVE_WHY];

	if (scope_fetch(&scope, trace, ntraces) < 0)
		return failed(scope.why);
	for (int i = 0; i < ntraces; i++) {
		const struct scope_trace *t = &trace[i];
		set->trace[i] = (struct wave_trace){
		    .name = t->name, .block = t->reply.data + t->start, .size = t->n, .l = t->l};
		tally.also[ALSO_BYTES].n += t->n;
	}
	set->n = ntraces;

	if (to_nc && wave_nc_add(nc, set) < 0)
		return failed(wave_nc_why(nc));
	if (!to_nc && wave_trc_write(output, events > 1 ? set->number : 0, set, why) < 0)
		return failed(why);
	return EXIT_DONE;
}

static enum cli_exit acquire(void)
{
	struct wave_set set = {.number = (int64_t)tally.in + 1};
	char span[TIM_TEXT];
	bool cut;

	waiting_since = tim_mono();
	int got = scope_arm(&scope) < 0 ? -1 : scope_wait(&scope, tim_mono() + timeout, &cut);
	if (got < 0)
		return failed(scope.why);
	if (got == 0) {
		cli_passing(NULL);
		tally.also[ALSO_NONE].n++;
		cli_error("no trigger in %s: acquisition %lld of %lld did not happen",
		    tim_span(timeout, span), (long long)set.number, (long long)events);
		return EXIT_SYSTEM;
	}
	tally.in++;
	tally.held = 1;
	enum cli_exit code = keep(&set);
	tally.held = 0;
	if (code != EXIT_DONE) {
		tally.lost[0].n++;
		return code;
	}
	tally.out++;
	const struct lecroy *l = &trace[0].l;
	tally.also[ALSO_TRIGGERS].n += l->segments;
	if (!cut)
		return EXIT_DONE;
	cli_passing(NULL);
	cli_error("only %zu of %zu segments came in %s: these are stored", l->segments, l->wanted,
	    tim_span(timeout, span));
	return EXIT_SYSTEM;
}

/* A Ctrl-C leaves the oscilloscope stopped, not armed. */
static void finish(enum cli_exit code)
{
	if (code == EXIT_CTRL_C && vxi11_is_open(&scope.link))
		(void)scope_stop(&scope);
	tally.also[ALSO_RECONNECTED].n = scope.reconnections;
	scope_close(&scope);
	for (int i = 0; i < SCOPE_TRACES; i++)
		free(trace[i].reply.data);
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	check_options();
	enum cli_exit code = begin();
	while (code == EXIT_DONE && output && tally.out < (uint64_t)events) {
		code = acquire();
		cli_tick();
	}
	cli_passing(NULL);
	if (nc && wave_nc_close(nc) < 0)
		code = failed(wave_nc_why(nc));
	wave_nc_free(nc);
	finish(code);
	return cli_end(code);
}
