/* base.c - tally, configuration, escaping and the log */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/tally.h"
#include "base/tim.h"

#include "tap.h"

static int one_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	char *seen = ctx;
	if (strcmp(key, "bad") == 0) {
		snprintf(why, CONF_WHY, "%s: not wanted", key);
		return -1;
	}
	sprintf(seen + strlen(seen), "%s.%s=%s@%d ", section, key, value, line);
	return 0;
}

static const char *read_conf(const char *text, size_t n)
{
	static char seen[2048], why[CONF_WHY];
	seen[0] = '\0';
	return conf_read("x.card", text, n, one_key, seen, why) == 0 ? seen : why;
}
#define READ(text) read_conf(text, sizeof text - 1)

static int dies(void *ctx, char *why, size_t size)
{
	(void)why, (void)size;
	signal(*(int *)ctx, SIG_DFL); /* the sanitizers have handlers */
	return raise(*(int *)ctx);
}

/* errno of a child that ends by a signal. */
static int job_errno(int sig)
{
	struct cli_job job;
	char why[512];
	int got = cli_job_start(&job, dies, &sig, INT64_C(1) << 30, 10, why, sizeof why);

	while (got == 0)
		got = cli_job_wait(&job, TIM_S, why, sizeof why);
	return got < 0 ? errno : 0;
}

int main(void)
{
	struct tally t = {.unit = "datagrams",
	    .in = 10,
	    .out = 6,
	    .held = 1,
	    .lost = {{"kernel drop", 2}, {"late", 1}}};
	char buf[TALLY_TEXT], small[16];
	long long v;
	double d;

	ok(tally_sums(&t), "10 = 6 + 1 + 2 + 1");
	is_str(tally_line(&t, buf),
	    "10 datagrams in, 6 out, 1 held, 3 lost (kernel drop 2, late 1)", "as a line");
	t.lost[1].n = 0;
	ok(!tally_sums(&t), "one is missing: it is noticed");
	t.also[0] = (struct tally_item){"gaps", 4};
	is_str(tally_line(&t, buf),
	    "10 datagrams in, 6 out, 1 held, 2 lost (kernel drop 2); gaps 4", "zeros are left out");
	tally_json(&t, "udp2raw", "ro\"ach", "running", NULL, 0, buf);
	ok(strstr(buf, "\"name\":\"ro\\\"ach\"") &&
		strstr(buf, "\"lost\":{\"kernel drop\":2,\"late\":0}"),
	    "as JSON, quotes escaped");
	tally_escape(buf, sizeof buf, "a\n\x80\xc3\xa9");
	is_str(buf, "a\\u000a\\u0080\xc3\xa9",
	    "control bytes and bad UTF-8 are escaped, good UTF-8 stays");
	is_str(cli_safe(small, sizeof small, "a\x1b[2Jb", 6), "a\\x1b[2Jb",
	    "an escape sequence is shown, not obeyed");

	is_str(READ("[a]\nk = 1 ; note\n# c\nk=2\n[b c]\nx = y z\n"),
	    "a.k=1@2 a.k=2@4 b c.x=y z@6 ", "sections, comments, repeated keys");
	is_str(READ("[a]\nbad = 1\n"), "x.card:2: bad: not wanted", "a reason has file and line");
	is_str(READ("[a]\nnonsense\n"), "x.card:2: neither [section] nor key = value",
	    "so has nonsense");
	is_str(
	    READ("[a]\nk\0=1\n"), "x.card:2: a NUL byte: this is no text file", "and a NUL byte");
	char longline[400];
	memset(longline, 'x', sizeof longline);
	is_str(read_conf(longline, sizeof longline), "x.card:1: the line is too long",
	    "and a long line");

	is_int(conf_int("0480", 0, 1000, &v), 0, "0480 is a number");
	is_int(v, 480, "in base 10");
	is_int(conf_int("0x10", 0, 1000, &v), 0, "hexadecimal");
	is_int(conf_int("12a", 0, 1000, &v), -1, "nothing after it");
	is_int(conf_int("1001", 0, 1000, &v), -1, "in its range");
	is_int(conf_real("nan", &d), -1, "no nan");
	is_int(conf_real("1e400", &d), -1, "no infinity");
	is_int(conf_real("3.90625", &d), 0, "a decimal number");
	is_int(job_errno(SIGSEGV), ENOTRECOVERABLE, "a child that crashes");
	is_int(job_errno(SIGXCPU), ENOTRECOVERABLE, "or takes too long has an errno of its own");
	is_int(job_errno(SIGKILL), EIO, "one that is killed is no crash");
	/* A file as stderr: asking it whether it is a terminal sets errno. */
	int err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
	dup2(null, STDERR_FILENO);
	errno = EEXIST;
	is_int(log_open("stderr", "base", ""), 0, "the log");
	is_int(log_send(LOG_LEVEL_WARN, "a message"), 0, "takes a message");
	is_int(errno, EEXIST, "and leaves errno alone");
	dup2(err, STDERR_FILENO);
	close(err);
	close(null);
	return done_testing();
}
