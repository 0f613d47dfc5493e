/* query.c - asks a time-series database for rows or means, and reads the answer */
#include "query.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/tim.h"
#include "base/why.h"
#include "csv.h"

#define LINE_MOST ((size_t)64 << 20) /* a series as VictoriaMetrics exports it */

/* ---- the query ---- */

struct text {
	char *buf;
	size_t n;
	bool bad;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(t->buf + t->n, QUERY_TEXT - t->n, format, ap);
	va_end(ap);
	t->bad |= n < 0 || (size_t)n >= QUERY_TEXT - t->n;
	t->n += t->bad ? 0 : (size_t)n;
}

/* s in quotes; the quote, the backslash and the bytes of `more` get a backslash. */
static void put_quoted(struct text *t, char quote, const char *s, const char *more)
{
	put(t, "%c", quote);
	for (; *s; s++) {
		t->bad |= (unsigned char)*s < 0x20;
		if (*s == quote || *s == '\\' || strchr(more, *s))
			put(t, "\\");
		put(t, "%c", *s);
	}
	put(t, "%c", quote);
}

/* SELECT MEAN("val") AS "val" FROM "Temperature [K]" WHERE ... GROUP BY time(60000000000ns),* */
static void influxql(const struct query *a, struct text *t)
{
	put(t, "SELECT ");
	for (size_t i = 0; i < a->nfields; i++) {
		put(t, i ? "," : "");
		put(t, a->mean ? "MEAN(" : "");
		put_quoted(t, '"', a->field[i], "");
		if (a->mean) {
			put(t, ") AS ");
			put_quoted(t, '"', a->field[i], "");
		}
	}
	if (a->nfields == 0)
		put(t, a->mean ? "MEAN(*)" : "*");
	put(t, " FROM ");
	put_quoted(t, '"', a->name, "");
	put(t, " WHERE time >= %lld AND time < %lld", (long long)a->from, (long long)a->to);
	for (size_t i = 0; i < a->tags.n; i++) {
		put(t, " AND ");
		put_quoted(t, '"', a->tags.tag[i].key, "");
		put(t, "=");
		put_quoted(t, '\'', a->tags.tag[i].value, "");
	}
	put(t, " GROUP BY ");
	if (a->mean && a->every)
		put(t, "time(%lldns),* fill(none)", (long long)a->every);
	else
		put(t, "*");
}

/* "${" would be an expression in a Flux string: the dollar gets a backslash too. */
static void flux_string(struct text *t, const char *s)
{
	put_quoted(t, '"', s, "$");
}

static void flux(const struct query *a, struct text *t)
{
	char from[TIM_TEXT], to[TIM_TEXT];

	put(t, "from(bucket: ");
	flux_string(t, a->bucket);
	put(t, ") |> range(start: %s, stop: %s)", tim_text(a->from, 9, from),
	    tim_text(a->to, 9, to));
	put(t, " |> filter(fn: (r) => r._measurement == ");
	flux_string(t, a->name);
	for (size_t i = 0; i < a->tags.n; i++) {
		put(t, " and r[");
		flux_string(t, a->tags.tag[i].key);
		put(t, "] == ");
		flux_string(t, a->tags.tag[i].value);
	}
	for (size_t i = 0; i < a->nfields; i++) {
		put(t, i ? " or r._field == " : " and (r._field == ");
		flux_string(t, a->field[i]);
	}
	put(t, a->nfields ? "))" : ")");
	if (a->mean && a->every)
		put(t,
		    " |> aggregateWindow(every: %lldns, fn: mean, timeSrc: \"_start\", "
		    "createEmpty: false)",
		    (long long)a->every);
	else if (a->mean)
		put(t, " |> mean()");
}

/* A name in a regular expression of VictoriaMetrics. */
static void put_pattern(struct text *t, const char *s)
{
	for (; *s; s++) {
		t->bad |= (unsigned char)*s < 0x20;
		/* a backslash for the expression, and one for the string that holds it */
		if (strchr(".+*?()|[]{}^$", *s))
			put(t, "\\\\");
		else if (*s == '\\')
			put(t, "\\\\\\");
		else if (*s == '"')
			put(t, "\\");
		put(t, "%c", *s);
	}
}

/* {__name__=~"gas_(temperature|voc)",db="lab",location="hut"} */
static void selector(const struct query *a, struct text *t)
{
	put(t, "{__name__=~\"");
	put_pattern(t, a->name);
	put(t, "_(");
	for (size_t i = 0; i < a->nfields; i++) {
		put(t, i ? "|" : "");
		put_pattern(t, a->field[i]);
	}
	put(t, a->nfields ? ")\"" : ".+)\"");
	if (a->db) {
		put(t, ",db=");
		put_quoted(t, '"', a->db, "");
	}
	for (size_t i = 0; i < a->tags.n; i++) {
		put(t, ",%s=", a->tags.tag[i].key);
		put_quoted(t, '"', a->tags.tag[i].value, "");
	}
	put(t, "}");
}

int query_text(const struct query *a, enum query_kind kind, char text[QUERY_TEXT])
{
	struct text t = {.buf = text};

	text[0] = '\0';
	if (kind == QUERY_V1)
		influxql(a, &t);
	else if (kind == QUERY_V2)
		flux(a, &t);
	else
		selector(a, &t);
	return t.bad ? -1 : 0;
}

/* ---- the answer ---- */

struct query_reader {
	const struct query *a;
	enum query_kind kind;
	query_row *row;
	void *ctx;
	char why[256];
	struct csv csv;
	size_t ncolumns;
	char column_text[CSV_ROW]; /* the names of the columns */
	char *column[CSV_CELLS];
	char *line; /* JSON, under way */
	size_t line_n, line_size;
};

struct query_reader *query_reader_new(
    const struct query *a, enum query_kind kind, query_row *row, void *ctx)
{
	struct query_reader *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->a = a;
	r->kind = kind;
	r->row = row;
	r->ctx = ctx;
	return r;
}

void query_reader_free(struct query_reader *r)
{
	if (r)
		free(r->line);
	free(r);
}

const char *query_why(const struct query_reader *r)
{
	return r->why;
}

#define fail(r, ...) why_fail((r)->why, sizeof(r)->why, EPROTO, __VA_ARGS__)

/* A mean has no more digits than its sum is good for: 295.405, not 295.40500000000003. */
static double round_mean(double v)
{
	char text[40];

	snprintf(text, sizeof text, "%.12g", v);
	return strtod(text, NULL);
}

/* A cell as what it looks like: CSV does not say the type. */
static void add_value(
    const struct query_reader *r, struct rec *rec, const char *key, const char *text)
{
	double v;

	if (!*text)
		rec_real(rec, key, NULL, NAN, REC_DIGITS);
	else if (conf_real(text, &v) == 0)
		rec_real(rec, key, NULL, r->a->mean ? round_mean(v) : v, REC_DIGITS);
	else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		rec_flag(rec, key, *text == 't');
	else
		rec_string(rec, key, text);
}

/* board=0,location=Picosec\ gas: key and value at a time, unescaped in place. */
static void add_tags(struct rec *rec, char *s)
{
	while (*s) {
		char *key = s, *value = NULL, *to = s;
		for (; *s && *s != ','; s++) {
			if (*s == '\\' && s[1]) {
				*to++ = *++s;
			} else if (*s == '=' && !value) {
				*to++ = '\0';
				value = to;
			} else {
				*to++ = *s;
			}
		}
		s += *s == ',';
		*to = '\0';
		rec_tag(rec, key, value ? value : "");
	}
}

static int keep_columns(struct query_reader *r, char **cell, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(cell[i]) + 1;
		memcpy(r->column_text + used, cell[i], len); /* they fit: they were one row */
		r->column[i] = r->column_text + used;
		used += len;
	}
	r->ncolumns = n;
	return 0;
}

/* mean_vmon is vmon: MEAN(*) names its columns so. */
static const char *plain_name(const struct query *a, const char *column)
{
	return a->mean && a->nfields == 0 && strncmp(column, "mean_", 5) == 0 ? column + 5 : column;
}

/* name,tags,time,field...: the head comes again when the fields change. */
static int row_v1(struct query_reader *r, char **cell, size_t n)
{
	struct rec rec;
	long long time;

	if (strcmp(cell[0], "error") == 0 && n == 1)
		return fail(r, "the server reports an error");
	if (n >= 3 && strcmp(cell[0], "name") == 0 && strcmp(cell[2], "time") == 0)
		return keep_columns(r, cell, n);
	if (n == 1 && !*cell[0])
		return 0;
	if (n != r->ncolumns || conf_int(cell[2], INT64_MIN, INT64_MAX, &time) < 0)
		return fail(r, "%.100s: not a row that InfluxDB writes", cell[0]);
	rec_begin(&rec, cell[0], time == 0 && r->a->mean ? r->a->from : time);
	add_tags(&rec, cell[1]);
	for (size_t i = 3; i < n; i++)
		add_value(r, &rec, plain_name(r->a, r->column[i]), cell[i]);
	return r->row(r->ctx, &rec);
}

/* ,result,table,_start,_stop,_time,_value,_field,_measurement,tag...: a head for each table. */
static int row_v2(struct query_reader *r, char **cell, size_t n)
{
	const char *value = NULL, *field = NULL, *when = NULL, *start = NULL;
	struct rec rec;
	int64_t time;

	if (cell[0][0] == '#' || (n == 1 && !*cell[0])) {
		r->ncolumns = n == 1 ? 0 : r->ncolumns; /* a table ends */
		return 0;
	}
	if (r->ncolumns == 0) {
		(void)keep_columns(r, cell, n);
		return 0;
	}
	if (n > 1 && n == r->ncolumns && strcmp(r->column[1], "error") == 0)
		return fail(r, "%.200s", cell[1]);
	rec_begin(&rec, r->a->name, 0);
	for (size_t i = 0; i < n && i < r->ncolumns; i++) {
		const char *c = r->column[i];
		if (strcmp(c, "_value") == 0)
			value = cell[i];
		else if (strcmp(c, "_field") == 0)
			field = cell[i];
		else if (strcmp(c, "_time") == 0)
			when = cell[i];
		else if (strcmp(c, "_start") == 0)
			start = cell[i];
		else if (*c && *c != '_' && strcmp(c, "result") != 0 && strcmp(c, "table") != 0)
			rec_tag(&rec, c, cell[i]);
	}
	when = when ? when : start;
	if (n != r->ncolumns || !value || !field || !when || tim_parse(when, &time) < 0)
		return fail(r, "not a row that InfluxDB 2 writes");
	rec.time = time;
	add_value(r, &rec, field, value);
	return r->row(r->ctx, &rec);
}

static int any_row(void *ctx, char **cell, size_t n)
{
	struct query_reader *r = ctx;
	return r->kind == QUERY_V1 ? row_v1(r, cell, n) : row_v2(r, cell, n);
}

/* ---- VictoriaMetrics: {"metric":{"__name__":"gas_voc",...},"values":[...],"timestamps":[...]} ---- */

/* A JSON string at *p, unescaped in place; NULL: there is none. */
static char *json_string(char **p)
{
	char *s = *p, *to, *out;

	if (*s++ != '"')
		return NULL;
	for (out = to = s; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		*to++ = *s;
	}
	if (*s != '"')
		return NULL;
	*p = s + 1;
	*to = '\0';
	return out;
}

/* The labels become tags; __name__ gives the field: what follows the measurement's name. */
static const char *json_metric(struct query_reader *r, char **p, struct rec *rec)
{
	size_t n = strlen(r->a->name);
	const char *field = NULL;

	do {
		char *key, *value;
		++*p; /* { or , */
		if (!(key = json_string(p)) || *(*p)++ != ':' || !(value = json_string(p)))
			return NULL;
		if (strcmp(key, "__name__") != 0)
			rec_tag(rec, key, value);
		else if (strncmp(value, r->a->name, n) == 0 && value[n] == '_')
			field = value + n + 1;
	} while (**p == ',');
	return *(*p)++ == '}' ? field : NULL;
}

struct window {
	int64_t start;
	double sum;
	uint64_t n;
};

static int give(struct query_reader *r, struct rec *rec, const char *field, int64_t time, double v)
{
	rec->time = time;
	rec->nfields = 0;
	rec_real(rec, field, NULL, v, REC_DIGITS);
	return r->row(r->ctx, rec);
}

static int close_window(
    struct query_reader *r, struct rec *rec, const char *field, struct window *w)
{
	int rc = w->n ? give(r, rec, field, w->start, round_mean(w->sum / (double)w->n)) : 0;

	w->sum = 0;
	w->n = 0;
	return rc;
}

static int add_to_mean(struct query_reader *r, struct rec *rec, const char *field, struct window *w,
    int64_t time, double v)
{
	int64_t start = r->a->every ? time - time % r->a->every : r->a->from;

	if (start != w->start && close_window(r, rec, field, w) < 0)
		return -1;
	w->start = start;
	w->sum += v;
	w->n++;
	return 0;
}

/* Both arrays side by side. */
static int json_values(struct query_reader *r, char *v, char *t, struct rec *rec, const char *field)
{
	struct window w = {.n = 0};

	while (*v && *v != ']' && *t && *t != ']') {
		char *v_end, *t_end;
		bool null = strncmp(v, "null", 4) == 0;
		double value = null ? NAN : strtod(v, &v_end);
		int64_t time = strtoll(t, &t_end, 10) * TIM_MS;
		if ((!null && v_end == v) || t_end == t)
			return fail(r, "not an answer of VictoriaMetrics");
		int rc = !r->a->mean ? give(r, rec, field, time, value)
		    : null           ? 0
				     : add_to_mean(r, rec, field, &w, time, value);
		if (rc < 0)
			return -1;
		v = null ? v + 4 : v_end;
		v += *v == ',';
		t = t_end + (*t_end == ',');
	}
	return close_window(r, rec, field, &w);
}

static int json_line(struct query_reader *r, char *line)
{
	static const char head[] = "{\"metric\":", values[] = ",\"values\":[",
			  times[] = "\"timestamps\":[";
	char *p = line + sizeof head - 1;
	struct rec rec;

	if (!*line)
		return 0;
	rec_begin(&rec, r->a->name, 0);
	const char *field =
	    strncmp(line, head, sizeof head - 1) == 0 ? json_metric(r, &p, &rec) : NULL;
	char *t = field ? strstr(p, times) : NULL;
	if (!t || strncmp(p, values, sizeof values - 1) != 0)
		return fail(r, "not an answer of VictoriaMetrics");
	return json_values(r, p + sizeof values - 1, t + sizeof times - 1, &rec, field);
}

/* Lines, kept whole: a series is one. */
static int feed_lines(struct query_reader *r, const char *data, size_t n)
{
	while (n > 0) {
		const char *nl = memchr(data, '\n', n);
		size_t k = nl ? (size_t)(nl - data) : n;
		if (r->line_n + k + 1 > r->line_size) {
			size_t size = 2 * (r->line_n + k + 1);
			char *more = size > LINE_MOST ? NULL : realloc(r->line, size);
			if (!more)
				return fail(
				    r, "a series has too many points: ask for a shorter time");
			r->line = more;
			r->line_size = size;
		}
		memcpy(r->line + r->line_n, data, k);
		r->line_n += k;
		data += k;
		n -= k;
		if (!nl)
			return 0;
		r->line[r->line_n] = '\0';
		r->line_n = 0;
		if (json_line(r, r->line) < 0)
			return -1;
		data++;
		n--;
	}
	return 0;
}

/* ---- any of them ---- */

int query_feed(struct query_reader *r, const char *data, size_t n)
{
	if (r->kind == QUERY_VICTORIA)
		return feed_lines(r, data, n);
	if (csv_feed(&r->csv, data, n, any_row, r) == 0)
		return 0;
	return r->why[0] ? -1 : fail(r, "the answer cannot be read");
}

int query_end(struct query_reader *r)
{
	return r->kind == QUERY_VICTORIA ? feed_lines(r, "\n", 1) : csv_end(&r->csv, any_row, r);
}
