# udp2raw.t - datagrams come to disk as they were sent, and what is lost is counted to the last one
# san: yes
. "${0%/*}/lib.sh"
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }
port_of() { sed -n 's/.*: ready .*:\([0-9]*\)$/\1/p' "$1.err" | sed -n "${2:-1}p"; }
lost() { sed -n "s/.*\"lost\":{[^}]*\"$1\":\\([0-9]*\\).*/\\1/p" "$2"; }

# send ADDRESS PORT N SIZE [SOURCE...]: N datagrams, from the sources in turn; what was sent goes
# to sent.pickle. SIZE mixed: every size from nothing to the largest.
cat >send.py <<'P'
import os, pickle, random, socket, sys, time
host, port, n, size, *sources = sys.argv[1:]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
socks = []
for src in sources or [None]:
    s = socket.socket(family, socket.SOCK_DGRAM)
    if src:
        s.bind((src, 0))
    if host.startswith("239."):
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    socks.append(s)
rng = random.Random(5)
sizes = [0, 1, 2, 3, 144, 1440, 1472, 1473, 2100, 8192, 9000, 65507]
out = []
for i in range(int(n)):
    k = int(size) if size != "mixed" else rng.choice(sizes)
    data = (i.to_bytes(4, "little") + rng.randbytes(16) * (k // 16 + 1))[:k]
    s = socks[i % len(socks)]
    s.sendto(data, (host, int(port)))
    out.append((sources[i % len(socks)] if sources else None, data))
    if i % 16 == 15:
        time.sleep(float(os.environ.get("GAP", 0.0005)))
pickle.dump(out, open("sent.pickle", "wb"))
P
send() { py send.py "$@"; }

# holds WORDS: a Python program on standard input, with the readers of t/pcapng.py
cat >head.py <<'P'
import glob, os, pickle, struct, sys
from pcapng import *
def sent():
    return pickle.load(open("sent.pickle", "rb"))
def isb(path):
    """Statistics of the end mark."""
    for kind, body in blocks(open(path, "rb").read()):
        found = dict(options(body[12:])) if kind == 5 else {}
        if 8 in found:
            return {k: struct.unpack("<Q", found[c])[0] for k, c in
                    (("recv", 4), ("ifdrop", 5), ("osdrop", 7), ("deliv", 8))}
P
holds() {
	{ cat head.py; cat; } >holds.py
	ok "$@" -- py holds.py
}

# ---- the command line ----
exits 2 "it wants to know where to listen" -- udp2raw
exits 2 "an address is one" -- udp2raw -l nonsense:x:y
exits 2 "a port is at most 65535" -- udp2raw -l 65536
exits 2 "TCP is not UDP" -- udp2raw -l tcp:127.0.0.1:0
exits 2 "a network is one" -- udp2raw -l 127.0.0.1:0 -a 10.0.0.0/33
exits 2 "-n takes at least 1" -- udp2raw -l 127.0.0.1:0 -n 0 -o x.pcapng
exits 2 "and -t a time: a script's that came to 0 does not run for ever" -- udp2raw -l 127.0.0.1:0 -t 0 -o x.pcapng
exits 2 "an empty name is none" -- udp2raw -l 127.0.0.1:0 -o ''
like err '-o: an empty name' "and is called so"
exits 2 "--rotate wants a folder" -- udp2raw -l 127.0.0.1:0 --rotate=60s
exits 2 "one file or many" -- udp2raw -l 127.0.0.1:0 --rotate=60s --dir=. -o x.pcapng
exits 2 "a processor that is there" -- udp2raw -l 127.0.0.1:0 --cpu=1023 -o cpu.pcapng
like err "taskset" "says how to find them"
[ ! -e cpu.pcapng ]; tap $? "and leaves no file"
exits 2 "--until is a time of day" -- udp2raw -l 127.0.0.1:0 --until=noon -o x.pcapng
exits 3 "an address that this machine has not" -- udp2raw -l 192.0.2.1:0 -o x.pcapng
like err 'no such address' "is said"
exits 3 "no such interface" -- udp2raw -l 239.255.7.7%nonsense0:0 -o x.pcapng
ok "a terminal gets no capture" -- py -c '
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp("udp2raw", ["udp2raw", "-l", "127.0.0.1:0", "-t", "5"])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 2)'
[ ! -e x.pcapng ]; tap $? "what cannot start leaves no file"

# ---- a good run ----
start run udp2raw -l 127.0.0.1:0 -n 400 -o run.pcapng --status=run.json; cap=$pid
port=$(port_of run)
like run.err 'socket buffer [0-9.]+ MiB = [0-9]+ datagrams of 1440 bytes' "the buffer is reported, in datagrams"
send 127.0.0.1 "$port" 400 mixed 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.9
finish "$cap"; is "$status" 0 "-n 400: it stops after 400 datagrams"
holds "all of them, of every size, in their order, byte for byte, from their addresses" <<'P'
got = packets("run.pcapng")
assert [(p.source, p.data) for p in got] == sent()
assert all(a.time <= b.time for a, b in zip(got, got[1:])) and got[0].dropped == 0
assert isb("run.pcapng") == dict(recv=400, ifdrop=0, osdrop=0, deliv=400)
P
is "$(field in run.json) $(field out run.json) $(field held run.json)" "400 400 0" "the counters say so"
ok "its own checker agrees" -- evdump --check run.pcapng
if [ -z "${FYKE_SAN:-}" ] && command -v tshark >/dev/null; then
	is "$(tshark -r run.pcapng -o ip.check_checksum:TRUE -Y 'udp && !_ws.malformed && !ip.checksum_bad.expert' 2>/dev/null | wc -l)" \
	    400 "tshark reads them, checksums and all"
else
	skip "no tshark"
fi

# Streams of one length take no copy; a change of length and a burst go through all paths.
start burst udp2raw -l 127.0.0.1:0 -n 6000 -o burst.pcapng; cap=$pid
send 127.0.0.1 "$(port_of burst)" 6000 1440
finish "$cap"; is "$status" 0 "6000 of one length"
like burst.err '[0-9]+ datagrams/s of up to 1440 bytes: a socket buffer holds [0-9]+, [0-9]+ ms of them' "the buffer is told in milliseconds of what comes"
holds "are all there" <<'P'
assert [p.data for p in packets("burst.pcapng")] == [d for _, d in sent()]
P

# Short ones, of which a buffer holds more, come after nothing else and are few.
start small udp2raw -l 127.0.0.1:0 -n 40 --rcvbuf=64K -o few.pcapng; cap=$pid
ok "short datagrams" -- simdet -c chec --records=1 -m 2 -n 20 -r 100 -d "$address"
finish "$cap"; is "$status" 0 "all come"
like small.err 'of up to 144 bytes: a socket buffer holds 157, ' "and are told with their own length"
start calm udp2raw -l 127.0.0.1:0 -n 12 -o calm.pcapng; cap=$pid
ok "a dozen in half a second" -- simdet -c chec --records=1 -m 1 -n 12 -r 20 -d "$address"
finish "$cap"; is "$status" 0 "are enough"
like calm.err 'a socket buffer holds [0-9]+, [0-9]+ s of them' "to say how many seconds fit"

# Without naps it waits for each datagram, in the read itself where many come.
start block udp2raw -l 127.0.0.1:0 --nap=0 -o block.pcapng; cap=$pid
send 127.0.0.1 "$(port_of block)" 4000 mixed
finish "$cap" TERM; is "$status" 0 "--nap=0, stopped when nothing comes any more"
holds "has all, of every size" <<'P'
assert [p.data for p in packets("block.pcapng")] == [d for _, d in sent()]
P
start busy udp2raw -l 127.0.0.1:0 --nap=0 -o busy.pcapng; cap=$pid
send 127.0.0.1 "$(port_of busy)" 30000 144 & sender=$!
ok "--nap=0 takes what comes" -- until_true 10 sh -c '[ $(wc -c <busy.pcapng) -gt 400000 ]'
finish "$cap" TERM; is "$status" 0 "stopped while much comes"
wait "$sender"
ok "is whole" -- evdump --check busy.pcapng

# ---- pipes ----
mkfifo pipe
cat pipe >piped.pcapng & reader=$!
start piped udp2raw -l 127.0.0.1:0 -o pipe; cap=$pid
send 127.0.0.1 "$(port_of piped)" 1 100
ok "a lone datagram goes through a pipe at once" -- until_true 5 sh -c '[ $(wc -c <piped.pcapng) -gt 200 ]'
beats='import sys; sys.path.insert(0, "'$top'/t"); from pcapng import *
sys.exit(not any(k == 5 for k, b in blocks(open("piped.pcapng", "rb").read())))'
ok "a heartbeat follows when nothing comes" -- until_true 5 /usr/bin/python3 -B -c "$beats"
finish "$cap" TERM; is "$status" 0 "SIGTERM ends it"
wait $reader
holds "with an end mark" <<'P'
assert len(packets("piped.pcapng")) == 1
P
ok "standard output too" -- sh -c 'udp2raw -l 127.0.0.1:0 -t 0.1 2>/dev/null | evdump --check'
ok "a reader that leaves ends it by SIGPIPE" -- py -c '
import os, signal, subprocess, sys
p = subprocess.Popen(["udp2raw", "-l", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
p.stdout.read(10)
p.stdout.close()
sys.exit(p.wait(15) != -signal.SIGPIPE)'
exits 3 "a full disk is an error" -- udp2raw -l 127.0.0.1:0 -t 1 -o /dev/full
like err '/dev/full: No space left on device' "and the message says which"

# ---- addresses ----
start two udp2raw -l 127.0.0.1:0 -l 127.0.0.2:0 -n 200 -o two.pcapng; cap=$pid
a=$(port_of two 1) b=$(port_of two 2)
send 127.0.0.1 "$a" 100 500 & sender=$!
(mkdir two && cd two && py ../send.py 127.0.0.2 "$b" 100 700)
wait $sender
finish "$cap"; is "$status" 0 "two ports at once"
a=$a b=$b holds "each datagram with its port" <<'P'
got = packets("two.pcapng")
a, b = int(os.environ["a"]), int(os.environ["b"])
assert [p.data for p in got if p.to_port == a] == [d for _, d in sent()]
assert len([p for p in got if p.to_port == b and len(p.data) == 700]) == 100
P

start any udp2raw -l 0 -n 30 -o any.pcapng; cap=$pid
port=$(port_of any)
send 127.0.0.1 "$port" 20 64 127.0.0.1
v6=10
if [ -n "$(port_of any 2)" ]; then
	is "$(port_of any 2)" "$port" "a port alone is that of IPv4 and of IPv6"
	send ::1 "$port" 10 64 ::1
else
	skip "this machine has no IPv6"
	v6=0; send 127.0.0.1 "$port" 10 64
fi
finish "$cap"; is "$status" 0 "all addresses"
v6=$v6 holds "IPv6 headers are right, checksum and all" <<'P'
n = 0
for kind, body in blocks(open("any.pcapng", "rb").read()):
    if kind != 6 or body[20] >> 4 != 6:
        continue
    size = struct.unpack_from("<I", body, 12)[0]
    ip = body[20:20 + size]
    one = bytes(15) + b"\1"
    assert ip[8:24] == one and ip[24:40] == one and ip[6] == 17
    assert struct.unpack_from(">H", ip, 4)[0] == size - 40
    pseudo = ip[8:40] + struct.pack(">II", size - 40, 17) + ip[40:] + bytes(size % 2)
    total = sum(struct.unpack(f">{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    n += 1
assert n == int(os.environ["v6"]), n
P
holds "the destination of a datagram is the address it was sent to" <<'P'
for kind, body in blocks(open("any.pcapng", "rb").read()):
    if kind == 6 and body[20] == 0x45:
        assert body[20 + 16:20 + 20] == bytes([127, 0, 0, 1])
P

start allow udp2raw -l 127.0.0.1:0 -a 127.0.0.2/31 -a ::1 -n 20 -o allow.pcapng --status=allow.json; cap=$pid
send 127.0.0.1 "$(port_of allow)" 40 300 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4
finish "$cap"; is "$status" 5 "what is not allowed counts as lost"
holds "who is not allowed is not there, and the end mark tells of it" <<'P'
got, want = packets("allow.pcapng"), [x for x in sent() if x[0] in ("127.0.0.2", "127.0.0.3")]
assert [(p.source, p.data) for p in got] == want
end = isb("allow.pcapng")
assert end["deliv"] == 20 and end["recv"] == 20 + end["ifdrop"] and end["ifdrop"] >= 19
P
n=$(lost 'not allowed' allow.json)
is "$(field in allow.json)" $((20 + n)) "and they are counted"

start group udp2raw -l 239.255.77.9%lo:0 -n 10 -o group.pcapng; cap=$pid
if send 239.255.77.9 "$(port_of group)" 10 200 2>group.send; then
	finish "$cap"; is "$status" 0 "a multicast group is joined"
else
	skip "no multicast on lo here"; kill "$cap"
fi
start first udp2raw -l 127.0.0.1:0 -o first.pcapng; cap=$pid
exits 3 "a port that is in use" -- udp2raw -l "127.0.0.1:$(port_of first)" -o second.pcapng
like err 'another program receives on this port already.*tee' "is named, and what to do"
finish "$cap" TERM

# ---- the end ----
ok "-t 0.2 stops it" -- udp2raw -l 127.0.0.1:0 -t 0.2 -o timed.pcapng
cat >int.py <<'P'
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
os.execvp(sys.argv[1], sys.argv[1:])
P
start int /usr/bin/python3 int.py udp2raw -l 127.0.0.1:0 -o int.pcapng; cap=$pid
send 127.0.0.1 "$(port_of int)" 500 1440
finish "$cap" INT; is "$status" 0 "Ctrl-C is a good end"
holds "what was sent before it is there" <<'P'
assert len(packets("int.pcapng")) == 500
P

# ---- losses ----
# The reader stands still, the socket buffer overflows: received + dropped = sent.
start drops udp2raw -l 127.0.0.1:0 --rcvbuf=16K -o drops.pcapng --status=drops.json; cap=$pid
kill -STOP "$cap"
send 127.0.0.1 "$(port_of drops)" 3000 1440
kill -TERM "$cap"; kill -CONT "$cap"
finish "$cap"; is "$status" 5 "kernel drops end in 5"
holds "received and dropped are what was sent, in the packets and in the end mark" <<'P'
got, end = packets("drops.pcapng"), isb("drops.pcapng")
assert 1 <= len(got) < 3000 and end["recv"] == 3000 and end["osdrop"] == 3000 - len(got), (len(got), end)
P
is "$(field in drops.json) $(($(field out drops.json) + $(lost 'kernel drop' drops.json)))" "3000 3000" \
    "and in the counters"
start some udp2raw -l 127.0.0.1:0 --rcvbuf=16K -o some.pcapng; cap=$pid
kill -STOP "$cap"
send 127.0.0.1 "$(port_of some)" 1000 1440
kill -CONT "$cap"
until_true 5 sh -c '[ $(wc -c <some.pcapng) -gt 1000 ]'
send 127.0.0.1 "$(port_of some)" 1 1440
finish "$cap" TERM
holds "the drop count stands at the first datagram after the gap" <<'P'
got = packets("some.pcapng")
assert got[-1].dropped == 1001 - len(got) > 0 and not any(p.dropped for p in got[:-1]), got[-1].dropped
P
start spare udp2raw -l 127.0.0.1:0 --rcvbuf=16K --max-loss=3000 -o spare.pcapng; cap=$pid
kill -STOP "$cap"
send 127.0.0.1 "$(port_of spare)" 1000 1440
kill -TERM "$cap"; kill -CONT "$cap"
finish "$cap"; is "$status" 0 "--max-loss=3000 lets it pass"

# An output that stalls: the ring takes it, and what the ring cannot take is counted as its own.
stall() { # stall NAME OPTIONS...: 6000 datagrams of 2100 bytes while the reader of a FIFO stands still
	name=$1; shift
	mkfifo "$name.fifo"
	cat "$name.fifo" >"$name.pcapng" & reader=$!
	start "$name" udp2raw -l 127.0.0.1:0 -o "$name.fifo" --status="$name.json" "$@"; cap=$pid
	kill -STOP $reader
	send 127.0.0.1 "$(port_of "$name")" 6000 2100
	kill -CONT $reader
	finish "$cap" TERM
	wait $reader
}
GAP=0.002 stall big --ring=32M --rcvbuf=2M; is "$status" 0 "a ring of 32 MiB bridges a stall of 12.6 MB"
holds "without a loss" <<'P'
assert [p.data for p in packets("big.pcapng")] == [d for _, d in sent()]
P
stall small --ring=4M --rcvbuf=64K; is "$status" 5 "one of 4 MiB does not"
n=$(lost 'ring full' small.json)
[ "${n:-0}" -gt 0 ]; tap $? "the loss is called ring full"
is "$(field in small.json) $(($(field out small.json) + n + $(lost 'kernel drop' small.json)))" "6000 6000" \
    "to the last datagram"
holds "and stands in the stream" <<'P'
got, end = packets("small.pcapng"), isb("small.pcapng")
assert end["recv"] == 6000 and end["osdrop"] == 6000 - len(got)
P

# ---- files ----
echo precious >mine.pcapng
exits 4 "an existing file is refused" -- udp2raw -l 127.0.0.1:0 -t 1 -o mine.pcapng
is "$(cat mine.pcapng)" precious "and left alone"
exits 3 "a missing folder" -- udp2raw -l 127.0.0.1:0 -t 1 -o none/x.pcapng
exits 3 "a missing folder of files" -- udp2raw -l 127.0.0.1:0 -t 1 --rotate=1s --dir=none
like err 'none: make this folder first' "is said"
ok "little space is said, also by a short run" -- udp2raw -l 127.0.0.1:0 -t 0.1 -o space.pcapng --min-free=100000T
like err 'MiB are free \(--min-free\)' "once"

mkdir rot
start rot udp2raw -l 127.0.0.1:0 -l 127.0.0.2:0 --rotate=1s --dir=rot --status=rot.json; cap=$pid
a=$(port_of rot 1) b=$(port_of rot 2)
py - "$a" "$b" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.time() + 2.3
n = 0
while time.time() < end:
    s.sendto(n.to_bytes(4, "little"), ("127.0.0.1", int(sys.argv[1])))
    s.sendto(n.to_bytes(4, "little"), ("127.0.0.2", int(sys.argv[2])))
    n += 2
    time.sleep(0.0005)
open("rot.n", "w").write(str(n))
P
finish "$cap" TERM; is "$status" 0 "a file for each second"
a=$a b=$b holds "each is whole, and each datagram is in the file of its second" <<'P'
from datetime import datetime, timezone
files = sorted(glob.glob("rot/udp2raw_*.pcapng"))
assert 3 <= len(files) <= 4, files
numbers = {int(os.environ["a"]): [], int(os.environ["b"]): []}
for f in files:
    begin = int(datetime.strptime(f[-23:-7], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp())
    for p in packets(f):
        assert p.time // 10**9 == begin, (f, p.time)
        numbers[p.to_port].append(int.from_bytes(p.data, "little"))
for got in numbers.values():
    assert got == list(range(0, int(open("rot.n").read()), 2))
assert os.readlink("rot/current") == os.path.basename(files[-1])
assert not glob.glob("rot/.*"), os.listdir("rot")
P
# Around a change two files are open; more than a chunk comes for the new one before the old one is closed.
mkdir fast; echo mine >fast/current
start fast udp2raw -l 127.0.0.1:0 -l 127.0.0.2:0 --rotate=1s --dir=fast --status=fast.json; cap=$pid
py - "$(port_of fast)" >fast.n <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
n, end = 0, time.monotonic() + 1.3
while time.monotonic() < end:
    n += s.sendto(bytes(60000), ("127.0.0.1", int(sys.argv[1]))) == 60000
    time.sleep(0.0002)
print(n)
P
finish "$cap" TERM; case $status in 0 | 5) tap 0 "120 MB/s into files of a second" ;; *) tap 1 "120 MB/s, status $status" ;; esac
like fast.err 'fast/current: .*ordinary file.*the recording goes on' "a file in the way of the link does not end it"
is "$(cat fast/current)" mine "and is left alone"
holds "every file is whole, and all that came is in one" <<'P'
files = sorted(glob.glob("fast/udp2raw_*.pcapng"))
assert len(files) >= 2 and not glob.glob("fast/.*"), os.listdir("fast")
marks = [isb(f) for f in files]
assert all(m["deliv"] == len(packets(f)) for m, f in zip(marks, files))
assert sum(m["recv"] for m in marks) == int(open("fast.n").read()), marks
P
rm -r fast
start dead udp2raw -l 127.0.0.1:0 --rotate=1h --dir=rot --name=cam; cap=$pid
send 127.0.0.1 "$(port_of dead)" 100 1440
until_true 5 sh -c '[ "$(cat rot/.cam_*.part | wc -c)" -gt 140000 ]'
kill -KILL "$cap"; wait "$cap" 2>/dev/null
exits 0 "after kill -9 the next start keeps what was there" -- udp2raw -l 127.0.0.1:0 -t 0.1 --rotate=1h --dir=rot --name=cam
like err 'rot/cam_.*\.cut\.pcapng: kept from a capture that was killed' "and says so"
holds "nothing of it is lost" <<'P'
f, = glob.glob("rot/cam_*.cut.pcapng")
got = [body for kind, body in blocks(open(f, "rb").read()) if kind == 6]
assert len(got) == 100 and isb(f) is None
P
ok "a reader of it takes all, and says that it was cut" -- sh -c 'evdump rot/cam_*.cut.pcapng >cut.txt 2>cut.err; [ $? -eq 1 ]'
is "$(wc -l <cut.txt)" 100 "100 datagrams"

# The clock is set forward and back while files rotate.
if [ -z "${FYKE_SAN:-}" ] && [ -e "$FYKE_BUILD/t/shim-clock.so" ]; then
	mkdir step
	echo 0 >clock
	start step env LD_PRELOAD="$FYKE_BUILD/t/shim-clock.so" SHIM_CLOCK=clock \
	    udp2raw -l 127.0.0.1:0 --rotate=1h --dir=step; cap=$pid
	for seconds in 0 7200 0 7200 -86400; do
		echo $seconds >clock.new; mv clock.new clock
		bytes=$(cat step/*.pcapng step/.*.part 2>/dev/null | wc -c)
		send 127.0.0.1 "$(port_of step)" 10 1000
		bytes=$((bytes + 10 * 1076)) # blocks; heads and end marks are less than one of them
		until_true 10 sh -c "[ \$(cat step/*.pcapng step/.*.part 2>/dev/null | wc -c) -ge $bytes ]"
	done
	finish "$cap" TERM; is "$status" 0 "a clock that is set forward and back"
	holds "begins a file each time, overwrites none, and loses nothing" <<'P'
files = glob.glob("step/udp2raw_*.pcapng")
assert len(files) == 5 and sorted(len(packets(f)) for f in files) == [10] * 5, files
for f in files:
    assert len({p.time // (3600 * 10**9) for p in packets(f)}) == 1
P
	mkdir night
	echo $((86400 - $(date +%s) % 86400 - 3)) >clock # three seconds to midnight
	start night env LD_PRELOAD="$FYKE_BUILD/t/shim-clock.so" SHIM_CLOCK=clock \
	    udp2raw -l 127.0.0.1:0 --rotate=1d --dir=night; cap=$pid
	tomorrow() { send 127.0.0.1 "$(port_of night)" 1 1000; ls night/.*T000000Z.pcapng.part; }
	until_true 20 tomorrow
	finish "$cap" TERM; is "$status" 0 "midnight passes"
	holds "two files, of two days, each with the datagrams of its day" <<'P'
from datetime import datetime, timezone
files = sorted(glob.glob("night/udp2raw_*.pcapng"))
days = [{datetime.fromtimestamp(p.time // 10**9, timezone.utc).strftime("%Y%m%d") for p in packets(f)} for f in files]
assert len(files) == 2 and days == [{os.path.basename(f)[8:16]} for f in files], (files, days)
assert files[1].endswith("T000000Z.pcapng"), files
P
else
	skip "no preloading here"
fi

# A disk that fills up: here by a limit on the size of files.
start full sh -c 'ulimit -f 1000; exec udp2raw -l 127.0.0.1:0 -o full.pcapng --status=full.json'; cap=$pid
send 127.0.0.1 "$(port_of full)" 2000 1440
finish "$cap"; is "$status" 3 "a disk that is full ends it with 3"
like full.err 'full.pcapng: File too large: the [0-9]+ datagrams written before are kept' "and says what is kept"
holds "what is kept is whole blocks, and just as many as it said" <<'P'
got = [body for kind, body in blocks(open("full.pcapng", "rb").read()) if kind == 6]
said = open("full.err").read().split("File too large: the ")[1].split()[0]
assert len(got) == int(said) > 0 and isb("full.pcapng") is None, (len(got), said)
P
n=$(lost 'not written' full.json)
is "$(field in full.json)" $(($(field out full.json) + n + $(lost 'kernel drop' full.json))) "the rest is counted"

# A file that somebody takes away.
start gone udp2raw -l 127.0.0.1:0 -o gone.pcapng; cap=$pid
send 127.0.0.1 "$(port_of gone)" 20 1440
until_true 10 test -s gone.pcapng
rm gone.pcapng
finish "$cap"; is "$status" 3 "a file that is removed meanwhile ends it with 3"
like gone.err 'gone.pcapng: was removed while it was written; 20 datagrams went out' "and says what is lost"
start fullrot sh -c 'ulimit -f 1000; exec udp2raw -l 127.0.0.1:0 --rotate=1h --dir=rot --name=full'; cap=$pid
send 127.0.0.1 "$(port_of fullrot)" 2000 1440
finish "$cap"; is "$status" 3 "in a folder too"
like fullrot.err 'rot/full_.*: File too large' "with the name"
ls rot/full_*.cut.pcapng >/dev/null 2>&1; tap $? "and the file is kept as one that was cut"
like fullrot.err "it is now $(echo rot/full_*.cut.pcapng):" "which is said"
done_testing
