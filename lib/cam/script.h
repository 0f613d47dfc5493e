/*
 * script.h - files of sequencer lines: checked whole before anything is done
 *
 * A line is a request (verbs.h). Empty lines, and what begins with #, are left out.
 */
#ifndef FYKE_SCRIPT_H
#define FYKE_SCRIPT_H

#include "cam/settings.h"

#define SCRIPT_LINES 10000
#define SCRIPT_SIZE  (4 << 20)

struct script_line {
	int number; /* in the file, from 1 */
	const char *text;
	size_t n;
};

struct script {
	int n;
	struct script_line *line;
};

/* Called for each line that is wrong. */
typedef void script_bad(void *ctx, int number, unsigned code, const char *why);

/* Takes the lines of text, which must outlive the script, from the line `from` on. How many are
 * wrong, or -1 with errno. */
int script_parse(
    struct script *s, const char *text, size_t n, int from, script_bad *bad, void *ctx);
void script_free(struct script *s);

/* What the server says of its settings and its camera. */
struct script_camera {
	struct settings set;
	struct cam_info info; /* width 0: the camera is off, and nobody knows */
};
void script_camera_unknown(struct script_camera *c);
void script_camera_hear(struct script_camera *c, const char *status); /* "xbin=2" */

/* The settings that this camera would refuse, each from what the lines before it have set. How many. */
int script_check(const struct script *s, const struct script_camera *c, script_bad *bad, void *ctx);

/* What a script will take. tint and mult are what the server has at the start, readout is s. */
struct script_plan {
	double tint, readout;
	int mult;
	int images;     /* the results from here on */
	double exposed; /* s of exposure */
};
void script_plan(const struct script *s, struct script_plan *p);

#endif
