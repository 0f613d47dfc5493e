# scope-wire.t - what scopeget sends is VXI-11 as tshark knows it, and simscope's answers too
. "${0%/*}/lib.sh"
need socat tshark

start sim simscope --points=100
socat -d -d -r calls -R replies TCP-LISTEN:0,bind=127.0.0.1 "TCP:$address" 2>socat.err &
socat=$!
tap_pids="$tap_pids $socat"
until_true 20 grep -q 'listening on' socat.err
port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' socat.err)
ok "through a recorder" -- scopeget -d 127.0.0.1:"$port" -c 2 --segments=3 -o x.nc
wait "$socat"

# Calls and replies in turn, as one connection in a capture file.
/usr/bin/python3 - <<'E2'
import struct
def records(name):
    b = open(name, "rb").read()
    while b:
        n = 4 + (struct.unpack(">I", b[:4])[0] & 0x7FFFFFFF)
        yield b[:n]
        b = b[n:]
out = open("x.pcap", "wb")
out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
seq = [1, 1]
def send(side, data):
    while data:
        part, data = data[:1400], data[1400:]
        ports = (40000, 1024) if side == 0 else (1024, 40000)
        tcp = struct.pack(">HHIIBBHHH", *ports, seq[side], seq[1 - side], 0x50, 0x18, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 40 + len(part), 0, 0, 64, 6, 0, 10, 0, 0, 1 + side, 10, 0, 0, 2 - side)
        out.write(struct.pack("<IIII", 1, 0, 40 + len(part), 40 + len(part)) + ip + tcp + part)
        seq[side] += len(part)
calls, replies = list(records("calls")), list(records("replies"))
assert len(calls) == len(replies), (len(calls), len(replies))
for c, r in zip(calls, replies):
    send(0, c)
    send(1, r)
E2

fields() { # fields FILTER NAME...
	filter=$1; shift
	args=
	for f; do args="$args -e $f"; done
	# shellcheck disable=SC2086 # a list
	tshark -r x.pcap -d tcp.port==1024,rpc -Y "$filter" -T fields $args 2>/dev/null
}
is "$(fields '_ws.malformed || _ws.short' frame.number)" "" "nothing is malformed"
is "$(fields 'rpc.msgtyp == 0 && !vxi11_core' frame.number)" "" "every call is one of VXI-11"
is "$(fields 'vxi11_core.procedure_v1 == 10 && rpc.msgtyp == 0' vxi11_core.device vxi11_core.lock_device)" \
    "inst0	0" "create_link"
fields 'vxi11_core.procedure_v1 == 10 && rpc.msgtyp == 1' vxi11_core.error vxi11_core.lid vxi11_core.max_recv_size >got
is "$(cat got)" "0	1	4096" "its answer: a link, 4096 bytes at most"
fields 'vxi11_core.procedure_v1 == 11 && rpc.msgtyp == 0' vxi11_core.data |
    /usr/bin/python3 -c 'import sys; [print(bytes.fromhex(x).decode()) for x in sys.stdin]' >got
cat >want <<'E2'
CHDR OFF
CFMT DEF9,BYTE,BIN
CORD LO
WFSU SP,0,NP,0,FP,0,SN,0
*IDN?
SEQ ON,3
SEQ?
STOP
INR?
ARM
E2
head -n 10 got >first
same first want "device_write: the commands, in order"
is "$(sed '1,10d' got | sort -u)" "C2:WF? ALL
INR?" "then it looks for the trigger, and transfers"
is "$(fields 'vxi11_core.procedure_v1 == 11 && rpc.msgtyp == 0' vxi11_core.flags vxi11_core.io_timeout vxi11_core.lock_timeout | sort -u)" \
    "0x00000008	3750	0" "END on each; the instrument has three quarters of our patience"
is "$(fields 'vxi11_core.procedure_v1 == 12 && rpc.msgtyp == 1' vxi11_core.error vxi11_core.reason | sort -u)" \
    "0	0x00000004" "device_read: END"
is "$(fields 'vxi11_core.procedure_v1 == 23' vxi11_core.procedure_v1 | wc -l)" 2 "destroy_link, and its answer"
done_testing
