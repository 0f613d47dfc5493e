/*
 * verbs.h - the sequencer's commands: one table for server, client, help and scripts
 *
 *	request  = verb *( SP arg ) LF
 *	arg      = number | word | "quoted text"	in quotes \" and \\ ; first -t -f -d
 *
 * fyke-seq(5) is the document.
 */
#ifndef FYKE_VERBS_H
#define FYKE_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#define VERB_LINE 1023 /* longest request, without its end */
#define VERB_ARGS 64
#define VERB_TEXT 68 /* of a text argument: what a FITS card holds */
#define VERB_WHY  512

enum verb_id {
	VERB_EXPOSE,
	VERB_DARK,
	VERB_MEXPOSE,
	VERB_MDARK,
	VERB_ABORT,
	VERB_ADDTIME,
	VERB_READOUT,
	VERB_HOLD,
	VERB_RESUME,
	VERB_SAVE,
	VERB_BIN,
	VERB_XBIN,
	VERB_YBIN,
	VERB_XBEG,
	VERB_YBEG,
	VERB_XSIZE,
	VERB_YSIZE,
	VERB_RESETXY,
	VERB_DEFAULTS,
	VERB_AMPL,
	VERB_GAINH,
	VERB_GAINL,
	VERB_TEMP,
	VERB_COOLER,
	VERB_AUTOSAVE_ON,
	VERB_AUTOSAVE_OFF,
	VERB_BEEP_ON,
	VERB_BEEP_OFF,
	VERB_COMMENT,
	VERB_COMMENT1,
	VERB_OBJECT,
	VERB_IMAGETYPE,
	VERB_FILENAME,
	VERB_FILENAMESTD,
	VERB_TINT,
	VERB_MULT,
	VERB_LOG_COMMENT,
	VERB_WAIT,
	VERB_STATUS,
	VERB_HELP,
	VERB_VERSION,
	VERB_QUIT
};

/* What a verb may take before its arguments. */
enum { VERB_T = 1, VERB_F = 2 };

struct verb {
	enum verb_id id;
	const char *name;
	const char *alias; /* of which verb, or NULL */
	const char *args;  /* as usage shows them */
	int min, max;      /* arguments */
	const char *kinds; /* one letter each, the last one for all that follow (verb_check) */
	unsigned options;  /* VERB_T | VERB_F */
	bool link;         /* installed as a command of its own */
	const char *help;
};

/* The i-th verb, or NULL after the last. */
const struct verb *verb_row(size_t i);
const struct verb *verb_find(const char *name);

/* Names that resemble what was typed: "xbin, ybin", "" when there are none. */
char *verb_close(const char *name, char *buf, size_t size);

/* "xbin [-d] N" */
char *verb_usage(const struct verb *v, char *buf, size_t size);

struct verb_request {
	const struct verb *verb;
	bool t, f, d;
	int n;
	const char *arg[VERB_ARGS]; /* point into words */
	char words[VERB_LINE + 1];
};

/* Reads a line of n bytes: words, the verb, number and form of the arguments. 0, or the code of
 * what is wrong (SEQ_LINE, SEQ_UNKNOWN, SEQ_NARGS, SEQ_RANGE) with a sentence in why. */
unsigned verb_parse(const char *line, size_t n, struct verb_request *r, char why[VERB_WHY]);

/* Number and form of r's arguments. 0, or SEQ_NARGS or SEQ_RANGE with why. */
unsigned verb_check(const struct verb_request *r, char why[VERB_WHY]);

/* Appends a word to a line (a space before it unless the line is empty), in quotes where it needs
 * them. false: it does not fit. */
bool verb_add(char line[VERB_LINE + 1], const char *word);

/* For an argument of kind 's' and the like, which verb_check() passed. */
double verb_real(const char *text);
int verb_int(const char *text);

#endif
