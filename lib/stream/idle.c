/*
 * idle.c - how a receiver waits: in poll when little comes, asleep when much comes
 */
#include <time.h>

#include "base/io.h"
#include "base/tim.h"
#include "stream/idle.h"

#define RATE_TIME (5 * TIM_MS)   /* over which the rate is averaged */
#define NAP_MIN   (200 * TIM_US) /* shorter naps cost more than they save */
#define NAP_GAIN  3              /* datagrams that a nap must gather to be worth it */

void idle_begin(struct idle *p, const struct net_sockets *s, int64_t nap)
{
	*p = (struct idle){.n = s->n, .granted = s->granted, .nap = nap, .last = tim_mono()};
	for (int i = 0; i < s->n; i++)
		p->poll[i] = (struct pollfd){.fd = s->fd[i], .events = POLLIN};
	p->poll[s->n] = (struct pollfd){.fd = io_wakefd, .events = POLLIN};
}

void idle_note(struct idle *p, unsigned got, int64_t mono)
{
	double dt = (double)(mono - p->last);

	if (dt <= 0)
		return;
	p->rate += (got * 1e9 / dt - p->rate) * dt / (dt + (double)RATE_TIME);
	p->last = mono;
}

int64_t idle_holds(const struct idle *p, size_t size)
{
	return p->granted / net_charge(size);
}

int64_t idle_nap(const struct idle *p, size_t size)
{
	if (p->nap == 0 || p->rate <= 0)
		return 0;
	double fits = (double)idle_holds(p, size) / 8 / p->rate * 1e9;
	int64_t t = fits < (double)p->nap ? (int64_t)fits : p->nap;
	return t < NAP_MIN || p->rate * (double)t < NAP_GAIN * 1e9 ? 0 : t;
}

void idle_wait(struct idle *p, size_t size, int64_t until_mono)
{
	int64_t t = idle_nap(p, size), now = tim_mono(), left = until_mono - now;
	struct timespec ts = {.tv_sec = left / TIM_S, .tv_nsec = left % TIM_S};

	if (left <= 0)
		return;
	if (t > 0)
		(void)tim_sleep_until(now + (t < left ? t : left));
	else
		(void)ppoll(p->poll, (nfds_t)p->n + 1, &ts, NULL);
}
