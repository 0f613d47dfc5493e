/* clispace.c - the free space of a recorder's disk (--min-free) */
#include "cli.h"
#include "io.h"
#include "tim.h"

#define LOOK_EVERY (5 * TIM_S)

void cli_watch_space(struct cli_space *s, int fd, const char *where)
{
	int64_t now = tim_mono(), free;

	if (s->min <= 0 || now < s->next)
		return;
	s->next = now + LOOK_EVERY;
	free = io_free_bytes(fd);
	if (free < 0)
		return;
	bool was = s->low;
	s->low = free < (was ? s->min + s->min / 10 : s->min);
	if (s->low && !was)
		cli_warn(
		    "%s: only %lld MiB are free (--min-free): make room before the disk is full",
		    where, (long long)(free >> 20));
}
