/* codes.c - codes by call, the table compared with the documents' own, exit statuses */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cam/codes.h"
#include "tap.h"

/* Every line of the table of codes, "CODE TAB SYMBOL TAB MEANING TAB TAG", is in ours. */
static void compare(const char *path)
{
	char line[512], symbol[64], tag_name[16], want[600];
	FILE *f = fopen(path, "re");
	int lines = 0, wrong = 0, ours = 0;
	unsigned code;

	if (!f) {
		ok(true, "# SKIP there is no table of codes to compare with (FYKE_SAMPLES)");
		return;
	}
	while (fgets(line, sizeof line, f)) {
		enum code_tag tag;
		char *last = strrchr(line, '\t');
		if (sscanf(line, "%u\t%63[A-Za-z0-9_]", &code, symbol) != 2 || !last)
			continue;
		lines++;
		struct code c = code_find("-", code);
		bool good = sscanf(last, "\t%15s", tag_name) == 1 &&
		    code_tag_parse(tag_name, &tag) == 0 && strcmp(c.symbol, symbol) == 0 &&
		    c.tag == tag;
		snprintf(want, sizeof want, "%u is %s, %s", code, symbol, tag_name);
		if (!good)
			ok(false, want);
		wrong += !good;
	}
	fclose(f);
	for (size_t i = 0; code_row(i); i++)
		ours += code_row(i)->code >= 20001;
	is_int(wrong, 0, "symbol and tag of each code are those of the table");
	is_int(lines, 124, "all 124");
	is_int(ours, lines, "and ours has no others");
}

int main(void)
{
	const char *samples = getenv("FYKE_SAMPLES");
	char path[4096], text[200];

	snprintf(
	    path, sizeof path, "%s/../reference/andor-codes.tsv", samples ? samples : "/nowhere");
	compare(path);

	is_str(code_find("SetImage", 20002).text, "All parameters accepted", "20002 of SetImage");
	is_str(code_find("SetExposureTime", 20002).text, "Exposure time accepted",
	    "and of SetExposureTime");
	is_str(
	    code_find("SetImage", 20066).text, "horizontal binning refused", "20066 of SetImage");
	is_str(code_find("SetExposureTime", 20066).text, "exposure time refused",
	    "and of SetExposureTime");
	is_int(code_find("Initialize", 20992).tag, CODE_ERROR,
	    "a camera that another holds is an ERROR");
	is_int(code_find("-", 20992).tag, CODE_ASTRO, "in general it is not");
	is_str(
	    code_find("-", 20020).symbol, "DRV_PROC_UNKONWN_INSTRUCTION", "the vendor's spelling");
	is_str(code_find("SetImage", 20500).symbol, "UNKNOWN_CODE", "a code that is in no list");
	is_int(code_find("SetImage", 20500).tag, CODE_ERROR, "is an ERROR");
	for (size_t i = 0; code_row(i); i++)
		if (code_row(i)->tag != CODE_NOTE && code_row(i)->code != 6 && !*code_row(i)->todo)
			ok(false, code_row(i)->symbol);
	ok(true, "whatever is wrong, there is something to do");

	is_str(
	    code_shape(CODE_NOTE, 20002, "SetImage", "All parameters accepted", text, sizeof text),
	    "DRV_SUCCESS: All parameters accepted", "the Talker's shape");
	is_str(code_shape(CODE_ERROR, 20013, "StartAcquisition", "no reply", text, sizeof text),
	    "DRV_ERROR_ACK: StartAcquisition 20013: no reply", "a failure names call and code");

	is_int(code_exit(CODE_NOTE, 20002, 0), 0, "exit 0: done");
	is_int(code_exit(CODE_WARNING, 20002, 0), 0, "or done, but look at it");
	is_int(code_exit(CODE_ERROR, 20013, 0), 1, "exit 1: the camera reported an error");
	is_int(code_exit(CODE_ASTRO, SEQ_UNKNOWN, 0), 2, "exit 2: unknown verb");
	is_int(code_exit(CODE_ASTRO, SEQ_NARGS, 0), 2, "arguments");
	is_int(code_exit(CODE_ERROR, SEQ_LINE, 0), 2, "a line too long");
	is_int(code_exit(CODE_ERROR, SEQ_TIMEOUT, 0), 3, "exit 3: time-out");
	is_int(code_exit(CODE_ERROR, SEQ_DISK, 0), 3, "disk");
	is_int(code_exit(CODE_ASTRO, SEQ_RANGE, 0), 4, "exit 4: out of range");
	is_int(code_exit(CODE_ASTRO, SEQ_BUSY, 0), 4, "busy");
	is_int(code_exit(CODE_ASTRO, 20072, 0), 4, "acquiring");
	is_int(code_exit(CODE_ASTRO, 20991, 0), 4, "not supported");
	is_int(code_exit(CODE_ERROR, SEQ_DENIED, 0), 4, "denied");
	is_int(code_exit(CODE_WARNING, SEQ_ABORTED, 1), 130, "exit 130: aborted by Ctrl-C");
	is_int(code_exit(CODE_WARNING, SEQ_ABORTED, 0), 1, "exit 1: aborted by somebody else");
	return done_testing();
}
