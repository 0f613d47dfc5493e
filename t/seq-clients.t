# seq-clients.t - many clients, slow, idle, hostile and oversized ones, and the port that was
# san: yes
# "sometimes blocked": reproduced with a server as the original's, and gone
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
cat >port.py <<'E2'
import errno, os, re, signal, socket, subprocess, sys, threading, time

def ask(port, line, timeout=10.0):
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        s.settimeout(timeout)
        s.sendall(line + b"\n")
        data = b""
        while not re.search(rb"^[A-Z]+ \d{5} .*\n", data, re.M):
            part = s.recv(65536)
            if not part:
                break
            data += part
        return data

def original(reuse):
    """One connection at a time, the server closes first: as the original's server did."""
    s = socket.socket()
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return s

def tap(good, words):
    print("%s%s" % ("" if good else "not ", words), flush=True)
E2
# (a) The server closes first, and is started again.
"$py" - >a.txt 2>&1 <<'E2'
exec(open("port.py").read())
s = original(False)
s.bind(("127.0.0.1", 0))
port = s.getsockname()[1]
s.listen(5)
c = socket.create_connection(("127.0.0.1", port))
p = s.accept()[0]
p.close()       # the server closes first
c.recv(1)
c.close()
s.close()
again = original(False)
try:
    again.bind(("127.0.0.1", port))
    print("bound")
except OSError as e:
    print(errno.errorcode[e.errno])
E2
is "$(cat a.txt)" EADDRINUSE "the original, started again while an old connection lingers, finds its port blocked"
seqd_on; d=$pid
port=${address##*:}
"$py" - "$port" >held.txt 2>&1 <<'E2' &
exec(open("port.py").read())
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.sendall(b"version\n")
c.recv(1000)
print("held", flush=True)
c.recv(1000)    # until the server has gone
E2
h=$!
until_true 10 grep -q held held.txt
seqcmd expose -f 5 2>/dev/null &
until_true 10 says state=integrating
kill -9 "$d"; wait "$d" 2>/dev/null
start again seqd -l "127.0.0.1:$port" --dir=img --camera=size=64x64; d=$pid
is "$address" "tcp:127.0.0.1:$port" "seqd, killed with a client connected, has its port again at once"
wait $h
ok "and answers" -- seqcmd xbin 1

# (b) One connection at a time.
"$py" - >b.txt 2>&1 <<'E2'
exec(open("port.py").read())
s = original(True)
s.bind(("127.0.0.1", 0))
s.listen(5)
port = s.getsockname()[1]
def serve():
    while True:
        c = s.accept()[0]
        while (line := c.recv(1000)):
            c.sendall(b"NOTE 00000 SEQ_OK - done\n")
        c.close()
threading.Thread(target=serve, daemon=True).start()
silent = socket.create_connection(("127.0.0.1", port))
try:
    ask(port, b"status", 0.5)
    print("answered")
except socket.timeout:
    print("blocked")
E2
is "$(cat b.txt)" blocked "one silent client blocks the original for all others"
"$py" - "$port" >b.txt 2>&1 <<'E2'
exec(open("port.py").read())
port = int(sys.argv[1])
silent = socket.create_connection(("127.0.0.1", port))
half = socket.create_connection(("127.0.0.1", port))
half.sendall(b"xbi")
deaf = socket.create_connection(("127.0.0.1", port))
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
try:
    deaf.settimeout(0.2)
    while True:
        deaf.sendall(b"help\n" * 200)
except OSError:
    pass
slowest = 0
for i in range(50):
    t = time.monotonic()
    assert b"SEQ_OK" in ask(port, b"status")
    slowest = max(slowest, time.monotonic() - t)
print("%.3f s" % slowest)
sys.exit(slowest > (2 if os.environ.get("FYKE_SAN") else 0.2))
E2
tap $? "a silent one, half a line and one that never reads delay nobody: $(cat b.txt) at most" || diag <b.txt

# 16 places.
"$py" - "$port" >c.txt 2>&1 <<'E2'
exec(open("port.py").read())
port = int(sys.argv[1])
time.sleep(0)
held = []
for i in range(16):
    c = socket.create_connection(("127.0.0.1", port))
    c.settimeout(10)
    c.sendall(b"version\n")
    assert c.recv(1000).startswith(b"NOTE"), i
    held.append(c)
c = socket.create_connection(("127.0.0.1", port))
c.settimeout(10)
data = b""
while (part := c.recv(1000)):
    data += part
print(data.decode().strip())
held.pop().close()
for i in range(100):
    try:
        if ask(port, b"version").startswith(b"NOTE"):
            print("free again")
            break
    except OSError:
        pass
E2
is "$(cat c.txt)" "ERROR 00011 SEQ_DENIED - all 16 places are taken: try again later
free again" "16 clients; the 17th has an answer and is closed"

# Oversized and hostile.
"$py" - "$port" >e.txt 2>&1 <<'E2'
exec(open("port.py").read())
port = int(sys.argv[1])
c = socket.create_connection(("127.0.0.1", port))
c.settimeout(10)
c.sendall(b"x" * 100000)
data = b""
try:
    while (part := c.recv(1000)):
        data += part
except ConnectionResetError:
    pass
print(data.decode().strip())
import random
random.seed(7)
for i in range(200):
    c = socket.create_connection(("127.0.0.1", port))
    c.sendall(bytes(random.randrange(256) for _ in range(random.randrange(1, 3000))))
    if i % 3 == 0:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()
print(ask(port, b"version").decode().split()[0])
E2
is "$(cat e.txt)" "ERROR 00010 SEQ_LINE - the line is longer than 1023 bytes
NOTE" "a line without end is answered and closed; noise harms nobody"

# 1,000 commands in a row from 16 clients: none blocked, none mixed. (How fast
# one is answered: t/seq-speed.t.)
"$py" - "$port" >g.txt 2>&1 <<'E2'
exec(open("port.py").read())
port = int(sys.argv[1])
times, wrong, lock = [], [], threading.Lock()
def client(k):
    c = socket.create_connection(("127.0.0.1", port))
    c.settimeout(20)
    f = c.makefile("rb")
    for i in range(63):
        line, want = ((b'object "client %d line %d"' % (k, i)), b'"client %d line %d"' % (k, i)) if i % 2 \
            else ((b"bin %d" % (1 << (k % 3))), b"(%dx%d," % (1 << (k % 3), 1 << (k % 3)))
        t = time.monotonic()
        c.sendall(line + b"\n")
        answer = f.readline()
        while answer.startswith(b"* "):
            answer = f.readline()
        with lock:
            times.append(time.monotonic() - t)
            if not answer.startswith(b"NOTE ") or want not in answer:
                wrong.append((line, answer))
threads = [threading.Thread(target=client, args=(k,)) for k in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
times.sort()
print("%d commands, median %.2f ms, slowest %.2f ms, wrong %d %s" % (len(times), times[len(times) // 2] * 1e3,
    times[-1] * 1e3, len(wrong), wrong[:2]))
sys.exit(len(times) != 1008 or len(wrong) > 0 or times[-1] > 2)
E2
tap $? "1,008 commands from 16 clients at once: none blocked, none mixed" || diag <g.txt
sed 's/^/# /' g.txt
is "$(grep -c 'client [0-9]* line [0-9]*"*: NOTE' again.err)" 496 "the log has each of them"
like again.err '^20[0-9-]+T[0-9:.]+Z seqd: [0-9]+ tcp 127.0.0.1:[0-9]+: object "client 1 line 1": NOTE 00000' "connection, peer, request, final line, in UT with milliseconds"

# Eight clients that ask for everything at any time, and go without a word.
seconds=2; nightly && seconds=60
cat >atrandom.py <<'E2'
import random, socket, sys, threading, time
port, end, count, wrong = int(sys.argv[1]), time.monotonic() + float(sys.argv[2]), [0], []
verbs = ["status", "xbin 1", "xbin 2", "expose 0.05", "expose -d 0.01", "dark -f 0.02", "mexpose 0.01 3", "abort",
         "addtime 0.05", "hold", "resume", "readout", "temp", "object x", "wait-camera-state idle 1", "gainl",
         "defaults", "help", "save", "autosave_on"]
def client(k):
    r = random.Random(k)
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as c:
            f = c.makefile("rb")
            for i in range(r.randrange(1, 30)):
                c.sendall(r.choice(verbs).encode() + b"\n")
                line = b"* "
                while line.startswith(b"* "):
                    line = f.readline()
                count[0] += 1
                # (somebody's hold may last longer than somebody else's wait)
                if line.split()[0] not in (b"NOTE", b"ASTRO", b"WARNING") and b"not idle in time" not in line:
                    wrong.append(line)
            if r.random() < 0.3:
                c.sendall(b"expose 0.1\n")
threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print("%d answers, %d wrong %s" % (count[0], len(wrong), wrong[:3]))
sys.exit(len(wrong) > 0 or count[0] < 100)
E2
"$py" atrandom.py "$port" $seconds >r.txt 2>&1
tap $? "eight clients ask at random, and go: $(tail -n 1 r.txt)" || diag <r.txt
ok "and the next one is served" -- seqcmd wait-camera-state idle 10

# Descriptors: clients came and went, none is left; a child does not hold the port.
until_true 10 sh -c "[ \$(ls /proc/$d/fd | wc -l) -le 12 ]"
tap $? "no descriptor is left behind"
"$py" - "$d" >fd.txt <<'E2'
import os, sys
for fd in os.listdir("/proc/%s/fdinfo" % sys.argv[1]):
    flags = [l.split()[1] for l in open("/proc/%s/fdinfo/%s" % (sys.argv[1], fd)) if l.startswith("flags")][0]
    to = os.readlink("/proc/%s/fd/%s" % (sys.argv[1], fd))
    if int(fd) > 2 and not int(flags, 8) & 0o2000000 and (to.startswith("socket") or "img" in to or "event" in to):
        print(fd, to)
E2
is "$(cat fd.txt)" "" "and a child would inherit none"
off "$d"

# Forgotten connections do not keep anybody from an abort.
start crowd seqd -l 127.0.0.1:0 --idle=20s --dir=img --state=crowd --camera=size=64x64; d=$pid
export FYKE_SEQD="$address"
seqcmd expose 60 >c.out 2>c.err &
e=$!
until_true 10 says state=integrating
"$py" - "${address##*:}" >crowd.txt 2>&1 <<'E2' &
exec(open("port.py").read())
c = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(15)]
print("held", flush=True)
time.sleep(60)
E2
h=$!
tap_pids="$tap_pids $h"
until_true 10 grep -q held crowd.txt
until_true 20 seqcmd abort
tap $? "where silent clients have all places, a newcomer has the one that was silent longest"
wait $e
is $? 1 "not that of a client that awaits its image: it has the answer"
kill $h
off "$d"

# A read-only listener, an idle client, a unix socket.
start ro seqd -l unix:seqd.sock -l unix:look.sock,ro --idle=1s --dir=img --state=ro --camera=size=64x64; d=$pid
is "$(stat -c %a seqd.sock)" 660 "the socket's mode"
ok "a unix socket" -- seqcmd -s unix:seqd.sock xbin 2
like ro.err "unix pid [0-9]+ uid $(id -u): .*xbin 2" "the log knows who it was"
ok "a read-only listener answers questions" -- seqcmd -s unix:look.sock status
exits 4 "and takes no orders" -- seqcmd -s unix:look.sock xbin 2
like err 'SEQ_DENIED: xbin: this listener is for questions only' "it says why"
"$py" - >idle.txt 2>&1 <<'E2'
import socket, time
s = socket.socket(socket.AF_UNIX)
s.connect("seqd.sock")
s.settimeout(15)
t = time.monotonic()
print(s.recv(100), time.monotonic() - t < 10)
E2
is "$(cat idle.txt)" "b'' True" "an idle client is closed"
off "$d"
done_testing
