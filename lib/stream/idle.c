/*
 * idle.c - how a receiver waits: in poll when little comes, asleep when much comes
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "stream/idle.h"

#define RATE_TIME  (5 * TIM_MS)   /* over which the rate is averaged */
#define NAP_MIN    (200 * TIM_US) /* shorter naps cost more than they save */
#define BUFFER_MIN 256            /* datagrams that a buffer must hold to let some gather in it */
#define RATE_READ  1000           /* datagrams a second: the next one is due before anything else */
#define NAP_GAIN   3              /* datagrams that a nap must gather to be worth it */
#define LINK_BYTE  0.8            /* ns a byte: a link of 10 Gb/s */
#define SOCKET_MAX 1000.0         /* ns a datagram: as many as a socket takes at all */

int idle_begin(struct idle *p, const struct net_sockets *s, int64_t nap)
{
	*p = (struct idle){.n = s->n, .granted = s->granted, .nap = nap, .last = tim_mono()};
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->timer < 0)
		return -1;
	for (int i = 0; i < s->n; i++)
		p->poll[i] = (struct pollfd){.fd = s->fd[i], .events = POLLIN};
	p->poll[s->n] = (struct pollfd){.fd = io_wakefd, .events = POLLIN};
	p->poll[s->n + 1] = (struct pollfd){.fd = p->timer, .events = POLLIN};
	return 0;
}

void idle_end(struct idle *p)
{
	close(p->timer);
}

/* The timer stands until it is due: setting one in the clock's hardware costs more than poll. */
static void arm(struct idle *p, int64_t now, int64_t until)
{
	struct itimerspec at = {.it_value = {until / TIM_S, until % TIM_S}};

	if (p->armed > now && p->armed <= until)
		return;
	timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &at, NULL);
	p->armed = until;
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
	int64_t holds = idle_holds(p, size);

	if (p->nap == 0 || p->rate <= 0 || holds < BUFFER_MIN)
		return 0;
	double expected = (double)holds / 16 / p->rate * 1e9;
	double burst = (double)size * LINK_BYTE;
	double worst = 0.75 * (double)holds * (burst > SOCKET_MAX ? burst : SOCKET_MAX);
	double fits = expected < worst ? expected : worst;
	int64_t t = fits < (double)p->nap ? (int64_t)fits : p->nap;
	return t < NAP_MIN || p->rate * (double)t < NAP_GAIN * 1e9 ? 0 : t;
}

bool idle_in_read(const struct idle *p, size_t size)
{
	return p->n == 1 && p->rate > RATE_READ && idle_nap(p, size) == 0;
}

void idle_wait(struct idle *p, size_t size, int64_t until_mono)
{
	int64_t t = idle_nap(p, size), now = tim_mono(), left = until_mono - now;

	if (left <= 0)
		return;
	if (t > 0) {
		(void)tim_sleep_until(now + (t < left ? t : left));
		return;
	}
	arm(p, now, until_mono);
	(void)poll(p->poll, (nfds_t)p->n + 2, -1);
}
