# lib-seq.sh - what the sequencer's tests share. Source it after lib.sh.
py=/usr/bin/python3
export FYKE_TALKER="$tmp/talker.sock"
unset FYKE_SEQD SEQD_SIM_FAULT ANDOR_SDK 2>/dev/null
mkdir img

# hear: a Talker at talker.sock; each datagram becomes a line of talker.txt, and newlines in it \n
hear() {
	start talker $py -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("talker.sock")
print("talker: ready talker.sock", file=sys.stderr, flush=True)
out = open("talker.txt", "w")
while True:
    print(s.recv(65536).decode("latin-1").replace("\n", "\\n"), file=out, flush=True)
'
}

# seqd_on ARGS...: a server with a simulated camera of 64 x 64 pixels, or what ARGS say; $pid
seqd_on() {
	start seqd seqd -l 127.0.0.1:0 --dir=img --camera=size=64x64 "$@"
	export FYKE_SEQD="$address"
}

# off PID: ends it, and checks that it ends well
off() {
	finish "$1" TERM
	is "$status" 0 "seqd ends well"
}

# says WORDS...: the state of a running server has these lines: says xbin=2 state=idle
says() {
	seqcmd status >status.txt 2>/dev/null
	for says_w; do grep -qx -- "$says_w" status.txt || return 1; done
}

# value KEYWORD FILE: of a FITS header, as it stands there
value() {
	$py - "$1" "$2" <<'E2'
import sys
data = open(sys.argv[2], "rb").read()
for i in range(0, len(data), 80):
    card = data[i:i+80].decode("latin-1")
    if card.startswith("END "):
        break
    if card[:8].rstrip() == sys.argv[1] and (card[8] == "=" or sys.argv[1] == "COMMENT"):
        print(card[8:].split(" / ")[0].lstrip("= ").rstrip().strip("'").rstrip())
E2
}

# mean FILE: of the pixels
mean() {
	$py - "$1" <<'E2'
import sys
import numpy
data = open(sys.argv[1], "rb").read()
end = next(i for i in range(0, len(data), 80) if data[i:i+4] == b"END ")
at = (end // 2880 + 1) * 2880
head = {data[i:i+8].strip(): data[i+10:i+30] for i in range(0, end, 80)}
n = int(head[b"NAXIS1"]) * int(head[b"NAXIS2"])
print(int((numpy.frombuffer(data, ">i2", n, at).astype(int) + 32768).mean()))
E2
}

# peak PID: the most memory that it ever had, kB
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }

# files: how many images there are
files() { find img -name '*.fits' | wc -l; }

# heard REGEX WORDS: the Talker has such a line, or gets it soon
heard() {
	until_true 5 grep -Eq -- "$1" talker.txt
	like talker.txt "$1" "$2"
}
