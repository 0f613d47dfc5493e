# raw2udp.t - recorded packets go out again: all of them, with their spacing and their senders
# san: yes
. "${0%/*}/lib.sh"
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"; }

exits 2 "it wants to know where to" -- raw2udp x.pcapng
exits 2 "an address is one" -- raw2udp -d nonsense:x:y x.pcapng
exits 2 "a speed is a number" -- raw2udp -d 127.0.0.1:9 --speed=-1 x.pcapng
exits 2 "at least one packet" -- raw2udp -d 127.0.0.1:9 -n 0 x.pcapng
exits 2 "an interface is for a group" -- raw2udp -d 127.0.0.1%lo:9 x.pcapng
like err '%lo: of IPv4 addresses only a group' "and the message says so"
exits 3 "an interface that is not there" -- raw2udp -d 239.255.7.7%nonsense0:9 x.pcapng
exits 3 "a file that is not there" -- raw2udp -d 127.0.0.1:9 nowhere.pcapng
echo text >text
exits 1 "a file that is no capture" -- raw2udp -d 127.0.0.1:9 text

# A receiver on any port: N datagrams with sender and time into got.pickle.
cat >receive.py <<'P'
import pickle, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
s.settimeout(20)
print(f"receive: ready {s.getsockname()[1]}", file=sys.stderr, flush=True)
got = []
while len(got) < int(sys.argv[1]):
    data, (host, port) = s.recvfrom(65536)
    got.append((time.monotonic(), host, data))
pickle.dump(got, open("got.pickle", "wb"))
P
holds() {
	{ printf 'import pickle\nfrom pcapng import *\ngot = pickle.load(open("got.pickle", "rb"))\n'; cat; } >holds.py
	ok "$@" -- py holds.py
}
ok "half a second of a camera" -- simdet -c chec --records=1 -m 16 -n 50 -r 100 -o run.pcapng

start receive py receive.py 800; rx=$pid
ok "as it was recorded" -- raw2udp -d "127.0.0.1:$address" run.pcapng
like err '800 packets in, 800 out, 0 lost$' "all are accounted for"
finish "$rx"; is "$status" 0 "all come"
holds "in their order, from their addresses, byte for byte" <<'P'
assert [(h, d) for _, h, d in got] == [(p.source, p.data) for p in packets("run.pcapng")]
P
holds "with their spacing" <<'P'
p = packets("run.pcapng")
took = got[-1][0] - got[0][0]
assert 0.35 < took < 5, took
late = sorted((t - got[0][0]) - (x.time - p[0].time) / 1e9 for (t, _, _), x in zip(got, p))
assert late[0] > -0.2 and late[len(late) // 2] < 0.3, late[::80]
P
start receive py receive.py 800; rx=$pid
ok "four times as fast, from a pipe" -- sh -c 'cat run.pcapng | raw2udp -d 127.0.0.1:'"$address"' --speed=4'
finish "$rx"
holds "takes a quarter of the time at least" <<'P'
took = got[-1][0] - got[0][0]
assert 0.07 < took < 5, took
P
start receive py receive.py 200; rx=$pid
ok "the first 200 as fast as it goes" -- raw2udp -d "127.0.0.1:$address" --speed=max -n 200 run.pcapng
like err '200 packets in, 200 out' "and no more of them"
finish "$rx"
holds "come whole" <<'P'
assert [(h, d) for _, h, d in got] == [(p.source, p.data) for p in packets("run.pcapng")[:200]]
P

# ---- one recording after another ----
ok "two seconds of a board" -- simdet -c roach2c -m 1 -r 25 -n 50 -o slow.pcapng
cat slow.pcapng slow.pcapng >twice.pcapng
start receive py receive.py 100; rx=$pid
ok "twice, eight times as fast" -- raw2udp -d "127.0.0.1:$address" --speed=8 twice.pcapng
finish "$rx"
holds "the second time has its spacing too, and begins at once" <<'P'
at = [t for t, _, _ in got]
assert at[49] - at[0] > 0.2 and at[99] - at[50] > 0.2 and at[99] - at[0] < 5, at
P

# ---- other senders, other ports, other things on the wire ----
cat >make.py <<'P'
import sys
from pcapng import *
port, T = int(sys.argv[1]), 1767225600 * 10**9
pk = [(T, datagram("192.168.40.71", 1, b"far")), (T, datagram("127.0.0.9", port, b"near"), 4),
      (T, datagram("10.0.0.1", port, b"")), (T, b"\x45" + bytes(8) + b"\x06" + bytes(30))]
open("wire.pcapng", "wb").write(head() + b"".join(record(*p) for p in pk) + end(T, 4))
open("ports.pcapng", "wb").write(head() + record(*pk[1]) + end(T, 1))
open("events.pcapng", "wb").write(head(147, b"fyke-events/1", b"x") + record(T, b"fyke") + end(T, 1))
P
start receive py receive.py 3; rx=$pid
py make.py "$address"
exits 5 "what is no datagram is lost, and named" -- raw2udp -d "127.0.0.1:$address" wire.pcapng
like err '4 packets in, 3 out, 1 lost \(not UDP 1\); from another sender 2, dropped before they were recorded 4' "the account"
is "$(grep -c 'stands in' err)" 1 "senders that are not ours are told of once"
finish "$rx"
holds "they come from this machine, and empty datagrams too" <<'P'
assert [(h, d) for _, h, d in got] == [("127.0.0.1", b"far"), ("127.0.0.9", b"near"), ("127.0.0.1", b"")]
P
ok "--max-loss allows it" -- raw2udp -d "127.0.0.1:$address" --max-loss=1 wire.pcapng
like err 'refused 3' "datagrams to a closed port are counted"
like err 'nobody listened there: 3 of 3 datagrams were refused' "and told"
start receive py receive.py 1 "$address"; rx=$pid
ok "port 0: the port of the recording" -- raw2udp -d 127.0.0.1:0 ports.pcapng
finish "$rx"; is "$status" 0 "comes there"
exits 2 "events are no packets" -- raw2udp -d "127.0.0.1:$address" events.pcapng
like err 'udp2raw' "and the message says what is"
start receive py receive.py 800; rx=$pid
cat run.pcapng events.pcapng >both.pcapng
exits 2 "packets, then events" -- raw2udp -d "127.0.0.1:$address" --speed=max both.pcapng
like err '800 packets in, 800 out, 0 lost' "the packets are sent before it ends"
finish "$rx"; is "$status" 0 "all come"

# ---- damage, and ends ----
head -c 60000 run.pcapng >cut.pcapng
exits 1 "a cut stream" -- raw2udp -d "127.0.0.1:$address" --speed=max cut.pcapng
like err 'cut.pcapng: .*cut.*has been sent' "what was whole has been sent"
ok "an hour" -- simdet -c chec -m 1 --records=1 -n 2 -r 0.0003 -o hour.pcapng
raw2udp -d "127.0.0.1:$address" --status=st.json hour.pcapng 2>err & pid=$!
until_true 10 grep -q '"in":2' st.json
kill -TERM "$pid"; finish "$pid"
is "$status" 130 "a signal in the middle of a file: 130"
like err 'next packet leaves in 3333s .--max-gap' "a long wait is told beforehand"
like err '2 packets in, 1 out, 1 held' "a signal ends the longest wait"
ok "--max-gap passes it over" -- raw2udp -d "127.0.0.1:$address" --max-gap=20ms hour.pcapng
like err '2 packets in, 2 out.*gaps shortened 1' "and counts it"
start receive py receive.py 200; rx=$pid
ok "a gap that is shorter keeps its length" -- raw2udp -d "127.0.0.1:$address" --max-gap=2s --speed=100 -n 200 run.pcapng
finish "$rx"
if grep -q 'gaps shortened' err; then tap 1 "none was cut"; else tap 0 "none was cut"; fi

# ---- a group, by the interface that is named ----
cat >group.py <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("239.255.77.10", 0))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             struct.pack("=4s4si", socket.inet_aton("239.255.77.10"), bytes(4), socket.if_nametoindex("lo")))
s.settimeout(20)
print(f"group: ready {s.getsockname()[1]}", file=sys.stderr, flush=True)
for _ in range(5):
    s.recv(65536)
P
start group py group.py; rx=$pid
if raw2udp -d "239.255.77.10%lo:$address" -n 5 --speed=max slow.pcapng 2>err; then
	finish "$rx"; is "$status" 0 "a group is sent to by the interface that is named"
else
	kill "$rx"
	skip "no multicast on lo here"
fi
exits 2 "--max-gap is a time" -- raw2udp -d "127.0.0.1:$address" --max-gap=never hour.pcapng
done_testing
