/* cliaudit.c - who did what: a file that is only appended to, or the log */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "tim.h"

static const char *path;
static int fd = -1;

/* Opened for appending; nobody else's name for it is followed. */
void cli_audit_open(const char *file)
{
	path = file;
	if (!path)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
	if (fd < 0)
		cli_die(EXIT_SYSTEM, "%s: cannot write the audit there: %s", path, strerror(errno));
}

void cli_audit(const char *text, const char *why)
{
	char line[CLI_AUDIT], now[TIM_TEXT];
	int n = snprintf(line, sizeof line - 1, "%s %s%s%s", tim_text(tim_now(), 3, now), text,
	    *why ? ": " : "", why);

	if (n >= (int)sizeof line - 1)
		n = (int)sizeof line - 2;
	line[n++] = '\n';
	if (fd >= 0 && io_writeall(fd, line, (size_t)n) == 0)
		return;
	if (fd >= 0)
		cli_error("%s: %s; this goes here:", path, strerror(errno));
	cli_warn("%s", text);
}

void cli_audit_close(void)
{
	if (fd >= 0 && close(fd) < 0)
		cli_die(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	fd = -1;
}
