# evbuild.t - packets to events: matching, accounting, time, signals, exit codes
# san: yes
. "${0%/*}/lib.sh"
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }
last() { tail -n 1 err | sed 's/^.*evbuild: //'; } # the accounting line

# ---- a stream that no program of ours made: two boxes, 12 bytes, clock in us, no sequence ----
cat >tiny.card <<'C'
[card]
name = tiny
record = 12
byteorder = big
window = 1ms
hold = 100ms
[source]
by = address
first = 71
count = 2
[clock]
field = t
unit = 1us
[field t]
at = 0 u64
[field v]
at = 8 u32
C
cat >make.py <<'P'
from pcapng import *
T = 1767225600 * 10**9          # 2026-01-01T00:00:00Z
MS = 10**6
text = open("tiny.card", "rb").read()
rec = lambda us, v: struct.pack(">QI", us, v)
def write(name, parts, link=101, iface=b"", desc=b"", last=T, dropped=0, refused=0):
    n = sum(p[8:12] != b"" and p[:4] == b"\x06\0\0\0" for p in parts)
    open(name, "wb").write(head(link, iface, desc) + b"".join(parts) + end(last, n, dropped, refused))
def pkt(ms, source, data, dropped=0):
    return record(T + ms * MS, datagram("127.0.0.%d" % source, 5600, data), dropped)
beat = lambda ms: block(5, struct.pack("<3I", 0, (T + ms * MS) >> 32, (T + ms * MS) & 0xFFFFFFFF))
a, b, c, d = rec(1000000, 1), rec(1000040, 2), rec(1010000, 3), rec(1009990, 4)
e = rec(1020000, 5)
# two records in one datagram, a datagram each for the other box, one that stays alone
packets = [pkt(0, 71, a + c), pkt(1, 72, b), pkt(2, 72, d, 3), pkt(10, 71, e), beat(500)]
write("run.pcapng", packets, last=T + 600 * MS, dropped=3)
# the receiver lost 7 in all, 4 of them after the last packet, and refused 2
write("after.pcapng", packets, last=T + 600 * MS, dropped=7, refused=2)
write("want.events", [record(T, event(0, 1000000000, [a, b], [0, 40000], run=0)),
    record(T, event(1, 1010000000, [c, d], [0, -10000], run=0, flags=256), 3),
    record(T + 10 * MS, event(2, 1020000000, [e, None], [0, None], run=0, flags=1 | 2)), beat(500), beat(600)],
    147, b"fyke-events/1", text, T + 600 * MS, 3)
write("strange.pcapng", [pkt(0, 71, a), pkt(0, 99, a), pkt(1, 72, a[:5]), pkt(1, 72, b""), pkt(2, 72, b),
    pkt(3, 72, b), pkt(4, 72, rec(1000040, 9)), pkt(5, 99, a),
    record(T, b"\x45" + bytes(8) + b"\x06" + bytes(30))])
P
ok "streams" -- py make.py
cat >bodies.py <<'P'
import sys
from pcapng import *
skip = {1: 8, 5: 12}                # options may stand in any order
for kind, body in blocks(open(sys.argv[1], "rb").read()):
    if kind == 6:
        skip[6] = 20 + (struct.unpack_from("<I", body, 12)[0] + 3) // 4 * 4
    if kind != 0x0A0D0D0A:          # the section names the program
        fixed = body[:2] if kind == 1 else body[:skip[kind]]
        print(kind, fixed.hex(), sorted(options(body[skip[kind]:])))
P
ok "events are built" -- evbuild -c ./tiny.card run.pcapng
mv out run.events
py bodies.py run.events >got; py bodies.py want.events >want
same got want "byte for byte what the pages say: events, drop count, heartbeat, end mark"
is "$(last)" "5 records in, 5 out, 0 lost; events 3, complete 2, incomplete 1, dropped before 3" "and accounted for"
ok "drops after the last packet" -- evbuild -c ./tiny.card after.pcapng
mv out after.events
is "$(last)" "5 records in, 5 out, 0 lost; events 3, complete 2, incomplete 1, dropped before 7" "are in the account"
py bodies.py after.events >got
is "$(sed -n '$s/.*(4, //p' got)" "b'\\x0c\\x00\\x00\\x00\\x00\\x00\\x00\\x00'), (5, b'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'), (7, b'\\x07\\x00\\x00\\x00\\x00\\x00\\x00\\x00'), (8, b'\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00')]" \
    "and in the end mark: 12 = 2 + 7 + 3"
ok "from standard input" -- sh -c 'evbuild -c ./tiny.card <run.pcapng'
same out run.events "the same"
ok "into a file" -- evbuild -c ./tiny.card -o file.events run.pcapng
same file.events run.events "the same"
exits 4 "a file that exists is not overwritten" -- evbuild -c ./tiny.card -o file.events run.pcapng
same file.events run.events "and stays"
ok "--run=auto" -- sh -c 'evbuild -c ./tiny.card --run=auto run.pcapng | evdump -O json -n 1'
like out '"run":1767225600' "is the second of the first arrival"
ok "--run=77" -- sh -c 'evbuild -c ./tiny.card --run=77 run.pcapng | evdump -O json -n 1'
like out '"run":77' "is in the events"
ok "one source alone" -- evbuild -c ./tiny.card --sources=1 run.pcapng
is "$(last)" "2 records in, 2 out, 0 lost; events 2, complete 2, dropped before 3, left out by --sources 3" "is complete by itself"
ok "sources by address" -- evbuild -c ./tiny.card --sources=127.0.0.72,127.0.0.71 run.pcapng
is "$(last)" "5 records in, 5 out, 0 lost; events 3, complete 2, incomplete 1, dropped before 3" "in any order"
ok "one address alone" -- evbuild -c ./tiny.card --sources=127.0.0.72 run.pcapng
is "$(last)" "2 records in, 2 out, 0 lost; events 2, complete 2, dropped before 3, left out by --sources 3" "leaves the others out"
exits 5 "strangers, runts, duplicates" -- evbuild -c ./tiny.card strange.pcapng
is "$(last)" "8 records in, 2 out, 6 lost (duplicate 1, conflict 1, unknown source 2, malformed 1, empty 1); events 1, complete 1, other traffic 1" "each under its name"
is "$(grep -c '127.0.0.99:4000: an unknown source: tiny has sources 0 to 1 (addresses that end in .71 to .72)' err)" 1 "a stranger is named once, with what is expected"
like err '127.0.0.72:4000: a datagram of 5 bytes, but tiny has whole records of 12' "so is a runt"
ok "--max-loss=6" -- evbuild -c ./tiny.card --max-loss=6 strange.pcapng
exits 5 "--max-loss=5" -- evbuild -c ./tiny.card --max-loss=5 strange.pcapng
mv out strange.events
py bodies.py strange.events >got
like got "\\(5, b'.x06.x00.x00" "what it could not use is in the end mark too"
is "$(tail -n 1 got | grep -o "(1, b'[^']*')" | tr '\n' ' ')" \
    "(1, b'conflict 1') (1, b'duplicate 1') (1, b'empty 1') (1, b'malformed 1') (1, b'unknown source 2') " "each by its name"
if command -v raw2nc >/dev/null; then
	ok "the events of two such runs" -- sh -c 'cat strange.events strange.events | raw2nc -o strange.nc'
	ncdump -v loss_name,loss_count strange.nc | sed -n '/^data:/,$p' | tr -d '\n' |
		awk -F'[=;]' '{ n = split($2, name, /", *"/); split($4, count, ","); for (i = 1; i <= n; i++) if (count[i] + 0) { gsub(/[" ]*$|^ *"/, "", name[i]); print count[i] + 0, name[i] } }' >got
	printf '%s\n' "12 lost or doubled upstream, as of the end mark" "2 evbuild: duplicate" "2 evbuild: conflict" \
	    "4 evbuild: unknown source" "2 evbuild: malformed" "2 evbuild: empty" >want
	same got want "have the names and sums in the netCDF's loss table"
else
	skip "raw2nc is not built"
fi

ok "one module, some of its datagrams cut" -- simdet -c chec -m 1-1 -n 200 --runt=0.3 -o cut.pcapng
ok "beside another" -- simdet -c chec -m 0-0 -n 200 -o other.pcapng
ok "which are no loss where it is left out" -- sh -c 'cat other.pcapng cut.pcapng | evbuild -c chec --sources=0 -o out.events'
exits 1 "a list that names none that sends" -- evbuild -c chec --sources=0 -o none.events cut.pcapng
like err 'all of its [0-9]+ records are of senders that --sources does not name' "says so"
[ ! -e none.events ]; tap $? "and leaves no file"

exits 1 "datagrams of which none fits the card" -- evbuild -c roach2c -o wrong.events cut.pcapng
like err 'a datagram of [0-9]* bytes, but roach2c has records of 8192' "one is named"
like err "none of its 20 datagrams fits card roach2c: is it the right one\\? \\(evbuild --list\\)" "and what to do"
is "$(wc -l <err)" 3 "in two lines and the account"
ok "no file of events without events" -- test ! -e wrong.events

# ---- usage ----
ok "--list" -- evbuild --list
like out '^chec +CHEC-S' "shows the cards"
ok "--help" -- evbuild --help
[ "$(wc -l <out)" -le 24 ] && [ "$(awk '{ print length }' out | sort -n | tail -n 1)" -le 80 ]
tap $? "fits a screen"
exits 2 "no card" -- evbuild run.pcapng
like err 'which instrument\? -c CARD; --list shows the cards' "says what to do"
exits 2 "a card that is none" -- evbuild -c nonsense run.pcapng
exits 2 "a bad list of sources" -- evbuild -c ./tiny.card --sources=0-2 run.pcapng
like err "'0-2' is outside the card's sources, 0 to 1" "says what there are"
for bad in '' ',' 1- 1-0 x 0,127.0.0.1 127.0.0.1,0 300.1.1.1 127.0.0.1,127.0.0.2,127.0.0.3 127.0.0.1,127.0.0.1; do
	exits 2 "--sources='$bad'" -- evbuild -c ./tiny.card "--sources=$bad" run.pcapng
done
exits 2 "a bad run number" -- evbuild -c ./tiny.card --run=-1 run.pcapng
exits 2 "a hold as long as the clock's round" -- evbuild -c roach2c --hold=20s run.pcapng
exits 2 "a window that no offset holds" -- evbuild -c ./tiny.card -w 3s run.pcapng
sed 's/count = 2/count = 100/; s/record = 12/record = 9000/' tiny.card >huge.card
exits 2 "a card whose events would be too long" -- evbuild -c ./huge.card run.pcapng
exits 3 "a file that is not there" -- evbuild -c chec nowhere.pcapng

# ---- bad input ----
exits 1 "what is no capture" -- evbuild -c ./tiny.card tiny.card
exits 1 "nothing at all" -- evbuild -c ./tiny.card /dev/null
exits 1 "events instead of packets" -- evbuild -c ./tiny.card run.events
like err 'these are events already' "are told from packets"
exits 1 "and do not stand in the way of a file" -- evbuild -c ./tiny.card -o again run.events
ok "that is made when it is right" -- evbuild -c ./tiny.card -o again run.pcapng
mkfifo pipe; cat pipe >/dev/null & reader=$!
exits 1 "garbage, to a pipe with a name" -- evbuild -c ./tiny.card -o pipe tiny.card
wait "$reader"; ok "which stays" -- test -p pipe
cat >cuts.py <<'P'
import subprocess, sys
from pcapng import *
raw = open("run.pcapng", "rb").read()
def build(data):
    p = subprocess.run(["evbuild", "-c", "./tiny.card", "--quiet"], input=data, capture_output=True, timeout=20)
    assert p.returncode in (0, 1, 5), (p.returncode, p.stderr)
    if p.stdout:
        last = list(blocks(p.stdout))[-1][0]
        assert last == 5 or p.returncode == 1, "no end mark"
    return p.returncode, sum(k == 6 for k, _ in blocks(p.stdout))
step = int(sys.argv[1])
for i in range(1, len(raw), step):
    code, n = build(raw[:i])
    assert code == 1, f"cut at {i}: exit {code}"
at = [0]
for _, body in blocks(raw):
    at.append(at[-1] + len(body) + 12)
assert build(raw[:at[-2]])[1] == 3, "what was whole is kept"
for i in range(0, len(raw), step):
    build(raw[:i] + bytes([raw[i] ^ 0x10]) + raw[i + 1:])
P
step=3; [ -z "${FYKE_SAN:-}" ] || step=17
ok "streams cut and flipped at every $step bytes" -- py cuts.py $step

# ---- a detector with faults: every record is in an event or counted, as the simulator says ----
cat >sum.py <<'P'
import os, re, subprocess, sys
faults = sys.argv[2:]
for f in "sim.pcapng", "truth.tsv":
    os.path.exists(f) and os.remove(f)
subprocess.run(["simdet", "-c", sys.argv[1], "-n", "400", "-o", "sim.pcapng", "--truth=truth.tsv", "--quiet", *faults], check=True)
from pcapng import truth
rows = truth("truth.tsv")
sent = sum(max(r["records"], 1) if "runt" not in r["fault"] else 1 for r in rows)
count = lambda f: sum(max(r["records"], 1) for r in rows if f in r["fault"])
p = subprocess.run(["evbuild", "-c", sys.argv[1], "sim.pcapng"], stdout=open("sim.events", "wb"), stderr=subprocess.PIPE, text=True)
line = p.stderr.strip().splitlines()[-1]
n = {k.strip(): int(v) for k, v in re.findall(r"([a-z][a-z ]+?) (\d+)", line.split("lost")[-1])}
into, out = int(re.search(r"(\d+) records in", line)[1]), int(re.search(r"(\d+) out", line)[1])
print(line)
assert into == sent, (into, sent)
assert n.get("duplicate", 0) == count("dup"), (n, count("dup"))
assert n.get("unknown source", 0) == count("stranger"), n
assert n.get("late", 0) == count("late"), (n, count("late"))
assert into == out + sum(n.get(k, 0) for k in ("late", "duplicate", "conflict", "stray", "unknown source", "malformed", "empty"))
assert n["events"] == n.get("complete", 0) + n.get("incomplete", 0)
assert p.returncode == (5 if out < into else 0), p.returncode
P
for card in chec roach2c; do
	ok "$card, no fault" -- py sum.py $card
	like out 'complete 400$' "all events are complete"
	ok "$card, reordered" -- py sum.py $card --swap=10% --seed=2
	like out ' 0 lost; .*complete 400' "reordering is no loss"
	ok "$card, lost and doubled and reordered" -- py sum.py $card --drop=5% --dup=5% --swap=5% --seed=3
	ok "$card, late" -- py sum.py $card --late=1% --seed=4
	ok "$card, strangers" -- py sum.py $card --stranger=2% --seed=5
	ok "$card, a restart" -- py sum.py $card --restart-at=200 --seed=6
	like out ' 0 lost; .*complete 400, restarts 1' "loses nothing"
done

# ---- a run that was recorded gives the same events again, whatever the timing ----
ok "a run with faults" -- simdet -c chec -n 300 --drop=3% --dup=3% --swap=3% --late=1% --seed=7 -o run2.pcapng
evbuild -c chec --quiet run2.pcapng >one.events 2>err
exits 5 "the same through a pipe, in other pieces" -- sh -c '{ dd bs=1000 count=99; dd bs=70000; } <run2.pcapng 2>dd | evbuild -c chec'
same out one.events "gives the same events"
is "$(evdump --quiet --check one.events | cut -d: -f2)" " good" "in a stream that is good"

# ---- live: an event leaves when it is complete, the rest when time is up; signals ----
cat >live.py <<'P'
import os, select, signal, subprocess, sys, time
from pcapng import *
rec = lambda us, v: struct.pack(">QI", us, v)
def start(*more):
    return subprocess.Popen(["evbuild", "-c", "./tiny.card", "--quiet", *more], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
def send(p, t, source, data):
    p.stdin.write(record(t, datagram("127.0.0.%d" % source, 5600, data)))
    p.stdin.flush()
def event_comes(p, seconds=20):
    got = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([p.stdout], [], [], deadline - time.monotonic())[0]:
            part = os.read(p.stdout.fileno(), 1 << 16)
            got += part
            if not part or any(k == 6 for k, _ in blocks(got)):
                return got
    raise AssertionError("no event came")
def end_of(p, t, n):
    p.stdin.write(end(t, n))
    return p.communicate(timeout=20)
def events(raw):
    return sum(k == 6 for k, _ in blocks(raw))
what, T = sys.argv[1], time.time_ns()
if what == "complete":              # while the input stays open
    p = start()
    p.stdin.write(head())
    send(p, T, 71, rec(1, 1))
    send(p, T + 5, 72, rec(1, 2))
    event_comes(p)
    out, err = end_of(p, T, 2)
    assert p.returncode == 0, err
if what == "beat":                  # an old recording through a live pipe: only its heartbeats count
    p = start()
    T = 10**18
    p.stdin.write(head())
    send(p, T, 71, rec(1, 1))
    p.stdin.write(block(5, struct.pack("<3I", 0, (T + 10**8) >> 32, (T + 10**8) & 0xFFFFFFFF)))
    p.stdin.flush()
    event_comes(p)
    out, err = end_of(p, T, 1)
    assert p.returncode == 0, err
if what == "wall":                  # live packets without heartbeats (tcpdump): the wall clock
    p = start()
    p.stdin.write(head().replace(b"fyke test", b"tcpdump 1"))
    send(p, time.time_ns(), 71, rec(1, 1))
    event_comes(p)
    out, err = p.communicate(timeout=20)
if what == "interrupt":             # Ctrl-C on a pipeline: nothing is lost
    p = start()
    p.stdin.write(head())
    send(p, T, 71, rec(1, 1))
    send(p, T + 5, 72, rec(1, 2))
    got = event_comes(p)
    p.send_signal(signal.SIGINT)
    send(p, T + 10, 71, rec(9000, 3))
    out, err = end_of(p, T + 10, 3)
    assert p.returncode == 0 and events(got + out) == 2, (p.returncode, err)
if what == "twice":                 # a second Ctrl-C means it
    p = start()
    p.stdin.write(head())
    send(p, T, 71, rec(1, 1))
    send(p, T + 5, 72, rec(1, 2))
    event_comes(p)
    p.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 20
    while p.poll() is None and time.monotonic() < deadline:
        p.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert p.returncode == 130, p.returncode
if what == "term":                  # the input never ends, and its stamps are no wall clock's
    p = start()
    p.stdin.write(head())
    send(p, T + 10**15, 71, rec(1, 1))
    send(p, T + 10**15, 71, rec(9000, 1))
    send(p, T + 10**15, 72, rec(1, 1))
    got = event_comes(p)
    p.send_signal(signal.SIGTERM)
    out = p.stdout.read()
    assert p.wait(20) == 0 and events(got + out) == 2 and list(blocks(got + out))[-1][0] == 5, p.returncode
if what == "leave":
    p = subprocess.Popen(["evbuild", "-c", "chec", "long.pcapng"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdout.read(1000)
    p.stdout.close()
    assert p.wait(20) == -signal.SIGPIPE, p.returncode
P
py live.py term >term.out 2>&1 & # takes 10 s: goes on beside the others
term=$!
ok "an event leaves when it is complete, while the input stays open" -- py live.py complete
ok "a heartbeat lets an incomplete one go" -- py live.py beat
ok "without heartbeats the wall clock does, for live packets" -- py live.py wall
ok "Ctrl-C on a pipeline loses nothing" -- py live.py interrupt
ok "a second Ctrl-C ends it" -- py live.py twice
ok "a long run" -- simdet -c chec -n 3000 -o long.pcapng
ok "a reader that leaves ends it by SIGPIPE" -- py live.py leave
exits 3 "a full disk" -- sh -c 'evbuild -c chec long.pcapng >/dev/full'
like err 'standard output: cannot write: No space left on device: the 0 events written before are kept' "is said"
exits 3 "a disk that fills" -- sh -c 'trap "" XFSZ; ulimit -f 5000; exec evbuild -c chec --status=full.json -o full.events long.pcapng'
cp err full.err; evdump -O json full.events >kept 2>err
is "$(sed -n 's/.*too large: the \([0-9]*\) events written before are kept/\1/p' full.err)" "$(wc -l <kept)" "what is kept is said"
is "$(field out full.json)" "$(($(wc -l <kept) * 32))" "and in the accounts"
is "$(field in full.json)" "$(($(field out full.json) + $(field 'not written' full.json)))" "with the rest as not written"
exits 3 "a full disk at once" -- sh -c 'evbuild -c ./tiny.card run.pcapng >/dev/full'
exits 3 "a folder that is not there" -- evbuild -c chec -o nowhere/x long.pcapng
ok "--status" -- evbuild -c chec --status=status.json -o long.events long.pcapng
is "$(field in status.json) $(field out status.json) $(field held status.json)" "96000 96000 0" "has the accounts"

# ---- the reader on the page of the format ----
sed -n '/reader-begin/,/reader-end/p' "$top/man5/fyke-events.5" | sed '1,2d' | sed '/^\.Ed/,$d; s/\\e/\\/g' >reader.py
exits 5 "a file of events" -- evbuild -c chec -o reader.events run2.pcapng
ok "is read by the 15 lines of fyke-events(5)" -- py reader.py reader.events
cp out reader.out
cat >again.py <<'P'
from pcapng import *
# the packets, matched by the simulator's exact times: the first record of a module and time counts
sums = {}
for p in packets("run2.pcapng"):
    m = int(p.source.split(".")[3]) % 100
    for k in range(0, len(p.data), 144):
        t, v = struct.unpack_from(">QH", p.data, k)
        sums.setdefault(t, {}).setdefault(m, v)
read = [list(map(int, line.split())) for line in open("reader.out")]
assert [r[0] for r in read] == list(range(len(read))) and [r[1] for r in read] == sorted(sums)
late = sum(len(sums[c]) - n for _, c, n, _ in read)
assert all(s == sum(sums[c].values()) for _, c, n, s in read if n == len(sums[c])), "sums differ"
print(late, len(read))
P
ok "and gives the values that were sent" -- py again.py
is "$(cut -d' ' -f2 out)" 300 "of all events"

wait $term
tap $? "SIGTERM: what is open leaves after 10 s, with the end mark" || diag <term.out
done_testing
