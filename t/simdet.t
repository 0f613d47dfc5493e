# simdet.t - the simulated detector: bytes by the documents, faults, truth, pace
# san: yes
. "${0%/*}/lib.sh"
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }
# holds WORDS <<'P': a Python program with the module above runs without a complaint
holds() {
	{ printf 'import struct, sys\nfrom collections import Counter\nfrom pcapng import *\n'; cat; } >holds.py
	ok "$@" -- py holds.py
}

# ---- the command line ----
exits 2 "it wants to know which detector" -- simdet -o x
exits 2 "it wants to know where to" -- simdet -c chec
exits 2 "a card that is not there" -- simdet -c nonsense -o x -n 1
exits 2 "a file must have an end" -- simdet -c chec -o x
exits 2 "a probability has a range" -- simdet -c chec -n 1 -o x --drop=1.5
exits 2 "a place is a number" -- simdet -c chec -n 1 -o x --drop=@a
exits 2 "modules are those of the card" -- simdet -c chec -n 1 -o x -m 33
exits 2 "at least one event" -- simdet -c chec -n 0 -o x
exits 2 "a duration is not nothing" -- simdet -c chec -t 0 -o x
exits 2 "a rate is a number" -- simdet -c chec -n 1 -o x -r fast
exits 2 "a record a datagram is not two" -- simdet -c roach2c -n 1 -o x --records=2
exits 2 "another machine cannot be sent 32 addresses of ours" -- simdet -c chec -n 1 -d 192.0.2.1:2009
like err '127\.0\.0\.1:2009' "and it says what to do"
exits 0 "a file" -- simdet -c chec -n 1 -o taken
exits 4 "a file that is there stays" -- simdet -c chec -n 1 -o taken
exits 0 "what was sent, in a file" -- simdet -c chec -n 1 -o told --truth=told.tsv
cp told.tsv before.tsv
exits 4 "a truth that is there stays" -- simdet -c chec -n 2 -o other --truth=told.tsv
same told.tsv before.tsv "as it was"
ok "and no output without its truth is in the way" -- test ! -e other
exits 4 "a run that is refused" -- simdet -c chec -n 2 -o told --truth=new.tsv
ok "makes no truth" -- test ! -e new.tsv
exits 3 "a full disk" -- simdet -c chec -n 1000 -o /dev/full
exits 3 "a full disk for the truth" -- simdet -c chec -n 1000 -o full --truth=/dev/full
simdet -c chec -n 100000 -o - 2>/dev/null | head -c 1000 >/dev/null
simdet --help >help; is "$(($(wc -l <help) <= 48))" 1 "--help fits a screen"

# ---- one seed, one stream ----
all="--drop=1% --dup=1% --conflict=1% --swap=5% --late=1% --short=1% --runt=1% --empty=1%
	--garble=1% --stranger=1% --jitter=20ms --restart-at=555.3"
# shellcheck disable=SC2086 # words
{
	ok "a run" -- simdet -c chec -n 1000 -o a.pcapng --truth=a.tsv --seed=7 $all
	ok "again" -- simdet -c chec -n 1000 -o b.pcapng --truth=b.tsv --seed=7 $all
	ok "with another seed" -- simdet -c chec -n 1000 -o c.pcapng --seed=8 $all
}
same a.pcapng b.pcapng "the same seed gives the same bytes"
same a.tsv b.tsv "and the same truth"
is "$(cmp -s a.pcapng c.pcapng; echo $?)" 1 "another seed gives others"
simdet -c chec -n 100 -o - 2>/dev/null | cat >p.pcapng
ok "a file" -- simdet -c chec -n 100 -o f.pcapng --truth=f.tsv
same p.pcapng f.pcapng "a pipe carries what a file holds"

# ---- a camera, byte by byte ----
holds "32 modules, 10 records a datagram, big-endian TACK at 0 and 72, pixels of 200 to 5000 mV" <<'P'
p, t = packets("f.pcapng"), truth("f.tsv")
assert len(p) == len(t) == 320
assert Counter(x.source for x in p) == {f"127.0.0.{100 + m}": 10 for m in range(32)}
for x, r in zip(p, t):
    assert len(x.data) == r["bytes"] == 1440 and r["records"] == 10 and x.to_port == 2009
    assert x.source == f"127.0.0.{100 + r['source']}" and x.time == r["time"] and not r["fault"]
    for k in range(10):
        rec = x.data[144 * k:144 * (k + 1)]
        tack = struct.unpack_from(">Q", rec)[0]
        assert tack == int(r["clock"][k]) == 10 * 10**9 + (r["event"] + k) * 10**8
        assert struct.unpack_from(">Q", rec, 72)[0] == tack
        for v in struct.unpack_from(">32H", rec, 8) + struct.unpack_from(">32H", rec, 80):
            assert 200 < (v ^ 0x8000) * 0.03815 * 2 < 5000
assert [r["index"] for r in t] == list(range(320))
assert p[0].time == 1767225600 * 10**9 and p[32].time == p[0].time + 10**9
P
holds "the truth of the run with faults is what the file holds" <<'P'
p, t = packets("a.pcapng"), truth("a.tsv")
assert len(p) == len(t)
for x, r in zip(p, t):
    assert (len(x.data), x.time) == (r["bytes"], r["time"])
    host = int(x.source.split(".")[3])
    assert host == 100 + r["source"] if r["source"] >= 0 else host % 100 > 31
    clocks = [str(struct.unpack_from(">Q", x.data, 144 * k)[0]) for k in range(r["records"])]
    assert clocks == r["clock"]
assert {f for r in t for f in r["fault"]} == {"dup", "conflict", "swap", "late", "short", "runt",
    "empty", "garble", "stranger"}
P

# ---- faults: one after the other, told in the summary as in the truth ----
# fault OPTION: a run of 3,200 datagrams with it, in x.pcapng and x.tsv; $said is the summary's count
fault() {
	rm -f x.pcapng x.tsv
	simdet -c chec -n 1000 -o x.pcapng --truth=x.tsv "--$1" 2>err || echo "simdet failed" >>err
	name=${1%%=*}
	said=$(sed -n "s/.*[ ;]$name \([0-9]*\).*/\1/p" err)
	is "$(tail -n +2 x.tsv | cut -f9 | tr , '\n' | grep -c "^$name\$")" "${said:-none}" "$name: $said"
}
common='p, t = packets("x.pcapng"), truth("x.tsv")
hit = [i for i, r in enumerate(t) if r["fault"]]
def good(n): assert 20 < n < 70, n   # 1 % of 3,200
'
holds_fault() { { printf '%s' "$common"; cat; } >body; holds "$@" <body; }

rm -f x.pcapng x.tsv
simdet -c chec -n 1000 -o x.pcapng --truth=x.tsv --drop=1% 2>err
said=$(sed -n 's/.*drop \([0-9]*\).*/\1/p' err)
is "$(($(tail -n +2 x.tsv | wc -l) + said))" 3200 "drop: what is left out is counted"
holds_fault "drop: nothing else is touched" <<'P'
good(3200 - len(t))
assert not hit and len(p) == len(t) == len({(r["source"], r["event"]) for r in t})
P
fault dup=1%
holds_fault "dup: the same bytes from the same sender, right behind" <<'P'
good(len(hit))
for i in hit:
    assert p[i].data == p[i - 1].data and p[i].source == p[i - 1].source
P
fault conflict=1%
holds_fault "conflict: same clocks, other values" <<'P'
good(len(hit))
for i in hit:
    assert t[i]["clock"] == t[i - 1]["clock"] and p[i].source == p[i - 1].source
    assert sum(a != b for a, b in zip(p[i].data, p[i - 1].data)) == 1
P
fault swap=1%
holds_fault "swap: it comes after its neighbour" <<'P'
good(len(hit))
order = [r["event"] * 100 + r["source"] for r in t]
assert sorted(order) != order and len(set(order)) == 3200
for i in hit:
    assert order[i] < order[i - 1]
P
fault late=1%:2.5s
holds_fault "late: by the time that was asked" <<'P'
good(len(hit))
for i in hit:
    regular = 1767225600 * 10**9 + t[i]["event"] * 10**8 + t[i]["source"] * 2000
    assert p[i].time == regular + 2500 * 10**6
assert [x.time for x in p] == sorted(x.time for x in p)
P
fault short=1%
holds_fault "short: a record less" <<'P'
good(len(hit))
assert all(len(p[i].data) == 1296 and t[i]["records"] == 9 for i in hit)
P
fault runt=1%
holds_fault "runt: less than a record" <<'P'
good(len(hit))
assert all(0 < len(p[i].data) < 144 and t[i]["records"] == 0 for i in hit)
P
fault empty=1%
holds_fault "empty: nothing" <<'P'
good(len(hit))
assert all(len(p[i].data) == 0 for i in hit) and all(len(x.data) for i, x in enumerate(p) if i not in hit)
P
fault garble=1%
holds_fault "garble: the clock is off by more than an hour, the values are not" <<'P'
good(len(hit))
for i in hit:
    for k in range(10):
        true = 10 * 10**9 + (t[i]["event"] + k) * 10**8
        assert abs(int(t[i]["clock"][k]) - true) > 3600 * 10**9 or int(t[i]["clock"][k]) ^ true >> 32
P
fault stranger=1%
holds_fault "stranger: a copy from an address that is no module's" <<'P'
good(len(hit))
for i in hit:
    assert int(p[i].source.split(".")[3]) % 100 > 31 and t[i]["source"] == -1
assert len(p) == 3200 + len(hit)
P
fault late=@500.7:1s
is "$said" 1 "a place hits one datagram"
holds_fault "the one that was named" <<'P'
assert [(t[i]["event"], t[i]["source"]) for i in hit] == [(500, 7)]
P
fault runt=@0,@500
is "$said" 64 "a place without a source hits all modules"
rm -f x.pcapng x.tsv
simdet -c chec -n 1000 -o x.pcapng --truth=x.tsv --jitter=20ms 2>/dev/null
holds_fault "jitter: each clock is off by up to 20 ms, both ways" <<'P'
off = [int(c) - 10**10 - (r["event"] + k) * 10**8 for r in t for k, c in enumerate(r["clock"])]
assert -20e6 <= min(off) < -15e6 and 15e6 < max(off) <= 20e6
P
rm -f x.pcapng x.tsv
simdet -c chec -n 1000 -o x.pcapng --truth=x.tsv --restart-at=555 2>/dev/null
holds_fault "restart: all clocks begin again at 0, in the middle of a datagram too" <<'P'
for r in t:
    for k, c in enumerate(r["clock"]):
        e = r["event"] + k
        assert int(c) == (10**10 + e * 10**8 if e < 555 else (e - 555) * 10**8)
P
rm -f x.pcapng x.tsv
simdet -c chec -n 95 -m 0-2,9 -o x.pcapng --truth=x.tsv 2>/dev/null
holds_fault "modules of a list; the last datagram holds what is left" <<'P'
assert {r["source"] for r in t} == {0, 1, 2, 9} and Counter(r["records"] for r in t) == {10: 36, 5: 4}
P

# ---- ROACH2: trailers and channel maps by the offsets of the sources ----
# A and B are aligned; C stands at odd offsets
for v in a b c; do
	for m in '' -halves; do
		simdet -c "roach2$v$m" -n 1000 -m 1 -o "r$v$m.pcapng" --truth="r$v$m.tsv" \
			--clock0=-1000000 --seq0=-5 2>/dev/null || echo "roach2$v$m failed" >>err
	done
done
holds "ROACH2: clock, count and PPS where A, B and C have them, wrapping at 2^32" <<'P'
for name, pps, clock, count in (("a", 8180, 8184, 8188), ("b", 8176, 8180, 8184), ("c", 8175, 8179, 8183)):
    for m in ("", "-halves"):
        p, t = packets(f"r{name}{m}.pcapng"), truth(f"r{name}{m}.tsv")
        assert len(p) == 1000
        for n, (x, r) in enumerate(zip(p, t)):
            assert len(x.data) == 8192
            at = lambda o: struct.unpack_from(">I", x.data, o)[0]
            assert at(clock) == (n * 2**19 - 1000000) % 2**32 == int(r["clock"][0])
            assert at(count) == (n - 5) % 2**32 == int(r["sequence"])
        assert struct.unpack_from(">I", p[999].data, pps)[0] - struct.unpack_from(">I", p[2].data, pps)[0] == 2
P
holds "ROACH2: the same tones by both channel maps, whole where no trailer lies" <<'P'
for v, words in (("a", 2044), ("b", 2043), ("c", 2042)):
    for x, y in zip(packets(f"r{v}.pcapng")[:20], packets(f"r{v}-halves.pcapng")[:20]):
        w, h = struct.unpack("<2048i", x.data), struct.unpack("<2048i", y.data)
        for c in range(1024):
            i1, i2 = (c & 1) * 1024 + c // 2, c // 512 * 1024 + c % 512
            assert w[i1] == h[i2] and 0 < abs(w[i1]) < 2**23
            if i1 + 512 < words and i2 + 512 < words:
                assert w[i1 + 512] == h[i2 + 512]
P
ok "RFSoC" -- simdet -c rfsoc -n 500 -m 2 -o rf.pcapng --start=2026-07-01T12:00:00.25Z
holds "RFSoC: I and Q side by side, count at 8196, PTP time in TAI at bit 16" <<'P'
for n, x in enumerate(packets("rf.pcapng")):
    assert len(x.data) == 8212 and struct.unpack_from(">I", x.data, 8196)[0] == n // 2
    stamp = int.from_bytes(x.data[8200:8212], "big")
    ns = (stamp >> 46 & 2**32 - 1) * 10**9 + (stamp >> 16 & 2**30 - 1)
    assert 0 <= x.time + 37 * 10**9 - ns < 10000, (x.time, ns)
    i, q = struct.unpack_from("<2i", x.data, 8 * 700)
    assert i * i + q * q > 1000**2
P

# ---- cards of our own: sources by port and by field ----
cat >port.card <<'C'
[card]
name = port
datagram = 16
byteorder = big
rate = 100
port = 64000
window = 4ms
hold = 100ms
[source]
by = port
first = 64000
count = 5
[clock]
field = t
rate = 1 MHz
width = 32
tie = arrival
[field t]
at = 0 u32
[field v]
at = 4 i16 6
C
sed 's/^by = .*/by = field who/; s/^first = .*/first = 3/; s/^\[field v\]/[field who]\nat = 4 u8\n[field v]/
	s/^at = 4 i16 6/at = 6 i16 5/; s/= port/= field/; /^port/d' port.card >field.card
ok "a card by port" -- simdet -c ./port.card -n 100 -o port.pcapng --stranger=@50.1
holds "five ports from 64000, and a stranger beside them" <<'P'
p = packets("port.pcapng")
assert Counter(x.to_port for x in p) == {**{64000 + i: 100 for i in range(5)}, 64005: 1}
assert {x.source for x in p} == {"127.0.0.1"}
assert struct.unpack_from(">I", p[-1].data)[0] == 10 * 10**6 + 99 * 10**4
P
ok "a card by field" -- simdet -c ./field.card -n 100 -o field.pcapng --stranger=@50.1
holds "five numbers from 3 at byte 4, and one more" <<'P'
assert Counter(x.data[4] for x in packets("field.pcapng")) == {**{3 + i: 100 for i in range(5)}, 8: 1}
P
exits 2 "ports are the card's" -- simdet -c ./port.card -n 1 -d 127.0.0.1:2009

# ---- over real sockets ----
# receives N datagrams into got.pickle; prints its port
cat >receive.py <<'P'
import pickle, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("127.0.0.1", 0))
s.settimeout(20)
print(f"receive: ready {s.getsockname()[1]}", file=sys.stderr, flush=True)
got = []
while len(got) < int(sys.argv[1]):
    data, (host, port) = s.recvfrom(65536)
    got.append((host, data))
pickle.dump(got, open("got.pickle", "wb"))
P
start receive py receive.py 640; rx=$pid
ok "200 events at 500 Hz" -- simdet -c chec -n 200 -r 500 -d "127.0.0.1:$address" --truth=u.tsv
finish "$rx"; is "$status" 0 "every datagram comes"
simdet -c chec -n 200 -r 500 -o u.pcapng 2>/dev/null
holds "byte for byte what a file holds, each module from its own address; sent over 0.38 s" <<'P'
import pickle
got, p, t = pickle.load(open("got.pickle", "rb")), packets("u.pcapng"), truth("u.tsv")
assert got == [(x.source, x.data) for x in p] and len(t) == 640
assert 0.25e9 < t[-1]["time"] - t[0]["time"] < 5e9
P
start receive py receive.py 100; rx=$pid
ok "boards at a quarter of their speed" -- simdet -c roach2c -n 20 -m 5 --speed=0.25 -d "127.0.0.1:$address"
finish "$rx"; is "$status" 0 "8 kB datagrams come too"
exits 0 "nobody listens" -- simdet -c chec -n 10 -r max -d "127.0.0.1:$address"
like err 'refused 32$' "and every refusal is counted"
like err "nobody listened there: 32 of 32 datagrams were refused" "and told"

# ---- signals ----
start receive py receive.py 100000; rx=$pid
simdet -c chec -r 1000 -d "127.0.0.1:$address" --truth=k.tsv --status=k.json 2>k.err & pid=$!
until_true 10 grep -q running k.json
until_true 10 test -s k.tsv
kill -TERM "$pid"; finish "$pid"; is "$status" 0 "SIGTERM ends it well"
is "$(($(wc -l <k.tsv) - 1))" "$(field out k.json)" "and the truth tells all that was sent"
kill "$rx"
if [ -z "$FYKE_SAN" ] && command -v tshark >/dev/null; then
	is "$(tshark -r f.pcapng -Y udp -T fields -e ip.src 2>/dev/null | sort | uniq -c | awk '$1 == 10' | wc -l)" \
		32 "tshark sees 10 datagrams from each of 32 modules"
else
	skip "tshark is not used here"
fi
done_testing
