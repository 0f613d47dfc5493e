/*
 * hook.h - commands that a program starts when something happens: an argument list, never a shell
 *
 * At most HOOK_RUNNING of one hook run at once, each for at most HOOK_TIME; the same key not more
 * often than every so many ns. Standard input is empty, standard output goes to standard error.
 */
#ifndef FYKE_HOOK_H
#define FYKE_HOOK_H

#include <stdint.h>
#include <sys/types.h>

#include "tim.h"

#define HOOK_ARGS    32
#define HOOK_RUNNING 8
#define HOOK_KEYS    64
#define HOOK_TIME    TIM_MIN

struct hook {
	char *words; /* the command line, cut at its blanks; NULL: no hook */
	char *argv[HOOK_ARGS];
	int argc;
	int64_t every; /* ns between two runs for one key */
	struct {
		char key[32];
		int64_t last;
	} seen[HOOK_KEYS];
	int nseen;
	struct {
		pid_t pid; /* 0: free */
		int64_t since;
	} running[HOOK_RUNNING];
};

/* Takes "mail-alarm --to shift", words cut at blanks. text NULL: a hook that does nothing. 0, or
 * -1 with errno (E2BIG, ENOMEM, EINVAL: no words). */
int hook_set(struct hook *h, const char *text, int64_t every);
void hook_free(struct hook *h); /* does not wait for what runs */

enum hook_run {
	HOOK_FAILED, /* errno says why */
	HOOK_IDLE,   /* there is no hook, or it is too early for this key */
	HOOK_STARTED,
	HOOK_FULL /* so many run that it is to be tried again */
};

/* Starts it with args (NULL at the end) after its own words. now is tim_mono(). */
enum hook_run hook_run(struct hook *h, const char *key, const char *const *args, int64_t now);

/* Looks after those that run. Call once a second or so. */
void hook_tend(struct hook *h, int64_t now);

#endif
