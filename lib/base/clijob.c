/* clijob.c - work in a child process, for libraries that can crash and for what must not delay data */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"

static void limit_child(int64_t room, int64_t seconds)
{
	/* The first is SIGXCPU, the second SIGKILL, which may be anybody's. */
	struct rlimit cpu = {(rlim_t)seconds, (rlim_t)seconds + 1}, core = {0, 0};

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which reserve terabytes */
	struct rlimit memory = {(rlim_t)room, (rlim_t)room};
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)room;
#endif
}

/* Nothing of the parent's stays open: a pipe whose reader has gone must say so, and locks go. */
static void close_all_but(int say)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(say, 3);
	close_range(4, ~0U, 0);
	io_wakefd = -1; /* which a signal would write to */
}

static _Noreturn void child(cli_work *work, void *ctx, int say)
{
	char why[1024] = "";

	close_all_but(say);
	(void)!nice(10);
	int bad = work(ctx, why, sizeof why), error = errno;
	if (bad)
		io_writeall(3, why, strlen(why));
	/* The sentence may not have come through. */
	_exit(!bad ? 0 : error > 0 && error < 256 ? error : EIO);
}

int cli_job_start(struct cli_job *j, cli_work *work, void *ctx, int64_t room, int64_t seconds,
    char *why, size_t size)
{
	int ends[2];

	memset(j, 0, sizeof *j);
	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(why, size, "no child process: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	j->pid = fork();
	if (j->pid == 0) {
		limit_child(room, seconds);
		child(work, ctx, ends[1]);
	}
	int error = errno;
	close(ends[1]);
	j->said = ends[0];
	if (j->pid > 0)
		return 0;
	close(ends[0]);
	snprintf(why, size, "no child process: %s", strerror(error));
	errno = error;
	return -1;
}

void cli_job_stop(struct cli_job *j)
{
	j->stopped = true;
	kill(j->pid, SIGKILL);
}

int cli_job_wait(struct cli_job *j, int64_t timeout_ns, char *why, size_t size)
{
	int status;

	if (io_wait(j->said, timeout_ns) <= 0)
		return 0;
	ssize_t got = read(j->said, j->text + j->n, sizeof j->text - 1 - j->n);
	if (got > 0) {
		j->n += (size_t)got;
		return 0;
	}
	close(j->said);
	while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 1;
	int error = j->stopped                                   ? EINTR
	    : WIFEXITED(status)                                  ? WEXITSTATUS(status)
	    : WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL ? ENOTRECOVERABLE
								 : EIO;
	const char *text =
	    WIFEXITED(status) ? strerror(error) : "the library crashed, or took too long";
	snprintf(why, size, "%s", j->stopped ? "stopped" : j->n ? j->text : text);
	errno = error;
	return -1;
}
