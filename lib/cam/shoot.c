/* shoot.c - the camera's own thread: one job at a time, told of by events */
#include "cam/shoot.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cam/shootin.h"

static void work(struct shoot *s)
{
	s->debug = s->job.debug;
	switch (s->job.kind) {
	case SHOOT_NOTHING:
	case SHOOT_START:
		if (shoot_start(s) < 0)
			shoot_fail(s,
			    s->cold ? "The camera is off, but its cooler may still be on."
				: s->warm_only ? "The camera is off: start it with another "
						 "temp, or with cooler off."
					       : "The camera is off.");
		else
			shoot_done(s, "the camera is on");
		break;
	case SHOOT_FRAME:
		shoot_frame(s);
		break;
	case SHOOT_COOLER:
		shoot_cooler(s);
		break;
	case SHOOT_TEMPERATURE:
		shoot_temperature(s);
		break;
	case SHOOT_EXPOSE:
		shoot_expose(s);
		break;
	case SHOOT_SAVE:
		shoot_save_again(s);
		break;
	case SHOOT_COMMENT:
		shoot_comment(s);
		break;
	case SHOOT_STOP:
		shoot_stop(s);
		break;
	}
}

static void *run(void *ctx)
{
	struct shoot *s = ctx;
	uint64_t n;

	for (;;) {
		(void)!read(s->wake, &n, sizeof n);
		pthread_mutex_lock(&s->lock);
		bool quit = s->quit, busy = s->busy;
		pthread_mutex_unlock(&s->lock);
		if (busy)
			work(s);
		if (quit)
			return NULL;
	}
}

struct shoot *shoot_new(struct cam *cam, const struct shoot_options *options)
{
	struct shoot *s = calloc(1, sizeof *s);
	sigset_t all, old;

	if (!s)
		return NULL;
	s->cam = cam;
	s->o = options;
	s->end = &s->first;
	s->wake = eventfd(0, EFD_CLOEXEC);
	s->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	cam->trace = shoot_traced;
	cam->trace_ctx = s;
	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int bad = s->wake < 0 || s->told < 0 ? errno : pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!bad)
		return s;
	if (s->wake >= 0)
		close(s->wake);
	if (s->told >= 0)
		close(s->told);
	free(s);
	errno = bad;
	return NULL;
}

void shoot_free(struct shoot *s)
{
	struct shoot_event *e;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_mutex_unlock(&s->lock);
	shoot_poke(s->wake);
	pthread_join(s->thread, NULL);
	while ((e = shoot_take(s)))
		free(e);
	close(s->wake);
	close(s->told);
	free(s->pixels);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int shoot_fd(const struct shoot *s)
{
	return s->told;
}

struct shoot_event *shoot_take(struct shoot *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	struct shoot_event *e = s->first;
	if (e)
		s->first = e->next;
	if (!s->first) {
		s->end = &s->first;
		(void)!read(s->told, &n, sizeof n);
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

void shoot_begin(struct shoot *s, const struct shoot_job *job)
{
	pthread_mutex_lock(&s->lock);
	s->job = *job;
	s->busy = true;
	s->last = false;
	s->control = CONTROL_NONE;
	pthread_mutex_unlock(&s->lock);
	shoot_poke(s->wake);
}

void shoot_control(struct shoot *s, enum shoot_control what, double seconds)
{
	pthread_mutex_lock(&s->lock);
	/* Nothing takes the place of an abort. */
	if (s->control != CONTROL_ABORT) {
		s->control = what;
		s->control_seconds = seconds;
	}
	pthread_mutex_unlock(&s->lock);
}

void shoot_last(struct shoot *s)
{
	pthread_mutex_lock(&s->lock);
	s->last = true;
	pthread_mutex_unlock(&s->lock);
}

bool shoot_is_on(const struct shoot *s)
{
	return s->on;
}
