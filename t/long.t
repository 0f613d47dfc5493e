# long.t - ten minutes of 13 ROACH boards, 52 MB/s, through the whole chain: nothing lost, memory flat
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"
seconds=${FYKE_CHAIN_SECONDS:-600}
nightly || [ -n "${FYKE_CHAIN_SECONDS:-}" ] || skip_all "ten minutes: runs in make nightly"

# A file a minute; those that are whole are counted and taken away, so that the disk need not hold 31 GB.
cat >long.py <<'E2'
import atexit
import signal
import subprocess
import sys
import time
from chain import *

seconds, boards, rate = float(sys.argv[1]), 13, 488.28125
PIPE = subprocess.PIPE
os.mkdir("d")


def start(command, **more):
    return subprocess.Popen(command.split(), stderr=PIPE, **more)


def memory(p):
    with open("/proc/%d/status" % p.pid) as f:
        return sum(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))


def store(done):
    """Events in the files that are whole."""
    import netCDF4
    n = 0
    newest = os.readlink("d/current") if os.path.islink("d/current") else None
    for f in sorted(os.listdir("d")):
        path = "d/" + f
        if f.endswith(".nc") and not os.path.islink(path) and (done or f != newest):
            with netCDF4.Dataset(path) as d:
                lost = {str(netCDF4.chartostring(k)): int(v)
                        for k, v in zip(d["loss_name"][:], d["loss_count"][:]) if v}
                assert d["frames_written"][...] == len(d["time"]) and not lost, (f, lost)
                assert d["present"][:].all(), f
                n += len(d["time"])
            os.unlink(path)
    return n


# Memory for a disk that others keep busy: 6 s of these data.
u = start("udp2raw -l 127.0.0.1:0 --ring=256M --rcvbuf=128M --status=u.json", stdout=PIPE)
line = u.stderr.readline()
while b": ready " not in line:
    line = u.stderr.readline()
# Other programs may keep simdet from sending a moment's 13 datagrams at once.
e = start("evbuild -c roach2c --hold=3s --status=e.json", stdin=u.stdout, stdout=PIPE)
n = start("raw2nc --dir=d --rotate=1m --min-free=0 --status=n.json", stdin=e.stdout)
u.stdout.close()
e.stdout.close()
s = start("simdet -c roach2c -d %s -n %d --quiet" % (line.split()[-1].decode(), rate * seconds))
began, stored, rss = time.monotonic(), 0, []
atexit.register(lambda: [p.kill() for p in (s, u, e, n) if p.returncode is None])
while s.poll() is None:
    time.sleep(0.5)
    rss.append([memory(p) for p in (u, e, n)])
    stored += store(False)
u.send_signal(signal.SIGTERM)
cpu, names = [], ("udp2raw", "evbuild", "raw2nc")
for p in (u, e, n):
    _, code, use = os.wait4(p.pid, 0)
    p.returncode = code
    assert code == 0, (p.args, code, p.stderr.read())
    cpu.append(use.ru_utime + use.ru_stime)
wall = time.monotonic() - began
stored += store(True)
for name, c, m in zip(names, cpu, zip(*rss)):
    third = len(m) // 3
    print("%s: %.1f %% of a core, %.1f MiB at a third, %.1f MiB at the end, %.1f MiB at most" %
          (name, c / wall * 100, max(m[:third + 1]), m[-1], max(m)))
print("together: %.1f %% of a core, %.0f MiB at most, %.0f s" % (sum(cpu) / wall * 100, max(map(sum, rss)), wall))
sent = int(rate * seconds)
a, b, c = status("u.json"), status("e.json"), status("n.json")
assert a["in"] == a["out"] == b["in"] == b["out"] == sent * boards, (a, b)
assert b["also"]["complete"] == c["in"] == c["out"] == stored == sent, (b, c, stored)
print("all stored")
assert max(map(sum, rss)) < 300
later = [m[1] + m[2] for m in rss] # udp2raw's ring is as full as the disk is slow
assert later[-1] < 1.1 * max(later[:len(later) // 3 + 1]) + 8, "memory grows"
print("memory flat")
E2
/usr/bin/python3 long.py "$seconds" >got 2>&1
is "$(grep -c '^all stored$' got)" 1 "$seconds s at 52 MB/s: every datagram is in the netCDF" || tail -n 4 got | diag
is "$(tail -n 1 got)" "memory flat" "memory stays under 300 MiB, and does not grow" || tail -n 4 got | diag
diag <got
cpu=$(sed -n 's/^together: \([0-9]*\).*/\1/p' got)
[ "${cpu:-99}" -lt 30 ]; tap $? "the three together take less than 30 % of a core"
done_testing
