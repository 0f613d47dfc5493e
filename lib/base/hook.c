/* hook.c - commands that a program starts when something happens: an argument list, never a shell */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int hook_set(struct hook *h, const char *text, int64_t every)
{
	char *state;

	memset(h, 0, sizeof *h);
	h->every = every;
	if (!text)
		return 0;
	if (!(h->words = strdup(text)))
		return -1;
	for (char *w = strtok_r(h->words, " \t", &state); w; w = strtok_r(NULL, " \t", &state)) {
		if (h->argc == HOOK_ARGS / 2) {
			hook_free(h);
			errno = E2BIG;
			return -1;
		}
		h->argv[h->argc++] = w;
	}
	if (h->argc > 0)
		return 0;
	hook_free(h);
	errno = EINVAL;
	return -1;
}

void hook_free(struct hook *h)
{
	free(h->words);
	h->words = NULL;
	h->argc = 0;
}

/* Where the key is; -1: nowhere. */
static int find(const struct hook *h, const char *key)
{
	for (int i = 0; i < h->nseen; i++)
		if (strcmp(h->seen[i].key, key) == 0)
			return i;
	return -1;
}

static bool early(const struct hook *h, const char *key, int64_t now)
{
	int i = find(h, key);

	return i >= 0 && now - h->seen[i].last < h->every;
}

/* The oldest key makes room for a new one. */
static void mark(struct hook *h, const char *key, int64_t now)
{
	int i = find(h, key), oldest = 0;

	for (int k = 1; k < h->nseen; k++)
		if (h->seen[k].last < h->seen[oldest].last)
			oldest = k;
	if (i < 0)
		i = h->nseen < HOOK_KEYS ? h->nseen++ : oldest;
	snprintf(h->seen[i].key, sizeof h->seen[i].key, "%s", key);
	h->seen[i].last = now;
}

static int start(char *const *argv, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(
	    &attr, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP));
	int error = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	errno = error;
	return error ? -1 : 0;
}

enum hook_run hook_run(struct hook *h, const char *key, const char *const *args, int64_t now)
{
	char *argv[HOOK_ARGS + 1];
	int n = 0, slot = 0;
	pid_t pid;

	if (!h->words || early(h, key, now))
		return HOOK_IDLE;
	hook_tend(h, now);
	while (slot < HOOK_RUNNING && h->running[slot].pid)
		slot++;
	if (slot == HOOK_RUNNING)
		return HOOK_FULL;
	mark(h, key, now);
	for (; n < h->argc; n++)
		argv[n] = h->argv[n];
	for (; *args && n < HOOK_ARGS; args++)
		argv[n++] = (char *)(uintptr_t)*args; /* execve's old signature: not written to */
	argv[n] = NULL;
	if (start(argv, &pid) < 0)
		return HOOK_FAILED;
	h->running[slot].pid = pid;
	h->running[slot].since = now;
	return HOOK_STARTED;
}

void hook_tend(struct hook *h, int64_t now)
{
	for (int i = 0; i < HOOK_RUNNING; i++) {
		pid_t pid = h->running[i].pid;
		if (!pid)
			continue;
		if (waitpid(pid, NULL, WNOHANG) != 0)
			h->running[i].pid = 0;
		else if (now - h->running[i].since > HOOK_TIME)
			kill(-pid, SIGKILL); /* its group: what it started goes too */
	}
}
