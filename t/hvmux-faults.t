# hvmux-faults.t - the supply gone, slow, silent, confused, power-cycled, exchanged; hvmux goes on
# san: yes
# shellcheck disable=SC2016 # requests begin with a dollar
. "${0%/*}/hvlib.sh"
. "${0%/*}/lib.sh"
need socat

sim
for i in 0 1 2 3; do printf '[%s]\nvset=10%s\niset=1%s\nrup=2%s\nrdw=3%s\ntrip=4%s\n' $i $i $i $i $i $i; done >load.set
hvset -s "127.0.0.1:$port" --file=load.set >/dev/null 2>&1
name='$BD:00,CMD:MON,PAR:BDNAME'
model='#BD:00,CMD:OK,VAL:R1470ET'
# Long enough for a supply to be found again on a busy machine: else a setting is given up before it is read back.
mux --timeout=500ms --cache=0
answers() { [ "$(ask "$name")" = "$model" ]; }
recovers() { until_true 10 answers; }

# Half a reply, two replies, garbage: asked again on a new connection, or an error; never another's.
for fault in half double garbage drop; do
	tell "$fault 1"
	is "$(ask "$name" | sed 's/CMD:ERR/CMD:OK,VAL:R1470ET/')" "$model" "$fault: an answer or an error, nothing else"
	ok "and then it answers" -- recovers
done
tell "delay 5ms"
tell "double 6"
is "$(timeout 60 /usr/bin/python3 "$top/t/hvload.py" "unix:$tmp/hv.sock" 4 20 errors)" 20 "every reply twice: nothing is mixed"
tell "double 0"
tell "split on"
ok "and then it answers" -- recovers
tell "delay 0"; tell "split off"

# Silence.
tell "silence on"
is "$(ask "$name")" '#BD:00,CMD:ERR' "a silent supply is an error"
like mux.err 'no answer; is another program connected' "that says what it may be"
is "$(ask '$BD:00,CMD:MON,PAR:MUXWHY' | cut -c 1-18)" '#BD:00,CMD:OK,VAL:' "and a client may ask why"
ask '$BD:00,CMD:SET,CH:0,PAR:OFF' >off.out
is "$(cat off.out)" '#BD:00,CMD:ERR' "an OFF that cannot be sent is an error"
tell "silence off"; : >journal
ok "which is sent when the supply is back" -- until_true 40 grep -q 'CH:0,PAR:OFF' journal
ok "and then it answers" -- recovers

# A SET without an answer: read back, never repeated.
: >journal
tell "mute-set 1"
is "$(ask '$BD:00,CMD:SET,CH:1,PAR:VSET,VAL:77')" '#BD:00,CMD:OK' "a SET that worked without an answer is OK"
is "$(sets 'CH:1,PAR:VSET')" 1 "after one SET"
like audit 'VSET 0101.0 -> 77: done: it had no answer, and reads back 0077.0' "the audit says how it is known"
tell "lose-set 1"; : >journal
is "$(ask '$BD:00,CMD:SET,CH:1,PAR:VSET,VAL:78')" '#BD:00,CMD:ERR' "a SET that was lost is an error"
is "$(sets 'CH:1,PAR:VSET')" 1 "and is not repeated"
like audit 'VSET 0077.0 -> 78: not done: it had no answer, and reads back 0077.0' "the audit has it"
tell "lose-set 1"; : >journal
is "$(ask '$BD:00,CMD:SET,CH:2,PAR:ON')" '#BD:00,CMD:ERR' "an ON that was lost is an error"
is "$(sets 'CH:2,PAR:ON')" 1 "and is not repeated"

# Power-cycled.
ask '$BD:00,CMD:SET,CH:2,PAR:ON' >/dev/null
: >journal
tell "cycle 300ms"
ok "after a power cycle it connects again" -- recovers
is "$(sets '')" 0 "and switches nothing on"
is "$(ask '$BD:00,CMD:MON,CH:2,PAR:VSET')" '#BD:00,CMD:OK,VAL:0102.0' "readings go on"

# Gone and back.
kill -STOP "$sim"
is "$(ask '$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:5')" '#BD:00,CMD:ERR' "a supply that hangs is an error"
kill -CONT "$sim"
ok "and then it answers" -- recovers
is "$(ask '$BD:00,CMD:MON,CH:3,PAR:VSET')" '#BD:00,CMD:OK,VAL:0103.0' "what waited too long was never sent"

# Another one in its place.
tell "serial 666"; tell "cycle 100ms"
ok "another supply is noticed" -- until_true 20 grep -q 'another supply answers: R1470ET serial 666' mux.err
: >journal
is "$(ask '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1' '$BD:00,CMD:SET,CH:0,PAR:ON' '$BD:00,CMD:MON,CH:0,PAR:VMON' | sort -u)" \
    '#BD:00,LOC:ERR' "nothing is set or read there"
is "$(ask '$BD:00,CMD:SET,CH:0,PAR:OFF')" '#BD:00,CMD:OK' "but OFF is passed on"
is "$(grep -c CMD:SET journal)" 1 "and only that"
tell "serial 12345"; tell "cycle 100ms"
ok "the right one is taken again" -- until_true 20 sh -c '[ "$(grep -c "serial 12345, 4" mux.err)" -ge 2 ]'
ok "and answers" -- recovers

# A second program disturbs: it gets hvmux's answers.
tell "second disturb"
mkfifo stray.in; exec 6<>stray.in
socat - "tcp:127.0.0.1:$port" <stray.in >stray.out 2>&1 6>&- & stray=$!
tap_pids="$tap_pids $stray"
ok "a second program takes the answers away" -- until_true 10 sh -c \
    "printf '\$BD:00,CMD:MON,PAR:BDNAME\r\n' | socat -t5 - unix:$tmp/hv.sock | grep -q CMD:ERR"
kill $stray; wait $stray 2>/dev/null; exec 6>&-
ok "when it has gone hvmux has the supply again" -- recovers
for e in CMD CH PAR VAL LOC; do
	tell "error $e 1"
	is "$(ask '$BD:00,CMD:MON,CH:0,PAR:VSET')" "#BD:00,$e:ERR" "the supply's $e:ERR comes through"
done

# Random faults under load: nothing is mixed.
unmux
finish "$sim" TERM
sim --fault="delay 2ms" --seed=7
hvset -s "127.0.0.1:$port" --file=load.set >/dev/null 2>&1
mux --timeout=200ms --cache=0
n=60; nightly && n=5000
tell "chaos 0.05"
hvload_n=$(timeout 100 /usr/bin/python3 "$top/t/hvload.py" "unix:$tmp/hv.sock" 8 $n errors)
is "$hvload_n" "$n" "$n requests to a supply that spoils 5 % of its replies: none is mixed up"
unmux
is "$status" 0 "hvmux lives"
finish "$sim" TERM

# Somebody else holds the supply.
sim
mkfifo other.in; exec 5<>other.in
socat - "tcp:127.0.0.1:$port" <other.in >other.out 2>&1 5>&- & other=$!
tap_pids="$tap_pids $other"
printf '%s\r\n' "$name" >&5
until_true 10 test -s other.out
start mux hvmux -d "tcp:127.0.0.1:$port" -l "unix:$tmp/hv.sock" --timeout=300ms; mux=$pid
ok "another program on the supply is suspected" -- until_true 10 grep -q 'is another program connected' mux.err
kill $other; wait $other 2>/dev/null; exec 5>&-
ok "when it is gone hvmux has the supply" -- until_true 20 grep -q 'serial 12345' mux.err
unmux
finish "$sim" TERM

# On a serial line, by a link that is not there yet, unplugged and plugged in again.
start mux hvmux -d "serial:$tmp/ttyHV" -l "unix:$tmp/hv.sock" --timeout=300ms; mux=$pid
exits 3 "off, of a supply that was never there" -- hvset -s "unix:$tmp/hv.sock" -c 1 --off
like err 'OFF is sent as soon as it is back' "says what becomes of it"
rm -f sim.in; mkfifo sim.in; exec 3<>sim.in
: >journal
start sim simhv --pty --journal=journal; sim=$pid
ln -s "$address" ttyHV
ok "which is so when it comes" -- until_true 40 grep -q 'CH:1,PAR:OFF' journal
ok "a serial supply answers" -- recovers
finish "$sim" KILL
ok "unplugged, it is missed" -- until_true 10 sh -c '[ "$(grep -c "trying again" mux.err)" -ge 1 ]'
start sim simhv --pty; sim=$pid
ln -sf "$address" ttyHV
ok "plugged in again under another name, it answers" -- recovers
unmux; finish "$sim" TERM

# Two boards.
start one simhv -l 127.0.0.1:0 --serial=111; one=$pid oneport=${address##*:}
start two simhv -l 127.0.0.1:0 --serial=222 --channels=8 --board=3; two=$pid twoport=${address##*:}
start mux hvmux -d "127.0.0.1:$oneport" -d "tcp:127.0.0.1:$twoport,bd=3" -l "unix:$tmp/hv.sock" --timeout=300ms; mux=$pid
until_true 10 grep -q 'board 1: R1470ET' mux.err
is "$(ask '$BD:00,CMD:MON,PAR:BDSNUM' '$BD:01,CMD:MON,PAR:BDSNUM' '$BD:01,CMD:MON,PAR:BDNCH' '$BD:00,CMD:MON,PAR:MUXBDS' | tr '\n' ' ')" \
    '#BD:00,CMD:OK,VAL:111 #BD:01,CMD:OK,VAL:222 #BD:01,CMD:OK,VAL:8 #BD:00,CMD:OK,VAL:2 ' "boards are numbered as given"
ok "all off is all boards" -- hvset -s "unix:$tmp/hv.sock" --all-off
is "$(grep -c OFF out)" 12 "and all their channels"
kill -STOP "$mux"
hvset -s "unix:$tmp/hv.sock" --all-off >off.out 2>off.err & hv=$!
tap_pids="$tap_pids $hv"
until_true 10 grep -q 'its channels are not known' off.err
kill -CONT "$mux"
finish $hv
is "$status $(grep -c OFF off.out)" "0 12" "although it does not say how many boards there are before board 0 was told"
finish "$one" KILL
ok "one board gone" -- until_true 10 sh -c "[ \"\$(printf '\$BD:00,CMD:MON,PAR:BDNAME\r\n' | socat -t5 - unix:$tmp/hv.sock | tr -d '\r')\" = '#BD:00,CMD:ERR' ]"
is "$(ask '$BD:01,CMD:MON,PAR:BDSNUM')" '#BD:01,CMD:OK,VAL:222' "the other goes on"
is "$(ask '$BD:00,CMD:MON,PAR:BDNCH')" '#BD:00,CMD:OK,VAL:4' "how many channels the one has is still known"
is "$(ask '$BD:02,CMD:MON,PAR:BDSNUM' '$BD:01,CMD:MON,PAR:BDNCH')" '#BD:01,CMD:OK,VAL:8' "a board that is not there is silent"
unmux
start mux hvmux -d "127.0.0.1:$oneport" -d "tcp:127.0.0.1:$twoport,bd=3" -l "unix:$tmp/hv.sock" --timeout=300ms; mux=$pid
until_true 10 grep -q 'board 1: R1470ET' mux.err
exits 3 "all off, one board never seen" -- hvset -s "unix:$tmp/hv.sock" --all-off
like err 'board 0: .*its channels are not known: OFF goes to 0 to 7' "says which"
is "$(sed -n 's/^.*hvset: channel \(.\): .*OFF is sent as soon as it is back/\1/p' err | tr '\n' ' ')" '0 1 2 3 4 5 6 7 ' "and that hvmux has these"
is "$(grep -c OFF out)" 8 "and the other one is off"
exits 2 "a path alone" -- hvset -s "$tmp/hv.sock" --all-off
like err 'is a path: write unix:PATH .* or serial:DEV' "is no address, and is told what it may be"
unmux
finish "$two" TERM
done_testing
