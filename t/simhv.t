# simhv.t - the simulated supply speaks as the manual says, ramps, trips, and fails as asked
# san: yes
# shellcheck disable=SC2016 # requests begin with a dollar
. "${0%/*}/hvlib.sh"
. "${0%/*}/lib.sh"
need socat

exits 2 "neither address nor pty" -- simhv
exits 2 "both" -- simhv -l 0 --pty
exits 2 "a fault that is none" -- simhv -l 0 --fault="explode"
exits 2 "too many channels" -- simhv -l 0 --channels=9

sim
ask() { direct "$@"; }
mon() { ask "\$BD:00,CMD:MON,CH:$1,PAR:$2"; }

is "$(ask '$BD:00,CMD:MON,PAR:BDNAME')" '#BD:00,CMD:OK,VAL:R1470ET' "it says what it is"
is "$(ask '$BD:0,CMD:MON,PAR:BDNCH')" '#BD:00,CMD:OK,VAL:4' "with two digits in the reply"
is "$(mon 4 VSET)" '#BD:00,CMD:OK,VAL:0000.0;0000.0;0000.0;0000.0' "channel 4 of four is all of them"
is "$(mon 0 STAT)" '#BD:00,CMD:OK,VAL:00000' "STAT has five digits"
is "$(ask '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:100.5' '$BD:00,CMD:MON,CH:0,PAR:VSET')" \
    "$(printf '#BD:00,CMD:OK\n#BD:00,CMD:OK,VAL:0100.5')" "a value that is set is there"
is "$(ask hello '$BD:00,CMD:MON,CH:9,PAR:VMON' '$BD:00,CMD:MON,CH:0,PAR:FOO' \
    '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:9000' '$BD:00,CMD:SET,CH:0,PAR:VMON,VAL:1' | tr '\n' ' ')" \
    '#BD:00,CMD:ERR #BD:00,CH:ERR #BD:00,PAR:ERR #BD:00,VAL:ERR #BD:00,VAL:ERR ' "each error has its reply"
is "$(ask '$BD:01,CMD:MON,PAR:BDNAME' '$BD:00,CMD:MON,PAR:BDNCH')" '#BD:00,CMD:OK,VAL:4' \
    "a board that is not there is silent"
is "$(ask '$BD:00:CMD:MON,PAR:BDNCH')" '#BD:00,CMD:ERR' "it is strict"

ask '$BD:00,CMD:SET,CH:0,PAR:RUP,VAL:500' '$BD:00,CMD:SET,CH:0,PAR:RDW,VAL:500' \
    '$BD:00,CMD:SET,CH:0,PAR:ON' >/dev/null
ok "it ramps up" -- stat_is 0 00003
ok "and is on" -- until_true 10 stat_is 0 00001
is "$(mon 0 VMON)" '#BD:00,CMD:OK,VAL:0100.5' "at its voltage"
ask '$BD:00,CMD:SET,CH:0,PAR:OFF' >/dev/null
ok "it ramps down" -- stat_is 0 00005
ok "and is off" -- until_true 10 stat_is 0 00000

tell "current 1 20"
ask '$BD:00,CMD:SET,CH:1,PAR:TRIP,VAL:0.2' '$BD:00,CMD:SET,CH:1,PAR:VSET,VAL:50' \
    '$BD:00,CMD:SET,CH:1,PAR:ON' >/dev/null
ok "a current above ISET trips" -- until_true 10 stat_is 1 00128
is "$(ask '$BD:00,CMD:MON,PAR:BDALARM')" '#BD:00,CMD:OK,VAL:00002' "which the board's alarm shows"
ask '$BD:00,CMD:SET,PAR:BDCLR' >/dev/null
ok "until it is cleared" -- stat_is 1 00000

tell "interlock on"
ok "the interlock shows" -- until_true 5 stat_is 2 04096
tell "interlock off"
tell "local on"
is "$(ask '$BD:00,CMD:SET,CH:0,PAR:ON')" '#BD:00,LOC:ERR' "LOCAL refuses a SET"
tell "local off"
tell "error PAR 1"
is "$(mon 0 VMON)" '#BD:00,PAR:ERR' "an error when asked for"
tell "half 1"
is "$(mon 0 STAT)" '#BD:00,CMD:O' "half a reply"
tell "double 1"
is "$(mon 0 STAT | wc -l)" 2 "two replies"
tell "drop 1"
is "$(ask '$BD:00,CMD:MON,CH:0,PAR:STAT' '$BD:00,CMD:MON,PAR:BDNCH')" '#BD:00,CMD:OK,VAL:4' "none"
tell "delay 5ms"; tell "split on"
is "$(mon 4 VSET)" '#BD:00,CMD:OK,VAL:0100.5;0050.0;0000.0;0000.0' "pieces join to the reply"
tell "delay 0"; tell "split off"

# One client: the second one is not answered until the first one goes.
mkfifo first.in; exec 4<>first.in
socat -t9 - "tcp:127.0.0.1:$port" <first.in >first.out 2>/dev/null 4>&- &
first=$!; tap_pids="$tap_pids $first"
printf '$BD:00,CMD:MON,PAR:BDNCH\r\n' >&4
until_true 5 test -s first.out
is "$(printf '$BD:00,CMD:MON,PAR:BDNCH\r\n' | socat -t0.2 - "tcp:127.0.0.1:$port")" "" \
    "a second client gets nothing"
exec 4>&-
kill $first 2>/dev/null; wait $first 2>/dev/null
ok "until the first has gone" -- until_true 5 stat_is 0 00000
tell "cycle 200ms"
ok "after a power cycle it comes back" -- until_true 10 stat_is 0 00000
like journal '^20..-..-..T..:..:..\.......Z \$BD:00,CMD:MON,PAR:BDNAME$' "the journal has every request, and when"
finish "$sim" TERM
is "$status" 0 "SIGTERM ends it"

start pty simhv --pty --lenient
tty=$address
is "$(printf '$BD:00:CMD:MON,PAR:BDNAME\r\n' | socat -t2 - "$tty,raw,echo=0" | tr -d '\r')" \
    '#BD:00,CMD:OK,VAL:R1470ET' "a pty is a serial supply, and the lenient one takes a colon"
done_testing
