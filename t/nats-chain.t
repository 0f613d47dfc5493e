# nats-chain.t - the chain behind evpub --tee over NATS, while the broker bounces, is away or refuses:
# nothing of it is lost; strangers' messages harm nobody
. "${0%/*}/lib.sh"
need python3 nats-server
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 timeout 300 /usr/bin/python3 "$@"; }

simdet --quiet -c chec -n 1000 -o run.pcapng
evbuild --quiet -c chec --run=7 -o run.events run.pcapng

cat >chain.py <<'P'
import functools, json, os, random, socket, struct, subprocess, sys, threading, time
from pcapng import *
import programs
from programs import answers, free_ports, until

rnd = random.Random(1)
raw = open("run.events", "rb").read()
header = b"".join(block(k, b) for k, b in list(blocks(raw))[:2])
rest = [block(k, b) for k, b in list(blocks(raw))[2:]]
start = functools.partial(programs.start, log=open("chain.log", "w"))
PORT, = free_ports(1)
URL = f"nats://127.0.0.1:{PORT}/RUNS/camera"


def broker(*more):
    p = start("nats-server", "-a", "127.0.0.1", "-p", str(PORT), "-js", "-sd", "store", *more)
    until("a broker", lambda: answers(PORT))
    return p


def chain(*options, feed):
    """evpub --tee between two pipes; what goes in must come out. Its exit status and messages."""
    p = start("evpub", "--tee", *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = []
    def read():
        while part := os.read(p.stdout.fileno(), 1 << 20):
            out.append(part)
    reader = threading.Thread(target=read)
    reader.start()
    feed(p)
    p.stdin.close()
    reader.join(30)
    assert b"".join(out) == raw, "the chain behind --tee lost something"
    err = p.stderr.read().decode()
    return p.wait(60), err


def all_at_once(p):
    p.stdin.write(raw)
    p.stdin.flush()


def events(path):
    return [struct.unpack_from("<Q", b, 28)[0] for k, b in blocks(open(path, "rb").read()) if k == 6]


def nats(*commands):
    """A client of NATS in a few lines."""
    with socket.create_connection(("127.0.0.1", PORT)) as s:
        f = s.makefile("rwb")
        f.readline()
        f.write(b'CONNECT {"verbose":false}\r\n' + b"".join(b"PUB %s %d\r\n%s\r\n" % (a, len(b), b) for a, b in commands) + b"PING\r\n")
        f.flush()
        while f.readline() not in (b"PONG\r\n", b""):
            pass


def ask(subject, request=b""):
    """JetStream's own interface: a request and its answer."""
    with socket.create_connection(("127.0.0.1", PORT)) as s:
        s.settimeout(20)
        f = s.makefile("rwb")
        f.readline()
        f.write(b'CONNECT {"verbose":false}\r\nSUB me 1\r\nPUB %s me %d\r\n%s\r\n' % (subject.encode(), len(request), request))
        f.flush()
        while not (line := f.readline()).startswith(b"MSG"):
            assert line, "no answer"
        return json.loads(f.read(int(line.split()[-1])))


def memory(p):
    return int(next(l for l in open(f"/proc/{p.pid}/status") if l.startswith("VmRSS")).split()[1])


def bounce(times):
    """The broker dies and comes back, again and again, while events pass."""
    state = {"b": broker()}
    rss = []
    def feed(p):
        p.stdin.write(header)
        step = max(1, len(rest) // times)
        for i in range(0, len(rest), step):
            state["b"].kill()
            state["b"].wait()
            for e in rest[i:i + step]:
                p.stdin.write(e)
            p.stdin.flush()
            time.sleep(rnd.uniform(0, 0.3))
            state["b"] = broker()
            time.sleep(rnd.uniform(0, 0.3))
            rss.append(memory(p))
    code, err = chain(URL, feed=feed)
    assert code == 0, (code, err)
    sub = start("evsub", URL + "?durable=x", "--once", "-o", "bounced.events")
    assert sub.wait(60) == 0
    assert events("bounced.events") == events("run.events"), "each event once, in order"
    assert rss[-1] < rss[0] + len(raw) // 1024 + 8192, rss
    state["b"].terminate()
    state["b"].wait()


def away():
    def feed(p):
        all_at_once(p)
        until("evpub gives up", lambda: os.path.exists("st.json") and '"not published":1000' in open("st.json").read())
    code, err = chain(URL + "?timeout=500ms", "--status=st.json", feed=feed)
    assert code == 3 and "the stream goes on without it" in err, (code, err)
    code, err = chain(URL + "?timeout=500ms", feed=all_at_once)
    assert code == 3 and "nobody answers there" in err, (code, err)


def refused():
    open("auth.conf", "w").write('authorization { user: camera, password: "right" }\n')
    b = broker("-c", "auth.conf")
    code, err = chain(URL, feed=all_at_once)
    assert code == 4 and "the stream goes on without it" in err, (code, err)
    b.terminate()
    b.wait()


def strangers():
    """Messages that are none of ours, under the very subjects of a run, before, in and after it."""
    b = broker()
    assert start("evpub", URL, "run.events").wait(30) == 0
    sub = start("evsub", URL + "?start=new&durable=s", "-n", "1000", "-o", "strange.events", stderr=subprocess.PIPE)
    time.sleep(0.5)
    junk = [(b"camera.9.junk", b"hello"), (b"camera.9.junk", b""), (b"camera.9.junk", os.urandom(900000)),
            (b"camera.x", b"fykb\1\0\2\0" + bytes(40)), (b"camera.9.abc", bytes(100000))]
    nats(*junk)
    p = start("evpub", URL, "next.events", stdin=subprocess.PIPE)
    nats(*junk)
    assert p.wait(60) == 0, "evpub beside another writer"
    nats(*junk)
    err = sub.communicate(timeout=60)[1].decode()
    assert sub.returncode == 0 and "foreign" in err, (sub.returncode, err)
    assert events("strange.events") == events("next.events"), "each event once, in order"
    b.terminate()
    b.wait()


def kept():
    """A consumer that delivers nothing more, though there is more: here because somebody changed it. On a
    cluster one may do so by itself."""
    b = broker()
    assert start("evpub", URL, "run.events").wait(30) == 0
    sub = start("evsub", URL, "-n", "2000", "-o", "kept.events", stderr=subprocess.PIPE)
    until("the first run", lambda: os.path.exists("kept.events") and os.path.getsize("kept.events") >= len(raw))
    name, = ask("$JS.API.CONSUMER.NAMES.RUNS")["consumers"]
    config = ask("$JS.API.CONSUMER.INFO.RUNS." + name)["config"]
    config["filter_subject"] = "camera.nothing"
    answer = ask("$JS.API.CONSUMER.DURABLE.CREATE.RUNS." + name, json.dumps({"stream_name": "RUNS", "config": config}).encode())
    assert "error" not in answer, answer
    assert start("evpub", URL, "next.events").wait(30) == 0
    err = sub.communicate(timeout=60)[1].decode()
    assert sub.returncode == 0 and "2000 records in, 2000 out, 0 lost; streams 2" in err, (sub.returncode, err)
    assert events("kept.events") == 2 * events("run.events"), "each event once, in order"
    b.terminate()
    b.wait()


def idle():
    """A broker that goes away for a moment while there is nothing to publish, and once more."""
    b = broker()
    p = start("evpub", URL, stdin=subprocess.PIPE, stderr=open("idle.err", "w"))
    p.stdin.write(header)
    p.stdin.flush()
    said = lambda words, times: lambda: open("idle.err").read().count(words) == times
    until("evpub waits for an event", lambda: ask("$JS.API.STREAM.NAMES")["total"] == 1)
    for i in 1, 2:
        b.kill()
        b.wait()
        until("evpub has seen it go", said("what comes waits in memory", i))
        b = broker()
        until("evpub has seen it come back", said("connected again", i))
    p.stdin.write(b"".join(rest))
    p.stdin.close()
    assert p.wait(30) == 0, open("idle.err").read()
    b.terminate()
    b.wait()


def refuses(times):
    """A broker that does not answer when it is first asked for the header of a run, so many times."""
    b = broker()
    assert start("evpub", URL, "run.events").wait(30) == 0
    left, door = [times], socket.create_server(("127.0.0.1", 0))
    def carry(a, b):
        while part := a.recv(1 << 16):
            while left[0] and b"PUB $JS.API.DIRECT.GET" in part:
                part = part.replace(b"PUB $JS.API.DIRECT.GET", b"PUB $NO.API.DIRECT.GET", 1)
                left[0] -= 1
            b.sendall(part)
        b.shutdown(socket.SHUT_WR)
    def pair():
        while True:
            c, s = door.accept()[0], socket.create_connection(("127.0.0.1", PORT))
            for ends in (c, s), (s, c):
                threading.Thread(target=carry, args=ends, daemon=True).start()
    threading.Thread(target=pair, daemon=True).start()
    url = f"nats://127.0.0.1:{door.getsockname()[1]}/RUNS/camera?start=seq:400"
    sub = start("evsub", url, "--once", "-o", f"asked{times}.events", stderr=subprocess.PIPE)
    err = sub.communicate(timeout=60)[1].decode()
    assert sub.returncode == 0 and "602 records in, 602 out, 0 lost" in err, (sub.returncode, err)
    assert left[0] == 0 and ("cannot ask for the header of a run" in err) == (times > 8), err
    assert events(f"asked{times}.events") == events("run.events")[398:], "each event once, in order"
    b.terminate()
    b.wait()


def ungiving():
    """A stream that somebody has made so that single messages cannot be asked for."""
    b = broker()
    assert start("evpub", URL, "run.events").wait(30) == 0
    config = ask("$JS.API.STREAM.INFO.RUNS")["config"]
    answer = ask("$JS.API.STREAM.UPDATE.RUNS", json.dumps({**config, "allow_direct": False}).encode())
    assert "error" not in answer, answer
    sub = start("evsub", URL + "?start=seq:400", "--once", "-o", "ungiven.events", stderr=subprocess.PIPE)
    err = sub.communicate(timeout=60)[1].decode()
    assert sub.returncode == 5 and "602 records in, 0 out, 602 lost (missed 602)" in err, (sub.returncode, err)
    b.terminate()
    b.wait()


def headless():
    """A run whose header is not stored any more, and one after it."""
    b = broker("-V", "-l", "trace.log")
    for run in "run.events", "next.events":
        assert start("evpub", URL, run).wait(30) == 0
    assert ask("$JS.API.STREAM.MSG.DELETE.RUNS", b'{"seq":1}')["success"]
    for options, told in (("--once",), "1000 records in, 0 out, 1000 lost (missed 1000)"), \
            (("-n", "1000"), "2000 records in, 1000 out, 1000 lost (missed 1000); streams 1"):
        sub = start("evsub", URL, *options, "-o", options[0] + ".events", stderr=subprocess.PIPE)
        err = sub.communicate(timeout=60)[1].decode()
        assert sub.returncode == 5 and told in err, (sub.returncode, err)
        assert err.count("run 7: the broker does not have its header") == 1, err
    assert events("-n.events") == events("next.events"), "each event once, in order"
    asked = lambda: open("trace.log").read().count("$JS.API.DIRECT.GET.RUNS")
    before = asked()
    seen = subprocess.run(["evstat", "-O", "json", "--every=500ms", "-n", "4", URL], capture_output=True)
    assert json.loads(seen.stdout.splitlines()[-1])["records"] == 1000, seen
    assert 0 < asked() - before < 20, ("evstat does not ask for each message", asked() - before)
    b.terminate()
    b.wait()


globals()[sys.argv[1]](*map(int, sys.argv[2:]))
P
evbuild --quiet -c chec --run=9 -o next.events run.pcapng
if nightly; then times=100; else times=6; fi
ok "the broker bounces $times times: the chain is whole, everything is stored once, memory is flat" -- py chain.py bounce "$times"
ok "no broker: the chain is whole, and evpub ends with 3" -- py chain.py away
ok "wrong credentials: the chain is whole, and evpub ends with 4" -- py chain.py refused
ok "strangers write into the stream: the run is whole" -- py chain.py strangers
rm -rf store
ok "a broker that keeps back what it has: it is asked for one by one" -- py chain.py kept
rm -rf store
ok "a broker that goes away while there is nothing to publish is there again when it is" -- py chain.py idle
rm -rf store
ok "a run whose header is gone is told once, asked for once, and counts as missed" -- py chain.py headless
rm -rf store
ok "a broker that gives no single messages: what has no header counts as missed" -- py chain.py ungiving
for times in 3 10; do
	rm -rf store
	ok "a broker that does not answer $times times when it is asked for a header: nothing is lost" -- py chain.py refuses $times
done
done_testing
