/*
 * codes.h - five-digit codes: their symbols, tags and words, by the call that gave them
 *
 * 20001 to 20992 are those of Andor's SDK 2, which the other back ends use too; 00000 to 00011 are
 * seqd's own. The same code means different things from different calls, so that the key is
 * (call, code). The one table of server, client and Talker.
 */
#ifndef FYKE_CODES_H
#define FYKE_CODES_H

#include <stddef.h>

enum {
	SEQ_OK,
	SEQ_UNKNOWN,
	SEQ_NARGS,
	SEQ_RANGE,
	SEQ_BUSY,
	SEQ_NOTSUP,
	SEQ_ABORTED,
	SEQ_TIMEOUT,
	SEQ_DISK,
	SEQ_OFF,
	SEQ_LINE,
	SEQ_DENIED
};

enum {
	DRV_SUCCESS = 20002,
	DRV_ERROR_ACK = 20013,
	DRV_NO_NEW_DATA = 20024,
	DRV_TEMP_OFF = 20034,
	DRV_TEMP_NOT_STABILIZED = 20035,
	DRV_TEMP_STABILIZED = 20036,
	DRV_TEMP_NOT_REACHED = 20037,
	DRV_TEMP_OUT_RANGE = 20038,
	DRV_TEMP_NOT_SUPPORTED = 20039,
	DRV_TEMP_DRIFT = 20040,
	DRV_GENERAL_ERRORS = 20049,
	DRV_P1INVALID = 20066,
	DRV_P2INVALID = 20067,
	DRV_P3INVALID = 20068,
	DRV_P4INVALID = 20069,
	DRV_ACQUIRING = 20072,
	DRV_IDLE = 20073,
	DRV_TEMPCYCLE = 20074,
	DRV_NOT_INITIALIZED = 20075,
	DRV_P5INVALID = 20076,
	DRV_P6INVALID = 20077,
	DRV_INVALID_MODE = 20078,
	DRV_BINNING_ERROR = 20099,
	DRV_NOCAMERA = 20990,
	DRV_NOT_SUPPORTED = 20991
};

enum code_tag { CODE_NOTE, CODE_ASTRO, CODE_WARNING, CODE_ERROR, CODE_DEBUG };

struct code {
	unsigned code;
	const char *symbol;
	enum code_tag tag;
	const char *text; /* what it means */
	const char *todo; /* what to do; "" where nothing is to be done */
};

/* What code means from call ("-" or NULL: from no call). A code in no table is an ERROR with the
 * symbol "UNKNOWN_CODE". */
struct code code_find(const char *call, unsigned code);

/* The i-th row of the table without calls, or NULL after the last. */
const struct code *code_row(size_t i);

const char *code_tag_name(enum code_tag tag); /* "NOTE" */

/* What the Talker shows after the tag: "SYMBOL: text", and for what went wrong in a call
 * "SYMBOL: CALL CODE: text". Returns buf. */
char *code_shape(
    enum code_tag tag, unsigned code, const char *call, const char *text, char *buf, size_t size);

/* 0, or -1: no such tag. */
int code_tag_parse(const char *name, enum code_tag *tag);

/* A client's exit status after a final line (the symbols of base/cli.h). aborted_it: this client
 * asked for the end of its own exposure. */
int code_exit(enum code_tag tag, unsigned code, int aborted_it);

#endif
