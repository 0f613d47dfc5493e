# headercopy.t - pointing logs across: each under the day of its own first record, none stale
. "${0%/*}/lib.sh"
need /usr/bin/python3 strace
PATH=$top/scripts:$PATH
cat >plog.py <<'E2'
"""Pointing-log files of two records, typed from the table of the 52-byte format."""
import os, struct, sys, time
now = int(time.time()) // 60  # minutes since 1970, at import


def put(folder, minute, name=None, n=2, write_lock=False):
    """The file of a minute; name: of another one."""
    mjd, m = 40587 + minute // 1440, minute % 1440
    text = b"".join(struct.pack(">IIIIIiiiiiiii", mjd, 6000 * m + k, 0x10 << 16 | 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                    for k in range(n))
    path = "%s/%04d" % (folder, (minute if name is None else name) % 1440)
    with open(path + ".new", "wb") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path


def place(folder, minute):
    return "%s/%s/%04d" % (folder, time.strftime("%Y%m%d", time.gmtime(60 * minute)), minute % 1440)


def same(src, minute, dst):
    p = place(dst, minute)
    return os.path.exists(p) and open(p, "rb").read() == open("%s/%04d" % (src, minute % 1440), "rb").read()


def until(words, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, words
        time.sleep(0.05)
E2
export PYTHONPATH="$tmp" PYTHONDONTWRITEBYTECODE=1
py() { tap_w=$1; shift; /usr/bin/python3 -c "from plog import *
import glob, re, signal, subprocess
$*" >py.out 2>&1; tap $? "$tap_w" || diag <py.out; }

exits 2 "no folders" -- headercopy
exits 0 "--help" -- headercopy --help
exits 3 "no such folder" -- headercopy nowhere .

# ---- at the start: all that is fresh ----
mkdir src dst
py "a whole day of minutes" '
for m in range(now - 1440, now): put("src", m)'
echo x >src/README; echo x >src/1440; echo x >src/12; echo x >src/0480.lck.old
ok "at the start" -- headercopy --once --still=0.05 src dst
py "every minute up to 23 h 50 min comes, under the day of its MJD, on both sides of midnight" '
late = int(time.time()) // 60
got = glob.glob("dst/*/*")
assert all(same("src", m, "dst") for m in range(late - 1429, now)), len(got)
assert len(got) <= 1431 and len(glob.glob("dst/*")) == len({p.split("/")[1] for p in got}) in (1, 2, 3), len(got)
assert not any(os.path.exists(place("dst", m)) for m in range(now - 1440, now - 1431))'
is "$(find dst -name 'README*' -o -name 1440 -o -name 12 -o -name '*.old' | wc -l)" 0 "other names do not"

# ---- what is not what its name says ----
mkdir bad bad2
py "a stale one, one of another minute, one that is no log, one that is locked, one that is short" '
put("bad", now - 1510); put("bad", now - 20, name=now - 30); put("bad", now - 40); put("bad", now - 50)
open("bad/%04d" % ((now - 60) % 1440), "wb").write(b"nonsense" * 20)
open("bad/%04d.lck" % ((now - 40) % 1440), "w")
open("lines", "w").write("%04d\n" % ((now - 50) % 1440))'
ok "they are told apart" -- headercopy --once --still=0.05 bad bad2
is "$(find bad2 -type f -printf '%f\n')" "$(cat lines)" "only the good one comes"
like err 'stale 1' "the stale one is counted"
py "and when the right files have come" '
put("bad", now - 1510 + 1440); put("bad", now - 30); put("bad", now - 60); put("bad", now - 50, n=6000)
os.unlink("bad/%04d.lck" % ((now - 40) % 1440))'
ok "with the next run" -- headercopy --once --still=0.05 bad bad2
py "they come too, and the longer one replaces the short" '
assert all(same("bad", m, "bad2") for m in (now - 70, now - 60, now - 30, now - 40, now - 50))
assert os.path.getsize(place("bad2", now - 50)) == 312000'

# ---- the three formats, written by the simulated telescope ----
utc=$(date -u -d '-2 hours' +%Y-%m-%dT%H:%M:00Z)
for ff in 1 2 4; do
	mkdir "t$ff" "u$ff"; simtel --flat -o "t$ff" -n 2 --utc="$utc" --ff=$ff --quiet
	ok "format $ff" -- headercopy --once --still=0.05 "t$ff" "u$ff"
	is "$(cat t$ff/* | cksum)" "$(cat u$ff/*/* | cksum)" "is known by its size"
done

# ---- running ----
mkdir run run2
py "steady running: ten minutes back; after an outage: everything" '
for m in range(now - 1500, now - 60): put("run", m)   # an hour ago the telescope stopped
p = subprocess.Popen("strace -f -o trace -e trace=newfstatat,getdents64 headercopy --poll --every=50ms --still=0 run run2".split(),
                     stderr=open("run.err", "w"))
passes = lambda: len(re.findall(r"getdents64\(.*= 0$", open("trace").read(), re.M))
stats = lambda: open("trace").read().count("newfstatat(")
until("the first look", lambda: same("run", now - 61, "run2"))
first = passes()
until("passes", lambda: passes() > first + 3)
a, n = stats(), passes()
until("more passes", lambda: passes() > n + 20)
b, k = stats(), passes()
assert (b - a) / (k - n) < 40, ("looks in a pass", (b - a) / (k - n))
put("run", now); put("run", now - 1)                  # it goes on
until("the minutes that are written now", lambda: same("run", now, "run2") and same("run", now - 1, "run2"))
os.rename("run", "away")
until("it is noticed", lambda: "waiting until" in open("run.err").read())
for m in range(now - 59, now - 1): put("away", m)     # the network was gone, the telescope was not
os.rename("away", "run")
until("all minutes of the outage", lambda: all(same("run", m, "run2") for m in range(now - 59, now + 1)))
os.kill(int(open("trace").read().split()[0]), signal.SIGTERM)
p.wait(30)'
done_testing
