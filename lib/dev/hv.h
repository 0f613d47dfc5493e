/*
 * hv.h - the line protocol of CAEN N14xx, NDT14xx, DT14xxET and R14xxET high-voltage supplies
 *
 *	$BD:00,CMD:MON,CH:0,PAR:VMON			read a channel; CH:4 of four channels: all
 *	$BD:00,CMD:MON,PAR:BDNAME			read the board
 *	$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1500.0		write
 *	$BD:00,CMD:SET,CH:0,PAR:ON			switch
 *	#BD:00,CMD:OK	#BD:00,CMD:OK,VAL:1500.0	#BD:00,CMD:OK,VAL:1;2;3;4	#BD:00,CH:ERR
 *
 * Source: CAEN manuals UM2619 (N1419) p. 30, N1471A rev. 19 p. 31, UM2027 (NDT1470) p. 24-26.
 * Works on bytes. Text is read strictly but for three habits of programs in the field: a colon
 * after the board number, CH0 without its colon, and VAL:0 after ON and OFF. What is written is
 * always the manual's form, so a line that was read and written again holds nothing else.
 */
#ifndef FYKE_HV_H
#define FYKE_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_PORT     "1470"
#define HV_LINE     256 /* longest line, its end included, either way */
#define HV_VALUE    24  /* a value, with its NUL */
#define HV_BOARDS   32
#define HV_CHANNELS 16 /* the largest model has 8 */
#define HV_WHY      256

enum hv_par {
	/* of a channel */
	HV_VSET,
	HV_VMIN,
	HV_VMAX,
	HV_VDEC,
	HV_VMON,
	HV_ISET,
	HV_IMIN,
	HV_IMAX,
	HV_ISDEC,
	HV_IMON,
	HV_IMRANGE,
	HV_IMDEC,
	HV_MAXV,
	HV_MVMIN,
	HV_MVMAX,
	HV_MVDEC,
	HV_RUP,
	HV_RUPMIN,
	HV_RUPMAX,
	HV_RUPDEC,
	HV_RDW,
	HV_RDWMIN,
	HV_RDWMAX,
	HV_RDWDEC,
	HV_TRIP,
	HV_TRIPMIN,
	HV_TRIPMAX,
	HV_TRIPDEC,
	HV_PDWN,
	HV_POL,
	HV_STAT,
	HV_ON,
	HV_OFF,
	HV_ZCADJ,
	/* of the board */
	HV_BDNAME,
	HV_BDNCH,
	HV_BDFREL,
	HV_BDSNUM,
	HV_BDILK,
	HV_BDILKM,
	HV_BDCTR,
	HV_BDTERM,
	HV_BDALARM,
	HV_BDCLR,
	/* of hvmux, which a supply does not know (PAR:ERR) */
	HV_MUXBDS,  /* how many boards it has */
	HV_MUXWHY,  /* why it last said ERR to this client */
	HV_MUXVMAX, /* of a channel, its limits: a number, "none", or "forbidden" to this client */
	HV_MUXIMAX,
	HV_MUXRMAX,
	HV_PARS
};

enum hv_type {
	HV_NUMBER,
	HV_WORD,   /* one of a few words */
	HV_TEXT,   /* anything printable */
	HV_NOTHING /* a command without value */
};

struct hv_info {
	const char *name;
	bool channel;     /* takes CH */
	bool read, write; /* MON, SET */
	enum hv_type type;
	const char *unit;  /* "V", "uA", "V/s", "s", "" */
	const char *words; /* of HV_WORD: "RAMP KILL" */
};
const struct hv_info *hv_info(enum hv_par p);

/* What an error reply says; HV_FINE is none. */
enum hv_error { HV_FINE, HV_ERR_CMD, HV_ERR_CH, HV_ERR_PAR, HV_ERR_VAL, HV_ERR_LOC };
const char *hv_error_text(enum hv_error e); /* "VAL:ERR: the value is out of range" */

struct hv_request {
	int board; /* 0 to 31; 0 when the line does not say */
	bool set;
	int channel; /* -1: of the board */
	enum hv_par par;
	char value[HV_VALUE]; /* "": none */
};

/* Reads one line (without its end). HV_FINE, or what a supply would answer: r->board is always
 * set. A value must be a plain decimal number or one of the parameter's words. */
enum hv_error hv_read_request(const char *line, size_t n, struct hv_request *r);

/* Writes the request with CR LF. Returns the length. */
size_t hv_write_request(const struct hv_request *r, char line[HV_LINE]);

struct hv_reply {
	int board;
	enum hv_error error;
	int nvalues; /* 0: none */
	char value[HV_CHANNELS][HV_VALUE];
};

/* Reads one line. 0, or -1 when it is no reply. */
int hv_read_reply(const char *line, size_t n, struct hv_reply *r);
size_t hv_write_reply(const struct hv_reply *r, char line[HV_LINE]);

/* Whether the reply can be an answer to the request, on a board of nch channels (0: not known):
 * its board, how many values, and their form. */
bool hv_fits(const struct hv_request *q, const struct hv_reply *r, int nch);

/* A plain decimal number: digits, at most one point. 0, or -1. */
int hv_number(const char *text, double *v);

/* STAT as names joined by ',': "ON,RUP"; "OFF" for 0. Returns buf. */
#define HV_STAT_TEXT 96
char *hv_stat_text(unsigned stat, char buf[HV_STAT_TEXT]);

enum hv_stat {
	HV_STAT_ON = 1 << 0,
	HV_STAT_RUP = 1 << 1,
	HV_STAT_RDW = 1 << 2,
	HV_STAT_OVC = 1 << 3,
	HV_STAT_OVV = 1 << 4,
	HV_STAT_UNV = 1 << 5,
	HV_STAT_MAXV = 1 << 6,
	HV_STAT_TRIP = 1 << 7,
	HV_STAT_OVP = 1 << 8,
	HV_STAT_OVT = 1 << 9,
	HV_STAT_DIS = 1 << 10,
	HV_STAT_KILL = 1 << 11,
	HV_STAT_ILK = 1 << 12,
	HV_STAT_NOCAL = 1 << 13
};
#define HV_STAT_BITS 14
const char *hv_stat_name(int bit); /* "on", "rup", ... in lower case */

/* What has switched a channel off, or keeps it off. */
#define HV_STAT_FAULT                                                                              \
	(HV_STAT_TRIP | HV_STAT_OVP | HV_STAT_OVT | HV_STAT_KILL | HV_STAT_ILK | HV_STAT_NOCAL)

/* BDALARM as names, for boards of up to 4 channels (the layout of larger ones is not known). */
char *hv_alarm_text(unsigned alarm, int nch, char buf[HV_STAT_TEXT]);

/* "BOARD.CHANNEL" or "CHANNEL" (of board 0). 0, or -1. */
int hv_place(const char *text, int *board, int *channel);

#endif
