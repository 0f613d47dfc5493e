# dirsync.t - every complete file comes across, whole; growing, locked and foreign ones do not
# san: yes
. "${0%/*}/lib.sh"
need /usr/bin/python3
once() { dirsync --once --still=0.05 "$@"; }
parts() { find "$1" -name '*.part' | wc -l; }
# on NAME ARGUMENTS...: dirsync in the background, ended by off
on() { on_name=$1; shift; dirsync "$@" >"$on_name.out" 2>"$on_name.err" & pid=$!; tap_pids="$tap_pids $pid"; }
off() { finish "$pid" TERM; is "$status" 0 "$1"; }
there() { cmp -s "$1" "$2"; }

mkdir src dst
exits 2 "no folders" -- dirsync
exits 2 "one folder" -- dirsync src
exits 3 "no such source" -- dirsync --once nowhere dst
exits 3 "no such target" -- dirsync --once src nowhere
like err 'nowhere: no such folder: make it first' "and what to do"
exits 2 "the target inside the source" -- dirsync --once . dst
exits 2 "the source itself" -- dirsync --once src src
exits 2 "an unknown letter in --into" -- dirsync --once --into=%Q src dst
exits 2 "--into that leaves the target" -- dirsync --once --into=../%Y src dst
exits 2 "an unknown --date" -- dirsync --once --date=maybe src dst

# ---- a tree ----
mkdir -p src/20050621/deep/er src/empty
for i in 1 2 3 4 5; do head -c $((i * 100003)) /dev/urandom >"src/20050621/raw_050621_048$i.bin"; done
echo small >src/20050621/deep/er/x; : >src/nothing; printf 'odd\n' >"src/$(printf 'a\nb\033c')"
touch -d '2005-06-21T08:09:10.123456789Z' src/20050621/raw_050621_0481.bin
ln -s /etc src/outside; ln -s 20050621/raw_050621_0481.bin src/link; mkfifo src/fifo; ln -s . src/loop
ok "a tree" -- once --status=st.json src dst
mkdir want; cp -rp src/. want/; rm -r want/outside want/link want/fifo want/loop want/empty
ok "is there, and nothing else" -- diff -r want dst
is "$(stat -c %y dst/20050621/raw_050621_0481.bin)" "2005-06-21 08:09:10.123456789 +0000" "with its time"
is "$(field in st.json) $(field out st.json) $(field held st.json)" "8 8 0" "eight files counted"
is "$(parts dst)" 0 "no temporary names"
before=$(find dst -type f -printf '%i %p\n' | sort)
ok "once more" -- once src dst
like err '0 files in, 0 out, 0 lost; already there 8, left out 4' "nothing is copied twice"
is "$(find dst -type f -printf '%i %p\n' | sort)" "$before" "or touched"
rm dst/nothing; echo damaged >dst/20050621/raw_050621_0482.bin
ok "what is missing or differs" -- once src dst
ok "comes again" -- diff -r want dst
rm -r src/20050621/deep
ok "what the source has lost" -- once src dst
[ -e dst/20050621/deep/er/x ]; tap $? "stays"

# ---- no link leads out ----
mkdir -p jail/sub cell; echo secret >outside; echo inside >jail/sub/f; ln -s ../.. jail/up; ln -s "$tmp/outside" jail/abs
/usr/bin/python3 - <<'E2'
import ctypes, os, subprocess
libc = ctypes.CDLL(None)
os.mkdir("away")
open("away/f", "w").write("secret\n")
os.symlink(os.path.abspath("away"), "jail/other")
for k in range(15):
    p = subprocess.Popen("dirsync --once --still=0 --every=1ms --quiet jail cell".split(), stderr=subprocess.DEVNULL)
    while p.poll() is None:  # the folder and a link to a folder outside change places all the time
        libc.renameat2(-100, b"jail/sub", -100, b"jail/other", 2)
    for f in ("cell/sub/f", "cell/other/f"):
        if os.path.exists(f):
            assert open(f).read() == "inside\n", f
            os.unlink(f)
E2
tap $? "a folder that turns into a link outwards, at any moment"
[ "$(grep -rl secret cell)" = "" ]; tap $? "nothing from outside is in the target"

# ---- locks and growth ----
mkdir l l2; echo whole >l/0480; : >l/0480.lck; echo free >l/0481
ok "a locked file" -- once l l2
is "$(ls l2)" 0481 "waits, and a lock is no file"
like err '1 files are not complete yet' "and that is said"
rm l/0480.lck; ok "then" -- once l l2; same l2/0480 l/0480 "it comes"
mkdir m m2; echo a >m/f; : >m/f.busy; : >m/g.lck
ok "another suffix" -- once --lock-suffix=.busy m m2
is "$(ls m2)" g.lck "holds"
mkdir g g2
on growing --every=0.05 --still=4 g g2
early=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	echo "line $i" >>g/f; command sleep 0.05
	[ ! -e g2/f ] || early=1
done
is $early 0 "a growing file has no name yet"
until_true 30 there g/f g2/f; tap $? "and comes when it is still"
off "SIGTERM ends it"
mkdir w w2
on follow --follow --poll --every=0.05 --still=1 w w2
bad=0
for i in $(seq 20); do
	echo "line $i" >>w/f; command sleep 0.02
	[ ! -e w2/f ] || head -c "$(stat -c %s w2/f)" w/f | cmp -s - w2/f || bad=1
done
until_true 30 test -e w2/f; tap $? "--follow: a growing file is there"
is $bad 0 "always as a part of the source"
until_true 30 sh -c '[ "$(stat -c %s.%y w/f)" = "$(stat -c %s.%y w2/f)" ]'; tap $? "and whole in the end, with its time"
same w2/f w/f "byte for byte"
finish "$pid" KILL; echo more >>w/f; cp w/f w/old; head -c 30 w/f >w2/f
on follow --follow --poll --every=0.05 --still=0.2 w w2
until_true 30 there w/f w2/f; tap $? "after a kill it goes on"
off "--follow ends"
head -c 20 /dev/zero >w2/f
ok "--follow: a copy that is no part of the source" -- once --follow w w2
same w2/f w/f "is replaced"

# ---- running: new files, new folders, a source that goes away ----
mkdir r r2; echo 1 >r/a
on inotify --every=1h --still=0.02 r r2
until_true 30 there r/a r2/a; echo 2 >r/b; until_true 30 there r/b r2/b; tap $? "a new file, told by inotify"
mkdir -p r/new/er; echo 3 >r/new/er/c; until_true 30 there r/new/er/c r2/new/er/c; tap $? "in a new folder"
: >r/d.lck; echo 4 >r/d; rm r/d.lck; until_true 30 there r/d r2/d; tap $? "a lock that goes"
echo again >r/a; until_true 30 there r/a r2/a; tap $? "a file that is written again"
off "SIGTERM"
on polled --poll --every=0.05 --still=0.02 r r2
echo 5 >r/e; until_true 30 there r/e r2/e; tap $? "a new file, found by polling"
mv r r.away; until_true 30 grep -q 'waiting until' polled.err; tap $? "the source is away: one line"
mkdir r; command sleep 0.2; rmdir r; mv r.away r; echo 6 >r/g
until_true 60 there r/g r2/g; tap $? "and when it is there again it goes on"
[ -e r2/a ]; tap $? "nothing was removed"
off "SIGTERM ends it too"

# ---- versions ----
mkdir v v2; head -c 5000 /dev/urandom >v/f; ok "a version" -- once v v2
head -c 100 /dev/urandom >>v/f; ok "a longer one" -- once v v2; same v2/f v/f "takes its place"
cp v/f long; head -c 50 /dev/urandom >v/f
exits 5 "a shorter one" -- once v v2
same v2/f long "does not"; like err 'f: is shorter than its copy' "and that is said"
on shorter --poll --every=0.02 --still=0.02 --max-loss=1 v v2
for i in 1 2 3; do echo $i >v/$i; until_true 30 there v/$i v2/$i; done; tap $? "running, other files come"
is "$(grep -c 'is shorter' shorter.err)" 1 "it is said once, not in each pass"
cp long v/f; echo more >>v/f; until_true 30 there v/f v2/f; tap $? "it comes when it has grown"
off "and is counted once"
head -c 50 /dev/urandom >v/f
on removed --poll --every=0.02 --still=0.02 --max-loss=1 v v2
until_true 30 grep -q 'is shorter' removed.err; rm v2/f
until_true 30 there v/f v2/f; tap $? "or when the copy is removed"
off "which is a loss still"

# ---- folders by day ----
mkdir d d2 d3; echo x >d/f; touch -d 2005-06-20T23:59:59.9Z d/f; echo y >d/g; touch -d 2005-06-21T00:00:00Z d/g
ok "--into" -- once --into=%Y%m%d d d2
is "$(cd d2 && find . -type f | sort | tr '\n' ' ')" "./20050620/f ./20050621/g " "by the file's time, UT"
rm d/*; echo z >d/raw_050621_1439.bin; echo n >d/notes
ok "--date=raw" -- once --into=%Y/%m%d --date=raw d d3
is "$(cd d3 && find . -type f)" "./2005/0621/raw_050621_1439.bin" "by the name of a raw file: the last minute of a day stays in it"

# ---- two at once, Ctrl-C ----
mkdir t2; once src t2 >a.out 2>&1 & a=$!; once src t2 >b.out 2>&1; wait $a
diff -r want t2 >d.out; is "$(grep -cv '^Only in want' d.out)" 0 "two at once do not disturb each other" || diag <d.out
is "$(parts t2)" 0 "and leave nothing behind"
mkdir c c2; echo x >c/f
/usr/bin/python3 - <<'E2'
import os, signal, subprocess, time
p = subprocess.Popen("dirsync --once --poll --still=30m --status=c.json c c2".split(), stderr=subprocess.DEVNULL)
end = time.monotonic() + 30
while not (os.path.exists("c.json") and '"held":1' in open("c.json").read()):
    assert time.monotonic() < end
    time.sleep(0.02)
p.send_signal(signal.SIGINT)
assert p.wait(20) == 130, p.returncode
E2
tap $? "Ctrl-C while --once waits: 130"
if [ "$(id -u)" -ne 0 ]; then
	mkdir p p2; echo x >p/f; chmod 0 p/f; exits 3 "a file that may not be read" -- once p p2
else skip "a file that may not be read: root may"; fi
done_testing
