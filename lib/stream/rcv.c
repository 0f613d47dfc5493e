/*
 * rcv.c - datagrams from UDP sockets into pcapng blocks, in place
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tim.h"
#include "stream/cap.h"
#include "stream/pkt.h"
#include "stream/rcv.h"

#define BATCH       256
#define BATCH_MIN   16
#define ROUND_MAX   64            /* batches for each socket in a round */
#define TURN_TIME   (20 * TIM_MS) /* what one of several sockets gives at once came in this */
#define PAYLOAD_MAX 65535
#define BLOCK_MAX   (CAP_HEAD + PKT_HEAD_MAX + PAYLOAD_MAX + CAP_TAIL)
#define DROP_ROOM   12                       /* what a drop count adds to a block */
#define SIZE_FIRST  1472                     /* expected before anything came */
#define PER_CHUNK   (RING_CHUNK / BLOCK_MAX) /* the largest blocks that surely fit a chunk */
#define LATE_MAX    TIM_S         /* older than its file by more: the clock was set back */
#define SWITCH_TIME (20 * TIM_MS) /* how long two files stay open at a change */
#define LONG_AGO    (INT64_MIN / 2)
#define LOOK_EVERY  (100 * TIM_MS) /* whether it is time to stop, while nothing moves */

/* Ancillary data of a datagram: time stamp, drop counter, destination. */
#define CONTROL_MAX                                                                                \
	(CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t)) +                      \
	    CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo)))

struct sock {
	int fd;
	struct pkt_addr at;
	size_t head;      /* bytes of IP and UDP headers */
	size_t expect;    /* payload that a slot has room for */
	size_t spare;     /* room for a drop count in each slot */
	unsigned batch;   /* how many to ask for */
	int64_t last;     /* stamp of the last datagram read */
	bool more;        /* not found empty in this round */
	uint32_t counter; /* of drops, as last seen */
	uint64_t unsaid;  /* drops seen that no block tells of yet */
	bool stalled;     /* not drained since the ring was full */
};

/* A file, or the stream: what its end mark will say. */
struct file {
	struct ring_chunk *chunk; /* NULL: not begun */
	int64_t begins, ends;     /* UTC */
	int64_t last;             /* latest stamp in it, since the clock was set back */
	uint64_t delivered, dropped;
};

/* A datagram as it came. */
struct gram {
	uint8_t *slot; /* its first bytes, at most expect */
	size_t len;
	int64_t time;
	uint64_t dropped;
	struct pkt_addr from, to;
	const uint8_t *over; /* the bytes beyond expect */
};

union name {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct rcv {
	struct ring *ring;
	struct rcv_options o;
	struct tally *tally;
	struct file cur, next; /* next: only around the change of a file */
	int64_t change_mono;   /* when next was begun */
	uint64_t refused;      /* datagrams that no end mark tells of yet */
	bool ending, stuck;    /* at the end; there the output did not move */
	int64_t give_up;       /* when it will be called stuck; 0: not looked at yet */
	uint64_t moved;        /* what it had taken */
	int64_t upto, now;     /* of the last round */
	size_t free_seen;      /* chunks that were free, less those taken since */
	size_t shown;          /* of cur.chunk */
	size_t longest;        /* payload seen */
	uint64_t placed, kept;
	int nsocks;
	struct sock sock[NET_SOCKETS];
	uint8_t *spill; /* RING_CHUNK: batches that need a copy */
	uint8_t *over;  /* BATCH times PAYLOAD_MAX, touched only by longer datagrams */
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH][2];
	union name name[BATCH];
	struct {
		_Alignas(struct cmsghdr) uint8_t b[CONTROL_MAX];
	} control[BATCH];
};

/* ---- files and chunks ---- */

/* An output that has not moved for our patience, when it is time to end, is given up. */
static void look_at_output(struct rcv *r)
{
	struct ring_state s;
	int64_t mono = tim_mono();

	if (!r->ending && !r->o.stopping())
		return;
	ring_look(r->ring, &s);
	if (r->give_up == 0 || s.moved != r->moved)
		r->give_up = mono + r->o.patience;
	r->moved = s.moved;
	r->stuck = mono >= r->give_up;
}

/* A chunk; waits as long as the writer lives, but not for ever when it is time to stop. */
static struct ring_chunk *take(struct rcv *r)
{
	struct ring_chunk *c;

	while (!(c = ring_take(r->ring)) && errno == EAGAIN && !r->stuck) {
		ring_wait(r->ring, LOOK_EVERY);
		look_at_output(r);
	}
	if (c && r->free_seen)
		r->free_seen--;
	return c;
}

static int64_t file_begin(const struct rcv *r, int64_t t)
{
	int64_t rest = t % r->o.rotate;

	return t - (rest < 0 ? rest + r->o.rotate : rest);
}

/* Begins a file for the time t: named is what its name says. */
static int begin(struct rcv *r, struct file *f, int64_t t, int64_t named)
{
	struct ring_chunk *c = take(r);

	if (!c)
		return -1;
	*f = (struct file){.chunk = c, .begins = LONG_AGO, .ends = INT64_MAX, .last = LONG_AGO};
	if (r->o.rotate) {
		f->begins = file_begin(r, t);
		f->ends = f->begins + r->o.rotate;
	}
	c->begins = true;
	c->at = named > f->begins ? named : f->begins;
	c->used = cap_header(c->data, CAP_LINK_RAW, r->o.program, r->o.program, NULL);
	return 0;
}

/* Room for n bytes in a file's chunk: goes on to another one when there is none. */
static uint8_t *room(struct rcv *r, struct file *f, size_t n)
{
	if (RING_CHUNK - f->chunk->used < n) {
		struct ring_chunk *c = take(r);
		if (!c)
			return NULL;
		ring_push(r->ring, f->chunk);
		f->chunk = c;
		if (f == &r->cur)
			r->shown = 0;
	}
	return f->chunk->data + f->chunk->used;
}

/* The end mark, and the chunk to the writer. */
static int finish(struct rcv *r, struct file *f)
{
	uint8_t *p = room(r, f, CAP_ISB_MAX);
	int64_t now = tim_now();

	if (!p)
		return -1;
	uint64_t all = f->delivered + r->refused + f->dropped;
	f->chunk->used += cap_endmark(
	    p, now > f->last ? now : f->last, all, r->refused, f->dropped, f->delivered);
	r->refused = 0;
	f->chunk->ends = true;
	ring_push(r->ring, f->chunk);
	f->chunk = NULL;
	return 0;
}

/* Ends the present file; what was begun for the next one takes its place. */
static int change(struct rcv *r)
{
	if (r->cur.chunk && finish(r, &r->cur) < 0)
		return -1;
	r->cur = r->next;
	r->next.chunk = NULL;
	r->shown = 0;
	return 0;
}

/* The file of a datagram that arrived at t. Around a change two are open, so that each socket's
 * last datagrams find their file; what comes later still goes into the present one. When the clock
 * was set back to before the file's time, a new one begins. */
static struct file *file_of(struct rcv *r, int64_t t)
{
	struct file *f = &r->cur;

	if (f->chunk && t < f->ends && t >= f->begins - LATE_MAX)
		return f;
	f = &r->next;
	if (f->chunk && t < f->ends && t >= f->begins - LATE_MAX)
		return f;
	bool both = r->nsocks > 1 && r->cur.chunk && !r->next.chunk && t >= r->cur.ends;
	if (!both) { /* one socket keeps the order */
		while (r->cur.chunk)
			if (change(r) < 0)
				return NULL;
		f = &r->cur;
		r->shown = 0;
	}
	if (begin(r, f, t, INT64_MIN) < 0)
		return NULL;
	r->change_mono = tim_mono();
	return f;
}

/* ---- one datagram ---- */

static void address(struct pkt_addr *a, const union name *name)
{
	if (name->any.sa_family == AF_INET) {
		a->family = 4;
		a->port = ntohs(name->in.sin_port);
		memcpy(a->addr, &name->in.sin_addr, 4);
	} else {
		a->family = 6;
		a->port = ntohs(name->in6.sin6_port);
		memcpy(a->addr, &name->in6.sin6_addr, 16);
	}
}

/* Drops that the kernel reports, as a counter modulo 2^32: those of the time when we did not read
 * are the ring's. A datagram that came before the last look at the counter shows an older one. */
static void dropped(struct rcv *r, struct sock *s, uint32_t counter)
{
	uint32_t n = counter - s->counter;

	if (n == 0 || n > INT32_MAX)
		return;
	s->counter = counter;
	s->unsaid += n;
	r->tally->in += n;
	r->tally->lost[s->stalled ? RCV_RING_FULL : RCV_KERNEL_DROP].n += n;
}

/* Drops after the last datagram: no datagram tells of them. */
static void look_at_drops(struct rcv *r, struct sock *s)
{
	int64_t counter = net_drops(s->fd);

	if (counter >= 0)
		dropped(r, s, (uint32_t)counter);
}

/* Reads the ancillary data of message i. */
static void ancillary(struct rcv *r, struct sock *s, struct msghdr *m, struct gram *g)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;
			memcpy(&ts, CMSG_DATA(c), sizeof ts);
			g->time = ts.tv_sec * TIM_S + ts.tv_nsec;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			uint32_t counter;
			memcpy(&counter, CMSG_DATA(c), sizeof counter);
			dropped(r, s, counter);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof info);
			memcpy(g->to.addr, &info.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof info);
			memcpy(g->to.addr, &info.ipi6_addr, 16);
		}
	}
}

static bool allowed(const struct rcv *r, const struct sockaddr *from)
{
	for (size_t i = 0; i < r->o.nallow; i++)
		if (net_inside(&r->o.allow[i], from))
			return true;
	return r->o.nallow == 0;
}

/* Looks at message i: whether it is to be kept, as g. */
static bool look(struct rcv *r, struct sock *s, unsigned i, uint8_t *slot, struct gram *g)
{
	struct msghdr *m = &r->msg[i].msg_hdr;

	g->slot = slot;
	g->over = r->iov[i][1].iov_base;
	g->len = r->msg[i].msg_len;
	g->time = TIM_NONE;
	g->to = s->at;
	r->tally->in++;
	ancillary(r, s, m, g);
	if (g->time == TIM_NONE)
		g->time = tim_now();
	bool cut = m->msg_flags & MSG_TRUNC, mine = allowed(r, &r->name[i].any);
	if (cut || !mine) {
		r->tally->lost[mine ? RCV_TRUNCATED : RCV_NOT_ALLOWED].n++;
		r->refused++;
		return false;
	}
	address(&g->from, &r->name[i]);
	g->dropped = s->unsaid;
	return true;
}

/* Stamps go back by more than a little only where the clock was set back. */
static bool was_set_back(const struct file *f, int64_t time)
{
	return time < f->last - LATE_MAX;
}

/* Makes a block of a payload that stands in its place: headers, hash, trailer. */
static void seal(struct rcv *r, struct sock *s, struct file *f, const struct gram *g)
{
	struct ring_chunk *c = f->chunk;
	uint8_t *head = c->data + c->used + CAP_HEAD;
	size_t n = s->head + g->len;

	pkt_headers(head, &g->from, &g->to, head + s->head, g->len);
	c->used += cap_seal(c->data + c->used, n, n, g->time, g->dropped);
	c->records++;
	if (g->time > f->last || was_set_back(f, g->time))
		f->last = g->time;
	f->delivered++;
	f->dropped += g->dropped;
	s->unsaid = 0;
	r->placed++;
	r->kept++;
}

/* Copies a datagram to where it belongs. */
static int copy(struct rcv *r, struct sock *s, size_t expect, const struct gram *g)
{
	struct file *f = file_of(r, g->time);
	size_t need = CAP_HEAD + s->head + g->len + CAP_TAIL;

	if (!f)
		return -1;
	if (f == &r->next && RING_CHUNK - f->chunk->used < need) {
		/* The writer takes chunks in their order: the present file's last one goes first. */
		if (change(r) < 0)
			return -1;
		f = &r->cur;
	}
	uint8_t *p = room(r, f, need);
	if (!p)
		return -1;
	size_t first = g->len < expect ? g->len : expect;
	p += CAP_HEAD + s->head;
	memcpy(p, g->slot, first);
	memcpy(p + first, g->over, g->len - first);
	seal(r, s, f, g);
	return 0;
}

/* Whether the block can be made within its slot; then its payload is brought to its place. */
static bool in_place(struct rcv *r, struct sock *s, size_t stride, const struct gram *g)
{
	struct file *f = &r->cur;
	uint8_t *block = f->chunk->data + f->chunk->used;
	uint8_t *slot_end = g->slot - CAP_HEAD - s->head + stride;
	size_t need = CAP_STRIDE(s->head + g->len) + (g->dropped ? DROP_ROOM : 0);

	if (g->len > s->expect || block + need > slot_end || g->time >= f->ends ||
	    g->time < f->begins - LATE_MAX)
		return false;
	uint8_t *payload = block + CAP_HEAD + s->head;
	if (payload != g->slot)
		memmove(payload, g->slot, g->len);
	return true;
}

/* ---- a batch ---- */

static bool at_limit(const struct rcv *r)
{
	return r->o.limit && r->kept == r->o.limit;
}

/* How many datagrams may be asked for at once: 0 when the ring has no room for them, however
 * long they are. */
static unsigned may_ask(struct rcv *r, struct sock *s)
{
	size_t n = s->batch;

	if (r->free_seen * PER_CHUNK < n)
		r->free_seen = ring_free_chunks(r->ring);
	if (r->free_seen * PER_CHUNK < n)
		n = r->free_seen * PER_CHUNK;
	if (r->o.limit && r->o.limit - r->kept < n)
		n = (size_t)(r->o.limit - r->kept);
	return (unsigned)n;
}

/* Points the messages at slots of this stride from base on. */
static void lay_out(struct rcv *r, const struct sock *s, uint8_t *base, size_t stride, unsigned n)
{
	uint8_t *slot = base + CAP_HEAD + s->head;
	size_t expect = s->expect;

	for (unsigned i = 0; i < n; i++, slot += stride) {
		struct msghdr *m = &r->msg[i].msg_hdr;
		r->iov[i][0].iov_base = slot;
		r->iov[i][0].iov_len = expect;
		r->iov[i][1].iov_len = PAYLOAD_MAX - expect;
		m->msg_namelen = sizeof r->name[i];
		m->msg_controllen = sizeof r->control[i];
	}
}

/* How many datagrams to ask one of several sockets for, of which got came in so long: a pause of
 * ours must not put a second of one device before the same second of another. */
static unsigned turn(unsigned got, int64_t span)
{
	int64_t n = span > 0 ? got * TURN_TIME / span : BATCH;

	return n < 1 ? 1 : n > BATCH ? BATCH : (unsigned)n;
}

/* The next batch: slots as long as the longest of these, and twice as many as came, but at most
 * so many. */
static void adapt(struct sock *s, unsigned got, size_t longest, bool drops, unsigned most)
{
	unsigned want = 2 * got < BATCH_MIN ? BATCH_MIN : 2 * got;

	s->batch = want < most ? want : most;
	if (longest > s->expect)
		s->expect = longest;
	else /* not at once: a few short ones change nothing */
		s->expect -= (s->expect - longest + 3) / 4;
	s->spare = drops ? DROP_ROOM : 0;
}

/* The batch was received and there is no file for it any more. */
static void give_up(struct rcv *r, unsigned unseen)
{
	r->tally->in += unseen;
	r->tally->lost[RCV_NOT_WRITTEN].n += 1 + unseen;
}

/* Turns the received batch into blocks. */
static int settle(struct rcv *r, struct sock *s, uint8_t *base, size_t stride, unsigned n)
{
	size_t expect = s->expect, longest = 0, skip = CAP_HEAD + s->head;
	uint32_t counter = s->counter;
	bool direct = base != r->spill;
	struct gram g = {0};

	for (unsigned i = 0, first = 0; i < n; i++) {
		bool keep = look(r, s, i, base + (i - first) * stride + skip, &g);
		longest = g.len > longest ? g.len : longest;
		if (!keep)
			continue;
		if (direct && in_place(r, s, stride, &g)) {
			seal(r, s, &r->cur, &g);
			continue;
		}
		if (direct) { /* what follows might be run over: it is copied from elsewhere */
			memcpy(r->spill, base + i * stride, (n - i) * stride);
			g.slot = r->spill + skip;
			base = r->spill;
			first = i;
			direct = false;
		}
		if (copy(r, s, expect, &g) < 0) {
			give_up(r, n - i - 1);
			return -1;
		}
	}
	r->longest = longest > r->longest ? longest : r->longest;
	adapt(s, n, longest, s->counter != counter,
	    r->nsocks > 1 ? turn(n, g.time - s->last) : BATCH);
	/* Of the future: it waited here when the clock was set back, and says nothing of the order. */
	s->last = g.time > r->now + LATE_MAX ? LONG_AGO : g.time;
	return 0;
}

/* Where the next batch of socket s goes, with its strides' room: in place where the file is
 * clear, else to be copied. NULL with errno of the writer. */
static uint8_t *batch_base(struct rcv *r, size_t stride, size_t *space)
{
	*space = RING_CHUNK;
	if (r->next.chunk && tim_mono() > r->change_mono + LATE_MAX && change(r) < 0)
		return NULL;
	if (!r->cur.chunk || r->next.chunk)
		return r->spill;
	uint8_t *base = room(r, &r->cur, stride);
	*space = RING_CHUNK - r->cur.chunk->used;
	return base;
}

/* One batch of a socket, by the flags of recvmmsg: true when there may be more. */
static bool batch(struct rcv *r, struct sock *s, int flags, struct rcv_round *t)
{
	size_t stride = CAP_STRIDE(s->head + s->expect) + s->spare, space;
	unsigned n = may_ask(r, s);

	if (n == 0) {
		t->full = true;
		return false;
	}
	uint8_t *base = batch_base(r, stride, &space);
	if (!base) {
		t->error = errno;
		return false;
	}
	if (n > space / stride)
		n = (unsigned)(space / stride);
	lay_out(r, s, base, stride, n);
	int k = recvmmsg(s->fd, r->msg, n, flags, NULL);
	if (k < 0) {
		if (errno != EAGAIN && errno != EINTR)
			t->error = errno;
		return errno == EINTR && flags == MSG_DONTWAIT;
	}
	t->got += (unsigned)k;
	if (settle(r, s, base, stride, (unsigned)k) < 0) {
		t->error = errno;
		return false;
	}
	return k == (int)n;
}

/* The socket that is behind the others: what it has came first. NULL: of none there is more that
 * came before upto. */
static struct sock *behind(struct rcv *r, int64_t upto)
{
	struct sock *oldest = NULL;

	for (struct sock *s = r->sock; s < r->sock + r->nsocks; s++)
		if (s->more && s->last < (oldest ? oldest->last : upto))
			oldest = s;
	return oldest;
}

static void begin_round(struct rcv *r, int64_t upto, int64_t now)
{
	bool another = upto != r->upto;

	r->upto = upto;
	r->now = now;
	for (struct sock *s = r->sock; s < r->sock + r->nsocks; s++) {
		s->more = true;
		if (another && s->last >= upto) /* the clock was set back */
			s->last = LONG_AGO;
	}
}

static void end_round(struct rcv *r, const struct rcv_round *t)
{
	for (struct sock *s = r->sock; s < r->sock + r->nsocks; s++) {
		if (s->stalled && t->done)
			look_at_drops(r, s);
		s->stalled = t->full || (s->stalled && !t->done);
	}
}

/* upto: the moment that the round reads up to; now: the present one. */
static struct rcv_round drain(struct rcv *r, int64_t upto, int64_t now, bool wait)
{
	struct rcv_round t = {.done = false};
	int flags = wait && r->nsocks == 1 ? MSG_WAITFORONE : MSG_DONTWAIT;

	begin_round(r, upto, now);
	for (int n = ROUND_MAX * r->nsocks; n > 0 && !t.full && !t.error && !at_limit(r); n--) {
		struct sock *s = behind(r, upto);
		t.done = !s;
		if (t.done)
			break;
		s->more = batch(r, s, flags, &t);
		flags = MSG_DONTWAIT;
	}
	t.limit = at_limit(r);
	end_round(r, &t);
	return t;
}

struct rcv_round rcv_drain(struct rcv *r, int64_t now, bool wait)
{
	return drain(r, now, now, wait);
}

/* ---- between batches ---- */

bool rcv_wait_room(struct rcv *r, int64_t timeout_ns)
{
	return ring_wait(r->ring, timeout_ns);
}

bool rcv_pending(const struct rcv *r)
{
	return r->cur.chunk && r->cur.chunk->used > r->shown;
}

void rcv_show(struct rcv *r)
{
	if (!rcv_pending(r))
		return;
	ring_show(r->ring, r->cur.chunk);
	r->shown = r->cur.chunk->used;
}

int rcv_drained(struct rcv *r, int64_t now, int64_t mono)
{
	if (r->next.chunk)
		return mono < r->change_mono + SWITCH_TIME ? 0 : change(r);
	if (!r->cur.chunk || !r->o.rotate || now < r->cur.ends + SWITCH_TIME)
		return 0;
	return change(r);
}

int rcv_beat(struct rcv *r, int64_t time)
{
	struct file *f = &r->cur;

	if (!f->chunk || r->next.chunk || time >= f->ends)
		return 0;
	if (time <= f->last && !was_set_back(f, time))
		return 0;
	uint8_t *p = room(r, f, CAP_ISB_MAX);
	if (!p)
		return -1;
	f->chunk->used += cap_beat(p, time);
	f->last = time;
	return 0;
}

/* What is in the sockets now still belongs to the capture; what comes meanwhile does not. */
static void last_drain(struct rcv *r)
{
	int64_t upto = tim_now();
	struct rcv_round t;

	do {
		t = drain(r, upto, tim_now(), false);
		if (t.full && !ring_wait(r->ring, LOOK_EVERY)) {
			bool failed = errno != EAGAIN;
			look_at_output(r);
			r->stuck |= failed;
		}
	} while (!t.done && !t.limit && !t.error && !r->stuck);
}

int rcv_finish(struct rcv *r, bool drain)
{
	uint64_t unsaid = 0;
	int bad = 0;

	r->ending = true;
	if (drain)
		last_drain(r);
	for (int i = 0; i < r->nsocks; i++) {
		struct sock *s = &r->sock[i];
		look_at_drops(r, s);
		unsaid += s->unsaid;
	}
	if (r->next.chunk)
		bad = change(r);
	if (!bad && (unsaid || r->refused) && !r->cur.chunk)
		bad = begin(r, &r->cur, tim_now(), INT64_MIN);
	if (!bad && r->cur.chunk) {
		r->cur.dropped += unsaid;
		bad = change(r);
	}
	if (!bad && r->stuck)
		errno = EAGAIN;
	return bad || r->stuck ? -1 : 0;
}

size_t rcv_longest(const struct rcv *r)
{
	return r->longest;
}

size_t rcv_size(const struct rcv *r)
{
	size_t longest = 0;

	for (int i = 0; i < r->nsocks; i++)
		longest = r->sock[i].expect > longest ? r->sock[i].expect : longest;
	return longest;
}

uint64_t rcv_placed(const struct rcv *r)
{
	return r->placed;
}

/* ---- making ---- */

static void add(struct rcv *r, int fd, const struct net_addr *at)
{
	struct sock *s = &r->sock[r->nsocks++];
	union name name;

	*s = (struct sock){.fd = fd, .batch = 1, .expect = SIZE_FIRST, .last = LONG_AGO};
	memcpy(&name, &at->ss, sizeof name);
	address(&s->at, &name);
	s->head = s->at.family == 4 ? PKT_HEAD4 : PKT_HEAD_MAX;
}

struct rcv *rcv_new(struct ring *ring, const struct net_sockets *s, const struct rcv_options *o)
{
	static const char *const losses[] = {
	    "kernel drop", "ring full", "truncated", "not allowed", "not written"};
	struct rcv *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->ring = ring;
	r->o = *o;
	r->tally = o->tally;
	r->upto = LONG_AGO;
	for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
		r->tally->lost[i].name = losses[i];
	r->spill = malloc(RING_CHUNK);
	r->over = mmap(NULL, (size_t)BATCH * PAYLOAD_MAX, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->over == MAP_FAILED)
		r->over = NULL;
	for (unsigned i = 0; i < BATCH; i++) {
		r->iov[i][1].iov_base = r->over ? r->over + (size_t)i * PAYLOAD_MAX : NULL;
		r->msg[i].msg_hdr = (struct msghdr){.msg_name = &r->name[i],
		    .msg_iov = r->iov[i],
		    .msg_iovlen = 2,
		    .msg_control = &r->control[i]};
	}
	struct timeval wait = {.tv_usec = RCV_WAIT / TIM_US};
	for (int i = 0; i < s->n; i++) {
		add(r, s->fd[i], &s->at[i]);
		setsockopt(s->fd[i], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	}
	int64_t now = tim_now();
	if (!r->spill || !r->over || begin(r, &r->cur, now, now) < 0) {
		rcv_free(r);
		errno = ENOMEM;
		return NULL;
	}
	return r;
}

void rcv_free(struct rcv *r)
{
	if (!r)
		return;
	if (r->over)
		munmap(r->over, (size_t)BATCH * PAYLOAD_MAX);
	free(r->spill);
	free(r);
}
