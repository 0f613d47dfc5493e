# kill.t - kill -9 of every stage at any moment: what is on the disk is whole, the others say so
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

# Inputs and what they give when nobody is killed.
simdet -c chec -n 300 -o run.pcapng --drop=1% --quiet
evbuild -c chec -o run.events --max-loss=1000 --quiet run.pcapng 2>err || diag <err
cat run.events | raw2nc -o run.nc --quiet --max-loss=1000 2>err || diag <err

cat >kills.py <<'E2'
"""kills.py STAGE SEED: one run, killed at a moment that follows from the seed"""
import random
import signal
import socket
import subprocess
import sys
import time
from chain import *

stage, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
PIPE = subprocess.PIPE


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.0005)


def start(command, **more):
    return subprocess.Popen(command.split(), **more)


def ended(p, words, wanted, text=None):
    message = p.communicate(timeout=20)[1]
    message = message.decode() if message else ""
    assert p.returncode in wanted, "%s: ended with %d, not %s: %s" % (words, p.returncode, wanted, message)
    assert text is None or text in message, "%s: no '%s' in: %s" % (words, text, message)


def feed(p, data, end):
    """data[:end] in pieces as they come; False when the reader is gone."""
    at = 0
    try:
        while at < end:
            n = min(chance.choice((100, 5000, 70000)), end - at)
            p.stdin.write(data[at:at + n])
            p.stdin.flush()
            at += n
    except BrokenPipeError:
        return False
    return True


def whole_events(path):
    got, want = list(records(slurp(path))), list(records(slurp("run.events")))
    assert [r[3:7] for r in got] == [r[3:7] for r in want[:len(got)]], "events are the first ones of the run"
    return len(got)


def rows(path, at_least):
    got, want = nc(path), nc("run.nc")
    n, seen = int(got["frames_written"]), len(got["time"])
    assert at_least <= n <= seen, (at_least, n, seen)
    for name, v in want.items():
        if v.ndim and name not in ("loss_count", "anchor_first", "anchor_clock", "anchor_time"):
            part = slice(None) if name == "loss_name" else slice(seen)
            assert same_values(got[name][part], v[part]), name
    return n


def check_says(path, words):
    p = subprocess.run(["evdump", "--check", path], stdout=PIPE, stderr=PIPE, text=True)
    assert p.returncode == 1 and words in p.stdout, (p.returncode, p.stdout, p.stderr)


def committed():
    import netCDF4
    try:
        with netCDF4.Dataset("k.nc") as d:
            return int(d["frames_written"][...])
    except FileNotFoundError:
        return 0


def free(*names):
    for n in names:
        if os.path.exists(n):
            os.unlink(n)


def raw2nc():
    free("k.nc")
    data = slurp("run.events")
    p = start("raw2nc -o k.nc --every=1ms --quiet", stdin=PIPE)
    feed(p, data, chance.randrange(len(data)))
    safe = committed()
    p.kill()
    p.wait()
    if os.path.exists("k.nc"):
        rows("k.nc", safe)
    left = subprocess.run("raw2nc -o k.nc --overwrite --max-loss=1000 --quiet run.events".split(), stderr=PIPE)
    assert left.returncode == 0, left.stderr
    assert rows("k.nc", 300) == 300


def evbuild():
    free("k.events")
    data = slurp("run.pcapng")
    p = start("evbuild -c chec -o k.events --quiet", stdin=PIPE)
    feed(p, data, chance.randrange(len(data)))
    p.kill()
    p.wait()
    if os.path.exists("k.events") and os.path.getsize("k.events"):
        n = whole_events("k.events")
        check_says("k.events", ": cut: %d events" % n if n else ": cut: ")


def udp2raw():
    """Into a file, and into a folder of files: killed while datagrams come."""
    folder = seed % 2
    free("k.pcapng")
    subprocess.run("rm -rf k.dir", shell=True)
    os.mkdir("k.dir")
    p = start("udp2raw -l 127.0.0.1:0 --quiet --min-free=0 " +
              ("--dir=k.dir --rotate=1h" if folder else "-o k.pcapng"), stderr=PIPE, text=True)
    address = p.stderr.readline().split()[-1]
    s = start("simdet -c chec -d %s -n 2000 --speed=100 --quiet" % address, stderr=subprocess.DEVNULL)
    size = chance.randrange(1000000)
    files = lambda: ["k.dir/" + f for f in os.listdir("k.dir") if "pcapng" in f] if folder else ["k.pcapng"]
    until("the file grows", lambda: sum(map(os.path.getsize, files())) >= max(size, 1))
    p.kill()
    p.communicate()
    s.kill()
    s.wait()
    if folder:
        part, = files()
        assert part.endswith(".part"), part
        p = start("udp2raw -l 127.0.0.1:0 -t 0.001 --dir=k.dir --rotate=1h --min-free=0", stderr=PIPE)
        ended(p, "the next capture", (0,), "kept from a capture that was killed")
        names = [f for f in os.listdir("k.dir") if ".cut." in f]
        assert len(names) == 1 and not os.path.exists(part), os.listdir("k.dir")
    path = "k.dir/" + names[0] if folder else "k.pcapng"
    n = len(packets(path))
    check_says(path, ": cut: %d packets" % n)
    b = subprocess.run(["evbuild", "-c", "chec", "-o", "-", "--status=k.json", path], stdout=PIPE, stderr=PIPE)
    assert b.returncode == 1 and status("k.json")["in"] == 10 * n and b"cut" in b.stderr, b.stderr


def pipeline():
    """udp2raw | evbuild | raw2nc live; one of them is killed, the others end by themselves."""
    free("k.nc")
    victim = chance.choice(("udp2raw", "evbuild", "raw2nc"))
    u = start("udp2raw -l 127.0.0.1:0", stdout=PIPE, stderr=PIPE)
    line = u.stderr.readline()
    while b": ready " not in line:
        line = u.stderr.readline()
    e = start("evbuild -c chec", stdin=u.stdout, stdout=PIPE, stderr=PIPE)
    n = start("raw2nc -o k.nc --every=1ms", stdin=e.stdout, stderr=PIPE)
    u.stdout.close()
    e.stdout.close()
    u.stdout = e.stdout = None
    s = start("simdet -c chec -d %s -n 20000 --speed=100 --quiet" % line.split()[-1].decode(), stderr=subprocess.DEVNULL)
    at = chance.randrange(40)
    until("events are stored", lambda: committed() > at)
    {"udp2raw": u, "evbuild": e, "raw2nc": n}[victim].kill()
    end = {"udp2raw": lambda: (ended(u, "udp2raw", (-9,)), ended(e, "evbuild", (1,), "cut"), ended(n, "raw2nc", (1,), "cut")),
           "evbuild": lambda: (ended(e, "evbuild", (-9,)), ended(n, "raw2nc", (1,), "cut"), ended(u, "udp2raw", (-13,))),
           "raw2nc": lambda: (ended(n, "raw2nc", (-9,)), ended(e, "evbuild", (-13,)), ended(u, "udp2raw", (-13,)))}
    end[victim]()
    s.kill()
    s.wait()
    assert committed() > at


globals()[stage]()
E2

kills() { # kills STAGE WORDS: at many moments
	bad=
	for seed in $(seq "$times"); do
		/usr/bin/python3 kills.py "$1" "$seed" >got 2>&1 || { bad="$bad $seed"; tail -n 2 got; } >>why
	done
	is "$bad" "" "$2, $times times" || head -n 6 why | diag
	: >why
}

times=10; ! nightly || times=1000
kills raw2nc "raw2nc: the netCDF opens, holds all that was committed, and nothing that is not whole"
kills evbuild "evbuild: its file holds the first events, all whole"
kills udp2raw "udp2raw: its file holds whole packets, and says that it was cut"
kills pipeline "any of the pipeline: the others end by themselves and say what happened"
done_testing
