/* raw2udp.c - replays recorded packets as UDP datagrams, with their spacing and their senders */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "stream/cap.h"
#include "stream/pace.h"
#include "stream/pkt.h"

#define LOOK_UP (500 * TIM_MS) /* between looks at the clock while nothing comes */

#define SAY_GAP   (10 * TIM_S) /* a longer wait is worth a line */
#define STEP_BACK TIM_S        /* arrival stamps may be out of order by this much */

static const char *dest, *speed_text;
static int64_t count = INT64_MAX, max_gap;

enum { SEND_ERROR, FIRST_VERDICT };
static struct tally tally = {.unit = "packets"};
enum { ALSO_REFUSED, ALSO_OTHER_SENDER, ALSO_DROPPED, ALSO_SHORTENED };

static const struct cli_option options[] = {
    {"dest", 'd', CLI_STR, &dest, "HOST:PORT", "send there; port 0: each packet's own port", 0, 0},
    {"speed", 0, CLI_STR, &speed_text, "X|max", "X times as fast as it was recorded", 0, 0},
    {"max-gap", 0, CLI_TIME, &max_gap, "TIME", "wait no longer than this for the next packet",
	TIM_MS, TIM_DAY},
    {"count", 'n', CLI_INT, &count, "COUNT", "stop after so many packets", 1, INT64_MAX},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "raw2udp",
    .args = "[FILE]",
    .about = "replays recorded packets as UDP datagrams",
    .options = options,
    .max_args = 1,
    .tally = &tally,
    .can_lose = true};

static struct pace *pace;
static bool own_ports;
static double speed = 1; /* 0: as fast as it goes */
static int64_t began, recorded_from = TIM_NONE, last_stamp, last_due;

static void name_counts(void)
{
	tally.lost[SEND_ERROR].name = "send error";
	for (int v = PKT_OK + 1; v < PKT_VERDICTS; v++)
		tally.lost[FIRST_VERDICT + v - 1].name = pkt_verdict_text((enum pkt_verdict)v);
	tally.also[ALSO_REFUSED].name = "refused";
	tally.also[ALSO_OTHER_SENDER].name = "from another sender";
	tally.also[ALSO_DROPPED].name = "dropped before they were recorded";
	tally.also[ALSO_SHORTENED].name = "gaps shortened";
}

/* What became of those that were sent. */
static void settle(struct pace *p, unsigned n)
{
	tally.held -= n;
	for (unsigned i = 0; i < n; i++) {
		int error = pace_result(p, i);
		if (!error)
			tally.out++;
		else if (tally.lost[SEND_ERROR].n++ == 0)
			cli_warn(
			    "%s: a datagram could not be sent: %s (this is counted from now on)",
			    dest, strerror(error));
	}
	cli_tick();
}

static void open_pace(void)
{
	char why[PACE_WHY];

	if (speed_text && pace_speed(speed_text, &speed, why) < 0)
		cli_die(EXIT_USAGE, "--speed: %s", why);
	if (!dest)
		cli_die(EXIT_USAGE, "say where to: -d HOST:PORT");
	pace = pace_new(dest, settle, why);
	if (!pace)
		cli_die(errno == EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "-d %s: %s", dest, why);
	own_ports = pace_port(pace) == 0;
}

/* The loopback address that a packet came from, or 0 where it cannot be sent from again. */
static uint32_t sender(const struct pkt *p)
{
	char from[PKT_TEXT];
	uint32_t a;

	memcpy(&a, p->src.addr, sizeof a);
	a = ntohl(a);
	if (p->src.family == 4 && pace_can_be(pace, a))
		return a;
	if (tally.also[ALSO_OTHER_SENDER].n++ == 0)
		cli_warn("%s cannot be a sender here (only 127.x.x.x to 127.x.x.x can): this "
			 "machine's own "
			 "address stands in for it, and for others like it",
		    pkt_text_addr(&p->src, from));
	return 0;
}

/* When a packet with this stamp leaves: as long after the first one as it was recorded, less what
 * --max-gap has taken out. One recording after another begins where the one before ended. */
static int64_t due_of(int64_t time)
{
	char span[TIM_TEXT];
	int64_t due = pace_due(began, time - recorded_from, speed), gap = due - last_due;

	if (speed == 0)
		return 0;
	if (time < last_stamp - STEP_BACK) {
		began -= gap;
		due -= gap;
		last_stamp = time;
	} else if (max_gap && gap > max_gap) {
		began -= gap - max_gap;
		due -= gap - max_gap;
		tally.also[ALSO_SHORTENED].n++;
	} else if (gap >= SAY_GAP) {
		gap -= gap % (gap < TIM_H ? TIM_S : TIM_MIN);
		cli_note("the next packet leaves in %s (--max-gap=TIME waits no longer than TIME)",
		    tim_span(gap, span));
	}
	last_stamp = time > last_stamp ? time : last_stamp;
	last_due = due > last_due ? due : last_due;
	return due;
}

static enum cli_exit replay(const struct cap_record *r)
{
	struct pkt p;

	if (r->link == CAP_LINK_USER0) {
		cli_error("these are events, and what is sent again is packets: give the file of "
			  "udp2raw that they were built from");
		return EXIT_USAGE;
	}
	tally.in++;
	tally.also[ALSO_DROPPED].n += r->dropped;
	enum pkt_verdict v = pkt_decode(r, &p);
	if (v != PKT_OK) {
		tally.lost[FIRST_VERDICT + v - 1].n++;
		return EXIT_DONE;
	}
	if (recorded_from == TIM_NONE) {
		recorded_from = last_stamp = p.time;
		began = last_due = tim_mono();
	}
	int64_t due = due_of(p.time);
	tally.held++;
	if (!pace_reach(pace, due))
		return EXIT_DONE;
	memcpy(pace_room(pace), p.data, p.len);
	pace_put(pace, p.len, due, sender(&p), own_ports ? p.dst.port : 0);
	return EXIT_DONE;
}

/* What was cut or damaged in the input, as an exit status. */
static enum cli_exit verdict(const struct cap_reader *in, const char *name)
{
	const struct cap_state *s = cap_state(in);

	if (!s->damaged && !s->skipped && !s->cut)
		return EXIT_DONE;
	cli_error("%s: %s; everything that was whole has been sent", name, cap_why(in));
	return EXIT_DATA;
}

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	const char *name = args[0] && strcmp(args[0], "-") != 0 ? args[0] : "standard input";
	struct cap_record record;
	enum cap_next what = CAP_WAIT;

	name_counts();
	open_pace();
	int fd = cli_open_input(args[0]);
	cli_filter(fd);
	struct cap_reader *in = cap_reader_new(fd);
	if (!in)
		cli_die(EXIT_SYSTEM, "no memory");

	enum cli_exit code = EXIT_DONE;
	while (
	    code == EXIT_DONE && what != CAP_END && tally.in < (uint64_t)count && !cli_stopping()) {
		what = cap_read(in, &record, pace_waiting(pace) > 0 ? 0 : LOOK_UP);
		if (what == CAP_ERROR) {
			code = errno == EPROTO ? EXIT_DATA : EXIT_SYSTEM;
			cli_error("%s: %s", name, cap_why(in));
		} else if (what == CAP_RECORD) {
			code = replay(&record);
		} else if (what == CAP_WAIT) {
			pace_send(pace);
		}
	}
	tally.also[ALSO_REFUSED].n = pace_finish(pace); /* what waits goes, however it ended */
	if (code == EXIT_DONE)
		code = verdict(in, name);
	cap_reader_free(in);
	pace_free(pace);
	return cli_end(code);
}
