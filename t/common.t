# common.t - what all programs share: help, usage, configuration, status, messages
# san: yes
. "${0%/*}/lib.sh"

for bin in "$FYKE_BUILD"/bin/*; do
	p=$(basename "$bin")
	ok "$p --help" -- "$p" --help
	case $p in rotctl | simrot) lines=28 ;; *) lines=24 ;; esac # hands and faults: nearly a screen
	[ "$(wc -l <out)" -le $lines ] && [ "$(awk '{ print length }' out | sort -n | tail -n 1)" -le 80 ]
	tap $? "$p --help fits a screen, $lines lines of 80 columns" || diag <out
	ok "$p --usage" -- "$p" --usage
	ok "$p --version" -- "$p" --version
	is "$(cut -d' ' -f1,2 out)" "$p (fyke)" "$p says its version"
	exits 2 "$p refuses an unknown option" -- "$p" --no-such-option
	like err "$p: --no-such-option: unknown option; $p --help" "and says where to look"
	exits 3 "$p --help into a full disk" -- sh -c "exec $p --help >/dev/full"
done

# One program stands for all from here on.
simdet -c chec -n 2 -o run.pcapng 2>err || diag <err
printf '[evdump]\nformat = json\ncount = 1\n[another]\nwhatever = 1\n' >lab.conf
ok "options from a file" -- evdump --config=lab.conf run.pcapng
is "$(wc -l <out)" 1 "count = 1 of the file holds"
like out '^\{' "format = json too"
ok "the command line beats the file" -- evdump --config=lab.conf -n 2 run.pcapng
is "$(wc -l <out)" 2 "-n 2"
ok "the environment beats the file" -- env FYKE_EVDUMP_COUNT=3 evdump --config=lab.conf run.pcapng
is "$(wc -l <out)" 3 "FYKE_EVDUMP_COUNT=3"
ok "an unknown variable is nothing" -- env FYKE_EVDUMP_NONSENSE=1 evdump -n 1 run.pcapng
printf '[evdump]\nnonsense = 1\n' >bad.conf
exits 2 "an unknown key is fatal" -- evdump --config=bad.conf run.pcapng
like err 'bad.conf:2: nonsense: no such option of evdump' "with file and line"
printf '[evdmup]\ncount = 1\nformat = json\n[paths]\ndas = x\n[udp2raw]\nlisten = 1\n' >odd.conf
ok "a section that nobody has" -- evdump -n 1 --config=odd.conf run.pcapng
is "$(grep -c 'odd.conf:' err)" 1 "is told once, and no other"
like err 'odd.conf:2: \[evdmup\]: no program has this name' "by its name"
printf 'count = 1\n[evdump]\n' >bare.conf
exits 2 "a key before any section" -- evdump --config=bare.conf run.pcapng
like err 'bare.conf:1: count: a key without a \[section\]' "is no key"
chmod 666 lab.conf
exits 2 "a file that all may write is refused" -- evdump --config=lab.conf run.pcapng
like err 'nobody else may write' "and the message says what to do"
exits 2 "a number with letters" -- evdump -n 12x run.pcapng
exits 2 "a number in hexadecimal" -- evdump -n 0x10 run.pcapng
exits 2 "too many arguments" -- evdump a b c d
like err 'evdump: b: one argument too many; usage: evdump \[OPTION\.\.\.\] \[FILE\]$' "the first of them is named"
exits 2 "a port without its option" -- udp2raw 2009
like err '2009: one argument too many \(-l 2009\?\); usage: udp2raw \[OPTION\.\.\.\]$' "is guessed"
exits 2 "an output without its option" -- evbuild -c chec run.pcapng new.events
like err 'new.events: one argument too many \(-o new.events\?\)' "too"
for o in "evstat -n" "evsub -n" "evsub --duration" "gasread -n" "gasread -t" "hvmon -n" "hvmon -t" "hvmux --duration" \
    "logd -n" "scopeget -n" "simdas -n" "simgas -n" "simhv --duration" "simrot --duration" "simscope -t" "simtel -n" \
    "writelog -n" "writelog -t"; do
	[ -e "$FYKE_BUILD/bin/${o% *}" ] || continue
	# shellcheck disable=SC2086 # a program and its option
	exits 2 "$o 0" -- $o 0
	like err "'0' is not a (whole number|time \(.*\)) (of 1(ns)? or more|from 1 to)" "is no end"
done
ok "0010 is ten" -- evdump -n 0010 run.pcapng
is "$(wc -l <out)" 10 "ten lines"

ok "--status" -- evdump --status=st.json --name=roach01 run.pcapng
/usr/bin/python3 - st.json >got 2>&1 <<'E2'
import json, sys
s = json.load(open(sys.argv[1]))
assert s["state"] == "done" and s["name"] == "roach01" and s["program"] == "evdump", s
assert s["in"] == s["out"] + s["held"] + sum(s["lost"].values()), s
print("sums")
E2
is "$(cat got)" sums "is JSON, and its counters sum"
exits 3 "--status where no file can be" -- evdump --status=/nowhere/st.json run.pcapng
ok "a status file is replaced by the next run" -- evdump --status=st.json -n 1 run.pcapng
cp run.pcapng data; : >empty
exits 4 "--status never replaces another file" -- evdump --status=data run.pcapng
same data run.pcapng "that is as it was"
mkfifo fifo
exits 4 "nor what is no file" -- evdump --status=fifo run.pcapng
ok "an empty one it does" -- evdump --status=empty run.pcapng

talks() { simdet -c chec -n 1 -o - --name=roach01 "$@"; }
ok "--log=file:" -- talks --log=file:log.txt
like log.txt '^20[0-9-]+T[0-9:.]+Z simdet\[roach01\]: [0-9]+ datagrams in' "has time, program, instance"
ok "--log=file: a second time" -- talks --log=file:log.txt
is "$(grep -c 'datagrams in' log.txt)" 2 "goes on with the file"
printf 'CDF\001' >is.nc; printf '\211HDF\r\n' >is.h5; echo 'SIMPLE  =  T' >is.fits
for f in data is.nc is.h5 is.fits; do
	cp "$f" before
	exits 4 "--log=file: does not append to data: $f" -- talks --log=file:"$f"
	same "$f" before "it is as it was"
done
exits 2 "--log= of no kind" -- talks --log=smoke

# A log server gets RFC 5424 records with octet counts; without it data go on.
/usr/bin/python3 - >srv.out 2>srv.err <<'E2' &
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
s.settimeout(20)
print("log: ready %d" % s.getsockname()[1], file=sys.stderr, flush=True)
c, _ = s.accept()
data = b""
while (part := c.recv(65536)):
    data += part
n, rest = data.split(b" ", 1)
print(rest[:int(n)].decode())
E2
server=$!
until_true 20 grep -q ready srv.err
port=$(sed 's/.*ready //' srv.err)
ok "--log=tcp:" -- talks --log=tcp:127.0.0.1:"$port"
finish $server
like srv.out '^<134>1 20[0-9-]+T[0-9:.]+Z [^ ]+ simdet [0-9]+ roach01 - [0-9]+ datagrams in' "the server got RFC 5424"
ok "an absent log server delays nothing" -- talks --log=tcp:127.0.0.1:"$port"
done_testing
