# dirsync-faults.t - network mounts that lie, full disks, kill -9 at any moment, 100,000 files
. "${0%/*}/lib.sh"
need /usr/bin/python3 strace
once() { dirsync --once --still=0.05 --quiet "$@"; }
mkdir -p src/day
for i in 1 2 3 4; do head -c $((i * 300007)) /dev/urandom >"src/day/f$i"; done
head -c 3000000 /dev/urandom >src/big

# ---- stale and half-visible files ----
nfs() { # nfs HOW TIMES WORDS
	rm -rf dst mark; mkdir dst
	ok "$3" -- env LD_PRELOAD="$FYKE_BUILD/t/shim-nfs.so" NFS_HOW="$1" NFS_TIMES="$2" NFS_MARK="$tmp/mark" \
	    dirsync --once --still=0.05 --poll src dst
	cp err said
	[ "$1" = hand ] || { [ -e mark ]; tap $? "... which happened"; }
	ok "... and all is whole" -- diff -r src dst
}
nfs stale 3 "stale file handles"
like said 'is tried again|waiting until' "... are tried again, and said"
nfs size 2 "sizes that are yet too small"
nfs short 2 "files that end early"
nfs zeros 2 "contents that are not there yet"
nfs hand 0 "no copying inside the kernel"
rm -rf dst; mkdir dst
exits 3 "contents that never are what they were" -- env LD_PRELOAD="$FYKE_BUILD/t/shim-nfs.so" NFS_HOW=noise \
    dirsync --once --still=0 src dst
is "$(find dst -type f | wc -l)" 0 "leave nothing, not even a temporary file"

# ---- every write, sync and name fails in turn ----
cat >faults.py <<'E2'
"""Each call of a kind fails, once and from then on: the exit status tells, and what has a name is whole."""
import filecmp, os, shutil, subprocess, sys
build, how, kinds = os.environ["FYKE_BUILD"], sys.argv[1], sys.argv[2:]
shutil.rmtree("few", True)
os.makedirs("few/day")
for i in range(3):
    open("few/day/f%d" % i, "wb").write(os.urandom(100000))
for kind in kinds:
    for sticky in (False, True):
        for at in range(1, 100):
            for d in ("fd", "mark"):
                shutil.rmtree(d, True) if d == "fd" else os.path.exists(d) and os.unlink(d)
            os.mkdir("fd")
            env = dict(os.environ, FAIL_CALL=kind, FAIL_AT=str(at), FAIL_HOW=how, FAIL_MARK="mark", NFS_HOW="hand",
                       LD_PRELOAD=build + "/t/shim-fail.so " + build + "/t/shim-nfs.so")
            if sticky:
                env["FAIL_STICKY"] = "1"
            p = subprocess.run("dirsync --once --still=0 --quiet few fd".split(), env=env, capture_output=True, text=True)
            words = (kind, how, at, sticky, p.returncode, p.stderr)
            there = [n for n in os.listdir("fd/day") if n[0] != "."] if os.path.isdir("fd/day") else []
            for n in there:
                assert filecmp.cmp("few/day/" + n, "fd/day/" + n, False), (n, words)
            assert p.returncode == (0 if len(there) == 3 else -9 if how == "KILL" else 3) or \
                (how == "KILL" and p.returncode == -9) or (p.returncode == 3 and p.stderr), words
            if not os.path.exists("mark"):
                break
            p = subprocess.run("dirsync --once --still=0 --quiet few fd".split(), capture_output=True, text=True)
            d = subprocess.run("diff -r few fd".split(), capture_output=True, text=True)
            assert p.returncode == 0 and d.returncode == 0, (words, p.stderr, d.stdout)
        assert at > 2, kind
E2
for how in ENOSPC EIO KILL; do
	kinds="write sync"; [ $how = ENOSPC ] || kinds="write sync name"
	# shellcheck disable=SC2086 # a list of words
	ok "every call fails with $how in turn, and the next run repairs it" -- /usr/bin/python3 faults.py $how $kinds
done

# ---- kill -9 ----
cat >kills.py <<'E2'
import filecmp, os, random, shutil, subprocess, sys, time
times, seed = int(sys.argv[1]), 7
chance = random.Random(seed)
run = lambda: subprocess.Popen("dirsync --once --still=0 --quiet src kd".split(), stderr=subprocess.PIPE, text=True)
t = time.monotonic()
os.mkdir("kd")
assert run().wait() == 0
whole = time.monotonic() - t
killed = 0
names = [os.path.relpath(os.path.join(d, f), "src") for d, _, fs in os.walk("src") for f in fs]
for k in range(times):
    if k % 5 == 0:
        shutil.rmtree("kd")
        os.mkdir("kd")
    else:  # some are gone, or of an older version
        for n in chance.sample(names, 2):
            if os.path.exists("kd/" + n) and chance.random() < 0.5:
                os.unlink("kd/" + n)
        n = chance.choice(names)
        if os.path.exists("kd/" + n):
            with open("src/" + n, "ab") as f:
                f.write(os.urandom(100))
    old = {n: open("kd/" + n, "rb").read() for n in names if os.path.exists("kd/" + n)}
    p = run()
    time.sleep(chance.random() * 1.2 * whole)
    p.kill()
    p.communicate()
    killed += p.returncode == -9
    for n in names:
        if os.path.exists("kd/" + n):
            got = open("kd/" + n, "rb").read()
            assert got == open("src/" + n, "rb").read() or got == old.get(n), (k, n)
    if chance.random() < 0.3 or k == times - 1:
        p = run()
        assert p.wait() == 0, (k, p.stderr.read())
        d = subprocess.run("diff -r src kd".split(), capture_output=True, text=True)
        assert d.returncode == 0, (k, d.stdout)
assert killed > times // 10, killed
E2
times=20; ! nightly || times=1000
ok "kill -9, $times times: no difference, nothing left over" -- /usr/bin/python3 kills.py $times

# ---- very many files ----
n=4000; ! nightly || n=100000
rm -rf many mdst; mkdir many mdst
(cd many && mkdir a b c d && seq "$n" | awk '{ print substr("abcd", $1 % 4 + 1, 1) "/f" $1 }' | xargs touch -d 2005-06-21)
ok "$n files" -- once --lookback=0 many mdst
calls() { awk -v c="$1" '$NF == c { print $4; f = 1 } END { if (!f) print 0 }' trace; }
ok "once more, traced" -- strace -f -c -o trace dirsync --once --quiet --still=0 many mdst
[ "$(calls newfstatat)" -le $((2 * n + n / 20 + 100)) ] && [ "$(calls openat2)" -le 20 ]
tap $? "costs one look at each on both sides, and opens none" || diag <trace
/usr/bin/python3 - <<'E2'
import os, re, signal, subprocess, time
p = subprocess.Popen(["strace", "-f", "-o", "steady", "-e", "trace=newfstatat,getdents64",
                      "dirsync", "--poll", "--every=50ms", "--still=0", "--lookback=0", "many", "mdst"], stderr=subprocess.DEVNULL)
end = time.monotonic() + 100
passes = 0
while passes < 40:
    assert time.monotonic() < end
    time.sleep(0.1)
    passes = len(re.findall(r"getdents64\(.*= 0$", open("steady").read(), re.M))
child = int(open("steady").read().split()[0])
os.kill(child, signal.SIGTERM)
p.wait(20)
E2
stats=$(grep -c newfstatat steady)
[ "$stats" -le $((2 * n + n / 20 + 200)) ]; tap $? "and then the passes look at none of them again ($stats calls)"
done_testing
