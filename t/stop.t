# stop.t - Ctrl-C, SIGTERM and readers that leave: nothing is lost, and everybody ends
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

simdet -c chec -n 1000 -o long.pcapng --quiet
simdet -c chec -n 200 -o run.pcapng --quiet
evbuild -c chec -o run.events --quiet run.pcapng
evbuild -c chec -o long.events --quiet long.pcapng

cat >stops.py <<'E2'
"""stops.py CASE"""
import fcntl
import signal
import socket
import subprocess
import sys
import termios
import time
from chain import *

PIPE, NULL = subprocess.PIPE, subprocess.DEVNULL


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.001)


def start(command, group=None, **more):
    """Ctrl-C works, whatever whoever started this test ignores."""
    more.setdefault("stderr", PIPE)
    return subprocess.Popen(command.split(), process_group=group, **more,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def ready(p):
    line = p.stderr.readline()
    while b": ready " not in line:
        assert line, "not ready"
        line = p.stderr.readline()
    return line.split()[-1].decode()


def end(p, wanted, words=None):
    text = p.communicate(timeout=20)[1]
    text = (text or b"").decode()
    assert p.returncode in wanted, (p.args, p.returncode, text)
    assert words is None or words in text, text
    return text


def frames(path):
    import netCDF4
    try:
        with netCDF4.Dataset(path) as d:
            return int(d["frames_written"][...])
    except OSError:
        return 0


def pipeline(name, tail="raw2nc -o {}.nc --every=1ms --status=n.json"):
    """udp2raw | tee | evbuild | raw2nc in a process group of their own, and simdet out of it"""
    u = start("udp2raw -l 127.0.0.1:0 --status=u.json", 0, stdout=PIPE)
    g = u.pid
    t = start("tee -i %s.pcapng" % name, g, stdin=u.stdout, stdout=PIPE)
    e = start("evbuild -c chec --status=e.json", g, stdin=t.stdout, stdout=PIPE)
    n = start(tail.format(name), g, stdin=e.stdout, stdout=PIPE if "raw2nc" not in tail else None)
    for p in (u, t, e):
        p.stdout.close()
        p.stdout = None
    return g, u, t, e, n


def ctrl_c():
    g, u, t, e, n = pipeline("c")
    s = start("simdet -c chec -n 100000 --speed=200 --quiet -d " + ready(u), stderr=NULL)
    until("events are stored", lambda: frames("c.nc") > 50)
    os.killpg(g, signal.SIGINT)
    for p in (u, t, e, n):
        end(p, (0,))
    s.kill()
    s.wait()
    caught = packets("c.pcapng")
    assert status("u.json")["out"] == len(caught) > 150
    assert status("e.json")["in"] == status("e.json")["out"] == 10 * len(caught)
    assert status("n.json")["out"] == status("e.json")["also"]["events"] == frames("c.nc")
    assert subprocess.run("evdump --check c.pcapng".split(), stdout=NULL).returncode == 0
    assert sum(map(int, nc("c.nc")["nrec"])) == 10 * len(caught)


def losses(path):
    import netCDF4
    with netCDF4.Dataset(path) as d:
        d.set_auto_mask(False)
        return dict(zip(netCDF4.chartostring(d["loss_name"][:]), map(int, d["loss_count"][:])))


FILTERS = {"evbuild": ("evbuild -c chec -o two.events", "run.pcapng"),
           "raw2nc": ("raw2nc -o two.nc", "run.events"),
           "evdump": ("evdump -O tsv", "run.events"),
           "raw2udp": ("raw2udp -d 127.0.0.1:9 --speed=max", "run.pcapng")}


def half_fed(name):
    """A filter that has read half of its input, and waits for more."""
    command, path = FILTERS[name]
    data = slurp(path)
    made = {"evbuild": "two.events", "raw2nc": "two.nc"}.get(name)
    if made and os.path.exists(made):
        os.unlink(made)
    p = start(command + " --status=f.json", stdin=PIPE, stdout=open("two.out", "wb"))
    p.stdin.write(data[:len(data) // 2])
    p.stdin.flush()
    waiting = lambda: struct.unpack("i", fcntl.ioctl(p.stdin, termios.FIONREAD, bytes(4)))[0]
    until("it has read", lambda: waiting() == 0)
    return p, data[len(data) // 2:]


def everything(name):
    if name == "evbuild":
        assert slurp("two.events") == slurp("run.events")
    elif name == "raw2nc":
        assert frames("two.nc") == 200
    elif name == "evdump":
        assert slurp("two.out").count(b"\n") == 201
    else:
        assert status("f.json")["in"] == 640


def first_ctrl_c():
    """A filter lets the first Ctrl-C pass, and SIGTERM leaves it time, to read to the end."""
    for name in FILTERS:
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            p, rest = half_fed(name)
            p.send_signal(how)
            p.stdin.write(rest)
            end(p, (0,))
            everything(name)


def second_ctrl_c():
    for name in FILTERS:
        p, rest = half_fed(name)
        p.send_signal(signal.SIGINT)
        p.send_signal(signal.SIGUSR1)  # its answer tells that the first one has been seen
        line = p.stderr.readline()
        while b" in, " not in line:
            assert line, name
            line = p.stderr.readline()
        assert p.poll() is None, name
        p.send_signal(signal.SIGINT)
        p.wait(5)
        assert p.returncode == 130, (name, p.returncode, p.stderr.read())
        p.stdin.close()
        p.stderr.close()


def sigterm():
    """Input that stays open: SIGTERM leaves ten seconds."""
    waiting = []
    for name in FILTERS:
        p, rest = half_fed(name)
        p.send_signal(signal.SIGTERM)
        waiting.append(p)
    begun = time.monotonic()
    for p in waiting:
        p.wait(15)
        assert p.returncode in (0, 5), (p.args, p.returncode, p.stderr.read())
        assert time.monotonic() - begun > 5, p.args
    assert frames("two.nc") > 0


def stand(command, call, at, *signals):
    """A program that stands still at a call, and finds these signals when it goes on."""
    shim = os.environ["FYKE_BUILD"] + "/t/shim-fail.so"
    for path in ("two.events", "two.nc", "two.out"):
        if os.path.exists(path):
            os.unlink(path)
    p = start(command + " --quiet", stdout=open("two.out", "wb"), env={**os.environ, "LD_PRELOAD": shim,
              "FAIL_CALL": call, "FAIL_HOW": "STOP", "FAIL_AT": str(at)})
    until("it stands", lambda: open("/proc/%d/stat" % p.pid).read().rsplit(")", 1)[1].split()[0] == "T")
    for how in signals + (signal.SIGCONT,):
        p.send_signal(how)
    return p


def files():
    """In the middle of a file any signal ends it: with 130, and what there is says that it is not all."""
    told = "stopped before the end: run it again for the whole ("
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        end(stand("evbuild -c chec -o two.events long.pcapng", "write", 2, how), (130,), told)
        whole, part = slurp("long.events"), slurp("two.events")
        assert 50000 < len(part) < len(whole) / 2, (len(part), len(whole))
        check = subprocess.run("evdump --check two.events".split(), capture_output=True)
        assert check.returncode == 1 and b": cut: " in check.stdout, check
        end(stand("raw2nc -o two.nc --every=1ms long.events", "write", 5, how), (130,), told)
        assert 0 < frames("two.nc") < 1000, frames("two.nc")
        assert losses("two.nc")["streams cut before their end mark"] == 1
        end(stand("evdump -O tsv -f amplitude long.events", "write", 1, how), (130,), told)
        assert 0 < slurp("two.out").count(b"\n") < 1000
        p = start("raw2udp -d 127.0.0.1:9 --speed=0.001 run.pcapng --status=far.json")
        until("it has begun", lambda: os.path.exists("far.json"))
        p.send_signal(how)
        end(p, (130,), told)
        os.unlink("far.json")


def files_end():
    """After the end of a file there is nothing to be interrupted."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        end(stand("raw2nc -o two.nc --every=1h run.events", "sync", 8, how), (0,))
        assert frames("two.nc") == 200


def sources():
    """Sources stop at once, with a whole stream."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if os.path.exists("s.pcapng"):
            os.unlink("s.pcapng")
        u = start("udp2raw -l 127.0.0.1:0 -o s.pcapng")
        s = start("simdet -c chec -d %s --rate=1000" % ready(u))
        until("it writes", lambda: os.path.getsize("s.pcapng") > 5000)
        s.send_signal(how)
        end(s, (0,), " out, ")
        u.send_signal(how)
        text = end(u, (0,), " 0 lost")
        assert "%d out" % len(packets("s.pcapng")) in text
        assert subprocess.run("evdump --check s.pcapng".split(), stdout=NULL).returncode == 0


def ignored():
    """What nohup or a background job ignores stays ignored."""
    u = subprocess.Popen("udp2raw -l 127.0.0.1:0 -o i.pcapng".split(), stderr=PIPE,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    address = ready(u)
    u.send_signal(signal.SIGINT)
    u.send_signal(signal.SIGUSR1)
    assert b" in, " in u.stderr.readline()
    host, port = address.rsplit(":", 1)
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes(144), (host, int(port)))
    until("it still writes", lambda: len(packets("i.pcapng")) == 1)
    u.send_signal(signal.SIGTERM)
    end(u, (0,))


def reader_leaves():
    """head takes a little: all before it die of SIGPIPE, as a shell expects, and soon."""
    g, u, t, e, n = pipeline("h", "head -c 1000")
    s = start("simdet -c chec -n 100000 --speed=200 --quiet -d " + ready(u), stderr=NULL)
    end(n, (0,))
    end(e, (-13,))
    end(t, (-13, 1))
    end(u, (-13,))
    s.kill()
    s.wait()
    for command in ("evdump -f amplitude run.events", "evdump -O json -c chec -f amplitude run.pcapng",
                    "simdet -c chec -n 5000 -o -", "evbuild -c chec long.pcapng"):
        p = start(command, stdout=PIPE)
        p.stdout.read(10)
        p.stdout.close()
        p.stdout = None
        end(p, (-13,))


globals()[sys.argv[1]]()
E2

stops() { # stops CASE WORDS
	/usr/bin/python3 stops.py "$1" >got 2>&1
	is $? 0 "$2" || tail -n 4 got | diag
}
stops ctrl_c "Ctrl-C on the whole pipeline: all end with 0, and what was caught is stored"
stops first_ctrl_c "a filter reads on to the end after Ctrl-C, SIGTERM and SIGHUP"
stops second_ctrl_c "a second Ctrl-C ends it with 130"
stops files "in the middle of a file a signal ends a program with 130, and its output does not look whole"
stops files_end "after the end of a file it does not"
stops sources "sources stop at once, with a whole stream"
stops ignored "an ignored Ctrl-C stays ignored"
stops reader_leaves "when the reader leaves, all before it die of SIGPIPE"
if nightly; then
	stops sigterm "SIGTERM: ten seconds for input that does not end"
fi
done_testing
