# bus-storm.t - the chain behind evpub --tee, while subscribers storm, strangers knock and the bus breaks:
# nothing of it is lost, and memory stays flat
# san: yes
. "${0%/*}/lib.sh"
need python3
if nightly; then rounds=100 limit=900; else rounds=8 limit=60; fi
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 timeout "$limit" /usr/bin/python3 "$@"; }
/usr/bin/python3 -c 'import zmq' 2>/dev/null || skip_all "python3-zmq is not installed"

simdet --quiet -c chec -n 400 -o run.pcapng
evbuild --quiet -c chec --run=7 -o run.events run.pcapng
evbuild --quiet -c chec --run=8 -o next.events run.pcapng

# ---- a chain at the rate of a detector, fed and watched by the test ----
cat >chain.py <<'P'
import os, random, socket, subprocess, sys, threading, time
from bus import *
import zmq

rnd = random.Random(1)
raw = open("run.events", "rb").read()
header = b"".join(block(k, b) for k, b in list(blocks(raw))[:2])
events = [block(k, b) for k, b in blocks(raw) if k == 6]
RING = 33 << 10     # KiB that evpub may keep for its publishing thread
SPARE = 300 << 10 if os.environ.get("FYKE_SAN") else 4096   # sanitizers keep what was freed


def end(n):
    stats = b"".join(option(c, struct.pack("<Q", v)) for c, v in ((4, n), (5, 0), (7, 0), (8, n)))
    return block(5, struct.pack("<3I", 0, 0, 0) + stats + bytes(4))


class Chain:
    """evpub --tee between two pipes; the feeder sends the run's events over and over."""
    def __init__(self, *url, tee=True):
        self.p = subprocess.Popen(["evpub", "--status=st.json", *url] + ["--tee"] * tee, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.address = self.p.stderr.readline().split()[-1].decode()
        self.sent, self.got, self.slowest = [], [], 0.0
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.send(header)

    def read(self):
        while part := os.read(self.p.stdout.fileno(), 1 << 20):
            self.got.append(part)

    def send(self, data):
        t = time.monotonic()
        self.p.stdin.write(data)
        self.p.stdin.flush()
        self.slowest = max(self.slowest, time.monotonic() - t)
        self.sent.append(data)

    def memory(self, p=None):
        """In KiB."""
        return int(next(l for l in open(f"/proc/{(p or self.p).pid}/status") if l.startswith("VmRSS")).split()[1])

    def close(self):
        """Everything that was sent came out, byte for byte. evpub's messages."""
        self.send(end(len(self.sent) - 1))
        self.p.stdin.close()
        self.reader.join(20)
        err = self.p.stderr.read().decode()
        assert b"".join(self.got) == b"".join(self.sent), "the chain behind --tee lost something"
        assert self.p.wait(20) == 0, (self.p.returncode, err)
        return err


def storm(rounds):
    """100 subscribers come and go, in all ways, while events pass."""
    c = Chain("zmq+tcp://127.0.0.1:0?linger=0")
    at, stop = c.address.replace("zmq+", ""), threading.Event()
    def feed():
        while not stop.wait(0.002):
            c.send(events[rnd.randrange(len(events))])
    feeder = threading.Thread(target=feed)
    feeder.start()
    memory = []
    for _ in range(rounds):
        ctx, there = zmq.Context(), []
        for i in range(100):
            s = ctx.socket(zmq.SUB)
            s.setsockopt(zmq.LINGER, 0)
            s.setsockopt(zmq.RCVHWM, 1 + i)
            s.setsockopt(zmq.SUBSCRIBE, rnd.choice((b"", b"fykb\1\0", b"fykb", b"other")))
            s.connect(at)
            if i % 10 == 0:
                s.close()           # before it is there
            else:
                there.append(s)
        for s in rnd.sample(there, 30):
            if s.poll(200):
                s.recv()
        for s in there:
            s.close()
        ctx.destroy(0)
        memory.append(c.memory())
    stop.set()
    feeder.join()
    c.close()
    if not os.environ.get("FYKE_SAN"):  # sanitizers keep what was freed for a while
        assert memory[-1] < memory[1] + RING + SPARE, memory
    assert c.slowest < 5, c.slowest


def knock():
    """Whatever somebody sends to the port."""
    c = Chain("zmq+tcp://127.0.0.1:0?linger=0")
    host, port = "127.0.0.1", int(c.address.rsplit(":", 1)[1])
    ctx = zmq.Context()
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"", bytes(70000), os.urandom(5000), b"\xff" + bytes(8) + b"\x7f",
                 b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(48), b"\xff\0\0\0\0\0\0\0\1\x7f\3\1PLAIN" + os.urandom(200)):
        with socket.create_connection((host, port)) as s:
            try:
                s.sendall(data)
            except OSError:
                pass
        c.send(events[0])
    for kind in (zmq.REQ, zmq.PUSH, zmq.PAIR, zmq.PUB):
        s = ctx.socket(kind)
        s.setsockopt(zmq.LINGER, 0)
        s.connect(c.address.replace("zmq+", ""))
        try:
            s.send(os.urandom(100), zmq.DONTWAIT)
        except zmq.Again:
            pass
        c.send(events[1])
        s.close(0)
    s = ctx.socket(zmq.XSUB)        # long subscriptions, and messages that are none
    s.setsockopt(zmq.LINGER, 0)
    s.connect(c.address.replace("zmq+", ""))
    for m in (b"\1" + bytes(5000), b"\0gone", b"\2what", b""):
        s.send(m)
    # a peer that speaks ZMTP 3.0 without any library, and makes frames of its own
    megabyte = b"\2" + struct.pack(">Q", 1 << 20) + b"\1" + bytes((1 << 20) - 1)  # a subscription
    for frames in (megabyte, bytes(2), b"\1\1\1\0\0", b"\4\5HELLO", b"\2" + bytes(7) + b"\1", b"\2\x7f" + bytes(7) + os.urandom(90)):
        with socket.create_connection((host, port)) as raw_peer:
            raw_peer.settimeout(5)
            ready = b"\5READY\x0bSocket-Type\0\0\0\3SUB"
            raw_peer.sendall(b"\xff" + bytes(8) + b"\x7f\3\0NULL".ljust(54, b"\0") + bytes((4, len(ready))) + ready)
            try:
                raw_peer.recv(64)
                raw_peer.sendall(frames)
            except OSError:             # it may be turned away
                pass
            c.send(events[3])
    good = subscriber(c.address, b"fykb\1\0")
    until = time.monotonic() + 20
    while not good.poll(50):
        assert time.monotonic() < until, "a good subscriber hears nothing"
        c.send(events[2])
    assert HEAD.unpack_from(good.recv())[2] == HEADER
    good.close(0)
    s.close(0)
    c.close()


def stuck():
    """An evsub whose reader stands still: neither side keeps more than 256 MiB of large events."""
    c = Chain("zmq+tcp://127.0.0.1:0?linger=0", "--wait=1", tee=False)
    sub = subprocess.Popen(["evsub", "--quiet", c.address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    large = block(6, struct.pack("<5I", 0, 0, 0, 250000, 250000) + bytes(250000))
    for _ in range(3200):
        c.send(large)
    kept = [c.memory(p) for p in (c.p, sub)]
    sub.kill()
    c.p.kill()
    c.p.wait()
    assert kept[0] > 100 << 10 and max(kept) < 340 << 10, kept


what = sys.argv[1]
storm(int(sys.argv[2])) if what == "storm" else knock() if what == "knock" else stuck()
P
ok "100 subscribers come and go, $rounds times: the chain is whole, memory is flat" -- py chain.py storm "$rounds"
ok "strangers at the port, and messages that are too long: the chain is whole, subscribers are served" -- py chain.py knock
if [ -n "$FYKE_SAN" ]; then
	skip "how much memory a sanitizer takes is its own affair"
else
	ok "a subscriber that stands still takes 256 MiB at most, of either side" -- py chain.py stuck
fi

# ---- the end of a run, and the next one ----
address=zmq+ipc://$tmp/bus.sock
evsub "$address" -n 800 -o both.events 2>both.err &
sub=$!
ok "a run" -- evpub "$address" --wait=1 run.events
ok "the publisher starts again, with the next run" -- evpub "$address" --wait=1 next.events
finish "$sub"
is "$status" 0 "the subscriber that stayed has both"
like both.err '800 records in, 800 out, 0 lost; streams 2' "with nothing lost between them"
is "$(evdump -O json both.events 2>/dev/null | sed 's/.*"run":\([0-9]*\).*/\1/' | uniq -c | tr -s ' \n' ' ')" " 400 7 400 8 " "each under its number"
ok "two sections, both whole" -- evdump --check both.events
done_testing
