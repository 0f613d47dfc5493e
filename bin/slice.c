/*
 * slice.c - cuts merged hours into observations: one file each, across hour boundaries
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/tim.h"
#include "sky/obs.h"

static const char *out;
static bool list, overwrite;
static int64_t only = -1, margin;
static struct tally tally = {.unit = "observations", .lost = {{"not written", 0}}};

static const struct cli_option options[] = {
    {"output", 'o', CLI_STR, &out, "DIR", "the folder of the fields' folders (must exist)", 0, 0},
    {"list", 0, CLI_FLAG, &list, NULL, "show the observations, write nothing", 0, 0},
    {"obs", 0, CLI_INT, &only, "N", "only this observation", 0, 99999999},
    {"margin", 0, CLI_TIME, &margin, "TIME", "so much more on each side (0; at most 10m)", 0,
	10 * TIM_MIN},
    {"overwrite", 0, CLI_FLAG, &overwrite, NULL, "replace old files", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "slice",
    .args = "HOUR.nc...",
    .about = "cut merged hours into one file per observation",
    .options = options,
    .min_args = 1,
    .max_args = OBS_HOURS,
    .tally = &tally,
    .prints = true};

static void show(const struct obs *x)
{
	char from[TIM_TEXT], to[TIM_TEXT];

	printf("%d\t%s\t%s\t%s\t%lld\t%s\n", x->number, x->field, tim_text(x->utc * TIM_S, 0, from),
	    tim_text(x->utc_end * TIM_S, 0, to), (long long)(x->to - x->from),
	    x->open ? "open" : "");
}

static enum cli_exit cut(struct obs_hours *o, const struct obs *x)
{
	char path[4096];

	if (obs_path(x, out, path, sizeof path) < 0)
		cli_die(EXIT_USAGE, "-o %.64s...: the path is too long", out);
	if (obs_slice(o, x, margin / TIM_S, path, overwrite) == 0) {
		tally.out++;
		cli_note("%s: %lld s%s", path, (long long)(x->to - x->from),
		    x->open ? ", to the end of the data: it may go on in the next hour" : "");
		return EXIT_DONE;
	}
	int error = errno;
	tally.lost[0].n++;
	cli_error("%s", obs_why(o));
	return error == EEXIST || error == EBUSY ? EXIT_REFUSED
	    : error == EINVAL                    ? EXIT_DATA
						 : EXIT_SYSTEM;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	struct obs_hours *o = obs_new();
	struct obs *found;
	enum cli_exit code = EXIT_DONE;
	bool any = false;

	if (!out && !list)
		cli_die(EXIT_USAGE, "-o DIR is missing: where do the slices go? (or --list)");
	if (!list)
		cli_need_folder("-o", out);
	if (margin % TIM_S != 0)
		cli_die(EXIT_USAGE, "--margin: whole seconds, so that slices begin on one");
	if (!o)
		cli_die(EXIT_SYSTEM, "out of memory");
	for (; *args; args++)
		if (obs_add(o, *args) < 0)
			cli_die(errno == EINVAL ? EXIT_DATA : EXIT_SYSTEM, "%s", obs_why(o));
	int n = obs_find(o, &found);
	if (n < 0)
		cli_die(errno == EINVAL ? EXIT_DATA : EXIT_SYSTEM, "%s", obs_why(o));
	if (list)
		printf("#obs\tfield\tfrom[UTC]\tto[UTC]\tlength[s]\tstate\n");
	for (int i = 0; i < n && !cli_stopping(); i++) {
		if (only >= 0 && found[i].number != only)
			continue;
		any = true;
		tally.in++;
		if (list) {
			show(&found[i]);
			tally.out++;
			continue;
		}
		enum cli_exit got = cut(o, &found[i]);
		code = got > code ? got : code;
		cli_tick();
	}
	if (!any) {
		if (only >= 0)
			cli_error(
			    "no observation %lld in these hours: see --list", (long long)only);
		else
			cli_error("no observations in these hours: obsnumber and source_name, from "
				  "writelog's sources, are empty");
		code = EXIT_DATA;
	} else if (cli_stopping() && !list && code == EXIT_DONE && tally.in < (uint64_t)n)
		code = EXIT_CTRL_C;
	free(found);
	obs_free(o);
	return cli_end(code);
}
