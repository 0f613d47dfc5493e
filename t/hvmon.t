# hvmon.t - readings of all channels, alarms, gaps where the supply was away
# san: yes
# shellcheck disable=SC2016 # requests begin with a dollar
. "${0%/*}/hvlib.sh"
. "${0%/*}/lib.sh"
need socat

exits 2 "an unknown form" -- hvmon -O xml
exits 2 "an unknown set of names" -- hvmon --names=nobody
exits 2 "a label without a channel" -- hvmon --label=mesh
exits 2 "a time of day that is none" -- hvmon --until=25:00Z
exits 2 "two servers" -- hvmon -p 8000 -s localhost:8000
exits 2 "a command without words" -- hvmon --on-trip=' '
exits 3 "nobody there" -- hvmon -s 127.0.0.1:1 -n 1
like out '^hv_board,board=0 up=0i [0-9]{19}$' "is a gap in the data"
like err 'no readings: .*refused' "and a message"

sim
hv() { hvmon -s "127.0.0.1:$port" "$@"; }
hvset -s "127.0.0.1:$port" -c 2 -v 100 -i 2 >/dev/null 2>&1
direct '$BD:00,CMD:SET,CH:2,PAR:RUP,VAL:500' '$BD:00,CMD:SET,CH:2,PAR:IMRANGE,VAL:LOW' >/dev/null
hvset -s "127.0.0.1:$port" -c 2 --on --wait >/dev/null 2>&1
: >journal
ok "two periods" -- hv -n 2 --every=100ms --max-loss=100 --label=0.2=mesh
is "$(grep -c '^hv,board=0,channel=[0-3]' out)" 8 "have each channel twice"
like out '^hv,board=0,channel=2,name=mesh vmon=100.0,imon=0.100,imrange="LOW",vset=100.0,iset=2.00,stat=1i,state="ON",on=1i,rup=0i,rdw=0i,ovc=0i,ovv=0i,unv=0i,maxv=0i,trip=0i,ovp=0i,ovt=0i,dis=0i,kill=0i,ilk=0i,nocal=0i [0-9]{19}$' \
    "with all values, the range and decimals of the current, and STAT as named bits"
like out '^hv_board,board=0 up=1i,interlock=0i,alarm=0i,alarms=""' "and the board"
is "$(grep -c MON journal)" 17 "asked in seven requests a period, and what stays once"
ok "a table" -- hv -n 1 -O tsv
like out '^# time	measurement	board	channel	name	vmon \[V\]	imon \[uA\]' "has names and units"
like out '^20..-..-..T..:..:..\....Z	hv	0	2	-	100.0	0.100	LOW	100.0	2.00	1	ON	1	0' "and a line for a channel"
ok "JSON" -- hv -n 1 -O json
/usr/bin/python3 -c 'import json,sys
r = [json.loads(l) for l in open("out")]
assert len(r) == 5 and r[3]["fields"]["vmon"] == 100.0 and r[3]["tags"]["channel"] == "2", r' && j=0 || j=1
tap "$j" "is JSON, with numbers as numbers"
ok "the original's names" -- hv -n 1 --names=picosec
like out '^HV,Board=0,Channel=2 IMon=0.100,ISet=2.00,VMon=100.0,VSet=100.0 [0-9]{19}$|^HV,Board=0,Channel=2 VMon=100.0,IMon=0.100,VSet=100.0,ISet=2.00 [0-9]{19}$' \
    "keep its dashboards going"
ok "a reader that leaves" -- sh -c "hvmon -s 127.0.0.1:$port --every=50ms | head -n 3"
exits 3 "a full disk" -- sh -c "hvmon -s 127.0.0.1:$port -n 1 >/dev/full"

# Trips.
cat >alarm.sh <<'E'
#!/bin/sh
echo "$@" >>"$0.log"
E
chmod +x alarm.sh
hvmon -s "127.0.0.1:$port" --every=50ms --label=0.1=drift --on-trip="$tmp/alarm.sh trip" \
    --on-comm="$tmp/alarm.sh comm" --alarm-every=10s --timeout=300ms >mon.out 2>mon.err & mon=$!
tap_pids="$tap_pids $mon"
until_true 10 test -s mon.out
tell "current 1 20"
tell "kill 1"
ok "a channel that is killed runs the command" -- until_true 10 grep -qx 'trip 0 1 drift OFF,KILL' alarm.sh.log
like mon.err 'board 0 channel 1 drift: OFF,KILL' "and is a message"
tell "kill 3"
ok "another channel as well" -- until_true 10 grep -q '^trip 0 3' alarm.sh.log
tell "cycle 400ms"
ok "the supply away runs the other command" -- until_true 10 grep -q '^comm 0 lost' alarm.sh.log
ok "and back again too" -- until_true 10 grep -q '^comm 0 back' alarm.sh.log
like mon.out '^hv_board,board=0 up=0i' "the gap is in the data"
tell "kill 1"
n=$(grep -c . mon.out)
until_true 10 sh -c "[ \$(grep -c . mon.out) -gt $((n + 20)) ]"
is "$(grep -c '^trip 0 1' alarm.sh.log)" 1 "one channel's command is not run again so soon"
tell "interlock on"
ok "the interlock is a message" -- until_true 10 grep -q 'board 0: .*the interlock is active' mon.err
tell "garbage 1"; tell "half 1"; tell "double 1"
n=$(grep -c . mon.out)
ok "spoilt replies do not end it" -- until_true 10 sh -c "[ \$(grep -c . mon.out) -gt $((n + 20)) ]"
kill -TERM $mon; wait $mon
is $? 5 "SIGTERM ends it, and the gaps are told"
is "$(grep -Evc '^(hv|hv_board),[^ ]+ [^ ]+ [0-9]{19}$' mon.out)" 0 "every line it wrote is whole"

# Every error reply is a gap, not an end.
tell "interlock off"
for e in CMD CH PAR VAL LOC; do
	tell "error $e 3"
	hv -n 1 >e.out 2>/dev/null
	grep -q 'up=0i' e.out
	tap $? "$e:ERR is a gap"
	tell "error $e 0"
done
ok "and readings go on" -- hv -n 1

# The clock is set while it runs.
if [ -n "${FYKE_SAN:-}" ]; then
	skip "no preloading with sanitizers"
else
	echo '+0' >offset
	FAKETIME_TIMESTAMP_FILE=$tmp/offset FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 \
		LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) \
		hvmon -s "127.0.0.1:$port" --every=50ms --max-loss=100 -n 20 >clock.out 2>/dev/null & mon=$!
	until_true 5 test -s clock.out
	echo '-3600' >offset
	until_true 5 sh -c '[ $(grep -c hv_board clock.out) -ge 8 ]'
	echo '+3600' >offset
	wait $mon
	is "$? $(grep -c hv_board clock.out)" "0 20" "an hour back, two forward: the period stays"
	is "$(sed 's/.* //; s/.........$//' clock.out | awk '{ print int(($1 + 1800) / 3600) }' | sort -u | grep -c .)" 3 \
	    "each reading has the clock's time"
fi

# Cheap, and of constant size.
n=400; nightly && n=100000
hvmon -s "127.0.0.1:$port" --every=1ms -n $n --max-loss=1000000 --status=mon.json >/dev/null 2>&1 & mon=$!
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' /proc/$mon/status 2>/dev/null; }
until_true 10 test -s mon.json
first=$(rss)
ticks=0
while kill -0 $mon 2>/dev/null; do
	last=$(rss)
	t=$(awk '{ print $14 + $15 }' /proc/$mon/stat 2>/dev/null) && ticks=${t:-$ticks}
	command sleep 0.02
done
wait $mon
is $? 0 "$n readings as fast as they go"
[ -n "${last:-}" ] || last=$first
ok "leave its memory as it was ($first to $last KiB)" -- test "${last:-0}" -le $((first + 512))
# A reading every 5 s may cost 25 ms, 0.5 % of a core.
ok "and cost less than 0.5 % of a core ($ticks ticks)" -- test "$ticks" -lt $((n * 2 + 10))

# By hvmux, several boards.
start two simhv -l 127.0.0.1:0 --serial=222 --channels=8; two=${address##*:} two_pid=$pid
mux -d "tcp:127.0.0.1:$two" --cache=0 --timeout=500ms
until_true 10 grep -q 'serial 222' mux.err
ok "by hvmux" -- hvmon -s "unix:$tmp/hv.sock" -n 1
is "$(grep -c '^hv,board=1,channel=[0-7]' out)" 8 "all boards are read"
finish "$two_pid" KILL
exits 5 "one board away" -- hvmon -s "unix:$tmp/hv.sock" -n 1 --timeout=10s
like out '^hv_board,board=1 up=0i' "is a gap"
is "$(grep -c '^hv,board=0' out)" 4 "and the other one is read"
unmux

# Twelve trips at once, and commands that take long: eight run, the others afterwards.
set --
for i in 0 1 2 3 4 5 6 7; do set -- "$@" --fault="kill $i"; done
start many simhv -l 127.0.0.1:0 --serial=333 --channels=8 "$@"; many=${address##*:} many_pid=$pid
for i in 0 1 2 3; do tell "kill $i"; done
mux -d "tcp:127.0.0.1:$many"
until_true 10 grep -q 'serial 333' mux.err
mkfifo gate; exec 5<>gate
cat >slow.sh <<'E'
#!/bin/sh
echo "$1.$2" >>"$0.log"
[ ! -p gate ] || read -r x <gate
E
chmod +x slow.sh
hvmon -s "unix:$tmp/hv.sock" --every=50ms --on-trip="$tmp/slow.sh" >mon.out 2>mon.err 5>&- & mon=$!
tap_pids="$tap_pids $mon"
ok "more trips at once than commands may run" -- until_true 10 grep -q 'slow.sh 1 7: has to wait, 8 of them run already' mon.err
is "$(grep -c 'has to wait' mon.err)" 4 "those that wait are told, once each"
ok "eight run" -- until_true 10 sh -c '[ "$(grep -c . slow.sh.log)" = 8 ]'
rm gate; exec 5>&-
ok "and then the others" -- until_true 10 sh -c '[ "$(sort -u slow.sh.log | grep -c .)" = 12 ]'
kill -TERM $mon; wait $mon
is "$(grep -c . slow.sh.log)" 12 "each once"
unmux
finish "$many_pid" TERM
done_testing
