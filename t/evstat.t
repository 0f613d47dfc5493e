# evstat.t - a live view: of files, pipes, buses and programs; on a terminal and in a pipe
# san: yes
. "${0%/*}/lib.sh"
need python3
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 timeout 60 /usr/bin/python3 "$@"; }

simdet --quiet -c chec -n 40 --drop=5% --seed=3 -o run.pcapng
evbuild --quiet -c chec --max-loss=99999 --run=7 -o run.events run.pcapng

# ---- what it shows is what is there ----
cat >check.py <<'P'
import json, sys
from pcapng import *
s = json.loads(open("out").read().splitlines()[-1])
events = [b[20:20 + struct.unpack_from("<I", b, 12)[0]] for k, b in blocks(open("run.events", "rb").read()) if k == 6]
heads = [struct.unpack_from("<QIIqHH", e, 8) for e in events]
masks = [struct.unpack_from("<Q", e, 36)[0] for e in events]
assert s["records"] == len(events) and s["bytes"] == sum(map(len, events)), s
assert s["incomplete"] == sum(h[2] & 1 for h in heads) and s["complete"] == len(events) - s["incomplete"], s
assert s["last"]["number"] == heads[-1][0] and s["last"]["run"] == 7 and s["last"]["clock"] == heads[-1][3]
want = [sum(m >> i & 1 for m in masks) / len(masks) for i in range(32)]
assert all(abs(a - b) < 0.001 for a, b in zip(s["occupancy"], want)), (s["occupancy"], want)
print(s["state"])
P
ok "a file" -- evstat -O json run.events
is "$(py check.py)" ended "counts, the last event and each module's occupancy are those of the file"
evdump -O json run.events >events.json 2>/dev/null
is "$(py -c '
import datetime, json
t = [datetime.datetime.fromisoformat(json.loads(l)["time"][:26]) for l in open("events.json")]
print(abs(json.load(open("out"))["rate"] * (t[-1] - t[0]).total_seconds() - (len(t) - 1)) < 0.01)')" True \
    "the rate is that of the times in it"
ok "a pipe" -- sh -c "cat run.events | evstat -O json -"
is "$(py check.py)" ended "the same"
ok "as text" -- evstat run.events
like out '^rate .*events/s' "rate"
like out '^drops .*missed here 0' "drops"
like out '^last +run 7, event [0-9]+, ' "last event"
like out '^    0   [#1-9.]( [#1-9.]){31}$' "and a map of the modules"
ok "packets" -- evstat run.pcapng
like out 'packets/s' "have rates too"
printf 'no stream\n' >x.png
exits 1 "what is no stream" -- evstat x.png
like err ': x.png: ' "is named"
is "$(cat out)" "" "and has no page"
head -c 100000 run.events >cut.events
exits 1 "a stream that was cut" -- evstat -O json cut.events
like out '"state":"damaged or cut"' "says so"

# ---- programs ----
simdet --quiet -c chec -n 1 -o /dev/null --status=a.json --name=roach01
evdump --quiet --status=b.json run.events >/dev/null
ok "files of --status" -- evstat -n 1 --every=100ms a.json b.json
like out '^simdet +roach01 +done +32 +32 +0 +0 ' "a line a program"
like out '^evdump ' "in one table"
printf '{"program":"x","state":"running","time":"2020-01-01T00:00:00Z","in":5,"out":3,"lost":{"late":2},"new":{"a":[1,{"b":null}]}}' >old.json
ok "one that has not been written for long" -- evstat -n 1 --every=100ms old.json
like out '^x +SILENT +5 +3 +0 +2 .*late 2' "is called silent"
ok "as JSON" -- evstat -O json -n 2 --every=100ms a.json
is "$(sort -u out | wc -l)" 1 "each is passed on"
printf '{"program":' >torn.json
ok "one that is no JSON" -- evstat -n 1 --every=100ms torn.json
like out 'torn.json: no JSON' "is told in its line"

# ---- live, from a bus ----
start pub evpub 'zmq+tcp://127.0.0.1:0' --wait=1 run.events
ok "a publisher" -- evstat -O json --every=300ms -n 3 "$address"
like out '"state":"(the run has ended|the publisher is gone)"' "is watched"
is "$(sed -n 's/.*"card":"chec","records":\([0-9]*\).*/\1/p' out | tail -n 1)" "$(evdump run.events 2>/dev/null | grep -c '^event')" "each event is seen"
finish "$pid"
ok "no publisher" -- evstat -n 1 --every=100ms zmq+tcp://127.0.0.1:9
like out 'no publisher yet' "is told"

# ---- a terminal ----
cat >term.py <<'P'
import fcntl, os, pty, struct, sys, termios, time
def run(argv, keys, rows=12, columns=60):
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    out, sent, end = b"", 0, time.monotonic() + 20
    while time.monotonic() < end:
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        out += part
        if sent < len(keys) and out.count(b"\033[H") > 5 * (sent + 1):
            os.write(fd, keys[sent:sent + 1]); sent += 1
    else:
        os.kill(pid, 9)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out
for argv in (["evstat", "--every=100ms", "a.json", "b.json"], ["evstat", "--every=100ms", "zmq+tcp://127.0.0.1:9"]):
    code, out = run(argv, b"q")
    assert code == 0, (code, out)
    assert out.startswith(b"\033[?1049h") and out.rstrip().endswith(b"\033[?1049l"), ("the terminal is given back", out[:80], out[-200:])
    frames = out.split(b"\033[?2026h")[2:]
    assert all(f.startswith(b"\033[H") and b"\033[2J" not in f for f in frames), "drawn over, never cleared first"
    assert all(f.count(b"\r\n") <= 12 for f in frames), "no more rows than there are"
code, out = run(["sh", "-c", "mkfifo live; cat run.events >live & exec 8<>live; exec evstat --every=100ms - <live"], b"q")
assert code == 0 and b"modules" in out, (code, out[-300:])
for argv, word in ((["evstat", "run.events"], b"ended"), (["evstat", "-n", "2", "--every=100ms", "a.json"], b"roach01")):
    code, out = run(argv, b"")
    rest = out.split(b"\033[?1049l")[-1]
    assert code == 0 and word in rest and b"\033" not in rest, ("what ends by itself leaves its page", code, rest)
code, out = run(["evstat", "."], b"")
assert code == 3 and b".: cannot read" in out.split(b"\033[?1049l")[-1], ("trouble is told on the screen that stays", out)
code, out = run(["evstat", "--every=100ms", "a.json"], b"\x03")
assert code == 0 and out.rstrip().endswith(b"\033[?1049l"), "Ctrl-C gives it back too"
code, out = run(["bash", "--norc", "-c", "set -m; evstat --every=100ms a.json; stty; fg >/dev/null"], b"\x1aq")
before, shell, after = out.split(b"\033[?1049l", 2)
assert code == 0 and b"icanon" not in shell and b"\033[?1049h" in shell and after.strip() == b"", ("Ctrl-Z gives it to the shell, fg takes it again", code, shell)
print("good")
P
is "$(py term.py 2>tty.err)" good "on a terminal it draws in place, ends on q, and gives the terminal back" || diag <tty.err

# ---- usage ----
exits 2 "nothing" -- evstat
exits 2 "-O tsv" -- evstat -O tsv run.events
exits 2 "two streams" -- evstat run.events run.events
exits 2 "a bad address" -- evstat zmq+tcp://127.0.0.1:x
exits 3 "a file that is not there" -- evstat nowhere
exits 3 "a full disk" -- sh -c "evstat run.events >/dev/full"
done_testing
