/*
 * rotctl.c - turns the rotator, and says where it stands
 *
 *	rotctl home		rotctl goto 10		rotctl scan 123.4
 *	rotctl status		rotctl stop		rotctl watch --auto
 *
 * Whoever has the rotator (a watch, or a command under way) serves the others by a control socket:
 * a second rotctl asks there, and takes the ports itself only where nobody listens.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "dev/rotkeep.h"
#include "dev/rotserve.h"

static const char *motor, *encoder, *listen_at, *control_at, *state_file, *form, *audit_path;
static bool automatic, symmetric;
static int64_t patience = 10 * TIM_S;
static double parallactic, first, search = 30, tolerance = 0.02, fast = 2, slow = 0.2;
static struct rot_setup setup = ROT_SETUP_INIT;

static const struct cli_option options[] = {
    {"motor", 0, CLI_STR, &motor, "DEV", "serial port of the motor", 0, 0},
    {"encoder", 0, CLI_STR, &encoder, "DEV", "serial port of the gear encoder's interface", 0, 0},
    {"format", 'O', CLI_STR, &form, "FORM", "of status: line, tsv or json (a sentence)", 0, 0},
    {"symmetric", 0, CLI_FLAG, &symmetric, NULL, "goto: take the equivalent angle in range", 0, 0},
    {"parallactic", 0, CLI_REAL, &parallactic, "DEG",
	"scan: PA is on the sky; else from the zenith", -360, 360},
    {"first", 0, CLI_REAL, &first, "DEG", "home: turn back counter-clockwise before", 0, 60},
    {"listen", 'l', CLI_STR, &listen_at, "ADDR", "watch: where readings are served", 0, 0},
    {"auto", 0, CLI_FLAG, &automatic, NULL, "watch: answer READY_TO_ROTATE", 0, 0},
    {"control", 0, CLI_STR, &control_at, "ADDR", "the control socket", 0, 0},
    {"state", 0, CLI_STR, &state_file, "FILE", "what is known across runs", 0, 0},
    {"audit", 0, CLI_STR, &audit_path, "FILE", "append every move there (else to the log)", 0, 0},
    {"patience", 0, CLI_TIME, &patience, "TIME", "look so long for a lost line (10s)", 0, TIM_H},
    {"tolerance", 0, CLI_REAL, &tolerance, "DEG", "of the gear encoder to the target (0.02)", 0, 1},
    {"fast", 0, CLI_REAL, &fast, "DEG/S", "speed of a coarse move (2)", 0, 20},
    {"slow", 0, CLI_REAL, &slow, "DEG/S", "speed of the last approach (0.2)", 0, 5},
    {"search", 0, CLI_REAL, &search, "DEG", "home: look so far clockwise (30)", 1, 90},
    {"low", 0, CLI_REAL, &setup.low, "DEG", "lower end of the range (-36)", -180, 180},
    {"high", 0, CLI_REAL, &setup.high, "DEG", "upper end of the range (24)", -180, 180},
    {"lost", 0, CLI_REAL, &setup.lost, "DEG", "motion lost at a reversal (0.4)", 0, 5},
    {"fiducial", 0, CLI_REAL, &setup.fiducial, "DEG", "fiducial array angle (70.7)", -360, 360},
    {"motor-counts", 0, CLI_REAL, &setup.motor_counts, "N", "a degree (568.889)", 1, 1000000},
    {"gear-counts", 0, CLI_REAL, &setup.gear_counts, "N", "a degree (91.022)", 1, 1000000},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = ROT_TALLY;
static struct cli_program program = {.name = "rotctl",
    .args = "home | goto DEG | scan PA | status | stop | watch [PA]",
    .about = "turns the rotator",
    .options = options,
    .min_args = 1,
    .max_args = 2,
    .numbers = true,
    .prints = true};

static struct net_spec control;
static char keep_path[ROTKEEP_PATH];

/* ---- what it says ---- */

static void audit(const char *text, const char *why)
{
	cli_passing(NULL);
	cli_audit(text, why);
}

static void note(const char *text)
{
	cli_passing(NULL);
	cli_note("%s", text);
}

static void out(const char *text)
{
	puts(text);
	(void)fflush(stdout);
}

static void progress(const char *text)
{
	cli_passing("rotctl: %.100s", text);
}

static void interrupted(void)
{
	(void)cli_stopping();
}

static const struct rotserve_calls calls = {.audit = audit,
    .note = note,
    .out = out,
    .progress = progress,
    .tick = cli_tick,
    .stopping = cli_stopping,
    .tally = &tally};

/* ---- options ---- */

static void read_address(const char *text, const char *usual, struct net_spec *to)
{
	char why[NET_WHY];

	if (rot_address(text, usual, to, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
}

/* The request, as if it had come by the socket; watch gives its first scan direction. */
static bool read_request(const char *const *args, struct rot_request *q)
{
	bool watch = strcmp(args[0], "watch") == 0, scan = strcmp(args[0], "scan") == 0;
	char line[ROT_LINE], why[ROT_WHY];
	enum rec_form unused;

	if (form && rec_form(form, &unused) < 0)
		cli_die(EXIT_USAGE, "-O %.32s: line, tsv or json", form);
	if (setup.low >= setup.high || setup.high - setup.low > ROT_SYMMETRY)
		cli_die(EXIT_USAGE, "--low and --high must be at most 60 degrees apart");
	if (slow < 0.01 || slow * setup.motor_counts < 4 || fast < 2 * slow)
		cli_die(EXIT_USAGE,
		    "--slow must be at least 0.01 and 4 counts of the motor a "
		    "second, and --fast twice as fast");
	if (watch && !args[1])
		return true;
	const char *verb = watch ? "scan" : args[0], *angle = args[1] ? args[1] : "";
	int n = snprintf(line, sizeof line, "%.20s %.40s", verb, angle);
	if (watch || scan)
		snprintf(line + n, sizeof line - (size_t)n, " %f", parallactic);
	else if (strcmp(args[0], "home") == 0)
		snprintf(line + n, sizeof line - (size_t)n, " %f", first);
	else if (strcmp(args[0], "status") == 0)
		snprintf(line + n, sizeof line - (size_t)n, " %s", form ? form : "plain");
	if (rot_request_parse(line, q, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (q->verb == ROT_GOTO && symmetric)
		q->angle = rot_reduce(&setup, q->angle);
	return watch;
}

/* nobody: what is said first where a rotctl that has the ports would have been asked. */
static struct rot_options read_ports(const char *nobody)
{
	struct rot_options o = {.setup = setup,
	    .state = keep_path,
	    .fast = fast,
	    .slow = slow,
	    .search = search,
	    .tolerance = tolerance,
	    .patience = patience,
	    .interrupted = interrupted};
	char why[TTY_WHY];

	if (!motor || !encoder)
		cli_die(EXIT_USAGE,
		    "%swhich ports? --motor=DEV and --encoder=DEV, or both in /etc/fyke.conf",
		    nobody);
	if (strcmp(motor, encoder) == 0)
		cli_die(EXIT_USAGE, "--motor and --encoder are both %.200s: two ports are needed",
		    motor);
	if (tty_name(motor, &o.motor, why) < 0 || tty_name(encoder, &o.encoder, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	o.motor.baud = o.encoder.baud = 9600;
	return o;
}

/* ---- doing it ---- */

/* The end of a command for a person and for the shell. */
static enum cli_exit end_of(
    enum rot_verb verb, enum rot_end end, enum rot_state state, const char *text)
{
	static const enum cli_exit status[] = {[ROT_DONE] = EXIT_DONE,
	    [ROT_DEVICE] = EXIT_DATA,
	    [ROT_LOST] = EXIT_SYSTEM,
	    [ROT_REFUSED] = EXIT_REFUSED,
	    [ROT_STOPPED] = EXIT_CTRL_C};
	static const enum cli_exit of_state[] = {[ROT_UNKNOWN] = EXIT_SYSTEM,
	    [ROT_NOT_HOMED] = EXIT_REFUSED,
	    [ROT_STILL] = EXIT_DONE,
	    [ROT_MOVING] = EXIT_DONE,
	    [ROT_NO_POWER] = EXIT_REFUSED,
	    [ROT_FAULT] = EXIT_DATA};

	cli_passing(NULL);
	if (verb == ROT_STATUS && end == ROT_DONE)
		return of_state[state];
	if (end == ROT_DONE)
		out(text);
	else if (verb != ROT_STATUS)
		cli_error("%s", text);
	return status[end];
}

/* Somebody has the ports, and does not answer: what is left is where the rotator last was. */
static enum cli_exit status_of_file(const char *who)
{
	char text[ROT_WHY];
	struct rotkeep k;

	(void)rotkeep_read(keep_path, &k, text);
	out(rotkeep_sentence(&k, &setup, text));
	cli_warn("%s", who);
	return EXIT_SYSTEM;
}

static struct rotserve *new_server(const char *nobody, enum rot_end *taken)
{
	struct rot_options o = read_ports(nobody);
	struct rotserve *h = rotserve_new(&o, *cli_name() ? cli_name() : "bolocam", &calls);
	if (!h)
		cli_die(EXIT_SYSTEM, "no memory");
	*taken = rotserve_take(h);
	return h;
}

static enum cli_exit do_here(const struct rot_request *q)
{
	enum rot_state state = ROT_UNKNOWN;
	char who[64], ready[NET_TEXT], why[NET_WHY];
	enum rot_end end;
	struct rotserve *h = new_server("no rotctl watch runs here: ", &end);

	if (end != ROT_DONE) {
		enum cli_exit refused = q->verb == ROT_STATUS
		    ? status_of_file(rotserve_why(h))
		    : end_of(q->verb, end, ROT_UNKNOWN, rotserve_why(h));
		rotserve_free(h);
		return refused;
	}
	if (rotserve_listen(h, &control, true, ready, why) < 0)
		cli_note("status and stop from elsewhere will not work: %s", why);
	snprintf(who, sizeof who, "uid %d pid %d", (int)getuid(), (int)getpid());
	end = rotserve_do(h, q, who, &state);
	enum cli_exit code = end_of(q->verb, end, state, rotserve_why(h));
	rotserve_free(h);
	return code;
}

static enum cli_exit do_there(const struct rot_request *q)
{
	char text[ROT_LINE];
	enum rot_state state = ROT_UNKNOWN;
	enum rot_end end = rotask(&control, q, &calls, &state, text);

	return end_of(q->verb, end, state, text);
}

static enum cli_exit watch(const struct rot_request *q, bool has_pa)
{
	char ready[NET_TEXT], why[NET_WHY];
	struct net_spec at;
	enum rot_end end;
	struct rotserve *h = new_server("", &end);

	program.tally = &tally; /* a single command tells its end in words */
	if (end != ROT_DONE)
		cli_die(end == ROT_REFUSED ? EXIT_REFUSED : EXIT_SYSTEM, "%s", rotserve_why(h));
	read_address(listen_at, "rotctl", &at);
	for (int i = 0; i < 2; i++) {
		if (rotserve_listen(h, i == 0 ? &at : &control, i == 1, ready, why) < 0)
			cli_die(errno == EPERM ? EXIT_REFUSED : EXIT_SYSTEM, "%s", why);
		cli_ready(ready);
	}
	if (automatic)
		rotserve_auto(h, has_pa ? q->angle : NAN, q->parallactic);
	while (!cli_stopping())
		rotserve_turn(h);
	rotserve_free(h);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct rot_request q = {.angle = NAN};
	char why[ROT_WHY];

	const char *const *args = cli_begin(argc, argv, &program);
	bool stays = read_request(args, &q);
	read_address(control_at, "rotctl-control", &control);
	if (rotkeep_path(state_file, *cli_name() ? cli_name() : "rotctl", keep_path, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	cli_audit_open(audit_path);
	cli_second_interrupt("rotctl: stopping the motor; wait\n", true);
	enum cli_exit code = stays                      ? watch(&q, args[1] != NULL)
	    : rotask_find(&control, control_at != NULL) ? do_there(&q)
							: do_here(&q);
	cli_audit_close();
	return cli_end(code);
}
