# cut.t - streams cut at every byte and flipped at every byte: what is whole is kept, and it is said
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

tubes 2
simdet -c ./tubes.card -n 4 -o whole.pcapng --quiet
evbuild -c ./tubes.card -o whole.events --quiet whole.pcapng

cat >hurt.py <<'E2'
"""hurt.py cut|flip PROGRAM STRIDE: the program on its stream, hurt at each STRIDEth byte"""
import random
import socket
import subprocess
import sys
from chain import *

how, program, stride = sys.argv[1], sys.argv[2], int(sys.argv[3])
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(("127.0.0.1", 0))
COMMAND = {
    "evbuild": "evbuild -c ./tubes.card -o out",
    "raw2nc": "raw2nc -o out",
    "raw2nc-packets": "raw2nc -c ./tubes.card -o out.nc",
    "evdump": "evdump --check",
    "evdump-events": "evdump -O json",
    "raw2udp": "raw2udp --speed=max -d 127.0.0.1:%d" % sink.getsockname()[1],
}[program].split()
whole = slurp("whole.events" if program in ("raw2nc", "evdump-events") else "whole.pcapng")
chance = random.Random(1)

# The whole record blocks of the stream: where they end.
ends = [at + 12 + len(body) for kind, body, at in blocks(whole) if kind == 6]
starts = [at for kind, _, at in blocks(whole) if kind == 6]
header = starts[0]
linktype = [at + 8 for kind, _, at in blocks(whole) if kind == 1][0]


def kept():
    """How many records the program kept, by what came out of it."""
    if program == "evbuild":
        return sum(e.nrec for e in events("out")) if os.path.exists("out") else 0
    if program == "raw2nc":
        return int(nc("out")["frames_written"]) if os.path.exists("out") else 0
    if program == "raw2nc-packets":
        names = [f for f in os.listdir(".") if f.startswith("out")]
        return sum(int(nc(f)["frames_written"]) for f in names)
    return status("st.json")["out"] if os.path.exists("st.json") else None


def run(data):
    for f in os.listdir("."):
        if f.startswith("out") or f == "st.json":
            os.unlink(f)
    more = ["--status=st.json"] if program == "raw2udp" else []
    p = subprocess.run(COMMAND + more + ["-"], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    n = kept()
    if program == "evdump-events":
        n = p.stdout.count(b"\n")
    elif program == "evdump":
        at = p.stdout.find(b" packets")
        n = int(p.stdout[:at].split()[-1]) if at > 0 else 0
    return p.returncode, n or 0, p.stderr.decode()


bad = []
for at in range(0, len(whole), stride):
    at = min(at + chance.randrange(stride), len(whole) - 1)
    if how == "cut":
        code, n, text = run(whole[:at])
        want = sum(end <= at for end in ends)
        if code != 1 or n != want or (program != "evdump" and not text.strip()):
            bad.append("cut at %d: exit %d, %d kept of %d whole: %s" % (at, code, n, want, text[:200]))
        continue
    data = bytearray(whole)
    data[at] ^= 1 << chance.randrange(8)
    code, n, text = run(data)
    block = max([i for i, s in enumerate(starts) if s <= at], default=None)
    inside = block is not None and at < ends[block]
    payload = inside and starts[block] + 28 <= at < starts[block] + 28 + struct.unpack_from("<I", whole, starts[block] + 20)[0]
    if not 0 <= code <= 5 or n > len(ends):
        bad.append("flip in %d: exit %d, %d kept: %s" % (at, code, n, text[:200]))
    elif payload and (code != 1 or n != len(ends) - 1):
        bad.append("flip in %d, inside a record: exit %d, %d kept of %d: %s" % (at, code, n, len(ends) - 1, text[:200]))
    elif linktype <= at < linktype + 2:
        pass  # another kind of traffic, as far as anybody can tell
    elif code == 0 and n != len(ends):
        bad.append("flip in %d: exit %d and only %d kept: %s" % (at, code, n, text[:200]))
    elif at >= header and n < len(ends) - 1:
        bad.append("flip in %d: %d kept of %d: %s" % (at, n, len(ends), text[:200]))
print("\n".join(bad))
print("bad" if bad else "good")
E2

stride=7; [ -z "${FYKE_SAN:-}" ] || stride=17; ! nightly || stride=1
for program in evbuild evdump evdump-events raw2udp raw2nc raw2nc-packets; do
	case $program in raw2nc*) [ $stride -eq 1 ] || stride=23 ;; esac
	/usr/bin/python3 hurt.py cut $program $stride >got 2>&1
	is "$(tail -n 1 got)" good "$program: cut anywhere, it keeps what is whole, says so, and exits 1" || head -n 8 got | diag
	/usr/bin/python3 hurt.py flip $program $stride >got 2>&1
	is "$(tail -n 1 got)" good "$program: a flipped bit costs one record at most, and never a crash" || head -n 8 got | diag
done
done_testing
