# raw2nc-faults.t - full disks, failing calls, kill -9, signals, readers while it writes: what the
# marker says is whole, and nothing is silent
. "${0%/*}/lib.sh"
need ncdump prlimit
py=/usr/bin/python3

simdet --quiet -c chec -m 8 -n 600 -o run.pcapng || exit 99
evbuild --quiet -c chec --sources=0-7 run.pcapng >events.pcapng || exit 99
raw2nc --quiet -o good.nc events.pcapng || exit 99
size=$(wc -c <good.nc)

# prefix FILE GOOD...: every record of FILE up to frames_written equals that of the good file. The
# classic header is read here by hand, as fyke-netcdf(5) shows.
cat >prefix.py <<'E2'
import sys
def read(name):
    b = open(name, 'rb').read(); p = 4
    def u(n, at=None):
        nonlocal p
        v = int.from_bytes(b[p:p + n], 'big'); p += n
        return v
    def text():
        nonlocal p
        n = u(8); s = b[p:p + n].decode(); p += -(-n // 4) * 4
        return s
    size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
    def atts():
        nonlocal p
        u(4)
        for _ in range(u(8)):
            text(); t = u(4); n = u(8); p += -(-n * size[t] // 4) * 4
    assert b[:4] == b'CDF\5', name
    n = u(8); u(4); dims = []
    for _ in range(u(8)): text(); dims.append(u(8))
    atts(); u(4); v = {}
    for _ in range(u(8)):
        s = text(); d = [u(8) for _ in range(u(8))]; atts(); t = u(4); vs = u(8); v[s] = (d, t, vs, u(8))
    rec = [x for x in v.values() if x[0] and dims[x[0][0]] == 0]
    first = min(x[3] for x in rec); length = sum(x[2] for x in rec)
    global at
    at = v['frames_written'][3]
    written = int.from_bytes(b[at:at + 8], 'big')
    assert len(b) >= first + n * length, (name, 'is shorter than its records')
    return written, n, b[first:], length
def marker(name):
    global at
    read(name)
    return at
def check(good, name):
    w, n, rows, length = read(name)
    assert w <= n and length == good[3] and w <= good[1], (name, w, n)
    assert rows[:n * length] == good[2][:n * length], (name, 'differs')
    return w
if __name__ == '__main__':
    good = read(sys.argv[1])
    for name in sys.argv[2:]: print(check(good, name))
E2
prefix() { $py prefix.py good.nc "$@"; }
is "$(prefix good.nc)" 600 "the good file"

# ---- a disk that is full ----

ulimit_f() { # ulimit_f BYTES COMMAND...
	bytes=$1; shift
	prlimit --fsize="$bytes" "$@"
}
exits 3 "a full disk" -- ulimit_f $((size / 2)) raw2nc -o half.nc --status=half.json events.pcapng
like err 'half.nc: .*the first [0-9]+ records are safe' "says what is safe"
n=$(prefix half.nc)
[ "$n" -ge 290 ] && [ "$n" -le 300 ]; tap $? "which is all that fits: $n of 600"
like err "the first $n records are safe" "and the message is true"
is "$(field out half.json) $(field held half.json)" "$n 0" "and the account"
is "$(field in half.json)" "$((n + $(field 'not written' half.json)))" "in which the rest is not written"
exits 3 "a disk with no room for the header" -- ulimit_f 2000 raw2nc -o none.nc events.pcapng
is "$(echo none* .none*)" "none* .none*" "leaves no file"

# ---- each call fails in turn ----

shim=$FYKE_BUILD/t/shim-fail.so
fails() { # fails CALL HOW STICKY N OPTIONS...: the N-th call fails; what became of it goes to runs
	f_call=$1 f_how=$2 f_sticky=$3 f_at=$4; shift 4
	rm -f f.nc .f.nc.part
	env LD_PRELOAD="$shim" FAIL_CALL="$f_call" FAIL_HOW="$f_how" FAIL_AT="$f_at" ${f_sticky:+FAIL_STICKY=1} \
	    raw2nc --quiet -o f.nc "$@" events.pcapng 2>fail.err
	f_rc=$?
	f_said=silent
	[ ! -s fail.err ] || f_said=said
	[ ! -e f.nc ] || mv f.nc "f$f_at.nc"
	echo "$f_at $f_rc $f_said" >>runs
}
# What may be: exit 0 with all of it, or exit 3 with a message and a good prefix (or no file).
cat >judge.py <<'E2'
import os, subprocess, prefix
good = prefix.read('good.nc')
for line in open('runs'):
    at, rc, said = line.split()
    name = 'f%s.nc' % at
    if not os.path.exists(name): n = 0
    elif open(name, 'rb').read(3) == b'CDF': n = prefix.check(good, name)
    else:
        import netCDF4
        n = int(netCDF4.Dataset(name)['frames_written'][:])
    if (rc, said, n) == ('0', 'silent', 600) or (rc == '3' and said == 'said'): continue
    print('call %s: exit %s, %s, %d records' % (at, rc, said, n))
E2
each() { # each WORDS CALL HOW STICKY LIST OPTIONS...
	e_words=$1 e_call=$2 e_how=$3 e_sticky=$4 e_list=$5; shift 5
	: >runs
	for e_at in $e_list; do fails "$e_call" "$e_how" "$e_sticky" "$e_at" "$@"; done
	is "$($py judge.py 2>&1)" "" "$e_words"
	rm -f f[0-9]*.nc
}
few="1 2 3 4 5 6 7 8 9 10 11"
every="$few 12 13 14 15 16 17 18 19 20 22 24 26 28 30"
nightly && every="$(seq 1 120)"
if [ -e "$shim" ]; then
	each "a write fails once with ENOSPC" write ENOSPC '' "$every"
	each "the disk stays full" write ENOSPC 1 "$every"
	each "EIO" write EIO 1 "$few"
	each "writes are cut short" write SHORT 1 "1 5"
	each "writes are interrupted" write EINTR '' "$few"
	each "fsync fails" sync EIO 1 "1 2 3 4 5 6 7"
	each "a name cannot be given" name EIO 1 "1 2"
	each "a sync is interrupted" sync EINTR '' "1 2 3 4 5 6 7 8"
	is "$(cut -d ' ' -f 2 runs | sort -u)" 0 "and done again: nothing fails"
	exits 3 "the disk has lost something once" -- env LD_PRELOAD="$shim" FAIL_CALL=sync FAIL_HOW=EIO FAIL_AT=7 \
	    raw2nc --quiet --every=1ms -o once.nc events.pcapng
	is "$(prefix once.nc)" "$(sed -n 's/.*the first \([0-9]*\) records are safe.*/\1/p' err)" \
	    "the marker says what the message says, though the next fsync would not fail"
	each "the disk fills while netCDF-4 is made" write ENOSPC 1 "12 14 16 20 25 30 40" --final=nc4

	# The child stands still before the file in its last layout gets the name.
	stopped() { # stopped WORDS INPUT SIGNAL...
		words=$1 input=$2
		shift 2
		rm -f mark nc4.nc
		env --default-signal=INT LD_PRELOAD="$shim" FAIL_CALL=name FAIL_HOW=STOP FAIL_AT=2 FAIL_MARK=mark \
		    raw2nc --quiet --final=nc4 -o nc4.nc <"$input" 2>stop.err &
		writer=$!
		tap_pids="$tap_pids $writer"
		[ "$input" != feed ] || cat events.pcapng >feed
		until_true 20 test -e mark
		for s; do
			kill -"$s" $writer
			[ "$s" != USR1 ] || until_true 10 grep -q ' in, ' stop.err # the signal before it has been seen
		done
		finish $writer
		is "$status $(prefix nc4.nc) $(echo .nc4*)" "130 600 .nc4*" \
		    "$words while netCDF-4 is made: 130, and the file is whole as it was" || diag <stop.err
		like stop.err 'nc4.nc: stopped; it is whole in its first layout, and the same input with --overwrite' "which is told"
	}
	mkfifo feed
	stopped "Ctrl-C" events.pcapng INT
	stopped "SIGTERM" events.pcapng TERM
	stopped "a filter's second Ctrl-C" feed INT USR1 INT
else
	skip "no shim under the sanitizers"
fi

# ---- kill -9 ----

cat >kill.py <<'E2'
import os, random, signal, subprocess, sys, time, prefix
good = prefix.read('good.nc')
random.seed(4)
bad = 0
n = int(sys.argv[1])
data = open('events.pcapng', 'rb').read()
def start():
    p = subprocess.Popen(['raw2nc', '--quiet', '--every=1ms', '-o', 'k.nc'], stdin=subprocess.PIPE)
    os.set_blocking(p.stdin.fileno(), False)
    return p
# how long this machine, as busy as it is now, needs until there is a file: kills come within twice that
began = time.monotonic(); p = start(); at = 0
while not os.path.exists('k.nc') and time.monotonic() < began + 30:
    try: at += os.write(p.stdin.fileno(), data[at:at + 20000])
    except BlockingIOError: pass
span = max(0.08, 2 * (time.monotonic() - began))
p.kill(); p.wait()
for k in range(n):
    for f in ('k.nc', '.k.nc.part'):
        if os.path.exists(f): os.unlink(f)
    p = start()
    end = time.monotonic() + random.uniform(0, span); at = 0
    while time.monotonic() < end:
        try: at += os.write(p.stdin.fileno(), data[at:at + 20000])
        except BlockingIOError: pass
        time.sleep(0.0005)
    p.send_signal(signal.SIGKILL); p.wait()
    if not os.path.exists('k.nc'): print('no file yet'); continue
    d = subprocess.run(['ncdump', '-h', 'k.nc'], capture_output=True)
    try: print(prefix.check(good, 'k.nc'))
    except Exception as e: bad += 1; print('BAD', e)
    if d.returncode: bad += 1; print('BAD', d.stderr)
print('bad', bad)
E2
kills=20
nightly && kills=1000
$py kill.py $kills >got 2>&1
is "$(tail -n 1 got)" "bad 0" "$kills kills: every file opens, and its prefix is whole" || diag <got
[ "$(grep -c '^[1-9]' got)" -ge 3 ]; tap $? "and some had data" || diag <got
ok "a stale temporary file of a dead program is no obstacle" -- sh -c 'echo >.k2.nc.part; exec raw2nc -o k2.nc events.pcapng'

# ---- power cuts, as a model ----

# Every write and fsync of the file is logged; a cut may fall anywhere. Of the pages written since
# the last fsync each one has reached the disk or not, and the file may be as long as it was then,
# or as it is now. What is left must open, and be whole up to its marker, which counts at least what
# was committed.
cat >cuts.py <<'E2'
import random, re, sys, prefix
good = prefix.read('good.nc'); random.seed(7); P = 4096
ops, at, name = [], {}, None
def data(s): return bytes.fromhex(s.replace('\\x', ''))
for line in open('trace', errors='replace'):
    m = re.match(r'\d*\s*(\w+)\((\d+)<([^>]*)>(.*)', line)
    if not m: continue
    call, fd, path, rest = m.groups()
    path = bytes.fromhex(path.replace('\\x', '')).decode()
    mine = path.endswith('.power.nc.part') or path.endswith('/power.nc')
    if call == 'renameat2' and 'RENAME_NOREPLACE' in rest: ops.append(('name',))
    if not mine: continue
    if call == 'lseek': at[fd] = int(rest.rsplit('=', 1)[1])
    elif call in ('pwrite64', 'write'):
        n = int(rest.rsplit('=', 1)[1]); d = data(re.search(r'"((?:\\x[0-9a-f]{2})*)"', rest).group(1))[:n]
        if call == 'write': ops.append(('write', at.get(fd, 0), d)); at[fd] = at.get(fd, 0) + n
        else: ops.append(('write', int(re.search(r', (\d+)\)\s+=', rest).group(1)), d))
    elif call == 'ftruncate': ops.append(('size', int(rest.split(',')[1].split(')')[0])))
    elif call == 'fsync': ops.append(('sync',))
assert sum(o[0] == 'sync' for o in ops) > 8 and ('name',) in ops, len(ops)
def cut(k):
    now, disk, named = bytearray(), bytearray(), False
    for o in ops[:k]:
        if o[0] == 'write':
            end = o[1] + len(o[2])
            if end > len(now): now.extend(bytes(end - len(now)))
            now[o[1]:end] = o[2]
        elif o[0] == 'size':
            del now[o[1]:]; now.extend(bytes(o[1] - len(now)))
        elif o[0] == 'sync': disk = bytearray(now)
        else: named = True
    size = random.choice((len(disk), len(now))) if len(now) > len(disk) else len(now)
    left = bytearray(disk[:size]); left.extend(bytes(size - len(left)))
    for p in range(0, size, P):
        if random.random() < 0.5: left[p:p + P] = now[p:min(p + P, size)].ljust(len(left[p:p + P]), b'\0')
    if not named: return None, 0
    return left, int.from_bytes(disk[mark:mark + 8], 'big')
mark = prefix.marker('good.nc'); bad = 0; some = 0
for _ in range(int(sys.argv[1])):
    left, safe = cut(random.randrange(len(ops)))
    if left is None: continue
    open('left.nc', 'wb').write(left)
    try:
        w = prefix.check(good, 'left.nc'); some += 1
        if w < safe: bad += 1; print('committed', safe, 'left', w)
    except Exception as e: bad += 1; print('BAD', repr(e))
print('some' if some > int(sys.argv[1]) / 3 else some, 'bad', bad)
E2
cuts=100
nightly && cuts=1000
if strace -o /dev/null true 2>/dev/null; then
	# Small pieces, so that there are many commits.
	dd if=events.pcapng bs=60000 2>/dev/null |
	    strace -f -y -xx -s 2000000 -e trace=pwrite64,write,lseek,ftruncate,fsync,renameat2 -o trace \
		raw2nc --quiet --every=1ms -o power.nc -
	is "$($py cuts.py $cuts 2>&1)" "some bad 0" "$cuts power cuts: every file opens, and what was committed is there"
else
	skip "strace may not trace here"
fi

# ---- readers while it writes ----

mkfifo pipe
raw2nc --quiet --every=10ms -o live.nc <pipe 2>live.err &
writer=$!
tap_pids="$tap_pids $writer"
exec 3>pipe
head -c $((size / 3)) events.pcapng >&3
until_true 10 test -e live.nc; tap $? "a live file has its name at once"
some() { [ "$(ncdump -v frames_written live.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')" -gt 50 ]; }
until_true 10 some
tap $? "and readers see its records"
a=$(prefix live.nc)
until_true 5 sh -c "$py prefix.py good.nc live.nc"; tap $? "all that they see is right ($a)"
exits 4 "a second writer is refused" -- raw2nc -o live.nc events.pcapng
exits 4 "even one that may overwrite" -- raw2nc --overwrite -o live.nc events.pcapng
tail -c +$((size / 3 + 1)) events.pcapng >&3
exec 3>&-
finish $writer
is "$status $(prefix live.nc)" "0 600" "and in the end all of them"

# Records that come slowly, without the heartbeats that udp2raw gives: each is safe in time.
cat >slow.py <<'E2'
import os, struct, subprocess, sys, time, prefix
d = open('events.pcapng', 'rb').read(); at = 0; n = 0
p = subprocess.Popen(['raw2nc', '--quiet', '--every=100ms', '-o', 'slow.nc'], stdin=subprocess.PIPE, bufsize=0)
def block():
    global at
    size = struct.unpack_from('<I', d, at + 4)[0]; p.stdin.write(d[at:at + size]); at += size
for _ in range(2): block()
while n < 60 and not (os.path.exists('slow.nc') and prefix.check(prefix.read('good.nc'), 'slow.nc')):
    block(); n += 1; time.sleep(0.05)
p.kill(); p.wait()
print('safe' if n < 60 else n)
E2
is "$($py slow.py)" safe "slow records without heartbeats are committed in time"

# ---- a file that is taken away, or moved, while it grows; signals ----

grow() { # grow NAME OPTION...: NAME.nc is there, and more can come
	name=$1; shift
	raw2nc --quiet "$@" -o "$name.nc" <pipe 2>"$name.err" &
	writer=$!
	tap_pids="$tap_pids $writer"
	exec 3>pipe
	head -c 100000 events.pcapng >&3
	until_true 10 test -e "$name.nc"
}
the_rest() { tail -c +100001 events.pcapng >&3 2>/dev/null; }
end_of() { exec 3>&-; finish $writer; }

grow gone --every=10ms
rm gone.nc
the_rest
until_true 10 sh -c "! kill -0 $writer 2>/dev/null || grep -q removed gone.err"
end_of
is "$status" 3 "a file that is removed while it grows ends it" || diag <gone.err
like gone.err 'gone.nc: was removed while it was written' "in words"

grow here
mv here.nc there.nc
the_rest
end_of
is "$status $(prefix there.nc)" "0 600" "one that is moved is whole where it is" || diag <here.err
like here.err 'here.nc: was moved while it was written, to .*/there.nc' "and that is said"

grow int
kill -INT $writer
the_rest
end_of
is "$status $(prefix int.nc)" "0 600" "Ctrl-C on the pipeline: it drains, nothing is lost" || diag <int.err

grow term
kill -TERM $writer
end_of
is "$status" 1 "SIGTERM and the end of a stream without its mark: exit 1" || diag <term.err
n=$(prefix term.nc)
[ "$n" -gt 15 ]; tap $? "and what came is safe: $n"
done_testing
