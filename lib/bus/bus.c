/* bus.c - messages beyond one process: addresses, the head of a message, counting what is missing */
#include "bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/tim.h"
#include "base/why.h"
#include "stream/cap.h"

#define SECRETS_MAX 16384
#define NATS_PORT   "4222"

#define fail(why, ...) why_fail(why, BUS_WHY, EINVAL, __VA_ARGS__)

/* ======== addresses ======== */

enum { ZMQ_PUB = 1, ZMQ_SUB = 2, NATS_PUB = 4, NATS_SUB = 8, ALL_ZMQ = 3 };

struct url_key {
	const char *name;
	int where;
	enum { KEY_COUNT, KEY_TIME, KEY_FLAG, KEY_NAME, KEY_START } kind;
	size_t at;
	long long lo, hi;
};

static const struct url_key keys[] = {
    {"hwm", ALL_ZMQ, KEY_COUNT, offsetof(struct bus_url, hwm), 1, 100000000},
    {"nodrop", ZMQ_PUB, KEY_FLAG, offsetof(struct bus_url, nodrop), 0, 1},
    {"dropold", ALL_ZMQ, KEY_TIME, offsetof(struct bus_url, dropold), TIM_MS, TIM_DAY},
    {"linger", ZMQ_PUB, KEY_TIME, offsetof(struct bus_url, linger), 0, TIM_H},
    {"bind", ALL_ZMQ, KEY_FLAG, offsetof(struct bus_url, bind), 0, 1},
    {"durable", NATS_SUB, KEY_NAME, offsetof(struct bus_url, durable), 0, 0},
    {"start", NATS_SUB, KEY_START, 0, 0, 0},
    {"replicas", NATS_PUB, KEY_COUNT, offsetof(struct bus_url, replicas), 1, 5},
    {"window", NATS_PUB | NATS_SUB, KEY_COUNT, offsetof(struct bus_url, window), 1, 65536},
    {"duplicates", NATS_PUB, KEY_TIME, offsetof(struct bus_url, dup), 100 * TIM_MS, TIM_DAY},
    {"timeout", NATS_PUB | NATS_SUB | ZMQ_SUB, KEY_TIME, offsetof(struct bus_url, timeout), 0,
	TIM_DAY},
};
#define NKEYS (sizeof keys / sizeof *keys)

/* What NATS takes in names of streams, consumers and parts of subjects. */
static bool plain_name(const char *s, const char *also)
{
	for (const char *p = s; *p; p++)
		if (!((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= 'a' && *p <= 'z') || *p == '-' || *p == '_' || strchr(also, *p)))
			return false;
	return *s;
}

static int set_start(struct bus_url *u, const char *v, char why[BUS_WHY])
{
	long long n;

	if (strcmp(v, "all") == 0) {
		u->start = BUS_START_ALL;
	} else if (strcmp(v, "new") == 0) {
		u->start = BUS_START_NEW;
	} else if (strncmp(v, "seq:", 4) == 0 && conf_int(v + 4, 1, INT64_MAX, &n) == 0) {
		u->start = BUS_START_SEQ;
		u->start_seq = (uint64_t)n;
	} else if (strncmp(v, "time:", 5) == 0 && tim_parse(v + 5, &u->start_time) == 0) {
		u->start = BUS_START_TIME;
	} else {
		return fail(
		    why, "start=%.60s: there are all, new, seq:N and time:2026-11-20T07:23:53Z", v);
	}
	return 0;
}

static int set_key(struct bus_url *u, const struct url_key *k, const char *v, char why[BUS_WHY])
{
	char *to = (char *)u + k->at;
	long long n;

	switch (k->kind) {
	case KEY_COUNT:
		if (conf_int(v, k->lo, k->hi, &n) < 0)
			return fail(why, "%s=%.60s: not a whole number from %lld to %lld", k->name,
			    v, k->lo, k->hi);
		*(int64_t *)(void *)to = n;
		return 0;
	case KEY_TIME:
		if (tim_duration(v, (int64_t *)(void *)to) < 0 || *(int64_t *)(void *)to < k->lo ||
		    *(int64_t *)(void *)to > k->hi)
			return fail(why, "%s=%.60s: not a time in range (10s, 500ms)", k->name, v);
		return 0;
	case KEY_FLAG:
		if (strcmp(v, "0") != 0 && strcmp(v, "1") != 0)
			return fail(why, "%s=%.60s: 0 or 1", k->name, v);
		*(bool *)to = *v == '1';
		return 0;
	case KEY_NAME:
		if (!plain_name(v, "") || strlen(v) >= sizeof u->durable)
			return fail(why, "%s=%.60s: letters, digits, - and _ only", k->name, v);
		strcpy(to, v);
		return 0;
	case KEY_START:
		return set_start(u, v, why);
	}
	return 0;
}

/* key=value&key=value; changes text. */
static int set_keys(struct bus_url *u, enum bus_side side, char *text, char why[BUS_WHY])
{
	int here = u->engine == BUS_ZMQ ? ZMQ_PUB << side : NATS_PUB << side;
	bool seen[NKEYS] = {false};
	char *save = NULL;

	for (char *k = strtok_r(text, "&", &save); k; k = strtok_r(NULL, "&", &save)) {
		char *v = strchr(k, '=');
		size_t i = 0;
		if (!v)
			return fail(why, "?%.60s: options are key=value, joined by &", k);
		*v++ = '\0';
		while (i < NKEYS && strcmp(keys[i].name, k) != 0)
			i++;
		if (i == NKEYS)
			return fail(why, "%.60s: no such option in an address", k);
		if (!(keys[i].where & here))
			return fail(why, "%s: no option of a %s here", k,
			    side == BUS_PUBLISHER ? "publisher" : "subscriber");
		if (seen[i])
			return fail(why, "%s: given twice", k);
		seen[i] = true;
		if (set_key(u, &keys[i], v, why) < 0)
			return -1;
	}
	return 0;
}

/* HOST:PORT, :PORT or PORT; without a host it is this machine only. */
static int zmq_tcp(const char *at, struct bus_url *u, char why[BUS_WHY])
{
	const char *colon = strrchr(at, ':'), *port = colon ? colon + 1 : at;
	int host = colon ? (int)(colon - at) : 0;
	long long n;

	if (strcmp(port, "*") != 0 &&
	    (strlen(port) > 5 || conf_int(port, 0, 65535, &n) < 0 || strpbrk(port, "xX+")))
		return fail(why, "zmq+tcp://%.100s: no HOST:PORT", at);
	if (host > 255)
		return fail(why, "zmq+tcp://%.60s...: a host of more than 255 bytes", at);
	if (strcmp(port, "0") == 0)
		port = "*";
	if (!u->bind && (strcmp(port, "*") == 0 || (host == 1 && *at == '*')))
		return fail(why, "zmq+tcp://%.100s: to connect takes a host and a port", at);
	snprintf(u->address, sizeof u->address, "tcp://%.*s:%.5s", host ? host : 9,
	    host ? at : "127.0.0.1", port);
	return 0;
}

static int zmq_ipc(const char *path, struct bus_url *u, char why[BUS_WHY])
{
	if (!*path || strlen(path) > 100)
		return fail(why, "zmq+ipc://%.100s: a path of 1 to 100 bytes", path);
	snprintf(u->address, sizeof u->address, "ipc://%.100s", path);
	return 0;
}

/* h1,h2:4223,h3/STREAM/subject; changes text. */
static int nats_address(char *text, struct bus_url *u, char why[BUS_WHY])
{
	char *stream = strchr(text, '/'), *subject = stream ? strchr(stream + 1, '/') : NULL;
	char *save = NULL;
	size_t n = 0;

	if (!subject)
		return fail(why, "nats://HOST,.../STREAM/SUBJECT: %s is missing",
		    stream ? "the subject" : "the stream");
	*stream++ = *subject++ = '\0';
	if (!plain_name(stream, "") || strlen(stream) >= sizeof u->stream)
		return fail(
		    why, "%.60s: a stream's name has letters, digits, - and _ only", stream);
	if (!plain_name(subject, ".") || strlen(subject) >= sizeof u->subject || *subject == '.' ||
	    subject[strlen(subject) - 1] == '.' || strstr(subject, ".."))
		return fail(why,
		    "%.60s: a subject has words of letters, digits, - and _, joined by dots",
		    subject);
	strcpy(u->stream, stream);
	strcpy(u->subject, subject);
	for (char *h = strtok_r(text, ",", &save); h; h = strtok_r(NULL, ",", &save)) {
		bool v6 = *h == '[', port = strchr(v6 && strchr(h, ']') ? strchr(h, ']') : h, ':');
		int k = snprintf(u->address + n, sizeof u->address - n, "%snats://%s%s",
		    n ? "," : "", h, port ? "" : ":" NATS_PORT);
		if (k < 0 || (size_t)k >= sizeof u->address - n)
			return fail(why, "too many servers");
		n += (size_t)k;
	}
	return n ? 0 : fail(why, "nats://HOST,.../STREAM/SUBJECT: the host is missing");
}

int bus_url(const char *text, enum bus_side side, struct bus_url *u, char why[BUS_WHY])
{
	char copy[1024], *options;

	*u = (struct bus_url){.linger = 10 * TIM_S,
	    .bind = side == BUS_PUBLISHER,
	    .replicas = 1,
	    .window = side == BUS_PUBLISHER ? 4096 : 1024,
	    .dup = 2 * TIM_MIN};
	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
		return fail(why, "an address of more than %zu bytes", sizeof copy - 1);
	options = strchr(copy, '?');
	if (options)
		*options++ = '\0';
	if (strchr(copy, '@'))
		return fail(why,
		    "names and passwords do not belong into an address, where everybody "
		    "sees them: --credentials=FILE");
	u->engine = strncmp(copy, "nats://", 7) == 0 ? BUS_NATS : BUS_ZMQ;
	if (options && set_keys(u, side, options, why) < 0)
		return -1;
	if (u->engine == BUS_NATS)
		return nats_address(copy + 7, u, why);
	if (strncmp(copy, "zmq+tcp://", 10) == 0)
		return zmq_tcp(copy + 10, u, why);
	if (strncmp(copy, "zmq+ipc://", 10) == 0)
		return zmq_ipc(copy + 10, u, why);
	return fail(why,
	    "%.80s: there are zmq+tcp://HOST:PORT, zmq+ipc://PATH and nats://HOST/STREAM/SUBJECT",
	    text);
}

/* ======== credentials ======== */

static int secret_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	struct bus_secrets *s = ctx;
	const struct {
		const char *name;
		char *to;
		size_t size;
	} k[] = {{"user", s->user, BUS_SECRET}, {"password", s->password, BUS_SECRET},
	    {"token", s->token, BUS_SECRET}, {"public", s->pub, sizeof s->pub},
	    {"secret", s->secret, sizeof s->secret}, {"server", s->server, sizeof s->server},
	    {"client", s->client[s->nclients < 16 ? s->nclients : 15], sizeof s->pub}};

	(void)section;
	(void)line;
	for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
		if (strcmp(k[i].name, key) != 0)
			continue;
		size_t n = strlen(value);
		if (n >= k[i].size || (k[i].size == sizeof s->pub && n != 40)) {
			snprintf(why, CONF_WHY, "%s: %s", key,
			    k[i].size == sizeof s->pub ? "a key has 40 characters" : "too long");
			return -1;
		}
		if (*key == 'c' && ++s->nclients > 16) {
			snprintf(why, CONF_WHY, "more than 16 clients");
			return -1;
		}
		strcpy(k[i].to, value);
		return 0;
	}
	snprintf(why, CONF_WHY,
	    "%.40s: there are user, password, token; public, secret, server, client", key);
	return -1;
}

static bool enough(const struct bus_secrets *s)
{
	return s->creds || s->token[0] || s->secret[0] || (s->user[0] && s->password[0]);
}

int bus_secrets(const char *path, struct bus_secrets *s, char why[BUS_WHY])
{
	char reason[CONF_WHY];
	struct stat st;
	size_t n;

	memset(s, 0, sizeof *s);
	snprintf(s->path, sizeof s->path, "%s", path);
	if (stat(path, &st) < 0) {
		int e = errno;
		fail(why, "%.200s: cannot read the credentials: %s", path, strerror(e));
		errno = e;
		return -1;
	}
	if ((st.st_mode & 077) || (st.st_uid != geteuid() && st.st_uid != 0)) {
		fail(why, "%.200s: others may read the credentials (chmod 600)", path);
		errno = EPERM;
		return -1;
	}
	char *text = io_slurp(path, SECRETS_MAX, &n);
	if (!text) {
		int e = errno;
		fail(why, "%.200s: cannot read the credentials: %s", path, strerror(e));
		errno = e;
		return -1;
	}
	s->creds = strncmp(text, "-----BEGIN NATS", 15) == 0;
	int rc = s->creds ? 0 : conf_read(path, text, n, secret_key, s, reason);
	explicit_bzero(text, n);
	free(text);
	if (rc < 0)
		return fail(why, "%s", reason);
	if (enough(s))
		return 0;
	fail(why, "%.200s: no user and password, no token, no secret key in it", path);
	errno = EPERM;
	return -1;
}

/* ======== the head ======== */

void bus_put_head(struct bus_head *h, const struct bus_msg *m)
{
	wire_put(&h->magic, BUS_MAGIC);
	wire_put(&h->version, BUS_VERSION);
	wire_put(&h->kind, (uint16_t)m->kind);
	wire_put(&h->stream, m->stream);
	wire_put(&h->sequence, m->sequence);
	wire_put(&h->records, m->records);
	wire_put(&h->run, m->run);
	wire_put(&h->zero, 0);
	wire_put(&h->sent, m->sent);
}

/* A section header and one interface, whole, and nothing else. */
static bool good_header(const uint8_t *p, size_t n)
{
	struct cap_reader *r = cap_reader_mem(p, n);
	struct cap_record record;
	bool good = r && cap_read(r, &record, 0) == CAP_NEW && cap_link(r) >= 0 &&
	    cap_state(r)->sections == 1 && cap_state(r)->damaged == 0;

	/* Nothing follows: the section ends there without an end mark. */
	good = good && cap_read(r, &record, 0) == CAP_END && cap_state(r)->skipped == 0;
	cap_reader_free(r);
	return good;
}

const char *bus_decode(const void *message, size_t n, struct bus_msg *m)
{
	const struct bus_head *h = message;
	struct cap_record record;

	if (n < sizeof *h || wire_get(h->magic) != BUS_MAGIC)
		return "no message of fyke's";
	if (wire_get(h->version) != BUS_VERSION)
		return "a message of another version of fyke";
	if (n > BUS_MOST)
		return "a message that is too long";
	*m = (struct bus_msg){.kind = (enum bus_what)wire_get(h->kind),
	    .stream = wire_get(h->stream),
	    .sequence = wire_get(h->sequence),
	    .records = wire_get(h->records),
	    .run = wire_get(h->run),
	    .sent = wire_get(h->sent),
	    .block = (const uint8_t *)(h + 1),
	    .size = n - sizeof *h};
	if (m->records > m->sequence || m->sequence > INT64_MAX)
		return "a message whose counts disagree";
	switch (m->kind) {
	case BUS_HEADER:
		return good_header(m->block, m->size) ? NULL : "a header that is damaged";
	case BUS_BLOCK:
		if (!cap_unseal(m->block, m->size, &record))
			return "a block that is damaged";
		m->time = record.time;
		return NULL;
	case BUS_BEAT:
	case BUS_END:
		return cap_is_isb(m->block, m->size) ? NULL : "a heartbeat that is damaged";
	}
	return "a message of an unknown kind";
}

/* ======== counting ======== */

enum bus_verdict bus_follow(struct bus_follow *f, const struct bus_msg *m, uint64_t *missed)
{
	*missed = 0;
	bool ours = f->open && m->stream == f->stream;

	if (m->kind == BUS_HEADER) {
		if (ours)
			return BUS_AGAIN;
		/* Who came while a stream was running is owed what follows; who was there before
		 * the stream began is owed all of it. */
		*missed = f->joined ? m->records : 0;
		*f = (struct bus_follow){.joined = true,
		    .open = true,
		    .stream = m->stream,
		    .sequence = m->sequence,
		    .records = m->records,
		    .missed = *missed,
		    .before = f->before};
		return BUS_JOIN;
	}
	if (!ours) {
		f->before++;
		return BUS_LOST;
	}
	if (f->resumed && m->sequence >= f->sequence) {
		/* Beats that are missing are told from records by nothing. */
		f->records = m->records -
		    (m->sequence - f->sequence < m->records ? m->sequence - f->sequence
							    : m->records);
		f->resumed = false;
	}
	if (m->sequence < f->sequence || m->records < f->records)
		return BUS_AGAIN;
	*missed = m->records - f->records;
	f->missed += *missed;
	f->sequence = m->sequence + 1;
	f->records = m->records + (m->kind == BUS_BLOCK);
	return BUS_NEXT;
}
