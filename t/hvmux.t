# hvmux.t - one supply for many: answers, order, OFF first, limits, audit
# san: yes
# shellcheck disable=SC2016 # requests begin with a dollar
. "${0%/*}/hvlib.sh"
. "${0%/*}/lib.sh"
need socat

# The command line.
exits 2 "no supply" -- hvmux
exits 2 "a supply that is no address" -- hvmux -d tcp:host:port
exits 2 "a limits file that is not there" -- hvmux -d tcp:127.0.0.1 --limits=none
printf '[0.1]\nmax-volts = many\n' >bad.limits
exits 2 "a limits file with a mistake" -- hvmux -d tcp:127.0.0.1 --limits=bad.limits
like err 'bad.limits:2' "names the line"
printf '[0.1]\nmax-volts = 1\n' >open.limits; chmod 666 open.limits
exits 2 "a limits file that others may write" -- hvmux -d tcp:127.0.0.1 --limits=open.limits
exits 4 "a listener for other machines" -- hvmux -d tcp:127.0.0.1 -l tcp:0.0.0.0:0
like err 'allow' "needs an allow-list"
exits 3 "an audit that cannot be written" -- hvmux -d tcp:127.0.0.1 --audit=/nonexistent/a

sim
# The supply's own protocol.
set -- '$BD:00,CMD:MON,PAR:BDNAME' '$BD:00,CMD:MON,CH:0,PAR:VSET' '$BD:00,CMD:MON,CH:4,PAR:VMON' \
    '$BD:00,CMD:MON,CH:5,PAR:VMON' '$BD:00,CMD:MON,CH:0,PAR:NONE' 'nonsense' '$BD:00,CMD:MON,PAR:VMON' \
    '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:123.4' '$BD:00,CMD:MON,CH:0,PAR:VSET' \
    '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:9000' '$BD:00,CMD:SET,CH:0,PAR:PDWN,VAL:KILL' \
    '$BD:00,CMD:MON,CH:4,PAR:STAT' '$BD:00,CMD:MON,CH:4,PAR:PDWN' '$BD:00,CMD:SET,PAR:BDILKM,VAL:CLOSED' \
    '$BD:00,CMD:MON,PAR:BDILKM' '$BD:00,CMD:SET,PAR:BDCLR' '$BD:00,CMD:MON,PAR:BDALARM'
direct "$@" >/dev/null; direct "$@" >direct.txt # twice: now its settings are those of the list
sets_before=$(sets '')
mux -l tcp:127.0.0.1:0 -l "unix:$tmp/ro.sock,ro" --cache=0 --status=status
tcp=$(sed -n 's/.*ready \(tcp:.*\)/\1/p' mux.err)
is "$(stat -c %a hv.sock)" 660 "the socket has mode 0660"
like mux.err 'no --limits' "without limits it says so"
is "$(sets '')" "$sets_before" "connecting sets nothing"

ask "$@" >mux.txt
at "$tcp" "$@" >tcp.txt
unmux
is "$status" 0 "SIGTERM ends it"
ok "hvmux gone, its socket is gone" -- test ! -e hv.sock
same mux.txt direct.txt "through hvmux the answers are the supply's own"
same tcp.txt direct.txt "on TCP too"
field_sum=$(($(field out status) + $(sed 's/.*"lost":{\([^}]*\)}.*/\1/; s/"[^"]*"://g; s/,/+/g' status)))
is "$field_sum" "$(field in status)" "requests in = out + lost"

# Every answer to its question.
for i in 0 1 2 3; do printf '[%s]\nvset=10%s\niset=1%s\nrup=2%s\nrdw=3%s\ntrip=4%s\n' $i $i $i $i $i $i; done >load.set
hvset -s "127.0.0.1:$port" --file=load.set >/dev/null 2>&1
mux --cache=0
n=5000; nightly && n=100000
is "$(/usr/bin/python3 "$top/t/hvload.py" "unix:$tmp/hv.sock" 32 $n)" $n "32 clients, $n requests: each has its own answer"
tell "delay 50ms"; tell "split on"
n=40; nightly && n=1000
is "$(/usr/bin/python3 "$top/t/hvload.py" "unix:$tmp/hv.sock" 32 $n)" $n "$n more, 50 ms late and in pieces"
tell "split off"

# A reading costs little more than from the supply itself: medians, taken in turn.
tell "delay 0"
start other simhv -l 127.0.0.1:0; other=$pid otherport=${address##*:}
for try in 1 2 3; do
	/usr/bin/python3 "$top/t/hvload.py" "127.0.0.1:$otherport,unix:$tmp/hv.sock" --latency 500 >times.txt
	more=$(awk 'NR == 1 { direct = $1 } NR == 2 { print $1 - direct }' times.txt)
	[ "$more" -gt 200 ] || break
done
ok "a reading costs $more us more than a direct one, at most 200" -- test "$more" -le 200
finish "$other" TERM

# OFF first. 32 clients keep the queue full; what the supply gets after the OFF was asked is at most
# the question that was under way.
direct_on() { ask '$BD:00,CMD:SET,CH:1,PAR:ON' >/dev/null; }
tell "delay 20ms"
direct_on
/usr/bin/python3 "$top/t/hvload.py" "unix:$tmp/hv.sock" 32 120 >load.out & load=$!
before=$(grep -c . journal)
until_true 10 sh -c "[ \$(grep -c . journal) -gt $((before + 40)) ]"
ask '$BD:00,CMD:SET,CH:1,PAR:OFF' >off.out & off=$!
until_true 10 grep -q 'channel 1 OFF: asked' audit
asked=$(sed -n 's/^\([^ ]*\) .*channel 1 OFF: asked/\1/p' audit | head -n 1)
wait $off
is "$(cat off.out)" '#BD:00,CMD:OK' "an OFF under load is answered"
sed -n "/CH:1,PAR:OFF/q; p" journal | awk -v t="${asked%Z}" '$1 > t' >between
ok "within one transaction" -- test "$(grep -c . between)" -le 1
wait $load
is "$(cat load.out)" 120 "and the others all have their answers"

# ON queued by A, OFF by B: off.
tell "delay 100ms"; : >journal
printf '$BD:00,CMD:MON,PAR:BDNAME\r\n$BD:00,CMD:SET,CH:2,PAR:ON\r\n$BD:00,CMD:SET,CH:2,PAR:VSET,VAL:50\r\n$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:51\r\n' |
    socat -t10 - "unix:$tmp/hv.sock" | tr -d '\r' >a.out & a=$!
until_true 5 grep -q BDNAME journal
is "$(ask '$BD:00,CMD:SET,CH:2,PAR:OFF')" '#BD:00,CMD:OK' "B's OFF is taken"
wait $a
is "$(tr '\n' ' ' <a.out)" '#BD:00,CMD:OK,VAL:R1470ET #BD:00,CMD:ERR #BD:00,CMD:ERR #BD:00,CMD:OK ' \
    "A's ON and VSET of that channel are errors, its other channel is set"
is "$(sets 'CH:2,PAR:ON')" 0 "and never reached the supply"
ok "the channel is off" -- stat_is 2 00000
like audit 'channel 2 .* -> ON: cancelled by OFF of unix pid' "the audit says who cancelled it"
# The same in one client's line of requests, far behind.
: >journal
tell "delay 5ms"
{ for i in $(seq 150); do printf '$BD:00,CMD:MON,CH:0,PAR:VMON\r\n'; done
printf '$BD:00,CMD:SET,CH:3,PAR:OFF\r\n'; } | socat -t10 - "unix:$tmp/hv.sock" >far.out
is "$(grep -c . far.out)" 151 "150 readings and an OFF in one go are answered"
ok "the OFF is sent long before its turn" -- test "$(sed '/PAR:OFF/q' journal | grep -c .)" -le 100

# OFF until STAT shows it; all channels; from a client that may only read.
tell "delay 0"
ask '$BD:00,CMD:SET,CH:0,PAR:RUP,VAL:500' '$BD:00,CMD:SET,CH:4,PAR:OFF' >all.out
is "$(tail -n 1 all.out)" '#BD:00,CMD:OK' "OFF of channel 4, all of them, is taken"
ok "and goes to each" -- test "$(grep -c 'CH:[0-3],PAR:OFF' journal)" -ge 4
is "$(sets 'CH:4')" 0 "one by one"
ask '$BD:00,CMD:SET,CH:0,PAR:ON' >/dev/null
tell "ignore-off 0 3"; : >journal
n=$(grep -c 'channel 0 OFF: done' audit)
ask '$BD:00,CMD:SET,CH:0,PAR:OFF' >/dev/null
ok "an OFF that is not obeyed" -- until_true 10 sh -c "[ \$(grep -c 'channel 0 OFF: done' audit) -gt $n ]"
is "$(sets 'CH:0,PAR:OFF')" 4 "is repeated until STAT shows off"
tell "local on"
is "$(ask '$BD:00,CMD:SET,CH:1,PAR:OFF' '$BD:00,CMD:SET,CH:1,PAR:ON')" "$(printf '#BD:00,LOC:ERR\n#BD:00,LOC:ERR')" \
    "in LOCAL the supply's error comes through"
tell "local off"
unmux

# The cache.
mux --cache=10s
: >journal
ask '$BD:00,CMD:MON,CH:0,PAR:VSET' '$BD:00,CMD:MON,CH:0,PAR:VSET' >/dev/null
ask '$BD:00,CMD:MON,CH:0,PAR:VSET' >/dev/null
is "$(grep -c PAR:VSET journal)" 1 "a reading is kept for a short time"
is "$(ask '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:99' '$BD:00,CMD:MON,CH:0,PAR:VSET' | tail -n 1)" \
    '#BD:00,CMD:OK,VAL:0099.0' "but never past a setting"
like audit "unix pid [0-9]+ uid $(id -u): board 0 channel 0 VSET 0100.0 -> 99: done" "which is audited: who, old, new"
unmux

# Limits.
cat >limits <<E
[*]
max-ramp = 100
[0.0]
max-volts = 1500
max-microamps = 5
[0.1]
forbidden = yes
[0.2]
max-volts = 40
[0.3]
max-volts = 1000
E
printf '[2]\nvset=50\npower=on\n[3]\nvset=10\npower=on\n' >on.set
hvset -s "127.0.0.1:$port" --file=on.set --wait >/dev/null 2>&1
: >journal
mux -l "unix:$tmp/ro.sock,ro" --limits=limits --cache=0
until_true 5 grep -q 'channel 3 MAXV' audit
is "$(ask '$BD:00,CMD:MON,CH:4,PAR:MAXV')" '#BD:00,CMD:OK,VAL:1500;8100;8100;1000' \
    "MAXV is written where the channel is off, or VSET is within it"
like mux.err 'channel 2 is on at VSET 50 V.*above the limit of 40 V: nothing is changed' "elsewhere there is an alarm"
like audit 'limits file: board 0 channel 3 MAXV 8100 -> 1000: done' "and it is audited"
is "$(grep CMD:SET journal | grep -vc PAR:MAXV)" 0 "nothing else is set"
is "$(ask '$BD:00,CMD:SET,CH:2,PAR:VSET,VAL:40' '$BD:00,CMD:SET,CH:2,PAR:VSET,VAL:40.1' '$BD:00,CMD:SET,CH:0,PAR:RUP,VAL:100' \
    '$BD:00,CMD:SET,CH:0,PAR:RUP,VAL:101' '$BD:00,CMD:SET,CH:1,PAR:ON' '$BD:00,CMD:SET,CH:1,PAR:OFF' \
    '$BD:00,CMD:SET,CH:0,PAR:MAXV,VAL:1501' '$BD:00,CMD:SET,CH:4,PAR:VSET,VAL:1' | tr '\n' ' ')" \
    '#BD:00,CMD:OK #BD:00,VAL:ERR #BD:00,CMD:OK #BD:00,VAL:ERR #BD:00,LOC:ERR #BD:00,CMD:OK #BD:00,VAL:ERR #BD:00,CH:ERR ' \
    "up to the limit, and no further"
is "$(at "unix:$tmp/ro.sock" '$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1' '$BD:00,CMD:MON,CH:0,PAR:VSET' '$BD:00,CMD:SET,CH:3,PAR:OFF' | tr '\n' ' ')" \
    '#BD:00,LOC:ERR #BD:00,CMD:OK,VAL:0099.0 #BD:00,CMD:OK ' "a read-only client reads, and may switch off"
exits 4 "hvset says 4" -- hvset -s "unix:$tmp/hv.sock" -c 2 -v 41
like err "above hvmux's limit of 40 V" "and why"
printf '[0]\nvset=98\niset=5\n[2]\nvset=30\niset=5\nrup=101\n' >half.set
: >journal
exits 4 "a file with one value beyond the limits" -- hvset -s "unix:$tmp/hv.sock" --file=half.set
is "$(sets '')" 0 "sets nothing at all"
exits 4 "a forbidden channel" -- hvset -s "unix:$tmp/hv.sock" -c 1 --on
like err 'takes only OFF: forbidden by its limits' "and why"
exits 4 "a read-only listener" -- hvset -s "unix:$tmp/ro.sock" -c 0 -i 1
ok "OFF is let through" -- hvset -s "unix:$tmp/ro.sock" -c 1 --off
is "$(ask '$BD:00,CMD:MON,CH:2,PAR:MUXVMAX' '$BD:00,CMD:MON,CH:2,PAR:MUXIMAX' '$BD:00,CMD:MON,CH:1,PAR:MUXRMAX' | tr '\n' ' ')" \
    '#BD:00,CMD:OK,VAL:40.000 #BD:00,CMD:OK,VAL:none #BD:00,CMD:OK,VAL:forbidden ' "a client may ask for its limits"
until_true 10 grep -q 'channel 3 OFF: done' audit
# What was set before the limits may not be brought out by ON.
until_true 10 stat_is 3 00000
tell "cycle 100ms"
until_true 10 stat_is 3 00000
unmux
direct '$BD:00,CMD:SET,CH:3,PAR:MAXV,VAL:8000' '$BD:00,CMD:SET,CH:3,PAR:VSET,VAL:2000' >/dev/null
mux --limits=limits
: >journal
is "$(ask '$BD:00,CMD:SET,CH:3,PAR:ON')" '#BD:00,VAL:ERR' "ON with a VSET above the limit"
is "$(sets 'CH:3,PAR:ON')" 0 "is not passed on"
unmux

# 10,000 forbidden requests.
mux -l "unix:$tmp/ro.sock,ro" --limits=limits
: >journal; : >audit
awk 'BEGIN {
	for (i = 0; i < 1000; i++) {
		printf "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:%d\r\n", 1501 + i
		printf "$BD:00,CMD:SET,CH:%d,PAR:VSET,VAL:1\r\n", 4 + i % 90
		printf "$BD:00,CMD:SET,CH:1,PAR:ON\r\n"
		printf "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:%d\rE$BD:00,CMD:SET,CH:0,PAR:ON\r\n", i
		printf "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:1%0400d\r\n", i
		printf "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:-%d\r\n", i
		printf "$BD:00,CMD:SET,CH:0,PAR:VSET,VAL:%de1\r\n", i
		printf "\033]0;%d\007$BD:00,CMD:SET,CH:0,PAR:ON\r\n", i
	}
}' >forbidden
awk 'BEGIN { for (i = 0; i < 2000; i++) printf "$BD:00,CMD:SET,CH:0,PAR:%s\r\n", i % 2 ? "ON" : "VSET,VAL:" i % 1000 }' >forbidden.ro
socat -t20 - "unix:$tmp/hv.sock" <forbidden >f.out
socat -t20 - "unix:$tmp/ro.sock" <forbidden.ro >r.out
is "$(cat f.out r.out | grep -c ':ERR')" 10000 "10,000 forbidden requests have 10,000 error replies"
is "$(sets '')" 0 "none reached the supply"
is "$(grep -c ': refused: ' audit)" 10000 "all are audited"
is "$(LC_ALL=C grep -c '[^ -~]' audit)" 0 "without a control character"
finish "$mux" TERM

# The default sockets, where nobody else listens at port 8000: in a network of its own.
if unshare -rn true 2>/dev/null; then
	cat >defaults.sh <<'E'
ip link set lo up
export XDG_RUNTIME_DIR="$PWD/run"
mkdir -m 700 run
simhv -l 127.0.0.1:1470 2>sim.log & sim=$!
hvmux -d tcp:127.0.0.1 --duration=5s 2>mux.log & mux=$!
n=0
until grep -q 'serial 12345' mux.log || [ $n -gt 200 ]; do n=$((n + 1)); sleep 0.02; done
hvset -c 0 -v 11 && hvset -p 8000 -c 0 -v 12 && hvmon -n 1 && stat -c '%a %F' run/fyke/hv.sock
kill $mux $sim
wait
E
	unshare -rn sh defaults.sh >defaults.out 2>defaults.err
	like defaults.out '^channel 0: VSET 0.0 -> 11.0 V$' "hvset finds hvmux's default socket"
	like defaults.out '^channel 0: VSET 11.0 -> 12.0 V$' "and the port where the original's clients look"
	like defaults.out '^hv,board=0,channel=0 vmon=0.0,.*vset=12.0' "hvmon too"
	like defaults.out '^660 socket$' "the socket has mode 0660"
else
	skip "no user namespaces"
fi

# Ways of being a bad client.
mux --clients=2 --idle=300ms
mkfifo idle.in; exec 5<>idle.in
socat - "unix:$tmp/hv.sock" <idle.in >idle.out 2>&1 5>&- & idle=$!
ok "one that says nothing is sent away" -- until_true 10 sh -c "! kill -0 $idle 2>/dev/null"
exec 5>&-
ok "others are served" -- stat_is 0 00000
unmux
done_testing
