/* simmotor.c - the simulated rotator's motor: an MDrive's variables, and its commands */
#include "simrotin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"

#define OVERSHOOT  2e-2 /* s: a move ends so far beyond its target, times VM, and comes back */
#define MICROSTEPS 25.0 /* per count of the motor's encoder, at 256 microsteps a step */

/* Errors, types of inputs and outputs, and bytes that act at once: by the MCode manual. */
enum {
	ERROR_IO_TYPE = 9,
	ERROR_NO_VARIABLE = 20,
	ERROR_VALUE = 21,
	ERROR_VI_ABOVE_VM = 22,
	ERROR_VM_BELOW_VI = 23,
	ERROR_DATA = 24,
	ERROR_READ_ONLY = 25,
	ERROR_OVERRUN = 63,
	ERROR_NO_HOME_INPUT = 80,
	ERROR_HOMING_TYPE = 81,
	ERROR_NO_HOME = 82,
	ERROR_MOVING = 85,
	ERROR_STALL = 86
};
enum { IO_GENERAL_IN = 0, IO_HOME = 1, IO_LAST_IN = 8, IO_GENERAL_OUT = 16, IO_LAST_OUT = 20 };
enum { RESET = 0x03, ESCAPE = 0x1b };

static const char banner[] = "\r\nCopyright 2001-2010 by Intelligent Motion Systems, Inc.\r\n>";

/* ---- variables ---- */

static const struct {
	const char *name;
	int32_t start;
	bool read_only;
} var_table[] = {{"A", 40000, false}, {"D", 40000, false}, {"BD", 96, false}, {"DB", 1, false},
    {"DE", 1, false}, {"EE", 1, false}, {"EM", 0, false}, {"HC", 5, false}, {"HT", 500, false},
    {"MS", 256, false}, {"MT", 0, false}, {"PM", 0, false}, {"PY", 0, false}, {"CK", 0, false},
    {"RC", 25, false}, {"SF", 10, false}, {"SM", 0, false}, {"ST", 0, false}, {"VI", 40, false},
    {"VM", 500, false}, {"ER", 0, false}, {"EF", 0, true}, {"MV", 0, true}, {"VC", 0, true},
    {"V", 0, true}, {"R1", 0, false}, {"R2", 0, false}, {"R3", 0, false}, {"R4", 0, false},
    {"O1", 0, false}, {"O2", 0, false}, {"O3", 0, false}, {"O4", 0, false}};

static struct var *var(struct simrot *s, const char *name)
{
	for (int i = 0; i < s->nvars; i++)
		if (strcmp(s->var[i].name, name) == 0)
			return &s->var[i];
	return NULL;
}

int32_t simmotor_get(const struct simrot *s, const char *name)
{
	for (int i = 0; i < s->nvars; i++)
		if (strcmp(s->var[i].name, name) == 0)
			return s->var[i].value;
	return 0;
}

void simmotor_put(struct simrot *s, const char *name, int32_t value)
{
	struct var *v = var(s, name);

	if (v)
		v->value = value;
}

static void fault(struct simrot *s, int32_t error)
{
	simmotor_put(s, "ER", error);
	simmotor_put(s, "EF", error != 0);
}

void simmotor_stalls(struct simrot *s)
{
	simmotor_put(s, "ST", 1);
	fault(s, ERROR_STALL);
	simrot_tell(s, "stall", "");
	simdewar_stop(s);
}

/* What the motor's units are: encoder counts, or microsteps where EE is 0. */
double simmotor_units(const struct simrot *s)
{
	return s->o.motor_counts * (1 + s->o.ratio_error) *
	    (simmotor_get(s, "EE") ? 1 : MICROSTEPS);
}

int64_t simmotor_position(const struct simrot *s)
{
	return llround((s->shaft - s->zero) * simmotor_units(s));
}

/* ---- inputs and outputs ---- */

/* "type,active" of S1 to S4 */
static bool io_is(const struct simrot *s, int number, int type, bool *active_high)
{
	int is = -1, active = 0;

	if (sscanf(s->io[number - 1], "%d,%d", &is, &active) < 2 || is != type)
		return false;
	*active_high = active != 0;
	return true;
}

/* The sensor's line is low while the tab blocks it; READY_TO_ROTATE is high when raised. */
bool simmotor_input(const struct simrot *s, int number)
{
	bool level = number == 1 ? !simdewar_on_tab(s) : number == 2 ? s->ready : false;
	bool active = false;

	if (!io_is(s, number, number == 1 ? IO_HOME : IO_GENERAL_IN, &active) &&
	    !io_is(s, number, IO_GENERAL_IN, &active))
		return level;
	return level == active;
}

bool simmotor_busy(const struct simrot *s)
{
	bool active_high;

	return s->powered && io_is(s, 3, IO_GENERAL_OUT, &active_high) &&
	    (simmotor_get(s, "O3") != 0) == active_high;
}

/* ---- power ---- */

/* All but what is wired to it. */
static void boot(struct simrot *s)
{
	static const char *const io[4] = {"7,0", "8,0", "0,0", "0,0"};

	for (int i = 0; i < s->nvars; i++)
		s->var[i].value = s->var[i].at_start;
	for (int i = 0; i < 4; i++)
		snprintf(s->io[i], sizeof s->io[i], "%s", io[i]);
	s->shaft = s->zero = s->dewar; /* the belt hangs with its slack on both sides */
	s->slip = 0;
	s->motion = STILL;
	s->speed = 0;
	s->ncommand = 0;
	s->powered = true;
}

void simmotor_new(struct simrot *s)
{
	for (size_t i = 0; i < sizeof var_table / sizeof *var_table; i++) {
		struct var *v = &s->var[s->nvars++];
		snprintf(v->name, sizeof v->name, "%s", var_table[i].name);
		v->at_start = var_table[i].start;
		v->read_only = var_table[i].read_only;
	}
	boot(s);
}

/* ---- commands ---- */

static void say(struct simrot *s, const char *text)
{
	simrot_reply(s, SIMROT_MOTOR, text, strlen(text));
}

static void start(struct simrot *s, enum motion how)
{
	s->motion = how;
	simmotor_put(s, "MV", 1);
	simrot_tell(s, "moves", "");
}

static void move_to(struct simrot *s, double target)
{
	double over =
	    OVERSHOOT * simmotor_get(s, "VM") / simmotor_units(s) * (0.5 + 0.5 * simrot_chance(s));

	s->settle = target;
	s->target = target + copysign(over, target - s->shaft);
	start(s, MOVE);
}

/* A number, or the register that holds it. */
static bool operand(struct simrot *s, const char *text, int32_t *v)
{
	long long n;
	const struct var *r = text[0] == 'R' ? var(s, text) : NULL;

	if (r)
		*v = r->value;
	else if (conf_int(text, INT32_MIN, INT32_MAX, &n) == 0)
		*v = (int32_t)n;
	return r != NULL || conf_int(text, INT32_MIN, INT32_MAX, &n) == 0;
}

static int home(struct simrot *s, int32_t type)
{
	bool active;

	if (type < 1 || type > 4)
		return ERROR_HOMING_TYPE;
	if (!io_is(s, 1, IO_HOME, &active))
		return ERROR_NO_HOME_INPUT;
	if (s->no_home)
		return ERROR_NO_HOME;
	/* 2 and 4 creep on the other side; nobody here homes so */
	s->seek = type <= 2 ? -1 : 1;
	start(s, simmotor_input(s, 1) ? CREEP : SEEK);
	return 0;
}

/* MA, MR, SL, HM: the error, or -1 when it is none of these. */
static int motion(struct simrot *s, const char *word, const char *arg)
{
	bool slews = strcmp(word, "SL") == 0, homes = strcmp(word, "HM") == 0;
	bool to = strcmp(word, "MA") == 0, by = strcmp(word, "MR") == 0;
	int32_t v = 0;

	if (!slews && !homes && !to && !by)
		return -1;
	if (!operand(s, arg, &v))
		return ERROR_DATA;
	if (!slews && s->motion != STILL)
		return ERROR_MOVING;
	if (!simmotor_get(s, "DE"))
		return 0;
	if (homes)
		return home(s, v);
	if (slews) {
		s->target = v / simmotor_units(s);
		if (v != 0 || s->motion != STILL)
			start(s, SLEW);
		return 0;
	}
	move_to(s, v / simmotor_units(s) + (to ? s->zero : s->shaft));
	return 0;
}

static int print_var(struct simrot *s, const char *name, char *text, size_t size)
{
	const struct var *v = var(s, name);

	if (v)
		snprintf(text, size, "%d", v->value);
	else if (strcmp(name, "P") == 0 || strcmp(name, "C2") == 0)
		snprintf(text, size, "%lld", (long long)simmotor_position(s));
	else if (strcmp(name, "C1") == 0)
		snprintf(text, size, "%lld",
		    (long long)llround((s->shaft - s->zero) * simmotor_units(s) *
			(simmotor_get(s, "EE") ? MICROSTEPS : 1)));
	else if (strcmp(name, "VR") == 0)
		snprintf(text, size, "1.024 E");
	else if (strcmp(name, "DN") == 0)
		snprintf(text, size, "\"!\"");
	else if (name[0] == 'I' && name[1] >= '1' && name[1] <= '4' && !name[2])
		snprintf(text, size, "%d", simmotor_input(s, name[1] - '0'));
	else if (name[0] == 'S' && name[1] >= '1' && name[1] <= '4' && !name[2])
		snprintf(text, size, "%s", s->io[name[1] - '1']);
	else
		return ERROR_NO_VARIABLE;
	return 0;
}

static int set_io(struct simrot *s, int number, const char *text)
{
	int type, active, n = 0;

	if (sscanf(text, "%d,%d%n", &type, &active, &n) != 2 || text[n] ||
	    !((type >= 0 && type <= IO_LAST_IN) ||
		(type >= IO_GENERAL_OUT && type <= IO_LAST_OUT)) ||
	    active < 0 || active > 1)
		return ERROR_DATA;
	snprintf(s->io[number - 1], sizeof s->io[0], "%d,%d", type, active);
	return 0;
}

static int assign(struct simrot *s, const char *name, const char *text)
{
	struct var *v = var(s, name);
	long long n;
	bool active;

	if (name[0] == 'S' && name[1] >= '1' && name[1] <= '4' && !name[2])
		return set_io(s, name[1] - '0', text);
	if (conf_int(text, INT32_MIN, INT32_MAX, &n) < 0)
		return ERROR_VALUE;
	if (strcmp(name, "P") == 0 || strcmp(name, "C1") == 0 || strcmp(name, "C2") == 0) {
		s->zero = s->shaft - (double)n / simmotor_units(s);
		return 0;
	}
	if (!v)
		return ERROR_NO_VARIABLE;
	if (v->read_only)
		return ERROR_READ_ONLY;
	if (name[0] == 'O' && !io_is(s, name[1] - '0', IO_GENERAL_OUT, &active))
		return ERROR_IO_TYPE;
	if (strcmp(name, "VI") == 0 && n >= simmotor_get(s, "VM"))
		return ERROR_VI_ABOVE_VM;
	if (strcmp(name, "VM") == 0 && n <= simmotor_get(s, "VI"))
		return ERROR_VM_BELOW_VI;
	if (strcmp(name, "EM") == 0 && (n < 0 || n > 2))
		return ERROR_VALUE;
	v->value = (int32_t)n;
	if (strcmp(name, "ER") == 0)
		simmotor_put(s, "EF", n != 0);
	return 0;
}

static int carry_out(struct simrot *s, const char *text)
{
	char name[8] = "", arg[COMMAND] = "", answer[COMMAND];
	int error;

	if (sscanf(text, "PR %3s%63s", name, arg) == 1) {
		if ((error = print_var(s, name, answer, sizeof answer - 2)) == 0) {
			strcat(answer, "\r\n");
			say(s, answer);
		}
		return error;
	}
	if (sscanf(text, "%3[A-Z0-9]=%63s", name, arg) == 2)
		return assign(s, name, arg);
	if (sscanf(text, "%2[A-Z] %63s", name, arg) == 2 && (error = motion(s, name, arg)) >= 0)
		return error;
	return strcmp(text, "S") == 0 || strcmp(text, "E") == 0 || strcmp(text, "H") == 0
	    ? 0
	    : ERROR_NO_VARIABLE;
}

static void command_ends(struct simrot *s)
{
	char *text = s->command;

	text[s->ncommand] = '\0';
	s->ncommand = 0;
	if (simmotor_get(s, "EM") == 0)
		say(s, "\r\n");
	if (*text == '\0')
		return;
	simrot_tell(s, "< ", text);
	int error = carry_out(s, text);
	if (error)
		fault(s, error);
	if (simmotor_get(s, "EM") < 2)
		say(s, error ? "\r\n?" : "\r\n>");
}

void simmotor_byte(struct simrot *s, char c)
{
	if (c == RESET) {
		simrot_tell(s, "reset", "");
		boot(s);
		say(s, banner);
	} else if (c == ESCAPE) {
		if (s->motion != STILL)
			simdewar_stop(s);
	} else if (c == '\r') {
		command_ends(s);
	} else if (s->ncommand < COMMAND) {
		if (simmotor_get(s, "EM") == 0)
			simrot_reply(s, SIMROT_MOTOR, &c, 1);
		s->command[s->ncommand++] = c;
	} else {
		fault(s, ERROR_OVERRUN);
	}
}

void simmotor_power(struct simrot *s, bool on)
{
	if (!on) {
		simdewar_cut_power(s, "asked");
		return;
	}
	if (s->powered)
		return;
	boot(s);
	simrot_tell(s, "power on", "");
	say(s, banner);
}
