/*
 * hvset.c - changes settings of a high-voltage supply, and switches channels
 *
 *	hvset -c 3 -v 250 -i 2		250 V and 2 uA in channel 3
 *	hvset -c 3 --on --wait		on, and wait for the end of the ramp
 *	hvset --all-off
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "dev/hvset.h"

static const char *channel_list, *volts, *microamps, *server, *file;
static int64_t board = -1, port, deadline, timeout = 15 * TIM_S;
static bool on, off, all_off, wait_ramp, clear, dry;

static const struct cli_option options[] = {
    {"channel", 'c', CLI_STR, &channel_list, "CH", "channel, from 0; also 0,2 or 0-3", 0, 0},
    {"board", 'b', CLI_INT, &board, "BOARD", "board (0)", 0, HV_BOARDS - 1},
    {"volts", 'v', CLI_STR, &volts, "VOLTS", "set the voltage", 0, 0},
    {"microamps", 'i', CLI_STR, &microamps, "UA", "set the current limit", 0, 0},
    {"port", 'p', CLI_INT, &port, "PORT", "hvmux's TCP port on this machine", 1, 65535},
    {"server", 's', CLI_STR, &server, "SERVER", "hvmux or a supply: unix:PATH, HOST:PORT", 0, 0},
    {"on", 0, CLI_FLAG, &on, NULL, "switch on, after the settings", 0, 0},
    {"off", 0, CLI_FLAG, &off, NULL, "switch off", 0, 0},
    {"all-off", 0, CLI_FLAG, &all_off, NULL, "switch off all channels of all boards (of -b)", 0, 0},
    {"wait", 0, CLI_FLAG, &wait_ramp, NULL, "wait until the ramp has ended", 0, 0},
    {"deadline", 0, CLI_TIME, &deadline, "TIME", "with --wait: at most (as the ramp needs)", 0, 0},
    {"clear", 0, CLI_FLAG, &clear, NULL, "first clear the board's alarm and trips", 0, 0},
    {"dry-run", 0, CLI_FLAG, &dry, NULL, "say what would be done", 0, 0},
    {"file", 0, CLI_STR, &file, "SETTINGS", "settings of several channels", 0, 0},
    {"timeout", 0, CLI_TIME, &timeout, "TIME", "how long an answer may take (15s)", TIM_MS, TIM_H},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {
    .name = "hvset", .about = "changes high-voltage settings", .options = options};

static struct hvset_want want[HVSET_WANTS];
static int nwants;

/* ---- what it says ---- */

static void say(enum hvset_tone tone, const char *text)
{
	char safe[1024];

	cli_passing(NULL);
	cli_safe(safe, sizeof safe, text, strlen(text));
	switch (tone) {
	case HVSET_RESULT:
		puts(safe);
		(void)fflush(stdout);
		break;
	case HVSET_NOTE:
		cli_note("%s", safe);
		break;
	case HVSET_WARN:
		cli_warn("%s", safe);
		break;
	case HVSET_FAIL:
		cli_error("%s", safe);
		break;
	}
}

static void progress(const char *text)
{
	cli_passing("%.100s", text);
}

/* ---- what is wanted ---- */

/* The original's one-dash spelling. */
static void old_spelling(int argc, char **argv)
{
	static char long_on[] = "--on", long_off[] = "--off";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "-on") == 0)
			argv[i] = long_on;
		else if (strcmp(argv[i], "-off") == 0)
			argv[i] = long_off;
	}
}

static void take_number(const char *text, enum hv_par par)
{
	double v;

	if (!text)
		return;
	if (hv_number(text, &v) < 0 || strlen(text) >= HV_VALUE)
		cli_die(EXIT_USAGE, "%s '%.40s': not a positive decimal number", hv_info(par)->name,
		    text);
	for (int i = 0; i < nwants; i++)
		strcpy(want[i].value[par], text);
}

static void read_options(void)
{
	char why[HV_WHY];

	if (on && off)
		cli_die(EXIT_USAGE, "--on and --off at once: nothing is done");
	if (port && server)
		cli_die(EXIT_USAGE, "-p and -s both name the server: give one");
	if (!!channel_list + !!file + all_off > 1)
		cli_die(EXIT_USAGE, "-c, --file and --all-off exclude one another");
	if (!channel_list && (volts || microamps || on || off))
		cli_die(EXIT_USAGE, "which channel? -c CH, counted from 0");
	if (all_off && clear)
		cli_die(EXIT_USAGE, "--all-off first; --clear when it is known what was wrong");
	if (!channel_list && !file && !all_off && !clear)
		cli_die(EXIT_USAGE, "no channel: -c CH, --file=SETTINGS or --all-off");
	if (channel_list)
		nwants = hvset_channels(
		    channel_list, board < 0 ? 0 : (int)board, want, HVSET_WANTS, why);
	else if (file)
		nwants = hvset_read(file, want, HVSET_WANTS, why);
	if (nwants < 0)
		cli_die(EXIT_USAGE, "%s", why);
	take_number(volts, HV_VSET);
	take_number(microamps, HV_ISET);
	for (int i = 0; i < nwants && !file; i++)
		want[i].power = on ? HVSET_ON : off ? HVSET_OFF : HVSET_KEEP;
}

static bool anything_off(void)
{
	for (int i = 0; i < nwants; i++)
		if (want[i].power == HVSET_OFF)
			return true;
	return all_off;
}

static enum hvset_end work(struct hvset *h)
{
	enum hvset_end end = HVSET_DONE;
	bool changes = volts || microamps || on || off || file;

	if (all_off)
		end = hvset_all_off(h, (int)board, want, &nwants);
	else if (nwants > 0)
		end = hvset_check(h, want, nwants);
	if (nwants > 0 && !all_off && end != HVSET_REFUSED) { /* without an answer, too */
		enum hvset_end off_end = hvset_off(h, want, nwants);
		end = end == HVSET_DONE ? off_end : end;
	}
	if (end == HVSET_DONE && clear)
		end = hvset_clear(h, board < 0 ? 0 : (int)board);
	if (end == HVSET_DONE && nwants > 0 && !all_off && (changes || !(clear || wait_ramp)))
		end = hvset_apply(h, want, nwants);
	if (end == HVSET_DONE && (wait_ramp || deadline > 0))
		end = hvset_wait(h, want, nwants, deadline);
	return end;
}

int main(int argc, char **argv)
{
	static const enum cli_exit status[] = {[HVSET_DONE] = EXIT_DONE,
	    [HVSET_NOTHING] = EXIT_USAGE,
	    [HVSET_REFUSED] = EXIT_REFUSED,
	    [HVSET_DEVICE] = EXIT_DATA,
	    [HVSET_LOST] = EXIT_SYSTEM,
	    [HVSET_STOPPED] = EXIT_CTRL_C};
	struct net_spec to;
	char why[NET_WHY];

	old_spelling(argc, argv);
	cli_begin(argc, argv, &program);
	read_options();
	if (hvask_where(server, port, &to, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	struct hvset h = {.ask = hvask_new(&to, timeout, cli_stopping),
	    .dry = dry,
	    .say = say,
	    .stopping = cli_stopping,
	    .progress = isatty(STDERR_FILENO) ? progress : NULL};
	if (!h.ask)
		cli_die(EXIT_SYSTEM, "no memory");
	if (anything_off() && !dry)
		cli_second_interrupt(
		    "hvset: it ends when OFF has been sent and looked at; wait\n", true);
	enum hvset_end end = work(&h);
	cli_passing(NULL);
	if (end == HVSET_STOPPED)
		cli_warn("stopped: the supply goes on as it was told so far");
	hvask_free(h.ask);
	return cli_end(status[end]);
}
