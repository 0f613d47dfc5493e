"""kills.py KILLS SEED: kill -9 of publisher, subscriber and broker at random moments, over NATS.

Runs (run.events under other run numbers) are published one after the other until as many kills have
been made, every third one once more; the subscriber appends to one file. Each event of each run must be
there once, in order. Prints a verdict.
"""
import os, random, struct, sys, time, zlib

from pcapng import block, blocks
from programs import free_ports, how, start

KILLS, SEED = int(sys.argv[1]), int(sys.argv[2])
LIMIT = time.monotonic() + 60 + 3 * KILLS
rnd = random.Random(SEED)
PORT, = free_ports(1)
URL = f"nats://127.0.0.1:{PORT}/RUNS/camera"
log = open("kills.log", "w")


def broker():
    return start("nats-server", "-a", "127.0.0.1", "-p", str(PORT), "-js", "-sd", "store", log=log)


def subscriber():
    return start("evsub", URL + "?durable=archive", "-o", "all.events", "--append", "--quiet", log=log)


def publisher(run):
    return start("evpub", URL, f"run{run}.events", "--quiet", log=log)


def make(run):
    """run.events under another run number."""
    out = []
    for kind, body in blocks(open("run.events", "rb").read()):
        if kind == 6:
            n = struct.unpack_from("<I", body, 12)[0]
            data = bytearray(body[20:20 + n])
            struct.pack_into("<I", data, 16, run)
            end = 20 + (n + 3) // 4 * 4             # epb_hash is the first option
            body = (body[:20] + data + body[20 + n:end + 5]
                    + struct.pack("<I", zlib.crc32(data)) + body[end + 9:])
        out.append(block(kind, body))
    open(f"run{run}.events", "wb").write(b"".join(out))


def events(path):
    for kind, body in blocks(open(path, "rb").read()):
        if kind == 6:
            number, run = struct.unpack_from("<QI", body, 20 + 8)
            yield run, number


def whole(path):
    """The bytes before a block that is being written."""
    raw, at = open(path, "rb").read(), 0
    while at + 8 <= len(raw):
        n = struct.unpack_from("<I", raw, at + 4)[0]
        if n < 12 or at + n > len(raw):
            break
        at += n
    return raw[:at]


want = []
who = {"broker": broker(), "subscriber": subscriber()}
kills = {"broker": 0, "subscriber": 0, "publisher": 0}


def publish(run):
    """Until evpub says that everything is stored, with kills meanwhile."""
    who["publisher"] = publisher(run)
    due = time.monotonic() + rnd.uniform(0, 0.3)
    while True:
        assert time.monotonic() < LIMIT, "out of time"
        code = who["publisher"].poll()
        if code == 0:
            return
        assert code in (None, -9), f"evpub ended: {how(code)}"
        if code == -9:
            who["publisher"] = publisher(run)
        code = who["subscriber"].poll()
        assert code in (None, -9), f"evsub ended: {how(code)}"
        if time.monotonic() >= due and sum(kills.values()) < KILLS:
            victim = rnd.choice(sorted(who))
            who[victim].kill()
            who[victim].wait()
            kills[victim] += 1
            due = time.monotonic() + rnd.uniform(0.02, 0.4)
            if victim == "broker":
                time.sleep(rnd.uniform(0, 0.2))
                who["broker"] = broker()
            elif victim == "subscriber":
                who["subscriber"] = subscriber()
        time.sleep(0.005)


run = 0
while sum(kills.values()) < KILLS:
    run += 1
    make(run)
    want += events(f"run{run}.events")
    publish(run)
    if run % 3 == 0:
        publish(run)        # once more: nothing happens
    os.unlink(f"run{run}.events")
seen = 0
while seen < len(want):
    assert time.monotonic() < LIMIT, f"{seen} of {len(want)} arrived"
    if who["subscriber"].poll() == -9:
        who["subscriber"] = subscriber()
    time.sleep(0.1)
    seen = sum(k == 6 for k, _ in blocks(whole("all.events"))) if os.path.exists("all.events") else 0
who["subscriber"].terminate()
assert who["subscriber"].wait(20) in (0, 5), "evsub at the end"
who["broker"].terminate()
who["broker"].wait(20)
got = list(events("all.events"))
print("kills", kills, "runs", run, file=sys.stderr)
missing, extra = set(want) - set(got), len(got) - len(set(got))
if got != want:
    wrong = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    print("seed", SEED, "lost", sorted(missing)[:10], "from place", wrong, "on", got[wrong:wrong + 5], file=sys.stderr)
print(f"lost {len(missing)}, doubled {extra}, {'in order' if got == want else 'out of order'}")
