/* srv.c - unit test: servers bound their clients in every way; a connection comes back */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/dial.h"
#include "base/srv.h"
#include "base/tim.h"
#include "tap.h"

static char dir[] = "/tmp/fyke-srv.XXXXXX";
static char said[4096]; /* what was told, in order */
static struct srv *srv;
static struct srv_client *last;
static bool keep, later, waits;
static size_t seen; /* bytes behind a held line, the last time */

static void note(const char *what, const char *text)
{
	strncat(said, what, sizeof said - strlen(said) - 1);
	strncat(said, text, sizeof said - strlen(said) - 1);
	strncat(said, "|", sizeof said - strlen(said) - 1);
}

static void opened(void *ctx, struct srv_client *c)
{
	(void)ctx;
	last = c;
}

static enum srv_take on_line(void *ctx, struct srv_client *c, char *text, size_t n, bool cut)
{
	(void)ctx;
	if (later)
		return SRV_LATER;
	note(cut ? "cut:" : "", text);
	if (n == strlen("echo") && strcmp(text, "echo") == 0)
		srv_send(c, "echo\n", 5);
	return SRV_TAKEN;
}

static bool ended(void *ctx, struct srv_client *c)
{
	(void)ctx, (void)c;
	note("", "ended");
	return keep;
}

static void closed(void *ctx, struct srv_client *c, const char *why)
{
	(void)ctx;
	note("closed:", why);
	if (c == last)
		last = NULL;
}

static void refused(void *ctx, const char *peer, const char *why)
{
	(void)ctx, (void)peer;
	note("refused:", why);
}

static bool awaits(void *ctx, const struct srv_client *c)
{
	(void)ctx, (void)c;
	return waits;
}

static void behind(void *ctx, struct srv_client *c, const char *data, size_t n)
{
	char text[64];

	(void)ctx, (void)c;
	seen = n;
	snprintf(text, sizeof text, "%.*s", (int)n, data);
	note("behind:", text);
}

static void late(void *ctx, struct srv_client *c)
{
	(void)ctx;
	note("", "late");
	srv_send(c, "late\n", 5);
}

static const struct srv_calls calls = {.opened = opened,
    .line = on_line,
    .ended = ended,
    .closed = closed,
    .refused = refused,
    .awaits = awaits,
    .behind = behind,
    .late = late};

static void turns(int n)
{
	for (int i = 0; i < n; i++)
		srv_wait(srv, NULL, 0, TIM_MS);
}

/* Waits until so much was told, at most 5 s. */
static void until_said(const char *want)
{
	for (int64_t end = tim_mono() + 5 * TIM_S; tim_mono() < end && !strstr(said, want);)
		srv_wait(srv, NULL, 0, 10 * TIM_MS);
}

static struct net_spec at(const char *name, bool read_only)
{
	struct net_spec s = {.kind = NET_UNIX, .read_only = read_only};
	snprintf(s.host, sizeof s.host, "%s/%s", dir, name);
	return s;
}

static int call(const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", dir, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&un, sizeof un) < 0)
		return -1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void say(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
}

static void fresh(struct srv_options o)
{
	char ready[NET_TEXT], why[NET_WHY];
	struct net_spec a = at("a", false), b = at("b", true);

	srv_free(srv);
	srv = srv_new(&o, &calls, NULL);
	*said = '\0';
	keep = later = waits = false;
	ok(srv_listen(srv, &a, ready, why) == 0 && srv_listen(srv, &b, ready, why) == 0,
	    "a server listens");
	ok(strstr(ready, "/b,ro") != NULL, "and says where, and that it is read-only");
}

static const struct srv_options usual = {
    .clients = 3, .line = 20, .pending = 1000, .idle = 0, .stall = 0};

static void sockets(void)
{
	struct stat st;
	char path[NET_TEXT], ready[NET_TEXT], why[NET_WHY], me[64];
	struct net_spec a = at("a", false), tcp = {.kind = NET_TCP, .port = "0"};

	fresh(usual);
	snprintf(path, sizeof path, "%s/a", dir);
	stat(path, &st);
	is_int(st.st_mode & 0777, 0660, "a unix socket has mode 0660");
	struct srv *other = srv_new(&usual, &calls, NULL);
	is_int(srv_listen(other, &a, ready, why), -1, "a second server does not take the name");
	is_int(errno, EADDRINUSE, "because it is in use");
	is_int(srv_listen(other, &tcp, ready, why), 0, "TCP without a host");
	ok(strncmp(ready, "tcp:127.0.0.1:", 14) == 0, "is loopback");
	snprintf(tcp.host, sizeof tcp.host, "0.0.0.0");
	is_int(srv_listen(other, &tcp, ready, why), -1, "every address needs an allow-list");
	is_int(errno, EPERM, "as a matter of policy");
	srv_free(other);

	int fd = call("a");
	turns(2);
	snprintf(me, sizeof me, "unix pid %d uid %u", (int)getpid(), getuid());
	ok(last != NULL, "a client is let in");
	is_str(srv_peer(last), me, "and known by pid and uid");
	ok(!srv_read_only(last), "it may write");
	int fd2 = call("b");
	turns(2);
	ok(srv_read_only(last), "one of the other listener may only read");
	close(fd);
	close(fd2);

	/* A name whose server died is taken over; a file that is no socket is not. */
	srv_free(srv);
	srv = NULL;
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof un.sun_path, "%s/a", dir);
	(void)bind(dead, (struct sockaddr *)&un, sizeof un);
	close(dead);
	fresh(usual);
	srv_free(srv);
	srv = NULL;
	close(open(path, O_CREAT | O_WRONLY, 0600));
	srv = srv_new(&usual, &calls, NULL);
	is_int(srv_listen(srv, &a, ready, why), -1, "a file in the place stays");
	ok(access(path, F_OK) == 0, "and is not removed");
	unlink(path);
}

static void lines(void)
{
	fresh(usual);
	int fd = call("a");
	say(fd, "one\r\ntwo\nth");
	until_said("two|");
	is_str(said, "one|two|", "whole lines are handed on, with either end");
	say(fd, "ree\n");
	until_said("three|");
	is_str(said, "one|two|three|", "a line in pieces is joined");
	*said = '\0';
	say(fd, "12345678901234567890\r\n123456789012345678901\nshort\n");
	until_said("short|");
	is_str(said, "12345678901234567890|cut:12345678901234567890|short|",
	    "a line that is too long is cut, and the next one is whole");
	*said = '\0';
	char endless[7001];
	for (size_t i = 0; i < sizeof endless; i++)
		endless[i] = "endless"[i % 7];
	endless[7000] = '\0';
	say(fd, endless);
	say(fd, "\nafter\n");
	until_said("after|");
	is_str(said, "cut:endlessendlessendles|after|", "a line without end costs one cut line");
	*said = '\0';
	later = true;
	say(fd, "held\n");
	turns(3);
	say(fd, "again\n");
	turns(3);
	size_t n;
	ok(strncmp(srv_waiting(last, &n), "held\nagain\n", 11) == 0 && n == 11,
	    "a refused line waits, and what comes after it can be seen");
	is_str(said, "behind:held\n|behind:held\nagain\n|", "whenever there is more of it");
	*said = '\0';
	later = false;
	srv_resume(last);
	until_said("again|");
	is_str(said, "held|again|", "and comes again");
	*said = '\0';
	say(fd, "half");
	close(fd);
	until_said("closed");
	ok(!strstr(said, "half"), "half a line at the end is forgotten");
}

/* 60 lines of 100 bytes: more than the 4096 that may wait. */
static void say_much(int fd)
{
	char text[6001];

	for (size_t i = 0; i < 6000; i++)
		text[i] = i % 100 == 99 ? '\n' : 'x';
	text[6000] = '\0';
	say(fd, text);
}

/* One turn of 50 ms in which nothing is to be done. */
static bool rests(void)
{
	int64_t begun = tim_mono();

	srv_wait(srv, NULL, 0, 50 * TIM_MS);
	return tim_mono() - begun >= 50 * TIM_MS;
}

/* A client that is held and has sent as much as may wait. */
static void full(void)
{
	int in[2], out[2];

	fresh(usual);
	later = true;
	int fd = call("a");
	say_much(fd);
	turns(5);
	ok(rests(), "one that has said too much while it is held is not heard");
	is_int(seen, 4096, "beyond what may wait");
	close(fd);
	turns(2);
	ok(strstr(said, "closed:has gone|") && !last, "when it hangs up, it is gone");
	is_int(seen, 6000, "and all that it had said was looked at");

	fresh(usual);
	later = true;
	if (pipe(in) < 0 || pipe(out) < 0)
		return;
	srv_adopt(srv, in[0], out[1], "pair");
	say_much(in[1]);
	turns(5);
	*said = '\0';
	close(in[1]);
	ok(rests(), "a pair of pipes whose writer has gone waits");
	is_str(said, "", "for its lines to be taken");
	later = false;
	srv_resume(last);
	until_said("closed");
	is_int(strlen(said),
	    60 * strlen("cut:12345678901234567890|") + strlen("ended|closed:done|"),
	    "which they are, to the end");
	close(out[0]);
}

static void bounds(void)
{
	struct srv_options o = usual;
	char buf[64];

	fresh(o);
	int fd[4];
	for (int i = 0; i < 4; i++) {
		fd[i] = call("a");
		turns(2);
	}
	is_str(said, "refused:all places are taken|", "the fourth of three clients is not let in");
	is_int(read(fd[3], buf, sizeof buf), 0, "but closed at once");
	say(fd[0], "echo\n");
	until_said("echo|");
	is_int(read(fd[0], buf, sizeof buf), 5, "the others are served");
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	until_said("closed:done|ended|closed:done|ended|closed:done|");

	fresh(o);
	fd[0] = call("a");
	turns(2);
	char big[500] = {0};
	struct srv_client *c = last;
	for (int i = 0; i < 4000; i++)
		srv_send(c, big, sizeof big);
	is_str(said, "", "nobody is told of an end in the middle of sending");
	turns(1);
	ok(strstr(said, "closed:does not read its answers|") != NULL,
	    "one that reads nothing is closed, once its answers would need too much memory");
	close(fd[0]);

	o.idle = 50 * TIM_MS;
	fresh(o);
	fd[0] = call("a");
	until_said("closed");
	is_str(said, "closed:said nothing for too long|", "one that says nothing is closed");
	close(fd[0]);
	fresh(o);
	waits = true;
	fd[0] = call("a");
	for (int64_t end = tim_mono() + 100 * TIM_MS; tim_mono() < end;)
		turns(1);
	is_str(said, "", "but not while it waits for an answer");
	waits = false;
	until_said("closed");
	close(fd[0]);

	o = usual;
	o.line_time = 50 * TIM_MS;
	fresh(o);
	fd[0] = call("a");
	say(fd[0], "whole\nhal");
	until_said("closed");
	is_str(said, "whole|late|closed:done|",
	    "one that does not end its line is told so, and closed");
	is_int(read(fd[0], buf, sizeof buf), 5, "it has the word");
	close(fd[0]);

	o = usual;
	fresh(o);
	keep = true;
	fd[0] = call("a");
	say(fd[0], "question\n");
	shutdown(fd[0], SHUT_WR);
	until_said("ended");
	is_str(said, "question|ended|", "one that has said all may wait for its answer");
	srv_send(last, "answer", 6);
	srv_finish(last);
	is_int(read(fd[0], buf, sizeof buf), 6, "which it gets");
	turns(2);
	is_int(read(fd[0], buf, sizeof buf), 0, "and then the end");
	close(fd[0]);

	fresh(o);
	waits = true;
	fd[0] = call("a");
	say(fd[0], "question\n");
	shutdown(fd[0], SHUT_WR);
	until_said("ended");
	turns(3);
	is_str(said, "question|ended|", "one whose answer is awaited stays");
	waits = false;
	until_said("closed");
	is_str(said, "question|ended|closed:done|", "until it is there");
	close(fd[0]);

	fresh(usual);
	fd[0] = call("a");
	turns(2);
	waits = true;
	srv_finish(last);
	say(fd[0], "more\n");
	turns(3);
	is_str(said, "", "who is about to be closed is not heard any more");
	waits = false;
	until_said("closed");
	close(fd[0]);
}

/* Standard input and output of a program as a client. */
static void pair(void)
{
	int in[2], out[2];
	char buf[64];

	fresh(usual);
	if (pipe(in) < 0 || pipe(out) < 0)
		return;
	ok(srv_adopt(srv, in[0], out[1], "pair") != NULL, "a pair of pipes is a client");
	say(in[1], "one\necho\n");
	until_said("echo|");
	is_str(said, "one|echo|", "its lines come in by one");
	is_int(read(out[0], buf, sizeof buf), 5, "and answers go out by the other");
	waits = true;
	close(in[1]);
	until_said("ended");
	turns(3);
	is_str(said, "one|echo|ended|", "a writer that has gone is not a reader that has gone");
	waits = false;
	until_said("closed");
	is_int(read(out[0], buf, sizeof buf), 0, "then it is closed");
	close(out[0]);
}

/* Steps d and the server until the event, at most 5 s. */
static bool happens(struct dial *d, enum dial_event want)
{
	for (int64_t end = tim_mono() + 5 * TIM_S; tim_mono() < end;) {
		struct pollfd p;
		dial_poll(d, &p);
		if (srv)
			srv_wait(srv, &p, 1, 5 * TIM_MS);
		else if (poll(&p, 1, 5) <= 0)
			p.revents = 0;
		if (dial_step(d, p.revents) == want)
			return true;
	}
	return false;
}

static void dialling(void)
{
	struct net_spec to = at("a", false);
	char ready[NET_TEXT], why[NET_WHY], *line;
	size_t n;

	srv_free(srv);
	srv = NULL;
	struct dial *d = dial_new(&to, 20, TIM_S);
	ok(happens(d, DIAL_LOST), "nobody listens: it says so");
	is_str(dial_why(d), "No such file or directory: nothing listens there", "with the reason");
	int64_t first = tim_mono();
	ok(happens(d, DIAL_LOST), "it tries again");
	ok(tim_mono() - first >= 90 * TIM_MS, "after 0.1 s");
	first = tim_mono();
	ok(happens(d, DIAL_LOST) && tim_mono() - first >= 190 * TIM_MS, "then after 0.2 s");
	srv = srv_new(&usual, &calls, NULL);
	(void)srv_listen(srv, &to, ready, why);
	ok(happens(d, DIAL_UP), "and is connected when somebody listens");
	dial_good(d);
	turns(2);
	*said = '\0';
	ok(!dial_stale(d), "nothing waits on a new connection");
	is_int(dial_send(d, "hello\n", 6), 0, "it sends");
	until_said("hello|");
	is_str(said, "hello|", "what it was given");
	srv_send(last, "a\r\nb", 4);
	while (!(line = dial_line(d, &n)))
		(void)happens(d, DIAL_NONE);
	is_str(line, "a", "it hands on a whole line");
	ok(dial_line(d, &n) == NULL, "but not half of one");
	ok(dial_stale(d), "which is seen before a question is asked");
	for (int i = 0; i < 5; i++)
		srv_send(last, "0123456789", 10);
	ok(happens(d, DIAL_LOST), "a line without end ends the connection");
	is_str(dial_why(d), "sends lines without end", "with the reason");
	ok(happens(d, DIAL_UP), "which is made again");
	turns(2);
	srv_free(srv);
	srv = NULL;
	ok(happens(d, DIAL_LOST), "a server that goes is noticed");
	is_str(dial_why(d), "closed the connection", "with the reason");
	dial_free(d);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	sockets();
	lines();
	full();
	bounds();
	pair();
	dialling();
	srv_free(srv);
	rmdir(dir);
	return done_testing();
}
