# evsub.t - streams in: counting what is missed, restarts, foreign messages, SSDAQ's publisher, files
# that are continued, exit codes
# san: yes
. "${0%/*}/lib.sh"
need python3
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 timeout 60 /usr/bin/python3 "$@"; }
/usr/bin/python3 -c 'import zmq' 2>/dev/null || skip_all "python3-zmq is not installed"
last() { tail -n 1 err | sed 's/^.*evsub: //'; }

simdet --quiet -c chec -n 100 -o run.pcapng
evbuild --quiet -c chec --run=7 -o run.events run.pcapng

# ---- from evpub, whole ----
start pub evpub 'zmq+tcp://127.0.0.1:0' --wait=1 run.events
ok "a run" -- evsub "$address" --once -o got.events
like err '100 records in, 100 out, 0 lost; streams 1' "is counted"
finish "$pid"
cat >same.py <<'P'
import sys
from bus import *
a, b = ([x for x in blocks(open(f, "rb").read()) if x[0] in (5, 6)] for f in sys.argv[1:3])
print("same" if a == b else "different: %d and %d blocks" % (len(a), len(b)))
P
is "$(py same.py got.events run.events)" same "and has the blocks of the pipe, end mark and all"
ok "the stream is whole" -- evdump --check got.events
start pub evpub "zmq+ipc://$tmp/s.sock" --wait=1 run.pcapng
ok "packets, over a unix socket" -- sh -c "evsub '$address' --once | evbuild --quiet -c chec --run=7 >again.events"
finish "$pid"
is "$(py same.py again.events run.events)" same "build the same events"

# ---- a publisher of the test's own: gaps, restarts, strangers ----
cat >feed.py <<'P'
import sys
from bus import *
raw = list(blocks(open("run.events", "rb").read()))
header = block(*raw[0]) + block(*raw[1])
ev = [block(k, b) for k, b in raw if k == 6]
def isb(time, n, drop=0):
    stats = b"".join(option(c, struct.pack("<Q", v)) for c, v in ((4, n + drop), (5, drop), (7, 0), (8, n)))
    return block(5, struct.pack("<3I", 0, time >> 32, time & 0xFFFFFFFF) + stats + bytes(4))
s = publisher(zmq.XPUB)
s.setsockopt(zmq.SNDHWM, 0)
await_subscriber(s)
def whole(stream, n=10, first=0, close=True, skip=(), **k):
    s.send(message(HEADER, stream, first, first, header))
    for i in range(first, n):
        if i not in skip:
            s.send(message(BLOCK, stream, i, i, ev[i], 7, **k))
    if close:
        s.send(message(END, stream, n, n, end(1, n), 7))
what = sys.argv[1]
if what == "gaps":
    whole(1, 10, skip=(3, 4, 9))
elif what == "late":
    whole(1, 10, first=6)
elif what == "restart":
    whole(1, 5, close=False)
    whole(2, 5, skip=(0, 1))
elif what == "joined":           # the header of the second run got lost: it is asked for
    whole(1, 3)
    for i in range(4):
        s.send(message(BLOCK, 2, i, i, ev[i], 8))
    await_subscriber(s)
    s.send(message(HEADER, 2, 4, 4, header))
    s.send(message(BLOCK, 2, 4, 4, ev[4], 8))
    s.send(message(END, 2, 5, 5, end(1, 5), 8))
elif what == "asks":             # a header that is long in coming: how often is it asked for?
    whole(1, 3)
    for i in range(40):
        s.send(message(BLOCK, 2, i, i, ev[i], 8))
    await_subscriber(s)
    s.send(message(HEADER, 2, 40, 40, header))
    s.send(message(BLOCK, 2, 40, 40, ev[40], 8))
    asked = 1
    while s.poll(1000):
        m = s.recv()
        asked += m[:1] == b"\1" and len(m) == 7
    print("asked", asked, file=sys.stderr)
elif what == "append":           # records are missing, then a heartbeat; the rest is for the next ones
    s.send(message(HEADER, 1, 0, 0, header))
    for i, sequence in ((0, 0), (3, 3), (4, 5)):
        s.send(message(BLOCK, 1, sequence, i, ev[i]))
    await_subscriber(s)
    s.send(message(HEADER, 1, 6, 5, header))
    s.send(message(BLOCK, 1, 6, 5, ev[5]))
    await_subscriber(s)
    s.send(message(HEADER, 1, 8, 7, header))
    s.send(message(BLOCK, 1, 8, 7, ev[7]))
    s.send(message(END, 1, 10, 9, end(1, 9)))
elif what == "twice":
    s.send(message(HEADER, 1, 0, 0, header))
    for i in (0, 1, 1, 0, 2):
        s.send(message(BLOCK, 1, i, i, ev[i]))
        s.send(message(HEADER, 1, i + 1, i + 1, header))
    s.send(message(END, 1, 3, 3, end(1, 3)))
elif what == "old":
    s.send(message(HEADER, 1, 0, 0, header))
    for i in range(10):
        s.send(message(BLOCK, 1, i, i, ev[i], sent=time.time_ns() - (i < 4) * 60 * 10**9))
    s.send(message(END, 1, 10, 10, end(1, 10)))
elif what == "foreign":
    s.send(message(HEADER, 1, 0, 0, header))
    s.send(b"fykb\1\0")                                         # a stub of ours
    s.send(HEAD.pack(b"fykb", 2, 2, 1, 0, 0, 0, 0, 0) + ev[0])  # another version: not even asked for
    s.send(message(9, 1, 0, 0, ev[0]))                          # another kind
    s.send(message(BLOCK, 1, 0, 0, ev[0][:-8]))                 # cut
    bad = bytearray(ev[0]); bad[100] ^= 1
    s.send(message(BLOCK, 1, 0, 0, bytes(bad)))                 # damaged
    s.send(message(BLOCK, 1, 0, 5, ev[0]))                      # more records than messages
    s.send(message(HEADER, 5, 0, 0, header[:-4] + b"abcd"))     # a header that is none
    s.send(message(HEADER, 5, 0, 0, header + ev[0]))            # ... and one with more in it
    s.send(message(BLOCK, 1, 0, 0, bytes(400000)))              # long
    s.send_multipart([message(BLOCK, 1, 0, 0, ev[0]), b"more"]) # in parts
    for i in range(3):
        s.send(message(BLOCK, 1, i, i, ev[i]))
    s.send(message(END, 1, 3, 3, end(1, 3)))
elif what == "drops":            # the publisher's end mark knows of losses before it
    s.send(message(HEADER, 1, 0, 0, header))
    for i in (0, 2):
        s.send(message(BLOCK, 1, i, i, ev[i]))
    s.send(message(END, 1, 3, 3, isb(1, 3, 40)))
elif what == "long":             # as long as messages may be: by their data, by their options
    much = option(1, bytes(60000)) * 5 + bytes(4)
    long = [block(k, b[:-4] + much) for k, b in raw if k in (0x0A0D0D0A, 6)][:2]
    sent = [record(1, bytes(1 << 18)), long[1], record(2, bytes((1 << 18) - 40)), ev[1]]
    s.send(message(HEADER, 1, 0, 0, long[0] + block(*raw[1])))
    for i, b in enumerate(sent):
        s.send(message(BLOCK, 1, i, i, b))
    s.send(message(END, 1, 4, 4, end(1, 4)))
    open("long.sent", "wb").write(b"".join(sent) + end(1, 4))
elif what == "pause":            # in the midst of a run, until the subscriber goes
    whole(1, 5, close=False)
    s.poll(60000)
elif what == "huge":
    whole(1, 5, close=False)
    s.send(message(BLOCK, 1, 5, 5, bytes(3 << 20)))             # the connection is cut
    await_subscriber(s)
    whole(1, 10, first=6)
time.sleep(0.1)
s.close(5000)
P
counts() { # of end marks: ifrecv ifdrop usrdeliv
	py - "$1" <<'P'
import sys
from bus import *
for k, b in blocks(open(sys.argv[1], "rb").read()):
    if k == 5 and len(b) > 12:
        o = {c: struct.unpack("<Q", v)[0] for c, v in options(b[12:]) if len(v) == 8}
        assert o[4] == o[5] + o[7] + o[8], o
        print(o[4], o[5], o[8], end=";")
P
}
hear() { # hear WHAT STATUS OPTIONS: a feed, and evsub on it
	what=$1 want=$2; shift 2
	rm -f "$what.events"
	start "$what" py feed.py "$what"
	feeder=$pid
	exits "$want" "$what" -- evsub "$address" "$@" -o "$what.events"
	finish "$feeder"
	[ "$status" -eq 0 ] || diag <"$what.err"
}
hear gaps 5 --once --verbose
like err 'stream 1, 3 missed so far' "what is missing is told with --verbose"
is "$(last)" "10 records in, 7 out, 3 lost (missed 3); streams 1" "what is missing is counted, to the last one"
is "$(counts gaps.events)" "10 3 7;" "and stands in the end mark"
evdump --check gaps.events >out 2>err
like out '7 events, 7 hashes verified, 1 of 1 sections with an end mark, holes' "the stream is whole, with holes in its numbers"
hear gaps 0 --once --max-loss=3
hear late 0 --once
is "$(last)" "4 records in, 4 out, 0 lost; streams 1" "what was sent before we came is not missed"
hear restart 1 -n 8
is "$(last)" "10 records in, 8 out, 2 lost (missed 2); streams 2, broken off 1" "a restart is another stream; what it sent before its card is missed"
is "$(counts restart.events)" "5 0 5;5 2 3;" "two sections, each with its counts"
evdump --check restart.events >out 2>err
like out '8 events, 8 hashes verified, 2 of 2 sections with an end mark' "both are whole"
hear joined 5 -n 4
is "$(last)" "8 records in, 4 out, 4 lost (missed 4); streams 2, before the header 4" "a header that was lost is asked for"
hear asks 5 -n 4
like asks.err '^asked [0-9]$' "not at each message before it"
hear twice 0 --once
is "$(last)" "3 records in, 3 out, 0 lost; streams 1, repeated 2" "what comes twice is written once"
start old py feed.py old
exits 5 "?dropold=10s" -- evsub "$address?dropold=10s" --once -o old.events
is "$(last)" "10 records in, 6 out, 4 lost (old 4); streams 1" "old ones are passed over, and counted"
is "$(counts old.events)" "10 4 6;" "in the end mark too"
finish "$pid"
hear foreign 0 --once
like err '3 records in, 3 out, 0 lost; streams 1, foreign 9' "foreign and damaged messages are counted, and harm nothing"
evdump --check foreign.events >out 2>err
like out 'good: 3 events' "the stream is whole"
hear drops 5 --once
is "$(counts drops.events)" "43 41 2;" "losses before the publisher are not forgotten"
hear huge 5 --once
is "$(last)" "10 records in, 9 out, 1 lost (missed 1); streams 1" "a message of 3 MiB costs itself only"

hear long 0 --once
is "$(last)" "4 records in, 4 out, 0 lost; streams 1" "the longest messages come through"
is "$(py same.py long.events long.sent)" same "whole"

# ---- a file that is continued ----
start append py feed.py append
feeder=$pid
exits 5 "--append" -- evsub "$address" --append -n 3 -o append.events
is "$(last)" "5 records in, 3 out, 2 lost (missed 2); streams 1" "counts what is missed"
truncate -s -5 append.events
ok "and again, after a write that was cut," -- evsub "$address" --append -n 1 -o append.events
is "$(last)" "1 records in, 1 out, 0 lost" "does not count it once more"
like err 'the last [0-9]+ bytes of the file were no whole block, and are cut off' "and says what it cut off"
exits 5 "and again" -- evsub "$address" --append --once -o append.events
is "$(last)" "3 records in, 1 out, 2 lost (missed 2)" "counts what is missed since"
finish "$feeder"
is "$(counts append.events)" "3 2 1;1 0 1;2 0 2;3 2 1;" "a gap begins a section; what is missing stands in the end marks once"
size=$(wc -c <append.events)
head -c 600000 /dev/zero >>append.events
exits 1 "more damage than a write that was cut leaves" -- evsub zmq+tcp://127.0.0.1:9 --append --duration=10s -o append.events
like err "append.events: .* damaged at byte $size, and the 600000 bytes from there on are not thrown away" "is told"
is "$(wc -c <append.events)" $((size + 600000)) "and nothing is cut off"
evsub zmq+tcp://127.0.0.1:9 --append -o shared.events 2>shared.err &
p=$!
until_true 20 grep -q 'no publisher there; waiting for it' shared.err
exits 4 "two of them on one file" -- evsub zmq+tcp://127.0.0.1:9 --append --duration=10s -o shared.events
like err 'shared.events: another evsub --append writes this file' "are refused"
finish $p TERM

# ---- a publisher that pauses in the midst of a run ----
start pause py feed.py pause
ok "--duration" -- timeout 10 evsub "$address" --duration=500ms -o short.events
is "$(last)" "5 records in, 5 out, 0 lost; streams 1" "ends a subscriber that has something, and waits for more"
finish "$pid"
start pause env PYTHONPATH="$top/t" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 feed.py pause
feeder=$pid
evsub "$address" --name=roach01 --status=st.json -o pause.events 2>pause.err &
sub=$!
until_true 10 grep -q '"out":5,' st.json
tap $? "its status is up to date"
kill -USR1 $sub
until_true 10 grep -q 'evsub\[roach01\]: 5 records in, 5 out, 0 lost' pause.err
tap $? "SIGUSR1 is answered"
finish "$feeder" KILL
until_true 10 grep -q 'the publisher is gone' pause.err
tap $? "and a publisher that went away is told"
finish $sub TERM

# ---- the end of a run reaches those who are far behind, and nobody waits for an end that cannot come ----
simdet --quiet -c chec -n 4000 -o - | evbuild --quiet -c chec --run=8 -o far.events
cat >behind.py <<'P'
import json, os, signal, subprocess, sys, threading
from bus import *
what = sys.argv[1]
big, small = open("far.events", "rb").read(), open("run.events", "rb").read()
tee, once = what in ("end", "stays"), what in ("end", "killed")
pub = subprocess.Popen(["evpub", "--wait=1", "--status=pub.json", "zmq+tcp://127.0.0.1:0?hwm=5&linger=30s"] + ["--tee"] * tee,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
address = pub.stderr.readline().split()[-1].decode() + "?timeout=200ms" * (what == "killed")
sub = subprocess.Popen(["evsub"] + ["--once"] * once + [address, "-o", what + ".events"], stderr=open("sub.err", "w"))
def until(f):
    end = time.monotonic() + 20
    while not f():
        assert time.monotonic() < end, what
        os.sched_yield()
def size(name):
    return os.path.exists(name) and os.path.getsize(name)
def stopped():
    return open(f"/proc/{sub.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T"
def passed():
    return size("pub.json") and json.load(open("pub.json"))["in"] == 4000
pub.stdin.write(big[:500000])
pub.stdin.flush()
until(lambda: size(what + ".events"))       # the subscriber is there and writes,
sub.send_signal(signal.SIGSTOP)             # and then it stands still
until(stopped)
def rest():
    if what == "killed":                    # it dies before the end of its run
        pub.stdin.write(big[500000:-int.from_bytes(big[-4:], "little")])
        pub.stdin.flush()
        return
    pub.stdin.write(big[500000:] + small * (what == "runs"))
    pub.stdin.close()
threading.Thread(target=rest, daemon=True).start()
if tee:
    out = pub.stdout.read()
    assert [b for k, b in blocks(out) if k in (5, 6)] == [b for k, b in blocks(big) if k in (5, 6)], "the stream waits for nobody"
else:
    until(passed)
if what == "killed":
    pub.kill()
t = time.monotonic()
sub.send_signal(signal.SIGCONT)
print(sub.wait(25) if once else "", pub.wait(25))
assert time.monotonic() - t < 25, "who has the end mark is not waited for"
if not once:
    sub.terminate()
    print(sub.wait(20))
P
ok "a subscriber that stood still until the end of the run" -- py behind.py end
is "$(echo $(cat out))" "5 0" "hears of the end, and ends"
like sub.err '4000 records in, [0-9]+ out, [0-9]+ lost \(missed [0-9]+\); streams 1$' "it counts what it missed, to the last one"
ok "one that stays for the next run" -- py behind.py stays
is "$(echo $(cat out))" "0 5" "does not keep the publisher when it has caught up"
ok "two runs one after the other, for one that stood still in the first" -- py behind.py runs
is "$(echo $(cat out))" "0 5" "are both ended"
like sub.err '4100 records in, [0-9]+ out, [0-9]+ lost \(missed [0-9]+\); streams 2$' "and counted"
ok "a publisher that dies" -- py behind.py killed
is "$(echo $(cat out))" "1 -9" "ends --once"
like sub.err 'the publisher went away without an end mark; what came is whole' "which says so"
evdump --check killed.events >out 2>err
like out '1 of 1 sections with an end mark' "what came is whole"

# ---- SSDAQ's publisher, and back to the very counts ----
cat >ssdaq.py <<'P'
import sys
from bus import *
size = int(sys.argv[1])
events = [b[20:20 + struct.unpack_from("<I", b, 12)[0]] for k, b in blocks(open("holes.events", "rb").read()) if k == 6]
times = [struct.unpack_from("<II", b, 4) for k, b in blocks(open("holes.events", "rb").read()) if k == 6]
s = publisher(zmq.XPUB)
await_subscriber(s)
for i, e in enumerate(events):
    number, run, flags, clock, n, nrec = struct.unpack_from("<QIIqHH", e, 8)
    header, = struct.unpack_from("<H", e, 6)
    here = [o != -2**31 for o in struct.unpack_from("<32i", e, header - 128)]
    slots = [e[header + 144 * m:header + 144 * (m + 1)] for m in range(32)]
    mv = [[(x ^ 0x8000) * 0.03815 * 2.0 for x in struct.unpack_from(">32H", r, 8) + struct.unpack_from(">32H", r, 80)]
          if h else [float("nan")] * 64 for r, h in zip(slots, here)]
    tacks = [(struct.unpack_from(">Q", r)[0], struct.unpack_from(">Q", r, 72)[0]) if h else (0, 0) for r, h in zip(slots, here)]
    at = times[i][0] << 32 | times[i][1]
    if size == 16416:
        s.send(ssdaq_new(number + 1, clock, at // 10**9, at % 10**9, mv))
    else:
        s.send(ssdaq_old(number + 1, run, clock, mv, tacks))
    if i == 3:
        s.send(b"what is this?")
        s.send(bytes(size - 8))
        s.send(ssdaq_new(9, clock, 1, 1, [[1e9] * 64] * 32)[:size].ljust(size, b"\0"))
time.sleep(0.1)
s.close(5000)
P
simdet --quiet -c chec -n 40 --drop=5% --seed=3 -o holes.pcapng
evbuild --quiet -c chec --max-loss=99999 --run=3 -o holes.events holes.pcapng
n=$(evdump -O tsv holes.events 2>/dev/null | grep -vc '^#')
evdump --raw -O json -f amplitude holes.events 2>/dev/null | sed 's/.*"number"/"number"/; s/"flags":[^]]*\],//; s/"run":[0-9]*,//' >a.json
cat >counts.py <<'P'
# slots of the events: counts and presence, and for the older form times too
import sys
from bus import *
for k, b in blocks(open(sys.argv[1], "rb").read()):
    if k == 6:
        e = b[20:20 + struct.unpack_from("<I", b, 12)[0]]
        header, = struct.unpack_from("<H", e, 6)
        number, run, flags, clock, n, nrec = struct.unpack_from("<QIIqHH", e, 8)
        part = (lambda r: r) if sys.argv[2] == "16920" else (lambda r: r[8:72] + r[80:])
        print(number, clock, nrec, e[36:44].hex(), b"".join(part(e[header + 144 * m:][:144]) for m in range(32)).hex())
P
for size in 16416 16920; do
	start daq py ssdaq.py $size
	ok "SSDAQ's publisher, $size bytes" -- evsub "$address" --as=ssdaq -n "$n" -o daq$size.events
	like err "$n records in, $n out, 0 lost; streams 1, foreign 3" "every readout comes; strange messages are counted"
	finish "$pid"
	py counts.py holes.events $size >a; py counts.py daq$size.events $size >b
	same b a "the raw counts are back, exactly"
	evdump --check daq$size.events >out 2>err
	like out "good: $n events" "and the stream is whole"
done

# ---- files ----
exits 4 "a file that exists" -- evsub zmq+tcp://127.0.0.1:9 -o run.events
exits 3 "a full disk" -- sh -c "evpub --quiet 'zmq+ipc://$tmp/full.sock' --wait=1 run.events 2>/dev/null & evsub 'zmq+ipc://$tmp/full.sock' --once >/dev/full"
exits 2 "--append to nothing" -- evsub zmq+tcp://127.0.0.1:9 --append
ok "little space is told" -- evsub zmq+tcp://127.0.0.1:9 --duration=1s --min-free=100000T -o space.events
like err 'space.events: only [0-9]+ MiB are free \(--min-free\)' "where a file is written"
exits 1 "--append to a file of another kind" -- evsub zmq+tcp://127.0.0.1:9 --append -o run.pcapng
like err 'evsub --append did not write it' "is refused"
simdet --quiet -c chec -n 1000 -o - | evbuild --quiet -c chec -o big.events
evpub --quiet "zmq+ipc://$tmp/pipe.sock?linger=1s" --wait=1 big.events 2>/dev/null &
p=$!
sh -c "evsub --quiet 'zmq+ipc://$tmp/pipe.sock' --once 2>/dev/null; echo \$? >code" | head -c 10 >/dev/null
is "$(cat code)" 141 "a reader that leaves ends it by SIGPIPE"
finish $p

# ---- usage, signals ----
for url in zmq+tcp://127.0.0.1:0 'zmq+tcp://*:5555' 'zmq+tcp://127.0.0.1:5555?nodrop=1' 'zmq+tcp://127.0.0.1:5555?replicas=3' \
	'nats://h/S/x?start=soon' 'nats://h/S/x?start=seq:0' 'nats://h/S/x?start=time:now' 'nats://h/S/x?durable=a.b' 'nats://h/S/x?hwm=5'; do
	exits 2 "$url" -- evsub "$url"
done
exits 2 "--ack-after=never" -- evsub zmq+tcp://127.0.0.1:9 --ack-after=never
exits 2 "--as=nonsense" -- evsub zmq+tcp://127.0.0.1:9 --as=nonsense
exits 2 "--until=banana" -- evsub zmq+tcp://127.0.0.1:9 --until=banana -o early.events
exits 3 "a socket that cannot be made" -- evsub 'zmq+ipc:///nowhere/s.sock?bind=1' -o early.events
[ ! -e early.events ]
tap $? "neither leaves a file"
ok "--duration with nobody there" -- evsub zmq+tcp://127.0.0.1:9 --duration=300ms -o none.events
is "$(last)" "0 records in, 0 out, 0 lost" "is an empty run"
[ ! -e none.events ]; tap $? "and no file is left, that the next one would not overwrite"
exits 3 "nor with a broker that is not there" -- evsub 'nats://127.0.0.1:9/RUNS/camera?timeout=300ms' -o none.events
[ ! -e none.events ]; tap $? "there is none either"
is "$(grep -c 'nobody answers there$' err) $(grep -c 'nobody answers there; given up$' err)" "1 1" "what is wrong is told once, and then the end"
evsub zmq+tcp://127.0.0.1:9 >sig.out 2>sig.err &
p=$!
until_true 20 grep -q 'no publisher there; waiting for it' sig.err
tap $? "that nobody publishes there is told"
finish $p TERM
is "$status" 0 "SIGTERM is the usual end, as Ctrl-C"
done_testing
