# simscope.t - a simulated oscilloscope, as a VXI-11 client of another make sees it
# san: yes
. "${0%/*}/lib.sh"

py() { # py WORDS: the script on standard input passes
	/usr/bin/python3 - >pyout 2>&1
	tap $? "$@" || diag <pyout
}
export PYTHONPATH="$top/t" PYTHONDONTWRITEBYTECODE=1

exits 2 "an argument that it does not take" -- simscope now
exits 2 "an unknown fault" -- simscope --fault=nonsense
like err 'no such fault' "with the reason"
exits 2 "a fault on call 0" -- simscope --fault=silent@0
exits 2 "a fault of the instrument has no number of a call" -- simscope --fault=no-trigger@2
exits 2 "an address that is none" -- simscope -l nowhere
exits 2 "a unix socket" -- simscope -l unix:/tmp/x
exits 3 "an address of another machine" -- simscope -l 192.0.2.1:0

mkdir disk
start sim simscope --portmapper=127.0.0.1:0 --disk=disk --chunk=4096 --rate=500 --status=st.json
sim=$pid
export PORT="${address##*:}"
MAPPER=$(sed -n 's/.*ready portmapper .*:\([0-9]*\)$/\1/p' sim.err)
export MAPPER

py "the portmapper names its ports, on TCP and UDP" <<'E2'
import os, struct
from vxi11 import Rpc
port, mapper = int(os.environ["PORT"]), int(os.environ["MAPPER"])
for udp in (False, True):
    m = Rpc(mapper, 100000, 2, udp)
    assert m.call(0) == b""
    assert m.call(3, struct.pack(">4I", 0x0607AF, 1, 6, 0)) == struct.pack(">I", port)
    assert struct.unpack(">I", m.call(3, struct.pack(">4I", 0x0607B0, 1, 6, 0)))[0] > 0
    assert m.call(3, struct.pack(">4I", 0x0607AF, 1, 17, 0)) == bytes(4), "not on UDP"
    assert m.call(3, struct.pack(">4I", 100003, 3, 6, 0)) == bytes(4), "no NFS here"
    m = Rpc(mapper, 100000, 4, udp)
    m.send(3, b"")
    assert m.reply() == (2, struct.pack(">2I", 2, 2)), "version 2 only"
E2

py "a link, a question, an answer in pieces, an end" <<'E2'
import os, struct
from vxi11 import Rpc, Scope
port = int(os.environ["PORT"])
assert Scope(port, b"gpib0").error == 3, "no such device"
s = Scope(port)
assert s.error == 0 and s.max_recv >= 1024
assert s.ask(b"*IDN?") == b"*IDN LECROY,WR610ZI,LCRY12345,7.9.0\n", "with its header"
s.write(b"CHDR OFF")
s.write(b"*ID", end=False)
assert s.write(b"N?\n") == (0, 3)
assert s.read(6) == (0, 1, b"LECROY"), "REQCNT"
assert s.read(4) == (0, 1, b",WR6")
assert s.read() == (0, 4, b"10ZI,LCRY12345,7.9.0\n"), "END"
assert s.read(100, 50)[0] == 15, "nothing to say: it times out"
s.write(b"*IDN?")
s.write(b"TDIV?")
assert s.read()[2] == b"1E-07\n", "a new question drops the old answer"
s.write(b"NONSENSE?")
assert s.read(100, 50)[0] == 15
assert s.ask(b"CMR?") == b"1\n", "an unknown command"
good, s.link = s.link, 99
assert s.read()[0] == 4, "a link that is none"
s.link = good
assert s.core.call(13, struct.pack(">iiII", s.link, 0, 0, 0)) == bytes(8), "status byte"
assert s.core.call(15, struct.pack(">iiII", s.link, 0, 0, 0)) == bytes(4), "clear"
assert s.core.call(14, struct.pack(">iiII", s.link, 0, 0, 0)) == struct.pack(">i", 8), "no trigger call"
assert s.core.call(23, struct.pack(">i", s.link)) == bytes(4)
assert s.read()[0] == 4, "after destroy_link"
E2

py "settings are kept, adapted, and the status byte says so" <<'E2'
import os
from vxi11 import Scope
s = Scope(int(os.environ["PORT"]))
s.write(b"CHDR OFF;*CLS;TDIV 100NS;C2:VDIV 50 MV")
assert s.ask(b"*STB?") == b"0\n"
assert s.ask(b"TDIV?") == b"1E-07\n" and s.ask(b"C2:VDIV?") == b"0.05\n"
s.write(b"TDIV 3NS")
assert s.ask(b"*STB?") == b"4\n" and s.ask(b"TDIV?") == b"5E-09\n"
s.write(b"SEQ ON,25;TDIV 100NS")
assert s.ask(b"SEQ?").startswith(b"ON,25,")
s.write(b"SEQ OFF")
E2

py "a waiting read is aborted on the other channel" <<'E2'
import os, struct
from vxi11 import Rpc, Scope
s = Scope(int(os.environ["PORT"]))
s.core.send(12, s.read_args(100, 60000))
a = Rpc(s.abort_port, 0x0607B0)
while True:   # until the read has arrived there
    assert a.call(1, struct.pack(">i", s.link)) == bytes(4)
    s.core.s.settimeout(0.05)
    try:
        accept, r = s.core.reply()
        break
    except TimeoutError:
        pass
assert (accept, s.unread(r)[0]) == (0, 23)
assert a.call(1, struct.pack(">i", 999)) == struct.pack(">i", 4), "a link that is none"
E2

py "a sequence: WAIT ends with it, the waveform says what it is, STO stores the same" <<'E2'
import glob, os, struct
from vxi11 import Scope
s = Scope(int(os.environ["PORT"]))
s.write(b"CHDR OFF;CFMT DEF9,WORD,BIN;CORD HI;SEQ ON,5;INR?")
s.read()
s.write(b"ARM;WAIT 10;INR?")
events = int(s.read(100, 10000)[2])
assert events & 1 and events & 16, "a new signal, and segments"
w = s.ask(b"C3:WF? ALL")
assert w[:6] == b"ALL,#9" and w[-1:] == b"\n"
block = w[15:-1]
assert len(block) == int(w[6:15])
assert block[:8] == b"WAVEDESC" and block[16:26] == b"LECROY_2_3"
assert struct.unpack(">HH", block[32:36]) == (1, 0), "words, high byte first"
desc, text, _, times, _, _, data = struct.unpack(">7i", block[36:64])
assert (desc, text, times) == (346, 0, 80) and desc + times + data == len(block)
assert struct.unpack(">i", block[144:148]) == (5,), "five segments"
assert struct.unpack(">H", block[344:346]) == (2,), "C3"
t = struct.unpack(">10d", block[346:426])
assert t[0] == 0 and all(a < b for a, b in zip(t[0:8:2], t[2:10:2])), "trigger times rise"
raw = struct.unpack(">%dh" % (data // 2), block[426:])
assert min(raw) < -20 * 256, "there are pulses"
s.write(b"STO C3,HDD")
s.ask(b"*OPC?")
name, = glob.glob("disk/C3*.trc")
assert open(name, "rb").read() == w[4:-1]
s.write(b"CORD LO;CFMT DEF9,BYTE,BIN")
b = s.ask(b"C3:WF? ALL")[15:-1]
assert struct.unpack("<HH", b[32:36]) == (0, 1), "bytes, low byte first"
assert [x >> 8 for x in raw] == list(struct.unpack("%db" % len(raw), b[426:]))
E2
finish "$sim" TERM
is "$status" 0 "SIGTERM ends it"
is "$(field in st.json)" "$(($(field out st.json) + $(field 'no reply' st.json) + $(field 'hung up' st.json)))" "every call is accounted for"

# Faults: what a call gets instead of its reply.
sees() { # sees FAULT WORDS: script
	fault=$1; shift
	start "sim-$fault" simscope --fault="$fault" --rate=1000
	PORT=${address##*:} py "$@"
	finish "$pid" TERM
}
sees silent@2 "silent: the second call has no reply, the third has" <<'E2'
import os, socket
from vxi11 import Scope
s = Scope(int(os.environ["PORT"]))
s.core.s.settimeout(0.1)
try:
    s.write(b"*CLS")
    assert False
except TimeoutError:
    pass
s.core.s.settimeout(10)
assert s.write(b"*CLS")[0] == 0
E2
sees hangup@2 "hangup: the connection is closed" <<'E2'
import os
from vxi11 import Scope
s = Scope(int(os.environ["PORT"]))
try:
    s.write(b"*CLS")
    assert False
except (EOFError, ConnectionError):
    pass
E2
sees garbage@2 "garbage: the bytes are no reply" <<'E2'
import os
from vxi11 import Scope
s = Scope(int(os.environ["PORT"]))
try:
    s.write(b"*CLS")
    assert False
except AssertionError:
    pass
E2
sees no-trigger "no-trigger: WAIT ends by its own time, with nothing new" <<'E2'
import os
from vxi11 import Scope
s = Scope(int(os.environ["PORT"]))
s.write(b"CHDR OFF;INR?")
s.read()
s.write(b"ARM;WAIT 0.05;INR?")
assert int(s.read(100, 10000)[2]) & 1 == 0
assert s.ask(b"TRMD?") == b"SINGLE\n"
E2
sees full "full: no more links" <<'E2'
import os
from vxi11 import Scope
assert Scope(int(os.environ["PORT"])).error == 9
E2
start slow simscope --delay=60ms
PORT=${address##*:} py "--delay: each reply is late" <<'E2'
import os, time
from vxi11 import Scope
t = time.monotonic()
Scope(int(os.environ["PORT"])).write(b"*CLS")
assert time.monotonic() - t >= 0.12
E2
finish "$pid" TERM
ok "--duration" -- simscope --duration=50ms
done_testing
