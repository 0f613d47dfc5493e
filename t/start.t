# start.t - start_tel_util brings a night across and stops as a whole; start_merge merges it from the configuration
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need flock /usr/bin/python3
# The scripts before everything; a writelog that only says what it was told stands for the real one.
umask 022 # a configuration that others may write is refused
mkdir stub
PATH=$tmp/stub:$top/scripts:$PATH
LD_PRELOAD=$FYKE_BUILD/t/shim-adjtimex.so ADJ_STATE=0 ADJ_STATUS=0x2001 ADJ_OFFSET=0
export ADJ_STATE ADJ_STATUS ADJ_OFFSET
cat >stub/writelog <<'E2'
#!/bin/sh
echo "$$ $*" >>writelog.calls
trap 'exit 0' TERM
[ ! -e writelog.status ] || exit "$(cat writelog.status)"
while :; do command sleep 0.02; done
E2
printf '#!/bin/sh\nexit 1\n' >stub/chronyc # the kernel's word counts
chmod +x stub/writelog stub/chronyc
mkdir das plog raw hdr enc merged
cat >night.conf <<E2
# a comment
[paths]
das = $tmp/das
antenna = $tmp/plog   ; the mount
rawdir=$tmp/raw
headerdir = $tmp/hdr
encdir = $tmp/enc
merged = $tmp/merged
calspec = $tmp/small.cal

[dirsync]
still = 50ms
every = 100ms
[writelog]
source = rpc:antenna
source = rotator:unix:/run/fyke/rotctl.sock
[merge]
ff = 4
wait = 0
E2
up() { # up [OPTIONS]: start_tel_util in the background, its process in $pid
	: >tel.err
	env --default-signal=INT start_tel_util --config=night.conf "$@" 2>>tel.err &
	pid=$!
	tap_pids="$tap_pids $pid"
}
runs() { grep -q "^start_tel_util: $1 runs" tel.err; }
process() { sed -n "s/^start_tel_util: $1 runs (process \\([0-9]*\\)).*/\\1/p" tel.err | tail -n 1; }
gone() { ! kill -0 "$1" 2>/dev/null; }
export LD_PRELOAD

# ---- the configuration ----
exits 2 "an unknown option" -- start_tel_util --nonsense
exits 0 "--help" -- start_tel_util --help
exits 2 "no configuration" -- start_tel_util --config=nothing.conf
like err 'nothing.conf: cannot be read' "is told"
printf '[paths]\nrawdir = %s\nrawdri = x\n' "$tmp/raw" >bad.conf
exits 2 "a key that nobody knows" -- start_tel_util --config=bad.conf
like err 'bad.conf:3: no such key in \[paths\]: rawdri' "is told with its line"
printf '[paths]\nmerged = %s\n' "$tmp/merged" >bad.conf
exits 2 "nothing to do" -- start_tel_util --config=bad.conf
printf '[paths]\ndas = %s\nrawdir = %s/nowhere\n' "$tmp/das" "$tmp" >bad.conf
exits 3 "a folder that is not there" -- start_tel_util --config=bad.conf
like err "rawdir = $tmp/nowhere: no such folder" "is named"
chmod o+w night.conf; exits 2 "a configuration that everybody may write" -- start_tel_util --config=night.conf; chmod o-w night.conf

# ---- the clock ----
exits 4 "a clock that nobody sets" -- env ADJ_STATE=5 ADJ_STATUS=0x40 start_tel_util --config=night.conf
like err 'not started, because the clock cannot be trusted: mend it, or say --force' "stops it"
exits 4 "start_merge" -- env ADJ_STATE=5 ADJ_STATUS=0x40 start_merge --config=night.conf 20050621
like err 'cannot be trusted' "too"
ADJ_STATE=5 ADJ_STATUS=0x40 up --force
until_true 20 runs writelog; tap $? "--force goes on"
like tel.err 'although the clock cannot be trusted' "and says so"
finish "$pid" TERM
is "$status" 0 "TERM: exit 0"

# ---- a night ----
up
until_true 20 runs dirsync && until_true 20 runs headercopy && until_true 20 runs writelog
tap $? "the three run, and their processes are told"
until_true 20 grep -q . writelog.calls
like writelog.calls " --config=night.conf -o $tmp/enc$" "writelog gets its folder, and its sources by the configuration"
exits 4 "a second one" -- start_tel_util --config=night.conf
like err "runs already for $tmp/raw: process $pid" "is refused, and names the first"
now=$(date -u -d '-20 min' +%Y-%m-%dT%H:%M:00Z)
simdas -o das --utc="$now" --seed=4 -n 3 --quiet
simtel --flat -o plog --utc="$now" --seed=4 -n 4 --quiet
have() { [ "$(find "$1" -type f ! -name '.*' | wc -l)" -eq "$2" ]; }
until_true 20 have raw 3 && until_true 20 have hdr 4
tap $? "raw files and pointing log come across"
is "$(cd das && find . -type f | sort)" "$(cd raw && find . -type f ! -name '.start*' | sort)" "below their days"

# ---- parts that end ----
old=$(process dirsync)
kill -9 "$old"
until_true 20 grep -q 'dirsync ended (exit 137): again in 1 s' tel.err; tap $? "one that dies is told"
restarted() { [ "$(process "$1")" != "$2" ]; }
until_true 20 restarted dirsync "$old"; tap $? "and started again"
parts="$(process dirsync) $(process headercopy) $(process writelog)"
finish "$pid" INT
is "$status" 0 "one signal (Ctrl-C) stops all"
left=
for p in $parts; do gone "$p" || left="$left $p"; done
is "$left" "" "none is left"
is "$(grep -c 'has stopped (exit 0)' tel.err)" 3 "and each has said so"

echo 2 >writelog.status
up
finish "$pid"
is "$status" 2 "one that says that its options are wrong ends all: exit 2"
like tel.err 'writelog cannot run \(exit 2\): stopping all' "and is named"
rm writelog.status

# The lock holds as long as a part runs.
up
until_true 20 runs writelog && until_true 20 runs headercopy && until_true 20 runs dirsync
parts="$(process dirsync) $(process headercopy) $(process writelog)"
keepers=$(ps -o pid= --ppid "$pid")
kill -9 "$pid"
wait "$pid" 2>/dev/null
exits 4 "kill -9 of it: its parts go on, and a second one is refused" -- start_tel_util --config=night.conf
like err "process $pid is gone, but its parts still run" "which is told"
# shellcheck disable=SC2086 # lists
kill -TERM $keepers
all_gone() { for p in $parts; do gone "$p" || return 1; done; }
until_true 20 all_gone; tap $? "and they can be stopped"

# ---- merging ----
exits 2 "no day" -- start_merge --config=night.conf
exits 2 "a day that is none" -- start_merge --config=night.conf 20050631
exits 3 "a day without files" -- start_merge --config=night.conf 20050621
rm -rf raw hdr enc
mkdir raw hdr enc
simdas -o raw --seed=4 -n 12 --quiet
simtel -o hdr --enc=enc --seed=4 -n 13 --quiet
ok "a day that is over is merged at once, from anywhere" -- env -C / start_merge --config="$tmp/night.conf" 20050621 --report="$tmp/rep.json"
[ -s merged/20050621_08.nc ] && [ -s rep.json ]; tap $? "to the configured folder, and merge's own options go through"
merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 491 --wait=0 --quiet
same merged/20050621_08.nc 20050621_08.nc "as merge itself does it"
ok "-nend" -- start_merge --config=night.conf 20050621 -nstart 0480 -nend 0485
like err ' 6 minutes in, 6 out' "is the caller's"

# Tonight: followed until a signal comes.
day=$(date -u +%Y%m%d)
start_merge --config=night.conf "$day" 2>live.err &
pid=$!
tap_pids="$tap_pids $pid"
until_true 20 test -e "merged/.merge_$day.lock"; tap $? "tonight is waited for"
exits 4 "a second start_merge" -- start_merge --config=night.conf "$day"
finish "$pid" TERM
is "$status" 0 "and TERM ends it"
done_testing
