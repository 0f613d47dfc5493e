/* dial.c - unit test: a name server that does not answer holds nobody up; what a wait tells */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/dial.h"
#include "base/tim.h"
#include "tap.h"

static int gate[2]; /* a byte for each lookup: 'y' found, 'n' no such name */
static atomic_int lookups;
static struct sockaddr_in at; /* of whoever listens */

/* In the place of libc's, which net_resolve() calls for IPv4 and then for IPv6. */
int getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hint, struct addrinfo **restrict list)
{
	static struct addrinfo one;
	char byte;

	(void)name, (void)service;
	if (hint->ai_family != AF_INET)
		return EAI_NONAME;
	atomic_fetch_add(&lookups, 1);
	if (read(gate[0], &byte, 1) != 1 || byte != 'y')
		return EAI_NONAME;
	one = (struct addrinfo){
	    .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&at, .ai_addrlen = sizeof at};
	*list = &one;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

static int open_listener(void)
{
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)&at, n) < 0 || listen(fd, 4) < 0)
		return -1;
	return getsockname(fd, (struct sockaddr *)&at, &n) < 0 ? -1 : fd;
}

/* Whether this is what happens next. */
static bool happens(struct dial *d, enum dial_event want)
{
	int64_t until = tim_mono() + 10 * TIM_S;
	enum dial_event event = DIAL_NONE;

	while (event == DIAL_NONE && tim_mono() < until)
		(void)dial_wait(d, until, &event);
	return event == want;
}

/* A wait that the system refuses: for more descriptors than may be open. */
static void refused_wait(const struct net_spec *to)
{
	struct dial *d = dial_new(to, 20, TIM_S);
	enum dial_event event = DIAL_LOST;
	struct rlimit was, none;

	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	int got = dial_wait(d, tim_mono() + TIM_S, &event);
	setrlimit(RLIMIT_NOFILE, &was);
	is_int(got, -1, "a wait that the system refuses is an error");
	is_int(event, DIAL_NONE, "and nothing has happened");
	dial_free(d);
}

/* Where nobody listens, which takes no time to find out. */
static void hurry(void)
{
	struct net_spec to;
	char why[NET_WHY];

	if (net_parse("unix:/nowhere", NET_TCP, &to, why) < 0)
		return;
	struct dial *d = dial_new(&to, 20, TIM_S);
	for (int i = 0; i < 3; i++)
		(void)happens(d, DIAL_LOST);
	int64_t due = dial_due(d);
	dial_hurry(d, 200 * TIM_MS);
	is_int(due - dial_due(d), 200 * TIM_MS, "a wait of 0.4 s is made one of 0.2 s");
	ok(happens(d, DIAL_LOST) && dial_due(d) >= due + 200 * TIM_MS, "the next doubles again");
	due = dial_due(d);
	dial_hurry(d, TIM_S);
	is_int(dial_due(d), due, "and a short one stays as it is");
	dial_free(d);
}

/* The name stands for another address, and the one before is nobody's. A lookup is under way. */
static void moved(struct dial *d, int *listener)
{
	bool up = false;

	dial_good(d); /* else the waits grow */
	close(*listener);
	*listener = open_listener();
	(void)!write(gate[1], "y", 1);
	dial_drop(d, "test");
	for (int i = 0; i < 10 && !up; i++)
		up = happens(d, DIAL_UP);
	ok(up, "a name that stands for another address is found there");
	(void)!write(gate[1], "n", 1);
	for (int i = 0; i < 10 && up && lookups < 4; i++) {
		dial_good(d);
		dial_drop(d, "test");
		up = happens(d, DIAL_LOST) && happens(d, DIAL_UP);
	}
	ok(up, "one that is not found any more is where it was");
	is_int(lookups, 4, "and goes on being looked up");
	(void)!write(gate[1], "n", 1);
}

int main(void)
{
	struct net_spec to;
	char why[NET_WHY];
	int fd = open_listener();

	if (fd < 0 || pipe(gate) < 0 || net_parse("supply:1470", NET_TCP, &to, why) < 0)
		return 1;
	refused_wait(&to);
	hurry();
	struct dial *d = dial_new(&to, 20, 20 * TIM_MS);
	ok(happens(d, DIAL_LOST), "a name that is not found in time is a loss");
	is_str(dial_why(d), "its name is not found yet: does the name server answer?",
	    "with the reason");
	ok(happens(d, DIAL_LOST), "again at the next attempt");
	is_int(lookups, 1, "which waits for the same lookup");
	(void)!write(gate[1], "y", 1);
	ok(happens(d, DIAL_UP), "when it is found it is dialled");
	dial_drop(d, "test");
	ok(happens(d, DIAL_LOST) && happens(d, DIAL_UP),
	    "and dialled again, which waits for no lookup");
	moved(d, &fd);
	dial_free(d);

	d = dial_new(&to, 20, 10 * TIM_S);
	(void)!write(gate[1], "n", 1);
	ok(happens(d, DIAL_LOST), "a name that is none is a loss");
	is_str(dial_why(d), "supply: Name or service not known", "with the reason");
	(void)!write(gate[1], "y", 1);
	ok(happens(d, DIAL_UP), "and is looked up again");
	dial_free(d);

	d = dial_new(&to, 20, 10 * TIM_S);
	is_int(dial_step(d, 0), DIAL_NONE, "what is looked up");
	dial_free(d);
	ok(true, "may be given up");
	(void)!write(gate[1], "n", 1);
	close(fd);
	return done_testing();
}
