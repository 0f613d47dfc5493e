/* hvmux.c - unit test: the broker's order, cancelling, limits and giving up, step by step */
#include <stdlib.h>
#include <string.h>

#include "base/tim.h"
#include "dev/hvmux.h"
#include "tap.h"

static struct hvmux *m;
static struct hvmux_client *a, *b, *ro;
static struct tally tally;
static struct hvlimits *limits;
static int64_t now;
static char asked[HV_LINE]; /* what the supply was asked last, without CR LF; "" when answered */
static char got[4][1024];   /* answers of clients a b ro, joined by '|' */
static char audited[65536], alarms[8192];
static int dropped;
static bool speaks_unasked; /* once */

static int to_supply(void *ctx, int board, const char *text, size_t n)
{
	(void)ctx, (void)board;
	ok(*asked == '\0', "one question is outstanding, not two");
	snprintf(asked, sizeof asked, "%.*s", (int)n - 2, text);
	return 0;
}

static bool stale(void *ctx, int board)
{
	(void)ctx, (void)board;
	bool was = speaks_unasked;
	speaks_unasked = false;
	return was;
}

static void drop(void *ctx, int board, const char *why)
{
	(void)ctx, (void)board, (void)why;
	dropped++;
	*asked = '\0';
}

static void good(void *ctx, int board)
{
	(void)ctx, (void)board;
}

static void answer(void *ctx, void *who, const char *text, size_t n)
{
	char *to = who;
	(void)ctx;
	size_t used = strlen(to);
	snprintf(to + used, 1024 - used, "%.*s|", (int)n - 2, text);
}

static void room(void *ctx, void *who)
{
	(void)ctx, (void)who;
}

static void audit(void *ctx, const char *text)
{
	(void)ctx;
	size_t n = strlen(audited);
	snprintf(audited + n, sizeof audited - n, "%s\n", text);
}

static void alarm_text(void *ctx, const char *text)
{
	(void)ctx;
	size_t n = strlen(alarms);
	snprintf(alarms + n, sizeof alarms - n, "%s\n", text);
}

static void note(void *ctx, const char *text)
{
	(void)ctx, (void)text;
}

static void run(void)
{
	now += TIM_MS;
	(void)hvmux_run(m, now);
}

/* The supply answers. */
static void reply(const char *text)
{
	*asked = '\0';
	now += TIM_MS;
	hvmux_reply(m, 0, text, strlen(text), now);
	run();
}

static void says(struct hvmux_client *c, const char *line)
{
	(void)hvmux_line(c, line, strlen(line), false, now);
	run();
}

static void identity(const char *serial, const char *channels)
{
	char line[64];
	reply("#BD:00,CMD:OK,VAL:R1470ET");
	snprintf(line, sizeof line, "#BD:00,CMD:OK,VAL:%s", serial);
	reply(line);
	snprintf(line, sizeof line, "#BD:00,CMD:OK,VAL:%s", channels);
	reply(line);
	reply("#BD:00,CMD:OK,VAL:01.0");
}

/* A broker that has not met its supply. */
static void unmet(const char *text)
{
	static const struct hvmux_calls calls = {
	    to_supply, stale, drop, good, answer, room, audit, alarm_text, note};
	char why[HV_WHY];
	struct hvmux_options o = {.boards = 1, .timeout = 5 * TIM_S, .cache = 0};

	hvmux_free(m);
	hvlimit_free(limits);
	limits = text ? hvlimit_parse("limits", text, strlen(text), why) : NULL;
	o.limits = limits;
	memset(got, 0, sizeof got);
	*audited = *alarms = *asked = '\0';
	memset(&tally, 0, sizeof tally);
	hvmux_tally(&tally);
	m = hvmux_new(&o, &calls, NULL, &tally);
	a = hvmux_join(m, got[0], "A", false);
	b = hvmux_join(m, got[1], "B", false);
	ro = hvmux_join(m, got[2], "R", true);
	now = TIM_H;
	run();
}

static void fresh(const char *text)
{
	unmet(text);
	hvmux_up(m, 0, now);
	run();
	is_str(asked, "$BD:00,CMD:MON,PAR:BDNAME", "a supply is asked who it is");
	identity("12345", "4");
}

static void clear(void)
{
	memset(got, 0, sizeof got);
	*audited = *alarms = '\0';
}

static void order(void)
{
	fresh(NULL);
	is_str(asked, "", "then nothing is asked by itself");
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:VMON", "a question goes to the supply at once");
	says(a, "$BD:00,CMD:MON,CH:0,PAR:IMON");
	says(a, "$BD:00,CMD:MON,CH:1,PAR:IMON");
	says(ro, "$BD:00,CMD:MON,CH:2,PAR:VMON");
	says(b, "$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:5");
	says(ro, "$BD:00,CMD:SET,CH:3,PAR:OFF");
	reply("#BD:00,CMD:OK,VAL:0001.0");
	is_str(got[0], "#BD:00,CMD:OK,VAL:0001.0|", "the answer goes to whoever asked");
	is_str(asked, "$BD:00,CMD:SET,CH:3,PAR:OFF", "OFF comes next, a read-only client's too");
	is_str(got[1], "#BD:00,CMD:ERR|", "the VSET of that channel is cancelled");
	reply("#BD:00,CMD:OK");
	is_str(got[2], "", "an answer waits for those before it");
	is_str(asked, "$BD:00,CMD:MON,CH:3,PAR:STAT", "OFF is looked at");
	reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "$BD:00,CMD:MON,CH:2,PAR:VMON", "whoever was served longest ago is next");
	says(b, "$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:6");
	reply("#BD:00,CMD:OK,VAL:0002.0");
	is_str(
	    got[2], "#BD:00,CMD:OK,VAL:0002.0|#BD:00,CMD:OK|", "answers come in the order asked");
	is_str(asked, "$BD:00,CMD:MON,CH:3,PAR:VSET", "a setting goes before readings: old value");
	reply("#BD:00,CMD:OK,VAL:0001.5");
	is_str(asked, "$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:6", "and new one, with nothing between");
	reply("#BD:00,CMD:OK");
	is_str(got[1], "#BD:00,CMD:ERR|#BD:00,CMD:OK|", "it is answered");
	ok(strstr(audited, "B: board 0 channel 3 VSET 0001.5 -> 6: done") != NULL, "and audited");
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:IMON", "then readings go on");
}

static void fair(void)
{
	char order_of[32] = "";

	fresh(NULL);
	for (int i = 0; i < 4; i++)
		says(ro, "$BD:00,CMD:MON,CH:2,PAR:VMON");
	for (int i = 0; i < 2; i++) {
		says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
		says(b, "$BD:00,CMD:MON,CH:1,PAR:VMON");
	}
	for (size_t i = 0; *asked && i < sizeof order_of - 1; i++) {
		order_of[i] = asked[strlen("$BD:00,CMD:MON,CH:")];
		reply("#BD:00,CMD:OK,VAL:0001.0");
	}
	is_str(order_of, "20120122", "clients have their turns, however much one asks");
}

static void off_while_setting(void)
{
	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:1,PAR:ON");
	is_str(asked, "$BD:00,CMD:MON,CH:1,PAR:STAT", "ON: STAT is read first");
	says(b, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "OFF comes between: the ON is never sent");
	is_str(got[0], "#BD:00,CMD:ERR|", "and is an error");
	says(a, "$BD:00,CMD:SET,CH:1,PAR:ON");
	reply("#BD:00,CMD:OK");
	is_str(asked, "$BD:00,CMD:MON,CH:1,PAR:STAT", "a later ON waits until OFF is seen");
	reply("#BD:00,CMD:OK,VAL:00001");
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "it is not: OFF again");
	reply("#BD:00,CMD:OK");
	reply("#BD:00,CMD:OK,VAL:00005");
	is_str(asked, "$BD:00,CMD:MON,CH:1,PAR:STAT", "it ramps down: the ON may follow");
	reply("#BD:00,CMD:OK,VAL:00005");
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:ON", "and is sent");
	reply("#BD:00,CMD:OK");
	now += TIM_MIN;
	run();
	is_str(asked, "", "which ends the OFF");
	says(b, "$BD:00,CMD:SET,CH:4,PAR:OFF");
	for (int ch = 0; ch < 4; ch++) {
		char want[64];
		snprintf(want, sizeof want, "$BD:00,CMD:SET,CH:%d,PAR:OFF", ch);
		is_str(asked, want, "OFF of all is OFF of each, before any look");
		reply("#BD:00,CMD:OK");
	}
	ok(strstr(got[1], "#BD:00,CMD:OK|#BD:00,CMD:OK|") != NULL, "and one answer");
}

static void no_answer(void)
{
	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:0,PAR:ON");
	reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "$BD:00,CMD:SET,CH:0,PAR:ON", "ON is sent");
	says(b, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	dropped = 0;
	now += 5 * TIM_S;
	run();
	is_int(dropped, 1, "no answer: the connection is closed");
	hvmux_up(m, 0, now);
	run();
	identity("12345", "4");
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:STAT", "the setting is read back, not repeated");
	reply("#BD:00,CMD:OK,VAL:00003");
	is_str(got[0], "#BD:00,CMD:OK|", "it was done");
	reply("#BD:00,CMD:OK,VAL:0001.0");

	fresh(NULL);
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	reply("nonsense");
	hvmux_up(m, 0, now);
	run();
	identity("12345", "4");
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:VMON",
	    "a reading with a senseless answer is asked again");
	reply("#BD:00,CMD:OK,VAL:1;2");
	is_str(got[0], "#BD:00,CMD:ERR|", "but not for ever");

	fresh(NULL);
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	says(b, "$BD:00,CMD:MON,CH:1,PAR:VSET");
	now += 50 * TIM_MS;
	reply("#BD:00,CMD:OK,VAL:0001.0");
	now -= 2 * TIM_MS; /* as if no time had passed since the question */
	reply("#BD:00,CMD:OK,VAL:0001.0");
	is_str(got[1], "", "an answer that comes twice is not taken for the next one's");
	hvmux_up(m, 0, now);
	run();
	identity("12345", "4");
	is_str(asked, "$BD:00,CMD:MON,CH:1,PAR:VSET", "which is asked again");
	reply("#BD:00,CMD:OK,VAL:0001.0");
	is_str(got[1], "#BD:00,CMD:OK,VAL:0001.0|", "and then it counts");

	fresh(NULL);
	hvmux_lost(m, 0, "gone", now);
	says(a, "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1");
	is_str(got[0], "", "a request waits a little for a supply that is away");
	now += 5 * TIM_S;
	run();
	is_str(got[0], "#BD:00,CMD:ERR|", "then it is an error");
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	run();
	is_str(got[0], "#BD:00,CMD:ERR|#BD:00,CMD:ERR|", "and the next one at once");
	says(a, "$BD:00,CMD:SET,CH:2,PAR:OFF");
	run();
	hvmux_up(m, 0, now);
	run();
	is_str(asked, "$BD:00,CMD:SET,CH:2,PAR:OFF", "of these only the OFF is sent later");
	reply("#BD:00,CMD:OK");
	identity("12345", "4");
	is_str(asked, "$BD:00,CMD:MON,CH:2,PAR:STAT", "and looked at when it is known who it is");
}

/* The question that is out has no answer for so long; the supply is dialled again. */
static void unanswered(int64_t ns)
{
	dropped = 0;
	now += ns - 3 * TIM_MS;
	run();
	is_int(dropped, 0, "an answer is waited for");
	now += 2 * TIM_MS;
	run();
	is_int(dropped, 1, "so long");
	hvmux_up(m, 0, now);
	run();
}

/* A supply that says nothing may obey: every OFF reaches it, one on each connection. */
static void mute(void)
{
	char sent[9] = "";

	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:4,PAR:OFF");
	for (int i = 0; i < 8; i++) {
		sent[i] = asked[strlen("$BD:00,CMD:SET,CH:")];
		if (i == 1) /* somebody who asks again does not push himself to the front */
			says(b, "$BD:00,CMD:SET,CH:0,PAR:OFF");
		/* while others have not been told yet it cannot be long */
		unanswered(i < 3 ? TIM_S : 5 * TIM_S);
	}
	is_str(sent, "01230123", "a supply that says nothing is sent OFF of each channel in turn");
	for (int ch = 0; ch < 4; ch++) {
		char want[64];
		snprintf(want, sizeof want, "channel %d OFF: no answer", ch);
		char *at = strstr(alarms, want);
		ok(at && strstr(at, "use the front panel"), "that nobody knows is an alarm");
		ok(at && !strstr(at + 1, want), "once");
	}
	dropped = 0;
	now += 50 * TIM_MS; /* the first answer takes its time, the others do not */
	for (int ch = 0; ch < 4; ch++)
		reply("#BD:00,CMD:OK");
	is_int(dropped, 0, "OFFs that are answered alike are no second answers");
	is_str(asked, "$BD:00,CMD:MON,PAR:BDNAME", "when it speaks again it is asked who it is");
	identity("12345", "4");
	for (int ch = 0; ch < 4; ch++)
		reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "", "and whether all are off");
	ok(strstr(audited, "A: board 0 channel 3 OFF: done") != NULL, "which the audit has");
}

/* An OFF that comes while another question is out: a silent supply keeps it waiting no longer. */
static void behind(void)
{
	fresh(NULL);
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	says(b, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	unanswered(TIM_S);
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "OFF waits a second for a reading's answer");

	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:5");
	says(b, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	unanswered(TIM_S);
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "and for what is read before a setting");

	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:5");
	reply("#BD:00,CMD:OK,VAL:0001.0");
	says(b, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	unanswered(5 * TIM_S);
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "a setting under way has its time");
}

/* Bytes that nobody asked for, when the next question was to be sent: it never was. */
static void unasked(void)
{
	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:1,PAR:ON");
	speaks_unasked = true;
	dropped = 0;
	reply("#BD:00,CMD:OK,VAL:00000");
	is_int(dropped, 1, "a supply that speaks unasked when ON is to be sent is dropped");
	is_str(asked, "", "and the ON not sent");
	says(b, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	is_str(got[0], "#BD:00,CMD:ERR|", "an OFF cancels it");
	hvmux_up(m, 0, now);
	run();
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "when the supply is back it gets the OFF");
	reply("#BD:00,CMD:OK");
	identity("12345", "4");
	reply("#BD:00,CMD:OK,VAL:00005");
	is_str(asked, "", "and no ON while it ramps down");

	fresh(NULL);
	says(a, "$BD:00,CMD:SET,CH:1,PAR:VSET,VAL:9");
	speaks_unasked = true;
	reply("#BD:00,CMD:OK,VAL:0001.0");
	hvmux_up(m, 0, now);
	run();
	identity("12345", "4");
	is_str(
	    asked, "$BD:00,CMD:MON,CH:1,PAR:VSET", "a VSET is read back, as any without an answer");
	reply("#BD:00,CMD:OK,VAL:0001.0");
	is_str(got[0], "#BD:00,CMD:ERR|", "and is an error");

	fresh(NULL);
	speaks_unasked = true;
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	hvmux_up(m, 0, now);
	run();
	identity("12345", "4");
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:VMON", "a reading that was not sent is asked again");
	reply("#BD:00,CMD:OK,VAL:0001.0");
	is_str(got[0], "#BD:00,CMD:OK,VAL:0001.0|", "and answered");

	fresh(NULL);
	says(b, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	reply("#BD:00,CMD:OK");
	reply("#BD:00,CMD:OK,VAL:00005");
	says(a, "$BD:00,CMD:SET,CH:1,PAR:ON");
	speaks_unasked = true;
	reply("#BD:00,CMD:OK,VAL:00005");
	hvmux_up(m, 0, now);
	run();
	identity("12345", "4");
	is_str(
	    asked, "$BD:00,CMD:MON,CH:1,PAR:STAT", "an ON that was not sent does not end the OFF");
	reply("#BD:00,CMD:OK,VAL:00001");
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "which is sent until it is obeyed");
}

/* OFF for a supply that has not been there yet: how many channels it has is not known. */
static void early(void)
{
	unmet(NULL);
	says(ro, "$BD:00,CMD:SET,CH:1,PAR:OFF");
	is_str(got[2], "", "an OFF for a supply that was never there waits a little");
	says(a, "$BD:00,CMD:SET,CH:1,PAR:VSET,VAL:5");
	now += 5 * TIM_S;
	run();
	is_str(got[2], "#BD:00,CMD:ERR|", "then it is an error");
	hvmux_up(m, 0, now);
	run();
	is_str(asked, "$BD:00,CMD:SET,CH:1,PAR:OFF", "but is sent when the supply comes");
	reply("#BD:00,CMD:OK");
	identity("12345", "4");
	is_str(asked, "$BD:00,CMD:MON,CH:1,PAR:STAT", "and looked at when it is known who it is");
	reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "", "once");

	unmet(NULL);
	says(ro, "$BD:00,CMD:SET,CH:2,PAR:OFF");
	hvmux_leave(ro);
	ro = NULL;
	hvmux_up(m, 0, now);
	run();
	is_str(asked, "$BD:00,CMD:SET,CH:2,PAR:OFF", "also of a client that has gone");

	unmet(NULL);
	says(a, "$BD:00,CMD:SET,CH:0,PAR:ON");
	now += 5 * TIM_S;
	run();
	says(b, "$BD:00,CMD:SET,CH:4,PAR:OFF");
	says(b, "$BD:00,CMD:SET,CH:16,PAR:OFF");
	says(b, "$BD:00,CMD:SET,CH:7,PAR:OFF");
	hvmux_ahead(ro, "$BD:00,CMD:SET,CH:5,PAR:OFF\n", 28, now);
	hvmux_up(m, 0, now);
	run();
	is_str(asked, "$BD:00,CMD:SET,CH:4,PAR:OFF", "a number that may mean all is sent as it is");
	reply("#BD:00,CMD:OK");
	reply("#BD:00,CH:ERR");
	is_str(asked, "$BD:00,CMD:SET,CH:7,PAR:OFF", "and any other");
	reply("#BD:00,CH:ERR");
	is_str(alarms, "", "a supply that has no such channel is no alarm");
	identity("12345", "4");
	for (int ch = 0; ch < 4; ch++) {
		char want[64];
		snprintf(want, sizeof want, "$BD:00,CMD:SET,CH:%d,PAR:OFF", ch);
		is_str(asked, want, "what was the number of all is OFF of each");
		reply("#BD:00,CMD:OK");
	}
	for (int ch = 0; ch < 4; ch++)
		reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "", "and of no other");
	ok(strstr(audited, "R (read-only): board 0 channel 5 OFF: refused: there is no such") !=
		NULL,
	    "a channel that is not there is refused then");
	is_str(got[1], "#BD:00,CMD:ERR|#BD:00,CH:ERR|#BD:00,CMD:ERR|", "each has one answer");
	is_int(tally.held, 0, "nothing is held");

	unmet(NULL);
	hvmux_up(m, 0, now);
	run();
	says(b, "$BD:00,CMD:SET,CH:4,PAR:OFF");
	says(b, "$BD:00,CMD:SET,CH:5,PAR:OFF");
	reply("#BD:00,CMD:OK,VAL:R1470ET");
	reply("#BD:00,CMD:OK");
	reply("#BD:00,CH:ERR");
	is_str(got[1], "#BD:00,CMD:OK|#BD:00,CH:ERR|", "while it is met: answered as usual");
}

static void left(void)
{
	fresh(NULL);
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	says(b, "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1");
	hvmux_leave(b);
	reply("#BD:00,CMD:OK,VAL:0001.0");
	is_str(asked, "", "a setting of a client that has gone is not carried out");
	ok(strstr(audited, "VSET ? -> 1: not done: the client has gone") != NULL, "and audited");
	says(a, "$BD:00,CMD:SET,CH:0,PAR:OFF");
	hvmux_leave(a);
	is_str(asked, "$BD:00,CMD:SET,CH:0,PAR:OFF", "but its OFF is");
	reply("#BD:00,CMD:OK");
	reply("#BD:00,CMD:OK,VAL:00000");
	is_int(tally.held, 0, "nothing is held");
	ok(tally_sums(&tally), "and the counters sum");
}

static void stranger(void)
{
	fresh(NULL);
	hvmux_lost(m, 0, "gone", now);
	hvmux_up(m, 0, now);
	run();
	identity("666", "4");
	ok(strstr(alarms, "another supply answers") != NULL, "another supply is an alarm");
	says(a, "$BD:00,CMD:SET,PAR:BDCLR");
	says(a, "$BD:00,CMD:MON,CH:0,PAR:VMON");
	is_str(got[0], "#BD:00,LOC:ERR|#BD:00,LOC:ERR|", "nothing is set or read on it");
	says(a, "$BD:00,CMD:SET,CH:0,PAR:OFF");
	is_str(asked, "$BD:00,CMD:SET,CH:0,PAR:OFF", "but OFF is passed on");
}

/* Answers the four readings before MAXV is written. */
static void guard(const char *maxv, const char *stat, const char *vset, const char *vmon)
{
	const char *const v[] = {maxv, stat, vset, vmon};
	for (int i = 0; i < 4; i++) {
		char line[64];
		snprintf(line, sizeof line, "#BD:00,CMD:OK,VAL:%s", v[i]);
		reply(line);
	}
}

static void maxv(void)
{
	static const char text[] = "[0]\nmax-volts = 1000.5\n";

	fresh(text);
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:MAXV", "a limit: MAXV is looked at");
	reply("#BD:00,CMD:OK,VAL:1000");
	is_str(asked, "", "low enough: it stays");
	fresh(text);
	guard("8100", "00001", "2000.0", "2000.0");
	is_str(asked, "", "on, and VSET above the limit: nothing is changed");
	ok(strstr(alarms, "above the limit of 1000 V: nothing is changed") != NULL, "but an alarm");
	now += 61 * TIM_S;
	run();
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:MAXV", "a minute later it is looked at again");
	guard("8100", "00005", "0900.0", "1500.0");
	is_str(asked, "", "still coming down: nothing is changed");
	now += 61 * TIM_S;
	run();
	guard("8100", "00001", "0900.0", "0900.0");
	is_str(asked, "$BD:00,CMD:SET,CH:0,PAR:MAXV,VAL:1000", "within it: MAXV is written");
	reply("#BD:00,CMD:OK");
	now += 61 * TIM_S;
	run();
	is_str(asked, "", "once");
	fresh(text);
	guard("8100", "00000", "2000.0", "0000.0");
	is_str(asked, "$BD:00,CMD:SET,CH:0,PAR:MAXV,VAL:1000", "off: MAXV is written");
	says(a, "$BD:00,CMD:SET,CH:0,PAR:ON");
	reply("#BD:00,CMD:OK");
	reply("#BD:00,CMD:OK,VAL:00000");
	is_str(asked, "$BD:00,CMD:MON,CH:0,PAR:VSET", "ON: what would come out?");
	reply("#BD:00,CMD:OK,VAL:2000.0");
	is_str(got[0], "#BD:00,VAL:ERR|", "more than the limit: refused");
	is_str(asked, "", "and not sent");
	fresh("[0]\nmax-volts = 10\nforbidden = yes\n");
	is_str(asked, "", "a forbidden channel is left alone altogether");
	clear();
}

int main(void)
{
	order();
	fair();
	off_while_setting();
	no_answer();
	mute();
	behind();
	unasked();
	early();
	left();
	stranger();
	maxv();
	hvmux_free(m);
	hvlimit_free(limits);
	return done_testing();
}
