# influxput-spool.t - what is in the spool outlives the server, the program and the disk
. "${0%/*}/lib.sh"
. "$top/t/influx.sh"
need influxd /usr/bin/python3

# A day of four channels and a gas sensor: 86,405 lines.
/usr/bin/python3 - >day <<'END'
t = 1795132800 * 10**9
for i in range(17281):
    for c in range(4):
        print(f"hv,board=0,channel={c} imon={i % 7}.5,vmon=1500.{i % 10},vset=1500.0 {t}")
    print(f"gas,location=hut temperature=295.{i % 100:02d},voc=51234.0 {t}")
    t += 5 * 10**9
END
is "$(wc -l <day)" 86405 "a day has 86,405 lines"

# ---- a day without a server ----
influxd_start
create t
influxd_stop
exits 3 "no server for a day: nothing is stored" -- influxput -u "$url" --db t --spool=spool --give-up=0 day
like err '86405 lines wait in spool' "all of it waits"
like err '86405 lines in, 0 out, 86405 held, 0 lost' "none is lost"
ok "the spool is lines that anybody can read" -- sh -c 'cat spool/0*.lp | cmp - day'
influxd_start "$port"
printf 'late v=1.0 1795219205000000000\n' >late
ok "the server is back" -- influxput -u "$url" --db t --spool=spool late
is "$(ask t 'select count(vmon) from hv')" '[0, 69124]' "every reading of the supply"
is "$(ask t 'select count(voc) from gas')" '[0, 17281]' "and of the sensor"
is "$(ask t 'select voc from gas order by time desc limit 1')" '[1795219200000000000, 51234]' "with its own time"
is "$(ask t 'select count(v) from late')" '[0, 1]' "what came after it too"
is "$(ls spool)" lock "an empty spool is an empty folder"

# ---- restarted in the middle of a stream ----
create r
seq 1 40000 | sed 's/.*/m,a=b v=&.0 &/' >many
mkfifo pipe
influxput -u "$url" --db r --spool=spool2 <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
head -n 10000 many >&3
until_true 10 sh -c "ls spool2/0*.lp" || :
influxd_stop KILL
sed -n 10001,30000p many >&3
until_true 10 grep -q 'lines wait in spool2, trying again' live.err
tap $? "a server that is killed is missed"
influxd_start "$port"
tail -n 10000 many >&3
exec 3>&-
finish "$live"
is "$status" 0 "and found again"
like live.err '40000 lines in, 40000 out, 0 lost' "all are stored"
is "$(ask r 'select count(v) from m')" '[0, 40000]' "says the server"

# ---- in order ----
stub_start '[[503, {}, ""], [204, {}, ""]]'
ok "through a spool" -- influxput -u "$url" --db t --spool=spool3 many
cat >order.py <<'END'
import json
r = [json.loads(l)["lines"] for l in open("stub.log")]
assert r[0] == r[1], "the one that the server did not take comes again before any other"
r = sorted(r[1:], key=lambda lines: int(lines[0].split()[-1]))  # two at once are logged in any order
print(sum(r, []) == open("many").read().splitlines())
END
is "$(/usr/bin/python3 order.py)" True "every line is sent, once, byte for byte"
finish "$stub" TERM

# ---- kill -9 ----
# Whatever stands in the spool when the program is killed is stored in the end, in order, and
# nothing else than the lines that were given. Killed while the server is busy, gone and good.
cat >kills.py <<'END'
import json, os, random, shutil, signal, subprocess, sys, time, glob
url, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
want = open("many").read().splitlines()
os.mkfifo("feed")
hold = os.open("feed", os.O_RDWR)  # the pipe outlives its readers, as systemd's does
feeder = subprocess.Popen(["/usr/bin/python3", "-c", """
import time
lines = open("many").read().splitlines(True)
with open("feed", "w", buffering=1) as f:
    for i in range(0, len(lines), 40):
        f.write("".join(lines[i:i + 40])); f.flush(); time.sleep(0.0002)
"""])
owed, torn = set(), 0
def start(u):
    return subprocess.Popen(["influxput", "--quiet", "-u", u, "--db", "t", "--spool=spool4"],
                            stdin=open("feed"), stderr=open("kill.err", "a"))
for k in range(kills):
    p = start(url if k % 3 else "http://127.0.0.1:1")
    time.sleep(random.uniform(0.01, 0.12))
    p.kill(); p.wait()
    for f in glob.glob("spool4/0*.lp"):  # whole lines in the spool now
        text = open(f).read()
        owed.update(text[:text.rfind("\n") + 1].splitlines())
feeder.wait()
p = start(url)
def tail():
    with open("stub.log", "rb") as f:
        f.seek(max(0, os.path.getsize("stub.log") - 500000))
        return f.read().decode()
deadline = time.time() + 20 + kills
while time.time() < deadline and want[-1] not in tail():
    time.sleep(0.05)
p.send_signal(signal.SIGTERM)
code = p.wait()
seen, order, last = set(), True, -1
for l in open("stub.log"):
    for line in json.loads(l)["lines"]:
        seen.add(line)
lost = [l for l in owed if l not in seen]
strange = seen - set(want)
missing = [l for l in want if l not in seen]
print(len(owed), "were in the spool at some kill,", len(lost), "of them lost,", len(strange), "strange,",
      len(missing), "of", len(want), "never stored; exit", code)
sys.exit(bool(lost or strange) or len(missing) > 3000 * kills or len(owed) < 100 or code not in (0, 1))
END
nightly && kills=1000 || kills=25
if nightly; then seq 1 1000000 | sed 's/.*/m,a=b v=&.0 &/' >many; fi
stub_start
ok "killed $kills times: what was in the spool is stored" -- /usr/bin/python3 kills.py "$url" "$kills" 1
diag <out
finish "$stub" TERM

# ---- a spool that is full, taken, or on a full disk ----
seq 1 40000 | sed 's/.*/m,a=b v=&.0 &/' >many
exits 3 "1 MiB of spool" -- influxput -u http://127.0.0.1:1 --db t --spool=small --spool-max=1M --give-up=0 day
kept=$(cat small/0*.lp | wc -l)
like err "86405 lines in, 0 out, $kept held, $((86405 - kept)) lost \(spool full $((86405 - kept))\)" \
	"the oldest are dropped, to the last one counted"
is "$(cat small/0*.lp | tail -n 1)" "$(tail -n 1 day)" "the newest are kept"
stub_start
printf 'm v=1.0 1\n' >one
exits 0 "a later run sends them" -- influxput -u "$url" --db t --spool=small one
like err "$((kept + 1)) lines in, $((kept + 1)) out" "as many as were kept, and the new one"
influxput -u "$url" --db t --spool=taken <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
until_true 5 test -e taken/lock
exits 4 "a spool that another program has" -- influxput -u "$url" --db t --spool=taken one
like err 'give each its own' "says so"
exec 3>&-
finish "$live"
exits 3 "a folder that is none" -- influxput -u "$url" --db t --spool=one one
[ "$(id -u)" = 0 ] || { mkdir shut; chmod 500 shut
	exits 3 "a folder that may not be written" -- influxput -u "$url" --db t --spool=shut one; }
: >disk.err
LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL=write FAIL_AT=2 FAIL_HOW=ENOSPC \
	influxput -u "$url" --db t --spool=disk many 2>disk.err
is $? 0 "a disk that is full for a moment"
like disk.err 'No space left on device: the input waits' "is said"
like disk.err '40000 lines in, 40000 out, 0 lost' "and loses nothing"
LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL=write FAIL_AT=1 FAIL_HOW=ENOSPC FAIL_STICKY=1 \
	influxput -u "$url" --db t --spool=disk2 <pipe >live.out 2>disk.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
cat one >&3
until_true 10 grep -q 'No space left' disk.err
kill -TERM "$live"
finish "$live"
exec 3>&-
is "$status" 3 "a disk that stays full is no success"
like disk.err '1 lines in, 0 out, 1 lost \(not sent 1\)' "what could not be kept is counted"
finish "$stub" TERM

# ---- damage ----
mkdir hurt
{ cat one; printf '\0\0\0\0\nm v=2.0 2\nhalf a li'; } >hurt/0000000000000007.lp
stub_start
exits 1 "a file that a power cut has hurt" -- influxput -u "$url" --db t --spool=hurt one
like err '5 lines in, 3 out, 2 lost \(cut in spool 2\)' "what is whole is sent, the rest is counted"
finish "$stub" TERM

# ---- the server refuses later ----
stub_start '[[204, {}, ""], [401, {}, "{\"error\":\"token expired\"}"]]'
influxput -u "$url" --db t --spool=later <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
cat one >&3
until_true 5 grep -q 'm v=1.0' stub.log
printf 'm v=2.0 2\n' >&3
until_true 5 grep -q '401 token expired; lines wait in later' live.err
tap $? "a token that has run out does not end a running program with a spool"
exec 3>&-
finish "$live"
is "$status" 4 "but its exit status says it"
is "$(cat later/0*.lp | tail -n 1)" 'm v=2.0 2' "and the line is kept"
finish "$stub" TERM
done_testing
