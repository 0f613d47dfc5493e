/*
 * influxget.c - rows, or means, of a measurement over a range of time
 *
 * Asks InfluxDB 1 (--db) in InfluxQL, InfluxDB 2 (--bucket) in Flux, and VictoriaMetrics, which it
 * knows by its answer to /ping, through the export interface.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/tim.h"
#include "bus/query.h"
#include "bus/influx.h"
#include "stream/rec.h"

static const char *url, *db, *bucket, *org, *token_file, *measurement, *form = "tsv";
static const char *from_text = "-1h", *to_text = "now";
static int64_t every, patience = TIM_MIN;
static bool mean;
static struct cli_list tags, fields;

static const struct cli_option options[] = {
    {"url", 'u', CLI_STR, &url, "URL", "the server: http://localhost:8086", 0, 0},
    {"db", 0, CLI_STR, &db, "NAME", "database (InfluxDB 1, VictoriaMetrics)", 0, 0},
    {"bucket", 0, CLI_STR, &bucket, "NAME", "bucket (InfluxDB 2)", 0, 0},
    {"org", 0, CLI_STR, &org, "NAME", "organisation that owns it", 0, 0},
    {"token-file", 0, CLI_STR, &token_file, "FILE", "token, or user:password; mode 0600", 0, 0},
    {"measurement", 'm', CLI_STR, &measurement, "NAME", "what to read", 0, 0},
    {"tag", 0, CLI_LIST, &tags, "KEY=VALUE", "only rows with this tag (again for more)", 0, 0},
    {"field", 0, CLI_LIST, &fields, "NAME", "only this field (again for more)", 0, 0},
    {"from", 0, CLI_STR, &from_text, "TIME", "2026-11-20T07:00:00Z, or -1h: an hour ago (-1h)", 0,
	0},
    {"to", 0, CLI_STR, &to_text, "TIME", "the first moment that is not asked for (now)", 0, 0},
    {"mean", 0, CLI_FLAG, &mean, NULL, "means, one for each series and field", 0, 0},
    {"every", 0, CLI_TIME, &every, "TIME", "a mean for each stretch of so long", TIM_MS,
	3660 * TIM_DAY},
    {"format", 'O', CLI_STR, &form, "FORM", "tsv or json (tsv)", 0, 0},
    {"patience", 0, CLI_TIME, &patience, "TIME", "for the whole answer (1m)", TIM_MS, TIM_DAY},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static struct tally tally = {.unit = "rows"};
static const struct cli_program program = {.name = "influxget",
    .about = "read rows or means from InfluxDB 1 and 2 or VictoriaMetrics",
    .options = options,
    .tally = &tally};

static struct query query;
static struct influx *influx;
static struct influx_target target;
static char token[INFLUX_TOKEN];
static struct rec_out out = {.fd = STDOUT_FILENO};
static int write_error;

/* ---- options ---- */

static int64_t moment(const char *option, const char *text, int64_t now)
{
	int64_t t;

	if (strcmp(text, "now") == 0)
		return now;
	if (*text == '-' && tim_duration(text + 1, &t) == 0)
		return now - t;
	if (tim_parse(text, &t) == 0)
		return t;
	cli_die(EXIT_USAGE, "--%s: '%.40s' is neither 2026-11-20T07:00:00Z nor -1h nor now", option,
	    text);
}

static void read_options(void)
{
	char why[INFLUX_WHY];
	int64_t now = tim_now();

	if (!url || !measurement || (db != NULL) + (bucket != NULL) != 1)
		cli_die(EXIT_USAGE, "give -u URL, -m MEASUREMENT, and --db NAME or --bucket NAME");
	if (every && !mean)
		cli_die(EXIT_USAGE, "--every goes with --mean");
	if (rec_form(form, &out.form) < 0 || out.form == REC_LINE)
		cli_die(EXIT_USAGE, "--format: '%.32s' is not tsv or json", form);
	if (token_file && influx_token(token_file, token, why) < 0)
		cli_die(EXIT_USAGE, "--token-file: %s", why);
	query = (struct query){.db = db,
	    .bucket = bucket,
	    .org = org,
	    .name = measurement,
	    .mean = mean,
	    .every = every};
	query.from = moment("from", from_text, now);
	query.to = moment("to", to_text, now);
	if (query.from >= query.to)
		cli_die(EXIT_USAGE, "--from=%s is not before --to=%s", from_text, to_text);
	for (size_t i = 0; i < tags.n; i++)
		if (rec_tags_add(&query.tags, tags.item[i]) < 0)
			cli_die(EXIT_USAGE, "--tag: '%.100s' is not KEY=VALUE", tags.item[i]);
	if (fields.n > QUERY_FIELDS)
		cli_die(EXIT_USAGE, "more than %d fields", QUERY_FIELDS);
	for (size_t i = 0; i < fields.n; i++)
		query.field[query.nfields++] = fields.item[i];
	target = (struct influx_target){.url = url,
	    .db = db,
	    .bucket = bucket,
	    .org = org,
	    .precision = "ns",
	    .token = token_file ? token : NULL,
	    .patience = patience};
}

/* ---- a request and its answer ---- */

static int show(void *ctx, const struct rec *r)
{
	(void)ctx;
	tally.in++;
	if (rec_write(&out, r) < 0) {
		write_error = errno;
		tally.held++;
		return -1;
	}
	tally.out++;
	return 0;
}

static int take(void *ctx, const char *data, size_t n)
{
	return query_feed(ctx, data, n);
}

/* The start of an answer that should be short. */
struct head {
	size_t n;
	char text[512];
};

static int keep_head(void *ctx, const char *data, size_t n)
{
	struct head *h = ctx;

	for (size_t i = 0; i < n && h->n + 1 < sizeof h->text; i++)
		h->text[h->n++] = data[i];
	h->text[h->n] = '\0';
	return 0;
}

static const struct influx_result *request(const char *path, const char *body, const char *type,
    const char *accept, influx_sink *sink, void *ctx)
{
	if (influx_ask(influx, path, body, type, accept, sink, ctx) < 0)
		cli_die(EXIT_USAGE, "the query is too long");
	while (!influx_step(influx)) {
		cli_tick();
		if (cli_stopping())
			cli_die(EXIT_CTRL_C, "stopped before the answer was complete");
		influx_wait(influx, NULL, 0, tim_mono() + TIM_S);
	}
	return influx_result(influx);
}

/* What a server's refusal means here; writing errors and unreadable answers are told elsewhere. */
static enum cli_exit status_of(const struct influx_result *r)
{
	static const enum cli_exit code[] = {[INFLUX_STORED] = EXIT_DONE,
	    [INFLUX_BAD] = EXIT_DATA,
	    [INFLUX_TOO_LARGE] = EXIT_DATA,
	    [INFLUX_DENIED] = EXIT_REFUSED,
	    [INFLUX_NO_SUCH] = EXIT_REFUSED,
	    [INFLUX_LATER] = EXIT_SYSTEM};
	char safe[4 * INFLUX_WHY];

	if (r->is != INFLUX_STORED)
		cli_error("%s: %s", url, cli_safe(safe, sizeof safe, r->why, strlen(r->why)));
	return code[r->is];
}

static enum query_kind what_server(void)
{
	if (bucket)
		return QUERY_V2;
	struct head h = {.n = 0};
	const struct influx_result *r = request("ping", NULL, NULL, "*/*", keep_head, &h);
	if (r->is == INFLUX_LATER)
		exit(cli_end(status_of(r)));
	return influx_is_victoria(influx) ? QUERY_VICTORIA : QUERY_V1;
}

static void tell_nothing(void)
{
	cli_warn("no rows of '%s'%s in that time", measurement,
	    tags.n + fields.n > 0 ? " with these tags and fields" : "");
}

/* InfluxDB 1 answers in CSV with nothing at all where JSON would say "database not found". */
static enum cli_exit why_nothing(const char *path)
{
	struct head h = {.n = 0};

	(void)request(path, NULL, NULL, "application/json", keep_head, &h);
	const char *error = strstr(h.text, "\"error\":\"");
	if (!error) {
		tell_nothing();
		return EXIT_DONE;
	}
	char safe[1024];
	error += strlen("\"error\":\"");
	cli_error("%s: %s", url, cli_safe(safe, sizeof safe, error, strcspn(error, "\"}")));
	return strstr(error, "not found") ? EXIT_REFUSED : EXIT_DATA;
}

static enum cli_exit run(void)
{
	static const char *const accept[] = {[QUERY_V1] = "application/csv",
	    [QUERY_V2] = "application/csv",
	    [QUERY_VICTORIA] = "*/*"};
	enum query_kind kind = what_server();
	char text[QUERY_TEXT], path[3 * QUERY_TEXT + 256];

	if (query_text(&query, kind, text) < 0)
		cli_die(EXIT_USAGE, "the query is too long, or a name holds a control character");
	char *q = influx_escape(text), *where = influx_escape(bucket ? org ? org : "" : db);
	struct query_reader *reader = query_reader_new(&query, kind, show, NULL);
	if (!q || !where || !reader)
		cli_die(EXIT_SYSTEM, "no memory");
	if (kind == QUERY_V1)
		snprintf(path, sizeof path, "query?db=%s&epoch=ns&q=%s", where, q);
	else if (kind == QUERY_V2)
		snprintf(path, sizeof path, "api/v2/query?org=%s", where);
	else
		snprintf(path, sizeof path, "api/v1/export?match%%5B%%5D=%s&start=%.3f&end=%.3f", q,
		    (double)query.from / 1e9, (double)(query.to - TIM_MS) / 1e9);
	const struct influx_result *r = request(path, kind == QUERY_V2 ? text : NULL,
	    "application/vnd.flux", accept[kind], take, reader);
	bool whole = r->is == INFLUX_STORED && query_end(reader) == 0;
	enum cli_exit code = EXIT_DONE;
	if (write_error == EPIPE) {
		cli_pipe_gone();
	} else if (write_error) {
		cli_error("standard output: %s", strerror(write_error));
		code = EXIT_SYSTEM;
	} else if (!whole && *query_why(reader)) {
		cli_error("%s: %s", url, query_why(reader));
		code = EXIT_DATA;
	} else if (!whole) {
		code = status_of(r);
	} else if (tally.in == 0 && kind == QUERY_V1) {
		code = why_nothing(path);
	} else if (tally.in == 0) {
		tell_nothing();
	}
	query_reader_free(reader);
	free(q);
	free(where);
	return code;
}

int main(int argc, char **argv)
{
	char why[INFLUX_WHY];

	cli_begin(argc, argv, &program);
	read_options();
	if (!(influx = influx_new(&target, why)))
		cli_die(EXIT_USAGE, "--url: %s", why);
	enum cli_exit code = run();
	influx_free(influx);
	return cli_end(code);
}
