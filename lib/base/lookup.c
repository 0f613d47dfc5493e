/* lookup.c - the addresses of a host name, found beside the caller */
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct lookup {
	struct net_spec to;
	struct tcp tcp;
	char why[NET_WHY];
	int got;            /* of tcp_find(), when it has ended */
	int hear, say;      /* a pipe: say is closed at the end */
	atomic_bool ended;  /* what the thread has written may be read */
	atomic_int holders; /* the caller and the thread: the last one frees it */
};

static void let_go(struct lookup *l)
{
	if (atomic_fetch_sub(&l->holders, 1) == 1)
		free(l);
}

static void *find(void *ctx)
{
	struct lookup *l = ctx;

	l->got = tcp_find(&l->tcp, &l->to, l->why);
	atomic_store(&l->ended, true);
	close(l->say);
	let_go(l);
	return NULL;
}

/* Signals are for the other threads. 0, or what is wrong. */
static int start(struct lookup *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int error = pthread_create(&thread, &attr, find, l);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error;
}

struct lookup *lookup_new(const struct net_spec *to)
{
	struct lookup *l = calloc(1, sizeof *l);
	int ends[2];

	if (!l)
		return NULL;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		free(l);
		return NULL;
	}
	l->to = *to;
	l->hear = ends[0];
	l->say = ends[1];
	atomic_init(&l->ended, false);
	atomic_init(&l->holders, 2);
	int error = start(l);
	if (!error)
		return l;
	close(ends[0]);
	close(ends[1]);
	free(l);
	errno = error;
	return NULL;
}

int lookup_fd(const struct lookup *l)
{
	return l->hear;
}

int lookup_end(const struct lookup *l, struct tcp *t, char why[NET_WHY])
{
	if (!atomic_load(&l->ended))
		return 0;
	if (l->got < 0) {
		snprintf(why, NET_WHY, "%s", l->why);
		return -1;
	}
	*t = l->tcp;
	return 1;
}

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	close(l->hear);
	let_go(l);
}
