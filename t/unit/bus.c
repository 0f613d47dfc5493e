/* bus.c - addresses, heads and counting of messages; the bytes are typed from fyke-bus(5) */
#include "bus/bus.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tim.h"
#include "bus/watch.h"
#include "stream/cap.h"
#include "tap.h"

/* A message of kind 2 (block): an Enhanced Packet Block with 4 bytes, time 1 s, CRC32 of "fyke". */
static const uint8_t block_message[] = {'f', 'y', 'k', 'b', 1, 0, 2, 0, /* magic, version, kind */
    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,                     /* stream */
    5, 0, 0, 0, 0, 0, 0, 0,                                             /* sequence */
    3, 0, 0, 0, 0, 0, 0, 0,                                             /* records before it */
    7, 0, 0, 0, 0, 0, 0, 0,                                             /* run, zero */
    0, 0xca, 0x9a, 0x3b, 0, 0, 0, 0,                                    /* sent: 1 s */
    /* EPB: type, length 52, interface 0, time, caplen, origlen, data */
    6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xca, 0x9a, 0x3b, 4, 0, 0, 0, 4, 0, 0, 0,
    'f', 'y', 'k', 'e',
    /* epb_hash: CRC32 */
    3, 0, 5, 0, 2, 0xa7, 0x03, 0xf8, 0xdf, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0};

static void heads(void)
{
	uint8_t copy[sizeof block_message];
	struct bus_msg m;
	struct bus_head h;

	const char *bad = bus_decode(block_message, sizeof block_message, &m);
	is_str(bad ? bad : "good", "good", "a block is read");
	is_int(m.kind, BUS_BLOCK, "kind");
	is_int(m.stream, 0x1122334455667788, "stream");
	is_int(m.sequence, 5, "sequence");
	is_int(m.records, 3, "records");
	is_int(m.run, 7, "run");
	is_int(m.sent, TIM_S, "when it was sent");
	is_int(m.time, TIM_S, "when it happened");
	is_int(m.size, 52, "the block's length");
	bus_put_head(&h, &m);
	ok(memcmp(&h, block_message, sizeof h) == 0, "the head is written as it was read");
	for (size_t n = 0; n < sizeof block_message; n++)
		if (!bus_decode(block_message, n, &m))
			bad = "cut";
	ok(!bad, "no cut one is taken");
	unsigned taken = 0;
	for (size_t i = 0; i < sizeof copy * 8; i++) {
		memcpy(copy, block_message, sizeof copy);
		copy[i / 8] ^= (uint8_t)(1 << i % 8);
		bool hashed = i / 8 >= 48 + 28 && i / 8 < 48 + 32;
		bool numbers = (i / 8 >= 8 && i / 8 < 48) || (i / 8 >= 48 + 12 && i / 8 < 48 + 20);
		bool rest = (i / 8 >= 48 + 24 && i / 8 < 48 + 28) || i / 8 >= 48 + 41;
		if (!bus_decode(copy, sizeof copy, &m) && (hashed || !(numbers || rest)))
			taken++;
	}
	is_int(taken, 0, "no bit may turn in magic, version, lengths or data");
}

static void urls(void)
{
	char why[BUS_WHY];
	struct bus_url u;

	is_int(bus_url("zmq+tcp://*:5555?hwm=20000&nodrop=1&dropold=10s", BUS_PUBLISHER, &u, why),
	    0, "a publisher's address");
	is_str(u.address, "tcp://*:5555", "endpoint");
	is_int(u.hwm, 20000, "hwm");
	is_int(u.nodrop, 1, "nodrop");
	is_int(u.dropold, 10 * TIM_S, "dropold");
	is_int(u.bind, 1, "a publisher listens");
	is_int(bus_url("zmq+tcp://5555", BUS_PUBLISHER, &u, why), 0, "a port alone");
	is_str(u.address, "tcp://127.0.0.1:5555", "is on loopback");
	is_int(bus_url("zmq+tcp://[::1]:0", BUS_PUBLISHER, &u, why), 0, "port 0");
	is_str(u.address, "tcp://[::1]:*", "is any port");
	is_int(bus_url("zmq+ipc:///run/x.sock", BUS_SUBSCRIBER, &u, why), 0, "a unix socket");
	is_str(u.address, "ipc:///run/x.sock", "by path");
	is_int(u.bind, 0, "a subscriber connects");
	is_int(bus_url("nats://a,b:4223,[::1]:5,[::2]/STREAM/sub.ject?durable=NAME&start=seq:17",
		   BUS_SUBSCRIBER, &u, why),
	    0, "NATS");
	is_str(u.address, "nats://a:4222,nats://b:4223,nats://[::1]:5,nats://[::2]:4222",
	    "its servers");
	is_str(u.stream, "STREAM", "stream");
	is_str(u.subject, "sub.ject", "subject");
	is_str(u.durable, "NAME", "durable");
	is_int(u.start, BUS_START_SEQ, "start");
	is_int(u.start_seq, 17, "at 17");
	is_int(bus_url("nats://h/S/x?start=time:2026-11-20T07:23:53Z", BUS_SUBSCRIBER, &u, why), 0,
	    "a time");
	is_int(u.start_time, INT64_C(1795159433) * TIM_S, "is read");
	is_int(
	    bus_url("nats://u:p@h/S/x", BUS_PUBLISHER, &u, why), -1, "no passwords in addresses");
	is_int(bus_url("nats://h/S/x?replicas=0", BUS_PUBLISHER, &u, why), -1, "replicas from 1");
	is_str(why, "replicas=0: not a whole number from 1 to 5", "the reason is told");
}

static struct bus_msg msg(enum bus_what kind, uint64_t stream, uint64_t sequence, uint64_t records)
{
	return (struct bus_msg){
	    .kind = kind, .stream = stream, .sequence = sequence, .records = records};
}

static void step(
    struct bus_follow *f, struct bus_msg m, enum bus_verdict v, uint64_t missed, const char *words)
{
	uint64_t got;
	enum bus_verdict w = bus_follow(f, &m, &got);

	ok(w == v && got == missed, words);
}

static void counting(void)
{
	struct bus_follow f = {0};

	step(&f, msg(BUS_BLOCK, 1, 40, 40), BUS_LOST, 0, "without a header nothing can be written");
	step(&f, msg(BUS_HEADER, 1, 42, 41), BUS_JOIN, 0, "what was before us is not missed");
	step(&f, msg(BUS_BLOCK, 1, 42, 41), BUS_NEXT, 0, "the next one");
	step(&f, msg(BUS_BEAT, 1, 43, 42), BUS_NEXT, 0, "a heartbeat");
	step(&f, msg(BUS_BLOCK, 1, 46, 44), BUS_NEXT, 2,
	    "a gap of three messages, two of them records");
	step(&f, msg(BUS_BLOCK, 1, 46, 44), BUS_AGAIN, 0, "the same again");
	step(&f, msg(BUS_HEADER, 1, 47, 45), BUS_AGAIN, 0, "a header for somebody else");
	step(&f, msg(BUS_END, 1, 50, 48), BUS_NEXT, 3, "the end tells what was missing before it");
	is_int(f.missed, 5, "in all");
	step(&f, msg(BUS_HEADER, 2, 10, 8), BUS_JOIN, 8, "of the next stream everything is owed");
	step(&f, msg(BUS_BLOCK, 1, 51, 49), BUS_LOST, 0, "the old one is over");
}

/* Messages of a run whose header did not come. */
static void asking(void)
{
	uint8_t other[sizeof block_message];
	static struct view v;
	struct watch w = {0};
	size_t n = sizeof block_message;

	memcpy(other, block_message, n);
	other[8]++; /* stream */
	ok(!watch_take(&w, &v, block_message, n), "a header that is missing is asked for");
	watch_join(&w, &v, NULL, 0, block_message, n);
	ok(watch_take(&w, &v, block_message, n), "but not for each message");
	ok(!watch_take(&w, &v, other, n), "that of another run is, at once");
	watch_join(&w, &v, other, n, other, n);
	ok(w.bare, "where another message stands first in the broker, there is none");
	w.asked -= TIM_H;
	ok(watch_take(&w, &v, other, n), "and is never asked for again");
	ok(!watch_take(&w, &v, block_message, n) && !w.bare, "which holds for that run only");
	w.asked -= TIM_H;
	ok(!watch_take(&w, &v, block_message, n), "one that nobody has answered for is, later");
}

static void secrets(void)
{
	char path[] = "/tmp/fyke-unit.XXXXXX", why[BUS_WHY];
	static const char text[] = "user = me\npassword = a b\n";
	struct bus_secrets s;

	int fd = mkstemp(path);
	ok(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1, "a file of mode 0600");
	is_int(bus_secrets(path, &s, why), 0, "is read");
	is_str(s.password, "a b", "password");
	fchmod(fd, 0640);
	is_int(bus_secrets(path, &s, why), -1, "others may not read it");
	close(fd);
	unlink(path);
	is_int(bus_secrets(path, &s, why), -1, "none");
}

int main(void)
{
	heads();
	urls();
	counting();
	asking();
	secrets();
	return done_testing();
}
