/*
 * influx.h - InfluxDB 1 and 2 and VictoriaMetrics over HTTP: write lines, ask for rows
 *
 * One connection, kept open; one request at a time, which runs while the caller does other things
 * (a second connection runs beside it, influx_beside()):
 *
 *	influx_post(x, lines, n);
 *	while (!influx_step(x))
 *		influx_wait(x, &more, 1, deadline);
 *	... x's result
 *
 * Answers are judged by what the servers do (slow-control reference 6.2, 6.3, 6.7), and the
 * judgement says what to do next.
 */
#ifndef FYKE_INFLUX_H
#define FYKE_INFLUX_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFLUX_WHY   512
#define INFLUX_TOKEN 1024

struct influx_target {
	const char *url;          /* http://HOST:8086, with a path where a proxy wants one */
	const char *db, *rp;      /* InfluxDB 1 and VictoriaMetrics; rp may be NULL */
	const char *bucket, *org; /* InfluxDB 2: bucket is set, db is not */
	const char *precision;    /* of the times: "ns", "us", "ms", "s" */
	const char *token;        /* or user:password; NULL: none */
	bool gzip;
	int64_t patience; /* for a whole request, ns */
};

/* Reads the first line of a file that only its owner may read, into token. 0, or -1 with why. */
int influx_token(const char *path, char token[INFLUX_TOKEN], char why[INFLUX_WHY]);

struct influx;

/* The target's strings must outlive it. NULL with why. */
struct influx *influx_new(const struct influx_target *to, char why[INFLUX_WHY]);
void influx_free(struct influx *x);

/* A second connection to x's server, whose requests run at the same time: influx_wait() of x waits
 * for both. Free it before x. NULL: no memory. */
struct influx *influx_beside(struct influx *x);

/* Nanoseconds in "ns", "us", "ms" or "s"; 0: none of them. */
int64_t influx_unit(const char *precision);

/* Whether the host of url is this machine. */
bool influx_is_local(const char *url);

enum influx_judgement {
	INFLUX_STORED,    /* 2xx */
	INFLUX_BAD,       /* 400, 422: some line is refused; others may have been stored */
	INFLUX_TOO_LARGE, /* 413: send less at once */
	INFLUX_DENIED,    /* 401, 403: the token */
	INFLUX_NO_SUCH,   /* 404 and the like: the database, bucket or path */
	INFLUX_LATER      /* no answer, 429, 5xx: try again */
};

struct influx_result {
	enum influx_judgement is;
	long status;         /* of HTTP; 0: no answer */
	int64_t retry_after; /* ns that the server asks for; 0: it says nothing */
	int64_t dropped; /* of a partial write: lines the server says it dropped; -1: it does not */
	char why[INFLUX_WHY]; /* "401 unable to parse authentication credentials" */
};

/* Starts writing n bytes of lines, which must stay until the end. 0, or -1 with errno. */
int influx_post(struct influx *x, const char *lines, size_t n);

/* Gets what the body of an answer says, piece by piece. 0, or -1: stop. */
typedef int influx_sink(void *ctx, const char *data, size_t n);

/* Starts a query: path below the URL ("query?db=lab&q=..."), body NULL (GET) or of the given type
 * (POST). The answer's body goes to sink when its status is 200. */
int influx_ask(struct influx *x, const char *path, const char *body, const char *type,
    const char *accept, influx_sink *sink, void *ctx);

/* text for a URL, escaped; the caller frees. NULL: no memory. */
char *influx_escape(const char *text);

/* Moves a request on. True when none runs (any more). */
bool influx_step(struct influx *x);

/* Waits for the connection, for one of n more descriptors, for a signal, or until tim_mono() ==
 * deadline. */
void influx_wait(struct influx *x, struct pollfd *more, unsigned n, int64_t deadline);

const struct influx_result *influx_result(const struct influx *x);

/* Whether the last answer came from VictoriaMetrics. */
bool influx_is_victoria(const struct influx *x);

#endif
