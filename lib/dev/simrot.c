/* simrot.c - a simulated rotator: dewar, belt, gears, limits, an MDrive motor and an AD4 encoder */
#include "simrot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/tim.h"

#define STEP       0.001   /* s of the simulated world */
#define STEPS_MOST 2000000 /* in one go: more was a machine asleep */
#define TICK       (2 * TIM_MS)
#define SWING      40.0 /* degree/s: the dewar falling to where it rests */
#define OVERSHOOT  2e-2 /* s: a move ends so far beyond its target, times VM, and comes back */
#define MICROSTEPS 25.0 /* per count of the motor's encoder, at 256 microsteps a step */
#define COMMAND    64
#define OUT        4096
#define VARS       48

/* ---- the world ---- */

enum motion { STILL, MOVE, SETTLE, SLEW, SEEK, BRAKE, CREEP };

struct var {
	char name[4];
	int32_t value, at_start;
	bool read_only;
};

/* One direction of a serial line: bytes with the times at which they arrive. */
struct line {
	char byte[OUT];
	int64_t due[OUT];
	size_t n;
	int64_t busy, heard; /* until the last byte has passed, out and in */
	int64_t away;        /* unplugged until then */
	int silent, garbage; /* replies to swallow; replies to spoil */
};

struct simrot {
	struct simrot_options o;
	void (*journal)(void *ctx, const char *text);
	void *ctx;
	int64_t began, now;
	double time; /* s of the simulated world */
	uint64_t random, version;
	/* degrees of the dewar */
	double dewar, shaft, gear; /* true; the motor's shaft; the encoder's gear */
	double zero;               /* the shaft's angle where P is 0 */
	double block;              /* something in the way there; NAN: nothing */
	bool powered, tab_seen, no_home, ready, partial, was_busy;
	/* the motor */
	enum motion motion;
	double speed, target, settle; /* degree/s, degrees */
	int seek, stall_next;         /* direction; moves that stall */
	double slip, slip_next;       /* of the belt so far, and to come */
	struct var var[VARS];
	int nvars;
	char io[4][16]; /* S1 to S4 as they were set */
	char command[COMMAND + 1];
	size_t ncommand;
	/* the encoder */
	int multiplier;
	int32_t counter;
	int64_t tooth; /* quarters of lines that the gear has passed */
	uint8_t asked[8];
	size_t nasked;
	bool keeps; /* the counter does not take a preset */
	struct line line[SIMROT_PORTS];
};

static double chance(struct simrot *s)
{
	s->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
	uint64_t x = s->random;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((x ^ x >> 31) >> 11) / (double)(UINT64_C(1) << 53);
}

static void tell(struct simrot *s, const char *what, const char *text)
{
	char line[SIMROT_TEXT];

	snprintf(line, sizeof line, "%.3f %s%.100s", s->time, what, text);
	if (s->journal)
		s->journal(s->ctx, line);
	s->version++;
}

/* ---- the motor's variables ---- */

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

static int32_t get(const struct simrot *s, const char *name)
{
	for (int i = 0; i < s->nvars; i++)
		if (strcmp(s->var[i].name, name) == 0)
			return s->var[i].value;
	return 0;
}

static void put(struct simrot *s, const char *name, int32_t value)
{
	struct var *v = var(s, name);

	if (v)
		v->value = value;
}

static void fault(struct simrot *s, int32_t error)
{
	put(s, "ER", error);
	put(s, "EF", error != 0);
}

/* What the motor's units are: encoder counts, or microsteps where EE is 0. */
static double units(const struct simrot *s)
{
	return s->o.motor_counts * (1 + s->o.ratio_error) * (get(s, "EE") ? 1 : MICROSTEPS);
}

static int64_t position(const struct simrot *s)
{
	return llround((s->shaft - s->zero) * units(s));
}

/* "type,active" of S1 to S4 */
static bool io_is(const struct simrot *s, int number, int type, bool *active_high)
{
	int is = -1, active = 0;

	if (sscanf(s->io[number - 1], "%d,%d", &is, &active) < 2 || is != type)
		return false;
	*active_high = active != 0;
	return true;
}

static bool on_tab(const struct simrot *s)
{
	return s->tab_seen && s->dewar <= 0 && s->dewar >= -s->o.tab;
}

/* The sensor's line is low while the tab blocks it; READY_TO_ROTATE is high when raised. */
static bool input(const struct simrot *s, int number)
{
	bool level = number == 1 ? !on_tab(s) : number == 2 ? s->ready : false;
	bool active = false;

	if (!io_is(s, number, number == 1 ? 1 : 0, &active) && !io_is(s, number, 0, &active))
		return level;
	return level == active;
}

static bool busy(const struct simrot *s)
{
	bool active_high;

	return s->powered && io_is(s, 3, 16, &active_high) && (get(s, "O3") != 0) == active_high;
}

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

/* ---- mechanics ---- */

/* A thing that is pushed through play: it moves only when one side of the gap touches. */
static double pushed(double thing, double by, double gap)
{
	if (by - thing > gap / 2)
		return by - gap / 2;
	if (thing - by > gap / 2)
		return by + gap / 2;
	return thing;
}

static void follow(struct simrot *s)
{
	s->gear = pushed(s->gear, s->dewar, s->o.play);
	int64_t tooth = (int64_t)floor(s->gear * s->o.gear_counts);
	if (tooth != s->tooth)
		s->counter += (int32_t)((tooth - s->tooth) * s->multiplier / 4);
	s->tooth = tooth;
}

static void stop(struct simrot *s)
{
	s->motion = STILL;
	s->speed = 0;
	put(s, "MV", 0);
	put(s, "V", 0);
	tell(s, "still", "");
}

static void cut_power(struct simrot *s, const char *why)
{
	if (!s->powered)
		return;
	s->motion = STILL;
	s->speed = 0;
	put(s, "MV", 0);
	s->powered = false;
	s->line[SIMROT_MOTOR].n = 0;
	tell(s, "power cut: ", why);
}

/* The shaft goes to its new angle, and takes the dewar along, or meets something. */
static void turn_shaft(struct simrot *s, double to)
{
	double before = s->dewar, after = pushed(before, to - s->slip, s->o.slack);
	bool meets =
	    !isnan(s->block) && (before - s->block) * (after - s->block) <= 0 && after != before;

	if (meets || (s->stall_next > 0 && after != before)) {
		s->stall_next -= s->stall_next > 0;
		put(s, "ST", 1);
		fault(s, 86);
		tell(s, "stall", "");
		stop(s);
		return;
	}
	if (s->slip_next != 0 && after != before) {
		s->slip += s->slip_next; /* the belt jumps: the shaft turns, the dewar does not */
		s->slip_next = 0;
		after = before;
		tell(s, "slip", "");
	}
	s->shaft = to;
	s->dewar = after;
	follow(s);
	if (s->dewar > s->o.high || s->dewar < s->o.low)
		cut_power(s, "limit");
}

/* One step towards a speed, by acceleration and deceleration. */
static void towards(struct simrot *s, double wanted)
{
	double u = units(s), a = get(s, fabs(wanted) < fabs(s->speed) ? "D" : "A") / u;
	double first = get(s, "VI") / u;

	if (fabs(wanted - s->speed) <= a * STEP ||
	    (fabs(wanted) <= first && fabs(s->speed) <= first))
		s->speed = wanted;
	else if (s->speed == 0)
		s->speed = copysign(first, wanted);
	else
		s->speed += copysign(a * STEP, wanted - s->speed);
}

static void step_move(struct simrot *s)
{
	double u = units(s), left = s->target - s->shaft, d = get(s, "D") / u;
	double first = get(s, "VI") / u;
	double most = s->motion == SETTLE ? first : get(s, "VM") / u;
	double may = sqrt(first * first + 2 * d * fabs(left)); /* so as to stop at the target */

	towards(s, copysign(fmin(most, may), left));
	if (fabs(left) > fabs(s->speed) * STEP) {
		turn_shaft(s, s->shaft + s->speed * STEP);
		return;
	}
	turn_shaft(s, s->target);
	if (s->motion == MOVE) {
		s->motion = SETTLE;
		s->target = s->settle;
		s->speed = 0;
	} else if (s->motion == SETTLE) {
		stop(s);
	}
}

/* Fast towards the tab; once seen, brake, and creep back until it is not seen: whoever comes too
 * fast for a narrow tab has its home on the wrong side. */
static void step_home(struct simrot *s)
{
	double u = units(s);

	if (s->motion == SEEK && input(s, 1))
		s->motion = BRAKE;
	if (s->motion == BRAKE && s->speed == 0)
		s->motion = CREEP;
	if (s->motion == CREEP && !input(s, 1)) {
		stop(s);
		return;
	}
	towards(s,
	    s->motion == BRAKE      ? 0
		: s->motion == SEEK ? s->seek * get(s, "VM") / u
				    : -s->seek * get(s, "VI") / u);
	turn_shaft(s, s->shaft + s->speed * STEP);
}

static void step(struct simrot *s)
{
	s->time += STEP;
	switch (s->motion) {
	case MOVE:
	case SETTLE:
		step_move(s);
		break;
	case SLEW:
		towards(s, s->target);
		if (s->speed == 0 && s->target == 0)
			stop(s);
		else
			turn_shaft(s, s->shaft + s->speed * STEP);
		break;
	case SEEK:
	case BRAKE:
	case CREEP:
		step_home(s);
		break;
	case STILL:
		if (s->powered || s->dewar == s->o.rest)
			break;
		s->dewar += fmax(-SWING * STEP, fmin(SWING * STEP, s->o.rest - s->dewar));
		s->shaft = s->dewar + s->slip;
		s->version++;
		follow(s);
		break;
	}
	if (s->motion != STILL)
		s->version++;
}

static bool at_rest(const struct simrot *s)
{
	return s->motion == STILL && (s->powered || s->dewar == s->o.rest);
}

void simrot_run(struct simrot *s, int64_t now)
{
	double until = (double)(now - s->began) / (double)TIM_S * s->o.speed;

	s->now = now;
	for (int i = 0; i < STEPS_MOST && s->time + STEP <= until && !at_rest(s); i++)
		step(s);
	if (s->time < until)
		s->time = until;
	if (busy(s) != s->was_busy) {
		s->was_busy = busy(s);
		tell(s, "busy ", s->was_busy ? "1" : "0");
	}
}

/* ---- the lines ---- */

static int64_t byte_time(const struct simrot *s)
{
	return s->o.baud > 0 ? (int64_t)(10 * (double)TIM_S / s->o.baud) : 0;
}

static char spoil(struct simrot *s, char c)
{
	return s->o.noise > 0 && chance(s) < s->o.noise ? (char)(chance(s) * 256) : c;
}

static void reply(struct simrot *s, enum simrot_port port, const char *bytes, size_t n)
{
	struct line *l = &s->line[port];
	int64_t due = l->busy > l->heard ? l->busy : l->heard;

	if (l->silent > 0) {
		l->silent--;
		return;
	}
	size_t junk = l->garbage > 0 ? 1 + (size_t)(chance(s) * 5) : 0;
	l->garbage -= l->garbage > 0;
	for (size_t i = 0; i < n + junk && l->n < OUT; i++) {
		due += byte_time(s);
		if (s->partial && chance(s) < 0.3)
			due += (int64_t)(chance(s) * 15 * (double)TIM_MS);
		l->byte[l->n] =
		    i < junk ? (char)(0x21 + chance(s) * 0xd0) : spoil(s, bytes[i - junk]);
		l->due[l->n++] = due;
	}
	l->busy = due;
}

static void say(struct simrot *s, const char *text)
{
	reply(s, SIMROT_MOTOR, text, strlen(text));
}

size_t simrot_take(struct simrot *s, enum simrot_port port, int64_t now, char *to, size_t size)
{
	struct line *l = &s->line[port];
	size_t n = 0;

	while (n < size && n < l->n && l->due[n] <= now) {
		to[n] = l->byte[n];
		n++;
	}
	l->n -= n;
	memmove(l->byte, l->byte + n, l->n);
	memmove(l->due, l->due + n, l->n * sizeof *l->due);
	return n;
}

bool simrot_plugged(const struct simrot *s, enum simrot_port port, int64_t now)
{
	return now >= s->line[port].away;
}

int64_t simrot_due(const struct simrot *s)
{
	int64_t due = at_rest(s) ? INT64_MAX : s->now + TICK;

	for (int p = 0; p < SIMROT_PORTS; p++) {
		const struct line *l = &s->line[p];
		if (l->n > 0 && l->due[0] < due)
			due = l->due[0];
		if (l->away > s->now && l->away < due)
			due = l->away;
	}
	return due;
}

/* ---- the motor's commands ---- */

static void start(struct simrot *s, enum motion how)
{
	s->motion = how;
	put(s, "MV", 1);
	tell(s, "moves", "");
}

static void move_to(struct simrot *s, double target)
{
	double over = OVERSHOOT * get(s, "VM") / units(s) * (0.5 + 0.5 * chance(s));

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
		return 81;
	if (!io_is(s, 1, 1, &active))
		return 80;
	if (s->no_home)
		return 82;
	/* 2 and 4 creep on the other side; nobody here homes so */
	s->seek = type <= 2 ? -1 : 1;
	start(s, input(s, 1) ? CREEP : SEEK);
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
		return 24;
	if (!slews && s->motion != STILL)
		return 85;
	if (!get(s, "DE"))
		return 0;
	if (homes)
		return home(s, v);
	if (slews) {
		s->target = v / units(s);
		if (v != 0 || s->motion != STILL)
			start(s, SLEW);
		return 0;
	}
	move_to(s, v / units(s) + (to ? s->zero : s->shaft));
	return 0;
}

static int print_var(struct simrot *s, const char *name, char *text, size_t size)
{
	const struct var *v = var(s, name);

	if (v)
		snprintf(text, size, "%d", v->value);
	else if (strcmp(name, "P") == 0 || strcmp(name, "C2") == 0)
		snprintf(text, size, "%lld", (long long)position(s));
	else if (strcmp(name, "C1") == 0)
		snprintf(text, size, "%lld",
		    (long long)llround(
			(s->shaft - s->zero) * units(s) * (get(s, "EE") ? MICROSTEPS : 1)));
	else if (strcmp(name, "VR") == 0)
		snprintf(text, size, "1.024 E");
	else if (strcmp(name, "DN") == 0)
		snprintf(text, size, "\"!\"");
	else if (name[0] == 'I' && name[1] >= '1' && name[1] <= '4' && !name[2])
		snprintf(text, size, "%d", input(s, name[1] - '0'));
	else if (name[0] == 'S' && name[1] >= '1' && name[1] <= '4' && !name[2])
		snprintf(text, size, "%s", s->io[name[1] - '1']);
	else
		return 20;
	return 0;
}

static int set_io(struct simrot *s, int number, const char *text)
{
	int type, active, n = 0;

	if (sscanf(text, "%d,%d%n", &type, &active, &n) != 2 || text[n] ||
	    !((type >= 0 && type <= 8) || (type >= 16 && type <= 20)) || active < 0 || active > 1)
		return 24;
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
		return 21;
	if (strcmp(name, "P") == 0 || strcmp(name, "C1") == 0 || strcmp(name, "C2") == 0) {
		s->zero = s->shaft - (double)n / units(s);
		return 0;
	}
	if (!v)
		return 20;
	if (v->read_only)
		return 25;
	if (name[0] == 'O' && !io_is(s, name[1] - '0', 16, &active))
		return 9;
	if (strcmp(name, "VI") == 0 && n >= get(s, "VM"))
		return 22;
	if (strcmp(name, "VM") == 0 && n <= get(s, "VI"))
		return 23;
	if (strcmp(name, "EM") == 0 && (n < 0 || n > 2))
		return 21;
	v->value = (int32_t)n;
	if (strcmp(name, "ER") == 0)
		put(s, "EF", n != 0);
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
	return strcmp(text, "S") == 0 || strcmp(text, "E") == 0 || strcmp(text, "H") == 0 ? 0 : 20;
}

static void command_ends(struct simrot *s)
{
	char *text = s->command;

	text[s->ncommand] = '\0';
	s->ncommand = 0;
	if (get(s, "EM") == 0)
		say(s, "\r\n");
	if (*text == '\0')
		return;
	tell(s, "< ", text);
	int error = carry_out(s, text);
	if (error)
		fault(s, error);
	if (get(s, "EM") < 2)
		say(s, error ? "\r\n?" : "\r\n>");
}

static void motor_byte(struct simrot *s, char c)
{
	static const char banner[] =
	    "\r\nCopyright 2001-2010 by Intelligent Motion Systems, Inc.\r\n>";

	if (c == 0x03) {
		tell(s, "reset", "");
		boot(s);
		say(s, banner);
	} else if (c == 0x1b) {
		if (s->motion != STILL)
			stop(s);
	} else if (c == '\r') {
		command_ends(s);
	} else if (s->ncommand < COMMAND) {
		if (get(s, "EM") == 0)
			reply(s, SIMROT_MOTOR, &c, 1);
		s->command[s->ncommand++] = c;
	} else {
		fault(s, 63);
	}
}

/* ---- the encoder's commands ---- */

static void encoder_byte(struct simrot *s, char c)
{
	s->asked[s->nasked++] = (uint8_t)c;
	const uint8_t *b = s->asked;
	char out[4] = {0};
	size_t n = 1;

	switch (b[0]) {
	case 0x41:
		out[0] = 0x34;
		break;
	case 0x01:
		for (int i = 0; i < 3; i++)
			out[i] = (char)((uint32_t)s->counter >> 8 * i);
		out[3] = (char)(chance(s) * 256); /* nobody may rely on it */
		n = 4;
		break;
	case 0x22:
		if (s->nasked < 6)
			return;
		s->multiplier = b[1] == 1 || b[1] == 2 || b[1] == 4 ? b[1] : 0;
		if (!s->keeps)
			s->counter =
			    (int32_t)((uint32_t)b[2] | (uint32_t)b[3] << 8 | (uint32_t)b[4] << 16);
		out[0] = (char)(b[1] + b[2]);
		tell(s, "encoder set up", "");
		break;
	case 0x55:
		out[0] = (char)((s->counter < 0 ? 8 : 0) | 16);
		break;
	default:
		n = 0;
	}
	s->nasked = 0;
	reply(s, SIMROT_ENCODER, out, n);
}

void simrot_bytes(struct simrot *s, enum simrot_port port, const char *data, size_t n, int64_t now)
{
	struct line *l = &s->line[port];

	simrot_run(s, now);
	l->heard = (l->heard > now ? l->heard : now) + (int64_t)n * byte_time(s);
	for (size_t i = 0; i < n; i++) {
		char c = spoil(s, data[i]);
		if (port == SIMROT_ENCODER)
			encoder_byte(s, c);
		else if (s->powered)
			motor_byte(s, c);
	}
	simrot_run(s, now);
}

/* ---- what a test does to it ---- */

static int bad(char why[SIMROT_WHY], const char *text)
{
	snprintf(why, SIMROT_WHY, "'%.60s' is no command (man simrot lists them)", text);
	return -1;
}

static bool on_off(const char *arg, bool *to)
{
	if (strcmp(arg, "on") != 0 && strcmp(arg, "off") != 0)
		return false;
	*to = arg[1] == 'n';
	return true;
}

static void power(struct simrot *s, bool on)
{
	static const char banner[] =
	    "\r\nCopyright 2001-2010 by Intelligent Motion Systems, Inc.\r\n>";

	if (!on) {
		cut_power(s, "asked");
		return;
	}
	if (s->powered)
		return;
	boot(s);
	tell(s, "power on", "");
	say(s, banner);
}

/* silent, garbage, unplug: "motor" or "encoder", and how much */
static bool of_line(struct simrot *s, const char *verb, const char *which, const char *arg)
{
	int port = strcmp(which, "encoder") == 0 ? SIMROT_ENCODER : SIMROT_MOTOR;
	long long n;
	int64_t time;

	if (port == SIMROT_MOTOR && strcmp(which, "motor") != 0)
		return false;
	struct line *l = &s->line[port];
	if (strcmp(verb, "unplug") == 0 && tim_duration(arg, &time) == 0) {
		l->away = s->now + time;
		l->n = 0;
		tell(s, "unplugged ", which);
		return true;
	}
	if (conf_int(arg, 0, 1000000, &n) < 0)
		return false;
	if (strcmp(verb, "silent") == 0)
		l->silent = (int)n;
	else if (strcmp(verb, "garbage") == 0)
		l->garbage = (int)n;
	else
		return false;
	return true;
}

static bool with_number(struct simrot *s, const char *verb, double v)
{
	if (strcmp(verb, "slip") == 0)
		s->slip_next = v;
	else if (strcmp(verb, "block") == 0)
		s->block = v;
	else if (strcmp(verb, "stall") == 0 && v >= 0 && v < 1e6)
		s->stall_next = (int)v;
	else if (strcmp(verb, "noise") == 0 && v >= 0 && v <= 1)
		s->o.noise = v;
	else
		return false;
	return true;
}

int simrot_command(struct simrot *s, const char *text, int64_t now, char why[SIMROT_WHY])
{
	char verb[16] = "", arg[32] = "", more[32] = "";
	bool on = false;
	double v;

	simrot_run(s, now);
	sscanf(text, "%15s %31s %31s", verb, arg, more);
	bool flag = on_off(arg, &on);
	if (strcmp(verb, "power") == 0 && flag) {
		power(s, on);
	} else if (strcmp(verb, "encoder-power") == 0 && strcmp(arg, "cycle") == 0) {
		s->counter = s->multiplier = 0;
		tell(s, "encoder power cycled", "");
	} else if (strcmp(verb, "ready") == 0 && flag) {
		s->ready = on;
		tell(s, "ready ", on ? "1" : "0");
	} else if (strcmp(verb, "tab") == 0 && flag) {
		s->tab_seen = on;
	} else if (strcmp(verb, "no-home") == 0 && flag) {
		s->no_home = on;
	} else if (strcmp(verb, "partial") == 0 && flag) {
		s->partial = on;
	} else if (strcmp(verb, "keep-count") == 0 && flag) {
		s->keeps = on;
	} else if (strcmp(verb, "drive") == 0 && flag) {
		put(s, "DE", on);
	} else if (strcmp(verb, "unblock") == 0) {
		s->block = NAN;
	} else if (!of_line(s, verb, arg, more) &&
	    (conf_real(arg, &v) < 0 || !with_number(s, verb, v))) {
		return bad(why, text);
	}
	s->version++;
	simrot_run(s, now);
	return 0;
}

/* ---- the truth ---- */

void simrot_truth(const struct simrot *s, char head[SIMROT_TEXT], char row[SIMROT_TEXT])
{
	snprintf(head, SIMROT_TEXT,
	    "# time [s]\tangle [degree]\tshaft [degree]\tgear [degree]\tmotor_count\tgear_count"
	    "\tpowered\tmoving\tbusy\tready\ttab\n");
	snprintf(row, SIMROT_TEXT, "%.3f\t%.4f\t%.4f\t%.4f\t%lld\t%d\t%d\t%d\t%d\t%d\t%d\n",
	    s->time, s->dewar, s->shaft, s->gear, (long long)position(s), s->counter, s->powered,
	    s->motion != STILL, busy(s), s->ready, on_tab(s));
}

uint64_t simrot_version(const struct simrot *s)
{
	return s->version;
}

/* ---- beginning and end ---- */

struct simrot *simrot_new(const struct simrot_options *o, int64_t now,
    void (*journal)(void *ctx, const char *text), void *ctx)
{
	struct simrot *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->o = *o;
	s->journal = journal;
	s->ctx = ctx;
	s->began = s->now = now;
	s->random = o->seed;
	s->dewar = s->gear = o->start;
	s->block = NAN;
	s->tab_seen = true;
	for (size_t i = 0; i < sizeof var_table / sizeof *var_table; i++) {
		struct var *v = &s->var[s->nvars++];
		snprintf(v->name, sizeof v->name, "%s", var_table[i].name);
		v->at_start = var_table[i].start;
		v->read_only = var_table[i].read_only;
	}
	s->tooth = (int64_t)floor(s->gear * o->gear_counts);
	boot(s);
	return s;
}

void simrot_free(struct simrot *s)
{
	free(s);
}
