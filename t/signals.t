# signals.t - every program that runs for long: SIGUSR1 says its counters, SIGUSR2 switches debug
# messages, --name tells instances apart, SIGTERM ends it
# san: yes
. "${0%/*}/lib.sh"
mkdir src dst img raw night hdr enc logs
simdas --quiet -o night -n 1
simdet --quiet -c chec -n 20 -o run.pcapng
evbuild --quiet -c chec -o run.events run.pcapng
simdet --quiet -c roach2c -n 4 -o roach.pcapng

start rotator simrot "--motor=$tmp/motor" "--encoder=$tmp/gear"
start scope simscope --rate=0 # never triggers

# How each one is made to run: its input is a pipe that stays open, its peers are away or simulated.
# A program that is not here must say so below, in `short`.
table() {
	cat <<T
udp2raw   -            udp2raw -l 127.0.0.1:0 -o udp2raw.pcapng --min-free=0
evbuild   run.pcapng   evbuild -c chec -o evbuild.events
raw2nc    run.events   raw2nc -o raw2nc.nc --min-free=0
evdump    run.events   evdump
raw2udp   run.pcapng   raw2udp -d 127.0.0.1:9 --speed=max
simdet    -            simdet -c chec -d 127.0.0.1:9 -r 5
evpub     run.events   evpub zmq+tcp://127.0.0.1:0
evsub     -            evsub zmq+tcp://127.0.0.1:9
evstat    run.events   evstat --every=200ms -
logd      -            logd -l tcp:127.0.0.1:0 -o logs --min-free=0
dirsync   -            dirsync --every=200ms --min-free=0 src dst
hvmux     -            hvmux -d tcp:127.0.0.1:9 -l unix:$tmp/mux.sock
hvmon     -            hvmon -s unix:$tmp/nobody.sock
simhv     -            simhv -l 127.0.0.1:0
gasread   -            gasread -p /dev/nonesuch
simgas    -            simgas
influxput -            influxput -u http://127.0.0.1:9 --db=x
scopeget  -            scopeget -d $address -n 5 -o wave --timeout=1h
simscope  -            simscope
seqd      -            seqd -l 127.0.0.1:0 --dir=img --camera=size=64x64
simdas    -            simdas -o raw --speed=1
simtel    -            simtel -o hdr --speed=1
writelog  -            writelog -o enc --source=file:nowhere
rotctl    -            rotctl watch --motor=$tmp/motor --encoder=$tmp/gear -l unix:$tmp/r.sock --control=unix:$tmp/c.sock --state=rot
simrot    -            simrot
merge     -            merge -ff 4 -cs $top/etc/bolocam.cal -r night -h hdr -e enc
T
}
short="hvset influxget seqcmd seqrun slice talker timecheck" # done when their work is

for bin in "$FYKE_BUILD"/bin/*; do
	p=$(basename "$bin")
	case " $short " in *" $p "*) continue ;; esac
	table | grep -q "^$p " || tap 1 "$p runs for long, or not: say it in this test"
done

# All at once; each one's input is a pipe that it keeps open itself.
table >list
pids=
while read -r p input command; do
	mkfifo "$p.in"
	eval "exec $command --name=roach01 --status=$p.json" <>"$p.in" >/dev/null 2>"$p.err" &
	pids="$pids $!"
	tap_pids="$tap_pids $!"
	[ "$input" = - ] || cat "$input" >"$p.in"
done <list

says() { grep -Eq "$p\[roach01\]: $1" "$p.err"; }
# signal NAME REGEX WORDS: the signal makes it say so
signal() {
	kill -"$1" "$pid"
	until_true 20 says "$2"
	tap $? "$p: $3" || diag <"$p.err"
}
# It has written its status, or (scopeget, which waits in one call) says whom it asks.
takes_signals() { [ -s "$p.json" ] || grep -q LECROY "$p.err"; }
# shellcheck disable=SC2086 # numbers
set -- $pids
while read -r p input command; do
	pid=$1
	shift
	until_true 20 takes_signals
	signal USR1 '[0-9]+ [a-z ]+ in, [0-9]+ out' "SIGUSR1 says its counters, and its name"
	signal USR2 'debug messages on' "SIGUSR2 switches debug messages on"
	signal USR2 'debug messages off' "and off"
	kill -TERM "$pid" # (a filter has 10 s then to read what is left)
done <list
# shellcheck disable=SC2086
set -- $pids
while read -r p input command; do
	finish "$1"
	shift
	like "$p.json" '"name":"roach01"' "$p: --status tells the instance"
	[ "$status" -lt 6 ] || [ "$status" -eq 130 ]
	tap $? "$p: SIGTERM ends it ($status)" || diag <"$p.err"
done <list
done_testing
