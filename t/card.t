# card.t - cards as users meet them: the page's example and reader, HACKING's example, one of one's own
# san: yes
. "${0%/*}/lib.sh"
python=/usr/bin/python3
page=$top/man5/fyke-card.5

# literal NAME: the text between NAME-begin and NAME-end in the page
literal() { sed -n "/$1-begin/,/$1-end/{/^[.]/d;s/\\\\e/\\\\/g;p;}" "$page"; }
records() { # records FILE: datagrams of four bolometer boards as a classic pcap of Ethernet frames
	$python - "$1" <<'END'
import struct, sys
out = open(sys.argv[1], "wb")
out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
for n in range(20):
    for board in range(1, 5):
        data = struct.pack(">IHHQ", n, board, 0xa0fb, 1000000 + n * 200000 + board)
        data += struct.pack("<16h", *[100 * board + k for k in range(16)])
        udp = struct.pack(">HHHH", 4000, 5000, 8 + len(data), 0) + data
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([10, 0, 0, 9]),
                         bytes([10, 0, 0, 1])) + udp
        frame = bytes(12) + b"\x08\x00" + ip
        out.write(struct.pack("<IIII", 1700000000, n * 2000 + board, len(frame), len(frame)) + frame)
END
}

literal card >bolo16.card
literal reader >reader.py
records run.pcap
tail -c 48 run.pcap >record # the last datagram: number 19 of board 4

if $python -c 'import numpy' 2>/dev/null; then
	ok "the page's reader runs on the page's card" -- $python reader.py bolo16.card record
	cat >expected <<'END'
number 19.0
board 4.0
temperature 25.1
flags 10.0
ticks 4800004.0
bolometer 100.0 100.25 100.5 100.75
END
	sed 's/25\.1[0-9]*/25.1/' out >shown
	same shown expected "and finds what was sent"
	is "$(grep -c . reader.py) $(awk 'length > 95' reader.py | wc -l)" "15 0" "in 15 lines"
	{ head -c 8 /dev/zero; printf '\200\001\177\377'; head -c 132 /dev/zero; } >targetc
	ok "it reads chec.card" -- $python reader.py "$top/etc/cards/chec.card" targetc
	like out '^amplitude 0\.0763 5000\.' "with the sign bit turned over"
	{ head -c 8200 /dev/zero; printf '\0\0\031\317\066\252\107\133\315\025\253\315'; } >rfsoc
	ok "it reads rfsoc.card" -- $python reader.py "$top/etc/cards/rfsoc.card" rfsoc
	like out '^second 1732041385\.0' "with the seconds that begin within a byte"
	like out '^nanosecond 123456789\.0' "and the nanoseconds after them"
	# Every card, every value: what the reader finds in a datagram is what raw2nc makes of it.
	sed 's/\[:4\]//' reader.py >all.py
	cat >agree.py <<'END'
import contextlib, io, runpy, subprocess, sys, netCDF4, numpy as np
from pcapng import packets
path, name = sys.argv[1:]
subprocess.run(["simdet", "-c", path, "-m", "1", "-n", "10", "-o", name + ".pcapng"], check=True)
subprocess.run(["raw2nc", "-c", path, "-o", name + ".nc", name + ".pcapng"], check=True)
d, rows = netCDF4.Dataset(name + ".nc"), 0
size = next(int(l.split("=")[1]) for l in d.card.splitlines() if l.startswith(("record =", "datagram =")))
for p in packets(name + ".pcapng"):
    for at in range(0, len(p.data), size):
        with open("record", "wb") as f:
            f.write(p.data[at:at + size])
        sys.argv[1:] = path, "record"
        with contextlib.redirect_stdout(io.StringIO()) as out:
            card = runpy.run_path("all.py")["card"]
        fields = [l.split() for l in out.getvalue().splitlines()]
        for f, *values in fields:
            theirs = np.ma.compressed(d[dict(card["field " + f]).get("name", f)][rows])
            assert np.allclose(np.array(values, "f8"), theirs.astype("f8"), rtol=1e-15), (f, rows)
        rows += 1
print(rows, len(fields))
END
	for c in "$top"/etc/cards/*.card; do
		name=$(basename "$c" .card)
		ok "$name by the reader and by raw2nc" -- env PYTHONPATH="$top/t" $python agree.py "$c" "$name"
		is "$(cat out)" "10 $(grep -c '^\[field ' "$c")" "ten records, every field"
	done
else
	skip "the page's reader needs python3-numpy"
fi

for c in "$top"/etc/cards/*.card; do
	name=$(basename "$c" .card)
	like "$page" "(cards/| )$name\\.card( |$)" "$name is in the page's FILES"
	like "$c" "^name = $name\$" "$name.card says its own name"
done

ok "a card of one's own reads a plain capture" -- evdump -c ./bolo16.card run.pcap
is "$(grep -c '> 10\.0\.0\.1:5000' out)" 80 "all its datagrams"
like out 'source 3 +clock 0\.048000040 +sequence 19 .*bolometer min 100 .*max 103\.5 mV' \
    "with source, clock, sequence and millivolts"

# HACKING's example: the indented block that begins with [card]
hacking=$top/HACKING
[ ! -e "$top/HACKING.cards" ] || hacking=$top/HACKING.cards
awk '/^    \[card\]/ { on = 1 } /^[^ ]/ { on = 0 } on { sub(/^    /, ""); print }' "$hacking" >tubes.card
ok "HACKING's example is a card" -- simdet -c ./tubes.card -n 10 -o tubes.pcapng
ok "and reads what it makes" -- evdump -c ./tubes.card tubes.pcapng
like out 'source 2 .*sequence 9 .*counts' "three boxes, ten packets"

# Its commands, to the letter but for the port.
awk '/Then, before the box is there:$/ { on = 1; next } on && /^[^ ]/ { exit } on { sub(/^    /, ""); print }' \
    "$hacking" >commands
like commands '^udp2raw .*raw2nc -o try.nc &$' "HACKING records it, live"
receive=$(sed -n '/^udp2raw/{s/5600/0/;s/-t 5s/-n 900/;s/ &$//;p;}' commands)
sh -c "$receive" >live.out 2>live.err & live=$!
until_true 10 grep -q 'udp2raw: ready' live.err
port=$(sed -n 's/.*udp2raw: ready .*:\([0-9]*\)$/\1/p' live.err | head -n 1)
ok "simdet plays the box" -- sh -c "$(sed -n "/^simdet/s/5600/$port/p" commands)"
wait $live; is $? 0 "the chain ends well" || diag <live.err
ok "the events come from the recording again" -- sh -c "$(sed -n '/^evbuild/p' commands)"
is "$(grep -c ' 3 sources\|3 of 3\|counts' out)" 10 "ten of them are shown"
ok "all are in the netCDF" -- $python -c '
import netCDF4
d = netCDF4.Dataset("try.nc")
assert d["counts"].shape == (300, 3, 4) and d["present"][:].all() and not d["loss_count"][:].any()'

sed 's/^datagram = 48/datagram = 45/' bolo16.card >short.card
exits 2 "a card that does not fit together is a usage error" -- evdump -c ./short.card run.pcap
like err 'short\.card:43: bolometer: bytes 16 to 45 are outside of the record \(0 to 44\)' \
    "with file, line and reason"
exits 2 "so is an unknown card" -- evdump -c bolo run.pcap
like err 'bolo: no such card; there are chec, rfsoc, roach2a' "and the message names those there are"

mkdir cards && cp tubes.card cards/ && sed 's/^title = .*/title = mine/' "$top/etc/cards/chec.card" >cards/chec.card
FYKE_CARDS=$tmp/cards:$FYKE_CARDS
command -v evbuild >/dev/null || { skip "evbuild is not built"; done_testing; }
ok "evbuild lists the card path" -- evbuild --list
cp out list
for c in "$top"/etc/cards/*.card tubes.card; do
	like list "^ *$(basename "$c" .card) +[^ ]" "$(basename "$c" .card) is listed with its title"
done
like list '^ *chec +mine' "the first card of a name wins"
ok "a card of one's own builds events from a plain capture" -- evbuild -c ./bolo16.card run.pcap
cp out events
ok "which evdump reads without the card" -- evdump -O json events
is "$(wc -l <out | tr -d ' ')" 20 "twenty events of four boards"

done_testing
