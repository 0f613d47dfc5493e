# evpub.t - streams out: ZeroMQ, SSDAQ's messages, --tee, who waits for whom, exit codes
# san: yes
. "${0%/*}/lib.sh"
need python3
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 timeout 60 /usr/bin/python3 "$@"; }
/usr/bin/python3 -c 'import zmq' 2>/dev/null || skip_all "python3-zmq is not installed"
run_in_background() { "$@" & pid=$!; tap_pids="$tap_pids $pid"; }

simdet --quiet -c chec -n 200 -o run.pcapng
evbuild --quiet -c chec --run=7 -o run.events run.pcapng

# ---- one message an event, the same bytes as in the pipe ----
cat >listen.py <<'P'
import sys
from bus import *
s = subscriber(sys.argv[1], b"fykb\1\0")
want = [block(k, b) for k, b in blocks(open("run.events", "rb").read()) if k in (5, 6)]
got, expected = [], 0
while True:
    m = s.recv()
    magic, version, kind, stream, sequence, records, run, zero, sent = HEAD.unpack_from(m)
    body = m[HEAD.size:]
    assert abs(time.time_ns() - sent) < 60e9 and zero == 0
    if kind == HEADER:
        kinds = [k for k, _ in blocks(body)]
        assert kinds == [0x0A0D0D0A, 1], kinds
        assert b"name = chec" in body, "the card is in the header"
        first, id_ = sequence, stream
        continue
    assert stream == id_ and sequence == expected, (sequence, expected)
    assert records == sum(b[:4] == b"\6\0\0\0" for b in got)
    assert run == (7 if kind != 3 else run)
    expected += 1
    got.append(body)
    if kind == END:
        break
assert first == 0
assert got == want, "the blocks are those of the pipe"
print(len(got))
P
start pub evpub 'zmq+tcp://127.0.0.1:0' --wait=1 run.events
ok "a listener that knows only the page hears it" -- py listen.py "$address"
is "$(cat out)" 202 "200 events, the heartbeat and the end mark, byte for byte those of the pipe"
finish "$pid"
is "$status" 0 "and evpub ends well"
like pub.err '200 records in, 200 out, 0 lost; subscribers 1' "everything is counted"

mkfifo pair.in
exec 9<>pair.in
start pair evpub 'zmq+tcp://127.0.0.1:0' --wait=2 --verbose 9>&-
evsub --quiet "$address" -n 1 -o one.events 9>&- &
one=$!
evsub --quiet "$address" --once -o two.events 9>&- &
two=$!
head -c 500000 run.events >&9
finish $one
tail -c +500001 run.events >&9
exec 9>&-
finish $two
finish "$pid"
like pair.err ': subscribers 2$' "who comes and goes is told with --verbose"
like pair.err '200 records in, 200 out, 0 lost; subscribers 2$' "so is a subscriber that left before the end"

# ---- the reader of fyke-bus(5) ----
sed -n '/reader-begin/,/reader-end/p' "$top/man5/fyke-bus.5" | sed '1,2d' | sed '/^\.Ed/,$d; s/\\e/\\/g' >reader.py
start pub evpub 'zmq+tcp://127.0.0.1:0' --wait=1 run.events
ok "the 15 lines of Python in fyke-bus(5)" -- py reader.py "${address#zmq+}"
is "$(grep -c '^7 [0-9]* 32 missed 0$' out)" 200 "read every event"
finish "$pid"

# ---- those who come late get the card first, from where they are on ----
cat >late.py <<'P'
import sys, subprocess
from bus import *
feed = subprocess.Popen(["evpub", "zmq+tcp://127.0.0.1:0", "--wait=1", "--quiet"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
address = feed.stderr.readline().split()[-1].decode()
raw = open("run.events", "rb").read()
parts = [block(k, b) for k, b in blocks(raw)]
first = subscriber(address)
feed.stdin.write(b"".join(parts[:102])); feed.stdin.flush()     # SHB, IDB, 100 events
assert HEAD.unpack_from(first.recv())[2] == HEADER
for i in range(100):
    assert HEAD.unpack_from(first.recv())[4] == i
late = subscriber(address)
h = late.recv()
assert HEAD.unpack_from(h)[2] == HEADER and HEAD.unpack_from(h)[4:6] == (100, 100), "the card, and where we are"
feed.stdin.write(b"".join(parts[102:])); feed.stdin.close()
kinds = [HEAD.unpack_from(late.recv()) for _ in range(102)]
assert [k[4] for k in kinds] == list(range(100, 202)) and kinds[-1][2] == END
assert feed.wait(20) == 0
print("late")
P
ok "a late subscriber gets the card when it subscribes" -- py late.py

# ---- SSDAQ: listeners written for it keep working ----
cat >ssdaq.py <<'P'
import math, sys
from bus import *
s, size, old = subscriber(sys.argv[1]), int(sys.argv[2]), sys.argv[2] == "16920"
events = [b[20:20 + struct.unpack_from("<I", b, 12)[0]] for k, b in blocks(open("holes.events", "rb").read()) if k == 6]
times = [struct.unpack_from("<II", b, 4) for k, b in blocks(open("holes.events", "rb").read()) if k == 6]
for i, e in enumerate(events):
    number, run, flags, clock, n, nrec = struct.unpack_from("<QIIqHH", e, 8)
    header, = struct.unpack_from("<H", e, 6)
    here = [o != -2**31 for o in struct.unpack_from("<32i", e, header - 128)]
    slots = [e[header + 144 * m:header + 144 * (m + 1)] for m in range(32)]
    mv = [[(x ^ 0x8000) * 0.03815 * 2.0 for x in struct.unpack_from(">32H", r, 8) + struct.unpack_from(">32H", r, 80)]
          if h else [math.nan] * 64 for r, h in zip(slots, here)]
    tacks = [(struct.unpack_from(">Q", r)[0], struct.unpack_from(">Q", r, 72)[0]) if h else (0, 0) for r, h in zip(slots, here)]
    m = s.recv()
    assert not s.getsockopt(zmq.RCVMORE), "one frame"
    assert len(m) == size, len(m)
    if old:
        present = [t[0] for t, h in zip(tacks, here) if h]
        want = ssdaq_old(number + 1, run, present[0] + int(sum(t - present[0] for t in present) / len(present)), mv, tacks)
    else:
        at = times[i][0] << 32 | times[i][1]
        want = ssdaq_new(number + 1, clock, at // 10**9, at % 10**9, mv)
    # NaN has many bit patterns: compare the numbers, then what is not NaN
    a, b = struct.unpack("<%dQ" % (size // 8), m), struct.unpack("<%dQ" % (size // 8), want)
    nan = lambda q: q & 0x7FF0000000000000 == 0x7FF0000000000000 and q & 0xFFFFFFFFFFFFF
    assert all(x == y or (nan(x) and nan(y)) for x, y in zip(a, b)), f"event {i}"
print(len(events), sum(not math.isnan(struct.unpack_from("<d", m, (24 if old else 32) + 512 * k)[0]) for k in range(32)) <= 32)
P
simdet --quiet -c chec -n 40 --drop=5% --seed=3 -o holes.pcapng
evbuild --quiet -c chec --max-loss=99999 -o holes.events holes.pcapng
n=$(evdump -O tsv holes.events 2>/dev/null | grep -vc '^#')
for size in 16416 16920; do
	start pub evpub 'zmq+tcp://127.0.0.1:0' --as=ssdaq:$size --wait=1 holes.events
	ok "--as=ssdaq:$size" -- py ssdaq.py "$address" $size
	is "$(cut -d' ' -f1 out)" "$n" "each event is byte for byte what SSDAQ would send, absent modules as NaN"
	finish "$pid"
	is "$status" 0 "and evpub ends well"
done
exits 2 "--as=ssdaq with packets" -- evpub 'zmq+tcp://127.0.0.1:0' --as=ssdaq run.pcapng
like err 'these are packets' "is refused"
simdet --quiet -c roach2c -n 20 -o r.pcapng
evbuild --quiet -c roach2c -o r.events r.pcapng
exits 2 "--as=ssdaq with another detector" -- evpub 'zmq+tcp://127.0.0.1:0' --as=ssdaq r.events
like err 'as card chec has them' "is refused, with the reason"

# ---- the data path waits for nobody ----
cat >stuck.py <<'P'
import os, signal, subprocess, sys, time
from bus import *
big = open("big.events", "rb").read()
def publish(url, stdin):
    p = subprocess.Popen(["evpub", url, "--wait=1", "--tee"], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p, p.stderr.readline().split()[-1].decode()
# a subscriber that never reads, with a short queue
p, address = publish("zmq+tcp://127.0.0.1:0?hwm=5&linger=100ms", open("big.events", "rb"))
c = zmq.Context()
s = c.socket(zmq.SUB); s.setsockopt(zmq.RCVHWM, 1); s.setsockopt(zmq.RCVBUF, 4096); s.setsockopt(zmq.SUBSCRIBE, b"")
s.connect(address.replace("zmq+", ""))
t = time.monotonic()
out = p.stdout.read()
t = time.monotonic() - t
assert p.wait(20) == 0
assert [b for k, b in blocks(out) if k in (5, 6)] == [b for k, b in blocks(big) if k in (5, 6)], "all of it came through"
assert t < 10, t
n = 0
s.RCVTIMEO = 500
try:
    while True:
        s.recv(); n += 1
except zmq.Again:
    pass
assert n < 2000, "the subscriber lost what it did not read (%d)" % n
# nodrop=1: it waits
p, address = publish("zmq+tcp://127.0.0.1:0?hwm=5&nodrop=1", open("big.events", "rb"))
s = c.socket(zmq.SUB); s.setsockopt(zmq.RCVHWM, 1); s.setsockopt(zmq.RCVBUF, 4096); s.setsockopt(zmq.SUBSCRIBE, b"")
s.connect(address.replace("zmq+", ""))
import threading
got = []
reader = threading.Thread(target=lambda: got.append(p.stdout.read())); reader.start()
assert p.poll() is None
reader.join(0.5)
assert reader.is_alive(), "nobody has read, and it did not wait"
s.RCVTIMEO = 20000
kinds = []
while not kinds or kinds[-1] != END:
    kinds.append(HEAD.unpack_from(s.recv())[2])
reader.join(20)
assert p.wait(20) == 0 and kinds.count(BLOCK) == 2000, kinds.count(BLOCK)
# ... but not for longer than dropold, and then not for each event
p, address = publish("zmq+tcp://127.0.0.1:0?hwm=5&nodrop=1&dropold=300ms&linger=100ms", open("big.events", "rb"))
s = c.socket(zmq.SUB); s.setsockopt(zmq.RCVHWM, 1); s.setsockopt(zmq.RCVBUF, 4096); s.setsockopt(zmq.SUBSCRIBE, b"")
s.connect(address.replace("zmq+", ""))
t = time.monotonic()
out = p.stdout.read()
assert 0.2 < time.monotonic() - t < 10
assert p.wait(20) == 5, "lost ones are told"
print("ok")
c.destroy(0)
P
simdet --quiet -c chec -n 2000 -o - | evbuild --quiet -c chec -o big.events
ok "a stuck subscriber delays nothing; nodrop=1 waits; dropold= ends the wait" -- py stuck.py

# ---- --tee: the stream goes on, whatever becomes of the bus ----
ok "--tee without anybody" -- sh -c "evpub --tee 'zmq+tcp://127.0.0.1:0?linger=0' run.events >teed.events"
evdump -O json run.events >a.json 2>/dev/null; evdump -O json teed.events >b.json 2>/dev/null
same b.json a.json "the same events"
ok "evdump --check teed.events" -- evdump --check teed.events
ok "packets too" -- sh -c "evpub --tee 'zmq+tcp://127.0.0.1:0?linger=0' run.pcapng | evbuild --quiet -c chec --run=7 >again.events"
same again.events run.events "and they build the same events"
exits 3 "--tee into a full disk" -- sh -c "evpub --tee 'zmq+tcp://127.0.0.1:0?linger=0' run.events >/dev/full"
sh -c "evpub --tee --quiet 'zmq+tcp://127.0.0.1:0?linger=0' big.events; echo \$? >code" 2>/dev/null | head -c 10 >/dev/null
is "$(cat code)" 141 "--tee to a reader that leaves ends by SIGPIPE"

# ---- bad input ----
head -c 500000 run.events >cut.events
exits 1 "a stream that was cut" -- evpub 'zmq+tcp://127.0.0.1:0?linger=0' cut.events
like err 'the stream was cut' "is told"
exits 1 "no stream at all" -- evpub 'zmq+tcp://127.0.0.1:0?linger=0' /dev/null
exits 3 "a file that is not there" -- evpub 'zmq+tcp://127.0.0.1:0' nowhere

# ---- usage ----
for url in zmq://x zmq+tcp:// zmq+tcp://127.0.0.1 zmq+tcp://127.0.0.1:70000 zmq+tcp://127.0.0.1:1x \
	'zmq+tcp://127.0.0.1:0?hwm' 'zmq+tcp://127.0.0.1:0?hwm=0' 'zmq+tcp://127.0.0.1:0?nodrop=yes' \
	'zmq+tcp://127.0.0.1:0?hwm=5&hwm=6' 'zmq+tcp://127.0.0.1:0?colour=red' 'zmq+tcp://127.0.0.1:0?durable=x' \
	'zmq+tcp://127.0.0.1:0?dropold=10y' zmq+ipc:// nats://h nats://h/S nats:///S/x 'nats://h/S/a..b' 'nats://h/S/a>' \
	'nats://h/S/x?durable=a' 'nats://h/S/x?replicas=9' 'kafka://h/x'; do
	exits 2 "$url" -- evpub "$url" run.events
done
exits 2 "a password in the address" -- evpub nats://me:secret@h/S/x run.events
like err '[-]-credentials=FILE' "is refused, with the way to do it"
exits 3 "another machine's name" -- evpub zmq+tcp://nosuch.invalid:5555 run.events
like err 'this machine has no such address.*\(ip addr lists them\)' "is no place to listen"
exits 3 "nor is its address" -- evpub zmq+tcp://192.0.2.7:5555 run.events
like err 'this machine has no such address.*\(ip addr lists them\)' "which is told"
ok "nobody there" -- evpub 'zmq+tcp://127.0.0.1:0?linger=0' run.events
like err 'nobody was there.*--wait=1' "is told"
exits 2 "--tee on a terminal" -- /usr/bin/python3 -c '
import os, pty
status = pty.spawn(["evpub", "--tee", "zmq+tcp://127.0.0.1:0", "run.events"])
raise SystemExit(os.waitstatus_to_exitcode(status))'
like out 'not writing a stream to a terminal: pipe it into a program' "is refused, without options that there are not"
exits 2 "--as=ssdaq over NATS" -- evpub nats://h/S/x --as=ssdaq run.events
exits 2 "--as=nonsense" -- evpub 'zmq+tcp://127.0.0.1:0' --as=nonsense run.events
start one evpub "zmq+ipc://$tmp/pub.sock" --wait=1 run.events
one=$pid
exits 4 "an address that is taken (ipc)" -- evpub "zmq+ipc://$tmp/pub.sock" run.events
is "$(stat -c %a "$tmp/pub.sock")" 660 "a socket's name is for owner and group"
finish "$one" TERM
touch plain
exits 4 "an ordinary file is not pushed aside" -- evpub "zmq+ipc://$tmp/plain" run.events
start two evpub zmq+tcp://127.0.0.1:0 --wait=1 run.events
exits 4 "an address that is taken (tcp)" -- evpub "$address" run.events
finish "$pid" TERM

# ---- credentials ----
cat >keys.py <<'P'
import os, zmq
s, c, x = zmq.curve_keypair(), zmq.curve_keypair(), zmq.curve_keypair()
def write(name, **k):
    with open(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("".join(f"{a} = {b}\n" for a, b in k.items()))
t = lambda k: k.decode()
write("pub.key", secret=t(s[1]), client=t(c[0]))
write("sub.key", public=t(c[0]), secret=t(c[1]), server=t(s[0]))
write("stranger.key", public=t(x[0]), secret=t(x[1]), server=t(s[0]))
write("other.key", public=t(c[0]), secret=t(c[1]), server=t(x[0]))
write("half.key", public=t(c[0]))
write("bad.key", secret="short")
P
py keys.py
start pub evpub zmq+tcp://127.0.0.1:0 --credentials=pub.key --wait=1 run.events
p=$pid
exits 4 "a subscriber without keys" -- evsub "$address" --once --duration=20s
like err 'the publisher refuses: keys are needed' "is told so"
exits 4 "a stranger's key" -- evsub "$address" --credentials=stranger.key --once --duration=20s
exits 4 "a publisher that is not the one we know" -- evsub "$address" --credentials=other.key --once --duration=20s
like err 'keys are wrong' "is told so"
ok "the right keys" -- evsub "$address" --credentials=sub.key --once -o keyed.events
ok "bring the stream" -- evdump --check keyed.events
finish "$p"
is "$status" 0 "and evpub ends well"
chmod 644 pub.key
exits 4 "keys that others may read" -- evpub zmq+tcp://127.0.0.1:0 --credentials=pub.key run.events
like err 'chmod 600' "are refused, with the way to do it"
exits 4 "half of the keys" -- evpub zmq+tcp://127.0.0.1:0 --credentials=half.key run.events
exits 2 "a key that is none" -- evpub zmq+tcp://127.0.0.1:0 --credentials=bad.key run.events

# ---- signals ----
mkfifo feed
evpub zmq+tcp://127.0.0.1:0?linger=0 --status=st.json --name=roach01 <feed 2>sig.err &
p=$!
exec 9>feed
cat run.events >&9
until_true 20 grep -q '"in":200' st.json
kill -INT $p
kill -USR1 $p
until_true 20 grep -q '200 records in' sig.err
tap $? "SIGUSR1 writes the counters; the first Ctrl-C lets a filter go on"
exec 9>&-
finish $p
is "$status" 0 "to the end of its input"
cat >stop.py <<'P'
import array, fcntl, signal, subprocess, termios
PIPE = subprocess.PIPE
p = subprocess.Popen("evpub --tee --wait=1 zmq+tcp://127.0.0.1:0 long.events".split(), stdout=PIPE, stderr=PIPE)
address = p.stderr.readline().split()[-1].decode()
s = subprocess.Popen(["evsub", address + "?timeout=300ms", "--once", "-o", "long.got"], stderr=PIPE)
waiting = array.array("i", [0])
while waiting[0] < 30000:  # the next program reads nothing, and so evpub does not come to the end
    fcntl.ioctl(p.stdout, termios.FIONREAD, waiting)
p.send_signal(signal.SIGTERM)
out, err = p.communicate(timeout=30)
assert p.returncode == 130 and b"stopped before the end" in err, (p.returncode, err)
assert open("long.events", "rb").read(len(out) + 1).startswith(out), "whole blocks went on"
err = s.communicate(timeout=30)[1]
assert s.returncode == 1 and b"broken off 1" in err, (s.returncode, err)
P
simdet --quiet -c chec -n 600 -o - | evbuild --quiet -c chec -o long.events
ok "SIGTERM in the middle of a file: 130, and subscribers know that it was not all" -- py stop.py
like st.json '"name":"roach01".*"state":"done"' "--status and --name"
done_testing
