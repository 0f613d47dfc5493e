# evdump.t - packets and events as text, JSON and columns; verdicts on streams
# san: yes
. "${0%/*}/lib.sh"
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }

# ---- streams that were typed from the documents, not made by our programs ----
# two boxes: 16 bytes, clock in us, sequence, two scaled channels, one element that no piece covers
cat >tiny.card <<'C'
[card]
name = tiny
datagram = 16
byteorder = big
window = 1ms
hold = 10ms
[source]
by = address
byte = last
first = 71
count = 3
[clock]
field = t
rate = 1 MHz
tie = arrival
[sequence]
field = n
[field t]
at = 0 u32
[field n]
at = 4 u16
[field volt]
at = 6 i16 3
count = 4
axis = channel
scale = 0.5
offset = 1
unit = V
[field sum]
at = 12 i32
C
cat >make.py <<'P'
import struct
from pcapng import *
T = 1767225600 * 10**9          # 2026-01-01T00:00:00Z
rec = lambda t, n, *v: struct.pack(">IH3hi", t, n, *v, sum(v))
a, b, c = rec(1500000, 8, 1, -2, 3), rec(1500040, 65535, 100, 200, -300), rec(1600000, 9, 4, 5, 6)
pk = [(T, datagram("127.0.0.71", 2009, a), 0), (T + 40125, datagram("127.0.0.73", 2009, b), 3),
      (T + 50000, datagram("127.0.0.99", 2009, c), 0), (T + 60000, datagram("127.0.0.72", 2009, c[:15]), 0),
      (T + 70000, datagram("127.0.0.72", 2009, b""), 0), (T + 80000, b"\x45" + bytes(8) + b"\x06" + bytes(30), 0)]
open("packets.pcapng", "wb").write(head() + b"".join(record(*p) for p in pk) + end(T, len(pk)))
text = open("tiny.card", "rb").read()
ev = [(T, event(41, 1500000000, [a, None, b], [0, None, 40000], flags=1 | 2)),
      (T + 10**8, event(42, 1600000000, [None, c, None], [None, 0, None], flags=1 | 1 << 8), 5)]
open("events.pcapng", "wb").write(head(147, b"fyke-events/1", text) + b"".join(record(*e) for e in ev) + end(T, 2))
ev[1] = (T + 10**8, event(44, 1600000000, [None, c, None], [None, 0, None], flags=1))
open("hole.pcapng", "wb").write(head(147, b"fyke-events/1", text) + b"".join(record(*e) for e in ev) + end(T, 2))
ev[1] = (T + 10**8, b"none at all")
open("noevent.pcapng", "wb").write(head(147, b"fyke-events/1", text) + b"".join(record(*e) for e in ev) + end(T, 2))
open("future.pcapng", "wb").write(head(147, b"fyke-events/9", text) + record(*ev[0]) + end(T, 1))
P
ok "streams" -- py make.py

exits 2 "a form that is none" -- evdump -O xml packets.pcapng
exits 3 "a file that is not there" -- evdump nowhere.pcapng
exits 1 "a file that is no capture" -- evdump tiny.card
exits 2 "a field that the card does not have" -- evdump -f current events.pcapng
like err 'it has t n volt sum' "the message lists those that it has"
exits 2 "values of packets need a card" -- evdump -f volt packets.pcapng
cat events.pcapng packets.pcapng >mixed.pcapng
exits 2 "nor do those that come after events" -- evdump -f volt -O json mixed.pcapng
is "$(wc -l <out)" 2 "which are shown before"
exits 1 "events of a version to come" -- evdump future.pcapng

# ---- goldens ----
for form in text json tsv; do
	evdump -O $form packets.pcapng >evdump-packets.$form 2>err || diag <err
	golden evdump-packets.$form "packets as $form"
	evdump -O $form -c ./tiny.card packets.pcapng >evdump-records.$form 2>err || diag <err
	golden evdump-records.$form "packets with a card as $form"
	evdump -O $form events.pcapng >evdump-events.$form 2>err || diag <err
	golden evdump-events.$form "events as $form"
	evdump -O $form -f volt,sum events.pcapng >evdump-values.$form 2>err || diag <err
	golden evdump-values.$form "values as $form"
done
ok "raw counts" -- evdump -O tsv -f volt --raw -n 1 events.pcapng
is "$(sed -n 2p out | cut -f5-)" "$(printf '1\t-2\t3\tnan')" "are what was sent"
ok "-n 1" -- evdump -n 1 -O json events.pcapng
is "$(wc -l <out)" 1 "shows one"
exits 2 "-n 0" -- evdump -n 0 events.pcapng
ok "-c CARD with events" -- evdump -c ./tiny.card events.pcapng
like err '-c ./tiny.card is not used: the events have brought their card' "is not needed"
cat events.pcapng packets.pcapng >both.pcapng
ok "both kinds, one after the other" -- evdump -O json both.pcapng
py -c 'import json
for line in open("out"): json.loads(line)' && py -c 'import json
assert ["event" in json.loads(l) for l in open("out")] == [True] * 2 + [False] * 6
assert not any("records" in line for line in open("out"))'
tap $? "each line is a JSON object"

# ---- verdicts ----
ok "a good stream" -- evdump --check packets.pcapng
is "$(cat out)" "packets.pcapng: good: 6 packets, 6 hashes verified, 1 of 1 sections with an end mark, no datagrams 1, dropped before 3" "is told so"
ok "good events" -- evdump --check events.pcapng
like out '^events.pcapng: good: 2 events, 2 hashes verified' "are told so"
ok "two streams, one after the other" -- evdump --check both.pcapng
like out '2 of 2 sections with an end mark' "are one"
exits 1 "an event is missing" -- evdump --check hole.pcapng
like out '^hole.pcapng: bad: .* holes in the event numbers 1' "and named"
exits 1 "also while text is written" -- evdump hole.pcapng
exits 1 "and where the end is not reached" -- evdump -n 2 hole.pcapng
exits 0 "what comes after that is not looked at" -- evdump -n 1 hole.pcapng
py -c 'raw = bytearray(open("packets.pcapng", "rb").read()); raw[raw.index(b"\x45")] ^= 1
open("flipped.pcapng", "wb").write(raw)'
exits 1 "damage that was met before the end" -- evdump -n 3 flipped.pcapng
like err 'flipped.pcapng: .*damage' "is told"
exits 1 "what is no event" -- evdump --check noevent.pcapng
like out 'no events 1' "is counted"
head -c -40 packets.pcapng >cut.pcapng
exits 1 "a cut stream" -- evdump --check cut.pcapng
like out '^cut.pcapng: cut: 6 packets' "what was whole is counted"
exits 1 "its text ends with exit 1 too" -- evdump cut.pcapng
is "$(wc -l <out)" 6 "after all that was whole"
exits 0 "without hashes there is little to check" -- evdump --check "$top/t/fuzz/corpus/cap/classic.pcap"
like out 'only the lengths' "and it says so"

# Every cut and every flipped byte ends in a verdict; what a hash covers is never called good.
cat >flip.py <<'P'
import subprocess, sys
from pcapng import *
raw = open(sys.argv[1], "rb").read()
covered, at, seen = set(), 0, bytearray()
for kind, body in blocks(raw):
    if kind == 6:
        n = struct.unpack_from("<I", body, 12)[0]
        covered |= set(range(at + 28, at + 28 + n))
    at += len(body) + 12
def check(data):
    done = subprocess.run(["evdump", "--check", "--quiet"], input=data, capture_output=True, timeout=20)
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    assert done.returncode or b": good: " in done.stdout
    return done.returncode
step = int(sys.argv[2])
for i in range(0, len(raw), step):
    bad = check(raw[:i] + bytes([raw[i] ^ 0x40]) + raw[i + 1:])
    assert bad or i not in covered, f"byte {i} is wrong, and that was called good"
for i in range(1, len(raw), step):
    assert check(raw[:i]), f"a stream cut at {i} was called good"
P
step=1; [ -z "${FYKE_SAN:-}" ] || step=7
ok "packets cut and flipped at every byte" -- py flip.py packets.pcapng $step
ok "events cut and flipped at every byte" -- py flip.py events.pcapng $step

# ---- a reader that leaves, a full disk, Ctrl-C, slow input ----
ok "a long stream" -- simdet -c chec -n 20000 -o long.pcapng
exits 3 "a full disk" -- sh -c 'evdump long.pcapng >/dev/full'
cat >leave.py <<'P'
import signal, subprocess
p = subprocess.Popen(["evdump", "long.pcapng"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
p.stdout.readline()
p.stdout.close()
assert p.wait(20) == -signal.SIGPIPE, p.returncode
P
ok "a reader that leaves ends it by SIGPIPE" -- py leave.py
cat >slow.py <<'P'
import select, signal, subprocess
from pcapng import *
p = subprocess.Popen(["evdump", "-O", "json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
raw = open("events.pcapng", "rb").read()
part = len(raw) - sum(len(body) + 12 for _, body in list(blocks(raw))[-2:]) + 20   # in the second event
p.stdin.write(raw[:part])
p.stdin.flush()
assert select.select([p.stdout], [], [], 20)[0], "the first event does not come while the stream goes on"
assert b'"event":41' in p.stdout.readline()
p.send_signal(signal.SIGINT)                    # Ctrl-C on a pipeline: the filter drains
p.stdin.write(raw[part:])
out, err = p.communicate(timeout=20)
assert p.returncode == 0 and b'"event":42' in out, (p.returncode, out, err)
P
ok "an event is shown when it comes, and Ctrl-C loses none" -- py slow.py
done_testing
