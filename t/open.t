# open.t - odd files and descriptors, hostile captures: refused or survived, never believed
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

simdet -c chec -n 300 -o run.pcapng --quiet
evbuild -c chec -o run.events --quiet run.pcapng
evdump -O tsv run.events >run.tsv 2>err
raw2nc -o run.nc --quiet run.events
mkdir folder
: >empty
echo "not a capture, and longer than a block header" >text
ln -s nowhere dangling
n=0

# use PROGRAM INPUT OUTPUT: a program that reads, on a file; OUTPUT is for those that write one
use() {
	case $1 in
	evbuild) evbuild -c chec -o "$3" "$2" ;;
	raw2nc) raw2nc -o "$3" "$2" ;;
	packets) raw2nc -c chec -o "$3" "$2" ;;
	evdump) evdump "$2" ;;
	raw2udp) raw2udp -d 127.0.0.1:9 --speed=max "$2" ;;
	esac
}

# ---- inputs that are none ----

for p in evbuild raw2nc packets evdump raw2udp; do
	exits 1 "$p: an empty file is no stream" -- use $p empty $p.1
	like err 'empty: .*(empty|no capture|cut)' "and it says so"
	exits 1 "$p: nor is a text" -- use $p text $p.2
	like err 'text: .*no capture' "and it says so"
	exits 3 "$p: a folder cannot be read" -- use $p folder $p.3
	like err 'folder: .*(directory|folder)' "and it names it"
	exits 3 "$p: a file that is not there" -- use $p nowhere $p.4
	like err 'nowhere: No such file' "and it names it"
done
ls raw2nc.[1-4] packets.[1-4] >got 2>/dev/null
is "$(cat got)" "" "raw2nc left no file behind"
exits 1 "evbuild does not take events" -- evbuild -c chec -o out.events run.events
like err 'events already' "and says what does"
exits 1 "raw2nc: packets after events" -- sh -c 'cat run.events run.pcapng | raw2nc -c chec -o mixed.nc'

# ---- outputs ----

# make PROGRAM OUTPUT: a program that writes a file
make() {
	case $1 in
	evbuild) evbuild -c chec -o "$2" run.pcapng ;;
	raw2nc) raw2nc -o "$2" run.events ;;
	simdet) simdet -c chec -n 2 -o "$2" ;;
	udp2raw) udp2raw -l 127.0.0.1:0 -t 0.01 -o "$2" ;;
	esac
}
for p in evbuild raw2nc simdet udp2raw; do
	cp run.events old
	exits 4 "$p: a file that exists is not overwritten" -- make $p old
	like err 'old: .*exist' "and it says so"
	same old run.events "it is untouched"
	exits 4 "$p: nor is written where a link points" -- make $p dangling
	[ -L dangling ] && [ ! -e nowhere ]
	tap $? "which stays as it was"
	exits 3 "$p: no such folder" -- make $p nowhere/at.all
	like err 'nowhere' "and it names it"
	make $p folder >out 2>err
	got=$?
	[ $got -ge 3 ] && [ $got -le 4 ]
	tap $? "$p: a folder is no file"
	if [ "$(id -u)" -ne 0 ]; then
		mkdir -p shut
		chmod 555 shut
		exits 3 "$p: a folder that one may not write" -- make $p shut/file
		like err 'shut.*denied' "and it says so"
	fi
done

# ---- full disks, limits, descriptors that are closed ----

full() { exits 3 "$1 into a full disk" -- sh -c "$2 >/dev/full"; }
full evbuild "evbuild -c chec run.pcapng"
full evdump "evdump run.events"
full "evdump --check" "evdump --check run.events"
full simdet "simdet -c chec -n 9 -o -"
full udp2raw "udp2raw -l 127.0.0.1:0 -t 0.01"
limited() { # the message names the file and the reason
	exits 3 "$1: a limit of 100 kB for files" -- sh -c "ulimit -f 200; $2 $3"
	like err "${4:-$3}.*File too large" "and it says so"
}
limited evbuild "evbuild -c chec run.pcapng -o" limit.events
limited simdet "simdet -c chec -n 300 -o" limit.pcapng
limited raw2nc "raw2nc run.events -o" limit.nc
limited evdump "evdump -f amplitude run.events >" limit.txt "standard output"

# A closed descriptor must not become the file that is written, nor take messages.
exits 0 "evbuild without standard output" -- sh -c 'evbuild -c chec -o no1.events run.pcapng >&-'
same no1.events run.events "writes the same"
exits 0 "raw2nc without standard output and error" -- sh -c 'raw2nc -o no1.nc run.events >&- 2>&-'
same no1.nc run.nc "writes the same"
exits 0 "raw2nc without any of the three" -- sh -c 'raw2nc -o no2.nc run.events <&- >&- 2>&-'
same no2.nc run.nc "writes the same"
exits 0 "udp2raw without any" -- sh -c 'udp2raw -l 127.0.0.1:0 -t 0.01 -o no1.pcapng <&- >&- 2>&-'
ok "writes a whole capture" -- evdump --check no1.pcapng
for c in "evbuild -c chec" "evdump" "raw2nc -o no3.nc" "raw2udp -d 127.0.0.1:9"; do
	sh -c "$c <&-" >out 2>err
	got=$?
	[ $got -eq 1 ] || [ $got -eq 3 ]
	tap $? "${c%% *} without standard input says that it cannot read" || echo "exit $got" | diag
done
for c in "evbuild -c chec run.pcapng" "evdump run.events" "simdet -c chec -n 9 -o -" "udp2raw -l 127.0.0.1:0 -t 0.01"; do
	exits 3 "${c%% *} has no standard output to write to" -- sh -c "$c >&-"
done

# What stdio writes inside libc: only strace can make that fail.
if [ -n "${FYKE_SAN:-}" ] || ! strace -o /dev/null true 2>/dev/null; then
	skip "strace may not be used here"
else
	for i in 1 2 3; do
		strace -f -o /dev/null -P "$PWD/text.out" -e inject=write:error=ENOSPC:when=$i \
			evdump -f amplitude run.events >text.out 2>err
		is $? 3 "evdump: write number $i fails below libc"
	done
fi

# ---- captures that lie ----

/usr/bin/python3 - <<'E2'
from chain import *

good = slurp("run.pcapng")
head, body = section(), record(10**18, ip("127.0.0.100", bytes(144)), False)
epb = lambda *words, rest=b"": block(6, struct.pack("<5I", *words) + rest)
idb = lambda link=101, snap=0, opts=b"": block(1, struct.pack("<HHI", link, 0, snap) + opts + bytes(4))
shb = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
raw_ip = lambda b: record(10**18, b, False)
packet = ip("127.0.0.100", bytes(144))


def changed(b, at, new):
    return b[:at] + new + b[at + len(new):]


def classic(magic, version, snap, link, *rest):
    return struct.pack("<IHHiIII", magic, version, 4, 0, 0, snap, link) + b"".join(rest)


hostile = {
    "block of length 0": head + struct.pack("<III", 6, 0, 0) + body,
    "block of length 8": head + struct.pack("<II", 6, 8) + body,
    "block of 4 GiB": head + struct.pack("<II", 6, 0xfffffffc) + body,
    "block of odd length": head + struct.pack("<II", 6, 33) + bytes(25) + body,
    "two lengths differ": head + body[:-4] + b"\x10\0\0\0" + body,
    "only section headers": shb * 5000,
    "section of unknown order": changed(shb, 8, b"\x1a\x2b\x3c\x00") + body,
    "section of version 9": changed(shb, 12, b"\x09\0") + idb() + body,
    "packet before its interface": shb + body,
    "interface that is not there": head + epb(7, 0, 0, 4, 4, rest=b"abcd") + body,
    "70,000 interfaces": shb + idb() * 70000 + body,
    "more bytes than the block": head + epb(0, 0, 0, 0xffffffff, 4, rest=b"abcd") + body,
    "fewer bytes sent than caught": head + epb(0, 0, 0, 4, 1, rest=b"abcd") + body,
    "an option that is too long": head + epb(0, 0, 0, 4, 4, rest=b"abcd" + struct.pack("<HH", 2, 60000)) + body,
    "options without end": head + epb(0, 0, 0, 4, 4, rest=b"abcd" + option(1, b"") * 3000) + body,
    "a resolution of 2^-127": shb + idb(opts=option(9, b"\xff")) + body,
    "a resolution of 10^-127": shb + idb(opts=option(9, b"\x7f")) + body,
    "whole seconds, far away": shb + idb(opts=option(9, b"\0") + option(14, struct.pack("<q", 2**63 - 1))) + body,
    "an offset before time": shb + idb(opts=option(14, struct.pack("<q", -2**63))) + body,
    "times at both ends": head + record(0, packet, False) + record(2**64 - 1, packet, False) + record(2**63, packet, False),
    "simple packets": head + block(3, struct.pack("<I", 144) + packet[:144]),
    "a simple packet that lies": head + block(3, struct.pack("<I", 0xffffffff)),
    "a hash of another kind": head + epb(0, 0, 0, 4, 4, rest=b"abcd" + option(3, b"\x07" + bytes(4))),
    "a hash without bytes": head + epb(0, 0, 0, 4, 4, rest=b"abcd" + option(3, b"\x02")),
    "end marks only": head + endmark(0, 0) * 3000,
    "an end mark that overflows": head + body + endmark(2**64 - 1, 2**64 - 1),
    "unknown blocks": head + block(0x7fffffff, bytes(1000)) * 50 + body,
    "link type 65535": section(65535) + body,
    "IP header of 60 bytes": head + raw_ip(changed(packet, 0, b"\x4f")[:40]),
    "IP header of 0 bytes": head + raw_ip(changed(packet, 0, b"\x40")),
    "IP version 7": head + raw_ip(changed(packet, 0, b"\x75")),
    "IP length 0": head + raw_ip(changed(packet, 2, b"\0\0")),
    "IP length 65535": head + raw_ip(changed(packet, 2, b"\xff\xff")),
    "IP fragment": head + raw_ip(changed(packet, 6, b"\x20\x10")),
    "UDP length 0": head + raw_ip(changed(packet, 24, b"\0\0")),
    "UDP length 7": head + raw_ip(changed(packet, 24, b"\0\x07")),
    "UDP length 65535": head + raw_ip(changed(packet, 24, b"\xff\xff")),
    "TCP": head + raw_ip(changed(packet, 9, b"\x06")),
    "IPv6 headers without end": head + raw_ip(b"\x60\0\0\0\x05\0\0\x40" + bytes(32) + b"\0\0" * 640),
    "VLAN in VLAN": section(1) + raw_ip(bytes(12) + b"\x81\0\0\x01" * 400),
    "no bytes at all": head + raw_ip(b""),
    "Ethernet without bytes": section(1) + raw_ip(b"\0"),
    "classic of 4 GiB": classic(0xa1b2c3d4, 2, 65535, 101, struct.pack("<IIII", 0, 0, 0xffffffff, 0xffffffff), body),
    "classic, times of no clock": classic(0xa1b23c4d, 2, 65535, 101, struct.pack("<IIII", 0xffffffff, 0xffffffff, 172, 172), packet),
    "classic of version 0": classic(0xa1b2c3d4, 0, 0, 101, struct.pack("<IIII", 0, 0, 172, 172), packet),
    "classic, half a header": classic(0xa1b2c3d4, 2, 65535, 101)[:20],
    "a gzipped capture": b"\x1f\x8b\x08" + bytes(100),
}

# Events: the body, then what lies in it.
event_bytes = [bytes(r[6]) for r in records(slurp("run.events"))][0]
text = next(records(slurp("run.events")))[2]
ehead = section(147, "fyke-events/1", text)
lying = lambda at, new: ehead + record(10**18, changed(event_bytes, at, new), True) + endmark(10**18, 1)
hostile.update({
    "event of another magic": lying(0, b"ekyf"),
    "event of version 9": lying(4, b"\x09\0"),
    "event header of 65535 bytes": lying(6, b"\xff\xff"),
    "event header of 0 bytes": lying(6, b"\0\0"),
    "event of 65535 sources": lying(32, b"\xff\xff"),
    "event of no sources": lying(32, b"\0\0"),
    "event of 9 records, mask of 32": lying(34, b"\x09\0"),
    "event cut short": ehead + record(10**18, event_bytes[:50], True) + endmark(10**18, 1),
    "event clocks at the end of time": lying(24, b"\xff" * 7 + b"\x7f"),
    "event flags all set": lying(20, b"\xff" * 4),
    "events without a card": section(147, "fyke-events/1") + record(10**18, event_bytes) + endmark(10**18, 1),
    "events with a card of noise": section(147, "fyke-events/1", "[card\nname = \x01\x02") + record(10**18, event_bytes),
    "events with a card of 65,000 sources": section(147, "fyke-events/1", text.replace("count = 32", "count = 65000")) + record(10**18, event_bytes),
    "events with another card": section(147, "fyke-events/1", text.replace("count = 32", "count = 31")) + record(10**18, event_bytes),
    "events of another version": section(147, "fyke-events/2", text) + record(10**18, event_bytes),
})
os.mkdir("hostile")
for name, data in hostile.items():
    with open("hostile/" + name.replace(" ", "_"), "wb") as f:
        f.write(data)
E2
for f in hostile/*; do
	bad=
	for p in evbuild raw2nc packets evdump raw2udp; do
		n=$((n + 1))
		# shellcheck disable=SC3045 # dash has them too
		(
			[ -n "${FYKE_SAN:-}" ] || ulimit -v 2000000
			ulimit -t 10
			use $p "$f" "hostile-$n" >out 2>err
		)
		got=$?
		[ $got -le 5 ] || bad="$bad $p: $got"
	done
	is "$bad" "" "hostile: $(basename "$f" | tr _ ' ')" || head -n 3 err | diag
done

# What is good between the bad is used.
/usr/bin/python3 - <<'E2'
from chain import *
good = slurp("run.pcapng")
parts = [good[at:at + len(b) + 12] for _, b, at in blocks(good)]
with open("between", "wb") as f:
    for i, p in enumerate(parts):
        f.write(p)
        if i % 50 == 10:
            f.write(bytes([i % 251]) * (4 * i))
E2
exits 1 "rubbish between the packets" -- evbuild -c chec -o between.events --status=st.json between
is "$(field in st.json)" "$(($(evdump run.pcapng 2>err | wc -l) * 10))" "costs not one packet"

head -c 300 run.pcapng | tail -c 200 >noise
exits 1 "what is no capture" -- evbuild -c chec -o noise.events noise
[ ! -e noise.events ]; tap $? "leaves no file that would be in the way"
py >arp.pcap <<'E2'
import struct, sys
sys.stdout.buffer.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
sys.stdout.buffer.write((struct.pack("<IIII", 1, 0, 42, 42) + b"\xff" * 12 + b"\x08\x06" + bytes(28)) * 3)
E2
exits 1 "a capture without any UDP" -- evbuild -c chec -o arp.events arp.pcap
like err 'none of its 3 records is UDP' "is no good input, and it is said"
done_testing
