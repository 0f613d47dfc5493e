/* hv.c - unit test: the supply's protocol, byte for byte as its manuals print it */
#include <string.h>

#include "dev/hv.h"
#include "dev/hvlimit.h"
#include "tap.h"

static struct hv_request q;
static struct hv_reply r;

static enum hv_error ask(const char *line)
{
	return hv_read_request(line, strlen(line), &q);
}

static int reply(const char *line)
{
	return hv_read_reply(line, strlen(line), &r);
}

static const char *again(void)
{
	static char line[HV_LINE];
	hv_write_request(&q, line);
	return line;
}

static void requests(void)
{
	is_int(ask("$BD:00,CMD:MON,CH:0,PAR:VMON"), HV_FINE, "a channel is read");
	ok(!q.set && q.board == 0 && q.channel == 0 && q.par == HV_VMON, "as it says");
	is_str(again(), "$BD:00,CMD:MON,CH:0,PAR:VMON\r\n", "and written as the manual has it");
	is_int(ask("$BD:0,CMD:MON,PAR:BDNAME"), HV_FINE, "a board number of one digit is taken");
	is_int(q.channel, -1, "a board has no channel");
	is_str(again(), "$BD:00,CMD:MON,PAR:BDNAME\r\n", "and is written with two");
	is_int(ask("$BD:31,CMD:SET,CH:3,PAR:VSET,VAL:1500.5"), HV_FINE, "a value is set");
	is_str(again(), "$BD:31,CMD:SET,CH:3,PAR:VSET,VAL:1500.5\r\n", "with its decimals");
	is_int(ask("$BD:00,CMD:SET,CH:0,PAR:ON"), HV_FINE, "ON has no value");
	is_int(ask("$BD:00,CMD:SET,PAR:BDILKM,VAL:OPEN"), HV_FINE, "a word of the board is set");
	is_int(ask("$BD:00,CMD:SET,PAR:BDCLR"), HV_FINE, "the alarm is cleared");
}

/* Section 1.2 of the reference: what programs in the field send to real supplies. */
static void habits(void)
{
	is_int(ask("$BD:00:CMD:MON,CH:4,PAR:VMON"), HV_FINE, "a colon after the board number");
	is_str(again(), "$BD:00,CMD:MON,CH:4,PAR:VMON\r\n", "goes on as a comma");
	is_int(ask("$BD:00,CMD:SET,CH0,PAR:OFF"), HV_FINE, "a channel without colon");
	is_int(ask("$BD:00,CMD:SET,CH:1,PAR:ON,VAL:0"), HV_FINE, "ON with a value of 0");
	is_str(again(), "$BD:00,CMD:SET,CH:1,PAR:ON\r\n", "goes on without it");
}

static void refusals(void)
{
	static const struct {
		const char *line;
		enum hv_error error;
	} bad[] = {{"", HV_ERR_CMD}, {"$", HV_ERR_CMD}, {"hello", HV_ERR_CMD},
	    {"$BD:,CMD:MON,PAR:BDNAME", HV_ERR_CMD}, {"$BD:32,CMD:MON,PAR:BDNAME", HV_ERR_CMD},
	    {"$BD:-1,CMD:MON,PAR:BDNAME", HV_ERR_CMD}, {"$BD:00,CMD:GET,PAR:BDNAME", HV_ERR_CMD},
	    {"$BD:00,CMD:MON,CH:x,PAR:VMON", HV_ERR_CH},
	    {"$BD:00,CMD:MON,CH:99,PAR:VMON", HV_ERR_CH},
	    {"$BD:00,CMD:MON,CH:-1,PAR:VMON", HV_ERR_CH},
	    {"$BD:00,CMD:MON,CH:*,PAR:VMON", HV_ERR_CH}, {"$BD:00,CMD:MON,PAR:VMON", HV_ERR_CH},
	    {"$BD:00,CMD:MON,CH:0,PAR:BDNAME", HV_ERR_CH}, {"$BD:00,CMD:MON,CH:0", HV_ERR_CH},
	    {"$BD:00,CMD:MON,CH:0,PAR:", HV_ERR_PAR}, {"$BD:00,CMD:MON,CH:0,PAR:vmon", HV_ERR_PAR},
	    {"$BD:00,CMD:MON,CH:0,PAR:NONSENSE", HV_ERR_PAR},
	    {"$BD:00,CMD:MON,CH:0,PAR:ON", HV_ERR_PAR},
	    {"$BD:00,CMD:SET,CH:0,PAR:VMON,VAL:1", HV_ERR_PAR},
	    {"$BD:00,CMD:SET,CH:0,PAR:ZCADJ,VAL:1", HV_ERR_PAR},
	    {"$BD:00,CMD:SET,PAR:BDCTR,VAL:REMOTE", HV_ERR_PAR},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:-5", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:+5", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1e3", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:0x10", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:nan", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1.2.3", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:.", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1 ", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:00000000000000000000000000100", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1\r$BD:00,CMD:SET,CH:0,PAR:ON", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1,VAL:9000", HV_ERR_CMD},
	    {"$BD:00,CMD:SET,CH:4,PAR:VSET,VAL:1;2;3;4", HV_ERR_CMD},
	    {"$BD:00,CMD:SET,CH:0,PAR:PDWN,VAL:AMP", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:PDWN,VAL:RAMP KILL", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:0,PAR:ON,VAL:1", HV_ERR_VAL}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(ask(bad[i].line), bad[i].error, bad[i].line);
	is_int(hv_read_request("$BD:00,CMD:MON,PAR:BDNAME\0", 26, &q), HV_ERR_CMD,
	    "a NUL byte is not the end of the line");
}

static void replies(void)
{
	is_int(reply("#BD:00,CMD:OK"), 0, "OK");
	ok(r.error == HV_FINE && r.nvalues == 0, "has no value");
	is_int(reply("#BD:07,CMD:OK,VAL:1500.0"), 0, "one value");
	is_int(r.board, 7, "of board 7");
	is_str(r.value[0], "1500.0", "as it was sent");
	is_int(reply("#BD:00,CMD:OK,VAL:0000.0;0250.5;8000.0;0000.1"), 0, "the group form");
	is_int(r.nvalues, 4, "has four");
	is_str(r.value[1], "0250.5", "in their order");
	is_int(reply("#BD:00,VAL:ERR"), 0, "an error");
	is_int(r.error, HV_ERR_VAL, "of the value");
	is_int(reply("#BD:00,LOC:ERR"), 0, "an error");
	is_int(r.error, HV_ERR_LOC, "for LOCAL");
	static const char *const bad[] = {"", "#BD:00",
	    "#BD:00,CMD:", "#BD:00,CMD:OK,VAL:", "#BD:00,CMD:OK,VAL:1;", "#BD:00,CMD:OKAY",
	    "#BD:00,VAL:ERRx", "#BD:99,CMD:OK", "#CMD:OK,VAL:1", "#BD:00,CMD:OK,VAL:1 2",
	    "BD:00,CMD:OK", "#BD:00,FOO:ERR",
	    "#BD:00,CMD:OK,VAL:1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(reply(bad[i]), -1, bad[i]);
}

static void fitting(void)
{
	(void)ask("$BD:00,CMD:MON,CH:4,PAR:VMON");
	(void)reply("#BD:00,CMD:OK,VAL:1;2;3;4");
	ok(hv_fits(&q, &r, 4), "four values answer for all of four channels");
	(void)reply("#BD:00,CMD:OK,VAL:1");
	ok(!hv_fits(&q, &r, 4), "one does not");
	(void)reply("#BD:01,CMD:OK,VAL:1;2;3;4");
	ok(!hv_fits(&q, &r, 4), "nor another board's");
	(void)ask("$BD:00,CMD:MON,CH:0,PAR:VMON");
	(void)reply("#BD:00,CMD:OK,VAL:R1470ET");
	ok(!hv_fits(&q, &r, 4), "a name is no voltage");
	(void)reply("#BD:00,CMD:OK");
	ok(!hv_fits(&q, &r, 4), "a MON needs a value");
	(void)ask("$BD:00,CMD:SET,CH:0,PAR:OFF");
	ok(hv_fits(&q, &r, 4), "a SET has none");
	(void)reply("#BD:00,CMD:OK,VAL:1");
	ok(!hv_fits(&q, &r, 4), "a value does not answer a SET");
}

static void masks(void)
{
	char buf[HV_STAT_TEXT];
	is_str(hv_stat_text(0, buf), "OFF", "0: off");
	is_str(hv_stat_text(1, buf), "ON", "1: on");
	is_str(hv_stat_text(3, buf), "ON,RUP", "3: ramping up");
	is_str(hv_stat_text(5, buf), "ON,RDW", "5: ramping down");
	is_str(hv_stat_text(97, buf), "ON,UNV,MAXV", "97");
	is_str(hv_stat_text(1024, buf), "OFF,DIS", "1024: disabled");
	is_str(hv_stat_text(2048, buf), "OFF,KILL", "2048: killed");
	is_str(hv_stat_text(4096, buf), "OFF,ILK", "4096: interlock");
	is_str(hv_stat_text(128, buf), "OFF,TRIP", "128: tripped");
	is_str(hv_alarm_text(0x11, 4, buf), "CH0,PWFAIL", "an alarm of channel 0 and of the power");
	is_str(hv_alarm_text(0x11, 8, buf), "0x11", "of eight channels the layout is not known");
}

static void limits(void)
{
	static const char text[] = "[*]\nmax-ramp = 100\nforbidden = yes\n"
				   "[0.*]\nmax-volts = 2000\nforbidden = no\n"
				   "[0.3]\nmax-volts = 1500\nmax-microamps = 10\n";
	char why[HV_WHY];
	struct hvlimits *l = hvlimit_parse("limits", text, strlen(text), why);

	ok(l != NULL, "limits are read");
	static const struct {
		const char *line;
		enum hv_error error;
	} want[] = {{"$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:1500", HV_FINE},
	    {"$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:1500.1", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:3,PAR:MAXV,VAL:1501", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:2,PAR:VSET,VAL:2000", HV_FINE},
	    {"$BD:00,CMD:SET,CH:3,PAR:ISET,VAL:10.01", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:2,PAR:ISET,VAL:3000", HV_FINE},
	    {"$BD:00,CMD:SET,CH:2,PAR:RUP,VAL:101", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:2,PAR:RDW,VAL:101", HV_ERR_VAL},
	    {"$BD:00,CMD:SET,CH:2,PAR:ON", HV_FINE}, {"$BD:01,CMD:SET,CH:2,PAR:ON", HV_ERR_LOC},
	    {"$BD:01,CMD:SET,CH:2,PAR:OFF", HV_FINE}, {"$BD:01,CMD:MON,CH:2,PAR:VSET", HV_FINE}};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		(void)ask(want[i].line);
		is_int(hvlimit_check(l, &q, why), want[i].error, want[i].line);
	}
	hvlimit_free(l);
	ok(!hvlimit_parse("l", "[x]\nmax-volts = 1\n", 18, why), "a section that is no channel");
	ok(!hvlimit_parse("l", "[0.1]\nmax-volt = 1\n", 19, why), "an unknown key");
	ok(!hvlimit_parse("l", "[0.1]\nmax-volts = -1\n", 21, why), "a negative limit");
	ok(!hvlimit_parse("l", "[0.1]\nforbidden = maybe\n", 24, why), "neither yes nor no");
	is_str(why, "l:2: forbidden: 'maybe' is neither yes nor no", "with file, line and reason");
}

int main(void)
{
	requests();
	habits();
	refusals();
	replies();
	fitting();
	masks();
	limits();
	return done_testing();
}
