# writelog.t - a row of housekeeping for each second, whatever the sources, the clock and the disk do
# san: yes
. "${0%/*}/lib.sh"
need /usr/bin/python3
mkdir hdr a b c d e f g h i

# Rows of all files of a folder, and what they hold.
rows() { for tap_file in "$1"/*/*.tsv; do sed 1d "$tap_file"; done; }
column() { # column DIR NAME: its values, one line each
	for tap_file in "$1"/*/*.tsv; do
		awk -F '\t' -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) { split($i, x, "["); if (x[1] == name || x[1] == "#" name) c = i } next }
			{ print $c }' "$tap_file"
	done
}
# Seconds that are missing, doubled or out of order.
holes() {
	column "$1" time | /usr/bin/python3 -c '
import sys, datetime
t = [datetime.datetime.strptime(x.strip(), "%Y-%m-%dT%H:%M:%SZ") for x in sys.stdin]
print(len(t), "rows,", sum(b - a != datetime.timedelta(seconds=1) for a, b in zip(t, t[1:])), "wrong")'
}
full() { column "$1" "$2" | grep -c .; }
telescope() { # telescope NAME FAULT...: sets $at
	tap_tel=$1; shift
	start "$tap_tel" simtel -o hdr --utc=now --serve-rpc=0 --quiet "$@"
	at=$address
}
# Ends the background job $1, and keeps its status.
ends() { wait "$1"; status=$?; }

exits 2 "it wants to know where to" -- writelog
exits 2 "a source is one" -- writelog -o a --source=telescope
like err "rpc:HOST\[:PORT\], rotator\[:unix:PATH\], encoder:serial:DEV or file:PATH" "and says which there are"
exits 2 "an address of the telescope is one" -- writelog -o a --source=rpc:host:0
exits 2 "a rotator is behind a stream" -- writelog -o a --source=rotator:udp:host:1
exits 2 "an encoder's counts are a number" -- writelog -o a --source=encoder:serial:/dev/ttyS0,counts=0
exits 2 "--until is a time" -- writelog -o a --until=8
exits 3 "a folder that is not there" -- writelog -o nowhere -n 1
like err 'nowhere: No such file or directory' "is named"

# ---- what takes time runs beside ----
telescope tel; tel=$pid; good=$at
/usr/bin/python3 "$top/t/rotator.py" rot.sock 2>rot.err & tap_pids="$tap_pids $!"
until_true 10 grep -q ready rot.err
echo "obsnumber 12" >obs
writelog -o a --source="$good" --source=rotator:unix:rot.sock --source=file:obs -n 3 --status=a.st 2>a.err &
all=$!
# An encoder interface: each position is asked for by a byte 01; count 972 is 10.679 degrees. (simrot
# is another, with a motor.)
/usr/bin/python3 -c '
import os, sys, tty
m, s = os.openpty()
tty.setraw(s)
print("ready", os.ttyname(s), file=sys.stderr, flush=True)
while True:
    os.write(m, b"\xcc\x03\x00\xff" if os.read(m, 1) == b"\x01" else b"4")' 2>enc.err & tap_pids="$tap_pids $!"
until_true 10 grep -q ready enc.err
mkdir j
writelog -o j --source="encoder:serial:$(cut -d ' ' -f 2 enc.err)" -n 2 2>j.err & encoder=$!
# A telescope that goes silent, and comes back; a clock that rows are measured by.
telescope flaky --rpc-fault=silent@3-5
writelog -o b --source="$at" -n 11 2>b.err &
flaky=$!
# Everything that may be wrong with an answer, at once.
set --
for fault in silent half hangup garbage mark deny short long noise slow; do
	telescope "$fault" --rpc-fault="$fault"
	set -- "$@" --source="$at"
done
writelog -o c "$@" --source=rotator:unix:nowhere.sock --source=file:nowhere --source=file:odd -n 5 2>c.err &
wrong=$!
echo "obsnumber twelve" >odd
# One whose record stands still.
telescope frozen --rpc-fault=frozen
mkdir k
writelog -o k --source="$at" --skew=2s -n 7 2>k.err & frozen=$!
# A telescope whose time is another, found by its portmapper.
start past simtel -o hdr --speed=1 --serve-rpc=0 --portmapper=0 --quiet
mapper=$(sed -n 's/.*ready portmapper:.*:\([0-9]*\)$/\1/p' past.err)
writelog -o f --source="rpc:127.0.0.1,portmapper=$mapper" -n 4 2>f.err & old=$!
writelog -o g --source="rpc:127.0.0.1,portmapper=$mapper,udp" --skew=0 -n 2 2>g.err & anytime=$!
# Two more that are stopped and started again.
writelog -o d --source="$good,udp" --source=file:obs 2>d.err & stopped=$!
tap_pids="$tap_pids $stopped"
writelog -o e --source="$good" 2>e.err & killed=$!
tap_pids="$tap_pids $killed"

# ---- stopped, killed ----
until_true 20 sh -c '[ "$(cat d/*/*.tsv | wc -l)" -ge 3 ]'
kill -STOP "$stopped"
exits 4 "a second writer of a folder is refused" -- writelog -o d -n 1
like err 'd: another writelog writes there' "and told"
until_true 20 sh -c '[ "$(cat e/*/*.tsv | wc -l)" -ge 3 ]'
kill -KILL "$killed"; wait "$killed" 2>/dev/null
printf '2026-01-01T00:00:0' >>"$(ls e/*/*.tsv | tail -n 1)"
# Meanwhile: the disk.
exits 3 "a disk that is full" -- sh -c "ulimit -f 1; exec writelog -o h -n 2"
like err 'h/.*/enc_.*\.tsv: File too large' "and says so"
is "$(cat h/*/*.tsv | wc -c)" 0 "no half row stays"
mkdir l
for min in -1 0 1; do
	odd=$(date -u -d "$min min" '+%Y%m%d/enc_%y%m%d_')$(date -u -d "$min min" '+%H %M' | awk '{ printf "%04d", 60 * $1 + $2 }')
	mkdir -p "l/${odd%/*}"; echo "#time	rain" >"l/$odd.tsv"
done
exits 4 "a minute file with other columns" -- writelog -o l -n 1
like err 'has other columns than these: move it away' "is no failure that a new start mends"
ok "little space" -- writelog -o i -n 2 --min-free=100000T
like err 'i: only [0-9]* MiB are free \(--min-free\)' "is told"
like err 'no --source: the rows hold nothing but their time' "and so are rows without sources"
kill -CONT "$stopped"
ok "it goes on after kill -9" -- writelog -o e --source="$good" -n 6
like err 'cut off half a row of 18 bytes' "says that half a row was cut off"
is "$(holes e | sed 's/^[0-9]* //')" "rows, 0 wrong" "no second is missing, doubled or out of order"
until_true 10 grep -q 'rows came late' d.err
like d.err '[0-9] rows came late' "after a stop of some seconds it says so"
finish "$stopped" TERM; is "$status" 0 "SIGTERM ends it"
is "$(holes d | sed 's/^[0-9]* //')" "rows, 0 wrong" "every second that it stood still has its row"
[ "$(rows d | wc -l)" -ge "$(($(full d lst) + 2))" ]
tap $? "the rows of that time are empty: $(full d lst) of $(rows d | wc -l) have values" || column d lst | diag
is "$(tail -c 1 "$(ls d/*/*.tsv | tail -n 1)" | od -An -c | tr -d ' \n')" '\n' "the last row is whole"

# ---- all sources ----
ends "$all"; is "$status" 0 "three rows with all sources"
is "$(holes a)" "3 rows, 0 wrong" "are three seconds"
head -n 1 "$(ls a/*/*.tsv | head -n 1)" >head.txt
like head.txt '^#time\[UTC\]	obsnumber\[1\]	rotangle\[degree\]	.*	apparent_declination\[degree\]$' "the head of fyke-enc(5)"
is "$(column a rotangle | sort -u) $(column a rot_state | sort -u) $(column a rot_gear_count | sort -u)" "10.68 2 456" "the rotator's angle, state and counts"
is "$(column a obsnumber | sort -u)" 12 "the observation number, from a file"
is "$(column a ut1_minus_utc | sort -u) $(column a tai_minus_utc | sort -u)" "-0.6158 37" "UT1-UTC and TAI-UTC of the telescope"
is "$(full a source_name) $(full a tau) $(full a temperature) $(full a lst) $(full a azimuth_fixed_offset)" "3 3 3 3 3" "its source, weather, LST and offsets in each row"
is "$(column a rot_time | grep -c '^[0-9]*\.[0-9][0-9][0-9]$')" 3 "the rotator's own time, to the millisecond"
like a.st '"state":"done","unit":"rows","in":3,"out":3' "--status tells the rows"

ends "$encoder"; is "$status" 0 "the encoder by itself"
is "$(column j rot_gear_count | sort -u) $(column j rotangle | sort -u | cut -c 1-6) $(full j rot_state)" "972 10.678 0" "gives count and angle, and no state"

# ---- silence ----
ends "$flaky"; is "$status" 0 "a telescope that is silent for a while"
is "$(holes b)" "11 rows, 0 wrong" "makes no hole in the rows"
is "$(grep -cE '(no answer in time|says nothing); rows go on without it' b.err) $(grep -c 'speaks again; [1-7] rows are without it' b.err)" "1 1" "and is told once when it begins, once when it is over" || diag <b.err
[ "$(full b lst)" -lt 11 ] && [ "$(full b lst)" -ge 5 ]
tap $? "its rows are empty meanwhile: $(full b lst) of 11 have values"
ends "$wrong"; is "$status" 0 "sources with every fault"
is "$(holes c)" "5 rows, 0 wrong" "delay and cost no row"
file=$(ls c/*/*.tsv | tail -n 1)
[ "$(($(stat -c %Y "$file") - $(date -ud "$(column c time | tail -n 1)" +%s)))" -le 1 ]
tap $? "a row is there when its second is over"
is "$(full c lst) $(full c obsnumber)" "0 0" "and no value is invented"
is "$(grep -c 'rows go on without it' c.err)" 13 "each is told once" || diag <c.err
for words in 'no answer in time' 'the telescope closed the connection' 'what came is no RPC reply|the call was' 'a record of 2147483647 bytes' \
    'no program of this number there' 'a record of 400 bytes; the telescope.s has 768' 'a record of 1000 bytes' 'a record whose date makes no sense|more than 10s \(--skew\)' \
    'nowhere.sock: No such file' 'file:nowhere: No such file' "file:odd: obsnumber: 'twelve' is no number"; do
	like c.err "$words" "with its reason: $words"
done


# ---- the telescope's own time ----
ends "$frozen"
like k.err 'what it says is of .*more than 2s \(--skew\) from this machine.s time; it stands still' "a record that stands still is found"
[ "$(full k lst)" -ge 1 ] && [ "$(full k lst)" -le 4 ]
tap $? "and taken no longer: $(full k lst) of 7 rows have values"
ends "$anytime"; is "$status" 0 "with --skew=0 any time will do"
is "$(column g tai_minus_utc | sort -u)" 32 "by UDP, found by the portmapper"
ends "$old"
like f.err 'what it says is of 2005-06-21T08:0.*more than 10s \(--skew\)' "a record of another year is not taken"
is "$(full f lst)" 0 "for one of now"
finish "$tel" TERM
done_testing
