/*
 * rotin.h - the inside of the rotator at work, shared by its files
 *
 * rotsay.c  what callers are told: states, reasons, who did what
 * rottalk.c  questions to the motor and to the gear encoder, and what their answers mean
 * rotlook.c a look at both: what state it is in, and whether it may move
 * rotturn.c one motion of the motor, watched until it rests; stopping
 * rothome.c home: the tab, its edge, and 0
 * rotmove.c commands from beginning to end; goto and stop; its life
 *
 * What returns enum rot_end has put its sentence into why for anything but ROT_DONE.
 */
#ifndef FYKE_ROTIN_H
#define FYKE_ROTIN_H

#include "rotmove.h"

#include "base/tim.h"
#include "mcode.h"
#include "rotkeep.h"

#define POLL        (50 * TIM_MS) /* between two looks at a move */
#define MARGIN      1.0           /* degrees beyond a move's two ends: then it runs away */
#define NEAR        0.6           /* degrees: the last approach begins so far below the target */
#define MOVING_GEAR 128           /* counts by which two readings of a moving gear may differ */
#define HOLD        2             /* counts that a motor at rest may jitter */
#define TOKEN       "R1"          /* the motor's register that tells whether it lost its power */

struct rot {
	struct rot_options o;
	const struct rot_calls *calls;
	void *ctx;
	int lock;
	struct tty motor, encoder;
	struct mcode m;
	struct rotkeep keep;
	struct rot_status st, before; /* before: what is told while we look */
	bool looking;
	bool stopping;     /* a stop was asked for during this command */
	bool stalled;      /* and nothing else is wrong */
	bool turning;      /* a move of ours was begun */
	int64_t attended;  /* tim_mono(): others were served last */
	double last_motor; /* angle, before the motor fell silent */
	char why[ROT_WHY];
};

/* What a motion must keep to, in counts of the motor. */
struct bounds {
	int64_t low, high;
	int64_t deadline;   /* tim_mono() */
	double speed;       /* degree/s */
	int64_t motor_from; /* where it began */
	int32_t gear_from;
};

/* Settings in a row, until one fails. */
struct setting {
	const char *name;
	int64_t value;
};

/* ---- rotsay.c ---- */

/* Keeps the sentence. Returns end. */
enum rot_end rotsay_fail(struct rot *r, enum rot_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void rotsay_note(struct rot *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rotsay_state(struct rot *r, enum rot_state state, const char *why);

/* Who did what, old -> new (degrees; both NAN: no angles), and how it went on. */
void rotsay_audit(struct rot *r, const char *who, const char *what, double from, double to,
    const char *how, const char *why);

/* The same of a command that has ended so. Returns end. */
enum rot_end rotsay_audited(
    struct rot *r, const char *who, const char *what, double from, enum rot_end end);

/* ---- rottalk.c ---- */

/* Serves others for so many ns. false: a stop is asked for. */
bool rottalk_rest(struct rot *r, int64_t time);

/* The file is brought up to what is known. */
enum rot_end rottalk_write_keep(struct rot *r);
void rottalk_forget_home(struct rot *r, const char *why); /* the position is not known any more */

/* Opens a port that is not open. */
enum rot_end rottalk_open(struct rot *r, struct tty *t, const struct tty_spec *spec);

/* Meets the motor, where this port has not met it yet. */
enum rot_end rottalk_hello(struct rot *r);
enum rot_end rottalk_lost_power(struct rot *r); /* what is done and said when it has */

/* Where they are, into st: two readings must agree to so many counts; motor: negative: one will do. */
enum rot_end rottalk_gear(struct rot *r, int32_t tolerance);
enum rot_end rottalk_motor(struct rot *r, int64_t tolerance);

enum rot_end rottalk_set_up_gear(struct rot *r); /* the counter, to 0 where it takes a preset */

/* A variable of the motor; tolerance as for rottalk_motor(). */
enum rot_end rottalk_value(struct rot *r, const char *name, int64_t tolerance, int64_t *value);
enum rot_end rottalk_set(struct rot *r, const char *name, int64_t value);
enum rot_end rottalk_set_all(struct rot *r, const struct setting *s, size_t n);
enum rot_end rottalk_set_io(struct rot *r, int number, enum mcode_io type, bool active_high);
enum rot_end rottalk_command(struct rot *r, const char *text);
enum rot_end rottalk_move(struct rot *r, int64_t to); /* begins a move to a count */
enum rot_end rottalk_rotating(struct rot *r, bool up);

/* Tells the motor to stop and waits for no answer: those may be all that is lost. false: it could
 * not be said. */
bool rottalk_halt(struct rot *r);

/* ---- rotlook.c ---- */

/* Looks, and says whether it may go to an angle now. */
enum rot_end rotlook_may_move(struct rot *r);

/* ---- rotturn.c ---- */

enum rot_end rotturn_stop(struct rot *r);

/* The speed at which a motion of this speed begins, and meets home's edge. */
double rotturn_first(const struct rot *r, double speed);

/* Before any turn: its speed (degree/s) is set, where both encoders stand is known, and nobody
 * wants a stop. */
enum rot_end rotturn_ready(struct rot *r, double speed);

/* The bounds of a motion from here by at most so many degrees down and up. */
void rotturn_bound(struct rot *r, struct bounds *b, double below, double above, double speed);

/* Watches the motor until it is at rest; runs_away: what it says beyond the bounds. */
enum rot_end rotturn_watch(struct rot *r, const struct bounds *b, const char *runs_away);

/* Turns the motor by so many degrees, at so many a second. */
enum rot_end rotturn(struct rot *r, double by, double speed);

/* What is done and said when the dewar has not followed the motor, by so many degrees. */
enum rot_end rotturn_does_not_follow(struct rot *r, double by);

/* ---- rotmove.c ---- */

/* A command that moves begins, and ends: whatever happened, the motor rests, ROTATING is down, and
 * the file says where it stands. target NAN: none. */
enum rot_end rotmove_begin(struct rot *r, double target);
enum rot_end rotmove_finish(struct rot *r, enum rot_end end);

#endif
