/* talker.c - a message to the Talker, the observer's log */
#include <errno.h>
#include <string.h>

#include "base/cli.h"
#include "cam/talker.h"

static const char *tag_name = "NOTE", *command = "talker";
static char ident[48] = "seq.";
static struct talker t = {.ident = ident};

static const struct cli_option options[] = {
    {"tag", 'p', CLI_STR, &tag_name, "TAG", "NOTE, ASTRO, WARNING, ERROR or DEBUG (NOTE)", 0, 0},
    {"ident", 'i', CLI_STR, &command, "COMMAND", "who says it: seq.COMMAND (talker)", 0, 0},
    TALKER_OPTIONS(t), {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "talker",
    .args = "MESSAGE",
    .about = "sends a message to the Talker, the observer's log",
    .options = options,
    .min_args = 1,
    .max_args = 1};

int main(int argc, char **argv)
{
	const char *const *args = cli_begin(argc, argv, &program);
	enum code_tag tag;

	strncat(ident, command, sizeof ident - strlen(ident) - 1);
	if (code_tag_parse(tag_name, &tag) < 0)
		cli_die(EXIT_USAGE, "-p %s: NOTE, ASTRO, WARNING, ERROR or DEBUG is expected",
		    tag_name);
	if (talker_place(&t) < 0)
		cli_die(EXIT_USAGE, "--facility=%s: local0 to local7 are expected", t.place);
	if (ident[strcspn(ident, " :[]")])
		cli_die(EXIT_USAGE, "-i %s: a word without blanks, colons and brackets is expected",
		    command);
	if (talker_send(&t, tag, args[0]) < 0)
		cli_die(EXIT_SYSTEM, "not delivered to %s: %s", talker_where(&t), strerror(errno));
	return cli_end(EXIT_DONE);
}
