/* rec.c - slow-control readings: line protocol as InfluxDB documents it, tables, JSON, checks */
#include "stream/rec.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

#define T INT64_C(1795159433125000000) /* 2026-11-20T07:23:53.125Z */

static char buf[REC_TEXT];

static const char *as(const struct rec *r, enum rec_form form)
{
	long n = rec_format(r, form, buf, sizeof buf);

	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(refused)" : buf;
}

static enum rec_bad check(const char *line)
{
	struct rec_seen seen;
	return rec_check(line, strlen(line), &seen);
}

/* Lines that InfluxDB 1.6.7 was seen to store, or to refuse (slow-control reference 6.1, 6.3). */
static void checks(void)
{
	static const struct {
		const char *line;
		enum rec_bad want;
	} table[] = {
	    {"m v=1", REC_OK},
	    {"m v=1.5 1795159433125000000", REC_OK},
	    {"m,a=b,c=d v=1.5,w=-2e-3,x=5i,y=t,z=\"text\" -1", REC_OK},
	    {"Temperature\\ [K],location=Picosec\\ gas val=295.42 1", REC_OK},
	    {"m,a\\=b=c\\,d v=1", REC_OK},
	    {"m v=\"a \\\"quoted\\\" , = word\" 5", REC_OK},
	    {"m v=1.", REC_OK},
	    {"m v=.5", REC_OK},
	    {"m v=+5", REC_OK},
	    {"m v=1e10", REC_OK},
	    {"m v=True", REC_OK},
	    {"m v=5u", REC_OK},
	    {"", REC_NOTHING},
	    {"   ", REC_NOTHING},
	    {"# a comment", REC_NOTHING},
	    {",a=b v=1", REC_NO_NAME},
	    {"m", REC_NO_FIELD},
	    {"m ", REC_NO_FIELD},
	    {"m,a=b", REC_NO_FIELD},
	    {"m,a= v=1", REC_BAD_TAG},
	    {"m,=b v=1", REC_BAD_TAG},
	    {"m,a v=1", REC_BAD_TAG},
	    {"m, v=1", REC_BAD_TAG},
	    {"m,a=b=c v=1", REC_BAD_TAG},
	    {"m,a=1,b=2,a=3 v=1", REC_SAME_TAG},
	    {"m v", REC_BAD_FIELD},
	    {"m v=", REC_BAD_FIELD},
	    {"m =1", REC_BAD_FIELD},
	    {"m v=1,", REC_BAD_FIELD},
	    {"m v=1,,w=2", REC_BAD_FIELD},
	    {"m v=abc", REC_BAD_NUMBER},
	    {"m v=nan", REC_BAD_NUMBER},
	    {"m v=inf", REC_BAD_NUMBER},
	    {"m v=1.5i", REC_BAD_NUMBER},
	    {"m v=-1u", REC_BAD_NUMBER},
	    {"m v=9223372036854775807i", REC_OK},
	    {"m v=9223372036854775808i", REC_BAD_NUMBER},
	    {"m v=0x10", REC_BAD_NUMBER},
	    {"m v=1e", REC_BAD_NUMBER},
	    {"m v=-", REC_BAD_NUMBER},
	    {"m v=1e400", REC_NOT_FINITE},
	    {"m v=truE", REC_BAD_NUMBER},
	    {"m v=\"open", REC_BAD_STRING},
	    {"m v=\"x\"y", REC_BAD_STRING},
	    {"m v=1 noon", REC_BAD_TIME},
	    {"m v=1 1.5", REC_BAD_TIME},
	    {"m v=1 1795159433125000000\r", REC_CONTROL},
	    {"m v=1 99999999999999999999", REC_BAD_TIME},
	    {"m v=1 1 1", REC_BAD_TIME},
	    {"m time=1", REC_RESERVED},
	    {"295.42;96731;42.10;51234", REC_NO_FIELD},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		is_int(check(table[i].line), table[i].want, table[i].line);
}

static void limits(void)
{
	char *big = malloc(REC_LINE_MAX + 16);
	struct rec_seen seen;

	memset(big, 'a', REC_LINE_MAX + 16);
	memcpy(big, "m v=\"", 5);
	big[5 + 65536] = '"';
	is_int(rec_check(big, 5 + 65536 + 1, &seen), REC_OK, "a string of 64 KiB");
	big[5 + 65536] = 'a';
	big[6 + 65536] = '"';
	is_int(rec_check(big, 5 + 65536 + 2, &seen), REC_BAD_STRING, "one byte more is too much");
	is_int(rec_check(big, REC_LINE_MAX + 1, &seen), REC_TOO_LONG, "a line over 128 KiB");
	memset(big, 'k', 65536);
	memcpy(big + 65536, " v=1", 4);
	is_int(rec_check(big, 65540, &seen), REC_LONG_KEY, "a key over 64 KiB");
	free(big);
	is_int(rec_check("m v=1\0 w=2", 10, &seen), REC_CONTROL, "a NUL byte");
	is_int(rec_check("m,a=b v=1,s=\"x\" 42", 18, &seen), REC_OK, "what stands in a line:");
	ok(seen.timed && seen.time == 42 && seen.body == 15 && seen.strings && !seen.counts,
	    "a time, where it begins, a string, no unsigned number");
}

static void writing(void)
{
	struct rec r, other[REC_SPLIT];

	rec_begin(&r, "gas", T);
	rec_tag(&r, "location", "hut");
	rec_tag(&r, "board", "a b,c=d");
	rec_tag(&r, "empty", "");
	rec_real(&r, "temperature", "K", 295.42, REC_DIGITS);
	rec_real(&r, "pressure", "Pa", 96731, REC_DIGITS);
	rec_real(&r, "vmon", "V", 1500.04, 1);
	rec_real(&r, "broken", NULL, NAN, 1);
	rec_whole(&r, "stat", NULL, -3);
	rec_flag(&r, "on", true);
	rec_string(&r, "note", "say \"hi\" \\o/");
	is_str(as(&r, REC_LINE),
	    "gas,board=a\\ b\\,c\\=d,location=hut temperature=295.42,pressure=96731.0,vmon=1500.0,"
	    "stat=-3i,on=1i,note=\"say \\\"hi\\\" \\\\o/\" 1795159433125000000\n",
	    "a line: tags sorted, points in reals, no NaN, an empty tag left out");
	is_int(rec_head(&r, buf, sizeof buf) > 0, 1, "a table's head");
	ok(strncmp(buf, "# time\tmeasurement\tlocation\tboard\tempty\ttemperature [K]\t", 55) == 0,
	    "names and units");
	is_str(as(&r, REC_TSV),
	    "2026-11-20T07:23:53.125Z\tgas\thut\ta b,c=d\t-\t295.42\t96731.0\t1500.0\tnan\t-3\t1\t"
	    "say \"hi\" \\o/\n",
	    "a row");
	is_str(as(&r, REC_JSON),
	    "{\"time\":\"2026-11-20T07:23:53.125000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"hut\","
	    "\"board\":\"a "
	    "b,c=d\",\"empty\":\"\"},\"fields\":{\"temperature\":295.42,\"pressure\":96731.0,"
	    "\"vmon\":1500.0,\"broken\":null,\"stat\":-3,\"on\":true,\"note\":\"say \\\"hi\\\" "
	    "\\\\o/\"}}\n",
	    "JSON");

	rec_begin(&r, "a", 1);
	rec_real(&r, "v", NULL, 1e22, REC_DIGITS);
	rec_real(&r, "w", NULL, 0.1 + 0.2, REC_DIGITS);
	is_str(as(&r, REC_LINE), "a v=1e+22,w=0.30000000000000004 1\n",
	    "numbers read back as they were");
	is_int(check("a v=1e+22,w=0.30000000000000004 1"), REC_OK, "and our own check takes them");
	rec_begin(&r, "a", 1);
	rec_real(&r, "v", NULL, INFINITY, 1);
	is_str(as(&r, REC_LINE), "", "a reading without any number is no line");
	rec_tag(&r, "t", "two\nlines");
	is_str(as(&r, REC_LINE), "(refused)", "a newline cannot be smuggled in");
	rec_begin(&r, "a\\", 1);
	rec_whole(&r, "v", NULL, 1);
	is_str(as(&r, REC_LINE), "(refused)", "nor a backslash that would escape what follows");

	rec_begin(&r, "gas", T);
	rec_tag(&r, "location", "Picosec gas");
	rec_real(&r, "temperature", "K", 295.42, 2);
	rec_real(&r, "voc", "Ohm", 51234, 1);
	rec_flag(&r, "heating", false);
	size_t n = rec_rename(rec_names("picosec"), &r, other);
	is_int(n, 2, "the original's names: a measurement for each quantity");
	is_str(as(&other[0], REC_LINE),
	    "Temperature\\ [K],location=Picosec\\ gas val=295.42 1795159433125000000\n",
	    "Temperature [K]");
	is_str(as(&other[1], REC_LINE),
	    "VOC\\ [Ohm],location=Picosec\\ gas val=51234.0 1795159433125000000\n", "VOC [Ohm]");
	rec_begin(&r, "hv", T);
	rec_tag(&r, "channel", "3");
	rec_tag(&r, "board", "0");
	rec_tag(&r, "name", "mesh");
	rec_real(&r, "vmon", "V", 250, 1);
	rec_real(&r, "imon", "uA", 0.5, 3);
	rec_whole(&r, "stat", NULL, 1);
	is_int(rec_rename(rec_names("picosec"), &r, other), 1, "one measurement for a channel");
	is_str(as(&other[0], REC_LINE),
	    "HV,Board=0,Channel=3 VMon=250.0,IMon=0.500 1795159433125000000\n",
	    "HV with Board, Channel, VMon, IMon");
	ok(rec_names("nobody") == NULL, "an unknown set of names");
}

static void out(void)
{
	struct rec_out o = {.form = REC_TSV};
	struct rec r;
	char text[1024];
	int p[2];

	if (pipe(p) < 0)
		return;
	o.fd = p[1];
	for (int i = 0; i < 3; i++) {
		rec_begin(&r, i == 1 ? "b" : "a", 0);
		rec_real(&r, "v", "V", i, 1);
		is_int(rec_write(&o, &r), 0, "written");
	}
	ssize_t n = read(p[0], text, sizeof text - 1);
	text[n < 0 ? 0 : n] = '\0';
	is_str(text,
	    "# time\tmeasurement\tv [V]\n1970-01-01T00:00:00.000Z\ta\t0.0\n"
	    "# time\tmeasurement\tv "
	    "[V]\n1970-01-01T00:00:00.000Z\tb\t1.0\n1970-01-01T00:00:00.000Z\ta\t2.0\n",
	    "each table's head once");
	close(p[0]);
	close(p[1]);
}

static void tags(void)
{
	struct rec_tags t = {.n = 0};

	is_int(rec_tags_add(&t, "location=Picosec gas"), 0, "a tag");
	is_str(t.tag[0].value, "Picosec gas", "its value");
	is_int(rec_tags_add(&t, "location="), -1, "no value");
	is_int(rec_tags_add(&t, "=x"), -1, "no key");
	is_int(rec_tags_add(&t, "a=b\\"), -1, "a backslash at the end");
	is_int(rec_tags_add(&t, "a=b\nc"), -1, "a newline");
}

int main(void)
{
	checks();
	limits();
	writing();
	out();
	tags();
	return done_testing();
}
