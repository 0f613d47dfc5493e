# tcpdump.t - other people's captures are good input: tcpdump, mergecap, editcap, classic pcap
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"
need editcap mergecap

# same_events GOT WANTED WORDS: everything of the events but the arrival stamps, and whether one that
# is incomplete left at its hold or at the end: udp2raw's heartbeats go on after the last datagram
same_events() {
	py "$1" "$2" >got 2>&1 <<-'E2'
	import sys
	from chain import *
	got, want = events(sys.argv[1]), events(sys.argv[2])
	assert len(got) == len(want) > 0, (len(got), len(want))
	for a, b in zip(got, want):
	    assert (a.flags ^ b.flags) & ~(HELD | FLUSHED) == 0, a.number
	    for k in ("number", "run", "clock", "nsrc", "nrec"):
	        assert getattr(a, k) == getattr(b, k), (k, a.number)
	    for k in ("present", "offset", "slots"):
	        assert (getattr(a, k) == getattr(b, k)).all(), (k, a.number)
	print("good")
	E2
	is "$(tail -n 1 got)" good "$3" || diag <got
}

# ---- files that were made by other programs ----

simdet -c chec -n 60 --drop=1% -o run.pcapng --quiet
evbuild -c chec -o want.events --quiet run.pcapng
built() { # built WORDS FILE: gives the same events
	rm -f got.events
	ok "$1: is good input" -- evbuild -c chec -o got.events "$2"
	same_events got.events want.events "$1: gives the same events"
}
editcap -F nsecpcap run.pcapng classic.pcap 2>err || diag <err
built "classic pcap, nanoseconds" classic.pcap
editcap -F pcap run.pcapng micro.pcap
built "classic pcap, microseconds" micro.pcap
editcap run.pcapng edited.pcapng
built "editcap" edited.pcapng
editcap -c 50 run.pcapng piece.pcapng
mergecap -w merged.pcapng piece_*.pcapng
built "mergecap of what editcap had cut into pieces" merged.pcapng
cat piece_*.pcapng >pieces.pcapng
built "the pieces one after the other" pieces.pcapng
py <<-'E2'
from chain import *
# The same packets in other frames: Ethernet (with a VLAN tag and the padding of short ones),
# Linux cooked capture 1 and 2; big-endian classic pcap.
caught = [(p.time, ip(p.src, p.data)) for p in packets("run.pcapng")]
frames = {
    "ethernet": (1, lambda b: bytes(12) + b"\x08\0" + b + bytes(18)),
    "vlan": (1, lambda b: bytes(12) + b"\x81\0\0\x07\x08\0" + b),
    "sll": (113, lambda b: struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800) + b),
    "sll2": (276, lambda b: struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8)) + b),
}
for name, (link, frame) in frames.items():
    with open(name + ".pcap", "wb") as f:
        f.write(struct.pack(">IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, link))
        for time, b in caught:
            b = frame(b)
            f.write(struct.pack(">IIII", time // 10**9, time % 10**9, len(b), len(b)) + b)
E2
for frame in ethernet vlan sll sll2; do built "frames of $frame, big-endian" $frame.pcap; done

# ---- tcpdump beside udp2raw, and in its place ----

sniff() { # sniff NAME OPTIONS...: tcpdump of the port, ready to catch
	sniff_name=$1; shift
	tcpdump -i lo -n --immediate-mode -U -s 2000 -B 16384 "$@" "udp port ${address##*:}" 2>"$sniff_name.err" &
	sniffer=$!
	until_true 10 grep -q 'listening on' "$sniff_name.err"
}
caught() { tcpdump -n -r "$1" 2>/dev/null | wc -l; }

start capture udp2raw -l 127.0.0.1:0 -o own.pcapng
capture=$pid
if ! command -v tcpdump >/dev/null || ! sniff file -w tcpdump.pcap; then
	skip "tcpdump beside udp2raw: $(tail -n 1 file.err)"
else
	file=$sniffer
	mkfifo pipe
	evbuild -c chec -o piped.events --status=piped.json <pipe 2>piped.err &
	piped=$!
	sniff piped-by -w - >pipe
	ok "simdet to both" -- simdet -c chec -n 60 --speed=20 --drop=1% -d "$address"
	sent=$(sed -n 's/.* \([0-9]*\) out.*/\1/p' err)
	until_true 10 sh -c "[ \$(tcpdump -n -r tcpdump.pcap 2>/dev/null | wc -l) -ge $sent ]"
	is "$(caught tcpdump.pcap)" "$sent" "tcpdump has caught all"
	until_true 10 sh -c "grep -q '\"in\":$((sent * 10)),' piped.json"
	tap $? "and passed it on"
	kill -TERM "$file" "$sniffer"; wait "$file" "$sniffer" 2>/dev/null
	finish "$capture" TERM
	wait "$piped"; is $? 0 "evbuild takes tcpdump's pipe" || diag <piped.err
	evbuild -c chec -o own.events --quiet own.pcapng
	evbuild -c chec -o file.events --quiet tcpdump.pcap
	same_events file.events own.events "tcpdump -w FILE gives the events of udp2raw"
	same_events piped.events own.events "tcpdump -w - in udp2raw's place too"
fi
done_testing
