# simtel.t - the simulated telescope: records of three epochs, housekeeping, faults
. "${0%/*}/lib.sh"
need socat
mkdir slow hdr enc rpc flat
exits 2 "it wants to know where to" -- simtel
exits 2 "a file format is 0 to 4" -- simtel -o hdr --ff=5
exits 2 "a list of minutes is one" -- simtel -o hdr --stale=480-
exits 3 "a folder that cannot be made" -- simtel -o /proc/nowhere -n 1
for f in 0:180000 1:180000 2:264000 3:312000 4:312000; do
	ok "file format ${f%:*}" -- simtel -o hdr -n 1 --ff="${f%:*}"
	is "$(wc -c <hdr/20050621/0480)" "${f#*:}" "its minute has ${f#*:} bytes"
done
be() { od -An -td4 --endian=big -j "$1" -N 4 hdr/20050621/0480 | tr -d ' '; }
is "$(be 0) $(be 4) $(be 56)" "53542 2880000 2880001" "MJD and ticks since midnight, big-endian, one tick a record"
ok "faults" -- simtel -o hdr --enc=enc --rpc=rpc -n 5 --missing=481 --short=482 --stale=483 --enc-missing=484
is "$(cd hdr/20050621 && wc -c 048? | awk '!/total/ { print $1 }' | tr '\n' ' ')" "312000 104000 312000 312000 " "a missing and a short file"
is "$(od -An -td4 --endian=big -N 4 hdr/20050621/0483 | tr -d ' ')" 53541 "one of the day before"
is "$(find enc/20050621 -name "enc_*" | wc -l)" 4 "housekeeping but for one minute"
is "$(wc -l <enc/20050621/enc_050621_0480.tsv)" 61 "a header and sixty seconds"
is "$(wc -c <rpc/20050621/20050621_0480_rpc.bin)" 46080 "sixty RPC records of 768 bytes"
is "$(od -An -td4 --endian=little -j 44 -N 4 rpc/20050621/20050621_0480_rpc.bin | tr -d ' ')" 53542 "little-endian, MJD at byte 44"
ok "as on the telescope" -- simtel -o flat --flat -n 1
is "$(ls flat)" 0480 "a flat folder, and no lock left"
exits 2 "services need time to pass" -- simtel -o hdr --tcp1=0
start tel simtel -o hdr -n 1 --speed=30 --tcp100=0 --tcp10=0 --tcp1=0
n=0
sed -n 's/.*: ready \([^ ]*\).*/\1/p' tel.err >ports
while read -r at; do
	n=$((n + 1))
	socat -u "TCP:${at#tcp:}" "CREATE:got$n" 2>/dev/null &
	tap_pids="$tap_pids $!"
	eval "got$n=$!"
done <ports
is "$n" 3 "three services"
finish "$pid"
for n in 1 2 3; do eval "wait \$got$n"; done
is "$(($(wc -c <got1) % 5200)) $(($(wc -c <got2) % 520)) $(($(wc -c <got3) % 52))" "0 0 0" "100, 10 and 1 records at each second"
is "$(od -An -tx1 -N 40 -j $(($(wc -c <got3) - 52)) got3 | tr -d ' \n')" "$(od -An -tx1 -N 40 -j $((59 * 5200)) hdr/20050621/0480 | tr -d ' \n')" "the same records as in the minute's file"

# In real time a minute's file grows under its lock.
start slow simtel -o slow --flat -n 1 --speed=1 --tcp1=0
until_true 20 test -s slow/0480; tap $? "in real time the log grows second by second"
[ -e slow/0480.lck ]; tap $? "under its lock"
is "$(($(wc -c <slow/0480) % 5200))" 0 "by 100 records"
finish "$pid" TERM

# ---- the RPC record, asked for by a client of the test's own ----
exits 2 "a fault is one" -- simtel -o hdr --utc=now --serve-rpc=0 --rpc-fault=sleepy
exits 2 "and its calls are numbers" -- simtel -o hdr --utc=now --serve-rpc=0 --rpc-fault=silent@3-2
exits 2 "the RPC service needs time to pass" -- simtel -o hdr --serve-rpc=0
exits 2 "a time is one" -- simtel -o hdr --utc=soon
start rpc simtel -o hdr --utc=now --serve-rpc=0 --portmapper=0 --rpc-fault=silent@4 --rpc-fault=stale@5 --rpc-fault=short@6 --rpc-fault=long@7 \
    --rpc-fault=deny@8 --rpc-fault=frozen@9 --rpc-fault=half@10 --rpc-fault=mark@11 --rpc-fault=hangup@12
sed -n 's/.*: ready [a-z]*:\([^ ]*\).*/\1/p' rpc.err >ports
/usr/bin/python3 "$top/t/telrpc.py" $(cat ports) >facts 2>&1 || diag <facts
while read -r right words; do tap "$right" "$words"; done <facts
finish "$pid" TERM; is "$status" 0 "SIGTERM ends it"
done_testing
