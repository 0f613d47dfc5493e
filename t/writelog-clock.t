# writelog-clock.t - rows when the clock is set, at a leap second, and when the disk fails
. "${0%/*}/lib.sh"
[ -e "$FYKE_BUILD/t/shim-clock.so" ] || skip_all "no preloading here"
mkdir leap set
rows() { sed -s 1d "$@" | cut -f 1; }
clock() { echo "$1" >clock.new && mv clock.new clock; }
# Preloads a clock that is set by the file clock, and a kernel with an announced leap second ($1 is 1).
on_clock() {
	state=$1; shift
	exec env LD_PRELOAD="$FYKE_BUILD/t/shim-clock.so $FYKE_BUILD/t/shim-adjtimex.so" SHIM_CLOCK="$tmp/$set_by" ADJ_STATE="$state" "$@"
}
many() { [ "$(cat set/*/*.tsv | wc -l)" -ge "$1" ]; }

# The end of 2016 had 61 seconds.
echo "obsnumber 7" >obs
echo $(($(date -ud 2016-12-31T23:59:57Z +%s) - $(date +%s))) >leaping
(set_by=leaping; on_clock 1 writelog -o leap --source=file:obs -n 6 2>leap.err) & leaping=$!

# A disk that fails while it is written to: by call, number, kind.
fails() { # fails DIR CALL AT HOW
	mkdir "$1"
	exec env LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL="$2" FAIL_AT="$3" FAIL_HOW="$4" writelog -o "$1" --source=file:obs --min-free=0 -n 3 2>"$1.err"
}
(fails nospace write 3 ENOSPC) & nospace=$!
(fails short write 2 SHORT) & short=$!
(fails intr write 2 EINTR) & intr=$!
(fails sync sync 3 EIO) & sync=$!
mkdir gone
writelog -o gone --source=file:obs 2>gone.err & gone=$!
tap_pids="$tap_pids $gone"

# ---- kill -9, again and again, while it catches up ----
# Between two kills the clock goes on by some minutes, so that each run has rows to write at once, from
# the next second on; the moment of the kill is drawn within that burst.
cat >kills.py <<'E2'
import datetime, glob, os, random, subprocess, sys, time
kills, lanes = int(sys.argv[1]), int(sys.argv[2])
rnd = random.Random(20160101)
dirs = ["lane%d" % k for k in range(lanes)]
ahead = dict.fromkeys(dirs, 0)   # s by which a lane's clock is set forward
known = {d: {} for d in dirs}    # its whole rows, by file, as of the last kill
lost = half = early = n = 0

def start(d, *more):
    with open(d + ".clock", "w") as f:
        f.write("%d\n" % ahead[d])
    env = dict(os.environ, LD_PRELOAD=sys.argv[3], SHIM_CLOCK=os.path.abspath(d + ".clock"))
    return subprocess.Popen(["writelog", "-o", d, "--source=file:obs", "--fill=23h", "--quiet", *more], env=env)

def look(d):
    """What was whole must stay as it is, and where it is."""
    global lost
    now = {f: open(f, "rb").read() for f in glob.glob(d + "/2*/*.tsv")}
    lost += sum(not now.get(f, b"").startswith(rows) for f, rows in known[d].items())
    known[d] = {f: rows[:rows.rfind(b"\n") + 1] for f, rows in now.items()}
    return now

def all_end(*more):
    """A run of each lane to its end: the first rows, and the last ones."""
    running = [start(d, *more) for d in dirs]
    if any([p.wait() for p in running]):
        sys.exit("a run failed")

for d in dirs:
    os.mkdir(d)
all_end("-n", "2")
while n < kills:
    running = {}
    for d in dirs[:kills - n]:
        ahead[d] += rnd.randint(20, 500)
        running[d] = start(d)
    burst = int(time.time()) + 1
    for d, after in sorted(((d, rnd.uniform(0, 0.05)) for d in running), key=lambda x: x[1]):
        time.sleep(max(0, burst + after - time.time()))
        running[d].kill()
        running[d].wait()
        n += 1
    for d in running:
        now = look(d)
        last = max(now, default=None)
        rows = known[d][last].splitlines() if last else []
        stamp = datetime.datetime.fromtimestamp(burst + ahead[d] - 1, datetime.timezone.utc)
        early += not (rows and rows[-1].startswith(stamp.strftime("%Y-%m-%dT%H:%M:%SZ").encode()))
        # A kill between two pages of a write leaves half a row; that is too rare to wait for.
        if rows and now[last].endswith(b"\n") and rnd.random() < 0.3:
            with open(last, "ab") as f:
                f.write(rows[-1][:rnd.randint(1, len(rows[-1]) - 1)])
            half += 1
wrong = torn = 0
all_end("-n", "2")
for d in dirs:
    look(d)
    times = []
    for f in sorted(known[d]):
        head, *rows = known[d][f].decode().splitlines()
        torn += head[0] != "#" or sum(r.count("\t") != head.count("\t") for r in rows)
        times += [datetime.datetime.strptime(r.split("\t")[0], "%Y-%m-%dT%H:%M:%SZ") for r in rows]
    wrong += sum(b - a != datetime.timedelta(seconds=1) for a, b in zip(times, times[1:]))
print("%d kills: %d files lost rows, %d torn rows, %d seconds missing or doubled" % (n, lost, torn, wrong))
print("%d came before the last row that was due, %d half rows were left" % (early, half), file=sys.stderr)
E2
kills=3 lanes=1; ! nightly || { kills=1000 lanes=20; }
/usr/bin/python3 kills.py $kills $lanes "$FYKE_BUILD/t/shim-clock.so" >kills.out 2>kills.err & killed=$!
tap_pids="$tap_pids $killed"

# ---- set while it runs ----
clock 0
(set_by=clock; on_clock 0 writelog -o set --source=file:obs 2>set.err) & log=$!
tap_pids="$tap_pids $log"
until_true 10 many 3
first=$(rows set/*/*.tsv | head -n 1)
clock 30
until_true 10 grep -q 'rows came late' set.err
until_true 10 many 33
like set.err '(29|3[0-2]) rows came late' "set forward by 30 s: the seconds between are written, and it is said"
clock 15
until_true 10 grep -q 'set back' set.err
like set.err 'the clock was set back by 1[4-6] s: seconds that have a row already are passed over' "set back is said"
before=$(cat set/*/*.tsv | wc -l)
clock 33
until_true 10 many $((before + 1))
clock 7200
until_true 10 grep -q 'get no rows' set.err
like set.err '7[01][0-9][0-9] seconds from .* on get no rows: they are more than --fill' "more than --fill is a hole, and said"
last=$(cat set/*/*.tsv | wc -l)
until_true 10 many $((last + 2))
kill -TERM "$log"; wait "$log"; is $? 0 "it ends well"
rows set/*/*.tsv >times
sort -uc times; is $? 0 "no second comes twice, none before another"
/usr/bin/python3 - <<'E2' >gaps
import datetime
t = [datetime.datetime.strptime(x.strip(), "%Y-%m-%dT%H:%M:%SZ") for x in open("times") if x[0] == "2"]
print(sum((b - a).seconds != 1 for a, b in zip(t, t[1:])))
E2
is "$(cat gaps)" 1 "there is one hole, the one that was told"
for f in set/*/*.tsv; do
	minute=$(date -ud "$(rows "$f" | head -n 1)" +%y%m%d_%H:%M)
	h=${minute#*_}; h=${h%:*}; m=${minute#*:}
	[ "$(basename "$f")" = "$(printf 'enc_%s_%04d.tsv' "${minute%_*}" $((${h#0} * 60 + ${m#0})))" ] || echo "$f $minute"
done >misplaced
is "$(cat misplaced)" "" "each row stands in the file of its minute"
[ "$(sed -s 1d set/*/*.tsv | cut -f 2 | grep -c 7)" -lt "$(($(wc -l <times) - 25))" ]
tap $? "seconds that were jumped over hold no values"

# ---- the leap second ----
wait "$leaping"; is $? 0 "across the end of 2016"
is "$(rows leap/20161231/enc_161231_1439.tsv | tail -n 2 | tr '\n' ' ')" "2016-12-31T23:59:59Z 2016-12-31T23:59:60Z " "the minute has its second 60"
is "$(rows leap/20170101/enc_170101_0000.tsv | head -n 1)" "2017-01-01T00:00:00Z" "and midnight comes after it"

# ---- the kills ----
wait "$killed"
is "$(cat kills.out)" "$kills kills: 0 files lost rows, 0 torn rows, 0 seconds missing or doubled" "kill -9: no half row, no row lost" || tail -n 20 kills.err | diag

# ---- the disk ----
wait "$nospace"; is $? 3 "a disk that is full while it runs"
like nospace.err 'nospace/.*tsv: No space left on device' "ends it with a sentence"
is "$(rows nospace/*/*.tsv | wc -l) $(tail -c 1 "$(ls nospace/*/*.tsv | tail -n 1)" | od -An -c | tr -d ' \n')" "2 \n" "with what was written whole"
wait "$short"; is "$? $(rows short/*/*.tsv | sort -u | wc -l)" "0 3" "half a write is finished"
wait "$intr"; is "$? $(rows intr/*/*.tsv | sort -u | wc -l)" "0 3" "one that was interrupted is done again"
wait "$sync"; is $? 3 "a file that cannot be synchronised"
like sync.err 'sync/.*: Input/output error' "is told"
until_true 10 sh -c 'ls gone/*/*.tsv'
rm -r gone/2*
until_true 10 sh -c 'ls gone/*/*.tsv'; tap $? "a day's folder that is removed comes again"
until_true 10 grep -q 'was removed; it is begun again' gone.err; tap $? "and that is told"
rm -r gone
wait "$gone"; is $? 3 "a folder that is removed ends it"
like gone.err 'gone/[0-9]*: No such file or directory' "with a sentence"
done_testing
