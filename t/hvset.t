# hvset.t - settings are checked, made and read back; channels are switched; everything is said
# san: yes
# shellcheck disable=SC2016 # requests begin with a dollar
. "${0%/*}/hvlib.sh"
. "${0%/*}/lib.sh"
need socat

sim
set_hv() { hvset -s "127.0.0.1:$port" "$@"; }
sent() { grep -c . journal; }

# The command line.
exits 2 "no channel" -- set_hv
exits 2 "settings without a channel" -- set_hv -v 100
exits 2 "on and off" -- set_hv -c 0 --on --off
exits 2 "two servers" -- hvset -p 8000 -s localhost:8000 -c 0
exits 2 "a channel that is none" -- set_hv -c x -v 1
exits 2 "a negative channel" -- set_hv -c -1 -v 1
exits 2 "a negative voltage" -- set_hv -c 0 -v -5
exits 2 "a voltage in hexadecimal" -- set_hv -c 0 -v 0x10
exits 2 "a voltage that is no number" -- set_hv -c 0 -v nan
exits 2 "a board beyond 31" -- set_hv -b 32 -c 0 -v 1
is "$(sent)" 0 "none of these was asked"
exits 3 "nobody at the address" -- hvset -s 127.0.0.1:1 -c 0 -v 1
like err 'channel 0: tcp:127.0.0.1:1: Connection refused.*is hvmux running' "says so, and what may be missing"
exits 2 "all off, and the alarm cleared unseen" -- set_hv --all-off --clear

# As the original, with decimals.
ok "voltage and current of one channel" -- set_hv -c 3 -v 250.5 -i 2.25
like out '^channel 3: VSET 0.0 -> 250.5 V$' "says old and new voltage"
like out '^channel 3: ISET 10.00 -> 2.25 uA$' "and current"
like err 'channel 3: is off: the voltage comes with --on' "and that the channel is off"
is "$(direct '$BD:00,CMD:MON,CH:3,PAR:VSET')" '#BD:00,CMD:OK,VAL:0250.5' "the supply has it"
ok "the same again" -- set_hv -c 3 -v 250.5
like err 'VSET is 250.5 V already: unchanged' "is said to change nothing"
is "$(sets 'CH:3,PAR:VSET')" 1 "and is not sent"
exits 2 "no change at all" -- set_hv -c 3
like err 'no change asked.*VSET 250.5 V, ISET 2.25 uA, OFF' "is said, with the present values"
ok "-p is the port on this machine" -- hvset -p "$port" -c 3 -v 200

# What the board cannot.
: >journal
exits 4 "channel 4 of four" -- set_hv -c 4 -v 100
like err 'channels 0 to 3' "is refused"
exits 4 "channel 4 of four, off" -- set_hv -c 4 --off
exits 4 "channel 9" -- set_hv -c 9 -v 100
exits 4 "more than VMAX" -- set_hv -c 0 -v 8000.1
exits 4 "more than IMAX" -- set_hv -c 0 -i 3000.01
exits 4 "more decimals than the supply has" -- set_hv -c 0 -v 100.55
exits 4 "one bad channel of a list" -- set_hv -c 0,1,4 -v 100
is "$(sets '')" 0 "nothing was set"
ok "zeros are no decimals" -- set_hv -c 0 -v 100.500

# On, off, wait.
direct '$BD:00,CMD:SET,CH:0,PAR:RUP,VAL:500' '$BD:00,CMD:SET,CH:0,PAR:RDW,VAL:500' >/dev/null
ok "on, and wait" -- set_hv -c 0 -v 100 --on --wait
like out '^channel 0: 100.0 V, ON$' "says where the ramp ended"
/usr/bin/python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' \
    hvset -s "127.0.0.1:$port" -c 0 -v 300 --wait >tty.out </dev/null
like tty.out 'channel 0: [0-9.]+ V ON,RUP' "on a terminal the ramp is shown"
ok "on again" -- set_hv -c 0 --on
like err 'is ON already' "is said to change nothing"
is "$(sets 'CH:0,PAR:ON')" 1 "and is not sent"
ok "the original's -off" -- set_hv -c 0 -off
like out '^channel 0: OFF' "switches off"
ok "and -on, and a list" -- set_hv -c 0-2 -v 50 -on
ok "all off" -- set_hv --all-off
is "$(grep -c OFF out)" 4 "are four channels"
ok "all are off" -- until_true 10 sh -c "! hvset -s 127.0.0.1:$port -c 0-3 2>&1 | grep -q ' ON'"
ok "a slow ramp is on" -- set_hv -c 1 -v 4000 --on
exits 3 "a deadline too short for it" -- set_hv -c 1 --wait --deadline=300ms
like err 'still ramping' "is said"
exits 130 "Ctrl-C ends the waiting" -- timeout --preserve-status -s INT 0.7 \
    hvset -s "127.0.0.1:$port" -c 1 --wait
like err 'stopped' "and is said"
ok "and leaves the channel as it is" -- set_hv -c 1 -i 5
like out 'ISET' "it may be changed further"
tell "ignore-off 1 2"
ok "an OFF that is not obeyed" -- set_hv -c 1 --off
is "$(sets 'CH:1,PAR:OFF')" 4 "is repeated until STAT shows it"

# Dry run and files.
: >journal
ok "a dry run" -- set_hv -c 2 -v 77 --on --dry-run
like out 'would change VSET 50.0 -> 77 V' "says what would change"
is "$(sets '')" 0 "and changes nothing"
cat >good.set <<E
; the mesh and the drift
[0.2]
vset = 120
iset = 3.5
rup = 100
pdwn = kill
maxv = 500
power = on
[3]
vset = 60
E
ok "a file of settings" -- set_hv --file=good.set
like out '^channel 2: PDWN RAMP -> KILL$' "sets words"
like out '^channel 2: MAXV 8100 -> 500 V$' "and limits"
is "$(direct '$BD:00,CMD:MON,CH:4,PAR:VSET')" '#BD:00,CMD:OK,VAL:0050.0;4000.0;0120.0;0060.0' "of all its channels"
is "$(grep 'CMD:SET' journal | tail -n 2 | sed 's/.*SET,//' | head -n 1)" "CH:2,PAR:ON" "ON after the settings of its channel"
exits 4 "more than MAXV" -- set_hv -c 2 -v 501
like err 'protection limit MAXV, 500 V' "is refused with the reason"
printf '[2]\nvset = 1\n[x]\nvset = 2\n' >bad.set
exits 2 "a file with a mistake" -- set_hv --file=bad.set
like err 'bad.set:4' "names the line"
printf '[2]\nvolts = 1\n' >bad.set
exits 2 "an unknown key" -- set_hv --file=bad.set
printf '[2]\nvset = 10\n[3]\nvset = 9000\n' >bad.set
: >journal
exits 4 "a file with one value beyond the range" -- set_hv --file=bad.set
is "$(sets '')" 0 "sets nothing at all"

# All off, and wait.
ok "a ramp" -- set_hv -c 0 -v 100 --on --wait
direct '$BD:00,CMD:SET,CH:0,PAR:RDW,VAL:200' >/dev/null
ok "all off, and wait" -- set_hv --all-off --wait
like out '^channel 0: OFF, ramping down$' "says what ramps"
like out '^channel 0: [0-9]\.[0-9] V, OFF$' "and waits until it is down"
is "$(grep -c ' V, OFF$' out)" 4 "all of them"

# A channel that does not obey, the first of them: the others do not wait for it.
ok "all on" -- set_hv -c 0-3 -v 20 --on --wait
tell "ignore-off 0 100"; : >journal
exits 1 "all off, and one does not obey" -- set_hv --all-off
like err 'channel 0: still not off after 10 commands \(STAT ON\): use the front panel' "is said"
is "$(sed -n 's/.*SET,CH:\(.\),PAR:OFF/\1/p' journal | head -n 4 | tr '\n' ' ')" "0 1 2 3 " "the others are told at once"
is "$(grep -cE '^channel [123]: OFF' out)" 3 "and are off"
tell "ignore-off 0 0"
ok "off" -- set_hv -c 0 --off --wait

# Ctrl-C while it switches off.
ok "all on" -- set_hv -c 0-3 -v 20 --on --wait
tell "ignore-off 0 3"; : >journal
env --default-signal=INT hvset -s "127.0.0.1:$port" --all-off >off.out 2>off.err & hv=$!
tap_pids="$tap_pids $hv"
until_true 10 grep -q 'CH:0,PAR:OFF' journal
ok "a second Ctrl-C is told that OFF comes first" -- until_true 10 sh -c "kill -INT $hv; grep -q 'when OFF has been sent and looked at; wait' off.err"
finish $hv
is "$status $(grep -c OFF off.out)" "0 4" "and all are switched off all the same"
ok "in the time that the supply needs" -- awk -F'[T:Z]' '/CH:0,PAR:OFF/ { t = $2 * 3600 + $3 * 60 + $4; if (!n++) first = t }
    END { exit n != 4 || t - first + (t < first) * 86400 < 1.5 }' journal

# Off while the supply says nothing: hvmux has it, and does it when the supply is back.
ok "all on" -- set_hv -c 0-3 -v 20 --on --wait
mux --timeout=300ms
tell "silence on"; : >journal
exits 3 "all off, of a supply that says nothing" -- hvset -s "unix:$tmp/hv.sock" --all-off
is "$(grep -c 'nobody knows whether it is off' err)" 4 "says of each channel, once, that nobody knows"
like err 'OFF is sent as soon as it is back' "and what becomes of it"
is "$(grep -c . err)" 4 "and no more than that"
exits 3 "one channel off" -- hvset -s "unix:$tmp/hv.sock" -c 1 --off
told() { [ "$(sed -n 's/.*SET,CH:\(.\),PAR:OFF/\1/p' journal | sort | uniq -c | awk '$1 > 1' | grep -c .)" = 4 ]; }
ok "hvmux tells each again and again, although it hears nothing" -- until_true 16 told
is "$(grep -c 'OFF: no answer: nobody knows.*use the front panel' mux.err)" 4 "and says of each, once, that it does"
tell "silence off"
ok "when it speaks again all are switched off" -- until_true 40 sh -c \
    '[ "$(sed -n "s/.*channel \(.\) OFF: done.*/\1/p" audit | sort -u | grep -c .)" = 4 ]'
unmux

# Trips, LOCAL, silence.
tell "current 0 20"
direct '$BD:00,CMD:SET,CH:0,PAR:TRIP,VAL:0.1' >/dev/null
exits 1 "a channel that trips while it ramps" -- set_hv -c 0 -i 1 -v 100 --on --wait
like err 'TRIP' "is said"
exits 4 "a tripped channel is not switched on" -- set_hv -c 0 --on
like err 'clear' "before it is cleared"
tell "current 0 0"
ok "--clear clears it" -- set_hv -c 0 --clear --on
tell "local on"
exits 4 "LOCAL" -- set_hv -c 3 -v 61
like err 'LOCAL' "is said"
tell "local off"
for e in CMD CH PAR VAL; do
	tell "error $e 100"
	exits 1 "an error reply, $e:ERR" -- set_hv -c 3 -v 62
	like err "$e:ERR" "is said"
	tell "error $e 0"
done
tell "mute-set 1"; : >journal
ok "a SET without an answer" -- set_hv -c 3 -v 63 --timeout=300ms
is "$(sets 'CH:3,PAR:VSET')" 1 "is read back, not repeated"
tell "lose-set 1"; : >journal
exits 3 "a SET that was lost" -- set_hv -c 3 -v 64 --timeout=300ms
is "$(sets 'CH:3,PAR:VSET')" 1 "is not repeated either"
tell "silence on"
exits 3 "a silent supply" -- set_hv -c 3 -v 64 --timeout=300ms
like err 'no answer' "is said"
offs=$(sets 'CH:2,PAR:OFF')
exits 3 "one channel off, of a silent supply" -- set_hv -c 2 --off --timeout=300ms
like err 'channel 2: asked for OFF 3 times, and nobody knows whether it is off' "is not said to be done"
ok "but is sent all the same" -- test "$(sets 'CH:2,PAR:OFF')" -gt "$offs"
tell "silence off"
ok "all on" -- set_hv -c 0-3 -v 20 --on --clear --wait
tell "silence on"; : >journal
exits 3 "all its channels off" -- set_hv -c 0-3 --off --timeout=150ms
is "$(sed '/PAR:OFF/,$d' journal | grep -c 'PAR:BDNCH')" 1 "the board is asked once before the first OFF"
is "$(sed -n 's/.*SET,CH:\(.\),PAR:OFF/\1/p' journal | sort -u | tr '\n' ' ')" "0 1 2 3 " "and each is sent"
: >journal
hvset -s "127.0.0.1:$port" -c 0,1 --off --timeout=150ms >/dev/null 2>&1 & hv=$!
tap_pids="$tap_pids $hv"
until_true 10 grep -q 'CH:0,PAR:OFF' journal
until_true 20 sh -c "kill -TERM $hv; ! readlink /proc/$hv/exe"
wait $hv
is "$(sed -n 's/.*SET,CH:\(.\),PAR:OFF/\1/p' journal | sort -u | tr '\n' ' ')" "0 1 " "a signal while it connects again drops none"
# begun OPTION...: hvset with these, to be ended when enough was seen
begun() {
	: >journal
	hvset -s "127.0.0.1:$port" "$@" >off.out 2>off.err & hv=$!
	tap_pids="$tap_pids $hv"
}
begun -c 0,1 --off
ok "a silent supply is told OFF within seconds, however long an answer may take" -- until_true 12 grep -q 'CH:1,PAR:OFF' journal
finish $hv KILL
begun --all-off --timeout=300ms
ok "and all channels that a supply may have, when it does not say how many" -- until_true 20 grep -q 'CH:7,PAR:OFF' journal
like off.err 'board 0: .*no answer.*: its channels are not known: OFF goes to 0 to 7' "which is said"
finish $hv KILL
begun --all-off --timeout=300ms
until_true 10 grep -q 'PAR:MUXBDS' journal
until_true 10 sh -c "kill -TERM $hv; grep -q 'CH:0,PAR:OFF' journal"
is "$(sets 'CH:0,PAR:OFF')" 1 "a signal between two questions before OFF keeps none back"
finish $hv KILL
begun -c 0 --off --timeout=1s
until_true 10 grep -q 'CH:0,PAR:STAT' journal
finish $hv TERM
is "$status $(sets 'CH:0,PAR:OFF')" "3 3" "a look that a signal finds has no answer, too"
: >journal
exits 3 "channel 4 and others" -- set_hv -c 0-4 --off --timeout=300ms
is "$(sed -n 's/.*SET,CH:\(.\),PAR:OFF/\1/p' journal | sort -u | tr '\n' ' ')" "0 1 2 3 " "are OFF to the others: 4 may be all of them"
like err 'channel 4: .*not known.*no OFF was sent: use the front panel' "which is said"
printf '[0]\npower = off\n[1]\nvset = 5\n' >mixed.set
: >journal
exits 3 "a file with settings and an OFF" -- set_hv --file=mixed.set --timeout=300ms
is "$(sed -n 's/.*SET,\(CH:.,PAR:[^,]*\).*/\1/p' journal | sort -u)" "CH:0,PAR:OFF" "is the OFF"
# On a supply that speaks again after the first OFFs.
begun -c 0,4 --off --timeout=300ms
until_true 10 grep -q 'CH:0,PAR:OFF' journal
tell "silence off"
finish $hv
is "$status $(sets 'CH:4')" "4 0" "that it speaks again shows that there is no channel 4"
is "$(grep -c OFF off.out)" 1 "and that the other one is off"
tell "silence on"
begun --all-off --timeout=300ms
until_true 10 grep -q 'CH:7,PAR:OFF' journal
tell "silence off"
finish $hv
is "$status $(grep -c OFF off.out)" "0 4" "all are off, and channels that are none are not missed"
ok "a reply in pieces" -- sh -c "echo 'split on' >&3; hvset -s 127.0.0.1:$port -c 3 -v 65"
echo "split off" >&3
ok "a dead reader of its output" -- sh -c "hvset -s 127.0.0.1:$port -c 3 -v 66 | true"
exits 3 "a full disk" -- sh -c "hvset -s 127.0.0.1:$port -c 3 -v 67 >/dev/full"
done_testing
