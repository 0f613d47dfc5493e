/*
 * statfile.h - what a program's --status=FILE says (fyke-config(5), Status)
 */
#ifndef FYKE_STATFILE_H
#define FYKE_STATFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATFILE_MOST 65536

struct statfile {
	char program[64], name[64], state[16], unit[32], why[256];
	int64_t time;                      /* TIM_NONE: none */
	uint64_t pid, in, out, held, lost; /* lost: the sum */
	char reasons[256];                 /* "late 3, duplicate 1" */
	uint64_t queue_used, queue_size;
};

/* 0, or what is wrong. Takes any JSON object; members that it does not know are passed over. */
const char *statfile_parse(const char *text, size_t n, struct statfile *s);

/* A table for people, a row a program: its heading, and the row of the file at path, or why there
 * is none. A program that runs and has not written for 5 s before now is SILENT. json: the file as
 * it is, on one line. Return the length, less than size. */
size_t statfile_heading(char *to, size_t size);
size_t statfile_row(const char *path, bool json, int64_t now, char *to, size_t size);

#endif
