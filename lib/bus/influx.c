/* influx.c - InfluxDB 1 and 2 and VictoriaMetrics over HTTP, by libcurl */
#include "influx.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"

#define URL_SIZE     4096
#define ANSWER_SIZE  8192
#define GZIP_LEVEL   3
#define CONNECT_TIME 5000      /* ms */
#define UPLOAD_SIZE  (1 << 20) /* sent at one go: a batch of 5000 lines in a single step */
#define WAIT_FDS     4

struct influx {
	const struct influx_target *to;
	CURL *easy;
	CURLM *multi;
	bool beside; /* the multi handle is another's */
	struct curl_slist *headers;
	struct libdeflate_compressor *gz;
	char *packed; /* the body, compressed */
	size_t packed_size;
	bool running;
	char error[CURL_ERROR_SIZE];
	char answer[ANSWER_SIZE]; /* the body of an answer that is no data */
	size_t answer_n;
	bool partial_answer, victoria;
	influx_sink *sink;
	void *ctx;
	struct influx_result result;
	char url[URL_SIZE];
};

/* ---- the token ---- */

int influx_token(const char *path, char token[INFLUX_TOKEN], char why[INFLUX_WHY])
{
	struct stat st;

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, INFLUX_WHY, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	bool safe = S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 &&
	    (st.st_uid == geteuid() || st.st_uid == 0);
	ssize_t n = safe ? io_readall(fd, token, INFLUX_TOKEN - 1) : 0;
	close(fd);
	if (!safe) {
		snprintf(why, INFLUX_WHY,
		    "%s: must be a file of your own that nobody else may read (chmod 600)", path);
		return -1;
	}
	token[n < 0 ? 0 : n] = '\0';
	token[strcspn(token, "\r\n")] = '\0';
	if (!token[0] || strspn(token, "\t ") > 0) {
		snprintf(why, INFLUX_WHY, "%s: holds no token in its first line", path);
		return -1;
	}
	return 0;
}

/* ---- setting up ---- */

int64_t influx_unit(const char *precision)
{
	static const struct {
		const char *name;
		int64_t ns;
	} unit[] = {{"ns", 1}, {"us", TIM_US}, {"ms", TIM_MS}, {"s", TIM_S}};

	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
		if (strcmp(precision, unit[i].name) == 0)
			return unit[i].ns;
	return 0;
}

static bool add_header(struct influx *x, const char *text)
{
	struct curl_slist *l = curl_slist_append(x->headers, text);
	if (l)
		x->headers = l;
	return l != NULL;
}

/* "user:password" is basic authentication, as InfluxDB 1 wants it; else the token goes as it is. */
static bool set_token(struct influx *x)
{
	char header[INFLUX_TOKEN + 32];
	const char *token = x->to->token;

	if (!token)
		return true;
	if (!x->to->bucket && strchr(token, ':')) {
		curl_easy_setopt(x->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		return curl_easy_setopt(x->easy, CURLOPT_USERPWD, token) == CURLE_OK;
	}
	snprintf(header, sizeof header, "Authorization: %s %s", x->to->bucket ? "Token" : "Bearer",
	    token);
	return add_header(x, header);
}

static size_t take_body(char *data, size_t one, size_t n, void *ctx)
{
	struct influx *x = ctx;
	long status = 0;

	(void)one;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (x->sink && status == 200)
		return x->sink(x->ctx, data, n) < 0 ? 0 : n;
	size_t room = sizeof x->answer - 1 - x->answer_n, k = n < room ? n : room;
	memcpy(x->answer + x->answer_n, data, k);
	x->answer_n += k;
	return n;
}

static size_t take_header(char *data, size_t one, size_t n, void *ctx)
{
	static const char mark[] = "X-Server-Hostname:"; /* only VictoriaMetrics sends it */
	struct influx *x = ctx;

	(void)one;
	if (n >= sizeof mark - 1 && strncasecmp(data, mark, sizeof mark - 1) == 0)
		x->victoria = true;
	return n;
}

static bool good_url(const char *url, char why[INFLUX_WHY])
{
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7
	    : strncmp(url, "https://", 8) == 0             ? url + 8
							   : NULL;

	if (!host || !*host || *host == '/' || strlen(url) > URL_SIZE / 4 ||
	    strpbrk(url, "?# \t\r\n"))
		snprintf(why, INFLUX_WHY, "'%.100s' is no URL like http://HOST:8086", url);
	else if (memchr(host, '@', strcspn(host, "/")))
		snprintf(why, INFLUX_WHY,
		    "a password in the URL is seen by everyone (ps): put user:password into a "
		    "file");
	else
		return true;
	return false;
}

bool influx_is_local(const char *url)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	size_t n = strcspn(host, ":/");
	return (n == 9 && strncasecmp(host, "localhost", n) == 0) ||
	    strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0;
}

static bool set_options(struct influx *x)
{
	curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIME);
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)(x->to->patience / TIM_MS));
	curl_easy_setopt(x->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_SIZE);
	curl_easy_setopt(x->easy, CURLOPT_USERAGENT, "fyke/" FYKE_VERSION);
	curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	return set_token(x) && add_header(x, "Expect:");
}

/* multi NULL: one of its own. NULL: no memory. */
static struct influx *new_handle(const struct influx_target *to, CURLM *multi)
{
	struct influx *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	x->to = to;
	x->beside = multi != NULL;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	x->easy = curl_easy_init();
	x->multi = multi ? multi : curl_multi_init();
	x->gz = libdeflate_alloc_compressor(GZIP_LEVEL);
	if (x->easy && x->multi && x->gz && set_options(x))
		return x;
	influx_free(x);
	return NULL;
}

struct influx *influx_new(const struct influx_target *to, char why[INFLUX_WHY])
{
	if (!good_url(to->url, why))
		return NULL;
	struct influx *x = new_handle(to, NULL);
	if (!x)
		snprintf(why, INFLUX_WHY, "no memory");
	return x;
}

struct influx *influx_beside(struct influx *x)
{
	return new_handle(x->to, x->multi);
}

void influx_free(struct influx *x)
{
	if (!x)
		return;
	if (x->running)
		curl_multi_remove_handle(x->multi, x->easy);
	if (x->easy)
		curl_easy_cleanup(x->easy);
	if (x->multi && !x->beside)
		curl_multi_cleanup(x->multi);
	curl_slist_free_all(x->headers);
	libdeflate_free_compressor(x->gz);
	free(x->packed);
	free(x);
	curl_global_cleanup();
}

/* ---- a request ---- */

char *influx_escape(const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(text) + 1), *p = out;

	for (; out && *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-._~", c);
		if (plain) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	if (out)
		*p = '\0';
	return out;
}

/* Adds "NAME=value" to the URL. */
static int add_param(struct influx *x, char sep, const char *name, const char *value)
{
	size_t at = strlen(x->url);

	char *v = influx_escape(value);
	int n = v ? snprintf(x->url + at, URL_SIZE - at, "%c%s=%s", sep, name, v) : -1;
	free(v);
	return n < 0 || (size_t)n >= URL_SIZE - at ? -1 : 0;
}

/* InfluxDB 1 takes "ns" for nanoseconds and calls microseconds "u"; 2 calls them "us". */
static int write_url(struct influx *x)
{
	const struct influx_target *to = x->to;
	size_t n = strlen(to->url);
	int bad = 0;

	while (n > 0 && to->url[n - 1] == '/')
		n--;
	snprintf(
	    x->url, URL_SIZE, "%.*s%s", (int)n, to->url, to->bucket ? "/api/v2/write" : "/write");
	if (to->bucket) {
		bad |= add_param(x, '?', "org", to->org ? to->org : "");
		bad |= add_param(x, '&', "bucket", to->bucket);
		bad |= add_param(x, '&', "precision", to->precision);
		return bad;
	}
	bad |= add_param(x, '?', "db", to->db);
	if (to->rp)
		bad |= add_param(x, '&', "rp", to->rp);
	const char *p = strcmp(to->precision, "ns") == 0 ? "n"
	    : strcmp(to->precision, "us") == 0           ? "u"
							 : to->precision;
	return bad | add_param(x, '&', "precision", p);
}

static int pack(struct influx *x, const char *lines, size_t n, size_t *packed)
{
	size_t bound = libdeflate_gzip_compress_bound(x->gz, n);

	if (bound > x->packed_size) {
		free(x->packed);
		x->packed = malloc(bound);
		x->packed_size = x->packed ? bound : 0;
	}
	*packed = x->packed ? libdeflate_gzip_compress(x->gz, lines, n, x->packed, bound) : 0;
	return *packed > 0 ? 0 : -1;
}

static int start(struct influx *x, const char *body, size_t n, struct curl_slist *headers)
{
	x->answer_n = 0;
	x->error[0] = '\0';
	x->victoria = false;
	curl_easy_setopt(x->easy, CURLOPT_URL, x->url);
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, headers);
	if (body) {
		curl_easy_setopt(x->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, body);
	} else {
		curl_easy_setopt(x->easy, CURLOPT_HTTPGET, 1L);
	}
	if (curl_multi_add_handle(x->multi, x->easy) != CURLM_OK) {
		errno = ENOMEM;
		return -1;
	}
	x->running = true;
	return 0;
}

int influx_post(struct influx *x, const char *lines, size_t n)
{
	size_t packed = 0;

	if (!x->sink && x->url[0] == '\0') {
		if (write_url(x) < 0 || !add_header(x, "Content-Type: text/plain; charset=utf-8") ||
		    (x->to->gzip && !add_header(x, "Content-Encoding: gzip"))) {
			errno = EINVAL;
			return -1;
		}
	}
	if (!x->to->gzip)
		return start(x, lines, n, x->headers);
	if (pack(x, lines, n, &packed) < 0) {
		errno = ENOMEM;
		return -1;
	}
	return start(x, x->packed, packed, x->headers);
}

int influx_ask(struct influx *x, const char *path, const char *body, const char *type,
    const char *accept, influx_sink *sink, void *ctx)
{
	size_t n = strlen(x->to->url);
	char header[128];
	bool good = true;

	while (n > 0 && x->to->url[n - 1] == '/')
		n--;
	if (snprintf(x->url, URL_SIZE, "%.*s/%s", (int)n, x->to->url, path) >= URL_SIZE) {
		errno = ENAMETOOLONG;
		return -1;
	}
	curl_slist_free_all(x->headers);
	x->headers = NULL;
	snprintf(header, sizeof header, "Accept: %s", accept);
	good &= set_token(x) && add_header(x, header);
	snprintf(header, sizeof header, "Content-Type: %s", type ? type : "");
	good &= !body || add_header(x, header);
	if (!good) {
		errno = ENOMEM;
		return -1;
	}
	x->sink = sink;
	x->ctx = ctx;
	return start(x, body, body ? strlen(body) : 0, x->headers);
}

/* ---- the answer ---- */

/* The text of "key":"..." in a small JSON answer; what is no JSON is given as it is. */
static void reason(const struct influx *x, char *to, size_t size)
{
	static const char *const keys[] = {"\"error\":\"", "\"message\":\""};
	const char *p = x->answer;
	size_t n = 0;

	for (size_t i = 0; i < 2 && p == x->answer; i++) {
		const char *found = strstr(x->answer, keys[i]);
		p = found ? found + strlen(keys[i]) : p;
	}
	bool quoted = p != x->answer;
	for (; *p && *p != '\n' && !(quoted && *p == '"') && n + 1 < size; p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		to[n++] = (unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f ? ' ' : *p;
	}
	to[n] = '\0';
}

static enum influx_judgement judge(long status)
{
	if (status >= 200 && status < 300)
		return INFLUX_STORED;
	if (status == 400 || status == 422)
		return INFLUX_BAD;
	if (status == 413)
		return INFLUX_TOO_LARGE;
	if (status == 401 || status == 403)
		return INFLUX_DENIED;
	if (status == 408 || status == 429 || status >= 500)
		return INFLUX_LATER;
	return INFLUX_NO_SUCH; /* 404, redirections, and what no such server says */
}

static void finish(struct influx *x, CURLcode rc)
{
	struct influx_result *r = &x->result;
	curl_off_t wait = 0;
	char text[INFLUX_WHY - 16];

	*r = (struct influx_result){.dropped = -1};
	x->answer[x->answer_n] = '\0';
	if (rc != CURLE_OK) {
		r->is = INFLUX_LATER;
		snprintf(
		    r->why, sizeof r->why, "%s", x->error[0] ? x->error : curl_easy_strerror(rc));
		return;
	}
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &r->status);
	if (curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0)
		r->retry_after = (wait > 3600 ? 3600 : (int64_t)wait) * TIM_S;
	r->is = judge(r->status);
	reason(x, text, sizeof text);
	snprintf(r->why, sizeof r->why, "%ld %s", r->status, text);
	const char *dropped = strstr(x->answer, "dropped=");
	if (dropped)
		r->dropped = strtoll(dropped + 8, NULL, 10);
}

/* A request, of x or of one beside it, is at its end. */
static void take_end(const CURLMsg *m)
{
	CURLcode rc = m->data.result;
	char *whose = NULL;

	curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &whose);
	struct influx *x = (struct influx *)(void *)whose;
	curl_multi_remove_handle(x->multi, x->easy);
	x->running = false;
	finish(x, rc);
}

bool influx_step(struct influx *x)
{
	int running, left;
	CURLMsg *m;

	if (!x->running)
		return true;
	(void)curl_multi_perform(x->multi, &running);
	while ((m = curl_multi_info_read(x->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			take_end(m);
	return !x->running;
}

void influx_wait(struct influx *x, struct pollfd *more, unsigned n, int64_t deadline)
{
	struct curl_waitfd fds[WAIT_FDS];
	unsigned k = 0;

	for (unsigned i = 0; i < n && i < WAIT_FDS - 1; i++)
		fds[k++] = (struct curl_waitfd){.fd = more[i].fd, .events = CURL_WAIT_POLLIN};
	if (io_wakefd >= 0)
		fds[k++] = (struct curl_waitfd){.fd = io_wakefd, .events = CURL_WAIT_POLLIN};
	int64_t left = (deadline - tim_mono() + TIM_MS - 1) / TIM_MS;
	(void)curl_multi_poll(x->multi, fds, k,
	    left < 0           ? 0
		: left > 60000 ? 60000
			       : (int)left,
	    NULL);
	for (unsigned i = 0; i < n && i < WAIT_FDS - 1; i++)
		more[i].revents = fds[i].revents;
}

const struct influx_result *influx_result(const struct influx *x)
{
	return &x->result;
}

bool influx_is_victoria(const struct influx *x)
{
	return x->victoria;
}
