/* query.c - queries in three languages, and answers as the servers' documents have them */
#include "bus/query.h"

#include <errno.h>
#include <stdlib.h>

#include "tap.h"

#define FROM INT64_C(1795159433000000000) /* 2026-11-20T07:23:53Z */

static char text[QUERY_TEXT], got[8192];

static int keep(void *ctx, const struct rec *r)
{
	size_t n = strlen(got);
	(void)ctx;
	long k = rec_format(r, REC_JSON, got + n, sizeof got - n);
	got[n + (size_t)(k < 0 ? 0 : k)] = '\0';
	return 0;
}

/* The answer in pieces of every size gives the same rows. */
static void answers(const struct query *a, enum query_kind kind, const char *answer,
    const char *want, const char *words)
{
	int bad = 0;

	for (size_t step = 1; step < 40; step += 6) {
		struct query_reader *r = query_reader_new(a, kind, keep, NULL);
		got[0] = '\0';
		int rc = 0;
		for (size_t i = 0; i < strlen(answer) && rc == 0; i += step)
			rc = query_feed(
			    r, answer + i, strlen(answer) - i < step ? strlen(answer) - i : step);
		rc = rc < 0 ? rc : query_end(r);
		if (rc < 0)
			snprintf(got, sizeof got, "%s", query_why(r));
		bad += strcmp(got, want) != 0;
		query_reader_free(r);
	}
	is_str(got, want, words);
	is_int(bad, 0, "however it is cut into pieces");
}

static void queries(void)
{
	struct query a = {
	    .db = "lab", .name = "Temperature [K]", .from = FROM, .to = FROM + 3600000000000};

	rec_tags_add(&a.tags, "location=Picosec gas");
	a.field[a.nfields++] = "val";
	is_int(query_text(&a, QUERY_V1, text), 0, "rows in InfluxQL");
	is_str(text,
	    "SELECT \"val\" FROM \"Temperature [K]\" WHERE time >= 1795159433000000000 AND time < "
	    "1795163033000000000 AND \"location\"='Picosec gas' GROUP BY *",
	    "quoted");
	a.mean = true;
	a.every = 60000000000;
	query_text(&a, QUERY_V1, text);
	is_str(text,
	    "SELECT MEAN(\"val\") AS \"val\" FROM \"Temperature [K]\" WHERE time >= "
	    "1795159433000000000 "
	    "AND time < 1795163033000000000 AND \"location\"='Picosec gas' GROUP BY "
	    "time(60000000000ns),* fill(none)",
	    "means of each minute");
	a.bucket = "B";
	query_text(&a, QUERY_V2, text);
	is_str(text,
	    "from(bucket: \"B\") |> range(start: 2026-11-20T07:23:53.000000000Z, stop: "
	    "2026-11-20T08:23:53.000000000Z) |> filter(fn: (r) => r._measurement == \"Temperature "
	    "[K]\" and "
	    "r[\"location\"] == \"Picosec gas\" and (r._field == \"val\")) |> "
	    "aggregateWindow(every: "
	    "60000000000ns, fn: mean, timeSrc: \"_start\", createEmpty: false)",
	    "the same in Flux");
	query_text(&a, QUERY_VICTORIA, text);
	is_str(text,
	    "{__name__=~\"Temperature \\\\[K\\\\]_(val)\",db=\"lab\",location=\"Picosec gas\"}",
	    "and for VictoriaMetrics");
	struct query evil = {.name = "a\" ; DROP DATABASE \\", .bucket = "b\" + ${x}", .to = 1};
	rec_tags_add(&evil.tags, "k=it's");
	query_text(&evil, QUERY_V1, text);
	ok(strstr(text, "FROM \"a\\\" ; DROP DATABASE \\\\\" WHERE") != NULL, text);
	ok(strstr(text, "\"k\"='it\\'s'") != NULL, "no name ends its quotes");
	query_text(&evil, QUERY_V2, text);
	ok(strstr(text, "bucket: \"b\\\" + \\${x}\"") != NULL, "nor becomes an expression of Flux");
}

static void v1(void)
{
	struct query a = {.db = "lab", .name = "w", .from = FROM};

	answers(&a, QUERY_V1,
	    "name,tags,time,b,i,s\n"
	    "w,\"loc=a\\,b\\=c\\ d\",1795159433125000000,true,5,\"q\"\"uo,te\"\n"
	    "w,loc=x,1795159434125000000,,-1.5e3,\n",
	    "{\"time\":\"2026-11-20T07:23:53.125000000Z\",\"measurement\":\"w\",\"tags\":{\"loc\":"
	    "\"a,b=c "
	    "d\"},"
	    "\"fields\":{\"b\":true,\"i\":5.0,\"s\":\"q\\\"uo,te\"}}\n"
	    "{\"time\":\"2026-11-20T07:23:54.125000000Z\",\"measurement\":\"w\",\"tags\":{\"loc\":"
	    "\"x\"},"
	    "\"fields\":{\"b\":null,\"i\":-1500.0,\"s\":null}}\n",
	    "CSV of InfluxDB 1");
	answers(&a, QUERY_V1, "error\n\"error parsing query\"\n", "the server reports an error",
	    "an error in the body");
	answers(
	    &a, QUERY_V1, "<html>\n", "<html>: not a row that InfluxDB writes", "a proxy's page");
	a.mean = true;
	answers(&a, QUERY_V1, "name,tags,time,mean_v\nw,,0,2.5\n",
	    "{\"time\":\"2026-11-20T07:23:53.000000000Z\",\"measurement\":\"w\",\"tags\":{},"
	    "\"fields\":{"
	    "\"v\":2.5}}\n",
	    "a mean has the time of the range's start");
}

static void v2(void)
{
	struct query a = {.bucket = "b", .name = "gas", .from = FROM};

	/* docs.influxdata.com, InfluxDB 2: annotated CSV without annotations, CR LF, a table each */
	answers(&a, QUERY_V2,
	    ",result,table,_start,_stop,_time,_value,_field,_measurement,location\r\n"
	    ",_result,0,2026-11-20T07:00:00Z,2026-11-20T08:00:00Z,2026-11-20T07:23:53.125Z,295.42,"
	    "temperature,gas,hut\r\n\r\n"
	    ",result,table,_start,_stop,_value,_field,_measurement,location\r\n"
	    ",_result,0,2026-11-20T07:00:00Z,2026-11-20T08:00:00Z,51234,voc,gas,hut\r\n\r\n",
	    "{\"time\":\"2026-11-20T07:23:53.125000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"hut\"},"
	    "\"fields\":{\"temperature\":295.42}}\n"
	    "{\"time\":\"2026-11-20T07:00:00.000000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"hut\"},"
	    "\"fields\":{\"voc\":51234.0}}\n",
	    "CSV of InfluxDB 2");
	answers(&a, QUERY_V2, ",error,reference\r\n,query terminated: memory,897\r\n",
	    "query terminated: memory", "an error in the body");
}

static void victoria(void)
{
	struct query a = {.db = "t", .name = "gas", .from = FROM};
	static const char answer[] =
	    "{\"metric\":{\"__name__\":\"gas_temperature\",\"location\":\"Picosec "
	    "\\\"gas\\\"\"},\"values\":"
	    "[295.5,296,null],\"timestamps\":[1795159433125,1795159493125,1795159494125]}\n";

	answers(&a, QUERY_VICTORIA, answer,
	    "{\"time\":\"2026-11-20T07:23:53.125000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"Picosec "
	    "\\\"gas\\\"\"},\"fields\":{\"temperature\":295.5}}\n"
	    "{\"time\":\"2026-11-20T07:24:53.125000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"Picosec "
	    "\\\"gas\\\"\"},\"fields\":{\"temperature\":296.0}}\n"
	    "{\"time\":\"2026-11-20T07:24:54.125000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"Picosec "
	    "\\\"gas\\\"\"},\"fields\":{\"temperature\":null}}\n",
	    "lines of VictoriaMetrics");
	a.mean = true;
	answers(&a, QUERY_VICTORIA, answer,
	    "{\"time\":\"2026-11-20T07:23:53.000000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"Picosec "
	    "\\\"gas\\\"\"},\"fields\":{\"temperature\":295.75}}\n",
	    "their mean");
	a.every = INT64_C(60000000000);
	answers(&a, QUERY_VICTORIA, answer,
	    "{\"time\":\"2026-11-20T07:23:00.000000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"Picosec "
	    "\\\"gas\\\"\"},\"fields\":{\"temperature\":295.5}}\n"
	    "{\"time\":\"2026-11-20T07:24:00.000000000Z\",\"measurement\":\"gas\",\"tags\":{"
	    "\"location\":"
	    "\"Picosec "
	    "\\\"gas\\\"\"},\"fields\":{\"temperature\":296.0}}\n",
	    "minute by minute");
	answers(&a, QUERY_VICTORIA, "{\"status\":\"error\"}\n", "not an answer of VictoriaMetrics",
	    "an error");
}

int main(void)
{
	queries();
	v1();
	v2();
	victoria();
	return done_testing();
}
